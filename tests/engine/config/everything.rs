//! A configuration that says everything, and what becomes of every key.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_config::keys::CONFIGURATION;
use tollgate_config::schema::Kind;
use tollgate_engine::base::ids::{ListId, ProviderId};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::decision::Verdict;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::policy::log::LogField;
use tollgate_engine::policy::requirement::SenderConstraint;
use tollgate_engine::policy::rule::{Access, HeaderTest, PathPattern};
use tollgate_engine::policy::{CorsPreflight, Mode};
use tollgate_engine::proof::certificate::CertificateSource;
use tollgate_engine::provider::client_auth::ClientAuth;
use tollgate_engine::provider::keys::KeySource;
use tollgate_engine::provider::{Dialect, Provider, Validate};
use tollgate_engine::provider::{TokenIn, Typ};
use tollgate_engine::request::places::TokenHeader;
use tollgate_engine::request::tls::TlsSource;
use tollgate_engine::response::{Format, Profile};
use tollgate_engine::token::claims::ClaimTest;

use super::{ed25519, parse};

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
    let events = &policy.revocation.events[0];
    assert_eq!((events.path.as_str(), events.provider), ("/events/h", ProviderId(6)));
    assert_eq!(events.audiences, ["receiver/stream"]);
    assert!(events.authorization.as_ref().is_some_and(|value| value.is(b"from-the-environment")));
    assert_eq!(policy.revocation.lists, [ListId(0)], "of those that are fetched");
    assert_eq!(policy.revocation.remember, Duration::from_secs(7200));
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
    assert_eq!(requires.max_cache_age, Some(Duration::from_secs(60)));
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
        (&*policy.upstream.claim_to_headers[0].name, policy.upstream.claim_to_headers[0].claim.as_str()),
        ("x-client-id", "client_id")
    );
    assert_eq!(policy.upstream.claims_prefix.as_deref(), Some("x-agw-"));
    assert!(policy.upstream.keeps_underscores);
    assert_eq!(policy.upstream.forward_payload_header.as_deref(), Some("x-token-claims"));
    assert_eq!(policy.upstream.tier_header.as_deref(), Some("x-tier"));
    assert!(policy.upstream.filter_state);
    let state = &policy.upstream.claim_to_filter_state[0];
    assert_eq!((&*state.name, state.claim.as_str()), ("tollgate.claim.tenant", "org.tenant"));
    assert_eq!(policy.log, [LogField::Rule, LogField::Fingerprint]);

    let responses = &policy.responses;
    assert_eq!((responses.profile, responses.format), (Profile::Anypoint, Format::None));
    assert_eq!(responses.realm.as_deref(), Some("say \"orders\" \\o/"), "HTT-04");
    assert_eq!(responses.retry_after, Duration::from_secs(60));
    assert_eq!(responses.error_uri.as_deref(), Some("https://docs.example/e"), "BRR-29");
    assert_eq!(responses.cors_origins, ["https://app.example.com", "http://localhost:3000"]);
    let change = |of: Verdict| {
        let found = responses.overrides.iter().find(|(verdict, _)| *verdict == of);
        found.map(|(_, change)| change).unwrap()
    };
    assert_eq!(change(Verdict::NoToken).status, Some(400));
    assert_eq!(change(Verdict::Unavailable).body.as_deref(), Some("<p>"));
    assert_eq!(change(Verdict::Unavailable).content_type.as_deref(), Some("text/html; charset=utf-8"));
    assert_eq!((policy.cors_preflight, policy.mode), (CorsPreflight::Pass, Mode::Shadow));
    assert_eq!(policy.max_streams, Some(500));
    let b = policy.providers.iter().find(|provider| provider.name == "b").unwrap();
    assert_eq!(b.introspection.user_agent, "gateway/2.1 (eu-1)");
    let unknown = b.introspection.unknown_token.as_ref().unwrap();
    assert_eq!(
        (unknown.status.as_slice(), unknown.error.as_slice()),
        ([400, 404].as_slice(), ["invalid_token".to_owned()].as_slice())
    );
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
    every_key_of_status_lists_arrives(g);
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

fn every_key_of_status_lists_arrives(provider: &Provider) {
    let lists = provider.status_lists.as_ref().unwrap();
    assert_eq!(
        lists.uris,
        ["https://G.example.com/lists/1", "https://g.example.com/lists/2"],
        "as tokens name them"
    );
    assert_eq!(lists.prefix.as_deref(), Some("https://g.example.com/more/"));
    assert_eq!((lists.cluster.as_str(), lists.required, lists.max_lists), ("lists", false, 5));
    assert_eq!([lists.refresh, lists.stale_if_error, lists.timeout].map(|time| time.as_secs()), [60, 0, 1]);
    assert_eq!((lists.max_response_bytes, lists.max_list_bytes), (4096, 65_536));
    assert_eq!(lists.keys.as_ref().map(|keys| keys.len()), Some(1));
    assert!(lists.names("https://g.example.com/lists/2") && lists.names("https://g.example.com/more/7"));
    assert!(!lists.names("https://g.example.com/lists/1") && !lists.names("https://g.example.com/more/"));
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
    assert!(
        missing.is_empty(),
        "add to `everything()` in tests/engine/config/everything.rs: {}",
        missing.join(", ")
    );
}

pub(super) fn everything() -> Value {
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
                "status_list": {
                    "uris": ["https://G.example.com/lists/1", "https://g.example.com/lists/2"],
                    "uri_prefix": "https://g.example.com/more/", "cluster": "lists", "required": false, "refresh": "1m",
                    "stale_if_error": "0s", "timeout": "1s", "max_lists": 5, "max_response_bytes": 4096,
                    "max_list_bytes": 65536, "jwks": {"keys": [ed25519()]},
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
            "max_cache_age": "1m",
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
            "tier_header": "X-Tier",
            "filter_state": true,
            "claim_to_filter_state": [{"name": "tenant", "claim_name": "org.tenant"}],
        },
        "log": {"fields": ["rule", "token_fingerprint"]},
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
        "revocation": {
            "events": [{"path": "/events/h", "provider": "h", "audiences": ["receiver/stream"], "authorization_env": "RS_TOKEN"}],
            "lists": ["live"],
            "remember": "2h",
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
        "on_expiry": "close",
        "on_expiry_max_streams": 500,
        "user_agent": "gateway/2.1 (eu-1)",
        "mode": "shadow",
    })
}
