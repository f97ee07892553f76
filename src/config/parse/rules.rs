//! `rules`, `requires` and `client_lists`: which requests, and what is required of them.

use crate::error::{Fault, Needed};
use crate::key::{Either, Key};
use crate::keys;
use crate::keys::words::{EscapedSlashes, HostPort};
use crate::parse::node::Node;
use crate::parse::{Context, Seen, responses, unknown_name};
use tollgate_engine::base::text;
use tollgate_engine::policy::requirement::{Requirement, SenderConstraint};
use tollgate_engine::policy::rule::{
    Access, HeaderMatch, HeaderTest, HostPattern, Matcher, PathPattern, PatternError, Rule, Spelling,
    Variation,
};
use tollgate_engine::provider::clients::{Client, ClientList};
use tollgate_engine::request::matching::Reading;
use tollgate_engine::token::claims::{ClaimPath, ClaimRequirement, ClaimTest};
use tollgate_engine::token::details::DetailRequirement;
use tollgate_engine::token::scope::{ScopePolicy, ScopeToken};

/// The rules, in order.
#[inline(never)]
pub(super) fn parse(root: &Node<'_, keys::Configuration>, context: &mut Context<'_>) -> Vec<Rule> {
    let rules = root.at(keys::Configuration::RULES);
    let mut names = Seen::default();
    for rule in rules.items() {
        context.once_text(&mut names, &rule.at(keys::Rule::NAME));
    }
    let general = root.at(keys::Configuration::TOKEN).at(keys::Token::FROM_PARAMS).read();
    let matching = root.at(keys::Configuration::MATCHING);
    for rule in rules.items() {
        check_reachable(&rule.at(keys::Rule::MATCH), &matching, context);
    }
    let mut rules: Vec<_> =
        rules.items().enumerate().map(|(at, rule)| one(at, &rule, &general, context)).collect();
    let is_expression = |rule: &&Rule| matches!(rule.matcher.path, Some(PathPattern::Regex(_)));
    let expressions = rules.iter().filter(is_expression).count();
    for path in rules.iter_mut().filter_map(|rule| rule.matcher.path.as_mut()) {
        path.one_of(expressions);
    }
    rules
}

/// What no request can fit, as requests are read.
#[inline(never)]
fn check_reachable(
    rule: &Node<'_, keys::Match>,
    matching: &Node<'_, keys::Matching>,
    context: &mut Context<'_>,
) {
    let parameters = matching.at(keys::Matching::PATH_PARAMETERS);
    let plain = [keys::Match::PATH, keys::Match::PREFIX, keys::Match::PATH_TEMPLATE];
    for key in plain.map(|key| rule.at(key)) {
        let has_parameters =
            key.text().contains(';') || text::find(&key.text().to_ascii_uppercase(), "%3B").is_some();
        if has_parameters && parameters.read() != Reading::Literal {
            let why = "no request matches a path with parameters unless they are read literally";
            context.contradiction(&key, &parameters, why);
        }
    }
    let port = matching.at(keys::Matching::HOST_PORT);
    for host in rule.at(keys::Match::HOSTS).items() {
        if port.read() == HostPort::Ignore
            && HostPattern::parse(host.text()).is_some_and(|host| host.has_port())
        {
            context.contradiction(&host, &port, "no request matches a port if ports are ignored");
        }
    }
    let has_path = PATTERNS.iter().any(|(path, _)| rule.at(*path).is_set());
    for key in [keys::Match::IGNORE_CASE, keys::Match::IGNORE_FINAL_SLASH].map(|key| rule.at(key)) {
        if key.is_set() && !has_path {
            context.needs(&key, Needed::Either("a path"));
        }
    }
}

