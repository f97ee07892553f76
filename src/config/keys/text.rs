//! The forms of text that keys may hold.

use crate::schema::Text;
use tollgate_engine::base::uri::{http_uri, is_absolute_uri, is_origin};
use tollgate_engine::policy::resource::Identifier;
use tollgate_engine::policy::rule::HostPattern;
use tollgate_engine::request::head::{is_method, is_token};
use tollgate_engine::token::claims::ClaimPath;
use tollgate_engine::token::scope::ScopeToken;

/// A name that the operator chooses: it appears in errors, logs and metrics.
pub static NAME: Text = Text {
    what: r#"a name of up to 64 letters, digits, "-", "_" and ".""#,
    fits: |text| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=64).contains(&text.len()) && text.bytes().all(fits)
    },
};

/// A name for people.
pub static LABEL: Text = Text {
    what: "up to 128 printable ASCII characters",
    fits: |text| (1..=128).contains(&text.len()) && text.bytes().all(is_printable),
};

/// Any text.
pub static ANY: Text = Text { what: "text", fits: |_| true };

/// Text on one line.
pub static LINE: Text = Text { what: "text on one line", fits: is_line };

/// The name of an Envoy cluster.
pub static CLUSTER: Text = Text { what: "the name of an Envoy cluster", fits: is_line };

/// A value of `aud`.
pub static AUDIENCE: Text = Text { what: "an audience, as text on one line", fits: is_line };

/// A client id.
pub static CLIENT_ID: Text = Text { what: "a client id, as text on one line", fits: is_line };

/// A SHA-256.
pub static SHA256: Text = Text {
    what: "a SHA-256 in 64 lower-case hexadecimal digits",
    fits: |text| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
};

/// The name of a reply's member.
pub static MEMBER: Text = Text { what: "the name of a member", fits: |text| !text.is_empty() };

/// The name of a form field.
pub static FORM_FIELD: Text = Text { what: "the name of a form field", fits: |text| !text.is_empty() };

/// A path; [`tollgate_engine::policy::rule::PathPattern`] knows more.
pub static PATH: Text = Text { what: "a path", fits: |text| !text.is_empty() };

/// A template of paths; [`tollgate_engine::policy::rule::PathPattern`] knows more.
pub static TEMPLATE: Text = Text { what: "a path with variables", fits: |text| !text.is_empty() };

/// A regular expression; [`tollgate_engine::policy::rule::PathPattern`] knows more.
pub static REGEX: Text = Text { what: "a regular expression", fits: |text| !text.is_empty() };

/// A host; [`HostPattern`] knows more.
pub static HOST: Text = Text {
    what: "a host name, such as api.example.com, *.example.com or api.example.com:8443",
    fits: |text| HostPattern::parse(text).is_some(),
};

/// A field's value ([RFC 9110 §5.5]), without the bytes that only old recipients know.
///
/// [RFC 9110 §5.5]: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
pub static FIELD_VALUE: Text = Text {
    what: "a header value: printable ASCII, no space at either end",
    fits: |text| text.bytes().all(is_printable) && text.trim().len() == text.len(),
};

/// The protection space ([RFC 9110 §11.5]); quotes and backslashes are escaped on output.
///
/// [RFC 9110 §11.5]: https://www.rfc-editor.org/rfc/rfc9110#section-11.5
pub static REALM: Text = Text {
    what: "printable ASCII characters",
    fits: |text| !text.is_empty() && text.bytes().all(is_printable),
};

/// A field's name ([RFC 9110 §5.1]).
///
/// [RFC 9110 §5.1]: https://www.rfc-editor.org/rfc/rfc9110#section-5.1
pub static FIELD_NAME: Text = Text { what: "a header name", fits: is_token };

/// The start of field names.
pub static FIELD_PREFIX: Text = Text {
    what: r#"the start of a header name that ends in "-""#,
    fits: |text| is_token(text) && text.ends_with('-') && text.len() > 1,
};

