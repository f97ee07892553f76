//! What is said of a run: a table for people, JSON for everything else.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::envoy::{Measured, can_pin};
use crate::footprint::{Footprint, ZIPF_GARBAGE_SHARE, ZIPF_TOKENS};
use crate::series::{Pace, Row};
use crate::stats::{Spread, rounded};
use crate::variants::COPIES;

/// Everything that one run has shown.
#[derive(Clone, Debug)]
pub struct Report {
    /// What a request costs.
    pub requests: Vec<Row>,
    /// What one of several copies adds.
    pub stack: Vec<Row>,
    /// What the module weighs.
    pub footprint: Option<Footprint>,
    /// How the first two were measured.
    pub paces: (Pace, Pace),
    /// Whether this was a quick run.
    pub quick: bool,
}

/// A goal, and what became of it.
#[derive(Clone, Debug)]
pub struct Goal {
    /// In words.
    pub text: &'static str,
    /// The most that it may be.
    pub limit: f64,
    /// What was measured; only the median where there is no more.
    pub measured: Spread,
    /// What the module before has shown.
    pub before: Option<Spread>,
}

impl Goal {
    /// Whether it was met.
    pub fn is_met(&self) -> bool {
        self.measured.median <= self.limit
    }
}

impl Report {
    /// The goals, each with what the module before has shown in the same run.
    pub fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        let mut goal = |text, limit, measured: Option<Spread>, before: Option<Spread>| {
            goals.extend(measured.map(|measured| Goal { text, limit, measured, before }));
        };
        let both = |own: &str| [format!("tollgate_{own}"), format!("before_{own}")];
        let mut stack = |text, limit, other: &str| {
            let [now, before] = both("hit_claims").map(|own| self.stack_ratio(&own, other));
            goal(text, limit, now, before);
        };
        stack(
            "A hit with two claims forwarded, against a hit of the Lua script with a table (ten copies)",
            0.95,
            "lua_cached",
        );
        stack(
            "The same, against the minimal hit that reads all header fields (ten copies)",
            1.0,
            "minimum_hit_head",
        );
        let [now, before] = both("hit_claims").map(|own| self.added_ratio(&own, "ext_authz"));
        goal(
            "What a hit with two claims adds, against what `ext_authz` over gRPC adds to Envoy alone",
            0.2,
            now,
            before,
        );
        let mut request = |text, limit, own: &str, [other, other_before]: [&str; 2]| {
            let [now, before] = both(own);
            goal(text, limit, self.request_ratio(&now, other), self.request_ratio(&before, other_before));
        };
        request(
            "A miss (every token new), against the minimal call in WebAssembly",
            1.15,
            "miss",
            ["minimum_call"; 2],
        );
        request("The same without a cache", 1.1, "uncached", ["minimum_call"; 2]);
        request(
            "Rejecting a token cached as inactive, against Envoy's `direct_response` behind a hit",
            1.05,
            "known_bad",
            ["direct_hit", "before_direct_hit"],
        );
        request(
            "RS256 verified for every request, against `jwt_authn` and a filter that does nothing",
            1.0,
            "rs256",
            ["jwt_authn_noop"; 2],
        );
        request("The same with ES256", 1.0, "es256", ["jwt_authn_es256_noop"; 2]);
        goal(
            "A cached JWT, against `jwt_authn` with its cache",
            1.2,
            self.request_ratio("tollgate_rs256_cached", "jwt_authn_cached"),
            None,
        );
        if let Some(footprint) = &self.footprint {
            let before = footprint.before.as_ref();
            goal(
                "Seconds until Envoy is ready, beyond what a minimal hit takes",
                0.5,
                Some(seconds(footprint.beyond.ready)),
                before.map(|(_, beyond)| seconds(beyond.ready)),
            );
            goal(
                "MiB of memory beyond that, with one worker, after 2000 requests with 500 tokens",
                15.0,
                Some(footprint.beyond.memory),
                before.map(|(_, beyond)| beyond.memory),
            );
            let kib = |bytes: u64| one(bytes as f64 / 1024.0);
            goal(
                "KiB of the module",
                550.0,
                Some(kib(footprint.module)),
                before.map(|(bytes, _)| kib(*bytes)),
            );
            goal("MiB for each further worker", 1.0, Some(one(footprint.per_worker)), None);
        }
        goals
    }

    /// Markdown, for the terminal and for the documentation.
    pub fn markdown(&self) -> String {
        let mut text = self.machine_line() + "\n\n";
        if !self.requests.is_empty() {
            self.requests_table(&mut text);
        }
        if !self.stack.is_empty() {
            self.stack_table(&mut text);
        }
        if let Some(footprint) = &self.footprint {
            footprint_table(footprint, &mut text);
        }
        let has_before = self.footprint.as_ref().is_some_and(|footprint| footprint.before.is_some())
            || find(&self.requests, "before_miss").is_some();
        text += if has_before {
            "| goal | at most | before | now | |\n"
        } else {
            "| goal | at most | measured | |\n"
        };
        text += if has_before { "| --- | --- | --- | --- | --- |\n" } else { "| --- | --- | --- | --- |\n" };
        for goal in self.goals() {
            let met = if goal.is_met() { "met" } else { "**not met**" };
            let before = goal.before.map(|before| spread(before, 2)).unwrap_or_default();
            let before = if has_before { format!("{before} | ") } else { String::new() };
            let _ = writeln!(
                text,
                "| {} | {} | {before}{} | {met} |",
                goal.text,
                goal.limit,
                spread(goal.measured, 2)
            );
        }
        text
    }

    /// Everything, as JSON.
    pub fn json(&self) -> Value {
        let goals = self.goals();
        json!({
            "date": date(),
            "quick": self.quick,
            "machine": {
                "processor": processor(),
                "cores": cores(),
                "kernel": output("uname", &["-sr"]),
                "envoy_has_a_core_of_its_own": can_pin(),
            },
            "versions": {"envoy": Measured::version(), "rustc": output("rustc", &["--version"])},
            "method": {
                "clients": crate::load::CLIENTS,
                "rounds": self.paces.0.rounds,
                "rounds_of_the_stack": self.paces.1.rounds,
                "window_ms": self.paces.0.during.as_millis() as u64,
                "copies": COPIES,
            },
            "requests": self.requests.iter().map(request_json).collect::<Vec<_>>(),
            "stack": self.stack.iter().map(stack_json).collect::<Vec<_>>(),
            "footprint": self.footprint.as_ref().map(Footprint::json),
            "goals": goals.iter().map(|goal| json!({
                "goal": goal.text,
                "at_most": goal.limit,
                "measured": goal.measured.json(3),
                "before": goal.before.map(|before| before.json(3)),
                "met": goal.is_met(),
            })).collect::<Vec<_>>(),
        })
    }

    fn machine_line(&self) -> String {
        let quick = if self.quick { " A quick run: it tells less." } else { "" };
        format!(
            "{}, Envoy {} with one worker{}, {} cores of {}, {}; {} rounds in random order.{quick}",
            date(),
            Measured::version(),
            if can_pin() { " on a core of its own" } else { "" },
            cores(),
            processor(),
            output("uname", &["-sr"]),
            self.paces.0.rounds,
        )
    }

    fn requests_table(&self, text: &mut String) {
        *text += "| a request through | Envoy's CPU, µs | × the router alone | added, µs | the service's CPU, µs | requests/s | p50 / p99, ms |\n";
        *text += "| --- | --- | --- | --- | --- | --- | --- |\n";
        for row in &self.requests {
            let helper = if row.helper.median >= 1.0 && row.id == "ext_authz" {
                format!("{:.0}", row.helper.median)
            } else {
                String::new()
            };
            let _ = writeln!(
                text,
                "| {} | {:.0} | {} | {:.0} | {helper} | {:.0} | {:.2} / {:.1} |",
                row.title,
                row.cpu.median,
                spread(row.ratio, 2),
                row.added.median,
                row.rate.median,
                row.p50.median,
                row.p99.median,
            );
        }
        *text += "\n";
    }

    fn stack_table(&self, text: &mut String) {
        let copies = COPIES as f64;
        *text += "| one of ten copies of | adds, µs of Envoy's CPU |\n| --- | --- |\n";
        for row in self.stack.iter().filter(|row| row.id != "bare") {
            let added = Spread {
                low: row.added.low / copies,
                median: row.added.median / copies,
                high: row.added.high / copies,
            };
            let _ = writeln!(text, "| {} | {} |", row.title, spread(added, 1));
        }
        *text += "\n";
    }

    /// What one copy adds, in relation to what a copy of the other adds; round by round.
    fn stack_ratio(&self, own: &str, other: &str) -> Option<Spread> {
        added_ratio(&self.stack, own, other)
    }

    fn added_ratio(&self, own: &str, other: &str) -> Option<Spread> {
        added_ratio(&self.requests, own, other)
    }

    fn request_ratio(&self, own: &str, other: &str) -> Option<Spread> {
        let (own, other) = (find(&self.requests, own)?, find(&self.requests, other)?);
        Some(Spread::of(own.rounds.iter().zip(&other.rounds).map(|(own, other)| own / other)))
    }
}

