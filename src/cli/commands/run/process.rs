//! Envoy's process. It ends with this command, however that ends.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tollgate_engine::base::secret::Secret;

use super::admin::Admin;
use super::delivery::BOOTSTRAP;
use crate::kit::failure::{Failure, reason};

/// A running Envoy.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Ends Envoy if this command is killed. It waits for the end of its standard input.
    guard: Option<Child>,
    address: PathBuf,
    log: PathBuf,
    /// How much of the log has been read.
    read: u64,
    admin: Option<Admin>,
}

impl Process {
    /// Starts Envoy. With `shows_requests`, its access log goes to standard output, otherwise to a file.
    pub(super) fn start(
        program: &Path,
        directory: &Path,
        environment: &[(String, Secret)],
        shows_requests: bool,
    ) -> Result<Self, Failure> {
        let create = |name: &str| {
            let path = directory.join(name);
            File::create(&path).map_err(|error| Failure::file("write", &path, &error))
        };
        let (log, address) = (directory.join(LOG), directory.join("admin-address"));
        // A leftover of the last run must not be taken for the new address.
        let _ = fs::remove_file(&address);
        let mut command = Command::new(program);
        command.arg("--config-path").arg(directory.join(BOOTSTRAP));
        command.arg("--admin-address-path").arg(&address).args(ARGUMENTS);
        command.envs(environment.iter().map(|(name, value)| (name, value.expose())));
        // Ctrl-C in a terminal reaches this command alone, which then ends Envoy.
        command.stdin(Stdio::null()).stderr(create(LOG)?).process_group(0);
        if !shows_requests {
            command.stdout(create("access.log")?);
        }
        let child = command.spawn().map_err(|error| {
            Failure::new(format_args!("cannot start {}: {}", program.display(), reason(&error)))
        })?;
        let guard = guard(child.id());
        Ok(Self { child, guard, address, log, read: 0, admin: None })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until Envoy serves.
    pub(super) async fn ready(&mut self) -> Result<Admin, Failure> {
        loop {
            self.lives()?;
            if self.admin.is_none() {
                self.admin = fs::read_to_string(&self.address).ok().and_then(|text| Admin::at(text.trim()));
            }
            if let Some(admin) = self.admin.clone()
                && admin.is_ready().await
            {
                return Ok(admin);
            }
            pause().await;
        }
    }

    /// An error if Envoy has ended, with the reason from its log.
    pub(super) fn lives(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                self.dismiss_guard();
                let news = self.news();
                let why = if news.is_empty() { String::new() } else { format!(": {news}") };
                Err(in_use(&news)
                    .unwrap_or_else(|| Failure::new(format_args!("Envoy has ended ({status}){why}"))))
            }
            Err(error) => Err(Failure::new(format_args!("cannot wait for Envoy: {}", reason(&error)))),
        }
    }

    /// What Envoy has logged as an error since the last time, in its own words.
    pub(super) fn news(&mut self) -> String {
        let mut text = Vec::new();
        let read = File::open(&self.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.read))?;
            log.take(1 << 20).read_to_end(&mut text)
        });
        self.read = self.read.saturating_add(read.unwrap_or_default().try_into().unwrap_or_default());
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines: Vec<_> = text.lines().filter_map(message).collect();
        lines.dedup();
        let last = lines.len().saturating_sub(MOST_LINES);
        lines.get(last..).unwrap_or_default().join("; ")
    }

    /// Asks Envoy to end, and waits for a while until it has.
    pub(super) async fn stop(&mut self) {
        let Some(admin) = self.admin.clone() else { return };
        admin.quit().await;
        for _ in 0..GRACE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            pause().await;
        }
    }

    /// Ends it at once, if it has not ended yet.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.dismiss_guard();
    }

    fn dismiss_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A little while.
pub(super) async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// A port that another program uses, if that is what Envoy says.
pub(super) fn in_use(words: &str) -> Option<Failure> {
    let address = words.split_once("cannot bind '")?.1.split_once("': Address already in use")?.0;
    Some(
        Failure::new(format_args!("another program, or another tollgate run, listens on {address} already"))
            .help("End it, or set another address: `listen` or `admin`."),
    )
}

fn guard(envoy: u32) -> Option<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", "read -r line; kill -TERM \"$1\" 2>/dev/null", "sh", &envoy.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    // Without a shell there is no guard, and everything else works.
    command.spawn().ok()
}

/// The message of a line that says what is wrong: `[time][thread][level][component] [source] message`.
fn message(line: &str) -> Option<&str> {
    let is_bad = ["[error]", "[critical]"].iter().any(|level| line.contains(level))
        || (line.contains("[warning]") && line.contains("rejected"))
        || !line.starts_with('[');
    let rest = line.split_once("] [").map_or(line, |(_, rest)| rest);
    let rest =
        if rest.len() == line.len() { line } else { rest.split_once("] ").map_or(rest, |(_, rest)| rest) };
    Some(rest.trim()).filter(|rest| is_bad && !rest.is_empty())
}

const LOG: &str = "envoy.log";

/// The most lines of the log that are shown.
const MOST_LINES: usize = 4;

/// How often is looked whether Envoy has ended: ten seconds.
const GRACE: u32 = 200;

/// A changed listener ends the connections of the old one soon, and access logs are written at once.
const ARGUMENTS: [&str; 11] = [
    "--use-dynamic-base-id",
    "--log-level",
    "warning",
    "--component-log-level",
    "wasm:info",
    "--drain-time-s",
    "2",
    "--drain-strategy",
    "immediate",
    "--file-flush-interval-msec",
    "100",
];

#[cfg(test)]
mod tests {
    use super::{in_use, message};

    #[test]
    fn a_port_in_use_is_said_in_one_sentence() {
        let words = "listener apis rejected: cannot bind '127.0.0.1:8080': Address already in use";
        let failure = in_use(words).expect("a port");
        assert!(failure.what().ends_with("listens on 127.0.0.1:8080 already"), "{failure}");
        assert!(in_use("cannot bind '127.0.0.1:80': Permission denied").is_none());
    }

    #[test]
    fn the_words_of_a_log_line() {
        let cases = [
            (
                "[2026-11-30 13:00:00.000][7][warning][config] [source/a.cc:1] a listener rejected: why",
                Some("a listener rejected: why"),
            ),
            (
                "[2026-11-30 13:00:00.000][7][critical][main] [source/a.cc:1] error initializing",
                Some("error initializing"),
            ),
            ("[2026-11-30 13:00:00.000][7][info][wasm] [source/a.cc:1] no_token", None),
            ("error while loading shared libraries", Some("error while loading shared libraries")),
        ];
        for (line, want) in cases {
            assert_eq!(message(line), want, "{line}");
        }
    }
}
