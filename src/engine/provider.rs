//! Whom we ask, how, and what they said.

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

use std::time::Duration;

use crate::base::secret::Secret;
use crate::jose::algorithm::Algorithms;
use crate::provider::client_auth::ClientAuth;
use crate::provider::keys::KeySource;
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
    /// The rules for its JWTs, whatever they are checked for.
    pub jwt: JwtRules,
    /// Where its keys are; `None`: none are needed.
    pub keys: Option<KeySource>,
    /// Where and how it is asked. Of a provider that never is, it says nothing.
    pub introspection: IntrospectionEndpoint,
}

/// `providers.*.validate`: how tokens are checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Validate {
    /// The authorization server is asked.
    #[default]
    Introspection,
    /// Their signature is verified here, and their claims are believed ([RFC 9068]).
    ///
    /// [RFC 9068]: https://www.rfc-editor.org/rfc/rfc9068
    Jwt,
    /// First here, and those that are good are asked about besides; what counts is the answer.
    JwtThenIntrospection,
}

/// The rules for a provider's JWTs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JwtRules {
    /// What they may be signed with.
    pub algorithms: Algorithms,
    /// What they must say that they are.
    pub typ: Typ,
}

/// `providers.*.typ`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Typ {
    /// `at+jwt`, and every claim that RFC 9068 §2.2 requires.
    #[default]
    AtJwt,
    /// That, `JWT`, or nothing: tokens of servers that are older than RFC 9068. What the claims show to be
    /// something else is refused.
    Any,
}

/// `introspection.dialect`, or `userinfo`: how the server is asked, and what the reply looks like.
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
        /// How the server calls us in `aud`.
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
        /// How the server calls us in `aud` of a signed answer; `None`: answers are not signed.
        audience: Option<String>,
    },
}

impl Dialect {
    /// Whether answers are signed, so that nobody can read one without the provider's keys.
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::Rfc9701 { .. } | Self::UserInfo { audience: Some(_) })
    }
}

/// `introspection.token_in`: how the token is told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TokenIn {
    /// `GET`, as a client would send it ([RFC 6750 §2.1]).
    ///
    /// [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    #[default]
    Header,
    /// `POST`, as in RFC 7662, with our credentials.
    Form,
    /// `GET`, as `access_token` in the query.
    Query,
}

/// `providers.*.introspection` ([RFC 7662 §2]).
///
/// [RFC 7662 §2]: https://www.rfc-editor.org/rfc/rfc7662#section-2
#[derive(Clone, Debug)]
pub struct IntrospectionEndpoint {
    /// `http` or `https`; informative, TLS is the cluster's.
    pub scheme: String,
    /// Host and port as the endpoint's URI has them.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// The Envoy clusters that reach it: `cluster`, then `fallback_clusters` in order.
    pub clusters: Vec<String>,
    /// How long one call may take.
    pub timeout: Duration,
    /// How many more calls may follow one that brought no answer.
    pub retries: u32,
    /// What the reply looks like.
    pub dialect: Dialect,
    /// Our credentials.
    pub client_auth: ClientAuth,
    /// Sent as `token_type_hint`; `None`: not sent.
    pub token_type_hint: Option<String>,
    /// Further form fields, never one of ours.
    pub parameters: Vec<(String, Secret)>,
    /// Further header fields, names in lower case, never one of ours.
    pub headers: Vec<(String, Secret)>,
    /// The longest reply that is read, in bytes.
    pub max_response_bytes: usize,
    /// Whether a reply of another media type than `application/json` is read all the same.
    pub lenient_content_type: bool,
    /// The longest pause after a series of calls without an answer; zero: no pause.
    pub back_off: Duration,
    /// What we call ourselves ([RFC 9110 §10.1.5]).
    ///
    /// [RFC 9110 §10.1.5]: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5
    pub user_agent: String,
    /// Which errors say that a token is unknown; `None`: none does.
    pub unknown_token: Option<UnknownToken>,
}

/// `introspection.unknown_token`: the errors of a server that answers with one where [RFC 7662 §2.2] wants
/// `active: false`.
///
/// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UnknownToken {
    /// The statuses: 400, 401, 403 or 404.
    pub status: Vec<u16>,
    /// The values of `error`; never one that is about our own credentials.
    pub error: Vec<String>,
}
