//! Streams that end at every moment, over HTTP/2 and HTTP/1. Envoy must live, answer everybody else,
//! and have nothing left over.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use socket2::SockRef;
use tollgate_cases::proof::Client;
use tollgate_cases::token::{Token, pem};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::http2::{Http2Request, send_and_reset};
use tollgate_e2e::my_turn;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{World, policy};

/// What a request waits for, and for about how long.
struct Wait {
    name: &'static str,
    listener: &'static str,
    /// In milliseconds, how long it is until something comes.
    after: u64,
    request: fn(usize) -> Http2Request,
}

#[rustfmt::skip]
const WAITS: &[Wait] = &[
    Wait { name: "a bad token, at once",        listener: "plain",   after: 2,   request: |n| with_token(&format!("bad-2-{n}")) },
    Wait { name: "a bad token, soon",           listener: "plain",   after: 5,   request: |n| with_token(&format!("bad-5-{n}")) },
    Wait { name: "a bad token, later",          listener: "plain",   after: 20,  request: |n| with_token(&format!("bad-20-{n}")) },
    Wait { name: "a good token",                listener: "plain",   after: 5,   request: |n| with_token(&format!("good-{n}")) },
    Wait { name: "a timeout",                   listener: "silent",  after: 100, request: |n| with_token(&format!("silent-{n}")) },
    Wait { name: "a retry",                     listener: "retries", after: 25,  request: |n| with_token(&format!("failing-{n}")) },
    Wait { name: "one call for many",           listener: "cached",  after: 20,  request: |n| with_token(&format!("bad-20-shared-{}", n / 20)) },
    Wait { name: "a good one for many",         listener: "cached",  after: 5,   request: |n| with_token(&format!("good-shared-{}", n / 20)) },
    Wait { name: "keys of an unknown kid",      listener: "keys",    after: 20,  request: |n| with_token(&jwt(n)) },
    Wait { name: "a form",                      listener: "forms",   after: 5,   request: form },
    Wait { name: "a form and what follows",     listener: "forms",   after: 10,  request: whole_form },
    Wait { name: "a form that nobody judges",   listener: "open",    after: 5,   request: form },
    Wait { name: "one that loses its token",    listener: "open",    after: 2,   request: whole_form },
    Wait { name: "a WebSocket, a bad token",    listener: "sockets", after: 5,   request: |n| socket(&format!("bad-5-socket-{n}")) },
    Wait { name: "a WebSocket, a good token",   listener: "sockets", after: 5,   request: |n| socket(&format!("good-socket-{n}")) },
    Wait { name: "a proof",                     listener: "proofs",  after: 5,   request: |n| with_proof(&format!("bad-5-bound-{n}")) },
    Wait { name: "a nonce for a proof",         listener: "nonces",  after: 2,   request: |n| with_proof(&format!("bad-5-bound-{n}")) },
    Wait { name: "a signature of Envoy's",      listener: "rs256",   after: 5,   request: |n| with_token(&format!("bad-5-rs-{n}")) },
    Wait { name: "a signature of our own",      listener: "ps256",   after: 20,  request: |n| with_token(&format!("bad-5-ps-{n}")) },
];

#[test]
fn envoy_outlives_streams_that_are_reset_at_any_moment() {
    let _turn = my_turn();
    // PWX-10, ATK-112
    for workers in [1, 4] {
        let world = world(workers);
        let mut given_up = 0;
        for wait in WAITS {
            given_up += give_up(&world, wait, 120, 3);
            assert_serves(&world, wait.name);
        }
        assert!(given_up > 1000, "{given_up}: most were answered in time");
        assert_nothing_left(&world);
        let settled = world.envoy.memory();
        for wait in WAITS {
            give_up(&world, wait, 60, 2);
        }
        assert_nothing_left(&world);
        let growth = world.envoy.memory().saturating_sub(settled);
        assert!(growth < 24 << 20, "{workers} workers: memory has grown by {growth} bytes");
        world.envoy.assert_clean_log(&[]);
    }
}

