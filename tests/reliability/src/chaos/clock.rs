//! The wall clock of one Envoy, set while it runs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tollgate_e2e::root;
use tollgate_e2e::stage::Stage;

/// A stage whose Envoy reads a clock that can be set.
pub fn stage(stage: Stage) -> Stage {
    set(0);
    let variables = [("LD_PRELOAD", library()), ("CLOCK_SHIFT", shift_file())];
    let variables = variables.map(|(name, path)| (name.to_owned(), path.display().to_string()));
    Stage { variables: variables.to_vec(), ..stage }
}

/// Sets the clock to so many seconds after the right time.
pub fn set(shift: i64) {
    let file = shift_file();
    fs::create_dir_all(root().join("target/reliability")).expect("a directory");
    if !file.exists() {
        fs::write(&file, [0; 8]).expect("a file");
    }
    // In place: the file is mapped by the Envoy that runs.
    let opened = fs::OpenOptions::new().write(true).open(&file).expect("the file");
    std::os::unix::fs::FileExt::write_at(&opened, &shift.to_ne_bytes(), 0).expect("the shift is written");
}

fn shift_file() -> PathBuf {
    root().join(format!("target/reliability/clock-shift-{}", std::process::id()))
}

/// What is loaded into Envoy; compiled once.
fn library() -> PathBuf {
    let library = root().join("target/reliability/clock.so");
    let source = root().join("tests/reliability/clock.c");
    let done = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .arg("-ldl")
        .status();
    assert!(done.is_ok_and(|status| status.success()), "tests/reliability/clock.c does not compile");
    library
}