/// What one adds to the router alone, in relation to what the other adds; round by round.
fn added_ratio(rows: &[Row], own: &str, other: &str) -> Option<Spread> {
    let (own, other, bare) = (find(rows, own)?, find(rows, other)?, find(rows, "bare")?);
    let rounds = own.rounds.iter().zip(&other.rounds).zip(&bare.rounds);
    Some(Spread::of(rounds.map(|((own, other), bare)| (own - bare) / (other - bare))))
}

fn footprint_table(footprint: &Footprint, text: &mut String) {
    *text += "| Tollgate's footprint | |\n| --- | --- |\n";
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    line("the module", format!("{:.0} KiB", footprint.module as f64 / 1024.0));
    line(
        "Envoy is ready after",
        format!("{:.0} ms; without the module {:.0} ms", footprint.ready.1.median, footprint.ready.0.median),
    );
    for (workers, without, with) in &footprint.workers {
        line(
            &format!("memory with {workers} worker{}", if *workers == 1 { "" } else { "s" }),
            format!("{:.1} MiB; without the module {:.1} MiB", with.median, without.median),
        );
    }
    line("each further worker", format!("{:.2} MiB", footprint.per_worker));
    for (entries, shared, fit) in &footprint.entries {
        let shared = if *shared { ", with the shared cache" } else { "" };
        line(&format!("{entries} tokens cached{shared}"), format!("{fit:.0} per MiB"));
    }
    for (workers, shared, calls) in &footprint.zipf {
        let share = match (workers, shared) {
            (1, _) => "1 worker".to_owned(),
            (_, true) => format!("{workers} workers with a shared cache"),
            (_, false) => format!("{workers} workers without a shared cache"),
        };
        line(
            &format!(
                "introspections for 1000 requests, {share} ({ZIPF_TOKENS} tokens by Zipf, {:.0} % garbage)",
                ZIPF_GARBAGE_SHARE * 100.0
            ),
            format!("{calls:.0}"),
        );
    }
    *text += "\n| memory with one worker | MiB |\n| --- | --- |\n";
    for (title, mib) in &footprint.memory {
        let _ = writeln!(text, "| {title} | {mib:.0} |");
    }
    *text += "\n";
}

