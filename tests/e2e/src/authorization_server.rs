//! A scripted authorization server: it does what the test says, polite or not.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use socket2::SockRef;

use crate::message::{Message, Side};
use crate::ports::listen;

/// What the server does with a call.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Sends a reply.
    Reply {
        /// Its status.
        status: u16,
        /// Its header lines, besides `content-length`.
        headers: Vec<(String, String)>,
        /// Its body.
        body: Vec<u8>,
    },
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Sends these bytes and resets the connection.
    Reset(Vec<u8>),
    /// Sends these bytes and says no more, for as long as the connection is open.
    Hang(Vec<u8>),
    /// Sends one byte every interval.
    Drip(Vec<u8>, Duration),
    /// Sends these bytes and then zeros without end, for a bounded time.
    Endless(Vec<u8>),
    /// Says of a token that it is active with these scopes, and ends so many seconds from then on.
    ActiveFor(u64, String),
    /// Waits, then does the other thing.
    After(Duration, Box<Behaviour>),
    /// Waits until the gate is open, then does the other thing.
    Behind(Gate, Box<Behaviour>),
}

impl Behaviour {
    /// A 200 with JSON.
    pub fn json(body: &str) -> Self {
        Self::reply(200, "application/json", body)
    }

    /// A reply with a media type.
    pub fn reply(status: u16, media_type: &str, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self::Reply { status, headers, body: body.as_bytes().to_vec() }
    }

    /// An active token of `client`, with these scopes.
    pub fn active(scope: &str) -> Self {
        Self::json(&format!(r#"{{"active":true,"client_id":"app","sub":"alice","scope":"{scope}"}}"#))
    }

    /// An active token that ends `seconds` after each call.
    pub fn active_for(seconds: u64, scope: &str) -> Self {
        Self::ActiveFor(seconds, scope.to_owned())
    }

    /// The same, after a while.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self::After(pause, Box::new(self))
    }

    /// The same, once the gate is open.
    #[must_use]
    pub fn behind(self, gate: &Gate) -> Self {
        Self::Behind(gate.clone(), Box::new(self))
    }

    /// The connection is closed without a word.
    pub fn close() -> Self {
        Self::Raw(Vec::new())
    }
}

/// Holds responses back until the test opens it. At first, it is closed.
///
/// A request that is answered in the meantime has not waited for them, however slow the machine is.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<GateState>>);

#[derive(Debug, Default)]
struct GateState {
    is_open: bool,
    has_been_forced: bool,
}

impl Gate {
    /// Lets the responses go.
    pub fn open(&self) {
        self.lock().is_open = true;
    }

    /// Whether a response has gone because nobody opened the gate.
    pub fn has_been_forced(&self) -> bool {
        self.lock().has_been_forced
    }

