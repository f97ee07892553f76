//! An API that records what reaches it and answers 200.

use std::fmt::Write as _;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

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

/// Requests for `/load` are too many to be kept. `x-answer-cache-control` and `x-answer-www-authenticate` ask for those lines in the response, the
/// latter for a 401. An upgrade is accepted, and ended.
fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Message>>) {
    while let Ok(Some(request)) = Message::read(&mut stream, Side::Request) {
        let asked = request.first("x-answer-cache-control").map(crate::message::latin1_text);
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
