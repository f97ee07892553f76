//! How a path is matched.

mod parse;
mod regex;

use crate::decision::Doubt;
use crate::policy::rule::fit::Fit;
use crate::request::path::NormalPath;

use self::regex::Regex;

pub use self::parse::PatternError;

/// How a path is matched.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// The whole path.
    Exact(String),
    /// Whole segments from the start: `/foo` matches `/foo` and `/foo/bar`, not `/foobar`.
    Prefix(String),
    /// Segments, with variables.
    Template(Vec<Segment>),
    /// The whole path by a regular expression that runs in linear time.
    Regex(Expression),
}

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Expression {
    regex: Regex,
    has_capitals: bool,
    /// The longest path that it is tried on.
    longest: usize,
}

/// Which differences in a path count besides its segments.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spelling {
    /// The case of ASCII letters.
    pub case: Variation,
    /// A slash at the end.
    pub final_slash: Variation,
    /// Whether the upstream keeps an escaped slash as a part of its segment.
    pub keeps_escaped_slashes: bool,
}

/// What is made of a path that fits but for its spelling.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Variation {
    /// The request is rejected, because some upstreams read both alike and others do not.
    #[default]
    Refused,
    /// It fits.
    Ignored,
    /// It does not fit.
    Counts,
}

/// What is overlooked in one comparison.
#[derive(Clone, Copy)]
struct Lenience {
    case: bool,
    final_slash: bool,
}

/// One segment of a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// `{name}`: any one segment that is not empty.
    One,
    /// `{name=**}`: the rest of the path, if anything; at the end only.
    Rest,
}

impl PathPattern {
    /// This pattern as one of so many rules with an expression: all of them may be tried on one path.
    pub fn one_of(&mut self, expressions: usize) {
        if let Self::Regex(expression) = self {
            let share = MAX_REGEX_PATHS.checked_div(expressions).unwrap_or(MAX_REGEX_PATH);
            expression.longest = share.clamp(MIN_REGEX_PATH, MAX_REGEX_PATH);
        }
    }

    /// What every path that fits starts with, in whole segments; `None`: that cannot be told.
    pub(super) fn fixed_start(&self) -> Option<String> {
        match self {
            Self::Exact(path) | Self::Prefix(path) => Some(path.clone()),
            Self::Template(segments) => {
                let literals = segments.iter().map_while(|segment| match segment {
                    Segment::Literal(text) => Some(format!("/{text}")),
                    Segment::One | Segment::Rest => None,
                });
                Some(literals.collect())
            }
            Self::Regex(_) => None,
        }
    }

    /// Whether the path fits. Unclear: it does in one of its readings only, or but for its spelling.
    #[inline]
    pub fn fits(&self, path: &NormalPath, spelling: Spelling) -> Fit {
        if self.is_too_long(path) {
            return Fit::Unclear(Doubt::LongPath);
        }
        let ignored = Lenience {
            case: spelling.case == Variation::Ignored,
            final_slash: spelling.final_slash == Variation::Ignored,
        };
        let exactly = |reading: &str| self.is(reading, ignored);
        let nearly = |reading: &str| self.is_nearly(reading, spelling);
        let own = exactly(path.matched());
        if path.has_escaped_slash() {
            return match (own, spelling.keeps_escaped_slashes) {
                (true, true) => Fit::Yes,
                (false, _) if !path.readings().any(nearly) => Fit::No,
                _ => Fit::Unclear(Doubt::EscapedSlash),
            };
        }
        match own {
            true if path.others().all(exactly) => Fit::Yes,
            true => Fit::Unclear(Doubt::Parameters),
            false if path.others().any(nearly) => Fit::Unclear(Doubt::Parameters),
            false if nearly(path.matched()) => Fit::Unclear(Doubt::Spelling),
            false => Fit::No,
        }
    }

    /// Whether this reading of a path fits.
    #[inline]
    pub(crate) fn is_start_of(&self, reading: &str, any_case: bool) -> bool {
        self.is(reading, Lenience { case: any_case, final_slash: false })
    }

