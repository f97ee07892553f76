//! `tollgate explain`: the filter's own engine, one request, every step of it.

mod certificate;
mod checks;
mod keys;
mod lists;
mod report;
mod request;
mod saved;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use serde_json::Value;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::cache::entry::Entry;
use tollgate_engine::decision::Decision;
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::enforcer::{Enforcer, Step};
use tollgate_engine::policy::{Mode, Policy};
use tollgate_engine::provider::flight::{Flight, Landing, Question};
use tollgate_engine::provider::introspection::reply::Introspection;
use tollgate_engine::provider::outcome::CallOutcome;

use crate::commands::explain::certificate::Client;
use crate::commands::explain::keys::SavedKeys;
use crate::commands::explain::lists::SavedList;
use crate::commands::explain::report::{Asked, Report};
use crate::commands::explain::saved::Saved;
use crate::kit::ask::{ask, random_seed};
use crate::kit::credentials::Credentials;
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::http::{Http, Network};
use crate::kit::injected::ByProvider;
use crate::kit::named::{STAND_IN, set, without_keys};
use crate::kit::output::Output;
use crate::kit::signatures::Computed;
use crate::kit::store::StoreArgs;
use crate::kit::{clock, find, injected};

/// Decide one request as the filter would, and show each step
///
/// Calls the authorization server, or uses a saved response (`--reply`) so that a case can be replayed
/// offline. The last line is the verdict. The exit status is 0 if the request passes, as every request does
/// with `mode: shadow`. It is 1 if the request is rejected, and 2 if the command cannot tell.
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
    /// Set the request's form body, for a token in a form
    #[arg(long, value_name = "FILE")]
    form: Option<PathBuf>,
    /// Use this access token; it is put in the first place that the configuration reads
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

/// Where answers come from.
enum Source {
    /// The authorization servers.
    Live(Http, ByProvider),
    /// Files, the next one last.
    Saved(Vec<Saved>),
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
        // Where others stand in, what Envoy would add is no matter.
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
    let peer = Box::leak(Box::new(client));
    let ports = Ports { peer, signer: Some(&Computed), ..Ports::new(random_seed()?, &Computed) };
    let mut enforcer = Enforcer::new(policy, ports);
    let http = if let Source::Live(http, _) = &source { Some(http) } else { None };
    lists::arrive(&mut enforcer, &args.client_list, http, out)?;
    keys::check(&enforcer, &args.jwks)?;
    let mut report = Report::new(&configuration, head.clone());
    let outcome =
        decide(&mut enforcer, head, form.as_deref(), now, (&mut source, &args.jwks), &mut report, out)?;
    report.look_at_jwt(&enforcer, &outcome, now);
    report.finish(&enforcer, &outcome, now, out)?;
    let is_refused = matches!(outcome.decision, Decision::Deny(_)) && enforcer.policy().mode == Mode::Enforce;
    Ok(if is_refused { Exit::Faults } else { Exit::Good })
}

/// Drives the engine as the filter does.
fn decide(
    enforcer: &mut Enforcer,
    head: Vec<(Vec<u8>, Vec<u8>)>,
    form: Option<&str>,
    now: UnixTime,
    (source, saved_keys): (&mut Source, &[SavedKeys]),
    report: &mut Report<'_>,
    out: &mut Output,
) -> Result<Outcome, Failure> {
    let mut step = enforcer.begin(StreamId(1), head, now);
    loop {
        step = match step {
            Step::Done(outcome) => return Ok(*outcome),
            Step::ReadForm(awaiting) => awaiting.body(enforcer, form.unwrap_or_default().as_bytes(), now),
            Step::FetchKeys(provider, pending) => {
                let http = if let Source::Live(http, _) = source { Some(&*http) } else { None };
                let news = keys::arrive(enforcer, provider, saved_keys, http, now, out)?;
                pending.resume_with_keys(enforcer, news, now)
            }
            Step::Introspect(question, pending) => {
                let key = question.key;
                // The filter has them by then; a signed reply is worth nothing without.
                let is_signed =
                    enforcer.provider(key.provider).is_some_and(|one| one.introspection.dialect.is_signed());
                let is_missing =
                    enforcer.key_uri(key.provider).is_some() && !enforcer.keys(key.provider).has_arrived();
                if is_signed && is_missing {
                    let http = if let Source::Live(http, _) = source { Some(&*http) } else { None };
                    let _ = keys::arrive(enforcer, key.provider, saved_keys, http, now, out)?;
                }
                let said = find_out(enforcer, *question, now, source, report, out)?;
                let finding = said.map(|said| {
                    let entry: Rc<Entry> = enforcer.learn(key, said, now);
                    entry
                });
                pending.resume(enforcer, &finding, now)
            }
        };
    }
}

