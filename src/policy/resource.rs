//! Which protected resource a request is for, and what is published of it ([RFC 9728]).
//!
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

use crate::policy::id::ResourceId;
use crate::policy::rule::{HostPattern, PathPattern};
use crate::request::head::RequestHead;
use crate::request::path::{NormalPath, split_query};

/// All protected resources of a configuration; mostly one or none.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// They, in the order of the configuration.
    pub all: Vec<Resource>,
}

/// One protected resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its identifier, as written.
    pub identifier: String,
    /// At least one of these must be in `aud` ([RFC 8707 §2]); empty: not looked at.
    ///
    /// [RFC 8707 §2]: https://www.rfc-editor.org/rfc/rfc8707#section-2
    pub audiences: Vec<String>,
    /// Whether it is an MCP server: challenges name scopes then.
    pub is_mcp: bool,
    /// Where its metadata is, as challenges name it ([RFC 9728 §5.1]).
    ///
    /// [RFC 9728 §5.1]: https://www.rfc-editor.org/rfc/rfc9728#section-5.1
    pub metadata_uri: String,
    /// The request targets under which the metadata is served.
    pub targets: Vec<String>,
    /// The metadata, in JSON.
    pub metadata: String,
    /// The identifier's host.
    pub host: Option<HostPattern>,
    /// The requests that are for it.
    pub prefix: PathPattern,
}

impl Resources {
    /// Whether the path has to be looked at to tell them apart.
    pub fn match_paths(&self) -> bool {
        self.all.iter().any(|resource| resource.depth() > 1)
    }

    /// The one whose metadata is asked for. Of several under the same target the one of this host, for
    /// two hosts may have a resource each at the same path. A query that no identifier has, and slashes at
    /// the end, make no difference: some clients add them.
    pub fn described_at(&self, head: RequestHead<'_>) -> Option<ResourceId> {
        if !self.is_metadata_path(head) {
            return None;
        }
        let path = trimmed(head.path());
        self.best(head, &|resource| {
            let depth = |target: &String| match target.as_bytes() {
                whole if whole == head.path() => 2,
                other => usize::from(trimmed(other) == path),
            };
            resource.targets.iter().map(depth).max().filter(|depth| *depth > 0)
        })
    }

    /// Whether a request is for metadata, of one of these resources or of none.
    pub fn is_metadata_path(&self, head: RequestHead<'_>) -> bool {
        let rest = head.path().strip_prefix(WELL_KNOWN.as_bytes());
        !self.all.is_empty() && rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?')))
    }

    /// The one that a request is for: of this host if there is one, and with the longest path.
    pub fn of(&self, head: RequestHead<'_>, path: Option<&NormalPath>) -> Option<ResourceId> {
        self.best(head, &|resource| {
            let is_inside = resource.depth() <= 1 || path.is_some_and(|path| resource.prefix.matches(path));
            is_inside.then(|| resource.depth())
        })
    }

    /// The resource of that number.
    pub fn at(&self, id: ResourceId) -> Option<&Resource> {
        self.all.get(id.0)
    }

    /// What `aud` must hold one of: the request's own resource's audiences. A request that is for none
    /// of several resources still needs a token for one of them.
    pub fn accept(&self, id: Option<ResourceId>, has_audience: impl Fn(&[String]) -> bool) -> bool {
        let accepts =
            |resource: &Resource| resource.audiences.is_empty() || has_audience(&resource.audiences);
        match id.and_then(|id| self.at(id)) {
            Some(resource) => accepts(resource),
            None => self.all.is_empty() || self.all.iter().any(accepts),
        }
    }

    #[inline(never)]
    fn best(&self, head: RequestHead<'_>, depth: &dyn Fn(&Resource) -> Option<usize>) -> Option<ResourceId> {
        let fits =
            self.all.iter().enumerate().filter_map(|(at, resource)| Some((at, resource, depth(resource)?)));
        // The first of equals: two with the same host and path differ in their query, which requests of
        // the API do not tell.
        let mut best: Option<((bool, usize), usize)> = None;
        for (at, resource, depth) in fits {
            let here = self.all.len() > 1
                && resource.host.as_ref().is_some_and(|host| host.matches(head.authority()));
            if best.is_none_or(|(rank, _)| rank < (here, depth)) {
                best = Some(((here, depth), at));
            }
        }
        best.map(|(_, at)| ResourceId(at))
    }
}

