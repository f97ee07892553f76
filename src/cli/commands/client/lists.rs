//! Client lists ("contracts"): which client may call which API, and in which tier.

use serde_json::{Map, Value, json};
use tollgate_config::keys::text::LINE;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::store::{Content, Member, StoreArgs, is_name};
use crate::kit::yaml::quoted;

use super::show::table;
use super::{client, known};

/// Add a client to a list, so that it may call the APIs that require that list
#[derive(Debug, clap::Args)]
pub(crate) struct AllowArgs {
    /// The list; it is created if it does not exist
    list: String,
    /// The client, by its name in the store
    client: String,
    /// Treat CLIENT as the id of a client that was registered elsewhere
    #[arg(long)]
    id: bool,
    /// Grant this tier, for example `gold`
    #[arg(long)]
    tier: Option<String>,
    /// Set a human-readable name [default: the client's name in the store]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Remove a client from a list
#[derive(Debug, clap::Args)]
pub(crate) struct DenyArgs {
    /// The list
    list: String,
    /// The client, by its name in the store or by its id
    client: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// Show the client lists
#[derive(Debug, clap::Args)]
pub(crate) struct ListsArgs {
    /// The lists to print
    list: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Delete a list; a filter that fetches it keeps its last version
#[derive(Debug, clap::Args)]
pub(crate) struct DropArgs {
    /// The list
    list: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// Print client lists as `client_lists` for the filter's configuration
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The lists to print [default: all]
    list: Vec<String>,
    /// Choose the format
    #[arg(long, default_value = "yaml")]
    format: Format,
    #[command(flatten)]
    store: StoreArgs,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// YAML, to paste into a configuration
    Yaml,
    /// JSON, for scripts
    Json,
}

/// Adds a client to a list, or sets its tier and name if it is on the list.
pub(crate) fn allow(args: &AllowArgs, out: &mut Output) -> Result<Exit, Failure> {
    if !is_name(&args.list) {
        return Err(Failure::new(format_args!("{:?} is not a valid name for a list", args.list))
            .help("A name consists of letters, digits, \"-\", \"_\" and \".\"."));
    }
    for (option, text) in [("--tier", &args.tier), ("--name", &args.name)] {
        fits(option, text.as_deref().unwrap_or("-"))?;
    }
    let mut store = args.store.open()?;
    let id = if args.id {
        args.client.clone()
    } else {
        let found = client(&store.content, &args.client, &args.store);
        let found = found.map_err(|failure| {
            failure_with(failure, "For a client that was registered elsewhere, give its id and --id.")
        })?;
        found.client_id.clone()
    };
    fits("the client id", &id)?;
    let name = args.name.clone().or_else(|| (!args.id).then(|| args.client.clone()));
    let members = store.content.lists.entry(args.list.clone()).or_default();
    let new = Member { id, name, tier: args.tier.clone() };
    match members.iter_mut().find(|member| member.id == new.id) {
        Some(member) => *member = new.clone(),
        None => members.push(new.clone()),
    }
    store.save()?;
    if out.is_json() {
        out.document(&json!({"list": args.list, "client": new}))?;
    } else {
        let tier = new.tier.map(|tier| format!(", tier {}", printable(&tier))).unwrap_or_default();
        out.line(format_args!("{} is on the list {}{tier}", printable(&args.client), args.list))?;
    }
    Ok(Exit::Good)
}

/// Filters accept a list as a whole or not at all: one entry that they do not read would keep all others out.
fn fits(what: &str, text: &str) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Err(Failure::new(format_args!("{what} is empty")));
    }
    (LINE.fits)(text).then_some(()).ok_or_else(|| {
        Failure::new(format_args!("{what} contains a control character"))
            .help("Filters expect text on one line, and would reject the whole list.")
    })
}

/// Removes a client from a list.
pub(crate) fn deny(args: &DenyArgs, out: &mut Output) -> Result<Exit, Failure> {
    let mut store = args.store.open()?;
    let registered = store.content.clients.get(&args.client).map(|client| client.client_id.clone());
    let environment = args.store.environment();
    let absent = no_list(&store.content, &args.list, &args.store);
    let members = store.content.lists.get_mut(&args.list).ok_or(absent)?;
    let before = members.len();
    members.retain(|member| registered.as_ref() != Some(&member.id) && member.id != args.client);
    if members.len() == before {
        return Err(Failure::new(format_args!(
            "{:?} is not on the list {} of the environment {environment:?}",
            args.client, args.list
        ))
        .help(format_args!("To see which clients are: tollgate client lists {}.", args.list)));
    }
    let left = members.len();
    store.save()?;
    if out.is_json() {
        out.document(&json!({"list": args.list, "client": args.client, "left": left}))?;
    } else {
        out.line(format_args!("{} was removed from the list {}", printable(&args.client), args.list))?;
        if left == 0 {
            out.line("  the list is empty now, so APIs that require it reject every client")?;
        }
    }
    Ok(Exit::Good)
}

/// Prints the lists.
pub(crate) fn show(args: &ListsArgs, out: &mut Output) -> Result<Exit, Failure> {
    let content = args.store.peek()?;
    let lists = chosen(&content, &args.list, &args.store)?;
    if out.is_json() {
        out.document(&document(&lists))?;
        return Ok(Exit::Good);
    }
    if lists.is_empty() {
        out.line(format_args!("no client lists in the environment {:?}", args.store.environment()))?;
        return Ok(Exit::Good);
    }
    let mut rows = vec![["LIST", "CLIENT_ID", "NAME", "TIER"].map(str::to_owned)];
    for (name, members) in lists {
        if members.is_empty() {
            rows.push([name.to_owned(), "(nobody)".to_owned(), String::new(), String::new()]);
        }
        rows.extend(members.iter().map(|member| {
            let text = |text: &Option<String>| printable(text.as_deref().unwrap_or_default());
            [name.to_owned(), printable(&member.id), text(&member.name), text(&member.tier)]
        }));
    }
    for line in table(&rows) {
        out.line(line)?;
    }
    Ok(Exit::Good)
}

/// Deletes a list.
pub(crate) fn drop_list(args: &DropArgs, out: &mut Output) -> Result<Exit, Failure> {
    let mut store = args.store.open()?;
    let absent = no_list(&store.content, &args.list, &args.store);
    store.content.lists.remove(&args.list).ok_or(absent)?;
    store.save()?;
    if out.is_json() {
        out.document(&json!({"dropped": args.list}))?;
    } else {
        out.line(format_args!("the list {} was deleted", args.list))?;
    }
    Ok(Exit::Good)
}

/// Prints lists in the form of the filter's configuration.
pub(crate) fn export(args: &ExportArgs, out: &mut Output) -> Result<Exit, Failure> {
    let content = args.store.peek()?;
    let lists = chosen(&content, &args.list, &args.store)?;
    if lists.is_empty() {
        return Err(Failure::new(format_args!(
            "there are no client lists in the environment {:?}",
            args.store.environment()
        ))
        .help("To make one: tollgate client allow LIST CLIENT."));
    }
    if out.is_json() || matches!(args.format, Format::Json) {
        out.document(&json!({"client_lists": document(&lists)}))?;
        return Ok(Exit::Good);
    }
    out.line("client_lists:")?;
    for (name, members) in lists {
        // A name with only digits, for example, would be a number.
        let name = quoted(name);
        if members.is_empty() {
            out.line(format_args!("  {name}: {{clients: []}}"))?;
            continue;
        }
        out.line(format_args!("  {name}:"))?;
        out.line("    clients:")?;
        for member in members {
            let mut fields = vec![format!("id: {}", quoted(&member.id))];
            fields.extend(member.name.iter().map(|name| format!("name: {}", quoted(name))));
            fields.extend(member.tier.iter().map(|tier| format!("tier: {}", quoted(tier))));
            out.line(format_args!("      - {{{}}}", fields.join(", ")))?;
        }
    }
    Ok(Exit::Good)
}

/// A list in the form that the filter reads, inline or fetched.
pub(crate) fn body(members: &[Member]) -> Value {
    json!({"clients": members})
}

/// The lists with these names, or all lists.
fn chosen<'a>(
    content: &'a Content,
    names: &'a [String],
    store: &StoreArgs,
) -> Result<Vec<(&'a str, &'a [Member])>, Failure> {
    if names.is_empty() {
        return Ok(content.lists.iter().map(|(name, members)| (name.as_str(), &**members)).collect());
    }
    let found = names.iter().map(|name| {
        let members = content.lists.get(name).ok_or_else(|| no_list(content, name, store))?;
        Ok((name.as_str(), &**members))
    });
    found.collect()
}

/// The error for an unknown list, with the known names.
pub(crate) fn no_list(content: &Content, name: &str, store: &StoreArgs) -> Failure {
    let what = format!("there is no list {name:?} in the environment {:?}", store.environment());
    Failure::new(what).help(known("list", name, content.lists.keys(), store))
}

fn document(lists: &[(&str, &[Member])]) -> Value {
    let all = lists.iter().map(|(name, members)| ((*name).to_owned(), body(members)));
    Value::Object(all.collect::<Map<_, _>>())
}

/// Adds a sentence on what to do to a failure.
fn failure_with(failure: Failure, more: &str) -> Failure {
    match failure {
        Failure::Told { what, help, .. } => {
            let help = help.map_or_else(|| more.to_owned(), |help| format!("{help} {more}"));
            Failure::new(what).help(help)
        }
        Failure::Gone => Failure::Gone,
    }
}
