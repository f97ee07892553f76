//! `rules`, `requires` and `client_lists`: which requests, and what is demanded of them.

use crate::config::error::Fault;
use crate::config::parse::node::Node;
use crate::config::parse::{Context, responses, unknown_name};
use crate::policy::requirement::{Requirement, SenderConstraint};
use crate::policy::rule::{
    Access, HeaderMatch, HeaderTest, HostPattern, Matcher, PathPattern, PatternError, Rule, Spelling,
    Variation,
};
use crate::provider::clients::{Client, ClientList};
use crate::token::claims::{ClaimPath, ClaimRequirement, ClaimTest};
use crate::token::details::{DetailRequirement, LISTS};
use crate::token::scope::{ScopePolicy, ScopeToken};

/// The rules, in order.
#[inline(never)]
pub(super) fn parse(root: &Node<'_>, context: &mut Context<'_>) -> Vec<Rule> {
    let rules = root.key("rules");
    context.no_duplicates(rules.items().map(|rule| rule.key("name")), |name| name.text().to_owned());
    let general = root.key("token").key("from_params").texts();
    let matching = root.key("matching");
    for rule in rules.items() {
        check_reachable(&rule.key("match"), &matching, context);
    }
    let mut rules: Vec<_> = rules.items().map(|rule| one(&rule, &general, context)).collect();
    let is_expression = |rule: &&Rule| matches!(rule.matcher.path, Some(PathPattern::Regex(_)));
    let expressions = rules.iter().filter(is_expression).count();
    for path in rules.iter_mut().filter_map(|rule| rule.matcher.path.as_mut()) {
        path.one_of(expressions);
    }
    rules
}

/// What no request can fit, as requests are read.
#[inline(never)]
fn check_reachable(rule: &Node<'_>, matching: &Node<'_>, context: &mut Context<'_>) {
    let parameters = matching.key("path_parameters");
    for key in ["path", "prefix", "path_template"].map(|key| rule.key(key)) {
        let has_parameters = key.text().contains(';') || key.text().to_ascii_uppercase().contains("%3B");
        if has_parameters && parameters.text() != "literal" {
            let why = "no request matches a path with parameters unless they are read literally";
            context.contradiction(&key, &parameters, why);
        }
    }
    let port = matching.key("host_port");
    for host in rule.key("hosts").items() {
        if port.text() == "ignore" && HostPattern::parse(host.text()).is_some_and(|host| host.has_port()) {
            context.contradiction(&host, &port, "no request matches a port if ports are ignored");
        }
    }
    let paths = ["path", "prefix", "path_template", "safe_regex"];
    for key in ["ignore_case", "ignore_final_slash"].map(|key| rule.key(key)) {
        if key.is_set() && !paths.iter().any(|path| rule.key(path).is_set()) {
            context.faults.add(&key.place, Fault::Needs { other: "a path" });
        }
    }
}

#[inline(never)]
fn one(rule: &Node<'_>, general_params: &[String], context: &mut Context<'_>) -> Rule {
    let (access, requires, params) = (rule.key("access"), rule.key("requires"), rule.key("from_params"));
    let kind = match access.text() {
        "optional" => Access::Optional,
        "anonymous" => Access::Anonymous,
        "deny" => Access::Deny,
        _ => Access::Required,
    };
    let why = match kind {
        Access::Anonymous => Some("tokens are not checked"),
        Access::Deny => Some("every request is rejected"),
        Access::Required | Access::Optional => None,
    };
    if let Some(why) = why {
        if requires.is_set() {
            context.contradiction(&requires, &access, why);
        }
        if params.items().next().is_some() {
            context.contradiction(&params, &access, why);
        }
    }
    context.no_duplicates(params.items(), |name| name.text().to_owned());
    Rule {
        name: rule.key("name").some_text().unwrap_or_else(|| rule.place.to_string()),
        matcher: matcher(&rule.key("match"), context),
        access: kind,
        requires: requires.is_set().then(|| requirement(&requires, context)),
        from_params: params.texts().into_iter().filter(|name| !general_params.contains(name)).collect(),
    }
}

#[inline(never)]
fn matcher(rule: &Node<'_>, context: &mut Context<'_>) -> Matcher {
    let mut path = None;
    let patterns: [(_, fn(&str) -> Result<PathPattern, PatternError>); 4] = [
        ("path", PathPattern::exact),
        ("prefix", PathPattern::prefix),
        ("path_template", PathPattern::template),
        ("safe_regex", PathPattern::regex),
    ];
    for (key, compile) in patterns.map(|(key, compile)| (rule.key(key), compile)) {
        if key.text().is_empty() {
            continue;
        }
        if !key.text().is_ascii() {
            let what = "expected ASCII: in requests, other characters are percent-encoded, as in /caf%C3%A9";
            context.faults.add(&key.place, Fault::Pattern(PatternError::new(what)));
            continue;
        }
        match compile(key.text()) {
            Ok(pattern) => path = Some(pattern),
            Err(error) => context.faults.add(&key.place, Fault::Pattern(error)),
        }
    }
    for list in ["methods", "hosts"] {
        context.no_duplicates(rule.key(list).items(), |item| item.text().to_owned());
    }
    let headers = rule.key("headers");
    for name in headers.items().map(|header| header.key("name")) {
        if name.text().eq_ignore_ascii_case("host") {
            context.faults.add(&name.place, Fault::Reserved { why: "use match.hosts" });
        }
    }
    context.no_duplicates(headers.items(), |header| header.key("name").text().to_ascii_lowercase());
    let escaped_slashes = rule.key("escaped_slashes");
    Matcher {
        path,
        spelling: Spelling {
            case: variation(&rule.key("ignore_case")),
            final_slash: variation(&rule.key("ignore_final_slash")),
            keeps_escaped_slashes: escaped_slashes.text() == "keep",
        },
        methods: rule.key("methods").texts(),
        hosts: rule.key("hosts").items().filter_map(|host| HostPattern::parse(host.text())).collect(),
        headers: headers
            .items()
            .map(|header| HeaderMatch {
                name: header.key("name").text().to_ascii_lowercase(),
                test: match header.key("present") {
                    present if present.is_set() => HeaderTest::Present(present.bool()),
                    _ => HeaderTest::Exact(header.key("exact").text().to_owned()),
                },
            })
            .collect(),
    }
}

