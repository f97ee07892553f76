//! A request and what comes back for its calls, as text.
//!
//! Messages are separated by [`SEPARATOR`]. Each is lines `name: value` (bytes), an empty line, and a body. The first line of
//! the first message is the number of a configuration.

/// Between two messages: U+001E, the record separator.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// A head and a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// Names and values.
    pub head: Vec<(Vec<u8>, Vec<u8>)>,
    /// What follows the empty line, if there is one.
    pub body: Option<Vec<u8>>,
}

/// An input of `exchange`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// Which configuration.
    pub configuration: usize,
    /// The request.
    pub request: Message,
    /// What comes of its calls, one after the other; an empty message is a failure.
    pub replies: Vec<Message>,
}

impl Script {
    /// Reads any bytes.
    pub fn read(data: &[u8]) -> Self {
        let mut messages = data.split(|byte| *byte == SEPARATOR);
        let first = messages.next().unwrap_or_default();
        let (number, request) = cut(first, b"\n");
        let digits = std::str::from_utf8(number).ok().and_then(|digits| digits.parse().ok());
        Self {
            configuration: digits.unwrap_or(0),
            request: Message::read(request.unwrap_or_default()),
            replies: messages.map(Message::read).collect(),
        }
    }

    /// The same as bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n", self.configuration).into_bytes();
        self.request.write(&mut bytes);
        for reply in &self.replies {
            bytes.push(SEPARATOR);
            reply.write(&mut bytes);
        }
        bytes
    }
}

impl Message {
    fn read(bytes: &[u8]) -> Self {
        let (head, body) = cut(bytes, b"\n\n");
        let line = |line: &[u8]| {
            let (name, value) = cut(line, b": ");
            (name.to_vec(), value.unwrap_or_default().to_vec())
        };
        let lines = head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Self { head: lines.map(line).collect(), body: body.map(<[u8]>::to_vec) }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for (name, value) in &self.head {
            bytes.extend([name, &b": "[..], value, b"\n"].concat());
        }
        if let Some(body) = &self.body {
            bytes.push(b'\n');
            bytes.extend(body);
        }
    }
}

/// What is before a separator, and what is behind it.
fn cut<'a>(bytes: &'a [u8], separator: &[u8]) -> (&'a [u8], Option<&'a [u8]>) {
    match bytes.windows(separator.len()).position(|window| window == separator) {
        Some(at) => (&bytes[..at], Some(&bytes[at + separator.len()..])),
        None => (bytes, None),
    }
}
