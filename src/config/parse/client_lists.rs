//! `client_lists`: those that are written down, and those that are fetched.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::key::{Keyed as _, Map};
use crate::keys;
use crate::keys::text::is_bearer_token;
use crate::parse::node::Node;
use crate::parse::{Context, Seen, endpoint};
use crate::schema::{Faults, Kind, Place, check};
use tollgate_engine::base::ids::ListId;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::provider::client_list::{ListDocument, ListSource, ReadList};
use tollgate_engine::provider::clients::{Client, ClientList};
use tollgate_engine::provider::revoked::{Entry, Revoked, Term, What};

/// The lists, sorted by name.
#[inline(never)]
pub(super) fn parse(lists: &Node<'_, Map<keys::ClientList>>, context: &mut Context<'_>) -> Vec<ClientList> {
    let mut all = Vec::new();
    for (name, list) in lists.members() {
        let live = list.at(keys::ClientList::URI).is_set().then_some(ListId(context.lists.len()));
        let fetched = source(name, &list, context);
        context.lists.extend(live.map(|_| fetched));
        let clients = members(&list.at(keys::ClientList::CLIENTS), context);
        all.push(ClientList { name: Some(name.to_owned()), clients, live });
    }
    all
}

#[inline(never)]
fn members(clients: &Node<'_, Vec<keys::Client>>, context: &mut Context<'_>) -> BTreeMap<String, Client> {
    let mut ids = Seen::default();
    let mut by_id = BTreeMap::new();
    for client in clients.items() {
        context.once_text(&mut ids, &client.at(keys::Client::ID));
        let (id, known) = member(&client);
        by_id.insert(id, known);
    }
    by_id
}

fn member(client: &Node<'_, keys::Client>) -> (String, Client) {
    let known = Client { name: client.get(keys::Client::NAME), tier: client.get(keys::Client::TIER) };
    (client.get(keys::Client::ID), known)
}

/// Reads `{"clients": [{"id": …, "name": …, "tier": …}], "revoked": […]}`: a list as it is fetched, which has the shape
/// that it has in the configuration. An error says what is wrong with it.
fn fetched_list(document: &Value) -> Result<ListDocument, String> {
    let mut faults = Faults::default();
    check(&FETCHED_LIST, document, &Place::default(), &mut faults);
    if let Some(first) = faults.into_errors().first() {
        return Err(first.to_string());
    }
    let list = Node::<keys::FetchedList>::whole(&FETCHED_LIST, document);
    let mut clients = BTreeMap::new();
    for (id, known) in list.at(keys::FetchedList::CLIENTS).items().map(|client| member(&client)) {
        if clients.insert(id, known).is_some() {
            return Err("clients: the same client twice".to_owned());
        }
    }
    let revoked = list.at(keys::FetchedList::REVOKED);
    if revoked.items().count() > MAX_REVOKED {
        return Err("revoked: more than 10000 entries".to_owned());
    }
    Ok(ListDocument { clients, revoked: revoked_of(revoked.items()) })
}

/// How many entries may be revoked.
const MAX_REVOKED: usize = 10_000;

#[inline(never)]
fn revoked_of<'a>(entries: impl Iterator<Item = Node<'a, keys::Revoked>>) -> Revoked {
    let mut revoked = Vec::new();
    for entry in entries {
        let until = UnixTime::from_secs(u64::from(entry.get(keys::Revoked::UNTIL)));
        let term = Term { issuer: entry.get(keys::Revoked::ISSUER), until };
        let (what, value) = [
            (What::Token, keys::Revoked::TOKEN_SHA256),
            (What::Client, keys::Revoked::CLIENT_ID),
            (What::Subject, keys::Revoked::SUB),
        ]
        .map(|(what, key)| (what, entry.at(key)))
        .into_iter()
        .find(|(_, value)| value.is_set())
        .map_or((What::Token, String::new()), |(what, value)| (what, value.text().to_owned()));
        revoked.push(Entry { what, value, term });
    }
    Revoked::new(revoked)
}

static FETCHED_LIST: Kind = Kind::Object(keys::FetchedList::OBJECT);

/// Where a list is fetched; nothing that makes sense if it is not.
#[inline(never)]
fn source(name: &str, list: &Node<'_, keys::ClientList>, context: &mut Context<'_>) -> ListSource {
    let (uri, cluster) = (list.at(keys::ClientList::URI), list.at(keys::ClientList::CLUSTER));
    let mut endpoint = endpoint::Endpoint::default();
    if uri.is_set() {
        if !cluster.is_set() {
            context.missing(&cluster);
        }
        match endpoint::parse(uri.text()) {
            Ok(parsed) => endpoint = parsed,
            Err(fault) => context.fault(&uri, fault),
        }
    } else {
        let bearer = [keys::ClientList::BEARER_TOKEN, keys::ClientList::BEARER_TOKEN_ENV];
        for key in std::iter::once(cluster).chain(bearer.map(|key| list.at(key))) {
            if key.is_set() {
                context.needs(&key, keys::ClientList::URI.needed());
            }
        }
    }
    ListSource {
        name: name.to_owned(),
        scheme: endpoint.scheme,
        authority: endpoint.authority,
        path: endpoint.path,
        cluster: cluster.text().to_owned(),
        refresh: list.get(keys::ClientList::REFRESH),
        timeout: list.get(keys::ClientList::TIMEOUT),
        authorization: bearer(list, context).map(|token| Secret::new(format!("Bearer {token}"))),
        max_response_bytes: list.get(keys::ClientList::MAX_RESPONSE_BYTES),
        user_agent: context.user_agent.to_owned(),
        read: ReadList(fetched_list),
    }
}

#[inline(never)]
fn bearer(list: &Node<'_, keys::ClientList>, context: &mut Context<'_>) -> Option<String> {
    const WHAT: &str = "a Bearer token (RFC 6750 §2.1)";
    let (written, variable) =
        (list.at(keys::ClientList::BEARER_TOKEN), list.at(keys::ClientList::BEARER_TOKEN_ENV));
    if let Some(token) = written.some() {
        if !is_bearer_token(&token) {
            context.expected(&written, WHAT);
        }
        return Some(token);
    }
    if !variable.is_set() {
        return None;
    }
    let token = context.variable(variable.text());
    match &token {
        None => context.unset(&variable),
        Some(token) if !is_bearer_token(token) => {
            context.unfit_variable(&variable, WHAT);
        }
        Some(_) => {}
    }
    token
}

#[cfg(test)]
mod tests {
    use super::fetched_list;
    use std::time::Duration;
    use tollgate_engine::base::secret::Secret;
    use tollgate_engine::decision::{NoAnswer, Rejection};
    use tollgate_engine::provider::client_list::{ListSource, LiveList, ReadList};
    use tollgate_engine::provider::fetch::{FetchFault, News};
    use tollgate_engine::provider::outcome::CallOutcome;
    use tollgate_engine::request::head::RequestHead;
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
            read: ReadList(fetched_list),
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
        list.take(&source(), CallOutcome::Response { head: RequestHead::new(&head), body: body.as_bytes() })
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
        assert_eq!(list.take(&source(), CallOutcome::Failed), Err(FetchFault::NoAnswer));
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
