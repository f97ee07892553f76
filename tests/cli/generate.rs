//! `tollgate generate`: what is written, for whom, and what a first-time user is told.

use serde_json::{Value, json};

use crate::support::{Answer, Scripted, Tollgate};

#[test]
fn a_client_of_the_store_and_an_upstream_are_enough() {
    let at = with_client("client_secret_basic");
    let run = at.run([
        "generate",
        "envoy",
        "--client",
        "gateway",
        "--upstream",
        "http://127.0.0.1:3000",
        "--scope",
        "orders:read",
        "--out",
        "out",
    ]);
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
            "upstream": {"filter_state": true},
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
    let run = at.run([
        "generate",
        "envoy",
        "--client",
        "gateway",
        "--upstream",
        "http://127.0.0.1:3000",
        "--out",
        "out",
    ]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.stderr.contains("Envoy cannot add its credentials"), "{run:?}");
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
    assert!(run.stderr.contains("printed alone, but it needs secrets/main.yaml too"), "{run:?}");
}

#[test]
fn istio_gets_a_plugin_and_a_way() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", SEVERAL);
    let run = at.run(["generate", "istio", "gateway.yaml", "--out", "out", "--module-sha256", SHA256]);
    assert_eq!(run.status, 0, "{run:?}");
    let resources = documents(&at.read("out/istio.yaml"));
    let kinds: Vec<_> = resources.iter().map(|resource| resource["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["WasmPlugin", "EnvoyFilter", "ServiceEntry", "DestinationRule"]);
    let spec = &resources[0]["spec"];
    assert_eq!(spec["failStrategy"], "FAIL_RELOAD");
    assert_eq!(spec["sha256"], SHA256);
    let introspection = &spec["pluginConfig"]["providers"]["main"]["introspection"];
    assert_eq!(introspection["cluster"], "outbound|14430||login.example.com");
    assert_eq!(
        introspection["client_auth"],
        json!({"client_id": "gateway", "client_secret_env": "TOLLGATE_MAIN_SECRET"})
    );
    assert_eq!(spec["vmConfig"]["env"], json!([{"name": "TOLLGATE_MAIN_SECRET", "valueFrom": "HOST"}]));
    // Nothing but the module's own calls goes there: not the whole mesh, and not the port that others use.
    for resource in &resources[2..] {
        assert_eq!(resource["spec"]["exportTo"], json!(["."]), "{resource}");
    }
    let port = json!({"number": 14430, "targetPort": 443, "name": "http", "protocol": "HTTP"});
    assert_eq!(resources[2]["spec"]["ports"], json!([port]));
    let settings = &resources[3]["spec"]["trafficPolicy"]["portLevelSettings"];
    assert_eq!(settings[0]["port"]["number"], 14430);
    let tls = &settings[0]["tls"];
    assert_eq!(
        *tls,
        json!({"mode": "SIMPLE", "sni": "login.example.com", "subjectAltNames": ["login.example.com"]})
    );
    assert_eq!(
        documents(&at.read("out/secret.yaml"))[0]["stringData"]["TOLLGATE_MAIN_SECRET"],
        "hush-secret"
    );
    assert_eq!(mode(&at, "out/secret.yaml"), 0o600);
    assert!(!at.read("out/istio.yaml").contains("hush"));
    assert_eq!(at.run(["check", "out/istio.yaml"]).status, 0);
}

#[test]
fn a_gateway_of_the_mesh_is_guarded_as_well() {
    // To Istio, a gateway is a client.
    let cases = [
        ("{selector: {app: orders}}", Some("SERVER"), "SIDECAR_INBOUND"),
        ("{selector: {istio: ingressgateway}}", None, "GATEWAY"),
        ("{selector: {app: front, gateway.networking.k8s.io/gateway-name: front}}", None, "GATEWAY"),
        ("{selector: {app: edge}, workload: gateway}", None, "GATEWAY"),
        ("{selector: {app: payment-gateway}, workload: sidecar}", Some("SERVER"), "SIDECAR_INBOUND"),
        ("{namespace: shop}", Some("SERVER"), "SIDECAR_INBOUND"),
    ];
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    for (kubernetes, mode, context) in cases {
        at.write("gateway.yaml", format!("{SEVERAL}kubernetes: {kubernetes}\n"));
        let run = at.run(["generate", "istio", "gateway.yaml", "--module", PINNED]);
        assert_eq!(run.status, 0, "{kubernetes}: {run:?}");
        let resources = documents(&run.stdout);
        let plugin = &resources[0]["spec"];
        assert_eq!(plugin["match"][0]["mode"].as_str(), mode, "{kubernetes}");
        let patch = &resources[1]["spec"]["configPatches"][0];
        assert_eq!(patch["match"]["context"], context, "{kubernetes}");
        assert_eq!(resources[1]["spec"]["workloadSelector"]["labels"], plugin["selector"]["matchLabels"]);
        // Labels that nobody has named are a guess.
        let is_guess = run.stderr.contains("kubernetes.selector is not given: app: admin is a guess");
        assert_eq!(is_guess, kubernetes == "{namespace: shop}", "{run:?}");
        at.write("istio.yaml", &run.stdout);
        let check = at.run(["check", "istio.yaml"]);
        assert_eq!(check.status, 0, "{check:?}");
    }
}

#[test]
fn two_ports_of_one_host_are_two_ways() {
    let at = Tollgate::new();
    at.write("gateway.yaml", "providers:\n  a: {introspection_endpoint: \"https://login.example.com/ask\", client_id: g, client_secret_env: A}\n  b: {introspection_endpoint: \"https://login.example.com:8443/ask\", client_id: g, client_secret_env: B}\n  c: {introspection_endpoint: \"https://login.example.com/other\", client_id: g, client_secret_env: C}\napis:\n  x: {upstream: \"http://a:1\", provider: a, scopes: [a]}\n  y: {upstream: \"http://a:1\", prefix: /y, provider: b, scopes: [a]}\n  z: {upstream: \"http://a:1\", prefix: /z, provider: c, scopes: [a]}\n");
    let run = at.run(["generate", "istio", "gateway.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    let resources = documents(&run.stdout);
    let cluster = |name: &str| {
        resources[0]["spec"]["pluginConfig"]["providers"][name]["introspection"]["cluster"].clone()
    };
    assert_eq!(cluster("a"), "outbound|14430||login.example.com");
    assert_eq!(cluster("b"), "outbound|14431||login.example.com");
    assert_eq!(cluster("c"), cluster("a"));
    let ports =
        resources.iter().filter(|one| one["kind"] == "ServiceEntry").map(|one| &one["spec"]["ports"][0]);
    let ports: Vec<_> = ports.map(|port| (port["number"].as_u64(), port["targetPort"].as_u64())).collect();
    assert_eq!(ports, [(Some(14430), Some(443)), (Some(14431), Some(8443))]);
}

#[test]
fn the_gateway_listens_with_tls_if_it_is_told_to() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("c.pem", include_str!("../demo/tls/server.pem"));
    at.write("k.pem", include_str!("../demo/tls/server-key.pem"));
    let generate = |more: &str| {
        at.write("gateway.yaml", format!("{SEVERAL}{more}\n"));
        at.run(["generate", "envoy-gateway", "gateway.yaml", "--module", PINNED, "--out", "out", "--force"])
    };
    let listener = || {
        let resources = documents(&at.read("out/envoy-gateway.yaml"));
        let gateway = resources.iter().find(|one| one["kind"] == "Gateway").unwrap();
        let policy = resources.iter().find(|one| one["kind"] == "EnvoyExtensionPolicy").unwrap();
        let config = &policy["spec"]["wasm"][0]["config"];
        (gateway["spec"]["listeners"][0].clone(), config["token"]["require_tls"].clone())
    };
    let tls = |name: &str, port: u16| json!({"name": "https", "protocol": "HTTPS", "port": port, "tls": {"mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": name}]}});
    let run = generate("tls: {certificate: c.pem, key: k.pem}");
    assert_eq!(run.status, 0, "{run:?}");
    assert!(!run.stderr.contains("plain HTTP"), "{run:?}");
    assert_eq!(listener(), (tls("tollgate-tls", 8443), json!(true)));
    let secret = documents(&at.read("out/tls-secret.yaml"));
    assert_eq!(secret[0]["type"], "kubernetes.io/tls");
    assert_eq!(secret[0]["metadata"]["name"], "tollgate-tls");
    assert_eq!(secret[0]["stringData"]["tls.crt"], include_str!("../demo/tls/server.pem"));
    assert_eq!(secret[0]["stringData"]["tls.key"], include_str!("../demo/tls/server-key.pem"));
    assert_eq!(mode(&at, "out/tls-secret.yaml"), 0o600);
    // One that is in the cluster already.
    let run = generate("listen: 0.0.0.0:443\nkubernetes: {tls_secret: api.example.com}");
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(listener(), (tls("api.example.com", 443), json!(true)));
    // Nothing that is no certificate, and no key that is none.
    for (more, want) in [
        ("tls: {certificate: secret, key: k.pem}", "secret holds no certificate"),
        ("tls: {certificate: c.pem, key: c.pem}", "c.pem holds no private key"),
        ("tls: {certificate: nowhere.pem, key: k.pem}", "cannot read nowhere.pem"),
    ] {
        let run = generate(more);
        assert_eq!(run.status, 2, "{more}: {run:?}");
        assert!(run.stderr.contains(want), "{more}: {run:?}");
    }
    let run = generate("");
    assert!(run.stderr.contains("the Gateway listens with plain HTTP"), "{run:?}");
    assert_eq!(listener(), (json!({"name": "http", "protocol": "HTTP", "port": 8080}), Value::Null));
}

