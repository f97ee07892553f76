//! `tollgate generate`: what is written, for whom, and what a first-time user is told.

mod kubernetes;
mod mistakes;
mod traffic;

use serde_json::{Value, json};

use crate::support::{Answer, Scripted, Tollgate};

#[test]
fn the_short_file_in_the_help_is_one() {
    let at = Tollgate::new();
    let help = at.line("generate --help").stdout;
    let example: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("A short file"))
        .skip(2)
        .take_while(|line| !line.is_empty())
        .collect();
    at.write("gateway.yaml", &(example.join("\n") + "\n"));
    let run = at.line("generate envoy gateway.yaml --out out");
    assert_eq!(run.status, 0, "{help}{run:?}");
    assert_eq!(policy_of(&at.read("out/envoy.yaml"))["rules"][0]["name"], "orders");
}

#[test]
fn a_client_of_the_store_and_an_upstream_are_enough() {
    let at = with_client("client_secret_basic");
    let run = at.line(
        "generate envoy --client gateway --upstream http://127.0.0.1:3000 --scope orders:read --out out",
    );
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.stdout.contains("wrote out/envoy.yaml\n"), "{run:?}");
    assert!(run.stdout.contains("Next: envoy -c out/envoy.yaml"), "{run:?}");
    let envoy = at.read("out/envoy.yaml");
    let policy = policy_of(&envoy);
    assert_eq!(
        policy,
        json!({
            "providers": {"main": {
                "issuer": "https://login.example.com",
                "introspection": {
                    "uri": "https://login.example.com/introspect",
                    "cluster": "provider-main",
                    "client_auth": {"method": "none"},
                },
            }},
            "rules": [{"name": "api", "match": {"prefix": "/"}, "requires": {"scopes": ["orders:read"]}}],
            "log": {"fields": ["verdict", "rule", "provider", "client_id", "sub", "tier", "cache", "waited_milliseconds", "token_fingerprint"]},
        })
    );
    // OAU-23: the secret is in one file, for its owner alone, and nowhere else.
    let secret = at.read("out/secrets/main.yaml");
    assert!(secret.contains("Basic Z3ctMTpodXNoLXNlY3JldA=="), "{secret}");
    assert!(!envoy.contains("hush") && !envoy.contains("Z3ctMTpo"), "{envoy}");
    assert!(!run.stdout.contains("hush") && !run.stderr.contains("hush"), "{run:?}");
    assert_eq!(mode(&at, "out/secrets/main.yaml"), 0o600);
    assert_eq!(mode(&at, "out/envoy.yaml"), 0o644);
    // What every output must have; PWX-04.
    for line in [
        "failure_policy: FAIL_RELOAD",
        "normalize_path: true",
        "path_with_escaped_slashes_action: REJECT_REQUEST",
        "headers_with_underscores_action: REJECT_REQUEST",
        "allow_request_without_credential: false",
        "sni: login.example.com",
        "matcher: {exact: \"login.example.com\"}",
        "verdict: \"%FILTER_STATE(wasm.tollgate.verdict:PLAIN)%\"",
        "socket_address: {address: \"127.0.0.1\", port_value: 9901}",
    ] {
        assert!(envoy.contains(line), "{line} is not in\n{envoy}");
    }
    // And our own check finds nothing wrong.
    assert_eq!(at.run(["check", "out/envoy.yaml"]).status, 0);
}

#[test]
fn a_client_that_posts_its_secret_needs_the_environment_and_is_told_so() {
    let at = with_client("client_secret_post");
    let run = at.line("generate envoy --client gateway --upstream http://127.0.0.1:3000 --out out");
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.stderr.contains("Envoy can add only the credentials"), "{run:?}");
    assert!(run.stdout.contains("Next: set -a; . out/secrets.env; envoy -c out/envoy.yaml"), "{run:?}");
    assert_eq!(at.read("out/secrets.env"), "TOLLGATE_MAIN_SECRET='hush-secret'\n");
    assert_eq!(mode(&at, "out/secrets.env"), 0o600);
    let envoy = at.read("out/envoy.yaml");
    assert!(envoy.contains("environment_variables: {host_env_keys: [TOLLGATE_MAIN_SECRET]}"), "{envoy}");
    assert!(!envoy.contains("hush"), "{envoy}");
    let auth = json!({"method": "client_secret_post", "client_id": "gw-1", "client_secret_env": "TOLLGATE_MAIN_SECRET"});
    assert_eq!(policy_of(&envoy)["providers"]["main"]["introspection"]["client_auth"], auth);
}

