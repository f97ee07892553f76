//! Several workers over one store, and everything that can happen to them, in any order: requests and their ends, bodies,
//! responses, failures, workers that die, configurations that are replaced, clocks that are set, events that are pushed.
//!
//! What holds whatever happens: a request is ended once, and never after its stream; in one worker there is one call for a
//! token at a time; once a worker has looked for events, it uses no response that was asked for before one; a rule that asks
//! for each request (`max_cache_age: 0s`) uses no response that was asked for before the request; and when the storm is over
//! nobody waits.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::manual_is_multiple_of, reason = "newer than the oldest compiler that counts")]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate_cases::driver::Together;
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::moment::{Moment, Now, Steady};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::jose::portable::Portable;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::Head;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::worker::Worker;
use tollgate_engine::worker::command::{CallId, Command, Event, OutgoingCall};

/// One thing that happens, to the worker of that number.
#[derive(Clone, Debug)]
enum Thing {
    Request(usize),
    /// A request of the rule that asks.
    Fresh(usize),
    Form {
        has_trailers: bool,
    },
    Body {
        complete: bool,
    },
    Gone,
    AnsweredElsewhere,
    Response(usize),
    Failure,
    /// The user of this token is logged out.
    Revoked(usize),
    Pass(Duration),
    SetClock(i64),
    Replace(usize),
    Die,
}

fn things() -> impl Strategy<Value = (usize, usize, Thing)> {
    let thing = prop_oneof![
        8 => (0_usize..8).prop_map(Thing::Request),
        4 => (0_usize..4).prop_map(Thing::Fresh),
        2 => any::<bool>().prop_map(|has_trailers| Thing::Form { has_trailers }),
        2 => any::<bool>().prop_map(|complete| Thing::Body { complete }),
        2 => Just(Thing::Gone),
        1 => Just(Thing::AnsweredElsewhere),
        4 => (0_usize..4).prop_map(Thing::Response),
        2 => Just(Thing::Failure),
        1 => (0_usize..8).prop_map(Thing::Revoked),
        4 => (0_u64..400).prop_map(|millis| Thing::Pass(Duration::from_millis(millis))),
        1 => (-30_i64..30).prop_map(Thing::SetClock),
        1 => (0_usize..2).prop_map(Thing::Replace),
        1 => Just(Thing::Die),
    ];
    (0..WORKERS, any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16)), thing)
}

const WORKERS: usize = 3;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nobody_waits_for_ever_and_nothing_is_ended_twice(all in prop::collection::vec(things(), 1..300)) {
        let (store, revoked) = (Together::default(), Revoked::default());
        let begin = || Model { revoked: Rc::clone(&revoked), ..Model::new(&store) };
        let mut workers: Vec<_> = (0..WORKERS).map(|_| begin()).collect();
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
            let worker = &mut workers[which];
            if matches!(thing, Thing::Die) {
                *worker = begin();
            } else {
                worker.happen(&thing, some, now);
            }
        }
        // The servers are away, and time passes.
        for _ in 0..40 {
            wall += 1000;
            steady += Duration::from_secs(1);
            for worker in &mut workers {
                worker.tick(at(wall, steady));
                while worker.fail_one(0, at(wall, steady)) {}
            }
        }
        for worker in &workers {
            prop_assert!(worker.waiting.is_empty(), "{:?} wait for ever", worker.waiting);
        }
    }
}

