//! Which values lower security.

use super::GOOD;
use crate::support::Tollgate;

const JWT: &str = "\
providers:
  main:
    issuer: https://login.example.com
    audiences: [https://api.example.com]
    validate: jwt
    jwks: {uri: https://login.example.com/keys, cluster: login}
requires: {scopes: [orders:read]}
";

#[test]
fn only_the_values_that_lower_security_are_warned_of() {
    let with = |line: &str| format!("{GOOD}{line}\n");
    let of_main = |line: &str| JWT.replace("    validate", &format!("    {line}\n    validate"));
    let asked = |line: &str| GOOD.replace("      cluster", &format!("      {line}\n      cluster"));
    let demands = |word: &str| {
        format!(
            "{}dpop: {{}}\nmtls: {{}}\n",
            GOOD.replace("{scopes", &format!("{{sender_constraint: {word}, scopes"))
        )
    };
    #[rustfmt::skip]
    let cases = [
        (demands("ignore"),                              "requires.sender_constraint: lowers security with \"ignore\": Anyone who steals"),
        (demands("dpop"),                                ""),
        (demands("mtls"),                                ""),
        (demands("any_bound"),                           ""),
        (demands("if_bound"),                            ""),
        (of_main("typ: any"),                            "providers.main.typ: lowers security with \"any\""),
        (of_main("typ: at+jwt"),                         ""),
        (of_main("any_audience: false"),                 ""),
        (of_main("clock_skew: 60s"),                     ""),
        (of_main("clock_skew: 61s"),                     "providers.main.clock_skew: lowers security above \"60s\": An expired token"),
        (of_main("scope_array: ignore"),                 ""),
        (of_main("scope_array: accept"),                 "providers.main.scope_array: lowers security with \"accept\""),
        (JWT.replace("cluster: login}", "cluster: login, cache_duration: 2h}"), "providers.main.jwks.cache_duration: lowers security above \"1h\""),
        (asked("lenient_content_type: false"),           ""),
        (asked("lenient_content_type: true"),            "providers.main.introspection.lenient_content_type: lowers security:"),
        (asked("dialect: tokeninfo\n      token_in: form"), ""),
        (asked("dialect: tokeninfo\n      token_in: query"), "providers.main.introspection.token_in: lowers security with \"query\""),
        (with("mode: enforce"),                          ""),
        (with("cors_preflight: enforce"),                ""),
        (with("cors_preflight: pass"),                   "cors_preflight: lowers security with \"pass\""),
        (with("mtls: {source: connection}"),             ""),
        (with("token: {from_params: [], from_cookies: [], from_form: false, require_tls: false}"), ""),
        (with("token: {max_length: 16384}"),             ""),
        (with("token: {max_length: 20000}"),             "token.max_length: lowers security above \"16384\""),
        (with("cache: {ttl: 15m, stale_if_error: 0s}"),  ""),
        (with("cache: {stale_if_error: 1m}"),            "cache.stale_if_error: lowers security:"),
        (with("dpop: {replay_cache: 10000, max_age: 60s, clock_skew: 5s}"), ""),
        (with("dpop: {replay_cache: 64}"),               ""),
        (with("rules: [{match: {path: /health}, access: anonymous}]"), ""),
    ];
    for (content, want) in cases {
        let tollgate = Tollgate::new();
        tollgate.write("x.yaml", &content);
        let run = tollgate.run(["check", "x.yaml"]);
        let said = run.stdout.lines().filter(|line| line.contains("lowers security"));
        let said: Vec<_> = said.collect();
        match said.as_slice() {
            [] => assert!(want.is_empty(), "{content}: {run:?}"),
            [one] => assert!(!want.is_empty() && one.contains(want), "{content}: {one}"),
            _ => panic!("{content}: {said:?}"),
        }
    }
}
