//! The service for `ext_authz`, in a process of its own so that its CPU time can be told.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tollgate_e2e::process::Pid;

/// What makes this program that service.
pub const ARGUMENT: &str = "authz";

/// The running service; it ends with this value.
#[derive(Debug)]
pub struct Service {
    child: Child,
    /// Where it listens.
    pub port: u16,
    /// The process.
    pub process: Pid,
}

/// Starts it; nothing without the feature `peers`.
pub fn start() -> Option<Service> {
    if !cfg!(feature = "peers") {
        crate::progress("without the feature \"peers\" there is no ext_authz to compare with");
        return None;
    }
    let own = std::env::current_exe().expect("this program");
    let mut child = Command::new(own)
        .arg(ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the service can be run");
    let mut line = String::new();
    let said = BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line);
    let port = said.ok().and_then(|_| line.trim().parse().ok()).expect("its port");
    Some(Service { process: Pid(child.id()), child, port })
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
