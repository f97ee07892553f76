//! Names that look like something else.

use super::{CLUSTERS, GOOD, RELOAD, envoy};
use crate::support::{Tollgate, indented};

const BEARER: &str = "{method: bearer, bearer_token_env: TG_SECRET}";

#[test]
fn a_name_with_dots_is_one_name() {
    let basic = GOOD.replace("  main:", "  a.b:");
    let bearer = basic.replace("{client_id: gateway, client_secret_env: TG_SECRET}", BEARER);
    let list = format!(
        "{GOOD}client_lists: {{a.b: {{uri: 'https://l.example.com', cluster: c, bearer_token_env: TG_SECRET}}}}\n"
    );
    #[rustfmt::skip]
    let cases = [
        ("a variable that is not set here",  "",    bearer.clone(), "no errors, no warnings in 1 configuration"),
        ("that of a list",                   "",    list.clone(),   "no errors, no warnings in 1 configuration"),
        ("a variable that is set, and odd",  "a b", bearer,         "x.yaml:8:55: error: providers[\"a.b\"].introspection.client_auth.bearer_token_env: expected an environment variable that holds"),
        ("that of a list, set and odd",      "a b", list,           "client_lists[\"a.b\"].bearer_token_env: expected an environment variable that holds"),
        ("a misspelt key below it",          "",    basic.replace("issuer", "isuer"), "x.yaml:3:5: error: providers[\"a.b\"].isuer: unknown key; did you mean \"issuer\"?"),
        ("a key that is missing below it",   "",    basic.replace("      cluster: login\n", ""), "x.yaml:5:5: error: providers[\"a.b\"].introspection.cluster: required, but missing"),
        ("advice about it",                  "",    basic.replace("    issuer: https://login.example.com\n", ""), "x.yaml:2:3: warning: providers[\"a.b\"]: no issuer:"),
        ("a key with a dot",                 "",    format!("{GOOD}cache.ttl: 5m\n"), "x.yaml:10:1: error: [\"cache.ttl\"]: unknown key"),
        ("a key with a bracket",             "",    format!("{GOOD}cache: {{'ttl[0]': 5m}}\n"), "x.yaml:10:9: error: cache[\"ttl[0]\"]: unknown key"),
        ("a key beyond what is shown of it", "",    format!("{GOOD}cache: {{{0}a: 1, {0}b: 2}}\n", "k".repeat(70)), "x.yaml:10:85: error: cache"),
    ];
    for (name, value, content, want) in cases {
        let tollgate =
            if value.is_empty() { Tollgate::new() } else { Tollgate::new().variable("TG_SECRET", value) };
        tollgate.write("x.yaml", content);
        let run = tollgate.run(["check", "x.yaml"]);
        assert!(
            run.stdout.lines().any(|line| line.starts_with(want) || line.contains(want)),
            "{name}: {run:?}"
        );
    }
    let fapi = Tollgate::new();
    fapi.write("x.yaml", basic);
    let run = fapi.run(["check", "--profile", "fapi2", "x.yaml"]);
    assert!(
        run.stdout
            .contains("x.yaml:8:7: error: providers[\"a.b\"].introspection.client_auth.method: FAPI 2.0"),
        "{run:?}"
    );
}

#[test]
fn free_names_are_neither_variables_nor_clusters() {
    let at = Tollgate::new();
    for more in [
        "      parameters: {target_env: staging, cluster: blue}\n",
        "      headers: {cluster: blue, x_env: staging}\n",
        "      parameters: {fallback_clusters: blue}\n",
        "    implied_scopes: {cluster: [a], x_env: [a]}\n",
    ] {
        at.write("x.yaml", envoy(RELOAD, &GOOD.replace("requires:", &format!("{more}requires:")), CLUSTERS));
        let run = at.run(["check", "x.yaml"]);
        assert!(run.stdout.starts_with("no errors") || run.stdout.contains("\nno errors"), "{more}: {run:?}");
    }
    // A list's server and its token are named like a provider's.
    let list = format!(
        "{GOOD}client_lists: {{l: {{uri: 'https://l.example.com', cluster: lists, bearer_token_env: L}}}}\n"
    );
    at.write("x.yaml", envoy(RELOAD, &list, CLUSTERS));
    let run = at.run(["check", "x.yaml"]);
    for want in ["does not get the variable L", "no cluster \"lists\""] {
        assert!(run.stdout.contains(want), "{run:?}");
    }
}

#[test]
fn bodies_cannot_be_read_in_a_cluster() {
    let text = format!("{GOOD}token: {{from_form: true}}\n");
    let indented = indented(&text, 6);
    let plugin = format!(
        "kind: WasmPlugin\nspec:\n  url: oci://r.example.com/tollgate@sha256:00\n  vmConfig: {{env: [{{name: TG_SECRET, valueFrom: HOST}}]}}\n  pluginConfig:\n{indented}"
    );
    let policy =
        format!("kind: EnvoyExtensionPolicy\nspec:\n  wasm:\n  - name: tollgate\n    config:\n{indented}");
    let events = "revocation: {events: [{path: /e, audiences: [a]}]}";
    for (text, key) in [
        (&plugin, "token.from_form"),
        (&policy, "token.from_form"),
        (&plugin.replace("token: {from_form: true}", events), "revocation.events"),
        (&plugin.replace("from_form: true", "from_form: false"), ""),
    ] {
        let at = Tollgate::new();
        at.write("x.yaml", text);
        let run = at.run(["check", "x.yaml"]);
        let said = ["token.from_form", "revocation.events"].into_iter().find(|key| {
            run.stdout.contains(&format!("warning: {key}: neither Istio's TrafficExtension and WasmPlugin nor an EnvoyExtensionPolicy can set"))
        });
        assert_eq!(said.unwrap_or_default(), key, "{run:?}");
    }
}
