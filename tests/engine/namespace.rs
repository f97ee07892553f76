//! Whose cached responses are the same: configurations, compared.

use tollgate_engine::base::secret::Secret;
use tollgate_engine::cache::namespace::Namespace;

fn namespace(owner: &str, name: &str, introspection: &str) -> Namespace {
    let config = format!(
        r#"{{"providers": {{"{name}": {{"introspection": {{"uri": "https://as.example.com/introspect",
            "cluster": "as"{introspection}}}}}}}}}"#
    );
    let policy = tollgate_config::policy(config.as_bytes(), &|_| None).unwrap();
    Namespace::new(owner.as_bytes(), &policy.providers[0])
}

#[test]
fn whoever_is_asked_otherwise_has_a_namespace_of_its_own() {
    // INT-29, PWX-14
    let none = r#", "client_auth": {"method": "none"}"#;
    let first = namespace("a", "main", none);
    assert_eq!(namespace("a", "main", &format!(r#"{none}, "timeout": "1s", "retries": 0"#)), first);
    #[rustfmt::skip]
    let others = [
        ("another plugin",        namespace("b", "main", none)),
        ("another provider",      namespace("a", "other", none)),
        ("a client id",           namespace("a", "main", r#", "client_auth": {"method": "none", "client_id": "x"}"#)),
        ("another method",        namespace("a", "main", r#", "client_auth": {"client_id": "x", "client_secret": "y"}"#)),
        ("another secret",        namespace("a", "main", r#", "client_auth": {"client_id": "x", "client_secret": "z"}"#)),
        ("a fallback",            namespace("a", "main", &format!(r#"{none}, "fallback_clusters": ["b"]"#))),
        ("a parameter",           namespace("a", "main", &format!(r#"{none}, "parameters": {{"a": "b"}}"#))),
        ("a header",              namespace("a", "main", &format!(r#"{none}, "headers": {{"a": "b"}}"#))),
        ("no hint",               namespace("a", "main", &format!(r#"{none}, "token_type_hint": """#))),
        ("other errors",          namespace("a", "main", &format!(r#"{none}, "unknown_token": {{"status": [400], "error": ["invalid_token"]}}"#))),
        ("a lenient reading",     namespace("a", "main", &format!(r#"{none}, "lenient_content_type": true"#))),
    ];
    for (at, (name, one)) in others.iter().enumerate() {
        assert_ne!(*one, first, "{name}");
        assert!(others.iter().skip(at + 1).all(|(_, other)| other != one), "{name}");
    }
}

#[test]
fn what_a_token_says_of_itself_is_remembered_for_those_who_read_it_alike() {
    // INT-29, JWT-47
    let of = |endpoint: &str, issuer: &str, more: &str| {
        let auth = if endpoint == "introspection" { r#", "client_auth": {"method": "none"}"# } else { "" };
        let config = format!(
            r#"{{"providers": {{"main": {{"issuer": "https://{issuer}", "any_audience": true,
                "validate": "jwt_then_introspection",
                "jwks": {{"uri": "https://as.example.com/jwks", "cluster": "as"}},
                "{endpoint}": {{"uri": "https://as.example.com/x", "cluster": "as"{auth}}}{more}}}}}}}"#
        );
        let policy = tollgate_config::policy(config.as_bytes(), &|_| None).unwrap();
        Namespace::new(b"a", &policy.providers[0])
    };
    for endpoint in ["introspection", "userinfo"] {
        let first = of(endpoint, "as/a", "");
        assert_eq!(of(endpoint, "as/a", r#", "default_scopes": ["x"]"#), first, "{endpoint}");
        #[rustfmt::skip]
        let others = [
            ("another issuer",    of(endpoint, "as/b", "")),
            ("other scopes",      of(endpoint, "as/a", r#", "scope_claim": ["permissions"]"#)),
            ("another client",    of(endpoint, "as/a", r#", "client_id_claim": ["cid"]"#)),
            ("another age",       of(endpoint, "as/a", r#", "max_token_age": "1h""#)),
            ("another patience",  of(endpoint, "as/a", r#", "clock_skew": "1s""#)),
        ];
        for (at, (name, one)) in others.iter().enumerate() {
            assert_ne!(*one, first, "{endpoint}: {name}");
            assert!(others.iter().skip(at + 1).all(|(_, other)| other != one), "{endpoint}: {name}");
        }
    }
}

#[test]
fn what_is_said_of_a_user_is_remembered_for_those_who_read_it_alike() {
    // INT-29
    let of = |issuer: &str, skew: &str| {
        let config = format!(
            r#"{{"providers": {{"main": {{"issuer": "https://{issuer}", "clock_skew": "{skew}",
                "userinfo": {{"uri": "https://as.example.com/x", "cluster": "as"}}}}}}}}"#
        );
        Namespace::new(b"a", &tollgate_config::policy(config.as_bytes(), &|_| None).unwrap().providers[0])
    };
    assert_eq!(of("as/a", "1s"), of("as/a", "1s"));
    assert_ne!(of("as/a", "1s"), of("as/b", "1s"));
    assert_ne!(of("as/a", "1s"), of("as/a", "2s"));
}

#[test]
fn a_digest_shows_little_of_itself_and_nothing_of_the_token() {
    // INT-28
    let digest =
        namespace("a", "m", r#", "client_auth": {"method": "none"}"#).digest(&[0; 32], &Secret::new("tok"));
    let text = format!("{digest:?}");
    assert!(text.chars().count() == 17 && !text.contains("tok"), "{text}");
}
