//! What hostile and odd clients send, byte by byte. Nobody gets in, nothing falls over, and
//! whoever comes next is served as if nothing had been.

use std::sync::MutexGuard;

use serde_json::json;
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Request, exchange};
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::message::{Message, Side};
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{CLIENT_SECRET, Shared, World, policy};

use Want::{BadRequest, BadToken, EnvoyRefuses, NoToken, Passes, Refused};

/// What must come of an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    /// The upstream sees it.
    Passes,
    /// 401 with a challenge that says nothing.
    NoToken,
    /// 400 with `invalid_request`.
    BadRequest,
    /// 401 with `invalid_token`.
    BadToken,
    /// A 4xx of whomever; the upstream sees nothing.
    Refused,
    /// Envoy itself answers, or closes the connection.
    EnvoyRefuses,
}

#[test]
fn authorization_headers_of_every_kind() {
    // ATK-01..ATK-21, HTT-07..HTT-10, HTT-14, BRR-01..BRR-06
    let world = world();
    let of = |value: &str| Request::get("/any").header("Authorization", value);
    let two = |first: &str, second: &str| of(first).header("Authorization", second);
    let long = |length: usize| Request::get("/any").bearer(&"x".repeat(length));
    #[rustfmt::skip]
    let cases: Vec<(&str, Request, Want)> = vec![
        ("ATK-01 empty",                        of(""),                                  NoToken),
        ("ATK-02 the scheme alone",             of("Bearer"),                            BadRequest),
        ("ATK-02 and a space",                  of("Bearer "),                           BadRequest),
        ("ATK-03 in mixed case",                of("bEaReR hush-good"),                  Passes),
        ("ATK-03 in upper case",                of("BEARER hush-good"),                  Passes),
        ("ATK-03 three spaces",                 of("Bearer   hush-good"),                Passes),
        ("HTT-09 space around",                 of("  Bearer hush-good  "),              Passes),
        ("a tab",                               of("Bearer\thush-good"),                 BadRequest),
        ("ATK-05 a second word",                of("Bearer hush-good extra"),            BadRequest),
        ("ATK-05 quoted",                       of("Bearer \"hush-good\""),              BadRequest),
        ("ATK-05 in single quotes",             of("Bearer 'hush-good'"),                BadRequest),
        ("ATK-05 a parameter",                  of("Bearer token=hush-good"),            BadRequest),
        ("ATK-05 in angle brackets",            of("Bearer <hush-good>"),                BadRequest),
        ("ATK-06 a comma behind",               of("Bearer hush-good,"),                 BadRequest),
        ("ATK-06 a comma before",               of("Bearer ,hush-good"),                 BadRequest),
        ("ATK-06 twice in a line",              of("Bearer hush-good, Bearer hush-good"), BadRequest),
        ("ATK-06 twice, no space",              of("Bearer hush-good,Bearer hush-bad"),  BadRequest),
        ("ATK-08 good, then bad",               two("Bearer hush-good", "Bearer hush-bad"), BadRequest),
        ("ATK-08 bad, then good",               two("Bearer hush-bad", "Bearer hush-good"), BadRequest),
        ("HTT-07 the same twice",               two("Bearer hush-good", "Bearer hush-good"), BadRequest),
        ("ATK-08 beside another scheme",        two("Basic Zm9v", "Bearer hush-good"),   BadRequest),
        ("ATK-08 before another scheme",        two("Bearer hush-good", "Basic Zm9v"),   BadRequest),
        ("ATK-10 with DPoP",                    two("Bearer hush-good", "DPoP hush-good"), BadRequest),
        ("ATK-12 no space",                     of("Bearerhush-good"),                   NoToken),
        ("ATK-12 a colon",                      of("Bearer:hush-good"),                  NoToken),
        ("ATK-12 an equals sign",               of("Bearer=hush-good"),                  NoToken),
        ("ATK-12 another scheme",               of("Token hush-good"),                   NoToken),
        ("ATK-12 no scheme",                    of("hush-good"),                         NoToken),
        ("ATK-13 padding alone",                of("Bearer ===="),                       BadRequest),
        ("ATK-13 padding within",               of("Bearer a==b"),                       BadRequest),
        ("ATK-14 as long as may be",            long(16_384),                            BadToken),
        ("ATK-14 one byte more",                long(16_385),                            BadToken),
        ("ATK-14 200 KiB",                      long(200 * 1024),                        EnvoyRefuses),
        ("ATK-15 NUL",                          of("Bearer hush\u{0}good"),              EnvoyRefuses),
        ("ATK-18 a look-alike scheme",          Request::get("/any").header_bytes("Authorization", "Вearer hush-good".as_bytes()), NoToken),
        ("HTT-10 a byte beyond ASCII",          of("Bearer \u{ff}"),                     BadRequest),
        ("HTT-10 such bytes within",            of("Bearer hush\u{80}\u{fe}good"),       BadRequest),
        ("HTT-10 nothing else",                 of("\u{ff}\u{fe}\u{80}"),                NoToken),
        ("ATK-21 Proxy-Authorization",          Request::get("/any").header("Proxy-Authorization", "Bearer hush-good"), NoToken),
        ("ATK-21 X-Authorization",              Request::get("/any").header("X-Authorization", "Bearer hush-good"), NoToken),
        ("ATK-21 Authorization-",               Request::get("/any").header("Authorization-", "Bearer hush-good"), NoToken),
        ("ATK-19 a space before the colon",     Request::get("/any").header("Authorization ", "Bearer hush-good"), EnvoyRefuses),
        ("ATK-102 named by Connection",         of("Bearer hush-good").header("Connection", "authorization"), Refused),
        ("another scheme",                      of("Basic Zm9vOmJhcg=="),                NoToken),
        ("a challenge in it",                   of("Bearer realm=\"x\", error=\"y\""),   BadRequest),
    ];
    attack(&world, "plain", &cases);

    let raw: [(&str, &[u8], Want); 5] = [
        (
            // Envoy joins the lines with a space, as RFC 9112 §5.2 has it.
            "ATK-19 a folded line",
            b"GET /any HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer\r\n hush-good\r\n\r\n",
            Passes,
        ),
        (
            "ATK-15 a bare line end",
            b"GET /any HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer x\nX-A: y\r\n\r\n",
            Refused,
        ),
        (
            "ATK-15 a bare carriage return",
            b"GET /any HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer x\rX-A: y\r\n\r\n",
            EnvoyRefuses,
        ),
        (
            "ATK-20 in trailers",
            b"POST /any HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nAuthorization: Bearer hush-good\r\n\r\n",
            NoToken,
        ),
        ("HTTP/1.0", b"GET /any HTTP/1.0\r\nHost: a\r\nAuthorization: Bearer hush-good\r\n\r\n", Refused),
    ];
    for (name, bytes, want) in raw {
        attack_raw(&world, "plain", name, bytes, want);
    }
    assert_clean_log(&world);
}

