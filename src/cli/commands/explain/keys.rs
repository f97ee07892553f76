//! The keys that the configuration has fetched: from where the filter fetches them, or from files.

use std::path::PathBuf;

use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::enforcer::Enforcer;
use tollgate_engine::provider::keys::KeyNews;
use tollgate_engine::provider::outcome::CallOutcome;

use crate::commands::explain::saved::Saved;
use crate::kit::ask::fetch;
use crate::kit::failure::Failure;
use crate::kit::http::Http;
use crate::kit::output::Output;

/// A set of keys in a file, as `--jwks` names it.
#[derive(Clone, Debug)]
pub(super) struct SavedKeys {
    provider: String,
    file: PathBuf,
}

impl std::str::FromStr for SavedKeys {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (provider, file) = text.split_once('=').ok_or("expected PROVIDER=FILE")?;
        Ok(Self { provider: provider.to_owned(), file: file.into() })
    }
}

/// Whose keys are in files must be somebody whose keys are fetched.
pub(super) fn check(enforcer: &Enforcer, saved: &[SavedKeys]) -> Result<(), Failure> {
    let providers = &enforcer.policy().providers;
    let fetched = |at: usize| enforcer.key_uri(ProviderId(at)).is_some();
    let names: Vec<_> = providers
        .iter()
        .enumerate()
        .filter(|(at, _)| fetched(*at))
        .map(|(_, one)| one.name.as_str())
        .collect();
    match saved.iter().find(|keys| !names.contains(&keys.provider.as_str())) {
        None => Ok(()),
        Some(keys) => {
            let has = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            Err(Failure::new(format_args!("the configuration fetches no keys of {:?}", keys.provider))
                .help(format_args!("It fetches those of: {has}.")))
        }
    }
}

/// Gives the engine the keys of a provider, as they are now.
pub(super) fn arrive(
    enforcer: &mut Enforcer,
    id: ProviderId,
    saved: &[SavedKeys],
    http: Option<&Http>,
    now: UnixTime,
    out: &mut Output,
) -> Result<KeyNews, Failure> {
    let Some(name) = enforcer.provider(id).map(|provider| provider.name.clone()) else {
        return Ok(KeyNews::None);
    };
    let name = &name;
    let call = enforcer.keys_call(id);
    let mut take = |reply: &Saved| {
        let outcome = CallOutcome::Response { head: &reply.head, body: &reply.body };
        enforcer.take_keys(id, outcome, now).map_err(|fault| fault.to_string())
    };
    if let Some(keys) = saved.iter().find(|keys| keys.provider == *name) {
        take(&Saved::read(&keys.file)?).map_err(|fault| {
            Failure::new(format_args!("{} is no set of keys: {fault}", keys.file.display()))
                .help("Expected {\"keys\": […]}, as the authorization server's jwks_uri answers.")
        })?;
        return Ok(KeyNews::Fresh);
    }
    let (Some(http), Some(call)) = (http, call) else {
        out.warning(format_args!("the keys of {name} are fetched; from a file: --jwks {name}=FILE"));
        return Ok(KeyNews::None);
    };
    out.progress(format_args!("fetching the keys of {name}"));
    let fault = match fetch(http, &call).map(Saved::from) {
        Ok(reply) => take(&reply).err(),
        Err(failure) if failure.is_own() => return Err(failure),
        Err(failure) => Some(failure.what().to_owned()),
    };
    if let Some(fault) = fault {
        out.warning(format_args!("the keys of {name} have not come: {fault}"));
        return Ok(KeyNews::None);
    }
    Ok(KeyNews::Fresh)
}
