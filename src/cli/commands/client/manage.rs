//! The client configuration endpoint (RFC 7592 §2): credentials, requests, and what its errors mean.

use serde_json::{Map, Value};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::provider::preset::Preset;
use url::Url;

use crate::kit::clock::now;
use crate::kit::failure::Failure;
use crate::kit::http::{Http, Network, Reply, Request};
use crate::kit::output::Output;
use crate::kit::store::{Store, StoreArgs, StoredClient, StoredProvider};

use super::answer::{Answer, Taken, refusal, unusable};
use super::credential::CredentialArgs;
use super::provider::registration_of;
use super::{client, provider_of};

/// Options for client management, flattened into the arguments of every command that needs them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ManageArgs {
    /// Use the client's `registration_client_uri` even if it is on another host
    #[arg(long)]
    pub(crate) trust_uri: bool,
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    network: Network,
}

/// A client's configuration endpoint, and the credential for it.
#[derive(Debug)]
pub(crate) struct Management {
    http: Http,
    /// The client's `registration_client_uri`.
    pub(crate) url: Url,
    authorization: Secret,
    /// Whether the credential is the registration access token, which responses may replace.
    by_token: bool,
    /// The name of the client in the store.
    name: String,
    /// Its provider's preset.
    pub(crate) preset: Preset,
}

impl Management {
    /// Finds a client's configuration endpoint and the credential for it (DCR-13, DCR-21, DCR-22).
    pub(crate) fn of(
        args: &ManageArgs,
        name: &str,
        store: &mut Store,
        store_args: &StoreArgs,
        out: &mut Output,
    ) -> Result<Self, Failure> {
        let client = client(&store.content, name, store_args)?.clone();
        let provider = provider_of(&store.content, &client)?.clone();
        let preset = provider.preset();
        let typed = args.credential.typed(preset)?;
        let by_token = typed.is_none() && client.registration_access_token.is_some();
        let (url, authorization) = match (&client.registration_access_token, typed) {
            (Some(token), None) => {
                let url = client.registration_client_uri.as_deref().ok_or_else(|| incomplete(name))?;
                (uri(url)?, Secret::new(format!("Bearer {token}")))
            }
            // Servers without a token per client accept the registration credential, below the registration
            // endpoint (Okta and similar servers).
            (_, typed) => {
                let credential = match typed {
                    Some(typed) => Some(typed),
                    None => CredentialArgs::from_environment(preset)?,
                };
                let credential = credential.ok_or_else(|| incomplete(name))?;
                let url = match &client.registration_client_uri {
                    Some(url) => uri(url)?,
                    None => below(&registration_of(&provider, &client.provider)?, &client.client_id)?,
                };
                (url, credential)
            }
        };
        if args.trust_uri && client.registration_client_uri.is_some() {
            if let Some(client) = store.content.clients.get_mut(name) {
                client.registration_client_uri_confirmed = true;
            }
            store.save()?;
        } else if let Some(warning) = stranger(&client, &provider) {
            return Err(Failure::new(warning)
                .help("If it belongs to the same server, confirm that once: --trust-uri."));
        }
        let http = args.network.http(out)?;
        http.permits(&url)?;
        Ok(Self { http, url, authorization, by_token, name: name.to_owned(), preset })
    }

    /// Reads the client and stores what has changed (DCR-14).
    pub(crate) fn read(&mut self, store: &mut Store, checked: bool) -> Result<Taken, Failure> {
        let reply = self.ask("GET", None)?;
        if reply.status != 200 {
            return Err(self.refused("read clients", &reply));
        }
        self.take(&reply, store, checked)
    }

    /// Sends one request to the endpoint.
    pub(crate) fn ask(&self, method: &str, body: Option<&Map<String, Value>>) -> Result<Reply, Failure> {
        self.ask_at(&self.url, method, body)
    }

    /// Sends one request below the endpoint.
    pub(crate) fn ask_at(
        &self,
        url: &Url,
        method: &str,
        body: Option<&Map<String, Value>>,
    ) -> Result<Reply, Failure> {
        let headers = vec![
            ("accept".to_owned(), Secret::new("application/json")),
            ("authorization".to_owned(), self.authorization.clone()),
        ];
        let text = body.map(serde_json::to_string).transpose().map_err(Failure::new)?;
        let body = text.map(|text| ("application/json", Secret::new(text)));
        self.http.send(&Request { method, url, headers, body })
    }

