//! `tollgate check --envoy-version`.

use super::{CLUSTERS, GOOD, RELOAD, envoy};
use crate::support::Tollgate;

#[test]
fn what_a_version_of_envoy_lacks_is_told() {
    let tollgate = Tollgate::new();
    let form = format!("{GOOD}token: {{from_form: true}}\n");
    let secret = "client_auth: {client_id: gateway, client_secret_env: TG_SECRET}";
    let signed = |algorithm: &str| {
        let auth = format!(
            "client_auth: {{method: private_key_jwt, client_id: gateway, private_key_env: TG_KEY, algorithm: {algorithm}}}"
        );
        GOOD.replace(secret, &auth)
    };
    let plugin = format!("{RELOAD}                allow_on_headers_stop_iteration: true\n");
    let by_value = envoy(&plugin, GOOD, CLUSTERS)
        .replace("host_env_keys: [TG_SECRET]", "key_values: {TG_SECRET: x, OTHER: y}");
    #[rustfmt::skip]
    let cases = [
        ("nothing special",          "1.36",   GOOD.to_owned(),   None),
        ("older than what is tested", "1.35.9", GOOD.to_owned(),   Some("1:1: warning: Tollgate is not tested with Envoy 1.35; the oldest tested version is 1.36")),
        ("it cannot sign",           "1.36.2", signed("RS256"),   Some("8:102: warning: assertions with algorithm: RS256 or ES256: needs Envoy 1.37 or later; in Envoy 1.36, Envoy cannot sign")),
        ("nor this",                 "1.36",   signed("ES256"),   Some("needs Envoy 1.37")),
        ("it can",                   "v1.37",  signed("RS256"),   None),
        ("the module signs",         "1.36",   signed("PS256"),   None),
        ("a form",                   "1.39.0", form.clone(),      Some("10:20: warning: token.from_form: needs Envoy 1.40")),
        ("a form that arrives",      "1.40",   form,              None),
        ("a value",                  "1.38",   by_value.clone(),  Some("changed values in key_values: needs Envoy 1.39")),
        ("a value that counts",      "1.39",   by_value,          None),
    ];
    for (name, version, configuration, want) in cases {
        tollgate.write("it.yaml", configuration);
        let run = tollgate.run(["check", "--envoy-version", version, "it.yaml"]);
        let told: Vec<_> = run.stdout.lines().filter(|line| line.contains("Envoy 1.")).collect();
        assert_eq!(told.len(), usize::from(want.is_some()), "{name}: {run:?}");
        assert!(run.stdout.contains(want.unwrap_or_default()), "{name}: {run:?}");
    }
    let run = tollgate.run(["check", "--envoy-version", "new", "it.yaml"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.stderr.contains("expected a version of Envoy, for example 1.40"), "{run:?}");
}
