//! The authorization servers of a plan: their endpoints, and the gateway's credentials.

use serde_json::Value;
use tollgate_config::schema::Place;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::provider::Validate;
use tollgate_engine::provider::client_auth::{BasicEncoding, Method};
use tollgate_engine::provider::preset::{Endpoints, Preset};
use url::Url;

use super::read::{Reader, text, texts};
use super::{Credential, Provider, is_loopback};
use crate::kit::clock::now;
use crate::kit::discovery::discover;
use crate::kit::failure::Failure;
use crate::kit::store::StoredProvider;

impl Reader<'_> {
    /// A provider with its endpoints and credentials. `None` if it has errors.
    pub(super) fn provider(
        &mut self,
        name: &str,
        written: &Value,
        logs_in: bool,
    ) -> Result<Option<Provider>, Failure> {
        let place = Place::names(&["providers", name]);
        let Some((credential, remembered)) = self.credential(name, &place, written)? else { return Ok(None) };
        let own = |key: &str| text(written, key).map(str::to_owned);
        let issuer = own("issuer").or_else(|| remembered.issuer.clone());
        let preset = text(written, "preset").and_then(Preset::named).unwrap_or_else(|| remembered.preset());
        let base_url = own("base_url").or_else(|| remembered.base_url.clone());
        let base = base_url.clone().or_else(|| issuer.clone());
        let by_preset = base.map(|base| preset.endpoints(&base)).unwrap_or_default();
        let endpoint = |key: &str, known: Option<String>| {
            own(key).or_else(|| remembered.endpoints.get(key).cloned()).or(known)
        };
        let mut introspection = endpoint("introspection_endpoint", by_preset.introspection);
        let mut authorization = endpoint("authorization_endpoint", by_preset.authorization);
        let mut token = endpoint("token_endpoint", by_preset.token);
        let mut jwks = endpoint("jwks_uri", by_preset.jwks);
        let validate = match text(written, "validate") {
            Some("jwt") => Validate::Jwt,
            Some("jwt_then_introspection") => Validate::JwtThenIntrospection,
            _ => Validate::Introspection,
        };
        let (is_asked, is_verified) = (validate != Validate::Jwt, validate != Validate::Introspection);
        let missing = (is_asked && introspection.is_none())
            || (is_verified && jwks.is_none())
            || (logs_in && (authorization.is_none() || token.is_none()));
        if let (true, Some(issuer)) = (missing, &issuer) {
            let found = self.discovered(issuer)?;
            introspection = introspection.or(found.introspection);
            jwks = jwks.or(found.jwks);
            authorization = authorization.or(found.authorization);
            token = token.or(found.token);
        }
        let allowed = written.get("allow_http") == Some(&Value::Bool(true));
        let jwks = match jwks {
            _ if !is_verified => None,
            Some(jwks) => match self.endpoint(&place, "jwks_uri", &jwks, allowed) {
                Some(jwks) => Some(jwks),
                None => return Ok(None),
            },
            None => {
                let what = "no address of its keys is known; expected jwks_uri, or an issuer whose metadata names it";
                self.faults.push((place, what.to_owned()));
                return Ok(None);
            }
        };
        if let (false, Some(keys)) = (is_asked, &jwks) {
            introspection = Some(keys.to_string());
        }
        let Some(introspection) = introspection else {
            let what = if issuer.is_some() {
                "its metadata names no introspection endpoint; expected introspection_endpoint or a preset"
            } else {
                "expected issuer, introspection_endpoint, or base_url and preset"
            };
            self.faults.push((place, what.to_owned()));
            return Ok(None);
        };
        let introspection = self.endpoint(&place, "introspection_endpoint", &introspection, allowed);
        let authorization = authorization.and_then(|url| Url::parse(&url).ok());
        let token = match token {
            Some(token) if logs_in => self.endpoint(&place, "token_endpoint", &token, allowed),
            _ => None,
        };
        Ok(introspection.map(|introspection| Provider {
            validate,
            jwks,
            name: name.to_owned(),
            preset,
            issuer,
            base_url,
            audiences: texts(written, "audiences"),
            introspection,
            authorization,
            token,
            credential,
            ca_file: own("ca_file").map(|file| self.source.directory.join(file)),
        }))
    }

    /// An endpoint that is called with secrets.
    fn endpoint(&mut self, place: &Place, key: &str, url: &str, allow_http: bool) -> Option<Url> {
        let Ok(url) = Url::parse(url) else {
            self.faults.push((place.name(key), "expected an absolute http or https URI".to_owned()));
            return None;
        };
        if url.scheme() == "http" && !is_loopback(&url) {
            if !allow_http {
                let what = format!(
                    "{url} is plain HTTP, so anyone on the network path can read tokens and the gateway's secret; expected https, or allow_http: true"
                );
                self.faults.push((place.name(key), what));
                return None;
            }
            self.out.alarm(format_args!(
                "{place}: tokens and the gateway's secret are sent to {url} unencrypted"
            ));
        }
        Some(url)
    }

    fn discovered(&mut self, issuer: &str) -> Result<Endpoints, Failure> {
        self.out.progress(format_args!("reading the endpoints of {issuer}"));
        let http = self.network.http(self.out)?;
        let found = discover(&http, issuer).map_err(Failure::from).map_err(|failure| {
            let named =
                "the endpoint in the short file (introspection_endpoint: …), or the product (preset: …).";
            let help = match failure.advice() {
                "" => format!("Name {named}"),
                advice => format!("{advice} Or name {named}"),
            };
            Failure::new(failure.what()).help(help)
        })?;
        Ok(found.endpoints())
    }

    /// The gateway's credentials at a provider, and what the store knows about that provider.
    fn credential(
        &mut self,
        name: &str,
        place: &Place,
        written: &Value,
    ) -> Result<Option<(Credential, StoredProvider)>, Failure> {
        let encoding = match text(written, "basic_encoding") {
            Some("raw") => BasicEncoding::Raw,
            _ => BasicEncoding::Form,
        };
        if text(written, "client").or(text(written, "client_id")).is_none() {
            if text(written, "validate") != Some("jwt") {
                let what = "expected exactly one of \"client\" and \"client_id\", found none";
                self.faults.push((place.clone(), what.to_owned()));
                return Ok(None);
            }
            let nobody = Credential {
                client_id: String::new(),
                method: Method::None,
                encoding,
                secret: None,
                variable: String::new(),
                signing: (None, None),
            };
            return Ok(Some((nobody, StoredProvider::default())));
        }
        let given = text(written, "client_secret_env").or(text(written, "private_key_env"));
        let variable = given.map_or_else(|| variable(name), str::to_owned);
        let own = |key: &str| text(written, key).map(str::to_owned);
        let signing = (text(written, "algorithm").and_then(Algorithm::named), own("kid"));
        let asked = text(written, "auth_method").and_then(Method::named);
        if let Some(client) = text(written, "client") {
            let Some((found, provider)) = self.stored(&place.name("client"), client)? else {
                return Ok(None);
            };
            let registered = &found.token_endpoint_auth_method;
            let Some(method) = asked.or_else(|| Method::named(registered)).filter(|m| is_by_secret(*m))
            else {
                let method = asked.map_or_else(|| registered.clone(), |method| method.name().to_owned());
                let what = format!(
                    "the client {client} authenticates with {method}, and the store has no credential for that; expected client_id and private_key_file instead"
                );
                self.faults.push((place.name("client"), what));
                return Ok(None);
            };
            let Some(secret) = &found.client_secret else {
                self.faults
                    .push((place.name("client"), format!("the client {client} has no secret in the store")));
                return Ok(None);
            };
            let ends = found.client_secret_expires_at;
            if ends != 0 && ends <= now().as_secs() {
                self.out.warning(format_args!(
                    "the secret of {client} has expired: tollgate client rotate-secret {client}"
                ));
            }
            let secret = Some(Secret::new(secret));
            return Ok(Some((
                Credential { client_id: found.client_id, method, encoding, secret, variable, signing },
                provider,
            )));
        }
        let method = asked.unwrap_or_default();
        let (file, env) = if method == Method::PrivateKeyJwt {
            ("private_key_file", "private_key_env")
        } else {
            ("client_secret_file", "client_secret_env")
        };
        let secret = match text(written, file) {
            Some(name) if method == Method::PrivateKeyJwt => self.private_key(&place.name(file), name)?,
            Some(name) => self.secret(&place.name(file), name)?,
            None if written.get(env).is_some() => None,
            None => {
                let by = match method {
                    Method::Basic => String::new(),
                    other => format!(" and auth_method: {}", other.name()),
                };
                let what = format!("expected {file} or {env} beside client_id{by}");
                self.faults.push((place.clone(), what));
                return Ok(None);
            }
        };
        let client_id = text(written, "client_id").unwrap_or_default().to_owned();
        let credential = Credential { client_id, method, signing, encoding, secret, variable };
        Ok(Some((credential, StoredProvider::default())))
    }
}

/// Whether the method uses the client secret of the store.
fn is_by_secret(method: Method) -> bool {
    match method {
        Method::Basic | Method::Post | Method::SecretJwt => true,
        Method::PrivateKeyJwt | Method::Bearer | Method::None => false,
    }
}

/// The variable for a provider's secret.
fn variable(provider: &str) -> String {
    let name: String = provider
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    format!("TOLLGATE_{name}_SECRET")
}
