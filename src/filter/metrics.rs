//! Counters, defined once, and log lines.

use std::cell::Cell;

use log::Level;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::decision::{Decision, Rejection, Verdict};
use crate::time::UnixTime;

/// A counter of the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter(u32);

impl Counter {
    fn define(name: &str) -> Self {
        Self(hostcalls::define_metric(MetricType::Counter, name).unwrap_or_default())
    }

    fn add(self, n: u32) {
        let _ = hostcalls::increment_metric(self.0, i64::from(n));
    }
}

/// All counters of the filter, and a brake on its louder log lines.
#[derive(Debug)]
pub(super) struct Metrics {
    verdicts: Vec<(Verdict, Counter)>,
    shadow: Vec<(Verdict, Counter)>,
    calls: Counter,
    retries: Counter,
    no_answer: Counter,
    bad_answer: Counter,
    inactive: Counter,
    claim_dropped: Counter,
    last_loud: Cell<u64>,
    suppressed: Cell<u32>,
}

impl Metrics {
    pub(super) fn define() -> Self {
        let by_verdict = |kind: &str| {
            let counter =
                |verdict: Verdict| (verdict, Counter::define(&format!("tollgate.{kind}.{}", verdict.name())));
            Verdict::ALL.into_iter().map(counter).collect()
        };
        let introspection = |name| Counter::define(&format!("tollgate.introspection.{name}"));
        Self {
            verdicts: by_verdict("verdict"),
            shadow: by_verdict("shadow"),
            calls: introspection("calls"),
            retries: introspection("retries"),
            no_answer: introspection("no_answer"),
            bad_answer: introspection("bad_answer"),
            inactive: introspection("inactive"),
            claim_dropped: Counter::define("tollgate.upstream.claim_dropped"),
            last_loud: Cell::new(0),
            suppressed: Cell::new(0),
        }
    }

    /// A call goes out; `previous` is how the one before it ended.
    pub(super) fn call(&self, previous: Option<&Rejection>) {
        self.calls.add(1);
        if let Some(previous) = previous {
            if *previous != Rejection::Inactive {
                self.retries.add(1);
            }
            self.answer(previous);
        }
    }

    /// A request is settled; `carried_out` is whether its refusal is.
    pub(super) fn settled(&self, decision: &Decision, carried_out: bool, dropped: u32) {
        let verdict = decision.verdict();
        let counters = if verdict.passes() || carried_out { &self.verdicts } else { &self.shadow };
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == verdict) {
            counter.add(1);
        }
        if dropped > 0 {
            self.claim_dropped.add(dropped);
        }
        if let Decision::Deny(rejection) = decision {
            self.answer(rejection);
        }
    }

    /// Says why a request was refused: the client's faults at debug, at most one line per second of
    /// the louder ones.
    pub(super) fn log(&self, rejection: &Rejection, rule: Option<&str>, now: UnixTime) {
        let level = rejection.log_level();
        let mut more = String::new();
        if level < Level::Info {
            if self.last_loud.replace(now.as_secs()) == now.as_secs() {
                self.suppressed.set(self.suppressed.get().saturating_add(1));
                return;
            }
            let suppressed = self.suppressed.replace(0);
            if suppressed > 0 {
                more = format!(" ({suppressed} more like this before)");
            }
        }
        let rule = rule.unwrap_or("none");
        log::log!(level, "tollgate: {}: {rejection} (rule {rule}){more}", rejection.verdict().name());
    }

    fn answer(&self, rejection: &Rejection) {
        match rejection {
            Rejection::Inactive => self.inactive.add(1),
            Rejection::NoAnswer { .. } => self.no_answer.add(1),
            Rejection::BadAnswer { .. } => self.bad_answer.add(1),
            _ => {}
        }
    }
}
