//! `tollgate explain`.

mod shadow;
mod unknown;

use serde_json::{Value, json};

use crate::support::{Answer, Scripted, Tollgate};

const CONFIGURATION: &str = r#"
providers:
  main:
    issuer: https://login.example.com
    audiences: [https://api.example.com]
    introspection:
      uri: URI
      cluster: login
      retries: 0
      client_auth: {client_id: gateway, client_secret_env: TG_SECRET}
requires: {scopes: [orders:read]}
rules:
- {name: health, match: {path: /healthz}, access: anonymous}
- {name: closed, match: {path: /admin}, access: deny}
- name: write
  match: {path_template: "/orders/{id}", methods: [PUT]}
  requires:
    scopes: {all: [orders:write], any: [a, b]}
    clients: [app]
    acr_values: [gold]
    claims: [{name: tenant, any_of: [t1]}]
upstream: {claim_to_headers: [{header_name: x-client, claim_name: client_id}]}
"#;

/// An active token that meets every demand, at [`NOW`].
fn good() -> Value {
    json!({
        "active": true, "scope": "orders:read orders:write a", "client_id": "app", "aud": "https://api.example.com",
        "iss": "https://login.example.com", "exp": 1_900_000_000, "token_type": "Bearer", "acr": "gold", "tenant": "t1",
    })
}

const NOW: &str = "2030-03-17T17:46:30Z";

fn offline() -> Tollgate {
    let tollgate = Tollgate::new();
    tollgate.write("c.yaml", CONFIGURATION.replace("URI", "https://login.example.com/introspect"));
    tollgate.write("good.json", good().to_string());
    tollgate
}

/// The good reply with one member another.
fn but(name: &str, value: Value) -> Value {
    let mut reply = good();
    reply[name] = value;
    reply
}

#[test]
fn a_request_that_passes_is_explained_step_by_step() {
    let run = offline().run([
        "explain",
        "-c",
        "c.yaml",
        "-r",
        "GET https://api.example.com/orders/7",
        "-H",
        "X-Client: forged",
        "--token",
        "t0k3n",
        "--reply",
        "good.json",
        "--at",
        NOW,
    ]);
    let want = "\
· request        GET https://api.example.com/orders/7
· rule           no rule matches; the top-level `requires` applies
· token          5 bytes, in a header field  (RFC 6750 §2)
· introspection  main: POST https://login.example.com/introspect with client_secret_basic: status 200  (RFC 7662 §2.1)
· reply          active: true; members: acr, active, aud, client_id, exp, iss, scope, tenant, token_type  (RFC 7662 §2.2)
· issuer         wanted https://login.example.com, found https://login.example.com  (RFC 7662 §2.2)
· expiry         ends 2030-03-17T17:46:40Z, in 10s  (RFC 7662 §2.2)
· token type     Bearer  (RFC 6749 §7.1)
· audience       wanted https://api.example.com, found https://api.example.com  (RFC 9700 §2.3)
· binding        not bound  (RFC 9449 §6, RFC 8705 §3)
· scope          wanted orders:read, found orders:read orders:write a  (RFC 6750 §3.1)
→ the request is forwarded to the upstream
    without x-client
    x-client: app
verdict: allowed
";
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (0, want, ""));
}

