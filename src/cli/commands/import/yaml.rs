//! A configuration as YAML, with its keys in the order of the reference.

use std::fmt::Write as _;

use serde_json::Value;
use tollgate_engine::config::keys::CONFIGURATION;
use tollgate_engine::config::schema::Kind;

use crate::kit::yaml::scalar;

/// A configuration, or a part of one that has top-level keys.
pub(crate) fn configuration(value: &Value) -> String {
    let mut text = String::new();
    block(value, Some(&CONFIGURATION), 0, &mut text);
    text
}

/// Any other document; keys in the order of the alphabet.
pub(crate) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(value, None, 0, &mut text);
    text
}

/// A value on one line.
pub(crate) fn line(value: &Value) -> String {
    flow(value, None)
}

/// The longest line that a collection is put on.
const WIDTH: usize = 100;

fn block(value: &Value, kind: Option<&'static Kind>, indent: usize, text: &mut String) {
    match value {
        Value::Object(_) => {
            for (name, value, kind) in members(value, kind) {
                let _ = write!(text, "{:indent$}{}:", "", scalar(name));
                below(value, kind, indent, name.len(), text);
            }
        }
        Value::Array(items) => {
            let kind = kind.and_then(Kind::entries);
            for item in items {
                if !is_block(item, kind, indent) {
                    let _ = writeln!(text, "{:indent$}- {}", "", flow(item, kind));
                    continue;
                }
                let mut inner = String::new();
                block(item, kind, indent.saturating_add(2), &mut inner);
                let _ = write!(text, "{:indent$}- {}", "", inner.trim_start_matches(' '));
            }
        }
        _ => {
            let _ = writeln!(text, "{:indent$}{}", "", flow(value, kind));
        }
    }
}

/// What stands behind a key.
fn below(value: &Value, kind: Option<&'static Kind>, indent: usize, key: usize, text: &mut String) {
    if is_block(value, kind, indent.saturating_add(key)) {
        text.push('\n');
        block(value, kind, indent.saturating_add(2), text);
    } else {
        let _ = writeln!(text, " {}", flow(value, kind));
    }
}

/// Whether a value is spread over lines: what has objects in it, or is too long.
fn is_block(value: &Value, kind: Option<&'static Kind>, before: usize) -> bool {
    let is_object = |value: &Value| value.as_object().is_some_and(|object| !object.is_empty());
    let nested = match value {
        Value::Object(members) => {
            matches!(kind, Some(Kind::Map { .. })) && !members.is_empty() || members.values().any(is_object)
        }
        Value::Array(items) => items.iter().any(is_object),
        _ => return false,
    };
    nested || before.saturating_add(flow(value, kind).len()) > WIDTH
}

fn flow(value: &Value, kind: Option<&'static Kind>) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            let kind = kind.and_then(Kind::entries);
            let items: Vec<_> = items.iter().map(|item| flow(item, kind)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(_) => {
            let members = members(value, kind);
            let members: Vec<_> = members
                .iter()
                .map(|(name, value, kind)| format!("{}: {}", scalar(name), flow(value, *kind)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        plain => plain.to_string(),
    }
}

/// The members of an object in the order of the reference, and what each may hold.
fn members<'v>(
    value: &'v Value,
    kind: Option<&'static Kind>,
) -> Vec<(&'v str, &'v Value, Option<&'static Kind>)> {
    let object = kind.and_then(Kind::object);
    let mut ranked: Vec<_> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| match object.and_then(|object| object.key(name)) {
            Some((rank, key)) => (rank, name.as_str(), value, Some(&key.kind)),
            None => (usize::MAX, name.as_str(), value, kind.and_then(Kind::entries)),
        })
        .collect();
    ranked.sort_by_key(|(rank, ..)| *rank);
    ranked.into_iter().map(|(_, name, value, kind)| (name, value, kind)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let configuration = json!({
            "requires": {"scopes": {"all": ["a"], "any": ["b:c", "on", "7", "", "x: y", "*"]}},
            "rules": [
                {"access": "deny", "match": {"prefix": "/"}, "name": "a \"quoted\" name, # and more"},
                {"match": {"path_template": "/orders/{id}", "methods": ["GET", "HEAD"]}},
            ],
            "providers": {"true": {"introspection": {"timeout": "1m10s", "token_type_hint": "10", "cluster": "okta", "retries": 1}}},
            "token": {}, "cache": {"shared": false},
            "client_lists": {"none": {"clients": []}},
        });
        let text = super::configuration(&configuration);
        assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&text).unwrap(), configuration, "{text}");
        let order = ["providers:", "token:", "requires:", "rules:", "client_lists:", "cache:"];
        let places = order.map(|key| text.find(key).unwrap());
        assert!(places.is_sorted(), "{text}");
        assert!(
            text.contains("  - match: {path_template: \"/orders/{id}\", methods: [GET, HEAD]}"),
            "{text}"
        );
    }
}