#[test]
fn streams_websockets_and_grpc_have_what_they_need() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", r#"
providers:
  main: {introspection_endpoint: "https://login.example.com/ask", client_id: gateway, client_secret_file: secret}
apis:
  plain: {upstream: "http://a:1", scopes: [a]}
  chat: {upstream: "http://b:1", prefix: /chat, scopes: [a], websocket: true, idle_timeout: 1m, max_stream_duration: 8h}
  rpc: {upstream: "https://c.example.net", prefix: /rpc, scopes: [a], grpc: true}
  short: {upstream: "http://d:1", prefix: /short, scopes: [a], timeout: 2s500ms}
"#);
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    let envoy: Value = serde_saphyr::from_str(&run.stdout).unwrap();
    let manager =
        &envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap();
    let route = |prefix: &str| {
        let of = |route: &&Value| {
            let matcher = &route["match"];
            matcher["prefix"] == prefix || matcher["path_separated_prefix"] == prefix
        };
        routes.iter().find(of).unwrap()["route"].clone()
    };
    let longest = |text: &str| json!({"max_stream_duration": text, "grpc_timeout_header_max": text});
    assert_eq!(
        route("/"),
        json!({"cluster": "api-plain", "timeout": "0s", "idle_timeout": "300s", "max_stream_duration": longest("3600s")})
    );
    assert_eq!(
        route("/chat"),
        json!({
            "cluster": "api-chat", "timeout": "0s", "idle_timeout": "60s", "max_stream_duration": longest("28800s"),
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        })
    );
    // Beside a max_stream_duration, Envoy would not look at the timeout.
    let short = json!({"cluster": "api-short", "timeout": "2.500s", "idle_timeout": "300s"});
    assert_eq!(route("/short"), short);
    assert_eq!(manager["common_http_protocol_options"]["max_stream_duration"], "28800s");
    assert_eq!(manager["http2_protocol_options"]["allow_connect"], true);
    let clusters = envoy["static_resources"]["clusters"].as_array().unwrap();
    let options = |name: &str| {
        let cluster = clusters.iter().find(|cluster| cluster["name"] == name).unwrap();
        let options = &cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
        (
            options["explicit_http_config"].clone(),
            cluster["transport_socket"]["typed_config"]["common_tls_context"]["alpn_protocols"].clone(),
        )
    };
    assert_eq!(options("api-rpc"), (json!({"http2_protocol_options": {}}), json!(["h2"])));
    assert_eq!(options("api-plain"), (Value::Null, Value::Null));
    // The same for Envoy Gateway, which has WebSockets on all routes.
    let run = at.run(["generate", "envoy-gateway", "gateway.yaml"]);
    let resources = documents(&run.stdout);
    let named = |kind: &str, name: &str| {
        resources.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap()["spec"]
            .clone()
    };
    let http = json!({"streamIdleTimeout": "5m"});
    assert_eq!(named("BackendTrafficPolicy", "tollgate")["timeout"]["http"], http);
    let limit = json!({"value": 10000, "maxStreamDuration": "8h"});
    assert_eq!(named("ClientTrafficPolicy", "tollgate")["connection"]["connectionLimit"], limit);
    assert_eq!(named("Backend", "api-rpc")["appProtocols"], json!(["gateway.envoyproxy.io/h2c"]));
    let rules = named("HTTPRoute", "apis-1")["rules"].clone();
    let timeouts: Vec<_> =
        rules.as_array().unwrap().iter().map(|rule| rule["timeouts"]["request"].clone()).collect();
    assert_eq!(timeouts, ["2s500ms", "0s", "0s", "0s"]);
    // Flags say the same.
    let at = with_client("client_secret_basic");
    let run = at.run([
        "generate",
        "envoy",
        "--client",
        "gateway",
        "--upstream",
        "http://a:1",
        "--scope",
        "a",
        "--websocket",
        "--grpc",
    ]);
    assert_eq!(run.status, 0, "{run:?}");
    for line in
        ["upgrade_configs: [{upgrade_type: websocket}]", "explicit_http_config: {http2_protocol_options: {}}"]
    {
        assert!(run.stdout.contains(line), "{line} is not in\n{}", run.stdout);
    }
}

