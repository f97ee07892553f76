//! `tollgate doctor`: makes the filter's own calls, and reports what is wrong with the responses.

mod call;
mod events;
mod keys;
mod metadata;
mod resource;
mod status_list;
mod token;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_config::error::{ConfigError, Fault};
use tollgate_config::schema::Step;
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::base::random::Nonces;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::keys::{KeySource, LiveKeys};
use tollgate_engine::provider::{Provider, Validate};
use url::Url;

use crate::kit::ask::random_seed;
use crate::kit::credentials::Credentials;
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::http::{Http, Network};
use crate::kit::injected::{Injected, Unusable};
use crate::kit::named::{STAND_IN, set, without_keys};
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::signatures::Computed;
use crate::kit::store::StoreArgs;
use crate::kit::{find, injected};

/// Make the same calls as the filter, and report what is wrong
///
/// Reads the metadata of each configured authorization server, and introspects a token that nobody has
/// issued. With `--token-file`, it also introspects that token. Credentials that Envoy
/// adds (`credential_injector`) are read from the file that the configuration names. The command also
/// requests the metadata of each configured resource, as a client would, and reads which events the server
/// can push if the configuration receives events. Exits with 1 if anything is wrong.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    /// The configuration: Tollgate's own, or an Envoy, Istio or Envoy Gateway file that contains it; `-` is
    /// standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Select a configuration if the file contains several; the first is 1
    #[arg(long, value_name = "N")]
    number: Option<usize>,
    /// Check only this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Read an access token that should be valid from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Send an invalid event to each event endpoint (`revocation.events`) of this gateway, such as
    /// `https://gateway.example.com`, and check that Tollgate rejects it
    #[arg(long, value_name = "URL")]
    gateway: Option<Url>,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    network: Network,
}

/// One observation.
#[derive(Debug)]
struct Finding {
    grade: Grade,
    saw: String,
    /// What to do about it. Empty if there is nothing to do.
    advice: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Grade {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// It will cause requests to be rejected.
    Wrong,
}

/// A provider, and what was observed of it.
struct Patient<'a> {
    id: ProviderId,
    provider: &'a Provider,
    policy: &'a Policy,
    /// Its keys, once they are loaded.
    keys: LiveKeys,
    /// Random numbers for its calls.
    nonces: &'a Nonces,
    /// The whole configuration, uncompiled.
    configuration: &'a Value,
    /// The provider's entry in it.
    written: &'a Value,
    /// The credentials that Envoy adds to its calls.
    injected: Option<&'a Result<Injected, Unusable>>,
    /// Whether the command line supplies credentials instead.
    has_stand_in: bool,
    /// The identifiers of the protected resources that its tokens are for.
    resources: Vec<String>,
    /// The authentication contexts that rules require of its tokens.
    contexts: Vec<String>,
    findings: Vec<Finding>,
}

/// Examines each provider and each resource.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let http = args.network.http(out)?;
    let found = find::load_one(&args.file, args.number)?;
    let injected = injected::of(&found, &args.file);
    let mut configuration = found.value;
    args.credentials.stand_in(&mut configuration, &injected, &args.store)?;
    let (mut policy, unset) = policy(&configuration, &args.file)?;
    let token = args.token_file.as_deref().map(read).transpose()?;
    let nonces = Nonces::new(random_seed()?);
    policy.sign_with(&Computed);
    let policy = &policy;
    if let Some(name) =
        args.provider.as_ref().filter(|name| policy.providers.iter().all(|known| known.name != **name))
    {
        let names: Vec<_> = policy.providers.iter().map(|provider| provider.name.as_str()).collect();
        return Err(Failure::new(format_args!("the configuration has no provider {name:?}"))
            .help(format_args!("It has: {}.", names.join(", "))));
    }
    if args.gateway.is_some() && policy.revocation.events.is_empty() {
        return Err(Failure::new(
            "the configuration receives no events, so nothing can be sent to --gateway",
        )
        .help("revocation.events names the paths for them."));
    }
    // It would be part of every message.
    if args.gateway.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
        return Err(Failure::new("--gateway contains a user name or a password")
            .help("Leave it out. Event endpoints expect what authorization_env names, which is sent."));
    }
    let mut patients = Vec::new();
    for (i, provider) in policy.providers.iter().enumerate() {
        if args.provider.as_ref().is_some_and(|name| *name != provider.name) {
            continue;
        }
        let written = configuration.get("providers").and_then(|providers| providers.get(&provider.name));
        let mut patient = Patient {
            id: ProviderId(i),
            provider,
            policy,
            keys: LiveKeys::new(provider.keys.as_ref()),
            nonces: &nonces,
            configuration: &configuration,
            written: written.unwrap_or(&Value::Null),
            injected: injected.get(&provider.name),
            has_stand_in: args.credentials.are_given(),
            resources: policy.resources.all.iter().map(|resource| resource.identifier.clone()).collect(),
            contexts: contexts(policy, ProviderId(i)),
            findings: Vec::new(),
        };
        patient.examine(&unset, token.as_ref(), &http, out);
        if let Some(gateway) = &args.gateway {
            patient.probe(gateway, &http, out);
        }
        patients.push(patient);
    }
    let mut resources = Vec::new();
    for resource in policy.resources.all.iter().filter(|_| args.provider.is_none()) {
        resources.push((resource.identifier.as_str(), resource::look(resource, &http, out)));
    }
    report(&patients, &resources, out)
}

