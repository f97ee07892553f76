//! Client lists, keys and status lists: fetched as the filter fetches them, or read from files.

use std::path::PathBuf;

use tollgate_engine::decision::trace::Trace;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::fetch::{Document, FetchCall};
use tollgate_engine::provider::keys::KeySource;
use tollgate_engine::worker::Worker;
use tollgate_engine::worker::command::CallId;

use crate::commands::explain::calls::outcome;
use crate::commands::explain::saved::Saved;
use crate::kit::ask::fetch;
use crate::kit::failure::Failure;
use crate::kit::http::Http;
use crate::kit::output::Output;
use crate::kit::worker::Driver;

/// A client list in a file, as `--client-list` names it.
#[derive(Clone, Debug)]
pub(super) struct SavedList(Named);

/// A set of keys in a file, as `--jwks` names it.
#[derive(Clone, Debug)]
pub(super) struct SavedKeys(Named);

/// A status list in a file, as `--status-list` names it.
#[derive(Clone, Debug)]
pub(super) struct SavedStatusList(Named);

/// A file, and the name of the list or provider.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    file: PathBuf,
}

/// Fetches each document once.
pub(super) struct Documents<'a> {
    lists: &'a [SavedList],
    keys: &'a [SavedKeys],
    statuses: &'a [SavedStatusList],
    /// The documents so far; `None` if the fetch failed.
    fetched: Vec<(Document, Option<Saved>)>,
    /// Documents that are missing, with a warning already printed.
    missing: Vec<Document>,
}

impl<'a> Documents<'a> {
    /// `lists`, `keys` and `statuses` are in files. An error if the configuration does not fetch one of them.
    pub(super) fn new(
        policy: &Policy,
        lists: &'a [SavedList],
        keys: &'a [SavedKeys],
        statuses: &'a [SavedStatusList],
    ) -> Result<Self, Failure> {
        let known: Vec<_> = policy.lists.iter().map(|list| list.name.as_str()).collect();
        if let Some(SavedList(Named { name, .. })) = lists.iter().find(|list| !known.contains(&&*list.0.name))
        {
            let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Failure::new(format_args!("the configuration fetches no client list {name:?}"))
                .help(format_args!("It fetches: {has}.")));
        }
        let fetched = policy.providers.iter().filter(|one| matches!(one.keys, Some(KeySource::Uri(_))));
        let known: Vec<_> = fetched.map(|provider| provider.name.as_str()).collect();
        if let Some(SavedKeys(Named { name, .. })) = keys.iter().find(|keys| !known.contains(&&*keys.0.name))
        {
            let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Failure::new(format_args!("the configuration fetches no keys of {name:?}"))
                .help(format_args!("It fetches those of: {has}.")));
        }
        let is_fetched = |uri: &str| {
            let all = policy.providers.iter().filter_map(|provider| provider.status_lists.as_ref());
            all.into_iter().any(|lists| lists.names(uri))
        };
        if let Some(SavedStatusList(Named { name, .. })) =
            statuses.iter().find(|list| !is_fetched(&list.0.name))
        {
            return Err(Failure::new(format_args!("the configuration fetches no status list {name:?}"))
                .help("Lists are named in `status_list.uris`, or begin with `status_list.uri_prefix`."));
        }
        Ok(Self { lists, keys, statuses, fetched: Vec::new(), missing: Vec::new() })
    }

    /// Responds to the fetch of a document. If it cannot be fetched, prints a warning and goes on, as the filter
    /// would.
    pub(super) fn fetch<T: Trace>(
        &mut self,
        driver: &mut Driver<T>,
        (id, document, call): (CallId, Document, &FetchCall),
        http: Option<&Http>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let name = name(document, driver.worker());
        let Words { what, from_file, is_not_one, expected } = Words::of(document, &name);
        let file = self.file(document, &name);
        if !self.fetched.iter().any(|(other, _)| *other == document) {
            let reply = match (file, http) {
                (Some(file), _) => Some(Saved::read(file)?),
                (None, Some(http)) => {
                    out.progress(format_args!("fetching {what}"));
                    match fetch(http, call) {
                        Ok(reply) => Some(Saved::from(reply)),
                        Err(failure) if failure.is_own() => return Err(failure),
                        Err(failure) => {
                            self.missing.push(document);
                            out.warning(format_args!(
                                "{what} {}: {}",
                                is_not_loaded(document),
                                failure.what()
                            ));
                            None
                        }
                    }
                }
                (None, None) => {
                    self.missing.push(document);
                    out.warning(from_file);
                    None
                }
            };
            self.fetched.push((document, reply));
        }
        let known = self.fetched.iter().find(|(other, _)| *other == document);
        driver.respond(id, outcome(known.and_then(|(_, reply)| reply.as_ref())));
        let Some(fault) = driver.worker().fetch_fault(document) else { return Ok(()) };
        if let Some(file) = file {
            return Err(Failure::new(format_args!("{} {is_not_one}: {fault}", file.display())).help(expected));
        }
        if !self.missing.contains(&document) {
            self.missing.push(document);
            out.warning(format_args!("{what} {}: {fault}", is_not_loaded(document)));
        }
        Ok(())
    }

    fn file(&self, document: Document, name: &str) -> Option<&'a PathBuf> {
        let (lists, keys, statuses) = (self.lists, self.keys, self.statuses);
        let named = match document {
            Document::List(_) => lists.iter().map(|list| &list.0).find(|named| named.name == name),
            Document::Keys(_) => keys.iter().map(|keys| &keys.0).find(|named| named.name == name),
            Document::Status(_) => statuses.iter().map(|list| &list.0).find(|named| named.name == name),
        };
        named.map(|named| &named.file)
    }
}

