//! Reads and verifies an event. Cheap checks come first, and the signature comes last.

use form_urlencoded::parse as parse_form;

use crate::base::json::{Map, Value};
use crate::base::time::UnixTime;
use crate::decision::receipt::{EventFault, EventKind};
use crate::jose::jws::{Compact, Header, JwsFault, is_media_type};
use crate::jose::verifier::Verifier;
use crate::provider::Provider;
use crate::provider::keys::LiveKeys;
use crate::revocation::endpoint::EventEndpoint;
use crate::revocation::subject::{Scope, Target, targets, targets_of_logout};
use crate::token::access_token::timestamp;

/// A verified event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// What distinguishes it from all others of its issuer.
    pub id: String,
    /// When that happened which it tells of, in seconds, by its issuer's clock.
    pub at: u64,
    /// When its issuer has said so, by the same clock: until then, it may have said something else.
    pub said: u64,
    /// What it means for its targets.
    pub effect: Effect,
    /// Whose tokens it is about.
    pub targets: Vec<Target>,
    /// What it is, for the log.
    pub name: &'static str,
}

/// What an event means for the tokens that it is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Effect {
    /// Nothing.
    None,
    /// The authorization server may say something else about them.
    AskAgain,
    /// The same; and where they are verified here alone, they are rejected if they were issued before.
    Revoke,
}

/// What verifying an event needs.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Where it was received.
    pub endpoint: &'a EventEndpoint,
    /// Who is to have signed it.
    pub provider: &'a Provider,
    /// Its keys.
    pub keys: &'a LiveKeys,
    /// What verifies signatures.
    pub verifier: &'static dyn Verifier,
}

/// Why there is no event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// It is not valid.
    Fault(EventFault),
    /// With other keys it may be.
    NoKeys,
    /// Too many signatures have been checked lately.
    Busy,
}

/// By how many seconds an issuer's clock may differ from ours.
pub const SKEW: u64 = 60;
/// How old a logout token without `exp` may be, in seconds. The standard recommends an `exp` of two minutes at most.
const LOGOUT_AGE: i64 = 300;
/// The event of every logout token.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The events that revoke something, below `https://schemas.openid.net/secevent/`.
///
/// `credential-change` and its like rejects no token that is verified here alone: servers send it for changes that end
/// no session.
const EVENTS: [(&str, Effect); 8] = [
    ("caep/event-type/session-revoked", Effect::Revoke),
    ("caep/event-type/token-claims-change", Effect::Revoke),
    ("caep/event-type/credential-change", Effect::AskAgain),
    ("caep/event-type/assurance-level-change", Effect::AskAgain),
    ("risc/event-type/account-disabled", Effect::Revoke),
    ("risc/event-type/account-purged", Effect::Revoke),
    ("risc/event-type/sessions-revoked", Effect::Revoke),
    ("risc/event-type/account-credential-change-required", Effect::AskAgain),
];
const SECEVENT: &str = "https://schemas.openid.net/secevent/";
/// The one that ends sessions.
const SESSION_REVOKED: &str = "caep/event-type/session-revoked";
/// Those that are about whole accounts.
const RISC: &str = "risc/";

/// Reads the body of a push and verifies what is in it. `may_verify` says whether a signature may be checked now.
///
/// # Errors
///
/// Whatever is wrong with it.
#[inline(never)]
pub fn read(
    kind: EventKind,
    body: &[u8],
    source: Source<'_>,
    now: UnixTime,
    may_verify: &mut dyn FnMut() -> bool,
) -> Result<Event, Failure> {
    let fault = |fault| Failure::Fault(fault);
    let token = match kind {
        EventKind::SecurityEvent => {
            std::str::from_utf8(body).map_err(|_| fault(EventFault::Jws(JwsFault::Parts)))?.to_owned()
        }
        EventKind::Logout => logout_token(body).ok_or(fault(EventFault::Form))?,
    };
    let jws = Compact::parse(token.trim_ascii()).map_err(|error| fault(of_jws(error)))?;
    if !has_typ(kind, &jws.header) {
        return Err(fault(EventFault::Typ));
    }
    if !source.provider.jwt.algorithms.allow(jws.header.alg) {
        return Err(fault(EventFault::Algorithm));
    }
    let claims = jws.claims().ok_or(fault(EventFault::Claims))?;
    let event = source.claims(kind, &claims, now).map_err(fault)?;
    let keys = source.keys.set(now).map_err(|_| Failure::NoKeys)?;
    if !keys.knows(&jws.header) {
        return Err(Failure::NoKeys);
    }
    if !may_verify() {
        return Err(Failure::Busy);
    }
    let is_good = keys.have_signed(&jws, source.verifier) == Some(true);
    // Without a name of its own it is known by what is signed of it: anybody can write the rest in other ways.
    let signed = || std::str::from_utf8(jws.signing_input).unwrap_or_default().to_owned();
    let id = if event.id.is_empty() { signed() } else { event.id };
    if is_good { Ok(Event { id, ..event }) } else { Err(fault(EventFault::Key)) }
}

