//! What may be true of a request at its moment, and whether the response contradicts it.
//!
//! The checker knows when each token ended, how it ended, and within which time Tollgate promises to notice. A response that
//! breaks a promise is a finding. It is a pure function of times, so its own tests show that it can fail.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The times that the configuration promises.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `cache.ttl`.
    pub ttl: Duration,
    /// `cache.stale_if_error`.
    pub stale: Duration,
    /// `max_cache_age` of the rule for writing.
    pub write_age: Duration,
    /// From the acknowledgement of an event until it has taken effect everywhere.
    pub event: Duration,
    /// The same for an entry in a list of revocations.
    pub list: Duration,
    /// How long a key that is no longer published may still verify tokens.
    pub keys: Duration,
    /// After the end of a disturbance, requests may still end as unavailable for this long.
    pub recovery: Duration,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    /// Needs a token with the scope `read`.
    Read,
    /// Needs the scope `write`, and a response that is at most `write_age` old.
    Write,
    /// Needs no token.
    Public,
}

/// How a token ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Means {
    /// The authorization server says so, if it is called.
    Server,
    /// An event was acknowledged.
    Event,
    /// It is in the list of revocations.
    List,
    /// Its key is no longer published.
    Keys,
    /// Its `exp` has passed.
    Expiry,
}

/// What is known of a token.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// From then on it may be rejected.
    pub ends: Option<Instant>,
    /// From each of these on it must be rejected, after the time that belongs to the means.
    pub ended: Vec<(Instant, Means)>,
    /// Whether it has the scope `write`.
    pub writes: bool,
    /// Never valid: forged, or unknown to everybody.
    pub never: bool,
}

/// A request and its response.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// What it was for.
    pub route: Route,
    /// Before its first byte was sent.
    pub sent: Instant,
    /// After the head of its response had come.
    pub received: Instant,
    /// The status.
    pub status: u16,
}

/// A promise that was broken.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Finding {
    /// A request passed that must not pass.
    WrongAdmit,
    /// A request was rejected although nothing was wrong with its token.
    WrongReject,
    /// A request ended as unavailable, or in another way, without a reason.
    Unexplained,
    /// A request got no response.
    NoResponse,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongAdmit => "admitted wrongly",
            Self::WrongReject => "rejected wrongly",
            Self::Unexplained => "failed without a reason",
            Self::NoResponse => "without a response",
        })
    }
}

/// What a response shows, if it shows anything wrong. `life`: of its token, if it has one.
pub fn judge(
    exchange: &Exchange,
    life: Option<&Life>,
    limits: &Limits,
    disturbances: &Disturbances,
) -> Option<Finding> {
    let never = life.is_some_and(|life| life.never);
    let disturbed = || disturbances.explain(exchange.received, limits.recovery, never);
    match exchange.status {
        200..=299 => must_be_rejected(exchange, life, limits, disturbances).then_some(Finding::WrongAdmit),
        401 | 403 => (!may_be_rejected(exchange, life, disturbances)).then_some(Finding::WrongReject),
        408 | 502..=504 => (!disturbed()).then_some(Finding::Unexplained),
        _ => Some(Finding::Unexplained),
    }
}

fn must_be_rejected(
    exchange: &Exchange,
    life: Option<&Life>,
    limits: &Limits,
    disturbances: &Disturbances,
) -> bool {
    let Some(life) = life else { return exchange.route != Route::Public };
    let lacks_scope = exchange.route == Route::Write && !life.writes;
    let is_over = |(since, means): &(Instant, Means)| {
        let within = match means {
            Means::Server if exchange.route == Route::Write => limits.ttl.min(limits.write_age),
            Means::Server if disturbances.touch(*since, exchange.sent, limits.recovery) => {
                limits.ttl + limits.stale
            }
            Means::Server => limits.ttl,
            Means::Event => limits.event,
            Means::List => limits.list,
            Means::Keys => limits.keys,
            Means::Expiry => Duration::ZERO,
        };
        exchange.sent > *since + within
    };
    life.never || lacks_scope || life.ended.iter().any(is_over)
}

fn may_be_rejected(exchange: &Exchange, life: Option<&Life>, disturbances: &Disturbances) -> bool {
    let Some(life) = life else { return exchange.route != Route::Public };
    let has_ended = life.ends.is_some_and(|ends| exchange.received >= ends);
    let lacks_scope = exchange.route == Route::Write && !life.writes;
    life.never || lacks_scope || has_ended || disturbances.lies(exchange.sent, exchange.received)
}

