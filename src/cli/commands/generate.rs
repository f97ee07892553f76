//! `tollgate generate`: complete configurations, from one short file.
//!
//! | room | what it does |
//! | --- | --- |
//! | [`shape`] | the short file's keys |
//! | [`plan`] | what the file means, the files and clients that it names, and the filter's configuration |
//! | [`envoy`], [`istio`], [`gateway`], [`compose`] | the outputs |
//! | [`module`] | the module that they load |
//! | [`template`], [`files`] | how they are written |

mod api_spec;
mod compose;
mod envoy;
mod files;
mod gateway;
mod istio;
mod module;
mod plan;
mod shape;
mod template;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Map, Value, json};
use url::Url;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::find;
use crate::kit::http::Network;
use crate::kit::output::Output;
use crate::kit::store::StoreArgs;

use module::{ModuleArgs, has_module};
use plan::{Faults, Plan, Source};

/// Write a complete configuration from one short file
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Envoy(Box<EnvoyArgs>),
    Istio(Box<IstioArgs>),
    EnvoyGateway(Box<GatewayArgs>),
    Compose(Box<ComposeArgs>),
    ApiSpec(api_spec::Args),
    /// Print the JSON Schema of the short file, for editors
    Schema,
}

/// Write a complete Envoy configuration: listener, filter, routes, clusters, secrets
///
/// Envoy adds the gateway's credentials to the calls, from a file that only its owner can read. The module
/// never sees them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = ENVOY_EXAMPLES)]
struct EnvoyArgs {
    #[command(flatten)]
    what: What,
    /// Set the path at which Envoy will find the module
    #[arg(long, value_name = "PATH", default_value = "/etc/envoy/tollgate_filter.wasm")]
    module: PathBuf,
    /// Set the directory of the written files when Envoy runs, if it is not DIR
    #[arg(long, value_name = "PATH")]
    installed_at: Option<PathBuf>,
    /// Set Envoy's file of root certificates
    #[arg(long, value_name = "PATH", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    trusted_ca: PathBuf,
}

/// Write resources for an Istio mesh: `WasmPlugin`, `ServiceEntry`, `DestinationRule`, `Secret`
#[derive(Debug, clap::Args)]
struct IstioArgs {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    module: ModuleArgs,
}

/// Write resources for Envoy Gateway: `EnvoyExtensionPolicy`, routes, backends, `Secret`
#[derive(Debug, clap::Args)]
struct GatewayArgs {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    module: ModuleArgs,
}

/// Write a Docker Compose project with Envoy in front of your services
#[derive(Debug, clap::Args)]
struct ComposeArgs {
    #[command(flatten)]
    what: What,
    /// Set the module's file on this machine
    #[arg(long, value_name = "PATH", default_value = "tollgate_filter.wasm")]
    module: PathBuf,
}

