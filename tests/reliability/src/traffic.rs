//! Clients that send at a steady rate, and have every response judged.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tollgate_bench::servers::Inbox;
use tollgate_e2e::client::connect;

use crate::population::{Population, Token, forged};
use crate::random::Random;
use crate::tally::Tally;
use crate::truth::{Disturbances, Exchange, Finding, Life, Limits, Route, judge};

/// How the clients behave.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests a second, of all clients together.
    pub rate: f64,
    /// How many clients there are.
    pub clients: usize,
    /// The share of requests that are given up at a random moment.
    pub leaving: f64,
}

/// What the clients need.
#[derive(Clone, Debug)]
pub struct Course {
    /// Where they send to.
    pub port: u16,
    /// Whose tokens.
    pub population: Arc<Population>,
    /// Where their responses are counted.
    pub tally: Arc<Tally>,
    /// When the servers were in trouble.
    pub disturbances: Arc<Disturbances>,
    /// What is promised.
    pub limits: Limits,
}

/// Running clients.
#[derive(Debug)]
pub struct Traffic {
    ends: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

/// A request, and what is known of its token.
struct Shot {
    route: Route,
    bytes: Vec<u8>,
    token: Option<Arc<Token>>,
    forged: bool,
}

impl Traffic {
    /// Begins.
    pub fn start(course: &Course, pace: Pace) -> Self {
        let (ends, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let start = Instant::now();
        let client = |number: usize| {
            let (course, ends, next) = (course.clone(), Arc::clone(&ends), Arc::clone(&next));
            thread::spawn(move || {
                let mut client = Client { course, random: Random::new(number as u64 + 11), line: None };
                while !ends.load(Ordering::Relaxed) {
                    let slot = next.fetch_add(1, Ordering::Relaxed);
                    let due = start + Duration::from_secs_f64(slot as f64 / pace.rate);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    if client.random.chance(pace.leaving) {
                        client.leave();
                    } else {
                        client.send();
                    }
                }
            })
        };
        let mut clients: Vec<_> = (0..pace.clients).map(client).collect();
        clients.push(watch_machine(course, &ends));
        Self { ends, clients }
    }

    /// Ends when all clients have their responses.
    pub fn stop(self) {
        self.ends.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client");
        }
    }
}

/// Where this program gets no CPU time for a while, Envoy and the servers may get none either: then a call may take too long.
fn watch_machine(course: &Course, ends: &Arc<AtomicBool>) -> JoinHandle<()> {
    const NAP: Duration = Duration::from_millis(20);
    const STALL: Duration = Duration::from_millis(250);
    let (course, ends) = (course.clone(), Arc::clone(ends));
    thread::spawn(move || {
        while !ends.load(Ordering::Relaxed) {
            let begun = Instant::now();
            thread::sleep(NAP);
            if begun.elapsed() > STALL {
                course.disturbances.stalled(begun);
                course.tally.stall();
            }
        }
    })
}

struct Client {
    course: Course,
    random: Random,
    line: Option<Line>,
}

/// A connection that is kept.
struct Line {
    stream: TcpStream,
    inbox: Inbox,
    is_used: bool,
}

impl Client {
    /// Sends a request and judges the response.
    fn send(&mut self) {
        let shot = self.shot();
        let sent = Instant::now();
        let status = match self.exchange(&shot.bytes) {
            Ok(status) => status,
            Err(why) => {
                let about = format!("{} after {:.1} s, {}", why, sent.elapsed().as_secs_f64(), shot.about());
                return self.course.tally.finding(Finding::NoResponse, &about);
            }
        };
        let received = Instant::now();
        self.course.tally.response(sent, received, status);
        let exchange = Exchange { route: shot.route, sent, received, status };
        let life = shot.life();
        let found = judge(&exchange, life.as_ref(), &self.course.limits, &self.course.disturbances);
        if let Some(finding) = found {
            let since = |at: Instant| format!("{:.2} s", sent.saturating_duration_since(at).as_secs_f64());
            let ended = life.map(|life| life.ended).unwrap_or_default();
            let ended: Vec<_> = ended
                .into_iter()
                .filter(|(at, _)| *at < received)
                .map(|(at, means)| format!("{means:?} {} before", since(at)))
                .collect();
            self.course.tally.finding(finding, &format!("{status}, {}, {}", shot.about(), ended.join(", ")));
        }
    }