#[test]
fn queries_cookies_and_forms_of_every_kind() {
    // ATK-23..ATK-38, BRR-10..BRR-15, BRR-32, PTH-05
    let world = world();
    let query = |query: &str| Request::get(&format!("/r?{query}"));
    let cookie = |value: &str| Request::get("/r").header("Cookie", value);
    #[rustfmt::skip]
    let cases: Vec<(&str, Request, Want)> = vec![
        ("the token in the query",             query("a=1&access_token=hush-good&b=2"),          Passes),
        ("BRR-12 decoded once",                query("access_token=hush%2Dgood"),                Passes),
        ("ATK-23 good, then bad",              query("access_token=hush-good&access_token=hush-bad"), BadRequest),
        ("ATK-23 bad, then good",              query("access_token=hush-bad&access_token=hush-good"), BadRequest),
        ("ATK-24 empty",                       query("access_token="),                           BadRequest),
        ("ATK-24 no value",                    query("access_token"),                            BadRequest),
        ("ATK-27 NUL behind",                  query("access_token=hush-good%00"),               BadRequest),
        ("ATK-27 a header behind",             query("access_token=hush-good%0d%0aX:%20y"),      BadRequest),
        ("ATK-27 a space behind",              query("access_token=hush-good%20"),               BadRequest),
        ("ATK-27 a space before",              query("access_token=%20hush-good"),               BadRequest),
        ("ATK-28 another parameter in it",     query("access_token=x%26token%3Dother%26client_id%3Dz"), BadRequest),
        ("ATK-29 a percent sign",              query("access_token=%"),                          BadRequest),
        ("ATK-29 half an escape",              query("access_token=%4"),                         BadRequest),
        ("ATK-29 not an escape",               query("access_token=%zz"),                        BadRequest),
        ("ATK-29 a script's escape",           query("access_token=%u0041"),                     BadRequest),
        ("ATK-29 overlong UTF-8",              query("access_token=%c0%af"),                     BadRequest),
        ("ATK-30 encoded twice",               query("access_token=hush%252Dgood"),              BadRequest),
        ("ATK-31 behind a semicolon",          query("a=1;access_token=hush-good"),              NoToken),
        ("ATK-31 behind a second question mark", query("a=b?access_token=hush-good"),            NoToken),
        ("ATK-31 in upper case",               query("ACCESS_TOKEN=hush-good"),                  NoToken),
        ("ATK-34 in the header too",           query("access_token=hush-good").bearer("hush-good"), BadRequest),
        ("a name in disguise",                 query("access%5Ftoken=hush-good"),                BadRequest),
        ("a good one beside one in disguise",  query("access_token=hush-good&%61ccess_token=hush-bad"), BadRequest),
        ("ATK-33 a fragment",                  Request::get("/r#access_token=hush-good"),        NoToken),
        ("ATK-33 a fragment in the query",     Request::get("/r?x=1#&access_token=hush-good"),   NoToken),
        ("PTH-05 a fragment and a good token", Request::get("/r#x").bearer("hush-good"),         Passes),
        ("the token in a cookie",              cookie("a=1; session=hush-good"),                 Passes),
        ("two cookies of that name",           cookie("session=hush-good; session=hush-bad"),    BadRequest),
        ("two cookie lines",                   cookie("session=hush-good").header("Cookie", "session=hush-good"), BadRequest),
        ("a token in quotes in a cookie",        cookie("session=\"hush-good\""),                  Passes),
        ("a cookie that is no token",          cookie("session=\"hush-good"),                    BadRequest),
        ("BRR-32 a cookie and a header",       cookie("session=hush-good").bearer("hush-good"),  BadRequest),
        ("a cookie of another name",           cookie("Session=hush-good; xsession=hush-good"),  NoToken),
        ("odd bytes in a cookie",              cookie("a=\u{ff}; session=hush\u{e9}"),           BadRequest),
    ];
    attack(&world, "everywhere", &cases);

    // ATK-35, BRR-10, BRR-15: where the query is off, it is not looked at
    let off: Vec<(&str, Request, Want)> = vec![
        ("ATK-35 the query is off", query("access_token=hush-good"), NoToken),
        ("cookies are off", cookie("session=hush-good"), NoToken),
        ("BRR-15 a token elsewhere is not ours", query("access_token=hush-x").bearer("hush-good"), Passes),
        ("ATK-33 a fragment", Request::get("/r#access_token=hush-good"), NoToken),
    ];
    attack(&world, "plain", &off);

    // BRR-15
    let strict: Vec<(&str, Request, Want)> = vec![(
        "strict_multiple: a token elsewhere is refused",
        query("access_token=hush-x").bearer("hush-good"),
        BadRequest,
    )];
    attack(&world, "strict", &strict);
    assert_clean_log(&world);
}

