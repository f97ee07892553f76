use super::{Stripped, TokenError, b64token, extract, has_second_method, strip, wants_form};
use crate::request::head::RequestHead;
use crate::request::places::{TokenHeader, TokenPlaces};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::{collection, prop_oneof, sample};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn places() -> TokenPlaces {
    let header = |name: &str, scheme: Option<&str>| TokenHeader {
        name: name.to_owned(),
        scheme: scheme.map(ToOwned::to_owned),
    };
    TokenPlaces {
        headers: vec![
            header("authorization", Some("Bearer")),
            header("authorization", Some("Token")),
            header("x-token", None),
        ],
        params: vec!["access_token".to_owned()],
        cookies: vec!["session".to_owned()],
        form: true,
        max_form_bytes: 100,
        max_length: 16,
        forward: false,
        strict_multiple: true,
        ..TokenPlaces::none()
    }
}

fn joined(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    collection::vec(sample::select(pieces), 0..8).prop_map(|pieces| pieces.concat().into_bytes())
}

/// A field line out of the pieces that matter, or of anything.
fn line() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let name = |name: &'static str| move |value| (name.as_bytes().to_vec(), value);
    let credentials = || {
        joined(&[
            "Bearer", "bearer", "Token", "Basic", " ", ",", "\t", "tok", "a+/=", "=", "\0", "\r", "\u{e9}",
        ])
    };
    let names = &["authorization", "x-token", "cookie", ":path", "content-type", ":method"][..];
    prop_oneof![
        credentials().prop_map(name("authorization")),
        credentials().prop_map(name("x-token")),
        joined(&["session", "=", ";", " ", "a", "\"", "\t", ","]).prop_map(name("cookie")),
        joined(&["access_token", "access%5Ftoken", "=", "&", "a", "%2B", "%zz", "?", "ticket", ";"])
            .prop_map(|query| [b"/r?", query.as_slice()].concat())
            .prop_map(name(":path")),
        (sample::select(names), any::<Vec<u8>>()).prop_map(|(n, value)| (n.as_bytes().to_vec(), value)),
        (any::<Vec<u8>>(), any::<Vec<u8>>()),
    ]
}

fn heads() -> impl Strategy<Value = Fields> {
    collection::vec(line(), 0..5)
}

fn apply(stripped: Stripped, mut fields: Fields) -> Fields {
    fields.retain(|(name, _)| !stripped.remove.iter().any(|gone| name.eq_ignore_ascii_case(gone.as_bytes())));
    fields.extend(stripped.set.into_iter().map(|(name, value)| (name.into_bytes(), value)));
    if let Some(path) = stripped.path {
        fields.retain(|(name, _)| name != b":path");
        fields.push((b":path".to_vec(), path));
    }
    fields
}

proptest! {
    #[test]
    fn no_head_is_too_strange(fields in heads()) {
        let head = RequestHead::new(&fields);
        if let Ok(Some(found)) = extract(head, &places(), &["ticket".to_owned()]) {
            prop_assert!(found.token.expose().bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
            prop_assert!((1..=16).contains(&found.token.expose().len()));
        }
        wants_form(head, &places());
        has_second_method(head, &places(), &[]);
    }

    // BRR-18
    #[test]
    fn stripping_leaves_nothing_to_find(fields in heads()) {
        let extra = ["ticket".to_owned()];
        let left = apply(strip(RequestHead::new(&fields), &places(), &extra), fields);
        let head = RequestHead::new(&left);
        prop_assert_eq!(extract(head, &places(), &extra), Ok(None));
        prop_assert_eq!(strip(head, &places(), &extra), Stripped::default());
    }

    // BRR-18
    #[test]
    fn stripping_keeps_all_other_parameters(
        before in collection::vec("[a-z%=+.;]{0,5}", 0..4), after in collection::vec("[a-z%=+.;]{0,5}", 0..4)
    ) {
        let target = |pairs: &[String]| match pairs {
            [] => b"/r".to_vec(),
            pairs => format!("/r?{}", pairs.join("&")).into_bytes(),
        };
        let with = [&before[..], &["access_token=tok".to_owned()], &after[..]].concat();
        let fields = vec![(b":path".to_vec(), target(&with))];
        let stripped = strip(RequestHead::new(&fields), &places(), &[]);
        prop_assert_eq!(stripped.path, Some(target(&[before, after].concat())));
    }

    // BRR-01, BRR-12: a token is found as it was sent, wherever it was sent.
    #[test]
    fn a_token_comes_out_as_it_went_in(token in "[A-Za-z0-9._~+/-]{1,12}={0,4}", escape in any::<bool>()) {
        let escaped = token.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        let in_query = if escape { &escaped } else { &token };
        for (name, value) in [
            ("authorization", format!(" bEARER   {token} ")),
            ("authorization", format!("Token {token}")),
            ("x-token", format!("\t{token}")),
            ("cookie", format!("a=b;  session={token} ;c")),
            (":path", format!("/r?a=b&access_token={in_query}&c")),
        ] {
            let fields = vec![(name.as_bytes().to_vec(), value.clone().into_bytes())];
            let found = extract(RequestHead::new(&fields), &places(), &[]).unwrap().unwrap();
            prop_assert_eq!(found.token.expose(), &token, "{}: {}", name, value);
        }
    }

    // BRR-13
    #[test]
    fn two_places_are_one_too_many(at in sample::subsequence(vec![0, 1, 2, 3], 2)) {
        let all = [
            (":path", "/r?access_token=a"), ("authorization", "Bearer a"), ("x-token", "a"), ("cookie", "session=a")
        ];
        let fields: Fields =
            at.into_iter().map(|at| (all[at].0.as_bytes().to_vec(), all[at].1.as_bytes().to_vec())).collect();
        prop_assert_eq!(extract(RequestHead::new(&fields), &places(), &[]), Err(TokenError::Several));
    }

    // BRR-04
    #[test]
    fn the_alphabet_is_that_of_the_grammar(bytes in any::<Vec<u8>>(), text in "[a=+,/ .]{0,6}") {
        let grammar = regex_lite::Regex::new(r"\A[A-Za-z0-9._~+/-]+=*\z").unwrap();
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let fits = std::str::from_utf8(bytes).is_ok_and(|text| grammar.is_match(text));
            prop_assert_eq!(b64token(bytes).is_some(), fits);
        }
    }
}
