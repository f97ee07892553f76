//! The command's HTTPS client: limited in size and time, without redirects to other origins.
//!
//! Proxies of the environment (`HTTPS_PROXY` and similar) are used only for other machines. Plain http is used only
//! for this machine, so it never goes through a proxy.
//!
//! A redirect is followed only for GET, only to the same origin, and at most three times (DSC-16,
//! DCR-23). TLS certificates are verified, unless `--insecure-skip-tls-verify` turns that off with a warning.

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tollgate_engine::base::secret::Secret;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};
use url::Url;

use crate::kit::failure::{Failure, reason};
use crate::kit::output::Output;
use crate::kit::printable::printable;

/// Network options, flattened into the arguments of every command that uses the network.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct Network {
    /// Trust these certificate authorities (PEM) instead of the system's
    #[arg(long, value_name = "FILE", env = "TOLLGATE_CA_FILE", hide_env_values = true)]
    ca_file: Option<PathBuf>,
    /// DANGEROUS: accept servers with invalid certificates; anyone on the network path can then read tokens
    /// and secrets
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Allow plain HTTP, but only to addresses of this machine
    #[arg(long)]
    allow_http: bool,
    /// Wait this many seconds for a server's response
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
}

/// The client.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    agent: Agent,
    /// A client without a proxy, for this machine's own addresses.
    direct: Agent,
    plain_to_ourselves: bool,
    /// For messages.
    timeout: Duration,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// For example `POST`.
    pub(crate) method: &'a str,
    pub(crate) url: &'a Url,
    /// Further header fields.
    pub(crate) headers: Vec<(String, Secret)>,
    /// The body and its media type.
    pub(crate) body: Option<(&'a str, Secret)>,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The header fields, names in lower case; values that are not text are left out.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, at most [`MAX_BODY`] bytes.
    pub(crate) body: Vec<u8>,
}

/// The longest response that is read, in bytes.
pub(crate) const MAX_BODY: u64 = 1 << 20;

const MAX_REDIRECTS: usize = 3;

impl Network {
    /// The client with these options.
    pub(crate) fn http(&self, out: &mut Output) -> Result<Http, Failure> {
        let mut tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
        if let Some(file) = &self.ca_file {
            let pem = std::fs::read(file).map_err(|error| Failure::file("read", file, &error))?;
            let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(Failure::new(format_args!("{} contains no certificate in PEM", file.display())));
            }
            tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates)));
        }
        if self.insecure_skip_tls_verify {
            out.alarm(
                "certificates are NOT verified: tokens and secrets are sent to any server that responds",
            );
            tls = tls.disable_verification(true);
        }
        let timeout = Duration::from_secs(self.timeout);
        let tls = tls.build();
        let agent = |proxy: Option<Proxy>| {
            Agent::config_builder()
                .tls_config(tls.clone())
                .timeout_global(Some(timeout))
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .save_redirect_history(false)
                .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
                .allow_non_standard_methods(false)
                .proxy(proxy)
                .build()
                .new_agent()
        };
        let (agent, direct) = (agent(Proxy::try_from_env()), agent(None));
        Ok(Http { agent, direct, plain_to_ourselves: self.allow_http, timeout })
    }
}

