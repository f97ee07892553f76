//! Client lists, and environments.

use serde_json::json;

use super::servers::but;
use super::{client, register, says, store, stored};
use crate::support::Tollgate;

#[test]
fn a_list_says_who_may_call() {
    let (server, tollgate) = (but(json!({})), Tollgate::new());
    register(&tollgate, &server, &[]);
    says("nothing yet", &client(&tollgate, "lists"), 0, &["no client lists in the environment \"default\""]);
    says(
        "nothing to export",
        &client(&tollgate, "export"),
        2,
        &["there are no client lists", "tollgate client allow"],
    );
    says(
        "a registered client",
        &client(&tollgate, "allow partners gateway --tier gold"),
        0,
        &["gateway is on the list partners, tier gold"],
    );
    says(
        "one from elsewhere",
        &client(&tollgate, "allow partners 0oa:1 --id --name Shop"),
        0,
        &["0oa:1 is on the list"],
    );
    says(
        "a mistyped one",
        &client(&tollgate, "allow partners gatewya"),
        2,
        &["Did you mean \"gateway\"?", "give its id and --id"],
    );
    says(
        "a list that is a path",
        &client(&tollgate, "allow a/b gateway"),
        2,
        &["is not a valid name for a list"],
    );
    says(
        "an empty tier",
        &tollgate.run(["client", "allow", "partners", "gateway", "--tier", ""]),
        2,
        &["--tier is empty"],
    );
    for (what, args) in [
        ("--tier", ["allow", "partners", "gateway", "--tier", "go\nld"].as_slice()),
        ("--name", &["allow", "partners", "gateway", "--name", "a\u{1b}[2J"]),
        ("the client id", &["allow", "partners", "0oa\t1", "--id"]),
    ] {
        says(
            "what filters would reject, with the whole list",
            &tollgate.run(["client"].iter().chain(args)),
            2,
            &[&format!("{what} contains a control character")],
        );
    }
    says("shown", &client(&tollgate, "lists"), 0, &["partners  c-1", "gold", "Shop"]);
    says("shown with the client", &client(&tollgate, "show gateway"), 0, &["partners (gold)"]);
    says("another tier", &client(&tollgate, "allow partners gateway --tier silver"), 0, &["silver"]);
    assert_eq!(
        client(&tollgate, "lists --json").json(),
        json!({"partners": {"clients": [{"id": "c-1", "name": "gateway", "tier": "silver"}, {"id": "0oa:1", "name": "Shop"}]}})
    );
    says(
        "off, by name",
        &client(&tollgate, "deny partners gateway"),
        0,
        &["gateway was removed from the list partners"],
    );
    says(
        "twice",
        &client(&tollgate, "deny partners gateway"),
        2,
        &["\"gateway\" is not on the list partners"],
    );
    says("off, by id", &client(&tollgate, "deny partners 0oa:1"), 0, &["the list is empty now"]);
    says("an empty list", &client(&tollgate, "lists"), 0, &["(nobody)"]);
    says("no such list", &client(&tollgate, "deny partner gateway"), 2, &["Did you mean \"partners\"?"]);
    says("away", &client(&tollgate, "drop-list partners"), 0, &["the list partners was deleted"]);
    says("away already", &client(&tollgate, "drop-list partners"), 2, &["there is no list \"partners\""]);
}

#[test]
fn the_filter_takes_what_is_exported() {
    let tollgate = Tollgate::new();
    let odd = "a \"b\" # {c}: é\u{1f511}";
    tollgate.run(["client", "allow", "partners", odd, "--id", "--tier", "no"]);
    client(&tollgate, "allow 2024 x --id");
    client(&tollgate, "allow empty x --id");
    client(&tollgate, "deny empty x");
    let yaml = client(&tollgate, "export").stdout;
    let lists: serde_json::Value =
        serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    assert_eq!(lists, client(&tollgate, "export --format json").json());
    assert_eq!(lists["client_lists"]["partners"]["clients"], json!([{"id": odd, "tier": "no"}]));
    // What a provider calls a client may hold what is no line in YAML, or what steers a terminal.
    for id in ["a\u{202e}b", "a\u{2028}b", "a\u{feff}b"] {
        tollgate.run(["client", "allow", "odd", id, "--id"]);
        let yaml = client(&tollgate, "export odd").stdout;
        assert!(yaml.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()), "{yaml:?}");
        let read: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
        assert_eq!(read["client_lists"]["odd"]["clients"], json!([{"id": id}]));
        client(&tollgate, "drop-list odd");
    }
    let mut configuration = json!({
        "providers": {"main": {"introspection": {
            "uri": "https://login.example.com/introspect", "cluster": "login",
            "client_auth": {"client_id": "gateway", "client_secret": "hush"},
        }}},
        "requires": {"clients": {"list": "partners"}},
    });
    configuration["client_lists"] = lists["client_lists"].clone();
    tollgate_config::policy(&serde_json::to_vec(&configuration).unwrap(), &|_| None)
        .expect("a configuration");
    let one = client(&tollgate, "export partners --json").json();
    assert_eq!(one["client_lists"].as_object().unwrap().len(), 1);
    says("a mistyped list", &client(&tollgate, "export partnres"), 2, &["Did you mean \"partners\"?"]);
}

#[test]
fn environments_share_nothing() {
    let (server, tollgate) = (but(json!({})), Tollgate::new());
    says("staging", &register(&tollgate, &server, &["--environment", "staging"]), 0, &[]);
    client(&tollgate, "allow partners gateway --environment staging");
    says(
        "production has no client",
        &client(&tollgate, "show gateway --environment production"),
        2,
        &[
            "there is no client \"gateway\" in the environment \"production\"",
            "Other environments (--environment): staging.",
        ],
    );
    says(
        "nor list",
        &client(&tollgate, "export --environment production"),
        2,
        &["no client lists in the environment \"production\""],
    );
    says(
        "nor provider",
        &client(&tollgate, "register gateway --environment production"),
        2,
        &["no authorization server is given"],
    );
    says("production's own", &register(&tollgate, &server, &["--environment", "production"]), 0, &[]);
    says("forgotten in one", &client(&tollgate, "forget gateway --environment staging"), 0, &[]);
    says("stays in the other", &client(&tollgate, "show gateway --environment production"), 0, &["c-1"]);
    assert_eq!(stored(&tollgate, "staging")["clients"], json!({}));
    assert!(!store(&tollgate, "default").exists());
    let tollgate = tollgate.variable("TOLLGATE_ENVIRONMENT", "production");
    says("by the variable", &client(&tollgate, "list"), 0, &["gateway"]);
}

#[test]
fn two_at_once_lose_nothing() {
    let tollgate = Tollgate::new();
    let children: Vec<_> = (0..8)
        .map(|n| {
            tollgate
                .command()
                .args(["client", "allow", "partners", &format!("c-{n}"), "--id"])
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(stored(&tollgate, "default")["lists"]["partners"].as_array().unwrap().len(), 8, "DCR-14");
}