    /// Sends a request and leaves at some moment, in one of two ways.
    fn leave(&mut self) {
        let shot = self.shot();
        let Ok(mut stream) = connect(self.course.port) else { return };
        let whole = if self.random.chance(0.3) { shot.bytes.len() / 2 } else { shot.bytes.len() };
        let _ = stream.write_all(&shot.bytes[..whole]);
        thread::sleep(Duration::from_micros(self.random.below(20_000) as u64));
        if self.random.chance(0.5) {
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        self.course.tally.left();
    }

    fn shot(&mut self) -> Shot {
        let random = &mut self.random;
        let population = &self.course.population;
        let choice = random.share();
        let (token, forged_text) = if choice < 0.80 {
            (Some(population.frequent(random)), None)
        } else if choice < 0.90 {
            (population.ended(random), None)
        } else if choice < 0.94 {
            (None, Some(format!("at-unknown-{:016x}", random.number())))
        } else if choice < 0.97 {
            (None, Some(forged(random)))
        } else {
            (None, None)
        };
        let may_write = token.as_ref().is_some_and(|token| token.kind != crate::population::Kind::Jwt);
        let route = match &token {
            Some(_) if may_write && random.chance(0.2) => Route::Write,
            None if forged_text.is_none() && random.chance(0.5) => Route::Public,
            _ => Route::Read,
        };
        let text = token.as_ref().map(|token| token.text.clone()).or_else(|| forged_text.clone());
        Shot { route, bytes: request(route, text.as_deref()), token, forged: forged_text.is_some() }
    }

    /// The status of the response. A request on a connection that Envoy closed in the same moment, before a byte of the
    /// response, is sent again on a new one, as every HTTP client does.
    fn exchange(&mut self, bytes: &[u8]) -> Result<u16, String> {
        loop {
            let mut line = match self.line.take() {
                Some(line) => line,
                None => Line::open(self.course.port)?,
            };
            let is_sent = line.stream.write_all(bytes);
            let begun = Instant::now();
            let Some(extent) = line.inbox.message(&mut line.stream) else {
                let part = line.inbox.text();
                if line.is_used && part.is_empty() && begun.elapsed() < Duration::from_secs(1) {
                    self.course.tally.again();
                    continue;
                }
                return Err(format!("no response ({is_sent:?}, {part:?})"));
            };
            let status = line.inbox.status();
            let closes = line.inbox.text().to_ascii_lowercase().contains("connection: close");
            line.inbox.done_with(&extent);
            line.is_used = true;
            if !closes {
                self.line = Some(line);
            }
            return Ok(status);
        }
    }
}

impl Line {
    fn open(port: u16) -> Result<Self, String> {
        let stream = connect(port).map_err(|error| format!("no connection: {error}"))?;
        Ok(Self { stream, inbox: Inbox::default(), is_used: false })
    }
}

impl Shot {
    fn life(&self) -> Option<Life> {
        match &self.token {
            Some(token) => Some(token.life()),
            None if self.forged => Some(Life { never: true, writes: true, ..Life::default() }),
            None => None,
        }
    }

    fn about(&self) -> String {
        let token = match &self.token {
            Some(token) => format!("{:?} token of {}", token.kind, token.sub),
            None if self.forged => "a forged or unknown token".to_owned(),
            None => "no token".to_owned(),
        };
        format!("{:?}, {token}", self.route)
    }
}

/// A request as it is sent.
pub fn request(route: Route, token: Option<&str>) -> Vec<u8> {
    let (method, path) = match route {
        Route::Read => ("GET", "/orders/1"),
        Route::Write => ("DELETE", "/orders/1"),
        Route::Public => ("GET", "/public"),
    };
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: api.example.com\r\naccept: application/json\r\n{authorization}\r\n"
    )
    .into_bytes()
}
