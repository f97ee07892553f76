//! Everything that can happen to a request that waits, in any order, with two workers.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Outcome, Response, StreamId, Vm, head};

use crate::{config, with_token};

/// A small generator: the same cases on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }
}

#[test]
fn nothing_waits_for_ever_and_nothing_is_counted_that_has_gone() {
    // PWX-10, INT-32, ATK-112
    for seed in [0x5eed, 0xbeef, 0xcafe] {
        let mut random = Random(seed);
        let configurations = configurations();
        let mut one = Vm::new();
        assert!(one.configure(&configurations[0]), "{:?}", one.log());
        let mut two = one.beside();
        assert!(two.configure(&configurations[0]));
        let mut workers = [(one, Vec::new()), (two, Vec::new())];
        for _ in 0..3000 {
            let (vm, streams) = &mut workers[random.below(2)];
            happen(&mut random, vm, streams, &configurations);
        }
        for (vm, streams) in &mut workers {
            for _ in 0..20 {
                for call in vm.calls() {
                    vm.fail(call.id);
                }
                vm.advance(Duration::from_secs(1));
            }
            for stream in streams.drain(..) {
                assert_ne!(vm.outcome(stream), Outcome::Paused, "{seed:x}: it waits for ever");
                vm.close(stream);
            }
            assert!(vm.configure_again(&config(&json!({"token": {"from_form": true}}))));
            let forms: Vec<_> = (0..1024).map(|_| vm.open(&form())).collect();
            assert!(forms.into_iter().all(|form| vm.outcome(form) == Outcome::Paused), "{seed:x}");
        }
    }
}

#[test]
fn places_are_free_again_after_a_storm() {
    let mut random = Random(0xfeed);
    let configurations = configurations();
    let mut vm = Vm::new();
    assert!(vm.configure(&configurations[0]));
    let mut streams = Vec::new();
    for _ in 0..3000 {
        // Without another configuration, which begins to count anew.
        happen(&mut random, &mut vm, &mut streams, &configurations[..0]);
    }
    for _ in 0..20 {
        for call in vm.calls() {
            vm.fail(call.id);
        }
        vm.advance(Duration::from_secs(1));
    }
    let waiting = (0..8192).map(|_| vm.request(&with_token("a-last-one"))).collect::<Vec<_>>();
    assert!(waiting.into_iter().all(|stream| vm.outcome(stream) == Outcome::Paused));
    let turned_away = vm.request(&with_token("a-last-one"));
    assert_ne!(vm.outcome(turned_away), Outcome::Paused);
}

fn happen(random: &mut Random, vm: &mut Vm, streams: &mut Vec<StreamId>, configurations: &[Vec<u8>]) {
    let some = |random: &mut Random, of: usize| random.below(of.max(1));
    match random.below(20) {
        0..=7 => {
            let token = format!("t-{}", random.below(12));
            streams.push(vm.request(&with_token(&token)));
        }
        8 => streams.push(vm.open(&form())),
        9 => {
            let body: &[&[u8]] = if random.below(2) == 0 { &[b"access_token=", b"t-1"] } else { &[] };
            let trailers = (random.below(2) == 0).then(|| vec![(b"x-a".to_vec(), b"b".to_vec())]);
            streams.push(vm.request_with(&form(), body, trailers));
        }
        10 | 11 if !streams.is_empty() => {
            let at = some(random, streams.len());
            vm.close(streams.swap_remove(at));
        }
        12 if !streams.is_empty() => {
            let stream = streams[some(random, streams.len())];
            if vm.outcome(stream) == Outcome::Paused {
                vm.answer_elsewhere(stream, 504);
            }
        }
        13..=15 => {
            let calls = vm.calls();
            let Some(call) = calls.get(some(random, calls.len())) else { return };
            match random.below(5) {
                0 => vm.fail(call.id),
                1 => vm.answer(call.id, &Response::with_status("503", "{}")),
                2 => vm.answer(call.id, &Response::json(r#"{"active":false}"#)),
                3 => vm.answer(call.id, &Response::json("?")),
                _ => vm.answer(call.id, &Response::json(r#"{"active":true,"exp":2000000000}"#)),
            }
        }
        16 | 17 => vm.advance(Duration::from_millis(u64::try_from(random.below(400)).unwrap())),
        18 => {
            let clock = vm.now() + 30;
            vm.set_clock(clock - u64::try_from(random.below(60)).unwrap());
        }
        19 if random.below(6) == 0 => match configurations.get(some(random, configurations.len())) {
            Some(next) if random.below(2) == 0 => assert!(vm.configure_again(next)),
            Some(next) => assert!(vm.configure(next)),
            None => {}
        },
        _ => {}
    }
}

fn form() -> tollgate_host::Fields {
    head("POST", "/orders", &[("content-type", "application/x-www-form-urlencoded")])
}

fn configurations() -> Vec<Vec<u8>> {
    let introspection = |cluster: &str, retries: u8| {
        json!({"introspection": {"uri": "https://as.example.com/introspect", "cluster": cluster, "retries": retries,
            "client_auth": {"client_id": "gateway", "client_secret": "a-client-secret"}, "timeout": "1s"}})
    };
    let remembering: Value =
        json!({"max_entries": 100, "ttl": "3s", "ttl_without_exp": "1s", "refresh_ahead": "1s"});
    let two = json!({"main": introspection("a", 1), "other": introspection("b", 0)});
    [
        json!({"token": {"from_form": true}, "cache": remembering, "providers": two, "provider_order": ["main", "other"]}),
        json!({"token": {"from_form": true}, "cache": remembering, "mode": "shadow"}),
        json!({"token": {"from_form": true, "forward": false}, "rules": [{"match": {"prefix": "/"}, "access": "anonymous"}]}),
        json!({"cache": remembering, "providers": {"main": {"introspection": {"retries": 2}}}}),
    ]
    .iter()
    .map(config)
    .collect()
}
