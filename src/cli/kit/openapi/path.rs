//! The paths of an OpenAPI document, and how rules match them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tollgate_engine::policy::rule::PathPattern;
use tollgate_engine::request::path::NormalPath;

use crate::kit::openapi::template::{self, Piece, Variable};

/// A path, segment by segment. `Ord` sorts more specific paths first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Path(Vec<Segment>);

/// One segment.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Segment {
    /// This text, in the spelling that rules compare.
    Literal(String),
    /// Text with variables in it, as `{name}.{ext}`; `None` is a variable.
    Mixed(Vec<Option<String>>),
    /// Any segment that is not empty.
    Variable,
    /// Any segments, of which the first is not empty. Only at the end.
    Rest,
}

/// A path of the document.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The path for comparisons with requests.
    pub(crate) path: Path,
    /// The names of variables that are whole segments, as templates require them.
    names: Vec<String>,
    /// Whether a query or a fragment was removed, because rules do not see it.
    pub(crate) is_cut: bool,
    /// Whether the author may have meant more requests than it matches.
    pub(crate) is_narrow: bool,
    /// Remarks, as ends of a sentence that begins with the path.
    pub(crate) remarks: Vec<String>,
}

/// The requests that match both of two paths.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Common {
    /// No request matches both.
    Nothing,
    /// These requests match both.
    Path(Path),
    /// This cannot be decided.
    Unknown,
}

impl Written {
    /// Reads a path with `{variables}`. The error message follows the path in a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (segments, is_cut) = template::segments(text)?;
        let mut written =
            Self { path: Path(Vec::new()), names: Vec::new(), is_cut, is_narrow: false, remarks: Vec::new() };
        let last = segments.len().saturating_sub(1);
        for (i, pieces) in segments.into_iter().enumerate() {
            // In requests, only the last segment can be empty.
            if !pieces.is_empty() || i == last {
                written.segment(&pieces, i == last)?;
            }
        }
        if written.path.matcher(&written.names).is_none() {
            return Err("is too long or too odd for a rule");
        }
        Ok(written)
    }

    fn segment(&mut self, pieces: &[Piece<'_>], is_last: bool) -> Result<(), &'static str> {
        if let [Piece::Variable(Variable { text, name, kind: template::Kind::Rest { is_narrow } })] = pieces
            && is_last
        {
            self.is_narrow |= *is_narrow;
            self.remarks.push(format!("{{{text}}} is treated as one or more segments"));
            self.names.push(template::word(name, &self.names));
            self.path.0.push(Segment::Rest);
            return Ok(());
        }
        let mut parts = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => parts.push(Some(literal(text)?)),
                Piece::Variable(variable) => {
                    self.variable(variable)?;
                    parts.push(None);
                }
            }
        }
        self.path.0.push(match parts.as_slice() {
            [] => Segment::Literal(String::new()),
            [Some(text)] if matches!(text.as_str(), "." | "..") => return Err("has a dot segment"),
            [Some(text)] => Segment::Literal(text.clone()),
            [None] => {
                if let [Piece::Variable(variable)] = pieces {
                    self.names.push(template::word(variable.name, &self.names));
                }
                Segment::Variable
            }
            _ => Segment::Mixed(parts),
        });
        Ok(())
    }

    /// A remark about a variable that stands for one segment or a part of it.
    fn variable(&mut self, variable: &Variable<'_>) -> Result<(), &'static str> {
        let text = variable.text;
        match variable.kind {
            template::Kind::One => {}
            template::Kind::Expression { may_have_slashes } => {
                self.is_narrow |= may_have_slashes;
                self.remarks
                    .push(format!("{{{text}}} is treated as one segment, whatever its expression says"));
            }
            template::Kind::OrNothing => {
                self.is_narrow = true;
                self.remarks.push(format!("{{{text}}} is treated as one segment that is there"));
            }
            template::Kind::Rest { .. } => {
                return Err("has a variable for several segments that is not its last segment");
            }
        }
        Ok(())
    }

    /// `match`, without the methods.
    pub(crate) fn matcher(&self) -> Value {
        // The path could be read, so there is one.
        self.path.matcher(&self.names).unwrap_or_default()
    }
}

