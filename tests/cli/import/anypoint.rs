//! What Anypoint and Flex Gateway had, and what the filter makes of it.

use serde_json::{Value, json};

use crate::import::verdict;
use crate::support::{Run, Tollgate};

/// A client provider as the platform's API describes it.
fn client_provider() -> Value {
    json!({"provider_id": "0b7c", "name": "Okta production", "type": {"name": "openid-dynamic-client"}, "oidc": {
        "issuer": "https://acme.okta.com/oauth2/default",
        "client": {
            "urls": {"register": "https://acme.okta.com/oauth2/v1/clients"},
            "registration": {"authorization": "SSWS hunter2"},
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        },
        "primary_client": {"id": "gateway", "secret": "hunter3"},
        "urls": {
            "authorize": "https://acme.okta.com/oauth2/default/v1/authorize",
            "token": "https://acme.okta.com/oauth2/default/v1/token",
            "introspect": "https://acme.okta.com/oauth2/default/v1/introspect",
        },
        "allow_untrusted_certificates": true,
        "allow_local_client_deletion": true,
    }})
}

/// An API with policies, inline.
fn instance(name: &str, policies: &str) -> String {
    format!(
        "apiVersion: gateway.mulesoft.com/v1alpha1\nkind: ApiInstance\nmetadata: {{name: {name}}}\nspec:\n  address: http://0.0.0.0:8081/orders\n  services: {{upstream: {{address: http://orders}}}}\n  policies:\n{policies}"
    )
}

/// A policy that is bound to an API.
fn binding(target: &str, order: u8, name: &str, config: &str) -> String {
    format!(
        "---\napiVersion: gateway.mulesoft.com/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: b{order}}}\nspec:\n  targetRef: {{{target}}}\n  order: {order}\n  policyRef: {{name: {name}}}\n  config: {config}\n"
    )
}

const INTROSPECTION: &str = "{introspectionURL: https://as.example.com/introspect, authorizationValue: 'Basic Z2F0ZXdheTpodW50ZXIy', skipClientIdValidation: true, consumerBy: client_id, scopes: read write}";

fn import(files: &[(&str, String)], args: &[&str]) -> Run {
    let tollgate = Tollgate::new();
    let mut all = vec!["import", "anypoint"];
    for (name, text) in files {
        tollgate.write(name, text);
        all.push(name);
    }
    let run = tollgate.run(all.iter().chain(args));
    assert!(!run.stdout.contains("hunter") && !run.stderr.contains("hunter"), "{run:?}");
    assert!(!run.stdout.contains("Z2F0"), "{run:?}");
    run
}

/// The configuration, which the filter takes, and the remarks.
fn carried(files: &[(&str, String)]) -> (Value, Vec<String>, i32) {
    let run = import(files, &["--json"]);
    let document = run.json();
    let configuration = document["configuration"].clone();
    tollgate_config::policy_of(&configuration, &|_| Some("hush".to_owned())).unwrap();
    let remarks = document["remarks"].as_array().unwrap();
    (configuration, remarks.iter().map(|r| r.as_str().unwrap().to_owned()).collect(), run.status)
}

