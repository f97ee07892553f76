//! The token in a form body ([RFC 6750 §2.2]).
//!
//! [RFC 6750 §2.2]: https://www.rfc-editor.org/rfc/rfc6750#section-2.2

use crate::policy::TokenPlaces;
use crate::request::token::{Found, Place, Sole, TokenError, b64token};

/// Finds `access_token` in a whole form body. `Ok(None)`: there is none, or the body is not all ASCII.
pub fn extract(body: &[u8], places: &TokenPlaces) -> Result<Option<Found>, TokenError> {
    if !body.is_ascii() {
        return Ok(None);
    }
    let mut sole = Sole::default();
    for (name, value) in form_urlencoded::parse(body) {
        if name == ACCESS_TOKEN {
            let token = b64token(value.as_bytes()).ok_or(TokenError::MalformedParameter)?;
            sole.put(token, Place::Form)?;
        }
    }
    sole.within(places.max_length)
}

/// The body without its `access_token` fields, every other byte as it was; `None` if there is none.
pub fn strip(body: &[u8]) -> Option<Vec<u8>> {
    let is_token = |field: &&[u8]| form_urlencoded::parse(field).any(|(name, _)| name == ACCESS_TOKEN);
    let fields = || body.split(|byte| *byte == b'&');
    fields().any(|field| is_token(&field)).then(|| {
        let kept: Vec<&[u8]> = fields().filter(|field| !is_token(field)).collect();
        kept.join(&b'&')
    })
}

const ACCESS_TOKEN: &str = "access_token";

#[cfg(test)]
mod tests {
    use super::{extract, strip};
    use crate::policy::TokenPlaces;
    use crate::request::token::TokenError::{self, MalformedParameter, Several, TooLong};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_token_in_a_form() {
        // BRR-07, ATK-38
        let places = TokenPlaces {
            headers: Vec::new(),
            params: Vec::new(),
            cookies: Vec::new(),
            form: true,
            max_form_bytes: 100,
            max_length: 5,
            forward: true,
            strict_multiple: false,
            require_tls: false,
        };
        #[rustfmt::skip]
        let cases: Vec<(&str, &[u8], Result<Option<&str>, TokenError>)> = vec![
            ("among others",       b"a=1&access_token=tok&b=2",        Ok(Some("tok"))),
            ("an encoded name",    b"access%5Ftoken=tok",              Ok(Some("tok"))),
            ("an encoded value",   b"access_token=a%2Bb",              Ok(Some("a+b"))),
            ("a space",            b"access_token=a+b",                Err(MalformedParameter)),
            ("twice",              b"access_token=a&access_token=a",   Err(Several)),
            ("empty",              b"access_token=",                   Err(MalformedParameter)),
            ("too long",           b"access_token=abcdef",             Err(TooLong)),
            ("none",               b"a=access_token",                  Ok(None)),
            ("not ASCII",          b"access_token=tok&x=\xff",         Ok(None)),
            ("nothing",            b"",                                Ok(None)),
        ];
        for (name, body, want) in cases {
            let got = extract(body, &places);
            assert_eq!(
                got.as_ref().map(|f| f.as_ref().map(|f| f.token.expose())).map_err(|e| *e),
                want,
                "{name}"
            );
        }
    }

    #[test]
    fn stripping_leaves_every_other_byte() {
        // BRR-08
        assert_eq!(strip(b"a=%zz&access_token=x&b=+").as_deref(), Some(&b"a=%zz&b=+"[..]));
        assert_eq!(strip(b"access%5ftoken=x").as_deref(), Some(&b""[..]));
        assert_eq!(strip(b"a=b"), None);
    }
}
