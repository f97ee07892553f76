//! What a host relies on: when a worker wants a tick, what it does in whose callback, and what it still knows of a request.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of tests may fail loudly")]

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::driver::lines;
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::{ProviderId, StatusId, StreamId};
use tollgate_engine::base::moment::{Moment, Now, Steady};
use tollgate_engine::base::store::{Own, Seen, Store};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::fetch::Document;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::worker::Worker;
use tollgate_engine::worker::command::{CallId, Command, Event, OutgoingCall};

use crate::events::keys;
use crate::second::Both;

const START: u64 = 1_800_000_000;
const ACTIVE: &str = r#"{"active": true, "exp": 1800000900}"#;
const INACTIVE: &str = r#"{"active": false}"#;

#[test]
fn a_worker_with_something_to_fetch_or_to_follow_wants_a_tick_at_once() {
    let elsewhere = json!({"uri": "https://as.example.com/keys", "cluster": "as"});
    let jwts = |jwks: &Value| {
        json!({"main": {
            "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt", "jwks": jwks,
        }})
    };
    let inline = json!({"inline": keys()});
    let events = json!({"events": [{"path": "/events", "audiences": ["receiver"]}]});
    #[rustfmt::skip]
    let cases = [
        ("nothing",         json!({}),                                                     false),
        ("keys of its own", json!({"providers": jwts(&inline)}),                           false),
        ("keys",            json!({"providers": jwts(&elsewhere)}),                        true),
        ("events",          json!({"providers": jwts(&inline), "revocation": events}),     true),
        ("both",            json!({"providers": jwts(&elsewhere), "revocation": events}),  true),
    ];
    for (name, more, want) in cases {
        let wake = World::new(&more).worker.take_wake();
        assert_eq!(wake, want.then_some(Some(Steady::ZERO)), "{name}");
    }
}

#[test]
fn who_follows_events_wants_a_tick_four_times_a_second_for_ever() {
    // EVT-11
    let mut world = World::with(&crate::events::config());
    for _ in 0..20 {
        world.tell(Event::Tick);
        let due = world.worker.take_wake().unwrap().expect("a tick is wanted");
        let after = due.checked_sub(world.now.steady).unwrap();
        assert!(!after.is_zero() && after <= Duration::from_millis(250), "{after:?}");
        world.pass(after);
    }
}

#[test]
fn what_is_counted_is_told_within_a_second_and_then_nothing_is_wanted() {
    let mut world = World::new(&anonymous());
    world.tell(Event::Tick);
    world.worker.take_wake();
    for n in 1..4 {
        world.request(n, "/", true);
        let due = world.worker.take_wake().unwrap().expect("a tick is wanted");
        assert!(due <= world.now.steady + Duration::from_secs(1));
        for _ in 0..3 {
            world.pass(Duration::from_secs(1));
            world.tell(Event::Tick);
        }
        assert_eq!(world.worker.take_wake(), Some(None), "nothing happens any more");
    }
}

#[test]
fn only_so_many_requests_are_continued_at_once_whatever_becomes_of_their_calls() {
    let mut world = World::new(&json!({
        "providers": {"a": introspection("a"), "b": introspection("b")}, "provider_order": ["a", "b"],
    }));
    let mut calls = Vec::new();
    for n in 1..=100 {
        calls.extend(world.request(n, "/", true));
    }
    let [Command::Call(call, _)] = calls.as_slice() else { panic!("{calls:?}") };
    // From now on the host makes no call, and says so at once.
    world.makes_calls = false;
    let mut done = world.reply(*call, INACTIVE);
    assert!(world.refused <= 32 && done.len() <= 32, "{} calls, {done:?}", world.refused);
    for _ in 0..20 {
        world.refused = 0;
        let more = world.tell(Event::Tick);
        assert!(world.refused <= 32 && more.len() <= 32, "{} calls, {more:?}", world.refused);
        done.extend(more);
    }
    assert_eq!(done.len(), 100, "but all of them");
}

