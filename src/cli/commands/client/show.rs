//! `tollgate client show`, `list` and `secret-file`: what is stored.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::kit::clock::now;
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::store::{Content, StoreArgs, StoredClient, write_private};

use super::answer::{is_secret, revealed, utc};
use super::manage::{ManageArgs, Management};
use super::metadata::shown;
use super::{client, provider_of};

/// Show the stored data of a client
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The client
    name: String,
    /// Read the client from the provider first (RFC 7592), and update the store
    #[arg(long)]
    refresh: bool,
    /// Print the client secret
    #[arg(long)]
    reveal_secret: bool,
    #[command(flatten)]
    manage: ManageArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// List the clients of an environment
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Write a client's secret to a file that only its owner can read, for Envoy's secret discovery
#[derive(Debug, clap::Args)]
pub(crate) struct SecretFileArgs {
    /// The client
    name: String,
    /// The file to write; an existing file is replaced
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// Shows one client.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    let content = if args.refresh {
        let mut store = args.store.open()?;
        let mut management = Management::of(&args.manage, &args.name, &mut store, &args.store, out)?;
        out.progress(format_args!("reading the client at {}", management.url));
        let taken = management.read(&mut store, true)?;
        for warning in &taken.warnings {
            out.warning(printable(warning));
        }
        if taken.new_secret {
            out.warning("the client secret has changed; pass it to everything that uses it");
        }
        store.content.clone()
    } else {
        args.store.peek()?
    };
    let client = client(&content, &args.name, &args.store)?;
    let secret = client.client_secret.as_deref();
    let secret = secret.map(|secret| if args.reveal_secret { secret } else { "***" });
    if out.is_json() {
        out.document(&document(&args.name, client, secret, &content))?;
    } else {
        lines(&args.name, client, secret, &content, out)?;
    }
    Ok(Exit::Good)
}

/// Lists all clients.
pub(crate) fn list(args: &ListArgs, out: &mut Output) -> Result<Exit, Failure> {
    let content = args.store.peek()?;
    if out.is_json() {
        let all = content.clients.iter().map(|(name, client)| {
            document(name, client, client.client_secret.as_ref().map(|_| "***"), &content)
        });
        out.document(&Value::Array(all.collect()))?;
        return Ok(Exit::Good);
    }
    if content.clients.is_empty() {
        out.line(format_args!("no clients in the environment {:?}", args.store.environment()))?;
        return Ok(Exit::Good);
    }
    let rows = content.clients.iter().map(|(name, client)| {
        [
            name.clone(),
            printable(&client.client_id),
            printable(&client.provider),
            printable(&client.token_endpoint_auth_method),
            lists_of(client, &content).join(", "),
            expiry(client),
        ]
    });
    let head = ["NAME", "CLIENT_ID", "PROVIDER", "AUTHENTICATES", "LISTS", "SECRET"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    for line in table(&rows) {
        out.line(line)?;
    }
    Ok(Exit::Good)
}

/// Writes the secret to a file.
pub(crate) fn secret_file(args: &SecretFileArgs, out: &mut Output) -> Result<Exit, Failure> {
    let content = args.store.peek()?;
    let client = client(&content, &args.name, &args.store)?;
    let secret = client.client_secret.as_deref().ok_or_else(|| {
        Failure::new(format_args!(
            "the client {:?} has no secret: it authenticates by {}",
            args.name, client.token_endpoint_auth_method
        ))
    })?;
    write_private(&args.out, secret.as_bytes()).map_err(|error| Failure::file("write", &args.out, &error))?;
    if out.is_json() {
        out.document(&json!({"file": args.out.display().to_string()}))?;
    } else {
        out.line(format_args!("wrote the secret of {} to {}", args.name, args.out.display()))?;
    }
    Ok(Exit::Good)
}

/// Aligns rows in columns, without spaces at the end of a line.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn lines(
    name: &str,
    client: &StoredClient,
    secret: Option<&str>,
    content: &Content,
    out: &mut Output,
) -> Result<(), Failure> {
    let issuer = provider_of(content, client).ok().and_then(|provider| provider.issuer.clone());
    let provider = match issuer {
        Some(issuer) if issuer != client.provider => format!("{} ({issuer})", client.provider),
        _ => client.provider.clone(),
    };
    let mut rows = vec![
        ["client".to_owned(), name.to_owned()],
        ["provider".to_owned(), printable(&provider)],
        ["client_id".to_owned(), printable(&client.client_id)],
    ];
    if let Some(secret) = secret {
        rows.push(["client_secret".to_owned(), revealed(secret)]);
        rows.push(["client_secret_expires_at".to_owned(), expiry(client)]);
    }
    rows.push(["token_endpoint_auth_method".to_owned(), printable(&client.token_endpoint_auth_method)]);
    rows.push(["management".to_owned(), management(client)]);
    let lists = lists_of(client, content);
    if !lists.is_empty() {
        rows.push(["lists".to_owned(), lists.join(", ")]);
    }
    for (member, value) in public(&client.metadata) {
        let nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if member != "token_endpoint_auth_method" && !nothing {
            let moment = value.as_u64().filter(|_| member.ends_with("_at"));
            rows.push([printable(&member), moment.map_or_else(|| shown(&value), utc)]);
        }
    }
    for line in table(&rows) {
        out.line(line)?;
    }
    Ok(())
}

fn document(name: &str, client: &StoredClient, secret: Option<&str>, content: &Content) -> Value {
    json!({
        "name": name,
        "provider": client.provider,
        "issuer": provider_of(content, client).ok().and_then(|provider| provider.issuer.clone()),
        "client_id": client.client_id,
        "client_secret": secret,
        "client_secret_expires_at": client.client_secret_expires_at,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "registration_client_uri": client.registration_client_uri,
        "registration_access_token": client.registration_access_token.as_ref().map(|_| "***"),
        "lists": lists_of(client, content),
        "metadata": public(&client.metadata),
    })
}

/// Metadata without members whose names mark them as secrets.
fn public(metadata: &Map<String, Value>) -> Map<String, Value> {
    let hidden = |(name, value): (&String, &Value)| {
        let value = if is_secret(name) { json!("***") } else { value.clone() };
        (name.clone(), value)
    };
    metadata.iter().map(hidden).collect()
}

fn management(client: &StoredClient) -> String {
    match (&client.registration_client_uri, &client.registration_access_token) {
        (Some(uri), Some(_)) => printable(uri),
        _ => "by the registration credential, if the server allows it".to_owned(),
    }
}

/// When the secret ends, in UTC (DCR-05).
fn expiry(client: &StoredClient) -> String {
    match client.client_secret_expires_at {
        _ if client.client_secret.is_none() => "none".to_owned(),
        0 => "never expires".to_owned(),
        at if at <= now().as_secs() => format!("EXPIRED {}", utc(at)),
        at => format!("until {}", utc(at)),
    }
}

fn lists_of(client: &StoredClient, content: &Content) -> Vec<String> {
    let on = content.lists.iter().filter_map(|(list, members)| {
        let member = members.iter().find(|member| member.id == client.client_id)?;
        Some(match &member.tier {
            Some(tier) => format!("{list} ({})", printable(tier)),
            None => list.clone(),
        })
    });
    on.collect()
}
