//! SHA-2 ([FIPS 180-4]) and HMAC ([RFC 2104]), by the number of bits: one function for all, which those that hash
//! seldom share.
//!
//! [FIPS 180-4]: https://doi.org/10.6028/NIST.FIPS.180-4
//! [RFC 2104]: https://www.rfc-editor.org/rfc/rfc2104

use sha2::digest::Output;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// How long it is, in bytes.
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of all parts together.
    #[inline(never)]
    pub fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha256 => sha256(parts).to_vec(),
            Self::Sha384 => hash::<Sha384>(parts).to_vec(),
            Self::Sha512 => hash::<Sha512>(parts).to_vec(),
        }
    }

    /// The HMAC of all parts together.
    #[inline(never)]
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let block = match self {
            Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 => 128,
        };
        let mut key = if key.len() > block { self.of(&[key]) } else { key.to_vec() };
        key.resize(block, 0);
        let padded = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
        let inner = self.of(&[&[padded(0x36).as_slice()], parts].concat());
        self.of(&[&padded(0x5c), &inner])
    }
}

/// SHA-256 of all parts together.
#[inline(never)]
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    hash::<Sha256>(parts).into()
}

/// The HMAC with SHA-256.
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    Hash::Sha256.hmac(key, parts).try_into().unwrap_or_default()
}

fn hash<D: Digest>(parts: &[&[u8]]) -> Output<D> {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use super::Hash;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn keys_of_any_length() {
        // RFC 4231 §4.2, §4.7: shorter than a block, and longer. In signing_key: the others.
        let start = |hash: Hash, key: &[u8], text: &[&[u8]]| hash.hmac(key, text)[..4].to_vec();
        for (hash, short, long) in [
            (Hash::Sha256, [0xb0, 0x34, 0x4c, 0x61], [0x60, 0xe4, 0x31, 0x59]),
            (Hash::Sha384, [0xaf, 0xd0, 0x39, 0x44], [0x4e, 0xce, 0x08, 0x44]),
            (Hash::Sha512, [0x87, 0xaa, 0x7c, 0xde], [0x80, 0xb2, 0x42, 0x63]),
        ] {
            assert_eq!(start(hash, &[0x0b; 20], &[b"Hi ", b"", b"There"]), short, "{hash:?}");
            let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
            assert_eq!(start(hash, &[0xaa; 131], &[text]), long, "{hash:?}");
            assert_eq!(hash.of(&[b"a", b"bc"]), hash.of(&[b"abc"]));
            assert_eq!(hash.of(&[]).len(), hash.length());
        }
    }
}
