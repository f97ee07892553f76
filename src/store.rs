//! What workers share: the host's shared data.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// The host's shared data. What is read comes with a number that a write can be made to depend on.
pub trait Store: std::fmt::Debug {
    /// What lies under a key.
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)>;
    /// Writes if nobody else has since `after` was read; `None`: in any case, for hosts cannot
    /// write only where nothing is.
    fn set(&self, key: &str, value: &[u8], after: Option<u32>) -> bool;

    /// Makes those of the keys that are not there, with nothing under them. Whoever does so before requests
    /// come can count on [`Self::set`]: of two workers that make a key both would succeed, and one be lost.
    fn make(&self, keys: &mut dyn Iterator<Item = String>) {
        for key in keys {
            if self.get(&key).is_none() {
                self.set(&key, &[], None);
            }
        }
    }
}

/// Shared data of one worker alone, where there is no host: as Envoy's behaves.
#[derive(Debug, Default)]
pub struct Own(pub(crate) RefCell<BTreeMap<String, (Vec<u8>, u32)>>);

impl Own {
    /// How much lies there: the number of keys, and of bytes under them.
    pub fn size(&self) -> (usize, usize) {
        let all = self.0.borrow();
        (all.len(), all.values().map(|(bytes, _)| bytes.len()).sum())
    }
}

impl Store for Own {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(key).cloned()
    }

    fn set(&self, key: &str, value: &[u8], after: Option<u32>) -> bool {
        let mut all = self.0.borrow_mut();
        let number = all.get(key).map_or(0, |(_, number)| *number);
        if after.is_some_and(|after| after != number) {
            return false;
        }
        all.insert(key.to_owned(), (value.to_vec(), number.wrapping_add(1)));
        true
    }
}
