//! `WWW-Authenticate: Bearer` challenges ([RFC 6750 §3]).
//!
//! A rejected client gets only a challenge. Which check of the token failed is logged, and never sent.
//!
//! [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3

use std::fmt;

/// One Bearer challenge; its `Display` is the value of one `WWW-Authenticate` line.
///
/// Every text is printable ASCII by construction of the policy; `"` and `\` are escaped here
/// ([RFC 9110 §5.6.4]).
///
/// [RFC 9110 §5.6.4]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Challenge<'a> {
    /// The authentication scheme.
    pub scheme: Scheme,
    /// The protection space ([RFC 9110 §11.5]); always sent, so that `Bearer` is never bare.
    ///
    /// [RFC 9110 §11.5]: https://www.rfc-editor.org/rfc/rfc9110#section-11.5
    pub realm: &'a str,
    /// `None` if the request carried no credentials ([RFC 6750 §3.1]).
    ///
    /// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
    pub error: Option<&'a str>,
    /// One sentence for the client's developer.
    pub error_description: Option<&'a str>,
    /// Where to read more.
    pub error_uri: Option<&'a str>,
    /// Where the protected resource's metadata is ([RFC 9728 §5.1]).
    ///
    /// [RFC 9728 §5.1]: https://www.rfc-editor.org/rfc/rfc9728#section-5.1
    pub resource_metadata: Option<&'a str>,
    /// All scopes that the request needs.
    pub scope: Option<&'a str>,
    /// Authentication contexts that would do ([RFC 9470 §3]).
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    pub acr_values: Option<&'a str>,
    /// The longest age of the authentication in seconds ([RFC 9470 §3]).
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    pub max_age: Option<u64>,
    /// The algorithms of proofs ([RFC 9449 §7.1]).
    ///
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    pub algs: Option<&'a str>,
}

/// An authentication scheme for access tokens.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scheme {
    /// [RFC 6750].
    ///
    /// [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750
    #[default]
    Bearer,
    /// [RFC 9449].
    ///
    /// [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449
    Dpop,
}

impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Bearer => "Bearer",
            Scheme::Dpop => "DPoP",
        };
        f.write_str(scheme)?;
        f.write_str(" realm=")?;
        Quoted(self.realm).fmt(f)?;
        let texts = [
            ("error", self.error),
            ("error_description", self.error_description),
            ("error_uri", self.error_uri),
            ("resource_metadata", self.resource_metadata),
            ("scope", self.scope),
            ("acr_values", self.acr_values),
            ("algs", self.algs),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                f.write_str(", ")?;
                f.write_str(name)?;
                f.write_str("=")?;
                Quoted(text).fmt(f)?;
            }
        }
        if let Some(max_age) = self.max_age {
            write!(f, ", max_age=\"{max_age}\"")?;
        }
        Ok(())
    }
}

/// A quoted-string. Characters that it cannot contain are left out.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        f.write_char('"')?;
        if self.0.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
            f.write_str(self.0)?;
            return f.write_char('"');
        }
        for c in self.0.chars().filter(|c| matches!(c, ' '..='~')) {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::Challenge;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn challenge_on_the_wire() {
        let of = |error, scope| Challenge { realm: "api", error, scope, ..Challenge::default() };
        #[rustfmt::skip]
        let cases = [
            ("BRR-22 no credentials", of(None, None), r#"Bearer realm="api""#),
            ("BRR-24 a bad token", of(Some("invalid_token"), None), r#"Bearer realm="api", error="invalid_token""#),
            ("BRR-27 too narrow", of(Some("insufficient_scope"), Some("read write")),
             r#"Bearer realm="api", error="insufficient_scope", scope="read write""#),
            ("PRM-12 where the metadata is", Challenge { realm: "api", resource_metadata: Some("https://h/.well-known/oauth-protected-resource"), ..Challenge::default() },
             r#"Bearer realm="api", resource_metadata="https://h/.well-known/oauth-protected-resource""#),
            ("HTT-04 quotes and backslashes are escaped, and nothing else",
             Challenge { realm: r#"a"b\c'd"#, ..Challenge::default() }, r#"Bearer realm="a\"b\\c'd""#),
            ("HTT-05 a line break never gets out",
             Challenge { realm: "a\r\nb: c\u{e9}", ..Challenge::default() }, r#"Bearer realm="ab: c""#),
            ("STP-04 both demands at once",
             Challenge { realm: "api", error: Some("insufficient_user_authentication"), acr_values: Some("gold silver"),
                         max_age: Some(300), ..Challenge::default() },
             r#"Bearer realm="api", error="insufficient_user_authentication", acr_values="gold silver", max_age="300""#),
        ];
        for (name, challenge, want) in cases {
            assert_eq!(challenge.to_string(), want, "{name}");
        }
    }
}
