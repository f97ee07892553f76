//! A remembering filter under load: many requests at once, floods, outages.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Regular, Request, connect, response_on};
use tollgate_e2e::my_turn;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{World, merge, policy};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_thousand_requests_with_one_new_token_are_one_call() {
    let _turn = my_turn();
    // INT-32, ATK-112: and a thousand right answers, whoever leaves, and whatever comes of the call
    let slow = |behaviour: Behaviour| behaviour.after(SECOND * 2);
    let inactive = Behaviour::json(r#"{"active":false}"#);
    #[rustfmt::skip]
    let cases = [
        ("good",   slow(Behaviour::active_for(3600, "")),  200),
        ("bad",    slow(inactive),                         401),
        ("failed", slow(Behaviour::close()),               503),
        ("odd",    slow(Behaviour::json("{}")),            502),
    ];
    for workers in [1, 4] {
        let world = remembering(workers, json!({}));
        for (name, behaviour, status) in &cases {
            let token = format!("hush-{name}");
            world.server.on(&token, [behaviour.clone()]);
            let request = Request::get("/load").bearer(&token);
            let send = |_| request.send_and_wait(world.port("as"));
            let leavers: Vec<TcpStream> = (0..10).map(send).collect();
            let waiting: Vec<TcpStream> = (0..1000).map(send).collect();
            drop(leavers);
            for (n, stream) in waiting.into_iter().enumerate() {
                assert_eq!(response_on(stream).status(), *status, "{name} {n}, {workers} workers");
            }
            assert_eq!(world.server.calls_about(&token), 1, "{name}, {workers} workers");
        }
        let coalesced = world.envoy.counters("introspection").remove("coalesced").unwrap_or_default();
        assert!(coalesced >= 3900, "{coalesced}");
        world.envoy.assert_clean_log(&["hush"]);
    }
}

#[test]
fn floods_grow_no_memory_and_push_no_good_token_out() {
    let _turn = my_turn();
    // INT-31, INT-27: far more tokens than there is room for, bad ones and good ones
    let bounds = json!({"cache": {"max_entries": 300, "negative_max_entries": 100, "ttl": "1h"}});
    for workers in [1, 4] {
        let world = remembering(workers, bounds.clone());
        world.server.on("hush-kept", [Behaviour::active_for(7200, "")]);
        world.server.on_all("good-", Behaviour::active_for(7200, &"scope ".repeat(50)));
        let port = world.port("as");
        // Every worker gets to know it.
        for _ in 0..50 {
            assert_eq!(Request::get("/load").bearer("hush-kept").send(port).status(), 200);
        }
        flood(port, "bad-", 0..8000, 401);
        for _ in 0..50 {
            assert_eq!(Request::get("/load").bearer("hush-kept").send(port).status(), 200);
        }
        assert_eq!(world.server.calls_about("hush-kept"), 1, "garbage has pushed it out, {workers} workers");

        flood(port, "good-", 0..4000, 200);
        let settled = world.envoy.memory();
        flood(port, "good-", 4000..12_000, 200);
        let grown = world.envoy.memory().saturating_sub(settled);
        assert!(grown < 6 << 20, "{grown} bytes more after 8000 further tokens, {workers} workers");
        world.envoy.assert_clean_log(&["hush", "good-"]);
    }
}

/// As many as there is patience for: `cargo test -p tollgate-e2e half_a_million -- --ignored --nocapture`.
#[test]
#[ignore = "it takes minutes"]
fn half_a_million_tokens_leave_memory_as_it_was() {
    let _turn = my_turn();
    // INT-31: with the bounds as they are by default
    let world = remembering(4, json!({"requires": {"scopes": ["none-has-it"]}}));
    world.server.on_all("good-", Behaviour::active_for(7200, &"scope ".repeat(50)));
    let mut settled = 0;
    for round in 0..10 {
        let numbers = round * 25_000..(round + 1) * 25_000;
        flood(world.port("as"), "good-", numbers.clone(), 403);
        flood(world.port("as"), "bad-", numbers.clone(), 401);
        world.server.take();
        let memory = world.envoy.memory();
        eprintln!("{} tokens: {} MiB", 2 * numbers.end, memory >> 20);
        if round == 4 {
            settled = memory;
        }
    }
    let grown = world.envoy.memory().saturating_sub(settled);
    assert!(grown < 8 << 20, "{grown} bytes more after 250000 further tokens");
    world.envoy.assert_clean_log(&["good-", "bad-"]);
}

#[test]
fn the_same_garbage_again_asks_nobody() {
    let _turn = my_turn();
    let world = remembering(4, json!({"cache": {"negative_ttl": "1h"}}));
    for _ in 0..3 {
        flood(world.port("as"), "bad-", 0..500, 401);
    }
    let calls = world.server.take().len();
    // Those that meet in a slot of the shared data push each other out, so some are asked about twice.
    assert!(calls <= 550, "{calls} calls about 500 tokens");
}

#[test]
fn an_outage_is_survived_and_its_end_is_no_stampede() {
    let _turn = my_turn();
    // INT-35, INT-36
    let outage = SECOND * 4;
    for workers in [1, 4] {
        let world = remembering(
            workers,
            json!({"cache": {"ttl": "1s", "refresh_ahead": "500ms", "stale_if_error": "30s"}, "providers": {"as": {"introspection": {"back_off": "1s"}}}}),
        );
        world.server.on("hush-hot", [Behaviour::active_for(3600, "")]);
        world.server.on("hush-short", [Behaviour::active_for(3, "")]);
        world.server.on_all("cold-", Behaviour::active_for(3600, "").after(SECOND / 10));
        let port = world.port("as");
        for _ in 0..50 {
            assert_eq!(Request::get("/load").bearer("hush-hot").send(port).status(), 200);
            assert_eq!(Request::get("/load").bearer("hush-short").send(port).status(), 200);
        }
        world.server.take();
        world.server.always(Some(Behaviour::close()));
        let (down, colds, hots) = (AtomicBool::new(true), AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for client in 0..8 {
                let (down, colds, hots) = (&down, &colds, &hots);
                scope.spawn(move || {
                    let mut client_of = Regular::new(port);
                    while down.load(Ordering::Relaxed) {
                        assert_eq!(client_of.get("/load", "hush-hot").status(), 200, "a hot token");
                        hots.fetch_add(1, Ordering::Relaxed);
                        let n = colds.fetch_add(1, Ordering::Relaxed);
                        if n % 20 == 0 {
                            // Now and then to another worker, so that all of them know.
                            client_of = Regular::new(port);
                        }
                        let refused = client_of.get("/load", &format!("cold-{client}-{n}"));
                        assert_eq!(refused.status(), 503, "a cold token");
                        assert!(refused.first("retry-after").is_some(), "no Retry-After");
                        thread::sleep(Duration::from_millis(2));
                    }
                });
            }
            thread::sleep(outage);
            down.store(false, Ordering::Relaxed);
        });
        let (calls, colds) = (world.server.take().len(), colds.load(Ordering::Relaxed));
        // Three failures, then a call for each pause: 50, 100, 200 … 1000 ms, in each worker.
        let bound = usize::try_from(workers).unwrap_or(1) * 24;
        assert!(calls <= bound && colds > 1000, "{calls} calls for {colds} tokens, {workers} workers");
        assert!(hots.load(Ordering::Relaxed) > 1000);
        assert!(world.envoy.counters("introspection")["backed_off"] > 1000);
        // Never past `exp`, whatever is stale.
        assert_ne!(Request::get("/load").bearer("hush-short").send(port).status(), 200);

        // It comes back, and everybody wants to know at once. The last pause is over.
        thread::sleep(SECOND * 5 / 4);
        world.server.most_under_way();
        world.server.always(None);
        let mut crowd: Vec<TcpStream> = (0..500).filter_map(|_| connect(port).ok()).collect();
        for (n, stream) in crowd.iter_mut().enumerate() {
            let request = Request::get("/load").bearer(&format!("cold-again-{n}"));
            assert!(stream.write_all(&request.bytes()).is_ok());
        }
        let answered: Vec<u16> = crowd.into_iter().map(|stream| response_on(stream).status()).collect();
        assert!(answered.iter().all(|status| matches!(status, 200 | 503)), "{answered:?}");
        let most = world.server.most_under_way();
        assert!((1..=100).contains(&most), "{most} calls at once, {workers} workers");
        // Soon all is as it was.
        let until = Instant::now() + SECOND * 20;
        let mut n = 0;
        while (0..20).any(|_| {
            n += 1;
            Request::get("/load").bearer(&format!("cold-after-{n}")).send(port).status() != 200
        }) {
            assert!(Instant::now() < until, "it does not recover");
        }
        world.envoy.assert_clean_log(&["hush", "cold-"]);
    }
}

