//! Who computes the signature of an assertion, and how often one may be computed.
//!
//! The host of the filter has native code for RS256 and ES256 (Envoy's foreign function `sign`). Nothing else
//! computes those there. The command has a cryptographic library for all algorithms with private keys.
//! [`super::signing_key`] signs the rest. Where that takes long, there is a limit, because
//! every unknown token that a client sends causes a signature.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use crate::base::time::UnixTime;
use crate::jose::algorithm::Algorithm;
use crate::jose::private_der;

/// Signs with private keys.
pub trait Signer: fmt::Debug {
    /// The signature, in the form of JWS ([RFC 7518 §3]). `None`: it cannot sign.
    ///
    /// [RFC 7518 §3]: https://www.rfc-editor.org/rfc/rfc7518#section-3
    fn sign(&self, to_sign: &ToSign<'_>) -> Option<Vec<u8>>;
    /// Whether it can with this algorithm, as far as it knows.
    fn signs(&self, algorithm: Algorithm) -> bool;
}

/// A message to be signed.
#[derive(Clone, Copy)]
pub struct ToSign<'a> {
    /// How to sign it.
    pub algorithm: Algorithm,
    /// The private key, which is made for that algorithm, in PKCS#8 ([RFC 5208 §5]).
    ///
    /// [RFC 5208 §5]: https://www.rfc-editor.org/rfc/rfc5208#section-5
    pub pkcs8: &'a [u8],
    /// What to sign.
    pub message: &'a [u8],
}

impl<'a> ToSign<'a> {
    /// The private key alone, as its kind has it: of RSA as PKCS#1 ([RFC 8017 §A.1.2]).
    ///
    /// [RFC 8017 §A.1.2]: https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2
    pub fn inner_key(&self) -> Option<&'a [u8]> {
        private_der::key_of_pkcs8(self.pkcs8)
    }
}

/// A signature in the form of JWS, from the form of X.509.
pub fn of_der(algorithm: Algorithm, signature: &[u8]) -> Option<Vec<u8>> {
    use Algorithm::{
        Ed25519, EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
    };
    match algorithm {
        Es256 => private_der::p256_signature(signature),
        // Nothing is signed with these.
        Es384 | Es512 => None,
        Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 | EdDsa | Ed25519 | Hs256 | Hs384 | Hs512 => {
            Some(signature.to_vec())
        }
    }
}

impl fmt::Debug for ToSign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToSign").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// How many signatures that take long may be made: some at once, and then one in a while.
#[derive(Clone, Debug)]
pub(crate) struct Bound(Cell<UnixTime>);

/// What one costs.
const ONE: Duration = Duration::from_millis(250);
/// How long the next question may have to wait: more than the calls of any that was let in take together.
const MOST: Duration = Duration::from_secs(10);
/// How many may be made at once after a time without any.
const AT_ONCE: u32 = 16;

impl Bound {
    pub(crate) fn new() -> Self {
        Self(Cell::new(UnixTime::from_millis(0)))
    }

    /// Whether one may be made now.
    pub(crate) fn admits(&self, now: UnixTime) -> bool {
        let free = self.0.get();
        // Beyond what it can have become, the clock was set back.
        free <= now || free > now.plus(MOST)
    }

    /// One is made.
    pub(crate) fn count(&self, now: UnixTime) {
        let rested = now.minus(ONE.saturating_mul(AT_ONCE));
        let free = self.0.get();
        let free = if free > now.plus(MOST) { rested } else { free.max(rested) };
        // A question that has begun may take several, for retries; the next ones wait for that.
        self.0.set(free.plus(ONE).min(now.plus(MOST)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bound, MOST};
    use crate::base::time::UnixTime;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn some_at_once_and_then_four_a_second() {
        let bound = Bound::new();
        let signs = |millis: u64| {
            let now = UnixTime::from_millis(1_800_000_000_000).plus(Duration::from_millis(millis));
            let may = bound.admits(now);
            if may {
                bound.count(now);
            }
            may
        };
        let made = |from: u64, to: u64| (from..to).step_by(10).filter(|millis| signs(*millis)).count();
        assert!((16..=17).contains(&(0..100).filter(|_| signs(0)).count()));
        assert!((39..=41).contains(&made(10, 10_000)));
        assert!((16..=17).contains(&(0..100).filter(|_| signs(60_000)).count()), "rested");
        assert!((16..=17).contains(&(0..100).filter(|_| signs(1000)).count()), "the clock was set back");

        // Each question has six calls: a try and five retries.
        let (bound, mut made) = (Bound::new(), 0);
        for millis in (0..60_000).step_by(10) {
            let now = UnixTime::from_millis(1_800_000_000_000_u64.saturating_add(millis));
            if bound.admits(now) {
                (0..6).for_each(|_| bound.count(now));
                made = u32::saturating_add(made, 6);
            }
        }
        assert!((240..=270).contains(&made), "{made} in a minute");
    }

    #[test]
    fn retries_of_many_questions_do_not_lift_the_bound() {
        let (bound, now) = (Bound::new(), UnixTime::from_millis(1_800_000_000_000));
        for made in 1..=200 {
            bound.count(now);
            assert_eq!(bound.admits(now), made <= 16, "{made}");
        }
        assert!(!bound.admits(now.plus(Duration::from_millis(9_999))) && bound.admits(now.plus(MOST)));
    }
}
