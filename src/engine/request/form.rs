//! The token in a form body ([RFC 6750 §2.2]).
//!
//! [RFC 6750 §2.2]: https://www.rfc-editor.org/rfc/rfc6750#section-2.2

use crate::request::extract::{Found, Place, Sole, TokenError, b64token, is_to_php};
use crate::request::places::TokenPlaces;

/// Finds `access_token` in a whole form body, its names and values decoded as an upstream decodes them.
/// `Ok(None)`: it is missing, or the body is not all ASCII.
pub fn extract(body: &[u8], places: &TokenPlaces) -> Result<Option<Found>, TokenError> {
    if !body.is_ascii() {
        return Ok(None);
    }
    let mut sole = Sole::default();
    for (name, value) in form_urlencoded::parse(body) {
        if is_to_php(name.bytes(), ACCESS_TOKEN) {
            if name != ACCESS_TOKEN {
                return Err(TokenError::MalformedParameter);
            }
            let token = b64token(value.as_bytes()).ok_or(TokenError::MalformedParameter)?;
            sole.put(token, Place::Form)?;
        }
    }
    sole.within(places.max_length)
}

/// The body without its `access_token` fields, every other byte as it was; `None` if there are no such fields.
#[inline(never)]
pub fn strip(body: &[u8]) -> Option<Vec<u8>> {
    let is_token =
        |field: &&[u8]| form_urlencoded::parse(field).any(|(name, _)| is_to_php(name.bytes(), ACCESS_TOKEN));
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
    use crate::base::ids::StreamId;
    use crate::base::time::UnixTime;
    use crate::decision::{Decision, Rejection};
    use crate::enforcer::ports::Ports;
    use crate::enforcer::{Enforcer, Step};
    use crate::jose::portable::Portable;
    use crate::policy::Policy;
    use crate::request::extract::TokenError::{self, MalformedParameter, Several, TooLong};
    use crate::request::places::TokenPlaces;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    pub(super) fn places() -> TokenPlaces {
        TokenPlaces { form: true, max_form_bytes: 100, max_length: 5, ..TokenPlaces::none() }
    }

    #[test]
    fn the_token_in_a_form() {
        // BRR-07, ATK-38
        let places = places();
        #[rustfmt::skip]
        let cases: Vec<(&str, &[u8], Result<Option<&str>, TokenError>)> = vec![
            ("among others",       b"a=1&access_token=tok&b=2",        Ok(Some("tok"))),
            ("an encoded name",    b"access%5Ftoken=tok",              Ok(Some("tok"))),
            ("an encoded value",   b"access_token=a%2Bb",              Ok(Some("a+b"))),
            ("escaped once",       b"access_token=a%252B",             Err(MalformedParameter)),
            ("not an escape",      b"access_token=a%zz",               Err(MalformedParameter)),
            ("an escaped NUL",     b"access_token=a%00",               Err(MalformedParameter)),
            ("beyond ASCII",       b"access_token=%c3%a9",             Err(MalformedParameter)),
            ("a line end",         b"access_token=a\r\n",              Err(MalformedParameter)),
            ("two spellings",      b"access%5ftoken=a&access_token=a", Err(Several)),
            ("a name as PHP reads it", b"access_token=a&access.token=b", Err(MalformedParameter)),
            ("a list to PHP",      b"access_token%5B%5D=a",            Ok(None)),
            ("a name has a case",  b"Access_Token=tok",                Ok(None)),
            ("a semicolon",        b"a=1;access_token=tok",            Ok(None)),
            ("no value",           b"a=1&access_token",                Err(MalformedParameter)),
            ("long enough",        b"access_token=%61bcde",            Ok(Some("abcde"))),
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
        assert_eq!(strip(b"access.token=x&a=b").as_deref(), Some(&b"a=b"[..]));
        assert_eq!(strip(b"a=b"), None);
    }
    #[test]
    fn a_form_beside_a_query_that_is_no_place_for_tokens() {
        // BRR-15
        let cases = [
            ("nothing in the query", "/r", false),
            ("a token in the query", "/r?access_token=x", true),
            ("another spelling", "/r?access%5Ftoken=x", true),
        ];
        for ((name, path, in_query), strict) in
            cases.into_iter().flat_map(|case| [(case, false), (case, true)])
        {
            let token = TokenPlaces { strict_multiple: strict, ..places() };
            let mut enforcer =
                Enforcer::new(Policy { token, ..Policy::bare() }, Ports::new([1, 2], &Portable));
            let fields =
                [(":method", "POST"), (":path", path), ("content-type", "application/x-www-form-urlencoded")];
            let fields = fields.map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).to_vec();
            let now = UnixTime::from_millis(1_800_000_000_000);
            let Step::ReadForm(waiting) = enforcer.begin(StreamId(1), fields, now) else { panic!("{name}") };
            match waiting.body(&mut enforcer, b"access_token=tok", now) {
                Step::Done(outcome) => {
                    assert!(strict && in_query, "{name}");
                    assert!(matches!(outcome.decision, Decision::Deny(Rejection::Several)), "{name}");
                }
                step => assert!(matches!(step, Step::Introspect(..)) && !(strict && in_query), "{name}"),
            }
        }
    }

    #[test]
    fn hostile_forms_take_no_longer_than_they_must() {
        // Each of these would take minutes if time grew with the square of the length.
        for part in ["a%62=c&", "&", "access_token=%zz&b&", "a", "%61", "="] {
            let body = part.repeat(200_000);
            assert!(!matches!(extract(body.as_bytes(), &places()), Ok(Some(_))), "{part}");
            strip(body.as_bytes());
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws {
    use super::tests::places;
    use super::{extract, strip};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::{collection, sample};

    const PIECES: &[&str] =
        &["access_token", "access%5Ftoken", "=", "&", "a", "+", "%2B", "%zz", "%", "\u{e9}"];

    proptest! {
        #[test]
        fn no_body_is_too_strange(body in any::<Vec<u8>>()) {
            let _ = (extract(&body, &places()), strip(&body));
        }

        // BRR-08
        #[test]
        fn stripping_leaves_nothing_to_find(pieces in collection::vec(sample::select(PIECES), 0..12)) {
            let body = pieces.concat().into_bytes();
            let left = strip(&body);
            prop_assert_eq!(left.as_deref().and_then(strip), None);
            prop_assert_eq!(extract(left.as_deref().unwrap_or(&body), &places()), Ok(None));
            if matches!(extract(&body, &places()), Ok(Some(_)) | Err(_)) {
                prop_assert!(left.is_some());
            }
        }

        // BRR-08
        #[test]
        fn stripping_keeps_all_other_fields(
            before in collection::vec("[a-z%=+.;]{0,5}", 0..4), after in collection::vec("[a-z%=+.;]{0,5}", 0..4)
        ) {
            let with = [&before[..], &["access_token=tok".to_owned()], &after[..]].concat().join("&");
            let without = [before, after].concat().join("&").into_bytes();
            prop_assert_eq!(strip(with.as_bytes()), Some(without));
        }

        #[test]
        fn a_token_comes_out_as_it_went_in(token in "[A-Za-z0-9._~+/-]{1,4}=?") {
            let body: String = form_urlencoded::Serializer::new(String::new())
                .append_pair("a", "&access_token=x")
                .append_pair("access_token", &token)
                .finish();
            let found = extract(body.as_bytes(), &places()).unwrap().unwrap();
            prop_assert_eq!(found.token.expose(), token);
        }
    }
}
