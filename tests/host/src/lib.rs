//! A proxy-wasm host in this process: it runs the built module, byte for byte, without an Envoy.
//!
//! The host is a fake with state (header maps, clusters, a clock, log lines), not a list of expected
//! calls: tests say what comes in and look at what comes out. It follows Envoy where a module could
//! notice: who may be answered and when, what a write to a header map that is gone returns, that a
//! trap is the end of the VM. The ABI is proxy-wasm 0.2.1, with the WASI calls that Envoy has.
//!
//! ```no_run
//! use tollgate_host::{Outcome, Response, Vm};
//!
//! let mut vm = Vm::new();
//! assert!(vm.configure(b"{}"));
//! let stream = vm.request(&tollgate_host::head("GET", "/orders", &[("authorization", "Bearer x")]));
//! let call = vm.calls().remove(0);
//! vm.answer(call.id, &Response::json(r#"{"active":true}"#));
//! assert!(matches!(vm.outcome(stream), Outcome::Forwarded(_)));
//! ```

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    reason = "the machinery of tests: what it cannot do stops the test"
)]

mod abi;
mod foreign;
mod host;
mod imports;
mod module;
mod vm;

pub use crate::host::{Call, Crossings, Forwarded, LogLine, Outcome, Reply, Response};
pub use crate::module::{Import, built, exports, imports, places};
pub use crate::vm::{START, StreamId, Vm};

/// Header field lines, or those of a head with its pseudo-fields first.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request head with the usual pseudo-fields.
pub fn head(method: &str, path: &str, fields: &[(&str, &str)]) -> Fields {
    let pseudo =
        [(":method", method), (":path", path), (":authority", "api.example.com"), (":scheme", "http")];
    let lines = pseudo.iter().chain(fields);
    lines.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// All values of a field, as text in which each character is one byte.
pub fn values(fields: &Fields, name: &str) -> Vec<String> {
    let of_name = fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    of_name.map(|(_, value)| value.iter().copied().map(char::from).collect()).collect()
}