/// A cookie's name ([RFC 6265 §4.1.1]).
///
/// [RFC 6265 §4.1.1]: https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1
pub static COOKIE_NAME: Text = Text { what: "the name of a cookie", fits: is_token };

/// The name of a WebSocket subprotocol ([RFC 6455 §4.1]).
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
pub static PROTOCOL: Text =
    Text { what: "the name of a WebSocket subprotocol, such as bearer", fits: is_token };

/// The name of a query parameter, as it looks after decoding.
pub static PARAMETER: Text =
    Text { what: "the name of a parameter: printable ASCII without spaces", fits: is_visible };

/// An authentication scheme ([RFC 9110 §11.1]).
///
/// [RFC 9110 §11.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
pub static SCHEME: Text = Text { what: "an authentication scheme", fits: is_token };

/// A method ([RFC 9110 §9.1]). They are case-sensitive, so a lower-case one is a slip.
///
/// [RFC 9110 §9.1]: https://www.rfc-editor.org/rfc/rfc9110#section-9.1
pub static METHOD: Text = Text { what: "a method in upper case, such as GET", fits: is_method };

/// A media type ([RFC 9110 §8.3.1]).
///
/// [RFC 9110 §8.3.1]: https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1
pub static MEDIA_TYPE: Text = Text {
    what: "a media type, such as text/html; charset=utf-8",
    fits: |text| {
        let essence = text.split(';').next().unwrap_or_default().trim_end();
        (FIELD_VALUE.fits)(text) && essence.split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b))
    },
};

/// A scope token ([RFC 6749 §3.3]).
///
/// [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3
pub static SCOPE: Text = Text {
    what: "one scope: printable ASCII without spaces, quotes and backslashes",
    fits: |text| ScopeToken::parse(text).is_some(),
};

/// An authentication context class ([RFC 9470 §3]).
///
/// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
pub static ACR: Text = Text {
    what: "one authentication context: printable ASCII without spaces, quotes and backslashes",
    fits: |text| ScopeToken::parse(text).is_some(),
};

/// A claim's name.
pub static CLAIM: Text = Text {
    what: "the name of a claim, with dots between nested ones",
    fits: |text| ClaimPath::parse(text).is_some(),
};

/// The start of a token: `1*VSCHAR` without the space ([RFC 6749 A.12]).
///
/// [RFC 6749 A.12]: https://www.rfc-editor.org/rfc/rfc6749#appendix-A.12
pub static TOKEN_START: Text =
    Text { what: "the start of a token: printable ASCII without spaces", fits: is_visible };

