//! When status lists are fetched, how long they serve, and what becomes of them with another list, key or age.

use std::time::Duration;

use serde_json::json;
use tollgate_cases::status_list::{MEDIA_TYPE, status_list, with_status};
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::decision::Verdict;
use tollgate_engine::decision::fault::StatusFault;
use tollgate_engine::provider::fetch::{Document, FetchFault};
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::worker::command::{CallId, OutgoingCall};

use super::{ALLOWED, LIST, MISSING, START, World, bad, p256};

#[test]
fn the_first_requests_wait_for_one_call() {
    // TSL-15
    let mut world = World::new(&json!({}));
    let waiting: Vec<StreamId> = (0..40).map(|index| world.begin(&with_status(LIST, index % 16))).collect();
    let (call, _) = world.call().unwrap();
    assert!(world.driver.call().is_none(), "one call for all of them");
    assert!(waiting.iter().all(|stream| world.driver.end(*stream).is_none()));
    let token = status_list(LIST, 1, &[0xb9, 0xa3], &json!({})).at(world.now);
    world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &token);
    let passed = |stream: &StreamId| world.driver.end(*stream).map(|end| end.outcome.decision == ALLOWED);
    let mut passed = passed;
    let first: Vec<_> = waiting.iter().take(16).map(|stream| passed(stream).unwrap()).collect();
    let want = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1].map(|status| status == 0);
    assert_eq!(first, want);
    world.driver.tick();
    assert!(waiting.iter().skip(16).all(|stream| world.driver.end(*stream).is_some()));
    // While the server is away, nobody waits any more.
    let mut world = World::new(&json!({}));
    let first = world.begin(&with_status(LIST, 1));
    let (call, _) = world.call().unwrap();
    world.driver.respond(call, CallOutcome::Failed);
    let (call, _) = world.call().expect("a connection may have ended: once more");
    world.driver.respond(call, CallOutcome::Failed);
    assert_eq!(world.driver.end(first).unwrap().outcome.decision, MISSING);
    assert_eq!(world.decide(&with_status(LIST, 1)), MISSING);
    assert!(world.driver.call().is_none(), "it is asked again later");
}

#[test]
fn a_token_that_is_not_valid_fetches_no_list() {
    // TSL-16
    let mut world = World::new(
        &json!({"status_list": {"uris": null, "uri_prefix": "https://as.example.com/statuslists/"}}),
    );
    let forged = Token { changed: Some(2), ..with_status(LIST, 1) };
    let expired = {
        let mut token = with_status(LIST, 1);
        token.claims.insert("exp".to_owned(), json!("$now-600"));
        token
    };
    for token in [forged, expired] {
        assert_eq!(world.decide(&token).verdict(), Verdict::InvalidToken);
        world.pass(60);
        assert!(world.driver.call().is_none());
    }
}

#[test]
fn a_revoked_token_is_rejected_as_soon_as_the_list_says_so() {
    // TSL-17: what else is known of it stays cached
    let mut world = World::new(&json!({}));
    world.deliver(&status_list(LIST, 1, &[0], &json!({"ttl": 60})));
    let token = with_status(LIST, 5);
    assert_eq!(world.decide(&token), ALLOWED);
    world.pass(53);
    assert!(world.driver.call().is_none(), "not before nine tenths of `ttl`");
    world.pass(7);
    let (call, made) = world.driver.call().expect("it is fetched before `ttl` ends");
    assert!(matches!(made, OutgoingCall::Fetch(Document::Status(_), _)));
    assert_eq!(world.decide(&token), ALLOWED, "the last list counts meanwhile");
    let list = status_list(LIST, 1, &[1 << 5], &json!({"ttl": 60})).at(world.now);
    world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &list);
    assert_eq!(world.decide(&token), bad(StatusFault::Invalid));
    assert_eq!(world.decide(&with_status(LIST, 4)), ALLOWED);
    world.pass(60);
    world.deliver(&status_list(LIST, 2, &[0, 2 << 2], &json!({"ttl": 60})));
    assert_eq!(world.decide(&token), bad(StatusFault::Suspended));
    world.pass(60);
    world.deliver(&status_list(LIST, 2, &[0, 0], &json!({"ttl": 60})));
    assert_eq!(world.decide(&token), ALLOWED, "a suspension ends");
    assert_eq!(world.driver.counts["tollgate.status_lists.calls"], 4);
    assert_eq!(world.driver.counts["tollgate.status_lists.changes"], 4);
}

