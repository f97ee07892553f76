//! `tollgate run`: a guarded API from one file, its changes, and its end.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::{binary, module};
use tollgate_e2e::operator::Operator;
use tollgate_e2e::ports::{listen, reserved_port};
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

    // A mistake that is undone is in force again, and that is said.
    at.write("gateway.yaml", &short_file("read", "").replace("scopes", "scops"));
    run.expect(7, "rejected");
    at.write("gateway.yaml", &short_file("read", ""));
    run.expect(8, "changed");
    assert_ne!(Request::get("/health").send(port).status(), 200, "the API is gone");

    let log = run.end();
    assert!(!log.contains("hush"), "{log}");
    let warnings: Vec<&str> = log.lines().filter(|line| line.starts_with("warning: ")).collect();
    let different: BTreeSet<&&str> = warnings.iter().collect();
    assert!(!warnings.is_empty() && warnings.len() == different.len(), "each is said once: {warnings:#?}");
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
    let since = Instant::now();
    while is_running(envoy) {
        assert!(since.elapsed().as_secs() < 60, "Envoy is still there");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_change_keeps_sessions_takes_renewed_authorities_and_leaves_no_old_secret() {
    let (at, server, upstream) = (Operator::new(), AuthorizationServer::start(), TlsUpstream::start());
    let short_file = |name: &str, scope: &str| {
        format!(
            r#"
listen: 127.0.0.1:0
providers:
  {name}: {{introspection_endpoint: "http://127.0.0.1:{port}/i", authorization_endpoint: "https://login.example.com/a", token_endpoint: "http://127.0.0.1:{port}/t", client_id: gateway, client_secret_file: secret}}
apis:
  orders: {{upstream: "https://127.0.0.1:{}", upstream_ca_file: ca.pem, scopes: [{scope}]}}
login: {{client_id: web, client_secret_file: secret}}
"#,
            upstream.port,
            port = server.port(),
        )
    };
    at.write("secret", "hush\n");
    at.write("ca.pem", &TlsUpstream::start().certificate);
    at.write("gateway.yaml", &short_file("main", "read"));
    let run = Run::start_with(&command_with(&at, &["gateway.yaml", "--out", "files"]));
    let port = run.port();
    server.on("reader", [Behaviour::active_for(600, "read")]);
    let status = || Request::get("/").bearer("reader").send(port).status();
    assert_eq!(status(), 503, "the authority is another one");

    // The file of the authority is renewed. Envoy reads it.
    at.write("ca.pem", &upstream.certificate);
    run.expect(1, "changed");
    assert_eq!(status(), 200);
    assert_eq!(fs::read_dir(at.directory.join("files/ca")).expect("a folder").count(), 1);

    // The key of the sessions stays, and the secret of a provider that is gone is removed.
    let key = at.read("files/secrets/login-hmac.yaml");
    assert!(at.directory.join("files/secrets/main.yaml").exists());
    at.write("gateway.yaml", &short_file("other", "read"));
    run.expect(2, "changed");
    assert_eq!(at.read("files/secrets/login-hmac.yaml"), key);
    assert!(at.directory.join("files/secrets/other.yaml").exists());
    assert!(!at.directory.join("files/secrets/main.yaml").exists());
    run.end();
}

#[test]
fn a_port_or_a_directory_that_another_run_uses_is_an_error() {
    let at = Operator::new();
    let port = reserved_port();
    at.write("secret", "hush\n");
    at.write("gateway.yaml", &small(&format!("listen: 127.0.0.1:{port}\n"), 9));
    at.write("free.yaml", &small("listen: 127.0.0.1:0\n", 9));
    let run = Run::start_with(&command_with(&at, &["gateway.yaml", "--out", "files"]));
    assert_eq!(run.port(), port);
    let in_use = format!("another program, or another tollgate run, listens on 127.0.0.1:{port} already");
    let cases = [
        (&["gateway.yaml"][..], in_use.as_str()),
        (&["free.yaml", "--out", "files"], "another tollgate run uses "),
    ];
    for (args, want) in cases {
        let done = command_with(&at, args).output().expect("tollgate can be run");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(want) && !said.contains("Envoy"), "{said}");
    }
    // A change to a port in use is not in force.
    let other = reserved_port();
    let listener = TcpListener::bind(("127.0.0.1", other)).expect("a port");
    at.write("gateway.yaml", &small(&format!("listen: 127.0.0.1:{other}\n"), 9));
    let event = run.expect(1, "rejected");
    assert!(event["error"].to_string().contains(&format!("listens on 127.0.0.1:{other} already")), "{event}");
    assert_eq!(event["restored"], true);
    assert_eq!(Request::get("/").send(port).status(), 401);
    drop(listener);
    let log = run.end();
    assert!(!log.contains("hush"), "{log}");
}

