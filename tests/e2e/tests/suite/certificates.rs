//! Tokens that are bound to the client's certificate (RFC 8705), over real TLS.

use std::io::Write as _;
use std::sync::{Arc, MutexGuard, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, CertifiedKey, DistinguishedName, DnType, KeyPair, SanType, generate_simple_self_signed,
};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tollgate_cases::token::Token;
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::{Request, connect};
use tollgate_e2e::http2::Http2Request;
use tollgate_e2e::message::{Message, Side};
use tollgate_e2e::oidc_provider::{OF_JWTS, OidcProvider};
use tollgate_e2e::ports::reserved_port;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::upstream::Upstream;
use tollgate_e2e::world::{Shared, World, merge, policy};

#[test]
fn a_bound_token_passes_with_its_certificate_and_no_other() {
    // MTL-01, MTL-02, MTL-03, MTL-05, MTL-09, MTL-10, BCP-06: certificates that nobody has issued
    let (world, own, thief) = (world(), client(0), client(1));
    bind(&world, "hush-bound", own);
    world.server.on("hush-plain", [Behaviour::active("")]);
    let jwt = jwt(own);
    #[rustfmt::skip]
    let cases = [
        ("its certificate",                 "direct", Some(own),   "hush-bound", 200),
        ("once more, from memory",          "direct", Some(own),   "hush-bound", 200),
        ("another certificate, remembered", "direct", Some(thief), "hush-bound", 401),
        ("no certificate, remembered",      "direct", None,        "hush-bound", 401),
        ("a token that is not bound",       "direct", None,        "hush-plain", 200),
        ("the same with a certificate",     "direct", Some(own),   "hush-plain", 200),
        ("a JWT with its certificate",      "jwt",    Some(own),   &jwt,         200),
        ("a JWT with another one",          "jwt",    Some(thief), &jwt,         401),
        ("a JWT with none",                 "jwt",    None,        &jwt,         401),
        ("a certificate is demanded",       "only",   Some(own),   "hush-bound", 200),
        ("and must be the token's",         "only",   Some(own),   "hush-plain", 401),
    ];
    for (name, listener, certificate, token, status) in cases {
        let response = over_tls(&world, listener, certificate, &Request::get("/any").bearer(token));
        assert_eq!(response.status(), status, "{name}: {response:?}");
        if status == 401 {
            let challenge = response.all("www-authenticate").concat();
            assert!(challenge.contains(r#"error="invalid_token""#), "{name}: {challenge}");
        }
    }
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn tokens_that_a_real_authorization_server_has_bound_are_held_to_it() {
    // MTL-01, MTL-03: opaque ones, which are asked about, and JWTs
    let (port, tls_port) = (reserved_port(), reserved_port());
    let (certificate, key) = (server().cert.pem(), server().signing_key.serialize_pem());
    let variables = [("TLS_PORT", tls_port.to_string()), ("TLS_CERTIFICATE", certificate), ("TLS_KEY", key)];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let _server = OidcProvider::start(OF_JWTS, port, &variables);
    let issuer = OidcProvider::issuer(port);
    let upstream = Upstream::start();
    let provider = |more: Value| {
        let mut provider = json!({"issuer": issuer});
        merge(&mut provider, more);
        json!({"providers": {"main": provider}, "mtls": {}, "requires": {"sender_constraint": "mtls", "scopes": ["orders:read"]}})
    };
    let asked = provider(json!({"introspection": {
        "uri": format!("{issuer}/token/introspection"), "cluster": "as", "client_auth": {"client_id": "app", "client_secret": "app-secret"},
    }}));
    let verified = provider(json!({
        "validate": "jwt", "audiences": ["https://api.example.com"], "jwks": {"uri": format!("{issuer}/jwks"), "cluster": "as"},
    }));
    let over = |configuration: Value| Plugin { tls: Some(tls()), ..Plugin::new(configuration) };
    let stage = Stage::new().cluster("upstream", upstream.port()).cluster("as", port);
    let envoy = stage.listener("opaque", over(asked)).listener("jwt", over(verified)).start();
    let (own, thief) = (client(0), client(1));
    for (listener, resource) in [("opaque", ""), ("jwt", "&resource=https://api.example.com/ES256")] {
        let form = format!(
            "grant_type=client_credentials&client_id=holder&client_secret=holder-secret&scope=orders:read{resource}"
        );
        let request = Request::new("POST", "/token").host(&format!("localhost:{port}"));
        let request =
            request.header("content-type", "application/x-www-form-urlencoded").body(form.as_bytes());
        let answer: Value =
            serde_json::from_slice(&send_over_tls(tls_port, Some(own), &request).body).expect("JSON");
        let token = answer["access_token"].as_str().unwrap_or_default().to_owned();
        assert!(!token.is_empty(), "{answer}");
        let status = |certificate| {
            let request = Request::get("/orders").bearer(&token);
            send_over_tls(envoy.port(listener), certificate, &request).status()
        };
        envoy.wait_until("the keys have arrived", || status(Some(own)) != 503);
        let got = [status(Some(own)), status(Some(thief)), status(None), status(Some(own))];
        assert_eq!(got, [200, 401, 401, 200], "{listener}");
    }
}

#[test]
fn a_field_that_anybody_can_send_is_not_believed() {
    // MTL-05, MTL-06, ATK-99
    let (world, own, thief) = (world(), client(0), client(1));
    bind(&world, "hush-victim", own);
    world.server.on("hush-anybody", [Behaviour::active("")]);
    let forged = |token: &str| {
        let hash = format!("{:x}", Sha256::digest(own.cert.der()));
        Request::get("/any").bearer(token).header("x-forwarded-client-cert", &format!("Hash={hash}"))
    };
    assert_eq!(forged("hush-victim").send(world.port("plain")).status(), 401, "over plain HTTP");
    for (name, listener, certificate) in [
        ("without a certificate", "direct", None),
        ("with another certificate", "direct", Some(thief)),
        ("through the hop, without a certificate", "front", None),
        ("through the hop, with another certificate", "front", Some(thief)),
    ] {
        assert_eq!(over_tls(&world, listener, certificate, &forged("hush-victim")).status(), 401, "{name}");
    }
    assert_eq!(over_tls(&world, "direct", None, &forged("hush-anybody")).status(), 200);
    let seen = world.upstream.take();
    assert_eq!(seen.len(), 1, "only the token that is not bound has passed");
    assert!(seen[0].all("x-forwarded-client-cert").is_empty(), "the upstream is not told either");
}

#[test]
fn a_trusted_hop_tells_of_the_certificate() {
    // MTL-07
    let (world, own, thief) = (world(), client(0), client(1));
    bind(&world, "hush-hop", own);
    let request = Request::get("/any").bearer("hush-hop");
    assert_eq!(over_tls(&world, "front", Some(own), &request).status(), 200, "its certificate");
    assert_eq!(over_tls(&world, "front", Some(thief), &request).status(), 401, "another one");
    assert_eq!(over_tls(&world, "front", None, &request).status(), 401, "none");
    let seen = world.upstream.take();
    let told = seen[0].all("x-forwarded-client-cert").concat();
    assert!(told.contains(r#"Subject="O=b,CN=a\,\;\"b"#), "the name did not try: {told}");
}

#[test]
fn a_client_s_word_is_no_tls() {
    // BRR-31: over plain HTTP, each of these says https
    let world = world();
    world.server.on("hush-tls", [Behaviour::active("")]);
    let request = |target| Request::get(target).bearer("hush-tls");
    let proto = |proto| request("/any").header("x-forwarded-proto", proto);
    let absolute = request("https://api.example.com/any");
    let port = world.port("plain-tls");
    for (name, request) in [
        ("nothing", request("/any")),
        ("a forwarded scheme", proto("https")),
        ("the absolute form", absolute.clone()),
        ("both", absolute.header("x-forwarded-proto", "https")),
    ] {
        assert_eq!(request.send(port).status(), 400, "{name}");
    }
    let http2 = |scheme| Http2Request::new("GET", "/any").scheme(scheme).bearer("hush-tls");
    for scheme in ["http", "https"] {
        assert_eq!(http2(scheme).send(port).status, 400, "HTTP/2, {scheme}");
        let forwarded = http2(scheme).header("x-forwarded-proto", "https");
        assert_eq!(forwarded.send(port).status, 400, "HTTP/2, {scheme}, and a forwarded scheme");
    }
    assert!(world.upstream.take().is_empty(), "nobody has passed");
    for (name, request) in [("nothing", request("/any")), ("http", proto("http"))] {
        assert_eq!(over_tls(&world, "tls", None, &request).status(), 200, "over TLS, {name}");
    }
    let port = world.port("believed-tls");
    for (proto, want) in [("https", 200), ("http", 400)] {
        let request = request("/any").header("x-forwarded-proto", proto);
        assert_eq!(request.send(port).status(), want, "where a hop is believed, {proto}");
    }
}

#[test]
fn a_certificate_s_names_are_not_read_as_the_hop_s_words() {
    // MTL-08, ATK-99: a URI stands in the field without quotes
    let (world, victim) = (world(), client(0));
    bind(&world, "hush-names", victim);
    let hash = format!("{:x}", Sha256::digest(victim.cert.der()));
    let request = Request::get("/any").bearer("hush-names");
    #[rustfmt::skip]
    let cases = [
        ("an element in a URI",      named("x", &[SanType::URI(text(&format!("spiffe://a/b,Hash={hash}")))])),
        ("with a space",             named("x", &[SanType::URI(text(&format!("spiffe://a/b, Hash={hash}")))])),
        ("a whole element",          named("x", &[SanType::URI(text(&format!("spiffe://a/b,By=spiffe://c;Hash={hash};URI=d")))])),
        ("a hash in a URI",          named("x", &[SanType::URI(text(&format!("spiffe://a/b;Hash={hash}")))])),
        ("an element in a DNS name", named("x", &[SanType::DnsName(text(&format!("a,Hash={hash}")))])),
        ("quotes around it",         named("x", &[SanType::URI(text("a\"")), SanType::URI(text(&format!("b,Hash={hash};URI=\"c")))])),
        ("an element in the name",   named(&format!("\",Hash={hash}"), &[])),
    ];
    for (name, thief) in &cases {
        for front in ["front", "appends"] {
            let response = over_tls(&world, front, Some(thief), &request);
            assert_eq!(response.status(), 401, "{name}, {front}: {response:?}");
        }
    }
    // A hop that adds to what the client sends, and closes its quote.
    for field in ["Hash=$", "Hash=$;Subject=\"", "Hash=$\\", "Hash=$;Subject=\"\\", "By=a;Hash=$;URI="] {
        let forged = request.clone().header("x-forwarded-client-cert", &field.replace('$', &hash));
        for thief in [client(1), &named("\"", &[SanType::URI(text("a\""))])] {
            let response = over_tls(&world, "appends", Some(thief), &forged);
            assert_eq!(response.status(), 401, "{field}: {response:?}");
        }
    }
    assert!(world.upstream.take().is_empty(), "nobody has passed");
    assert_eq!(over_tls(&world, "appends", Some(victim), &request).status(), 200, "its own certificate");
}

#[test]
fn a_certificate_may_come_in_other_fields() {
    // MTL-07: as `hop` hands its clients' on, and in the name of proxies that are no Envoy
    let (world, own, thief) = (world(), client(0), client(1));
    bind(&world, "hush-fields", own);
    let escaped =
        |of: &Certified| of.cert.pem().replace("\r\n", "\n").replace('\n', "%0A").replace(' ', "%20");
    let encoded = |of: &Certified| STANDARD.encode(of.cert.der());
    #[rustfmt::skip]
    let cases = [
        ("pem",       "x-amzn-mtls-clientcert-leaf", escaped(own), escaped(thief)),
        ("pem_chain", "x-amzn-mtls-clientcert",      escaped(own) + &escaped(thief), escaped(thief) + &escaped(own)),
        ("rfc9440",   "client-cert",                 format!(":{}:", encoded(own)), format!(":{}:", encoded(thief))),
    ];
    for (listener, field, good, bad) in cases {
        let request = Request::get("/any").bearer("hush-fields");
        let port = world.port(listener);
        assert_eq!(request.clone().header(field, &good).send(port).status(), 200, "{listener}");
        assert_eq!(request.clone().header(field, &bad).send(port).status(), 401, "{listener}, another");
        let twice = request.clone().header(field, &good).header(field, &good);
        assert_eq!(twice.send(port).status(), 401, "{listener}, twice");
        assert_eq!(request.send(port).status(), 401, "{listener}, none");
    }
}

/// A world with listeners that end TLS, and one behind such a one.
fn world() -> MutexGuard<'static, World> {
    static WORLD: Shared = Shared::new();
    WORLD.world(stage)
}

/// A listener that asks for certificates, of whatever authority.
fn tls() -> Value {
    json!({
        "require_client_certificate": false,
        "common_tls_context": {
            "tls_certificates": [{
                "certificate_chain": {"inline_string": server().cert.pem()},
                "private_key": {"inline_string": server().signing_key.serialize_pem()},
            }],
            "validation_context": {"trust_chain_verification": "ACCEPT_UNTRUSTED"},
        },
    })
}

fn stage() -> Stage {
    let over = |changes: Value| Plugin { tls: Some(tls()), ..Plugin::new(policy(changes)) };
    let cached = json!({"mtls": {}, "cache": {"max_entries": 100, "ttl_without_exp": "1m"}});
    let mut only = cached.clone();
    merge(&mut only, json!({"requires": {"sender_constraint": "mtls"}}));
    let hop = Plugin {
        port: reserved_port(),
        manager: json!({"forward_client_cert_details": "ALWAYS_FORWARD_ONLY"}),
        ..Plugin::new(policy(json!({"mtls": {"source": "xfcc"}})))
    };
    let to_hop = json!({"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
        {"match": {"prefix": "/"}, "route": {"cluster": "hop"}},
    ]}]});
    let front = |how: &str, details: Value| Plugin {
        manager: json!({
            "forward_client_cert_details": how,
            "set_current_client_cert_details": details,
            "route_config": to_hop,
        }),
        ..over(json!({"rules": [{"match": {"prefix": "/"}, "access": "anonymous"}]}))
    };
    let of = |header: &str, format: &str| {
        Plugin::new(policy(json!({"mtls": {"source": "header", "header": header, "format": format}})))
    };
    let all = json!({"cert": true, "chain": true, "subject": true, "uri": true, "dns": true});
    Stage::new()
        .listener("tls", over(json!({"token": {"require_tls": true}})))
        .listener("plain-tls", Plugin::new(policy(json!({"token": {"require_tls": true}}))))
        .listener(
            "believed-tls",
            Plugin::new(policy(json!({"token": {"require_tls": true, "tls_source": "forwarded_proto"}}))),
        )
        .listener("pem", of("x-amzn-mtls-clientcert-leaf", "pem"))
        .listener("pem_chain", of("x-amzn-mtls-clientcert", "pem_chain"))
        .listener("rfc9440", of("client-cert", "rfc9440"))
        .cluster("hop", hop.port)
        .listener("direct", over(cached))
        .listener("only", over(only))
        .listener("jwt", over(of_jwts()))
        .listener("plain", Plugin::new(policy(json!({"mtls": {}}))))
        .listener("hop", hop)
        .listener("front", front("SANITIZE_SET", all))
        .listener("appends", front("APPEND_FORWARD", json!({"uri": true})))
}

/// Tokens are JWTs, signed with a key of the tests.
fn of_jwts() -> Value {
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    });
    json!({"mtls": {}, "providers": {"as": {
        "introspection": null, "issuer": "https://as.example.com", "audiences": ["https://api.example.com"],
        "validate": "jwt", "jwks": {"inline": {"keys": [key]}},
    }}})
}