#[test]
fn what_operations_advises_is_generated() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    let generate = |more: &str| {
        at.write("gateway.yaml", format!("{SEVERAL}{more}\n"));
        let run = at.run(["generate", "envoy", "gateway.yaml"]);
        assert_eq!(run.status, 0, "{run:?}");
        serde_saphyr::from_str::<Value>(&run.stdout).unwrap()
    };
    let manager = |envoy: &Value| {
        envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"].clone()
    };
    let envoy = generate("");
    let limit = "/overload_manager/resource_monitors/0/typed_config/max_active_downstream_connections";
    assert_eq!(envoy.pointer(limit), Some(&json!(10000)));
    let filters = manager(&envoy)["http_filters"].clone();
    assert_eq!(filters[0]["name"], "envoy.filters.http.local_ratelimit");
    let bucket = &filters[0]["typed_config"]["descriptors"][0]["token_bucket"];
    assert_eq!((&bucket["max_tokens"], &bucket["fill_interval"]), (&json!(1000), &json!("1s")));
    let log = &manager(&envoy)["access_log"][0]["typed_config"]["log_format"]["json_format"];
    assert_eq!(log["client_id"], "%FILTER_STATE(wasm.tollgate.client_id:PLAIN)%");
    assert_eq!(log["sub"], "%FILTER_STATE(wasm.tollgate.sub:PLAIN)%");
    assert_eq!(policy_in(&envoy)["upstream"]["filter_state"], true);
    let clusters = envoy["static_resources"]["clusters"].as_array().unwrap();
    let provider = clusters.iter().find(|cluster| cluster["name"] == "provider-main").unwrap();
    assert_eq!(provider["circuit_breakers"]["thresholds"][0]["max_requests"], 8192);
    // The policy gives calls one second; to connect takes less.
    assert_eq!(provider["connect_timeout"], "0.500s");
    assert_eq!(policy_in(&envoy)["token"], Value::Null);
    // What is written counts.
    let envoy = generate("max_connections: 7\nrate_limit: 0\ntls: {certificate: c.pem, key: k.pem}");
    assert_eq!(envoy.pointer(limit), Some(&json!(7)));
    assert_eq!(manager(&envoy)["http_filters"][0]["name"], "tollgate");
    assert_eq!(policy_in(&envoy)["token"], json!({"require_tls": true}));
    let envoy = generate("rate_limit: 5\nlogin: {client_id: web, client_secret_file: secret}");
    let filters = manager(&envoy)["http_filters"].clone();
    let names: Vec<_> = filters.as_array().unwrap().iter().map(|filter| filter["name"].clone()).collect();
    let order = ["local_ratelimit", "oauth2"].map(|name| format!("envoy.filters.http.{name}"));
    assert_eq!(names[..2], order);
    assert_eq!(filters[0]["typed_config"]["descriptors"][0]["token_bucket"]["max_tokens"], 5);
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
        assert!(warned(&[]).contains("is a placeholder: --module names"));
        assert!(warned(&["--module", "oci://r.example.net/t:1"]).contains("is not pinned"));
        assert!(!warned(&["--module", PINNED]).contains("--module"), "{}", warned(&["--module", PINNED]));
    }
}

