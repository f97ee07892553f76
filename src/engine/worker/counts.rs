//! What is counted: every counter by name, and how much is to be added to it.

use std::borrow::Cow;
use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::time::UnixTime;
use crate::decision::receipt::{Receipt, Taken};
use crate::decision::{Decision, Rejection, Verdict};
use crate::enforcer::outcome::{Outcome, Source};
use crate::provider::fetch::{Document, FetchFault, News};
use crate::provider::introspection::reply::Introspection;
use crate::worker::series::{Ending, Label, Series};

/// A counter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counter {
    /// Requests that ended so.
    Verdict(Verdict),
    /// Requests that would have ended so if refusals were carried out.
    Shadow(Verdict),
    /// Anything else.
    Of(Metric),
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident = $name:literal,)*) => {
        /// The counters besides verdicts. `mode: shadow` counts them as `mode: enforce` does, except [`Self::InQuery`].
        ///
        /// `tests/engine/counts.rs` fails if one of them is never counted.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Metric { $($(#[$doc])* $metric,)* }

        impl Metric {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$metric,)*];

            /// The counter's name, below `tollgate.`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$metric => $name,)* }
            }
        }
    };
}

metrics! {
    /// Introspection calls.
    Calls = "introspection.calls",
    /// Those that repeat one without a usable response.
    Retries = "introspection.retries",
    /// Introspection calls without a response.
    NoAnswer = "introspection.no_answer",
    /// Introspection responses that cannot be used.
    BadAnswer = "introspection.bad_answer",
    /// Introspection responses that call a token inactive.
    Inactive = "introspection.inactive",
    /// Requests that wait for a call that is under way already.
    Coalesced = "introspection.coalesced",
    /// Requests for which no call is made, since the provider has not responded lately.
    BackedOff = "introspection.backed_off",
    /// Active tokens found in the worker's own memory.
    Hits = "cache.hits",
    /// Inactive tokens found there.
    NegativeHits = "cache.negative_hits",
    /// Stale entries used because the provider gave no verdict.
    StaleHits = "cache.stale_hits",
    /// Tokens found in what the workers share.
    SharedHits = "cache.shared_hits",
    /// Tokens not found in the worker's own memory.
    Misses = "cache.misses",
    /// Calls that renew an entry before its end.
    Refreshes = "cache.refreshes",
    /// Claims that did not fit into a header field.
    ClaimDropped = "upstream.claim_dropped",
    /// Requests that carried their token in the query.
    InQuery = "token.in_query",
    /// Streams that were ended with their token (`on_expiry: close`).
    StreamsEnded = "streams.ended",
    /// Fetches of client lists.
    ListCalls = "client_lists.calls",
    /// Fetches that brought another list.
    ListChanges = "client_lists.changes",
    /// Fetches that failed.
    ListFailures = "client_lists.failures",
    /// Fetches of keys.
    KeysCalls = "jwks.calls",
    /// Fetches that brought other keys.
    KeysChanges = "jwks.changes",
    /// Fetches that failed.
    KeysFailures = "jwks.failures",
    /// Fetches of status lists.
    StatusCalls = "status_lists.calls",
    /// Fetches that brought another list.
    StatusChanges = "status_lists.changes",
    /// Fetches that failed.
    StatusFailures = "status_lists.failures",
    /// Events that all workers know from now on.
    EventsApplied = "revocation.events.applied",
    /// Events that had come before.
    EventsRepeated = "revocation.events.repeated",
    /// Events that revoke nothing.
    EventsIgnored = "revocation.events.ignored",
    /// Events that are not valid.
    EventsRefused = "revocation.events.rejected",
    /// Events that could not be verified or kept, or did not arrive.
    EventsUnavailable = "revocation.events.unavailable",
}

