//! Drives a [`Worker`] as a host does, one thing at a time, with clocks of its own.

#![expect(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::moment::{Clocks, Moment, Now, Steady};
use tollgate_engine::base::store::{Own, Seen, Store};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::trace::{Trace, Untraced};
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::request::head::{Fields, Head};
use tollgate_engine::response::answer::Answer;
use tollgate_engine::worker::Worker;
use tollgate_engine::worker::command::{CallId, Command, Event, OutgoingCall};
use tollgate_engine::worker::series::Kind;

/// A worker, and what a host knows of it.
#[derive(Debug)]
pub struct Driver<T = Untraced> {
    /// The worker.
    pub worker: Worker<T>,
    /// How long it waits for the CPU after each reading of a clock.
    pub starved: Duration,
    now: Moment,
    calls: VecDeque<(CallId, OutgoingCall)>,
    due: Option<Steady>,
    waiting: HashSet<StreamId>,
    ended: HashMap<StreamId, End>,
    /// Those that have been let through, and whose client has not left.
    passed: HashSet<StreamId>,
    /// Streams that the worker has ended, and why.
    pub reset: HashMap<StreamId, Outcome>,
    /// What the worker has counted, by the name of the counter.
    pub counts: BTreeMap<String, u32>,
    /// What it has measured besides: sums, and the latest values of gauges.
    pub measured: BTreeMap<String, i64>,
    last: u32,
}

/// How a request has ended.
#[derive(Debug)]
pub struct End {
    /// What the worker says of it.
    pub outcome: Outcome,
    /// What the client is told, unless it passes.
    pub answer: Option<Answer>,
}

impl<T: Trace> Driver<T> {
    /// A worker that begins at this time of day.
    pub fn new(policy: Policy, ports: Ports<T>, wall: UnixTime) -> Self {
        let now = Moment { wall, steady: Duration::from_secs(1) };
        let (calls, due, waiting, ended) = (VecDeque::new(), None, HashSet::new(), HashMap::new());
        let mut driver = Self {
            worker: Worker::new(policy, ports),
            starved: Duration::ZERO,
            now,
            calls,
            due,
            waiting,
            ended,
            passed: HashSet::new(),
            reset: HashMap::new(),
            counts: BTreeMap::new(),
            measured: BTreeMap::new(),
            last: 0,
        };
        driver.close();
        driver
    }

    /// It is this time of day now: time has passed since, or the clock has been set back.
    pub fn set_clock(&mut self, wall: UnixTime) {
        self.now = Moment { wall, steady: self.now.steady + self.now.wall.until(wall) };
    }

    /// Has a request come, whole if it has no body.
    pub fn request(&mut self, head: impl Into<Head>, body: Option<&[u8]>) -> StreamId {
        let stream = self.head(head.into(), body.is_none());
        if let Some(body) = body {
            self.body(stream, body);
        }
        stream
    }

    /// Has the body of a request come.
    pub fn body(&mut self, stream: StreamId, body: &[u8]) {
        let whole = self.worker.body_limit(stream).filter(|max| body.len() <= *max).map(|_| body);
        self.tell(Event::Body { stream, size: body.len(), whole, is_end: true });
    }

    /// Has the head of a request come. Its body is to follow, and may not.
    pub fn begin(&mut self, head: impl Into<Head>) -> StreamId {
        self.head(head.into(), false)
    }

    fn head(&mut self, head: Head, is_whole: bool) -> StreamId {
        self.now.steady += Duration::from_millis(1);
        self.last += 1;
        let stream = StreamId(self.last);
        self.waiting.insert(stream);
        self.tell(Event::Request { stream, head, is_whole });
        stream
    }

    /// Has a request come, and answers every call for it with the document that `reply` has for it.
    ///
    /// # Panics
    ///
    /// If the request waits for ever.
    pub fn decide(
        &mut self,
        head: impl Into<Head>,
        body: Option<&[u8]>,
        mut reply: impl FnMut(&OutgoingCall) -> String,
    ) -> End {
        let stream = self.request(head, body);
        while let Some((id, call)) = self.next_call() {
            self.reply(id, &reply(&call));
        }
        self.end(stream).expect("the request waits for ever")
    }

    /// How a request has ended, if it has.
    pub fn end(&mut self, stream: StreamId) -> Option<End> {
        self.ended.remove(&stream)
    }

    /// The next call that the worker has made.
    pub fn call(&mut self) -> Option<(CallId, OutgoingCall)> {
        self.calls.pop_front()
    }

    /// The same; as long as a request waits, time passes until there is one.
    pub fn next_call(&mut self) -> Option<(CallId, OutgoingCall)> {
        for _ in 0..20 {
            let is_idle = self.calls.is_empty() && !self.waiting.is_empty();
            let Some(due) = self.due.filter(|_| is_idle) else { break };
            let passed = due.saturating_sub(self.now.steady);
            self.now = Moment { wall: self.now.wall.plus(passed), steady: self.now.steady + passed };
            self.tick();
        }
        self.call()
    }