/// The only `logout_token` of a form.
fn logout_token(body: &[u8]) -> Option<String> {
    let mut tokens = parse_form(body).filter(|(name, _)| name == "logout_token").map(|(_, value)| value);
    let token = tokens.next()?.into_owned();
    tokens.next().is_none().then_some(token)
}

/// An algorithm that is never allowed (`none`, HMAC) is no other error than one that is not configured.
fn of_jws(fault: JwsFault) -> EventFault {
    match fault {
        JwsFault::Algorithm => EventFault::Algorithm,
        other => EventFault::Jws(other),
    }
}

/// The `typ` is what keeps events, logout tokens, ID tokens and access tokens of one issuer apart
/// ([RFC 8417 §2.3]). Of logout tokens it is only recommended.
///
/// [RFC 8417 §2.3]: https://www.rfc-editor.org/rfc/rfc8417#section-2.3
fn has_typ(kind: EventKind, header: &Header) -> bool {
    match (kind, header.typ.as_deref()) {
        (EventKind::SecurityEvent, typ) => typ.is_some_and(|typ| is_media_type(typ, "secevent+jwt")),
        (EventKind::Logout, None) => true,
        (EventKind::Logout, Some(typ)) => is_media_type(typ, "logout+jwt") || is_media_type(typ, "jwt"),
    }
}

impl Source<'_> {
    /// Checks the claims. The event counts once its signature has been checked, too.
    #[inline(never)]
    fn claims(
        &self,
        kind: EventKind,
        claims: &Map<String, Value>,
        now: UnixTime,
    ) -> Result<Event, EventFault> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let issuer = self.provider.tokens.issuer.as_deref().ok_or(EventFault::Issuer)?;
        if text("iss") != Some(issuer) {
            return Err(EventFault::Issuer);
        }
        let is_ours = |value: &Value| {
            value.as_str().is_some_and(|aud| self.endpoint.audiences.iter().any(|own| own == aud))
        };
        let is_for_us = claims.get("aud").is_some_and(|aud| match aud {
            Value::Array(all) => all.iter().any(is_ours),
            one => is_ours(one),
        });
        if !is_for_us {
            return Err(EventFault::Audience);
        }
        let number = |name| timestamp(claims, name).map_err(|()| EventFault::Claim(name));
        let clock = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let skew = i64::try_from(SKEW).unwrap_or_default();
        let iat = number("iat")?.filter(|iat| *iat >= 0 && *iat <= clock.saturating_add(skew));
        let iat = iat.ok_or(EventFault::Claim("iat"))?;
        let events = claims.get("events").and_then(Value::as_object).filter(|events| !events.is_empty());
        let events = events.ok_or(EventFault::Claim("events"))?;
        let forbidden: &[&'static str] = match kind {
            EventKind::SecurityEvent => &["exp", "sub"],
            EventKind::Logout => &["nonce"],
        };
        if let Some(name) = forbidden.iter().find(|name| claims.contains_key(**name)) {
            return Err(EventFault::Excess(name));
        }
        let jti = text("jti");
        match kind {
            EventKind::SecurityEvent => {
                Ok(security_event(claims, events, jti.ok_or(EventFault::Claim("jti"))?, iat, issuer))
            }
            EventKind::Logout => {
                let end =
                    number("exp")?.map_or(iat.saturating_add(LOGOUT_AGE), |exp| exp.saturating_add(skew));
                if end <= clock {
                    return Err(EventFault::Claim("exp"));
                }
                if !events.get(LOGOUT).is_some_and(Value::is_object) {
                    return Err(EventFault::Claim("events"));
                }
                let (sid, sub) = (text("sid"), text("sub"));
                if sid.is_none() && sub.is_none() {
                    return Err(EventFault::Claim("sub"));
                }
                let targets = targets_of_logout(sid, sub);
                let id = jti.unwrap_or_default().to_owned();
                Ok(Event {
                    id,
                    at: seconds(iat),
                    said: seconds(iat),
                    effect: Effect::Revoke,
                    targets,
                    name: "logout",
                })
            }
        }
    }
}

