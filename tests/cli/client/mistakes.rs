//! What a first-time user gets wrong, and is told.

use serde_json::json;

use super::servers::but;
use super::{client, register, says};
use crate::support::Tollgate;

#[test]
fn what_contradicts_itself_is_not_sent() {
    #[rustfmt::skip]
    let cases: [(&str, &[&str], &[&str]); 25] = [
        ("DCR-08 keys twice", &["--jwks-file", "keys.json", "--jwks-uri", "https://a.example/jwks"], &["jwks and jwks_uri cannot be used together"]),
        ("DCR-10 code without its grant", &["--response-type", "code"], &["\"code\" needs the grant type authorization_code", "Add --grant-type"]),
        ("DCR-10 token without its grant", &["--response-type", "id_token token"], &["needs the grant type implicit"]),
        ("DCR-10 a grant without its response type", &["--grant-type", "implicit", "--response-type", "code"], &["needs the grant type authorization_code"]),
        ("a code needs somewhere to go", &["--grant-type", "authorization_code"], &["needs a redirect URI", "--redirect-uri"]),
        ("keys for private_key_jwt", &["--auth-method", "private_key_jwt"], &["needs the client's public keys", "--jwks-file"]),
        ("MTL-14 no subject", &["--auth-method", "tls_client_auth"], &["needs one name of the certificate's subject, and 0 are given", "tls_client_auth_san_dns"]),
        ("MTL-14 two subjects", &["--auth-method", "tls_client_auth", "--metadata", "subjects.json"], &["and 2 are given"]),
        ("MTL-15 no certificate", &["--auth-method", "self_signed_tls_client_auth"], &["needs the client's certificate", "x5c"]),
        ("MTL-15 keys without certificates", &["--auth-method", "self_signed_tls_client_auth", "--jwks-file", "keys.json"], &["needs the client's certificate"]),
        ("JIR-14 encryption by halves", &["--metadata", "enc.json"], &["introspection_encrypted_response_enc needs introspection_encrypted_response_alg", "--signed-introspection"]),
        ("a word for an algorithm", &["--metadata", "alg.json"], &["introspection_signed_response_alg is not a string"]),
        ("private keys stay here", &["--jwks-file", "private.json"], &["contains a private key"]),
        ("a key set without keys", &["--jwks-file", "empty.json"], &["has no keys"]),
        ("nobody without a secret", &["--auth-method", "none"], &["RFC 6749 §4.4", "--auth-method"]),
        ("DCR-17 no secret of one's own", &["--metadata", "secret.json"], &["client_secret is set by the server", "rotate-secret"]),
        ("metadata of a wrong type", &["--metadata", "types.json"], &["grant_types is not a list of strings"]),
        ("metadata that is a list", &["--metadata", "list.json"], &["list.json is not a JSON object"]),
        ("metadata that is no JSON", &["--metadata", "bad.json"], &["bad.json is not JSON"]),
        ("a file that is not there", &["--metadata", "nowhere.json"], &["cannot read nowhere.json: no such file or directory"]),
        ("a token with its scheme", &["--initial-access-token", "Bearer abc"], &["begins with a scheme", "--authorization"]),
        ("an empty token", &["--initial-access-token-file", "empty"], &["the credential of empty is empty"]),
        ("two tokens", &["--initial-access-token", "abc", "--authorization", "SSWS abc"], &["cannot be used with"]),
        ("a token of two lines", &["--initial-access-token-file", "lines"], &["a line break or another character"]),
        ("an auth method that nobody knows", &["--auth-method", "secret_basic"], &["invalid value 'secret_basic'", "client_secret_basic"]),
    ];
    for (name, args, sentences) in cases {
        let (server, tollgate) = (but(json!({})), Tollgate::new());
        tollgate
            .write("keys.json", json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "x"}]}).to_string());
        tollgate.write("private.json", json!({"keys": [{"kty": "OKP", "x": "x", "d": "hush"}]}).to_string());
        tollgate.write("empty.json", json!({"keys": []}).to_string());
        tollgate.write("secret.json", json!({"client_secret": "hush"}).to_string());
        tollgate.write("types.json", json!({"grant_types": "client_credentials"}).to_string());
        tollgate.write("list.json", "[]");
        tollgate.write("bad.json", "{");
        let subjects = json!({"tls_client_auth_san_dns": "a.example", "tls_client_auth_subject_dn": "CN=a"});
        tollgate.write("subjects.json", subjects.to_string());
        tollgate.write("enc.json", json!({"introspection_encrypted_response_enc": "A256GCM"}).to_string());
        tollgate.write("alg.json", json!({"introspection_signed_response_alg": 256}).to_string());
        tollgate.write("empty", "\n");
        tollgate.write("lines", "a\nb");
        let run = register(&tollgate, &server, args);
        says(name, &run, 2, sentences);
        assert!(server.received().is_empty(), "{name}");
        assert!(!run.stderr.contains("hush"), "{name}: {run:?}");
    }
}

#[test]
fn what_a_first_time_user_may_mistype() {
    let dead = "http://127.0.0.1:1";
    #[rustfmt::skip]
    let cases: [(&str, &[&str], &[&str]); 15] = [
        ("no server", &[], &["no authorization server is given to register", "--issuer https://"]),
        ("plain http", &["--registration-endpoint", "http://127.0.0.1:1/reg"], &["is plain http", "--allow-http"]),
        ("plain http elsewhere", &["--registration-endpoint", "http://login.example.com/reg", "--allow-http"], &["anyone on the network path can read", "Use https"]),
        ("no URL", &["--registration-endpoint", "login.example.com"], &["is not a URL", "https://"]),
        ("no issuer", &["--issuer", "login"], &["is not a URL"]),
        ("nobody listens", &["--registration-endpoint", "http://127.0.0.1:1/reg", "--allow-http"], &["cannot connect to", "whether the server is running"]),
        ("nobody listens there", &["--issuer", dead, "--allow-http"], &["cannot connect to", "whether the server is running"]),
        ("a provider that is not remembered", &["--provider", "okta"], &["there is no provider \"okta\"", "It has no provider yet."]),
        ("a preset that nobody knows", &["--preset", "otka"], &["invalid value 'otka'", "okta"]),
        ("a preset alone", &["--preset", "okta"], &["a preset alone does not say where", "--issuer", "--base-url"]),
        ("a base without a preset", &["--base-url", "https://am.example.com"], &["--preset"]),
        ("a provider twice", &["--provider", "a", "--issuer", dead], &["cannot be used with"]),
        ("a generic preset has no paths", &["--preset", "generic", "--base-url", "https://am.example.com"], &["names no registration endpoint", "--registration-endpoint URL"]),
        ("an environment that is a path", &["--environment", "../etc"], &["an environment's name consists of letters"]),
        ("no certificate", &["--ca-file", "none.pem"], &["cannot read none.pem"]),
    ];
    for (name, args, sentences) in cases {
        let run = Tollgate::new().run(["client", "register", "gateway"].iter().chain(args));
        says(name, &run, 2, sentences);
    }
    says(
        "a name that is a path",
        &client(&Tollgate::new(), "register ../x"),
        2,
        &["is not a valid name for a client", "letters"],
    );
    says("no name", &client(&Tollgate::new(), "register"), 2, &["<NAME>", "Usage"]);
    says(
        "nothing",
        &Tollgate::new().run(["client"]),
        2,
        &["Usage: tollgate client [OPTIONS] <COMMAND>", "register", "serve"],
    );
}
