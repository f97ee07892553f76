//! What `tollgate generate` rejects, and what it says then.

use super::{PINNED, SEVERAL, SHA256};
use crate::support::Tollgate;

#[test]
fn two_names_do_not_become_one() {
    let of = |first: &str, second: &str| {
        let at = Tollgate::new();
        at.write("one", "hush-one\n");
        at.write("two", "hush-two\n");
        at.write("gateway.yaml", format!("providers:\n  a.b: {{introspection_endpoint: \"https://one.example.com/ask\", client_id: g, {first}}}\n  a-b: {{introspection_endpoint: \"https://two.example.com/ask\", client_id: g, {second}}}\napis:\n  x: {{upstream: \"http://a:1\", provider: a.b, scopes: [a]}}\n  y: {{upstream: \"http://a:1\", prefix: /y, provider: a-b, scopes: [a]}}\n"));
        at
    };
    // One variable for two secrets.
    let run =
        of("client_secret_file: one", "client_secret_file: two").run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stderr.contains("its secret would be in TOLLGATE_A_B_SECRET, as that of providers"),
        "{run:?}"
    );
    let same =
        of("client_secret_file: one", "client_secret_file: one").run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(same.status, 0, "{same:?}");
    let unlike = of("client_secret_file: one", "client_secret_env: TOLLGATE_A_B_SECRET");
    assert_eq!(unlike.run(["generate", "envoy", "gateway.yaml"]).status, 2);
    // One resource for two providers.
    let at = of("client_secret_env: ONE", "client_secret_env: TWO");
    assert_eq!(at.run(["generate", "envoy", "gateway.yaml"]).status, 0);
    for target in ["istio", "envoy-gateway"] {
        let run = at.run(["generate", target, "gateway.yaml"]);
        assert_eq!(run.status, 2, "{run:?}");
        assert!(run.stderr.contains("its resource would be named provider-a-b"), "{run:?}");
    }
}

