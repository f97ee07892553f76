//! The callbacks that the host enters.
//!
//! The SDK exports every callback and keeps its own contexts. The host enters the VM for each export that it
//! finds, whether it is needed or not. The functions here are exported under names of their own, and `make
//! build` gives them the names that the host looks for, in place of the SDK's ([proxy-wasm ABI 0.2.1]). Nothing of the
//! SDK's contexts is in the module after that, for `_initialize` is ours, too. A
//! module that has not been through that step rejects every configuration.
//!
//! Of the callbacks at the end of a context, only `proxy_on_delete` is exported: the host calls it when a
//! stream ends, before anything else can happen to that stream. `proxy_on_done` and `proxy_on_log` add nothing.
//!
//! [proxy-wasm ABI 0.2.1]: https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1
#![allow(unsafe_code, reason = "exports have no mangled names")]

use crate::contexts;
use crate::host::{entered, log_to_the_host};

/// The result of a callback for the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(crate) enum Action {
    Continue = 0,
    Pause = 1,
}

unsafe extern "C" {
    /// The linker's: what has to run before anything else.
    fn __wasm_call_ctors();
}

/// Becomes `_initialize`.
#[unsafe(no_mangle)]
extern "C" fn tollgate_initialize() {
    // SAFETY: nothing else has run yet.
    unsafe { __wasm_call_ctors() };
    log_to_the_host();
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_context_create(context: u32, parent: u32) {
    entered(context, || contexts::created(context, parent));
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_vm_start(_root: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_configure(root: u32, _size: usize) -> u32 {
    u32::from(entered(root, || contexts::configure(root)))
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_delete(context: u32) {
    entered(context, || contexts::ended(context));
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_tick(root: u32) {
    entered(root, || contexts::tick(root));
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_http_call_response(
    root: u32,
    call: u32,
    headers: usize,
    _body: usize,
    _trailers: usize,
) {
    entered(root, || contexts::responded(root, call, headers > 0));
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_request_headers(stream: u32, _headers: usize, end_of_stream: u32) -> Action {
    entered(stream, || contexts::request_headers(stream, end_of_stream != 0))
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_request_body(stream: u32, size: usize, end_of_stream: u32) -> Action {
    entered(stream, || contexts::request_body(stream, size, end_of_stream != 0))
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_request_trailers(stream: u32, _trailers: usize) -> Action {
    entered(stream, || contexts::request_trailers(stream))
}

#[unsafe(no_mangle)]
extern "C" fn tollgate_on_response_headers(stream: u32, _headers: usize, _end_of_stream: u32) -> Action {
    entered(stream, || contexts::response_headers(stream));
    Action::Continue
}
