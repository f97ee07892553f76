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

/// The built module: what `TOLLGATE_WASM` names, or what `make build` leaves.
pub(crate) fn compiled() -> &'static (Engine, Module) {
    static COMPILED: OnceLock<(Engine, Module)> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let path = path();
        let bytes = std::fs::read(&path)
            .unwrap_or_else(|cause| panic!("{}: {cause}; run \"make build\" first", path.display()));
        let engine = Engine::default();
        let module =
            Module::new(&engine, &bytes).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        (engine, module)
    })
}

fn path() -> PathBuf {
    let built = || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        root.join("target/wasm32-wasip1/release/tollgate_filter.wasm")
    };
    std::env::var_os("TOLLGATE_WASM").map_or_else(built, PathBuf::from)
}
