//! Checks that Envoy's connection manager and its routes read a request in the same way as the rules.

use serde_json::Value;

use super::at;
use crate::kit::find::Found;
use crate::kit::find::located::{Located, Position};

/// Differences between the settings around the filter and the rules.
pub(super) fn of(found: &Found, manager: &Located, all: &mut Vec<(Position, bool, String)>) {
    paths(found, manager, all);
    // Routes that come from a server are not checked.
    let routes = manager.key("route_config");
    if matches_by_host(&found.value) {
        ports(found, manager, routes, all);
    }
    if let Some(routes) = routes {
        parameters(found, routes, all);
        letter_case(found, routes, all);
    }
}

/// Paths (PTH-04 of docs/conformance.md).
fn paths(found: &Found, manager: &Located, all: &mut Vec<(Position, bool, String)>) {
    let escaped = manager.key("path_with_escaped_slashes_action");
    let action = escaped.and_then(Located::text);
    let keeps = rules(&found.value).any(|rule| {
        rule.pointer("/match/escaped_slashes").is_some_and(|escaped_slashes| escaped_slashes == "keep")
    });
    let is_kept = matches!(action, None | Some("KEEP_UNCHANGED" | "IMPLEMENTATION_SPECIFIC_DEFAULT"));
    if keeps && !is_kept {
        all.push((at(escaped, manager), false, "a rule keeps escaped slashes (match.escaped_slashes), but Envoy changes them before: path_with_escaped_slashes_action must be KEEP_UNCHANGED".to_owned()));
    }
    let safe = keeps || matches!(action, Some("REJECT_REQUEST" | "UNESCAPE_AND_REDIRECT"));
    let wanted = [
        ("normalize_path: true", is_true(manager, "normalize_path")),
        ("merge_slashes: true", is_true(manager, "merge_slashes")),
        ("path_with_escaped_slashes_action: REJECT_REQUEST", safe),
    ];
    let missing: Vec<_> = wanted.iter().filter(|(_, is_set)| !is_set).map(|(option, _)| *option).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        all.push((manager.at, false, format!("other filters and routes may read a path differently from Tollgate; the connection manager lacks {missing}")));
    }
}

/// Authorities with a port or a final dot.
fn ports(
    found: &Found,
    manager: &Located,
    routes: Option<&Located>,
    all: &mut Vec<(Position, bool, String)>,
) {
    let is_stripped = is_true(manager, "strip_any_host_port");
    let is_ignored = routes.is_some_and(|routes| is_true(routes, "ignore_port_in_host_matching"));
    let place = at(found.located.key("matching"), &found.located);
    match found.value.pointer("/matching/host_port").and_then(Value::as_str).unwrap_or("both") {
        _ if is_stripped => {}
        "ignore" if !is_ignored && routes.is_some() => all.push((place, false, "matching.host_port: ignore, but Envoy's router compares ports: a request with a port may go to another virtual host than its rule is for; the route configuration needs ignore_port_in_host_matching: true".to_owned())),
        "literal" if is_ignored => all.push((place, false, "matching.host_port: literal, but Envoy's router ignores ports (ignore_port_in_host_matching): a request with a port avoids the rules of its host".to_owned())),
        "both" if is_ignored => all.push((place, false, "a request whose authority has a port is judged by the rules with and without it, although Envoy's router ignores ports: set matching.host_port: ignore".to_owned())),
        "both" => all.push((manager.at, false, "a request whose authority has a port is judged by the rules with and without it; to judge it by one, set ignore_port_in_host_matching: true on the route configuration and matching.host_port: ignore, or strip_any_host_port: true here".to_owned())),
        _ => {}
    }
    if !is_true(manager, "strip_trailing_host_dot") {
        all.push((manager.at, false, "a request whose authority ends in a dot is judged by the rules with and without it, because Envoy's router treats it as another host; strip_trailing_host_dot: true removes the dot".to_owned()));
    }
}

/// Parameters of segments.
fn parameters(found: &Found, routes: &Located, all: &mut Vec<(Position, bool, String)>) {
    let option = "ignore_path_parameters_in_path_matching";
    let setting = found.value.pointer("/matching/path_parameters").and_then(Value::as_str);
    match (setting, is_true(routes, option)) {
        (Some("literal"), true) => all.push((at(routes.key(option), routes), false, format!("the routes leave out parameters of paths ({option}), and the rules do not (matching.path_parameters: literal): /a;x takes the route of /a and avoids its rule"))),
        (Some("ignore"), false) if number_of_routes(routes) > 1 => all.push((routes.at, false, format!("the rules leave out parameters of paths (matching.path_parameters: ignore), and the routes do not: /a;x falls under the rule of /a and takes another route; {option}: true makes them alike"))),
        _ => {}
    }
}

/// Routes that match in any letter case.
fn letter_case(found: &Found, routes: &Located, all: &mut Vec<(Position, bool, String)>) {
    let mut strict = rules(&found.value).filter_map(|rule| rule.get("match")).filter(|matches| {
        let by_path =
            ["path", "prefix", "path_template", "safe_regex"].iter().any(|key| matches.get(key).is_some());
        by_path && matches.get("ignore_case").is_none_or(|ignored| *ignored != Value::Bool(true))
    });
    if strict.next().is_none() {
        return;
    }
    let Some(route) = any_case(routes) else { return };
    all.push((route.at, false, "case_sensitive: false takes paths in any letter case, and some rules do not: match.ignore_case: true makes them alike (without it, such requests are rejected, or avoid a rule that has false)".to_owned()));
}

/// The first route that matches in any letter case.
fn any_case(part: &Located) -> Option<&Located> {
    let own = part.key("case_sensitive").filter(|value| value.value() == Value::Bool(false));
    let below = part.items().iter().chain(part.members().iter().map(|member| &member.value));
    own.or_else(|| below.into_iter().find_map(any_case))
}

fn number_of_routes(routes: &Located) -> usize {
    let hosts = routes.key("virtual_hosts").map(Located::items).unwrap_or_default();
    hosts.iter().filter_map(|host| host.key("routes")).map(|routes| routes.items().len()).sum()
}

/// Whether some rule, or one of several resources, is for some hosts only.
fn matches_by_host(configuration: &Value) -> bool {
    let several = configuration.get("resource").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    several || rules(configuration).any(|rule| rule.pointer("/match/hosts").is_some())
}

fn rules(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration.get("rules").and_then(Value::as_array).into_iter().flatten()
}

fn is_true(part: &Located, key: &str) -> bool {
    part.key(key).is_some_and(|value| value.value() == Value::Bool(true))
}
