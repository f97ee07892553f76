//! What is legal and unwise.

use std::time::Duration;

use serde_json::Value;
use tollgate_filter::policy::keys::CONFIGURATION;
use tollgate_filter::policy::schema::{Absent, Kind, Place, duration};

use crate::cli::find::located::{Located, Position};
use crate::cli::find::{Found, Host};

/// All advice about a configuration: places and sentences.
pub(super) fn of(configuration: &Value) -> Vec<(String, String)> {
    let mut advice = Vec::new();
    lowered(&CONFIGURATION, configuration, &Place::default(), &mut advice);
    providers(configuration, &mut advice);
    times(configuration, &mut advice);
    demands(configuration, &mut advice);
    advice
}

/// Every key that is set to lower security, in the reference's own words; and every secret.
fn lowered(kind: &Kind, value: &Value, at: &Place, advice: &mut Vec<(String, String)>) {
    match (kind, value) {
        (Kind::Secret, Value::String(_)) => advice.push((
            at.to_string(),
            "a secret in plain text; let an environment variable hold it, or keep it out of the module altogether with Envoy's credential_injector".to_owned(),
        )),
        (Kind::Object(object) | Kind::Either { object, .. }, Value::Object(members)) => {
            for (rank, key) in object.keys.iter().enumerate() {
                let Some(member) = members.get(key.name) else { continue };
                let at = at.key(rank, key.name);
                let harmless = match key.absent {
                    Absent::Default(text) => is_default(member, text) || is_nothing(member),
                    Absent::Fault | Absent::Nothing => is_nothing(member),
                };
                if let (Some((_, cost)), false) = (key.doc.split_once("**Lowers security.** "), harmless) {
                    advice.push((at.to_string(), format!("lowers security: {}", cost.replace('`', "\""))));
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

/// Whether a value says what holds without it.
fn is_default(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        _ => serde_json::from_str::<Value>(text).is_ok_and(|text| text == *value),
    }
}

/// Whether a value switches nothing on.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => duration(text) == Some(Duration::ZERO),
        _ => false,
    }
}

fn providers(configuration: &Value, advice: &mut Vec<(String, String)>) {
    let demanded = |requirement: &Value| requirement.get("audiences").is_some();
    let everywhere = configuration.get("requires").is_some_and(demanded);
    for (name, provider) in configuration.get("providers").and_then(Value::as_object).into_iter().flatten() {
        let at = Place::default().name("providers").name(name);
        let text = |place: &str| provider.pointer(place).and_then(Value::as_str).unwrap_or_default();
        if provider.get("audiences").is_none() && !everywhere {
            advice.push((
                at.to_string(),
                "no audiences: a token that was issued for another API passes here as well (RFC 9700 §2.3)"
                    .to_owned(),
            ));
        }
        if provider.get("issuer").is_none() {
            advice.push((
                at.to_string(),
                "no issuer: a reply that names another authorization server passes as well".to_owned(),
            ));
        }
        let uri = at.name("introspection").name("uri");
        if let Some(rest) = text("/introspection/uri").strip_prefix("http://") {
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            let here = ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| host.starts_with(own));
            if !here {
                advice.push((
                    uri.to_string(),
                    "plain http: unless the cluster adds TLS, everyone on the way reads tokens and answers"
                        .to_owned(),
                ));
            }
        }
    }
}

fn times(configuration: &Value, advice: &mut Vec<(String, String)>) {
    let limits = [
        ("ttl", 15 * 60, "a token that has been revoked passes for that long"),
        ("ttl_without_exp", 5 * 60, "a token of unknown end passes for that long after it has ended"),
        ("negative_ttl", 60, "a token that becomes active is refused for that long"),
    ];
    for (key, seconds, cost) in limits {
        let value = configuration.pointer(&format!("/cache/{key}")).and_then(Value::as_str);
        if value.and_then(duration).is_some_and(|value| value > Duration::from_secs(seconds)) {
            let minutes = seconds / 60;
            let longest = if minutes == 1 { "a minute".to_owned() } else { format!("{minutes} minutes") };
            advice.push((format!("cache.{key}"), format!("longer than {longest}: {cost}")));
        }
    }
}

fn demands(configuration: &Value, advice: &mut Vec<(String, String)>) {
    let is_empty =
        |value: Option<&Value>| value.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
    let rules = configuration.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let catches_all = |rule: &Value| {
        let matches = rule.get("match").and_then(Value::as_object);
        matches.is_some_and(|matches| {
            matches.len() == 1 && matches.get("prefix").is_some_and(|prefix| prefix == "/")
        })
    };
    let last = rules.iter().position(catches_all);
    if is_empty(configuration.get("requires")) && last.is_none() && configuration.get("providers").is_some() {
        let who = if rules.is_empty() { "every request" } else { "every request that no rule matches" };
        advice
            .push(("requires".to_owned(), format!("nothing is demanded: any valid token will do for {who}")));
    }
    for (i, _) in rules.iter().enumerate().skip(last.map_or(usize::MAX, |last| last.saturating_add(1))) {
        let at = Place::default().name("rules");
        let first = last.unwrap_or_default();
        advice.push((
            at.index(i).to_string(),
            format!("never reached: {} matches everything", at.index(first)),
        ));
    }
}

/// What is to be said of what loads the module: position, whether it is a fault, and a sentence.
pub(super) fn around(found: &Found) -> Vec<(Position, bool, String)> {
    let mut all = Vec::new();
    let Some(plugin) = &found.plugin else { return all };
    match found.host {
        Host::Envoy => envoy(found, plugin, &mut all),
        Host::Istio => istio(found, plugin, &mut all),
        Host::EnvoyGateway => envoy_gateway(plugin, &mut all),
        Host::Plain => {}
    }
    all
}

fn envoy(found: &Found, plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    let policy = plugin.key("failure_policy");
    match policy.and_then(Located::text) {
        Some("FAIL_RELOAD" | "FAIL_CLOSED") => {}
        Some("FAIL_OPEN") => all.push((at(policy, plugin), false, "failure_policy: FAIL_OPEN lets every request in when the filter cannot run; FAIL_RELOAD fails closed, and comes back".to_owned())),
        _ => all.push((plugin.at, false, "no failure_policy: FAIL_RELOAD fails closed as well, and comes back".to_owned())),
    }
    let open = plugin.key("fail_open").filter(|open| open.value() == Value::Bool(true));
    if open.is_some() {
        all.push((
            at(open, plugin),
            false,
            "fail_open: true lets every request in when the filter cannot run".to_owned(),
        ));
    }
    let given = plugin.path(&["vm_config", "environment_variables"]);
    let keys = given.and_then(|given| given.key("host_env_keys")).map(Located::items).unwrap_or_default();
    let pairs = given.and_then(|given| given.key("key_values")).map(Located::members).unwrap_or_default();
    let is_given = |name: &str| {
        keys.iter().any(|key| key.text() == Some(name)) || pairs.iter().any(|pair| pair.key == name)
    };
    for (position, name) in variables(&found.located) {
        if !is_given(name) {
            all.push((position, true, format!("the VM does not get the variable {name}: vm_config.environment_variables.host_env_keys must list it")));
        }
    }
    let form = found.value.pointer("/token/from_form") == Some(&Value::Bool(true));
    if form
        && plugin.key("allow_on_headers_stop_iteration").is_none_or(|key| key.value() != Value::Bool(true))
    {
        all.push((plugin.at, true, "token.from_form needs allow_on_headers_stop_iteration: true here, or Envoy never hands the body over".to_owned()));
    }
    if let Some(clusters) = &found.clusters {
        for cluster in named_clusters(&found.located) {
            let name = cluster.text().unwrap_or_default();
            if !clusters.iter().any(|known| known == name) {
                all.push((cluster.at, true, format!("no cluster {name:?} in static_resources.clusters")));
            }
        }
    }
}

fn istio(found: &Found, plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    let strategy = plugin.key("failStrategy");
    if strategy.and_then(Located::text) == Some("FAIL_OPEN") {
        all.push((
            at(strategy, plugin),
            false,
            "failStrategy: FAIL_OPEN lets every request in when the filter cannot run".to_owned(),
        ));
    }
    let given = plugin.path(&["vmConfig", "env"]).map(Located::items).unwrap_or_default();
    for (position, name) in variables(&found.located) {
        if !given.iter().any(|variable| variable.key("name").and_then(Located::text) == Some(name)) {
            all.push((
                position,
                true,
                format!("the VM does not get the variable {name}: vmConfig.env must list it"),
            ));
        }
    }
    if plugin.key("phase").and_then(Located::text).is_some_and(|phase| phase != "AUTHN") {
        all.push((
            at(plugin.key("phase"), plugin),
            false,
            "phase: AUTHN puts the filter before those that rely on it".to_owned(),
        ));
    }
}

fn envoy_gateway(plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    let open = plugin.key("failOpen").filter(|open| open.value() == Value::Bool(true));
    if open.is_some() {
        all.push((
            at(open, plugin),
            false,
            "failOpen: true lets every request in when the filter cannot run".to_owned(),
        ));
    }
}

fn at(part: Option<&Located>, otherwise: &Located) -> Position {
    part.map_or(otherwise.at, |part| part.at)
}

/// The environment variables that the configuration names, and where.
fn variables(part: &Located) -> Vec<(Position, &str)> {
    let mut all: Vec<_> = part.items().iter().flat_map(variables).collect();
    for member in part.members() {
        match member.value.text() {
            Some(name) if member.key.ends_with("_env") => all.push((member.value.at, name)),
            _ => all.extend(variables(&member.value)),
        }
    }
    all
}

/// The clusters that the configuration names.
fn named_clusters(part: &Located) -> Vec<&Located> {
    let mut all: Vec<_> = part.items().iter().flat_map(named_clusters).collect();
    for member in part.members() {
        match member.key.as_str() {
            "cluster" => all.push(&member.value),
            "fallback_clusters" => all.extend(member.value.items()),
            _ => all.extend(named_clusters(&member.value)),
        }
    }
    all
}
