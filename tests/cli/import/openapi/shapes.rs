//! Documents that are not as they should be, or are written in a dialect.

use serde_json::json;

use super::{document, rules};
use crate::import::verdict;
use crate::support::Tollgate;

#[test]
fn what_has_the_wrong_type_is_an_error_with_its_place() {
    #[rustfmt::skip]
    let cases = [
        ("scopes that are text",          document("", "  /a: {get: {security: [{o: a}]}}\n"),        "api.yaml:5:29: paths./a.get.security[0].o: expected a list, found text"),
        ("scopes that are null",          document("", "  /a: {get: {security: [{o: }]}}\n"),         "paths./a.get.security[0].o: expected a list, found null"),
        ("scopes that are an object",     document("", "  /a: {get: {security: [{o: {a: b}}]}}\n"),   "paths./a.get.security[0].o: expected a list, found an object"),
        ("a scope that is a number",      document("", "  /a: {get: {security: [{o: [1]}]}}\n"),      "paths./a.get.security[0].o[0]: expected text, found a number"),
        ("a scope that is null",          document("", "  /a: {get: {security: [{o: [a, ]}, {o: [null]}]}}\n"), "paths./a.get.security[1].o[0]: expected text, found null"),
        ("scopes of what is not defined", document("", "  /a: {get: {security: [{x: a}]}}\n"),        "paths./a.get.security[0].x: expected a list, found text"),
        ("a scheme that is text",         document("", "  /a: {get: {security: [o]}}\n"),             "paths./a.get.security[0]: expected an object, found text"),
        ("a scheme that is null",         document("", "  /a: {get: {security: [null]}}\n"),          "paths./a.get.security[0]: expected an object, found null"),
        ("a list of lists",               document("", "  /a: {get: {security: [[{o: [a]}]]}}\n"),    "paths./a.get.security[0]: expected an object, found a list"),
        ("security that is an object",    document("", "  /a: {get: {security: {o: [a]}}}\n"),        "paths./a.get.security: expected a list, found an object"),
        ("security that is empty",        document("", "  /a: {get: {security: {}}}\n"),              "paths./a.get.security: expected a list, found an object"),
        ("security that is null",         document("", "  /a: {get: {security: }}\n"),                "paths./a.get.security: expected a list, found null"),
        ("security that is false",        document("", "  /a: {get: {security: false}}\n"),           "paths./a.get.security: expected a list, found true or false"),
        ("security that is a reference",  document("", "  /a: {get: {security: {$ref: '#/security'}}}\n"), "paths./a.get.security: expected a list, found an object"),
        ("a requirement that is a reference", document("", "  /a: {get: {security: [{$ref: '#/security/0'}]}}\n"), "paths./a.get.security[0].$ref: expected a list, found text"),
        ("the same for all, though each has its own", document("security: {o: [a]}\n", "  /a: {get: {security: []}}\n"), "api.yaml:3:1"),
        ("null for all",                  document("security:\n", "  /a: {get: {security: []}}\n"),   "security: expected a list, found null"),
        ("an operation that is text",     document("", "  /a: {get: x}\n"),                           "paths./a.get: expected an object, found text"),
        ("an operation that is null",     document("", "  /a: {get: }\n"),                            "paths./a.get: expected an object, found null"),
        ("a path that is text",           document("", "  /a: get\n"),                                "paths./a: expected an object, found text"),
        ("a method in upper case",        document("", "  /a: {GET: {}}\n"),                          "paths./a.GET: is not a field of a path; expected `get`"),
        ("more methods in lower case",    document("", "  /a: {additionalOperations: {copy: {}}}\n"), "paths./a.additionalOperations.copy: expected a method in upper case as the key"),
        ("more methods in a list",        document("", "  /a: {additionalOperations: []}\n"),         "paths./a.additionalOperations: expected an object, found a list"),
        ("a method twice",                document("", "  /a: {get: {}, additionalOperations: {GET: {}}}\n"), "is there twice for this path"),
        ("servers that are an object",    document("servers: {url: /v1}\n", "  /a: {get: {}}\n"),     "servers: expected a list, found an object"),
        ("a path's servers that are none", document("", "  /a: {servers: [], get: {}}\n"),            "paths./a.servers: is empty"),
        ("a path without its slash",      document("servers: [{url: /v1}]\n", "  a: {get: {}}\n"),    "paths.a: this path does not begin with \"/\""),
        ("a brace too few",               document("", "  '/a/{b': {get: {}}\n"),                     "paths./a/{b.get: the path /a/{b has a \"{\" without its \"}\""),
        ("a brace too many",              document("", "  '/a/b}': {get: {}}\n"),                     "has a \"}\" without its \"{\""),
        ("a variable without a name",     document("", "  '/a/{}': {get: {}}\n"),                     "has a variable without a name"),
        ("a variable of no known kind",   document("", "  '/a/{b=c/*}': {get: {}}\n"),                "has a variable of a kind that is not known"),
        ("the rest of a path, and more",  document("", "  '/a/{b+}/c': {get: {}}\n"),                 "has a variable for several segments that is not its last segment"),
        ("a dot segment",                 document("", "  /a/../b: {get: {}}\n"),                     "has a dot segment"),
        ("an escaped slash",              document("", "  /a%2Fb: {get: {}}\n"),                      "or escapes that are ambiguous"),
        ("a scheme that is a text",       document("", "  /a: {get: {}}\n").replace("{type: apiKey}", "apiKey"), "components.securitySchemes.k: expected an object, found text"),
        ("a type that is a list",         document("", "  /a: {get: {}}\n").replace("type: oauth2", "type: [oauth2]"), "components.securitySchemes.o.type: expected text, found a list"),
        ("both versions",                 document("", "  /a: {get: {}}\n").replace("info", "swagger: '2.0'\ninfo"), "has both `openapi` and `swagger`"),
    ];
    for (name, text, want) in cases {
        let tollgate = Tollgate::new();
        tollgate.write("api.yaml", text);
        let run = tollgate.run(["import", "openapi", "api.yaml"]);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{name}: {run:?}");
        assert!(run.stderr.contains(want), "{name}: {}", run.stderr);
    }
}

