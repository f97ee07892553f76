//! Rules from OpenAPI documents, and what the filter makes of them.

use serde_json::{Value, json};

use crate::import::{imported, verdict};
use crate::support::Tollgate;

mod references;
mod shapes;

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
        ("a slash at the end may be another path", "GET /v1/orders/",     Some("orders:read"),  "forbidden"),
        ("without the server's path",              "GET /orders",         Some("orders:read"),  "forbidden"),
        ("spelt otherwise",                        "GET //v1/./%6frders", Some("orders:read"),  "allowed"),
    ];
    for (name, request, scopes, want) in cases {
        assert_eq!(verdict(&configuration, request, scopes), want, "{name}: {request}");
    }
}

/// Everything around `paths` and one scheme.
fn document(security: &str, paths: &str) -> String {
    format!(
        "openapi: 3.0.3\ninfo: {{title: T, version: '1'}}\n{security}components: {{securitySchemes: {{o: {{type: oauth2, flows: {{}}}}, k: {{type: apiKey}}}}}}\npaths:\n{paths}"
    )
}

#[test]
fn what_is_printed_reads_as_a_configuration() {
    let tollgate = Tollgate::new();
    tollgate.write(
        "api.yaml",
        document(
            "security: [{o: [read]}]\n",
            "  /a: {get: {operationId: listA}, head: {security: [{o: [head]}]}, post: {}}\n  /a/{id-1}: {delete: {security: [{o: [u, v]}, {o: [u, w]}]}}\n  /open: {get: {security: []}}\n",
        ),
    );
    let run = tollgate.run(["import", "openapi", "api.yaml"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_eq!(
        run.stdout,
        r#"# Rules of T 1, generated by `tollgate import openapi`.
rules:
  - name: "HEAD /a"
    match: {path: /a, methods: [HEAD]}
    requires: {scopes: [head]}
  - name: "GET,POST /a"
    match: {path: /a, methods: [GET, POST]}
    requires: {scopes: [read]}
  - name: "DELETE /a/{id-1}"
    match: {path_template: "/a/{id_1}", methods: [DELETE]}
    requires:
      scopes: {all: [u], any: [v, w]}
  - name: "GET /open"
    match: {path: /open, methods: [GET, HEAD]}
    access: anonymous
  - name: unlisted
    match: {prefix: /}
    access: deny
"#
    );
    let from_input =
        tollgate.run_with_input(["import", "openapi", "-", "--allow-unlisted"], &tollgate.read("api.yaml"));
    assert!(
        from_input.stdout.contains("anonymous") && !from_input.stdout.contains("unlisted"),
        "{from_input:?}"
    );
}

#[test]
fn what_is_stricter_than_the_document_is_said() {
    let (_, remarks) = rules(ORDERS, &[]);
    assert_eq!(
        remarks,
        [
            "the servers' variable {base} may have any value; the rules are only for its default (or set --base-path)",
            "GET /both: a rule cannot require one of \"a b c\" or \"b d\"; it requires a token with \"b\" and \"d\", which is stricter",
            "GET /either: a rule cannot require one of \"a b\" or \"c d\"; it requires a token with \"a\" and \"b\", which is stricter",
            "GET /key, GET /key-or-token: the scheme \"api_key\" is an API key, which Tollgate does not check, so what needs it is denied (--elsewhere api_key if something else checks it)",
            "GET /certificate-and-token: the scheme \"mtls\" is a client certificate, which Tollgate does not check, so what needs it is denied (--elsewhere mtls if something else checks it)",
            "GET /nowhere: the scheme \"lost\" is not defined, so what needs it is denied",
            "/v1/x/b/{d} and /v1/x/{a}/c both match /v1/x/b/c; the rule requires what both require",
        ]
    );
    let cases = [
        (
            "nothing said of security",
            document("", "  /a: {get: {}}\n"),
            "GET /a: the document says nothing about security, so any valid token is required; with `security: []`, none would be",
        ),
        (
            "a scope that is none",
            document("", "  /a: {get: {security: [{o: ['a b']}]}}\n"),
            "GET /a: \"a b\" cannot be a scope (RFC 6749, section 3.3), so it is denied",
        ),
        (
            "a server relative to the document",
            document("security: []\nservers: [{url: ./v2}]\n", "  /a: {get: {}}\n"),
            "the server \"./v2\" is relative to the document; it is treated as \"/v2\" (or set --base-path)",
        ),
        (
            "a path with a query",
            document("security: []\n", "  /a?b=c: {get: {}}\n"),
            "GET /a?b=c: the path has a query or a fragment, which rules do not see; it is denied",
        ),
        (
            "one path in two spellings",
            document(
                "",
                "  '/a/{b}': {get: {security: [{o: [b]}]}}\n  '/a/{c}': {get: {security: [{o: [c]}]}}\n",
            ),
            "two operations are for GET /a/{c}; the rule requires what both require",
        ),
        (
            "two paths in one spelling",
            document("security: []\n", "  /a: {get: {}}\n  /A: {get: {security: [{o: [b]}]}}\n"),
            "the paths /a and /A differ only in letter case, which some servers ignore; a request for either must meet the requirements of both",
        ),
    ];
    for (name, text, want) in cases {
        let (_, remarks) = rules(&text, &[]);
        assert_eq!(remarks, [want], "{name}");
    }
}

#[test]
fn switches_change_what_the_schemes_mean() {
    let paths = "  /k: {get: {security: [{k: []}]}}\n  /o: {get: {security: [{o: [a]}]}}\n  /ok: {get: {security: [{o: [a], k: []}]}}\n  /o-or-k: {get: {security: [{o: [a]}, {k: []}]}}\n";
    let text = document("servers: [{url: https://a.example.com/v1}, {url: /v2}]\n", paths);
    #[rustfmt::skip]
    let cases = [
        ("every server's path counts",               &[][..],                    "GET /v2/o",  Some("a"), "allowed"),
        ("another path instead",                     &["--base-path", "/v3/"],   "GET /v3/o",  Some("a"), "allowed"),
        ("and only that",                            &["--base-path", "/v3/"],   "GET /v1/o",  Some("a"), "forbidden"),
        ("no path at all",                           &["--base-path", "/"],      "GET /o",     Some("a"), "allowed"),
        ("an API key that is checked elsewhere",     &["--elsewhere", "k"],      "GET /v1/k",  None,      "anonymous"),
        ("beside a token",                           &["--elsewhere", "k"],      "GET /v1/ok", None,      "no_token"),
        ("beside a token, which is there",           &["--elsewhere", "k"],      "GET /v1/ok", Some("a"), "allowed"),
        ("instead of a token",                       &["--elsewhere", "k"],      "GET /v1/o-or-k", None,  "anonymous"),
        ("an API key that is our token",             &["--scheme", "k"],         "GET /v1/k",  Some(""),  "allowed"),
        ("then the other is not",                    &["--scheme", "k"],         "GET /v1/o",  Some("a"), "forbidden"),
        ("both are",                                 &["--scheme", "k", "--scheme", "o"], "GET /v1/ok", Some("a"), "allowed"),
        ("what is not listed needs a token at least", &["--allow-unlisted"],     "GET /v1/x",  None,      "no_token"),
        ("and may pass with it",                     &["--allow-unlisted"],      "GET /v1/x",  Some(""),  "allowed"),
    ];
    for (name, args, request, scopes, want) in cases {
        let (configuration, _) = rules(&text, args);
        assert_eq!(verdict(&configuration, request, scopes), want, "{name}");
    }
}

#[test]
fn swagger_2_is_read_as_well() {
    let text = json!({
        "swagger": "2.0", "info": {"title": "Old", "version": "1"}, "basePath": "/v1",
        "securityDefinitions": {"o": {"type": "oauth2", "flow": "application"}, "b": {"type": "basic"}},
        "paths": {"/a": {"get": {"security": [{"o": ["read"]}]}, "put": {"security": [{"b": []}]}}},
    });
    let (configuration, remarks) = rules(&text.to_string(), &[]);
    assert_eq!(verdict(&configuration, "GET /v1/a", Some("read")), "allowed");
    assert_eq!(verdict(&configuration, "GET /v1/a", Some("")), "insufficient_scope");
    assert_eq!(verdict(&configuration, "PUT /v1/a", Some("read")), "forbidden");
    assert!(remarks[0].contains("a user name and password"), "{remarks:?}");
    let header = text
        .to_string()
        .replace(r#"{"type":"basic"}"#, r#"{"type":"apiKey","in":"header","name":"Authorization"}"#);
    let (configuration, remarks) = rules(&header, &[]);
    assert_eq!(verdict(&configuration, "PUT /v1/a", Some("read")), "forbidden");
    assert!(remarks[0].contains("(--scheme b if that is the access token)"), "{remarks:?}");
    let (configuration, _) = rules(&header, &["--scheme", "b", "--scheme", "o"]);
    assert_eq!(verdict(&configuration, "PUT /v1/a", Some("")), "allowed");
}

#[test]
fn a_large_document_is_read() {
    // As many values as the largest that are published have in a section or two.
    let example = format!("[{}]", "1, ".repeat(260_000).trim_end_matches(", "));
    let text = document("", &format!("  /a: {{get: {{security: [{{o: [a]}}], x-example: {example}}}}}\n"));
    let (configuration, _) = rules(&text, &[]);
    assert_eq!(verdict(&configuration, "GET /a", Some("")), "insufficient_scope");
}

#[test]
fn first_mistakes_are_explained() {
    let ok = document("", "  /a: {get: {}}\n");
    let deep = format!("openapi: 3.0.0\npaths: {}", "[".repeat(100_000));
    let aliases = "openapi: 3.0.0\na: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\ng: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]\nh: [*g, *g, *g, *g, *g, *g, *g, *g, *g]\n";
    #[rustfmt::skip]
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("an empty file", "", &[], &["api.yaml is empty"]),
        ("a comment is as good as nothing", "# soon\n", &[], &["api.yaml is empty"]),
        ("no YAML", "openapi: 3.0.0\npaths: {a: [}\n", &[], &["api.yaml:2:", "YAML or JSON"]),
        ("no OpenAPI", "a: 1\n", &[], &["api.yaml is not an OpenAPI document: it has neither `openapi` nor `swagger` at the top"]),
        ("only text", "hello\n", &[], &["api.yaml is not an OpenAPI document"]),
        ("RAML", "#%RAML 1.0\ntitle: x\n", &[], &["api.yaml is RAML, and only OpenAPI is read"]),
        ("a version of the future", "openapi: 4.0.0\n", &[], &["api.yaml is OpenAPI 4.0.0, and only 3.x and 2.0 are supported"]),
        ("two documents", "openapi: 3.0.0\n---\nopenapi: 3.0.0\n", &[], &["api.yaml holds 2 documents"]),
        ("no security schemes", "openapi: 3.0.0\npaths: {/a: {get: {}}}\n", &[], &["defines no security schemes", "--require SCOPE", "components.securitySchemes"]),
        ("no paths", "openapi: 3.1.0\ncomponents: {securitySchemes: {o: {type: oauth2}}}\n", &[], &["has no `paths`"]),
        ("an unknown scheme", &ok, &["--scheme", "oauth"], &["the document has no security scheme \"oauth\"", "It has k, o."]),
        ("an unknown scheme elsewhere", &ok, &["--elsewhere", "x"], &["the document has no security scheme \"x\""]),
        ("a base path without its slash", &ok, &["--base-path", "v1"], &["--base-path v1 does not begin with \"/\"", "--base-path /v1"]),
        ("a path that means more than its rule, and the rest let through", &document("", "  '/a/{b:.*}': {get: {}}\n"), &["--allow-unlisted"], &["the rule for /a/{b:.*} may match fewer requests", "Leave out --allow-unlisted"]),
        ("too deep", &deep, &[], &["api.yaml:2:", "nested more than 128 levels deep"]),
        ("aliases of aliases", aliases, &[], &["api.yaml:", "its anchors and aliases expand to more than is read"]),
    ];
    for (name, text, args, wants) in cases {
        let tollgate = Tollgate::new();
        tollgate.write("api.yaml", text);
        let run = tollgate.run(["import", "openapi", "api.yaml"].iter().chain(*args));
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{name}: {run:?}");
        assert!(wants.iter().all(|want| run.stderr.contains(want)), "{name}: {}", run.stderr);
    }
    let tollgate = Tollgate::new();
    tollgate.write("api.yaml", "# nothing but comment\n".repeat(3_200_000));
    let run = tollgate.run(["import", "openapi", "api.yaml"]);
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (2, "tollgate: cannot read api.yaml: it is longer than 64 MiB\n")
    );
    let run = Tollgate::new().run(["import", "openapi", "nothing.yaml", "--json"]);
    assert_eq!(
        (run.status, &run.json()["error"]),
        (2, &json!("cannot read nothing.yaml: no such file or directory"))
    );
}

/// What `tollgate check --openapi` says of rules.
fn drift(rules: &Value, text: &str) -> Vec<String> {
    let tollgate = Tollgate::new();
    let configuration = json!({
        "providers": {"as": {"issuer": "https://as.example.com", "audiences": ["a"], "introspection": {
            "uri": "https://as.example.com/introspect", "cluster": "as",
            "client_auth": {"client_id": "x", "client_secret_env": "SECRET"},
        }}},
        "requires": {"scopes": ["general"]},
        "rules": rules,
    });
    tollgate.write("tollgate.json", configuration.to_string());
    tollgate.write("api.yaml", text);
    let run = tollgate.run(["check", "--json", "--openapi", "api.yaml", "tollgate.json"]);
    let document = run.json();
    let findings = document["files"][0]["findings"].as_array().unwrap();
    let faults = findings.iter().filter(|finding| finding["severity"] == "fault");
    faults.map(|fault| fault["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rules_are_kept_in_step_with_the_document() {
    let text = document(
        "security: [{o: [read]}]\nservers: [{url: /v1}]\n",
        "  /a: {get: {}, post: {security: [{o: [write]}, {k: []}]}}\n  /a/{id}: {get: {security: [{o: [read]}, {o: [admin]}]}}\n  /open: {get: {security: []}}\n  /k: {get: {security: [{k: []}]}}\n",
    );
    let (made, _) = rules(&text, &[]);
    let (bare, _) = rules(&text, &["--base-path", "/"]);
    let (elsewhere, _) = rules(&text, &["--elsewhere", "k"]);
    for (name, configuration) in
        [("as made", made), ("behind a proxy", bare), ("keys checked elsewhere", elsewhere)]
    {
        assert_eq!(drift(&configuration["rules"], &text), [""; 0], "{name}");
    }
    let by_hand = json!([
        {"name": "closed", "match": {"path": "/v1/k"}, "access": "deny"},
        {"match": {"prefix": "/v1/open"}, "access": "anonymous"},
        {"match": {"prefix": "/v1/a", "methods": ["POST"]}, "requires": {"scopes": {"all": ["write"], "any": ["write"]}}},
        {"match": {"prefix": "/v1/a/"}, "requires": {"scopes": {"any": ["admin", "read"]}}},
        {"match": {"safe_regex": "/v1/a"}, "requires": {"scopes": {"any": ["read"]}}},
    ]);
    assert_eq!(drift(&by_hand, &text), [""; 0], "written otherwise");
    let other = json!([
        {"name": "a", "match": {"path": "/v1/a"}, "requires": {"scopes": ["read", "more"]}},
        {"name": "one", "match": {"path_template": "/v1/a/{id}"}, "access": "anonymous"},
        {"name": "old", "match": {"path": "/v1/old"}},
        {"name": "never", "match": {"path": "/v1/never"}, "access": "deny"},
    ]);
    assert_eq!(
        drift(&other, &text),
        [
            "GET /v1/a/{id}: the document requires a token with \"admin\" or \"read\"; the rule one requires nothing",
            "GET /v1/a: the document requires a token with \"read\"; the rule a requires a token with \"more\" and \"read\"",
            "GET /v1/open: the document requires nothing; no rule is for it, and the rest requires a token with \"general\"",
            "POST /v1/a: the document requires a token with \"write\"; the rule a requires a token with \"more\" and \"read\"",
            "the rule old matches no operation of the document",
        ]
    );
    let external = document("", "  /a: {$ref: ./a.yaml}\n");
    let [sentence] = &drift(&other, &external)[..] else { panic!() };
    assert!(sentence.contains("refers to another file"), "{sentence}");
    let rest = json!([
        {"match": {"path": "/v1/a", "methods": ["GET"]}, "requires": {"scopes": ["read"]}},
        {"match": {"path": "/v1/open"}, "access": "anonymous"},
        {"match": {"path_template": "/v1/a/{id}"}, "requires": {"scopes": {"any": ["admin", "read"]}}},
        {"match": {"path": "/v1/k"}, "access": "deny"},
        {"name": "all the rest", "match": {"prefix": "/v1"}, "requires": {"scopes": ["write"]}},
    ]);
    assert_eq!(drift(&rest, &text), [""; 0], "a rule for what the others leave over");
}
