//! An authorization server that knows the population, and that can fail in every way.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::SockRef;
use tollgate_bench::servers::Inbox;
use tollgate_e2e::ports::reserved_port;

use crate::population::Population;

/// What the server does with a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Responds at once.
    Normal,
    /// Responds after this time.
    Slow(Duration),
    /// Does not listen, and closes every connection.
    Down,
    /// Is down and normal in turn.
    Flapping,
    /// Responds with this status, and text.
    Status(u16),
    /// Closes the connection without a response.
    Close,
    /// Sends bytes that are not HTTP.
    NotHttp,
    /// Sends a response that is not JSON.
    NotJson,
    /// Sends half of the response, and closes.
    Half,
    /// Responds about the token of the call before.
    Another,
    /// Sends two responses, of which the second calls a token active that nobody has named.
    Twice,
    /// Sends 100 MB.
    Huge,
    /// Sends a byte a second.
    Drip,
    /// Resets the connection after a part of the response.
    Reset,
}

/// Which keys are published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keys {
    /// The first one.
    First,
    /// The first and the second one.
    Both,
    /// The second one.
    Second,
    /// An empty set.
    Empty,
    /// Those of an attacker, which no verifier may take: a shared secret, and a short one.
    Attacker,
    /// Something that is not a set of keys.
    Garbage,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    /// Its port.
    pub port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    population: Arc<Population>,
    mode: Mutex<Mode>,
    keys: Mutex<Keys>,
    before: Mutex<String>,
    connections: Mutex<HashMap<u64, TcpStream>>,
    calls: AtomicU64,
    ends: AtomicBool,
    born: Instant,
}

/// A call to which the server responds as if it were about the population's token.
const INACTIVE: &str = r#"{"active":false}"#;
/// Opaque tokens that begin like this are active, in any number.
pub const FLOOD: &str = "flood-";

impl Server {
    /// Starts it.
    pub fn start(population: &Arc<Population>) -> Self {
        let state = Arc::new(State {
            population: Arc::clone(population),
            mode: Mutex::new(Mode::Normal),
            keys: Mutex::new(Keys::First),
            before: Mutex::default(),
            connections: Mutex::default(),
            calls: AtomicU64::new(0),
            ends: AtomicBool::new(false),
            born: Instant::now(),
        });
        let port = reserved_port();
        let listener = listen(port).expect("a free port");
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(port, listener, &shared));
        Self { port, state }
    }

    /// What it does from now on.
    pub fn set(&self, mode: Mode) {
        *lock(&self.state.mode) = mode;
    }

    /// Which keys it publishes from now on.
    pub fn publish(&self, keys: Keys) {
        *lock(&self.state.keys) = keys;
    }

    /// How many calls there have been.
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        self.set(Mode::Down);
    }
}

impl State {
    fn mode(&self) -> Mode {
        let mode = *lock(&self.mode);
        match mode {
            Mode::Flapping if (self.born.elapsed().as_millis() / 400).is_multiple_of(2) => Mode::Down,
            Mode::Flapping => Mode::Normal,
            other => other,
        }
    }

    /// The right response to a call.
    fn reply(&self, head: &[u8], body: &[u8]) -> String {
        if head.starts_with(b"GET ") {
            return keys_json(*lock(&self.keys)).to_string();
        }
        let body = String::from_utf8_lossy(body);
        let token = body.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
        if token.starts_with(FLOOD) {
            let exp = crate::population::seconds_now() + 3600;
            return format!(
                r#"{{"active":true,"sub":"flood","client_id":"shop","scope":"read","aud":"https://api.example.com","exp":{exp}}}"#
            );
        }
        match self.population.by_text(token) {
            Some(token) if token.is_active() => token.active.clone(),
            _ => INACTIVE.to_owned(),
        }
    }
}

