//! As many requests as go through, each with another token.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tollgate_bench::servers::Inbox;
use tollgate_e2e::client::connect;

/// What came back.
#[derive(Debug, Default)]
pub struct Flood {
    /// Responses so far.
    pub responses: AtomicU64,
    /// By status.
    pub statuses: Mutex<BTreeMap<u16, u64>>,
    /// Requests without a response.
    pub lost: AtomicU64,
}

impl Flood {
    /// Sends a request for each of these numbers, by so many clients, until the end.
    pub fn send(
        &self,
        port: u16,
        clients: usize,
        numbers: Range<u64>,
        ends: &AtomicBool,
        request: impl Fn(u64) -> Vec<u8> + Sync,
    ) {
        let next = AtomicU64::new(numbers.start);
        thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    while !ends.load(Ordering::Relaxed) && next.load(Ordering::Relaxed) < numbers.end {
                        self.connection(port, &next, numbers.end, ends, &request);
                    }
                });
            }
        });
    }

    /// As many as one connection stands.
    fn connection(
        &self,
        port: u16,
        next: &AtomicU64,
        end: u64,
        ends: &AtomicBool,
        request: &(impl Fn(u64) -> Vec<u8> + Sync),
    ) {
        let Ok(mut stream) = connect(port) else { return };
        let mut inbox = Inbox::default();
        let mut statuses = BTreeMap::<u16, u64>::new();
        while !ends.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                break;
            }
            let _ = stream.write_all(&request(number));
            let Some(extent) = inbox.message(&mut stream) else {
                self.lost.fetch_add(1, Ordering::Relaxed);
                break;
            };
            *statuses.entry(inbox.status()).or_default() += 1;
            self.responses.fetch_add(1, Ordering::Relaxed);
            let closes = inbox.text().to_ascii_lowercase().contains("connection: close");
            inbox.done_with(&extent);
            if closes {
                break;
            }
        }
        let mut all = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        for (status, count) in statuses {
            *all.entry(status).or_default() += count;
        }
    }
}