/// A token type hint ([RFC 7662 §2.1]).
///
/// [RFC 7662 §2.1]: https://www.rfc-editor.org/rfc/rfc7662#section-2.1
pub static HINT: Text =
    Text { what: r#"a token type, or "" for none"#, fits: |text| text.is_empty() || is_visible(text) };

/// An environment variable's name.
pub static VARIABLE: Text = Text {
    what: "the name of an environment variable",
    fits: |text| {
        text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && !text.is_empty()
    },
};

/// An error code ([RFC 6749 Appendix A.7]).
///
/// [RFC 6749 Appendix A.7]: https://www.rfc-editor.org/rfc/rfc6749#appendix-A.7
pub static ERROR_CODE: Text = Text {
    what: "an error code: printable ASCII without quotes and backslashes (RFC 6749 Appendix A.7)",
    fits: |text| !text.is_empty() && text.bytes().all(|b| is_printable(b) && b != b'"' && b != 0x5c),
};

/// What we call ourselves ([RFC 9110 §10.1.5]): products with versions, and comments.
///
/// [RFC 9110 §10.1.5]: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5
pub static USER_AGENT: Text = Text {
    what: "products and comments, such as gateway/1.0 (eu-1) (RFC 9110 §10.1.5)",
    fits: is_user_agent,
};

/// An issuer identifier ([RFC 8414 §2]), which is compared and never resolved.
///
/// [RFC 8414 §2]: https://www.rfc-editor.org/rfc/rfc8414#section-2
pub static ISSUER: Text = Text {
    what: "an absolute http or https URI without a fragment",
    fits: |text| http_uri(text).is_ok_and(|uri| !uri.has_fragment),
};

/// A resource identifier ([RFC 9728 §1.2]).
///
/// [RFC 9728 §1.2]: https://www.rfc-editor.org/rfc/rfc9728#section-1.2
pub static RESOURCE: Text = Text {
    what: "an absolute https URI without a fragment, such as https://api.example.com/orders (http for this machine only)",
    fits: |text| Identifier::parse(text).is_some(),
};

/// The URI of a page for people.
pub static PAGE: Text = Text { what: "an absolute http or https URI", fits: |text| http_uri(text).is_ok() };

/// The URI of an endpoint that is called; the parser of endpoints knows more, and says what is wrong with it.
pub static ENDPOINT: Text = Text { what: "an absolute http or https URI", fits: |text| !text.is_empty() };

/// An absolute URI as `error_uri` may show it ([RFC 6750 §3]).
///
/// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
pub static ABSOLUTE_URI: Text = Text { what: "an absolute URI", fits: is_absolute_uri };

/// An origin as browsers send it ([RFC 6454 §6.2]). `*` is not allowed: a rejection is not for every origin.
///
/// [RFC 6454 §6.2]: https://www.rfc-editor.org/rfc/rfc6454#section-6.2
pub static ORIGIN: Text =
    Text { what: r#"an origin, such as https://app.example.com ("*" is not allowed)"#, fits: is_origin };

fn is_user_agent(text: &str) -> bool {
    let is_product = |word: &str| {
        let (name, version) =
            word.split_once('/').map_or((word, None), |(name, version)| (name, Some(version)));
        is_token(name) && version.is_none_or(is_token)
    };
    let mut rest = text;
    let mut is_first = true;
    while !rest.is_empty() {
        let (part, after) = match rest.strip_prefix('(') {
            Some(inner) if !is_first => match inner.split_once(')') {
                // A comment, without others in it and without escapes.
                Some((comment, after)) => {
                    (comment.bytes().all(|b| is_printable(b) && b != b'(' && b != 0x5c), after)
                }
                None => return false,
            },
            _ => {
                let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
                (is_product(word), after)
            }
        };
        let next = after.strip_prefix(' ');
        if !part || (next.is_none() && !after.is_empty()) || next == Some("") {
            return false;
        }
        (rest, is_first) = (next.unwrap_or_default(), false);
    }
    !is_first && text.len() <= 256
}

/// Whether this can stand behind `Bearer` ([RFC 6750 §2.1]).
///
/// [RFC 6750 §2.1]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
pub fn is_bearer_token(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    let start = text.trim_end_matches('=');
    !start.is_empty() && start.bytes().all(fits)
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn is_printable(b: u8) -> bool {
    matches!(b, 0x20..=0x7e)
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, 0x21..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::is_user_agent;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn products_and_comments() {
        #[rustfmt::skip]
        let cases = [
            ("tollgate/0.1.0",             true),
            ("gateway",                    true),
            ("gateway/2.1 (eu-1) lib/3",   true),
            ("gateway (a b; c/d)",         true),
            ("",                           false),
            (" gateway",                   false),
            ("gateway ",                   false),
            ("gateway  lib",               false),
            ("gateway/",                   false),
            ("/2.1",                       false),
            ("gateway/2/1",                false),
            ("(comment)",                  false),
            ("gateway (open",              false),
            ("gateway (a)b",               false),
            ("gateway ((a))",              false),
            ("gateway\r\nx: y",            false),
            ("gâteway",                    false),
        ];
        for (text, want) in cases {
            assert_eq!(is_user_agent(text), want, "{text:?}");
        }
        assert!(!is_user_agent(&"a".repeat(257)));
    }
}
