//! Public keys ([RFC 7517], [RFC 7518 §6], [RFC 8037 §2]) and what they verify.
//!
//! [RFC 7517]: https://www.rfc-editor.org/rfc/rfc7517
//! [RFC 7518 §6]: https://www.rfc-editor.org/rfc/rfc7518#section-6
//! [RFC 8037 §2]: https://www.rfc-editor.org/rfc/rfc8037#section-2

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::base::hash::sha256;
use crate::jose::algorithm::Algorithm;
use crate::jose::ed25519::is_strong_point;
use crate::jose::modulus::Modulus;
use crate::jose::public_der;
use crate::jose::verifier::{Signed, Verifier};

/// The smallest and the largest RSA modulus, in bits ([RFC 7518 §3.3]).
///
/// [RFC 7518 §3.3]: https://www.rfc-editor.org/rfc/rfc7518#section-3.3
pub const RSA_BITS: (usize, usize) = (2048, 4096);

/// A public key that fits at least one algorithm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    material: Material,
    /// Its `SubjectPublicKeyInfo`; empty for Ed25519.
    der: Vec<u8>,
}

/// What a public key is made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Material {
    /// An RSA key.
    Rsa {
        /// The modulus, without leading zeros.
        n: Vec<u8>,
        /// The exponent, without leading zeros.
        e: Vec<u8>,
    },
    /// A point on an elliptic curve.
    Ec {
        /// The curve.
        curve: Curve,
        /// One coordinate, as long as the field.
        x: Vec<u8>,
        /// The other coordinate, as long as the field.
        y: Vec<u8>,
    },
    /// An Ed25519 key.
    Ed25519 {
        /// The compressed point.
        x: [u8; 32],
    },
}

/// The elliptic curves of ECDSA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Curve {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// P-521.
    P521,
}

