//! The configuration: every documented mistake and its exact message, and the reference that is
//! written from the tables.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, too, may fail loudly")]
#![allow(clippy::too_many_lines, reason = "tables")]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::config::error::ConfigError;
use tollgate_engine::config::keys::{CONFIGURATION, REFUSALS};
use tollgate_engine::config::reference;
use tollgate_engine::config::schema::{Absent, Kind};
use tollgate_engine::decision::Verdict;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::policy::requirement::SenderConstraint;
use tollgate_engine::policy::rule::{Access, HeaderTest, PathPattern};
use tollgate_engine::policy::{CorsPreflight, Mode, Policy};
use tollgate_engine::proof::certificate::CertificateSource;
use tollgate_engine::provider::client_auth::ClientAuth;
use tollgate_engine::provider::keys::KeySource;
use tollgate_engine::provider::{Dialect, Provider, Validate};
use tollgate_engine::provider::{TokenIn, Typ};
use tollgate_engine::request::places::TokenHeader;
use tollgate_engine::request::tls::TlsSource;
use tollgate_engine::response::{Format, Profile};
use tollgate_engine::token::claims::ClaimTest;

const EXTERNAL: &str = "dpop.external_origin: expected a scheme and authority, such as https://api.example.com, and the path prefix that a hop removes, if any, such as https://api.example.com/orders";

/// The smallest configuration.
fn smallest() -> Value {
    json!({
        "providers": {"okta": {
            "issuer": "https://dev.example.com/oauth2/default",
            "introspection": {
                "uri": "https://dev.example.com/oauth2/default/v1/introspect",
                "cluster": "okta",
                "client_auth": {"client_id": "gateway", "client_secret_env": "OKTA_CLIENT_SECRET"},
            },
        }},
        "requires": {"scopes": ["orders:read"]},
    })
}

fn env(name: &str) -> Option<String> {
    match name {
        "OKTA_CLIENT_SECRET" | "RS_TOKEN" => Some("from-the-environment".to_owned()),
        "NOT_A_TOKEN" => Some("two words".to_owned()),
        "AS_KEY" => Some(include_str!("../keys/p256.pem").to_owned()),
        "KEY_RSA_1024" => Some(include_str!("../keys/rsa-1024.pem").to_owned()),
        "NONCE_KEY" => Some("k".repeat(32)),
        "NOTHING" => Some(String::new()),
        "BREAK" => Some("\n".to_owned()),
        "BREAKS" => Some("s3cret\n\n".to_owned()),
        _ => None,
    }
}

fn parse(document: &Value) -> Result<Policy, Vec<ConfigError>> {
    Policy::parse(document.to_string().as_bytes(), &env)
}

/// What an operator reads, a line per fault.
fn faults(document: &Value) -> Vec<String> {
    messages(parse(document))
}

fn messages(result: Result<Policy, Vec<ConfigError>>) -> Vec<String> {
    result.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The smallest configuration with one thing set, at a path as in `rules.0.match`. `@` is okta's
/// introspection.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut document = smallest();
    for (path, value) in changes {
        let path = path.replace('@', "providers.okta.introspection");
        let mut place = &mut document;
        for key in path.split('.').filter(|key| !key.is_empty()) {
            if let Ok(index) = key.parse::<usize>() {
                if !place.is_array() {
                    *place = json!([]);
                }
                let items = place.as_array_mut().unwrap();
                while items.len() <= index {
                    items.push(json!({}));
                }
                place = &mut items[index];
            } else {
                if !place.is_object() {
                    *place = json!({});
                }
                place = place.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
            }
        }
        *place = value.clone();
    }
    document
}

fn without(path: &[&str]) -> Value {
    let mut document = smallest();
    let (last, above) = path.split_last().unwrap();
    let parent = above.iter().fold(&mut document, |place, key| &mut place[*key]);
    parent.as_object_mut().unwrap().remove(*last);
    document
}

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

/// Every supported key, none with its default.
/// The key of RFC 8037 appendix A.
fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn everything() -> Value {
    json!({
        "providers": {
            "b": {
                "preset": "keycloak",
                "base_url": "https://b.example.com/realms/b",
                "issuer": "https://b.example.com",
                "audiences": ["https://api.example.com", "api"],
                "clock_skew": "1m",
                "validate": "introspection",
                "token_prefix": "mst_",
                "scope_claim": ["permissions"],
                "client_id_claim": ["sub"],
                "scope_array": "accept",
                "default_scopes": ["basic"],
                "implied_scopes": {"x:*": ["x:read"]},
                "introspection": {
                    "uri": "https://B.example.com:443/introspect?tenant=1",
                    "cluster": "b",
                    "timeout": "1s500ms",
                    "retries": 3.0,
                    "fallback_clusters": ["b2", "b3"],
                    "client_auth": {"method": "client_secret_post", "client_id": "id", "client_secret": "hush"},
                    "token_type_hint": "",
                    "parameters": {"tenant": "t", "empty": ""},
                    "headers": {"X-Api-Key": "k"},
                    "dialect": "rfc7662",
                    "max_response_bytes": 1024,
                    "lenient_content_type": true,
                    "ignore_token_type": true,
                    "require_iss": true,
                    "unknown_token": {"status": [400, 404], "error": ["invalid_token"]},
                    "back_off": "3s",
                },
            },
            "a": {"introspection": {
                "uri": "http://127.0.0.1:8080", "cluster": "a",
                "client_auth": {"method": "bearer", "bearer_token_env": "RS_TOKEN"},
            }},
            "c.d": {"introspection": {
                "uri": "https://c.example.com/i", "cluster": "c",
                "client_auth": {"method": "none", "client_id": "tls"},
            }},
            "e": {"introspection": {
                "uri": "https://e.example.com/i", "cluster": "e",
                "client_auth": {"client_id": "x y", "client_secret": "", "basic_encoding": "raw"},
            }},
            "f": {"introspection": {
                "uri": "https://f.example.com/i", "cluster": "f",
                "client_auth": {
                    "method": "private_key_jwt", "client_id": "id", "private_key_env": "AS_KEY", "algorithm": "ES256",
                    "kid": "2026", "audience": "https://f.example.com", "assertion_lifetime": "30s",
                    "assertion_typ": "client-authentication+jwt",
                    "assertion_reuse": true,
                },
            }},
            "g": {
                "issuer": "https://g.example.com", "validate": "jwt", "any_audience": true, "algorithms": ["ES384", "Ed25519"],
                "typ": "any", "max_token_age": "1h",
                "jwks": {
                    "uri": "https://G.example.com/jwks?v=1", "cluster": "g", "timeout": "3s", "cache_duration": "10m",
                    "stale_if_error": "1h", "max_response_bytes": 4096, "lenient_content_type": true,
                },
            },
            "h": {
                "preset": "okta", "issuer": "https://h.example.com/oauth2/default", "audiences": ["api"],
                "validate": "jwt_then_introspection",
                "introspection": {
                    "cluster": "h", "client_auth": {"method": "none"}, "dialect": "rfc9701", "reply_audience": "me",
                    "expected_issuer": "https://replies.example.com",
                },
                "jwks": {},
            },
            "i": {
                "issuer": "https://i.example.com", "audiences": ["api"], "validate": "jwt", "clock_skew": "0s",
                "jwks": {"inline": {"keys": [ed25519()]}},
            },
            "j": {
                "issuer": "https://j.example.com", "audiences": ["api"], "validate": "jwt_then_introspection", "jwks": {"uri": "https://j.example.com/jwks"},
                "userinfo": {
                    "uri": "https://J.example.com/me?v=1", "cluster": "j", "timeout": "3s", "retries": 2, "fallback_clusters": ["j2"],
                    "reply_audience": "app", "max_response_bytes": 4096, "back_off": "2s",
                },
            },
            "k": {"introspection": {
                "uri": "https://k.example.com/tokeninfo", "cluster": "k", "dialect": "tokeninfo", "token_in": "query", "client_auth": {"method": "none"},
            }},
        },
        "provider_order": ["c.d", "a"],
        "token": {
            "from_headers": [{"name": "X-Access-Token"}, {"name": "Authorization", "scheme": "Token"}],
            "from_params": ["access_token"],
            "from_cookies": ["session"],
            "from_websocket_protocol": "bearer",
            "from_form": true,
            "max_form_bytes": 1000,
            "max_length": 100,
            "forward": false,
            "strict_multiple": true,
            "require_tls": true,
            "tls_source": "forwarded_proto",
        },
        "requires": {
            "providers": ["b"],
            "scopes": {"all": ["x"], "any": ["y", "z"]},
            "audiences": ["api"],
            "clients": {"list": "partners"},
            "claims": [
                {"name": "tenant", "any_of": ["a", 1, true]},
                {"name": "realm_access.roles", "contains": "admin"},
                {"name": "email_verified", "equals": true},
            ],
            "authorization_details": [{
                "type": "pay",
                "locations": ["https://pay.example.com"],
                "actions": ["begin", "status"],
                "datatypes": ["amount"],
                "privileges": ["admin"],
                "identifier": "a-1",
            }],
            "no_delegation": true,
            "acr_values": ["gold", "silver"],
            "max_age": "5m",
            "sender_constraint": "ignore",
        },
        "rules": [
            {
                "name": "read",
                "match": {"path_template": "/orders/{id}", "methods": ["GET"], "hosts": ["*.Example.com"], "ignore_case": true, "ignore_final_slash": true, "escaped_slashes": "keep",
                          "headers": [{"name": "X-Env", "exact": "prod"}, {"name": "x-debug", "present": false}]},
                "access": "optional",
                "requires": {"clients": ["one", "two"]},
                "from_params": ["token", "access_token"],
            },
            {"match": {"path": "/health"}, "access": "anonymous"},
            {"match": {"prefix": "/internal"}, "access": "deny"},
            {"match": {"safe_regex": "/v[0-9]+/.*"}, "access": "required"},
        ],
        "matching": {"path_parameters": "literal", "host_port": "ignore", "method_override": "ignore"},
        "client_lists": {
            "partners": {"clients": [{"id": "one", "name": "One", "tier": "gold"}, {"id": "two"}]},
            "nobody": {"clients": []},
            "live": {
                "uri": "https://lists.example/lists/partners",
                "cluster": "lists",
                "refresh": "1m",
                "timeout": "3s",
                "bearer_token": "b64token==",
                "max_response_bytes": 4096,
            },
        },
        "upstream": {
            "claim_to_headers": [{"header_name": "X-Client-Id", "claim_name": "client_id"}],
            "claims_prefix": "X-Agw-",
            "claims_prefix_underscores": "keep",
            "forward_payload_header": "X-Token-Claims",
            "filter_state": true,
        },
        "mtls": {"source": "xfcc", "hops": 2},
        "dpop": {
            "max_age": "30s",
            "clock_skew": "1s",
            "algorithms": ["ES256"],
            "nonce": "required",
            "nonce_lifetime": "1m",
            "nonce_key_env": "NONCE_KEY",
            "replay_cache": 7,
            "external_origin": "https://api.example.com/v1/",
            "forward": false,
        },
        "cache": {
            "max_entries": 7,
            "ttl": "1m",
            "ttl_without_exp": "20s",
            "ttl_jitter": 0,
            "negative_ttl": "1s",
            "negative_max_entries": 3,
            "shared": false,
            "refresh_ahead": "5s",
            "stale_if_error": "10m",
        },
        "resource": {
            "identifier": "https://api.example.com/v1",
            "profile": "rfc9728",
            "audiences": ["https://api.example.com/v1/", "api"],
            "audience_check": "enforce",
            "authorization_servers": ["https://b.example.com"],
            "scopes_supported": ["x"],
            "name": "Orders",
            "documentation": "https://docs.example/",
            "policy_uri": "https://docs.example/policy",
            "tos_uri": "https://docs.example/tos",
        },
        "responses": {
            "profile": "anypoint",
            "realm": "say \"orders\" \\o/",
            "format": "none",
            "retry_after": "1m",
            "error_uri": "https://docs.example/e",
            "cors_origins": ["https://app.example.com", "http://localhost:3000"],
            "overrides": {"no_token": {"status": 400}, "unavailable": {"body": "<p>", "content_type": "text/html; charset=utf-8"}},
        },
        "cors_preflight": "pass",
        "user_agent": "gateway/2.1 (eu-1)",
        "mode": "shadow",
    })
}

