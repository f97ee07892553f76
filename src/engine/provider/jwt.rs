//! Verification of access tokens that are JWTs: [RFC 9068 §4] with the advice of [RFC 8725].
//!
//! Cheap checks come first, and the signature comes last. Invalid and expired tokens do not get that far, and
//! do not cause keys to be fetched. Whatever is wrong, the verdict is `invalid_token`; only without keys it is
//! `unavailable`.
//!
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4
//! [RFC 8725]: https://www.rfc-editor.org/rfc/rfc8725

use crate::base::ids::ProviderId;
use crate::base::json::{Map, Value};
use crate::base::time::UnixTime;
use crate::decision::Rejection;
use crate::decision::fault::JwtFault;
use crate::decision::trace::Trace;
use crate::jose::jws::{Compact, Header, is_media_type};
use crate::jose::verifier::Verifier;
use crate::provider::keys::LiveKeys;
use crate::provider::{Provider, Typ};
use crate::token::access_token::AccessToken;

/// By how many seconds `iat` may be ahead of us (JWT-33).
const AHEAD: i64 = 60;
/// What an access token must have in addition to `exp`, `iss`, `aud` and `iat` ([RFC 9068 §2.2]).
///
/// [RFC 9068 §2.2]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2
const REQUIRED: [&str; 3] = ["sub", "client_id", "jti"];
/// Claims of ID tokens, of events and logout tokens, of proofs and of signed introspection responses. The
/// same issuer may sign all of them with the same keys ([RFC 8725 §3.12]).
///
/// [RFC 8725 §3.12]: https://www.rfc-editor.org/rfc/rfc8725#section-3.12
const OF_OTHERS: [&str; 7] = ["at_hash", "c_hash", "s_hash", "events", "htm", "htu", "token_introspection"];

/// Verifies a token: its signature, issuer, audience and times. Further requirements of rules are not checked
/// here.
#[inline(never)]
pub fn verify(
    (id, provider): (ProviderId, &Provider),
    keys: &LiveKeys,
    token: &str,
    verifier: &dyn Verifier,
    now: UnixTime,
    trace: &impl Trace,
) -> Result<AccessToken, Rejection> {
    let rules = &provider.jwt;
    let jws = Compact::parse(token).map_err(|fault| bad(JwtFault::Jws(fault)))?;
    if !rules.algorithms.allow(jws.header.alg) {
        return Err(bad(JwtFault::Algorithm));
    }
    rules.typ.check_header(&jws.header).map_err(bad)?;
    let claims = jws.claims().ok_or(bad(JwtFault::Claims))?;
    let token = check_claims(id, claims, rules.typ, now).map_err(bad)?;
    token.check(&provider.tokens, now, trace)?;
    let keys = keys.set(now)?;
    match keys.have_signed(&jws, verifier) {
        None => Err(bad(JwtFault::UnknownKey)),
        Some(false) => Err(bad(JwtFault::Signature)),
        Some(true) => Ok(token),
    }
}

impl Typ {
    fn check_header(self, header: &Header) -> Result<(), JwtFault> {
        let is_fit = match (self, &header.typ) {
            (Self::Any, None) => true,
            (Self::Any, Some(typ)) => is_media_type(typ, "at+jwt") || is_media_type(typ, "jwt"),
            (Self::AtJwt, _) => header.is_typ("at+jwt"),
        };
        if !is_fit {
            return Err(JwtFault::Typ);
        }
        if header.cty.as_deref().is_some_and(|cty| is_media_type(cty, "jwt")) {
            return Err(JwtFault::Nested);
        }
        Ok(())
    }
}

/// What every set of claims has to satisfy, whatever its issuer.
fn check_claims(
    id: ProviderId,
    claims: Map<String, Value>,
    typ: Typ,
    now: UnixTime,
) -> Result<AccessToken, JwtFault> {
    let is_text = |name: &str| claims.get(name).is_some_and(Value::is_string);
    if !is_text("iss") {
        return Err(JwtFault::Claim("iss"));
    }
    if typ == Typ::AtJwt {
        if let Some(missing) = REQUIRED.into_iter().find(|name| !is_text(name)) {
            return Err(JwtFault::Claim(missing));
        }
        if !claims.get("aud").is_some_and(|aud| aud.is_string() || aud.is_array()) {
            return Err(JwtFault::Claim("aud"));
        }
        if claims.get("iat").is_none_or(Value::is_null) {
            return Err(JwtFault::Claim("iat"));
        }
    }
    if let Some(other) = OF_OTHERS.into_iter().find(|name| claims.contains_key(*name)) {
        return Err(JwtFault::Kind(other));
    }
    // Where `typ` does not tell, a nonce makes it an ID token; old Keycloaks put one into both, and say so.
    if typ == Typ::Any && claims.contains_key("nonce") && claims.get("typ").is_none_or(|typ| typ != "Bearer")
    {
        return Err(JwtFault::Kind("nonce"));
    }
    let token = AccessToken::new(id, claims).map_err(|_| JwtFault::Claim("exp or nbf"))?;
    if token.exp.is_none() {
        return Err(JwtFault::Claim("exp"));
    }
    let iat = token.issued_at().map_err(|()| JwtFault::Claim("iat"))?;
    if iat.is_some_and(|iat| iat > seconds(now).saturating_add(AHEAD)) {
        return Err(JwtFault::Early);
    }
    Ok(token)
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn bad(fault: JwtFault) -> Rejection {
    Rejection::BadJwt { fault }
}