#[test]
fn in_the_callback_of_one_request_no_other_ends() {
    let mut world = World::new(&json!({}));
    let calls: Vec<_> = (1..=3).flat_map(|n| world.request(n, "/", true)).collect();
    let [Command::Call(call, _)] = calls.as_slice() else { panic!("{calls:?}") };
    let (call, moment) = (*call, world.now);
    let now = Now::new(&moment);
    let head = lines(&[(":status", "200"), ("content-type", "application/json")]);
    let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: ACTIVE.as_bytes() };
    assert!(world.worker.handle(Event::Response(call, outcome), &now).is_none());
    for other in [1, 2, 9] {
        assert!(world.worker.poll_for(StreamId(other), &now).is_none(), "{other}");
    }
    assert!(matches!(world.worker.poll_for(StreamId(3), &now), Some(Command::Pass(StreamId(3), _))));
    assert!(world.worker.poll_for(StreamId(3), &now).is_none());
    assert!(matches!(world.worker.poll(&now), Some(Command::Pass(StreamId(1), _))));
}

#[test]
fn what_a_request_waits_for_and_whether_it_is_known() {
    let uri = "https://as.example.com/lists/1";
    let mut world = World::new(&json!({"providers": {"main": {
        "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
        "jwks": {"uri": "https://as.example.com/keys", "cluster": "as"},
        "status_list": {"uris": [uri], "cluster": "lists", "required": false},
    }}}));
    let list = StatusId { provider: ProviderId(0), at: 0 };
    assert_eq!(world.worker.status_list_uri(list), Some(uri));
    assert_eq!(world.worker.status_list_uri(StatusId { at: 9, ..list }), None);
    world.token = Token::default().at(START);
    world.request(1, "/", true);
    assert_eq!(world.worker.awaits_keys(StreamId(1)), Some(ProviderId(0)));
    assert!(world.worker.knows(StreamId(1)) && !world.worker.knows(StreamId(2)));
    world.tell(Event::Gone(StreamId(1)));
    assert!(!world.worker.knows(StreamId(1)));
    world.request(2, "/", false);
    let calls = world.tell(Event::Tick);
    let is_of_keys =
        |command: &&Command| matches!(command, Command::Call(_, OutgoingCall::Fetch(Document::Keys(_), _)));
    let Some(Command::Call(call, _)) = calls.iter().find(is_of_keys) else { panic!("{calls:?}") };
    let passed = world.reply(*call, &keys().to_string());
    assert!(passed.iter().any(|command| matches!(command, Command::Pass(StreamId(2), _))), "{passed:?}");
    assert!(
        world.worker.knows(StreamId(2)) && world.worker.awaits_keys(StreamId(2)).is_none(),
        "it waits no more"
    );
    let mut world = World::new(&json!({}));
    world.request(1, "/", true);
    assert!(
        world.worker.knows(StreamId(1)) && world.worker.awaits_keys(StreamId(1)).is_none(),
        "it waits for a response"
    );
}

#[test]
fn the_rest_of_a_request_that_has_been_let_through_follows() {
    let mut world = World::new(&anonymous());
    let passed = world.request(1, "/", false);
    assert!(matches!(passed.as_slice(), [Command::Pass(StreamId(1), _)]), "{passed:?}");
    for is_end in [false, false, true] {
        assert!(world.worker.knows(StreamId(1)));
        let more = world.tell(Event::Body { stream: StreamId(1), size: 5, whole: None, is_end });
        assert!(matches!(more.as_slice(), [Command::Continue(StreamId(1))]), "{more:?}");
    }
    assert!(!world.worker.knows(StreamId(1)), "nothing of it is left");
}