/// When something was wrong with the servers.
#[derive(Debug, Default)]
pub struct Disturbances {
    servers: Mutex<Vec<Disturbance>>,
    machine: Mutex<Vec<Disturbance>>,
}

#[derive(Clone, Copy, Debug)]
struct Disturbance {
    from: Instant,
    to: Option<Instant>,
    trouble: Trouble,
}

/// What requests may suffer meanwhile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// They may end as unavailable.
    Outage,
    /// Good tokens may also be rejected.
    Lies,
    /// No keys can be fetched: tokens that name an unknown one may end as unavailable, and nobody else may notice.
    Keys,
}

impl Disturbances {
    /// One begins.
    pub fn begin(&self, trouble: Trouble) {
        self.lock().push(Disturbance { from: Instant::now(), to: None, trouble });
    }

    /// The machine had no time for anybody since this moment. Requests that were in progress may end as unavailable.
    pub fn stalled(&self, from: Instant) {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.push(Disturbance { from, to: Some(Instant::now()), trouble: Trouble::Outage });
    }

    /// The last one ends.
    pub fn end(&self) {
        if let Some(last) = self.lock().last_mut() {
            last.to.get_or_insert_with(Instant::now);
        }
    }

    /// Whether the server was unavailable between these moments, or so long before.
    fn touch(&self, from: Instant, to: Instant, grace: Duration) -> bool {
        self.any(from, to, grace, |trouble| trouble != Trouble::Keys)
    }

    /// Whether a request may end as unavailable. `never`: its token was never valid.
    fn explain(&self, at: Instant, grace: Duration, never: bool) -> bool {
        self.any(at, at, grace, |trouble| trouble != Trouble::Keys || never)
    }

    /// Whether responses were wrong.
    fn lies(&self, from: Instant, to: Instant) -> bool {
        const CACHED: Duration = Duration::from_secs(4);
        self.any(from, to, CACHED, |trouble| trouble == Trouble::Lies)
    }

