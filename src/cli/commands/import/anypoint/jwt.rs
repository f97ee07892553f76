//! The policy that validates JWTs, and the provider's keys that follow from it.

use serde_json::{Value, json};
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::provider::Validate;
use url::Url;

use crate::commands::import::anypoint::policy::Config;
use crate::commands::import::anypoint::{FILL_IN, Remarks};
use crate::kit::entry::{Entry, Jwks};

/// A policy's settings for JWTs.
#[derive(Debug)]
pub(super) struct Jwt {
    keys: String,
    timeout: String,
    lifetime: String,
    algorithm: Algorithm,
    issuer: Option<String>,
    audiences: Vec<String>,
    /// `requires.claims`.
    pub(super) claims: Vec<Value>,
    /// `client_id_claim`, if the policy reads an unusual claim.
    pub(super) client_id: Option<String>,
}

/// An address without keys.
const NOWHERE: &str = "https://authorization-server.invalid/keys";

/// An issuer that issues no tokens.
const NOBODY: &str = "https://authorization-server.invalid";

impl Jwt {
    /// Reads the policy's settings.
    pub(super) fn read(config: &Config<'_>, name: &str, remarks: &mut Remarks) -> Self {
        let word = |key: &str, default: &str| config.text(key).unwrap_or_else(|| default.to_owned());
        if config.text("jwtOrigin").is_some_and(|origin| origin != "httpBearerAuthenticationHeader") {
            remarks.fill_in(format!("{name}: jwtOrigin is an expression: set token.from_headers to where tokens are; until then, only Authorization is read"));
        }
        let length = config.number("signingKeyLength").unwrap_or(256);
        let algorithm = match (word("signingMethod", "rsa").as_str(), length) {
            ("rsa", 256) => Algorithm::Rs256,
            ("rsa", 384) => Algorithm::Rs384,
            ("rsa", 512) => Algorithm::Rs512,
            ("es", 256) => Algorithm::Es256,
            ("es", 384) => Algorithm::Es384,
            ("es", 512) => Algorithm::Es512,
            (method, _) => {
                remarks.fill_in(format!("{name}: signingMethod {method:?} with {length} bits cannot be converted, because only public keys (rsa, es) can: put them into jwks, and set algorithms"));
                Algorithm::Rs256
            }
        };
        let (issuer, claims) = claims(config, name, remarks);
        Self {
            keys: keys(config, name, remarks),
            timeout: format!(
                "{}ms",
                config.number("jwksServiceConnectionTimeout").unwrap_or(10_000).clamp(1, 60_000)
            ),
            lifetime: format!("{}m", config.number("jwksServiceTimeToLive").unwrap_or(60).clamp(1, 1440)),
            algorithm,
            issuer,
            audiences: audiences(config, name, remarks),
            claims,
            client_id: client_id(config, name, remarks),
        }
    }

    /// Whether both validate the same tokens, except for the required claims.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let of = |jwt: &Self| {
            let Self { keys, algorithm, issuer, audiences, client_id, .. } = jwt;
            (keys.clone(), *algorithm, issuer.clone(), audiences.clone(), client_id.clone())
        };
        of(self) == of(other)
    }

    /// Adds the settings for validating JWTs to a provider's entry.
    pub(super) fn complete(
        &self,
        provider: &str,
        cluster: Option<&str>,
        entry: &mut Entry,
        remarks: &mut Remarks,
    ) {
        let host = |uri: &str| Url::parse(uri).ok().map(|url| url.origin());
        let introspection = entry.introspection.as_ref();
        let is_same = introspection.is_none_or(|one| host(&one.uri) == host(&self.keys));
        let validate = if introspection.is_some() { Validate::JwtThenIntrospection } else { Validate::Jwt };
        let own = cluster.unwrap_or(provider);
        let cluster = if is_same { own.to_owned() } else { format!("{own}-keys") };
        if !is_same {
            remarks.add(format!("the keys are on another server: give it the cluster {cluster:?}"));
        }
        let issuer = self.issuer.clone().or_else(|| entry.issuer.clone()).unwrap_or_else(|| {
            remarks.fill_in("the JWT policy did not check `iss`: put the issuer into providers.*.issuer");
            NOBODY.to_owned()
        });
        remarks.add("tokens may have `typ: JWT` or no typ (typ: any), as in Anypoint; if they follow RFC 9068, remove typ, so that no ID token is accepted as an access token");
        entry.validate = validate;
        entry.issuer = Some(issuer);
        entry.audiences.clone_from(&self.audiences);
        entry.algorithms = vec![self.algorithm];
        entry.any_typ = true;
        entry.jwks = Some(Jwks {
            uri: self.keys.clone(),
            cluster,
            timeout: Some(self.timeout.clone()),
            cache_duration: Some(self.lifetime.clone()),
        });
    }
}

