//! Whose responses are the same, so that workers may share them.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::base::secret::Secret;
use crate::base::store::common::Common;
use crate::provider::client_auth::ClientAuth;
use crate::provider::{Dialect, IntrospectionEndpoint, JwtRules, Provider, Validate};
use crate::token::key::TokenDigest;
use crate::token::rules::TokenRules;

/// Which responses may be shared: SHA-256 of everything that decides where and with which credentials a call is
/// made, and of the plugin that makes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Namespace([u8; 32]);

impl Namespace {
    /// The namespace of a provider as `owner` (which plugin it is) sees it.
    pub fn new(owner: &[u8], provider: &Provider) -> Self {
        // Every field is named: whoever adds one has to think of this place.
        let Provider {
            name,
            tokens,
            token_prefix: _,
            validate,
            jwt: JwtRules { algorithms, typ },
            keys: _,
            status_lists,
            introspection,
        } = provider;
        let TokenRules {
            issuer,
            require_iss: _,
            audiences,
            clock_skew,
            max_token_age,
            ignore_token_type,
            scope_claim,
            client_id_claim,
            scope_array: _,
            default_scopes: _,
            implied_scopes: _,
        } = tokens;
        let IntrospectionEndpoint {
            scheme,
            authority,
            path,
            clusters,
            timeout: _,
            retries: _,
            dialect,
            client_auth,
            token_type_hint,
            parameters,
            headers,
            max_response_bytes,
            lenient_content_type,
            back_off: _,
            user_agent: _,
            unknown_token,
        } = introspection;
        let mut parts = Parts::default();
        parts.add(owner).add(name.as_bytes()).count(*validate as usize).count(*typ as usize);
        // With status lists, an entry has the status of the JWT.
        parts.add(algorithms.to_string().as_bytes()).count(status_lists.iter().count());
        // Where a token is verified, or the answer is about its user, more than the answer is remembered: what has
        // become of it by these.
        if *validate != Validate::Introspection || matches!(dialect, Dialect::UserInfo { .. }) {
            parts.add(issuer.as_deref().unwrap_or_default().as_bytes());
            for names in [audiences, scope_claim, client_id_claim] {
                parts.count(names.len());
                for name in names {
                    parts.add(name.as_bytes());
                }
            }
            parts.time(*clock_skew).count(usize::from(max_token_age.is_some()));
            parts.time(max_token_age.unwrap_or_default()).count(usize::from(*ignore_token_type));
        }
        parts.add(scheme.as_bytes()).add(authority.as_bytes()).add(path.as_bytes());
        parts.count(clusters.len());
        for cluster in clusters {
            parts.add(cluster.as_bytes());
        }
        match dialect {
            Dialect::Rfc7662 => parts.add(b"rfc7662"),
            Dialect::Rfc9701 { audience, issuer } => {
                parts.add(b"rfc9701").add(audience.as_bytes()).add(issuer.as_bytes())
            }
            Dialect::TokenInfo(place) => parts.add(b"tokeninfo").add(place.name().as_bytes()),
            Dialect::UserInfo { audience } => {
                let issuer = issuer.as_deref().unwrap_or_default();
                let audience = audience.as_deref().unwrap_or_default();
                parts.add(b"userinfo").add(audience.as_bytes()).add(issuer.as_bytes())
            }
        };
        match client_auth {
            ClientAuth::Basic(value) => parts.add(b"basic").add(value.expose().as_bytes()),
            ClientAuth::Bearer(value) => parts.add(b"bearer").add(value.expose().as_bytes()),
            ClientAuth::Post { client_id, client_secret } => {
                parts.add(b"post").add(client_id.as_bytes()).add(client_secret.expose().as_bytes())
            }
            ClientAuth::Assertion(assertion) => parts.add(b"assertion").add(assertion.fingerprint()),
            ClientAuth::None { client_id } => {
                parts.add(b"none").add(client_id.as_deref().unwrap_or_default().as_bytes())
            }
        };
        parts.add(token_type_hint.as_deref().unwrap_or_default().as_bytes());
        for fields in [parameters, headers] {
            parts.count(fields.len());
            for (name, value) in fields {
                parts.add(name.as_bytes()).add(value.expose().as_bytes());
            }
        }
        let unknown = unknown_token.clone().unwrap_or_default();
        parts.count(unknown.status.len()).count(unknown.error.len());
        for status in unknown.status {
            parts.count(usize::from(status));
        }
        for error in unknown.error {
            parts.add(error.as_bytes());
        }
        parts.count(*max_response_bytes).count(usize::from(*lenient_content_type));
        Self(parts.0.finalize().into())
    }

    /// The same namespace, keyed with the workers' secret, so that nobody else can compute which tokens share a
    /// slot.
    #[must_use]
    pub fn within(&self, common: &Common) -> Self {
        Self(common.key("tokens", &self.0))
    }

    /// The digest of a token in this namespace, for workers that have these keys of the provider.
    pub fn digest(&self, keys: &[u8; 32], token: &Secret) -> TokenDigest {
        let hash = Sha256::new().chain_update(self.0).chain_update(keys).chain_update(token.expose());
        TokenDigest::new(hash.finalize().into())
    }
}

/// A hash of parts, each with its length before it, so that no two lists of parts look alike.
#[derive(Default)]
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, part: &[u8]) -> &mut Self {
        self.count(part.len());
        self.0.update(part);
        self
    }

    fn count(&mut self, n: usize) -> &mut Self {
        self.0.update((n as u64).to_le_bytes());
        self
    }

    fn time(&mut self, time: Duration) -> &mut Self {
        self.add(&time.as_secs().to_le_bytes()).add(&time.subsec_nanos().to_le_bytes())
    }
}