#[test]
fn paths_and_methods_of_every_kind() {
    // ATK-103, ATK-104, ATK-107, PTH-01..PTH-09, COR-02, COR-03
    let world = world();
    let get = Request::get;
    let method = |method: &str| Request::new(method, "/public/x");
    #[rustfmt::skip]
    let cases: Vec<(&str, Request, Want)> = vec![
        ("an open path",                         get("/public/x"),                       Passes),
        ("an open path by another spelling",     get("/%70ublic/%78"),                   Passes),
        ("PTH-01 dot segments",                  get("/public/../admin"),                NoToken),
        ("PTH-01 escaped dot segments",          get("/public/%2e%2e/admin"),            NoToken),
        ("PTH-01 half-escaped",                  get("/public/%2E./admin"),              NoToken),
        ("PTH-02 an escaped slash",              get("/public/..%2fadmin"),              Refused),
        ("PTH-02 an escaped backslash",          get("/public/..%5cadmin"),              Refused),
        ("ATK-104 dots with a parameter",        get("/public/..;/admin"),               Refused),
        ("ATK-104 backslashes",                  get("/public\\..\\admin"),              Refused),
        ("ATK-104 slashes",                      get("//admin"),                         NoToken),
        ("ATK-104 slashes to an open path",      get("//public//x"),                     Passes),
        ("ATK-104 a single dot",                 get("/./admin"),                        NoToken),
        ("ATK-104 NUL",                          get("/admin%00.png"),                   Refused),
        ("PTH-03 another case",                  get("/Public/x"),                       Refused),
        ("PTH-03 a longer segment",              get("/publicadmin"),                    NoToken),
        ("PTH-03 the whole segment",             get("/public"),                         Passes),
        ("encoded twice",                        get("/public/%252e%252e/admin"),        Passes),
        ("not an escape",                        get("/public/%zz"),                     Refused),
        ("bytes beyond ASCII",                   get("/public/\u{e9}\u{ff}"),            Refused),
        ("an escaped question mark",             get("/public%3f/../admin"),             NoToken),
        ("a query that looks like a path",       get("/admin?/../public/x"),             NoToken),
        ("PTH-09 a whole URI",                   get("http://api.example.com/public/x"), Passes),
        ("PTH-09 a whole URI of another path",   get("http://api.example.com/admin"),    NoToken),
        ("PTH-09 a whole URI with dots",         get("http://api.example.com/public/../admin"), NoToken),
        ("PTH-07 a rule for GET is not for POST", method("POST"),                        NoToken),
        ("PTH-07 nor by an override",            method("POST").header("X-HTTP-Method-Override", "GET"), Refused),
        ("ATK-107 a method in lower case",       method("get"),                          Refused),
        ("ATK-107 TRACE",                        method("TRACE"),                        Refused),
        ("ATK-107 PROPFIND",                     method("PROPFIND"),                     Refused),
        ("ATK-107 a hundred letters",            method(&"X".repeat(100)),               Refused),
        ("COR-02 OPTIONS",                       method("OPTIONS"),                      NoToken),
        ("ATK-103 Origin alone",                 method("OPTIONS").header("Origin", "https://a.example"), NoToken),
        ("ATK-103 the method alone",             method("OPTIONS").header("Access-Control-Request-Method", "GET"), NoToken),
        ("COR-02 a true preflight",              preflight("OPTIONS"),                   NoToken),
    ];
    attack(&world, "rules", &cases);
    for (name, request, want) in [
        ("COR-01 a true preflight", preflight("OPTIONS"), Passes),
        ("COR-03 GET with both", preflight("GET"), NoToken),
        ("COR-03 POST with both", preflight("POST"), NoToken),
        (
            "COR-03 an empty method",
            Request::new("OPTIONS", "/any")
                .header("Origin", "https://a.example")
                .header("Access-Control-Request-Method", ""),
            NoToken,
        ),
    ] {
        attack(&world, "preflights", &[(name, request, want)]);
    }
    // Here Envoy cuts fragments off (Istio has it so; by default it refuses them): before rules and
    // upstream see the path.
    let request = Request::get("/public#/../admin").header("x-case", "fragment");
    assert_eq!(request.send(world.port("rules")).status(), 200);
    assert_eq!(world.upstream.seen_with("x-case", "fragment")[0].target(), "/public");
    let hidden = Request::get("/admin#/../public/x").send(world.port("rules"));
    assert_eq!(hidden.status(), 401);
    // What the rules have judged is what the upstream gets.
    let request = Request::get("/admin/.././public//%78?a=%zz").header("x-case", "normal");
    assert_eq!(request.send(world.port("rules")).status(), 200);
    assert_eq!(world.upstream.seen_with("x-case", "normal")[0].target(), "/public/x?a=%zz");
    assert_clean_log(&world);
}