/// The address of the keys.
fn keys(config: &Config<'_>, name: &str, remarks: &mut Remarks) -> String {
    let urls = config.text("jwksUrl").unwrap_or_default();
    let mut urls = urls.split(',').map(str::trim).filter(|url| !url.is_empty());
    let (first, more) = (urls.next(), urls.count());
    if more > 0 {
        remarks.add(format!("{name}: jwksUrl names {} servers, but a provider has one, here the first: make a provider for each of the others", more.saturating_add(1)));
    }
    match first {
        Some(url) if config.text("jwtKeyOrigin").as_deref() == Some("jwks") => url.to_owned(),
        _ => {
            remarks.fill_in(format!("{name}: the key is in the policy (jwtKeyOrigin: text): put the address of the keys into jwks.uri, or the key as a JWK into jwks.inline"));
            NOWHERE.to_owned()
        }
    }
}

/// The audiences. Without them, a token for any other API would be accepted.
fn audiences(config: &Config<'_>, name: &str, remarks: &mut Remarks) -> Vec<String> {
    let listed = match config.value("supportedAudiences") {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        _ => config.text("supportedAudiences").unwrap_or_default(),
    };
    let listed: Vec<String> =
        listed.split(',').map(str::trim).filter(|audience| !audience.is_empty()).map(str::to_owned).collect();
    if listed.is_empty() || config.flag("validateAudClaim") != Some(true) {
        remarks.fill_in(format!("{name} did not check `aud`, so tokens for other APIs were accepted: put this API's audience into providers.*.audiences"));
        return vec![FILL_IN.to_owned()];
    }
    if config.flag("mandatoryAudClaim") != Some(true) {
        remarks.add(format!("{name}: tokens without `aud` were accepted; here they are rejected"));
    }
    listed
}

/// The issuer, and other required claims.
fn claims(config: &Config<'_>, name: &str, remarks: &mut Remarks) -> (Option<String>, Vec<Value>) {
    let (mut issuer, mut claims) = (None, Vec::new());
    for (list, may_be_absent) in [("mandatoryCustomClaims", false), ("nonMandatoryCustomClaims", true)] {
        for claim in config.value(list).and_then(Value::as_array).into_iter().flatten() {
            let key = claim.get("key").and_then(Value::as_str).unwrap_or(FILL_IN);
            let value = claim.get("value").and_then(Value::as_str).and_then(literal);
            if may_be_absent {
                remarks.add(format!(
                    "{name}: tokens without the claim {key:?} were accepted; here they are rejected"
                ));
            }
            let value = value.unwrap_or_else(|| {
                remarks.fill_in(format!("{name}: the claim {key:?} is compared with an expression: put its value into requires.claims"));
                FILL_IN.to_owned()
            });
            match key {
                "iss" => issuer = Some(value),
                _ => claims.push(json!({"name": key, "equals": value})),
            }
        }
    }
    if config.flag("mandatoryNbfClaim") == Some(true) {
        remarks.add(format!(
            "{name}: tokens without `nbf` were rejected; here `nbf` is checked if it is present"
        ));
    }
    (issuer, claims)
}

/// Which claim names the client.
fn client_id(config: &Config<'_>, name: &str, remarks: &mut Remarks) -> Option<String> {
    let expression = config.text("clientIdExpression")?;
    let claim = expression
        .strip_prefix("#[")
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|inner| inner.trim().strip_prefix("vars.claimSet."))
        .filter(|claim| claim.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    if claim.is_none() {
        remarks.add(format!("{name}: clientIdExpression was not converted: set client_id_claim"));
    }
    claim.filter(|claim| *claim != "client_id").map(str::to_owned)
}

/// Plain text, or an expression that contains only text.
fn literal(value: &str) -> Option<String> {
    let Some(inner) = value.trim().strip_prefix("#[") else { return Some(value.to_owned()) };
    let inner = inner.strip_suffix(']')?.trim();
    let quoted = |quote: char| inner.strip_prefix(quote)?.strip_suffix(quote);
    let text = quoted('\'').or_else(|| quoted('"'))?;
    (!text.contains(['\'', '"', '\\', '$'])).then(|| text.to_owned())
}
