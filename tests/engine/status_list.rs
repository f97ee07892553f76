//! The status of JWTs, by Token Status Lists (draft-ietf-oauth-status-list).

#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests may fail loudly"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tollgate_cases::driver::{Driver, lines};
use tollgate_cases::status_list::{MEDIA_TYPE, status_list, with_status, zlib};
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::fault::{JwtFault, StatusFault};
use tollgate_engine::decision::{Decision, NoAnswer, Rejection, Verdict};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::fetch::{Document, FetchFault};
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::worker::command::{CallId, OutgoingCall};

use crate::second::Both;

const START: u64 = 1_800_000_000;
const LIST: &str = "https://as.example.com/statuslists/1";

const ALLOWED: Decision = Decision::Allow(Verdict::Allowed);
const MISSING: Decision =
    Decision::Deny(Rejection::NoAnswer { cause: NoAnswer::NoStatusList, retry_after: None });

fn bad(fault: StatusFault) -> Decision {
    Decision::Deny(Rejection::BadJwt { fault: JwtFault::Status(fault) })
}

#[test]
fn the_vectors_of_the_draft() {
    // TSL-01, TSL-02: appendix "Test vectors for Status List encoding". Every list has 2^20 entries.
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../status-lists.json")).unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let bits = vector["bits"].as_u64().unwrap();
        let mut world = World::new(&json!({}));
        world.list(&json!({"status_list": {"bits": bits, "lst": vector["lst"]}}));
        let statuses = vector["status"].as_array().unwrap();
        let known =
            |index: u64| statuses.iter().find(|one| one[0] == index).map(|one| one[1].as_u64().unwrap());
        for one in statuses {
            let index = one[0].as_u64().unwrap();
            for index in [index.saturating_sub(1), index, index + 1] {
                let want = match known(index).unwrap_or_default() {
                    0 => ALLOWED,
                    1 => bad(StatusFault::Invalid),
                    2 => bad(StatusFault::Suspended),
                    _ => bad(StatusFault::Other),
                };
                assert_eq!(world.decide(&with_status(LIST, index)), want, "{bits} bits: {index}");
            }
        }
        assert_eq!(world.decide(&with_status(LIST, (1 << 20) - 1)), ALLOWED);
        assert_eq!(world.decide(&with_status(LIST, 1 << 20)), bad(StatusFault::Index), "TSL-07");
    }
}

#[test]
fn an_entry_is_read_from_the_lowest_bit() {
    // TSL-02: section "Compressed Byte Array"
    #[rustfmt::skip]
    let cases: [(u8, &[u8], &[u8]); 2] = [
        (1, &[0xb9, 0xa3],       &[1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]),
        (2, &[0xc9, 0x44, 0xf9], &[1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]),
    ];
    for (bits, bytes, statuses) in cases {
        let mut world = World::new(&json!({}));
        world.deliver(&status_list(LIST, bits, bytes, &json!({})));
        for (index, status) in (0..).zip(statuses) {
            let want = match status {
                0 => ALLOWED,
                1 => bad(StatusFault::Invalid),
                2 => bad(StatusFault::Suspended),
                _ => bad(StatusFault::Other),
            };
            assert_eq!(world.decide(&with_status(LIST, index)), want, "{bits}: {index}");
        }
    }
}