#[test]
fn in_an_outage_a_token_serves_in_workers_that_have_never_seen_it() {
    let _turn = my_turn();
    // INT-35
    let world = remembering(4, json!({"cache": {"ttl": "1s", "stale_if_error": "30s"}}));
    world.server.on("hush-once", [Behaviour::active_for(3600, "")]);
    let ask = || Request::get("/load").bearer("hush-once").send(world.port("as")).status();
    assert_eq!(ask(), 200);
    world.server.always(Some(Behaviour::close()));
    thread::sleep(SECOND * 5 / 4);
    let answered: Vec<u16> = (0..40).map(|_| ask()).collect();
    assert_eq!(answered, [200; 40]);
    assert!(world.envoy.counters("cache")["stale_hits"] >= 40);
    world.envoy.assert_clean_log(&["hush"]);
}

/// Requests with distinct tokens, by some clients at once.
fn flood(port: u16, prefix: &str, numbers: std::ops::Range<u32>, status: u16) {
    const CLIENTS: u32 = 8;
    let next = AtomicU32::new(numbers.start);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Regular::new(port);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= numbers.end {
                        return;
                    }
                    assert_eq!(client.get("/load", &format!("{prefix}{n}")).status(), status, "{prefix}{n}");
                }
            });
        }
    });
}

/// A world with one listener, `as`, that remembers.
fn remembering(workers: u32, more: Value) -> World {
    let mut policy = policy(json!({"cache": null}));
    merge(&mut policy, more);
    World::start(Stage { workers, ..Stage::new() }.listener("as", Plugin::new(policy)))
}
