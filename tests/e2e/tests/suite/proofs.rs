//! Proofs of possession (RFC 9449).

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tollgate_cases::proof::Client;
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Request, connect, response_on};
use tollgate_e2e::message::Message;
use tollgate_e2e::stage::Stage;
use tollgate_e2e::world::World;

#[test]
fn a_bound_token_passes_with_its_proof_and_not_without() {
    // DPP-01, DPP-18, DPP-27, DPP-35, DPP-36, ATK-91, ATK-93
    for workers in [1, 4] {
        let world = world(workers, &json!({}));
        let used = proof("client", &json!({}));
        assert_eq!(with(&world, Some(&used), "DPoP").status(), 200);
        for _ in 0..20 {
            let again = with(&world, Some(&used), "DPoP");
            assert_eq!(again.status(), 401, "used again, {workers} workers");
            assert!(again.all("www-authenticate")[1].contains("invalid_dpop_proof"), "{again:?}");
        }
        assert_eq!(with(&world, None, "DPoP").status(), 401, "no proof");
        assert_eq!(with(&world, None, "Bearer").status(), 401, "as a Bearer token");
        assert_eq!(with(&world, Some(&proof("client", &json!({}))), "Bearer").status(), 401);
        assert_eq!(with(&world, Some(&proof("thief", &json!({}))), "DPoP").status(), 401, "another key");
        for n in 0..50 {
            assert_eq!(with(&world, Some(&proof("client", &json!({}))), "DPoP").status(), 200, "request {n}");
        }
        assert_eq!(
            world.server.calls_about("hush-bound"),
            1,
            "the token is remembered, the proofs are checked"
        );
        let seen = world.upstream.take();
        assert_eq!(seen.len(), 51);
        assert_eq!(seen[0].all("dpop"), [used.as_str()], "the upstream may look at it, too");
        let claims = used.split('.').nth(1).unwrap();
        world.envoy.assert_clean_log(&["hush", claims]);
    }
}

#[test]
fn a_nonce_is_asked_for_and_taken_by_every_worker() {
    // DPP-23, DPP-24, DPP-26
    let world = world(4, &json!({"nonce": "required", "nonce_lifetime": "2s"}));
    let asked = with(&world, Some(&proof("client", &json!({}))), "DPoP");
    assert_eq!(asked.status(), 401);
    assert!(asked.all("www-authenticate")[1].contains("use_dpop_nonce"), "{asked:?}");
    let mut nonce = asked.all("dpop-nonce").remove(0);
    let (mut passed, mut renewed) = (0, 0);
    let end = now() + 6;
    while now() < end {
        let answer = with(&world, Some(&proof("client", &json!({"claims": {"nonce": nonce}}))), "DPoP");
        passed += usize::from(answer.status() == 200);
        if let Some(next) = answer.all("dpop-nonce").pop() {
            assert_eq!(answer.all("cache-control"), ["no-store"]);
            (nonce, renewed) = (next, renewed + 1);
        }
        assert!(answer.status() == 200 || answer.status() == 401, "{answer:?}");
    }
    assert!(passed > 20 && renewed >= 2, "{passed} passed, {renewed} nonces");
}

#[test]
fn another_configuration_over_lds_remembers_what_has_been_used() {
    // DPP-27
    let mut world = world(4, &json!({"replay_cache": 10}));
    let used: Vec<_> = (0..40).map(|_| proof("client", &json!({}))).collect();
    for used in &used {
        assert_eq!(with(&world, Some(used), "DPoP").status(), 200);
    }
    // The last one brings a challenge that shows that it counts.
    let clusters = world.stage.clusters.clone();
    let cache = json!({"max_entries": 1000, "ttl": "1h"});
    let changes =
        json!({"dpop": {"replay_cache": 50_000, "max_age": "2m", "algorithms": ["ES256"]}, "cache": cache});
    world.stage = Stage { workers: 4, clusters, ..Stage::new().policy("api", changes) };
    world.envoy.update(&world.stage);
    let is_there = |world: &World| {
        let challenges = with(world, None, "DPoP").all("www-authenticate").concat();
        challenges.contains("algs=\"ES256\"")
    };
    world.envoy.wait_until("the new configuration is in force", || is_there(&world));
    for used in &used {
        assert_eq!(with(&world, Some(used), "DPoP").status(), 401);
    }
    assert_eq!(with(&world, Some(&proof("client", &json!({}))), "DPoP").status(), 200);
}

/// As many tries as make two workers look at one place at the same moment, again and again.
const TRIES: usize = 300;

#[test]
fn one_proof_on_eight_connections_at_once_counts_once() {
    // DPP-27, ATK-93
    let world = world(4, &json!({}));
    assert_eq!(with(&world, Some(&proof("client", &json!({}))), "DPoP").status(), 200);
    for attempt in 0..TRIES {
        let proof = proof("client", &json!({}));
        let request = Request::get("/orders?page=2").header("authorization", "DPoP hush-bound");
        let statuses = at_once(&world, &request.header("dpop", &proof));
        let passed = statuses.iter().filter(|status| **status == 200).count();
        let refused = statuses.iter().filter(|status| **status == 401).count();
        assert_eq!((passed, refused), (1, 7), "attempt {attempt}: {statuses:?}");
    }
}

#[test]
fn one_fresh_token_on_eight_connections_at_once_is_asked_about_once() {
    // INT-32
    let world = world(4, &json!({}));
    world.server.on_all("hush-fresh", Behaviour::active_for(600, "read"));
    for attempt in 0..TRIES {
        let token = format!("hush-fresh-{attempt}");
        let statuses = at_once(&world, &Request::get("/orders").bearer(&token));
        assert_eq!(statuses, [200; 8], "attempt {attempt}");
        assert_eq!(world.server.calls_about(&token), 1, "attempt {attempt}");
    }
}

/// What eight connections hear that send the same request at the same moment.
fn at_once(world: &World, request: &Request) -> Vec<u16> {
    let port = world.port("api");
    let bytes = request.bytes();
    let (last, rest) = bytes.split_last().expect("a request");
    let mut connections: Vec<_> = (0..8).map(|_| connect(port).expect("a connection")).collect();
    for connection in &mut connections {
        connection.write_all(rest).expect("most of a request is sent");
    }
    for connection in &mut connections {
        connection.write_all(&[*last]).expect("its last byte is sent");
    }
    connections.into_iter().map(|connection| response_on(connection).status()).collect()
}

/// Seconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "a client of its own has a clock of its own")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

fn world(workers: u32, dpop: &Value) -> World {
    let cache = json!({"max_entries": 1000, "ttl": "1h"});
    let stage = Stage { workers, ..Stage::new() };
    let world = World::start(stage.policy("api", json!({"dpop": dpop, "cache": cache})));
    let jkt = Client::new("client").thumbprint();
    let reply = json!({"active": true, "token_type": "DPoP", "exp": now() + 600, "cnf": {"jkt": jkt}});
    world.server.on("hush-bound", [Behaviour::json(&reply.to_string())]);
    world
}

fn with(world: &World, proof: Option<&str>, scheme: &str) -> Message {
    let request = Request::get("/orders?page=2").host("api.example.com");
    let request = request.header("authorization", &format!("{scheme} hush-bound"));
    let request = if let Some(proof) = proof { request.header("dpop", proof) } else { request };
    request.send(world.port("api"))
}

fn proof(of: &str, changes: &Value) -> String {
    Client::new(of).proof("GET", "http://api.example.com/orders", "hush-bound", now(), changes)
}
