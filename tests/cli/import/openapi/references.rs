//! Parts of a document that stand elsewhere in it, or in another file.

use serde_json::json;

use super::{document, rules};
use crate::import::{imported, verdict};
use crate::support::Tollgate;

/// A document whose `components` and paths are these, in YAML's flow style.
fn with(components: &str, paths: &str) -> String {
    format!(
        "openapi: 3.1.0\ninfo: {{title: T, version: '1'}}\nsecurity: [{{o: [general]}}]\ncomponents: {components}\npaths: {paths}\n"
    )
}

const SCHEMES: &str = "securitySchemes: {o: {type: oauth2}}";

#[test]
fn what_stands_elsewhere_in_the_document_counts() {
    let parts = format!(
        "{{{SCHEMES}, x-op: {{security: [{{o: [own]}}]}}, x-item: {{get: {{$ref: '#/components/x-op'}}}}, x-again: {{$ref: '#/components/x-item'}}}}"
    );
    #[rustfmt::skip]
    let cases = [
        ("an operation",               parts.clone(), "{/a: {get: {$ref: '#/components/x-op'}}}"),
        ("a path",                     parts.clone(), "{/a: {$ref: '#/components/x-item'}}"),
        ("through two references",     parts.clone(), "{/a: {$ref: '#/components/x-again'}}"),
        ("another path, escaped",      parts.clone(), "{/a: {$ref: '#/paths/~1b~1%7Bid%7D'}, '/b/{id}': {get: {security: [{o: [own]}]}}}"),
        ("an entry of a list",         format!("{{{SCHEMES}, x-l: [{{get: {{security: [{{o: [own]}}]}}}}]}}"), "{/a: {$ref: '#/components/x-l/0'}}"),
        ("all paths",                  format!("{{{SCHEMES}, x-paths: {{/a: {{get: {{security: [{{o: [own]}}]}}}}}}}}"), "{$ref: '#/components/x-paths'}"),
        ("beside fields of its own",   parts.clone(), "{/a: {$ref: '#/components/x-item', post: {security: []}, summary: s}}"),
        ("a scheme",                   "{securitySchemes: {o: {$ref: '#/components/x-o'}}, x-o: {type: oauth2}}".to_owned(), "{/a: {get: {security: [{o: [own]}]}}}"),
        ("all schemes",                "{securitySchemes: {$ref: '#/components/x-s'}, x-s: {o: {type: oauth2}}}".to_owned(), "{/a: {get: {security: [{o: [own]}]}}}"),
    ];
    for (name, components, paths) in cases {
        let (configuration, _) = rules(&with(&components, paths), &[]);
        assert_eq!(verdict(&configuration, "GET /a", Some("own")), "allowed", "{name}");
        assert_eq!(verdict(&configuration, "GET /a", Some("general")), "insufficient_scope", "{name}");
    }
    let servers = with(
        &format!("{{{SCHEMES}, x-item: {{servers: [{{url: /v2}}], get: {{}}}}}}"),
        "{/a: {$ref: '#/components/x-item'}}",
    );
    assert_eq!(verdict(&rules(&servers, &[]).0, "GET /v2/a", Some("general")), "allowed");
}

#[test]
fn what_stands_in_another_file_counts() {
    let tollgate = Tollgate::new();
    tollgate.write("api/api.yaml", with(
        "{securitySchemes: {$ref: 'parts/schemes.yaml'}}",
        "{/a: {$ref: parts/a.yaml}, /b: {$ref: './parts/all.yaml#/items/~1b'}, /c: {get: {$ref: 'parts/a%2eyaml#/get'}}}",
    ));
    tollgate.write("api/parts/schemes.yaml", "{o: {type: oauth2}}");
    tollgate.write("api/parts/a.yaml", "get: {security: [{o: [own]}]}\npost: {$ref: '#/get'}\n");
    // Relative to the file that it stands in, and back to the document.
    tollgate.write(
        "api/parts/all.yaml",
        "items: {/b: {get: {$ref: 'a.yaml#/get'}, post: {$ref: '../api.yaml#/paths/~1c/get'}}}\n",
    );
    let (mut configuration, _) = imported(&tollgate, &["openapi", "api/api.yaml"]);
    configuration["providers"] = json!({"as": {"introspection": {"uri": "https://as.example.com/i", "cluster": "as", "client_auth": {"method": "none"}}}});
    for request in ["GET /a", "POST /a", "GET /b", "POST /b", "GET /c"] {
        assert_eq!(verdict(&configuration, request, Some("own")), "allowed", "{request}");
        assert_eq!(verdict(&configuration, request, Some("general")), "insufficient_scope", "{request}");
    }
    tollgate.write("tollgate.json", configuration.to_string());
    let check = tollgate.run(["check", "--openapi", "api/api.yaml", "tollgate.json"]);
    assert_eq!(check.status, 0, "{check:?}");

    // A file that is a document itself may say more of its operations.
    tollgate.write("api/parts/a.yaml", "openapi: 3.1.0\nsecurity: [{o: [more]}]\nget: {}\n");
    tollgate
        .write("api/api.yaml", with("{securitySchemes: {o: {type: oauth2}}}", "{/a: {$ref: parts/a.yaml}}"));
    let (mut both, remarks) = imported(&tollgate, &["openapi", "api/api.yaml"]);
    both["providers"] = configuration["providers"].clone();
    assert_eq!(
        remarks,
        ["GET /a: parts/a.yaml has its own `security` for all operations, which is required as well"]
    );
    for (scopes, want) in
        [("general", "insufficient_scope"), ("more", "insufficient_scope"), ("general more", "allowed")]
    {
        assert_eq!(verdict(&both, "GET /a", Some(scopes)), want, "{scopes}");
    }
    tollgate.write(
        "api/parts/a.yaml",
        "components: {securitySchemes: {o: {type: apiKey, in: query, name: k}}}\nget: {}\n",
    );
    let run = tollgate.run(["import", "openapi", "api/api.yaml"]);
    assert!(
        run.status == 2
            && run.stderr.contains(
                "parts/a.yaml:1:35: components.securitySchemes.o: is not the scheme that has the same name"
            ),
        "{run:?}"
    );
}

