//! `tollgate client register` (RFC 7591 §3).

use serde_json::{Map, Value, json};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::provider::preset::Preset;

use crate::kit::clock::now;
use crate::kit::exit::Exit;
use crate::kit::failure::Failure;
use crate::kit::http::{Network, Reply, Request};
use crate::kit::output::Output;
use crate::kit::printable::printable;
use crate::kit::store::{StoreArgs, StoredClient, is_name};

use super::answer::{Answer, error_of, refusal, revealed, unusable, utc};
use super::credential::CredentialArgs;
use super::manage::stranger;
use super::metadata::{MetadataArgs, choose_reply_algorithm, complete, differences};
use super::provider::{Chosen, ProviderArgs};

/// Register a client (RFC 7591) and store its credentials
///
/// By default, the client is for a gateway: it gets tokens with `client_credentials` and has no users. The
/// secret is saved in the store, which only its owner can read, and is not printed.
///
/// The Model Context Protocol deprecates dynamic registration in favour of Client ID Metadata Documents.
/// Most servers support only dynamic registration today.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name of the client in the store
    name: String,
    /// Exit with 1 if the registered metadata differ from the requested metadata
    #[arg(long)]
    strict: bool,
    /// Print the client secret
    #[arg(long)]
    print_secret: bool,
    /// Trust the `registration_client_uri` even if it is on another host
    #[arg(long)]
    trust_uri: bool,
    #[command(flatten)]
    provider: ProviderArgs,
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    store: StoreArgs,
}

/// Registers the client.
pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Exit, Failure> {
    if !is_name(&args.name) {
        return Err(Failure::new(format_args!("{:?} is not a valid name for a client", args.name))
            .help("A name consists of letters, digits, \"-\", \"_\" and \".\"."));
    }
    let mut asked = args.metadata.asked()?;
    let mut store = args.store.open()?;
    if let Some(taken) = store.content.clients.get(&args.name) {
        return Err(Failure::new(format_args!(
            "there is a client {:?} already, {} at {}",
            args.name, taken.client_id, taken.provider
        ))
        .help(format_args!(
            "Choose another name, or delete it first: tollgate client delete {}.",
            args.name
        )));
    }
    let http = args.network.http(out)?;
    let chosen = args.provider.choose(&http, &store.content, &args.store, out)?;
    let preset = chosen.provider.preset();
    choose_reply_algorithm(&mut asked, chosen.reply_algorithms.as_deref())?;
    complete(&mut asked, &args.name, preset)?;
    let credential = args.credential.authorization(preset)?;
    http.permits(&chosen.registration)?;
    // Check first that the store can be written, so that no credentials are lost.
    store.save()?;

    out.progress(format_args!("registering at {}", chosen.registration));
    let mut headers = vec![("accept".to_owned(), Secret::new("application/json"))];
    headers.extend(credential.iter().map(|value| ("authorization".to_owned(), value.clone())));
    let body = Secret::new(Value::Object(asked.clone()).to_string());
    let reply = http.send(&Request {
        method: "POST",
        url: &chosen.registration,
        headers,
        body: Some(("application/json", body)),
    })?;
    let ours: Vec<&Secret> = credential.iter().collect();
    match reply.status {
        201 => {}
        200 => out.warning("the server responded with 200, where RFC 7591 §3.2.1 requires 201"),
        _ => return Err(refused(&chosen, &asked, &reply, &ours)),
    }
    let answer = Answer::read(&reply, Some(now())).map_err(|what| {
        unusable(&what, &ours).help(format_args!(
            "Nothing was stored. The server may have created a client anyway: check its own console, at {}.",
            chosen.registration.host_str().unwrap_or_default()
        ))
    })?;
    let (mut client, taken) = answer.into_client(&chosen.name, &asked);
    client.registration_client_uri_confirmed = args.trust_uri && client.registration_client_uri.is_some();
    store.content.providers.insert(chosen.name.clone(), chosen.provider.clone());
    store.content.clients.insert(args.name.clone(), client.clone());
    store.save()?;

    let mut answered = client.metadata.clone();
    answered.insert("token_endpoint_auth_method".to_owned(), json!(client.token_endpoint_auth_method));
    let differences = differences(&asked, &answered);
    let mut warnings = taken.warnings;
    warnings
        .extend(differences.iter().map(|difference| format!("not registered as requested: {difference}")));
    warnings.extend(
        stranger(&client, &chosen.provider)
            .map(|warning| format!("{warning}; nothing is sent there until you confirm it (--trust-uri)")),
    );
    tell(args, &client, &warnings, out)?;
    Ok(if args.strict && !differences.is_empty() { Exit::Faults } else { Exit::Good })
}

