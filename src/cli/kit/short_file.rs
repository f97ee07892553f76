//! The short file, or the arguments that stand for one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use url::Url;

use crate::kit::failure::Failure;
use crate::kit::plan::Source;

/// The APIs to protect, and the authorization servers.
#[derive(Debug, clap::Args)]
pub(crate) struct ShortFileArgs {
    /// The short file with providers and APIs; `-` is standard input
    #[arg(conflicts_with_all = [
        "client", "upstream", "scope", "audience", "host", "prefix", "listen", "admin", "mcp", "websocket", "grpc",
    ])]
    file: Option<PathBuf>,
    /// Without a file: use this client of the store for the gateway
    #[arg(long, value_name = "NAME", requires = "upstream")]
    client: Option<String>,
    /// Without a file: forward requests to the API at this address
    #[arg(long, value_name = "URL", requires = "client")]
    upstream: Option<Url>,
    /// Without a file: require this scope; repeatable
    #[arg(long, requires = "client")]
    scope: Vec<String>,
    /// Without a file: accept tokens for this audience; repeatable
    #[arg(long, requires = "client")]
    audience: Vec<String>,
    /// Without a file: match this host [default: all]; repeatable
    #[arg(long, requires = "client")]
    host: Vec<String>,
    /// Without a file: match paths with this prefix [default: all]
    #[arg(long, value_name = "PATH", requires = "client")]
    prefix: Option<String>,
    /// Without a file: treat the API as an MCP server, which clients know by this URI
    #[arg(long, value_name = "URI", requires = "client")]
    mcp: Option<String>,
    /// Without a file: allow WebSocket upgrades
    #[arg(long, requires = "client")]
    websocket: bool,
    /// Without a file: call the API over HTTP/2, as gRPC requires
    #[arg(long, requires = "client")]
    grpc: bool,
    /// Without a file: let Envoy listen on this address [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "client")]
    listen: Option<SocketAddr>,
    /// Without a file: let Envoy's admin interface listen on this address [default: 127.0.0.1:9901;
    /// a free port with run]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "client")]
    admin: Option<SocketAddr>,
}

impl ShortFileArgs {
    /// The short file, read; or the arguments in its form.
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        match (&self.file, &self.client) {
            (Some(file), _) => Source::file(file),
            (None, Some(_)) => Ok(Source::arguments(self.short_file())),
            (None, None) => Err(Failure::new("there is nothing to generate from").help(
                "Name a short file (`tollgate generate --help` has an example), or a stored client and its API: --client gateway --upstream http://127.0.0.1:3000.",
            )),
        }
    }

    /// The file, unless it is the standard input.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref().filter(|file| *file != Path::new("-"))
    }

    /// The short file that the arguments stand for.
    fn short_file(&self) -> Value {
        let mut api = Map::new();
        api.insert("upstream".to_owned(), json!(self.upstream.as_ref().map(Url::as_str)));
        if !self.scope.is_empty() {
            api.insert("scopes".to_owned(), json!(self.scope));
        }
        if !self.host.is_empty() {
            api.insert("hosts".to_owned(), json!(self.host));
        }
        api.extend(self.prefix.iter().map(|prefix| ("prefix".to_owned(), json!(prefix))));
        api.extend(
            self.mcp.iter().map(|identifier| {
                ("resource".to_owned(), json!({"identifier": identifier, "profile": "mcp"}))
            }),
        );
        for (key, is_set) in [("websocket", self.websocket), ("grpc", self.grpc)] {
            api.extend(is_set.then(|| (key.to_owned(), json!(true))));
        }
        let mut provider = Map::from_iter([("client".to_owned(), json!(self.client))]);
        if !self.audience.is_empty() {
            provider.insert("audiences".to_owned(), json!(self.audience));
        }
        let mut whole = Map::new();
        whole.insert("providers".to_owned(), json!({"main": provider}));
        whole.insert("apis".to_owned(), json!({"api": api}));
        for (key, address) in [("listen", self.listen), ("admin", self.admin)] {
            whole.extend(address.map(|address| (key.to_owned(), json!(address.to_string()))));
        }
        Value::Object(whole)
    }
}
