//! What is not written: defaults, presets, shorthands.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_engine::policy::requirement::SenderConstraint;
use tollgate_engine::policy::{CorsPreflight, Mode};
use tollgate_engine::provider::client_auth::ClientAuth;
use tollgate_engine::request::places::TokenHeader;
use tollgate_engine::response::{Format, Profile};

use super::everything::everything;
use super::{parse, smallest, with};

#[test]
fn the_smallest_configuration_and_its_defaults() {
    let policy = parse(&smallest()).unwrap();
    let [provider] = policy.providers.as_slice() else { panic!() };
    assert_eq!(provider.name, "okta");
    assert_eq!(provider.tokens.issuer.as_deref(), Some("https://dev.example.com/oauth2/default"));
    assert!(
        provider.tokens.audiences.is_empty()
            && provider.token_prefix.is_none()
            && !provider.tokens.scope_array
    );
    assert_eq!(provider.tokens.clock_skew, Duration::ZERO);
    assert_eq!(provider.tokens.scope_claim, ["scope", "scp"]);
    assert_eq!(provider.tokens.client_id_claim, ["client_id", "azp", "cid", "appid"]);
    let endpoint = &provider.introspection;
    assert_eq!(
        (endpoint.scheme.as_str(), endpoint.authority.as_str(), endpoint.path.as_str()),
        ("https", "dev.example.com", "/oauth2/default/v1/introspect")
    );
    assert_eq!(endpoint.clusters, ["okta"]);
    assert_eq!((endpoint.timeout, endpoint.retries), (Duration::from_secs(2), 1));
    let ClientAuth::Basic(credentials) = &endpoint.client_auth else { panic!() };
    assert_eq!(credentials.expose(), "Basic Z2F0ZXdheTpmcm9tLXRoZS1lbnZpcm9ubWVudA==");
    assert_eq!(endpoint.token_type_hint.as_deref(), Some("access_token"));
    assert!(endpoint.parameters.is_empty() && endpoint.headers.is_empty());
    assert_eq!(endpoint.max_response_bytes, 65_536);
    assert!(
        !endpoint.lenient_content_type && !provider.tokens.ignore_token_type && !provider.tokens.require_iss
    );
    let bearer = TokenHeader { name: "authorization".to_owned(), scheme: Some("Bearer".to_owned()) };
    assert_eq!(policy.token.headers, [bearer]);
    assert!(policy.token.params.is_empty() && policy.token.cookies.is_empty());
    assert!(!policy.token.form && policy.token.forward && !policy.token.strict_multiple);
    assert_eq!(policy.token.require_tls, None);
    assert_eq!((policy.token.max_form_bytes, policy.token.max_length), (65_536, 16_384));
    assert_eq!(policy.requires.scopes.challenge(), "orders:read");
    assert_eq!(policy.requires.sender_constraint, SenderConstraint::IfBound);
    assert!(policy.rules.is_empty() && policy.provider_order.is_empty());
    assert!(policy.upstream.claim_to_headers.is_empty() && policy.upstream.claims_prefix.is_none());
    assert_eq!((policy.responses.profile, policy.responses.format), (Profile::Rfc6750, Format::Json));
    assert_eq!(policy.responses.retry_after, Duration::from_secs(5));
    let cache = &policy.cache;
    assert_eq!((cache.max_entries, cache.negative_max_entries, cache.ttl_jitter), (10_000, 2000, 10));
    // INT-25: a reply without `exp` is not remembered
    let times =
        [cache.ttl, cache.ttl_without_exp, cache.negative_ttl, cache.refresh_ahead, cache.stale_if_error];
    assert_eq!(times.map(|time| time.as_secs()), [300, 0, 10, 10, 0]);
    assert!(cache.shared);
    assert_eq!(endpoint.back_off, Duration::from_secs(1));
    assert!(policy.responses.realm.is_none() && policy.responses.overrides.is_empty());
    // COR-02
    assert_eq!((policy.cors_preflight, policy.mode), (CorsPreflight::Enforce, Mode::Enforce));
    assert_eq!(policy.max_streams, None);
}

