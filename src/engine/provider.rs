//! The authorization servers: how they are called, and what their responses say.

pub mod assertion;
pub mod client_auth;
pub mod client_list;
pub mod clients;
pub mod fetch;
pub mod flight;
pub mod health;
pub mod introspection;
pub mod jwt;
pub mod keys;
pub mod outcome;
pub mod preset;
pub mod revoked;
pub mod status_list;

use std::time::Duration;

use crate::base::named::named;
use crate::base::secret::Secret;
use crate::jose::algorithm::Algorithms;
use crate::provider::client_auth::ClientAuth;
use crate::provider::keys::KeySource;
use crate::provider::status_list::StatusLists;
use crate::token::rules::TokenRules;

/// The longest `timeout` that may be configured.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// One authorization server.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in the configuration.
    pub name: String,
    /// How its tokens are read, and what each of them has to satisfy.
    pub tokens: TokenRules,
    /// Opaque tokens that start with this are this provider's.
    pub token_prefix: Option<String>,
    /// How its tokens are checked.
    pub validate: Validate,
    /// The rules for its JWTs.
    pub jwt: JwtRules,
    /// Where its keys are; `None`: no keys are needed.
    pub keys: Option<KeySource>,
    /// Where the status of its JWTs is; `None`: their status is not checked.
    pub status_lists: Option<StatusLists>,
    /// Where and how tokens are introspected. Unused if the provider never is called.
    pub introspection: IntrospectionEndpoint,
}

impl Provider {
    /// Whether its keys verify what is cached: tokens, or responses about them. Otherwise they verify events alone.
    pub(crate) fn verifies_responses(&self) -> bool {
        self.validate != Validate::Introspection || self.introspection.dialect.is_signed()
    }
}

/// `providers.*.validate`: how tokens are checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Validate {
    /// Tokens are introspected.
    #[default]
    Introspection,
    /// Their signature is verified here, and their claims are used ([RFC 9068]).
    ///
    /// [RFC 9068]: https://www.rfc-editor.org/rfc/rfc9068
    Jwt,
    /// The signature is verified first. Tokens that pass are then introspected, and the introspection response
    /// decides.
    JwtThenIntrospection,
}

named! { Validate:
    Introspection = "introspection",
    Jwt = "jwt",
    JwtThenIntrospection = "jwt_then_introspection",
}

/// The rules for a provider's JWTs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JwtRules {
    /// The algorithms that are accepted.
    pub algorithms: Algorithms,
    /// Which `typ` they must have.
    pub typ: Typ,
}

/// `providers.*.typ`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Typ {
    /// `at+jwt`, and every claim that RFC 9068 §2.2 requires.
    #[default]
    AtJwt,
    /// That, `JWT`, or nothing: for servers that are older than RFC 9068. A token whose claims show another
    /// kind is rejected.
    Any,
}

named! { Typ:
    AtJwt = "at+jwt",
    Any = "any",
}

/// `introspection.dialect`, or `userinfo`: how the server is called, and what its response looks like.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// JSON ([RFC 7662 §2.2]).
    ///
    /// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
    #[default]
    Rfc7662,
    /// A JWT, signed for us ([RFC 9701]).
    ///
    /// [RFC 9701]: https://www.rfc-editor.org/rfc/rfc9701
    Rfc9701 {
        /// The name that the server uses for us in `aud`.
        audience: String,
        /// The server's `iss`.
        issuer: String,
    },
    /// JSON without `active`, as it was before RFC 7662.
    TokenInfo(TokenIn),
    /// `UserInfo` ([OpenID Connect Core, section 5.3]): not what this was made for.
    ///
    /// [OpenID Connect Core, section 5.3]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo
    UserInfo {
        /// The name that the server uses for us in `aud` of a signed response; `None`: responses are not
        /// signed.
        audience: Option<String>,
    },
}

impl Dialect {
    /// Whether responses are signed, so that the provider's keys are needed.
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::Rfc9701 { .. } | Self::UserInfo { audience: Some(_) })
    }
}

/// `introspection.token_in`: where the token is sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TokenIn {
    /// `GET`, as a client would send it ([RFC 6750 §2.1]).
    ///
    /// [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    #[default]
    Header,
    /// `POST`, as in RFC 7662, with the gateway's credentials.
    Form,
    /// `GET`, as `access_token` in the query.
    Query,
}