impl Counter {
    /// Every counter, in the order of [`Self::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        let verdicts = Verdict::ALL.into_iter().map(Self::Verdict);
        let shadow = Verdict::ALL.into_iter().map(Self::Shadow);
        verdicts.chain(shadow).chain(Metric::ALL.iter().copied().map(Self::Of))
    }

    /// Its place among all.
    pub fn index(self) -> usize {
        let verdicts = Verdict::ALL.len();
        match self {
            Self::Verdict(verdict) => verdict as usize,
            Self::Shadow(verdict) => verdicts.saturating_add(verdict as usize),
            Self::Of(metric) => verdicts.saturating_mul(2).saturating_add(metric as usize),
        }
    }

    /// Its name in metrics.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Verdict(verdict) => format!("tollgate.verdict.{}", verdict.name()).into(),
            Self::Shadow(verdict) => format!("tollgate.shadow.{}", verdict.name()).into(),
            Self::Of(metric) => format!("tollgate.{}", metric.name()).into(),
        }
    }
}

/// What is to be added to the counters, and what else there is to tell.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    told: Vec<(Counter, u32)>,
    measured: Vec<(Series, i64)>,
    /// Too frequent to be told each time.
    hits: u32,
    negative_hits: u32,
    requests: Vec<(Ending, u32)>,
    /// How long calls have taken, in milliseconds.
    call_times: Vec<(Label, u32)>,
    /// How many calls are under way, and how many the host has been told of.
    in_flight: i64,
    in_flight_told: i64,
    /// Whether a tick comes within [`TELL_EVERY`].
    is_awaited: bool,
}

/// How often the host is told what is too frequent to be told each time.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(1);
/// How many call times are kept until then.
const MAX_CALL_TIMES: usize = 256;

impl Counts {
    /// Takes one of the sums that are to be added.
    pub(super) fn take(&mut self) -> Option<(Counter, u32)> {
        self.told.pop()
    }

    /// Takes one of the values of everything else.
    pub(super) fn take_measured(&mut self) -> Option<(Series, i64)> {
        self.measured.pop()
    }

    /// Has even those told that are told now and then only. Whether there were any.
    #[inline(never)]
    pub(super) fn flush(&mut self) -> bool {
        let before = self.told.len().saturating_add(self.measured.len());
        for (metric, n) in [(Metric::Hits, &mut self.hits), (Metric::NegativeHits, &mut self.negative_hits)] {
            if *n > 0 {
                self.told.push((Counter::Of(metric), std::mem::take(n)));
            }
        }
        for (ending, n) in self.requests.iter_mut().filter(|(_, n)| *n > 0) {
            self.measured.push((Series::Requests(*ending), std::mem::take(n).into()));
        }
        self.flush_call_times();
        let landed =
            self.in_flight.saturating_sub(std::mem::replace(&mut self.in_flight_told, self.in_flight));
        if landed != 0 {
            self.measured.push((Series::InFlight, landed));
        }
        self.told.len().saturating_add(self.measured.len()) > before
    }

    fn flush_call_times(&mut self) {
        let times = std::mem::take(&mut self.call_times).into_iter();
        self.measured.extend(times.map(|(provider, millis)| (Series::CallTime(provider), millis.into())));
    }

    /// Whether a tick comes within [`TELL_EVERY`], so that no other is needed; from now on, as given.
    pub(super) fn is_awaited(&mut self, is_awaited: bool) -> bool {
        std::mem::replace(&mut self.is_awaited, is_awaited)
    }

    /// Has the host show a gauge that is zero.
    pub(super) fn begin(&mut self) {
        self.measured.push((Series::InFlight, 0));
    }

    /// Has everything told, and counts no call as under way any more.
    pub(super) fn end(&mut self) {
        self.in_flight = 0;
        self.flush();
    }

    /// The numbers of rules, providers and lists have another meaning from now on. What there was to tell has been
    /// told.
    pub(super) fn forget(&mut self) {
        self.requests.clear();
        self.call_times.clear();
        self.in_flight = 0;
    }

    /// A call has ended after this time.
    pub(super) fn call_ended(&mut self, provider: ProviderId, time: Duration) {
        let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        self.call_times.push((Label::provider(Some(provider)), millis));
        if self.call_times.len() >= MAX_CALL_TIMES {
            self.flush_call_times();
        }
    }

    /// A call is under way, or is no more.
    pub(super) fn in_flight(&mut self, change: i64) {
        self.in_flight = self.in_flight.saturating_add(change);
    }

