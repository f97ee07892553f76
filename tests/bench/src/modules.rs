//! The modules that are loaded: Tollgate's, and the least ones to compare it with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tollgate_e2e::root;

/// Where they are.
#[derive(Clone, Debug)]
pub struct Modules {
    /// Tollgate, as `make build` leaves it.
    pub tollgate: PathBuf,
    /// Another Tollgate, which `BEFORE` names, to compare it with.
    pub before: Option<PathBuf>,
    /// The SDK's filter that does nothing.
    pub noop: PathBuf,
    /// The least that a filter can do that knows a token, as the compiler leaves it.
    pub sdk_hit: PathBuf,
    /// The same without the callbacks that it does not need.
    pub hit: PathBuf,
    /// The same, but it reads all header fields.
    pub hit_head: PathBuf,
    /// The least that a filter can do that asks about every token, likewise.
    pub call: PathBuf,
}

impl Modules {
    /// Builds what is not there yet; `TOLLGATE_WASM` names another Tollgate.
    pub fn build() -> Self {
        let default = || root().join("target/wasm32-wasip1/release/tollgate_filter.wasm");
        let tollgate = std::env::var_os("TOLLGATE_WASM").map_or_else(default, PathBuf::from);
        assert!(tollgate.is_file(), "there is no module at {}: run \"make build\" first", tollgate.display());
        let before = std::env::var_os("BEFORE").map(PathBuf::from);
        if let Some(before) = &before {
            assert!(before.is_file(), "there is no module at {}, which BEFORE names", before.display());
        }
        let target = root().join("target/bench/modules");
        run(Command::new("cargo")
            .args(["build", "--quiet", "--release", "--locked", "--examples", "--target", "wasm32-wasip1"])
            .arg("--target-dir")
            .arg(&target)
            .current_dir(root().join("tests/bench/modules")));
        let built = |name: &str| target.join(format!("wasm32-wasip1/release/examples/{name}.wasm"));
        let common = ["on_context_create", "on_vm_start", "on_configure", "on_request_headers", "on_delete"];
        let finished = |name: &str, more: &[&str]| {
            let finished = target.join(format!("{name}.wasm"));
            finish(&built(name), &finished, &[&common[..], more].concat());
            finished
        };
        Self {
            tollgate,
            before,
            noop: built("noop"),
            sdk_hit: built("minimum_hit"),
            hit: finished("minimum_hit", &[]),
            hit_head: finished("minimum_hit_head", &[]),
            call: finished("minimum_call", &["on_http_call_response"]),
        }
    }
}

/// Drops the callbacks that a module does not need, as `make build` does for Tollgate.
fn finish(module: &Path, finished: &Path, callbacks: &[&str]) {
    let bytes = std::fs::read(module).expect("cargo has just built it");
    let bytes = tollgate_finish::keep(&bytes, callbacks).expect("it has these callbacks");
    std::fs::write(finished, bytes).expect("the folder is cargo's");
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "this failed: {command:?}");
}
