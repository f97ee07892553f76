//! `tollgate client register` (RFC 7591).

use std::sync::Mutex;

use serde_json::{Value, json};

use super::servers::{always, asked, but, created, oidc_provider, refusal};
use super::{client, register, says, store, stored};
use crate::support::{Answer, Scripted, Tollgate};

#[test]
fn what_is_sent() {
    let server = but(json!({}));
    let tollgate = Tollgate::new();
    let run = register(&tollgate, &server, &["--initial-access-token", "initial"]);
    says("DCR-03 201 is success", &run, 0, &["registered gateway", "c-1"]);
    let [got] = &asked(&server, "POST")[..] else { panic!("DCR-01: one request") };
    assert_eq!(got.header("content-type"), Some("application/json"), "DCR-01");
    assert_eq!(got.header("accept"), Some("application/json"), "DCR-01");
    assert_eq!(got.header("authorization"), Some("Bearer initial"), "DCR-02");
    assert_eq!(
        got.json(),
        json!({
            "client_name": "gateway", "grant_types": ["client_credentials"], "response_types": [],
            "redirect_uris": [], "token_endpoint_auth_method": "client_secret_basic",
        }),
        "DCR-09 nothing is left to defaults"
    );
}

#[test]
fn tokens_that_prove_more_are_asked_for() {
    // MTL-14, MTL-15
    let tollgate = Tollgate::new();
    tollgate.write("subject.json", json!({"tls_client_auth_san_dns": "a.example"}).to_string());
    tollgate.write("keys.json", json!({"keys": [{"kty": "EC", "x5c": ["MII="]}]}).to_string());
    #[rustfmt::skip]
    let cases: [(&str, &[&str], &str, Value); 5] = [
        ("a", &["--dpop-bound"], "dpop_bound_access_tokens", json!(true)),
        ("b", &["--certificate-bound"], "tls_client_certificate_bound_access_tokens", json!(true)),
        ("c", &["--auth-method", "tls_client_auth", "--metadata", "subject.json"], "tls_client_auth_san_dns", json!("a.example")),
        ("d", &["--auth-method", "self_signed_tls_client_auth", "--jwks-file", "keys.json"], "jwks", json!({"keys": [{"kty": "EC", "x5c": ["MII="]}]})),
        ("e", &["--signed-introspection", "ES256"], "introspection_signed_response_alg", json!("ES256")),
    ];
    for (name, more, member, want) in cases {
        let server = but(json!({}));
        let endpoint = format!("{}/reg", server.origin);
        let args = [
            "client",
            "register",
            name,
            "--provider-name",
            name,
            "--allow-http",
            "--registration-endpoint",
            &endpoint,
        ];
        assert_eq!(tollgate.run(args.iter().chain(more)).status, 0, "{more:?}");
        assert_eq!(asked(&server, "POST")[0].json()[member], want, "{more:?}");
    }
}

#[test]
fn replies_are_signed_by_what_both_sides_know() {
    // JIR-15
    let at = |offered: Value| {
        Scripted::start(move |origin, request| match request.target.as_str() {
            "/reg" => Answer::json(201, created("c-1", &request.json())),
            "/.well-known/oauth-authorization-server" => Answer::json(
                200,
                json!({
                    "issuer": origin, "registration_endpoint": format!("{origin}/reg"), "response_types_supported": ["code"],
                    "introspection_signing_alg_values_supported": offered,
                }),
            ),
            _ => Answer::status(404),
        })
    };
    let register = |server: &Scripted, tollgate: &Tollgate| {
        let known = ["client", "register", "gateway", "--allow-http", "--issuer", &server.origin];
        tollgate.run(known.iter().chain(&["--signed-introspection"]))
    };
    for (offered, want) in
        [(json!(["PS256"]), "PS256"), (json!(["HS256", "ES256", "RS256"]), "RS256"), (Value::Null, "RS256")]
    {
        let (server, tollgate) = (at(offered.clone()), Tollgate::new());
        assert_eq!(register(&server, &tollgate).status, 0, "{offered}");
        assert_eq!(asked(&server, "POST")[0].json()["introspection_signed_response_alg"], want, "{offered}");
    }
    let (server, tollgate) = (at(json!(["HS256", "none"])), Tollgate::new());
    says(
        "nothing in common",
        &register(&server, &tollgate),
        2,
        &["no algorithm that the filter can verify", "It offers HS256, none"],
    );
    assert!(asked(&server, "POST").is_empty());
}