/// Whatever is generated, our own check has nothing to say against it.
#[test]
fn what_is_written_is_beyond_reproach() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("ca.pem", include_str!("../demo/tls/ca.pem"));
    at.write("c.pem", include_str!("../demo/tls/server.pem"));
    at.write("k.pem", include_str!("../demo/tls/server-key.pem"));
    let provider = "issuer: \"https://login.example.com\", introspection_endpoint: \"https://login.example.com/ask\", audiences: [\"https://api.example.com\"], client_id: g, client_secret_file: secret";
    let one = |provider: &str, api: &str, more: &str| {
        format!(
            "providers:\n  main: {{{provider}}}\napis:\n  a: {{upstream: \"http://a:1\", scopes: [a]{api}}}\nkubernetes: {{selector: {{app: a}}}}\n{more}\n"
        )
    };
    let cases = [
        ("the least", one(provider, "", "")),
        ("TLS", one(provider, "", "tls: {certificate: c.pem, key: k.pem}")),
        ("a client that posts", one(&format!("{provider}, auth_method: client_secret_post"), "", "")),
        (
            "an authority of its own",
            one(&format!("{provider}, ca_file: ca.pem"), ", upstream_ca_file: ca.pem", ""),
        ),
        (
            "streams",
            one(
                provider,
                ", websocket: true, grpc: true, timeout: 1m, prefix: /a, hosts: [a.example.com]",
                "",
            ),
        ),
        (
            "an audience for each API",
            format!(
                "providers:\n  main: {{{}}}\napis:\n  a: {{upstream: \"http://a:1\", scopes: [a], audiences: [a], rules: [{{match: {{path: /health}}, access: anonymous}}]}}\n  b: {{upstream: \"http://b:1\", prefix: /b, audiences: [b], scopes: [b]}}\nkubernetes: {{selector: {{app: a}}}}\n",
                provider.replace("audiences: [\"https://api.example.com\"], ", "")
            ),
        ),
        (
            "JWTs",
            one(
                "issuer: \"https://login.example.com\", jwks_uri: \"https://login.example.com/k\", audiences: [x], validate: jwt",
                "",
                "",
            ),
        ),
        (
            "an MCP server",
            one(
                provider,
                ", prefix: /mcp, resource: {identifier: \"https://t.example.com/mcp\", profile: mcp}",
                "",
            ),
        ),
        (
            "a list and a policy",
            one(
                provider,
                ", client_list: l",
                "client_lists: {l: {uri: \"https://l.example.com/l\", bearer_token_env: L}}\npolicy: {cache: {ttl: 30s}, token: {forward: false}}",
            ),
        ),
        ("limits", one(provider, "", "rate_limit: 10\nmax_connections: 10\nlisten: 0.0.0.0:80")),
    ];
    for (name, short) in cases {
        at.write("gateway.yaml", &short);
        for (target, file) in
            [("envoy", "envoy"), ("compose", "envoy"), ("istio", "istio"), ("envoy-gateway", "envoy-gateway")]
        {
            let out = format!("{target}-out");
            let run = at.run(["generate", target, "gateway.yaml", "--out", &out, "--force"]);
            assert_eq!(run.status, 0, "{name}, {target}: {run:?}");
            let check = at.run(["check", "--strict", &format!("{out}/{file}.yaml")]);
            let want = "no faults, no warnings in 1 configuration\n";
            assert_eq!((check.status, check.stdout.as_str()), (0, want), "{name}, {target}: {check:?}");
        }
    }
    // So it is with what three commands lead to.
    let at = with_client("client_secret_basic");
    let run = at.run([
        "generate",
        "envoy",
        "--client",
        "gateway",
        "--upstream",
        "http://127.0.0.1:3000",
        "--scope",
        "orders:read",
        "--audience",
        "https://api.example.com",
        "--admin",
        "127.0.0.1:9999",
        "--out",
        "out",
    ]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(at.read("out/envoy.yaml").contains("socket_address: {address: \"127.0.0.1\", port_value: 9999}"));
    let check = at.run(["check", "--strict", "out/envoy.yaml"]);
    assert_eq!(check.stdout, "no faults, no warnings in 1 configuration\n", "{check:?}");
    // Whoever opens the admin pages to others is told.
    let run = at.run([
        "generate",
        "envoy",
        "--client",
        "gateway",
        "--upstream",
        "http://127.0.0.1:3000",
        "--admin",
        "0.0.0.0:9901",
    ]);
    assert!(run.stderr.contains("everyone who reaches it can stop Envoy"), "{run:?}");
}

