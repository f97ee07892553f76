//! A worker that waits for the CPU between two readings of its clocks, while another one goes on.

use std::time::Duration;

use serde_json::json;
use tollgate_cases::driver::Together;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Verdict;

use super::{EXP, World};

#[test]
fn a_response_that_another_worker_has_asked_for_meanwhile_counts() {
    // INT-32: the request has come at 1000, and the worker goes on two seconds later.
    let always = json!({"requires": {"max_cache_age": "0s"}});
    #[rustfmt::skip]
    let cases = [
        ("asked for before",                json!({}),      999,  true),
        ("asked for meanwhile",             json!({}),      1001, true),
        ("before, and none may be cached",  always.clone(), 999,  false),
        ("at once, and none may be cached", always.clone(), 1000, false),
        ("meanwhile, as it has to be",      always,         1001, true),
        ("the clock has been set back",     json!({}),      2000, false),
    ];
    for (name, config, asked, counts) in cases {
        let store = Together::default();
        let [mut slow, mut other] = [(); 2].map(|()| World::sharing(&config, true, Box::new(store.clone())));
        other.now = asked;
        assert_eq!(other.ask("/", "one", &json!({"active": true, "exp": EXP})).verdict(), Verdict::Allowed);
        if asked > 1500 {
            slow.driver.set_clock(UnixTime::from_secs(asked));
        }
        slow.driver.starved = Duration::from_secs(2);
        let outcome = slow.begin("/", "one");
        assert_eq!(
            outcome.map(|outcome| outcome.decision.verdict()),
            counts.then_some(Verdict::Allowed),
            "{name}"
        );
    }
}
