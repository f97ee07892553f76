//! What an operator sees of an Envoy that is generated: metrics, and the access log.

use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::Request;
use tollgate_e2e::operator::Operator;
use tollgate_e2e::upstream::Upstream;

use super::Gateway;

#[test]
fn prometheus_gets_metrics_by_verdict_rule_and_provider() {
    let gateway = Gateway::start(
        r#"
listen: 127.0.0.1:0
providers:
  main: {introspection_endpoint: "http://as.test/i", client_id: gateway, client_secret_file: secret}
apis:
  orders:
    upstream: "http://api.test"
    scopes: [read]
    rules: [{name: health, match: {path: /health}, access: anonymous}]
"#,
    );
    gateway.server.on("good", [Behaviour::active_for(600, "read")]);
    gateway.server.on("small", [Behaviour::active_for(600, "other")]);
    for (path, token) in [
        ("/orders", Some("good")),
        ("/orders", Some("good")),
        ("/orders", Some("small")),
        ("/orders", None),
        ("/health", None),
    ] {
        let request = Request::get(path);
        let request = token.into_iter().fold(request, Request::bearer);
        request.send(gateway.port);
    }
    let wanted = [
        r#"tollgate_requests_total{verdict="allowed",rule="orders",provider="main"} 2"#,
        r#"tollgate_requests_total{verdict="insufficient_scope",rule="orders",provider="main"} 1"#,
        r#"tollgate_requests_total{verdict="no_token",rule="orders",provider="-"} 1"#,
        r#"tollgate_requests_total{verdict="anonymous",rule="health",provider="-"} 1"#,
        r#"tollgate_verdict{verdict="allowed"} 2"#,
        r#"tollgate_introspection_duration_milliseconds_count{provider="main"} 2"#,
        r#"tollgate_introspection_duration_milliseconds_bucket{provider="main",le="60000"} 2"#,
        "tollgate_introspection_in_flight{} 0",
    ];
    // They are told once a second, and histograms are merged every five seconds.
    gateway.envoy.wait_until("all metrics are there", || {
        let page = gateway.envoy.admin("/stats/prometheus");
        wanted.iter().all(|line| page.lines().any(|found| labels(found) == labels(line)))
    });
}

#[test]
fn the_access_log_says_why_one_client_is_refused() {
    let (at, server) = (Operator::new(), AuthorizationServer::start());
    let upstream = Upstream::start();
    at.write("secret", "hush-secret\n");
    at.write(
        "gateway.yaml",
        &format!(
            r#"
listen: 127.0.0.1:0
providers:
  main: {{introspection_endpoint: "http://127.0.0.1:{}/i", client_id: gateway, client_secret_file: secret}}
apis:
  orders: {{upstream: "http://127.0.0.1:{}", scopes: [read]}}
"#,
            server.port(),
            upstream.port()
        ),
    );
    at.generate(&["gateway.yaml"]);
    let envoy = at.envoy(&[]);
    let small =
        Behaviour::json(r#"{"active":true,"client_id":"shop","sub":"ann","scope":"other","exp":4000000000}"#);
    server.on("hush-small", [small]);
    for _ in 0..2 {
        assert_eq!(Request::get("/orders").bearer("hush-small").send(envoy.port("apis")).status(), 403);
    }
    envoy.wait_for_log(0, r#""cache":"hit""#);
    let line = envoy.log().lines().find(|line| line.contains(r#""cache":"hit""#)).map(str::to_owned);
    let line: serde_json::Value = serde_json::from_str(&line.unwrap_or_default()).unwrap_or_default();
    let said = ["verdict", "rule", "provider", "client_id", "sub", "reason"].map(|name| line[name].as_str());
    let want = ["insufficient_scope", "orders", "main", "shop", "ann", "a scope is missing; needed: read"];
    assert_eq!(said, want.map(Some));
    let fingerprint = line["token_fingerprint"].as_str().unwrap_or_default().to_owned();
    assert_eq!(fingerprint.len(), 16, "{line}");
    envoy.assert_clean_log(&["hush"]);
}

/// A line with its labels in one order.
fn labels(line: &str) -> (String, Vec<String>, String) {
    let (name, rest) = line.split_once('{').unwrap_or((line, "}"));
    let (labels, value) = rest.split_once('}').unwrap_or((rest, ""));
    let mut labels: Vec<_> = labels.split(',').map(str::to_owned).collect();
    labels.sort();
    (name.to_owned(), labels, value.to_owned())
}
