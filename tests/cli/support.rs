//! Running the command, and servers that say what a test wants.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Every message of `check` has a number (`src/cli/kit/numbers.rs`).
    fn check_numbers(&self) {
        let is_message = |line: &&str| line.contains(": error: ") || line.contains(": warning: ");
        for line in self.stdout.lines().filter(is_message) {
            let end = line.rsplit_once(" [TG").and_then(|(_, number)| number.strip_suffix(']'));
            assert!(end.is_some_and(|number| number.len() == 3), "this message has no number: {line}");
        }
    }
}

/// Text, every line of it further to the right.
pub(crate) fn indented(text: &str, by: usize) -> String {
    let indent = " ".repeat(by);
    text.lines().fold(String::new(), |all, line| all + &indent + line + "\n")
}

/// Runs `tollgate` with these arguments.
pub(crate) fn tollgate<const N: usize>(args: [&str; N]) -> Run {
    Tollgate::new().run(args)
}

/// Runs of `tollgate` that share a store, a working directory and environment variables.
#[derive(Debug)]
pub(crate) struct Tollgate {
    pub(crate) directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Tollgate {
    /// With a fresh, empty working directory, whose `store` is the store.
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), variables: BTreeMap::new() }
    }

    /// With an environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A file in the working directory.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// What a file in the working directory holds.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    /// Runs it.
    pub(crate) fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.run_with_input(args, "")
    }

    /// Runs it with arguments as one types them, when none of them has a space.
    pub(crate) fn line(&self, arguments: &str) -> Run {
        self.run(arguments.split_whitespace())
    }

    /// Runs it with something on its standard input.
    pub(crate) fn run_with_input(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        input: &str,
    ) -> Run {
        let mut child = self.command().args(args).stdin(Stdio::piped()).spawn().unwrap();
        // A command that reads none of it is fine.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let run = Run {
            status: output.status.code().expect("ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        run.check_numbers();
        run
    }

    /// The command, for those that want to do more with it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.current_dir(self.directory.path()).env_clear().envs(&self.variables);
        command.env("TOLLGATE_STORE", self.directory.path().join("store"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// What a scripted server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    /// A header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A field of the form in the body.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

/// What a scripted server answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// JSON.
    pub(crate) fn json(status: u16, body: impl fmt::Display) -> Self {
        Self::text(status, "application/json", body)
    }

    /// Anything.
    pub(crate) fn text(status: u16, media_type: &str, body: impl fmt::Display) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    /// Nothing but a status.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// With one more header field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A server on 127.0.0.1 that answers as it is told, one connection per request.
#[derive(Debug)]
pub(crate) struct Scripted {
    /// As in `http://127.0.0.1:40000`.
    pub(crate) origin: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Scripted {
    /// Starts one; it lives until the test ends. The script gets the server's own origin, too.
    pub(crate) fn start(script: impl Fn(&str, &Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (shared, log, own) = (Arc::new(script), Arc::clone(&received), origin.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log, own) = (Arc::clone(&shared), Arc::clone(&log), own.clone());
                thread::spawn(move || serve(stream, &own, &*script, &log));
            }
        });
        Self { origin, received }
    }

    /// Everything that it was asked so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    own: &str,
    script: &dyn Fn(&str, &Received) -> Answer,
    log: &Mutex<Vec<Received>>,
) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let received = receive(&stream)?;
    log.lock().unwrap().push(received.clone());
    let answer = script(own, &received);
    let mut head = format!(
        "HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n").ok()?;
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    stream.write_all(&answer.body).ok()
}

fn receive(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { method, target, headers, body: String::from_utf8(body).unwrap() })
}
