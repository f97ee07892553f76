//! `make load`: as much at once as an Envoy stands, and what breaks first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client;
use http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::population::Kind;
use crate::record::{self, Result};
use crate::sampler::Sample;
use crate::server::{FLOOD, Mode};
use crate::site::{Options, Site};
use crate::tally::Histogram;
use crate::traffic::request;
use crate::truth::Route;

/// What is sent in one moment.
struct Crowd {
    name: &'static str,
    what: String,
    /// Connections, and streams on each; 0: HTTP/1.1.
    connections: usize,
    streams: usize,
    /// The token of a number.
    token: fn(usize) -> String,
}

/// What came of it.
struct Row {
    what: String,
    sent: usize,
    statuses: BTreeMap<u16, u64>,
    lost: u64,
    latencies: Histogram,
    /// Resident memory before, while all wait, and after, in MiB.
    memory: [f64; 3],
    left_over: Vec<(String, u64)>,
}

const PATIENCE: Duration = Duration::from_secs(60);
/// `token.max_length`.
const LONGEST: usize = 16_384;

/// Runs what is named, or all. Whether every request got a response, and nothing was left over.
pub fn run(names: &[String]) -> bool {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|one| one == name);
    let rows: Vec<Row> =
        crowds().into_iter().filter(|crowd| wanted(crowd.name)).map(|crowd| one(&crowd)).collect();
    let (markdown, json) = (markdown(&rows), rows.iter().map(Row::json).collect());
    println!("{markdown}");
    if names.is_empty() {
        record::write(&Result { part: "load", markdown, json, svg: None });
    }
    rows.iter().all(|row| row.lost == 0 && row.left_over.is_empty())
}

fn crowds() -> Vec<Crowd> {
    let known = |_: usize| format!("{FLOOD}known");
    let new = |number: usize| format!("{FLOOD}{number:08}");
    let long = |number: usize| {
        let start = format!("{FLOOD}{number:08}");
        format!("{start}{}", "x".repeat(LONGEST - start.len()))
    };
    let over_http1 = |connections, what: &str, token| Crowd {
        name: "connections",
        what: format!("{connections} connections, a request on each at once, {what}"),
        connections,
        streams: 0,
        token,
    };
    let over_http2 = |connections, what: &str, token| Crowd {
        name: "streams",
        what: format!("HTTP/2: {connections} connections with 100 streams each at once, {what}"),
        connections,
        streams: 100,
        token,
    };
    let mut crowds = vec![
        over_http1(1000, "one cached token", known),
        over_http1(10_000, "one cached token", known),
        over_http1(1000, "every token new", new),
        over_http1(10_000, "every token new", new),
        over_http2(10, "one cached token", known),
        over_http2(100, "one cached token", known),
        over_http2(10, "every token new", new),
        over_http2(100, "every token new", new),
    ];
    crowds.extend([100, 1000, 4000].map(|connections| Crowd {
        name: "long-tokens",
        what: format!("{connections} connections, every token new and {LONGEST} bytes long"),
        connections,
        streams: 0,
        token: long,
    }));
    crowds
}

/// Sends one crowd.
fn one(crowd: &Crowd) -> Row {
    eprintln!("  {}", crowd.what);
    let site =
        Site::start(Options { tokens: 6, kinds: vec![Kind::Opaque], short: 0.0, ..Options::default() });
    let resident = || Sample::take(&site.envoy, Instant::now()).resident;
    let before = resident();
    // All of them wait at once: the server takes its time.
    site.server.set(Mode::Slow(Duration::from_millis(500)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(&runtime, crowd, site.course.port));
        let mut most = before;
        while !sending.is_finished() {
            most = most.max(resident());
            std::thread::sleep(Duration::from_millis(20));
        }
        (sending.join().expect("a crowd"), most)
    });
    drop(runtime);
    let ((statuses, latencies), most) = outcome;
    let left_over = site.left_over();
    site.envoy.assert_clean_log(&["hush"]);
    let sent = crowd.connections * crowd.streams.max(1);
    let lost = sent as u64 - statuses.values().sum::<u64>();
    let row = Row {
        what: crowd.what.clone(),
        sent,
        statuses,
        lost,
        latencies,
        memory: [before, most, resident()],
        left_over,
    };
    eprintln!("    {}", row.cells().join(" | "));
    row
}

