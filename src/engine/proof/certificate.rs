//! The client's certificate, for tokens that are bound to one ([RFC 8705 §3]).
//!
//! The client has proven in the TLS handshake that it has the certificate's key. Only the comparison is left.
//! The chain does not matter: a self-signed certificate is as good as any other.
//!
//! [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3

pub mod encoding;
mod xfcc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use self::encoding::Encoding;
use self::xfcc::Told;
use crate::base::hash::sha256;
use crate::request::connection::Connection;
use crate::request::head::RequestHead;

/// `mtls.source`: where the client certificate comes from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum CertificateSource {
    /// The TLS connection that the request has come by.
    #[default]
    Connection,
    /// `x-forwarded-client-cert`, from a hop that clients cannot bypass.
    Xfcc {
        /// How many hops write an element. The first is the client's.
        hops: usize,
    },
    /// The certificate itself in a field, from a hop that clients cannot bypass.
    Field {
        /// The field's name, in lower case.
        name: String,
        /// How the certificate is written.
        encoding: Encoding,
    },
}

/// The longest field that is read, in bytes.
const MAX_FIELD: usize = 32 << 10;

impl CertificateSource {
    /// The thumbprint of the client's certificate, as `cnf.x5t#S256` has it ([RFC 8705 §3.1]).
    ///
    /// A field counts only if it has one line. The content of the certificate is not checked: the hop has
    /// verified that the client has the key.
    ///
    /// [RFC 8705 §3.1]: https://www.rfc-editor.org/rfc/rfc8705#section-3.1
    #[inline(never)]
    pub fn thumbprint(&self, head: RequestHead<'_>, connection: Connection<'_>) -> Option<String> {
        let line = |name| head.single(name).filter(|value: &&[u8]| value.len() <= MAX_FIELD);
        match self {
            Self::Connection => thumbprint_of(&connection.certificate_digest()?),
            Self::Xfcc { hops } => match xfcc::client_of(line("x-forwarded-client-cert")?, *hops)? {
                Told::Hash(hash) => thumbprint_of(hash),
                Told::Cert(cert) => Some(thumbprint_of_der(&Encoding::Pem.decode(cert)?)),
            },
            Self::Field { name, encoding } => Some(thumbprint_of_der(&encoding.decode(line(name)?)?)),
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

/// The same of a certificate in DER.
fn thumbprint_of_der(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sha256(&[der]))
}

#[cfg(test)]
mod tests {
    use super::{CertificateSource, Encoding, MAX_FIELD, thumbprint_of};
    use crate::base::ids::StreamId;
    use crate::request::connection::{Connection, Nobody, Peer};
    use crate::request::head::Head;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
        fn certificate_digest(&self, _stream: StreamId) -> Option<Vec<u8>> {
            Some(b"00".repeat(32))
        }

        fn is_tls(&self, _stream: StreamId) -> bool {
            true
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
        assert_eq!(
            by_connection.thumbprint(forged.view(), Connection::new(&Somebody, StreamId(1))),
            Some(zeros)
        );
        assert_eq!(by_connection.thumbprint(forged.view(), Connection::new(&Nobody, StreamId(1))), None);
        let xfcc = CertificateSource::Xfcc { hops: 1 };
        assert_eq!(xfcc.thumbprint(forged.view(), Connection::new(&Somebody, StreamId(1))), Some(ab));
        assert_eq!(xfcc.thumbprint(twice.view(), Connection::new(&Somebody, StreamId(1))), None);
        let name = "x-forwarded-client-cert".to_owned();
        let other = CertificateSource::Field { name, encoding: Encoding::Pem };
        assert_eq!(other.thumbprint(forged.view(), Connection::new(&Somebody, StreamId(1))), None);
    }

    #[test]
    fn a_certificate_in_a_field_is_hashed() {
        // MTL-07: SHA-256 of the bytes 00, ff, bf
        const HASH: &str = "6ZTe80xBpQH0uCX9GVJd82PJOJUbJDYwPfZGtG6K4xY";
        let encoded = "AP+/";
        let pem = "-----BEGIN%20CERTIFICATE-----%0AAP+/%0A-----END%20CERTIFICATE-----";
        let field = |name: &str, encoding| CertificateSource::Field { name: name.to_owned(), encoding };
        #[rustfmt::skip]
        let cases = [
            ("AWS",                    field("x-amzn-mtls-clientcert", Encoding::PemChain), "x-amzn-mtls-clientcert", pem.to_owned(), true),
            ("RFC 9440",               field("client-cert", Encoding::Rfc9440),             "client-cert",            format!(":{encoded}:"), true),
            ("HAProxy",                field("x-ssl-client-der", Encoding::Base64),         "x-ssl-client-der",       encoded.to_owned(), true),
            ("no Hash in the element", CertificateSource::Xfcc { hops: 1 },                 "x-forwarded-client-cert", format!("Cert=\"{pem}\""), true),
            ("another field",          field("client-cert", Encoding::Base64),              "x-client-cert",          encoded.to_owned(), false),
            ("too long",               field("client-cert", Encoding::Base64),              "client-cert",            "A".repeat(MAX_FIELD + 4), false),
        ];
        for (name, source, field, value, is_good) in cases {
            let line = (field.as_bytes().to_vec(), value.into_bytes());
            let once = Head::Lines(vec![line.clone()]);
            assert_eq!(
                source.thumbprint(once.view(), Connection::new(&Somebody, StreamId(1))).as_deref(),
                is_good.then_some(HASH),
                "{name}"
            );
            let twice = Head::Lines(vec![line.clone(), line]);
            assert_eq!(
                source.thumbprint(twice.view(), Connection::new(&Somebody, StreamId(1))),
                None,
                "{name}, twice"
            );
        }
    }
}
