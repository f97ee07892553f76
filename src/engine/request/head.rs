//! The request head as the host hands it over: bytes, nothing decoded.

/// The field lines of a head, as a host hands them over.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// An owned request head.
#[derive(Clone, Debug)]
pub enum Head {
    /// Line by line.
    Lines(Fields),
    /// In one piece.
    Packed(Packed),
}

/// Field lines in one piece, as proxy-wasm hosts hand them over: a number of lines, the lengths of each name
/// and value, then the names and values themselves, each with a zero byte behind it; numbers have four bytes in
/// little-endian order.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    bytes: Vec<u8>,
    /// Where each name and each value begins and ends.
    lines: Vec<[usize; 4]>,
}

/// A request head: every field line in order, pseudo-fields (`:method`, `:path`, `:authority`,
/// `:scheme`) among them, names in lower case ([RFC 9113 §8.2]). Values are raw bytes.
///
/// [RFC 9113 §8.2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a>(View<'a>);

#[derive(Clone, Copy, Debug)]
enum View<'a> {
    Lines(&'a [(Vec<u8>, Vec<u8>)]),
    Packed(&'a Packed),
}

impl Head {
    /// What there is to look at.
    #[inline]
    pub fn view(&self) -> RequestHead<'_> {
        match self {
            Self::Lines(lines) => RequestHead::new(lines),
            Self::Packed(packed) => packed.view(),
        }
    }
}

impl From<Fields> for Head {
    fn from(lines: Fields) -> Self {
        Self::Lines(lines)
    }
}

impl From<Packed> for Head {
    fn from(packed: Packed) -> Self {
        Self::Packed(packed)
    }
}

impl Packed {
    /// Finds the lines; incomplete lines are left out.
    pub fn new(bytes: Vec<u8>) -> Self {
        let number = |at: usize| {
            let number = bytes.get(at..)?.first_chunk::<4>()?;
            usize::try_from(u32::from_le_bytes(*number)).ok()
        };
        let count = number(0).unwrap_or_default().min(bytes.len());
        let mut lines = Vec::with_capacity(count);
        let mut lengths = 4_usize;
        let mut start = count.saturating_mul(8).saturating_add(4);
        for _ in 0..count {
            let (Some(name), Some(value)) = (number(lengths), number(lengths.saturating_add(4))) else {
                break;
            };
            let name_end = start.saturating_add(name);
            let value_start = name_end.saturating_add(1);
            let value_end = value_start.saturating_add(value);
            if value_end > bytes.len() {
                break;
            }
            lines.push([start, name_end, value_start, value_end]);
            lengths = lengths.saturating_add(8);
            start = value_end.saturating_add(1);
        }
        Self { bytes, lines }
    }

    /// What there is to look at.
    pub fn view(&self) -> RequestHead<'_> {
        RequestHead(View::Packed(self))
    }

    /// All lines.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| self.line(line))
    }

    #[inline]
    fn line(&self, [name, name_end, value, value_end]: &[usize; 4]) -> (&[u8], &[u8]) {
        let part = |start: &usize, end: &usize| self.bytes.get(*start..*end).unwrap_or_default();
        (part(name, name_end), part(value, value_end))
    }
}

/// Field lines in one piece, in the form of [`Packed`].
pub fn packed<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let length = |(name, value): (&[u8], &[u8])| name.len().saturating_add(value.len()).saturating_add(10);
    let mut bytes = Vec::with_capacity(fields.clone().map(length).fold(4, usize::saturating_add));
    bytes.extend(number(fields.clone().count()));
    for (name, value) in fields.clone() {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for (name, value) in fields {
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    bytes
}

impl<'a> RequestHead<'a> {
    /// A head in lines.
    pub fn new(lines: &'a [(Vec<u8>, Vec<u8>)]) -> Self {
        Self(View::Lines(lines))
    }

    /// All lines.
    #[inline]
    pub fn fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let (lines, packed) = match self.0 {
            View::Lines(lines) => (lines, None),
            View::Packed(packed) => (Default::default(), Some(packed)),
        };
        let lines = lines.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        lines.chain(packed.into_iter().flat_map(Packed::iter))
    }

    /// All values of the field `name`, which must be in lower case.
    #[inline]
    pub fn all(self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The value of the field `name` if there is exactly one line of it.
    #[inline]
    pub fn single(self, name: &'a str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// `:method`, empty if it is missing.
    #[inline]
    pub fn method(self) -> &'a [u8] {
        self.single(":method").unwrap_or_default()
    }

    /// `:path` with its query, empty if it is missing (CONNECT).
    #[inline]
    pub fn path(self) -> &'a [u8] {
        self.single(":path").unwrap_or_default()
    }

    /// `:authority`, empty if it is missing.
    #[inline]
    pub fn authority(self) -> &'a [u8] {
        self.single(":authority").unwrap_or_default()
    }

    /// Whether this is a gRPC request: `application/grpc`, alone or followed by `+`, `;` or the end
    /// (not `application/grpc-web`, not `application/grpcx`).
    #[inline]
    pub fn is_grpc(self) -> bool {
        self.single("content-type")
            .and_then(|value| value.get(..16).map(|start| (start, value.get(16))))
            .is_some_and(|(start, next)| {
                start.eq_ignore_ascii_case(b"application/grpc")
                    && matches!(next, None | Some(b'+' | b';' | b' '))
            })
    }

    /// Whether this begins a WebSocket: by an upgrade ([RFC 6455 §4.1]), or by the extended CONNECT
    /// ([RFC 8441 §4]), which Envoy turns into the former.
    ///
    /// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    /// [RFC 8441 §4]: https://www.rfc-editor.org/rfc/rfc8441#section-4
    #[inline]
    pub fn is_websocket(self) -> bool {
        let name = match self.method() {
            b"GET" => "upgrade",
            b"CONNECT" => ":protocol",
            _ => return false,
        };
        self.single(name).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
    }

    /// Whether this is a CORS preflight: `OPTIONS` with `Origin` and a requested method (the Fetch standard's
    /// CORS-preflight request).
    #[inline]
    pub fn is_cors_preflight(self) -> bool {
        let has = |name| self.single(name).is_some_and(|value| !value.is_empty());
        self.method() == b"OPTIONS" && has("origin") && has("access-control-request-method")
    }
}

