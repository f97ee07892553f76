//! A signed object in its compact form ([RFC 7515 §3.1]), taken apart and not believed yet.
//!
//! [RFC 7515 §3.1]: https://www.rfc-editor.org/rfc/rfc7515#section-3.1

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::json::{self, Map, Value};
use crate::jose::algorithm::Algorithm;

/// The longest header, in bytes of JSON.
pub const MAX_HEADER: usize = 4096;

/// A signed object.
#[derive(Clone, Debug)]
pub struct Compact<'a> {
    /// What its header says.
    pub header: Header,
    /// What is signed, besides the header.
    pub payload: Vec<u8>,
    /// The bytes that the signature is over, as they were received.
    pub signing_input: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
}

/// A header ([RFC 7515 §4.1]). Members that name or hold keys (`jku`, `x5u`, `x5c`, `x5t`) are not read.
///
/// [RFC 7515 §4.1]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1
#[derive(Clone, Debug)]
pub struct Header {
    /// How it is signed.
    pub alg: Algorithm,
    /// What it is.
    pub typ: Option<String>,
    /// What its payload is.
    pub cty: Option<String>,
    /// Which key it is signed with: a hint.
    pub kid: Option<String>,
    /// The key that it is signed with, by its own account. Only what is meant to prove the possession of
    /// that very key ([RFC 9449 §4.2]) may be verified with it.
    ///
    /// [RFC 9449 §4.2]: https://www.rfc-editor.org/rfc/rfc9449#section-4.2
    pub jwk: Option<Value>,
}

/// Why something is no signed object that we understand.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JwsFault {
    /// Not three parts.
    #[error("not three parts")]
    Parts,
    /// Five parts: encrypted.
    #[error("encrypted, which is not supported")]
    Encrypted,
    /// A part is no base64url without padding, in its only spelling.
    #[error("a part is not base64url")]
    Base64,
    /// The header is longer than [`MAX_HEADER`].
    #[error("the header is too long")]
    HeaderTooLong,
    /// The header is not one strict JSON object.
    #[error("the header is not a JSON object")]
    Header,
    /// `alg` is missing, no text, or unknown (`none` and HMAC are not known).
    #[error("its algorithm is not allowed")]
    Algorithm,
    /// `typ`, `cty` or `kid` is not text.
    #[error("a member of the header is of the wrong type")]
    Member,
    /// There are extensions that have to be understood, and none is understood.
    #[error("the header requires an extension")]
    Critical,
}

impl<'a> Compact<'a> {
    /// Takes it apart.
    pub fn parse(text: &'a str) -> Result<Self, JwsFault> {
        let mut parts = text.split('.');
        let (header, payload, signature) = match (parts.next(), parts.next(), parts.next(), parts.count()) {
            (Some(header), Some(payload), Some(signature), 0) => (header, payload, signature),
            (.., 2) => return Err(JwsFault::Encrypted),
            _ => return Err(JwsFault::Parts),
        };
        // Four letters of base64 are three bytes.
        if header.len() / 4 > MAX_HEADER / 3 {
            return Err(JwsFault::HeaderTooLong);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsFault::Base64);
        let signed = header.len().saturating_add(payload.len()).saturating_add(1);
        Ok(Self {
            header: Header::parse(&decode(header)?)?,
            payload: decode(payload)?,
            signing_input: text.as_bytes().get(..signed).unwrap_or_default(),
            signature: decode(signature)?,
        })
    }

    /// The payload as a set of claims: one strict JSON object ([RFC 7519 §7.2]).
    ///
    /// [RFC 7519 §7.2]: https://www.rfc-editor.org/rfc/rfc7519#section-7.2
    pub fn claims(&self) -> Option<Map<String, Value>> {
        object(&self.payload)
    }
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, JwsFault> {
        if bytes.len() > MAX_HEADER {
            return Err(JwsFault::HeaderTooLong);
        }
        let members = object(bytes).ok_or(JwsFault::Header)?;
        let alg = members.get("alg").and_then(Value::as_str).and_then(Algorithm::of_token);
        let alg = alg.ok_or(JwsFault::Algorithm)?;
        // An empty list, or one of anything, is wrong in itself or names what we do not understand
        // (RFC 7515 §4.1.11). `b64` is no business of a JWT (RFC 7797 §7).
        if members.contains_key("crit") || members.get("b64").is_some_and(|b64| *b64 != Value::Bool(true)) {
            return Err(JwsFault::Critical);
        }
        let mut header = Self { alg, typ: None, cty: None, kid: None, jwk: None };
        for (name, value) in members {
            let member = match name.as_str() {
                "typ" => &mut header.typ,
                "cty" => &mut header.cty,
                "kid" => &mut header.kid,
                "jwk" => {
                    header.jwk = Some(value);
                    continue;
                }
                _ => continue,
            };
            let Value::String(text) = value else { return Err(JwsFault::Member) };
            *member = Some(text);
        }
        Ok(header)
    }

