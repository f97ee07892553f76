//! `make bench`: what Tollgate costs in a real Envoy, next to what else one could use, all in one run.
//!
//! The load and everything behind Envoy are in this process, on one core; Envoy has another. What counts is Envoy's CPU time
//! for a request: on a shared machine it is steadier than any rate or latency. Compare within one run only.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::missing_panics_doc,
    reason = "a bench that cannot be set up must stop, and its numbers are small"
)]

#[cfg(feature = "peers")]
mod authz;
mod config;
mod envoy;
mod load;
mod modules;
mod series;
mod servers;
mod stats;
mod variants;

use std::io::Write as _;
use std::time::Duration;

use crate::config::Ports;
use crate::modules::Modules;
use crate::series::Pace;
use crate::servers::Server;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    #[cfg(feature = "peers")]
    if arguments.first().is_some_and(|first| first == "authz") {
        authz::serve(&variants::known_token());
        return;
    }
    let _ = arguments;
    let quick = std::env::var_os("QUICK").is_some();
    envoy::step_aside();
    let modules = Modules::build();
    let (api, server) = (Server::api(), Server::authorization_server());
    let ports = Ports { api: api.port, authorization_server: server.port, authz: 1 };
    let pace = |rounds| Pace { rounds, before: Duration::from_millis(100), during: Duration::from_millis(500) };
    let rows = series::measure(
        "requests",
        &variants::requests(&modules, false),
        ports,
        None,
        pace(if quick { 3 } else { 20 }),
    );
    for row in &rows {
        say(&format!("{:60} {:8.1} {:6.2} {:8.1}", row.title, row.cpu.median, row.ratio.median, row.rate.median));
    }
    let rows = series::measure("stack", &variants::stack(&modules), ports, None, pace(if quick { 4 } else { 25 }));
    for row in &rows {
        say(&format!("{:60} {:8.1} {:8.2}", row.title, row.cpu.median, row.added.median / 10.0));
    }
}

/// A line of the result.
pub fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}

/// What is going on.
pub fn progress(line: &str) {
    eprintln!("  {line}");
}
