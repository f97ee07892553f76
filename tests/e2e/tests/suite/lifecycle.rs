//! Configurations that come and go, clients that leave, bodies that arrive early or late, and
//! what the upstream is told.

use std::fs;
use std::io::Write;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Request, connect, exchange};
use tollgate_e2e::envoy::module;
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::message::{Message, Side};
use tollgate_e2e::my_turn;
use tollgate_e2e::scratch;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{Shared, World, policy};

#[test]
fn a_client_that_leaves_harms_nobody() {
    // PWX-10, INT-32, ATK-112: on one worker, all of them share one VM
    let world = world();
    let slow = || Behaviour::After(Duration::from_millis(600), Box::new(Behaviour::active("")));
    for token in ["hush-left", "hush-other"] {
        world.server.on(token, [slow()]);
    }
    let port = world.port("plain");
    thread::scope(|scope| {
        let leaving = Request::get("/left").bearer("hush-left").send_and_wait(port);
        let stay = |token: &'static str| scope.spawn(move || Request::get("/any").bearer(token).send(port));
        let staying = [stay("hush-left"), stay("hush-other"), stay("hush-left")];
        thread::sleep(Duration::from_millis(150));
        drop(leaving);
        let meanwhile = Request::get("/any").bearer("hush-left").send(port);
        assert_eq!(meanwhile.status(), 200, "the same token while the answer is on its way");
        for one in staying {
            assert_eq!(one.join().expect("an answer").status(), 200, "in flight when another left");
        }
    });
    for token in ["hush-left", "hush-other"] {
        assert_eq!(Request::get("/any").bearer(token).send(port).status(), 200, "{token} afterwards");
    }
    let seen = world.upstream.take();
    assert!(seen.iter().all(|request| request.target() == "/any"), "who left is passed on");
    world.envoy.assert_clean_log(&["hush"]);
}

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
fn clients_may_leave_at_any_moment() {
    // PWX-10: before, between and after a call and its retries, and in the middle of a form
    let world = world();
    let wait = |ms, then| Behaviour::After(Duration::from_millis(ms), Box::new(then));
    for at in 0..30_u64 {
        let token = format!("hush-{at}");
        let behaviours = match at % 3 {
            0 => vec![Behaviour::close(), wait(20, Behaviour::active(""))],
            1 => vec![wait(at, Behaviour::close())],
            _ => vec![Behaviour::Hang(Vec::new())],
        };
        world.server.on(&token, behaviours);
        let leaving = Request::get("/any").bearer(&token).send_and_wait(world.port("retrying"));
        let mut form = connect(world.port("form")).expect("a connection");
        let head = "POST /any HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60\r\n\r\naccess_to";
        form.write_all(head.as_bytes()).expect("half a form");
        thread::sleep(Duration::from_millis(at * 2));
        drop((leaving, form));
    }
    passes(&world, "retrying");
    passes(&world, "form");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_body_that_arrives_while_the_token_is_asked_about_arrives_whole() {
    // PWX-11, BRR-09
    let world = world();
    let slow = |then| Behaviour::After(Duration::from_millis(400), Box::new(then));
    let body: Vec<u8> = (0..2 * 1024 * 1024_u32).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
    world.server.on("hush-good", [slow(Behaviour::active(""))]);
    world.server.on("hush-bad", [slow(Behaviour::json(r#"{"active":false}"#))]);
    let post = |token: &str| Request::new("POST", "/any").bearer(token);

    let response = post("hush-good").body(&body).send(world.port("plain"));
    assert_eq!(response.status(), 200);
    assert!(world.upstream.take().iter().any(|request| request.body == body), "not all of it arrived");

    let chunked = post("hush-good").chunked(&body, 100_000).send(world.port("plain"));
    assert_eq!(chunked.status(), 200);
    assert!(world.upstream.take().iter().any(|request| request.body == body), "not all of it arrived");

    let refused = post("hush-bad").body(&body).send(world.port("plain"));
    assert_eq!(refused.status(), 401);

    // Where forms are read, Envoy keeps the body in memory within its own limits.
    let kept = post("hush-good").body(&body).send(world.port("form"));
    let seen = world.upstream.take();
    match kept.status() {
        200 => assert!(seen.iter().any(|request| request.body == body), "a part of it arrived"),
        status => assert_eq!((status, seen.len()), (413, 0)),
    }
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_token_in_a_form_is_found_and_the_form_arrives() {
    // BRR-07, BRR-08, BRR-13, ATK-38
    const FORM: &str = "application/x-www-form-urlencoded";
    let world = world();
    world.server.on("hush-good", [Behaviour::active("")]);
    let post = |media_type: &str| Request::new("POST", "/any").header("Content-Type", media_type);
    let long = format!("access_token=hush-good&filler={}", "x".repeat(70_000));
    #[rustfmt::skip]
    let cases = [
        ("a form",                     "form",       post(FORM).body(b"a=1&access_token=hush-good&b=%zz"),     200, Some("a=1&access_token=hush-good&b=%zz")),
        ("a form in chunks",           "form",       post(FORM).chunked(b"a=1&access_token=hush-good&b=2", 7), 200, Some("a=1&access_token=hush-good&b=2")),
        ("a form without the token",   "form",       post(FORM).body(b"a=1").bearer("hush-good"),              200, Some("a=1")),
        ("an empty form",              "form",       post(FORM).body(b"").bearer("hush-good"),                 200, Some("")),
        ("stripped",                   "form-strip", post(FORM).body(b"a=1&access_token=hush-good&b=%zz"),     200, Some("a=1&b=%zz")),
        ("stripped, in chunks",        "form-strip", post(FORM).chunked(b"access_token=hush-good&b=2", 5),     200, Some("b=2")),
        ("none in the form",           "form",       post(FORM).body(b"a=1"),                                  401, None),
        ("a form of GET",              "form",       post(FORM).method("GET").body(b"access_token=hush-good"), 401, None),
        ("another charset",            "form",       post("application/x-www-form-urlencoded; charset=utf-16").body(b"access_token=hush-good"), 401, None),
        ("multipart",                  "form",       post("multipart/form-data; boundary=x").body(b"access_token=hush-good"), 401, None),
        ("JSON",                       "form",       post("application/json").body(b"{\"access_token\":\"hush-good\"}"), 401, None),
        ("twice",                      "form",       post(FORM).body(b"access_token=hush-good&access_token=hush-good"), 400, None),
        ("in the header too",          "form",       post(FORM).body(b"access_token=hush-good").bearer("hush-good"), 400, None),
        ("too long",                   "form",       post(FORM).body(long.as_bytes()),                         413, None),
        ("forms are off",              "plain",      post(FORM).body(b"access_token=hush-good"),               401, None),
    ];
    for (name, listener, request, status, body) in cases {
        let response = request.send(world.port(listener));
        assert_eq!(response.status(), status, "{name}: {response:?}");
        let seen = world.upstream.take();
        let bodies: Vec<String> = seen.iter().map(Message::text).collect();
        assert_eq!(bodies, Vec::from_iter(body), "{name}");
        for seen in &seen {
            let length = seen.all("content-length");
            let agrees = length.is_empty() || length == [seen.body.len().to_string()];
            assert!(agrees, "{name}: {length:?} for {} bytes", seen.body.len());
        }
    }
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_form_that_the_host_never_hands_over_is_answered_in_bounded_time() {
    // `from_form` without `allow_on_headers_stop_iteration`; see docs/operations.md
    let world = world();
    let form = Request::new("POST", "/any").header("Content-Type", "application/x-www-form-urlencoded");
    let started = Instant::now();
    let response = form.body(b"access_token=hush-good").send(world.port("form-stuck"));
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    assert_eq!(response.status(), 400);
    assert!(response.text().contains("The form body did not arrive."), "{response:?}");
    assert!(world.upstream.take().is_empty());
    passes(&world, "form-stuck");
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

#[test]
fn a_struct_says_the_same_as_json() {
    // Numbers in a Struct are doubles
    let world = world();
    world.server.on("hush-good", [Behaviour::active("read")]);
    world.server.on("hush-narrow", [Behaviour::active("")]);
    let long = "x".repeat(41);
    for listener in ["as-json", "as-struct"] {
        let port = world.port(listener);
        #[rustfmt::skip]
        let cases = [
            ("a good token",       Request::get("/any").bearer("hush-good"),   200, None),
            ("too long",           Request::get("/any").bearer(&long),         401, None),
            ("a scope is missing", Request::get("/any").bearer("hush-narrow"), 403, None),
            ("no token",           Request::get("/any"),                       401, Some("Bearer realm=\"caf\\\"e\"")),
        ];
        for (name, request, status, challenge) in cases {
            let response = request.send(port);
            assert_eq!(response.status(), status, "{listener}: {name}");
            if let Some(challenge) = challenge {
                assert_eq!(response.all("www-authenticate"), [challenge], "{listener}: {name}");
            }
        }
    }
    let calls = world.server.take();
    // The secret came from the VM's environment: "gateway:hush-from-env".
    let basic = "Basic Z2F0ZXdheTpodXNoLWZyb20tZW52";
    assert!(calls.iter().all(|call| call.all("authorization") == [basic]), "{calls:?}");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn two_configurations_in_one_vm_never_mix() {
    let _turn = my_turn();
    // ATK-115, PWX-14, INT-29: four workers, the same token, two authorization servers
    let stage = Stage { workers: 4, ..Stage::new() };
    let world = World::start(
        stage
            .policy("one", json!({}))
            .policy("other", json!({"providers": {"as": {"introspection": {"cluster": "as2"}}}})),
    );
    world.server.on("hush-token", [Behaviour::active("")]);
    world.second.on("hush-token", [Behaviour::json(r#"{"active":false}"#)]);
    let statuses = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..100 {
            for (listener, want) in [("one", 200), ("other", 401)] {
                let (port, statuses) = (world.port(listener), &statuses);
                scope.spawn(move || {
                    let got = Request::get("/any").bearer("hush-token").send(port).status();
                    statuses.lock().expect("no one panicked").push((listener, want, got));
                });
            }
        }
    });
    // ATK-112: every one of the parallel requests is answered, and rightly
    let statuses = statuses.into_inner().expect("no one panicked");
    let wrong: Vec<_> = statuses.iter().filter(|(_, want, got)| want != got).collect();
    assert!(wrong.is_empty() && statuses.len() == 200, "{wrong:?}");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_bad_configuration_is_refused_with_all_its_faults_and_the_old_one_keeps_serving() {
    // PWX-17, PWX-18
    let realm = |name: &str| json!({"responses": {"realm": name}});
    let stage = |changes: Value| Stage::new().policy("it", changes);
    let mut world = World::start(stage(realm("old")));
    let clusters = world.stage.clusters.clone();
    let challenge =
        |world: &World| Request::get("/any").send(world.envoy.port("it")).all("www-authenticate").concat();
    assert_eq!(challenge(&world), "Bearer realm=\"old\"");
    for (name, changes, faults) in bad_configurations() {
        let logged = world.envoy.log().len();
        world.stage = Stage { clusters: clusters.clone(), ..stage(changes) };
        world.envoy.update(&world.stage);
        for fault in faults {
            world.envoy.wait_for_log(logged, fault);
        }
        world.envoy.wait_for_log(logged, "configuration rejected");
        assert_eq!(challenge(&world), "Bearer realm=\"old\"", "{name}: the old one is gone");
        world.server.on("hush-good", [Behaviour::active("")]);
        let response = Request::get("/any").bearer("hush-good").send(world.envoy.port("it"));
        assert_eq!(response.status(), 200, "{name}");
    }
    // A good one takes over.
    world.envoy.update(&Stage { clusters, ..stage(realm("new")) });
    world.envoy.wait_until("the new one is in force", || challenge(&world) == "Bearer realm=\"new\"");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_replaced_module_counts_when_its_listener_changes() {
    let file = scratch().join("tollgate_filter.wasm");
    let good = fs::read(module()).expect("the module");
    let replace = |bytes: &[u8]| {
        fs::write(file.with_extension("new"), bytes).expect("a file");
        fs::rename(file.with_extension("new"), &file).expect("a file");
    };
    replace(&good);
    let stage = |realm: &str| Stage {
        module: Some(file.clone()),
        ..Stage::new().policy("it", json!({"responses": {"realm": realm}}))
    };
    let world = World::start(stage("first"));
    let clusters = world.stage.clusters.clone();
    let realm =
        |world: &World| Request::get("/any").send(world.envoy.port("it")).all("www-authenticate").concat();
    let update = |realm: &str| {
        let logged = world.envoy.log().len();
        world.envoy.update(&Stage { clusters: clusters.clone(), ..stage(realm) });
        logged
    };
    // A file that is no module: the listener is refused, and the one before serves on.
    replace(b"not a module");
    let logged = update("second");
    world.envoy.wait_for_log(logged, "Unable to create Wasm");
    assert_eq!(realm(&world), "Bearer realm=\"first\"");
    assert!(world.envoy.stat("listener_manager.lds.update_rejected") >= 1);
    // Another build of ours, with a section of its own: it takes over.
    let section = [&[0, 5, 4][..], b"note"].concat();
    replace(&[good, section].concat());
    update("third");
    world.envoy.wait_until("the third one is in force", || realm(&world) == "Bearer realm=\"third\"");
    world.envoy.assert_clean_log(&[]);
}

#[test]
fn a_changed_variable_makes_a_new_vm_with_the_new_secret() {
    // Envoy 1.39 and later
    let client_auth = json!({"client_id": "gateway", "client_secret": null, "client_secret_env": "SECRET"});
    let changes = json!({"providers": {"as": {"introspection": {"client_auth": client_auth}}}});
    let stage = |secret: &str| Stage {
        env: vec![("SECRET".to_owned(), secret.to_owned())],
        ..Stage::new().policy("it", changes.clone())
    };
    let world = World::start(stage("first-secret"));
    let start = Instant::now();
    let credentials = || {
        world.server.take();
        let token = format!("token-{}", start.elapsed().as_nanos());
        let _ = Request::get("/any").bearer(&token).send(world.envoy.port("it"));
        world.server.take().first().map(|call| call.all("authorization").concat())
    };
    let before = credentials();
    assert!(before.is_some());
    world.envoy.update(&Stage { clusters: world.stage.clusters.clone(), ..stage("second-secret") });
    world.envoy.wait_until("other credentials are sent", || credentials() != before);
}

#[test]
fn envoy_does_not_start_with_a_bad_configuration() {
    // PWX-17
    for (name, changes, faults) in bad_configurations().into_iter().take(2) {
        let mut stage = Stage::new().policy("it", changes).cluster("as", 0).cluster("upstream", 0);
        stage.fixed = true;
        let log = stage.try_start().expect_err(name);
        for fault in faults.iter().chain(&["configuration rejected"]) {
            assert!(log.contains(fault), "{name}: {fault:?} is not in\n{log}");
        }
        assert!(!log.contains("hush"), "{name}: {log}");
    }
}

/// A sentence, the changes to a good configuration, and what the log must say.
fn bad_configurations() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    vec![
        (
            "three faults at once",
            json!({"requires": {"audience": ["x"]}, "token": {"max_length": "hush-long"}, "mode": "enforced"}),
            vec!["requires.audience", "audiences", "token.max_length", "mode", "3 error(s)"],
        ),
        (
            "a secret in the wrong place",
            json!({"providers": {"as": {"introspection": {"client_auth": {"client_secret": ["hush-secret"]}}}}}),
            vec!["providers.as.introspection.client_auth.client_secret"],
        ),
        (
            "an environment without the secret",
            json!({"providers": {"as": {"introspection": {"client_auth": {"client_secret": null, "client_secret_env": "NOT_THERE"}}}}}),
            vec!["client_auth"],
        ),
        ("no providers", json!({"providers": null}), vec!["providers"]),
        ("no object", json!("hush"), vec![]),
    ]
}

fn world() -> MutexGuard<'static, World> {
    static WORLD: Shared = Shared::new();
    WORLD.world(stage)
}

/// Everything but what needs an Envoy of its own.
fn stage() -> Stage {
    let form = |forward: bool, stop_iteration: bool| {
        let configuration = policy(json!({"token": {"from_form": true, "forward": forward}}));
        Plugin { stop_iteration, ..Plugin::new(configuration) }
    };
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
    let same = policy(json!({
        "providers": {"as": {"introspection": {"client_auth": {
            "client_secret": null, "client_secret_env": "AS_SECRET",
        }}}},
        "token": {"max_length": 40},
        "requires": {"scopes": ["read"]},
        "responses": {"realm": "caf\"e"},
    }));
    let mut stage = Stage::new()
        .policy("plain", json!({}))
        .policy("retrying", json!({"providers": {"as": {"introspection": {"retries": 2, "timeout": "1s"}}}}))
        .policy("query", json!({"token": {"from_params": ["access_token"]}}))
        .policy("strip", json!({"token": everywhere}))
        .policy("identity", json!({"upstream": upstream, "rules": rules, "cors_preflight": "pass"}))
        .policy("shadow", json!({"upstream": upstream, "mode": "shadow"}))
        .policy("claims", json!({"upstream": {"claim_to_headers": [{"header_name": "x-client-id", "claim_name": "client_id"}]}}))
        .listener("told", told())
        .listener("form", form(true, true))
        .listener("form-strip", form(false, true))
        .listener("form-stuck", form(true, false))
        .listener("as-json", Plugin::new(same.clone()))
        .listener("as-struct", Plugin { as_struct: true, ..Plugin::new(same) });
    stage.env.push(("AS_SECRET".to_owned(), "hush-from-env".to_owned()));
    stage.log_level = "trace";
    stage
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