fn tell(args: &Args, client: &StoredClient, warnings: &[String], out: &mut Output) -> Result<(), Failure> {
    for warning in warnings {
        out.warning(printable(warning));
    }
    let secret = client.client_secret.as_deref();
    let secret = secret.map(|secret| if args.print_secret { secret } else { "***" });
    let expires = client.client_secret_expires_at;
    if out.is_json() {
        let mut document = Map::new();
        document.insert("name".to_owned(), json!(args.name));
        document.insert("environment".to_owned(), json!(args.store.environment()));
        document.insert("provider".to_owned(), json!(client.provider));
        document.insert("client_id".to_owned(), json!(client.client_id));
        document.insert("client_secret".to_owned(), json!(secret));
        document.insert("client_secret_expires_at".to_owned(), json!(expires));
        document.insert("token_endpoint_auth_method".to_owned(), json!(client.token_endpoint_auth_method));
        document.insert("warnings".to_owned(), json!(warnings));
        return out.document(&Value::Object(document));
    }
    out.line(format_args!("registered {} at {}", args.name, printable(&client.provider)))?;
    out.line(format_args!("  client_id      {}", printable(&client.client_id)))?;
    if let Some(secret) = secret {
        let until =
            if expires == 0 { "it never expires".to_owned() } else { format!("until {}", utc(expires)) };
        out.line(format_args!("  client_secret  {} ({until})", revealed(secret)))?;
    }
    out.line(format_args!("  authenticates  {}", printable(&client.token_endpoint_auth_method)))
}

/// What an error response means, and what to do about it (DCR-03, DCR-07, DCR-23).
fn refused(chosen: &Chosen, asked: &Map<String, Value>, reply: &Reply, ours: &[&Secret]) -> Failure {
    let host = chosen.registration.host_str().unwrap_or_default();
    let failure = Failure::new(format_args!("{host} rejected the registration: {}", refusal(reply, ours)));
    let token = if ours.is_empty() {
        "The server requires an initial access token: --initial-access-token-file FILE."
    } else {
        "The initial access token may be wrong, already used or expired, or it may have the wrong scheme."
    };
    let okta = host.contains("okta") && chosen.provider.preset() != Preset::Okta;
    // Some servers require a redirect URI of every client (DCR-09).
    let said = refusal(reply, ours);
    let insists = reply.status == 400
        && [("redirect_uri", "redirect_uris"), ("response_type", "response_types")]
            .iter()
            .any(|(word, member)| said.contains(word) && asked.get(*member) == Some(&json!([])));
    match (reply.status, error_of(reply).as_str()) {
        _ if insists => failure.help(
            "This server requires a redirect URI: --grant-type client_credentials --grant-type authorization_code --redirect-uri URI.",
        ),
        (401 | 403, _) if okta => failure.help("Okta's API tokens need Okta's own scheme: --preset okta."),
        (401, _) | (_, "invalid_token" | "access_denied") => failure.help(token),
        (403, _) if ours.is_empty() => failure.help(token),
        (403, _) => failure.help(
            "The server's policy does not allow this client. Ask its administrator which hosts, scopes and grant types it accepts.",
        ),
        (_, "invalid_redirect_uri") => failure.help("Check --redirect-uri, the address to which users return."),
        (_, "invalid_software_statement" | "unapproved_software_statement") => {
            failure.help("Ask the issuer of the software statement.")
        }
        (400, _) => failure.help("Change the requested metadata; --metadata FILE can set any member."),
        (300..=399, _) => failure
            .help("Nothing was sent there. If that is the right address, use it: --registration-endpoint URL."),
        (404 | 405, _) => failure.help("Check that this is the registration endpoint. To use another: --registration-endpoint URL."),
        (429 | 500..=599, _) => failure.help("Try again later."),
        (202..=299, _) => failure.help("Expected 201 and the client; nothing was stored."),
        _ => failure,
    }
}

const EXAMPLES: &str = "Examples:
  tollgate client register gateway --issuer https://login.example.com \\
    --initial-access-token-file token
  tollgate client register gateway --issuer https://dev.okta.com/oauth2/default --preset okta \\
    --initial-access-token-file api-token
  tollgate client register gateway --preset openam --base-url https://am.example.com/openam/oauth2 \\
    --initial-access-token-file token --scope orders:read
  tollgate client register shop --provider login.example.com \\
    --redirect-uri https://shop.example.com/callback
  tollgate client register phone --provider login.example.com --dpop-bound";
