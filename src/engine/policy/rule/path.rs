//! How a path is matched.

use crate::config::error::PatternError;
use crate::decision::Doubt;
use crate::policy::rule::fit::Fit;
use crate::request::path::NormalPath;

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
    exact: regex_lite::Regex,
    /// The same in any letter case.
    folded: regex_lite::Regex,
    has_capitals: bool,
    /// The longest path that it is tried on.
    longest: usize,
}

/// What counts in a path besides its segments.
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
    /// The request is refused, for some upstreams read both alike and some do not.
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
                "expected characters as they are (\"[\" is \\[, not %5B): paths are matched without needless escapes",
            ));
        }
        // Once as it is, so that a stray parenthesis cannot close the group of the anchors.
        regex_lite::Regex::new(text).map_err(|_| {
            PatternError::new("expected a regular expression (without look-around and back-references)")
        })?;
        let build = |any_case| {
            regex_lite::RegexBuilder::new(&format!("^(?:{text})$"))
                .case_insensitive(any_case)
                .size_limit(MAX_COMPILED_REGEX)
                .build()
                .map_err(|_| {
                    PatternError::new("expected a smaller regular expression, without (?x) comments")
                })
        };
        let has_capitals = text.bytes().any(|b| b.is_ascii_uppercase());
        let longest = MAX_REGEX_PATH;
        Ok(Self::Regex(Expression { exact: build(false)?, folded: build(true)?, has_capitals, longest }))
    }

    /// This pattern as one of so many rules with an expression: all of them may be tried on one path.
    pub(crate) fn one_of(&mut self, expressions: usize) {
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
    pub(crate) fn is_start_of(&self, reading: &str, any_case: bool) -> bool {
        self.is(reading, Lenience { case: any_case, final_slash: false })
    }

    /// Whether the path fits where its escaped slashes are unescaped, and only there.
    pub(super) fn fits_unescaped_only(&self, path: &NormalPath, spelling: Spelling) -> bool {
        path.length() > MAX_REGEX_PATH
            || self.is_too_long(path)
            || !self.is_nearly(path.matched(), spelling)
                && path.others().any(|reading| self.is_nearly(reading, spelling))
    }

    fn is_too_long(&self, path: &NormalPath) -> bool {
        matches!(self, Self::Regex(expression) if path.length() > expression.longest)
    }

    /// Whether the path fits but for what may be overlooked. The final slash of a prefix is written to
    /// be seen.
    fn is_nearly(&self, path: &str, spelling: Spelling) -> bool {
        let final_slash = match self {
            Self::Exact(_) | Self::Template(_) => spelling.final_slash != Variation::Counts,
            Self::Prefix(_) | Self::Regex(_) => spelling.final_slash == Variation::Ignored,
        };
        self.is(path, Lenience { case: spelling.case != Variation::Counts, final_slash })
    }

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
    fn is(&self, path: &str, any_case: bool) -> bool {
        let is = |regex: &regex_lite::Regex| {
            regex.find(path).is_some_and(|found| found.range() == (0..path.len()))
        };
        let has_case = || self.has_capitals || path.bytes().any(|b| b.is_ascii_uppercase());
        is(&self.exact) || any_case && has_case() && is(&self.folded)
    }
}

/// A path without the slash at its end, unless that is all there is.
fn without_final_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path)
}

