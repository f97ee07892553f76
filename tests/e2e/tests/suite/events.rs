//! Pushed events, in a real Envoy with four workers.

mod oddities;

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tollgate_cases::token::Token;
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Regular, Request, connect};
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::my_turn;
use tollgate_e2e::operator::Operator;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{World, merge, policy};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_revocation_acts_in_every_worker_within_a_second_under_load() {
    let _turn = my_turn();
    // EVT-10: while eight clients keep four workers busy with other tokens
    let world = receiving(json!({}));
    let port = world.port("as");
    let active = |sub: &str| {
        Behaviour::json(&format!(r#"{{"active":true,"sub":"{sub}","sid":"s-{sub}","exp":4000000000}}"#))
    };
    world.server.on("hush-alice", [active("alice")]);
    world.server.on("hush-bob", [active("bob")]);
    world.server.on_all("load-", active("load"));
    for token in ["hush-alice", "hush-bob"] {
        for _ in 0..60 {
            assert_eq!(Request::get("/x").bearer(token).send(port).status(), 200);
        }
        assert_eq!(world.server.calls_about(token), 1, "every worker knows it now");
    }
    let (goes_on, last_pass) = (AtomicBool::new(true), Mutex::new(None::<Instant>));
    let pushed = thread::scope(|scope| {
        for client in 0..8 {
            let goes_on = &goes_on;
            scope.spawn(move || {
                let mut line = Regular::new(port);
                for n in 0.. {
                    if !goes_on.load(Ordering::Relaxed) {
                        break;
                    }
                    assert_eq!(line.get("/x", &format!("load-{client}-{}", n % 50)).status(), 200);
                }
            });
        }
        for _ in 0..4 {
            let (goes_on, last_pass) = (&goes_on, &last_pass);
            scope.spawn(move || {
                while goes_on.load(Ordering::Relaxed) {
                    // Each on a connection of its own: of any worker.
                    if Request::get("/x").bearer("hush-alice").send(port).status() == 200 {
                        *last_pass.lock().expect("no one panicked") = Some(Instant::now());
                    }
                }
            });
        }
        thread::sleep(SECOND);
        world.server.on("hush-alice", [Behaviour::json(r#"{"active":false}"#)]);
        let response = push(&event(&json!({"jti": "e1"}))).send(port);
        assert_eq!((response.status(), response.body.len()), (202, 0), "{response:?}");
        let pushed = Instant::now();
        thread::sleep(SECOND * 2);
        goes_on.store(false, Ordering::Relaxed);
        pushed
    });
    let last = last_pass.into_inner().expect("no one panicked").expect("it has passed before");
    let after = last.saturating_duration_since(pushed);
    eprintln!("the last request with the revoked token passed {} ms after the event", after.as_millis());
    assert!(after < SECOND, "{after:?}");
    for _ in 0..60 {
        assert_eq!(Request::get("/x").bearer("hush-alice").send(port).status(), 401);
        assert_eq!(Request::get("/x").bearer("hush-bob").send(port).status(), 200);
    }
    assert_eq!(world.server.calls_about("hush-bob"), 1, "another user's token was not introspected again");
    let counters = world.envoy.counters("revocation.events");
    assert_eq!(counters.get("applied"), Some(&1), "{counters:?}");
    world.envoy.assert_clean_log(&["hush", "alice"]);
}

#[test]
fn doctor_tells_whether_events_reach_the_gateway() {
    let _turn = my_turn();
    let stage = |stop_iteration| {
        let plugin = Plugin { stop_iteration, ..Plugin::new(receiver(json!({}))) };
        World::start(Stage::new().listener("as", plugin))
    };
    let operator = Operator::new();
    operator.write("policy.yaml", &receiver(json!({})).to_string());
    for (stop_iteration, want) in [
        (true, "/events receives events, and rejects one that is not signed"),
        (false, "Does the plugin set allow_on_headers_stop_iteration: true?"),
    ] {
        let world = stage(stop_iteration);
        let gateway = format!("http://127.0.0.1:{}", world.port("as"));
        let args = ["doctor", "policy.yaml", "--allow-http", "--timeout", "2", "--gateway", &gateway];
        let done = operator.command(&args).output().expect("tollgate can be run");
        let printed = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(printed.contains(want), "{done:?}");
    }
}

#[test]
fn nobody_else_revokes_anything_and_nobody_keeps_events_out() {
    let _turn = my_turn();
    // EVT-03, EVT-07, EVT-08, EVT-09
    let world = receiving(json!({}));
    let port = world.port("as");
    world.server.on(
        "hush-alice",
        [Behaviour::json(r#"{"active":true,"sub":"alice","sid":"s-alice","exp":4000000000}"#)],
    );
    let ask = || Request::get("/x").bearer("hush-alice").send(port).status();
    for _ in 0..60 {
        assert_eq!(ask(), 200);
    }
    let status = |request: &Request| request.send(port).status();
    let forged = event(&json!({"key": "other-p256", "header": {"kid": "p256"}}));
    assert_eq!(status(&push(&forged)), 400);
    assert_eq!(status(&push(&event(&json!({"aud": "somebody"})))), 400);
    assert_eq!(status(&Request::get("/events")), 405);
    assert_eq!(status(&push(&event(&json!({}))).method("PUT")), 405);
    assert_eq!(status(&push(&"a".repeat(70_000))), 413);
    let chunked = Request::new("POST", "/events").header("content-type", EVENT);
    assert_eq!(status(&chunked.chunked("a".repeat(70_000).as_bytes(), 1000)), 413);
    for path in ["/events/", "/Events", "/events/x"] {
        assert_eq!(
            status(&Request::new("POST", path).header("content-type", EVENT).body(b"x")),
            401,
            "{path}"
        );
    }
    let mut settled = 0;
    for round in 0..3 {
        // A thousand that begin and do not go on, and leave.
        let slow: Vec<TcpStream> = (0..1000).filter_map(|_| begin(port)).collect();
        let start = Instant::now();
        let other = json!({"jti": format!("o{round}"), "sub_id": {"format": "opaque", "id": "s-other"}});
        assert_eq!(status(&push(&event(&other))), 202);
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
        drop(slow);
        // A flood of forged ones: a real one gets through as soon as it is over.
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..150 {
                        assert!(matches!(status(&push(&forged)), 400 | 503));
                    }
                });
            }
        });
        thread::sleep(SECOND);
        if round == 0 {
            settled = world.envoy.memory();
        }
    }
    let grown = || world.envoy.memory().saturating_sub(settled);
    // On a busy machine it takes a while until Envoy has closed a thousand connections.
    let patience = Instant::now() + SECOND * 20;
    while grown() >= 8 << 20 && Instant::now() < patience {
        thread::sleep(SECOND / 2);
    }
    let grown = grown();
    assert!(grown < 8 << 20, "{grown} bytes more after two further storms");
    assert_eq!(ask(), 200);
    assert_eq!(world.server.calls_about("hush-alice"), 1, "nothing was revoked");
    assert_eq!(status(&push(&event(&json!({"jti": "e2"})))), 202);
    thread::sleep(SECOND / 2);
    for _ in 0..60 {
        assert_eq!(ask(), 200);
    }
    assert_eq!(world.server.calls_about("hush-alice"), 2, "and now it is introspected again");
    world.envoy.assert_clean_log(&["hush", "alice"]);
}

#[test]
fn an_event_is_the_same_over_both_protocols_and_nothing_like_it_is_one() {
    let _turn = my_turn();
    // EVT-03, EVT-07, EVT-08
    let world = receiving(json!({}));
    let port = world.port("as");
    let about = |id: &str| event(&json!({"jti": id, "sub_id": {"format": "opaque", "id": "s-other"}}));
    let over_1 = |more: &[(&str, &str)]| {
        let request = Request::new("POST", "/events").body(about("e").as_bytes());
        more.iter().fold(request, |request, (name, value)| request.header(name, value)).send(port).status()
    };
    let plain = || Http2Request::new("POST", "/events").body(about("e").as_bytes());
    let over_2 = |more: &[(&str, &str)]| {
        more.iter().fold(plain(), |request, (name, value)| request.header(name, value)).send(port).status
    };
    let kind = ("content-type", EVENT);
    for (name, more, want) in [
        ("an event", vec![kind], 202),
        ("twice the same type", vec![kind, kind], 400),
        ("two types", vec![kind, ("content-type", "application/x-www-form-urlencoded")], 400),
        ("two in a line", vec![("content-type", "application/secevent+jwt, application/secevent+jwt")], 400),
        ("no type", vec![], 400),
        ("as a form", vec![("content-type", "application/x-www-form-urlencoded")], 400),
        ("compressed, it says", vec![kind, ("content-encoding", "gzip")], 400),
        ("twice", vec![kind, ("content-encoding", "identity"), ("content-encoding", "deflate")], 400),
        ("another method, it says", vec![kind, ("x-http-method-override", "GET")], 202),
        ("another path, it says", vec![kind, ("x-original-url", "/x"), ("x-rewrite-url", "/x")], 202),
        ("a token of its own", vec![kind, ("authorization", "Bearer hush-alice")], 202),
    ] {
        assert_eq!((over_1(&more), over_2(&more)), (want, want), "{name}");
    }
    let typed = || plain().header("content-type", EVENT);
    assert_eq!(typed().trailer("x-sum", "1").send(port).status, 202);
    assert_eq!(typed().trailer("content-type", "text/plain").send(port).status, 202);
    let form = |body: &str, path: &str| {
        let request = Request::new("POST", path).header("content-type", "application/x-www-form-urlencoded");
        request.body(body.as_bytes()).send(port).status()
    };
    let logout = {
        let changes = json!({
            "header": {"typ": "logout+jwt"}, "sub_id": null, "sid": "s-other",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        event(&changes)
    };
    assert_eq!(form(&format!("logout_token={logout}"), "/events"), 200);
    assert_eq!(form(&format!("logout_token={logout}&logout%5Ftoken={logout}"), "/events"), 400);
    assert_eq!(form("", &format!("/events?logout_token={logout}")), 400);
    assert_eq!(form(&format!("logout_token={}", about("e")), "/events"), 400, "of the other kind");
    assert_eq!(push(&logout).send(port).status(), 400, "of the other kind");
    assert!(world.upstream.take().is_empty() && world.server.take().is_empty());
    world.envoy.assert_clean_log(&["hush", "s-other"]);
}

/// The head of an event, and a byte of its body.
fn begin(port: u16) -> Option<TcpStream> {
    use std::io::Write as _;
    let mut stream = connect(port).ok()?;
    let head =
        format!("POST /events HTTP/1.1\r\nhost: a\r\ncontent-type: {EVENT}\r\ncontent-length: 100\r\n\r\na");
    stream.write_all(head.as_bytes()).ok()?;
    Some(stream)
}

pub(crate) fn push(token: &str) -> Request {
    Request::new("POST", "/events").header("content-type", EVENT).body(token.as_bytes())
}

const EVENT: &str = "application/secevent+jwt";

/// A `session-revoked` of alice's session, with these changes.
pub(crate) fn event(changes: &Value) -> String {
    let mut claims = json!({
        "jti": "e", "aud": "receiver", "iat": "$now",
        "sub_id": {"format": "complex", "user": {"format": "iss_sub", "iss": ISSUER, "sub": "alice"}, "session": {"format": "opaque", "id": "s-alice"}},
        "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}},
    });
    let mut header = json!({"typ": "secevent+jwt"});
    let mut key = None;
    for (name, value) in changes.as_object().expect("an object") {
        match name.as_str() {
            "header" => merge(&mut header, value.clone()),
            "key" => key = value.as_str().map(str::to_owned),
            _ => claims[name] = value.clone(),
        }
    }
    let without = ["exp", "sub", "client_id", "scope"].map(str::to_owned).to_vec();
    let (header, claims) =
        (header.as_object().expect("an object").clone(), claims.as_object().expect("an object").clone());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time of today").as_secs();
    Token { key, header, claims, without, ..Token::default() }.at(now)
}

const ISSUER: &str = "https://as.example.com";

/// Four workers that receive events.
fn receiving(changes: Value) -> World {
    let plugin = Plugin { stop_iteration: true, ..Plugin::new(receiver(changes)) };
    World::start(Stage { workers: 4, ..Stage::new() }.listener("as", plugin))
}

/// Its configuration.
fn receiver(changes: Value) -> Value {
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
        "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    });
    let mut policy = policy(json!({
        "providers": {"as": {"issuer": ISSUER, "jwks": {"inline": {"keys": [key]}}}},
        "revocation": {"events": [{"path": "/events", "audiences": ["receiver"]}]},
        "cache": {"max_entries": 10_000, "ttl": "1h", "ttl_without_exp": "1h"},
    }));
    merge(&mut policy, changes);
    policy
}
