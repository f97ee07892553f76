//! `tollgate doctor`.

mod events;
mod injected;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{Answer, Received, Run, Scripted, Tollgate};

/// A server with a document, and an introspection endpoint that answers as a test wants.
fn server(answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |origin, request| match request.target.as_str() {
        "/.well-known/oauth-authorization-server" => Answer::json(
            200,
            json!({
                "issuer": origin, "token_endpoint": format!("{origin}/token"), "introspection_endpoint": format!("{origin}/introspect"),
                "introspection_endpoint_auth_methods_supported": ["client_secret_basic"], "response_types_supported": ["code"],
            }),
        ),
        "/introspect" => answer(request),
        _ => Answer::status(404),
    })
}

/// What a healthy endpoint says of a made-up token; `token` is good.
fn healthy(good: Value) -> impl Fn(&Received) -> Answer {
    move |request| {
        let is_good = request.field("token").is_some_and(|token| token != "tollgate-doctor-made-this-up");
        Answer::json(200, if is_good { good.clone() } else { json!({"active": false}) })
    }
}

fn configuration(origin: &str) -> String {
    format!(
        "providers:\n  main:\n    issuer: {origin}\n    audiences: [api]\n    introspection:\n      uri: {origin}/introspect\n      cluster: c\n      client_auth: {{client_id: gateway, client_secret_env: TG_SECRET}}\n"
    )
}

fn examine(configuration: &str, more: &[&str]) -> Run {
    let tollgate = Tollgate::new().variable("TG_SECRET", "s3cr3t");
    tollgate.write("c.yaml", configuration);
    tollgate.write("token", "t0k3n");
    let run = tollgate.run([&["doctor", "c.yaml", "--allow-http"], more].concat());
    assert!(!format!("{run:?}").contains("s3cr3t") && !format!("{run:?}").contains("t0k3n"), "{run:?}");
    run
}