#[test]
fn an_introspection_policy_becomes_a_configuration() {
    // MUL-01, MUL-04, MUL-05, MUL-07
    let config = "{introspectionURL: https://as.example.com/introspect, authorizationValue: 'Basic Z2F0ZXdheTpodW50ZXIy', validatedTokenTTL: 600, authenticationTimeout: 2500, skipClientIdValidation: true, consumerBy: username, exposeHeaders: true, scopes: read write, scopeValidationCriteria: OR, maxCacheEntries: 500}";
    let api = instance(
        "orders",
        &format!("  - policyRef: {{name: oauth2-token-introspection-flex}}\n    config: {config}\n"),
    );
    let run = import(&[("api.yaml", api)], &[]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(
        run.stdout,
        r#"# yaml-language-server: $schema=config.schema.json
# Flex Gateway's policies for orders, converted by `tollgate import anypoint`.
# - the secret of the client "gateway" was not converted: set MAIN_CLIENT_SECRET to it in the proxy's environment
providers:
  main:
    introspection:
      uri: https://as.example.com/introspect
      cluster: main
      timeout: 2500ms
      client_auth: {client_id: gateway, client_secret_env: MAIN_CLIENT_SECRET}
    client_id_claim: [username]
requires:
  scopes: {any: [read, write]}
upstream: {claims_prefix: x-agw-}
cache: {max_entries: 500, ttl: 600s}
responses: {profile: anypoint}
"#
    );
    let configuration: Value = serde_saphyr::from_str(&run.stdout).unwrap();
    for (scopes, want) in [("write", "allowed"), ("other", "insufficient_scope")] {
        assert_eq!(verdict(&configuration, "GET /orders/7", Some(scopes)), want, "{scopes}");
    }
}

#[test]
fn names_of_older_documentation_are_understood() {
    let config = "{introspection_url: https://as.example.com/introspect, authorization_value: Bearer hunter2, validated_token_ttl: 60, skip_client_id_validation: true, consumer_by: client_id, expose_headers: true, scope_validation_criteria: AND, scopes: a b, max_cache_entries: 0}";
    let (configuration, remarks, status) = carried(&[(
        "api.yaml",
        instance(
            "orders",
            &format!("  - policyRef: {{name: oauth2-token-introspection-v1-0-impl}}\n    config: {config}\n"),
        ),
    )]);
    assert_eq!(status, 0);
    assert_eq!(
        configuration["providers"]["main"]["introspection"]["client_auth"],
        json!({"method": "bearer", "bearer_token_env": "MAIN_INTROSPECTION_TOKEN"})
    );
    assert_eq!(configuration["cache"], json!({"ttl": "60s", "max_entries": 0}));
    assert_eq!(configuration["requires"], json!({"scopes": ["a", "b"]}));
    assert_eq!(configuration["upstream"], json!({"claims_prefix": "x-agw-"}));
    assert_eq!(configuration["providers"]["main"]["introspection"]["timeout"], "10s");
    assert_eq!(
        remarks,
        [
            "authorizationValue is a Bearer token: set MAIN_INTROSPECTION_TOKEN to it in the proxy's environment"
        ]
    );
}

#[test]
fn a_client_provider_says_who_is_asked() {
    // MUL-08, MUL-09, MUL-10
    let policy = binding(
        "name: orders",
        1,
        "openidconnect-access-token-enforcement-flex",
        "{scopes: read, secureTrustStore: false, maxFederationExpirationTime: -1, maxCacheSize: 1000}",
    );
    let files = [
        ("provider.json", client_provider().to_string()),
        ("api.yaml", instance("orders", "    []\n") + &policy),
    ];
    let (configuration, remarks, status) = carried(&files);
    assert_eq!(status, 0, "{remarks:?}");
    assert_eq!(
        configuration,
        json!({
            "providers": {"okta": {
                "preset": "okta",
                "issuer": "https://acme.okta.com/oauth2/default",
                "introspection": {
                    "uri": "https://acme.okta.com/oauth2/default/v1/introspect", "cluster": "okta", "timeout": "10s",
                    "client_auth": {"client_id": "gateway", "client_secret_env": "OKTA_CLIENT_SECRET"},
                },
            }},
            "requires": {"scopes": ["read"]},
            "cache": {"max_entries": 1000},
            "responses": {"profile": "anypoint"},
        })
    );
    assert_eq!(
        remarks,
        [
            "maxFederationExpirationTime has no limit, so a response was cached as long as its token was valid; here it is cached for cache.ttl, 5m: a revoked token may be accepted for up to this long",
            "secureTrustStore is false: the authorization server's certificate was not verified; here the cluster's TLS verifies it, so configure the right CA there",
            "clients are registered at https://acme.okta.com/oauth2/v1/clients with `tollgate client register`; its registration token was not converted",
            "certificate validation was DISABLED for this client provider; here it is always on: configure the right CA for the cluster",
            "there is no setting for where clients may be deleted: `tollgate client delete` deletes a client at the provider, `tollgate client forget` only in the store",
            "the secret of the client \"gateway\" was not converted: set OKTA_CLIENT_SECRET to it in the proxy's environment",
        ]
    );
    let alone = import(&files[..1], &["--cluster", "outbound"]);
    assert!(alone.status == 0 && alone.stdout.contains("cluster: outbound"), "{alone:?}");
}

#[test]
fn products_are_recognised_by_their_endpoints() {
    // MUL-08
    let cases = [
        ("https://acme.okta.com/oauth2/v1/introspect", "okta"),
        ("https://id.example.com/oauth2/v1/introspect", "main"),
        ("https://am.example.com/openam/oauth2/introspect", "openam"),
        ("https://am.example.com/am/oauth2/realms/root/introspect", "forgerock"),
        ("https://acme.my.salesforce.com/services/oauth2/introspect", "salesforce"),
        ("https://pf.example.com:9031/as/introspect.oauth2", "ping_federate"),
        ("https://sso.example.com/realms/a/protocol/openid-connect/token/introspect", "keycloak"),
        ("https://as.example.com/introspect", "main"),
    ];
    for (uri, want) in cases {
        let provider = json!([{"name": "x", "urls": {"introspect": uri}, "primary_client": {"id": "g"}}]);
        let (configuration, _, _) = carried(&[("provider.json", provider.to_string())]);
        let (name, entry) = configuration["providers"].as_object().unwrap().iter().next().unwrap();
        let preset = entry["preset"].as_str().unwrap_or("main");
        assert_eq!((name.as_str(), preset), (want, want), "{uri}");
    }
}

#[test]
fn what_does_not_carry_over_is_said() {
    let provider = ("provider.json", client_provider().to_string());
    let api = |policy: &str, config: &str| {
        (
            "api.yaml",
            instance(
                "orders",
                &format!("  - policyRef: {{name: {policy}}}\n    config: {config}\n    rules: []\n"),
            ),
        )
    };
    let also = |policy: &str, config: &str| {
        (
            "api.yaml",
            instance(
                "orders",
                &format!(
                    "  - policyRef: {{name: oauth2-token-introspection-flex}}\n    config: {INTROSPECTION}\n  - policyRef: {{name: {policy}}}\n    config: {config}\n"
                ),
            ),
        )
    };
    #[rustfmt::skip]
    let cases = [
        ("rate limits",    vec![also("rate-limiting-sla-based-flex", "{}")], 0, "the policy \"rate-limiting-sla-based-flex\" was not converted: Envoy's rate limit filters do that"),
        ("CORS",           vec![also("cors-flex", "{}")],                    0, "the policy \"cors-flex\" was not converted: put Envoy's CORS filter before this one"),
        ("client ids",     vec![also("client-id-enforcement-flex", "{}")],   0, "require the clients with requires.clients"),
        ("JWTs as well",   vec![also("jwt-validation-flex", "{jwtKeyOrigin: jwks, jwksUrl: 'https://as.example.com/keys', validateAudClaim: true, mandatoryAudClaim: true, supportedAudiences: api, mandatoryCustomClaims: [{key: iss, value: 'https://as.example.com'}], skipClientIdValidation: true}")], 0, "tokens may have `typ: JWT` or no typ"),
        ("a policy that is disabled", vec![also("cors-flex", "{}\n    disabled: true")], 0, "the policy \"cors-flex\" is disabled, so it was not converted"),
        ("a policy without a name", vec![("api.yaml", instance("orders", &format!("  - policyRef: {{name: oauth2-token-introspection-flex}}\n    config: {INTROSPECTION}\n  - policyRef: {{}}\n")))], 0, "the policy \"without a name\" was not converted"),
        ("scopes that are no text", vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("read write", "{a: b}"))], 1, "`scopes` is not a string"),
        ("a scope that is a number", vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("read write", "[1, a]"))], 1, "`scopes` is not a string"),
        ("neither true nor false", vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("true", "perhaps"))], 1, "skipClientIdValidation is neither true nor false"),
        ("something else", vec![also("acme-special", "{}")],                 0, "the policy \"acme-special\" was not converted: Tollgate has no equivalent"),
        ("MUL-06 contracts", vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("true", "false"))], 1, "client_lists.contracts is empty, so every request is rejected until"),
        ("a key that nobody knows", vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("scopes:", "scope:"))], 0, "oauth2-token-introspection-flex: \"scope\" is not known, and was not converted"),
        ("commas",         vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("read write", "'read, write'"))], 0, "`scopes` has commas"),
        ("a long timeout", vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("scopes", "authenticationTimeout: 90000, scopes"))], 0, "authenticationTimeout is 90000 ms; here it is 60000 ms"),
        ("a long memory",  vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("scopes", "validatedTokenTTL: 100000, scopes"))], 0, "cache.ttl is 24h, the longest"),
        ("unknown credentials", vec![api("oauth2-token-introspection-flex", &INTROSPECTION.replace("Basic Z2F0ZXdheTpodW50ZXIy", "hunter2"))], 1, "put the gateway's credentials into client_auth"),
        ("no address",     vec![api("oauth2-token-introspection-flex", "{skipClientIdValidation: true}")], 1, "the policy has no introspectionURL"),
        ("no client provider", vec![api("openidconnect-access-token-enforcement-flex", "{}")], 1, "the policy uses the organization's client provider, which is not among the files"),
        ("MUL-08 an older endpoint", vec![provider.clone(), api("openam-access-token-enforcement", "{skipClientIdValidation: true}")], 0, "does not follow RFC 7662"),
        ("some requests only", vec![("api.yaml", instance("orders", &format!("  - policyRef: {{name: oauth2-token-introspection-flex}}\n    config: {INTROSPECTION}\n    rules: [{{path: /a/.*, methods: GET|POST}}]\n")))], 0, "applied to some requests only"),
        ("several policies with scopes", vec![also("oauth2-token-introspection-flex", "{introspectionURL: https://as.example.com/introspect, scopes: a b, scopeValidationCriteria: OR, skipClientIdValidation: true}")], 0, "all of them are required, which is stricter"),
        ("no issuer", vec![("provider.json", json!({"urls": {"introspect": "https://as.example.com/i"}, "primary_client": {"id": "g"}}).to_string())], 0, "has no issuer"),
        ("no client of our own", vec![("provider.json", json!({"urls": {"introspect": "https://as.example.com/i"}}).to_string())], 1, "names no introspection client"),
    ];
    for (name, files, status, want) in cases {
        let (configuration, remarks, got) = carried(&files);
        assert_eq!(got, status, "{name}: {remarks:?}");
        assert!(remarks.iter().any(|remark| remark.contains(want)), "{name}: {remarks:?}");
        assert_eq!(configuration["responses"], json!({"profile": "anypoint"}), "{name}");
        if name.starts_with("MUL-06") {
            assert_eq!(verdict(&configuration, "GET /", Some("read write")), "forbidden");
        }
    }
}

