//! Configurations, good and bad, that come and go while Envoy runs.

use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use tollgate_e2e::authorization_server::Behaviour;
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::{self, module};
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::world::{World, policy};
use tollgate_e2e::{my_turn, scratch};

#[test]
fn a_struct_says_the_same_as_json() {
    // Numbers in a Struct are doubles
    let same = policy(json!({
        "providers": {"as": {"introspection": {"client_auth": {
            "client_secret": null, "client_secret_env": "AS_SECRET",
        }}}},
        "token": {"max_length": 40},
        "requires": {"scopes": ["read"]},
        "responses": {"realm": "caf\"e"},
    }));
    let stage = Stage::new()
        .listener("as-json", Plugin::new(same.clone()))
        .listener("as-struct", Plugin { as_struct: true, ..Plugin::new(same) });
    let env = vec![("AS_SECRET".to_owned(), "hush-from-env".to_owned())];
    let world = World::start(Stage { env, log_level: "trace", ..stage });
    world.server.on("hush-good", [Behaviour::active("read")]);
    world.server.on("hush-narrow", [Behaviour::active("")]);
    let long = "x".repeat(41);
    for listener in ["as-json", "as-struct"] {
        let port = world.port(listener);
        #[rustfmt::skip]
        let cases = [
            ("a good token",       Request::get("/any").bearer("hush-good"),   200, None),
            ("too long",           Request::get("/any").bearer(&long),         401, None),
            ("a scope is missing", Request::get("/any").bearer("hush-narrow"), 403, None),
            ("no token",           Request::get("/any"),                       401, Some("Bearer realm=\"caf\\\"e\"")),
        ];
        for (name, request, status, challenge) in cases {
            let response = request.send(port);
            assert_eq!(response.status(), status, "{listener}: {name}");
            if let Some(challenge) = challenge {
                assert_eq!(response.all("www-authenticate"), [challenge], "{listener}: {name}");
            }
        }
    }
    let calls = world.server.take();
    // The secret came from the VM's environment: "gateway:hush-from-env".
    let basic = "Basic Z2F0ZXdheTpodXNoLWZyb20tZW52";
    assert!(calls.iter().all(|call| call.all("authorization") == [basic]), "{calls:?}");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn two_configurations_in_one_vm_never_mix() {
    let _turn = my_turn();
    // ATK-115, PWX-14, INT-29: four workers, the same token, two authorization servers
    let stage = Stage { workers: 4, ..Stage::new() };
    let world = World::start(
        stage
            .policy("one", json!({}))
            .policy("other", json!({"providers": {"as": {"introspection": {"cluster": "as2"}}}})),
    );
    world.server.on("hush-token", [Behaviour::active("")]);
    world.second.on("hush-token", [Behaviour::json(r#"{"active":false}"#)]);
    let statuses = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..100 {
            for (listener, want) in [("one", 200), ("other", 401)] {
                let (port, statuses) = (world.port(listener), &statuses);
                scope.spawn(move || {
                    let got = Request::get("/any").bearer("hush-token").send(port).status();
                    statuses.lock().expect("no one panicked").push((listener, want, got));
                });
            }
        }
    });
    // ATK-112: every one of the parallel requests is answered, and rightly
    let statuses = statuses.into_inner().expect("no one panicked");
    let wrong: Vec<_> = statuses.iter().filter(|(_, want, got)| want != got).collect();
    assert!(wrong.is_empty() && statuses.len() == 200, "{wrong:?}");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_bad_configuration_is_refused_with_all_its_faults_and_the_old_one_keeps_serving() {
    // PWX-17, PWX-18
    let realm = |name: &str| json!({"responses": {"realm": name}});
    let stage = |changes: Value| Stage::new().policy("it", changes);
    let mut world = World::start(stage(realm("old")));
    let clusters = world.stage.clusters.clone();
    let challenge =
        |world: &World| Request::get("/any").send(world.envoy.port("it")).all("www-authenticate").concat();
    assert_eq!(challenge(&world), "Bearer realm=\"old\"");
    for (name, changes, faults) in bad_configurations() {
        let logged = world.envoy.log().len();
        world.stage = Stage { clusters: clusters.clone(), ..stage(changes) };
        world.envoy.update(&world.stage);
        for fault in faults {
            world.envoy.wait_for_log(logged, fault);
        }
        world.envoy.wait_for_log(logged, "configuration rejected");
        assert_eq!(challenge(&world), "Bearer realm=\"old\"", "{name}: the old one is gone");
        world.server.on("hush-good", [Behaviour::active("")]);
        let response = Request::get("/any").bearer("hush-good").send(world.envoy.port("it"));
        assert_eq!(response.status(), 200, "{name}");
    }
    // A good one takes over.
    world.envoy.update(&Stage { clusters, ..stage(realm("new")) });
    world.envoy.wait_until("the new one is in force", || challenge(&world) == "Bearer realm=\"new\"");
    world.envoy.assert_clean_log(&["hush"]);
}

#[test]
fn a_replaced_module_counts_when_its_listener_changes() {
    let file = scratch().join("tollgate_filter.wasm");
    let good = fs::read(module()).expect("the module");
    let replace = |bytes: &[u8]| {
        fs::write(file.with_extension("new"), bytes).expect("a file");
        fs::rename(file.with_extension("new"), &file).expect("a file");
    };
    replace(&good);
    let stage = |realm: &str| Stage {
        module: Some(file.clone()),
        ..Stage::new().policy("it", json!({"responses": {"realm": realm}}))
    };
    let world = World::start(stage("first"));
    let clusters = world.stage.clusters.clone();
    let realm =
        |world: &World| Request::get("/any").send(world.envoy.port("it")).all("www-authenticate").concat();
    let update = |realm: &str| {
        let logged = world.envoy.log().len();
        world.envoy.update(&Stage { clusters: clusters.clone(), ..stage(realm) });
        logged
    };
    // A file that is no module: the listener is refused, and the one before serves on.
    replace(b"not a module");
    let logged = update("second");
    world.envoy.wait_for_log(logged, "Unable to create Wasm");
    assert_eq!(realm(&world), "Bearer realm=\"first\"");
    assert!(world.envoy.stat("listener_manager.lds.update_rejected") >= 1);
    // Another build of ours, with a section of its own: it takes over.
    let section = [&[0, 5, 4][..], b"note"].concat();
    replace(&[good, section].concat());
    update("third");
    world.envoy.wait_until("the third one is in force", || realm(&world) == "Bearer realm=\"third\"");
    world.envoy.assert_clean_log(&[]);
}

#[test]
fn a_changed_variable_makes_a_new_vm_with_the_new_secret() {
    if envoy::version() < (1, 39) {
        return; // docs/envoy-versions.md
    }
    let client_auth = json!({"client_id": "gateway", "client_secret": null, "client_secret_env": "SECRET"});
    let changes = json!({"providers": {"as": {"introspection": {"client_auth": client_auth}}}});
    let stage = |secret: &str| Stage {
        env: vec![("SECRET".to_owned(), secret.to_owned())],
        ..Stage::new().policy("it", changes.clone())
    };
    let world = World::start(stage("first-secret"));
    let start = Instant::now();
    let credentials = || {
        world.server.take();
        let token = format!("token-{}", start.elapsed().as_nanos());
        let _ = Request::get("/any").bearer(&token).send(world.envoy.port("it"));
        world.server.take().first().map(|call| call.all("authorization").concat())
    };
    let before = credentials();
    assert!(before.is_some());
    world.envoy.update(&Stage { clusters: world.stage.clusters.clone(), ..stage("second-secret") });
    world.envoy.wait_until("other credentials are sent", || credentials() != before);
}

#[test]
fn envoy_does_not_start_with_a_bad_configuration() {
    // PWX-17
    for (name, changes, faults) in bad_configurations().into_iter().take(2) {
        let mut stage = Stage::new().policy("it", changes).cluster("as", 0).cluster("upstream", 0);
        stage.fixed = true;
        let log = stage.try_start().expect_err(name);
        for fault in faults.iter().chain(&["configuration rejected"]) {
            assert!(log.contains(fault), "{name}: {fault:?} is not in\n{log}");
        }
        assert!(!log.contains("hush"), "{name}: {log}");
    }
}

/// A sentence, the changes to a good configuration, and what the log must say.
fn bad_configurations() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    vec![
        (
            "three faults at once",
            json!({"requires": {"audience": ["x"]}, "token": {"max_length": "hush-long"}, "mode": "enforced"}),
            vec!["requires.audience", "audiences", "token.max_length", "mode", "3 error(s)"],
        ),
        (
            "a secret in the wrong place",
            json!({"providers": {"as": {"introspection": {"client_auth": {"client_secret": ["hush-secret"]}}}}}),
            vec!["providers.as.introspection.client_auth.client_secret"],
        ),
        (
            "an environment without the secret",
            json!({"providers": {"as": {"introspection": {"client_auth": {"client_secret": null, "client_secret_env": "NOT_THERE"}}}}}),
            vec!["client_auth"],
        ),
        ("no providers", json!({"providers": null}), vec!["providers"]),
        ("no object", json!("hush"), vec![]),
    ]
}