#[test]
fn a_certificate_can_be_shown() {
    // MTL-01: the one that the token is bound to, and another
    let tollgate = offline();
    let made = ["own", "other"].map(|name| {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap().cert;
        tollgate.write(format!("{name}.pem"), made.pem());
        let digest: [u8; 32] =
            sha2::Digest::finalize(sha2::Digest::chain_update(sha2::Sha256::default(), made.der())).into();
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest)
    });
    tollgate.write("reply.json", but("cnf", json!({"x5t#S256": made[0]})).to_string());
    tollgate.write(
        "mtls.yaml",
        format!("{CONFIGURATION}\nmtls: {{source: connection}}\n")
            .replace("URI", "https://login.example.com/i"),
    );
    tollgate.write("nothing.pem", "-----BEGIN PRIVATE KEY-----");
    let explain = |more: &[&str]| {
        let args = [
            "explain",
            "-c",
            "mtls.yaml",
            "-r",
            "GET /x",
            "--token",
            "t",
            "--reply",
            "reply.json",
            "--at",
            NOW,
        ];
        tollgate.run(args.iter().chain(more))
    };
    for (file, verdict) in [("own.pem", "allowed"), ("other.pem", "invalid_binding")] {
        let run = explain(&["--certificate", file]);
        assert_eq!(
            run.stdout.lines().last(),
            Some(format!("verdict: {verdict}").as_str()),
            "{file}: {run:?}"
        );
    }
    assert_eq!(explain(&[]).stdout.lines().last(), Some("verdict: invalid_binding"), "without one");
    let run = explain(&["--certificate", "nothing.pem"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("nothing.pem contains no certificate"), "{run:?}");
}

#[test]
fn every_refusal_names_its_step_its_reason_and_its_section() {
    let tollgate = offline();
    #[rustfmt::skip]
    let cases = [
        ("inactive",          "GET /x",        json!({"active": false}),            "✗ refused        the authorization server says that the token is inactive  (RFC 7662 §2.2)", "invalid_token"),
        ("another issuer",    "GET /x",        but("iss", json!("https://x.example")), "✗ issuer         wanted https://login.example.com, found https://x.example", "invalid_token"),
        ("expired",           "GET /x",        but("exp", json!(1_899_990_000)),    "✗ expiry         ends 2030-03-17T15:00:00Z, 2h 46m ago", "invalid_token"),
        ("long expired",      "GET /x",        but("exp", json!(1_800_000_000)),    "✗ expiry         ends 2027-01-15T08:00:00Z, 3 years 2 months ago", "invalid_token"),
        ("no access token",   "GET /x",        but("token_type", json!("mac")),     "✗ token type     mac  (RFC 6749 §7.1)", "invalid_token"),
        ("another audience",  "GET /x",        but("aud", json!(["a", "b"])),       "✗ audience       wanted https://api.example.com, found [\"a\",\"b\"]", "invalid_token"),
        ("bound",             "GET /x",        but("cnf", json!({"jkt": "x"})),     "✗ binding        bound to a key  (RFC 9449 §6, RFC 8705 §3)", "invalid_binding"),
        ("bound to a certificate", "GET /x",   but("cnf", json!({"x5t#S256": "x"})), "✗ binding        bound to a certificate  (RFC 9449 §6, RFC 8705 §3)", "invalid_binding"),
        ("another client",    "PUT /orders/7", but("client_id", json!("other")),    "✗ client         wanted one of the rule's list, found other", "forbidden"),
        ("weak",              "PUT /orders/7", but("acr", json!("bronze")),         "✗ authentication wanted acr gold, found bronze  (RFC 9470 §3)", "insufficient_authentication"),
        ("another claim",     "PUT /orders/7", but("tenant", json!("t2")),          "✗ claim          wanted tenant to be one of [\"t1\"], found t2", "forbidden"),
        ("too narrow",        "PUT /orders/7", but("scope", json!("orders:write")), "✗ scope          wanted orders:write, and a or b, found orders:write", "insufficient_scope"),
        ("no boolean",        "GET /x",        but("active", json!("true")),        "✗ refused        the authorization server's response is not usable: `active` is missing or not a boolean  (RFC 7662 §2.3", "bad_answer"),
        ("nobody may",        "GET /admin",    good(),                              "✗ rule           closed matches {\"path\":\"/admin\"}: rejects every request", "forbidden"),
        ("two readings",      "GET /a/..;/b",  good(),                              "✗ rule           the path could be read in two ways  (RFC 3986 §6.2)", "invalid_request"),
    ];
    for (name, request, reply, want, verdict) in cases {
        tollgate.write("reply.json", reply.to_string());
        let run = tollgate.run([
            "explain",
            "-c",
            "c.yaml",
            "-r",
            request,
            "--token",
            "t",
            "--reply",
            "reply.json",
            "--at",
            NOW,
        ]);
        assert_eq!(run.status, 1, "{name}: {run:?}");
        let reasons: Vec<_> = run.stdout.lines().filter(|line| line.starts_with('✗')).collect();
        assert!(reasons.len() == 1 && reasons[0].starts_with(want), "{name}: {reasons:#?}");
        assert_eq!(run.stdout.lines().last(), Some(format!("verdict: {verdict}").as_str()), "{name}");
        assert!(run.stdout.contains("→ the client gets "), "{name}");
        let script = tollgate.run([
            "explain",
            "-c",
            "c.yaml",
            "-r",
            request,
            "--token",
            "t",
            "--reply",
            "reply.json",
            "--at",
            NOW,
            "--json",
        ]);
        assert_eq!((script.status, &script.json()["verdict"]), (1, &json!(verdict)), "{name}");
    }
}