#[test]
fn the_response_to_a_token_in_the_query_becomes_private_and_no_other() {
    for (name, places, path, is_private) in [
        ("in the query", json!({"from_headers": [], "from_params": ["t"]}), "/?t=one", true),
        ("in the head", json!({}), "/", false),
    ] {
        for is_whole in [true, false] {
            let mut world = World::new(&json!({"token": places}));
            let calls = world.request(1, path, is_whole);
            let [Command::Call(call, _)] = calls.as_slice() else { panic!("{calls:?}") };
            let passed = world.reply(*call, ACTIVE);
            assert!(matches!(passed.as_slice(), [Command::Pass(StreamId(1), _)]), "{name}: {passed:?}");
            let changed = world.tell(Event::ResponseHead(StreamId(1)));
            match changed.as_slice() {
                [Command::Change(StreamId(1), change)] => assert!(change.is_private && is_private, "{name}"),
                other => assert!(other.is_empty() && !is_private, "{name}: {other:?}"),
            }
            assert_eq!(world.worker.knows(StreamId(1)), !is_whole, "{name}");
        }
    }
}

#[test]
fn a_request_is_judged_and_cleaned_by_the_configuration_under_which_it_began() {
    let mut named = anonymous();
    named["upstream"] = json!({"claim_to_headers": [{"header_name": "x-name", "claim_name": "name"}]});
    let mut world = World::new(&named);
    world.request(1, "/", false);
    let owns = |world: &World, stream, name: &str| world.worker.owns_field(StreamId(stream), name.as_bytes());
    assert!(owns(&world, 1, "x-name") && !owns(&world, 1, "x-other") && !owns(&world, 9, "x-name"));
    world.replace(&anonymous(), ports());
    world.request(2, "/", false);
    assert!(owns(&world, 1, "x-name") && !owns(&world, 2, "x-name"));
    world.replace(&named, ports());
    assert!(owns(&world, 1, "x-name") && !owns(&world, 2, "x-name"));
}

#[test]
fn nobody_reads_a_body_for_a_configuration_that_is_gone() {
    let mut world = World::new(&json!({"token": {"from_form": true, "from_headers": []}}));
    let head = [(":method", "POST"), (":path", "/"), ("content-type", "application/x-www-form-urlencoded")];
    let waits =
        world.tell(Event::Request { stream: StreamId(1), head: lines(&head).into(), is_whole: false });
    assert!(waits.is_empty() && world.worker.body_limit(StreamId(1)).is_some(), "{waits:?}");
    world.replace(&json!({"token": {"from_form": true, "from_headers": []}}), ports());
    assert_eq!(world.worker.body_limit(StreamId(1)), None);
    let ended = world.tell(Event::Tick);
    assert!(matches!(ended.as_slice(), [Command::Answer(StreamId(1), ..)]), "{ended:?}");
    // Nor an event.
    let mut world = World::with(&crate::events::config());
    let head = [(":method", "POST"), (":path", "/events"), ("content-type", "application/secevent+jwt")];
    world.tell(Event::Request { stream: StreamId(1), head: lines(&head).into(), is_whole: false });
    assert!(world.worker.body_limit(StreamId(1)).is_some());
    world.worker.replace(policy_of(&crate::events::config()), ports());
    assert_eq!(world.worker.body_limit(StreamId(1)), None);
}

/// What the workers share; it shows how many configurations are kept.
#[derive(Debug)]
struct Kept {
    all: Own,
    _counted: Rc<()>,
}

impl Store for Kept {
    fn get(&self, key: &str) -> (Vec<u8>, Seen) {
        self.all.get(key)
    }

    fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
        self.all.set(key, value, seen)
    }
}

