//! The clusters and environment variables that a configuration names.
//!
//! They are found by the table of keys, not by the names of keys: below `introspection.parameters` and similar keys,
//! the operator chooses the names.

use serde_json::{Map, Value, json};
use tollgate_config::error::ConfigError;
use tollgate_config::keys::{CONFIGURATION, text};
use tollgate_config::schema::{Kind, Object, Place, Text};
use tollgate_engine::policy::Policy;

/// Replaces a variable that is set only for the proxy. Long enough for every kind of secret.
pub(crate) const STAND_IN: &str = "a-value-that-stands-in-for-the-one-that-the-proxy-has-in-its-environment";

/// The policy of a configuration, without reading its variables.
pub(crate) fn policy(configuration: &Value) -> Result<Policy, Vec<ConfigError>> {
    tollgate_config::policy_of(configuration, &|_| Some(STAND_IN.to_owned()))
}

/// Removes private keys, which cannot be replaced: without them, a provider gets no signed assertion.
pub(crate) fn without_keys(configuration: &mut Value) {
    let providers = configuration.get_mut("providers").and_then(Value::as_object_mut);
    for auth in
        providers.into_iter().flatten().filter_map(|(_, one)| one.pointer_mut("/introspection/client_auth"))
    {
        let key = auth.get("private_key_env").and_then(Value::as_str);
        if key.is_some_and(|name| (text::VARIABLE.fits)(name) && set(name).is_none()) {
            *auth = json!({"method": "none", "client_id": auth.get("client_id")});
        }
    }
}

/// The value of a variable. An empty variable counts as not set.
pub(crate) fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// The environment variables that a configuration names, and their places.
pub(crate) fn variables(configuration: &Value) -> Vec<(Place, &str)> {
    all(configuration, &text::VARIABLE)
}

/// The variables that these members of a configuration name.
pub(crate) fn variables_in(members: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let mut found = Vec::new();
    if let Some(object) = CONFIGURATION.object() {
        look_into(object, members, &text::VARIABLE, &Place::default(), &mut found);
    }
    found.into_iter().map(|(_, name)| name)
}

/// The clusters that a configuration names, and their places.
pub(crate) fn clusters(configuration: &Value) -> Vec<(Place, &str)> {
    all(configuration, &text::CLUSTER)
}

fn all<'v>(configuration: &'v Value, wanted: &'static Text) -> Vec<(Place, &'v str)> {
    let mut found = Vec::new();
    look(&CONFIGURATION, configuration, wanted, &Place::default(), &mut found);
    found
}

fn look<'v>(
    kind: &Kind,
    value: &'v Value,
    wanted: &'static Text,
    at: &Place,
    found: &mut Vec<(Place, &'v str)>,
) {
    match (kind, value) {
        (Kind::Text(text), Value::String(name)) if std::ptr::eq(*text, wanted) => {
            found.push((at.clone(), name));
        }
        (Kind::Object(object) | Kind::Either { object, .. }, Value::Object(members)) => {
            look_into(object, members, wanted, at, found);
        }
        (Kind::Map { of, .. }, Value::Object(members)) => {
            members.iter().for_each(|(name, member)| look(of, member, wanted, &at.name(name), found));
        }
        (_, Value::Array(items)) => {
            if let Some(of) = kind.entries() {
                items.iter().enumerate().for_each(|(i, item)| look(of, item, wanted, &at.index(i), found));
            }
        }
        _ => {}
    }
}

fn look_into<'v>(
    object: &Object,
    members: &'v Map<String, Value>,
    wanted: &'static Text,
    at: &Place,
    found: &mut Vec<(Place, &'v str)>,
) {
    for (rank, key) in object.keys.iter().enumerate() {
        if let Some(member) = members.get(key.name) {
            look(&key.kind, member, wanted, &at.key(rank, key.name), found);
        }
    }
}