impl Patient<'_> {
    fn examine(&mut self, unset: &[ConfigError], token: Option<&Secret>, http: &Http, out: &mut Output) {
        let known = metadata::look(self, http, out);
        if self.policy.revocation.events.iter().any(|endpoint| endpoint.provider == self.id) {
            events::look(self, known.as_ref(), http, out);
        }
        let own = [Step::Key("providers"), Step::Key(&self.provider.name)];
        if let Some(error) = unset.iter().find(|error| error.at.steps().take(own.len()).eq(own)) {
            let variable = error.at.find(self.configuration);
            let name = variable.and_then(Value::as_str).unwrap_or("for the credentials");
            self.wrong(
                format!("the variable {name} is not set here, so the server was not called"),
                "Set it to the same value as for the proxy: the secret, and nothing else.",
            );
            return;
        }
        let has_keys = self.provider.keys.is_some() && keys::look(self, known.as_ref(), http, out);
        if let (true, Some(token), true) =
            (has_keys, token, self.provider.validate != Validate::Introspection)
        {
            keys::verify(self, token);
        }
        if let (true, Some(lists)) = (has_keys, &self.provider.status_lists) {
            status_list::look(self, lists, http, out);
        }
        if self.provider.validate == Validate::Jwt {
            return;
        }
        if !self.has_credentials() {
            return;
        }
        let responds = call::introspect_made_up(self, known.as_ref(), http, out);
        if let (true, Some(token)) = (responds, token) {
            token::examine(self, token, http, out);
        }
    }

    /// Sends an invalid event to each endpoint for the events of this provider.
    fn probe(&mut self, gateway: &Url, http: &Http, out: &mut Output) {
        let (id, policy) = (self.id, self.policy);
        for endpoint in policy.revocation.events.iter().filter(|endpoint| endpoint.provider == id) {
            events::probe(self, endpoint, gateway, http, out);
        }
    }

    /// Reports the credentials that Envoy adds. Returns whether there are any credentials to call with.
    fn has_credentials(&mut self) -> bool {
        match self.injected {
            None => true,
            Some(Ok(injected)) => {
                self.good(format!("the credentials that Envoy adds are those in {}", injected.source));
                true
            }
            Some(Err(unusable)) => {
                let (saw, advice) = (unusable.saw.clone(), unusable.advice);
                let grade = if unusable.is_absent && self.has_stand_in { Grade::Note } else { Grade::Wrong };
                self.add(grade, saw, advice);
                self.has_stand_in
            }
        }
    }

    fn good(&mut self, saw: impl Into<String>) {
        self.add(Grade::Good, saw.into(), "");
    }

    fn note(&mut self, saw: impl Into<String>, advice: &str) {
        self.add(Grade::Note, saw.into(), advice);
    }

    fn wrong(&mut self, saw: impl Into<String>, advice: &str) {
        self.add(Grade::Wrong, saw.into(), advice);
    }

    fn add(&mut self, grade: Grade, saw: String, advice: &str) {
        self.findings.push(Finding { grade, saw, advice: advice.to_owned() });
    }

    /// Text in the provider's entry.
    fn text(&self, place: &str) -> &str {
        self.written.pointer(place).and_then(Value::as_str).unwrap_or_default()
    }

    /// What is called: the introspection endpoint, or only the address of the keys.
    fn endpoint(&self) -> String {
        let endpoint = &self.provider.introspection;
        if self.provider.validate == Validate::Jwt {
            return match &self.provider.keys {
                Some(KeySource::Uri(uri)) => format!("{}://{}{}", uri.scheme, uri.authority, uri.path),
                Some(KeySource::Inline(_)) | None => "keys in the configuration".to_owned(),
            };
        }
        format!("{}://{}{}", endpoint.scheme, endpoint.authority, endpoint.path)
    }
}

