//! An Envoy that is measured: one process, pinned to a core of its own where that can be had.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tollgate_e2e::client::Request;
use tollgate_e2e::{root, scratch};

/// The core of whatever is measured, and that of everything else.
pub const MEASURED: &str = "0";
/// The core of the load, the back ends and whatever is asked.
pub const REST: &str = "1";

/// A running Envoy; it ends with this value.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    directory: PathBuf,
    admin: u16,
    /// The process.
    pub process: Process,
    /// How long it took until it was ready.
    pub ready_after: Duration,
}

impl Envoy {
    /// Starts it and waits until it serves. `pinned`: on a core of its own.
    pub fn start(bootstrap: &Value, workers: u32, pinned: bool) -> Self {
        let directory = scratch();
        let path = directory.join("envoy.json");
        fs::write(&path, bootstrap.to_string()).expect("the bootstrap is written");
        let log = File::create(directory.join("log")).expect("a log file");
        let started = Instant::now();
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sh"]).arg(directory.join("pid"));
        if pinned && can_pin() {
            command.args(["taskset", "-c", MEASURED]);
        }
        let child = command
            .arg(binary())
            .args(["--use-dynamic-base-id", "--log-level", "error"])
            .args(["--concurrency", &workers.to_string()])
            .arg("--admin-address-path")
            .arg(directory.join("admin"))
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Envoy can be run");
        let mut envoy = Self { child, directory, admin: 0, process: Process(0), ready_after: Duration::ZERO };
        envoy.wait_until_ready();
        envoy.ready_after = started.elapsed();
        let pid = fs::read_to_string(envoy.directory.join("pid")).unwrap_or_default();
        envoy.process = Process(pid.trim().parse().expect("Envoy's process"));
        envoy
    }

    /// The ports of all listeners, by name.
    pub fn ports(&self) -> BTreeMap<String, u16> {
        let listeners: Value =
            serde_json::from_str(&self.admin("/listeners?format=json")).unwrap_or_default();
        let all = listeners["listener_statuses"].as_array().cloned().unwrap_or_default();
        let port = |status: &Value| {
            let port = status["local_address"]["socket_address"]["port_value"].as_u64()?;
            Some((status["name"].as_str()?.to_owned(), u16::try_from(port).ok()?))
        };
        all.iter().filter_map(port).collect()
    }

    /// Its version, as it tells it.
    pub fn version() -> String {
        let output = Command::new(binary()).arg("--version").output().expect("Envoy can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split("version: ").nth(1).unwrap_or_default();
        // "HASH/1.40.0/Clean/RELEASE/BoringSSL"
        version.trim().split('/').nth(1).unwrap_or("?").to_owned()
    }

    /// The last of what it has logged.
    pub fn log(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(20)).copied().collect::<Vec<_>>().join("\n")
    }

    fn wait_until_ready(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            assert!(!ended, "Envoy does not start:\n{}", self.log());
            if self.admin == 0 {
                let address = fs::read_to_string(self.directory.join("admin")).unwrap_or_default();
                self.admin =
                    address.rsplit(':').next().and_then(|port| port.trim().parse().ok()).unwrap_or(0);
            } else if Request::get("/ready").try_send(self.admin).is_ok_and(|ready| ready.status() == 200) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("Envoy is not ready:\n{}", self.log());
    }

    fn admin(&self, path: &str) -> String {
        Request::get(path).try_send(self.admin).map(|response| response.text()).unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// A process, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// How long its threads have been on a core, in nanoseconds.
    pub fn cpu(self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).into_iter().flatten().flatten();
        let on_core = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        };
        tasks.filter_map(on_core).sum()
    }

    /// How much of its memory is resident, in bytes.
    pub fn resident(self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
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

/// `ENVOY`, or the one that `make tools` fetches.
fn binary() -> PathBuf {
    let path = std::env::var_os("ENVOY").map_or_else(|| root().join("target/tools/envoy"), PathBuf::from);
    assert!(
        path.is_file(),
        "there is no Envoy at {}: run \"make tools\" first, or set ENVOY",
        path.display()
    );
    path
}

/// Runs Envoy until it ends by itself or until our end of standard input closes, however we end. The
/// first argument is where its number goes.
const WATCH: &str = r#"pid=$1; shift; exec 3<&0; "$@" </dev/null & envoy=$!; echo $envoy > "$pid"
(cat <&3 >/dev/null; kill -9 $envoy 2>/dev/null) & wait $envoy"#;
