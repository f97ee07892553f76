//! A VM with the module in it, and what can happen to it.

mod stream;

use std::collections::BTreeMap;
use std::time::Duration;

use wasmi::{Engine, Extern, Instance, Module, Store};

use crate::Fields;
use crate::host::{Call, Crossings, Host, LogLine, Outcome, Reply, Response, Stream};
use crate::imports::linker;
use crate::module::{compiled, unfinished};
use crate::vm::stream::is_grpc;

/// One request of a [`Vm`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(u32);

/// A VM with the module in it.
///
/// A trap poisons it: the call that met it panics with the module's log, and so does every later one.
#[derive(Debug)]
pub struct Vm {
    store: Store<Host>,
    instance: Instance,
    /// The root context that new requests belong to.
    root: u32,
    last_context: u32,
    allow_stop_iteration: bool,
    translates: bool,
    trap: Option<String>,
}

/// Where the clock stands at first: seconds since the epoch.
pub const START: u64 = 1_800_000_000;

const CONTINUE: u32 = 0;

impl Default for Vm {
    fn default() -> Self {
        Self::new()
    }
}

impl Vm {
    /// A VM without environment variables.
    pub fn new() -> Self {
        Self::with_env(&BTreeMap::new())
    }

    /// A VM with these environment variables.
    pub fn with_env(env: &BTreeMap<String, String>) -> Self {
        let wall = START * 1_000_000_000;
        Self::start(Host { env: env.clone(), wall, monotonic: 1_000_000_000, ..Host::default() })
    }

    /// A VM with the module as the compiler writes it, before `make build` has finished it.
    pub fn unfinished() -> Self {
        let (engine, module) = unfinished();
        Self::of(&engine, &module, Host::default())
    }

    /// The VM of another worker of the same process: what is shared is the same, and so are the clocks at
    /// first. From then on each has to be told of time by itself.
    #[must_use]
    pub fn beside(&self) -> Self {
        let Host { env, wall, monotonic, shared, attributes, .. } = self.store.data();
        let (env, shared, attributes) = (env.clone(), shared.clone(), attributes.clone());
        Self::start(Host { env, wall: *wall, monotonic: *monotonic, shared, attributes, ..Host::default() })
    }

    fn start(host: Host) -> Self {
        let (engine, module) = compiled();
        Self::of(engine, module, host)
    }

    fn of(engine: &Engine, module: &Module, host: Host) -> Self {
        let mut store = Store::new(engine, host);
        let instance = linker(engine, module)
            .instantiate_and_start(&mut store, module)
            .unwrap_or_else(|cause| panic!("the module does not load: {cause}"));
        let mut vm = Self {
            store,
            instance,
            root: 0,
            last_context: 0,
            allow_stop_iteration: true,
            translates: false,
            trap: None,
        };
        vm.enter("_initialize", 0, &[]);
        vm
    }

    /// Envoy's `allow_on_headers_stop_iteration`: whether a body comes to a module that has paused
    /// its request at the head. On at first.
    pub fn allow_on_headers_stop_iteration(&mut self, allow: bool) {
        self.allow_stop_iteration = allow;
    }

    /// Whether a filter before the module makes gRPC of what is something else, and back: the host gives
    /// nobody a gRPC answer then.
    pub fn translate_grpc(&mut self, translate: bool) {
        self.translates = translate;
    }

    /// Makes the host's randomness fail, or work again.
    pub fn fail_random(&mut self, fail: bool) {
        self.host().random_fails = fail;
    }

    /// Sets an attribute, as `["connection", "mtls"]`.
    pub fn set_attribute(&mut self, path: &[&str], value: &[u8]) {
        self.host().attributes.insert(path.join("\0").into_bytes(), value.to_vec());
    }

    /// Another filter has declared this property, and that it cannot be changed.
    pub fn take_property(&mut self, name: &str) {
        self.host().taken.insert(name.as_bytes().to_vec());
    }

