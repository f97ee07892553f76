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
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "a bench that cannot be set up must stop, and its numbers are small"
)]

#[cfg(feature = "peers")]
pub mod authz;
pub mod chart;
pub mod config;
pub mod envoy;
pub mod footprint;
pub mod load;
pub mod modules;
pub mod peers;
pub mod report;
pub mod series;
pub mod servers;
pub mod stats;
pub mod variants;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use tollgate_e2e::root;

use crate::config::Ports;
use crate::footprint::Extent;
use crate::modules::Modules;
use crate::report::Report;
use crate::series::{Pace, Variant};
use crate::servers::Server;
use crate::variants::COPIES;

/// The parts of a run.
const STAGES: [&str; 3] = ["requests", "stack", "footprint"];
/// The argument that has docs/performance.* written anew.
const DOCS: &str = "docs";

/// Runs it all, or the parts that the arguments name.
pub fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    #[cfg(feature = "peers")]
    if arguments.first().is_some_and(|first| first == peers::ARGUMENT) {
        authz::serve(&variants::known_token());
        return;
    }
    let quick = std::env::var_os("QUICK").is_some();
    envoy::step_aside();
    if let Some(unknown) = arguments.iter().find(|one| *one != DOCS && !STAGES.contains(&one.as_str())) {
        eprintln!(
            "{unknown}: unknown; known: {} (some of them, or nothing for all) and {DOCS}",
            STAGES.join(", ")
        );
        std::process::exit(2);
    }
    let named: Vec<&String> = arguments.iter().filter(|argument| *argument != DOCS).collect();
    let wanted = |stage: &str| named.is_empty() || named.iter().any(|name| *name == stage);
    let report = run(quick, &wanted);
    let markdown = report.markdown();
    say(&format!("\n{markdown}"));
    let target = root().join("target/bench");
    write(&target, &report, &markdown);
    say("The same is in target/bench/performance.md, .json and .svg.");
    if arguments.iter().any(|argument| argument == DOCS) {
        document(&root().join("docs"), &report, &markdown);
        say("docs/performance.* tell of this run now.");
    }
}

/// `wanted`: which parts are measured.
fn run(quick: bool, wanted: &dyn Fn(&str) -> bool) -> Report {
    progress("build the modules");
    let modules = Modules::build();
    let (api, server) = (Server::api(), Server::authorization_server());
    let service = peers::start();
    let ports = Ports {
        api: api.port,
        authorization_server: server.port,
        authz: service.as_ref().map_or(1, |service| service.port),
    };
    let helper = service.as_ref().map(|service| service.process);
    let pace = |rounds, millis| Pace {
        rounds,
        before: Duration::from_millis(100),
        during: Duration::from_millis(millis),
    };
    let paces = if quick { (pace(3, 300), pace(5, 300)) } else { (pace(20, 500), pace(25, 500)) };
    let mut requests = variants::requests(&modules, service.is_some());
    if let Ok(only) = std::env::var("ONLY") {
        let wanted: Vec<&str> = only.split(',').collect();
        requests.retain(|variant| variant.id.starts_with("bare") || wanted.contains(&variant.id));
    }
    let stack = variants::stack(&modules);
    let extent = if quick {
        Extent { starts: 2, tokens: 2_000, requests: 10_000 }
    } else {
        Extent { starts: 5, tokens: 10_000, requests: 60_000 }
    };
    let heavy = variants::heavy(&requests);
    let series = |stage, name: &str, variants: &[Variant], helper, pace| {
        if wanted(stage) { series::measure(name, variants, ports, &server, helper, pace) } else { Vec::new() }
    };
    Report {
        requests: series("requests", "requests", &requests, helper, paces.0),
        stack: series("stack", &format!("{COPIES} copies"), &stack, None, paces.1),
        footprint: wanted("footprint").then(|| footprint::measure(&modules, &heavy, ports, &server, extent)),
        paces,
        quick,
    }
}

fn write(directory: &Path, report: &Report, markdown: &str) {
    fs::create_dir_all(directory).expect("a directory for results");
    let json = serde_json::to_string_pretty(&report.json()).expect("JSON") + "\n";
    fs::write(directory.join("performance.md"), markdown).expect("the table is written");
    fs::write(directory.join("performance.json"), json).expect("the JSON is written");
    fs::write(directory.join("performance.svg"), chart::svg(report)).expect("the chart is written");
}

/// Puts the run into the documentation: the table between its marks, the other files as they are.
fn document(docs: &Path, report: &Report, markdown: &str) {
    const BEGIN: &str = "<!-- bench:begin -->";
    const END: &str = "<!-- bench:end -->";
    let page = docs.join("performance.md");
    let text = fs::read_to_string(&page).expect("docs/performance.md");
    let (before, rest) = text.split_once(BEGIN).expect("the mark where the table begins");
    let (_, after) = rest.split_once(END).expect("the mark where the table ends");
    write(docs, report, &format!("{before}{BEGIN}\n{markdown}{END}{after}"));
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
