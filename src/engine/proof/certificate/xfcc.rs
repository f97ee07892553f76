//! `x-forwarded-client-cert`, as Envoy writes it.
//!
//! An element describes one TLS connection: `By=…;Hash=…;Cert="…";Chain="…";Subject="…";URI=…;DNS=…`, in this
//! order, some of them absent. Elements are joined by commas. `By` and `Hash` are written by the hop.
//! `Subject`, `URI` and `DNS` come from the certificate, whose maker chooses them, and Envoy writes `URI` and
//! `DNS` without quotes. So they may hold commas, quotes and what looks like a `Hash`.
//!
//! Only the part before everything that a client can choose is trusted: the start of the field. Everything
//! after it is read as bytes, without quotes or escapes, because the client could open a quote that the hop
//! then closes. Anything that could be the start of an element counts as one.

/// What an element says about a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Told<'a> {
    /// Its SHA-256, in hexadecimal.
    Hash(&'a [u8]),
    /// The certificate itself, as percent-encoded PEM.
    Cert(&'a [u8]),
}

/// What the first element says, if there are exactly `hops` of them; `None`: nothing that can be trusted.
pub(super) fn client_of(field: &[u8], hops: usize) -> Option<Told<'_>> {
    let (told, rest) = head(field)?;
    let is_one = matches!(rest.first(), None | Some(b';' | b','));
    (is_one && count(rest, matches!(told, Told::Cert(_)))? == hops).then_some(told)
}

/// Reads `By`, if it is there, and the `Hash` or the `Cert` that follows; and says what is left.
fn head(mut element: &[u8]) -> Option<(Told<'_>, &[u8])> {
    loop {
        let (key, after) = key(element)?;
        let end = after.iter().position(|b| matches!(b, b';' | b',')).unwrap_or(after.len());
        let (value, rest) = after.split_at_checked(end)?;
        match key {
            Key::By => element = rest.strip_prefix(b";").filter(|_| !value.contains(&b'"'))?,
            Key::Hash => return Some((Told::Hash(bare(value)), rest)),
            Key::Cert => return Some((Told::Cert(bare(value)), rest)),
            Key::Other => return None,
        }
    }
}

/// How many elements there are, the one that `rest` belongs to included. `None`: that one goes on with
/// another `By` or `Hash`, or with a second `Cert`.
fn count(rest: &[u8], has_cert: bool) -> Option<usize> {
    let mut elements = 1_usize;
    for (at, byte) in rest.iter().enumerate() {
        let key = || key(rest.get(at.saturating_add(1)..)?.trim_ascii_start()).map(|(key, _)| key);
        match (byte, elements) {
            (b',', _) if key().is_some() => elements = elements.saturating_add(1),
            (b',', 1) if at == 0 => return None,
            (b';', 1) => match key() {
                Some(Key::By | Key::Hash) => return None,
                Some(Key::Cert) if has_cert => return None,
                _ => {}
            },
            _ => {}
        }
    }
    Some(elements)
}

#[derive(Clone, Copy, Debug)]
enum Key {
    By,
    Hash,
    Cert,
    Other,
}

/// The key at the start of some text, in any letter case, and what stands behind its `=`.
fn key(text: &[u8]) -> Option<(Key, &[u8])> {
    let at = text.iter().take(LONGEST).position(|b| *b == b'=')?;
    let (name, after) = text.split_at_checked(at)?;
    let known = KEYS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    Some((known.1, after.get(1..)?))
}

/// A value without the quotes around it.
fn bare(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value)
}

const KEYS: [(&[u8], Key); 7] = [
    (b"by", Key::By),
    (b"hash", Key::Hash),
    (b"cert", Key::Cert),
    (b"chain", Key::Other),
    (b"subject", Key::Other),
    (b"uri", Key::Other),
    (b"dns", Key::Other),
];