fn every_key_of_jwts_arrives(providers: &[Provider]) {
    let [g, h, i] = [0, 1, 2].map(|at| &providers[at]);
    let uri = |provider: &Provider| match &provider.keys {
        Some(KeySource::Uri(uri)) => Some(uri.clone()),
        Some(KeySource::Inline(_)) | None => None,
    };
    assert_eq!(
        (g.validate, g.tokens.audiences.len(), g.tokens.clock_skew),
        (Validate::Jwt, 0, Duration::from_secs(60))
    );
    let algorithms: Vec<_> = g.jwt.algorithms.iter().map(Algorithm::name).collect();
    assert_eq!(algorithms, ["ES384", "EdDSA"]);
    assert_eq!((g.jwt.typ, g.tokens.max_token_age), (Typ::Any, Some(Duration::from_secs(3600))));
    let (of_g, of_h) = (uri(g).unwrap(), uri(h).unwrap());
    let uri = of_g;
    let place = (uri.authority.as_str(), uri.path.as_str(), uri.cluster.as_str());
    assert_eq!(place, ("g.example.com", "/jwks?v=1", "g"));
    assert_eq!(
        [uri.timeout, uri.cache_duration, uri.stale_if_error].map(|time| time.as_secs()),
        [3, 600, 3600]
    );
    assert_eq!(uri.max_response_bytes, 4096);
    assert_eq!((h.validate, h.jwt.typ), (Validate::JwtThenIntrospection, Typ::Any));
    let uri = of_h;
    let place = (uri.authority.as_str(), uri.path.as_str(), uri.cluster.as_str());
    assert_eq!(place, ("h.example.com", "/oauth2/default/v1/keys", "h"));
    assert_eq!(
        [uri.timeout, uri.cache_duration, uri.stale_if_error].map(|time| time.as_secs()),
        [2, 300, 86_400]
    );
    assert_eq!((i.jwt.typ, i.tokens.clock_skew, i.tokens.max_token_age), (Typ::AtJwt, Duration::ZERO, None));
    assert!(i.jwt.algorithms.allow(Algorithm::Rs256), "ATJ-03");
    assert!(matches!(&i.keys, Some(KeySource::Inline(set)) if set.len() == 1));
    every_key_of_older_ways_arrives(&providers[3], &providers[4]);
}

fn every_key_of_older_ways_arrives(user_info: &Provider, token_info: &Provider) {
    let asked = &user_info.introspection;
    let place = (asked.authority.as_str(), asked.path.as_str(), asked.clusters.as_slice());
    assert_eq!(place, ("j.example.com", "/me?v=1", ["j", "j2"].map(str::to_owned).as_slice()));
    assert_eq!((asked.timeout, asked.retries), (Duration::from_secs(3), 2));
    assert_eq!((asked.max_response_bytes, asked.back_off), (4096, Duration::from_secs(2)));
    assert_eq!(asked.dialect, Dialect::UserInfo { audience: Some("app".to_owned()) });
    // Its keys come through the same cluster.
    assert!(matches!(&user_info.keys, Some(KeySource::Uri(uri)) if uri.cluster == "j"));
    let asked = &token_info.introspection;
    assert_eq!((&asked.dialect, &asked.token_type_hint), (&Dialect::TokenInfo(TokenIn::Query), &None));
}

