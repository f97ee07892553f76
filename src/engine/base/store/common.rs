//! A secret that all workers of a process share.

use std::fmt;

use crate::base::hash::hmac_sha256;
use crate::base::random::Nonces;
use crate::base::store::Store;

/// A secret, made by the first worker that needs it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Common {
    secret: [u8; 32],
}

const KEY: &str = "tollgate.1.common";

impl Common {
    /// The value that is there, or that the first worker puts there now. `None` if the host stores nothing.
    #[inline(never)]
    pub fn of(store: &dyn Store, nonces: &Nonces) -> Option<Self> {
        let (bytes, seen) = store.get(KEY);
        Self::read(&bytes).or_else(|| {
            store.set(KEY, &nonces.block(), seen);
            // Whoever comes second reads what the first has written.
            Self::read(&store.get(KEY).0)
        })
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self { secret: bytes.try_into().ok()? })
    }

    /// A key for one purpose of one owner. It reveals nothing about other keys.
    pub fn key(&self, purpose: &str, owner: &[u8]) -> [u8; 32] {
        let length = (purpose.len() as u64).to_le_bytes();
        hmac_sha256(&self.secret, &[&length, purpose.as_bytes(), owner])
    }
}

/// Anyone who knows the secret knows where everything is stored, so it is not shown.
impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::{Common, KEY};
    use crate::base::random::Nonces;
    use crate::base::store::{Own, Seen, Store};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn all_workers_have_one_secret() {
        let store = Own::default();
        let [a, b] = [[1, 2], [3, 4]].map(|seed| Common::of(&store, &Nonces::new(seed)).unwrap());
        assert_eq!(a, b);
        let other = Common::of(&Own::default(), &Nonces::new([3, 4])).unwrap();
        assert_ne!(a, other);
        assert_eq!(format!("{a:?}"), "[redacted]");
        let keys =
            [a.key("x", b""), a.key("y", b""), a.key("x", b"y"), a.key("xy", b""), other.key("x", b"")];
        for (at, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(at.saturating_add(1)).all(|later| later != key), "{at}");
        }
        store.put(KEY, b"");
        assert!(Common::of(&store, &Nonces::new([1, 2])).is_some());
    }

    /// A host that keeps nothing.
    #[derive(Debug)]
    struct Nowhere;

    impl Store for Nowhere {
        fn get(&self, _: &str) -> (Vec<u8>, Seen) {
            (Vec::new(), Seen::Nothing)
        }

        fn set(&self, _: &str, _: &[u8], _: Seen) -> bool {
            true
        }
    }

    #[test]
    fn where_nothing_is_kept_nobody_has_anything_in_common() {
        assert_eq!(Common::of(&Nowhere, &Nonces::new([1, 2])), None);
    }
}