#[test]
fn jwts_are_verified_with_keys_from_wherever_they_are() {
    let at = Tollgate::new();
    let own = r#"{issuer: "https://login.example.com", jwks_uri: "https://login.example.com/keys", audiences: [api], validate: jwt}"#;
    let elsewhere = r#"{preset: okta, issuer: "https://h.okta.com/oauth2/x", jwks_uri: "https://cdn.example.com/keys", audiences: [api], validate: jwt_then_introspection,
        client_id: gateway, private_key_file: key.pem, auth_method: private_key_jwt, algorithm: ES256, kid: "k 1"}"#;
    let key = include_str!("../keys/p256.pem");
    at.write("key.pem", key);
    at.write("gateway.yaml", format!(
        "providers:\n  own: {own}\n  elsewhere: {elsewhere}\napis:\n  a: {{upstream: \"http://127.0.0.1:1\", provider: own, scopes: [a], sender_constraint: dpop}}\n  b: {{upstream: \"http://127.0.0.1:1\", prefix: /b, provider: elsewhere, scopes: [b]}}\npolicy: {{dpop: {{}}}}\n"
    ));
    let run = at.run(["generate", "envoy", "gateway.yaml", "--out", "out"]);
    assert_eq!(run.status, 0, "{run:?}");
    let envoy = at.read("out/envoy.yaml");
    let policy = policy_of(&envoy);
    assert_eq!(
        policy["providers"]["own"],
        json!({
            "issuer": "https://login.example.com", "audiences": ["api"], "validate": "jwt",
            "jwks": {"uri": "https://login.example.com/keys", "cluster": "provider-own"},
        })
    );
    assert_eq!(
        policy["providers"]["elsewhere"],
        json!({
            "preset": "okta", "issuer": "https://h.okta.com/oauth2/x", "audiences": ["api"], "validate": "jwt_then_introspection",
            "jwks": {"uri": "https://cdn.example.com/keys", "cluster": "keys-elsewhere"},
            "introspection": {
                "uri": "https://h.okta.com/oauth2/x/v1/introspect", "cluster": "provider-elsewhere",
                "client_auth": {
                    "method": "private_key_jwt", "client_id": "gateway", "private_key_env": "TOLLGATE_ELSEWHERE_SECRET",
                    "algorithm": "ES256", "kid": "k 1",
                },
            },
        })
    );
    let own = policy["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == "a").unwrap();
    assert_eq!(own["requires"]["sender_constraint"], "dpop");
    // Keys elsewhere have a way of their own, and nobody's credentials on it.
    for line in ["- name: keys-elsewhere", "sni: cdn.example.com", "- name: provider-own"] {
        assert!(envoy.contains(line), "{line} is not in\n{envoy}");
    }
    assert!(!envoy.contains("PRIVATE KEY-----") && !envoy.contains("credential_injector\n"), "{envoy}");
    let key = key.lines().collect::<Vec<_>>().join(" ");
    assert_eq!(at.read("out/secrets.env"), format!("TOLLGATE_ELSEWHERE_SECRET='{key}'\n"));
    let check = at.run(["check", "out/envoy.yaml"]);
    assert_eq!(check.status, 0, "{check:?}");
    for target in ["istio", "envoy-gateway"] {
        let run = at.run(["generate", target, "gateway.yaml"]);
        // Addresses on this machine are no good in a cluster; everything else is.
        assert!(run.status == 0 || run.stderr.contains("inside a cluster"), "{target}: {run:?}");
    }
}

