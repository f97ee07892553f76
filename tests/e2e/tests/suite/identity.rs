//! What the upstream, later filters and the access log are told, and what they are not.

use std::sync::MutexGuard;

use serde_json::json;
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Request, exchange};
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::message::Side;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{Shared, World, policy};

#[test]
fn later_filters_and_the_access_log_are_told_who_calls() {
    // HDR-11
    let world = world();
    let claims =
        r#"{"active":true,"authorization_details":[{"type":"pay"}],"client_id":"shop","sub":"alice"}"#;
    world.server.on("hush-shop", [Behaviour::json(claims)]);
    world.server.on("hush-other", [Behaviour::active("")]);
    let status = |case: &str, request: Request| {
        let response = request.header("x-case", case).send(world.port("told"));
        (response.status(), world.envoy.access_log_of(case), world.envoy.filter_state_of(case))
    };
    let (passed, log, told) = status("told-shop", Request::get("/any").bearer("hush-shop"));
    assert_eq!((passed, log.as_str()), (200, "200 allowed -"));
    assert_eq!(told, format!("shop alice {claims}"));
    let (refused, log, _) = status("told-other", Request::get("/any").bearer("hush-other"));
    assert_eq!((refused, log.as_str()), (403, "403 allowed -"), "by the later filter");
    let (refused, _, told) = status("told-open", Request::get("/open"));
    assert_eq!((refused, told.as_str()), (403, "- - -"), "nobody is told of where no token is looked at");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn identity_headers_are_the_filters_alone_on_every_path() {
    // HDR-01, HDR-02, HDR-03, HDR-09, HDR-10, COR-01, COR-04, ATK-102
    let world = world();
    let active = r#"{"active":true,"client_id":"app","sub":"alice","tier":"gold"}"#;
    world.server.on("hush-good", [Behaviour::json(active)]);
    world.server.on("hush-bad", [Behaviour::json(r#"{"active":false}"#)]);
    let forged = |request: Request| {
        request
            .header("x-client-id", "admin")
            .header("X-Client-Id", "admin")
            .header("x_client_id", "admin")
            .header("X-CLIENT_ID", "admin")
            .header("x-agw-sub", "admin")
            .header("X-Agw-Other", "admin")
            .header("x_agw_more", "admin")
            .header("x-token-claims", "admin")
            .header("x-claimed", "admin")
            .header("x-agwx", "mine")
    };
    let preflight = Request::new("OPTIONS", "/any")
        .header("Origin", "https://app.example.com")
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "authorization");
    #[rustfmt::skip]
    let cases = [
        ("a good token",                      "identity", Request::get("/any").bearer("hush-good"), true),
        ("an open path",                      "identity", Request::get("/open"),                    false),
        ("an open path, with a token",        "identity", Request::get("/open").bearer("hush-good"), false),
        ("an optional token that is not there", "identity", Request::get("/optional"),              false),
        ("an optional token that is there",   "identity", Request::get("/optional").bearer("hush-good"), true),
        ("a preflight",                       "identity", preflight,                                false),
        ("shadow mode, no token",             "shadow",   Request::get("/any"),                     false),
        ("shadow mode, a bad token",          "shadow",   Request::get("/any").bearer("hush-bad"),  false),
        ("nominated by Connection",           "identity", Request::get("/any").bearer("hush-good").header("Connection", "x-client-id, x-agw-sub"), true),
    ];
    for (name, listener, request, known) in cases {
        let response = forged(request).send(world.port(listener));
        assert_eq!(response.status(), 200, "{name}");
        let seen = world.upstream.take();
        let seen = seen.first().unwrap_or_else(|| panic!("{name}: nothing arrived"));
        assert!(!seen.whole().contains("admin"), "{name}: {}", seen.whole());
        assert_eq!(seen.all("x-agwx"), ["mine"], "{name}: what is not ours stays");
        let want = |value: &str| if known { vec![value.to_owned()] } else { Vec::new() };
        assert_eq!(seen.all("x-client-id"), want("app"), "{name}");
        assert_eq!(seen.all("x-agw-sub"), want("alice"), "{name}");
        assert_eq!(seen.all("x-agw-tier"), want("gold"), "{name}");
        assert_eq!(seen.all("x-token-claims").len(), usize::from(known), "{name}");
        assert!(seen.all("x-claimed").is_empty(), "{name}: HDR-07 a claim that is not there");
    }

    // HDR-09: in trailers
    let trailers = "x-client-id: admin\r\nX-Agw-Sub: admin\r\nx_client_id: admin\r\nx-mine: kept\r\n";
    for (name, token) in [("with a token", "Authorization: Bearer hush-good\r\n"), ("open", "")] {
        let path = if token.is_empty() { "/open" } else { "/any" };
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{token}TE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailers}\r\n"
        );
        let response = exchange(world.port("identity"), bytes.as_bytes(), Side::Response);
        assert_eq!(response.expect("an answer").status(), 200, "{name}");
        let seen = world.upstream.take();
        let seen = seen.first().unwrap_or_else(|| panic!("{name}: nothing arrived"));
        assert!(!seen.whole().contains("admin"), "{name}: {}", seen.whole());
        assert_eq!(seen.body, b"abc", "{name}");
        assert!(seen.trailers.iter().any(|(name, _)| name == "x-mine"), "{name}: {:?}", seen.trailers);
    }
    let http2 = Http2Request::new("POST", "/any").bearer("hush-good").trailer("x-client-id", "admin");
    assert_eq!(http2.send(world.port("identity")).status, 200);
    assert!(!world.upstream.take().iter().any(|seen| seen.whole().contains("admin")), "HTTP/2");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn claims_never_become_a_second_header_line() {
    // HDR-04, HDR-05, HDR-06, ATK-88
    let world = world();
    #[rustfmt::skip]
    let cases = [
        ("a line break",    json!("a\r\nx-admin: 1"),  Some("a%0D%0Ax-admin: 1")),
        ("NUL",             json!("a\u{0}b"),          Some("a%00b")),
        ("a picture",       json!("\u{1f600}"),        Some("%F0%9F%98%80")),
        ("a list",          json!(["a,b", "c"]),       Some(r#"["a,b","c"]"#)),
        ("an object",       json!({"a": {"b": 1}}),    Some(r#"{"a":{"b":1}}"#)),
        ("20 KiB",          json!("x".repeat(20_480)), None),
        ("null",            json!(null),               None),
    ];
    for (name, value, want) in cases {
        let reply = json!({"active": true, "client_id": value});
        world.server.on("hush-good", [Behaviour::json(&reply.to_string())]);
        let response = Request::get("/any").bearer("hush-good").send(world.port("claims"));
        assert_eq!(response.status(), 200, "{name}");
        let seen = world.upstream.take();
        let lines: Vec<String> = seen.iter().flat_map(|seen| seen.all("x-client-id")).collect();
        assert_eq!(lines, Vec::from_iter(want), "{name}");
        assert!(seen.iter().all(|seen| seen.all("x-admin").is_empty()), "{name}");
    }
}

#[test]
fn a_token_that_is_not_to_be_forwarded_is_gone_from_everywhere() {
    // BRR-18, HTT-12, ATK-36
    let world = world();
    world.server.on("hush-good", [Behaviour::active("")]);
    #[rustfmt::skip]
    let cases = [
        ("the header",              Request::get("/any?a=%41&b").bearer("hush-good"),                    "/any?a=%41&b"),
        ("the query",               Request::get("/r?x=%2B&access_token=hush-good&y=%zz&c"),             "/r?x=%2B&y=%zz&c"),
        ("nothing but the token",   Request::get("/r?access_token=hush-good"),                           "/r"),
        ("a cookie",                Request::get("/r").header("Cookie", "a=1; session=hush-good; b=2"),  "/r"),
        ("the only cookie",         Request::get("/r").header("Cookie", "session=hush-good"),            "/r"),
    ];
    for (name, request, path) in cases {
        assert_eq!(request.send(world.port("strip")).status(), 200, "{name}");
        let seen = world.upstream.take();
        let seen = seen.first().unwrap_or_else(|| panic!("{name}: nothing arrived"));
        assert!(!seen.whole().contains("hush"), "{name}: {}", seen.whole());
        assert_eq!(seen.target(), path, "{name}");
        if name == "a cookie" {
            assert_eq!(seen.all("cookie").join("; "), "a=1; b=2");
        }
    }
    // By default nothing of it changes.
    let odd = Request::get("/any?a=%zz&&=").header("authorization", "bEaReR   hush-good");
    assert_eq!(odd.send(world.port("plain")).status(), 200);
    let seen = world.upstream.take();
    assert_eq!(seen[0].all("authorization"), ["bEaReR   hush-good"]);
    assert_eq!(seen[0].target(), "/any?a=%zz&&=");
}

#[test]
fn the_upstreams_answers_are_its_own_except_that_a_token_in_the_query_makes_them_private() {
    // BRR-16, BRR-17, HTT-11
    let world = world();
    world.server.on("hush-good", [Behaviour::active("")]);
    let by_query = || Request::get("/r?access_token=hush-good");
    let by_header = || Request::get("/r").bearer("hush-good");
    #[rustfmt::skip]
    let cases = [
        ("query, nothing said",      by_query(),  None,                       vec!["private"]),
        ("query, public",            by_query(),  Some("public, max-age=60"), vec!["private, max-age=60"]),
        ("query, no-store",          by_query(),  Some("no-store"),           vec!["no-store"]),
        ("header, public",           by_header(), Some("public, max-age=60"), vec!["public, max-age=60"]),
        ("header, nothing said",     by_header(), None,                       vec![]),
    ];
    for (name, request, said, want) in cases {
        let request = match said {
            Some(said) => request.header("x-answer-cache-control", said),
            None => request,
        };
        let response = request.send(world.port("query"));
        assert_eq!((response.status(), response.all("cache-control")), (200, strings(&want)), "{name}");
    }
    let own = r#"Digest realm="upstream", nonce="x""#;
    let response = by_header().header("x-answer-www-authenticate", own).send(world.port("query"));
    assert_eq!((response.status(), response.all("www-authenticate")), (401, strings(&[own])));
}

#[test]
fn shadow_mode_counts_what_it_would_have_refused_and_lets_it_pass() {
    let world = world();
    world.server.on("hush-bad", [Behaviour::json(r#"{"active":false}"#)]);
    world.server.on("hush-lost", [Behaviour::close()]);
    world.server.on("hush-misread", [Behaviour::reply(200, "text/html", "hush")]);
    world.server.on("hush-good", [Behaviour::active("")]);
    let odd = Request::get("/any").header("Authorization", "Bearer");
    #[rustfmt::skip]
    let cases = [
        ("no_token",        Request::get("/any")),
        ("invalid_request", odd),
        ("invalid_token",   Request::get("/any").bearer("hush-bad")),
        ("unavailable",     Request::get("/any").bearer("hush-lost")),
        ("bad_answer",      Request::get("/any").bearer("hush-misread")),
    ];
    for (verdict, request) in cases {
        let (shadow, verdicts) = (world.envoy.counters("shadow"), world.envoy.counters("verdict"));
        let case = format!("shadow-{verdict}");
        let response = request.header("x-case", &case).send(world.port("shadow"));
        assert_eq!(response.status(), 200, "{verdict}");
        assert!(response.all("www-authenticate").is_empty(), "{verdict}");
        assert_eq!(world.upstream.seen_with("x-case", &case).len(), 1, "{verdict}");
        assert_eq!(world.envoy.counters("shadow")[verdict], shadow[verdict] + 1, "{verdict}");
        assert_eq!(world.envoy.counters("verdict"), verdicts, "{verdict}");
        let logged = world.envoy.access_log_of(&case);
        assert!(logged.starts_with(&format!("200 {verdict} ")), "{logged}");
    }
    let before = world.envoy.counters("verdict")["allowed"];
    passes(&world, "shadow");
    assert_eq!(world.envoy.counters("verdict")["allowed"], before + 1);
}

fn world() -> MutexGuard<'static, World> {
    static WORLD: Shared = Shared::new();
    WORLD.world(stage)
}

fn stage() -> Stage {
    let upstream = json!({
        "claim_to_headers": [
            {"header_name": "x-client-id", "claim_name": "client_id"},
            {"header_name": "x-claimed", "claim_name": "not_there"},
        ],
        "claims_prefix": "x-agw-",
        "forward_payload_header": "x-token-claims",
    });
    let rules = json!([
        {"match": {"path": "/open"}, "access": "anonymous"},
        {"match": {"path": "/optional"}, "access": "optional"},
    ]);
    let everywhere = json!({"from_params": ["access_token"], "from_cookies": ["session"], "forward": false});
    let stage = Stage::new()
        .policy("plain", json!({}))
        .policy("query", json!({"token": {"from_params": ["access_token"]}}))
        .policy("strip", json!({"token": everywhere}))
        .policy("identity", json!({"upstream": upstream, "rules": rules, "cors_preflight": "pass"}))
        .policy("shadow", json!({"upstream": upstream, "mode": "shadow"}))
        .policy("claims", json!({"upstream": {"claim_to_headers": [{"header_name": "x-client-id", "claim_name": "client_id"}]}}))
        .listener("told", told());
    Stage { log_level: "trace", ..stage }
}

/// A filter that tells, and one that listens: only the client `shop` passes it.
fn told() -> Plugin {
    let is_shop =
        json!({"filter_state": {"key": "wasm.tollgate.client_id", "string_match": {"exact": "shop"}}});
    let rules = json!([{"match": {"path": "/open"}, "access": "anonymous"}]);
    let rbac = json!({"name": "rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "ALLOW", "policies": {"shop": {"permissions": [{"any": true}], "principals": [is_shop]}}},
    }});
    let configuration = policy(json!({"upstream": {"filter_state": true}, "rules": rules}));
    Plugin { later: vec![rbac], ..Plugin::new(configuration) }
}

/// A good request passes, as if nothing had been.
fn passes(world: &World, listener: &str) {
    world.server.on("hush-fine", [Behaviour::active("")]);
    let response = Request::get("/any").bearer("hush-fine").send(world.port(listener));
    assert_eq!(response.status(), 200, "{listener}: {response:?}");
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
