//! The proxy-wasm adapter, and the only room that knows the host.
//!
//! It hands request heads to the engine, makes the calls that the engine asks for, and carries out
//! its decisions. It holds no `if` about OAuth.

mod calls;
mod flights;
mod host;
mod http;
mod metrics;
mod root;
mod stream;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Debug);
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(root::Root::new(id)) });
}}
