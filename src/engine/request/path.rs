//! The request path, in the one spelling that rules are matched on, or rejected ([RFC 3986 §6.2.2]).
//!
//! [RFC 3986 §6.2.2]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2

use crate::base::text;
use crate::request::matching::Reading;

/// A path in normal form: absolute, no dot segments, no empty segments but the last, escapes of
/// unreserved characters decoded and all others in upper case, no query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NormalPath {
    normal: String,
    matched: Option<String>,
    /// Other readings of it by some upstreams.
    others: Vec<String>,
    has_escaped_slash: bool,
}

/// Why a path is rejected: an upstream might read it differently from the rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the path is ambiguous")]
pub struct AmbiguousPath;

impl NormalPath {
    /// Normalises the path part of a request target (the part before `?`).
    ///
    /// Rejected: what does not start with `/`; slashes and backslashes that are escaped; backslashes, spaces,
    /// `?`, `#` and bytes beyond ASCII that are not; controls either way; invalid escapes; dot segments with
    /// parameters (`..;x`), because some upstreams read them as dot segments.
    #[inline]
    pub fn parse(path: &[u8]) -> Result<Self, AmbiguousPath> {
        Self::normalise(path, false)
    }

    /// The same of a request, with what others may make of it: a path with parameters
    /// ([RFC 3986 §3.3]) has readings without them, and slashes may be escaped where unescaping them
    /// removes nothing.
    ///
    /// [RFC 3986 §3.3]: https://www.rfc-editor.org/rfc/rfc3986#section-3.3
    #[inline]
    pub fn read(path: &[u8], parameters: Reading) -> Result<Self, AmbiguousPath> {
        let mut parsed = Self::normalise(path, true)?;
        if text::find(&parsed.normal, "%2F").is_some() {
            return parsed.with_slashes_unescaped();
        }
        if !parsed.matched().contains(';') || parameters == Reading::Literal {
            return Ok(parsed);
        }
        let without = without_parameters(parsed.matched());
        if parameters == Reading::Ignore {
            parsed.matched = Some(without);
            return Ok(parsed);
        }
        // Envoy's router and a few upstreams end the path at the first of them.
        let cut = parsed.matched().split(';').next().unwrap_or_default().to_owned();
        parsed.others.extend((cut != without).then_some(cut));
        parsed.others.push(without);
        Ok(parsed)
    }

    #[inline]
    fn normalise(path: &[u8], allow_escaped_slashes: bool) -> Result<Self, AmbiguousPath> {
        let decoded = decode_unreserved(path, allow_escaped_slashes)?;
        let absolute = decoded.strip_prefix('/').ok_or(AmbiguousPath)?;
        let mut kept: Vec<&str> = Vec::new();
        let mut ends_open = false;
        for segment in absolute.split('/') {
            ends_open = matches!(segment, "" | "." | "..");
            match segment {
                "" | "." => {}
                ".." => drop(kept.pop()),
                dots if has_parameter_on_dots(dots) => return Err(AmbiguousPath),
                other => kept.push(other),
            }
        }
        let normal = joined(&kept, ends_open, decoded.len());
        let matched = normal.contains('%').then(|| decode_segment_characters(&normal));
        Ok(Self { normal, matched, others: Vec::new(), has_escaped_slash: false })
    }

    /// Adds the reading of upstreams that unescape slashes. A path is rejected if that reading has dot segments
    /// or empty segments to remove, or if it also has parameters.
    fn with_slashes_unescaped(self) -> Result<Self, AmbiguousPath> {
        let unescaped = text::replaced(&self.normal, "%2F", "/");
        let other = Self::parse(unescaped.as_bytes())?;
        if other.normal != unescaped || self.matched().contains(';') {
            return Err(AmbiguousPath);
        }
        Ok(Self { others: vec![other.matched().to_owned()], has_escaped_slash: true, ..self })
    }

