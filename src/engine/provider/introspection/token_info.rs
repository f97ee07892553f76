//! Token information: the response of authorization servers before [RFC 7662], of OpenAM up to 12, PingFederate
//! up to 8 and others.
//!
//! There is no `active`: status 200 means that the token is valid, and the response says for how long. The two
//! are not mixed: an RFC 7662 response without `active` is not accepted as token information, nor the other way
//! round.
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662

use crate::base::ids::ProviderId;
use crate::base::json::{self, Map, Value};
use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::decision::{BadAnswer, Rejection};
use crate::provider::IntrospectionEndpoint;
use crate::provider::introspection::reply::{Introspection, body};
use crate::provider::outcome::{CallOutcome, ReplyHead};
use crate::token::access_token::AccessToken;
use crate::token::scope::ScopeToken;

/// The `token_type` that PingFederate gives a valid token.
const VALIDATED: &str = "urn:pingidentity.com:oauth2:validated_token";
/// The grant type for calls to PingFederate.
pub const VALIDATE: &str = "urn:pingidentity.com:oauth2:grant_type:validate_bearer";

/// Reads the response to a call made at `asked`, as [`Introspection::read`] does.
#[inline(never)]
pub fn read(
    id: ProviderId,
    endpoint: &IntrospectionEndpoint,
    outcome: CallOutcome<'_>,
    token: &Secret,
    asked: UnixTime,
) -> Result<Introspection, Rejection> {
    if let CallOutcome::Response { head, body } = outcome
        && is_refused(ReplyHead(head).status(), body)
    {
        return Ok(Introspection::Inactive);
    }
    let Some(body) = body(endpoint, outcome, "application/json")? else { return Ok(Introspection::Inactive) };
    let bad = |cause| Err(Rejection::BadAnswer { cause });
    let Ok(reply) = json::parse(body) else { return bad(BadAnswer::NotJson) };
    let Value::Object(mut members) = reply else { return bad(BadAnswer::NotAnObject) };
    match members.get("active") {
        None | Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Introspection::Inactive),
        Some(_) => return bad(BadAnswer::Active),
    }
    if let Some(Value::String(echo)) = members.get("access_token")
        && echo != token.expose()
    {
        return bad(BadAnswer::OtherToken);
    }
    // PingFederate has attributes there, of which one may have the same name.
    let attributes = members.get_mut("access_token").map(Value::take);
    let mut members = json::without(members, &|name, _| name == "access_token");
    if let Some(Value::Object(attributes)) = attributes {
        json::add(&mut members, attributes);
    }
    let Some(exp) = expiry(&members, asked) else { return bad(BadAnswer::Lifetime) };
    let mut members = json::without(members, &|name, value| {
        name == "expires_in" || (name == "token_type" && value == VALIDATED)
    });
    members.insert("exp".to_owned(), exp.into());
    if let Some(Value::Array(scopes)) = members.get("scope") {
        let scopes: Vec<_> = scopes.iter().filter_map(Value::as_str).filter_map(ScopeToken::parse).collect();
        let scopes = scopes.iter().map(ScopeToken::as_str).collect::<Vec<_>>().join(" ");
        members.insert("scope".to_owned(), scopes.into());
    }
    AccessToken::new(id, members).map(Introspection::Active)
}

/// Whether an error is about the token, and not about the call or us. OpenAM 11 says 404, OpenAM 12 says 400,
/// PingFederate has said 400 and 403.
fn is_refused(status: u16, body: &[u8]) -> bool {
    let reply = if body.len() <= 4096 { json::parse(body).ok() } else { None };
    let error = reply.as_ref().and_then(|reply| reply.get("error")?.as_str());
    matches!(
        (status, error),
        (400 | 401 | 403 | 404, Some("invalid_token" | "invalid_grant"))
            | (400, Some("invalid_request"))
            | (404, Some("not_found"))
    )
}

/// The token's end in seconds, from `expires_in`, `exp` or the earlier of both; `None` if neither is there, or
/// if one is not a number.
fn expiry(members: &Map<String, Value>, asked: UnixTime) -> Option<i64> {
    let left = members.get("expires_in").map(seconds);
    let exp = members.get("exp").map(seconds);
    let asked = i64::try_from(asked.as_secs()).unwrap_or(i64::MAX);
    match (left, exp) {
        (Some(left), Some(exp)) => Some(asked.saturating_add(left?).min(exp?)),
        (Some(left), None) => Some(asked.saturating_add(left?)),
        (None, exp) => exp?,
    }
}

/// Whole seconds, of a number or, as Google has it, of digits.
fn seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(_) =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "floats beyond an i64 become its ends")]
            value.as_f64().filter(|seconds| seconds.is_finite()).map(|seconds| seconds.floor() as i64)
        }
        Value::String(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::expiry;
    use crate::base::json::{self, Value};
    use crate::base::time::UnixTime;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_token_ends_at_the_earlier_of_both_times_and_never_at_none() {
        #[rustfmt::skip]
        let cases = [
            ("a time left",            r#"{"expires_in":60}"#,             Some(1060)),
            ("digits",                 r#"{"expires_in":"60"}"#,           Some(1060)),
            ("a sign is no digit",     r#"{"expires_in":"+60"}"#,          None),
            ("an end",                 r#"{"exp":1050}"#,                  Some(1050)),
            ("both",                   r#"{"expires_in":60,"exp":1050}"#,  Some(1050)),
            ("the other way round",    r#"{"expires_in":40,"exp":1050}"#,  Some(1040)),
            ("one that is no number",  r#"{"expires_in":60,"exp":true}"#,  None),
            ("neither",                "{}",                               None),
        ];
        for (name, members, want) in cases {
            let Ok(Value::Object(members)) = json::parse(members.as_bytes()) else { panic!("{name}") };
            assert_eq!(expiry(&members, UnixTime::from_secs(1000)), want, "{name}");
        }
    }
}
