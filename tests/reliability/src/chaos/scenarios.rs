//! The failures.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_e2e::client::{Request, connect};
use tollgate_e2e::http2::{Http2Request, send_and_reset};
use tollgate_e2e::message::latin1_text;
use tollgate_e2e::stage::Stage;

use super::{PACE, Scenario, clock, memory};
use crate::flood::Flood;
use crate::population::{FIRST_KEY, Kind, SECOND_KEY};
use crate::random::Random;
use crate::server::{FLOOD, Keys, Mode};
use crate::site::{Options, Site};
use crate::traffic::{Pace, request};
use crate::truth::{Finding, Means, Route, Trouble};

/// How long each failure lasts.
const TIME: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);

/// What is the same in most.
const USUAL: Scenario = Scenario {
    name: "",
    what: "",
    options: Options::default,
    trouble: |_| {},
    excuse: Some(Trouble::Outage),
    traps: false,
    pace: PACE,
    events: true,
    crowded: false,
};

/// All of them.
pub fn all() -> Vec<Scenario> {
    [servers(), keys(), hosts()].concat()
}

/// The authorization server fails.
fn servers() -> Vec<Scenario> {
    macro_rules! server {
        ($name:literal, $what:literal, $mode:expr) => {
            Scenario { name: $name, what: $what, trouble: |site| fail(site, $mode), ..USUAL }
        };
    }
    vec![
        server!("slow", "the authorization server takes 0.7 s", Mode::Slow(Duration::from_millis(700))),
        server!("too-slow", "it takes longer than `timeout`", Mode::Slow(Duration::from_millis(1500))),
        server!("down", "nothing listens there", Mode::Down),
        server!("flapping", "it goes down and comes back every 0.4 s", Mode::Flapping),
        server!("status-500", "it responds with 500", Mode::Status(500)),
        server!("closes", "it closes connections without a response", Mode::Close),
        server!("not-http", "it sends bytes that are not HTTP", Mode::NotHttp),
        server!("not-json", "it sends something that only begins like JSON", Mode::NotJson),
        server!("half", "it sends half of a response and closes", Mode::Half),
        server!("huge", "it sends 100 MB", Mode::Huge),
        server!("drip", "it sends a byte a second", Mode::Drip),
        server!("resets", "it resets connections in the middle of a response", Mode::Reset),
        server!(
            "twice",
            "it sends a second response that nobody has asked for, about an active token",
            Mode::Twice
        ),
        Scenario {
            name: "another",
            what: "it responds about the token of the call before (JWTs that are introspected)",
            options: || Options { kinds: vec![Kind::Both], ..Options::default() },
            trouble: |site| fail(site, Mode::Another),
            excuse: Some(Trouble::Lies),
            ..USUAL
        },
    ]
}

/// Its keys change, or are wrong.
fn keys() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "keys-rotated",
            what: "a new key is published, tokens are signed with it, and the old key is withdrawn",
            options: || Options { tokens: 300, kinds: vec![Kind::Jwt, Kind::Both], ..Options::default() },
            trouble: rotate,
            excuse: None,
            ..USUAL
        },
        Scenario {
            name: "keys-emptied",
            what: "the set of keys is empty",
            options: || Options { kinds: vec![Kind::Jwt, Kind::Both], ..Options::default() },
            trouble: |site| publish(site, Keys::Empty),
            excuse: Some(Trouble::Keys),
            ..USUAL
        },
        Scenario {
            name: "keys-attacker",
            what: "the set has only a shared secret and a short RSA key, and tokens signed with them arrive",
            options: || Options { kinds: vec![Kind::Jwt, Kind::Both], ..Options::default() },
            trouble: |site| publish(site, Keys::Attacker),
            excuse: Some(Trouble::Keys),
            ..USUAL
        },
        Scenario {
            name: "keys-garbage",
            what: "the set is not a set",
            options: || Options { kinds: vec![Kind::Jwt, Kind::Both], ..Options::default() },
            trouble: |site| publish(site, Keys::Garbage),
            excuse: Some(Trouble::Keys),
            ..USUAL
        },
    ]
}

