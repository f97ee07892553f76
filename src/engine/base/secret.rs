//! Values that must never be shown: tokens and client secrets.

use std::fmt;

/// Text that no log line, message or panic may show. `Debug` prints `[redacted]`, there is no `Display`. Code
/// that needs the text has to call [`Secret::expose`].
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether these bytes are the text, in a time that does not depend on where they differ.
    #[inline(never)]
    pub fn is(&self, bytes: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differs =
            own.iter().zip(bytes).fold(own.len() ^ bytes.len(), |all, (a, b)| all | usize::from(a ^ b));
        std::hint::black_box(differs) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn only_the_text_itself_is_the_text() {
        let secret = Secret::new("hush");
        assert!(secret.is(b"hush"));
        for other in ["", "hus", "hushh", "husi", "Hush"] {
            assert!(!secret.is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Some(Secret::new("hush"))), "Some([redacted])");
    }
}
