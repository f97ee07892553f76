//! The products that we know: as a switch, by an issuer's address, and their endpoints by name.

use std::collections::BTreeMap;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tollgate_engine::provider::preset::{Endpoints, Preset};
use url::Url;

/// Reads the name of a preset on the command line.
pub(crate) fn presets() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::NAMES).map(|name| Preset::named(&name).unwrap_or_default())
}

/// The product that an issuer's address gives away.
pub(crate) fn guess(issuer: &str) -> Option<Preset> {
    let url = Url::parse(issuer).ok()?;
    let host = url.host_str().unwrap_or_default();
    let below = |domains: &[&str]| domains.iter().any(|domain| host.ends_with(domain));
    let path = url.path();
    match path {
        _ if below(&[".okta.com", ".oktapreview.com", ".okta-emea.com"]) => Some(Preset::Okta),
        _ if below(&[".salesforce.com"]) => Some(Preset::Salesforce),
        _ if path.starts_with("/realms/") => Some(Preset::Keycloak),
        _ if path.starts_with("/openam/oauth2") => Some(Preset::OpenAm),
        _ if path.starts_with("/am/oauth2") => Some(Preset::ForgeRock),
        _ => None,
    }
}

/// The endpoints that are there, by their names in RFC 8414.
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
