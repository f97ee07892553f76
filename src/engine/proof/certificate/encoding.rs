//! A certificate in a header field, in the ways that proxies write it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::named::named;
use crate::request::path::escaped_byte;

/// `mtls.format`: how a certificate is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// PEM ([RFC 7468 §5]), percent-encoded; a `+` is a `+`. One certificate.
    ///
    /// [RFC 7468 §5]: https://www.rfc-editor.org/rfc/rfc7468#section-5
    Pem,
    /// The same with the certificates of its issuers behind it, as TLS has them: the client's own is the
    /// first.
    PemChain,
    /// A byte sequence of structured fields ([RFC 9440 §2.1]): base64 of DER between colons.
    ///
    /// [RFC 9440 §2.1]: https://www.rfc-editor.org/rfc/rfc9440#section-2.1
    Rfc9440,
    /// base64 of DER.
    Base64,
}

named! { Encoding:
    Pem = "pem",
    PemChain = "pem_chain",
    Rfc9440 = "rfc9440",
    Base64 = "base64",
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

impl Encoding {
    /// The certificate's DER. `None`: the value is not of this form. Two lines that were joined with a comma
    /// have no valid form.
    pub(super) fn decode(self, value: &[u8]) -> Option<Vec<u8>> {
        let value = value.trim_ascii();
        match self {
            Self::Pem | Self::PemChain => {
                let text = percent_decoded(value)?;
                let (der, rest) = block(&text)?;
                let rest = rest.trim_ascii_start();
                let is_complete = rest.is_empty() || self == Self::PemChain && rest.starts_with(BEGIN);
                is_complete.then_some(der)
            }
            Self::Rfc9440 => base64(value.strip_prefix(b":")?.strip_suffix(b":")?),
            Self::Base64 => base64(value),
        }
    }
}

/// The first certificate of a text, and what stands behind it.
fn block(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let inner = text.trim_ascii_start().strip_prefix(BEGIN)?;
    let end = inner.windows(END.len()).position(|part| part == END)?;
    let (inner, rest) = inner.split_at_checked(end)?;
    let lines: Vec<u8> = inner.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    Some((base64(&lines)?, rest.get(END.len()..)?))
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().filter(|der| !der.is_empty())
}

fn percent_decoded(value: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { escaped_byte(bytes.next(), bytes.next())? } else { byte });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::Encoding::{self, Base64, Pem, PemChain, Rfc9440};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn certificates_as_proxies_write_them() {
        // MTL-07
        let envoy = "-----BEGIN%20CERTIFICATE-----%0AAP%2B%2F%0A-----END%20CERTIFICATE-----%0A";
        let aws = "-----BEGIN%20CERTIFICATE-----%0AAP+/%0A-----END%20CERTIFICATE-----%0A";
        let lines = "-----BEGIN%20CERTIFICATE-----%0D%0AAP%0d%0A%2b/-----END%20CERTIFICATE-----";
        let other = "-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----";
        let (chain, pair) = (format!("{aws}{other}"), format!("{aws},{other}"));
        let key = aws.replace("CERTIFICATE", "PRIVATE%20KEY");
        #[rustfmt::skip]
        let cases: [(&str, Encoding, &str, bool); 33] = [
            ("as Envoy and nginx escape it",   Pem,      envoy,                               true),
            ("as AWS escapes it",              Pem,      aws,                                 true),
            ("other ends of lines",            Pem,      lines,                               true),
            ("one of one",                     PemChain, aws,                                 true),
            ("the client's own is the first",  PemChain, &chain,                              true),
            ("a second one",                   Pem,      &chain,                              false),
            ("two lines joined",               Pem,      &pair,                               false),
            ("two lines joined",               PemChain, &pair,                               false),
            ("text behind",                    PemChain, &format!("{aws}x"),                  false),
            ("text before",                    Pem,      &format!("x{aws}"),                  false),
            ("a + for a space",                Pem,      &aws.replace("%20", "+"),            false),
            ("no end",                         Pem,      "-----BEGIN%20CERTIFICATE-----AP+/", false),
            ("a key",                          Pem,      &key,                                false),
            ("half an escape",                 Pem,      &format!("{aws}%0"),                 false),
            ("an escape that is none",         Pem,      &aws.replace("%0A", "%0G"),          false),
            ("an empty one",                   Pem,      &aws.replace("AP+/", ""),            false),
            ("base64 without armor",           Pem,      "AP+/",                              false),
            ("a byte sequence",                Rfc9440,  ":AP+/:",                            true),
            ("with spaces around it",          Rfc9440,  " :AP+/: ",                          true),
            ("with a parameter",               Rfc9440,  ":AP+/:;a=b",                        false),
            ("two lines joined",               Rfc9440,  ":AP+/:, :AAAA:",                    false),
            ("no colons",                      Rfc9440,  "AP+/",                              false),
            ("one colon",                      Rfc9440,  ":",                                 false),
            ("nothing between",                Rfc9440,  "::",                                false),
            ("base64url",                      Rfc9440,  ":AP-_:",                            false),
            ("a string",                       Rfc9440,  "\"AP+/\"",                          false),
            ("base64",                         Base64,   "AP+/",                              true),
            ("base64url",                      Base64,   "AP-_",                              false),
            ("two lines joined",               Base64,   "AP+/,AAAA",                         false),
            ("a space within",                 Base64,   "AP +/",                             false),
            ("no padding",                     Base64,   "AP+/AA",                            false),
            ("colons",                         Base64,   ":AP+/:",                            false),
            ("nothing",                        Base64,   "",                                  false),
        ];
        for (name, encoding, value, is_good) in cases {
            let want = is_good.then(|| vec![0, 0xff, 0xbf]);
            assert_eq!(encoding.decode(value.as_bytes()), want, "{encoding:?}: {name}");
        }
    }
}
