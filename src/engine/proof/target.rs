//! The URI of a request, as a proof names it.

use crate::base::text;
use crate::request::path::{NormalPath, split_query};

/// Scheme, authority and path, each in its normal form ([RFC 3986 §6.2.2, §6.2.3]).
///
/// [RFC 3986 §6.2.2, §6.2.3]: https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    origin: String,
    path: Path,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Path {
    /// In normal form, as the rules see it.
    Normal(String),
    /// Not in normal form; compared byte by byte.
    AsItIs(Vec<u8>),
}

impl Target {
    /// The target of a URI, without query and fragment; `None` if it is not an absolute http or https URI.
    pub(super) fn of_uri(uri: &str) -> Option<Self> {
        let uri = uri.split(['?', '#']).next().unwrap_or_default();
        let (scheme, authority, path) = parts(uri)?;
        Self::new(scheme.as_bytes(), authority.as_bytes(), path.as_bytes())
    }

    /// The same of a request; `external` is the origin that clients call, if it is another one, with the prefix
    /// of paths that a hop takes off.
    pub(super) fn of_request(
        external: Option<&str>,
        scheme: &[u8],
        authority: &[u8],
        path: &[u8],
    ) -> Option<Self> {
        let (path, _) = split_query(path);
        let Some((scheme, authority, prefix)) = external.and_then(parts) else {
            return Self::new(scheme, authority, path);
        };
        Self::new(scheme.as_bytes(), authority.as_bytes(), path)?.below(prefix)
    }

    /// Scheme and authority.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The target that a hop has taken this prefix from. Dot segments of the rest lead nowhere above it.
    fn below(mut self, prefix: &str) -> Option<Self> {
        match &mut self.path {
            Path::Normal(path) => path.insert_str(0, prefix),
            Path::AsItIs(path) if prefix.is_empty() || path.starts_with(b"/") => {
                drop(path.splice(0..0, prefix.bytes()));
            }
            Path::AsItIs(_) => return None,
        }
        Some(self)
    }

    /// Whether `htu` names it. What a hop makes `/` of is a prefix alone, with or without a slash.
    pub(super) fn is_named_by(&self, htu: &str, external: Option<&str>) -> bool {
        let Some(named) = Self::of_uri(htu) else { return false };
        let is_bare = |external: &str| match (&named.path, &self.path) {
            (Path::Normal(named), Path::Normal(path)) => {
                let prefix = parts(external).map(|(_, _, prefix)| prefix);
                prefix == Some(named) && path.strip_suffix('/') == Some(named)
            }
            _ => false,
        };
        named == *self || named.origin == self.origin && external.is_some_and(is_bare)
    }

    fn new(scheme: &[u8], authority: &[u8], path: &[u8]) -> Option<Self> {
        let lower = |bytes: &[u8]| {
            let text =
                std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
            text.map(str::to_ascii_lowercase)
        };
        let (scheme, authority) = (lower(scheme)?, lower(authority)?);
        let default_port = match scheme.as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => return None,
        };
        let host = authority.strip_suffix(default_port).or(authority.strip_suffix(':')).unwrap_or(&authority);
        if host.is_empty() || host.contains('@') {
            return None;
        }
        let path = if path.is_empty() { b"/" } else { path };
        let path = NormalPath::parse(path)
            .map_or_else(|_| Path::AsItIs(path.to_vec()), |normal| Path::Normal(normal.as_str().to_owned()));
        Some(Self { origin: format!("{scheme}://{host}"), path })
    }
}

