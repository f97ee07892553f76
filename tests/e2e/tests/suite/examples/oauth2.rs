//! `oauth2` in front of Tollgate: a login in a browser, from the first page to the last.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use tollgate_e2e::client::Request;
use tollgate_e2e::message::{Message, Side};
use tollgate_e2e::ports::listen;
use tollgate_e2e::root;

use super::Example;

#[test]
fn a_browser_logs_in_and_can_log_in_again_when_its_token_is_revoked() {
    let login = LoginServer::start();
    let secrets =
        ["oauth2-client-secret.yaml", "oauth2-hmac-secret.yaml"].map(|name| format!("envoy/{name}"));
    let files = secrets.each_ref().map(|name| root().join(name).display().to_string());
    let exchanges = [
        (&*secrets[0], &*files[0]),
        (&*secrets[1], &*files[1]),
        ("cache: {ttl: 30s}", "cache: {max_entries: 0}"),
    ];
    let example = Example::with_server("oauth2.yaml", &exchanges, login.port);
    let mut browser = Browser::new(example.port, login.port);

    // From a page of the API to the authorization server and back to that page.
    let page = browser.open("http://api.example.com/employees/1?x=1");
    assert_eq!((page.status(), &*browser.at), (200, "http://api.example.com/employees/1?x=1"), "{page:?}");
    assert_eq!(browser.visited("auth.example.com"), 1);
    let reached = example.upstream.take();
    assert_eq!(reached.len(), 1, "{reached:?}");
    assert_eq!(reached[0].all("x-user"), ["alice"]);
    assert!(!reached[0].whole().contains("login-1"), "the API sees the token: {reached:?}");
    assert!(reached[0].first("cookie").is_none(), "the API sees the session: {reached:?}");
    assert!(!browser.cookies_of("api.example.com").contains("login-1"), "the browser can read the token");
    // The session lasts, and nobody else chooses who the user is. The API's own cookies arrive.
    browser.set("api.example.com", "theme", "dark");
    let request = browser.request("/employees").header("x-user", "admin");
    assert_eq!(request.send(example.port).status(), 200);
    let reached = example.upstream.take().remove(0);
    assert_eq!(reached.all("x-user"), ["alice"]);
    assert_eq!(reached.all("cookie"), ["theme=dark"], "{reached:?}");
    assert_eq!(browser.visited("auth.example.com"), 1);

    // A revoked token is rejected. A person gets a page, and a script gets what every client gets.
    login.revoke("login-1");
    let page = browser.open("http://api.example.com/employees");
    assert_eq!(page.status(), 401);
    assert!(page.all("www-authenticate").concat().contains("error=\"invalid_token\""), "{page:?}");
    assert_eq!(page.all("content-type"), ["text/html; charset=utf-8"]);
    assert!(page.text().contains("<a href=\"/oauth2/signout\">"), "{page:?}");
    let script = browser.request("/employees").header("accept", "application/json").send(example.port);
    assert_eq!((script.status(), script.all("content-type").concat()), (401, "application/json".to_owned()));
    assert!(script.text().contains("\"error\":\"invalid_token\""), "{script:?}");
    assert!(example.upstream.take().is_empty());

    // The page's link ends the session. The next one has another token.
    let page = browser.open("http://api.example.com/oauth2/signout");
    assert_eq!((page.status(), &*browser.at), (200, "http://api.example.com/"), "{page:?}");
    assert_eq!(browser.visited("auth.example.com"), 2);
    assert_eq!(example.upstream.take()[0].all("x-user"), ["alice"]);

    // Who brings a token is not sent anywhere, and a script without a session is not either.
    assert_eq!(example.get("/employees", "garbage").status(), 401);
    let script = Request::get("/employees").header("x-requested-with", "XMLHttpRequest");
    assert_eq!(script.send(example.port).status(), 401);
    example.envoy.assert_clean_log(&["login-1", "login-2", "web-demo-secret"]);
    // A stolen token in the cookie is no session. (Envoy's log names what it cannot decrypt.)
    let forged = "tollgate-access-token=login-2; tollgate-hmac=x; tollgate-expires=9999999999";
    let forged = Request::get("/employees").header("cookie", forged).send(example.port);
    assert_eq!(forged.status(), 302, "a session of nobody's");
    assert!(example.upstream.take().is_empty());
    assert!(login.faults().is_empty(), "{:?}", login.faults());
}

/// Follows redirects and keeps cookies.
struct Browser {
    ports: BTreeMap<&'static str, u16>,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    hosts: Vec<String>,
    /// The address of the page.
    at: String,
}

impl Browser {
    /// One that reaches the API and the authorization server at these ports.
    fn new(api: u16, login: u16) -> Self {
        let ports = [("api.example.com", api), ("auth.example.com", login)].into();
        Self { ports, cookies: BTreeMap::new(), hosts: Vec::new(), at: String::new() }
    }

    /// Opens a page, wherever it leads.
    fn open(&mut self, address: &str) -> Message {
        address.clone_into(&mut self.at);
        for _ in 0..10 {
            let (host, target) = parts(&self.at);
            let request = Request::get(&target).host(&host).header("cookie", &self.cookies_of(&host));
            let page = request.header("accept", "text/html,*/*;q=0.8").send(self.ports[&*host]);
            self.keep(&host, &page);
            self.hosts.push(host);
            if page.status() != 302 {
                return page;
            }
            self.at = page.all("location").concat();
        }
        panic!("redirects without end: {:?}", self.hosts);
    }

    /// A request of a script, with the session's cookies.
    fn request(&self, target: &str) -> Request {
        Request::get(target).header("cookie", &self.cookies_of("api.example.com"))
    }

