//! JWTs: `tollgate explain`, `check` and `doctor`.

use serde_json::{Map, Value, json};
use tollgate_cases::token::Token;

use crate::support::{Answer, Run, Scripted, Tollgate};

const NOW: u64 = 1_800_000_000;

fn set() -> Value {
    json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "p256", "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"},
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
    ]})
}

fn configuration(origin: &str) -> String {
    json!({
        "providers": {"main": {
            "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
            "jwks": {"uri": format!("{origin}/jwks"), "cluster": "as"},
        }},
        "requires": {"scopes": ["orders:read"]},
    })
    .to_string()
}

fn explain(token: &Token, more: &[&str]) -> Run {
    let tollgate = Tollgate::new();
    tollgate.write("c.json", configuration("https://as.example.com"));
    tollgate.write("jwks.json", set().to_string());
    let token = token.at(NOW);
    let at = NOW.to_string();
    let args = [
        "explain",
        "-c",
        "c.json",
        "-r",
        "GET https://api.example.com/orders",
        "--at",
        &at,
        "--token",
        &token,
    ];
    let run = tollgate.run([&args, more].concat());
    assert!(!format!("{run:?}").contains(&token), "the token is shown: {run:?}");
    run
}

#[test]
fn a_signed_reply_is_read_with_the_keys_that_the_filter_has() {
    let text = |value: Value| value.as_object().cloned().unwrap();
    let claims =
        json!({"iss": "https://as.example.com", "aud": "gateway", "token_introspection": {"active": true}});
    let header = text(json!({"typ": "token-introspection+jwt"}));
    let reply = Token { header, claims: text(claims), ..Token::default() }.at(NOW);
    let tollgate = Tollgate::new();
    let introspection = json!({"uri": "https://as.example.com/i", "cluster": "as", "dialect": "rfc9701",
        "client_auth": {"method": "private_key_jwt", "client_id": "gateway", "algorithm": "ES256", "private_key_env": "TG_KEY"}});
    let provider = json!({"issuer": "https://as.example.com", "algorithms": ["ES256"], "introspection": introspection,
        "jwks": {"uri": "https://as.example.com/jwks", "cluster": "as"}});
    let dpop = json!({"nonce": "required", "nonce_key_env": "TG_NONCES"});
    tollgate.write("c.json", json!({"providers": {"main": provider}, "dpop": dpop}).to_string());
    tollgate.write("jwks.json", set().to_string());
    tollgate.write(
        "reply",
        format!("HTTP/1.1 200 OK\ncontent-type: application/token-introspection+jwt\n\n{reply}"),
    );
    let at = NOW.to_string();
    let args = ["explain", "-c", "c.json", "-r", "GET /", "--at", &at, "--token", "t", "--reply", "reply"];
    let run = tollgate.run([&args[..], &KEYS].concat());
    assert_eq!(run.status, 0, "{run:?}");
}

const KEYS: [&str; 2] = ["--jwks", "main=jwks.json"];

#[test]
fn a_jwt_is_explained() {
    let header = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
    let good = explain(&Token::default(), &KEYS);
    assert_eq!(good.status, 0, "{good:?}");
    let line = "main: alg ES256, typ at+jwt, kid p256; 1 key is known, the signature is valid";
    assert!(good.stdout.contains(line) && good.stdout.contains("wanted https://as.example.com"), "{good:?}");
    #[rustfmt::skip]
    let cases = [
        ("a changed signature", Token { changed: Some(2), ..Token::default() },
         "the signature is not valid", "✗ refused        the token is not valid: its signature is not valid  (RFC 7515 §5.2)"),
        ("another kid",         Token { header: header("kid", json!("x")), ..Token::default() },
         "no key has the token's kid and algorithm",   "✗ refused        the token is not valid: it is not signed with any of the issuer's keys  (RFC 7515 §5.2)"),
        ("another typ",         Token { header: header("typ", json!("JWT")), ..Token::default() },
         "was not checked",    "✗ refused        the token is not valid: its `typ` is not that of an access token  (RFC 9068 §4, RFC 8725 §3)"),
        ("another audience",    Token { claims: header("aud", json!("x")), ..Token::default() },
         "was not checked",    "✗ audience       wanted https://api.example.com, found x"),
        ("another scope",       Token { claims: header("scope", json!("x")), ..Token::default() },
         "the signature is valid", "✗ scope"),
    ];
    for (name, token, jwt, reason) in cases {
        let run = explain(&token, &KEYS);
        assert_eq!(run.status, 1, "{name}: {run:?}");
        assert!(run.stdout.contains(jwt) && run.stdout.contains(reason), "{name}: {}", run.stdout);
    }
}

