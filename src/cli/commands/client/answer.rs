//! Reads an authorization server's response about a client (RFC 7591 §3.2, RFC 7592 §3), completely or not at all.

use serde_json::{Map, Value};
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::provider::client_auth::Method;

use crate::kit::clock::date;
use crate::kit::failure::Failure;
use crate::kit::http::Reply;
use crate::kit::store::StoredClient;

/// A client, as its server describes it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    client_id: String,
    client_secret: Option<Secret>,
    expires_at: Option<u64>,
    uri: Option<String>,
    token: Option<Secret>,
    /// All other members.
    pub(crate) metadata: Map<String, Value>,
}

/// The changes that a response has made, and remarks about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// The secret has changed.
    pub(crate) new_secret: bool,
    /// The registration access token has changed.
    pub(crate) new_token: bool,
    /// Remarks without a full stop.
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    /// Reads a response, or says why it cannot be used (DCR-04, DCR-05). Without `now`, an expired secret is
    /// accepted.
    pub(crate) fn read(reply: &Reply, now: Option<UnixTime>) -> Result<Self, String> {
        let mut metadata = reply.object()?;
        let mut text = |name: &str| match metadata.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("{name} is not a string")),
        };
        let client_id = text("client_id")?;
        let client_secret = text("client_secret")?.map(Secret::new);
        let uri = text("registration_client_uri")?;
        let token = text("registration_access_token")?.map(Secret::new);
        let expires_at = match metadata.remove("client_secret_expires_at") {
            None | Some(Value::Null) => None,
            Some(value) => {
                Some(seconds(&value).ok_or("client_secret_expires_at is not a number of seconds")?)
            }
        };
        let client_id = client_id.ok_or("it has no client_id (RFC 7591 §3.2.1)")?;
        let past = |at: &u64| *at != 0 && now.is_some_and(|now| *at <= now.as_secs());
        if let Some(at) = expires_at.filter(past) {
            return Err(format!("its client secret has expired already, at {} (RFC 7591 §3.2.1)", utc(at)));
        }
        Ok(Self { client_id, client_secret, expires_at, uri, token, metadata })
    }

    /// Makes a new client of it.
    pub(crate) fn into_client(self, provider: &str, asked: &Map<String, Value>) -> (StoredClient, Taken) {
        let mut taken = Taken::default();
        if self.client_secret.is_some() && self.expires_at.is_none() {
            taken.warnings.push(NO_EXPIRY.to_owned());
        }
        let named = |from: &Map<String, Value>| {
            from.get("token_endpoint_auth_method").and_then(Value::as_str).map(str::to_owned)
        };
        let method = named(&self.metadata).or_else(|| named(asked));
        let client = StoredClient {
            provider: provider.to_owned(),
            client_id: self.client_id,
            client_secret: self.client_secret.map(|secret| secret.expose().to_owned()),
            client_secret_expires_at: self.expires_at.unwrap_or_default(),
            token_endpoint_auth_method: method.unwrap_or_else(|| Method::default().name().to_owned()),
            registration_client_uri: self.uri,
            registration_client_uri_confirmed: false,
            registration_access_token: self.token.map(|token| token.expose().to_owned()),
            metadata: self.metadata,
        };
        (client, taken)
    }

    /// Merges it into a known client. New secrets and tokens replace the old ones (DCR-14), but hashes and absent
    /// members do not. The id must stay the same (DCR-18).
    pub(crate) fn update(self, client: &mut StoredClient) -> Result<Taken, String> {
        if self.client_id != client.client_id {
            return Err(format!(
                "it is about the client {:?}, not {:?} (RFC 7592 §2.2)",
                self.client_id, client.client_id
            ));
        }
        let mut taken = Taken::default();
        let held = client.client_secret.clone();
        match self.client_secret.as_ref().map(Secret::expose) {
            None => {}
            Some(secret) if held.as_deref() == Some(secret) => {}
            Some(secret) if held.is_some() && is_hash(secret) => taken.warnings.push(
                "the response has a hash in place of the client secret; the stored secret is kept".to_owned(),
            ),
            Some(secret) => {
                taken.new_secret = true;
                if self.expires_at.is_none() {
                    taken.warnings.push(NO_EXPIRY.to_owned());
                    client.client_secret_expires_at = 0;
                }
                client.client_secret = Some(secret.to_owned());
            }
        }
        if let Some(at) = self.expires_at {
            client.client_secret_expires_at = at;
        }
        if let Some(token) = self.token.map(|token| token.expose().to_owned()) {
            taken.new_token = client.registration_access_token.as_deref() != Some(token.as_str());
            client.registration_access_token = Some(token);
        }
        if self.uri.is_some() && self.uri != client.registration_client_uri {
            client.registration_client_uri = self.uri;
            client.registration_client_uri_confirmed = false;
        }
        if let Some(method) = self.metadata.get("token_endpoint_auth_method").and_then(Value::as_str) {
            method.clone_into(&mut client.token_endpoint_auth_method);
        }
        client.metadata = self.metadata;
        Ok(taken)
    }
}