    fn any(&self, from: Instant, to: Instant, grace: Duration, wanted: impl Fn(Trouble) -> bool) -> bool {
        let touches = |one: &Disturbance| one.from <= to && one.to.is_none_or(|end| end + grace >= from);
        let machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock().iter().chain(machine.iter()).any(|one| wanted(one.trouble) && touches(one))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Disturbance>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: Limits = Limits {
        ttl: Duration::from_secs(10),
        stale: Duration::from_secs(5),
        write_age: Duration::from_secs(2),
        event: SECOND,
        list: Duration::from_secs(4),
        keys: Duration::from_secs(3),
        recovery: Duration::from_secs(5),
    };

    /// What is found if a token ended at second 100 and a request is sent at this second.
    fn found(
        life: &Life,
        route: Route,
        second: u64,
        status: u16,
        disturbed: Option<(u64, u64)>,
        start: Instant,
    ) -> Option<Finding> {
        let at = |second| start + SECOND * u32::try_from(second).unwrap();
        let disturbances = Disturbances::default();
        if let Some((from, to)) = disturbed {
            disturbances.lock().push(Disturbance {
                from: at(from),
                to: Some(at(to)),
                trouble: Trouble::Outage,
            });
        }
        let exchange = Exchange { route, sent: at(second), received: at(second), status };
        judge(&exchange, Some(life), &LIMITS, &disturbances)
    }

    #[test]
    fn the_checker_finds_what_is_wrong_and_nothing_else() {
        use Finding::{Unexplained, WrongAdmit, WrongReject};
        use Route::{Read, Write};
        let start = Instant::now();
        let end = start + SECOND * 100;
        let ended = |means| Life { ends: Some(end), ended: vec![(end, means)], writes: true, never: false };
        let valid = Life { writes: true, ..Life::default() };
        let never = Life { never: true, writes: true, ..Life::default() };
        let reads = Life::default();
        #[rustfmt::skip]
        let cases = [
            ("a valid token passes",                     &valid,                  Read,  50,  200, None,             None),
            ("and is not rejected",                      &valid,                  Read,  50,  401, None,             Some(WrongReject)),
            ("nor with 403",                             &valid,                  Write, 50,  403, None,             Some(WrongReject)),
            ("a forged token is rejected",               &never,                  Read,  50,  401, None,             None),
            ("and never passes",                         &never,                  Read,  50,  200, None,             Some(WrongAdmit)),
            ("not even while the server is down",        &never,                  Read,  50,  200, Some((40, 60)),   Some(WrongAdmit)),
            ("without the scope it does not write",      &reads,                  Write, 50,  200, None,             Some(WrongAdmit)),
            ("it is rejected",                           &reads,                  Write, 50,  403, None,             None),
            ("an inactive token passes within ttl",      &ended(Means::Server),   Read,  110, 200, None,             None),
            ("or is rejected",                           &ended(Means::Server),   Read,  101, 401, None,             None),
            ("but not before its end",                   &ended(Means::Server),   Read,  99,  401, None,             Some(WrongReject)),
            ("it does not pass later",                   &ended(Means::Server),   Read,  111, 200, None,             Some(WrongAdmit)),
            ("in an outage it passes for longer",        &ended(Means::Server),   Read,  115, 200, Some((105, 112)), None),
            ("but not for ever",                         &ended(Means::Server),   Read,  116, 200, Some((105, 120)), Some(WrongAdmit)),
            ("an outage long ago does not count",        &ended(Means::Server),   Read,  111, 200, Some((80, 94)),   Some(WrongAdmit)),
            ("it writes only for a moment",              &ended(Means::Server),   Write, 102, 200, None,             None),
            ("whatever ttl says",                        &ended(Means::Server),   Write, 103, 200, None,             Some(WrongAdmit)),
            ("an event acts within a second",            &ended(Means::Event),    Read,  101, 200, None,             None),
            ("and not later",                            &ended(Means::Event),    Read,  102, 200, None,             Some(WrongAdmit)),
            ("whether the server is down or not",        &ended(Means::Event),    Read,  102, 200, Some((90, 120)),  Some(WrongAdmit)),
            ("a list acts within its refresh",           &ended(Means::List),     Read,  104, 200, None,             None),
            ("and not later",                            &ended(Means::List),     Read,  105, 200, None,             Some(WrongAdmit)),
            ("a key ends with its set",                  &ended(Means::Keys),     Read,  104, 200, None,             Some(WrongAdmit)),
            ("an expired token has no bound",            &ended(Means::Expiry),   Read,  101, 200, None,             Some(WrongAdmit)),
            ("a failure needs a reason",                 &valid,                  Read,  50,  503, None,             Some(Unexplained)),
            ("an outage is one",                         &valid,                  Read,  50,  503, Some((49, 51)),   None),
            ("for a while",                              &valid,                  Read,  56,  503, Some((49, 51)),   None),
            ("and not for longer",                       &valid,                  Read,  57,  503, Some((49, 51)),   Some(Unexplained)),
            ("other statuses are never right",           &valid,                  Read,  50,  500, Some((49, 51)),   Some(Unexplained)),
        ];
        for (name, life, route, second, status, disturbed, want) in cases {
            assert_eq!(found(life, route, second, status, disturbed, start), want, "{name}");
        }
    }

    #[test]
    fn without_keys_only_tokens_of_unknown_keys_may_be_unavailable() {
        let disturbances = Disturbances::default();
        disturbances.begin(Trouble::Keys);
        let (sent, received) = (Instant::now(), Instant::now());
        let exchange = Exchange { route: Route::Read, sent, received, status: 503 };
        let found = |never| {
            let life = Life { never, ..Life::default() };
            judge(&exchange, Some(&life), &LIMITS, &disturbances)
        };
        assert_eq!(found(true), None);
        assert_eq!(found(false), Some(Finding::Unexplained));
    }

    #[test]
    fn without_a_token_only_the_public_part_passes() {
        let disturbances = Disturbances::default();
        let exchange =
            |route, status| Exchange { route, sent: Instant::now(), received: Instant::now(), status };
        let found = |route, status| judge(&exchange(route, status), None, &LIMITS, &disturbances);
        assert_eq!(found(Route::Public, 200), None);
        assert_eq!(found(Route::Public, 401), Some(Finding::WrongReject));
        assert_eq!(found(Route::Read, 401), None);
        assert_eq!(found(Route::Read, 200), Some(Finding::WrongAdmit));
    }
}
