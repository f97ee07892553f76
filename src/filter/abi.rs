//! The host calls that the SDK cannot make as they are needed here, and the clock. Apart from `exports.rs`, the
//! only file with `unsafe`.
#![allow(unsafe_code, reason = "host calls take addresses")]

use std::ptr::{null, null_mut, slice_from_raw_parts_mut};
use std::time::Duration;

use proxy_wasm::types::MapType;
use tollgate_engine::request::head::packed;
use tollgate_engine::response::answer::Answer;
use tollgate_engine::worker::command::OutgoingCall;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_millis: u32,
        call: *mut u32,
    ) -> u32;

    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        bytes: *mut *mut u8,
        size: *mut usize,
        number: *mut u32,
    ) -> u32;

    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        number: u32,
    ) -> u32;

    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;

    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;

    fn proxy_get_log_level(level: *mut u32) -> u32;

    fn proxy_close_stream(kind: u32) -> u32;

    fn proxy_get_header_map_pairs(map: u32, bytes: *mut *mut u8, size: *mut usize) -> u32;

    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        bytes: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanos: *mut u64) -> u32;

    fn environ_sizes_get(number: *mut usize, size: *mut usize) -> u32;

    fn environ_get(places: *mut *mut u8, bytes: *mut u8) -> u32;
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const UNIMPLEMENTED: u32 = 12;
const MONOTONIC: u32 = 1;
/// The host finds one itself, if one is needed.
const NO_GRPC_STATUS: i32 = -1;
/// No fields.
const EMPTY_MAP: [u8; 4] = [0; 4];

/// Sends a call for the effective context; `None` if the host would not. The SDK's own function would keep each
/// call forever, because its dispatcher never sees the responses.
#[inline(never)]
pub(crate) fn http_call(call: &OutgoingCall) -> Option<u32> {
    let (cluster, body) = (call.cluster(), call.body());
    let fields = call.headers().iter().map(|(name, value)| (name.as_bytes(), value.expose().as_bytes()));
    let headers = packed(fields);
    let timeout = u32::try_from(call.timeout().as_millis()).unwrap_or(u32::MAX);
    let mut id = 0;
    // SAFETY: the host reads as many bytes of each part as it is told there are, and writes one number.
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            EMPTY_MAP.as_ptr(),
            EMPTY_MAP.len(),
            timeout,
            &raw mut id,
        )
    };
    (status == OK).then_some(id)
}

/// Sends the response to the request of the effective context. The host knows the client's protocol: a gRPC
/// client gets the gRPC status, in trailers only, and every other client gets the HTTP status and the body. The
/// SDK has separate calls for the two, and its call for gRPC sends the HTTP status 200, which a filter before
/// ours that translates gRPC would pass on.
#[inline(never)]
pub(crate) fn reply(answer: &Answer) {
    let fields = answer.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let headers = packed(fields);
    let body = answer.body.as_bytes();
    // SAFETY: the host reads as many bytes of each part as it is told there are.
    let _ = unsafe {
        proxy_send_local_response(
            u32::from(answer.status),
            null(),
            0,
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            answer.grpc_status.map_or(NO_GRPC_STATUS, i32::from),
        )
    };
}

/// All fields of a map as the host serializes them; nothing if there is no such map.
pub(crate) fn header_map(map: MapType) -> Vec<u8> {
    let (mut bytes, mut size) = (null_mut(), 0);
    // SAFETY: the host writes an address and a length.
    let status = unsafe { proxy_get_header_map_pairs(map as u32, &raw mut bytes, &raw mut size) };
    if status != OK || bytes.is_null() {
        return Vec::new();
    }
    given(bytes, size)
}