#[test]
fn a_list_is_fetched_once_for_each_ttl() {
    // TSL-18
    #[rustfmt::skip]
    let cases = [
        ("ttl",               json!({"ttl": 60}),                          (54, 60)),
        ("exp before ttl",    json!({"ttl": 600, "exp": "$now+100"}),      (90, 100)),
        ("no ttl",            json!({"ttl": null}),                        (270, 300)),
        ("beyond refresh",    json!({"ttl": 1e300}),                       (270, 300)),
        ("neither",           json!({"ttl": null, "exp": null}),           (270, 300)),
        ("next to nothing",   json!({"ttl": 0.001}),                       (0, 2)),
        ("within clock_skew", json!({"exp": "$now-10"}),                   (4, 6)),
    ];
    for (name, claims, (from, to)) in cases {
        let mut world = World::new(&json!({}));
        let list = status_list(LIST, 1, &[0], &claims);
        world.deliver(&list);
        assert_eq!(world.decide(&with_status(LIST, 5)), ALLOWED, "{name}");
        let mut passed = 0;
        while world.driver.call().is_none() {
            world.pass(1);
            passed += 1;
            assert!(passed < 1000, "{name}");
            // Whatever is asked meanwhile.
            assert_eq!(world.decide(&with_status(LIST, passed % 8)), ALLOWED, "{name}");
        }
        assert!((from..=to).contains(&passed), "{name}: after {passed} s");
    }
}

#[test]
fn the_last_list_serves_for_a_while_and_never_beyond_its_end() {
    // TSL-19
    #[rustfmt::skip]
    let cases = [
        ("stale_if_error",     json!({}),                         json!({"ttl": 60}),                      60 + 300),
        ("longer",             json!({"stale_if_error": "1h"}),   json!({"ttl": 60, "exp": "$now+9000"}),  60 + 3600),
        ("not at all",         json!({"stale_if_error": "0s"}),   json!({"ttl": 60}),                      60),
        ("up to exp",          json!({"stale_if_error": "1h"}),   json!({"ttl": 60, "exp": "$now+100"}),   100 + 60),
        ("refresh is shorter", json!({"refresh": "30s"}),         json!({"ttl": 60}),                      30 + 300),
    ];
    for (name, config, claims, end) in cases {
        let mut world = World::new(&json!({ "status_list": config }));
        world.deliver(&status_list(LIST, 1, &[1], &claims));
        for passed in 0..end {
            assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED, "{name}: {passed} of {end}");
            assert_eq!(world.decide(&with_status(LIST, 0)), bad(StatusFault::Invalid), "{name}");
            world.pass(1);
            while let Some((call, _)) = world.driver.call() {
                world.driver.respond(call, CallOutcome::Failed);
            }
        }
        assert_eq!(world.decide(&with_status(LIST, 1)), MISSING, "{name}: fails closed");
        assert_eq!(world.decide(&with_status(LIST, 0)), MISSING, "{name}");
        world.deliver(&status_list(LIST, 1, &[1], &claims));
        assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED, "{name}: back again");
    }
}

