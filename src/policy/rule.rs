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
        let _ = text;
        todo!()
    }

    /// `prefix`: whole segments, normalised as requests are. A trailing `/` matters: `/foo/` does not match `/foo`.
    pub fn prefix(text: &str) -> Result<Self, PatternError> {
        let _ = text;
        todo!()
    }

    /// `path_template`: `/orders/{id}`, `/files/{name=**}`.
    pub fn template(text: &str) -> Result<Self, PatternError> {
        let _ = text;
        todo!()
    }

    /// `safe_regex`: matched against the whole path.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        let _ = text;
        todo!()
    }

    /// Whether the path fits.
    pub fn matches(&self, path: &NormalPath) -> bool {
        let _ = path;
        todo!()
    }
}

impl HostPattern {
    /// `api.example.com` or `*.example.com`, in any case, without a port.
    pub fn parse(text: &str) -> Option<Self> {
        let _ = text;
        todo!()
    }

    /// Whether the authority's host fits, whatever its case and port.
    pub fn matches(&self, authority: &[u8]) -> bool {
        let _ = authority;
        todo!()
    }
}

impl Matcher {
    /// Whether the request fits. `path` is `None` where the request has none (CONNECT, `OPTIONS *`).
    pub fn matches(&self, head: RequestHead<'_>, path: Option<&NormalPath>) -> bool {
        let _ = (head, path);
        todo!()
    }
}
