//! The files of `envoy/` that use Tollgate together with other filters, each with the requests that prove what it shows.

mod oauth2;

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tollgate_cases::token::Token;
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::{Envoy, module};
use tollgate_e2e::message::Message;
use tollgate_e2e::upstream::Upstream;
use tollgate_e2e::{root, scratch};

#[test]
fn every_client_has_its_own_rate_limit() {
    let example = Example::start("rate-limits.yaml", &[]);
    for (token, client) in [("one", "phone-book"), ("another", "phone-book"), ("hr", "hr-app")] {
        example.active(token, &json!({"scope": "employees:read", "client_id": client}));
    }
    let statuses =
        |token: &str, n: usize| (0..n).map(|_| example.get("/", token).status()).collect::<Vec<_>>();
    assert_eq!(statuses("one", 3), [200; 3]);
    // Another token of the same client is counted together with the first.
    assert_eq!(statuses("another", 4), [200, 200, 429, 429]);
    // Another client is not.
    assert_eq!(statuses("hr", 8), [200; 8]);
    // A rejection is not counted, because it never gets there.
    assert_eq!(statuses("garbage", 1), [401]);
}

#[test]
fn rbac_decides_by_the_identity() {
    let example = Example::start("rbac.yaml", &[]);
    for (token, client, tenant) in [("hr", "hr-app", "blue"), ("book", "phone-book", "red")] {
        let claims =
            json!({"scope": "employees:read", "client_id": client, "https://example.com/tenant": tenant});
        example.active(token, &claims);
    }
    example.active("nobody", &json!({"scope": "employees:read"}));
    let status = |method: &str, token: &str, tenant: &str| {
        let request = Request::new(method, "/employees/1").bearer(token).header("x-tenant", tenant);
        request.send(example.port).status()
    };
    #[rustfmt::skip]
    let cases = [
        ("DELETE", "hr",     "blue", 200),
        ("DELETE", "book",   "red",  403),
        ("GET",    "book",   "red",  200),
        ("GET",    "book",   "blue", 403),
        ("GET",    "hr",     "Blue", 403),
        ("GET",    "nobody", "blue", 403),
        ("GET",    "nobody", "",     403),
    ];
    for (method, token, tenant, want) in cases {
        assert_eq!(status(method, token, tenant), want, "{method} {token} {tenant}");
    }
    assert_eq!(example.get("/employees", "hr").status(), 403, "no tenant");
}

#[test]
fn preflights_need_no_token_and_scripts_can_read_why_they_were_rejected() {
    let example = Example::start("cors.yaml", &[]);
    example.active("good", &json!({"scope": "employees:read"}));
    let send = |method: &str, origin: &str, token: Option<&str>| {
        let mut request = Request::new(method, "/employees").header("origin", origin);
        if method == "OPTIONS" {
            request = request.header("access-control-request-method", "GET");
        }
        if let Some(token) = token {
            request = request.bearer(token);
        }
        request.send(example.port)
    };
    let app = "https://app.example.com";
    let preflight = send("OPTIONS", app, None);
    assert_eq!(
        (preflight.status(), preflight.all("access-control-allow-origin")),
        (200, vec![app.to_owned()])
    );
    let rejected = send("GET", app, None);
    assert_eq!((rejected.status(), rejected.all("access-control-allow-origin")), (401, vec![app.to_owned()]));
    assert_eq!(rejected.all("access-control-expose-headers"), ["WWW-Authenticate"]);
    assert_eq!(example.upstream.take().len(), 0);
    assert_eq!(send("GET", app, Some("good")).status(), 200);
    // Another origin gets neither.
    assert_eq!(send("OPTIONS", "https://evil.example", None).status(), 401);
    assert!(send("GET", "https://evil.example", None).all("access-control-allow-origin").is_empty());
}