#[test]
fn without_a_token_and_without_need_of_one() {
    let tollgate = offline();
    let none = tollgate.run(["explain", "-c", "c.yaml", "-r", "GET /x", "--reply", "good.json"]);
    assert!(
        none.status == 1
            && none.stdout.contains("✗ token          none  (RFC 6750 §2)")
            && none.stdout.ends_with("verdict: no_token\n"),
        "{none:?}"
    );
    let open = tollgate.run(["explain", "-c", "c.yaml", "-r", "GET /healthz", "--reply", "good.json"]);
    assert!(
        open.status == 0
            && open.stdout.contains("anonymous, no token is read")
            && open.stdout.ends_with("verdict: anonymous\n"),
        "{open:?}"
    );
    let twice = tollgate.run([
        "explain",
        "-c",
        "c.yaml",
        "-r",
        "GET /x",
        "--token",
        "a",
        "-H",
        "authorization: Bearer b",
        "--reply",
        "good.json",
    ]);
    assert!(twice.status == 1 && twice.stdout.contains("✗ token"), "{twice:?}");
}

#[test]
fn a_resource_is_explained() {
    let tollgate = offline();
    let resource = "resource: {identifier: \"https://tools.example.com/mcp\", profile: mcp}\n";
    let configuration = tollgate.read("c.yaml") + resource;
    tollgate.write("c.yaml", configuration);
    // PRM-10
    let known = "GET /.well-known/oauth-protected-resource/mcp";
    let run = tollgate.run(["explain", "-c", "c.yaml", "-r", known, "--reply", "good.json"]);
    assert_eq!(run.status, 0, "{run:?}");
    for line in [
        "· resource       the metadata of https://tools.example.com/mcp; no rule applies  (RFC 9728 §3)",
        "→ the client gets 200",
        "    content-type: application/json",
        "\"authorization_servers\":[\"https://login.example.com\"]",
        "verdict: metadata",
    ] {
        assert!(run.stdout.contains(line), "{line} is not in {run:?}");
    }
    assert!(!run.stdout.contains("· rule") && !run.stdout.contains("· token"), "{run:?}");
    // MCP-03
    let run = tollgate.run(["explain", "-c", "c.yaml", "-r", "POST /mcp", "--reply", "good.json"]);
    let challenge = "www-authenticate: Bearer realm=\"tollgate\", resource_metadata=\"https://tools.example.com/.well-known/oauth-protected-resource/mcp\", scope=\"orders:read\"";
    assert!(run.status == 1 && run.stdout.contains(challenge), "{run:?}");
    // RSI-02
    let run = tollgate.run([
        "explain",
        "-c",
        "c.yaml",
        "-r",
        "POST /mcp",
        "--token",
        "t",
        "--reply",
        "good.json",
        "--at",
        NOW,
    ]);
    let line = "✗ audience       wanted https://tools.example.com/mcp, found https://api.example.com  (RFC 9700 §2.3)";
    assert!(run.status == 1 && run.stdout.contains(line), "{run:?}");
    assert!(run.stdout.ends_with("verdict: invalid_token\n"), "{run:?}");
}

