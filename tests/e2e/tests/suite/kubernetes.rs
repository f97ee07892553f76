//! What `tollgate generate` writes for Kubernetes: by the published schemas of Istio and of Envoy Gateway with their
//! rules, and as Envoy Gateway's own `egctl` translates it.
//!
//! `make kubernetes-rules` fetches the schemas and runs all but the last, `make test-kubernetes` that as well.

mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tollgate_e2e::operator::Operator;
use tollgate_e2e::root;

#[test]
#[ignore = "needs Istio's schemas: make kubernetes-rules"]
fn istio_knows_every_field_of_its_resources() {
    let crds = documents(&read(&tool("ISTIO_CRDS", "istio-crds.yaml")));
    let resources = generated(&["istio"], "istio.yaml");
    let kinds: Vec<_> = resources.iter().map(|resource| text(&resource["kind"])).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "TrafficExtension").count(), 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == "ServiceEntry").count(), 3);
    assert_eq!(kinds.iter().filter(|kind| **kind == "DestinationRule").count(), 3);
    let older = generated(&["istio", "--api", "wasmplugin"], "istio.yaml");
    let examples = ["traffic-extension", "wasm-plugin", "service-entry"];
    let examples =
        examples.iter().flat_map(|name| documents(&read(&root().join(format!("envoy/istio/{name}.yaml")))));
    for resource in resources.iter().chain(&older).cloned().chain(examples) {
        assert_eq!(faults(&crds, &resource), "", "{resource:#}");
        assert_eq!(rules::broken_rules(&schema_of(&crds, &resource), &resource), [""; 0], "{resource:#}");
    }
    // And the schemas tell a fault.
    let mut wrong = resources[0].clone();
    wrong["spec"]["wasm"]["failStrategy"] = json!("FAIL_SOFTLY");
    assert!(faults(&crds, &wrong).contains("failStrategy"), "{}", faults(&crds, &wrong));
    let mut wrong = resources[0].clone();
    wrong["spec"]["wasm"]["pluginConfg"] = json!({});
    assert!(faults(&crds, &wrong).contains("pluginConfg"), "{}", faults(&crds, &wrong));
}

#[test]
#[ignore = "needs Istio's schemas: make kubernetes-rules"]
fn the_rules_of_istios_schemas_tell_a_fault() {
    let crds = documents(&read(&tool("ISTIO_CRDS", "istio-crds.yaml")));
    let resources =
        [generated(&["istio"], "istio.yaml"), generated(&["istio", "--api", "wasmplugin"], "istio.yaml")]
            .concat();
    let waypoint = json!([{"kind": "Service", "name": "orders"}]);
    #[rustfmt::skip]
    let cases = [
        ("TrafficExtension", "/spec/targetRefs",            waypoint.clone(),              "only one of targetRefs or selector"),
        ("TrafficExtension", "/spec/lua",                   json!({"inlineCode": "-"}),    "exactly one of wasm or lua"),
        ("TrafficExtension", "/spec/wasm/url",              json!("ftp://example.com/x"),  "url must have schema one of"),
        ("TrafficExtension", "/spec/wasm/vmConfig/env/0/value", json!("hush"),             "value may only be set"),
        ("WasmPlugin",       "/spec/targetRefs",            waypoint,                      "only one of targetRefs or selector"),
        ("WasmPlugin",       "/spec/url",                   json!("ftp://example.com/x"),  "url must have schema one of"),
        ("WasmPlugin",       "/spec/vmConfig/env/0/value",  json!("hush"),                 "value may only be set"),
        ("WasmPlugin",       "/spec/selector/matchLabels",  json!({"app": "order*"}),      "wildcard not allowed in label value"),
        ("ServiceEntry",     "/spec/hosts",                 json!(["*"]),                  "hostname cannot be wildcard"),
        ("ServiceEntry",     "/spec/addresses",             json!(["10.0.0.0/8"]),         "CIDR addresses are allowed only"),
        ("ServiceEntry",     "/spec/ports/0/targetPort",    json!(0),                      "port must be between"),
        ("ServiceEntry",     "/spec/ports",                 json!([{"number": 1}, {"number": 1}]), "port number cannot be duplicated"),
        ("DestinationRule",  "/spec/trafficPolicy/portLevelSettings/0/connectionPool/tcp/connectTimeout", json!("0s"), "must be a valid duration"),
    ];
    for (kind, place, value, want) in cases {
        let mut wrong = resources.iter().find(|one| one["kind"] == kind).expect(kind).clone();
        let schema = schema_of(&crds, &wrong);
        assert!(rules::count(&schema, &wrong) > 0, "{kind}");
        let (parent, name) = place.rsplit_once('/').expect("a place");
        wrong.pointer_mut(parent).unwrap_or_else(|| panic!("{kind}{parent}"))[name] = value;
        let broken = rules::broken_rules(&schema, &wrong).join("\n");
        assert!(broken.contains(want), "{kind}{place}: {broken}");
    }
}