    /// The path, as the upstream is to see it.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.normal
    }

    /// The path, as rules see it: escapes of all characters that may also come as they are are decoded too.
    /// `%3A` and `:` are not the same to the RFC, but they are to most upstreams, and a rule on
    /// `/v1/jobs:purge` must not be passed by with `/v1/jobs%3Apurge`.
    #[inline]
    pub fn matched(&self) -> &str {
        self.matched.as_deref().unwrap_or(&self.normal)
    }

    /// Other readings of it by some upstreams.
    #[inline]
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(String::as_str)
    }

    /// All of its readings.
    #[inline]
    pub fn readings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.matched()).chain(self.others())
    }

    /// Whether one of its slashes is escaped.
    #[inline]
    pub fn has_escaped_slash(&self) -> bool {
        self.has_escaped_slash
    }

    /// How long it is, all readings together.
    #[inline]
    pub fn length(&self) -> usize {
        self.readings().fold(0, |sum, reading| sum.saturating_add(reading.len()))
    }
}

/// Splits a request target at its first `?`; the second part is `None` if there is no `?`.
#[inline]
pub fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (target.get(..at).unwrap_or_default(), target.get(at.saturating_add(1)..)),
        None => (target, None),
    }
}

/// Segments in one piece.
#[inline]
fn joined(segments: &[&str], ends_open: bool, capacity: usize) -> String {
    let mut path = String::with_capacity(capacity);
    for segment in segments {
        path.push('/');
        path.push_str(segment);
    }
    if ends_open || segments.is_empty() {
        path.push('/');
    }
    path
}

/// A path as those see it who take off the parameters of each segment.
fn without_parameters(path: &str) -> String {
    let bare = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    let ends_open = bare.clone().next_back().is_some_and(str::is_empty);
    let kept: Vec<&str> = bare.filter(|segment| !segment.is_empty()).collect();
    joined(&kept, ends_open, path.len())
}

/// Whether this is a dot segment to those who cut parameters off first, before or after decoding.
#[inline]
fn has_parameter_on_dots(segment: &str) -> bool {
    let after_dots = segment.strip_prefix("..").or_else(|| segment.strip_prefix('.'));
    after_dots.is_some_and(|rest| rest.starts_with(';') || rest.starts_with("%3B"))
}

/// Decodes escapes of all characters that a path may hold as they are: those of a segment
/// ([RFC 3986 §3.3]), and others that no URI has but that clients, Envoy and upstreams pass on (`[`, `|`).
fn decode_segment_characters(normal: &str) -> String {
    let mut decoded = String::with_capacity(normal.len());
    let mut parts = normal.split('%');
    decoded.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (escape, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        let mut digits = escape.bytes();
        match escaped_byte(digits.next(), digits.next()) {
            Some(byte) if byte.is_ascii_graphic() && !b"%/?#\\".contains(&byte) => {
                decoded.push(char::from(byte));
            }
            _ => {
                decoded.push('%');
                decoded.push_str(escape);
            }
        }
        decoded.push_str(rest);
    }
    decoded
}

/// Decodes escapes of unreserved characters, puts all others into upper case, and rejects what could
/// be read in two ways.
#[inline]
fn decode_unreserved(path: &[u8], allow_escaped_slashes: bool) -> Result<String, AmbiguousPath> {
    let mut decoded = String::with_capacity(path.len());
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let escaped = escaped_byte(bytes.next(), bytes.next()).ok_or(AmbiguousPath)?;
                match escaped {
                    b'/' if !allow_escaped_slashes => return Err(AmbiguousPath),
                    b'\\' | 0..=0x1f | 0x7f => return Err(AmbiguousPath),
                    b'-' | b'.' | b'_' | b'~' => decoded.push(char::from(escaped)),
                    _ if escaped.is_ascii_alphanumeric() => decoded.push(char::from(escaped)),
                    _ => {
                        use std::fmt::Write as _;
                        let _ = write!(decoded, "%{escaped:02X}");
                    }
                }
            }
            b'\\' | b'#' | b'?' | 0..=b' ' | 0x7f.. => return Err(AmbiguousPath),
            plain => decoded.push(char::from(plain)),
        }
    }
    Ok(decoded)
}

