//! Finishes the filter: what the compiler writes becomes what Envoy loads.
//!
//! The SDK exports every callback of proxy-wasm, and the host enters the VM for each callback that it finds. Two functions
//! of one name cannot be linked, so our callbacks have names of their own until here (`tollgate_on_tick`). Finishing gives
//! them the names that the host looks for, in place of the SDK's, and removes every function and all data that nothing reaches
//! any more. For the data it has to know which constants are addresses, so the linker says so (`--emit-relocs`).
//!
//! A panic becomes a trap, and a list beside the module says which place in the source each trap is (`cut`, `places`).
//! Functions that are the same without their panics become one (`fold`).
//!
//! The code is written in a shorter form than LLVM's (`shorter`). Nothing else is optimized: that is the compiler's work.

mod cut;
mod fold;
mod layout;
mod linking;
mod module;
mod places;
mod reach;
mod rewrite;
mod shorter;

use wasmparser::{Validator, WasmFeatures};

use crate::module::Module;
use crate::rewrite::Rewritten;

pub use crate::places::explain;

/// Why a module cannot be finished.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// It does not begin as one does.
    #[error("it is not a WebAssembly module")]
    NotWebAssembly,
    /// Envoy could not load it either.
    #[error("it is not a WebAssembly module that Envoy can load: {0}")]
    Invalid(String),
    /// There is nothing to rename.
    #[error(
        "it exports no callback of Tollgate (tollgate_on_...): it is finished already, or is another module"
    )]
    NoCallbacks,
    /// The host would not find what it needs.
    #[error("it does not export \"{0}\"")]
    Missing(String),
    /// The error is in this program.
    #[error("finishing it makes an invalid WebAssembly module: {0}")]
    Broken(String),
}

/// A finished module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// As Envoy loads it.
    pub module: Vec<u8>,
    /// Which place in the source each of its functions and traps is, for [`explain`].
    pub places: String,
    /// Whether the linker said which constants are addresses, each of a kind that is known here. If not, all data stays.
    pub is_linked: bool,
}

/// The filter as Envoy loads it.
pub fn finish(compiled: &[u8]) -> Result<Finished, Error> {
    let mut module = read(compiled)?;
    if !module.exports().any(|name| name.starts_with(OURS)) {
        return Err(Error::NoCallbacks);
    }
    require(&module, &[&KEPT[..], &[INITIALIZE]].concat())?;
    cut::cut(&mut module);
    shorter::shorten(&mut module);
    fold::fold(&mut module);
    write(&module, |name| match name.strip_prefix(OURS) {
        Some(callback) => Some(format!("proxy_on_{callback}")),
        None if name == INITIALIZE => Some("_initialize".to_owned()),
        None => KEPT.contains(&name).then(|| name.to_owned()),
    })
}

/// Another module that uses the SDK, with only these callbacks (`on_tick`): `make bench` compares Tollgate with such.
pub fn keep(compiled: &[u8], callbacks: &[&str]) -> Result<Vec<u8>, Error> {
    let module = read(compiled)?;
    let callbacks: Vec<_> = callbacks.iter().map(|callback| format!("proxy_{callback}")).collect();
    let kept: Vec<_> =
        KEPT.into_iter().chain(["_initialize"]).chain(callbacks.iter().map(String::as_str)).collect();
    require(&module, &kept)?;
    Ok(write(&module, |name| kept.contains(&name).then(|| name.to_owned()))?.module)
}

fn read(compiled: &[u8]) -> Result<Module<'_>, Error> {
    if !compiled.starts_with(b"\0asm") {
        return Err(Error::NotWebAssembly);
    }
    validate(compiled)
        .and_then(|()| Module::read(compiled))
        .map_err(|cause| Error::Invalid(cause.to_string()))
}

fn require(module: &Module<'_>, names: &[&str]) -> Result<(), Error> {
    match names.iter().find(|name| !module.exports().any(|exported| exported == **name)) {
        Some(name) => Err(Error::Missing((*name).to_owned())),
        None => Ok(()),
    }
}

/// The module with the exports that get a name.
fn write(module: &Module<'_>, name: impl Fn(&str) -> Option<String>) -> Result<Finished, Error> {
    let Rewritten { bytes, functions } =
        rewrite::rewrite(module, name).map_err(|cause| Error::Broken(cause.to_string()))?;
    validate(&bytes)
        .and_then(|()| places::list(&bytes, &functions, module))
        .map(|places| Finished { module: bytes, places, is_linked: module.linking.is_some() })
        .map_err(|cause| Error::Broken(cause.to_string()))
}

fn validate(bytes: &[u8]) -> Result<(), wasmparser::BinaryReaderError> {
    Validator::new_with_features(FEATURES).validate_all(bytes).map(|_| ())
}

/// What the names of our callbacks begin with until they are finished.
const OURS: &str = "tollgate_on_";

/// What our `_initialize` is called until then.
const INITIALIZE: &str = "tollgate_initialize";

/// Exports that the host needs besides callbacks. The SDK's allocator is ours, too.
const KEPT: [&str; 3] = ["memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];

/// What rustc uses for this target: an older V8 in Envoy refuses a module with newer features.
const FEATURES: WasmFeatures = WasmFeatures::MVP
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]
mod tests;