#[test]
fn what_cannot_be_a_module_is_rejected() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", SEVERAL);
    let good = b"\0asm\x01\0\0\0 and more";
    #[rustfmt::skip]
    let cases: [(&str, &[u8], &str); 6] = [
        ("an empty file",  b"",                      "is empty"),
        ("text",           b"(module)",              "is not a WebAssembly module"),
        ("a few bytes",    b"\0as",                  "is not a WebAssembly module"),
        ("a download that was an error", b"<!DOCTYPE html>", "is not a WebAssembly module"),
        ("a component",    b"\0asm\x0d\0\x01\0",     "is a WebAssembly component"),
        ("another version", b"\0asm\x02\0\0\0",      "is not a WebAssembly module"),
    ];
    for (name, bytes, want) in cases {
        at.write("m.wasm", bytes);
        for target in ["envoy", "compose"] {
            let run = at.run(["generate", target, "gateway.yaml", "--module", "m.wasm", "--out", "out"]);
            assert_eq!(run.status, 2, "{name}: {run:?}");
            assert!(run.stderr.contains(&format!("m.wasm {want}")), "{name}: {run:?}");
            assert!(!at.directory.path().join("out").exists(), "{name}");
        }
    }
    at.write("m.wasm", good);
    let run = at.run(["generate", "envoy", "gateway.yaml", "--module", "m.wasm", "--out", "out"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{run:?}");
    // And where a cluster fetches it.
    for target in ["istio", "envoy-gateway"] {
        for sum in ["", "00ff", "x", &SHA256[1..], &format!("{SHA256}0"), &SHA256.replace('0', "g")] {
            let run = at.run(["generate", target, "gateway.yaml", "--module-sha256", sum]);
            assert_eq!(run.status, 2, "{sum}: {run:?}");
            assert!(run.stderr.contains("expected 64 hexadecimal digits"), "{sum}: {run:?}");
        }
        for url in [
            "",
            "tollgate.wasm",
            "http://m.example.net/t.wasm",
            "oci://",
            "https://m.example.net",
            "oci://a b/c",
        ] {
            let run = at.run(["generate", target, "gateway.yaml", "--module", url]);
            assert_eq!(run.status, 2, "{url}: {run:?}");
        }
        let sum = SHA256.to_uppercase();
        let run = at.run([
            "generate",
            target,
            "gateway.yaml",
            "--module",
            "oci://r.example.net/t:1",
            "--module-sha256",
            &sum,
        ]);
        assert!(run.status == 0 && run.stdout.contains(SHA256), "{run:?}");
        // A placeholder and what may change are told of.
        let warned =
            |args: &[&str]| at.run([&["generate", target, "gateway.yaml"][..], args].concat()).stderr;
        assert!(warned(&[]).contains("is a placeholder; name the place"));
        assert!(warned(&["--module", "oci://r.example.net/t:1"]).contains("is not pinned"));
        assert!(!warned(&["--module", PINNED]).contains("--module"), "{}", warned(&["--module", PINNED]));
    }
}

#[test]
fn every_slip_is_told_with_its_place_and_what_to_write() {
    #[rustfmt::skip]
    let cases = [
        ("a misspelt key",                    "upstream: \"http://a:1\"", "upstrem: \"http://a:1\"",
         "gateway.yaml:4:7: apis.a.upstrem: unknown key; did you mean \"upstream\"?"),
        ("a misspelt key of a rule",          "scopes: [a]", "rules: [{match: {prefx: /x}}]",
         "apis.a.rules[0].match.prefx: unknown key; did you mean \"prefix\"?"),
        ("an upstream with a path",           "http://a:1", "http://a:1/x",
         "apis.a.upstream: expected scheme, host and optional port, such as http://orders:8080 (no path)"),
        ("an upstream without a scheme",      "http://a:1", "a:1",
         "apis.a.upstream: expected scheme, host and optional port"),
        ("no credentials",                    ", client_id: gateway, client_secret_file: secret", "",
         "providers.main: expected exactly one of \"client\" and \"client_id\", found none"),
        ("an id without a secret",            ", client_secret_file: secret", "",
         "providers.main: expected client_secret_file or client_secret_env beside client_id"),
        ("a client that is not there",        "client_id: gateway, client_secret_file: secret", "client: gateway",
         "providers.main.client: there is no client \"gateway\" in the environment \"default\" of the store; to make one: tollgate client register gateway"),
        ("plain HTTP to elsewhere",           "https://login.example.com/ask", "http://login.example.com/ask",
         "providers.main.introspection_endpoint: http://login.example.com/ask is plain HTTP"),
        ("nothing known of the provider",     "introspection_endpoint: \"https://login.example.com/ask\"", "preset: generic",
         "providers.main: expected issuer, introspection_endpoint, or base_url and preset"),
        ("a list that nobody has",            "scopes: [a]", "client_list: partners",
         "apis.a.client_list: no client list has this name"),
        ("a provider that nobody has",        "scopes: [a]", "provider: mainn",
         "apis.a.provider: no provider has this name; did you mean \"main\"?"),
        ("a rule beyond its API",             "scopes: [a]", "prefix: /a, rules: [{match: {path: /b}}]",
         "apis.a.rules[0].match.path: expected a path below the API's prefix /a"),
        ("a rule that climbs out of its API", "scopes: [a]", "prefix: /a, rules: [{match: {path: /a/../b}}]",
         "apis.a.rules[0].match.path: expected a path in its plain form"),
        ("an expression beyond its API",      "scopes: [a]", "prefix: /a, rules: [{match: {safe_regex: \".*\"}}]",
         "apis.a.rules[0].match.safe_regex: could reach beyond the API's prefix /a"),
        ("a rule for somebody else's host",   "scopes: [a]", "hosts: [a.example.com], rules: [{match: {hosts: [b.example.com]}}]",
         "apis.a.rules[0].match.hosts: b.example.com is not a host of the API"),
        ("a fetched list with a cluster",     "\napis:", "\nclient_lists: {l: {uri: \"https://l.example.com/l\", cluster: lists}}\napis:",
         "gateway.yaml:3:61: client_lists.l.cluster: cannot be set here; it is derived from uri"),
        ("a fetched list's token",            "\napis:", "\nclient_lists: {l: {uri: \"https://l.example.com/l\", bearer_token: hush}}\napis:",
         "client_lists.l.bearer_token: would be in the generated configuration; expected bearer_token_env"),
        ("a fetched list over plain HTTP",    "\napis:", "\nclient_lists: {l: {uri: \"http://l.example.com/l\"}}\napis:",
         "client_lists.l.uri: http://l.example.com/l is plain HTTP, so anyone on the network path can decide which clients may call; expected https"),
        ("rules of the filter",               "\napis:", "\npolicy: {rules: []}\napis:",
         "policy.rules: cannot be set here; it is derived from apis and client_lists"),
        ("a misspelt key of the filter",      "\napis:", "\npolicy: {cache: {tll: 30s}}\napis:",
         "gateway.yaml:3:18: policy.cache.tll: unknown key; did you mean \"ttl\"?"),
        ("a path that Envoy reads otherwise", "scopes: [a]", "prefix: /a%2fb",
         "apis.a.prefix: expected a path of plain segments, such as /orders"),
        ("an address for a host",             "scopes: [a]", "hosts: [127.0.0.1]",
         "apis.a.hosts[0]: expected a host name without a port"),
        ("a secret of two lines",             "client_secret_file: secret", "client_secret_file: two",
         "providers.main.client_secret_file: expected a file of one line, the secret"),
        ("a secret that is not there",        "client_secret_file: secret", "client_secret_file: nowhere",
         "cannot read nowhere: no such file or directory"),
        ("no YAML at all",                    "providers:", "providers: [",
         "gateway.yaml:"),
        ("PRM-01 a resource beyond its API",  "scopes: [a]", "prefix: /a, resource: {identifier: \"https://h.example/b\"}",
         "gateway.yaml:4:66: apis.a.resource.identifier: expected a path that the API's prefix /a starts with"),
        ("PRM-14 a resource of another host", "scopes: [a]", "hosts: [a.example.com], resource: {identifier: \"https://h.example/\"}",
         "apis.a.resource.identifier: expected one of the API's hosts"),
        ("PRM-14 one API of two is a resource", "\napis:", "\napis:\n  b: {upstream: \"http://b:1\", prefix: /b, resource: {identifier: \"https://h.example/b\"}}",
         "apis.a: expected a resource, because other APIs have one"),
        ("RSI-01 an identifier that is none", "scopes: [a]", "resource: {identifier: api}",
         "apis.a.resource.identifier: expected an absolute https URI without a fragment"),
        ("MCP-01 an MCP server without an issuer", "scopes: [a]", "resource: {identifier: \"https://h.example/\", profile: mcp}",
         "apis.a.resource.authorization_servers: requires a provider's issuer, or entries as well"),
        ("JWTs without an audience",          ", client_id: gateway, client_secret_file: secret", ", issuer: \"https://login.example.com\", jwks_uri: \"https://login.example.com/k\", validate: jwt",
         "providers.main.validate: requires audiences (or any_audience: true) as well"),
        ("JWTs without keys",                 ", client_id: gateway, client_secret_file: secret", ", validate: jwt",
         "providers.main: no address of its keys is known; expected jwks_uri, or an issuer whose metadata names it"),
        ("an introspection without a client", ", client_id: gateway, client_secret_file: secret", ", validate: jwt_then_introspection",
         "providers.main: expected exactly one of \"client\" and \"client_id\", found none"),
        ("keys over plain HTTP",              ", client_id: gateway, client_secret_file: secret", ", jwks_uri: \"http://login.example.com/k\", validate: jwt",
         "providers.main.jwks_uri: http://login.example.com/k is plain HTTP"),
        ("a signature without its key",       "client_secret_file: secret", "auth_method: private_key_jwt",
         "providers.main: expected private_key_file or private_key_env beside client_id and auth_method: private_key_jwt"),
        ("a key that is none",                "client_secret_file: secret", "private_key_file: secret, auth_method: private_key_jwt, algorithm: ES256",
         "providers.main.private_key_file: expected a private key in PEM: -----BEGIN PRIVATE KEY-----"),
        ("a signature without an algorithm",  "client_secret_file: secret", "private_key_env: KEY, auth_method: private_key_jwt",
         "providers.main.introspection.client_auth.algorithm: required, but missing"),
        ("proofs that nobody checks",         "scopes: [a]", "sender_constraint: dpop",
         "apis.a.requires.sender_constraint: requires dpop as well"),
        ("two bounds, of which one would not count", "scopes: [a]", "timeout: 1s, max_stream_duration: 1h",
         "apis.a: expected at most one of \"timeout\" and \"max_stream_duration\", found 2"),
        ("two APIs for the same requests",    "\napis:", "\napis:\n  b: {upstream: \"http://b:1\"}",
         "apis.b: the host and prefix are those of apis.a, so a request could belong to either"),
    ];
    let good = "providers:\n  main: {introspection_endpoint: \"https://login.example.com/ask\", client_id: gateway, client_secret_file: secret}\napis:\n  a: {upstream: \"http://a:1\", scopes: [a]}\n";
    for (name, from, to, want) in cases {
        let at = Tollgate::new();
        at.write("secret", "hush-secret\n");
        at.write("two", "hush-one\nhush-two\n");
        assert!(good.contains(from), "{name}");
        at.write("gateway.yaml", good.replacen(from, to, 1));
        let run = at.run(["generate", "envoy", "gateway.yaml", "--out", "out"]);
        assert_eq!(run.status, 2, "{name}: {run:?}");
        assert!(run.stderr.contains(want), "{name}: {run:?}");
        assert!(!run.stderr.contains("hush"), "{name}: {run:?}");
        assert!(!at.directory.path().join("out").exists(), "{name}: something was written");
    }
}

#[test]
fn what_only_one_target_can_do_is_said_so() {
    #[rustfmt::skip]
    let cases = [
        ("a provider on this machine",  "istio",         "introspection_endpoint: \"http://127.0.0.1:1/ask\"", "",
         "inside a Kubernetes cluster, this host is the proxy itself"),
        ("a login in a mesh",           "istio",         "authorization_endpoint: \"https://l.example.com/a\", token_endpoint: \"https://l.example.com/t\", introspection_endpoint: \"https://l.example.com/ask\"", "login: {client_id: web, client_secret_file: secret}",
         "login: can be generated for envoy and compose only"),
        ("certificates in a mesh",      "istio",         "introspection_endpoint: \"https://l.example.com/ask\"", "tls: {certificate: c.pem, key: k.pem, client_certificates: true}",
         "tls.client_certificates: can be generated for envoy and compose only; in a mesh, say policy: {mtls: …}"),
        ("hosts for some APIs only",    "envoy-gateway", "introspection_endpoint: \"https://l.example.com/ask\"", "",
         "apis: some APIs have hosts and some do not"),
        ("a login without endpoints",   "envoy",         "introspection_endpoint: \"https://l.example.com/ask\"", "login: {client_id: web, client_secret_file: secret}",
         "providers.main: its metadata names no authorization_endpoint or no token_endpoint; expected both"),
    ];
    for (name, target, provider, more, want) in cases {
        let at = Tollgate::new();
        at.write("secret", "hush-secret\n");
        at.write("gateway.yaml", format!(
            "providers:\n  main: {{{provider}, client_id: gateway, client_secret_file: secret}}\napis:\n  a: {{upstream: \"http://a:1\"}}\n  b: {{upstream: \"http://b:1\", hosts: [b.example.com]}}\n{more}\n"
        ));
        let run = at.run(["generate", target, "gateway.yaml"]);
        assert_eq!(run.status, 2, "{name}: {run:?}");
        assert!(run.stderr.contains(want), "{name}: {run:?}");
    }
    let at = Tollgate::new();
    let nothing = at.run(["generate", "envoy"]);
    assert_eq!(nothing.status, 2);
    assert!(nothing.stderr.contains("there is nothing to generate from\n  Name a short file"), "{nothing:?}");
    let half = at.run(["generate", "envoy", "--client", "gateway"]);
    assert_eq!(half.status, 2);
    assert!(half.stderr.contains("--upstream <URL>"), "{half:?}");
}

#[test]
fn what_is_named_by_the_operator_is_no_variable_and_no_line() {
    let short = |policy: &str| {
        format!(
            "providers: {{main: {{introspection_endpoint: 'https://a.example.com/ask', client_id: g, client_secret_env: REAL}}}}\napis: {{x: {{upstream: 'http://x:1', scopes: [a]}}}}\npolicy: {policy}\n"
        )
    };
    let at = Tollgate::new();
    // Names below `parameters`, `headers` and the like are free: how they end says nothing about what they hold.
    let cases = [
        r#"{providers: {main: {introspection: {parameters: {target_env: "prod]}\nevil: [x"}}}}}"#,
        r#"{providers: {main: {introspection: {headers: {x_env: "{a}: b"}}}}}"#,
        r#"{providers: {main: {implied_scopes: {a_env: ["b'"]}}}}"#,
        r#"{responses: {overrides: {forbidden: {body: "x_env: y"}}}}"#,
    ];
    for (policy, target) in cases.iter().flat_map(|policy| ["envoy", "istio"].map(|target| (policy, target)))
    {
        // A name of a file is the operator's, too; it stands in a comment.
        let file = "short\nevil: true\n#.yaml";
        at.write(file, short(policy));
        let run = at.run([
            "generate",
            target,
            file,
            "--out",
            "out",
            "--force",
            "--module",
            "oci://r.example.com/m",
        ]);
        assert_eq!(run.status, 0, "{policy}: {run:?}");
        let text = at.read(format!("out/{target}.yaml"));
        assert!(!text.lines().any(|line| line.trim_start().starts_with("evil")), "{policy}: {text}");
        let keys = if target == "envoy" {
            "{host_env_keys: [REAL]}"
        } else {
            "      - {name: REAL, valueFrom: HOST}\n    plugin"
        };
        assert!(text.contains(keys), "{policy}: {text}");
        let checked = at.run(["check", &format!("out/{target}.yaml")]);
        assert!(checked.stdout.contains("no errors"), "{policy}: {checked:?}");
    }
}
