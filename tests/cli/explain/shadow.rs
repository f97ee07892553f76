//! `mode: shadow`: what would happen, and that it does not.

use serde_json::json;

use super::{NOW, but, good};
use crate::support::{Run, Tollgate};

fn explain(mode: &str, request: &str, args: &[&str]) -> Run {
    let tollgate = Tollgate::new();
    let configuration = super::CONFIGURATION.replace("URI", "https://login.example.com/introspect");
    tollgate.write("c.yaml", format!("{configuration}mode: {mode}\n"));
    tollgate.write("good.json", good().to_string());
    tollgate.write("narrow.json", but("scope", json!("other")).to_string());
    tollgate.write("down.txt", "HTTP/1.1 503 Unavailable\n\n");
    let first = ["explain", "-c", "c.yaml", "--at", NOW, "-H", "x-client: forged", "-r", request];
    tollgate.run([&first[..], args].concat())
}

#[test]
fn shadow_mode_says_what_would_happen_and_lets_the_request_pass() {
    #[rustfmt::skip]
    let cases: [(&str, &str, &[&str], &str, &str); 6] = [
        ("no token",       "GET /x",     &["--reply", "good.json"],                      "no_token",           "401"),
        ("a scope",        "GET /x",     &["--token", "t", "--reply", "narrow.json"],    "insufficient_scope", "403"),
        ("an outage",      "GET /x",     &["--token", "t", "--reply", "down.txt"],       "unavailable",        "503"),
        ("a closed rule",  "GET /admin", &["--token", "t", "--reply", "good.json"],      "forbidden",          "403"),
        ("an odd path",    "GET /a/..;/b", &["--token", "t", "--reply", "good.json"],    "invalid_request",    "400"),
        ("two tokens",     "GET /x",     &["--token", "t", "-H", "authorization: Bearer b", "--reply", "good.json"], "invalid_request", "400"),
    ];
    for (name, request, more, verdict, status) in cases {
        let run = explain("shadow", request, more);
        assert_eq!(run.status, 0, "{name}: {run:?}");
        for want in [
            format!("→ with mode: enforce, the client would get {status}\n"),
            "→ the request is forwarded to the upstream\n    without x-client\n".to_owned(),
            "→ not enforced, because of mode: shadow: the request passes\n".to_owned(),
            format!("verdict: {verdict}\n"),
        ] {
            assert!(run.stdout.contains(&want), "{name}: {want}: {run:?}");
        }
        assert!(!run.stdout.contains("the client gets"), "{name}: {run:?}");
        let run = explain("shadow", request, &[more, &["--json"]].concat());
        let document = run.json();
        assert_eq!(
            (run.status, &document["enforced"], &document["verdict"], document["upstream"].is_null()),
            (0, &json!(false), &json!(verdict), false),
            "{name}: {run:?}"
        );
        let enforced = explain("enforce", request, more);
        assert!(
            enforced.status == 1 && enforced.stdout.ends_with(&format!("verdict: {verdict}\n")),
            "{name}: {enforced:?}"
        );
    }
    let run = explain("shadow", "GET /x", &["--token", "t", "--reply", "good.json"]);
    assert!(run.status == 0 && run.stdout.ends_with("verdict: allowed\n"), "{run:?}");
}
