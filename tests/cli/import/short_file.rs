//! What `import openapi` prints, as the rules of APIs in the short file.

use serde_json::{Value, json};

use super::imported;
use crate::support::Tollgate;

/// A short file whose APIs are these.
fn short_file(apis: &Value) -> String {
    json!({
        "providers": {"main": {"introspection_endpoint": "https://login.example.com/ask", "client_id": "g", "client_secret_file": "secret"}},
        "apis": apis,
    })
    .to_string()
}

fn document(path: &str, operation: &str) -> String {
    format!(
        "openapi: 3.0.0\ninfo: {{title: T, version: '1'}}\ncomponents: {{securitySchemes: {{o: {{type: oauth2}}}}}}\npaths: {{{path}: {{get: {{operationId: {operation}, security: [{{o: [{operation}]}}]}}}}}}\n"
    )
}

fn names(generated: &str) -> Vec<String> {
    let envoy: Value = serde_saphyr::from_str(generated).unwrap();
    let text = envoy.to_string();
    let (_, rules) = text.split_once("\"rules\":").unwrap();
    let rules: Value = serde_json::Deserializer::from_str(rules).into_iter().next().unwrap().unwrap();
    rules.as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn imports_of_several_apis_stand_side_by_side() {
    let at = Tollgate::new();
    at.write("secret", "hush\n");
    at.write("orders.yaml", document("/orders/list", "list"));
    at.write("users.yaml", document("/users/list", "list"));
    let rules = |file: &str| imported(&at, &["openapi", file]).0["rules"].clone();
    let apis = json!({
        "orders": {"upstream": "http://a:1", "prefix": "/orders", "rules": rules("orders.yaml")},
        "users": {"upstream": "http://b:1", "prefix": "/users", "rules": rules("users.yaml")},
    });
    at.write("gateway.yaml", short_file(&apis));
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(
        names(&run.stdout),
        ["orders: list", "orders: unlisted", "users: list", "users: unlisted", "elsewhere"]
    );
    assert!(!run.stderr.contains("no scopes"), "rules that end in deny let nobody pass: {run:?}");
    at.write("envoy.yaml", &run.stdout);
    let check = at.run(["check", "envoy.yaml"]);
    assert!(!check.stdout.contains("never"), "{check:?}");
    // The same, by host.
    at.write("a.yaml", document("/list", "elsewhere"));
    at.write("b.yaml", document("/list", "b"));
    let apis = json!({
        "a": {"upstream": "http://a:1", "hosts": ["a.example.com"], "rules": rules("a.yaml")},
        "b": {"upstream": "http://b:1", "hosts": ["b.example.com"], "rules": rules("b.yaml")},
    });
    at.write("gateway.yaml", short_file(&apis));
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(names(&run.stdout), ["a: elsewhere", "a: unlisted", "b", "b: unlisted", "apis: elsewhere"]);
    at.write("envoy.yaml", &run.stdout);
    for (api, host) in [("a.yaml", "a.example.com"), ("b.yaml", "b.example.com")] {
        let check = at.run(["check", "envoy.yaml", "--openapi", api, "--openapi-host", host]);
        assert_eq!(check.status, 0, "{check:?}");
    }
    // An API whose rules leave something over, and nothing is said of that.
    let open = json!({"a": {"upstream": "http://a:1", "rules": [{"name": "a", "match": {"path": "/x"}, "access": "deny"}]}});
    at.write("gateway.yaml", short_file(&open));
    let run = at.run(["generate", "envoy", "gateway.yaml"]);
    assert!(run.stderr.contains("apis.a requires no scopes, so every valid token is accepted"), "{run:?}");
    assert_eq!(names(&run.stdout), ["a: a", "a: a 2"]);
}

#[test]
fn places_are_those_of_the_short_file() {
    let at = Tollgate::new();
    at.write("secret", "hush\n");
    let api =
        |rules: Value| json!({"upstream": "http://a:1", "prefix": "/a", "scopes": ["s"], "rules": rules});
    #[rustfmt::skip]
    let cases = [
        ("a name twice", json!([{"name": "x", "match": {"path": "/a/1"}}, {"name": "x", "match": {"path": "/a/2"}}]), "apis.z.rules[1].name: apis.z.rules[0] has the same name"),
        ("a method twice", json!([{"match": {"path": "/a/1", "methods": ["GET", "GET"]}}]), "apis.z.rules[0].match.methods[1]: the same as apis.z.rules[0].match.methods[0]"),
        ("two that contradict each other", json!([{"match": {"path": "/a/1"}, "access": "deny", "requires": {"scopes": ["a"]}}]), "apis.z.rules[0].requires: contradicts apis.z.rules[0].access"),
    ];
    for (name, rules, want) in cases {
        // The other comes first in the filter's configuration, for its prefix is longer.
        let other = json!({"upstream": "http://b:1", "prefix": "/a/longer", "scopes": ["s"], "rules": [{"match": {"path": "/a/longer/x"}}]});
        at.write("gateway.yaml", short_file(&json!({"other": other, "z": api(rules)})));
        let run = at.run(["generate", "envoy", "gateway.yaml"]);
        assert!(run.status == 2 && run.stderr.contains(want), "{name}: {run:?}");
    }
}
