//! The proxy-wasm adapter, and the only room that knows the host.
//!
//! It hands request heads to the engine, makes the calls that the engine asks for, and carries out
//! its decisions. It holds no `if` about OAuth.

#![cfg(target_os = "wasi")]

mod abi;
mod calls;
mod contexts;
mod fetches;
mod flights;
mod host;
mod metrics;
mod stream;
mod unfinished;
mod verify;
mod waiters;