/// A token had to pass every policy, so what one of them demands must not be lost.
#[test]
fn several_policies_are_never_laxer_than_each() {
    let asks = |url: &str, more: &str| {
        format!(
            "- policyRef: {{name: oauth2-token-introspection-flex}}\n  config: {{introspectionURL: '{url}', authorizationValue: Basic Z2F0ZXdheTpodW50ZXIy, skipClientIdValidation: true{more}}}\n"
        )
    };
    let platform =
        "- policyRef: {name: openidconnect-access-token-enforcement-flex}\n  config: {scopes: p}\n";
    let jwt = |keys: &str, audience: &str, claims: &str| {
        format!(
            "- policyRef: {{name: jwt-validation-flex}}\n  config: {{jwtKeyOrigin: jwks, jwksUrl: '{keys}', validateAudClaim: true, mandatoryAudClaim: true, supportedAudiences: {audience}, mandatoryCustomClaims: [{{key: iss, value: 'https://a.example.com'}}{claims}], skipClientIdValidation: true}}\n"
        )
    };
    let (here, there) = ("https://a.example.com/i", "https://b.example.com/i");
    let keys = "https://a.example.com/k";
    let role = ", {key: role, value: admin}";
    #[rustfmt::skip]
    let cases = [
        ("one server",         asks(here, ", scopes: a") + &asks(here, ", scopes: b"),  0, json!({"scopes": ["a", "b"]})),
        ("two servers",        asks(here, "") + &asks(there, ""),                       1, json!({"scopes": ["fill-in"]})),
        ("two, and scopes",    asks(here, ", scopes: a") + &asks(there, ", scopes: b"), 1, json!({"scopes": ["a", "b", "fill-in"]})),
        ("two, and any scope", asks(here, ", scopes: a b, scopeValidationCriteria: OR") + &asks(there, ""), 1, json!({"scopes": {"all": ["fill-in"], "any": ["a", "b"]}})),
        ("the platform's, too", asks(here, "") + platform,                              1, json!({"scopes": ["p", "fill-in"]})),
        ("claims of both",     jwt(keys, "x", "") + &jwt(keys, "x", role),              0, json!({"claims": [{"name": "role", "equals": "admin"}]})),
        ("other keys",         jwt(keys, "x", "") + &jwt("https://b.example.com/k", "x", ""), 1, json!({"scopes": ["fill-in"]})),
        ("other audiences",    jwt(keys, "x", "") + &jwt(keys, "y", role),              1, json!({"scopes": ["fill-in"], "claims": [{"name": "role", "equals": "admin"}]})),
    ];
    for (name, list, status, requires) in cases {
        let (configuration, remarks, got) = carried(&[("list.yaml", list)]);
        assert_eq!((got, &configuration["requires"]), (status, &requires), "{name}: {remarks:?}");
    }
    let ttl = |first: &str, second: &str| {
        let list = asks(here, &format!(", validatedTokenTTL: {first}"))
            + &asks(here, &format!(", validatedTokenTTL: {second}"));
        carried(&[("list.yaml", list)]).0["cache"]["ttl"].clone()
    };
    assert_eq!((ttl("60", "600"), ttl("600", "60")), (json!("60s"), json!("60s")));
}

