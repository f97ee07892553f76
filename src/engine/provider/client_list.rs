//! Client lists that are fetched: the call, and its response.
//!
//! A list is accepted as a whole or not at all. While its server is unavailable, or sends anything else, the
//! last list is kept. Until the first list is loaded, requests that require it are rejected (503).

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::base::secret::Secret;
use crate::decision::{NoAnswer, Rejection};
use crate::provider::clients::{Client, ClientList};
use crate::provider::fetch::{self, Address, FetchCall, FetchFault, Fetched, News};
use crate::provider::outcome::CallOutcome;
use crate::provider::revoked::Revoked;

/// `client_lists.*.uri`: where a list is fetched.
#[derive(Clone, Debug)]
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
    /// How the response is read.
    pub read: ReadList,
}

/// Reads a document, or says in words what is wrong with its shape. That shape is the one of the configuration, which
/// is not known here.
#[derive(Clone, Copy)]
pub struct ReadList(pub fn(&Value) -> Result<ListDocument, String>);

/// What a list says.
#[derive(Clone, Debug, Default)]
pub struct ListDocument {
    /// Who is on it.
    pub clients: BTreeMap<String, Client>,
    /// What an operator has revoked. It counts if the configuration says so (`revocation.lists`).
    pub revoked: Revoked,
}

impl fmt::Debug for ReadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadList")
    }
}

/// What is known of a list.
#[derive(Clone, Debug, Default)]
pub struct LiveList {
    list: Option<Rc<ClientList>>,
    revoked: Rc<Revoked>,
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
    /// Takes a response. If anything is wrong with it, the last list is kept.
    #[inline(never)]
    pub fn take(&mut self, source: &ListSource, outcome: CallOutcome<'_>) -> Result<News, FetchFault> {
        let (document, etag) = match fetch::read(
            outcome,
            self.list.is_some(),
            &["application/json"],
            source.max_response_bytes,
        )? {
            Fetched::Same => return Ok(News::Unchanged),
            Fetched::Document(document, etag) => (document, etag),
        };
        let ListDocument { clients, revoked } = (source.read.0)(&document).map_err(FetchFault::Shape)?;
        self.etag = etag;
        let number = clients.len();
        self.list = Some(Rc::new(ClientList { name: Some(source.name.clone()), clients, live: None }));
        self.revoked = Rc::new(revoked);
        Ok(News::Changed(number))
    }

    /// Whether there has been a list.
    pub fn has_arrived(&self) -> bool {
        self.list.is_some()
    }

    /// The list, if there has been one.
    pub fn list(&self) -> Option<&ClientList> {
        self.list.as_deref()
    }

    /// What an operator has revoked; `None` before there is a list.
    pub fn revoked(&self) -> Option<&Revoked> {
        self.list.is_some().then_some(&*self.revoked)
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
    use std::time::Duration;

    use super::{ListDocument, ListSource, LiveList, ReadList};
    use crate::decision::{NoAnswer, Rejection};
    use crate::provider::clients::Client;
    use crate::provider::fetch::{FetchFault, News};
    use crate::provider::outcome::CallOutcome;
    use crate::request::head::RequestHead;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn source() -> ListSource {
        let text = str::to_owned;
        ListSource {
            name: text("partners"),
            scheme: text("https"),
            authority: text("lists.example.com"),
            path: text("/partners"),
            cluster: text("lists"),
            refresh: Duration::from_secs(60),
            timeout: Duration::from_secs(1),
            authorization: None,
            max_response_bytes: 1000,
            user_agent: String::new(),
            read: ReadList(|document| {
                let clients = document.as_array().ok_or("not an array")?.iter().filter_map(|id| id.as_str());
                let clients = clients.map(|id| (id.to_owned(), Client::default())).collect();
                Ok(ListDocument { clients, ..ListDocument::default() })
            }),
        }
    }

    #[test]
    fn a_list_lets_in_whom_it_names_and_nobody_before_it_has_come() {
        let mut list = LiveList::default();
        let take = |list: &mut LiveList, status: &str, body: &str| {
            let head = [(":status", status), ("content-type", "application/json")];
            let head = head.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            list.take(
                &source(),
                CallOutcome::Response { head: RequestHead::new(&head), body: body.as_bytes() },
            )
        };
        let missing = Err(Rejection::NoAnswer { cause: NoAnswer::NoClientList, retry_after: None });
        assert_eq!((list.allows(Some("a")), list.allows(None)), (missing.clone(), missing.clone()));
        assert_eq!(take(&mut list, "304", ""), Err(FetchFault::Status(304)), "nobody has it");
        assert_eq!(list.allows(Some("a")), missing);
        assert!(!list.has_arrived() && list.list().is_none() && list.revoked().is_none());
        assert_eq!(take(&mut list, "200", r#"["a"]"#), Ok(News::Changed(1)));
        assert!(list.has_arrived() && list.list().is_some() && list.revoked().is_some());
        for (status, news) in [("304", Ok(News::Unchanged)), ("500", Err(FetchFault::Status(500)))] {
            assert_eq!(take(&mut list, status, ""), news);
            assert_eq!(list.allows(Some("a")), Ok(()), "{status}");
            assert_eq!(list.allows(Some("b")), Err(Rejection::ClientNotListed), "{status}");
            assert_eq!(list.allows(None), Err(Rejection::ClientNotListed), "{status}");
        }
    }

    #[test]
    fn a_list_of_another_place_is_another_list() {
        let text = str::to_owned;
        #[rustfmt::skip]
        let cases = [
            ("the same",         source(),                                                                   true),
            ("more often",       ListSource { refresh: Duration::from_secs(1), ..source() },                 true),
            ("another name",     ListSource { name: text("others"), ..source() },                            false),
            ("another host",     ListSource { authority: text("lists.example.net"), ..source() },            false),
            ("another path",     ListSource { path: text("/others"), ..source() },                           false),
            ("another cluster",  ListSource { cluster: text("others"), ..source() },                         false),
        ];
        for (name, other, want) in cases {
            assert_eq!(source().is_same_place(&other), want, "{name}");
        }
    }
}
