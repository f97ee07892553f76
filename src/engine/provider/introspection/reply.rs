//! What the authorization server said ([RFC 7662 §2.2]): read leniently, decided strictly.
//!
//! [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2

use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::json::{self, Map, Value};
use crate::base::time::UnixTime;
use crate::decision::{BadAnswer, NoAnswer, Rejection};
use crate::provider::outcome::{CallOutcome, ReplyHead};
use crate::provider::{IntrospectionEndpoint, Provider, UnknownToken};

/// The authorization server's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Introspection {
    /// `active: false`, or a token that it does not know.
    Inactive,
    /// `active: true`; nothing else has been checked.
    Active(AccessToken),
    /// `active: true`, but of a JWT that says something else of itself in this member.
    Contradicts(&'static str),
}

/// An active token, in the authorization server's words.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// Who said so.
    pub provider: ProviderId,
    /// Every member of the reply.
    pub claims: Map<String, Value>,
    /// `exp` in whole seconds.
    pub exp: Option<i64>,
    /// `nbf` in whole seconds.
    pub nbf: Option<i64>,
    /// Whether the token is bound to a key or a certificate ([RFC 7800 §3.1], [RFC 9449 §6.2]).
    /// A `cnf` of whatever type says so; `null` counts as absent.
    ///
    /// [RFC 7800 §3.1]: https://www.rfc-editor.org/rfc/rfc7800#section-3.1
    /// [RFC 9449 §6.2]: https://www.rfc-editor.org/rfc/rfc9449#section-6.2
    pub is_bound: bool,
    /// What the claims say of the token's kind.
    kind: Kind,
}

/// What a reply says about the kind of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Kind {
    /// Something else than an access token, by any of the names that servers have for them.
    other: bool,
    /// A `token_type` that nobody here understands.
    unknown: bool,
    /// `token_type` says DPoP.
    dpop: bool,
}

impl Introspection {
    /// Reads the answer; an error is a [`Rejection::NoAnswer`] or [`Rejection::BadAnswer`].
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

    /// What the members of a reply say ([RFC 7662 §2.2]).
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

/// The body of an answer of this media type; `None`: the server does not know such tokens.
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

impl AccessToken {
    /// A token of these claims; an error if a time in them is none.
    pub fn new(provider: ProviderId, claims: Map<String, Value>) -> Result<Self, Rejection> {
        let (Ok(exp), Ok(nbf)) = (timestamp(&claims, "exp"), timestamp(&claims, "nbf")) else {
            return Err(Rejection::BadAnswer { cause: BadAnswer::Timestamp });
        };
        let kind = Kind::of(&claims);
        let is_bound = kind.dpop || claims.get("cnf").is_some_and(|cnf| !cnf.is_null());
        Ok(Self { provider, claims, exp, nbf, is_bound, kind })
    }

    /// Whether `token_type` says that it is bound to a key.
    pub fn is_dpop(&self) -> bool {
        self.kind.dpop
    }

    /// The thumbprint of the key that the token is bound to ([RFC 9449 §6]).
    ///
    /// [RFC 9449 §6]: https://www.rfc-editor.org/rfc/rfc9449#section-6
    pub fn jkt(&self) -> Option<&str> {
        self.claims.get("cnf")?.get("jkt")?.as_str()
    }

    /// The thumbprint of the certificate that the token is bound to ([RFC 8705 §3.1]).
    ///
    /// [RFC 8705 §3.1]: https://www.rfc-editor.org/rfc/rfc8705#section-3.1
    pub fn x5t(&self) -> Option<&str> {
        self.claims.get("cnf")?.get("x5t#S256")?.as_str()
    }

    /// Whether it is bound to something else than a key by `jkt` and a certificate by `x5t#S256`: to a key in
    /// another form, or in a way that we do not know. Beside those two, members that mean nothing to us bind
    /// nothing ([RFC 7800 §3.1]); Keycloak has one.
    ///
    /// [RFC 7800 §3.1]: https://www.rfc-editor.org/rfc/rfc7800#section-3.1
    pub fn is_bound_otherwise(&self) -> bool {
        const OTHERS: [&str; 4] = ["jwk", "jwe", "kid", "jku"];
        match self.claims.get("cnf") {
            None | Some(Value::Null) => false,
            Some(Value::Object(cnf)) => {
                let is_odd = |name: &str| cnf.get(name).is_some_and(|value| !value.is_string());
                OTHERS.iter().any(|name| cnf.contains_key(*name))
                    || is_odd("jkt")
                    || is_odd("x5t#S256")
                    || !(cnf.contains_key("jkt") || cnf.contains_key("x5t#S256"))
            }
            Some(_) => true,
        }
    }