#[test]
#[ignore = "needs Envoy Gateway's schemas: make kubernetes-rules"]
fn envoy_gateways_schemas_know_every_field_and_their_rules_hold() {
    let crds = documents(&read(&tool("GATEWAY_CRDS", "gateway-crds.yaml")));
    let mut resources = generated(&["envoy-gateway"], "envoy-gateway.yaml");
    for name in ["guard", "rate-limits"] {
        resources.extend(documents(&read(&root().join(format!("envoy/envoy-gateway/{name}.yaml")))));
    }
    let mut count = 0;
    for resource in &resources {
        let schema = schema_of(&crds, resource);
        assert_eq!(faults(&crds, resource), "", "{resource:#}");
        assert_eq!(rules::broken_rules(&schema, resource), [""; 0], "{resource:#}");
        count += rules::count(&schema, resource);
    }
    assert!(count > 100, "only {count} rules were evaluated");
    #[rustfmt::skip]
    let cases = [
        ("EnvoyExtensionPolicy", "/spec/targetRef", json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "eg"}), "either targetRef or targetRefs"),
        ("BackendTrafficPolicy", "/spec/mergeType", json!("StrategicMerge"), "mergeType can only be used with xRoute"),
        ("SecurityPolicy",       "/spec/authorization/rules", json!([{"action": "Allow"}]), "at least one of principal or cel"),
        ("Backend",              "/spec/endpoints", json!([{"fqdn": {"hostname": "a.example.com", "port": 1}, "ip": {"address": "10.0.0.1", "port": 1}}]), "fqdn, ip"),
        ("BackendTLSPolicy",     "/spec/validation/wellKnownCACertificates", json!("System"), "wellKnownCACertificates"),
        ("Gateway",              "/spec/listeners", json!([{"name": "a", "port": 1, "protocol": "HTTP", "tls": {"mode": "Terminate"}}]), "tls"),
    ];
    for (kind, place, value, want) in cases {
        let wrong = resources.iter().filter(|one| one["kind"] == kind);
        let (parent, name) = place.rsplit_once('/').expect("a place");
        let broken = wrong.map(|one| {
            let mut wrong = one.clone();
            wrong.pointer_mut(parent).unwrap_or_else(|| panic!("{kind}{parent}"))[name] = value.clone();
            rules::broken_rules(&schema_of(&crds, one), &wrong).join("\n")
        });
        let broken = broken.collect::<Vec<_>>().join("\n");
        assert!(broken.contains(want), "{kind}{place}: {broken}");
    }
}