#[test]
fn a_signal_is_heard_while_a_change_is_delivered_and_a_second_one_kills() {
    let at = Operator::new();
    at.write("secret", "hush\n");
    at.write("gateway.yaml", &small("listen: 127.0.0.1:0\n", 9));
    let run = Run::start(&at);
    let (envoy, directory) = (run.envoy(), run.directory());
    // An Envoy that hangs.
    send("STOP", &envoy.to_string());
    at.write("gateway.yaml", &small("listen: 127.0.0.1:0\n", 9).replace("main", "other"));
    let new = Path::new(&directory).join("secrets/other.yaml");
    run.process.wait_for("the delivery has begun", || new.exists().then_some(()));
    run.process.may_end();
    let number = run.process.id().0.to_string();
    send("TERM", &number);
    run.expect(1, "stopping");
    let since = Instant::now();
    send("INT", &number);
    run.expect(2, "stopped");
    assert!(since.elapsed().as_secs() < 10, "it was not killed");
    assert!(!is_running(envoy));
    run.has_ended(&directory);
}

#[test]
fn an_error_during_a_delivery_is_taken_back() {
    let (at, server, upstream) = (Operator::new(), AuthorizationServer::start(), Upstream::start());
    at.write("secret", "hush\n");
    let short_file = |more: &str| {
        small("listen: 127.0.0.1:0\n", server.port())
            .replace("127.0.0.1:9", &format!("127.0.0.1:{}", upstream.port()))
            + more
    };
    let more = "  more: {prefix: /more, upstream: \"http://127.0.0.1:9\", scopes: [more]}\n";
    at.write("gateway.yaml", &short_file(""));
    let run = Run::start_with(&command_with(&at, &["gateway.yaml", "--out", "files"]));
    server.on("reader", [Behaviour::active_for(600, "a")]);
    let status = || Request::get("/").bearer("reader").send(run.port()).status();
    assert_eq!(status(), 200);
    // Clusters can be written, and the listener cannot.
    let listeners = at.directory.join("files/lds.yaml");
    fs::remove_file(&listeners).expect("a file is removed");
    fs::create_dir_all(listeners.join("in-the-way")).expect("a directory");
    at.write("gateway.yaml", &short_file(more));
    let event = run.expect(1, "rejected");
    assert!(event["error"].to_string().contains("lds.yaml"), "{event}");
    assert_eq!(event["restored"], true, "{event}");
    assert!(!at.read("files/cds.yaml").contains("api-more"));
    assert_eq!(status(), 200);
    // And the next change is delivered.
    fs::remove_dir_all(&listeners).expect("a directory is removed");
    at.write("gateway.yaml", &(short_file(more) + "\n"));
    run.expect(2, "changed");
    assert!(at.read("files/cds.yaml").contains("api-more"));
    assert_eq!(Request::get("/more").bearer("reader").send(run.port()).status(), 403);
    run.end();
}

#[test]
fn the_standard_input_is_read_once() {
    let (at, server) = (Operator::new(), AuthorizationServer::start());
    at.write("secret", "hush-one\n");
    at.write("gateway.yaml", &small("listen: 127.0.0.1:0\n", server.port()));
    let run = command_with(&at, &["-"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" < gateway.yaml"]).arg(run.get_program()).args(run.get_args());
    shell.current_dir(&at.directory).envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let run = Run::start_with(&shell);
    at.write("secret", "hush-two\n");
    run.expect(1, "changed");
    assert!(fs::read_to_string(Path::new(&run.directory()).join("secrets/main.yaml")).is_ok());
    run.end();
}

