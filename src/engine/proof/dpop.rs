//! DPoP proofs at a protected resource ([RFC 9449 §4.3, §7]).
//!
//! [RFC 9449 §4.3, §7]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::base::hash::sha256;
use crate::base::secret::Secret;
use crate::base::store::Store;
use crate::base::store::common::Common;
use crate::base::time::UnixTime;
use crate::decision::Rejection;
use crate::decision::fault::{MAX_PROOF, ProofFault};
use crate::jose::algorithm::Algorithms;
use crate::jose::jws::{Compact, JwsFault};
use crate::jose::key::PublicKey;
use crate::jose::verifier::Verifier;
use crate::proof::nonce::{Age, Key};
use crate::proof::replay::{Mark, Name, Replays};
use crate::proof::target::Target;
use crate::request::connection::Connection;
use crate::request::head::RequestHead;

/// `dpop`: how proofs are checked.
#[derive(Clone, Debug)]
pub struct Dpop {
    /// How old a proof may be.
    pub max_age: Duration,
    /// Leeway for `iat`, both ways.
    pub clock_skew: Duration,
    /// What proofs may be signed with, by preference.
    pub algorithms: Algorithms,
    /// Whether proofs must have a nonce that Tollgate issued.
    pub nonce: Option<NonceRule>,
    /// About how many used proofs are kept.
    pub replay_cache: usize,
    /// Scheme and authority by which clients call, if Envoy sees others, and the prefix that a hop takes off.
    pub external_origin: Option<String>,
    /// Whether the upstream gets to see the proof.
    pub forward: bool,
}

/// `dpop.nonce: required`.
#[derive(Clone, Debug)]
pub struct NonceRule {
    /// How long a nonce is the current one; it stays valid for the same time again.
    pub lifetime: Duration,
    /// The key, if the operator has given one; else the proxy makes its own.
    pub key: Option<Key>,
}

/// Everything that is needed to check proofs, besides the request.
#[derive(Debug)]
pub struct Proofs {
    /// Where used proofs are kept. `None`: the host stores nothing for the workers, and every proof is
    /// rejected.
    replays: Vec<Replays>,
    /// The key that signs nonces; `None`: no nonce is valid.
    nonce_key: Option<Key>,
}

/// A valid proof. Whether it was made with the token's key, and is used for the first time, is checked later.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The thumbprint of its key ([RFC 7638]), as `cnf.jkt` has it.
    ///
    /// [RFC 7638]: https://www.rfc-editor.org/rfc/rfc7638
    pub thumbprint: String,
    /// A mark for each memory.
    marks: Vec<Mark>,
    /// A new nonce, if the client's soon ends.
    pub next_nonce: Option<String>,
}

/// The longest `jti`, in bytes.
const MAX_JTI: usize = 256;

impl Proofs {
    /// What a policy needs, for the plugin `owner`, whose workers share it. Plugins that clients reach under
    /// one origin share their used proofs; otherwise each would accept a proof once. Each also keeps its own,
    /// because its origin may change with its configuration.
    pub fn new(dpop: &Dpop, owner: &[u8], common: Option<&Common>) -> Self {
        let given = dpop.nonce.as_ref().and_then(|rule| rule.key);
        let origin = dpop.external_origin.as_deref().and_then(Target::of_uri);
        let origin = origin.map(|target| ["origin ", target.origin()].concat().into_bytes());
        let rememberers = || std::iter::once(owner).chain(origin.as_deref());
        let of = |common| rememberers().map(move |whose| Replays::new(common, whose, dpop.replay_cache));
        Self {
            replays: common.into_iter().flat_map(of).collect(),
            nonce_key: given.or_else(|| common.map(|common| Key::own(common, owner))),
        }
    }

    /// Checks the proof that a request carries for its token.
    #[inline(never)]
    pub fn check(
        &self,
        dpop: &Dpop,
        (head, connection): (RequestHead<'_>, Connection<'_>),
        token: &Secret,
        verifier: &dyn Verifier,
        now: UnixTime,
    ) -> Result<Proof, Rejection> {
        let Checked { claims, mut proof } =
            check(dpop, &self.replays, (head, connection), token, verifier, now)
                .map_err(Rejection::BadProof)?;
        if let Some(rule) = &dpop.nonce {
            let key = self.nonce_key.as_ref().ok_or(Rejection::BadProof(ProofFault::Forgotten))?;
            proof.next_nonce = check_nonce(rule, key, claims.get("nonce"), now)?;
        }
        Ok(proof)
    }

    /// Uses a proof up. `false`: that has been done.
    pub fn first_use(&self, dpop: &Dpop, proof: &Proof, store: &dyn Store, now: UnixTime) -> bool {
        let older = now.minus(dpop.max_age).minus(dpop.clock_skew);
        let first = |(replays, mark): (&Replays, &Mark)| replays.first_use(store, *mark, older, now);
        !self.replays.is_empty() && self.replays.iter().zip(&proof.marks).all(first)
    }
}