#[test]
fn a_provider_may_have_a_dot_in_its_name_and_sign_by_any_algorithm() {
    let at = Tollgate::new();
    at.write("ed.pem", include_str!("../keys/ed25519.pem"));
    at.write("secret", "hush-secret\n");
    at.write(
        "gateway.yaml",
        r#"
providers:
  a.b: {issuer: "https://login.example.com", introspection_endpoint: "https://login.example.com/ask", client_id: "y", private_key_file: ed.pem, auth_method: private_key_jwt, algorithm: Ed25519}
  c.d: {issuer: "https://other.example.com", introspection_endpoint: "https://other.example.com/ask", client_id: gateway, client_secret_env: OTHER_SECRET, auth_method: client_secret_jwt}
  e.f: {issuer: "https://third.example.com", introspection_endpoint: "https://third.example.com/ask", client_id: gateway, private_key_env: THIRD_KEY, auth_method: private_key_jwt, algorithm: ES256}
apis:
  a.b: {upstream: "http://a:1", provider: a.b, scopes: [a]}
  c.d: {upstream: "http://c:1", prefix: /c, provider: c.d, scopes: [a]}
  e.f: {upstream: "http://e:1", prefix: /e, provider: e.f, scopes: [a]}
"#,
    );
    for target in ["envoy", "compose", "istio", "envoy-gateway"] {
        let run = at.run(["generate", target, "gateway.yaml", "--out", target]);
        assert_eq!(run.status, 0, "{target}: {run:?}");
    }
    let policy = policy_of(&at.read("envoy/envoy.yaml"));
    let auth = &policy["providers"]["a.b"]["introspection"]["client_auth"];
    assert_eq!((&auth["algorithm"], &auth["client_id"]), (&json!("Ed25519"), &json!("y")));
    assert!(at.read("envoy/secrets.env").starts_with("TOLLGATE_A_B_SECRET='-----BEGIN "));
}

#[test]
fn every_way_is_protected_as_its_address_says() {
    // BCP-05, FAP-10: upstreams and servers by TLS with the name checked, and no older TLS than Envoy's own least, 1.2
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", "tls: {certificate: c.pem, key: k.pem}\nproviders:\n  main: {introspection_endpoint: \"https://login.example.com/ask\", client_id: gateway, client_secret_file: secret}\napis:\n  a: {upstream: \"https://orders.example.net\", scopes: [a]}\n");
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    let envoy: Value = serde_saphyr::from_str(&run.stdout).unwrap();
    for cluster in envoy["static_resources"]["clusters"].as_array().unwrap() {
        let tls = &cluster["transport_socket"]["typed_config"];
        let host = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
            ["address"];
        assert_eq!(&tls["sni"], host, "{cluster}");
        let names = &tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"];
        assert_eq!(&names[0]["matcher"]["exact"], host, "{cluster}");
    }
    assert!(!run.stdout.contains("tls_minimum_protocol_version"), "{}", run.stdout);
    let listener = &envoy["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"];
    assert_eq!(listener["name"], "envoy.transport_sockets.tls");
}

/// Envoy resolves `localhost` to `::1`, and most servers for development listen at 127.0.0.1 alone.
#[test]
fn a_server_at_localhost_is_reached_at_either_of_its_addresses() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", "providers:\n  main: {introspection_endpoint: \"http://localhost:9000/ask\", client_id: gateway, client_secret_file: secret}\napis:\n  a: {prefix: /a, upstream: \"http://a.localhost:3000\", scopes: [a]}\n  b: {prefix: /b, upstream: \"http://127.0.0.1:3000\", scopes: [b]}\n  c: {prefix: /c, upstream: \"https://orders.example.net\", scopes: [c]}\n");
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    let envoy: Value = serde_saphyr::from_str(&run.stdout).unwrap();
    let clusters = envoy["static_resources"]["clusters"].as_array().unwrap();
    let kind = |name: &str| {
        let cluster = clusters.iter().find(|cluster| cluster["name"] == name);
        cluster.map(|cluster| (cluster["type"].as_str().unwrap(), cluster["dns_lookup_family"].as_str()))
    };
    let either = Some(("LOGICAL_DNS", Some("ALL")));
    assert_eq!((kind("provider-main"), kind("api-a")), (either, either));
    assert_eq!((kind("api-b"), kind("api-c")), (Some(("STRICT_DNS", None)), Some(("STRICT_DNS", None))));
}

#[test]
fn clients_may_show_certificates() {
    // MTL-18
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", "tls: {certificate: c.pem, key: k.pem, client_certificates: true}\nproviders:\n  main: {introspection_endpoint: \"https://login.example.com/ask\", client_id: gateway, client_secret_file: secret}\napis:\n  a: {upstream: \"http://127.0.0.1:1\", scopes: [a], sender_constraint: mtls}\n");
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    let policy = policy_of(&run.stdout);
    assert_eq!(policy["mtls"], json!({"source": "connection"}));
    assert_eq!(policy["rules"][0]["requires"]["sender_constraint"], "mtls");
    for line in ["require_client_certificate: false", "trust_chain_verification: ACCEPT_UNTRUSTED"] {
        assert!(run.stdout.contains(line), "{line} is not in\n{}", run.stdout);
    }
    // A variable that the filter's own keys name is one that the module has to see.
    let short = at.read("gateway.yaml") + "policy: {dpop: {nonce: required, nonce_key_env: NONCE_KEY}}\n";
    at.write("nonces.yaml", short);
    let nonces = at.run(["generate", "envoy", "nonces.yaml"]);
    assert!(nonces.stdout.contains("host_env_keys: [NONCE_KEY]"), "{nonces:?}");
    // What clients send of that name never gets through: Envoy's default.
    assert!(!run.stdout.contains("forward_client_cert_details"), "{}", run.stdout);
}

