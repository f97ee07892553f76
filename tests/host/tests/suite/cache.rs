//! What is remembered by one worker, and what by all of them together.

mod workers;

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Call, Outcome, Response, StreamId, Vm};

use crate::cache::workers::{Random, Workers, active, plain, token_of};
use crate::{config, with_token};

const SECOND: Duration = Duration::from_secs(1);
const INACTIVE: &str = r#"{"active":false}"#;

#[test]
fn what_one_worker_has_heard_no_other_one_asks_about() {
    // MUL-05
    for (shared, calls) in [(true, 1), (false, 4)] {
        for (reply, status) in [(active(), 200), (INACTIVE.to_owned(), 401)] {
            let mut workers = Workers::new(4, &json!({"cache": {"shared": shared}}));
            let mut made = 0;
            for worker in [0, 1, 2, 3, 0, 1, 2, 3] {
                let stream = workers.request(worker, "one");
                made += workers.answer_all(&reply);
                assert_eq!(workers.status(worker, stream), Some(status), "{shared} {worker}");
            }
            assert_eq!(made, calls, "{shared} {reply}");
        }
    }
}

#[test]
fn one_worker_asks_and_the_others_wait() {
    // INT-32, ATK-112: whoever leaves, and whatever comes of the call
    let no_exp = r#"{"active":true}"#.to_owned();
    #[rustfmt::skip]
    let cases = [
        ("good",            Some(active()),             200, 1),
        ("bad",             Some(INACTIVE.to_owned()),  401, 1),
        ("unusable",        Some("{}".to_owned()),      502, 1),
        ("no answer",       None,                       503, 1),
        ("not to be kept",  Some(no_exp),               200, 4),
    ];
    for (name, reply, status, most) in cases {
        for leaves in [false, true] {
            let mut workers = Workers::new(4, &json!({}));
            let leader = workers.request(0, "one");
            let waiting: Vec<_> = (0..12).map(|n| (n % 4, workers.request(n % 4, "one"))).collect();
            assert_eq!(workers.calls().len(), 1, "{name}");
            workers.advance(SECOND);
            assert_eq!(workers.calls().len(), 1, "{name}: somebody has lost patience");
            if leaves {
                workers.all[0].close(leader);
            }
            let mut calls = 0;
            while let Some((worker, call)) = workers.calls().pop() {
                calls += 1;
                match &reply {
                    Some(reply) => workers.all[worker].answer(call.id, &Response::json(reply)),
                    None => workers.all[worker].fail(call.id),
                }
                workers.advance(Duration::from_millis(100));
            }
            assert!(calls <= most, "{name}: {calls} calls");
            for (worker, stream) in waiting {
                assert_eq!(workers.status(worker, stream), Some(status), "{name}, worker {worker}");
            }
        }
    }
}

#[test]
fn a_worker_that_has_died_is_not_waited_for_for_ever() {
    let mut workers = Workers::new(3, &json!({"providers": {"main": {"introspection": {"timeout": "2s"}}}}));
    workers.request(0, "one");
    let waiting = [1, 2].map(|worker| (worker, workers.request(worker, "one")));
    workers.all[0] = Vm::new();
    workers.advance(SECOND * 3);
    // Whoever has waited as long as it ever would asks for itself.
    assert!((1..=2).contains(&workers.answer_all(&active())));
    workers.advance(SECOND / 10);
    for (worker, stream) in waiting {
        assert_eq!(workers.status(worker, stream), Some(200), "worker {worker}");
    }
}