#[test]
fn every_key_arrives() {
    let policy = parse(&everything()).unwrap();
    assert_eq!(
        policy.providers.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c.d", "e", "f", "g", "h", "i", "j", "k"]
    );
    let [a, b, c, e, signs, of_jwts @ ..] = policy.providers.as_slice() else { panic!() };
    assert_eq!((b.validate, b.keys.is_none()), (Validate::Introspection, true));
    every_key_of_jwts_arrives(of_jwts);
    assert_eq!(b.tokens.audiences, ["https://api.example.com", "api"]);
    assert_eq!((b.tokens.clock_skew, b.token_prefix.as_deref()), (Duration::from_secs(60), Some("mst_")));
    assert_eq!(
        (b.tokens.scope_claim.as_slice(), b.tokens.client_id_claim.as_slice()),
        (&["permissions".to_owned()][..], &["sub".to_owned()][..])
    );
    assert!(b.tokens.scope_array);
    let endpoint = &b.introspection;
    assert_eq!(
        (endpoint.authority.as_str(), endpoint.path.as_str()),
        ("b.example.com:443", "/introspect?tenant=1")
    );
    assert_eq!(endpoint.clusters, ["b", "b2", "b3"]);
    assert_eq!((endpoint.timeout, endpoint.retries), (Duration::from_millis(1500), 3));
    // OAU-14
    let post = ClientAuth::Post { client_id: "id".to_owned(), client_secret: Secret::new("hush") };
    assert_eq!(endpoint.client_auth, post);
    assert_eq!(endpoint.token_type_hint, None);
    let pair = |a: &str, b: &str| (a.to_owned(), Secret::new(b));
    assert_eq!(endpoint.parameters, [pair("empty", ""), pair("tenant", "t")]);
    assert_eq!(endpoint.headers, [pair("x-api-key", "k")]);
    assert_eq!(endpoint.max_response_bytes, 1024);
    assert!(endpoint.lenient_content_type && b.tokens.ignore_token_type && b.tokens.require_iss);
    assert_eq!(endpoint.back_off, Duration::from_secs(3));
    let cache = &policy.cache;
    assert_eq!((cache.max_entries, cache.negative_max_entries, cache.ttl_jitter), (7, 3, 0));
    let times =
        [cache.ttl, cache.ttl_without_exp, cache.negative_ttl, cache.refresh_ahead, cache.stale_if_error];
    assert_eq!(times.map(|time| time.as_secs()), [60, 20, 1, 5, 600]);
    assert!(!cache.shared);
    assert_eq!((a.introspection.scheme.as_str(), a.introspection.path.as_str()), ("http", "/"));
    // INT-06
    assert_eq!(a.introspection.client_auth, ClientAuth::Bearer(Secret::new("Bearer from-the-environment")));
    assert_eq!(c.introspection.client_auth, ClientAuth::None { client_id: Some("tls".to_owned()) });
    let ClientAuth::Assertion(assertion) = &signs.introspection.client_auth else { panic!() };
    assert_eq!((assertion.client_id(), assertion.algorithm()), ("id", Algorithm::Es256));
    let signed = policy.providers.iter().find(|provider| provider.name == "h").unwrap();
    let (audience, issuer) = ("me".to_owned(), "https://replies.example.com".to_owned());
    assert_eq!(signed.introspection.dialect, Dialect::Rfc9701 { audience, issuer });
    // OAU-17, OAU-20
    assert_eq!(e.introspection.client_auth, ClientAuth::Basic(Secret::new("Basic eCB5Og==")));
    assert_eq!(policy.provider_order, [ProviderId(2), ProviderId(0)]);

    let header = |name: &str, scheme: Option<&str>| TokenHeader {
        name: name.to_owned(),
        scheme: scheme.map(str::to_owned),
    };
    assert_eq!(
        policy.token.headers,
        [
            header("x-access-token", None),
            header("authorization", Some("Token")),
            header("authorization", Some("DPoP"))
        ]
    );
    let dpop = policy.dpop.as_ref().unwrap();
    assert_eq!((dpop.max_age, dpop.clock_skew), (Duration::from_secs(30), Duration::from_secs(1)));
    assert_eq!((dpop.algorithms.to_string().as_str(), dpop.replay_cache, dpop.forward), ("ES256", 7, false));
    assert_eq!(dpop.external_origin.as_deref(), Some("https://api.example.com/v1"));
    assert_eq!(policy.mtls, Some(CertificateSource::Xfcc { hops: 2 }));
    let nonce = dpop.nonce.as_ref().unwrap();
    assert!(nonce.lifetime == Duration::from_secs(60) && nonce.key.is_some());

    assert_eq!(
        (policy.token.params.as_slice(), policy.token.cookies.as_slice()),
        (&["access_token".to_owned()][..], &["session".to_owned()][..])
    );
    assert!(policy.token.form && !policy.token.forward && policy.token.strict_multiple);
    assert_eq!(policy.token.require_tls, Some(TlsSource::ForwardedProto));
    assert_eq!((policy.token.max_form_bytes, policy.token.max_length), (1000, 100));

    let requires = &policy.requires;
    assert_eq!(requires.providers, [ProviderId(1)]);
    assert_eq!(
        (requires.scopes.all.len(), requires.scopes.any.len(), requires.scopes.challenge()),
        (1, 2, "x y".to_owned())
    );
    assert_eq!(requires.audiences, ["api"]);
    let list = requires.clients.as_ref().unwrap();
    assert_eq!(list.name.as_deref(), Some("partners"));
    assert_eq!(list.clients["one"].tier.as_deref(), Some("gold"));
    assert!(list.allows("two") && !list.allows("three"));
    let tests: Vec<_> = requires.claims.iter().map(|claim| claim.test.clone()).collect();
    assert_eq!(
        tests,
        [
            ClaimTest::AnyOf(vec![json!("a"), json!(1), json!(true)]),
            ClaimTest::Contains(json!("admin")),
            ClaimTest::Equals(json!(true)),
        ]
    );
    let detail = &requires.details[0];
    assert_eq!((detail.kind.as_str(), detail.identifier.as_deref()), ("pay", Some("a-1")));
    let lists: Vec<_> = detail.lists.iter().map(|(name, held)| (*name, held.len())).collect();
    assert_eq!(lists, [("locations", 1), ("actions", 2), ("datatypes", 1), ("privileges", 1)]);
    assert!(requires.no_delegation);
    assert_eq!(requires.acr_values, ["gold", "silver"]);
    assert_eq!(requires.max_age, Some(Duration::from_secs(300)));
    assert_eq!(requires.sender_constraint, SenderConstraint::Ignore);

    let [read, health, internal, versioned] = policy.rules.as_slice() else { panic!() };
    assert_eq!((read.name.as_str(), health.name.as_str()), ("read", "rules[1]"));
    assert_eq!(
        (read.access, health.access, internal.access, versioned.access),
        (Access::Optional, Access::Anonymous, Access::Deny, Access::Required)
    );
    assert!(matches!(read.matcher.path, Some(PathPattern::Template(_))));
    assert!(matches!(health.matcher.path, Some(PathPattern::Exact(_))));
    assert!(matches!(internal.matcher.path, Some(PathPattern::Prefix(_))));
    assert!(matches!(versioned.matcher.path, Some(PathPattern::Regex(_))));
    assert_eq!((read.matcher.methods.as_slice(), read.matcher.hosts.len()), (&["GET".to_owned()][..], 1));
    assert_eq!(read.matcher.headers[0].name, "x-env");
    assert_eq!(read.matcher.headers[0].test, HeaderTest::Exact("prod".to_owned()));
    assert!(read.requires.as_ref().unwrap().clients.as_ref().unwrap().allows("one"));
    assert!(read.requires.as_ref().unwrap().scopes.all.is_empty(), "never merged with the general one");
    assert!(health.requires.is_none());
    assert_eq!(read.from_params, ["token"], "access_token is a place for every request");

    assert_eq!(
        (
            policy.upstream.claim_to_headers[0].header_name.as_str(),
            policy.upstream.claim_to_headers[0].claim.as_str()
        ),
        ("x-client-id", "client_id")
    );
    assert_eq!(policy.upstream.claims_prefix.as_deref(), Some("x-agw-"));
    assert!(policy.upstream.keeps_underscores);
    assert_eq!(policy.upstream.forward_payload_header.as_deref(), Some("x-token-claims"));
    assert!(policy.upstream.filter_state);

    let responses = &policy.responses;
    assert_eq!((responses.profile, responses.format), (Profile::Anypoint, Format::None));
    assert_eq!(responses.realm.as_deref(), Some("say \"orders\" \\o/"), "HTT-04");
    assert_eq!(responses.retry_after, Duration::from_secs(60));
    assert_eq!(responses.error_uri.as_deref(), Some("https://docs.example/e"), "BRR-29");
    assert_eq!(responses.cors_origins, ["https://app.example.com", "http://localhost:3000"]);
    assert_eq!(responses.overrides[&Verdict::NoToken].status, Some(400));
    assert_eq!(responses.overrides[&Verdict::Unavailable].body.as_deref(), Some("<p>"));
    assert_eq!(
        responses.overrides[&Verdict::Unavailable].content_type.as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert_eq!((policy.cors_preflight, policy.mode), (CorsPreflight::Pass, Mode::Shadow));
    let b = policy.providers.iter().find(|provider| provider.name == "b").unwrap();
    assert_eq!(b.introspection.user_agent, "gateway/2.1 (eu-1)");
    let unknown = b.introspection.unknown_token.as_ref().unwrap();
    assert_eq!(
        (unknown.status.as_slice(), unknown.error.as_slice()),
        ([400, 404].as_slice(), ["invalid_token".to_owned()].as_slice())
    );
}

#[test]
fn everything_names_every_supported_key() {
    fn visit(kind: &Kind, values: &[&Value], path: &str, missing: &mut Vec<String>) {
        if let Some(object) = kind.object() {
            let objects: Vec<_> = values.iter().filter_map(|value| value.as_object()).collect();
            for key in object.keys.iter().filter(|key| !matches!(key.kind, Kind::Later)) {
                let path = format!("{path}.{}", key.name);
                let below: Vec<_> = objects.iter().filter_map(|members| members.get(key.name)).collect();
                if below.is_empty() {
                    missing.push(path.clone());
                }
                visit(&key.kind, &below, &path, missing);
            }
        } else if let Some(entries) = kind.entries() {
            let below: Vec<_> = values
                .iter()
                .flat_map(|value| match value {
                    Value::Array(items) => items.iter().collect::<Vec<_>>(),
                    Value::Object(members) => members.values().collect(),
                    _ => vec![],
                })
                .collect();
            visit(entries, &below, path, missing);
        }
    }
    let mut everything = everything();
    everything["providers"]["a"]["introspection"]["client_auth"]["bearer_token"] = json!("x");
    everything["providers"]["a"]["introspection"]["client_auth"]["client_secret_env"] = json!("x");
    everything["client_lists"]["live"]["bearer_token_env"] = json!("x");
    everything["providers"]["a"]["introspection"]["client_auth"]["private_key"] = json!("x");
    everything["mtls"]["header"] = json!("client-cert");
    everything["mtls"]["format"] = json!("rfc9440");
    // The same object is at two places.
    everything["rules"][1]["requires"] = everything["requires"].clone();
    let mut missing = Vec::new();
    visit(&CONFIGURATION, &[&everything], "", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
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

/// Puts changes over a document; `null` takes a member away.
fn merge(onto: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        let members = onto.as_object_mut().unwrap();
        match value {
            Value::Null => drop(members.remove(name)),
            Value::Object(_) if members.contains_key(name) => merge(&mut members[name], value),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
}

/// A provider whose JWTs are verified, with these changes; `null` takes a key away.
fn jwt(changes: &Value) -> Value {
    let mut provider = json!({
        "issuer": "https://j.example.com", "audiences": ["api"], "validate": "jwt", "jwks": {"inline": {"keys": [ed25519()]}},
    });
    merge(&mut provider, changes);
    provider
}

#[test]
fn every_mistake_has_its_message() {
    const I: &str = "providers.okta.introspection";
    let of = |place: &str, text: &str| format!("{place}{text}").replace('@', I);
    let auth = |auth: Value| vec![("@.client_auth", auth)];
    let unknown_token = |unknown: Value| vec![("@.unknown_token", unknown)];
    let key_auth = |algorithm: &str, variable: &str| json!({"method": "private_key_jwt", "client_id": "x", "private_key_env": variable, "algorithm": algorithm, "audience": "https://a"});
    let rule = |rule: Value| vec![("rules", json!([rule]))];
    let claim = |claim: Value| vec![("requires.claims", json!([claim]))];
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<(&str, Value)>, &[&str])> = vec![
        // Shape. PWX-17, PWX-18
        ("PWX-18 a misspelt key",          vec![("providers.okta.audience", json!(["a"]))],
         &["providers.okta.audience: unknown key; did you mean \"audiences\"?"]),
        ("an unknown key",                 vec![("colour", json!("red"))],
         &["colour: unknown key; known: \"providers\", \"provider_order\", \"token\", \"requires\", \"rules\", \"matching\", \"client_lists\", \"upstream\", \"cache\", \"dpop\", \"mtls\", \"resource\", \"responses\", \"cors_preflight\", \"user_agent\" and \"mode\""]),
        ("a key in camel case",            vec![("@.client_auth.clientId", json!("x")), ("@.tokenTypeHint", json!("x"))],
         &["@.client_auth.clientId: unknown key; known: \"method\", \"client_id\", \"client_secret\", \"client_secret_env\", \"basic_encoding\", \"bearer_token\", \"bearer_token_env\", \"private_key\", \"private_key_env\", \"algorithm\", \"kid\", \"audience\", \"assertion_lifetime\", \"assertion_typ\" and \"assertion_reuse\"",
           "@.tokenTypeHint: unknown key; did you mean \"token_type_hint\"?"]),
        ("a key that is no word",          vec![("a \"b\"\n", json!(1))],
         &["[\"a \\\"b\\\"\\n\"]: unknown key; known: \"providers\", \"provider_order\", \"token\", \"requires\", \"rules\", \"matching\", \"client_lists\", \"upstream\", \"cache\", \"dpop\", \"mtls\", \"resource\", \"responses\", \"cors_preflight\", \"user_agent\" and \"mode\""]),
        ("a bare number for a duration",   vec![("@.timeout", json!(2))],
         &["@.timeout: expected a duration, such as 250ms, 2s, 5m or 1h30m, found a number"]),
        ("an odd duration",                vec![("@.timeout", json!("2 s"))],
         &["@.timeout: expected a duration, such as 250ms, 2s, 5m or 1h30m"]),
        ("too long a timeout",             vec![("@.timeout", json!("99m"))],
         &["@.timeout: expected 1ms to 1m, got 1h39m"]),
        ("no timeout",                     vec![("@.timeout", json!("0s"))],
         &["@.timeout: expected 1ms to 1m, got 0s"]),
        ("JWT-31 too much leeway",         vec![("providers.okta.clock_skew", json!("1h"))],
         &["providers.okta.clock_skew: expected 0s to 5m, got 1h"]),
        ("too many retries",               vec![("@.retries", json!(6))],
         &["@.retries: expected 0 to 5, got 6"]),
        ("a negative number",              vec![("@.retries", json!(-1))],
         &["@.retries: expected 0 to 5, got -1"]),
        ("a fraction",                     vec![("@.retries", json!(1.5))],
         &["@.retries: expected a whole number, found a fraction"]),
        ("text for a number",              vec![("token.max_length", json!("100"))],
         &["token.max_length: expected a whole number, found text"]),
        ("text for a boolean",             vec![("token.forward", json!("false"))],
         &["token.forward: expected true or false, found text"]),
        ("text for a list",                vec![("requires.scopes", json!("a b"))],
         &["requires.scopes: expected a list or an object, found text"]),
        ("a list for an object",           vec![("providers", json!([]))],
         &["providers: expected an object, found a list"]),
        ("null",                           vec![("token", json!(null))],
         &["token: expected an object, found null"]),
        ("no provider",                    vec![("providers", json!({}))],
         &["providers: expected at least one entry"]),
        ("an empty list",                  vec![("requires.scopes", json!([])), ("requires.audiences", json!([]))],
         &["requires.scopes: expected at least one entry", "requires.audiences: expected at least one entry"]),
        ("an unknown word",                vec![("mode", json!("audit"))],
         &["mode: expected \"enforce\" or \"shadow\""]),
        ("a misspelt word",                vec![("responses.profile", json!("rfc-6750"))],
         &["responses.profile: expected \"rfc6750\" or \"anypoint\"; did you mean \"rfc6750\"?"]),
        ("a word in upper case",           vec![("@.client_auth.method", json!("NONE"))],
         &["@.client_auth.method: expected \"client_secret_basic\", \"client_secret_post\", \"client_secret_jwt\", \"private_key_jwt\", \"bearer\" or \"none\"; did you mean \"none\"?"]),
        ("a later key",                    vec![("on_expiry", json!("close")), ("@.jwks", json!(1))],
         &["providers.okta.introspection.jwks: is not supported by this version",
           "on_expiry: is not supported by this version"]),
        ("a certificate nobody knows",     vec![("requires.sender_constraint", json!("mtls"))],
         &["requires.sender_constraint: requires mtls as well"]),
        ("a binding nobody can prove",     vec![("requires.sender_constraint", json!("any_bound"))],
         &["requires.sender_constraint: requires dpop (or mtls) as well"]),
        ("a hop's word on nothing",        vec![("token", json!({"tls_source": "forwarded_proto"}))],
         &["token.tls_source: requires require_tls: true as well"]),
        ("a certificate from elsewhere",   vec![("mtls", json!({"source": "headers"}))],
         &["mtls.source: expected \"connection\", \"xfcc\" or \"header\"; did you mean \"header\"?"]),
        ("a certificate in some field",    vec![("mtls", json!({"source": "header"}))],
         &["mtls.header: required, but missing", "mtls.format: required, but missing"]),
        ("a certificate in two places",    vec![("mtls", json!({"source": "xfcc", "header": "client-cert", "format": "der", "hops": 0}))],
         &["mtls.hops: expected 1 to 10, got 0", "mtls.header: requires source: header as well", "mtls.format: expected \"pem\", \"pem_chain\", \"rfc9440\" or \"base64\""]),
        ("hops of a connection",           vec![("mtls", json!({"hops": 2}))],
         &["mtls.hops: requires source: xfcc as well"]),
        ("a field of its own kind",        vec![("mtls", json!({"source": "header", "header": "X-Forwarded-Client-Cert", "format": "pem"}))],
         &["mtls.header: reserved: use source: xfcc"]),
        ("a field that clients fill",      vec![("mtls", json!({"source": "header", "header": "Authorization", "format": "pem"}))],
         &["mtls.header: reserved: clients send this field themselves"]),
        ("a field of the connection",      vec![("mtls", json!({"source": "header", "header": "te", "format": "pem"}))],
         &["mtls.header: reserved: it belongs to the connection"]),
        ("a client list of both kinds",    vec![("client_lists.live", json!({"clients": [], "uri": "https://x.example"}))],
         &["client_lists.live: expected exactly one of \"clients\" and \"uri\", found 2", "client_lists.live.cluster: required, but missing"]),
        ("a client list of no kind",       vec![("client_lists.live", json!({"cluster": "lists", "bearer_token": "x"}))],
         &["client_lists.live: expected exactly one of \"clients\" and \"uri\", found none", "client_lists.live.cluster: requires uri as well", "client_lists.live.bearer_token: requires uri as well"]),
        ("a fetched list's place",         vec![("client_lists.live", json!({"uri": "lists.example/partners", "cluster": "lists", "refresh": "10ms", "timeout": "0s", "bearer_token": "a b", "max_response_bytes": 0}))],
         &["client_lists.live.uri: expected an absolute http or https URI", "client_lists.live.refresh: expected 1s to 24h, got 10ms", "client_lists.live.timeout: expected 1ms to 1m, got 0s", "client_lists.live.bearer_token: expected a Bearer token (RFC 6750 §2.1)", "client_lists.live.max_response_bytes: expected 1 to 16777216, got 0"]),
        ("a fetched list's credentials",   vec![("client_lists.live", json!({"uri": "https://x.example/l", "cluster": "lists", "bearer_token": "b", "bearer_token_env": "ABSENT"}))],
         &["client_lists.live: expected at most one of \"bearer_token\" and \"bearer_token_env\", found 2"]),
        ("a fetched list's variable",      vec![("client_lists.live", json!({"uri": "https://user:pw@x.example/l#f", "cluster": "lists", "bearer_token_env": "ABSENT"}))],
         &["client_lists.live.uri: expected a URI without a fragment", "client_lists.live.bearer_token_env: the environment variable is not set, or empty; the VM's environment_variables must list it"]),
        ("a signed reply of nobody",       vec![("@.dialect", json!("rfc9701"))],
         &["providers.okta.introspection.dialect: requires jwks as well"]),
        ("a reply that is not signed",     vec![("@.reply_audience", json!("me")), ("@.expected_issuer", json!("https://r.example"))],
         &["providers.okta.introspection.reply_audience: requires dialect: rfc9701 as well", "providers.okta.introspection.expected_issuer: requires dialect: rfc9701 as well"]),
        ("UIN-05 UserInfo and demands",     vec![("providers.okta", json!({"audiences": ["a"], "default_scopes": ["b"], "userinfo": {"uri": "https://x/u", "cluster": "x"}})),
                                                 ("requires", json!({"scopes": ["a"], "audiences": ["b"], "clients": ["c"], "authorization_details": [{"type": "t"}], "no_delegation": true, "acr_values": ["gold"]})),
                                                 ("rules", json!([{"match": {"path": "/a"}, "requires": {"scopes": {"any": ["a"]}, "claims": [{"name": "sub", "equals": "x"}]}}])),
                                                 ("resource", json!({"identifier": "https://api.example.com/"}))],
         &["providers.okta.audiences: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor", "providers.okta.default_scopes: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor", "requires.scopes: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor", "requires.audiences: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor", "requires.clients: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor", "requires.authorization_details: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor", "requires.no_delegation: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor", "rules[0].requires.scopes: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor", "resource.identifier: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor"]),
        ("UserInfo and introspection",     vec![("providers.okta.userinfo", json!({"uri": "https://x/u", "cluster": "x"}))],
         &["providers.okta: expected at most one of \"introspection\" and \"userinfo\", found 2", "requires.scopes: contradicts providers.okta.userinfo: UserInfo does not contain a token's scopes, audience, client or actor"]),
        ("UIN-04 signed UserInfo",         vec![("providers.okta", json!({"userinfo": {"uri": "https://x/u", "cluster": "x", "reply_audience": "app"}})), ("requires", json!({}))],
         &["providers.okta.userinfo.reply_audience: requires issuer as well", "providers.okta.userinfo.reply_audience: requires jwks as well"]),
        ("UserInfo of no known product",   vec![("providers.okta", json!({"issuer": "https://x", "userinfo": {"cluster": "x"}})), ("requires", json!({}))],
         &["providers.okta.userinfo.uri: required, but missing"]),
        ("a place in calls without one",   vec![("@.token_in", json!("header"))],
         &["providers.okta.introspection.token_in: requires dialect: tokeninfo as well"]),
        ("credentials without a place",    vec![("@.dialect", json!("tokeninfo")), ("@.parameters", json!({"a": "b"}))],
         &["providers.okta.introspection.client_auth.method: contradicts providers.okta.introspection.dialect: such a call cannot send credentials; use token_in: form, or method: none", "providers.okta.introspection.parameters: contradicts providers.okta.introspection.dialect: such a call cannot send credentials; use token_in: form, or method: none"]),
        ("a client id without a place",    vec![("@.dialect", json!("tokeninfo")), ("@.client_auth", json!({"method": "none", "client_id": "x"}))],
         &["providers.okta.introspection.client_auth.client_id: contradicts providers.okta.introspection.dialect: such a call cannot send credentials; use token_in: form, or method: none"]),
        ("details without a type",         vec![("requires.authorization_details", json!([{"actions": []}]))],
         &["requires.authorization_details[0].type: required, but missing",
           "requires.authorization_details[0].actions: expected at least one entry"]),
        ("a proof that nobody checks",     vec![("requires.sender_constraint", json!("dpop"))],
         &["requires.sender_constraint: requires dpop as well"]),
        ("how proofs are checked",         vec![("dpop", json!({"max_age": "1h", "algorithms": ["HS256", "ES256", "ES256"], "nonce": "always", "replay_cache": 0, "external_origin": "api.example.com"}))],
         &["dpop.max_age: expected 1s to 10m, got 1h", "dpop.algorithms[0]: expected \"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"ES512\", \"EdDSA\" or \"Ed25519\"; did you mean \"RS256\"?", "dpop.algorithms[2]: the same as dpop.algorithms[1]", "dpop.nonce: expected \"off\" or \"required\"", "dpop.replay_cache: expected 1 to 1000000, got 0", EXTERNAL]),
        ("where clients call",             vec![("dpop", json!({"external_origin": "https://api.example.com/v1?x"}))],
         &[EXTERNAL]),
        ("a prefix that is not normal",    vec![("dpop", json!({"external_origin": "https://api.example.com/a/../v1"}))],
         &[EXTERNAL]),
        ("a prefix with two slashes",      vec![("dpop", json!({"external_origin": "https://api.example.com//"}))],
         &[EXTERNAL]),
        ("a prefix with escapes",          vec![("dpop", json!({"external_origin": "https://api.example.com/%76%31"}))],
         &[EXTERNAL]),
        ("a key for no nonces",            vec![("dpop", json!({"nonce_key_env": "NONCE_KEY"}))],
         &["dpop.nonce_key_env: requires nonce: required as well"]),
        ("a key that is not there",        vec![("dpop", json!({"nonce": "required", "nonce_key_env": "ABSENT"}))],
         &["dpop.nonce_key_env: the environment variable is not set, or empty; the VM's environment_variables must list it"]),
        ("a provider's name",              vec![("providers.my okta", smallest()["providers"]["okta"].clone())],
         &["providers[\"my okta\"]: expected its name to be a name of up to 64 letters, digits, \"-\", \"_\" and \".\""]),

        // Providers
        ("a relative endpoint",            vec![("@.uri", json!("/introspect"))],
         &["@.uri: expected an absolute http or https URI"]),
        ("a preset with nothing below",    vec![("providers.okta", json!({"preset": "keycloak", "introspection": {"cluster": "c", "client_auth": {"method": "none"}}}))],
         &["providers.okta.preset: requires issuer or base_url as well"]),
        ("a base URL without a preset",    vec![("providers.okta.base_url", json!("https://am.example.com"))],
         &["providers.okta.base_url: requires a preset as well"]),
        ("a base URL with a query",        vec![("providers.okta", json!({"preset": "openam", "base_url": "https://am.example.com/openam?x", "introspection": {"cluster": "c", "client_auth": {"method": "none"}}}))],
         &["providers.okta.base_url: expected a URI without a query"]),
        ("a misspelt preset",              vec![("providers.okta", json!({"preset": "keycloack", "issuer": "https://sso.example.com/realms/m", "introspection": {"cluster": "c", "client_auth": {"method": "none"}}}))],
         &["providers.okta.preset: expected \"generic\", \"okta\", \"openam\", \"forgerock\", \"salesforce\", \"ping_federate\" or \"keycloak\"; did you mean \"keycloak\"?"]),
        ("user information",               vec![("@.uri", json!("https://me:pw@as.example.com/"))],
         &["@.uri: expected a URI without user information; credentials go into client_auth"]),
        ("a fragment",                     vec![("@.uri", json!("https://as.example.com/#x"))],
         &["@.uri: expected a URI without a fragment"]),
        ("a host beyond ASCII",            vec![("@.uri", json!("https://ás.example.com/"))],
         &["@.uri: expected an absolute http or https URI"]),
        ("OAU-18 a secret in the URI",     vec![("@.uri", json!("https://as.example.com/i?client_secret=x"))],
         &["@.uri: credentials and tokens do not belong in a URI; put them into client_auth"]),
        ("an issuer that is no URI",       vec![("providers.okta.issuer", json!("okta"))],
         &["providers.okta.issuer: expected an absolute http or https URI without a fragment"]),
        ("an issuer with a fragment",      vec![("providers.okta.issuer", json!("https://a.example/#x"))],
         &["providers.okta.issuer: expected an absolute http or https URI without a fragment"]),
        ("a status that says nothing",     unknown_token(json!({"status": [402, 400], "error": ["invalid_token"]})),
         &["@.unknown_token.status[0]: expected 400, 401, 403 or 404"]),
        ("a status of another kind",       unknown_token(json!({"status": [500], "error": ["invalid_token"]})),
         &["@.unknown_token.status[0]: expected 400 to 404, got 500"]),
        ("errors about ourselves",         unknown_token(json!({"status": [400, 401], "error": ["invalid_token", "invalid_client", "access_denied"]})),
         &["@.unknown_token.error[1]: reserved: this error is about our own credentials or our call", "@.unknown_token.error[2]: reserved: this error is about our own credentials or our call"]),
        ("no error, any error",            unknown_token(json!({"status": [401], "error": []})),
         &["@.unknown_token.error: expected at least one entry"]),
        ("a status alone",                 unknown_token(json!({"status": [404]})),
         &["@.unknown_token.error: required, but missing"]),
        ("an error that is none",          unknown_token(json!({"status": [404], "error": ["a\"b"]})),
         &["@.unknown_token.error[0]: expected an error code: printable ASCII without quotes and backslashes (RFC 6749 Appendix A.7)"]),
        ("twice the same",                 unknown_token(json!({"status": [404, 404], "error": ["a"]})),
         &["@.unknown_token.status[1]: the same as @.unknown_token.status[0]"]),
        ("our own bearer token",           vec![("providers.b", json!({"introspection": {"uri": "https://b.example", "cluster": "b", "client_auth": {"method": "bearer", "bearer_token": "x"}, "unknown_token": {"status": [400, 401], "error": ["invalid_token"]}}}))],
         &["providers.b.introspection.unknown_token.status[1]: contradicts providers.b.introspection.client_auth.method: so this status means that our own bearer token is rejected (RFC 6750 §3.1)"]),
        ("where errors mean that anyway",  vec![("providers.b", json!({"introspection": {"uri": "https://b.example", "cluster": "b", "dialect": "tokeninfo", "client_auth": {"method": "none"}, "unknown_token": {"status": [400], "error": ["invalid_token"]}}}))],
         &["providers.b.introspection.unknown_token: contradicts providers.b.introspection.dialect: with this dialect, errors about tokens have this meaning anyway"]),
        ("a user agent that is none",      vec![("user_agent", json!("a gateway (of ours"))],
         &["user_agent: expected products and comments, such as gateway/1.0 (eu-1) (RFC 9110 §10.1.5)"]),
        ("a header that we set",           vec![("providers.b", json!({"introspection": {"uri": "https://b.example", "cluster": "b", "client_auth": {"method": "none"}, "headers": {"Accept-Encoding": "gzip"}}}))],
         &["providers.b.introspection.headers.Accept-Encoding: reserved: Tollgate sets it to fit the call"]),
        ("INT-20 iss without an issuer",   vec![("providers.b", json!({"introspection": {"uri": "https://b.example", "cluster": "b", "client_auth": {"method": "none"}, "require_iss": true}}))],
         &["providers.b.introspection.require_iss: requires issuer as well"]),
        ("JWTs without anything",          vec![("providers.j", json!({"validate": "jwt"}))],
         &["providers.j.validate: requires issuer as well", "providers.j.validate: requires audiences (or any_audience: true) as well", "providers.j.validate: requires jwks as well"]),
        ("JWT-35 JWTs for anybody",        vec![("providers.j", jwt(&json!({"audiences": null})))],
         &["providers.j.validate: requires audiences (or any_audience: true) as well"]),
        ("JWT-35 for these or anybody",    vec![("providers.j", jwt(&json!({"any_audience": true})))],
         &["providers.j.any_audience: contradicts providers.j.audiences: either these audiences or any audience can be accepted"]),
        ("JWT-49 both without one",        vec![("providers.j", jwt(&json!({"validate": "jwt_then_introspection"})))],
         &["providers.j.introspection: required, but missing"]),
        ("JWT-49 a mode that there is not", vec![("providers.j", jwt(&json!({"validate": "auto"})))],
         &["providers.j.validate: expected \"introspection\", \"jwt\" or \"jwt_then_introspection\"", "providers.j.introspection: required, but missing",
           "providers.j.jwks: requires validate: jwt as well"]),
        ("what only JWTs have",            vec![("providers.okta.typ", json!("any")), ("providers.okta.max_token_age", json!("1h")), ("providers.okta.any_audience", json!(true)), ("providers.okta.jwks", json!({"inline": {"keys": [ed25519()]}}))],
         &["providers.okta.any_audience: requires validate: jwt as well", "providers.okta.jwks: requires validate: jwt as well", "providers.okta.typ: requires validate: jwt as well", "providers.okta.max_token_age: requires validate: jwt as well"]),
        ("JWT-08 JWT-14 algorithms",       vec![("providers.j", jwt(&json!({"algorithms": ["none", "HS256", "es256", "ES256"]})))],
         &["providers.j.algorithms[0]: expected \"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"ES512\", \"EdDSA\" or \"Ed25519\"",
           "providers.j.algorithms[1]: expected \"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"ES512\", \"EdDSA\" or \"Ed25519\"; did you mean \"RS256\"?",
           "providers.j.algorithms[2]: expected \"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"ES512\", \"EdDSA\" or \"Ed25519\"; did you mean \"ES256\"?"]),
        ("no algorithms",                  vec![("providers.j", jwt(&json!({"algorithms": []})))],
         &["providers.j.algorithms: expected at least one entry"]),
        ("JWT-31 an hour of leeway",       vec![("providers.j", jwt(&json!({"clock_skew": "1h"})))],
         &["providers.j.clock_skew: expected 0s to 5m, got 1h"]),
        ("ATJ-07 encryption",              vec![("providers.j", jwt(&json!({"require_encryption": true})))],
         &["providers.j.require_encryption: unknown key; known: \"preset\", \"base_url\", \"issuer\", \"audiences\", \"any_audience\", \"clock_skew\", \"validate\", \"token_prefix\", \"introspection\", \"jwks\", \"algorithms\", \"typ\", \"max_token_age\", \"scope_claim\", \"client_id_claim\", \"scope_array\", \"default_scopes\", \"implied_scopes\" and \"userinfo\""]),
        ("keys from two places",           vec![("providers.j", jwt(&json!({"jwks": {"uri": "https://j.example.com/jwks", "cluster": "j"}})))],
         &["providers.j.jwks: expected at most one of \"uri\" and \"inline\", found 2"]),
        ("keys from nowhere",              vec![("providers.j", jwt(&json!({"jwks": {"inline": null}})))],
         &["providers.j.jwks.uri: required, but missing", "providers.j.jwks.cluster: required, but missing"]),
        ("keys from no URI",               vec![("providers.j", jwt(&json!({"jwks": {"inline": null, "uri": "jwks", "cluster": "j"}})))],
         &["providers.j.jwks.uri: expected an absolute http or https URI"]),
        ("keys that are no object",        vec![("providers.j", jwt(&json!({"jwks": {"inline": []}})))],
         &["providers.j.jwks.inline: expected an object, found a list"]),
        ("keys that are no set",           vec![("providers.j", jwt(&json!({"jwks": {"inline": {"keys": []}}})))],
         &["providers.j.jwks.inline: expected a set of 1 to 100 public keys: {keys: […]} (RFC 7517 §5)"]),
        ("ATK-60 keys that are none",      vec![("providers.j", jwt(&json!({"jwks": {"inline": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}, ed25519(), {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}, {"kty": "EC", "crv": "P-256", "x": "", "y": ""}, {"kty": "X"}]}}})))],
         &["providers.j.jwks.inline.keys[0]: expected a public key for signatures: it holds a private or symmetric key",
           "providers.j.jwks.inline.keys[2]: expected a public key for signatures: it holds a private or symmetric key",
           "providers.j.jwks.inline.keys[3]: expected a public key for signatures: x has an invalid length or value",
           "providers.j.jwks.inline.keys[4]: expected a public key for signatures: a kind of key that is not supported"]),
        ("a cache out of bounds",          vec![("cache", json!({"max_entries": 2_000_000, "ttl": "25h", "ttl_jitter": 51, "negative_ttl": "2h", "shared": "yes", "size": 3}))],
         &["cache.max_entries: expected 0 to 1000000, got 2000000", "cache.ttl: expected 0s to 24h, got 25h", "cache.ttl_jitter: expected 0 to 50, got 51",
           "cache.negative_ttl: expected 0s to 1h, got 2h", "cache.shared: expected true or false, found text",
           "cache.size: unknown key; known: \"max_entries\", \"ttl\", \"ttl_without_exp\", \"ttl_jitter\", \"negative_ttl\", \"negative_max_entries\", \"shared\", \"refresh_ahead\" and \"stale_if_error\""]),
        ("the same token prefix",          vec![("providers.okta.token_prefix", json!("x_")), ("providers.a", json!({"token_prefix": "x_", "introspection": {"uri": "https://b.example", "cluster": "b", "client_auth": {"method": "none"}}}))],
         &["providers.okta.token_prefix: the same as providers.a.token_prefix"]),
        ("an empty token prefix",          vec![("providers.okta.token_prefix", json!(""))],
         &["providers.okta.token_prefix: expected the start of a token: printable ASCII without spaces"]),
        ("the same cluster again",         vec![("@.fallback_clusters", json!(["other", "okta"]))],
         &["@.fallback_clusters[1]: the same as @.cluster"]),
        ("INT-09 a parameter of ours",     vec![("@.parameters", json!({"token": "x", "client_id": "x", "client_secret": "x", "client_assertion": "x", "client_assertion_type": "x", "token_type_hint": "x", "resource": "fine"}))],
         &["@.parameters.client_assertion: reserved: use introspection.client_auth", "@.parameters.client_assertion_type: reserved: use introspection.client_auth",
           "@.parameters.client_id: reserved: use introspection.client_auth", "@.parameters.client_secret: reserved: use introspection.client_auth",
           "@.parameters.token: reserved: Tollgate puts the client's token there", "@.parameters.token_type_hint: reserved: use introspection.token_type_hint"]),
        ("a header of ours",               vec![("@.headers", json!({"Authorization": "x", "accept": "x", "Content-Type": "x", "content-length": "1", "host": "x", "Connection": "x", "transfer_encoding": "x"}))],
         &["@.headers.Authorization: reserved: use introspection.client_auth", "@.headers.Connection: reserved: it belongs to the connection",
           "@.headers.Content-Type: reserved: Tollgate sets it to fit the call", "@.headers.accept: reserved: Tollgate sets it to fit the call",
           "@.headers.content-length: reserved: Tollgate sets it to fit the call", "@.headers.host: reserved: it comes from introspection.uri",
           "@.headers.transfer_encoding: reserved: Tollgate sets it to fit the call"]),
        ("a pseudo-field",                 vec![("@.headers", json!({":path": "/x"}))],
         &["@.headers[\":path\"]: expected its name to be a header name"]),
        ("HTT-05 a line break in a header", vec![("@.headers", json!({"x-a": "a\r\nx-b: c", "x-n": "\0", "x-s": " a"}))],
         &["@.headers.x-a: expected a header value: printable ASCII, no space at either end",
           "@.headers.x-n: expected a header value: printable ASCII, no space at either end",
           "@.headers.x-s: expected a header value: printable ASCII, no space at either end"]),
        ("a header twice",                 vec![("@.headers", json!({"X-A": "1", "x-a": "2"}))],
         &["@.headers.x-a: the same as @.headers.X-A"]),
        ("an unknown provider",            vec![("provider_order", json!(["okta", "octa", "okta", "keycloak"]))],
         &["provider_order[1]: no provider has this name; did you mean \"okta\"?", "provider_order[2]: the same as provider_order[0]",
           "provider_order[3]: no provider has this name; known: \"okta\""]),
        ("an unknown provider in a demand", vec![("requires.providers", json!(["x"]))],
         &["requires.providers[0]: no provider has this name; known: \"okta\""]),

        // Client authentication. INT-05, OAU-14
        ("INT-05 no method and no credentials", auth(json!({})),
         &["@.client_auth: expected exactly one of \"client_secret\" and \"client_secret_env\", found none", "@.client_auth.client_id: required, but missing"]),
        ("both secrets",                   auth(json!({"client_id": "x", "client_secret": "a", "client_secret_env": "OKTA_CLIENT_SECRET"})),
         &["@.client_auth: expected exactly one of \"client_secret\" and \"client_secret_env\", found 2"]),
        ("a variable that is not set",     auth(json!({"client_id": "x", "client_secret_env": "ABSENT"})),
         &["@.client_auth.client_secret_env: the environment variable is not set, or empty; the VM's environment_variables must list it"]),
        ("a variable that is empty",       auth(json!({"client_id": "x", "client_secret_env": "NOTHING"})),
         &["@.client_auth.client_secret_env: the environment variable is not set, or empty; the VM's environment_variables must list it"]),
        ("OAU-15 a secret with a tab",     auth(json!({"client_id": "x", "client_secret": "a\tb"})),
         &["@.client_auth.client_secret: expected a client secret of printable ASCII (RFC 6749 Appendix A.2)"]),
        ("a secret in another script",     auth(json!({"method": "client_secret_post", "client_id": "x", "client_secret": "pässword"})),
         &["@.client_auth.client_secret: expected a client secret of printable ASCII (RFC 6749 Appendix A.2)"]),
        ("two line breaks at its end",     auth(json!({"client_id": "x", "client_secret_env": "BREAKS"})),
         &["@.client_auth.client_secret_env: expected an environment variable that holds a client secret of printable ASCII (RFC 6749 Appendix A.2)"]),
        ("two of them, for an assertion",  auth(json!({"method": "client_secret_jwt", "client_id": "x", "client_secret_env": "BREAKS", "audience": "https://a.example"})),
         &["@.client_auth.client_secret_env: expected an environment variable that holds a client secret of printable ASCII (RFC 6749 Appendix A.2)",
           "@.client_auth.client_secret_env: expected an environment variable that holds a client secret of at least 32 bytes, for HS256 (RFC 7518 §3.2)"]),
        ("two of them, for a token",       auth(json!({"method": "bearer", "bearer_token_env": "BREAKS"})),
         &["@.client_auth.bearer_token_env: expected an environment variable that holds a Bearer token (RFC 6750 §2.1)"]),
        ("a variable of a line break",     auth(json!({"client_id": "x", "client_secret_env": "BREAK"})),
         &["@.client_auth.client_secret_env: the environment variable is not set, or empty; the VM's environment_variables must list it"]),
        ("a client id in another script",  auth(json!({"client_id": "gâteway", "client_secret": "x"})),
         &["@.client_auth.client_id: expected a client id of printable ASCII (RFC 6749 Appendix A.1)"]),
        ("a secret for a variable's name", auth(json!({"client_id": "x", "client_secret_env": "p@ss"})),
         &["@.client_auth.client_secret_env: expected the name of an environment variable"]),
        ("a secret with none",             auth(json!({"method": "none", "client_secret": "x"})),
         &["@.client_auth.client_secret: not used by the method \"none\""]),
        ("a secret with bearer",           auth(json!({"method": "bearer", "bearer_token": "x", "client_id": "x", "client_secret_env": "X"})),
         &["@.client_auth.client_id: not used by the method \"bearer\"", "@.client_auth.client_secret_env: not used by the method \"bearer\""]),
        ("a token with post",              auth(json!({"method": "client_secret_post", "client_id": "x", "client_secret": "x", "bearer_token": "x", "basic_encoding": "raw"})),
         &["@.client_auth.basic_encoding: not used by the method \"client_secret_post\"", "@.client_auth.bearer_token: not used by the method \"client_secret_post\""]),
        ("no token with bearer",           auth(json!({"method": "bearer"})),
         &["@.client_auth: expected exactly one of \"bearer_token\" and \"bearer_token_env\", found none"]),
        ("HTT-05 a token that is none",    auth(json!({"method": "bearer", "bearer_token": "a\r\nb"})),
         &["@.client_auth.bearer_token: expected a Bearer token (RFC 6750 §2.1)"]),
        ("a variable that holds no token", auth(json!({"method": "bearer", "bearer_token_env": "NOT_A_TOKEN"})),
         &["@.client_auth.bearer_token_env: expected an environment variable that holds a Bearer token (RFC 6750 §2.1)"]),
        ("a colon in a raw id",            auth(json!({"client_id": "a:b", "client_secret": "x", "basic_encoding": "raw"})),
         &["@.client_auth.client_id: expected a client id without a colon, because it is sent raw (RFC 7617 §2)"]),

        // Assertions
        ("CAS-10 31 bytes for HS256",      auth(json!({"method": "client_secret_jwt", "client_id": "x", "client_secret": "x".repeat(31), "audience": "https://a"})),
         &["@.client_auth.client_secret: expected a client secret of at least 32 bytes, for HS256 (RFC 7518 §3.2)"]),
        ("CAS-10 32 bytes for HS512",      auth(json!({"method": "client_secret_jwt", "client_id": "x", "client_secret": "x".repeat(32), "algorithm": "HS512", "audience": "https://a"})),
         &["@.client_auth.client_secret: expected a client secret of at least 64 bytes, for HS512 (RFC 7518 §3.2)"]),
        ("CAS-12 a key of 1024 bits",      auth(key_auth("RS256", "KEY_RSA_1024")),
         &["@.client_auth.private_key_env: expected an environment variable that holds an RSA private key of 2048 to 4096 bits, for RS256 and PS256, in PEM (PKCS#8 or PKCS#1, without a passphrase)"]),
        ("CAS-12 no key at all",           auth(key_auth("EdDSA", "NOT_A_TOKEN")),
         &["@.client_auth.private_key_env: expected an environment variable that holds an Ed25519 private key in PEM (PKCS#8, without a passphrase)"]),
        ("CAS-12 a key of another kind",   auth(key_auth("EdDSA", "AS_KEY")),
         &["@.client_auth.private_key_env: expected an environment variable that holds an Ed25519 private key in PEM (PKCS#8, without a passphrase)"]),
        ("CAS-12 a written key",           auth(json!({"method": "private_key_jwt", "client_id": "x", "private_key": "hush", "algorithm": "ES256", "audience": "https://a"})),
         &["@.client_auth.private_key: expected a private key on the curve P-256, for ES256, in PEM (PKCS#8 or SEC1, without a passphrase)"]),
        ("CAS-06 an unknown algorithm",    auth(key_auth("ES-256", "AS_KEY")),
         &["@.client_auth.algorithm: expected \"HS256\", \"HS384\", \"HS512\", \"RS256\", \"PS256\", \"ES256\", \"EdDSA\" or \"Ed25519\"; did you mean \"ES256\"?"]),
        ("CAS-06 a later algorithm",       auth(key_auth("ES384", "AS_KEY")),
         &["@.client_auth.algorithm: \"ES384\" is not supported by this version"]),
        ("CAS-06 an algorithm of secrets", auth(key_auth("HS256", "AS_KEY")),
         &["@.client_auth.algorithm: expected \"RS256\", \"PS256\", \"ES256\", \"EdDSA\" or \"Ed25519\", for the method \"private_key_jwt\""]),
        ("CAS-06 no algorithm",            auth(json!({"method": "private_key_jwt", "client_id": "x", "private_key_env": "AS_KEY", "audience": "https://a"})),
         &["@.client_auth.algorithm: required, but missing"]),
        ("CAS-03 nobody to address",       vec![("providers.okta", json!({"introspection": {"uri": "https://a.example", "cluster": "a", "client_auth": {"method": "private_key_jwt", "client_id": "x", "private_key_env": "AS_KEY", "algorithm": "ES256"}}}))],
         &["@.client_auth.method: requires issuer or client_auth.audience as well"]),
        ("CAS-04 too long a life",         auth(json!({"method": "private_key_jwt", "client_id": "x", "private_key_env": "AS_KEY", "algorithm": "ES256", "audience": "a", "assertion_lifetime": "1h"})),
         &["@.client_auth.assertion_lifetime: expected 5s to 5m, got 1h"]),
        ("no key and no id",               auth(json!({"method": "private_key_jwt", "algorithm": "ES256", "audience": "a"})),
         &["@.client_auth: expected exactly one of \"private_key\" and \"private_key_env\", found none", "@.client_auth.client_id: required, but missing"]),
        ("CAS-09 a secret beside a key",   auth(json!({"method": "private_key_jwt", "client_id": "x", "private_key_env": "AS_KEY", "algorithm": "ES256", "audience": "a", "client_secret": "x"})),
         &["@.client_auth.client_secret: not used by the method \"private_key_jwt\""]),
        ("a key beside a secret",          auth(json!({"client_id": "x", "client_secret": "x", "private_key_env": "AS_KEY", "kid": "x"})),
         &["@.client_auth.private_key_env: not used by the method \"client_secret_basic\"", "@.client_auth.kid: not used by the method \"client_secret_basic\""]),

        // Tokens
        ("no place for tokens",            vec![("token.from_headers", json!([]))],
         &["token: expected at least one place for tokens: from_headers, from_params, from_cookies, from_websocket_protocol or from_form"]),
        ("a place twice",                  vec![("token", json!({"from_headers": [{"name": "authorization", "scheme": "Bearer"}, {"name": "x"}, {"name": "Authorization", "scheme": "bearer"}, {"name": "X", "scheme": "Y"}], "from_params": ["a", "a"], "from_cookies": ["c", "c"]}))],
         &["token.from_headers[2]: the same as token.from_headers[0]", "token.from_headers[3]: the same as token.from_headers[1]",
           "token.from_params[1]: the same as token.from_params[0]", "token.from_cookies[1]: the same as token.from_cookies[0]"]),
        ("a header that cannot hold one",  vec![("token.from_headers", json!([{"name": "Cookie"}, {"name": "host"}, {"name": "te"}, {"name": "a b"}, {"scheme": "x"}]))],
         &["token.from_headers[0].name: reserved: use token.from_cookies", "token.from_headers[1].name: reserved: it has another meaning in every request",
           "token.from_headers[2].name: reserved: it belongs to the connection", "token.from_headers[3].name: expected a header name",
           "token.from_headers[4].name: required, but missing"]),
        ("no name of a protocol",          vec![("token.from_websocket_protocol", json!("bearer, token"))],
         &["token.from_websocket_protocol: expected the name of a WebSocket subprotocol, such as bearer"]),
        ("a protocol's name in a list",    vec![("token.from_websocket_protocol", json!(["bearer"]))],
         &["token.from_websocket_protocol: expected the name of a WebSocket subprotocol, such as bearer, found a list"]),
        ("two readers of one field",       vec![("token", json!({"from_headers": [{"name": "Sec-WebSocket-Protocol"}], "from_websocket_protocol": "bearer"}))],
         &["token.from_websocket_protocol: contradicts token.from_headers: both read Sec-WebSocket-Protocol"]),
        ("DPoP",                           vec![("token.from_headers", json!([{"name": "authorization", "scheme": "DPoP"}]))],
         &["token.from_headers[0].scheme: \"DPoP\" is not supported by this version"]),
        ("a header that upstream sets",    vec![("token.from_headers", json!([{"name": "x_user"}, {"name": "x-agw-token"}])), ("upstream", json!({"forward_payload_header": "x-user", "claims_prefix": "x-agw-"}))],
         &["token.from_headers[0].name: reserved: upstream sets this field", "token.from_headers[1].name: reserved: upstream sets this field"]),

        // Demands
        ("OAU-07 scopes that are none",    vec![("requires.scopes", json!(["a\"b", "a\\b", "a b", "é", ""]))],
         &["requires.scopes[0]: expected one scope: printable ASCII without spaces, quotes and backslashes",
           "requires.scopes[1]: expected one scope: printable ASCII without spaces, quotes and backslashes",
           "requires.scopes[2]: expected one scope: printable ASCII without spaces, quotes and backslashes",
           "requires.scopes[3]: expected one scope: printable ASCII without spaces, quotes and backslashes",
           "requires.scopes[4]: expected one scope: printable ASCII without spaces, quotes and backslashes"]),
        ("no scopes in an object",         vec![("requires.scopes", json!({}))],
         &["requires.scopes: expected at least one of \"all\" and \"any\", found none"]),
        ("a scope twice",                  vec![("requires.scopes", json!(["a", "b", "a"]))],
         &["requires.scopes[2]: the same as requires.scopes[0]"]),
        ("an unknown client list",         vec![("requires.clients", json!({"list": "partner"})), ("client_lists", json!({"partners": {"clients": []}}))],
         &["requires.clients.list: no client list has this name; did you mean \"partners\"?"]),
        ("no client list at all",          vec![("requires.clients", json!({"list": "partners"}))],
         &["requires.clients.list: no client list has this name"]),
        ("a client twice",                 vec![("client_lists", json!({"p": {"clients": [{"id": "a"}, {"id": "a"}, {"name": "x"}]}}))],
         &["client_lists.p.clients[1].id: the same as client_lists.p.clients[0].id", "client_lists.p.clients[2].id: required, but missing"]),
        ("two tests for a claim",          claim(json!({"name": "a", "equals": 1, "contains": 1})),
         &["requires.claims[0]: expected exactly one of \"any_of\", \"contains\" and \"equals\", found 2"]),
        ("no test for a claim",            claim(json!({"name": "a"})),
         &["requires.claims[0]: expected exactly one of \"any_of\", \"contains\" and \"equals\", found none"]),
        ("a misspelt test",                claim(json!({"name": "a", "equal": 1})),
         &["requires.claims[0].equal: unknown key; did you mean \"equals\"?"]),
        ("an object as a claim's value",   claim(json!({"name": "a", "any_of": [{}, null]})),
         &["requires.claims[0].any_of[0]: expected text, a number or a boolean, found an object", "requires.claims[0].any_of[1]: expected text, a number or a boolean, found null"]),
        ("a claim without a name",         claim(json!({"name": "a..b", "equals": 1})),
         &["requires.claims[0].name: expected the name of a claim, with dots between nested ones"]),
        ("an acr with a quote",            vec![("requires.acr_values", json!(["a\"b"]))],
         &["requires.acr_values[0]: expected one authentication context: printable ASCII without spaces, quotes and backslashes"]),
        ("STP-03 a negative age",          vec![("requires.max_age", json!(-1))],
         &["requires.max_age: expected a duration, such as 250ms, 2s, 5m or 1h30m, found a number"]),
        ("an age with milliseconds",       vec![("requires.max_age", json!("1s500ms"))],
         &["requires.max_age: expected whole seconds"]),

        // Rules
        ("a rule for everything",          rule(json!({"match": {}})),
         &["rules[0].match: expected at least one of \"path\", \"prefix\", \"path_template\", \"safe_regex\", \"methods\", \"hosts\" and \"headers\", found none"]),
        ("a rule without match",           rule(json!({"access": "deny"})),
         &["rules[0].match: required, but missing"]),
        ("two paths",                      rule(json!({"match": {"path": "/a", "prefix": "b"}})),
         &["rules[0].match: expected at most one of \"path\", \"prefix\", \"path_template\" and \"safe_regex\", found 2",
           "rules[0].match.prefix: expected a path that starts with \"/\""]),
        ("a path that no request has",     rule(json!({"match": {"path_template": "orders/{id}"}})),
         &["rules[0].match.path_template: expected a path that starts with \"/\""]),
        ("an escape that no path has",     rule(json!({"match": {"safe_regex": "/a%5b[0-9]%5D"}})),
         &["rules[0].match.safe_regex: expected unescaped characters (\\[ for \"[\", not %5B): paths are matched without needless escapes"]),
        ("a bad regular expression",       rule(json!({"match": {"safe_regex": "("}})),
         &["rules[0].match.safe_regex: expected a regular expression (without look-around and back-references)"]),
        ("PTH-06 what is no host",         rule(json!({"match": {"hosts": ["api.example.com:", "https://x"]}})),
         &["rules[0].match.hosts[0]: expected a host name, such as api.example.com, *.example.com or api.example.com:8443",
           "rules[0].match.hosts[1]: expected a host name, such as api.example.com, *.example.com or api.example.com:8443"]),
        ("PTH-18 a port where none counts", vec![("rules", json!([{"match": {"hosts": ["api.example.com", "api.example.com:443"]}}])), ("matching", json!({"host_port": "ignore"}))],
         &["rules[0].match.hosts[1]: contradicts matching.host_port: no request matches a port if ports are ignored"]),
        ("PTH-11 a path with a parameter", vec![("rules", json!([{"match": {"prefix": "/a;x"}}, {"match": {"path_template": "/{id}/a%3bx"}}]))],
         &["rules[0].match.prefix: contradicts matching.path_parameters: no request matches a path with parameters unless they are read literally",
           "rules[1].match.path_template: contradicts matching.path_parameters: no request matches a path with parameters unless they are read literally"]),
        ("PTH-11 a resource with one",     vec![("resource", json!({"identifier": "https://api.example.com/a;x"})), ("matching", json!({"path_parameters": "ignore"}))],
         &["resource.identifier: contradicts matching.path_parameters: no request matches a path with parameters unless they are read literally"]),
        ("PTH-10 the case of no path",     rule(json!({"match": {"methods": ["GET"], "ignore_case": true, "ignore_final_slash": false}})),
         &["rules[0].match.ignore_case: requires a path as well", "rules[0].match.ignore_final_slash: requires a path as well"]),
        ("PTH-16 a field that is there, and how", rule(json!({"match": {"headers": [{"name": "a", "exact": "x", "present": true}, {"name": "b"}]}})),
         &["rules[0].match.headers[0]: expected exactly one of \"exact\" and \"present\", found 2",
           "rules[0].match.headers[1]: expected exactly one of \"exact\" and \"present\", found none"]),
        ("a reading of no kind",           vec![("matching", json!({"path_parameters": "strip", "host_port": "strip", "method_override": "literal"}))],
         &["matching.path_parameters: expected \"refuse\", \"ignore\" or \"literal\"", "matching.host_port: expected \"both\", \"ignore\" or \"literal\"", "matching.method_override: expected \"refuse\" or \"ignore\""]),
        ("PTH-07 a method in lower case",  rule(json!({"match": {"methods": ["get", "GET", "GET"]}})),
         &["rules[0].match.methods[0]: expected a method in upper case, such as GET", "rules[0].match.methods[2]: the same as rules[0].match.methods[1]"]),
        ("host as a header",               rule(json!({"match": {"headers": [{"name": "Host", "exact": "x"}]}})),
         &["rules[0].match.headers[0].name: reserved: use match.hosts"]),
        ("demands where nobody looks",     rule(json!({"match": {"path": "/a"}, "access": "anonymous", "requires": {"scopes": ["a"]}, "from_params": ["t"]})),
         &["rules[0].requires: contradicts rules[0].access: tokens are not checked", "rules[0].from_params: contradicts rules[0].access: tokens are not checked"]),
        ("demands where nobody passes",    rule(json!({"match": {"path": "/a"}, "access": "deny", "requires": {}})),
         &["rules[0].requires: contradicts rules[0].access: every request is rejected"]),
        ("two rules of one name",          vec![("rules", json!([{"name": "a", "match": {"path": "/a"}}, {"name": "a", "match": {"path": "/b"}}]))],
         &["rules[1].name: the same as rules[0].name"]),

        // Upstream. HDR-08
        ("HDR-08 a field of Envoy's",      vec![("upstream.claim_to_headers", json!([{"header_name": "x-envoy-original-path", "claim_name": "a"}, {"header_name": "X-Forwarded-For", "claim_name": "a"}, {"header_name": "x-request-id", "claim_name": "a"}, {"header_name": ":path", "claim_name": "a"}, {"header_name": "host", "claim_name": "a"}, {"header_name": "Transfer-Encoding", "claim_name": "a"}, {"header_name": "authorization", "claim_name": "a"}]))],
         &["upstream.claim_to_headers[0].header_name: reserved: Envoy gives this field its meaning", "upstream.claim_to_headers[1].header_name: reserved: Envoy gives this field its meaning",
           "upstream.claim_to_headers[2].header_name: reserved: Envoy gives this field its meaning", "upstream.claim_to_headers[3].header_name: expected a header name",
           "upstream.claim_to_headers[4].header_name: reserved: HTTP gives this field its meaning", "upstream.claim_to_headers[5].header_name: reserved: it belongs to the connection",
           "upstream.claim_to_headers[6].header_name: reserved: HTTP gives this field its meaning"]),
        ("a field twice",                  vec![("upstream", json!({"claim_to_headers": [{"header_name": "x-user", "claim_name": "a"}, {"header_name": "X_User", "claim_name": "b"}], "forward_payload_header": "x-user"}))],
         &["upstream.claim_to_headers[1].header_name: the same as upstream.claim_to_headers[0].header_name", "upstream.forward_payload_header: the same as upstream.claim_to_headers[0].header_name"]),
        ("a field under the prefix",       vec![("upstream", json!({"claim_to_headers": [{"header_name": "X-Agw-Sub", "claim_name": "a"}], "claims_prefix": "x-agw-"}))],
         &["upstream.claim_to_headers[0].header_name: contradicts upstream.claims_prefix: a claim might get the same name"]),
        ("a prefix without its end",       vec![("upstream.claims_prefix", json!("x-agw"))],
         &["upstream.claims_prefix: expected the start of a header name that ends in \"-\""]),
        ("HDR-08 a prefix of Envoy's",     vec![("upstream.claims_prefix", json!("x-envoy-auth-"))],
         &["upstream.claims_prefix: reserved: other fields start with this; choose a longer prefix, such as x-token-"]),
        ("a prefix that takes everything", vec![("upstream.claims_prefix", json!("x-"))],
         &["upstream.claims_prefix: reserved: other fields start with this; choose a longer prefix, such as x-token-"]),

        ("underscores of no prefix",       vec![("upstream.claims_prefix_underscores", json!("keep"))],
         &["upstream.claims_prefix_underscores: requires claims_prefix as well"]),
        ("a word for underscores",         vec![("upstream", json!({"claims_prefix": "x-agw-", "claims_prefix_underscores": true}))],
         &["upstream.claims_prefix_underscores: expected \"replace\" or \"keep\", found a boolean"]),

        // Resource
        ("RSI-01 no absolute URI",         vec![("resource", json!({"identifier": "rs"}))],
         &["resource.identifier: expected an absolute https URI without a fragment, such as https://api.example.com/orders (http for this machine only)"]),
        ("RSI-01 a fragment",              vec![("resource", json!({"identifier": "https://h#x"}))],
         &["resource.identifier: expected an absolute https URI without a fragment, such as https://api.example.com/orders (http for this machine only)"]),
        ("no identifier",                  vec![("resource", json!({"name": "x"}))],
         &["resource.identifier: required, but missing"]),
        ("a path of two readings",         vec![("resource", json!({"identifier": "https://h/a%2Fb"}))],
         &["resource.identifier: expected a path that can be read in one way only"]),
        ("no resource",                    vec![("resource", json!([]))],
         &["resource: expected at least one entry"]),
        ("the same resource twice",        vec![("resource", json!([{"identifier": "https://h/a"}, {"identifier": "https://h/a"}]))],
         &["resource[1].identifier: the same as resource[0].identifier"]),
        ("an empty name in the metadata",  vec![("resource", json!({"identifier": "https://h", "name": "", "documentation": "docs", "scopes_supported": ["a b"], "authorization_servers": ["as"]}))],
         &["resource.authorization_servers[0]: expected an absolute http or https URI without a fragment",
           "resource.scopes_supported[0]: expected one scope: printable ASCII without spaces, quotes and backslashes",
           "resource.name: expected text on one line", "resource.documentation: expected an absolute http or https URI"]),
        ("PRM-09 keys that a resource does not sign with", vec![("resource", json!({"identifier": "https://h", "resource_signing_alg_values_supported": ["none"], "jwks_uri": "http://h/jwks"}))],
         &["resource.jwks_uri: unknown key; known: \"identifier\", \"profile\", \"audiences\", \"audience_check\", \"authorization_servers\", \"scopes_supported\", \"name\", \"documentation\", \"policy_uri\" and \"tos_uri\"",
           "resource.resource_signing_alg_values_supported: unknown key; known: \"identifier\", \"profile\", \"audiences\", \"audience_check\", \"authorization_servers\", \"scopes_supported\", \"name\", \"documentation\", \"policy_uri\" and \"tos_uri\""]),
        ("audiences that nobody checks",   vec![("resource", json!({"identifier": "https://h", "audiences": ["a"], "audience_check": "ignore"}))],
         &["resource.audiences: contradicts resource.audience_check: the audience is not checked"]),
        ("MCP-01 no authorization server", vec![("providers.okta", json!({"introspection": {"uri": "https://as.example.com/i", "cluster": "c", "client_auth": {"method": "none"}}})), ("resource", json!({"identifier": "https://h/mcp", "profile": "mcp"}))],
         &["resource.authorization_servers: requires a provider's issuer, or entries as well"]),
        ("MCP-05 tokens in the query",     vec![("resource", json!([{"identifier": "https://h/mcp", "profile": "mcp"}])), ("token.from_params", json!(["access_token"])), ("rules", json!([{"match": {"path": "/sse"}, "from_params": ["t"]}]))],
         &["token.from_params: contradicts resource[0].profile: MCP clients never send tokens in the query",
           "rules[0].from_params: contradicts resource[0].profile: MCP clients never send tokens in the query"]),
        ("MCP-05 in the query, by Anypoint's profile", vec![("resource", json!({"identifier": "https://h/mcp", "profile": "mcp"})), ("responses.profile", json!("anypoint"))],
         &["resource.profile: contradicts responses.profile: MCP clients expect the statuses and challenges of the RFCs"]),
        ("MCP-06 no audience",             vec![("resource", json!({"identifier": "https://h/mcp", "profile": "mcp", "audience_check": "ignore"}))],
         &["resource.audience_check: contradicts resource.profile: an MCP server accepts only tokens for itself"]),
        ("implied scopes that are none",   vec![("providers.okta.implied_scopes", json!({"a b": ["c"], "x": ["y z"], "v": ["w", "w"], "u": []}))],
         &["providers.okta.implied_scopes[\"a b\"]: expected its name to be one scope: printable ASCII without spaces, quotes and backslashes",
           "providers.okta.implied_scopes.u: expected at least one entry", "providers.okta.implied_scopes.v[1]: the same as providers.okta.implied_scopes.v[0]",
           "providers.okta.implied_scopes.x[0]: expected one scope: printable ASCII without spaces, quotes and backslashes"]),

        // Responses
        ("HTT-05 a line break in the realm", vec![("responses.realm", json!("a\r\nb"))],
         &["responses.realm: expected printable ASCII characters"]),
        ("BRR-29 a relative error_uri",    vec![("responses.error_uri", json!("/x"))],
         &["responses.error_uri: expected an absolute URI"]),
        ("COR-06 any origin",              vec![("responses.cors_origins", json!(["*", "https://app.example.com/", "null", "HTTPS://app.example.com", "app.example.com"]))],
         &["responses.cors_origins[0]: expected an origin, such as https://app.example.com (\"*\" is not allowed)",
           "responses.cors_origins[1]: expected an origin, such as https://app.example.com (\"*\" is not allowed)",
           "responses.cors_origins[2]: expected an origin, such as https://app.example.com (\"*\" is not allowed)",
           "responses.cors_origins[3]: expected an origin, such as https://app.example.com (\"*\" is not allowed)",
           "responses.cors_origins[4]: expected an origin, such as https://app.example.com (\"*\" is not allowed)"]),
        ("an unknown verdict",             vec![("responses.overrides", json!({"no_tokens": {"status": 400}, "allowed": {"status": 400}}))],
         &["responses.overrides.allowed: unknown key; known: \"no_token\", \"invalid_request\", \"invalid_token\", \"invalid_binding\", \"insufficient_authentication\", \"insufficient_scope\", \"forbidden\", \"unavailable\" and \"bad_answer\"",
           "responses.overrides.no_tokens: unknown key; did you mean \"no_token\"?"]),
        ("a refusal that succeeds",        vec![("responses.overrides", json!({"no_token": {"status": 200}}))],
         &["responses.overrides.no_token.status: expected 400 to 599, got 200"]),
        ("a media type without a body",    vec![("responses.overrides", json!({"no_token": {"status": 400, "content_type": "text/plain"}}))],
         &["responses.overrides.no_token.content_type: requires body as well"]),
        ("HTT-05 a media type of two lines", vec![("responses.overrides", json!({"no_token": {"body": "x", "content_type": "text/plain\r\nx: y"}}))],
         &["responses.overrides.no_token.content_type: expected a media type, such as text/html; charset=utf-8"]),
        ("problems for Anypoint's clients", vec![("responses", json!({"profile": "anypoint", "format": "problem"}))],
         &["responses.format: contradicts responses.profile: its clients expect other bodies"]),
        ("a Retry-After of less",          vec![("responses.retry_after", json!("1500ms"))],
         &["responses.retry_after: expected whole seconds"]),
    ];
    for (name, changes, want) in cases {
        let want: Vec<_> = want.iter().map(|line| of("", line)).collect();
        assert_eq!(faults(&with(&changes)), want, "{name}");
    }
}