impl Http {
    /// A client for this machine alone, without TLS.
    pub(crate) fn to_ourselves() -> Self {
        let timeout = Duration::from_secs(5);
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0);
        let direct = config.proxy(None).build().new_agent();
        Self { agent: direct.clone(), direct, plain_to_ourselves: true, timeout }
    }

    /// Reads a document; `Accept: application/json`. Follows redirects within the origin.
    pub(crate) fn get(&self, url: &Url) -> Result<Reply, Failure> {
        let accept = vec![("accept".to_owned(), Secret::new("application/json"))];
        let mut at = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let reply =
                self.send(&Request { method: "GET", url: &at, headers: accept.clone(), body: None })?;
            if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(reply);
            }
            let to = reply.header("location").and_then(|to| at.join(to).ok()).ok_or_else(|| {
                Failure::new(format_args!("{at} responded with {} and without a location", reply.status))
            })?;
            if to.origin() != url.origin() {
                return Err(Failure::new(format_args!(
                    "{at} redirects to {to}, another origin; that is not followed"
                )));
            }
            at = to;
        }
        Err(Failure::new(format_args!("{url} redirects more than {MAX_REDIRECTS} times")))
    }

    /// Sends one request. A redirect is returned like any other response.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Reply, Failure> {
        self.permits(request.url).map_err(Failure::own)?;
        if request.url.scheme() == "http" {
            stays_here(request.url).map_err(Failure::own)?;
        }
        // A proxy cannot reach this machine's own addresses, and must not read plain http.
        let agent = if is_loopback(request.url) { &self.direct } else { &self.agent };
        let mut builder = ::http::Request::builder().method(request.method).uri(request.url.as_str());
        for (name, value) in &request.headers {
            builder = builder.header(name, value.expose());
        }
        if let Some((media_type, _)) = &request.body {
            builder = builder.header("content-type", *media_type);
        }
        let body = request.body.as_ref().map_or("", |(_, body)| body.expose());
        // Fields and body contain credentials, so no message may show them.
        let built = builder.body(body.as_bytes().to_vec()).map_err(|_| {
            Failure::new(format_args!(
                "a header field for {} contains a character that is not allowed",
                request.url
            ))
        })?;
        let unanswered = |error: ureq::Error| self.unanswered(request.url, &error);
        let mut response = if request.body.is_some() {
            agent.run(built).map_err(unanswered)?
        } else {
            agent.run(built.map(|_| ())).map_err(unanswered)?
        };
        let headers = response.headers().iter();
        let headers = headers
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec().map_err(unanswered)?;
        Ok(Reply { status, headers, body })
    }

    /// Whether the URL may be called: https, or http to this machine if that is allowed.
    pub(crate) fn permits(&self, url: &Url) -> Result<(), Failure> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if !is_loopback(url) => Err(Failure::new(format_args!(
                "{url} is plain http, which anyone on the network path can read and change"
            ))
            .help("Use https. Plain http is allowed only to this machine, with --allow-http.")),
            "http" if self.plain_to_ourselves => Ok(()),
            "http" => Err(Failure::new(format_args!("{url} is plain http"))
                .help("To allow this for this machine: --allow-http.")),
            other => Err(Failure::new(format_args!("{url} has the scheme {other}; expected https"))),
        }
    }

    fn unanswered(&self, url: &Url, error: &ureq::Error) -> Failure {
        let host = url.host_str().unwrap_or_default();
        match error {
            ureq::Error::HostNotFound => {
                Failure::new(format_args!("{host} is not known: no address for this name"))
            }
            ureq::Error::Timeout(_) => {
                Failure::new(format_args!("{url} did not respond within {} s", self.timeout.as_secs()))
                    .help("Set a longer time with --timeout.")
            }
            ureq::Error::BodyExceedsLimit(limit) => {
                Failure::new(format_args!("{url} responded with more than {limit} bytes"))
            }
            other => {
                let text = other.to_string();
                let known = TLS.iter().find(|(sign, ..)| text.contains(sign));
                let (what, help) = match (known, other) {
                    (Some((_, what, help)), _) => ((*what).to_owned(), *help),
                    (None, ureq::Error::Io(error)) => (reason(error), RUNS),
                    (None, _) => (printable(&text), RUNS),
                };
                let failure = Failure::new(format_args!("cannot connect to {url}: {what}")).help(help);
                // Which authorities this command trusts says nothing about Envoy.
                if text.contains("certificate") { failure.own() } else { failure }
            }
        }
    }
}

const RUNS: &str = "Check the address, and whether the server is running.";
const TRUST: &str = "If the certificate comes from your own authority, give its certificate: --ca-file.";

/// TLS errors: a part of the library's message, what it means, and what to do.
const TLS: [(&str, &str, &str); 11] = [
    (
        "InvalidContentType",
        "this port speaks plain http, not TLS",
        "Check the port, and whether the address should begin with http://.",
    ),
    ("UnknownIssuer", "its certificate does not come from an authority that is trusted here", TRUST),
    ("NotValidForName", "its certificate is for another name", "Use the address that is in the certificate."),
    (
        "not valid for name",
        "its certificate is for another name",
        "Use the address that is in the certificate.",
    ),
    ("NotValidYet", "its certificate is not valid yet", "Check this machine's clock."),
    ("not valid yet", "its certificate is not valid yet", "Check this machine's clock."),
    ("xpired", "its certificate has expired", "The server needs a new one."),
    (
        "CertificateRequired",
        "it requires a client certificate, which this command does not have",
        "Envoy's cluster may have one; this command cannot tell.",
    ),
    (
        "HandshakeFailure",
        "it supports none of the offered versions and ciphers of TLS",
        "TLS 1.2 or 1.3 is needed.",
    ),
    ("ProtocolVersion", "it supports none of the offered versions of TLS", "TLS 1.2 or 1.3 is needed."),
    ("invalid peer certificate", "its certificate cannot be verified", TRUST),
];

/// Whether the URL is an address of this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Fails if the name resolves to another machine: a resolver may return any address for `localhost` and names below it.
fn stays_here(url: &Url) -> Result<(), Failure> {
    let Some(url::Host::Domain(name)) = url.host() else { return Ok(()) };
    // If the name does not resolve, the connection reports it.
    let Ok(mut addresses) = (name, url.port_or_known_default().unwrap_or_default()).to_socket_addrs() else {
        return Ok(());
    };
    if addresses.all(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    Err(Failure::new(format_args!("{url} is plain http, and {name} does not lead to this machine alone"))
        .help("Use https, or 127.0.0.1."))
}

impl Reply {
    /// A header field; its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The media type without parameters, in lower case; empty if it is absent.
    pub(crate) fn media_type(&self) -> String {
        let field = self.header("content-type").unwrap_or_default();
        field.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body as a JSON object, if the media type says JSON and it is one.
    pub(crate) fn object(&self) -> Result<serde_json::Map<String, Value>, String> {
        let media_type = self.media_type();
        if media_type != "application/json" && !media_type.ends_with("+json") {
            let what =
                if media_type.is_empty() { "no media type".to_owned() } else { printable(&media_type) };
            return Err(format!("expected application/json, found {what}"));
        }
        match tollgate_engine::base::json::parse(&self.body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err("expected a JSON object, found other JSON".to_owned()),
            Err(error) => Err(format!("expected a JSON object: {error}")),
        }
    }
}