fn request_json(row: &Row) -> Value {
    json!({
        "id": row.id,
        "title": row.title.replace("**", ""),
        "cpu_us": row.cpu.json(1),
        "ratio": row.ratio.json(3),
        "added_us": row.added.json(1),
        "asked_besides_cpu_us": row.helper.json(1),
        "introspections_for_each": rounded(row.calls, 3),
        "requests_per_second": row.rate.json(0),
        "p50_ms": row.p50.json(3),
        "p99_ms": row.p99.json(2),
    })
}

fn stack_json(row: &Row) -> Value {
    let copies = COPIES as f64;
    json!({
        "id": row.id,
        "title": row.title.replace("**", ""),
        "cpu_us": row.cpu.json(1),
        "added_by_one_us": {
            "median": rounded(row.added.median / copies, 2),
            "low": rounded(row.added.low / copies, 2),
            "high": rounded(row.added.high / copies, 2),
        },
    })
}

fn find<'a>(rows: &'a [Row], id: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.id == id)
}

fn seconds(millis: Spread) -> Spread {
    Spread { low: millis.low / 1000.0, median: millis.median / 1000.0, high: millis.high / 1000.0 }
}

fn one(figure: f64) -> Spread {
    Spread { low: figure, median: figure, high: figure }
}

fn spread(spread: Spread, decimals: usize) -> String {
    if (spread.high - spread.low).abs() < f64::EPSILON {
        return format!("{:.decimals$}", spread.median);
    }
    format!("{:.decimals$} ({:.decimals$}–{:.decimals$})", spread.median, spread.low, spread.high)
}

fn cores() -> usize {
    // Not `available_parallelism`: we have stepped aside.
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split(':').nth(1)).unwrap_or("?").trim().to_owned()
}

fn date() -> String {
    output("date", &["-u", "+%Y-%m-%d"])
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
