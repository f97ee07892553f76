//! `upstream`: which fields carry the identity, and which cannot (HDR-08).

use crate::keys;
use crate::keys::words::Underscores;
use crate::parse::node::Node;
use crate::parse::{Context, Seen, alike};
use tollgate_engine::token::claims::ClaimPath;
use tollgate_engine::upstream::{NamedClaim, Upstream};

/// Fields that belong to one connection ([RFC 9110 §7.6.1]).
///
/// [RFC 9110 §7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
pub(super) const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// Fields that Envoy or HTTP itself give a meaning to.
const MEANINGFUL: [&str; 12] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "forwarded",
    "host",
    "range",
    "via",
    "x-request-id",
    "user-agent",
];

/// Prefixes that belong to Envoy.
const ENVOYS: [&str; 2] = ["x-envoy-", "x-forwarded-"];

/// The fields, each of them once.
#[inline(never)]
pub(super) fn parse(upstream: &Node<'_, keys::Upstream>, context: &mut Context<'_>) -> Upstream {
    let claims = upstream.at(keys::Upstream::CLAIM_TO_HEADERS);
    let payload = upstream.at(keys::Upstream::FORWARD_PAYLOAD_HEADER);
    let prefix = upstream.at(keys::Upstream::CLAIMS_PREFIX);
    let (mut seen, mut headers) = (Seen::default(), Vec::new());
    for claim in claims.items() {
        let name = claim.at(keys::ClaimHeader::HEADER_NAME);
        check_field(&name, &prefix, &mut seen, context);
        let claim = claim.at(keys::ClaimHeader::CLAIM_NAME).text();
        name_claim(name.text().to_ascii_lowercase(), claim, &mut headers);
    }
    let tier = upstream.at(keys::Upstream::TIER_HEADER);
    check_field(&payload, &prefix, &mut seen, context);
    check_field(&tier, &prefix, &mut seen, context);
    let (mut seen, mut state) = (Seen::default(), Vec::new());
    for claim in upstream.at(keys::Upstream::CLAIM_TO_FILTER_STATE).items() {
        let name = claim.at(keys::ClaimState::NAME);
        context.once_text(&mut seen, &name);
        let claim = claim.at(keys::ClaimState::CLAIM_NAME).text();
        name_claim(["tollgate.claim.", name.text()].concat(), claim, &mut state);
    }
    let underscores = upstream.at(keys::Upstream::CLAIMS_PREFIX_UNDERSCORES);
    let keeps_underscores = underscores.read() == Underscores::Keep;
    if keeps_underscores && prefix.text().is_empty() {
        context.needs(&underscores, keys::Upstream::CLAIMS_PREFIX.needed());
    }
    if covers_reserved(&alike(prefix.text())) {
        let why = "other fields start with this; choose a longer prefix, such as x-token-";
        context.reserved(&prefix, why);
    }
    Upstream {
        claim_to_headers: headers,
        claims_prefix: lower(&prefix),
        keeps_underscores,
        forward_payload_header: lower(&payload),
        tier_header: lower(&tier).map(Into::into),
        filter_state: upstream.get(keys::Upstream::FILTER_STATE),
        claim_to_filter_state: state,
    }
}

/// Finds out whether a field can be written.
#[inline(never)]
fn check_field<'a>(
    field: &Node<'a, String>,
    prefix: &Node<'_, String>,
    seen: &mut Seen<'a>,
    context: &mut Context<'_>,
) {
    let name = alike(field.text());
    if field.is_set() {
        if let Some(why) = why_unfit_for_claims(&name) {
            context.reserved(field, why);
        }
        if !prefix.text().is_empty() && name.starts_with(&alike(prefix.text())) {
            context.contradiction(field, prefix, "a claim might get the same name");
        }
    }
    context.once(seen, name, field);
}

/// Adds a claim and its name to a list.
#[inline(never)]
fn name_claim(name: String, claim: &str, list: &mut Vec<NamedClaim>) {
    list.extend(ClaimPath::parse(claim).map(|claim| NamedClaim { name: name.into(), claim }));
}

#[inline(never)]
fn lower(node: &Node<'_, String>) -> Option<String> {
    node.some().filter(|text| !text.is_empty()).map(|text| text.to_ascii_lowercase())
}

/// Why no claim can be put into this header field.
#[inline(never)]
fn why_unfit_for_claims(name: &str) -> Option<&'static str> {
    if ENVOYS.iter().any(|envoys| name.starts_with(envoys)) || name == "x-request-id" {
        return Some("Envoy gives this field its meaning");
    }
    if HOP_BY_HOP.contains(&name) {
        return Some("it belongs to the connection");
    }
    MEANINGFUL.contains(&name).then_some("HTTP gives this field its meaning")
}

#[inline(never)]
fn covers_reserved(prefix: &str) -> bool {
    let names = || HOP_BY_HOP.iter().chain(&MEANINGFUL).chain(&ENVOYS);
    !prefix.is_empty()
        && (names().any(|name| name.starts_with(prefix))
            || ENVOYS.iter().any(|name| prefix.starts_with(name)))
}
