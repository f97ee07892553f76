//! `resource`: what is published of the protected resource, made from the policy that is enforced.

use serde_json::{Map, Value};

use crate::error::{Fault, Needed};
use crate::keys;
use crate::keys::words::{AudienceCheck, ResourceProfile};
use crate::parse::node::Node;
use crate::parse::{Context, Seen};
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::base::text;
use tollgate_engine::policy::Policy;
use tollgate_engine::policy::requirement::Requirement;
use tollgate_engine::policy::resource::{Identifier, Resource, Resources, WELL_KNOWN};
use tollgate_engine::policy::rule::{Access, HostPattern, PathPattern};
use tollgate_engine::request::matching::Reading;
use tollgate_engine::request::places::TokenPlaces;
use tollgate_engine::response::Profile;

/// Every resource. The rest of the policy is compiled already.
#[inline(never)]
pub(super) fn parse(
    root: &Node<'_, keys::Configuration>,
    policy: &Policy,
    context: &mut Context<'_>,
) -> Resources {
    let all = nodes(root);
    let parameters = root.at(keys::Configuration::MATCHING).at(keys::Matching::PATH_PARAMETERS);
    let mut seen = Seen::default();
    for identifier in all.iter().map(|one| one.at(keys::Resource::IDENTIFIER)) {
        if identifier.text().contains(';') && parameters.read() != Reading::Literal {
            let why = "no request matches a path with parameters unless they are read literally";
            context.contradiction(&identifier, &parameters, why);
        }
        context.once_text(&mut seen, &identifier);
    }
    for one in all.iter().filter(|one| is_mcp(one)) {
        check_mcp(one, root, context);
    }
    let mut resources: Vec<_> = all.iter().filter_map(|one| resource(one, policy, context)).collect();
    // MCP clients that were told nothing look at the root, too. With several, that would be a guess.
    if let [only] = resources.as_mut_slice()
        && only.is_mcp
        && !only.targets.iter().any(|target| target == WELL_KNOWN)
    {
        only.targets.push(WELL_KNOWN.to_owned());
    }
    Resources { all: resources }
}

/// Whether any of them is an MCP server.
pub(super) fn any_mcp(root: &Node<'_, keys::Configuration>) -> bool {
    nodes(root).iter().any(is_mcp)
}

pub(super) fn nodes<'a>(root: &Node<'a, keys::Configuration>) -> Vec<Node<'a, keys::Resource>> {
    let resource = root.at(keys::Configuration::RESOURCE);
    match resource.list() {
        Some(several) => several.items().collect(),
        None => resource.object().into_iter().collect(),
    }
}

fn is_mcp(one: &Node<'_, keys::Resource>) -> bool {
    one.get(keys::Resource::PROFILE) == ResourceProfile::Mcp
}

/// What an MCP server may not do ([Model Context Protocol], Authorization).
///
/// [Model Context Protocol]: https://modelcontextprotocol.io/specification
#[inline(never)]
fn check_mcp(
    one: &Node<'_, keys::Resource>,
    root: &Node<'_, keys::Configuration>,
    context: &mut Context<'_>,
) {
    let profile = one.at(keys::Resource::PROFILE);
    let check = one.at(keys::Resource::AUDIENCE_CHECK);
    if check.read() == AudienceCheck::Ignore {
        context.contradiction(&check, &profile, "an MCP server accepts only tokens for itself");
    }
    let responses = root.at(keys::Configuration::RESPONSES).at(keys::Responses::PROFILE);
    if responses.read() == Profile::Anypoint {
        let why = "MCP clients expect the statuses and challenges of the RFCs";
        context.contradiction(&profile, &responses, why);
    }
    let rules = root.at(keys::Configuration::RULES);
    let params = rules.items().map(|rule| rule.at(keys::Rule::FROM_PARAMS));
    let general = root.at(keys::Configuration::TOKEN).at(keys::Token::FROM_PARAMS);
    for params in std::iter::once(general).chain(params) {
        if params.items().next().is_some() {
            context.contradiction(&params, &profile, "MCP clients never send tokens in the query");
        }
    }
}

