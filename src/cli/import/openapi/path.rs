//! Paths of an OpenAPI document, as rules match them.

use serde_json::{Value, json};
use tollgate_filter::policy::rule::PathPattern;
use tollgate_filter::request::path::NormalPath;

/// A path, segment by segment. In the order of `Ord`, what is more specific comes first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Path(Vec<Segment>);

/// One segment.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Segment {
    /// This text, in the spelling that rules compare.
    Literal(String),
    /// Text with variables in it, as `{name}.{ext}`, as a regular expression.
    Mixed(String),
    /// Any segment that is not empty.
    Variable,
}

/// What two paths have in common.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Common {
    /// No request matches both.
    Nothing,
    /// These requests match both.
    Path(Path),
    /// That is hard to say.
    Unknown,
}

impl Path {
    /// Reads a path with `{variables}`; the error follows the path in a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let absolute = text.strip_prefix('/').ok_or("does not begin with \"/\"")?;
        if text.contains(['?', '#']) {
            return Err("has a query or a fragment, and only paths are matched");
        }
        let mut segments = Vec::new();
        let mut parts = absolute.split('/').peekable();
        while let Some(part) = parts.next() {
            // Requests have no empty segments but the last.
            if !part.is_empty() || parts.peek().is_none() {
                segments.push(Segment::parse(part)?);
            }
        }
        Ok(Self(segments))
    }

    /// `match`, without the methods. `text` is the path as it is written, for the variables' names.
    pub(super) fn matcher(&self, text: &str) -> Value {
        let mut names = names(text).into_iter();
        let segments: Option<Vec<String>> = self
            .0
            .iter()
            .map(|segment| match segment {
                Segment::Literal(text) => Some(text.clone()),
                Segment::Variable => Some(format!("{{{}}}", names.next()?)),
                Segment::Mixed(_) => None,
            })
            .collect();
        let text = segments.map(|segments| format!("/{}", segments.join("/")));
        match text {
            Some(text) if !self.0.contains(&Segment::Variable) && PathPattern::exact(&text).is_ok() => {
                json!({"path": text})
            }
            Some(text) if PathPattern::template(&text).is_ok() => json!({"path_template": text}),
            _ => json!({"safe_regex": self.regex()}),
        }
    }

    /// The path in words, for one that the document does not have.
    pub(super) fn text(&self) -> String {
        self.0.iter().fold(String::new(), |text, segment| {
            text + "/"
                + match segment {
                    Segment::Literal(text) | Segment::Mixed(text) => text,
                    Segment::Variable => "{any}",
                }
        })
    }

    fn regex(&self) -> String {
        self.0.iter().fold(String::new(), |mut regex, segment| {
            regex.push('/');
            regex.push_str(&segment.regex());
            regex
        })
    }

    /// A path of a request that matches, and few others.
    pub(super) fn sample(text: &str) -> String {
        let mut sample = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            sample.push_str(before);
            sample.push_str("tollgate-sample");
            rest = after.split_once('}').map_or("", |(_, after)| after);
        }
        sample + rest
    }

    /// What the requests have in common that match either.
    pub(super) fn common(&self, other: &Self) -> Common {
        if self.0.len() != other.0.len() {
            return Common::Nothing;
        }
        let (mut segments, mut unknown) = (Vec::new(), false);
        for pair in self.0.iter().zip(&other.0) {
            match pair {
                (a, b) if a == b => segments.push(a.clone()),
                (Segment::Variable, segment) | (segment, Segment::Variable) => {
                    if *segment == Segment::Literal(String::new()) {
                        return Common::Nothing;
                    }
                    segments.push(segment.clone());
                }
                (Segment::Mixed(regex), Segment::Literal(text))
                | (Segment::Literal(text), Segment::Mixed(regex)) => {
                    let fits = regex_lite::Regex::new(&format!("^(?:{regex})$"))
                        .is_ok_and(|regex| regex.is_match(text));
                    if !fits {
                        return Common::Nothing;
                    }
                    segments.push(Segment::Literal(text.clone()));
                }
                (Segment::Mixed(_), Segment::Mixed(_)) => unknown = true,
                (Segment::Literal(_), Segment::Literal(_)) => return Common::Nothing,
            }
        }
        if unknown { Common::Unknown } else { Common::Path(Self(segments)) }
    }
}

impl Segment {
    fn parse(part: &str) -> Result<Self, &'static str> {
        let mut regex = String::new();
        let (mut rest, mut variables) = (part, 0_u32);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or("has a \"{\" without its \"}\"")?;
            if name.is_empty() || name.contains('{') {
                return Err("has a variable without a proper name");
            }
            regex.push_str(&regex_lite::escape(&literal(before)?));
            regex.push_str("[^/]+");
            variables = variables.saturating_add(1);
            rest = behind;
        }
        if rest.contains('}') {
            return Err("has a \"}\" without its \"{\"");
        }
        if matches!(part, "." | "..") {
            return Err("has a dot segment");
        }
        Ok(match variables {
            0 => Self::Literal(literal(part)?),
            _ if regex == "[^/]+" && rest.is_empty() => Self::Variable,
            _ => Self::Mixed(regex + &regex_lite::escape(&literal(rest)?)),
        })
    }

    fn regex(&self) -> String {
        match self {
            Self::Literal(text) => regex_lite::escape(text),
            Self::Mixed(regex) => regex.clone(),
            Self::Variable => "[^/]+".to_owned(),
        }
    }
}

/// Names for the variables that are whole segments, as templates want them: words, all different.
fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in text.split('/') {
        let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else { continue };
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut name: String = name.chars().map(word).collect();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        while names.contains(&name) {
            name.push('_');
        }
        names.push(name);
    }
    names
}

/// Text without variables in the spelling that rules compare.
fn literal(text: &str) -> Result<String, &'static str> {
    // With something in front of it, for a dot may be all there is between two variables.
    let path = NormalPath::parse(format!("/x{text}").as_bytes())
        .map_err(|_| "has characters that a path cannot have unescaped")?;
    Ok(path.matched().strip_prefix("/x").unwrap_or_default().to_owned())
}