#[test]
fn several_apis_become_routes_and_rules_of_one_order() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", SEVERAL);
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    let policy = policy_of(&run.stdout);
    let names: Vec<_> = policy["rules"].as_array().unwrap().iter().map(|rule| rule["name"].clone()).collect();
    assert_eq!(names, ["refunds", "orders", "admin", "rest", "elsewhere"]);
    // A rule of an API keeps to its hosts and paths, and to what the API asks for beside scopes.
    assert_eq!(
        policy["rules"][0],
        json!({
            "name": "refunds",
            "match": {"path_template": "/orders/{id}/refund", "hosts": ["api.example.com"]},
            "requires": {"scopes": ["refunds"], "audiences": ["https://api.example.com"], "clients": {"list": "partners"}},
        })
    );
    // What belongs to no API is refused, and nobody is asked.
    assert_eq!(policy["rules"][4], json!({"name": "elsewhere", "match": {"prefix": "/"}, "access": "deny"}));
    assert_eq!(policy["cache"], json!({"ttl": "30s"}));
    assert_eq!(policy["providers"]["main"]["introspection"]["timeout"], json!("1s"));
    // Envoy chooses among the same APIs in the same order for every host.
    let envoy: Value = serde_saphyr::from_str(&run.stdout).unwrap();
    let manager =
        &envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let hosts = manager["route_config"]["virtual_hosts"].as_array().unwrap();
    let routes: Vec<(String, Vec<String>)> = hosts
        .iter()
        .map(|host| {
            let cluster = |route: &Value| route["route"]["cluster"].as_str().unwrap().to_owned();
            let routes = host["routes"].as_array().unwrap().iter().map(cluster).collect();
            (host["domains"][0].as_str().unwrap().to_owned(), routes)
        })
        .collect();
    let want = [
        ("*.example.com", vec!["api-rest"]),
        ("admin.example.com", vec!["api-admin"]),
        ("api.example.com", vec!["api-orders", "api-rest"]),
    ];
    let want = want.map(|(host, routes)| (host.to_owned(), routes.into_iter().map(str::to_owned).collect()));
    assert_eq!(routes, want);
    assert!(run.stderr.contains("this file also needs secrets/main.yaml"), "{run:?}");
}

#[test]
fn compose_gets_a_service() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", SEVERAL);
    let run = at.run(["generate", "compose", "gateway.yaml", "--out", "out", "--module", "filter.wasm"]);
    assert_eq!(run.status, 0, "{run:?}");
    let compose = documents(&at.read("out/docker-compose.yaml"));
    let gateway = &compose[0]["services"]["gateway"];
    assert_eq!(gateway["ports"], json!(["127.0.0.1:8080:8080"]));
    // It is published where the short file says, and plain HTTP to everybody is warned of.
    for (listen, ports, inside) in [
        ("127.0.0.1:9000", "127.0.0.1:9000:9000", 9000),
        ("0.0.0.0:8443", "0.0.0.0:8443:8443", 8443),
        ("10.1.2.3:80", "10.1.2.3:80:80", 80),
        ("\"[::1]:9000\"", "[::1]:9000:9000", 9000),
    ] {
        at.write("listen.yaml", format!("{SEVERAL}listen: {listen}\n"));
        let run = at.line("generate compose listen.yaml --out out --force --module filter.wasm");
        assert_eq!(run.status, 0, "{run:?}");
        let compose = documents(&at.read("out/docker-compose.yaml"));
        assert_eq!(compose[0]["services"]["gateway"]["ports"], json!([ports]));
        let envoy = at.read("out/envoy.yaml");
        assert!(envoy.contains(&format!("address: \"0.0.0.0\", port_value: {inside}")), "{listen}: {envoy}");
        let is_open = !listen.contains("127.0.0.1") && !listen.contains("::1");
        assert_eq!(run.stderr.contains("is plain HTTP"), is_open, "{run:?}");
    }
    assert_eq!(at.run(["generate", "compose", "gateway.yaml", "--out", "out", "--force"]).status, 0);
    let envoy = at.read("out/envoy.yaml");
    assert!(envoy.contains("path: /etc/envoy/tollgate/secrets/main.yaml"), "{envoy}");
    assert!(envoy.contains("local: {filename: /etc/envoy/tollgate/tollgate_filter.wasm}"), "{envoy}");
    assert!(envoy.contains("address: \"0.0.0.0\", port_value: 8080"), "{envoy}");
}

