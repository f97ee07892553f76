//! TLS is checked, unless one loud switch says otherwise (DCR-23).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use super::says;
use super::servers::created;
use crate::support::{Answer, Run, Scripted, Tollgate};

/// A registration endpoint with a certificate of its own making, which is its own authority.
struct Secured {
    port: u16,
    authority: String,
}

impl Secured {
    fn start(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config =
            config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                // Whoever does not trust us goes away.
                drop(answer(&mut rustls::StreamOwned::new(connection, stream)));
            }
        });
        Self { port, authority: made.cert.pem() }
    }

    fn register(&self, tollgate: &Tollgate, more: &[&str]) -> Run {
        let endpoint = format!("https://localhost:{}/reg", self.port);
        let args = ["client", "register", "gateway", "--registration-endpoint", &endpoint];
        tollgate.run(args.iter().chain(more))
    }
}

fn answer(stream: &mut (impl std::io::Read + std::io::Write)) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut *stream);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line)? > 2 {
        let field = line.to_ascii_lowercase();
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let body = created("https://localhost", &asked).to_string();
    let head = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    stream.flush()
}

#[test]
fn certificates_are_checked() {
    let (server, tollgate) = (Secured::start("localhost"), Tollgate::new());
    tollgate.write("ca.pem", &server.authority);
    tollgate.write("empty.pem", "no certificate");
    says(
        "DCR-23 a stranger",
        &server.register(&tollgate, &[]),
        2,
        &[
            "cannot connect to https://localhost",
            "its certificate does not come from an authority that is trusted here",
            "--ca-file",
        ],
    );
    says(
        "DCR-23 no authority",
        &server.register(&tollgate, &["--ca-file", "empty.pem"]),
        2,
        &["contains no certificate in PEM"],
    );
    says(
        "DCR-23 its authority is named",
        &server.register(&tollgate, &["--ca-file", "ca.pem"]),
        0,
        &["registered gateway"],
    );
    let other = Secured::start("other.example");
    let tollgate = Tollgate::new();
    tollgate.write("ca.pem", &other.authority);
    let run = other.register(&tollgate, &["--ca-file", "ca.pem"]);
    says(
        "DCR-23 another name",
        &run,
        2,
        &["cannot connect to https://localhost", "its certificate is for another name"],
    );
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://localhost:{}/", plain.local_addr().unwrap().port());
    thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"));
        }
    });
    let run = Tollgate::new().run(["client", "register", "g", "--registration-endpoint", &address]);
    says("plain http", &run, 2, &["this port speaks plain http, not TLS", "begin with http://"]);
    let run =
        Tollgate::new().run(["client", "register", "g", "--registration-endpoint", "https://127.0.0.1:1/"]);
    says("nobody", &run, 2, &["the connection is refused; nothing listens there"]);
}

#[test]
fn one_loud_switch_turns_that_off() {
    let (server, tollgate) = (Secured::start("other.example"), Tollgate::new());
    let run = server.register(&tollgate, &["--insecure-skip-tls-verify", "--quiet"]);
    says("though quiet is asked for", &run, 0, &["WARNING: certificates are NOT verified"]);
    let tollgate = Tollgate::new();
    let run = server.register(&tollgate, &["--insecure-skip-tls-verify", "--json"]);
    assert_eq!(
        (run.status, run.json()["client_id"].clone()),
        (0, json!("c-1")),
        "the warning is not in the document"
    );
    assert!(run.stderr.contains("WARNING"));
}

/// A proxy that does nothing but write down what it is asked for.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            drop(BufReader::new(stream).read_line(&mut line));
            log.lock().unwrap().push(line.trim_end().to_owned());
        }
    });
    (origin, asked)
}

#[test]
fn a_proxy_never_sees_what_is_for_this_machine() {
    let variables = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    for variable in variables {
        let (origin, asked) = proxy();
        let with_proxy = || {
            let tollgate = Tollgate::new().variable(variable, &origin);
            tollgate.write("iat", "hush-initial");
            tollgate
        };
        let plain = Scripted::start(|own, got| Answer::json(201, created(own, &got.json())));
        let port = plain.origin.rsplit(':').next().unwrap();
        for host in ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"] {
            let endpoint = format!("http://{host}:{port}/reg");
            let args =
                ["client", "register", "gateway", "--allow-http", "--registration-endpoint", &endpoint];
            let run = with_proxy().run(args.iter().chain(&["--initial-access-token-file", "iat"]));
            // An address that is written in another way is none of ours: it is refused.
            let status = if host.starts_with('[') { 2 } else { 0 };
            assert_eq!(run.status, status, "{variable}, {host}: {run:?}");
        }
        let secured = Secured::start("localhost");
        let tollgate = with_proxy();
        tollgate.write("ca.pem", &secured.authority);
        says(variable, &secured.register(&tollgate, &["--ca-file", "ca.pem"]), 0, &["registered gateway"]);
        assert_eq!(*asked.lock().unwrap(), Vec::<String>::new(), "{variable}");
        let away = "https://as.example.com/reg";
        let run = with_proxy().run(["client", "register", "gateway", "--registration-endpoint", away]);
        assert_eq!(run.status, 2, "{variable}: {run:?}");
        let asked = asked.lock().unwrap();
        assert!(asked.iter().all(|line| line.starts_with("CONNECT as.example.com:443 ")), "{asked:?}");
        assert!(!asked.is_empty(), "{variable} is used for other machines");
    }
}
