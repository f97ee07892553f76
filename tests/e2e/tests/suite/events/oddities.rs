//! Whatever HTTP an event comes in: it gets a response, nothing of it comes back, and nothing goes on to the upstream.

use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_e2e::client::connect;
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::my_turn;

use super::{EVENT, event, receiving};

/// A head so far, with the right type.
const POST: &str = "POST /events HTTP/1.1\r\nhost: a\r\ncontent-type: application/secevent+jwt\r\n";
const TYPE: &str = "content-type: application/secevent+jwt\r\n";

#[test]
fn whatever_http_it_comes_in_an_event_gets_a_response() {
    let _turn = my_turn();
    // EVT-07
    let world = receiving(json!({}));
    let port = world.port("as");
    let token = event(&json!({"jti": "r1", "sub_id": {"format": "opaque", "id": "s-other"}}));
    let n = token.len();
    let whole = format!("content-length: {n}\r\n\r\n{token}");
    let chunk = |text: &str| format!("{:x};ext=hush-echo\r\n{text}\r\n", text.len());
    let (half, rest) = token.split_at(n / 2);
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<String>)> = vec![
        ("plain", vec![format!("{POST}{whole}")]),
        ("expect", vec![format!("POST /events HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n{TYPE}content-length: {n}\r\n\r\n"), token.clone()]),
        ("expect other", vec![format!("POST /events HTTP/1.1\r\nhost: a\r\nexpect: hush-echo\r\n{TYPE}content-length: {n}\r\n\r\n"), token.clone()]),
        ("expect, never sent", vec![format!("POST /events HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n{TYPE}content-length: {n}\r\n\r\n")]),
        ("1.0", vec![format!("POST /events HTTP/1.0\r\nhost: a\r\n{TYPE}{whole}")]),
        ("chunks, trailers", vec![format!("{POST}transfer-encoding: chunked\r\n\r\n{}", chunk(half)), chunk(rest), "0\r\nx-hush: hush-echo\r\n\r\n".to_owned()]),
        ("chunks, no end", vec![format!("{POST}transfer-encoding: chunked\r\n\r\n{}", chunk(&token))]),
        ("te and cl", vec![format!("{POST}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n{}0\r\n\r\n", chunk(&token))]),
        ("te gzip", vec![format!("{POST}transfer-encoding: gzip, chunked\r\n\r\n{}0\r\n\r\n", chunk(&token))]),
        ("no length", vec![format!("{POST}\r\n")]),
        ("length 0", vec![format!("{POST}content-length: 0\r\n\r\n")]),
        ("empty chunked", vec![format!("{POST}transfer-encoding: chunked\r\n\r\n0\r\n\r\n")]),
        ("huge length", vec![format!("{POST}content-length: 18446744073709551615\r\n\r\n{token}")]),
        ("signed length", vec![format!("{POST}content-length: +{n}\r\n\r\n{token}")]),
        ("head", vec!["HEAD /events HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()]),
        ("options", vec!["OPTIONS /events HTTP/1.1\r\nhost: a\r\norigin: https://hush-echo\r\naccess-control-request-method: POST\r\n\r\n".to_owned()]),
        ("upgrade", vec![format!("POST /events HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n{TYPE}{whole}")]),
        ("h2c", vec![format!("POST /events HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n{TYPE}{whole}")]),
        ("absolute", vec![format!("POST http://hush-echo/events HTTP/1.1\r\nhost: a\r\n{TYPE}{whole}")]),
        ("fragment", vec![format!("POST /events#hush-echo HTTP/1.1\r\nhost: a\r\n{TYPE}{whole}")]),
        ("backslash", vec![format!("POST \\events HTTP/1.1\r\nhost: a\r\n{TYPE}{whole}")]),
        ("backslash dots", vec![format!("POST /x/..\\events HTTP/1.1\r\nhost: a\r\n{TYPE}{whole}")]),
        ("dot at the end", vec![format!("POST /events/. HTTP/1.1\r\nhost: a\r\n{TYPE}{whole}")]),
        ("escaped", vec![format!("POST /%65%76ents?hush-echo HTTP/1.1\r\nhost: a\r\n{TYPE}{whole}")]),
        ("escaped question", vec![format!("POST /events%3fhush-echo HTTP/1.1\r\nhost: a\r\n{TYPE}{whole}")]),
        ("semicolon", vec![format!("POST /events;hush-echo HTTP/1.1\r\nhost: a\r\n{TYPE}{whole}")]),
        ("long", vec![format!("{POST}content-length: 66000\r\n\r\n{}", "hush-echo".repeat(3)), "x".repeat(66000 - 27)]),
        ("slow", vec![format!("{POST}content-length: {n}\r\n\r\n{half}"), rest.to_owned()]),
        ("slow and then another", vec![format!("{POST}content-length: {n}\r\n\r\n{half}"), format!("{rest}GET /x HTTP/1.1\r\nhost: a\r\n\r\n")]),
        ("pipelined", vec![format!("{POST}{whole}{POST}{whole}GET /x HTTP/1.1\r\nhost: a\r\n\r\n")]),
        ("refused at the head, then more", vec![format!("POST /events HTTP/1.1\r\nhost: a\r\ncontent-type: text/hush-echo\r\n{whole}GET /x HTTP/1.1\r\nhost: a\r\n\r\n")]),
        ("obs-text type", vec![format!("POST /events HTTP/1.1\r\nhost: a\r\ncontent-type: application/secevent+jwt;\u{e9}=hush-echo\r\n{whole}")]),
        ("nul body", vec![format!("{POST}content-length: 4\r\n\r\n\0\0\0\0")]),
        ("jwe", vec![format!("{POST}content-length: 9\r\n\r\na.b.c.d.e")]),
    ];
    thread::scope(|scope| {
        for (name, parts) in &cases {
            let pause = Duration::from_millis(if name.starts_with("slow") { 1000 } else { 30 });
            scope.spawn(move || {
                let text = said(port, parts, pause);
                assert!(text.starts_with("HTTP/1.") && !text.contains("hush"), "{name}: {text:?}");
            });
        }
    });
    let typed = |path: &str| Http2Request::new("POST", path).header("content-type", EVENT);
    for (name, request) in [
        ("no body", typed("/events")),
        ("a body", typed("/events").body(token.as_bytes())),
        ("another length", typed("/events").header("content-length", "5").body(token.as_bytes())),
        ("trailers", typed("/events").body(token.as_bytes()).trailer("hush", "x")),
        ("only trailers", typed("/events").trailer("hush", "x")),
        ("no end", typed("/events").unfinished(half.as_bytes())),
        ("an extended CONNECT", Http2Request::connect("websocket", "/events")),
        ("an odd method", Http2Request::new("HUSH", "/events").body(b"x")),
        ("gRPC", Http2Request::grpc("/events")),
        ("a long body", typed("/events").body("x".repeat(70_000).as_bytes())),
        ("an escaped slash", typed("/%2fevents").body(token.as_bytes())),
    ] {
        let start = Instant::now();
        // A length that is not the body's is Envoy's to refuse.
        let is_quiet = request.try_send(port).map(|response| !response.text().contains("hush"));
        assert!(is_quiet.unwrap_or(name == "another length"), "{name}");
        assert!(start.elapsed() < Duration::from_secs(3), "{name}");
    }
    assert!(!world.envoy.has_ended());
    assert!(world.upstream.take().is_empty());
    world.envoy.assert_clean_log(&["hush"]);
}

/// All that comes back within some seconds.
fn said(port: u16, parts: &[String], pause: Duration) -> String {
    let mut stream = connect(port).expect("a connection");
    for part in parts {
        if stream.write_all(part.as_bytes()).is_err() {
            break;
        }
        thread::sleep(pause);
    }
    stream.set_read_timeout(Some(Duration::from_millis(2500))).expect("a connection");
    let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut bytes) {
        all.extend_from_slice(&bytes[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}
