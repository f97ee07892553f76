//! `tollgate-finish COMPILED FINISHED`: a step of `make build`.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{Write, read_to_string, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

use tollgate_finish::{Finished, explain, finish};

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
        [flag, places] if flag == "--explain" => explain_log(Path::new(places)),
        [compiled, finished] => convert(Path::new(compiled), Path::new(finished)),
        _ => Err("name the compiled module and the file to write; --help says more".to_owned()),
    }
}

fn convert(compiled: &Path, finished: &Path) -> Result<(), String> {
    let bytes = std::fs::read(compiled).map_err(|cause| of_file(compiled, &cause))?;
    let Finished { module, places, is_linked } = finish(&bytes).map_err(|cause| of_file(compiled, &cause))?;
    if !is_linked {
        eprintln!("tollgate-finish: {}: {NOT_LINKED}", compiled.display());
    }
    for (file, bytes) in [(finished, module), (&finished.with_extension("places"), places.into_bytes())] {
        std::fs::write(file, bytes).map_err(|cause| of_file(file, &cause))?;
    }
    Ok(())
}

fn explain_log(places: &Path) -> Result<(), String> {
    let places = std::fs::read_to_string(places).map_err(|cause| of_file(places, &cause))?;
    let log = read_to_string(stdin()).map_err(|cause| cause.to_string())?;
    stdout().write_all(explain(&log, &places).as_bytes()).map_err(|cause| cause.to_string())
}

fn of_file(file: &Path, cause: &dyn Display) -> String {
    format!("{}: {cause}", file.display())
}

const NOT_LINKED: &str = "warning: which constants are addresses is not known for certain, so all data stays, and the module \
                          is larger than it could be. Was it linked with --emit-relocs?";

const HELP: &str = "\
Usage: tollgate-finish COMPILED FINISHED
       tollgate-finish --explain PLACES < LOG

Finish the filter: write the module that Envoy loads to FINISHED.
COMPILED is the module that the compiler wrote. Its callbacks (tollgate_on_...) get the
names that Envoy looks for. The callbacks of the proxy-wasm SDK are removed, and so are
all functions and all data that nothing uses any more. Panics become traps. `make build`
runs this program.

Beside FINISHED, a file with the extension .places says which place in the source each
function and each trap is. With --explain, read Envoy's log, and write the same log with
these places in every \"in-VM backtrace\".
";