#[test]
fn a_token_says_where_its_status_is() {
    // TSL-03, TSL-04, TSL-06, TSL-07
    let status =
        |status: Value| Token { claims: Map::from_iter([("status".to_owned(), status)]), ..Token::default() };
    let entry = |entry: Value| status(json!({ "status_list": entry }));
    let far = u64::MAX;
    #[rustfmt::skip]
    let cases = [
        ("valid",                 with_status(LIST, 1),                                          ALLOWED),
        ("revoked",               with_status(LIST, 0),                                          bad(StatusFault::Invalid)),
        ("none",                  Token::default(),                                              bad(StatusFault::Missing)),
        ("null",                  status(Value::Null),                                           bad(StatusFault::Malformed)),
        ("text",                  status(json!("valid")),                                        bad(StatusFault::Malformed)),
        ("empty",                 status(json!({})),                                             bad(StatusFault::Mechanism)),
        ("another mechanism",     status(json!({"identifier_list": {"id": "x", "uri": LIST}})),  bad(StatusFault::Mechanism)),
        ("both",                  status(json!({"identifier_list": {}, "status_list": {"idx": 1, "uri": LIST}})), ALLOWED),
        ("no entry",              entry(json!({"uri": LIST})),                                   bad(StatusFault::Malformed)),
        ("no list",               entry(json!({"idx": 1})),                                      bad(StatusFault::Malformed)),
        ("an entry below zero",   entry(json!({"idx": -1, "uri": LIST})),                        bad(StatusFault::Malformed)),
        ("a half entry",          entry(json!({"idx": 0.5, "uri": LIST})),                       bad(StatusFault::Malformed)),
        ("an entry in text",      entry(json!({"idx": "1", "uri": LIST})),                       bad(StatusFault::Malformed)),
        ("a list in a list",      entry(json!({"idx": 1, "uri": [LIST]})),                       bad(StatusFault::Malformed)),
        ("an array",              entry(json!([1, LIST])),                                       bad(StatusFault::Malformed)),
        ("more members",          entry(json!({"idx": 1, "uri": LIST, "x": 1})),                 ALLOWED),
        ("the last entry",        with_status(LIST, 15),                                         bad(StatusFault::Invalid)),
        ("beyond the end",        with_status(LIST, 16),                                         bad(StatusFault::Index)),
        ("far beyond the end",    with_status(LIST, far),                                        bad(StatusFault::Index)),
        ("beyond by wrap-around", with_status(LIST, far / 8 + 2),                                bad(StatusFault::Index)),
        ("of another list",       with_status("https://as.example.com/statuslists/2", 1),        bad(StatusFault::Elsewhere)),
        ("elsewhere",             with_status("https://evil.example/statuslists/1", 1),          bad(StatusFault::Elsewhere)),
        ("in another spelling",   with_status("https://AS.example.com/statuslists/1", 1),        bad(StatusFault::Elsewhere)),
        ("with more behind it",   with_status("https://as.example.com/statuslists/1/", 1),       bad(StatusFault::Elsewhere)),
    ];
    let mut world = World::new(&json!({}));
    world.deliver(&status_list(LIST, 1, &[0xb9, 0xa3], &json!({})));
    for (name, token, want) in &cases {
        for source in ["verified now", "cached"] {
            assert_eq!(world.decide(token), *want, "{name}: {source}");
        }
        assert!(world.driver.call().is_none(), "{name}: no token chooses where a call goes");
    }
    let mut world = World::new(&json!({"status_list": {"required": false}}));
    world.deliver(&status_list(LIST, 1, &[0xb9, 0xa3], &json!({})));
    for (name, token, want) in cases {
        let want = if name == "none" { ALLOWED } else { want };
        assert_eq!(world.decide(&token), want, "{name}, where it is not required");
    }
}

