//! RSASSA-PSS ([RFC 8017 §8.1]), with a salt as long as the hash ([RFC 7518 §3.5]): what no host computes for us.
//!
//! Signing takes as long for one key as for another of the same length: there is nothing to be seen that blinding
//! would hide (RUSTSEC-2023-0071). A signature is verified before it leaves, because one that went wrong would give
//! the primes away.
//!
//! [RFC 8017 §8.1]: https://www.rfc-editor.org/rfc/rfc8017#section-8.1
//! [RFC 7518 §3.5]: https://www.rfc-editor.org/rfc/rfc7518#section-3.5

use crate::base::hash::Hash;
use crate::jose::modulus::Modulus;
use crate::jose::private_der::RsaNumbers;

/// Whether a signature is good. The exponent has four bytes at most.
pub(super) fn verify_pss((n, e): (&[u8], &[u8]), hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let encoded = Modulus::new(n).and_then(|n| Some((public(&n, e, signature)?, n.bits())));
    encoded.is_some_and(|(encoded, bits)| is_encoding(&encoded, bits, hash, &hash.of(&[message])))
}

/// The signature of a message. `salt` is as long as the hash. `None`: the numbers do not belong together.
pub(super) fn sign_pss(key: &RsaNumbers<'_>, hash: Hash, message: &[u8], salt: &[u8]) -> Option<Vec<u8>> {
    let n = Modulus::new(key.n)?;
    let encoded = encoding(n.bits(), hash, &hash.of(&[message]), salt)?;
    let signature = private(key, &n, &encoded)?;
    (public(&n, key.e, &signature)? == at_length(&encoded, signature.len())).then_some(signature)
}

/// RSAVP1 ([RFC 8017 §5.2.2]): as long as the modulus.
///
/// [RFC 8017 §5.2.2]: https://www.rfc-editor.org/rfc/rfc8017#section-5.2.2
fn public(n: &Modulus, e: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
    let exponent = e.iter().fold(0, |all: u32, byte| all << 8 | u32::from(*byte));
    let power = n.public_power(&n.number(signature)?, exponent);
    Some(at_length(&n.bytes(&power), signature.len()))
}

/// RSASP1 by the primes ([RFC 8017 §5.2.1]).
///
/// [RFC 8017 §5.2.1]: https://www.rfc-editor.org/rfc/rfc8017#section-5.2.1
fn private(key: &RsaNumbers<'_>, n: &Modulus, encoded: &[u8]) -> Option<Vec<u8>> {
    let [p, q] = [Modulus::new(key.p)?, Modulus::new(key.q)?];
    let by_q = q.bytes(&q.power(&q.reduced(encoded), key.dq));
    let by_p = p.power(&p.reduced(encoded), key.dp);
    // Garner: what is missing of the one is a multiple of the other.
    let missing = p.difference(&by_p, &p.reduced(&by_q));
    let times = p.bytes(&p.product(&missing, &p.reduced(key.q_inverse)));
    let signature = n.sum(&n.reduced(&by_q), &n.product(&n.reduced(&times), &n.reduced(key.q)));
    let length = n.bits().div_ceil(8);
    Some(at_length(&n.bytes(&signature), length))
}

/// EMSA-PSS-ENCODE ([RFC 8017 §9.1.1]) for a modulus of that many bits.
///
/// [RFC 8017 §9.1.1]: https://www.rfc-editor.org/rfc/rfc8017#section-9.1.1
fn encoding(bits: usize, hash: Hash, digest: &[u8], salt: &[u8]) -> Option<Vec<u8>> {
    let bits = bits.checked_sub(1)?;
    let masked = bits.div_ceil(8).checked_sub(hash.length())?.checked_sub(1)?;
    let mut block = vec![0; masked.checked_sub(salt.len())?.checked_sub(1)?];
    block.push(1);
    block.extend_from_slice(salt);
    let seed = hash.of(&[&[0; 8], digest, salt]);
    mask(hash, &seed, &mut block);
    if let Some(first) = block.first_mut() {
        *first &= upper(bits);
    }
    block.extend_from_slice(&seed);
    block.push(0xbc);
    Some(block)
}

/// EMSA-PSS-VERIFY ([RFC 8017 §9.1.2]) of what is as long as the modulus, which has that many bits. There is one encoding
/// with the salt that this one shows.
///
/// [RFC 8017 §9.1.2]: https://www.rfc-editor.org/rfc/rfc8017#section-9.1.2
fn is_encoding(encoded: &[u8], bits: usize, hash: Hash, digest: &[u8]) -> bool {
    // It may be a byte shorter than the modulus.
    let encoded = at_length(encoded, bits.saturating_sub(1).div_ceil(8));
    let again = salt(&encoded, hash).and_then(|salt| encoding(bits, hash, digest, &salt));
    again.is_some_and(|again| again == encoded)
}