/// A target without its query and the slashes at its end.
fn trimmed(target: &[u8]) -> &[u8] {
    let (mut path, _) = split_query(target);
    while let [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

impl Resource {
    fn depth(&self) -> usize {
        match &self.prefix {
            PathPattern::Prefix(prefix) => prefix.len(),
            _ => 0,
        }
    }
}

/// Where metadata is found ([RFC 9728 §3]).
///
/// [RFC 9728 §3]: https://www.rfc-editor.org/rfc/rfc9728#section-3
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// A resource identifier in its parts ([RFC 9728 §1.2]).
///
/// [RFC 9728 §1.2]: https://www.rfc-editor.org/rfc/rfc9728#section-1.2
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identifier<'a> {
    /// Scheme and authority.
    pub origin: &'a str,
    /// The host, without its port.
    pub host: &'a str,
    /// The path, without the only slash of the root.
    pub path: &'a str,
    /// The query with its question mark.
    pub query: &'a str,
}

impl<'a> Identifier<'a> {
    /// Takes `text` apart if it is an https URI without a fragment, or an http URI of this machine, for
    /// tests. It must be in the spelling that nothing has to repair, for it is compared as it is.
    pub fn parse(text: &'a str) -> Option<Self> {
        let url = crate::policy::uri::http_url(text)?;
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let (path, query) = target.split_at_checked(target.find('?').unwrap_or(target.len()))?;
        let host = match authority.strip_prefix('[') {
            Some(v6) => authority.get(..v6.find(']')?.checked_add(2)?)?,
            None => authority.split(':').next()?,
        };
        let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        let fits = !text.contains('#')
            && !authority.contains('@')
            && (scheme == "https" || scheme == "http" && is_here)
            && (url.path() == path || path.is_empty());
        let origin = text.get(..scheme.len().checked_add(3)?.checked_add(end)?)?;
        let path = if path == "/" { "" } else { path };
        fits.then_some(Self { origin, host, path, query })
    }

    /// The request target of its metadata: the well-known path between host and path ([RFC 9728 §3.1]).
    ///
    /// [RFC 9728 §3.1]: https://www.rfc-editor.org/rfc/rfc9728#section-3.1
    pub fn metadata_target(&self) -> String {
        format!("{WELL_KNOWN}{}{}", self.path, self.query)
    }
}

#[cfg(test)]
mod tests {
    use super::Identifier;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn where_metadata_is() {
        #[rustfmt::skip]
        let cases = [
            ("PRM-01 between host and path", "https://h/api/v1",   Some("/.well-known/oauth-protected-resource/api/v1")),
            ("PRM-02 no path",               "https://h",          Some("/.well-known/oauth-protected-resource")),
            ("PRM-02 the root's slash goes", "https://h/",         Some("/.well-known/oauth-protected-resource")),
            ("another slash stays",          "https://h/a/",       Some("/.well-known/oauth-protected-resource/a/")),
            ("PRM-03 the query stays",       "https://h/a?x=1",    Some("/.well-known/oauth-protected-resource/a?x=1")),
            ("PRM-03 without a path",        "https://h?x=1",      Some("/.well-known/oauth-protected-resource?x=1")),
            ("PRM-03 behind the root",       "https://h/?x=1",     Some("/.well-known/oauth-protected-resource?x=1")),
            ("a port",                       "https://h:8443/a",   Some("/.well-known/oauth-protected-resource/a")),
            ("this machine",                 "http://127.0.0.1:1/a", Some("/.well-known/oauth-protected-resource/a")),
            ("this machine, IPv6",           "http://[::1]:80/",   Some("/.well-known/oauth-protected-resource")),
            ("RSI-01 not absolute",          "rs",                 None),
            ("RSI-01 a fragment",            "https://h#x",        None),
            ("RSI-01 an empty fragment",     "https://h/a#",       None),
            ("plain http",                   "http://h/a",         None),
            ("a name that only looks local", "http://localhost.example/", None),
            ("another scheme",               "urn:example:api",    None),
            ("credentials",                  "https://u:p@h/",     None),
            ("what has to be repaired",      "https://h/a/../b",   None),
            ("a scheme in upper case",       "HTTPS://h/",         None),
            ("a space",                      "https://h/a b",      None),
        ];
        for (name, text, want) in cases {
            let got = Identifier::parse(text).map(|identifier| identifier.metadata_target());
            assert_eq!(got.as_deref(), want, "{name}");
        }
    }

    #[test]
    fn an_identifier_in_its_parts() {
        let parts = |text| Identifier::parse(text).map(|i| (i.origin, i.host));
        assert_eq!(parts("https://h:8443/a?b"), Some(("https://h:8443", "h")));
        assert_eq!(parts("http://[::1]:80/a"), Some(("http://[::1]:80", "[::1]")));
        assert_eq!(parts("http://127.0.0.1:80"), Some(("http://127.0.0.1:80", "127.0.0.1")));
    }
}
