//! With oidc-provider, a certified OpenID Provider, as `envoy/demo` runs it.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::Envoy;
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::message::Message;
use tollgate_e2e::oidc_provider::{OF_THE_DEMO, OidcProvider};
use tollgate_e2e::ports::reserved_port;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::upstream::Upstream;

#[test]
fn tokens_live_and_die_as_the_authorization_server_says() {
    let port = reserved_port();
    let server = Provider::start(port);
    let endpoint = |name: &str| server.discovered(name);
    let upstream = Upstream::start();
    let envoy = stage(port, &endpoint("introspection_endpoint"))
        .cluster("upstream", upstream.port())
        .cluster("as", port)
        .start();

    // A token of the client credentials grant passes (RFC 6749 §4.4, RFC 7662 §2).
    let writer = server.token("hr-app", "employees:read employees:write");
    let reader = server.token("phone-book", "employees:read");
    let asked = |token: &str, listener: &str| ask(&envoy, listener, token);
    assert_eq!(asked(&writer, "read"), (200, None));
    assert_eq!(asked(&writer, "write"), (200, None));
    assert_eq!(asked(&reader, "read"), (200, None));
    let seen = upstream.take();
    let clients: Vec<String> = seen.iter().flat_map(|request| request.all("x-client-id")).collect();
    assert_eq!(clients, ["hr-app", "hr-app", "phone-book"]);

    // Its replies may be signed for the gateway (RFC 9701), and must be then (JIR-01, JIR-05).
    assert_eq!(asked(&writer, "signed"), (200, None));
    assert_eq!(asked(&reader, "signed"), (200, None));
    assert_eq!(asked("hush-garbage", "signed"), (401, Some("invalid_token")));
    assert_eq!(asked(&reader, "signed-for-another"), (502, None));

    // A token of too small a scope does not.
    assert_eq!(asked(&reader, "write"), (403, Some("insufficient_scope")));

    // Nor does one of another client, where a list is asked for.
    assert_eq!(asked(&reader, "hr-app-only"), (403, Some("insufficient_scope")));
    assert_eq!(asked(&writer, "hr-app-only"), (200, None));

    // Nor one that never was.
    assert_eq!(asked("hush-garbage", "read"), (401, Some("invalid_token")));
    let junk = format!("{writer}x");
    assert_eq!(asked(&junk, "read"), (401, Some("invalid_token")));

    // gRPC, over HTTP/2.
    let refused = Http2Request::grpc("/hr.Employees/List").bearer(&reader).send(envoy.port("write"));
    assert_eq!(refused.all("grpc-status"), ["7"]);

    // A revoked one (RFC 7009 §2) is no good once `ttl` has passed, and not a moment longer (INT-26); the
    // others are as good as before.
    server.revoke("hr-app", &writer);
    thread::sleep(TTL);
    assert_eq!(asked(&writer, "read"), (401, Some("invalid_token")));
    assert_eq!(asked(&reader, "read"), (200, None));

    // A gateway that the server does not know is our mistake, not the client's (INT-33).
    assert_eq!(asked(&reader, "wrong-secret"), (502, None));

    // Without the server nobody can say anything about any token, and no token is called bad.
    drop(server);
    thread::sleep(TTL);
    assert_eq!(asked(&reader, "read"), (503, None));
    assert_eq!(asked("hush-garbage", "read"), (503, None));

    // It comes back, having forgotten everything.
    let server = Provider::start(port);
    assert_eq!(asked(&reader, "read"), (401, Some("invalid_token")));
    let fresh = server.token("phone-book", "employees:read");
    assert_eq!(asked(&fresh, "read"), (200, None));

    envoy.assert_clean_log(&["hush", &writer, &reader, &fresh, GATEWAY_SECRET]);
}

/// How long the filter remembers anything in this test.
const TTL: Duration = Duration::from_secs(1);

/// The status, and the challenge's error.
fn ask(envoy: &Envoy, listener: &str, token: &str) -> (u16, Option<&'static str>) {
    let response = Request::get("/employees").bearer(token).send(envoy.port(listener));
    let challenge = response.all("www-authenticate").concat();
    let error = ["invalid_token", "insufficient_scope"];
    let error = error.into_iter().find(|error| challenge.contains(&format!("error=\"{error}\"")));
    assert!(!response.whole().contains(token), "the token is in {response:?}");
    (response.status(), error)
}

