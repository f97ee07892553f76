//! URIs as the configuration takes them ([RFC 3986 §3]): nothing is repaired. What two programs could read
//! differently is refused, although browsers accept it:
//!
//! - a host other than letters, digits, `-`, `_` and `.`: with escapes, punctuation, empty labels, or characters
//!   that are not ASCII (labels in Punycode are passed on unread);
//! - an IPv4 address that is not four decimal numbers, an IPv6 address that is not in its shortest form
//!   ([RFC 5952]), with a zone, or that stands for an IPv4 address;
//! - a port that is empty, zero, or begins with a zero;
//! - `.` and `..` as segments of the path, escaped or not;
//! - characters that no URI has: spaces, control characters, backslashes, and what is not ASCII;
//! - an escape that is not `%` and two hexadecimal digits, and a second `#`.
//!
//! [RFC 3986 §3]: https://www.rfc-editor.org/rfc/rfc3986#section-3
//! [RFC 5952]: https://www.rfc-editor.org/rfc/rfc5952

use crate::base::{ip, text};

/// An absolute `http` or `https` URI in its parts, as written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HttpUri<'a> {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Whether it names a user.
    pub has_user_info: bool,
    /// Host and port, without user information.
    pub authority: &'a str,
    /// An IPv6 address with its brackets.
    pub host: &'a str,
    /// Empty, or with a slash at its start.
    pub path: &'a str,
    /// Without its question mark.
    pub query: Option<&'a str>,
    /// Whether it has a fragment.
    pub has_fragment: bool,
}

/// Why text is not such a URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UriFault {
    /// It does not have the form of one, or has characters that no URI has.
    Form,
    /// Its host has characters that are not ASCII.
    HostNotAscii,
    /// Its host or port could be read differently, or not at all.
    Authority,
    /// Its path has dot segments.
    DotSegments,
}

/// Takes an absolute `http` or `https` URI apart.
#[inline(never)]
pub fn http_uri(text: &str) -> Result<HttpUri<'_>, UriFault> {
    let (scheme, rest) = text::split_once(text, "://").ok_or(UriFault::Form)?;
    let schemes = ["http", "https"].into_iter();
    let scheme =
        schemes.into_iter().find(|known| known.eq_ignore_ascii_case(scheme)).ok_or(UriFault::Form)?;
    let (authority, target) = split_before(rest, &['/', '?', '#']);
    let (user_info, authority) =
        authority.rsplit_once('@').map_or((None, authority), |(user, rest)| (Some(user), rest));
    if authority.is_empty() {
        return Err(UriFault::Form);
    }
    if !authority.is_ascii() {
        return Err(UriFault::HostNotAscii);
    }
    let host = host_of(authority).filter(|host| is_plain_host(host)).ok_or(UriFault::Authority)?;
    let (target, fragment) = split_before(target, &['#']);
    let (path, query) = split_before(target, &['?']);
    let fits = is_uri_text(text)
        && user_info.is_none_or(|user| !user.contains(['@', '[', ']']))
        && !fragment.chars().skip(1).any(|c| c == '#');
    if !fits {
        return Err(UriFault::Form);
    }
    if path.split('/').any(is_dot_segment) {
        return Err(UriFault::DotSegments);
    }
    let (has_user_info, has_fragment) = (user_info.is_some(), !fragment.is_empty());
    Ok(HttpUri { scheme, has_user_info, authority, host, path, query: query.get(1..), has_fragment })
}

/// Whether text is an absolute URI: of `http` or `https` as above, or of a scheme that names things and no host, such
/// as `urn:` and `mailto:`.
pub fn is_absolute_uri(text: &str) -> bool {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let names_a_host =
        ["http", "https", "ftp", "ws", "wss", "file"].iter().any(|one| one.eq_ignore_ascii_case(scheme));
    let is_name =
        starts && scheme.bytes().all(fits) && !names_a_host && !rest.is_empty() && !rest.starts_with('/');
    http_uri(text).is_ok() || is_name && is_uri_text(text)
}

/// Whether text is an origin as browsers send it ([RFC 6454 §6.2]): in lower case, without the scheme's own port.
///
/// [RFC 6454 §6.2]: https://www.rfc-editor.org/rfc/rfc6454#section-6.2
pub fn is_origin(text: &str) -> bool {
    http_uri(text).is_ok_and(|uri| {
        let own_port = if uri.scheme == "https" { ":443" } else { ":80" };
        text.strip_prefix(uri.scheme).and_then(|rest| rest.strip_prefix("://")) == Some(uri.authority)
            && uri.authority.strip_prefix(uri.host) != Some(own_port)
            && !uri.authority.bytes().any(|b| b.is_ascii_uppercase())
    })
}

