//! What the module says for itself until `make build` has finished it.
//!
//! The SDK exports every callback there is, and finishing replaces those exports by ours. A module that has not been
//! through that step still has the SDK's, and rejects every configuration.

use proxy_wasm::traits::{Context, RootContext};
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Debug);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Unfinished) });
}}

/// The root context that the SDK's exports reach.
struct Unfinished;

impl Context for Unfinished {}

impl RootContext for Unfinished {
    fn on_configure(&mut self, _: usize) -> bool {
        log::error!("tollgate: this module is unfinished; use what `make build` makes of it");
        false
    }
}
