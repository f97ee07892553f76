//! What an engine needs of its host.

use crate::base::store::{Own, Store};
use crate::decision::trace::Untraced;
use crate::jose::signer::Signer;
use crate::jose::verifier::Verifier;
use crate::request::connection::{Nobody, Peer};

/// What an engine needs from its host, besides events and clocks.
#[derive(Debug)]
pub struct Ports<T = Untraced> {
    /// Random, and secret.
    pub seed: [u64; 2],
    /// Which plugin this is: no two plugins share a cache.
    pub owner: Vec<u8>,
    /// What verifies signatures.
    pub verifier: &'static dyn Verifier,
    /// Who signs our own assertions; `None`: the engine does.
    pub signer: Option<&'static dyn Signer>,
    /// Who knows the connections of requests.
    pub peer: &'static dyn Peer,
    /// What all workers of a process share.
    pub store: Box<dyn Store>,
    /// Receives the checks.
    pub trace: T,
}

impl Ports {
    /// Those of an engine that is alone: it shares nothing, knows no connections, and signs for itself.
    pub fn new(seed: [u64; 2], verifier: &'static dyn Verifier) -> Self {
        let store = Box::<Own>::default();
        Self { seed, owner: Vec::new(), verifier, signer: None, peer: &Nobody, store, trace: Untraced }
    }

    /// The same ports, with this trace.
    #[must_use]
    pub fn traced<T>(self, trace: T) -> Ports<T> {
        let Self { seed, owner, verifier, signer, peer, store, trace: Untraced } = self;
        Ports { seed, owner, verifier, signer, peer, store, trace }
    }
}
