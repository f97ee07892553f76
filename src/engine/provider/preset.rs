//! Where the endpoints of known products are, below the issuer or the base URL.
//!
//! A preset supplies what the configuration leaves out; values in the configuration take precedence. Each path
//! is the product's documented default.

use crate::base::named::named;
use crate::base::text;

/// A product, by its name in the configuration.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Preset {
    /// Any; nothing is known of it.
    #[default]
    Generic,
    /// Okta: an organization's server (`https://HOST`) or one of its custom servers
    /// (`https://HOST/oauth2/NAME`).
    Okta,
    /// OpenAM up to 16, `https://HOST/openam/oauth2[/REALM]`.
    OpenAm,
    /// PingAM and ForgeRock AM from 6 on, `https://HOST/am/oauth2[/realms/root…]`.
    ForgeRock,
    /// Salesforce, `https://MYDOMAIN.my.salesforce.com`.
    Salesforce,
    /// PingFederate from 9 on, `https://HOST[:9031]`.
    PingFederate,
    /// Keycloak from 17 on, `https://HOST/realms/REALM`.
    Keycloak,
}

/// Where a product's endpoints are. Absolute URIs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Endpoints {
    /// Introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    pub introspection: Option<String>,
    /// Tokens ([RFC 6749 §3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).
    pub token: Option<String>,
    /// Authorization ([RFC 6749 §3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).
    pub authorization: Option<String>,
    /// Client registration ([RFC 7591](https://www.rfc-editor.org/rfc/rfc7591)).
    pub registration: Option<String>,
    /// Revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    pub revocation: Option<String>,
    /// Keys ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).
    pub jwks: Option<String>,
    /// UserInfo (OpenID Connect Core 1.0, section 5.3).
    pub userinfo: Option<String>,
    /// What there was before RFC 7662, where there was something.
    pub token_info: Option<String>,
}

named! { Preset:
    Generic = "generic",
    Okta = "okta",
    OpenAm = "openam",
    ForgeRock = "forgerock",
    Salesforce = "salesforce",
    PingFederate = "ping_federate",
    Keycloak = "keycloak",
}

impl Preset {
    /// Whether its JWTs have their scopes in an array: Okta's in `scp`, those of OpenAM and its successors
    /// in `scope`.
    pub fn writes_scope_arrays(self) -> bool {
        match self {
            Self::Okta | Self::OpenAm | Self::ForgeRock => true,
            Self::Generic | Self::Salesforce | Self::PingFederate | Self::Keycloak => false,
        }
    }

    /// Where its endpoints are, below an issuer or a base URL; all absent for [`Preset::Generic`].
    #[inline(never)]
    pub fn endpoints(self, base: &str) -> Endpoints {
        let base = base.trim_end_matches('/');
        let origin = origin(base);
        let paths = match self {
            Self::Generic => return Endpoints::default(),
            // The organization's own server has its paths one level further down than a custom one.
            Self::Okta if base == origin => [
                "/oauth2/v1/introspect",
                "/oauth2/v1/token",
                "/oauth2/v1/authorize",
                "/oauth2/v1/revoke",
                "/oauth2/v1/keys",
                "/oauth2/v1/userinfo",
            ],
            Self::Okta => {
                ["/v1/introspect", "/v1/token", "/v1/authorize", "/v1/revoke", "/v1/keys", "/v1/userinfo"]
            }
            Self::OpenAm | Self::ForgeRock => [
                "/introspect",
                "/access_token",
                "/authorize",
                "/token/revoke",
                "/connect/jwk_uri",
                "/userinfo",
            ],
            Self::Salesforce => [
                "/services/oauth2/introspect",
                "/services/oauth2/token",
                "/services/oauth2/authorize",
                "/services/oauth2/revoke",
                "/id/keys",
                "/services/oauth2/userinfo",
            ],
            Self::PingFederate => [
                "/as/introspect.oauth2",
                "/as/token.oauth2",
                "/as/authorization.oauth2",
                "/as/revoke_token.oauth2",
                "/pf/JWKS",
                "/idp/userinfo.openid",
            ],
            Self::Keycloak => [
                "/protocol/openid-connect/token/introspect",
                "/protocol/openid-connect/token",
                "/protocol/openid-connect/auth",
                "/protocol/openid-connect/revoke",
                "/protocol/openid-connect/certs",
                "/protocol/openid-connect/userinfo",
            ],
        };
        let registration = match self {
            Self::Generic => String::new(),
            // One API for all servers of the organization.
            Self::Okta => format!("{origin}/oauth2/v1/clients"),
            Self::OpenAm => format!("{base}/connect/register"),
            Self::ForgeRock => format!("{base}/register"),
            Self::Salesforce => format!("{base}/services/oauth2/register"),
            Self::PingFederate => format!("{base}/as/clients.oauth2"),
            Self::Keycloak => format!("{base}/clients-registrations/openid-connect"),
        };
        let [introspection, token, authorization, revocation, jwks, userinfo] =
            paths.map(|path| Some(format!("{base}{path}")));
        let token_info = match self {
            Self::OpenAm | Self::ForgeRock => Some(format!("{base}/tokeninfo")),
            // The token endpoint, with a grant type of its own.
            Self::PingFederate => token.clone(),
            Self::Generic | Self::Okta | Self::Salesforce | Self::Keycloak => None,
        };
        Endpoints {
            token_info,
            introspection,
            token,
            authorization,
            registration: Some(registration),
            revocation,
            jwks,
            userinfo,
        }
    }
}

