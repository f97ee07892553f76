//! Credentials for the authorization server, if the configuration leaves them to Envoy.

use std::path::PathBuf;

use serde_json::{Value, json};
use tollgate_engine::provider::client_auth::Method;

use crate::kit::failure::Failure;
use crate::kit::find;
use crate::kit::injected::ByProvider;
use crate::kit::store::StoreArgs;

/// Whether this `client_auth` leaves the credentials to Envoy.
pub(crate) fn are_left_to_envoy(client_auth: &Value) -> bool {
    let method = client_auth.get("method").and_then(Value::as_str).and_then(Method::named);
    method.is_some_and(Method::is_by_cluster)
}

/// Credentials that replace those that Envoy adds.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Credentials, if the configuration leaves them to Envoy")]
pub(crate) struct Credentials {
    /// Authenticate as this client of the store
    #[arg(long, value_name = "NAME", conflicts_with = "client_id")]
    client: Option<String>,
    /// Authenticate with this client id
    #[arg(long, value_name = "ID", requires = "client_secret_file")]
    client_id: Option<String>,
    /// Read the client's secret from a file; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,
}

impl Credentials {
    /// Whether there are any.
    pub(crate) fn are_given(&self) -> bool {
        self.client.is_some() || self.client_id.is_some()
    }

    /// Adds them to every provider without credentials, unless Envoy adds credentials that are known.
    pub(crate) fn stand_in(
        &self,
        configuration: &mut Value,
        injected: &ByProvider,
        store: &StoreArgs,
    ) -> Result<(), Failure> {
        let Some(own) = self.client_auth(store)? else { return Ok(()) };
        let providers = configuration.get_mut("providers").and_then(Value::as_object_mut);
        for (name, provider) in providers.into_iter().flatten() {
            if matches!(injected.get(name), Some(Ok(_))) {
                continue;
            }
            let auth = provider.pointer_mut("/introspection/client_auth");
            if let Some(auth) = auth.filter(|auth| are_left_to_envoy(auth)) {
                *auth = own.clone();
            }
        }
        Ok(())
    }

    fn client_auth(&self, store: &StoreArgs) -> Result<Option<Value>, Failure> {
        if let Some(name) = &self.client {
            let store = store.open()?;
            let client = store.content.clients.get(name).ok_or_else(|| {
                Failure::new(format_args!("no client {name:?} in this environment of the store"))
                    .help("`tollgate client list` shows the stored clients.")
            })?;
            let secret = client.client_secret.as_ref().ok_or_else(|| {
                Failure::new(format_args!("the client {name:?} has no secret in the store"))
            })?;
            return Ok(Some(json!({
                "method": client.token_endpoint_auth_method,
                "client_id": client.client_id,
                "client_secret": secret,
            })));
        }
        let (Some(id), Some(file)) = (&self.client_id, &self.client_secret_file) else { return Ok(None) };
        let secret = find::text(file).map_err(|error| Failure::file("read", file, &error))?;
        Ok(Some(json!({"client_id": id, "client_secret": secret.trim_end_matches(['\r', '\n'])})))
    }
}
