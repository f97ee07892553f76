//! Names in errors: those that are known, and the one that was probably meant.

use std::fmt::Write as _;

/// `"a", "b" or "c"`.
pub fn listed<T: AsRef<str>>(words: &[T], joint: &str) -> String {
    let mut text = String::new();
    for (i, word) in words.iter().enumerate() {
        let before: &[&str] = match words.len().saturating_sub(i) {
            _ if i == 0 => &[],
            1 => &[" ", joint, " "],
            _ => &[", "],
        };
        text.extend(before.iter().copied());
        text.push_str(&quoted(word.as_ref()));
    }
    text
}

/// Text in quotation marks, on one line, without characters that cannot be seen.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// The same without the quotation marks.
pub fn escaped(text: &str) -> String {
    let mut result = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => result.extend(['\\', c]),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            c if is_unseen(c) => {
                let _ = write!(result, "\\u{{{:x}}}", u32::from(c));
            }
            c => result.push(c),
        }
    }
    result
}

/// Control characters, and those that only change how their neighbours look: combining ones, those without a
/// width, those that turn the direction of text, and those whose meaning is private.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{a0}' | '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{61c}' | '\u{180e}' | '\u{2000}'..='\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{e000}'..='\u{f8ff}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..)
}

/// The name that `text` was probably meant to be: a third of it may differ; case, `_` and `-` do not
/// count.
pub fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> Vec<char> {
        text.chars().take(64).filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let text = plain(text);
    let allowed = (text.len() / 3).max(1);
    let near = names.map(|name| (distance(&text, &plain(name)), name)).filter(|(d, _)| *d <= allowed);
    near.min_by_key(|(d, _)| *d).map(|(_, name)| name).filter(|_| text.len() > 1)
}

/// Levenshtein's distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(from != to));
            left = replaced.min(above.saturating_add(1)).min(left.saturating_add(1));
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{nearest, quoted};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn text_is_quoted_on_one_line_as_it_can_be_seen() {
        let others = "αЖ日本語한ß€…–😀\u{301}\u{200b}\u{202e}\u{feff}\u{e000}\u{e0001}";
        for c in ('\u{1}'..'\u{250}').chain(others.chars()) {
            let text = format!("a{c}b");
            assert_eq!(quoted(&text), format!("{text:?}"));
        }
    }

    #[test]
    fn what_was_probably_meant() {
        #[rustfmt::skip]
        let cases = [
            ("introspecton",  Some("introspection")),
            ("clientId",      Some("client_id")),
            ("client-id",     Some("client_id")),
            ("audience",      Some("audiences")),
            ("url",           Some("uri")),
            ("hunter2",       None),
            ("x",             None),
            ("",              None),
        ];
        for (text, want) in cases {
            let names = ["introspection", "client_id", "audiences", "uri", "jwks"];
            assert_eq!(nearest(text, names.into_iter()), want, "{text:?}");
        }
    }
}