    /// The response to a request that has been let through has begun.
    ///
    /// # Panics
    ///
    /// If it has not been let through.
    pub fn has_response(&mut self, stream: StreamId) {
        assert!(self.passed.contains(&stream), "{stream:?} has not been let through");
        self.tell(Event::ResponseHead(stream));
    }

    /// This much time passes, and the worker has a tick whenever it has asked for one.
    ///
    /// # Panics
    ///
    /// If it asks for one all the time.
    pub fn sleep(&mut self, span: Duration) {
        let end = self.now.steady + span;
        for _ in 0..10_000 {
            let Some(due) = self.due.filter(|due| *due <= end) else { return self.go_on_until(end) };
            self.go_on_until(due);
            self.tick();
        }
        panic!("the worker asks for ticks all the time");
    }

    fn go_on_until(&mut self, moment: Steady) {
        let passed = moment.saturating_sub(self.now.steady);
        self.now = Moment { wall: self.now.wall.plus(passed), steady: self.now.steady + passed };
    }

    /// The time of day.
    pub fn wall(&self) -> UnixTime {
        self.now.wall
    }

    /// Has time pass for the worker.
    pub fn tick(&mut self) {
        self.due = None;
        self.tell(Event::Tick);
    }

    /// Answers a call with this document and status 200.
    pub fn reply(&mut self, call: CallId, document: &str) {
        let head = lines(&[(":status", "200"), ("content-type", "application/json")]);
        self.respond(
            call,
            CallOutcome::Response { head: RequestHead::new(&head), body: document.as_bytes() },
        );
    }

    /// Something has come of a call.
    pub fn respond(&mut self, call: CallId, outcome: CallOutcome<'_>) {
        self.tell(Event::Response(call, outcome));
    }

    /// A client has left.
    pub fn leave(&mut self, stream: StreamId) {
        self.waiting.remove(&stream);
        self.passed.remove(&stream);
        self.tell(Event::Gone(stream));
    }

    fn tell(&mut self, event: Event<'_>) {
        let clocks = Busy { now: Cell::new(self.now), starved: self.starved };
        let now = Now::new(&clocks);
        let mut next = self.worker.handle(event, &now);
        while let Some(command) = next.take().or_else(|| self.worker.poll(&now)) {
            match command {
                Command::Call(id, call) => self.calls.push_back((id, call)),
                Command::Pass(stream, outcome) => {
                    self.passed.insert(stream);
                    self.ended(stream, *outcome, None);
                }
                Command::Answer(stream, outcome, answer) => {
                    // One that was to end with its token may have been let through before.
                    if self.passed.remove(&stream) {
                        self.waiting.insert(stream);
                    }
                    self.ended(stream, *outcome, Some(answer));
                }
                Command::End(stream, outcome) => {
                    assert!(self.passed.remove(&stream), "{stream:?} does not go on");
                    self.reset.insert(stream, *outcome);
                }
                Command::Continue(_) | Command::Change(..) => {}
            }
        }
        self.now = clocks.now.get();
        self.close();
    }

    fn close(&mut self) {
        while let Some((counter, n)) = self.worker.take_count() {
            *self.counts.entry(counter.name().into_owned()).or_default() += n;
        }
        while let Some((series, value)) = self.worker.take_measured() {
            let sum = self.measured.entry(series.name(self.worker.policy())).or_default();
            *sum = if series.kind() == Kind::Gauge { value } else { *sum + value };
        }
        if let Some(due) = self.worker.take_wake() {
            self.due = due;
        }
    }

    fn ended(&mut self, stream: StreamId, outcome: Outcome, answer: Option<Answer>) {
        assert!(self.waiting.remove(&stream), "{stream:?} is ended twice, or after its end");
        self.ended.insert(stream, End { outcome, answer });
    }
}

/// The clocks of a worker that has to wait for the CPU after each reading.
#[derive(Debug)]
struct Busy {
    now: Cell<Moment>,
    starved: Duration,
}

impl Busy {
    fn read(&self) -> Moment {
        let now = self.now.get();
        let (wall, steady) = (now.wall.plus(self.starved), now.steady + self.starved);
        self.now.replace(Moment { wall, steady })
    }
}

impl Clocks for Busy {
    fn wall(&self) -> UnixTime {
        self.read().wall
    }

    fn steady(&self) -> Steady {
        self.read().steady
    }
}

/// What two workers of a process share, or two plugins.
#[derive(Clone, Debug, Default)]
pub struct Together(Rc<Own>);

impl Together {
    /// Everything that lies there.
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        self.0.all()
    }
}

impl Store for Together {
    fn get(&self, key: &str) -> (Vec<u8>, Seen) {
        self.0.get(key)
    }

    fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
        self.0.set(key, value, seen)
    }
}

/// Field lines.
pub fn lines(lines: &[(&str, &str)]) -> Fields {
    lines.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}
