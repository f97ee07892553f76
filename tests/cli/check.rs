//! `tollgate check`.

mod capabilities;
mod chain;
mod hosts;
mod names;
mod switches;
mod versions;
mod words;

use serde_json::json;

use crate::support::{Tollgate, indented, tollgate};

/// Without a fault, and without a warning.
const GOOD: &str = "\
providers:
  main:
    issuer: https://login.example.com
    audiences: [https://api.example.com]
    introspection:
      uri: https://login.example.com/introspect
      cluster: login
      client_auth: {client_id: gateway, client_secret_env: TG_SECRET}
requires: {scopes: [orders:read]}
";

/// The configuration inside an Envoy file, moved to the right.
fn envoy(plugin: &str, configuration: &str, clusters: &str) -> String {
    format!(
        "static_resources:\n  listeners:\n  - name: l\n    filter_chains:\n    - filters:\n      - typed_config:\n          normalize_path: true\n          merge_slashes: true\n          path_with_escaped_slashes_action: REJECT_REQUEST\n          http_filters:\n          - typed_config:\n              config:\n                name: tollgate\n{plugin}                vm_config: {{runtime: envoy.wasm.runtime.v8, environment_variables: {{host_env_keys: [TG_SECRET]}}}}\n                configuration:\n                  \"@type\": type.googleapis.com/google.protobuf.Struct\n                  value:\n{}{clusters}",
        indented(configuration, 20)
    )
}

const RELOAD: &str = "                failure_policy: FAIL_RELOAD\n";
const CLUSTERS: &str = "  clusters:\n  - name: login\n    transport_socket: {typed_config: {auto_host_sni: true, auto_sni_san_validation: true, common_tls_context: {validation_context: {trusted_ca: {}}}}}\n";

#[test]
fn a_certificate_from_a_hop_has_to_arrive() {
    // MTL-18
    let tollgate = Tollgate::new();
    let forward = |how| format!("          forward_client_cert_details: {how}\n");
    #[rustfmt::skip]
    let cases = [
        ("it is taken away",           "",           String::new(),                  "reads a field that Envoy removes"),
        ("so it is on purpose",        "",           forward("SANITIZE"),            "reads a field that Envoy removes"),
        ("it is handed on",            "",           forward("ALWAYS_FORWARD_ONLY"), ""),
        ("it is handed on over mTLS",  "",           forward("FORWARD_ONLY"),        ""),
        ("it is replaced here",        "",           forward("SANITIZE_SET"),        "use mtls.source: connection"),
        ("an element is added",        "",           forward("APPEND_FORWARD"),      "mtls.hops must count it"),
        ("and counted",                ", hops: 2",  forward("APPEND_FORWARD"),      ""),
    ];
    for (name, hops, manager, want) in cases {
        let configuration = format!("{GOOD}mtls: {{source: xfcc{hops}}}\n");
        let status = i32::from(!want.is_empty());
        let file = envoy(RELOAD, &configuration, CLUSTERS);
        let place = "          normalize_path: true\n";
        tollgate.write("envoy.yaml", file.replacen(place, &[place, &manager].concat(), 1));
        let run = tollgate.run(["check", "envoy.yaml"]);
        assert_eq!(run.status, status, "{name}: {run:?}");
        assert!(run.stdout.contains(want), "{name}: {run:?}");
        assert!(run.stdout.contains("mtls.source: lowers security"), "{name}: {run:?}");
        assert_eq!(run.stdout.contains("mtls.hops: lowers security"), !hops.is_empty(), "{name}: {run:?}");
    }
}

#[test]
fn a_profile_is_held_to() {
    // FAP-01, FAP-02, FAP-03, FAP-05, FAP-06, FAP-09, FAP-11
    let good = "\
providers:
  main:
    issuer: https://login.example.com
    audiences: [https://api.example.com]
    validate: jwt_then_introspection
    algorithms: [PS256, ES256]
    jwks: {uri: https://login.example.com/keys, cluster: login}
    introspection:
      uri: https://login.example.com/introspect
      cluster: login
      client_auth: {method: private_key_jwt, client_id: gateway, private_key_env: TG_KEY, algorithm: ES256}
dpop: {algorithms: [ES256], nonce: required}
requires: {scopes: [orders:read], sender_constraint: dpop}
rules:
- {match: {path: /health}, access: anonymous}
- {match: {path: /b}, requires: {scopes: [b], sender_constraint: dpop}}
";
    #[rustfmt::skip]
    let cases = [
        ("as it should be",                  "", "", ""),
        ("FAP-01 the query",                 "dpop: {", "token: {from_params: [access_token]}\ndpop: {", "token.from_params: FAPI 2.0: tokens may only be in the Authorization field (§5.3.4)"),
        ("FAP-01 a WebSocket's protocol",    "dpop: {", "token: {from_websocket_protocol: bearer}\ndpop: {", "token.from_websocket_protocol: FAPI 2.0: tokens may"),
        ("FAP-01 a cookie",                  "dpop: {", "token: {from_cookies: [t]}\ndpop: {", "token.from_cookies: FAPI 2.0: tokens may only be"),
        ("FAP-01 a form",                    "dpop: {", "token: {from_form: true}\ndpop: {", "token.from_form: FAPI 2.0: tokens may only be"),
        ("FAP-01 another header",            "dpop: {", "token: {from_headers: [{name: authorization, scheme: Bearer}, {name: x-token}]}\ndpop: {", "token.from_headers[1]: FAPI 2.0: tokens may only be"),
        ("FAP-02 the query of a rule",       "path: /b}, ", "path: /b}, from_params: [t], ", "rules[1].from_params: FAPI 2.0: tokens may only be"),
        ("FAP-03 revocation is not seen",    "validate: jwt_then_introspection", "validate: jwt", "providers.main.validate: FAPI 2.0: a revoked token is accepted until it expires"),
        ("FAP-05 a token that is not bound", ", sender_constraint: dpop}\nrules", "}\nrules", "requires.sender_constraint: FAPI 2.0: tokens have to be bound"),
        ("FAP-05 by a rule",                 "[b], sender_constraint: dpop", "[b]", "rules[1].requires.sender_constraint: FAPI 2.0: tokens have to be bound"),
        ("FAP-06 RSA as it was",             "[PS256, ES256]", "[RS256, ES256]", "providers.main.algorithms: FAPI 2.0: RS256 may not be used; expected PS256, ES256 or EdDSA (§5.4.1)"),
        ("FAP-06 what is allowed unsaid",    "    algorithms: [PS256, ES256]\n", "", "providers.main.algorithms: FAPI 2.0: RS256 may not be used"),
        ("FAP-06 for proofs",                "{algorithms: [ES256], ", "{algorithms: [ES256, RS256], ", "dpop.algorithms: FAPI 2.0: RS256 may not be used"),
        ("FAP-09 a secret",                  "method: private_key_jwt, client_id: gateway, private_key_env: TG_KEY, algorithm: ES256", "client_id: gateway, client_secret_env: TG_SECRET", "providers.main.introspection.client_auth.method: FAPI 2.0: expected private_key_jwt, or none with mutual TLS"),
        ("FAP-09 a weak signature",          "algorithm: ES256}", "algorithm: RS256}", "client_auth.algorithm: FAPI 2.0: expected PS256, ES256 or EdDSA"),
        ("FAP-09 another audience",          "algorithm: ES256}", "algorithm: ES256, audience: https://login.example.com/introspect}", "client_auth.audience: FAPI 2.0: expected the issuer"),
        ("FAP-11 no proof is forgotten",     "nonce: required}", "replay_cache: 0}", "dpop.replay_cache: expected 1 to 1000000, got 0"),
        ("another profile's answers",        "dpop: {", "responses: {profile: anypoint}\ndpop: {", "responses.profile: FAPI 2.0: responses do not follow RFC 6750"),
    ];
    for (name, from, to, want) in cases {
        let tollgate = Tollgate::new();
        assert!(good.contains(from), "{name}");
        tollgate.write("c.yaml", good.replacen(from, to, 1));
        let run = tollgate.run(["check", "--profile", "fapi2", "c.yaml"]);
        assert_eq!(run.status, i32::from(!want.is_empty()), "{name}: {run:?}");
        assert!(run.stdout.contains(want), "{name}: {run:?}");
        let plain = tollgate.run(["check", "c.yaml"]);
        assert!(!plain.stdout.contains("FAPI"), "{name}: {plain:?}");
    }
}

#[test]
fn what_envoy_reads_otherwise_than_the_rules_is_said() {
    // PTH-04, PTH-10, PTH-11, PTH-12, PTH-18
    let tollgate = Tollgate::new();
    let dot = "          strip_trailing_host_dot: true\n";
    let routes = |option: &str, more: &str| {
        format!(
            "          route_config:\n            name: r\n{option}            virtual_hosts:\n            - {{domains: ['*'], routes: [{{match: {{prefix: /a{more}}}, route: {{cluster: a}}}}, {{match: {{prefix: /}}, route: {{cluster: b}}}}]}}\n"
        )
    };
    let ignoring = routes("            ignore_port_in_host_matching: true\n", "");
    let cutting = routes("            ignore_path_parameters_in_path_matching: true\n", "");
    let hosts = "rules:\n- match: {hosts: [a.example.com]}\n";
    let keeping = "rules:\n- match: {path: /a, escaped_slashes: keep}\n";
    let (reject, keep) = (
        "path_with_escaped_slashes_action: REJECT_REQUEST",
        "path_with_escaped_slashes_action: KEEP_UNCHANGED",
    );
    #[rustfmt::skip]
    let cases = [
        // name, the rules, what is added to the connection manager, what is said
        ("no hosts count",                String::new(), routes("", ""), vec![]),
        ("nothing is taken off",          hosts.to_owned(), String::new(), vec!["has a port is judged by the rules with and without it; to judge", "ends in a dot is judged"]),
        ("everything is taken off",       hosts.to_owned(), format!("{dot}          strip_any_host_port: true\n"), vec![]),
        ("both ignore ports",             format!("{hosts}matching: {{host_port: ignore}}\n"), format!("{dot}{ignoring}"), vec![]),
        ("the routes alone ignore ports", hosts.to_owned(), format!("{dot}{ignoring}"), vec!["although Envoy's router ignores ports"]),
        ("the rules alone ignore ports",  format!("{hosts}matching: {{host_port: ignore}}\n"), format!("{dot}{}", routes("", "")), vec!["but Envoy's router compares ports"]),
        ("the rules mind ports",          format!("{hosts}matching: {{host_port: literal}}\n"), format!("{dot}{ignoring}"), vec!["but Envoy's router ignores ports"]),
        ("the routes cut parameters",     "matching: {path_parameters: literal}\n".to_owned(), cutting.clone(), vec!["avoids its rule", "lowers security"]),
        ("the rules cut parameters",      "matching: {path_parameters: ignore}\n".to_owned(), routes("", ""), vec!["takes another route", "lowers security"]),
        ("both cut parameters",           "matching: {path_parameters: ignore}\n".to_owned(), cutting, vec!["lowers security"]),
        ("a route in any case",           "rules:\n- match: {path: /a}\n".to_owned(), routes("", ", case_sensitive: false"), vec!["takes paths in any letter case"]),
        ("and the rule, too",             "rules:\n- match: {path: /a, ignore_case: true}\n".to_owned(), routes("", ", case_sensitive: false"), vec![]),
        ("a slash that never arrives",    keeping.to_owned(), String::new(), vec!["must be KEEP_UNCHANGED", "lowers security"]),
        ("a slash that arrives",          keeping.to_owned(), keep.to_owned(), vec!["lowers security"]),
    ];
    for (name, rules, manager, wants) in cases {
        let file = envoy(RELOAD, &format!("{GOOD}{rules}"), CLUSTERS);
        let file = if manager == keep {
            file.replacen(reject, keep, 1)
        } else {
            let place = "          normalize_path: true\n";
            file.replacen(place, &[place, &manager].concat(), 1)
        };
        tollgate.write("envoy.yaml", file);
        let run = tollgate.run(["check", "envoy.yaml"]);
        let warnings = run.stdout.lines().filter(|line| line.contains("warning:")).count();
        assert_eq!(warnings, wants.len(), "{name}: {run:?}");
        for want in wants {
            assert!(run.stdout.contains(want), "{name}: {want}: {run:?}");
        }
    }
}

#[test]
fn a_good_configuration_has_no_faults_wherever_it_stands() {
    let tollgate = Tollgate::new();
    let indent = |by: usize| indented(GOOD, by);
    let value: serde_json::Value = serde_saphyr::from_str(GOOD).unwrap();
    let istio = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: x}\nspec:\n  vmConfig: {env: [{name: TG_SECRET, valueFrom: HOST}]}\n  pluginConfig:\n";
    let text = format!(
        "normalize_path: true\nmerge_slashes: true\npath_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT\nhttp_filters:\n- typed_config:\n    config:\n      failure_policy: FAIL_RELOAD\n      vm_config: {{environment_variables: {{key_values: {{TG_SECRET: x}}}}}}\n      configuration:\n        \"@type\": type.googleapis.com/google.protobuf.StringValue\n        value: |\n{}",
        indent(10)
    );
    let files = [
        ("plain.yaml", GOOD.to_owned(), "plain", (1, 1)),
        ("plain.json", value.to_string(), "plain", (1, 1)),
        ("envoy.yaml", envoy(RELOAD, GOOD, CLUSTERS), "envoy", (19, 21)),
        ("envoy-text.yaml", text.clone(), "envoy", (12, 11)),
        ("istio.yaml", format!("{istio}{}", indent(4)), "istio", (7, 5)),
        (
            "gateway.yaml",
            format!(
                "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nspec:\n  wasm:\n  - name: x\n    config:\n{}",
                indent(6)
            ),
            "envoy_gateway",
            (7, 7),
        ),
        (
            "map.yaml",
            format!("kind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  envoy.yaml: |\n{}", indented(&text, 4)),
            "envoy",
            (16, 15),
        ),
    ];
    for (name, content, kind, (line, column)) in files {
        tollgate.write(name, content);
        let run = tollgate.run(["check", name, "--json"]);
        let got = run.json();
        assert_eq!(
            (run.status, &got["faults"], &got["warnings"]),
            (0, &json!(0), &json!(0)),
            "{name}: {got:#}"
        );
        assert_eq!(
            got["files"][0]["configurations"],
            json!([{"kind": kind, "line": line, "column": column}]),
            "{name}"
        );
    }
    let run = tollgate.run(["check", "plain.yaml", "istio.yaml"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "no errors, no warnings in 2 configurations\n"));
}

#[test]
fn every_fault_has_its_line_and_column() {
    let tollgate = Tollgate::new();
    #[rustfmt::skip]
    let cases = [
        ("a misspelt key",       GOOD.replace("issuer", "isuer"),
         "x.yaml:3:5: error: providers.main.isuer: unknown key; did you mean \"issuer\"?"),
        ("a wrong value",        GOOD.replace("requires", "cache: {ttl: soon}\nrequires"),
         "x.yaml:9:14: error: cache.ttl: expected a duration, such as 250ms, 2s, 5m or 1h30m"),
        ("a missing key",        GOOD.replace("      cluster: login\n", ""),
         "x.yaml:5:5: error: providers.main.introspection.cluster: required, but missing"),
        ("an unknown name",      GOOD.replace("{scopes", "{providers: [maim], scopes"),
         "x.yaml:9:24: error: requires.providers[0]: no provider has this name; did you mean \"main\"?"),
        ("a list's entry",       GOOD.replace("orders:read", "\"orders read\""),
         "x.yaml:9:21: error: requires.scopes[0]: expected"),
        ("a key twice",          format!("{GOOD}requires: {{}}\n"),
         "x.yaml:10:1: error: `requires` is here twice; the first is at line 9"),
        ("no YAML at all",       "providers: [\n".to_owned(),
         "x.yaml:1:12: error: this bracket is not closed"),
        ("deep in an Envoy file", envoy(RELOAD, &GOOD.replace("issuer", "isuer"), CLUSTERS),
         "x.yaml:21:25: error: providers.main.isuer: unknown key"),
        ("no such cluster",      envoy(RELOAD, GOOD, "  clusters:\n  - name: other\n"),
         "x.yaml:25:36: error: no cluster \"login\" in static_resources.clusters"),
        ("OAU-21 https without TLS", envoy(RELOAD, GOOD, "  clusters:\n  - name: login\n"),
         "x.yaml:29:5: error: the endpoint is https, but the cluster \"login\" has no TLS: it needs a transport_socket"),
        ("a status list without TLS", envoy(RELOAD, &GOOD.replace("    introspection:", "    validate: jwt_then_introspection\n    jwks: {uri: \"https://login.example.com/jwks\", cluster: login}\n    status_list: {uris: [\"https://lists.example.com/1\"], cluster: lists}\n    introspection:"), &format!("{CLUSTERS}  - name: lists\n")),
         "the endpoint is https, but the cluster \"lists\" has no TLS: it needs a transport_socket"),
        ("INT-39 a certificate that nobody looks at", envoy(RELOAD, GOOD, "  clusters:\n  - name: login\n    transport_socket: {typed_config: {sni: x}}\n"),
         "x.yaml:29:5: error: the cluster \"login\" does not verify the authorization server's certificate"),
        ("a certificate of whatever authority", envoy(RELOAD, GOOD, &CLUSTERS.replace("trusted_ca: {}", "")),
         "the cluster \"login\" does not verify the authorization server's certificate: its validation_context needs trusted_ca"),
        ("names without an authority", envoy(RELOAD, GOOD, &CLUSTERS.replace("trusted_ca: {}", "match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]")),
         "does not verify the authorization server's certificate: its validation_context needs trusted_ca"),
        ("certificates that are not trusted", envoy(RELOAD, GOOD, &CLUSTERS.replace("trusted_ca: {}", "trusted_ca: {}, trust_chain_verification: ACCEPT_UNTRUSTED")),
         "does not verify the authorization server's certificate: trust_chain_verification: ACCEPT_UNTRUSTED"),
        ("the same, combined with others", envoy(RELOAD, GOOD, &CLUSTERS.replace("validation_context: {trusted_ca: {}}", "combined_validation_context: {default_validation_context: {trust_chain_verification: ACCEPT_UNTRUSTED}, validation_context_sds_secret_config: {name: a}}")),
         "does not verify the authorization server's certificate: trust_chain_verification: ACCEPT_UNTRUSTED"),
        ("a socket without TLS", envoy(RELOAD, GOOD, &CLUSTERS.replace("auto_host_sni: true", "\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")),
         "the endpoint is https, but the cluster \"login\" has no TLS: it needs a transport_socket"),
        ("a variable that the VM does not get", envoy(RELOAD, GOOD, CLUSTERS).replace("[TG_SECRET]", "[OTHER]"),
         "the VM does not get the variable TG_SECRET: vm_config.environment_variables.host_env_keys must list it"),
        ("a form without its switch", envoy(RELOAD, &GOOD.replace("requires", "token: {from_form: true}\nrequires"), CLUSTERS),
         "token.from_form needs allow_on_headers_stop_iteration: true here"),
        ("an event without it", envoy(RELOAD, &GOOD.replace("requires", "revocation: {events: [{path: /e, audiences: [a]}]}\nrequires"), CLUSTERS),
         "revocation.events needs allow_on_headers_stop_iteration: true here"),
    ];
    for (name, content, want) in cases {
        tollgate.write("x.yaml", content);
        let run = tollgate.run(["check", "x.yaml"]);
        assert_eq!(run.status, 1, "{name}: {run:?}");
        assert!(run.stdout.lines().any(|line| line.contains(want)), "{name}: {}", run.stdout);
        assert!(!run.stdout.contains("no errors"), "{name}: {}", run.stdout);
    }
}

#[test]
fn what_is_legal_and_unwise_is_a_warning() {
    let tollgate = Tollgate::new();
    #[rustfmt::skip]
    let cases = [
        ("a token in the query",  GOOD.replace("requires", "token: {from_params: [access_token]}\nrequires"),
         "x.yaml:9:9: warning: token.from_params: lowers security: URIs end up in logs and histories (RFC 6750 §5.3)."),
        ("a long TTL",            GOOD.replace("requires", "cache: {ttl: 1h}\nrequires"),
         "x.yaml:9:14: warning: cache.ttl: lowers security above \"15m\": A revoked token may be accepted for up to this long"),
        ("no audience",           GOOD.replace("    audiences: [https://api.example.com]\n", ""),
         "x.yaml:2:3: warning: providers.main: no audiences: a token that was issued for another API is accepted as well (RFC 9700 §2.3)"),
        ("RSI-02 no audience of the resource", format!("{GOOD}resource: {{identifier: \"https://api.example.com\", audience_check: ignore}}\n"),
         "x.yaml:10:67: warning: resource.audience_check: lowers security with \"ignore\": A token that was issued for another API may be accepted."),
        ("MCP-02 a server that nobody is told of", format!("{GOOD}rules: [{{match: {{prefix: /mcp}}, requires: {{scopes: [a]}}}}]\n"),
         "x.yaml:10:9: warning: rules[0]: if this is an MCP server, its clients find the authorization server by protected resource metadata"),
        ("MCP-07 a token that goes on", format!("{GOOD}resource: {{identifier: \"https://api.example.com/mcp\", profile: mcp}}\ntoken: {{forward: true}}\n"),
         "x.yaml:11:18: warning: token.forward: the upstream receives the clients' tokens"),
        ("MCP-10 a scope for refresh tokens", format!("{}resource: {{identifier: \"https://api.example.com/mcp\", profile: mcp}}\n", GOOD.replace("[orders:read]", "[orders:read, offline_access]")),
         "x.yaml:9:34: warning: requires.scopes[1]: an MCP server does not need refresh tokens"),
        ("MCP-12 a root without its slash", format!("{GOOD}resource: {{identifier: \"https://api.example.com\", profile: mcp}}\n"),
         "x.yaml:10:24: warning: resource.identifier: MCP clients request a token for this URI with a final slash"),
        ("PRM-06 no authorization server is told", format!("{}resource: {{identifier: \"https://api.example.com/\"}}\n", GOOD.replace("    issuer: https://login.example.com\n", "")),
         "warning: resource.authorization_servers: no authorization server is known"),
        ("no issuer",             GOOD.replace("    issuer: https://login.example.com\n", ""),
         "x.yaml:2:3: warning: providers.main: no issuer:"),
        ("a secret in plain text", GOOD.replace("client_secret_env: TG_SECRET", "client_secret: hunter2"),
         "x.yaml:8:56: warning: providers.main.introspection.client_auth.client_secret: lowers security: The secret is in plain text"),
        ("plain http",            GOOD.replace("uri: https", "uri: http"),
         "x.yaml:6:12: warning: providers.main.introspection.uri: plain http:"),
        ("plain http, in disguise", GOOD.replace("uri: https://login.example.com", "uri: http://localhost.example.com"),
         "x.yaml:6:12: warning: providers.main.introspection.uri: plain http:"),
        ("a list in plain http",  format!("{GOOD}client_lists: {{l: {{uri: 'http://lists.example.com/l', cluster: c}}}}\n"),
         "x.yaml:10:25: warning: client_lists.l.uri: plain http: unless the cluster adds TLS, anyone on the network path can decide which clients may call"),
        ("a list of long ago",    format!("{GOOD}client_lists: {{l: {{uri: 'https://lists.example.com/l', cluster: c, refresh: 1h}}}}\n"),
         "warning: client_lists.l.refresh: lowers security above \"5m\": A client that was removed from the list"),
        ("shadow",                format!("{GOOD}mode: shadow\n"),
         "x.yaml:10:7: warning: mode: lowers security with \"shadow\": Nothing is blocked, and the token reaches the upstream even with \"token.forward: false\"."),
        ("no demands",            GOOD.replace("requires: {scopes: [orders:read]}\n", ""),
         "warning: requires: nothing is required: any valid token is accepted for every request"),
        ("a rule out of reach",   format!("{GOOD}rules: [{{match: {{prefix: /}}}}, {{match: {{path: /x}}}}]\n"),
         "x.yaml:10:31: warning: rules[1]: never reached: rules[0] matches everything"),
        ("fail-open",             envoy("                failure_policy: FAIL_OPEN\n", GOOD, CLUSTERS),
         "x.yaml:14:33: warning: failure_policy: FAIL_OPEN accepts every request"),
        ("no failure policy",     envoy("", GOOD, CLUSTERS),
         "warning: no failure_policy: requests are rejected while the filter cannot run; FAIL_RELOAD also starts the filter again"),
        ("INT-39 a certificate of anyone", envoy(RELOAD, GOOD, &CLUSTERS.replace("auto_sni_san_validation: true, ", "")),
         "x.yaml:29:5: warning: the cluster \"login\" does not check the certificate's name, so any certificate of a trusted authority is accepted"),
        ("no server name",        envoy(RELOAD, GOOD, &CLUSTERS.replace("auto_host_sni: true, ", "")),
         "x.yaml:29:5: warning: the cluster \"login\" sends no server name"),
        ("PTH-04 two readings of a path", envoy(RELOAD, GOOD, CLUSTERS).replace("          merge_slashes: true\n", ""),
         "warning: other filters and routes may read a path differently from Tollgate; the connection manager lacks merge_slashes: true"),
        ("Istio, fail-open",      format!("kind: WasmPlugin\nmetadata: {{name: tollgate}}\nspec:\n  failStrategy: FAIL_OPEN\n  vmConfig: {{env: [{{name: TG_SECRET}}]}}\n  pluginConfig:\n{}", indented(GOOD, 4)),
         "x.yaml:4:17: warning: failStrategy: FAIL_OPEN accepts every request"),
        ("the same, newer",       format!("kind: TrafficExtension\nmetadata: {{name: tollgate}}\nspec:\n  wasm:\n    failStrategy: FAIL_OPEN\n    vmConfig: {{env: [{{name: TG_SECRET}}]}}\n    pluginConfig:\n{}", indented(GOOD, 6)),
         "x.yaml:5:19: warning: failStrategy: FAIL_OPEN accepts every request"),
    ];
    for (name, content, want) in cases {
        tollgate.write("x.yaml", content);
        let run = tollgate.run(["check", "x.yaml"]);
        assert_eq!(run.status, 0, "{name}: {run:?}");
        assert!(
            run.stdout.lines().any(|line| line.starts_with(want) || line.contains(want)),
            "{name}: {}",
            run.stdout
        );
        assert!(!run.stdout.contains("hunter2"), "{name}");
        let strict = tollgate.run(["check", "--strict", "x.yaml"]);
        assert_eq!(strict.status, 1, "{name}");
    }
}

#[test]
fn a_plugin_that_istio_installs_nowhere_is_a_fault() {
    let label = |label: &str| format!("selector: {{matchLabels: {{{label}}}}}");
    let target =
        |kind: &str| format!("targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: front}}]");
    let on_gateway = "mode: SERVER does not install the filter on a gateway, which Istio treats as a client";
    let on_sidecar = "mode: CLIENT is for requests that the workload itself sends";
    #[rustfmt::skip]
    let cases = [
        ("a gateway by its label",          label("istio: ingressgateway"),      "[{mode: SERVER}]",                    Some(on_gateway)),
        ("an east-west gateway",            label("istio: eastwestgateway"),     "[{mode: SERVER}]",                    Some(on_gateway)),
        ("a gateway by another label",      label("app: istio-ingressgateway"),  "[{mode: SERVER, ports: [{number: 80}]}]", Some(on_gateway)),
        ("a gateway of the Gateway API",    label("gateway.networking.k8s.io/gateway-name: front"), "[{mode: SERVER}]", Some(on_gateway)),
        ("a gateway by reference",          target("Gateway"),                   "[{mode: SERVER}]",                    Some(on_gateway)),
        ("a gateway without a match",       label("istio: ingressgateway"),      "[]",                                  None),
        ("a gateway, both ways",            label("istio: ingressgateway"),      "[{mode: CLIENT_AND_SERVER}]",         None),
        ("a gateway, as a client",          label("istio: ingressgateway"),      "[{mode: SERVER}, {mode: CLIENT}]",    None),
        ("a gateway, by ports",             target("Gateway"),                   "[{ports: [{number: 443}]}]",          None),
        ("a workload named like one",       label("app: payment-gateway"),       "[{mode: SERVER}]",                    None),
        ("a sidecar",                       label("app: orders"),                "[{mode: SERVER}]",                    None),
        ("a sidecar, as a client",          label("app: orders"),                "[{mode: CLIENT}]",                    Some(on_sidecar)),
        ("a service, as a client",          target("Service"),                   "[{mode: CLIENT}]",                    Some(on_sidecar)),
        ("everything in the namespace, as a client", "priority: 1".to_owned(),   "[{mode: CLIENT}]",                    Some(on_sidecar)),
    ];
    for (name, selector, traffic, want) in cases {
        let at = Tollgate::new();
        at.write("istio.yaml", format!("kind: WasmPlugin\nmetadata: {{name: tollgate}}\nspec:\n  {selector}\n  match: {traffic}\n  vmConfig: {{env: [{{name: TG_SECRET}}]}}\n  pluginConfig:\n{}", indented(GOOD, 4)));
        at.write("newer.yaml", format!("kind: TrafficExtension\nmetadata: {{name: tollgate}}\nspec:\n  {selector}\n  match: {traffic}\n  wasm:\n    vmConfig: {{env: [{{name: TG_SECRET}}]}}\n    pluginConfig:\n{}", indented(GOOD, 6)));
        for file in ["istio.yaml", "newer.yaml"] {
            let run = at.run(["check", file]);
            match want {
                Some(want) => assert!(run.status == 1 && run.stdout.contains(want), "{name}: {run:?}"),
                None => assert_eq!(run.status, 0, "{name}: {run:?}"),
            }
        }
    }
}

#[test]
fn a_variable_that_is_set_here_is_looked_at() {
    let bearer = GOOD.replace(
        "{client_id: gateway, client_secret_env: TG_SECRET}",
        "{method: bearer, bearer_token_env: TG_SECRET}",
    );
    let unset = Tollgate::new();
    unset.write("x.yaml", &bearer);
    assert_eq!(unset.run(["check", "x.yaml"]).status, 0);
    let set = Tollgate::new().variable("TG_SECRET", "hunter2 hunter2");
    set.write("x.yaml", &bearer);
    let run = set.run(["check", "x.yaml"]);
    assert_eq!(run.status, 1);
    assert!(run.stdout.contains("x.yaml:8:55: error: providers.main.introspection.client_auth.bearer_token_env: expected an environment variable that holds") && !run.stdout.contains("hunter2"), "{}", run.stdout);
}

#[test]
fn what_cannot_be_checked_is_said() {
    let none = tollgate(["check", "nowhere.yaml"]);
    assert_eq!(
        (none.status, none.stderr.as_str()),
        (2, "tollgate: cannot read nowhere.yaml: no such file or directory\n")
    );
    let directory = tollgate(["check", "."]);
    assert_eq!(
        (directory.status, directory.stderr.as_str()),
        (2, "tollgate: cannot read .: it is a directory\n")
    );
    let other = Tollgate::new();
    other.write("other.yaml", "kind: Deployment\nmetadata: {name: x}\n");
    let run = other.run(["check", "other.yaml"]);
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.starts_with("tollgate: no configuration of Tollgate in other.yaml\n  Expected a document"),
        "{}",
        run.stderr
    );
    // Beside one that has a configuration, it is none of our business.
    other.write("good.yaml", GOOD);
    let both = other.run(["check", "other.yaml", "good.yaml"]);
    assert_eq!(
        (both.status, both.stdout.as_str()),
        (0, "other.yaml: no configuration of Tollgate\nno errors, no warnings in 1 configuration\n")
    );
    // The short file of `tollgate run` has a command of its own.
    other.write(
        "gateway.yaml",
        "providers: {main: {issuer: 'https://a.example'}}\napis: {a: {upstream: 'http://b'}}\n",
    );
    for args in [&["check", "gateway.yaml"][..], &["doctor", "gateway.yaml"]] {
        let run = other.run(args);
        let want = "tollgate: gateway.yaml is a short file, not a configuration of the filter\n  `tollgate generate envoy gateway.yaml --out DIR` checks it";
        assert!(run.status == 2 && run.stderr.starts_with(want), "{run:?}");
    }
    let input = other.run_with_input(["check", "-"], GOOD);
    assert_eq!((input.status, input.stdout.as_str()), (0, "no errors, no warnings in 1 configuration\n"));
    let nothing = tollgate(["check"]);
    assert!(nothing.status == 2 && nothing.stderr.contains("<FILE>"), "{nothing:?}");
}

#[test]
fn the_examples_have_no_faults() {
    let root = std::path::Path::new(crate::ROOT);
    for file in [
        "envoy/introspection.yaml",
        "envoy/credential-injector.yaml",
        "envoy/demo/envoy.yaml",
        "envoy/istio/traffic-extension.yaml",
        "envoy/istio/wasm-plugin.yaml",
    ] {
        let run = Tollgate::new().run(["check".as_ref(), root.join(file).as_os_str()]);
        assert_eq!(run.status, 0, "{file}: {}", run.stdout);
    }
}
