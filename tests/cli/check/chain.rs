//! What stands around Tollgate in Envoy's connection manager.

use super::GOOD;
use crate::support::{Tollgate, indented};

/// An Envoy file: the filters before and after Tollgate, what else stands at its entry, and the routes.
fn envoy(before: &str, entry: &str, after: &str, routes: &str) -> String {
    let filters = |text: &str| indented(text, 6);
    format!(
        "static_resources:\n  listeners:\n  - typed_config:\n      normalize_path: true\n      merge_slashes: true\n      strip_any_host_port: true\n      strip_trailing_host_dot: true\n      path_with_escaped_slashes_action: REJECT_REQUEST\n      http_filters:\n{}      - name: tollgate\n{}        typed_config:\n          \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n          config:\n            name: tollgate\n            failure_policy: FAIL_RELOAD\n            vm_config: {{environment_variables: {{host_env_keys: [TG_SECRET]}}}}\n            configuration:\n              \"@type\": type.googleapis.com/google.protobuf.Struct\n              value:\n{}{}      route_config:\n{}",
        filters(before),
        indented(entry, 8),
        indented(GOOD, 16),
        filters(after),
        indented(routes, 8),
    )
}

fn filter(name: &str, kind: &str, more: &str) -> String {
    format!(
        "- name: {name}\n  typed_config:\n    \"@type\": type.googleapis.com/x.v3.{kind}\n{}",
        indented(more, 4)
    )
}

const ROUTES: &str = "virtual_hosts: [{name: a, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: a, prefix_rewrite: /x}}]}]\n";

#[test]
fn what_goes_past_tollgate_or_changes_what_it_judged_is_seen() {
    let router = filter("envoy.filters.http.router", "Router", "");
    let lua =
        |code: &str| filter("script", "Lua", &format!("default_source_code: {{inline_string: '{code}'}}\n"));
    let mutation = |text: &str| {
        filter("mutation", "HeaderMutation", &format!("mutations: {{request_mutations: [{text}]}}\n"))
    };
    let behind = |one: String| envoy("", "", &(one + &router), ROUTES);
    let off = "typed_per_filter_config: {tollgate: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}";
    #[rustfmt::skip]
    let cases = [
        ("all is well",               behind(String::new()),                       0, ""),
        ("a script that looks",       behind(lua("function envoy_on_request(h) h:headers():get(\":path\") end")), 0, ""),
        ("a script that changes",     behind(lua("function envoy_on_request(h) h:headers():replace(\":path\", \"/\") end")), 0, "warning: script is after Tollgate and changes :path"),
        ("a script elsewhere",        behind(filter("script", "Lua", "default_source_code: {filename: /x.lua}\n")), 0, "warning: script is after Tollgate and may change path, method and host"),
        ("a script of old",           behind(filter("script", "Lua", "inline_code: 'h:headers():replace(\":method\", \"PUT\")'\n")), 0, "changes :method"),
        ("a script before",           envoy(&lua("h:headers():replace(\":path\", \"/\")"), "", &router, ROUTES), 0, ""),
        ("a path is set",             behind(mutation("{append: {header: {key: ':path', value: /x}}}")), 0, "warning: mutation is after Tollgate and changes :path"),
        ("a host is set",             behind(mutation("{append: {header: {key: x-a, value: b}}}, {append: {header: {key: Host, value: b}}}")), 0, "changes Host"),
        ("another field is set",      behind(mutation("{append: {header: {key: x-a, value: b}}}, {remove: x-b}")), 0, ""),
        ("a processor",               behind(filter("processor", "ExternalProcessor", "grpc_service: {}\n")), 0, "warning: processor is after Tollgate and may change the path"),
        ("a processor of responses",  behind(filter("processor", "ExternalProcessor", "processing_mode: {request_header_mode: SKIP}\n")), 0, ""),
        ("a processor that may not",  behind(filter("processor", "ExternalProcessor", "mutation_rules: {disallow_system: true}\n")), 0, ""),
        ("another module",            behind(filter("other", "Wasm", "config: {name: other, vm_config: {}}\n")), 0, "warning: other is after Tollgate and may change path, method and host"),
        ("a filter after the router", envoy("", "", &(router.clone() + &filter("cors", "Cors", "")), ROUTES), 1, "cors is after the router, so no request reaches it"),
        ("Tollgate after the router", envoy(&router, "", "", ROUTES), 1, "Tollgate is after the router"),
        ("off by default",            envoy("", "disabled: true\n", &router, ROUTES), 0, "warning: disabled: true: Tollgate is disabled, except"),
        ("left out if unknown",       envoy("", "is_optional: true\n", &router, ROUTES), 0, "warning: is_optional: true:"),
        ("off on a route",            envoy("", "", &router, &format!("virtual_hosts: [{{name: a, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: a}}, {off}}}]}}]\n")), 0, "warning: Tollgate is disabled here"),
        ("off in a virtual host",     envoy("", "", &router, &format!("virtual_hosts: [{{name: a, domains: ['*'], routes: [], {off}}}]\n")), 0, "warning: Tollgate is disabled here"),
        ("off for some requests",     envoy("", "", &router, &format!("virtual_hosts: [{{name: a, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{weighted_clusters: {{clusters: [{{name: a, weight: 1, {off}}}]}}}}}}]}}]\n")), 0, "warning: Tollgate is disabled here"),
        ("another filter is off",     envoy("", "", &router, &format!("virtual_hosts: [{{name: a, domains: ['*'], routes: [], {}}}]\n", off.replace("{tollgate:", "{cors:"))), 0, ""),
    ];
    for (name, content, status, want) in cases {
        let tollgate = Tollgate::new();
        tollgate.write("x.yaml", &content);
        let run = tollgate.run(["check", "x.yaml"]);
        assert_eq!(run.status, status, "{name}: {run:?}");
        if want.is_empty() {
            assert!(run.stdout.starts_with("no errors, no warnings"), "{name}: {run:?}");
        } else {
            let said = run.stdout.lines().filter(|line| line.contains(want)).count();
            assert_eq!(said, 1, "{name}: {run:?}");
        }
    }
}

