//! The proxy-wasm adapter: a [`Worker`](tollgate_engine::worker::Worker) in the host.
//!
//! It passes events to the worker, carries out its commands, and has no `if` about OAuth or about waiting.
//!
//! | room | what it holds |
//! | --- | --- |
//! | `exports` | the callbacks that the host enters |
//! | `contexts` | the host's contexts: which stream belongs to which worker |
//! | `driver` | passes events in, carries out commands, counts, and requests ticks |
//! | `host`, `abi` | the host calls: as the other modules use them, and as the host defines them |
//! | `signatures` | signatures that the host computes |
//! | `unfinished` | the error of a module that `make build` has not finished |

#![cfg(target_os = "wasi")]

mod abi;
mod contexts;
mod driver;
mod exports;
mod host;
mod signatures;
mod unfinished;