    /// What holds for every token of this provider: issuer, times, kind, audience
    /// ([RFC 7662 §4] as defence in depth). Scopes, clients and claims are the requirement's.
    ///
    /// [RFC 7662 §4]: https://www.rfc-editor.org/rfc/rfc7662#section-4
    pub fn check(&self, provider: &Provider, now: UnixTime) -> Result<(), Rejection> {
        self.check_issuer(provider)?;
        self.check_times(provider.clock_skew, now)?;
        self.check_kind(provider.introspection.ignore_token_type)?;
        self.check_age(provider.jwt.max_token_age, provider.clock_skew, now)?;
        if provider.audiences.is_empty() || self.has_audience(&provider.audiences) {
            Ok(())
        } else {
            Err(Rejection::WrongAudience)
        }
    }

    /// Whether `aud`, a string or an array of strings, holds one of these.
    pub fn has_audience(&self, wanted: &[String]) -> bool {
        let ours = |value: &Value| value.as_str().is_some_and(|aud| wanted.iter().any(|want| want == aud));
        match self.claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }

    /// `iat` in whole seconds; an error if it is no number.
    pub(crate) fn issued_at(&self) -> Result<Option<i64>, ()> {
        timestamp(&self.claims, "iat")
    }

    /// The scopes that the token carries, from the first of the provider's members that is there; the
    /// provider's default if there is none. With those that they imply.
    pub fn scopes<'a>(&'a self, provider: &'a Provider) -> Vec<&'a str> {
        let mut scopes: Vec<&str> = match self.first_of(&provider.scope_claim) {
            Some(Value::String(list)) => crate::token::scope::split(list).collect(),
            Some(Value::Array(items)) if provider.scope_array => {
                items.iter().filter_map(Value::as_str).collect()
            }
            None => provider.default_scopes.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        if !provider.implied_scopes.is_empty() {
            provider.imply(&mut scopes);
        }
        scopes
    }

    /// The client, from the first of the provider's members that is there.
    pub fn client_id(&self, provider: &Provider) -> Option<&str> {
        self.first_of(&provider.client_id_claim)?.as_str()
    }

    /// A member that is there and not `null`.
    pub fn present(&self, name: &str) -> Option<&Value> {
        self.claims.get(name).filter(|value| !value.is_null())
    }

    fn first_of(&self, names: &[String]) -> Option<&Value> {
        names.iter().find_map(|name| self.present(name))
    }

    fn check_issuer(&self, provider: &Provider) -> Result<(), Rejection> {
        let Some(expected) = &provider.issuer else { return Ok(()) };
        match self.present("iss") {
            Some(Value::String(iss)) if iss == expected => Ok(()),
            None if !provider.introspection.require_iss => Ok(()),
            _ => Err(Rejection::WrongIssuer),
        }
    }

    fn check_times(&self, skew: Duration, now: UnixTime) -> Result<(), Rejection> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let skew = i64::try_from(skew.as_secs()).unwrap_or(0);
        if self.exp.is_some_and(|exp| now >= exp.saturating_add(skew)) {
            return Err(Rejection::Expired);
        }
        if self.nbf.is_some_and(|nbf| now.saturating_add(skew) < nbf) {
            return Err(Rejection::NotYetValid);
        }
        Ok(())
    }