    /// Whether the path fits where its escaped slashes are unescaped, and only there.
    #[inline]
    pub(super) fn fits_unescaped_only(&self, path: &NormalPath, spelling: Spelling) -> bool {
        path.length() > MAX_REGEX_PATH
            || self.is_too_long(path)
            || !self.is_nearly(path.matched(), spelling)
                && path.others().any(|reading| self.is_nearly(reading, spelling))
    }

    #[inline]
    fn is_too_long(&self, path: &NormalPath) -> bool {
        matches!(self, Self::Regex(expression) if path.length() > expression.longest)
    }

    /// Whether the path fits but for what may be overlooked. The final slash of a prefix is written to
    /// be seen.
    #[inline]
    fn is_nearly(&self, path: &str, spelling: Spelling) -> bool {
        let final_slash = match self {
            Self::Exact(_) | Self::Template(_) => spelling.final_slash != Variation::Counts,
            Self::Prefix(_) | Self::Regex(_) => spelling.final_slash == Variation::Ignored,
        };
        self.is(path, Lenience { case: spelling.case != Variation::Counts, final_slash })
    }

    #[inline]
    fn is(&self, path: &str, lenience: Lenience) -> bool {
        let trimmed = if lenience.final_slash { without_final_slash(path) } else { path };
        let alike = |a: &str, b: &str| if lenience.case { a.eq_ignore_ascii_case(b) } else { a == b };
        match self {
            Self::Exact(want) if lenience.final_slash => alike(trimmed, without_final_slash(want)),
            Self::Exact(want) => alike(path, want),
            Self::Prefix(prefix) => {
                let start = path.split_at_checked(prefix.len());
                let below = start.is_some_and(|(start, rest)| {
                    alike(start, prefix)
                        && (prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
                });
                below || lenience.final_slash && alike(trimmed, without_final_slash(prefix))
            }
            Self::Template(segments) => {
                let segments = match segments.as_slice() {
                    [start @ .., last]
                        if lenience.final_slash && *last == Segment::Literal(String::new()) =>
                    {
                        if start.is_empty() { segments } else { start }
                    }
                    all => all,
                };
                matches_template(segments, trimmed, &alike)
            }
            // Which of both spellings it was written for cannot be told.
            Self::Regex(expression) => {
                expression.is(path, lenience.case)
                    || lenience.final_slash
                        && match path.strip_suffix('/') {
                            Some(without) => expression.is(without, lenience.case),
                            None => expression.is(&format!("{path}/"), lenience.case),
                        }
            }
        }
    }
}

impl Expression {
    #[inline]
    fn is(&self, path: &str, any_case: bool) -> bool {
        let has_case = || self.has_capitals || path.bytes().any(|b| b.is_ascii_uppercase());
        self.regex.is_match(path, false) || any_case && has_case() && self.regex.is_match(path, true)
    }
}

/// A path without the slash at its end, unless that is all there is.
#[inline]
fn without_final_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path)
}

/// Whether a path is another one or continues it, in whole segments.
#[inline]
pub(super) fn is_below(path: &str, start: &str) -> bool {
    let start = start.trim_end_matches('/');
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[inline]
fn matches_template(segments: &[Segment], path: &str, alike: &dyn Fn(&str, &str) -> bool) -> bool {
    let Some(absolute) = path.strip_prefix('/') else { return false };
    let mut parts = absolute.split('/');
    for segment in segments {
        match segment {
            Segment::Rest => return true,
            Segment::One if parts.next().is_some_and(|part| !part.is_empty()) => {}
            Segment::Literal(text) if parts.next().is_some_and(|part| alike(part, text)) => {}
            Segment::One | Segment::Literal(_) => return false,
        }
    }
    parts.next().is_none()
}

/// The longest path that is matched by regular expressions, all of its readings together, in bytes. Their
/// time grows with it, and the request has shown no token yet.
const MAX_REGEX_PATH: usize = 2048;

/// The same, times the number of expressions.
const MAX_REGEX_PATHS: usize = 8192;

/// The length that is matched however many expressions there are.
const MIN_REGEX_PATH: usize = 256;

#[cfg(test)]
mod tests;

#[cfg(all(test, not(target_family = "wasm")))]
mod laws;
