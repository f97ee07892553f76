//! `tollgate run`: a guarded API from one file, its changes, and its end.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::{binary, module};
use tollgate_e2e::operator::Operator;
use tollgate_e2e::process::Process;
use tollgate_e2e::scratch;
use tollgate_e2e::upstream::Upstream;

#[test]
fn a_short_file_is_served_followed_and_ended() {
    let (at, server, upstream) = (Operator::new(), AuthorizationServer::start(), Upstream::start());
    let short_file = |scope: &str, more: &str| {
        format!(
            r#"
listen: 127.0.0.1:0
providers:
  main: {{introspection_endpoint: "http://127.0.0.1:{}/i", client_id: gateway, client_secret_file: secret}}
apis:
  orders: {{prefix: /orders, upstream: "http://127.0.0.1:{}", scopes: [{scope}]}}
{more}"#,
            server.port(),
            upstream.port()
        )
    };
    at.write("secret", "hush-one\n");
    at.write("gateway.yaml", &short_file("read", ""));
    let run = Run::start(&at);
    let port = run.port();

    // What is printed works, or is rejected, as it says.
    server.on("reader", [Behaviour::active_for(600, "read")]);
    server.on("writer", [Behaviour::active_for(600, "write")]);
    let status = |token: &str| Request::get("/orders").bearer(token).send(port).status();
    assert_eq!(Request::get("/orders").send(port).status(), 401);
    assert_eq!((status("reader"), status("writer")), (200, 403));
    let requests = run.events()[0]["requests"].clone();
    assert_eq!(requests[1]["curl"], format!("curl -i http://127.0.0.1:{port}/orders"), "{requests}");
    assert_eq!(requests[1]["status"], 401);

    // A change takes effect without a restart: another scope, and another API with a cluster of its own.
    let more = format!(
        "  health: {{prefix: /health, upstream: \"http://127.0.0.1:{}\", rules: [{{name: health, match: {{path: /health}}, access: anonymous}}]}}\n",
        upstream.port()
    );
    at.write("gateway.yaml", &short_file("write", &more));
    run.expect(1, "changed");
    assert_eq!((status("reader"), status("writer")), (403, 200));
    assert_eq!(Request::get("/health").send(port).status(), 200);

    // A new secret is used, too.
    at.write("secret", "hush-two\n");
    run.expect(2, "changed");
    server.take();
    server.on("new", [Behaviour::active_for(600, "write")]);
    run.process.wait_for("the new secret is used", || {
        assert_eq!(status(&format!("unknown-{}", server.take().len())), 401);
        server
            .take()
            .iter()
            .any(|call| call.all("authorization") == ["Basic Z2F0ZXdheTpodXNoLXR3bw=="])
            .then_some(())
    });

    // A misspelt key: the last configuration stays.
    at.write("gateway.yaml", &short_file("read", "").replace("scopes", "scops"));
    let why = run.expect(3, "rejected")["error"].to_string();
    assert!(why.contains("gateway.yaml:6:") && why.contains("scops"), "{why}");
    assert_eq!((status("reader"), status("writer")), (403, 200));

    // What Envoy itself rejects: the same.
    at.write("broken.pem", "no certificate\n");
    let tls = format!("tls: {{certificate: broken.pem, key: broken.pem}}\n{}", short_file("read", ""));
    at.write("gateway.yaml", &tls);
    let why = run.expect(4, "rejected")["error"].to_string();
    assert!(why.contains("Envoy rejected it") && why.contains("certificate"), "{why}");
    assert_eq!((status("reader"), status("writer")), (403, 200));

    // What needs a restart says so.
    at.write("gateway.yaml", &short_file("read", "max_connections: 5\n"));
    let why = run.expect(5, "rejected")["error"].to_string();
    assert!(why.contains("needs a restart"), "{why}");

    // And back.
    at.write("gateway.yaml", &short_file("read", ""));
    run.expect(6, "changed");
    assert_eq!((status("reader"), status("writer")), (200, 403));
    assert_ne!(Request::get("/health").send(port).status(), 200, "the API is gone");

    let log = run.end();
    assert!(!log.contains("hush"), "{log}");
}

