//! An operator's machine, and the command `tollgate` on it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::envoy::{Envoy, module};
use crate::process::Process;
use crate::{root, scratch};

/// A directory, with a store in it.
#[derive(Debug)]
pub struct Operator {
    /// Where the commands are run.
    pub directory: PathBuf,
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}

impl Operator {
    /// An empty one.
    pub fn new() -> Self {
        Self { directory: scratch() }
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.join(name), text).expect("a file is written");
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).expect("a file is there")
    }

    /// Reads a file; nothing if it is not there.
    pub fn read_if_there(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    /// Runs `tollgate`, which must succeed and show no secret.
    pub fn run(&self, args: &[&str]) {
        let done = self.command(args).output().expect("tollgate can be run");
        let printed =
            [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(done.status.success(), "{args:?}:\n{printed}");
        assert!(!printed.contains("hush"), "{args:?} shows a secret:\n{printed}");
    }

    /// `tollgate generate envoy`, into `out`.
    pub fn generate(&self, what: &[&str]) {
        let module = module().display().to_string();
        self.run(&[&["generate", "envoy"], what, &["--out", "out", "--module", &module]].concat());
        let text = self.read("out/envoy.yaml");
        // Tests run side by side: the port of the admin pages is the system's choice.
        self.write("out/envoy.yaml", &text.replace("port_value: 9901", "port_value: 0"));
    }

    /// An Envoy with what has been generated.
    pub fn envoy(&self, variables: &[(&str, &str)]) -> Envoy {
        Envoy::with_file(&self.directory.join("out/envoy.yaml"), variables)
    }

    /// `tollgate client serve`, until the value ends.
    pub fn serve(&self, listen: &str, more: &[&str]) -> ListServer {
        let args = [&["client", "serve", "--listen", listen], more].concat();
        let process = Process::start("tollgate client serve", &self.command(&args), &scratch());
        let port = process.wait_for("it says where it listens", || {
            let log = process.log();
            let address = log.split_once("http://")?.1.split_once('/')?.0;
            address.rsplit(':').next()?.parse().ok()
        });
        process.must_last();
        ListServer { port, _process: process }
    }

    /// A `tollgate` that is run there.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(tollgate());
        command.args(args).current_dir(&self.directory).env("TOLLGATE_STORE", self.directory.join("store"));
        command
    }
}

/// A running `tollgate client serve`; it ends with this value.
#[derive(Debug)]
pub struct ListServer {
    /// Where it listens.
    pub port: u16,
    _process: Process,
}

/// `TOLLGATE`, or the one that `make command` makes.
pub fn tollgate() -> PathBuf {
    let default = || root().join("target/debug/tollgate");
    let path = std::env::var_os("TOLLGATE").map_or_else(default, PathBuf::from);
    assert!(
        path.is_file(),
        "there is no tollgate at {}: run \"make command\" first, or set TOLLGATE",
        path.display()
    );
    path
}
