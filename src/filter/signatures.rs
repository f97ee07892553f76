//! Signatures by the host's own code: Envoy's foreign functions `verify_signature` and `sign` (since 1.37). If a host
//! does not have one of them, it is not called again.

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
    /// Whether the host has the function, as far as we know.
    static VERIFIES: Cell<bool> = const { Cell::new(true) };
    /// The same of the other one.
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
        by_the_host(signed).unwrap_or_else(|| Portable.verify(signed))
    }
}

/// Whether the host accepts a signature; `None`: it cannot verify it.
fn by_the_host(signed: &Signed<'_>) -> Option<bool> {
    if !foreign::verifies(signed.algorithm) || !VERIFIES.get() {
        return None;
    }
    match abi::foreign("verify_signature", &foreign::verify_argument(signed)) {
        Ok(reply) => Some(foreign::is_verified(&reply)),
        Err(NoSuch::Argument) => Some(false),
        Err(NoSuch::Function) => {
            VERIFIES.set(false);
            None
        }
    }
}
