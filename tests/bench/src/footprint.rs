//! What a filter weighs: how long it takes to load, how much memory it takes, per worker and per token, and how often the
//! authorization server is asked.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{Listener, Ports, Route, bootstrap, tollgate, two_claims, wasm};
use crate::envoy::{Measured, size_of};
use crate::load::{CLIENTS, Clients, Token, token};
use crate::modules::Modules;
use crate::series::{Random, Variant};
use crate::servers::Server;
use crate::stats::{Spread, rounded};
use crate::variants::known_token;

/// How thorough it is.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How often Envoy is started to see how long it takes.
    pub starts: usize,
    /// How many tokens fill the cache.
    pub tokens: u64,
    /// How many requests with tokens of a Zipf mix.
    pub requests: usize,
}

/// What Tollgate weighs.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// Bytes of the module.
    pub module: u64,
    /// Milliseconds until Envoy is ready, without and with the module.
    pub ready: (Spread, Spread),
    /// The second less the first.
    pub load: Spread,
    /// What the module takes beyond one that only knows a token.
    pub beyond: Beyond,
    /// The same of the module before, and its bytes.
    pub before: Option<(u64, Beyond)>,
    /// MiB resident with 1, 2 and 4 workers, without and with the module.
    pub workers: Vec<(u32, Spread, Spread)>,
    /// MiB that each further worker adds with the module, less what it adds without.
    pub per_worker: f64,
    /// MiB resident with each filter, by its name in the table.
    pub memory: Vec<(&'static str, f64)>,
    /// Entries, whether workers share them, and how many of them fit into a MiB.
    pub entries: Vec<(u64, bool, f64)>,
    /// Workers, whether they share, and introspections for a thousand requests of a Zipf mix.
    pub zipf: Vec<(u32, bool, f64)>,
}

/// What a module takes beyond the minimal hit, which knows one token.
#[derive(Clone, Copy, Debug)]
pub struct Beyond {
    /// Milliseconds until Envoy is ready.
    pub ready: Spread,
    /// MiB resident with one worker, configured, after [`REQUESTS`] requests with [`TOKENS`] tokens.
    pub memory: Spread,
}

/// How many requests there were before its memory was measured.
const REQUESTS: u64 = 2_000;
/// With how many tokens.
const TOKENS: u64 = 500;

/// How many good tokens there are in the Zipf mix.
pub const ZIPF_TOKENS: usize = 20_000;
/// How many bad ones.
pub const ZIPF_GARBAGE: usize = 500;
/// Which share of the requests has a bad one.
pub const ZIPF_GARBAGE_SHARE: f64 = 0.02;

/// Measures it. `variants` are those whose memory is told.
pub fn measure(
    modules: &Modules,
    variants: &[Variant],
    ports: Ports,
    server: &Server,
    extent: Extent,
) -> Footprint {
    let stage = Stage { modules, ports };
    crate::progress("footprint: time to load");
    let starts: Vec<(f64, f64)> =
        (0..extent.starts).map(|_| (stage.ready(None), stage.ready(Some(&json!({}))))).collect();
    crate::progress("footprint: beyond the minimal hit");
    let beyond_minimal = |module: &Path| stage.beyond(module, extent.starts);
    let beyond_now = beyond_minimal(&modules.tollgate);
    let before = modules.before.as_ref().map(|before| (size_of(before), beyond_minimal(before)));
    crate::progress("footprint: memory by workers");
    let workers: Vec<(u32, Spread, Spread)> = [1, 2, 4]
        .map(|workers| {
            let several = |policy: Option<&Value>| {
                Spread::of((0..extent.starts.min(3)).map(|_| stage.resident(policy, workers)))
            };
            (workers, several(None), several(Some(&json!({}))))
        })
        .to_vec();
    let beyond = |index: usize| workers[index].2.median - workers[index].1.median;
    crate::progress("footprint: memory by filter");
    let memory = variants.iter().map(|variant| (variant.title, stage.memory(variant))).collect();
    crate::progress("footprint: entries");
    let entries = [false, true].into_iter().flat_map(|shared| stage.entries(shared, extent.tokens)).collect();
    crate::progress("footprint: a Zipf mix of tokens");
    let zipf = [(1, true), (4, true), (4, false)]
        .map(|(workers, shared)| (workers, shared, stage.zipf(workers, shared, server, extent.requests)))
        .to_vec();
    Footprint {
        module: size_of(&modules.tollgate),
        ready: (Spread::of(starts.iter().map(|pair| pair.0)), Spread::of(starts.iter().map(|pair| pair.1))),
        load: Spread::of(starts.iter().map(|(without, with)| with - without)),
        beyond: beyond_now,
        before,
        per_worker: (beyond(2) - beyond(0)) / 3.0,
        workers,
        memory,
        entries,
        zipf,
    }
}

