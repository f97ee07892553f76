//! The known products: as an argument, by an issuer's address, and their endpoints by name.

use std::collections::BTreeMap;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tollgate_engine::provider::preset::{Endpoints, Preset};
use url::Url;

/// Reads the name of a preset on the command line.
pub(crate) fn presets() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::NAMES).map(|name| Preset::named(&name).unwrap_or_default())
}

/// The product that an issuer's address reveals.
pub(crate) fn guess(issuer: &str) -> Option<Preset> {
    let url = Url::parse(issuer).ok()?;
    Preset::ALL.into_iter().find(|preset| match Address::of(*preset) {
        Address::Hosts(domains) => is_below(&url, domains),
        Address::Path(start) => url.path().starts_with(start),
        Address::Any => false,
    })
}

/// The product whose introspection endpoints have this kind of address.
pub(crate) fn of_introspection(uri: &str) -> Option<Preset> {
    let url = Url::parse(uri).ok()?;
    Preset::ALL.into_iter().find(|preset| {
        let is_there = match Address::of(*preset) {
            Address::Hosts(domains) => is_below(&url, domains),
            // Below /auth before version 17.
            Address::Path(_) if *preset == Preset::Keycloak => true,
            Address::Path(start) => url.path().split('/').nth(1) == start.split('/').nth(1),
            Address::Any => true,
        };
        is_there && ends_as(*preset, url.path())
    })
}

/// How a product's addresses are recognized.
enum Address {
    /// Its hosts are below these domains.
    Hosts(&'static [&'static str]),
    /// The path of an issuer begins with this.
    Path(&'static str),
    /// Its addresses have nothing in common.
    Any,
}

impl Address {
    fn of(preset: Preset) -> Self {
        match preset {
            Preset::Okta => Self::Hosts(&["okta.com", "oktapreview.com", "okta-emea.com"]),
            Preset::Salesforce => Self::Hosts(&["salesforce.com"]),
            Preset::Keycloak => Self::Path("/realms/"),
            Preset::OpenAm => Self::Path("/openam/oauth2"),
            Preset::ForgeRock => Self::Path("/am/oauth2"),
            Preset::PingFederate | Preset::Generic => Self::Any,
        }
    }
}

/// Whether the host of a URL is below one of the domains.
fn is_below(url: &Url, domains: &[&str]) -> bool {
    let host = url.host_str().unwrap_or_default();
    domains.iter().any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

/// Whether a path ends like the path of the product's introspection endpoint. Okta has two.
fn ends_as(preset: Preset, path: &str) -> bool {
    ["https://host", "https://host/oauth2/x"].into_iter().any(|base| {
        let introspection = preset.endpoints(base).introspection;
        introspection.is_some_and(|uri| uri.strip_prefix(base).is_some_and(|end| path.ends_with(end)))
    })
}

/// The endpoints that are known, by their names in RFC 8414.
pub(crate) fn named(endpoints: &Endpoints) -> BTreeMap<String, String> {
    let all = [
        ("introspection_endpoint", &endpoints.introspection),
        ("token_endpoint", &endpoints.token),
        ("authorization_endpoint", &endpoints.authorization),
        (REGISTRATION, &endpoints.registration),
        ("revocation_endpoint", &endpoints.revocation),
        ("jwks_uri", &endpoints.jwks),
        ("userinfo_endpoint", &endpoints.userinfo),
    ];
    all.into_iter().filter_map(|(name, url)| Some((name.to_owned(), url.clone()?))).collect()
}

/// The registration endpoint's name in RFC 8414.
pub(crate) const REGISTRATION: &str = "registration_endpoint";

#[cfg(test)]
mod tests {
    use super::{Preset, guess};

    #[test]
    fn what_an_address_gives_away() {
        let cases = [
            ("Okta's own server", "https://dev-1.okta.com", Some(Preset::Okta)),
            ("a custom one", "https://dev-1.oktapreview.com/oauth2/default", Some(Preset::Okta)),
            ("no Okta", "https://okta.com.example.com", None),
            ("Salesforce", "https://acme.my.salesforce.com", Some(Preset::Salesforce)),
            ("Keycloak", "https://login.example.com/realms/shop", Some(Preset::Keycloak)),
            ("OpenAM", "https://am.example.com/openam/oauth2/shop", Some(Preset::OpenAm)),
            (
                "ForgeRock",
                "https://am.example.com/am/oauth2/realms/root/realms/alpha",
                Some(Preset::ForgeRock),
            ),
            ("nothing", "https://login.example.com", None),
            ("no URL", "login", None),
        ];
        for (name, issuer, want) in cases {
            assert_eq!(guess(issuer), want, "{name}");
        }
    }
}
