//! The host's calls, in bytes and without panics: what the SDK would panic at is asked for only
//! where the host must have it.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::abi::{self, Outgoing};
use tollgate_engine::base::store::{Seen, Store};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Grant;
use tollgate_engine::enforcer::Fields;
use tollgate_engine::provider::fetch::FetchCall;
use tollgate_engine::provider::introspection::call::IntrospectionCall;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::connection::Peer;
use tollgate_engine::request::head::Packed;

/// The host's wall clock.
pub(crate) fn now() -> UnixTime {
    let since = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    UnixTime::from_millis(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

pub(crate) use crate::abi::{reply, steady};

/// Random numbers that are nobody else's.
pub(crate) fn seed() -> [u64; 2] {
    let random = RandomState::new();
    [random.hash_one(0_u8), random.hash_one(1_u8)]
}

/// Which plugin of the host's configuration this is.
pub(crate) fn plugin() -> Vec<u8> {
    let property = |name| hostcalls::get_property(vec![name]).ok().flatten().unwrap_or_default();
    let name = property("plugin_name");
    let mut plugin = name.len().to_le_bytes().to_vec();
    plugin.extend(name);
    plugin.extend(property("plugin_root_id"));
    plugin
}

/// The data that all workers of the process share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedData;

impl Store for SharedData {
    fn get(&self, key: &str) -> (Vec<u8>, Seen) {
        match abi::shared_data(key) {
            Some((bytes, number)) => (bytes, Seen::Write(number)),
            None => (Vec::new(), Seen::Nothing),
        }
    }

    fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
        let number = match seen {
            // No write has that number but one of billions: where there is any, the host refuses, and where
            // there is none, it writes.
            Seen::Nothing => u32::MAX,
            // That would be a write in any case.
            Seen::Write(0) => return false,
            Seen::Write(number) => number,
        };
        abi::set_shared_data(key, value, number)
    }
}

/// The connection of the request of the effective context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Downstream;

impl Peer for Downstream {
    fn certificate_digest(&self) -> Option<Vec<u8>> {
        hostcalls::get_property(vec!["connection", "sha256_peer_certificate_digest"]).ok()?
    }

    fn is_tls(&self) -> bool {
        let version = hostcalls::get_property(vec!["connection", "tls_version"]).ok().flatten();
        version.is_some_and(|version| !version.is_empty())
    }
}

/// All header fields of a map.
pub(crate) fn fields(map: MapType) -> Packed {
    Packed::new(abi::header_map(map))
}

/// All header fields of a map, line by line.
pub(crate) fn lines(map: MapType) -> Fields {
    fields(map).iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// Up to `max` bytes of a buffer.
pub(crate) fn buffer(buffer: BufferType, max: usize) -> Vec<u8> {
    hostcalls::get_buffer(buffer, 0, max).ok().flatten().unwrap_or_default()
}

/// What has come of a call.
pub(crate) struct Answer {
    arrived: bool,
    head: Fields,
    body: Vec<u8>,
}

/// The answer that the host hands over in this callback, with up to `max` bytes of its body; or its
/// absence (`arrived` is false then).
pub(crate) fn answer(arrived: bool, max: usize) -> Answer {
    let (mut head, mut body) = (Fields::new(), Vec::new());
    if arrived {
        head = lines(MapType::HttpCallResponseHeaders);
        body = buffer(BufferType::HttpCallResponseBody, max);
    }
    Answer { arrived, head, body }
}

impl Answer {
    /// The same in the engine's words.
    pub(crate) fn outcome(&self) -> CallOutcome<'_> {
        if !self.arrived {
            return CallOutcome::Failed;
        }
        CallOutcome::Response { head: &self.head, body: &self.body }
    }
}

/// Sends a call in the name of the root context, and turns back to another one; `None` if the host would
/// not.
pub(crate) fn dispatch(root: u32, back_to: u32, call: Outgoing<'_>) -> Option<u32> {
    turn_to(root);
    let id = abi::http_call(call);
    turn_to(back_to);
    id
}

impl<'a> From<&'a IntrospectionCall> for Outgoing<'a> {
    fn from(call: &'a IntrospectionCall) -> Self {
        let body = call.body.expose().as_bytes();
        Self { cluster: &call.cluster, headers: &call.headers, body, timeout: call.timeout }
    }
}

impl<'a> From<&'a FetchCall> for Outgoing<'a> {
    fn from(call: &'a FetchCall) -> Self {
        Self { cluster: &call.cluster, headers: &call.headers, body: &[], timeout: call.timeout }
    }
}

/// Changes the request head of the effective context.
pub(crate) fn apply(grant: &Grant) {
    for name in &grant.remove {
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
    }
    for (name, value) in grant.additions() {
        let _ = hostcalls::add_map_value_bytes(MapType::HttpRequestHeaders, name, value);
    }
    if let Some(path) = &grant.path {
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, ":path", Some(path));
    }
}

/// Lets the request of the effective context go on.
pub(crate) fn resume() {
    let _ = hostcalls::resume_http_request();
}

/// Makes a word readable in access logs, as `%FILTER_STATE(wasm.NAME:PLAIN)%`.
pub(crate) fn note(name: &str, text: &str) {
    abi::set_property(name, text.as_bytes());
}

/// Turns host calls to another context. `false`: it is gone.
pub(crate) fn turn_to(context_id: u32) -> bool {
    hostcalls::set_effective_context(context_id).is_ok()
}

/// Asks for a tick after `period`; zero: for none. The host counts milliseconds in 32 bits: one that is further
/// off comes sooner.
pub(crate) fn tick_after(period: Duration) {
    let _ = hostcalls::set_tick_period(period.min(Duration::from_millis(u32::MAX.into())));
}
