//! One introspection at one provider, from the first call to the response or to the last failure: retries, then
//! the fallback clusters.

use std::time::Duration;

use crate::base::random::Nonces;
use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::decision::{NoAnswer, Rejection};
use crate::provider::Provider;
use crate::provider::introspection::call::IntrospectionCall;
use crate::provider::introspection::reply::Introspection;
use crate::token::key::TokenKey;

/// What is introspected: one token, at one provider.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The provider, and which token.
    pub(crate) key: TokenKey,
    /// The token itself.
    pub(crate) token: Secret,
}

/// A question on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    question: Question,
    /// How many calls have been made.
    calls: u32,
    /// When the first was made.
    started: UnixTime,
    /// When the latest was made.
    asked: UnixTime,
    /// How long that may take.
    timeout: Duration,
}

/// How a call ended for the flight.
#[derive(Debug)]
pub(crate) enum Landing {
    /// Another call is to be made.
    Again(Box<IntrospectionCall>),
    /// The provider has said something, or will not.
    Settled(Result<Introspection, Rejection>),
}

impl Landing {
    /// Whether no known key verifies the response: with other keys, the next may be verified.
    pub(crate) fn lacks_keys(&self) -> bool {
        let failure = match self {
            Self::Settled(said) => said.as_ref().err(),
            Self::Again(call) => call.previous.as_ref(),
        };
        matches!(failure, Some(Rejection::NoAnswer { cause: NoAnswer::NoKeys, .. }))
    }
}

impl Flight {
    /// A flight and its first call. What a call needs to be unguessable comes from `nonces`.
    pub(crate) fn take_off(
        provider: &Provider,
        question: Question,
        now: UnixTime,
        nonces: &Nonces,
    ) -> (Self, IntrospectionCall) {
        let mut flight = Self { question, calls: 0, started: now, asked: now, timeout: Duration::MAX };
        let call = flight.call(provider, None, now, nonces);
        (flight, call)
    }

    /// What is introspected.
    pub(crate) fn question(&self) -> &Question {
        &self.question
    }

    /// When the call was made that is in progress or has just ended.
    pub(crate) fn asked(&self) -> UnixTime {
        self.asked
    }

    /// Takes what has come of the latest call, as the engine reads it.
    pub(crate) fn land(
        &mut self,
        provider: &Provider,
        said: Result<Introspection, Rejection>,
        now: UnixTime,
        nonces: &Nonces,
    ) -> Landing {
        match said.map_err(|failure| self.timed_out(failure, now)) {
            Err(failure) if self.may_repeat(provider, &failure, now) => {
                Landing::Again(Box::new(self.call(provider, Some(failure), now, nonces)))
            }
            settled => Landing::Settled(settled),
        }
    }

    /// The host calls it 504 when a call takes too long; a status that came in time is the server's.
    fn timed_out(&self, failure: Rejection, now: UnixTime) -> Rejection {
        match failure {
            Rejection::NoAnswer { cause: NoAnswer::Failed | NoAnswer::Status(504), retry_after }
                if self.asked.until(now) >= self.timeout =>
            {
                Rejection::NoAnswer { cause: NoAnswer::TimedOut(self.timeout), retry_after }
            }
            other => other,
        }
    }

    /// Whether another call may bring what this one did not: only where there was no response at all, and
    /// only within the time that the configuration grants.
    fn may_repeat(&self, provider: &Provider, failure: &Rejection, now: UnixTime) -> bool {
        let endpoint = &provider.introspection;
        let repeatable =
            matches!(failure, Rejection::NoAnswer { cause, .. } if *cause != NoAnswer::Throttled);
        if !repeatable {
            return false;
        }
        if self.calls <= endpoint.retries {
            return now < self.started.plus(granted(provider));
        }
        self.cluster_of_next_call(provider).is_some()
    }

    /// Where the next call goes: to the first cluster for the first call and its retries, then once to
    /// each fallback.
    fn cluster_of_next_call<'a>(&self, provider: &'a Provider) -> Option<&'a String> {
        let endpoint = &provider.introspection;
        let fallback = self.calls.saturating_sub(endpoint.retries);
        endpoint.clusters.get(usize::try_from(fallback).unwrap_or(usize::MAX))
    }

    fn call(
        &mut self,
        provider: &Provider,
        previous: Option<Rejection>,
        now: UnixTime,
        nonces: &Nonces,
    ) -> IntrospectionCall {
        let endpoint = &provider.introspection;
        let mut call =
            IntrospectionCall::new(self.question.key.provider, provider, &self.question.token, now, nonces);
        if let Some(cluster) = self.cluster_of_next_call(provider) {
            call.cluster.clone_from(cluster);
        }
        let is_retry = self.calls > 0 && self.calls <= endpoint.retries;
        if is_retry {
            let left = now.until(self.started.plus(granted(provider)));
            call.after = jitter(self.calls, now).min(left.checked_div(4).unwrap_or_default());
            call.timeout =
                endpoint.timeout.min(left.saturating_sub(call.after)).max(Duration::from_millis(1));
        }
        call.previous = previous;
        (self.asked, self.timeout) = (now.plus(call.after), call.timeout);
        self.calls = self.calls.saturating_add(1);
        call
    }
}

