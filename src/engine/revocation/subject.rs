//! Whom an event is about ([RFC 9493], and the Shared Signals Framework's complex subjects).
//!
//! What cannot be told apart here (a device, a tenant, a group) is read as absent: the event then concerns more tokens,
//! never fewer.
//!
//! [RFC 9493]: https://www.rfc-editor.org/rfc/rfc9493

use crate::base::json::{Map, Value};

/// The tokens that have this value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// The claim that has it.
    pub by: By,
    /// What the claim says.
    pub value: String,
}

/// Where a token has the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// In `sid`.
    Session,
    /// In `sub`, and it has no `sid`: nobody knows which session it is of.
    UserAlone,
    /// In `sub`.
    User,
    /// In the claim of the client's id.
    Client,
    /// In `jti`.
    Token,
    /// In `email`.
    Email,
    /// In `email`, and it has no `sid`.
    EmailAlone,
}

/// How many targets an event has at most.
const MAX_TARGETS: usize = 16;

/// Keycloak's word for all sessions of a user.
const ALL: &str = "ALL";

/// The targets of a subject, for events of this issuer. `of_session`: the event ends sessions, so that an identifier
/// without further meaning is a session's.
#[inline(never)]
pub fn targets(subject: &Map<String, Value>, issuer: &str, of_session: bool) -> Vec<Target> {
    let opaque = of_session.then_some(By::Session);
    // Aliases (RFC 9493 §3.2.8): each names the same subject.
    if let Some(Value::Array(all)) = subject.get("identifiers") {
        let all = all.iter().filter_map(Value::as_object);
        return all.filter_map(|one| simple(one, issuer, opaque)).take(MAX_TARGETS).collect();
    }
    let member = |name: &str, by| simple(subject.get(name)?.as_object()?, issuer, Some(by));
    let (user, client) = (member("user", By::User), member("application", By::Client));
    let session = member("session", By::Session).filter(|session| session.value != ALL);
    match (session, user.or(client)) {
        (Some(session), other) => of_one_session(session, other),
        (None, Some(other)) => vec![other],
        (None, None) => simple(subject, issuer, opaque).into_iter().collect(),
    }
}

/// The targets of a logout token: its session, or all of its user.
pub fn targets_of_logout(sid: Option<&str>, sub: Option<&str>) -> Vec<Target> {
    let target = |by| move |value: &str| Target { by, value: value.to_owned() };
    let user = sub.map(target(By::User));
    match sid.map(target(By::Session)) {
        Some(session) => of_one_session(session, user),
        None => user.into_iter().collect(),
    }
}

/// Tokens of one session, and those of its user that do not say of which session they are.
fn of_one_session(session: Target, user: Option<Target>) -> Vec<Target> {
    let alone = |user: Target| match user.by {
        By::User => Some(Target { by: By::UserAlone, ..user }),
        By::Email => Some(Target { by: By::EmailAlone, ..user }),
        _ => None,
    };
    std::iter::once(session).chain(user.and_then(alone)).collect()
}

/// An identifier by its members. `opaque` is what one without further meaning identifies.
fn simple(identifier: &Map<String, Value>, issuer: &str, opaque: Option<By>) -> Option<Target> {
    let text = |name: &str| identifier.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (by, value) = if identifier.contains_key("iss") {
        // Another issuer's subject is nobody that tokens of this one name.
        text("iss").filter(|iss| *iss == issuer)?;
        match (text("jti"), text("sub")) {
            (Some(jti), _) => (By::Token, jti),
            (None, sub) => (if opaque == Some(By::Client) { By::Client } else { By::User }, sub?),
        }
    } else if let Some(email) = text("email") {
        (By::Email, email)
    } else {
        (opaque?, text("id")?)
    };
    Some(Target { by, value: value.to_owned() })
}
