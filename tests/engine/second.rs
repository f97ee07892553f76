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
fn es512_as_the_standard_prints_it() {
    // TV-10: RFC 7515 appendix A.4. Of ours there is no code for it, so that the host or the command's library counts.
    let key = json!({"kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"});
    let (jws, key) = (Compact::parse(ES512).unwrap(), PublicKey::from_jwk(&key).unwrap());
    let verify =
        |message: &[u8], signature: &[u8]| key.verify(Algorithm::Es512, message, signature, &Computed);
    assert!(verify(jws.signing_input, &jws.signature));
    assert!(!verify(&jws.signing_input[1..], &jws.signature));
    for at in [0, jws.signature.len() / 2, jws.signature.len() - 1] {
        let mut signature = jws.signature.clone();
        signature[at] ^= 1;
        assert!(!verify(jws.signing_input, &signature), "{at}");
    }
}

const ES512: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

/// Has each signature computed by both, which must agree. ES384 and ES512 the second one has alone.
#[derive(Debug)]
pub(crate) struct Both;

impl Verifier for Both {
    fn verify(&self, signed: &Signed<'_>) -> bool {
        let is_good = Computed.verify(signed);
        if !matches!(signed.algorithm, Algorithm::Es384 | Algorithm::Es512) {
            assert_eq!(Portable.verify(signed), is_good, "{signed:?}");
        }
        is_good
    }
}

/// Whether a JWS is signed with a key, by the second implementation alone: it reads the header and the key, too.
pub(crate) fn says_yes(jws: &str, jwk: &Value) -> bool {
    let Ok(key) = serde_json::from_value::<Jwk>(jwk.clone()) else { return false };
    let (Ok(header), Ok(key)) = (decode_header(jws), DecodingKey::from_jwk(&key)) else { return false };
    let (message, signature) = jws.rsplit_once('.').unwrap();
    crypto::verify(signature, message.as_bytes(), &key, header.alg).is_ok_and(|is_good| is_good)
}
