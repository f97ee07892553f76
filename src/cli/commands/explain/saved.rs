//! A response, from a file or from the server.

use std::path::Path;

use crate::kit::failure::Failure;
use crate::kit::find;
use crate::kit::http::Reply;

/// One HTTP response.
#[derive(Debug)]
pub(super) struct Saved {
    /// Its head, `:status` first.
    pub(super) head: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Saved {
    /// Reads a file: a whole response, or only a body, which counts as JSON with status 200.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let text = find::text(file).map_err(|error| Failure::file("read", file, &error))?;
        if !text.starts_with("HTTP/") {
            return Ok(Self::new(
                200,
                vec![("content-type".to_owned(), "application/json".to_owned())],
                text.into_bytes(),
            ));
        }
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| {
            Failure::new(format_args!("{} starts like an HTTP response, but has no status", file.display()))
        })?;
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        Ok(Self::new(status, fields.collect(), body.as_bytes().to_vec()))
    }

    fn new(status: u16, fields: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let mut head = vec![(b":status".to_vec(), status.to_string().into_bytes())];
        head.extend(fields.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())));
        Self { head, body }
    }
}

impl From<Reply> for Saved {
    fn from(reply: Reply) -> Self {
        Self::new(reply.status, reply.headers, reply.body)
    }
}
