//! `make soak`: an hour of mixed traffic with revocations, resets and failures of the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::plot::{Line, Panel, Plot};
use crate::population::Kind;
use crate::random::Random;
use crate::record::{self, Result};
use crate::sampler::{Sample, watch};
use crate::server::Mode;
use crate::site::{Options, Site};
use crate::tally::{Second, Tally};
use crate::traffic::Pace;
use crate::truth::Trouble;

/// The failures, one after the other; each minute has one, for some seconds.
const FAILURES: [(&str, Mode); 7] = [
    ("slow", Mode::Slow(Duration::from_millis(700))),
    ("500", Mode::Status(500)),
    ("closed connections", Mode::Close),
    ("not JSON", Mode::NotJson),
    ("down", Mode::Down),
    ("half a response", Mode::Half),
    ("too slow", Mode::Slow(Duration::from_millis(1500))),
];
const FAILURE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(100);

/// How long a run is, and how busy.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The time of the run.
    pub time: Duration,
    /// Requests a second.
    pub rate: f64,
}

/// What a run has shown.
struct Outcome {
    extent: Extent,
    samples: Vec<Sample>,
    failures: Vec<(f64, f64)>,
    ended: [u64; 3],
    events_per_provider: u64,
    left_over: Vec<(String, u64)>,
    after: Sample,
    calls: u64,
}

/// Runs it. Whether everything held.
pub fn run(extent: Extent) -> bool {
    let site = Site::start(Options { tokens: 2000, lists: true, ..Options::default() });
    eprintln!("  {:.0} s at {} requests/s", extent.time.as_secs_f64(), extent.rate);
    let outcome = drive(&site, extent);
    site.envoy.assert_clean_log(&["hush"]);
    let tally = &site.course.tally;
    let (markdown, json) = (markdown(tally, &outcome), json(tally, &outcome));
    println!("{markdown}");
    record::series("soak-series.json", &series(tally, &outcome));
    record::write(&Result { part: "soak", markdown, json, svg: Some(plot(tally, &outcome).svg()) });
    tally.findings().is_empty() && outcome.left_over.is_empty() && memory_is_flat(&outcome.samples)
}

/// The traffic, and everything that disturbs it.
fn drive(site: &Site, extent: Extent) -> Outcome {
    let ends = AtomicBool::new(false);
    let traffic = site.traffic(Pace { rate: extent.rate, clients: 48, leaving: 0.02 });
    let start = Instant::now();
    let every = (extent.time / 720).max(Duration::from_secs(1));
    let (samples, ended, failures) = thread::scope(|scope| {
        let sampler = scope.spawn(|| watch(&site.envoy, every, &ends));
        let reaper = scope.spawn(|| end_tokens(site, &ends));
        let failures = scope.spawn(|| fail(site, start, &ends));
        while start.elapsed() < extent.time && !site.envoy.has_ended() {
            thread::sleep(TICK);
        }
        ends.store(true, Ordering::Relaxed);
        let ended = reaper.join().expect("the one who ends tokens");
        (sampler.join().expect("a sampler"), ended, failures.join().expect("failures"))
    });
    traffic.stop();
    let left_over = site.left_over();
    let after = Sample::take(&site.envoy, start);
    let events_per_provider = ended[1] / Kind::ALL.len() as u64;
    Outcome {
        extent,
        samples,
        failures,
        ended,
        events_per_provider,
        left_over,
        after,
        calls: site.server.calls(),
    }
}

/// Ends tokens in every way, until the end: at the server, by events, by the operator. How many each.
fn end_tokens(site: &Site, ends: &AtomicBool) -> [u64; 3] {
    let mut random = Random::new(3);
    let mut ended = [0; 3];
    let mut tick = 0_u64;
    while !ends.load(Ordering::Relaxed) {
        tick += 1;
        match tick {
            n if n.is_multiple_of(200) => ended[2] += u64::from(site.end_by_list(&mut random)),
            n if n.is_multiple_of(20) => ended[1] += u64::from(site.end_by_event(&mut random)),
            n if n.is_multiple_of(5) => ended[0] += u64::from(site.end_at_server(&mut random)),
            n if n.is_multiple_of(7) => drop(site.course.population.renew(&mut random, |_| false)),
            _ => {}
        }
        thread::sleep(TICK);
    }
    ended
}

