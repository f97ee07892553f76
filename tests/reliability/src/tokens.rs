//! Ten million distinct tokens: memory must not grow with them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::flood::Flood;
use crate::plot::{Line, Panel, Plot};
use crate::population::Kind;
use crate::record::{self, Result};
use crate::sampler::watch;
use crate::server::FLOOD;
use crate::site::{Options, Site};
use crate::traffic::request;
use crate::truth::Route;

/// Of a hundred tokens: opaque and active; opaque and unknown. The others are JWTs, mostly of a kind that is rejected without a call.
const ACTIVE: u64 = 5;
const UNKNOWN: u64 = 5;
const CLIENTS: usize = 16;

/// Sends so many, or as many as there is time for. Whether memory stayed flat.
pub fn run(tokens: u64, time: Duration) -> bool {
    let site = Arc::new(Site::start(Options {
        tokens: 6,
        kinds: vec![Kind::Opaque],
        short: 0.0,
        ..Options::default()
    }));
    let jwts = Jwts::new();
    let (flood, ends, is_late) = (Flood::default(), AtomicBool::new(false), AtomicBool::new(false));
    let start = Instant::now();
    let every = if tokens > 1_000_000 { Duration::from_secs(5) } else { Duration::from_secs(1) };
    let (samples, progress) = thread::scope(|scope| {
        let sampler = scope.spawn(|| watch(&site.envoy, every, &ends));
        let counter = scope.spawn(|| {
            let mut progress = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                progress.push((start.elapsed().as_secs_f64(), flood.responses.load(Ordering::Relaxed)));
                is_late.store(start.elapsed() > time, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(500));
            }
            progress
        });
        flood.send(site.course.port, CLIENTS, 0..tokens, &is_late, |number| {
            request(Route::Read, Some(&token(number, &jwts)))
        });
        ends.store(true, Ordering::Relaxed);
        (sampler.join().expect("a sampler"), counter.join().expect("a counter"))
    });
    let took = start.elapsed();
    let tokens = flood.responses.load(Ordering::Relaxed);
    let left_over = site.left_over();
    site.envoy.assert_clean_log(&["hush"]);
    let at = |time: f64| {
        progress.iter().take_while(|(second, _)| *second <= time).last().map_or(0, |(_, count)| *count)
    };
    let points: Vec<(f64, f64)> =
        samples.iter().map(|sample| (at(sample.at) as f64 / 1e6, sample.resident)).collect();
    let memory_at = |share: f64| {
        let from = tokens as f64 / 1e6 * share;
        points.iter().find(|(count, _)| *count >= from).map_or(0.0, |(_, memory)| *memory)
    };
    let last = samples.last().map_or(0.0, |sample| sample.resident);
    let statuses = flood.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let missing = flood.lost.load(Ordering::Relaxed);
    let mut text = format!(
        "{}: {tokens} distinct tokens in {:.0} minutes ({:.0} a second), {} calls to the authorization server. Of a hundred tokens, {ACTIVE} are opaque and active, {UNKNOWN} opaque and unknown, and the others JWTs with a signature that is not valid.\n\n",
        record::machine_line(),
        took.as_secs_f64() / 60.0,
        tokens as f64 / took.as_secs_f64(),
        site.server.calls(),
    );
    text += "| after this share of the tokens | resident memory of Envoy, MiB |\n| --- | ---: |\n";
    for share in [0.0, 0.01, 0.1, 0.25, 0.5, 0.75] {
        text += &format!("| {:.0} % | {:.1} |\n", share * 100.0, memory_at(share));
    }
    text += &format!("| 100 % | {last:.1} |\n\nStatuses: ");
    let each: Vec<String> =
        statuses.iter().map(|(status, count)| format!("{count} times {status}")).collect();
    text += &format!("{}; {missing} without a response.\n", each.join(", "));
    println!("{text}");
    let svg = Plot {
        title: format!("{tokens} distinct tokens: resident memory of Envoy, MiB"),
        across: ("million tokens".to_owned(), tokens as f64 / 1e6),
        panels: vec![Panel {
            title: "MiB".to_owned(),
            logarithmic: false,
            lines: vec![Line { name: "resident".to_owned(), points: points.clone() }],
        }],
        marked: Vec::new(),
        mark: String::new(),
    };
    let json = json!({
        "tokens": tokens, "seconds": took.as_secs(), "calls": site.server.calls(), "lost": missing,
        "statuses": statuses.iter().map(|(status, n)| (status.to_string(), json!(n))).collect::<serde_json::Map<_, _>>(),
        "resident_mib": {"tenth": memory_at(0.1), "half": memory_at(0.5), "end": last},
    });
    record::write(&Result { part: "tokens", markdown: text, json, svg: Some(svg.svg()) });
    let is_right = statuses.keys().all(|status| matches!(status, 200 | 401));
    is_right && missing == 0 && left_over.is_empty() && last - memory_at(0.1) < 8.0
}

/// Parts of JWTs that are the same in each.
struct Jwts {
    before: String,
    after: String,
}

impl Jwts {
    fn new() -> Self {
        let claims = json!({"iss": Kind::Jwt.issuer()});
        let claims = claims.as_object().cloned().unwrap_or_default();
        let token = tollgate_cases::token::Token { claims, ..Default::default() };
        let token = token.at(crate::population::seconds_now() + 3600);
        let signed = token.rfind('.').expect("a JWT");
        Self { before: token[..=signed].to_owned(), after: token[signed + 13..].to_owned() }
    }
}

/// The token of a number; each number has another one.
fn token(number: u64, jwts: &Jwts) -> String {
    match number % 100 {
        n if n < ACTIVE => format!("{FLOOD}{number:012}"),
        n if n < ACTIVE + UNKNOWN => format!("at-unknown-{number:012}"),
        // Twelve digits in the signature are base64url too.
        _ => format!("{}{number:012}{}", jwts.before, jwts.after),
    }
}
