//! Streams that end with their token (`on_expiry: close`), in a real Envoy.

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Request, connect};
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::my_turn;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{World, merge, policy};

use crate::events::{event, push};

const SECOND: Duration = Duration::from_secs(1);
const INACTIVE: &str = r#"{"active":false}"#;

#[test]
fn every_kind_of_stream_ends_with_its_token() {
    let _turn = my_turn();
    // STR-01
    let world = closing(2, json!({}));
    let port = world.port("as");
    let start = Instant::now();
    world.server.on("hush-short", [Behaviour::active_for(3, "read"), Behaviour::json(INACTIVE)]);
    world.server.on("hush-long", [Behaviour::active_for(600, "read")]);
    let stays = [events("hush-long"), websocket("hush-long")].map(|request| request.send_and_wait(port));
    let ended = thread::scope(|scope| {
        let over_1: Vec<_> = [events("hush-short"), websocket("hush-short")]
            .into_iter()
            .map(|request| {
                scope.spawn(move || (read_to_the_end(request.send_and_wait(port)), start.elapsed()))
            })
            .collect();
        let held = Request::get("/never").bearer("hush-short");
        let held = scope.spawn(move || (held.send(port), start.elapsed()));
        let over_2 = Http2Request::new("GET", "/endless").bearer("hush-short");
        let over_2 = scope.spawn(move || (over_2.try_send(port), start.elapsed()));
        let grpc = Http2Request::grpc("/never").bearer("hush-short");
        let grpc = scope.spawn(move || (grpc.send(port), start.elapsed()));
        let mut ended = Vec::new();
        for (stream, head) in over_1.into_iter().zip(["HTTP/1.1 200", "HTTP/1.1 101"]) {
            let (bytes, time) = stream.join().expect("a client");
            assert!(bytes.starts_with(head), "{bytes}");
            assert!(!bytes.ends_with("0\r\n\r\n"), "it is cut off, not complete: {bytes}");
            ended.push(time);
        }
        let (response, time) = held.join().expect("a client");
        assert_eq!(response.status(), 401, "without a response, the rejection is told");
        assert!(response.first("www-authenticate").is_some());
        ended.push(time);
        let (response, time) = over_2.join().expect("a client");
        assert!(response.as_ref().is_err_and(h2::Error::is_reset), "{response:?}");
        ended.push(time);
        let (response, time) = grpc.join().expect("a client");
        assert_eq!(response.all("grpc-status"), ["16"]);
        ended.push(time);
        ended
    });
    eprintln!("streams of a token that ended after 3 s have ended after {ended:?}");
    for time in ended {
        assert!(time > SECOND * 2 && time < SECOND * 8, "{time:?}");
    }
    for (stream, is_events) in stays.into_iter().zip([true, false]) {
        assert!(is_open(stream, is_events), "another token's stream goes on");
    }
    assert_eq!(world.envoy.counters("streams").get("ended"), Some(&5));
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn an_event_ends_a_users_streams_in_every_worker() {
    let _turn = my_turn();
    // STR-02
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
        "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    });
    let world = closing(
        4,
        json!({
            "providers": {"as": {"issuer": "https://as.example.com", "jwks": {"inline": {"keys": [key]}}}},
            "revocation": {"events": [{"path": "/events", "audiences": ["receiver"]}]},
        }),
    );
    let port = world.port("as");
    let active = |sub: &str| {
        Behaviour::json(&format!(r#"{{"active":true,"sub":"{sub}","sid":"s-{sub}","exp":4000000000}}"#))
    };
    world.server.on("hush-alice", [active("alice")]);
    world.server.on("hush-bob", [active("bob")]);
    let open = |token: &str, n: usize| -> Vec<TcpStream> {
        (0..n)
            .map(|n| if n % 2 == 0 { events(token) } else { websocket(token) }.send_and_wait(port))
            .collect()
    };
    let (alice, bob) = (open("hush-alice", 100), open("hush-bob", 20));
    thread::sleep(SECOND);
    world.server.on("hush-alice", [Behaviour::json(INACTIVE)]);
    let pushed = Instant::now();
    assert_eq!(push(&event(&json!({"jti": "e1"}))).send(port).status(), 202);
    let last = thread::scope(|scope| {
        let ends: Vec<_> = alice
            .into_iter()
            .map(|one| scope.spawn(move || (read_to_the_end(one), pushed.elapsed())))
            .collect();
        ends.into_iter().map(|one| one.join().expect("a client").1).max()
    });
    let last = last.expect("a hundred");
    eprintln!("a hundred streams have ended {} ms after the event", last.as_millis());
    // What a busy machine adds is not ours.
    assert!(last < SECOND * 5, "{last:?}");
    for (n, stream) in bob.into_iter().enumerate() {
        assert!(is_open(stream, n % 2 == 0), "another user's stream goes on");
    }
    assert_eq!(world.envoy.counters("streams").get("ended"), Some(&100));
    world.envoy.assert_clean_log(&["hush", "alice"]);
}

#[test]
fn what_is_sent_behind_a_stream_that_ends_is_not_judged_by_its_token() {
    let _turn = my_turn();
    // STR-01: pipelined on the same connection
    let world = closing(1, json!({}));
    let port = world.port("as");
    for (token, first) in [
        ("hush-1", events("hush-1")),
        ("hush-2", websocket("hush-2")),
        ("hush-3", Request::get("/never").bearer("hush-3")),
    ] {
        world.server.on(token, [Behaviour::active_for(2, "read"), Behaviour::json(INACTIVE)]);
        let first = String::from_utf8(first.bytes()).expect("ASCII").replacen("Connection: close\r\n", "", 1);
        let next = Request::get("/next").bearer(token).bytes();
        let mut stream = connect(port).expect("a connection");
        stream.write_all(&[first.as_bytes(), &next].concat()).expect("two requests are sent");
        let bytes = read_to_the_end(stream);
        assert!(bytes.matches("HTTP/1.1 200").count() <= 1, "{bytes}");
        let reached = world.upstream.take();
        assert!(reached.iter().all(|request| request.target() != "/next"), "{reached:?}");
    }
    assert_eq!(Request::get("/x").send(port).status(), 401, "Envoy is there");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn clients_that_leave_while_their_streams_end_harm_nobody() {
    let _turn = my_turn();
    // STR-01, ATK-112
    let world = closing(2, json!({}));
    let port = world.port("as");
    for round in 0..3 {
        let token = format!("hush-{round}");
        let inactive = Behaviour::json(INACTIVE).after(Duration::from_millis(50));
        world.server.on(&token, [Behaviour::active_for(2, "read"), inactive]);
        let streams: Vec<_> = (0..300)
            .map(|n| {
                let request = match n % 3 {
                    0 => events(&token),
                    1 => websocket(&token),
                    _ => Request::get("/never").bearer(&token),
                };
                request.send_and_wait(port)
            })
            .collect();
        // From a little before the end until a little after it.
        thread::sleep(Duration::from_millis(1500));
        for stream in streams {
            thread::sleep(Duration::from_millis(5));
            drop(stream);
        }
    }
    world.server.on("hush-good", [Behaviour::active_for(600, "read")]);
    assert_eq!(Request::get("/x").bearer("hush-good").send(port).status(), 200, "Envoy is there");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn requests_that_are_still_being_sent_end_as_well() {
    let _turn = my_turn();
    // STR-01: uploads, bodies that are waited for, and old protocols
    let world = closing(1, json!({}));
    let port = world.port("as");
    #[rustfmt::skip]
    let kinds = [
        ("an upload",              "POST /never HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n",                     vec!["x", "y"]),
        ("one with a response",    "POST /endless HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n",                   vec!["x", "y"]),
        ("chunks",                 "POST /endless HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n",               vec!["3\r\nabc\r\n", "3\r\nabc\r\n"]),
        ("Expect",                 "POST /never HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 10\r\n", vec![]),
        ("HEAD",                   "HEAD /never HTTP/1.1\r\nhost: a\r\n",                                               vec![]),
        ("another behind it",      "GET /never HTTP/1.1\r\nhost: a\r\n",                                                vec!["GET /next HTTP/1.1\r\nhost: a\r\n\r\n"]),
    ];
    for n in 0..kinds.len() {
        let behaviours = [Behaviour::active_for(3, "read"), Behaviour::json(INACTIVE)];
        world.server.on(&format!("hush-{n}"), behaviours);
    }
    thread::scope(|scope| {
        for (n, (name, head, body)) in kinds.iter().enumerate() {
            scope.spawn(move || {
                let mut stream = connect(port).expect("a connection");
                let head = format!("{head}authorization: Bearer hush-{n}\r\n\r\n");
                for part in std::iter::once(head.as_str()).chain(body.iter().copied()) {
                    if stream.write_all(part.as_bytes()).is_err() {
                        break;
                    }
                    thread::sleep(SECOND);
                }
                stream.set_read_timeout(Some(4 * SECOND)).expect("a connection");
                assert!(read_to_the_end(stream).starts_with("HTTP/1.1 "), "{name}");
            });
        }
    });
    assert!(!world.envoy.has_ended());
    assert_eq!(world.envoy.counters("streams").get("ended"), Some(&6));
    world.envoy.assert_clean_log(&["hush"]);
}

fn closing(workers: u32, changes: Value) -> World {
    let mut policy = policy(json!({
        "on_expiry": "close", "cache": {"max_entries": 10_000, "ttl": "1h", "refresh_ahead": "0s"},
    }));
    merge(&mut policy, changes);
    let plugin = Plugin {
        stop_iteration: true,
        manager: json!({"upgrade_configs": [{"upgrade_type": "websocket"}]}),
        ..Plugin::new(policy)
    };
    World::start(Stage { workers, ..Stage::new() }.listener("as", plugin))
}

fn events(token: &str) -> Request {
    Request::get("/endless").bearer(token)
}

fn websocket(token: &str) -> Request {
    Request::get("/endless")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .bearer(token)
}

/// Everything that comes until the stream ends.
fn read_to_the_end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends it as well.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a stream goes on, by what comes of it.
fn is_open(mut stream: TcpStream, is_events: bool) -> bool {
    let mut bytes = [0; 4096];
    stream.set_nonblocking(true).expect("a connection");
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(_) => return false,
        }
    }
    if is_events {
        stream.set_nonblocking(false).expect("a connection");
        return stream.read(&mut bytes).is_ok_and(|n| n > 0);
    }
    true
}
