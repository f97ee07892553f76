//! Policies that are bound to an API.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::commands::import::anypoint::Remarks;
use crate::commands::import::anypoint::jwt::Jwt;

/// A policy about access tokens.
#[derive(Debug)]
pub(super) struct Policy {
    /// The server that it calls.
    pub(super) kind: Kind,
    /// `scopes`, and whether all of them are required.
    scopes: (BTreeSet<String>, bool),
    /// `introspection.timeout`.
    pub(super) timeout: Option<String>,
    /// `cache`.
    pub(super) cache: Map<String, Value>,
    /// Whether claims become `X-AGW-` header fields.
    pub(super) expose_headers: bool,
    /// Whether the client must have a contract.
    pub(super) checks_clients: bool,
    /// Whether `username` names the client.
    pub(super) by_username: bool,
}

/// The server that a policy calls.
#[derive(Debug)]
pub(super) enum Kind {
    /// The organization's client provider.
    ClientProvider,
    /// An endpoint of its own, with these credentials.
    Introspection { url: String, credentials: Credentials },
    /// An older kind of endpoint, whose responses do not follow RFC 7662.
    TokenInfo,
    /// No server: it validates JWTs.
    Jwt(Box<Jwt>),
}

/// Credentials without their secret.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Credentials {
    /// `Basic`, and the client id in it.
    Basic(String),
    /// `Bearer`.
    Bearer,
    /// An unknown form.
    Unknown,
}

impl Policy {
    /// Reads a binding. `None`, and a remark, if it is not about access tokens.
    pub(super) fn read(binding: &Value, remarks: &mut Remarks) -> Option<Self> {
        let full = name(binding);
        let name = plain_name(full);
        if binding.get("disabled") == Some(&Value::Bool(true)) {
            remarks.add(format!("the policy {full:?} is disabled, so it was not converted"));
            return None;
        }
        let config = Config(binding.get("config").unwrap_or(&Value::Null));
        let (kind, ttl, size, skips_clients) = match name {
            "oauth2-token-introspection" => {
                let url = config.text("introspectionURL").unwrap_or_default();
                let credentials = credentials(&config.text("authorizationValue").unwrap_or_default());
                (Kind::Introspection { url, credentials }, "validatedTokenTTL", "maxCacheEntries", false)
            }
            "openidconnect-access-token-enforcement" => {
                (Kind::ClientProvider, "maxFederationExpirationTime", "maxCacheSize", true)
            }
            "external-oauth2-access-token-enforcement"
            | "openam-access-token-enforcement"
            | "openam-oauth-access-token-enforcement"
            | "pingfederate-access-token-enforcement"
            | "ping-federate-oauth-access-token-enforcement" => {
                (Kind::TokenInfo, "maxFederationExpirationTime", "maxCacheSize", false)
            }
            "jwt-validation" => (Kind::Jwt(Box::new(Jwt::read(&config, full, remarks))), "", "", false),
            _ => {
                remarks.add(not_ours(full, name));
                return None;
            }
        };
        for flag in ["skipClientIdValidation", "exposeHeaders"] {
            if config.value(flag).is_some_and(|value| !value.is_null()) && config.flag(flag).is_none() {
                remarks.fill_in(format!("{full}: {flag} is neither true nor false"));
            }
        }
        let skips_clients = config
            .flag("skipClientIdValidation")
            .unwrap_or(skips_clients && config.value("skipClientIdValidation").is_none_or(Value::is_null));
        let policy = Self {
            kind,
            scopes: config.scopes(full, remarks),
            timeout: config.timeout(full, remarks),
            cache: config.cache(ttl, size, remarks),
            expose_headers: config.flag("exposeHeaders").unwrap_or(false),
            checks_clients: !skips_clients,
            by_username: config.text("consumerBy").as_deref() == Some("username"),
        };
        policy.remark(binding, &config, full, remarks);
        Some(policy)
    }

