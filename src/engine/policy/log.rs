//! `log`: what access logs, traces and later filters are told of each request.

use crate::base::named::named;

/// `log.fields`: one value in Envoy's filter state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogField {
    /// How the request ended.
    Verdict,
    /// The name of the rule that it matched.
    Rule,
    /// The provider that recognized its token, or was asked last.
    Provider,
    /// The client of its token, whether it passes or not.
    ClientId,
    /// The user of its token.
    Sub,
    /// The tier of its client, in the client list of its rule.
    Tier,
    /// Whether what is known of its token was cached.
    Cache,
    /// How long it waited for an authorization server.
    Waited,
    /// What distinguishes its token from others and cannot be turned back.
    Fingerprint,
}

named! { LogField:
    Verdict = "verdict",
    Rule = "rule",
    Provider = "provider",
    ClientId = "client_id",
    Sub = "sub",
    Tier = "tier",
    Cache = "cache",
    Waited = "waited_milliseconds",
    Fingerprint = "token_fingerprint",
}

impl LogField {
    /// The name of its property, which is below `wasm.` in Envoy's filter state.
    pub fn property(self) -> &'static str {
        match self {
            Self::Verdict => "tollgate.verdict",
            Self::Rule => "tollgate.rule",
            Self::Provider => "tollgate.provider",
            Self::ClientId => "tollgate.client_id",
            Self::Sub => "tollgate.sub",
            Self::Tier => "tollgate.tier",
            Self::Cache => "tollgate.cache",
            Self::Waited => "tollgate.waited_milliseconds",
            Self::Fingerprint => "tollgate.token_fingerprint",
        }
    }
}