/// Whether a path is another one or continues it, in whole segments.
pub(super) fn is_below(path: &str, start: &str) -> bool {
    let start = start.trim_end_matches('/');
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

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

/// The longest path that is matched by regular expressions, all of its readings together, in bytes. Their
/// time grows with it, and the request has shown no token yet.
const MAX_REGEX_PATH: usize = 2048;

/// The same, times the number of expressions.
const MAX_REGEX_PATHS: usize = 8192;

/// What is matched by however many expressions.
const MIN_REGEX_PATH: usize = 256;

/// The longest regular expression, in bytes.
const MAX_REGEX: usize = 1024;

/// The largest compiled one, in bytes. Matching takes the product of this and the path's length: ten
/// times as much would let one expression hold up a worker for seconds.
const MAX_COMPILED_REGEX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::{PathPattern, Spelling, Variation};
    use crate::decision::Doubt;
    use crate::policy::rule::fit::Fit;
    use crate::request::matching::Reading;
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
            for (path, want) in fits
                .into_iter()
                .map(|path| (path, true))
                .chain(fits_not.into_iter().map(|path| (path, false)))
            {
                let normal = NormalPath::parse(path.as_bytes()).unwrap();
                assert_eq!(pattern.fits(&normal, AS_WRITTEN) == Fit::Yes, want, "{name}: {path}");
                assert_eq!(pattern.fits(&normal, Spelling::default()) == Fit::Yes, want, "{name}: {path}");
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
        let long = |times| NormalPath::parse(format!("/{}", "a/".repeat(times)).as_bytes()).unwrap();
        let unclear = Fit::Unclear(Doubt::LongPath);
        for (pattern, times, want) in [
            (PathPattern::prefix("/a"), 100_000, Fit::Yes),
            (PathPattern::template("/a/{x}/{rest=**}"), 100_000, Fit::Yes),
            (PathPattern::template("/a/{x}"), 100_000, Fit::No),
            (PathPattern::regex("/(?:a|a/)*"), 1_000, Fit::Yes),
            (PathPattern::regex("(?:/a)*(?:/a)*b"), 1_000, Fit::No),
            (PathPattern::regex("/(?:a|a/)*"), 1_024, unclear),
            (PathPattern::regex("/x"), 100_000, unclear),
        ] {
            assert_eq!(pattern.unwrap().fits(&long(times), Spelling::default()), want);
        }
        // So do many expressions.
        for (expressions, longest) in [(1, 2048), (4, 2048), (8, 1024), (1000, 256)] {
            let mut pattern = PathPattern::regex("/a*").unwrap();
            pattern.one_of(expressions);
            let fits = |length: usize| {
                let path = NormalPath::parse(
                    format!("/{}", "a".repeat(length).get(1..).unwrap_or_default()).as_bytes(),
                )
                .unwrap();
                pattern.fits(&path, Spelling::default())
            };
            assert_eq!(
                (fits(longest), fits(longest.saturating_add(1))),
                (Fit::Yes, unclear),
                "{expressions}"
            );
        }
        // Three readings take three times as long.
        let three = NormalPath::read(format!("/;/{}", "a/".repeat(400)).as_bytes(), Reading::Refuse).unwrap();
        assert_eq!(PathPattern::regex("/.*").unwrap().fits(&three, Spelling::default()), Fit::Yes);
        let three = NormalPath::read(format!("/;/{}", "a/".repeat(600)).as_bytes(), Reading::Refuse).unwrap();
        assert_eq!(PathPattern::regex("/.*").unwrap().fits(&three, Spelling::default()), unclear);
    }

    #[test]
    fn letter_case_and_final_slash() {
        // PTH-10
        use Fit::{No, Yes};
        let unclear = Fit::Unclear(Doubt::Spelling);
        #[rustfmt::skip]
        let cases = [
            // pattern, path, by default, ignored, as written
            (PathPattern::exact("/admin"),            "/admin",      Yes,     Yes, Yes),
            (PathPattern::exact("/admin"),            "/ADMIN",      unclear, Yes, No),
            (PathPattern::exact("/Admin"),            "/admin",      unclear, Yes, No),
            (PathPattern::exact("/admin"),            "/admin/",     unclear, Yes, No),
            (PathPattern::exact("/admin/"),           "/admin",      unclear, Yes, No),
            (PathPattern::exact("/admin"),            "/Admin/",     unclear, Yes, No),
            (PathPattern::exact("/admin"),            "/admin/x",    No,      No,  No),
            (PathPattern::exact("/"),                 "/",           Yes,     Yes, Yes),
            (PathPattern::exact("/"),                 "/a",          No,      No,  No),
            (PathPattern::exact("/caf%c3%a9"),        "/CAF%C3%A9",  unclear, Yes, No),
            (PathPattern::prefix("/admin"),           "/aDmin/x",    unclear, Yes, No),
            (PathPattern::prefix("/admin"),           "/ADMINS",     No,      No,  No),
            (PathPattern::prefix("/admin"),           "/admi",       No,      No,  No),
            (PathPattern::prefix("/assets/"),         "/assets",     No,      Yes, No),
            (PathPattern::prefix("/assets/"),         "/ASSETS/x",   unclear, Yes, No),
            (PathPattern::prefix("/"),                "/",           Yes,     Yes, Yes),
            (PathPattern::regex("/a/.*"),             "/a/",         Yes,     Yes, Yes),
            (PathPattern::regex("/a/"),               "/a",          No,      Yes, No),
            (PathPattern::regex("/a"),                "/a/",         No,      Yes, No),
            (PathPattern::template("/orders/{id}"),   "/Orders/7",   unclear, Yes, No),
            (PathPattern::template("/orders/{id}"),   "/orders/A",   Yes,     Yes, Yes),
            (PathPattern::template("/orders/{id}"),   "/orders/7/",  unclear, Yes, No),
            (PathPattern::template("/orders/{id}/"),  "/orders/7",   unclear, Yes, No),
            (PathPattern::template("/orders/{id}"),   "/orders/",    No,      No,  No),
            (PathPattern::template("/files/{f=**}"),  "/FILES/a/",   unclear, Yes, No),
            (PathPattern::template("/"),              "/",           Yes,     Yes, Yes),
            (PathPattern::regex("/v[0-9]+/status"),   "/V1/status",  unclear, Yes, No),
            (PathPattern::regex("/V[0-9]"),           "/v1",         unclear, Yes, No),
            (PathPattern::regex("/v[0-9]"),           "/v1",         Yes,     Yes, Yes),
            (PathPattern::regex("/v[0-9]"),           "/v1/",        No,      Yes, No),
            (PathPattern::regex("/[a-z]+"),           "/x/Y",        No,      No,  No),
        ];
        let ignored =
            Spelling { case: Variation::Ignored, final_slash: Variation::Ignored, ..Spelling::default() };
        for (pattern, path, by_default, if_ignored, as_written) in cases {
            let (pattern, normal) = (pattern.unwrap(), NormalPath::parse(path.as_bytes()).unwrap());
            for (spelling, want) in
                [(Spelling::default(), by_default), (ignored, if_ignored), (AS_WRITTEN, as_written)]
            {
                assert_eq!(pattern.fits(&normal, spelling), want, "{pattern:?} {path} {spelling:?}");
            }
        }
    }

    #[test]
    fn parameters_of_segments() {
        // PTH-11
        use Fit::{No, Yes};
        let unclear = Fit::Unclear(Doubt::Parameters);
        #[rustfmt::skip]
        let cases = [
            // pattern, path, by default, where they are ignored, where they count
            (PathPattern::prefix("/admin"),          "/admin;x=1",      unclear, Yes, No),
            (PathPattern::prefix("/admin"),          "/admin;",         unclear, Yes, No),
            (PathPattern::prefix("/admin"),          "/admin%3Bx",      unclear, Yes, No),
            (PathPattern::prefix("/admin"),          "/admin%3bx/y",    unclear, Yes, No),
            (PathPattern::prefix("/admin"),          "/;x/admin",       unclear, Yes, No),
            (PathPattern::prefix("/admin"),          "/x/..//;/admin",  unclear, Yes, No),
            (PathPattern::prefix("/admin"),          "/ADMIN;x",        unclear, Fit::Unclear(Doubt::Spelling), No),
            (PathPattern::prefix("/admin"),          "/admin/x;y=z",    Yes,     Yes, Yes),
            (PathPattern::prefix("/admin"),          "/public;/admin",  No,      No,  No),
            (PathPattern::prefix("/admin/users"),    "/admin/users;x/y", unclear, Yes, No),
            (PathPattern::exact("/admin"),           "/admin;/x",       unclear, No,  No),
            (PathPattern::exact("/admin/x"),         "/admin;a/x;b",    unclear, Yes, No),
            (PathPattern::exact("/admin/"),          "/admin/;x",       unclear, Yes, No),
            (PathPattern::template("/orders/{id}"),  "/orders/7;v=1",   Yes,     Yes, Yes),
            (PathPattern::template("/orders/{id}"),  "/orders/;x",      unclear, No,  Yes),
            (PathPattern::template("/orders/{id}"),  "/orders/7;v/x",   unclear, No,  No),
            (PathPattern::template("/{all=**}"),     "/a;x/b",          Yes,     Yes, Yes),
            (PathPattern::regex("/[a-z/]+"),         "/admin;x",        unclear, Yes, No),
        ];
        for (pattern, path, refuse, ignore, literal) in cases {
            let pattern = pattern.unwrap();
            for (reading, want) in
                [(Reading::Refuse, refuse), (Reading::Ignore, ignore), (Reading::Literal, literal)]
            {
                let normal = NormalPath::read(path.as_bytes(), reading).unwrap();
                assert_eq!(
                    pattern.fits(&normal, Spelling::default()),
                    want,
                    "{pattern:?} {path} {reading:?}"
                );
            }
        }
    }

    #[test]
    fn escaped_slashes() {
        // PTH-12
        use Fit::{No, Yes};
        let unclear = Fit::Unclear(Doubt::EscapedSlash);
        #[rustfmt::skip]
        let cases = [
            // pattern, path, by default, where they are kept, whether it fits unescaped only
            (PathPattern::template("/projects/{id}"), "/projects/group%2Fproject", unclear, Yes,     false),
            (PathPattern::template("/projects/{id}"), "/projects/a%2fb%2fc",       unclear, Yes,     false),
            (PathPattern::template("/projects/{id}"), "/projects%2Fx",             unclear, unclear, true),
            (PathPattern::prefix("/projects"),        "/projects/a%2Fb",           unclear, Yes,     false),
            (PathPattern::prefix("/projects/a"),      "/projects/a%2Fb",           unclear, unclear, true),
            (PathPattern::prefix("/projects/A"),      "/projects/a%2Fb",           unclear, unclear, true),
            (PathPattern::prefix("/other"),           "/projects/a%2Fb",           No,      No,      false),
            (PathPattern::prefix("/"),                "/projects/a%2Fb",           unclear, Yes,     false),
            (PathPattern::exact("/a/b"),              "/a%2Fb",                    unclear, unclear, true),
        ];
        for (pattern, path, refuse, keep, unescaped_only) in cases {
            let (pattern, normal) =
                (pattern.unwrap(), NormalPath::read(path.as_bytes(), Reading::Refuse).unwrap());
            let kept = Spelling { keeps_escaped_slashes: true, ..Spelling::default() };
            assert_eq!(pattern.fits(&normal, Spelling::default()), refuse, "{pattern:?} {path}");
            assert_eq!(pattern.fits(&normal, kept), keep, "{pattern:?} {path}, kept");
            assert_eq!(pattern.fits_unescaped_only(&normal, kept), unescaped_only, "{pattern:?} {path}");
        }
    }

    const AS_WRITTEN: Spelling =
        Spelling { case: Variation::Counts, final_slash: Variation::Counts, keeps_escaped_slashes: false };
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws {
    use super::{PathPattern, Spelling};
    use crate::policy::rule::fit::Fit;
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
                        Ok(pattern) => { pattern.fits(&root, Spelling::default()); }
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
                prop_assert_eq!(PathPattern::exact(&path).unwrap().fits(&normal, Spelling::default()), Fit::Yes);
                prop_assert_eq!(PathPattern::prefix(&path).unwrap().fits(&normal, Spelling::default()), Fit::Yes);
                if normal.matched() == path {
                    prop_assert_eq!(PathPattern::template(&path).unwrap().fits(&normal, Spelling::default()), Fit::Yes);
                    prop_assert_eq!(PathPattern::regex(&escaped).unwrap().fits(&normal, Spelling::default()), Fit::Yes);
                }
            }
        }

        // PTH-03
        #[test]
        fn a_prefix_means_whole_segments(prefix in "(/[ab]{1,2}){1,2}", path in "(/[ab]{1,2}){1,3}/?") {
            let fits = PathPattern::prefix(&prefix).unwrap().fits(&NormalPath::parse(path.as_bytes()).unwrap(), Spelling::default()) == Fit::Yes;
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
                && compiled.fits(&path, Spelling::default()) == Fit::Yes
            {
                let anchored = regex_lite::Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
                prop_assert!(anchored.is_match(path.as_str()));
            }
        }
    }
}
