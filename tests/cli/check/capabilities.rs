//! What Envoy allows the module.

use super::{CLUSTERS, GOOD, RELOAD, envoy};
use crate::support::Tollgate;

#[test]
fn a_list_that_lacks_what_the_module_needs_is_an_error() {
    let tollgate = Tollgate::new();
    let all: Vec<_> = include_str!("../../../src/filter/capabilities").lines().collect();
    let with = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| format!("{name}: {{}}")).collect();
        let list = format!(
            "                capability_restriction_config: {{allowed_capabilities: {{{}}}}}\n",
            names.join(", ")
        );
        envoy(&format!("{RELOAD}{list}"), GOOD, CLUSTERS)
    };
    let without = |name: &str| all.iter().copied().filter(|one| *one != name).collect::<Vec<_>>();
    #[rustfmt::skip]
    let cases = [
        ("all of it",             with(&all),                                  0, ""),
        ("more",                  with(&[&all[..], &["proxy_done"]].concat()), 0, ""),
        ("an empty list is none", with(&[]),                                   0, ""),
        ("no request is judged",  with(&without("proxy_on_request_headers")),  1, "error: allowed_capabilities lacks proxy_on_request_headers: without proxy_on_request_headers, every request passes"),
        ("spoofed fields stay",   with(&without("proxy_remove_header_map_value")), 1, "allowed_capabilities lacks proxy_remove_header_map_value: the module does not work"),
    ];
    for (name, file, status, want) in cases {
        tollgate.write("envoy.yaml", file);
        let run = tollgate.run(["check", "envoy.yaml"]);
        assert_eq!(run.status, status, "{name}: {run:?}");
        assert!(run.stdout.contains(want), "{name}: {run:?}");
    }
    // Envoy 1.40 has it in vm_config.
    let newer = with(&without("proxy_log"));
    let list = newer.lines().find(|line| line.contains("capability_restriction_config")).expect("the list");
    let inner = format!("vm_config: {{{}, ", list.trim());
    tollgate.write("envoy.yaml", newer.replace(list, "").replace("vm_config: {", &inner));
    let run = tollgate.run(["check", "--envoy-version", "1.39", "envoy.yaml"]);
    assert!(run.stdout.contains("allowed_capabilities lacks proxy_log"), "{run:?}");
    assert!(run.stdout.contains("capability_restriction_config in vm_config: needs Envoy 1.40"), "{run:?}");
    for name in &all {
        tollgate.write("envoy.yaml", with(&without(name)));
        assert_eq!(tollgate.run(["check", "envoy.yaml"]).status, 1, "{name}");
    }
}
