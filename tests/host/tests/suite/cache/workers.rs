//! Several workers over one store, and what their tests share.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Call, Outcome, Response, StreamId, Vm, values};

use crate::{config, with_token};

/// The workers of one proxy.
pub(super) struct Workers {
    pub(super) all: Vec<Vm>,
}

impl Workers {
    pub(super) fn new(count: usize, more: &Value) -> Self {
        let mut config = plain();
        crate::merge(&mut config, more);
        let mut all = vec![Vm::new()];
        while all.len() < count {
            all.push(all[0].beside());
        }
        for vm in &mut all {
            assert!(vm.configure(config.to_string().as_bytes()), "{:?}", vm.log());
        }
        Self { all }
    }

    pub(super) fn request(&mut self, worker: usize, token: &str) -> StreamId {
        self.all[worker].request(&with_token(token))
    }

    /// The status that the client gets, 200 from the upstream; `None`: it waits.
    pub(super) fn status(&mut self, worker: usize, stream: StreamId) -> Option<u32> {
        match self.all[worker].outcome(stream) {
            Outcome::Paused => None,
            Outcome::Forwarded(_) => Some(200),
            Outcome::Replied(reply) => {
                let waits = values(&reply.head, "retry-after").len();
                assert_eq!(waits, usize::from(reply.status == 503), "Retry-After");
                Some(reply.status)
            }
        }
    }

    /// The calls under way, and whose they are.
    pub(super) fn calls(&self) -> Vec<(usize, Call)> {
        let of = |(worker, vm): (usize, &Vm)| vm.calls().into_iter().map(move |call| (worker, call));
        self.all.iter().enumerate().flat_map(of).collect()
    }

    /// Answers them all; how many there were.
    pub(super) fn answer_all(&mut self, reply: &str) -> usize {
        let calls = self.calls();
        for (worker, call) in &calls {
            self.all[*worker].answer(call.id, &Response::json(reply));
        }
        calls.len()
    }

    /// Time passes, for all of them together.
    pub(super) fn advance(&mut self, span: Duration) {
        const STEP: Duration = Duration::from_millis(1);
        let mut left = span;
        while left > Duration::ZERO {
            let step = left.min(STEP);
            left -= step;
            for vm in &mut self.all {
                vm.advance(step);
            }
        }
    }

    /// Time passes, and nothing goes on that takes several of them.
    pub(super) fn leap(&mut self, span: Duration) {
        for vm in &mut self.all {
            vm.advance(span);
        }
    }
}

/// The configuration of most of these tests: it remembers, and has no back-off.
pub(super) fn plain() -> Value {
    let mut config: Value = serde_json::from_slice(&config(&json!({}))).unwrap();
    let more = json!({
        "cache": {"max_entries": 10_000, "ttl_jitter": 0},
        "providers": {"main": {"introspection": {"back_off": "0s"}}},
    });
    crate::merge(&mut config, &more);
    config
}

pub(super) fn active() -> String {
    json!({"active": true, "exp": 2_000_000_000, "client_id": "app", "scope": "a b"}).to_string()
}

pub(super) fn token_of(call: &Call) -> u64 {
    let body = String::from_utf8_lossy(&call.body).into_owned();
    let number = body.trim_start_matches("token=token-").split('&').next().map(str::parse);
    number.unwrap().unwrap()
}

/// Numbers in no order, and the same ones every time.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}
