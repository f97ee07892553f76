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
    pub fn parse(path: &[u8]) -> Result<Self, AmbiguousPath> {
        let _ = path;
        todo!()
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Splits a request target at its first `?`; the second part is `None` if there is no `?`.
pub fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let _ = target;
    todo!()
}