/// Characters and escapes of a URI ([RFC 3986 §2]).
fn is_uri_text(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let is_escape =
        |rest: &str| matches!(rest.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    text.bytes().all(fits) && text.split('%').skip(1).all(is_escape)
}

/// The host of an authority, if what stands behind it is a port ([RFC 3986 §3.2.3]).
fn host_of(authority: &str) -> Option<&str> {
    let end = match authority.find(']') {
        Some(bracket) => bracket.checked_add(1)?,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let is_port =
        |port: &str| port.starts_with(|c: char| matches!(c, '1'..='9')) && port.parse::<u16>().is_ok();
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(host)
}

/// Whether a host can be read in one way only: it is a name, or an address in its usual form.
fn is_plain_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let shortest = ip::v6(inner).map(ip::shortest_v6);
        return shortest.is_some_and(|shortest| shortest.eq_ignore_ascii_case(inner)) && !inner.contains('.');
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(fits);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.split('.').all(is_label) && (!is_number(last) || ip::v4(host).is_some())
}

/// Whether browsers read a last label as a number, and the host as an IPv4 address.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|b| b.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `.` and `..` ([RFC 3986 §3.3]), also with escapes.
fn is_dot_segment(segment: &str) -> bool {
    let plain = text::replaced(&text::replaced(segment, "%2e", "."), "%2E", ".");
    matches!(plain.as_str(), "." | "..")
}

/// What stands before the first of these characters, and what begins with it.
fn split_before<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at_checked(text.find(ends).unwrap_or(text.len())).unwrap_or_default()
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws;

#[cfg(test)]
mod tests {
    use super::UriFault::{self, Authority, DotSegments, Form, HostNotAscii};
    use super::{http_uri, is_absolute_uri, is_origin};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_refused() {
        #[rustfmt::skip]
        let cases: [(&str, &str, Option<UriFault>); 58] = [
            ("a name",                   "https://as.example.com",          None),
            ("upper case",               "HTTPS://AS.Example.com/A",        None),
            ("an underscore",            "http://my_service.ns/x",          None),
            ("a root dot",               "https://as.example.com./x",       None),
            ("Punycode",                 "https://xn--bcher-kva.example/",  None),
            ("a port",                   "https://h:8443",                  None),
            ("the last port",            "https://h:65535",                 None),
            ("IPv4",                     "http://127.0.0.1:1/",             None),
            ("IPv6",                     "http://[2001:db8::1]:1/",         None),
            ("IPv6 in upper case",       "http://[2001:DB8::1]/",           None),
            ("a name with numbers",      "https://1.2.3.4.example/",        None),
            ("user information",         "https://u:p%20@h/",               None),
            ("an empty query",           "https://h?",                      None),
            ("brackets in a query",      "https://h/?a[b]=c",               None),
            ("a fragment",               "https://h/#a",                    None),
            ("three dots",               "https://h/...",                   None),
            ("a dot in a name",          "https://h/.well-known/x",         None),
            ("an escape",                "https://h/%C3%a9?%20",            None),
            ("nothing",                  "",                                Some(Form)),
            ("no scheme",                "//h/",                            Some(Form)),
            ("another scheme",           "ftp://h/",                        Some(Form)),
            ("no slashes",               "https:h/",                        Some(Form)),
            ("one slash",                "https:/h/",                       Some(Form)),
            ("three slashes",            "https:///h/",                     Some(Form)),
            ("a space before",           " https://h/",                     Some(Form)),
            ("a space behind",           "https://h/ ",                     Some(Form)),
            ("no host",                  "https://",                        Some(Form)),
            ("no host, a user",          "https://u@/",                     Some(Form)),
            ("a tab",                    "https://h/a\tb",                  Some(Form)),
            ("a line break",             "https://h/\n",                    Some(Form)),
            ("a zero byte",              "https://h/\0",                    Some(Form)),
            ("a backslash",              "https://h/a\\b",                  Some(Form)),
            ("a path that is not ASCII", "https://h/\u{e9}",                Some(Form)),
            ("half an escape",           "https://h/%a",                    Some(Form)),
            ("no escape",                "https://h/?100%",                 Some(Form)),
            ("two fragments",            "https://h/#a#b",                  Some(Form)),
            ("two users",                "https://u@v@h/",                  Some(Form)),
            ("a host that is not ASCII", "https://b\u{fc}cher.example/",    Some(HostNotAscii)),
            ("another full stop",        "https://h\u{3002}example/",       Some(HostNotAscii)),
            ("a backslash before",       "https://h\\@evil.example/",       Some(Form)),
            ("a backslash in the host",  "https://h\\evil.example/",        Some(Authority)),
            ("an escape in the host",    "https://%68/",                    Some(Authority)),
            ("a space in the host",      "https://a b/",                    Some(Authority)),
            ("punctuation in the host",  "https://a,b/",                    Some(Authority)),
            ("an empty label",           "https://a..b/",                   Some(Authority)),
            ("two root dots",            "https://a../",                    Some(Authority)),
            ("only a dot",               "https://./",                      Some(Authority)),
            ("only a port",              "https://:80/",                    Some(Authority)),
            ("an empty port",            "https://h:/",                     Some(Authority)),
            ("port zero",                "https://h:0/",                    Some(Authority)),
            ("a zero before the port",   "https://h:0443/",                 Some(Authority)),
            ("a sign before the port",   "https://h:+443/",                 Some(Authority)),
            ("a port too large",         "https://h:65536/",                Some(Authority)),
            ("a dot segment",            "https://h/a/../b",                Some(DotSegments)),
            ("an escaped dot segment",   "https://h/a/%2E./b",              Some(DotSegments)),
            ("a dot segment at the end", "https://h/a/.",                   Some(DotSegments)),
            ("dots in the query",        "https://h/a?/../",                None),
            ("dots in the fragment",     "https://h/a#/../",                None),
        ];
        for (name, text, want) in cases {
            assert_eq!(http_uri(text).err(), want, "{name}: {text:?}");
        }
    }

    #[test]
    fn addresses_that_are_refused() {
        #[rustfmt::skip]
        let cases = [
            "127.1", "2130706433", "0x7f.1", "0x", "a.0xfg.0x1", "127.0.0.01", "256.0.0.1", "1.2.3.4.5", "127.0.0.1.", "a.1",
            "[::1", "::1]", "[]", "[::1]x", "[::1]:", "[::0]", "[0::1]", "[::01]", "[1:0:0:2:0:0:0:3]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
            "[fe80::1%25eth0]", "[fe80::1%eth0]", "[v1.a]", "[[::1]]", "a[::1]", "::1",
        ];
        for host in cases {
            assert_eq!(http_uri(&format!("https://{host}/")).err(), Some(Authority), "{host}");
        }
    }

    #[test]
    fn the_parts_of_a_uri() {
        let uri = http_uri("HTTPS://me@H.example:443/a/b?c?d#e").unwrap();
        assert_eq!((uri.scheme, uri.authority, uri.host), ("https", "H.example:443", "H.example"));
        assert_eq!((uri.path, uri.query), ("/a/b", Some("c?d")));
        assert!(uri.has_user_info && uri.has_fragment);
        let uri = http_uri("http://[::1]").unwrap();
        assert_eq!((uri.scheme, uri.authority, uri.host), ("http", "[::1]", "[::1]"));
        assert_eq!((uri.path, uri.query), ("", None));
        assert!(!uri.has_user_info && !uri.has_fragment);
    }

    #[test]
    fn origins_and_absolute_uris() {
        let origins = ["https://app.example.com", "http://localhost:3000", "https://h:80", "http://[::1]:1"];
        let others = [
            "https://h/",
            "https://h?",
            "https://h#",
            "https://u@h",
            "HTTPS://h",
            "https://H",
            "https://h:443",
            "http://h:80",
            "null",
            "*",
            "app.example.com",
            "https://*.example.com",
        ];
        assert_eq!(origins.map(is_origin), [true; 4]);
        assert_eq!(others.map(is_origin), [false; 12]);
        let absolute = ["https://docs.example/e", "urn:example:docs", "mailto:help@example.com", "x+y-1.z:a"];
        let others = [
            "",
            "/x",
            "docs",
            ":x",
            "1a:b",
            "a b:c",
            "urn:",
            "urn:a b",
            "urn:%",
            "urn:\u{e9}",
            "urn:/x",
            "x://h",
            "https:h",
            "ftp:h",
            "https://a..b",
        ];
        assert_eq!(absolute.map(is_absolute_uri), [true; 4]);
        assert_eq!(others.map(is_absolute_uri), [false; 15]);
    }
}
