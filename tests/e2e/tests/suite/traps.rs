//! What Envoy logs when a module traps, and what the list beside the module makes of it.

use std::fs;

use serde_json::{Value, json};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::Envoy;
use tollgate_e2e::scratch;
use tollgate_finish::{Finished, explain, finish};

#[test]
fn the_log_says_where_a_module_has_trapped() {
    // PWX-03: nobody can make the filter trap, so a smaller module goes through the same step of `make build`.
    let directory = scratch();
    let file = directory.join("trapping.wasm");
    let Finished { module, places, .. } = finish(&wat::parse_str(TRAPPING).expect("text")).expect("a filter");
    fs::write(&file, module).expect("a file");
    let configuration = directory.join("envoy.json");
    fs::write(&configuration, envoy(file.to_str().expect("a name")).to_string()).expect("a file");

    let envoy = Envoy::with_file(&configuration, &[]);
    let response = Request::get("/any").send(envoy.port("trapping"));
    assert_eq!(response.status(), 503, "a request that makes the module trap does not pass");

    envoy.wait_for_log(0, "Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable");
    envoy.wait_for_log(0, "in-VM backtrace");
    let trap = places.lines().find(|line| line.contains(" trap ")).expect("one trap");
    let (offset, _) = trap.split_once(' ').expect("an offset");
    envoy.wait_for_log(0, &format!("0:  {offset} - "));
    let log = explain(&envoy.log(), &places);
    let frames: Vec<_> = log.lines().filter(|line| line.contains(" - unknown(function index:")).collect();
    assert_eq!(frames.len(), 2, "{log}");
}

fn envoy(file: &str) -> Value {
    let of = |kind: &str| format!("type.googleapis.com/envoy.extensions.filters.{kind}");
    let filters = json!([
        {"name": "trapping", "typed_config": {"@type": of("http.wasm.v3.Wasm"), "config": {"vm_config": {
            "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}}}}}},
        {"name": "router", "typed_config": {"@type": of("http.router.v3.Router")}},
    ]);
    let routes = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]);
    let manager = json!({
        "@type": of("network.http_connection_manager.v3.HttpConnectionManager"), "stat_prefix": "trapping",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    });
    let any_port = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    json!({
        "admin": {"address": any_port},
        "static_resources": {"listeners": [{"name": "trapping", "address": any_port,
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}]},
    })
}

/// A filter that panics in every request, as the compiler writes it.
const TRAPPING: &str = r#"
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "tollgate_initialize") (drop (call $log (i32.const 0) (i32.const 0) (i32.const 0))))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "tollgate_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "tollgate_on_configure") (param i32 i32) (result i32) (i32.const 1))
    (func (export "tollgate_on_context_create") (param i32 i32))
    (func (export "tollgate_on_request_headers") (param i32 i32 i32) (result i32)
        (call $judge (local.get 1)) (i32.const 0))
    (func $judge (param i32) (block (br_if 0 (i32.eqz (local.get 0))) (call $panic (i32.const 8)) unreachable))
    (func $panic (param i32))
"#;