/// Why a JWK is no key for us.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyFault {
    /// No JSON object.
    #[error("not an object")]
    NotAnObject,
    /// It shows a private or a symmetric key: it has been given away.
    #[error("it holds a private or symmetric key")]
    Private,
    /// Another `kty` or `crv` than we know.
    #[error("a kind of key that is not supported")]
    Kind,
    /// This member is missing, or no text.
    #[error("{0} is missing or not text")]
    Missing(&'static str),
    /// This member is missing, and there is a certificate instead.
    #[error("{0} is missing, and the certificate in x5c is ignored")]
    Certificate(&'static str),
    /// This member is not base64url, or has padding.
    #[error("{0} is not base64url without padding")]
    Encoding(&'static str),
    /// This member has a value that it cannot have.
    #[error("{0} has an invalid length or value")]
    Member(&'static str),
    /// An RSA modulus outside [`RSA_BITS`].
    #[error("an RSA key of less than 2048 or more than 4096 bits")]
    Size,
    /// A point that is not on the curve.
    #[error("a point that is not on its curve")]
    Point,
}

/// Members that no public key has ([RFC 7518 §6.2.2, §6.3.2, §6.4]).
///
/// [RFC 7518 §6.2.2, §6.3.2, §6.4]: https://www.rfc-editor.org/rfc/rfc7518#section-6.2.2
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl PublicKey {
    /// Reads a JWK; `use`, `key_ops`, `alg` and `kid` are not checked ([`crate::jose::key_set::KeySet`] does
    /// that).
    #[inline(never)]
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyFault> {
        let jwk = jwk.as_object().ok_or(KeyFault::NotAnObject)?;
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return Err(KeyFault::Private);
        }
        let word = |name: &str| jwk.get(name).and_then(Value::as_str);
        match (word("kty"), word("crv")) {
            (Some("RSA"), _) => Self::rsa(bytes(jwk, "n")?, bytes(jwk, "e")?),
            (Some("EC"), Some(crv)) => {
                let curve = Curve::ALL.into_iter().find(|curve| curve.name() == crv);
                Self::ec(curve.ok_or(KeyFault::Kind)?, bytes(jwk, "x")?, bytes(jwk, "y")?)
            }
            (Some("OKP"), Some("Ed25519")) => Self::ed25519(&bytes(jwk, "x")?),
            (Some("oct"), _) => Err(KeyFault::Private),
            _ => Err(KeyFault::Kind),
        }
    }

    fn rsa(mut n: Vec<u8>, mut e: Vec<u8>) -> Result<Self, KeyFault> {
        for number in [&mut n, &mut e] {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number.drain(..zeros);
        }
        let (Some(first), Some(last)) = (n.first(), n.last()) else { return Err(KeyFault::Member("n")) };
        let bits =
            n.len().saturating_mul(8).saturating_sub(usize::try_from(first.leading_zeros()).unwrap_or(0));
        if !(RSA_BITS.0..=RSA_BITS.1).contains(&bits) {
            return Err(KeyFault::Size);
        }
        // Both are odd; with 1 everything would be its own signature, and more than 32 bits serve nobody.
        let is_odd = |last: Option<&u8>| last.is_some_and(|last| last % 2 == 1);
        if !is_odd(Some(last)) {
            return Err(KeyFault::Member("n"));
        }
        if !is_odd(e.last()) || e == [1] || e.len() > 4 {
            return Err(KeyFault::Member("e"));
        }
        let der = public_der::rsa_key(&n, &e);
        Ok(Self { material: Material::Rsa { n, e }, der })
    }

    fn ec(curve: Curve, x: Vec<u8>, y: Vec<u8>) -> Result<Self, KeyFault> {
        for (name, coordinate) in [("x", &x), ("y", &y)] {
            if coordinate.len() != curve.field() {
                return Err(KeyFault::Member(name));
            }
        }
        if !curve.holds(&x, &y) {
            return Err(KeyFault::Point);
        }
        let der = public_der::ec_key(curve.oid(), &x, &y);
        Ok(Self { material: Material::Ec { curve, x, y }, der })
    }

    fn ed25519(x: &[u8]) -> Result<Self, KeyFault> {
        let x = <[u8; 32]>::try_from(x).map_err(|_| KeyFault::Member("x"))?;
        if !is_strong_point(&x) {
            return Err(KeyFault::Point);
        }
        Ok(Self { material: Material::Ed25519 { x }, der: Vec::new() })
    }

    /// Whether verification with it is cheap, no matter who made the key: of RSA no more than 3072 bits and an
    /// exponent of three bytes.
    pub fn is_modest(&self) -> bool {
        match &self.material {
            Material::Rsa { n, e } => n.len() <= 384 && e.len() <= 3,
            Material::Ec { .. } | Material::Ed25519 { .. } => true,
        }
    }

    /// Whether it is a key for this algorithm.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{
            Ed25519, EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384,
            Rs512,
        };
        let is_on = |wanted| matches!(self.material, Material::Ec { curve, .. } if curve == wanted);
        match algorithm {
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => matches!(self.material, Material::Rsa { .. }),
            Es256 => is_on(Curve::P256),
            Es384 => is_on(Curve::P384),
            Es512 => is_on(Curve::P521),
            EdDsa => matches!(self.material, Material::Ed25519 { .. }),
            // Only for what we sign ([`Algorithm::of_token`]).
            Hs256 | Hs384 | Hs512 | Ed25519 => false,
        }
    }

    /// What it is made of.
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// Its `SubjectPublicKeyInfo` ([RFC 5280 §4.1]); empty for Ed25519.
    ///
    /// [RFC 5280 §4.1]: https://www.rfc-editor.org/rfc/rfc5280#section-4.1
    pub fn spki(&self) -> &[u8] {
        &self.der
    }

    /// Whether `signature` is one of `message` under this key. Never of another kind of key than the
    /// algorithm is made for, nor of a form that such a signature cannot have.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
        verifier: &dyn Verifier,
    ) -> bool {
        self.fits(algorithm)
            && self.may_have_made(signature)
            && verifier.verify(&Signed { algorithm, key: self, message, signature })
    }

    /// Whether a signature has the length that it must have, and no number in it that makes the rest
    /// irrelevant.
    fn may_have_made(&self, signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, .. } => signature.len() == n.len(),
            Material::Ec { curve, .. } => {
                let (r, s) = signature.split_at(curve.field().min(signature.len()));
                let is_zero = |number: &[u8]| number.iter().all(|byte| *byte == 0);
                r.len() == curve.field() && s.len() == curve.field() && !is_zero(r) && !is_zero(s)
            }
            Material::Ed25519 { .. } => {
                let r = signature.first_chunk().filter(|_| signature.len() == 64);
                r.is_some_and(is_strong_point)
            }
        }
    }

    /// Its thumbprint: the SHA-256 of its members in their only spelling ([RFC 7638]), `jkt` when encoded.
    ///
    /// [RFC 7638]: https://www.rfc-editor.org/rfc/rfc7638
    pub fn thumbprint(&self) -> [u8; 32] {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let members = match &self.material {
            Material::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Material::Ec { curve, x, y } => {
                format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.name(), text(x), text(y))
            }
            Material::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
        };
        sha256(&[members.as_bytes()])
    }
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Its `crv`.
    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// How long a coordinate is, in bytes, and so each half of a signature.
    pub fn field(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The DER of its object identifier.
    fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    /// Whether a point is on it: y² = x³ − 3x + b, of numbers below the field's prime.
    fn holds(self, x: &[u8], y: &[u8]) -> bool {
        let (prime, b) = self.equation();
        let is_solution = |field: Modulus| {
            let [x, y, b, three] = [x, y, b, &[3]].map(|number| field.number(number));
            let (x, y, b, three) = (x?, y?, b?, three?);
            let factor = field.difference(&field.product(&x, &x), &three);
            Some(field.product(&y, &y) == field.sum(&field.product(&factor, &x), &b))
        };
        Modulus::new(prime).and_then(is_solution).unwrap_or(false)
    }

    /// The field's prime, and b ([SEC 2 §2.4.2, §2.5.1, §2.6.1]).
    ///
    /// [SEC 2 §2.4.2, §2.5.1, §2.6.1]: https://www.secg.org/sec2-v2.pdf
    fn equation(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::P256 => (&P256.0, &P256.1),
            Self::P384 => (&P384.0, &P384.1),
            Self::P521 => (&P521.0, &P521.1),
        }
    }
}

