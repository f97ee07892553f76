//! What the host knows: contexts, header maps, calls under way, clocks, and everything that the
//! module has said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Fields;
use crate::abi::{Buffer, Map, Status};

/// A call of the module to a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// Its number.
    pub id: u32,
    /// The context that it belongs to: the call ends with it, and the answer comes to it.
    pub owner: u32,
    /// Whom it goes to.
    pub cluster: String,
    /// Its head.
    pub head: Fields,
    /// Its body.
    pub body: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What a cluster answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The head, `:status` first.
    pub head: Fields,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response with the usual media type.
    pub fn json(body: &str) -> Self {
        Self::with_status("200", body)
    }

    /// A response with that status, in JSON.
    pub fn with_status(status: &str, body: &str) -> Self {
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let head = vec![field(":status", status), field("content-type", "application/json")];
        Self { head, body: body.as_bytes().to_vec() }
    }
}

/// How far a request has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The module holds it.
    Paused,
    /// It went on to the upstream.
    Forwarded(Forwarded),
    /// The module has answered it.
    Replied(Reply),
}

/// What the upstream sees of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Forwarded {
    /// The head.
    pub head: Fields,
    /// The body, as far as it went on.
    pub body: Vec<u8>,
    /// The trailers, if they went on.
    pub trailers: Option<Fields>,
}

/// An answer of the module's own, as the client sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The status.
    pub status: u32,
    /// The header fields, without `:status`.
    pub head: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status, if the client speaks gRPC.
    pub grpc_status: Option<u32>,
}

/// A line of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 critical.
    pub level: u32,
    /// The text.
    pub text: String,
}

/// How often the border between host and module was crossed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Crossings {
    /// Into the module, by the callback's name.
    pub entries: BTreeMap<String, u64>,
    /// Out of it, by the host call's name.
    pub host_calls: BTreeMap<&'static str, u64>,
}

impl Crossings {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.entries.values().chain(self.host_calls.values()).sum()
    }
}

/// What all VMs of a process share.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedData(Arc<Mutex<Slots>>);

#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// By key: the value, and the number of the write that left it there.
    pub(crate) values: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    last_cas: u32,
    /// What another worker writes when somebody has just read a key that begins like this.
    pub(crate) meanwhile: Option<(Vec<u8>, Vec<u8>)>,
}

impl SharedData {
    pub(crate) fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Reads; and then another worker writes, if a test wants it.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        let found = self.values.get(key).cloned();
        if let Some((_, value)) = self.meanwhile.take_if(|(prefix, _)| key.starts_with(prefix)) {
            self.set(key.to_vec(), value, 0);
        }
        found
    }

    /// Writes, unless somebody else has since the write `cas`; 0: in any case.
    pub(crate) fn set(&mut self, key: Vec<u8>, value: Vec<u8>, cas: u32) -> Status {
        if self.values.get(&key).is_some_and(|(_, known)| cas != 0 && cas != *known) {
            return Status::CasMismatch;
        }
        self.last_cas += 1;
        self.values.insert(key, (value, self.last_cas));
        Status::Ok
    }
}

/// The whole state.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) env: BTreeMap<String, String>,
    /// Nanoseconds since the epoch.
    pub(crate) wall: u64,
    pub(crate) monotonic: u64,
    pub(crate) random_fails: bool,
    /// The first byte of the random ones.
    pub(crate) random: u8,
    /// The foreign functions that it does not have.
    pub(crate) forgotten: BTreeSet<Vec<u8>>,
    /// How many signatures have been verified.
    pub(crate) signatures: usize,
    /// How many have been made.
    pub(crate) signed: usize,
    pub(crate) configuration: Option<Vec<u8>>,
    pub(crate) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Properties of somebody else's that nobody may change.
    pub(crate) taken: BTreeSet<Vec<u8>>,
    pub(crate) unknown_clusters: BTreeSet<String>,
    pub(crate) refusing_clusters: BTreeSet<String>,
    pub(crate) roots: BTreeSet<u32>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) calls: BTreeMap<u32, Call>,
    pub(crate) last_call: u32,
    pub(crate) answer: Option<Response>,
    pub(crate) log: Vec<LogLine>,
    /// The lowest level that the host says it keeps, 0 for trace; it keeps all of them.
    pub(crate) log_level: usize,
    pub(crate) shared: SharedData,
    pub(crate) metrics: Vec<(String, u32)>,
    pub(crate) values: BTreeMap<String, i64>,
    pub(crate) timers: BTreeMap<u32, Timer>,
    pub(crate) crossings: Crossings,
    /// The context whose callback runs.
    pub(crate) current: u32,
    /// The one that host calls turn to instead; 0 for none.
    pub(crate) effective: u32,
    pub(crate) stop_iteration: bool,
    pub(crate) afterwards: VecDeque<(u32, Afterwards)>,
    pub(crate) exited: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    pub(crate) period: u64,
    pub(crate) due: u64,
}

