//! When documents are fetched again: client lists, keys and status lists.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::arithmetic_side_effects, reason = "helpers of tests may fail loudly")]

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, lines};
use tollgate_cases::status_list::{MEDIA_TYPE, status_list};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::worker::command::CallId;

use crate::events::keys;
use crate::second::Both;

const START: u64 = 1_800_000_000;
const LIST: &str = "https://as.example.com/statuslists/1";

/// A worker with one document to fetch, once a minute.
fn driver(provider: &Value, lists: &Value) -> Driver {
    let mut provider = provider.clone();
    provider["issuer"] = json!("https://as.example.com");
    provider["audiences"] = json!(["https://api.example.com"]);
    provider["validate"] = json!("jwt");
    let config = json!({"providers": {"main": provider}, "client_lists": lists});
    let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
    Driver::new(policy, Ports::new([1, 2], &Both), UnixTime::from_secs(START))
}

/// How many tenths of a second it takes until it is fetched.
fn until_call(driver: &mut Driver) -> (u64, CallId) {
    for tenths in 0..1000 {
        if let Some((call, _)) = driver.call() {
            return (tenths, call);
        }
        driver.sleep(Duration::from_millis(100));
    }
    panic!("it is not fetched");
}

/// One, as it is at a moment given in seconds.
type Document<'a> = &'a dyn Fn(u64) -> String;

#[test]
fn a_document_that_is_not_there_is_fetched_every_second_and_an_old_one_serves() {
    let list = |_: u64| json!({"clients": [{"id": "app"}]}).to_string();
    let status = |now: u64| status_list(LIST, 1, &[0], &json!({"ttl": 60})).at(now);
    let inline = json!({"inline": keys()});
    let elsewhere = json!({"uri": "https://as.example.com/keys", "cluster": "c", "cache_duration": "1m"});
    let lists = json!({"l": {"uri": "https://lists.example.com/l", "cluster": "c", "refresh": "1m"}});
    let statuses = json!({"uris": [LIST], "cluster": "c", "refresh": "1m"});
    #[rustfmt::skip]
    let cases: [(&str, Value, Value, &str, Document<'_>, _); 3] = [
        ("a client list", json!({"jwks": inline.clone()}),                      lists,     "application/json", &list,                    535..=605),
        ("keys",          json!({"jwks": elsewhere}),                           json!({}), "application/json", &|_| keys().to_string(),  45..=55),
        ("a status list", json!({"jwks": inline, "status_list": statuses}),     json!({}), MEDIA_TYPE,         &status,                  45..=55),
    ];
    for (name, provider, lists, media_type, document, then) in cases {
        let mut driver = driver(&provider, &lists);
        for turn in 0..4 {
            // Something else has time pass for the worker.
            driver.tick();
            let (after, call) = until_call(&mut driver);
            let want = if turn == 0 { 0..=2 } else { 9..=12 };
            assert!(want.contains(&after), "{name} that is not there: after {after} tenths");
            if turn < 3 {
                driver.respond(call, CallOutcome::Failed);
                continue;
            }
            let body = document(driver.wall().as_secs());
            let head = lines(&[(":status", "200"), ("content-type", media_type)]);
            let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: body.as_bytes() };
            driver.respond(call, outcome);
        }
        let (after, call) = until_call(&mut driver);
        assert!((535..=605).contains(&after), "{name}: after {after} tenths");
        driver.respond(call, CallOutcome::Failed);
        let (after, _) = until_call(&mut driver);
        assert!(then.contains(&after), "{name} that is there: after {after} tenths");
    }
}