    /// Takes a cluster away: calls to it are refused at once.
    pub fn forget_cluster(&mut self, cluster: &str) {
        self.host().unknown_clusters.insert(cluster.to_owned());
    }

    /// Makes a cluster one to which no call can be begun.
    pub fn refuse_cluster(&mut self, cluster: &str) {
        self.host().refusing_clusters.insert(cluster.to_owned());
    }

    /// Gives the module a configuration, in a root context of its own. If it is accepted, new
    /// requests are that one's; if not, they stay with the last that was, as in Envoy. With none
    /// before, they go to the refused one.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        self.last_context += 1;
        let root = self.last_context;
        self.host().roots.insert(root);
        self.enter("proxy_on_context_create", root, &[root, 0]);
        if self.root == 0 {
            self.root = root;
            assert_eq!(self.enter("proxy_on_vm_start", root, &[root, 0]), 1, "the VM does not start");
        }
        self.host().configuration = Some(configuration.to_vec());
        let size = u32::try_from(configuration.len()).unwrap_or(u32::MAX);
        let accepted = self.enter("proxy_on_configure", root, &[root, size]) != 0;
        self.host().configuration = None;
        if accepted {
            self.root = root;
        }
        accepted
    }

    /// Gives the current root context another configuration.
    pub fn configure_again(&mut self, configuration: &[u8]) -> bool {
        let root = self.root;
        self.host().configuration = Some(configuration.to_vec());
        let size = u32::try_from(configuration.len()).unwrap_or(u32::MAX);
        let accepted = self.enter("proxy_on_configure", root, &[root, size]) != 0;
        self.host().configuration = None;
        self.afterwards();
        accepted
    }

    /// The roots of earlier configurations have no streams left, and end, as Envoy's do when a listener has been
    /// drained.
    pub fn end_old_roots(&mut self) {
        let current = self.root;
        let old: Vec<u32> = self.host().roots.iter().copied().filter(|root| *root != current).collect();
        for root in old {
            self.enter("proxy_on_done", root, &[root]);
            self.enter("proxy_on_delete", root, &[root]);
            let host = self.host();
            host.roots.remove(&root);
            host.timers.remove(&root);
            host.calls.retain(|_, call| call.owner != root);
        }
    }

    /// Sends a request without a body.
    pub fn request(&mut self, head: &Fields) -> StreamId {
        self.request_with(head, &[], None)
    }

    /// Sends a request with a body, in as many chunks as it is given in, and trailers.
    pub fn request_with(&mut self, head: &Fields, body: &[&[u8]], trailers: Option<Fields>) -> StreamId {
        self.begin(head, body, trailers, false)
    }

    /// Sends a request head whose body is to come, by [`Self::send_body`].
    pub fn open(&mut self, head: &Fields) -> StreamId {
        self.begin(head, &[], None, true)
    }

    /// Sends a piece of a body, the last one or not.
    pub fn send_body(&mut self, stream: StreamId, chunk: &[u8], last: bool) {
        let id = stream.0;
        let stream = self.stream(id).expect("a request that has not been closed");
        assert!(stream.more, "the body has ended");
        stream.more = !last;
        stream.coming.push_back(chunk.to_vec());
        self.feed(id);
    }

    fn begin(&mut self, head: &Fields, body: &[&[u8]], trailers: Option<Fields>, more: bool) -> StreamId {
        self.last_context += 1;
        let (id, root) = (self.last_context, self.root);
        let lower = |fields: Fields| -> Fields {
            fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
        };
        let request = lower(head.clone());
        let is = |name: &[u8], wanted: fn(&[u8]) -> bool| {
            request.iter().any(|(known, value)| known == name && wanted(value))
        };
        let stream = Stream {
            root,
            open: true,
            coming: body.iter().map(|chunk| chunk.to_vec()).collect(),
            more,
            is_grpc: is(b"content-type", is_grpc) && !self.translates,
            is_head: is(b":method", |value| value == b"HEAD"),
            trailers: trailers.map(lower),
            request,
            ..Stream::default()
        };
        let count = u32::try_from(stream.request.len()).unwrap_or(u32::MAX);
        let end = u32::from(stream.ends());
        self.host().streams.insert(id, stream);
        self.enter("proxy_on_context_create", id, &[id, root]);
        let paused = self.enter_for_action("proxy_on_request_headers", id, &[id, count, end]);
        if let Some(stream) = self.stream(id) {
            if paused {
                stream.paused = true;
            } else {
                stream.go_on();
            }
        }
        self.afterwards();
        let holds_all = paused && !self.allow_stop_iteration;
        if let Some(stream) = self.stream(id).filter(|stream| stream.paused) {
            stream.holds_all = holds_all;
        }
        self.feed(id);
        StreamId(id)
    }

    /// How far a request has come.
    ///
    /// # Panics
    ///
    /// If it has ended by [`Self::close`].
    pub fn outcome(&mut self, stream: StreamId) -> Outcome {
        self.check();
        let stream = self.stream(stream.0).filter(|stream| !stream.closed);
        let stream = stream.expect("a request that has not been closed");
        match (&stream.reply, &stream.forwarded) {
            (Some(reply), _) => Outcome::Replied(reply.clone()),
            (None, Some(forwarded)) if !stream.paused => Outcome::Forwarded(forwarded.clone()),
            _ => Outcome::Paused,
        }
    }

    /// The upstream's answer to a forwarded request goes past the module; returns what is left of
    /// its head.
    pub fn respond(&mut self, stream: StreamId, head: &Fields) -> Fields {
        let id = stream.0;
        let stream = self.stream(id).filter(|stream| !stream.ended);
        let stream = stream.expect("a request that has not ended");
        assert!(stream.forwarded.is_some() && stream.reply.is_none(), "the upstream has not been asked");
        stream.response = Some(head.clone());
        stream.has_response = true;
        let count = u32::try_from(head.len()).unwrap_or(u32::MAX);
        let paused = self.enter_for_action("proxy_on_response_headers", id, &[id, count, 1]);
        assert!(!paused, "the response is held back");
        self.afterwards();
        self.stream(id).and_then(|stream| stream.response.take()).unwrap_or_default()
    }

    /// Whether the module has reset a stream.
    pub fn is_reset(&mut self, stream: StreamId) -> bool {
        self.stream(stream.0).is_some_and(|stream| stream.is_reset)
    }

    /// The calls under way, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.store.data().calls.values().cloned().collect()
    }

    /// Answers a call.
    pub fn answer(&mut self, call: u32, response: &Response) {
        let owner = self.end_call(call);
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (fields, size) = (number(response.head.len()), number(response.body.len()));
        self.host().answer = Some(response.clone());
        self.enter("proxy_on_http_call_response", owner, &[owner, call, fields, size, 0]);
        self.host().answer = None;
        self.afterwards();
    }

    /// Lets a call fail: a reset, a timeout.
    pub fn fail(&mut self, call: u32) {
        let owner = self.end_call(call);
        self.enter("proxy_on_http_call_response", owner, &[owner, call, 0, 0, 0]);
        self.afterwards();
    }

    /// Ends a request: it is done with, or its client has left. As in Envoy, its context can be turned to
    /// until the event loop's turn is over, which is when time has passed; what is sent to it until then would be
    /// the end of Envoy, and fails the test.
    pub fn close(&mut self, stream: StreamId) {
        let request = self.stream(stream.0).filter(|stream| !stream.closed).expect("a request ends once");
        request.closed = true;
        if !request.ended {
            self.end(stream.0);
        }
    }

    /// Envoy itself answers a request, or another filter does (a timeout, say); the client is slow to take the
    /// response, so that the stream does not end yet.
    pub fn answer_elsewhere(&mut self, stream: StreamId, status: u32) {
        let id = stream.0;
        let stream = self.stream(id).filter(|stream| !stream.ended).expect("a request that has not ended");
        stream.response = Some(vec![(b":status".to_vec(), status.to_string().into_bytes())]);
        stream.reply = Some(Reply { status, head: Fields::new(), body: Vec::new(), grpc_status: None });
        self.enter_for_action("proxy_on_response_headers", id, &[id, 1, 1]);
        self.afterwards();
    }

    /// A stream ends. The module is told at once.
    fn end(&mut self, id: u32) {
        if let Some(stream) = self.stream(id) {
            (stream.open, stream.ended) = (false, true);
            stream.coming.clear();
        }
        self.enter("proxy_on_done", id, &[id]);
        self.enter("proxy_on_delete", id, &[id]);
        self.afterwards();
    }

    fn end_call(&mut self, call: u32) -> u32 {
        let ended = self.host().calls.remove(&call);
        ended.unwrap_or_else(|| panic!("call {call} is not under way")).owner
    }

    /// Lets time pass; ticks come when they are due.
    pub fn advance(&mut self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let until = self.host().monotonic + nanos;
        loop {
            let timers = &self.store.data().timers;
            let next = timers.iter().min_by_key(|(_, timer)| timer.due).map(|(root, timer)| (*root, *timer));
            let Some((root, timer)) = next.filter(|(_, timer)| timer.due <= until) else { break };
            let host = self.host();
            host.wall = host.wall.saturating_add(timer.due.saturating_sub(host.monotonic));
            host.monotonic = host.monotonic.max(timer.due);
            if let Some(timer) = host.timers.get_mut(&root) {
                timer.due += timer.period;
            }
            self.enter("proxy_on_tick", root, &[root]);
            self.afterwards();
        }
        let host = self.host();
        host.wall = host.wall.saturating_add(until - host.monotonic);
        host.monotonic = until;
        host.delete_ended();
    }

    /// Whether a tick will come.
    pub fn is_ticking(&self) -> bool {
        !self.store.data().timers.is_empty()
    }

    /// Calls the module's tick now, due or not.
    pub fn tick(&mut self) {
        let root = self.root;
        self.enter("proxy_on_tick", root, &[root]);
        self.afterwards();
    }

    /// Asks the module for more memory than there is, which no host does.
    pub fn exhaust_memory(&mut self) {
        self.enter("proxy_on_memory_allocate", 0, &[u32::MAX]);
        self.check();
    }

    /// Other random numbers than those of every other VM; to be said before the first configuration.
    pub fn set_random(&mut self, first: u8) {
        self.host().random = first;
    }

    /// A host without this foreign function: `sign` is new in Envoy 1.37, and hosts that are not Envoy have no
    /// `verify_signature` either.
    pub fn forget(&mut self, function: &str) {
        self.host().forgotten.insert(function.into());
    }

    /// How many signatures the host has verified.
    pub fn signatures(&self) -> usize {
        self.store.data().signatures
    }

    /// How many signatures the host has made.
    pub fn signed(&self) -> usize {
        self.store.data().signed
    }

    /// The wall clock in seconds.
    pub fn now(&self) -> u64 {
        self.store.data().wall / 1_000_000_000
    }

    /// Sets the wall clock, in seconds; timers do not care.
    pub fn set_clock(&mut self, seconds: u64) {
        self.host().wall = seconds.saturating_mul(1_000_000_000);
    }

    /// What has been logged.
    pub fn log(&self) -> &[LogLine] {
        &self.store.data().log
    }

    /// The host says that it keeps no log lines below this level: 1 is debug, 2 info, 3 warn, 4 error, 6 off.
    pub fn set_log_level(&mut self, level: usize) {
        self.host().log_level = level;
    }

    /// Forgets what has been logged.
    pub fn clear_log(&mut self) {
        self.host().log.clear();
    }

    /// A metric's value; `None` if there is none of that name.
    pub fn metric(&self, name: &str) -> Option<i64> {
        self.store.data().values.get(name).copied()
    }

    /// All metrics.
    pub fn metrics(&self) -> &BTreeMap<String, i64> {
        &self.store.data().values
    }

    /// What the module has written down about a request, for access logs.
    pub fn property(&mut self, stream: StreamId, name: &str) -> Option<String> {
        let value = self.stream(stream.0)?.properties.get(name.as_bytes())?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Everything that others can see: log lines, properties and the names of metrics.
    pub fn everything_shown(&self) -> Vec<Vec<u8>> {
        let host = self.store.data();
        let log = host.log.iter().map(|line| line.text.clone().into_bytes());
        let properties = host.streams.values().flat_map(|stream| &stream.properties);
        let properties = properties.flat_map(|(key, value)| [key.clone(), value.clone()]);
        let metrics = host.values.keys().map(|name| name.clone().into_bytes());
        log.chain(properties).chain(metrics).collect()
    }

    /// All that lies in shared data, keys and values.
    pub fn shared_data(&self) -> Vec<Vec<u8>> {
        let slots = self.store.data().shared.slots();
        slots.values.iter().flat_map(|(key, (value, _))| [key.clone(), value.clone()]).collect()
    }

    /// Puts this under all keys that begin like that; `None`: takes them away.
    pub fn overwrite_shared_data(&mut self, prefix: &str, value: Option<&[u8]>) {
        let mut slots = self.store.data().shared.slots();
        let keys: Vec<_> =
            slots.values.keys().filter(|key| key.starts_with(prefix.as_bytes())).cloned().collect();
        for key in keys {
            match value {
                Some(value) => _ = slots.set(key, value.to_vec(), 0),
                None => _ = slots.values.remove(&key),
            }
        }
    }

    /// Has another worker write this between the next look at a key that begins like that and whatever
    /// follows it.
    pub fn write_meanwhile(&mut self, prefix: &str, value: &[u8]) {
        self.store.data().shared.slots().meanwhile = Some((prefix.as_bytes().to_vec(), value.to_vec()));
    }

    /// How often the border was crossed since [`Self::reset_crossings`].
    pub fn crossings(&self) -> &Crossings {
        &self.store.data().crossings
    }

    /// Starts counting anew.
    pub fn reset_crossings(&mut self) {
        self.host().crossings = Crossings::default();
    }

    /// The size of the module's memory in bytes.
    pub fn memory_size(&self) -> usize {
        let memory = self.instance.get_export(&self.store, "memory").and_then(Extern::into_memory);
        memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        self.host().streams.get_mut(&id)
    }

    /// Calls into the module.
    fn enter(&mut self, name: &str, context: u32, arguments: &[u32]) -> u32 {
        self.check();
        let host = self.host();
        (host.current, host.effective, host.stop_iteration) = (context, 0, false);
        // The host enters a module for the callbacks that it exports, and for no other.
        let Some(function) = self.instance.get_func(&self.store, name) else { return 0 };
        *self.host().crossings.entries.entry(name.to_owned()).or_default() += 1;
        let arguments: Vec<_> = arguments.iter().map(|n| wasmi::Val::I32(n.cast_signed())).collect();
        let mut results = vec![wasmi::Val::I32(0); function.ty(&self.store).results().len()];
        if let Err(cause) = function.call(&mut self.store, &arguments, &mut results) {
            self.trap = Some(format!("{name} trapped: {cause}"));
        }
        if self.store.data().exited {
            self.trap = Some(format!("{name} left the VM"));
        }
        self.check();
        results.first().and_then(wasmi::Val::i32).unwrap_or_default().cast_unsigned()
    }

    /// Calls into the module; `true` if the request is held back.
    fn enter_for_action(&mut self, name: &str, context: u32, arguments: &[u32]) -> bool {
        let action = self.enter(name, context, arguments);
        action != CONTINUE || self.store.data().stop_iteration
    }

    fn check(&self) {
        if let Some(trap) = &self.trap {
            let lines: Vec<_> = self
                .log()
                .iter()
                .rev()
                .take(20)
                .map(|line| format!("[{}] {}", line.level, line.text))
                .collect();
            panic!("{trap}\nthe log, newest first:\n{}", lines.join("\n"));
        }
    }
}
