//! Checks what loads the module, and the connection to the authorization server.

mod readings;

use serde_json::Value;
use tollgate_config::schema::Place;

use crate::kit::capabilities;
use crate::kit::find::located::{Located, Position};
use crate::kit::find::places;
use crate::kit::find::{Found, Host, NO_BODIES, reads_bodies};
use crate::kit::named;

/// Findings about what loads the module: position, whether it is an error, and a sentence.
pub(super) fn of(found: &Found) -> Vec<(Position, bool, String)> {
    let mut all = Vec::new();
    let Some(plugin) = &found.plugin else { return all };
    match found.host {
        Host::Envoy => envoy(found, plugin, &mut all),
        Host::Istio => istio(found, plugin, &mut all),
        Host::EnvoyGateway => envoy_gateway(plugin, &mut all),
        Host::Plain => {}
    }
    if matches!(found.host, Host::Istio | Host::EnvoyGateway) {
        for [object, key] in reads_bodies(&found.value) {
            let at = places::position(&found.located, &Place::names(&[object, key]), false);
            all.push((at, false, format!("{object}.{key}: {NO_BODIES}")));
        }
    }
    all
}

fn envoy(found: &Found, plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    let policy = plugin.key("failure_policy");
    match policy.and_then(Located::text) {
        Some("FAIL_RELOAD" | "FAIL_CLOSED") => {}
        Some("FAIL_OPEN") => all.push((at(policy, plugin), false, "failure_policy: FAIL_OPEN accepts every request while the filter cannot run; FAIL_RELOAD rejects them, and starts the filter again".to_owned())),
        _ => all.push((plugin.at, false, "no failure_policy: requests are rejected while the filter cannot run; FAIL_RELOAD also starts the filter again".to_owned())),
    }
    let open = plugin.key("fail_open").filter(|open| open.value() == Value::Bool(true));
    if open.is_some() {
        all.push((
            at(open, plugin),
            false,
            "fail_open: true accepts every request while the filter cannot run".to_owned(),
        ));
    }
    restricted(plugin, all);
    let given = plugin.path(&["vm_config", "environment_variables"]);
    let keys = given.and_then(|given| given.key("host_env_keys")).map(Located::items).unwrap_or_default();
    let pairs = given.and_then(|given| given.key("key_values")).map(Located::members).unwrap_or_default();
    let is_given = |name: &str| {
        keys.iter().any(|key| key.text() == Some(name)) || pairs.iter().any(|pair| pair.key == name)
    };
    for (position, name) in variables(found) {
        if !is_given(name) {
            all.push((position, true, format!("the VM does not get the variable {name}: vm_config.environment_variables.host_env_keys must list it")));
        }
    }
    if plugin.key("allow_on_headers_stop_iteration").is_none_or(|key| key.value() != Value::Bool(true)) {
        for [object, key] in reads_bodies(&found.value) {
            all.push((plugin.at, true, format!("{object}.{key} needs allow_on_headers_stop_iteration: true here; without it, Envoy never passes the body to the filter")));
        }
    }
    if let Some(clusters) = &found.clusters {
        for (place, name) in named::clusters(&found.value) {
            if !clusters.iter().any(|known| is_named(known, name)) {
                let at = places::position(&found.located, &place, false);
                all.push((at, true, format!("no cluster {name:?} in static_resources.clusters")));
            }
        }
        tls(&found.located, clusters, all);
    }
    if let Some(manager) = &found.manager {
        readings::of(found, manager, all);
        certificates(found, manager, all);
    }
}

