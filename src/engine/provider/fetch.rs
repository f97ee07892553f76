//! What is fetched in the background, client lists, sets of keys and status lists: the request, and its response as
//! far as it is the same for all of them.

use std::time::Duration;

use crate::base::ids::{ListId, ProviderId, StatusId};
use crate::base::json::{self, Value};
use crate::base::secret::Secret;
use crate::provider::outcome::{CallOutcome, ReplyHead};

/// What is fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Document {
    /// This client list.
    List(ListId),
    /// The keys of this provider.
    Keys(ProviderId),
    /// This status list.
    Status(StatusId),
}

/// One call to make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FetchCall {
    /// The Envoy cluster to send it to.
    pub cluster: String,
    /// How long its response may take.
    pub timeout: Duration,
    /// The head, pseudo-fields first; there is no body.
    pub headers: Vec<(String, Secret)>,
    /// How many bytes of the response's body are wanted: one more than may be used.
    pub read_up_to: usize,
}

/// Where a document is, for the pseudo-fields of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address<'a> {
    /// `http` or `https`; informative, TLS is the cluster's.
    pub(crate) scheme: &'a str,
    /// Host and port.
    pub(crate) authority: &'a str,
    /// Path and query.
    pub(crate) path: &'a str,
    /// What we call ourselves.
    pub(crate) user_agent: &'a str,
}

/// What a response has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// Something of so many entries.
    Changed(usize),
    /// It is what it was ([RFC 9110 §15.4.5]).
    ///
    /// [RFC 9110 §15.4.5]: https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5
    Unchanged,
}

/// Why a response cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FetchFault {
    /// Timeout, reset, refused connection; or the host would not make the call.
    #[error("no response")]
    NoAnswer,
    /// Another status than 200 and 304.
    #[error("status {0}{late}", late = late(*.0))]
    Status(u16),
    /// Another media type than JSON has.
    #[error("not application/json")]
    MediaType,
    /// A content coding.
    #[error("its content coding is {0}, and identity was asked for")]
    Coded(&'static str),
    /// Longer than the bound.
    #[error("longer than max_response_bytes")]
    TooLong,
    /// Not one strict JSON document.
    #[error("not a valid JSON document")]
    NotJson,
    /// The document is not what was expected; where, and what was expected.
    #[error("{0}")]
    Shape(String),
    /// The same, in few words.
    #[error("{0}")]
    Unfit(&'static str),
    /// No key that is there has signed it, and others might have.
    #[error("it is not signed with any of the keys that are loaded")]
    UnknownKey,
}

/// The host calls it 504 when a call takes too long.
fn late(status: u16) -> &'static str {
    if status == 504 { ": no response in time" } else { "" }
}

/// A document that has come.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The one that is known already.
    Same,
    /// Another one, and what the server calls this state of it ([RFC 9110 §8.8.3]).
    ///
    /// [RFC 9110 §8.8.3]: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3
    Document(Value, Option<String>),
}

/// The head of a call that fetches a document, unless it is the one of this `etag`.
pub(crate) fn head(address: Address<'_>, accept: &str, etag: Option<&String>) -> Vec<(String, Secret)> {
    let fixed = [
        (":method", "GET"),
        (":scheme", address.scheme),
        (":authority", address.authority),
        (":path", address.path),
        ("accept", accept),
        ("accept-encoding", "identity"),
        ("user-agent", address.user_agent),
    ];
    let mut headers: Vec<_> = fixed.map(|(name, value)| (name.to_owned(), Secret::new(value))).into();
    headers.extend(etag.map(|etag| ("if-none-match".to_owned(), Secret::new(etag))));
    headers
}

/// Reads a response that is a JSON document. `media_types` are those that are accepted; empty: all.
#[inline(never)]
pub(crate) fn read(
    outcome: CallOutcome<'_>,
    is_known: bool,
    media_types: &[&str],
    max: usize,
) -> Result<Fetched, FetchFault> {
    let Some((body, etag)) = body(outcome, is_known, media_types, max)? else { return Ok(Fetched::Same) };
    let document = json::parse(body).map_err(|_| FetchFault::NotJson)?;
    Ok(Fetched::Document(document, etag))
}

/// The body of a response, and what the server calls this state of the document; `None`: it is the one that is known.
#[inline(never)]
pub(crate) fn body<'a>(
    outcome: CallOutcome<'a>,
    is_known: bool,
    media_types: &[&str],
    max: usize,
) -> Result<Option<(&'a [u8], Option<String>)>, FetchFault> {
    let CallOutcome::Response { head, body } = outcome else { return Err(FetchFault::NoAnswer) };
    let head = ReplyHead(head);
    match head.status() {
        200 => {}
        304 if is_known => return Ok(None),
        status => return Err(FetchFault::Status(status)),
    }
    if let Some(coding) = head.coding() {
        return Err(FetchFault::Coded(coding));
    }
    if !media_types.is_empty() && !media_types.iter().any(|media_type| head.is_of(media_type)) {
        return Err(FetchFault::MediaType);
    }
    if body.len() > max {
        return Err(FetchFault::TooLong);
    }
    let etag = head.single("etag").and_then(|etag| std::str::from_utf8(etag).ok());
    let etag = etag.filter(|etag| etag.bytes().all(|b| matches!(b, 0x20..=0x7e))).map(str::to_owned);
    Ok(Some((body, etag)))
}
