//! Rules: which requests a demand is for.

mod host;
mod path;

pub use self::host::HostPattern;
pub use self::path::PathPattern;
use self::path::is_below;
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

impl Matcher {
    /// Whether some request below `prefix` may fit, as far as paths tell.
    pub fn may_concern(&self, prefix: &PathPattern) -> bool {
        let Some(own) = self.path.as_ref().and_then(PathPattern::fixed_start) else { return true };
        let Some(other) = prefix.fixed_start() else { return true };
        is_below(&own, &other) || !matches!(self.path, Some(PathPattern::Exact(_))) && is_below(&other, &own)
    }

    /// Whether every request below `prefix` fits that is sent to this URI's host.
    pub fn covers(&self, prefix: &PathPattern, uri: &str) -> bool {
        let all_paths = match (&self.path, prefix.fixed_start()) {
            (None, _) => true,
            (Some(PathPattern::Prefix(own)), Some(other)) => is_below(&other, own),
            _ => false,
        };
        let authority = uri.split('/').nth(2).unwrap_or_default().as_bytes();
        let is_host = self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(authority));
        all_paths && is_host && self.methods.is_empty() && self.headers.is_empty()
    }

    /// Whether the request fits. `path` is `None` where the request has none (CONNECT, `OPTIONS *`).
    pub fn matches(&self, head: RequestHead<'_>, path: Option<&NormalPath>) -> bool {
        self.path.as_ref().is_none_or(|pattern| path.is_some_and(|path| pattern.matches(path)))
            && (self.methods.is_empty()
                || self.methods.iter().any(|method| method.as_bytes() == head.method()))
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(head.authority())))
            && self.headers.iter().all(|header| head.single(&header.name) == Some(header.exact.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMatch, Matcher, PathPattern};
    use crate::request::head::RequestHead;
    use crate::request::path::NormalPath;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
        for method in ["get", "TRACE", "PROPFIND", "GETT", "", &"G".repeat(100)] {
            assert!(!fits(method, &["gold"]), "{method}");
        }
        assert!(!fits("GET", &["silver"]));
        assert!(!fits("GET", &["gold", "gold"]));
        assert!(!fits("GET", &[]));
    }

    #[test]
    fn a_request_without_a_path_fits_no_path() {
        // HTT-16
        let everything = Matcher { path: Some(PathPattern::prefix("/").unwrap()), ..Matcher::default() };
        let head = RequestHead::new(&[]);
        assert!(!everything.matches(head, None));
        assert!(everything.matches(head, Some(&NormalPath::parse(b"/").unwrap())));
        assert!(Matcher::default().matches(head, None));
    }
}
