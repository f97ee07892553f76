//! Room that a burst of requests has left behind.

use std::collections::VecDeque;

/// The room that is kept, in entries, so that ordinary traffic does not allocate it again and again.
pub(crate) const KEPT: usize = 256;

/// Gives back the room of a queue that is empty again.
pub fn give_back_queue<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > KEPT {
        queue.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, give_back_queue};
    use std::collections::VecDeque;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_in_use_stays_and_the_room_of_a_burst_goes() {
        let mut queue: VecDeque<usize> = (0..10_000).collect();
        queue.truncate(1);
        give_back_queue(&mut queue);
        assert!(queue.capacity() >= 10_000, "something is in it");
        queue.clear();
        give_back_queue(&mut queue);
        assert_eq!(queue.capacity(), 0);
        queue.reserve(KEPT / 2);
        let kept = queue.capacity();
        give_back_queue(&mut queue);
        assert_eq!(queue.capacity(), kept);
    }
}
