//! The client's certificate, for tokens that are bound to one ([RFC 8705 §3]).
//!
//! Whoever has the certificate's key has proven it in the TLS handshake, before any request; what is left
//! is to compare. The chain plays no part: a certificate of one's own making is as good as any.
//!
//! [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::request::head::RequestHead;

/// `mtls.source`: who tells of the client's certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CertificateSource {
    /// The TLS connection that the request has come by.
    #[default]
    Connection,
    /// The last element of `x-forwarded-client-cert`, which the hop before has added. Only for a hop that
    /// nobody can get around.
    Xfcc,
}

/// Who knows the connection of the request that is being decided.
pub trait Peer: fmt::Debug {
    /// The SHA-256 of the client's certificate, in hexadecimal; `None`: it has shown none.
    fn certificate_digest(&self) -> Option<Vec<u8>>;
}

/// Nobody knows of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Peer for Nobody {
    fn certificate_digest(&self) -> Option<Vec<u8>> {
        None
    }
}

impl CertificateSource {
    /// The thumbprint of the client's certificate, as `cnf.x5t#S256` has it ([RFC 8705 §3.1]).
    ///
    /// [RFC 8705 §3.1]: https://www.rfc-editor.org/rfc/rfc8705#section-3.1
    #[inline(never)]
    pub fn thumbprint(self, head: RequestHead<'_>, peer: &dyn Peer) -> Option<String> {
        match self {
            Self::Connection => thumbprint_of(&peer.certificate_digest()?),
            Self::Xfcc => thumbprint_of(hash_of(head.single("x-forwarded-client-cert")?)?),
        }
    }
}

/// base64url without padding, of 32 bytes in hexadecimal.
pub fn thumbprint_of(hex: &[u8]) -> Option<String> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = hex
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(high)? << 4) | digit(low)?),
            _ => None,
        })
        .collect();
    bytes.filter(|bytes| bytes.len() == 32).map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// The `Hash` of the last element. Elements are parted by commas, their pairs by semicolons; in quotes
/// neither does, and a backslash takes the next character as it is. What does not end as it should says
/// nothing at all: what seems to be the last element might be within somebody's name.
fn hash_of(field: &[u8]) -> Option<&[u8]> {
    let last = parts(field, b',')?.pop()?;
    let mut hash = None;
    for pair in parts(last, b';')? {
        let at = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        if name.trim_ascii().eq_ignore_ascii_case(b"hash") && hash.replace(value.get(1..)?).is_some() {
            return None;
        }
    }
    let hash = hash?.trim_ascii();
    Some(hash.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(hash))
}

/// Splits where a byte stands outside of quotes; `None` if a quote or an escape does not end.
fn parts(field: &[u8], by: u8) -> Option<Vec<&[u8]>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in field.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if *byte == by && !is_quoted => {
                parts.push(field.get(start..at)?);
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.push(field.get(start..)?);
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::{CertificateSource, Nobody, Peer, hash_of, thumbprint_of};
    use crate::request::head::Head;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_last_hash_counts() {
        // MTL-07, MTL-08
        #[rustfmt::skip]
        let cases: [(&str, &str, Option<&str>); 17] = [
            ("one",                        "Hash=bb",                                                  Some("bb")),
            ("among others",               "By=spiffe://a;Hash=bb;Subject=\"CN=a\";URI=spiffe://b",    Some("bb")),
            ("in other letters",           "by=a;HASH=bb",                                             Some("bb")),
            ("in quotes",                  "Hash=\"bb\"",                                              Some("bb")),
            ("the last element",           "Hash=aa;Subject=\"CN=a\",Hash=bb",                         Some("bb")),
            ("a space between",            "Hash=aa, Hash=bb",                                         Some("bb")),
            ("commas within a name",       "Hash=aa;Subject=\"CN=a,b\", Hash=bb;Subject=\"O=x,CN=y\"", Some("bb")),
            ("semicolons within a name",   "Hash=bb;Subject=\"CN=a;Hash=aa\"",                         Some("bb")),
            ("quotes within a name",       "Hash=bb;Subject=\"CN=\\\"a\\\",Hash=aa\"",                 Some("bb")),
            ("a backslash within a name",  "Subject=\"CN=a\\\\\";Hash=bb",                             Some("bb")),
            ("the last has none",          "Hash=aa,By=x",                                             None),
            ("the last is empty",          "Hash=aa,",                                                 None),
            ("two in one element",         "Hash=aa;Hash=bb",                                          None),
            ("no value",                   "Hash",                                                     None),
            ("a quote that does not end",  "Hash=aa;Subject=\"x,Hash=bb",                              None),
            ("an escape at the end",       "Hash=aa;Subject=\"x\\",                                    None),
            ("nothing",                    "",                                                         None),
        ];
        for (name, field, want) in cases {
            assert_eq!(hash_of(field.as_bytes()), want.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn a_digest_becomes_a_thumbprint() {
        // MTL-04, MTL-08
        let ab = "ab".repeat(32);
        let want = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s";
        #[rustfmt::skip]
        let cases = [
            ("lower case",     ab.clone(),                  Some(want.to_owned())),
            ("upper case",     ab.to_uppercase(),           Some(want.to_owned())),
            ("zeros",          "00".repeat(32),             Some("A".repeat(43))),
            ("an odd length",  ab.replacen('a', "", 1),     None),
            ("too short",      "ab".repeat(31),             None),
            ("too long",       "ab".repeat(33),             None),
            ("not hexadecimal", "xy".repeat(32),            None),
            ("a sign",         format!("+b{}", "ab".repeat(31)), None),
            ("nothing",        String::new(),               None),
        ];
        for (name, hex, want) in cases {
            assert_eq!(thumbprint_of(hex.as_bytes()), want, "{name}");
        }
    }

    #[derive(Debug)]
    struct Somebody;

    impl Peer for Somebody {
        fn certificate_digest(&self) -> Option<Vec<u8>> {
            Some(b"00".repeat(32))
        }
    }

    #[test]
    fn the_source_that_is_configured_is_the_only_one() {
        // MTL-05, MTL-06
        let line = |value: String| (b"x-forwarded-client-cert".to_vec(), value.into_bytes());
        let forged = Head::Lines(vec![line(format!("Hash={}", "ab".repeat(32)))]);
        let twice = Head::Lines(vec![line("Hash=aa".to_owned()), line(format!("Hash={}", "ab".repeat(32)))]);
        let (zeros, ab) = ("A".repeat(43), "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s".to_owned());
        let by_connection = CertificateSource::Connection;
        assert_eq!(by_connection.thumbprint(forged.view(), &Somebody), Some(zeros));
        assert_eq!(by_connection.thumbprint(forged.view(), &Nobody), None);
        assert_eq!(CertificateSource::Xfcc.thumbprint(forged.view(), &Somebody), Some(ab));
        assert_eq!(CertificateSource::Xfcc.thumbprint(twice.view(), &Somebody), None);
    }
}