#[test]
fn a_service_behind_decides_about_requests_with_a_valid_token_only() {
    let decisions = AuthorizationServer::start();
    let address = format!("{{address: 127.0.0.1, port_value: {}}}", decisions.port());
    let example = Example::start("ext-authz.yaml", &[("{address: localhost, port_value: 8181}", &address)]);
    example.active("good", &json!({"scope": "employees:read", "client_id": "phone-book"}));
    let ask = |answer: Behaviour, token: &str| {
        decisions.next([answer]);
        let request = Request::get("/orders/7").bearer(token).header("x-client-id", "admin");
        (request.send(example.port).status(), decisions.take())
    };
    let (status, asked) = ask(Behaviour::reply(200, "text/plain", ""), "good");
    assert_eq!((status, asked.len()), (200, 1));
    assert_eq!(
        (asked[0].target(), asked[0].all("x-client-id")),
        ("/orders/7", vec!["phone-book".to_owned()])
    );
    assert!(asked[0].all("authorization").is_empty(), "{asked:?}");
    assert_eq!(ask(Behaviour::reply(403, "text/plain", "no"), "good").0, 403);
    assert_eq!(ask(Behaviour::close(), "good").0, 503, "the service does not respond");
    let (status, asked) = ask(Behaviour::reply(200, "text/plain", ""), "garbage");
    assert_eq!((status, asked.len()), (401, 0));
    assert_eq!(example.upstream.take().len(), 1);
}

#[test]
fn a_route_can_have_filters_of_its_own_behind() {
    let example = Example::start("filter-chain.yaml", &[]);
    for (token, client) in [("hr", "hr-app"), ("book", "phone-book")] {
        example.active(token, &json!({"scope": "employees:read", "client_id": client}));
    }
    #[rustfmt::skip]
    let cases = [
        ("/employees",   "book", 200),
        ("/salaries/1",  "hr",   200),
        ("/salaries/1",  "book", 403),
        ("/x/../salaries", "book", 403),
        ("/salaries/1",  "none", 401),
        ("/employees",   "none", 401),
    ];
    for (path, token, want) in cases {
        assert_eq!(example.get(path, token).status(), want, "{path} {token}");
    }
}

#[test]
fn jwt_authn_beside_keeps_its_paths_and_no_request_passes_between_the_two() {
    let example = Example::start("jwt-authn.yaml", &[]);
    example.active("good", &json!({"scope": "employees:read"}));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let jwt = Token::default().at(now);
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    });
    example.server.next([Behaviour::json(&json!({"keys": [key]}).to_string())]);
    assert_eq!(example.get("/partners/1", &jwt).status(), 200);
    assert_eq!(example.server.take().len(), 1, "only the keys");
    assert_eq!(example.get("/employees", "good").status(), 200);
    assert_eq!(example.get("/partners/1", "good").status(), 401, "of the other filter");
    assert_eq!(example.get("/employees", &jwt).status(), 401, "of the other filter");
    example.upstream.take();
    // Neither of them takes a path for the other's.
    let paths = [
        "/partners",
        "/partners/",
        "/partners/1",
        "/partners?a",
        "/PARTNERS/1",
        "/partnersx",
        "/partners;a/1",
        "/partners;a",
        "/partners/;/1",
        "/partners%2f1",
        "/%70artners/1",
        "/a/../partners/1",
        "//partners/1",
        "/partners/../employees",
        "/partners/..;/employees",
        "/partners/%2e%2e/employees",
        "/partners\\..\\employees",
        "/employees?/partners/1",
    ];
    for path in paths {
        let status = Request::get(path).send(example.port).status();
        assert!([400, 401].contains(&status), "{path}: {status}");
    }
    assert!(example.upstream.take().is_empty());
}