/// The `config` of a policy that validates JWTs by a server's keys.
const JWT: &str = "{jwtOrigin: httpBearerAuthenticationHeader, signingMethod: rsa, signingKeyLength: 384, jwtKeyOrigin: jwks, jwksUrl: https://as.example.com/keys, jwksServiceTimeToLive: 30, jwksServiceConnectionTimeout: 2000, validateAudClaim: true, mandatoryAudClaim: true, supportedAudiences: 'api, other', mandatoryExpClaim: true, mandatoryNbfClaim: false, validateCustomClaim: true, mandatoryCustomClaims: [{key: iss, value: \"#['https://as.example.com']\"}, {key: tenant, value: acme}], skipClientIdValidation: true, clientIdExpression: '#[vars.claimSet.azp]'}";

#[test]
fn a_policy_for_jwts_becomes_keys() {
    let api = |config: &str| {
        let policy = format!("  - policyRef: {{name: jwt-validation-flex}}\n    config: {config}\n");
        carried(&[("api.yaml", instance("orders", &policy))])
    };
    let (configuration, remarks, status) = api(JWT);
    assert_eq!(status, 0, "{remarks:?}");
    let entry = json!({
        "validate": "jwt", "issuer": "https://as.example.com", "audiences": ["api", "other"], "algorithms": ["RS384"], "typ": "any",
        "jwks": {"uri": "https://as.example.com/keys", "cluster": "main", "timeout": "2000ms", "cache_duration": "30m"},
        "client_id_claim": ["azp"],
    });
    assert_eq!(configuration["providers"], json!({"main": entry}));
    assert_eq!(configuration["requires"], json!({"claims": [{"name": "tenant", "equals": "acme"}]}));
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    #[rustfmt::skip]
    let cases = [
        ("a shared secret",          JWT.replace("rsa", "hmac"),                                         "signingMethod \"hmac\" with 384 bits cannot be converted"),
        ("no signature",             JWT.replace("rsa", "none"),                                         "signingMethod \"none\""),
        ("a key in the policy",      JWT.replace("jwtKeyOrigin: jwks", "jwtKeyOrigin: text, textKey: hunter2"), "the key is in the policy"),
        ("no word on where keys are", JWT.replace("jwtKeyOrigin: jwks, ", ""),                           "the key is in the policy"),
        ("no audience",              JWT.replace("validateAudClaim: true", "validateAudClaim: false"),   "did not check `aud`"),
        ("an empty list of audiences", JWT.replace("'api, other'", "''"),                                "did not check `aud`"),
        ("no issuer",                JWT.replace("key: iss", "key: sub"),                                "did not check `iss`"),
        ("an expression",            JWT.replace("value: acme", "value: '#[attributes.headers.tenant]'"), "the claim \"tenant\" is compared with an expression"),
        ("a token elsewhere",        JWT.replace("httpBearerAuthenticationHeader", "customExpression"),  "jwtOrigin is an expression"),
        ("contracts",                JWT.replace("skipClientIdValidation: true", "skipClientIdValidation: false"), "client_lists.contracts is empty"),
    ];
    for (name, config, want) in cases {
        let (_, remarks, status) = api(&config);
        assert_eq!(status, 1, "{name}: {remarks:?}");
        assert!(remarks.iter().any(|remark| remark.contains(want)), "{name}: {remarks:?}");
    }
    let both = format!(
        "  - policyRef: {{name: oauth2-token-introspection-flex}}\n    config: {INTROSPECTION}\n  - policyRef: {{name: jwt-validation-flex}}\n    config: {JWT}\n"
    );
    let (configuration, ..) = carried(&[("api.yaml", instance("orders", &both))]);
    assert_eq!(configuration["providers"]["main"]["validate"], "jwt_then_introspection");
    assert_eq!(
        configuration["providers"]["main"]["introspection"]["uri"],
        "https://as.example.com/introspect"
    );
}

