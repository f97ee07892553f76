//! Sets of keys ([RFC 7517 §5]), and which of them a signature may have been made with.
//!
//! [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5

use serde_json::{Map, Value};

use crate::base::hash::sha256;
use crate::jose::algorithm::Algorithm;
use crate::jose::jws::{Compact, Header};
use crate::jose::key::{KeyFault, PublicKey};
use crate::jose::verifier::Verifier;

/// How many entries a set may have at most, used or not.
pub const MAX_KEYS: usize = 100;
/// How many keys are tried for a signature: there may be several of one name, and it may not say whose it is.
pub const MAX_TRIED: usize = 4;
/// How many are for RSASSA-PSS, of which each costs some milliseconds.
pub const MAX_TRIED_PSS: usize = 2;

/// The keys of one issuer. What is of no use to us is left out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeySet {
    keys: Vec<Jwk>,
    /// How many entries are left out.
    left_out: usize,
    /// Distinguishes this set from others, in whatever order its keys are.
    fingerprint: [u8; 32],
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Jwk {
    key: PublicKey,
    kid: Option<String>,
    alg: Option<Algorithm>,
}

/// Why a document is no set of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeySetFault {
    /// No JSON object with an array `keys`.
    #[error("not an object with an array `keys`")]
    Shape,
    /// More than [`MAX_KEYS`].
    #[error("more than 100 keys")]
    TooMany,
    /// Nothing in it can be used.
    #[error("it has no usable key")]
    NoneFit,
}

/// Why an entry is left out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JwkFault {
    /// It is no key for us.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// Its `use` is there, and is not `sig`.
    #[error("use is not \"sig\"")]
    Use,
    /// Its `use` is `null`, which is not the same as absent.
    #[error("use is null")]
    UseNull,
    /// Its `key_ops` are there, without `verify`.
    #[error("key_ops has no \"verify\"")]
    Operations,
    /// Its `alg` is unknown to us, or of another kind of key.
    #[error("alg is not supported for this kind of key")]
    Algorithm,
    /// Its `kid` is not text.
    #[error("kid is not text")]
    Kid,
}

impl KeySetFault {
    /// The error in this document, in words: of a set in which nothing can be used, the first keys and why.
    #[inline(never)]
    pub fn of(self, document: &Value) -> String {
        let mut text = self.to_string();
        let entries = document.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if self == Self::NoneFit {
            for (at, entry) in entries.iter().enumerate().take(MAX_TOLD) {
                if let Some(fault) = KeySet::fault_of(entry) {
                    let mark = if at == 0 { ": " } else { "; " };
                    text.extend([mark, &place(at, entry), ": ", &fault.to_string()]);
                }
            }
        }
        if entries.len() > MAX_TOLD && self == Self::NoneFit {
            text.push_str("; and so on");
        }
        text
    }
}

/// How many keys a message names.
const MAX_TOLD: usize = 3;

/// Where an entry is, with its name as far as it is fit for a log.
pub fn place(at: usize, entry: &Value) -> String {
    let kid = entry.get("kid").and_then(Value::as_str).unwrap_or_default();
    let kid: String =
        kid.chars().take(40).map(|c| if matches!(c, ' '..='~') && c != '"' { c } else { '?' }).collect();
    if kid.is_empty() { format!("keys[{at}]") } else { format!("keys[{at}] (kid \"{kid}\")") }
}

impl KeySet {
    /// Reads a set. Unknown members, kinds of keys and curves are passed over (JWT-43).
    #[inline(never)]
    pub fn from_json(document: &Value) -> Result<Self, KeySetFault> {
        let entries = document.get("keys").and_then(Value::as_array).ok_or(KeySetFault::Shape)?;
        if entries.len() > MAX_KEYS {
            return Err(KeySetFault::TooMany);
        }
        let keys: Vec<_> = entries.iter().filter_map(|entry| Jwk::from_json(entry).ok()).collect();
        if keys.is_empty() {
            return Err(KeySetFault::NoneFit);
        }
        let left_out = entries.len().saturating_sub(keys.len());
        let fingerprint = fingerprint(&keys);
        Ok(Self { keys, left_out, fingerprint })
    }