    fn pass(&self) {
        let until = Instant::now() + Duration::from_secs(9);
        while !self.lock().is_open {
            if Instant::now() > until {
                self.lock().has_been_forced = true;
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, GateState> {
        self.0.lock().expect("no one panicked")
    }
}

/// The server.
#[derive(Clone, Debug)]
pub struct AuthorizationServer {
    port: u16,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    always: Option<Behaviour>,
    queue: VecDeque<Behaviour>,
    by_token: HashMap<String, VecDeque<Behaviour>>,
    by_prefix: Vec<(String, Behaviour)>,
    calls: Vec<Message>,
    under_way: usize,
    most_under_way: usize,
}

impl AuthorizationServer {
    /// Starts it; it knows no token.
    pub fn start() -> Self {
        let script = Arc::<Mutex<Script>>::default();
        let shared = Arc::clone(&script);
        Self { port: listen(move |stream| serve(stream, &shared)), script }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the next calls get, whatever they ask; before anything that was said of tokens.
    pub fn next(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.lock().queue = behaviours.into_iter().collect();
    }

    /// What calls about a token get, in turn; the last one again and again.
    pub fn on(&self, token: &str, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.lock().by_token.insert(token.to_owned(), behaviours.into_iter().collect());
    }

    /// What calls about all tokens that begin like this get, if nothing is said of them one by one.
    pub fn on_all(&self, prefix: &str, behaviour: Behaviour) {
        self.lock().by_prefix.push((prefix.to_owned(), behaviour));
    }

    /// What every call gets from now on, whatever has been said; `None`: no longer.
    pub fn always(&self, behaviour: Option<Behaviour>) {
        self.lock().always = behaviour;
    }

    /// How many calls were under way at once, at most, since the last time this was asked.
    pub fn most_under_way(&self) -> usize {
        let mut script = self.lock();
        let now = script.under_way;
        std::mem::replace(&mut script.most_under_way, now)
    }

    /// Every call since the last time this was asked.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.lock().calls)
    }

    /// How many calls there were about a token.
    pub fn calls_about(&self, token: &str) -> usize {
        self.lock().calls.iter().filter(|call| token_of(call) == token).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().expect("no one panicked")
    }
}

impl Script {
    fn behaviour(&mut self, call: &Message) -> Behaviour {
        if let Some(always) = &self.always {
            return always.clone();
        }
        if let Some(next) = self.queue.pop_front() {
            return next;
        }
        let token = token_of(call);
        match self.by_token.get_mut(&token) {
            Some(behaviours) if behaviours.len() > 1 => behaviours.pop_front(),
            Some(behaviours) => behaviours.front().cloned(),
            None => {
                let found = self.by_prefix.iter().find(|(prefix, _)| token.starts_with(prefix));
                found.map(|(_, behaviour)| behaviour.clone())
            }
        }
        .unwrap_or_else(|| Behaviour::json(r#"{"active":false}"#))
    }
}

fn serve(mut stream: TcpStream, script: &Mutex<Script>) {
    while let Ok(Some(call)) = Message::read(&mut stream, Side::Request) {
        let behaviour = {
            let mut script = script.lock().expect("no one panicked");
            let behaviour = script.behaviour(&call);
            script.calls.push(call);
            script.under_way += 1;
            script.most_under_way = script.most_under_way.max(script.under_way);
            behaviour
        };
        let stays_open = act(&mut stream, behaviour);
        script.lock().expect("no one panicked").under_way -= 1;
        if !stays_open {
            return;
        }
    }
}

/// `true`: the connection stays open.
fn act(stream: &mut TcpStream, behaviour: Behaviour) -> bool {
    match behaviour {
        Behaviour::Reply { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} X\r\n");
            for (name, value) in headers {
                let _ = write!(head, "{name}: {value}\r\n");
            }
            if !matches!(status, 204 | 304) {
                let _ = write!(head, "content-length: {}\r\n", body.len());
            }
            let body = if matches!(status, 204 | 304) { Vec::new() } else { body };
            stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat()).is_ok()
        }
        Behaviour::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
            false
        }
        Behaviour::Reset(bytes) => {
            let _ = stream.write_all(&bytes);
            thread::sleep(Duration::from_millis(20));
            let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            false
        }
        Behaviour::Hang(bytes) => {
            let _ = stream.write_all(&bytes);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
            let _ = stream.read(&mut [0]);
            false
        }
        Behaviour::Drip(bytes, interval) => {
            for byte in bytes {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                thread::sleep(interval);
            }
            false
        }
        Behaviour::Endless(bytes) => {
            let until = Instant::now() + Duration::from_secs(5);
            let _ = stream.write_all(&bytes);
            while Instant::now() < until && stream.write_all(&[b' '; 16 * 1024]).is_ok() {}
            false
        }
        Behaviour::ActiveFor(seconds, scope) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let exp = now.saturating_add(seconds);
            act(
                stream,
                Behaviour::json(&format!(
                    r#"{{"active":true,"client_id":"app","sub":"alice","scope":"{scope}","exp":{exp}}}"#
                )),
            )
        }
        Behaviour::After(pause, then) => {
            thread::sleep(pause);
            act(stream, *then)
        }
        Behaviour::Behind(gate, then) => {
            gate.pass();
            act(stream, *then)
        }
    }
}

/// The `token` of an introspection call; test tokens need no decoding but `%XX`.
fn token_of(call: &Message) -> String {
    let body = call.text();
    let token = body.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
    token.to_owned()
}