#[test]
fn a_list_that_is_not_valid_is_not_used() {
    // TSL-05, TSL-08, TSL-09, TSL-10, TSL-11, TSL-12
    let list = |changes: Value| status_list(LIST, 1, &[0xb9, 0xa3], &changes);
    let header = |name: &str, value: Value| {
        let mut token = list(json!({}));
        token.header.insert(name.to_owned(), value);
        token
    };
    let encoded = |bits: Value, lst: Value| list(json!({"status_list": {"bits": bits, "lst": lst}}));
    let data = |data: &[u8]| encoded(json!(1), json!(URL_SAFE_NO_PAD.encode(data)));
    let whole = zlib(&[0xb9, 0xa3]);
    let with = |at: usize, byte: u8| {
        let mut changed = whole.clone();
        changed[at] = byte;
        data(&changed)
    };
    let key = |key: &str| Token { key: Some(key.to_owned()), ..list(json!({})) };
    let now = START;
    #[rustfmt::skip]
    let cases = [
        ("another type",             header("typ", json!("at+jwt")),                 "its typ is not statuslist+jwt"),
        ("no type",                  header("typ", Value::Null),                     "its typ is not statuslist+jwt"),
        ("a critical extension",     header("crit", json!(["x"])),                   "the header requires an extension"),
        ("another subject",          list(json!({"sub": "https://as.example.com/statuslists/2"})), "its sub is not the list's uri"),
        ("no subject",               list(json!({"sub": null})),                     "its sub is not the list's uri"),
        ("no iat",                   list(json!({"iat": null})),                     "its iat is missing or not valid"),
        ("iat is text",              list(json!({"iat": "today"})),                  "its iat is missing or not valid"),
        ("of the future",            list(json!({"iat": "$now+61"})),                "it was issued in the future"),
        ("expired",                  list(json!({"exp": "$now-60"})),                "it has expired"),
        ("exp is text",              list(json!({"exp": "never"})),                  "its exp is not valid"),
        ("ttl is zero",              list(json!({"ttl": 0})),                        "its ttl is not a positive number"),
        ("ttl is negative",          list(json!({"ttl": -1})),                       "its ttl is not a positive number"),
        ("ttl is text",              list(json!({"ttl": "300"})),                    "its ttl is not a positive number"),
        ("no list",                  list(json!({"status_list": null})),             "bits is not 1, 2, 4 or 8"),
        ("three bits",               encoded(json!(3), json!("eNrbuRgAAhcBXQ")),         "bits is not 1, 2, 4 or 8"),
        ("16 bits",                  encoded(json!(16), json!("eNrbuRgAAhcBXQ")),        "bits is not 1, 2, 4 or 8"),
        ("no bits",                  encoded(json!(0), json!("eNrbuRgAAhcBXQ")),         "bits is not 1, 2, 4 or 8"),
        ("bits in text",             encoded(json!("1"), json!("eNrbuRgAAhcBXQ")),       "bits is not 1, 2, 4 or 8"),
        ("lst is an array",          encoded(json!(1), json!([1])),                      "lst is not text"),
        ("padding",                  encoded(json!(1), json!("eNrbuRgAAhcBXQ==")),       "lst is not base64url without padding"),
        ("another alphabet",         encoded(json!(1), json!("eNrbu+gAAhcBXQ")),         "lst is not base64url without padding"),
        ("empty",                    encoded(json!(1), json!("")),                       "lst is not valid zlib data"),
        ("a dictionary",             data(&[0x78, 0xbb, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1]), "lst is not valid zlib data"),
        ("another method",           with(0, 0x79),                                  "lst is not valid zlib data"),
        ("another check of the head", with(1, 2),                                    "lst is not valid zlib data"),
        ("a reserved block",         with(2, 7),                                     "lst is not valid zlib data"),
        ("another length",           with(3, 3),                                     "lst is not valid zlib data"),
        ("another checksum",         with(whole.len() - 1, 0),                       "lst is not valid zlib data"),
        ("another byte",             with(7, 0xb8),                                  "lst is not valid zlib data"),
        ("without its checksum",     data(&whole[..whole.len() - 4]),                "lst is not valid zlib data"),
        ("more behind it",           data(&[&whole[..], &[0]].concat()),             "lst is not valid zlib data"),
        ("twice",                    data(&[&whole[..], &whole[..]].concat()),       "lst is not valid zlib data"),
        ("gzip",                     data(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "lst is not valid zlib data"),
        ("deflate alone",            data(&whole[2..whole.len() - 4]),               "lst is not valid zlib data"),
        ("changed since",            Token { changed: Some(2), ..list(json!({})) },  "its signature is not valid"),
        ("claims changed since",     Token { changed: Some(1), ..list(json!({})) },  ""),
        ("of another key",           Token { header: Map::from_iter([("typ".to_owned(), json!("statuslist+jwt")), ("kid".to_owned(), json!("p256"))]), ..key("other-p256") }, "its signature is not valid"),
        ("of a key by another name", key("other-p256"),                              "it is not signed with any of the keys that are loaded"),
        ("of another algorithm",     Token { alg: Some("ES384".to_owned()), ..list(json!({})) }, "its algorithm is not among `algorithms`"),
        ("unsigned",                 Token { alg: Some("none".to_owned()), ..list(json!({})) }, "its algorithm is not allowed"),
        ("an access token",          with_status(LIST, 1),                           "its typ is not statuslist+jwt"),
        ("no object",                Token { payload: Some("[]".to_owned()), ..list(json!({})) }, "its claims are not a single JSON object"),
        ("a claim twice",            Token { payload: Some(format!(r#"{{"sub":"{LIST}","sub":"{LIST}"}}"#)), ..list(json!({})) }, "its claims are not a single JSON object"),
    ];
    let mut world = World::new(&json!({}));
    for (name, token, want) in &cases {
        world.deliver(token);
        let fault = world.fault().unwrap_or_else(|| panic!("{name}: it is used")).to_string();
        assert!(fault == *want || want.is_empty(), "{name}: {fault}");
        assert_eq!(world.decide(&with_status(LIST, 1)), MISSING, "{name}");
    }
    assert_eq!(world.driver.counts["tollgate.status_lists.failures"], u32::try_from(cases.len()).unwrap());
    world.deliver(&list(json!({})));
    assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED);
    // What is not valid replaces nothing.
    for (name, token, _) in &cases {
        world.deliver(token);
        assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED, "{name}");
        assert_eq!(world.decide(&with_status(LIST, 0)), bad(StatusFault::Invalid), "{name}");
        world.deliver(&list(json!({})));
    }
    assert!(now <= world.now);
}

#[test]
fn the_response_is_a_status_list_token_and_nothing_else() {
    // TSL-13
    let token = status_list(LIST, 1, &[0xb9, 0xa3], &json!({})).at(START);
    let long = format!("{token}{}", " ".repeat(2000));
    #[rustfmt::skip]
    let cases = [
        ("as it is",               "200", MEDIA_TYPE,                          &*token, None),
        ("with a parameter",       "200", "application/statuslist+jwt; x=y",   &token,  None),
        ("in capitals",            "200", "Application/StatusList+JWT",        &token,  None),
        ("another media type",     "200", "application/jwt",                   &token,  Some("not application/statuslist+jwt")),
        ("CBOR",                   "200", "application/statuslist+cwt",        &token,  Some("not application/statuslist+jwt")),
        ("another status",         "404", MEDIA_TYPE,                          &token,  Some("status 404")),
        ("a redirect",             "302", MEDIA_TYPE,                          &token,  Some("status 302")),
        ("no content",             "204", MEDIA_TYPE,                          "",      Some("status 204")),
        ("nothing",                "200", MEDIA_TYPE,                          "",      Some("not three parts")),
        ("the bare list",          "200", MEDIA_TYPE, r#"{"bits":1,"lst":"eNrbuRgAAhcBXQ"}"#, Some("not three parts")),
        ("too long",               "200", MEDIA_TYPE,                          &long,   Some("longer than max_response_bytes")),
    ];
    for (name, status, media_type, body, want) in cases {
        let mut world = World::new(&json!({"status_list": {"max_response_bytes": 1500}}));
        let (call, made) = world.call().unwrap();
        let field = |name: &str| {
            made.headers().iter().find(|(known, _)| known == name).map(|(_, value)| value.expose().to_owned())
        };
        let fields =
            [":method", ":scheme", ":authority", ":path", "accept", "accept-encoding", "if-none-match"];
        let found = fields.map(|name| field(name).unwrap_or_default());
        assert_eq!(
            found,
            ["GET", "https", "as.example.com", "/statuslists/1", MEDIA_TYPE, "identity", ""],
            "{name}"
        );
        assert_eq!(made.cluster(), "lists");
        assert_eq!(made.read_up_to(), 1501);
        world.respond(call, status, &[("content-type", media_type)], body);
        assert_eq!(world.fault().map(ToString::to_string).as_deref(), want, "{name}");
    }
    let mut world = World::new(&json!({}));
    let (call, _) = world.call().unwrap();
    world.respond(call, "200", &[("content-type", MEDIA_TYPE), ("content-encoding", "gzip")], &token);
    assert_eq!(world.fault(), Some(&FetchFault::Coded("gzip")));
}

#[test]
fn decompression_stops_at_the_bound() {
    // TSL-14: 64 KiB become 36 MiB, if nobody stops.
    let bomb = |bytes: usize| lst_of_zeros(bytes);
    for (bytes, is_used) in [(4096, true), (4097, false), (36 << 20, false)] {
        let mut world = World::new(&json!({"status_list": {"max_list_bytes": 4096}}));
        let list = json!({"status_list": {"bits": 1, "lst": bomb(bytes)}});
        assert!(list.to_string().len() < 65_536, "{bytes}");
        world.list(&list);
        let fault = world.fault().map(ToString::to_string);
        let want = (!is_used).then_some("longer than max_list_bytes, once decompressed");
        assert_eq!(fault.as_deref(), want, "{bytes}");
        assert_eq!(world.decide(&with_status(LIST, 4096 * 8 - 1)), if is_used { ALLOWED } else { MISSING });
    }
}

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
    world.deliver(&status_list(LIST, 1, &[0], &json!({"ttl": 60, "iat": "$now-3600"})));
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

/// What is counted of a list that arrives, and of one that does not.
pub(crate) fn counts() -> std::collections::BTreeMap<String, u32> {
    let mut world = World::new(&json!({}));
    world.deliver(&status_list(LIST, 1, &[0], &json!({"ttl": 60})));
    world.deliver(&status_list(LIST, 1, &[0], &json!({"exp": "$now-100"})));
    world.driver.counts
}

#[test]
fn another_party_may_sign_the_lists() {
    // TSL-24
    let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let mut world = World::new(&json!({"status_list": {"jwks": {"keys": [ed25519]}}}));
    let list = status_list(LIST, 1, &[1], &json!({}));
    world.deliver(&list);
    assert_eq!(world.fault(), Some(&FetchFault::UnknownKey), "the provider's own keys do not count then");
    world.deliver(&Token { alg: Some("EdDSA".to_owned()), ..list });
    assert_eq!(world.fault(), None);
    assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED);
}

#[test]
fn introspection_does_not_replace_the_status_that_is_signed() {
    // TSL-25
    let introspection =
        json!({"uri": "https://as.example.com/i", "cluster": "as", "client_auth": {"method": "none"}});
    let elsewhere = json!({"status_list": {"idx": 1, "uri": LIST}});
    for said in [json!({}), json!({ "status": elsewhere }), json!({"status": null})] {
        let mut world =
            World::new(&json!({"validate": "jwt_then_introspection", "introspection": introspection}));
        world.deliver(&status_list(LIST, 1, &[1], &json!({})));
        for (index, want) in [(0, bad(StatusFault::Invalid)), (1, ALLOWED)] {
            let stream = world.begin(&with_status(LIST, index));
            let (call, _) = world.call().unwrap();
            let mut response = json!({"active": true, "exp": START + 300, "scope": "orders:read"});
            crate::cache::merge(&mut response, &said);
            world.driver.reply(call, &response.to_string());
            assert_eq!(world.driver.end(stream).unwrap().outcome.decision, want, "{said}");
            assert_eq!(world.decide(&with_status(LIST, index)), want, "{said}: cached");
        }
    }
}

#[test]
fn another_configuration_trusts_no_list_of_before() {
    // TSL-26
    let mut world = World::new(&json!({}));
    world.deliver(&status_list(LIST, 1, &[1], &json!({"ttl": 60})));
    world.replace(&json!({}));
    let streams = [0, 1].map(|index| world.begin(&with_status(LIST, index)));
    let (call, _) = world.call().expect("it is fetched anew");
    let list = status_list(LIST, 1, &[1], &json!({})).at(world.now);
    world.respond(call, "200", &[("content-type", MEDIA_TYPE)], &list);
    let decisions = streams.map(|stream| world.driver.end(stream).unwrap().outcome.decision);
    assert_eq!(decisions, [bad(StatusFault::Invalid), ALLOWED]);
}

#[test]
fn where_no_list_is_configured_the_status_is_ignored() {
    let mut world = World::new(&json!({"status_list": null}));
    assert_eq!(world.decide(&with_status(LIST, 1)), ALLOWED);
    world.pass(600);
    assert!(world.driver.call().is_none());
}

/// `lst` of so many zeros: a block with codes of one bit, of which each pair stands for 258 of them.
fn lst_of_zeros(bytes: usize) -> String {
    let mut bits = Vec::new();
    let mut number = |value: u32, n: u32| bits.extend((0..n).map(|at| value >> at & 1));
    // The last block, with codes of its own: 286 literals and lengths, one distance, and 18 lengths of codes.
    for (value, n) in [(1, 1), (2, 2), (29, 5), (0, 5), (14, 4)] {
        number(value, n);
    }
    // Of these, 18 has one bit, 2 and 1 have two: 0, 11 and 10.
    for at in 0..18 {
        number(
            match at {
                2 => 1,
                15 | 17 => 2,
                _ => 0,
            },
            3,
        );
    }
    // A code of two bits for the literal 0, and for the end; of one bit for the length 258, and for the distance 1.
    for (value, n) in [(3, 2), (0, 1), (127, 7), (0, 1), (106, 7), (3, 2), (0, 1), (17, 7), (1, 2), (1, 2)] {
        number(value, n);
    }
    let (copies, literals) = ((bytes - 1) / 258, (bytes - 1) % 258);
    (0..=literals).for_each(|_| number(1, 2));
    (0..copies).for_each(|_| number(0, 2));
    number(3, 2);
    let mut data = vec![0x78, 0xda];
    data.extend(
        bits.chunks(8)
            .map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | u8::try_from(*bit).unwrap())),
    );
    let b = u32::try_from(bytes % 65_521).unwrap();
    data.extend((b << 16 | 1).to_be_bytes());
    URL_SAFE_NO_PAD.encode(data)
}

fn p256(kid: &str) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid,
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"})
}

