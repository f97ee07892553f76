//! Browser login, as `tollgate generate` writes it: Envoy's `oauth2` filter in front of Tollgate.

use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::message::Message;
use tollgate_e2e::operator::Operator;

use super::Gateway;

#[test]
fn a_browser_logs_in_and_its_token_is_judged() {
    let at = Operator::new();
    at.write("login", "hush-login\n");
    let gateway = Gateway::among(
        &at,
        &[],
        r#"
listen: 127.0.0.1:0
providers:
  main:
    introspection_endpoint: http://as.test/introspect
    authorization_endpoint: http://as.test/authorize
    token_endpoint: http://as.test/token
    client_id: gateway
    client_secret_file: secret
apis:
  a: {upstream: "http://api.test", scopes: [a]}
login: {client_id: web, client_secret_file: login, auth_method: client_secret_post}
"#,
        &[],
    );
    let Gateway { server, upstream, port, .. } = &gateway;
    let (port, origin) = (*port, format!("http://127.0.0.1:{}", server.port()));

    // Without a token: to the authorization server, with PKCE (RFC 7636) and a state.
    let sent = Request::get("/page?x=1").send(port);
    assert_eq!(sent.status(), 302, "{sent:?}");
    let location = sent.all("location").concat();
    assert!(location.starts_with(&format!("{origin}/authorize?")), "{location}");
    for part in
        ["client_id=web", "response_type=code", "code_challenge=", "code_challenge_method=S256", "scope=a"]
    {
        assert!(location.contains(part), "{part} is not in {location}");
    }
    assert!(upstream.take().is_empty());
    let state = parameter(&location, "state");
    let cookies = cookies(&sent);

    // Back with a code: it is redeemed with the verifier, by the login's client and not by the gateway's.
    server.next([Behaviour::json(r#"{"access_token":"users-token","token_type":"Bearer","expires_in":60}"#)]);
    let back = Request::get(&format!("/oauth2/callback?code=the-code&state={state}"))
        .header("cookie", &cookies)
        .send(port);
    assert_eq!(back.status(), 302, "{back:?}");
    assert!(back.all("location").concat().ends_with("/page?x=1"), "{back:?}");
    let redeemed = server.take().remove(0);
    assert!(redeemed.target().ends_with("/token"), "{redeemed:?}");
    for part in ["code=the-code", "code_verifier=", "client_id=web", "client_secret=hush-login"] {
        assert!(redeemed.text().contains(part), "{part} is not in {redeemed:?}");
    }
    assert_eq!(redeemed.all("authorization"), [""; 0]);
    let session = self::cookies(&back);

    // With the cookies, the token goes on, and is judged as any other.
    server.on("users-token", [Behaviour::active_for(60, "a")]);
    assert_eq!(Request::get("/page").header("cookie", &session).send(port).status(), 200);
    assert_eq!(upstream.take()[0].all("authorization"), ["Bearer users-token"]);
    assert!(server.take()[0].all("authorization").concat().starts_with("Basic "));
    // Who brings a token of their own is not sent anywhere, and a script is not either.
    assert_eq!(Request::get("/page").bearer("garbage").send(port).status(), 401);
    assert_eq!(Request::get("/page").header("x-requested-with", "XMLHttpRequest").send(port).status(), 401);
    // A forged cookie is no session.
    let forged = Request::get("/page")
        .header("cookie", "BearerToken=users-token; OauthHMAC=x; OauthExpires=9999999999")
        .send(port);
    assert_ne!(forged.status(), 200);
    gateway.envoy.assert_clean_log(&["hush"]);
}

/// The cookies that a response sets, as a browser sends them.
fn cookies(response: &Message) -> String {
    let set = response.all("set-cookie");
    let pairs = set.iter().filter_map(|cookie| cookie.split(';').next());
    pairs.filter(|pair| !pair.ends_with("=deleted")).collect::<Vec<_>>().join("; ")
}

/// A parameter of a URL, as it stands there.
fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {url}"))
}