/// What to generate, and where to.
#[derive(Debug, clap::Args)]
struct What {
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
    /// Without a file: let Envoy's admin interface listen on this address [default: 127.0.0.1:9901]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "client")]
    admin: Option<SocketAddr>,
    /// Write all files into this directory [default, and with `-`: print the main file]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs the subcommand.
pub(crate) fn run(args: Args, out: &mut Output) -> Result<Exit, Failure> {
    match args.command {
        Command::Envoy(args) => run_envoy(&args, out)?,
        Command::Istio(args) => {
            let (source, mut plan) = args.what.read(out)?;
            let module = args.module.module(out);
            istio::guesses(&plan, out);
            forms(&plan, out);
            (plan.is_https, plan.is_logged) = (false, false);
            let files = settled(istio::files(&plan, &module), &source)?;
            args.what.write(&files, "Next: kubectl apply -f DIR", out)?;
        }
        Command::EnvoyGateway(args) => {
            let (source, mut plan) = args.what.read(out)?;
            let module = args.module.module(out);
            plan.is_https |= plan.kubernetes.tls_secret.is_some();
            forms(&plan, out);
            if !plan.is_https {
                out.warning("the Gateway listens with plain HTTP, so anyone on the network path can read the clients' tokens; enable TLS with `tls: {certificate: …, key: …}` or kubernetes.tls_secret");
            }
            let files = settled(gateway::files(&plan, &module)?, &source)?;
            args.what.write(&files, "Next: kubectl apply -f DIR", out)?;
        }
        Command::Compose(args) => {
            let (source, plan) = args.what.read(out)?;
            let files = settled(compose::files(&plan, &args.module, out)?, &source)?;
            args.what.write(&files, "Next: docker compose -f DIR/docker-compose.yaml up", out)?;
        }
        Command::ApiSpec(args) => return api_spec::run(args, out),
        Command::Schema => out.document(&shape::json_schema())?,
    }
    Ok(Exit::Good)
}

fn run_envoy(args: &EnvoyArgs, out: &mut Output) -> Result<(), Failure> {
    let (source, plan) = args.what.read(out)?;
    let directory = match (&args.installed_at, args.what.directory()) {
        (Some(directory), _) => directory.clone(),
        (None, Some(directory)) => absolute(directory)?,
        (None, None) => PathBuf::from("/etc/envoy"),
    };
    let module = absolute(&args.module)?;
    let is_there = has_module(&module)?;
    if args.installed_at.is_none() && args.what.directory().is_some() && !is_there {
        out.warning(format_args!(
            "there is no module at {}; name another place with --module PATH",
            module.display()
        ));
    }
    let around = envoy::Surroundings {
        target: "envoy",
        directory,
        module,
        roots: args.trusted_ca.clone(),
        listen: plan.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
        tls: match &plan.tls {
            Some((certificate, key)) => Some((absolute(certificate)?, absolute(key)?)),
            None => None,
        },
    };
    unprotected(&plan, around.listen, out);
    let files = settled(envoy::files(&plan, &around)?, &source)?;
    let environment = if files.iter().any(|file| file.path == Path::new("secrets.env")) {
        out.warning("Envoy can add only the credentials of client_secret_basic; the module reads the secrets of clients with other methods from Envoy's environment (secrets.env)");
        "set -a; . DIR/secrets.env; "
    } else {
        ""
    };
    args.what.write(&files, &format!("Next: {environment}envoy -c DIR/envoy.yaml"), out)
}

/// Warns about addresses that other machines can reach.
fn unprotected(plan: &Plan, listen: SocketAddr, out: &mut Output) {
    if plan.tls.is_none() && !listen.ip().is_loopback() {
        out.warning(format_args!(
            "{listen} is plain HTTP; unless a proxy in front of Envoy speaks TLS, anyone on the network path can read the clients' tokens; enable TLS with `tls: {{certificate: …, key: …}}`"
        ));
    }
    if let Some(admin) = plan.admin.filter(|admin| !admin.ip().is_loopback()) {
        out.warning(format_args!(
            "admin: {admin} can be reached from other machines, and anyone who reaches it can stop Envoy"
        ));
    }
}

/// Warns that tokens in forms cannot be read in a cluster.
fn forms(plan: &Plan, out: &mut Output) {
    if plan.reads_bodies() {
        out.warning(format_args!("policy.token.from_form: {}", find::NO_FORMS));
    }
}

/// The files, or the errors in the plan.
fn settled(files: Result<Vec<files::File>, Faults>, source: &Source) -> Result<Vec<files::File>, Failure> {
    files.map_err(|faults| source.refusal(faults))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file("find", path, &error))
}

impl What {
    fn read(&self, out: &mut Output) -> Result<(Source, Plan), Failure> {
        let source = match (&self.file, &self.client) {
            (Some(file), _) => Source::file(file)?,
            (None, Some(_)) => Source::arguments(self.short_file()),
            (None, None) => {
                return Err(Failure::new("there is nothing to generate from").help(
                    "Name a short file (docs/generate.md), or a stored client and its API: --client gateway --upstream http://127.0.0.1:3000.",
                ));
            }
        };
        let plan = source.plan(&self.store, &self.network, out)?;
        Ok((source, plan))
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

    fn directory(&self) -> Option<&Path> {
        self.out.as_deref().filter(|directory| *directory != Path::new("-"))
    }

    fn write(&self, files: &[files::File], next: &str, out: &mut Output) -> Result<(), Failure> {
        let directory = self.directory();
        let name = directory.map(|directory| directory.display().to_string()).unwrap_or_default();
        files::write(files, directory, self.force, &next.replace("DIR", &name), out)
    }
}

const ENVOY_EXAMPLES: &str = "Examples:
  tollgate generate envoy --client gateway --upstream http://127.0.0.1:3000 --scope orders:read \\
    --audience https://api.example.com --out gateway
  tollgate generate envoy gateway.yaml --out gateway --force
  tollgate generate envoy gateway.yaml --module /usr/lib/tollgate_filter.wasm > envoy.yaml";
