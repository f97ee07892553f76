//! `tollgate client update` (RFC 7592 §2.2): read, change, write all of it back.

use serde_json::{Map, Value, json};

use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::store::{StoreArgs, StoredClient};
use tollgate_engine::provider::preset::Preset;

use super::answer::Taken;
use super::client;
use super::manage::{ManageArgs, Management};
use super::metadata::{MetadataArgs, THE_SERVERS, adapt, choose_reply_algorithm, differences, verify};

/// Change a client at its provider (RFC 7592); metadata without an option are kept
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The client
    name: String,
    /// Remove this member, for example `logo_uri`; repeatable
    #[arg(long, value_name = "MEMBER")]
    unset: Vec<String>,
    /// Exit with 1 if the server stores different metadata
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    manage: ManageArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// Changes the client.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let mut asked = args.metadata.asked()?;
    choose_reply_algorithm(&mut asked, None)?;
    if asked.is_empty() && args.unset.is_empty() {
        return Err(Failure::new("there is nothing to change")
            .help("Give a change, for example --scope \"orders:read orders:write\" or --unset logo_uri."));
    }
    if let Some(name) = args.unset.iter().find(|name| THE_SERVERS.contains(&name.as_str())) {
        return Err(Failure::new(format_args!("{name} is set by the server")));
    }
    let mut store = args.store.open()?;
    let mut management = Management::of(&args.manage, &args.name, &mut store, &args.store, out)?;
    out.progress(format_args!("reading the client at {}", management.url));
    let mut taken = management.read(&mut store, true)?;
    let before = client(&store.content, &args.name, &args.store)?;
    adapt(&mut asked, management.preset);
    let body = complete(before, &asked, &args.unset, management.preset);
    if ["jwks", "jwks_uri", "grant_types", "response_types"].iter().any(|name| asked.contains_key(*name)) {
        verify(&body)?;
    }
    out.progress("sending the changed client");
    let reply = management.ask("PUT", Some(&body))?;
    if reply.status != 200 {
        return Err(management.refused("change clients", &reply));
    }
    let written = management.take(&reply, &mut store, true)?;
    taken.warnings.extend(written.warnings);
    taken.new_secret |= written.new_secret;
    let after = client(&store.content, &args.name, &args.store)?;
    let mut differences = differences(&asked, &after.metadata);
    differences.extend(
        args.unset
            .iter()
            .filter(|name| is_there(after, name))
            .map(|name| format!("{name}: removal was requested, and it is still there")),
    );
    let warnings = differences.iter().map(|difference| format!("not changed as requested: {difference}"));
    taken.warnings.extend(warnings);
    tell(args, &taken, out)?;
    Ok(if args.strict && !differences.is_empty() { Exit::Faults } else { Exit::Good })
}

/// All of a client's metadata with the changes, as a PUT must contain them (DCR-15, DCR-16).
pub(crate) fn complete(
    client: &StoredClient,
    asked: &Map<String, Value>,
    unset: &[String],
    preset: Preset,
) -> Map<String, Value> {
    let mut body = client.metadata.clone();
    body.retain(|name, value| {
        !value.is_null() && !unset.contains(name) && !THE_SERVERS.contains(&name.as_str())
    });
    // One of the two is enough.
    for (one, other) in [("jwks", "jwks_uri"), ("jwks_uri", "jwks")] {
        if asked.contains_key(one) && !asked.contains_key(other) {
            body.remove(other);
        }
    }
    body.extend(asked.clone());
    body.insert("client_id".to_owned(), json!(client.client_id));
    // Okta never returns the secret. It would set a secret that is sent.
    if let Some(secret) = client.client_secret.as_ref().filter(|_| preset != Preset::Okta) {
        body.insert("client_secret".to_owned(), json!(secret));
    }
    body
}

fn is_there(client: &StoredClient, name: &str) -> bool {
    client.metadata.get(name).is_some_and(|value| !value.is_null() && *value != json!([]))
}

fn tell(args: &Args, taken: &Taken, out: &mut Output) -> Result<(), Failure> {
    for warning in &taken.warnings {
        out.warning(printable(warning));
    }
    if out.is_json() {
        return out.document(&json!({
            "name": args.name, "new_secret": taken.new_secret, "warnings": taken.warnings,
        }));
    }
    out.line(format_args!("changed {}", args.name))?;
    if taken.new_secret {
        out.line("  its secret has changed; the old one may no longer work")?;
    }
    Ok(())
}
