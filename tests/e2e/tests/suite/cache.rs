//! What is remembered, for how long, and by whom.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::{Behaviour, Gate};
use tollgate_e2e::client::{Regular, Request};
use tollgate_e2e::message::Message;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{World, merge, policy};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_one_worker_knows_no_worker_asks_about() {
    // INT-32, MUL-05
    for workers in [1, 4] {
        let world = remembering(workers, json!({}));
        world.server.on("hush-good", [Behaviour::active_for(3600, "")]);
        for _ in 0..60 {
            assert_eq!(get(&world, "/any", "hush-good").status(), 200);
            assert_eq!(get(&world, "/any", "hush-bad").status(), 401);
        }
        assert_eq!(world.server.calls_about("hush-good"), 1, "{workers} workers");
        assert_eq!(world.server.calls_about("hush-bad"), 1, "{workers} workers");
        thread::sleep(SECOND * 3 / 2);
        let counters = world.envoy.counters("cache");
        let of = |name: &str| counters.get(name).copied().unwrap_or_default();
        assert_eq!(of("misses") + of("hits") + of("negative_hits"), 120, "{counters:?}");
        assert_eq!(of("misses") - of("shared_hits"), 2, "{counters:?}");
        assert!(of("misses") <= 2 * u64::from(workers), "{counters:?}");
        world.envoy.assert_clean_log(&["hush"]);
    }
}

#[test]
fn every_request_is_judged_anew() {
    // INT-30
    let rule = |path: &str, scope: &str| json!({"match": {"prefix": path}, "requires": {"scopes": [scope]}});
    for workers in [1, 4] {
        let world = remembering(workers, json!({"rules": [rule("/a", "a"), rule("/b", "b")]}));
        world.server.on("hush-good", [Behaviour::active_for(3600, "a")]);
        for _ in 0..10 {
            assert_eq!(get(&world, "/a", "hush-good").status(), 200);
            assert_eq!(get(&world, "/b", "hush-good").status(), 403);
        }
        assert_eq!(world.server.calls_about("hush-good"), 1);
    }
}

