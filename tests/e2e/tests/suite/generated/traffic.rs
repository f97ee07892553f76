//! Streams, web sockets, gRPC and limits, through what is generated.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Regular, Request, exchange};
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::message::{Message, Side};
use tollgate_e2e::operator::Operator;
use tollgate_e2e::ports::listen;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::upstream::Upstream;

use super::Gateway;

#[test]
fn a_stream_lasts_while_something_moves_and_no_longer_than_it_may() {
    // 24 times 100 ms: longer than any bound below but that of `whole`.
    let (moving, silent) = (dripping(24, Duration::from_millis(100)), dripping(24, Duration::from_secs(30)));
    let gateway = Gateway::among(
        &Operator::new(),
        &[("moving", moving), ("silent", silent)],
        r#"
listen: 127.0.0.1:0
providers:
  main: {introspection_endpoint: "http://as.test/i", client_id: gateway, client_secret_file: secret}
apis:
  events: {upstream: "http://moving.test", scopes: [a], idle_timeout: 1s}
  cut: {prefix: /cut, upstream: "http://moving.test", scopes: [a], timeout: 1s}
  ended: {prefix: /ended, upstream: "http://moving.test", scopes: [a], max_stream_duration: 1s}
  silent: {prefix: /silent, upstream: "http://silent.test", scopes: [a], idle_timeout: 1s}
"#,
        &[],
    );
    gateway.server.on("good", [Behaviour::active_for(600, "a")]);
    let body =
        |path: &str| Request::get(path).bearer("good").try_send(gateway.port).map(|answer| answer.text());
    let whole = ".".repeat(24);
    assert_eq!(body("/").ok(), Some(whole.clone()), "what moves is not cut");
    for path in ["/cut", "/ended", "/silent"] {
        let got = body(path);
        assert!(!got.as_ref().is_ok_and(|text| *text == whole), "{path}: {got:?}");
    }
}

