//! The host calls, in bytes and without panics. SDK functions that can panic are used only where the host
//! always has the value.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use log::LevelFilter;
use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType};
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::moment::{Clocks, Steady};
use tollgate_engine::base::store::{Seen, Store};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Grant;
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::connection::Peer;
use tollgate_engine::request::head::{Fields, Packed};
use tollgate_engine::worker::series::Kind;

use crate::abi;
use crate::exports::Action;

pub(crate) use crate::abi::{http_call, reply};

thread_local! {
    /// The context that the host's calls are about.
    static EFFECTIVE: Cell<u32> = const { Cell::new(0) };
    /// In which second the host's log level was read.
    static LEVEL_READ: Cell<u64> = const { Cell::new(0) };
}

/// The number of that log level.
const DEBUG: u32 = 1;

/// Does what a callback is to do: the host's calls are about its context, until they are turned to another one.
pub(crate) fn entered<T>(context: u32, callback: impl FnOnce() -> T) -> T {
    let before = EFFECTIVE.replace(context);
    let result = callback();
    EFFECTIVE.set(before);
    result
}

/// Turns the host's calls to another context. `false`: it is gone.
pub(crate) fn turn_to(context: u32) -> bool {
    if EFFECTIVE.get() == context {
        return true;
    }
    let is_there = hostcalls::set_effective_context(context).is_ok();
    if is_there {
        EFFECTIVE.set(context);
    }
    is_there
}

/// Lets the host have every line that is logged.
pub(crate) fn log_to_the_host() {
    // Nothing else sets one.
    if log::set_logger(&Log).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

struct Log;

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let _ = hostcalls::log(level(record.level()), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn level(level: log::Level) -> LogLevel {
    match level {
        log::Level::Error => LogLevel::Error,
        log::Level::Warn => LogLevel::Warn,
        log::Level::Info => LogLevel::Info,
        log::Level::Debug => LogLevel::Debug,
        log::Level::Trace => LogLevel::Trace,
    }
}

/// The host's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostClocks;

impl Clocks for HostClocks {
    fn wall(&self) -> UnixTime {
        let since = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
        UnixTime::from_millis(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }

    fn steady(&self) -> Steady {
        abi::steady()
    }
}

/// Random numbers, for this module only.
pub(crate) fn seed() -> Option<[u64; 2]> {
    Some([getrandom::u64().ok()?, getrandom::u64().ok()?])
}

/// The configuration of the plugin whose root this is.
pub(crate) fn configuration() -> Vec<u8> {
    buffer(BufferType::PluginConfiguration, usize::MAX)
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

/// The connections that requests have come by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connections;

impl Peer for Connections {
    fn certificate_digest(&self, stream: StreamId) -> Option<Vec<u8>> {
        property(stream, "sha256_peer_certificate_digest")
    }

    fn is_tls(&self, stream: StreamId) -> bool {
        property(stream, "tls_version").is_some_and(|version| !version.is_empty())
    }
}

fn property(stream: StreamId, name: &str) -> Option<Vec<u8>> {
    if !turn_to(stream.0) {
        return None;
    }
    hostcalls::get_property(vec!["connection", name]).ok().flatten()
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

/// A response that the host hands over in this callback.
pub(crate) struct Response {
    head: Packed,
    body: Vec<u8>,
}

impl Response {
    /// With up to `max` bytes of its body.
    pub(crate) fn read(max: usize) -> Self {
        let head = fields(MapType::HttpCallResponseHeaders);
        Self { head, body: buffer(BufferType::HttpCallResponseBody, max) }
    }

    /// The same in the engine's words.
    pub(crate) fn outcome(&self) -> CallOutcome<'_> {
        CallOutcome::Response { head: self.head.view(), body: &self.body }
    }
}

/// Changes the request of the effective context.
#[inline(never)]
pub(crate) fn apply(outcome: &Outcome) {
    let Grant { remove, path, body, .. } = &outcome.grant;
    for name in remove {
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
    }
    for (name, value) in outcome.grant.additions() {
        let _ = hostcalls::add_map_value_bytes(MapType::HttpRequestHeaders, name, value);
    }
    if let Some(path) = path {
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, ":path", Some(path));
    }
    note(outcome);
    if let Some(body) = body {
        let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, 0, usize::MAX, body);
    }
}

/// Makes what there is to say readable in access logs, as `%FILTER_STATE(wasm.NAME:PLAIN)%`.
pub(crate) fn note(outcome: &Outcome) {
    for (name, text) in &outcome.notes {
        abi::set_property(name, text.as_bytes());
    }
}

/// Changes fields of the response of the effective context.
#[inline(never)]
pub(crate) fn set_response_fields(fields: &[(&str, String)]) {
    for (name, value) in fields {
        let _ = hostcalls::remove_map_value(MapType::HttpResponseHeaders, name);
        let _ = hostcalls::add_map_value_bytes(MapType::HttpResponseHeaders, name, value.as_bytes());
    }
}

/// Removes trailers of the request of the effective context.
pub(crate) fn remove_trailers(is_ours: impl Fn(&[u8]) -> bool) {
    for (name, _) in fields(MapType::HttpRequestTrailers).iter().filter(|(name, _)| is_ours(name)) {
        if let Ok(name) = std::str::from_utf8(name) {
            let _ = hostcalls::remove_map_value(MapType::HttpRequestTrailers, name);
        }
    }
}

/// Lets the request of the effective context go on.
pub(crate) fn resume() {
    let _ = hostcalls::resume_http_request();
}

/// Responds for a plugin that has no configuration.
pub(crate) fn refuse() -> Action {
    let _ = hostcalls::send_http_response(503, vec![("cache-control", "no-store")], None);
    Action::Pause
}

/// A counter of that name.
pub(crate) fn define_counter(name: &str) -> u32 {
    define(Kind::Counter, name)
}

/// Adds to a counter.
pub(crate) fn count(counter: u32, n: u32) {
    let _ = hostcalls::increment_metric(counter, i64::from(n));
}

/// A metric of that kind and name.
pub(crate) fn define(kind: Kind, name: &str) -> u32 {
    let kind = match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Sum | Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    hostcalls::define_metric(kind, name).unwrap_or_default()
}

/// Adds to a metric, sets it, or has it take one more value.
pub(crate) fn measure(kind: Kind, metric: u32, value: i64) {
    let _ = match kind {
        Kind::Counter | Kind::Sum => hostcalls::increment_metric(metric, value),
        Kind::Gauge | Kind::Histogram => {
            hostcalls::record_metric(metric, u64::try_from(value).unwrap_or_default())
        }
    };
}

/// Follows the host's log level, which its operators can change at any time: as long as the host keeps no lines at
/// debug, none are made. This looks at the level once a second. All other lines are rare, and always made.
pub(crate) fn follow_log_level(now: UnixTime) {
    if LEVEL_READ.replace(now.as_secs()) != now.as_secs() {
        let keeps_debug = abi::log_level() <= DEBUG;
        log::set_max_level(if keeps_debug { LevelFilter::Debug } else { LevelFilter::Info });
    }
}

/// Requests a tick after `period`; zero: no tick. The host counts milliseconds in 32 bits: one that is further
/// off comes sooner.
pub(crate) fn tick_after(period: Duration) {
    let _ = hostcalls::set_tick_period(period.min(Duration::from_millis(u32::MAX.into())));
}
