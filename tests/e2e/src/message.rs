//! HTTP/1.1 messages as they are on the wire.

use std::fmt::{self, Write as _};
use std::io::{self, Read};

/// A message: its first line, its header lines, its body.
#[derive(Clone, Default)]
pub struct Message {
    /// `GET / HTTP/1.1`, or `HTTP/1.1 200 OK`.
    pub first_line: String,
    /// Names as sent, values as bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What followed, without transfer coding.
    pub body: Vec<u8>,
    /// Trailer lines.
    pub trailers: Vec<(String, Vec<u8>)>,
}

/// Whose message is read, since a HEAD response has no body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// A request.
    Request,
    /// A response.
    Response,
    /// A response to HEAD.
    HeadResponse,
}

impl Message {
    /// Reads one message; `None` if the peer closed before a whole head.
    pub fn read(stream: &mut impl Read, side: Side) -> io::Result<Option<Self>> {
        let mut reader = Wire { stream, ahead: Vec::new() };
        let mut message = loop {
            let Some(head) = reader.until(b"\r\n\r\n")? else { return Ok(None) };
            let message = Self::of_head(&head);
            // "100 Continue" is not the response yet.
            if side == Side::Request || !matches!(message.status(), 100 | 102..=199) {
                break message;
            }
        };
        let status = message.status();
        let bodiless =
            side == Side::HeadResponse || (side == Side::Response && matches!(status, 101 | 204 | 304));
        if bodiless {
            return Ok(Some(message));
        }
        if message.first("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
            while let Some(line) = reader.until(b"\r\n")? {
                let line = String::from_utf8_lossy(&line);
                let length = line.trim().split(';').next().unwrap_or_default();
                let length = usize::from_str_radix(length, 16).unwrap_or(0);
                if length == 0 {
                    break;
                }
                message.body.extend(reader.exactly(length)?);
                reader.until(b"\r\n")?;
            }
            while let Some(line) = reader.until(b"\r\n")?.filter(|line| line.len() > 2) {
                message.trailers.extend(header(line.trim_ascii_end()));
            }
        } else if let Some(length) = message.first("content-length") {
            let length = String::from_utf8_lossy(length).parse().unwrap_or(0);
            message.body = reader.exactly(length)?;
        } else if side == Side::Response {
            message.body = reader.rest()?;
        }
        Ok(Some(message))
    }

    fn of_head(head: &[u8]) -> Self {
        let mut lines = split_lines(head);
        Self {
            first_line: String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned(),
            headers: lines.filter_map(header).collect(),
            ..Self::default()
        }
    }

    /// The status of a response; 0 of anything else.
    pub fn status(&self) -> u16 {
        let mut words = self.first_line.split(' ');
        let is_response = words.next().is_some_and(|version| version.starts_with("HTTP/"));
        words.next().filter(|_| is_response).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.first_line.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.first_line.split(' ').nth(1).unwrap_or_default()
    }

    /// The first line of that name.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// All lines of that name, as text.
    pub fn all(&self, name: &str) -> Vec<String> {
        let named = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| latin1_text(value)).collect()
    }

    /// Everything that the peer chose, as text: for finding what must not be there.
    pub fn whole(&self) -> String {
        let mut all = self.first_line.clone();
        for (name, value) in self.headers.iter().chain(&self.trailers) {
            let _ = write!(all, "\n{name}: {}", latin1_text(value));
        }
        all + "\n\n" + &self.text()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        latin1_text(&self.body)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole())
    }
}

/// Each byte as the character of that number.
pub fn latin1_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    Some((latin1_text(name), value.get(1..)?.trim_ascii().to_vec()))
}

fn split_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

struct Wire<'a, R> {
    stream: &'a mut R,
    ahead: Vec<u8>,
}

impl<R: Read> Wire<'_, R> {
    /// Everything up to and with `end`.
    fn until(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|window| window == end) {
                return Ok(Some(self.ahead.drain(..at + end.len()).collect()));
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn exactly(&mut self, size: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < size {
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.ahead.drain(..size).collect())
    }

    fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.more()? {}
        Ok(std::mem::take(&mut self.ahead))
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let read = self.stream.read(&mut buffer)?;
        self.ahead.extend(buffer.iter().take(read));
        Ok(read > 0)
    }
}
