//! Facts about the file itself.

use std::path::Path;
use std::{env, fs};

use serde_json::json;
use tollgate_host::{Vm, built, exports, imports, places};

use crate::config;

#[test]
fn the_module_imports_only_what_envoy_has() {
    // PWX-19
    for import in imports() {
        let known: &[&str] = match import.module.as_str() {
            "env" => &PROXY,
            "wasi_snapshot_preview1" => &WASI,
            _ => &[],
        };
        let name = import.name.as_str();
        assert!(known.contains(&name), "{}.{name} is not among what Envoy has", import.module);
        assert!(!name.contains("__wbindgen"), "{name} is for browsers");
    }
}

#[test]
fn the_module_exports_what_is_needed_and_nothing_that_costs_an_entry_besides() {
    let mut exports = exports();
    exports.sort();
    let wanted = [
        "_initialize",
        "memory",
        "proxy_abi_version_0_2_1",
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_http_call_response",
        "proxy_on_memory_allocate",
        "proxy_on_request_body",
        "proxy_on_request_headers",
        "proxy_on_request_trailers",
        "proxy_on_response_headers",
        "proxy_on_tick",
        "proxy_on_vm_start",
    ];
    assert_eq!(exports, wanted);
}

#[test]
fn the_list_of_capabilities_is_what_the_module_calls_and_what_the_host_calls_in_it() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/filter/capabilities");
    let listed = fs::read_to_string(&file).unwrap();
    // These are not restricted.
    let always = ["_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];
    let callbacks = exports().into_iter().filter(|name| !always.contains(&name.as_str()));
    let mut wanted: Vec<_> = imports().into_iter().map(|import| import.name).chain(callbacks).collect();
    wanted.sort();
    let wanted = wanted.join("\n") + "\n";
    if env::var_os("TOLLGATE_BLESS").is_some() {
        fs::write(&file, &wanted).unwrap();
        return;
    }
    assert_eq!(listed, wanted, "TOLLGATE_BLESS=1 writes the list; then generate the examples' lists anew");
}

#[test]
fn every_trap_has_its_place_beside_the_module() {
    let module = built();
    let places = places();
    let traps: Vec<_> = places.lines().filter_map(|line| line.split_once(" trap ")).collect();
    assert!(traps.iter().any(|(_, place)| place.starts_with("src/") && place.contains(".rs:")));
    for (offset, place) in traps {
        let at = usize::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap();
        assert_eq!(module.get(at), Some(&0), "`unreachable`: {place}");
        assert!(!place.contains("/registry/"), "{place}");
    }
}

#[test]
fn a_module_that_is_not_finished_refuses_every_configuration_and_says_why() {
    for configuration in [config(&json!({})), b"{}".to_vec(), Vec::new()] {
        let mut vm = Vm::unfinished();
        assert!(!vm.configure(&configuration));
        let [line] = vm.log() else { panic!("{:?}", vm.log()) };
        assert_eq!(line.text, "tollgate: this module is unfinished; use what `make build` makes of it");
    }
}

/// The proxy-wasm calls of Envoy's host, for ABI 0.2.1.
#[rustfmt::skip]
const PROXY: [&str; 39] = [
    "proxy_log", "proxy_get_log_level", "proxy_get_current_time_nanoseconds", "proxy_set_tick_period_milliseconds",
    "proxy_get_status", "proxy_set_property", "proxy_get_property", "proxy_send_local_response", "proxy_done",
    "proxy_get_shared_data", "proxy_set_shared_data", "proxy_register_shared_queue", "proxy_resolve_shared_queue",
    "proxy_dequeue_shared_queue", "proxy_enqueue_shared_queue",
    "proxy_get_header_map_value", "proxy_add_header_map_value", "proxy_replace_header_map_value",
    "proxy_remove_header_map_value", "proxy_get_header_map_pairs", "proxy_set_header_map_pairs",
    "proxy_get_header_map_size", "proxy_get_buffer_status", "proxy_get_buffer_bytes", "proxy_set_buffer_bytes",
    "proxy_http_call", "proxy_grpc_call", "proxy_grpc_stream", "proxy_grpc_close", "proxy_grpc_cancel", "proxy_grpc_send",
    "proxy_define_metric", "proxy_increment_metric", "proxy_record_metric", "proxy_get_metric",
    "proxy_set_effective_context", "proxy_call_foreign_function", "proxy_continue_stream", "proxy_close_stream",
];

/// The WASI calls that Envoy has implemented for years; younger Envoys have more.
const WASI: [&str; 20] = [
    "fd_write",
    "fd_read",
    "fd_seek",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_filestat_get",
    "fd_prestat_get",
    "fd_prestat_dir_name",
    "path_open",
    "path_filestat_get",
    "environ_get",
    "environ_sizes_get",
    "args_get",
    "args_sizes_get",
    "clock_time_get",
    "random_get",
    "sched_yield",
    "poll_oneoff",
    "proc_exit",
];
