//! `providers`.

use crate::policy::error::Fault;
use crate::policy::parse::endpoint::{self, Endpoint};
use crate::policy::parse::node::Node;
use crate::policy::parse::{Context, alike, client_auth};
use crate::provider::{IntrospectionEndpoint, Provider};
use crate::secret::Secret;

/// All of them, sorted by name.
#[inline(never)]
pub(super) fn parse(providers: &Node<'_>, context: &mut Context<'_>) -> Vec<Provider> {
    let prefixes = providers.members().map(|(_, provider)| provider.key("token_prefix"));
    context.no_duplicates(prefixes, |prefix| prefix.text().to_owned());
    providers.members().map(|(name, provider)| one(name, &provider, context)).collect()
}

#[inline(never)]
fn one(name: &str, provider: &Node<'_>, context: &mut Context<'_>) -> Provider {
    let introspection = provider.key("introspection");
    let require_iss = introspection.key("require_iss");
    if require_iss.bool() && !provider.key("issuer").is_set() {
        context.faults.add(&require_iss.place, Fault::Needs { other: "issuer" });
    }
    Provider {
        name: name.to_owned(),
        issuer: provider.key("issuer").some_text(),
        audiences: provider.key("audiences").texts(),
        clock_skew: provider.key("clock_skew").duration(),
        token_prefix: provider.key("token_prefix").some_text(),
        scope_claim: provider.key("scope_claim").texts(),
        client_id_claim: provider.key("client_id_claim").texts(),
        scope_array: provider.key("scope_array").text() == "accept",
        introspection: endpoint_of(&introspection, context),
    }
}

#[inline(never)]
fn endpoint_of(introspection: &Node<'_>, context: &mut Context<'_>) -> IntrospectionEndpoint {
    let uri = introspection.key("uri");
    let endpoint = endpoint::parse(uri.text()).unwrap_or_else(|fault| {
        if uri.is_set() {
            context.faults.add(&uri.place, fault);
        }
        Endpoint::default()
    });
    let fallback = introspection.key("fallback_clusters");
    let clusters = || std::iter::once(introspection.key("cluster")).chain(fallback.items());
    context.no_duplicates(clusters(), |cluster| cluster.text().to_owned());
    let hint = introspection.key("token_type_hint").text();
    IntrospectionEndpoint {
        scheme: endpoint.scheme,
        authority: endpoint.authority,
        path: endpoint.path,
        clusters: clusters().map(|cluster| cluster.text().to_owned()).collect(),
        timeout: introspection.key("timeout").duration(),
        retries: u32::try_from(introspection.key("retries").integer()).unwrap_or_default(),
        client_auth: client_auth::parse(&introspection.key("client_auth"), context),
        token_type_hint: (!hint.is_empty()).then(|| hint.to_owned()),
        parameters: parameters(&introspection.key("parameters"), context),
        headers: headers(&introspection.key("headers"), context),
        max_response_bytes: introspection.key("max_response_bytes").integer(),
        lenient_content_type: introspection.key("lenient_content_type").bool(),
        ignore_token_type: introspection.key("ignore_token_type").bool(),
        require_iss: introspection.key("require_iss").bool(),
        back_off: introspection.key("back_off").duration(),
    }
}

#[inline(never)]
fn parameters(parameters: &Node<'_>, context: &mut Context<'_>) -> Vec<(String, Secret)> {
    for (name, parameter) in parameters.members() {
        let why = match name {
            "token" => "Tollgate puts the client's token there",
            "token_type_hint" => "use introspection.token_type_hint",
            "client_id" | "client_secret" | "client_assertion" | "client_assertion_type" => {
                "use introspection.client_auth"
            }
            _ => continue,
        };
        context.faults.add(&parameter.place, Fault::Reserved { why });
    }
    parameters.members().map(|(name, value)| (name.to_owned(), Secret::new(value.text()))).collect()
}

#[inline(never)]
fn headers(headers: &Node<'_>, context: &mut Context<'_>) -> Vec<(String, Secret)> {
    for (name, header) in headers.members() {
        let why = match alike(name).as_str() {
            "authorization" => "use introspection.client_auth",
            "host" => "it comes from introspection.uri",
            "accept" | "content-type" | "content-length" | "content-encoding" | "transfer-encoding" => {
                "Tollgate sets it to fit the call"
            }
            name if super::upstream::HOP_BY_HOP.contains(&name) => "it belongs to the connection",
            _ => continue,
        };
        context.faults.add(&header.place, Fault::Reserved { why });
    }
    let names = headers.members().map(|(name, header)| (name.to_ascii_lowercase(), header));
    context.distinct(&mut names.into_iter());
    headers.members().map(|(name, value)| (name.to_ascii_lowercase(), Secret::new(value.text()))).collect()
}
