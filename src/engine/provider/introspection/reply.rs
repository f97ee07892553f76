//! The authorization server's response ([RFC 7662 §2.2]).
//!
//! [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2

use crate::base::ids::ProviderId;
use crate::base::json::{self, Map, Value};
use crate::decision::{BadAnswer, NoAnswer, Rejection};
use crate::provider::outcome::{CallOutcome, ReplyHead};
use crate::provider::{IntrospectionEndpoint, UnknownToken};
use crate::token::access_token::AccessToken;

/// The authorization server's response.
#[derive(Clone, Debug, PartialEq)]
pub enum Introspection {
    /// `active: false`, or a token that it does not know.
    Inactive,
    /// `active: true`; nothing else has been checked.
    Active(AccessToken),
    /// `active: true`, but this member contradicts the JWT's own claim.
    Contradicts(&'static str),
}

impl Introspection {
    /// Reads the response; an error is a [`Rejection::NoAnswer`] or [`Rejection::BadAnswer`].
    pub fn read(
        id: ProviderId,
        endpoint: &IntrospectionEndpoint,
        outcome: CallOutcome<'_>,
    ) -> Result<Self, Rejection> {
        let Some(body) = body(endpoint, outcome, "application/json")? else { return Ok(Self::Inactive) };
        let bad = |cause| Err(Rejection::BadAnswer { cause });
        let Ok(reply) = json::parse(body) else { return bad(BadAnswer::NotJson) };
        let Value::Object(members) = reply else { return bad(BadAnswer::NotAnObject) };
        Self::of(id, members)
    }

    /// What the members of a response say ([RFC 7662 §2.2]).
    ///
    /// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
    pub(crate) fn of(id: ProviderId, members: Map<String, Value>) -> Result<Self, Rejection> {
        match members.get("active") {
            Some(Value::Bool(true)) => AccessToken::new(id, members).map(Self::Active),
            Some(Value::Bool(false)) => Ok(Self::Inactive),
            _ => Err(Rejection::BadAnswer { cause: BadAnswer::Active }),
        }
    }
}

/// The body of a response of this media type; `None`: the server does not know such tokens.
pub(crate) fn body<'a>(
    endpoint: &IntrospectionEndpoint,
    outcome: CallOutcome<'a>,
    media_type: &str,
) -> Result<Option<&'a [u8]>, Rejection> {
    let (head, body) = match outcome {
        CallOutcome::Response { head, body } => (ReplyHead(head), body),
        CallOutcome::Failed => return Err(no_answer(NoAnswer::Failed)),
        CallOutcome::NotDispatched => return Err(no_answer(NoAnswer::NotDispatched)),
    };
    match head.status() {
        200 => {}
        400 if is_unsupported_token_type(body) => return Ok(None),
        status if endpoint.unknown_token.as_ref().is_some_and(|one| one.is(status, head, body)) => {
            return Ok(None);
        }
        status => return Err(refused(status, head)),
    }
    let bad = |cause| Err(Rejection::BadAnswer { cause });
    if let Some(coding) = head.coding() {
        return bad(BadAnswer::Coded(coding));
    }
    if !endpoint.lenient_content_type && !head.is_of(media_type) {
        return bad(BadAnswer::MediaType);
    }
    if body.len() > endpoint.max_response_bytes {
        return bad(BadAnswer::TooLong);
    }
    Ok(Some(body))
}

fn no_answer(cause: NoAnswer) -> Rejection {
    Rejection::NoAnswer { cause, retry_after: None }
}

/// What a status other than 200 means. None of these is the client's error.
fn refused(status: u16, head: ReplyHead<'_>) -> Rejection {
    match status {
        429 => Rejection::NoAnswer { cause: NoAnswer::Throttled, retry_after: head.retry_after() },
        500.. => Rejection::NoAnswer { cause: NoAnswer::Status(status), retry_after: head.retry_after() },
        401 | 403 => Rejection::BadAnswer { cause: BadAnswer::CredentialsRefused(status) },
        300..=399 => Rejection::BadAnswer { cause: BadAnswer::Redirect(status) },
        _ => Rejection::BadAnswer { cause: BadAnswer::Status(status) },
    }
}

/// `unsupported_token_type` ([RFC 7009 §2.2.1]'s code, seen for JWTs): the server does not know such
/// tokens.
///
/// [RFC 7009 §2.2.1]: https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1
fn is_unsupported_token_type(body: &[u8]) -> bool {
    body.len() <= 4096
        && json::parse(body)
            .is_ok_and(|reply| reply.get("error").and_then(Value::as_str) == Some("unsupported_token_type"))
}

impl UnknownToken {
    /// Whether a response is one of these errors: the status, and a JSON object with the word in `error`.
    fn is(&self, status: u16, head: ReplyHead<'_>, body: &[u8]) -> bool {
        let is_read = self.status.contains(&status)
            && body.len() <= 4096
            && head.coding().is_none()
            && head.is_of("application/json");
        let reply = if is_read { json::parse(body).ok() } else { None };
        let error = reply.as_ref().and_then(|reply| reply.get("error")?.as_str());
        error.is_some_and(|error| self.error.iter().any(|known| known == error))
    }
}

