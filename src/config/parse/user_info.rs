//! `userinfo`, and what cannot be demanded of tokens that are tried out there.

use crate::key::AnyKey;
use crate::keys::{self, UserInfo};
use crate::parse::Context;
use crate::parse::address::address;
use crate::parse::node::{Node, Part};
use crate::parse::provider::clusters;
use crate::parse::resource;
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::policy::Policy;
use tollgate_engine::policy::requirement::Requirement;
use tollgate_engine::provider::client_auth::ClientAuth;
use tollgate_engine::provider::{Dialect, IntrospectionEndpoint, Validate};

/// The endpoint: it is called as a client would call it, without Tollgate's credentials.
#[inline(never)]
pub(super) fn parse(provider: &Node<'_, keys::Provider>, context: &mut Context<'_>) -> IntrospectionEndpoint {
    let info = provider.at(keys::Provider::USERINFO);
    let endpoint = address(provider, &info, &info.at(UserInfo::URI), |endpoints| endpoints.userinfo, context);
    let audience = info.at(UserInfo::REPLY_AUDIENCE);
    if audience.is_set() {
        for other in [keys::Provider::ISSUER.any(), keys::Provider::JWKS.any()] {
            if !provider.part(other).is_set() {
                context.needs(&audience, other.needed());
            }
        }
    }
    IntrospectionEndpoint {
        scheme: endpoint.scheme,
        authority: endpoint.authority,
        path: endpoint.path,
        clusters: clusters(&info.at(UserInfo::CLUSTER), &info.at(UserInfo::FALLBACK_CLUSTERS), context),
        timeout: info.get(UserInfo::TIMEOUT),
        retries: info.get(UserInfo::RETRIES),
        dialect: Dialect::UserInfo { audience: audience.some() },
        client_auth: ClientAuth::None { client_id: None },
        token_type_hint: None,
        parameters: Vec::new(),
        headers: Vec::new(),
        max_response_bytes: info.get(UserInfo::MAX_RESPONSE_BYTES),
        lenient_content_type: false,
        back_off: info.get(UserInfo::BACK_OFF),
        user_agent: context.user_agent.to_owned(),
        unknown_token: None,
    }
}

/// Finds every requirement about members that `UserInfo` does not contain.
#[inline(never)]
pub(super) fn check(root: &Node<'_, keys::Configuration>, policy: &Policy, context: &mut Context<'_>) {
    let providers = root.at(keys::Configuration::PROVIDERS);
    for (at, (_, node)) in providers.members().enumerate() {
        let tells_nothing = policy.providers.get(at).is_some_and(|provider| {
            matches!(provider.introspection.dialect, Dialect::UserInfo { .. })
                && provider.validate == Validate::Introspection
        });
        if !tells_nothing {
            continue;
        }
        let by = node.at(keys::Provider::USERINFO);
        for key in [keys::Provider::AUDIENCES.any(), keys::Provider::DEFAULT_SCOPES.any()] {
            refuse(&node.part(key), &by, context);
        }
        demands(&root.at(keys::Configuration::REQUIRES), &policy.requires, ProviderId(at), &by, context);
        for (rule, node) in policy.rules.iter().zip(root.at(keys::Configuration::RULES).items()) {
            if let Some(requires) = &rule.requires {
                demands(&node.at(keys::Rule::REQUIRES), requires, ProviderId(at), &by, context);
            }
        }
        let every = resource::nodes(root);
        for (node, _) in every.iter().zip(&policy.resources.all).filter(|(_, one)| !one.audiences.is_empty())
        {
            refuse(&node.at(keys::Resource::IDENTIFIER), &by, context);
        }
    }
}

fn demands(
    node: &Node<'_, keys::Requirement>,
    requires: &Requirement,
    id: ProviderId,
    by: &Part<'_>,
    context: &mut Context<'_>,
) {
    // Every field is named: for one that is added, say whether UserInfo contains it.
    let Requirement {
        providers,
        // `SILENT`
        scopes: _,
        audiences: _,
        clients: _,
        details: _,
        no_delegation,
        // UserInfo may contain these, or a proof shows them.
        claims: _,
        acr_values: _,
        max_age: _,
        max_cache_age: _,
        sender_constraint: _,
    } = requires;
    if providers.is_empty() || providers.contains(&id) {
        for key in SILENT {
            refuse(&node.part(key), by, context);
        }
        if *no_delegation {
            refuse(&node.at(keys::Requirement::NO_DELEGATION), by, context);
        }
    }
}

/// What `UserInfo` does not contain.
const SILENT: [AnyKey<keys::Requirement>; 4] = [
    keys::Requirement::SCOPES.any(),
    keys::Requirement::AUDIENCES.any(),
    keys::Requirement::CLIENTS.any(),
    keys::Requirement::AUTHORIZATION_DETAILS.any(),
];

fn refuse(part: &Part<'_>, by: &Part<'_>, context: &mut Context<'_>) {
    if part.is_set() && !part.is_empty_list() {
        let why = "UserInfo does not contain a token's scopes, audience, client or actor";
        context.contradiction(part, by, why);
    }
}
