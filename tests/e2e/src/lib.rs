//! Ring 4's stage: real Envoys, a scripted authorization server, an upstream that records, and a
//! client that sends exactly the bytes it is told to.
//!
//! Everything listens on 127.0.0.1 and on ports of the system's choice.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "a stage that cannot be set must stop the test"
)]

pub mod authorization_server;
pub mod client;
pub mod envoy;
pub mod ext_proc;
pub mod http2;
pub mod message;
pub mod node;
pub mod oidc_provider;
pub mod operator;
pub mod ports;
pub mod process;
pub mod stage;
pub mod upstream;
pub mod world;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The workspace's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// A new directory below `target/`, for one Envoy. What earlier runs have left there is removed after
/// an hour, once they have ended.
pub fn scratch() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    for old in std::fs::read_dir(root().join("target/e2e")).into_iter().flatten().flatten() {
        let age = old.metadata().and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
        let name = old.file_name().to_string_lossy().into_owned();
        let runs = name.split('-').next().is_some_and(|process| Path::new("/proc").join(process).exists());
        if !runs && age.is_ok_and(|age| age.is_ok_and(|age| age > Duration::from_secs(3600))) {
            let _ = std::fs::remove_dir_all(old.path());
        }
    }
    let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = root().join("target/e2e").join(name);
    std::fs::create_dir_all(&path).expect("a directory for logs");
    path
}

/// The turn of a test that loads the whole machine. Tests run side by side, but of these one at a time.
pub fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