    fn remark(&self, binding: &Value, config: &Config<'_>, name: &str, remarks: &mut Remarks) {
        if self.checks_clients {
            remarks.fill_in(
                "clients need a contract, and contracts stay in Anypoint: client_lists.contracts is empty, so every request is rejected until you put the client ids there (`tollgate client export` prints such a list)",
            );
        }
        if config.flag("secureTrustStore") == Some(false) {
            remarks.add("secureTrustStore is false: the authorization server's certificate was not verified; here the cluster's TLS verifies it, so configure the right CA there");
        }
        if binding.get("rules").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty()) {
            remarks.add(format!(
                "{name} applied to some requests only (`rules`), and others were accepted without a token; here it applies to all: for requests without a token, put a rule with `access: anonymous` before the others"
            ));
        }
        for key in config.0.as_object().into_iter().flat_map(Map::keys) {
            if !KNOWN.contains(&normal(key).as_str()) {
                remarks.add(format!("{name}: {key:?} is not known, and was not converted"));
            }
        }
    }
}

/// A policy's name.
pub(super) fn name(binding: &Value) -> &str {
    let reference = binding.get("policyRef");
    let name = reference.and_then(|reference| reference.get("name").or(Some(reference))?.as_str());
    name.unwrap_or("without a name")
}

/// The scopes that all policies together require: `requires.scopes`.
pub(super) fn scopes(policies: &[Policy], remarks: &mut Remarks) -> Option<Value> {
    let demanding: Vec<_> =
        policies.iter().map(|policy| &policy.scopes).filter(|(set, _)| !set.is_empty()).collect();
    match demanding.as_slice() {
        [] => None,
        [(scopes, false)] if scopes.len() > 1 => Some(json!({"any": scopes})),
        [(scopes, _)] => Some(json!(scopes)),
        several => {
            if several.iter().any(|(_, all)| !all) {
                remarks.add("several policies require scopes, one of them any of several; here all of them are required, which is stricter");
            }
            let all: BTreeSet<_> = several.iter().flat_map(|(scopes, _)| scopes).collect();
            Some(json!(all))
        }
    }
}

/// Whether a policy calls another server than `asked`.
pub(super) fn ask_several(policies: &[Policy], asked: Option<&str>) -> bool {
    let is_other = |policy: &Policy| match &policy.kind {
        Kind::Introspection { url, .. } => !url.is_empty() && Some(url.as_str()) != asked,
        Kind::ClientProvider | Kind::TokenInfo => {
            policies.iter().any(|other| matches!(other.kind, Kind::Introspection { .. }))
        }
        Kind::Jwt(_) => false,
    };
    policies.iter().any(is_other)
}

/// The name without the parts for the gateway and the version.
fn plain_name(full: &str) -> &str {
    let name = full.strip_suffix("-impl").unwrap_or(full);
    let name = match name.rfind("-v") {
        Some(at)
            if name
                .get(at..)
                .is_some_and(|rest| rest.bytes().skip(2).all(|b| b == b'-' || b.is_ascii_digit())) =>
        {
            name.get(..at).unwrap_or(name)
        }
        _ => name,
    };
    name.strip_suffix("-flex").unwrap_or(name)
}

/// What to do about a policy that is not about access tokens.
fn not_ours(full: &str, name: &str) -> String {
    let advice = match name {
        "client-id-enforcement" => {
            "client ids and secrets in requests are not checked, but tokens are: require the clients with requires.clients"
        }
        "http-basic-authentication" | "basic-authentication-simple" | "basic-authentication-ldap" => {
            "user names and passwords are not checked here; Envoy's basic_auth filter does that"
        }
        "cors" => "put Envoy's CORS filter before this one",
        "ip-allowlist" | "ip-blocklist" => "Envoy's RBAC filter does that",
        "header-injection" | "header-removal" => "Envoy's header_mutation filter does that",
        "message-logging" => "Envoy's access log does that",
        "route" | "traffic-management" => "Envoy's routes do that",
        _ if name.starts_with("rate-limiting")
            || name.starts_with("spike-control")
            || name.starts_with("throttling") =>
        {
            "Envoy's rate limit filters do that"
        }
        _ => "Tollgate has no equivalent",
    };
    format!("the policy {full:?} was not converted: {advice}")
}

/// The content of an `Authorization` value, without its secret.
fn credentials(value: &str) -> Credentials {
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Credentials::Bearer,
        "basic" => {
            let pair = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let id = pair.and_then(|pair| pair.split_once(':').map(|(id, _)| id.to_owned()));
            id.filter(|id| !id.is_empty()).map_or(Credentials::Unknown, Credentials::Basic)
        }
        _ => Credentials::Unknown,
    }
}