#[test]
fn lists_of_policies_are_read() {
    let bare = format!(
        "- policyRef: {{name: oauth2-token-introspection-flex}}\n  config: {INTROSPECTION}\n- policyRef: acme-special\n"
    );
    let config = json!({"introspectionURL": "https://as.example.com/introspect", "authorizationValue": "Basic Z2F0ZXdheTpodW50ZXIy", "skipClientIdValidation": true, "scopes": "read write"});
    let managed = json!([
        {"id": 1, "policyTemplateId": "348742", "template": {"groupId": "68ef9520", "assetId": "oauth2-token-introspection", "assetVersion": "1.1.0"}, "order": 1, "configurationData": config, "pointcutData": null},
        {"id": 2, "policyTemplateId": "acme-special", "order": 2, "configurationData": {}},
        {"id": 3, "policyTemplateId": 55, "order": 3, "disabled": true, "configurationData": {}},
    ]);
    #[rustfmt::skip]
    let cases = [
        ("bare",                   bare.clone()),
        ("under their key",        format!("policies:\n{bare}")),
        ("API Manager's",          managed.to_string()),
        ("API Manager's, wrapped", json!({"total": 3, "policies": managed}).to_string()),
    ];
    for (name, text) in cases {
        let (configuration, remarks, status) = carried(&[("policies.yaml", text)]);
        assert_eq!(status, 0, "{name}: {remarks:?}");
        assert_eq!(configuration["requires"], json!({"scopes": ["read", "write"]}), "{name}");
        assert!(
            remarks.iter().any(|remark| remark.contains("the policy \"acme-special\" was not converted")),
            "{name}: {remarks:?}"
        );
        let disabled = remarks.iter().any(|remark| remark.contains("the policy \"55\" is disabled"));
        assert_eq!(disabled, name.starts_with("API"), "{name}: {remarks:?}");
    }
}