/// Whether the field with the certificates arrives, and as a trusted hop has written it.
fn certificates(found: &Found, manager: &Located, all: &mut Vec<(Position, bool, String)>) {
    if found.value.pointer("/mtls/source").is_none_or(|source| source != "xfcc") {
        return;
    }
    let hops = found.value.pointer("/mtls/hops").and_then(Value::as_u64).unwrap_or(1);
    let forward = manager.key("forward_client_cert_details");
    let what = match forward.and_then(Located::text) {
        None | Some("SANITIZE") => {
            "mtls.source: xfcc reads a field that Envoy removes: forward_client_cert_details must be ALWAYS_FORWARD_ONLY here, behind a hop that sets it"
        }
        Some("SANITIZE_SET") => {
            "mtls.source: xfcc reads a field that this Envoy sets from its own connection: with SANITIZE_SET here, use mtls.source: connection; behind a hop that sets the field, use ALWAYS_FORWARD_ONLY"
        }
        Some("APPEND_FORWARD") if hops < 2 => {
            "mtls.source: xfcc expects one element, and this Envoy adds another with APPEND_FORWARD: mtls.hops must count it"
        }
        _ => return,
    };
    all.push((at(forward, manager), true, what.to_owned()));
}

fn istio(found: &Found, plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    let strategy = plugin.key("failStrategy");
    if strategy.and_then(Located::text) == Some("FAIL_OPEN") {
        all.push((
            at(strategy, plugin),
            false,
            "failStrategy: FAIL_OPEN accepts every request while the filter cannot run".to_owned(),
        ));
    }
    all.extend(super::reach::of(plugin).into_iter().map(|(at, message)| (at, true, message)));
    let given = plugin.path(&["vmConfig", "env"]).map(Located::items).unwrap_or_default();
    for (position, name) in variables(found) {
        if !given.iter().any(|variable| variable.key("name").and_then(Located::text) == Some(name)) {
            all.push((
                position,
                true,
                format!("the VM does not get the variable {name}: vmConfig.env must list it"),
            ));
        }
    }
    if plugin.key("phase").and_then(Located::text).is_some_and(|phase| phase != "AUTHN") {
        all.push((
            at(plugin.key("phase"), plugin),
            false,
            "phase: AUTHN puts the filter before the filters that depend on it".to_owned(),
        ));
    }
}

fn envoy_gateway(plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    let open = plugin.key("failOpen").filter(|open| open.value() == Value::Bool(true));
    if open.is_some() {
        all.push((
            at(open, plugin),
            false,
            "failOpen: true accepts every request while the filter cannot run".to_owned(),
        ));
    }
}

fn at(part: Option<&Located>, otherwise: &Located) -> Position {
    part.map_or(otherwise.at, |part| part.at)
}

/// The environment variables that the configuration names, and their places.
fn variables(found: &Found) -> impl Iterator<Item = (Position, &str)> {
    let at = |(place, name): (Place, _)| (places::position(&found.located, &place, false), name);
    named::variables(&found.value).into_iter().map(at)
}

/// What a restriction of the VM leaves out, although the module needs it. An empty list allows everything.
fn restricted(plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    // Envoy before 1.40 has it beside `vm_config`.
    let restriction = plugin.path(&["vm_config", "capability_restriction_config"]);
    let restriction = restriction.or_else(|| plugin.key("capability_restriction_config"));
    let Some(allowed) = restriction.and_then(|config| config.key("allowed_capabilities")) else { return };
    let is_allowed = |name: &&str| allowed.members().iter().any(|member| member.key == *name);
    let missing: Vec<_> = capabilities::names().filter(|name| !is_allowed(name)).collect();
    if missing.is_empty() || allowed.members().is_empty() {
        return;
    }
    let effect = if missing.contains(&"proxy_on_request_headers") {
        "without proxy_on_request_headers, every request passes"
    } else {
        "the module does not work without them"
    };
    let missing = missing.join(", ");
    all.push((allowed.at, true, format!("allowed_capabilities lacks {missing}: {effect}")));
}

fn is_named(cluster: &Located, name: &str) -> bool {
    cluster.key("name").and_then(Located::text) == Some(name)
}

