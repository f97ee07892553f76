//! The real oidc-provider, as one of our scripts sets it up.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::root;

/// The one whose access tokens are JWTs if they are for a resource.
pub const OF_JWTS: &str = "tests/providers/oidc-provider/jwt.mjs";
/// That of the demo.
pub const OF_THE_DEMO: &str = "envoy/demo/authorization-server/server.mjs";

/// A running oidc-provider; it ends with this value.
#[derive(Debug)]
pub struct OidcProvider {
    child: Child,
    /// Where it listens, without TLS.
    pub port: u16,
}

impl OidcProvider {
    /// Starts one by its script, with these variables besides. Panics if it does not start.
    pub fn start(script: &str, port: u16, variables: &[(&str, &str)]) -> Self {
        let script = root().join(script);
        let directory = script.parent().expect("a directory");
        assert!(
            directory.join("node_modules").is_dir(),
            "{} has no node_modules: run \"make tools\" first",
            directory.display()
        );
        let mut child = Command::new("node")
            .arg(&script)
            .current_dir(directory)
            .env("PORT", port.to_string())
            .env("ISSUER", Self::issuer(port))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node can be run");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (says, hears) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(says.send(line))));
        let server = Self { child, port };
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = hears.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains("ready") {
                return server;
            }
        }
        panic!("the authorization server does not start");
    }

    /// The issuer of one at that port.
    pub fn issuer(port: u16) -> String {
        format!("http://localhost:{port}")
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