#[test]
fn credentials_need_not_stand_on_the_command_line() {
    let cases: [(&str, &[&str], &[(&str, &str)], &str, Option<&str>); 9] = [
        ("DCR-02 a token", &["--initial-access-token", "t0ken"], &[], "", Some("Bearer t0ken")),
        ("DCR-02 verbatim", &["--authorization", "SSWS x"], &[], "", Some("SSWS x")),
        ("a file", &["--initial-access-token-file", "token"], &[], "", Some("Bearer from-file")),
        ("standard input", &["--initial-access-token-file", "-"], &[], "piped\n", Some("Bearer piped")),
        ("a whole field in a file", &["--authorization-file", "field"], &[], "", Some("SSWS from-file")),
        ("the environment", &[], &[("TOLLGATE_INITIAL_ACCESS_TOKEN", "env")], "", Some("Bearer env")),
        ("a whole field there", &[], &[("TOLLGATE_AUTHORIZATION", "SSWS env")], "", Some("SSWS env")),
        (
            "what is typed wins",
            &["--initial-access-token", "typed"],
            &[("TOLLGATE_AUTHORIZATION", "SSWS env")],
            "",
            Some("Bearer typed"),
        ),
        ("open to all", &[], &[], "", None),
    ];
    for (name, args, variables, input, want) in cases {
        let server = but(json!({}));
        let tollgate =
            variables.iter().fold(Tollgate::new(), |tollgate, (name, value)| tollgate.variable(name, value));
        tollgate.write("token", "from-file\n");
        tollgate.write("field", "SSWS from-file\n");
        let endpoint = format!("{}/reg", server.origin);
        let all = ["client", "register", "gateway", "--allow-http", "--registration-endpoint", &endpoint];
        let run = tollgate.run_with_input(all.iter().chain(args), input);
        assert_eq!(run.status, 0, "{name}: {run:?}");
        assert_eq!(server.received()[0].header("authorization"), want, "{name}");
    }
}

#[test]
fn answers_that_are_no_success() {
    let html = Answer::text(201, "text/html", "<html>created</html>");
    let redirect = Answer::status(307).header("location", "https://elsewhere.example/reg");
    let long = "x".repeat(2000);
    #[rustfmt::skip]
    let cases: [(&str, Answer, &[&str]); 18] = [
        ("DCR-03 202", Answer::json(202, json!({"client_id": "c"})), &["202", "Expected 201"]),
        ("DCR-04, ATK-120 no client_id", Answer::json(201, json!({"client_secret": "s"})), &["it has no client_id", "Nothing was stored"]),
        ("ATK-120 201 with HTML", html, &["expected application/json, found text/html"]),
        ("ATK-120 201 with a list", Answer::json(201, json!([])), &["expected a JSON object"]),
        ("ATK-120 201 with nothing", Answer::status(201), &["no media type"]),
        ("DCR-05, ATK-120 a secret of yesterday", Answer::json(201, json!({"client_id": "c", "client_secret": "s3cr3t", "client_secret_expires_at": 1_000_000_000})),
            &["has expired already, at 2001-09-09T01:46:40Z"]),
        ("an id of another type", Answer::json(201, json!({"client_id": 7})), &["client_id is not a string"]),
        ("an expiry of another type", Answer::json(201, json!({"client_id": "c", "client_secret_expires_at": "soon"})), &["not a number of seconds"]),
        ("DCR-07 the server's words", refusal(400, "invalid_client_metadata", "no such scope"), &["400 invalid_client_metadata: no such scope", "Change the requested metadata"]),
        ("DCR-09 the server insists on a redirect URI", refusal(400, "invalid_request", "redirect_uris cannot be empty"),
            &["redirect_uris cannot be empty", "requires a redirect URI: --grant-type client_credentials --grant-type authorization_code"]),
        ("DCR-09 or on a response type", refusal(400, "invalid_request", "response_types cannot be empty"), &["requires a redirect URI"]),
        ("DCR-07 unknown members are ignored", Answer::json(400, json!({"error": "invalid_client_metadata", "x": 1})), &["400 invalid_client_metadata", "--metadata FILE"]),
        ("DCR-07 control characters are stripped", refusal(400, "invalid_client_metadata", "a\u{1b}[31mb\nc"), &["a[31mb c"]),
        ("DCR-07 long texts are cut", refusal(400, "invalid_client_metadata", &long), &["xxx…"]),
        ("DCR-23 a redirect is not followed", redirect, &["307, a redirect to https://elsewhere.example/reg, which is not followed", "Nothing was sent there"]),
        ("no endpoint", Answer::status(404), &["404", "To use another: --registration-endpoint URL"]),
        ("unwell", Answer::text(503, "text/plain", "maintenance"), &["503", "Try again later"]),
        ("too many", Answer::status(429), &["429", "Try again later"]),
    ];
    for (name, answer, sentences) in cases {
        let (server, tollgate) = (always(answer), Tollgate::new());
        let run = register(&tollgate, &server, &[]);
        says(name, &run, 2, sentences);
        let nothing = json!({"providers": {}, "clients": {}, "lists": {}});
        assert_eq!(stored(&tollgate, "default"), nothing, "{name}: nothing is stored");
        assert_eq!(server.received().len(), 1, "{name}: nothing is sent twice");
        assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains("s3cr3t"), "{name}: {run:?}");
    }
}

