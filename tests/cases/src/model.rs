//! Several workers over one store, and everything that can happen to them, in any order: requests and their ends, bodies,
//! responses, failures, workers that die, configurations that are replaced, clocks that are set, events that are pushed, lists
//! of what is revoked, streams that end with their token.
//!
//! What holds whatever happens: a request is ended once, and never after its stream; in one worker there is one call for a
//! token at a time; once a worker has looked for events, it uses no response that was asked for before one; once it has a list
//! that revokes a token, the token passes no more; a rule that asks for each request (`max_cache_age: 0s`) uses no response that
//! was asked for before the request; and when the storm is over nobody waits, and no stream outlasts its token.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "it fails loudly where something does not hold"
)]
#![allow(clippy::manual_is_multiple_of, reason = "newer than the oldest compiler that counts")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::moment::{Moment, Now, Steady};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::jose::portable::Portable;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::{Head, RequestHead};
use tollgate_engine::worker::Worker;
use tollgate_engine::worker::command::{CallId, Command, Event, OutgoingCall};

use crate::driver::Together;
use crate::token::Token;

/// Reads a configuration.
pub type Reader = fn(&Value) -> Policy;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Thing {
    /// A request with the token of this number.
    Request(usize),
    /// A request of the rule that asks.
    Fresh(usize),
    /// A request whose form has the token.
    Form {
        /// Whether it ends with trailers.
        has_trailers: bool,
    },
    /// Something of a body.
    Body {
        /// Whether it is the end.
        complete: bool,
    },
    /// The response of the upstream begins.
    Responded,
    /// A client leaves.
    Gone,
    /// The host itself responds to a request that waits.
    AnsweredElsewhere,
    /// A server responds, in one of four ways.
    Response(usize),
    /// A call fails.
    Failure,
    /// The user of this token is logged out.
    Revoked(usize),
    /// An operator revokes this token's user.
    Listed(usize),
    /// Time passes.
    Pass(Duration),
    /// The clock is set, by so many seconds.
    SetClock(i64),
    /// One of two configurations counts from now on.
    Replace(usize),
    /// A worker ends, and begins anew.
    Die,
}

/// How many workers there are.
pub const WORKERS: usize = 3;

/// Has all of this happen: each to the worker of that number, and with a number that chooses among streams or calls.
pub fn live(reader: Reader, all: impl IntoIterator<Item = (usize, usize, Thing)>) {
    let shared = Shared { reader, store: Together::default(), revoked: Rc::default(), listed: Rc::default() };
    let mut workers: Vec<_> = (0..WORKERS).map(|_| Model::new(&shared)).collect();
    let mut wall = 1_800_000_000_000_i64;
    let mut steady = Duration::from_secs(1);
    for (which, some, thing) in all {
        match thing {
            Thing::Pass(span) => {
                wall += i64::try_from(span.as_millis()).unwrap();
                steady += span;
            }
            Thing::SetClock(seconds) => {
                wall += seconds * 1000;
                // Who waits then has no age to rely on.
                for worker in &mut workers {
                    worker.fresh.clear();
                }
            }
            _ => {}
        }
        let now = at(wall, steady);
        for worker in &mut workers {
            worker.tick(now);
        }
        let Some(worker) = workers.get_mut(which % WORKERS) else { continue };
        if matches!(thing, Thing::Die) {
            *worker = Model::new(&shared);
        } else {
            worker.happen(&thing, some, now);
        }
    }
    // The servers are away, and time passes.
    for _ in 0..80 {
        wall += 500;
        steady += Duration::from_millis(500);
        for worker in &mut workers {
            worker.tick(at(wall, steady));
            while worker.fail_one(0, at(wall, steady)) {}
        }
    }
    for worker in &workers {
        assert!(worker.waiting.is_empty(), "{:?} wait for ever", worker.waiting);
        let lasting: Vec<_> = worker.passed.iter().filter(|(_, passed)| passed.lasts).collect();
        assert!(lasting.is_empty(), "{lasting:?} outlast their tokens");
    }
}

