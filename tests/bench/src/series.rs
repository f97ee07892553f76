//! Listeners of one Envoy, measured in turn, in an order that changes from round to round.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::{Listener, Ports, Route, bootstrap};
use tollgate_e2e::process::Pid;

use crate::envoy::Measured;
use crate::load::{Clients, Token, Window};
use crate::servers::Server;
use crate::stats::{Spread, quantile};

/// One thing that is measured.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its name in the JSON.
    pub id: &'static str,
    /// Its name in the table.
    pub title: &'static str,
    /// Its filters.
    pub filters: Vec<serde_json::Value>,
    /// What is behind them.
    pub route: Route,
    /// What its clients send.
    pub token: Token,
    /// What they get.
    pub status: u16,
    /// Another one that its ratio is taken to.
    pub base: &'static str,
}

/// What was seen of one variant.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name in the JSON.
    pub id: &'static str,
    /// Its name in the table.
    pub title: &'static str,
    /// Envoy's CPU time for one request, in microseconds.
    pub cpu: Spread,
    /// That, in relation to its base in the same round.
    pub ratio: Spread,
    /// That, less its base's in the same round.
    pub added: Spread,
    /// The CPU time of the external service for one request, in microseconds.
    pub helper: Spread,
    /// How often the authorization server is asked, for one request.
    pub calls: f64,
    /// Requests per second.
    pub rate: Spread,
    /// Milliseconds within which half of the responses arrived.
    pub p50: Spread,
    /// And 99 of 100.
    pub p99: Spread,
    /// Each round's CPU time, in microseconds.
    pub rounds: Vec<f64>,
}

/// How long everything takes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many rounds.
    pub rounds: usize,
    /// How long clients send before they are measured.
    pub before: Duration,
    /// How long they are measured.
    pub during: Duration,
}

/// Measures them all. `helper` is a process whose CPU time is told beside.
pub fn measure(
    name: &str,
    variants: &[Variant],
    ports: Ports,
    server: &Server,
    helper: Option<Pid>,
    pace: Pace,
) -> Vec<Row> {
    let listeners: Vec<Listener> = variants
        .iter()
        .map(|variant| Listener {
            name: variant.id.to_owned(),
            filters: variant.filters.clone(),
            route: variant.route,
        })
        .collect();
    let envoy = Measured::start(&bootstrap(&listeners, ports), 1, true);
    let mut clients: Vec<Clients> = variants
        .iter()
        .map(|variant| {
            Clients::new(variant.id, envoy.port(variant.id), variant.token.clone(), variant.status)
        })
        .collect();
    for clients in &mut clients {
        clients.window(Duration::ZERO, Duration::from_millis(200), &[envoy.process]);
    }
    let watched: Vec<Pid> = std::iter::once(envoy.process).chain(helper).collect();
    let mut seen: Vec<Vec<Window>> = vec![Vec::new(); variants.len()];
    let mut calls = vec![0; variants.len()];
    let mut order: Vec<usize> = (0..variants.len()).collect();
    let mut random = Random::new();
    for round in 1..=pace.rounds {
        crate::progress(&format!("{name}: round {round} of {}", pace.rounds));
        random.shuffle(&mut order);
        for &index in &order {
            server.take();
            seen[index].push(clients[index].window(pace.before, pace.during, &watched));
            calls[index] += server.take();
        }
    }
    let cpu: Vec<Vec<f64>> =
        seen.iter().map(|windows| windows.iter().map(|w| per_request(w, 0)).collect()).collect();
    let row = |(index, variant): (usize, &Variant)| {
        let base = variants.iter().position(|other| other.id == variant.base).unwrap_or(index);
        let pairs = || cpu[index].iter().zip(&cpu[base]);
        let windows = &seen[index];
        Row {
            id: variant.id,
            title: variant.title,
            cpu: Spread::of(cpu[index].iter().copied()),
            ratio: Spread::of(pairs().map(|(own, base)| own / base)),
            added: Spread::of(pairs().map(|(own, base)| own - base)),
            helper: Spread::of(windows.iter().map(|window| per_request(window, 1))),
            calls: calls[index] as f64 / windows.iter().map(|window| window.all_requests as f64).sum::<f64>(),
            rate: Spread::of(windows.iter().map(|window| window.requests as f64 / window.seconds)),
            p50: Spread::of(windows.iter().map(|window| latency(window, 0.5))),
            p99: Spread::of(windows.iter().map(|window| latency(window, 0.99))),
            rounds: cpu[index].clone(),
        }
    };
    variants.iter().enumerate().map(row).collect()
}

fn per_request(window: &Window, watched: usize) -> f64 {
    let nanos = window.cpu.get(watched).copied().unwrap_or(0);
    nanos as f64 / 1000.0 / window.requests as f64
}

/// In milliseconds.
fn latency(window: &Window, share: f64) -> f64 {
    let mut sorted: Vec<f64> = window.latencies.iter().map(|nanos| f64::from(*nanos)).collect();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, share) / 1e6
}

/// Numbers that are random enough for an order, or a choice of tokens.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Others each time.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::from(now.subsec_nanos()) << 20 | 1)
    }

    /// The same each time.
    pub fn same() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// From 0 to just below 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            let other = (self.share() * (last + 1) as f64) as usize;
            order.swap(last, other);
        }
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
