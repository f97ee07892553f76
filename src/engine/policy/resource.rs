//! Which protected resource a request is for, and what is published of it ([RFC 9728]).
//!
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

use crate::base::ids::ResourceId;
use crate::base::uri::{HttpUri, http_uri};
use crate::decision::Doubt;
use crate::policy::rule::{HostPattern, HostReading, PathPattern, Seen};
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
    /// At least one of these must be in `aud` ([RFC 8707 §2]); empty: not checked.
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
    /// The identifier's host, without its port and with it.
    pub hosts: Vec<HostPattern>,
    /// The requests that are for it.
    pub prefix: PathPattern,
}

impl Resources {
    /// Whether the path is needed to distinguish them.
    pub fn match_paths(&self) -> bool {
        self.all.iter().any(|resource| resource.depth() > 1)
    }

    /// The resource whose metadata is requested. Of several under the same target, the one for this host,
    /// because two hosts may each have a resource at the same path. A query that no identifier has, and slashes
    /// at the end, make no difference: some clients add them.
    #[inline(never)]
    pub fn described_at(&self, seen: &Seen<'_>) -> Result<Option<ResourceId>, Doubt> {
        let target = seen.target();
        if !self.is_metadata_path(target) {
            return Ok(None);
        }
        let path = trimmed(target);
        let depth = |resource: &Resource, _: Option<&str>| {
            let depth = |one: &String| match one.as_bytes() {
                whole if whole == target => 2,
                other => usize::from(trimmed(other) == path),
            };
            resource.targets.iter().map(depth).max().filter(|depth| *depth > 0)
        };
        let settled = self.settle(seen, [None], &depth)?;
        Ok(settled.map(|best| ResourceId(best.at)))
    }

    /// Whether a request is for metadata, of one of these resources or of an unknown one.
    pub fn is_metadata_path(&self, target: &[u8]) -> bool {
        let rest = target.strip_prefix(WELL_KNOWN.as_bytes());
        !self.all.is_empty() && rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?')))
    }

    /// The one that a request is for: of this host if there is one, and with the longest path.
    #[inline(never)]
    pub fn of(&self, seen: &Seen<'_>) -> Result<Belonging, Doubt> {
        let in_case = |resource: &Resource, path: Option<&str>, any_case: bool| {
            let is_inside =
                resource.depth() <= 1 || path.is_some_and(|path| resource.prefix.is_start_of(path, any_case));
            is_inside.then(|| resource.depth())
        };
        let depth = |resource: &Resource, path: Option<&str>| in_case(resource, path, false);
        let settled = match seen.path {
            _ if self.all.is_empty() => return Ok(Belonging::default()),
            Some(path) if self.match_paths() => {
                let settled = self.settle(seen, path.readings().map(Some), &depth)?;
                let folded = |resource: &Resource, path: Option<&str>| in_case(resource, path, true);
                let in_any_case = match self.all.len() {
                    1 => settled,
                    _ => self.settle(seen, path.readings().map(Some), &folded)?,
                };
                if settled.map(|best| best.at) != in_any_case.map(|best| best.at) {
                    return Err(Doubt::Spelling);
                }
                settled
            }
            _ => self.settle(seen, [None], &depth)?,
        };
        let Some(best) = settled else { return Ok(Belonging::default()) };
        let mut belonging = Belonging { to: Some(ResourceId(best.at)), or: Vec::new() };
        if !best.is_here && self.are_on_several_hosts() {
            let path = seen.path.map(NormalPath::matched);
            let others =
                self.all.iter().enumerate().filter(|(at, one)| *at != best.at && depth(one, path).is_some());
            belonging.or = others.map(|(at, _)| ResourceId(at)).collect();
        }
        Ok(belonging)
    }

    /// The resource of that number.
    pub fn at(&self, id: ResourceId) -> Option<&Resource> {
        self.all.get(id.0)
    }

    /// What `aud` must hold one of: the request's own resource's audiences. A request that is for none
    /// of several resources still needs a token for one of them.
    pub fn accept(&self, belonging: &Belonging, has_audience: impl Fn(&[String]) -> bool) -> bool {
        let accepts =
            |resource: &Resource| resource.audiences.is_empty() || has_audience(&resource.audiences);
        match belonging.to.and_then(|id| self.at(id)) {
            Some(resource) => {
                accepts(resource) && belonging.or.iter().filter_map(|id| self.at(*id)).all(accepts)
            }
            None => self.all.is_empty() || self.all.iter().any(accepts),
        }
    }

