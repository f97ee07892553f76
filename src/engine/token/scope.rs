//! Scopes: case-sensitive tokens between single spaces ([RFC 6749 §3.3]).
//!
//! [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3

use std::fmt;

/// One scope token: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ScopeToken(String);

impl ScopeToken {
    /// Takes `text` if it follows the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        (!text.is_empty() && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which scopes are required: all of `all`, and one of `any` unless that is empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ScopePolicy {
    /// Each of these.
    pub all: Vec<ScopeToken>,
    /// At least one of these.
    pub any: Vec<ScopeToken>,
}

impl ScopePolicy {
    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    /// Whether `granted` covers what is required.
    pub fn is_met_by(&self, granted: &[&str]) -> bool {
        let has = |scope: &ScopeToken| granted.contains(&scope.as_str());
        self.all.iter().all(has) && (self.any.is_empty() || self.any.iter().any(has))
    }

    /// The `scope` attribute of a challenge: all of `all`, and the first of `any`.
    pub fn challenge(&self) -> String {
        let named = self.all.iter().chain(self.any.first());
        named.map(ScopeToken::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// In words: "a and b, and c or d".
impl fmt::Display for ScopePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |scopes: &[ScopeToken], word: &str| {
            scopes.iter().map(ScopeToken::as_str).collect::<Vec<_>>().join(word)
        };
        let (all, any) = (names(&self.all, " and "), names(&self.any, " or "));
        let between = if all.is_empty() || any.is_empty() { "" } else { ", and " };
        write!(f, "{all}{between}{any}")
    }
}

/// The scopes in a space-separated list. Only U+0020 separates; surplus spaces are tolerated.
pub fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(' ').filter(|scope| !scope.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{ScopePolicy, ScopeToken, split};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn scopes(list: &str) -> Vec<ScopeToken> {
        split(list).map(|s| ScopeToken::parse(s).unwrap()).collect()
    }

    #[test]
    fn demanded_against_granted() {
        #[rustfmt::skip]
        let cases = [
            ("OAU-01 case matters",          "read", "",     "Read",                  false),
            ("OAU-02 order does not",        "a b",  "",     "c b a a",               true),
            ("OAU-03 no substring",          "read", "",     "readonly read:all xread", false),
            ("OAU-04 a tab does not part",   "read", "",     "read\twrite",           false),
            ("OAU-04 nor does a comma",      "read", "",     "read,write",            false),
            ("OAU-05 surplus spaces",        "write", "",    "  read   write ",       true),
            ("OAU-06 none granted",          "read", "",     "",                      false),
            ("OAU-06 none demanded",         "",     "",     "",                      true),
            ("MUL-01 AND",                   "read write", "", "read",                false),
            ("MUL-01 OR",                    "",     "read write", "read",            true),
            ("all and any",                  "a",    "b c",  "a c",                   true),
            ("all without any",              "a",    "b c",  "a",                     false),
        ];
        for (name, all, any, granted, want) in cases {
            let policy = ScopePolicy { all: scopes(all), any: scopes(any) };
            assert_eq!(policy.is_met_by(&split(granted).collect::<Vec<_>>()), want, "{name}");
        }
    }

    #[test]
    fn the_grammar_of_a_token() {
        // OAU-07
        for bad in ["", "a b", "a\"b", "a\\b", "é", "a\u{7f}"] {
            assert_eq!(ScopeToken::parse(bad), None, "{bad:?}");
        }
        assert!(ScopeToken::parse("https://api.example/orders.read:all!").is_some());
    }

    #[test]
    fn a_challenge_names_all_that_is_needed() {
        // BRR-27, BRR-28
        assert_eq!(ScopePolicy { all: scopes("a b"), any: scopes("c d") }.challenge(), "a b c");
    }
}