/// The authentication contexts that rules require of a provider's tokens, each once.
fn contexts(policy: &Policy, provider: ProviderId) -> Vec<String> {
    let own = policy.rules.iter().filter_map(|rule| rule.requires.as_ref());
    let mut contexts: Vec<String> = Vec::new();
    for requirement in own.chain([&policy.requires]) {
        if requirement.providers.is_empty() || requirement.providers.contains(&provider) {
            contexts.extend(requirement.acr_values.iter().cloned());
        }
    }
    contexts.sort();
    contexts.dedup();
    contexts
}

/// The compiled configuration, and the variables that are not set. Those are findings. `check` reports all other
/// errors.
fn policy(configuration: &Value, file: &Path) -> Result<(Policy, Vec<ConfigError>), Failure> {
    let faults = match tollgate_config::policy_of(configuration, &set) {
        Ok(policy) => return Ok((policy, Vec::new())),
        Err(faults) => faults,
    };
    let (unset, others): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| matches!(fault.fault, Fault::Unset));
    let stand_in = |name: &str| set(name).or_else(|| Some(STAND_IN.to_owned()));
    let mut keyless = configuration.clone();
    without_keys(&mut keyless);
    match (others.first(), tollgate_config::policy_of(&keyless, &stand_in)) {
        (None, Ok(policy)) => Ok((policy, unset)),
        (first, _) => {
            let first = first.or(unset.first()).map(ToString::to_string).unwrap_or_default();
            Err(Failure::new(format_args!("the configuration in {} does not load: {first}", file.display()))
                .help(format_args!(
                    "`tollgate check {}` shows every error with its position.",
                    file.display()
                )))
        }
    }
}

fn read(file: &Path) -> Result<Secret, Failure> {
    let text = find::text(file).map_err(|error| Failure::file("read", file, &error))?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

fn report(
    patients: &[Patient<'_>],
    resources: &[(&str, Vec<Finding>)],
    out: &mut Output,
) -> Result<Exit, Failure> {
    let all = patients.iter().map(|patient| &patient.findings);
    let all = all.chain(resources.iter().map(|(_, findings)| findings)).flatten();
    let wrong = all.filter(|finding| finding.grade == Grade::Wrong).count();
    let exit = if wrong > 0 { Exit::Faults } else { Exit::Good };
    if out.is_json() {
        let finding = |finding: &Finding| json!({"grade": finding.grade.name(), "saw": finding.saw, "advice": finding.advice});
        let patient = |patient: &Patient<'_>| {
            let findings: Value = patient.findings.iter().map(finding).collect();
            json!({"provider": patient.provider.name, "endpoint": patient.endpoint(), "findings": findings})
        };
        let resource = |(identifier, findings): &(&str, Vec<Finding>)| json!({"identifier": identifier, "findings": findings.iter().map(finding).collect::<Value>()});
        out.document(&json!({
            "providers": patients.iter().map(patient).collect::<Value>(),
            "resources": resources.iter().map(resource).collect::<Value>(),
            "wrong": wrong,
        }))?;
        return Ok(exit);
    }
    let titled = patients
        .iter()
        .map(|patient| (format!("{}: {}", patient.provider.name, patient.endpoint()), &patient.findings));
    let described =
        resources.iter().map(|(identifier, findings)| (format!("resource: {identifier}"), findings));
    for (title, findings) in titled.chain(described) {
        out.line(title)?;
        for Finding { grade, saw, advice } in findings {
            out.line(format_args!("  {} {}", grade.mark(), printable(saw)))?;
            if !advice.is_empty() {
                out.line(format_args!("      {}", printable(advice)))?;
            }
        }
    }
    out.line(match wrong {
        0 => "nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        _ => format!("{wrong} things are wrong"),
    })?;
    Ok(exit)
}

impl Grade {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Wrong => "wrong",
        }
    }

    fn mark(self) -> char {
        match self {
            Self::Good => '✓',
            Self::Note => '·',
            Self::Wrong => '✗',
        }
    }
}
