//! The `providers:` entry to paste.

use serde_json::Value;
use tollgate_config::error::Fault;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::provider::client_auth::Method;

use crate::commands::discover::{Args, Known, authority};
use crate::kit::client_auth::{Authentication, preference};
use crate::kit::discovery::Discovered;
use crate::kit::entry::{ClientAuth, Entry, Introspection};
use crate::kit::failure::Failure;
use crate::kit::named;
use crate::kit::yaml;

/// One entry and its name; it loads.
pub(super) struct Suggestion {
    name: String,
    entry: Entry,
}

/// How the filter authenticates, and from what that was concluded.
struct Chosen {
    method: Authentication,
    /// What assertions are signed with, if a key signs them.
    algorithm: Algorithm,
}

impl Suggestion {
    /// The entry, if tokens can be introspected at all; assumptions become remarks.
    pub(super) fn new(known: &mut Known, args: &Args) -> Result<Option<Self>, Failure> {
        let Some(introspection) = known.endpoints.introspection.clone() else { return Ok(None) };
        let chosen = choose(known, args);
        let alias = known.document.as_ref().and_then(Discovered::introspection_by_certificate);
        let uri = alias.filter(|_| chosen.method.is_by_certificate()).map_or(introspection, str::to_owned);
        let (host, _) = authority(&uri).ok_or_else(|| Failure::new(format_args!("{uri:?} is not a URL")))?;
        let suggestion = Self {
            name: known_as(known.issuer.as_deref().or(known.base_url.as_deref()).unwrap_or(&host)),
            entry: Entry {
                preset: known.preset,
                issuer: known.issuer.clone(),
                base_url: known.base_url.clone(),
                introspection: Some(Introspection {
                    uri,
                    cluster: host,
                    client_auth: client_auth(&chosen, args),
                    timeout: None,
                }),
                ..Entry::default()
            },
        };
        let faults = named::policy(&suggestion.value()).err().unwrap_or_default();
        // The text that stands in for a secret is not a private key.
        match faults.iter().find(|fault| !matches!(fault.fault, Fault::UnfitVariable { .. })) {
            Some(fault) => Err(Failure::new(format_args!("the filter would not load the entry: {fault}"))),
            None => Ok(Some(suggestion)),
        }
    }

    /// As a configuration that holds nothing else.
    pub(super) fn value(&self) -> Value {
        self.entry.configuration(&self.name)
    }

    /// The same as YAML.
    pub(super) fn yaml(&self) -> String {
        yaml::configuration(&self.value())
    }
}

impl From<Authentication> for Chosen {
    fn from(method: Authentication) -> Self {
        Self { method, algorithm: Algorithm::Es256 }
    }
}

/// The method to authenticate with: what the operator says, or what the server supports (DSC-09 to DSC-11).
fn choose(known: &mut Known, args: &Args) -> Chosen {
    let with_key = args.private_key_env.as_ref().map(|_| Authentication::Own(Method::PrivateKeyJwt));
    if let Some(method) = args.auth_method {
        return method.into();
    }
    let Some(document) = &known.document else { return with_key.unwrap_or(DEFAULT).into() };
    let own = document.texts("introspection_endpoint_auth_methods_supported");
    let (listed, endpoint) = match (own, document.texts("token_endpoint_auth_methods_supported")) {
        (Some(own), _) => (own, "introspection"),
        (None, Some(token)) => (token, "token"),
        (None, None) => (vec![DEFAULT.name()], "token"),
    };
    let algorithms = document.texts(&format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
    let signs = algorithms.as_ref().is_some_and(|algorithms| !algorithms.contains(&"none"));
    let fits =
        |method: &Authentication| listed.contains(&method.name()) && (signs || !method.is_by_assertion());
    let mut preferred: Vec<_> =
        Authentication::all().filter(|method| method.preference().is_some()).collect();
    preferred.sort_by_key(|method| method.preference());
    // An operator who has a key prefers it (RFC 9700 §2.5).
    let chosen = with_key.into_iter().chain(preferred).find(fits);
    if with_key.is_some() && chosen != with_key {
        known.remarks.push(
            "the server does not support private_key_jwt, so the private key cannot be used there".to_owned(),
        );
    }
    let listed = listed.join(", ");
    if endpoint == "token" {
        let assumed = chosen.unwrap_or(DEFAULT).name();
        known.remarks.push(format!("the server does not say how to authenticate at the introspection endpoint; {assumed} is assumed, from the token endpoint"));
    }
    let mut chosen = Chosen::from(chosen.unwrap_or_else(|| {
        let assumed = DEFAULT.name();
        known.remarks.push(format!(
            "the filter supports none of the server's methods ({listed}); the entry still has {assumed}"
        ));
        DEFAULT
    }));
    let offered = algorithms.into_iter().flatten().filter_map(Algorithm::named);
    let usable = offered.filter_map(|algorithm| Some((preference(algorithm)?, algorithm)));
    if let Some((_, algorithm)) = usable.min_by_key(|(rank, _)| *rank) {
        chosen.algorithm = algorithm;
    }
    chosen
}

/// What is assumed where nothing is known (RFC 8414 §2).
const DEFAULT: Authentication = Authentication::Own(Method::Basic);

fn client_auth(chosen: &Chosen, args: &Args) -> ClientAuth {
    let id = args.client_id.as_str();
    let Authentication::Own(method) = chosen.method else { return ClientAuth::by_cluster(Some(id)) };
    match method {
        Method::None => ClientAuth::by_cluster(None),
        Method::Bearer => ClientAuth::bearer("TOLLGATE_BEARER_TOKEN"),
        Method::PrivateKeyJwt => ClientAuth {
            method: Some(method),
            algorithm: Some(chosen.algorithm),
            ..ClientAuth::secret(id, args.private_key_env.as_deref().unwrap_or("TOLLGATE_PRIVATE_KEY"))
        },
        Method::Basic | Method::Post | Method::SecretJwt => {
            ClientAuth { method: Some(method), ..ClientAuth::secret(id, "TOLLGATE_CLIENT_SECRET") }
        }
    }
}

/// A name for the provider: the first label of its host that tells something.
fn known_as(address: &str) -> String {
    let host = authority(address).map_or_else(|| address.to_owned(), |(host, _)| host);
    let label = host.split('.').find(|label| !["www", "login", "auth", "sso", "idp"].contains(label));
    let label = label.filter(|label| label.chars().any(|c| c.is_ascii_alphabetic()));
    label.unwrap_or("main").chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect()
}