#[test]
fn the_age_of_a_jwt_has_its_row() {
    let explain = |iat: u64, skew: &str| {
        let tollgate = Tollgate::new();
        let own = format!("\"validate\":\"jwt\",\"max_token_age\":\"5m\"{skew}");
        tollgate
            .write("c.json", configuration("https://as.example.com").replace("\"validate\":\"jwt\"", &own));
        tollgate.write("jwks.json", set().to_string());
        let claims = Map::from_iter([("iat".to_owned(), json!(iat))]);
        let (token, at) = (Token { claims, ..Token::default() }.at(NOW), NOW.to_string());
        let args = ["explain", "-c", "c.json", "-r", "GET /orders", "--at", &at, "--token", &token];
        tollgate.run([&args[..], &KEYS].concat())
    };
    let young = explain(NOW - 60, "");
    let line = "· age            wanted at most 5m (and 1m of clock_skew) since iat, found issued 2027-01-15T07:59:00Z, 1m ago";
    assert!(young.status == 0 && young.stdout.contains(line), "{young:?}");
    let none = ",\"clock_skew\":\"0s\"";
    #[rustfmt::skip]
    let cases = [
        ("an hour",                NOW - 3600, "",   "✗ age            wanted at most 5m (and 1m of clock_skew) since iat, found issued 2027-01-15T07:00:00Z, 1h ago  (RFC 9068 §4)"),
        ("just beyond the leeway", NOW - 360,  "",   "✗ age            wanted at most 5m (and 1m of clock_skew) since iat, found issued 2027-01-15T07:54:00Z, 6m ago"),
        ("without leeway",         NOW - 301,  none, "✗ age            wanted at most 5m since iat, found issued 2027-01-15T07:54:59Z, 5m 1s ago"),
    ];
    for (name, iat, skew, want) in cases {
        let run = explain(iat, skew);
        assert!(run.status == 1 && run.stdout.contains(want), "{name}: {run:?}");
        assert_eq!(run.stdout.matches('✗').count(), 1, "{name}: one reason: {run:?}");
    }
}

#[test]
fn keys_that_cannot_be_had_are_named() {
    let saved = explain(&Token::default(), &["--reply", "jwks.json"]);
    assert_eq!(saved.status, 1, "{saved:?}");
    assert!(saved.stdout.ends_with("verdict: unavailable\n"), "{saved:?}");
    assert!(
        saved.stderr.contains("the keys of main are fetched; to read them from a file: --jwks main=FILE"),
        "{saved:?}"
    );
    let unknown = explain(&Token::default(), &["--jwks", "other=jwks.json"]);
    assert_eq!(unknown.status, 2, "{unknown:?}");
    assert!(
        unknown.stderr.contains("the configuration fetches no keys of \"other\"")
            && unknown.stderr.contains("It fetches those of: main."),
        "{unknown:?}"
    );
    let odd = explain(&Token::default(), &["--jwks", "main=c.json"]);
    assert_eq!(odd.status, 2, "{odd:?}");
    assert!(odd.stderr.contains("c.json is not a key set: not an object with an array `keys`"), "{odd:?}");
}

#[test]
fn check_says_what_lowers_security() {
    let tollgate = Tollgate::new();
    let mut document: Value = serde_json::from_str(&configuration("http://as.example.com")).unwrap();
    let provider = &mut document["providers"]["main"];
    provider.as_object_mut().unwrap().remove("audiences");
    provider["any_audience"] = json!(true);
    provider["typ"] = json!("any");
    provider["jwks"]["cache_duration"] = json!("2h");
    tollgate.write("c.json", document.to_string());
    let run = tollgate.run(["check", "c.json"]);
    assert_eq!(run.status, 0, "{run:?}");
    for warning in [
        "providers.main.any_audience: lowers security: A token for any other API of this issuer is accepted.",
        "providers.main.typ: lowers security with \"any\": An ID token",
        "providers.main.jwks.uri: plain http: unless the cluster adds TLS, anyone on the network path can decide which tokens are accepted",
        "providers.main.jwks.cache_duration: lowers security above \"1h\": Tokens signed with a withdrawn key",
    ] {
        assert!(run.stdout.contains(warning), "{warning}: {}", run.stdout);
    }
}

#[test]
fn doctor_looks_at_the_keys() {
    let examine = |body: Value, token: &str| {
        let server = Scripted::start(move |_, request| match request.target.as_str() {
            "/jwks" => Answer::json(200, body.to_string()),
            _ => Answer::status(404),
        });
        let tollgate = Tollgate::new();
        tollgate
            .write("c.json", configuration(&server.origin).replace("https://as.example.com", &server.origin));
        tollgate.write("token", token);
        tollgate.run(["doctor", "c.json", "--allow-http", "--token-file", "token"])
    };
    let run = examine(set(), "opaque");
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.stdout.contains("✓ 1 key(s), for ES256"), "{run:?}");
    assert!(
        run.stdout.contains("· keys[1] (kid \"secret\") is skipped: it holds a private or symmetric key"),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("✗ the token: the token is not valid: it is not a usable JWT: not three parts"),
        "{run:?}"
    );
    let run = examine(json!({"keys": []}), "opaque");
    assert!(run.stdout.contains("/jwks: it has no usable key"), "{run:?}");
    assert_eq!(run.status, 1, "{run:?}");
}
