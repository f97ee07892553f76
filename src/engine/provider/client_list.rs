//! Client lists that are fetched: the call, and its response.
//!
//! A list is accepted as a whole or not at all. While its server is unavailable, or sends anything else, the
//! last list is kept. Until the first list is loaded, requests that require it are rejected (503).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::base::secret::Secret;
use crate::decision::{NoAnswer, Rejection};
use crate::provider::clients::{Client, ClientList};
use crate::provider::fetch::{self, Address, FetchCall, FetchFault, Fetched, News};
use crate::provider::outcome::CallOutcome;

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
    /// The longest response that is read, in bytes.
    pub max_response_bytes: usize,
    /// What we call ourselves.
    pub user_agent: String,
}

/// Reads the clients of a document, or says in words what is wrong with its shape. That shape is the one of the
/// configuration, which knows providers and is not known to them.
pub type ReadList = fn(&Value) -> Result<BTreeMap<String, Client>, String>;

/// What is known of a list.
#[derive(Clone, Debug, Default)]
pub struct LiveList {
    list: Option<Rc<ClientList>>,
    /// What the server calls this state of the list ([RFC 9110 §8.8.3]).
    ///
    /// [RFC 9110 §8.8.3]: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3
    etag: Option<String>,
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
    pub fn call(&self, known: &LiveList) -> FetchCall {
        let Self { scheme, authority, path, user_agent, .. } = self;
        let address = Address { scheme, authority, path, user_agent };
        let mut headers = fetch::head(address, "application/json", known.etag.as_ref());
        headers.extend(self.authorization.clone().map(|value| ("authorization".to_owned(), value)));
        FetchCall {
            cluster: self.cluster.clone(),
            timeout: self.timeout,
            headers,
            read_up_to: self.max_response_bytes.saturating_add(1),
        }
    }
}

impl LiveList {
    /// Takes a response, which `read` parses. If anything is wrong with it, the last list is kept.
    #[inline(never)]
    pub fn take(
        &mut self,
        source: &ListSource,
        outcome: CallOutcome<'_>,
        read: ReadList,
    ) -> Result<News, FetchFault> {
        let (document, etag) = match fetch::read(
            outcome,
            self.list.is_some(),
            &["application/json"],
            source.max_response_bytes,
        )? {
            Fetched::Same => return Ok(News::Unchanged),
            Fetched::Document(document, etag) => (document, etag),
        };
        let clients = read(&document).map_err(FetchFault::Shape)?;
        self.etag = etag;
        let number = clients.len();
        self.list = Some(Rc::new(ClientList { name: Some(source.name.clone()), clients, live: None }));
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

#[cfg(test)]
mod tests {
    use super::{ListSource, LiveList};
    use crate::base::secret::Secret;
    use crate::config::parse::fetched_list;
    use crate::decision::{NoAnswer, Rejection};
    use crate::provider::fetch::{FetchFault, News};
    use crate::provider::outcome::CallOutcome;
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
            user_agent: "tollgate/x".to_owned(),
        }
    }

    fn take(
        list: &mut LiveList,
        status: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Result<News, FetchFault> {
        let mut head = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
        head.extend(fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
        list.take(&source(), CallOutcome::Response { head: &head, body: body.as_bytes() }, fetched_list)
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn a_list_is_taken_as_a_whole_or_not_at_all() {
        let mut list = LiveList::default();
        let missing = Rejection::NoAnswer { cause: NoAnswer::NoClientList, retry_after: None };
        assert_eq!(list.allows(Some("a")), Err(missing), "nobody before the first list");
        assert_eq!(take(&mut list, "304", &[], ""), Err(FetchFault::Status(304)), "304 of nothing");
        let body = r#"{"clients":[{"id":"a","tier":"gold"},{"id":"b"}]}"#;
        assert_eq!(take(&mut list, "200", &[JSON, ("etag", "\"1\"")], body), Ok(News::Changed(2)));
        let shape = |text: &str| FetchFault::Shape(text.to_owned());
        #[rustfmt::skip]
        let cases = [
            ("another status",    "503", JSON, body,                        FetchFault::Status(503)),
            ("a page",            "200", ("content-type", "text/html"), body, FetchFault::MediaType),
            ("no JSON",           "200", JSON, "{",                         FetchFault::NotJson),
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
        assert_eq!(take(&mut list, "200", &[JSON], &long), Err(FetchFault::TooLong));
        let coded = take(&mut list, "200", &[JSON, ("content-encoding", "br")], body);
        assert_eq!(coded, Err(FetchFault::Coded("br")));
        assert_eq!(list.take(&source(), CallOutcome::Failed, fetched_list), Err(FetchFault::NoAnswer));
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
        assert_eq!(field(&list, "accept-encoding").as_deref(), Some("identity"));
        assert_eq!(field(&list, "user-agent").as_deref(), Some("tollgate/x"));
        take(&mut list, "200", &[JSON, ("etag", "\"1\"")], r#"{"clients":[]}"#).unwrap();
        assert_eq!(field(&list, "if-none-match").as_deref(), Some("\"1\""));
        take(&mut list, "200", &[JSON], r#"{"clients":[]}"#).unwrap();
        assert_eq!(field(&list, "if-none-match"), None, "a list without a tag has none");
    }
}
