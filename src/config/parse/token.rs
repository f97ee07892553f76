//! `token`: where a token may be.

use crate::error::Fault;
use crate::key::Keyed;
use crate::keys;
use crate::parse::node::{Node, Part};
use crate::parse::{Context, alike, resource};
use tollgate_engine::request::places::{TokenHeader, TokenPlaces};
use tollgate_engine::request::tls::TlsSource;
use tollgate_engine::request::websocket::{self, Marker};
use tollgate_engine::upstream::Upstream;

/// The places. The profile `anypoint` has the query among them unless told otherwise.
#[inline(never)]
pub(super) fn parse(
    root: &Node<'_, keys::Configuration>,
    upstream: &Upstream,
    anypoint: bool,
    context: &mut Context<'_>,
) -> TokenPlaces {
    let token = root.at(keys::Configuration::TOKEN);
    let (params, cookies) = (token.at(keys::Token::FROM_PARAMS), token.at(keys::Token::FROM_COOKIES));
    let marker = token.at(keys::Token::FROM_WEBSOCKET_PROTOCOL);
    let from_headers = token.at(keys::Token::FROM_HEADERS);
    let mut headers = headers(&from_headers, upstream, context);
    if context.has_dpop && !headers.iter().any(TokenHeader::is_dpop) {
        headers.push(TokenHeader { name: "authorization".to_owned(), scheme: Some("DPoP".to_owned()) });
    }
    let places = TokenPlaces {
        headers,
        params: if anypoint && !params.is_set() { vec!["access_token".to_owned()] } else { params.read() },
        cookies: cookies.read(),
        websocket: marker.some().map(|name| Marker::new(&name)),
        form: token.get(keys::Token::FROM_FORM),
        max_form_bytes: token.get(keys::Token::MAX_FORM_BYTES),
        max_length: token.get(keys::Token::MAX_LENGTH),
        forward: token.get(keys::Token::FORWARD).unwrap_or_else(|| !resource::any_mcp(root)),
        strict_multiple: token.get(keys::Token::STRICT_MULTIPLE),
        require_tls: tls(&token, context),
    };
    context.no_duplicates(&params);
    context.no_duplicates(&cookies);
    if places.websocket.is_some() && places.headers.iter().any(|header| header.name == websocket::FIELD) {
        context.contradiction(&marker, &from_headers, "both read Sec-WebSocket-Protocol");
    }
    let mut rules = root.at(keys::Configuration::RULES).items();
    if !places.has_any() && !rules.any(|rule| rule.at(keys::Rule::FROM_PARAMS).items().next().is_some()) {
        context.fault(&token, Fault::NoPlaces { keys: keys_of_places() });
    }
    places
}

/// The keys for places: they begin with `from_`.
fn keys_of_places() -> String {
    let keys = <keys::Token as Keyed>::OBJECT.keys.iter().map(|row| row.name);
    let places: Vec<_> = keys.filter(|name| name.starts_with("from_")).collect();
    places.split_last().map_or_else(String::new, |(last, rest)| format!("{} or {last}", rest.join(", ")))
}

/// How to find out whether a request came over TLS; `None`: TLS is not required.
#[inline(never)]
fn tls(token: &Node<'_, keys::Token>, context: &mut Context<'_>) -> Option<TlsSource> {
    let (required, source) = (token.get(keys::Token::REQUIRE_TLS), token.at(keys::Token::TLS_SOURCE));
    if source.read() == TlsSource::ForwardedProto && !required {
        context.needs(&source, keys::Token::REQUIRE_TLS.needed_on());
    }
    required.then(|| source.read())
}

#[inline(never)]
fn headers(
    list: &Node<'_, Vec<keys::TokenHeader>>,
    upstream: &Upstream,
    context: &mut Context<'_>,
) -> Vec<TokenHeader> {
    let mut headers: Vec<TokenHeader> = Vec::new();
    let mut parts: Vec<Part<'_>> = Vec::new();
    for header in list.items() {
        let (name, scheme) = (header.at(keys::TokenHeader::NAME), header.at(keys::TokenHeader::SCHEME));
        let lower = name.text().to_ascii_lowercase();
        // A value without a scheme is a token as a whole, so nothing else can be in the same field.
        let same = |other: &TokenHeader| match (&other.scheme, scheme.is_set()) {
            (Some(other), true) => other.eq_ignore_ascii_case(scheme.text()),
            _ => true,
        };
        let first = headers.iter().position(|other| other.name == lower && same(other));
        if let Some(first) = first.and_then(|first| parts.get(first)) {
            context.duplicate(&header, first);
        }
        if let Some(why) = why_unfit_for_tokens(&lower) {
            context.reserved(&name, why);
        }
        if taken_by(upstream, &lower) {
            context.reserved(&name, "upstream sets this field");
        }
        if scheme.text().eq_ignore_ascii_case("DPoP") {
            context.fault(&scheme, Fault::NotSupported { word: Some("DPoP".to_owned()) });
        }
        headers.push(TokenHeader { name: lower, scheme: scheme.some() });
        parts.push(*header);
    }
    headers
}

/// Why no token can be in this header field.
#[inline(never)]
pub(super) fn why_unfit_for_tokens(name: &str) -> Option<&'static str> {
    match name {
        "cookie" => Some("use token.from_cookies"),
        "host" | "content-length" | "content-type" => Some("it has another meaning in every request"),
        _ if super::upstream::HOP_BY_HOP.contains(&name) => Some("it belongs to the connection"),
        _ => None,
    }
}

/// A claim in `authorization` is already rejected, and tokens belong there.
#[inline(never)]
fn taken_by(upstream: &Upstream, name: &str) -> bool {
    let same = |other: &str| alike(other) == alike(name);
    name != "authorization"
        && (upstream.claim_to_headers.iter().any(|header| same(&header.name))
            || upstream.forward_payload_header.as_deref().is_some_and(same)
            || upstream.tier_header.as_deref().is_some_and(same)
            || upstream.claims_prefix.iter().any(|prefix| alike(name).starts_with(&alike(prefix))))
}
