//! A copy of the repository with all mutants in it, and the build of its tests.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::instrument::{Mutant, instrument, test_modules};

/// The rooms of `src/engine` that decide who gets in.
pub const ROOMS: [&str; 11] = [
    "cache",
    "decision",
    "enforcer",
    "jose",
    "policy",
    "proof",
    "provider",
    "request",
    "revocation",
    "token",
    "worker",
];

/// Writes the copy; only what differs from the copy before, so that the build is incremental. Returns its mutants.
pub fn write(root: &Path, copy: &Path) -> Result<Vec<Mutant>, String> {
    let engine = Path::new("src/engine");
    let mut mutants = Vec::new();
    let mut kept = HashSet::new();
    let files = files(root)?;
    let for_tests = of_tests(root, &files)?;
    for file in files {
        let mut text = fs::read(root.join(&file)).map_err(|error| format!("{}: {error}", file.display()))?;
        let below =
            file.strip_prefix(engine).ok().filter(|below| decides(below) && !for_tests.contains(*below));
        if let Some(below) = below {
            let name = below.to_string_lossy();
            let source = String::from_utf8(text).map_err(|error| format!("{name}: {error}"))?;
            let (mutated, own) =
                instrument(&name, &source, mutants.len()).map_err(|error| format!("{name}: {error}"))?;
            mutants.extend(own);
            text = mutated.into_bytes();
        } else if file == engine.join("lib.rs") {
            text.extend_from_slice(b"\npub mod mutants;\n");
        } else if file == Path::new("Cargo.toml") {
            text.extend_from_slice(FASTER.as_bytes());
        }
        write_if_new(&copy.join(&file), &text)?;
        kept.insert(file);
    }
    let helper = engine.join("mutants.rs");
    write_if_new(&copy.join(&helper), include_bytes!("chosen.rs"))?;
    kept.insert(helper);
    forget(copy, copy, &kept)?;
    Ok(mutants)
}

/// Thousands of runs: the tests are compiled for speed.
const FASTER: &str = "
[profile.dev.package.tollgate-engine]
opt-level = 1

[profile.dev.package.tollgate-config]
opt-level = 1

[profile.dev.package.serde_json]
opt-level = 2
";

/// Builds the tests of the engine in the copy, and returns the programs: those of the rooms, and those from outside.
pub fn build(copy: &Path, target: &Path) -> Result<Vec<PathBuf>, String> {
    let arguments =
        ["test", "--locked", "--no-run", "--quiet", "-p", "tollgate-engine", "--lib", "--test", "engine"];
    let output = Command::new("cargo")
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("RUSTFLAGS", "--cap-lints=allow")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err("the copy with all mutants does not compile".to_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages.filter_map(|one| one["executable"].as_str().map(PathBuf::from)).collect())
}

fn decides(below: &Path) -> bool {
    let room = below.components().next().map(|room| Path::new(room.as_os_str()).with_extension(""));
    below.extension() == Some(OsStr::new("rs"))
        && room.is_some_and(|room| ROOMS.iter().any(|name| Path::new(name) == room))
}

/// What git knows of, and what it could.
fn files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git: {error}"))?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut files: Vec<PathBuf> = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|file| root.join(file).is_file())
        .collect();
    files.sort();
    Ok(files)
}

/// The files of the engine that are compiled for tests only.
fn of_tests(root: &Path, files: &[PathBuf]) -> Result<HashSet<PathBuf>, String> {
    let mut found = HashSet::new();
    for below in files.iter().filter_map(|file| file.strip_prefix("src/engine").ok()) {
        if below.extension() == Some(OsStr::new("rs")) {
            let text =
                fs::read_to_string(root.join("src/engine").join(below)).map_err(|error| error.to_string())?;
            for module in test_modules(&text).map_err(|error| format!("{}: {error}", below.display()))? {
                found.insert(below.with_extension("").join(module).with_extension("rs"));
            }
        }
    }
    Ok(found)
}

fn write_if_new(path: &Path, text: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Removes from the copy what is not in the repository any more.
fn forget(top: &Path, folder: &Path, kept: &HashSet<PathBuf>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            forget(top, &path, kept)?;
        } else if path.strip_prefix(top).is_ok_and(|below| !kept.contains(below)) {
            fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}
