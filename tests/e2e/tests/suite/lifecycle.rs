//! Clients that leave, and bodies that arrive early or late.

use std::io::Write;
use std::sync::MutexGuard;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Request, connect};
use tollgate_e2e::message::Message;
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
    let stage = Stage::new()
        .policy("plain", json!({}))
        .policy("retrying", json!({"providers": {"as": {"introspection": {"retries": 2, "timeout": "1s"}}}}))
        .listener("form", form(true, true))
        .listener("form-strip", form(false, true))
        .listener("form-stuck", form(true, false));
    Stage { log_level: "trace", ..stage }
}

/// A good request passes, as if nothing had been.
fn passes(world: &World, listener: &str) {
    world.server.on("hush-fine", [Behaviour::active("")]);
    let response = Request::get("/any").bearer("hush-fine").send(world.port(listener));
    assert_eq!(response.status(), 200, "{listener}: {response:?}");
}