#[test]
fn a_client_is_limited_by_its_tier_whatever_its_tokens_are() {
    let gateway = Gateway::start(
        r#"
listen: 127.0.0.1:0
client_rate_limit: {default: 2, tiers: {gold: 5}}
providers:
  main: {introspection_endpoint: "http://as.test/i", client_id: gateway, client_secret_file: secret}
client_lists:
  partners: {clients: [{id: shop, tier: gold}, {id: kiosk}, {id: cart, tier: silver}]}
apis:
  a:
    upstream: "http://api.test"
    client_list: partners
    rules: [{name: open, match: {prefix: /open}, access: anonymous}]
policy: {upstream: {tier_header: x-tier}}
"#,
    );
    let Gateway { server, upstream, port, .. } = &gateway;
    for (token, client) in [("one", "shop"), ("two", "shop"), ("three", "kiosk"), ("four", "cart")] {
        let reply = json!({"active": true, "exp": 4_000_000_000_u64, "client_id": client});
        server.on(token, [Behaviour::json(&reply.to_string())]);
    }
    let send =
        |token: &str| Request::get("/").bearer(token).header("x-tier", "platinum").send(*port).status();
    let statuses = |token: &str, n: usize| (0..n).map(|_| send(token)).collect::<Vec<_>>();
    assert_eq!(statuses("one", 3), [200; 3]);
    assert_eq!(statuses("two", 3), [200, 200, 429], "another token of the same client");
    assert_eq!(statuses("three", 3), [200, 200, 429], "no tier");
    assert_eq!(statuses("four", 3), [200, 200, 429], "a tier that is not listed");
    let tiers: Vec<_> = upstream.take().iter().map(|request| request.all("x-tier").concat()).collect();
    assert_eq!(tiers, [&["gold"; 5][..], &[""; 2], &["silver"; 2]].concat());
    // Who has no client is limited by address alone.
    assert!((0..6).all(|_| Request::get("/open").send(*port).status() == 200));
    gateway.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_websocket_opens_where_it_may_and_with_a_token_alone() {
    let gateway = Gateway::start(
        r#"
listen: 127.0.0.1:0
providers:
  main: {introspection_endpoint: "http://as.test/i", client_id: gateway, client_secret_file: secret}
apis:
  plain: {upstream: "http://api.test", scopes: [a]}
  chat: {prefix: /chat, upstream: "http://api.test", scopes: [a], websocket: true}
"#,
    );
    let Gateway { server, upstream, envoy, port } = &gateway;
    let port = *port;
    server.on("good", [Behaviour::active_for(600, "a")]);
    server.on("small", [Behaviour::active_for(600, "b")]);
    let upgrade = |path: &str, token: &str| {
        let bytes = format!(
            "GET {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        exchange(port, bytes.as_bytes(), Side::Response).expect("a response").status()
    };
    assert_eq!(upgrade("/chat", "good"), 101);
    assert_eq!(upstream.take().len(), 1);
    assert_eq!(upgrade("/chat", "small"), 403);
    assert_eq!(upgrade("/chat", "garbage"), 401);
    assert_eq!(upgrade("/", "good"), 403, "no WebSocket where none was asked for");
    assert!(upstream.take().is_empty());
    // Over HTTP/2 as well (RFC 8441).
    let opened =
        Http2Request::connect("websocket", "/chat").bearer("good").header("sec-websocket-version", "13");
    // The API ends it at once.
    let _ = opened.try_send(port);
    assert_eq!(upstream.take().len(), 1);
    let refused = Http2Request::connect("websocket", "/chat").bearer("garbage").send(port);
    assert_eq!(refused.status, 401);
    envoy.assert_clean_log(&["hush"]);
}

#[test]
fn an_api_that_speaks_http_2_alone_is_reached() {
    // An Envoy that refuses HTTP/1.1 stands for the gRPC server.
    let upstream = Upstream::start();
    let mut anybody = Plugin::new(json!({
        "providers": {"none": {"introspection": {"uri": "http://127.0.0.1:1/i", "cluster": "upstream", "client_auth": {"method": "none"}}}},
        "rules": [{"match": {"prefix": "/"}, "access": "anonymous"}],
    }));
    anybody.manager = json!({"codec_type": "HTTP2"});
    let back = Stage::new().listener("back", anybody).cluster("upstream", upstream.port()).start();
    let gateway = Gateway::among(
        &Operator::new(),
        &[("back", back.port("back"))],
        r#"
listen: 127.0.0.1:0
providers:
  main: {introspection_endpoint: "http://as.test/i", client_id: gateway, client_secret_file: secret}
apis:
  rpc: {upstream: "http://back.test", scopes: [a], grpc: true}
  old: {prefix: /old, upstream: "http://back.test", scopes: [a]}
"#,
        &[],
    );
    let (envoy, port) = (&gateway.envoy, gateway.port);
    gateway.server.on("good", [Behaviour::active_for(600, "a")]);
    assert_eq!(Http2Request::grpc("/orders.Orders/List").bearer("good").send(port).status, 200);
    assert_eq!(upstream.take().len(), 1);
    assert_eq!(Request::get("/orders").bearer("good").send(port).status(), 200);
    assert_ne!(Request::get("/old").bearer("good").send(port).status(), 200, "it speaks HTTP/2 alone");
    let refused = Http2Request::grpc("/orders.Orders/List").send(port);
    assert!(
        refused.headers.iter().any(|(name, value)| name == "grpc-status" && value == b"16"),
        "{refused:?}"
    );
    envoy.assert_clean_log(&["hush"]);
}

#[test]
fn one_address_has_so_many_requests_a_second() {
    let gateway = Gateway::start(
        r#"
listen: 127.0.0.1:0
rate_limit: 2
providers:
  main: {introspection_endpoint: "http://as.test/i", client_id: gateway, client_secret_file: secret}
apis:
  a: {upstream: "http://api.test", scopes: [a]}
"#,
    );
    // On one connection, faster than the bucket fills.
    let mut client = Regular::new(gateway.port);
    let mut limited = 0;
    for i in 0..40 {
        let answer = client.get("/", &format!("guess-{i}"));
        limited += usize::from(answer.status() == 429);
        assert!(matches!(answer.status(), 401 | 429), "{answer:?}");
    }
    assert!(limited >= 10, "only {limited} of 40 were too many");
    assert_eq!(gateway.server.take().len(), 40 - limited, "what is too much is not asked about");
}

/// An API whose response is a byte, every so often.
fn dripping(times: usize, pause: Duration) -> u16 {
    listen(move |mut stream| {
        let _ = Message::read(&mut stream, Side::Request);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let mut sent = stream.write_all(head.as_bytes());
        for _ in 0..times {
            std::thread::sleep(pause);
            sent = sent.and_then(|()| stream.write_all(b"."));
        }
    })
}