impl Footprint {
    /// As JSON.
    pub fn json(&self) -> Value {
        let workers = self.workers.iter().map(|(workers, without, with)| {
            json!({"workers": workers, "without_mib": without.json(1), "with_mib": with.json(1)})
        });
        let entries = self.entries.iter().map(|(entries, shared, fit)| {
            json!({"entries": entries, "shared": shared, "entries_per_mib": fit.round()})
        });
        let zipf = self.zipf.iter().map(|(workers, shared, calls)| {
            json!({"workers": workers, "shared": shared, "introspections_per_thousand": rounded(*calls, 1)})
        });
        let memory =
            self.memory.iter().map(|(title, mib)| json!({"title": title, "resident_mib": rounded(*mib, 1)}));
        json!({
            "module_bytes": self.module,
            "ready_ms": {"without": self.ready.0.json(0), "with": self.ready.1.json(0), "load": self.load.json(0)},
            "beyond_the_minimal_hit": {"ready_ms": self.beyond.ready.json(0), "memory_mib": self.beyond.memory.json(1)},
            "before": self.before.as_ref().map(|(bytes, beyond)| json!({
                "module_bytes": bytes,
                "beyond_the_minimal_hit": {"ready_ms": beyond.ready.json(0), "memory_mib": beyond.memory.json(1)},
            })),
            "workers": workers.collect::<Vec<_>>(),
            "mib_per_further_worker": rounded(self.per_worker, 2),
            "memory": memory.collect::<Vec<_>>(),
            "cache": entries.collect::<Vec<_>>(),
            "zipf": {
                "tokens": ZIPF_TOKENS,
                "garbage_tokens": ZIPF_GARBAGE,
                "garbage_share": ZIPF_GARBAGE_SHARE,
                "runs": zipf.collect::<Vec<_>>(),
            },
        })
    }
}

struct Stage<'a> {
    modules: &'a Modules,
    ports: Ports,
}