#[test]
fn a_healthy_provider_is_called_that() {
    let server = server(healthy(json!({"active": true, "scope": "a b", "aud": "api"})));
    let run = examine(&configuration(&server.origin), &["--token-file", "token"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(
        run.stdout
            .contains("✓ it accepts the gateway's credentials, and reports a made-up token as inactive")
            && run.stdout.contains("its scopes: a b"),
        "{run:?}"
    );
    assert!(
        run.stdout.ends_with("nothing is wrong\n")
            && !run.stdout.contains('✗')
            && !run.stdout.contains("  · "),
        "{run:?}"
    );
    let call = server.received().into_iter().find(|request| request.target == "/introspect").unwrap();
    assert_eq!(call.header("authorization"), Some("Basic Z2F0ZXdheTpzM2NyM3Q="));
}

#[test]
fn an_error_for_an_unknown_token_is_called_that() {
    #[rustfmt::skip]
    let cases = [
        (400, "invalid_token",  "an error, where RFC 7662 §2.2 requires active: false", "introspection.unknown_token: {status: [400], error: [invalid_token]}"),
        (401, "invalid_token",  "an error, where RFC 7662 §2.2 requires active: false", "introspection.unknown_token: {status: [401], error: [invalid_token]}"),
        (404, "not_found",      "an error, where RFC 7662 §2.2 requires active: false", "introspection.unknown_token: {status: [404], error: [not_found]}"),
        (401, "invalid_client", "it rejects the gateway's credentials",                    "is its secret correct"),
    ];
    for (status, error, saw, advice) in cases {
        let server = server(move |_| Answer::json(status, json!({ "error": error })));
        let run = examine(&configuration(&server.origin), &[]);
        assert_eq!(run.status, 1, "{run:?}");
        assert!(run.stdout.contains(saw) && run.stdout.contains(advice), "{status} {error}: {run:?}");
    }
    let server = server(|request| match request.field("token").as_deref() {
        Some("tollgate-doctor-made-this-up") => Answer::json(400, json!({"error": "invalid_token"})),
        _ => Answer::json(200, json!({"active": true, "aud": "api", "scope": "a"})),
    });
    let told = "      unknown_token: {status: [400], error: [invalid_token]}\n      cluster: c\n";
    let run = examine(
        &configuration(&server.origin).replace("      cluster: c\n", told),
        &["--token-file", "token"],
    );
    assert!(run.status == 0 && run.stdout.contains("does not accept a made-up token"), "{run:?}");
}

#[test]
fn a_content_coding_is_named() {
    let server = server(|_| Answer::json(200, json!({"active": false})).header("content-encoding", "gzip"));
    let run = examine(&configuration(&server.origin), &[]);
    let want = "status 200, but its content coding is gzip, although identity was requested";
    assert!(run.status == 1 && run.stdout.contains(want), "{run:?}");
    let call = server.received().into_iter().find(|request| request.target == "/introspect").unwrap();
    assert_eq!(call.header("accept-encoding"), Some("identity"));
}

#[test]
fn a_line_break_at_the_end_of_a_secret_is_no_part_of_it_and_another_one_is_named() {
    let server = server(healthy(json!({})));
    for (secret, status, want) in [
        ("s3cr3t\n", 0, "nothing is wrong"),
        ("s3cr3t\n\n", 2, "a client secret of printable ASCII (RFC 6749 Appendix A.2)"),
    ] {
        let tollgate = Tollgate::new().variable("TG_SECRET", secret);
        tollgate.write("c.yaml", configuration(&server.origin));
        let run = tollgate.run(["doctor", "c.yaml", "--allow-http"]);
        assert!(run.status == status && format!("{}{}", run.stdout, run.stderr).contains(want), "{run:?}");
        assert!(!format!("{run:?}").contains("s3cr3t"), "{run:?}");
    }
}

#[test]
fn a_variable_that_is_not_set_here_is_named_whatever_the_provider_is_called() {
    let server = server(healthy(json!({})));
    for name in ["main", "a.b", "a.b.introspection", "providers"] {
        let configuration = configuration(&server.origin).replace("  main:", &format!("  {name}:"));
        let tollgate = Tollgate::new();
        tollgate.write("c.yaml", configuration.replace("TG_SECRET", "TG_OTHER"));
        let run = tollgate.run(["doctor", "c.yaml", "--allow-http"]);
        let want = "✗ the variable TG_OTHER is not set here, so the server was not called";
        assert!(run.status == 1 && run.stdout.contains(want), "{name}: {run:?}");
    }
    assert!(server.received().iter().all(|request| request.target != "/introspect"));
}

#[test]
fn what_was_seen_and_what_to_do_are_lines_of_their_own() {
    let server = server(healthy(json!({})));
    let tollgate = Tollgate::new().variable("TG_SECRET", "s3cr3t");
    tollgate.write("c.yaml", configuration(&server.origin));
    let plain = tollgate.run(["doctor", "c.yaml"]);
    let want = "/introspect is plain http\n      To allow this for this machine: --allow-http.\n";
    assert!(plain.status == 1 && plain.stdout.contains(want), "{plain:?}");
    let named = configuration(&server.origin).replace("issuer: http://127.0.0.1", "issuer: http://localhost");
    let run = examine(&named, &[]);
    assert!(run.stdout.contains("is the document of another issuer"), "{run:?}");
    for line in run.stdout.lines() {
        let sentences = line.split(". ").all(|one| !one.contains(" Tokens of this server"));
        assert!(!line.contains("   To this") && sentences, "{line}");
    }
}

#[test]
fn a_context_that_the_server_does_not_list_is_noted() {
    // STP-10
    let server = Scripted::start(|origin, request| match request.target.as_str() {
        "/.well-known/oauth-authorization-server" => Answer::json(
            200,
            json!({
                "issuer": origin, "token_endpoint": format!("{origin}/token"), "introspection_endpoint": format!("{origin}/introspect"),
                "response_types_supported": ["code"], "acr_values_supported": ["gold"],
            }),
        ),
        _ => healthy(json!({}))(request),
    });
    let with = |acr: &str| {
        let rules = "rules: [{match: {prefix: /}, requires: {acr_values: [gold]}}]\n";
        format!("{}requires: {{acr_values: [{acr}]}}\n{rules}", configuration(&server.origin))
    };
    let run = examine(&with("gold, diamond"), &[]);
    let want = "· the metadata does not list \"diamond\" in acr_values_supported";
    assert!(run.status == 0 && run.stdout.contains(want), "{run:?}");
    assert!(!examine(&with("gold"), &[]).stdout.contains("acr_values"));
}

#[test]
fn a_resource_that_the_server_does_not_list_is_noted() {
    // PRM-19
    let server = Scripted::start(|origin, request| match request.target.as_str() {
        "/.well-known/oauth-authorization-server" => Answer::json(
            200,
            json!({
                "issuer": origin, "token_endpoint": format!("{origin}/token"), "introspection_endpoint": format!("{origin}/introspect"),
                "response_types_supported": ["code"], "protected_resources": [format!("{origin}/a")],
            }),
        ),
        _ => healthy(json!({}))(request),
    });
    let with = |path: &str| {
        let resource = format!("resource: {{identifier: \"{}/{path}\"}}\n", server.origin);
        configuration(&server.origin) + &resource
    };
    let run = examine(&with("b"), &[]);
    let want = format!("· the metadata does not list {}/b in protected_resources", server.origin);
    assert!(run.stdout.contains(&want), "{run:?}");
    assert!(!examine(&with("a"), &[]).stdout.contains("protected_resources"));
}

/// Answers of the metadata's place and of the resource.
type Look = (Answer, Answer);

#[test]
fn a_resource_is_looked_at_as_its_clients_do() {
    // PRM-05, PRM-12
    const PLACE: &str = "/.well-known/oauth-protected-resource/mcp";
    let document = |origin: &str, resource: &str| json!({"resource": format!("{origin}{resource}"), "authorization_servers": [origin], "bearer_methods_supported": ["header"]});
    let challenge = |origin: &str| {
        format!("Bearer realm=\"tollgate\", resource_metadata=\"{origin}{PLACE}\", scope=\"a\"")
    };
    #[rustfmt::skip]
    let cases: [(&str, &dyn Fn(&str) -> Look, i32, &str); 7] = [
        ("as it should be", &|origin| (Answer::json(200, document(origin, "/mcp")), Answer::status(401).header("www-authenticate", &challenge(origin))),
         0, "/mcp rejects a request without a token, and the challenge names the metadata"),
        ("nobody sends it there", &|origin| (Answer::status(404), Answer::status(401).header("www-authenticate", &challenge(origin))),
         1, "/.well-known/oauth-protected-resource/mcp responded with 404"),
        ("a page", &|origin| (Answer::text(200, "text/html", "<p>"), Answer::status(401).header("www-authenticate", &challenge(origin))),
         1, "/.well-known/oauth-protected-resource/mcp: expected application/json, found text/html"),
        ("another resource", &|origin| (Answer::json(200, document(origin, "/other")), Answer::status(401).header("www-authenticate", &challenge(origin))),
         1, "describes another resource"),
        ("another configuration", &|origin| (Answer::json(200, json!({"resource": format!("{origin}/mcp"), "authorization_servers": [origin], "bearer_methods_supported": ["header"], "resource_name": "x"})), Answer::status(401).header("www-authenticate", &challenge(origin))),
         0, "differs from this configuration in resource_name"),
        ("somebody else refuses", &|origin| (Answer::json(200, document(origin, "/mcp")), Answer::status(401).header("www-authenticate", "Bearer")),
         1, "/mcp rejects a request without a token, but the challenge lacks resource_metadata="),
        ("nobody refuses", &|origin| (Answer::json(200, document(origin, "/mcp")), Answer::status(200)),
         0, "/mcp responded with 200"),
    ];
    for (name, look, status, want) in cases {
        let known: std::sync::Mutex<Option<Look>> = std::sync::Mutex::default();
        let known = std::sync::Arc::new(known);
        let server = Scripted::start({
            let known = std::sync::Arc::clone(&known);
            move |origin, request| {
                let known = known.lock().unwrap().clone();
                match (request.target.as_str(), known) {
                    (PLACE, Some((metadata, _))) => metadata,
                    ("/mcp", Some((_, refusal))) => refusal,
                    ("/.well-known/oauth-authorization-server", _) => Answer::json(
                        200,
                        json!({"issuer": origin, "token_endpoint": format!("{origin}/token"), "introspection_endpoint": format!("{origin}/introspect"), "response_types_supported": ["code"]}),
                    ),
                    ("/introspect", _) => healthy(json!({}))(request),
                    _ => Answer::status(404),
                }
            }
        });
        *known.lock().unwrap() = Some(look(&server.origin));
        let resource = format!("resource: {{identifier: \"{}/mcp\", profile: mcp}}\n", server.origin);
        let run = examine(&(configuration(&server.origin) + &resource), &[]);
        assert!(run.status == status && run.stdout.contains(want), "{name}: {run:?}");
    }
}

#[test]
fn what_is_wrong_with_the_call_is_named() {
    #[rustfmt::skip]
    let cases: [(&str, fn(&Received) -> Answer, &str, &str); 14] = [
        ("own credentials",     |_| Answer::json(401, r#"{"error":"invalid_client"}"#), "status 401 invalid_client: it rejects the gateway's credentials", "Is \"gateway\" a client there, and is its secret correct"),
        ("the same with 400",   |_| Answer::json(400, r#"{"error":"invalid_client","error_description":"no"}"#), "status 400 invalid_client (no): it rejects the gateway's credentials", "Is \"gateway\" a client"),
        ("no right to ask",     |_| Answer::json(403, "{}"), "status 403: it accepts the gateway's credentials, but does not allow the gateway to introspect tokens", "am-introspect-all-tokens"),
        ("nothing there",       |_| Answer::text(404, "text/html", "<p>"), "status 404: there is no introspection endpoint", "Is this the address of the introspection endpoint?"),
        ("another method",      |_| Answer::status(405), "status 405: there is no introspection endpoint", "`tollgate discover` shows it"),
        ("a login page",        |_| Answer::status(302).header("location", "/login"), "status 302: it redirects to /login", "does not redirect"),
        ("an odd call",         |_| Answer::json(400, r#"{"error":"invalid_request"}"#), "status 400 invalid_request: it does not understand the request", "token_type_hint"),
        ("throttled",           |_| Answer::status(429), "status 429: it limits the rate of calls", "cache.ttl"),
        ("a failing server",    |_| Answer::status(500), "status 500: an error of the server", "503"),
        ("a page",              |_| Answer::text(200, "text/html", "<p>"), "not an introspection response: expected application/json, found text/html", "a page"),
        ("no active",           |_| Answer::json(200, r#"{"active":"false"}"#), "the response has no boolean \"active\"", "RFC 7662"),
        ("everyone is let in",  |_| Answer::json(200, r#"{"active":true}"#), "it reports a made-up token as active", "Do not use it."),
        ("clocks apart",        |_| Answer::json(200, r#"{"active":false}"#).header("date", "Sun, 06 Nov 1994 08:49:37 GMT"), "its clock and this machine's clock differ by ", "NTP"),
        ("odd text of a peer",  |_| Answer::json(401, "{\"error\":\"a\\u001b[31mb\"}"), "status 401 a[31mb: it rejects", ""),
    ];
    for (name, answer, saw, advice) in cases {
        let run = examine(&configuration(&server(answer).origin), &[]);
        assert!(
            run.status == 1 && run.stdout.contains(saw) && run.stdout.contains(advice),
            "{name}: {run:?}"
        );
        assert!(run.stdout.contains("1 thing is wrong"), "{name}: {run:?}");
    }
    let away = examine(
        "providers: {main: {introspection: {uri: 'http://127.0.0.1:1/i', cluster: c, client_auth: {client_id: g, client_secret_env: TG_SECRET}}}}",
        &[],
    );
    assert!(
        away.status == 1
            && away.stdout.contains("cannot connect to http://127.0.0.1:1/i")
            && away.stdout.contains("no issuer is configured"),
        "{away:?}"
    );
}

#[test]
fn a_method_that_is_not_offered_is_named() {
    let server = server(|_| Answer::json(401, "{}"));
    let post = configuration(&server.origin).replace("{client_id", "{method: client_secret_post, client_id");
    let run = examine(&post, &[]);
    assert!(
        run.stdout.contains(
            "It does not accept client_secret_post. It accepts client_secret_basic: set client_auth.method."
        ),
        "{run:?}"
    );
    let elsewhere = configuration(&server.origin).replace("/introspect", "/other");
    let run = examine(&elsewhere, &[]);
    assert!(
        run.stdout.contains(&format!(
            "· the metadata names another introspection endpoint: {}/introspect",
            server.origin
        )),
        "{run:?}"
    );
    assert!(run.stdout.contains(&format!("Its metadata names {}/introspect.", server.origin)), "{run:?}");
    let slash = configuration(&server.origin)
        .replace(&format!("issuer: {}", server.origin), &format!("issuer: {}/", server.origin));
    let run = examine(&slash, &[]);
    assert!(
        run.stdout.contains("✗")
            && run.stdout.contains("is the document of another issuer")
            && run.stdout.contains("Write it as the server does"),
        "{run:?}"
    );
}

fn jwt(claims: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[test]
fn a_token_that_is_called_inactive_has_its_causes() {
    let server = server(healthy(json!({"active": false})));
    #[rustfmt::skip]
    let cases = [
        ("ended",                  "generic",  jwt(&json!({"exp": 1_000_000_000, "aud": "gateway"})), "it expired at 2001-09-09T01:46:40Z"),
        ("another host name",      "keycloak", jwt(&json!({"iss": "https://other.example", "aud": "gateway"})), "its issuer is \"https://other.example\", but the configured one is"),
        ("not in the audience",    "keycloak", jwt(&json!({"aud": ["account"]})), "the gateway's client \"gateway\" is not in its audience [\"account\"]"),
        ("own tokens alone",       "openam",   "opaque".to_owned(), "OpenAM introspects a token only for the client that it was issued to"),
        ("a scope of PingAM's",    "forgerock", "opaque".to_owned(), "am-introspect-all-tokens"),
        ("Salesforce",             "salesforce", "opaque".to_owned(), "one app of the organization can be allowed to introspect all"),
        ("nothing is known",       "generic",  "opaque".to_owned(), "come from another environment"),
    ];
    for (name, preset, token, want) in cases {
        let tollgate = Tollgate::new().variable("TG_SECRET", "s3cr3t");
        tollgate.write(
            "c.yaml",
            configuration(&server.origin).replace("    issuer", &format!("    preset: {preset}\n    issuer")),
        );
        tollgate.write("token", token);
        let run = tollgate.run(["doctor", "c.yaml", "--allow-http", "--token-file", "token"]);
        assert!(
            run.status == 1
                && run.stdout.contains("the server says that the token is not active")
                && run.stdout.contains(want),
            "{name}: {run:?}"
        );
    }
}

#[test]
fn a_token_that_the_filter_would_refuse_has_its_cause() {
    #[rustfmt::skip]
    let cases = [
        ("another issuer",   json!({"active": true, "aud": "api", "iss": "https://x.example"}), 1, "its issuer is \"https://x.example\", not"),
        ("another audience", json!({"active": true, "aud": "other"}), 1, "its audience is \"other\""),
        ("expired",          json!({"active": true, "aud": "api", "exp": 1}), 1, "the token has expired"),
        ("no scopes",        json!({"active": true, "aud": "api", "scope": ["a"]}), 0, "the response grants no scopes (scope: [\"a\"])"),
        ("bound",            json!({"active": true, "aud": "api", "scope": "a", "cnf": {}}), 0, "bound in a way that cannot be proven here"),
    ];
    for (name, reply, status, want) in cases {
        let run = examine(&configuration(&server(healthy(reply)).origin), &["--token-file", "token"]);
        assert!(run.status == status && run.stdout.contains(want), "{name}: {run:?}");
    }
}

#[test]
fn other_dialects_are_examined_in_their_own() {
    let server = Scripted::start(|_, request| {
        let is_good = request.header("authorization") == Some("Bearer t0k3n");
        match (request.target.as_str(), is_good) {
            ("/tokeninfo", true) => {
                Answer::json(200, json!({"expires_in": 60, "scope": ["a"], "access_token": "t0k3n"}))
            }
            ("/me", true) => Answer::json(200, json!({"sub": "alice"})),
            ("/anything", _) => Answer::json(200, json!({"sub": "anybody", "expires_in": 60})),
            ("/introspect", _) => Answer::json(200, json!({"active": false})),
            ("/tokeninfo" | "/me", false) => Answer::json(401, json!({"error": "invalid_token"})),
            _ => Answer::status(404),
        }
    });
    let token_info = |path: &str| {
        format!(
            "introspection: {{uri: \"{}{path}\", cluster: c, dialect: tokeninfo, client_auth: {{method: none}}}}",
            server.origin
        )
    };
    let user_info = |path: &str| format!("userinfo: {{uri: \"{}{path}\", cluster: c}}", server.origin);
    #[rustfmt::skip]
    let cases = [
        ("token information",         token_info("/tokeninfo"),  0, "✓ it responds, and does not accept a made-up token"),
        ("and the token",             token_info("/tokeninfo"),  0, "✓ the token is active, and the filter accepts it; its scopes: a"),
        ("UserInfo",                  user_info("/me"),          0, "✓ it responds, and does not accept a made-up token"),
        ("and what it does not tell", user_info("/me"),          0, "✓ the token is active, and the filter accepts it; its scopes: none"),
        ("who takes everything",      token_info("/anything"),   1, "✗ it reports a made-up token as active"),
        ("the same for users",        user_info("/anything"),    1, "✗ it reports a made-up token as active"),
        ("the other dialect",         token_info("/introspect"), 1, "✗ its response is that of an introspection endpoint"),
        ("nothing there",             token_info("/nowhere"),    1, "✗ status 404: there is no introspection endpoint"),
    ];
    for (name, provider, status, want) in cases {
        let run = examine(&format!("providers:\n  main:\n    {provider}\n"), &["--token-file", "token"]);
        assert_eq!(run.status, status, "{name}: {run:?}");
        assert!(run.stdout.contains(want), "{name}: {run:?}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is signed is good for a moment")]
fn a_signed_reply_is_verified_and_a_plain_one_is_not_taken() {
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    });
    let server = Scripted::start(move |origin, request| match request.target.as_str() {
        "/keys" => Answer::json(200, json!({"keys": [key]})),
        "/plain" => Answer::json(200, json!({"active": false})),
        "/signed" => {
            let token = tollgate_cases::token::Token {
                header: json!({"typ": "token-introspection+jwt"}).as_object().cloned().unwrap(),
                claims: json!({"iss": origin, "aud": "gateway", "token_introspection": {"active": false}})
                    .as_object()
                    .cloned()
                    .unwrap(),
                ..Default::default()
            };
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            Answer::text(200, "application/token-introspection+jwt", token.at(now.as_secs()))
        }
        _ => Answer::status(404),
    });
    let origin = &server.origin;
    let configuration = |path: &str, audience: &str| {
        format!(
            "providers:\n  main:\n    issuer: {origin}\n    algorithms: [ES256]\n    jwks: {{uri: \"{origin}/keys\", cluster: c}}\n    introspection: {{uri: \"{origin}{path}\", cluster: c, dialect: rfc9701, reply_audience: {audience}, client_auth: {{method: none}}}}\n"
        )
    };
    #[rustfmt::skip]
    let cases = [
        ("signed",            "/signed", "gateway", 0, "✓ it accepts the gateway's credentials, and reports a made-up token as inactive"),
        ("for somebody else", "/signed", "other",   1, "it is for another audience"),
        ("plain",             "/plain",  "gateway", 1, "✗ its response is not signed"),
    ];
    for (name, path, audience, status, want) in cases {
        let run = examine(&configuration(path, audience), &[]);
        assert_eq!(run.status, status, "{name}: {run:?}");
        assert!(run.stdout.contains(want), "{name}: {run:?}");
    }
}

#[test]
fn what_a_bound_token_needs_is_said() {
    #[rustfmt::skip]
    let cases = [
        (json!({"jkt": "x"}),      "",                     "· the token is bound to a key (cnf.jkt)\n      It is rejected, because `dpop` is not configured."),
        (json!({"jkt": "x"}),      "dpop: {}\n",           "· the token is bound to a key (cnf.jkt)\n      It is accepted only with a proof of its key"),
        (json!({"x5t#S256": "x"}), "",                     "· the token is bound to a certificate (cnf.x5t#S256)\n      It is rejected, because `mtls` is not configured."),
        (json!({"x5t#S256": "x"}), "mtls: {}\n",           "It is accepted only over a connection with that certificate"),
        (json!({"new": "x"}),      "mtls: {}\ndpop: {}\n", "bound in a way that cannot be proven here"),
    ];
    for (cnf, more, want) in cases {
        let server = server(healthy(json!({"active": true, "scope": "a", "aud": "api", "cnf": cnf})));
        let run = examine(&(configuration(&server.origin) + more), &["--token-file", "token"]);
        assert!(run.stdout.contains(want), "{want}: {run:?}");
    }
}

/// Nothing but the server's own answers needs a secret: neither a key for nonces, nor one that signs.
#[test]
fn what_is_not_set_here_stops_nothing_else() {
    let server = server(healthy(json!({})));
    let basic = "{client_id: gateway, client_secret_env: TG_SECRET}";
    let more = "dpop: {nonce: required, nonce_key_env: TG_NONCES}\n";
    for auth in [
        "{method: private_key_jwt, client_id: gateway, private_key_env: TG_OTHER, algorithm: ES256}",
        "{method: client_secret_jwt, client_id: gateway, client_secret_env: TG_OTHER}",
    ] {
        let run = examine(&(configuration(&server.origin).replace(basic, auth) + more), &[]);
        let want = "✗ the variable TG_OTHER is not set here, so the server was not called";
        assert!(run.status == 1 && run.stdout.contains(want), "{auth}: {run:?}");
    }
    let run = examine(&(configuration(&server.origin) + more), &[]);
    assert!(run.status == 0, "{run:?}");
}

#[test]
fn what_cannot_be_examined_is_said() {
    let server = server(healthy(json!({"active": false})));
    let tollgate = Tollgate::new();
    tollgate.write("c.yaml", configuration(&server.origin));
    let unset = tollgate.run(["doctor", "c.yaml", "--allow-http"]);
    assert!(
        unset.status == 1 && unset.stdout.contains("✗ the variable TG_SECRET is not set here"),
        "{unset:?}"
    );
    tollgate.write(
        "none.yaml",
        configuration(&server.origin)
            .replace("{client_id: gateway, client_secret_env: TG_SECRET}", "{method: none}"),
    );
    let other = tollgate.run(["doctor", "none.yaml", "--allow-http", "--provider", "mian"]);
    assert_eq!(
        (other.status, other.stderr.as_str()),
        (2, "tollgate: the configuration has no provider \"mian\"\n  It has: main.\n")
    );
    tollgate.write("bad.yaml", configuration(&server.origin).replace("cluster", "clutser"));
    let bad = tollgate.run(["doctor", "bad.yaml"]);
    assert!(
        bad.status == 2
            && bad.stderr.contains("does not load: providers.main.introspection.")
            && bad.stderr.contains("`tollgate check bad.yaml` shows every error"),
        "{bad:?}"
    );
    let json = tollgate.run(["doctor", "none.yaml", "--allow-http", "--json"]);
    assert_eq!((json.status, &json.json()["wrong"]), (0, &json!(0)), "{json:?}");
    let strict = Scripted::start(|_, _| Answer::json(401, "{}"));
    tollgate.write(
        "strict.yaml",
        configuration(&strict.origin)
            .replace("{client_id: gateway, client_secret_env: TG_SECRET}", "{method: none}"),
    );
    let stand_in = tollgate.run(["doctor", "strict.yaml", "--allow-http"]);
    assert!(
        stand_in.status == 1
            && stand_in
                .stdout
                .contains("it requires credentials, and the configuration leaves them to Envoy")
            && stand_in.stdout.contains("--client NAME"),
        "{stand_in:?}"
    );
}