#[test]
fn what_must_be_there() {
    #[rustfmt::skip]
    let cases: &[(&[&str], &str)] = &[
        (&["providers"],                                     "providers: required, but missing"),
        (&["providers", "okta", "introspection"],            "providers.okta.introspection: required, but missing"),
        (&["providers", "okta", "introspection", "uri"],     "providers.okta.introspection.uri: required, but missing"),
        (&["providers", "okta", "introspection", "cluster"], "providers.okta.introspection.cluster: required, but missing"),
        // INT-05
        (&["providers", "okta", "introspection", "client_auth"], "providers.okta.introspection.client_auth: required, but missing"),
        (&["providers", "okta", "introspection", "client_auth", "client_id"], "providers.okta.introspection.client_auth.client_id: required, but missing"),
    ];
    for (path, want) in cases {
        assert_eq!(faults(&without(path)), [*want]);
    }
    assert!(parse(&without(&["requires"])).unwrap().requires.scopes.all.is_empty());
}

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
            "aardvark: unknown key; known: \"providers\", \"provider_order\", \"token\", \"requires\", \"rules\", \"matching\", \"client_lists\", \"upstream\", \"cache\", \"dpop\", \"mtls\", \"resource\", \"responses\", \"cors_preflight\", \"user_agent\" and \"mode\"",
            "zebra: unknown key; known: \"providers\", \"provider_order\", \"token\", \"requires\", \"rules\", \"matching\", \"client_lists\", \"upstream\", \"cache\", \"dpop\", \"mtls\", \"resource\", \"responses\", \"cors_preflight\", \"user_agent\" and \"mode\"",
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
        for message in messages(Policy::parse(text.as_bytes(), &env)) {
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
        assert_eq!(messages(Policy::parse(bytes, &env)), [format!("configuration: {want}")], "{name}");
    }
}

