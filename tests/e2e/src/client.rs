//! A client that sends exactly the bytes it is told to.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use tollgate_cases::latin1;

use crate::message::{Message, Side};

/// A request to be sent over HTTP/1.1.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    host: String,
    lines: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body, to `api.example.com`.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: "api.example.com".to_owned(),
            lines: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET /orders`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Sets the method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// Sets the host.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Adds a header line; characters up to U+00FF are one byte each.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, &latin1(value))
    }

    /// Adds a header line of bytes.
    #[must_use]
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.lines.extend([&latin1(name)[..], b": ", value, b"\r\n"].concat());
        self
    }

    /// Adds `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sets the body, with its length.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        let length = body.len().to_string();
        self.header("Content-Length", &length)
    }

    /// Sets the body, in chunks of that size.
    #[must_use]
    pub fn chunked(mut self, body: &[u8], size: usize) -> Self {
        self.body = body
            .chunks(size)
            .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
            .chain(*b"0\r\n\r\n")
            .collect();
        self.header("Transfer-Encoding", "chunked")
    }

    /// The whole request as it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.method, self.target, self.host
        );
        [&latin1(&head)[..], &self.lines, b"\r\n", &self.body].concat()
    }

    /// Sends it and reads the response.
    pub fn send(&self, port: u16) -> Message {
        self.try_send(port).unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.target))
    }

    /// Sends it and reads the response, if there is one.
    pub fn try_send(&self, port: u16) -> io::Result<Message> {
        let side = if self.method == "HEAD" { Side::HeadResponse } else { Side::Response };
        exchange(port, &self.bytes(), side)
    }

    /// Sends it and hands over the connection, on which the response has not been read: dropping it
    /// is leaving.
    pub fn send_and_wait(&self, port: u16) -> TcpStream {
        let mut stream = connect(port).expect("a connection");
        stream.write_all(&self.bytes()).expect("a request is sent");
        stream
    }
}

/// A client that keeps its connection.
#[derive(Debug)]
pub struct Regular(TcpStream);

impl Regular {
    /// Connects.
    pub fn new(port: u16) -> Self {
        Self(connect(port).expect("a connection"))
    }

    /// `GET` with a token.
    pub fn get(&mut self, target: &str, token: &str) -> Message {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        self.0.write_all(head.as_bytes()).expect("a request is sent");
        Message::read(&mut self.0, Side::Response).expect("a response").expect("a response")
    }
}

/// Reads the response to a request that has been sent.
pub fn response_on(mut stream: TcpStream) -> Message {
    let response = Message::read(&mut stream, Side::Response);
    response.unwrap_or_else(|error| panic!("{error}")).unwrap_or_else(|| panic!("closed without a response"))
}

/// Sends these bytes and reads one response.
pub fn exchange(port: u16, bytes: &[u8], side: Side) -> io::Result<Message> {
    let mut stream = connect(port)?;
    // Envoy may answer and close before it has read everything.
    let sent = stream.write_all(bytes);
    match Message::read(&mut stream, side)? {
        Some(message) => Ok(message),
        None => Err(sent.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
    }
}

/// A connection on which nothing waits for longer than a bounded time.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

const PATIENCE: Duration = Duration::from_secs(30);
