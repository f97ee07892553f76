//! How a call to an authorization server ended.

/// How a call ended, in the driver's words.
#[derive(Clone, Copy, Debug)]
pub enum CallOutcome<'a> {
    /// A response arrived, whatever its status.
    Response {
        /// Its head, `:status` among it.
        head: &'a [(Vec<u8>, Vec<u8>)],
        /// Its body, up to `read_up_to` bytes.
        body: &'a [u8],
    },
    /// Nothing arrived: timeout, reset, no healthy host.
    Failed,
    /// The host refused to make the call.
    NotDispatched,
}

/// A reply's head.
#[derive(Clone, Copy)]
pub(crate) struct ReplyHead<'a>(pub(crate) &'a [(Vec<u8>, Vec<u8>)]);

impl<'a> ReplyHead<'a> {
    /// The only line of that name.
    pub(crate) fn single(self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        let value = values.next()?;
        values.next().is_none().then_some(value.1.as_slice())
    }

    /// 0 if there is none that makes sense.
    pub(crate) fn status(self) -> u16 {
        self.single(":status").and_then(number).and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
    }

    /// Whether the body is of this media type.
    pub(crate) fn is_of(self, wanted: &str) -> bool {
        let value = self.single("content-type").unwrap_or_default();
        let media_type = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        media_type.eq_ignore_ascii_case(wanted.as_bytes())
    }

    pub(crate) fn is_coded(self) -> bool {
        let named = |name: &[u8]| name.eq_ignore_ascii_case(b"content-encoding");
        let mut codings = self.0.iter().filter(|(name, _)| named(name));
        codings.any(|(_, value)| !value.trim_ascii().eq_ignore_ascii_case(b"identity"))
    }

    /// Delay-seconds up to a day; a date or anything else is dropped.
    pub(crate) fn retry_after(self) -> Option<u32> {
        self.single("retry-after").and_then(number).filter(|seconds| *seconds <= 86_400)
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}