/// Scheme, authority and what follows.
fn parts(uri: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = text::split_once(uri, "://")?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    Some((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    use super::Target;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn two_spellings_of_one_uri_are_one_target() {
        #[rustfmt::skip]
        let cases = [
            // name, htu, scheme, authority, path, whether they are the same
            ("DPP-10 the query does not count",      "https://h/r",        "https", "h",         "/r?x=1",  true),
            ("DPP-10 a query in htu neither",        "https://h/r?x=2",    "https", "h",         "/r?x=1",  true),
            ("a fragment in htu neither",            "https://h/r#f",      "https", "h",         "/r",      true),
            ("DPP-10 another path",                  "https://h/s",        "https", "h",         "/r",      false),
            ("DPP-11 case, default port, escapes",   "HTTPS://H.EXAMPLE:443/%7Er", "https", "h.example", "/~r", true),
            ("DPP-11 dot segments",                  "https://h/a/../r",   "https", "h",         "/r",      true),
            ("DPP-11 the case of a path",            "https://h/R",        "https", "h",         "/r",      false),
            ("DPP-11 an escaped slash",              "https://h/a%2Fb",    "https", "h",         "/a/b",    false),
            ("the same escaped slash",               "https://h/a%2Fb",    "https", "h",         "/a%2Fb",  true),
            ("an empty path",                        "https://h",          "https", "h",         "/",       true),
            ("an empty port",                        "https://h:/",        "https", "h",         "/",       true),
            ("another scheme",                       "http://h/r",         "https", "h",         "/r",      false),
            ("the port of another scheme",           "http://h:443/r",     "http",  "h",         "/r",      false),
            ("another port",                         "https://h:8443/r",   "https", "h",         "/r",      false),
            ("another host",                         "https://i/r",        "https", "h",         "/r",      false),
            ("a user",                               "https://u@h/r",      "https", "h",         "/r",      false),
            ("a user in both",                   "https://u@h/r",      "https", "u@h",       "/r",      false),
            ("no host",                              "https:///r",         "https", "",          "/r",      false),
            ("a relative reference",                 "/r",                 "https", "h",         "/r",      false),
            ("another scheme altogether",            "ftp://h/r",          "ftp",   "h",         "/r",      false),
        ];
        for (name, htu, scheme, authority, path, same) in cases {
            let request = Target::of_request(None, scheme.as_bytes(), authority.as_bytes(), path.as_bytes());
            let is_same = request.is_some_and(|request| request.is_named_by(htu, None));
            assert_eq!(is_same, same, "{name}");
        }
    }

    #[test]
    fn what_clients_call_may_be_another_origin() {
        // DPP-12
        let (origin, below) = ("https://api.example.com", "https://api.example.com:443/svc1");
        #[rustfmt::skip]
        let cases = [
            // name, external, path, htu, whether they are the same
            ("the origin",                     Some(origin), "/r",           "https://api.example.com/r",           true),
            ("the one that Envoy sees",        Some(origin), "/r",           "http://internal:8080/r",              false),
            ("Envoy's, if there is no other",  None,         "/r",           "http://internal:8080/r",              true),
            ("a prefix",                       Some(below),  "/r?x=1",       "https://api.example.com/svc1/r",      true),
            ("in another spelling",            Some(below),  "/r",           "HTTPS://API.example.com:443/./%73vc1//r", true),
            ("without it",                     Some(below),  "/r",           "https://api.example.com/r",           false),
            ("another prefix",                 Some(below),  "/r",           "https://api.example.com/svc2/r",      false),
            ("the prefix alone for another",   Some(below),  "/r",           "https://api.example.com/svc1",        false),
            ("a longer one",                   Some(below),  "/r",           "https://api.example.com/svc11/r",     false),
            ("the prefix twice",               Some(below),  "/r",           "https://api.example.com/svc1/svc1/r", false),
            ("a path that has it too",         Some(below),  "/svc1/r",      "https://api.example.com/svc1/r",      false),
            ("the prefix alone",               Some(below),  "/",            "https://api.example.com/svc1",        true),
            ("with a slash",                   Some(below),  "/",            "https://api.example.com/svc1/",       true),
            ("a final slash elsewhere",        Some(below),  "/r/",          "https://api.example.com/svc1/r",      false),
            ("none elsewhere",                 Some(below),  "/r",           "https://api.example.com/svc1/r/",     false),
            ("the root of another origin",     Some(below),  "/",            "https://other.example.com/svc1",      false),
            ("the root without a prefix",      Some(origin), "/",            "https://api.example.com",             true),
            ("a path that is the host's name", Some("https://orders"), "/orders/", "https://orders/orders",        false),
            ("a path above",                   Some(below),  "/../r",        "https://api.example.com/r",           false),
            ("a path above, below",            Some(below),  "/../r",        "https://api.example.com/svc1/r",      true),
            ("two slashes",                    Some(below),  "//r",          "https://api.example.com/svc1/r",      true),
            ("an escaped slash",               Some(below),  "/a%2Fb",       "https://api.example.com/svc1/a%2Fb",  true),
            ("in other letters",               Some(below),  "/a%2fb",       "https://api.example.com/svc1/a%2Fb",  false),
            ("no path",                        Some(below),  "*",            "https://api.example.com/svc1*",       false),
        ];
        for (name, external, path, htu, same) in cases {
            let request = Target::of_request(external, b"http", b"internal:8080", path.as_bytes());
            let is_same = request.is_some_and(|request| request.is_named_by(htu, external));
            assert_eq!(is_same, same, "{name}");
        }
    }
}
