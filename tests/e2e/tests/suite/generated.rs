//! What `tollgate generate` writes, in a real Envoy.

mod login;
mod metrics;
mod traffic;

use std::fs;

use serde_json::json;
use tollgate_cases::proof::Client;
use tollgate_cases::token::Token;
use tollgate_e2e::authorization_server::{AuthorizationServer, Behaviour};
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::{Envoy, module};
use tollgate_e2e::operator::Operator;
use tollgate_e2e::root;
use tollgate_e2e::upstream::Upstream;

#[test]
fn three_commands_lead_to_a_guarded_api() {
    let at = Operator::new();
    let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
    let origin = format!("http://127.0.0.1:{}", server.port());

    // 1. From an issuer and a token that may register clients.
    at.write("token", "hush-initial\n");
    let metadata = format!(
        r#"{{"issuer":"{origin}","registration_endpoint":"{origin}/register","introspection_endpoint":"{origin}/introspect"}}"#
    );
    let client = r#"{"client_id":"gw 1","client_secret":"hush-p:ss%","client_secret_expires_at":0,"token_endpoint_auth_method":"client_secret_basic"}"#;
    let created = Behaviour::Reply {
        status: 201,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: client.as_bytes().to_vec(),
    };
    // At both of the well-known places.
    server.next([Behaviour::json(&metadata), Behaviour::json(&metadata), created]);
    at.run(&[
        "client",
        "register",
        "gateway",
        "--issuer",
        &origin,
        "--initial-access-token-file",
        "token",
        "--allow-http",
    ]);
    server.take();

    // 2. The whole configuration.
    let api = format!("http://127.0.0.1:{}", upstream.port());
    at.generate(&[
        "--client",
        "gateway",
        "--upstream",
        &api,
        "--scope",
        "orders:read",
        "--audience",
        "https://api.example.com",
        "--listen",
        "127.0.0.1:0",
    ]);
    let written = at.read("out/envoy.yaml");
    assert!(!written.contains("hush"), "{written}");
    at.run(&["check", "--strict", "out/envoy.yaml"]);

    // 3. Envoy.
    let envoy = at.envoy(&[]);
    let port = envoy.port("apis");
    let warned = envoy.log().lines().find(|line| line.contains("][warning]")).map(str::to_owned);
    assert_eq!(warned, None, "Envoy starts with warnings");
    let active = |scope: &str| {
        Behaviour::json(&format!(
            r#"{{"active":true,"client_id":"app","sub":"alice","scope":"{scope}","aud":"https://api.example.com","exp":4000000000}}"#
        ))
    };
    server.on("good", [active("orders:read")]);
    server.on("small", [active("orders:write")]);
    assert_eq!(Request::get("/orders").bearer("good").send(port).status(), 200);
    // The access log says who.
    envoy.wait_for_log(0, r#""client_id":"app""#);
    envoy.wait_for_log(0, r#""sub":"alice""#);
    assert_eq!(Request::get("/orders").bearer("small").send(port).status(), 403);
    assert_eq!(Request::get("/orders").bearer("hush-garbage").send(port).status(), 401);
    assert_eq!(Request::get("/orders").send(port).status(), 401);
    let underscore = Request::get("/orders").header("x_client_id", "admin").bearer("good");
    assert_eq!(underscore.send(port).status(), 400);
    assert_eq!(Request::get("/a%2fb").bearer("good").send(port).status(), 400);
    assert_eq!(upstream.take().len(), 1);
    // Envoy has added the credentials, form-encoded as RFC 6749 §2.3.1 has it.
    let calls = server.take();
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(call.all("authorization"), ["Basic Z3crMTpodXNoLXAlM0FzcyUyNQ=="]);
    }
    // The module logs at trace all that it sees, and the secret is not among it.
    envoy.assert_clean_log(&["hush", "Z3crMTpo"]);
}

#[test]
fn a_request_reaches_the_api_by_whose_rules_it_was_judged() {
    let names = ["orders", "admin", "wild", "rest"];
    let upstreams = names.map(|_| Upstream::start());
    let apis: Vec<(&str, u16)> =
        names.iter().zip(&upstreams).map(|(name, api)| (*name, api.port())).collect();
    let gateway = Gateway::among(
        &Operator::new(),
        &apis,
        r#"
listen: 127.0.0.1:0
providers:
  main: {introspection_endpoint: "http://as.test/introspect", client_id: gateway, client_secret_file: secret}
apis:
  orders: {prefix: /orders, upstream: "http://orders.test", scopes: [orders]}
  admin: {hosts: [admin.example.com], upstream: "http://admin.test", scopes: [admin]}
  wild: {hosts: ["*.example.com"], prefix: /w, upstream: "http://wild.test", scopes: [wild]}
  rest: {upstream: "http://rest.test", scopes: [rest]}
"#,
        &[],
    );
    let hosts = [
        "admin.example.com",
        "ADMIN.example.com",
        "admin.example.com.",
        "admin.example.com:8080",
        "admin.example.com.:80",
        "a.example.com",
        "a.example.com.",
        "example.com",
        "elsewhere",
        "127.0.0.1",
        ".example.com",
        "x.admin.example.com",
    ];
    let paths = [
        "/",
        "/orders",
        "/orders/7",
        "/ordersx",
        "/Orders",
        "/%6Frders",
        "/orders/../x",
        "/x/../orders",
        "//orders",
        "/orders//x",
        "/./orders",
        "/orders/%2e%2e/x",
        "/w",
        "/w/x",
        "/wx",
        "/w;x",
        "/orders;x",
        "/orders?x=/w",
        "/x/..%2forders",
        "/orders#x",
    ];
    for name in names {
        gateway.server.on(name, [Behaviour::active_for(600, name)]);
    }
    let mut passed = 0;
    for host in hosts {
        for path in paths {
            for (i, name) in names.iter().enumerate() {
                let answer = Request::get(path).host(host).bearer(name).send(gateway.port);
                passed += usize::from(answer.status() == 200);
                for (j, upstream) in upstreams.iter().enumerate() {
                    assert!(
                        upstream.take().is_empty() || i == j,
                        "{path} at {host} with the token for {name} has reached {}",
                        names[j]
                    );
                }
            }
        }
    }
    // Each request that is well-formed at all passes with the token of one API.
    assert!(passed > hosts.len() * paths.len() / 2, "only {passed} have passed");
    gateway.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_list_that_is_served_is_fetched() {
    let at = Operator::new();
    at.write("token", "hush-list\n");
    at.run(&["client", "allow", "partners", "app", "--id"]);
    let lists = at.serve("127.0.0.1:0", &["--bearer-token-file", "token"]);
    let gateway = Gateway::among(
        &at,
        &[("lists", lists.port)],
        r#"
listen: 127.0.0.1:0
providers:
  main: {introspection_endpoint: "http://as.test/introspect", client_id: gateway, client_secret_file: secret}
apis:
  orders: {upstream: "http://api.test", scopes: [orders], client_list: partners}
client_lists:
  partners: {uri: "http://lists.test/lists/partners", bearer_token_env: LISTS_TOKEN, refresh: 1s}
"#,
        &[("LISTS_TOKEN", "hush-list")],
    );
    let reply = |client: &str| {
        Behaviour::json(&format!(
            r#"{{"active":true,"client_id":"{client}","scope":"orders","exp":4000000000}}"#
        ))
    };
    gateway.server.on("of-app", [reply("app")]);
    gateway.server.on("of-other", [reply("other")]);
    let status = |token: &str| Request::get("/orders").bearer(token).send(gateway.port).status();
    gateway.envoy.wait_until("the list has arrived", || status("of-app") != 503);
    assert_eq!(status("of-app"), 200);
    assert_eq!(status("of-other"), 403);
    gateway.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_secret_that_envoy_cannot_add_comes_from_the_environment() {
    let gateway = Gateway::start(
        r#"
listen: 127.0.0.1:0
providers:
  main: {introspection_endpoint: "http://as.test/i", client_id: gateway, client_secret_file: secret, auth_method: client_secret_post}
apis:
  a: {upstream: "http://api.test", scopes: [a]}
"#,
    );
    gateway.server.on("good", [Behaviour::active_for(60, "a")]);
    assert_eq!(Request::get("/").bearer("good").send(gateway.port).status(), 200);
    let call = gateway.server.take().remove(0);
    assert!(call.text().contains("client_id=gateway&client_secret=hush-secret"), "{call:?}");
}

#[test]
fn jwts_with_keys_elsewhere_are_verified_asked_about_and_proven() {
    let at = Operator::new();
    fs::copy(root().join("tests/keys/p256.pem"), at.directory.join("gateway.pem")).expect("a key");
    let key = json!({
        "kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    });
    let keys = AuthorizationServer::start();
    keys.always(Some(Behaviour::json(&json!({"keys": [key]}).to_string())));
    let gateway = Gateway::among(
        &at,
        &[("keys", keys.port())],
        r#"
listen: 127.0.0.1:0
providers:
  main:
    issuer: https://as.example.com
    introspection_endpoint: http://as.test/introspect
    jwks_uri: http://keys.test/keys
    validate: jwt_then_introspection
    audiences: ["https://api.example.com"]
    client_id: gateway
    auth_method: private_key_jwt
    private_key_file: gateway.pem
    algorithm: ES256
apis:
  orders: {upstream: "http://api.test", scopes: ["orders:read"], sender_constraint: dpop}
policy: {dpop: {}}
"#,
        &[],
    );
    let (server, port) = (&gateway.server, gateway.port);

    let (client, now) = (Client::new("holder"), now());
    let cnf = json!({"jkt": client.thumbprint()});
    let claims = json!({"cnf": cnf}).as_object().cloned().unwrap_or_default();
    let token = Token { claims, ..Token::default() }.at(now);
    let reply = json!({
        "active": true, "scope": "orders:read", "aud": "https://api.example.com", "exp": now + 60, "cnf": cnf,
        "token_type": "DPoP",
    });
    server.on(&token, [Behaviour::json(&reply.to_string())]);
    let uri = format!("http://127.0.0.1:{port}/orders");
    let with_proof = |token: &str| {
        let proof = client.proof("GET", &uri, token, now, &json!({}));
        let request = Request::get("/orders").host(&format!("127.0.0.1:{port}"));
        request.header("authorization", &format!("DPoP {token}")).header("dpop", &proof).send(port).status()
    };
    assert_eq!(with_proof(&token), 200);
    assert_eq!(Request::get("/orders").bearer(&token).send(port).status(), 401, "without its proof");
    let forged = Token { changed: Some(1), ..Token::default() }.at(now);
    assert_eq!(with_proof(&forged), 401, "a signature of nobody's");
    let calls = server.take();
    assert_eq!(calls.len(), 1, "what is forged is not asked about");
    let assertion = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    assert!(calls[0].text().contains(assertion), "{calls:?}");
    assert!(!keys.take().is_empty(), "nobody has fetched the keys");
    gateway.envoy.assert_clean_log(&["PRIVATE KEY"]);
}

#[test]
fn envoy_accepts_what_is_written_for_servers_elsewhere() {
    let at = Operator::new();
    at.write("secret", "hush-secret\n");
    fs::copy(root().join("tests/demo/tls/ca.pem"), at.directory.join("ca.pem")).expect("a certificate");
    fs::copy(root().join("tests/demo/tls/server.pem"), at.directory.join("server.pem"))
        .expect("a certificate");
    fs::copy(root().join("tests/demo/tls/server-key.pem"), at.directory.join("key.pem")).expect("a key");
    at.write("gateway.yaml", r#"
listen: 0.0.0.0:0
tls: {certificate: server.pem, key: key.pem}
providers:
  one: {issuer: "https://login.example.com/realms/main", preset: keycloak, client_id: gateway, client_secret_file: secret, audiences: ["https://api.example.com"]}
  two: {base_url: "https://am.example.com/openam/oauth2", preset: openam, client_id: gateway, client_secret_env: TWO, ca_file: ca.pem}
  three: {introspection_endpoint: "https://[2001:db8::1]:8443/introspect", client_id: gateway, client_secret_file: secret, basic_encoding: raw}
apis:
  a: {hosts: [a.example.com], prefix: /a, upstream: "https://a.example.net", provider: one, scopes: [a], rewrite_host: true, upstream_ca_file: ca.pem}
  b: {hosts: ["*.example.com"], upstream: "http://10.0.0.1:8080", provider: two, scopes: [b]}
  c: {upstream: "http://c", provider: three, scopes: [c]}
login: {provider: one, client_id: web, client_secret_file: secret}
policy: {token: {from_form: true}, cache: {ttl: 30s}}
"#);
    at.generate(&["gateway.yaml"]);
    assert_eq!(Envoy::faults_of(&at.directory.join("out/envoy.yaml"), &[("TWO", "x")]), "");
    let written = at.read("out/envoy.yaml");
    assert!(written.contains("allow_on_headers_stop_iteration: true"), "{written}");

    // Compose's Envoy finds everything below one directory of the container's.
    let module = module().display().to_string();
    at.run(&["generate", "compose", "gateway.yaml", "--out", "compose", "--module", &module]);
    let inside = at.read("compose/envoy.yaml").replace("/etc/envoy/tollgate/tollgate_filter.wasm", &module);
    let inside = inside
        .replace("/etc/envoy/tollgate/tls/certificate.pem", "server.pem")
        .replace("/etc/envoy/tollgate/tls/key.pem", "key.pem");
    let here = at.directory.display().to_string();
    let inside = inside
        .replace("/etc/envoy/tollgate", &format!("{here}/compose"))
        .replace("filename: server.pem", &format!("filename: {here}/server.pem"))
        .replace("filename: key.pem", &format!("filename: {here}/key.pem"));
    at.write("compose/envoy.yaml", &inside);
    assert_eq!(Envoy::faults_of(&at.directory.join("compose/envoy.yaml"), &[("TWO", "x")]), "");
}

/// A gateway as `tollgate generate` writes it from the short file, in a running Envoy.
struct Gateway {
    server: AuthorizationServer,
    upstream: Upstream,
    envoy: Envoy,
    port: u16,
}

impl Gateway {
    /// In the file `http://as.test` is the authorization server, and `http://api.test` the upstream. There is a file
    /// `secret`.
    fn start(file: &str) -> Self {
        Self::among(&Operator::new(), &[], file, &[])
    }

    /// The same on a machine where something is prepared, with further servers by their name in the file, and with
    /// variables besides those that are generated.
    fn among(at: &Operator, servers: &[(&str, u16)], file: &str, variables: &[(&str, &str)]) -> Self {
        let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
        let servers = [&[("as", server.port()), ("api", upstream.port())], servers].concat();
        let file = servers.iter().fold(file.to_owned(), |file, (name, port)| {
            file.replace(&format!("http://{name}.test"), &format!("http://127.0.0.1:{port}"))
        });
        at.write("secret", "hush-secret\n");
        at.write("gateway.yaml", &file);
        at.generate(&["gateway.yaml"]);
        let generated = at.read_if_there("out/secrets.env");
        let generated = generated.lines().filter_map(|line| line.split_once('='));
        let generated = generated.map(|(name, value)| (name, value.trim_matches('\'')));
        let envoy = at.envoy(&generated.chain(variables.iter().copied()).collect::<Vec<_>>());
        Self { port: envoy.port("apis"), server, upstream, envoy }
    }
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
