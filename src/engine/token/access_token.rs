//! A token and its claims, as the authorization server or the token itself states them, and the checks that hold
//! for every token of a provider.

use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::json::{Map, Value};
use crate::base::time::UnixTime;
use crate::decision::fault::JwtFault;
use crate::decision::trace::{Check, Trace};
use crate::decision::{BadAnswer, Rejection};
use crate::token::rules::TokenRules;
use crate::token::scope;

/// An active token, as the authorization server or its signature describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// Who said so.
    pub provider: ProviderId,
    /// Every member of the response.
    pub claims: Map<String, Value>,
    /// `exp` in whole seconds.
    pub exp: Option<i64>,
    /// `nbf` in whole seconds.
    pub nbf: Option<i64>,
    /// Whether the token is bound to a key or a certificate ([RFC 7800 §3.1], [RFC 9449 §6.2]). Any `cnf` means
    /// that, whatever its type; `null` counts as absent.
    ///
    /// [RFC 7800 §3.1]: https://www.rfc-editor.org/rfc/rfc7800#section-3.1
    /// [RFC 9449 §6.2]: https://www.rfc-editor.org/rfc/rfc9449#section-6.2
    pub is_bound: bool,
    /// What the claims say about the kind of token.
    kind: Kind,
}

/// What a response says about the kind of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Kind {
    /// It is not an access token, by any of the names that servers use.
    other: bool,
    /// A `token_type` that is not known.
    unknown: bool,
    /// `token_type` says DPoP.
    dpop: bool,
}

impl AccessToken {
    /// A token with these claims; an error if one of their times is not valid.
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

    /// Whether it is bound to anything but a key by `jkt` and a certificate by `x5t#S256`: to a key in another
    /// form, or in an unknown way. Next to those two, unknown members bind nothing ([RFC 7800 §3.1]); Keycloak
    /// has one.
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
    pub fn check(&self, rules: &TokenRules, now: UnixTime, trace: &impl Trace) -> Result<(), Rejection> {
        self.check_issuer(rules, trace)?;
        self.check_times(rules.clock_skew, now, trace)?;
        self.check_kind(rules.ignore_token_type, trace)?;
        self.check_age(rules.max_token_age, rules.clock_skew, now, trace)?;
        self.check_audience(&rules.audiences, trace)
    }

    /// Whether the token is for one of these audiences; an empty list accepts every token.
    pub(crate) fn check_audience(&self, wanted: &[String], trace: &impl Trace) -> Result<(), Rejection> {
        let is_right = wanted.is_empty() || self.has_audience(wanted);
        let names = || wanted.iter().map(String::as_str).collect();
        let check = || Check::Audience { wanted: names(), found: self.present("aud") };
        trace.demand(is_right, check, || Rejection::WrongAudience)
    }

