//! Browser login, as `tollgate generate` writes it: Envoy's `oauth2` filter in front of Tollgate.

use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::message::Message;
use tollgate_e2e::operator::Operator;

use super::Gateway;

#[test]
fn a_browser_logs_in_and_its_token_is_judged() {
    let gateway = gateway("");
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

    // Back with a code: it is redeemed with the verifier, by the login's client and not by the gateway's.
    server.next([Behaviour::json(r#"{"access_token":"users-token","token_type":"Bearer","expires_in":60}"#)]);
    let back = come_back(&sent, port);
    assert_eq!(back.status(), 302, "{back:?}");
    assert!(back.all("location").concat().ends_with("/page?x=1"), "{back:?}");
    let redeemed = server.take().remove(0);
    assert!(redeemed.target().ends_with("/token"), "{redeemed:?}");
    for part in ["code=the-code", "code_verifier=", "client_id=web", "client_secret=hush-login"] {
        assert!(redeemed.text().contains(part), "{part} is not in {redeemed:?}");
    }
    assert_eq!(redeemed.all("authorization"), [""; 0]);
    let session = cookies(&back);

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
        .header("cookie", "tollgate-access-token=users-token; tollgate-hmac=x; tollgate-expires=9999999999")
        .send(port);
    assert_ne!(forged.status(), 200);
    gateway.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn the_api_gets_its_own_cookies_and_none_of_the_sessions() {
    let gateway = gateway("policy: {token: {forward: false}}");
    let Gateway { server, upstream, port, .. } = &gateway;
    let port = *port;
    let sent = Request::get("/page").send(port);
    server.next([tokens("users-token", "renewal")]);
    let back = come_back(&sent, port);
    assert_eq!(back.status(), 302, "{back:?}");
    server.on("users-token", [Behaviour::active_for(60, "a")]);

    // The browser keeps them to itself: no script reads them, and another site's form does not send them.
    for cookie in [&sent, &back].map(|response| response.all("set-cookie")).concat() {
        assert!(cookie.starts_with("tollgate-"), "{cookie}");
        let attributes = cookie.to_lowercase();
        for wanted in [";secure", ";httponly", ";samesite=lax", ";path=/"] {
            assert!(attributes.contains(wanted) || cookie.contains("=deleted"), "no {wanted} in {cookie}");
        }
        for token in ["users-token", "renewal"] {
            assert!(!cookie.contains(token), "the browser can read the token: {cookie}");
        }
    }
    let session = cookies(&back);
    for name in ["access-token", "id-token", "refresh-token", "hmac", "expires"] {
        assert!(session.contains(&format!("tollgate-{name}=")), "no {name} in {session}");
    }

    let own = "theme=dark; x-tollgate-y=1; basket=a=b";
    let crumbs: Vec<_> = session.split("; ").collect();
    let (first, last) = crumbs.split_at(2);
    let (first, last) = (first.join("; "), last.join("; "));
    for (what, sent, wanted) in [
        ("the session alone", session.clone(), ""),
        ("the session first", format!("{session}; {own}"), own),
        ("the session last", format!("{own}; {session}"), own),
        ("the session around", format!("{first}; {own}; {last}"), own),
        ("the session in the middle", format!("theme=dark; {session}; basket=a=b"), "theme=dark; basket=a=b"),
        ("without spaces", format!("a=1;{session};b=2").replace("; ", ";"), "a=1; b=2"),
        ("odd values", format!("a=\"b\\; {session}; c=%REQ(host)%\u{e9}"), "a=\"b\\; c=%REQ(host)%\u{e9}"),
        (
            "a cookie of ours that is not known",
            format!("a=1; tollgate-x=y; {session}; tollgate-; b=2"),
            "a=1; b=2",
        ),
    ] {
        let response = Request::get("/page").header("cookie", &sent).send(port);
        assert_eq!(response.status(), 200, "{what}: {response:?}");
        let reached = upstream.take().remove(0);
        assert_eq!(sorted(&reached.all("cookie").join("; ")), sorted(wanted), "{what}: {reached:?}");
        for token in ["users-token", "renewal", "tollgate-id"] {
            assert!(!reached.whole().contains(token), "{what}: the API sees {token}: {reached:?}");
        }
    }

    // In two lines, as no browser sends them: nothing of the session, whatever becomes of the rest.
    for (one, other) in [(own, &*session), (&*session, own), (&*first, &*last)] {
        let request = Request::get("/page").header("cookie", one).header("cookie", other);
        let answered = request.send(port).status();
        for reached in upstream.take() {
            for token in ["users-token", "renewal", "tollgate-id"] {
                assert!(!reached.whole().contains(token), "{answered}: the API sees {token}: {reached:?}");
            }
        }
    }

    // The same for a client that sends a token of its own: Envoy has decrypted the cookies nevertheless.
    for (sent, wanted) in [(format!("{own}; {session}"), own), (own.to_owned(), own), (session.clone(), "")] {
        let request = Request::get("/page").bearer("users-token").header("cookie", &sent);
        assert_eq!(request.send(port).status(), 200);
        assert_eq!(sorted(&upstream.take()[0].all("cookie").join("; ")), sorted(wanted));
    }
    assert_eq!(Request::get("/page").bearer("users-token").send(port).status(), 200);
    assert_eq!(upstream.take()[0].first("cookie"), None);

    // The session is renewed on the way, with the refresh token. (The browser drops the other cookies when the token expires.)
    let renewal = crumbs.iter().find(|crumb| crumb.starts_with("tollgate-refresh-token=")).expect("a cookie");
    server.take();
    server.next([tokens("second-token", "second-renewal")]);
    server.on("second-token", [Behaviour::active_for(60, "a")]);
    let renewed = Request::get("/page").header("cookie", &format!("{renewal}; {own}")).send(port);
    assert_eq!(renewed.status(), 200, "{renewed:?}");
    assert!(server.take()[0].text().contains("refresh_token=renewal"));
    let reached = upstream.take().remove(0);
    assert_eq!(sorted(&reached.all("cookie").join("; ")), sorted(own));
    for token in ["second-token", "renewal"] {
        assert!(!reached.whole().contains(token), "the API sees {token}: {reached:?}");
    }

    // What is longer than Envoy's filter stores is left out as a whole.
    for (length, arrives) in [(8191, true), (8192, false)] {
        let own = format!("big={}", "x".repeat(length - 4));
        let response = Request::get("/page").header("cookie", &format!("{session}; {own}")).send(port);
        assert_eq!(response.status(), 200);
        assert_eq!(upstream.take()[0].all("cookie") == [own], arrives, "{length} bytes");
    }

    // The end of the session is the end of each of its cookies.
    let out = Request::get("/oauth2/signout").header("cookie", &session).send(port);
    for name in ["access-token", "id-token", "refresh-token", "hmac", "expires"] {
        let gone = format!("tollgate-{name}=deleted;");
        assert!(out.all("set-cookie").iter().any(|cookie| cookie.starts_with(&gone)), "{name}: {out:?}");
    }
    gateway.envoy.assert_clean_log(&["hush", "users-token", "renewal"]);
}

/// A gateway whose short file ends with these lines. The authorization server is a stand-in that gives what it is told to.
fn gateway(more: &str) -> Gateway {
    let at = Operator::new();
    at.write("login", "hush-login\n");
    let file = r#"
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
"#;
    Gateway::among(&at, &[], &format!("{file}{more}\n"), &[])
}

/// The browser returns from the authorization server to where it was sent from.
fn come_back(sent: &Message, port: u16) -> Message {
    let location = sent.all("location").concat();
    let state = parameter(&location, "state");
    Request::get(&format!("/oauth2/callback?code=the-code&state={state}"))
        .header("cookie", &cookies(sent))
        .send(port)
}

/// A token response with all tokens that there are.
fn tokens(access: &str, refresh: &str) -> Behaviour {
    Behaviour::json(&format!(
        r#"{{"access_token":"{access}","refresh_token":"{refresh}","id_token":"tollgate-id","token_type":"Bearer","expires_in":60}}"#
    ))
}

/// The cookies that a response sets, as a browser sends them.
fn cookies(response: &Message) -> String {
    let set = response.all("set-cookie");
    let pairs = set.iter().filter_map(|cookie| cookie.split(';').next());
    pairs.filter(|pair| !pair.ends_with("=deleted")).collect::<Vec<_>>().join("; ")
}

/// Cookies in an order of their own: Envoy's is not the client's.
fn sorted(cookies: &str) -> Vec<&str> {
    let mut crumbs: Vec<_> = cookies.split("; ").filter(|crumb| !crumb.is_empty()).collect();
    crumbs.sort_unstable();
    crumbs
}

/// A parameter of a URL, as it stands there.
fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {url}"))
}