/// Envoy, its machine and its clients fail.
fn hosts() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "clock-forward",
            what: "Envoy's clock is set forward by an hour, and back",
            options: clocked,
            trouble: |site| shift(site, 3600),
            excuse: Some(Trouble::Lies),
            events: false,
            ..USUAL
        },
        Scenario {
            name: "clock-back",
            what: "Envoy's clock is set back by an hour, and forward again",
            options: clocked,
            trouble: |site| shift(site, -3600),
            excuse: Some(Trouble::Lies),
            events: false,
            ..USUAL
        },
        Scenario {
            name: "vm-traps",
            what: "the filter needs more memory than its VM may have, and traps, again and again",
            options: || Options {
                stage: Stage { module: Some(memory::limited(24)), ..Options::default().stage },
                policy: json!({"cache": {"max_entries": 1_000_000}}),
                // Nobody is left who could end what waits in a VM that traps, but Envoy.
                manager: json!({"stream_idle_timeout": "3s"}),
                ..Options::default()
            },
            trouble: fill_memory,
            traps: true,
            ..USUAL
        },
        Scenario {
            name: "reload",
            what: "the listener gets another configuration every second",
            options: || Options {
                stage: Stage {
                    arguments: ["--drain-time-s", "1", "--drain-strategy", "immediate"]
                        .map(str::to_owned)
                        .to_vec(),
                    ..Options::default().stage
                },
                ..Options::default()
            },
            trouble: reload,
            excuse: None,
            ..USUAL
        },
        Scenario {
            name: "starved-worker",
            what: "one worker gets no CPU time while others want it",
            trouble: starve,
            ..USUAL
        },
        Scenario {
            name: "stopped",
            what: "the process of Envoy is stopped for two seconds",
            trouble: stop,
            ..USUAL
        },
        Scenario {
            name: "leaving-clients",
            what: "most clients leave, at every moment, over HTTP/1.1 and HTTP/2",
            trouble: leave,
            excuse: None,
            pace: Pace { leaving: 0.6, ..PACE },
            ..USUAL
        },
        Scenario {
            name: "memory-limit",
            what: "Envoy is out of the memory that its overload manager allows",
            options: || Options {
                stage: Stage { more: overload_manager(), ..Options::default().stage },
                ..Options::default()
            },
            trouble: occupy_memory,
            crowded: true,
            ..USUAL
        },
    ]
}

fn fail(site: &Site, mode: Mode) {
    site.server.set(mode);
    thread::sleep(TIME);
    site.server.set(Mode::Normal);
}

/// From one key to the other, as RFC 7517's users do: published first, used later, withdrawn last.
fn rotate(site: &Site) {
    let population = &site.course.population;
    let is_first = population.all().first().is_some_and(|token| token.key == FIRST_KEY);
    let (old, new, only) =
        if is_first { (FIRST_KEY, SECOND_KEY, Keys::Second) } else { (SECOND_KEY, FIRST_KEY, Keys::First) };
    population.published_again(new);
    site.server.publish(Keys::Both);
    // As long as `cache_duration`.
    thread::sleep(SECOND * 5 / 2);
    population.sign_with(new);
    let replaced = population.renew(&mut Random::new(9), |token| token.key == old);
    thread::sleep(SECOND);
    for token in &replaced {
        token.may_end();
    }
    site.server.publish(only);
    for token in &replaced {
        token.has_ended(Means::Keys);
    }
    thread::sleep(SECOND * 6);
}

fn publish(site: &Site, keys: Keys) {
    site.server.publish(keys);
    thread::sleep(TIME + SECOND * 2);
    site.server.publish(Keys::First);
}

fn clocked() -> Options {
    let usual = Options::default();
    Options { stage: clock::stage(usual.stage), short: 0.0, ..usual }
}

fn shift(site: &Site, seconds: i64) {
    // `Mon, 30 Nov 2026 20:29:22 GMT`
    let hour = || {
        let response = Request::get("/public").send(site.course.port);
        let date = response.first("date").map(latin1_text).unwrap_or_default();
        date.get(17..19).unwrap_or_default().to_owned()
    };
    let before = hour();
    clock::set(seconds);
    thread::sleep(TIME);
    assert_ne!(hour(), before, "the clock has not changed");
    clock::set(0);
}

/// More tokens than there is memory for.
fn fill_memory(site: &Site) {
    static ROUND: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let round = ROUND.fetch_add(1, Ordering::Relaxed);
    let (flood, ends) = (Flood::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let numbers = round * 10_000_000..(round + 1) * 10_000_000;
        scope.spawn(|| {
            flood.send(site.course.port, 4, numbers, &ends, |n| {
                request(Route::Read, Some(&format!("{FLOOD}{n:012}")))
            });
        });
        thread::sleep(TIME * 2);
        ends.store(true, Ordering::Relaxed);
    });
    let traps = site.envoy.log().matches("Uncaught RuntimeError").count();
    eprintln!(
        "    {} responses, {} lost, {traps} traps so far",
        flood.responses.load(Ordering::Relaxed),
        flood.lost.load(Ordering::Relaxed)
    );
    assert!(traps > 0, "the VM has not trapped");
    for _ in 0..flood.lost.load(Ordering::Relaxed) {
        site.course.tally.finding(Finding::NoResponse, "a new token while the VM traps");
    }
}

