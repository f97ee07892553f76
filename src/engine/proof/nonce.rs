//! Nonces that Tollgate issues and proofs must have ([RFC 9449 §9]).
//!
//! A nonce contains its time, and is signed together with its lifetime. Nothing has to be stored, and every
//! worker can check the nonces of the others.
//!
//! [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::hash::hmac_sha256;
use crate::base::hash::sha256;
use crate::base::secret::Secret;
use crate::base::store::common::Common;
use crate::base::time::UnixTime;

/// What nonces are signed with.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Key([u8; 32]);

/// How a nonce is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Age {
    /// Of this period.
    Current,
    /// Of the previous period: still valid, but not for long.
    Last,
}

impl Key {
    /// A key from a secret of the operator's, the same for all proxies that have it.
    pub fn of_secret(secret: &Secret) -> Self {
        Self(sha256(&[b"tollgate dpop nonce", secret.expose().as_bytes()]))
    }

    /// The key of one plugin of this proxy. Other nonces are not valid there.
    pub fn own(common: &Common, owner: &[u8]) -> Self {
        Self(common.key("dpop nonce", owner))
    }

    /// A new nonce: `1*NQCHAR`, 128 bits, 96 of them a signature ([RFC 9449 §8.1]).
    ///
    /// [RFC 9449 §8.1]: https://www.rfc-editor.org/rfc/rfc9449#section-8.1
    pub fn nonce(&self, now: UnixTime, lifetime: Duration) -> String {
        self.of_period(period(now, lifetime), lifetime)
    }

    /// The age of a nonce that was issued with this key; `None` for any other, or if it is too old.
    pub fn age(&self, nonce: &str, now: UnixTime, lifetime: Duration) -> Option<Age> {
        let current = period(now, lifetime);
        let is = |period| same(nonce.as_bytes(), self.of_period(period, lifetime).as_bytes());
        if is(current) {
            return Some(Age::Current);
        }
        current.checked_sub(1).filter(|last| is(*last)).map(|_| Age::Last)
    }

    fn of_period(&self, period: u32, lifetime: Duration) -> String {
        let mut bytes = [0; 16];
        let (first, rest) = bytes.split_at_mut(4);
        first.copy_from_slice(&period.to_be_bytes());
        let signature = hmac_sha256(&self.0, &[&period.to_be_bytes(), &lifetime.as_secs().to_be_bytes()]);
        rest.iter_mut().zip(signature).for_each(|(byte, signed)| *byte = signed);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Anyone who knows the key can make nonces, so it is not shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn period(now: UnixTime, lifetime: Duration) -> u32 {
    let seconds = lifetime.as_secs().max(1);
    u32::try_from(now.as_secs().checked_div(seconds).unwrap_or_default()).unwrap_or(u32::MAX)
}

/// Compares without telling by its time where a difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Age, Key};
    use crate::base::random::Nonces;
    use crate::base::secret::Secret;
    use crate::base::store::Own;
    use crate::base::store::common::Common;
    use crate::base::time::UnixTime;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_nonce_is_good_for_its_period_and_the_next() {
        // DPP-25, ATK-98
        let key = Key::of_secret(&Secret::new("s"));
        let minute = Duration::from_secs(60);
        let at = |seconds: u64| UnixTime::from_secs(6_000).plus(Duration::from_secs(seconds));
        let nonce = key.nonce(at(0), minute);
        assert_eq!(nonce.len(), 22);
        assert!(nonce.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{nonce}");
        #[rustfmt::skip]
        let cases = [
            ("at once",          nonce.as_str(), 0,   Some(Age::Current)),
            ("a minute later",   nonce.as_str(), 60,  Some(Age::Last)),
            ("two minutes later", nonce.as_str(), 120, None),
            ("before it was",    nonce.as_str(), -60, None),
            ("a client's own",   "eyJ7S_zG.eyJH0-Z.HX4w-7v", 0, None),
            ("nothing",          "",             0,   None),
        ];
        for (name, nonce, later, want) in cases {
            let now = UnixTime::from_secs(6_000_u64.checked_add_signed(later).unwrap());
            assert_eq!(key.age(nonce, now, minute), want, "{name}");
        }
        assert_eq!(Key::of_secret(&Secret::new("t")).age(&nonce, at(0), minute), None, "of another server");
        assert_eq!(format!("{key:?}"), "[redacted]");
    }

    #[test]
    fn a_nonce_is_of_one_plugin_and_one_lifetime() {
        let common = |seed| Common::of(&Own::default(), &Nonces::new(seed)).unwrap();
        let key = Key::own(&common([1, 2]), b"one");
        let (now, minute) = (UnixTime::from_secs(6_000), Duration::from_secs(60));
        let nonce = key.nonce(now, minute);
        assert_eq!(key.age(&nonce, now, minute), Some(Age::Current));
        for other in [Key::own(&common([1, 2]), b"two"), Key::own(&common([3, 4]), b"one")] {
            assert_eq!(other.age(&nonce, now, minute), None, "of another plugin, of another proxy");
        }
        // The hundredth minute, the hundredth second, and the hundredth hour have one number.
        for (lifetime, then) in [(1, 100), (3600, 360_000)] {
            let then = UnixTime::from_secs(then);
            assert_eq!(key.age(&nonce, then, Duration::from_secs(lifetime)), None, "{lifetime}");
        }
        let given = Key::of_secret(&Secret::new("s"));
        let (nonce, then) = (given.nonce(now, minute), UnixTime::from_secs(100));
        assert_eq!(given.age(&nonce, then, Duration::from_secs(1)), None, "the operator's key");
    }
}
