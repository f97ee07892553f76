//! How a host is matched.

use std::borrow::Cow;

use crate::base::ip;
use crate::decision::Doubt;
use crate::policy::rule::fit::Fit;
use crate::request::head::RequestHead;
use crate::request::matching::Reading;

/// A host name, or `*.` and the end of one; with a port or without.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPattern {
    name: String,
    port: Option<String>,
}

/// An authority in every way in which it may be read ([RFC 3986 §3.2]). Envoy's router compares it letter
/// by letter, port and final dot included, unless it is told to take them off.
///
/// [RFC 3986 §3.2]: https://www.rfc-editor.org/rfc/rfc3986#section-3.2
#[derive(Clone, Debug)]
pub(crate) struct Authority<'a> {
    /// In lower case.
    name: Cow<'a, str>,
    /// Without a final dot, an address in its shortest form; `None`: that is how it came.
    canonical: Option<String>,
    port: Option<&'a str>,
    reading: Reading,
}

/// One reading of an authority: its host, and its port if that counts.
pub(crate) type HostReading<'a> = (&'a str, Option<&'a str>);

impl HostPattern {
    /// `api.example.com`, `*.example.com` or `api.example.com:8443`, in any case.
    #[inline]
    pub fn parse(text: &str) -> Option<Self> {
        let (text, port) = split_port(text)?;
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return None;
        }
        let name = match text.strip_prefix("*.") {
            Some(end) => host_name(end).map(|end| format!("*.{end}")),
            None => host(text),
        }?;
        Some(Self { name, port: port.map(str::to_owned) })
    }

    /// Whether it has a port.
    pub fn has_port(&self) -> bool {
        self.port.is_some()
    }

    /// Whether some reading of the authority matches, whatever its port.
    pub fn may_fit(&self, authority: &[u8]) -> bool {
        Authority::parse(authority, Reading::Refuse)
            .is_some_and(|authority| authority.readings().any(|reading| self.is(reading)))
    }

    /// Whether an authority fits that is read so.
    #[inline]
    pub(crate) fn is(&self, (name, port): HostReading<'_>) -> bool {
        self.port.as_deref() == port
            && match self.name.strip_prefix('*') {
                // `.example.com`: what stands before it is not empty, for no host starts with a dot.
                Some(end) => name.ends_with(end),
                None => name == self.name,
            }
    }
}

impl<'a> Authority<'a> {
    /// The authority of a request; `None`: it cannot be read, or `Host` differs.
    #[inline]
    pub(super) fn read(head: RequestHead<'a>, reading: Reading) -> Option<Self> {
        let authority = head.authority();
        head.all("host")
            .all(|host| host.eq_ignore_ascii_case(authority))
            .then(|| Self::parse(authority, reading))?
    }

    #[inline]
    fn parse(authority: &'a [u8], reading: Reading) -> Option<Self> {
        let (text, port) = split_port(std::str::from_utf8(authority).ok()?)?;
        let canonical = host(text)?;
        let name = if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
        let canonical = (canonical != *name).then_some(canonical);
        Some(Self { name, canonical, port, reading })
    }

    /// Its readings: of router, rules and upstream, each may have another one.
    #[inline]
    pub(crate) fn readings(&self) -> impl Iterator<Item = HostReading<'_>> {
        let with_port = self.port.filter(|_| self.reading != Reading::Ignore).map(Some);
        let without = (self.port.is_none() || self.reading != Reading::Literal).then_some(None);
        let names = std::iter::once(&*self.name).chain(self.canonical.as_deref());
        names.flat_map(move |name| with_port.into_iter().chain(without).map(move |port| (name, port)))
    }

    /// Whether it is one of these hosts.
    #[inline]
    pub(super) fn fits(&self, hosts: &[HostPattern]) -> Fit {
        Fit::of_readings(self.readings().map(|one| hosts.iter().any(|host| host.is(one))), Doubt::Host)
    }
}

