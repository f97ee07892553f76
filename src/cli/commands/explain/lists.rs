//! The client lists that are fetched: from where the filter fetches them, or from files.

use std::path::{Path, PathBuf};

use tollgate_engine::base::ids::ListId;
use tollgate_engine::enforcer::Enforcer;
use tollgate_engine::provider::outcome::CallOutcome;

use crate::commands::explain::saved::Saved;
use crate::kit::ask::fetch;
use crate::kit::failure::Failure;
use crate::kit::http::Http;
use crate::kit::output::Output;

/// A list in a file, as `--client-list` names it.
#[derive(Clone, Debug)]
pub(super) struct SavedList {
    name: String,
    file: PathBuf,
}

impl std::str::FromStr for SavedList {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
        Ok(Self { name: name.to_owned(), file: file.into() })
    }
}

/// Gives the engine the lists that it fetches; without `http`, those alone that are in files. One that
/// cannot be had is left out with a warning, as the filter would be without it.
pub(super) fn arrive(
    enforcer: &mut Enforcer,
    saved: &[SavedList],
    http: Option<&Http>,
    out: &mut Output,
) -> Result<(), Failure> {
    let sources = &enforcer.policy().lists.clone();
    let unknown = |list: &&SavedList| sources.iter().all(|source| source.name != list.name);
    if let Some(SavedList { name, .. }) = saved.iter().find(unknown) {
        let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(Failure::new(format_args!("the configuration fetches no client list {name:?}"))
            .help(format_args!("It fetches: {has}.")));
    }
    for (at, source) in sources.iter().enumerate() {
        let (id, name) = (ListId(at), &source.name);
        if let Some(list) = saved.iter().find(|list| list.name == *name) {
            take_file(enforcer, id, &list.file)?;
        } else if let (Some(http), Some(call)) = (http, enforcer.list_call(id)) {
            out.progress(format_args!("fetching the client list {name}"));
            let fault = match fetch(http, &call).map(Saved::from) {
                Ok(reply) => take(enforcer, id, &reply).err(),
                Err(failure) if failure.is_own() => return Err(failure),
                Err(failure) => Some(failure.what().to_owned()),
            };
            if let Some(fault) = fault {
                out.warning(format_args!("the client list {name} has not come: {fault}"));
            }
        } else {
            out.warning(format_args!(
                "the client list {name} is one that is fetched; from a file: --client-list {name}=FILE"
            ));
        }
    }
    Ok(())
}

fn take_file(enforcer: &mut Enforcer, id: ListId, file: &Path) -> Result<(), Failure> {
    take(enforcer, id, &Saved::read(file)?).map_err(|fault| {
        Failure::new(format_args!("{} is no client list: {fault}", file.display()))
            .help("Expected {\"clients\": [{\"id\": …}]}, as `tollgate client serve` answers.")
    })
}

fn take(enforcer: &mut Enforcer, id: ListId, reply: &Saved) -> Result<(), String> {
    let outcome = CallOutcome::Response { head: &reply.head, body: &reply.body };
    enforcer.take_list(id, outcome).map(|_| ()).map_err(|fault| fault.to_string())
}
