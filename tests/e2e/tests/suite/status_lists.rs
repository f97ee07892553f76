//! JWTs whose issuer revokes them in a status list, in a real Envoy.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tollgate_cases::status_list::{MEDIA_TYPE, status_list, with_status};
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::{Regular, Request};
use tollgate_e2e::envoy::Envoy;
use tollgate_e2e::my_turn;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::upstream::Upstream;

const LIST: &str = "http://lists.example.com/statuslists/1";

#[test]
fn a_revoked_jwt_is_rejected_with_the_next_list() {
    // TSL-15, TSL-17, TSL-19
    for workers in [1, 4] {
        let world = World::start(workers, &json!({"stale_if_error": "4s"}));
        world.becomes(5, 503, "nobody serves the list yet");
        world.serve(&[0], 1);
        world.becomes(5, 200, "no token is revoked");
        for round in 0..2 {
            world.serve(&[1 << 5], 1);
            let since = Instant::now();
            world.becomes(5, 401, "its issuer has revoked it");
            assert!(since.elapsed() < Duration::from_secs(8), "{workers} workers: {:?}", since.elapsed());
            assert_eq!(world.ask(4), 200, "{workers} workers: no other token is");
            assert_eq!(world.ask(8), 401, "beyond the end");
            world.serve(&[0], 1);
            world.becomes(5, 200, &format!("it is valid again, {round}"));
        }
        world.serve(&[1 << 5], 1);
        world.becomes(5, 401, "it is revoked");
        // The server is away: stale for a while, and then closed.
        world.lists.always(Some(Behaviour::close()));
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(3) {
            assert_eq!((world.ask(4), world.ask(5)), (200, 401), "the last list counts");
            thread::sleep(Duration::from_millis(20));
        }
        world.becomes(4, 503, "it fails closed");
        world.becomes(5, 503, "for all of them");
        // Anybody may serve a list, but only the issuer can sign it.
        let forged = status_list(LIST, 1, &[0], &json!({"ttl": 1}));
        let forged = tollgate_cases::token::Token { key: Some("other-p256".to_owned()), ..forged };
        let header = forged.header.clone().into_iter().chain([("kid".to_owned(), json!("p256"))]).collect();
        let forged = tollgate_cases::token::Token { header, ..forged };
        world.lists.always(Some(Behaviour::reply(200, MEDIA_TYPE, &forged.at(now()))));
        let failures = world.envoy.counters("status_lists").get("failures").copied();
        world.envoy.wait_until("the forged list has been fetched", || {
            world.envoy.counters("status_lists").get("failures").copied()
                >= failures.map(|n| n + 2 * u64::from(workers))
        });
        assert_eq!(world.ask(4), 503, "{workers} workers");
        world.serve(&[0], 1);
        world.becomes(5, 200, "the server is back");
        world.envoy.assert_clean_log(&[]);
    }
}

#[test]
fn lists_are_fetched_once_for_each_ttl_whatever_the_load() {
    // TSL-15, TSL-18
    const TTL: u64 = 2;
    let _turn = my_turn();
    for workers in [1, 4] {
        let world = World::start(workers, &json!({}));
        world.serve(&[0xf0, 0, 0, 0], TTL);
        world.becomes(0, 200, "the list is there");
        world.lists.take();
        let (is_over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        let since = Instant::now();
        thread::scope(|scope| {
            for client in 0..8 {
                let (is_over, sent, port) = (&is_over, &sent, world.port);
                scope.spawn(move || {
                    let mut connection = Regular::new(port);
                    let mut n = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        n += 1;
                        let index = (client + n) % 32;
                        let response = connection.get("/load", &with_status(LIST, index).at(now()));
                        let want = if (4..8).contains(&index) { 401 } else { 200 };
                        assert_eq!(response.status(), want, "{index}");
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            thread::sleep(Duration::from_secs(8));
            is_over.store(true, Ordering::Relaxed);
        });
        let calls = world.lists.take().len();
        // Each worker asks after nine tenths of the time at the earliest, and so does Envoy's main thread, which has the
        // module as well.
        let most = since.elapsed().as_millis() * 10 / u128::from(TTL * 9_000) + 1;
        let most = usize::try_from(most).expect("few") * (usize::try_from(workers).expect("few") + 1);
        assert!((3..=most).contains(&calls), "{workers} workers: {calls} calls, at most {most}");
        assert!(sent.load(Ordering::Relaxed) > 500, "{} requests", sent.load(Ordering::Relaxed));
        world.envoy.assert_clean_log(&[]);
    }
}

/// An Envoy, and a server of lists.
struct World {
    envoy: Envoy,
    port: u16,
    lists: AuthorizationServer,
    workers: u32,
    _upstream: Upstream,
}

impl World {
    fn start(workers: u32, changes: &Value) -> Self {
        let (upstream, lists) = (Upstream::start(), AuthorizationServer::start());
        lists.always(Some(Behaviour::close()));
        let mut status_list = json!({"uris": [LIST], "cluster": "lists", "timeout": "500ms"});
        tollgate_e2e::world::merge(&mut status_list, changes.clone());
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "p256",
            "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"});
        let policy = json!({
            "providers": {"as": {
                "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
                "jwks": {"inline": {"keys": [key]}}, "status_list": status_list,
            }},
            "cache": {"max_entries": 1000},
        });
        let mut stage = Stage { workers, ..Stage::new() };
        stage = stage.cluster("upstream", upstream.port()).cluster("lists", lists.port());
        let envoy = stage.listener("jwt", Plugin::new(policy)).start();
        let port = envoy.port("jwt");
        Self { envoy, port, lists, workers, _upstream: upstream }
    }

    /// From now on, this is the list.
    fn serve(&self, bytes: &[u8], ttl: u64) {
        let list = status_list(LIST, 1, bytes, &json!({ "ttl": ttl })).at(now());
        self.lists.always(Some(Behaviour::reply(200, MEDIA_TYPE, &list)));
    }

    /// A request with a token whose status is that entry.
    fn ask(&self, index: u64) -> u16 {
        Request::get("/orders").bearer(&with_status(LIST, index).at(now())).send(self.port).status()
    }

    /// All workers: connections go to whichever is free.
    fn becomes(&self, index: u64, want: u16, why: &str) {
        let since = Instant::now();
        let mut in_a_row = 0;
        while in_a_row < 20 * self.workers {
            let found = self.ask(index);
            in_a_row = if found == want { in_a_row + 1 } else { 0 };
            let is_late = since.elapsed() > Duration::from_secs(20);
            assert!(!is_late, "{} workers: {why}: {found} instead of {want}", self.workers);
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}
