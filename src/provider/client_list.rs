//! Client lists that are fetched: the request, and what its answer says.
//!
//! A list is taken as a whole or not at all. While its server is away, or answers with anything else, the
//! last one is kept; before the first has arrived, nobody is let in by it.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::decision::{NoAnswer, Rejection};
use crate::json;
use crate::policy::clients::ClientList;
use crate::policy::keys::FETCHED_LIST;
use crate::policy::schema::{Faults, Place, check};
use crate::provider::reply::{CallOutcome, ReplyHead};
use crate::secret::Secret;

/// A fetched list's place in [`crate::policy::Policy::lists`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListId(pub usize);

/// `client_lists.*.uri`: where a list is fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListSource {
    /// Its name in the configuration.
    pub name: String,
    /// `http` or `https`; informative, TLS is the cluster's.
    pub scheme: String,
    /// Host and port as the URI has them.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// How often it is fetched.
    pub refresh: Duration,
    /// How long one call may take.
    pub timeout: Duration,
    /// Sent as a Bearer token: the whole value of the `Authorization` field.
    pub authorization: Option<Secret>,
    /// The longest answer that is read, in bytes.
    pub max_response_bytes: usize,
}

/// One call to make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListCall {
    /// The Envoy cluster to send it to.
    pub cluster: String,
    /// How long its answer may take.
    pub timeout: Duration,
    /// The head, pseudo-fields first; there is no body.
    pub headers: Vec<(String, Secret)>,
    /// How many bytes of the answer's body are wanted: one more than may be used.
    pub read_up_to: usize,
}

/// What is known of a list.
#[derive(Clone, Debug, Default)]
pub struct LiveList {
    list: Option<Rc<ClientList>>,
    /// What the server calls this state of the list ([RFC 9110 §8.8.3]).
    ///
    /// [RFC 9110 §8.8.3]: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3
    etag: Option<String>,
}

/// What an answer has brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// A list of so many clients.
    Changed(usize),
    /// The list is what it was ([RFC 9110 §15.4.5]).
    ///
    /// [RFC 9110 §15.4.5]: https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5
    Unchanged,
}

/// Why an answer is no list.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ListFault {
    /// Timeout, reset, refused connection; or the host would not make the call.
    #[error("no answer")]
    NoAnswer,
    /// Another status than 200 and 304.
    #[error("status {0}")]
    Status(u16),
    /// Not `application/json`, or with a content coding.
    #[error("not application/json")]
    MediaType,
    /// Longer than the bound.
    #[error("longer than max_response_bytes")]
    TooLong,
    /// Not one strict JSON document.
    #[error("not one strict JSON document")]
    NotJson,
    /// Something else than a list of clients; where, and what was expected.
    #[error("{0}")]
    Shape(String),
}

impl ListSource {
    /// Whether another configuration fetches the same list from the same place.
    pub fn is_same_place(&self, other: &Self) -> bool {
        let place = |source: &Self| {
            (source.name.clone(), source.authority.clone(), source.path.clone(), source.cluster.clone())
        };
        place(self) == place(other)
    }

    /// The call that fetches it.
    pub fn call(&self, known: &LiveList) -> ListCall {
        let fixed = [
            (":method", "GET"),
            (":scheme", &self.scheme),
            (":authority", &self.authority),
            (":path", &self.path),
            ("accept", "application/json"),
        ];
        let mut headers: Vec<_> = fixed.map(|(name, value)| (name.to_owned(), Secret::new(value))).into();
        headers.extend(self.authorization.clone().map(|value| ("authorization".to_owned(), value)));
        let etag = known.etag.as_ref().map(Secret::new);
        headers.extend(etag.map(|etag| ("if-none-match".to_owned(), etag)));
        ListCall {
            cluster: self.cluster.clone(),
            timeout: self.timeout,
            headers,
            read_up_to: self.max_response_bytes.saturating_add(1),
        }
    }
}

impl LiveList {
    /// Takes an answer; whatever is wrong with it, what was known stays.
    #[inline(never)]
    pub fn take(&mut self, source: &ListSource, outcome: CallOutcome<'_>) -> Result<News, ListFault> {
        let CallOutcome::Response { head, body } = outcome else { return Err(ListFault::NoAnswer) };
        let head = ReplyHead(head);
        match head.status() {
            200 => {}
            304 if self.list.is_some() => return Ok(News::Unchanged),
            status => return Err(ListFault::Status(status)),
        }
        if head.is_coded() || !head.is_json() {
            return Err(ListFault::MediaType);
        }
        if body.len() > source.max_response_bytes {
            return Err(ListFault::TooLong);
        }
        let list = read(&source.name, body)?;
        let etag = head.single("etag").and_then(|etag| std::str::from_utf8(etag).ok());
        self.etag = etag.filter(|etag| etag.bytes().all(|b| matches!(b, 0x20..=0x7e))).map(str::to_owned);
        let number = list.clients.len();
        self.list = Some(Rc::new(list));
        Ok(News::Changed(number))
    }

    /// Whether there has been a list.
    pub fn has_arrived(&self) -> bool {
        self.list.is_some()
    }

    /// Whether the list lets this client in; `unavailable` before there is one.
    pub fn allows(&self, client_id: Option<&str>) -> Result<(), Rejection> {
        match (&self.list, client_id) {
            (None, _) => Err(Rejection::NoAnswer { cause: NoAnswer::NoClientList, retry_after: None }),
            (Some(list), Some(client)) if list.allows(client) => Ok(()),
            (Some(_), _) => Err(Rejection::ClientNotListed),
        }
    }
}

