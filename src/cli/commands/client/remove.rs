//! `tollgate client delete` and `tollgate client forget`: at the provider, or only in the store.

use serde_json::json;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::store::{Content, StoreArgs};

use super::client;
use super::manage::{ManageArgs, Management};

/// Delete a client at its provider (RFC 7592), then from the store and from all lists
#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// The client
    name: String,
    /// Delete the client only at the provider: keep it in the store and on its lists
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    manage: ManageArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// Remove a client from the store and from all lists, but not at its provider
#[derive(Debug, clap::Args)]
pub(crate) struct ForgetArgs {
    /// The client
    name: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// Deletes the client at the provider, then in the store.
pub(crate) fn delete(args: &DeleteArgs, out: &mut Output) -> Result<Exit, Failure> {
    let mut store = args.store.open()?;
    let management = Management::of(&args.manage, &args.name, &mut store, &args.store, out)?;
    out.progress(format_args!("deleting at {}", management.url));
    let reply = management.ask("DELETE", None)?;
    match reply.status {
        204 => {}
        200 => out.warning("the server responded with 200, where RFC 7592 §2.3 requires 204"),
        _ => return Err(management.refused("delete clients", &reply)),
    }
    let provider = client(&store.content, &args.name, &args.store)?.provider.clone();
    let mut lists = Vec::new();
    if !args.keep {
        lists = remove(&mut store.content, &args.name);
        store.save()?;
    }
    tell(&format!("deleted {} at {provider}", args.name), !args.keep, true, &lists, out)
}

/// Deletes the client only in the store.
pub(crate) fn forget(args: &ForgetArgs, out: &mut Output) -> Result<Exit, Failure> {
    let mut store = args.store.open()?;
    let provider = client(&store.content, &args.name, &args.store)?.provider.clone();
    let lists = remove(&mut store.content, &args.name);
    store.save()?;
    tell(&format!("removed {} from the store; {provider} still has it", args.name), true, false, &lists, out)
}

/// Removes a client from the store and from its lists. Returns these lists.
fn remove(content: &mut Content, name: &str) -> Vec<String> {
    let Some(client) = content.clients.remove(name) else { return Vec::new() };
    let mut left = Vec::new();
    for (list, members) in &mut content.lists {
        let before = members.len();
        members.retain(|member| member.id != client.client_id);
        if members.len() != before {
            left.push(list.clone());
        }
    }
    left
}

fn tell(what: &str, here: bool, there: bool, lists: &[String], out: &mut Output) -> Result<Exit, Failure> {
    if out.is_json() {
        out.document(&json!({"deleted_at_provider": there, "forgotten_here": here, "lists": lists}))?;
        return Ok(Exit::Good);
    }
    out.line(what)?;
    if there && !here {
        out.line("  it is still known here, and still on its lists")?;
    }
    if !lists.is_empty() {
        out.line(format_args!("  and took it off: {}", lists.join(", ")))?;
    }
    Ok(Exit::Good)
}