    /// A hash of all keys with their names and algorithms: two sets that have the same verify the same.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Why an entry is left out; `None`: it is used.
    pub fn fault_of(entry: &Value) -> Option<JwkFault> {
        Jwk::from_json(entry).err()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has no keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many entries of the document are left out.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The keys that may have made a signature with this header: those of its `kid`, or without one a few
    /// of those that fit. `kid` is a hint and does not choose the algorithm: the same may be on several keys. For
    /// RSASSA-PSS without a `kid`, only keys count that say so.
    pub fn candidates<'a>(&'a self, header: &'a Header) -> impl Iterator<Item = &'a PublicKey> {
        let named = move |jwk: &&Jwk| header.kid.is_none() || jwk.kid == header.kid;
        let is_pss = header.alg.is_pss();
        let may_be_silent = !is_pss || header.kid.is_some();
        let says = move |alg: Option<Algorithm>| alg.map_or(may_be_silent, |alg| alg == header.alg);
        let fit = move |jwk: &&Jwk| jwk.key.fits(header.alg) && says(jwk.alg);
        let most = if is_pss { MAX_TRIED_PSS } else { MAX_TRIED };
        self.keys.iter().filter(named).filter(fit).map(|jwk| &jwk.key).take(most)
    }

    /// Whether any key is for this algorithm.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        let fits = |jwk: &Jwk| jwk.key.fits(algorithm) && jwk.alg.is_none_or(|alg| alg == algorithm);
        self.keys.iter().any(fits)
    }

    /// Whether a key of that name is in the set; without a name, whether any is for that algorithm.
    pub fn knows(&self, header: &Header) -> bool {
        match &header.kid {
            Some(_) => self.keys.iter().any(|jwk| jwk.kid == header.kid),
            None => self.candidates(header).next().is_some(),
        }
    }

    /// Whether one of the keys has signed an object; `None`: no key has its `kid`, or none fits its algorithm.
    #[inline(never)]
    pub fn have_signed(&self, jws: &Compact<'_>, verifier: &dyn Verifier) -> Option<bool> {
        if !self.knows(&jws.header) {
            return None;
        }
        let mut candidates = self.candidates(&jws.header);
        Some(candidates.any(|key| key.verify(jws.header.alg, jws.signing_input, &jws.signature, verifier)))
    }

    /// Whether everything that this set verifies, the other one does too.
    pub fn is_part_of(&self, other: &Self) -> bool {
        self.keys.iter().all(|key| other.keys.contains(key))
    }
}

impl Jwk {
    fn from_json(entry: &Value) -> Result<Self, JwkFault> {
        let key = PublicKey::from_jwk(entry)?;
        let members = entry.as_object().ok_or(KeyFault::NotAnObject)?;
        is_for_signatures(members)?;
        let alg = match members.get("alg") {
            None => None,
            Some(name) => {
                let alg = name.as_str().and_then(Algorithm::of_token).filter(|alg| key.fits(*alg));
                Some(alg.ok_or(JwkFault::Algorithm)?)
            }
        };
        let kid = match members.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().ok_or(JwkFault::Kid)?.to_owned()),
        };
        Ok(Self { key, kid, alg })
    }
}

fn fingerprint(keys: &[Jwk]) -> [u8; 32] {
    let hash = |jwk: &Jwk| -> [u8; 32] {
        // The name comes last, and no algorithm's has a zero in it.
        let alg = jwk.alg.map_or("", Algorithm::name).as_bytes();
        let kid = jwk.kid.as_deref().unwrap_or_default().as_bytes();
        sha256(&[&jwk.key.thumbprint(), alg, &[0, u8::from(jwk.kid.is_some())], kid])
    };
    // In order, each once; there are `MAX_KEYS` at most.
    let mut hashes = Vec::with_capacity(keys.len());
    for hash in keys.iter().map(hash) {
        if let Err(at) = hashes.binary_search(&hash) {
            hashes.insert(at, hash);
        }
    }
    sha256(&[&hashes.concat()])
}

