//! `tollgate-finish COMPILED FINISHED`: a step of `make build`.

use std::ffi::OsString;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use tollgate_finish::finish;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tollgate-finish: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> Result<(), String> {
    match arguments {
        [flag] if flag == "--help" || flag == "-h" => {
            stdout().write_all(HELP.as_bytes()).map_err(|cause| cause.to_string())
        }
        [compiled, finished] => convert(Path::new(compiled), Path::new(finished)),
        _ => Err("name the compiled module and the file to write; --help says more".to_owned()),
    }
}

fn convert(compiled: &Path, finished: &Path) -> Result<(), String> {
    let bytes = std::fs::read(compiled).map_err(|cause| format!("{}: {cause}", compiled.display()))?;
    let bytes = finish(&bytes).map_err(|cause| format!("{}: {cause}", compiled.display()))?;
    std::fs::write(finished, bytes).map_err(|cause| format!("{}: {cause}", finished.display()))
}

const HELP: &str = "\
Usage: tollgate-finish COMPILED FINISHED

Finish the filter: write the module that Envoy loads to FINISHED.
COMPILED is the module that the compiler wrote. Its callbacks (tollgate_on_...) get the
names that Envoy looks for. The callbacks of the proxy-wasm SDK are removed, and so are
all functions that nothing calls any more. `make build` runs this program.
";
