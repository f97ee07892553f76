//! Client assertions, which Envoy signs for us where it can.

use serde_json::json;
use tollgate_cases::token::{is_signed, pem};
use tollgate_e2e::client::Request;
use tollgate_e2e::stage::Stage;
use tollgate_e2e::world::World;

#[test]
fn envoy_signs_what_it_can() {
    // CAS-02, CAS-05, CAS-12
    #[rustfmt::skip]
    let cases = [
        // listener, algorithm, the key as it is given, as PKCS#8, whether the module signs
        ("es256",       "ES256", "p256",      "p256", false),
        ("es256-sec1",  "ES256", "p256-sec1", "p256", false),
        ("rs256",       "RS256", "rsa",       "rsa",  true),
        ("rs256-pkcs1", "RS256", "rsa-pkcs1", "rsa",  true),
    ];
    let stage = cases.iter().fold(Stage::new(), |stage, (name, algorithm, key, ..)| {
        let auth = json!({"method": "private_key_jwt", "client_id": "gateway", "client_secret": null,
            "private_key": pem(key), "algorithm": algorithm, "audience": "https://as.example.com"});
        stage.policy(name, json!({"providers": {"as": {"introspection": {"client_auth": auth}}}}))
    });
    let world = World::start(stage);
    for (name, algorithm, _, key, is_deterministic) in cases {
        for n in 0..30 {
            let response = Request::get("/").bearer(&format!("hush-{name}-{n}")).send(world.port(name));
            assert_ne!(response.status(), 503, "{name} {n}: it is bounded, so the module signs");
        }
        let calls = world.server.take();
        assert_eq!(calls.len(), 30, "{name}");
        let body = String::from_utf8_lossy(&calls[0].body).into_owned();
        let assertion = body.split('&').find_map(|pair| pair.strip_prefix("client_assertion="));
        let assertion = assertion.expect("an assertion");
        assert_eq!(is_signed(assertion, algorithm, key), (true, is_deterministic), "{name}");
    }
    world.envoy.assert_clean_log(&["hush", "PRIVATE KEY"]);
}