/// By `use` and `key_ops` ([RFC 7517 §4.2, §4.3]).
///
/// [RFC 7517 §4.2, §4.3]: https://www.rfc-editor.org/rfc/rfc7517#section-4.2
fn is_for_signatures(jwk: &Map<String, Value>) -> Result<(), JwkFault> {
    let verifies = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
    match jwk.get("use") {
        Some(Value::Null) => Err(JwkFault::UseNull),
        Some(purpose) if purpose != "sig" => Err(JwkFault::Use),
        _ if !jwk.get("key_ops").is_none_or(verifies) => Err(JwkFault::Operations),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{KeySet, KeySetFault};
    use crate::jose::algorithm::Algorithm;
    use crate::jose::jws::Header;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn ec(more: &Value) -> Value {
        let mut jwk = json!({"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    }

    fn ed(more: &Value) -> Value {
        let mut jwk =
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    }

    fn header(alg: Algorithm, kid: Option<&str>) -> Header {
        Header { alg, typ: None, cty: None, kid: kid.map(str::to_owned), jwk: None }
    }

    fn number(keys: &[Value], alg: Algorithm, kid: Option<&str>) -> usize {
        let set = KeySet::from_json(&json!({"keys": keys, "more": 1})).unwrap_or_default();
        set.candidates(&header(alg, kid)).count()
    }

    #[test]
    fn which_keys_are_tried() {
        use Algorithm::{EdDsa, Es256, Es384};
        #[rustfmt::skip]
        let cases: Vec<(&str, Vec<Value>, Algorithm, Option<&str>, usize)> = vec![
            ("its kid",                     vec![ec(&json!({"kid": "a"})), ec(&json!({"kid": "b"}))], Es256, Some("a"), 1),
            ("JWT-19 another case",         vec![ec(&json!({"kid": "a"}))],             Es256, Some("A"), 0),
            ("JWT-21 no kid",               vec![ec(&json!({"kid": "a"})), ec(&json!({}))], Es256, None, 2),
            ("JWT-21 at most four",         vec![ec(&json!({})); 20],                   Es256, None, 4),
            ("at most four of one name",    vec![ec(&json!({"kid": "a"})); 20],         Es256, Some("a"), 4),
            ("no kid in the set",           vec![ec(&json!({}))],                       Es256, Some("a"), 0),
            ("JWT-22 one kid, two kinds",   vec![ec(&json!({"kid": "a"})), ed(&json!({"kid": "a"}))], Es256, Some("a"), 1),
            ("JWT-22 and the other",        vec![ec(&json!({"kid": "a"})), ed(&json!({"kid": "a"}))], EdDsa, Some("a"), 1),
            ("JWT-10 another curve",        vec![ec(&json!({}))],                       Es384, None, 0),
            ("JWT-11 its alg",              vec![ec(&json!({"alg": "ES256"}))],         Es256, None, 1),
            ("JWT-11 ATK-60 another alg",   vec![ec(&json!({"alg": "ES384"}))],         Es256, None, 0),
            ("JWT-48 by either name",       vec![ed(&json!({"alg": "Ed25519"})), ed(&json!({"alg": "EdDSA"}))], EdDsa, None, 2),
            ("JWT-12 ATK-60 for encryption", vec![ec(&json!({"use": "enc"}))],          Es256, None, 0),
            ("JWT-12 for signatures",       vec![ec(&json!({"use": "sig", "key_ops": ["verify"]}))], Es256, None, 1),
            ("JWT-12 key_ops",              vec![ec(&json!({"key_ops": ["deriveKey"]}))], Es256, None, 0),
            ("key_ops that are no array",   vec![ec(&json!({"key_ops": "verify"}))],    Es256, None, 0),
            ("ATK-60 a private key",        vec![ec(&json!({"d": "AQAB"}))],            Es256, None, 0),
            ("a kid that is no text",       vec![ec(&json!({"kid": 1}))],               Es256, None, 0),
        ];
        for (name, keys, alg, kid, want) in cases {
            assert_eq!(number(&keys, alg, kid), want, "{name}");
        }
    }

    #[test]
    fn signatures_that_cost_most_are_tried_least() {
        let rsa = |more: Value| {
            let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
            let mut key = json!({"kty": "RSA", "e": "AQAB", "n": n});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            vec![key; 8]
        };
        #[rustfmt::skip]
        let cases = [
            ("PSS, no kid, no alg",           rsa(json!({})),                             Algorithm::Ps256, None,      0),
            ("PSS, no kid, and it says so",   rsa(json!({"alg": "PS256"})),               Algorithm::Ps256, None,      2),
            ("PSS, no kid, and another hash", rsa(json!({"alg": "PS384"})),               Algorithm::Ps256, None,      0),
            ("PSS, its kid",                  rsa(json!({"kid": "a"})),                   Algorithm::Ps256, Some("a"), 2),
            ("PKCS #1, no kid, no alg",       rsa(json!({})),                             Algorithm::Rs256, None,      4),
            ("PKCS #1, and it says PSS",      rsa(json!({"alg": "PS256", "kid": "a"})),   Algorithm::Rs256, Some("a"), 0),
        ];
        for (name, keys, alg, kid, want) in cases {
            assert_eq!(number(&keys, alg, kid), want, "{name}");
        }
    }

    #[test]
    fn odd_keys_are_passed_over() {
        // JWT-43, JWT-44, ATK-60
        let odd =
            [json!(1), json!({}), json!({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}), json!({"kty": "AKP"})];
        let keys: Vec<_> = odd.iter().cloned().chain([ec(&json!({"kid": "a"}))]).collect();
        let set = KeySet::from_json(&json!({ "keys": keys })).unwrap();
        assert_eq!((set.len(), set.left_out()), (1, 4));
        #[rustfmt::skip]
        let cases = [
            ("no object",      json!([]),                               KeySetFault::Shape),
            ("no keys",        json!({"key": []}),                      KeySetFault::Shape),
            ("keys of a kind", json!({"keys": {}}),                     KeySetFault::Shape),
            ("ATK-64 empty",   json!({"keys": []}),                     KeySetFault::NoneFit),
            ("none fits",      json!({"keys": odd}),                    KeySetFault::NoneFit),
            ("JWT-45 ATK-60 too many", json!({"keys": vec![ec(&json!({})); 101]}), KeySetFault::TooMany),
        ];
        for (name, document, want) in cases {
            assert_eq!(KeySet::from_json(&document), Err(want), "{name}");
        }
        let most = KeySet::from_json(&json!({"keys": vec![ec(&json!({})); 100]}));
        assert_eq!(most.map(|set| set.len()), Ok(100), "as many as there may be");
        assert!(!set.is_empty() && KeySet::default().is_empty());
    }

    #[test]
    fn what_a_set_is_for() {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Rs256};
        let rsa = json!({"kty": "RSA", "e": "AQAB", "n": format!("{}w", "_".repeat(341)), "alg": "PS256"});
        #[rustfmt::skip]
        let cases = [
            ("a key that says nothing",       vec![ec(&json!({}))],               vec![Es256]),
            ("a key that says it",            vec![ed(&json!({"alg": "EdDSA"}))], vec![EdDsa]),
            ("a key for more that says less", vec![rsa.clone()],                  vec![Ps256]),
            ("several",                       vec![rsa, ec(&json!({}))],          vec![Ps256, Es256]),
        ];
        for (name, keys, want) in cases {
            let set = KeySet::from_json(&json!({ "keys": keys })).unwrap();
            for algorithm in [Rs256, Ps256, Es256, Es384, EdDsa] {
                assert_eq!(set.is_for(algorithm), want.contains(&algorithm), "{name}: {algorithm:?}");
            }
        }
    }

    #[test]
    fn a_set_of_no_use_is_told_key_by_key() {
        let padded = json!({"kty": "RSA", "kid": "a", "n": "AQAB=", "e": "AQAB"});
        let odd = json!({"kty": "RSA", "kid": format!("line\n\"{}", "x".repeat(100)), "x5c": ["MIIB"]});
        #[rustfmt::skip]
        let cases = [
            (vec![padded.clone()],                 "keys[0] (kid \"a\"): n is not base64url without padding"),
            (vec![ec(&json!({"use": null}))],      "keys[0]: use is null"),
            (vec![ec(&json!({"use": "enc"}))],     "keys[0]: use is not \"sig\""),
            (vec![ec(&json!({"key_ops": ["sign"]}))], "keys[0]: key_ops has no \"verify\""),
            (vec![json!("x")],                     "keys[0]: not an object"),
            (vec![odd],                            "keys[0] (kid \"line??xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"): n is missing, and the certificate in x5c is ignored"),
            (vec![json!(1), json!(2), json!(3)],
             "keys[0]: not an object; keys[1]: not an object; keys[2]: not an object"),
            (vec![padded, json!({"kty": "oct"}), ec(&json!({"kid": 1})), json!(1)],
             "keys[0] (kid \"a\"): n is not base64url without padding; keys[1]: it holds a private or symmetric key; keys[2]: kid is not text; and so on"),
        ];
        for (keys, want) in cases {
            let document = json!({ "keys": keys });
            let fault = KeySet::from_json(&document).unwrap_err();
            assert_eq!(fault.of(&document), format!("it has no usable key: {want}"));
        }
        assert_eq!(KeySetFault::Shape.of(&json!([])), "not an object with an array `keys`");
        assert_eq!(KeySetFault::NoneFit.of(&json!({"keys": []})), "it has no usable key");
        assert_eq!(KeySetFault::TooMany.of(&json!({"keys": vec![json!(1); 101]})), "more than 100 keys");
    }

    #[test]
    fn a_set_that_has_lost_a_key_is_another() {
        let set = |keys: &[Value]| KeySet::from_json(&json!({ "keys": keys })).unwrap();
        let (one, both) = (set(&[ec(&json!({}))]), set(&[ed(&json!({})), ec(&json!({}))]));
        assert!(one.is_part_of(&both) && both.is_part_of(&both) && !both.is_part_of(&one));
        assert!(both.knows(&header(Algorithm::Es256, None)) && !both.knows(&header(Algorithm::Rs256, None)));
        assert!(!both.knows(&header(Algorithm::Es256, Some("a"))), "a kid that nobody has");
    }

    #[test]
    fn sets_that_verify_the_same_have_one_fingerprint_and_others_have_others() {
        // JWT-47
        let of = |keys: &[Value]| *KeySet::from_json(&json!({ "keys": keys })).unwrap().fingerprint();
        let (a, b) = (ec(&json!({"kid": "a"})), ed(&json!({"kid": "b"})));
        let both = of(&[a.clone(), b.clone()]);
        assert_eq!(of(&[b.clone(), a.clone()]), both, "in another order");
        assert_eq!(
            of(&[a.clone(), b.clone(), json!({"kty": "AKP"}), a.clone()]),
            both,
            "with more that is of no use"
        );
        let others = [
            of(std::slice::from_ref(&a)),
            of(std::slice::from_ref(&b)),
            of(&[ec(&json!({})), b.clone()]),
            of(&[ec(&json!({"kid": ""})), b.clone()]),
            of(&[ec(&json!({"kid": "a", "alg": "ES256"})), b.clone()]),
            of(&[ec(&json!({"kid": "b"})), ed(&json!({"kid": "a"}))]),
        ];
        for (at, one) in others.iter().enumerate() {
            assert!(*one != both && !others.iter().skip(at).skip(1).any(|other| other == one), "{at}");
        }
    }
}
