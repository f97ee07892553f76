//! Where events are received, and what is checked before their bodies are read.

use std::time::Duration;

use crate::base::ids::{ListId, ProviderId};
use crate::base::secret::Secret;
use crate::decision::receipt::{EventFault, EventKind, Receipt};
use crate::request::head::RequestHead;

/// `revocation`.
#[derive(Clone, Debug, Default)]
pub struct Revocation {
    /// Where events are received.
    pub events: Vec<EventEndpoint>,
    /// The client lists that say what an operator has revoked.
    pub lists: Vec<ListId>,
    /// How long tokens stay revoked that are verified here alone.
    pub remember: Duration,
}

/// An entry of `revocation.events`.
#[derive(Clone, Debug)]
pub struct EventEndpoint {
    /// The path, in normal form.
    pub path: String,
    /// Whose events.
    pub provider: ProviderId,
    /// An event must have one of these in `aud`.
    pub audiences: Vec<String>,
    /// The value of `Authorization` that comes with each Security Event Token; `None`: it is not checked.
    pub authorization: Option<Secret>,
}

/// The longest event, in bytes. Those of real servers have up to 1,300.
pub const MAX_EVENT: usize = 65_536;

impl Revocation {
    /// The endpoint of this very path, by number.
    pub fn at(&self, path: &str) -> Option<usize> {
        self.events.iter().position(|one| one.path == path)
    }
}

/// Whether a path has another spelling: with escapes, parameters, dot segments or empty segments.
pub fn may_be_read_otherwise(path: &[u8]) -> bool {
    path.iter().any(|byte| matches!(byte, b'%' | b';'))
        || path.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

impl EventEndpoint {
    /// What its body is to be; or the response, if that is not needed.
    #[inline(never)]
    pub fn admit(&self, head: RequestHead<'_>) -> Result<EventKind, Receipt> {
        if head.method() != b"POST" {
            return Err(Receipt::WrongMethod);
        }
        let length =
            head.single("content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > MAX_EVENT) {
            return Err(Receipt::TooLarge);
        }
        let media_type = head.single("content-type").unwrap_or_default();
        let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| media_type.eq_ignore_ascii_case(name.as_bytes());
        let kind = match () {
            () if is("application/secevent+jwt") => EventKind::SecurityEvent,
            () if is("application/x-www-form-urlencoded") => EventKind::Logout,
            () => return Err(Receipt::Refused(EventKind::SecurityEvent, EventFault::ContentType)),
        };
        if head.all("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            return Err(Receipt::Refused(kind, EventFault::ContentType));
        }
        match &self.authorization {
            Some(wanted) if kind == EventKind::SecurityEvent => {
                let is_right = head.single("authorization").is_some_and(|value| wanted.is(value));
                if is_right { Ok(kind) } else { Err(Receipt::Refused(kind, EventFault::Authorization)) }
            }
            _ => Ok(kind),
        }
    }
}