#[test]
fn odd_headers_and_a_great_many_of_them() {
    // PWX-02, PWX-03, HTT-10, HTT-16, HTT-19, HTT-20, ATK-108
    let world = world();
    let good = || Request::get("/any").bearer("hush-good");
    let every_byte: String = (0x80..=0xff_u8).map(char::from).collect();
    let mut many = good();
    for n in 0..900 {
        many = many.header(&format!("x-{n}"), "y");
    }
    let websocket = |request: Request| {
        request
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let post = |token: &str| {
        let request = Request::new("POST", "/any").header("Expect", "100-continue").body(b"abc");
        if token.is_empty() { request } else { request.bearer(token) }
    };
    #[rustfmt::skip]
    let mut cases: Vec<(String, Request, Want)> = vec![
        ("all bytes beyond ASCII in a header".into(),  good().header("X-Odd", &every_byte),      Passes),
        ("900 headers".into(),                         many,                                     Passes),
        ("50 KiB of one header".into(),                good().header("X-Long", &"z".repeat(50 * 1024)), Passes),
        ("more headers than Envoy takes".into(),       (0..1100).fold(good(), |r, n| r.header(&format!("x-{n}"), "y")), EnvoyRefuses),
        ("HTT-20 Expect, and no token".into(),         post(""),                                 NoToken),
        ("HTT-20 Expect, and a token".into(),          post("hush-good"),                        Passes),
        ("HTT-19 WebSocket, and no token".into(),      websocket(Request::get("/any")),          NoToken),
        ("HTT-19 WebSocket, and a bad token".into(),   websocket(Request::get("/any").bearer("hush-bad")), BadToken),
        ("two content types".into(),                   good().header("Content-Type", "application/grpc").header("Content-Type", "text/html"), Passes),
        ("an empty name".into(),                       good().header("", "x"),                   EnvoyRefuses),
        ("a name with a space".into(),                 good().header("x y", "z"),                EnvoyRefuses),
        ("an empty header".into(),                     good().header("x-empty", ""),             Passes),
        ("a pseudo-header".into(),                     good().header(":path", "/admin"),         EnvoyRefuses),
        ("ATK-114 log injection by the path".into(),   Request::get("/any%0d%0a%1b[31mcritical%n%s").bearer("hush-bad"), Refused),
    ];
    for name in [
        "Accept",
        "Content-Type",
        "Cookie",
        "Origin",
        "Access-Control-Request-Method",
        "User-Agent",
        "X-Request-Id",
        "X-Forwarded-For",
        "X-Client-Id",
        "Proxy-Authorization",
        "X-Forwarded-Proto",
    ] {
        cases.push((format!("odd bytes in {name}"), good().header(name, "a\u{ff}\u{80}\u{fe}b"), Passes));
        cases.push((
            format!("odd bytes in {name}, no token"),
            Request::get("/any").header(name, "\u{ff}\u{80}"),
            NoToken,
        ));
    }
    cases.push(("odd bytes in Host".into(), Request::get("/any").host("a\u{ff}b"), Refused));
    for (name, request, want) in cases {
        attack(&world, "everything", &[(name.as_str(), request, want)]);
    }

    // The upgrade itself works, with a token.
    let upgraded = websocket(good()).try_send(world.port("everything")).expect("an answer");
    assert_eq!((upgraded.status(), world.upstream.take().len()), (101, 1), "{upgraded:?}");
    world.server.take();

    let raw: [(&str, &[u8], Want); 3] = [
        ("HTT-16 CONNECT", b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n", NoToken),
        (
            "CONNECT with a bad token",
            b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nAuthorization: Bearer hush-bad\r\n\r\n",
            BadToken,
        ),
        ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Refused),
    ];
    for (name, bytes, want) in raw {
        for listener in ["everything", "rules"] {
            attack_raw(&world, listener, name, bytes, want);
        }
    }
    assert_clean_log(&world);
}

#[test]
fn http_2_makes_no_difference() {
    // ATK-08, ATK-20, ATK-108, HTT-07, HTT-08, HTT-17, HTT-18, PWX-01
    let world = world();
    let get = || Http2Request::new("GET", "/any");
    #[rustfmt::skip]
    let cases = [
        ("a good token",              get().bearer("hush-good"),                              Passes),
        ("no token",                  get(),                                                  NoToken),
        ("ATK-08 good, then bad",     get().bearer("hush-good").bearer("hush-bad"),           BadRequest),
        ("ATK-08 bad, then good",     get().bearer("hush-bad").bearer("hush-good"),           BadRequest),
        ("HTT-07 the same twice",     get().bearer("hush-good").bearer("hush-good"),          BadRequest),
        ("beside another scheme",     get().header("authorization", "Basic Zm9v").bearer("hush-good"), BadRequest),
        ("odd bytes in a header",     get().bearer("hush-good").header_bytes("x-odd", b"\xff\x80\xfe"), Passes),
        ("odd bytes in the token",    get().header_bytes("authorization", b"Bearer \xff"),    BadRequest),
        ("ATK-20 in trailers",        Http2Request::new("POST", "/any").trailer("authorization", "Bearer hush-good"), NoToken),
        ("ATK-108 WebSocket, and no token", Http2Request::connect("websocket", "/any"),       NoToken),
        ("ATK-108 and a bad token",   Http2Request::connect("websocket", "/any").bearer("hush-bad"), BadToken),
        ("cookies in crumbs",         get().header("cookie", "a=1").header("cookie", "session=hush-good"), Passes),
        ("two tokens in crumbs",      get().header("cookie", "session=hush-good").header("cookie", "session=hush-bad"), BadRequest),
    ];
    for (name, request, want) in cases {
        let response = request.send(world.port("everywhere"));
        let hop_by_hop = ["connection", "transfer-encoding", "keep-alive"];
        assert!(hop_by_hop.iter().all(|field| response.all(field).is_empty()), "{name}: {response:?}");
        let message = Message {
            first_line: format!("HTTP/1.1 {}", response.status),
            headers: response.headers,
            body: response.body,
            ..Message::default()
        };
        judge(&world, name, &message, want);
    }
    assert_clean_log(&world);
}

/// Sends each and judges what comes of it; after each, a good request passes.
fn attack(world: &World, listener: &str, cases: &[(&str, Request, Want)]) {
    for (name, request, want) in cases {
        match request.try_send(world.port(listener)) {
            Ok(response) => judge(world, name, &response, *want),
            Err(error) => assert_eq!(*want, EnvoyRefuses, "{name}: {error}"),
        }
    }
}

fn attack_raw(world: &World, listener: &str, name: &str, bytes: &[u8], want: Want) {
    match exchange(world.port(listener), bytes, Side::Response) {
        Ok(response) => judge(world, name, &response, want),
        Err(error) => assert_eq!(want, EnvoyRefuses, "{name}: {error}"),
    }
}

fn judge(world: &World, name: &str, response: &Message, want: Want) {
    let seen = world.upstream.take();
    let calls = world.server.take();
    let challenges = response.all("www-authenticate");
    let challenge = challenges.concat();
    let fits = match want {
        Passes => response.status() == 200 && seen.len() == 1,
        NoToken => response.status() == 401 && challenge == "Bearer realm=\"tollgate\"",
        BadRequest => response.status() == 400 && challenge.contains("error=\"invalid_request\""),
        BadToken => response.status() == 401 && challenge.contains("error=\"invalid_token\""),
        Refused | EnvoyRefuses => (400..500).contains(&response.status()),
    };
    assert!(fits, "{name}: want {want:?}, got {response:?}");
    if want != Passes {
        assert!(seen.is_empty(), "{name}: the upstream saw {seen:?}");
        assert!(challenges.len() <= 1, "{name}: {challenges:?}");
        // ATK-35, INT-22
        assert!(!response.whole().contains("hush"), "{name}: {response:?}");
    }
    if matches!(want, NoToken | BadRequest | EnvoyRefuses) {
        assert!(calls.is_empty(), "{name}: the authorization server was asked {calls:?}");
    }
    for call in &calls {
        // OAU-18, INT-07, INT-38: the call is made of the configuration and the token alone
        assert_eq!((call.method(), call.target()), ("POST", "/introspect"), "{name}");
        assert_eq!(call.all("host"), ["as.example.com"], "{name}");
        let fields = call.text().split('&').filter(|pair| pair.starts_with("token=")).count();
        assert_eq!(fields, 1, "{name}: {call:?}");
        assert!(call.all("cookie").is_empty() && call.all("x-odd").is_empty(), "{name}: {call:?}");
    }
    let good = Request::get("/any").bearer("hush-good").send(world.port("plain"));
    assert_eq!(good.status(), 200, "after {name}: {good:?}");
    world.upstream.take();
    world.server.take();
}

/// OAU-22, ATK-114: no token, no secret (`Z2F0…` is the start of its Basic credentials) and no escape
/// of a client's, not even at trace level; and no VM has fallen.
fn assert_clean_log(world: &World) {
    world.envoy.assert_clean_log(&["hush", CLIENT_SECRET, "Z2F0ZXdheTpodXNo", "\u{1b}"]);
}

fn preflight(method: &str) -> Request {
    Request::new(method, "/any")
        .header("Origin", "https://a.example")
        .header("Access-Control-Request-Method", "GET")
}

fn world() -> MutexGuard<'static, World> {
    static WORLD: Shared = Shared::new();
    let world = WORLD.world(stage);
    world.server.on("hush-good", [Behaviour::active("")]);
    world.server.on("hush-bad", [Behaviour::json(r#"{"active":false}"#)]);
    world
}

fn stage() -> Stage {
    let everywhere = json!({"from_params": ["access_token"], "from_cookies": ["session"]});
    let rules = json!([{"match": {"prefix": "/public", "methods": ["GET"]}, "access": "anonymous"}]);
    let everything = policy(json!({
        "token": {"from_params": ["access_token"], "from_cookies": ["session"], "from_form": true},
        "rules": [{"match": {"safe_regex": "/(closed|shut)", "hosts": ["*.example.org"], "headers": [{"name": "x-odd", "exact": "x"}]}, "access": "deny"}],
        "upstream": {"claims_prefix": "x-agw-", "forward_payload_header": "x-token-claims"},
        "cors_preflight": "pass",
        "responses": {"format": "auto", "cors_origins": ["https://a.example"]},
    }));
    let stage = Stage::new()
        .policy("plain", json!({}))
        .policy("everywhere", json!({"token": everywhere}))
        .policy("strict", json!({"token": {"strict_multiple": true}}))
        .policy("rules", json!({"rules": rules}))
        .policy("preflights", json!({"cors_preflight": "pass"}))
        .listener("everything", Plugin { stop_iteration: true, ..Plugin::new(everything) });
    Stage { log_level: "trace", ..stage }
}
