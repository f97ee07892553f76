//! The authorization server of the imported policies.

use serde_json::Value;
use tollgate_engine::provider::preset::Preset;

use crate::commands::import::anypoint::policy::{Credentials, Kind, Policy};
use crate::commands::import::anypoint::resources::Resources;
use crate::commands::import::anypoint::{FILL_IN, Remarks};
use crate::kit::entry::{ClientAuth, Entry, Introspection};
use crate::kit::failure::Failure;
use crate::kit::presets::of_introspection;

/// An authorization server.
#[derive(Debug)]
pub(super) struct Provider {
    name: String,
    preset: Preset,
    issuer: Option<String>,
    /// Its introspection endpoint. `None`: tokens are not introspected.
    uri: Option<String>,
    client_auth: ClientAuth,
}

/// An address without a server: an incomplete configuration rejects every token.
const NOWHERE: &str = "https://authorization-server.invalid/introspect";

impl Provider {
    /// The server that the policies call.
    pub(super) fn of(
        resources: &Resources,
        policies: &[Policy],
        remarks: &mut Remarks,
    ) -> Result<Self, Failure> {
        let given = match resources.providers.as_slice() {
            [] => None,
            [provider] => Some(provider),
            several => {
                let names =
                    several.iter().map(|provider| text(provider, "/name").unwrap_or("without a name"));
                return Err(Failure::new(format_args!(
                    "the files contain {} client providers: {}",
                    several.len(),
                    names.collect::<Vec<_>>().join(", ")
                ))
                .help("Give only the one of this API's environment."));
            }
        };
        let own = policies.iter().find_map(|policy| match &policy.kind {
            Kind::Introspection { url, credentials } => Some((url, credentials)),
            _ => None,
        });
        for policy in policies {
            if matches!(policy.kind, Kind::TokenInfo) {
                remarks.add("the policy's token validation endpoint does not follow RFC 7662; introspection is used instead, which OpenAM supports from 13 on and PingFederate from 9 on; for an older version, set introspection.dialect: tokeninfo");
            }
        }
        if let Some(provider) = given {
            client_provider_remarks(provider, remarks);
        }
        let is_asked =
            policies.is_empty() || policies.iter().any(|policy| !matches!(policy.kind, Kind::Jwt(_)));
        match (own, given) {
            (None, given) if !is_asked => Ok(Self::unasked(given)),
            (Some((url, credentials)), given) => Ok(Self::own(url, credentials, given, remarks)),
            (None, Some(provider)) => Ok(Self::client_provider(provider, remarks)),
            (None, None) if policies.is_empty() => Err(Failure::new(
                "no policy about access tokens is bound to the API, and no client provider is given",
            )
            .help("Give the files with its PolicyBindings, too, or the client provider's JSON.")),
            (None, None) => {
                remarks.fill_in(
                    "the policy uses the organization's client provider, which is not among the files: put the introspection endpoint and the gateway's credentials into providers, or import its JSON as well",
                );
                Ok(Self::nowhere())
            }
        }
    }

    fn own(url: &str, credentials: &Credentials, given: Option<&Value>, remarks: &mut Remarks) -> Self {
        let issuer = given.and_then(|provider| text(provider, "/issuer"));
        let mut provider = Self::at(url, issuer, remarks);
        provider.client_auth = match credentials {
            Credentials::Basic(id) => provider.secret(id, remarks),
            Credentials::Bearer => {
                let variable = provider.variable("INTROSPECTION_TOKEN");
                remarks.add(format!(
                    "authorizationValue is a Bearer token: set {variable} to it in the proxy's environment"
                ));
                ClientAuth::bearer(&variable)
            }
            Credentials::Unknown => {
                remarks.fill_in("authorizationValue is neither Basic with a client id and a secret nor Bearer: put the gateway's credentials into client_auth");
                provider.secret(FILL_IN, remarks)
            }
        };
        provider
    }

