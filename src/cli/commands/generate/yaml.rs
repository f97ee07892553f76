//! Writing YAML: values in the order of the reference, and templates whose gaps are filled.

use std::fmt::Write as _;

use serde_json::Value;
use tollgate_engine::config::schema::Kind;

pub(crate) use crate::kit::yaml::scalar;

/// A template with its gaps filled. A gap is `@name@`; alone on its line it takes text of several
/// lines, each indented as the gap is, and the line goes if the text is empty.
pub(crate) fn fill(template: &str, gaps: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for line in template.lines() {
        let alone = gaps.iter().find(|(name, _)| line.trim() == format!("@{name}@"));
        if let Some((name, content)) = alone {
            let indent = line.strip_suffix(&format!("@{name}@")).unwrap_or_default();
            for part in content.lines() {
                text.extend([if part.is_empty() { "" } else { indent }, part, "\n"]);
            }
            continue;
        }
        let filled = gaps.iter().fold(line.to_owned(), |line, (name, content)| {
            if line.contains('@') { line.replace(&format!("@{name}@"), content) } else { line }
        });
        text.extend([filled.trim_end(), "\n"]);
    }
    text
}

/// A value in block style, what is short in flow style; the keys of `kind` in their order.
pub(crate) fn block(kind: Option<&Kind>, value: &Value) -> String {
    let mut text = String::new();
    write_block(&mut text, kind, value, 0);
    text
}

fn write_block(text: &mut String, kind: Option<&Kind>, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(_) => {
            for (key, member) in ordered(kind, value) {
                let below = below(kind, key);
                // Writing to a String cannot fail.
                let _ = match short(below, member, depth.saturating_mul(2).saturating_add(key.len())) {
                    Some(flow) => writeln!(text, "{indent}{}: {flow}", scalar(key)),
                    None => writeln!(text, "{indent}{}:", scalar(key)),
                };
                if short(below, member, depth.saturating_mul(2).saturating_add(key.len())).is_none() {
                    // Lists stand at the level of their key.
                    let deeper = if member.is_array() { depth } else { depth.saturating_add(1) };
                    write_block(text, below, member, deeper);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let of = kind.and_then(Kind::entries);
                if let Some(flow) = short(of, item, depth.saturating_mul(2)) {
                    let _ = writeln!(text, "{indent}- {flow}");
                    continue;
                }
                let mut inner = String::new();
                write_block(&mut inner, of, item, depth.saturating_add(1));
                let _ = write!(text, "{indent}- {}", inner.trim_start());
            }
        }
        _ => {
            let _ = writeln!(text, "{indent}{}", flow(kind, value));
        }
    }
}

/// The value on one line, if it is a scalar or short enough and not nested deeply.
fn short(kind: Option<&Kind>, value: &Value, column: usize) -> Option<String> {
    let parts: Vec<&Value> = match value {
        Value::Object(members) => members.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => return Some(flow(kind, value)),
    };
    let deep = |value: &Value| match value {
        Value::Object(members) => members.values().any(Value::is_object),
        Value::Array(items) => items.iter().any(|value| value.is_object() || value.is_array()),
        _ => false,
    };
    let text = flow(kind, value);
    let fits = text.len().saturating_add(column) <= 78 && !parts.into_iter().any(deep);
    (fits || text.len() <= 2).then_some(text)
}

fn flow(kind: Option<&Kind>, value: &Value) -> String {
    match value {
        Value::Object(_) => {
            let member = |(key, member): (&str, &Value)| {
                format!("{}: {}", scalar(key), flow(below(kind, key), member))
            };
            format!("{{{}}}", ordered(kind, value).into_iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let of = kind.and_then(Kind::entries);
            format!("[{}]", items.iter().map(|item| flow(of, item)).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

fn below(kind: Option<&Kind>, key: &str) -> Option<&'static Kind> {
    match kind? {
        Kind::Map { of, .. } => Some(of),
        kind => kind.object()?.key(key).map(|(_, key)| &key.kind),
    }
}

fn ordered<'a>(kind: Option<&Kind>, value: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let mut members: Vec<_> =
        value.as_object().into_iter().flatten().map(|(key, member)| (key.as_str(), member)).collect();
    if let Some(object) = kind.and_then(Kind::object) {
        members.sort_by_key(|(key, _)| object.key(key).map_or(usize::MAX, |(rank, _)| rank));
    }
    members
}

#[cfg(test)]
mod tests {
    use super::{block, fill};
    use serde_json::json;
    use tollgate_engine::config::keys::CONFIGURATION;

    #[test]
    fn gaps_are_filled_with_their_indentation() {
        let got = fill("a: @x@\nb:\n  @y@\n  @z@\nc\n", &[("x", "1"), ("y", "d\ne"), ("z", "")]);
        assert_eq!(got, "a: 1\nb:\n  d\n  e\nc\n");
    }

    #[test]
    fn what_is_written_is_what_was_meant() {
        let value = json!({
            "requires": {"scopes": ["a:b"]},
            "rules": [{"match": {"path_template": "/orders/{id}", "methods": ["GET"]}, "name": "on"}],
            "providers": {"main": {"introspection": {"uri": "https://a.example.com/i", "cluster": "outbound|443||a", "client_auth": {"method": "none"}}}},
        });
        let text = block(Some(&CONFIGURATION), &value);
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, value, "{text}");
        assert!(text.starts_with("providers:"), "{text}");
    }
}
