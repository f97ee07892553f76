//! The filters and routes around Tollgate in Envoy's connection manager: what bypasses it, and what changes
//! a request after Tollgate has accepted it.

use serde_json::Value;

use crate::kit::find::located::{Located, Position};
use crate::kit::find::{Found, Host};

/// Findings about them: position, whether it is an error, and a sentence.
pub(super) fn of(found: &Found) -> Vec<(Position, bool, String)> {
    let mut all = Vec::new();
    let Some(plugin) = found.plugin.as_ref().filter(|_| found.host == Host::Envoy) else { return all };
    configuration(plugin, &mut all);
    let Some(manager) = &found.manager else { return all };
    let filters = manager.key("http_filters").map(Located::items).unwrap_or_default();
    let is_ours = |filter: &&Located| {
        filter.path(&["typed_config", "config"]).is_some_and(|config| config.at == plugin.at)
    };
    let Some(own) = filters.iter().position(|filter| is_ours(&filter)) else {
        within(filters, plugin, &mut all);
        return all;
    };
    let ours = filters.get(own);
    order(filters, own, &mut all);
    for later in filters.iter().skip(own.saturating_add(1)) {
        changes(later, &mut all);
    }
    for (key, what) in [
        ("disabled", "Tollgate is disabled, except on routes that enable it"),
        ("is_optional", "an Envoy that does not know the filter leaves it out, and accepts every request"),
    ] {
        if let Some(switch) = ours.and_then(|ours| ours.key(key)).filter(|switch| is_true(switch)) {
            all.push((switch.at, false, format!("{key}: true: {what}")));
        }
    }
    if let (Some(name), Some(routes)) = (ours.and_then(name), manager.key("route_config")) {
        bypasses(routes, name, &mut all);
    }
    all
}

/// How the configuration is wrapped: Envoy takes a `StringValue` of text, or a `Struct` of an object.
fn configuration(plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    let Some(configuration) = plugin.key("configuration") else { return };
    let mut fault = |at: Position, what: &str| all.push((at, true, what.to_owned()));
    let Some(kind) = configuration.key("@type").and_then(Located::text) else {
        return fault(
            configuration.at,
            "configuration needs \"@type\": type.googleapis.com/google.protobuf.Struct, and the configuration itself below `value`",
        );
    };
    let value = configuration.key("value");
    let is_text = value.is_some_and(|value| value.text().is_some());
    let at = value.unwrap_or(configuration).at;
    match kind.rsplit('/').next().unwrap_or_default() {
        "google.protobuf.StringValue" if !is_text => fault(
            at,
            "a StringValue holds text, and this is an object: write `value: |` and the configuration below it, or make it a google.protobuf.Struct",
        ),
        "google.protobuf.BytesValue" if !is_text => {
            fault(at, "a BytesValue holds base64, and this is an object: make it a google.protobuf.Struct");
        }
        "google.protobuf.Struct" if is_text => {
            fault(at, "a Struct holds an object, and this is text: make it a google.protobuf.StringValue");
        }
        "google.protobuf.StringValue" | "google.protobuf.BytesValue" | "google.protobuf.Struct" => {}
        other => fault(
            configuration.at,
            &format!(
                "the module cannot read a {other}: expected google.protobuf.Struct or google.protobuf.StringValue"
            ),
        ),
    }
}

/// Tollgate inside another filter, which decides for each request whether it runs.
fn within(filters: &[Located], plugin: &Located, all: &mut Vec<(Position, bool, String)>) {
    let Some(outer) = filters.iter().find(|filter| holds(filter, plugin.at)) else { return };
    all.push((
        outer.at,
        false,
        format!(
            "Tollgate is inside {}, which decides for each request whether Tollgate runs: other requests reach the upstream without a check. Use a rule with access: anonymous instead, which removes identity fields",
            name(outer).unwrap_or("another filter")
        ),
    ));
}

fn holds(part: &Located, at: Position) -> bool {
    part.at == at
        || part.items().iter().any(|item| holds(item, at))
        || part.members().iter().any(|member| holds(&member.value, at))
}