    /// Whether `typ` is this media type: compared without regard to case, and `application/` goes without
    /// saying ([RFC 7515 §4.1.9]).
    ///
    /// [RFC 7515 §4.1.9]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9
    pub fn is_typ(&self, media_type: &str) -> bool {
        self.typ.as_deref().is_some_and(|typ| is_media_type(typ, media_type))
    }
}

/// Whether a `typ` or `cty` is this media type.
pub fn is_media_type(found: &str, wanted: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match found.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => found,
    };
    short.eq_ignore_ascii_case(wanted)
}

fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match json::parse(bytes) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::{Compact, JwsFault, is_media_type};
    use crate::jose::algorithm::Algorithm;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn of_header(header: impl AsRef<[u8]>) -> Result<(), JwsFault> {
        let text = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
        Compact::parse(&text).map(|_| ())
    }

    #[test]
    fn only_the_compact_form_is_read() {
        #[rustfmt::skip]
        let cases = [
            ("one part",                   "e30",                       JwsFault::Parts),
            ("JWT-01 one period",          "e30.e30",                   JwsFault::Parts),
            ("JWT-01 three periods",       "e30.e30.AAAA.AAAA",         JwsFault::Parts),
            ("JWT-29 ATK-50 encrypted",    "e30.AAAA.AAAA.AAAA.AAAA",   JwsFault::Encrypted),
            ("JWT-01 a leading period",    ".e30.e30.AAAA",             JwsFault::Parts),
            ("JWT-01 a trailing period",   "e30.e30.AAAA.",             JwsFault::Parts),
            ("ATK-40 no header",           ".e30.AAAA",                 JwsFault::Header),
            ("JWT-04 ATK-50 JSON",         r#"{"payload":"e30","signatures":[]}"#, JwsFault::Parts),
            ("JWT-02 ATK-56 padding",      "eyJhbGciOiJFUzI1NiJ9==.e30.AAAA", JwsFault::Base64),
            ("JWT-02 ATK-56 plus",         "+30.e30.AAAA",              JwsFault::Base64),
            ("JWT-02 ATK-56 a space",      "e30 .e30.AAAA",             JwsFault::Base64),
            ("JWT-03 another spelling",    "eyJhbGciOiJFUzI1NiJ9.e30.AAB", JwsFault::Base64),
        ];
        for (name, text, want) in cases {
            assert_eq!(Compact::parse(text).map(|_| ()), Err(want), "{name}");
        }
        assert!(Compact::parse("eyJhbGciOiJFUzI1NiJ9.e30.AAA").is_ok());
        assert!(Compact::parse("eyJhbGciOiJFUzI1NiJ9.e30.").is_ok(), "refused with the signature");
    }

    #[test]
    fn headers_that_are_refused() {
        use JwsFault::{Algorithm, Critical, Header, HeaderTooLong, Member};
        let long = format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(4080));
        let deep = format!(r#"{{"alg":"ES256","x":{}{}}}"#, "[".repeat(40), "]".repeat(40));
        #[rustfmt::skip]
        let cases: Vec<(&str, &[u8], JwsFault)> = vec![
            ("JWT-05 an array",            b"[]",                                    Header),
            ("JWT-05 text",                b"\"x\"",                                 Header),
            ("JWT-05 more behind it",      b"{\"alg\":\"ES256\"}ABCD",               Header),
            ("JWT-05 a byte order mark",   b"\xef\xbb\xbf{\"alg\":\"ES256\"}",       Header),
            ("JWT-05 UTF-16",              b"{\0\"\0a\0",                            Header),
            ("JWT-06 ATK-48 alg twice",    br#"{"alg":"RS256","alg":"none"}"#,       Header),
            ("JWT-06 twice by escape",     br#"{"alg":"RS256","\u0061lg":"none"}"#,  Header),
            ("JWT-08 ATK-40 none",         br#"{"alg":"none"}"#,                     Algorithm),
            ("JWT-08 ATK-40 nOnE",         br#"{"alg":"nOnE"}"#,                     Algorithm),
            ("JWT-08 empty",               br#"{"alg":""}"#,                         Algorithm),
            ("JWT-08 missing",             br#"{"typ":"at+jwt"}"#,                   Algorithm),
            ("JWT-08 a number",            br#"{"alg":1}"#,                          Algorithm),
            ("JWT-08 an array",            br#"{"alg":["ES256"]}"#,                  Algorithm),
            ("JWT-09 another case",        br#"{"alg":"es256"}"#,                    Algorithm),
            ("JWT-10 ATK-41 HMAC",         br#"{"alg":"HS256"}"#,                    Algorithm),
            ("JWT-19 kid is a number",     br#"{"alg":"ES256","kid":123}"#,          Member),
            ("kid is null",                br#"{"alg":"ES256","kid":null}"#,         Member),
            ("typ is a number",            br#"{"alg":"ES256","typ":1}"#,            Member),
            ("JWT-24 ATK-46 unknown",      br#"{"alg":"ES256","crit":["x"],"x":1}"#, Critical),
            ("JWT-25 ATK-46 empty",        br#"{"alg":"ES256","crit":[]}"#,          Critical),
            ("JWT-25 ATK-46 no array",     br#"{"alg":"ES256","crit":"exp"}"#,       Critical),
            ("JWT-25 ATK-46 not there",    br#"{"alg":"ES256","crit":["exp"]}"#,     Critical),
            ("JWT-25 standard name",       br#"{"alg":"ES256","crit":["alg"]}"#,     Critical),
            ("crit is null",               br#"{"alg":"ES256","crit":null}"#,        Critical),
            ("JWT-26 b64",                 br#"{"alg":"ES256","crit":["b64"],"b64":false}"#, Critical),
            ("JWT-26 b64 alone",           br#"{"alg":"ES256","b64":false}"#,        Critical),
            ("JWT-42 too long",            long.as_bytes(),                          HeaderTooLong),
            ("JWT-42 too deep",            deep.as_bytes(),                          Header),
        ];
        for (name, header, want) in cases {
            assert_eq!(of_header(header), Err(want), "{name}");
        }
        let of_length = |length: usize| format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(length - 22));
        assert_eq!(of_header(of_length(4096)), Ok(()), "JWT-42 as long as it may be");
        assert_eq!(of_header(of_length(4097)), Err(HeaderTooLong), "JWT-42 one byte more");
        let headers: [&[u8]; 2] = [
            br#"{"\u0061lg":"ES256"}"#, // JWT-40
            br#"{"alg":"ES256","jku":"https://evil.example/","x5u":[],"x5c":1,"zip":"DEF"}"#,
        ];
        for header in headers {
            assert_eq!(of_header(header), Ok(()), "{header:?}");
        }
    }

    #[test]
    fn what_is_signed_is_what_was_received() {
        // RFC 7515 appendix A.3
        let text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let jws = Compact::parse(text).unwrap();
        assert_eq!(jws.header.alg, Algorithm::Es256);
        assert_eq!(jws.signing_input, text.rsplit_once('.').unwrap().0.as_bytes());
        assert_eq!(jws.signature.len(), 64);
        assert_eq!(jws.claims().unwrap()["iss"], "joe");
    }

    #[test]
    fn claims_are_one_object() {
        // JWT-30
        for payload in ["[]", "null", "\"a\"", "{}x", "", "{\"a\":1,\"a\":2}"] {
            let text = format!("eyJhbGciOiJFUzI1NiJ9.{}.AAAA", URL_SAFE_NO_PAD.encode(payload));
            assert_eq!(Compact::parse(&text).unwrap().claims(), None, "{payload}");
        }
    }

    #[test]
    fn media_types() {
        // JWT-27
        for found in ["at+jwt", "at+JWT", "application/at+jwt", "Application/AT+JWT"] {
            assert!(is_media_type(found, "at+jwt"), "{found}");
        }
        for found in
            ["", "JWT", "jwt", "id+jwt", "application/", "text/at+jwt", "application/application/at+jwt"]
        {
            assert!(!is_media_type(found, "at+jwt"), "{found}");
        }
    }
}
