//! A worker in the host: passes events in, and carries out its commands.

use std::time::Duration;

use proxy_wasm::types::{BufferType, MapType};
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::moment::Now;
use tollgate_engine::base::table::Table;
use tollgate_engine::decision::trace::Untraced;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::Head;
use tollgate_engine::worker::Worker;
use tollgate_engine::worker::command::{CallId, Command, Event, ResponseChange};
use tollgate_engine::worker::counts::Counter;
use tollgate_engine::worker::series::Series;

use crate::abi;
use crate::exports::Action;
use crate::host::{self, Connections, HostClocks, SharedData, turn_to};
use crate::signatures::Native;

/// The worker of one root context.
pub(crate) struct Driver {
    /// All calls are the root's own, so that no request takes one with it when it goes.
    root: u32,
    worker: Worker,
    /// Calls under way, and how much of the response is wanted.
    calls: Table<u32, (CallId, usize)>,
    /// The host's numbers of all counters.
    counters: Vec<u32>,
    /// Those of everything else that has been measured.
    series: Vec<(Series, u32)>,
}

impl Driver {
    #[inline(never)]
    pub(crate) fn new(root: u32, policy: Policy, seed: [u64; 2]) -> Self {
        let counters = Counter::all().map(|counter| host::define_counter(&counter.name())).collect();
        let worker = Worker::new(policy, ports(seed));
        let mut driver = Self { root, worker, calls: Table::default(), counters, series: Vec::new() };
        driver.close(&Now::new(&HostClocks));
        driver
    }

    /// Another configuration counts from now on.
    #[inline(never)]
    pub(crate) fn replace(&mut self, policy: Policy, seed: [u64; 2]) {
        self.end();
        self.calls.clear();
        self.series.clear();
        self.worker.replace(policy, ports(seed));
        self.close(&Now::new(&HostClocks));
    }

    /// The host is to know all that was counted before nothing is any more.
    pub(crate) fn end(&mut self) {
        self.worker.tell_all();
        self.tell_measured();
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self) {
        self.drive(Event::Tick, Turn::Root);
    }

    /// A response has arrived, or its absence.
    pub(crate) fn responded(&mut self, call: u32, has_arrived: bool) {
        let Some((call, read_up_to)) = self.calls.remove(call) else { return };
        self.calls.give_back();
        if has_arrived {
            let response = host::Response::read(read_up_to);
            self.drive(Event::Response(call, response.outcome()), Turn::Root);
        } else {
            self.drive(Event::Response(call, CallOutcome::Failed), Turn::Root);
        }
    }

    /// A request's head has come. Whether the worker has to do with it any more.
    pub(crate) fn request(&mut self, stream: StreamId, is_whole: bool) -> (Action, bool) {
        let head = Head::from(host::fields(MapType::HttpRequestHeaders));
        let action = self.drive(Event::Request { stream, head, is_whole }, Turn::Stream(stream));
        (action, self.worker.knows(stream))
    }

    /// A part of its body has come.
    pub(crate) fn body(&mut self, stream: StreamId, size: usize, is_end: bool) -> Action {
        let wanted = self.worker.body_limit(stream).filter(|max| is_end && size <= *max);
        let whole = wanted.map(|max| host::buffer(BufferType::HttpRequestBody, max));
        let event = Event::Body { stream, size, whole: whole.as_deref(), is_end };
        self.drive(event, Turn::Stream(stream))
    }

    /// Its trailers have come.
    pub(crate) fn trailers(&mut self, stream: StreamId) -> Action {
        host::remove_trailers(|name| self.worker.owns_field(stream, name));
        let wanted = self.worker.body_limit(stream);
        let whole = wanted
            .map(|max| host::buffer(BufferType::HttpRequestBody, max.saturating_add(1)))
            .unwrap_or_default();
        let event = Event::Body { stream, size: whole.len(), whole: Some(&whole), is_end: true };
        self.drive(event, Turn::Stream(stream))
    }

    /// Something has happened that ends no other request.
    pub(crate) fn tell(&mut self, event: Event<'_>) {
        self.drive(event, Turn::End);
    }

    /// Hands over what has happened, and carries out what the worker says.
    fn drive(&mut self, event: Event<'_>, turn: Turn) -> Action {
        let now = Now::new(&HostClocks);
        let mut action = Action::Pause;
        let mut next = self.worker.handle(event, &now);
        while let Some(command) = next.take().or_else(|| match turn {
            Turn::Root => self.worker.poll(&now),
            Turn::Stream(stream) => self.worker.poll_for(stream, &now),
            Turn::End => None,
        }) {
            match command {
                Command::Call(id, call) => {
                    turn_to(self.root);
                    if let Some(sent) = host::http_call(&call) {
                        self.calls.insert(sent, (id, call.read_up_to()));
                    } else {
                        let failed = Event::Response(id, CallOutcome::NotDispatched);
                        next = self.worker.handle(failed, &now);
                    }
                }
                Command::Pass(stream, outcome) if turn_to(stream.0) => {
                    host::apply(&outcome);
                    if matches!(turn, Turn::Stream(_)) {
                        action = Action::Continue;
                    } else {
                        host::resume();
                    }
                }
                Command::Answer(stream, outcome, answer) if turn_to(stream.0) => {
                    host::note(&outcome);
                    host::reply(&answer);
                    host::follow_log_level(now.wall());
                }
                Command::End(stream, outcome) if turn_to(stream.0) => {
                    host::note(&outcome);
                    abi::close_stream();
                }
                // The stream is gone.
                Command::Pass(..) | Command::Answer(..) | Command::End(..) => {}
                Command::Continue(_) => action = Action::Continue,
                Command::Change(_, change) => change_response(change),
            }
        }
        self.close(&now);
        action
    }

    /// Adds up what was counted, and asks for time to pass.
    #[inline(never)]
    fn close(&mut self, now: &Now<'_>) {
        while let Some((counter, n)) = self.worker.take_count() {
            if let Some(counter) = self.counters.get(counter.index()) {
                host::count(*counter, n);
            }
        }
        self.tell_measured();
        if let Some(due) = self.worker.take_wake() {
            host::tick_after(due.map_or(Duration::ZERO, |due| {
                due.saturating_sub(now.steady()).max(Duration::from_millis(1))
            }));
        }
    }

    /// Tells the host what was measured. A series is defined once it has a value.
    fn tell_measured(&mut self) {
        while let Some((series, value)) = self.worker.take_measured() {
            let known = self.series.iter().find(|(known, _)| *known == series);
            let metric = if let Some((_, metric)) = known {
                *metric
            } else {
                let metric = host::define(series.kind(), &series.name(self.worker.policy()));
                self.series.push((series, metric));
                metric
            };
            host::measure(series.kind(), metric, value);
        }
    }
}

/// Changes the head of a response.
#[cold]
#[inline(never)]
fn change_response(change: ResponseChange) {
    let head = host::lines(MapType::HttpResponseHeaders);
    host::set_response_fields(&change.fields(&head));
}

/// Whose callback it is.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The root's, in which every request may be ended.
    Root,
    /// In the callback of this request. If the host is told there to respond to another request, it holds this
    /// one back as well.
    Stream(StreamId),
    /// Of a stream that is over, or nearly: the host may be within another callback.
    End,
}

fn ports(seed: [u64; 2]) -> Ports {
    let (verifier, signer, peer, store) = (&Native, Some(&Native as _), &Connections, Box::new(SharedData));
    Ports { seed, owner: host::plugin(), verifier, signer, peer, store, trace: Untraced }
}
