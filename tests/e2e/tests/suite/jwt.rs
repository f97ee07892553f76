//! JWTs of oidc-provider, verified by Envoy and the module; and keys that change under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tollgate_cases::token::Token;
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::{Regular, Request};
use tollgate_e2e::envoy::Envoy;
use tollgate_e2e::my_turn;
use tollgate_e2e::oidc_provider::{OF_JWTS, OidcProvider};
use tollgate_e2e::ports::reserved_port;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::upstream::Upstream;

const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

#[test]
fn tokens_of_a_real_authorization_server_are_verified() {
    // ATJ-01, ATJ-02, JWT-07, JWT-20, JWT-46, RSI-01
    let port = reserved_port();
    let upstream = Upstream::start();
    let mut stage = Stage::new().cluster("upstream", upstream.port()).cluster("as", port);
    stage = stage.listener("jwt", Plugin::new(policy(port, json!({}))));
    stage = stage
        .listener("other", Plugin::new(policy(port, json!({"audiences": ["https://other.example.com"]}))));
    let envoy = stage.start();

    // Without keys nobody can tell, and no token is called bad.
    let garbage = Token { key: Some("p256".to_owned()), ..token_of(port) }.at(now());
    assert_eq!(ask(&envoy, "jwt", &garbage), 503);

    let server = Provider::start(port);
    let passes = || ask(&envoy, "jwt", &server.token("ES256", "orders:read")) == 200;
    envoy.wait_until("the keys have arrived", passes);
    for alg in ALGORITHMS {
        let token = server.token(alg, "orders:read");
        assert_eq!(ask(&envoy, "jwt", &token), 200, "{alg}");
        assert_eq!(ask(&envoy, "jwt", &token), 200, "{alg}, remembered");
        assert_eq!(ask(&envoy, "other", &token), 401, "{alg}, for another audience");
        let (signed, signature) = token.rsplit_once('.').expect("a JWT");
        let forged = format!("{signed}.{}{}", &signature[1..], &signature[..1]);
        assert_eq!(ask(&envoy, "jwt", &forged), 401, "{alg}, forged");
        assert_eq!(ask(&envoy, "jwt", &server.token(alg, "orders:write")), 403, "{alg}, of another scope");
    }
    assert_eq!(ask(&envoy, "jwt", &server.opaque_token()), 401, "an opaque token is no JWT");
    let before = server.token("ES256", "orders:read");

    // Another start, other keys; the same names. What the old ones signed is good as long as they are known.
    drop(server);
    assert_eq!(ask(&envoy, "jwt", &before), 200, "the server is away, and nobody needs it");
    let server = Provider::start(port);
    let passes = || ask(&envoy, "jwt", &server.token("ES256", "orders:read")) == 200;
    envoy.wait_until("the new keys have arrived", passes);
    envoy.wait_until("the old keys have gone (JWT-47)", || ask(&envoy, "jwt", &before) == 401);
    assert_eq!(envoy.counters("introspection").get("calls").copied().unwrap_or_default(), 0);
    envoy.assert_clean_log(&[&before, &garbage]);
}

