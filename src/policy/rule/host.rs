//! How a host is matched.

use std::net::Ipv6Addr;

/// A host name, or `*.` and the end of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPattern(String);

impl HostPattern {
    /// `api.example.com` or `*.example.com`, in any case, without a port.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(end) => host_name(end).map(|end| Self(format!("*.{end}"))),
            None => host(text).map(Self),
        }
    }

    /// Whether the authority's host fits, whatever its case and port.
    pub fn matches(&self, authority: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(authority) else { return false };
        let host = match text.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => text,
        };
        let Some(host) = self::host(host) else { return false };
        match self.0.strip_prefix('*') {
            // `.example.com`: what stands before it is not empty, for no host starts with a dot.
            Some(end) => host.ends_with(end),
            None => host == self.0,
        }
    }
}

/// A host in the one spelling that is compared: no final dot, lower case, the shortest form of an
/// IPv6 address, in brackets. `None`: nothing that can be compared.
fn host(text: &str) -> Option<String> {
    match text.strip_prefix('[') {
        Some(rest) => {
            let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            Some(format!("[{address}]"))
        }
        None => host_name(text),
    }
}

fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_name = name.split('.').all(|label| !label.is_empty() && label.bytes().all(plain));
    is_name.then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::HostPattern;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
            ("*.example.com",   ".example.com",        false),
            ("*.example.com",   "A.Example.COM.:8443", true),
            ("*.example.com",   "u@a.example.com",     false),
            ("*.example.com",   "a.example.com:80:80", false),
            ("EXAMPLE.com.",    "example.com:443",     true),
            ("api.example.com", "api.example.com:",    true),
            ("api.example.com", "api.example.com:x",   false),
            ("api.example.com", "",                    false),
            ("10.0.0.1",        "10.0.0.1:80",         true),
            ("[::1]",           "[::1]:8080",          true),
            ("[::1]",           "[0:0:0::1]",          true),
            ("[2001:DB8::A]",   "[2001:db8:0::a]:443", true),
            ("[::1]",           "::1",                 false),
            ("[::1]",           "[::1",                false),
            ("api.example.com", "api.ex\u{e4}mple.com", false),
        ];
        for (pattern, authority, want) in cases {
            assert_eq!(
                HostPattern::parse(pattern).unwrap().matches(authority.as_bytes()),
                want,
                "{pattern} {authority}"
            );
        }
        for name in ["api.example.com", "*.example.com"] {
            assert!(!HostPattern::parse(name).unwrap().matches(b"\xff.example.com"), "{name}");
        }
        for bad in [
            "", "*.", "a b", "*", "a*", "*.*.a", "http://x", "x:80", ".", "a..b", ".a", "*..a", "[1]",
            "*.[::1]",
        ] {
            assert_eq!(HostPattern::parse(bad), None, "{bad}");
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws {
    use super::HostPattern;
    use proptest::prelude::{any, prop_assert, proptest};

    proptest! {
        #[test]
        fn any_text_is_a_host_or_refused(text in any::<String>(), authority in any::<Vec<u8>>()) {
            if let Some(host) = HostPattern::parse(&text) {
                host.matches(&authority);
            }
        }

        // PTH-06
        #[test]
        fn case_and_port_of_a_host_are_nothing(name in "[a-z]{1,5}(\\.[a-z0-9-]{1,4}){0,3}", port in any::<u16>()) {
            let pattern = HostPattern::parse(&name).unwrap();
            let authority = format!("{}:{port}", name.to_ascii_uppercase());
            let prefixed = format!("x{name}");
            prop_assert!(pattern.matches(authority.as_bytes()));
            prop_assert!(!pattern.matches(prefixed.as_bytes()));
            let below = HostPattern::parse(&format!("*.{name}")).unwrap();
            prop_assert!(!below.matches(authority.as_bytes()));
            prop_assert!(!below.matches(prefixed.as_bytes()));
            let subdomain = format!("a.b.{authority}");
            prop_assert!(below.matches(subdomain.as_bytes()));
        }
    }
}