/// That moment: milliseconds of the day, and the steady clock.
pub fn at(wall: i64, steady: Steady) -> Moment {
    Moment { wall: UnixTime::from_millis(u64::try_from(wall).unwrap()), steady }
}

/// What all workers have in common, and the servers.
#[derive(Clone, Debug)]
pub struct Shared {
    reader: Reader,
    store: Together,
    /// Which token's user was logged out when, in all workers.
    revoked: Rc<RefCell<Vec<(String, Steady)>>>,
    /// Which users an operator has revoked.
    listed: Rc<RefCell<BTreeSet<String>>>,
}

impl Shared {
    /// Of workers that read their configuration like this.
    pub fn new(reader: Reader) -> Self {
        Self { reader, store: Together::default(), revoked: Rc::default(), listed: Rc::default() }
    }
}

/// A request that has been let through.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    /// Whether it is to end with its token.
    lasts: bool,
    has_response: bool,
}

/// A worker, and what a host knows of it.
#[derive(Debug)]
pub struct Model {
    /// The worker.
    pub worker: Worker,
    /// Streams that wait, each with whether it is to end with its token.
    waiting: BTreeMap<u32, bool>,
    /// Streams that have been let through and have not ended.
    passed: BTreeMap<u32, Passed>,
    /// Calls under way, how many configurations there had been, and when each was made.
    pub calls: BTreeMap<u32, (OutgoingCall, u32, Steady)>,
    replaced: u32,
    /// The configuration that counts.
    configuration: usize,
    due: Option<Steady>,
    last: u32,
    shared: Shared,
    /// What this worker's list revokes.
    knows: BTreeSet<String>,
    /// The calls of earlier configurations: nobody waits for their responses any more.
    given_up: BTreeSet<u32>,
    /// The status of the latest response.
    status: u16,
    /// When requests of the rule that asks have come.
    fresh: BTreeMap<u32, Steady>,
}

/// How long it takes, at most, until a worker has looked for events: every worker has a tick when it is due.
const LOOK: Duration = Duration::from_millis(250);

impl Model {
    /// A worker that begins.
    pub fn new(shared: &Shared) -> Self {
        let worker = begin(0, shared, Worker::new);
        let mut model = Self {
            worker,
            waiting: BTreeMap::new(),
            passed: BTreeMap::new(),
            calls: BTreeMap::new(),
            replaced: 0,
            configuration: 0,
            due: None,
            last: 0,
            shared: shared.clone(),
            knows: BTreeSet::new(),
            given_up: BTreeSet::new(),
            status: 0,
            fresh: BTreeMap::new(),
        };
        model.close();
        model
    }

    /// How many streams have been let through and have not ended.
    pub fn passed(&self) -> usize {
        self.passed.len()
    }