#[test]
fn the_authorization_server_is_asked_as_the_filter_asks_it() {
    let server = Scripted::start(|_, _| Answer::json(200, good()));
    let tollgate = Tollgate::new().variable("TG_SECRET", "s3cr3t");
    tollgate.write("c.yaml", CONFIGURATION.replace("URI", &format!("{}/introspect", server.origin)));
    tollgate.write("token", "t0k3n\n");
    let run =
        tollgate.run(["explain", "-c", "c.yaml", "-r", "GET /x", "--token-file", "token", "--allow-http"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, "… introspecting the token at main\n"), "{run:?}");
    assert!(!format!("{run:?}").contains("s3cr3t") && !run.stdout.contains("t0k3n"), "{run:?}");
    let [call] = &server.received()[..] else { panic!("one call") };
    assert_eq!((call.method.as_str(), call.target.as_str()), ("POST", "/introspect"));
    assert_eq!(call.header("authorization"), Some("Basic Z2F0ZXdheTpzM2NyM3Q="));
    assert_eq!(call.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(call.body, "token=t0k3n&token_type_hint=access_token");
}

#[test]
fn a_whole_reply_can_be_replayed() {
    let tollgate = offline();
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"active\":false}", "invalid_token"),
        ("HTTP/2 401\ncontent-type: application/json\n\n{\"error\":\"invalid_client\"}", "bad_answer"),
        ("HTTP/1.1 200 OK\ncontent-type: text/html\n\n{\"active\":true}", "bad_answer"),
        ("HTTP/1.1 503 Unavailable\nretry-after: 7\n\n", "unavailable"),
    ];
    for (reply, verdict) in cases {
        tollgate.write("reply", reply);
        let run =
            tollgate.run(["explain", "-c", "c.yaml", "-r", "GET /x", "--token", "t", "--reply", "reply"]);
        assert_eq!(run.stdout.lines().last(), Some(format!("verdict: {verdict}").as_str()), "{run:?}");
    }
}