/// The server's reason for an error, without credentials that it may quote (DCR-07).
pub(crate) fn refusal(reply: &Reply, ours: &[&Secret]) -> String {
    let status = reply.status;
    if (300..400).contains(&status) {
        // A query may contain the key of a session.
        let to =
            reply.header("location").and_then(|to| to.split([';', '?', '#']).next()).unwrap_or("nowhere");
        return format!("{status}, a redirect to {to}, which is not followed");
    }
    let object = reply.object().unwrap_or_default();
    let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let words = match (text("error"), text("error_description").or(text("message"))) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        // Okta's own form.
        (None, None) => match (text("errorSummary"), reply.header("www-authenticate")) {
            (Some(summary), _) => summary.to_owned(),
            (None, Some(challenge)) => challenge.to_owned(),
            (None, None) => return status.to_string(),
        },
    };
    format!("{status} {}", without(words, ours))
}

/// The `error` member of an error response.
pub(crate) fn error_of(reply: &Reply) -> String {
    let object = reply.object().unwrap_or_default();
    object.get("error").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The failure for a response that cannot be used.
pub(crate) fn unusable(what: &str, ours: &[&Secret]) -> Failure {
    let what = without(what.to_owned(), ours);
    Failure::new(format_args!("the response cannot be used: {what}"))
}

/// A time for people.
pub(crate) fn utc(seconds: u64) -> String {
    date(UnixTime::from_secs(seconds))
}

/// A secret in full length, but without control characters.
pub(crate) fn revealed(secret: &str) -> String {
    secret.chars().filter(|c| !c.is_control()).collect()
}

/// Whether it is a hash (Spring's `{bcrypt}…`) or asterisks, as some servers return instead of a secret.
fn is_hash(secret: &str) -> bool {
    let prefixed = secret.starts_with('{') && secret.contains('}');
    let crypt = ["$2a$", "$2b$", "$2y$", "$argon2", "$pbkdf2", "$scrypt", "$5$", "$6$"];
    prefixed || crypt.iter().any(|start| secret.starts_with(start)) || secret.chars().all(|c| c == '*')
}

fn without(mut text: String, ours: &[&Secret]) -> String {
    for secret in ours {
        // The scheme of a credential is not a secret.
        let bare = secret.expose().split_once(' ').map_or(secret.expose(), |(_, bare)| bare);
        if bare.len() > 3 {
            text = text.replace(bare, "***");
        }
    }
    text
}

/// A whole number of seconds, as a number or as text.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let whole = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number))?;
        format!("{whole:.0}").parse().ok()
    })
}

/// The names of members that are secrets, at any depth.
pub(crate) fn is_secret(name: &str) -> bool {
    ["secret", "_token", "password"].iter().any(|end| name.ends_with(end))
}

const NO_EXPIRY: &str = "the response does not say when the client secret expires (client_secret_expires_at, \
                         RFC 7591 §3.2.1); it is treated as a secret that never expires";