/// The words for a document.
struct Words {
    what: String,
    /// Says how to read it from a file.
    from_file: String,
    /// Says that a file does not contain one.
    is_not_one: &'static str,
    /// What the file should contain.
    expected: &'static str,
}

impl Words {
    fn of(document: Document, name: &str) -> Self {
        match document {
            Document::List(_) => Self {
                what: format!("the client list {name}"),
                from_file: format!(
                    "the client list {name} is fetched; to read it from a file: --client-list {name}=FILE"
                ),
                is_not_one: "is not a client list",
                expected: "Expected {\"clients\": [{\"id\": …}]}, as `tollgate client serve` sends it.",
            },
            Document::Keys(_) => Self {
                what: format!("the keys of {name}"),
                from_file: format!(
                    "the keys of {name} are fetched; to read them from a file: --jwks {name}=FILE"
                ),
                is_not_one: "is not a key set",
                expected: "Expected {\"keys\": […]}, as the authorization server's jwks_uri returns it.",
            },
            Document::Status(_) => Self {
                what: format!("the status list {name}"),
                from_file: format!(
                    "the status list {name} is fetched; to read it from a file: --status-list {name}=FILE"
                ),
                is_not_one: "is not a status list",
                expected: "Expected the list's token, signed, as its URI returns it.",
            },
        }
    }
}

fn is_not_loaded(document: Document) -> &'static str {
    match document {
        Document::List(_) | Document::Status(_) => "is not loaded",
        Document::Keys(_) => "are not loaded",
    }
}

/// The name of the list, or of the keys' provider.
fn name<T: Trace>(document: Document, worker: &Worker<T>) -> String {
    let policy = worker.policy();
    let name = match document {
        Document::List(id) => policy.lists.get(id.0).map(|list| list.name.as_str()),
        Document::Keys(id) => policy.providers.get(id.0).map(|provider| provider.name.as_str()),
        Document::Status(id) => worker.status_list_uri(id),
    };
    name.unwrap_or_default().to_owned()
}

impl std::str::FromStr for SavedList {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
        Ok(Self(Named { name: name.to_owned(), file: file.into() }))
    }
}

impl std::str::FromStr for SavedStatusList {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A URI may hold one as well.
        let (uri, file) = text.rsplit_once('=').ok_or("expected URI=FILE")?;
        Ok(Self(Named { name: uri.to_owned(), file: file.into() }))
    }
}

impl std::str::FromStr for SavedKeys {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, file) = text.split_once('=').ok_or("expected PROVIDER=FILE")?;
        Ok(Self(Named { name: name.to_owned(), file: file.into() }))
    }
}
