//! An entry of `providers:`, as every command writes it.

use serde_json::{Map, Value, json};
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::provider::Validate;
use tollgate_engine::provider::client_auth::{BasicEncoding, Method};
use tollgate_engine::provider::preset::Preset;

/// A provider. Defaults are not written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) preset: Preset,
    /// `iss`, character by character.
    pub(crate) issuer: Option<String>,
    /// The base of the preset's paths, if it is not the issuer.
    pub(crate) base_url: Option<String>,
    /// A token must be for one of these.
    pub(crate) audiences: Vec<String>,
    /// How tokens are validated.
    pub(crate) validate: Validate,
    /// The introspection endpoint, if tokens are introspected.
    pub(crate) introspection: Option<Introspection>,
    /// The address of the keys, if JWTs are verified.
    pub(crate) jwks: Option<Jwks>,
    /// The algorithms of JWTs.
    pub(crate) algorithms: Vec<Algorithm>,
    /// Whether a JWT may have another `typ` than RFC 9068's.
    pub(crate) any_typ: bool,
    /// The claim that names the client, if it is an unusual one.
    pub(crate) client_id_claim: Option<String>,
}

/// `introspection`.
#[derive(Clone, Debug)]
pub(crate) struct Introspection {
    pub(crate) uri: String,
    /// Its cluster in Envoy.
    pub(crate) cluster: String,
    /// The gateway's credentials.
    pub(crate) client_auth: ClientAuth,
    /// How long a call may take.
    pub(crate) timeout: Option<String>,
}

/// `introspection.client_auth`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientAuth {
    /// `None`: the default, which is not written.
    pub(crate) method: Option<Method>,
    pub(crate) client_id: Option<String>,
    /// The environment variable with the secret, the key or the token.
    pub(crate) variable: Option<String>,
    /// How Basic credentials are encoded.
    pub(crate) encoding: BasicEncoding,
    /// The algorithm of assertions.
    pub(crate) algorithm: Option<Algorithm>,
    /// The id of the signing key.
    pub(crate) kid: Option<String>,
}

/// `jwks`.
#[derive(Clone, Debug)]
pub(crate) struct Jwks {
    /// Where the keys are.
    pub(crate) uri: String,
    /// Its cluster in Envoy.
    pub(crate) cluster: String,
    /// How long a call may take.
    pub(crate) timeout: Option<String>,
    /// How long the keys are kept.
    pub(crate) cache_duration: Option<String>,
}

impl Entry {
    /// A configuration that contains only this entry, under a name.
    pub(crate) fn configuration(&self, name: &str) -> Value {
        json!({"providers": {name: self.value()}})
    }

    pub(crate) fn value(&self) -> Value {
        let Self {
            preset,
            issuer,
            base_url,
            audiences,
            validate,
            introspection,
            jwks,
            algorithms,
            any_typ,
            client_id_claim,
        } = self;
        let validate = match validate {
            Validate::Introspection => None,
            Validate::Jwt => Some("jwt"),
            Validate::JwtThenIntrospection => Some("jwt_then_introspection"),
        };
        let algorithms: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
        object([
            ("preset", (*preset != Preset::Generic).then(|| preset.name().into())),
            ("issuer", text(issuer.as_ref())),
            ("base_url", text(base_url.as_ref())),
            ("audiences", (!audiences.is_empty()).then(|| json!(audiences))),
            ("validate", validate.map(Value::from)),
            ("introspection", introspection.as_ref().map(Introspection::value)),
            ("jwks", jwks.as_ref().map(Jwks::value)),
            ("algorithms", (!algorithms.is_empty()).then(|| json!(algorithms))),
            ("typ", any_typ.then(|| "any".into())),
            ("client_id_claim", client_id_claim.as_ref().map(|claim| json!([claim]))),
        ])
    }
}

impl Introspection {
    fn value(&self) -> Value {
        let Self { uri, cluster, client_auth, timeout } = self;
        object([
            ("uri", Some(uri.as_str().into())),
            ("cluster", Some(cluster.as_str().into())),
            ("client_auth", Some(client_auth.value())),
            ("timeout", text(timeout.as_ref())),
        ])
    }
}

impl ClientAuth {
    /// `client_secret_basic`, by default.
    pub(crate) fn secret(client_id: &str, variable: &str) -> Self {
        Self { client_id: Some(client_id.to_owned()), variable: Some(variable.to_owned()), ..Self::default() }
    }

    /// A bearer token of the gateway.
    pub(crate) fn bearer(variable: &str) -> Self {
        Self { method: Some(Method::Bearer), variable: Some(variable.to_owned()), ..Self::default() }
    }

    /// No credentials: the cluster adds them. Some servers still require the client's id (RFC 8705 §2).
    pub(crate) fn by_cluster(client_id: Option<&str>) -> Self {
        Self { method: Some(Method::None), client_id: client_id.map(str::to_owned), ..Self::default() }
    }

    fn value(&self) -> Value {
        let Self { method, client_id, variable, encoding, algorithm, kid } = self;
        let credential = match method.unwrap_or_default() {
            Method::Basic | Method::Post | Method::SecretJwt => Some("client_secret_env"),
            Method::PrivateKeyJwt => Some("private_key_env"),
            Method::Bearer => Some("bearer_token_env"),
            Method::None => None,
        };
        let encoding = match encoding {
            BasicEncoding::Form => None,
            BasicEncoding::Raw => Some("raw"),
        };
        object([
            ("method", method.map(|method| method.name().into())),
            ("client_id", text(client_id.as_ref())),
            (credential.unwrap_or_default(), credential.and(text(variable.as_ref()))),
            ("basic_encoding", encoding.map(Value::from)),
            ("algorithm", algorithm.map(|algorithm| algorithm.name().into())),
            ("kid", text(kid.as_ref())),
        ])
    }
}

impl Jwks {
    fn value(&self) -> Value {
        let Self { uri, cluster, timeout, cache_duration } = self;
        object([
            ("uri", Some(uri.as_str().into())),
            ("cluster", Some(cluster.as_str().into())),
            ("timeout", text(timeout.as_ref())),
            ("cache_duration", text(cache_duration.as_ref())),
        ])
    }
}

/// The members that are present.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    members.collect::<Map<_, _>>().into()
}

fn text(text: Option<&String>) -> Option<Value> {
    text.map(|text| text.as_str().into())
}
