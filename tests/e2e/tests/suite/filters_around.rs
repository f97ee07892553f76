//! What a client sees of a refusal when other filters stand before or behind Tollgate. It is what it
//! would see of Envoy's own `jwt_authn` in that place: the HTTP status, and the gRPC status where it has spoken
//! gRPC itself, whatever the filters between have made of its request.

use std::sync::{MutexGuard, OnceLock};

use base64::Engine as _;
use serde_json::{Value, json};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::ext_proc::ExternalProcessor;
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::message::latin1_text;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{Shared, World, policy};

/// How a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Speaks {
    /// JSON over HTTP/1.1.
    Json,
    /// gRPC-Web over HTTP/1.1.
    Web,
    /// gRPC.
    Grpc,
}

use Speaks::{Grpc, Json, Web};

/// What a client gets.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Seen {
    status: u16,
    grpc_status: Option<String>,
    challenge: Vec<String>,
    /// The body, or the message of gRPC.
    text: String,
    content_type: String,
}

/// One refusal: path, token, HTTP status, gRPC status, code in the body, and what it says.
type Row = (&'static str, &'static str, Option<&'static str>, u16, u16, &'static str, &'static str);

/// A refusal for each verdict.
#[rustfmt::skip]
const ROWS: [Row; 10] = [
    ("no_token",                    "Any",    None,               401, 16, "unauthorized",    "An access token is required."),
    ("invalid_request",             "Any",    Some("a b"),        400, 16, "invalid_request", "The credentials are malformed."),
    ("invalid_token",               "Any",    Some("inactive"),   401, 16, "invalid_token",   "The access token is not valid."),
    ("invalid_binding",             "Any",    Some("bound"),      401, 16, "invalid_token",   "The access token is bound to its sender, and no proof was presented."),
    ("insufficient_authentication", "Strong", Some("good"),       401, 16, "insufficient_user_authentication", "A stronger or more recent authentication is required."),
    ("insufficient_scope",          "Scoped", Some("good"),       403,  7, "insufficient_scope", "A required scope is missing."),
    ("forbidden",                   "Tenant", Some("good"),       403,  7, "access_denied",   "Access is denied."),
    ("forbidden for everybody",     "Closed", Some("good"),       403,  7, "access_denied",   "Access is denied."),
    ("unavailable",                 "Any",    Some("unanswered"), 503, 14, "temporarily_unavailable", "The access token could not be checked; try again later."),
    ("bad_answer",                  "Any",    Some("misread"),    502, 14, "server_error",    "The access token could not be checked."),
];

#[test]
fn a_refusal_keeps_its_status_whatever_stands_around() {
    // GRP-09
    let world = world();
    for (listener, speaks) in
        CHAINS.iter().flat_map(|(name, clients)| clients.iter().map(move |c| (name, *c)))
    {
        for row in ROWS {
            let (verdict, path, token, status, grpc_status, code, says) = row;
            let name = format!("{listener}: {speaks:?}: {verdict}");
            world.script();
            let seen = ask(speaks, world.port(listener), path, token);
            assert!(world.upstream.take().is_empty(), "{name}: the upstream was asked");
            assert_eq!(!seen.challenge.is_empty(), row.3 < 500 && path != "Closed", "{name}: {seen:?}");
            if speaks == Grpc {
                assert_eq!(
                    (seen.status, &seen.grpc_status),
                    (200, &Some(grpc_status.to_string())),
                    "{name}: {seen:?}"
                );
                assert_eq!(seen.content_type, "application/grpc", "{name}");
            } else {
                // The filter for gRPC-Web adds a gRPC status of its own making.
                let translated = if status == 400 { 13 } else { grpc_status };
                let translated = (*listener == "web before").then(|| translated.to_string());
                assert_eq!((seen.status, &seen.grpc_status), (status, &translated), "{name}: {seen:?}");
            }
            let body = format!(r#"{{"error":"{code}","error_description":"{says}"}}"#);
            let is_seen_as_grpc = match *listener {
                "transcoder before" | "web before" => true,
                _ => speaks == Grpc,
            };
            if *listener == "compressor before" && speaks == Json {
                assert!(seen.text.starts_with("\u{1f}\u{8b}"), "{name}: {seen:?}");
            } else {
                let says = if is_seen_as_grpc { says } else { &body };
                assert_eq!(seen.text, *says, "{name}: {seen:?}");
            }
        }
    }
    world.envoy.assert_clean_log(&[]);
}

#[test]
fn without_a_token_a_client_sees_what_jwt_authn_would_have_it_see() {
    // GRP-09
    let world = world();
    for (listener, clients) in CHAINS.iter().filter(|(name, _)| name.ends_with("before")) {
        for speaks in *clients {
            world.script();
            let ours = ask(*speaks, world.port(listener), "Any", None);
            let theirs = ask(*speaks, world.port(&format!("{listener}, and jwt_authn")), "Any", None);
            let name = format!("{listener}: {speaks:?}: {theirs:?}");
            assert_eq!((ours.status, ours.grpc_status), (theirs.status, theirs.grpc_status), "{name}");
            assert!(world.upstream.take().is_empty(), "{name}");
        }
    }
}

#[test]
fn the_reverse_bridge_takes_every_refusal_behind_it_for_a_bad_response() {
    // GRP-09: nothing can be done about it from behind; docs/operations.md says so.
    let world = world();
    for listener in ["bridge before", "bridge before, and jwt_authn"] {
        world.script();
        let seen = ask(Grpc, world.port(listener), "Any", None);
        assert_eq!((seen.status, seen.grpc_status.as_deref()), (200, Some("2")), "{listener}");
        assert!(world.upstream.take().is_empty(), "{listener}");
    }
}

#[test]
fn what_passes_is_still_translated() {
    // GRP-08
    let world = world();
    for (listener, media_type) in
        [("transcoder before", "application/grpc"), ("web before", "application/grpc")]
    {
        world.script();
        let speaks = if listener.starts_with("web") { Web } else { Json };
        ask(speaks, world.port(listener), "Any", Some("good"));
        let seen = world.upstream.take();
        assert_eq!(seen.len(), 1, "{listener}");
        let types = seen[0].all("content-type");
        assert!(types.concat().starts_with(media_type), "{listener}: {types:?}");
    }
}

#[test]
fn scripts_may_read_a_refusal_that_passes_the_cors_filter() {
    // COR-01
    let world = world();
    world.script();
    let request = Request::new("GET", "/t.S/Any").header("Origin", "https://app.example.com");
    let response = request.send(world.port("cors before"));
    assert_eq!(response.status(), 401);
    assert_eq!(response.all("access-control-allow-origin"), ["https://app.example.com"]);
    assert_eq!(response.all("access-control-expose-headers"), ["WWW-Authenticate"]);
}

#[test]
fn an_external_processor_hears_of_a_refusal_before_tollgate_and_of_no_request_behind_it() {
    let world = world();
    for (listener, request) in [("ext_proc before", true), ("ext_proc behind", false)] {
        world.script();
        processor().take();
        assert_eq!(ask(Json, world.port(listener), "Any", None).status, 401);
        let asked = processor().take();
        assert!(if request { asked == 2 } else { asked <= 1 }, "{listener}: {asked} messages");
    }
}

/// The listeners, and how their clients speak.
const CHAINS: [(&str, &[Speaks]); 14] = [
    ("alone", &[Json, Web, Grpc]),
    ("transcoder before", &[Json, Grpc]),
    ("transcoder behind", &[Json, Grpc]),
    ("web before", &[Web, Grpc]),
    ("web behind", &[Web, Grpc]),
    ("bridge behind", &[Grpc]),
    ("cors before", &[Json, Grpc]),
    ("cors behind", &[Json, Grpc]),
    ("compressor before", &[Json, Grpc]),
    ("compressor behind", &[Grpc]),
    ("buffer before", &[Json, Grpc]),
    ("buffer behind", &[Json, Grpc]),
    ("ext_proc before", &[Json, Grpc]),
    ("ext_proc behind", &[Json, Grpc]),
];

fn filters(of: &str) -> Vec<Value> {
    let typed = |name: &str, kind: &str, members: Value| {
        let mut typed = json!({"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}")});
        tollgate_e2e::world::merge(&mut typed, members);
        json!({"name": format!("envoy.filters.http.{name}"), "typed_config": typed})
    };
    vec![match of {
        "transcoder" => typed(
            "grpc_json_transcoder",
            "grpc_json_transcoder.v3.GrpcJsonTranscoder",
            json!({
                "proto_descriptor_bin": base64::engine::general_purpose::STANDARD.encode(descriptor()),
                "services": ["t.S"], "auto_mapping": true,
            }),
        ),
        "web" => typed("grpc_web", "grpc_web.v3.GrpcWeb", json!({})),
        "bridge" => typed(
            "grpc_http1_reverse_bridge",
            "grpc_http1_reverse_bridge.v3.FilterConfig",
            json!({
                "content_type": "application/x-protobuf", "withhold_grpc_frames": true,
            }),
        ),
        "cors" => typed("cors", "cors.v3.Cors", json!({})),
        "compressor" => typed(
            "compressor",
            "compressor.v3.Compressor",
            json!({
                "compressor_library": {"name": "gzip", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"}},
            }),
        ),
        "buffer" => typed("buffer", "buffer.v3.Buffer", json!({"max_request_bytes": 10_000})),
        "ext_proc" => typed(
            "ext_proc",
            "ext_proc.v3.ExternalProcessor",
            json!({
                "grpc_service": {"envoy_grpc": {"cluster_name": "processor"}, "timeout": "10s"},
                "message_timeout": "10s",
                "processing_mode": {"request_header_mode": "SEND", "response_header_mode": "SEND"},
            }),
        ),
        "jwt_authn" => typed(
            "jwt_authn",
            "jwt_authn.v3.JwtAuthentication",
            json!({
                "providers": {"p": {"issuer": "i", "local_jwks": {"inline_string":
                    r#"{"keys":[{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}]}"#}}},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
            }),
        ),
        _ => return Vec::new(),
    }]
}

/// A `FileDescriptorSet`: the service `t.S`, whose methods take and give the empty message `t.M`.
fn descriptor() -> Vec<u8> {
    let field = |number: u8, value: &[u8]| {
        [&[number << 3 | 2, u8::try_from(value.len()).expect("short")], value].concat()
    };
    let method =
        |name: &str| field(2, &[field(1, name.as_bytes()), field(2, b".t.M"), field(3, b".t.M")].concat());
    let methods: Vec<u8> =
        ["Any", "Strong", "Scoped", "Tenant", "Closed"].into_iter().flat_map(method).collect();
    let service = [field(1, b"S"), methods].concat();
    let file = [
        field(1, b"t.proto"),
        field(2, b"t"),
        field(4, &field(1, b"M")),
        field(6, &service),
        field(12, b"proto3"),
    ];
    // Longer than 127 bytes, so its length takes two.
    let file = file.concat();
    let length = u8::try_from(file.len() % 128 + 128).expect("seven bits and one more");
    [&[0x0a, length, u8::try_from(file.len() / 128).expect("short")], &file[..]].concat()
}

fn processor() -> &'static ExternalProcessor {
    static PROCESSOR: OnceLock<ExternalProcessor> = OnceLock::new();
    PROCESSOR.get_or_init(ExternalProcessor::start)
}

fn world() -> MutexGuard<'static, World> {
    static WORLD: Shared = Shared::new();
    WORLD.world(stage)
}

fn stage() -> Stage {
    let ours = policy(json!({"rules": [
        {"match": {"path": "/t.S/Closed"}, "access": "deny"},
        {"match": {"path": "/t.S/Strong"}, "requires": {"acr_values": ["gold"]}},
        {"match": {"path": "/t.S/Scoped"}, "requires": {"scopes": ["read", "write"]}},
        {"match": {"path": "/t.S/Tenant"}, "requires": {"claims": [{"name": "tenant", "equals": "blue"}]}},
    ]}));
    let cors = json!({"envoy.filters.http.cors": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": "https://app.example.com"}],
        "expose_headers": "WWW-Authenticate",
    }});
    let plugin = |name: &str| {
        let (of, place) = name.split_once(' ').unwrap_or((name, ""));
        let mut plugin = Plugin::new(ours.clone());
        if place == "before" {
            plugin.earlier = filters(of);
        } else {
            plugin.later = filters(of);
        }
        if of == "cors" {
            plugin.manager = json!({"route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}, "typed_per_filter_config": cors.clone()},
            ]}]}});
        }
        plugin
    };
    let mut stage = Stage::new().cluster("processor", processor().port());
    stage.http2.push("processor".to_owned());
    for (name, _) in CHAINS.into_iter().chain([("bridge before", &[][..])]) {
        stage = stage.listener(name, plugin(name));
        if name.ends_with("before") {
            let mut theirs = plugin(name);
            theirs.earlier.extend(filters("jwt_authn"));
            stage = stage.listener(&format!("{name}, and jwt_authn"), theirs);
        }
    }
    stage
}