    fn client_provider(given: &Value, remarks: &mut Remarks) -> Self {
        let uri = text(given, "/urls/introspect").unwrap_or_else(|| {
            remarks.fill_in("the client provider has no introspection URL: put it into introspection.uri");
            NOWHERE
        });
        let mut provider = Self::at(uri, text(given, "/issuer"), remarks);
        let id = text(given, "/primary_client/id").or_else(|| text(given, "/primary_client/client_id"));
        let id = id.unwrap_or_else(|| {
            remarks.fill_in(
                "the client provider names no introspection client: put its id into client_auth.client_id",
            );
            FILL_IN
        });
        provider.client_auth = provider.secret(id, remarks);
        provider
    }

    fn at(uri: &str, issuer: Option<&str>, remarks: &mut Remarks) -> Self {
        let uri = if uri.is_empty() {
            remarks.fill_in("the policy has no introspectionURL: put it into introspection.uri");
            NOWHERE
        } else {
            uri
        };
        let preset = of_introspection(uri).unwrap_or_default();
        let name = if preset == Preset::Generic { "main" } else { preset.name() };
        Self {
            name: name.to_owned(),
            preset,
            issuer: issuer.map(str::to_owned),
            uri: Some(uri.to_owned()),
            client_auth: ClientAuth::default(),
        }
    }

    fn nowhere() -> Self {
        Self {
            name: "main".to_owned(),
            preset: Preset::Generic,
            issuer: None,
            uri: Some(NOWHERE.to_owned()),
            client_auth: ClientAuth::secret(FILL_IN, "MAIN_CLIENT_SECRET"),
        }
    }

    /// A server whose tokens are validated locally.
    fn unasked(given: Option<&Value>) -> Self {
        let issuer = given.and_then(|provider| text(provider, "/issuer")).map(str::to_owned);
        Self {
            name: "main".to_owned(),
            preset: Preset::Generic,
            issuer,
            uri: None,
            client_auth: ClientAuth::default(),
        }
    }

    fn variable(&self, what: &str) -> String {
        format!("{}_{what}", self.name.to_ascii_uppercase())
    }

    fn secret(&self, id: &str, remarks: &mut Remarks) -> ClientAuth {
        let variable = self.variable("CLIENT_SECRET");
        remarks.add(format!("the secret of the client {id:?} was not converted: set {variable} to it in the proxy's environment"));
        ClientAuth::secret(id, &variable)
    }

    /// Its name and its entry in `providers`.
    pub(super) fn entry(self, cluster: Option<&str>, timeout: String) -> (String, Entry) {
        let Self { name, preset, issuer, uri, client_auth } = self;
        let cluster = cluster.unwrap_or(&name).to_owned();
        let introspection =
            uri.map(|uri| Introspection { uri, cluster, client_auth, timeout: Some(timeout) });
        (name, Entry { preset, issuer, introspection, ..Entry::default() })
    }
}

/// Remarks about settings of a client provider that the filter does not use.
fn client_provider_remarks(provider: &Value, remarks: &mut Remarks) {
    let flag = |name: &str| provider.get(name).and_then(Value::as_bool) == Some(true);
    if let Some(url) = text(provider, "/client/urls/register") {
        remarks.add(format!("clients are registered at {url} with `tollgate client register`; its registration token was not converted"));
    }
    if flag("allow_untrusted_certificates") {
        remarks.add("certificate validation was DISABLED for this client provider; here it is always on: configure the right CA for the cluster");
    }
    if flag("allow_local_client_deletion") || flag("allow_external_client_modification") {
        remarks.add("there is no setting for where clients may be deleted: `tollgate client delete` deletes a client at the provider, `tollgate client forget` only in the store");
    }
    if text(provider, "/issuer").is_none() {
        remarks.add("the client provider has no issuer, so `iss` of the responses is not compared: set providers.*.issuer");
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}
