//! The proxy-wasm adapter: a [`Worker`](tollgate_engine::worker::Worker) in the host.
//!
//! It hands over what happens, carries out what the worker says, and holds no `if` about OAuth or about waiting.
//!
//! | room | what it holds |
//! | --- | --- |
//! | `exports` | the callbacks that the host enters |
//! | `contexts` | the host's contexts: which stream belongs to which worker |
//! | `driver` | what happens goes in, commands are carried out, counters and ticks follow |
//! | `host`, `abi` | the host's calls: as the rest wants them, and as the host has them |
//! | `signatures` | signatures that the host computes |
//! | `unfinished` | what the module says for itself before it is finished |

#![cfg(target_os = "wasi")]

mod abi;
mod contexts;
mod driver;
mod exports;
mod host;
mod signatures;
mod unfinished;