#[test]
fn references_that_are_not_followed_are_errors() {
    #[rustfmt::skip]
    let cases = [
        ("nothing",               "/a: {$ref: '#/x'}",                           "api.yaml:5:14: paths./a.$ref: refers to #/x, which is not there"),
        ("an anchor",             "/a: {$ref: '#x'}",                            "refers to #x, which is not there"),
        ("an escape that is none", "/a: {$ref: '#/%zz'}",                        "refers to #/%zz, which is not there"),
        ("no text",               "/a: {$ref: [x]}",                             "paths./a.$ref: expected text, found a list"),
        ("itself",                "/a: {$ref: '#/paths/~1a'}",                   "paths./a: refers to itself, or through more than 16 places"),
        ("itself, without more",  "/a: {get: {$ref: '#/paths/~1a/get'}}",        "paths./a.get: refers to itself, or through more than 16 places"),
        ("a circle of paths",     "/a: {$ref: '#/paths/~1b'}\n  /b: {$ref: '#/paths/~1a'}", "paths./a: refers to itself, or through more than 16 places"),
        ("no object",             "/a: {$ref: '#/info/title'}",                  "api.yaml:2:15: info.title: expected an object, found text"),
        ("an absent file",        "/a: {$ref: b.yaml}",                          "refers to another file (b.yaml), which cannot be read"),
        ("a folder",              "/a: {$ref: sub}",                             "refers to another file (sub), which cannot be read"),
        ("a file above",          "/a: {$ref: ../outside.yaml}",                 "refers to another file (../outside.yaml), which is not below the document's folder"),
        ("a file above, escaped", "/a: {$ref: '%2e%2e/outside.yaml'}",           "which is not below the document's folder"),
        ("a file above, by a link", "/a: {$ref: link.yaml}",                     "refers to another file (link.yaml), which is not below the document's folder"),
        ("a file of the system",  "/a: {$ref: /etc/passwd}",                     "refers to another file (/etc/passwd), which is not below the document's folder"),
        ("a file by its URL",     "/a: {$ref: 'file:///etc/passwd'}",            "refers to file:///etc/passwd, and nothing is fetched"),
        ("a URL",                 "/a: {$ref: 'https://example.com/a.yaml#/a'}", "refers to https://example.com/a.yaml, and nothing is fetched"),
        ("a URL without its scheme", "/a: {$ref: '//example.com/a.yaml'}",       "refers to //example.com/a.yaml, and nothing is fetched"),
        ("no YAML",               "/a: {$ref: sub/bad.yaml}",                    "refers to another file: sub/bad.yaml:1:"),
        ("an operation's fields twice", "/a: {get: {$ref: '#/info', security: []}}", "paths./a.get.security: stands beside a `$ref`, and nothing says which of them counts"),
        ("a path's fields twice", "/a: {$ref: '#/paths/~1b', get: {security: []}}\n  /b: {get: {}}", "paths./b.get: is there twice for this path"),
        ("a path's servers twice", "/a: {$ref: '#/paths/~1b', servers: [{url: /x}]}\n  /b: {servers: [{url: /y}], get: {}}", "is there twice for this path"),
    ];
    for (name, paths, want) in cases {
        let tollgate = Tollgate::new();
        tollgate.write("outside.yaml", "get: {security: []}\n");
        tollgate.write("in/sub/bad.yaml", "a: [\n");
        std::os::unix::fs::symlink("../outside.yaml", tollgate.directory.path().join("in/link.yaml"))
            .unwrap();
        tollgate.write("in/api.yaml", document("", &format!("  {paths}\n")));
        let run = tollgate.run(["import", "openapi", "in/api.yaml"]);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{name}: {run:?}");
        assert!(run.stderr.contains(want), "{name}: {}", run.stderr);
    }
    let text = document("", "  /a: {$ref: a.yaml}\n");
    let run = Tollgate::new().run_with_input(["import", "openapi", "-"], &text);
    assert!(
        run.stderr.contains("refers to another file (a.yaml), and the standard input is in no folder"),
        "{run:?}"
    );
}
