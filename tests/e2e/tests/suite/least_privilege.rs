//! An Envoy that allows the module less than it needs. All other tests run with exactly what it needs.

use serde_json::json;
use tollgate_e2e::client::Request;
use tollgate_e2e::stage::Stage;
use tollgate_e2e::world::World;

#[test]
fn with_a_host_call_less_nothing_passes_or_envoy_does_not_start() {
    #[rustfmt::skip]
    let cases = [
        ("proxy_get_header_map_pairs",         Some(401)),
        ("proxy_http_call",                    Some(503)),
        ("proxy_get_current_time_nanoseconds", Some(503)),
        ("proxy_on_context_create",            Some(503)),
        ("proxy_get_buffer_bytes",             None),
        ("proxy_define_metric",                None),
        ("random_get",                         None),
    ];
    for (name, status) in cases {
        let stage = Stage { forbidden: Some(name), ..Stage::new().policy("it", json!({})) };
        let Some(status) = status else {
            let mut stage = stage.cluster("as", 0).cluster("upstream", 0);
            stage.fixed = true;
            let log = stage.try_start().expect_err(name);
            assert!(log.contains("Attempted call to restricted"), "{name}: {log}");
            continue;
        };
        let world = World::start(stage);
        for _ in 0..2 {
            let response = Request::get("/").bearer("good").send(world.port("it"));
            assert_eq!(response.status(), status, "{name}: {response:?}");
        }
        assert!(world.upstream.take().is_empty(), "{name}");
    }
}