#[test]
fn the_same_list_once_more_is_as_good_as_new() {
    // TSL-20
    let mut world = World::new(&json!({"status_list": {"stale_if_error": "0s"}}));
    let (call, _) = world.call().unwrap();
    let token = status_list(LIST, 1, &[1], &json!({"ttl": 60})).at(START);
    world.respond(call, "200", &[("content-type", MEDIA_TYPE), ("etag", "\"1\"")], &token);
    for _ in 0..20 {
        world.pass(60);
        let (call, made) = world.driver.call().unwrap();
        let etag = made.headers().iter().find(|(name, _)| name == "if-none-match").unwrap();
        assert_eq!(etag.1.expose(), "\"1\"");
        world.respond(call, "304", &[], "");
        assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED);
        assert_eq!(world.decide(&with_status(LIST, 0)), bad(StatusFault::Invalid));
    }
    // So is the very list that is there, also while that serves.
    let mut world = World::new(&json!({"status_list": {"stale_if_error": "5m"}}));
    for _ in 0..20 {
        let (call, _) = world.call().unwrap();
        world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &token);
        assert_eq!(world.fault(), None);
        assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED);
        assert_eq!(world.decide(&with_status(LIST, 0)), bad(StatusFault::Invalid));
        assert_eq!(world.driver.counts["tollgate.status_lists.changes"], 1);
        world.pass(60);
    }
    // 304 does not move its end.
    let mut world = World::new(&json!({}));
    let (call, _) = world.call().unwrap();
    let token = status_list(LIST, 1, &[1], &json!({"ttl": 60, "exp": "$now+90"})).at(START);
    world.respond(call, "200", &[("content-type", MEDIA_TYPE), ("etag", "\"1\"")], &token);
    for _ in 0..4 {
        world.pass(40);
        while let Some((call, _)) = world.driver.call() {
            world.respond(call, "304", &[], "");
        }
    }
    assert_eq!(world.decide(&with_status(LIST, 1)), MISSING);
}

#[test]
fn an_older_list_takes_no_revocation_back() {
    // TSL-21
    let mut world = World::new(&json!({}));
    world.deliver(&status_list(LIST, 1, &[1], &json!({"ttl": 60})));
    world.pass(60);
    world.deliver(&status_list(LIST, 1, &[0], &json!({"ttl": 60, "iat": "$now-3600"})));
    assert_eq!(world.fault().unwrap().to_string(), "it is older than the list that is loaded");
    assert_eq!(world.decide(&with_status(LIST, 0)), bad(StatusFault::Invalid));
    // Nobody who has none can tell.
    world.pass(7200);
    world.deliver(&status_list(LIST, 1, &[0], &json!({"ttl": 60, "iat": "$now-9000"})));
    assert_eq!(world.decide(&with_status(LIST, 0)), ALLOWED);
}

#[test]
fn lists_below_a_prefix_are_fetched_when_a_token_names_them() {
    // TSL-22
    let below = "https://as.example.com/statuslists/";
    let config = json!({"status_list": {"uris": null, "uri_prefix": below, "max_lists": 3}});
    let mut world = World::new(&config);
    world.pass(60);
    assert!(world.driver.call().is_none(), "nobody has named one");
    for rest in [
        "", "?", "1?x", "1#x", "../1", "a/../1", "./1", "a/./1", "a//1", "/1", "a/", "..", "%2e%2e/1",
        "a\\1", "a b", "a@b", "é", "a\r\nb",
    ] {
        let uri = format!("{below}{rest}");
        assert_eq!(world.decide(&with_status(&uri, 1)), bad(StatusFault::Elsewhere), "{rest:?}");
    }
    let long = format!("{below}{}", "a".repeat(129));
    assert_eq!(world.decide(&with_status(&long, 1)), bad(StatusFault::Elsewhere));
    assert!(world.driver.call().is_none());
    for (rest, path) in
        [("1", "/statuslists/1"), ("2026/a-b_c.d~e", "/statuslists/2026/a-b_c.d~e"), ("3", "/statuslists/3")]
    {
        let uri = format!("{below}{rest}");
        let stream = world.begin(&with_status(&uri, 1));
        let (call, made) = world.call().unwrap();
        let found = made.headers().iter().find(|(name, _)| name == ":path").unwrap();
        assert_eq!(found.1.expose(), path);
        let list = status_list(&uri, 1, &[1], &json!({})).at(world.now);
        world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &list);
        assert_eq!(world.driver.end(stream).unwrap().outcome.decision, ALLOWED, "{rest}");
        assert_eq!(world.decide(&with_status(&uri, 0)), bad(StatusFault::Invalid), "{rest}");
    }
    // There is no place for more of them.
    let fourth = format!("{below}4");
    assert_eq!(world.decide(&with_status(&fourth, 1)), MISSING);
    assert!(world.driver.call().is_none());
    // Those that nobody names any more make room; until then, each is fetched once more.
    let third = format!("{below}3");
    for passed in 0..700 {
        world.pass(1);
        while let Some((call, made)) = world.driver.call() {
            let path = made.headers().iter().find(|(name, _)| name == ":path").unwrap().1.expose().to_owned();
            let list =
                status_list(&format!("https://as.example.com{path}"), 1, &[1], &json!({})).at(world.now);
            world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &list);
        }
        assert_eq!(world.decide(&with_status(&third, 1)), ALLOWED, "after {passed} s");
    }
    let calls = world.driver.counts["tollgate.status_lists.calls"];
    assert!((7..=8).contains(&calls), "{calls} calls");
    let stream = world.begin(&with_status(&fourth, 1));
    let (call, _) = world.call().unwrap();
    let list = status_list(&fourth, 1, &[1], &json!({})).at(world.now);
    world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &list);
    assert_eq!(world.driver.end(stream).unwrap().outcome.decision, ALLOWED);
    assert_eq!(world.decide(&with_status(&third, 0)), bad(StatusFault::Invalid));
}