/// A Security Event Token whose claims are there. Members of `events` that are unknown are passed over: they may be
/// anything ([RFC 8417 §2.2]).
///
/// [RFC 8417 §2.2]: https://www.rfc-editor.org/rfc/rfc8417#section-2.2
#[inline(never)]
fn security_event(
    claims: &Map<String, Value>,
    events: &Map<String, Value>,
    jti: &str,
    iat: i64,
    issuer: &str,
) -> Event {
    let mut event = Event {
        id: jti.to_owned(),
        at: seconds(iat),
        said: seconds(iat),
        effect: Effect::None,
        targets: Vec::new(),
        name: "unknown",
    };
    for (name, effect) in EVENTS {
        let members = events.iter().find(|(uri, _)| uri.strip_prefix(SECEVENT) == Some(name));
        let Some(members) = members.and_then(|(_, value)| value.as_object()) else { continue };
        // Before RFC 9493 the subject was in the event.
        let subject = claims.get("sub_id").or_else(|| members.get("subject")).and_then(Value::as_object);
        let scope = match name {
            SESSION_REVOKED => Scope::Sessions,
            _ if name.starts_with(RISC) => Scope::Account,
            _ => Scope::Subject,
        };
        let found = subject.map(|subject| targets(subject, issuer, scope)).unwrap_or_default();
        let at = timestamp(members, "event_timestamp").ok().flatten().filter(|at| *at >= 0 && *at < iat);
        event.add(name, effect, seconds(at.unwrap_or(iat)), found);
    }
    event
}

impl Event {
    /// Adds another event of the same token. One about nobody who is known gives way; otherwise both count, as the stronger.
    fn add(&mut self, name: &'static str, effect: Effect, at: u64, targets: Vec<Target>) {
        let is_stronger = effect > self.effect;
        match (self.targets.is_empty(), targets.is_empty()) {
            (false, true) => return,
            (true, true) if !is_stronger => return,
            (true, _) => (self.effect, self.name, self.at) = (effect, name, at),
            (false, false) => {
                self.at = self.at.max(at);
                if is_stronger {
                    (self.effect, self.name) = (effect, name);
                }
            }
        }
        if self.targets != targets {
            self.targets.extend(targets);
        }
    }
}

