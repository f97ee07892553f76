//! Every row of the verdict table, in every form that an answer can have.

use std::collections::BTreeSet;
use std::sync::MutexGuard;

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::message::Message;
use tollgate_e2e::stage::Stage;
use tollgate_e2e::world::{Shared, World};

#[test]
fn every_row_of_the_verdict_table_is_what_a_client_gets() {
    // BRR-19, BRR-22, BRR-24, BRR-25, BRR-28, BRR-33, BRR-34, PWX-09, PWX-12, INT-36
    let world = world();
    let mut missing: BTreeSet<(&str, String)> = BTreeSet::new();
    for profile in ["rfc6750", "anypoint"] {
        // `metadata` and `event` are verdicts on no access token: `mcp` and `events` have them.
        let is_of_a_token = |verdict: &String| !matches!(verdict.as_str(), "metadata" | "event");
        let verdicts = world.envoy.counters("verdict").into_keys().filter(is_of_a_token);
        missing.extend(verdicts.map(|verdict| (profile, verdict)));
    }
    assert_eq!(missing.len(), 2 * 11, "{missing:?}");

    for (at, (profile, row)) in rows().iter().enumerate() {
        let case = format!("row-{at}");
        let name = format!("{profile}: {}", row.name);
        world.script();
        let before = world.envoy.counters("verdict");
        let response = row.request().header("x-case", &case).send(world.port(profile));
        let after = world.envoy.counters("verdict");
        let moved: Vec<_> = after.iter().filter(|(verdict, n)| before.get(*verdict) != Some(n)).collect();
        assert_eq!(moved, [(&row.verdict.to_owned(), &(before[row.verdict] + 1))], "{name}: {response:?}");
        missing.remove(&(*profile, row.verdict.to_owned()));

        let seen = world.upstream.take();
        if row.status == 200 {
            assert_eq!((response.status(), seen.len()), (200, 1), "{name}");
            continue;
        }
        assert!(seen.is_empty(), "{name}: the upstream saw {seen:?}");
        assert_eq!(response.status(), row.status, "{name}: {response:?}");
        assert_eq!(response.text(), row.body, "{name}");
        assert_eq!(response.all("content-type"), [row.media_type], "{name}");
        assert_eq!(response.all("cache-control"), ["no-store"], "{name}");
        assert_eq!(response.all("www-authenticate"), Vec::from_iter(row.challenge), "{name}");
        assert_eq!(response.all("retry-after"), Vec::from_iter(row.retry_after), "{name}");
        assert_nothing_leaks(&response, &name);
        let logged = world.envoy.access_log_of(&case);
        assert!(logged.starts_with(&format!("{} {} ", row.status, row.verdict)), "{name}: {logged}");

        // BRR-34: a HEAD request gets the same head and no body.
        world.script();
        let head = row.request().method("HEAD").send(world.port(profile));
        assert_eq!((head.status(), head.body.len()), (row.status, 0), "{name}: {head:?}");
        assert_eq!(head.all("www-authenticate"), Vec::from_iter(row.challenge), "{name}: HEAD");
        assert!(world.upstream.take().is_empty(), "{name}: HEAD");
    }
    assert!(missing.is_empty(), "rows without a case: {missing:?}");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_grpc_client_gets_a_grpc_status_in_a_trailers_only_answer() {
    // GRP-01, GRP-02, GRP-03, GRP-04, GRP-08, ATK-109
    let world = world();
    for (profile, row) in rows().iter().filter(|(_, row)| row.status != 200) {
        let name = format!("{profile}: {}", row.name);
        world.script();
        let mut request = Http2Request::grpc(row.path);
        if let Some(token) = row.token {
            request = request.header("authorization", token);
        }
        let response = request.send(world.port(profile));
        assert_eq!((response.status, response.body.len()), (200, 0), "{name}: {response:?}");
        assert!(response.ends_with_headers, "{name}: not trailers-only: {response:?}");
        assert_eq!(response.all("content-type"), ["application/grpc"], "{name}");
        let want = match row.status {
            400 | 401 => "16",
            403 => "7",
            _ => "14",
        };
        // What the client is told is the profile's; what the gRPC status says follows from it.
        assert_eq!(response.all("grpc-status"), [want], "{name}: {response:?}");
        assert_eq!(response.all("www-authenticate"), Vec::from_iter(row.challenge), "{name}");
        assert_eq!(response.all("cache-control"), ["no-store"], "{name}");
        let message = response.all("grpc-message").concat();
        assert!(!message.is_empty() && message.len() < 200, "{name}: {message:?}");
        assert!(message.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'{'), "{name}: {message:?}");
        assert!(world.upstream.take().is_empty(), "{name}: the upstream saw a message");
    }
    world.script();
    let pass = Http2Request::grpc("/any").bearer("hush-good").send(world.port("rfc6750"));
    assert_eq!(pass.status, 200);
    assert_eq!(world.upstream.take().len(), 1);
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn only_grpc_itself_is_answered_as_grpc() {
    // GRP-05, GRP-06, GRP-07
    let world = world();
    let port = world.port("rfc6750");
    world.script();
    #[rustfmt::skip]
    let cases = [
        ("gRPC",                         "application/grpc",          200, Some("16")),
        ("gRPC with a message format",   "application/grpc+proto",    200, Some("16")),
        ("gRPC-Web is plain HTTP",       "application/grpc-web",      401, None),
        ("gRPC-Web with a format",       "application/grpc-web+proto", 401, None),
        ("another type",                 "application/grpcx",         401, None),
    ];
    for (name, media_type, status, grpc_status) in cases {
        let request = Http2Request::new("POST", "/any").header("content-type", media_type);
        let response = request.send(port);
        assert_eq!(response.status, status, "{name}");
        assert_eq!(response.all("grpc-status"), Vec::from_iter(grpc_status), "{name}");
        assert_eq!(response.all("www-authenticate"), ["Bearer realm=\"tollgate\""], "{name}");
    }
    // GRP-07, ATK-08
    for (name, second) in [("the same token twice", "Bearer hush-good"), ("another one", "Bearer hush-bad")] {
        let twice = Http2Request::grpc("/any").bearer("hush-good").header("authorization", second);
        assert_eq!(twice.send(port).all("grpc-status"), ["16"], "{name}");
    }
    assert!(world.server.take().is_empty() && world.upstream.take().is_empty());
}

#[test]
fn the_bodys_form_is_the_configured_one() {
    // BRR-33; RFC 9457
    let world = world();
    world.script();
    let json = r#"{"error":"invalid_token","error_description":"The access token is not valid."}"#;
    let problem = r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The access token is not valid.","error":"invalid_token"}"#;
    #[rustfmt::skip]
    let cases = [
        ("json",                              "rfc6750", "application/problem+json", Some("application/json"), json),
        ("problem",                           "problem", "*/*",                      Some("application/problem+json"), problem),
        ("none",                              "none",    "*/*",                      None, ""),
        ("auto, and nothing is preferred",    "auto",    "*/*",                      Some("application/json"), json),
        ("auto, and problem details are asked for", "auto", "text/html, application/problem+json;q=0.9", Some("application/problem+json"), problem),
    ];
    for (name, listener, accept, media_type, body) in cases {
        let request = Request::get("/any").bearer("hush-inactive").header("Accept", accept);
        let response = request.send(world.port(listener));
        assert_eq!(response.status(), 401, "{name}");
        assert_eq!(response.text(), body, "{name}");
        assert_eq!(response.all("content-type"), Vec::from_iter(media_type), "{name}");
        assert_eq!(response.all("www-authenticate").len(), 1, "{name}");
    }
}

#[test]
fn every_cause_of_an_invalid_token_looks_the_same() {
    // BRR-30, INT-22
    let world = world();
    let bodies = [
        r#"{"active":false}"#,
        r#"{"active":true,"sub":"hush-alice","exp":1}"#,
        r#"{"active":true,"sub":"hush-alice","nbf":99999999999}"#,
        r#"{"active":true,"sub":"hush-alice","iss":"https://other.example.com"}"#,
        r#"{"active":true,"sub":"hush-alice","aud":"https://other.example.com"}"#,
        r#"{"active":true,"token_type":"refresh_token"}"#,
    ];
    let mut answers = BTreeSet::new();
    for body in bodies {
        world.server.on("hush-some", [Behaviour::json(body)]);
        let mut response = Request::get("/any").bearer("hush-some").send(world.port("strict"));
        response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        assert_eq!(response.status(), 401, "{body}");
        answers.insert(response.whole());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

struct Row {
    name: &'static str,
    verdict: &'static str,
    path: &'static str,
    token: Option<&'static str>,
    status: u16,
    challenge: Option<&'static str>,
    retry_after: Option<&'static str>,
    media_type: &'static str,
    body: &'static str,
}

impl Row {
    fn request(&self) -> Request {
        let request = Request::get(self.path);
        match self.token {
            Some(token) => request.header("Authorization", token),
            None => request,
        }
    }
}

/// The rows of both profiles.
fn rows() -> Vec<(&'static str, Row)> {
    const JSON: &str = "application/json";
    const UTF8: &str = "application/json; charset=UTF-8";
    const ANYPOINT: Option<&str> = Some("Bearer realm=\"OAuth2 Introspection Client Realm\"");
    // Name, verdict, path, token; status, challenge, Retry-After and body of rfc6750; status,
    // challenge, media type and body of anypoint.
    #[rustfmt::skip]
    let table = [
        ("a good token passes", "allowed", "/any", Some("Bearer hush-good"),
         (200, None, None, ""), (200, None, UTF8, "")),
        ("an open path passes without a token", "anonymous", "/open", None,
         (200, None, None, ""), (200, None, UTF8, "")),
        ("no token", "no_token", "/any", None,
         (401, Some(r#"Bearer realm="tollgate""#), None, r#"{"error":"unauthorized","error_description":"An access token is required."}"#),
         (400, None, UTF8, r#"{"error": "Access token was not provided."}"#)),
        ("another scheme", "no_token", "/any", Some("Basic Zm9vOmJhcg=="),
         (401, Some(r#"Bearer realm="tollgate""#), None, r#"{"error":"unauthorized","error_description":"An access token is required."}"#),
         (400, None, UTF8, r#"{"error": "Access token was not provided."}"#)),
        ("malformed credentials", "invalid_request", "/any", Some("Bearer a b"),
         (400, Some(r#"Bearer realm="tollgate", error="invalid_request", error_description="The credentials are malformed.""#), None,
          r#"{"error":"invalid_request","error_description":"The credentials are malformed."}"#),
         (400, None, UTF8, r#"{"error": "Authorization header is invalid"}"#)),
        ("an ambiguous path", "invalid_request", "/any/%2e%2e%2fopen", Some("Bearer hush-good"),
         (400, None, None, r#"{"error":"invalid_request","error_description":"The request path is not acceptable."}"#),
         (400, None, UTF8, r#"{"error": "Authorization header is invalid"}"#)),
        ("an inactive token", "invalid_token", "/any", Some("Bearer hush-inactive"),
         (401, Some(r#"Bearer realm="tollgate", error="invalid_token", error_description="The access token is not valid.""#), None,
          r#"{"error":"invalid_token","error_description":"The access token is not valid."}"#),
         (401, ANYPOINT, UTF8, r#"{"error": "Token has been revoked."}"#)),
        ("an expired token", "invalid_token", "/any", Some("Bearer hush-expired"),
         (401, Some(r#"Bearer realm="tollgate", error="invalid_token", error_description="The access token is not valid.""#), None,
          r#"{"error":"invalid_token","error_description":"The access token is not valid."}"#),
         (401, ANYPOINT, UTF8, r#"{"error": "Token has expired."}"#)),
        ("a bound token without proof", "invalid_binding", "/any", Some("Bearer hush-bound"),
         (401, Some(r#"Bearer realm="tollgate", error="invalid_token", error_description="The access token is bound to its sender, and no proof was presented.""#), None,
          r#"{"error":"invalid_token","error_description":"The access token is bound to its sender, and no proof was presented."}"#),
         (401, ANYPOINT, UTF8, r#"{"error": "Unauthorized"}"#)),
        ("a weak authentication", "insufficient_authentication", "/strong", Some("Bearer hush-good"),
         (401, Some(r#"Bearer realm="tollgate", error="insufficient_user_authentication", error_description="A stronger or more recent authentication is required.", acr_values="gold silver", max_age="300""#), None,
          r#"{"error":"insufficient_user_authentication","error_description":"A stronger or more recent authentication is required."}"#),
         (401, ANYPOINT, UTF8, r#"{"error": "Unauthorized"}"#)),
        ("a missing scope", "insufficient_scope", "/scoped", Some("Bearer hush-good"),
         (403, Some(r#"Bearer realm="tollgate", error="insufficient_scope", error_description="A required scope is missing.", scope="read write""#), None,
          r#"{"error":"insufficient_scope","error_description":"A required scope is missing."}"#),
         (403, None, UTF8, r#"{"error": "The required scopes are not authorized"}"#)),
        ("a client that is not on the list", "forbidden", "/partners", Some("Bearer hush-good"),
         (403, Some(r#"Bearer realm="tollgate", error="insufficient_scope""#), None,
          r#"{"error":"access_denied","error_description":"Access is denied."}"#),
         (403, None, "text/plain; charset=UTF-8", "Invalid Client")),
        ("a claim that differs", "forbidden", "/tenant", Some("Bearer hush-good"),
         (403, Some(r#"Bearer realm="tollgate", error="insufficient_scope""#), None,
          r#"{"error":"access_denied","error_description":"Access is denied."}"#),
         (403, None, UTF8, r#"{"error": "Forbidden"}"#)),
        ("a path that nobody may take", "forbidden", "/closed", Some("Bearer hush-good"),
         (403, None, None, r#"{"error":"access_denied","error_description":"Access is denied."}"#),
         (403, None, UTF8, r#"{"error": "Forbidden"}"#)),
        ("no answer", "unavailable", "/any", Some("Bearer hush-unanswered"),
         (503, None, Some("5"),
          r#"{"error":"temporarily_unavailable","error_description":"The access token could not be checked; try again later."}"#),
         (401, ANYPOINT, UTF8, r#"{"error": "Unauthorized"}"#)),
        ("an answer that cannot be used", "bad_answer", "/any", Some("Bearer hush-misread"),
         (502, None, None, r#"{"error":"server_error","error_description":"The access token could not be checked."}"#),
         (500, None, UTF8, r#"{"error": "Unexpected error processing Authentication Server response"}"#)),
    ];
    let mut rows = Vec::new();
    for (name, verdict, path, token, rfc6750, anypoint) in table {
        let (status, challenge, retry_after, body) = rfc6750;
        let row = Row { name, verdict, path, token, status, challenge, retry_after, media_type: JSON, body };
        let (status, challenge, media_type, body) = anypoint;
        let other = Row { status, challenge, retry_after: None, media_type, body, ..row };
        rows.extend([("rfc6750", row), ("anypoint", other)]);
    }
    rows
}

fn world() -> MutexGuard<'static, World> {
    static WORLD: Shared = Shared::new();
    WORLD.world(stage)
}

fn stage() -> Stage {
    let rules = json!([
        {"name": "open", "match": {"path": "/open"}, "access": "anonymous"},
        {"name": "closed", "match": {"path": "/closed"}, "access": "deny"},
        {"name": "strong", "match": {"path": "/strong"}, "requires": {"acr_values": ["gold", "silver"], "max_age": "5m"}},
        {"name": "scoped", "match": {"path": "/scoped"}, "requires": {"scopes": ["read", "write"]}},
        {"name": "partners", "match": {"path": "/partners"}, "requires": {"clients": ["partner"]}},
        {"name": "tenant", "match": {"path": "/tenant"}, "requires": {"claims": [{"name": "tenant", "equals": "blue"}]}},
    ]);
    let responses = |profile: &str, format: &str| -> Value {
        json!({"rules": rules.clone(), "responses": {"profile": profile, "format": format}})
    };
    let strict = json!({"providers": {"as": {"issuer": "https://as.example.com", "audiences": ["https://api.example.com"]}}});
    Stage::new()
        .policy("rfc6750", responses("rfc6750", "json"))
        .policy("anypoint", json!({"rules": rules.clone(), "responses": {"profile": "anypoint"}}))
        .policy("problem", responses("rfc6750", "problem"))
        .policy("none", responses("rfc6750", "none"))
        .policy("auto", responses("rfc6750", "auto"))
        .policy("strict", strict)
}

trait Script {
    fn script(&self);
}

impl Script for World {
    /// What the authorization server says of the tokens in the table.
    fn script(&self) {
        self.server.take();
        self.upstream.take();
        #[rustfmt::skip]
        let tokens = [
            ("hush-good",       Behaviour::json(r#"{"active":true,"client_id":"app","sub":"hush-alice","scope":"read","tenant":"red","acr":"hush-bronze"}"#)),
            ("hush-inactive",   Behaviour::json(r#"{"active":false,"hush":"hush"}"#)),
            ("hush-expired",    Behaviour::json(r#"{"active":true,"exp":1,"sub":"hush-alice"}"#)),
            ("hush-bound",      Behaviour::json(r#"{"active":true,"cnf":{"jkt":"hush-0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}"#)),
            ("hush-unanswered", Behaviour::reply(503, "text/plain", "hush: upstream connect error")),
            ("hush-misread",    Behaviour::reply(200, "text/html", "<html>hush</html>")),
        ];
        for (token, behaviour) in tokens {
            self.server.on(token, [behaviour]);
        }
    }
}

/// INT-22: nothing of the token or of the authorization server's answer is in the response.
fn assert_nothing_leaks(response: &Message, name: &str) {
    let whole = response.whole();
    for word in ["hush", "as.example.com", "upstream connect"] {
        assert!(!whole.contains(word), "{name}: {word:?} is in {whole}");
    }
}