/// The salt of an encoding, if it is one.
fn salt(encoded: &[u8], hash: Hash) -> Option<Vec<u8>> {
    let (_, block) = encoded.split_last()?;
    let (block, seed) = block.split_at_checked(block.len().checked_sub(hash.length())?)?;
    let mut block = block.to_vec();
    mask(hash, seed, &mut block);
    Some(block.split_off(block.len().checked_sub(hash.length())?))
}

/// MGF1 ([RFC 8017 §B.2.1]), on or off.
///
/// [RFC 8017 §B.2.1]: https://www.rfc-editor.org/rfc/rfc8017#appendix-B.2.1
fn mask(hash: Hash, seed: &[u8], block: &mut [u8]) {
    for (counter, part) in (0_u32..).zip(block.chunks_mut(hash.length())) {
        let mask = hash.of(&[seed, &counter.to_be_bytes()]);
        part.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// The bits of the first byte that a number of so many bits may have.
fn upper(bits: usize) -> u8 {
    let left = bits.wrapping_neg() % 8;
    0xff >> left
}

/// A number with that many bytes.
fn at_length(number: &[u8], length: usize) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let mut bytes = vec![0; length.saturating_sub(digits.len())];
    bytes.extend_from_slice(digits);
    bytes
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::{encoding, is_encoding, private, sign_pss, verify_pss};
    use crate::base::hash::Hash;
    use crate::jose::modulus::Modulus;
    use crate::jose::private_der::{RsaNumbers, rsa_of_pkcs1};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const RSA_2048: &str = include_str!("../../../tests/keys/rsa-pkcs1.pem");
    /// What it encodes is a byte shorter than its modulus.
    const RSA_2049: &str = include_str!("../../../tests/keys/rsa-2049.pem");
    const HASHES: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

    fn der(pem: &str) -> Vec<u8> {
        let base64: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        STANDARD.decode(base64).unwrap()
    }

    #[test]
    fn signatures_of_openssl_are_good_with_each_byte_as_it_is() {
        for (pem, hash, signature) in [
            (RSA_2048, Hash::Sha256, PS256_2048),
            (RSA_2049, Hash::Sha256, PS256_2049),
            (RSA_2049, Hash::Sha512, PS512_2049),
        ] {
            let der = der(pem);
            let key = rsa_of_pkcs1(&der).unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let is_good =
                |message: &[u8], signature: &[u8]| verify_pss((key.n, key.e), hash, message, signature);
            assert!(is_good(MESSAGE, &signature));
            assert!(!is_good(b"another", &signature));
            for at in (0..signature.len()).step_by(17) {
                let mut odd = signature.clone();
                odd[at] ^= 1 << (at % 8);
                assert!(!is_good(MESSAGE, &odd), "{at}");
            }
            for other in HASHES.into_iter().filter(|other| *other != hash) {
                assert!(!verify_pss((key.n, key.e), other, MESSAGE, &signature), "{other:?}");
            }
            assert!(!verify_pss((key.n, &[3]), hash, MESSAGE, &signature), "another exponent");
            let one = [vec![0; signature.len() - 1], vec![1]].concat();
            for odd in [vec![0; signature.len()], one, key.n.to_vec(), vec![0xff; signature.len()]] {
                assert!(!is_good(MESSAGE, &odd), "{odd:?}");
            }
        }
    }

    #[test]
    fn what_is_signed_here_is_good() {
        for der in [RSA_2048, RSA_2049].map(der) {
            let key = rsa_of_pkcs1(&der).unwrap();
            let inverse = inverse(key.p, key.q);
            for (hash, other) in HASHES.iter().flat_map(|hash| [(hash, false), (hash, true)]) {
                let key = if other { swapped(&key, &inverse) } else { rsa_of_pkcs1(&der).unwrap() };
                let salt = vec![7; hash.length()];
                let signature = sign_pss(&key, *hash, b"text", &salt).unwrap();
                assert!(verify_pss((key.n, key.e), *hash, b"text", &signature), "{hash:?}");
                assert_ne!(sign_pss(&key, *hash, b"text", &vec![8; hash.length()]).unwrap(), signature);

                // A salt of another length is not what RFC 7518 §3.5 says.
                let n = Modulus::new(key.n).unwrap();
                for length in if other { [0, 20] } else { [hash.length() - 1, hash.length() + 1] } {
                    let digest = hash.of(&[b"text"]);
                    let encoded = encoding(n.bits(), *hash, &digest, &vec![7; length]).unwrap();
                    let signature = private(&key, &n, &encoded).unwrap();
                    assert!(!verify_pss((key.n, key.e), *hash, b"text", &signature), "{hash:?} {length}");
                }
            }
        }
    }

    #[test]
    fn an_encoding_has_no_bit_to_spare() {
        for (bits, hash) in (2048..=2057).zip(HASHES.into_iter().cycle()) {
            let digest = hash.of(&[b"text"]);
            let encoded = encoding(bits, hash, &digest, &vec![3; hash.length()]).unwrap();
            let mut bytes = vec![0; usize::from(bits % 8 == 1)];
            bytes.extend(encoded);
            assert!(is_encoding(&bytes, bits, hash, &digest), "{bits}");
            for bit in 0..bytes.len() * 8 {
                let mut odd = bytes.clone();
                odd[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_encoding(&odd, bits, hash, &digest), "{bits}: {bit}");
            }
        }
        assert_eq!(encoding(512, Hash::Sha512, &[0; 64], &[0; 64]), None);
        assert!(!is_encoding(&[], 0, Hash::Sha256, &[]));
    }

    #[test]
    fn numbers_that_do_not_belong_together_sign_nothing() {
        let der = der(RSA_2048);
        let key = || rsa_of_pkcs1(&der).unwrap();
        let signs = |key: &RsaNumbers<'_>| sign_pss(key, Hash::Sha256, b"", &[0; 32]).is_some();
        assert!(signs(&key()));
        #[rustfmt::skip]
        let cases = [
            ("p is q",          RsaNumbers { p: key().q, ..key() }),
            ("q is p",          RsaNumbers { q: key().p, ..key() }),
            ("another dp",      RsaNumbers { dp: key().dq, ..key() }),
            ("another dq",      RsaNumbers { dq: &[], ..key() }),
            ("no inverse",      RsaNumbers { q_inverse: &[], ..key() }),
            ("another e",       RsaNumbers { e: &[3], ..key() }),
            ("an even prime",   RsaNumbers { p: &[2], ..key() }),
            ("a short modulus", RsaNumbers { n: &key().n[128..], ..key() }),
            ("no modulus",      RsaNumbers { n: &[], ..key() }),
        ];
        for (name, key) in cases {
            assert!(!signs(&key), "{name}");
        }
    }

    /// The same key, with the primes in the other order.
    fn swapped<'a>(key: &RsaNumbers<'a>, inverse: &'a [u8]) -> RsaNumbers<'a> {
        let RsaNumbers { n, e, p, q, dp, dq, .. } = *key;
        RsaNumbers { n, e, p: q, q: p, dp: dq, dq: dp, q_inverse: inverse }
    }

    /// The inverse of a number modulo a prime, by Fermat.
    fn inverse(number: &[u8], prime: &[u8]) -> Vec<u8> {
        let modulus = Modulus::new(prime).unwrap();
        let mut exponent = prime.to_vec();
        // The last byte is odd, and not 1 here.
        *exponent.last_mut().unwrap() -= 2;
        modulus.bytes(&modulus.power(&modulus.reduced(number), &exponent))
    }

    const MESSAGE: &[u8] = b"eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const PS256_2048: &str = "oS7Cl4ICdUXN57pFtlrITezuEuQ-Z0GLwFak4zfmYXTvlitnbLpyt_hKKujIIE_mXxLuvVo86w2Wz5d14Gp79TgCUaD00N2KvyIlHYXCxu62Xqk59p1ZHWqUWb2mMosoMs6HpkCrs-I6C1l-q3pEKdeksryv-K2M2K_XJodkotxMA5mzQHr_jFzyVRz_11idSSmCGaS-PMN5V-INcnddYuSkVLQ1bzIPkq7XNo1TE-LPyVfxRfOpgwzmQQjw6bvshLus2YRt4pMOAhrrgJylg_XDKGoIcieXnIanAVAheSR_Zt0fSuUXeUbD9y_sn7CrcGLaN4X2HGxs2Je25I9YQA";
    const PS256_2049: &str = "AFU20bgDHUdFWEM7FgU93To0n4ERD19-nresLgMjL19QaHWywnHYYT8ehlril-uHqjrf5N9InQ5fE7BNfT3DbhiT0WRsSMs_V4EIUHAIoIWzmmIJ4NFJa1cyB-CfVMv8L5Hcf0jAcqiEwDj_v9sKiPoMgR5P1FKKxz7d2Tpe5TOBCo2ySKZf1rBePxCDOvcQo9BVy4Plvb7z4dwwh59nHQ2Fks9yPgLAVXpIdTO8EwqUV15Rj7dFPkzJ1CE2d6WR8CtV_64hnzVjAIJKn5_Rk5GRJG7ihkyu8zH6q9o58QxYLU-L-HEauJvLHtSfizT8eY94M8bPwoWpR53nTRw34oY";
    const PS512_2049: &str = "AMZiTNnJ8gouP1t-0KsJe6XwLQV68FjUeVNNWMjTcUho4uaXMfKRhYI7jx_5Tp9NjL6oW1VLfx9E08i7pz7qFOBUA8VW672j-v8wQShFL3uPVmpJEYnUeCF5Y_cwiH2JdBxDBA2KQ-Sse3yTUTzf7z35Nm8YoDW4OHPowaGvLn8BHDZUeIk3JXHFJCwRrzt9ZYs6SI_VfiKD3haz4Rgfg98UPVNuyUj-3_oyQwuNfOCDzLpz3-KrFpatJjJ9n0NdGyeVEjc4wZz3MqG1qcXlRootuW6WpWb0Tw2LUYxpJx79i8H1S2hXbhoo88Ss_sUQCV47wCnEEZ3kEAu6-rhV6bQ";
}