#[test]
fn an_entry_ends_when_it_has_to() {
    // INT-23, INT-24, INT-25, INT-26, INT-27, ATK-66
    for workers in [1, 4] {
        let inactive = || Behaviour::json(r#"{"active":false}"#);
        let long = json!({"cache": {"ttl": "1h", "refresh_ahead": "0s"}});
        let short = json!({"cache": {"ttl": "1s", "ttl_jitter": 0, "refresh_ahead": "0s"}});
        let brief_refusal = json!({"cache": {"negative_ttl": "1s"}});
        let without_exp = json!({"cache": {"ttl_without_exp": "1s"}});
        let nothing = json!({"cache": {"max_entries": 0}});
        #[rustfmt::skip]
        let cases = [
            // name, configuration, first answer, second answer, status, calls after two requests, status at the end
            ("exp",                 &long,          Behaviour::active_for(2, ""),                   inactive(),                     200, 1, 401),
            ("ttl",                 &short,         Behaviour::active_for(3600, ""),                inactive(),                     200, 1, 401),
            ("negative ttl",        &brief_refusal, inactive(),                                     Behaviour::active_for(3600, ""), 401, 1, 200),
            ("no exp",              &long,          Behaviour::active(""),                          Behaviour::active(""),          200, 2, 200),
            ("ttl without exp",     &without_exp,   Behaviour::active(""),                          inactive(),                     200, 1, 401),
            ("no cache",            &nothing,       Behaviour::active_for(3600, ""),                Behaviour::active_for(3600, ""), 200, 2, 200),
            ("no cache, refusals",  &nothing,       inactive(),                                     inactive(),                     401, 2, 401),
            ("an unusable answer",  &long,          Behaviour::json(r#"{"active":"true"}"#),        Behaviour::json("{}"),          502, 2, 502),
            ("no answer",           &long,          Behaviour::close(),                             Behaviour::close(),             503, 2, 503),
        ];
        let mut stage = Stage { workers, ..Stage::new() };
        for (name, configuration, ..) in &cases {
            stage = stage.listener(name, Plugin::new(with_cache(name, (*configuration).clone())));
        }
        let world = World::start(stage);
        let token = |name: &str| format!("hush-{}", name.replace([' ', ','], "-"));
        let send = |name: &str| Request::get("/any").bearer(&token(name)).send(world.port(name)).status();
        for (name, _, first, second, status, calls, _) in &cases {
            world.server.on(&token(name), [first.clone(), second.clone()]);
            assert_eq!((send(name), send(name)), (*status, *status), "{name}, {workers} workers");
            assert_eq!(world.server.calls_about(&token(name)), *calls, "{name}, {workers} workers");
        }
        thread::sleep(SECOND * 3);
        for (name, .., status) in &cases {
            assert_eq!(send(name), *status, "{name} at the end, {workers} workers");
        }
        world.envoy.assert_clean_log(&["hush"]);
    }
}

#[test]
fn no_two_policies_or_providers_share_an_answer() {
    // INT-29, ATK-115, PWX-14: all in one VM, with one plugin name
    let other = |client_id: &str| json!({"providers": {"as": {"introspection": {"client_auth": {"client_id": client_id}}}}});
    let second = json!({"providers": {"as": {"introspection": {"cluster": "as2"}}}});
    for workers in [1, 4] {
        let stage = Stage { workers, ..Stage::new() }
            .listener("one", Plugin::new(with_cache("as", json!({}))))
            .listener("another client", Plugin::new(with_cache("as", other("somebody-else"))))
            .listener("another server", Plugin::new(with_cache("as", second.clone())));
        let world = World::start(stage);
        world.server.on("hush-one", [Behaviour::active_for(3600, "")]);
        for _ in 0..8 {
            for (listener, status) in [("one", 200), ("another client", 200), ("another server", 401)] {
                let response = Request::get("/any").bearer("hush-one").send(world.port(listener));
                assert_eq!(response.status(), status, "{listener}, {workers} workers");
            }
        }
        assert_eq!(world.server.calls_about("hush-one"), 2, "{workers} workers");
        assert_eq!(world.second.calls_about("hush-one"), 1, "{workers} workers");
    }
}

#[test]
fn a_token_in_use_never_waits_again_and_a_revoked_one_is_refused_in_time() {
    // INT-26
    for workers in [1, 4] {
        let world =
            remembering(workers, json!({"cache": {"ttl": "6s", "ttl_jitter": 0, "refresh_ahead": "3s"}}));
        let calls = || world.server.calls_about("hush-used");
        world.server.on("hush-used", [Behaviour::active_for(3600, "")]);
        assert_eq!(get(&world, "/any", "hush-used").status(), 200);
        let mut clients: Vec<Regular> = (0..8).map(|_| Regular::new(world.port("as"))).collect();
        let mut used_by_all = || {
            for client in &mut clients {
                assert_eq!(client.get("/load", "hush-used").status(), 200);
            }
        };
        for round in 1..=3 {
            // The next response is held back: whoever waits for it, waits until the gate opens.
            let gate = Gate::default();
            let before = calls();
            world.server.on("hush-used", [Behaviour::active_for(3600, "").behind(&gate)]);
            while calls() == before {
                used_by_all();
                thread::sleep(Duration::from_millis(40));
            }
            used_by_all();
            gate.open();
            assert!(!gate.has_been_forced(), "a request has waited, {workers} workers, round {round}");
            let refreshes = calls() - before;
            assert!(refreshes <= workers as usize, "{refreshes} calls, {workers} workers, round {round}");
        }
        world.envoy.wait_until("all calls but the first are refreshes", || {
            let refreshes = world.envoy.counters("cache")["refreshes"];
            // Each worker counts its own, also if it takes the response of another worker's call.
            usize::try_from(refreshes).is_ok_and(|refreshes| refreshes >= calls() - 1)
        });

        world.server.on("hush-used", [Behaviour::json(r#"{"active":false}"#)]);
        thread::sleep(SECOND * 6);
        for client in &mut clients {
            assert_eq!(client.get("/load", "hush-used").status(), 401, "{workers} workers");
        }
    }
}

#[test]
fn a_new_configuration_finds_what_the_old_one_knew_if_its_provider_is_the_same() {
    let with = |realm: &str, client_id: &str| {
        let auth = json!({"client_auth": {"client_id": client_id}});
        let more = json!({"responses": {"realm": realm}, "providers": {"as": {"introspection": auth}}});
        Plugin::new(with_cache("as", more))
    };
    let mut world =
        World::start(Stage { workers: 4, ..Stage::new() }.listener("as", with("first", "gateway")));
    world.server.on("hush-kept", [Behaviour::active_for(3600, "")]);
    assert_eq!(get(&world, "/any", "hush-kept").status(), 200);
    for (realm, client_id, calls) in [("second", "gateway", 1), ("third", "somebody-else", 2)] {
        world.stage.listeners = vec![("as".to_owned(), with(realm, client_id))];
        world.envoy.update(&world.stage);
        world.envoy.wait_until(format!("{realm} is in force"), || {
            let refused = Request::get("/any").try_send(world.envoy.port("as"));
            refused.is_ok_and(|refused| challenge(&refused).contains(realm))
        });
        let port = world.envoy.port("as");
        for _ in 0..20 {
            assert_eq!(Request::get("/any").bearer("hush-kept").send(port).status(), 200);
        }
        assert_eq!(world.server.calls_about("hush-kept"), calls, "{realm}");
    }
    world.envoy.assert_clean_log(&["hush"]);
}

fn challenge(refused: &Message) -> String {
    refused.all("www-authenticate").concat()
}

fn get(world: &World, target: &str, token: &str) -> Message {
    Request::get(target).bearer(token).send(world.port("as"))
}

/// A world with one listener, `as`, that remembers.
fn remembering(workers: u32, more: Value) -> World {
    World::start(Stage { workers, ..Stage::new() }.listener("as", Plugin::new(with_cache("as", more))))
}

/// A [`policy`] with the cache's defaults. The header makes each listener's provider its own.
fn with_cache(name: &str, more: Value) -> Value {
    let mut policy =
        policy(json!({"cache": null, "providers": {"as": {"introspection": {"headers": {"x-name": name}}}}}));
    merge(&mut policy, more);
    policy
}

#[test]
fn refunds_ask_and_reads_may_be_five_minutes_old() {
    // INT-26: one token, two rules
    let rules = json!({"rules": [
        {"name": "refunds", "match": {"path": "/refunds"}, "requires": {"max_cache_age": "0s"}},
        {"name": "reads", "match": {"path": "/reads"}, "requires": {"max_cache_age": "5m"}},
    ]});
    for workers in [1, 4] {
        let world = remembering(workers, rules.clone());
        world.server.on("hush-one", [Behaviour::active_for(3600, "")]);
        for n in 1..=5 {
            assert_eq!(get(&world, "/refunds", "hush-one").status(), 200);
            assert_eq!(world.server.calls_about("hush-one"), n, "each refund asks, {workers} workers");
            for _ in 0..10 {
                assert_eq!(get(&world, "/reads", "hush-one").status(), 200);
            }
            assert_eq!(world.server.calls_about("hush-one"), n, "no read asks, {workers} workers");
        }
        // Many at once share calls.
        world.server.on("hush-one", [Behaviour::active_for(3600, "").after(SECOND / 5)]);
        thread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(|| assert_eq!(get(&world, "/refunds", "hush-one").status(), 200));
            }
        });
        let calls = world.server.calls_about("hush-one") - 5;
        assert!((1..30).contains(&calls), "{calls} calls, {workers} workers");
        world.server.on("hush-one", [Behaviour::json(r#"{"active":false}"#)]);
        assert_eq!(get(&world, "/reads", "hush-one").status(), 200, "it is cached, {workers} workers");
        assert_eq!(get(&world, "/refunds", "hush-one").status(), 401, "{workers} workers");
        world.envoy.assert_clean_log(&["hush"]);
    }
}
