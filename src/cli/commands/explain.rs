//! `tollgate explain`: runs one request through the filter's engine, and shows every step.

mod calls;
mod certificate;
mod checks;
mod documents;
mod report;
mod request;
mod saved;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Decision;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::{Mode, Policy};

use crate::commands::explain::calls::{Calls, Source};
use crate::commands::explain::certificate::Client;
use crate::commands::explain::documents::{Documents, SavedKeys, SavedList, SavedStatusList};
use crate::commands::explain::report::{Report, Steps};
use crate::commands::explain::saved::Saved;
use crate::kit::ask::random_seed;
use crate::kit::credentials::Credentials;
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::http::Network;
use crate::kit::injected::ByProvider;
use crate::kit::named::{STAND_IN, set, without_keys};
use crate::kit::output::Output;
use crate::kit::signatures::Computed;
use crate::kit::store::StoreArgs;
use crate::kit::worker::Driver;
use crate::kit::{clock, find, injected};

/// Decide one request as the filter would, and show each step
///
/// Calls the authorization server, or uses a saved response (`--reply`) so that a case can be replayed
/// offline. The last line is the verdict. The exit status is 0 if the request passes, 1 if it
/// is rejected, and 2 if the command cannot tell. With `mode: shadow`, every request passes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration: Tollgate's own, or an Envoy, Istio or Envoy Gateway file that contains it; `-` is
    /// standard input
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Select a configuration if the file contains several; the first is 1
    #[arg(long, value_name = "N")]
    number: Option<usize>,
    /// Judge this request: `GET /orders/7`, or with a host, `GET https://api.example.com/orders/7`
    #[arg(long, short, value_name = "REQUEST")]
    request: String,
    /// Add a header field to the request, as `name: value`; repeatable
    #[arg(long, short = 'H', value_name = "FIELD")]
    header: Vec<String>,
    /// Set the request's body: a form with a token, or an event
    #[arg(long, value_name = "FILE")]
    form: Option<PathBuf>,
    /// Use this access token. It is sent where the configuration reads tokens: in a header field if possible
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// Read the access token from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Use a saved introspection response instead of calling the authorization server: its JSON, or the
    /// output of `curl --include`; repeat it for each further provider that is called
    #[arg(long, value_name = "FILE")]
    reply: Vec<PathBuf>,
    /// Read a client list from a file instead of fetching it; repeatable
    #[arg(long, value_name = "NAME=FILE")]
    client_list: Vec<SavedList>,
    /// Read a provider's keys from a file instead of fetching them; repeatable
    #[arg(long, value_name = "PROVIDER=FILE")]
    jwks: Vec<SavedKeys>,
    /// Read a status list from a file instead of fetching it: the token that its URI returns; repeatable
    #[arg(long, value_name = "URI=FILE")]
    status_list: Vec<SavedStatusList>,
    /// Use this client certificate (PEM) for the connection, for tokens that are bound to one
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Decide as if it were this time: seconds since the epoch, or a date such as 2026-11-23T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<UnixTime>,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    network: Network,
}

/// Explains one request.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let mut source = if args.reply.is_empty() {
        Source::Live(args.network.http(out)?, ByProvider::new())
    } else {
        let mut saved = args.reply.iter().map(|file| Saved::read(file)).collect::<Result<Vec<_>, _>>()?;
        saved.reverse();
        Source::Saved(saved)
    };
    let found = find::load_one(&args.config, args.number)?;
    let injected = injected::of(&found, &args.config);
    let mut configuration = found.value;
    args.credentials.stand_in(&mut configuration, &injected, &args.store)?;
    if let Source::Live(_, known) = &mut source {
        *known = injected;
        // Credentials on the command line replace those that Envoy would add.
        known.retain(|_, one| one.is_ok() || !args.credentials.are_given());
    }
    let offline = matches!(source, Source::Saved(_));
    if offline {
        without_keys(&mut configuration);
    }
    let policy = policy(&configuration, offline, &args.config)?;
    let now = args.at.unwrap_or_else(clock::now);

    let token = token(args)?;
    let head = request::head(&args.request, &args.header, token.as_ref(), &policy.token)?;
    let form = args.form.as_deref().map(text_of).transpose()?;
    let certificate = args.certificate.as_deref().map(Client::digest).transpose()?;
    let is_tls = head.iter().any(|(name, value)| name == b":scheme" && value == b"https");
    let client = Client { certificate, is_tls };
    let ports = Ports {
        peer: Box::leak(Box::new(client)),
        signer: Some(&Computed),
        ..Ports::new(random_seed()?, &Computed)
    };
    let steps = Steps::at(now);
    let documents = Documents::new(&policy, &args.client_list, &args.jwks, &args.status_list)?;
    let mut driver = Driver::new(policy, ports.traced(steps.clone()), now);
    let mut calls = Calls::new(source, documents, &steps);
    let form = form.unwrap_or_default();
    let outcome = calls.decide(&mut driver, (head.clone(), form.as_bytes()), out)?;
    let policy = driver.worker().policy();
    Report { configuration: &configuration, policy, head: &head }.finish(&steps, &outcome, out)?;
    let is_rejected = matches!(outcome.decision, Decision::Deny(_)) && policy.mode == Mode::Enforce;
    Ok(if is_rejected { Exit::Faults } else { Exit::Good })
}

/// The compiled configuration. Offline, no credentials are needed, so a variable that is not set is not an error.
fn policy(configuration: &Value, offline: bool, file: &Path) -> Result<Policy, Failure> {
    let env = |name: &str| set(name).or_else(|| offline.then(|| STAND_IN.to_owned()));
    tollgate_config::policy_of(configuration, &env).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        let more = match faults.len().saturating_sub(1) {
            0 => String::new(),
            1 => " (and 1 more error)".to_owned(),
            more => format!(" (and {more} more errors)"),
        };
        let unset = faults.iter().any(|fault| matches!(fault.fault, tollgate_config::error::Fault::Unset));
        let failure = Failure::new(format_args!(
            "the configuration in {} does not load: {first}{more}",
            file.display()
        ));
        if unset {
            failure.help("Set the variable here as well, or replay a saved response: --reply.")
        } else {
            failure.help(format_args!(
                "`tollgate check {}` shows every error with its position.",
                file.display()
            ))
        }
    })
}

fn token(args: &Args) -> Result<Option<Secret>, Failure> {
    if let Some(file) = &args.token_file {
        return Ok(Some(Secret::new(text_of(file)?.trim_end_matches(['\r', '\n']))));
    }
    Ok(args.token.as_deref().map(Secret::new))
}

fn text_of(file: &Path) -> Result<String, Failure> {
    find::text(file).map_err(|error| Failure::file("read", file, &error))
}
