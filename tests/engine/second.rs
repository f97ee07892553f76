//! A second implementation of signatures, `jsonwebtoken`, which ours is held against: what the one signs the other
//! verifies, and neither takes what the other refuses.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail loudly")]

mod properties;
mod tokens;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, crypto, decode_header};
use serde_json::{Value, json};
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::jose::jws::Compact;
use tollgate_engine::jose::key::PublicKey;
use tollgate_engine::jose::portable::Portable;
use tollgate_engine::jose::verifier::{Signed, Verifier};

/// The command's own way of computing with it.
#[path = "../../src/cli/kit/signatures.rs"]
pub(crate) mod signatures;

use signatures::Computed;

#[test]
fn signatures_as_the_standard_prints_them() {
    // TV-10: RFC 7515 appendices A.2 to A.4. Of ours there is no code for them, so that the host or the command's library counts.
    let rsa = json!({"kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    let p256 = json!({"kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let p521 = json!({"kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"});
    for (text, key) in [(RS256, rsa), (ES256, p256), (ES512, p521)] {
        let (jws, key) = (Compact::parse(text).unwrap(), PublicKey::from_jwk(&key).unwrap());
        let verify =
            |message: &[u8], signature: &[u8]| key.verify(jws.header.alg, message, signature, &Computed);
        assert!(verify(jws.signing_input, &jws.signature));
        for at in [0, jws.signing_input.len() / 2, jws.signing_input.len() - 1] {
            let mut message = jws.signing_input.to_vec();
            message[at] ^= 1;
            assert!(!verify(&message, &jws.signature), "JWT-39 {at}");
        }
        for at in [0, jws.signature.len() / 2, jws.signature.len() - 1] {
            let mut signature = jws.signature.clone();
            signature[at] ^= 1;
            assert!(!verify(jws.signing_input, &signature), "JWT-39 {at}");
        }
        for signature in [&jws.signature[1..], &[], &[jws.signature.as_slice(), &[0]].concat()] {
            assert!(!verify(jws.signing_input, signature), "JWT-15");
        }
        assert!(!verify(jws.signing_input, &vec![0; jws.signature.len()]), "JWT-16");
    }
}

const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

const ES512: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

/// Has each signature computed by both, which must agree. RS and ES the second one has alone.
#[derive(Debug)]
pub(crate) struct Both;

impl Verifier for Both {
    fn verify(&self, signed: &Signed<'_>) -> bool {
        let is_good = Computed.verify(signed);
        let is_ours = Portable.verifies(signed.algorithm);
        assert_eq!(Portable.verify(signed), is_ours && is_good, "{signed:?}");
        is_good
    }

    fn verifies(&self, _: Algorithm) -> bool {
        true
    }
}

/// Whether a JWS is signed with a key, by the second implementation alone: it reads the header and the key, too.
pub(crate) fn says_yes(jws: &str, jwk: &Value) -> bool {
    let Ok(key) = serde_json::from_value::<Jwk>(jwk.clone()) else { return false };
    let (Ok(header), Ok(key)) = (decode_header(jws), DecodingKey::from_jwk(&key)) else { return false };
    let (message, signature) = jws.rsplit_once('.').unwrap();
    crypto::verify(signature, message.as_bytes(), &key, header.alg).is_ok_and(|is_good| is_good)
}
