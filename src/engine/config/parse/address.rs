//! Where a provider's endpoints are.

use crate::config::error::Fault;
use crate::config::parse::Context;
use crate::config::parse::endpoint::{self, Endpoint};
use crate::config::parse::node::Node;
use crate::config::schema::Place;
use crate::provider::preset::{Endpoints, Preset};

/// Where an endpoint is: as written, or where the preset has it below the base URL or the issuer.
#[inline(never)]
pub(super) fn address(
    provider: &Node<'_>,
    section: &Node<'_>,
    find: fn(Endpoints) -> Option<String>,
    context: &mut Context<'_>,
) -> Endpoint {
    let preset = provider.key("preset");
    // What has another shape has been reported already.
    let (Some(known), true) = (Preset::named(preset.text()), section.is_set()) else {
        return Endpoint::default();
    };
    let (base_url, uri) = (provider.key("base_url"), section.key("uri"));
    let base = if base_url.is_set() { base_url } else { provider.key("issuer") };
    if known == Preset::Generic && provider.key("base_url").is_set() {
        context.faults.add(&base.place, Fault::Needs { other: "a preset" });
    }
    let place = if uri.is_set() { &uri.place } else { &base.place };
    let endpoint = match find(known.endpoints(base.text())) {
        _ if uri.is_set() => endpoint::parse(uri.text()),
        None => return missing(&uri.place, Fault::Missing, context),
        Some(_) if !base.is_set() => {
            return missing(&preset.place, Fault::Needs { other: "issuer or base_url" }, context);
        }
        Some(_) if base.text().contains('?') => {
            Err(Fault::Expected { what: "a URI without a query".to_owned() })
        }
        Some(text) => endpoint::parse(&text),
    };
    endpoint.unwrap_or_else(|fault| missing(place, fault, context))
}

fn missing(place: &Place, fault: Fault, context: &mut Context<'_>) -> Endpoint {
    context.faults.add(place, fault);
    Endpoint::default()
}