#[test]
fn envoy_gateway_gets_routes_that_nobody_can_take_to_the_provider() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", SEVERAL);
    let run = at.run(["generate", "envoy-gateway", "gateway.yaml", "--out", "out"]);
    assert_eq!(run.status, 0, "{run:?}");
    let resources = documents(&at.read("out/envoy-gateway.yaml"));
    let named = |kind: &str, name: &str| {
        let found = resources
            .iter()
            .find(|resource| resource["kind"] == kind && resource["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
    };
    let wasm = named("EnvoyExtensionPolicy", "tollgate")["spec"]["wasm"][0].clone();
    assert_eq!(wasm["failOpen"], false);
    let route = named("HTTPRoute", "provider-main");
    assert_eq!(route["spec"]["hostnames"], json!(["provider-main.tollgate.invalid"]));
    assert_eq!(
        wasm["config"]["providers"]["main"]["introspection"]["cluster"],
        "httproute/default/provider-main/rule/0"
    );
    let first = json!({"name": "own calls", "match": {"hosts": ["provider-main.tollgate.invalid"]}, "access": "deny"});
    assert_eq!(wasm["config"]["rules"][0], first);
    let tls = named("BackendTLSPolicy", "provider-main");
    assert_eq!(
        tls["spec"]["validation"],
        json!({"hostname": "login.example.com", "wellKnownCACertificates": "System"})
    );
    assert_eq!(at.run(["check", "out/envoy-gateway.yaml"]).status, 0);
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
        let run = at.run([
            "generate",
            "compose",
            "listen.yaml",
            "--out",
            "out",
            "--force",
            "--module",
            "filter.wasm",
        ]);
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
    assert_eq!(names, [&want[0], &want[1], "tollgate", "envoy.filters.http.router"]);
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
            "out/envoy.yaml is there already\n  Nothing was written. To replace what is there: --force."
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
    let run = at.run([
        "generate",
        "envoy",
        "--client",
        "gateway",
        "--upstream",
        "http://127.0.0.1:3000",
        "--prefix",
        "/mcp",
        "--mcp",
        "https://tools.example.com/mcp",
        "--scope",
        "notes:read",
        "--out",
        "out",
    ]);
    assert_eq!(run.status, 0, "{run:?}");
    let policy = policy_of(&at.read("out/envoy.yaml"));
    let mcp = json!({"identifier": "https://tools.example.com/mcp", "profile": "mcp"});
    assert_eq!(policy["resource"], mcp);
    assert_eq!(at.run(["check", "--strict", "out/envoy.yaml"]).status, 0);
    // Envoy Gateway runs the filter on its routes alone, so the metadata has one.
    let run = at.run([
        "generate",
        "envoy-gateway",
        "--client",
        "gateway",
        "--upstream",
        "http://notes:3000",
        "--prefix",
        "/mcp",
        "--mcp",
        "https://tools.example.com/mcp",
        "--scope",
        "notes:read",
        "--module",
        "oci://example.com/tollgate:1",
    ]);
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

#[test]
fn every_slip_is_told_with_its_place_and_what_to_write() {
    #[rustfmt::skip]
    let cases = [
        ("a misspelt key",                    "upstream: \"http://a:1\"", "upstrem: \"http://a:1\"",
         "gateway.yaml:4:7: apis.a.upstrem: unknown key; did you mean \"upstream\"?"),
        ("a misspelt key of a rule",          "scopes: [a]", "rules: [{match: {prefx: /x}}]",
         "apis.a.rules[0].match.prefx: unknown key; did you mean \"prefix\"?"),
        ("an upstream with a path",           "http://a:1", "http://a:1/x",
         "apis.a.upstream: expected scheme, host and perhaps port, as http://orders:8080 (no path)"),
        ("an upstream without a scheme",      "http://a:1", "a:1",
         "apis.a.upstream: expected scheme, host and perhaps port"),
        ("no credentials",                    ", client_id: gateway, client_secret_file: secret", "",
         "providers.main: expected exactly one of \"client\" and \"client_id\", found none"),
        ("an id without a secret",            ", client_secret_file: secret", "",
         "providers.main: expected client_secret_file or client_secret_env beside client_id"),
        ("a client that is not there",        "client_id: gateway, client_secret_file: secret", "client: gateway",
         "providers.main.client: there is no client \"gateway\" in the environment \"default\" of the store; tollgate client register gateway makes one"),
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
         "apis.a.rules[0].match.hosts: b.example.com is none of the API's hosts"),
        ("a fetched list with a cluster",     "\napis:", "\nclient_lists: {l: {uri: \"https://l.example.com/l\", cluster: lists}}\napis:",
         "gateway.yaml:3:61: client_lists.l.cluster: follows from uri, and is not written here"),
        ("a fetched list's token",            "\napis:", "\nclient_lists: {l: {uri: \"https://l.example.com/l\", bearer_token: hush}}\napis:",
         "client_lists.l.bearer_token: would stand in the generated configuration; expected bearer_token_env"),
        ("a fetched list over plain HTTP",    "\napis:", "\nclient_lists: {l: {uri: \"http://l.example.com/l\"}}\napis:",
         "client_lists.l.uri: http://l.example.com/l is plain HTTP: whoever is on the way decides who may call; expected https"),
        ("rules of the filter",               "\napis:", "\npolicy: {rules: []}\napis:",
         "policy.rules: follows from apis and client_lists, and is not written here"),
        ("a misspelt key of the filter",      "\napis:", "\npolicy: {cache: {tll: 30s}}\napis:",
         "gateway.yaml:3:18: policy.cache.tll: unknown key; did you mean \"ttl\"?"),
        ("a path that Envoy reads otherwise", "scopes: [a]", "prefix: /a%2fb",
         "apis.a.prefix: expected a path of plain segments, as /orders"),
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
         "apis.a: expected a resource, for other APIs have one"),
        ("RSI-01 an identifier that is none", "scopes: [a]", "resource: {identifier: api}",
         "apis.a.resource.identifier: expected an absolute https URI without a fragment"),
        ("MCP-01 an MCP server without an issuer", "scopes: [a]", "resource: {identifier: \"https://h.example/\", profile: mcp}",
         "apis.a.resource.authorization_servers: needs a provider's issuer, or entries as well"),
        ("JWTs without an audience",          ", client_id: gateway, client_secret_file: secret", ", issuer: \"https://login.example.com\", jwks_uri: \"https://login.example.com/k\", validate: jwt",
         "providers.main.validate: needs audiences (or any_audience: true) as well"),
        ("JWTs without keys",                 ", client_id: gateway, client_secret_file: secret", ", validate: jwt",
         "providers.main: no address of its keys is known; expected jwks_uri, or an issuer whose metadata names it"),
        ("an introspection without a client", ", client_id: gateway, client_secret_file: secret", ", validate: jwt_then_introspection",
         "providers.main: expected exactly one of \"client\" and \"client_id\", found none"),
        ("keys over plain HTTP",              ", client_id: gateway, client_secret_file: secret", ", jwks_uri: \"http://login.example.com/k\", validate: jwt",
         "providers.main.jwks_uri: http://login.example.com/k is plain HTTP"),
        ("a signature without its key",       "client_secret_file: secret", "auth_method: private_key_jwt",
         "providers.main: expected private_key_file or private_key_env beside client_id and private_key_jwt"),
        ("a key that is none",                "client_secret_file: secret", "private_key_file: secret, auth_method: private_key_jwt, algorithm: ES256",
         "providers.main.private_key_file: expected a private key in PEM: -----BEGIN PRIVATE KEY-----"),
        ("a signature without an algorithm",  "client_secret_file: secret", "private_key_env: KEY, auth_method: private_key_jwt",
         "providers.main.introspection.client_auth.algorithm: required, but missing"),
        ("proofs that nobody checks",         "scopes: [a]", "sender_constraint: dpop",
         "apis.a.requires.sender_constraint: needs dpop as well"),
        ("two bounds, of which one would not count", "scopes: [a]", "timeout: 1s, max_stream_duration: 1h",
         "apis.a: expected at most one of \"timeout\" and \"max_stream_duration\", found 2"),
        ("two APIs for the same requests",    "\napis:", "\napis:\n  b: {upstream: \"http://b:1\"}",
         "apis.b: the same host and prefix as apis.a: which of them has the request?"),
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
         "inside a cluster that is the proxy itself"),
        ("a login in a mesh",           "istio",         "authorization_endpoint: \"https://l.example.com/a\", token_endpoint: \"https://l.example.com/t\", introspection_endpoint: \"https://l.example.com/ask\"", "login: {client_id: web, client_secret_file: secret}",
         "login: can be generated for envoy and compose only"),
        ("certificates in a mesh",      "istio",         "introspection_endpoint: \"https://l.example.com/ask\"", "tls: {certificate: c.pem, key: k.pem, client_certificates: true}",
         "tls.client_certificates: can be generated for envoy and compose only; in a mesh, say policy: {mtls: …}"),
        ("hosts for some APIs only",    "envoy-gateway", "introspection_endpoint: \"https://l.example.com/ask\"", "",
         "apis: some have hosts and some have none"),
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
    assert!(nothing.stderr.contains("nothing says what to generate\n  Name a short file"), "{nothing:?}");
    let half = at.run(["generate", "envoy", "--client", "gateway"]);
    assert_eq!(half.status, 2);
    assert!(half.stderr.contains("--upstream <URL>"), "{half:?}");
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
