//! What `doctor` says of pushed events.

use serde_json::{Value, json};

use crate::support::{Answer, Run, Scripted, Tollgate};

/// A server with metadata, with keys, and perhaps with those of a transmitter of events.
fn server(metadata: Value, signals: Option<Value>) -> Scripted {
    Scripted::start(move |origin, request| {
        let of_this_origin = |document: &Value| {
            let text = document.to_string().replace("ORIGIN", origin);
            Answer::json(200, text)
        };
        match (request.target.as_str(), &signals) {
            ("/realms/r/.well-known/openid-configuration", _) => of_this_origin(&metadata),
            ("/realms/r/.well-known/ssf-configuration", Some(signals)) => of_this_origin(signals),
            ("/realms/r/introspect", _) => Answer::json(200, json!({"active": false})),
            ("/realms/r/keys", _) => Answer::json(
                200,
                json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
                    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}),
            ),
            _ => Answer::status(404),
        }
    })
}

fn metadata() -> Value {
    json!({
        "issuer": "ORIGIN/realms/r", "token_endpoint": "ORIGIN/token", "introspection_endpoint": "ORIGIN/realms/r/introspect",
        "jwks_uri": "ORIGIN/realms/r/keys", "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"], "authorization_endpoint": "ORIGIN/authorize",
    })
}

fn with(mut metadata: Value, more: &Value) -> Value {
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    metadata
}

fn examine(server: &Scripted, more: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut tollgate = Tollgate::new().variable("TG_SECRET", "s3cr3t");
    for (name, value) in variables {
        tollgate = tollgate.variable(name, value);
    }
    let issuer = format!("{}/realms/r", server.origin);
    tollgate.write(
        "c.yaml",
        format!(
            "providers:\n  main:\n    issuer: {issuer}\n    jwks: {{uri: {issuer}/keys, cluster: c}}\n    introspection:\n      uri: {issuer}/introspect\n      cluster: c\n      client_auth: {{client_id: gateway, client_secret_env: TG_SECRET}}\nrevocation:\n  events:\n  - path: /events/main\n    audiences: [shop]\n    authorization_env: TG_EVENTS\n"
        ),
    );
    let run = tollgate.run([&["doctor", "c.yaml", "--allow-http"], more].concat());
    assert!(!format!("{run:?}").contains("s3cr3t") && !format!("{run:?}").contains("Bearer e"), "{run:?}");
    run
}

const SET: (&str, &str) = ("TG_EVENTS", "Bearer e");

#[test]
fn what_the_server_says_of_events_is_reported() {
    let logout = json!({"backchannel_logout_supported": true, "backchannel_logout_session_supported": true});
    let signals = |issuer: &str, keys: &str, method: &str| json!({"issuer": format!("ORIGIN{issuer}"), "jwks_uri": format!("ORIGIN{keys}"), "delivery_methods_supported": [method]});
    let (own, keys, push) = ("/realms/r", "/realms/r/keys", "urn:ietf:rfc:8935");
    #[rustfmt::skip]
    let cases = [
        (json!({}), None, 0, "· its metadata do not say that it pushes events"),
        (logout.clone(), None, 0, "✓ it can send logout tokens"),
        (json!({"backchannel_logout_supported": true}), None, 0, "· the metadata do not say that its logout tokens name the session"),
        (json!({}), Some(signals(own, keys, push)), 0, "✓ it sends Security Event Tokens"),
        (json!({}), Some(signals("/realms/s", keys, push)), 1, "✗ "),
        (json!({}), Some(signals(own, "/realms/r/others", push)), 1, "its events are signed with other keys"),
        (json!({}), Some(signals(own, keys, "urn:ietf:rfc:8936")), 1, "it does not push events"),
    ];
    for (more, signals, status, want) in cases {
        let server = server(with(metadata(), &more), signals);
        let run = examine(&server, &[], &[SET]);
        assert!(run.status == status && run.stdout.contains(want), "{want}: {run:?}");
    }
}

#[test]
fn an_invalid_event_has_to_be_rejected_by_the_gateway() {
    let server = server(metadata(), None);
    let error = |code: &str| Answer::json(400, json!({"err": code, "description": "d"}));
    #[rustfmt::skip]
    let cases: [(Answer, &[(&str, &str)], i32, &str); 6] = [
        (error("invalid_request"),       &[SET], 0, "receives events, and rejects one that is not signed"),
        (error("authentication_failed"), &[SET], 1, "expects another value of Authorization"),
        (Answer::status(503),            &[SET], 1, "allow_on_headers_stop_iteration: true"),
        (Answer::status(202),            &[SET], 1, "responded with 202"),
        (Answer::status(404),            &[SET], 1, "Events with this path have to reach Tollgate"),
        (error("authentication_failed"), &[],    0, "the variable of authorization_env is not set here"),
    ];
    for (answer, variables, status, want) in cases {
        let gateway = Scripted::start(move |_, _| answer.clone());
        let run = examine(&server, &["--gateway", &gateway.origin], variables);
        assert!(run.status == status && run.stdout.contains(want), "{want}: {run:?}");
        let received = gateway.received();
        let [event] = received.as_slice() else { panic!("{received:?}") };
        assert_eq!((event.method.as_str(), event.target.as_str()), ("POST", "/events/main"));
        assert_eq!(event.header("content-type"), Some("application/secevent+jwt"));
        if !variables.is_empty() {
            assert_eq!(event.header("authorization"), Some("Bearer e"));
        }
    }
    let run = examine(&server, &["--gateway", "https://ann:hush@gateway.example.com"], &[SET]);
    assert!(
        run.status == 2 && run.stderr.contains("--gateway contains a user name or a password"),
        "{run:?}"
    );
    assert!(!run.stderr.contains("hush") && !run.stdout.contains("hush"), "{run:?}");
}