fn reload(site: &Site) {
    let mut stage = site.stage.clone();
    for n in 0..5 {
        stage.listeners[0].1.configuration["user_agent"] =
            json!(format!("tollgate-{n}-{:?}", Instant::now()).replace(['{', '}', ' ', ':', ',', '_'], "-"));
        site.envoy.update(&stage);
        thread::sleep(SECOND);
    }
    thread::sleep(SECOND * 2);
}

/// Two processes that want all of one core, and a worker that gets only what nobody wants.
fn starve(site: &Site) {
    let worker = worker_of(site);
    let set = |program: &str, arguments: &[&str]| {
        let _ = Command::new(program).args(arguments).arg(worker.to_string()).stdout(Stdio::null()).status();
    };
    let mut burners: Vec<Child> = (0..2).filter_map(|_| burner()).collect();
    set("taskset", &["-cp", "0"]);
    set("chrt", &["--idle", "-p", "0"]);
    thread::sleep(TIME);
    set("chrt", &["--other", "-p", "0"]);
    set("taskset", &["-cp", "0-63"]);
    for burner in &mut burners {
        let _ = burner.kill();
        let _ = burner.wait();
    }
}

fn burner() -> Option<Child> {
    Command::new("taskset").args(["-c", "0", "sh", "-c", "while :; do :; done"]).spawn().ok()
}

/// The number of the first worker's thread.
fn worker_of(site: &Site) -> u32 {
    let tasks = format!("/proc/{}/task", site.envoy.process().0);
    let names: BTreeMap<u32, String> = fs::read_dir(tasks)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, name))
        })
        .collect();
    let worker = names.into_iter().find(|(_, name)| name.starts_with("wrk:worker_0"));
    worker.expect("a worker").0
}

fn stop(site: &Site) {
    let signal = |name: &str| {
        let _ = Command::new("kill").args([name, &site.envoy.process().0.to_string()]).status();
    };
    signal("-STOP");
    thread::sleep(SECOND * 2);
    signal("-CONT");
}

/// Streams that are reset within a few milliseconds, while the server takes about as long.
fn leave(site: &Site) {
    site.server.set(Mode::Slow(Duration::from_millis(5)));
    let until = Instant::now() + TIME;
    thread::scope(|scope| {
        for client in 0..2_u64 {
            scope.spawn(move || {
                let mut random = Random::new(client + 100);
                while Instant::now() < until {
                    let requests: Vec<_> = (0..20)
                        .map(|_| {
                            let token = format!("{FLOOD}{:016x}", random.number());
                            let request = Http2Request::new("GET", "/orders/1").bearer(&token);
                            (request, Duration::from_micros(random.below(15_000) as u64))
                        })
                        .collect();
                    send_and_reset(site.course.port, &requests);
                    thread::sleep(Duration::from_millis(50));
                }
            });
        }
    });
    site.server.set(Mode::Normal);
    let of = |name: &str| site.envoy.stat(&format!("cluster.as.{name}"));
    let [overflow, timeouts] = [of("upstream_rq_pending_overflow"), of("upstream_rq_timeout")];
    eprintln!("    calls: {overflow} beyond the limits of the cluster, {timeouts} timeouts");
}

/// At 95 % of it, Envoy takes no more requests.
const HEAP: u64 = 160 << 20;

fn overload_manager() -> serde_json::Value {
    json!({"overload_manager": {
        "refresh_interval": "0.1s",
        "resource_monitors": [{"name": "envoy.resource_monitors.fixed_heap", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": HEAP,
        }}],
        "actions": [{"name": "envoy.overload_actions.stop_accepting_requests", "triggers": [
            {"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": 0.95}},
        ]}],
    }})
}

/// Heads of requests that are nearly as long as they may be, and do not end.
fn occupy_memory(site: &Site) {
    let head = format!(
        "GET /orders/1 HTTP/1.1\r\nhost: api.example.com\r\nauthorization: Bearer {}",
        "x".repeat(90_000)
    );
    let begun: Vec<TcpStream> = (0..1500)
        .filter_map(|_| {
            let mut stream = connect(site.course.port).ok()?;
            stream.write_all(head.as_bytes()).ok()?;
            Some(stream)
        })
        .collect();
    thread::sleep(TIME);
    let refused = site.envoy.stat("http.api.downstream_rq_overload_close");
    eprintln!(
        "    {} heads, heap {} MiB, {refused} requests refused by the overload manager",
        begun.len(),
        site.envoy.stat("server.memory_heap_size") >> 20
    );
    drop(begun);
}
