//! The status of JWTs, by Token Status Lists (draft-ietf-oauth-status-list).

#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests may fail loudly"
)]

mod fetching;

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

use crate::events::keys;
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
fn the_list_of_another_provider_says_nothing_of_this_ones_tokens() {
    // TSL-24: of two issuers that name the same list, each has signed its own.
    let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let mut config = config(&json!({}));
    let mut other = config["providers"]["main"].clone();
    other["issuer"] = json!("https://other.example.com");
    other["jwks"]["inline"]["keys"] = json!([ed25519]);
    config["providers"]["other"] = other;
    let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
    let driver = Driver::new(policy, Ports::new([1, 2], &Both), UnixTime::from_secs(START));
    let mut world = World { driver, now: START };
    let calls = [(); 2].map(|()| world.call().expect("each has its list fetched"));
    let list = status_list(LIST, 1, &[0], &json!({})).at(START);
    for (id, call) in calls {
        let OutgoingCall::Fetch(Document::Status(status), _) = call else { panic!("{call:?}") };
        let code = if status.provider.0 == 0 { "200" } else { "500" };
        world.respond(id, code, &[("content-type", MEDIA_TYPE)], &list);
    }
    let mut token = with_status(LIST, 1);
    assert_eq!(world.decide(&token), ALLOWED);
    token.alg = Some("EdDSA".to_owned());
    token.claims.insert("iss".to_owned(), json!("https://other.example.com"));
    assert_eq!(world.decide(&token), MISSING);
}

#[test]
fn introspection_does_not_replace_the_status_that_is_signed() {
    // TSL-25
    let introspection =
        json!({"uri": "https://as.example.com/i", "cluster": "as", "client_auth": {"method": "none"}});
    let elsewhere = json!({"status_list": {"idx": 1, "uri": LIST}});
    for said in
        [json!({}), json!({ "status": elsewhere }), json!({"status": null}), json!({"status": "active"})]
    {
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
fn a_response_gives_no_status_to_a_token_without_one() {
    // TSL-25: `status` of a response is whatever the server means by it
    let introspection =
        json!({"uri": "https://as.example.com/i", "cluster": "as", "client_auth": {"method": "none"}});
    for (required, want) in [(true, bad(StatusFault::Missing)), (false, ALLOWED)] {
        for said in [json!("active"), json!({"status_list": {"idx": 1, "uri": LIST}})] {
            let mut world = World::new(&json!({
                "validate": "jwt_then_introspection", "introspection": introspection, "status_list": {"required": required},
            }));
            world.deliver(&status_list(LIST, 1, &[1], &json!({})));
            let stream = world.begin(&Token::default());
            let (call, _) = world.call().unwrap();
            let response =
                json!({"active": true, "exp": START + 300, "scope": "orders:read", "status": said});
            world.driver.reply(call, &response.to_string());
            assert_eq!(world.driver.end(stream).unwrap().outcome.decision, want, "{said}");
        }
    }
}

#[test]
fn times_beyond_all_do_no_harm() {
    // TSL-09, TSL-10
    for (claims, want) in [
        (json!({"exp": 9e18, "ttl": 1e300}), ALLOWED),
        (json!({"exp": u64::MAX, "ttl": u64::MAX, "iat": 0}), ALLOWED),
        (json!({"exp": 1e300, "ttl": 0.001, "iat": -1e300}), ALLOWED),
        (json!({"exp": -1e300}), MISSING),
        (json!({"iat": 1e300}), MISSING),
    ] {
        let mut world = World::new(&json!({}));
        world.deliver(&status_list(LIST, 1, &[1], &claims));
        assert_eq!(world.decide(&with_status(LIST, 1)), want, "{claims}");
        // The next one counts as ever.
        world.deliver(&status_list(LIST, 1, &[2], &json!({})));
        assert_eq!(world.decide(&with_status(LIST, 1)), bad(StatusFault::Invalid), "{claims}");
    }
}

#[test]
fn the_name_of_a_host_may_be_a_part_of_the_schemes() {
    // TSL-13
    for host in ["s", "http", "https"] {
        let uri = format!("https://{host}/lists/1");
        let mut world = World::new(&json!({"status_list": {"uris": [uri]}}));
        let (_, call) = world.call().unwrap();
        let path = call.headers().iter().find(|(name, _)| name == ":path").map(|(_, value)| value.expose());
        assert_eq!(path, Some("/lists/1"), "{uri}");
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

/// The key of the issuer, by another name.
fn p256(kid: &str) -> Value {
    let mut key = keys()["keys"][0].clone();
    key["kid"] = json!(kid);
    key
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