/// Whether calls to https addresses really use TLS, and verify the server (RFC 6749 §3.2, RFC 7662 §4).
fn tls(part: &Located, clusters: &[Located], all: &mut Vec<(Position, bool, String)>) {
    part.items()
        .iter()
        .chain(part.members().iter().map(|member| &member.value))
        .for_each(|below| tls(below, clusters, all));
    let uris = ["uri", "uri_prefix"].into_iter().filter_map(|key| part.key(key));
    let mut uris = uris.chain(part.key("uris").map(Located::items).unwrap_or_default());
    let is_https = uris.any(|uri| uri.text().is_some_and(|uri| uri.starts_with("https:")));
    let name = part.key("cluster").and_then(Located::text).unwrap_or_default();
    let Some(cluster) = clusters.iter().find(|cluster| is_named(cluster, name)).filter(|_| is_https) else {
        return;
    };
    let at = cluster.at;
    let socket = cluster.path(&["transport_socket", "typed_config"]).filter(|socket| !is_raw(socket));
    let Some(context) = socket else {
        if cluster.key("transport_socket_matches").is_none() {
            all.push((
                at,
                true,
                format!(
                    "the endpoint is https, but the cluster {name:?} has no TLS: it needs a transport_socket"
                ),
            ));
        }
        return;
    };
    let common = context.key("common_tls_context");
    let validation =
        ["validation_context", "combined_validation_context", "validation_context_sds_secret_config"]
            .iter()
            .find_map(|key| common?.key(key));
    let Some(validation) = validation else {
        all.push((at, true, format!("the cluster {name:?} does not verify the authorization server's certificate: its TLS needs a validation_context with trusted_ca")));
        return;
    };
    if let Some(what) = unverified(validation) {
        all.push((
            at,
            true,
            format!("the cluster {name:?} does not verify the authorization server's certificate: {what}"),
        ));
        return;
    }
    let is_true = |key: &str| context.key(key).is_some_and(|value| value.value() == Value::Bool(true));
    let names = validation.key("match_typed_subject_alt_names").is_some()
        || validation.key("default_validation_context").is_some();
    if validation.key("sds_config").is_none() && !names && !is_true("auto_sni_san_validation") {
        all.push((at, false, format!("the cluster {name:?} does not check the certificate's name, so any certificate of a trusted authority is accepted; set match_typed_subject_alt_names, or auto_sni_san_validation: true")));
    }
    if context.key("sni").is_none() && !is_true("auto_host_sni") {
        all.push((
            at,
            false,
            format!("the cluster {name:?} sends no server name; set sni, or auto_host_sni: true"),
        ));
    }
}

/// Whether a transport socket sends everything unencrypted.
fn is_raw(socket: &Located) -> bool {
    let kind = socket.key("@type").and_then(Located::text).unwrap_or_default();
    kind.rsplit('.').next() == Some("RawBuffer")
}

/// Why a validation context accepts every certificate, if it does. A context that comes from a server is not checked.
fn unverified(validation: &Located) -> Option<&'static str> {
    if validation.key("sds_config").is_some() {
        return None;
    }
    let own = validation.key("default_validation_context").unwrap_or(validation);
    if own.key("trust_chain_verification").and_then(Located::text) == Some("ACCEPT_UNTRUSTED") {
        return Some(
            "trust_chain_verification: ACCEPT_UNTRUSTED lets anyone on the network path respond in its place",
        );
    }
    let is_fetched = validation.key("validation_context_sds_secret_config").is_some();
    let verifies = VERIFYING.iter().any(|key| own.key(key).is_some());
    (!is_fetched && !verifies).then_some("its validation_context needs trusted_ca")
}

/// The keys that make a validation context verify certificates.
const VERIFYING: [&str; 6] = [
    "trusted_ca",
    "system_root_certs",
    "ca_certificate_provider_instance",
    "verify_certificate_hash",
    "verify_certificate_spki",
    "custom_validator_config",
];
