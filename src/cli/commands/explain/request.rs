//! Builds the request head from the arguments.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::request::places::TokenPlaces;
use tollgate_engine::request::websocket::{self, Marker};

use crate::kit::failure::Failure;

/// The head of a request, pseudo-fields first; the token is put where the policy looks first.
pub(super) fn head(
    request: &str,
    fields: &[String],
    token: Option<&Secret>,
    places: &TokenPlaces,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Failure> {
    let (method, target) = match request.trim().split_once(' ') {
        Some((method, target)) if is_token(method) => (method, target.trim()),
        _ => return Err(misread(request)),
    };
    let (scheme, authority, mut path) = split(target).ok_or_else(|| misread(request))?;
    let mut headers = Vec::new();
    for field in fields {
        let (name, value) = field.split_once(':').filter(|(name, _)| is_token(name)).ok_or_else(|| {
            Failure::new("a header field is written as \"name: value\"")
                .help("For example: --header 'x-request-id: 7'.")
        })?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if let Some(token) = token {
        place(token, places, &mut path, &mut headers)?;
    }
    let host = headers.iter().position(|(name, _)| name == "host").map(|at| headers.remove(at).1);
    let authority = host.or(authority).unwrap_or_else(|| "localhost".to_owned());
    let pseudo = [(":method", method), (":scheme", scheme), (":authority", &authority), (":path", &path)];
    let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let all = pseudo.into_iter().chain(headers);
    Ok(all.map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect())
}

fn misread(request: &str) -> Failure {
    // The query may hold a token.
    let shown = request.split('?').next().unwrap_or_default();
    Failure::new(format_args!("{shown:?}: expected a method and a path that begins with `/`, or a URL"))
        .help("For example 'GET /orders/7' or 'GET https://api.example.com/orders/7'.")
}

/// Scheme, authority and path of a target.
fn split(target: &str) -> Option<(&'static str, Option<String>, String)> {
    if target.starts_with('/') || target == "*" {
        return Some(("https", None, target.to_owned()));
    }
    let (scheme, rest) = target.split_once("://")?;
    let scheme = match scheme {
        "https" => "https",
        "http" => "http",
        _ => return None,
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (!authority.is_empty()).then(|| (scheme, Some(authority.to_owned()), path))
}

fn place(
    token: &Secret,
    places: &TokenPlaces,
    path: &mut String,
    headers: &mut Vec<(String, String)>,
) -> Result<(), Failure> {
    let TokenPlaces {
        headers: fields,
        params,
        cookies,
        websocket,
        form,
        max_form_bytes: _,
        max_length: _,
        forward: _,
        strict_multiple: _,
        require_tls: _,
    } = places;
    let token = token.expose();
    if let Some(header) = fields.first() {
        let value =
            header.scheme.as_ref().map_or_else(|| token.to_owned(), |scheme| format!("{scheme} {token}"));
        headers.push((header.name.clone(), value));
    } else if let Some(name) = params.first() {
        let separator = if path.contains('?') { "&" } else { "?" };
        let value: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        path.extend([separator, name, "=", &value]);
    } else if let Some(name) = cookies.first() {
        headers.push(("cookie".to_owned(), format!("{name}={token}")));
    } else if let Some(marker) = websocket {
        let offer = match marker {
            Marker::Before(name) => format!("{name}, {token}"),
            Marker::Within(name) => format!("{name}{}", URL_SAFE_NO_PAD.encode(token)),
        };
        headers.push(("upgrade".to_owned(), "websocket".to_owned()));
        headers.push((websocket::FIELD.to_owned(), offer));
    } else if *form {
        return Err(Failure::new("this configuration reads tokens only in form bodies")
            .help("Put the token into a form: --form FILE, with --header 'content-type: application/x-www-form-urlencoded'."));
    } else {
        return Err(Failure::new("the configuration of token names no place where --token could be sent")
            .help("Send the token as it is written in the request: --header 'name: value', or in the query of the URL."));
    }
    Ok(())
}

/// `token` of RFC 9110 §5.6.2: methods and names of header fields.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