#[inline(never)]
fn resource(one: &Node<'_, keys::Resource>, policy: &Policy, context: &mut Context<'_>) -> Option<Resource> {
    let (text, audiences) = (one.at(keys::Resource::IDENTIFIER), one.at(keys::Resource::AUDIENCES));
    let servers = one.at(keys::Resource::AUTHORIZATION_SERVERS);
    for list in [&servers, &one.at(keys::Resource::SCOPES_SUPPORTED), &audiences] {
        context.no_duplicates(list);
    }
    let check = one.at(keys::Resource::AUDIENCE_CHECK);
    let ignored = check.read() == AudienceCheck::Ignore;
    if ignored && audiences.is_set() {
        context.contradiction(&audiences, &check, "the audience is not checked");
    }
    let identifier = Identifier::parse(text.text())?;
    let below = identifier.path.trim_end_matches('/');
    let prefix = match PathPattern::prefix(if below.is_empty() { "/" } else { below }) {
        Ok(prefix) => prefix,
        Err(error) => {
            context.fault(&text, Fault::Pattern(error));
            return None;
        }
    };
    let mut resource = Resource {
        identifier: text.text().to_owned(),
        audiences: match (ignored, audiences.is_set()) {
            (true, _) => Vec::new(),
            (false, true) => audiences.read(),
            (false, false) => vec![text.text().to_owned()],
        },
        is_mcp: is_mcp(one),
        metadata_uri: format!("{}{}", identifier.origin, identifier.metadata_target()),
        targets: vec![identifier.metadata_target()],
        metadata: String::new(),
        hosts: hosts(&identifier),
        prefix,
    };
    let demands = demands(&resource, policy);
    let issuers = servers.some().unwrap_or_else(|| issuers(&demands, policy));
    if resource.is_mcp && issuers.is_empty() {
        context.needs(&servers, Needed::Either("a provider's issuer, or entries"));
    }
    resource.metadata = metadata(one, &resource, &issuers, &demands, policy);
    Some(resource)
}

/// The hosts by which requests for it come. Proxies may have taken the port off.
fn hosts(identifier: &Identifier<'_>) -> Vec<HostPattern> {
    let authority = text::split_once(identifier.origin, "://").map_or("", |(_, authority)| authority);
    let with_port = (authority != identifier.host).then_some(authority);
    std::iter::once(identifier.host).chain(with_port).filter_map(HostPattern::parse).collect()
}

/// The document ([RFC 9728 §2]). Nothing in it comes from a request; what has no entries is left out
/// ([RFC 9728 §3.2]), and so is what this filter does not enforce.
///
/// [RFC 9728 §2]: https://www.rfc-editor.org/rfc/rfc9728#section-2
/// [RFC 9728 §3.2]: https://www.rfc-editor.org/rfc/rfc9728#section-3.2
#[inline(never)]
fn metadata(
    one: &Node<'_, keys::Resource>,
    resource: &Resource,
    issuers: &[String],
    demands: &[&Requirement],
    policy: &Policy,
) -> String {
    let mut scopes = one.get(keys::Resource::SCOPES_SUPPORTED).unwrap_or_else(|| scopes(demands));
    if resource.is_mcp {
        scopes.retain(|scope| scope != "offline_access");
    }
    let mut document = Map::new();
    document.insert("resource".to_owned(), resource.identifier.clone().into());
    insert(&mut document, "authorization_servers", issuers);
    insert(&mut document, "scopes_supported", &scopes);
    insert(&mut document, "bearer_methods_supported", &bearer_methods(&policy.token));
    insert(&mut document, "authorization_details_types_supported", &detail_types(demands));
    if policy.mtls.is_some() {
        document.insert("tls_client_certificate_bound_access_tokens".to_owned(), true.into());
    }
    if let Some(dpop) = &policy.dpop {
        let algorithms: Vec<_> = dpop.algorithms.to_string().split(' ').map(str::to_owned).collect();
        insert(&mut document, "dpop_signing_alg_values_supported", &algorithms);
        if !demands.is_empty() && demands.iter().all(|one| one.sender_constraint.requires_dpop()) {
            document.insert("dpop_bound_access_tokens_required".to_owned(), true.into());
        }
    }
    for key in [
        keys::Resource::NAME,
        keys::Resource::DOCUMENTATION,
        keys::Resource::POLICY_URI,
        keys::Resource::TOS_URI,
    ] {
        if let Some(text) = one.get(key) {
            document.insert(["resource_", key.name()].concat(), text.into());
        }
    }
    Value::Object(document).to_string()
}