/// The field's prime and b of each curve.
const P256: ([u8; 32], [u8; 32]) = (
    [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ],
    [
        0x5a, 0xc6, 0x35, 0xd8, 0xaa, 0x3a, 0x93, 0xe7, 0xb3, 0xeb, 0xbd, 0x55, 0x76, 0x98, 0x86, 0xbc, 0x65,
        0x1d, 0x06, 0xb0, 0xcc, 0x53, 0xb0, 0xf6, 0x3b, 0xce, 0x3c, 0x3e, 0x27, 0xd2, 0x60, 0x4b,
    ],
);
const P384: ([u8; 48], [u8; 48]) = (
    [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff,
        0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
    ],
    [
        0xb3, 0x31, 0x2f, 0xa7, 0xe2, 0x3e, 0xe7, 0xe4, 0x98, 0x8e, 0x05, 0x6b, 0xe3, 0xf8, 0x2d, 0x19, 0x18,
        0x1d, 0x9c, 0x6e, 0xfe, 0x81, 0x41, 0x12, 0x03, 0x14, 0x08, 0x8f, 0x50, 0x13, 0x87, 0x5a, 0xc6, 0x56,
        0x39, 0x8d, 0x8a, 0x2e, 0xd1, 0x9d, 0x2a, 0x85, 0xc8, 0xed, 0xd3, 0xec, 0x2a, 0xef,
    ],
);
const P521: ([u8; 66], [u8; 66]) = (
    [
        0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ],
    [
        0x00, 0x51, 0x95, 0x3e, 0xb9, 0x61, 0x8e, 0x1c, 0x9a, 0x1f, 0x92, 0x9a, 0x21, 0xa0, 0xb6, 0x85, 0x40,
        0xee, 0xa2, 0xda, 0x72, 0x5b, 0x99, 0xb3, 0x15, 0xf3, 0xb8, 0xb4, 0x89, 0x91, 0x8e, 0xf1, 0x09, 0xe1,
        0x56, 0x19, 0x39, 0x51, 0xec, 0x7e, 0x93, 0x7b, 0x16, 0x52, 0xc0, 0xbd, 0x3b, 0xb1, 0xbf, 0x07, 0x35,
        0x73, 0xdf, 0x88, 0x3d, 0x2c, 0x34, 0xf1, 0xef, 0x45, 0x1f, 0xd4, 0x6b, 0x50, 0x3f, 0x00,
    ],
);

