//! `make chaos`: one failure after the other in a real Envoy under load, and a table of what came of each.

pub mod clock;
pub mod memory;
pub mod scenarios;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::random::Random;
use crate::record::{self, Result};
use crate::sampler::Sample;
use crate::site::{IN_FLIGHT, Options, Site};
use crate::traffic::Pace;
use crate::truth::{Finding, Trouble};

/// A failure under load.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens, for the table.
    pub what: &'static str,
    /// What is different from the usual.
    pub options: fn() -> Options,
    /// What happens, once. It is called twice, so that what the first time has left over shows.
    pub trouble: fn(&Site),
    /// What requests may suffer meanwhile. `None`: nobody may notice.
    pub excuse: Option<Trouble>,
    /// Whether the VM is made to trap.
    pub traps: bool,
    /// How the clients behave.
    pub pace: Pace,
    /// Whether events end tokens meanwhile.
    pub events: bool,
    /// Whether Envoy's allocator is left with much that it does not return to the system: then only what it has given out counts.
    pub crowded: bool,
}

/// What came of it.
struct Row {
    scenario: Scenario,
    responses: u64,
    unavailable: u64,
    findings: Vec<(Finding, u64)>,
    told: Vec<String>,
    left: u64,
    again: u64,
    recovery: Duration,
    /// Resident and allocated, in MiB.
    grown: [f64; 2],
    /// Resident at most, in MiB.
    most: f64,
    left_over: Vec<(String, u64)>,
    vms: (u64, u64),
    alive: bool,
}

/// The usual clients.
pub const PACE: Pace = Pace { rate: 300.0, clients: 40, leaving: 0.03 };
/// Memory that may be taken between the first time and the second.
const GROWTH: f64 = 8.0;
const CALM: Duration = Duration::from_secs(2);

/// Runs those that are named, or all. Whether everything held.
pub fn run(names: &[String]) -> bool {
    let all = scenarios::all();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|scenario| scenario.name != **name)) {
        let known: Vec<_> = all.iter().map(|scenario| scenario.name).collect();
        eprintln!("{unknown}: unknown; known: {}", known.join(", "));
        return false;
    }
    let wanted =
        all.into_iter().filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name));
    let rows: Vec<Row> = wanted.map(one).collect();
    let new: Vec<Value> = rows.iter().map(Row::json).collect();
    println!("{}", markdown(&new));
    let rows_now = merged(&record::recorded("chaos"), new);
    record::write(&Result { part: "chaos", markdown: markdown(&rows_now), json: rows_now.into(), svg: None });
    rows.iter().all(Row::holds)
}

/// The scenarios of earlier runs, with those of this one in their places.
fn merged(old: &Value, new: Vec<Value>) -> Vec<Value> {
    let mut rows = old.as_array().cloned().unwrap_or_default();
    rows.retain(|row| new.iter().all(|new| new["scenario"] != row["scenario"]));
    rows.extend(new);
    let names: Vec<_> = scenarios::all().iter().map(|scenario| scenario.name).collect();
    let place = |row: &Value| names.iter().position(|name| row["scenario"] == *name);
    rows.retain(|row| place(row).is_some());
    rows.sort_by_key(place);
    rows
}

/// Runs one.
fn one(scenario: Scenario) -> Row {
    eprintln!("  {}", scenario.name);
    let site = Site::start((scenario.options)());
    let vms = Sample::take(&site.envoy, Instant::now()).vms;
    let traffic = site.traffic(scenario.pace);
    let ends = AtomicBool::new(false);
    let (memory, most, recoveries) = thread::scope(|scope| {
        let reaper = scope.spawn(|| end_tokens(&site, &ends, scenario.events));
        thread::sleep(CALM);
        let mut memory = Vec::new();
        let mut recoveries = Vec::new();
        let mut most = 0.0_f64;
        for _ in 0..2 {
            if let Some(trouble) = scenario.excuse {
                site.disturbances().begin(trouble);
            }
            most = most.max(highest(&site, || (scenario.trouble)(&site)));
            site.disturbances().end();
            let over = Instant::now();
            thread::sleep(CALM);
            recoveries.push(site.course.tally.last_failure(over, Instant::now()));
            let sample = Sample::take(&site.envoy, over);
            memory.push([sample.resident, sample.allocated]);
        }
        ends.store(true, Ordering::Relaxed);
        reaper.join().expect("the one who ends tokens");
        (memory, most, recoveries)
    });
    traffic.stop();
    let left_over = site.left_over();
    let after = Sample::take(&site.envoy, Instant::now());
    let alive = !site.envoy.has_ended() && !site.envoy.admin("/ready").is_empty();
    if !scenario.traps {
        site.envoy.assert_clean_log(&["hush"]);
    }
    let tally = &site.course.tally;
    let sum = tally.sum();
    let row = Row {
        scenario,
        responses: sum.responses(),
        unavailable: sum.of(500..=599),
        findings: tally.findings().into_iter().collect(),
        told: tally.told(),
        left: sum.left,
        again: sum.again,
        recovery: recoveries.into_iter().max().unwrap_or_default(),
        most,
        grown: [0, 1].map(|kind| memory[1][kind] - memory[0][kind]),
        left_over,
        vms: (vms, after.vms),
        alive,
    };
    eprintln!("    {}", row.cells().join(" | "));
    row
}