/// What a callback asked for; carried out when it has returned.
#[derive(Debug)]
pub(crate) enum Afterwards {
    Resume,
    Reply { status: u32, head: Fields, body: Vec<u8>, grpc_status: i32 },
    Reset,
}

/// One request.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Stream {
    pub(crate) root: u32,
    pub(crate) request: Fields,
    /// Whether the module can still reach the request head.
    pub(crate) open: bool,
    pub(crate) paused: bool,
    /// The body's chunks that have not been handed over, and the trailers.
    pub(crate) coming: VecDeque<Vec<u8>>,
    /// Whether the client has more to send.
    pub(crate) more: bool,
    pub(crate) trailers: Option<Fields>,
    pub(crate) trailers_open: bool,
    /// Whether the trailers have been handed over.
    pub(crate) trailers_seen: bool,
    /// The chunk that is handed over now, or all of the body that is held back.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) holds_body: bool,
    pub(crate) holds_all: bool,
    pub(crate) response: Option<Fields>,
    /// Whether the upstream's response has begun.
    pub(crate) has_response: bool,
    /// Whether the module has reset it.
    pub(crate) is_reset: bool,
    pub(crate) forwarded: Option<Forwarded>,
    pub(crate) reply: Option<Reply>,
    pub(crate) is_grpc: bool,
    pub(crate) is_head: bool,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether it has ended: complete, or reset. Its context stays for a while, as Envoy's do.
    pub(crate) ended: bool,
    /// Whether its context has been deleted as well.
    pub(crate) deleted: bool,
    /// Whether the test has ended it.
    pub(crate) closed: bool,
}

impl Host {
    /// The context that a host call is about.
    pub(crate) fn context(&self) -> u32 {
        if self.effective != 0 && self.knows(self.effective) { self.effective } else { self.current }
    }

    pub(crate) fn knows(&self, context: u32) -> bool {
        self.roots.contains(&context) || self.streams.get(&context).is_some_and(|stream| !stream.deleted)
    }

    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.streams.get_mut(&context).filter(|stream| !stream.deleted)
    }

    /// The root context that a host call is about.
    pub(crate) fn root(&self) -> u32 {
        let context = self.context();
        self.streams.get(&context).map_or(context, |stream| stream.root)
    }

    /// A map, if it is there now.
    pub(crate) fn map(&mut self, map: Map) -> Option<&mut Fields> {
        if let Map::CallHeaders | Map::CallTrailers = map {
            return self.answer.as_mut().filter(|_| map == Map::CallHeaders).map(|answer| &mut answer.head);
        }
        let stream = self.stream()?;
        match map {
            Map::RequestHeaders => Some(&mut stream.request).filter(|_| stream.open),
            Map::RequestTrailers => stream.trailers.as_mut().filter(|_| stream.trailers_open),
            Map::ResponseHeaders => stream.response.as_mut(),
            _ => None,
        }
    }

    /// A map that may be written to: the request's and the response's own.
    pub(crate) fn writable_map(&mut self, map: Map) -> Option<&mut Fields> {
        if map == Map::CallHeaders { None } else { self.map(map) }
    }

    /// A buffer: `None` if there is none of that kind now; some are there and empty.
    pub(crate) fn buffer(&mut self, buffer: Buffer) -> Option<Vec<u8>> {
        match buffer {
            Buffer::RequestBody => Some(self.stream()?.body.clone().unwrap_or_default()),
            Buffer::ResponseBody | Buffer::VmConfiguration => Some(Vec::new()),
            Buffer::CallBody => self.answer.as_ref().map(|answer| answer.body.clone()),
            Buffer::PluginConfiguration => self.configuration.clone(),
        }
    }

    /// Changes a buffer, in the few ways that Envoy allows.
    pub(crate) fn set_buffer(&mut self, buffer: Buffer, start: u32, length: u32, data: &[u8]) -> Status {
        let body = match buffer {
            Buffer::RequestBody => self.stream().and_then(|stream| stream.body.as_mut()),
            _ => None,
        };
        let Some(body) = body else { return Status::BadArgument };
        match (start as usize, length as usize) {
            (0, 0) => drop(body.splice(0..0, data.iter().copied())),
            (0, length) if length >= body.len() => *body = data.to_vec(),
            (start, _) if start > 0 && start >= body.len() => body.extend_from_slice(data),
            _ => return Status::BadArgument,
        }
        Status::Ok
    }

    /// Deletes the contexts of the streams that have ended: a turn of the event loop is over.
    pub(crate) fn delete_ended(&mut self) {
        for (id, stream) in self.streams.iter_mut().filter(|(_, stream)| stream.ended && !stream.deleted) {
            stream.deleted = true;
            self.calls.retain(|_, call| call.owner != *id);
        }
    }

    pub(crate) fn crossed(&mut self, name: &'static str) {
        *self.crossings.host_calls.entry(name).or_default() += 1;
    }
}