#[inline(never)]
fn one(at: usize, rule: &Node<'_, keys::Rule>, general_params: &[String], context: &mut Context<'_>) -> Rule {
    let (access, requires) = (rule.at(keys::Rule::ACCESS), rule.at(keys::Rule::REQUIRES));
    let params = rule.at(keys::Rule::FROM_PARAMS);
    let why = match access.read() {
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
    context.no_duplicates(&params);
    Rule {
        name: rule.get(keys::Rule::NAME).unwrap_or_else(|| format!("rules[{at}]")),
        matcher: matcher(&rule.at(keys::Rule::MATCH), context),
        access: access.read(),
        requires: requires.is_set().then(|| requirement(&requires, context)),
        from_params: params.read().into_iter().filter(|name| !general_params.contains(name)).collect(),
    }
}

#[inline(never)]
fn matcher(rule: &Node<'_, keys::Match>, context: &mut Context<'_>) -> Matcher {
    let mut path = None;
    for (key, compile) in PATTERNS.map(|(key, compile)| (rule.at(key), compile)) {
        if key.text().is_empty() {
            continue;
        }
        if !key.text().is_ascii() {
            let what = "expected ASCII: in requests, other characters are percent-encoded, as in /caf%C3%A9";
            context.fault(&key, Fault::Pattern(PatternError::new(what)));
            continue;
        }
        match compile(key.text()) {
            Ok(pattern) => path = Some(pattern),
            Err(error) => context.fault(&key, Fault::Pattern(error)),
        }
    }
    let (methods, hosts) = (rule.at(keys::Match::METHODS), rule.at(keys::Match::HOSTS));
    context.no_duplicates(&methods);
    context.no_duplicates(&hosts);
    let headers = rule.at(keys::Match::HEADERS);
    let mut names = Seen::default();
    for header in headers.items() {
        let name = header.at(keys::HeaderMatch::NAME);
        context.once(&mut names, name.text().to_ascii_lowercase(), &header);
        if name.text().eq_ignore_ascii_case("host") {
            context.reserved(&name, "use match.hosts");
        }
    }
    Matcher {
        path,
        spelling: Spelling {
            case: variation(rule.get(keys::Match::IGNORE_CASE)),
            final_slash: variation(rule.get(keys::Match::IGNORE_FINAL_SLASH)),
            keeps_escaped_slashes: rule.get(keys::Match::ESCAPED_SLASHES) == EscapedSlashes::Keep,
        },
        methods: methods.read(),
        hosts: hosts.items().filter_map(|host| HostPattern::parse(host.text())).collect(),
        headers: headers
            .items()
            .map(|header| HeaderMatch {
                name: header.at(keys::HeaderMatch::NAME).text().to_ascii_lowercase(),
                test: match header.get(keys::HeaderMatch::PRESENT) {
                    Some(present) => HeaderTest::Present(present),
                    None => HeaderTest::Exact(header.get(keys::HeaderMatch::EXACT).unwrap_or_default()),
                },
            })
            .collect(),
    }
}

type Compile = fn(&str) -> Result<PathPattern, PatternError>;

/// How each kind of path is compiled.
const PATTERNS: [(Key<keys::Match, Option<String>>, Compile); 4] = [
    (keys::Match::PATH, PathPattern::exact),
    (keys::Match::PREFIX, PathPattern::prefix),
    (keys::Match::PATH_TEMPLATE, PathPattern::template),
    (keys::Match::SAFE_REGEX, PathPattern::regex),
];

fn variation(ignored: Option<bool>) -> Variation {
    match ignored {
        None => Variation::Refused,
        Some(true) => Variation::Ignored,
        Some(false) => Variation::Counts,
    }
}

/// What a token must carry.
#[inline(never)]
pub(super) fn requirement(requires: &Node<'_, keys::Requirement>, context: &mut Context<'_>) -> Requirement {
    let (audiences, acr_values) =
        (requires.at(keys::Requirement::AUDIENCES), requires.at(keys::Requirement::ACR_VALUES));
    let max_age = requires.at(keys::Requirement::MAX_AGE);
    let scopes = scope_policy(&requires.at(keys::Requirement::SCOPES), context);
    responses::whole_seconds(&max_age, context);
    context.no_duplicates(&audiences);
    context.no_duplicates(&acr_values);
    Requirement {
        providers: context.provider_ids(&requires.at(keys::Requirement::PROVIDERS)),
        scopes,
        audiences: audiences.read(),
        clients: clients(&requires.at(keys::Requirement::CLIENTS), context),
        claims: requires
            .at(keys::Requirement::CLAIMS)
            .items()
            .filter_map(|claim| self::claim(&claim))
            .collect(),
        details: requires
            .at(keys::Requirement::AUTHORIZATION_DETAILS)
            .items()
            .map(|one| detail(&one, context))
            .collect(),
        no_delegation: requires.get(keys::Requirement::NO_DELEGATION),
        acr_values: acr_values.read(),
        max_age: max_age.some(),
        max_cache_age: requires.get(keys::Requirement::MAX_CACHE_AGE),
        sender_constraint: sender_constraint(&requires.at(keys::Requirement::SENDER_CONSTRAINT), context),
    }
}

/// What is done about bound tokens; a proof that is required must be understood.
#[inline(never)]
fn sender_constraint(word: &Node<'_, SenderConstraint>, context: &mut Context<'_>) -> SenderConstraint {
    let constraint = word.read();
    let (is_understood, other) = match constraint {
        SenderConstraint::Ignore | SenderConstraint::IfBound => return constraint,
        SenderConstraint::Dpop => (context.has_dpop, keys::Configuration::DPOP.needed()),
        SenderConstraint::Mtls => (context.has_mtls, keys::Configuration::MTLS.needed()),
        SenderConstraint::AnyBound => {
            (context.has_dpop || context.has_mtls, Needed::Either("dpop (or mtls)"))
        }
    };
    if !is_understood {
        context.needs(word, other);
    }
    constraint
}

#[inline(never)]
fn scope_policy(scopes: &Node<'_, Either<String, keys::Scopes>>, context: &mut Context<'_>) -> ScopePolicy {
    if let Some(all) = scopes.list() {
        return ScopePolicy { all: self::scopes(&all, context), any: Vec::new() };
    }
    let Some(object) = scopes.object() else { return ScopePolicy::default() };
    ScopePolicy {
        all: self::scopes(&object.at(keys::Scopes::ALL), context),
        any: self::scopes(&object.at(keys::Scopes::ANY), context),
    }
}

#[inline(never)]
fn scopes(list: &Node<'_, Vec<String>>, context: &mut Context<'_>) -> Vec<ScopeToken> {
    context.no_duplicates(list);
    list.items().filter_map(|scope| ScopeToken::parse(scope.text())).collect()
}

#[inline(never)]
fn claim(claim: &Node<'_, keys::Claim>) -> Option<ClaimRequirement> {
    let any_of = claim.at(keys::Claim::ANY_OF);
    let test = if any_of.is_set() {
        ClaimTest::AnyOf(any_of.items().map(|item| item.read()).collect())
    } else if let Some(contained) = claim.get(keys::Claim::CONTAINS) {
        ClaimTest::Contains(contained)
    } else {
        ClaimTest::Equals(claim.get(keys::Claim::EQUALS).unwrap_or_default())
    };
    Some(ClaimRequirement { claim: ClaimPath::parse(claim.at(keys::Claim::NAME).text())?, test })
}

#[inline(never)]
fn detail(detail: &Node<'_, keys::Detail>, context: &mut Context<'_>) -> DetailRequirement {
    let mut lists = Vec::new();
    for key in LISTS {
        let list = detail.at(key);
        context.no_duplicates(&list);
        lists.extend(list.some().map(|texts| (key.name(), texts)));
    }
    let identifier = detail.get(keys::Detail::IDENTIFIER);
    DetailRequirement { kind: detail.get(keys::Detail::TYPE), identifier, lists }
}

/// The members of an entry that are lists of text.
const LISTS: [Key<keys::Detail, Option<Vec<String>>>; 4] =
    [keys::Detail::LOCATIONS, keys::Detail::ACTIONS, keys::Detail::DATATYPES, keys::Detail::PRIVILEGES];

#[inline(never)]
fn clients(
    clients: &Node<'_, Either<String, keys::Clients>>,
    context: &mut Context<'_>,
) -> Option<ClientList> {
    if let Some(ids) = clients.list() {
        context.no_duplicates(&ids);
        let mut list = ClientList::default();
        list.clients.extend(ids.read().into_iter().map(|id| (id, Client::default())));
        return Some(list);
    }
    let name = clients.object()?.at(keys::Clients::LIST);
    let is_it = |list: &&ClientList| list.name.as_deref() == Some(name.text());
    let list = context.client_lists.iter().find(is_it).cloned();
    if list.is_none() && name.is_set() {
        let known: Vec<_> = context.client_lists.iter().filter_map(|list| list.name.as_deref()).collect();
        context.fault(&name, unknown_name("client list", name.text(), &known));
    }
    // Never `None` here, for that would let everybody pass.
    Some(list.unwrap_or_default())
}
