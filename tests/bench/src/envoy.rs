//! An Envoy that is measured: one process, pinned to a core of its own where that can be had.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tollgate_e2e::envoy::{Envoy, Launch, binary};
use tollgate_e2e::process::Pid;
use tollgate_e2e::scratch;

/// The core of whatever is measured, and that of everything else.
pub const MEASURED: &str = "0";
/// The core of the load, the back ends and whatever is asked.
pub const REST: &str = "1";

/// A running Envoy; it ends with this value.
#[derive(Debug)]
pub struct Measured {
    envoy: Envoy,
    /// Its process.
    pub process: Pid,
    /// How long it took until it was ready.
    pub ready_after: Duration,
}

impl Measured {
    /// Starts it and waits until it serves. `pinned`: on a core of its own.
    pub fn start(bootstrap: &Value, workers: u32, pinned: bool) -> Self {
        let directory = scratch();
        let path = directory.join("envoy.json");
        fs::write(&path, bootstrap.to_string()).expect("the bootstrap is written");
        let under: &[&str] = if pinned && can_pin() { &["taskset", "-c", MEASURED] } else { &[] };
        let launch =
            Launch { under, workers, log_level: "error", component_log_level: "", ..Launch::default() };
        let started = Instant::now();
        let envoy = launch.start(directory, &path).unwrap_or_else(|failure| panic!("{failure}"));
        Self { ready_after: started.elapsed(), process: envoy.process(), envoy }
    }

    /// The port of a listener.
    pub fn port(&self, listener: &str) -> u16 {
        self.envoy.port(listener)
    }

    /// Its version, as it tells it.
    pub fn version() -> String {
        let output = Command::new(binary()).arg("--version").output().expect("Envoy can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split("version: ").nth(1).unwrap_or_default();
        // "HASH/1.40.0/Clean/RELEASE/BoringSSL"
        version.trim().split('/').nth(1).unwrap_or("?").to_owned()
    }
}

/// Puts this process, and every thread that it starts from now on, on the core that is not measured.
pub fn step_aside() {
    if can_pin() {
        let _ = Command::new("taskset")
            .args(["-cp", REST, &std::process::id().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// Whether processes can be kept apart from each other.
pub fn can_pin() -> bool {
    static ANSWER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ANSWER.get_or_init(|| {
        let both = Command::new("taskset").args(["-c", &format!("{MEASURED},{REST}"), "true"]).output();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        cores > 1 && both.is_ok_and(|output| output.status.success())
    })
}

/// How long a file is.
pub fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Ends this process as soon as its standard input does: it does not outlive the one that started it.
pub fn end_with_input() {
    thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(0);
    });
}