/// Host and port; `None`: what stands behind the host is no port.
#[inline]
fn split_port(text: &str) -> Option<(&str, Option<&str>)> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')?.checked_add(2)?,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(end)?;
    match rest.strip_prefix(':') {
        Some(port) => port.bytes().all(|b| b.is_ascii_digit()).then_some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

/// A host in one spelling: no final dot, lower case, the shortest form of an IPv6 address, in brackets.
/// `None`: nothing that can be compared.
#[inline]
fn host(text: &str) -> Option<String> {
    match text.strip_prefix('[') {
        Some(rest) => {
            let address = ip::v6(rest.strip_suffix(']')?)?;
            Some(format!("[{}]", ip::shortest_v6(address)))
        }
        None => host_name(text),
    }
}

#[inline]
fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_name = name.split('.').all(|label| !label.is_empty() && label.bytes().all(plain));
    is_name.then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{Authority, HostPattern};
    use crate::decision::Doubt;
    use crate::policy::rule::fit::Fit;
    use crate::request::head::RequestHead;
    use crate::request::matching::Reading;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn fits(pattern: &str, authority: &[u8], reading: Reading) -> Fit {
        let host = HostPattern::parse(pattern).unwrap();
        Authority::parse(authority, reading).map_or(Fit::Unclear(Doubt::Host), |one| one.fits(&[host]))
    }

    #[test]
    fn which_hosts_fit() {
        // PTH-06
        use Fit::{No, Yes};
        let unclear = Fit::Unclear(Doubt::Host);
        #[rustfmt::skip]
        let cases = [
            // pattern, authority, by default, where ports are ignored, where they count
            ("api.example.com", "API.example.com",     Yes,     Yes,     Yes),
            ("api.example.com", "API.example.com:443", unclear, Yes,     No),
            ("api.example.com", "api.example.com.",    unclear, unclear, unclear),
            ("api.example.com", "api.example.com.:80", unclear, unclear, No),
            ("api.example.com", "api.example.com.evil", No,     No,      No),
            ("*.example.com",   "a.b.example.com",     Yes,     Yes,     Yes),
            ("*.example.com",   "a.example.com:1",     unclear, Yes,     No),
            ("*.example.com",   "example.com",         No,      No,      No),
            ("*.example.com",   "evilexample.com",     No,      No,      No),
            ("*.example.com",   ".example.com",        unclear, unclear, unclear),
            ("*.example.com",   "A.Example.COM.:8443", unclear, unclear, No),
            ("*.example.com",   "u@a.example.com",     unclear, unclear, unclear),
            ("*.example.com",   "a.example.com:80:80", unclear, unclear, unclear),
            ("EXAMPLE.com.",    "example.com",         Yes,     Yes,     Yes),
            ("api.example.com", "api.example.com:",    unclear, Yes,     No),
            ("api.example.com", "api.example.com:x",   unclear, unclear, unclear),
            ("api.example.com", "api.example.com,",    unclear, unclear, unclear),
            ("api.example.com", "api.example.com ",    unclear, unclear, unclear),
            ("api.example.com", "",                    unclear, unclear, unclear),
            ("api.example.com", ":80",                 unclear, unclear, unclear),
            ("a.example:8443",  "A.example:8443",      unclear, No,      Yes),
            ("a.example:8443",  "a.example:443",       No,      No,      No),
            ("a.example:8443",  "a.example",           No,      No,      No),
            ("*.example:8443",  "a.example:8443",      unclear, No,      Yes),
            ("10.0.0.1",        "10.0.0.1",            Yes,     Yes,     Yes),
            ("10.0.0.1",        "10.0.0.1:80",         unclear, Yes,     No),
            ("[::1]",           "[::1]",               Yes,     Yes,     Yes),
            ("[::1]",           "[::1]:8080",          unclear, Yes,     No),
            ("[::1]:8080",      "[::1]:8080",          unclear, No,      Yes),
            ("[::1]",           "[0:0:0::1]",          unclear, unclear, unclear),
            ("[2001:DB8::A]",   "[2001:db8::a]",       Yes,     Yes,     Yes),
            ("[::1]",           "[::1%25lo]",          unclear, unclear, unclear),
            ("[::1]",           "::1",                 unclear, unclear, unclear),
            ("[::1]",           "[::1",                unclear, unclear, unclear),
            ("[::1]",           "[::1]x",              unclear, unclear, unclear),
            ("xn--ex-mple.com", "XN--ex-mple.com",     Yes,     Yes,     Yes),
            ("api.example.com", "api.ex\u{e4}mple.com", unclear, unclear, unclear),
        ];
        for (pattern, authority, refuse, ignore, literal) in cases {
            for (reading, want) in
                [(Reading::Refuse, refuse), (Reading::Ignore, ignore), (Reading::Literal, literal)]
            {
                let got = fits(pattern, authority.as_bytes(), reading);
                assert_eq!(got, want, "{pattern} {authority} {reading:?}");
            }
        }
        assert_eq!(fits("*.example.com", b"\xff.example.com", Reading::Ignore), unclear);
        for bad in [
            "", "*.", "a b", "*", "a*", "*.*.a", "http://x", "x:", "x:y", "x:1:2", "x:65536", ":80", ".",
            "a..b", ".a", "*..a", "[1]", "*.[::1]",
        ] {
            assert_eq!(HostPattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_host_and_its_port_may_be_listed_both() {
        let hosts = ["a.example", "a.example:8443"].map(|host| HostPattern::parse(host).unwrap());
        for (authority, want) in [
            ("a.example", Fit::Yes),
            ("a.example:8443", Fit::Yes),
            ("a.example:443", Fit::Unclear(Doubt::Host)),
            ("b.example:8443", Fit::No),
        ] {
            let got = Authority::parse(authority.as_bytes(), Reading::Refuse).unwrap().fits(&hosts);
            assert_eq!(got, want, "{authority}");
        }
    }

    #[test]
    fn a_host_field_beside_the_authority_says_the_same() {
        for (host, is_read) in [("a.example", true), ("b.example", false), ("A.example", true)] {
            let fields = [
                (b":authority".to_vec(), b"a.example".to_vec()),
                (b"host".to_vec(), host.as_bytes().to_vec()),
            ];
            let authority = Authority::read(RequestHead::new(&fields), Reading::Refuse);
            assert_eq!(authority.is_some(), is_read, "{host}");
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws {
    use super::{Authority, HostPattern};
    use crate::policy::rule::fit::Fit;
    use crate::request::matching::Reading;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn any_text_is_a_host_or_refused(text in any::<String>(), authority in any::<Vec<u8>>()) {
            if let Some(host) = HostPattern::parse(&text) {
                host.may_fit(&authority);
            }
        }

        // PTH-06
        #[test]
        fn a_port_is_nothing_where_it_is_ignored(name in "[a-z]{1,5}(\\.[a-z0-9-]{1,4}){0,3}", port in any::<u16>()) {
            let fits = |pattern: &str, authority: &str, reading| {
                let pattern = HostPattern::parse(pattern).unwrap();
                Authority::parse(authority.as_bytes(), reading).unwrap().fits(&[pattern])
            };
            let authority = format!("{}:{port}", name.to_ascii_uppercase());
            let below = format!("*.{name}");
            prop_assert_eq!(fits(&name, &authority, Reading::Ignore), Fit::Yes);
            prop_assert_eq!(fits(&name, &authority, Reading::Literal), Fit::No);
            prop_assert!(matches!(fits(&name, &authority, Reading::Refuse), Fit::Unclear(_)));
            prop_assert_eq!(fits(&format!("x{name}"), &authority, Reading::Refuse), Fit::No);
            prop_assert_eq!(fits(&below, &authority, Reading::Refuse), Fit::No);
            prop_assert_eq!(fits(&below, &format!("a.b.{authority}"), Reading::Ignore), Fit::Yes);
        }
    }
}