#[test]
fn credentials_that_envoy_would_add_can_stand_in() {
    let server = Scripted::start(|_, _| Answer::json(200, good()));
    let tollgate = Tollgate::new();
    let none = CONFIGURATION.replace("{client_id: gateway, client_secret_env: TG_SECRET}", "{method: none}");
    tollgate.write("c.yaml", none.replace("URI", &format!("{}/introspect", server.origin)));
    tollgate.write("secret", "s3cr3t\n");
    let run = tollgate.run([
        "explain",
        "-c",
        "c.yaml",
        "-r",
        "GET /x",
        "--token",
        "t",
        "--allow-http",
        "--client-id",
        "gateway",
        "--client-secret-file",
        "secret",
    ]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(server.received()[0].header("authorization"), Some("Basic Z2F0ZXdheTpzM2NyM3Q="));
    let unknown =
        tollgate.run(["explain", "-c", "c.yaml", "-r", "GET /x", "--token", "t", "--client", "nobody"]);
    assert_eq!(
        (unknown.status, unknown.stderr.as_str()),
        (
            2,
            "tollgate: no client \"nobody\" in this environment of the store\n  `tollgate client list` shows the stored clients.\n"
        )
    );
}

#[test]
fn what_cannot_be_explained_is_said() {
    let tollgate = offline().variable("TG_SECRET", "x");
    tollgate.write(
        "two.yaml",
        format!("{CONFIGURATION}---{CONFIGURATION}").replace("URI", "https://login.example.com/i"),
    );
    tollgate.write("bad.yaml", CONFIGURATION.replace("issuer", "isuer"));
    tollgate.write("broken", "HTTP/1.1\n\n");
    #[rustfmt::skip]
    let cases: [(&[&str], &str); 9] = [
        (&["-c", "no.yaml", "-r", "GET /"],   "cannot read no.yaml: no such file or directory"),
        (&["-c", "c.yaml", "-r", "/orders"],  "\"/orders\": expected a method and a path that begins with `/`, or a URL\n  For example 'GET /orders/7'"),
        (&["-c", "c.yaml", "-r", "GET orders?access_token=hunter2"], "\"GET orders\": expected a method and a path that begins with `/`, or a URL"),
        (&["-c", "c.yaml", "-r", "GET /", "-H", "nothing"], "a header field is written as \"name: value\""),
        (&["-c", "c.yaml", "-r", "GET /", "--at", "noon"], "expected seconds since the epoch"),
        (&["-c", "two.yaml", "-r", "GET /"],  "two.yaml contains 2 configurations: 1 (line 2), 2 (line"),
        (&["-c", "two.yaml", "-r", "GET /", "--number", "3"], "two.yaml has no configuration number 3"),
        (&["-c", "bad.yaml", "-r", "GET /"],  "the configuration in bad.yaml does not load: providers.main."),
        (&["-c", "c.yaml", "-r", "GET /", "--token", "t", "--reply", "broken"], "broken starts like an HTTP response, but has no status"),
    ];
    for (args, want) in cases {
        let run = tollgate.run([&["explain"], args].concat());
        assert!(
            run.status == 2 && run.stderr.contains(want) && !run.stderr.contains("hunter2"),
            "{args:?}: {run:?}"
        );
    }
    let unset = offline().run(["explain", "-c", "c.yaml", "-r", "GET /", "--token", "t"]);
    assert!(
        unset.stderr.contains("client_secret_env: the environment variable is not set")
            && unset.stderr.contains("Set the variable here as well"),
        "{unset:?}"
    );
}

/// The configuration with a list that is fetched, and what a rule demands of it.
fn with_live_list(origin: &str) -> String {
    format!(
        "{}client_lists: {{partners: {{uri: {origin}/lists/partners, cluster: lists}}}}\n",
        CONFIGURATION
            .replace("URI", &format!("{origin}/introspect"))
            .replace("requires: {scopes: [orders:read]}", "requires: {clients: {list: partners}}")
    )
}

#[test]
fn a_client_list_is_fetched_as_the_filter_fetches_it() {
    let server = Scripted::start(|_, request| match request.target.as_str() {
        "/lists/partners" => Answer::json(200, r#"{"clients":[{"id":"app"}]}"#),
        _ => Answer::json(200, good()),
    });
    let tollgate = Tollgate::new().variable("TG_SECRET", "s3cr3t");
    tollgate.write("c.yaml", with_live_list(&server.origin));
    tollgate
        .write("c-elsewhere.yaml", with_live_list(&server.origin).replace("/lists/partners", "/introspect"));
    let explain = ["explain", "-r", "GET /x", "--token", "t0k3n", "--allow-http", "-c"];
    let run = tollgate.run([&explain[..], &["c.yaml"]].concat());
    assert!(run.status == 0 && run.stdout.contains("wanted one of the list partners, found app"), "{run:?}");
    assert_eq!(server.received()[0].method, "GET");
    let run = tollgate.run([&explain[..], &["c-elsewhere.yaml"]].concat());
    assert!(
        run.stderr.contains("warning: the client list partners is not loaded: ")
            && run.stdout.contains(
                "✗ client         wanted one of the list partners, which is not loaded yet, found app"
            )
            && run.stdout.ends_with("verdict: unavailable\n"),
        "{run:?}"
    );
}

#[test]
fn a_client_list_can_be_replayed() {
    let tollgate = Tollgate::new();
    tollgate.write("c.yaml", with_live_list("https://login.example.com"));
    tollgate.write("good.json", good().to_string());
    tollgate.write("on.json", r#"{"clients":[{"id":"app"}]}"#);
    tollgate.write("off.json", r#"{"clients":[{"id":"other"}]}"#);
    tollgate.write("odd.json", r#"{"clients":{}}"#);
    #[rustfmt::skip]
    let cases: [(&str, &[&str], i32, &str, &str); 7] = [
        ("on the list",      &["--client-list", "partners=on.json"],  0, "verdict: allowed", ""),
        ("not on it",        &["--client-list", "partners=off.json"], 1, "verdict: forbidden", ""),
        ("no list",          &[],                                     1, "verdict: unavailable", "the client list partners is fetched; to read it from a file: --client-list partners=FILE"),
        ("no such list",     &["--client-list", "partner=on.json"],   2, "", "the configuration fetches no client list \"partner\"\n  It fetches: partners."),
        ("no list at all",   &["--client-list", "partners=odd.json"], 2, "", "odd.json is not a client list: clients: expected a list"),
        ("no file",          &["--client-list", "partners=no.json"],  2, "", "cannot read no.json"),
        ("half an argument", &["--client-list", "partners"],          2, "", "expected NAME=FILE"),
    ];
    for (name, more, status, verdict, said) in cases {
        let explain =
            ["explain", "-c", "c.yaml", "-r", "GET /x", "--token", "t", "--at", NOW, "--reply", "good.json"];
        let run = tollgate.run([&explain[..], more].concat());
        assert_eq!(run.status, status, "{name}: {run:?}");
        assert!(run.stdout.trim_end().ends_with(verdict) && run.stderr.contains(said), "{name}: {run:?}");
    }
}

#[test]
fn a_token_is_put_among_the_protocols_of_a_websocket_where_that_is_its_only_place() {
    // BRR-35
    let tollgate = offline();
    for marker in ["bearer", "base64url.bearer.authorization.k8s.io."] {
        let places = format!("token: {{from_headers: [], from_websocket_protocol: {marker}}}");
        let configuration = CONFIGURATION.replace("URI", "https://login.example.com/introspect");
        tollgate.write("ws.yaml", format!("{configuration}\n{places}\n"));
        let explain =
            ["explain", "-c", "ws.yaml", "-r", "GET /orders/7", "--reply", "good.json", "--at", NOW];
        let run = tollgate.run([&explain[..], &["--token", "good"]].concat());
        assert_eq!(run.status, 0, "{marker}: {}", run.stderr);
        for line in
            ["· token          4 bytes, in a WebSocket's protocols", "    without sec-websocket-protocol\n"]
        {
            assert!(run.stdout.contains(line), "{marker}: {}", run.stdout);
        }
    }
}

#[test]
fn a_saved_reply_needs_no_credentials_of_ours() {
    let basic = "{client_id: gateway, client_secret_env: TG_SECRET}";
    for auth in [
        basic,
        "{method: client_secret_post, client_id: gateway, client_secret_env: TG_SECRET}",
        "{method: client_secret_jwt, client_id: gateway, client_secret_env: TG_SECRET}",
        "{method: client_secret_jwt, client_id: gateway, client_secret_env: TG_SECRET, algorithm: HS512}",
        "{method: private_key_jwt, client_id: gateway, private_key_env: TG_KEY, algorithm: ES256, kid: a}",
        "{method: private_key_jwt, client_id: gateway, private_key_env: TG_KEY, algorithm: PS256, assertion_reuse: true}",
        "{method: bearer, bearer_token_env: TG_SECRET}",
        "{method: none}",
    ] {
        let at = offline();
        let text = CONFIGURATION.replace("URI", "https://login.example.com/introspect").replace(basic, auth);
        at.write("c.yaml", text + "dpop: {nonce: required, nonce_key_env: TG_NONCES}\n");
        let run = at.run([
            "explain",
            "-c",
            "c.yaml",
            "-r",
            "GET /",
            "--token",
            "t",
            "--reply",
            "good.json",
            "--at",
            NOW,
        ]);
        assert!(run.status == 0 && run.stdout.ends_with("verdict: allowed\n"), "{auth}: {run:?}");
    }
}
