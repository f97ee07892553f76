//! `tollgate discover`.

use serde_json::{Value, json};

use crate::support::{Answer, Scripted, Tollgate};

/// A document that leaves nothing to remark.
fn document(origin: &str, path: &str) -> Value {
    json!({
        "issuer": format!("{origin}{path}"),
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "introspection_endpoint": format!("{origin}/introspect"),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "jwks_uri": format!("{origin}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "an_unknown_member": {"of": ["any", 1]},
    })
}

/// A server with one document at one place; everything else is 404.
fn server(
    place: &'static str,
    path: &'static str,
    change: impl Fn(&str, &mut Value) + Send + Sync + 'static,
) -> Scripted {
    Scripted::start(move |origin, request| {
        if request.target != place {
            return Answer::status(404);
        }
        let mut document = document(origin, path);
        change(origin, &mut document);
        Answer::json(200, document)
    })
}

fn discover(server: &Scripted, path: &str, more: &[&str]) -> crate::support::Run {
    let issuer = format!("{}{path}", server.origin);
    Tollgate::new().run([&["discover", &issuer, "--allow-http"], more].concat())
}

const RFC8414: &str = "/.well-known/oauth-authorization-server";

#[test]
fn the_well_known_places_are_tried_in_order() {
    #[rustfmt::skip]
    let cases: [(&str, &str, &str, &[&str]); 5] = [
        ("DSC-01 between host and path", "/t1", "/.well-known/oauth-authorization-server/t1", &["/.well-known/oauth-authorization-server/t1"]),
        ("DSC-01 a slash at the end",    "/t1/", "/.well-known/oauth-authorization-server/t1", &["/.well-known/oauth-authorization-server/t1"]),
        ("DSC-03 the second place",      "/t1", "/.well-known/openid-configuration/t1", &["/.well-known/oauth-authorization-server/t1", "/.well-known/openid-configuration/t1"]),
        ("DSC-02 DSC-03 MCP-13 the third place", "/t1", "/t1/.well-known/openid-configuration",
         &["/.well-known/oauth-authorization-server/t1", "/.well-known/openid-configuration/t1", "/t1/.well-known/openid-configuration"]),
        ("DSC-03 without a path",        "", "/.well-known/openid-configuration", &["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
    ];
    for (name, path, place, asked) in cases {
        let server = server(place, path, |_, _| {});
        let run = discover(&server, path, &["--json", "--strict"]);
        assert_eq!(run.status, 0, "{name}: {run:?}");
        assert_eq!(run.json()["document"], format!("{}{place}", server.origin), "{name}");
        // DSC-20
        assert_eq!(
            run.json()["entry"]["providers"]["main"]["issuer"],
            format!("{}{path}", server.origin),
            "{name}"
        );
        let received = server.received();
        let targets: Vec<_> = received.iter().map(|request| request.target.as_str()).collect();
        assert!(targets.starts_with(asked), "{name}: {targets:?}");
        assert!(
            received.iter().all(
                |request| request.method == "GET" && request.header("accept") == Some("application/json")
            ),
            "{name}"
        );
    }
}

#[test]
fn a_document_that_is_not_the_issuers_own_is_not_used() {
    type Change = fn(&str, &mut Value);
    let upper: Change = |origin, document| document["issuer"] = origin.replace("http", "HTTP").into();
    #[rustfmt::skip]
    let cases: [(&str, Change, &str); 7] = [
        ("DSC-04 ATK-116 a slash more", |origin, document| document["issuer"] = format!("{origin}/").into(), "compared character by character (RFC 8414 §3.3). Write it as the server does"),
        ("DSC-04 ATK-116 another host", |_, document| document["issuer"] = "https://as.example".into(), "it has \"https://as.example\", expected \"http://127.0.0.1"),
        ("DSC-05 ATK-116 another case", upper, "it has \"HTTP://127.0.0.1"),
        ("DSC-18 a placeholder",        |_, document| document["issuer"] = "https://login/{tenantid}/v2.0".into(), "--issuer-override 'https://login/{tenantid}/v2.0'"),
        ("ATK-117 no issuer",           |_, document| document["issuer"] = Value::Null, "issuer is missing, or is not a string"),
        ("ATK-117 an issuer in a list", |_, document| document["issuer"] = json!(["x"]), "issuer is missing, or is not a string"),
        ("ATK-117 a list of endpoints", |_, document| document["jwks_uri"] = json!(["https://x"]), "jwks_uri is not a string"),
    ];
    for (name, change, want) in cases {
        let server = server(RFC8414, "", change);
        let issuer = server.origin.clone();
        let tollgate = Tollgate::new();
        let run = tollgate.run(["discover", &issuer, "--allow-http", "--save", "x"]);
        assert!(run.status == 2 && run.stderr.contains(want) && run.stdout.is_empty(), "{name}: {run:?}");
        assert!(!tollgate.directory.path().join("store").exists(), "{name}: nothing is written");
    }
    let placeholder =
        server(RFC8414, "", |_, document| document["issuer"] = "https://login/{tenantid}".into());
    let run = discover(&placeholder, "", &["--issuer-override", "https://login/{tenantid}", "--json"]);
    assert_eq!((run.status, &run.json()["issuer"]), (0, &json!(placeholder.origin)), "DSC-18");
}

#[test]
fn an_issuer_is_https_without_query_and_fragment() {
    #[rustfmt::skip]
    let cases = [
        ("DSC-06 plain http",   "http://as.example",       "is plain http, which anyone on the network path can read and change"),
        ("DSC-06 to ourselves", "http://127.0.0.1:1",      "To allow this for this machine: --allow-http."),
        ("DSC-06 a query",      "https://as.example/?x",   "an issuer has no query and no fragment"),
        ("DSC-06 a fragment",   "https://as.example/#y",   "an issuer has no query and no fragment"),
        ("user information",    "https://me:pw@as.example", "an issuer has no user information"),
        ("another scheme",      "ftp://as.example",        "has the scheme ftp; expected https"),
        ("no URL",              "login.example.com",       "\"login.example.com\" is not a URL\n  An issuer looks like https://login.example.com/tenant."),
        ("nobody there",        "https://nowhere.invalid", "cannot connect to https://nowhere.invalid/"),
    ];
    for (name, issuer, want) in cases {
        let run = Tollgate::new().run(["discover", issuer]);
        assert!(
            run.status == 2 && run.stderr.contains(want) && !run.stderr.contains("pw"),
            "{name}: {run:?}"
        );
    }
}

#[test]
fn what_is_no_document_is_none() {
    #[rustfmt::skip]
    let cases: [(&str, fn(&str) -> Answer, &str); 8] = [
        ("DSC-07 201",           |o| Answer::json(201, document(o, "")), "responded with 201"),
        ("DSC-07 204",           |_| Answer::status(204), "responded with 204"),
        ("DSC-07 HTML",          |_| Answer::text(200, "text/html", "<p>"), "expected application/json, found text/html"),
        ("DSC-07 an array",      |_| Answer::json(200, "[]"), "expected a JSON object, found other JSON"),
        ("ATK-117 nested deeply", |_| Answer::json(200, "[".repeat(10_000)), "nested too deeply"),
        ("ATK-117 DSC-17 endless", |_| Answer::json(200, format!("{{\"x\":\"{}\"}}", "a".repeat(10 << 20))), "responded with more than 1048576 bytes"),
        ("DSC-16 ATK-116 another origin", |_| Answer::status(302).header("location", "https://evil.example/"), "redirects to https://evil.example/, another origin; that is not followed"),
        ("a loop",               |_| Answer::status(302).header("location", "/again"), "redirects more than 3 times"),
    ];
    for (name, answer, want) in cases {
        let server = Scripted::start(move |origin, _| answer(origin));
        let run = discover(&server, "", &[]);
        assert!(run.status == 2 && run.stderr.contains(want), "{name}: {run:?}");
    }
    let inside = Scripted::start(|origin, request| match request.target.as_str() {
        RFC8414 => Answer::status(301).header("location", "/elsewhere"),
        "/elsewhere" => Answer::json(200, document(origin, "")),
        _ => Answer::status(404),
    });
    assert_eq!(discover(&inside, "", &[]).status, 0, "DSC-16 within the origin");
    let slow = Scripted::start(|_, _| {
        std::thread::sleep(std::time::Duration::from_secs(3));
        Answer::status(404)
    });
    let run = discover(&slow, "", &["--timeout", "1"]);
    assert!(run.status == 2 && run.stderr.contains("did not respond within 1 s"), "DSC-17: {run:?}");
}

#[test]
fn how_the_filter_is_to_authenticate() {
    type Change = fn(&str, &mut Value);
    const METHODS: &str = "introspection_endpoint_auth_methods_supported";
    #[rustfmt::skip]
    let cases: [(&str, Change, &str, Option<&str>); 6] = [
        ("what it lists",           |_, d| d[METHODS] = json!(["client_secret_post"]), "client_secret_post", None),
        ("the simplest first",      |_, d| d[METHODS] = json!(["tls_client_auth", "client_secret_post", "client_secret_basic"]), "client_secret_basic", None),
        ("DSC-10 no default",       |_, d| { d[METHODS] = json!(null); d["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]); }, "client_secret_post",
         Some("the server does not say how to authenticate at the introspection endpoint; client_secret_post is assumed, from the token endpoint")),
        ("DSC-09 DSC-12 nor there", |_, d| { d[METHODS] = json!([]); d["token_endpoint_auth_methods_supported"] = json!([]); }, "client_secret_basic", Some("client_secret_basic is assumed")),
        ("DSC-11 no algorithms",    |_, d| d[METHODS] = json!(["private_key_jwt", "client_secret_post"]), "client_secret_post",
         Some("introspection_endpoint_auth_signing_alg_values_supported is missing, so assertions (private_key_jwt, client_secret_jwt) are not chosen")),
        ("DSC-11 the algorithm none", |_, d| { d[METHODS] = json!(["private_key_jwt", "client_secret_post"]); d["introspection_endpoint_auth_signing_alg_values_supported"] = json!(["ES256", "none"]); },
         "client_secret_post", Some("lists \"none\", so assertions are not chosen")),
    ];
    for (name, change, method, remark) in cases {
        let run = discover(&server(RFC8414, "", change), "", &["--json"]).json();
        assert_eq!(
            run["entry"]["providers"]["main"]["introspection"]["client_auth"]["method"], method,
            "{name}: {run:#}"
        );
        let remarks = run["remarks"].to_string().replace("\\\"", "\"");
        assert!(remark.map_or(remarks == "[]", |remark| remarks.contains(remark)), "{name}: {remarks}");
    }
    let certificate: Change = |origin, d| {
        d[METHODS] = json!(["tls_client_auth"]);
        d["mtls_endpoint_aliases"] = json!({"introspection_endpoint": format!("{origin}/mtls/introspect")});
    };
    let mtls = server(RFC8414, "", certificate);
    let run = discover(&mtls, "", &["--json"]).json();
    let introspection = &run["entry"]["providers"]["main"]["introspection"];
    assert_eq!(introspection["uri"], format!("{}/mtls/introspect", mtls.origin), "DSC-14 MTL-16");
    assert_eq!(introspection["client_auth"], json!({"method": "none", "client_id": "gateway"}), "DSC-14");
    assert_eq!(
        run["endpoints"]["jwks_uri"],
        format!("{}/jwks", mtls.origin),
        "DSC-14: keys stay where they are"
    );
    let unknown = discover(&mtls, "", &["--auth-method", "magic"]);
    assert!(
        unknown.status == 2
            && unknown.stderr.contains("invalid value 'magic'")
            && unknown.stderr.contains("self_signed_tls_client_auth"),
        "{unknown:?}"
    );
}

#[test]
fn what_is_odd_is_remarked() {
    type Change = fn(&str, &mut Value);
    #[rustfmt::skip]
    let cases: [(&str, Change, &str); 4] = [
        ("DSC-13 signed metadata", |_, d| d["signed_metadata"] = json!("eyJ"), "signed_metadata is not read"),
        ("DSC-22 another host",    |_, d| d["jwks_uri"] = json!("https://keys.example/jwks"), "jwks_uri is on another host than the issuer, https://keys.example: it needs its own cluster"),
        ("Salesforce's name",      |o, d| d["register_endpoint"] = format!("{o}/register").into(), "registration_endpoint is called register_endpoint here"),
        ("DSC-19 a required list", |_, d| drop(d.as_object_mut().unwrap().remove("response_types_supported")), "response_types_supported missing, which RFC 8414 §2 requires"),
    ];
    for (name, change, want) in cases {
        let server = server(RFC8414, "", change);
        let run = discover(&server, "", &[]);
        assert!(
            run.status == 0
                && run.stdout.lines().any(|line| line.starts_with("note ") && line.contains(want)),
            "{name}: {run:?}"
        );
        assert_eq!(discover(&server, "", &["--strict"]).status, 1, "{name}");
    }
    let openid = server("/.well-known/openid-configuration", "", |_, d| {
        drop(d.as_object_mut().unwrap().remove("subject_types_supported"));
    });
    let run = discover(&openid, "", &[]);
    assert!(
        run.status == 0
            && run.stdout.contains(
                "subject_types_supported missing, which OpenID Connect Discovery 1.0, section 3 requires"
            ),
        "DSC-19: {run:?}"
    );
    let plain = server(RFC8414, "", |_, d| d["jwks_uri"] = json!("http://keys.example/jwks"));
    let run = discover(&plain, "", &[]);
    assert!(
        run.status == 2 && run.stderr.contains("jwks_uri: http://keys.example/jwks is plain http"),
        "DSC-08: {run:?}"
    );
}

#[test]
fn two_documents_must_agree_and_add_up() {
    let two = |jwks: &'static str| {
        Scripted::start(move |origin, request| {
            let mut own = document(origin, "");
            if request.target == RFC8414 {
                return Answer::json(200, own);
            }
            own["jwks_uri"] = format!("{origin}{jwks}").into();
            own["registration_endpoint"] = format!("{origin}/register").into();
            Answer::json(200, own)
        })
    };
    let same = discover(&two("/jwks"), "", &["--strict", "--json"]);
    assert_eq!(same.status, 0, "{same:?}");
    assert!(same.json()["endpoints"]["registration_endpoint"].is_string(), "{same:?}");
    let other = two("/other-keys");
    let run = discover(&other, "", &[]);
    assert!(run.status == 0 && run.stdout.contains("contradict each other: jwks_uri"), "DSC-21: {run:?}");
    assert_eq!(discover(&other, "", &["--strict"]).status, 1, "DSC-21");
}

#[test]
fn whoever_has_a_key_uses_it() {
    // BCP-07
    type Change = fn(&str, &mut Value);
    const METHODS: &str = "introspection_endpoint_auth_methods_supported";
    const ALGORITHMS: &str = "introspection_endpoint_auth_signing_alg_values_supported";
    #[rustfmt::skip]
    let cases: [(&str, Change, Value); 3] = [
        ("both are offered", |_, d| { d[METHODS] = json!(["client_secret_basic", "private_key_jwt"]); d[ALGORITHMS] = json!(["PS256", "RS256"]); },
         json!({"method": "private_key_jwt", "client_id": "gateway", "private_key_env": "GATEWAY_KEY", "algorithm": "PS256"})),
        ("another is offered", |_, d| { d[METHODS] = json!(["client_secret_basic"]); },
         json!({"method": "client_secret_basic", "client_id": "gateway", "client_secret_env": "TOLLGATE_CLIENT_SECRET"})),
        ("without an algorithm", |_, d| { d[METHODS] = json!(["client_secret_basic", "private_key_jwt"]); },
         json!({"method": "client_secret_basic", "client_id": "gateway", "client_secret_env": "TOLLGATE_CLIENT_SECRET"})),
    ];
    for (name, change, want) in cases {
        let run = discover(&server(RFC8414, "", change), "", &["--json", "--private-key-env", "GATEWAY_KEY"])
            .json();
        assert_eq!(
            run["entry"]["providers"]["main"]["introspection"]["client_auth"], want,
            "{name}: {run:#}"
        );
        let is_useless = run["remarks"].to_string().contains("the private key cannot be used there");
        assert_eq!(is_useless, want["method"] != "private_key_jwt", "{name}: {run:#}");
    }
}

#[test]
fn an_algorithm_that_is_offered_by_its_newer_name_is_taken() {
    let server = server(RFC8414, "", |_, d| {
        d["introspection_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
        d["introspection_endpoint_auth_signing_alg_values_supported"] = json!(["Ed25519"]);
    });
    let run = discover(&server, "", &["--json", "--private-key-env", "GATEWAY_KEY"]).json();
    let auth = &run["entry"]["providers"]["main"]["introspection"]["client_auth"];
    assert_eq!(auth["algorithm"], "Ed25519", "{run:#}");
}

#[test]
fn a_name_that_yaml_takes_for_something_else_is_quoted() {
    for id in ["y", "N", "no", "on", "null", "~", "1e3", "0x1f", "2026-11-30", "a: b", "a #b"] {
        let run = discover(&server(RFC8414, "", |_, _| {}), "", &["--client-id", id]);
        assert_eq!(run.status, 0, "{id}: {run:?}");
        let line = run.stdout.lines().find(|line| line.trim_start().starts_with("client_id:")).unwrap();
        assert_eq!(line.trim_start(), format!("client_id: {}", json!(id)));
    }
}

#[test]
fn what_else_it_offers_is_suggested() {
    // MTL-17
    let plain = discover(&server(RFC8414, "", |_, _| {}), "", &[]);
    assert!(!plain.stdout.contains("The server also supports"), "{plain:?}");
    let run = discover(
        &server(RFC8414, "", |_, d| {
            d["dpop_signing_alg_values_supported"] = json!(["ES256"]);
            d["tls_client_certificate_bound_access_tokens"] = json!(true);
            d["introspection_signing_alg_values_supported"] = json!(["RS256"]);
        }),
        "",
        &[],
    );
    assert_eq!(run.status, 0, "{run:?}");
    for part in [
        "The server also supports:",
        "`dpop: {}`",
        "`mtls: {}`",
        "sender_constraint: mtls",
        "--signed-introspection",
    ] {
        assert!(run.stdout.contains(part), "{part}: {run:?}");
    }
}

#[test]
fn without_an_introspection_endpoint_there_is_advice() {
    let server = server(RFC8414, "/openam/oauth2", |_, d| {
        drop(d.as_object_mut().unwrap().remove("introspection_endpoint"));
    });
    let tenant = Scripted::start(|origin, request| {
        let mut own = document(origin, "/openam/oauth2");
        drop(own.as_object_mut().unwrap().remove("introspection_endpoint"));
        if request.target.ends_with("/openam/oauth2/.well-known/openid-configuration") {
            Answer::json(200, own)
        } else {
            Answer::status(404)
        }
    });
    drop(server);
    // The address gives the product away, and the product is known.
    let run = discover(&tenant, "/openam/oauth2", &["--json"]);
    let got = run.json();
    assert_eq!(run.status, 0, "{got:#}");
    assert_eq!(
        got["endpoints"]["introspection_endpoint"],
        format!("{}/openam/oauth2/introspect", tenant.origin)
    );
    assert!(
        got["remarks"]
            .to_string()
            .contains("the server names no introspection_endpoint; the preset has it at"),
        "{got:#}"
    );
    let none = discover(&tenant, "/openam/oauth2", &["--preset", "generic"]);
    assert_eq!(none.status, 1, "DSC-15: {none:?}");
    assert!(
        none.stdout.contains("The server names no introspection endpoint")
            && none.stdout.contains("set validate: jwt, your audiences, and jwks: {uri: ")
            && !none.stdout.contains("providers:"),
        "DSC-15: {none:?}"
    );
    let by_hand = discover(
        &tenant,
        "/openam/oauth2",
        &["--preset", "generic", "--introspection-endpoint", "https://am.example.com/i", "--json"],
    );
    assert_eq!(
        by_hand.json()["entry"]["providers"]["main"]["introspection"]["uri"],
        "https://am.example.com/i"
    );
}

#[test]
fn a_product_without_discovery_is_known_by_its_preset() {
    #[rustfmt::skip]
    let cases = [
        ("MUL-08 Okta",       "okta",          "https://dev-1.okta.com",               "https://dev-1.okta.com/oauth2/v1/introspect",           "https://dev-1.okta.com/oauth2/v1/clients"),
        ("MUL-08 OpenAM",     "openam",        "https://am.example.com/openam/oauth2", "https://am.example.com/openam/oauth2/introspect",       "https://am.example.com/openam/oauth2/connect/register"),
        ("MUL-08 Salesforce", "salesforce",    "https://acme.my.salesforce.com",       "https://acme.my.salesforce.com/services/oauth2/introspect", "https://acme.my.salesforce.com/services/oauth2/register"),
        ("PingFederate",      "ping_federate", "https://pf.example.com:9031",          "https://pf.example.com:9031/as/introspect.oauth2",      "https://pf.example.com:9031/as/clients.oauth2"),
    ];
    for (name, preset, base, introspection, registration) in cases {
        let tollgate = Tollgate::new();
        let run =
            tollgate.run(["discover", "--preset", preset, "--base-url", base, "--save", "as", "--json"]);
        let got = run.json();
        assert_eq!(run.status, 0, "{name}: {run:?}");
        assert_eq!(
            (&got["endpoints"]["introspection_endpoint"], &got["endpoints"]["registration_endpoint"]),
            (&json!(introspection), &json!(registration)),
            "{name}"
        );
        let stored: Value = serde_json::from_str(&tollgate.read("store/default.json")).unwrap();
        assert_eq!(stored["providers"]["as"]["endpoints"], got["endpoints"], "{name}");
    }
    let nothing = Tollgate::new().run(["discover", "--base-url", "https://x.example"]);
    assert!(nothing.status == 2 && nothing.stderr.contains("--preset"), "{nothing:?}");
    let odd = Tollgate::new().run([
        "discover",
        "--preset",
        "okta",
        "--base-url",
        "https://x.example",
        "--save",
        "a b",
    ]);
    assert!(odd.status == 2 && odd.stderr.contains("\"a b\" is not a valid name for a provider"), "{odd:?}");
}

#[test]
fn the_entry_can_be_pasted() {
    let server = server(RFC8414, "", |_, _| {});
    let run = discover(&server, "", &["--client-id", "my gateway"]);
    let entry = run.stdout.split_once("\n\n").unwrap().1;
    let tollgate = Tollgate::new();
    tollgate.write("entry.yaml", entry);
    let check = tollgate.run(["check", "entry.yaml"]);
    assert_eq!(check.status, 0, "{entry}\n{check:?}");
    let value: Value = serde_saphyr::from_str(entry).unwrap();
    assert_eq!(value, discover(&server, "", &["--client-id", "my gateway", "--json"]).json()["entry"]);
}
