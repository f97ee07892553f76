//! The `providers:` entry to paste.

use serde_json::{Map, Value, json};
use tollgate_engine::config::error::Fault;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::preset::Preset;

use crate::commands::discover::{Args, Known, authority};
use crate::kit::discovery::Discovered;
use crate::kit::failure::Failure;
use crate::kit::yaml;

/// One entry; it loads.
pub(super) struct Entry {
    name: String,
    provider: Map<String, Value>,
}

/// How the filter authenticates, and from what that was concluded.
struct Method {
    name: String,
    /// Whether the cluster presents a certificate.
    by_certificate: bool,
    /// What statements are signed with, where a key signs them.
    algorithm: Option<&'static str>,
    /// The variable that holds the key.
    private_key_env: String,
}

impl Method {
    fn named(name: &str, args: &Args) -> Self {
        let private_key_env = args.private_key_env.clone();
        Self {
            name: name.to_owned(),
            by_certificate: is_certificate(name),
            algorithm: (name == "private_key_jwt").then_some("ES256"),
            private_key_env: private_key_env.unwrap_or_else(|| "TOLLGATE_PRIVATE_KEY".to_owned()),
        }
    }
}

impl Entry {
    /// The entry, if the server can be asked at all; assumptions become remarks.
    pub(super) fn new(known: &mut Known, args: &Args) -> Result<Option<Self>, Failure> {
        let Some(introspection) = known.endpoints.introspection.clone() else { return Ok(None) };
        let method = method(known, args)?;
        let alias = known.document.as_ref().and_then(Discovered::introspection_by_certificate);
        let uri = alias.filter(|_| method.by_certificate).map_or(introspection, str::to_owned);
        let (host, _) = authority(&uri).ok_or_else(|| Failure::new(format_args!("{uri:?} is no URL")))?;
        let mut provider = Map::new();
        let preset = (known.preset != Preset::Generic).then(|| known.preset.name().to_owned());
        for (key, value) in
            [("preset", preset), ("issuer", known.issuer.clone()), ("base_url", known.base_url.clone())]
        {
            provider.extend(value.map(|value| (key.to_owned(), value.into())));
        }
        let auth = client_auth(&method, &args.client_id);
        let introspection = json!({"uri": uri, "cluster": host, "client_auth": auth});
        provider.insert("introspection".to_owned(), introspection);
        let entry = Self {
            name: known_as(known.issuer.as_deref().or(known.base_url.as_deref()).unwrap_or(&host)),
            provider,
        };
        let faults =
            Policy::from_value(&entry.value(), &|_| Some(STAND_IN.to_owned())).err().unwrap_or_default();
        // What stands in for a key is none.
        match faults.iter().find(|fault| !matches!(fault.fault, Fault::UnfitVariable { .. })) {
            Some(fault) => Err(Failure::new(format_args!("the filter would not load the entry: {fault}"))),
            None => Ok(Some(entry)),
        }
    }

    /// As a configuration that holds nothing else.
    pub(super) fn value(&self) -> Value {
        json!({"providers": {self.name.as_str(): self.provider}})
    }

    /// The same as YAML.
    pub(super) fn yaml(&self) -> String {
        yaml::configuration(&self.value())
    }
}

