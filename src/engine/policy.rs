//! What is required of requests: the compiled configuration, which is always valid.
//!
//! `tollgate_config::policy` is the only way to get one. It reports every error at once, and no error shows
//! a value.

pub mod cache_times;
pub mod choice;
pub mod log;
pub mod metadata;
pub mod requirement;
pub mod resource;
pub mod rule;

use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::named::named;
use crate::jose::signer::Signer;
use crate::policy::cache_times::CacheTimes;
use crate::policy::log::LogField;
use crate::policy::requirement::Requirement;
use crate::policy::resource::Resources;
use crate::policy::rule::{Rule, Ruling};
use crate::proof::certificate::CertificateSource;
use crate::proof::dpop::Dpop;
use crate::provider::Provider;
use crate::provider::client_auth::ClientAuth;
use crate::provider::client_list::ListSource;
use crate::request::matching::Matching;
use crate::request::places::TokenPlaces;
use crate::response::Responses;
use crate::revocation::endpoint::Revocation;
use crate::upstream::Upstream;

/// A whole configuration, checked and compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The authorization servers, at least one, sorted by name.
    pub providers: Vec<Provider>,
    /// The providers to call in turn when nothing else selects one; empty: no provider is called.
    pub provider_order: Vec<ProviderId>,
    /// Where a token may be.
    pub token: TokenPlaces,
    /// What is required where no rule matches.
    pub requires: Requirement,
    /// First match wins.
    pub rules: Vec<Rule>,
    /// How requests are read that others may read otherwise.
    pub matching: Matching,
    /// The client lists that are fetched, sorted by name.
    pub lists: Vec<ListSource>,
    /// What the upstream is told.
    pub upstream: Upstream,
    /// What access logs, traces and later filters are told of each request. Each value costs a host call.
    pub log: Vec<LogField>,
    /// Which responses of providers are cached, and for how long.
    pub cache: CacheTimes,
    /// Where revocations are received.
    pub revocation: Revocation,
    /// How proofs of possession are checked; `None`: tokens that need one are rejected.
    pub dpop: Option<Dpop>,
    /// Where clients' certificates come from ([RFC 8705 §3]); `None`: tokens that are bound to one are
    /// rejected.
    ///
    /// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
    pub mtls: Option<CertificateSource>,
    /// What is published of the protected resources.
    pub resources: Resources,
    /// What a rejected client gets.
    pub responses: Responses,
    /// Whether CORS preflights go through without a token.
    pub cors_preflight: CorsPreflight,
    /// Whether refusals are carried out.
    pub mode: Mode,
    /// How many streams of each worker end with their token; `None`: none of them does.
    pub max_streams: Option<usize>,
}

impl Policy {
    /// Whether some request may carry its token in the query, which clients must not do ([RFC 9700 §4.3.2]).
    ///
    /// [RFC 9700 §4.3.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2
    pub fn takes_tokens_in_the_query(&self) -> bool {
        self.token.has_any_in_uri() || self.rules.iter().any(|rule| !rule.from_params.is_empty())
    }

    /// From now on, this one signs what it can of our own assertions.
    pub fn sign_with(&mut self, signer: &'static dyn Signer) {
        for provider in &mut self.providers {
            match &mut provider.introspection.client_auth {
                ClientAuth::Assertion(assertion) => assertion.sign_elsewhere(signer),
                // Nothing is signed.
                ClientAuth::Basic(_)
                | ClientAuth::Post { .. }
                | ClientAuth::Bearer(_)
                | ClientAuth::None { .. } => {}
            }
        }
    }

    /// What is required by the rule of that number, or where no rule matches.
    pub(crate) fn requirement_at(&self, rule: Option<usize>) -> &Requirement {
        let rule = rule.and_then(|at| self.rules.get(at));
        rule.and_then(|rule| rule.requires.as_ref()).unwrap_or(&self.requires)
    }

    /// The age from which on a cached response lets no request of these rules pass. The strictest of them counts.
    pub(crate) fn max_cache_age(&self, Ruling { rule, others }: &Ruling) -> Option<Duration> {
        let of = |rule: &Option<usize>| self.requirement_at(*rule).max_cache_age;
        std::iter::once(rule).chain(others).filter_map(of).min()
    }

    /// The parameters of the query in which that rule, too, looks for a token.
    pub(crate) fn extra_params_at(&self, rule: Option<usize>) -> &[String] {
        let rule = rule.and_then(|at| self.rules.get(at));
        rule.map(|rule| rule.from_params.as_slice()).unwrap_or_default()
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

named! { CorsPreflight:
    Enforce = "enforce",
    Pass = "pass",
}

/// What becomes of a stream when its token expires or is revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnExpiry {
    /// It goes on.
    Ignore,
    /// It ends.
    Close,
}

named! { OnExpiry:
    Ignore = "ignore",
    Close = "close",
}

/// Whether refusals are carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// They are.
    Enforce,
    /// They are counted and logged, and the request is forwarded.
    Shadow,
}

named! { Mode:
    Enforce = "enforce",
    Shadow = "shadow",
}

#[cfg(test)]
impl Policy {
    /// One provider, and nothing is required but an active token, for tests.
    pub(crate) fn bare() -> Self {
        use crate::response::{Format, Profile};
        Self {
            providers: vec![Provider::bare()],
            provider_order: vec![ProviderId(0)],
            token: TokenPlaces::none(),
            requires: Requirement::default(),
            rules: Vec::new(),
            matching: Matching::default(),
            lists: Vec::new(),
            upstream: Upstream::default(),
            log: Vec::new(),
            cache: CacheTimes::default(),
            revocation: Revocation::default(),
            dpop: None,
            mtls: None,
            resources: Resources::default(),
            responses: Responses {
                profile: Profile::Rfc6750,
                realm: None,
                format: Format::Json,
                retry_after: Duration::ZERO,
                error_uri: None,
                cors_origins: Vec::new(),
                overrides: Vec::new(),
            },
            cors_preflight: CorsPreflight::Enforce,
            mode: Mode::Enforce,
            max_streams: None,
        }
    }
}
