//! `tollgate check --openapi`: rules for certain hosts.

use serde_json::{Value, json};

use crate::support::Tollgate;

const UNKNOWN: &str = "the rules are for certain hosts, and the document names no host";

/// The differences, and nothing else.
fn differences(rules: &Value, servers: &str, more: &[&str]) -> Vec<String> {
    let tollgate = Tollgate::new();
    let configuration = json!({
        "providers": {"as": {"issuer": "https://as.example.com", "audiences": ["a"], "introspection": {
            "uri": "https://as.example.com/introspect", "cluster": "as",
            "client_auth": {"client_id": "x", "client_secret_env": "SECRET"},
        }}},
        "requires": {"scopes": ["general"]},
        "rules": rules,
    });
    tollgate.write("tollgate.json", configuration.to_string());
    let document = format!(
        "openapi: 3.1.0\ninfo: {{title: T, version: '1'}}\n{servers}components: {{securitySchemes: {{o: {{type: oauth2}}}}}}\nsecurity: [{{o: [read]}}]\npaths: {{/a: {{get: {{}}}}}}\n"
    );
    tollgate.write("api.yaml", document);
    let run = tollgate.run([&["check", "--json", "--openapi", "api.yaml", "tollgate.json"], more].concat());
    let document = run.json();
    let findings = document["files"][0]["findings"].as_array().unwrap();
    let faults = findings.iter().filter(|finding| finding["severity"] == "fault");
    faults.map(|fault| fault["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hosts_count() {
    let read = |hosts: &[&str]| json!({"name": "read", "match": {"path": "/a", "hosts": hosts}, "requires": {"scopes": ["read"]}});
    let open = |hosts: &[&str]| json!({"name": "open", "match": {"prefix": "/", "hosts": hosts}, "access": "anonymous"});
    let anywhere = json!({"name": "read", "match": {"path": "/a"}, "requires": {"scopes": ["read"]}});
    let one = "servers: [{url: https://api.example.com}]\n";
    let two = "servers: [{url: https://api.example.com}, {url: https://eu.example.com}]\n";
    let below = "servers: [{url: https://api.example.com/v1}]\n";
    let stages =
        "servers: [{url: 'https://{s}.example.com', variables: {s: {default: api, enum: [api, eu]}}}]\n";
    #[rustfmt::skip]
    let cases: [(&str, Value, &str, &[&str], &[&str]); 15] = [
        ("its own rule",               json!([read(&["api.example.com"])]), one, &[], &[]),
        ("another host's rule is no help", json!([read(&["other.example.com"])]), one, &[],
         &["GET api.example.com/a: the document requires a token with \"read\"; no rule is for it, and the rest requires a token with \"general\""]),
        ("another API beside it",      json!([open(&["other.example.com"]), read(&["api.example.com"])]), one, &[], &[]),
        ("its host is open",           json!([open(&["api.example.com"]), read(&["other.example.com"])]), one, &[],
         &["GET api.example.com/a: the document requires a token with \"read\"; the rule open requires nothing"]),
        ("a pattern",                  json!([read(&["*.example.com"])]), one, &[], &[]),
        ("a pattern that is no help",  json!([read(&["*.api.example.com"])]), one, &[], &["GET api.example.com/a: the document requires"]),
        ("one of two hosts is left open", json!([read(&["api.example.com"])]), two, &[], &["GET eu.example.com/a: the document requires"]),
        ("the operator knows better",  json!([read(&["api.example.com"])]), two, &["--openapi-host", "api.example.com"], &[]),
        ("each value of a variable",   json!([read(&["api.example.com"])]), stages, &[], &["GET eu.example.com/a: the document requires"]),
        ("below a base path",          json!([{"match": {"path": "/v1/a", "hosts": ["api.example.com"]}, "requires": {"scopes": ["read"]}}]), below, &[], &[]),
        ("letter case",                json!([read(&["api.example.com"])]), "servers: [{url: https://API.example.com}]\n", &[], &[]),
        ("an unknown host",            json!([read(&["api.example.com"])]), "servers: [{url: /}]\n", &[], &[UNKNOWN]),
        ("no servers",                 json!([read(&["api.example.com"])]), "", &[], &[UNKNOWN]),
        ("an unknown host is named",   json!([read(&["api.example.com"])]), "", &["--openapi-host", "api.example.com"], &[]),
        ("rules for every host",       json!([anywhere]), "", &[], &[]),
    ];
    for (name, rules, servers, more, wants) in cases {
        let found = differences(&rules, servers, more);
        assert_eq!(found.is_empty(), wants.is_empty(), "{name}: {found:?}");
        for want in wants {
            assert!(found.iter().any(|found| found.starts_with(want)), "{name}: {want}: {found:?}");
        }
    }
}