    /// Whether `aud`, a string or an array of strings, holds one of these.
    pub fn has_audience(&self, wanted: &[String]) -> bool {
        let ours = |value: &Value| value.as_str().is_some_and(|aud| wanted.iter().any(|want| want == aud));
        match self.claims.get("aud") {
            // Some readers reject an array with anything else in it, and some see only its texts.
            Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }

    /// `iat` in whole seconds; an error if it is not a number.
    pub(crate) fn issued_at(&self) -> Result<Option<i64>, ()> {
        timestamp(&self.claims, "iat")
    }

    /// The scopes that the token carries, from the first of the provider's members that is present, or the
    /// provider's default if none is. Implied scopes are included.
    pub fn scopes<'a>(&'a self, rules: &'a TokenRules) -> Vec<&'a str> {
        let mut scopes: Vec<&str> = match self.first_of(&rules.scope_claim) {
            Some(Value::String(list)) => scope::split(list).collect(),
            Some(Value::Array(items)) if rules.scope_array => {
                items.iter().filter_map(Value::as_str).collect()
            }
            None => rules.default_scopes.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        if !rules.implied_scopes.is_empty() {
            rules.imply(&mut scopes);
        }
        scopes
    }

    /// The client, from the first of the provider's members that is present.
    pub fn client_id(&self, rules: &TokenRules) -> Option<&str> {
        self.first_of(&rules.client_id_claim)?.as_str()
    }

    /// A member that is present and not `null`.
    pub fn present(&self, name: &str) -> Option<&Value> {
        self.claims.get(name).filter(|value| !value.is_null())
    }

    fn first_of(&self, names: &[String]) -> Option<&Value> {
        names.iter().find_map(|name| self.present(name))
    }

    fn check_issuer(&self, rules: &TokenRules, trace: &impl Trace) -> Result<(), Rejection> {
        let Some(wanted) = &rules.issuer else { return Ok(()) };
        let (found, is_optional) = (self.present("iss"), !rules.require_iss);
        let is_right = match found {
            Some(found) => found.as_str() == Some(wanted),
            None => is_optional,
        };
        trace.demand(is_right, || Check::Issuer { wanted, found, is_optional }, || Rejection::WrongIssuer)
    }

    /// Whether it is young enough by its `iat`.
    pub(crate) fn check_age(
        &self,
        max: Option<Duration>,
        skew: Duration,
        now: UnixTime,
        trace: &impl Trace,
    ) -> Result<(), Rejection> {
        let Some(max) = max else { return Ok(()) };
        let check = || Check::Age { max, skew, found: self.present("iat") };
        trace.came(check, self.is_young(max, skew, now))
    }

    fn is_young(&self, max: Duration, skew: Duration, now: UnixTime) -> Result<(), Rejection> {
        let span = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        let Ok(Some(iat)) = self.issued_at() else {
            return Err(Rejection::BadJwt { fault: JwtFault::Claim("iat") });
        };
        let end = iat.saturating_add(span(max)).saturating_add(span(skew));
        if seconds(now) < end { Ok(()) } else { Err(Rejection::BadJwt { fault: JwtFault::TooOld }) }
    }

    fn check_times(&self, skew: Duration, now: UnixTime, trace: &impl Trace) -> Result<(), Rejection> {
        let now = seconds(now);
        let skew = i64::try_from(skew.as_secs()).unwrap_or(0);
        let is_over = self.exp.is_some_and(|exp| now >= exp.saturating_add(skew));
        trace.demand(!is_over, || Check::Expiry(self.exp), || Rejection::Expired)?;
        let Some(nbf) = self.nbf else { return Ok(()) };
        let has_begun = now.saturating_add(skew) >= nbf;
        trace.demand(has_begun, || Check::NotBefore(nbf), || Rejection::NotYetValid)
    }

    /// Rejects everything but access tokens: refresh and ID tokens, and unknown token types ([RFC 6749 §7.1]).
    ///
    /// [RFC 6749 §7.1]: https://www.rfc-editor.org/rfc/rfc6749#section-7.1
    fn check_kind(&self, ignore_token_type: bool, trace: &impl Trace) -> Result<(), Rejection> {
        let refused = self.kind.other || (self.kind.unknown && !ignore_token_type);
        let check = || Check::TokenType(self.present("token_type"));
        trace.demand(!refused, check, || Rejection::NotAnAccessToken)
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

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::AccessToken;
    use crate::base::ids::ProviderId;
    use crate::base::json::{self, Value};
    use crate::base::time::UnixTime;
    use crate::decision::Rejection;
    use crate::decision::trace::Untraced;
    use crate::token::rules::TokenRules;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_binding_that_cannot_be_read_is_a_binding() {
        // MTL-11, DPP-18
        #[rustfmt::skip]
        let cases = [
            ("{}",                                 false),
            (r#"{"cnf":null}"#,                    false),
            (r#"{"cnf":{"jkt":"a"}}"#,             false),
            (r#"{"cnf":{"x5t#S256":"a"}}"#,        false),
            (r#"{"cnf":{"jkt":5}}"#,               true),
            (r#"{"cnf":{"jkt":null}}"#,            true),
            (r#"{"cnf":{"x5t#S256":["a"]}}"#,      true),
            (r#"{"cnf":{"jkt":"a","jwk":{}}}"#,    true),
            (r#"{"cnf":{}}"#,                      true),
            (r#"{"cnf":"a"}"#,                     true),
        ];
        for (claims, want) in cases {
            let Ok(Value::Object(read)) = json::parse(claims.as_bytes()) else { panic!("{claims}") };
            assert_eq!(AccessToken::new(ProviderId(0), read).unwrap().is_bound_otherwise(), want, "{claims}");
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
        let rules = TokenRules {
            issuer: Some("https://as.example".to_owned()),
            audiences: vec!["https://rs.example".to_owned()],
            ..TokenRules::default()
        };
        let check = |members: &str| {
            let Ok(Value::Object(claims)) = json::parse(format!("{{{members}}}").as_bytes()) else {
                panic!("{members}")
            };
            AccessToken::new(ProviderId(0), claims).unwrap().check(&rules, now, &Untraced)
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
            ("one of each",   r#""aud":["https://rs.example",1]"#,   Err(WrongAudience)),
            ("longer",        r#""aud":"https://rs.example.evil""#,  Err(WrongAudience)),
        ];
        for (name, members, want) in audiences {
            assert_eq!(check(members), want, "{name}");
        }
    }
}
