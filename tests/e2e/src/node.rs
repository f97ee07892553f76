//! Node.js, and the scripts that the tests run with it.

use std::process::{Command, Stdio};

use crate::process::Process;
use crate::{root, scratch};

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct Node(#[expect(dead_code, reason = "it ends with this value")] Process);

impl Node {
    /// Starts a server, by its path in the repository, and waits until it says that it is ready.
    pub fn start(script: &str, variables: &[(&str, &str)]) -> Self {
        let process = Process::start(script, &command(script, variables), &scratch());
        let says_so = || process.log().lines().any(|line| line.contains("ready")).then_some(());
        process.wait_for("it is ready", says_so);
        process.must_last();
        Self(process)
    }

    /// Runs a script to its end and returns what it says.
    pub fn run(script: &str, variables: &[(&str, &str)]) -> String {
        let done = command(script, variables).stdin(Stdio::null()).output().expect("node can be run");
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{script} fails:\n{out}\n{err}");
        out.into_owned()
    }
}

fn command(script: &str, variables: &[(&str, &str)]) -> Command {
    let script = root().join(script);
    let directory = script.parent().expect("a directory");
    assert!(
        directory.join("node_modules").is_dir(),
        "{} has no node_modules: run \"make tools\" first",
        directory.display()
    );
    let mut command = Command::new("node");
    command.arg(&script).current_dir(directory).envs(variables.iter().copied());
    command
}
