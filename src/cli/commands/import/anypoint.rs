//! `tollgate import anypoint`: a configuration from Anypoint's client providers and Flex Gateway's files.

mod jwt;
mod policy;
mod provider;
mod resources;

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use tollgate_config::schema::duration;

use crate::commands::import::anypoint::policy::{Kind, Policy};
use crate::commands::import::anypoint::provider::Provider;
use crate::commands::import::anypoint::resources::Resources;
use crate::commands::import::{Imported, verify};
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;

/// Convert Anypoint and Flex Gateway files into a configuration
///
/// Reads Flex Gateway's local-mode files (`ApiInstance`, `PolicyBinding`) and an organization's client
/// provider, as Anypoint's API returns it. The files say what is required, and the provider says where
/// tokens are introspected. Prints a configuration with the profile `anypoint`, and lists what was not
/// converted. Secrets are never printed; the configuration names environment variables for them. Exits with
/// 1 if something has to be filled in.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The files, in YAML or JSON; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Select the `ApiInstance`, if the files contain several
    #[arg(long, value_name = "NAME")]
    api: Option<String>,
    /// Set the Envoy cluster of the authorization server [default: the provider's name]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  tollgate import anypoint /usr/local/share/mulesoft/flex-gateway/conf.d/*.yaml > tollgate.yaml
  tollgate import anypoint client-provider.json api.yaml --api orders";

/// Remarks: what was not converted, and whether something has to be filled in.
#[derive(Debug, Default)]
struct Remarks {
    sentences: Vec<String>,
    incomplete: bool,
}

/// Imports.
pub(super) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let resources = Resources::read(&args.files)?;
    let api = resources.api(args.api.as_deref())?;
    let mut remarks = Remarks::default();
    let policies = resources.policies(api, &mut remarks);
    let provider = Provider::of(&resources, &policies, &mut remarks)?;
    let configuration = configuration(&policies, provider, args.cluster.as_deref(), &mut remarks);
    verify(&configuration)?;
    let title = match api {
        Some(name) => format!("Flex Gateway's policies for {name}, converted by `tollgate import anypoint`."),
        None => "An Anypoint client provider, converted by `tollgate import anypoint`.".to_owned(),
    };
    Imported { title, configuration, remarks: remarks.sentences }.print(out)?;
    Ok(if remarks.incomplete { Exit::Faults } else { Exit::Good })
}

fn configuration(
    policies: &[Policy],
    provider: Provider,
    cluster: Option<&str>,
    remarks: &mut Remarks,
) -> Value {
    let mut whole = Map::new();
    let (mut requires, mut cache) = (Map::new(), Map::new());
    let timeout = policies.iter().rev().find_map(|policy| policy.timeout.clone());
    let mut username = false;
    for policy in policies {
        kept_shorter(&mut cache, &policy.cache);
        username |= policy.by_username;
        if policy.expose_headers {
            whole.insert("upstream".to_owned(), json!({"claims_prefix": "x-agw-"}));
        }
        if policy.checks_clients {
            requires.insert("clients".to_owned(), json!({"list": "contracts"}));
            whole.insert("client_lists".to_owned(), json!({"contracts": {"clients": []}}));
        }
    }
    if let Some(scopes) = policy::scopes(policies, remarks) {
        requires.insert("scopes".to_owned(), scopes);
    }
    let (name, mut entry) = provider.entry(cluster, timeout.unwrap_or_else(|| "10s".to_owned()));
    let asked = entry.introspection.as_ref().map(|introspection| introspection.uri.clone());
    entry.client_id_claim = username.then(|| "username".to_owned());
    let jwts: Vec<_> = policies
        .iter()
        .filter_map(|policy| match &policy.kind {
            Kind::Jwt(jwt) => Some(jwt),
            _ => None,
        })
        .collect();
    if let Some(jwt) = jwts.first() {
        jwt.complete(&name, cluster, &mut entry, remarks);
        entry.client_id_claim = entry.client_id_claim.or_else(|| jwt.client_id.clone());
        let claims: Vec<_> = jwts.iter().flat_map(|jwt| &jwt.claims).collect();
        if !claims.is_empty() {
            requires.insert("claims".to_owned(), json!(claims));
        }
        if jwts.iter().any(|other| !other.is_like(jwt)) {
            remarks.fill_in("several policies validate JWTs in different ways, and only the first was converted: add what the others require, then remove \"fill-in\" from requires.scopes");
            close(&mut requires);
        }
    }
    if policy::ask_several(policies, asked.as_deref()) {
        remarks.fill_in("several policies introspect at different servers, and only one of them was converted: add what the others require, then remove \"fill-in\" from requires.scopes");
        close(&mut requires);
    }
    whole.insert("providers".to_owned(), json!({name: entry.value()}));
    if !requires.is_empty() {
        whole.insert("requires".to_owned(), requires.into());
    }
    if !cache.is_empty() {
        whole.insert("cache".to_owned(), cache.into());
    }
    whole.insert("responses".to_owned(), json!({"profile": "anypoint"}));
    whole.into()
}

/// The cache settings of several policies: the shortest time of each.
fn kept_shorter(cache: &mut Map<String, Value>, more: &Map<String, Value>) {
    let span = |value: &Value| value.as_str().and_then(duration);
    for (key, value) in more {
        let is_longer =
            cache.get(key).and_then(span).zip(span(value)).is_some_and(|(known, new)| new > known);
        if !is_longer {
            cache.insert(key.clone(), value.clone());
        }
    }
}

/// Requires a scope that no token has, until the operator has checked it.
fn close(requires: &mut Map<String, Value>) {
    let (mut all, mut any) = match requires.get("scopes") {
        Some(Value::Array(all)) => (all.clone(), None),
        Some(Value::Object(both)) => {
            let all = both.get("all").and_then(Value::as_array).cloned();
            (all.unwrap_or_default(), both.get("any").cloned())
        }
        _ => (Vec::new(), None),
    };
    if !all.iter().any(|scope| scope == FILL_IN) {
        all.push(FILL_IN.into());
    }
    let scopes = any.take().map_or_else(|| json!(all), |any| json!({"all": all, "any": any}));
    requires.insert("scopes".to_owned(), scopes);
}

/// A scope that no token has: an incomplete configuration rejects every token.
const FILL_IN: &str = "fill-in";

impl Remarks {
    /// Adds what was not converted, and what to do about it; without a full stop.
    fn add(&mut self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        if !self.sentences.contains(&sentence) {
            self.sentences.push(sentence);
        }
    }

    /// Adds what has to be filled in before the configuration works.
    fn fill_in(&mut self, sentence: impl Into<String>) {
        self.incomplete = true;
        self.add(sentence);
    }
}