/// Whether some upstream takes this field's name for that one.
#[inline]
pub(crate) fn is_same_field(name: &[u8], wanted: &str) -> bool {
    name.len() == wanted.len() && starts_like(name, wanted)
}

/// Whether some upstream may read the start of this field's name as `start`: in any letter case, and with other
/// characters for hyphens. CGI and its successors do not distinguish underscores from hyphens ([RFC 3875
/// §4.1.18]), PHP also reads dots as underscores, and lighttpd does so with everything that is not a letter or
/// a digit.
///
/// [RFC 3875 §4.1.18]: https://www.rfc-editor.org/rfc/rfc3875#section-4.1.18
#[inline]
pub(crate) fn starts_like(name: &[u8], start: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b':' => byte,
        b'A'..=b'Z' => byte.to_ascii_lowercase(),
        _ => b'-',
    };
    name.len() >= start.len() && name.iter().zip(start.bytes()).all(|(a, b)| plain(*a) == plain(b))
}

/// Whether the whole text is one token of HTTP: `1*tchar` ([RFC 9110 §5.6.2]).
///
/// [RFC 9110 §5.6.2]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
pub fn is_token(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

/// Whether this is a method in upper case ([RFC 9110 §9.1]). They are case-sensitive: one in lower case is a slip.
///
/// [RFC 9110 §9.1]: https://www.rfc-editor.org/rfc/rfc9110#section-9.1
pub fn is_method(text: &str) -> bool {
    is_token(text) && !text.bytes().any(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{Packed, RequestHead, packed};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn fields(lines: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        lines.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
    }

    #[test]
    fn grpc_is_told_by_the_whole_media_type() {
        // GRP-01, GRP-05, GRP-06
        #[rustfmt::skip]
        let cases = [
            ("application/grpc", true), ("application/grpc+proto", true), ("Application/GRPC;x=y", true),
            ("application/grpc-web", false), ("application/grpcx", false), ("application/json", false), ("", false),
        ];
        for (value, want) in cases {
            assert_eq!(RequestHead::new(&fields(&[("content-type", value)])).is_grpc(), want, "{value}");
        }
    }

    #[test]
    fn a_preflight_needs_all_three_signs() {
        // COR-01, COR-03, ATK-103
        let origin = ("origin", "https://a.example");
        let asked = ("access-control-request-method", "GET");
        #[rustfmt::skip]
        let cases = [
            ("all three",      vec![(":method", "OPTIONS"), origin, asked], true),
            ("no origin",      vec![(":method", "OPTIONS"), asked], false),
            ("no method",      vec![(":method", "OPTIONS"), origin], false),
            ("empty method",   vec![(":method", "OPTIONS"), origin, ("access-control-request-method", "")], false),
            ("not OPTIONS",    vec![(":method", "POST"), origin, asked], false),
        ];
        for (name, lines, want) in cases {
            assert_eq!(RequestHead::new(&fields(&lines)).is_cors_preflight(), want, "{name}");
        }
    }

    #[test]
    fn a_packed_head_is_read_as_far_as_it_goes() {
        let lines = fields(&[(":path", "/"), ("a", ""), ("", "b"), ("x", "\u{ff}\0")]);
        let bytes = packed(lines.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
        assert_eq!(bytes[..12], [4, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0]);
        let read = |bytes: &[u8]| -> Vec<(Vec<u8>, Vec<u8>)> {
            Packed::new(bytes.to_vec()).iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect()
        };
        assert_eq!(read(&bytes), lines);
        for cut in 0..bytes.len() {
            let part = read(&bytes[..cut]);
            assert_eq!(part, lines[..part.len()], "{cut}");
        }
        for hostile in
            [[0xff; 64].as_slice(), &[0xff, 0xff, 0xff, 0x7f], &[9, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1]]
        {
            assert!(read(hostile).is_empty());
        }
    }
}