#[test]
fn a_signal_before_envoy_starts_leaves_nothing_behind() {
    let (at, silent) = (Operator::new(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let issuer = format!("http://{}", silent.local_addr().expect("an address"));
    at.write("secret", "hush\n");
    fs::create_dir(at.directory.join("tmp")).expect("a directory");
    let file = format!(
        "providers: {{main: {{issuer: \"{issuer}\", client_id: g, client_secret_file: secret}}}}\napis: {{a: {{upstream: \"http://127.0.0.1:9\", scopes: [a]}}}}\n"
    );
    at.write("gateway.yaml", &file);
    let mut command = command_with(&at, &["gateway.yaml", "--allow-http"]);
    command.env("TMPDIR", at.directory.join("tmp"));
    let run = Run { process: Process::start("tollgate run", &command, &scratch()) };
    // The issuer is asked, and does not respond.
    let (_connection, _) = silent.accept().expect("a connection");
    send("QUIT", &run.process.id().0.to_string());
    run.expect(0, "stopped");
    run.has_ended("");
    assert_eq!(fs::read_dir(at.directory.join("tmp")).expect("a directory").count(), 0);
}

/// A short file with one provider at this port, and one API.
fn small(head: &str, provider: u16) -> String {
    format!(
        "{head}providers:\n  main: {{introspection_endpoint: \"http://127.0.0.1:{provider}/i\", client_id: g, client_secret_file: secret}}\napis:\n  a: {{upstream: \"http://127.0.0.1:9\", scopes: [a]}}\n"
    )
}

/// An API with a certificate of its own.
struct TlsUpstream {
    port: u16,
    certificate: String,
}

impl TlsUpstream {
    fn start() -> Self {
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("a certificate with its key");
        let config = Arc::new(config);
        let port = listen(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream);
            let mut head = Vec::new();
            while let Ok(1..) = io::Read::by_ref(&mut stream).take(1).read_to_end(&mut head) {
                if head.ends_with(b"\r\n\r\n") {
                    head.clear();
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                }
            }
        });
        Self { port, certificate: own.cert.pem() }
    }
}

/// A running `tollgate run --json`.
struct Run {
    process: Process,
}

impl Run {
    /// In the directory with `gateway.yaml`, until it is ready.
    fn start(at: &Operator) -> Self {
        Self::start_with(&command(at))
    }

    fn start_with(command: &Command) -> Self {
        let run = Self { process: Process::start("tollgate run", command, &scratch()) };
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

    fn directory(&self) -> String {
        self.events()[0]["directory"].as_str().expect("a directory").to_owned()
    }

    /// Ends it as a service manager does, and returns all that it has said.
    fn end(self) -> String {
        let (envoy, directory) = (self.envoy(), self.directory());
        self.process.may_end();
        send("TERM", &self.process.id().0.to_string());
        let said = self.process.wait_for("it says that it has ended", || {
            let log = self.process.log();
            log.contains(r#""event":"stopped""#).then_some(log)
        });
        assert!(!is_running(envoy), "Envoy is still there");
        self.has_ended(&directory);
        said
    }

    /// Waits for its end. Nothing of a temporary directory is left.
    fn has_ended(&self, directory: &str) {
        let status = loop {
            if let Some(status) = self.process.ended() {
                break status;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        assert!(status.success(), "{status}");
        let is_left = directory.contains("tollgate-run-") && fs::exists(directory).unwrap_or(true);
        assert!(!is_left, "its temporary directory is still there");
    }
}

fn send(signal: &str, process: &str) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(process).status();
    assert!(sent.expect("kill can be run").success());
}

fn command(at: &Operator) -> Command {
    command_with(at, &["gateway.yaml"])
}

fn command_with(at: &Operator, args: &[&str]) -> Command {
    let (module, envoy) = (module().display().to_string(), binary().display().to_string());
    at.command(&[&["run"], args, &["--json", "--module", &module, "--envoy", &envoy]].concat())
}

/// Not a process that has ended, and that nobody has asked about.
fn is_running(number: u64) -> bool {
    let about = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    about.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}
