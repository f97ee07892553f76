//! `tollgate client serve`: client lists over HTTP, as the filter fetches them (`client_lists.*.uri`).
//!
//! The response to `GET /lists/NAME` is `{"clients": […]}`, with `revoked` if something is revoked. The response to
//! `GET /revoked` has no clients. The store is small and is read for every request, so
//! changes take effect at once. After an error response, a filter keeps its last list.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, HeaderValue, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::kit::clock;
use crate::kit::exit::Exit;
use crate::kit::failure::{Failure, reason};
use crate::kit::output::Output;
use crate::kit::store::StoreArgs;

use super::credential::read;
use super::lists::{body, no_list};

/// Serve client lists to the filter: `GET /lists/NAME`
///
/// Each list also says what is revoked (`tollgate revoke`); so does `GET /revoked`, a list without clients.
/// Uses plain HTTP and listens only on this machine by default. For other machines, put a proxy with TLS in
/// front of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Serve only these lists [default: all, including new ones]
    list: Vec<String>,
    /// Listen on this address; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8990")]
    listen: SocketAddr,
    /// Also accept this name in `Host`, besides addresses and localhost; repeatable. With a bearer token,
    /// all names are accepted
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Require this bearer token
    #[arg(long, value_name = "FILE")]
    bearer_token_file: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
}

/// What every request needs.
#[derive(Debug)]
struct Service {
    lists: Vec<String>,
    /// The names by which it may be called.
    hosts: Vec<String>,
    /// The hash of the token. Comparing hashes reveals nothing about the token by its duration.
    token: Option<[u8; 32]>,
    store: StoreArgs,
}

/// Serves until it is stopped.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let content = args.store.peek()?;
    if let Some(absent) = args.list.iter().find(|list| !content.lists.contains_key(*list)) {
        return Err(no_list(&content, absent, &args.store));
    }
    let token = match &args.bearer_token_file {
        None => None,
        Some(file) => match read(file)?.trim() {
            "" => return Err(Failure::new(format_args!("{} holds no token", file.display()))),
            token => Some(Sha256::digest(token).into()),
        },
    };
    if !args.listen.ip().is_loopback() {
        let reader = if token.is_some() { "anyone who has the token" } else { "anyone who reaches it" };
        out.alarm(format_args!(
            "{} can be reached from other machines: client ids and tiers are sent in plain http, to {reader}",
            args.listen
        ));
    }
    let service = Arc::new(Service {
        lists: args.list.clone(),
        hosts: args.host.clone(),
        token,
        store: args.store.clone(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format_args!("cannot serve: {}", reason(&error))))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.map_err(|error| {
            Failure::new(format_args!("cannot listen on {}: {}", args.listen, reason(&error)))
                .help("Another process may be listening there. Use another address with --listen; port 0 selects a free one.")
        })?;
        announce(&listener, args, out)?;
        accept(&listener, &service).await
    })
}

/// Prints the address, because the port may have been chosen by the system.
fn announce(listener: &TcpListener, args: &Args, out: &mut Output) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(|error| Failure::new(reason(&error)))?;
    if out.is_json() {
        out.document(&json!({"listening": address.to_string(), "path": "/lists/NAME"}))?;
    } else {
        let environment = args.store.environment();
        out.line(format_args!("serving http://{address}/lists/NAME of the environment {environment:?}"))?;
    }
    out.finish()
}

/// Accepts connections. If there are too many, the oldest one is closed.
async fn accept(listener: &TcpListener, service: &Arc<Service>) -> Result<Exit, Failure> {
    let mut open: VecDeque<JoinHandle<()>> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // For example, there are no file descriptors left. Other connections will end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        // A response takes milliseconds, so a connection that is open for long is idle or slow on purpose.
        if open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let service = Arc::clone(service);
        open.push_back(tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let response = service.answer(&request);
                async { Ok::<_, Infallible>(response) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
            let connection = http.serve_connection(TokioIo::new(stream), answer);
            // The client may be gone, which does not matter.
            drop(tokio::time::timeout(MAX_AGE, connection).await);
        }));
    }
}