fn seconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Effect, SECEVENT, SESSION_REVOKED, security_event};
    use crate::base::json::{self, Value};
    use crate::revocation::subject::{By, Target};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn of_several_events_the_strongest_counts_at_a_time_that_may_be() {
        // EVT-12
        let caep = "https://schemas.openid.net/secevent/caep/event-type";
        #[rustfmt::skip]
        let cases = [
            ("one",                  format!(r#"{{"{caep}/session-revoked":{{}}}}"#),                                    Effect::Revoke,   100),
            ("a weaker one behind",  format!(r#"{{"{caep}/session-revoked":{{}},"{caep}/credential-change":{{}}}}"#),    Effect::Revoke,   100),
            ("a weaker one alone",   format!(r#"{{"{caep}/credential-change":{{}}}}"#),                                  Effect::AskAgain, 100),
            ("an earlier time",      format!(r#"{{"{caep}/session-revoked":{{"event_timestamp":90}}}}"#),                Effect::Revoke,   90),
            ("a time to come",       format!(r#"{{"{caep}/session-revoked":{{"event_timestamp":110}}}}"#),               Effect::Revoke,   100),
            ("a time before time",   format!(r#"{{"{caep}/session-revoked":{{"event_timestamp":-1}}}}"#),                Effect::Revoke,   100),
        ];
        for (name, events, effect, at) in cases {
            let Ok(Value::Object(events)) = json::parse(events.as_bytes()) else { panic!("{name}") };
            let event = security_event(&json::Map::new(), &events, "e", 100, "https://as.example.com");
            assert_eq!((event.effect, event.at), (effect, at), "{name}");
        }
    }

    #[test]
    fn of_several_events_all_whose_subject_is_known_count() {
        // EVT-12: before RFC 9493 each had a subject of its own
        let [session_revoked, disabled, change] =
            [SESSION_REVOKED, "risc/event-type/account-disabled", "caep/event-type/credential-change"];
        let (alice, session) = (r#"{"iss":"https://as.example.com","sub":"alice"}"#, r#"{"id":"s1"}"#);
        let of = |by, value: &str| Target { by, value: value.to_owned() };
        let (user, one) = (of(By::User, "alice"), of(By::Session, "s1"));
        #[rustfmt::skip]
        let cases = [
            ("an unknown one first",           [(session_revoked, r#"{"url":"x"}"#), (disabled, alice)],  Effect::Revoke,   disabled,        vec![user.clone()]),
            ("an unknown one behind",          [(session_revoked, session), (disabled, r#"{"url":"x"}"#)], Effect::Revoke,   session_revoked, vec![one.clone()]),
            ("an unknown one that is stronger", [(session_revoked, r#"{"url":"x"}"#), (change, alice)],   Effect::AskAgain, change,          vec![user.clone()]),
            ("two",                            [(session_revoked, session), (disabled, alice)],           Effect::Revoke,   session_revoked, vec![one.clone(), user.clone()]),
            ("a weaker one first",             [(change, alice), (disabled, alice)],                      Effect::Revoke,   disabled,        vec![user.clone()]),
            ("a weaker one behind",            [(session_revoked, session), (change, alice)],             Effect::Revoke,   session_revoked, vec![one, user]),
        ];
        for (name, events, effect, which, targets) in cases {
            let members = events.map(|(name, subject)| {
                format!(r#""{SECEVENT}{name}":{{"event_timestamp":90,"subject":{subject}}}"#)
            });
            let Ok(Value::Object(events)) = json::parse(format!("{{{}}}", members.join(",")).as_bytes())
            else {
                panic!("{name}")
            };
            let event = security_event(&json::Map::new(), &events, "e", 100, "https://as.example.com");
            assert_eq!((event.effect, event.name, event.at), (effect, which, 90), "{name}");
            assert_eq!(event.targets, targets, "{name}");
        }
    }

    #[test]
    fn of_several_events_the_latest_time_counts() {
        // EVT-12
        for [first, second] in [[90, 80], [80, 90]] {
            let of = |name: &str, at: u64| {
                let subject = r#"{"iss":"https://as.example.com","sub":"alice"}"#;
                format!(r#""{SECEVENT}{name}":{{"event_timestamp":{at},"subject":{subject}}}"#)
            };
            let (one, other) = (of(SESSION_REVOKED, first), of("risc/event-type/account-disabled", second));
            let Ok(Value::Object(events)) = json::parse(format!("{{{one},{other}}}").as_bytes()) else {
                panic!("{one}")
            };
            let event = security_event(&json::Map::new(), &events, "e", 100, "https://as.example.com");
            assert_eq!((event.at, event.said), (90, 100));
        }
    }

    #[test]
    fn of_two_events_that_mean_as_much_the_one_whose_subject_is_known_counts() {
        // EVT-12: to the other, the same subject is nobody
        let all = format!(
            r#"{{"{SECEVENT}{SESSION_REVOKED}":{{}},"{SECEVENT}risc/event-type/account-disabled":{{}}}}"#
        );
        let [events, claims] = [all.as_str(), r#"{"sub_id":{"format":"opaque","id":"s1"}}"#].map(|text| {
            match json::parse(text.as_bytes()) {
                Ok(Value::Object(members)) => members,
                other => panic!("{other:?}"),
            }
        });
        let event = security_event(&claims, &events, "e", 100, "https://as.example.com");
        assert_eq!(event.targets, [Target { by: By::Session, value: "s1".to_owned() }]);
    }
}
