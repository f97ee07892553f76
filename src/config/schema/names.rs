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
        // Writing to a String cannot fail.
        let _ = write!(text, "{:?}", word.as_ref());
    }
    text
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
    use super::nearest;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
