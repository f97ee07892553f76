//! What is built, tested or shipped comes from pinned sources: by checksum where a package manager keeps one.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ROOT;

#[test]
fn every_crate_has_its_checksum() {
    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let mut crates = 0;
    for file in named("Cargo.lock") {
        for package in read(&file).split("[[package]]").skip(1) {
            let value = |key: &str| {
                package.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")))?.strip_suffix('"')
            };
            let name = value("name").unwrap();
            // Without a source it is a package of this repository.
            if let Some(source) = value("source") {
                assert_eq!(source, CRATES_IO, "{}: {name}", file.display());
                assert_eq!(value("checksum").map(str::len), Some(64), "{}: {name}", file.display());
                crates += 1;
            }
        }
    }
    assert!(crates > 200, "{crates}");
}

#[test]
fn every_node_package_has_its_checksum() {
    let mut files = 0;
    for file in named("package.json") {
        let lock: Value = serde_json::from_str(&read(&file.with_file_name("package-lock.json"))).unwrap();
        for (name, package) in lock["packages"].as_object().unwrap() {
            let integrity = package["integrity"].as_str().unwrap_or_default();
            assert!(name.is_empty() || integrity.starts_with("sha512-"), "{}: {name}", file.display());
        }
        files += 1;
    }
    assert!(files >= 4, "{files}");
}

#[test]
fn every_python_package_has_its_checksum() {
    let files = ["packaging/requirements.txt", "tests/tools/cyclonedx.txt"];
    for file in files {
        let text = read(&Path::new(ROOT).join(file)).replace("\\\n", "");
        for requirement in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(
                requirement.contains("==") && requirement.contains("--hash=sha256:"),
                "{file}: {requirement}"
            );
        }
    }
    let scripts = [named("Makefile"), of_kind("tests/tools", "py"), of_kind("tests/tools", "sh")].concat();
    let mut fetched = 0;
    for script in scripts {
        for line in read(&script).lines() {
            let commands = ["pip install", "pip download", "\"pip\", \"download\""];
            if commands.iter().any(|words| line.contains(words)) {
                assert!(line.contains("--require-hashes"), "{}: {line}", script.display());
                fetched += 1;
            }
        }
    }
    assert_eq!(fetched, 2, "where packages are fetched");
}

/// Names that others have, or could take: `tollgate` in the Python Package Index is another project.
#[test]
fn the_documentation_installs_tollgate_from_files_only() {
    let installers =
        ["pip install", "pipx install", "pipx run", "uvx", "uv tool install", "cargo install", "npm install"];
    let pages = [of_kind("", "md"), of_kind("src", "rs"), of_kind("packaging", "toml")].concat();
    for page in pages {
        for line in read(&page).lines() {
            let names = installers
                .iter()
                .filter_map(|words| line.split_once(words))
                .flat_map(|(_, rest)| rest.split(' '));
            let found: Vec<_> = names
                .filter(|word| word.trim_matches('`').starts_with("tollgate") && !word.contains(".whl"))
                .collect();
            assert!(found.is_empty(), "{}: {line}", page.display());
        }
    }
}

#[test]
fn cargo_takes_what_the_lock_file_names() {
    let makefile = read(&Path::new(ROOT).join("Makefile"));
    let commands = ["build", "test", "run", "clippy", "doc", "bench"];
    let runs = |line: &&str| commands.iter().any(|command| line.contains(&format!("cargo {command} ")));
    let lines: Vec<_> =
        makefile.lines().filter(|line| !line.contains("## ") || line.starts_with('\t')).collect();
    let lines: Vec<_> = lines.into_iter().filter(runs).collect();
    assert!(lines.len() > 10, "{lines:?}");
    for line in lines {
        assert!(line.contains("--locked"), "{line}");
    }
}

/// The files of the repository with a name.
fn named(name: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(Path::new(ROOT), &mut |path| {
        if path.file_name().is_some_and(|own| own == name) {
            files.push(path.to_owned());
        }
    });
    files
}

/// The files of a directory with an ending.
fn of_kind(directory: &str, kind: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(&Path::new(ROOT).join(directory), &mut |path| {
        if path.extension().is_some_and(|own| own == kind) {
            files.push(path.to_owned());
        }
    });
    files
}

fn walk(directory: &Path, visit: &mut impl FnMut(&Path)) {
    const NOT_OURS: [&str; 4] = ["target", "node_modules", "dist", ".git"];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() && !NOT_OURS.contains(&name.as_str()) {
            walk(&path, visit);
        } else if path.is_file() {
            visit(&path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
