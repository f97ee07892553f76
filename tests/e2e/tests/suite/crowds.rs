//! More at once than anybody lets through, and what is remembered of it afterwards.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::{Behaviour, Gate};
use tollgate_e2e::client::{Regular, Request, connect, response_on};
use tollgate_e2e::my_turn;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{World, policy};

const SECOND: Duration = Duration::from_secs(1);
/// How long a response is cached, and how long before its end it is asked for again.
const TTL: Duration = Duration::from_secs(12);
const AHEAD: Duration = Duration::from_secs(6);

#[test]
fn a_crowd_of_new_tokens_before_a_cluster_that_lets_few_through_is_answered() {
    let _turn = my_turn();
    // INT-35, PWX-06: Envoy refuses the surplus within the callback that makes the call, and what is to be
    // repeated falls due together.
    for workers in [1, 4] {
        let world = narrow(workers, &json!({}), &json!({"retries": 2}));
        world.server.on_all("new-", Behaviour::active_for(3600, "").after(SECOND / 4));
        let statuses = crowd(world.port("as"), "new-", 2000);
        assert!(statuses.keys().all(|status| matches!(status, 403 | 503)), "{statuses:?}, {workers} workers");
        assert!(statuses.get(&403).is_some_and(|n| *n >= 16), "{statuses:?}, {workers} workers");
        world.envoy.assert_clean_log(&["new-"]);
    }
}

#[test]
fn tokens_that_are_all_to_be_asked_about_again_at_once_wait_for_nothing() {
    let _turn = my_turn();
    // Entries of one age, all used in one moment: all calls are made in one tick, and nearly all of them
    // are refused.
    let cache = json!({"ttl": "12s", "ttl_jitter": 0, "refresh_ahead": "6s"});
    let world = narrow(1, &cache, &json!({}));
    world.server.on_all("used-", Behaviour::active_for(3600, ""));
    // A slow machine manages fewer of them before the first entry ends.
    let counts = [800, 400, 200, 100];
    assert!(
        counts.into_iter().any(|count| are_asked_about_again(&world, count)),
        "not even a hundred in time"
    );
    world.envoy.assert_clean_log(&["used-"]);
}

/// Has that many tokens cached, and all of them used again in one moment, when each of them is to be asked about again.
/// `false`: by then, the first entry had ended, and nothing is shown.
fn are_asked_about_again(world: &World, count: u32) -> bool {
    let before = world.envoy.all_counters().remove("cache.refreshes").unwrap_or_default();
    let (port, begun) = (world.port("as"), Instant::now());
    let prefix = format!("used-{count}-");
    let mut client = Regular::new(port);
    for n in 0..count {
        assert_eq!(client.get("/lacking", &format!("{prefix}{n}")).status(), 403);
    }
    thread::sleep(AHEAD);
    // Whoever waits for one of these responses gets none in time.
    let gate = Gate::default();
    world.server.always(Some(Behaviour::active_for(3600, "").behind(&gate)));
    let statuses = crowd(port, &prefix, count);
    let is_in_time = begun.elapsed() < TTL;
    gate.open();
    world.server.always(None);
    if is_in_time {
        assert_eq!(statuses, BTreeMap::from([(403, count)]));
        // Of every second token at least.
        world.envoy.wait_for_counter("cache.refreshes", before + u64::from(count / 2));
    }
    is_in_time
}

/// That many requests in one moment, with distinct tokens: how often they got which status. All are
/// refused in the end, for what their tokens lack, so that the upstream need not stand the crowd.
fn crowd(port: u16, prefix: &str, count: u32) -> BTreeMap<u16, u32> {
    let mut streams: Vec<TcpStream> = (0..count).filter_map(|_| connect(port).ok()).collect();
    assert_eq!(streams.len(), count as usize);
    for (n, stream) in streams.iter_mut().enumerate() {
        let request = Request::get("/lacking").bearer(&format!("{prefix}{n}"));
        assert!(stream.write_all(&request.bytes()).is_ok());
    }
    let mut statuses = BTreeMap::new();
    for stream in streams {
        *statuses.entry(response_on(stream).status()).or_default() += 1;
    }
    statuses
}

/// A world with one listener, `as`, that remembers, and whose cluster lets sixteen calls through at once.
fn narrow(workers: u32, cache: &Value, introspection: &Value) -> World {
    let narrow = BTreeMap::from([("as".to_owned(), 16)]);
    let mut policy = policy(json!({
        "cache": null,
        "providers": {"as": {"introspection": introspection}},
        "requires": {"scopes": ["none-has-it"]},
    }));
    policy["cache"] = cache.clone();
    World::start(Stage { workers, narrow, ..Stage::new() }.listener("as", Plugin::new(policy)))
}