impl Stage<'_> {
    /// An Envoy with Tollgate, or with nothing.
    fn envoy(&self, policy: Option<&Value>, workers: u32, pinned: bool) -> (Measured, u16) {
        let filters = policy
            .map(|policy| wasm("tollgate", "tollgate", &self.modules.tollgate, &tollgate(policy)))
            .into_iter()
            .collect();
        self.envoy_of(filters, Route::Api, workers, pinned)
    }

    fn envoy_of(&self, filters: Vec<Value>, route: Route, workers: u32, pinned: bool) -> (Measured, u16) {
        let listener = Listener { name: "only".to_owned(), filters, route };
        let envoy = Measured::start(&bootstrap(&[listener], self.ports), workers, pinned);
        let port = envoy.port("only");
        (envoy, port)
    }

    /// In milliseconds.
    fn ready(&self, policy: Option<&Value>) -> f64 {
        // Not pinned: V8 compiles on as many cores as there are, and so it does wherever Envoy runs.
        self.envoy(policy, 1, false).0.ready_after.as_secs_f64() * 1000.0
    }

    /// What a module takes beyond the minimal hit; both are started in turn.
    fn beyond(&self, module: &Path, times: usize) -> Beyond {
        let minimal = || vec![wasm("minimum_hit", "minimum_hit", &self.modules.hit, &known_token())];
        let ours =
            || vec![wasm("tollgate", "tollgate", module, &tollgate(&json!({"upstream": two_claims()})))];
        let known = vec![known_token(); REQUESTS as usize];
        let several: Vec<_> = (0..REQUESTS).map(|n| token("tok", n % TOKENS)).collect();
        let pairs: Vec<_> =
            (0..times).map(|_| (self.one(minimal(), &known), self.one(ours(), &several))).collect();
        Beyond {
            ready: Spread::of(pairs.iter().map(|(minimal, ours)| ours.0 - minimal.0)),
            memory: Spread::of(pairs.iter().map(|(minimal, ours)| ours.1 - minimal.1)),
        }
    }

    /// Milliseconds until Envoy is ready with these filters, and MiB after a request with each token.
    fn one(&self, filters: Vec<Value>, tokens: &[String]) -> (f64, f64) {
        let (envoy, port) = self.envoy_of(filters, Route::Api, 1, false);
        Clients::new("memory", port, Token::None, 200).send_each(tokens);
        (envoy.ready_after.as_secs_f64() * 1000.0, mib(envoy.process.resident()))
    }

    /// In MiB, after some requests to every worker.
    fn resident(&self, policy: Option<&Value>, workers: u32) -> f64 {
        let (envoy, port) = self.envoy(policy, workers, false);
        let mut clients =
            Clients::many(32, "workers", port, Token::None, if policy.is_some() { 401 } else { 200 });
        clients.window(Duration::ZERO, Duration::from_millis(300), &[]);
        mib(envoy.process.resident())
    }

    fn memory(&self, variant: &Variant) -> f64 {
        let (envoy, port) = self.envoy_of(variant.filters.clone(), variant.route, 1, false);
        let mut clients = Clients::new(variant.id, port, variant.token.clone(), variant.status);
        clients.window(Duration::ZERO, Duration::from_millis(500), &[]);
        mib(envoy.process.resident())
    }

    /// How many entries fit into a MiB, once there are so many, and once there are five times as many.
    fn entries(&self, shared: bool, tokens: u64) -> Vec<(u64, bool, f64)> {
        let policy = json!({"cache": {"max_entries": tokens * 20, "shared": shared}});
        let (envoy, port) = self.envoy(Some(&policy), 1, true);
        let mut clients = Clients::new("entries", port, Token::None, 401);
        let tokens_of = |kind, count| (0..count).map(|n| token(kind, n)).collect::<Vec<_>>();
        // So that buffers and pages that every request needs are there before.
        clients.send_each(&tokens_of("bad", 2_000));
        let before = envoy.process.resident();
        let mut sent = 0;
        [tokens, tokens * 5]
            .map(|count| {
                let all = tokens_of("tok", count);
                clients.send_each(&all[sent..]);
                sent = all.len();
                let grown = mib(envoy.process.resident().saturating_sub(before));
                (count, shared, count as f64 / grown)
            })
            .to_vec()
    }

    /// How many calls there are for a thousand requests.
    fn zipf(&self, workers: u32, shared: bool, server: &Server, requests: usize) -> f64 {
        let policy = json!({"cache": {"shared": shared}});
        let (_envoy, port) = self.envoy(Some(&policy), workers, false);
        let mut clients = Clients::many(CLIENTS * 4, "zipf", port, Token::None, 401);
        server.take();
        clients.send_each(&zipf_mix(requests));
        server.take() as f64 * 1000.0 / requests as f64
    }
}

/// Tokens as they come in life: few of them often, many of them once, some of them garbage. Of the good ones the n-th is as
/// frequent as 1/n.
fn zipf_mix(requests: usize) -> Vec<String> {
    let mut sums = Vec::with_capacity(ZIPF_TOKENS);
    let mut sum = 0.0;
    for rank in 1..=ZIPF_TOKENS {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    let mut random = Random::same();
    let mut one = || {
        if random.share() < ZIPF_GARBAGE_SHARE {
            return token("bad", (random.share() * ZIPF_GARBAGE as f64) as u64);
        }
        let at = random.share() * sum;
        token("tok", sums.partition_point(|sum| *sum < at) as u64)
    };
    (0..requests).map(|_| one()).collect()
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zipf_mix_has_few_tokens_often_and_some_garbage() {
        let mix = zipf_mix(20_000);
        let share = |wanted: &dyn Fn(&str) -> bool| {
            mix.iter().filter(|token| wanted(token)).count() as f64 / mix.len() as f64
        };
        let first = token("tok", 0);
        assert!((0.08..0.11).contains(&share(&|token| token == first)));
        assert!((0.015..0.025).contains(&share(&|token| token.starts_with("bad-"))));
    }
}