/// The bytes of a member in base64url, without padding.
fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let missing = if jwk.contains_key("x5c") { KeyFault::Certificate } else { KeyFault::Missing };
    let text = jwk.get(name).and_then(Value::as_str).ok_or(missing(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::Encoding(name))
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::{KeyFault, PublicKey};
    use crate::jose::algorithm::Algorithm;
    use crate::jose::jws::Compact;
    use crate::jose::portable::Portable;
    use crate::jose::public_der;
    use crate::jose::verifier::{Signed, Verifier};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// RFC 7515 appendix A.2
    const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    /// RFC 7515 appendix A.3
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    /// The same claims with the key of RFC 7515 appendix A.2, by OpenSSL
    const PS256: &str = "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.oS7Cl4ICdUXN57pFtlrITezuEuQ-Z0GLwFak4zfmYXTvlitnbLpyt_hKKujIIE_mXxLuvVo86w2Wz5d14Gp79TgCUaD00N2KvyIlHYXCxu62Xqk59p1ZHWqUWb2mMosoMs6HpkCrs-I6C1l-q3pEKdeksryv-K2M2K_XJodkotxMA5mzQHr_jFzyVRz_11idSSmCGaS-PMN5V-INcnddYuSkVLQ1bzIPkq7XNo1TE-LPyVfxRfOpgwzmQQjw6bvshLus2YRt4pMOAhrrgJylg_XDKGoIcieXnIanAVAheSR_Zt0fSuUXeUbD9y_sn7CrcGLaN4X2HGxs2Je25I9YQA";
    /// RFC 8037 appendix A.4
    const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    fn rsa() -> Value {
        json!({"kty": "RSA", "e": "AQAB",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})
    }

    fn p256() -> Value {
        json!({"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
    }

    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn with(mut jwk: Value, name: &str, value: &str) -> Value {
        jwk[name] = json!(value);
        jwk
    }

    fn verifies(text: &str, jwk: &Value) -> bool {
        let jws = Compact::parse(text).unwrap();
        let key = PublicKey::from_jwk(jwk).unwrap();
        key.verify(jws.header.alg, jws.signing_input, &jws.signature, &Portable)
    }

    #[test]
    fn the_standards_signatures() {
        // TV-10; JWT-39: each byte counts
        let cases = [("PS256", PS256, rsa()), ("EdDSA", EDDSA, ed25519())];
        for (name, text, jwk) in cases {
            assert!(verifies(text, &jwk), "{name}");
            let jws = Compact::parse(text).unwrap();
            let key = PublicKey::from_jwk(&jwk).unwrap();
            for at in [0, jws.signing_input.len() / 2, jws.signing_input.len() - 1] {
                let mut message = jws.signing_input.to_vec();
                message[at] ^= 1;
                assert!(!key.verify(jws.header.alg, &message, &jws.signature, &Portable), "{name} {at}");
            }
            for at in [0, jws.signature.len() / 2, jws.signature.len() - 1] {
                let mut signature = jws.signature.clone();
                signature[at] ^= 1;
                assert!(!key.verify(jws.header.alg, jws.signing_input, &signature, &Portable), "{name} {at}");
            }
            for signature in [&jws.signature[1..], &[], &[jws.signature.as_slice(), &[0]].concat()] {
                assert!(
                    !key.verify(jws.header.alg, jws.signing_input, signature, &Portable),
                    "JWT-15 {name}"
                );
            }
            let zero = vec![0; jws.signature.len()];
            assert!(!key.verify(jws.header.alg, jws.signing_input, &zero, &Portable), "JWT-16 {name}");
        }
    }

    #[test]
    fn what_the_host_verifies_is_not_verified_here() {
        for (text, jwk) in [(RS256, rsa()), (ES256, p256())] {
            assert!(!verifies(text, &jwk), "{text}");
            assert!(!Portable.verifies(Compact::parse(text).unwrap().header.alg), "{text}");
        }
        let (jws, key) = (Compact::parse(PS256).unwrap(), PublicKey::from_jwk(&rsa()).unwrap());
        let good = |algorithm| key.verify(algorithm, jws.signing_input, &jws.signature, &Portable);
        assert!(good(Algorithm::Ps256) && !good(Algorithm::Rs256), "JWT-10 a signature of another algorithm");
    }

    #[test]
    fn points_of_all_curves() {
        // RFC 6979 appendix A.2.6, RFC 7515 appendix A.4, and what is beside them
        let point = |crv: &str, x: &str, y: &str| json!({"kty": "EC", "crv": crv, "x": x, "y": y});
        let p384 = point(
            "P-384",
            "7DpOQVtOGaRWhhgCn0J_pdqai8SukuAuBqrlKGswDGTe-PDqkFWGYGSiVFFUgLwT",
            "gBXZty19VyROqO-awMYhiWcIpZNn-d-59UyoSz8cnbEoiyMcOuDU_nNE_SUzJkcg",
        );
        let p521 = point(
            "P-521",
            "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
            "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
        );
        for jwk in [p256(), p384, p521] {
            assert!(PublicKey::from_jwk(&jwk).is_ok(), "{jwk}");
            for name in ["x", "y"] {
                let mut odd = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
                *odd.last_mut().unwrap() ^= 1;
                for bytes in [odd.clone(), vec![0; odd.len()], vec![0xff; odd.len()]] {
                    let jwk = with(jwk.clone(), name, &URL_SAFE_NO_PAD.encode(bytes));
                    assert_eq!(PublicKey::from_jwk(&jwk), Err(KeyFault::Point), "JWT-16 {jwk}");
                }
            }
        }
        // On P-256 x = 0 has a solution; x = p is the same, and not below the prime.
        let y = "ZkhceA4vg9ckM71dhKBrtlQcKvMdrocXKL-FahdPk_Q";
        let [zero, p] =
            ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "_____wAAAAEAAAAAAAAAAAAAAAD_______________8"];
        assert!(PublicKey::from_jwk(&point("P-256", zero, y)).is_ok());
        assert_eq!(PublicKey::from_jwk(&point("P-256", p, y)), Err(KeyFault::Point), "JWT-16");
    }

    #[test]
    fn thumbprints() {
        // TV-02
        let rfc7638 = json!({"kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"});
        let rfc9449 = json!({"kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"});
        #[rustfmt::skip]
        let cases = [
            ("RFC 7638 §3.1",        rfc7638,   "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
            ("RFC 9449 §6.1",        rfc9449,   "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
            ("RFC 8037 appendix A",  ed25519(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        ];
        for (name, jwk, want) in cases {
            let thumbprint = PublicKey::from_jwk(&jwk).unwrap().thumbprint();
            assert_eq!(URL_SAFE_NO_PAD.encode(thumbprint), want, "{name}");
        }
        let zero_first = with(rsa(), "e", "AAEAAQ");
        let thumbprint = |jwk: &Value| PublicKey::from_jwk(jwk).unwrap().thumbprint();
        assert_eq!(thumbprint(&zero_first), thumbprint(&rsa()), "leading zeros do not make another key");
    }

    #[test]
    fn what_is_no_key() {
        let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
        let long = URL_SAFE_NO_PAD.encode([0xff; 513]);
        let even = URL_SAFE_NO_PAD.encode([0xfe; 256]);
        #[rustfmt::skip]
        let cases = [
            ("no object",                  json!("x"),                               KeyFault::NotAnObject),
            ("ATK-60 a private exponent",  with(rsa(), "d", "AQAB"),                 KeyFault::Private),
            ("ATK-95 a private scalar",    with(p256(), "d", "AQAB"),                KeyFault::Private),
            ("a prime",                    with(rsa(), "p", "AQAB"),                 KeyFault::Private),
            ("JWT-44 symmetric",           json!({"kty": "oct", "k": "c2VjcmV0"}),   KeyFault::Private),
            ("symmetric without a key",    json!({"kty": "oct"}),                    KeyFault::Private),
            ("no kind",                    json!({"n": "AQAB"}),                     KeyFault::Kind),
            ("a kind of its own",          json!({"kty": "AKP"}),                    KeyFault::Kind),
            ("JWT-43 another curve",       with(p256(), "crv", "secp256k1"),         KeyFault::Kind),
            ("JWT-48 Ed448",               with(ed25519(), "crv", "Ed448"),          KeyFault::Kind),
            ("X25519",                     with(ed25519(), "crv", "X25519"),         KeyFault::Kind),
            ("JWT-13 FAP-07 RSA of 1024 bits", with(rsa(), "n", &short),                 KeyFault::Size),
            ("RSA of 4104 bits",           with(rsa(), "n", &long),                  KeyFault::Size),
            ("an even modulus",            with(rsa(), "n", &even),                  KeyFault::Member("n")),
            ("an exponent of 1",           with(rsa(), "e", "AQ"),                   KeyFault::Member("e")),
            ("an even exponent",           with(rsa(), "e", "AQAA"),                 KeyFault::Member("e")),
            ("no exponent",                with(rsa(), "e", ""),                     KeyFault::Member("e")),
            ("an exponent of five bytes",  with(rsa(), "e", "AQAAAAE"),              KeyFault::Member("e")),
            ("a coordinate with padding",  with(p256(), "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU="), KeyFault::Encoding("x")),
            ("a short coordinate",         with(p256(), "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvR"), KeyFault::Member("x")),
            ("JWT-16 off the curve",       with(p256(), "x", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), KeyFault::Point),
            ("no modulus",                 json!({"kty": "RSA", "e": "AQAB"}),       KeyFault::Missing("n")),
            ("a modulus of null",          json!({"kty": "RSA", "n": null, "e": "AQAB"}), KeyFault::Missing("n")),
            ("a certificate alone",        json!({"kty": "RSA", "x5c": ["MIIB"]}),   KeyFault::Certificate("n")),
            ("no second coordinate",       with(p256(), "y", ""),                    KeyFault::Member("y")),
            ("plain base64",               with(p256(), "x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRV+U"), KeyFault::Encoding("x")),
            ("a short Ed25519 key",        with(ed25519(), "x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcH"), KeyFault::Member("x")),
            ("a weak Ed25519 key",         with(ed25519(), "x", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), KeyFault::Point),
            ("no point of edwards25519",   with(ed25519(), "x", "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), KeyFault::Point),
        ];
        for (name, jwk, want) in cases {
            assert_eq!(PublicKey::from_jwk(&jwk), Err(want), "{name}");
        }
    }

    /// Accepts every signature.
    #[derive(Debug)]
    struct Yes;

    impl Verifier for Yes {
        fn verify(&self, signed: &Signed<'_>) -> bool {
            let of_x509 = match signed.algorithm {
                Algorithm::Es256 => {
                    let (r, s) = signed.signature.split_at(32);
                    public_der::ecdsa_signature(r, s)
                }
                _ => signed.signature.to_vec(),
            };
            assert_eq!(*signed.signature_der(), of_x509);
            true
        }

        fn verifies(&self, _: Algorithm) -> bool {
            true
        }
    }

    #[test]
    fn what_a_verifier_is_asked_is_decided_before() {
        use Algorithm::{Ed25519, EdDsa, Es256, Es384, Hs256, Rs256};
        for (text, jwk) in [(RS256, rsa()), (ES256, p256()), (EDDSA, ed25519())] {
            let jws = Compact::parse(text).unwrap();
            let key = PublicKey::from_jwk(&jwk).unwrap();
            let verify = |signature: &[u8]| key.verify(jws.header.alg, b"anything", signature, &Yes);
            assert!(verify(&jws.signature));
            for signature in [&jws.signature[1..], &[], &[jws.signature.as_slice(), &[0]].concat()] {
                assert!(!verify(signature), "JWT-15");
            }
            assert!(!verify(&[0; 64]), "JWT-16");
            for other in [Rs256, Es256, Es384, EdDsa, Ed25519, Hs256] {
                let good = key.verify(other, jws.signing_input, &jws.signature, &Yes);
                assert_eq!(good, other == jws.header.alg, "JWT-10 {other:?}");
            }
        }
        let key = PublicKey::from_jwk(&p256()).unwrap();
        for half in [0, 32] {
            let mut signature = [1; 64];
            signature[half..half + 32].fill(0);
            assert!(!key.verify(Es256, b"", &signature, &Yes), "JWT-16");
        }
    }

    #[test]
    fn no_point_of_small_order_is_in_a_signature() {
        let key = PublicKey::from_jwk(&ed25519()).unwrap();
        let mut order_8 = [9; 64];
        order_8[..32].copy_from_slice(&[
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ]);
        let [mut order_1, mut order_4, mut unreduced] = [[0; 64], [0; 64], [0xff; 64]];
        (order_1[0], order_4[31], unreduced[0], unreduced[31]) = (1, 0x80, 0xee, 0x7f);
        for signature in [order_1, order_4, order_8, unreduced] {
            assert!(!key.verify(Algorithm::EdDsa, b"", &signature, &Yes), "{signature:?}");
        }
    }
}
