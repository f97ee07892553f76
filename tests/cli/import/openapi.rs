//! Rules from OpenAPI documents, and what the filter makes of them.

use serde_json::{Value, json};

use crate::import::{imported, verdict};
use crate::support::Tollgate;

/// A document that has everything.
const ORDERS: &str = "\
openapi: 3.1.0
info: {title: Orders, version: 1.2.0}
servers:
  - url: https://{host}/{base}
    variables: {host: {default: api.example.com}, base: {default: v1}}
security:
  - oauth2: [orders:read]
components:
  securitySchemes:
    oauth2:
      type: oauth2
      flows: {clientCredentials: {tokenUrl: https://as.example.com/token, scopes: {}}}
    oidc: {type: openIdConnect, openIdConnectUrl: https://as.example.com/.well-known/openid-configuration}
    bearer: {type: http, scheme: Bearer}
    api_key: {type: apiKey, in: header, name: x-api-key}
    mtls: {type: mutualTLS}
  pathItems:
    shared: {get: {security: [{bearer: []}]}}
paths:
  /orders:
    get: {operationId: listOrders, responses: {200: {description: ok}}}
    post: {operationId: createOrder, security: [{oauth2: [orders:write]}]}
  /orders/{order-id}:
    get: {operationId: showOrder}
    delete: {security: [{oauth2: [orders:write, orders:admin]}]}
  /orders/mine: {get: {security: [{oauth2: [me]}]}}
  /health: {get: {security: []}, head: {security: [{bearer: []}]}}
  /feed: {get: {security: [{}, {oidc: [x]}]}}
  /search: {get: {security: [{oauth2: [a]}, {oidc: [b]}]}}
  /export: {get: {security: [{oauth2: [a, b]}, {oauth2: [a, c]}]}}
  /both: {get: {security: [{oauth2: [a, c], oidc: [b]}, {oauth2: [b, d], oidc: []}, {oauth2: [a, b, c, d]}]}}
  /either: {get: {security: [{oauth2: [a, b]}, {oauth2: [c, d]}]}}
  /key: {get: {security: [{api_key: []}]}}
  /key-or-token: {get: {security: [{api_key: []}, {oauth2: [a]}]}}
  /certificate-and-token: {get: {security: [{mtls: [], oauth2: [a]}]}}
  /nowhere: {get: {security: [{lost: []}]}}
  /files/{name}.{ext}: {get: {}}
  /x/{a}/c: {get: {security: [{oauth2: [one]}]}}
  /x/b/{d}: {get: {security: [{oauth2: [two]}]}}
  /shared: {$ref: '#/components/pathItems/shared'}
";

/// The rules of a document, beside a provider.
fn rules(document: &str, args: &[&str]) -> (Value, Vec<String>) {
    let tollgate = Tollgate::new();
    tollgate.write("api.yaml", document);
    let args: Vec<_> = ["openapi", "api.yaml"].iter().chain(args).copied().collect();
    let (mut configuration, remarks) = imported(&tollgate, &args);
    configuration["providers"] = json!({"as": {"introspection": {
        "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"},
    }}});
    (configuration, remarks)
}

#[test]
fn the_filter_decides_as_the_document_says() {
    let (configuration, _) = rules(ORDERS, &[]);
    #[rustfmt::skip]
    let cases = [
        ("what holds for all operations",          "GET /v1/orders",      Some("orders:read"),  "allowed"),
        ("and is demanded",                        "GET /v1/orders",      Some("other"),        "insufficient_scope"),
        ("a token is, too",                        "GET /v1/orders",      None,                 "no_token"),
        ("HEAD follows GET",                       "HEAD /v1/orders",     Some("orders:read"),  "allowed"),
        ("HEAD follows GET, refused as well",      "HEAD /v1/orders",     None,                 "no_token"),
        ("an operation's own demand",              "POST /v1/orders",     Some("orders:write"), "allowed"),
        ("replaces that for all",                  "POST /v1/orders",     Some("orders:read"),  "insufficient_scope"),
        ("a path with a variable",                 "GET /v1/orders/7",    Some("orders:read"),  "allowed"),
        ("all of several scopes",                  "DELETE /v1/orders/7", Some("orders:write"), "insufficient_scope"),
        ("all of several scopes, there",           "DELETE /v1/orders/7", Some("orders:admin orders:write"), "allowed"),
        ("text goes before variables",             "GET /v1/orders/mine", Some("orders:read"),  "insufficient_scope"),
        ("text goes before variables, passed",     "GET /v1/orders/mine", Some("me"),           "allowed"),
        ("a variable is one segment",              "GET /v1/orders/7/8",  Some("orders:read"),  "forbidden"),
        ("no security at all",                     "GET /v1/health",      None,                 "anonymous"),
        ("HEAD of its own",                        "HEAD /v1/health",     None,                 "no_token"),
        ("optional, without a token",              "GET /v1/feed",        None,                 "anonymous"),
        ("optional, with any token",               "GET /v1/feed",        Some(""),             "allowed"),
        ("one of two schemes",                     "GET /v1/search",      Some("a"),            "allowed"),
        ("the other of two schemes",               "GET /v1/search",      Some("b"),            "allowed"),
        ("neither of two schemes",                 "GET /v1/search",      Some("c"),            "insufficient_scope"),
        ("alternatives with a common part",        "GET /v1/export",      Some("a c"),          "allowed"),
        ("the common part alone",                  "GET /v1/export",      Some("a"),            "insufficient_scope"),
        ("the others without the common part",     "GET /v1/export",      Some("b c"),          "insufficient_scope"),
        ("what a rule can say of alternatives",    "GET /v1/both",        Some("b d"),          "allowed"),
        ("what it cannot say becomes stricter",    "GET /v1/both",        Some("a b c"),        "insufficient_scope"),
        ("the first of two that have nothing in common", "GET /v1/either", Some("a b"),         "allowed"),
        ("never a mixture",                        "GET /v1/either",      Some("a d"),          "insufficient_scope"),
        ("a scheme of others is closed",           "GET /v1/key",         Some("a"),            "forbidden"),
        ("its alternative is open",                "GET /v1/key-or-token", Some("a"),           "allowed"),
        ("to tokens only",                         "GET /v1/key-or-token", None,                "no_token"),
        ("both of which one is not ours",          "GET /v1/certificate-and-token", Some("a"),  "forbidden"),
        ("a scheme that is not defined",           "GET /v1/nowhere",     Some("a"),            "forbidden"),
        ("a variable within a segment",            "GET /v1/files/a.b",   Some("orders:read"),  "allowed"),
        ("its text counts",                        "GET /v1/files/ab",    Some("orders:read"),  "forbidden"),
        ("two paths that both match: one demand",  "GET /v1/x/b/c",       Some("two"),          "insufficient_scope"),
        ("two paths that both match: both demands", "GET /v1/x/b/c",      Some("two one"),      "allowed"),
        ("only the one",                           "GET /v1/x/b/e",       Some("two"),          "allowed"),
        ("only the other",                         "GET /v1/x/f/c",       Some("one"),          "allowed"),
        ("a reference",                            "GET /v1/shared",      Some(""),             "allowed"),
        ("a method that is not listed",            "PATCH /v1/orders",    Some("orders:read"),  "forbidden"),
        ("a preflight is not listed either",       "OPTIONS /v1/orders",  None,                 "forbidden"),
        ("a path that is not listed",              "GET /v1/admin",       Some("orders:read"),  "forbidden"),
        ("a slash at the end is another path",     "GET /v1/orders/",     Some("orders:read"),  "forbidden"),
        ("without the server's path",              "GET /orders",         Some("orders:read"),  "forbidden"),
        ("spelt otherwise",                        "GET //v1/./%6frders", Some("orders:read"),  "allowed"),
    ];
    for (name, request, scopes, want) in cases {
        assert_eq!(verdict(&configuration, request, scopes), want, "{name}: {request}");
    }
}