#[test]
fn browser_login_is_a_filter_of_envoys_own_before_ours() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write(
        "gateway.yaml",
        format!("{SEVERAL}\nlogin: {{client_id: web, client_secret_file: secret, scopes: [openid]}}\n"),
    );
    let run = at.run(["generate", "envoy", "gateway.yaml", "--out", "out"]);
    assert_eq!(run.status, 0, "{run:?}");
    let envoy: Value = serde_saphyr::from_str(&at.read("out/envoy.yaml")).unwrap();
    let manager =
        &envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let filters = manager["http_filters"].as_array().unwrap();
    let names: Vec<_> = filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect();
    let want = ["local_ratelimit", "oauth2"].map(|name| format!("envoy.filters.http.{name}"));
    let cookies = ["cookies-of-the-api", "cookies-restored"];
    let want = [&want[0], &want[1], cookies[0], cookies[1], "tollgate", "envoy.filters.http.router"];
    assert_eq!(names, want);
    let config = &filters[1]["typed_config"]["config"];
    assert_eq!(config["forward_bearer_token"], true);
    assert_eq!(config["token_endpoint"]["cluster"], "login-main");
    assert_eq!(config["credentials"]["client_id"], "web");
    let clusters = envoy["static_resources"]["clusters"].as_array().unwrap();
    let login = clusters.iter().find(|cluster| cluster["name"] == "login-main").unwrap();
    assert_eq!(
        login["typed_extension_protocol_options"],
        Value::Null,
        "the gateway's credentials are not the login's"
    );
    assert_eq!(mode(&at, "out/secrets/login-hmac.yaml"), 0o600);
    let first = at.read("out/secrets/login-hmac.yaml");
    assert_eq!(at.run(["generate", "envoy", "gateway.yaml", "--out", "out", "--force"]).status, 0);
    assert_ne!(first, at.read("out/secrets/login-hmac.yaml"));
}

#[test]
fn what_is_there_is_not_overwritten() {
    let at = with_client("client_secret_basic");
    let args =
        ["generate", "envoy", "--client", "gateway", "--upstream", "http://127.0.0.1:3000", "--out", "out"];
    at.write("out/envoy.yaml", "mine\n");
    let run = at.run(args);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stderr.contains(
            "out/envoy.yaml exists already\n  Nothing was written. To replace existing files: --force."
        ),
        "{run:?}"
    );
    assert_eq!(at.read("out/envoy.yaml"), "mine\n");
    assert!(!at.directory.path().join("out/secrets").exists());
    let forced = at.run(args.into_iter().chain(["--force", "--json"]));
    assert_eq!(forced.status, 0, "{forced:?}");
    let files = json!({"files": [
        {"file": "out/envoy.yaml", "secret": false},
        {"file": "out/secrets/main.yaml", "secret": true},
    ]});
    assert_eq!(forced.json(), files);
}

#[test]
fn an_issuer_alone_is_asked_for_its_endpoints() {
    // BCP-08
    let server = Scripted::start(|own, received| {
        if received.target.ends_with("/.well-known/oauth-authorization-server") {
            let metadata = json!({"issuer": own, "introspection_endpoint": format!("{own}/ask")});
            return Answer::json(200, metadata);
        }
        Answer::status(404)
    });
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    let file = format!(
        "providers:\n  main: {{issuer: \"{}\", client_id: gateway, client_secret_file: secret}}\napis:\n  a: {{upstream: \"http://a:1\", scopes: [a]}}\n",
        server.origin
    );
    at.write("gateway.yaml", file);
    let run = at.run(["generate", "envoy", "gateway.yaml", "--allow-http"]);
    assert_eq!(run.status, 0, "{run:?}");
    let uri = format!("{}/ask", server.origin);
    assert_eq!(policy_of(&run.stdout)["providers"]["main"]["introspection"]["uri"], json!(uri));
}

