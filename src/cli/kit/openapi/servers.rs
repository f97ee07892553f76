//! The servers of an OpenAPI document's operations: hosts and base paths.

use std::collections::BTreeSet;

use crate::kit::failure::Failure;
use crate::kit::openapi::Remarks;
use crate::kit::openapi::source::Part;

/// One server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Server {
    /// The authority, in lower case; `None`: the document does not say.
    pub(crate) host: Option<String>,
    /// The base path, without a final slash.
    pub(crate) base: String,
}

/// The maximum number of servers of one list.
const MAX_SERVERS: usize = 100;

/// The servers of an operation, each once; a single one with an unknown host if the document has none. `own` are
/// the servers of the operation or its path.
pub(crate) fn of(
    root: &Part<'_>,
    own: Option<Part<'_>>,
    remarks: &mut Remarks,
) -> Result<Vec<Server>, Failure> {
    let nowhere = || Server { host: None, base: String::new() };
    if root.key("swagger").is_some() {
        let host = root.key("host").map(|host| host.text().map(str::to_ascii_lowercase)).transpose()?;
        let base = root.key("basePath").map(|base| without_slash(&base, base.text()?)).transpose()?;
        return Ok(vec![Server { host, base: base.unwrap_or_default() }]);
    }
    let is_own = own.is_some();
    let Some(list) = own.or_else(|| root.key("servers")) else { return Ok(vec![nowhere()]) };
    let mut all: Vec<Server> = Vec::new();
    for server in list.items()? {
        for one in of_one(&server, remarks)? {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        if all.len() > MAX_SERVERS {
            return Err(list.fault(format_args!("comes to more than {MAX_SERVERS} servers")));
        }
    }
    match (all.is_empty(), is_own) {
        // It is undefined whether the specification's default or the document's servers apply.
        (true, true) => Err(list.fault("is empty; name the servers, or leave it out")),
        (true, false) => Ok(vec![nowhere()]),
        (false, _) => Ok(all),
    }
}

/// A Server Object: one place for each combination of its variables' values.
fn of_one(server: &Part<'_>, remarks: &mut Remarks) -> Result<Vec<Server>, Failure> {
    server.be_object()?;
    let url = server.key("url").ok_or_else(|| server.fault("has no `url`"))?;
    let text = url.text()?;
    let variables = server.key("variables");
    let mut texts = vec![text.to_owned()];
    for name in names(text) {
        let place = format!("{{{name}}}");
        let in_path = split(text).1.contains(&place);
        let Some(variable) = variables.as_ref().and_then(|variables| variables.key(name)) else {
            if in_path {
                return Err(url.fault(format_args!("has a variable {place} that is not defined")));
            }
            continue;
        };
        let (values, is_closed) = values(&variable)?;
        if !is_closed && in_path {
            remarks.add(
                &format!("the servers' variable {place} may have any value; the rules are only for its default (or set --base-path)"),
                "",
            );
        }
        texts =
            texts.iter().flat_map(|text| values.iter().map(|value| text.replace(&place, value))).collect();
        if texts.len() > MAX_SERVERS {
            return Err(server.fault(format_args!("comes to more than {MAX_SERVERS} servers")));
        }
    }
    let mut servers = Vec::new();
    for filled in texts {
        let (host, path) = split(&filled);
        let mut path = path.to_owned();
        if !path.is_empty() && !path.starts_with('/') {
            path = format!("/{}", path.trim_start_matches("./"));
            remarks.add(
                &format!("the server {filled:?} is relative to the document; it is treated as {path:?} (or set --base-path)"),
                "",
            );
        }
        let is_known = |host: &&str| !host.is_empty() && !host.contains('{');
        let host = host.filter(is_known).map(str::to_ascii_lowercase);
        servers.push(Server { host, base: without_slash(&url, &path)? });
    }
    Ok(servers)
}

/// The values of a variable: the listed ones, or the default; and whether the list is complete.
fn values(variable: &Part<'_>) -> Result<(BTreeSet<String>, bool), Failure> {
    let default = variable.key("default").ok_or_else(|| variable.fault("has no `default`"))?;
    let mut values = BTreeSet::from([default.text_or_number()?]);
    let list = variable.key("enum");
    if let Some(list) = &list {
        for value in list.items()? {
            values.insert(value.text_or_number()?);
        }
    }
    Ok((values, list.is_some()))
}

/// A base path without its final slash.
fn without_slash(place: &Part<'_>, path: &str) -> Result<String, Failure> {
    if !path.is_empty() && !path.starts_with('/') {
        return Err(place.fault("does not begin with \"/\""));
    }
    if path.contains(['{', '}', '?', '#']) {
        return Err(place.fault("is more than the start of a path"));
    }
    Ok(path.trim_end_matches('/').to_owned())
}

/// A server's URL: its authority, if it has one, and its path.
fn split(url: &str) -> (Option<&str>, &str) {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some(rest) = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//")) else {
        return (None, url);
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (authority.rsplit('@').next(), path)
}

/// The variables in a text.
fn names(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::kit::openapi::Remarks;
    use crate::kit::openapi::source::Document;

    #[test]
    fn where_operations_are_served() {
        let stages = "variables: {stage: {default: prod, enum: [prod, test]}, v: {default: v2}}";
        #[rustfmt::skip]
        let cases = [
            ("nothing said",         "a: 1".to_owned(),                                           vec![(None, "")]),
            ("a path alone",         "servers: [{url: /v1/}]".to_owned(),                         vec![(None, "/v1")]),
            ("a relative path",      "servers: [{url: v1}]".to_owned(),                           vec![(None, "/v1")]),
            ("a URL",                "servers: [{url: 'https://API.example.com/v1'}]".to_owned(), vec![(Some("api.example.com"), "/v1")]),
            ("a port",               "servers: [{url: 'https://a.example.com:8443'}]".to_owned(), vec![(Some("a.example.com:8443"), "")]),
            ("without a scheme",     "servers: [{url: //a.example.com/x}]".to_owned(),            vec![(Some("a.example.com"), "/x")]),
            ("several",              "servers: [{url: 'https://a/1'}, {url: 'https://b/2'}, {url: 'https://a/1'}]".to_owned(), vec![(Some("a"), "/1"), (Some("b"), "/2")]),
            ("every value",          format!("servers: [{{url: 'https://{{stage}}.example.com/{{v}}', {stages}}}]"), vec![(Some("prod.example.com"), "/v2"), (Some("test.example.com"), "/v2")]),
            ("every value in the path", format!("servers: [{{url: 'https://a/{{stage}}', {stages}}}]"), vec![(Some("a"), "/prod"), (Some("a"), "/test")]),
            ("a number",             "servers: [{url: 'https://a/v{n}', variables: {n: {default: 1}}}]".to_owned(), vec![(Some("a"), "/v1")]),
            ("a value with a path",  "servers: [{url: 'https://{h}/x', variables: {h: {default: a/y}}}]".to_owned(), vec![(Some("a"), "/y/x")]),
            ("a value that is a URL", "servers: [{url: '{u}/x', variables: {u: {default: 'https://a/y'}}}]".to_owned(), vec![(Some("a"), "/y/x")]),
            ("a default",            "servers: [{url: 'https://{t}.example.com', variables: {t: {default: demo}}}]".to_owned(), vec![(Some("demo.example.com"), "")]),
            ("a variable of nobody", "servers: [{url: 'https://{t}.example.com'}]".to_owned(),    vec![(None, "")]),
            ("an empty list",        "servers: []".to_owned(),                                    vec![(None, "")]),
            ("Swagger 2.0",          "{swagger: '2.0', host: A.example.com, basePath: /v1}".to_owned(), vec![(Some("a.example.com"), "/v1")]),
            ("Swagger without one",  "{swagger: '2.0', basePath: /v1/}".to_owned(),               vec![(None, "/v1")]),
        ];
        for (name, text, want) in cases {
            let document = Document::alone(&text);
            let got = of(&document.root(), None, &mut Remarks::default()).unwrap();
            let got: Vec<_> = got.iter().map(|one| (one.host.as_deref(), one.base.as_str())).collect();
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn servers_that_say_nothing_are_errors() {
        #[rustfmt::skip]
        let cases = [
            ("an object",            "servers: {url: /v1}",                                  "api.yaml:1:10: servers: expected a list, found an object"),
            ("null",                 "servers:",                                             "servers: expected a list, found null"),
            ("text in the list",     "servers: [/v1]",                                       "servers[0]: expected an object, found text"),
            ("no URL",               "servers: [{}]",                                        "servers[0]: has no `url`"),
            ("a URL that is none",   "servers: [{url: [x]}]",                                "servers[0].url: expected text, found a list"),
            ("a variable of nobody", "servers: [{url: '/{v}'}]",                             "servers[0].url: has a variable {v} that is not defined"),
            ("no default",           "servers: [{url: '/{v}', variables: {v: {enum: [a]}}}]", "servers[0].variables.v: has no `default`"),
            ("a default that is none", "servers: [{url: '/{v}', variables: {v: {default: []}}}]", "servers[0].variables.v.default: expected text, found a list"),
            ("a base path that is none", "{swagger: '2.0', basePath: v1}",                   "basePath: does not begin with \"/\""),
            ("a base path that is a list", "{swagger: '2.0', basePath: [/v1]}",              "basePath: expected text, found a list"),
        ];
        for (name, text, want) in cases {
            let document = Document::alone(text);
            let error = of(&document.root(), None, &mut Remarks::default()).unwrap_err();
            assert!(error.to_string().ends_with(want), "{name}: {error}");
        }
    }
}