#[test]
fn a_request_that_waits_for_a_list_below_a_prefix_ends_also_if_its_server_fails() {
    // TSL-15: found by fuzzing. The call is repeated once, and the request still waits then.
    let mut world = World::new(
        &json!({"status_list": {"uris": null, "uri_prefix": "https://as.example.com/statuslists/"}}),
    );
    let stream = world.begin(&with_status(LIST, 1));
    for _ in 0..2 {
        let (call, _) = world.call().expect("the list is fetched");
        world.respond(call, "503", &[], "");
    }
    assert_eq!(world.driver.end(stream).expect("it waits for ever").outcome.decision, MISSING);
}

#[test]
fn lists_wait_for_keys_and_a_withdrawn_key_ends_them() {
    // TSL-23
    let mut world = World::new(
        &json!({"jwks": {"inline": null, "uri": "https://as.example.com/jwks", "cluster": "keys"}}),
    );
    let stream = world.begin(&with_status(LIST, 1));
    let (keys, made) = world.call().unwrap();
    assert_eq!(made.cluster(), "keys");
    world.driver.reply(keys, &json!({"keys": [p256("p256")]}).to_string());
    let (list, made) = world.call().expect("there are keys now");
    assert_eq!(made.cluster(), "lists");
    // The list is signed with a key that is newer.
    let token = |kid: &str, now: u64| {
        let mut token = status_list(LIST, 1, &[1], &json!({"ttl": 60}));
        token.header.insert("kid".to_owned(), json!(kid));
        token.at(now)
    };
    let new = token("new", world.now);
    world.respond(list, "200", &[("content-type", MEDIA_TYPE)], &new);
    assert_eq!(world.fault(), Some(&FetchFault::UnknownKey));
    assert_eq!(world.driver.end(stream).unwrap().outcome.decision, MISSING);
    world.pass(2);
    let mut paths = Vec::new();
    for _ in 0..4 {
        let Some((call, made)) = world.driver.call() else { break };
        paths.push(made.cluster().to_owned());
        if made.cluster() == "keys" {
            world.driver.reply(call, &json!({"keys": [p256("p256"), p256("new")]}).to_string());
            world.driver.tick();
        } else {
            let new = token("new", world.now);
            world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &new);
        }
    }
    assert!(paths.contains(&"keys".to_owned()), "the key is fetched early: {paths:?}");
    assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED);
    // The key that has signed it is withdrawn.
    for _ in 0..400 {
        world.pass(1);
        while let Some((call, made)) = world.driver.call() {
            if made.cluster() == "lists" {
                let new = token("new", world.now);
                world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &new);
                continue;
            }
            world.driver.reply(call, &json!({"keys": [p256("p256")]}).to_string());
            let stream = world.begin(&with_status(LIST, 1));
            assert!(world.driver.end(stream).is_none(), "nobody can tell");
            let (call, made) = world.call().expect("the list is fetched again at once");
            assert_eq!(made.cluster(), "lists");
            let old = token("p256", world.now);
            world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &old);
            assert_eq!(world.driver.end(stream).unwrap().outcome.decision, ALLOWED);
            return;
        }
    }
    panic!("the keys are not fetched");
}

