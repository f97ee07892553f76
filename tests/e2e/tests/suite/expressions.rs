//! What Envoy's own regular expressions mean: `safe_regex` in a rule is to mean the same.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::{Envoy, Launch};
use tollgate_e2e::{root, scratch};

#[test]
fn expressions_mean_what_they_mean_to_envoy() {
    // PTH-17: the engine's tests read the same file.
    let (accepted, refused): (Vec<_>, Vec<_>) =
        cases().into_iter().partition(|case| case["is_refused_by"].is_null());
    let directory = scratch();
    let routes: Vec<_> =
        (0..).zip(&accepted).map(|(number, case)| route(number, &case["expression"])).collect();
    let file = write(&directory, "accepted.json", &routes);
    let envoy = Launch::default().start(directory, &file).unwrap_or_else(|failure| panic!("{failure}"));
    let port = envoy.port("expressions");
    for (number, case) in accepted.iter().enumerate() {
        for (texts, status) in [("matches", 204), ("others", 404)] {
            for text in case[texts].as_array().expect("texts") {
                let request = Request::get("/").header("x-expression", &number.to_string());
                let text = text.as_str().expect("a text");
                let response = request.header("x-text", text).send(port);
                assert_eq!(response.status(), status, "{} {text:?}", case["expression"]);
            }
        }
    }
    for case in refused.iter().filter(|case| case["is_refused_by"] == "RE2") {
        let file = write(&scratch(), "refused.json", &[route(0, &case["expression"])]);
        assert_ne!(Envoy::faults_of(&file, &[]), "", "{}", case["expression"]);
    }
}

fn cases() -> Vec<Value> {
    let text = fs::read_to_string(root().join("tests/regular-expressions.json")).expect("the cases");
    serde_json::from_str(&text).expect("JSON")
}

/// Answers 204 if the field `x-text` matches.
fn route(number: usize, expression: &Value) -> Value {
    json!({
        "match": {"prefix": "/", "headers": [
            {"name": "x-expression", "string_match": {"exact": number.to_string()}},
            {"name": "x-text", "string_match": {"safe_regex": {"regex": expression}}},
        ]},
        "direct_response": {"status": 204},
    })
}

fn write(directory: &Path, name: &str, routes: &[Value]) -> PathBuf {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "expressions",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{
            "name": "router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
    });
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    let listener = json!({
        "name": "expressions",
        "address": address,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    });
    // By default Envoy refuses larger ones, whatever they mean.
    let larger = json!({"name": "larger", "static_layer": {"re2.max_program_size.error_level": 100_000}});
    let bootstrap = json!({
        "admin": {"address": address},
        "layered_runtime": {"layers": [larger]},
        "static_resources": {"listeners": [listener]},
    });
    let file = directory.join(name);
    fs::write(&file, bootstrap.to_string()).expect("a configuration is written");
    file
}