/// Reads `{"clients": [{"id": …, "name": …, "tier": …}]}`, the shape that a list has in the configuration.
fn read(name: &str, body: &[u8]) -> Result<ClientList, ListFault> {
    let value = json::parse(body).map_err(|_| ListFault::NotJson)?;
    let mut faults = Faults::default();
    check(&FETCHED_LIST, &value, &Place::default(), &mut faults);
    if let Some(first) = faults.into_errors().first() {
        return Err(ListFault::Shape(first.to_string()));
    }
    let mut list = ClientList { name: Some(name.to_owned()), ..ClientList::default() };
    for client in value.get("clients").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| client.get(key).and_then(Value::as_str).map(str::to_owned);
        let id = text("id").unwrap_or_default();
        let known = crate::policy::clients::Client { name: text("name"), tier: text("tier") };
        if list.clients.insert(id, known).is_some() {
            return Err(ListFault::Shape("clients: the same client twice".to_owned()));
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::{ListFault, ListSource, LiveList, News};
    use crate::decision::{NoAnswer, Rejection};
    use crate::provider::reply::CallOutcome;
    use crate::secret::Secret;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn source() -> ListSource {
        ListSource {
            name: "partners".to_owned(),
            scheme: "https".to_owned(),
            authority: "lists.example".to_owned(),
            path: "/lists/partners".to_owned(),
            cluster: "lists".to_owned(),
            refresh: Duration::from_secs(30),
            timeout: Duration::from_secs(2),
            authorization: Some(Secret::new("Bearer x")),
            max_response_bytes: 200,
        }
    }

    fn take(
        list: &mut LiveList,
        status: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Result<News, ListFault> {
        let mut head = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
        head.extend(fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
        list.take(&source(), CallOutcome::Response { head: &head, body: body.as_bytes() })
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn a_list_is_taken_as_a_whole_or_not_at_all() {
        let mut list = LiveList::default();
        let missing = Rejection::NoAnswer { cause: NoAnswer::NoClientList, retry_after: None };
        assert_eq!(list.allows(Some("a")), Err(missing), "nobody before the first list");
        assert_eq!(take(&mut list, "304", &[], ""), Err(ListFault::Status(304)), "304 of nothing");
        let body = r#"{"clients":[{"id":"a","tier":"gold"},{"id":"b"}]}"#;
        assert_eq!(take(&mut list, "200", &[JSON, ("etag", "\"1\"")], body), Ok(News::Changed(2)));
        let shape = |text: &str| ListFault::Shape(text.to_owned());
        #[rustfmt::skip]
        let cases = [
            ("another status",    "503", JSON, body,                        ListFault::Status(503)),
            ("a page",            "200", ("content-type", "text/html"), body, ListFault::MediaType),
            ("no JSON",           "200", JSON, "{",                         ListFault::NotJson),
            ("JSON of no kind",   "200", JSON, "[]",                        shape("configuration: expected an object, found a list")),
            ("no clients",        "200", JSON, "{}",                        shape("clients: required, but missing")),
            ("a client twice",    "200", JSON, r#"{"clients":[{"id":"a"},{"id":"a"}]}"#, shape("clients: the same client twice")),
            ("an unknown key",    "200", JSON, r#"{"clients":[{"id":"a","tires":"x"}]}"#, shape("clients[0].tires: unknown key; known: \"id\", \"name\" and \"tier\"")),
        ];
        for (name, status, field, body, want) in cases {
            assert_eq!(take(&mut list, status, &[field], body), Err(want), "{name}");
            assert_eq!(list.allows(Some("a")), Ok(()), "{name}: the last list is kept");
        }
        let long = format!("{body}{}", " ".repeat(200));
        assert_eq!(take(&mut list, "200", &[JSON], &long), Err(ListFault::TooLong));
        assert_eq!(list.take(&source(), CallOutcome::Failed), Err(ListFault::NoAnswer));
        assert_eq!(take(&mut list, "304", &[], ""), Ok(News::Unchanged));
        assert_eq!(list.allows(Some("c")), Err(Rejection::ClientNotListed));
        assert_eq!(list.allows(None), Err(Rejection::ClientNotListed));
        assert_eq!(take(&mut list, "200", &[JSON], r#"{"clients":[]}"#), Ok(News::Changed(0)));
        assert_eq!(list.allows(Some("a")), Err(Rejection::ClientNotListed), "an empty list lets nobody in");
    }

    #[test]
    fn what_is_known_is_not_fetched_again() {
        let mut list = LiveList::default();
        let field = |list: &LiveList, name: &str| {
            let call = source().call(list);
            call.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose().to_owned())
        };
        assert_eq!(field(&list, "if-none-match"), None);
        assert_eq!(field(&list, "authorization").as_deref(), Some("Bearer x"));
        assert_eq!(field(&list, ":path").as_deref(), Some("/lists/partners"));
        take(&mut list, "200", &[JSON, ("etag", "\"1\"")], r#"{"clients":[]}"#).unwrap();
        assert_eq!(field(&list, "if-none-match").as_deref(), Some("\"1\""));
        take(&mut list, "200", &[JSON], r#"{"clients":[]}"#).unwrap();
        assert_eq!(field(&list, "if-none-match"), None, "a list without a tag has none");
    }
}
