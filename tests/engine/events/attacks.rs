//! What somebody tries who is no authorization server, or only hears its events.

use serde_json::json;
use tollgate_cases::driver::lines;
use tollgate_cases::token::Token;
use tollgate_engine::decision::Verdict;

use super::{LOOK, NOW, Workers, config, security_event, status};

#[test]
fn whoever_is_not_the_provider_revokes_nothing() {
    // EVT-03, EVT-04, EVT-05, EVT-06
    let alice = json!({"sub": "alice", "sid": "s1"});
    #[rustfmt::skip]
    let cases = [
        ("another key",           json!({"key": "other-p256", "header": {"kid": "p256"}}),  "invalid_key"),
        ("a key of no name",      json!({"key": "other-p256", "header": {"kid": null}}),    "invalid_key"),
        ("a key that is unknown", json!({"header": {"kid": "another"}}),                    "invalid_key"),
        ("no signature",          json!({"alg": "none"}),                                   "invalid_key"),
        ("HMAC",                  json!({"alg": "HS256", "key": "p256"}),                   "invalid_key"),
        ("an algorithm that is not allowed", json!({"alg": "ES384"}),                       "invalid_key"),
        ("an access token",       json!({"header": {"typ": "at+jwt"}}),                     "invalid_request"),
        ("a JWT of any kind",     json!({"header": {"typ": "JWT"}}),                        "invalid_request"),
        ("a logout token",        json!({"header": {"typ": "logout+jwt"}}),                 "invalid_request"),
        ("no typ",                json!({"header": {"typ": null}}),                         "invalid_request"),
        ("another issuer",        json!({"iss": "https://as.example.com/"}),                "invalid_issuer"),
        ("another audience",      json!({"aud": "receivers"}),                              "invalid_audience"),
        ("no audience",           json!({"aud": []}),                                       "invalid_audience"),
        ("an audience of null",   json!({"aud": null}),                                     "invalid_audience"),
        ("of a number",           json!({"aud": [5]}),                                      "invalid_audience"),
        ("of the future",         json!({"iat": "$now+61"}),                                "invalid_request"),
        ("of no time",            json!({"iat": "now"}),                                    "invalid_request"),
        ("with an end",           json!({"exp": "$now+100"}),                               "invalid_request"),
        ("with a sub",            json!({"sub": "alice"}),                                  "invalid_request"),
        ("no name",               json!({"jti": ""}),                                       "invalid_request"),
        ("no events",             json!({"events": {}}),                                    "invalid_request"),
        ("events of no kind",     json!({"events": "x"}),                                   "invalid_request"),
    ];
    let mut workers = Workers::new(config(), 2);
    assert_eq!(workers.ask(0, "one", &alice).1, 1);
    for (name, event, want) in cases {
        workers.pass(10);
        let body = security_event(&event).at(workers.millis / 1000);
        let stream = workers.push(0, "application/secevent+jwt", &body);
        let answer = workers.all[0].end(stream).unwrap().answer.unwrap();
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.headers.contains(&("content-language", "en".to_owned())), "{name}");
        assert!(
            answer.body.starts_with(&format!(r#"{{"err":"{want}","description":""#)),
            "{name}: {}",
            answer.body
        );
        let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert!(told["description"].is_string(), "{name}");
        assert_eq!(workers.ask(0, "one", &alice).1, 0, "{name}");
    }
    workers.pass(LOOK);
    assert_eq!(workers.ask(1, "one", &alice).1, 0);
}

#[test]
fn logout_tokens_that_are_not_valid() {
    // EVT-04, EVT-05
    let logout = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    #[rustfmt::skip]
    let cases = [
        ("good",                   json!({}),                                           200),
        ("a typ of before",        json!({"header": {"typ": "JWT"}}),                   200),
        ("no typ",                 json!({"header": {"typ": null}}),                    200),
        ("a sub",                  json!({"sub": "alice", "sid": null}),                200),
        ("no exp",                 json!({"exp": null}),                                200),
        ("no exp, and old",        json!({"exp": null, "iat": "$now-301"}),             400),
        ("over",                   json!({"exp": "$now-60"}),                           400),
        ("an event",               json!({"header": {"typ": "secevent+jwt"}}),          400),
        ("an access token",        json!({"header": {"typ": "at+jwt"}}),                400),
        ("a nonce",                json!({"nonce": "n"}),                               400),
        ("nobody",                 json!({"sid": null}),                                400),
        ("no event",               json!({"events": {"x": {}}}),                        400),
        ("an event that is none",  json!({"events": {"http://schemas.openid.net/event/backchannel-logout": true}}), 400),
        ("another key",            json!({"key": "other-p256", "header": {"kid": "p256"}}), 400),
        ("no audience",            json!({"aud": null}),                                400),
    ];
    for (name, more, want) in cases {
        let mut workers = Workers::new(config(), 1);
        let mut claims = json!({"aud": "receiver", "iat": "$now", "exp": "$now+120", "sid": "s1", "jti": "l1", "events": logout});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let token = super::signed("logout+jwt", claims).at(workers.millis / 1000);
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let stream = workers.push(0, form, &format!("other=1&logout_token={token}"));
        let answer = workers.all[0].end(stream).unwrap().answer.unwrap();
        assert_eq!(answer.status, want, "{name}");
        assert!(answer.headers.contains(&("cache-control", "no-store".to_owned())), "{name}");
        let begin = if want == 400 { r#"{"error":"invalid_request","error_description":""# } else { "" };
        assert!(answer.body.starts_with(begin) && answer.body.is_empty() == begin.is_empty(), "{name}");
        for body in [format!("logout_token={token}&logout_token={token}"), "a=b".to_owned(), String::new()] {
            let stream = workers.push(0, form, &body);
            assert_eq!(status(workers.all[0].end(stream).unwrap()), 400, "{name}: {body}");
        }
    }
}

#[test]
fn the_path_has_one_reading() {
    // EVT-07
    let mut config = config();
    config["requires"] = json!({});
    config["rules"] = json!([{"match": {"prefix": "/"}, "access": "anonymous"}]);
    let mut workers = Workers::new(config, 1);
    let event = security_event(&json!({})).at(workers.millis / 1000);
    #[rustfmt::skip]
    let cases = [
        ("POST", "/events",          202), ("POST", "/events?x=1",     202), ("POST", "/%65vents",      202),
        ("POST", "//events",         202), ("POST", "/a/../events",    202), ("POST", "/./events",      202),
        ("POST", "/events;x=1",      400), ("POST", "/events/",        0),   ("POST", "/Events",        0),
        ("POST", "/events/x",        0),   ("GET",  "/events",         405), ("PUT",  "/events",        405),
        ("OPTIONS", "/events",       405), ("POST", "/events%00",      400), ("POST", "/events%2f",     400),
        ("POST", "/x/..;/events",    400),
    ];
    for (method, path, want) in cases {
        let head = [(":method", method), (":path", path), ("content-type", "application/secevent+jwt")];
        let stream = workers.all[0].request(lines(&head), Some(event.as_bytes()));
        let end = workers.all[0].end(stream).unwrap();
        let verdict = end.outcome.decision.verdict();
        assert_eq!(status(end), want, "{method} {path}");
        if want == 0 {
            assert_eq!(verdict, Verdict::Anonymous, "{path}: a request like any other");
        }
    }
}

#[test]
fn bodies_that_are_long_slow_or_never_there() {
    // EVT-08
    let mut workers = Workers::new(config(), 1);
    let head = |more: &[(&'static str, &'static str)]| {
        let own = [(":method", "POST"), (":path", "/events"), ("content-type", "application/secevent+jwt")];
        lines(&own.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    };
    let stream = workers.all[0].begin(head(&[("content-length", "65537")]));
    assert_eq!(status(workers.all[0].end(stream).unwrap()), 413, "by its own account");
    let long = vec![b'a'; 65_537];
    let stream = workers.all[0].request(head(&[]), Some(&long));
    assert_eq!(status(workers.all[0].end(stream).unwrap()), 413, "as it comes");
    let stream = workers.all[0].request(head(&[]), None);
    assert_eq!(status(workers.all[0].end(stream).unwrap()), 400, "no body");
    let stream = workers.all[0].request(head(&[("content-encoding", "gzip")]), Some(b"x"));
    assert_eq!(status(workers.all[0].end(stream).unwrap()), 400, "encoded");
    let slow = workers.all[0].begin(head(&[]));
    workers.pass(790);
    assert!(workers.all[0].end(slow).is_none());
    workers.pass(20);
    assert_eq!(status(workers.all[0].end(slow).unwrap()), 503, "slow");
    // However many hold a place: a real event is complete at once.
    let many: Vec<_> = (0..1000).map(|_| workers.all[0].begin(head(&[]))).collect();
    assert_eq!(workers.event(0, &json!({})), 202);
    workers.pass(900);
    for _ in 0..40 {
        workers.all[0].tick();
    }
    for stream in many {
        assert_eq!(status(workers.all[0].end(stream).unwrap()), 503);
    }
    // One whose body comes when another configuration counts.
    let late = workers.all[0].begin(head(&[]));
    let policy = tollgate_config::policy_of(&config(), &|_| None).unwrap();
    let store = Box::new(workers.store.clone());
    workers.all[0].worker.replace(policy, super::Ports { store, ..super::Ports::new([0, 7], &super::Both) });
    let event = security_event(&json!({"jti": "late"})).at(workers.millis / 1000);
    workers.all[0].body(late, event.as_bytes());
    assert_eq!(status(workers.all[0].end(late).unwrap()), 503, "of an earlier configuration");
    // Clients that leave.
    let gone: Vec<_> = (0..300).map(|_| workers.all[0].begin(head(&[]))).collect();
    for stream in gone {
        workers.all[0].leave(stream);
    }
    workers.pass(1000);
    assert_eq!(workers.event(0, &json!({"jti": "e2"})), 202);
}

#[test]
fn invalid_signatures_cost_a_worker_little() {
    // EVT-09
    let mut workers = Workers::new(config(), 1);
    let forged =
        security_event(&json!({"key": "other-p256", "header": {"kid": "p256"}})).at(workers.millis / 1000);
    let mut ends = [0; 2];
    for _ in 0..1000 {
        let stream = workers.push(0, "application/secevent+jwt", &forged);
        match status(workers.all[0].end(stream).unwrap()) {
            400 => ends[0] += 1,
            503 => ends[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(ends[0] <= 500 && ends[1] >= 500, "{ends:?}");
    workers.pass(1000);
    assert_eq!(workers.event(0, &json!({})), 202, "a second later");
}

#[test]
fn who_does_not_authenticate_is_not_read() {
    // EVT-03
    let mut config = config();
    config["revocation"]["events"][0]["authorization_env"] = json!("TRANSMITTER");
    let mut workers = Workers::new(config, 1);
    let event = security_event(&json!({})).at(workers.millis / 1000);
    for (value, want) in [
        (Some("Bearer t"), 202),
        (Some("Bearer T"), 400),
        (Some("Bearer tt"), 400),
        (Some(""), 400),
        (None, 400),
    ] {
        let mut head =
            vec![(":method", "POST"), (":path", "/events"), ("content-type", "Application/SecEvent+JWT")];
        head.extend(value.map(|value| ("authorization", value)));
        let stream = workers.all[0].request(lines(&head), Some(event.as_bytes()));
        let answer = workers.all[0].end(stream).unwrap().answer.unwrap();
        assert_eq!(answer.status, want, "{value:?}");
        assert!(want == 202 || answer.body.contains("authentication_failed"), "{value:?}");
    }
}

#[test]
fn who_need_not_authenticate_keeps_nobody_out_who_does() {
    // EVT-09: logout tokens come without `Authorization`
    let mut config = config();
    config["revocation"]["events"][0]["authorization_env"] = json!("TRANSMITTER");
    let mut workers = Workers::new(config, 1);
    let at = workers.millis / 1000;
    let claims = json!({
        "key": "other-p256", "header": {"kid": "p256"}, "aud": "receiver", "iat": "$now", "sid": "s1", "jti": "l1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    let forged = format!("logout_token={}", super::signed("logout+jwt", claims).at(at));
    for _ in 0..400 {
        workers.push(0, "application/x-www-form-urlencoded", &forged);
    }
    let event = security_event(&json!({})).at(at);
    let head = [
        (":method", "POST"),
        (":path", "/events"),
        ("content-type", "application/secevent+jwt"),
        ("authorization", "Bearer t"),
    ];
    let stream = workers.all[0].request(lines(&head), Some(event.as_bytes()));
    assert_eq!(status(workers.all[0].end(stream).unwrap()), 202);
}

#[test]
fn a_session_that_ends_ends_for_an_address_that_has_no_session() {
    // EVT-12: of one address, a token with another session, and a token without one
    let mut workers = Workers::new(config(), 1);
    let all = [
        json!({"email": "dan@example.com", "sid": "s2"}),
        json!({"email": "dan@example.com"}),
        json!({"email": "eve@example.com"}),
    ];
    for (n, members) in all.iter().enumerate() {
        assert_eq!(workers.ask(0, &n.to_string(), members).1, 1);
    }
    workers.pass(10);
    let user = json!({"format": "email", "email": "dan@example.com"});
    assert_eq!(
        workers.event(0, &json!({"sub_id": {"session": {"format": "opaque", "id": "s1"}, "user": user}})),
        202
    );
    workers.pass(10);
    let asked: Vec<_> =
        all.iter().enumerate().map(|(n, members)| workers.ask(0, &n.to_string(), members).1).collect();
    assert_eq!(asked, [0, 1, 0]);
}

#[test]
fn a_subject_with_many_names_is_known_by_all_of_them_to_every_worker() {
    // EVT-11, EVT-12
    let mut workers = Workers::new(config(), 2);
    let address = |n: usize| json!({"format": "email", "email": format!("{n}@example.com")});
    let of = |n: usize| json!({"email": format!("{n}@example.com")});
    for n in 0..16 {
        assert_eq!(workers.ask(1, &n.to_string(), &of(n)).1, 1);
    }
    workers.pass(100);
    let subject = json!({"format": "aliases", "identifiers": (0..16).map(address).collect::<Vec<_>>()});
    let event = json!({ "sub_id": subject });
    assert_eq!((workers.event(0, &event), workers.event(0, &event)), (202, 202));
    let counts = &workers.all[0].counts;
    assert_eq!(
        (counts["tollgate.revocation.events.applied"], counts["tollgate.revocation.events.repeated"]),
        (1, 1)
    );
    workers.pass(LOOK);
    for n in 0..16 {
        assert_eq!(workers.ask(1, &n.to_string(), &of(n)).1, 1, "{n}");
    }
}

#[test]
fn an_event_finds_a_token_whose_jwt_alone_names_its_session() {
    // EVT-12: the introspection response need not say whose the token is, and the signature does
    let mut config = config();
    config["providers"]["main"]["validate"] = json!("jwt_then_introspection");
    config["providers"]["main"]["audiences"] = json!(["https://api.example.com"]);
    for event in [
        json!({"sub_id": {"format": "opaque", "id": "s1"}}),
        json!({"sub_id": {"format": "email", "email": "al@example.com"}}),
    ] {
        let mut workers = Workers::new(config.clone(), 1);
        let claims = json!({"sid": "s1", "email": "al@example.com", "exp": "$now+3000"});
        let jwt = Token { claims: claims.as_object().unwrap().clone(), ..Token::default() }
            .at(workers.millis / 1000);
        assert_eq!(workers.ask(0, &jwt, &json!({})), (Verdict::Allowed, 1));
        workers.pass(10);
        assert_eq!(workers.event(0, &event), 202);
        workers.pass(10);
        assert_eq!(workers.ask(0, &jwt, &json!({})).1, 1, "{event}: it is asked about again");
    }
}

#[test]
fn what_is_no_event_of_its_kind_is_nothing_else_either() {
    // EVT-04, EVT-05: JSON and JWT tricks, signed by the issuer or not
    let session = r#""aud":"receiver","sub_id":{"format":"opaque","id":"s1"},"events":{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}"#;
    let payload = |text: String| {
        let header = json!({"typ": "secevent+jwt"});
        Token { header: header.as_object().unwrap().clone(), payload: Some(text), ..Token::default() }
    };
    let issuer = r#""iss":"https://as.example.com""#;
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    #[rustfmt::skip]
    let cases = [
        ("two issuers",        payload(format!(r#"{{"iss":"https://evil.example",{issuer},"jti":"e","iat":"$now",{session}}}"#)), 400),
        ("two names, one escaped", payload(format!(r#"{{{issuer},"jti":"e","\u006ati":"f","iat":"$now",{session}}}"#)), 400),
        ("an issuer in a list", payload(format!(r#"{{"iss":["https://as.example.com"],"jti":"e","iat":"$now",{session}}}"#)), 400),
        ("a name that is a number", payload(format!(r#"{{{issuer},"jti":1,"iat":"$now",{session}}}"#)), 400),
        ("a time in text",     payload(format!(r#"{{{issuer},"jti":"e","iat":"1800000000",{session}}}"#)), 400),
        ("a time beyond all",  payload(format!(r#"{{{issuer},"jti":"e","iat":1e308,{session}}}"#)), 400),
        ("a time before all",  payload(format!(r#"{{{issuer},"jti":"e","iat":-1e308,{session}}}"#)), 400),
        ("of no time",         payload(format!(r#"{{{issuer},"jti":"e","iat":null,{session}}}"#)), 400),
        ("deep",               payload(format!(r#"{{{issuer},"jti":"e","iat":"$now","x":{deep},{session}}}"#)), 400),
        ("half a character",   payload(format!(r#"{{{issuer},"jti":"\ud800","iat":"$now",{session}}}"#)), 400),
        ("more behind it",     payload(format!(r#"{{{issuer},"jti":"e","iat":"$now",{session}}}{{}}"#)), 400),
        ("an exp of null",     payload(format!(r#"{{{issuer},"jti":"e","iat":"$now","exp":null,{session}}}"#)), 400),
        ("another key",        security_event(&json!({"header": {"jku": "https://evil.example/jwks", "jwk": {"kty": "EC"}}, "key": "other-p256"})), 400),
        ("an extension",       security_event(&json!({"header": {"crit": ["exp"], "exp": 1}})), 400),
        ("not encoded",        security_event(&json!({"header": {"b64": false}})), 400),
        ("a subject twice",    payload(format!(r#"{{{issuer},"jti":"e","iat":"$now",{session},"sub_id":{{"format":"opaque","id":"s2"}}}}"#)), 400),
        ("a session by another name", security_event(&json!({"sub_id": {"format": "opaque", "id": "S1"}})), 202),
        ("a session in a list", security_event(&json!({"sub_id": {"format": "opaque", "id": ["s1"]}})), 202),
        ("a session of no text", security_event(&json!({"sub_id": {"format": "complex", "session": {"id": {"id": "s1"}}}})), 202),
        ("the event in an event", security_event(&json!({"events": {"x": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"subject": {"id": "s1"}}}}})), 202),
        ("an event of no object", security_event(&json!({"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": []}})), 202),
        ("an event with more behind its name", security_event(&json!({"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked/": {}}})), 202),
        ("by http",            security_event(&json!({"events": {"http://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}})), 202),
    ];
    let mut workers = Workers::new(config(), 1);
    let alice = json!({"sub": "alice", "sid": "s1"});
    assert_eq!(workers.ask(0, "one", &alice).1, 1);
    workers.pass(10);
    for (name, event, want) in cases {
        let body = event.at(workers.millis / 1000);
        let stream = workers.push(0, "application/secevent+jwt", &body);
        workers.pass(1000);
        assert_eq!(workers.all[0].end(stream).map(status), Some(want), "{name}");
        assert_eq!(workers.ask(0, "one", &alice).1, 0, "{name}: it revokes nothing");
    }
}

/// Lines that were logged, by this thread.
mod logged {
    use std::cell::RefCell;

    thread_local! { pub(super) static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) }; }

    #[derive(Debug)]
    pub(super) struct Log;

    impl log::Log for Log {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            LINES.with_borrow_mut(|lines| lines.push(format!("{} {}", record.level(), record.args())));
        }
        fn flush(&self) {}
    }
}

#[test]
fn an_event_that_is_sent_again_and_again_does_not_fill_the_log() {
    // EVT-13
    static LOG: logged::Log = logged::Log;
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    for (name, event) in [
        ("old", security_event(&json!({"iat": NOW - 100_000})).at(NOW)),
        (
            "verification",
            security_event(
                &json!({"events": {"https://schemas.openid.net/secevent/ssf/event-type/verification": {}}}),
            )
            .at(NOW),
        ),
        ("applied", security_event(&json!({})).at(NOW)),
    ] {
        let mut workers = Workers::new(config(), 1);
        logged::LINES.with_borrow_mut(Vec::clear);
        for _ in 0..10 {
            for _ in 0..100 {
                workers.push(0, "application/secevent+jwt", &event);
            }
            workers.pass(1000);
        }
        let lines =
            logged::LINES.with_borrow(|lines| lines.iter().filter(|line| line.contains("event of")).count());
        assert!((1..=11).contains(&lines), "{name}: {lines} lines of 1000 pushes in 10 s");
    }
}