impl Service {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.is_meant(request) {
            let what = json!({"error": "not a name of this server; `--host NAME` adds one"});
            return json_of(StatusCode::MISDIRECTED_REQUEST, what.to_string());
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET is offered", ("allow", "GET, HEAD"));
        }
        if !self.lets_in(request.headers().get(AUTHORIZATION)) {
            return refusal(
                StatusCode::UNAUTHORIZED,
                "a bearer token is needed",
                ("www-authenticate", "Bearer"),
            );
        }
        let name = match request.uri().path() {
            "/revoked" => None,
            path => match path.strip_prefix("/lists/") {
                None => return missing("lists are at /lists/NAME"),
                Some(name) if self.lists.is_empty() || self.lists.iter().any(|list| list == name) => {
                    Some(name)
                }
                Some(_) => return missing("no such list"),
            },
        };
        // After this status, a filter keeps its list.
        let Ok(content) = self.store.peek() else {
            return refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "the store cannot be read",
                ("retry-after", "30"),
            );
        };
        let members = name.map_or(Some(&[][..]), |name| content.lists.get(name).map(Vec::as_slice));
        let Some(members) = members else { return missing("no such list") };
        let mut body = body(members);
        let revoked = content.revoked_at(clock::now());
        // Filters of an earlier version accept no list with a key that they do not know.
        if !revoked.is_empty() {
            body.as_object_mut().map(|body| body.insert("revoked".to_owned(), json!(revoked)));
        }
        let body = body.to_string();
        let tag = format!("\"{:x}\"", Sha256::digest(&body));
        let unchanged = request.headers().get_all(IF_NONE_MATCH).iter().any(|tags| names(tags, &tag));
        let (status, body) =
            if unchanged { (StatusCode::NOT_MODIFIED, String::new()) } else { (StatusCode::OK, body) };
        let mut response = json_of(status, body);
        if let Ok(tag) = HeaderValue::try_from(tag) {
            response.headers_mut().insert(ETAG, tag);
        }
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    /// Whether the request names this server. Otherwise a page in a browser on this machine could read the lists
    /// under a name of its own that leads here (DNS rebinding). It cannot know the token, so if a token is
    /// required, names do not matter.
    fn is_meant(&self, request: &Request<Incoming>) -> bool {
        if self.token.is_some() {
            return true;
        }
        let mut fields = request.headers().get_all(HOST).iter();
        let field = fields.next().and_then(|host| host.to_str().ok());
        let target = request.uri().authority().map(::http::uri::Authority::as_str);
        let is_ours = |authority: &str| self.is_name(authority);
        fields.next().is_none() && field.is_some_and(is_ours) && target.is_none_or(is_ours)
    }

    /// Whether an authority names this server: an address, `localhost`, or a configured name.
    fn is_name(&self, authority: &str) -> bool {
        let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
        let name = match authority.rsplit_once(':') {
            Some((name, port)) if is_port(port) => name,
            _ => authority,
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let is_local = name.eq_ignore_ascii_case("localhost");
        is_local
            || bare.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    fn lets_in(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some(token) = &self.token else { return true };
        let sent =
            authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        sent.is_some_and(|(scheme, sent)| {
            scheme.eq_ignore_ascii_case("bearer") && <[u8; 32]>::from(Sha256::digest(sent.trim())) == *token
        })
    }
}

/// Whether `If-None-Match` names the tag ([RFC 9110 §13.1.2]).
///
/// [RFC 9110 §13.1.2]: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
fn names(field: &HeaderValue, tag: &str) -> bool {
    let tags = field.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.map(|known| known.strip_prefix("W/").unwrap_or(known)).any(|known| known == "*" || known == tag)
}

fn missing(what: &str) -> Response<Full<Bytes>> {
    json_of(StatusCode::NOT_FOUND, json!({"error": what}).to_string())
}

fn refusal(
    status: StatusCode,
    what: &str,
    (name, value): (&'static str, &'static str),
) -> Response<Full<Bytes>> {
    let mut response = json_of(status, json!({"error": what}).to_string());
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn json_of(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

const MAX_CONNECTIONS: usize = 256;
const MAX_HEAD: usize = 16 << 10;
/// Also how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_AGE: Duration = Duration::from_secs(600);
