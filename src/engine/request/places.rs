//! The places that a token may be in.

use crate::request::tls::TlsSource;
use crate::request::websocket::Marker;

/// `token`: where a token may be, and what becomes of it ([RFC 6750 §2]).
///
/// [RFC 6750 §2]: https://www.rfc-editor.org/rfc/rfc6750#section-2
#[derive(Clone, Debug)]
pub struct TokenPlaces {
    /// Header fields; default: `authorization` with the scheme `Bearer`.
    pub headers: Vec<TokenHeader>,
    /// Names of query parameters.
    pub params: Vec<String>,
    /// Names of cookies.
    pub cookies: Vec<String>,
    /// How a WebSocket client marks a token among its subprotocols; `None`: it cannot send one there.
    pub websocket: Option<Marker>,
    /// Whether a form body may carry `access_token` ([RFC 6750 §2.2]).
    ///
    /// [RFC 6750 §2.2]: https://www.rfc-editor.org/rfc/rfc6750#section-2.2
    pub form: bool,
    /// The longest form body that is read, in bytes.
    pub max_form_bytes: usize,
    /// The longest token, in bytes.
    pub max_length: usize,
    /// Whether the upstream gets to see the token.
    pub forward: bool,
    /// Whether a token in `access_token` of the query is rejected even where the query is no place
    /// for tokens, if another place carries one as well.
    pub strict_multiple: bool,
    /// How to find out whether a request came over TLS, if others are rejected ([RFC 6750 §5.3]).
    ///
    /// [RFC 6750 §5.3]: https://www.rfc-editor.org/rfc/rfc6750#section-5.3
    pub require_tls: Option<TlsSource>,
}

/// A header field that may carry a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenHeader {
    /// Its name, in lower case.
    pub name: String,
    /// The authentication scheme before the token; `None`: the whole value is the token.
    pub scheme: Option<String>,
}

impl TokenPlaces {
    /// Whether there is any place at all.
    pub fn has_any(&self) -> bool {
        let Self {
            headers,
            params,
            cookies,
            websocket,
            form,
            max_form_bytes: _,
            max_length: _,
            forward: _,
            strict_multiple: _,
            require_tls: _,
        } = self;
        !headers.is_empty() || !params.is_empty() || !cookies.is_empty() || websocket.is_some() || *form
    }

    /// Whether one of them is in the URI, where clients must not put tokens ([RFC 9700 §4.3.2]).
    ///
    /// [RFC 9700 §4.3.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2
    pub fn has_any_in_uri(&self) -> bool {
        let Self {
            headers: _,
            params,
            cookies: _,
            websocket: _,
            form: _,
            max_form_bytes: _,
            max_length: _,
            forward: _,
            strict_multiple: _,
            require_tls: _,
        } = self;
        !params.is_empty()
    }
}

#[cfg(test)]
impl TokenPlaces {
    /// No place, and bounds that matter to no test. A test begins with it and adds what it needs.
    pub(crate) fn none() -> Self {
        Self {
            headers: Vec::new(),
            params: Vec::new(),
            cookies: Vec::new(),
            websocket: None,
            form: false,
            max_form_bytes: 65_536,
            max_length: 16_384,
            forward: true,
            strict_multiple: false,
            require_tls: None,
        }
    }
}

impl TokenHeader {
    /// Whether its tokens come with a proof of possession ([RFC 9449 §7.1]).
    ///
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    pub fn is_dpop(&self) -> bool {
        self.name == "authorization"
            && self.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("DPoP"))
    }
}

#[cfg(test)]
mod tests {
    use super::{TokenHeader, TokenPlaces};
    use crate::request::websocket::Marker;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn header(name: &str, scheme: Option<&str>) -> TokenHeader {
        TokenHeader { name: name.to_owned(), scheme: scheme.map(str::to_owned) }
    }

    #[test]
    fn each_place_is_one_and_the_query_alone_is_in_the_uri() {
        let names = || vec!["t".to_owned()];
        let none = TokenPlaces::none;
        #[rustfmt::skip]
        let cases = [
            // name, places, whether there is any, whether one is in the URI
            ("none",      none(),                                                          false, false),
            ("a header",  TokenPlaces { headers: vec![header("x", None)], ..none() },      true,  false),
            ("the query", TokenPlaces { params: names(), ..none() },                       true,  true),
            ("a cookie",  TokenPlaces { cookies: names(), ..none() },                      true,  false),
            ("WebSocket", TokenPlaces { websocket: Some(Marker::new("t")), ..none() },     true,  false),
            ("a form",    TokenPlaces { form: true, ..none() },                            true,  false),
        ];
        for (name, places, any, in_uri) in cases {
            assert_eq!((places.has_any(), places.has_any_in_uri()), (any, in_uri), "{name}");
        }
    }

    #[test]
    fn a_proof_comes_with_the_scheme_of_the_authorization_field() {
        #[rustfmt::skip]
        let cases = [
            ("authorization", Some("DPoP"),   true),
            ("authorization", Some("dpop"),   true),
            ("authorization", Some("Bearer"), false),
            ("authorization", None,           false),
            ("x-token",       Some("DPoP"),   false),
        ];
        for (name, scheme, want) in cases {
            assert_eq!(header(name, scheme).is_dpop(), want, "{name} {scheme:?}");
        }
    }
}
