//! What is demanded: the compiled configuration, which cannot express nonsense.
//!
//! [`Policy::parse`] is the only way to get one. It reports every fault at once, and no fault shows
//! a value.

pub mod claims;
pub mod clients;
pub mod details;
pub mod error;
pub mod keys;
pub mod parse;
pub mod protobuf;
pub mod reference;
pub mod requirement;
pub mod resource;
pub mod rule;
pub mod schema;
pub mod scope;

use std::time::Duration;

use crate::policy::requirement::Requirement;
use crate::policy::resource::Resources;
use crate::policy::rule::Rule;
use crate::proof::certificate::CertificateSource;
use crate::proof::dpop::Dpop;
use crate::provider::Provider;
use crate::provider::client_list::ListSource;
use crate::response::Responses;

/// A provider's place in [`Policy::providers`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProviderId(pub usize);

/// A whole configuration, checked and compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The authorization servers, at least one, sorted by name.
    pub providers: Vec<Provider>,
    /// Whom to ask in turn when nothing else tells the providers apart; empty: nobody.
    pub provider_order: Vec<ProviderId>,
    /// Where a token may be.
    pub token: TokenPlaces,
    /// What is demanded where no rule matches.
    pub requires: Requirement,
    /// First match wins.
    pub rules: Vec<Rule>,
    /// The client lists that are fetched, sorted by name.
    pub lists: Vec<ListSource>,
    /// What the upstream is told.
    pub upstream: Upstream,
    /// What is remembered of the providers' answers, and for how long.
    pub cache: Cache,
    /// How proofs of possession are checked; `None`: tokens that need one are refused.
    pub dpop: Option<Dpop>,
    /// Who tells of clients' certificates ([RFC 8705 §3]); `None`: nobody, and tokens that are bound to one are
    /// refused.
    ///
    /// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
    pub mtls: Option<CertificateSource>,
    /// What is published of the protected resources.
    pub resources: Resources,
    /// What a refused client is told.
    pub responses: Responses,
    /// Whether CORS preflights go through without a token.
    pub cors_preflight: CorsPreflight,
    /// Whether refusals are carried out.
    pub mode: Mode,
}

/// `token`: where a token may be, and what becomes of it ([RFC 6750 §2]).
///
/// [RFC 6750 §2]: https://www.rfc-editor.org/rfc/rfc6750#section-2
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one per switch of the configuration")]
pub struct TokenPlaces {
    /// Header fields; default: `authorization` with the scheme `Bearer`.
    pub headers: Vec<TokenHeader>,
    /// Names of query parameters.
    pub params: Vec<String>,
    /// Names of cookies.
    pub cookies: Vec<String>,
    /// Whether a form body may carry `access_token` ([RFC 6750 §2.2]).
    ///
    /// [RFC 6750 §2.2]: https://www.rfc-editor.org/rfc/rfc6750#section-2.2
    pub form: bool,
    /// The longest form body that is looked at, in bytes.
    pub max_form_bytes: usize,
    /// The longest token, in bytes.
    pub max_length: usize,
    /// Whether the upstream gets to see the token.
    pub forward: bool,
    /// Whether a token in `access_token` of the query is refused even where the query is no place
    /// for tokens, if another place carries one as well.
    pub strict_multiple: bool,
    /// Whether requests over plain HTTP are refused ([RFC 6750 §5.3]).
    ///
    /// [RFC 6750 §5.3]: https://www.rfc-editor.org/rfc/rfc6750#section-5.3
    pub require_tls: bool,
}

/// A header field that may carry a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenHeader {
    /// Its name, in lower case.
    pub name: String,
    /// The authentication scheme before the token; `None`: the whole value is the token.
    pub scheme: Option<String>,
}

impl TokenHeader {
    /// Whether its tokens come with a proof of possession ([RFC 9449 §7.1]).
    ///
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    pub fn is_dpop(&self) -> bool {
        self.name == "authorization"
            && self.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("DPoP"))
    }
}

/// `upstream`: what the upstream is told. Every field named here is removed from the request first.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// Claims that become header fields.
    pub claim_to_headers: Vec<ClaimHeader>,
    /// Every scalar claim but `scope` and `exp` as this prefix and its name, in lower case.
    pub claims_prefix: Option<String>,
    /// The claims as base64url JSON in this header field, in lower case.
    pub forward_payload_header: Option<String>,
    /// Whether later filters and access logs are told of the token as well.
    pub filter_state: bool,
}

/// One claim in one header field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimHeader {
    /// The field's name, in lower case.
    pub header_name: String,
    /// The claim.
    pub claim: claims::ClaimPath,
}

/// `cache`: what is remembered, and for how long ([RFC 7662 §4]).
///
/// [RFC 7662 §4]: https://www.rfc-editor.org/rfc/rfc7662#section-4
#[derive(Clone, Debug, Default)]
pub struct Cache {
    /// How many active tokens a worker remembers; 0: nothing is remembered at all.
    pub max_entries: usize,
    /// How long an active token is remembered; never past its `exp`.
    pub ttl: Duration,
    /// The same for a reply without `exp`.
    pub ttl_without_exp: Duration,
    /// By how many per cent, at most, an entry ends sooner.
    pub ttl_jitter: u32,
    /// How long an inactive token is remembered.
    pub negative_ttl: Duration,
    /// How many inactive tokens a worker remembers.
    pub negative_max_entries: usize,
    /// Whether workers share what they remember.
    pub shared: bool,
    /// How long before its end the entry of a token in use is renewed.
    pub refresh_ahead: Duration,
    /// How long beyond its end an entry may serve while the provider gives no verdict.
    pub stale_if_error: Duration,
}

impl Cache {
    /// Whether workers tell each other what they have heard.
    pub fn is_shared(&self) -> bool {
        self.shared && self.max_entries > 0
    }
}

impl Policy {
    /// Whether some request may carry its token in the query, which clients must not do ([RFC 9700 §4.3.2]).
    ///
    /// [RFC 9700 §4.3.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2
    pub fn takes_tokens_in_the_query(&self) -> bool {
        !self.token.params.is_empty() || self.rules.iter().any(|rule| !rule.from_params.is_empty())
    }
}

/// What happens to CORS preflights.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CorsPreflight {
    /// They go through without a token.
    Pass,
    /// They need one like everything else.
    Enforce,
}

/// Whether refusals are carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// They are.
    Enforce,
    /// They are counted and logged, and the request goes on.
    Shadow,
}

/// The longest `timeout` that may be configured.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);
