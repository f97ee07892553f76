//! What holds of all errors.

use serde_json::json;
use tollgate_config::keys::CONFIGURATION;
use tollgate_config::schema::Kind;

use super::{env, faults, messages, parse, with};

#[test]
fn all_faults_come_at_once_in_the_order_of_the_reference() {
    let document = json!({
        "mode": "on",
        "zebra": 1,
        "aardvark": 1,
        "rules": [{"match": {"path": "/"}}, {"match": {"hosts": []}, "acces": "deny", "requires": {"providers": ["x"]}}],
        "providers": {
            "b": {"introspection": {"timeout": 1, "client_auth": {"method": "none"}}},
            "a": {"audiences": "x", "introspection": {"cluster": "", "uri": "x", "client_athu": {"client_id": 1}}},
        },
    });
    assert_eq!(
        faults(&document),
        [
            "providers.a.audiences: expected a list, found text",
            "providers.a.introspection.uri: expected an absolute http or https URI",
            "providers.a.introspection.cluster: expected the name of an Envoy cluster",
            "providers.a.introspection.client_athu: unknown key; did you mean \"client_auth\"?",
            "providers.b.introspection.uri: required, but missing",
            "providers.b.introspection.cluster: required, but missing",
            "providers.b.introspection.timeout: expected a duration, such as 250ms, 2s, 5m or 1h30m, found a number",
            "rules[1].match.hosts: expected at least one entry",
            "rules[1].requires.providers[0]: no provider has this name; known: \"a\" and \"b\"",
            "rules[1].acces: unknown key; did you mean \"access\"?",
            "mode: expected \"enforce\" or \"shadow\"",
            "aardvark: unknown key; known: \"providers\", \"provider_order\", \"token\", \"requires\", \"rules\", \"matching\", \"client_lists\", \"upstream\", \"log\", \"cache\", \"revocation\", \"dpop\", \"mtls\", \"resource\", \"responses\", \"cors_preflight\", \"on_expiry\", \"on_expiry_max_streams\", \"user_agent\" and \"mode\"",
            "zebra: unknown key; known: \"providers\", \"provider_order\", \"token\", \"requires\", \"rules\", \"matching\", \"client_lists\", \"upstream\", \"log\", \"cache\", \"revocation\", \"dpop\", \"mtls\", \"resource\", \"responses\", \"cors_preflight\", \"on_expiry\", \"on_expiry_max_streams\", \"user_agent\" and \"mode\"",
        ]
    );
}

#[test]
fn no_fault_shows_a_value() {
    // The secret, as text and within every other type, at every known place and at unknown ones.
    const SECRET: &str = "hunter2-hunter2";
    fn places(kind: &Kind, path: &str, into: &mut Vec<String>) {
        into.push(path.to_owned());
        let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if let Some(object) = kind.object() {
            for key in object.keys {
                places(&key.kind, &join(key.name), into);
            }
        }
        match kind {
            Kind::Map { of, .. } => places(of, &join("okta"), into),
            Kind::List { of, .. } | Kind::Either { list: Kind::List { of, .. }, .. } => {
                places(of, &join("0"), into);
            }
            _ => {}
        }
    }
    let mut all = vec!["unknown".to_owned(), "providers.okta.unknown".to_owned()];
    places(&CONFIGURATION, "", &mut all);
    assert!(all.len() > 100, "{}", all.len());
    let odd =
        ["", " ", "\r\n", "\u{0}", "é", "https://x@y/", "https://h/?client_secret=", "/{x}/{x", "(", "\""];
    let mut values = vec![
        json!(SECRET),
        json!([SECRET]),
        json!([[SECRET]]),
        json!({"x": SECRET}),
        json!({"okta": {"x": SECRET}}),
    ];
    values.extend(odd.iter().map(|odd| json!(format!("{odd}{SECRET}{odd}"))));
    for place in all {
        for value in &values {
            for message in faults(&with(&[(place.as_str(), value.clone())])) {
                assert!(!message.contains("hunter2"), "{place}: {message}");
            }
        }
    }
    // Nor do texts that cannot be read at all.
    for text in [
        format!("{{\"client_secret\": \"{SECRET}\""),
        format!("client_secret: {SECRET}"),
        format!("\"{SECRET}\""),
        format!("{{\"{SECRET}\":1,\"{SECRET}\":2}}"),
    ] {
        for message in messages(tollgate_config::policy(text.as_bytes(), &env)) {
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
    // Nor does a good policy, when it is printed.
    let document = with(&[("@.client_auth", json!({"client_id": "x", "client_secret": SECRET}))]);
    let shown = format!("{:?}", parse(&document).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVy"), "{shown}");
}

#[test]
fn what_is_no_configuration_at_all() {
    // PWX-17
    #[rustfmt::skip]
    let cases: &[(&str, &[u8], &str)] = &[
        ("nothing",              b"",                "the configuration is empty; it needs at least an authorization server in providers"),
        ("white space",          b" \n\t",           "the configuration is empty; it needs at least an authorization server in providers"),
        ("an empty object",      b"{}",              "the configuration is empty; it needs at least an authorization server in providers"),
        ("YAML",                 b"providers:\n  a: 1\n", "expected a JSON object or a serialized google.protobuf.Struct"),
        ("a list",               b"[1]",             "expected a JSON object or a serialized google.protobuf.Struct"),
        ("JSON cut off",         b"{\"providers\":", "ends too early at line 1 column 13"),
        ("JSON after a newline", b"\n{\"a\":,}",     "not valid JSON at line 2 column 6"),
        ("a key twice",          b"{\"mode\":\"shadow\",\"mode\":\"enforce\"}", "duplicate member name at line 1 column 34"),
        ("a Struct cut off",     b"\n\x09\n\x04mode\x12", "not a google.protobuf.Struct: truncated at byte 1"),
        ("noise",                b"\x80\x81\x82",    "not a google.protobuf.Struct: truncated at byte 3"),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(
            messages(tollgate_config::policy(bytes, &env)),
            [format!("configuration: {want}")],
            "{name}"
        );
    }
}