#[test]
fn an_answer_that_is_not_kept_makes_no_worker_wait_in_line() {
    // INT-25: nobody can use another one's answer, so nobody is to wait for it, again and again.
    let long = json!({"active": true, "exp": 2_000_000_000, "long": "x".repeat(17_000)}).to_string();
    let told = json!({"active": true, "exp": 2_000_000_000, "token": "one"}).to_string();
    for (name, reply) in [("no exp", r#"{"active":true}"#), ("too long", &long), ("shows the token", &told)] {
        let cache = json!({"ttl": "1s", "refresh_ahead": "0s"});
        let mut workers = Workers::new(4, &json!({"cache": cache}));
        let mut longest = Duration::ZERO;
        for round in 0..10 {
            let streams = [0, 1, 2, 3].map(|worker| workers.request(worker, "one"));
            let mut waited = Duration::ZERO;
            let waits = |workers: &mut Workers| {
                streams.iter().enumerate().any(|(n, stream)| workers.status(n, *stream).is_none())
            };
            while waits(&mut workers) {
                // Each call takes 300 ms.
                let calls = workers.calls();
                workers.advance(Duration::from_millis(300));
                for (worker, call) in calls {
                    workers.all[worker].answer(call.id, &Response::json(reply));
                }
                waited += Duration::from_millis(300);
                workers.advance(Duration::from_millis(50));
            }
            if round > 0 {
                longest = longest.max(waited);
            }
            workers.advance(SECOND * 2);
        }
        assert!(longest <= Duration::from_millis(600), "{name}: {longest:?} for a call of 300 ms");
    }
}

#[test]
fn a_copy_is_as_old_as_the_original() {
    // INT-24, INT-26: ten workers that copy from each other make no answer last longer.
    let mut workers = Workers::new(10, &json!({"cache": {"ttl": "60s", "refresh_ahead": "0s"}}));
    workers.request(0, "one");
    workers.advance(SECOND);
    assert_eq!(workers.answer_all(&active()), 1);
    for worker in 1..10 {
        workers.leap(SECOND * 6);
        let stream = workers.request(worker, "one");
        assert_eq!(workers.status(worker, stream), Some(200), "worker {worker}");
    }
    // 55 seconds are over since the call was made.
    workers.leap(SECOND * 5);
    for worker in 0..10 {
        let stream = workers.request(worker, "one");
        assert_eq!(workers.status(worker, stream), None, "worker {worker} has forgotten how old it is");
    }
}

#[test]
fn a_token_in_use_is_asked_about_again_by_one_worker_for_all() {
    let mut workers = Workers::new(4, &json!({"cache": {"ttl": "60s", "refresh_ahead": "20s"}}));
    workers.request(0, "one");
    assert_eq!(workers.answer_all(&active()), 1);
    let (mut calls, mut pending) = (0, false);
    for turn in 0..600 {
        for worker in 0..4 {
            let stream = workers.request(worker, "one");
            assert_eq!(workers.status(worker, stream), Some(200), "it waits, at {} s", turn / 2);
            workers.all[worker].close(stream);
        }
        // Each call takes half a second.
        if pending {
            calls += workers.answer_all(&active());
        }
        workers.advance(SECOND / 2);
        pending = !workers.calls().is_empty();
    }
    // One in 40 seconds, or somewhat more often: the jitter shortens.
    assert!((5..=12).contains(&calls), "{calls} calls in 300 seconds");

    // And what a refresh hears counts at once.
    while workers.calls().is_empty() {
        for worker in 0..4 {
            let stream = workers.request(worker, "one");
            assert_eq!(workers.status(worker, stream), Some(200));
            workers.all[worker].close(stream);
        }
        workers.advance(SECOND / 2);
    }
    let asker = workers.calls()[0].0;
    workers.answer_all(INACTIVE);
    let stream = workers.request(asker, "one");
    assert_eq!(workers.status(asker, stream), Some(401));
    workers.leap(SECOND * 25);
    for worker in 0..4 {
        let stream = workers.request(worker, "one");
        workers.answer_all(INACTIVE);
        assert_eq!(workers.status(worker, stream), Some(401), "worker {worker}");
    }
}

#[test]
fn a_refresh_that_fails_is_tried_again_and_does_no_harm() {
    let mut workers = Workers::new(1, &json!({"cache": {"ttl": "60s", "refresh_ahead": "20s"}}));
    workers.request(0, "one");
    workers.answer_all(&active());
    let mut tries = 0;
    for second in 1..54 {
        workers.advance(SECOND);
        let stream = workers.request(0, "one");
        assert_eq!(workers.status(0, stream), Some(200), "after {second} s");
        workers.all[0].close(stream);
        workers.advance(Duration::from_millis(10));
        for (_, call) in workers.calls() {
            tries += 1;
            workers.all[0].fail(call.id);
        }
    }
    assert!((5..=20).contains(&tries), "{tries}");
}

#[test]
fn no_step_of_the_clock_makes_an_answer_last() {
    // PWX-15, ATK-113
    const TTL: i64 = 300;
    let hour = 3600;
    #[rustfmt::skip]
    let cases = [
        // name, when the clock steps and how far, in seconds
        ("none",                        vec![]),
        ("an hour back",                vec![(200, -hour)]),
        ("back at once",                vec![(0, -hour)]),
        ("back within the answer's age", vec![(200, -100)]),
        ("back again and again",        vec![(50, -40), (100, -40), (150, -40), (200, -40), (250, -40)]),
        ("a second back, often",        (1..250).map(|at| (at, -1)).collect()),
        ("a day on",                    vec![(100, 24 * hour)]),
        ("a day on and back",           vec![(100, 24 * hour), (110, -24 * hour)]),
        ("back and on",                 vec![(100, -hour), (102, hour)]),
    ];
    for (name, steps) in cases {
        for keeps_using in [true, false] {
            let mut workers = Workers::new(2, &json!({"cache": {"ttl": "300s", "refresh_ahead": "0s"}}));
            workers.request(0, "one");
            workers.answer_all(&active());
            let mut last = 0;
            for second in 0..TTL + 60 {
                for (_, by) in steps.iter().filter(|(at, _)| *at == second) {
                    for vm in &mut workers.all {
                        vm.set_clock(vm.now().saturating_add_signed(*by));
                    }
                }
                workers.leap(SECOND);
                if keeps_using || second > TTL {
                    for worker in 0..2 {
                        let stream = workers.request(worker, "one");
                        if workers.status(worker, stream).is_some() {
                            last = second + 1;
                        }
                    }
                    // Nobody answers, so that what is remembered stays the first answer.
                    for (worker, call) in workers.calls() {
                        workers.all[worker].fail(call.id);
                    }
                    workers.advance(Duration::from_millis(50));
                }
            }
            assert!(last <= TTL + 1, "{name}: served at the age of {last} s");
        }
    }
}

#[test]
fn what_has_expired_stays_so_when_the_clock_goes_back() {
    // PWX-15, ATK-113, INT-23
    for by in [-1, -60, -3600] {
        let cache = json!({"ttl": "1h", "stale_if_error": "1h", "refresh_ahead": "0s"});
        let mut workers = Workers::new(2, &json!({"cache": cache}));
        let exp = workers.all[0].now() + 10;
        workers.request(0, "one");
        workers.answer_all(&json!({"active": true, "exp": exp}).to_string());
        workers.leap(SECOND * 11);
        for vm in &mut workers.all {
            vm.set_clock(vm.now().saturating_add_signed(by));
        }
        workers.leap(SECOND * 2);
        for worker in 0..2 {
            let stream = workers.request(worker, "one");
            for (worker, call) in workers.calls() {
                workers.all[worker].fail(call.id);
            }
            workers.advance(Duration::from_millis(100));
            let status = workers.status(worker, stream);
            assert_eq!(status, Some(503), "{by} s, worker {worker}");
        }
    }
}

#[test]
fn a_clock_that_steps_during_the_call_harms_nobody() {
    for by in [-3600, -1, 1, 3600, 24 * 3600] {
        let mut workers = Workers::new(2, &json!({"cache": {"ttl": "60s"}}));
        let waiting = [0, 1].map(|worker| (worker, workers.request(worker, "one")));
        for vm in &mut workers.all {
            vm.set_clock(vm.now().saturating_add_signed(by));
        }
        workers.advance(SECOND / 10);
        for _ in 0..5 {
            workers.answer_all(&active());
            workers.advance(SECOND / 10);
        }
        for (worker, stream) in waiting {
            assert_eq!(workers.status(worker, stream), Some(200), "{by} s, worker {worker}");
        }
    }
}

/// A configuration over the plain one, and what Tollgate's place in the host's configuration is called.
type Asker<'a> = (&'a str, Value, &'a str);

#[test]
fn answers_are_shared_by_those_who_would_have_got_the_same() {
    // INT-29, ATK-115, PWX-14: all in one process, whatever the worker
    let main = |more: Value| json!({"providers": {"main": more}});
    let call = |more: Value| main(json!({"introspection": more}));
    let auth = |more: Value| call(json!({"client_auth": more}));
    let renamed = json!({"providers": {"main": null, "renamed": plain()["providers"]["main"]}});
    #[rustfmt::skip]
    let same: [Asker<'_>; 7] = [
        ("everything is",           json!({}),                                              "tollgate"),
        ("rules",                   json!({"rules": [{"match": {"prefix": "/x"}}]}),        "tollgate"),
        ("requirements",            json!({"requires": {"clients": ["app"]}}),              "tollgate"),
        ("answers to clients",      json!({"responses": {"realm": "other"}}),               "tollgate"),
        ("patience",                call(json!({"timeout": "9s", "retries": 3})),           "tollgate"),
        ("back-off",                call(json!({"back_off": "2s"})),                        "tollgate"),
        ("another ttl",             json!({"cache": {"ttl": "30s"}}),                       "tollgate"),
    ];
    #[rustfmt::skip]
    let different: [Asker<'_>; 12] = [
        ("the plugin",              json!({}),                                              "other"),
        ("the client",              auth(json!({"client_id": "other"})),                    "tollgate"),
        ("the secret",              auth(json!({"client_secret": "another"})),              "tollgate"),
        ("the method",              auth(json!({"method": "client_secret_post"})),          "tollgate"),
        ("the path",                call(json!({"uri": "https://as.example.com/other"})),   "tollgate"),
        ("the host",                call(json!({"uri": "https://b.example.com/introspect"})), "tollgate"),
        ("the scheme",              call(json!({"uri": "http://as.example.com/introspect"})), "tollgate"),
        ("the cluster",             call(json!({"cluster": "other"})),                      "tollgate"),
        ("the fallbacks",           call(json!({"fallback_clusters": ["other"]})),          "tollgate"),
        ("a parameter",             call(json!({"parameters": {"resource": "x"}})),         "tollgate"),
        ("a header",                call(json!({"headers": {"x-tenant": "x"}})),            "tollgate"),
        ("the provider's name",     renamed,                                                "tollgate"),
    ];
    for (askers, calls) in [(&same[..], 0), (&different[..], 1)] {
        for (name, more, plugin) in askers {
            let mut config = plain();
            crate::merge(&mut config, more);
            if config["providers"]["main"].is_null() {
                config["providers"].as_object_mut().unwrap().remove("main");
            }
            // In two workers; and in one, in which the second configuration follows the first.
            for in_one in [false, true] {
                let mut vm = Vm::new();
                vm.set_attribute(&["plugin_name"], b"tollgate");
                assert!(vm.configure(plain().to_string().as_bytes()));
                vm.request(&with_token("one"));
                let call = vm.calls().remove(0);
                vm.answer(call.id, &Response::json(&active()));
                if !in_one {
                    vm = vm.beside();
                }
                vm.set_attribute(&["plugin_name"], plugin.as_bytes());
                assert!(vm.configure(config.to_string().as_bytes()), "{name}: {:?}", vm.log());
                let stream = vm.request(&with_token("one"));
                assert_eq!(vm.calls().len(), calls, "{name}");
                assert_eq!(matches!(vm.outcome(stream), Outcome::Forwarded(_)), calls == 0, "{name}");
            }
        }
    }
}

#[test]
fn what_workers_share_is_bounded_and_shows_no_token() {
    // INT-28, INT-31, OAU-22
    let bounds = json!({"max_entries": 64, "negative_max_entries": 16, "ttl_without_exp": "1h"});
    let mut workers = Workers::new(2, &json!({"cache": bounds}));
    let token = |n: u32| format!("hush-{n}.eyJhbGciOiJIUzI1NiJ9.abc~/+-_.{n}-hush==");
    for n in 0..1500 {
        let token = token(n);
        // Some authorization servers say more than they should.
        let reply = match n % 5 {
            0 => INACTIVE.to_owned(),
            1 => json!({"active": true, "token": token}).to_string(),
            2 => json!({"active": true, "echo": [{"said": format!("Bearer {token}")}]}).to_string(),
            3 => json!({"active": true, "long": "x".repeat(17_000)}).to_string(),
            _ => active(),
        };
        let worker = usize::from(n % 2 == 0);
        let stream = workers.request(worker, &token);
        if n % 7 == 0 {
            for (worker, call) in workers.calls() {
                workers.all[worker].fail(call.id);
            }
        } else {
            workers.answer_all(&reply);
            assert!(workers.status(worker, stream).is_some());
        }
        workers.all[worker].close(stream);
    }
    let shared = workers.all[0].shared_data();
    // Keys and values: of all places, and of the secret.
    assert!((100..=2 * (1024 + 1)).contains(&shared.len()), "{}", shared.len());
    let mut shown = shared;
    shown.extend(workers.all.iter().flat_map(Vm::everything_shown));
    let secrets = ["hush", "eyJhbGci", "abc~/+", "a-client-secret", "Z2F0ZXdheTph"];
    for bytes in shown {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    }
}

#[test]
fn garbage_pushes_nothing_good_out() {
    // INT-31: as many guesses as there are, with the bounds as they are by default
    let mut workers = Workers::new(1, &json!({}));
    workers.request(0, "good");
    workers.answer_all(&active());
    for n in 0..6000 {
        let stream = workers.request(0, &format!("garbage-{n}"));
        assert_eq!(workers.answer_all(INACTIVE), 1);
        workers.all[0].close(stream);
        if n % 1000 == 0 {
            let stream = workers.request(0, "good");
            assert_eq!(workers.status(0, stream), Some(200), "after {n}");
        }
    }
    let mut other = workers.all[0].beside();
    assert!(other.configure(&config(&plain())));
    let stream = other.request(&with_token("good"));
    assert!(matches!(other.outcome(stream), Outcome::Forwarded(_)), "and out of what is shared");
}

#[test]
fn an_authorization_server_may_be_away_for_a_minute() {
    // INT-35, INT-36
    let cache = json!({"ttl": "10s", "ttl_jitter": 0, "refresh_ahead": "5s", "stale_if_error": "45s"});
    let mut workers = Workers::new(
        2,
        &json!({"cache": cache, "providers": {"main": {"introspection": {"back_off": "1s"}}}}),
    );
    let exp = workers.all[0].now() + 20;
    let short = json!({"active": true, "exp": exp}).to_string();
    for (token, reply) in [("hot", &active()), ("short", &short)] {
        for worker in 0..2 {
            workers.request(worker, token);
            workers.answer_all(reply);
        }
    }
    let mut calls = 0;
    let fail = |workers: &mut Workers| {
        let made = workers.calls();
        for (worker, call) in &made {
            workers.all[*worker].fail(call.id);
        }
        made.len()
    };
    for turn in 0..1200_u32 {
        let second = turn / 20;
        for worker in 0..2 {
            let streams =
                ["hot", "short", &format!("cold-{turn}")].map(|token| workers.request(worker, token));
            calls += fail(&mut workers);
            workers.advance(Duration::from_millis(25));
            calls += fail(&mut workers);
            let statuses = streams.map(|stream| workers.status(worker, stream));
            let past = |end: u32| if second < end { Some(200) } else { Some(503) };
            if !(54..=55).contains(&second) {
                assert_eq!(statuses[0], past(55), "hot, {second} s");
            }
            if !(19..=20).contains(&second) {
                assert_eq!(statuses[1], past(20), "short, {second} s");
            }
            assert_eq!(statuses[2], Some(503), "cold, {second} s");
            for stream in streams {
                workers.all[worker].close(stream);
            }
        }
    }
    // Three, and then one for each pause; all the tokens together, in each worker.
    assert!((60..=160).contains(&calls), "{calls} calls in a minute");

    // It is back: a crowd comes, and is let through by and by.
    workers.leap(SECOND);
    let mut most = Vec::new();
    for turn in 0..12 {
        for n in 0..100 {
            workers.request(0, &format!("new-{turn}-{n}"));
        }
        most.push(workers.answer_all(&active()));
    }
    assert_eq!(most, [1, 2, 4, 8, 16, 32, 64, 100, 100, 100, 100, 100]);
}

#[test]
fn many_workers_get_in_each_other_s_way_and_no_answer_goes_astray() {
    // PWX-14, INT-32, ATK-112, PWX-10: eight workers, ten tokens, anything in any order
    for seed in 1..=3_u64 {
        let mut workers = Workers::new(8, &json!({"cache": {"ttl": "2s", "negative_ttl": "1s"}}));
        let mut random = Random(seed);
        let mut waiting: Vec<(usize, u64, StreamId)> = Vec::new();
        let mut calls = 0;
        let settle = |workers: &mut Workers, call: &(usize, Call)| {
            let (worker, call) = call;
            let token = token_of(call);
            match token % 5 {
                0 => workers.all[*worker].fail(call.id),
                1 => workers.all[*worker].answer(call.id, &Response::json(INACTIVE)),
                2 => workers.all[*worker].answer(call.id, &Response::json(r#"{"active":true}"#)),
                3 => workers.all[*worker].answer(call.id, &Response::json("[]")),
                _ => workers.all[*worker].answer(call.id, &Response::json(&active())),
            }
        };
        let check = |workers: &mut Workers, waiting: &mut Vec<(usize, u64, StreamId)>| {
            waiting.retain(|(worker, token, stream)| {
                let Some(status) = workers.status(*worker, *stream) else { return true };
                assert_eq!(status, [503, 401, 200, 502, 200][(token % 5) as usize], "token {token}");
                workers.all[*worker].close(*stream);
                false
            });
        };
        for _ in 0..3000 {
            match random.below(10) {
                0..=4 => {
                    let (worker, token) = (random.below(8), random.below(10) as u64);
                    let stream = workers.request(worker, &format!("token-{token}"));
                    waiting.push((worker, token, stream));
                }
                5..=6 => {
                    let open = workers.calls();
                    if !open.is_empty() {
                        settle(&mut workers, &open[random.below(open.len())]);
                        calls += 1;
                    }
                }
                7 if !waiting.is_empty() => {
                    let (worker, _, stream) = waiting.swap_remove(random.below(waiting.len()));
                    workers.all[worker].close(stream);
                }
                _ => workers.advance(Duration::from_millis(random.below(30) as u64)),
            }
            check(&mut workers, &mut waiting);
        }
        for _ in 0..40 {
            for call in workers.calls() {
                settle(&mut workers, &call);
                calls += 1;
            }
            workers.advance(Duration::from_millis(50));
            check(&mut workers, &mut waiting);
        }
        assert!(waiting.is_empty(), "seed {seed}: {} wait for ever", waiting.len());
        assert!(calls < 1500, "seed {seed}: {calls} calls");
    }
}
