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

/// What an event ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Sessions: an identifier without further meaning is a session's.
    Sessions,
    /// All that a user has, whichever session is named besides (RISC).
    Account,
    /// What its subject says.
    Subject,
}

/// The targets of a subject, for events of this issuer.
#[inline(never)]
pub fn targets(subject: &Map<String, Value>, issuer: &str, scope: Scope) -> Vec<Target> {
    let opaque = (scope == Scope::Sessions).then_some(By::Session);
    let member = |name: &str, by| match subject.get(name) {
        Some(Value::Object(one)) => named(one, issuer, Some(by)),
        _ => Vec::new(),
    };
    let mut others = member("user", By::User);
    if others.is_empty() {
        others = member("application", By::Client);
    }
    let mut sessions = member("session", By::Session);
    sessions.retain(|session| session.value != ALL);
    match (sessions.is_empty(), others.is_empty()) {
        (true, true) => named(subject, issuer, opaque),
        (false, _) if others.is_empty() || scope != Scope::Account => of_sessions(sessions, others),
        _ => others,
    }
}

/// Whom an identifier names: aliases (RFC 9493 §3.2.8) each name the same subject.
#[inline(never)]
fn named(identifier: &Map<String, Value>, issuer: &str, opaque: Option<By>) -> Vec<Target> {
    match identifier.get("identifiers") {
        Some(Value::Array(all)) => {
            let all = all.iter().filter_map(Value::as_object);
            all.filter_map(|one| simple(one, issuer, opaque)).take(MAX_TARGETS).collect()
        }
        _ => simple(identifier, issuer, opaque).into_iter().collect(),
    }
}

/// The targets of a logout token: its session, or all of its user.
pub fn targets_of_logout(sid: Option<&str>, sub: Option<&str>) -> Vec<Target> {
    let target = |by| move |value: &str| Target { by, value: value.to_owned() };
    let users: Vec<Target> = sub.map(target(By::User)).into_iter().collect();
    match sid.map(target(By::Session)) {
        Some(session) => of_sessions(vec![session], users),
        None => users,
    }
}

/// Tokens of these sessions, and those of their user that do not say of which session they are.
fn of_sessions(mut sessions: Vec<Target>, users: Vec<Target>) -> Vec<Target> {
    for mut user in users {
        user.by = match user.by {
            By::User => By::UserAlone,
            By::Email => By::EmailAlone,
            _ => continue,
        };
        sessions.push(user);
    }
    sessions
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
