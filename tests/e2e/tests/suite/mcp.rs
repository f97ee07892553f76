//! An MCP server behind Envoy, with the real MCP client, the real oidc-provider, and the published MCP
//! conformance tests for servers.

use serde_json::{Value, json};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::Envoy;
use tollgate_e2e::node::Node;
use tollgate_e2e::ports::{dead_port, reserved_port};
use tollgate_e2e::stage::{Plugin, Stage};

#[test]
fn a_real_client_finds_its_way_from_the_challenge_to_the_tool() {
    // MCP-01, MCP-02, MCP-03, MCP-04, MCP-05, MCP-06, MCP-07, MCP-09, PRM-01, PRM-10, PRM-12, PRM-13, RSI-02
    let servers = Servers::start("tests/mcp/server.mjs");
    let told = Node::run(
        "tests/mcp/client.mjs",
        &[("MCP_URL", servers.mcp_url.as_str()), ("ISSUER", servers.issuer.as_str())],
    );
    assert!(told.ends_with("all held\n"), "{told}");
    let verdicts = servers.envoy.counters("verdict");
    for verdict in ["metadata", "allowed", "no_token", "invalid_token", "insufficient_scope"] {
        assert!(verdicts.get(verdict).is_some_and(|count| *count > 0), "{verdict}: {verdicts:?}");
    }
    servers.envoy.assert_clean_log(&[GATEWAY_SECRET]);
}

#[test]
fn a_client_without_sessions_finds_its_way_too() {
    // MCP-02, MCP-03, MCP-04, MCP-08: the revision 2026-07-28, by the client and the server that implement it.
    let servers = Servers::start("tests/mcp/modern-server.mjs");
    let told = Node::run("tests/mcp/modern-client.mjs", &[("MCP_URL", servers.mcp_url.as_str())]);
    assert!(told.ends_with("all held\n"), "{told}");
    servers.envoy.assert_clean_log(&[GATEWAY_SECRET]);
}

#[test]
fn the_published_conformance_tests_pass_through_the_gateway() {
    // MCP-08
    let servers = Servers::start("tests/mcp/server.mjs");
    let told = Node::run(
        "tests/mcp/conformance.mjs",
        &[("MCP_URL", servers.mcp_url.as_str()), ("ISSUER", servers.issuer.as_str())],
    );
    assert!(told.ends_with("all passed\n"), "{told}");
}

#[test]
fn metadata_is_served_by_envoy_alone() {
    // PRM-10, PRM-11, PRM-15, PRM-18: neither the upstream nor the authorization server is there.
    let port = reserved_port();
    let envoy = Stage::new()
        .listener("mcp", Plugin { port, ..Plugin::new(configuration(port, "http://127.0.0.1:9")) })
        .cluster("upstream", dead_port())
        .cluster("as", dead_port())
        .start();
    let path = "/.well-known/oauth-protected-resource/mcp";
    let answer = Request::get(path).host("evil.example").send(port);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.all("content-type"), ["application/json"]);
    let metadata: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(metadata["resource"], format!("http://127.0.0.1:{port}/mcp"));
    assert!(!answer.whole().contains("evil.example"));
    let head = Request::new("HEAD", path).send(port);
    assert_eq!((head.status(), head.body.len()), (200, 0));
    assert_eq!(Request::new("POST", path).send(port).status(), 405);
    let preflight = Request::new("OPTIONS", path)
        .header("Origin", "https://inspector.example")
        .header("Access-Control-Request-Method", "GET")
        .send(port);
    assert_eq!(
        (preflight.status(), preflight.all("access-control-allow-origin")),
        (204, vec!["*".to_owned()])
    );
    assert_eq!(envoy.counters("verdict")["metadata"], 4);
}

/// Everything that a client meets.
struct Servers {
    envoy: Envoy,
    mcp_url: String,
    issuer: String,
    _processes: [Node; 2],
}

impl Servers {
    /// With one of the MCP servers.
    fn start(server: &str) -> Self {
        let [public, own, authorization] = [reserved_port(), reserved_port(), reserved_port()];
        let issuer = format!("http://127.0.0.1:{authorization}");
        let processes = [
            Node::start(
                "tests/mcp/authorization-server.mjs",
                &[("PORT", &authorization.to_string()), ("GATEWAY_SECRET", GATEWAY_SECRET)],
            ),
            Node::start(server, &[("PORT", &own.to_string())]),
        ];
        let envoy = Stage::new()
            .listener("mcp", Plugin { port: public, ..Plugin::new(configuration(public, &issuer)) })
            .cluster("upstream", own)
            .cluster("as", authorization)
            .start();
        Self { envoy, mcp_url: format!("http://127.0.0.1:{public}/mcp"), issuer, _processes: processes }
    }
}

fn configuration(port: u16, issuer: &str) -> Value {
    let call = json!({"name": "mcp-method", "exact": "tools/call"});
    json!({
        "providers": {"main": {
            "issuer": issuer,
            "introspection": {
                "uri": format!("{issuer}/token/introspection"),
                "cluster": "as",
                "timeout": "10s",
                "client_auth": {"client_id": "gateway", "client_secret": GATEWAY_SECRET},
            },
        }},
        "resource": {"identifier": format!("http://127.0.0.1:{port}/mcp"), "profile": "mcp", "name": "Notes"},
        "requires": {"scopes": ["notes:read"]},
        "rules": [
            {
                "name": "tools-that-read",
                "match": {"path": "/mcp", "headers": [call, {"name": "mcp-name", "exact": "read_note"}]},
                "requires": {"scopes": ["notes:read"]},
            },
            {
                "name": "whoami",
                "match": {"path": "/mcp", "headers": [call, {"name": "mcp-name", "exact": "whoami"}]},
                "requires": {"scopes": ["notes:read"]},
            },
            {
                "name": "tools",
                "match": {"path": "/mcp", "headers": [call]},
                "requires": {"scopes": ["notes:read", "notes:write"]},
            },
        ],
        "upstream": {"claim_to_headers": [
            {"header_name": "x-sub", "claim_name": "sub"},
            {"header_name": "x-client-id", "claim_name": "client_id"},
        ]},
    })
}

/// The secret of the client that may introspect.
const GATEWAY_SECRET: &str = "hush-gateway-secret";