    /// The audiences of which a token needs one; empty: any audience is accepted.
    pub(crate) fn wanted(&self, belonging: &Belonging) -> Vec<&str> {
        let resources = match belonging.to.and_then(|id| self.at(id)) {
            Some(resource) => std::slice::from_ref(resource),
            None if self.all.iter().any(|resource| resource.audiences.is_empty()) => &[],
            None => &self.all,
        };
        resources.iter().flat_map(|resource| &resource.audiences).map(String::as_str).collect()
    }

    /// The best of them in every reading of host and path; an error if there are two.
    fn settle<'p>(
        &self,
        seen: &Seen<'_>,
        paths: impl IntoIterator<Item = Option<&'p str>>,
        depth: &dyn Fn(&Resource, Option<&str>) -> Option<usize>,
    ) -> Result<Option<Best>, Doubt> {
        let mut settled: Option<Option<Best>> = None;
        let authority = if self.all.len() > 1 { seen.authority() } else { None };
        if authority.is_none() && self.are_on_several_hosts() {
            return Err(Doubt::Host);
        }
        for path in paths {
            let hosts = authority.into_iter().flat_map(|authority| authority.readings().map(Some));
            for host in hosts.chain(authority.is_none().then_some(None)) {
                let best = self.best(host, &|resource| depth(resource, path));
                match settled {
                    None => settled = Some(best),
                    Some(other) if other.map(|best| best.at) == best.map(|best| best.at) => {}
                    Some(_) => return Err(Self::doubt(seen)),
                }
            }
        }
        Ok(settled.flatten())
    }

    /// What makes the difference between two readings, most likely.
    fn doubt(seen: &Seen<'_>) -> Doubt {
        match seen.path {
            Some(path) if path.has_escaped_slash() => Doubt::EscapedSlash,
            Some(path) if path.others().next().is_some() => Doubt::Parameters,
            _ => Doubt::Host,
        }
    }

    fn are_on_several_hosts(&self) -> bool {
        let mut hosts = self.all.iter().map(|resource| resource.hosts.first());
        let first = hosts.next();
        hosts.any(|host| Some(host) != first)
    }

    #[inline(never)]
    fn best(
        &self,
        host: Option<HostReading<'_>>,
        depth: &dyn Fn(&Resource) -> Option<usize>,
    ) -> Option<Best> {
        // The first of equals: two with the same host and path differ in their query, which requests of
        // the API do not tell.
        let mut best: Option<Best> = None;
        for (at, resource) in self.all.iter().enumerate() {
            let Some(depth) = depth(resource) else { continue };
            let is_here = host.is_some_and(|host| resource.hosts.iter().any(|one| one.is(host)));
            if best.is_none_or(|best| (best.is_here, best.depth) < (is_here, depth)) {
                best = Some(Best { at, is_here, depth });
            }
        }
        best
    }
}

/// Which resource a request is for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Belonging {
    /// This one, if any.
    pub to: Option<ResourceId>,
    /// Or one of these: the host belongs to none of them, and the token must be valid for all.
    pub or: Vec<ResourceId>,
}

#[derive(Clone, Copy)]
struct Best {
    at: usize,
    is_here: bool,
    depth: usize,
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
    /// Takes `text` apart if it is an https URI without a fragment, or an http URI of this machine, for tests.
    /// It must be in normal form, because it is compared as it is.
    pub fn parse(text: &'a str) -> Option<Self> {
        let uri = http_uri(text).ok()?;
        let HttpUri { scheme, authority, host, path, .. } = uri;
        let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        let fits = text.starts_with(scheme)
            && !uri.has_fragment
            && !uri.has_user_info
            && (scheme == "https" || is_here);
        let (origin, target) =
            text.split_at_checked(scheme.len().checked_add(3)?.checked_add(authority.len())?)?;
        let query = target.strip_prefix(path)?;
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
            ("this machine, by its name",    "http://localhost:1/a", Some("/.well-known/oauth-protected-resource/a")),
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