#[test]
fn a_preset_fills_in_the_endpoint_and_what_is_written_wins() {
    let endpoint = |provider: Value| {
        let policy = parse(&json!({"providers": {"p": provider}})).unwrap();
        let endpoint = &policy.providers[0].introspection;
        format!("{}://{}{}", endpoint.scheme, endpoint.authority, endpoint.path)
    };
    let call = json!({"cluster": "c", "client_auth": {"method": "none"}});
    let by_hand =
        json!({"uri": "https://own.example.com/i", "cluster": "c", "client_auth": {"method": "none"}});
    #[rustfmt::skip]
    let cases = [
        ("below the issuer",   json!({"preset": "okta", "issuer": "https://a.okta.com/oauth2/default", "introspection": call}),
         "https://a.okta.com/oauth2/default/v1/introspect"),
        ("a slash at the end", json!({"preset": "keycloak", "issuer": "https://sso.example.com/realms/m/", "introspection": call}),
         "https://sso.example.com/realms/m/protocol/openid-connect/token/introspect"),
        ("below the base URL", json!({"preset": "ping_federate", "issuer": "https://sign-in.example.com", "base_url": "https://pf.example.com:9031", "introspection": call}),
         "https://pf.example.com:9031/as/introspect.oauth2"),
        ("by hand",            json!({"preset": "openam", "issuer": "https://am.example.com/openam/oauth2", "introspection": by_hand}),
         "https://own.example.com/i"),
    ];
    for (name, provider, want) in cases {
        assert_eq!(endpoint(provider), want, "{name}");
    }
}

#[test]
fn the_shorthands() {
    let policy =
        parse(&with(&[("requires", json!({"scopes": {"any": ["a", "b"]}, "clients": ["c"]}))])).unwrap();
    assert_eq!((policy.requires.scopes.all.len(), policy.requires.scopes.any.len()), (0, 2));
    assert_eq!(policy.requires.clients.unwrap().name, None);
    let policy = parse(&with(&[("responses.profile", json!("anypoint"))])).unwrap();
    assert_eq!(policy.token.params, ["access_token"], "MUL-02");
    let off = with(&[("responses.profile", json!("anypoint")), ("token.from_params", json!([]))]);
    assert!(parse(&off).unwrap().token.params.is_empty());
    let policy = parse(&with(&[
        ("client_lists", json!({"none": {"clients": []}})),
        ("requires.clients", json!({"list": "none"})),
    ]))
    .unwrap();
    assert!(!policy.requires.clients.unwrap().allows(""));
    // MCP-07
    let forward = |resource| parse(&with(&[("resource", resource)])).unwrap().token.forward;
    assert!(forward(json!({"identifier": "https://h/mcp"})));
    assert!(!forward(json!({"identifier": "https://h/mcp", "profile": "mcp"})));
    assert!(!forward(
        json!([{"identifier": "https://h/a"}, {"identifier": "https://h/mcp", "profile": "mcp"}])
    ));
}

#[test]
fn a_resource_that_is_described() {
    let policy = parse(&everything()).unwrap();
    let [resource] = policy.resources.all.as_slice() else { panic!() };
    assert_eq!(resource.identifier, "https://api.example.com/v1");
    assert_eq!(resource.audiences, ["https://api.example.com/v1/", "api"]);
    assert_eq!(resource.metadata_uri, "https://api.example.com/.well-known/oauth-protected-resource/v1");
    assert_eq!(resource.targets, ["/.well-known/oauth-protected-resource/v1"]);
    // PRM-04, PRM-08: what is not enforced is not claimed.
    let metadata: Value = serde_json::from_str(&resource.metadata).unwrap();
    let names: Vec<_> = metadata.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "authorization_details_types_supported",
            "authorization_servers",
            "bearer_methods_supported",
            "dpop_signing_alg_values_supported",
            "resource",
            "resource_documentation",
            "resource_name",
            "resource_policy_uri",
            "resource_tos_uri",
            "scopes_supported",
            "tls_client_certificate_bound_access_tokens",
        ]
    );
    assert_eq!(metadata["bearer_methods_supported"], json!(["body", "query"]));
    let b = policy.providers.iter().find(|provider| provider.name == "b").unwrap();
    assert_eq!(b.tokens.implied_scopes, [("x:*".to_owned(), vec!["x:read".to_owned()])]);
}