fn jwt(bound_to: &Certified) -> String {
    let claims = json!({"cnf": {"x5t#S256": thumbprint(bound_to)}});
    let token = Token { claims: claims.as_object().cloned().unwrap_or_default(), ..Token::default() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    token.at(now.as_secs())
}

/// From now on the token is bound to this certificate.
fn bind(world: &World, token: &str, to: &Certified) {
    let reply = json!({"active": true, "client_id": "app", "cnf": {"x5t#S256": thumbprint(to)}});
    world.server.on(token, [Behaviour::json(&reply.to_string())]);
}

type Certified = CertifiedKey<KeyPair>;

fn server() -> &'static Certified {
    static MADE: OnceLock<Certified> = OnceLock::new();
    MADE.get_or_init(|| generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate"))
}

/// One of two clients, each with a certificate of its own making; one has a name that is hard to read.
fn client(n: usize) -> &'static Certified {
    static MADE: OnceLock<[Certified; 2]> = OnceLock::new();
    let names = [SanType::URI(text("spiffe://a/b,c;d")), SanType::DnsName(text("client"))];
    &MADE.get_or_init(|| ["a,;\"b\\", "thief"].map(|name| named(name, &names)))[n]
}

/// A certificate of these names.
fn named(common: &str, names: &[SanType]) -> Certified {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.subject_alt_names = names.to_vec();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.distinguished_name.push(DnType::OrganizationName, "b");
    let signing_key = KeyPair::generate().expect("a key");
    CertifiedKey { cert: params.self_signed(&signing_key).expect("a certificate"), signing_key }
}

fn text(text: &str) -> Ia5String {
    text.try_into().expect("ASCII")
}

fn thumbprint(of: &Certified) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(of.cert.der()))
}

fn over_tls(world: &World, listener: &str, certificate: Option<&Certified>, request: &Request) -> Message {
    send_over_tls(world.port(listener), certificate, request)
}

/// Sends a request over TLS, with a certificate or without one.
fn send_over_tls(port: u16, certificate: Option<&Certified>, request: &Request) -> Message {
    let mut roots = RootCertStore::empty();
    roots.add(server().cert.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match certificate {
        None => config.with_no_client_auth(),
        Some(client) => {
            let key = PrivateKeyDer::Pkcs8(client.signing_key.serialize_der().into());
            config.with_client_auth_cert(vec![client.cert.der().clone()], key).expect("a certificate")
        }
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    let mut stream = StreamOwned::new(connection, connect(port).expect("a connection"));
    stream.write_all(&request.bytes()).expect("a request is sent");
    Message::read(&mut stream, Side::Response).expect("a response").expect("not closed")
}
