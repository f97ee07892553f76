//! `tollgate generate api-spec`.

use serde_json::{Value, json};

use crate::support::{Answer, Run, Scripted, Tollgate};

const CONFIGURATION: &str = "\
providers:
  okta:
    preset: okta
    issuer: https://dev.example.com/oauth2/default
    introspection:
      cluster: okta
      client_auth: {client_id: gateway, client_secret_env: OKTA_CLIENT_SECRET}
token: {from_headers: [{name: authorization, scheme: Bearer}, {name: x-access-token}], from_params: [access_token]}
requires: {scopes: {all: [orders:read], any: [a, b]}}
rules:
  - match: {path: /health}
    access: anonymous
  - match: {path_template: \"/orders/{id}\", methods: [GET]}
    access: optional
    requires: {scopes: [c]}
  - match: {prefix: /orders, methods: [POST, PUT]}
    requires: {scopes: [orders:write]}
  - match: {prefix: /admin}
    access: deny
";

/// Without a preset.
const GENERIC: &str = "\
providers:
  main:
    introspection: {uri: https://as.example.com/introspect, cluster: as, client_auth: {method: none}}
";

fn generate(configuration: &str, args: &[&str]) -> Run {
    let tollgate = Tollgate::new();
    tollgate.write("tollgate.yaml", configuration);
    tollgate.run(["generate", "api-spec", "tollgate.yaml"].iter().chain(args))
}

/// What was printed as YAML.
fn yaml(run: &Run) -> Value {
    assert_eq!(run.status, 0, "{run:?}");
    serde_saphyr::from_str(&run.stdout).unwrap()
}

#[test]
fn openapi_says_what_the_configuration_does() {
    let run = generate(CONFIGURATION, &[]);
    let document = yaml(&run);
    let scopes = json!({"a": "", "b": "", "c": "", "orders:read": "", "orders:write": ""});
    let token = "https://dev.example.com/oauth2/default/v1/token";
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({"oauth2": {
            "type": "oauth2",
            "description": "An OAuth 2.0 access token, in the header field Authorization after \"Bearer\", or in the header field X-Access-Token, or in the query parameter access_token.",
            "flows": {
                "clientCredentials": {"tokenUrl": token, "scopes": scopes},
                "authorizationCode": {
                    "authorizationUrl": "https://dev.example.com/oauth2/default/v1/authorize", "tokenUrl": token, "scopes": scopes,
                },
            },
        }})
    );
    assert_eq!(
        document["security"],
        json!([{"oauth2": ["orders:read", "a"]}, {"oauth2": ["orders:read", "b"]}])
    );
    let responses = document["components"]["responses"].as_object().unwrap();
    assert!(
        responses.keys().eq(["oauth2-400", "oauth2-401", "oauth2-403", "oauth2-502", "oauth2-503"]),
        "{responses:?}"
    );
    let header: Vec<_> = run.stdout.lines().take_while(|line| line.starts_with('#')).collect();
    assert_eq!(
        header,
        [
            "# For the API's OpenAPI document: put these keys beside those that are there.",
            "# /health: security: []",
            "# GET /orders/{id}: security: [{}, {oauth2: [c]}]",
            "# POST, PUT /orders/**: security: [{oauth2: [orders:write]}]",
        ]
    );
    let as_json = generate(CONFIGURATION, &["--json"]);
    assert_eq!((as_json.json(), as_json.stderr.as_str()), (document, ""));
}

#[test]
fn raml_says_the_same() {
    let run = generate(CONFIGURATION, &["--format", "raml", "--name", "tokens"]);
    let document = yaml(&run);
    let scheme = &document["securitySchemes"]["tokens"];
    assert_eq!(scheme["type"], "OAuth 2.0");
    assert_eq!(
        scheme["settings"],
        json!({
            "accessTokenUri": "https://dev.example.com/oauth2/default/v1/token",
            "authorizationUri": "https://dev.example.com/oauth2/default/v1/authorize",
            "authorizationGrants": ["authorization_code", "client_credentials"],
            "scopes": ["a", "b", "c", "orders:read", "orders:write"],
        })
    );
    let described = &scheme["describedBy"];
    assert!(
        described["headers"].as_object().unwrap().keys().eq(["Authorization", "X-Access-Token"]),
        "{described}"
    );
    assert!(described["queryParameters"].as_object().unwrap().keys().eq(["access_token"]), "{described}");
    assert!(
        described["responses"].as_object().unwrap().keys().eq(["400", "401", "403", "502", "503"]),
        "{described}"
    );
    assert_eq!(
        document["securedBy"],
        json!([{"tokens": {"scopes": ["orders:read", "a"]}}, {"tokens": {"scopes": ["orders:read", "b"]}}])
    );
    assert!(run.stdout.contains("# /health: securedBy: [null]\n"), "{}", run.stdout);
    let as_json = generate(CONFIGURATION, &["--format", "raml", "--name", "tokens", "--json"]).json();
    assert_eq!(serde_saphyr::from_str::<Value>(as_json["raml"].as_str().unwrap()).unwrap(), document);
}

#[test]
fn refusals_are_those_of_the_profile() {
    // MUL-02, MUL-03
    let anypoint = format!("{GENERIC}responses: {{profile: anypoint}}\n");
    let run = generate(&anypoint, &["--format", "raml"]);
    let described = &yaml(&run)["securitySchemes"]["oauth2"]["describedBy"];
    assert!(described["queryParameters"]["access_token"].is_object(), "{described}");
    assert!(
        described["responses"].as_object().unwrap().keys().eq(["400", "401", "403", "500"]),
        "{described}"
    );
    let example = &described["responses"]["400"]["body"]["application/json"]["example"];
    assert_eq!(example, &json!({"error": "Authorization header is invalid"}));
}

#[test]
fn endpoints_come_from_where_they_are_known() {
    let unknown = generate(GENERIC, &[]);
    assert_eq!(yaml(&unknown)["components"]["securitySchemes"]["oauth2"]["scheme"], "bearer");
    assert!(unknown.stderr.contains("give --token-uri, or --discover"), "{unknown:?}");
    let raml = generate(GENERIC, &["--format", "raml"]);
    assert_eq!(yaml(&raml)["securitySchemes"]["oauth2"]["type"], "Pass Through");
    let given = generate(GENERIC, &["--token-uri", "https://as.example.com/token"]);
    let flows = &yaml(&given)["components"]["securitySchemes"]["oauth2"]["flows"];
    assert_eq!(
        flows,
        &json!({"clientCredentials": {"tokenUrl": "https://as.example.com/token", "scopes": {}}})
    );
    assert_eq!(given.stderr, "");

    let server = Scripted::start(|origin, _| {
        Answer::json(
            200,
            json!({"issuer": origin, "token_endpoint": format!("{origin}/t"), "authorization_endpoint": format!("{origin}/a")}),
        )
    });
    let configuration = GENERIC.replace("main:\n", &format!("main:\n    issuer: {}\n", server.origin));
    let discovered = generate(&configuration, &["--discover", "--allow-http", "--quiet"]);
    let flow = &yaml(&discovered)["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"];
    assert_eq!(flow["tokenUrl"], json!(format!("{}/t", server.origin)), "{discovered:?}");
    assert_eq!(flow["authorizationUrl"], json!(format!("{}/a", server.origin)));
}

#[test]
fn what_it_prints_can_be_imported_again() {
    let tollgate = Tollgate::new();
    let configuration = GENERIC.to_owned()
        + "requires: {scopes: {all: [r], any: [a, b]}}\nrules:\n  - {match: {path: /orders, methods: [GET, HEAD]}}\n  - {match: {path: /open, methods: [GET, HEAD]}, access: anonymous}\n";
    tollgate.write("tollgate.yaml", &configuration);
    let run = tollgate.run([
        "generate",
        "api-spec",
        "tollgate.yaml",
        "--token-uri",
        "https://as.example.com/t",
        "--json",
    ]);
    let mut document = run.json();
    document["openapi"] = "3.1.0".into();
    document["paths"] = json!({"/orders": {"get": {}}, "/open": {"get": {"security": []}}});
    tollgate.write("api.json", document.to_string());
    let check = tollgate.run(["check", "--openapi", "api.json", "tollgate.yaml", "--json"]);
    assert_eq!(check.json()["faults"], 0, "{check:?}");
}

#[test]
fn first_mistakes_are_explained() {
    let two = GENERIC.to_owned() + &GENERIC.replace("providers:\n", "").replace("main", "other");
    #[rustfmt::skip]
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("no configuration", "a: 1\n", &[], &["no configuration of Tollgate in tollgate.yaml"]),
        ("faults", "providers: {main: {introspection: {cluster: x}}}\n", &[], &["the configuration in tollgate.yaml has errors: ", "tollgate check tollgate.yaml"]),
        ("several providers", &two, &[], &["the configuration has 2 providers", "--provider NAME (main, other)"]),
        ("an unknown provider", &two, &["--provider", "okta"], &["the configuration has no provider \"okta\"", "It has main, other."]),
        ("no issuer to ask", GENERIC, &["--discover"], &["so its metadata cannot be found", "--token-uri"]),
        ("an endpoint that is none", GENERIC, &["--token-uri", "as/token"], &["--token-uri as/token is not an https URI"]),
        ("a name that cannot be one", GENERIC, &["--name", "a b"], &["letters, digits"]),
        ("another language", GENERIC, &["--format", "wsdl"], &["openapi, raml"]),
    ];
    for (name, configuration, args, wants) in cases {
        let run = generate(configuration, args);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{name}: {run:?}");
        assert!(wants.iter().all(|want| run.stderr.contains(want)), "{name}: {}", run.stderr);
    }
    let other = generate(&two, &["--provider", "other", "--quiet"]);
    assert_eq!(other.status, 0, "{other:?}");
}