#[test]
fn envoy_outlives_connections_that_break_at_any_moment() {
    let _turn = my_turn();
    // PWX-10, ATK-112
    for workers in [1, 4] {
        let world = world(workers);
        for wait in WAITS.iter().filter(|wait| (wait.request)(0).token().is_some()) {
            thread::scope(|scope| {
                for client in 0..4_u64 {
                    let world = &world;
                    scope.spawn(move || {
                        for n in 0..30_u64 {
                            let number = usize::try_from(client * 1000 + n).expect("a small number");
                            let token = (wait.request)(number).token().expect("a token");
                            let stream =
                                Request::get("/any").bearer(&token).send_and_wait(world.port(wait.listener));
                            thread::sleep(moment(wait.after, n * 4 + client));
                            if n % 2 == 0 {
                                // A reset instead of an orderly end.
                                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                            }
                            drop(stream);
                        }
                    });
                }
            });
            assert_serves(&world, wait.name);
        }
        assert_nothing_left(&world);
        world.envoy.assert_clean_log(&[]);
    }
}

#[test]
fn a_timeout_of_envoy_s_own_and_a_late_response_of_the_server_do_not_meet() {
    let _turn = my_turn();
    // The route's timeout does not run while a filter holds the request; the stream's idle timeout does.
    let manager = json!({"stream_idle_timeout": "0.2s"});
    let stage = Stage::new().listener("idle", Plugin { manager, ..Plugin::new(policy(json!({}))) });
    let world = World::start(stage);
    for (prefix, at) in [("at", 200), ("before", 180), ("after", 260)] {
        world.server.on_all(prefix, inactive().after(Duration::from_millis(at)));
        for n in 0..40 {
            let response = Http2Request::new("GET", "/any")
                .bearer(&format!("{prefix}-{n}"))
                .try_send(world.port("idle"));
            let status = response.map(|response| response.status);
            assert!(matches!(status, Ok(401 | 408 | 504)), "{prefix}: {status:?}");
        }
    }
    world.server.on("good", [Behaviour::active("")]);
    assert_eq!(Request::get("/any").bearer("good").send(world.port("idle")).status(), 200);
    world.envoy.assert_clean_log(&[]);
}

/// That many requests on each of these connections at once, each reset somewhere around the moment at which
/// something comes for it. How many had no response by then.
fn give_up(world: &World, wait: &Wait, requests: usize, connections: usize) -> usize {
    let port = world.port(wait.listener);
    thread::scope(|scope| {
        let one = |connection: usize| {
            let of = move |n: usize| {
                let number = connection * 10_000 + n;
                ((wait.request)(number), moment(wait.after, u64::try_from(n).unwrap_or(0)))
            };
            move || requests - send_and_reset(port, &(0..requests).map(of).collect::<Vec<_>>())
        };
        let running: Vec<_> = (0..connections).map(|connection| scope.spawn(one(connection))).collect();
        running.into_iter().map(|one| one.join().expect("a client")).sum()
    })
}

/// From long before something comes to a while after it, most of them close to it.
fn moment(after: u64, n: u64) -> Duration {
    let micros = after * 1000;
    let offset = match n % 6 {
        0 => 0,
        1 => micros / 2,
        2 => micros * 2,
        _ => micros + (n * 577) % 4000,
    };
    Duration::from_micros(if n % 6 > 2 { offset.saturating_sub(1000) } else { offset })
}

/// A good request passes everywhere, after a pause that the failures before it may have earned.
fn assert_serves(world: &World, after: &str) {
    world.server.on("well", [Behaviour::active("")]);
    for listener in ["plain", "retries", "cached", "forms"] {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let response = Request::get("/any").bearer("well").try_send(world.port(listener));
            match response.map(|response| response.status()) {
                Ok(200) => break,
                Ok(503) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
                status => panic!("{listener} after {after}: {status:?}\n{}", world.envoy.last_lines()),
            }
        }
    }
}