named! { TokenIn:
    Header = "header",
    Form = "form",
    Query = "query",
}

/// `providers.*.introspection` ([RFC 7662 §2]).
///
/// [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2
#[derive(Clone, Debug)]
pub struct IntrospectionEndpoint {
    /// `http` or `https`. Not used to connect; TLS is configured on the Envoy cluster.
    pub scheme: String,
    /// Host and port as the endpoint's URI has them.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// The Envoy clusters that reach it: `cluster`, then `fallback_clusters` in order.
    pub clusters: Vec<String>,
    /// How long one call may take.
    pub timeout: Duration,
    /// How many more calls may follow a call without a response.
    pub retries: u32,
    /// What the response looks like.
    pub dialect: Dialect,
    /// Our credentials.
    pub client_auth: ClientAuth,
    /// Sent as `token_type_hint`; `None`: not sent.
    pub token_type_hint: Option<String>,
    /// Further form fields; never one that Tollgate sets.
    pub parameters: Vec<(String, Secret)>,
    /// Further header fields, with names in lower case; never one that Tollgate sets.
    pub headers: Vec<(String, Secret)>,
    /// The longest response that is read, in bytes.
    pub max_response_bytes: usize,
    /// Whether a response of another media type than `application/json` is also read.
    pub lenient_content_type: bool,
    /// The longest pause after a series of calls without a response; zero: no pause.
    pub back_off: Duration,
    /// The value of `User-Agent` ([RFC 9110 §10.1.5]).
    ///
    /// [RFC 9110 §10.1.5]: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5
    pub user_agent: String,
    /// Which errors mean that a token is unknown; `None`: no error does.
    pub unknown_token: Option<UnknownToken>,
}

/// `introspection.unknown_token`: the errors of a server that responds with one where [RFC 7662 §2.2] wants
/// `active: false`.
///
/// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UnknownToken {
    /// The statuses: 400, 401, 403 or 404.
    pub status: Vec<u16>,
    /// The values of `error`; never an error about the gateway's credentials.
    pub error: Vec<String>,
}

#[cfg(test)]
impl Provider {
    /// One that is called without credentials, for tests.
    pub(crate) fn bare() -> Self {
        Self {
            name: "as".to_owned(),
            tokens: TokenRules::default(),
            token_prefix: None,
            validate: Validate::Introspection,
            jwt: JwtRules::default(),
            keys: None,
            status_lists: None,
            introspection: IntrospectionEndpoint {
                scheme: "https".to_owned(),
                authority: "as.example.com".to_owned(),
                path: "/introspect".to_owned(),
                clusters: vec!["as".to_owned()],
                timeout: Duration::from_secs(2),
                retries: 0,
                dialect: Dialect::Rfc7662,
                client_auth: ClientAuth::None { client_id: None },
                token_type_hint: None,
                parameters: Vec::new(),
                headers: Vec::new(),
                max_response_bytes: 65_536,
                lenient_content_type: false,
                back_off: Duration::ZERO,
                user_agent: "tollgate".to_owned(),
                unknown_token: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Provider, TokenIn, Validate};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn whose_keys_verify_what_is_cached() {
        let text = || "x".to_owned();
        #[rustfmt::skip]
        let cases = [
            ("JSON",                  Validate::Introspection,        Dialect::Rfc7662,                                       false),
            ("signed responses",      Validate::Introspection,        Dialect::Rfc9701 { audience: text(), issuer: text() },  true),
            ("token information",     Validate::Introspection,        Dialect::TokenInfo(TokenIn::Form),                      false),
            ("claims about a user",   Validate::Introspection,        Dialect::UserInfo { audience: None },                   false),
            ("signed ones",           Validate::Introspection,        Dialect::UserInfo { audience: Some(text()) },           true),
            ("JWTs",                  Validate::Jwt,                  Dialect::Rfc7662,                                       true),
            ("JWTs that are asked about", Validate::JwtThenIntrospection, Dialect::Rfc7662,                                   true),
        ];
        for (name, validate, dialect, want) in cases {
            let mut provider = Provider { validate, ..Provider::bare() };
            let is_signed = validate == Validate::Introspection && want;
            assert_eq!(dialect.is_signed(), is_signed, "{name}");
            provider.introspection.dialect = dialect;
            assert_eq!(provider.verifies_responses(), want, "{name}");
        }
    }
}