impl Path {
    /// `match`, without the methods; `names` are those of the variables. `None`: no rule can express it.
    pub(crate) fn matcher(&self, names: &[String]) -> Option<Value> {
        let (mut names, mut others) = (names.iter(), Vec::new());
        let mut name = || {
            let name = names.next().cloned().unwrap_or_else(|| template::word("any", &others));
            others.push(name.clone());
            name
        };
        let segments: Option<Vec<String>> = self
            .0
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => Some(text.clone()),
                Segment::Variable => Some(format!("{{{}}}", name())),
                Segment::Rest => {
                    let name = name();
                    Some(format!("{{{name}}}/{{{name}_rest=**}}"))
                }
                Segment::Mixed(_) => None,
            })
            .collect();
        let is_plain = self.0.iter().all(|segment| matches!(segment, Segment::Literal(_)));
        let text = segments.map(|segments| format!("/{}", segments.join("/")));
        let regex = self.regex();
        match text {
            Some(text) if is_plain && PathPattern::exact(&text).is_ok() => Some(json!({"path": text})),
            Some(text) if PathPattern::template(&text).is_ok() => Some(json!({"path_template": text})),
            _ if PathPattern::regex(&regex).is_ok() => Some(json!({"safe_regex": regex})),
            _ => None,
        }
    }

    /// The path for messages, if the document does not have it.
    pub(crate) fn text(&self) -> String {
        self.in_words("{any}")
    }

    /// A path of a request that it matches.
    pub(crate) fn sample(&self) -> String {
        self.in_words("tollgate-sample")
    }

    fn in_words(&self, variable: &str) -> String {
        self.0.iter().fold(String::new(), |text, segment| {
            text + "/"
                + &match segment {
                    Segment::Literal(text) => text.clone(),
                    Segment::Mixed(parts) => {
                        parts.iter().map(|part| part.as_deref().unwrap_or(variable)).collect()
                    }
                    Segment::Variable | Segment::Rest => variable.to_owned(),
                }
        })
    }

    fn regex(&self) -> String {
        self.0.iter().fold(String::new(), |regex, segment| {
            regex
                + "/"
                + &match segment {
                    Segment::Literal(text) => regex_lite::escape(text),
                    Segment::Mixed(parts) => parts
                        .iter()
                        .map(|part| part.as_deref().map_or("[^/]+".to_owned(), regex_lite::escape))
                        .collect(),
                    Segment::Variable => "[^/]+".to_owned(),
                    Segment::Rest => "[^/]+(?:/.*)?".to_owned(),
                }
        })
    }

    /// Whether a request's path, as rules see it, matches.
    pub(crate) fn fits(&self, path: &str) -> bool {
        let Some(absolute) = path.strip_prefix('/') else { return false };
        let mut parts = absolute.split('/');
        for segment in &self.0 {
            let Some(part) = parts.next() else { return false };
            let fits = match segment {
                Segment::Literal(text) => part == text,
                Segment::Mixed(pieces) => mixed_fits(pieces, part),
                Segment::Variable => !part.is_empty(),
                Segment::Rest => return !part.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        parts.next().is_none()
    }

    /// Compares two paths.
    pub(crate) fn common(&self, other: &Self) -> Common {
        if !self.may_meet(other) {
            return Common::Nothing;
        }
        let (mut segments, mut unknown) = (Vec::new(), false);
        let (mut own, mut others) = (self.0.iter(), other.0.iter());
        loop {
            match (own.next(), others.next()) {
                (None, None) => break,
                (Some(Segment::Rest), Some(segment)) => {
                    return meet_rest(segments, segment, others.as_slice(), unknown);
                }
                (Some(segment), Some(Segment::Rest)) => {
                    return meet_rest(segments, segment, own.as_slice(), unknown);
                }
                (Some(a), Some(b)) => match a.common(b) {
                    Meeting::Nothing => return Common::Nothing,
                    Meeting::Segment(segment) => segments.push(segment),
                    Meeting::Unknown => unknown = true,
                },
                (None, Some(_)) | (Some(_), None) => return Common::Nothing,
            }
        }
        if unknown { Common::Unknown } else { Common::Path(Self(segments)) }
    }

    /// Whether no segment shows at once that they differ, as it does for most pairs of paths.
    fn may_meet(&self, other: &Self) -> bool {
        let differ = |(a, b): (&Segment, &Segment)| matches!((a, b), (Segment::Literal(a), Segment::Literal(b)) if a != b);
        let has_rest = |path: &Self| path.0.last() == Some(&Segment::Rest);
        (self.0.len() == other.0.len() || has_rest(self) || has_rest(other))
            && !self.0.iter().zip(&other.0).any(differ)
    }
}

/// Compares two segments.
enum Meeting {
    Nothing,
    Segment(Segment),
    Unknown,
}

impl Segment {
    /// Neither of them is the rest of a path.
    fn common(&self, other: &Self) -> Meeting {
        match (self, other) {
            (a, b) if a == b => Meeting::Segment(a.clone()),
            (Self::Variable | Self::Rest, Self::Literal(text))
            | (Self::Literal(text), Self::Variable | Self::Rest)
                if text.is_empty() =>
            {
                Meeting::Nothing
            }
            (Self::Variable | Self::Rest, segment) | (segment, Self::Variable | Self::Rest) => {
                Meeting::Segment(segment.clone())
            }
            (Self::Mixed(parts), Self::Literal(text)) | (Self::Literal(text), Self::Mixed(parts)) => {
                if mixed_fits(parts, text) {
                    Meeting::Segment(Self::Literal(text.clone()))
                } else {
                    Meeting::Nothing
                }
            }
            (Self::Mixed(a), Self::Mixed(b)) => {
                if ends_differ(a, b) {
                    Meeting::Nothing
                } else {
                    Meeting::Unknown
                }
            }
            (Self::Literal(_), Self::Literal(_)) => Meeting::Nothing,
        }
    }
}

/// Compares the rest of a path with the segments that begin with `first`.
fn meet_rest(mut before: Vec<Segment>, first: &Segment, others: &[Segment], unknown: bool) -> Common {
    if *first == Segment::Literal(String::new()) {
        return Common::Nothing;
    }
    before.push(first.clone());
    before.extend_from_slice(others);
    if unknown { Common::Unknown } else { Common::Path(Path(before)) }
}

/// Whether a segment with variables in it matches; a variable is at least one character.
fn mixed_fits(parts: &[Option<String>], text: &str) -> bool {
    // The positions where the parts so far may end.
    let mut ends = BTreeSet::from([0_usize]);
    for part in parts {
        ends = if let Some(piece) = part {
            ends.into_iter()
                .filter(|end| text.get(*end..).is_some_and(|rest| rest.starts_with(piece.as_str())))
                .map(|end| end.saturating_add(piece.len()))
                .collect()
        } else {
            let Some(first) = ends.first() else { return false };
            (first.saturating_add(1)..=text.len()).collect()
        };
    }
    ends.contains(&text.len())
}

/// Whether two segments begin or end with different text.
fn ends_differ(a: &[Option<String>], b: &[Option<String>]) -> bool {
    let text = |part: Option<&Option<String>>| part.cloned().flatten().unwrap_or_default();
    let (start_a, start_b) = (text(a.first()), text(b.first()));
    let (end_a, end_b) = (text(a.last()), text(b.last()));
    !(start_a.starts_with(&start_b) || start_b.starts_with(&start_a))
        || !(end_a.ends_with(&end_b) || end_b.ends_with(&end_a))
}

/// Text without variables, in the spelling that rules compare. Clients escape what a URL cannot contain.
fn literal(text: &str) -> Result<String, &'static str> {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' | 0x80.. => {
                use std::fmt::Write as _;
                let _ = write!(escaped, "%{byte:02X}");
            }
            b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'|' | b'\\' => return Err(ODD),
            plain => escaped.push(char::from(plain)),
        }
    }
    if matches!(escaped.as_str(), "." | "..") {
        return Ok(escaped);
    }
    // With a prefix, because there may be only a dot between two variables.
    let path = NormalPath::parse(format!("/x{escaped}").as_bytes()).map_err(|_| ODD)?;
    Ok(path.matched().strip_prefix("/x").unwrap_or_default().to_owned())
}

/// RFC 3986, section 3.3. Only some clients escape these, so no rule can match them.
const ODD: &str = "has characters that a path cannot have, or escapes that are ambiguous";