#[test]
fn a_struct_is_read_like_json() {
    // Whatever the length of the first entry, which is the second byte: 0x7b is `{`.
    for length in 0..300 {
        let mut document = everything();
        document["responses"]["realm"] = json!("r".repeat(length + 1));
        let from_struct = Policy::parse(&structure(document.as_object().unwrap()), &env).unwrap();
        assert_eq!(format!("{from_struct:?}"), format!("{:?}", parse(&document).unwrap()), "{length}");
        let alone = json!({"mode": "m".repeat(length)});
        assert_eq!(
            messages(Policy::parse(&structure(alone.as_object().unwrap()), &env)),
            faults(&alone),
            "{length}"
        );
    }
    let mistaken = with(&[("@.timeout", json!(300)), ("mod", json!(null)), ("rules", json!([[1.5]]))]);
    assert_eq!(messages(Policy::parse(&structure(mistaken.as_object().unwrap()), &env)), faults(&mistaken));
}

/// A serialized `google.protobuf.Struct`.
fn structure(members: &Map<String, Value>) -> Vec<u8> {
    members
        .iter()
        .flat_map(|(name, value)| {
            let entry = [delimited(1, name.as_bytes()), delimited(2, &encoded(value))].concat();
            delimited(1, &entry)
        })
        .collect()
}

