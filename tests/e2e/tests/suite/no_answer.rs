//! No answer is not a bad token. Whatever the authorization server does, the client learns
//! within a bounded time that its token could not be checked, and learns nothing else.

use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::Request;
use tollgate_e2e::stage::{MOST_BUFFERED, Stage};
use tollgate_e2e::world::{Shared, World};

use Want::{Active, Bad, Either, None_};

/// What must come of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    /// `unavailable`, with this `Retry-After`.
    None_(&'static str),
    /// `bad_answer`.
    Bad,
    /// One of the two; which one is a matter of time.
    Either,
    /// An answer after all.
    Active,
}

#[test]
fn whatever_the_authorization_server_does_a_refusal_tells_nothing_of_it() {
    // INT-10, INT-11, INT-12, INT-33..37, INT-40..42, ATK-66..ATK-90, PWX-05, PWX-06, PWX-22
    let world = world();
    let elsewhere = AuthorizationServer::start();
    let faults = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for (at, (name, behaviour, want)) in answers(elsewhere.port()).into_iter().enumerate() {
            let (world, faults) = (&*world, &faults);
            // A busy machine must not make timeouts out of answers.
            let slow = matches!(
                behaviour,
                Behaviour::Hang(_) | Behaviour::Drip(..) | Behaviour::After(..) | Behaviour::Endless(_)
            );
            scope.spawn(move || {
                let token = format!("hush-{at}");
                world.server.on(&token, [behaviour]);
                let listener = if slow { "quick" } else { "patient" };
                if let Err(fault) = check(world, listener, &token, want) {
                    faults.lock().expect("no one panicked").push(format!("{name}: {fault}"));
                }
            });
            thread::sleep(Duration::from_millis(15));
        }
    });
    let faults = faults.into_inner().expect("no one panicked");
    assert!(faults.is_empty(), "{} fail:\n{}", faults.len(), faults.join("\n"));
    // INT-37, ATK-77
    assert!(elsewhere.take().is_empty(), "a redirect was followed");
    passes(&world);
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_cluster_without_a_server_is_no_answer() {
    // PWX-05, PWX-07, ATK-90
    let world = world();
    for (name, listener) in [("nothing listens", "dead"), ("no such cluster", "unknown")] {
        let fault = check(&world, listener, "hush-token", None_("5")).err();
        assert_eq!(fault, None, "{name}");
    }
    passes(&world);
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn only_no_answer_is_asked_for_again() {
    // `retries`: on timeout, connect failure and 5xx only
    let world = world();
    let of_status = |status| Behaviour::reply(status, "text/plain", "hush");
    #[rustfmt::skip]
    let cases = [
        ("the third call is answered",        vec![of_status(500), Behaviour::close(), Behaviour::active("")], 200, 3),
        ("a timeout is asked for again",      vec![Behaviour::Hang(Vec::new()), Behaviour::active("")],        200, 2),
        ("all three calls fail",              vec![of_status(503)],                                            503, 3),
        ("429 means not now",                 vec![of_status(429), Behaviour::active("")],                     503, 1),
        ("a bad answer stays bad",            vec![of_status(404), Behaviour::active("")],                     502, 1),
        ("a redirect stays a redirect",       vec![of_status(302), Behaviour::active("")],                     502, 1),
        ("an inactive token stays inactive",  vec![Behaviour::json(r#"{"active":false}"#), Behaviour::active("")], 401, 1),
    ];
    for (at, (name, behaviours, status, calls)) in cases.into_iter().enumerate() {
        let token = format!("hush-{at}");
        world.server.on(&token, behaviours);
        let response = Request::get("/any").bearer(&token).send(world.port("retrying"));
        assert_eq!(response.status(), status, "{name}: {response:?}");
        assert_eq!(world.server.calls_about(&token), calls, "{name}");
    }
}

#[test]
fn envoy_keeps_no_more_of_a_response_than_it_is_told() {
    // INT-40: by default, 32 MiB for each call
    let world = world();
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"active\":true";
    world.server.on("hush-endless", [Behaviour::Endless(head.to_vec())]);
    let received = || world.envoy.stat("cluster.as.upstream_cx_rx_bytes_total");
    let before = received();
    let response = Request::get("/any").bearer("hush-endless").send(world.port("patient"));
    assert_eq!(response.status(), 503);
    let received = received() - before;
    assert!((MOST_BUFFERED..MOST_BUFFERED + (4 << 20)).contains(&received), "{received} bytes");
    passes(&world);
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn calls_never_go_on_beyond_the_deadline() {
    // `timeout × (retries + 1)`: 900 ms here
    let world = world();
    world.server.on("hush-silent", [Behaviour::Hang(Vec::new())]);
    let started = Instant::now();
    let response = Request::get("/any").bearer("hush-silent").send(world.port("hurried"));
    let took = started.elapsed();
    assert_eq!(response.status(), 503);
    assert!((Duration::from_millis(300)..BOUND).contains(&took), "{took:?}");
    let calls = world.server.calls_about("hush-silent");
    assert!((2..=3).contains(&calls), "{calls}");
    passes(&world);
}

#[test]
fn fallback_clusters_are_asked_in_turn() {
    let world = world();
    let dead_then_second = |token: &str| {
        let response = Request::get("/any").bearer(token).send(world.port("fallback"));
        (response.status(), world.second.calls_about(token))
    };
    world.second.on("hush-known", [Behaviour::active("")]);
    world.second.on("hush-unknown", [Behaviour::json(r#"{"active":false}"#)]);
    world.second.on("hush-failing", [Behaviour::reply(500, "text/plain", "hush")]);
    assert_eq!(dead_then_second("hush-known"), (200, 1));
    assert_eq!(dead_then_second("hush-unknown"), (401, 1));
    assert_eq!(dead_then_second("hush-failing"), (503, 1));
    assert!(world.server.take().is_empty());

    // The first one that says anything has the last word.
    world.server.on("hush-refused", [Behaviour::json(r#"{"active":false}"#)]);
    world.second.on("hush-refused", [Behaviour::active("")]);
    let response = Request::get("/any").bearer("hush-refused").send(world.port("fallback-of-as"));
    assert_eq!((response.status(), world.second.calls_about("hush-refused")), (401, 0));
}

#[test]
fn failures_are_counted_and_logged_and_the_operator_can_tell_them_apart() {
    // PWX-20, INT-33
    let world = world();
    let seen = |name: &str| world.envoy.counters("introspection").get(name).copied().unwrap_or(0);
    let cases = [
        ("hush-a", Behaviour::reply(500, "text/plain", "hush"), "no_answer", "status 500"),
        (
            "hush-b",
            Behaviour::reply(401, "text/plain", "hush"),
            "bad_answer",
            "rejected the gateway's credentials",
        ),
        ("hush-c", Behaviour::json(r#"{"active":"true"}"#), "bad_answer", "`active`"),
        ("hush-d", Behaviour::json(r#"{"active":false}"#), "inactive", ""),
    ];
    for (token, behaviour, counter, reason) in cases {
        world.server.on(token, [behaviour]);
        // Louder lines come at most once a second.
        thread::sleep(Duration::from_millis(1100));
        let (before, logged) = ((seen(counter), seen("calls")), world.envoy.log().len());
        Request::get("/any").bearer(token).send(world.port("patient"));
        assert_eq!((seen(counter), seen("calls")), (before.0 + 1, before.1 + 1), "{token}");
        world.envoy.wait_for_log(logged, reason);
    }
    world.envoy.assert_clean_log(&["hush"]);
}

/// Sends a request with the token and holds the answer against what is wanted.
fn check(world: &World, listener: &str, token: &str, want: Want) -> Result<(), String> {
    let case = token.replace("hush", "case");
    let started = Instant::now();
    let request = Request::get("/any").bearer(token).header("x-case", &case);
    let response = request.try_send(world.port(listener)).map_err(|error| error.to_string())?;
    let took = started.elapsed();
    let status = response.status();
    let fits = match want {
        None_(_) => status == 503,
        Bad => status == 502,
        Either => matches!(status, 502 | 503),
        Active => status == 200,
    };
    if !fits {
        return Err(format!("want {want:?}, got {status}"));
    }
    if took > BOUND {
        return Err(format!("it took {took:?}"));
    }
    if want == Active {
        return Ok(());
    }
    let whole = response.whole();
    for word in ["hush", "set-cookie", "www-authenticate", "location", "upstream connect", "127.0.0.1"] {
        if whole.to_ascii_lowercase().contains(word) {
            return Err(format!("{word:?} is in {whole}"));
        }
    }
    if let None_(seconds) = want
        && response.all("retry-after") != [seconds]
    {
        return Err(format!("retry-after: {:?}", response.all("retry-after")));
    }
    if response.all("cache-control") != ["no-store"] {
        return Err("it may be stored".to_owned());
    }
    // INT-36
    if !world.upstream.seen_with("x-case", &case).is_empty() {
        return Err("the upstream saw the request".to_owned());
    }
    Ok(())
}

/// A good request passes, as if nothing had been.
fn passes(world: &World) {
    world.server.on("hush-good", [Behaviour::active("")]);
    let response = Request::get("/any").bearer("hush-good").send(world.port("patient"));
    assert_eq!(response.status(), 200, "{response:?}");
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn answers(elsewhere: u16) -> Vec<(String, Behaviour, Want)> {
    let ok = |head: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\n{head}connection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    let json = "content-type: application/json\r\n";
    let sized = |extra: &str, body: &[u8]| {
        Behaviour::Raw(ok(&format!("{json}content-length: {}\r\n{extra}", body.len()), body))
    };
    let leaky = |status: u16, more: &[(&str, &str)]| {
        let mut headers = vec![
            ("content-type".to_owned(), "text/plain".to_owned()),
            ("set-cookie".to_owned(), "hush=1".to_owned()),
            ("www-authenticate".to_owned(), "Basic realm=\"hush\"".to_owned()),
        ];
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Behaviour::Reply { status, headers, body: b"hush: an error text".to_vec() }
    };
    let active = br#"{"active":true,"sub":"hush"}"#;
    let padded = |size: usize| {
        let filler = "x".repeat(size - r#"{"active":true,"x":""}"#.len());
        format!(r#"{{"active":true,"x":"{filler}"}}"#)
    };
    // `{"active":true}` and a gzip wrapper around it, as stored bytes.
    let gzip: &[u8] =
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x0f\0\xf0\xff{\"active\":true}\xf4\xb0\x80\xb8\x0f\0\0\0";

    #[rustfmt::skip]
    let mut all: Vec<(&str, Behaviour, Want)> = vec![
        // ATK-80: silence
        ("silence",                                Behaviour::Hang(Vec::new()),                                       None_("5")),
        ("a head, then silence",                   Behaviour::Hang(ok(&format!("{json}content-length: 15\r\n"), b"")),     None_("5")),
        ("half a body, then silence",              Behaviour::Hang(ok(&format!("{json}content-length: 15\r\n"), b"{\"act")), None_("5")),
        ("a byte per tenth of a second",           Behaviour::Drip(ok(json, active), Duration::from_millis(100)),     None_("5")),
        ("an answer that comes too late",          Behaviour::After(Duration::from_secs(3), Box::new(sized("", active))), None_("5")),
        // ATK-81: cut
        ("closed without a word",                  Behaviour::close(),                                                None_("5")),
        ("reset without a word",                   Behaviour::Reset(Vec::new()),                                      None_("5")),
        ("reset after half a body",                Behaviour::Reset(ok(&format!("{json}content-length: 15\r\n"), b"{\"act")), None_("5")),
        ("half a head",                            Behaviour::Raw(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec()),         None_("5")),
        ("not HTTP",                               Behaviour::Raw(b"hush hush hush\r\n\r\n".to_vec()),                None_("5")),
        ("content-length larger than sent",        Behaviour::Raw(ok(&format!("{json}content-length: 100\r\n"), active)),  None_("5")),
        ("cut before the last chunk",              Behaviour::Raw(ok(&format!("{json}transfer-encoding: chunked\r\n"), b"1c\r\n{\"active\":true,\"sub\":\"hush\"}\r\n")), None_("5")),
        ("a chunk size that is none",              Behaviour::Raw(ok(&format!("{json}transfer-encoding: chunked\r\n"), b"zz\r\n{}\r\n0\r\n\r\n")), None_("5")),
        // INT-35
        ("500",                                    leaky(500, &[]),                                                   None_("5")),
        ("502",                                    leaky(502, &[]),                                                   None_("5")),
        ("503",                                    leaky(503, &[]),                                                   None_("5")),
        ("503, and when to come back",             leaky(503, &[("retry-after", "9")]),                               None_("9")),
        ("504",                                    leaky(504, &[]),                                                   None_("5")),
        ("599",                                    leaky(599, &[]),                                                   None_("5")),
        ("429",                                    leaky(429, &[]),                                                   None_("5")),
        ("429, and when to come back",             leaky(429, &[("retry-after", "7")]),                               None_("7")),
        ("429, and a date",                        leaky(429, &[("retry-after", "Fri, 31 Dec 2049 23:59:59 GMT")]),   None_("5")),
        ("429, and an absurd number",              leaky(429, &[("retry-after", "86401")]),                           None_("5")),
        // INT-33, INT-34, ATK-79
        ("400",                                    leaky(400, &[]),                                                   Bad),
        ("401: our own credentials are refused",   leaky(401, &[("location", "/login")]),                             Bad),
        ("403: our own credentials are refused",   leaky(403, &[]),                                                   Bad),
        ("404",                                    leaky(404, &[]),                                                   Bad),
        ("405",                                    leaky(405, &[]),                                                   Bad),
        ("415",                                    leaky(415, &[]),                                                   Bad),
        // ATK-75
        ("201",                                    Behaviour::Reply { status: 201, headers: vec![("content-type".to_owned(), "application/json".to_owned())], body: active.to_vec() }, Bad),
        ("204",                                    leaky(204, &[]),                                                   Bad),
        ("205",                                    leaky(205, &[]),                                                   Bad),
        ("304",                                    leaky(304, &[]),                                                   Bad),
        ("200 and nothing",                        sized("", b""),                                                    Bad),
        // ATK-74, INT-11
        ("a login page",                           Behaviour::reply(200, "text/html", "<html>hush</html>"),           Bad),
        ("JSON under another name",                Behaviour::reply(200, "text/plain", "{\"active\":true}"),          Bad),
        ("no media type",                          Behaviour::Raw(ok("content-length: 15\r\n", b"{\"active\":true}")), Bad),
        ("two media types",                        sized("content-type: text/html\r\n", active),                      Bad),
        // ATK-82, INT-42
        ("gzip",                                   sized("content-encoding: gzip\r\n", gzip),                         Bad),
        ("gzip that does not say so",              sized("", gzip),                                                   Bad),
        ("JSON that says it is gzip",              sized("content-encoding: gzip\r\n", active),                       Bad),
        ("JSON that says it is br",                sized("content-encoding: br\r\n", active),                         Bad),
        ("identity is no coding",                  sized("content-encoding: identity\r\n", active),                   Active),
        // ATK-66, ATK-67, INT-10, INT-12
        ("active as text",                         Behaviour::json(r#"{"active":"true","sub":"hush"}"#),              Bad),
        ("active as a number",                     Behaviour::json(r#"{"active":1}"#),                                Bad),
        ("active as null",                         Behaviour::json(r#"{"active":null}"#),                             Bad),
        ("active in a list",                       Behaviour::json(r#"{"active":[true]}"#),                           Bad),
        ("no active",                              Behaviour::json("{}"),                                             Bad),
        ("active twice, true last",                Behaviour::json(r#"{"active":false,"active":true}"#),              Bad),
        ("active twice, false last",               Behaviour::json(r#"{"active":true,"active":false}"#),              Bad),
        ("active twice, in disguise",              Behaviour::json(r#"{"active":false,"\u0061ctive":true}"#),         Bad),
        ("a list",                                 Behaviour::json("[]"),                                             Bad),
        ("a word",                                 Behaviour::json("true"),                                           Bad),
        // ATK-71, INT-18
        ("exp as text",                            Behaviour::json(r#"{"active":true,"exp":"1999999999"}"#),          Bad),
        ("exp as a boolean",                       Behaviour::json(r#"{"active":true,"exp":true}"#),                  Bad),
        ("nbf as a list",                          Behaviour::json(r#"{"active":true,"nbf":[]}"#),                    Bad),
        ("exp in another age",                     Behaviour::json(r#"{"active":true,"exp":1e30}"#),                  Active),
        // ATK-85, INT-41
        ("text after it",                          Behaviour::json(r#"{"active":true}x"#),                            Bad),
        ("two documents",                          Behaviour::json(r#"{"active":true}{"active":true}"#),              Bad),
        ("a comment",                              Behaviour::json(r#"{"active":true/*hush*/}"#),                     Bad),
        ("NaN",                                    Behaviour::json(r#"{"active":true,"x":NaN}"#),                     Bad),
        ("single quotes",                          Behaviour::json("{'active':true}"),                                Bad),
        ("a byte-order mark",                      Behaviour::json("\u{feff}{\"active\":true}"),                      Bad),
        ("bytes that are no UTF-8",                sized("", b"{\"active\":true,\"x\":\"\xff\"}"),                    Bad),
        ("UTF-16",                                 sized("", b"{\0\"\0a\0\"\0:\x001\0}\0"),                             Bad),
        // ATK-84
        ("ten thousand lists in one another",      Behaviour::json(&format!("{{\"active\":true,\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000))), Bad),
        // ATK-83, INT-40
        ("64 KiB",                                 Behaviour::json(&padded(65_536)),                                  Active),
        ("64 KiB and one byte",                    Behaviour::json(&padded(65_537)),                                  Bad),
        ("10 MiB",                                 Behaviour::json(&padded(10 * 1024 * 1024)),                        Either),
        ("no end",                                 Behaviour::Endless(ok(json, b"{\"active\":true}")),                Either),
    ];
    // ATK-77, INT-37
    let location = format!("http://127.0.0.1:{elsewhere}/introspect");
    let redirects: Vec<_> =
        [301, 302, 303, 307, 308].map(|status| (status, leaky(status, &[("location", &location)]))).into();
    let mut named: Vec<_> = redirects.into_iter().map(|(s, b)| (format!("{s}"), b, Bad)).collect();
    named.extend(all.drain(..).map(|(name, behaviour, want)| (name.to_owned(), behaviour, want)));
    named
}

fn world() -> MutexGuard<'static, World> {
    static WORLD: Shared = Shared::new();
    WORLD.world(stage)
}

fn stage() -> Stage {
    let of = |endpoint: serde_json::Value| json!({"providers": {"as": {"introspection": endpoint}}});
    Stage::new()
        .policy("quick", of(json!({"timeout": "300ms"})))
        .policy("patient", of(json!({"timeout": "10s"})))
        .policy("hurried", of(json!({"timeout": "300ms", "retries": 2})))
        .policy("retrying", of(json!({"timeout": "1s", "retries": 2})))
        .policy("dead", of(json!({"cluster": "dead", "timeout": "300ms"})))
        .policy("unknown", of(json!({"cluster": "no-such-cluster", "timeout": "300ms", "retries": 1})))
        .policy("fallback", of(json!({"cluster": "dead", "fallback_clusters": ["as2"], "timeout": "2s"})))
        .policy("fallback-of-as", of(json!({"fallback_clusters": ["as2"], "timeout": "2s"})))
}

/// How long any answer may take on a busy machine, where 300 ms are configured.
const BOUND: Duration = Duration::from_secs(8);
