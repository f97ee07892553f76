//! Text within text.
//!
//! What the standard library has for this is fast in long texts, and four kilobytes of code.

/// Where `part`, which is not empty, first stands in the text.
pub fn find(text: &str, part: &str) -> Option<usize> {
    let part = part.as_bytes();
    let mut windows = text.as_bytes().windows(part.len().max(1));
    windows.position(|window| window.first() == part.first() && window == part)
}

/// What stands before the first `separator`, and what stands behind it.
pub fn split_once<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let at = find(text, separator)?;
    Some((text.get(..at)?, text.get(at.checked_add(separator.len())?..)?))
}

/// The text with `new` for each `old`.
pub fn replaced(text: &str, old: &str, new: &str) -> String {
    let (mut rest, mut result) = (text, String::with_capacity(text.len()));
    while let Some((before, after)) = split_once(rest, old) {
        result.push_str(before);
        result.push_str(new);
        rest = after;
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::{find, replaced, split_once};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn as_the_standard_library_does_it() {
        for text in ["", "a", "ab", "aab", "abab", "xaby", "baab", "äab", "abä", "aaab", "ab:ab:"] {
            for part in ["a", "ab", "aa", "ba", "ä", "ab:", "abc"] {
                assert_eq!(find(text, part), text.find(part), "{text} {part}");
                assert_eq!(split_once(text, part), text.split_once(part), "{text} {part}");
                assert_eq!(replaced(text, part, "%"), text.replace(part, "%"), "{text} {part}");
            }
        }
    }
}
