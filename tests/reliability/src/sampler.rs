//! What Envoy shows of itself, every few seconds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tollgate_e2e::envoy::Envoy;

/// One look.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Seconds since the start.
    pub at: f64,
    /// Resident memory, in MiB.
    pub resident: f64,
    /// What Envoy's allocator has given out, in MiB.
    pub allocated: f64,
    /// Connections of clients.
    pub connections: u64,
    /// Requests of clients that have no response yet: also those that the filter holds.
    pub requests: u64,
    /// Calls to the authorization server, by Envoy's own count.
    pub calls: u64,
    /// Introspection calls in progress, by the filter's count.
    pub in_flight: u64,
    /// VMs.
    pub vms: u64,
}

impl Sample {
    /// Looks once.
    pub fn take(envoy: &Envoy, start: Instant) -> Self {
        let page = envoy.admin("/stats?filter=_active$|\\.active$|in_flight");
        let stats: BTreeMap<&str, u64> = page
            .lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name, value.trim().parse().ok()?))
            })
            .collect();
        let gauge = |name: &str| stats.get(name).copied().unwrap_or_default();
        Self {
            at: start.elapsed().as_secs_f64(),
            resident: mebibytes(envoy.memory()),
            allocated: mebibytes(allocated(envoy)),
            connections: gauge("http.api.downstream_cx_active"),
            requests: gauge("http.api.downstream_rq_active"),
            calls: gauge("cluster.as.upstream_rq_active"),
            in_flight: gauge("wasmcustom.tollgate.introspection.in_flight"),
            vms: gauge("wasm.envoy.wasm.runtime.v8.active"),
        }
    }
}

/// Looks at this interval until the end.
pub fn watch(envoy: &Envoy, every: Duration, ends: &AtomicBool) -> Vec<Sample> {
    let start = Instant::now();
    let mut samples = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        samples.push(Sample::take(envoy, start));
        let next = start + every * samples.len() as u32;
        while Instant::now() < next && !ends.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50).min(every));
        }
    }
    samples
}

fn allocated(envoy: &Envoy) -> u64 {
    let page: serde_json::Value = serde_json::from_str(&envoy.admin("/memory")).unwrap_or_default();
    page["allocated"].as_str().and_then(|bytes| bytes.parse().ok()).unwrap_or_default()
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
