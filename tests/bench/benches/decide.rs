//! `make micro`: what a decision costs in the engine alone, native. In a proxy the way into the VM and the host calls come on
//! top, and are most of it.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot be set up must stop")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Bencher, BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, lines};
use tollgate_engine::base::ids::{ProviderId, StreamId};
use tollgate_engine::base::moment::{Moment, Now};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::cache::namespace::Namespace;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::jose::portable::Portable;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::introspection::reply::Introspection;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::extract;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::request::head::{self, Head, Packed};
use tollgate_engine::request::path::NormalPath;
use tollgate_engine::token::key::TokenKey;
use tollgate_engine::worker::Worker;
use tollgate_engine::worker::command::{Command, Event};

const OPAQUE: &str = "tok-999999999999-kq3v9ZrT0mWb7yLxE2sDhA4u";
const JWT: &str = include_str!("../fixtures/token.jwt");
const NOW: u64 = 1_800_000_000;
const REPLY: &str = r#"{"active":true,"client_id":"app","sub":"alice","username":"alice","token_type":"Bearer","scope":"orders:read orders:write","iss":"https://as.example.com","aud":"https://api.example.com","iat":1800000000,"exp":1800086400}"#;

criterion_group!(benches, decisions, parts);
criterion_main!(benches);

/// From a request's head to a decision, all of it.
fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    let policies = [
        ("hit", json!({})),
        ("hit, two claims", json!({"upstream": two_claims()})),
        ("hit, the last of 50 rules", json!({"rules": tollgate_bench::config::fifty_rules()})),
    ];
    for (name, more) in policies {
        let mut driver = driver(&more);
        teach(&mut driver, OPAQUE, REPLY);
        group.bench_function(name, |b| measure(b, &mut driver, Some(OPAQUE)));
    }
    let mut known = driver(&json!({"upstream": two_claims()}));
    teach(&mut known, JWT.trim(), REPLY);
    group.bench_function("hit, two claims, the token a JWT", |b| measure(b, &mut known, Some(JWT.trim())));
    teach(&mut known, "bad", r#"{"active":false}"#);
    group.bench_function("refusal: a token cached as inactive", |b| measure(b, &mut known, Some("bad")));
    group.bench_function("refusal: no token", |b| measure(b, &mut known, None));
    let head = packed(Some("never-seen"));
    group.bench_function("miss, up to the call", |b| {
        b.iter_batched_ref(
            || driver(&json!({})),
            |driver| decide(&mut driver.worker, black_box(&head)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// What a decision is made of.
fn parts(c: &mut Criterion) {
    let policy = policy(&json!({}));
    let provider = policy.providers.first().expect("a provider");
    let packed = packed(Some(OPAQUE));
    c.bench_function("read a head", |b| b.iter(|| Packed::new(black_box(packed.clone()))));
    let head = Head::from(Packed::new(packed));
    c.bench_function("extract the token", |b| {
        b.iter(|| extract::extract(black_box(head.view()), &policy.token, &[]));
    });
    c.bench_function("normalise a path", |b| b.iter(|| NormalPath::parse(black_box(b"/orders/1234"))));
    let mut group = c.benchmark_group("hash a token");
    for (name, token) in [("opaque", OPAQUE), ("JWT", JWT.trim())] {
        let secret = Secret::new(token);
        group.bench_with_input(BenchmarkId::new("this worker's key", name), &secret, |b, secret| {
            b.iter(|| TokenKey::new([1, 2], ProviderId(0), black_box(secret)));
        });
        let namespace = Namespace::new(b"bench", provider);
        group.bench_with_input(BenchmarkId::new("all workers' digest", name), &secret, |b, secret| {
            b.iter(|| namespace.digest(&[0; 32], black_box(secret)));
        });
    }
    group.finish();
    let head = lines(&[(":status", "200"), ("content-type", "application/json")]);
    c.bench_function("read a reply", |b| {
        b.iter(|| {
            let outcome =
                CallOutcome::Response { head: RequestHead::new(black_box(&head)), body: REPLY.as_bytes() };
            Introspection::read(ProviderId(0), &provider.introspection, outcome)
        });
    });
}

fn policy(more: &Value) -> Policy {
    let configuration = tollgate_bench::config::tollgate(more);
    tollgate_config::policy(configuration.as_bytes(), &|_| None).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn driver(more: &Value) -> Driver {
    Driver::new(policy(more), Ports::new([1, 2], &Portable), UnixTime::from_secs(NOW))
}

fn two_claims() -> Value {
    tollgate_bench::config::two_claims()
}

/// Decides about a head, of which the host gives us a copy.
fn decide(worker: &mut Worker, head: &[u8]) -> Option<Command> {
    let now = Moment { wall: UnixTime::from_secs(NOW), steady: Duration::from_secs(1) };
    let head = Head::from(Packed::new(head.to_vec()));
    worker.handle(Event::Request { stream: StreamId(1), head, is_whole: true }, &Now::new(&now))
}

fn measure(b: &mut Bencher<'_>, driver: &mut Driver, token: Option<&str>) {
    let head = packed(token);
    b.iter(|| decide(&mut driver.worker, black_box(&head)).expect("it is decided at once"));
}

fn teach(driver: &mut Driver, token: &str, reply: &str) {
    let head = || Packed::new(packed(Some(token)));
    driver.decide(head(), None, |_| reply.to_owned());
    driver.decide(head(), None, |_| panic!("{token} is still not known"));
}

/// A head as a host hands it over.
fn packed(token: Option<&str>) -> Vec<u8> {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut lines = vec![
        (":authority", "api.example.com"),
        (":path", "/orders/1234"),
        (":method", "GET"),
        (":scheme", "http"),
        ("user-agent", "bench/1.0"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, br"),
        ("x-trace", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "2f0c8b1a-7e54-4b7e-9a37-0a9d4c8f5d11"),
    ];
    lines.extend(authorization.as_deref().map(|value| ("authorization", value)));
    head::packed(lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}