/// A new nonce, if the client's is about to end ([RFC 9449 §8.2]).
///
/// [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2
fn check_nonce(
    rule: &NonceRule,
    key: &Key,
    nonce: Option<&Value>,
    now: UnixTime,
) -> Result<Option<String>, Rejection> {
    let new = || key.nonce(now, rule.lifetime);
    match nonce.and_then(Value::as_str).and_then(|nonce| key.age(nonce, now, rule.lifetime)) {
        Some(Age::Current) => Ok(None),
        Some(Age::Last) => Ok(Some(new())),
        None => Err(Rejection::NonceWanted { nonce: new() }),
    }
}

struct Checked {
    claims: Map<String, Value>,
    proof: Proof,
}

/// The checks of [RFC 9449 §4.3] without the nonce. The signature comes last, because it costs the most.
///
/// [RFC 9449 §4.3]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3
fn check(
    dpop: &Dpop,
    replays: &[Replays],
    (head, connection): (RequestHead<'_>, Connection<'_>),
    token: &Secret,
    verifier: &dyn Verifier,
    now: UnixTime,
) -> Result<Checked, ProofFault> {
    let mut lines = head.all("dpop");
    let line = lines.next().ok_or(ProofFault::Missing)?;
    // Lines that the host has joined have commas between them.
    if lines.next().is_some() || line.contains(&b',') {
        return Err(ProofFault::Several);
    }
    if line.len() > MAX_PROOF {
        return Err(ProofFault::TooLong);
    }
    let text = std::str::from_utf8(line).map_err(|_| ProofFault::Malformed(JwsFault::Parts))?;
    let jws = Compact::parse(text.trim_matches([' ', '\t'])).map_err(ProofFault::Malformed)?;
    if !jws.header.is_typ("dpop+jwt") {
        return Err(ProofFault::Typ);
    }
    if !dpop.algorithms.allow(jws.header.alg) {
        return Err(ProofFault::Algorithm);
    }
    let jwk = jws.header.jwk.as_ref().ok_or(ProofFault::Key)?;
    let claims = jws.claims().ok_or(ProofFault::Claim("all"))?;
    let text = |name: &'static str| {
        claims
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or(ProofFault::Claim(name))
    };
    let jti = text("jti")?;
    if jti.len() > MAX_JTI {
        return Err(ProofFault::Claim("jti"));
    }
    if text("htm")?.as_bytes() != head.method() {
        return Err(ProofFault::Method);
    }
    let htu = text("htu")?;
    let external = dpop.external_origin.as_deref();
    // The scheme is the client's word; the connection is asked only where it matters.
    let scheme = if external.is_none() && connection.is_tls() { "https" } else { "http" };
    let request = Target::of_request(external, scheme.as_bytes(), head.authority(), head.path());
    if !request.is_some_and(|request| request.is_named_by(htu, external)) {
        return Err(ProofFault::Target);
    }
    let iat = claims.get("iat").and_then(Value::as_f64).ok_or(ProofFault::Claim("iat"))?;
    let iat = in_time(dpop, iat, now).ok_or(ProofFault::Time)?;
    if replays.is_empty() {
        return Err(ProofFault::Forgotten);
    }
    let hash = URL_SAFE_NO_PAD.encode(sha256(&[token.expose().as_bytes()]));
    if text("ath")? != hash {
        return Err(ProofFault::Token);
    }
    let key = PublicKey::from_jwk(jwk).map_err(|_| ProofFault::Key)?;
    // It is the client's own choice, and we pay for it.
    if !key.is_modest() {
        return Err(ProofFault::Size);
    }
    if !key.fits(jws.header.alg) {
        return Err(ProofFault::Key);
    }
    if !key.verify(jws.header.alg, jws.signing_input, &jws.signature, verifier) {
        return Err(ProofFault::Signature);
    }
    let thumbprint = URL_SAFE_NO_PAD.encode(key.thumbprint());
    let name = Name { thumbprint: &thumbprint, jti, htu };
    let marks = replays.iter().map(|replays| replays.mark(name, iat)).collect();
    Ok(Checked { claims, proof: Proof { thumbprint, marks, next_nonce: None } })
}

/// When a proof was issued; `None` if that is too long ago, or in the future.
fn in_time(dpop: &Dpop, iat: f64, now: UnixTime) -> Option<UnixTime> {
    // Beyond a double's whole numbers there is no time that anybody means.
    if !(0.0..9e15).contains(&iat) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
    let iat = UnixTime::from_secs(iat as u64);
    let until = iat.plus(dpop.max_age).plus(dpop.clock_skew);
    (iat <= now.plus(dpop.clock_skew) && now <= until).then_some(iat)
}
