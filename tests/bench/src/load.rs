//! A handful of clients that keep their connections, each with a new request as soon as a response arrives.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tollgate_e2e::client::connect;

use crate::servers::Inbox;
use tollgate_e2e::process::Pid;

/// How many clients there are.
pub const CLIENTS: usize = 4;

/// What the clients send.
#[derive(Clone, Debug)]
pub enum Token {
    /// No token.
    None,
    /// One token, again and again.
    Same(String),
    /// One that has never been seen, each time.
    New,
}

/// Clients of one listener.
#[derive(Debug)]
pub struct Clients {
    name: String,
    status: u16,
    token: Token,
    serial: AtomicU64,
    connections: Vec<(TcpStream, Inbox)>,
}

/// What was seen in one window of time.
#[derive(Clone, Debug)]
pub struct Window {
    /// How many responses arrived.
    pub requests: u64,
    /// How many with those before it.
    pub all_requests: u64,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// For how long Envoy was on its core, and whatever else was watched, in nanoseconds.
    pub cpu: Vec<u64>,
    /// How long the requests took, in nanoseconds.
    pub latencies: Vec<u32>,
}

impl Clients {
    /// Clients that expect this status; anything else ends the bench, for it would measure nothing.
    pub fn new(name: &str, port: u16, token: Token, status: u16) -> Self {
        Self::many(CLIENTS, name, port, token, status)
    }

    /// So many of them.
    pub fn many(number: usize, name: &str, port: u16, token: Token, status: u16) -> Self {
        let connection = || (connect(port).expect("Envoy listens"), Inbox::default());
        let connections = (0..number).map(|_| connection()).collect();
        Self { name: name.to_owned(), status, token, serial: AtomicU64::new(0), connections }
    }

    /// Sends for so long, and watches these processes after the first moments.
    pub fn window(&mut self, before: Duration, during: Duration, watched: &[Pid]) -> Window {
        let (ended, recorded, count) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
        let (name, status, token, serial) = (&self.name, self.status, &self.token, &self.serial);
        thread::scope(|scope| {
            let clients: Vec<_> = self
                .connections
                .iter_mut()
                .map(|(stream, inbox)| {
                    let (ended, recorded, count) = (&ended, &recorded, &count);
                    scope.spawn(move || {
                        let mut latencies = Vec::with_capacity(8192);
                        let same = head(token, 0);
                        while !ended.load(Ordering::Relaxed) {
                            let new;
                            let request = if let Token::New = token {
                                new = head(token, serial.fetch_add(1, Ordering::Relaxed));
                                &new
                            } else {
                                &same
                            };
                            let sent = Instant::now();
                            ask(name, stream, inbox, request, status);
                            count.fetch_add(1, Ordering::Relaxed);
                            if recorded.load(Ordering::Relaxed) {
                                latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
                            }
                        }
                        latencies
                    })
                })
                .collect();
            let state = || {
                let cpu: Vec<u64> = watched.iter().map(|process| process.cpu()).collect();
                (Instant::now(), count.load(Ordering::Relaxed), cpu)
            };
            thread::sleep(before);
            let (start, first, cpu_before) = state();
            recorded.store(true, Ordering::Relaxed);
            thread::sleep(during);
            let (end, last, cpu_after) = state();
            ended.store(true, Ordering::Relaxed);
            let latencies = clients.into_iter().flat_map(|client| client.join().expect("a client")).collect();
            let spent = cpu_before.iter().zip(&cpu_after).map(|(before, after)| after - before).collect();
            Window {
                requests: last - first,
                all_requests: count.load(Ordering::Relaxed),
                seconds: (end - start).as_secs_f64(),
                cpu: spent,
                latencies,
            }
        })
    }

    /// Sends one request for each of these tokens, all clients together.
    pub fn send_each(&mut self, tokens: &[String]) {
        let next = AtomicU64::new(0);
        let name = &self.name;
        thread::scope(|scope| {
            for (stream, inbox) in &mut self.connections {
                let next = &next;
                scope.spawn(move || {
                    while let Some(token) = tokens.get(take_one(next)) {
                        let status = if token.starts_with("bad-") { 401 } else { 200 };
                        ask(name, stream, inbox, &head(&Token::Same(token.clone()), 0), status);
                    }
                });
            }
        });
    }
}

/// A token of the usual length, by its number.
pub fn token(kind: &str, number: u64) -> String {
    format!("{kind}-{number:012}-kq3v9ZrT0mWb7yLxE2sDhA4u")
}

fn take_one(next: &AtomicU64) -> usize {
    usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX)
}

fn ask(name: &str, stream: &mut TcpStream, inbox: &mut Inbox, request: &[u8], status: u16) {
    stream.write_all(request).unwrap_or_else(|error| panic!("{name}: {error}"));
    let extent = inbox.message(stream).unwrap_or_else(|| panic!("{name}: no response: {}", inbox.text()));
    assert_eq!(inbox.status(), status, "{name}: {}", inbox.text());
    inbox.done_with(&extent);
}

fn head(token: &Token, serial: u64) -> Vec<u8> {
    let authorization = match token {
        Token::None => "x-nothing: to see here\r\n".to_owned(),
        Token::Same(token) => format!("authorization: Bearer {token}\r\n"),
        Token::New => format!("authorization: Bearer {}\r\n", self::token("tok", serial)),
    };
    format!(
        "GET /orders/1234 HTTP/1.1\r\nhost: api.example.com\r\nuser-agent: bench/1.0\r\naccept: application/json\r\n\
         accept-encoding: gzip, br\r\nx-trace: 4bf92f3577b34da6a3ce929d0e0e4736\r\n{authorization}\r\n"
    )
    .into_bytes()
}
