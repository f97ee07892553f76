//! URIs as the configuration takes them.

use url::Url;

/// The URL if it is `http` or `https`, has a host, and is plain ASCII that no parser will repair.
pub fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| is_uri_text(text))?;
    let scheme = matches!(url.scheme(), "http" | "https");
    let slashes = text.get(url.scheme().len()..)?.starts_with("://");
    (scheme && slashes && url.host_str().is_some_and(|host| !host.is_empty())).then_some(url)
}

/// The characters of a URI ([RFC 3986 §2]).
pub fn is_uri_text(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b))
}
