//! Signatures by the host's own code: Envoy's foreign functions `verify_signature` and `sign` (since 1.37). A host
//! that lacks one of them rejects a configuration that needs it ([`tollgate_config::host`]).

use std::cell::Cell;

use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::jose::foreign;
use tollgate_engine::jose::portable::Portable;
use tollgate_engine::jose::signer::{Signer, ToSign};
use tollgate_engine::jose::verifier::{Signed, Verifier};

use crate::abi::{self, NoSuch};

/// The host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Native;

thread_local! {
    /// Whether the host has `sign`, as far as we know.
    static SIGNS: Cell<bool> = const { Cell::new(true) };
}

impl Signer for Native {
    fn sign(&self, to_sign: &ToSign<'_>) -> Option<Vec<u8>> {
        if !self.signs(to_sign.algorithm) {
            return None;
        }
        let reply = abi::foreign("sign", &foreign::sign_argument(to_sign));
        if reply == Err(NoSuch::Function) {
            SIGNS.set(false);
        }
        foreign::signature(to_sign.algorithm, &reply.ok()?)
    }

    fn signs(&self, algorithm: Algorithm) -> bool {
        foreign::signs(algorithm) && SIGNS.get()
    }
}

impl Verifier for Native {
    fn verify(&self, signed: &Signed<'_>) -> bool {
        if Portable.verifies(signed.algorithm) { Portable.verify(signed) } else { by_the_host(signed) }
    }

    fn verifies(&self, algorithm: Algorithm) -> bool {
        // Without a key, the argument is a bad one.
        let is_there = || abi::foreign("verify_signature", &[]) != Err(NoSuch::Function);
        Portable.verifies(algorithm) || foreign::verifies(algorithm) && is_there()
    }
}

/// Whether the host accepts a signature.
fn by_the_host(signed: &Signed<'_>) -> bool {
    abi::foreign("verify_signature", &foreign::verify_argument(signed))
        .is_ok_and(|reply| foreign::is_verified(&reply))
}