#[test]
fn what_a_server_says_back_never_holds_our_token() {
    let echo = Scripted::start(|_, got| {
        refusal(400, "invalid_token", &format!("got {}", got.header("authorization").unwrap()))
    });
    let run = register(&Tollgate::new(), &echo, &["--initial-access-token", "s3cret-token"]);
    says("DCR-12", &run, 2, &["got Bearer ***"]);
    assert!(!run.stderr.contains("s3cret-token"), "{run:?}");
}

#[test]
fn answers_that_are_odd() {
    #[rustfmt::skip]
    let cases: [(&str, u16, Value, &[&str], i32, &[&str]); 14] = [
        ("DCR-03 200", 200, json!({}), &[], 0, &["the server responded with 200"]),
        ("DCR-05 no expiry", 201, json!({"client_secret_expires_at": null}), &[], 0, &["warning: the response does not say when the client secret expires"]),
        ("DCR-05 an expiry, in UTC", 201, json!({"client_secret_expires_at": 1_893_456_000}), &[], 0, &["until 2030-01-01T00:00:00Z"]),
        ("DCR-05 an expiry with a point", 201, json!({"client_secret_expires_at": 1_893_456_000.0}), &[], 0, &["until 2030-01-01T00:00:00Z"]),
        ("DCR-05 never", 201, json!({}), &[], 0, &["it never expires"]),
        ("DCR-06 another method", 201, json!({"token_endpoint_auth_method": "client_secret_basic"}), &["--auth-method", "client_secret_post"], 0,
            &["warning: not registered as requested: token_endpoint_auth_method: requested client_secret_post, got client_secret_basic"]),
        ("DCR-06 --strict", 201, json!({"token_endpoint_auth_method": "client_secret_basic"}), &["--auth-method", "client_secret_post", "--strict"], 1, &["not registered as requested"]),
        ("DCR-06 a scope less", 201, json!({"scope": "a"}), &["--scope", "b a"], 0, &["scope: requested b a, got a"]),
        ("DCR-06 scopes in another order", 201, json!({"scope": "a b"}), &["--scope", "b", "--scope", "a", "--strict"], 0, &[]),
        ("DCR-06 not a word of it", 201, json!({"grant_types": null}), &[], 0, &["grant_types: requested client_credentials, and the response does not contain it"]),
        ("DCR-09 the server insists", 201, json!({"grant_types": ["authorization_code"]}), &[], 0, &["grant_types: requested client_credentials, got authorization_code"]),
        ("DCR-11 a software statement comes back", 201, json!({}), &["--software-statement-file", "statement", "--strict"], 0, &[]),
        ("DCR-11 another one comes back", 201, json!({"software_statement": "x.y.z"}), &["--software-statement-file", "statement"], 0, &["software_statement: the response has a different one"]),
        ("no secret at all", 201, json!({"client_secret": null, "client_secret_expires_at": null}), &["--auth-method", "self_signed_tls_client_auth", "--jwks-uri", "https://a.example/jwks"], 0, &["tls_client_auth"]),
    ];
    for (name, status, change, args, exit, sentences) in cases {
        let server = Scripted::start(move |own, got| {
            Answer::json(status, super::servers::merged(&created(own, &got.json()), &change))
        });
        let tollgate = Tollgate::new();
        tollgate.write("statement", "aaa.bbb.ccc\n");
        let run = register(&tollgate, &server, args);
        says(name, &run, exit, sentences);
        if sentences.is_empty() {
            assert!(!run.stderr.contains("warning"), "{name}: {run:?}");
        }
        assert_eq!(
            stored(&tollgate, "default")["clients"]["gateway"]["client_id"],
            "c-1",
            "{name}: it is stored"
        );
    }
    let server = but(json!({}));
    let tollgate = Tollgate::new();
    tollgate.write("statement", "aaa.bbb.ccc\n");
    register(&tollgate, &server, &["--software-statement-file", "statement"]);
    assert_eq!(server.received()[0].json()["software_statement"], "aaa.bbb.ccc", "DCR-11 sent as it is");
}

