//! Room that a burst of requests has left behind.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

/// The room that is kept, in entries, so that ordinary traffic does not allocate it again and again.
const KEPT: usize = 256;

/// Gives back the room of a map that is empty again.
pub fn give_back<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.is_empty() && map.capacity() > KEPT {
        map.shrink_to(0);
    }
}

/// Gives back the room of a queue that is empty again.
pub fn give_back_queue<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > KEPT {
        queue.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, give_back, give_back_queue};
    use std::collections::{HashMap, VecDeque};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_in_use_stays_and_the_room_of_a_burst_goes() {
        let mut map: HashMap<usize, usize> = (0..10_000).map(|n| (n, n)).collect();
        let mut queue: VecDeque<usize> = (0..10_000).collect();
        map.retain(|n, _| *n == 0);
        queue.truncate(1);
        give_back(&mut map);
        give_back_queue(&mut queue);
        assert!(map.capacity() >= 10_000 && queue.capacity() >= 10_000, "something is in it");
        map.clear();
        queue.clear();
        give_back(&mut map);
        give_back_queue(&mut queue);
        assert!(map.capacity() == 0 && queue.capacity() == 0);
        map.reserve(KEPT / 2);
        let kept = map.capacity();
        give_back(&mut map);
        assert_eq!(map.capacity(), kept);
    }
}