/// Adds a list, unless it is empty.
#[inline(never)]
fn insert(document: &mut Map<String, Value>, name: &str, list: &[String]) {
    if !list.is_empty() {
        let list = list.iter().map(|text| Value::String(text.clone())).collect();
        document.insert(name.to_owned(), Value::Array(list));
    }
}

/// The issuers of the tokens that a request for this resource may bring, in the order of their names.
#[inline(never)]
fn issuers(demands: &[&Requirement], policy: &Policy) -> Vec<String> {
    let mut issuers: Vec<String> = Vec::new();
    for (id, provider) in policy.providers.iter().enumerate() {
        let accepts =
            |demand: &&Requirement| demand.providers.is_empty() || demand.providers.contains(&ProviderId(id));
        if let Some(issuer) = &provider.tokens.issuer
            && demands.iter().any(accepts)
            && !issuers.contains(issuer)
        {
            issuers.push(issuer.clone());
        }
    }
    issuers
}

/// All scopes that a request for this resource may need.
#[inline(never)]
fn scopes(demands: &[&Requirement]) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for demand in demands {
        for scope in demand.scopes.all.iter().chain(&demand.scopes.any) {
            // Sorted as they come: any sort of the library is larger than all of this module.
            if let Err(at) = scopes.binary_search_by(|known| known.as_str().cmp(scope.as_str())) {
                scopes.insert(at, scope.as_str().to_owned());
            }
        }
    }
    scopes
}

/// The types of `authorization_details` that a request for this resource may need ([RFC 9396 §10]).
///
/// [RFC 9396 §10]: https://www.rfc-editor.org/rfc/rfc9396#section-10
#[inline(never)]
fn detail_types(demands: &[&Requirement]) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for detail in demands.iter().flat_map(|demand| &demand.details) {
        if !types.contains(&detail.kind) {
            types.push(detail.kind.clone());
        }
    }
    types
}

/// What may be demanded of a request for this resource: by the rules that may match one, up to the first that
/// matches them all.
#[inline(never)]
fn demands<'p>(resource: &Resource, policy: &'p Policy) -> Vec<&'p Requirement> {
    let mut demands = Vec::new();
    for rule in policy.rules.iter().filter(|rule| rule.matcher.may_concern(&resource.prefix)) {
        if matches!(rule.access, Access::Required | Access::Optional) {
            demands.push(rule.requires.as_ref().unwrap_or(&policy.requires));
        }
        if rule.matcher.covers(&resource.prefix, &resource.identifier) {
            return demands;
        }
    }
    demands.push(&policy.requires);
    demands
}

/// How a Bearer token may be sent here, as far as RFC 6750 has names for it.
#[inline(never)]
fn bearer_methods(places: &TokenPlaces) -> Vec<String> {
    let TokenPlaces {
        headers,
        params,
        cookies: _,   // not a standard method
        websocket: _, // nor this
        form,
        max_form_bytes: _,
        max_length: _,
        forward: _,
        strict_multiple: _,
        require_tls: _,
    } = places;
    let in_header = headers.iter().any(|header| {
        let scheme = header.scheme.as_deref();
        header.name == "authorization" && scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer"))
    });
    let in_query = params.iter().any(|name| name == "access_token");
    let mut methods = Vec::new();
    for (name, is_on) in [("header", in_header), ("body", *form), ("query", in_query)] {
        if is_on {
            methods.push(name.to_owned());
        }
    }
    methods
}
