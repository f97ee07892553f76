//! JWTs, and the keys that are fetched for them.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tollgate_cases::token::Token;
use tollgate_host::{Call, Outcome, Response, StreamId, Vm, values};

use crate::{forwarded, replied, with_token};

const TWO: Duration = Duration::from_secs(2);

/// The key of `tests/keys/p256.pem`.
fn p256(kid: &str) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid,
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"})
}

/// The key of `tests/keys/ed25519.pem`.
fn ed25519(kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn set(keys: &[Value]) -> Response {
    Response::json(&json!({ "keys": keys }).to_string())
}

fn config(changes: &Value) -> Value {
    let mut config = json!({
        "providers": {"main": {
            "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
            "jwks": {"uri": "https://as.example.com/jwks", "cluster": "keys"},
        }},
        "cache": {"max_entries": 100, "ttl": "1h"},
    });
    crate::merge(&mut config, changes);
    config
}

fn vm(changes: &Value) -> Vm {
    let mut vm = Vm::new();
    assert!(vm.configure(config(changes).to_string().as_bytes()), "{:?}", vm.log());
    vm
}

/// A good token that is signed with that algorithm and names that key; `n` tells it from others.
fn token(vm: &Vm, alg: &str, kid: &str, n: usize) -> String {
    let header = Map::from_iter([("kid".to_owned(), json!(kid))]);
    let claims = Map::from_iter([("jti".to_owned(), json!(n.to_string()))]);
    Token { alg: Some(alg.to_owned()), header, claims, ..Token::default() }.at(vm.now())
}

fn request(vm: &mut Vm, alg: &str, kid: &str, n: usize) -> StreamId {
    let token = token(vm, alg, kid, n);
    vm.request(&with_token(&token))
}

fn passes(vm: &mut Vm, alg: &str, kid: &str, n: usize) {
    let stream = request(vm, alg, kid, n);
    forwarded(vm, stream);
}

fn refused(vm: &mut Vm, alg: &str, kid: &str, n: usize) -> u32 {
    let stream = request(vm, alg, kid, n);
    replied(vm, stream).status
}

fn keys_call(vm: &Vm) -> Option<Call> {
    vm.calls().into_iter().find(|call| call.cluster == "keys")
}

/// Answers the call for the keys, which is under way or comes within this time.
fn deliver(vm: &mut Vm, within: Duration, response: &Response) {
    let mut left = within;
    while keys_call(vm).is_none() && left > Duration::ZERO {
        vm.advance(Duration::from_millis(10).min(left));
        left = left.saturating_sub(Duration::from_millis(10));
    }
    let call = keys_call(vm).expect("the keys are asked for");
    vm.answer(call.id, response);
}

fn with_keys(changes: &Value, keys: &[Value]) -> Vm {
    let mut vm = vm(changes);
    deliver(&mut vm, Duration::from_millis(20), &set(keys));
    vm
}

#[test]
fn the_first_requests_wait_for_the_first_keys() {
    // JWT-46
    let mut vm = vm(&json!({}));
    assert_eq!(vm.calls(), [], "the host takes the configuration before time passes");
    let early = request(&mut vm, "ES256", "a", 0);
    assert_eq!(vm.outcome(early), Outcome::Paused);
    vm.advance(Duration::from_millis(5));
    let call = keys_call(&vm).expect("the keys are asked for at once");
    let field = |name: &str| values(&call.head, name);
    assert_eq!(field(":method"), ["GET"]);
    assert_eq!(field(":authority"), ["as.example.com"]);
    assert_eq!(field(":path"), ["/jwks"]);
    assert_eq!((call.body.len(), call.timeout), (0, Duration::from_secs(2)));
    let later = request(&mut vm, "ES256", "a", 1);
    assert_eq!(vm.outcome(later), Outcome::Paused);
    vm.answer(call.id, &set(&[p256("a")]));
    forwarded(&mut vm, early);
    forwarded(&mut vm, later);
    passes(&mut vm, "ES256", "a", 2);
    assert_eq!(vm.metric("tollgate.jwks.calls"), Some(1));
    assert_eq!(vm.metric("tollgate.introspection.calls"), Some(0));
}

#[test]
fn without_keys_nobody_can_tell() {
    // JWT-46, ATK-64
    let mut vm = vm(&json!({}));
    let early = request(&mut vm, "ES256", "a", 0);
    vm.advance(Duration::from_millis(5));
    let call = keys_call(&vm).expect("the keys are asked for").id;
    vm.fail(call);
    assert_eq!(vm.outcome(early), Outcome::Paused, "one more try for whoever waits");
    vm.advance(Duration::from_millis(5));
    let call = keys_call(&vm).expect("the keys are asked for once more").id;
    vm.fail(call);
    assert_eq!(replied(&mut vm, early).status, 503, "never 401");
    assert_eq!(refused(&mut vm, "ES256", "a", 0), 503, "at once, while the server is away");
    for response in [Response::with_status("500", "{}"), Response::json("{}"), set(&[])] {
        deliver(&mut vm, Duration::from_millis(1100), &response);
        assert_eq!(refused(&mut vm, "ES256", "a", 0), 503);
    }
    assert_eq!(vm.metric("tollgate.jwks.failures"), Some(5));
    let expired = Token { claims: Map::from_iter([("exp".to_owned(), json!(1))]), ..Token::default() };
    let stream = vm.request(&with_token(&expired.at(vm.now())));
    assert_eq!(replied(&mut vm, stream).status, 401, "what needs no key to be seen is said");
    deliver(&mut vm, Duration::from_millis(1100), &set(&[p256("a")]));
    passes(&mut vm, "ES256", "a", 0);
}

#[test]
fn an_unknown_kid_has_the_keys_fetched_early_and_waits() {
    // JWT-20
    let mut vm = with_keys(&json!({}), &[p256("a")]);
    vm.advance(TWO);
    let waits = request(&mut vm, "EdDSA", "b", 0);
    assert_eq!(vm.outcome(waits), Outcome::Paused);
    passes(&mut vm, "ES256", "a", 0);
    deliver(&mut vm, Duration::from_millis(20), &set(&[p256("a"), ed25519("b")]));
    forwarded(&mut vm, waits);
    // One that nobody has is refused when the keys have come, not before.
    vm.advance(TWO);
    let waits = request(&mut vm, "ES256", "c", 0);
    assert_eq!(vm.outcome(waits), Outcome::Paused);
    deliver(&mut vm, Duration::from_millis(20), &set(&[p256("a"), ed25519("b")]));
    assert_eq!(replied(&mut vm, waits).status, 401);
    // While the server is away, nobody can tell.
    vm.advance(TWO);
    let waits = request(&mut vm, "ES256", "c", 0);
    deliver(&mut vm, Duration::from_millis(20), &Response::with_status("500", ""));
    assert_eq!(vm.outcome(waits), Outcome::Paused, "one more try for whoever waits");
    deliver(&mut vm, Duration::from_millis(20), &Response::with_status("500", ""));
    assert_eq!(replied(&mut vm, waits).status, 503);
    passes(&mut vm, "ES256", "a", 1);
}

#[test]
fn a_thousand_unknown_kids_cost_one_call() {
    // JWT-20, ATK-62
    let mut vm = with_keys(&json!({}), &[p256("a")]);
    vm.advance(TWO);
    let waiting: Vec<_> = (0..1000).map(|n| request(&mut vm, "ES256", &format!("x{n}"), n)).collect();
    passes(&mut vm, "ES256", "a", 0);
    deliver(&mut vm, Duration::from_millis(20), &set(&[p256("a")]));
    vm.advance(Duration::from_millis(100));
    for stream in waiting {
        assert_eq!(replied(&mut vm, stream).status, 401);
    }
    let more: Vec<_> = (0..100).map(|n| request(&mut vm, "ES256", &format!("y{n}"), n)).collect();
    vm.advance(Duration::from_millis(1500));
    assert_eq!(keys_call(&vm), None, "not before two seconds have passed");
    passes(&mut vm, "ES256", "a", 1);
    deliver(&mut vm, Duration::from_secs(1), &set(&[p256("a")]));
    vm.advance(Duration::from_millis(100));
    for stream in more {
        assert_eq!(replied(&mut vm, stream).status, 401);
    }
    assert_eq!(vm.metric("tollgate.jwks.calls"), Some(3));
    assert_eq!(vm.signatures(), 2, "no signature is verified for nothing");
}

#[test]
fn keys_that_nobody_has_are_asked_for_more_and_more_rarely_and_nobody_waits() {
    // JWT-20, ATK-62
    let mut vm = with_keys(&json!({}), &[p256("a")]);
    let mut waited = 0;
    for second in 0..250 {
        vm.advance(Duration::from_secs(1));
        let stream = request(&mut vm, "ES256", &format!("x{second}"), second);
        vm.advance(Duration::from_millis(20));
        if keys_call(&vm).is_some() {
            deliver(&mut vm, Duration::ZERO, &set(&[p256("a")]));
        }
        if vm.outcome(stream) == Outcome::Paused {
            waited += 1;
            deliver(&mut vm, TWO, &set(&[p256("a")]));
        }
        assert_eq!(replied(&mut vm, stream).status, 401, "{second}");
    }
    // The first; two that are waited for; after 4, 8, 16, 32, 64 and 128 seconds.
    let calls = vm.metric("tollgate.jwks.calls").unwrap();
    assert!((7..=9).contains(&calls), "{calls}");
    assert!(waited <= 2, "{waited}");
    // A new key comes with the next call, and is waited for again from then on.
    deliver(&mut vm, Duration::from_secs(300), &set(&[p256("a"), ed25519("b")]));
    passes(&mut vm, "EdDSA", "b", 0);
    vm.advance(TWO);
    let waits = request(&mut vm, "ES256", "c", 0);
    assert_eq!(vm.outcome(waits), Outcome::Paused);
    deliver(&mut vm, Duration::from_millis(20), &set(&[p256("a"), ed25519("b"), p256("c")]));
    forwarded(&mut vm, waits);
}

#[test]
fn a_signature_that_is_none_is_verified_once_while_the_keys_are_the_same() {
    let mut vm = with_keys(&json!({}), &[p256("a"), p256("a")]);
    // Signed with another key than it names.
    let good = token(&vm, "ES256", "a", 0);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let forged =
        format!("{signed}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    for attempt in 0..5 {
        let stream = vm.request(&with_token(&forged));
        assert_eq!(replied(&mut vm, stream).status, 401, "{attempt}");
    }
    assert_eq!(vm.signatures(), 2, "by two keys");
    let stream = vm.request(&with_token(&good));
    forwarded(&mut vm, stream);
    assert_eq!(vm.signatures(), 3);
}

#[test]
fn another_key_may_verify_what_none_did_before() {
    let mut vm = with_keys(
        &json!({}),
        &[json!({"kty": "EC", "crv": "P-256", "kid": "a",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})],
    );
    let token = token(&vm, "ES256", "a", 0);
    let stream = vm.request(&with_token(&token));
    assert_eq!(replied(&mut vm, stream).status, 401);
    let both = [
        json!({"kty": "EC", "crv": "P-256", "kid": "a",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}),
        p256("a"),
    ];
    vm.advance(TWO);
    let unknown = request(&mut vm, "ES256", "b", 1);
    deliver(&mut vm, Duration::from_millis(20), &set(&both));
    assert_eq!(replied(&mut vm, unknown).status, 401);
    let stream = vm.request(&with_token(&token));
    forwarded(&mut vm, stream);
}

#[test]
fn whoever_comes_while_a_call_is_under_way_may_need_another_one() {
    let mut vm = with_keys(&json!({}), &[p256("a")]);
    vm.advance(TWO);
    let first = request(&mut vm, "ES256", "unknown", 0);
    vm.advance(Duration::from_millis(20));
    let call = keys_call(&vm).expect("the keys are asked for").id;
    // The answer is on its way; the issuer has a new key since.
    let second = request(&mut vm, "EdDSA", "b", 0);
    vm.answer(call, &set(&[p256("a")]));
    assert_eq!(replied(&mut vm, first).status, 401);
    assert_eq!(vm.outcome(second), Outcome::Paused);
    deliver(&mut vm, TWO, &set(&[p256("a"), ed25519("b")]));
    forwarded(&mut vm, second);
}

#[test]
fn a_key_that_has_gone_verifies_nothing_more() {
    // JWT-47, JWT-51
    let mut vm = with_keys(&json!({}), &[p256("a"), ed25519("b")]);
    passes(&mut vm, "ES256", "a", 0);
    passes(&mut vm, "EdDSA", "b", 0);
    let same = token(&vm, "ES256", "a", 7);
    let stream = vm.request(&with_token(&same));
    forwarded(&mut vm, stream);
    vm.advance(Duration::from_secs(265));
    assert_eq!(keys_call(&vm), None, "not before nine tenths of cache_duration");
    deliver(&mut vm, Duration::from_secs(35), &set(&[ed25519("b")]));
    passes(&mut vm, "EdDSA", "b", 0);
    let stream = vm.request(&with_token(&same));
    vm.advance(TWO);
    if keys_call(&vm).is_some() {
        deliver(&mut vm, TWO, &set(&[ed25519("b")]));
    }
    assert_eq!(replied(&mut vm, stream).status, 401, "although it was remembered");
}

/// Two workers that share what they remember, of a server that signs its replies, with these keys.
fn two_that_share(keys: &[Value]) -> [Vm; 2] {
    let introspection = json!({
        "uri": "https://as.example.com/introspect", "cluster": "as", "dialect": "rfc9701",
        "client_auth": {"client_id": "gateway", "client_secret": "s3cret"},
    });
    let changes = json!({
        "providers": {"main": {"validate": "introspection", "introspection": introspection}},
        "cache": {"shared": true, "ttl": "1h", "negative_ttl": "10m", "stale_if_error": "1h"},
    });
    let first = Vm::new();
    let second = first.beside();
    [first, second].map(|mut vm| {
        assert!(vm.configure(config(&changes).to_string().as_bytes()), "{:?}", vm.log());
        deliver(&mut vm, Duration::from_millis(20), &set(keys));
        vm
    })
}

/// Answers the introspection call, if there is one, with a reply that this key has signed.
fn answer_signed(vm: &mut Vm, (alg, kid): (&str, &str), is_active: bool) -> bool {
    let Some(call) = vm.calls().into_iter().find(|call| call.cluster == "as") else { return false };
    let told = json!({"active": is_active, "aud": "https://api.example.com", "exp": vm.now() + 86_400});
    let payload = json!({"iss": "https://as.example.com", "aud": "gateway", "iat": vm.now(), "token_introspection": told});
    let header = json!({"typ": "token-introspection+jwt", "kid": kid});
    let signed = Token {
        alg: Some(alg.to_owned()),
        header: serde_json::from_value(header).unwrap(),
        payload: Some(payload.to_string()),
        ..Token::default()
    };
    let mut response = Response::json(&signed.at(vm.now()));
    for (name, value) in &mut response.head {
        if name == b"content-type" {
            *value = b"application/token-introspection+jwt".to_vec();
        }
    }
    vm.answer(call.id, &response);
    true
}

#[test]
fn what_a_key_has_signed_that_has_gone_is_forgotten_by_all_workers() {
    // JWT-47, JIR-03: in the shared data as well, whichever worker has learned of it, and nobody brings it back
    for is_active in [true, false] {
        let [mut one, mut two] = two_that_share(&[p256("a"), ed25519("b")]);
        let settled = |vm: &mut Vm| {
            let stream = vm.request(&with_token("opaque"));
            let asked = answer_signed(vm, ("ES256", "a"), is_active);
            match vm.outcome(stream) {
                Outcome::Forwarded(_) => (asked, 200),
                Outcome::Replied(reply) => (asked, reply.status),
                Outcome::Paused => panic!("it waits"),
            }
        };
        let good = if is_active { 200 } else { 401 };
        assert_eq!(settled(&mut one), (true, good));
        assert_eq!(settled(&mut two), (false, good), "from the shared data");
        // The key goes; only one of the two has heard of it.
        deliver(&mut one, Duration::from_secs(300), &set(&[ed25519("b")]));
        two.advance(Duration::from_secs(1));
        let stream = one.request(&with_token("opaque"));
        assert!(answer_signed(&mut one, ("ES256", "a"), is_active), "it is asked anew");
        while vm_status(&mut one, stream).is_none() {
            one.advance(Duration::from_millis(50));
            answer_signed(&mut one, ("ES256", "a"), is_active);
        }
        assert_eq!(vm_status(&mut one, stream), Some(503), "and the old key is not believed");
        assert_eq!(settled(&mut two), (false, good), "the other one does not know yet");
        deliver(&mut two, Duration::from_secs(300), &set(&[ed25519("b")]));
        let stream = two.request(&with_token("opaque"));
        assert_ne!(vm_status(&mut two, stream), Some(good), "now it does");
        assert!(answer_signed(&mut two, ("EdDSA", "b"), is_active), "and asks");
        assert_eq!(vm_status(&mut two, stream), Some(good));
        // They fetch keys when each likes, and the clock is everybody's.
        one.advance(Duration::from_secs(two.now().saturating_sub(one.now())));
        let stream = one.request(&with_token("opaque"));
        assert_eq!(vm_status(&mut one, stream), Some(good), "they share again what the new key has signed");
    }
}

#[test]
fn a_jwt_that_ends_while_it_is_asked_about_is_bad_for_all_who_wait() {
    // INT-32, JWT-32: the server is well
    let introspection = json!({"uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"}});
    let main =
        json!({"validate": "jwt_then_introspection", "introspection": introspection, "clock_skew": "0s"});
    let changes = json!({"providers": {"main": main}, "cache": {"shared": true}});
    let first = Vm::new();
    let second = first.beside();
    let [mut one, mut two] = [first, second].map(|mut vm| {
        assert!(vm.configure(config(&changes).to_string().as_bytes()), "{:?}", vm.log());
        deliver(&mut vm, Duration::from_millis(20), &set(&[p256("a")]));
        vm
    });
    let header = Map::from_iter([("kid".to_owned(), json!("a"))]);
    let claims = Map::from_iter([("exp".to_owned(), json!(one.now() + 2))]);
    let token = Token { alg: Some("ES256".to_owned()), header, claims, ..Token::default() }.at(one.now());
    let streams = [&mut one, &mut two].map(|vm| vm.request(&with_token(&token)));
    assert!(two.calls().is_empty(), "it waits for the other one");
    for vm in [&mut one, &mut two] {
        vm.advance(Duration::from_millis(1900));
        vm.advance(Duration::from_millis(200));
    }
    let answer = |vm: &mut Vm| {
        for call in vm.calls().into_iter().filter(|call| call.cluster == "as") {
            vm.answer(call.id, &Response::json(r#"{"active": true}"#));
        }
    };
    answer(&mut one);
    assert_eq!(vm_status(&mut one, streams[0]), Some(401));
    two.advance(Duration::from_millis(50));
    answer(&mut two);
    assert_eq!(vm_status(&mut two, streams[1]), Some(401));
}

/// The status that a request has ended with; 200 if it goes on.
fn vm_status(vm: &mut Vm, stream: StreamId) -> Option<u32> {
    match vm.outcome(stream) {
        Outcome::Forwarded(_) => Some(200),
        Outcome::Replied(reply) => Some(reply.status),
        Outcome::Paused => None,
    }
}

#[test]
fn the_last_keys_are_kept_while_their_server_is_away() {
    // JWT-45
    let mut vm =
        with_keys(&json!({"providers": {"main": {"jwks": {"stale_if_error": "10m"}}}}), &[p256("a")]);
    for n in 0..10 {
        deliver(&mut vm, Duration::from_secs(300), &Response::with_status("503", "{}"));
        passes(&mut vm, "ES256", "a", n);
    }
    assert!(
        vm.log()
            .iter()
            .any(|line| line.text == "tollgate: keys of main: status 503; the last version is kept")
    );
    vm.advance(Duration::from_secs(0));
    let mut status = 200;
    for _ in 0..200 {
        deliver(&mut vm, Duration::from_secs(300), &Response::with_status("503", "{}"));
        let stream = request(&mut vm, "ES256", "a", 1000);
        if let Outcome::Replied(reply) = vm.outcome(stream) {
            status = reply.status;
            break;
        }
    }
    assert_eq!(status, 503, "until they are too old");
}

#[test]
fn a_rotation_under_load_loses_no_request() {
    let mut vm = with_keys(&json!({}), &[p256("k0")]);
    let mut streams = Vec::new();
    for generation in 0_usize..6 {
        vm.advance(Duration::from_millis(700));
        let (alg, kid) = if generation % 2 == 0 { ("ES256", "k") } else { ("EdDSA", "k") };
        let kid = format!("{kid}{generation}");
        let key = if alg == "ES256" { p256(&kid) } else { ed25519(&kid) };
        for n in 0..20 {
            streams.push(request(&mut vm, alg, &kid, n));
            vm.advance(Duration::from_millis(1));
        }
        if generation > 0 {
            deliver(&mut vm, Duration::from_secs(3), &set(&[key]));
        }
        vm.advance(Duration::from_millis(50));
    }
    for stream in streams {
        forwarded(&mut vm, stream);
    }
}

#[test]
fn keys_go_over_to_the_next_configuration() {
    let mut vm = with_keys(&json!({}), &[p256("a")]);
    let next = config(&json!({"requires": {"scopes": ["orders:read"]}}));
    assert!(vm.configure_again(next.to_string().as_bytes()));
    passes(&mut vm, "ES256", "a", 0);
    vm.advance(Duration::from_millis(5));
    assert!(keys_call(&vm).is_some(), "they are asked for anew");
    let other = config(&json!({"providers": {"main": {"jwks": {"uri": "https://as.example.com/other"}}}}));
    assert!(vm.configure_again(other.to_string().as_bytes()));
    let stream = request(&mut vm, "ES256", "a", 0);
    assert_eq!(vm.outcome(stream), Outcome::Paused, "keys from another place are other keys");
}

#[test]
fn a_remembered_jwt_costs_what_any_remembered_token_costs() {
    let mut vm = with_keys(&json!({}), &[p256("a")]);
    let token = token(&vm, "ES256", "a", 0);
    let stream = vm.request(&with_token(&token));
    forwarded(&mut vm, stream);
    assert_eq!(vm.signatures(), 1);
    vm.reset_crossings();
    let stream = vm.request(&with_token(&token));
    forwarded(&mut vm, stream);
    assert_eq!(vm.crossings().host_calls.values().sum::<u64>(), 3, "{:?}", vm.crossings());
    assert_eq!(vm.signatures(), 1, "it is not verified again");
}

#[test]
fn the_host_verifies_what_it_can_and_the_module_the_rest() {
    let rsa = json!({"kty": "RSA", "kid": "rsa", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    let keys = [rsa, p256("p256"), ed25519("ed25519")];
    for (alg, kid, by_host) in
        [("RS256", "rsa", 1), ("PS256", "rsa", 0), ("ES256", "p256", 1), ("EdDSA", "ed25519", 0)]
    {
        let mut vm = with_keys(&json!({}), &keys);
        passes(&mut vm, alg, kid, 0);
        assert_eq!(vm.signatures(), by_host, "{alg}");
    }
}

#[test]
fn a_host_without_the_function_is_told_which_algorithms_need_it() {
    let jwt = |algorithms: Value| {
        let changes = if algorithms.is_null() { json!({}) } else { json!({"algorithms": algorithms}) };
        config(&json!({"providers": {"main": changes}})).to_string().into_bytes()
    };
    let opaque = crate::config;
    let function = "because it has no function \"verify_signature\"";
    #[rustfmt::skip]
    let cases = [
        ("the default",        jwt(Value::Null),                                  Some("providers.main.algorithms: this host cannot verify \"RS256\" and \"ES256\" signatures")),
        ("one of them",        jwt(json!(["EdDSA", "ES512"])),                    Some("providers.main.algorithms: this host cannot verify \"ES512\" signatures")),
        ("none of them",       jwt(json!(["EdDSA", "PS384"])),                    None),
        ("proofs by default",  opaque(&json!({"dpop": {}})),                      Some("dpop.algorithms: this host cannot verify \"ES256\" signatures")),
        ("proofs of one kind", opaque(&json!({"dpop": {"algorithms": ["EdDSA"]}})), None),
        ("nothing signed",     opaque(&json!({})),                                None),
    ];
    for (name, configuration, line) in cases {
        let mut vm = Vm::new();
        vm.forget("verify_signature");
        assert_eq!(vm.configure(&configuration), line.is_none(), "{name}: {:?}", vm.log());
        let is_it = |text: &str| line.is_some_and(|line| text.contains(line)) && text.ends_with(function);
        assert_eq!(vm.log().iter().any(|log| is_it(&log.text)), line.is_some(), "{name}: {:?}", vm.log());
        assert!(Vm::new().configure(&configuration), "{name}: a host that has it takes it");
    }
}

#[test]
fn too_many_that_wait_are_told_so() {
    let mut vm = vm(&json!({}));
    let token = token(&vm, "ES256", "a", 0);
    let waiting: Vec<_> = (0..8192).map(|_| vm.request(&with_token(&token))).collect();
    assert_eq!(refused(&mut vm, "ES256", "a", 1), 503);
    deliver(&mut vm, Duration::from_millis(20), &set(&[p256("a")]));
    vm.advance(Duration::from_secs(1));
    for stream in waiting {
        forwarded(&mut vm, stream);
    }
    passes(&mut vm, "ES256", "a", 2);
}