fn stage(port: u16, endpoint: &str) -> Stage {
    let policy = |requires: Value, secret: &str| {
        json!({
            "providers": {"demo": {
                "issuer": issuer(port),
                "introspection": {
                    "uri": endpoint,
                    "cluster": "as",
                    "timeout": "10s",
                    "client_auth": {"client_id": "gateway", "client_secret": secret},
                },
            }},
            "requires": requires,
            "cache": {"ttl": "1s", "negative_ttl": "1s"},
            "upstream": {"claim_to_headers": [{"header_name": "x-client-id", "claim_name": "client_id"}]},
        })
    };
    let read = json!({"scopes": ["employees:read"]});
    let hr_app = json!({"clients": ["hr-app"]});
    let mut stage = Stage::new();
    for (name, requires, secret) in [
        ("read", read.clone(), GATEWAY_SECRET),
        ("write", json!({"scopes": ["employees:read", "employees:write"]}), GATEWAY_SECRET),
        ("hr-app-only", hr_app, GATEWAY_SECRET),
        ("wrong-secret", read, "hush-wrong"),
    ] {
        stage = stage.listener(name, Plugin::new(policy(requires, secret)));
    }
    for (name, audience) in [("signed", "gateway"), ("signed-for-another", "another")] {
        let mut signed = policy(json!({}), GATEWAY_SECRET);
        let demo = &mut signed["providers"]["demo"];
        demo["jwks"] = json!({"uri": format!("{}/jwks", issuer(port)), "cluster": "as"});
        demo["introspection"]["dialect"] = json!("rfc9701");
        demo["introspection"]["reply_audience"] = json!(audience);
        stage = stage.listener(name, Plugin::new(signed));
    }
    stage.log_level = "trace";
    stage
}

/// oidc-provider, and what is asked of it.
struct Provider(OidcProvider);

impl Provider {
    fn start(port: u16) -> Self {
        Self(OidcProvider::start(OF_THE_DEMO, port, &[("GATEWAY_SECRET", GATEWAY_SECRET)]))
    }

    /// An endpoint by its name in the metadata (OpenID Connect Discovery 1.0 §3).
    fn discovered(&self, name: &str) -> String {
        let metadata = self.json(&Request::get("/.well-known/openid-configuration"));
        assert_eq!(metadata["issuer"], issuer(self.0.port), "{metadata}");
        metadata[name].as_str().unwrap_or_else(|| panic!("no {name} in {metadata}")).to_owned()
    }

    fn token(&self, client: &str, scope: &str) -> String {
        let scope = scope.replace(' ', "+");
        let body = format!("grant_type=client_credentials&scope={scope}&{}", credentials(client));
        let answer = self.json(&self.post("token_endpoint", &body));
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token in {answer}")).to_owned()
    }

    fn revoke(&self, client: &str, token: &str) {
        let body = format!("token={token}&{}", credentials(client));
        let answer = self.send(&self.post("revocation_endpoint", &body));
        assert_eq!(answer.status(), 200, "{answer:?}");
    }

    fn post(&self, endpoint: &str, body: &str) -> Request {
        let uri = self.discovered(endpoint);
        let path = uri.strip_prefix(&issuer(self.0.port)).expect("an endpoint of this server");
        let form = "application/x-www-form-urlencoded";
        Request::new("POST", path).header("Content-Type", form).body(body.as_bytes())
    }

    fn json(&self, request: &Request) -> Value {
        serde_json::from_slice(&self.send(request).body).expect("JSON")
    }

    fn send(&self, request: &Request) -> Message {
        request.clone().host(&format!("localhost:{}", self.0.port)).send(self.0.port)
    }
}

fn credentials(client: &str) -> String {
    format!("client_id={client}&client_secret={client}-demo-secret")
}

fn issuer(port: u16) -> String {
    OidcProvider::issuer(port)
}

/// The secret of the client that may introspect.
const GATEWAY_SECRET: &str = "gateway-demo-secret";
