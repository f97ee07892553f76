//! How a path is matched.

use crate::policy::error::PatternError;
use crate::request::path::NormalPath;

/// How a path is matched. Always case-sensitive.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// The whole path.
    Exact(String),
    /// Whole segments from the start: `/foo` matches `/foo` and `/foo/bar`, not `/foobar`.
    Prefix(String),
    /// Segments, with variables.
    Template(Vec<Segment>),
    /// The whole path by a regular expression that runs in linear time.
    Regex(regex_lite::Regex),
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
        // Once as it is, so that a stray parenthesis cannot close the group of the anchors.
        regex_lite::Regex::new(text).map_err(|_| {
            PatternError::new("expected a regular expression (without look-around and back-references)")
        })?;
        regex_lite::RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(MAX_COMPILED_REGEX)
            .build()
            .map(Self::Regex)
            .map_err(|_| PatternError::new("expected a smaller regular expression, without (?x) comments"))
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

    /// Whether the path fits.
    pub fn matches(&self, path: &NormalPath) -> bool {
        let path = path.matched();
        match self {
            Self::Exact(want) => path == want,
            Self::Prefix(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')),
            Self::Template(segments) => matches_template(segments, path),
            Self::Regex(regex) => regex.find(path).is_some_and(|found| found.range() == (0..path.len())),
        }
    }
}

