//! `status_list`: where the status of a provider's JWTs is.

use std::rc::Rc;

use crate::keys::{self, StatusList};
use crate::parse::node::Node;
use crate::parse::{Context, endpoint, jwks};
use tollgate_engine::provider::Validate;
use tollgate_engine::provider::status_list::StatusLists;

/// All of it; `None`: the status of tokens is not checked.
#[inline(never)]
pub(super) fn parse(
    provider: &Node<'_, keys::Provider>,
    validate: Validate,
    context: &mut Context<'_>,
) -> Option<StatusLists> {
    let list = provider.at(keys::Provider::STATUS_LIST);
    if !list.is_set() {
        return None;
    }
    if validate == Validate::Introspection {
        context.needs(&list, keys::Provider::VALIDATE.needed_as(Validate::Jwt));
    }
    let (uris, max_lists) = (list.at(StatusList::URIS), list.at(StatusList::MAX_LISTS));
    context.no_duplicates(&uris);
    for uri in uris.items() {
        if let Err(fault) = endpoint::parse(uri.text()) {
            context.fault(&uri, fault);
        }
    }
    if uris.items().count() > max_lists.read() {
        context.contradiction(&max_lists, &uris, "there are more of them");
    }
    let own_keys = list.at(StatusList::JWKS);
    Some(StatusLists {
        uris: list.get(StatusList::URIS).unwrap_or_default(),
        prefix: prefix(&list, context),
        cluster: cluster(provider, &list, context),
        timeout: list.get(StatusList::TIMEOUT),
        required: list.get(StatusList::REQUIRED),
        refresh: list.get(StatusList::REFRESH),
        stale_if_error: list.get(StatusList::STALE_IF_ERROR),
        max_lists: max_lists.read(),
        max_response_bytes: list.get(StatusList::MAX_RESPONSE_BYTES),
        max_list_bytes: list.get(StatusList::MAX_LIST_BYTES),
        keys: own_keys.is_set().then(|| Rc::new(jwks::key_set(&own_keys, context))),
        user_agent: context.user_agent.to_owned(),
    })
}

/// How the URIs of further lists begin.
#[inline(never)]
fn prefix(list: &Node<'_, StatusList>, context: &mut Context<'_>) -> Option<String> {
    let prefix = list.at(StatusList::URI_PREFIX);
    if !prefix.is_set() {
        return None;
    }
    match endpoint::parse(prefix.text()) {
        Err(fault) => context.fault(&prefix, fault),
        // The authority ends with a slash, too: whatever follows is a part of the path.
        Ok(_) if !prefix.text().ends_with('/') || prefix.text().contains('?') => {
            context.expected(&prefix, "a URI without a query that ends with a slash");
        }
        Ok(_) => {}
    }
    Some(prefix.text().to_owned())
}

#[inline(never)]
fn cluster(
    provider: &Node<'_, keys::Provider>,
    list: &Node<'_, StatusList>,
    context: &mut Context<'_>,
) -> String {
    let own = list.at(StatusList::CLUSTER);
    let keys = provider.at(keys::Provider::JWKS).at(keys::Jwks::CLUSTER);
    let introspection = provider.at(keys::Provider::INTROSPECTION).at(keys::Introspection::CLUSTER);
    if own.is_set() {
        own.text().to_owned()
    } else if keys.is_set() {
        keys.text().to_owned()
    } else {
        if !introspection.is_set() {
            context.missing(&own);
        }
        introspection.text().to_owned()
    }
}
