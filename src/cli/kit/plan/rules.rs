//! Makes the filter's rules of the APIs. Envoy's routes and the rules must match the same requests.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use tollgate_config::schema::Place;

use super::Api;
use super::faults::{Faults, of_api};

/// The order in which APIs are tried: longer paths first, then those with hosts of their own.
pub(super) fn sort(apis: &mut [(Api, Value)]) {
    apis.sort_by_key(|(api, _)| {
        let length = if api.prefix == "/" { 0 } else { api.prefix.len() };
        let widest = api.hosts.iter().filter(|host| host.starts_with('*')).map(String::len).min();
        let class = match (api.hosts.is_empty(), widest) {
            (true, _) => 2_usize,
            (false, Some(_)) => 1,
            (false, None) => 0,
        };
        (Reverse(length), class, Reverse(widest), api.name.clone())
    });
}

/// Adds an error if two APIs match the same requests.
pub(super) fn no_two_alike(apis: &[(Api, Value)], faults: &mut Faults) {
    for (i, (api, _)) in apis.iter().enumerate() {
        let twin = apis.iter().take(i).map(|(other, _)| other).find(|other| {
            let shared = api.hosts.iter().any(|host| other.hosts.contains(host));
            other.prefix == api.prefix && (shared || (api.hosts.is_empty() && other.hosts.is_empty()))
        });
        if let Some(twin) = twin {
            faults.push((
                of_api(&api.name),
                format!(
                    "the host and prefix are those of apis.{}, so a request could belong to either",
                    twin.name
                ),
            ));
        }
    }
}

/// The requirements of an API, as YAML; with `provider` if there are several.
pub(super) fn requirement(api: &Value, provider: Option<&str>) -> Map<String, Value> {
    let mut requires = Map::new();
    if let Some(provider) = provider {
        requires.insert("providers".to_owned(), json!([provider]));
    }
    for key in ["scopes", "audiences"] {
        let value = api.get(key).filter(|value| value.as_array().is_some_and(|list| !list.is_empty()));
        requires.extend(value.map(|value| (key.to_owned(), value.clone())));
    }
    if let Some(list) = api.get("client_list") {
        requires.insert("clients".to_owned(), json!({"list": list}));
    }
    requires.extend(api.get("sender_constraint").map(|word| ("sender_constraint".to_owned(), word.clone())));
    requires
}

/// The rules of an API: its own, and one for its other requests if there are any. Each comes with its place in the
/// short file.
pub(super) fn of(
    api: &Api,
    written: &Value,
    requires: &Map<String, Value>,
    faults: &mut Faults,
) -> Vec<(Place, Value)> {
    let mut rules = Vec::new();
    let mut names: BTreeMap<String, Place> = BTreeMap::new();
    let own = written.get("rules").and_then(Value::as_array);
    for (i, rule) in own.into_iter().flatten().enumerate() {
        let place = of_api(&api.name).name("rules").index(i);
        let mut rule = rule.clone();
        let Some(members) = rule.as_object_mut() else { continue };
        let name = members.entry("name").or_insert_with(|| json!(format!("{}[{i}]", api.name)));
        if let Some(first) = name.as_str().and_then(|name| names.insert(name.to_owned(), place.clone())) {
            faults.push((place.name("name"), format!("{first} has the same name")));
        }
        if let Some(Value::Object(request)) = members.get_mut("match") {
            within(api, request, &place, faults);
        }
        let looks_at_tokens =
            !matches!(members.get("access").and_then(Value::as_str), Some("anonymous" | "deny"));
        if looks_at_tokens {
            let demanded = members.entry("requires").or_insert_with(|| Value::Object(requires.clone()));
            // A rule may require other scopes. The API's clients, provider and proofs still apply.
            if let Value::Object(demanded) = demanded {
                for key in ["providers", "audiences", "clients", "sender_constraint"] {
                    if let (false, Some(value)) = (demanded.contains_key(key), requires.get(key)) {
                        demanded.insert(key.to_owned(), value.clone());
                    }
                }
            }
        }
        rules.push((place, rule));
    }
    if !rules.iter().any(|(_, rule)| is_rest(api, rule)) {
        let rest = json!({"name": api.name, "match": everything(api), "requires": requires});
        rules.push((of_api(&api.name), rest));
    }
    rules
}

