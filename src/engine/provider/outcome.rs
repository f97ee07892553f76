//! How a call to an authorization server ended.

use crate::request::head::RequestHead;

/// How a call ended, in the driver's words.
#[derive(Clone, Copy, Debug)]
pub enum CallOutcome<'a> {
    /// A response arrived, whatever its status.
    Response {
        /// Its head, `:status` among it.
        head: RequestHead<'a>,
        /// Its body, up to `read_up_to` bytes.
        body: &'a [u8],
    },
    /// Nothing arrived: timeout, reset, no healthy host.
    Failed,
    /// The host did not make the call.
    NotDispatched,
}

/// A response's head.
#[derive(Clone, Copy)]
pub(crate) struct ReplyHead<'a>(pub(crate) RequestHead<'a>);

impl<'a> ReplyHead<'a> {
    /// The only line of that name.
    pub(crate) fn single(self, name: &'a str) -> Option<&'a [u8]> {
        self.0.single(name)
    }

    /// 0 without a valid one.
    pub(crate) fn status(self) -> u16 {
        self.single(":status").and_then(number).and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
    }

    /// Whether the body is of this media type.
    pub(crate) fn is_of(self, wanted: &str) -> bool {
        let value = self.single("content-type").unwrap_or_default();
        let media_type = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        media_type.eq_ignore_ascii_case(wanted.as_bytes())
    }

    /// The content coding ([RFC 9110 §8.4.1]) if it is not `identity`. None was requested.
    ///
    /// [RFC 9110 §8.4.1]: https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1
    pub(crate) fn coding(self) -> Option<&'static str> {
        let codings = self.0.all("content-encoding").map(<[u8]>::trim_ascii);
        let mut others = codings.filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        let first = others.next()?;
        let known = |name: &&str| first.eq_ignore_ascii_case(name.as_bytes());
        Some(CODINGS.into_iter().find(known).unwrap_or("of no known name"))
    }

    /// Delay-seconds up to a day; a date or anything else is dropped.
    pub(crate) fn retry_after(self) -> Option<u32> {
        self.single("retry-after").and_then(number).filter(|seconds| *seconds <= 86_400)
    }
}

/// The content codings that servers use, for messages.
const CODINGS: [&str; 5] = ["gzip", "br", "deflate", "zstd", "compress"];

fn number(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}