#[cfg(test)]
mod tests {
    use super::Introspection;
    use crate::base::ids::ProviderId;
    use crate::decision::BadAnswer::{
        Active, Coded, CredentialsRefused, MediaType, NotAnObject, NotJson, Redirect, Status, Timestamp,
        TooLong,
    };
    use crate::decision::{BadAnswer, NoAnswer, Rejection};
    use crate::provider::client_auth::ClientAuth;
    use crate::provider::outcome::CallOutcome;
    use crate::provider::{Dialect, IntrospectionEndpoint};
    use crate::request::head::RequestHead;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn endpoint() -> IntrospectionEndpoint {
        IntrospectionEndpoint {
            scheme: "https".to_owned(),
            authority: "as.example".to_owned(),
            path: "/introspect".to_owned(),
            clusters: vec!["as".to_owned()],
            timeout: Duration::from_secs(2),
            retries: 0,
            dialect: Dialect::default(),
            client_auth: ClientAuth::None { client_id: None },
            token_type_hint: None,
            parameters: Vec::new(),
            headers: Vec::new(),
            max_response_bytes: 1000,
            lenient_content_type: false,
            back_off: Duration::ZERO,
            user_agent: String::new(),
            unknown_token: None,
        }
    }

    fn read_with(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Introspection, Rejection> {
        let mut head = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
        head.extend(headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())));
        Introspection::read(
            ProviderId(0),
            &endpoint(),
            CallOutcome::Response { head: RequestHead::new(&head), body },
        )
    }

    fn read(body: &str) -> Result<Introspection, Rejection> {
        read_with("200", &[("content-type", "application/json")], body.as_bytes())
    }

    #[test]
    fn only_a_strict_answer_is_an_answer() {
        // INT-10, INT-12, INT-18, INT-40, INT-41, ATK-66, ATK-67, ATK-71, ATK-85
        #[rustfmt::skip]
        let cases = [
            ("an array",              "[]",                                     NotAnObject),
            ("null",                  "null",                                   NotAnObject),
            ("a string",              "\"x\"",                                  NotAnObject),
            ("empty",                 "",                                       NotJson),
            ("HTML",                  "<html>",                                 NotJson),
            ("trailing text",         r#"{"active":true}x"#,                    NotJson),
            ("active twice",          r#"{"active":false,"active":true}"#,      NotJson),
            ("active as text",        r#"{"active":"true"}"#,                   Active),
            ("active as number",      r#"{"active":1}"#,                        Active),
            ("active as null",        r#"{"active":null}"#,                     Active),
            ("active in an array",    r#"{"active":[true]}"#,                   Active),
            ("active missing",        "{}",                                     Active),
            ("exp as text",           r#"{"active":true,"exp":"1999999999"}"#,  Timestamp),
            ("exp as boolean",        r#"{"active":true,"exp":true}"#,          Timestamp),
            ("nbf as object",         r#"{"active":true,"nbf":{}}"#,            Timestamp),
        ];
        for (name, body, cause) in cases {
            assert_eq!(read(body), Err(Rejection::BadAnswer { cause }), "{name}");
        }
        let long = format!(r#"{{"active":true,"x":"{}"}}"#, "x".repeat(1000));
        assert_eq!(read(&long), Err(Rejection::BadAnswer { cause: TooLong }));
        assert_eq!(read(r#"{"active":false,"exp":"x"}"#), Ok(Introspection::Inactive));
    }

    #[test]
    fn no_status_but_200_speaks_of_the_token() {
        // INT-33, INT-34, INT-35, INT-37
        let bad = |cause: BadAnswer| Rejection::BadAnswer { cause };
        let none = |cause, retry_after| Rejection::NoAnswer { cause, retry_after };
        #[rustfmt::skip]
        let cases = [
            ("401", vec![],                       bad(CredentialsRefused(401))),
            ("403", vec![],                       bad(CredentialsRefused(403))),
            ("400", vec![],                       bad(Status(400))),
            ("404", vec![],                       bad(Status(404))),
            ("204", vec![],                       bad(Status(204))),
            ("302", vec![],                       bad(Redirect(302))),
            ("500", vec![],                       none(NoAnswer::Status(500), None)),
            ("503", vec![("retry-after", "9")],   none(NoAnswer::Status(503), Some(9))),
            ("429", vec![("retry-after", "7")],   none(NoAnswer::Throttled, Some(7))),
            ("429", vec![("retry-after", "86400")], none(NoAnswer::Throttled, Some(86_400))),
            ("429", vec![("retry-after", "86401")], none(NoAnswer::Throttled, None)),
            ("429", vec![("retry-after", "soon")], none(NoAnswer::Throttled, None)),
        ];
        for (status, headers, want) in cases {
            assert_eq!(read_with(status, &headers, b"{\"active\":true}"), Err(want), "{status}");
        }
        let unsupported = read_with("400", &[], br#"{"error":"unsupported_token_type"}"#);
        assert_eq!(unsupported, Ok(Introspection::Inactive));
    }

    #[test]
    fn media_type_and_coding() {
        // INT-11, INT-42, ATK-74, ATK-82
        let of = |headers: &[(&str, &str)]| read_with("200", headers, br#"{"active":false}"#).map(|_| ());
        let bad = |cause| Err(Rejection::BadAnswer { cause });
        #[rustfmt::skip]
        let cases = [
            ("JSON",             vec![("content-type", "application/json")],                   Ok(())),
            ("with a parameter", vec![("content-type", "Application/JSON; charset=utf-8")],    Ok(())),
            ("HTML",             vec![("content-type", "text/html")],                          bad(MediaType)),
            ("text",             vec![("content-type", "text/plain")],                         bad(MediaType)),
            ("none",             vec![],                                                       bad(MediaType)),
            ("gzip",             vec![("content-type", "application/json"), ("content-encoding", "gzip")], bad(Coded("gzip"))),
            ("identity",         vec![("content-type", "application/json"), ("content-encoding", "identity")], Ok(())),
        ];
        for (name, headers, want) in cases {
            assert_eq!(of(&headers), want, "{name}");
        }
    }
}
