//! `tollgate generate`: complete configurations, from one short file.
//!
//! What `run` needs, too, is in the kit: what a short file means (`plan`), Envoy's configuration (`envoy`), and how
//! both are written (`template`, `files`).

mod api_spec;
mod compose;
mod gateway;
mod istio;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::kit::envoy;
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::files::{self, absolute};
use crate::kit::find;
use crate::kit::http::Network;
use crate::kit::module::{ModuleArgs, has_module};
use crate::kit::output::Output;
use crate::kit::plan::{Faults, Plan, Source, shape};
use crate::kit::short_file::ShortFileArgs;
use crate::kit::store::StoreArgs;

/// Write a complete configuration from one short file
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_long_help = SHORT_FILE)]
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

/// Write resources for an Istio mesh: `TrafficExtension`, `ServiceEntry`, `DestinationRule`, `Secret`
#[derive(Debug, clap::Args)]
struct IstioArgs {
    #[command(flatten)]
    what: What,
    /// Set the resource that loads the module
    #[arg(long, value_enum, default_value = "trafficextension")]
    api: istio::Api,
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
    #[command(flatten)]
    short_file: ShortFileArgs,
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
            bodies(&plan, out);
            plan.is_https = false;
            let files = settled(istio::files(&plan, &module, args.api), &source)?;
            args.what.write(&files, "Next: kubectl apply -f DIR", out)?;
        }
        Command::EnvoyGateway(args) => {
            let (source, mut plan) = args.what.read(out)?;
            let module = args.module.module(out);
            plan.is_https |= plan.kubernetes.tls_secret.is_some();
            bodies(&plan, out);
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
        admin: plan.admin.unwrap_or(envoy::ADMIN),
        tls: match &plan.tls {
            Some((certificate, key)) => Some((absolute(certificate)?, absolute(key)?)),
            None => None,
        },
        shares_port: true,
        login_key: envoy::login_key()?,
    };
    plan.warn_of_exposure(around.listen, out);
    let files = settled(envoy::files(&plan, &around)?, &source)?;
    let environment = if files.iter().any(|file| file.path == Path::new("secrets.env")) {
        out.warning("Envoy can add only the credentials of client_secret_basic; the module reads the secrets of clients with other methods from Envoy's environment (secrets.env)");
        "set -a; . DIR/secrets.env; "
    } else {
        ""
    };
    args.what.write(&files, &format!("Next: {environment}envoy -c DIR/envoy.yaml"), out)
}

/// Warns that bodies cannot be read in a cluster.
fn bodies(plan: &Plan, out: &mut Output) {
    for key in plan.reads_bodies() {
        out.warning(format_args!("policy.{key}: {}", find::NO_BODIES));
    }
}

/// The files, or the errors in the plan.
fn settled(files: Result<Vec<files::File>, Faults>, source: &Source) -> Result<Vec<files::File>, Failure> {
    files.map_err(|faults| source.refusal(faults))
}

impl What {
    fn read(&self, out: &mut Output) -> Result<(Source, Plan), Failure> {
        let source = self.short_file.source()?;
        let plan = source.plan(&self.store, &self.network, out)?;
        Ok((source, plan))
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

const SHORT_FILE: &str = "A short file, for example gateway.yaml:

  providers:
    main:
      issuer: https://login.example.com/realms/main
      preset: keycloak
      client_id: gateway
      client_secret_env: GATEWAY_SECRET
      audiences: [https://api.example.com]
  apis:
    orders: {prefix: /orders, upstream: http://127.0.0.1:3000, scopes: [orders:read]}

All its keys: tollgate generate schema";

const ENVOY_EXAMPLES: &str = "Examples:
  tollgate generate envoy --client gateway --upstream http://127.0.0.1:3000 --scope orders:read \\
    --audience https://api.example.com --out gateway
  tollgate generate envoy gateway.yaml --out gateway --force
  tollgate generate envoy gateway.yaml --module /usr/lib/tollgate_filter.wasm > envoy.yaml";