#[test]
fn an_earlier_configuration_is_kept_as_long_as_its_requests_and_no_longer() {
    let all = Rc::new(());
    let counted = || Ports {
        store: Box::new(Kept { all: Own::default(), _counted: Rc::clone(&all) }),
        ..Ports::new([1, 2], &Both)
    };
    let kept = || Rc::strong_count(&all) - 1;
    let body = |stream, is_end| Event::Body { stream: StreamId(stream), size: 5, whole: None, is_end };
    let mut world = World::new(&anonymous());
    world.replace(&anonymous(), counted());
    world.replace(&anonymous(), counted());
    assert_eq!(kept(), 1, "without a request none is kept");
    // One request ends by itself, and of another the client leaves.
    world.request(1, "/", false);
    world.request(2, "/", false);
    world.request(3, "/", true);
    world.tell(body(1, false));
    world.tell(body(2, false));
    world.replace(&anonymous(), counted());
    assert_eq!(kept(), 2);
    world.tell(body(1, false));
    world.tell(body(1, true));
    assert_eq!(kept(), 2, "the other goes on");
    world.tell(Event::Gone(StreamId(2)));
    assert_eq!(kept(), 1);
    // A number that comes again stands for one request.
    world.request(4, "/", false);
    world.request(4, "/", false);
    world.replace(&anonymous(), counted());
    assert_eq!(kept(), 2);
    world.tell(Event::Gone(StreamId(4)));
    assert_eq!(kept(), 1);
}

fn anonymous() -> Value {
    json!({"rules": [{"match": {"prefix": "/"}, "access": "anonymous"}]})
}

fn introspection(cluster: &str) -> Value {
    json!({"introspection": {
        "uri": "https://as.example.com/introspect", "cluster": cluster, "client_auth": {"method": "none"}, "retries": 0,
    }})
}

fn policy(more: &Value) -> Policy {
    let mut config = json!({"providers": {"main": introspection("as")}});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    policy_of(&config)
}

fn policy_of(config: &Value) -> Policy {
    tollgate_config::policy_of(config, &|_| None).unwrap()
}

fn ports() -> Ports {
    Ports::new([1, 2], &Both)
}

/// A worker, and a host that carries out nothing.
struct World {
    worker: Worker,
    now: Moment,
    token: String,
    /// Whether the host makes calls; how many it has not made.
    makes_calls: bool,
    refused: usize,
}

impl World {
    /// With this at the top of its configuration.
    fn new(more: &Value) -> Self {
        Self::of(policy(more))
    }

    fn with(config: &Value) -> Self {
        Self::of(policy_of(config))
    }

    fn of(policy: Policy) -> Self {
        let now = Moment { wall: UnixTime::from_secs(START), steady: Duration::from_secs(1) };
        let (worker, token) = (Worker::new(policy, ports()), "one".to_owned());
        Self { worker, now, token, makes_calls: true, refused: 0 }
    }

    fn replace(&mut self, more: &Value, ports: Ports) {
        self.worker.tell_all();
        self.worker.replace(policy(more), ports);
    }

    fn pass(&mut self, time: Duration) {
        self.now = Moment { wall: self.now.wall.plus(time), steady: self.now.steady + time };
    }

    fn request(&mut self, stream: u32, path: &str, is_whole: bool) -> Vec<Command> {
        let authorization = format!("Bearer {}", self.token);
        let head = [(":method", "GET"), (":path", path), ("authorization", &authorization)];
        let head = if path.contains('?') { &head[..2] } else { &head };
        self.tell(Event::Request { stream: StreamId(stream), head: lines(head).into(), is_whole })
    }

    fn reply(&mut self, call: CallId, document: &str) -> Vec<Command> {
        let head = lines(&[(":status", "200"), ("content-type", "application/json")]);
        let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: document.as_bytes() };
        self.tell(Event::Response(call, outcome))
    }

    /// Everything that the worker has the host do then.
    fn tell(&mut self, event: Event<'_>) -> Vec<Command> {
        let now = Now::new(&self.now);
        let mut next = self.worker.handle(event, &now);
        let mut commands = Vec::new();
        while let Some(command) = next.take().or_else(|| self.worker.poll(&now)) {
            match command {
                Command::Call(id, _) if !self.makes_calls => {
                    self.refused += 1;
                    next = self.worker.handle(Event::Response(id, CallOutcome::NotDispatched), &now);
                }
                command => commands.push(command),
            }
        }
        while self.worker.take_count().is_some() || self.worker.take_measured().is_some() {}
        commands
    }
}
