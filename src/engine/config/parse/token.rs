//! `token`: where a token may be.

use crate::config::error::Fault;
use crate::config::parse::node::Node;
use crate::config::parse::{Context, alike, resource};
use crate::request::places::{TokenHeader, TokenPlaces};
use crate::request::tls::TlsSource;
use crate::request::websocket::{self, Marker};
use crate::upstream::Upstream;

/// The places. The profile `anypoint` has the query among them unless told otherwise.
#[inline(never)]
pub(super) fn parse(
    root: &Node<'_>,
    upstream: &Upstream,
    anypoint: bool,
    context: &mut Context<'_>,
) -> TokenPlaces {
    let token = root.key("token");
    let (params, forward) = (token.key("from_params"), token.key("forward"));
    let mut headers = headers(&token.key("from_headers"), upstream, context);
    if root.key("dpop").is_set() && !headers.iter().any(TokenHeader::is_dpop) {
        headers.push(TokenHeader { name: "authorization".to_owned(), scheme: Some("DPoP".to_owned()) });
    }
    let places = TokenPlaces {
        headers,
        params: if anypoint && !params.is_set() { vec!["access_token".to_owned()] } else { params.texts() },
        cookies: token.key("from_cookies").texts(),
        websocket: token.key("from_websocket_protocol").some_text().map(|name| Marker::new(&name)),
        form: token.key("from_form").bool(),
        max_form_bytes: token.key("max_form_bytes").integer(),
        max_length: token.key("max_length").integer(),
        forward: if forward.is_set() { forward.bool() } else { !resource::any_mcp(root) },
        strict_multiple: token.key("strict_multiple").bool(),
        require_tls: tls(&token, context),
    };
    context.no_duplicates(params.items(), |name| name.text().to_owned());
    context.no_duplicates(token.key("from_cookies").items(), |name| name.text().to_owned());
    if places.websocket.is_some() && places.headers.iter().any(|header| header.name == websocket::FIELD) {
        let protocol = token.key("from_websocket_protocol");
        context.contradiction(&protocol, &token.key("from_headers"), "both read Sec-WebSocket-Protocol");
    }
    let general = !places.headers.is_empty()
        || !places.params.is_empty()
        || !places.cookies.is_empty()
        || places.websocket.is_some()
        || places.form;
    if !general && !root.key("rules").items().any(|rule| rule.key("from_params").items().next().is_some()) {
        context.faults.add(&token.place, Fault::NoPlaces);
    }
    places
}

/// Who tells whether a request has come over TLS; `None`: nobody has to.
#[inline(never)]
fn tls(token: &Node<'_>, context: &mut Context<'_>) -> Option<TlsSource> {
    let (required, source) = (token.key("require_tls").bool(), token.key("tls_source"));
    let believed = source.text() == "forwarded_proto";
    if believed && !required {
        context.faults.add(&source.place, Fault::Needs { other: "require_tls: true" });
    }
    required.then_some(if believed { TlsSource::ForwardedProto } else { TlsSource::Connection })
}

#[inline(never)]
fn headers(list: &Node<'_>, upstream: &Upstream, context: &mut Context<'_>) -> Vec<TokenHeader> {
    let mut headers: Vec<TokenHeader> = Vec::new();
    let mut places = Vec::new();
    for header in list.items() {
        let (name, scheme) = (header.key("name"), header.key("scheme"));
        let lower = name.text().to_ascii_lowercase();
        // A value without a scheme is a token as a whole, so nothing else can be in the same field.
        let same = |other: &TokenHeader| match (&other.scheme, scheme.is_set()) {
            (Some(other), true) => other.eq_ignore_ascii_case(scheme.text()),
            _ => true,
        };
        let first = headers.iter().position(|other| other.name == lower && same(other));
        if let Some(first) = first.and_then(|first| places.get(first)) {
            context.faults.add(&header.place, Fault::Duplicate { first: ToString::to_string(first) });
        }
        if let Some(why) = reserved(&lower) {
            context.faults.add(&name.place, Fault::Reserved { why });
        }
        if taken_by(upstream, &lower) {
            context.faults.add(&name.place, Fault::Reserved { why: "upstream sets this field" });
        }
        if scheme.text().eq_ignore_ascii_case("DPoP") {
            context.faults.add(&scheme.place, Fault::NotSupported { word: Some("DPoP".to_owned()) });
        }
        headers.push(TokenHeader { name: lower, scheme: scheme.some_text() });
        places.push(header.place);
    }
    headers
}

#[inline(never)]
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    match name {
        "cookie" => Some("use token.from_cookies"),
        "host" | "content-length" | "content-type" => Some("it has another meaning in every request"),
        _ if super::upstream::HOP_BY_HOP.contains(&name) => Some("it belongs to the connection"),
        _ => None,
    }
}

/// A claim in `authorization` is refused already, and tokens belong there.
#[inline(never)]
fn taken_by(upstream: &Upstream, name: &str) -> bool {
    let same = |other: &String| alike(other) == alike(name);
    name != "authorization"
        && (upstream.claim_to_headers.iter().any(|header| same(&header.header_name))
            || upstream.forward_payload_header.iter().any(same)
            || upstream.claims_prefix.iter().any(|prefix| alike(name).starts_with(&alike(prefix))))
}
