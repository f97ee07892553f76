//! Chooses the authorization server: a stored one, or a new one.

use tollgate_engine::provider::preset::Preset;
use url::Url;

use crate::kit::discovery::discover;
use crate::kit::failure::Failure;
use crate::kit::http::Http;
use crate::kit::output::Output;
use crate::kit::presets::{REGISTRATION, guess, named, presets};
use crate::kit::store::{Content, StoreArgs, StoredProvider};

use super::known;

/// The server at which the client is registered.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Authorization server")]
pub(crate) struct ProviderArgs {
    /// Use this provider from the store; not needed if there is only one
    #[arg(long, value_name = "NAME", conflicts_with_all = ["issuer", "preset", "base_url", "provider_name"])]
    provider: Option<String>,
    /// Discover and store the provider with this issuer (RFC 8414)
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Set the product, whose preset supplies what the server does not publish
    #[arg(long, value_name = "PRESET", value_parser = presets())]
    preset: Option<Preset>,
    /// Set the base of the preset's paths, if it is not the issuer; without an issuer, nothing is
    /// discovered
    #[arg(long, value_name = "URL", requires = "preset")]
    base_url: Option<String>,
    /// Set the registration endpoint, if neither the metadata nor a preset supplies it
    #[arg(long, value_name = "URL")]
    registration_endpoint: Option<String>,
    /// Store the provider under this name [default: its host]
    #[arg(long, value_name = "NAME")]
    provider_name: Option<String>,
}

/// The server that was chosen.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// Its name in the store.
    pub(crate) name: String,
    /// What is stored about it.
    pub(crate) provider: StoredProvider,
    /// Where clients are registered.
    pub(crate) registration: Url,
    /// Its algorithms for signed introspection responses, if its metadata list them (RFC 9701 §7).
    pub(crate) reply_algorithms: Option<Vec<String>>,
}

impl ProviderArgs {
    /// Finds the server. Reads its metadata if the issuer is given.
    pub(crate) fn choose(
        &self,
        http: &Http,
        content: &Content,
        store: &StoreArgs,
        out: &mut Output,
    ) -> Result<Chosen, Failure> {
        let mut reply_algorithms = None;
        let (name, mut provider) = match self.met(http, &mut reply_algorithms, out)? {
            Some((address, provider)) => {
                let name = self.provider_name.clone().map_or_else(|| host(&address), Ok)?;
                (name.clone(), merged(content, &name, &address, provider)?)
            }
            None => self.remembered(content, store)?,
        };
        if let Some(by_hand) = &self.registration_endpoint {
            provider.endpoints.insert(REGISTRATION.to_owned(), by_hand.clone());
        }
        let registration = registration_of(&provider, &name)?;
        Ok(Chosen { name, provider, registration, reply_algorithms })
    }

    /// The server that the arguments describe, and one of its addresses.
    fn met(
        &self,
        http: &Http,
        reply_algorithms: &mut Option<Vec<String>>,
        out: &mut Output,
    ) -> Result<Option<(String, StoredProvider)>, Failure> {
        let base = self.base_url.clone().or_else(|| self.issuer.clone());
        let preset = self.preset.unwrap_or_default();
        let by_preset = base.as_deref().map(|base| named(&preset.endpoints(base))).unwrap_or_default();
        let Some(issuer) = &self.issuer else {
            let address = match (&self.base_url, &self.registration_endpoint) {
                (Some(base), _) => base,
                (None, Some(_)) if self.provider.is_some() => return Ok(None),
                (None, Some(endpoint)) => endpoint,
                (None, None) if self.preset.is_some() => {
                    return Err(Failure::new("a preset alone does not say where the server is")
                        .help("Give its --issuer, or, if it has no discovery, its --base-url."));
                }
                (None, None) => return Ok(None),
            };
            let provider = StoredProvider {
                issuer: None,
                preset: preset.name().to_owned(),
                base_url: self.base_url.clone(),
                endpoints: by_preset,
            };
            return Ok(Some((address.clone(), provider)));
        };
        out.progress(format_args!("reading the metadata of {issuer}"));
        let (mut preset, mut endpoints) = (preset, by_preset);
        match discover(http, issuer).map_err(Failure::from) {
            Ok(found) => {
                if let (None, Some(guess)) = (self.preset, guess(issuer)) {
                    out.progress(format_args!(
                        "the address is that of a known product; assuming --preset {}",
                        guess.name()
                    ));
                    (preset, endpoints) = (guess, named(&guess.endpoints(issuer)));
                }
                endpoints.extend(named(&found.endpoints()));
                let signs = found.texts("introspection_signing_alg_values_supported");
                *reply_algorithms = signs.map(|all| all.into_iter().map(str::to_owned).collect());
            }
            // With every path as an argument, no document is needed.
            Err(failure) if preset == Preset::Generic && self.registration_endpoint.is_none() => {
                return Err(failure);
            }
            Err(failure) => {
                out.warning(format_args!("{failure}\n  Continuing with the preset and the arguments."));
            }
        }
        let provider = StoredProvider {
            issuer: Some(issuer.clone()),
            preset: preset.name().to_owned(),
            base_url: self.base_url.clone(),
            endpoints,
        };
        Ok(Some((issuer.clone(), provider)))
    }