/// All requests of an API.
fn everything(api: &Api) -> Map<String, Value> {
    let mut request = Map::from_iter([("prefix".to_owned(), json!(api.prefix))]);
    if !api.hosts.is_empty() {
        request.insert("hosts".to_owned(), json!(api.hosts));
    }
    request
}

/// Whether a rule matches all of its API's requests that no earlier rule matches.
fn is_rest(api: &Api, rule: &Value) -> bool {
    rule.get("match").and_then(Value::as_object) == Some(&everything(api))
}

/// Whether the API's other requests need just any valid token.
pub(super) fn any_token_passes(api: &Api, rules: &[(Place, Value)]) -> bool {
    let rest = rules.iter().find(|(_, rule)| is_rest(api, rule));
    api.scopes.is_empty() && rest.is_none_or(|(_, rule)| rule.get("access") != Some(&json!("deny")))
}

/// Makes names unique: a name that several APIs use gets its API's name as a prefix.
pub(super) fn distinct(rules: &mut [(String, Place, Value)]) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let name = |rule: &Value| rule.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (_, _, rule) in rules.iter() {
        let number = count.entry(name(rule)).or_default();
        *number = number.saturating_add(1);
    }
    taken.extend(count.iter().filter(|(_, number)| **number == 1).map(|(name, _)| name.clone()));
    for (api, _, rule) in rules.iter_mut() {
        let old = name(rule);
        if taken.contains(&old) && count.get(&old) == Some(&1) {
            continue;
        }
        let long = format!("{api}: {old}");
        let start: String = if long.len() <= MAX_NAME { long } else { old };
        let short: String = start.chars().take(MAX_NAME.saturating_sub(8)).collect();
        let numbered = (2_usize..).map(|number| format!("{short} {number}"));
        let new = std::iter::once(start).chain(numbered).find(|name| taken.insert(name.clone()));
        if let (Some(members), Some(new)) = (rule.as_object_mut(), new) {
            members.insert("name".to_owned(), new.into());
        }
    }
}

/// The longest name of a rule, in bytes.
const MAX_NAME: usize = 128;

/// Restricts a rule to the requests of its API.
fn within(api: &Api, request: &mut Map<String, Value>, place: &Place, faults: &mut Faults) {
    let below = |path: &str| {
        api.prefix == "/"
            || path.strip_prefix(&api.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let plain = |path: &str| {
        !path.contains('%')
            && !path.contains("//")
            && !path.split('/').any(|part| part == "." || part == "..")
    };
    let mut has_path = false;
    for key in ["path", "prefix", "path_template"] {
        let Some(path) = request.get(key).and_then(Value::as_str) else { continue };
        has_path = true;
        if key == "prefix" && path == "/" {
            // It matches everything, and so the whole API.
            request.insert("prefix".to_owned(), json!(api.prefix));
            continue;
        }
        let what = match (below(path), plain(path)) {
            (true, true) => continue,
            (false, _) => format!("expected a path below the API's prefix {}", api.prefix),
            (true, false) => {
                "expected a path in its plain form: no escapes, no empty and no dot segments".to_owned()
            }
        };
        faults.push((place.name("match").name(key), what));
    }
    if request.contains_key("safe_regex") {
        has_path = true;
        if api.prefix != "/" {
            faults.push((
                place.name("match").name("safe_regex"),
                format!(
                    "could reach beyond the API's prefix {}; expected path, prefix or path_template",
                    api.prefix
                ),
            ));
        }
    }
    if !has_path {
        request.insert("prefix".to_owned(), json!(api.prefix));
    }
    match request.get("hosts").and_then(Value::as_array) {
        None if api.hosts.is_empty() => {}
        None => {
            request.insert("hosts".to_owned(), json!(api.hosts));
        }
        Some(hosts) => {
            let stranger = |host: &&str| !api.serves(&host.to_ascii_lowercase());
            if let Some(stranger) = hosts.iter().filter_map(Value::as_str).find(stranger) {
                faults.push((
                    place.name("match").name("hosts"),
                    format!("{stranger} is not a host of the API"),
                ));
            }
        }
    }
}
