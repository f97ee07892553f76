//! Envoy's foreign functions `verify_signature` and `sign`, with all that Envoy takes and we must not: any hash, any size
//! of key.

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Its answer; `None`: a bad argument.
pub(crate) fn verify_signature(argument: &[u8]) -> Option<Vec<u8>> {
    let [mut hash, mut key, mut signature, mut text] = [&[] as &[u8]; 4];
    let mut rest = argument;
    while let [tag, after @ ..] = rest {
        let (length, after) = varint(after)?;
        let (bytes, after) = after.split_at_checked(length)?;
        match tag {
            0x0a => hash = bytes,
            0x12 => key = bytes,
            0x1a => signature = bytes,
            0x22 => text = bytes,
            _ => return None,
        }
        rest = after;
    }
    if key.is_empty() {
        return None;
    }
    let is_good = match std::str::from_utf8(hash).ok()? {
        "sha256" => {
            rsa(key, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text), signature)
                || p256(key, text, signature)
        }
        "sha384" => {
            rsa(key, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(text), signature)
                || p384(key, text, signature)
        }
        "sha512" => rsa(key, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(text), signature),
        _ => false,
    };
    // `false` is left out, and a reason is there instead.
    Some(if is_good { vec![0x08, 0x01] } else { b"\x12\x04oops".to_vec() })
}

/// Its `sign`; `None`: a bad argument.
pub(crate) fn sign(argument: &[u8]) -> Option<Vec<u8>> {
    let [mut hash, mut key, mut text] = [&[] as &[u8]; 3];
    let mut rest = argument;
    while let [tag, after @ ..] = rest {
        let (length, after) = varint(after)?;
        let (bytes, after) = after.split_at_checked(length)?;
        match tag {
            0x0a => hash = bytes,
            0x12 => key = bytes,
            0x1a => text = bytes,
            _ => return None,
        }
        rest = after;
    }
    let rsa = |key: RsaPrivateKey| key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text)).ok();
    let ec = |key: p256::SecretKey| {
        let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(key).try_sign(text).ok()?;
        Some(signature.to_der().as_bytes().to_vec())
    };
    let signature = match (RsaPrivateKey::from_pkcs8_der(key), p256::SecretKey::from_pkcs8_der(key)) {
        (Ok(key), _) => rsa(key),
        (_, Ok(key)) => ec(key),
        // A key that cannot be read.
        _ => return None,
    };
    let Some(signature) = signature.filter(|_| hash == b"sha256") else {
        return Some(b"\x1a\x04oops".to_vec());
    };
    let mut answer = vec![0x08, 0x01, 0x12];
    let length = u16::try_from(signature.len()).ok()?;
    if length >= 0x80 {
        answer.push(u8::try_from(length & 0x7f).ok()? | 0x80);
        answer.push(u8::try_from(length >> 7).ok()?);
    } else {
        answer.push(u8::try_from(length).ok()?);
    }
    answer.extend(signature);
    Some(answer)
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (n, byte) in bytes.iter().enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(n + 1..)?));
        }
    }
    None
}

fn rsa(key: &[u8], scheme: Pkcs1v15Sign, digest: &[u8], signature: &[u8]) -> bool {
    RsaPublicKey::from_public_key_der(key).is_ok_and(|key| key.verify(scheme, digest, signature).is_ok())
}

fn p256(key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    let key = p256::ecdsa::VerifyingKey::from_public_key_der(key);
    let signature = p256::ecdsa::Signature::from_der(signature);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(text, &signature).is_ok())
}

fn p384(key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    let key = p384::ecdsa::VerifyingKey::from_public_key_der(key);
    let signature = p384::ecdsa::Signature::from_der(signature);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(text, &signature).is_ok())
}