    /// Has one thing happen.
    pub fn happen(&mut self, thing: &Thing, some: usize, now: Moment) {
        let stream = self.waiting.keys().nth(some % self.waiting.len().max(1)).copied().map(StreamId);
        let passed = self.passed.keys().nth(some % self.passed.len().max(1)).copied().map(StreamId);
        match thing {
            Thing::Request(token) => {
                let token = format!("Bearer t-{token}");
                self.request(&[(":method", "GET"), (":path", "/"), ("authorization", &token)], true, now);
            }
            Thing::Fresh(token) => {
                let token = format!("Bearer t-{token}");
                self.fresh.insert(self.last + 1, now.steady);
                self.request(
                    &[(":method", "GET"), (":path", "/fresh"), ("authorization", &token)],
                    true,
                    now,
                );
            }
            Thing::Form { has_trailers } => {
                let form = ("content-type", "application/x-www-form-urlencoded");
                self.request(
                    &[(":method", "POST"), (":path", "/"), form],
                    !has_trailers && some % 5 == 0,
                    now,
                );
            }
            Thing::Body { complete } => {
                let Some(stream) = stream else { return };
                let body = b"access_token=t-1";
                let whole = self.worker.body_limit(stream).filter(|_| *complete).map(|_| &body[..]);
                self.tell(Event::Body { stream, size: body.len(), whole, is_end: *complete }, now);
            }
            Thing::Responded => {
                let Some(stream) = passed else { return };
                if let Some(passed) = self.passed.get_mut(&stream.0) {
                    passed.has_response = true;
                }
                self.tell(Event::ResponseHead(stream), now);
            }
            Thing::Gone => {
                let Some(stream) = passed.filter(|_| some % 2 == 0).or(stream) else { return };
                self.waiting.remove(&stream.0);
                self.passed.remove(&stream.0);
                self.tell(Event::Gone(stream), now);
            }
            Thing::AnsweredElsewhere => {
                let Some(stream) = stream else { return };
                self.waiting.remove(&stream.0);
                self.tell(Event::ResponseHead(stream), now);
            }
            Thing::Response(which) => {
                let Some(id) = self.calls.keys().nth(some % self.calls.len().max(1)).copied() else { return };
                let Some((call, _, asked)) = self.calls.remove(&id) else { return };
                if let OutgoingCall::Fetch(..) = call {
                    return self.send_list(id, *which, now);
                }
                // Whose it is, and when that was asked for, which the upstream is told.
                let form = String::from_utf8_lossy(call.body()).into_owned();
                let token =
                    form.split('&').find_map(|field| field.strip_prefix("token=")).unwrap_or_default();
                let active = json!({"active": true, "exp": 2_000_000_000, "sub": token, "asked": asked.as_micros().to_string()});
                let active = active.to_string();
                let (status, body) =
                    [("200", active.as_str()), ("200", r#"{"active":false}"#), ("503", "{}"), ("200", "?")]
                        [*which];
                let line =
                    |(name, value): (&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
                let head = [(":status", status), ("content-type", "application/json")].map(line);
                let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: body.as_bytes() };
                self.tell(Event::Response(CallId(id), outcome), now);
            }
            Thing::Failure => drop(self.fail_one(some, now)),
            Thing::Replace(configuration) => {
                self.replaced += 1;
                self.configuration = *configuration;
                self.given_up.extend(self.calls.keys());
                let shared = self.shared.clone();
                begin(*configuration, &shared, |policy, ports| self.worker.replace(policy, ports));
                self.close();
            }
            Thing::Revoked(token) => self.push(&format!("t-{token}"), now),
            Thing::Listed(token) => drop(self.shared.listed.borrow_mut().insert(format!("t-{token}"))),
            Thing::Pass(_) | Thing::SetClock(_) | Thing::Die => {}
        }
    }

    /// The list's server responds, in one of four ways.
    fn send_list(&mut self, call: u32, which: usize, now: Moment) {
        let listed = self.shared.listed.borrow().clone();
        let until = now.wall.as_secs() + 100_000;
        let revoked: Vec<_> = listed.iter().map(|sub| json!({"sub": sub, "until": until})).collect();
        let good = json!({"clients": [], "revoked": revoked}).to_string();
        let (status, body) = match which {
            0 | 1 => ("200", good.as_str()),
            2 => ("503", "{}"),
            _ => ("200", "?"),
        };
        let line = |(name, value): (&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let head = [(":status", status), ("content-type", "application/json")].map(line);
        if which < 2 && !self.given_up.contains(&call) {
            self.knows = listed;
        }
        let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: body.as_bytes() };
        self.tell(Event::Response(CallId(call), outcome), now);
    }

    fn request(&mut self, lines: &[(&str, &str)], is_whole: bool, now: Moment) {
        self.last += 1;
        let stream = StreamId(self.last);
        let line = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let head = Head::from(lines.iter().map(line).collect::<Vec<_>>());
        self.waiting.insert(stream.0, self.configuration == 0);
        self.tell(Event::Request { stream, head, is_whole }, now);
    }

    /// Pushes an event about the user of this token.
    fn push(&mut self, token: &str, now: Moment) {
        self.last += 1;
        let stream = StreamId(self.last);
        let jti = format!("e-{}", self.shared.revoked.borrow().len());
        let claims = json!({
            "jti": jti, "aud": "receiver", "iat": "$now",
            "sub_id": {"format": "iss_sub", "iss": "https://as.example.com", "sub": token},
            "events": {"https://schemas.openid.net/secevent/risc/event-type/sessions-revoked": {}},
        });
        let event = Token {
            alg: Some("EdDSA".to_owned()),
            header: json!({"typ": "secevent+jwt"}).as_object().unwrap().clone(),
            claims: claims.as_object().unwrap().clone(),
            without: ["exp", "sub", "client_id", "scope"].map(str::to_owned).to_vec(),
            ..Token::default()
        };
        let body = event.at(now.wall.as_secs());
        let lines = [(":method", "POST"), (":path", "/events"), ("content-type", "application/secevent+jwt")];
        let line = |(name, value): (&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        self.waiting.insert(stream.0, false);
        let head = Head::from(lines.map(line).to_vec());
        self.tell(Event::Request { stream, head, is_whole: false }, now);
        let (size, whole) = (body.len(), Some(body.as_bytes()));
        self.tell(Event::Body { stream, size, whole, is_end: true }, now);
        assert_eq!(self.status, 202, "{stream:?}");
        self.shared.revoked.borrow_mut().push((token.to_owned(), now.steady));
    }

    /// Whether a request may pass now with a response that was asked for then.
    fn check(&self, fields: &BTreeMap<&str, String>, came: Option<&Steady>, now: Moment) {
        let (Some(token), Some(asked)) = (fields.get("x-sub"), fields.get("x-asked")) else { return };
        let asked = Duration::from_micros(asked.parse().unwrap());
        assert!(!self.knows.contains(token), "{token} is on the list, and passes");
        assert!(came.is_none_or(|came| asked >= *came), "{token} came at {came:?}, and passes by {asked:?}");
        for (revoked, at) in self.shared.revoked.borrow().iter().filter(|(revoked, _)| revoked == token) {
            assert!(
                asked >= *at || now.steady < *at + LOOK,
                "{revoked} was revoked at {at:?}, and passes at {:?} with a response that was asked for at {asked:?}",
                now.steady
            );
        }
    }

    /// Has a call fail. `false`: no call is under way.
    pub fn fail_one(&mut self, some: usize, now: Moment) -> bool {
        let Some(id) = self.calls.keys().nth(some % self.calls.len().max(1)).copied() else { return false };
        self.calls.remove(&id);
        self.tell(Event::Response(CallId(id), CallOutcome::Failed), now);
        true
    }

    /// A tick, if it is due.
    pub fn tick(&mut self, now: Moment) {
        if self.due.is_some_and(|due| due <= now.steady) {
            self.tell(Event::Tick, now);
        }
    }

    fn tell(&mut self, event: Event<'_>, moment: Moment) {
        let now = Now::new(&moment);
        // In a request's own callback no other is ended, and in the root's a few at a time.
        let (is_turn, mut left) = (matches!(event, Event::Tick | Event::Response(..)), 3);
        let own = match &event {
            Event::Request { stream, .. } | Event::Body { stream, .. } => Some(*stream),
            _ => None,
        };
        let mut next = self.worker.handle(event, &now);
        loop {
            if next.is_none() && is_turn && left > 0 {
                next = self.worker.poll(&now);
            }
            if let Some(own) = own.filter(|_| next.is_none()) {
                next = self.worker.poll_for(own, &now);
            }
            let Some(command) = next.take() else { break };
            match command {
                // Some calls the host does not make.
                Command::Call(id, _) if id.0 % 7 == 0 => {
                    next = self.worker.handle(Event::Response(id, CallOutcome::NotDispatched), &now);
                }
                Command::Call(id, call) => {
                    // What has been asked under another configuration is answered to nobody.
                    let is_same = |(other, replaced, _): &(OutgoingCall, u32, Steady)| {
                        *replaced == self.replaced
                            && (other.cluster(), other.body()) == (call.cluster(), call.body())
                    };
                    assert!(!self.calls.values().any(is_same), "two calls for one token: {call:?}");
                    self.calls.insert(id.0, (call, self.replaced, moment.steady));
                }
                Command::Pass(stream, outcome) => {
                    left -= 1;
                    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                    let told = outcome.grant.additions().map(|(name, value)| (name, text(value)));
                    self.check(&told.collect(), self.fresh.get(&stream.0), moment);
                    let lasts = self.waiting.remove(&stream.0).expect("one that waits is let through");
                    self.passed.insert(stream.0, Passed { lasts, has_response: false });
                }
                Command::Answer(stream, _, answer) => {
                    left -= 1;
                    self.status = answer.status;
                    let ends =
                        self.passed.remove(&stream.0).is_some_and(|one| one.lasts && !one.has_response);
                    assert!(ends || self.waiting.remove(&stream.0).is_some(), "{stream:?} is answered");
                }
                Command::End(stream, _) => {
                    left -= 1;
                    let ends = self.passed.remove(&stream.0).is_some_and(|one| one.lasts && one.has_response);
                    assert!(ends, "{stream:?} ends");
                }
                Command::Continue(stream) | Command::Change(stream, _) => {
                    assert!(self.passed.contains_key(&stream.0), "{stream:?} goes on");
                }
            }
        }
        self.close();
    }

    fn close(&mut self) {
        while self.worker.take_count().is_some() {}
        if let Some(due) = self.worker.take_wake() {
            self.due = due;
        }
    }
}

/// Hands over a configuration and what it needs of its host.
fn begin<T>(configuration: usize, shared: &Shared, to: impl FnOnce(Policy, Ports) -> T) -> T {
    let introspection = |cluster: &str, retries: u8| {
        json!({"introspection": {"uri": "https://as.example.com/introspect", "cluster": cluster, "retries": retries,
            "client_auth": {"client_id": "gateway", "client_secret": "a-client-secret"}, "timeout": "1s"}})
    };
    let cache: Value =
        json!({"max_entries": 100, "ttl": "3s", "ttl_without_exp": "1s", "refresh_ahead": "1s"});
    let mut providers = json!({"main": introspection("a", 1), "other": introspection("b", 0)});
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    for provider in ["main", "other"] {
        providers[provider]["issuer"] = json!("https://as.example.com");
    }
    providers["main"]["jwks"] = json!({"inline": {"keys": [key]}});
    let told = |name: &str| json!({"header_name": format!("x-{name}"), "claim_name": name});
    let mut config = json!({"token": {"from_form": true}, "cache": cache, "providers": providers,
        "provider_order": ["main", "other"],
        "rules": [{"match": {"path": "/fresh"}, "requires": {"max_cache_age": "0s"}}],
        "client_lists": {"l": {"uri": "https://l.example.com/revoked", "cluster": "l", "refresh": "10s"}},
        "revocation": {
            "events": [{"path": "/events", "provider": "main", "audiences": ["receiver"]}],
            "lists": ["l"],
        },
        "on_expiry": "close",
        "upstream": {"claim_to_headers": [told("sub"), told("asked")]}});
    if configuration == 1 {
        config["mode"] = json!("shadow");
    }
    let ports = Ports::new([1, 2], &Portable);
    let store = Box::new(shared.store.clone());
    to((shared.reader)(&config), Ports { owner: b"plugin".to_vec(), store, ..ports })
}