#[test]
fn a_first_configuration_that_envoy_rejects_is_an_error() {
    let at = Operator::new();
    at.write("secret", "hush\n");
    at.write("broken.pem", "no certificate\n");
    at.write(
        "gateway.yaml",
        r#"
listen: 127.0.0.1:0
tls: {certificate: broken.pem, key: broken.pem}
providers:
  main: {introspection_endpoint: "http://127.0.0.1:9/i", client_id: gateway, client_secret_file: secret}
apis:
  orders: {upstream: "http://127.0.0.1:9", scopes: [read]}
"#,
    );
    let done = command(&at).output().expect("tollgate can be run");
    assert_eq!(done.status.code(), Some(2));
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(said.contains("Envoy does not load the configuration") && said.contains("certificate"), "{said}");
}

#[test]
fn envoy_ends_with_a_command_that_is_killed() {
    let (at, server) = (Operator::new(), AuthorizationServer::start());
    at.write("secret", "hush\n");
    let file = format!(
        "listen: 127.0.0.1:0\nproviders: {{main: {{introspection_endpoint: \"http://127.0.0.1:{}/i\", client_id: g, client_secret_file: secret}}}}\napis: {{a: {{upstream: \"http://127.0.0.1:9\", scopes: [a]}}}}\n",
        server.port()
    );
    at.write("gateway.yaml", &file);
    let run = Run::start(&at);
    let envoy = run.envoy();
    assert!(is_running(envoy));
    // The leash kills the command, which can do nothing any more.
    drop(run);
    let since = std::time::Instant::now();
    while is_running(envoy) {
        assert!(since.elapsed().as_secs() < 60, "Envoy is still there");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A running `tollgate run --json`.
struct Run {
    process: Process,
}

impl Run {
    /// In the directory with `gateway.yaml`, until it is ready.
    fn start(at: &Operator) -> Self {
        let run = Self { process: Process::start("tollgate run", &command(at), &scratch()) };
        run.expect(0, "ready");
        run.process.must_last();
        run
    }

    /// What it has said so far.
    fn events(&self) -> Vec<Value> {
        self.process.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for an event, which must be of this kind.
    fn expect(&self, number: usize, kind: &str) -> Value {
        let event =
            self.process.wait_for(format!("the event {number}"), || self.events().get(number).cloned());
        assert_eq!(event["event"], kind, "{event}");
        event
    }

    fn port(&self) -> u16 {
        let url = self.events()[0]["url"].as_str().expect("a URL").to_owned();
        url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    fn envoy(&self) -> u64 {
        self.events()[0]["envoy"]["pid"].as_u64().expect("Envoy's number")
    }

    /// Ends it as a service manager does, and returns all that it has said.
    fn end(self) -> String {
        let envoy = self.envoy();
        let directory = self.events()[0]["directory"].as_str().expect("a directory").to_owned();
        self.process.may_end();
        let number = self.process.id().0.to_string();
        let sent = Command::new("kill").args(["-TERM", &number]).status().expect("kill can be run");
        assert!(sent.success());
        let said = self.process.wait_for("it says that it has ended", || {
            let log = self.process.log();
            log.contains(r#""event":"stopped""#).then_some(log)
        });
        assert!(!is_running(envoy), "Envoy is still there");
        let status = loop {
            if let Some(status) = self.process.ended() {
                break status;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        assert!(status.success(), "{status}");
        assert!(!fs::exists(directory).unwrap_or(true), "its temporary directory is still there");
        said
    }
}

fn command(at: &Operator) -> Command {
    let (module, envoy) = (module().display().to_string(), binary().display().to_string());
    at.command(&["run", "gateway.yaml", "--json", "--quiet", "--module", &module, "--envoy", &envoy])
}

/// Not a process that has ended, and that nobody has asked about.
fn is_running(number: u64) -> bool {
    let about = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    about.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}