#[test]
fn spans_say_what_has_been_decided() {
    let collector = Upstream::start();
    let address = format!("{{address: 127.0.0.1, port_value: {}}}", collector.port());
    let exchanges = [
        ("{address: localhost, port_value: 4318}", &*address),
        ("random_sampling: {value: 1}", "random_sampling: {value: 100}"),
    ];
    let example = Example::start("tracing.yaml", &exchanges);
    example.active("hush-small", &json!({"scope": "other", "client_id": "phone-book"}));
    // Spans are sent by fives.
    for _ in 0..5 {
        assert_eq!(example.get("/employees", "hush-small").status(), 403);
    }
    let mut sent = String::new();
    example.envoy.wait_until("spans are sent", || {
        sent.extend(collector.take().into_iter().map(|request| request.text()));
        sent.matches("tollgate.token_fingerprint").count() == 5
    });
    let tags = [
        ("verdict", "insufficient_scope"),
        ("reason", "a scope is missing; needed: employees:read"),
        ("provider", "example"),
        ("client_id", "phone-book"),
        ("cache", "hit"),
        ("waited_milliseconds", "0"),
    ];
    for (tag, value) in tags {
        // A KeyValue of OTLP is the key, and a value of a few bytes more.
        let start = |text: &str| text.chars().take(value.len() + 6).collect::<String>();
        let is_said = sent.split(&format!("tollgate.{tag}")).skip(1).any(|rest| start(rest).contains(value));
        assert!(is_said, "{tag}: {sent}");
    }
    assert!(!sent.contains("hush"), "{sent}");
}

#[test]
fn rules_can_trust_the_name_of_the_tool() {
    let example = Example::start("mcp.yaml", &[]);
    for (token, scope) in [("reader", "notes:read"), ("writer", "notes:read notes:write")] {
        example.active(token, &json!({"scope": scope, "aud": "https://tools.example.com/mcp"}));
    }
    let send = |token: &str, fields: &[(&str, &str)], body: &str| {
        let request = Request::new("POST", "/mcp").host("tools.example.com").bearer(token);
        let request = request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.body(body.as_bytes()).send(example.port).status()
    };
    let call = |tool: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    };
    let modern = |tool: &str| {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}",{meta}}}}}"#)
    };
    let now = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call")];
    let named = |tool: &'static str| [&now[..], &[("mcp-name", tool)]].concat();
    let padding = "x".repeat(70_000);
    #[rustfmt::skip]
    let cases: Vec<(&str, &str, Vec<(&str, &str)>, String, u16)> = vec![
        ("a tool that reads",                   "reader", vec![], call("read_note"), 200),
        ("a tool that writes",                  "reader", vec![], call("write_note"), 403),
        ("by who may",                          "writer", vec![], call("write_note"), 200),
        ("a new tool",                          "reader", vec![], call("send_note"), 403),
        ("the list of tools",                   "reader", vec![], r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.to_owned(), 200),
        ("another method",                      "reader", vec![], r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a"}}"#.to_owned(), 403),
        ("2026-07-28",                          "reader", named("read_note"), modern("read_note"), 200),
        ("2026-07-28: a tool that writes",      "reader", named("write_note"), modern("write_note"), 403),
        ("2026-07-28: another name",            "reader", named("read_note"), modern("write_note"), 400),
        ("2026-07-28: no name",                 "reader", now.to_vec(), modern("write_note"), 400),
        ("an older revision, and another name", "reader", vec![("mcp-protocol-version", "2025-11-25"), ("mcp-method", "tools/call"), ("mcp-name", "read_note")], call("write_note"), 403),
        ("our fields, from a client",           "reader", vec![("x-mcp-method", "tools/call"), ("x-mcp-tool", "read_note")], call("write_note"), 403),
        ("a batch",                             "reader", vec![], format!("[{}]", call("write_note")), 400),
        ("two names",                           "reader", vec![], r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note","name":"write_note"}}"#.to_owned(), 400),
        ("two sets of parameters",              "reader", vec![], r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note"},"params":{"name":"write_note"}}"#.to_owned(), 400),
        ("a second name far behind",            "reader", vec![], format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"read_note","a":"{padding}","name":"write_note"}}}}"#), 400),
        ("a line break in the name",            "reader", vec![], call("read_note\\r\\nx-admin: 1"), 403),
        ("a space behind the name",             "reader", vec![], call("read_note "), 400),
        ("another letter case",                 "reader", vec![], call("Read_note"), 400),
        ("a name that is a list",               "reader", vec![], r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["read_note"]}}"#.to_owned(), 403),
        ("escapes",                             "reader", vec![], r#"{"jsonrpc":"2.0","id":1,"method":"tools/\u0063all","params":{"name":"write_note"}}"#.to_owned(), 403),
        ("no JSON",                             "reader", vec![], "read_note".to_owned(), 400),
        ("no token",                            "none",   vec![], call("read_note"), 401),
    ];
    for (name, token, fields, body, want) in cases {
        assert_eq!(send(token, &fields, &body), want, "{name}");
    }
    let text = Request::new("POST", "/mcp")
        .host("tools.example.com")
        .bearer("reader")
        .header("content-type", "text/plain");
    assert_eq!(text.body(call("read_note").as_bytes()).send(example.port).status(), 400, "no MCP");
    let events =
        Request::get("/mcp").host("tools.example.com").bearer("reader").header("accept", "text/event-stream");
    assert_eq!(events.send(example.port).status(), 200);
    let metadata = Request::get("/.well-known/oauth-protected-resource/mcp").host("tools.example.com");
    assert_eq!(metadata.send(example.port).status(), 200);
    let reached = example.upstream.take();
    assert!(reached.iter().all(|request| request.first("x-admin").is_none()));
    example.envoy.assert_clean_log(&[]);
}

