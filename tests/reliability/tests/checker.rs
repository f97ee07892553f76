//! The checker in a real Envoy: a filter that only watches lets everybody in, and that must be found.

use std::thread;
use std::time::Duration;

use serde_json::json;
use tollgate_reliability::random::Random;
use tollgate_reliability::site::{Options, Site};
use tollgate_reliability::traffic::Pace;
use tollgate_reliability::truth::Finding;

#[test]
fn a_filter_that_rejects_nobody_is_found() {
    let site = Site::start(Options { policy: json!({"mode": "shadow"}), ..Options::default() });
    let traffic = site.traffic(Pace { rate: 200.0, clients: 10, leaving: 0.0 });
    let mut random = Random::new(1);
    for _ in 0..20 {
        site.end_at_server(&mut random);
        thread::sleep(Duration::from_millis(100));
    }
    traffic.stop();
    let findings = site.course.tally.findings();
    assert!(findings.get(&Finding::WrongAdmit).is_some_and(|count| *count > 10), "{findings:?}");
    assert!(!findings.contains_key(&Finding::NoResponse), "{findings:?}");
}
