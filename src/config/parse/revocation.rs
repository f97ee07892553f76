//! `revocation`: where events are received, and whose.

use crate::keys;
use crate::parse::node::Node;
use crate::parse::{Context, Seen, unknown_name};
use tollgate_engine::base::ids::{ListId, ProviderId};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::policy::resource::WELL_KNOWN;
use tollgate_engine::request::path::NormalPath;
use tollgate_engine::revocation::endpoint::{EventEndpoint, Revocation};

/// All of it.
#[inline(never)]
pub(super) fn parse(root: &Node<'_, keys::Configuration>, context: &mut Context<'_>) -> Revocation {
    let revocation = root.at(keys::Configuration::REVOCATION);
    let mut paths = Seen::default();
    let mut events = Vec::new();
    for event in revocation.at(keys::Revocation::EVENTS).items() {
        let path = event.at(keys::Events::PATH);
        context.once_text(&mut paths, &path);
        if !is_exact(path.text()) {
            context.expected(&path, "a path in normal form, without parameters and query, such as /events");
        }
        context.no_duplicates(&event.at(keys::Events::AUDIENCES));
        let provider = provider_of(&event, root, context);
        events.push(EventEndpoint {
            path: path.text().to_owned(),
            provider,
            audiences: event.get(keys::Events::AUDIENCES),
            authorization: authorization(&event, context),
        });
    }
    let lists = lists(&revocation, root, context);
    Revocation { events, lists, remember: revocation.get(keys::Revocation::REMEMBER) }
}

/// The lists that say what an operator has revoked. They are fetched: whatever is revoked by then is to count within seconds.
#[inline(never)]
fn lists(
    revocation: &Node<'_, keys::Revocation>,
    root: &Node<'_, keys::Configuration>,
    context: &mut Context<'_>,
) -> Vec<ListId> {
    let names = revocation.at(keys::Revocation::LISTS);
    context.no_duplicates(&names);
    let mut lists = Vec::new();
    for name in names.items() {
        let known = context.client_lists.iter().find(|list| list.name.as_deref() == Some(name.text()));
        let list = root.at(keys::Configuration::CLIENT_LISTS).members().find(|(own, _)| *own == name.text());
        match (known.map(|list| list.live), list) {
            (Some(Some(live)), _) => lists.push(live),
            (Some(None), Some((_, list))) => {
                context.contradiction(&name, &list, "only a list with a uri says what is revoked");
            }
            _ => {
                let known: Vec<_> =
                    context.client_lists.iter().filter_map(|list| list.name.as_deref()).collect();
                let fault = unknown_name("client list", name.text(), &known);
                context.fault(&name, fault);
            }
        }
    }
    lists
}

/// Whether a path has one reading only, and is nobody else's.
fn is_exact(path: &str) -> bool {
    let normal = NormalPath::parse(path.as_bytes());
    let has_one = |normal: NormalPath| normal.as_str() == path && normal.matched() == path;
    normal.is_ok_and(has_one) && !path.contains(';') && path != "/" && !path.starts_with(WELL_KNOWN)
}

/// Whose events they are. It has to have an issuer and keys.
#[inline(never)]
fn provider_of(
    event: &Node<'_, keys::Events>,
    root: &Node<'_, keys::Configuration>,
    context: &mut Context<'_>,
) -> ProviderId {
    let name = event.at(keys::Events::PROVIDER);
    let id = if name.is_set() {
        context.provider_id(&name)
    } else {
        if context.providers.len() > 1 {
            context.missing(&name);
        }
        Some(ProviderId(0))
    };
    let Some(id) = id else { return ProviderId(0) };
    if let Some((_, provider)) = root.at(keys::Configuration::PROVIDERS).members().nth(id.0) {
        let path = event.at(keys::Events::PATH);
        if !provider.at(keys::Provider::ISSUER).is_set() {
            context.needs(&path, keys::Provider::ISSUER.needed());
        }
        if !provider.at(keys::Provider::JWKS).is_set() {
            context.needs(&path, keys::Provider::JWKS.needed());
        }
    }
    context.transmitters.push(id);
    id
}

#[inline(never)]
fn authorization(event: &Node<'_, keys::Events>, context: &mut Context<'_>) -> Option<Secret> {
    let variable = event.at(keys::Events::AUTHORIZATION_ENV);
    if !variable.is_set() {
        return None;
    }
    let value = context.variable(variable.text());
    if value.is_none() {
        context.unset(&variable);
    }
    value.map(Secret::new)
}
