//! A real Envoy with the built filter. Nothing else in the Rust tests starts one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::client::Request;
use crate::process::{Pid, Process};
use crate::stage::Stage;
use crate::{root, scratch};

/// A running Envoy; it ends with this value.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    directory: PathBuf,
    admin: u16,
}

/// How an Envoy is run.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// What runs it, in front of its own name: `taskset -c 0`.
    pub under: &'a [&'a str],
    /// Worker threads.
    pub workers: u32,
    /// `--log-level`.
    pub log_level: &'a str,
    /// `--component-log-level`.
    pub component_log_level: &'a str,
    /// Of the environment.
    pub variables: &'a [(&'a str, &'a str)],
    /// Further arguments: `--drain-time-s 1`.
    pub arguments: &'a [&'a str],
}

impl Default for Launch<'_> {
    /// One worker, and a filter that logs everything.
    fn default() -> Self {
        Self {
            under: &[],
            workers: 1,
            log_level: "warning",
            component_log_level: "wasm:trace,config:warning",
            variables: &[],
            arguments: &[],
        }
    }
}

impl Launch<'_> {
    /// Starts Envoy and waits until it serves; why it does not, with its log.
    pub fn start(&self, directory: PathBuf, configuration: &Path) -> Result<Envoy, String> {
        let process = Process::start("Envoy", &self.command(&directory, configuration), &directory);
        let admin = process.try_wait_for("its admin pages are there", || {
            let address = fs::read_to_string(directory.join("admin")).ok()?;
            address.rsplit(':').next()?.trim().parse().ok()
        })?;
        let is_ready =
            || Request::get("/ready").try_send(admin).is_ok_and(|ready| ready.status() == 200).then_some(());
        process.try_wait_for("it is ready", is_ready)?;
        process.must_last();
        Ok(Envoy { process, directory, admin })
    }

    fn command(&self, directory: &Path, configuration: &Path) -> Command {
        let mut command = match self.under {
            [] => Command::new(binary()),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary());
                command
            }
        };
        command.args(["--use-dynamic-base-id", "--file-flush-interval-msec", "20"]);
        command.args(["--concurrency", &self.workers.to_string(), "--log-level", self.log_level]);
        if !self.component_log_level.is_empty() {
            command.args(["--component-log-level", self.component_log_level]);
        }
        command.arg("--admin-address-path").arg(directory.join("admin")).arg("-c").arg(configuration);
        command.args(self.arguments).envs(self.variables.iter().copied());
        command
    }
}

impl Envoy {
    /// Starts one with a configuration that somebody else has written. Panics with its last log lines
    /// if it does not start.
    #[track_caller]
    pub fn with_file(configuration: &Path, variables: &[(&str, &str)]) -> Self {
        let launch = Launch { variables, ..Launch::default() };
        launch
            .start(scratch(), configuration)
            .unwrap_or_else(|failure| panic!("Envoy does not start: {failure}"))
    }

    /// What Envoy says of a configuration (`--mode validate`); empty if it is fine.
    pub fn faults_of(configuration: &Path, variables: &[(&str, &str)]) -> String {
        let done = Command::new(binary())
            .args(["--mode", "validate", "--log-level", "error", "--use-dynamic-base-id", "-c"])
            .arg(configuration)
            .envs(variables.iter().copied())
            .output()
            .expect("Envoy can be run");
        if done.status.success() { String::new() } else { String::from_utf8_lossy(&done.stderr).into_owned() }
    }

    /// The port of a listener, once it is there.
    #[track_caller]
    pub fn port(&self, listener: &str) -> u16 {
        let find = || self.listeners().remove(listener);
        self.process.wait_for(format!("the listener {listener} is there"), find)
    }

    /// The ports of all listeners, once there are as many.
    #[track_caller]
    pub fn ports(&self, count: usize) -> BTreeMap<String, u16> {
        let all = || Some(self.listeners()).filter(|ports| ports.len() >= count);
        self.process.wait_for(format!("{count} listeners are there"), all)
    }

    /// The filter's counters of a kind (`verdict`, `shadow`, `introspection`), by their last word.
    pub fn counters(&self, kind: &str) -> BTreeMap<String, u64> {
        let all = self.all_counters().into_iter();
        all.filter_map(|(name, n)| Some((name.strip_prefix(kind)?.strip_prefix('.')?.to_owned(), n)))
            .collect()
    }

    /// All of the filter's counters: `verdict.allowed` and so on.
    pub fn all_counters(&self) -> BTreeMap<String, u64> {
        let stats: Value =
            serde_json::from_str(&self.admin("/stats?filter=wasmcustom&format=json")).unwrap_or_default();
        let all = stats["stats"].as_array().cloned().unwrap_or_default();
        let counter = |stat: &Value| {
            let name = stat["name"].as_str()?.strip_prefix("wasmcustom.tollgate.")?;
            Some((name.to_owned(), stat["value"].as_u64()?))
        };
        all.iter().filter_map(counter).collect()
    }