#[test]
fn a_name_is_taken_once() {
    let (server, tollgate) = (but(json!({})), Tollgate::new());
    says("first", &register(&tollgate, &server, &[]), 0, &[]);
    says(
        "second",
        &register(&tollgate, &server, &[]),
        2,
        &["there is a client \"gateway\" already, c-1", "tollgate client delete gateway"],
    );
    assert_eq!(server.received().len(), 1);
}

#[test]
fn secrets_are_kept_and_not_printed() {
    let (server, tollgate) = (but(json!({})), Tollgate::new());
    let run = register(&tollgate, &server, &["--initial-access-token", "initial-token"]);
    says("DCR-12 stars", &run, 0, &["***"]);
    for (name, args) in [
        ("show", "show gateway"),
        ("as JSON", "show gateway --json"),
        ("list", "list"),
        ("as JSON", "list --json"),
    ] {
        let run = client(&tollgate, args);
        says(name, &run, 0, &["c-1"]);
        for secret in ["first-secret", "first-token", "initial-token"] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "DCR-12 {name}: {run:?}");
        }
    }
    let kept = tollgate.read(store(&tollgate, "default"));
    assert!(
        kept.contains("first-secret") && kept.contains("first-token") && !kept.contains("initial-token"),
        "{kept}"
    );
    says("DCR-12 when asked", &client(&tollgate, "show gateway --reveal-secret"), 0, &["first-secret"]);
    assert_eq!(
        client(&tollgate, "show gateway --reveal-secret --json").json()["client_secret"],
        "first-secret"
    );
    let run = register(&Tollgate::new(), &server, &["--print-secret"]);
    says("DCR-12 once, when asked", &run, 0, &["first-secret"]);
    let run = register(&Tollgate::new(), &server, &["--json"]);
    assert_eq!(
        (run.json()["client_secret"].clone(), run.json()["client_id"].clone()),
        (json!("***"), json!("c-1"))
    );
}

#[cfg(unix)]
#[test]
fn files_with_secrets_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (server, tollgate) = (but(json!({})), Tollgate::new());
    register(&tollgate, &server, &[]);
    let file = store(&tollgate, "default");
    assert_eq!(mode(&file), 0o600, "DCR-12");
    assert_eq!(mode(&file.with_file_name(".default.lock")), 0o600, "whoever can open it can keep it locked");
    assert_eq!(mode(file.parent().unwrap()), 0o700, "DCR-12");
    tollgate.write("secret", "old");
    says(
        "a file for Envoy",
        &client(&tollgate, "secret-file gateway --out secret"),
        0,
        &["wrote the secret of gateway"],
    );
    assert_eq!(tollgate.read("secret"), "first-secret");
    assert_eq!(mode(&tollgate.directory.path().join("secret")), 0o600, "DCR-12 though it was there before");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    says("a copied store", &client(&tollgate, "list"), 0, &[]);
    assert_eq!(mode(&file), 0o600, "DCR-12 it is made private again");
    let leftovers = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(leftovers, 2, "the store and its lock, and nothing half-written");
}

#[test]
fn a_store_that_cannot_be_written_registers_nothing() {
    let (server, tollgate) = (but(json!({})), Tollgate::new());
    tollgate.write("store", "a file where a directory should be");
    says("before anything is sent", &register(&tollgate, &server, &[]), 2, &["cannot make the directory"]);
    assert!(server.received().is_empty());
}

