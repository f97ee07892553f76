//! Counters, defined once, and log lines.

use std::cell::Cell;

use log::Level;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::{Decision, Rejection, Verdict};
use tollgate_engine::enforcer::{Outcome, Source};
use tollgate_engine::provider::fetch::{FetchFault, News};
use tollgate_engine::provider::introspection::reply::Introspection;

/// A counter of the host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter(u32);

impl Counter {
    fn define(name: &str) -> Self {
        Self(hostcalls::define_metric(MetricType::Counter, name).unwrap_or_default())
    }

    fn add(self, n: u32) {
        let _ = hostcalls::increment_metric(self.0, i64::from(n));
    }
}

/// A counter of what is too frequent to tell the host each time.
#[derive(Debug)]
struct Tally(Counter, Cell<u32>);

impl Tally {
    fn new(counter: Counter) -> Self {
        Self(counter, Cell::new(0))
    }

    fn add(&self) {
        self.1.set(self.1.get().saturating_add(1));
    }

    fn flush(&self) {
        let n = self.1.take();
        if n > 0 {
            self.0.add(n);
        }
    }
}

/// All counters of the filter, and a brake on its louder log lines.
#[derive(Debug)]
pub(crate) struct Metrics {
    verdicts: Vec<(Verdict, Counter)>,
    shadow: Vec<(Verdict, Counter)>,
    calls: Counter,
    retries: Counter,
    no_answer: Counter,
    bad_answer: Counter,
    inactive: Counter,
    coalesced: Counter,
    backed_off: Counter,
    hits: Tally,
    negative_hits: Tally,
    stale_hits: Counter,
    shared_hits: Counter,
    misses: Counter,
    refreshes: Counter,
    claim_dropped: Counter,
    in_query: Counter,
    list_calls: Counter,
    list_changes: Counter,
    list_failures: Counter,
    keys_calls: Counter,
    keys_changes: Counter,
    keys_failures: Counter,
    last_loud: Cell<u64>,
    suppressed: Cell<u32>,
}

impl Metrics {
    pub(crate) fn define() -> Self {
        let by_verdict = |kind: &str| {
            let counter =
                |verdict: Verdict| (verdict, Counter::define(&format!("tollgate.{kind}.{}", verdict.name())));
            Verdict::ALL.into_iter().map(counter).collect()
        };
        let introspection = |name| Counter::define(&format!("tollgate.introspection.{name}"));
        let cache = |name| Counter::define(&format!("tollgate.cache.{name}"));
        let list = |name| Counter::define(&format!("tollgate.client_lists.{name}"));
        let keys = |name| Counter::define(&format!("tollgate.jwks.{name}"));
        Self {
            verdicts: by_verdict("verdict"),
            shadow: by_verdict("shadow"),
            calls: introspection("calls"),
            retries: introspection("retries"),
            no_answer: introspection("no_answer"),
            bad_answer: introspection("bad_answer"),
            inactive: introspection("inactive"),
            coalesced: introspection("coalesced"),
            backed_off: introspection("backed_off"),
            hits: Tally::new(cache("hits")),
            negative_hits: Tally::new(cache("negative_hits")),
            stale_hits: cache("stale_hits"),
            shared_hits: cache("shared_hits"),
            misses: cache("misses"),
            refreshes: cache("refreshes"),
            claim_dropped: Counter::define("tollgate.upstream.claim_dropped"),
            in_query: Counter::define("tollgate.token.in_query"),
            list_calls: list("calls"),
            list_changes: list("changes"),
            list_failures: list("failures"),
            keys_calls: keys("calls"),
            keys_changes: keys("changes"),
            keys_failures: keys("failures"),
            last_loud: Cell::new(0),
            suppressed: Cell::new(0),
        }
    }

    /// A call goes out; `previous` is how the one before it ended.
    pub(crate) fn call(&self, previous: Option<&Rejection>) {
        self.calls.add(1);
        if let Some(previous) = previous {
            self.retries.add(1);
            self.failure(previous);
        }
    }

    /// A provider has spoken, or will not.
    pub(crate) fn answer(&self, said: &Result<Introspection, Rejection>) {
        match said {
            Ok(Introspection::Active(_)) => {}
            Ok(Introspection::Inactive | Introspection::Contradicts(_)) => self.inactive.add(1),
            Err(failure) => self.failure(failure),
        }
    }

    /// A client list is asked for.
    pub(crate) fn list_call(&self) {
        self.list_calls.add(1);
    }

    /// A client list has arrived, or has not.
    pub(crate) fn list_settled(&self, news: &Result<News, FetchFault>) {
        match news {
            Ok(News::Changed(_)) => self.list_changes.add(1),
            Ok(News::Unchanged) => {}
            Err(_) => self.list_failures.add(1),
        }
    }

    /// A set of keys is asked for.
    pub(crate) fn keys_call(&self) {
        self.keys_calls.add(1);
    }

    /// A set of keys has arrived, or has not.
    pub(crate) fn keys_settled(&self, news: &Result<News, FetchFault>) {
        match news {
            Ok(News::Changed(_)) => self.keys_changes.add(1),
            Ok(News::Unchanged) => {}
            Err(_) => self.keys_failures.add(1),
        }
    }

    /// A request needs an answer that is not in this worker's memory.
    pub(crate) fn missed(&self) {
        self.misses.add(1);
    }

    /// Another worker had the answer.
    pub(crate) fn shared_hit(&self) {
        self.shared_hits.add(1);
    }

    /// A request waits for a call that is under way already.
    pub(crate) fn coalesced(&self) {
        self.coalesced.add(1);
    }

    /// A request is not asked for, since the provider has not answered lately.
    pub(crate) fn backed_off(&self) {
        self.backed_off.add(1);
    }

    /// A token in use is asked about again.
    pub(crate) fn refreshed(&self) {
        self.refreshes.add(1);
    }

    /// Hands over what has been counted and not told yet.
    pub(crate) fn flush(&self) {
        self.hits.flush();
        self.negative_hits.flush();
    }

    /// A request is settled; `carried_out` is whether its refusal is.
    pub(crate) fn settled(&self, outcome: &Outcome, carried_out: bool) {
        let verdict = outcome.decision.verdict();
        let counters = if !verdict.is_refusal() || carried_out { &self.verdicts } else { &self.shadow };
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == verdict) {
            counter.add(1);
        }
        if outcome.grant.dropped() > 0 {
            self.claim_dropped.add(outcome.grant.dropped());
        }
        if outcome.grant.private_response {
            self.in_query.add(1);
        }
        match outcome.source {
            Source::Memory if outcome.decision == Decision::Deny(Rejection::Inactive) => {
                self.negative_hits.add();
            }
            Source::Memory => self.hits.add(),
            Source::StaleMemory => self.stale_hits.add(1),
            Source::Nowhere | Source::Answer => {}
        }
    }

    /// Says why a request was refused: the client's faults at debug, at most one line per second of
    /// the louder ones.
    pub(crate) fn log(&self, rejection: &Rejection, rule: Option<&str>, now: UnixTime) {
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

    fn failure(&self, failure: &Rejection) {
        match failure {
            Rejection::NoAnswer { .. } => self.no_answer.add(1),
            Rejection::BadAnswer { .. } => self.bad_answer.add(1),
            _ => {}
        }
    }
}
