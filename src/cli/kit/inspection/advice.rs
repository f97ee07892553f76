//! Warnings about a configuration that loads, but is risky.

mod resources;
mod shadowed;

use std::time::Duration;

use serde_json::Value;
use tollgate_config::keys::CONFIGURATION;
use tollgate_config::schema::{Kind, Lowers, Place, duration};
use url::Url;

use crate::kit::http::is_loopback;

/// All warnings about a configuration: places and sentences.
pub(super) fn of(configuration: &Value) -> Vec<(Place, String)> {
    let mut advice = Vec::new();
    lowered(&CONFIGURATION, configuration, &Place::default(), &mut advice);
    providers(configuration, &mut advice);
    lists(configuration, &mut advice);
    times(configuration, &mut advice);
    demands(configuration, &mut advice);
    resources::of(configuration, &mut advice);
    shadowed::of(configuration, &mut advice);
    advice
}

/// Every key whose value lowers security, in the words of the reference.
fn lowered(kind: &Kind, value: &Value, at: &Place, advice: &mut Vec<(Place, String)>) {
    match (kind, value) {
        (Kind::Object(object) | Kind::Either { object, .. }, Value::Object(members)) => {
            for (rank, key) in object.keys.iter().enumerate() {
                let Some(member) = members.get(key.name) else { continue };
                let at = at.key(rank, key.name);
                let lowers = key.lowers.filter(|lowers| lowers.is_warned_of && lowers.when.holds(member));
                if let Some(Lowers { when, cost, .. }) = lowers {
                    let text = format!("lowers security{when}: {cost}");
                    advice.push((at.clone(), text.replace('`', "\"")));
                }
                lowered(&key.kind, member, &at, advice);
            }
        }
        (_, Value::Array(items)) => {
            if let Some(of) = kind.entries() {
                items.iter().enumerate().for_each(|(i, item)| lowered(of, item, &at.index(i), advice));
            }
        }
        (Kind::Map { of, .. }, Value::Object(members)) => {
            members.iter().for_each(|(name, member)| lowered(of, member, &at.name(name), advice));
        }
        _ => {}
    }
}

fn providers(configuration: &Value, advice: &mut Vec<(Place, String)>) {
    let demanded = |requirement: &Value| requirement.get("audiences").is_some();
    let everywhere = configuration.get("requires").is_some_and(demanded)
        || resources::check_audiences(configuration)
        || every_rule(configuration, demanded);
    for (name, provider) in configuration.get("providers").and_then(Value::as_object).into_iter().flatten() {
        if !provider.is_object() {
            continue;
        }
        let at = Place::default().name("providers").name(name);
        let text = |place: &str| provider.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let anybody = provider.get("any_audience").is_some_and(|any| *any == Value::Bool(true));
        if provider.get("audiences").is_none() && !everywhere && !anybody {
            advice.push((
                at.clone(),
                "no audiences: a token that was issued for another API is accepted as well (RFC 9700 §2.3)"
                    .to_owned(),
            ));
        }
        if provider.get("issuer").is_none() {
            advice.push((
                at.clone(),
                "no issuer: a response that names another authorization server is accepted as well"
                    .to_owned(),
            ));
        }
        if is_plain(text("/jwks/uri")) {
            advice.push((
                at.name("jwks").name("uri"),
                "plain http: unless the cluster adds TLS, anyone on the network path can decide which tokens are accepted"
                    .to_owned(),
            ));
        }
        let uri = at.name("introspection").name("uri");
        if is_plain(text("/introspection/uri")) {
            advice.push((
                uri,
                "plain http: unless the cluster adds TLS, anyone on the network path can read tokens and responses"
                    .to_owned(),
            ));
        }
    }
}

/// Whether a rule matches every request, and every rule that reads tokens requires something of them.
fn every_rule(configuration: &Value, demands: impl Fn(&Value) -> bool) -> bool {
    let rules = configuration.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let takes_no_token =
        |rule: &Value| matches!(rule.get("access").and_then(Value::as_str), Some("anonymous" | "deny"));
    rules.iter().any(catches_all)
        && rules.iter().all(|rule| takes_no_token(rule) || rule.get("requires").is_some_and(&demands))
}

fn lists(configuration: &Value, advice: &mut Vec<(Place, String)>) {
    for (name, list) in configuration.get("client_lists").and_then(Value::as_object).into_iter().flatten() {
        let at = Place::default().name("client_lists").name(name);
        let text = |key: &str| list.get(key).and_then(Value::as_str).unwrap_or_default();
        if is_plain(text("uri")) {
            advice.push((
                at.name("uri"),
                "plain http: unless the cluster adds TLS, anyone on the network path can decide which clients may call"
                    .to_owned(),
            ));
        }
    }
}

/// Whether a URI is plain http to another machine.
fn is_plain(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
}

fn times(configuration: &Value, advice: &mut Vec<(Place, String)>) {
    let value = configuration.pointer("/cache/negative_ttl").and_then(Value::as_str);
    if value.and_then(duration).is_some_and(|value| value > Duration::from_secs(60)) {
        advice.push((
            Place::default().name("cache").name("negative_ttl"),
            "more than a minute: a token that becomes active may be rejected for that long".to_owned(),
        ));
    }
}

fn catches_all(rule: &Value) -> bool {
    let matches = rule.get("match").and_then(Value::as_object);
    matches.is_some_and(|matches| {
        matches.len() == 1 && matches.get("prefix").is_some_and(|prefix| prefix == "/")
    })
}

fn demands(configuration: &Value, advice: &mut Vec<(Place, String)>) {
    let is_empty =
        |value: Option<&Value>| value.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
    let rules = configuration.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if is_empty(configuration.get("requires"))
        && !rules.iter().any(catches_all)
        && configuration.get("providers").is_some()
    {
        let who = if rules.is_empty() { "every request" } else { "every request that no rule matches" };
        advice.push((
            Place::default().name("requires"),
            format!("nothing is required: any valid token is accepted for {who}"),
        ));
    }
}
