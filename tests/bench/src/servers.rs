//! What stands behind Envoy: an API and an authorization server, both as quick as can be, for only Envoy is measured.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tollgate_e2e::ports::listen;

/// A server, and how often it has been asked.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its port.
    pub port: u16,
    calls: Arc<AtomicU64>,
}

impl Server {
    /// An API that says `ok`.
    pub fn api() -> Self {
        Self::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
    }

    /// An authorization server that knows every token but those that begin with `bad`.
    pub fn authorization_server() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let exp = now + 24 * 3600;
        let active = json(&format!(
            r#"{{"active":true,"client_id":"app","sub":"alice","username":"alice","token_type":"Bearer","scope":"orders:read orders:write","iss":"https://as.example.com","aud":"https://api.example.com","iat":{now},"exp":{exp}}}"#
        ));
        let inactive = json(r#"{"active":false}"#);
        Self::start(move |body| {
            let bad = body.windows(10).any(|window| window == b"token=bad-");
            if bad { inactive.clone() } else { active.clone() }
        })
    }

    /// How many calls there have been since the last time this was asked.
    pub fn take(&self) -> u64 {
        self.calls.swap(0, Ordering::Relaxed)
    }

    fn start(answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let calls = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&calls);
        Self { port: listen(move |stream| serve(stream, &counted, &answer)), calls }
    }
}

fn serve(mut stream: TcpStream, calls: &AtomicU64, answer: &dyn Fn(&[u8]) -> Vec<u8>) {
    let _ = stream.set_nodelay(true);
    let mut inbox = Inbox::default();
    while let Some(message) = inbox.message(&mut stream) {
        calls.fetch_add(1, Ordering::Relaxed);
        let reply = answer(inbox.body(&message));
        inbox.done_with(&message);
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

fn json(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// What has arrived on a connection.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

/// Where a message ends, and its head.
#[derive(Debug)]
pub struct Extent {
    head: usize,
    end: usize,
}

impl Inbox {
    /// Reads one message; `None` if there is none any more.
    pub fn message(&mut self, stream: &mut TcpStream) -> Option<Extent> {
        let mut buffer = [0; 8 * 1024];
        loop {
            if let Some(head) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = head + 4;
                let end = head + content_length(&self.bytes[..head]);
                while self.bytes.len() < end {
                    self.more(stream, &mut buffer)?;
                }
                return Some(Extent { head, end });
            }
            self.more(stream, &mut buffer)?;
        }
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0)
    }

    /// The body of a message.
    pub fn body(&self, extent: &Extent) -> &[u8] {
        &self.bytes[extent.head..extent.end]
    }

    /// Forgets a message.
    pub fn done_with(&mut self, extent: &Extent) {
        self.bytes.drain(..extent.end);
    }

    /// Everything, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn more(&mut self, stream: &mut TcpStream, buffer: &mut [u8]) -> Option<()> {
        let read = stream.read(buffer).ok().filter(|read| *read > 0)?;
        self.bytes.extend_from_slice(&buffer[..read]);
        Some(())
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)));
    let value = line.and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok());
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