#[test]
fn selectors_look_at_labels() {
    let api = instance("orders", "    []\n")
        .replace("{name: orders}", "{name: orders, labels: {team: blue, tier: one}}");
    let bound = |selector: &str, order: u8, scopes: &str| {
        let config = INTROSPECTION.replace("read write", scopes);
        binding(
            &format!("kind: Selector, selector: {selector}"),
            order,
            "oauth2-token-introspection-flex",
            &config,
        )
    };
    let text = api
        + &bound("{kind: ApiInstance, team: blue}", 1, "blue")
        + &bound("{team: red}", 2, "red")
        + &bound("{team: blue, tier: two}", 3, "two")
        + &bound("{kind: ApiInstance}", 4, "all");
    let (configuration, remarks, _) = carried(&[("conf.yaml", text)]);
    assert_eq!(configuration["requires"], json!({"scopes": ["all", "blue"]}));
    for label in ["team: red", "tier: two"] {
        let want =
            format!("is for instances with the label {label}, which orders does not have; it is left out");
        assert!(remarks.iter().any(|remark| remark.contains(&want)), "{label}: {remarks:?}");
    }
}

#[test]
fn bindings_find_their_instance() {
    let other = "{introspectionURL: https://other.example.com/introspect, skipClientIdValidation: true}";
    let files = [(
        "conf.yaml",
        instance("orders", "    []\n")
            + "---\n"
            + &instance("invoices", "    []\n")
            + &binding("kind: ApiInstance, name: invoices", 1, "oauth2-token-introspection-flex", other)
            + &binding("name: orders", 2, "oauth2-token-introspection-flex", INTROSPECTION)
            + &binding("kind: Selector", 3, "cors-flex", "{}")
            + "---\napiVersion: gateway.mulesoft.com/v1alpha1\nkind: Service\nmetadata: {name: s}\n",
    )];
    let run = import(&files, &[]);
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.contains("contain 2 API instances: orders, invoices")
            && run.stderr.contains("--api orders"),
        "{run:?}"
    );
    let orders = import(&files, &["--api", "orders"]);
    assert!(
        orders.stdout.contains("https://as.example.com") && !orders.stdout.contains("other.example"),
        "{orders:?}"
    );
    assert!(orders.stdout.contains("cors-flex"), "{orders:?}");
    let invoices = import(&files, &["--api", "invoices"]);
    assert!(invoices.stdout.contains("https://other.example.com"), "{invoices:?}");
    let none = import(&files, &["--api", "nothing"]);
    assert!(none.status == 2 && none.stderr.contains("no ApiInstance \"nothing\""), "{none:?}");
}

