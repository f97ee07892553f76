//! How text is written in YAML: one rule for everything that the command prints.

use std::fmt::Write as _;

use serde_json::Value;
use tollgate_engine::config::schema::duration;

/// Text as it stands, if no reader of YAML takes it for anything else; in quotes otherwise.
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

/// Text in double quotes. What JSON leaves as it is and YAML takes for a line break, or forbids, is
/// escaped, and so is what changes the direction of text or cannot be seen.
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
    use super::{quoted, scalar};
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
}
