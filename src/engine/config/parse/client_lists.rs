//! `client_lists`: those that are written down, and those that are fetched.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::ids::ListId;
use crate::base::secret::Secret;
use crate::config::error::Fault;
use crate::config::keys::FETCHED_LIST;
use crate::config::keys::text::is_bearer_token;
use crate::config::parse::node::Node;
use crate::config::parse::{Context, endpoint};
use crate::config::schema::{Faults, Place, check};
use crate::provider::client_list::ListSource;
use crate::provider::clients::{Client, ClientList};

/// The lists, by name.
#[inline(never)]
pub(super) fn parse<'a>(lists: &Node<'a>, context: &mut Context<'_>) -> BTreeMap<&'a str, ClientList> {
    let mut by_name = BTreeMap::new();
    for (name, list) in lists.members() {
        let live = list.key("uri").is_set().then_some(ListId(context.lists.len()));
        let fetched = source(name, &list, context);
        context.lists.extend(live.map(|_| fetched));
        let clients = members(&list, context);
        by_name.insert(name, ClientList { name: Some(name.to_owned()), clients, live });
    }
    by_name
}

#[inline(never)]
fn members(list: &Node<'_>, context: &mut Context<'_>) -> BTreeMap<String, Client> {
    let clients = list.key("clients");
    context.no_duplicates(clients.items().map(|client| client.key("id")), |id| id.text().to_owned());
    let mut members = BTreeMap::new();
    for client in clients.items() {
        let known = Client { name: client.key("name").some_text(), tier: client.key("tier").some_text() };
        members.insert(client.key("id").text().to_owned(), known);
    }
    members
}

/// Reads `{"clients": [{"id": …, "name": …, "tier": …}]}`: a list as it is fetched, which has the shape that it has in
/// the configuration. An error says what is wrong with it.
pub fn fetched_list(document: &Value) -> Result<BTreeMap<String, Client>, String> {
    let mut faults = Faults::default();
    check(&FETCHED_LIST, document, &Place::default(), &mut faults);
    if let Some(first) = faults.into_errors().first() {
        return Err(first.to_string());
    }
    let mut clients = BTreeMap::new();
    for client in document.get("clients").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| client.get(key).and_then(Value::as_str).map(str::to_owned);
        let known = Client { name: text("name"), tier: text("tier") };
        if clients.insert(text("id").unwrap_or_default(), known).is_some() {
            return Err("clients: the same client twice".to_owned());
        }
    }
    Ok(clients)
}

/// Where a list is fetched; nothing that makes sense if it is not.
#[inline(never)]
fn source(name: &str, list: &Node<'_>, context: &mut Context<'_>) -> ListSource {
    let (uri, cluster) = (list.key("uri"), list.key("cluster"));
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
        for key in [&cluster, &list.key("bearer_token"), &list.key("bearer_token_env")] {
            if key.is_set() {
                context.faults.add(&key.place, Fault::Needs { other: "uri" });
            }
        }
    }
    ListSource {
        name: name.to_owned(),
        scheme: endpoint.scheme,
        authority: endpoint.authority,
        path: endpoint.path,
        cluster: cluster.text().to_owned(),
        refresh: list.key("refresh").duration(),
        timeout: list.key("timeout").duration(),
        authorization: bearer(list, context).map(|token| Secret::new(format!("Bearer {token}"))),
        max_response_bytes: list.key("max_response_bytes").integer(),
        user_agent: context.user_agent.to_owned(),
    }
}

#[inline(never)]
fn bearer(list: &Node<'_>, context: &mut Context<'_>) -> Option<String> {
    const WHAT: &str = "a Bearer token (RFC 6750 §2.1)";
    let (written, variable) = (list.key("bearer_token"), list.key("bearer_token_env"));
    if let Some(token) = written.some_text() {
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