/// What lies under a key of the shared data, and the number of the write that has left it there. The SDK's own
/// loses the number of an empty value, for which the host hands over no address.
pub(crate) fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let (mut bytes, mut size, mut number) = (null_mut(), 0, 0);
    // SAFETY: the host reads as many bytes as it is told there are, and writes an address and two numbers.
    let status = unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), &raw mut bytes, &raw mut size, &raw mut number)
    };
    if status != OK {
        return None;
    }
    Some((if bytes.is_null() { Vec::new() } else { given(bytes, size) }, number))
}

/// Writes to the shared data if the latest write to that key has this number, or if there is no value; 0: in
/// any case. `false`: the number differs, or the host did not write.
pub(crate) fn set_shared_data(key: &str, value: &[u8], number: u32) -> bool {
    // SAFETY: the host reads as many bytes as it is told there are.
    let status =
        unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), number) };
    status == OK
}

/// Sets a property. Another filter may have a property of that name that the host does not let us change; the
/// SDK's own function would panic, and the value is only for logs.
pub(crate) fn set_property(name: &str, value: &[u8]) {
    // SAFETY: the host reads as many bytes as it is told there are.
    let _ = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// The lowest level of log lines that the host keeps: 0 is trace, 1 debug, and there are more than the SDK's
/// own function could represent.
pub(crate) fn log_level() -> u32 {
    let mut level = 0;
    // SAFETY: the host writes one number.
    let status = unsafe { proxy_get_log_level(&raw mut level) };
    if status == OK { level } else { 0 }
}

/// Ends the stream of the effective context: the host resets it.
pub(crate) fn close_stream() {
    const HTTP_REQUEST: u32 = 0;
    // SAFETY: no address is involved.
    unsafe { proxy_close_stream(HTTP_REQUEST) };
}

/// Why a foreign function of the host has failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoSuch {
    /// There is no function of that name.
    Function,
    /// It would not take the argument.
    Argument,
}

/// Calls a function that the host has and the ABI does not name.
pub(crate) fn foreign(name: &str, argument: &[u8]) -> Result<Vec<u8>, NoSuch> {
    let (mut bytes, mut size) = (null_mut(), 0);
    // SAFETY: the host reads as many bytes as it is told there are, and writes an address and a length.
    let status = unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            &raw mut bytes,
            &raw mut size,
        )
    };
    match status {
        OK if bytes.is_null() => Ok(Vec::new()),
        OK => Ok(given(bytes, size)),
        NOT_FOUND | UNIMPLEMENTED => Err(NoSuch::Function),
        _ => Err(NoSuch::Argument),
    }
}

/// Bytes that the host hands over.
fn given(bytes: *mut u8, size: usize) -> Vec<u8> {
    // SAFETY: the host has had these bytes allocated by `proxy_on_memory_allocate`, which makes a boxed slice
    // of just that length and gives it away, and has filled them.
    unsafe { Box::from_raw(slice_from_raw_parts_mut(bytes, size)) }.into_vec()
}

/// A variable of the VM's environment. `None`: it is not there, or no text.
pub(crate) fn variable(name: &str) -> Option<String> {
    let (mut number, mut size) = (0, 0);
    // SAFETY: the host writes two numbers.
    let status = unsafe { environ_sizes_get(&raw mut number, &raw mut size) };
    let (mut places, mut bytes) = (vec![null_mut(); number], vec![0; size]);
    // SAFETY: the host writes as many addresses and as many bytes as it has just said.
    if status != OK || unsafe { environ_get(places.as_mut_ptr(), bytes.as_mut_ptr()) } != OK {
        return None;
    }
    let value =
        bytes.split(|b| *b == 0).find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    std::str::from_utf8(value).ok().map(str::to_owned)
}

/// The host's clock that does not step: the time since some moment, the same for all workers.
pub(crate) fn steady() -> Duration {
    let mut nanos = 0;
    // SAFETY: the host writes one number.
    let status = unsafe { clock_time_get(MONOTONIC, 1, &raw mut nanos) };
    if status == OK { Duration::from_nanos(nanos) } else { Duration::ZERO }
}
