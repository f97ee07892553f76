//! Writes YAML, with keys in the order of the reference.
//!
//! Short lists and objects are written on one line.

use std::fmt::Write as _;

use serde_json::Value;
use tollgate_config::keys::CONFIGURATION;
use tollgate_config::schema::{Kind, duration};

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

/// The text after a key.
fn below(value: &Value, kind: Option<&'static Kind>, indent: usize, key: usize, text: &mut String) {
    if is_block(value, kind, indent.saturating_add(key)) {
        text.push('\n');
        block(value, kind, indent.saturating_add(2), text);
    } else {
        let _ = writeln!(text, " {}", flow(value, kind));
    }
}

/// Whether a value is written on several lines: it contains objects, or is too long.
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

/// The members of an object in the order of the reference, with their kinds.
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

/// Plain text if every YAML reader reads it as text; otherwise text in quotes.
pub(crate) fn scalar(text: &str) -> String {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'.' | b'-' | b':' | b'@');
    let first = text.bytes().next();
    let starts = first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'/');
    // 30s, 250ms; but 1e3 is a number, and so are 0x1f and 1_000.
    let is_duration = first.is_some_and(|b| b.is_ascii_digit()) && duration(text).is_some();
    let is_constant = CONSTANTS.contains(&text.to_ascii_lowercase().as_str());
    let plain = (starts || is_duration) && !is_constant && text.bytes().all(word) && !text.ends_with(':');
    if plain { text.to_owned() } else { quoted(text) }
}

/// Text in double quotes. Escapes what JSON would not escape but YAML forbids or reads as a line break, and
/// characters that are invisible or change the direction of text.
pub(crate) fn quoted(text: &str) -> String {
    let odd = |c: &char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let json = Value::from(text).to_string();
    if !json.chars().any(|c| odd(&c)) {
        return json;
    }
    json.chars().fold(String::new(), |mut text, c| {
        // Writing to a String cannot fail.
        let _ = if odd(&c) { write!(text, "\\u{:04x}", u32::from(c)) } else { write!(text, "{c}") };
        text
    })
}

/// Words that YAML 1.1 or 1.2 reads as something other than text.
const CONSTANTS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

#[cfg(test)]
mod tests {
    use super::{configuration, quoted, scalar};
    use serde_json::json;

    #[test]
    fn text_that_could_be_something_else_is_quoted() {
        let plain = [
            "orders:read",
            "/orders/x",
            "https://a.example.com:8443/x",
            "30s",
            "1h30m",
            "client_id",
            "a.b",
            "admin@example.com",
            "nobody",
        ];
        for text in plain {
            assert_eq!(scalar(text), text);
        }
        #[rustfmt::skip]
        let others = [
            "", "yes", "No", "y", "N", "ON", "off", "~", "null", "True", "1", "1e3", "0x1f", "1_000", "12:30:45", "2026-11-30", "0o7", ".5", "-",
            "- a", "@a", "a: b", "a #b", "*.example.com", "&a", "a,b", "a:", "{id}", "[a]", "é", "a\nb", "a\u{85}b", "a\u{2028}b", "\u{feff}", "a\u{202e}b", "\u{200b}", "a\u{9b}31m",
        ];
        for text in others {
            assert_eq!(scalar(text), quoted(text));
            let read: serde_json::Value = serde_saphyr::from_str(&format!("a: {}", scalar(text))).unwrap();
            assert_eq!(read, json!({"a": text}), "{}", scalar(text));
        }
        for text in plain.iter().chain(&others) {
            let text = scalar(text);
            let read: Vec<serde_json::Value> = serde_saphyr::from_str(&format!("[{text}, {text}]")).unwrap();
            assert!(read.iter().all(serde_json::Value::is_string), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let value = json!({
            "requires": {"scopes": {"all": ["a"], "any": ["b:c", "on", "7", "", "x: y", "*"]}},
            "rules": [
                {"access": "deny", "match": {"prefix": "/"}, "name": "a \"quoted\" name, # and more"},
                {"match": {"path_template": "/orders/{id}", "methods": ["GET", "HEAD"]}},
            ],
            "providers": {"true": {"introspection": {"timeout": "1m10s", "token_type_hint": "10", "cluster": "okta", "retries": 1}}},
            "token": {}, "cache": {"shared": false},
            "client_lists": {"none": {"clients": []}},
        });
        let text = configuration(&value);
        assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&text).unwrap(), value, "{text}");
        let order = ["providers:", "token:", "requires:", "rules:", "client_lists:", "cache:"];
        let places = order.map(|key| text.find(key).unwrap());
        assert!(places.is_sorted(), "{text}");
        assert!(
            text.contains("  - match: {path_template: \"/orders/{id}\", methods: [GET, HEAD]}"),
            "{text}"
        );
    }
}
