//! Whole lives of workers: [`tollgate_cases::model`] says what may happen, and what holds whatever happens.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of tests may fail loudly")]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tollgate_cases::model::{Model, Shared, Thing, WORKERS, at, live};
use tollgate_engine::base::moment::{Now, Steady};
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::worker::command::{CallId, Event};

const SECOND: Duration = Duration::from_secs(1);

fn things() -> impl Strategy<Value = (usize, usize, Thing)> {
    let thing = prop_oneof![
        8 => (0_usize..8).prop_map(Thing::Request),
        4 => (0_usize..4).prop_map(Thing::Fresh),
        2 => any::<bool>().prop_map(|has_trailers| Thing::Form { has_trailers }),
        2 => any::<bool>().prop_map(|complete| Thing::Body { complete }),
        2 => Just(Thing::Responded),
        2 => Just(Thing::Gone),
        1 => Just(Thing::AnsweredElsewhere),
        6 => (0_usize..4).prop_map(Thing::Response),
        2 => Just(Thing::Failure),
        1 => (0_usize..8).prop_map(Thing::Revoked),
        1 => (0_usize..8).prop_map(Thing::Listed),
        4 => (0_u64..400).prop_map(|millis| Thing::Pass(Duration::from_millis(millis))),
        1 => (-30_i64..30).prop_map(Thing::SetClock),
        1 => (0_usize..2).prop_map(Thing::Replace),
        1 => Just(Thing::Die),
    ];
    (0..WORKERS, any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16)), thing)
}

fn policy(config: &Value) -> Policy {
    tollgate_config::policy_of(config, &|_| None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nobody_waits_for_ever_and_nothing_is_ended_twice(all in prop::collection::vec(things(), 1..300)) {
        live(policy, all);
    }
}

#[test]
fn the_model_sees_streams_begin_and_end() {
    let now = at(1_800_000_000_000, Duration::from_secs(1));
    let mut model = Model::new(&Shared::new(policy));
    model.tick(now);
    model.happen(&Thing::Response(0), 0, now);
    for _ in 0..2 {
        model.happen(&Thing::Request(1), 0, now);
    }
    model.happen(&Thing::Response(0), 0, now);
    assert_eq!(model.passed(), 2);
    model.happen(&Thing::Responded, 0, now);
    for seconds in 1..30 {
        let later =
            at(1_800_000_000_000 + i64::from(seconds) * 1000, Duration::from_secs(1) + SECOND * seconds);
        model.tick(later);
        while model.fail_one(0, later) {}
    }
    assert_eq!(model.passed(), 0);
}

#[test]
fn a_crowd_has_its_turn_by_and_by_whatever_becomes_of_each() {
    // PWX-10: those who go on to wait for another provider are work, too
    let now = at(1_800_000_000_000, Duration::from_secs(1));
    let mut model = Model::new(&Shared::new(policy));
    model.tick(now);
    model.happen(&Thing::Response(0), 0, now);
    for _ in 0..100 {
        model.happen(&Thing::Request(1), 0, now);
    }
    let id = *model.calls.keys().next().unwrap();
    model.calls.clear();
    let line = |(name, value): (&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let head = [(":status", "200"), ("content-type", "application/json")].map(line);
    let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: br#"{"active":false}"# };
    let now_ = Now::new(&now);
    assert!(model.worker.handle(Event::Response(CallId(id), outcome), &now_).is_none());
    let mut turns = 0;
    loop {
        while model.worker.poll(&now_).is_some() {}
        turns += 1;
        if model.worker.take_wake() != Some(Some(Steady::ZERO)) {
            break;
        }
        assert!(model.worker.handle(Event::Tick, &now_).is_none());
    }
    assert_eq!(turns, 4, "32 at once");
}