/// The supported settings, in the spelling of [`normal`].
const KNOWN: [&str; 32] = [
    "signingmethod",
    "signingkeylength",
    "jwtorigin",
    "jwtexpression",
    "jwtkeyorigin",
    "textkey",
    "jwksurl",
    "jwksservicetimetolive",
    "jwksserviceconnectiontimeout",
    "validateaudclaim",
    "mandatoryaudclaim",
    "supportedaudiences",
    "mandatoryexpclaim",
    "mandatorynbfclaim",
    "validatecustomclaim",
    "mandatorycustomclaims",
    "nonmandatorycustomclaims",
    "introspectionurl",
    "authorizationvalue",
    "validatedtokenttl",
    "authenticationtimeout",
    "skipclientidvalidation",
    "consumerby",
    "exposeheaders",
    "scopes",
    "scopevalidationcriteria",
    "maxcacheentries",
    "maxcachesize",
    "maxfederationexpirationtime",
    "securetruststore",
    "tokenurl",
    "clientidexpression",
];

/// `config` of a binding. The documentation of some versions has `snake_case` names.
pub(super) struct Config<'a>(&'a Value);

impl Config<'_> {
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        let members = self.0.as_object()?;
        members.iter().find(|(key, _)| normal(key) == normal(name)).map(|(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name)?.as_str().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number
                .as_i64()
                .or_else(|| number.as_f64().and_then(|number| format!("{number:.0}").parse().ok())),
            _ => None,
        }
    }

    fn scopes(&self, name: &str, remarks: &mut Remarks) -> (BTreeSet<String>, bool) {
        let scopes: BTreeSet<String> = match self.value("scopes") {
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            Some(Value::Array(items)) => {
                let texts = items.iter().filter_map(Value::as_str).flat_map(str::split_whitespace);
                let texts: BTreeSet<String> = texts.map(str::to_owned).collect();
                if items.iter().all(Value::is_string) { texts } else { unread(name, remarks) }
            }
            None | Some(Value::Null) => BTreeSet::new(),
            Some(_) => unread(name, remarks),
        };
        if scopes.iter().any(|scope| scope.contains(',')) {
            remarks.add(format!(
                "{name}: `scopes` has commas, which are part of the scopes: scopes are separated only by spaces"
            ));
        }
        let any = self.text("scopeValidationCriteria").is_some_and(|word| word.eq_ignore_ascii_case("OR"));
        (scopes, !any)
    }

    /// Milliseconds as a duration of the configuration.
    fn timeout(&self, name: &str, remarks: &mut Remarks) -> Option<String> {
        let wanted = self.number("authenticationTimeout")?;
        let taken = wanted.clamp(1, 60_000);
        if wanted != taken {
            remarks.add(format!(
                "{name}: authenticationTimeout is {wanted} ms; here it is {taken} ms, the nearest possible value"
            ));
        }
        Some(if taken.rem_euclid(1000) == 0 {
            format!("{}s", taken.div_euclid(1000))
        } else {
            format!("{taken}ms")
        })
    }

    fn cache(&self, ttl: &str, size: &str, remarks: &mut Remarks) -> Map<String, Value> {
        let mut cache = Map::new();
        match self.number(ttl) {
            // Only the token's own lifetime is a limit.
            Some(..0) => remarks.add(format!(
                "{ttl} has no limit, so a response was cached as long as its token was valid; here it is cached for cache.ttl, 5m: a revoked token may be accepted for up to this long"
            )),
            Some(seconds) => {
                let taken = seconds.min(86_400);
                if taken != seconds {
                    remarks.add(format!("{ttl} is {seconds} s; cache.ttl is 24h, the longest"));
                }
                cache.insert("ttl".to_owned(), format!("{taken}s").into());
            }
            None => {}
        }
        if let Some(entries) = self.number(size) {
            let taken = entries.clamp(0, 1_000_000);
            if taken != entries {
                remarks.add(format!(
                    "{size} is {entries}; cache.max_entries is {taken}, the nearest possible value"
                ));
            }
            cache.insert("max_entries".to_owned(), taken.into());
        }
        cache
    }
}

/// A scope that no token has. It replaces scopes that cannot be read.
fn unread(name: &str, remarks: &mut Remarks) -> BTreeSet<String> {
    remarks.fill_in(format!("{name}: `scopes` is not a string: put the scopes into requires.scopes"));
    BTreeSet::from(["fill-in".to_owned()])
}

fn normal(key: &str) -> String {
    key.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}
