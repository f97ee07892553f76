//! Where an OpenAPI document's operations are served: hosts, and paths below them.

use serde_json::Value;

use crate::cli::import::openapi::document::{path_of, with_defaults};

/// One place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Server {
    /// The authority, in lower case; `None`: the document does not say.
    pub(super) host: Option<String>,
    /// What paths begin with, without a final slash.
    pub(super) base: String,
}

/// The most hosts that one server may stand for.
const MAX_HOSTS: usize = 100;

/// The servers of an operation, each once; one of an unknown host if there is none. `own` is what stands at
/// the operation or its path.
pub(super) fn of(document: &Value, own: Option<&Value>) -> Vec<Server> {
    if document.get("swagger").is_some() {
        let text = |key: &str| document.get(key).and_then(Value::as_str);
        let host = text("host").map(str::to_ascii_lowercase);
        let base = text("basePath").unwrap_or_default().trim_end_matches('/').to_owned();
        return vec![Server { host, base }];
    }
    let servers = own.or_else(|| document.get("servers")).and_then(Value::as_array);
    let mut all = Vec::new();
    for server in servers.into_iter().flatten() {
        let Some(url) = server.get("url").and_then(Value::as_str) else { continue };
        let variables = server.get("variables");
        let path = path_of(&with_defaults(url, variables)).unwrap_or_else(|relative| format!("/{relative}"));
        let base = path.trim_end_matches('/').to_owned();
        for host in hosts(url, variables) {
            let server = Server { host, base: base.clone() };
            if !all.contains(&server) {
                all.push(server);
            }
        }
    }
    if all.is_empty() { vec![Server { host: None, base: String::new() }] } else { all }
}

/// The hosts of a server's URL: one for each value that its variables may have.
fn hosts(url: &str, variables: Option<&Value>) -> Vec<Option<String>> {
    let rest = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
    let Some(rest) = rest else { return vec![None] };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default().to_owned();
    let mut texts = vec![authority];
    for (name, variable) in variables.and_then(Value::as_object).into_iter().flatten() {
        let name = format!("{{{name}}}");
        if texts.iter().any(|text| text.contains(&name)) {
            let known = variable.get("enum").and_then(Value::as_array).filter(|values| !values.is_empty());
            let values =
                known.map(Vec::as_slice).or_else(|| variable.get("default").map(std::slice::from_ref));
            let values: Vec<_> = values.unwrap_or_default().iter().filter_map(Value::as_str).collect();
            let filled = texts.iter().flat_map(|text| values.iter().map(|value| text.replace(&name, value)));
            texts = filled.take(MAX_HOSTS.saturating_add(1)).collect();
        }
    }
    let is_open = texts.is_empty() || texts.len() > MAX_HOSTS;
    if is_open || texts.iter().any(|text| text.is_empty() || text.contains('{')) {
        return vec![None];
    }
    texts.iter().map(|text| Some(text.to_ascii_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::of;
    use serde_json::json;

    #[test]
    fn the_hosts_of_servers() {
        let stages = json!({"stage": {"default": "prod", "enum": ["prod", "test"]}, "v": {"default": "v2"}});
        #[rustfmt::skip]
        let cases = [
            ("nothing said",         json!({}),                                                      vec![(None, "")]),
            ("a path alone",         json!({"servers": [{"url": "/v1/"}]}),                           vec![(None, "/v1")]),
            ("a relative path",      json!({"servers": [{"url": "v1"}]}),                             vec![(None, "/v1")]),
            ("a URL",                json!({"servers": [{"url": "https://API.example.com/v1"}]}),     vec![(Some("api.example.com"), "/v1")]),
            ("a port",               json!({"servers": [{"url": "https://a.example.com:8443"}]}),     vec![(Some("a.example.com:8443"), "")]),
            ("without a scheme",     json!({"servers": [{"url": "//a.example.com/x"}]}),              vec![(Some("a.example.com"), "/x")]),
            ("several",              json!({"servers": [{"url": "https://a/1"}, {"url": "https://b/2"}, {"url": "https://a/1"}]}), vec![(Some("a"), "/1"), (Some("b"), "/2")]),
            ("every value",          json!({"servers": [{"url": "https://{stage}.example.com/{v}", "variables": stages}]}), vec![(Some("prod.example.com"), "/v2"), (Some("test.example.com"), "/v2")]),
            ("a default",            json!({"servers": [{"url": "https://{t}.example.com", "variables": {"t": {"default": "demo"}}}]}), vec![(Some("demo.example.com"), "")]),
            ("a variable of nobody", json!({"servers": [{"url": "https://{t}.example.com"}]}),        vec![(None, "")]),
            ("Swagger 2.0",          json!({"swagger": "2.0", "host": "a.example.com", "basePath": "/v1"}), vec![(Some("a.example.com"), "/v1")]),
            ("Swagger without one",  json!({"swagger": "2.0", "basePath": "/v1/"}),                   vec![(None, "/v1")]),
        ];
        for (name, document, want) in cases {
            let got = of(&document, None);
            let got: Vec<_> = got.iter().map(|one| (one.host.as_deref(), one.base.as_str())).collect();
            assert_eq!(got, want, "{name}");
        }
    }
}
