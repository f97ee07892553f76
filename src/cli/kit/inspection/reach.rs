//! Checks that a plugin in a mesh runs where requests arrive.
//!
//! To Istio, a gateway is a client: `mode: SERVER` installs nothing there, and every request passes. On a
//! sidecar it is the other way round: `mode: CLIENT` is what the workload itself sends.

use crate::kit::find::located::{Located, Position};

/// Errors in a `WasmPlugin`'s `match`.
pub(super) fn of(plugin: &Located) -> Vec<(Position, String)> {
    let Some(traffic) = plugin.key("match").filter(|traffic| !traffic.items().is_empty()) else {
        return Vec::new();
    };
    let (unguarded, message) = if is_gateway(plugin) {
        (
            "SERVER",
            "mode: SERVER does not install the filter on a gateway, which Istio treats as a client, so no request is checked: leave out match, or set mode: CLIENT_AND_SERVER",
        )
    } else {
        (
            "CLIENT",
            "mode: CLIENT is for requests that the workload itself sends, so requests from clients are not checked: set mode: SERVER",
        )
    };
    let covers = |selector: &Located| mode(selector).and_then(Located::text) != Some(unguarded);
    if traffic.items().iter().any(covers) {
        return Vec::new();
    }
    let at = traffic.items().iter().find_map(mode).map_or(traffic.at, |mode| mode.at);
    vec![(at, message.to_owned())]
}

fn mode(selector: &Located) -> Option<&Located> {
    selector.key("mode")
}

/// Whether the plugin is for a gateway: by what it targets, or by labels that Istio itself gives to
/// gateways. Another workload may have "gateway" in its name.
fn is_gateway(plugin: &Located) -> bool {
    let mut targets = plugin.key("targetRefs").map(Located::items).unwrap_or_default().iter();
    let target = plugin.key("targetRef");
    let is_kind = |target: &Located| {
        matches!(target.key("kind").and_then(Located::text), Some("Gateway" | "GatewayClass"))
    };
    let of_istio = |key: &str, value: &str| {
        key.contains("gateway-name")
            || (value.contains("gateway") && (key == "istio" || value.starts_with("istio-")))
    };
    let labels = plugin.path(&["selector", "matchLabels"]).map(Located::members).unwrap_or_default();
    targets.any(is_kind)
        || target.is_some_and(is_kind)
        || labels.iter().any(|label| label.value.text().is_some_and(|value| of_istio(&label.key, value)))
}
