//! Signatures by the second implementation.

#[path = "../../../src/cli/kit/signatures.rs"]
mod computed;

pub(crate) use computed::Computed;