    /// Merges a response into the store, and writes the store before anything is printed (DCR-14, DCR-18).
    pub(crate) fn take(&mut self, reply: &Reply, store: &mut Store, checked: bool) -> Result<Taken, Failure> {
        let unusable = |what: &str, ours: &[&Secret]| {
            unusable(what, ours).help(format_args!("The stored data of {} did not change.", self.name))
        };
        let client = store.content.clients.get_mut(&self.name);
        let client =
            client.ok_or_else(|| Failure::new(format_args!("there is no client {:?}", self.name)))?;
        let mut new = client.clone();
        let answer = Answer::read(reply, checked.then(now)).and_then(|answer| answer.update(&mut new));
        let taken = answer.map_err(|what| unusable(&what, &[&self.authorization]))?;
        *client = new;
        if self.by_token
            && let Some(token) = &client.registration_access_token
        {
            self.authorization = Secret::new(format!("Bearer {token}"));
        }
        store.save()?;
        Ok(taken)
    }

    /// What an error response means. `what` is, for example, "delete clients" (DCR-19, DCR-20).
    pub(crate) fn refused(&self, what: &str, reply: &Reply) -> Failure {
        let said = refusal(reply, &[&self.authorization]);
        let (name, host) = (&self.name, self.url.host_str().unwrap_or_default());
        let gone = format!("If it is gone there, forget it here: tollgate client forget {name}.");
        match reply.status {
            401 | 404 => {
                let right = if self.by_token { "registration access token" } else { "credential" };
                Failure::new(format_args!(
                    "{host} does not know the client {name:?} any more, or refuses the {right} ({said})"
                ))
                .help(format_args!("Nothing was changed here. {gone}"))
            }
            403 => Failure::new(format_args!(
                "{host} does not allow this client to be managed in this way ({said})"
            ))
            .help("Nothing was changed here. Ask the server's administrator, or use its own console."),
            405 | 501 | 300..=399 => {
                let then = if what.starts_with("delete") { format!(" {gone}") } else { String::new() };
                Failure::new(format_args!("{host} does not offer to {what} in this way ({said})"))
                    .help(format_args!("Nothing was changed here. Use the server's own console.{then}"))
            }
            429 | 500..=599 => Failure::new(format_args!("{host} has an internal error ({said})"))
                .help("Nothing was changed here. Try again later."),
            _ => Failure::new(format_args!("{host} rejected the request ({said})"))
                .help("Nothing was changed here."),
        }
    }
}

/// Whether the address of a client's endpoint is suspicious (DCR-22).
pub(crate) fn stranger(client: &StoredClient, provider: &StoredProvider) -> Option<String> {
    let named = client.registration_client_uri.as_deref()?;
    if client.registration_client_uri_confirmed {
        return None;
    }
    let url = Url::parse(named).ok()?;
    let registration = registration_of(provider, &client.provider).ok()?;
    (url.host_str() != registration.host_str() || url.scheme() != registration.scheme()).then(|| {
        format!(
            "the registration_client_uri {named} is not on {}",
            registration.origin().ascii_serialization()
        )
    })
}

fn incomplete(name: &str) -> Failure {
    Failure::new(format_args!(
        "the server gave no registration_client_uri and registration_access_token for {name:?}, so this client cannot be managed with what is stored (RFC 7592 §3)"
    ))
    .help("If the server accepts the registration credential for this, as Okta does, give it: --authorization-file FILE or --initial-access-token-file FILE.")
}

fn uri(text: &str) -> Result<Url, Failure> {
    Url::parse(text)
        .map_err(|_| Failure::new(format_args!("the registration_client_uri {text:?} is not a URL")))
}

/// `{registration endpoint}/{client id}`.
fn below(registration: &Url, id: &str) -> Result<Url, Failure> {
    let mut url = registration.clone();
    let cannot = || Failure::new(format_args!("{registration} cannot have anything below it"));
    url.path_segments_mut().map_err(|()| cannot())?.pop_if_empty().push(id);
    Ok(url)
}
