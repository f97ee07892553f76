//! What Istio makes of the resources that `tollgate generate istio` writes, in a real Envoy.
//!
//! The shape is Istio's own (pilot/pkg/model/extensions.go and its tests): the listener names a filter whose configuration comes by
//! ECDS, the plugin's configuration is JSON in a `StringValue`, there is no `root_id`, and the listener waits for the filter. Istio's
//! agent fetches the module and puts a file in its place.

use std::fs;

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::{Envoy, module};
use tollgate_e2e::operator::Operator;
use tollgate_e2e::upstream::Upstream;
use tollgate_e2e::world::merge;

#[test]
fn what_istio_makes_of_the_resources_guards_the_workload() {
    for api in ["trafficextension", "wasmplugin"] {
        for workload in ["sidecar", "gateway", "waypoint"] {
            guards(api, workload);
        }
    }
}

fn guards(api: &str, workload: &str) {
    let name = format!("{api}, {workload}");
    let at = Operator::new();
    let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", &SHORT_FILE.replace("@workload@", workload));
    at.run(&["generate", "istio", "gateway.yaml", "--out", "out", "--api", api]);
    at.run(&["check", "out/istio.yaml"]);
    let resources: Vec<Value> = serde_saphyr::from_multiple(&at.read("out/istio.yaml")).expect("YAML");
    let spec = &resources[0]["spec"];
    let plugin = if api == "wasmplugin" { spec } else { &spec["wasm"] };

    fs::write(at.directory.join("ecds.json"), ecds(plugin).to_string()).expect("a file is written");
    let mut manager = manager(&at);
    let patch = &resources[1]["spec"]["configPatches"][0]["patch"];
    assert_eq!(patch["operation"], "MERGE", "{name}");
    merge(&mut manager, patch["value"]["typed_config"].clone());
    // What the module calls is the cluster that Istio makes of the ServiceEntry.
    let entry = resources.iter().find(|resource| resource["kind"] == "ServiceEntry").expect("a ServiceEntry");
    let of_istio = format!(
        "outbound|{}||{}",
        entry["spec"]["ports"][0]["number"],
        entry["spec"]["hosts"][0].as_str().unwrap_or_default()
    );
    let filter_names = &resources[1]["metadata"]["annotations"]["envoyfilter.istio.io/referenced-services"];
    assert_eq!(filter_names, &entry["spec"]["hosts"][0], "{name}");
    let bootstrap = json!({
        "node": {"id": "sidecar", "cluster": "orders.shop"},
        "admin": {"address": address(0)},
        "static_resources": {
            "listeners": [{"name": "virtualInbound", "address": address(0), "filter_chains": [
                {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]},
            ]}],
            "clusters": [cluster(&of_istio, server.port()), cluster("inbound|8080||", upstream.port())],
        },
    });
    at.write("envoy.json", &bootstrap.to_string());

    let envoy =
        Envoy::with_file(&at.directory.join("envoy.json"), &[("TOLLGATE_MAIN_SECRET", "hush-secret")]);
    let port = envoy.port("virtualInbound");
    server.on("good", [Behaviour::active("orders")]);
    server.on("small", [Behaviour::active("other")]);
    for (token, status) in [("good", 200), ("small", 403), ("garbage", 401)] {
        assert_eq!(Request::get("/orders").bearer(token).send(port).status(), status, "{name}: {token}");
    }
    assert_eq!(Request::get("/orders").send(port).status(), 401, "{name}");
    // The EnvoyFilter.
    assert_eq!(Request::get("/a%2fb").bearer("good").send(port).status(), 400, "{name}");
    let underscore = Request::get("/orders").header("x_client_id", "admin").bearer("good");
    assert_eq!(underscore.send(port).status(), 400, "{name}");
    envoy.wait_for_log(0, r#""verdict":"insufficient_scope""#);
    assert_eq!(upstream.take().len(), 1, "{name}");
    assert_eq!(server.take()[0].all("authorization"), ["Basic Z2F0ZXdheTpodXNoLXNlY3JldA=="], "{name}");
    envoy.assert_clean_log(&["hush"]);
}

/// What Istio sends for the plugin, and its agent hands on.
fn ecds(plugin: &Value) -> Value {
    let variables = plugin["vmConfig"]["env"].as_array().cloned().unwrap_or_default();
    let of_host: Vec<_> = variables.iter().map(|variable| variable["name"].clone()).collect();
    json!({"version_info": "1", "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "shop.tollgate",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "shop.tollgate",
                "failure_policy": plugin["failStrategy"],
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": plugin["pluginConfig"].to_string(),
                },
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": module()}},
                    "environment_variables": {
                        "host_env_keys": of_host,
                        "key_values": {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1"},
                    },
                },
            },
        },
    }]})
}

/// The connection manager of a proxy, with what Istio itself sets.
fn manager(at: &Operator) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inbound_0.0.0.0_8080;",
        "normalize_path": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "use_remote_address": false,
        "forward_client_cert_details": "APPEND_FORWARD",
        "http_filters": [
            {
                "name": "shop.tollgate",
                "config_discovery": {
                    "config_source": {
                        "path_config_source": {"path": at.directory.join("ecds.json")},
                        "resource_api_version": "V3",
                        "initial_fetch_timeout": "0s",
                    },
                    "type_urls": [
                        "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                        "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                    ],
                },
            },
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            }},
        ],
        "route_config": {"name": "inbound|8080||", "virtual_hosts": [{
            "name": "inbound|http|8080",
            "domains": ["*"],
            "routes": [{"name": "default", "match": {"prefix": "/"}, "route": {"cluster": "inbound|8080||", "timeout": "0s"}}],
        }]},
    })
}

fn cluster(name: &str, port: u16) -> Value {
    json!({"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
    }})
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

const SHORT_FILE: &str = r#"
providers:
  main: {introspection_endpoint: "http://login.example.com/introspect", client_id: gateway, client_secret_file: secret, allow_http: true}
apis:
  orders: {upstream: "http://orders.shop.svc.cluster.local:8080", scopes: [orders]}
kubernetes: {namespace: shop, selector: {app: orders}, workload: @workload@, service: orders}
"#;
