//! Credentials that Envoy adds: doctor and explain read the file that the configuration names.

use serde_json::json;

use super::{healthy, server};
use crate::support::{Answer, Received, Run, Scripted, Tollgate, indented};

/// `Basic` of gateway:s3cr3t.
const GOOD: &str = "Basic Z2F0ZXdheTpzM2NyM3Q=";

/// A server that knows the gateway by those credentials alone.
fn strict() -> Scripted {
    server(|request: &Received| match request.header("authorization") {
        Some(GOOD) => healthy(json!({"active": true, "aud": "api", "scope": "a"}))(request),
        _ => Answer::json(401, json!({"error": "invalid_client"})),
    })
}

fn envoy(origin: &str, path: &str) -> String {
    let configuration = format!(
        "providers:\n  main:\n    issuer: {origin}\n    audiences: [api]\n    introspection:\n      uri: {origin}/introspect\n      cluster: login\n      client_auth: {{method: none}}\n"
    );
    format!(
        "static_resources:\n  listeners:\n  - typed_config:\n      http_filters:\n      - typed_config:\n          config:\n            name: tollgate\n            failure_policy: FAIL_RELOAD\n            vm_config: {{}}\n            configuration:\n              \"@type\": type.googleapis.com/google.protobuf.Struct\n              value:\n{}  clusters:\n  - name: login\n    typed_extension_protocol_options:\n      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n        http_filters:\n        - name: envoy.filters.http.credential_injector\n          typed_config:\n            \"@type\": type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector\n            credential:\n              typed_config:\n                \"@type\": type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic\n                credential: {{name: main, sds_config: {{path_config_source: {{path: {path}}}}}}}\n",
        indented(&configuration, 16)
    )
}

fn secret(name: &str, value: &str) -> String {
    json!({"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": name, "generic_secret": {"secret": {"inline_string": value}}}]}).to_string()
}

fn run(server: &Scripted, path: &str, file: Option<String>, args: &[&str]) -> Run {
    let tollgate = Tollgate::new();
    tollgate.write("gateway/envoy.yaml", envoy(&server.origin, path));
    if let Some(content) = file {
        tollgate.write("gateway/secrets/main.yaml", content);
    }
    tollgate.write("own", "s3cr3t");
    tollgate.write("token", "t0k3n");
    let run = tollgate.run(args);
    assert!(!format!("{run:?}").contains("s3cr3t") && !format!("{run:?}").contains("czNjcjN0"), "{run:?}");
    run
}

const DOCTOR: [&str; 3] = ["doctor", "gateway/envoy.yaml", "--allow-http"];
const STAND_IN: [&str; 4] = ["--client-id", "gateway", "--client-secret-file", "own"];

#[test]
fn the_credentials_in_the_file_are_those_that_are_tried() {
    let beside = "/etc/envoy/tollgate/secrets/main.yaml";
    let oddly = |value: &str| Some(secret("main", value));
    #[rustfmt::skip]
    let cases = [
        ("good, as in a container",    beside,                      oddly(GOOD),  0, "✓ the credentials that Envoy adds are those in gateway/secrets/main.yaml"),
        ("good, relative to the run",  "gateway/secrets/main.yaml", oddly(GOOD),  0, "✓ it accepts the gateway's credentials, and reports a made-up token as inactive"),
        ("another secret",             beside, oddly("Basic Z2F0ZXdheTpvdGhlcg=="), 1, "✗ status 401 invalid_client: it rejects the credentials in gateway/secrets/main.yaml, which Envoy adds"),
        ("no scheme",                  beside, oddly("Z2F0ZXdheTpvdGhlcg=="),     1, "✗ the secret \"main\" in gateway/secrets/main.yaml does not begin with a scheme"),
        ("a bare secret",              beside, oddly("Basic hunter2"),            1, "is not `Basic` and the base64 of id:secret"),
        ("a final line break",         beside, oddly(&format!("{GOOD}\n")),       1, "holds a line break or another control character"),
        ("nothing",                    beside, oddly(""),                         1, "is empty"),
        ("another name",               beside, Some(secret("other", GOOD)),       1, "gateway/secrets/main.yaml contains no secret with the name \"main\", which the cluster uses"),
        ("no YAML",                    beside, Some("resources: [".to_owned()),   1, "✗ gateway/secrets/main.yaml:1:"),
        ("no secret",                  beside, Some("resources: []".to_owned()),  1, "contains 0 secrets; Envoy accepts exactly one"),
        ("no file",                    beside, None,                              1, "✗ cannot read /etc/envoy/tollgate/secrets/main.yaml, which holds the credentials that Envoy adds: no such file or directory"),
    ];
    for (name, path, file, status, want) in cases {
        let server = strict();
        let run = run(&server, path, file.clone(), &DOCTOR);
        assert!(run.status == status && run.stdout.contains(want), "{name}: {run:?}");
        if file.is_some() {
            // The file is what Envoy adds: nobody stands in for it.
            let run = self::run(&server, path, file, &[&DOCTOR[..], &STAND_IN].concat());
            assert!(run.status == status && run.stdout.contains(want), "{name}, and a stand-in: {run:?}");
        }
    }
}

