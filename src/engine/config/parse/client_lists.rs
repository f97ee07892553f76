//! `client_lists`: those that are written down, and those that are fetched.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::ids::ListId;
use crate::base::secret::Secret;
use crate::config::error::Fault;
use crate::config::key::{Keyed as _, Map};
use crate::config::keys;
use crate::config::keys::text::is_bearer_token;
use crate::config::parse::node::Node;
use crate::config::parse::{Context, endpoint};
use crate::config::schema::{Faults, Kind, Place, check};
use crate::provider::client_list::ListSource;
use crate::provider::clients::{Client, ClientList};

/// The lists, by name.
#[inline(never)]
pub(super) fn parse<'a>(
    lists: &Node<'a, Map<keys::ClientList>>,
    context: &mut Context<'_>,
) -> BTreeMap<&'a str, ClientList> {
    let mut by_name = BTreeMap::new();
    for (name, list) in lists.members() {
        let live = list.at(keys::ClientList::URI).is_set().then_some(ListId(context.lists.len()));
        let fetched = source(name, &list, context);
        context.lists.extend(live.map(|_| fetched));
        let clients = members(&list.at(keys::ClientList::CLIENTS), context);
        by_name.insert(name, ClientList { name: Some(name.to_owned()), clients, live });
    }
    by_name
}

#[inline(never)]
fn members(clients: &Node<'_, Vec<keys::Client>>, context: &mut Context<'_>) -> BTreeMap<String, Client> {
    context.distinct_texts(&mut clients.items().map(|client| client.at(keys::Client::ID)));
    let mut by_id = BTreeMap::new();
    by_id.extend(clients.items().map(|client| member(&client)));
    by_id
}

fn member(client: &Node<'_, keys::Client>) -> (String, Client) {
    let known = Client { name: client.get(keys::Client::NAME), tier: client.get(keys::Client::TIER) };
    (client.get(keys::Client::ID), known)
}

/// Reads `{"clients": [{"id": …, "name": …, "tier": …}]}`: a list as it is fetched, which has the shape that it has in
/// the configuration. An error says what is wrong with it.
pub fn fetched_list(document: &Value) -> Result<BTreeMap<String, Client>, String> {
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
    Ok(clients)
}

static FETCHED_LIST: Kind = Kind::Object(keys::FetchedList::OBJECT);

/// Where a list is fetched; nothing that makes sense if it is not.
#[inline(never)]
fn source(name: &str, list: &Node<'_, keys::ClientList>, context: &mut Context<'_>) -> ListSource {
    let (uri, cluster) = (list.at(keys::ClientList::URI), list.at(keys::ClientList::CLUSTER));
    let mut endpoint = endpoint::Endpoint::default();
    if uri.is_set() {
        if !cluster.is_set() {
            context.faults.add(&cluster.place, Fault::Missing);
        }
        match endpoint::parse(uri.text()) {
            Ok(parsed) => endpoint = parsed,
            Err(fault) => context.faults.add(&uri.place, fault),
        }
    } else {
        let bearer = [keys::ClientList::BEARER_TOKEN, keys::ClientList::BEARER_TOKEN_ENV];
        for key in std::iter::once(cluster.clone()).chain(bearer.map(|key| list.at(key))) {
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
    }
}

#[inline(never)]
fn bearer(list: &Node<'_, keys::ClientList>, context: &mut Context<'_>) -> Option<String> {
    const WHAT: &str = "a Bearer token (RFC 6750 §2.1)";
    let (written, variable) =
        (list.at(keys::ClientList::BEARER_TOKEN), list.at(keys::ClientList::BEARER_TOKEN_ENV));
    if let Some(token) = written.some() {
        if !is_bearer_token(&token) {
            context.faults.add(&written.place, Fault::Expected { what: WHAT.to_owned() });
        }
        return Some(token);
    }
    if !variable.is_set() {
        return None;
    }
    let token = context.variable(variable.text());
    match &token {
        None => context.faults.add(&variable.place, Fault::Unset),
        Some(token) if !is_bearer_token(token) => {
            context.faults.add(&variable.place, Fault::UnfitVariable { what: WHAT });
        }
        Some(_) => {}
    }
    token
}