fn variation(ignored: &Node<'_>) -> Variation {
    match (ignored.is_set(), ignored.bool()) {
        (false, _) => Variation::Refused,
        (true, true) => Variation::Ignored,
        (true, false) => Variation::Counts,
    }
}

/// What a token must carry.
#[inline(never)]
pub(super) fn requirement(requires: &Node<'_>, context: &mut Context<'_>) -> Requirement {
    let (scopes, max_age) = (requires.key("scopes"), requires.key("max_age"));
    let (all, any) = if scopes.is_list() {
        (self::scopes(&scopes, context), Vec::new())
    } else if scopes.is_set() {
        (self::scopes(&scopes.key("all"), context), self::scopes(&scopes.key("any"), context))
    } else {
        (Vec::new(), Vec::new())
    };
    responses::whole_seconds(&max_age, context);
    for list in ["audiences", "acr_values"] {
        context.no_duplicates(requires.key(list).items(), |item| item.text().to_owned());
    }
    Requirement {
        providers: context.provider_ids(&requires.key("providers")),
        scopes: ScopePolicy { all, any },
        audiences: requires.key("audiences").texts(),
        clients: clients(&requires.key("clients"), context),
        claims: requires.key("claims").items().filter_map(|claim| self::claim(&claim)).collect(),
        details: requires.key("authorization_details").items().map(|one| detail(&one, context)).collect(),
        no_delegation: requires.key("no_delegation").bool(),
        acr_values: requires.key("acr_values").texts(),
        max_age: max_age.is_set().then(|| max_age.duration()),
        sender_constraint: sender_constraint(&requires.key("sender_constraint"), context),
    }
}

/// What is done about bound tokens; a proof that is demanded must be understood.
#[inline(never)]
fn sender_constraint(word: &Node<'_>, context: &mut Context<'_>) -> SenderConstraint {
    let (constraint, is_understood, other) = match word.text() {
        "ignore" => return SenderConstraint::Ignore,
        "dpop" => (SenderConstraint::Dpop, context.has_dpop, "dpop"),
        "mtls" => (SenderConstraint::Mtls, context.has_mtls, "mtls"),
        "any_bound" => (SenderConstraint::AnyBound, context.has_dpop || context.has_mtls, "dpop (or mtls)"),
        _ => return SenderConstraint::IfBound,
    };
    if !is_understood {
        context.faults.add(&word.place, Fault::Needs { other });
    }
    constraint
}

#[inline(never)]
fn scopes(list: &Node<'_>, context: &mut Context<'_>) -> Vec<ScopeToken> {
    context.no_duplicates(list.items(), |scope| scope.text().to_owned());
    list.items().filter_map(|scope| ScopeToken::parse(scope.text())).collect()
}

#[inline(never)]
fn claim(claim: &Node<'_>) -> Option<ClaimRequirement> {
    let (any_of, contains) = (claim.key("any_of"), claim.key("contains"));
    let test = if any_of.is_set() {
        ClaimTest::AnyOf(any_of.items().map(|item| item.value()).collect())
    } else if contains.is_set() {
        ClaimTest::Contains(contains.value())
    } else {
        ClaimTest::Equals(claim.key("equals").value())
    };
    Some(ClaimRequirement { claim: ClaimPath::parse(claim.key("name").text())?, test })
}

#[inline(never)]
fn detail(detail: &Node<'_>, context: &mut Context<'_>) -> DetailRequirement {
    let mut lists = Vec::new();
    for name in LISTS {
        let list = detail.key(name);
        context.no_duplicates(list.items(), |item| item.text().to_owned());
        if list.is_set() {
            lists.push((name, list.texts()));
        }
    }
    let identifier = detail.key("identifier").some_text();
    DetailRequirement { kind: detail.key("type").text().to_owned(), identifier, lists }
}

#[inline(never)]
fn clients(clients: &Node<'_>, context: &mut Context<'_>) -> Option<ClientList> {
    if clients.is_list() {
        context.no_duplicates(clients.items(), |id| id.text().to_owned());
        let mut list = ClientList::default();
        list.clients.extend(clients.texts().into_iter().map(|id| (id, Client::default())));
        return Some(list);
    }
    if !clients.is_set() {
        return None;
    }
    let name = clients.key("list");
    let list = context.client_lists.get(name.text()).cloned();
    if list.is_none() && name.is_set() {
        let known: Vec<_> = context.client_lists.keys().copied().collect();
        context.faults.add(&name.place, unknown_name("client list", name.text(), &known));
    }
    // Never `None` here, for that would let everybody pass.
    Some(list.unwrap_or_default())
}
