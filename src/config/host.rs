//! What a configuration needs of the host that it is for, and what that one lacks.

use crate::error::{ConfigError, Fault};
use crate::schema::{Place, listed};
use tollgate_engine::jose::algorithm::{Algorithm, Algorithms};
use tollgate_engine::jose::signer::Signer;
use tollgate_engine::jose::verifier::Verifier;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::assertion::Unsigned;
use tollgate_engine::provider::client_auth::ClientAuth;

/// Every place that needs signatures which neither the engine nor the host computes.
#[inline(never)]
pub fn lacking(policy: &Policy, verifier: &dyn Verifier, signer: &dyn Signer) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for provider in &policy.providers {
        let at = Place::default().name("providers").name(&provider.name);
        if provider.keys.is_some() {
            errors.extend(unverified(&provider.jwt.algorithms, &at, verifier));
        }
        if let ClientAuth::Assertion(assertion) = &provider.introspection.client_auth
            && let Err(unsigned) = assertion.try_out(signer)
        {
            let auth = at.name("introspection").name("client_auth");
            errors.push(match unsigned {
                Unsigned::Key => ConfigError { at: auth, fault: Fault::KeyNotTaken },
                Unsigned::Algorithm(algorithm) => {
                    let fault = Fault::NotSigned { algorithm: algorithm.name() };
                    ConfigError { at: auth.name("algorithm"), fault }
                }
            });
        }
    }
    let dpop = policy.dpop.as_ref().map(|dpop| &dpop.algorithms);
    errors
        .extend(dpop.and_then(|algorithms| unverified(algorithms, &Place::default().name("dpop"), verifier)));
    errors
}

fn unverified(algorithms: &Algorithms, at: &Place, verifier: &dyn Verifier) -> Option<ConfigError> {
    let lacking = algorithms.iter().filter(|algorithm| !verifier.verifies(*algorithm));
    let names: Vec<_> = lacking.map(Algorithm::name).collect();
    let fault = Fault::NotVerified { algorithms: listed(&names, "and") };
    (!names.is_empty()).then(|| ConfigError { at: at.name("algorithms"), fault })
}
