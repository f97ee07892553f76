//! `UserInfo` as the last resort: a token that can read it is valid ([OpenID Connect Core, section 5.3]).
//!
//! It describes the user, and not the token: not its scopes, audience or lifetime. None of that is read from
//! it, and a configuration that requires it is rejected.
//!
//! [OpenID Connect Core, section 5.3]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfo

use crate::base::ids::ProviderId;
use crate::base::json::{self, Map, Value};
use crate::base::time::UnixTime;
use crate::decision::fault::ReplyFault;
use crate::decision::{BadAnswer, Rejection};
use crate::jose::jws::{Compact, JwsFault};
use crate::jose::verifier::Verifier;
use crate::provider::Provider;
use crate::provider::introspection::reply::{Introspection, body};
use crate::provider::introspection::signed::{Names, is_for, verify};
use crate::provider::keys::LiveKeys;
use crate::provider::outcome::{CallOutcome, ReplyHead};
use crate::token::access_token::AccessToken;

/// The media type of a signed response.
pub(crate) const SIGNED: &str = "application/jwt";
/// Members that describe tokens in other responses. Here they would mean something else.
const OF_TOKENS: [&str; 9] =
    ["active", "aud", "authorization_details", "client_id", "exp", "iat", "nbf", "scope", "token_type"];

/// Reads a response as [`Introspection::read`] does. `names`: the response has to be signed by this server and
/// for us. `jwt`: the token's own claims, if it is a verified JWT.
#[inline(never)]
pub fn read(
    (id, provider): (ProviderId, &Provider),
    names: Option<Names<'_>>,
    keys: &LiveKeys,
    outcome: CallOutcome<'_>,
    jwt: Option<AccessToken>,
    verifier: &dyn Verifier,
    now: UnixTime,
) -> Result<Introspection, Rejection> {
    // Whatever the challenge says: a proof of the client's, too, is for nobody else to give.
    if let CallOutcome::Response { head, .. } = outcome
        && matches!(ReplyHead(head).status(), 401 | 403)
    {
        return Ok(Introspection::Inactive);
    }
    let media_type = if names.is_some() { SIGNED } else { "application/json" };
    let Some(bytes) = body(&provider.introspection, outcome, media_type)? else {
        return Ok(Introspection::Inactive);
    };
    let claims = match names {
        Some(names) => signed(provider, names, keys, bytes, verifier, now)?,
        None => plain(bytes)?,
    };
    if !claims.get("sub").is_some_and(Value::is_string) {
        return Err(Rejection::BadAnswer { cause: BadAnswer::Subject });
    }
    let configured =
        provider.tokens.scope_claim.iter().chain(&provider.tokens.client_id_claim).map(String::as_str);
    let of_tokens: Vec<_> = OF_TOKENS.into_iter().chain(configured).collect();
    let claims = json::without(claims, &|name, _| of_tokens.contains(&name));
    match jwt {
        None => AccessToken::new(id, claims).map(Introspection::Active),
        // The token speaks for itself; what is said of its user comes on top.
        Some(token)
            if token.claims.get("sub") == claims.get("sub") && !is_bound_elsewhere(&token, &claims) =>
        {
            let mut all = json::without(token.claims, &|_, value| value.is_null());
            json::add(&mut all, claims);
            AccessToken::new(id, all).map(Introspection::Active)
        }
        Some(_) => Err(Rejection::BadAnswer { cause: BadAnswer::OtherToken }),
    }
}

/// Whether the response binds the token to something other than the token itself does.
fn is_bound_elsewhere(token: &AccessToken, claims: &Map<String, Value>) -> bool {
    let told = claims.get("cnf").filter(|cnf| !cnf.is_null());
    matches!((token.present("cnf"), told), (Some(own), Some(told)) if own != told)
}

fn plain(bytes: &[u8]) -> Result<Map<String, Value>, Rejection> {
    let bad = |cause| Err(Rejection::BadAnswer { cause });
    match json::parse(bytes) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) => bad(BadAnswer::NotAnObject),
        Err(_) => bad(BadAnswer::NotJson),
    }
}

/// The claims of a signed response (OpenID Connect Core, section 5.3.4).
fn signed(
    provider: &Provider,
    names: Names<'_>,
    keys: &LiveKeys,
    bytes: &[u8],
    verifier: &dyn Verifier,
    now: UnixTime,
) -> Result<Map<String, Value>, Rejection> {
    let bad = |fault| Rejection::BadAnswer { cause: BadAnswer::Signed(fault) };
    let text = std::str::from_utf8(bytes).map_err(|_| bad(ReplyFault::Jws(JwsFault::Parts)))?;
    let jws = Compact::parse(text.trim_ascii()).map_err(|fault| bad(ReplyFault::Jws(fault)))?;
    // Core names no `typ` for it; one that says something else is something else.
    if jws.header.typ.is_some() && !jws.header.is_typ("jwt") {
        return Err(bad(ReplyFault::Typ));
    }
    let claims = verify(provider, keys, &jws, verifier, now)?;
    is_for(&claims, names)?;
    Ok(claims)
}