/// Waits until no request is left anywhere.
fn assert_nothing_left(world: &World) {
    let until = Instant::now() + Duration::from_secs(20);
    let gauges: Vec<String> = (world.stage.listeners.iter())
        .map(|(name, _)| format!("http.{name}.downstream_rq_active"))
        .chain(["as", "as2", "upstream"].map(|name| format!("cluster.{name}.upstream_rq_active")))
        .collect();
    loop {
        let left: Vec<_> =
            gauges.iter().map(|gauge| (gauge, world.envoy.stat(gauge))).filter(|(_, n)| *n > 0).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "left over: {left:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn world(workers: u32) -> World {
    let introspection = |more: Value| json!({"providers": {"as": {"introspection": more}}});
    let keys = json!({"providers": {"as": {
        "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
        "introspection": null, "jwks": {"uri": "https://as.example.com/jwks", "cluster": "as2"},
    }}});
    let with_form = |changes| Plugin { stop_iteration: true, ..Plugin::new(policy(changes)) };
    let signed = |algorithm| {
        introspection(
            json!({"client_auth": {"method": "private_key_jwt", "client_id": "gateway", "client_secret": null,
            "private_key": pem("rsa"), "algorithm": algorithm, "audience": "https://as.example.com"}}),
        )
    };
    let stage = Stage { workers, ..Stage::new() }
        .policy("plain", json!({}))
        .policy("silent", introspection(json!({"timeout": "100ms"})))
        .policy("retries", introspection(json!({"retries": 2, "back_off": "10ms"})))
        .policy("cached", json!({"cache": null}))
        .policy("keys", keys)
        .policy("sockets", json!({"token": {"from_websocket_protocol": "bearer"}}))
        .policy("proofs", json!({"dpop": {}}))
        .policy("nonces", json!({"dpop": {"nonce": "required"}}))
        .policy("rs256", signed("RS256"))
        .policy("ps256", signed("PS256"))
        .listener("forms", with_form(json!({"token": {"from_form": true}})))
        .listener("open", with_form(json!({
            "token": {"from_form": true, "forward": false}, "rules": [{"match": {"prefix": "/"}, "access": "anonymous"}],
        })));
    let world = World::start(stage);
    for ms in [2, 5, 20] {
        world.server.on_all(&format!("bad-{ms}-"), inactive().after(Duration::from_millis(ms)));
    }
    world.server.on_all("good-", Behaviour::active_for(60, "").after(Duration::from_millis(5)));
    world.server.on_all("silent-", Behaviour::Hang(Vec::new()));
    world.server.on_all("failing-", Behaviour::close());
    let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y","y":"eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"}]}"#;
    world.second.always(Some(Behaviour::json(keys).after(Duration::from_millis(20))));
    world
}

fn inactive() -> Behaviour {
    Behaviour::json(r#"{"active":false}"#)
}

fn with_token(token: &str) -> Http2Request {
    Http2Request::new("GET", "/any").bearer(token)
}

/// A WebSocket whose client offers a token, and goes on.
fn socket(token: &str) -> Http2Request {
    let request = Http2Request::connect("websocket", "/any");
    request.header("sec-websocket-protocol", &format!("bearer, {token}, chat")).unfinished(b"")
}

fn with_proof(token: &str) -> Http2Request {
    let proof = Client::new("client").proof("GET", "http://api.example.com/any", token, now(), &json!({}));
    Http2Request::new("GET", "/any").header("authorization", &format!("DPoP {token}")).header("dpop", &proof)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

/// A JWT that names a key which nobody has.
fn jwt(n: usize) -> String {
    let header = Map::from_iter([("kid".to_owned(), json!(format!("none-{n}")))]);
    Token { header, ..Token::default() }.at(now())
}

fn form(n: usize) -> Http2Request {
    let request =
        Http2Request::new("POST", "/any").header("content-type", "application/x-www-form-urlencoded");
    request.unfinished(format!("a={n}&access_tok").as_bytes())
}

fn whole_form(n: usize) -> Http2Request {
    let request =
        Http2Request::new("POST", "/any").header("content-type", "application/x-www-form-urlencoded");
    request.body(format!("a=1&access_token=bad-5-form-{n}").as_bytes())
}