#[test]
fn first_mistakes_are_explained() {
    let two = json!([client_provider(), client_provider()]);
    #[rustfmt::skip]
    let cases = [
        ("an empty file", String::new(), "no Anypoint data in file.yaml"),
        ("something else", "a: {b: [c]}\n".to_owned(), "no Anypoint data in file.yaml"),
        ("no YAML", "a: [b\n".to_owned(), "file.yaml:"),
        ("two client providers", two.to_string(), "the files contain 2 client providers: Okta production, Okta production"),
        ("no policy about tokens", instance("orders", "  - policyRef: {name: cors-flex}\n"), "no policy about access tokens is bound to the API"),
        ("an address that is none", instance("orders", &format!("  - policyRef: {{name: oauth2-token-introspection-flex}}\n    config: {}\n", INTROSPECTION.replace("https://as", "as"))), "the result is not a valid configuration: providers.main.introspection.uri"),
        ("too deep", format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)), "file.yaml:"),
    ];
    for (name, text, want) in cases {
        let run = import(&[("file.yaml", text)], &[]);
        assert!(run.status == 2 && run.stdout.is_empty(), "{name}: {run:?}");
        assert!(run.stderr.contains(want), "{name}: {}", run.stderr);
    }
    let run = Tollgate::new().run(["import", "anypoint", "nothing.yaml"]);
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (2, "tollgate: cannot read nothing.yaml: no such file or directory\n")
    );
}