#[test]
fn a_list_that_no_key_could_verify_is_fetched_again_as_soon_as_there_are_other_keys() {
    // TSL-23: whether there is an older one or not
    for is_there in [false, true] {
        let mut world = World::new(
            &json!({"jwks": {"inline": null, "uri": "https://as.example.com/jwks", "cluster": "keys"}}),
        );
        let list = |kid: &str, now: u64| {
            let mut token = status_list(LIST, 1, &[1], &json!({"ttl": 60}));
            token.header.insert("kid".to_owned(), json!(kid));
            token.at(now)
        };
        let (call, _) = world.call().unwrap();
        world.driver.reply(call, &json!({"keys": [p256("p256")]}).to_string());
        let fetched = |world: &mut World, kid: &str| {
            let (call, made) = world.driver.call().expect("the list is fetched");
            assert_eq!(made.cluster(), "lists");
            let list = list(kid, world.driver.wall().as_secs());
            world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &list);
        };
        world.driver.sleep(Duration::from_secs(1));
        if is_there {
            fetched(&mut world, "p256");
            world.driver.sleep(Duration::from_secs(60));
        }
        fetched(&mut world, "new");
        assert_eq!(world.fault(), Some(&FetchFault::UnknownKey));
        let keys = until_keys(&mut world, &list);
        world.driver.reply(keys, &json!({"keys": [p256("p256"), p256("new")]}).to_string());
        world.driver.sleep(Duration::ZERO);
        fetched(&mut world, "new");
        assert_eq!(world.fault(), None, "{is_there}");
        // The key is withdrawn: although nobody waits for the list, it is fetched again.
        let keys = until_keys(&mut world, &list);
        world.driver.reply(keys, &json!({"keys": [p256("p256")]}).to_string());
        world.driver.sleep(Duration::ZERO);
        fetched(&mut world, "p256");
        assert_eq!(world.fault(), None, "{is_there}");
    }
}

/// Time passes until the keys are fetched. The list is signed with a new one whenever it is fetched before.
fn until_keys(world: &mut World, list: &dyn Fn(&str, u64) -> String) -> CallId {
    let mut keys = None;
    for _ in 0..3200 {
        world.driver.sleep(Duration::from_millis(100));
        while let Some((call, made)) = world.driver.call() {
            if made.cluster() == "keys" {
                keys = Some(call);
            } else {
                let new = list("new", world.driver.wall().as_secs());
                world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &new);
            }
        }
        if let Some(keys) = keys {
            return keys;
        }
    }
    panic!("the keys are not fetched");
}

#[test]
fn how_fresh_lists_are() {
    let name = "tollgate.provider=.=main;.;status_lists.last_success_seconds";
    let second = "https://as.example.com/statuslists/2";
    let mut world = World::new(&json!({"status_list": {"uris": [LIST, second]}}));
    let told = |world: &World| world.driver.measured.get(name).copied();
    assert_eq!(told(&world), Some(0), "never yet");
    for (n, uri) in [(1, LIST), (2, second)] {
        let (call, _) = world.call().unwrap();
        let list = status_list(uri, 1, &[0], &json!({"ttl": 60 * n})).at(world.now);
        world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &list);
    }
    assert_eq!(told(&world), Some(START.cast_signed()));
    world.pass(60);
    world.deliver(&status_list(LIST, 1, &[0], &json!({"ttl": 60})));
    assert_eq!(told(&world), Some(START.cast_signed()), "of the oldest");
    world.pass(60);
    for _ in 0..2 {
        let (call, made) = world.driver.call().unwrap();
        let path = made.headers().iter().find(|(name, _)| name == ":path").unwrap().1.expose().to_owned();
        let list = status_list(&format!("https://as.example.com{path}"), 1, &[0], &json!({})).at(world.now);
        world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &list);
    }
    assert_eq!(told(&world), Some((START + 120).cast_signed()));
    // Of lists that nobody has named there is nothing to tell.
    let world = World::new(&json!({"status_list": {"uris": null, "uri_prefix": "https://as.example.com/"}}));
    assert_eq!(told(&world), None);
}