/// The byte that two hexadecimal digits stand for.
#[inline]
pub(crate) fn escaped_byte(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)?.wrapping_shl(4) | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::{AmbiguousPath, NormalPath, split_query};
    use crate::request::matching::Reading;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn paths_in_normal_form() {
        #[rustfmt::skip]
        let cases = [
            ("the root",                          "/",                        Ok("/")),
            ("as it is",                          "/a/b",                     Ok("/a/b")),
            ("a trailing slash stays",            "/a/b/",                    Ok("/a/b/")),
            ("PTH-01 dot segments",               "/public/../admin",         Ok("/admin")),
            ("PTH-01 escaped dot segments",       "/public/%2e%2E/admin",     Ok("/admin")),
            ("ATK-104 a single dot",              "/./admin",                 Ok("/admin")),
            ("ATK-104 merged slashes",            "//admin///x",              Ok("/admin/x")),
            ("dots at the end leave a directory", "/a/b/..",                  Ok("/a/")),
            ("a dot at the end",                  "/a/.",                     Ok("/a/")),
            ("above the root is the root",        "/../../x",                 Ok("/x")),
            ("unreserved escapes are decoded",    "/%7Euser/%61",             Ok("/~user/a")),
            ("others stay, in upper case",        "/caf%c3%a9/%20",           Ok("/caf%C3%A9/%20")),
            ("case is kept",                      "/Public",                  Ok("/Public")),
            ("three dots are a name",             "/.../a",                   Ok("/.../a")),
            ("decoded once, not twice",           "/%252e%252e/a",            Ok("/%252e%252e/a")),
            ("dots of a name",                    "/..a/.b/c.",               Ok("/..a/.b/c.")),
            ("PTH-03 no way around a name",       "/health/../x",             Ok("/x")),
            ("a parameter on a name",             "/a;v=1/b",                 Ok("/a;v=1/b")),
            ("PTH-02 escaped slash",              "/public%2f..%2fadmin",     Err(AmbiguousPath)),
            ("PTH-02 escaped backslash",          "/a%5Cb",                   Err(AmbiguousPath)),
            ("PTH-02 backslash",                  "/public\\..\\admin",       Err(AmbiguousPath)),
            ("ATK-104 NUL",                       "/admin%00.png",            Err(AmbiguousPath)),
            ("ATK-104 dots with a parameter",     "/public/..;/admin",        Err(AmbiguousPath)),
            ("the same, escaped",                 "/public/%2e.;x=y/admin",   Err(AmbiguousPath)),
            ("ATK-104 and with a single dot",     "/public/.;/admin",         Err(AmbiguousPath)),
            ("ATK-104 an escaped parameter",      "/public/..%3bx/admin",     Err(AmbiguousPath)),
            ("PTH-05 a fragment",                 "/public#/../admin",        Err(AmbiguousPath)),
            ("PTH-02 not an escape",              "/a%zz",                    Err(AmbiguousPath)),
            ("PTH-02 half an escape",             "/a%4",                     Err(AmbiguousPath)),
            ("PTH-02 an escape's start",          "/a%",                      Err(AmbiguousPath)),
            ("PTH-02 an escape of another kind",  "/a%u002f",                 Err(AmbiguousPath)),
            ("an escape with a sign",             "/a%+1",                    Err(AmbiguousPath)),
            ("an escaped line end",               "/a%0d%0aX:%20y",           Err(AmbiguousPath)),
            ("an escaped delete",                 "/a%7F",                    Err(AmbiguousPath)),
            ("a control",                         "/a\tb",                    Err(AmbiguousPath)),
            ("NUL",                               "/a\0b",                    Err(AmbiguousPath)),
            ("a space",                           "/a b",                     Err(AmbiguousPath)),
            ("beyond ASCII",                      "/caf\u{e9}",               Err(AmbiguousPath)),
            ("a query is no part of a path",      "/a?b",                     Err(AmbiguousPath)),
            ("not absolute",                      "a",                        Err(AmbiguousPath)),
            ("PTH-09 a whole URI",                "http://h/r",               Err(AmbiguousPath)),
            ("empty",                             "",                         Err(AmbiguousPath)),
        ];
        for (name, path, want) in cases {
            let got = NormalPath::parse(path.as_bytes());
            assert_eq!(got.as_ref().map(NormalPath::as_str).map_err(|e| *e), want, "{name}");
            if let Ok(normal) = got {
                assert_eq!(NormalPath::parse(normal.as_str().as_bytes()), Ok(normal), "{name}, once more");
            }
        }
    }

    #[test]
    fn rules_see_through_needless_escapes() {
        // PTH-01
        let cases = [
            ("/v1/jobs%3Apurge", "/v1/jobs%3Apurge", "/v1/jobs:purge"),
            ("/a%2c%2Bb", "/a%2C%2Bb", "/a,+b"),
            ("/a[1]|b%7c%5b1%5d", "/a[1]|b%7C%5B1%5D", "/a[1]|b|[1]"),
            ("/%22%3c%3E%5e%60%7B%7d", "/%22%3C%3E%5E%60%7B%7D", "/\"<>^`{}"),
            ("/caf%c3%a9/%20%25", "/caf%C3%A9/%20%25", "/caf%C3%A9/%20%25"),
            ("/%253A", "/%253A", "/%253A"),
            ("/a%22%3c%3E%5e%60%7b%7c%7D", "/a%22%3C%3E%5E%60%7B%7C%7D", "/a\"<>^`{|}"),
            ("/a\"<>^`{|}", "/a\"<>^`{|}", "/a\"<>^`{|}"),
            ("/plain", "/plain", "/plain"),
        ];
        for (path, normal, matched) in cases {
            let parsed = NormalPath::parse(path.as_bytes()).unwrap();
            assert_eq!((parsed.as_str(), parsed.matched()), (normal, matched), "{path}");
        }
    }

    #[test]
    fn what_others_make_of_a_path() {
        // PTH-11, PTH-12
        #[rustfmt::skip]
        let cases: &[(&str, Result<&[&str], AmbiguousPath>)] = &[
            ("/a/b",              Ok(&["/a/b"])),
            ("/a;x/b;y",          Ok(&["/a;x/b;y", "/a", "/a/b"])),
            ("/a;x",              Ok(&["/a;x", "/a"])),
            ("/a%3Bx",            Ok(&["/a;x", "/a"])),
            ("/;x/a",             Ok(&["/;x/a", "/", "/a"])),
            ("/a/;x",             Ok(&["/a/;x", "/a/"])),
            ("/a;x/",             Ok(&["/a;x/", "/a", "/a/"])),
            ("/;",                Ok(&["/;", "/"])),
            ("/a%253Bx",          Ok(&["/a%253Bx"])),
            ("/a%2Fb",            Ok(&["/a%2Fb", "/a/b"])),
            ("/a%2fb%3A",         Ok(&["/a%2Fb:", "/a/b:"])),
            ("/a%2F",             Ok(&["/a%2F", "/a/"])),
            ("/a%252Fb",          Ok(&["/a%252Fb"])),
            ("/a/../b%2Fc",       Ok(&["/b%2Fc", "/b/c"])),
            ("/a%2F/b",           Err(AmbiguousPath)),
            ("/%2Fa",             Err(AmbiguousPath)),
            ("/a%2F%2Fb",         Err(AmbiguousPath)),
            ("/a%2F..%2Fb",       Err(AmbiguousPath)),
            ("/a/..%2Fb",         Err(AmbiguousPath)),
            ("/a%2F%2e",          Err(AmbiguousPath)),
            ("/a%2Fb;x",          Err(AmbiguousPath)),
            ("/a%2Fb%3Bx",        Err(AmbiguousPath)),
            ("/a%2F..;/b",        Err(AmbiguousPath)),
            ("/a%5Cb",            Err(AmbiguousPath)),
        ];
        for (path, want) in cases {
            let read = NormalPath::read(path.as_bytes(), Reading::Refuse);
            let got = read.as_ref().map(|path| path.readings().collect::<Vec<_>>()).map_err(|error| *error);
            assert_eq!(got, want.map(<[&str]>::to_vec), "{path}");
        }
        let ignored = NormalPath::read(b"/a;x/b;y", Reading::Ignore).unwrap();
        assert_eq!((ignored.as_str(), ignored.matched()), ("/a;x/b;y", "/a/b"));
        let literal = NormalPath::read(b"/a;x", Reading::Literal).unwrap();
        assert_eq!(literal.readings().collect::<Vec<_>>(), ["/a;x"]);
    }

    #[test]
    fn the_query_is_cut_at_the_first_mark() {
        assert_eq!(split_query(b"/a?b?c"), (&b"/a"[..], Some(&b"b?c"[..])));
        assert_eq!(split_query(b"/a?"), (&b"/a"[..], Some(&b""[..])));
        assert_eq!(split_query(b"/a"), (&b"/a"[..], None));
    }
    #[test]
    fn long_paths_take_no_longer_than_they_must() {
        // Seconds would become hours if time grew with the square of the length.
        for part in ["/", "/a", "/..", "/./", "%2e", "%7e/", ".", ";", "/..;"] {
            let path = format!("/{}", part.repeat(300_000));
            assert_eq!(NormalPath::parse(path.as_bytes()).is_ok(), part != "/..;", "{part}");
        }
        assert_eq!(NormalPath::parse("/a/..".repeat(300_000).as_bytes()).unwrap().as_str(), "/");
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws {
    use super::{NormalPath, split_query};
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
    use proptest::{collection, sample};

    /// Paths out of the pieces that matter.
    fn paths() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "/", ".", "..", ";", "a", "B", "~", "%2e", "%2E", "%61", "%7e", "%3b", "%3D", "%25", "%c3",
            "%2f", "%5c", "%00", "%", "2", "e", "\\", "#", "?", "=", ":",
        ];
        collection::vec(sample::select(PIECES), 0..24).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    /// What an upstream makes of a path: escapes decoded, then dot segments removed.
    fn as_read(path: &str) -> Vec<Vec<u8>> {
        let mut decoded = Vec::new();
        let mut bytes = path.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'%' => decoded.extend(super::escaped_byte(bytes.next(), bytes.next())),
                _ => decoded.push(byte),
            }
        }
        let mut kept = Vec::new();
        for segment in decoded.split(|byte| *byte == b'/') {
            match segment {
                b"" | b"." => {}
                b".." => drop(kept.pop()),
                other => kept.push(other.to_vec()),
            }
        }
        kept
    }

    proptest! {
        #[test]
        fn any_bytes_are_normalised_or_refused(path in any::<Vec<u8>>()) {
            let _ = NormalPath::parse(&path);
            let _ = NormalPath::parse(&[b"/", path.as_slice()].concat());
        }

        #[test]
        fn the_normal_form_is_its_own(path in paths()) {
            if let Ok(normal) = NormalPath::parse(path.as_bytes()) {
                prop_assert_eq!(NormalPath::parse(normal.as_str().as_bytes()), Ok(normal));
            }
        }

        // PTH-01
        #[test]
        fn the_normal_form_has_nothing_left_to_normalise(path in paths()) {
            if let Ok(normal) = NormalPath::parse(path.as_bytes()) {
                let text = normal.as_str();
                prop_assert!(text.starts_with('/'));
                prop_assert!(!text.contains("//"));
                prop_assert!(text.split('/').all(|segment| segment != "." && segment != ".."));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(text.len() <= path.len());
            }
        }

        // PTH-01
        #[test]
        fn an_upstream_reads_both_spellings_alike(path in paths()) {
            if let Ok(normal) = NormalPath::parse(path.as_bytes()) {
                prop_assert_eq!(as_read(normal.as_str()), as_read(&path));
            }
        }

        // PTH-02
        #[test]
        fn one_bad_piece_spoils_every_path(before in paths(), after in paths(), bad in sample::select(
            &["%2f", "%2F", "%5c", "%00", "%0A", "%7f", "\\", "#", "?", " ", "%zz", "/..;", "/.;", "/%2e%2E;"][..]
        )) {
            let path = format!("{before}{bad}{after}");
            prop_assert!(NormalPath::parse(path.as_bytes()).is_err());
        }

        #[test]
        fn a_target_is_its_path_and_its_query(target in any::<Vec<u8>>()) {
            let (path, query) = split_query(&target);
            prop_assert!(!path.contains(&b'?'));
            let joined = query.map_or(path.to_vec(), |query| [path, b"?", query].concat());
            prop_assert_eq!(joined, target);
        }
    }
}