#[test]
fn keys_change_under_load_and_no_request_is_lost() {
    let _turn = my_turn();
    // JWT-20, JWT-22
    for workers in [1, 4] {
        let (upstream, keys) = (Upstream::start(), AuthorizationServer::start());
        // Before Envoy: its workers fetch at once.
        keys.always(Some(Behaviour::json(&set(0).to_string())));
        let jwks = json!({"uri": "http://as.example.com/jwks", "cluster": "as"});
        let policy = json!({
            "providers": {"as": {
                "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
                "jwks": jwks,
            }},
            "cache": {"max_entries": 1000},
        });
        let mut stage = Stage { workers, ..Stage::new() };
        stage = stage.cluster("upstream", upstream.port()).cluster("as", keys.port());
        let envoy = stage.listener("jwt", Plugin::new(policy)).start();
        let port = envoy.port("jwt");
        let generation = AtomicUsize::new(0);
        let (is_over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for client in 0..8 {
                let (generation, is_over, sent) = (&generation, &is_over, &sent);
                scope.spawn(move || {
                    let mut connection = Regular::new(port);
                    let mut n = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        n += 1;
                        let token = token(generation.load(Ordering::Acquire), client * 1_000_000 + n / 3);
                        let response = connection.get("/load", &token);
                        if response.status() != 200 {
                            is_over.store(true, Ordering::Relaxed);
                            panic!("{workers} workers: {response:?}");
                        }
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for next in 1..=4 {
                let since = sent.load(Ordering::Relaxed);
                let until = Instant::now() + PATIENCE;
                while sent.load(Ordering::Relaxed) < since + 400
                    && Instant::now() < until
                    && !is_over.load(Ordering::Relaxed)
                {
                    thread::sleep(Duration::from_millis(20));
                }
                // The server publishes a key, and signs with it at once.
                keys.always(Some(Behaviour::json(&set(next).to_string())));
                generation.store(next, Ordering::Release);
            }
            let since = sent.load(Ordering::Relaxed);
            let until = Instant::now() + PATIENCE;
            while sent.load(Ordering::Relaxed) < since + 400
                && Instant::now() < until
                && !is_over.load(Ordering::Relaxed)
            {
                thread::sleep(Duration::from_millis(20));
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(sent.load(Ordering::Relaxed) >= 2000, "{} requests", sent.load(Ordering::Relaxed));
        let calls = keys.take().len();
        assert!((5..=12 * usize::try_from(workers).expect("few")).contains(&calls), "{calls} calls");
        assert_eq!(envoy.counters("verdict").get("allowed").copied(), u64::try_from(sent.into_inner()).ok());
        envoy.assert_clean_log(&[]);
    }
}

/// The keys of a generation: the new one and the one before.
fn set(generation: usize) -> Value {
    let key = |generation: usize| {
        let mut key = if generation.is_multiple_of(2) {
            json!({"kty": "EC", "crv": "P-256", "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"})
        } else {
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
        };
        key["kid"] = json!(format!("k{generation}"));
        key
    };
    let before = generation.checked_sub(1).map(key);
    json!({"keys": before.into_iter().chain([key(generation)]).collect::<Vec<_>>()})
}

/// A token of a generation; `n` tells it from others.
fn token(generation: usize, n: usize) -> String {
    let alg = if generation.is_multiple_of(2) { "ES256" } else { "EdDSA" };
    let header = Map::from_iter([("kid".to_owned(), json!(format!("k{generation}")))]);
    let claims = Map::from_iter([("jti".to_owned(), json!(n.to_string()))]);
    Token { alg: Some(alg.to_owned()), header, claims, ..Token::default() }.at(now())
}

/// A token that claims to be the server's.
fn token_of(port: u16) -> Token {
    Token { claims: Map::from_iter([("iss".to_owned(), json!(issuer(port)))]), ..Token::default() }
}

fn policy(port: u16, changes: Value) -> Value {
    let mut provider = json!({
        "issuer": issuer(port), "audiences": ["https://api.example.com"], "validate": "jwt", "algorithms": ALGORITHMS,
        "jwks": {"uri": format!("{}/jwks", issuer(port)), "cluster": "as", "cache_duration": "2s"},
    });
    tollgate_e2e::world::merge(&mut provider, changes);
    json!({"providers": {"as": provider}, "requires": {"scopes": ["orders:read"]}})
}

fn ask(envoy: &Envoy, listener: &str, token: &str) -> u16 {
    Request::get("/orders").bearer(token).send(envoy.port(listener)).status()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

/// oidc-provider, and what is asked of it.
struct Provider(OidcProvider);

impl Provider {
    fn start(port: u16) -> Self {
        Self(OidcProvider::start(OF_JWTS, port, &[]))
    }

    fn token(&self, alg: &str, scope: &str) -> String {
        self.ask(&format!("&scope={scope}&resource=https://api.example.com/{alg}"))
    }

    fn opaque_token(&self) -> String {
        self.ask("&scope=orders:read")
    }

    fn ask(&self, more: &str) -> String {
        let body = format!("grant_type=client_credentials&client_id=app&client_secret=app-secret{more}");
        let request =
            Request::new("POST", "/token").header("Content-Type", "application/x-www-form-urlencoded");
        let request = request.body(body.as_bytes()).host(&format!("localhost:{}", self.0.port));
        let answer: Value = serde_json::from_slice(&request.send(self.0.port).body).expect("JSON");
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token in {answer}")).to_owned()
    }
}

fn issuer(port: u16) -> String {
    OidcProvider::issuer(port)
}

const PATIENCE: Duration = Duration::from_secs(30);