#[test]
fn a_broken_store_is_named_and_not_quoted() {
    let tollgate = Tollgate::new();
    tollgate.write("store/default.json", r#"{"clients": {"a": {"client_secret": "hush", "#);
    let run = client(&tollgate, "list");
    says(
        "its place",
        &run,
        2,
        &["default.json is not a store of this version (line 1, column", "Restore a copy"],
    );
    assert!(!run.stderr.contains("hush"));
}

#[test]
fn a_uri_on_another_host_is_not_trusted() {
    let server = but(json!({"registration_client_uri": "https://elsewhere.example/reg/c-1"}));
    let tollgate = Tollgate::new();
    says(
        "DCR-22",
        &register(&tollgate, &server, &[]),
        0,
        &["https://elsewhere.example/reg/c-1 is not on", "--trust-uri"],
    );
    says(
        "DCR-22 no token goes there",
        &client(&tollgate, "show gateway --refresh --allow-http"),
        2,
        &["is not on", "confirm that once"],
    );
    let tollgate = Tollgate::new();
    let run = register(&tollgate, &server, &["--trust-uri"]);
    assert!(run.status == 0 && !run.stderr.contains("elsewhere"), "DCR-22 confirmed: {run:?}");
    let plain = but(json!({"registration_client_uri": "http://login.example.com/reg/c-1"}));
    let tollgate = Tollgate::new();
    register(&tollgate, &plain, &["--trust-uri"]);
    says(
        "DCR-22 https all the same",
        &client(&tollgate, "show gateway --refresh --allow-http"),
        2,
        &["is plain http", "Use https"],
    );
}

#[test]
fn an_issuer_is_asked_once_and_remembered() {
    let (server, tollgate) = (oidc_provider(), Tollgate::new());
    let issuer = server.origin.clone();
    let args = ["client", "register", "gateway", "--allow-http", "--initial-access-token", "initial"];
    let run = tollgate.run(args.iter().copied().chain(["--issuer", &issuer, "--provider-name", "lab"]));
    says("oidc-provider", &run, 0, &["reading the metadata", "registered gateway at lab", "op-1"]);
    let provider = stored(&tollgate, "default")["providers"]["lab"].clone();
    assert_eq!((&provider["issuer"], &provider["preset"]), (&json!(issuer), &json!("generic")));
    assert_eq!(provider["endpoints"]["introspection_endpoint"], format!("{issuer}/introspect"));
    let asked = server.received().len();
    let args = ["client", "register", "second", "--allow-http", "--initial-access-token", "initial"];
    says("the only provider needs no name", &tollgate.run(args), 0, &["registered second at lab"]);
    says(
        "a name is enough",
        &tollgate.run([
            "client",
            "register",
            "third",
            "--provider",
            "lab",
            "--allow-http",
            "--initial-access-token",
            "initial",
        ]),
        0,
        &[],
    );
    assert_eq!(server.received().len(), asked + 2, "and nothing is discovered again");
    says("a mistyped name", &client(&tollgate, "register x --provider lob"), 2, &["Did you mean \"lab\"?"]);
    let other = oidc_provider();
    let run = tollgate.run([
        "client",
        "register",
        "x",
        "--allow-http",
        "--issuer",
        &other.origin,
        "--provider-name",
        "lab",
    ]);
    says("one name, two servers", &run, 2, &["the provider \"lab\" is", "--provider-name NAME"]);
    let elsewhere = format!("{}/reg", other.origin);
    let args = [
        "client",
        "register",
        "x",
        "--allow-http",
        "--provider-name",
        "lab",
        "--registration-endpoint",
        &elsewhere,
    ];
    says("nor by its endpoint", &tollgate.run(args), 2, &["the provider \"lab\" is", "--provider-name NAME"]);
    let run = tollgate.run([
        "client",
        "register",
        "x",
        "--allow-http",
        "--issuer",
        &other.origin,
        "--initial-access-token",
        "initial",
    ]);
    says("two servers", &run, 0, &["registered x at 127.0.0.1"]);
    says(
        "which of them?",
        &client(&tollgate, "register y"),
        2,
        &["the store has several providers", "--provider 127.0.0.1 | lab"],
    );
}

#[test]
fn the_help_says_what_becomes_of_registration() {
    let help = client(&Tollgate::new(), "register --help");
    let text = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains(
            "The Model Context Protocol deprecates dynamic registration in favour of Client ID Metadata"
        ),
        "DCR-24: {text}"
    );
}

#[test]
fn a_slow_server_is_waited_for_and_not_forever() {
    let gate = std::sync::Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let inner = std::sync::Arc::clone(&gate);
    let server = Scripted::start(move |_, _| {
        drop(inner.lock());
        Answer::status(201)
    });
    let run = register(&Tollgate::new(), &server, &["--timeout", "1"]);
    says("a timeout", &run, 2, &["did not respond within 1 s", "Set a longer time with --timeout"]);
    drop(held);
}
