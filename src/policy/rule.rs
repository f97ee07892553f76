//! Rules: which requests a demand is for.

use crate::policy::requirement::Requirement;
use crate::request::head::RequestHead;
use crate::request::path::NormalPath;

/// One entry of `rules`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in logs and metrics; `rules[N]` if none was given.
    pub name: String,
    /// Which requests it is for.
    pub matcher: Matcher,
    /// What becomes of them.
    pub access: Access,
    /// Replaces the top-level demand; `None`: that one holds.
    pub requires: Option<Requirement>,
    /// Query parameters that may carry a token, besides the general places.
    pub from_params: Vec<String>,
}

/// What becomes of a request that matches a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// It needs a valid token.
    Required,
    /// It needs a valid token or none.
    Optional,
    /// Tokens are not looked at.
    Anonymous,
    /// It is refused.
    Deny,
}

/// Everything that is given must match.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    /// On the normalised path, without the query.
    pub path: Option<PathPattern>,
    /// Methods, case-sensitive ([RFC 9110 §9.1]); empty: any.
    ///
    /// [RFC 9110 §9.1]: https://www.rfc-editor.org/rfc/rfc9110#section-9.1
    pub methods: Vec<String>,
    /// Hosts without their port; empty: any.
    pub hosts: Vec<HostPattern>,
    /// Header fields.
    pub headers: Vec<HeaderMatch>,
}

/// A header field that must be there once, with this value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderMatch {
    /// Its name, in lower case.
    pub name: String,
    /// Its whole value.
    pub exact: String,
}

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

/// Why a path pattern cannot be used; fits behind "expected".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

/// A host name, or `*.` and the end of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPattern(String);

impl PathPattern {
    /// `path`: the whole path, normalised as requests are.
    pub fn exact(text: &str) -> Result<Self, PatternError> {
        normal(text).map(Self::Exact)
    }

    /// `prefix`: whole segments, normalised as requests are. A trailing `/` matters: `/foo/` does not
    /// match `/foo`.
    pub fn prefix(text: &str) -> Result<Self, PatternError> {
        normal(text).map(Self::Prefix)
    }

    /// `path_template`: `/orders/{id}`, `/files/{name=**}`.
    pub fn template(text: &str) -> Result<Self, PatternError> {
        let Some(absolute) = text.strip_prefix('/') else {
            return Err(PatternError::new("expected a path that starts with \"/\""));
        };
        let mut segments = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for part in absolute.split('/') {
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
        let compile = |pattern: &str| {
            regex_lite::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|_| {
                PatternError::new("expected a regular expression (without look-around and back-references)")
            })
        };
        // Once as it is, so that a stray parenthesis cannot close the group of the anchors.
        compile(text)?;
        compile(&format!("^(?:{text})$")).map(Self::Regex)
    }

    /// Whether the path fits.
    pub fn matches(&self, path: &NormalPath) -> bool {
        let path = path.as_str();
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

impl PatternError {
    fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl HostPattern {
    /// `api.example.com` or `*.example.com`, in any case, without a port.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let is_name = !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain);
        let is_ipv6 = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|address| {
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        });
        (is_name || is_ipv6).then(|| Self(text.trim_end_matches('.').to_ascii_lowercase()))
    }

    /// Whether the authority's host fits, whatever its case and port.
    pub fn matches(&self, authority: &[u8]) -> bool {
        let Some(host) = std::str::from_utf8(authority).ok().filter(|text| text.is_ascii()) else {
            return false;
        };
        let host = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        match self.0.strip_prefix('*') {
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => host == self.0,
        }
    }
}

impl Matcher {
    /// Whether the request fits. `path` is `None` where the request has none (CONNECT, `OPTIONS *`).
    pub fn matches(&self, head: RequestHead<'_>, path: Option<&NormalPath>) -> bool {
        self.path.as_ref().is_none_or(|pattern| path.is_some_and(|path| pattern.matches(path)))
            && (self.methods.is_empty()
                || self.methods.iter().any(|method| method.as_bytes() == head.method()))
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(head.authority())))
            && self.headers.iter().all(|header| head.single(&header.name) == Some(header.exact.as_bytes()))
    }
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

fn normal(text: &str) -> Result<String, PatternError> {
    if !text.starts_with('/') {
        return Err(PatternError::new("expected a path that starts with \"/\""));
    }
    let path = NormalPath::parse(text.as_bytes());
    let path = path.map_err(|_| PatternError::new("expected a path that can be read in one way only"))?;
    Ok(path.as_str().to_owned())
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

#[cfg(test)]
mod tests {
    use super::{HeaderMatch, HostPattern, Matcher, PathPattern};
    use crate::request::head::RequestHead;
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
        let refused = [
            PathPattern::exact("health"),
            PathPattern::prefix("/a%2fb"),
            PathPattern::template("/a/x{id}"),
            PathPattern::template("/a/{id}/{id}"),
            PathPattern::template("/a/{rest=**}/b"),
            PathPattern::template("/a/{1}"),
            PathPattern::template("/a/../b"),
            PathPattern::regex("/a)|(/b"),
            PathPattern::regex("/a("),
            PathPattern::regex(&"x".repeat(2000)),
        ];
        for (at, pattern) in refused.iter().enumerate() {
            assert!(pattern.is_err(), "{at}");
        }
    }

    #[test]
    fn which_hosts_fit() {
        // PTH-06
        #[rustfmt::skip]
        let cases = [
            ("api.example.com", "API.example.com:443", true),
            ("api.example.com", "api.example.com.",    true),
            ("api.example.com", "api.example.com.evil", false),
            ("*.example.com",   "a.b.example.com",     true),
            ("*.example.com",   "example.com",         false),
            ("*.example.com",   "evilexample.com",     false),
            ("[::1]",           "[::1]:8080",          true),
            ("api.example.com", "api.ex\u{e4}mple.com", false),
        ];
        for (pattern, authority, want) in cases {
            assert_eq!(
                HostPattern::parse(pattern).unwrap().matches(authority.as_bytes()),
                want,
                "{pattern} {authority}"
            );
        }
        for bad in ["", "*.", "a b", "*", "a*", "http://x", "x:80"] {
            assert_eq!(HostPattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn all_conditions_of_a_rule_hold_together() {
        // PTH-07, ATK-107
        let matcher = Matcher {
            path: None,
            methods: vec!["GET".to_owned()],
            hosts: Vec::new(),
            headers: vec![HeaderMatch { name: "x-tier".to_owned(), exact: "gold".to_owned() }],
        };
        let fits = |method: &str, tiers: &[&str]| {
            let mut fields = vec![(b":method".to_vec(), method.as_bytes().to_vec())];
            fields.extend(tiers.iter().map(|tier| (b"x-tier".to_vec(), tier.as_bytes().to_vec())));
            matcher.matches(RequestHead::new(&fields), None)
        };
        assert!(fits("GET", &["gold"]));
        assert!(!fits("get", &["gold"]));
        assert!(!fits("GET", &["silver"]));
        assert!(!fits("GET", &["gold", "gold"]));
        assert!(!fits("GET", &[]));
    }
}
