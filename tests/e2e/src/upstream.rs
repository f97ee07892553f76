//! An API that records what reaches it and answers 200.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::message::{Message, Side};
use crate::ports::listen;

/// The API.
#[derive(Clone, Debug)]
pub struct Upstream {
    port: u16,
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Upstream {
    /// Starts it.
    pub fn start() -> Self {
        let seen = Arc::<Mutex<Vec<Message>>>::default();
        let shared = Arc::clone(&seen);
        Self { port: listen(move |stream| serve(stream, &shared)), seen }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything it has seen since the last call.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.seen.lock().expect("no one panicked"))
    }

    /// The requests that carried this header line.
    pub fn seen_with(&self, name: &str, value: &str) -> Vec<Message> {
        let seen = self.seen.lock().expect("no one panicked");
        seen.iter().filter(|request| request.all(name).iter().any(|v| v == value)).cloned().collect()
    }
}

/// A response to `/endless` has an event each tenth of a second, and a WebSocket there is held open. One to `/never` does not
/// come. Both go on until the proxy ends them.
///
/// Requests for `/load` are too many to be kept. `x-answer-cache-control` and `x-answer-www-authenticate` ask for those lines in the response, the
/// latter for a 401. An upgrade is accepted, and ended.
fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Message>>) {
    while let Ok(Some(request)) = Message::read(&mut stream, Side::Request) {
        let asked = request.first("x-answer-cache-control").map(crate::message::latin1_text);
        if matches!(request.target(), "/endless" | "/never") {
            let (is_endless, is_upgrade) =
                (request.target() == "/endless", request.first("upgrade").is_some());
            seen.lock().expect("no one panicked").push(request);
            return go_on(stream, is_endless, is_upgrade);
        }
        if request.first("upgrade").is_some() {
            seen.lock().expect("no one panicked").push(request);
            let _ = stream.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            );
            return;
        }
        let challenge = request.first("x-answer-www-authenticate").map(crate::message::latin1_text);
        let status = if challenge.is_some() { "401 Unauthorized" } else { "200 OK" };
        let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n");
        for (name, value) in [("cache-control", asked), ("www-authenticate", challenge)] {
            if let Some(value) = value {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        if request.target() != "/load" {
            seen.lock().expect("no one panicked").push(request);
        }
        if stream.write_all(format!("{head}\r\nok").as_bytes()).is_err() {
            return;
        }
    }
}

/// Sends events, or nothing, until the proxy leaves.
fn go_on(mut stream: TcpStream, is_endless: bool, is_upgrade: bool) {
    if !is_endless {
        let _ = stream.read(&mut [0; 64]);
        return;
    }
    let head: &[u8] = if is_upgrade {
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    } else {
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    };
    let mut is_open = stream.write_all(head).is_ok();
    while is_open && !is_upgrade {
        is_open = stream.write_all(b"9\r\ndata: x\n\n\r\n").is_ok();
        thread::sleep(Duration::from_millis(100));
    }
    if is_upgrade {
        // Whatever the client sends: it is held until the proxy closes it.
        let mut bytes = [0; 64];
        while stream.read(&mut bytes).is_ok_and(|n| n > 0) {}
    }
}
