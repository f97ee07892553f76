//! Whether a provider responds, and how many calls it may get: after a series of failures calls pause, and then
//! they increase step by step, so that a server can recover.

use std::time::Duration;

use crate::base::time::{UnixTime, part};
use crate::decision::{NoAnswer, Rejection};

/// What is known of one provider.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Health {
    /// Failures since the last response.
    failures: u32,
    /// Pauses since the last response.
    pauses: u32,
    /// When the pause began, and when it ends.
    pause: Option<(UnixTime, UnixTime)>,
    /// How many calls at once, after a pause; `None`: no limit.
    allowance: Option<u32>,
    under_way: u32,
}

/// How many failures in a row begin a pause.
const PATIENCE: u32 = 3;
/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Beyond this many calls at once nothing is held back any more.
const RECOVERED: u32 = 256;

impl Health {
    /// Whether a call may be made now.
    pub(crate) fn admits(&self, now: UnixTime) -> bool {
        // A pause that is to begin yet: the clock has been set back.
        let pauses = self.pause.is_some_and(|(from, until)| from <= now && now < until);
        !pauses && self.allowance.is_none_or(|allowance| self.under_way < allowance)
    }

    /// A call has been made, with or without further ones to follow for the same question.
    pub(crate) fn departed(&mut self) {
        self.under_way = self.under_way.saturating_add(1);
    }

    /// The call has ended, with or without a response.
    pub(crate) fn landed(&mut self, failure: Option<&Rejection>, now: UnixTime, longest: Duration) {
        self.under_way = self.under_way.saturating_sub(1);
        if !failure.is_some_and(is_trouble) {
            // Any answer at all is one, if not to our taste.
            self.failures = 0;
            self.pauses = 0;
            self.pause = None;
            // One more for each answer: from one round to the next twice as many.
            self.allowance = self
                .allowance
                .map(|allowed| allowed.saturating_add(1))
                .filter(|allowed| *allowed < RECOVERED);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        // Of calls that were under way together, the first failure begins the pause.
        if self.failures >= PATIENCE && longest > Duration::ZERO && self.admits_after_pause(now) {
            let doubled = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(16)).min(longest);
            // Between three quarters and all of it, so that workers do not return together.
            let less = u32::try_from(now.as_millis() % 16).unwrap_or_default();
            let pause = doubled.saturating_sub(part(doubled, less, 64));
            self.pauses = self.pauses.saturating_add(1);
            self.pause = Some((now, now.plus(pause)));
            self.allowance = Some(1);
        }
    }

    /// No request waits for the call any more.
    pub(crate) fn abandoned(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    fn admits_after_pause(&self, now: UnixTime) -> bool {
        self.pause.is_none_or(|(from, until)| now < from || until <= now)
    }
}

/// Whether a failure is one of the provider, and not of one token: otherwise a client with a token that causes
/// a 500 could block all others.
fn is_trouble(failure: &Rejection) -> bool {
    matches!(
        failure,
        Rejection::NoAnswer {
            cause: NoAnswer::Failed
                | NoAnswer::TimedOut(_)
                | NoAnswer::Throttled
                | NoAnswer::Status(502..=504),
            ..
        }
    )
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::Health;
    use crate::base::time::UnixTime;
    use crate::decision::{BadAnswer, NoAnswer, Rejection};
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const LONGEST: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> UnixTime {
        UnixTime::from_millis(1_000_000 + millis)
    }

    fn failure(cause: NoAnswer) -> Rejection {
        Rejection::NoAnswer { cause, retry_after: None }
    }

    fn failed(health: &mut Health, millis: u64) {
        health.departed();
        health.landed(Some(&failure(NoAnswer::Failed)), at(millis), LONGEST);
    }

    #[test]
    fn three_failures_begin_a_pause_and_each_further_one_doubles_it() {
        let mut health = Health::default();
        failed(&mut health, 0);
        failed(&mut health, 0);
        assert!(health.admits(at(0)));
        failed(&mut health, 0);
        let mut now = 0;
        for pause in [50, 100, 200, 400, 800, 1000, 1000] {
            assert!(!health.admits(at(now)), "{pause}");
            assert!(!health.admits(at(now + pause * 3 / 4 - 2)), "{pause}");
            assert!(health.admits(at(now + pause)), "{pause}");
            now += pause;
            failed(&mut health, now);
        }
    }

    #[test]
    fn failures_of_calls_that_were_under_way_together_are_one_pause() {
        let mut health = Health::default();
        for _ in 0..1000 {
            health.departed();
        }
        for _ in 0..1000 {
            health.landed(Some(&failure(NoAnswer::Status(503))), at(0), LONGEST);
        }
        assert!(!health.admits(at(10)));
        assert!(health.admits(at(50)));
    }

    #[test]
    fn after_a_pause_one_call_tries_and_answers_open_the_door_by_and_by() {
        let mut health = Health::default();
        for _ in 0..3 {
            failed(&mut health, 0);
        }
        let mut admitted = Vec::new();
        for round in 0..10 {
            let now = at(100 + round);
            let mut calls = 0;
            while health.admits(now) && calls < 1000 {
                health.departed();
                calls += 1;
            }
            admitted.push(calls);
            health.landed(None, now, LONGEST);
            for _ in 1..calls {
                health.landed(Some(&Rejection::Inactive), now, LONGEST);
            }
        }
        assert_eq!(admitted[0], 1);
        assert!(admitted[1] <= 2, "{admitted:?}");
        assert_eq!(admitted.last(), Some(&1000), "{admitted:?}");
    }

    #[test]
    fn what_is_no_trouble_of_the_provider_pauses_nothing() {
        let harmless = [
            failure(NoAnswer::Status(500)),
            failure(NoAnswer::NotDispatched),
            Rejection::BadAnswer { cause: BadAnswer::NotJson },
        ];
        for harmless in harmless {
            let mut health = Health::default();
            for _ in 0..100 {
                health.departed();
                health.landed(Some(&harmless), at(0), LONGEST);
            }
            assert!(health.admits(at(0)), "{harmless}");
        }
        let mut health = Health::default();
        for _ in 0..100 {
            health.departed();
            health.landed(Some(&failure(NoAnswer::Failed)), at(0), Duration::ZERO);
        }
        health.departed();
        assert!(health.admits(at(0)), "switched off: any number at once");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_prolong_a_pause() {
        let mut health = Health::default();
        for _ in 0..3 {
            failed(&mut health, 5000);
        }
        assert!(!health.admits(at(5001)));
        assert!(health.admits(at(0)));
    }

    #[test]
    fn a_call_that_nobody_waits_for_any_more_holds_no_other_back() {
        let mut health = Health::default();
        for _ in 0..3 {
            failed(&mut health, 0);
        }
        health.departed();
        assert!(!health.admits(at(100)), "one tries");
        health.abandoned();
        assert!(health.admits(at(100)), "and the next, if that one is given up");
    }

    #[test]
    fn a_server_that_fails_after_the_clock_was_set_back_is_left_alone_again() {
        let mut health = Health::default();
        for millis in [5000, 5000, 5000, 0] {
            failed(&mut health, millis);
        }
        assert!(!health.admits(at(1)));
    }
}
