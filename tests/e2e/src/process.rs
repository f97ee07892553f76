//! The processes that the tests start: Envoy, Node.js, the command.
//!
//! Each ends with its value, and with the test program, however that ends. If one ends by itself, standard error says so
//! at once, with the end of its log, and whoever waits for something from it fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

/// A started process.
#[derive(Debug)]
pub struct Process {
    name: String,
    directory: PathBuf,
    /// Closing it ends the process.
    leash: Option<ChildStdin>,
    watcher: Option<JoinHandle<()>>,
    life: Arc<Mutex<Life>>,
}

/// What the watcher and the owner of a process tell each other.
#[derive(Debug, Default)]
struct Life {
    /// Set once it serves and until it is stopped: it must not end meanwhile.
    must_last: bool,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a program. Everything that it prints goes to the file `log` in this directory, which is removed with it
    /// unless the test fails.
    pub fn start(name: &str, program: &Command, directory: &Path) -> Self {
        let mut shell = leashed(program, directory).spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let life = Arc::<Mutex<Life>>::default();
        let mut process = Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            leash: shell.stdin.take(),
            watcher: None,
            life: Arc::clone(&life),
        };
        let (name, log) = (process.name.clone(), process.log_file());
        process.watcher = Some(thread::spawn(move || watch(&name, &mut shell, &log, &life)));
        process
    }

    /// Waits until there is what is asked for. Panics if the process ends before that, and if it takes too long.
    #[track_caller]
    pub fn wait_for<T>(&self, what: impl fmt::Display, found: impl FnMut() -> Option<T>) -> T {
        self.try_wait_for(what, found).unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// The same; why it has not come, with the end of the log, instead of a panic.
    pub fn try_wait_for<T>(
        &self,
        what: impl fmt::Display,
        mut found: impl FnMut() -> Option<T>,
    ) -> Result<T, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            // In this order: what it did last counts.
            let ended = self.ended();
            if let Some(found) = found() {
                return Ok(found);
            }
            let name = &self.name;
            if let Some(status) = ended {
                return Err(format!("{name} has ended ({status}) before {what}:\n{}", self.last_lines()));
            }
            if Instant::now() > until {
                return Err(format!("{name}, after {PATIENCE:?}: not {what}:\n{}", self.last_lines()));
            }
            thread::sleep(INTERVAL);
        }
    }

    /// From now on it must not end by itself.
    pub fn must_last(&self) {
        self.life().must_last = true;
    }

    /// From now on it may.
    pub fn may_end(&self) {
        self.life().must_last = false;
    }

    /// How it has ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.life().ended
    }

    /// Everything that it has printed.
    pub fn log(&self) -> String {
        read(&self.log_file())
    }

    /// The end of that.
    pub fn last_lines(&self) -> String {
        last_lines(&self.log())
    }

    /// Its number.
    pub fn id(&self) -> Pid {
        let number = || read(&self.directory.join("pid")).trim().parse().ok();
        Pid(self.wait_for("its number is known", number))
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.life().must_last = false;
        drop(self.leash.take());
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// The number of a process.
#[derive(Clone, Copy, Debug)]
pub struct Pid(pub u32);

impl Pid {
    /// How much of its memory is resident, in bytes.
    pub fn resident(self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        kib.unwrap_or_default() * 1024
    }

    /// How long its threads have been on a core, in nanoseconds.
    pub fn cpu(self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).into_iter().flatten().flatten();
        let on_core = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        };
        tasks.filter_map(on_core).sum()
    }
}

/// The program under a shell that ends it when its standard input ends.
fn leashed(program: &Command, directory: &Path) -> Command {
    let log = File::create(directory.join("log")).expect("a log file");
    let mut shell = Command::new("sh");
    shell.args(["-c", LEASH, "sh"]).arg(directory.join("pid"));
    shell.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(directory) = program.get_current_dir() {
        shell.current_dir(directory);
    }
    shell.stdin(Stdio::piped()).stdout(log.try_clone().expect("the same file")).stderr(log);
    shell
}

/// Until it has ended.
fn watch(name: &str, shell: &mut Child, log: &Path, life: &Mutex<Life>) {
    let Ok(status) = shell.wait() else { return };
    let mut life = life.lock().unwrap_or_else(PoisonError::into_inner);
    life.ended = Some(status);
    if life.must_last {
        let report = format!("\n{name} has ended by itself ({status}):\n{}\n", last_lines(&read(log)));
        // Not with `eprintln!`: the test that has started it may be over, and what it has printed forgotten.
        let _ = io::Write::write_all(&mut io::stderr(), report.as_bytes());
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(40)).copied().collect::<Vec<_>>().join("\n")
}

/// How long anything may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often is looked whether it has come.
const INTERVAL: Duration = Duration::from_millis(5);
/// Runs a program until it ends by itself or standard input does. The first argument is where its number goes.
const LEASH: &str = r#"pid=$1; shift; exec 3<&0
"$@" 3<&- </dev/null & program=$!; echo $program > "$pid"
(cat <&3 >/dev/null; kill -9 $program 2>/dev/null) & wait $program"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn started(script: &str) -> Process {
        Process::start("it", Command::new("sh").args(["-c", script]), &crate::scratch())
    }

    #[test]
    fn who_waits_for_a_process_that_has_ended_is_told_why() {
        let begun = Instant::now();
        let process = started("echo why; exit 3");
        let failure = process.try_wait_for("it serves", || None::<()>).expect_err("it never serves");
        assert!(failure.contains("has ended (exit status: 3) before it serves:\nwhy"), "{failure}");
        assert!(begun.elapsed() < PATIENCE / 2);
    }

    #[test]
    fn what_it_did_last_counts() {
        let process = started("echo ready");
        process.wait_for("it is ready", || process.log().contains("ready").then_some(()));
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let process = started("echo here; sleep 600");
        process.wait_for("it is there", || process.log().contains("here").then_some(()));
        let number = process.id().0;
        drop(process);
        assert!(!Path::new(&format!("/proc/{number}/fd")).exists());
    }
}
