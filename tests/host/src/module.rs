//! The module under test, compiled once per process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wasmi::{Engine, Module};

/// One import of the module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Import {
    /// `env`, or WASI's name.
    pub module: String,
    /// The call.
    pub name: String,
}

/// What the built module imports.
pub fn imports() -> Vec<Import> {
    let (_, module) = compiled();
    let import = |import: wasmi::ImportType<'_>| Import {
        module: import.module().to_owned(),
        name: import.name().to_owned(),
    };
    module.imports().map(import).collect()
}

/// What the built module exports.
pub fn exports() -> Vec<String> {
    let (_, module) = compiled();
    module.exports().map(|export| export.name().to_owned()).collect()
}

/// The built module's bytes.
pub fn built() -> Vec<u8> {
    read(&path("TOLLGATE_WASM", BUILT))
}

/// Which place in the source each function and trap of the built module is.
pub fn places() -> String {
    String::from_utf8_lossy(&read(&path("TOLLGATE_WASM", BUILT).with_extension("places"))).into_owned()
}

const BUILT: &str = "target/wasm32-wasip1/release/tollgate_filter.wasm";

/// The built module: what `TOLLGATE_WASM` names, or what `make build` leaves.
pub(crate) fn compiled() -> &'static (Engine, Module) {
    static COMPILED: OnceLock<(Engine, Module)> = OnceLock::new();
    COMPILED.get_or_init(|| load("TOLLGATE_WASM", BUILT))
}

/// The module as the compiler writes it, before `make build` has finished it: what `TOLLGATE_UNFINISHED` names, or what
/// `make build` has begun with.
pub(crate) fn unfinished() -> (Engine, Module) {
    load("TOLLGATE_UNFINISHED", "target/raw/wasm32-wasip1/filter/tollgate_filter.wasm")
}

fn load(variable: &str, built: &str) -> (Engine, Module) {
    let path = path(variable, built);
    let engine = Engine::default();
    let module =
        Module::new(&engine, read(&path)).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    (engine, module)
}

fn path(variable: &str, built: &str) -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(built);
    std::env::var_os(variable).map_or_else(built, PathBuf::from)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path)
        .unwrap_or_else(|cause| panic!("{}: {cause}; run \"make build\" first", path.display()))
}