#[test]
fn a_client_stands_in_for_a_file_on_another_machine() {
    let server = strict();
    let run = run(&server, "/etc/envoy/secret.yaml", None, &[&DOCTOR[..], &STAND_IN].concat());
    assert!(run.status == 0 && run.stdout.contains("· cannot read /etc/envoy/secret.yaml"), "{run:?}");
    assert!(run.stdout.contains("✓ it accepts the gateway's credentials"), "{run:?}");
}

#[test]
fn explain_asks_with_them_too() {
    let explain =
        ["explain", "-c", "gateway/envoy.yaml", "-r", "GET /", "--token-file", "token", "--allow-http"];
    let server = strict();
    let good = run(&server, "/x/secrets/main.yaml", Some(secret("main", GOOD)), &explain);
    assert!(good.status == 0 && good.stdout.ends_with("verdict: allowed\n"), "{good:?}");
    let other = run(&server, "/x/secrets/main.yaml", Some(secret("main", "Basic eDp5")), &explain);
    assert!(other.status == 1 && other.stdout.ends_with("verdict: bad_answer\n"), "{other:?}");
    let none = run(&server, "/x/secrets/main.yaml", None, &explain);
    assert!(none.status == 2 && none.stderr.contains("cannot read /x/secrets/main.yaml"), "{none:?}");
}

#[test]
fn what_the_three_commands_write_is_understood() {
    let server = strict();
    let tollgate = Tollgate::new();
    tollgate.write("s3", "s3cr3t");
    tollgate.write("m.wasm", "\0asm\x01\0\0\0");
    tollgate.write(
        "short.yaml",
        format!("providers:\n  main:\n    issuer: {0}\n    introspection_endpoint: {0}/introspect\n    client_id: gateway\n    client_secret_file: s3\n    audiences: [api]\napis:\n  a: {{upstream: 'http://127.0.0.1:3000', scopes: [a]}}\n", server.origin),
    );
    for kind in ["envoy", "compose"] {
        let made = tollgate.run(["generate", kind, "short.yaml", "--out", kind, "--module", "m.wasm"]);
        assert_eq!(made.status, 0, "{made:?}");
        let file = format!("{kind}/envoy.yaml");
        let run = tollgate.run(["doctor", &file, "--allow-http"]);
        assert!(
            run.status == 0 && run.stdout.contains("✓ it accepts the gateway's credentials"),
            "{kind}: {run:?}"
        );
        let wrong = tollgate.read(format!("{kind}/secrets/main.yaml")).replace("Basic ", "Basic eDp5");
        tollgate.write(format!("{kind}/secrets/main.yaml"), wrong);
        let run = tollgate.run(["doctor", &file, "--allow-http"]);
        assert_eq!(run.status, 1, "{kind}: {run:?}");
    }
}
