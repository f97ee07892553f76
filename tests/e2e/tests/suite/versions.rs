//! What Envoy can do only since some version (`docs/envoy-versions.md`).

use serde_json::json;
use tollgate_cases::token::pem;
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy;
use tollgate_e2e::stage::Stage;
use tollgate_e2e::world::World;

#[test]
fn an_assertion_is_signed_or_refused_at_load() {
    // CAS-02
    let stage = |algorithm: &str, key: &str| {
        let auth = json!({"method": "private_key_jwt", "client_id": "gateway", "client_secret": null,
            "private_key": pem(key), "algorithm": algorithm, "audience": "https://as.example.com"});
        Stage::new().policy("it", json!({"providers": {"as": {"introspection": {"client_auth": auth}}}}))
    };
    let signs = |stage: Stage| {
        let world = World::start(stage);
        let response = Request::get("/").bearer("hush-token").send(world.port("it"));
        assert_eq!(response.status(), 401, "{response:?}");
        assert!(world.server.take()[0].text().contains("client_assertion="));
    };
    // The module's own.
    signs(stage("PS256", "rsa"));
    for (algorithm, key) in [("RS256", "rsa"), ("ES256", "p256")] {
        if envoy::version() >= (1, 37) {
            signs(stage(algorithm, key));
            continue;
        }
        let mut refused = stage(algorithm, key).cluster("as", 0).cluster("upstream", 0);
        refused.fixed = true;
        let log = refused.try_start().expect_err("Envoy cannot sign");
        let want = format!(
            "this host cannot sign with {algorithm}, because it has no function \"sign\"; use Envoy 1.37 or later, or another algorithm"
        );
        for part in [&*want, "configuration rejected: 1 error(s)"] {
            assert!(log.contains(part), "{part:?} is not in\n{log}");
        }
        assert!(!log.contains("PRIVATE KEY"), "{log}");
    }
}