/// A worker, and a server of lists.
struct World {
    driver: Driver,
    now: u64,
}

impl World {
    /// `more` is of the provider; `null` takes a key away.
    fn new(more: &Value) -> Self {
        let policy = tollgate_config::policy_of(&config(more), &|_| None).unwrap();
        let driver = Driver::new(policy, Ports::new([1, 2], &Both), UnixTime::from_secs(START));
        Self { driver, now: START }
    }

    fn replace(&mut self, more: &Value) {
        let policy = tollgate_config::policy_of(&config(more), &|_| None).unwrap();
        self.driver.worker.replace(policy, Ports::new([1, 2], &Both));
        self.driver.tick();
    }

    /// So many seconds pass.
    fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        self.driver.set_clock(UnixTime::from_secs(self.now));
        self.driver.tick();
    }

    /// The call that is under way, or comes now.
    fn call(&mut self) -> Option<(CallId, OutgoingCall)> {
        self.driver.call().or_else(|| {
            self.driver.tick();
            self.driver.call()
        })
    }

    /// The list is fetched, and has these claims.
    fn list(&mut self, claims: &Value) {
        self.deliver(&status_list(LIST, 1, &[], claims));
    }

    /// The list is fetched, and this is the response.
    fn deliver(&mut self, token: &Token) {
        let (call, _) = self.call().unwrap_or_else(|| {
            for _ in 0..400 {
                self.pass(1);
                if let Some(call) = self.driver.call() {
                    return call;
                }
            }
            panic!("the list is not fetched")
        });
        let token = token.at(self.now);
        self.respond(call, "200", &[("content-type", MEDIA_TYPE)], &token);
    }

    fn respond(&mut self, call: CallId, status: &str, fields: &[(&str, &str)], body: &str) {
        let head: Vec<_> = std::iter::once((":status", status)).chain(fields.iter().copied()).collect();
        let head = lines(&head);
        let outcome = CallOutcome::Response { head: RequestHead::new(&head), body: body.as_bytes() };
        self.driver.respond(call, outcome);
    }

    fn begin(&mut self, token: &Token) -> StreamId {
        self.driver.set_clock(UnixTime::from_secs(self.now));
        // The same one as long as it is good.
        let issued = if self.now < START + 300 { START } else { self.now };
        let authorization = format!("Bearer {}", token.at(issued));
        let head = [(":method", "GET"), (":path", "/orders"), ("authorization", &authorization)];
        self.driver.request(lines(&head), None)
    }

    /// What becomes of a request with this token, without a call.
    fn decide(&mut self, token: &Token) -> Decision {
        let stream = self.begin(token);
        // If it waits, it is for a list that is not there: the server is away.
        for _ in 0..9 {
            if let Some(end) = self.driver.end(stream) {
                return end.outcome.decision;
            }
            self.driver.tick();
            match self.driver.call() {
                Some((call, _)) => self.driver.respond(call, CallOutcome::Failed),
                None => self.pass(1),
            }
        }
        panic!("it waits for ever")
    }

    /// Why the latest fetch has failed.
    fn fault(&self) -> Option<&FetchFault> {
        let id = tollgate_engine::base::ids::StatusId {
            provider: tollgate_engine::base::ids::ProviderId(0),
            at: 0,
        };
        self.driver.worker.fetch_fault(Document::Status(id))
    }
}

fn config(more: &Value) -> Value {
    let mut provider = json!({
        "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
        "algorithms": ["ES256", "EdDSA"],
        "jwks": {"inline": {"keys": [p256("p256")]}},
        "status_list": {"uris": [LIST], "cluster": "lists"},
    });
    crate::cache::merge(&mut provider, more);
    strip(&mut provider);
    json!({"providers": {"main": provider}})
}

fn strip(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, value| !value.is_null());
        members.values_mut().for_each(strip);
    }
}