/// Once a minute the server fails. When, in seconds.
fn fail(site: &Site, start: Instant, ends: &AtomicBool) -> Vec<(f64, f64)> {
    let mut failures = Vec::new();
    for (number, (_, mode)) in FAILURES.iter().cycle().enumerate() {
        // In the middle of each minute; in a short run, once.
        let begin = Duration::from_secs(if number == 0 { 8 } else { 60 * number as u64 + 8 });
        while start.elapsed() < begin {
            if ends.load(Ordering::Relaxed) {
                return failures;
            }
            thread::sleep(TICK);
        }
        site.disturbances().begin(Trouble::Outage);
        site.server.set(*mode);
        thread::sleep(FAILURE);
        site.server.set(Mode::Normal);
        site.disturbances().end();
        failures.push((begin.as_secs_f64(), start.elapsed().as_secs_f64()));
    }
    failures
}

/// Whether the last quarter needs no more than the second one did, and a tenth.
fn memory_is_flat(samples: &[Sample]) -> bool {
    let (middle, last) = quarters(samples);
    last <= middle * 1.1 + 4.0
}

/// The mean of resident memory in the second and in the last quarter.
fn quarters(samples: &[Sample]) -> (f64, f64) {
    let quarter = samples.len() / 4;
    let mean =
        |part: &[Sample]| part.iter().map(|sample| sample.resident).sum::<f64>() / part.len().max(1) as f64;
    (mean(&samples[quarter..2 * quarter]), mean(&samples[samples.len() - quarter..]))
}

fn markdown(tally: &Tally, outcome: &Outcome) -> String {
    let sum = tally.sum();
    let findings = tally.findings();
    let count = |finding| findings.get(&finding).copied().unwrap_or_default();
    let (middle, last) = quarters(&outcome.samples);
    let [at_server, by_event, by_list] = outcome.ended;
    let minutes = outcome.extent.time.as_secs_f64() / 60.0;
    let share = 100.0 * sum.of(500..=599) as f64 / sum.responses().max(1) as f64;
    let gauges: Vec<String> = outcome.left_over.iter().map(|(name, n)| format!("`{name}` {n}")).collect();
    let gauges = if gauges.is_empty() { "all zero".to_owned() } else { gauges.join(", ") };
    let rows = [
        ("time", format!("{minutes:.0} minutes")),
        (
            "requests with a response",
            format!(
                "{} ({:.0} a second)",
                sum.responses(),
                sum.responses() as f64 / outcome.extent.time.as_secs_f64()
            ),
        ),
        (
            "of them 2xx / 401 / 403 / 5xx",
            format!(
                "{} / {} / {} / {}",
                sum.of(200..=299),
                sum.of(401..=401),
                sum.of(403..=403),
                sum.of(500..=599)
            ),
        ),
        ("requests that their client gave up", sum.left.to_string()),
        ("calls to the authorization server", outcome.calls.to_string()),
        ("failures of the server", format!("{} of {} s", outcome.failures.len(), FAILURE.as_secs())),
        (
            "tokens ended at the server / by an event / by the operator",
            format!("{at_server} / {by_event} / {by_list}"),
        ),
        ("**admitted wrongly**", count(crate::truth::Finding::WrongAdmit).to_string()),
        ("**without a response**", count(crate::truth::Finding::NoResponse).to_string()),
        ("rejected wrongly", count(crate::truth::Finding::WrongReject).to_string()),
        ("5xx without a failure of the server", count(crate::truth::Finding::Unexplained).to_string()),
        ("moments in which the machine had no CPU time for this run", tally.stalls().to_string()),
        ("5xx, in all", format!("{share:.2} %")),
        (
            "latency, ms: p50 / p99 / p99.9",
            format!(
                "{:.1} / {:.0} / {:.0}",
                sum.latencies.quantile(0.5),
                sum.latencies.quantile(0.99),
                sum.latencies.quantile(0.999)
            ),
        ),
        ("resident memory of Envoy, MiB: second quarter / last quarter", format!("{middle:.1} / {last:.1}")),
        ("gauges after the end", gauges),
        ("VMs", outcome.after.vms.to_string()),
    ];
    let mut text = format!("{}.\n\n| | |\n| --- | --- |\n", record::machine_line());
    for (name, value) in rows {
        text += &format!("| {name} | {value} |\n");
    }
    for line in tally.told() {
        text += &format!("\n- {line}");
    }
    text
}

