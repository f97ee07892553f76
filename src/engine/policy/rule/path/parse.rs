//! From the text of a rule to its pattern.

use crate::policy::rule::path::regex::{Regex, RegexFault};
use crate::policy::rule::path::{Expression, MAX_REGEX_PATH, PathPattern, Segment};
use crate::request::path::NormalPath;

/// Why a path pattern cannot be used; fits behind "expected".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

impl PatternError {
    /// Reads the text of a pattern.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl PathPattern {
    /// `path`: the whole path, normalised as requests are.
    pub fn exact(text: &str) -> Result<Self, PatternError> {
        plain(text).map(Self::Exact)
    }

    /// `prefix`: whole segments, normalised as requests are. A trailing `/` matters: `/foo/` does not
    /// match `/foo`.
    pub fn prefix(text: &str) -> Result<Self, PatternError> {
        plain(text).map(Self::Prefix)
    }

    /// `path_template`: `/orders/{id}`, `/files/{name=**}`.
    pub fn template(text: &str) -> Result<Self, PatternError> {
        let Some(absolute) = text.strip_prefix('/') else {
            return Err(PatternError::new("expected a path that starts with \"/\""));
        };
        let mut segments = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        let mut parts = absolute.split('/').peekable();
        while let Some(part) = parts.next() {
            if part.is_empty() && parts.peek().is_some() {
                // Requests have no empty segments but the last.
                continue;
            }
            if segments.contains(&Segment::Rest) {
                return Err(PatternError::new("expected {name=**} in the last segment only"));
            }
            let Some(variable) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
                segments.push(literal(part)?);
                continue;
            };
            let (name, rest) = match variable.strip_suffix("=**") {
                Some(name) => (name, true),
                None => (variable, false),
            };
            if !is_variable_name(name) {
                return Err(PatternError::new(
                    "expected {name} or {name=**}, with a name of letters, digits and _",
                ));
            }
            if names.contains(&name) {
                return Err(PatternError(format!("expected different names, got {{{name}}} twice")));
            }
            names.push(name);
            segments.push(if rest { Segment::Rest } else { Segment::One });
        }
        Ok(Self::Template(segments))
    }

    /// `safe_regex`: matched against the whole path.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_REGEX {
            return Err(PatternError(format!("expected at most {MAX_REGEX} bytes")));
        }
        if has_needless_escape(text) {
            return Err(PatternError::new(
                "expected unescaped characters (\\[ for \"[\", not %5B): paths are matched without needless escapes",
            ));
        }
        let regex = Regex::parse(text).map_err(|fault| match fault {
            RegexFault::Syntax => {
                PatternError::new("expected a regular expression (without look-around and back-references)")
            }
            RegexFault::NotAscii => {
                PatternError::new("expected ASCII characters: paths have the others as %C3%A9")
            }
            RegexFault::Verbose | RegexFault::TooLarge => {
                PatternError::new("expected a smaller regular expression, without (?x) comments")
            }
        })?;
        // A class or an escape may stand for capitals without one: [[:upper:]], [0-_], \x41.
        let has_capitals = text.bytes().any(|b| b.is_ascii_uppercase() || matches!(b, b'[' | b'\\'));
        let longest = MAX_REGEX_PATH;
        Ok(Self::Regex(Expression { regex, has_capitals, longest }))
    }
}

/// A path without variables. Those of a template would be read letter by letter here, never match,
/// and leave open what the rule is meant to close.
fn plain(text: &str) -> Result<String, PatternError> {
    let is_variable = |part: &str| matches!(part, "*" | "**") || part.starts_with('{') && part.ends_with('}');
    if text.split('/').any(is_variable) {
        return Err(PatternError::new(
            "expected no variable segments: prefix matches everything that follows; use path_template for {name}",
        ));
    }
    normal(text)
}

/// A path in the spelling that requests have after normalisation.
fn normal(text: &str) -> Result<String, PatternError> {
    if !text.starts_with('/') {
        return Err(PatternError::new("expected a path that starts with \"/\""));
    }
    if text.contains(['?', '#']) {
        return Err(PatternError::new(
            "expected a path without \"?\" and \"#\", because only paths are matched",
        ));
    }
    let path = NormalPath::parse(text.as_bytes());
    let path = path.map_err(|_| PatternError::new("expected a path that can be read in one way only"))?;
    Ok(path.matched().to_owned())
}

/// Whether an expression has an escape that no path has by the time it is matched.
fn has_needless_escape(expression: &str) -> bool {
    expression.match_indices('%').any(|(at, _)| {
        let escape = expression.get(at..).and_then(|rest| rest.get(..3));
        let path = escape.map(|escape| format!("/{escape}/"));
        path.is_some_and(|path| {
            let read = NormalPath::parse(path.as_bytes());
            read.is_ok_and(|read| !read.matched().eq_ignore_ascii_case(&path))
        })
    })
}

/// A literal segment, in the spelling that requests have after normalisation.
fn literal(part: &str) -> Result<Segment, PatternError> {
    if part.contains(['{', '}', '*', '?']) {
        return Err(PatternError::new(
            "expected {name} to be a whole segment, and no \"*\" or \"?\" outside of it",
        ));
    }
    let path = normal(&format!("/{part}"))?;
    let literal = path.strip_prefix('/').unwrap_or_default();
    if literal.is_empty() != part.is_empty() {
        return Err(PatternError::new("expected no dot segments"));
    }
    Ok(Segment::Literal(literal.to_owned()))
}

fn is_variable_name(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.bytes().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The longest regular expression, in bytes.
const MAX_REGEX: usize = 1024;
