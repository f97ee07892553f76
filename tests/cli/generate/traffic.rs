//! What `tollgate generate` writes about requests and responses: streams, limits, and what our own check says of it.

use std::path::Path;

use serde_json::{Value, json};

use super::{SEVERAL, documents, policy_in, with_client};
use crate::support::Tollgate;

#[test]
fn streams_websockets_and_grpc_have_what_they_need() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", r#"
providers:
  main: {introspection_endpoint: "https://login.example.com/ask", client_id: gateway, client_secret_file: secret}
apis:
  plain: {upstream: "http://a:1", scopes: [a]}
  chat: {upstream: "http://b:1", prefix: /chat, scopes: [a], websocket: true, idle_timeout: 1m, max_stream_duration: 8h}
  rpc: {upstream: "https://c.example.net", prefix: /rpc, scopes: [a], grpc: true}
  short: {upstream: "http://d:1", prefix: /short, scopes: [a], timeout: 2s500ms}
"#);
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    let envoy: Value = serde_saphyr::from_str(&run.stdout).unwrap();
    let manager =
        &envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap();
    let route = |prefix: &str| {
        let of = |route: &&Value| {
            let matcher = &route["match"];
            matcher["prefix"] == prefix || matcher["path_separated_prefix"] == prefix
        };
        routes.iter().find(of).unwrap()["route"].clone()
    };
    let longest = |text: &str| json!({"max_stream_duration": text, "grpc_timeout_header_max": text});
    assert_eq!(
        route("/"),
        json!({"cluster": "api-plain", "timeout": "0s", "idle_timeout": "300s", "max_stream_duration": longest("3600s")})
    );
    assert_eq!(
        route("/chat"),
        json!({
            "cluster": "api-chat", "timeout": "0s", "idle_timeout": "60s", "max_stream_duration": longest("28800s"),
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        })
    );
    // Beside a max_stream_duration, Envoy would not look at the timeout.
    let short = json!({"cluster": "api-short", "timeout": "2.500s", "idle_timeout": "300s"});
    assert_eq!(route("/short"), short);
    assert_eq!(manager["common_http_protocol_options"]["max_stream_duration"], "28800s");
    assert_eq!(manager["http2_protocol_options"]["allow_connect"], true);
    let clusters = envoy["static_resources"]["clusters"].as_array().unwrap();
    let options = |name: &str| {
        let cluster = clusters.iter().find(|cluster| cluster["name"] == name).unwrap();
        let options = &cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
        (
            options["explicit_http_config"].clone(),
            cluster["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"].clone(),
        )
    };
    assert_eq!(options("api-rpc"), (json!({"http2_protocol_options": {}}), json!(["h2"])));
    assert_eq!(options("api-plain"), (Value::Null, Value::Null));
    // The same for Envoy Gateway, which has WebSockets on all routes.
    let run = at.run(["generate", "envoy-gateway", "gateway.yaml"]);
    let resources = documents(&run.stdout);
    let named = |kind: &str, name: &str| {
        resources.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap()["spec"]
            .clone()
    };
    let http = json!({"streamIdleTimeout": "5m"});
    assert_eq!(named("BackendTrafficPolicy", "tollgate")["timeout"]["http"], http);
    let limit = json!({"value": 10000, "maxStreamDuration": "8h"});
    assert_eq!(named("ClientTrafficPolicy", "tollgate")["connection"]["connectionLimit"], limit);
    assert_eq!(named("Backend", "api-rpc")["appProtocols"], json!(["gateway.envoyproxy.io/h2c"]));
    let rules = named("HTTPRoute", "apis-1")["rules"].clone();
    let timeouts: Vec<_> =
        rules.as_array().unwrap().iter().map(|rule| rule["timeouts"]["request"].clone()).collect();
    assert_eq!(timeouts, ["2s500ms", "0s", "0s", "0s"]);
    // Flags say the same.
    let at = with_client("client_secret_basic");
    let run = at.line("generate envoy --client gateway --upstream http://a:1 --scope a --websocket --grpc");
    assert_eq!(run.status, 0, "{run:?}");
    for line in
        ["upgrade_configs: [{upgrade_type: websocket}]", "explicit_http_config: {http2_protocol_options: {}}"]
    {
        assert!(run.stdout.contains(line), "{line} is not in\n{}", run.stdout);
    }
}