#[test]
#[ignore = "needs egctl: make test-kubernetes"]
fn envoy_gateway_translates_what_is_written_for_it() {
    let egctl = tool("EGCTL", "egctl");
    let directory = generate(&["envoy-gateway"]);
    let whole = format!(
        "{}\n---\n{}\n---\n{}\n---\n{}",
        read(&directory.join("out/secret.yaml")),
        read(&directory.join("out/tls-secret.yaml")),
        read(&directory.join("out/provider-two-ca.yaml")),
        read(&directory.join("out/envoy-gateway.yaml"))
    );
    let file = directory.join("all.yaml");
    fs::write(&file, whole).expect("a file is written");
    let done = Command::new(egctl)
        .args([
            "experimental",
            "translate",
            "--from",
            "gateway-api",
            "--to",
            "gateway-api,xds",
            "--output",
            "json",
            "--file",
        ])
        .arg(&file)
        .output()
        .expect("egctl can be run");
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{printed}{}", String::from_utf8_lossy(&done.stderr));
    let translated: Value =
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));

    // Every resource is accepted, but for what needs the controller's own cache of modules.
    let mut refused = Vec::new();
    conditions(&translated, &mut |condition| {
        let excused = text(&condition["message"]).contains("wasm cache is not initialized");
        if condition["status"] != "True" && !excused {
            refused.push(condition.to_string());
        }
    });
    assert_eq!(refused, [""; 0]);

    // The clusters that the module's configuration names are there, and check whom they speak to.
    let policy = documents(&read(&file));
    let policy =
        policy.iter().find(|resource| resource["kind"] == "EnvoyExtensionPolicy").expect("the policy");
    let config = &policy["spec"]["wasm"][0]["config"];
    let mut clusters = Vec::new();
    find(&translated, &mut |value| {
        if value.get("loadAssignment").is_some() {
            clusters.push(value.clone());
        }
    });
    let cases = [
        ("/providers/one/introspection", "login.example.com"),
        ("/providers/two/introspection", "am.example.com"),
        ("/client_lists/partners", "lists.example.com"),
    ];
    for (place, host) in cases {
        let wanted = &config.pointer(place).expect(place)["cluster"];
        let cluster = clusters
            .iter()
            .find(|cluster| cluster["name"] == *wanted)
            .unwrap_or_else(|| panic!("no cluster {wanted}"));
        let all = cluster.to_string();
        assert!(all.contains(&format!("\"sni\":\"{host}\"")), "{all}");
        assert!(all.contains("matchTypedSubjectAltNames"), "{all}");
    }
    let all = translated.to_string();
    for part in [
        r#""pathWithEscapedSlashesAction":"REJECT_REQUEST""#,
        r#""headersWithUnderscoresAction":"REJECT_REQUEST""#,
        r#""normalizePath":true"#,
        r#""mergeSlashes":true"#,
        r#""stripTrailingHostDot":true"#,
        // The router compares hosts without ports, as the filter does.
        r#""ignorePortInHostMatching":true"#,
        // The Gateway listens with the certificate that was written.
        r#""tlsCertificateSdsSecretConfigs":[{"name":"shop/tollgate-tls""#,
        // Streams are not cut after 15 s, and end. Offline there is no module, and egctl closes each route with
        // 500: what is said of routes shows in the resources alone.
        r#""timeouts":{"request":"0s"}"#,
        r#""streamIdleTimeout":"5m""#,
        r#""maxStreamDuration":"3600s""#,
        r#""http2ProtocolOptions":{"#,
        r#""maxPendingRequests":8192"#,
    ] {
        assert!(all.contains(part), "{part} is not in {all}");
    }
}

/// Generates into a directory's `out`.
fn generate(target: &[&str]) -> PathBuf {
    let at = Operator::new();
    at.write("secret", "hush-secret\n");
    for file in ["ca.pem", "server.pem", "server-key.pem"] {
        fs::copy(root().join("tests/demo/tls").join(file), at.directory.join(file))
            .expect("a file is copied");
    }
    at.write("gateway.yaml", SHORT_FILE);
    at.run(&[&["generate"], target, &["gateway.yaml", "--out", "out"]].concat());
    at.directory
}