    /// Refuses what is no access token: refresh and ID tokens, and token types that nobody here
    /// understands ([RFC 6749 §7.1]).
    ///
    /// [RFC 6749 §7.1]: https://www.rfc-editor.org/rfc/rfc6749#section-7.1
    fn check_kind(&self, ignore_token_type: bool) -> Result<(), Rejection> {
        let refused = self.kind.other || (self.kind.unknown && !ignore_token_type);
        if refused { Err(Rejection::NotAnAccessToken) } else { Ok(()) }
    }
}

impl Kind {
    fn of(claims: &Map<String, Value>) -> Self {
        let is = |name: &str, words: &[&str]| match claims.get(name).filter(|value| !value.is_null()) {
            None => None,
            Some(value) => {
                let text = value.as_str().unwrap_or_default();
                Some(words.iter().any(|word| text.eq_ignore_ascii_case(word)))
            }
        };
        Self {
            other: is("token_use", &["access_token", "access"]) == Some(false)
                || is("typ", &["refresh", "offline", "id"]) == Some(true)
                || is("token_type", &["refresh_token", "id_token"]) == Some(true),
            dpop: is("token_type", &["dpop"]) == Some(true),
            unknown: is("token_type", &["bearer", "access_token", "dpop"]) == Some(false),
        }
    }
}

fn no_answer(cause: NoAnswer) -> Rejection {
    Rejection::NoAnswer { cause, retry_after: None }
}

/// What any other status than 200 means. Nothing of it is the client's fault.
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
    /// Whether an answer is one of these errors: the status, and a JSON object with the word in `error`.
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

/// A `NumericDate`, floored; `null` counts as absent, any other type is an error.
pub(crate) fn timestamp(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, ()> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a float's cast saturates, which is what is wanted"
            )]
            let floored = number.as_f64().map(|n| n.floor() as i64);
            number.as_i64().or(floored).map(Some).ok_or(())
        }
        Some(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Introspection;
    use crate::base::ids::ProviderId;
    use crate::base::time::UnixTime;
    use crate::decision::BadAnswer::{
        Active, Coded, CredentialsRefused, MediaType, NotAnObject, NotJson, Redirect, Status, Timestamp,
        TooLong,
    };
    use crate::decision::{BadAnswer, NoAnswer, Rejection};
    use crate::provider::client_auth::ClientAuth;
    use crate::provider::outcome::CallOutcome;
    use crate::provider::{Dialect, IntrospectionEndpoint, JwtRules, Provider, Validate};
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn provider() -> Provider {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Provider {
            name: "as".to_owned(),
            issuer: Some("https://as.example".to_owned()),
            audiences: texts(&["https://rs.example"]),
            clock_skew: Duration::ZERO,
            token_prefix: None,
            scope_claim: texts(&["scope", "scp"]),
            client_id_claim: texts(&["client_id", "azp"]),
            scope_array: false,
            default_scopes: Vec::new(),
            implied_scopes: Vec::new(),
            validate: Validate::default(),
            jwt: JwtRules::default(),
            keys: None,
            introspection: IntrospectionEndpoint {
                scheme: "https".to_owned(),
                authority: "as.example".to_owned(),
                path: "/introspect".to_owned(),
                clusters: texts(&["as"]),
                timeout: Duration::from_secs(2),
                retries: 0,
                dialect: Dialect::default(),
                client_auth: ClientAuth::None { client_id: None },
                token_type_hint: None,
                parameters: Vec::new(),
                headers: Vec::new(),
                max_response_bytes: 1000,
                lenient_content_type: false,
                ignore_token_type: false,
                require_iss: false,
                back_off: Duration::ZERO,
                user_agent: String::new(),
                unknown_token: None,
            },
        }
    }

    fn read_with(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Introspection, Rejection> {
        let mut head = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
        head.extend(headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())));
        Introspection::read(
            ProviderId(0),
            &provider().introspection,
            CallOutcome::Response { head: &head, body },
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

    #[test]
    fn what_holds_for_every_token() {
        // INT-16, INT-17, INT-19, INT-20, OAU-11, OAU-12, OAU-13
        use Rejection::{Expired, NotAnAccessToken, NotYetValid, WrongAudience, WrongIssuer};
        let now = UnixTime::from_secs(1000);
        #[rustfmt::skip]
        let cases = [
            ("all well",                r#""exp":1001,"nbf":1000,"iss":"https://as.example""#,   Ok(())),
            ("exp is now",              r#""exp":1000"#,                                         Err(Expired)),
            ("exp is negative",         r#""exp":-1"#,                                           Err(Expired)),
            ("exp is a fraction",       r#""exp":1001.7"#,                                       Ok(())),
            ("exp is absurd",           r#""exp":1e30"#,                                         Ok(())),
            ("exp is null",             r#""exp":null"#,                                         Ok(())),
            ("nbf to come",             r#""nbf":1001"#,                                         Err(NotYetValid)),
            ("another issuer",          r#""iss":"https://as.example/""#,                        Err(WrongIssuer)),
            ("iss of a wrong type",     r#""iss":["https://as.example"]"#,                       Err(WrongIssuer)),
            ("bearer in any case",      r#""token_type":"BEARER""#,                              Ok(())),
            ("as OpenAM has it",        r#""token_type":"access_token""#,                        Ok(())),
            ("a refresh token",         r#""token_type":"refresh_token""#,                       Err(NotAnAccessToken)),
            ("a refresh token's use",   r#""token_use":"refresh_token""#,                        Err(NotAnAccessToken)),
            ("as Keycloak has it",      r#""typ":"Refresh""#,                                    Err(NotAnAccessToken)),
            ("an unknown type",         r#""token_type":"mac""#,                                 Err(NotAnAccessToken)),
        ];
        let check = |members: &str| match read(&format!(r#"{{"active":true,{members}}}"#)) {
            Ok(Introspection::Active(token)) => token.check(&provider(), now),
            other => panic!("{other:?}"),
        };
        for (name, members, want) in cases {
            assert_eq!(check(&format!(r#""aud":"https://rs.example",{members}"#)), want, "{name}");
        }
        #[rustfmt::skip]
        let audiences = [
            ("in an array",   r#""aud":["x","https://rs.example"]"#, Ok(())),
            ("missing",       r#""x":1"#,                            Err(WrongAudience)),
            ("none",          r#""aud":[]"#,                         Err(WrongAudience)),
            ("a number",      r#""aud":[1]"#,                        Err(WrongAudience)),
            ("longer",        r#""aud":"https://rs.example.evil""#,  Err(WrongAudience)),
        ];
        for (name, members, want) in audiences {
            assert_eq!(check(members), want, "{name}");
        }
    }
}
