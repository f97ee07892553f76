//! Writing, without white space.

use std::fmt::Write as _;

use super::{Map, Value};

/// The text of an object.
pub fn object(members: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_object(&mut text, members);
    text
}

/// The text of a value.
pub fn value(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        // A `String` takes everything.
        Value::Number(number) => drop(write!(text, "{number}")),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                comma(text, at);
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => write_object(text, members),
    }
}

fn write_object(text: &mut String, members: &Map<String, Value>) {
    text.push('{');
    for (at, (name, member)) in members.iter().enumerate() {
        comma(text, at);
        write_string(text, name);
        text.push(':');
        write_value(text, member);
    }
    text.push('}');
}

fn comma(text: &mut String, at: usize) {
    if at > 0 {
        text.push(',');
    }
}

/// Escapes what [RFC 8259 §7] demands, and nothing else.
///
/// [RFC 8259 §7]: https://www.rfc-editor.org/rfc/rfc8259#section-7
fn write_string(text: &mut String, string: &str) {
    text.push('"');
    let mut rest = string;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        // What is found is ASCII, so both ends are between characters.
        let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        text.push_str(plain);
        let mut tail = tail.chars();
        match tail.next() {
            Some('"') => text.push_str("\\\""),
            Some('\\') => text.push_str("\\\\"),
            Some('\u{8}') => text.push_str("\\b"),
            Some('\u{c}') => text.push_str("\\f"),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some(control) => {
                text.push_str("\\u00");
                let byte = u32::from(control);
                text.extend(
                    [byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit, 16)),
                );
            }
            None => {}
        }
        rest = tail.as_str();
    }
    text.push_str(rest);
    text.push('"');
}