#[test]
fn a_configuration_has_to_be_wrapped_as_envoy_wants_it() {
    let good = envoy("", "", "", ROUTES);
    let kind = "type.googleapis.com/google.protobuf.Struct";
    let text =
        |other: &str| good.replace(kind, other).replace("              value:\n", "              value: |\n");
    #[rustfmt::skip]
    let cases = [
        ("a Struct",                  good.clone(), ""),
        ("text",                      text("type.googleapis.com/google.protobuf.StringValue"), ""),
        ("a StringValue that is an object", good.replace(kind, "type.googleapis.com/google.protobuf.StringValue"), "a StringValue holds text, and this is an object"),
        ("a BytesValue that is an object", good.replace(kind, "type.googleapis.com/google.protobuf.BytesValue"), "a BytesValue holds base64"),
        ("a Struct that is text",     text(kind), "a Struct holds an object, and this is text"),
        ("another kind",              good.replace(kind, "type.googleapis.com/xds.type.v3.TypedStruct"), "the module cannot read a xds.type.v3.TypedStruct"),
        ("no kind",                   good.replace("              \"@type\": type.googleapis.com/google.protobuf.Struct\n", ""), "configuration needs \"@type\""),
    ];
    for (name, content, want) in cases {
        let tollgate = Tollgate::new();
        tollgate.write("x.yaml", &content);
        let run = tollgate.run(["check", "x.yaml"]);
        assert_eq!(run.status, i32::from(!want.is_empty()), "{name}: {run:?}");
        assert!(run.stdout.lines().any(|line| line.contains(want)), "{name}: {run:?}");
    }
}

#[test]
fn rules_that_never_decide_are_named() {
    let rules = "rules:\n- {match: {prefix: /a}, requires: {scopes: [a]}}\n- {match: {path: /b}}\n- {match: {path_template: '/a/{id}', methods: [PUT]}, requires: {scopes: [w]}}\n- {match: {prefix: /}}\n- {match: {path: /c}}\n";
    let tollgate = Tollgate::new();
    tollgate.write("x.yaml", format!("{GOOD}{rules}"));
    let run = tollgate.run(["check", "x.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    for want in [
        "x.yaml:13:3: warning: rules[2]: never reached: rules[0] matches every request that this rule does [TG107]",
        "x.yaml:15:3: warning: rules[4]: never reached: rules[3] matches everything [TG107]",
    ] {
        assert!(run.stdout.lines().any(|line| line == want), "{want}: {run:?}");
    }
    assert!(run.stdout.ends_with("no errors, 2 warnings in 1 configuration\n"), "{run:?}");
}

#[test]
fn a_filter_around_tollgate_is_seen() {
    let router = filter("envoy.filters.http.router", "Router", "");
    let plain = envoy("", "", &router, ROUTES);
    let (start, rest) = plain.split_once("      - name: tollgate\n").expect("an entry");
    let (own, end) = rest.split_once("      - name: envoy.filters.http.router").expect("a router");
    let inner = indented(own, 4);
    let outer = "      - name: outer\n        typed_config:\n          \"@type\": type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher\n          extension_config:\n            name: tollgate\n";
    let at = Tollgate::new();
    at.write("x.yaml", format!("{start}{outer}{inner}      - name: envoy.filters.http.router{end}"));
    let run = at.run(["check", "x.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(
        run.stdout.contains("warning: Tollgate is inside outer, which decides for each request"),
        "{run:?}"
    );
}

/// Envoy reads its own keys in both spellings, so both are read here.
#[test]
fn keys_in_the_spelling_of_json_are_read() {
    let router = filter("envoy.filters.http.router", "Router", "");
    let off =
        "virtualHosts: [{name: a, domains: ['*'], typedPerFilterConfig: {tollgate: {disabled: true}}}]\n";
    let lua = filter(
        "script",
        "Lua",
        "defaultSourceCode: {inlineString: 'h:headers():replace(\":path\", \"/\")'}\n",
    );
    let text = envoy("", "isOptional: true\n", &(lua + &router), off);
    let keys = [
        ("typed_config", "typedConfig"),
        ("http_filters", "httpFilters"),
        ("route_config", "routeConfig"),
        ("vm_config", "vmConfig"),
        ("failure_policy: FAIL_RELOAD", "failurePolicy: FAIL_OPEN"),
        ("environment_variables", "environmentVariables"),
        ("host_env_keys", "hostEnvKeys"),
        ("normalize_path", "normalizePath"),
        ("merge_slashes", "mergeSlashes"),
    ];
    let text = keys.iter().fold(text, |text, (old, new)| text.replace(old, new));
    assert!(text.contains("httpFilters") && text.contains("FAIL_OPEN"), "{text}");
    let at = Tollgate::new();
    at.write("x.yaml", text);
    let run = at.run(["check", "x.yaml"]);
    for want in [
        "failure_policy: FAIL_OPEN accepts every request",
        "is_optional: true:",
        "script is after Tollgate and changes :path",
        "Tollgate is disabled here",
        "no errors, 4 warnings in 1 configuration",
    ] {
        assert!(run.stdout.contains(want), "{want}: {run:?}");
    }
}
