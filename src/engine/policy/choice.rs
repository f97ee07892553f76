//! Which authorization server a token is sent to: never to more than necessary.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::ids::ProviderId;
use crate::base::json;
use crate::base::secret::Secret;
use crate::policy::Policy;
use crate::policy::requirement::Requirement;

/// The providers to call, in turn; empty: no provider is responsible for the token.
///
/// What decides, in this order: the only provider that the requirement allows; `token_prefix` (the
/// longest that fits); the unverified `iss` of a JWT-shaped token; the only provider there is;
/// `provider_order`.
pub fn choose(policy: &Policy, requirement: &Requirement, token: &Secret) -> Vec<ProviderId> {
    if let ([_], []) = (policy.providers.as_slice(), requirement.providers.as_slice()) {
        return vec![ProviderId(0)];
    }
    let allowed: Vec<ProviderId> = if requirement.providers.is_empty() {
        (0..policy.providers.len()).map(ProviderId).collect()
    } else {
        requirement.providers.clone()
    };
    if let [only] = allowed.as_slice() {
        return vec![*only];
    }
    let candidates = || allowed.iter().filter_map(|id| Some((*id, policy.providers.get(id.0)?)));
    let by_prefix = candidates()
        .filter_map(|(id, provider)| {
            let prefix = provider.token_prefix.as_deref()?;
            token.expose().starts_with(prefix).then_some((prefix.len(), id))
        })
        .max_by_key(|(length, _)| *length);
    if let Some((_, id)) = by_prefix {
        return vec![id];
    }
    if let Some(issuer) = unverified_issuer(token.expose()) {
        // A token that names its issuer is shown to nobody else, unless the operator lists them.
        if let Some((id, _)) =
            candidates().find(|(_, provider)| provider.tokens.issuer.as_ref() == Some(&issuer))
        {
            return vec![id];
        }
    }
    policy.provider_order.iter().copied().filter(|id| allowed.contains(id)).collect()
}

/// The `iss` of a JWT-shaped token, not verified: three parts, the second a JSON object.
fn unverified_issuer(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    json::parse(&payload).ok()?.get("iss")?.as_str().map(str::to_owned)
}
