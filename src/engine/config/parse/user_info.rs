//! `userinfo`, and what cannot be demanded of tokens that are tried out there.

use crate::base::ids::ProviderId;
use crate::config::error::Fault;
use crate::config::parse::Context;
use crate::config::parse::address::address;
use crate::config::parse::node::Node;
use crate::policy::Policy;
use crate::policy::requirement::Requirement;
use crate::provider::client_auth::ClientAuth;
use crate::provider::{Dialect, IntrospectionEndpoint, Validate};

/// The endpoint: it is asked as a client would ask it, without credentials of ours.
#[inline(never)]
pub(super) fn parse(provider: &Node<'_>, context: &mut Context<'_>) -> IntrospectionEndpoint {
    let info = provider.key("userinfo");
    let endpoint = address(provider, &info, |endpoints| endpoints.userinfo, context);
    let fallback = info.key("fallback_clusters");
    let clusters = || std::iter::once(info.key("cluster")).chain(fallback.items());
    context.no_duplicates(clusters(), |cluster| cluster.text().to_owned());
    let audience = info.key("reply_audience");
    if audience.is_set() {
        for other in ["issuer", "jwks"] {
            if !provider.key(other).is_set() {
                context.faults.add(&audience.place, Fault::Needs { other });
            }
        }
    }
    IntrospectionEndpoint {
        scheme: endpoint.scheme,
        authority: endpoint.authority,
        path: endpoint.path,
        clusters: clusters().map(|cluster| cluster.text().to_owned()).collect(),
        timeout: info.key("timeout").duration(),
        retries: u32::try_from(info.key("retries").integer()).unwrap_or_default(),
        dialect: Dialect::UserInfo { audience: audience.some_text() },
        client_auth: ClientAuth::None { client_id: None },
        token_type_hint: None,
        parameters: Vec::new(),
        headers: Vec::new(),
        max_response_bytes: info.key("max_response_bytes").integer(),
        lenient_content_type: false,
        back_off: info.key("back_off").duration(),
        user_agent: context.user_agent.to_owned(),
        unknown_token: None,
    }
}

/// Finds every demand that `UserInfo` says nothing about.
#[inline(never)]
pub(super) fn check(root: &Node<'_>, policy: &Policy, context: &mut Context<'_>) {
    let providers = root.key("providers");
    for (at, (_, node)) in providers.members().enumerate() {
        let tells_nothing = policy.providers.get(at).is_some_and(|provider| {
            matches!(provider.introspection.dialect, Dialect::UserInfo { .. })
                && provider.validate == Validate::Introspection
        });
        if !tells_nothing {
            continue;
        }
        let by = node.key("userinfo");
        for key in ["audiences", "default_scopes"] {
            refuse(&node.key(key), &by, context);
        }
        demands(&root.key("requires"), &policy.requires, ProviderId(at), &by, context);
        for (rule, node) in policy.rules.iter().zip(root.key("rules").items()) {
            if let Some(requires) = &rule.requires {
                demands(&node.key("requires"), requires, ProviderId(at), &by, context);
            }
        }
        let resource = root.key("resource");
        let every = if resource.is_list() { resource.items().collect() } else { vec![resource] };
        for (node, _) in every.iter().zip(&policy.resources.all).filter(|(_, one)| !one.audiences.is_empty())
        {
            refuse(&node.key("identifier"), &by, context);
        }
    }
}

fn demands(
    node: &Node<'_>,
    requires: &Requirement,
    id: ProviderId,
    by: &Node<'_>,
    context: &mut Context<'_>,
) {
    if requires.providers.is_empty() || requires.providers.contains(&id) {
        for key in ["scopes", "audiences", "clients", "authorization_details"] {
            refuse(&node.key(key), by, context);
        }
        if requires.no_delegation {
            refuse(&node.key("no_delegation"), by, context);
        }
    }
}

fn refuse(node: &Node<'_>, by: &Node<'_>, context: &mut Context<'_>) {
    let is_there = node.is_set() && (!node.is_list() || node.items().next().is_some());
    if is_there {
        let why = "UserInfo does not contain a token's scopes, audience, client or actor";
        context.contradiction(node, by, why);
    }
}