#[test]
fn what_operations_advises_is_generated() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    let generate = |more: &str| {
        at.write("gateway.yaml", format!("{SEVERAL}{more}\n"));
        let run = at.run(["generate", "envoy", "gateway.yaml"]);
        assert_eq!(run.status, 0, "{run:?}");
        serde_saphyr::from_str::<Value>(&run.stdout).unwrap()
    };
    let manager = |envoy: &Value| {
        envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"].clone()
    };
    let envoy = generate("");
    let limit = "/overload_manager/resource_monitors/0/typed_config/max_active_downstream_connections";
    assert_eq!(envoy.pointer(limit), Some(&json!(10000)));
    // INT-40: what Envoy keeps of a response, here and in the examples
    let buffered = |envoy: &Value| {
        envoy["layered_runtime"]["layers"][0]["static_layer"]["http.async_response_buffer_limit"].clone()
    };
    assert_eq!(buffered(&envoy), 1_114_112);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy");
    let files = std::fs::read_dir(&examples).unwrap().map(|file| file.unwrap().path());
    let mut seen = 0;
    for file in files.chain([examples.join("demo/envoy.yaml")]).filter(|file| file.is_file()) {
        let text = std::fs::read_to_string(&file).unwrap();
        if text.contains("\nstatic_resources:") {
            seen += 1;
            assert_eq!(buffered(&serde_saphyr::from_str(&text).unwrap()), 1_114_112, "{}", file.display());
        }
    }
    assert!(seen > 10, "{seen} examples");
    let filters = manager(&envoy)["http_filters"].clone();
    assert_eq!(filters[0]["name"], "envoy.filters.http.local_ratelimit");
    let bucket = &filters[0]["typed_config"]["descriptors"][0]["token_bucket"];
    assert_eq!((&bucket["max_tokens"], &bucket["fill_interval"]), (&json!(1000), &json!("1s")));
    let log = &manager(&envoy)["access_log"][0]["typed_config"]["log_format"]["json_format"];
    assert_eq!(log["client_id"], "%FILTER_STATE(wasm.tollgate.client_id:PLAIN)%");
    assert_eq!(log["sub"], "%FILTER_STATE(wasm.tollgate.sub:PLAIN)%");
    assert_eq!(log["rule"], "%FILTER_STATE(wasm.tollgate.rule:PLAIN)%");
    assert_eq!(policy_in(&envoy)["log"]["fields"].as_array().map(Vec::len), Some(9));
    let clusters = envoy["static_resources"]["clusters"].as_array().unwrap();
    let provider = clusters.iter().find(|cluster| cluster["name"] == "provider-main").unwrap();
    assert_eq!(provider["circuit_breakers"]["thresholds"][0]["max_requests"], 8192);
    // The policy gives calls one second; to connect takes less.
    assert_eq!(provider["connect_timeout"], "0.500s");
    assert_eq!(policy_in(&envoy)["token"], Value::Null);
    // What is written counts.
    let envoy = generate("max_connections: 7\nrate_limit: 0\ntls: {certificate: c.pem, key: k.pem}");
    assert_eq!(envoy.pointer(limit), Some(&json!(7)));
    assert_eq!(manager(&envoy)["http_filters"][0]["name"], "tollgate");
    assert_eq!(policy_in(&envoy)["token"], json!({"require_tls": true}));
    let envoy = generate("rate_limit: 5\nlogin: {client_id: web, client_secret_file: secret}");
    let filters = manager(&envoy)["http_filters"].clone();
    let names: Vec<_> = filters.as_array().unwrap().iter().map(|filter| filter["name"].clone()).collect();
    let order = ["local_ratelimit", "oauth2"].map(|name| format!("envoy.filters.http.{name}"));
    assert_eq!(names[..2], order);
    assert_eq!(filters[0]["typed_config"]["descriptors"][0]["token_bucket"]["max_tokens"], 5);
}

