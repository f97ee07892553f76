//! Numbers that cannot be guessed, from a seed that the host supplies. The engine itself has no randomness.

use crate::base::hash::sha256;
use std::cell::Cell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A series that never comes twice: the hash of a secret seed and a counter.
pub struct Nonces {
    seed: [u64; 2],
    count: Cell<u64>,
}

impl Nonces {
    /// A series. `seed` is random, secret, and not used for any other series.
    pub fn new(seed: [u64; 2]) -> Self {
        Self { seed, count: Cell::new(0) }
    }

    /// 128 bits as text, for a `jti`.
    pub fn text(&self) -> String {
        let block = self.block();
        URL_SAFE_NO_PAD.encode(block.get(..16).unwrap_or(&block))
    }

    /// A number of this range.
    pub(crate) fn between(&self, least: u32, most: u32) -> u32 {
        let [a, b, c, d, ..] = self.block();
        let span = most.saturating_sub(least).saturating_add(1);
        u32::from_le_bytes([a, b, c, d]).checked_rem(span).unwrap_or_default().saturating_add(least)
    }

    /// 256 bits.
    pub(crate) fn block(&self) -> [u8; 32] {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let [a, b] = self.seed.map(u64::to_le_bytes);
        sha256(&[b"tollgate nonces", &a, &b, &count.to_le_bytes()])
    }
}

/// Anyone who knows the seed knows the series, so it is not shown.
impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Nonces;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn no_nonce_comes_twice() {
        // CAS-05: 22 characters of base64url are 128 bits
        let mut seen = HashSet::new();
        for seed in [[1, 2], [2, 1]] {
            let nonces = Nonces::new(seed);
            for _ in 0..5000 {
                let nonce = nonces.text();
                assert_eq!(nonce.len(), 22, "{nonce}");
                assert!(seen.insert(nonce), "a second time");
            }
        }
        assert_eq!(format!("{:?}", Nonces::new([7, 8])), "[redacted]");
    }
}
