//! `tollgate generate istio` and `envoy-gateway`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{PINNED, SEVERAL, SHA256, documents, mode};
use crate::support::Tollgate;

#[test]
fn istio_gets_a_plugin_and_a_way() {
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", SEVERAL);
    let run = at.run(["generate", "istio", "gateway.yaml", "--out", "out", "--module-sha256", SHA256]);
    assert_eq!(run.status, 0, "{run:?}");
    let resources = documents(&at.read("out/istio.yaml"));
    let kinds: Vec<_> = resources.iter().map(|resource| resource["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["TrafficExtension", "EnvoyFilter", "ServiceEntry", "DestinationRule"]);
    let spec = &resources[0]["spec"]["wasm"];
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
        ("{workload: waypoint, service: orders}", None, "WAYPOINT"),
        ("{workload: waypoint}", None, "WAYPOINT"),
        ("{selector: {app: orders}}", Some("SERVER"), "SIDECAR_INBOUND"),
        ("{selector: {istio: ingressgateway}}", None, "GATEWAY"),
        ("{selector: {app: front, gateway.networking.k8s.io/gateway-name: front}}", None, "GATEWAY"),
        ("{selector: {app: edge}, workload: gateway}", None, "GATEWAY"),
        ("{selector: {app: payment-gateway}, workload: sidecar}", Some("SERVER"), "SIDECAR_INBOUND"),
        ("{namespace: shop}", Some("SERVER"), "SIDECAR_INBOUND"),
    ];
    let at = Tollgate::new();
    at.write("secret", "hush-secret\n");
    let apis = ["trafficextension", "wasmplugin"];
    for ((kubernetes, mode, context), api) in cases.iter().flat_map(|case| apis.map(|api| (*case, api))) {
        at.write("gateway.yaml", format!("{SEVERAL}kubernetes: {kubernetes}\n"));
        let run = at.run(["generate", "istio", "gateway.yaml", "--module", PINNED, "--api", api]);
        assert_eq!(run.status, 0, "{kubernetes}: {run:?}");
        let resources = documents(&run.stdout);
        let plugin = &resources[0]["spec"];
        assert_eq!(plugin["match"][0]["mode"].as_str(), mode, "{kubernetes}");
        let patch = &resources[1]["spec"]["configPatches"][0];
        assert_eq!(patch["match"]["context"], context, "{kubernetes}");
        let filter = &resources[1]["spec"];
        assert_eq!(filter["workloadSelector"]["labels"], plugin["selector"]["matchLabels"]);
        // A waypoint ignores labels.
        assert_eq!(filter["targetRefs"], plugin["targetRefs"]);
        assert_eq!(plugin["targetRefs"].is_null(), context != "WAYPOINT", "{kubernetes}");
        assert_eq!(plugin["selector"].is_null(), context == "WAYPOINT", "{kubernetes}");
        // Labels that nobody has named are a guess, and so is a Service.
        let is_guess = run.stderr.contains("kubernetes.selector is not set, so app: admin is assumed");
        assert_eq!(is_guess, kubernetes == "{namespace: shop}", "{run:?}");
        let is_guess = run.stderr.contains("kubernetes.service is not set, so admin is assumed");
        assert_eq!(is_guess, kubernetes == "{workload: waypoint}", "{run:?}");
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
        resources[0]["spec"]["wasm"]["pluginConfig"]["providers"][name]["introspection"]["cluster"].clone()
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
    at.write("c.pem", include_str!("../../demo/tls/server.pem"));
    at.write("k.pem", include_str!("../../demo/tls/server-key.pem"));
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
    let encoded = |pem: &str| STANDARD.encode(pem);
    assert_eq!(secret[0]["data"]["tls.crt"], encoded(include_str!("../../demo/tls/server.pem")));
    assert_eq!(secret[0]["data"]["tls.key"], encoded(include_str!("../../demo/tls/server-key.pem")));
    assert_eq!(mode(&at, "out/tls-secret.yaml"), 0o600);
    // One that is in the cluster already.
    let run = generate("listen: 0.0.0.0:443\nkubernetes: {tls_secret: api.example.com}");
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(listener(), (tls("api.example.com", 443), json!(true)));
    // Nothing that is no certificate, and no key that is none.
    for (more, want) in [
        ("tls: {certificate: secret, key: k.pem}", "secret contains no certificate"),
        ("tls: {certificate: c.pem, key: c.pem}", "c.pem contains no private key"),
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