/// Scheme and authority of an absolute URI.
fn origin(uri: &str) -> &str {
    let authority = text::find(uri, "://").map_or(0, |at| at.saturating_add(3));
    let path = uri.get(authority..).and_then(|rest| rest.find('/'));
    path.and_then(|path| uri.get(..authority.saturating_add(path))).unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::Preset;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn where_products_have_their_endpoints() {
        #[rustfmt::skip]
        let cases = [
            ("okta", "https://dev.okta.com",
             "https://dev.okta.com/oauth2/v1/introspect", "https://dev.okta.com/oauth2/v1/token", "https://dev.okta.com/oauth2/v1/clients"),
            ("okta", "https://dev.okta.com/oauth2/default",
             "https://dev.okta.com/oauth2/default/v1/introspect", "https://dev.okta.com/oauth2/default/v1/token", "https://dev.okta.com/oauth2/v1/clients"),
            ("openam", "https://am.example.com/openam/oauth2",
             "https://am.example.com/openam/oauth2/introspect", "https://am.example.com/openam/oauth2/access_token", "https://am.example.com/openam/oauth2/connect/register"),
            ("forgerock", "https://am.example.com/am/oauth2/realms/root/realms/alpha",
             "https://am.example.com/am/oauth2/realms/root/realms/alpha/introspect", "https://am.example.com/am/oauth2/realms/root/realms/alpha/access_token",
             "https://am.example.com/am/oauth2/realms/root/realms/alpha/register"),
            ("salesforce", "https://acme.my.salesforce.com",
             "https://acme.my.salesforce.com/services/oauth2/introspect", "https://acme.my.salesforce.com/services/oauth2/token", "https://acme.my.salesforce.com/services/oauth2/register"),
            ("ping_federate", "https://pf.example.com:9031/",
             "https://pf.example.com:9031/as/introspect.oauth2", "https://pf.example.com:9031/as/token.oauth2", "https://pf.example.com:9031/as/clients.oauth2"),
            ("keycloak", "https://sso.example.com/realms/main",
             "https://sso.example.com/realms/main/protocol/openid-connect/token/introspect", "https://sso.example.com/realms/main/protocol/openid-connect/token",
             "https://sso.example.com/realms/main/clients-registrations/openid-connect"),
        ];
        for (preset, base, introspection, token, registration) in cases {
            let endpoints = Preset::named(preset).unwrap().endpoints(base);
            let got = [endpoints.introspection, endpoints.token, endpoints.registration];
            assert_eq!(got.map(Option::unwrap), [introspection, token, registration], "{preset} at {base}");
        }
        assert_eq!(Preset::Generic.endpoints("https://as.example.com").introspection, None);
        assert!(Preset::ALL.into_iter().all(|preset| Preset::named(preset.name()) == Some(preset)));
    }
}
