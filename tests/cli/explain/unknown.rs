//! What cannot be told from here is no verdict.

use serde_json::json;

use super::{CONFIGURATION, good};
use crate::support::{Answer, Scripted, Tollgate};

#[test]
fn what_the_command_refuses_to_ask_is_no_verdict() {
    let server = Scripted::start(|_, _| Answer::json(200, good()));
    let local = format!("{}/introspect", server.origin);
    let jwt = format!(
        "providers:\n  main:\n    issuer: {0}\n    audiences: [a]\n    validate: jwt\n    jwks: {{uri: {0}/keys, cluster: c}}\n",
        server.origin
    );
    let token = format!(
        "{}.{}.AAAA",
        base64(&json!({"alg": "RS256", "typ": "at+jwt", "kid": "k"}).to_string()),
        base64(&json!({"iss": server.origin, "sub": "s", "client_id": "c", "jti": "j", "aud": "a", "exp": 4_000_000_000_u64, "iat": 1_700_000_000}).to_string()),
    );
    let list = |uri: &str| {
        CONFIGURATION
            .replace("URI", &local)
            .replace("requires: {scopes: [orders:read]}", "requires: {clients: {list: l}}")
            + &format!("client_lists: {{l: {{uri: '{uri}', cluster: c}}}}\n")
    };
    #[rustfmt::skip]
    let cases = [
        ("plain http to this machine", CONFIGURATION.replace("URI", &local), "t", &[][..], "is plain http\n  To allow this for this machine: --allow-http."),
        ("plain http to another",      CONFIGURATION.replace("URI", "http://login.example.com/i"), "t", &["--allow-http"], "http://login.example.com/i is plain http, which anyone on the network path can read and change"),
        ("keys over plain http",       jwt, token.as_str(), &[], "/keys is plain http\n"),
        ("a list over plain http",     list("http://lists.example.com/l"), "t", &["--allow-http"], "http://lists.example.com/l is plain http"),
    ];
    for (name, configuration, token, more, want) in cases {
        let tollgate = Tollgate::new().variable("TG_SECRET", "s3cr3t");
        tollgate.write("c.yaml", configuration);
        let run =
            tollgate.run([&["explain", "-c", "c.yaml", "-r", "GET /x", "--token", token], more].concat());
        assert!(run.status == 2 && run.stderr.contains(want), "{name}: {run:?}");
        assert!(!run.stdout.contains("verdict"), "{name}: {run:?}");
    }
    assert!(server.received().is_empty());
}

#[test]
fn a_server_that_is_away_is_a_verdict() {
    let tollgate = Tollgate::new().variable("TG_SECRET", "s3cr3t");
    tollgate.write("c.yaml", CONFIGURATION.replace("URI", "http://127.0.0.1:1/i"));
    let run = tollgate.run(["explain", "-c", "c.yaml", "-r", "GET /x", "--token", "t", "--allow-http"]);
    assert!(run.status == 1 && run.stdout.ends_with("verdict: unavailable\n"), "{run:?}");
}

fn base64(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text)
}