fn encoded(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![8, 0],
        Value::Number(number) => [&[2 << 3 | 1], &number.as_f64().unwrap().to_le_bytes()[..]].concat(),
        Value::String(text) => delimited(3, text.as_bytes()),
        Value::Bool(bit) => vec![4 << 3, u8::from(*bit)],
        Value::Object(members) => delimited(5, &structure(members)),
        Value::Array(items) => {
            let items: Vec<u8> = items.iter().flat_map(|item| delimited(1, &encoded(item))).collect();
            delimited(6, &items)
        }
    }
}

fn delimited(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut length = content.len();
    while length > 127 {
        bytes.push(u8::try_from(length & 127).unwrap() | 128);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(content);
    bytes
}

#[test]
fn the_tables_are_sound() {
    fn visit(kind: &Kind, path: &str, seen: &mut Vec<String>) {
        if let Some(object) = kind.object() {
            assert!(path.len() < 200, "{path}: the tables go round in circles");
            for key in object.keys {
                let path = format!("{path}.{}", key.name);
                assert!(key.doc.ends_with(['.', '*']), "{path}: a sentence ends with a full stop");
                assert_eq!(
                    object.key(key.name).map(|(_, found)| found.doc),
                    Some(key.doc),
                    "{path} is there twice"
                );
                if let Absent::Default(text) = key.absent {
                    seen.push(format!("{path} = {text}"));
                }
                visit(&key.kind, &path, seen);
            }
            for name in object.choices.iter().flat_map(|choice| choice.keys) {
                assert!(object.key(name).is_some(), "{path}: {name}");
            }
        }
        if let Some(entries) = kind.entries() {
            visit(entries, path, seen);
        }
    }
    let mut defaults = Vec::new();
    visit(&CONFIGURATION, "", &mut defaults);
    assert!(defaults.len() > 30);
    let refused: Vec<_> =
        Verdict::ALL.into_iter().filter(|verdict| verdict.is_refusal()).map(Verdict::name).collect();
    assert_eq!(refused, REFUSALS);
}

/// Compares a generated file with what is there.
fn assert_fresh(file: &str, want: &str) {
    let path = std::path::Path::new(crate::ROOT).join(file);
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        std::fs::write(&path, want).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == want,
        "{file} is stale; refresh it with TOLLGATE_BLESS=1 cargo test -p tollgate-engine --test engine"
    );
}