/// Whether a path is another one or continues it, in whole segments.
pub(super) fn is_below(path: &str, start: &str) -> bool {
    let start = start.trim_end_matches('/');
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn matches_template(segments: &[Segment], path: &str) -> bool {
    let Some(absolute) = path.strip_prefix('/') else { return false };
    let mut parts = absolute.split('/');
    for segment in segments {
        match segment {
            Segment::Rest => return true,
            Segment::One if parts.next().is_some_and(|part| !part.is_empty()) => {}
            Segment::Literal(text) if parts.next() == Some(text.as_str()) => {}
            Segment::One | Segment::Literal(_) => return false,
        }
    }
    parts.next().is_none()
}

/// A path without variables. Those of a template would be read letter by letter here, never match,
/// and leave open what the rule is meant to close.
fn plain(text: &str) -> Result<String, PatternError> {
    let is_variable = |part: &str| matches!(part, "*" | "**") || part.starts_with('{') && part.ends_with('}');
    if text.split('/').any(is_variable) {
        return Err(PatternError::new(
            "expected no variable segments: prefix matches all that follows, path_template has {name}",
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
            "expected a path without \"?\" and \"#\", since only paths are matched",
        ));
    }
    let path = NormalPath::parse(text.as_bytes());
    let path = path.map_err(|_| PatternError::new("expected a path that can be read in one way only"))?;
    Ok(path.matched().to_owned())
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

/// The largest compiled one, in bytes. Matching takes the product of this and the path's length: ten
/// times as much would let one expression hold up a worker for seconds.
const MAX_COMPILED_REGEX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::PathPattern;
    use crate::request::path::NormalPath;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn which_paths_fit() {
        let cases = [
            (
                "exact",
                PathPattern::exact("/health"),
                vec!["/health"],
                vec!["/health/", "/healthz", "/HEALTH", "/"],
            ),
            (
                "a prefix means whole segments",
                PathPattern::prefix("/foo"),
                vec!["/foo", "/foo/", "/foo/bar"],
                vec!["/foobar", "/fo", "/Foo", "/"],
            ),
            (
                "a prefix with a slash",
                PathPattern::prefix("/foo/"),
                vec!["/foo/", "/foo/a"],
                vec!["/foo", "/foob"],
            ),
            ("the root prefix", PathPattern::prefix("/"), vec!["/", "/a"], vec![]),
            (
                "PTH-03 an open path and no other",
                PathPattern::prefix("/health"),
                vec!["/health", "/%68ealth", "/x/../health"],
                vec!["/healthz", "/HEALTH", "/health/../x"],
            ),
            (
                "ATK-104 an open directory and no other",
                PathPattern::prefix("/public/"),
                vec!["/public/x", "//public/./x"],
                vec![
                    "/public/../admin",
                    "/public/%2e%2e/admin",
                    "//admin",
                    "/./admin",
                    "/Public/x",
                    "/publicadmin",
                ],
            ),
            (
                "patterns are normalised as paths are",
                PathPattern::exact("//a/./%7Eb/../%7e/%c3"),
                vec!["/a/~/%C3", "/a/%7e/%c3"],
                vec!["/a/~/%C3/"],
            ),
            ("an empty segment of a template", PathPattern::template("/a//{x}"), vec!["/a/1"], vec!["/a"]),
            ("a slash at a template's end", PathPattern::template("/a/{x}/"), vec!["/a/1/"], vec!["/a/1"]),
            ("the root template", PathPattern::template("/"), vec!["/"], vec!["/a"]),
            ("a template of a rest", PathPattern::template("/{all=**}"), vec!["/", "/a/b"], vec![]),
            (
                "flags stay within the expression",
                PathPattern::regex("(?i)/a|(?m)^/b$|(?s)/c."),
                vec!["/A", "/b", "/cd"],
                vec!["/ab", "/b/b", "/x/a", "/cde"],
            ),
            (
                "a template",
                PathPattern::template("/orders/{id}"),
                vec!["/orders/7", "/orders/a%20b"],
                vec!["/orders", "/orders/", "/orders/7/items", "/x/7"],
            ),
            (
                "a template with a rest",
                PathPattern::template("/files/{name=**}"),
                vec!["/files", "/files/", "/files/a/b"],
                vec!["/filesystem", "/"],
            ),
            ("a literal is normalised", PathPattern::template("/~u/{x}"), vec!["/~u/1"], vec!["/u/1"]),
            (
                "a regular expression fits the whole path",
                PathPattern::regex("/a|/b"),
                vec!["/a", "/b"],
                vec!["/ab", "/x/b", "/a/"],
            ),
            ("the longest alternative counts", PathPattern::regex("/a|/ab"), vec!["/a", "/ab"], vec!["/abc"]),
            ("anchors are harmless", PathPattern::regex("^/v[0-9]+$"), vec!["/v1"], vec!["/v", "/v1x"]),
        ];
        for (name, pattern, fits, fits_not) in cases {
            let pattern = pattern.expect(name);
            for path in fits {
                assert!(pattern.matches(&NormalPath::parse(path.as_bytes()).unwrap()), "{name}: {path}");
            }
            for path in fits_not {
                assert!(!pattern.matches(&NormalPath::parse(path.as_bytes()).unwrap()), "{name}: not {path}");
            }
        }
    }

    #[test]
    fn patterns_that_are_refused() {
        #[rustfmt::skip]
        let refused = [
            (PathPattern::exact("health"),             "starts with \"/\""),
            (PathPattern::exact(""),                   "starts with \"/\""),
            (PathPattern::exact("https://x/health"),   "starts with \"/\""),
            (PathPattern::template("{id}"),            "starts with \"/\""),
            (PathPattern::prefix("/a%2fb"),            "read in one way only"),
            (PathPattern::prefix("/caf\u{e9}"),        "read in one way only"),
            (PathPattern::template("/a/..;/{x}"),      "read in one way only"),
            (PathPattern::exact("/a?b=c"),             "only paths are matched"),
            (PathPattern::exact("/a#b"),               "only paths are matched"),
            (PathPattern::prefix("/public/*"),         "prefix matches all that follows"),
            (PathPattern::exact("/orders/{id}"),       "path_template has {name}"),
            (PathPattern::template("/a/*"),            "no \"*\""),
            (PathPattern::template("/a/x{id}"),        "a whole segment"),
            (PathPattern::template("/a/{id}x"),        "a whole segment"),
            (PathPattern::template("/a/{x}-{y}"),      "letters, digits and _"),
            (PathPattern::template("/a/{1}"),          "letters, digits and _"),
            (PathPattern::template("/a/{}"),           "letters, digits and _"),
            (PathPattern::template("/a/{x=*}"),        "letters, digits and _"),
            (PathPattern::template("/a/{id}/{id}"),    "got {id} twice"),
            (PathPattern::template("/a/{id}/{id=**}"), "got {id} twice"),
            (PathPattern::template("/a/{rest=**}/b"),  "in the last segment only"),
            (PathPattern::template("/a/{rest=**}/"),   "in the last segment only"),
            (PathPattern::template("/a/../b"),         "no dot segments"),
            (PathPattern::regex("/a)|(/b"),            "a regular expression"),
            (PathPattern::regex("/a)(?:/b"),           "a regular expression"),
            (PathPattern::regex("/a("),                "a regular expression"),
            (PathPattern::regex("/a\\"),               "a regular expression"),
            (PathPattern::regex("(?=/a)"),             "look-around"),
            (PathPattern::regex("(?x)/a # b"),         "(?x) comments"),
            (PathPattern::regex("(?:.*){0,1000}x"),    "a smaller regular expression"),
            (PathPattern::regex(&"x".repeat(2000)),    "at most 1024 bytes"),
        ];
        for (at, (pattern, want)) in refused.iter().enumerate() {
            let error = pattern.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert!(error.starts_with("expected ") && error.contains(want), "{at}: {error:?}, not {want:?}");
        }
    }

    #[test]
    fn no_path_takes_a_pattern_long() {
        // Each of these would take minutes if time grew with the square of the path's length.
        let long = NormalPath::parse(format!("/{}", "a/".repeat(100_000)).as_bytes()).unwrap();
        for (pattern, want) in [
            (PathPattern::prefix("/a"), true),
            (PathPattern::template("/a/{x}/{rest=**}"), true),
            (PathPattern::template("/a/{x}"), false),
            (PathPattern::regex("/(?:a|a/)*"), true),
            (PathPattern::regex("(?:/a)*(?:/a)*b"), false),
        ] {
            assert_eq!(pattern.unwrap().matches(&long), want);
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws {
    use super::PathPattern;
    use crate::request::path::NormalPath;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_refused(text in any::<String>()) {
            let root = NormalPath::parse(b"/").unwrap();
            let absolute = format!("/{text}");
            for text in [&text, &absolute] {
                for compile in [PathPattern::exact, PathPattern::prefix, PathPattern::template, PathPattern::regex] {
                    match compile(text) {
                        Ok(pattern) => { pattern.matches(&root); }
                        Err(error) => prop_assert!(error.to_string().starts_with("expected ")),
                    }
                }
            }
        }

        // Every kind of pattern agrees with the others on a plain path.
        #[test]
        fn a_path_fits_itself(path in "/[a-z%;.0-9]{0,6}(/[a-z~:]{0,4}){0,3}") {
            if let Ok(normal) = NormalPath::parse(path.as_bytes()) {
                let escaped = path.replace('.', r"\.");
                prop_assert!(PathPattern::exact(&path).unwrap().matches(&normal));
                prop_assert!(PathPattern::prefix(&path).unwrap().matches(&normal));
                if normal.matched() == path {
                    prop_assert!(PathPattern::template(&path).unwrap().matches(&normal));
                    prop_assert!(PathPattern::regex(&escaped).unwrap().matches(&normal));
                }
            }
        }

        // PTH-03
        #[test]
        fn a_prefix_means_whole_segments(prefix in "(/[ab]{1,2}){1,2}", path in "(/[ab]{1,2}){1,3}/?") {
            let fits = PathPattern::prefix(&prefix).unwrap().matches(&NormalPath::parse(path.as_bytes()).unwrap());
            let segments = |text: &str| text.split('/').map(ToOwned::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(fits, segments(&path).starts_with(&segments(&prefix)));
        }

        // Alternatives and flags stay between the anchors.
        #[test]
        fn a_regular_expression_fits_whole_paths(
            pattern in r"(\(\?[imsx]\)|\^|/|a|b|\||\.|\*|\$|\(|\)|\?){0,8}", path in "/[ab]{0,3}(/[ab]{1,2})?"
        ) {
            let path = NormalPath::parse(path.as_bytes()).unwrap();
            if let Ok(compiled) = PathPattern::regex(&pattern)
                && compiled.matches(&path)
            {
                let anchored = regex_lite::Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
                prop_assert!(anchored.is_match(path.as_str()));
            }
        }
    }
}
