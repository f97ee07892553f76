//! Where a provider's endpoints are.

use crate::error::{Fault, Needed};
use crate::keys;
use crate::parse::Context;
use crate::parse::endpoint::{self, Endpoint};
use crate::parse::node::{Node, Part};
use tollgate_engine::provider::preset::{Endpoints, Preset};

/// Where an endpoint is: as written, or where the preset has it below the base URL or the issuer.
#[inline(never)]
pub(super) fn address(
    provider: &Node<'_, keys::Provider>,
    section: &Part<'_>,
    uri: &Node<'_, String>,
    find: fn(Endpoints) -> Option<String>,
    context: &mut Context<'_>,
) -> Endpoint {
    // What has another shape has been reported already.
    let (Some(preset), true) = (provider.at(keys::Provider::PRESET).known(), section.is_set()) else {
        return Endpoint::default();
    };
    let base_url = provider.at(keys::Provider::BASE_URL);
    if preset == Preset::Generic && base_url.is_set() {
        context.needs(&base_url, Needed::Either("a preset"));
    }
    let base = if base_url.is_set() { base_url } else { provider.at(keys::Provider::ISSUER) };
    let part = if uri.is_set() { uri } else { &base };
    let endpoint = match find(preset.endpoints(base.text())) {
        _ if uri.is_set() => endpoint::parse(uri.text()),
        None => return missing(uri, Fault::Missing, context),
        Some(_) if !base.is_set() => {
            let fault = Fault::Needs { other: Needed::Either("issuer or base_url") };
            return missing(&provider.at(keys::Provider::PRESET), fault, context);
        }
        Some(_) if base.text().contains('?') => {
            Err(Fault::Expected { what: "a URI without a query".to_owned() })
        }
        Some(text) => endpoint::parse(&text),
    };
    endpoint.unwrap_or_else(|fault| missing(part, fault, context))
}

#[inline(never)]
fn missing(part: &Part<'_>, fault: Fault, context: &mut Context<'_>) -> Endpoint {
    context.fault(part, fault);
    Endpoint::default()
}
