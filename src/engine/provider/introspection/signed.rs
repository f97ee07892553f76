//! Signed introspection responses ([RFC 9701]): a JWT that the authorization server issues for us alone.
//!
//! An intermediary can neither change it nor use it for another gateway. The token is described in
//! `token_introspection`; everything around that describes the response.
//!
//! [RFC 9701]: https://www.rfc-editor.org/rfc/rfc9701

use crate::base::ids::ProviderId;
use crate::base::json::{Map, Value, same};
use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::decision::fault::ReplyFault;
use crate::decision::{BadAnswer, Rejection};
use crate::jose::jws::{Compact, JwsFault};
use crate::jose::verifier::Verifier;
use crate::provider::Provider;
use crate::provider::introspection::reply::{Introspection, body};
use crate::provider::keys::LiveKeys;
use crate::provider::outcome::CallOutcome;
use crate::token::access_token::timestamp;

/// Its media type, and its `typ` without `application/`.
pub(crate) const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// By how many seconds `iat` may differ from our clock: a response that was stored and sent later is rejected.
const WINDOW: f64 = 120.0;

/// How the two sides are called.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The server, in `iss`.
    pub issuer: &'a str,
    /// We, in `aud`.
    pub audience: &'a str,
}

/// Reads the response about a token as [`Introspection::read`] does. If the key is unknown, the response cannot
/// be verified.
#[inline(never)]
pub fn read(
    (id, provider): (ProviderId, &Provider),
    names: Names<'_>,
    keys: &LiveKeys,
    outcome: CallOutcome<'_>,
    token: &Secret,
    verifier: &dyn Verifier,
    now: UnixTime,
) -> Result<Introspection, Rejection> {
    let Some(bytes) = body(&provider.introspection, outcome, MEDIA_TYPE)? else {
        return Ok(Introspection::Inactive);
    };
    let text = std::str::from_utf8(bytes).map_err(|_| bad(ReplyFault::Jws(JwsFault::Parts)))?;
    let jws = Compact::parse(text.trim_ascii()).map_err(|fault| bad(ReplyFault::Jws(fault)))?;
    if !jws.header.is_typ("token-introspection+jwt") {
        return Err(bad(ReplyFault::Typ));
    }
    let claims = verify(provider, keys, &jws, verifier, now)?;
    is_for(&claims, names)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of this era fit into a double exactly")]
    let clock = now.as_secs() as f64;
    let iat = claims.get("iat").and_then(Value::as_f64);
    if !iat.is_some_and(|iat| (iat - clock).abs() <= WINDOW) {
        return Err(bad(ReplyFault::Time));
    }
    // It need not say how long it is good for; where it does, nothing of it is good for longer.
    let end = timestamp(&claims, "exp").map_err(|()| bad(ReplyFault::Time))?;
    if end.is_some_and(|end| end <= i64::try_from(now.as_secs()).unwrap_or(i64::MAX)) {
        return Err(bad(ReplyFault::Time));
    }
    match claims.into_iter().find(|(name, _)| name == "token_introspection").map(|(_, value)| value) {
        // Nothing else ties the answer to what was asked about.
        Some(Value::Object(members)) if is_another(token, &members) => {
            Err(Rejection::BadAnswer { cause: BadAnswer::OtherToken })
        }
        Some(Value::Object(members)) => Introspection::of(id, ending(members, end)),
        _ => Err(bad(ReplyFault::Shape)),
    }
}

/// The same with an `exp` that is not after the end of the response that it came in.
fn ending(mut members: Map<String, Value>, end: Option<i64>) -> Map<String, Value> {
    if let (Some(end), Ok(exp)) = (end, timestamp(&members, "exp"))
        && exp.is_none_or(|exp| end < exp)
    {
        members.insert("exp".to_owned(), end.into());
    }
    members
}

/// Whether token and response both have a `jti`, and the two differ.
fn is_another(token: &Secret, members: &Map<String, Value>) -> bool {
    let Some(told) = members.get("jti").filter(|jti| !jti.is_null()) else { return false };
    let claims = Compact::parse(token.expose()).ok().and_then(|jws| jws.claims());
    claims.is_some_and(|claims| claims.get("jti").is_some_and(|own| !same(own, told)))
}

/// The claims of what the provider has signed with one of its keys, by an algorithm that is allowed.
pub(crate) fn verify(
    provider: &Provider,
    keys: &LiveKeys,
    jws: &Compact<'_>,
    verifier: &dyn Verifier,
    now: UnixTime,
) -> Result<Map<String, Value>, Rejection> {
    if !provider.jwt.algorithms.allow(jws.header.alg) {
        return Err(bad(ReplyFault::Algorithm));
    }
    match keys.set(now)?.have_signed(jws, verifier) {
        None => Err(LiveKeys::default().set(now).err().unwrap_or(bad(ReplyFault::Signature))),
        Some(false) => Err(bad(ReplyFault::Signature)),
        Some(true) => jws.claims().ok_or(bad(ReplyFault::Claims)),
    }
}

/// Whether it was issued by this server, and for us.
pub(crate) fn is_for(claims: &Map<String, Value>, names: Names<'_>) -> Result<(), Rejection> {
    if claims.get("iss").and_then(Value::as_str) != Some(names.issuer) {
        return Err(bad(ReplyFault::Issuer));
    }
    let is_us = |value: &Value| value.as_str() == Some(names.audience);
    let is_for_us = claims.get("aud").is_some_and(|aud| match aud {
        Value::Array(all) => all.iter().any(is_us),
        one => is_us(one),
    });
    if is_for_us { Ok(()) } else { Err(bad(ReplyFault::Audience)) }
}

fn bad(fault: ReplyFault) -> Rejection {
    Rejection::BadAnswer { cause: BadAnswer::Signed(fault) }
}

#[cfg(test)]
mod tests {
    use super::ending;
    use crate::base::json::{self, Value};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn nothing_is_good_for_longer_than_the_response_that_says_so() {
        #[rustfmt::skip]
        let cases = [
            ("neither has an end",    r#"{"a":1}"#,    None,     r#"{"a":1}"#),
            ("the response alone",    r#"{"a":1}"#,    Some(50), r#"{"a":1,"exp":50}"#),
            ("the token alone",       r#"{"exp":60}"#, None,     r#"{"exp":60}"#),
            ("the response's first",  r#"{"exp":60}"#, Some(50), r#"{"exp":50}"#),
            ("the token's first",     r#"{"exp":40}"#, Some(50), r#"{"exp":40}"#),
        ];
        for (name, members, end, want) in cases {
            let [members, want] = [members, want].map(|text| match json::parse(text.as_bytes()) {
                Ok(Value::Object(members)) => members,
                other => panic!("{name}: {other:?}"),
            });
            assert_eq!(ending(members, end), want, "{name}");
        }
    }
}
