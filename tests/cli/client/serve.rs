//! `tollgate client serve`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{client, says};
use crate::support::Tollgate;

/// A server that ends with the test.
pub(crate) struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An answer: status, head and body.
pub(crate) struct Got {
    pub(crate) status: u16,
    head: String,
    body: String,
}

impl Serving {
    pub(crate) fn start(tollgate: &Tollgate, args: &[&str]) -> Self {
        let mut child = tollgate
            .command()
            .args(["client", "serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("where does it listen? {line:?}")).to_owned();
        Self { child, address }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        self.ask_as(&[&self.address], method, path, headers)
    }

    /// With these lines of `Host`.
    fn ask_as(&self, hosts: &[&str], method: &str, path: &str, headers: &[(&str, &str)]) -> Got {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        let hosts = hosts.iter().map(|host| ("host", *host));
        for (name, value) in hosts.chain(headers.iter().copied()) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Got { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

impl Got {
    pub(crate) fn field(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[test]
fn a_filter_can_fetch_a_list_and_notices_a_change() {
    let tollgate = Tollgate::new();
    client(&tollgate, "allow partners c-1 --id --tier gold");
    let serving = Serving::start(&tollgate, &[]);
    let first = serving.ask("GET", "/lists/partners", &[]);
    assert_eq!(
        (first.status, first.field("content-type"), first.field("cache-control")),
        (200, "application/json", "no-cache")
    );
    assert_eq!(first.json(), json!({"clients": [{"id": "c-1", "tier": "gold"}]}));
    let tag = first.field("etag").to_owned();
    for (name, tags, want) in [
        ("the same", tag.clone(), 304),
        ("one of several, weak", format!("\"x\", W/{tag}"), 304),
        ("any", "*".to_owned(), 304),
        ("another", "\"x\"".to_owned(), 200),
    ] {
        let got = serving.ask("GET", "/lists/partners", &[("if-none-match", &tags)]);
        assert_eq!((got.status, got.field("etag")), (want, tag.as_str()), "{name}");
        assert_eq!(got.body.is_empty(), want == 304, "{name}");
    }
    client(&tollgate, "allow partners c-2 --id");
    let changed = serving.ask("GET", "/lists/partners", &[("if-none-match", &tag)]);
    assert_eq!((changed.status, changed.json()["clients"].as_array().unwrap().len()), (200, 2));
    client(&tollgate, "deny partners c-1");
    client(&tollgate, "deny partners c-2");
    assert_eq!(serving.ask("GET", "/lists/partners", &[]).json(), json!({"clients": []}), "nobody");
    client(&tollgate, "drop-list partners");
    let gone = serving.ask("GET", "/lists/partners", &[]);
    assert_eq!(
        (gone.status, gone.json()),
        (404, json!({"error": "no such list"})),
        "a filter keeps what it has"
    );
}

#[test]
fn what_is_not_served() {
    let tollgate = Tollgate::new();
    client(&tollgate, "allow partners c-1 --id");
    client(&tollgate, "allow others c-2 --id");
    client(&tollgate, "allow live c-3 --id --environment staging");
    let serving = Serving::start(&tollgate, &["partners"]);
    for (name, method, path, want) in [
        ("the list", "GET", "/lists/partners", 200),
        ("its head", "HEAD", "/lists/partners", 200),
        ("another list", "GET", "/lists/others", 404),
        ("another environment's", "GET", "/lists/live", 404),
        ("no name", "GET", "/lists/", 404),
        ("the root", "GET", "/", 404),
        ("a path", "GET", "/lists/../default.json", 404),
        ("writing", "POST", "/lists/partners", 405),
        ("deleting", "DELETE", "/lists/partners", 405),
    ] {
        let got = serving.ask(method, path, &[]);
        assert_eq!(got.status, want, "{name}");
        assert!(method != "HEAD" || got.body.is_empty(), "{name}");
    }
    std::fs::write(super::store(&tollgate, "default"), "{").unwrap();
    let got = serving.ask("GET", "/lists/partners", &[]);
    assert_eq!((got.status, got.field("retry-after")), (503, "30"), "a broken store");
}

#[test]
fn a_token_can_be_asked_for() {
    let tollgate = Tollgate::new();
    client(&tollgate, "allow partners c-1 --id");
    tollgate.write("token", "hush-hush\n");
    let serving = Serving::start(&tollgate, &["--bearer-token-file", "token"]);
    for (name, field, want) in [
        ("the token", Some("Bearer hush-hush"), 200),
        ("its scheme in any case", Some("bearer hush-hush"), 200),
        ("another", Some("Bearer hush"), 401),
        ("another scheme", Some("Basic hush-hush"), 401),
        ("none", None, 401),
    ] {
        let fields: Vec<_> = field.iter().map(|value| ("authorization", *value)).collect();
        let got = serving.ask("GET", "/lists/partners", &fields);
        assert_eq!(got.status, want, "{name}");
        assert!(want == 200 || got.field("www-authenticate") == "bearer", "{name}");
    }
}

#[test]
fn a_page_with_a_name_of_its_own_reads_nothing() {
    // DNS rebinding: the browser believes that this server is the page's
    let tollgate = Tollgate::new();
    client(&tollgate, "allow partners c-1 --id");
    let serving = Serving::start(&tollgate, &["--host", "Lists.internal"]);
    #[rustfmt::skip]
    let cases: [(&str, &[&str], &str, u16); 18] = [
        ("its address",                &[&serving.address],                 "/lists/partners",                    200),
        ("without a port",             &["127.0.0.1"],                      "/lists/partners",                    200),
        ("an address of IPv6",         &["[::1]:8990"],                     "/lists/partners",                    200),
        ("localhost",                  &["LocalHost:8990"],                 "/lists/partners",                    200),
        ("a name that was given",      &["lists.INTERNAL"],                 "/lists/partners",                    200),
        ("with a port",                &["lists.internal:80"],              "/lists/partners",                    200),
        ("absolute form",              &["localhost"],                      "http://localhost/lists/partners",    200),
        ("another name",               &["evil.example"],                   "/lists/partners",                    421),
        ("with a port",                &["evil.example:8990"],              "/lists/partners",                    421),
        ("a name that begins so",      &["localhost.evil.example"],         "/lists/partners",                    421),
        ("a name that ends so",        &["evil-localhost"],                 "/lists/partners",                    421),
        ("an address in a name",       &["127.0.0.1.evil.example"],         "/lists/partners",                    421),
        ("below a name that was given", &["x.lists.internal"],              "/lists/partners",                    421),
        ("none",                       &[],                                 "/lists/partners",                    421),
        ("an empty one",               &[""],                               "/lists/partners",                    421),
        ("two",                        &["localhost", "evil.example"],      "/lists/partners",                    421),
        ("another in the target",      &["localhost"],                      "http://evil.example/lists/partners", 421),
        ("whatever is asked",          &["evil.example"],                   "/",                                  421),
    ];
    for (name, hosts, target, want) in cases {
        let got = serving.ask_as(hosts, "GET", target, &[]);
        assert_eq!(got.status, want, "{name}");
        assert!(want == 200 || !got.body.contains("c-1"), "{name}");
    }
    tollgate.write("token", "hush-hush\n");
    let serving = Serving::start(&tollgate, &["--bearer-token-file", "token"]);
    for (token, want) in [("Bearer hush-hush", 200), ("Bearer hush", 401)] {
        let got = serving.ask_as(&["lists"], "GET", "/lists/partners", &[("authorization", token)]);
        assert_eq!(got.status, want, "no page has the token");
    }
}

#[test]
fn connections_that_do_nothing_keep_nobody_out() {
    let tollgate = Tollgate::new();
    client(&tollgate, "allow partners c-1 --id");
    let serving = Serving::start(&tollgate, &[]);
    // Nothing at all, half a head, a body that does not come, and a response that is not read.
    let starts = [
        "",
        "GET / HT",
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ];
    let mut idle = Vec::new();
    for start in starts {
        for _ in 0..300 {
            let mut stream = TcpStream::connect(&serving.address).unwrap();
            drop(stream.write_all(start.as_bytes()));
            idle.push(stream);
        }
        let since = Instant::now();
        assert_eq!(serving.ask("GET", "/lists/partners", &[]).status, 200, "{start:?}");
        assert!(since.elapsed() < Duration::from_secs(5), "{start:?}: {:?}", since.elapsed());
    }
}

#[test]
fn what_keeps_it_from_serving() {
    let tollgate = Tollgate::new();
    tollgate.write("empty", " \n");
    says(
        "a mistyped list",
        &client(&tollgate, "serve partners"),
        2,
        &["there is no list \"partners\"", "It has no list yet."],
    );
    says(
        "an empty token",
        &client(&tollgate, "serve --bearer-token-file empty"),
        2,
        &["empty holds no token"],
    );
    says("no token", &client(&tollgate, "serve --bearer-token-file nowhere"), 2, &["cannot read nowhere"]);
    says("no address", &client(&tollgate, "serve --listen 8990"), 2, &["invalid value '8990'", "--listen"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    says(
        "a port that is taken",
        &client(&tollgate, &format!("serve --listen {address}")),
        2,
        &["cannot listen on", "port 0"],
    );
    let public = format!("0.0.0.0:{}", address.port());
    says(
        "everyone's address",
        &client(&tollgate, &format!("serve --listen {public} --quiet")),
        2,
        &["WARNING", "can be reached from other machines"],
    );
}
