//! Warnings about the metadata of protected resources.

use serde_json::Value;
use tollgate_config::schema::Place;
use tollgate_engine::policy::resource::Identifier;

/// All of it.
pub(super) fn of(configuration: &Value, advice: &mut Vec<(Place, String)>) {
    let all = all(configuration);
    if all.is_empty() {
        undescribed(configuration, advice);
    }
    for (at, resource) in &all {
        let mut add = |key: &'static str, text: &str| advice.push((at.key(0, key), text.to_owned()));
        let is_mcp = resource.get("profile").and_then(Value::as_str) == Some("mcp");
        let identifier = resource.get("identifier").and_then(Value::as_str).unwrap_or_default();
        let bare = Identifier::parse(identifier).is_some_and(|parts| parts.path.is_empty());
        if is_mcp && bare && !identifier.ends_with('/') && resource.get("audiences").is_none() {
            add(
                "identifier",
                "MCP clients request a token for this URI with a final slash; write it with the slash, or put both into audiences",
            );
        }
        let knows_issuer = |provider: &Value| provider.get("issuer").is_some();
        let mut providers = configuration.get("providers").and_then(Value::as_object).into_iter().flatten();
        if resource.get("authorization_servers").is_none() && !providers.any(|(_, it)| knows_issuer(it)) {
            add(
                "authorization_servers",
                "no authorization server is known, so clients are not told where to get a token; name one, or a provider's issuer",
            );
        }
    }
    if all.iter().any(|(_, resource)| resource.get("profile").and_then(Value::as_str) == Some("mcp")) {
        if configuration.pointer("/token/forward") == Some(&Value::Bool(true)) {
            advice.push((
                Place::default().name("token").name("forward"),
                "the upstream receives the clients' tokens; that is right for the MCP server itself, and wrong for a server that forwards them".to_owned(),
            ));
        }
        offline(configuration, &Place::default(), advice);
    }
}

/// Whether every request needs a token for a resource.
pub(super) fn check_audiences(configuration: &Value) -> bool {
    let ignores = |resource: &Value| resource.get("audience_check").and_then(Value::as_str) == Some("ignore");
    let all = all(configuration);
    !all.is_empty() && !all.iter().any(|(_, resource)| ignores(resource))
}

fn all(configuration: &Value) -> Vec<(Place, &Value)> {
    let at = Place::default().key(0, "resource");
    match configuration.get("resource") {
        Some(Value::Array(items)) => {
            items.iter().enumerate().map(|(i, resource)| (at.index(i), resource)).collect()
        }
        Some(resource) => vec![(at, resource)],
        None => Vec::new(),
    }
}

/// Warns about an MCP server without `profile: mcp`.
fn undescribed(configuration: &Value, advice: &mut Vec<(Place, String)>) {
    let rules = configuration.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (i, rule) in rules.iter().enumerate() {
        let texts = ["path", "prefix", "path_template"].map(|key| rule.pointer(&format!("/match/{key}")));
        let is_mcp = |path: &str| path.split('/').any(|segment| segment == "mcp");
        if texts.into_iter().flatten().filter_map(Value::as_str).any(is_mcp) {
            advice.push((
                Place::default().name("rules").index(i),
                "if this is an MCP server, its clients find the authorization server by protected resource metadata: resource: {identifier: …, profile: mcp}".to_owned(),
            ));
            return;
        }
    }
}

/// Warns about required scopes that only concern client and authorization server.
fn offline(value: &Value, at: &Place, advice: &mut Vec<(Place, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                offline(member, &at.name(name), advice);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                if item == "offline_access" {
                    advice.push((
                        at.index(i),
                        "an MCP server does not need refresh tokens; Tollgate never names this scope to clients, so they do not request it".to_owned(),
                    ));
                } else {
                    offline(item, &at.index(i), advice);
                }
            }
        }
        _ => {}
    }
}