#[test]
fn names_are_unique() {
    let text = document(
        "security: [{o: [a]}]\n",
        "  /unlisted: {get: {operationId: unlisted}, post: {operationId: unlisted, security: []}}\n  /a: {get: {operationId: same}}\n  /b: {get: {operationId: same}}\n  '/caf\u{e9}': {get: {}}\n  '/th\u{e9}': {get: {}}\n",
    );
    let (configuration, _) = rules(&text, &[]);
    let names: Vec<_> = configuration["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["same", "GET /b", "GET", "GET 2", "unlisted", "GET /unlisted", "unlisted 2"]);
    assert_eq!(verdict(&configuration, "GET /caf%C3%A9", Some("a")), "allowed");
    assert_eq!(verdict(&configuration, "GET /other", Some("a")), "forbidden");
}

#[test]
fn dialects_of_paths_are_understood() {
    let paths = "  '/files/{proxy+}': {x-amazon-apigateway-any-method: {security: [{o: [files]}]}, get: {security: [{o: [read]}]}}\n  '/n/{id:[0-9]{1,3}}': {get: {security: [{o: [num]}]}}\n  '/o/{id?}': {get: {}}\n  '/rest/{*path}': {get: {}}\n  '/q{?a,b}': {get: {}}\n  /r: {get: {security: [{o: [r]}]}}\n  '/r?x=y': {get: {security: [{o: [x]}]}}\n  '/f/x.{a}': {get: {security: []}}\n  '/f/{b}.y': {get: {security: [{o: [f]}]}}\n";
    let (configuration, remarks) = rules(&document("", paths), &[]);
    #[rustfmt::skip]
    let cases = [
        ("any method",                   "PUT /files/a",      Some("files"), "allowed"),
        ("any method but those listed",  "GET /files/a",      Some("files"), "insufficient_scope"),
        ("HEAD is any method",           "HEAD /files/a",     Some("files"), "allowed"),
        ("several segments",             "GET /files/a/b/c",  Some("read"),  "allowed"),
        ("a slash at the end",           "GET /files/a/",     Some("read"),  "allowed"),
        ("one at least",                 "GET /files",        Some("read"),  "forbidden"),
        ("that is not empty",            "GET /files/",       Some("read"),  "forbidden"),
        ("an expression is one segment", "GET /n/7",          Some("num"),     "allowed"),
        ("and no more",                  "GET /n/7/8",        Some("num"),     "forbidden"),
        ("one that may be absent",       "GET /o/7",          Some(""),      "allowed"),
        ("is there",                     "GET /o",            Some(""),      "forbidden"),
        ("the rest",                     "GET /rest/a/b",     Some(""),      "allowed"),
        ("a query that is not listed without it", "GET /q?a=b", Some(""),    "forbidden"),
        ("a query beside the path alone", "GET /r?x=y",       Some("r"),     "insufficient_scope"),
        ("a query beside the path alone, with both", "GET /r", Some("r x"),  "allowed"),
        ("two mixtures",                 "GET /f/x.y",        None,          "no_token"),
    ];
    for (name, request, scopes, want) in cases {
        assert_eq!(verdict(&configuration, request, scopes), want, "{name}");
    }
    assert_eq!(
        remarks,
        [
            "/files/{proxy+}: `x-amazon-apigateway-any-method` is for DELETE, HEAD, OPTIONS, PATCH, POST, PUT",
            "GET /o/{id?}, GET /rest/{*path}, GET /q{?a,b}: the document says nothing about security, so any valid token is required; with `security: []`, none would be",
            "the path /files/{proxy+}: {proxy+} is treated as one or more segments",
            "the path /n/{id:[0-9]{1,3}}: {id:[0-9]{1,3}} is treated as one segment, whatever its expression says",
            "the path /o/{id?}: {id?} is treated as one segment that is there",
            "the path /rest/{*path}: {*path} is treated as one or more segments",
            "GET /q{?a,b}: the path has a query or a fragment, which rules do not see; it is denied",
            "GET /r?x=y: the path has a query or a fragment, which rules do not see; the rule for the path alone requires what both require",
            "/f/{b}.y and /f/x.{a} may match the same requests; the rules of each require what both require",
        ]
    );
}

#[test]
fn paths_that_may_meet_are_named() {
    let meeting = |one: &str, other: &str| {
        let (configuration, remarks) = rules(&document("", &format!("  {one}\n  {other}\n")), &[]);
        (
            verdict(&configuration, "GET /a:b/c", Some("r w")).to_owned(),
            remarks.last().cloned().unwrap_or_default(),
        )
    };
    #[rustfmt::skip]
    let cases = [
        ("'/a{z}/c': {get: {security: [{o: [r]}]}}", "'/{u}-{v}/{x}#f': {get: {security: []}}", "forbidden",
         "/{u}-{v}/{x}#f and /a{z}/c may match the same requests; the rules of each deny, because one of the two is denied"),
        ("'/a{z}/c': {get: {security: []}}", "'/{n}.b/c': {get: {security: [{o: [r]}]}}", "allowed",
         "/{n}.b/c and /a{z}/c may match the same requests; the rules of each require what both require"),
        ("'/a{z}/c': {get: {security: [{o: [r]}, {o: [s]}]}}", "'/{n}.b/c': {get: {security: [{o: [w]}, {o: [x]}]}}", "forbidden",
         "/{n}.b/c and /a{z}/c may match the same requests; the rules of each deny, because no rule can express what both require"),
        ("'/{a}/c': {get: {security: [{o: [r]}, {o: [s]}]}}", "'/a:b/{d}': {get: {security: [{o: [w]}, {o: [x]}]}}", "forbidden",
         "/a:b/{d} and /{a}/c both match /a:b/c; the rule denies, because no rule can express what both require"),
        ("'/{a}/c': {get: {security: [{o: [r]}]}}", "'/a:b/{d}': {get: {security: [{o: [w]}]}}", "allowed",
         "/a:b/{d} and /{a}/c both match /a:b/c; the rule requires what both require"),
    ];
    for (one, other, want, remark) in cases {
        assert_eq!(meeting(one, other), (want.to_owned(), remark.to_owned()), "{one} {other}");
    }
}

#[test]
fn a_document_without_schemes_needs_a_word() {
    let text =
        "openapi: 3.0.0\ninfo: {title: T, version: '1'}\npaths: {/a: {get: {}, post: {security: []}}}\n";
    let (configuration, remarks) = rules(text, &["--require", "read", "--require", "api"]);
    assert_eq!(
        remarks,
        [
            "GET /a: the document says nothing about security; a token with \"api\" and \"read\" is required, as --require says"
        ]
    );
    assert_eq!(verdict(&configuration, "GET /a", Some("read")), "insufficient_scope");
    assert_eq!(verdict(&configuration, "GET /a", Some("api read")), "allowed");
    assert_eq!(verdict(&configuration, "POST /a", None), "anonymous");
    let tollgate = Tollgate::new();
    tollgate.write("api.yaml", text);
    tollgate.write("tollgate.json", configuration.to_string());
    let check = |more: &[&str]| {
        tollgate.run(["check", "tollgate.json", "--openapi", "api.yaml"].iter().chain(more)).status
    };
    assert_eq!(check(&["--openapi-require", "read", "--openapi-require", "api"]), 0);
    assert_eq!(check(&["--openapi-require", "read"]), 1);
    let run = tollgate.run(["import", "openapi", "api.yaml", "--require", "a b"]);
    assert!(run.status == 2 && run.stderr.contains("expected a scope"), "{run:?}");
}

#[test]
fn many_open_operations_are_counted() {
    let paths = |n: usize| {
        (0..n).fold(String::new(), |text, i| text + &format!("  /a{i}: {{get: {{security: []}}}}\n"))
    };
    let (_, remarks) = rules(&document("", &(paths(200) + "  /b: {get: {security: [{o: [a]}]}}\n")), &[]);
    assert_eq!(remarks, ["200 of 201 operations need no token"]);
    let (_, remarks) = rules(&document("", &paths(3)), &[]);
    assert_eq!(remarks, [""; 0], "a few may well be");
}

#[test]
fn what_is_written_agrees_with_the_document() {
    let paths = "  '/a?b=c': {get: {}}\n  '/a#b': {post: {}}\n  /x/{a}/c: {get: {security: [{o: [one]}]}}\n  /x/b/{d}: {get: {security: [{o: [two]}]}}\n  '/y/{a}': {get: {security: [{o: [b]}]}}\n  '/y/{c}': {get: {security: [{o: [c]}, {k: []}]}}\n  '/z/{a}': {get: {security: [{o: [a, b]}, {o: [c, d]}]}}\n  '/z/{b}-{c}': {get: {}}\n  '/z/{b}{c}': {get: {security: []}}\n  /: {get: {security: []}}\n";
    let swagger = json!({
        "swagger": "2.0", "basePath": "/v1", "securityDefinitions": {"b": {"type": "apiKey", "in": "header", "name": "Authorization"}, "o": {"type": "oauth2"}},
        "paths": {"/a": {"get": {"security": [{"b": []}, {"o": ["x"]}]}}},
    });
    #[rustfmt::skip]
    let cases: &[(&str, String, &[&str], &[&str])] = &[
        ("as it is",            document("servers: [{url: /v1}, {url: /v2}]\n", paths), &[], &[]),
        ("without its rest",    document("", &paths.replace("  '/a?b=c': {get: {}}\n", "")), &["--allow-unlisted"], &[]),
        ("below another path",  document("servers: [{url: /v1}]\n", paths), &["--base-path", "/v3"], &["--openapi-base-path", "/v3"]),
        ("keys elsewhere",      document("", paths), &["--elsewhere", "k"], &["--openapi-elsewhere", "k"]),
        ("a scheme of its own", swagger.to_string(), &["--scheme", "b", "--scheme", "o"], &["--openapi-scheme", "b", "--openapi-scheme", "o"]),
    ];
    for (name, text, args, check) in cases {
        let (configuration, _) = rules(text, args);
        let tollgate = Tollgate::new();
        tollgate.write("api.yaml", text);
        tollgate.write("tollgate.json", configuration.to_string());
        let run = tollgate.run(["check", "tollgate.json", "--openapi", "api.yaml"].iter().chain(*check));
        assert!(run.status == 0 && !run.stdout.contains("rules:"), "{name}: {run:?}");
    }
}
