//! What workers share: the host's shared data.

pub mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;

/// The host's shared data. A writer says which version it has seen, so that it never overwrites a value that it
/// has not seen.
pub trait Store: std::fmt::Debug {
    /// What lies under a key; no bytes where there is nothing, or nothing can be read.
    fn get(&self, key: &str) -> (Vec<u8>, Seen);
    /// Writes, unless the value has changed since. `false`: nothing was written.
    fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool;
}

/// What lay under a key.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Seen {
    /// Nothing, not even an empty value.
    Nothing,
    /// What the write of this number has left.
    Write(u32),
}

/// A value without content. It is not empty, because the host returns an empty value as a null pointer.
pub const NOTHING: &[u8] = &[0];

/// Shared data of one worker alone, where there is no host: as Envoy's behaves.
#[derive(Debug, Default)]
pub struct Own(RefCell<Values>);

#[derive(Debug, Default)]
struct Values {
    values: BTreeMap<String, (Vec<u8>, u32)>,
    /// The number of the latest write, of all keys together.
    last: u32,
}

impl Own {
    /// How much lies there: the number of keys, and of bytes under them.
    pub fn size(&self) -> (usize, usize) {
        let all = &self.0.borrow().values;
        (all.len(), all.values().map(|(bytes, _)| bytes.len()).sum())
    }

    /// Everything that lies there.
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        let all = &self.0.borrow().values;
        all.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// Writes in any case, as another writer might.
    pub fn put(&self, key: &str, value: &[u8]) {
        let Values { values, last } = &mut *self.0.borrow_mut();
        *last = last.wrapping_add(1);
        values.insert(key.to_owned(), (value.to_vec(), *last));
    }
}

impl Store for Own {
    fn get(&self, key: &str) -> (Vec<u8>, Seen) {
        match self.0.borrow().values.get(key) {
            Some((value, number)) => (value.clone(), Seen::Write(*number)),
            None => (Vec::new(), Seen::Nothing),
        }
    }

    fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
        let known = self.0.borrow().values.get(key).map(|(_, number)| Seen::Write(*number));
        // Where nothing is, the host writes whatever the number.
        let may = known.is_none_or(|known| known == seen);
        if may {
            self.put(key, value);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::{Own, Seen, Store as _};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn nobody_overwrites_what_it_has_not_seen() {
        let store = Own::default();
        assert_eq!(store.get("a"), (Vec::new(), Seen::Nothing));
        // An empty value is a value, and has its number.
        assert!(store.set("a", b"", Seen::Nothing));
        assert!(!store.set("a", b"x", Seen::Nothing), "somebody has made it since");
        let (value, empty) = store.get("a");
        assert!(value.is_empty() && empty != Seen::Nothing);
        assert!(store.set("a", b"x", empty));
        assert!(!store.set("a", b"y", empty), "somebody has written since");
        let (_, latest) = store.get("a");
        assert!(store.set("b", b"x", latest), "as the host does");
        assert!(!store.set("b", b"y", latest), "no two writes have one number");
    }
}
