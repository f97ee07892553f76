//! `make micro`: what a decision costs in the engine alone, native. In a proxy the way into the VM and the host calls come on
//! top, and are most of it.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot be set up must stop")]

use std::hint::black_box;

use criterion::{Bencher, BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::cache::namespace::Namespace;
use tollgate_engine::enforcer::{Enforcer, Step};
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::introspection::reply::Introspection;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::extract;
use tollgate_engine::request::head::{Head, Packed};
use tollgate_engine::request::path::NormalPath;
use tollgate_engine::token::key::TokenKey;

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
        let mut enforcer = enforcer(&more);
        teach(&mut enforcer, OPAQUE, REPLY);
        group.bench_function(name, |b| measure(b, &mut enforcer, Some(OPAQUE)));
    }
    let mut enforcer = enforcer(&json!({"upstream": two_claims()}));
    teach(&mut enforcer, JWT.trim(), REPLY);
    group.bench_function("hit, two claims, the token a JWT", |b| measure(b, &mut enforcer, Some(JWT.trim())));
    teach(&mut enforcer, "bad", r#"{"active":false}"#);
    group.bench_function("refusal: a token cached as inactive", |b| measure(b, &mut enforcer, Some("bad")));
    group.bench_function("refusal: no token", |b| measure(b, &mut enforcer, None));
    group.bench_function("miss, up to the call", |b| measure(b, &mut enforcer, Some("never-seen")));
    group.finish();
}

/// What a decision is made of.
fn parts(c: &mut Criterion) {
    let enforcer = enforcer(&json!({}));
    let packed = packed(Some(OPAQUE));
    c.bench_function("read a head", |b| b.iter(|| Packed::new(black_box(packed.clone()))));
    let head = Head::from(Packed::new(packed));
    c.bench_function("extract the token", |b| {
        b.iter(|| extract::extract(black_box(head.view()), &enforcer.policy().token, &[]));
    });
    c.bench_function("normalise a path", |b| b.iter(|| NormalPath::parse(black_box(b"/orders/1234"))));
    let mut group = c.benchmark_group("hash a token");
    for (name, token) in [("opaque", OPAQUE), ("JWT", JWT.trim())] {
        let secret = Secret::new(token);
        group.bench_with_input(BenchmarkId::new("this worker's key", name), &secret, |b, secret| {
            b.iter(|| TokenKey::new([1, 2], ProviderId(0), black_box(secret)));
        });
        let provider = enforcer.provider(ProviderId(0)).expect("a provider");
        let namespace = Namespace::new(b"bench", provider);
        group.bench_with_input(BenchmarkId::new("all workers' digest", name), &secret, |b, secret| {
            b.iter(|| namespace.digest(&[0; 32], black_box(secret)));
        });
    }
    group.finish();
    let reply_head = reply_head();
    c.bench_function("read a reply", |b| b.iter(|| read(&enforcer, black_box(&reply_head), REPLY)));
}

fn enforcer(more: &Value) -> Enforcer {
    let configuration = tollgate_bench::config::tollgate(more);
    let policy = Policy::parse(configuration.as_bytes(), &|_| None);
    Enforcer::new(policy.unwrap_or_else(|faults| panic!("{faults:?}")), [1, 2], b"bench")
}

fn two_claims() -> Value {
    tollgate_bench::config::two_claims()
}

/// Decides about a head, of which the host gives us a copy.
fn decide(enforcer: &mut Enforcer, head: &[u8]) -> Step {
    enforcer.begin(StreamId(1), Packed::new(head.to_vec()), UnixTime::from_secs(NOW))
}

fn measure(b: &mut Bencher<'_>, enforcer: &mut Enforcer, token: Option<&str>) {
    let head = packed(token);
    b.iter(|| decide(enforcer, black_box(&head)));
}

fn teach(enforcer: &mut Enforcer, token: &str, reply: &str) {
    let Step::Introspect(question, _) = decide(enforcer, &packed(Some(token))) else {
        panic!("{token} is known")
    };
    let said = read(enforcer, &reply_head(), reply);
    enforcer.learn(question.key, said, UnixTime::from_secs(NOW));
    let step = decide(enforcer, &packed(Some(token)));
    assert!(matches!(step, Step::Done(_)), "{token} is still not known");
}

fn read(enforcer: &Enforcer, head: &[(Vec<u8>, Vec<u8>)], body: &str) -> Introspection {
    let endpoint = &enforcer.provider(ProviderId(0)).expect("a provider").introspection;
    let outcome = CallOutcome::Response { head, body: body.as_bytes() };
    Introspection::read(ProviderId(0), endpoint, outcome).expect("a good reply")
}

fn reply_head() -> Vec<(Vec<u8>, Vec<u8>)> {
    let line = |(name, value): (&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    [(":status", "200"), ("content-type", "application/json")].map(line).to_vec()
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
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = number(lines.len()).to_vec();
    for (name, value) in &lines {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for (name, value) in &lines {
        bytes.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
    }
    bytes
}