/// The router ends the chain.
fn order(filters: &[Located], own: usize, all: &mut Vec<(Position, bool, String)>) {
    let is_router =
        |filter: &Located| kind(filter) == "Router" || name(filter) == Some("envoy.filters.http.router");
    let Some(router) = filters.iter().position(is_router) else { return };
    for (i, filter) in filters.iter().enumerate().skip(router.saturating_add(1)) {
        let what = if i == own { "Tollgate" } else { name(filter).unwrap_or("this filter") };
        all.push((
            filter.at,
            true,
            format!(
                "{what} is after the router, so no request reaches it; Envoy requires the router to be last"
            ),
        ));
    }
}

/// A filter after Tollgate that changes the accepted request.
fn changes(filter: &Located, all: &mut Vec<(Position, bool, String)>) {
    let Some(config) = filter.key("typed_config") else { return };
    let what = match kind(filter) {
        "HeaderMutation" => {
            let mutations = config.path(&["mutations", "request_mutations"]).map(Located::items);
            let keys: [&[&str]; 2] = [&["append", "header", "key"], &["remove"]];
            let changed = mutations.unwrap_or_default().iter().find_map(|mutation| {
                let key = keys.iter().find_map(|key| mutation.path(key)).and_then(Located::text)?;
                is_judged(key).then(|| key.to_owned())
            });
            changed.map(|key| format!("changes {key}"))
        }
        "Lua" => lua(config),
        "ExternalProcessor" => {
            let is_skipped = config.path(&["processing_mode", "request_header_mode"]).and_then(Located::text)
                == Some("SKIP");
            let rule = |key: &str| config.path(&["mutation_rules", key]).is_some_and(is_true);
            (!is_skipped && !rule("disallow_all") && !rule("disallow_system"))
                .then(|| "may change the path (mutation_rules.disallow_system: true forbids it)".to_owned())
        }
        "Wasm" | "DynamicModuleFilter" => Some("may change path, method and host".to_owned()),
        "Config" if name(filter).is_some_and(|name| name.contains("golang")) => {
            Some("may change path, method and host".to_owned())
        }
        _ => None,
    };
    if let Some(what) = what {
        let name = name(filter).unwrap_or("a later filter");
        all.push((
            filter.at,
            false,
            format!("{name} is after Tollgate and {what}, so the upstream may get a different request from the one that was checked; put it before Tollgate"),
        ));
    }
}

/// What a script may change in a request, according to its text.
fn lua(config: &Located) -> Option<String> {
    let inline = |source: &Located| source.key("inline_string").and_then(Located::text).map(str::to_owned);
    let whole = config.key("inline_code").and_then(Located::text).map(str::to_owned);
    let code = whole.or_else(|| config.key("default_source_code").and_then(inline));
    let Some(code) = code else {
        return Some("may change path, method and host, for its script is in another file".to_owned());
    };
    let calls = ["replace(", "add(", "remove("];
    let changed = [":path", ":method", ":authority"].into_iter().find(|field| code.contains(field));
    changed.filter(|_| calls.iter().any(|call| code.contains(call))).map(|field| format!("changes {field}"))
}

/// Fields that rules match, and by which Envoy routes.
fn is_judged(field: &str) -> bool {
    [":path", ":method", ":authority", ":scheme", "host"]
        .iter()
        .any(|known| field.eq_ignore_ascii_case(known))
}

/// Routes that turn the filter off.
fn bypasses(part: &Located, filter: &str, all: &mut Vec<(Position, bool, String)>) {
    part.items().iter().for_each(|item| bypasses(item, filter, all));
    for member in part.members() {
        if !member.is("typed_per_filter_config") {
            bypasses(&member.value, filter, all);
            continue;
        }
        let own = member.value.name(filter).and_then(|own| own.key("disabled")).filter(|off| is_true(off));
        if let Some(off) = own {
            all.push((
                off.at,
                false,
                "Tollgate is disabled here: requests reach the upstream without a check, with any identity fields that the client sends. Use a rule with access: anonymous instead, which removes identity fields".to_owned(),
            ));
        }
    }
}

fn name(filter: &Located) -> Option<&str> {
    filter.key("name").and_then(Located::text)
}

/// The last word of a filter's type.
fn kind(filter: &Located) -> &str {
    let kind = filter.path(&["typed_config", "@type"]).and_then(Located::text).unwrap_or_default();
    kind.rsplit('.').next().unwrap_or_default()
}

fn is_true(part: &Located) -> bool {
    part.value() == Value::Bool(true)
}
