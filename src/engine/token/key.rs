//! The two keys under which a token is cached: hashes from which it cannot be recovered.

use std::fmt;
use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::base::ids::ProviderId;
use crate::base::secret::Secret;
use crate::base::table::Key;

/// A token of one provider, for one worker: 128 bits of SipHash-2-4 under a key that never leaves the VM's
/// memory, so that an attacker cannot search for two tokens with the same hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenKey {
    /// Whose token it is taken for.
    pub provider: ProviderId,
    /// In pieces, so that the key is no longer than they are.
    hash: [u32; 4],
}

/// A token of one provider, for all workers: SHA-256 of the provider's namespace (see `cache::namespace`) and the token.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct TokenDigest([u8; 32]);

impl TokenKey {
    /// The key of `token` under the worker's `seed`.
    #[inline(never)]
    pub fn new(seed: [u64; 2], provider: ProviderId, token: &Secret) -> Self {
        let mut hasher = SipHasher24::new_with_keys(seed[0], seed[1]);
        hasher.write(token.expose().as_bytes());
        let hash = hasher.finish128();
        let ([a, b], [c, d]) = (pieces(hash.h1), pieces(hash.h2));
        Self { provider, hash: [a, b, c, d] }
    }

    /// A number that differs between tokens and reveals nothing about them, to spread times.
    #[inline]
    pub fn spread(self) -> u64 {
        let [.., low, high] = self.hash;
        joined(low, high)
    }
}

impl Key for TokenKey {
    #[inline]
    fn spread(self) -> u32 {
        let [first, ..] = self.hash;
        first
    }
}

impl TokenDigest {
    /// The digest of these bytes. The caller has to make sure that they differ between providers.
    #[inline]
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its first or, with 1, its second eight bytes as a number.
    pub(crate) fn word(&self, n: usize) -> u64 {
        let start = n.saturating_mul(8);
        let bytes = self.0.get(start..start.saturating_add(8)).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_le_bytes).unwrap_or_default()
    }
}

fn pieces(number: u64) -> [u32; 2] {
    [0, 32].map(|shift| u32::try_from(number >> shift & u64::from(u32::MAX)).unwrap_or_default())
}

fn joined(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// The first bytes: enough to distinguish two in a log, too few for anything else.
impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}…", self.word(0).swap_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::TokenKey;
    use crate::base::ids::ProviderId;
    use crate::base::secret::Secret;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn keys_tell_tokens_providers_and_workers_apart() {
        let key =
            |seed, provider, token: &str| TokenKey::new(seed, ProviderId(provider), &Secret::new(token));
        let first = key([1, 2], 0, "a");
        assert_eq!(key([1, 2], 0, "a"), first);
        for other in [key([1, 2], 0, "b"), key([1, 2], 1, "a"), key([1, 3], 0, "a")] {
            assert_ne!(other, first);
        }
    }
}