impl Provider {
    /// The longest that a question to it can take.
    pub fn patience(&self) -> Duration {
        let fallbacks = u32::try_from(self.introspection.clusters.len()).unwrap_or(u32::MAX);
        granted(self).saturating_add(self.introspection.timeout.saturating_mul(fallbacks.saturating_sub(1)))
    }
}

/// All the time that the first call and its retries have together.
fn granted(provider: &Provider) -> Duration {
    let endpoint = &provider.introspection;
    endpoint.timeout.saturating_mul(endpoint.retries.saturating_add(1))
}

/// A pause before a retry: 5 to 25 ms, doubled with each retry, so that many workers do not come
/// back at one moment. Spread by the clock; nothing depends on it being unguessable.
fn jitter(retry: u32, now: UnixTime) -> Duration {
    let spread = now.as_millis().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let base = 5_u64.saturating_add(spread % 21);
    Duration::from_millis(base.saturating_mul(1 << retry.saturating_sub(1).min(4)))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::{Flight, Landing, Question};
    use crate::base::ids::ProviderId;
    use crate::base::random::Nonces;
    use crate::base::secret::Secret;
    use crate::base::time::UnixTime;
    use crate::decision::{NoAnswer, Rejection};
    use crate::provider::Provider;
    use crate::token::key::TokenKey;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_server_that_hangs_is_called_that() {
        let secs = Duration::from_secs;
        #[rustfmt::skip]
        let cases = [
            ("Envoy's own 504",       secs(2), NoAnswer::Status(504), 2000, "no response from the authorization server within 2 s"),
            ("nothing at all",        secs(2), NoAnswer::Failed,      2003, "no response from the authorization server within 2 s"),
            ("a part of a second",    Duration::from_millis(250), NoAnswer::Status(504), 250,  "no response from the authorization server within 0.250 s"),
            ("the server's own 504",  secs(2), NoAnswer::Status(504), 900,  "the authorization server is unavailable: status 504"),
            ("another status, late",  secs(2), NoAnswer::Status(503), 2000, "the authorization server is unavailable: status 503"),
            ("a connection that was lost", secs(2), NoAnswer::Failed,    10,   "the authorization server is unavailable: timeout, reset or truncated response"),
        ];
        for (name, timeout, cause, after, want) in cases {
            let (mut provider, nonces) = (Provider::bare(), Nonces::new([1, 2]));
            provider.introspection.timeout = timeout;
            let token = Secret::new("t");
            let question = Question { key: TokenKey::new([0, 0], ProviderId(0), &token), token };
            let start = UnixTime::from_secs(1000);
            let (mut flight, _) = Flight::take_off(&provider, question, start, &nonces);
            let said = Err(Rejection::NoAnswer { cause, retry_after: None });
            let now = start.plus(Duration::from_millis(after));
            let Landing::Settled(Err(failure)) = flight.land(&provider, said, now, &nonces) else {
                panic!("{name}")
            };
            assert_eq!(failure.to_string(), want, "{name}");
        }
    }

    #[test]
    fn a_retry_has_the_time_that_is_left_and_a_fallback_its_own() {
        let (mut provider, nonces) = (Provider::bare(), Nonces::new([1, 2]));
        provider.introspection.retries = 1;
        provider.introspection.clusters.push("other".to_owned());
        let start = UnixTime::from_secs(1000);
        let at = |millis| start.plus(Duration::from_millis(millis));
        let take_off = || {
            let token = Secret::new("t");
            let question = Question { key: TokenKey::new([0, 0], ProviderId(0), &token), token };
            Flight::take_off(&provider, question, start, &nonces)
        };
        let fail = |flight: &mut Flight, millis| {
            let said = Err(Rejection::NoAnswer { cause: NoAnswer::Status(503), retry_after: None });
            match flight.land(&provider, said, at(millis), &nonces) {
                Landing::Again(call) => Some(call),
                Landing::Settled(_) => None,
            }
        };
        let (mut flight, first) = take_off();
        assert_eq!(
            (first.cluster.as_str(), first.after, first.timeout),
            ("as", Duration::ZERO, Duration::from_secs(2))
        );
        let retry = fail(&mut flight, 500).unwrap();
        assert_eq!((retry.cluster.as_str(), retry.timeout), ("as", Duration::from_secs(2)));
        assert!((5..=25).contains(&retry.after.as_millis()), "{:?}", retry.after);
        let fallback = fail(&mut flight, 3900).unwrap();
        assert_eq!(
            (fallback.cluster.as_str(), fallback.after, fallback.timeout),
            ("other", Duration::ZERO, Duration::from_secs(2))
        );
        assert!(fail(&mut flight, 4000).is_none(), "there is no other");
        // The first call and its retries have four seconds together.
        let (mut flight, _) = take_off();
        let late = fail(&mut flight, 3500).unwrap();
        assert_eq!(late.after + late.timeout, Duration::from_millis(500));
        let (mut flight, _) = take_off();
        assert!(fail(&mut flight, 4000).is_none());
    }

    #[test]
    fn a_response_that_no_known_key_has_signed_asks_for_keys() {
        let none = |cause| Rejection::NoAnswer { cause, retry_after: None };
        for (failure, want) in
            [(none(NoAnswer::NoKeys), true), (none(NoAnswer::Failed), false), (Rejection::Inactive, false)]
        {
            assert_eq!(Landing::Settled(Err(failure.clone())).lacks_keys(), want, "{failure}");
        }
    }
}
