//! What the clients have seen: statuses, latencies and findings, by second.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::truth::Finding;

/// How many findings are told in full.
const TOLD: usize = 20;

/// Everything that has been seen.
#[derive(Debug)]
pub struct Tally {
    start: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    seconds: Vec<Second>,
    findings: BTreeMap<Finding, u64>,
    told: Vec<String>,
    failures: Vec<Instant>,
    stalls: u64,
}

/// One second of it.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// Responses, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// How long they took.
    pub latencies: Histogram,
    /// Requests that clients gave up on purpose.
    pub left: u64,
    /// Requests that were sent again, because an idle connection was closed at that moment.
    pub again: u64,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { start: Instant::now(), seen: Mutex::default() }
    }

    /// A response.
    pub fn response(&self, sent: Instant, received: Instant, status: u16) {
        let mut seen = self.lock();
        if status >= 500 {
            seen.failures.push(received);
        }
        let second = self.second(&mut seen, received);
        *second.statuses.entry(status).or_default() += 1;
        second.latencies.add(received - sent);
    }

    /// A request that the client gave up.
    pub fn left(&self) {
        self.second(&mut self.lock(), Instant::now()).left += 1;
    }

    /// A request that was sent again.
    pub fn again(&self) {
        self.second(&mut self.lock(), Instant::now()).again += 1;
    }

    /// The machine had no time.
    pub fn stall(&self) {
        self.lock().stalls += 1;
    }

    /// How often.
    pub fn stalls(&self) -> u64 {
        self.lock().stalls
    }

    /// A broken promise.
    pub fn finding(&self, finding: Finding, about: &str) {
        let mut seen = self.lock();
        *seen.findings.entry(finding).or_default() += 1;
        if finding == Finding::NoResponse {
            seen.failures.push(Instant::now());
        }
        if seen.told.len() < TOLD {
            let at = self.start.elapsed().as_secs_f64();
            let line = format!("{at:.2} s: {finding}: {about}");
            eprintln!("  {line}");
            seen.told.push(line);
        }
    }

    /// How often each promise was broken.
    pub fn findings(&self) -> BTreeMap<Finding, u64> {
        self.lock().findings.clone()
    }

    /// The first findings, in words.
    pub fn told(&self) -> Vec<String> {
        self.lock().told.clone()
    }

    /// Everything by second.
    pub fn seconds(&self) -> Vec<Second> {
        self.lock().seconds.clone()
    }

    /// All of it together.
    pub fn sum(&self) -> Second {
        self.lock().seconds.iter().fold(Second::default(), Second::with)
    }

    /// How long after this moment requests still failed, up to another one.
    pub fn last_failure(&self, since: Instant, until: Instant) -> Duration {
        let seen = self.lock();
        let later = seen.failures.iter().filter(|at| **at > since && **at <= until).max();
        later.map_or(Duration::ZERO, |at| *at - since)
    }

    fn second<'a>(&self, seen: &'a mut Seen, at: Instant) -> &'a mut Second {
        let number = at.saturating_duration_since(self.start).as_secs() as usize;
        if seen.seconds.len() <= number {
            seen.seconds.resize_with(number + 1, Second::default);
        }
        &mut seen.seconds[number]
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Second {
    /// Both together.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.latencies.merge(&other.latencies);
        self.left += other.left;
        self.again += other.again;
        self
    }

    /// How many responses there were.
    pub fn responses(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// How many of them had a status in this range.
    pub fn of(&self, statuses: std::ops::RangeInclusive<u16>) -> u64 {
        self.statuses.range(statuses).map(|(_, count)| count).sum()
    }
}

/// Durations in classes, each a tenth longer than the one before.
#[derive(Clone, Debug)]
pub struct Histogram(Vec<u32>);

const CLASSES: usize = 180;

impl Histogram {
    /// One more.
    pub fn add(&mut self, duration: Duration) {
        let micros = duration.as_micros().max(1) as f64;
        let class = (micros.ln() / 1.1_f64.ln()) as usize;
        self.0[class.min(CLASSES - 1)] += 1;
    }

    /// All of another one.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own += other;
        }
    }

    /// The duration, in milliseconds, that a share of them does not exceed, by the upper end of its class.
    pub fn quantile(&self, share: f64) -> f64 {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let wanted = (all as f64 * share).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (class, count) in self.0.iter().enumerate() {
            sum += u64::from(*count);
            if sum >= wanted {
                return 1.1_f64.powi(class as i32 + 1) / 1000.0;
            }
        }
        0.0
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self(vec![0; CLASSES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_tenth() {
        let mut histogram = Histogram::default();
        for millis in 1..=1000 {
            histogram.add(Duration::from_millis(millis));
        }
        let near =
            |found: f64, want: f64| assert!((want..want * 1.11).contains(&found), "{found} for {want}");
        near(histogram.quantile(0.5), 500.0);
        near(histogram.quantile(0.99), 990.0);
    }

    #[test]
    fn a_finding_is_counted_and_told() {
        let tally = Tally::new();
        tally.finding(Finding::WrongAdmit, "a token");
        assert_eq!(tally.findings().get(&Finding::WrongAdmit), Some(&1));
        assert!(tally.told()[0].contains("admitted wrongly: a token"));
    }
}