/// An Envoy with one of the files.
struct Example {
    envoy: Envoy,
    port: u16,
    server: AuthorizationServer,
    upstream: Upstream,
}

impl Example {
    /// One with these texts replaced, besides the addresses.
    fn start(name: &str, exchanges: &[(&str, &str)]) -> Self {
        let server = AuthorizationServer::start();
        let port = server.port();
        Self { server, ..Self::with_server(name, exchanges, port) }
    }

    /// One whose authorization server is another one, at this port.
    fn with_server(name: &str, exchanges: &[(&str, &str)], server: u16) -> Self {
        let upstream = Upstream::start();
        let text = fs::read_to_string(root().join("envoy").join(name)).expect("an example");
        let local = |port: u16| format!("{{address: 127.0.0.1, port_value: {port}}}");
        let module = module().display().to_string();
        let addresses = [
            ("{address: 127.0.0.1, port_value: 10000}", local(0)),
            ("{address: localhost, port_value: 8080}", local(upstream.port())),
            ("{address: auth.example.com, port_value: 443}", local(server)),
            ("target/wasm32-wasip1/release/tollgate_filter.wasm", module),
        ];
        let addresses = addresses.iter().map(|(old, new)| (*old, &**new));
        let text = addresses.chain(exchanges.iter().copied()).fold(text, |text, (old, new)| {
            assert!(text.contains(old), "{name}: {old}");
            text.replace(old, new)
        });
        let mut file: Value = serde_saphyr::from_str(&text).expect("YAML");
        // The server of the tests has no certificate.
        for cluster in file["static_resources"]["clusters"].as_array_mut().expect("clusters") {
            cluster.as_object_mut().map(|cluster| cluster.remove("transport_socket"));
        }
        file["admin"] = json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}});
        let path = scratch().join("envoy.json");
        fs::write(&path, file.to_string()).expect("a file is written");
        let envoy = Envoy::with_file(&path, &[("GATEWAY_SECRET", "hush")]);
        let port = envoy.port("api");
        Self { envoy, port, server: AuthorizationServer::start(), upstream }
    }

    /// Says of a token that it is active, with these claims.
    fn active(&self, token: &str, claims: &Value) {
        let mut reply = json!({"active": true, "iss": "https://auth.example.com", "exp": 4_000_000_000_u64});
        tollgate_e2e::world::merge(&mut reply, claims.clone());
        self.server.on(token, [Behaviour::json(&reply.to_string())]);
    }

    fn get(&self, path: &str, token: &str) -> Message {
        Request::get(path).bearer(token).send(self.port)
    }
}