/// The listener is closed while the server is down.
fn accept(port: u16, first: TcpListener, state: &Arc<State>) {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut listener = Some(first);
    let mut number = 0;
    while !state.ends.load(Ordering::Relaxed) {
        if state.mode() == Mode::Down {
            listener = None;
            for (_, stream) in lock(&state.connections).drain() {
                let _ = stream.shutdown(Shutdown::Both);
            }
            thread::sleep(PAUSE);
            continue;
        }
        if listener.is_none() {
            listener = listen(port);
        }
        let Some((stream, _)) = listener.as_ref().and_then(|listener| listener.accept().ok()) else {
            thread::sleep(PAUSE);
            continue;
        };
        let _ = stream.set_nonblocking(false);
        number += 1;
        let number = number;
        lock(&state.connections).extend(stream.try_clone().map(|stream| (number, stream)));
        let state = Arc::clone(state);
        thread::spawn(move || {
            serve(stream, &state);
            // The last handle closes the connection.
            lock(&state.connections).remove(&number);
        });
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    listener.set_nonblocking(true).ok()?;
    Some(listener)
}

fn serve(mut stream: TcpStream, state: &State) {
    let _ = stream.set_nodelay(true);
    let mut inbox = Inbox::default();
    while let Some(call) = inbox.message(&mut stream) {
        state.calls.fetch_add(1, Ordering::Relaxed);
        let reply = state.reply(inbox.text().as_bytes(), inbox.body(&call));
        inbox.done_with(&call);
        if !respond(&mut stream, state, &reply) {
            return;
        }
    }
}

/// `true`: the connection stays open.
fn respond(stream: &mut TcpStream, state: &State, reply: &str) -> bool {
    let whole = message(200, reply);
    match state.mode() {
        Mode::Normal | Mode::Flapping => {
            lock(&state.before).clear();
            lock(&state.before).push_str(reply);
            stream.write_all(&whole).is_ok()
        }
        Mode::Slow(pause) => {
            thread::sleep(pause);
            stream.write_all(&whole).is_ok()
        }
        Mode::Down | Mode::Close => false,
        Mode::Status(status) => stream.write_all(&message(status, "not today")).is_ok(),
        Mode::NotHttp => {
            let _ = stream.write_all(b"\x16\x03\x01\x02\x00garbage\r\n\r\n\xff\xfe{\"active\":true}\r\n");
            false
        }
        Mode::NotJson => stream.write_all(&message(200, "{\"active\":true, <html>")).is_ok(),
        Mode::Half => {
            let _ = stream.write_all(&whole[..whole.len() - reply.len() / 2 - 1]);
            false
        }
        Mode::Another => {
            let another = std::mem::replace(&mut *lock(&state.before), reply.to_owned());
            let another = if another.is_empty() { INACTIVE.to_owned() } else { another };
            stream.write_all(&message(200, &another)).is_ok()
        }
        Mode::Twice => {
            let second =
                message(200, r#"{"active":true,"sub":"mallory","scope":"read write","exp":4000000000}"#);
            stream.write_all(&[whole, second].concat()).is_ok()
        }
        Mode::Huge => {
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n{\"active\":true",
            );
            let chunk = vec![b' '; 64 * 1024];
            (0..100_000_000 / chunk.len()).all(|_| stream.write_all(&chunk).is_ok());
            false
        }
        Mode::Drip => {
            for byte in whole {
                if stream.write_all(&[byte]).is_err() || state.mode() != Mode::Drip {
                    return false;
                }
                thread::sleep(Duration::from_secs(1));
            }
            true
        }
        Mode::Reset => {
            let _ = stream.write_all(&whole[..whole.len() / 2]);
            thread::sleep(Duration::from_millis(5));
            let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            false
        }
    }
}

fn message(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// The public halves of `tests/keys/p256.pem` and `other-p256.pem`, or something else.
fn keys_json(keys: Keys) -> Value {
    let p256 = |kid: &str, x: &str, y: &str| json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y});
    let first = p256(
        "p256",
        "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
        "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    );
    let second = p256(
        "second",
        "tuZockFvRnCFvsWU65w6DmpxSteFWRFXvRFTeObiUR0",
        "r7EcmQTvvQjDHhzaRp3MxEOviF8nkC4SLsMR8Mwd7to",
    );
    let list = match keys {
        Keys::First => vec![first],
        Keys::Both => vec![first, second],
        Keys::Second => vec![second],
        Keys::Empty => Vec::new(),
        Keys::Attacker => vec![
            json!({"kty": "oct", "kid": "p256", "k": "AAAA", "alg": "HS256"}),
            json!({"kty": "RSA", "kid": "short", "e": "AQAB", "n": "rbl9QMRYlei6NdlNJ4tX-bqXDEAVB4yoEFzWDEnMzyMfkmGhNQmugOGSlJyRPe77t5hjaeFIuLf9SdCp-jNr7s76oFKlpPH1BGn6_RyeZbZzdI3FmmFChKz4_vHyUojnCyuUUw6eiGKKpGVjqVusuMVhNE8VgdLVAd2wTKP2xIc"}),
        ],
        Keys::Garbage => return json!("<html>"),
    };
    json!({"keys": list})
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
