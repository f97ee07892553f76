//! The URI of a request, as a proof names it.

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
    /// It has none; compared byte by byte.
    AsItIs(Vec<u8>),
}

impl Target {
    /// The target of a URI, without query and fragment; `None` if it is no absolute http or https URI.
    pub(super) fn of_uri(uri: &str) -> Option<Self> {
        let uri = uri.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = uri.split_once("://")?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        Self::new(scheme.as_bytes(), authority.as_bytes(), path.as_bytes())
    }

    /// The same of a request's pseudo-fields; `external` is the origin that clients call, if it is another
    /// one.
    pub(super) fn of_request(
        external: Option<&str>,
        scheme: &[u8],
        authority: &[u8],
        path: &[u8],
    ) -> Option<Self> {
        let (path, _) = split_query(path);
        match external.and_then(|origin| origin.split_once("://")) {
            Some((scheme, authority)) => Self::new(scheme.as_bytes(), authority.as_bytes(), path),
            None => Self::new(scheme, authority, path),
        }
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
            ("no host",                              "https:///r",         "https", "",          "/r",      false),
            ("a relative reference",                 "/r",                 "https", "h",         "/r",      false),
            ("another scheme altogether",            "ftp://h/r",          "ftp",   "h",         "/r",      false),
        ];
        for (name, htu, scheme, authority, path, same) in cases {
            let request = Target::of_request(None, scheme.as_bytes(), authority.as_bytes(), path.as_bytes());
            let is_same = request.is_some() && Target::of_uri(htu) == request;
            assert_eq!(is_same, same, "{name}");
        }
    }

    #[test]
    fn what_clients_call_may_be_another_origin() {
        // DPP-12
        let of = |external| Target::of_request(external, b"http", b"internal:8080", b"/r");
        assert_eq!(of(Some("https://api.example.com")), Target::of_uri("https://api.example.com/r"));
        assert_eq!(of(None), Target::of_uri("http://internal:8080/r"));
    }
}