#[test]
fn a_crowd_has_its_turn_by_and_by_whatever_becomes_of_each() {
    // PWX-10: those who go on to wait for another provider are work, too
    let now = at(1_800_000_000_000, Duration::from_secs(1));
    let mut model = Model::new(&Together::default());
    model.tick(now);
    for _ in 0..100 {
        model.happen(&Thing::Request(1), 0, now);
    }
    let id = *model.calls.keys().next().unwrap();
    model.calls.clear();
    let line = |(name, value): (&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let head = [(":status", "200"), ("content-type", "application/json")].map(line);
    let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: br#"{"active":false}"# };
    let now_ = Now::new(&now);
    assert!(model.worker.handle(Event::Response(CallId(id), outcome), &now_).is_none());
    let mut turns = 0;
    loop {
        while model.worker.poll(&now_).is_some() {}
        turns += 1;
        if model.worker.take_wake() != Some(Some(Steady::ZERO)) {
            break;
        }
        assert!(model.worker.handle(Event::Tick, &now_).is_none());
    }
    assert_eq!(turns, 4, "32 at once");
}

fn at(wall: i64, steady: Steady) -> Moment {
    Moment { wall: UnixTime::from_millis(u64::try_from(wall).unwrap()), steady }
}

/// A worker, and what a host knows of it.
struct Model {
    worker: Worker,
    /// Streams that wait.
    waiting: BTreeSet<u32>,
    /// Streams that have been let through and have not ended.
    passed: BTreeSet<u32>,
    /// Calls under way, how many configurations there had been, and when each was made.
    calls: BTreeMap<u32, (OutgoingCall, u32, Steady)>,
    replaced: u32,
    due: Option<Steady>,
    last: u32,
    store: Together,
    /// Which token's user was logged out when, in all workers.
    revoked: Revoked,
    /// The status of the latest response.
    status: u16,
    /// When requests of the rule that asks have come.
    fresh: BTreeMap<u32, Steady>,
}

type Revoked = Rc<RefCell<Vec<(String, Steady)>>>;

/// How long it takes, at most, until a worker has looked for events: every worker has a tick when it is due.
const LOOK: Duration = Duration::from_millis(250);

impl Model {
    fn new(store: &Together) -> Self {
        let worker = begin(0, store, Worker::new);
        let (waiting, passed, calls) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let mut model = Self {
            worker,
            waiting,
            passed,
            calls,
            replaced: 0,
            due: None,
            last: 0,
            store: store.clone(),
            revoked: Revoked::default(),
            status: 0,
            fresh: BTreeMap::new(),
        };
        model.close();
        model
    }

    fn happen(&mut self, thing: &Thing, some: usize, now: Moment) {
        let stream = self.waiting.iter().nth(some % self.waiting.len().max(1)).copied().map(StreamId);
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
            Thing::Gone => {
                let Some(stream) = stream.or_else(|| self.passed.first().copied().map(StreamId)) else {
                    return;
                };
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
                begin(*configuration, &self.store, |policy, ports| self.worker.replace(policy, ports));
                self.close();
            }
            Thing::Revoked(token) => self.push(&format!("t-{token}"), now),
            Thing::Pass(_) | Thing::SetClock(_) | Thing::Die => {}
        }
    }

    fn request(&mut self, lines: &[(&str, &str)], is_whole: bool, now: Moment) {
        self.last += 1;
        let stream = StreamId(self.last);
        let line = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let head = Head::from(lines.iter().map(line).collect::<Vec<_>>());
        self.waiting.insert(stream.0);
        self.tell(Event::Request { stream, head, is_whole }, now);
    }

    /// Pushes an event about the user of this token.
    fn push(&mut self, token: &str, now: Moment) {
        self.last += 1;
        let stream = StreamId(self.last);
        let jti = format!("{:p}-{}", Rc::as_ptr(&self.revoked), self.revoked.borrow().len());
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
        self.waiting.insert(stream.0);
        let head = Head::from(lines.map(line).to_vec());
        self.tell(Event::Request { stream, head, is_whole: false }, now);
        let (size, whole) = (body.len(), Some(body.as_bytes()));
        self.tell(Event::Body { stream, size, whole, is_end: true }, now);
        assert_eq!(self.status, 202, "{stream:?}");
        self.revoked.borrow_mut().push((token.to_owned(), now.steady));
    }

    /// Whether a request may pass now with a response that was asked for then.
    fn check(&self, fields: &BTreeMap<&str, String>, came: Option<&Steady>, now: Moment) {
        let (Some(token), Some(asked)) = (fields.get("x-sub"), fields.get("x-asked")) else { return };
        let asked = Duration::from_micros(asked.parse().unwrap());
        assert!(came.is_none_or(|came| asked >= *came), "{token} came at {came:?}, and passes by {asked:?}");
        for (revoked, at) in self.revoked.borrow().iter().filter(|(revoked, _)| revoked == token) {
            assert!(
                asked >= *at || now.steady < *at + LOOK,
                "{revoked} was revoked at {at:?}, and passes at {:?} with a response that was asked for at {asked:?}",
                now.steady
            );
        }
    }

    fn fail_one(&mut self, some: usize, now: Moment) -> bool {
        let Some(id) = self.calls.keys().nth(some % self.calls.len().max(1)).copied() else { return false };
        self.calls.remove(&id);
        self.tell(Event::Response(CallId(id), CallOutcome::Failed), now);
        true
    }

    fn tick(&mut self, now: Moment) {
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
                    assert!(self.waiting.remove(&stream.0), "{stream:?} is let through");
                    self.passed.insert(stream.0);
                }
                Command::Answer(stream, _, answer) => {
                    left -= 1;
                    self.status = answer.status;
                    assert!(self.waiting.remove(&stream.0), "{stream:?} is answered");
                }
                Command::End(stream, _) => {
                    assert!(self.passed.remove(&stream.0), "{stream:?} ends");
                }
                Command::Continue(stream) | Command::Change(stream, _) => {
                    assert!(self.passed.contains(&stream.0), "{stream:?} goes on");
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
fn begin<T>(configuration: usize, store: &Together, to: impl FnOnce(Policy, Ports) -> T) -> T {
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
        "revocation": {"events": [{"path": "/events", "provider": "main", "audiences": ["receiver"]}]},
        "upstream": {"claim_to_headers": [told("sub"), told("asked")]}});
    if configuration == 1 {
        config["mode"] = json!("shadow");
    }
    let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
    let ports = Ports::new([1, 2], &Portable);
    to(policy, Ports { owner: b"plugin".to_vec(), store: Box::new(store.clone()), ..ports })
}