fn ask(speaks: Speaks, port: u16, method: &str, token: Option<&str>) -> Seen {
    let path = format!("/t.S/{method}");
    let authorization = token.map(|token| format!("Bearer {token}"));
    if speaks == Grpc {
        let mut request = Http2Request::grpc(&path);
        if let Some(value) = &authorization {
            request = request.header("authorization", value);
        }
        let response = request.send(port);
        let one = |name: &str| response.all(name).into_iter().next();
        return Seen {
            status: response.status,
            grpc_status: one("grpc-status"),
            challenge: response.all("www-authenticate"),
            text: one("grpc-message").unwrap_or_default(),
            content_type: one("content-type").unwrap_or_default(),
        };
    }
    let mut request = Request::new("POST", &path);
    if let Some(value) = &authorization {
        request = request.header("authorization", value);
    }
    let request = match speaks {
        Web => request.header("content-type", "application/grpc-web+proto").body(&[0; 5]),
        _ => request.header("content-type", "application/json").header("accept-encoding", "gzip").body(b"{}"),
    };
    let response = request.send(port);
    let one = |name: &str| response.all(name).into_iter().next();
    Seen {
        status: response.status(),
        grpc_status: one("grpc-status"),
        challenge: response.all("www-authenticate"),
        text: one("grpc-message").unwrap_or_else(|| latin1_text(&response.body)),
        content_type: one("content-type").unwrap_or_default(),
    }
}

trait Script {
    fn script(&self);
}

impl Script for World {
    /// What the authorization server says of the tokens.
    fn script(&self) {
        self.server.take();
        self.upstream.take();
        let tokens = [
            ("good", Behaviour::json(r#"{"active":true,"scope":"read","acr":"bronze"}"#)),
            ("inactive", Behaviour::json(r#"{"active":false}"#)),
            (
                "bound",
                Behaviour::json(
                    r#"{"active":true,"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}"#,
                ),
            ),
            ("unanswered", Behaviour::reply(503, "text/plain", "no")),
            ("misread", Behaviour::reply(200, "text/html", "<html>")),
        ];
        for (token, behaviour) in tokens {
            self.server.on(token, [behaviour]);
        }
    }
}