#[test]
fn clients_are_limited_by_what_the_filter_tells() {
    let at = Tollgate::new();
    let file = |more: &str| {
        at.write("secret", "hush-secret\n");
        let file = "providers: {main: {introspection_endpoint: \"https://a.example/i\", client_id: a, client_secret_file: secret}}\napis: {a: {upstream: \"http://b.example\"}}\nclient_rate_limit: {default: 2, tiers: {gold: 5}}\n";
        at.write("gateway.yaml", format!("{file}{more}"));
        at.run(["generate", "envoy", "gateway.yaml"])
    };
    let run = file("");
    assert_eq!(run.status, 0, "{run:?}");
    assert!(
        run.stdout.contains(r#"- entries: [{key: tier, value: "gold"}, {key: client}]"#),
        "{}",
        run.stdout
    );
    assert_eq!(file("policy: {log: {fields: [client_id, tier]}}").status, 0);
    let run = file("policy: {log: {fields: [client_id]}}");
    assert_ne!(run.status, 0);
    assert!(run.stderr.contains("policy.log.fields: client_rate_limit needs client_id and tier"), "{run:?}");
}

/// Whatever is generated, our own check has nothing to say against it.
#[test]
fn what_is_written_is_beyond_reproach() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("ca.pem", include_str!("../../demo/tls/ca.pem"));
    at.write("c.pem", include_str!("../../demo/tls/server.pem"));
    at.write("k.pem", include_str!("../../demo/tls/server-key.pem"));
    let provider = "issuer: \"https://login.example.com\", introspection_endpoint: \"https://login.example.com/ask\", audiences: [\"https://api.example.com\"], client_id: g, client_secret_file: secret";
    let one = |provider: &str, api: &str, more: &str| {
        format!(
            "providers:\n  main: {{{provider}}}\napis:\n  a: {{upstream: \"http://a:1\", scopes: [a]{api}}}\nkubernetes: {{selector: {{app: a}}}}\n{more}\n"
        )
    };
    let cases = [
        ("the least", one(provider, "", "")),
        ("TLS", one(provider, "", "tls: {certificate: c.pem, key: k.pem}")),
        ("a client that posts", one(&format!("{provider}, auth_method: client_secret_post"), "", "")),
        (
            "an authority of its own",
            one(&format!("{provider}, ca_file: ca.pem"), ", upstream_ca_file: ca.pem", ""),
        ),
        (
            "streams",
            one(
                provider,
                ", websocket: true, grpc: true, timeout: 1m, prefix: /a, hosts: [a.example.com]",
                "",
            ),
        ),
        (
            "an audience for each API",
            format!(
                "providers:\n  main: {{{}}}\napis:\n  a: {{upstream: \"http://a:1\", scopes: [a], audiences: [a], rules: [{{match: {{path: /health}}, access: anonymous}}]}}\n  b: {{upstream: \"http://b:1\", prefix: /b, audiences: [b], scopes: [b]}}\nkubernetes: {{selector: {{app: a}}}}\n",
                provider.replace("audiences: [\"https://api.example.com\"], ", "")
            ),
        ),
        (
            "JWTs",
            one(
                "issuer: \"https://login.example.com\", jwks_uri: \"https://login.example.com/k\", audiences: [x], validate: jwt",
                "",
                "",
            ),
        ),
        (
            "an MCP server",
            one(
                provider,
                ", prefix: /mcp, resource: {identifier: \"https://t.example.com/mcp\", profile: mcp}",
                "",
            ),
        ),
        (
            "a list and a policy",
            one(
                provider,
                ", client_list: l",
                "client_lists: {l: {uri: \"https://l.example.com/l\", bearer_token_env: L}}\npolicy: {cache: {ttl: 30s}, token: {forward: false}}",
            ),
        ),
        ("limits", one(provider, "", "rate_limit: 10\nmax_connections: 10\nlisten: 0.0.0.0:80")),
    ];
    for (name, short) in cases {
        at.write("gateway.yaml", &short);
        for (target, file) in
            [("envoy", "envoy"), ("compose", "envoy"), ("istio", "istio"), ("envoy-gateway", "envoy-gateway")]
        {
            let out = format!("{target}-out");
            let run = at.run(["generate", target, "gateway.yaml", "--out", &out, "--force"]);
            assert_eq!(run.status, 0, "{name}, {target}: {run:?}");
            let check = at.run(["check", "--strict", &format!("{out}/{file}.yaml")]);
            let want = "no errors, no warnings in 1 configuration\n";
            assert_eq!((check.status, check.stdout.as_str()), (0, want), "{name}, {target}: {check:?}");
        }
    }
}

/// So it is with what three commands lead to.
#[test]
fn a_first_configuration_is_beyond_reproach() {
    let at = with_client("client_secret_basic");
    let run = at.line("generate envoy --client gateway --upstream http://127.0.0.1:3000 --scope orders:read --audience https://api.example.com --admin 127.0.0.1:9999 --out out");
    assert_eq!(run.status, 0, "{run:?}");
    assert!(at.read("out/envoy.yaml").contains("socket_address: {address: \"127.0.0.1\", port_value: 9999}"));
    let check = at.run(["check", "--strict", "out/envoy.yaml"]);
    assert_eq!(check.stdout, "no errors, no warnings in 1 configuration\n", "{check:?}");
    // Whoever opens the admin pages to others is told.
    let run =
        at.line("generate envoy --client gateway --upstream http://127.0.0.1:3000 --admin 0.0.0.0:9901");
    assert!(run.stderr.contains("anyone who reaches it can stop Envoy"), "{run:?}");
}