/// The longest of those, and a `=`.
const LONGEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::{Told, client_of};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn hash(field: &str, hops: usize) -> Option<&str> {
        match client_of(field.as_bytes(), hops) {
            Some(Told::Hash(hash)) => std::str::from_utf8(hash).ok(),
            _ => None,
        }
    }

    #[test]
    fn the_only_element_counts() {
        // MTL-07, MTL-08
        #[rustfmt::skip]
        let cases = [
            ("one",                        "Hash=bb",                                                   Some("bb")),
            ("all that Envoy writes",      "By=spiffe://a;Hash=bb;Cert=\"c\";Chain=\"cd\";Subject=\"CN=a\";URI=spiffe://b;URI=c;DNS=d", Some("bb")),
            ("a hop with two names",       "By=spiffe://a;By=https://a;Hash=bb",                        Some("bb")),
            ("a hop's name with a =",      "By=https://a?b=c;Hash=bb",                                  Some("bb")),
            ("in other letters",           "by=a;HASH=bb",                                              Some("bb")),
            ("in quotes",                  "Hash=\"bb\"",                                               Some("bb")),
            ("parts of a name",            "Hash=bb;Subject=\"CN=a,O=b, C=d\"",                         Some("bb")),
            ("commas within a name",       "Hash=bb;Subject=\"CN=a\\,b\";URI=https://c/d,e;DNS=f",      Some("bb")),
            ("quotes within a name",       "Hash=bb;Subject=\"CN=\\\"a\\\"\"",                          Some("bb")),
            ("a quote that does not end",  "Hash=bb;Subject=\"x",                                       Some("bb")),
            ("an empty name",              "Hash=bb;Subject=\"\";URI=",                                 Some("bb")),
            ("no hash",                    "By=x",                                                      None),
            ("no value",                   "Hash",                                                      None),
            ("an empty element behind",    "Hash=aa,",                                                  None),
            ("an empty element before",    ",Hash=aa",                                                  None),
            ("something behind",           "Hash=aa,bb",                                                None),
            ("a space before",             " Hash=aa",                                                  None),
            ("nothing",                    "",                                                          None),
            ("a quoted By",                "By=\"a;Hash=aa\";Hash=bb",                                  None),
            ("a By that does not end",     "By=a,Hash=bb",                                              None),
            ("Envoy's JSON",               "[{\"hash\":\"bb\",\"subject\":\"CN=a\"}]",                    None),
            ("with the issuer (1.38)",     "Hash=bb;Subject=\"CN=a\";URI=;Issuer=\"CN=b\"",             Some("bb")),
        ];
        for (name, field, want) in cases {
            assert_eq!(hash(field, 1), want, "{name}");
        }
    }

    #[test]
    fn a_client_s_words_are_never_an_element() {
        // MTL-08, ATK-99: in each, `aa` is what the client would like to have
        #[rustfmt::skip]
        let cases = [
            // What the hop writes in the place of the client's field: the client's certificate is `bb`.
            ("a URI with a comma",             "Hash=bb;URI=spiffe://a/b,Hash=aa"),
            ("and a space",                    "Hash=bb;URI=spiffe://a/b, Hash=aa"),
            ("and a tab",                      "Hash=bb;URI=spiffe://a/b,\tHash=aa"),
            ("in other letters",               "Hash=bb;URI=spiffe://a/b,hASH=aa"),
            ("a URI with a semicolon",         "Hash=bb;URI=spiffe://a/b;Hash=aa"),
            ("a DNS name",                     "Hash=bb;Subject=\"\";URI=a;DNS=b,Hash=aa"),
            ("the second URI",                 "Hash=bb;URI=a;URI=b,By=x;Hash=aa"),
            ("an element with all",            "Hash=bb;URI=a,By=b;Hash=aa;Subject=\"CN=c\";URI=d"),
            ("an element that has a Cert",     "Hash=bb;URI=a,Cert=\"aa\""),
            ("an element that starts oddly",   "Hash=bb;URI=a,Subject=\"\";Hash=aa"),
            ("a quote that hides the comma",   "Hash=bb;Subject=\"CN=\\\",Hash=aa\""),
            ("a quote across two names",       "Hash=bb;URI=a\",Hash=aa;URI=\"b"),
            ("a backslash before the comma",   "Hash=bb;URI=a\\,Hash=aa"),
            ("a second Hash at once",          "Hash=bb;Hash=aa"),
            ("a hop that writes names first",  "URI=a;Hash=aa"),
            ("a subject first",                "Subject=\"CN=a\";Hash=aa"),
            ("a hop that writes DNS first",    "DNS=a,Hash=aa"),
            // What the client sends, and a hop that adds to it: `,Hash=bb` and what follows.
            ("a field of its own",             "Hash=aa,Hash=bb;URI=a"),
            ("added with a space",             "Hash=aa, Hash=bb"),
            ("added by a hop with a name",     "Hash=aa,By=x;Hash=bb"),
            ("a quote that the hop closes",    "Hash=aa;Subject=\",Hash=bb;URI=a\""),
            ("a quote that the subject closes", "Hash=aa;Subject=\",Hash=bb;Subject=\"\""),
            ("an escape at the end",           "Hash=aa\\,Hash=bb"),
            ("an escape in a quote",           "Hash=aa;Subject=\"\\,Hash=bb"),
            ("a semicolon at the end",         "Hash=aa;,Hash=bb"),
            ("a comma at the end",             "Hash=aa,,Hash=bb"),
            ("a By at the end",                "Hash=aa;By=,Hash=bb"),
        ];
        for (name, field) in cases {
            assert_ne!(hash(field, 1), Some("aa"), "{name}");
            assert_eq!(client_of(field.as_bytes(), 1), None, "{name}");
        }
    }

    #[test]
    fn with_several_hops_the_first_element_counts_if_all_have_written() {
        // MTL-07, MTL-08
        let both = "By=a;Hash=bb;Subject=\"CN=c,O=d\";URI=e,By=f;Hash=cc;Subject=\"\";URI=a";
        #[rustfmt::skip]
        let cases = [
            ("two of two",                    both,                                            2, Some("bb")),
            ("two of one",                    both,                                            1, None),
            ("two of three",                  both,                                            3, None),
            ("one of two",                    "Hash=bb",                                       2, None),
            ("three of three",                "Hash=bb,Hash=cc,By=d;Hash=dd",                  3, Some("bb")),
            ("a client that adds one",        "Hash=bb;URI=x,Hash=aa,By=f;Hash=cc",            2, None),
            ("a hop that was left out",       "Hash=bb;URI=x,Hash=aa",                         2, Some("bb")),
            ("a second Hash in the first",    "Hash=bb;URI=x;Hash=aa,By=f;Hash=cc",            2, None),
        ];
        for (name, field, hops, want) in cases {
            assert_eq!(hash(field, hops), want, "{name}");
        }
    }

    #[test]
    fn a_certificate_counts_where_there_is_no_hash() {
        // MTL-07
        #[rustfmt::skip]
        let cases: [(&str, &str, Option<&str>); 7] = [
            ("alone",                    "Cert=\"cc\"",                        Some("cc")),
            ("after By",                 "By=a;Cert=\"cc\";Subject=\"CN=a\"",  Some("cc")),
            ("without quotes",           "Cert=cc",                            Some("cc")),
            ("and a Hash",               "Cert=\"cc\";Hash=aa",                None),
            ("twice",                    "Cert=\"cc\";Cert=\"aa\"",            None),
            ("after a name",             "URI=a;Cert=\"aa\"",                  None),
            ("a chain alone",            "Chain=\"aa\"",                       None),
        ];
        for (name, field, want) in cases {
            let want = want.map(|cert| Told::Cert(cert.as_bytes()));
            assert_eq!(client_of(field.as_bytes(), 1), want, "{name}");
        }
    }
}