#[test]
fn the_reference_is_fresh() {
    assert_fresh("docs/configuration.md", &reference::markdown());
}

#[test]
fn the_json_schema_is_fresh() {
    let schema = serde_json::to_string_pretty(&reference::json_schema()).unwrap();
    assert_fresh("docs/config.schema.json", &format!("{schema}\n"));
}

/// Documents that come close to configurations: known keys, odd values.
fn documents() -> impl Strategy<Value = Value> {
    fn names(kind: &Kind, into: &mut Vec<&'static str>) {
        if let Some(object) = kind.object() {
            for key in object.keys {
                into.push(key.name);
                names(&key.kind, into);
            }
        }
        if let Some(entries) = kind.entries() {
            names(entries, into);
        }
    }
    let mut known = vec!["okta", "x"];
    names(&CONFIGURATION, &mut known);
    let words = prop::sample::select(vec![
        "",
        "okta",
        "2s",
        "https://a.example/",
        "none",
        "bearer",
        "anypoint",
        "/a/{b}",
        "*",
        "x-",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 64, 8, move |inner| {
        let key = prop_oneof![4 => prop::sample::select(known.clone()).prop_map(str::to_owned), 1 => ".*"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Policy::parse(&bytes, &env).is_err());
    }

    #[test]
    fn a_damaged_struct_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = structure(everything().as_object().unwrap());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _ = Policy::parse(&bytes, &env);
    }

    #[test]
    fn arbitrary_documents_never_panic(document in documents()) {
        prop_assert!(parse(&document).is_err());
    }

    #[test]
    fn arbitrary_parts_never_panic(part in documents(), place in prop::sample::select(vec![
        "providers.okta", "@", "@.client_auth", "@.uri", "@.headers", "token", "requires", "rules", "rules.0", "rules.0.match",
        "client_lists", "upstream", "responses", "provider_order", "requires.claims", "requires.scopes",
    ])) {
        let document = with(&[(place, part)]);
        let from_json = parse(&document).map(|policy| format!("{policy:?}"));
        let from_struct = Policy::parse(&structure(document.as_object().unwrap()), &env).map(|policy| format!("{policy:?}"));
        prop_assert_eq!(from_json.is_ok(), from_struct.is_ok());
    }
}
