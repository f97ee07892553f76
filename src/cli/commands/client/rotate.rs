//! `tollgate client rotate-secret`: a new secret, if the server issues one.

use serde_json::{Map, json};
use tollgate_engine::provider::preset::Preset;

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::store::StoreArgs;

use super::answer::utc;
use super::client;
use super::manage::{ManageArgs, Management};
use super::update::complete;

/// Request a new secret for a client from its provider
///
/// Okta has a call for this. For other servers, the command writes the client back without its secret (RFC
/// 7592 §2.2). The server may then issue a new secret. If it does not, it does not support this.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The client
    name: String,
    #[command(flatten)]
    manage: ManageArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// Requests a new secret.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let mut store = args.store.open()?;
    let mut management = Management::of(&args.manage, &args.name, &mut store, &args.store, out)?;
    if client(&store.content, &args.name, &args.store)?.client_secret.is_none() {
        return Err(Failure::new(format_args!("the client {:?} has no secret", args.name)));
    }
    out.progress(format_args!("asking {} for a new secret", management.url));
    let (mut taken, reply) = if management.preset == Preset::Okta {
        let mut url = management.url.clone();
        let cannot = || Failure::new(format_args!("{} cannot have anything below it", management.url));
        url.path_segments_mut().map_err(|()| cannot())?.extend(["lifecycle", "newSecret"]);
        (None, management.ask_at(&url, "POST", Some(&Map::new()))?)
    } else {
        let taken = management.read(&mut store, false)?;
        let held = client(&store.content, &args.name, &args.store)?;
        let mut body = complete(held, &Map::new(), &[], management.preset);
        body.remove("client_secret");
        (Some(taken), management.ask("PUT", Some(&body))?)
    };
    if !matches!(reply.status, 200 | 201) {
        return Err(management.refused("give new secrets", &reply));
    }
    let written = management.take(&reply, &mut store, true)?;
    let new = written.new_secret || taken.as_ref().is_some_and(|taken| taken.new_secret);
    for warning in taken.iter_mut().flat_map(|taken| taken.warnings.drain(..)).chain(written.warnings) {
        out.warning(printable(&warning));
    }
    let expires = client(&store.content, &args.name, &args.store)?.client_secret_expires_at;
    if out.is_json() {
        out.document(&json!({"name": args.name, "new_secret": new, "client_secret_expires_at": expires}))?;
    } else if new {
        out.line(format_args!("{} has a new secret; the old one may no longer work", args.name))?;
        if expires != 0 {
            out.line(format_args!("  until {}", utc(expires)))?;
        }
        out.line(format_args!(
            "  pass it to the gateway: tollgate client secret-file {} --out FILE",
            args.name
        ))?;
    } else {
        let host = management.url.host_str().unwrap_or_default();
        out.line(format_args!("{host} gave {} no new secret, because it does not support this", args.name))?;
        let name = &args.name;
        out.line(format_args!(
            "  to change it without an outage: register a second client, run `tollgate generate … --client NEW --force`, and when the gateway has it `tollgate client delete {name}`"
        ))?;
    }
    Ok(if new { Exit::Good } else { Exit::Faults })
}