fn generated(target: &[&str], file: &str) -> Vec<Value> {
    documents(&read(&generate(target).join("out").join(file)))
}

/// What the published schema of a resource's kind says against it; nothing if all is well.
fn faults(crds: &[Value], resource: &Value) -> String {
    let mut schema = schema_of(crds, resource);
    for (member, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
        schema["properties"][member] = json!({"type": kind});
    }
    strict(&mut schema);
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("schema.json", schema).expect("a schema");
    let index = compiler.compile("schema.json", &mut schemas).expect("the schema compiles");
    schemas.validate(resource, index).err().map(|error| format!("{error:#}")).unwrap_or_default()
}

fn schema_of(crds: &[Value], resource: &Value) -> Value {
    let kind = text(&resource["kind"]);
    let (group, version) = text(&resource["apiVersion"]).split_once('/').expect("a group and a version");
    let of_kind = |crd: &&Value| crd["spec"]["names"]["kind"] == kind && crd["spec"]["group"] == group;
    let crd = crds.iter().find(of_kind).unwrap_or_else(|| panic!("no schema for {kind}"));
    let versions = crd["spec"]["versions"].as_array().expect("versions");
    let found = versions.iter().find(|known| known["name"] == version);
    found.unwrap_or_else(|| panic!("no {kind} of version {version}"))["schema"]["openAPIV3Schema"].clone()
}

/// Kubernetes drops fields that a schema does not know; here they are faults.
fn strict(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    let open = members.contains_key("additionalProperties")
        || members.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if members.contains_key("properties") && !open {
        members.insert("additionalProperties".to_owned(), json!(false));
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties.values_mut().for_each(strict);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(below) = members.get_mut(key) {
            strict(below);
        }
    }
}

fn conditions(value: &Value, see: &mut dyn FnMut(&Value)) {
    find(value, &mut |object| {
        for condition in object.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            see(condition);
        }
    });
}

/// Every object in a document.
fn find(value: &Value, see: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(members) => {
            see(value);
            members.values().for_each(|member| find(member, see));
        }
        Value::Array(items) => items.iter().for_each(|item| find(item, see)),
        _ => {}
    }
}

fn tool(variable: &str, name: &str) -> PathBuf {
    let default = || root().join("target/tools").join(name);
    let path = std::env::var_os(variable).map_or_else(default, PathBuf::from);
    assert!(path.is_file(), "there is no {}: run \"make test-kubernetes\"", path.display());
    path
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

const SHORT_FILE: &str = r#"
tls: {certificate: server.pem, key: server-key.pem}
providers:
  one: {issuer: "https://login.example.com/realms/main", preset: keycloak, client_id: gateway, client_secret_file: secret}
  two: {base_url: "https://am.example.com/openam/oauth2", preset: openam, client_id: gateway, client_secret_file: secret, ca_file: ca.pem}
apis:
  orders:
    hosts: [api.example.com]
    prefix: /orders
    upstream: http://orders.default.svc.cluster.local:8080
    provider: one
    scopes: [orders]
    client_list: partners
    rules:
    - {match: {path_template: "/orders/{id}", methods: [DELETE]}, requires: {scopes: ["orders:write"], claims: [{name: tenant, any_of: [1, "b"]}]}}
  rest: {hosts: ["*.example.com"], upstream: "https://rest.example.net", provider: two, scopes: [rest], rewrite_host: true}
  rpc: {hosts: [rpc.example.com], upstream: "http://rpc.default.svc.cluster.local:9000", provider: one, scopes: [rpc], grpc: true}
client_lists:
  partners: {uri: "https://lists.example.com/lists/partners", bearer_token_env: LISTS_TOKEN}
policy:
  cache: {ttl: 30s}
  upstream: {claim_to_headers: [{header_name: x-client-id, claim_name: client_id}]}
kubernetes: {namespace: shop, selector: {app: orders}, gateway: front}
"#;
