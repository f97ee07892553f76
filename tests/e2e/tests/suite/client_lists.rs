//! Who may call changes while Envoy runs, with `tollgate client serve`.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::operator::Operator;
use tollgate_e2e::ports::reserved_port;
use tollgate_e2e::stage::Stage;
use tollgate_e2e::world::{World, merge};

/// The filter fetches every second, by each worker.
const REFRESH: Duration = Duration::from_secs(1);

#[test]
fn who_may_call_changes_while_envoy_runs() {
    let at = operator();
    at.run(&["client", "allow", "partners", "app", "--id", "--tier", "gold"]);
    let port = reserved_port();
    for workers in [1, 4] {
        let requires = json!({"requires": {"clients": {"list": "partners"}}});
        let listed = Listed::start(workers, port, "partners", "lists/partners", requires);
        let world = &listed.world;
        let body = r#"{"active":true,"client_id":"app","exp":4000000000}"#;
        world.server.always(Some(Behaviour::json(body)));
        let becomes = |want: u16, why: &str| listed.becomes("hush-good", want, why);
        becomes(503, "nobody serves the list yet");
        let server = at.serve(&format!("127.0.0.1:{port}"), &["--bearer-token-file", "token"]);
        becomes(200, "the client is on the list");
        at.run(&["client", "deny", "partners", "app"]);
        becomes(403, "the client has been struck off");
        at.run(&["client", "allow", "partners", "app", "--id"]);
        becomes(200, "and is on it again");
        drop(server);
        let since = Instant::now();
        while since.elapsed() < REFRESH * 3 {
            assert_eq!(listed.status("hush-good"), 200, "the last list is kept");
            thread::sleep(Duration::from_millis(50));
        }
        assert!(world.server.calls_about("hush-good") <= 1, "the token is remembered throughout");
        let counters = world.envoy.counters("client_lists");
        assert!(counters.get("changes") >= Some(&3), "{counters:?}");
        assert!(counters.get("failures") >= Some(&1), "{counters:?}");
        world.envoy.assert_clean_log(&["hush"]);
    }
}

#[test]
fn what_an_operator_revokes_is_rejected_within_refresh() {
    let at = operator();
    at.write("stolen", "hush-stolen\n");
    let port = reserved_port();
    let server = at.serve(&format!("127.0.0.1:{port}"), &["--bearer-token-file", "token"]);
    for workers in [1, 4] {
        let revocation = json!({"revocation": {"lists": ["revoked"]}});
        let listed = Listed::start(workers, port, "revoked", "revoked", revocation);
        let world = &listed.world;
        for (token, sub) in [("hush-stolen", "ann"), ("hush-good", "bob")] {
            let body = format!(r#"{{"active":true,"client_id":"app","sub":"{sub}","exp":4000000000}}"#);
            world.server.on(token, [Behaviour::json(&body)]);
        }
        let becomes = |want: u16, why: &str| listed.becomes("hush-stolen", want, why);
        becomes(200, "nothing is revoked");
        for (what, undo) in
            [(&["token", "--token-file", "stolen"][..], "8bd3ee9dcd02"), (&["subject", "ann"], "ann")]
        {
            at.run(&[&["revoke"], what, &["--for", "1h"]].concat());
            becomes(401, "it is revoked");
            assert_eq!(listed.status("hush-good"), 200, "nobody else is, {workers} workers");
            at.run(&["revoke", "undo", undo]);
            becomes(200, "it is accepted again");
        }
        at.run(&["revoke", "client", "app", "--id", "--for", "1h"]);
        becomes(401, "its client is revoked");
        assert_eq!(listed.status("hush-good"), 401, "and so are all tokens of that client");
        at.run(&["revoke", "undo", "app"]);
        becomes(200, "it is accepted again");
        assert_eq!(world.server.calls_about("hush-stolen"), 1, "the token was cached throughout");
        world.envoy.assert_clean_log(&["hush"]);
    }
    drop(server);
}

/// An operator, and the token with which lists are fetched.
fn operator() -> Operator {
    let at = Operator::new();
    at.write("token", "hush-list\n");
    at
}

/// A world whose listener fetches a list.
struct Listed {
    world: World,
    workers: u32,
}

impl Listed {
    /// One whose list `name` is at this path of the server at `port`.
    fn start(workers: u32, port: u16, name: &str, path: &str, more: Value) -> Self {
        let env = vec![("LISTS".to_owned(), "hush-list".to_owned())];
        let stage = Stage { workers, env, ..Stage::new() };
        let mut policy = json!({
            "client_lists": {name: {
                "uri": format!("http://lists.example/{path}"), "cluster": "lists",
                "refresh": "1s", "timeout": "500ms", "bearer_token_env": "LISTS",
            }},
            "cache": {"max_entries": 1000, "ttl": "1h"},
        });
        merge(&mut policy, more);
        Self { world: World::start(stage.cluster("lists", port).policy("api", policy)), workers }
    }

    fn status(&self, token: &str) -> u16 {
        Request::get("/orders").bearer(token).send(self.world.port("api")).status()
    }

    /// Waits for a status of all workers: connections go to whichever is free.
    fn becomes(&self, token: &str, want: u16, why: &str) {
        let since = Instant::now();
        let mut in_a_row = 0;
        while in_a_row < 20 * self.workers {
            let found = self.status(token);
            in_a_row = if found == want { in_a_row + 1 } else { 0 };
            assert!(since.elapsed() < Duration::from_secs(20), "{why}: {found} instead of {want}");
        }
    }
}
