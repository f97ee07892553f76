//! The proxy-wasm adapter, and the only room that knows the host.
//!
//! It hands request heads to the engine, makes the calls that the engine asks for, and carries out
//! its decisions. It holds no `if` about OAuth.

mod abi;
mod calls;
mod contexts;
mod fetches;
mod flights;
mod host;
mod metrics;
mod stream;
mod verify;
mod waiters;

use proxy_wasm::traits::{Context, RootContext};
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Debug);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Unfinished) });
}}

/// The SDK's idea of us, which counts in a module that `make build` has not finished only.
struct Unfinished;

impl Context for Unfinished {}

impl RootContext for Unfinished {
    fn on_configure(&mut self, _: usize) -> bool {
        log::error!("tollgate: this module is unfinished; use what `make build` makes of it");
        false
    }
}