#[test]
fn an_mcp_server_is_described_to_its_clients() {
    // MCP-01, MCP-07, PRM-14
    let at = with_client("client_secret_basic");
    let run = at.line("generate envoy --client gateway --upstream http://127.0.0.1:3000 --prefix /mcp --mcp https://tools.example.com/mcp --scope notes:read --out out");
    assert_eq!(run.status, 0, "{run:?}");
    let policy = policy_of(&at.read("out/envoy.yaml"));
    let mcp = json!({"identifier": "https://tools.example.com/mcp", "profile": "mcp"});
    assert_eq!(policy["resource"], mcp);
    assert_eq!(at.run(["check", "--strict", "out/envoy.yaml"]).status, 0);
    // Envoy Gateway runs the filter on its routes alone, so the metadata has one.
    let run = at.line("generate envoy-gateway --client gateway --upstream http://notes:3000 --prefix /mcp --mcp https://tools.example.com/mcp --scope notes:read --module oci://example.com/tollgate:1");
    assert_eq!(run.status, 0, "{run:?}");
    let routes = documents(&run.stdout);
    let rule = routes.iter().find(|one| one["kind"] == "HTTPRoute").map(|one| &one["spec"]["rules"][0]);
    assert_eq!(
        rule.unwrap()["matches"],
        json!([
            {"path": {"type": "PathPrefix", "value": "/mcp"}},
            {"path": {"type": "Exact", "value": "/.well-known/oauth-protected-resource/mcp"}},
            {"path": {"type": "Exact", "value": "/.well-known/oauth-protected-resource"}},
        ])
    );
    // Several APIs, each a resource of its own.
    at.write("secret", "hush-secret\n");
    at.write(
        "gateway.yaml",
        "providers:\n  main: {issuer: \"https://login.example.com\", introspection_endpoint: \"https://login.example.com/ask\", client_id: gateway, client_secret_file: secret}\napis:\n  tools: {upstream: \"http://a:1\", prefix: /mcp, scopes: [a], resource: {identifier: \"https://tools.example.com/mcp\", profile: mcp}}\n  orders: {upstream: \"http://b:1\", hosts: [\"*.example.com\"], prefix: /orders/v1, scopes: [b], resource: {identifier: \"https://api.example.com/orders\"}}\n",
    );
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(
        policy_of(&run.stdout)["resource"],
        json!([{"identifier": "https://api.example.com/orders"}, mcp])
    );
}

const SHA256: &str = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";
const PINNED: &str =
    "oci://r.example.net/tollgate@sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";

const SEVERAL: &str = r#"
providers:
  main:
    issuer: https://login.example.com/realms/main
    preset: keycloak
    client_id: gateway
    client_secret_file: secret
apis:
  orders:
    hosts: [api.example.com]
    prefix: /orders
    upstream: http://orders:8080
    scopes: [orders]
    audiences: ["https://api.example.com"]
    client_list: partners
    rules:
    - {name: refunds, match: {path_template: "/orders/{id}/refund"}, requires: {scopes: [refunds]}}
  admin: {hosts: [admin.example.com], upstream: "http://admin:8080", scopes: [admin]}
  rest: {hosts: ["*.example.com"], upstream: "https://rest.example.net", scopes: [rest], rewrite_host: true}
client_lists:
  partners: {clients: [{id: app, tier: gold}]}
policy:
  cache: {ttl: 30s}
  providers: {main: {introspection: {timeout: 1s}}}
"#;

/// A store with the client `gateway`.
fn with_client(method: &str) -> Tollgate {
    let at = Tollgate::new();
    let store = json!({
        "providers": {"login": {
            "issuer": "https://login.example.com",
            "preset": "generic",
            "endpoints": {"introspection_endpoint": "https://login.example.com/introspect"},
        }},
        "clients": {"gateway": {
            "provider": "login",
            "client_id": "gw-1",
            "client_secret": "hush-secret",
            "token_endpoint_auth_method": method,
        }},
    });
    at.write("store/default.json", store.to_string());
    at
}

/// The filter's configuration in Envoy's.
fn policy_of(envoy: &str) -> Value {
    policy_in(&serde_saphyr::from_str(envoy).unwrap())
}

fn policy_in(envoy: &Value) -> Value {
    let manager =
        &envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let filters = manager["http_filters"].as_array().unwrap();
    let ours = filters.iter().find(|filter| filter["name"] == "tollgate").unwrap();
    ours["typed_config"]["config"]["configuration"]["value"].clone()
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

fn mode(at: &Tollgate, file: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(at.directory.path().join(file)).unwrap().permissions().mode() & 0o777
}