/// The most resident memory, in MiB, while something happens.
fn highest(site: &Site, what: impl FnOnce() + Send) -> f64 {
    thread::scope(|scope| {
        let happening = scope.spawn(what);
        let mut most = 0.0_f64;
        while !happening.is_finished() {
            most = most.max(site.envoy.memory() as f64 / f64::from(1 << 20));
            thread::sleep(Duration::from_millis(50));
        }
        happening.join().expect("a failure");
        most
    })
}

/// Tokens end all the time, at the server and by events: only then can a wrong response show.
fn end_tokens(site: &Site, ends: &AtomicBool, events: bool) {
    let mut random = Random::new(5);
    for tick in 0_u64.. {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        match tick % 5 {
            0 | 2 => _ = site.end_at_server(&mut random),
            1 if events => _ = site.end_by_event(&mut random),
            _ => _ = site.course.population.renew(&mut random, |_| false),
        }
        thread::sleep(Duration::from_millis(100));
    }
}

impl Row {
    fn count(&self, finding: Finding) -> u64 {
        self.findings.iter().find(|(found, _)| *found == finding).map_or(0, |(_, count)| *count)
    }

    fn holds(&self) -> bool {
        // What waits in a VM that traps is closed by Envoy, and the gauge that it has raised stays.
        let traps = self.scenario.traps;
        let left = self.left_over.iter().any(|(name, _)| !traps || name != IN_FLIGHT);
        let found = self.findings.iter().any(|(finding, _)| !traps || *finding != Finding::NoResponse);
        !found
            && !left
            && self.alive
            && self.grown[usize::from(self.scenario.crowded)] < GROWTH
            && self.vms.0 == self.vms.1
    }

    fn json(&self) -> Value {
        json!({
            "scenario": self.scenario.name,
            "cells": self.cells(),
            "told": self.told,
            "responses": self.responses,
            "unavailable": self.unavailable,
            "left": self.left,
            "sent_again": self.again,
            "grown_mib": self.grown.map(|grown| (grown * 10.0).round() / 10.0),
            "most_mib": self.most.round(),
            "recovers_after_s": self.recovery.as_secs_f64(),
            "holds": self.holds(),
        })
    }

    fn cells(&self) -> [String; 11] {
        let left = if self.left_over.is_empty() && self.vms.0 == self.vms.1 {
            "0".to_owned()
        } else {
            let vms = (self.vms.0 != self.vms.1).then(|| format!("VMs {} → {}", self.vms.0, self.vms.1));
            let gauges = self.left_over.iter().map(|(name, count)| format!("`{name}` {count}"));
            gauges.chain(vms).collect::<Vec<_>>().join(", ")
        };
        [
            format!("`{}`: {}", self.scenario.name, self.scenario.what),
            self.responses.to_string(),
            self.unavailable.to_string(),
            self.count(Finding::WrongAdmit).to_string(),
            self.count(Finding::NoResponse).to_string(),
            (self.count(Finding::WrongReject) + self.count(Finding::Unexplained)).to_string(),
            left,
            format!("{:.0}", self.most),
            self.grown.map(|grown| format!("{grown:+.1}")).join(" / "),
            if self.alive { "yes".to_owned() } else { "**no**".to_owned() },
            format!("{:.1}", self.recovery.as_secs_f64()),
        ]
    }
}

fn markdown(rows: &[Value]) -> String {
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().into_iter().flatten();
        all.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let mut text = format!(
        "{}; {:.0} requests/s.\n\n| scenario | responses | 5xx | admitted wrongly | without a response | other findings | left over | MiB at most | MiB more | alive | recovers after, s |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |\n",
        record::machine_line(),
        PACE.rate
    );
    for row in rows {
        text += &format!("| {} |\n", texts(&row["cells"]).join(" | "));
    }
    for row in rows {
        for line in texts(&row["told"]).iter().take(5) {
            text += &format!("\n- `{}`: {line}", row["scenario"].as_str().unwrap_or_default());
        }
    }
    text.trim_end().to_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_that_is_run_again_keeps_its_place() {
        let row = |name: &str, holds| json!({"scenario": name, "holds": holds});
        let old = json!([row("slow", false), row("gone", true), row("reload", true)]);
        let rows = merged(&old, vec![row("down", true), row("slow", true)]);
        assert_eq!(rows, [row("slow", true), row("down", true), row("reload", true)]);
    }
}
