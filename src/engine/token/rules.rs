//! What every token of one provider has to satisfy, before any rule of the configuration.

use std::time::Duration;

/// How a provider's tokens are read, and what each of them has to satisfy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenRules {
    /// The expected `iss`, compared code point by code point.
    pub issuer: Option<String>,
    /// Whether a response without `iss` is rejected when an issuer is configured.
    pub require_iss: bool,
    /// A token must carry at least one of these in `aud`; empty: `aud` is not checked.
    pub audiences: Vec<String>,
    /// Leeway for `exp` and `nbf`.
    pub clock_skew: Duration,
    /// How old a token may become, against `iat`.
    pub max_token_age: Option<Duration>,
    /// Whether an unknown `token_type` is accepted.
    pub ignore_token_type: bool,
    /// The members that may hold the scopes; the first one present is read.
    pub scope_claim: Vec<String>,
    /// The members that may hold the client id; the first one present is read.
    pub client_id_claim: Vec<String>,
    /// Whether an array of strings counts as a list of scopes.
    pub scope_array: bool,
    /// The scopes of a token whose response names no scopes at all.
    pub default_scopes: Vec<String>,
    /// Scopes that stand for others, with those.
    pub implied_scopes: Vec<(String, Vec<String>)>,
}

impl TokenRules {
    /// Adds the scopes that those here stand for, and those that these stand for, and so on.
    pub fn imply<'a>(&'a self, scopes: &mut Vec<&'a str>) {
        let mut at = 0_usize;
        while let Some(scope) = scopes.get(at).copied() {
            let implied = self.implied_scopes.iter().find(|(general, _)| general == scope);
            for narrow in implied.map(|(_, narrow)| narrow.as_slice()).unwrap_or_default() {
                if !scopes.contains(&narrow.as_str()) {
                    scopes.push(narrow);
                }
            }
            at = at.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TokenRules;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_scope_stands_for_its_own_and_for_no_others() {
        let pair = |general: &str, narrow: &str| (general.to_owned(), vec![narrow.to_owned()]);
        let implied_scopes = vec![pair("admin", "write"), pair("write", "read"), pair("audit", "logs")];
        let rules = TokenRules { implied_scopes, ..TokenRules::default() };
        let cases = [
            (vec!["admin"], vec!["admin", "write", "read"]),
            (vec!["audit", "read"], vec!["audit", "read", "logs"]),
            (vec!["read"], vec!["read"]),
        ];
        for (mut scopes, want) in cases {
            rules.imply(&mut scopes);
            assert_eq!(scopes, want);
        }
    }
}
