//! The introspection endpoint's URI, taken apart for the call's pseudo-fields.

use crate::error::Fault;
use tollgate_engine::base::uri::{UriFault, http_uri};

/// What a call needs of the URI.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Endpoint {
    pub(super) scheme: String,
    /// In lower case; an explicit port stays, the scheme's own too.
    pub(super) authority: String,
    /// With the query, if there is one.
    pub(super) path: String,
}

/// Takes an absolute `http` or `https` URI without user information, fragment and credentials
/// ([RFC 6749 §2.3.1], OAU-18).
///
/// [RFC 6749 §2.3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
#[inline(never)]
pub(super) fn parse(text: &str) -> Result<Endpoint, Fault> {
    let expected = |what: &str| Fault::Expected { what: what.to_owned() };
    let uri = http_uri(text).map_err(|fault| {
        expected(match fault {
            UriFault::Form => "an absolute http or https URI",
            UriFault::HostNotAscii => "a host in ASCII; write it in Punycode, such as xn--bcher-kva.example",
            UriFault::Authority => "a URI with a plain host name or address",
            UriFault::DotSegments => "a path without dot segments",
        })
    })?;
    if uri.has_fragment {
        return Err(expected("a URI without a fragment"));
    }
    if uri.has_user_info {
        return Err(expected("a URI without user information; credentials go into client_auth"));
    }
    let mut fields = form_urlencoded::parse(uri.query.unwrap_or_default().as_bytes());
    if fields.any(|(name, _)| CREDENTIALS.contains(&name.as_ref())) {
        return Err(Fault::CredentialsInUri);
    }
    let path = if uri.path.is_empty() { "/" } else { uri.path };
    let query = uri.query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Endpoint {
        scheme: uri.scheme.to_owned(),
        authority: uri.authority.to_ascii_lowercase(),
        path: format!("{path}{query}"),
    })
}

/// Parameters that would show credentials or tokens to every log.
const CREDENTIALS: [&str; 4] = ["client_secret", "client_assertion", "token", "access_token"];

#[cfg(test)]
mod tests {
    use super::parse;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_parts_of_an_endpoint() {
        #[rustfmt::skip]
        let cases = [
            ("https://as.example.com/introspect",      Ok("https as.example.com /introspect")),
            ("https://as.example.com:443/introspect",  Ok("https as.example.com:443 /introspect")),
            ("http://127.0.0.1:8080/a/b?x=1&y",        Ok("http 127.0.0.1:8080 /a/b?x=1&y")),
            ("https://[::1]:8443/i",                   Ok("https [::1]:8443 /i")),
            ("HTTPS://AS.Example.com",                 Ok("https as.example.com /")),
            ("https://as.example.com?x",               Ok("https as.example.com /?x")),
            ("https://as.example.com/a b",             Err("expected an absolute http or https URI")),
            ("https://ás.example.com/i",               Err("expected a host in ASCII; write it in Punycode, such as xn--bcher-kva.example")),
            ("https:as.example.com/i",                 Err("expected an absolute http or https URI")),
            ("ftp://as.example.com/i",                 Err("expected an absolute http or https URI")),
            ("/introspect",                            Err("expected an absolute http or https URI")),
            ("https://",                               Err("expected an absolute http or https URI")),
            ("https://as.example.com/i#x",             Err("expected a URI without a fragment")),
            ("https://me:pw@as.example.com/i",         Err("expected a URI without user information; credentials go into client_auth")),
            ("https://0x7f.1/i",                       Err("expected a URI with a plain host name or address")),
            ("https://as.%65xample.com/i",             Err("expected a URI with a plain host name or address")),
            ("https://as.example.com/a/../i",          Err("expected a path without dot segments")),
            ("https://as.example.com:/i",              Err("expected a URI with a plain host name or address")),
            ("https://as.example.com/i?client_secret=x", Err("credentials and tokens do not belong in a URI; put them into client_auth")),
            ("https://as.example.com/i?a&client%5Fsecret=x", Err("credentials and tokens do not belong in a URI; put them into client_auth")),
        ];
        for (uri, want) in cases {
            let got = parse(uri)
                .map(|e| format!("{} {} {}", e.scheme, e.authority, e.path))
                .map_err(|f| f.to_string());
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{uri}");
        }
    }
}