/// Asks one provider, as often as the filter would.
fn find_out(
    enforcer: &Enforcer,
    question: Question,
    now: UnixTime,
    source: &mut Source,
    report: &mut Report<'_>,
    out: &mut Output,
) -> Result<Result<Introspection, tollgate_engine::decision::Rejection>, Failure> {
    let Some(provider) = enforcer.provider(question.key.provider) else {
        return Err(Failure::new("a provider that is not configured was to be asked"));
    };
    let started = Instant::now();
    let (mut flight, mut call) = Flight::take_off(provider, question, now, enforcer.nonces());
    loop {
        let mut asked = Asked::new(provider);
        let reply = match source {
            Source::Live(http, injected) => {
                match injected.get(&provider.name) {
                    Some(Ok(injected)) => injected.add_to(&mut call.headers),
                    Some(Err(unusable)) => return Err(Failure::new(&unusable.saw).help(unusable.advice)),
                    None => {}
                }
                out.progress(format_args!("asking {} about the token", provider.name));
                let reply = ask(http, &call);
                asked.took = Some(started.elapsed());
                match reply {
                    Err(failure) if failure.is_own() => return Err(failure),
                    Err(failure) => {
                        asked.failure = Some(failure.what().to_owned());
                        Err(())
                    }
                    Ok(reply) => Ok(Saved::from(reply)),
                }
            }
            Source::Saved(saved) => Ok(saved.pop().ok_or_else(|| {
                Failure::new(format_args!(
                    "the provider {:?} is asked as well, and there is no reply of its",
                    provider.name
                ))
                .help("Name one more file: --reply.")
            })?),
        };
        let outcome = match &reply {
            Ok(reply) => {
                asked.replied(reply);
                CallOutcome::Response { head: &reply.head, body: &reply.body }
            }
            Err(()) => CallOutcome::Failed,
        };
        let landing = enforcer.land(&mut flight, outcome, now);
        report.asked.push(asked);
        match landing {
            Landing::Again(next) => call = *next,
            Landing::Settled(said) => {
                report.said(&said);
                return Ok(said);
            }
        }
    }
}

/// The compiled configuration. Offline, no credentials are needed, so a variable that is not set is
/// nothing to stop for.
fn policy(configuration: &Value, offline: bool, file: &Path) -> Result<Policy, Failure> {
    let env = |name: &str| set(name).or_else(|| offline.then(|| STAND_IN.to_owned()));
    Policy::from_value(configuration, &env).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        let more = match faults.len().saturating_sub(1) {
            0 => String::new(),
            1 => " (and 1 more fault)".to_owned(),
            more => format!(" (and {more} more faults)"),
        };
        let unset =
            faults.iter().any(|fault| matches!(fault.fault, tollgate_engine::config::error::Fault::Unset));
        let failure = Failure::new(format_args!(
            "the configuration in {} does not load: {first}{more}",
            file.display()
        ));
        if unset {
            failure.help("Set the variable here as well, or replay a saved reply: --reply.")
        } else {
            failure
                .help(format_args!("`tollgate check {}` shows every fault and where it is.", file.display()))
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