/// Sends the crowd. Statuses, and how long each took.
fn send(runtime: &Runtime, crowd: &Crowd, port: u16) -> (BTreeMap<u16, u64>, Histogram) {
    runtime.block_on(async {
        let mut lines = Vec::new();
        for _ in 0..crowd.connections {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
                let _ = stream.set_nodelay(true);
                lines.push(stream);
            }
        }
        let mut all = JoinSet::new();
        for (number, stream) in lines.into_iter().enumerate() {
            if crowd.streams == 0 {
                let bytes = request(Route::Read, Some(&(crowd.token)(number)));
                all.spawn(async move { vec![over_http1(stream, bytes).await] });
            } else {
                let tokens: Vec<String> =
                    (0..crowd.streams).map(|stream| (crowd.token)(number * crowd.streams + stream)).collect();
                all.spawn(over_http2(stream, tokens));
            }
        }
        let (mut statuses, mut latencies) = (BTreeMap::<u16, u64>::new(), Histogram::default());
        while let Some(outcomes) = all.join_next().await {
            for (status, took) in outcomes.unwrap_or_default().into_iter().flatten() {
                *statuses.entry(status).or_default() += 1;
                latencies.add(took);
            }
        }
        (statuses, latencies)
    })
}

async fn over_http1(mut stream: TcpStream, bytes: Vec<u8>) -> Option<(u16, Duration)> {
    let sent = Instant::now();
    let exchange = async {
        stream.write_all(&bytes).await.ok()?;
        let mut head = vec![0; 12];
        stream.read_exact(&mut head).await.ok()?;
        std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
    };
    let status = tokio::time::timeout(PATIENCE, exchange).await.ok()??;
    Some((status, sent.elapsed()))
}

async fn over_http2(stream: TcpStream, tokens: Vec<String>) -> Vec<Option<(u16, Duration)>> {
    let Ok((client, connection)) = client::handshake(stream).await else { return Vec::new() };
    tokio::spawn(async move {
        let _ = connection.await;
    });
    let mut streams = JoinSet::new();
    for token in tokens {
        let client = client.clone();
        streams.spawn(async move {
            tokio::time::timeout(PATIENCE, one_stream(client, token)).await.ok().flatten()
        });
    }
    streams.join_all().await
}

async fn one_stream(client: client::SendRequest<Bytes>, token: String) -> Option<(u16, Duration)> {
    let mut client = client.ready().await.ok()?;
    let request = Request::builder()
        .uri("http://api.example.com/orders/1")
        .header("authorization", format!("Bearer {token}"))
        .body(())
        .ok()?;
    let sent = Instant::now();
    let (response, _) = client.send_request(request, true).ok()?;
    let status = response.await.ok()?.status().as_u16();
    Some((status, sent.elapsed()))
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let of =
            |range: std::ops::RangeInclusive<u16>| self.statuses.range(range).map(|(_, n)| n).sum::<u64>();
        let others: Vec<String> = self
            .statuses
            .iter()
            .filter(|(status, _)| !matches!(**status, 200 | 503))
            .map(|(status, n)| format!("{n} times {status}"))
            .collect();
        let others = if others.is_empty() { "–".to_owned() } else { others.join(", ") };
        [
            self.what.clone(),
            of(200..=200).to_string(),
            of(503..=503).to_string(),
            others,
            self.lost.to_string(),
            format!("{:.0} / {:.0}", self.latencies.quantile(0.5), self.latencies.quantile(0.99)),
            self.memory.map(|memory| format!("{memory:.0}")).join(" / "),
            self.left_over.len().to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what, "sent": self.sent, "lost": self.lost, "left_over": self.left_over.len(),
            "statuses": self.statuses.iter().map(|(status, n)| (status.to_string(), json!(n))).collect::<serde_json::Map<_, _>>(),
            "latency_ms": {"p50": self.latencies.quantile(0.5), "p99": self.latencies.quantile(0.99)},
            "resident_mib": self.memory,
        })
    }
}

fn markdown(rows: &[Row]) -> String {
    let mut text = format!(
        "{}. The authorization server takes 0.5 s for each call.\n\n| at once | 200 | 503 | others | without a response | ms, p50 / p99 | MiB before / at most / after | left over |\n| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |\n",
        record::machine_line()
    );
    for row in rows {
        text += &format!("| {} |\n", row.cells().join(" | "));
    }
    text
}