    /// Waits until one of these counters has reached this.
    pub fn wait_for_counter(&self, name: &str, least: u64) {
        let has_reached = || self.all_counters().get(name).filter(|n| **n >= least).map(|_| ());
        self.process.wait_for(format!("{name} is {least}"), has_reached);
    }

    /// How much memory Envoy has, in bytes.
    pub fn memory(&self) -> u64 {
        self.process().resident()
    }

    /// The number of its process.
    pub fn process(&self) -> Pid {
        self.process.id()
    }

    /// What the access log says of the request with this `x-case`: its status, and the verdict and
    /// reason of a refusal.
    pub fn access_log_of(&self, case: &str) -> String {
        self.logged(&format!("access {case} "))
    }

    /// What the access log says of who sent the request with this `x-case`: client, user and claims.
    pub fn filter_state_of(&self, case: &str) -> String {
        self.logged(&format!("state {case} "))
    }

    #[track_caller]
    fn logged(&self, start: &str) -> String {
        let find = || self.log().lines().find_map(|line| line.strip_prefix(start).map(str::to_owned));
        self.process.wait_for(format!("{start:?} is in the access log"), find)
    }

    /// Everything that Envoy has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The end of the log.
    pub fn last_lines(&self) -> String {
        self.process.last_lines()
    }

    /// Waits until the log holds a text after its first `since` bytes.
    #[track_caller]
    pub fn wait_for_log(&self, since: usize, text: &str) {
        let holds = || self.log().get(since..).is_some_and(|log| log.contains(text));
        self.wait_until(format!("{text:?} is in the log"), holds);
    }

    /// Waits until something holds. Panics if Envoy ends before that, and if it takes too long.
    #[track_caller]
    pub fn wait_until(&self, what: impl Display, mut holds: impl FnMut() -> bool) {
        self.process.wait_for(what, || holds().then_some(()));
    }

    /// Replaces the listeners of the running Envoy.
    pub fn update(&self, stage: &Stage) {
        stage.write_listeners(&self.directory.join("lds.json"));
    }

    /// A gauge or counter of Envoy's own, by its whole name; 0 if there is none.
    pub fn stat(&self, name: &str) -> u64 {
        let path = format!("/stats?filter=^{}$&format=json", name.replace('.', "\\."));
        let stats: Value = serde_json::from_str(&self.admin(&path)).unwrap_or_default();
        stats["stats"][0]["value"].as_u64().unwrap_or_default()
    }

    /// Panics if Envoy has ended or the VM has trapped, or if one of these words is in the log.
    #[track_caller]
    pub fn assert_clean_log(&self, secrets: &[&str]) {
        let log = self.log();
        let is_alive = Request::get("/ready").try_send(self.admin).is_ok();
        assert!(is_alive && self.process.ended().is_none(), "Envoy has ended:\n{}", self.last_lines());
        for sign in ["Function: proxy", "wasm trap", "panicked at", "Uncaught RuntimeError", "VM failure"] {
            assert!(!log.contains(sign), "the VM has trapped:\n{}", self.last_lines());
        }
        for secret in secrets {
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret:?} is in the log: {line:?}");
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.process.ended().is_some()
    }

    fn listeners(&self) -> BTreeMap<String, u16> {
        let listeners: Value =
            serde_json::from_str(&self.admin("/listeners?format=json")).unwrap_or_default();
        let all = listeners["listener_statuses"].as_array().cloned().unwrap_or_default();
        let port = |status: &Value| {
            let port = status["local_address"]["socket_address"]["port_value"].as_u64()?;
            Some((status["name"].as_str()?.to_owned(), u16::try_from(port).ok()?))
        };
        all.iter().filter_map(port).collect()
    }

    /// A page of the admin interface; empty if there is no response.
    pub fn admin(&self, path: &str) -> String {
        Request::get(path).try_send(self.admin).map(|response| response.text()).unwrap_or_default()
    }
}

/// `ENVOY`, or the one that `make tools` fetches.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("ENVOY").map_or_else(|| root().join("target/tools/envoy"), PathBuf::from);
    assert!(
        path.is_file(),
        "there is no Envoy at {}: run \"make tools\" first, or set ENVOY",
        path.display()
    );
    path
}

/// The version of [`binary`]: `(1, 40)`.
pub fn version() -> (u16, u16) {
    let done = Command::new(binary()).arg("--version").output().expect("Envoy can be run");
    let says = String::from_utf8_lossy(&done.stdout).into_owned();
    let version = says.split('/').find(|part| part.split('.').count() == 3);
    let mut numbers = version.unwrap_or_default().split('.').map_while(|number| number.parse().ok());
    numbers.next().zip(numbers.next()).unwrap_or_else(|| panic!("Envoy says no version: {says}"))
}

/// `TOLLGATE_WASM`, or the one that `make build` makes.
pub fn module() -> PathBuf {
    let default = || root().join("target/wasm32-wasip1/release/tollgate_filter.wasm");
    let path = std::env::var_os("TOLLGATE_WASM").map_or_else(default, PathBuf::from);
    assert!(path.is_file(), "there is no module at {}: run \"make build\" first", path.display());
    path
}
