//! The request path, in the one spelling that rules are matched on, or refused ([RFC 3986 §6.2.2]).
//!
//! [RFC 3986 §6.2.2]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2

/// A path in normal form: absolute, no dot segments, no empty segments but the last, escapes of
/// unreserved characters decoded and all others in upper case, no query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NormalPath(String);

/// Why a path is refused: an upstream might read it otherwise than the rules do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the path is ambiguous")]
pub struct AmbiguousPath;

impl NormalPath {
    /// Normalises the path part of a request target (the part before `?`).
    ///
    /// Refused: what does not start with `/`; escaped slashes and backslashes, raw backslashes,
    /// controls, `#` and bytes beyond ASCII, escaped or not where that hides something; escapes that
    /// are none; dot segments with parameters (`..;x`).
    pub fn parse(path: &[u8]) -> Result<Self, AmbiguousPath> {
        let decoded = decode_unreserved(path)?;
        let absolute = decoded.strip_prefix('/').ok_or(AmbiguousPath)?;
        let mut kept: Vec<&str> = Vec::new();
        let mut ends_open = false;
        for segment in absolute.split('/') {
            ends_open = matches!(segment, "" | "." | "..");
            match segment {
                "" | "." => {}
                ".." => drop(kept.pop()),
                dots if dots.starts_with(".;") || dots.starts_with("..;") => return Err(AmbiguousPath),
                other => kept.push(other),
            }
        }
        let mut normal = String::with_capacity(decoded.len());
        for segment in &kept {
            normal.push('/');
            normal.push_str(segment);
        }
        if ends_open || kept.is_empty() {
            normal.push('/');
        }
        Ok(Self(normal))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Splits a request target at its first `?`; the second part is `None` if there is no `?`.
pub fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (target.get(..at).unwrap_or_default(), target.get(at.saturating_add(1)..)),
        None => (target, None),
    }
}

/// Decodes escapes of unreserved characters, puts all others into upper case, and refuses what could
/// be read in two ways.
fn decode_unreserved(path: &[u8]) -> Result<String, AmbiguousPath> {
    let mut decoded = String::with_capacity(path.len());
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let escaped = escaped_byte(bytes.next(), bytes.next()).ok_or(AmbiguousPath)?;
                match escaped {
                    b'/' | b'\\' | 0..=0x1f | 0x7f => return Err(AmbiguousPath),
                    b'-' | b'.' | b'_' | b'~' => decoded.push(char::from(escaped)),
                    _ if escaped.is_ascii_alphanumeric() => decoded.push(char::from(escaped)),
                    _ => {
                        use std::fmt::Write as _;
                        let _ = write!(decoded, "%{escaped:02X}");
                    }
                }
            }
            b'\\' | b'#' | 0..=b' ' | 0x7f.. => return Err(AmbiguousPath),
            plain => decoded.push(char::from(plain)),
        }
    }
    Ok(decoded)
}

/// The byte that two hexadecimal digits stand for.
pub(crate) fn escaped_byte(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)?.wrapping_shl(4) | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::{AmbiguousPath, NormalPath, split_query};
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
            ("a parameter on a name",             "/a;v=1/b",                 Ok("/a;v=1/b")),
            ("PTH-02 escaped slash",              "/public%2f..%2fadmin",     Err(AmbiguousPath)),
            ("PTH-02 escaped backslash",          "/a%5Cb",                   Err(AmbiguousPath)),
            ("PTH-02 backslash",                  "/public\\..\\admin",       Err(AmbiguousPath)),
            ("ATK-104 NUL",                       "/admin%00.png",            Err(AmbiguousPath)),
            ("ATK-104 dots with a parameter",     "/public/..;/admin",        Err(AmbiguousPath)),
            ("the same, escaped",                 "/public/%2e.;x=y/admin",   Err(AmbiguousPath)),
            ("PTH-05 a fragment",                 "/public#/../admin",        Err(AmbiguousPath)),
            ("not an escape",                     "/a%zz",                    Err(AmbiguousPath)),
            ("half an escape",                    "/a%4",                     Err(AmbiguousPath)),
            ("beyond ASCII",                      "/caf\u{e9}",               Err(AmbiguousPath)),
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
    fn the_query_is_cut_at_the_first_mark() {
        assert_eq!(split_query(b"/a?b?c"), (&b"/a"[..], Some(&b"b?c"[..])));
        assert_eq!(split_query(b"/a?"), (&b"/a"[..], Some(&b""[..])));
        assert_eq!(split_query(b"/a"), (&b"/a"[..], None));
    }
}