    /// A document was last fetched at this time.
    pub(super) fn has_document(&mut self, document: Document, at: UnixTime) {
        let series = Series::Fetched(document);
        if series.is_told() {
            self.measured.push((series, i64::try_from(at.as_secs()).unwrap_or(i64::MAX)));
        }
    }

    pub(super) fn one(&mut self, metric: Metric) {
        self.told.push((Counter::Of(metric), 1));
    }

    /// A call goes out; `previous` is how the one before it ended.
    pub(super) fn call(&mut self, previous: Option<&Rejection>) {
        self.one(Metric::Calls);
        if let Some(previous) = previous {
            self.one(Metric::Retries);
            self.failure(previous);
        }
    }

    /// A provider has responded, or will not.
    pub(super) fn response(&mut self, said: &Result<Introspection, Rejection>) {
        match said {
            Ok(Introspection::Active(_)) => {}
            Ok(Introspection::Inactive | Introspection::Contradicts(_)) => self.one(Metric::Inactive),
            Err(failure) => self.failure(failure),
        }
    }

    /// A document has arrived, or has not.
    pub(super) fn fetched(&mut self, document: Document, news: &Result<News, FetchFault>) {
        let (changes, failures) = match document {
            Document::List(_) => (Metric::ListChanges, Metric::ListFailures),
            Document::Keys(_) => (Metric::KeysChanges, Metric::KeysFailures),
            Document::Status(_) => (Metric::StatusChanges, Metric::StatusFailures),
        };
        match news {
            Ok(News::Changed(_)) => self.one(changes),
            Ok(News::Unchanged) => {}
            Err(_) => self.one(failures),
        }
    }

    /// A request has its verdict; `carried_out` says whether its rejection is enforced, `is_current` whether it
    /// began under the configuration of now.
    #[inline(never)]
    pub(super) fn settled(&mut self, outcome: &Outcome, carried_out: bool, is_current: bool) {
        let verdict = outcome.decision.verdict();
        let is_shadow = verdict.is_refusal() && !carried_out;
        let counter = if is_shadow { Counter::Shadow } else { Counter::Verdict };
        self.told.push((counter(verdict), 1));
        let (provider, rule) = if is_current {
            (Label::provider(outcome.provider()), Label::rule(outcome.rule_number()))
        } else {
            (Label::Other, Label::Other)
        };
        self.request(Ending { verdict, is_shadow, provider, rule });
        if outcome.grant.dropped() > 0 {
            self.told.push((Counter::Of(Metric::ClaimDropped), outcome.grant.dropped()));
        }
        if outcome.grant.private_response {
            self.one(Metric::InQuery);
        }
        if let Decision::Receive(receipt) = outcome.decision {
            self.one(match receipt {
                Receipt::Taken(_, Taken::Applied) => Metric::EventsApplied,
                Receipt::Taken(_, Taken::Repeated) => Metric::EventsRepeated,
                Receipt::Taken(_, Taken::Ignored) => Metric::EventsIgnored,
                Receipt::Refused(..) | Receipt::WrongMethod | Receipt::TooLarge => Metric::EventsRefused,
                Receipt::Unavailable => Metric::EventsUnavailable,
            });
        }
        match outcome.source {
            Source::Memory if outcome.decision == Decision::Deny(Rejection::Inactive) => {
                self.negative_hits = self.negative_hits.saturating_add(1);
            }
            Source::Memory => self.hits = self.hits.saturating_add(1),
            Source::StaleMemory => self.one(Metric::StaleHits),
            Source::Nowhere | Source::Answer => {}
        }
    }

    fn request(&mut self, ending: Ending) {
        match self.requests.iter_mut().find(|(known, _)| *known == ending) {
            Some((_, n)) => *n = n.saturating_add(1),
            None => self.requests.push((ending, 1)),
        }
    }

    fn failure(&mut self, failure: &Rejection) {
        match failure {
            Rejection::NoAnswer { .. } => self.one(Metric::NoAnswer),
            Rejection::BadAnswer { .. } => self.one(Metric::BadAnswer),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counter;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_counter_has_its_place() {
        for (at, counter) in Counter::all().enumerate() {
            assert_eq!(counter.index(), at, "{}", counter.name());
        }
    }
}