/// What the server offers first of what the filter can do (DSC-09 to DSC-11).
fn method(known: &mut Known, args: &Args) -> Result<Method, Failure> {
    let (issuer, by_hand) = (known.issuer.clone(), args.auth_method.as_deref());
    if let Some(name) = by_hand {
        if !is_certificate(name) && !is_supported(name, issuer.as_deref()) {
            return Err(Failure::new(format_args!("the filter does not know the method {name:?}"))
                .help("It knows client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, bearer and none; tls_client_auth is the cluster's."));
        }
        return Ok(Method::named(name, args));
    }
    let Some(document) = &known.document else {
        let name = if args.private_key_env.is_some() { "private_key_jwt" } else { "client_secret_basic" };
        return Ok(Method::named(name, args));
    };
    let own = document.texts("introspection_endpoint_auth_methods_supported");
    let (listed, endpoint) = match (own, document.texts("token_endpoint_auth_methods_supported")) {
        (Some(own), _) => (own, "introspection"),
        (None, Some(token)) => (token, "token"),
        (None, None) => (vec!["client_secret_basic"], "token"),
    };
    let algorithms = document.texts(&format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
    let signs = algorithms.as_ref().is_some_and(|algorithms| !algorithms.contains(&"none"));
    let fits = |name: &str| {
        listed.contains(&name)
            && (signs || !name.ends_with("_jwt"))
            && (is_certificate(name) || is_supported(name, issuer.as_deref()))
    };
    // Whoever has a key prefers it (RFC 9700 §2.5).
    let with_key = args.private_key_env.as_ref().map(|_| "private_key_jwt");
    let chosen = with_key.iter().chain(&PREFERENCE).find(|name| fits(name)).map(|name| (*name).to_owned());
    if args.private_key_env.is_some() && chosen.as_deref() != Some("private_key_jwt") {
        known.remarks.push(
            "the server does not take private_key_jwt, so the private key is of no use there".to_owned(),
        );
    }
    let listed = listed.join(", ");
    if endpoint == "token" {
        let assumed = chosen.as_deref().unwrap_or("client_secret_basic");
        known.remarks.push(format!("how to authenticate at the introspection endpoint is not said; {assumed} is assumed, from the token endpoint"));
    }
    let name = chosen.unwrap_or_else(|| {
        known.remarks.push(format!("the filter can do none of the server's methods ({listed}); client_secret_basic is written all the same"));
        "client_secret_basic".to_owned()
    });
    let mut method = Method::named(&name, args);
    if let (Some(_), Some(offered)) = (method.algorithm, algorithms) {
        let known = ["ES256", "Ed25519", "EdDSA", "PS256", "RS256"];
        method.algorithm = known.into_iter().find(|known| offered.contains(known)).or(method.algorithm);
    }
    Ok(method)
}

/// What is simplest to operate comes first.
const PREFERENCE: [&str; 6] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "client_secret_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
];

fn is_certificate(method: &str) -> bool {
    method.ends_with("tls_client_auth")
}

/// Whether this version's filter knows the method.
fn is_supported(method: &str, issuer: Option<&str>) -> bool {
    let provider = json!({
        "issuer": issuer.unwrap_or("https://login.example.com"),
        "introspection": {"uri": "https://login.example.com/", "cluster": "c", "client_auth": {"method": method}},
    });
    let parsed = Policy::from_value(&json!({"providers": {"p": provider}}), &|_| None);
    let unknown = |fault: &Fault| matches!(fault, Fault::NotSupported { .. } | Fault::UnknownWord { .. });
    parsed.err().is_none_or(|faults| !faults.iter().any(|fault| unknown(&fault.fault)))
}

fn client_auth(method: &Method, client_id: &str) -> Value {
    match method.name.as_str() {
        _ if method.by_certificate => json!({"method": "none", "client_id": client_id}),
        "none" => json!({"method": "none"}),
        "bearer" => json!({"method": "bearer", "bearer_token_env": "TOLLGATE_BEARER_TOKEN"}),
        "private_key_jwt" => {
            json!({
                "method": "private_key_jwt", "client_id": client_id, "private_key_env": method.private_key_env,
                "algorithm": method.algorithm,
            })
        }
        name => {
            json!({"method": name, "client_id": client_id, "client_secret_env": "TOLLGATE_CLIENT_SECRET"})
        }
    }
}

/// A name for the provider: the first label of its host that says something.
fn known_as(address: &str) -> String {
    let host = authority(address).map_or_else(|| address.to_owned(), |(host, _)| host);
    let label = host.split('.').find(|label| !["www", "login", "auth", "sso", "idp"].contains(label));
    let label = label.filter(|label| label.chars().any(|c| c.is_ascii_alphabetic()));
    label.unwrap_or("main").chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect()
}

/// What stands in for a secret while the entry is tried.
const STAND_IN: &str = "a-value-that-stands-in-for-the-one-in-the-environment";