fn json(tally: &Tally, outcome: &Outcome) -> Value {
    let sum = tally.sum();
    let findings: Vec<Value> =
        tally.findings().iter().map(|(finding, n)| json!([finding.to_string(), n])).collect();
    let (middle, last) = quarters(&outcome.samples);
    json!({
        "seconds": outcome.extent.time.as_secs(),
        "responses": sum.responses(),
        "statuses": sum.statuses.iter().map(|(status, n)| (status.to_string(), json!(n))).collect::<serde_json::Map<_, _>>(),
        "stalls": tally.stalls(),
        "left": sum.left,
        "sent_again": sum.again,
        "findings": findings,
        "ended": {"server": outcome.ended[0], "event": outcome.ended[1], "list": outcome.ended[2], "events_per_provider": outcome.events_per_provider},
        "failures": outcome.failures.len(),
        "calls": outcome.calls,
        "latency_ms": {"p50": sum.latencies.quantile(0.5), "p99": sum.latencies.quantile(0.99), "p999": sum.latencies.quantile(0.999)},
        "resident_mib": {"second_quarter": middle, "last_quarter": last},
        "left_over": outcome.left_over.len(),
    })
}

/// Everything by second.
fn series(tally: &Tally, outcome: &Outcome) -> Value {
    let samples = outcome.samples.iter().map(|s| {
        json!([s.at, s.resident, s.allocated, s.connections, s.requests, s.calls, s.in_flight, s.vms])
    });
    let seconds = tally.seconds();
    let seconds = seconds.iter().map(|s| {
        json!([
            s.of(200..=299),
            s.of(401..=401),
            s.of(403..=403),
            s.of(500..=599),
            s.left,
            s.again,
            s.latencies.quantile(0.5),
            s.latencies.quantile(0.99),
        ])
    });
    json!({
        "samples": samples.collect::<Vec<_>>(),
        "seconds": seconds.collect::<Vec<_>>(),
        "failures": outcome.failures,
    })
}

fn plot(tally: &Tally, outcome: &Outcome) -> Plot {
    let seconds = outcome.extent.time.as_secs_f64();
    let (unit, name) = if seconds > 300.0 { (60.0, "minutes") } else { (1.0, "seconds") };
    let of_samples = |name: &str, value: fn(&Sample) -> f64| Line {
        name: name.to_owned(),
        points: outcome.samples.iter().map(|sample| (sample.at / unit, value(sample))).collect(),
    };
    let step = (seconds / 360.0).ceil().max(1.0) as usize;
    let bins: Vec<Second> = tally
        .seconds()
        .chunks(step)
        .map(|chunk| chunk.iter().fold(Second::default(), Second::with))
        .collect();
    let of_bins = |name: &str, value: &dyn Fn(&Second) -> f64| Line {
        name: name.to_owned(),
        points: bins.iter().enumerate().map(|(n, bin)| ((n * step) as f64 / unit, value(bin))).collect(),
    };
    let per_second = |statuses: std::ops::RangeInclusive<u16>| {
        move |bin: &Second| bin.of(statuses.clone()) as f64 / step as f64
    };
    let panel = |title: &str, logarithmic, lines| Panel { title: title.to_owned(), logarithmic, lines };
    Plot {
        title: format!("{:.0} requests/s with failures of the authorization server", outcome.extent.rate),
        across: (name.to_owned(), seconds / unit),
        panels: vec![
            panel(
                "memory of Envoy, MiB",
                false,
                vec![of_samples("resident", |s| s.resident), of_samples("allocated", |s| s.allocated)],
            ),
            panel(
                "latency, ms",
                true,
                vec![
                    of_bins("p50", &|bin| bin.latencies.quantile(0.5)),
                    of_bins("p99", &|bin| bin.latencies.quantile(0.99)),
                ],
            ),
            panel(
                "responses a second",
                false,
                vec![
                    of_bins("2xx", &per_second(200..=299)),
                    of_bins("5xx", &per_second(500..=599)),
                    of_bins("401, 403", &per_second(401..=403)),
                ],
            ),
            panel(
                "in progress",
                false,
                vec![
                    of_samples("requests", |s| s.requests as f64),
                    of_samples("calls", |s| s.calls as f64),
                    of_samples("calls, by the filter", |s| s.in_flight as f64),
                ],
            ),
        ],
        marked: outcome.failures.iter().map(|(from, to)| (from / unit, to / unit)).collect(),
        mark: "the authorization server fails".to_owned(),
    }
}
