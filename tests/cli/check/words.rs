//! What is wrong with a file, in an operator's words.

use super::GOOD;
use crate::support::Tollgate;

#[test]
fn yaml_that_cannot_be_read_is_explained() {
    #[rustfmt::skip]
    let cases = [
        ("a key twice",           "a: 1\nb: 2\na: 3\n",         "x.yaml:3:1: error: `a` is here twice; the first is at line 1"),
        ("deep down",             "a: [{b: {c: 1}}, {b: {c: 1,\n c: 2}}]\n", "x.yaml:2:2: error: `c` is here twice; the first is at line 1"),
        ("in JSON",               "{\"a\": 1,\n \"a\": 1}\n",   "x.yaml:2:2: error: `a` is here twice; the first is at line 1"),
        ("a tab",                 "a: 1\n\tb: 2\n",             "there is a tab: YAML is indented with spaces"),
        ("two colons",            "a: b: c\n",                  "x.yaml:1:5: error: a `: ` too many: put text that contains it in quotes"),
        ("a quote",               "a: \"x\nb: 1\n",             "x.yaml:1:4: error: this quote is not closed"),
        ("a line between two indentations", "a:\n  b: 1\n c: 2\n", "x.yaml:3:2: error: this line is indented differently from the keys that it belongs to"),
        ("an at sign",            "a: @x\n",                    "x.yaml:1:4: error: text cannot begin with this character: put the text in quotes"),
        ("a per cent sign",       "a: %x\n",                    "x.yaml:1:4: error: text cannot begin with this character"),
        ("an alias of nothing",   "a: *x\n",                    "x.yaml:1:4: error: there is no anchor of this name above"),
        ("a brace",               "a: {b: 1\nc: 2\n",           "expected `,` or `}`: a `{` above is not closed"),
        ("a bracket",             "a: [1, 2\n",                 "x.yaml:1:4: error: this bracket is not closed"),
        ("a key in a list",       "- a\nb: 1\n",                "expected `- `: the lines above it are entries of a list"),
        ("a list as a key",       "? [a, b]\n: 1\n",            "x.yaml:1:3: error: expected text as a key"),
        ("a number without end",  "a: 1e999\n",                 "x.yaml:1:4: error: the number is too large"),
    ];
    for (name, content, want) in cases {
        let tollgate = Tollgate::new();
        tollgate.write("x.yaml", content);
        let run = tollgate.run(["check", "x.yaml"]);
        assert!(run.status == 1 && run.stdout.contains(want), "{name}: {run:?}");
    }
    // What a merge key brings may be replaced.
    let tollgate = Tollgate::new();
    let merged = GOOD.replace("    issuer", "    <<: {issuer: https://other.example.com}\n    issuer");
    tollgate.write("x.yaml", merged);
    let run = tollgate.run(["check", "x.yaml"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "no errors, no warnings in 1 configuration\n"));
}

#[test]
fn a_wrong_indentation_is_one_hint() {
    let flat = GOOD.replace("    issuer", "  issuer").replace("    audiences", "  audiences");
    let all = flat
        .replace("    introspection:\n      uri", "  introspection:\n    uri")
        .replace("      cluster", "    cluster")
        .replace("      client_auth", "    client_auth");
    let list = |entries: &str| format!("{GOOD}client_lists:\n{entries}");
    #[rustfmt::skip]
    let cases = [
        ("everything of a provider",  all, "x.yaml:2:3: error: providers.main: nothing stands below it, and \"issuer\", \"audiences\" and \"introspection\" are keys of such an entry, not an entry of providers: indent them further"),
        ("the uri of a list",         list("  partners:\n  uri: https://l.example.com\n  cluster: c\n"), "x.yaml:11:3: error: client_lists.partners: nothing stands below it, and \"uri\" and \"cluster\" are keys of such an entry"),
        ("one key of a list",         list("  partners:\n  clients: [{id: a}]\n"), "\"clients\" is a key of such an entry, not an entry of client_lists: indent it further"),
        ("rules within a provider",   format!("{}    rules: []\nrequires: {{scopes: [a]}}\n", GOOD.replace("requires: {scopes: [orders:read]}\n", "")), "x.yaml:9:5: error: providers.main.rules: \"rules\" belongs to the top of the configuration: indent it less"),
        ("an issuer at the top",      format!("{GOOD}issuer: https://a.example.com\n"), "x.yaml:10:1: error: issuer: \"issuer\" belongs to an entry of providers: indent it further"),
    ];
    for (name, content, want) in cases {
        let tollgate = Tollgate::new();
        tollgate.write("x.yaml", &content);
        let run = tollgate.run(["check", "x.yaml"]);
        assert_eq!(run.status, 1, "{name}: {run:?}");
        let said: Vec<_> = run.stdout.lines().collect();
        assert!(said.len() == 2 && said[0].contains(want), "{name}: {run:?}");
    }
}

#[test]
fn a_misspelt_providers_is_recognized() {
    for key in ["provider", "Providers", "proivders"] {
        let tollgate = Tollgate::new();
        tollgate.write("x.yaml", GOOD.replace("providers:", &format!("{key}:")));
        let run = tollgate.run(["check", "x.yaml"]);
        let want = format!("x.yaml:1:1: error: {key}: unknown key; did you mean \"providers\"?");
        assert!(run.status == 1 && run.stdout.contains(&want), "{key}: {run:?}");
        let run = tollgate.run(["explain", "-c", "x.yaml", "-r", "GET /"]);
        assert!(run.status == 2 && run.stderr.contains("did you mean \"providers\"?"), "{key}: {run:?}");
    }
    // Other people's files have such a key, too.
    for content in [
        "provider: {name: aws, runtime: nodejs}\n",
        "provider: aws\n",
        "apiVersion: v1\nprovider: {a: {issuer: x}}\n",
    ] {
        let tollgate = Tollgate::new();
        tollgate.write("x.yaml", content);
        let run = tollgate.run(["check", "x.yaml"]);
        assert!(run.status == 2 && run.stderr.contains("no configuration of Tollgate in x.yaml"), "{run:?}");
        let is_plain = !content.starts_with("apiVersion");
        let hint = "x.yaml: \"provider\": did you mean \"providers\"?";
        assert_eq!(run.stderr.contains(hint), is_plain, "{run:?}");
    }
}

#[test]
fn a_path_that_is_not_ascii_is_explained() {
    for (key, path) in
        [("path", "/café"), ("prefix", "/日本"), ("path_template", "/straße/{id}"), ("safe_regex", "/ü.*")]
    {
        let tollgate = Tollgate::new();
        tollgate.write("x.yaml", format!("{GOOD}rules: [{{match: {{{key}: '{path}'}}}}]\n"));
        let run = tollgate.run(["check", "x.yaml"]);
        let want = format!(
            "rules[0].match.{key}: expected ASCII: in requests, other characters are percent-encoded, as in /caf%C3%A9"
        );
        assert!(run.status == 1 && run.stdout.contains(&want), "{key}: {run:?}");
    }
}