    fn keep(&mut self, host: &str, page: &Message) {
        let jar = self.cookies.entry(host.to_owned()).or_default();
        for cookie in page.all("set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((&cookie, ""));
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if value == "deleted" || attributes.contains("Max-Age=0") {
                jar.remove(name);
                continue;
            }
            for wanted in ["HttpOnly", "secure", "SameSite=Lax"] {
                assert!(attributes.to_lowercase().contains(&wanted.to_lowercase()), "{cookie}");
            }
            jar.insert(name.to_owned(), value.to_owned());
        }
    }

    /// A cookie of the API's own.
    fn set(&mut self, host: &str, name: &str, value: &str) {
        self.cookies.entry(host.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    fn cookies_of(&self, host: &str) -> String {
        let jar = self.cookies.get(host).into_iter().flatten();
        jar.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// How often a host has been asked for a page.
    fn visited(&self, host: &str) -> usize {
        self.hosts.iter().filter(|visited| *visited == host).count()
    }
}

/// An authorization server for one user, who is logged in there, and one client: the authorization code grant with PKCE
/// (RFC 6749 §4.1, RFC 7636), introspection (RFC 7662), and nothing for whoever makes a mistake.
struct LoginServer {
    port: u16,
    state: Arc<Mutex<LoginState>>,
}

#[derive(Default)]
struct LoginState {
    challenges: HashMap<String, String>,
    tokens: HashMap<String, bool>,
    faults: Vec<String>,
}

impl LoginServer {
    fn start() -> Self {
        let state = Arc::<Mutex<LoginState>>::default();
        let shared = Arc::clone(&state);
        Self { port: listen(move |stream| serve(stream, &shared)), state }
    }

    fn revoke(&self, token: &str) {
        self.lock().tokens.insert(token.to_owned(), false);
    }

    /// The requests that were not as they should be.
    fn faults(&self) -> Vec<String> {
        self.lock().faults.clone()
    }

    fn lock(&self) -> MutexGuard<'_, LoginState> {
        self.state.lock().expect("no one panicked")
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<LoginState>) {
    while let Ok(Some(request)) = Message::read(&mut stream, Side::Request) {
        let response = state.lock().expect("no one panicked").respond(&request);
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

impl LoginState {
    fn respond(&mut self, request: &Message) -> String {
        let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
        let (query, form) = (Form::of(query), Form::of(&request.text()));
        let done = match path {
            "/authorize" => self.authorize(&query),
            "/token" => self.redeem(request, &form),
            "/token/introspection" => Ok(self.introspect(&form)),
            _ => Err("another path"),
        };
        done.unwrap_or_else(|fault| {
            self.faults.push(format!("{fault}: {request:?}"));
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_owned()
        })
    }

    /// Sends the user back with a code.
    fn authorize(&mut self, query: &Form) -> Result<String, &'static str> {
        query.must_be("response_type", "code")?;
        query.must_be("client_id", "web")?;
        query.must_be("redirect_uri", CALLBACK)?;
        query.must_be("code_challenge_method", "S256")?;
        query.must_be("scope", "employees:read")?;
        let code = format!("code-{}", self.challenges.len());
        self.challenges.insert(code.clone(), query.get("code_challenge"));
        let state = query.raw("state");
        Ok(format!(
            "HTTP/1.1 302 Found\r\nlocation: {CALLBACK}?code={code}&state={state}\r\ncontent-length: 0\r\n\r\n"
        ))
    }

    /// A token for a code, once.
    fn redeem(&mut self, request: &Message, form: &Form) -> Result<String, &'static str> {
        let credentials = format!("Basic {}", STANDARD.encode("web:web-demo-secret"));
        if request.all("authorization") != [credentials] {
            return Err("another client");
        }
        form.must_be("grant_type", "authorization_code")?;
        form.must_be("redirect_uri", CALLBACK)?;
        let challenge = self.challenges.insert(form.get("code"), "used".to_owned());
        let verifier = URL_SAFE_NO_PAD.encode(Sha256::digest(form.get("code_verifier")));
        if challenge != Some(verifier) {
            return Err("another code or verifier");
        }
        let token = format!("login-{}", self.tokens.len() + 1);
        self.tokens.insert(token.clone(), true);
        Ok(reply(&json!({"access_token": token, "token_type": "Bearer", "expires_in": 300})))
    }

    fn introspect(&self, form: &Form) -> String {
        if self.tokens.get(&form.get("token")) != Some(&true) {
            return reply(&json!({"active": false}));
        }
        reply(&json!({
            "active": true, "iss": "https://auth.example.com", "sub": "alice", "client_id": "web",
            "scope": "employees:read", "exp": 4_000_000_000_u64,
        }))
    }
}

/// What a form or a query says.
struct Form(HashMap<String, String>);

impl Form {
    fn of(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A value as it is written.
    fn raw(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    fn get(&self, name: &str) -> String {
        decoded(self.raw(name))
    }

    fn must_be(&self, name: &'static str, value: &str) -> Result<(), &'static str> {
        if self.get(name) == value { Ok(()) } else { Err(name) }
    }
}

/// A value without its percent-encoding.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut whole, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        whole.extend(u8::from_str_radix(digits, 16).map(char::from));
        whole + rest
    })
}

fn reply(body: &serde_json::Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The host and the target of an address.
fn parts(address: &str) -> (String, String) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let at = rest.find('/').unwrap_or(rest.len());
    let (host, target) = rest.split_at(at);
    (host.to_owned(), target.to_owned())
}

/// The redirect URI that the client has registered.
const CALLBACK: &str = "http://api.example.com/oauth2/callback";