    fn remembered(&self, content: &Content, store: &StoreArgs) -> Result<(String, StoredProvider), Failure> {
        if let Some(name) = &self.provider {
            let provider = content.providers.get(name).ok_or_else(|| {
                let environment = store.environment();
                let what = format!("there is no provider {name:?} in the environment {environment:?}");
                Failure::new(what).help(known("provider", name, content.providers.keys(), store))
            })?;
            return Ok((name.clone(), provider.clone()));
        }
        let mut all = content.providers.iter();
        match (all.next(), all.next()) {
            (Some((name, provider)), None) => Ok((name.clone(), provider.clone())),
            (None, _) => Err(Failure::new("no authorization server is given to register the client at")
                .help("Give the server's issuer, as in --issuer https://login.example.com.")),
            _ => {
                let names: Vec<_> = content.providers.keys().map(String::as_str).collect();
                Err(Failure::new("the store has several providers")
                    .help(format_args!("Name one: --provider {}.", names.join(" | "))))
            }
        }
    }
}

/// Keeps what is stored about a provider if the new one is the same.
fn merged(
    content: &Content,
    name: &str,
    address: &str,
    new: StoredProvider,
) -> Result<StoredProvider, Failure> {
    let Some(old) = content.providers.get(name) else { return Ok(new) };
    let known = [&old.issuer, &old.base_url].into_iter().flatten().next();
    let known = known.or_else(|| old.endpoints.get(REGISTRATION)).map_or("", String::as_str);
    let origin = |address: &str| Url::parse(address).ok().map(|url| url.origin());
    let same = match (&old.issuer, &new.issuer) {
        (Some(old), Some(new)) => old == new,
        _ => origin(known) == origin(address),
    };
    if !same {
        return Err(Failure::new(format_args!("the provider {name:?} is {known}, not {address}"))
            .help("Give the other one its own name: --provider-name NAME."));
    }
    let generic = new.preset == Preset::Generic.name();
    let mut endpoints = old.endpoints.clone();
    endpoints.extend(new.endpoints);
    Ok(StoredProvider {
        issuer: new.issuer.or_else(|| old.issuer.clone()),
        preset: if generic { old.preset.clone() } else { new.preset },
        base_url: new.base_url.or_else(|| old.base_url.clone()),
        endpoints,
    })
}

/// Where a provider registers clients.
pub(crate) fn registration_of(provider: &StoredProvider, name: &str) -> Result<Url, Failure> {
    let endpoint = provider.endpoints.get(REGISTRATION).ok_or_else(|| {
        Failure::new(format_args!("{name} names no registration endpoint")).help(
            "If it supports registration, give the endpoint: --registration-endpoint URL, or the product: --preset NAME.",
        )
    })?;
    Url::parse(endpoint)
        .map_err(|_| Failure::new(format_args!("the registration endpoint {endpoint:?} is not a URL")))
}

fn host(address: &str) -> Result<String, Failure> {
    let url = Url::parse(address).map_err(|_| {
        Failure::new(format_args!("{address:?} is not a URL")).help("It begins with https://.")
    })?;
    Ok(url.host_str().unwrap_or("provider").to_owned())
}
