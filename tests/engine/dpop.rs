//! Proofs of possession (RFC 9449), by the engine alone, with a clock of its own.

#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests, too, may fail loudly"
)]

mod world;

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tollgate_cases::driver::Together;
use tollgate_cases::proof::{Client, ath};
use tollgate_engine::decision::fault::ProofFault;
use tollgate_engine::decision::{Decision, Grant, Rejection};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::jose::verifier::{Signed, Verifier};

use crate::dpop::world::{Tls, World, field, ports, private};

const NOW: u64 = 1_800_000_000;
const URI: &str = "https://h/r";
const TOKEN: &str = "good";

#[test]
fn a_bound_token_passes_with_its_proof_and_only_then() {
    #[rustfmt::skip]
    let cases = [
        // name, changes to the proof, verdict
        ("DPP-01 all is well",                   json!({}),                                        None),
        ("DPP-10 htu with a query",              json!({"claims": {"htu": "https://h/r?x=2"}}),    None),
        ("DPP-11 another spelling",              json!({"claims": {"htu": "HTTPS://H:443/a/../%72"}}), None),
        ("DPP-04 typ in other letters",          json!({"header": {"typ": "DPoP+JWT"}}),           None),
        ("DPP-16 more members in the key",       json!({"header": {"kid": "x"}}),                  None),
        ("DPP-13 as old as may be",              json!({"claims": {"iat": NOW - 65}}),             None),
        ("DPP-13 as new as may be",              json!({"claims": {"iat": NOW + 5}}),              None),
        ("DPP-04 a JWT",                         json!({"header": {"typ": "JWT"}}),                Some("invalid_dpop_proof")),
        ("DPP-04 an access token",               json!({"header": {"typ": "at+jwt"}}),             Some("invalid_dpop_proof")),
        ("DPP-04 no typ",                        json!({"header": {"typ": null}}),                 Some("invalid_dpop_proof")),
        ("DPP-05 ATK-95 none",                   json!({"header": {"alg": "none"}}),               Some("invalid_dpop_proof")),
        ("DPP-05 ATK-95 HMAC with the key",      json!({"header": {"alg": "HS256"}}),              Some("invalid_dpop_proof")),
        ("DPP-05 an algorithm of another key",   json!({"header": {"alg": "RS256"}}),              Some("invalid_dpop_proof")),
        ("DPP-05 one that is not allowed",       json!({"header": {"alg": "ES384"}}),              Some("invalid_dpop_proof")),
        ("DPP-06 no key",                        json!({"header": {"jwk": null, "kid": "x", "x5c": []}}), Some("invalid_dpop_proof")),
        ("DPP-06 ATK-95 a symmetric key",        json!({"header": {"jwk": {"kty": "oct", "k": "AAAA"}}}), Some("invalid_dpop_proof")),
        ("DPP-06 ATK-95 a private key",          json!({"header": {"jwk": private()}}),            Some("invalid_dpop_proof")),
        ("DPP-06 an extension",                  json!({"header": {"crit": ["b64"], "b64": false}}), Some("invalid_dpop_proof")),
        ("DPP-08 no jti",                        json!({"claims": {"jti": null}}),                 Some("invalid_dpop_proof")),
        ("DPP-08 no htm",                        json!({"claims": {"htm": null}}),                 Some("invalid_dpop_proof")),
        ("DPP-08 no htu",                        json!({"claims": {"htu": null}}),                 Some("invalid_dpop_proof")),
        ("DPP-08 no iat",                        json!({"claims": {"iat": null}}),                 Some("invalid_dpop_proof")),
        ("DPP-08 no ath",                        json!({"claims": {"ath": null}}),                 Some("invalid_dpop_proof")),
        ("DPP-28 a huge jti",                    json!({"claims": {"jti": "j".repeat(257)}}),      Some("invalid_dpop_proof")),
        ("DPP-28 a jti of 10 KiB",               json!({"claims": {"jti": "j".repeat(10_240)}}),   Some("invalid_dpop_proof")),
        ("an empty jti",                         json!({"claims": {"jti": ""}}),                   Some("invalid_dpop_proof")),
        ("a jti that is a number",               json!({"claims": {"jti": 7}}),                    Some("invalid_dpop_proof")),
        ("DPP-09 ATK-92 another method",         json!({"claims": {"htm": "POST"}}),               Some("invalid_dpop_proof")),
        ("DPP-09 the method in other letters",   json!({"claims": {"htm": "get"}}),                Some("invalid_dpop_proof")),
        ("DPP-10 ATK-92 another path",           json!({"claims": {"htu": "https://h/s"}}),        Some("invalid_dpop_proof")),
        ("ATK-92 another host",                  json!({"claims": {"htu": "https://i/r"}}),        Some("invalid_dpop_proof")),
        ("DPP-13 an hour old",                   json!({"claims": {"iat": NOW - 3600}}),           Some("invalid_dpop_proof")),
        ("DPP-13 in an hour",                    json!({"claims": {"iat": NOW + 3600}}),           Some("invalid_dpop_proof")),
        ("DPP-13 a second too old",              json!({"claims": {"iat": NOW - 66}}),             Some("invalid_dpop_proof")),
        ("DPP-13 iat as text",                   json!({"claims": {"iat": NOW.to_string()}}),      Some("invalid_dpop_proof")),
        ("DPP-13 iat beyond all time",           json!({"claims": {"iat": 1e300}}),                Some("invalid_dpop_proof")),
        ("DPP-13 iat before all time",           json!({"claims": {"iat": -1}}),                   Some("invalid_dpop_proof")),
        ("DPP-14 ATK-92 another token",          json!({"claims": {"ath": ath("other")}}),         Some("invalid_dpop_proof")),
        ("DPP-14 ath with padding",              json!({"claims": {"ath": format!("{}=", ath(TOKEN))}}), Some("invalid_dpop_proof")),
        ("DPP-15 ATK-92 another key",            json!({"header": {"jwk": Client::new("other").jwk()}}), Some("invalid_dpop_proof")),
    ];
    for (name, changes, want) in cases {
        let world = World::new(&json!({}));
        let proof = world.client.proof("GET", URI, TOKEN, NOW, &changes);
        let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &proof)]);
        assert_eq!(world.error(&outcome).as_deref(), want, "{name}: {:?}", outcome.decision);
    }
}

#[test]
fn the_field_is_there_once_and_is_a_signed_jwt() {
    // DPP-02, DPP-03, DPP-07, DPP-33, ATK-94
    let world = World::new(&json!({}));
    let proof = || world.proof(&json!({}));
    let flipped = {
        let proof = proof();
        let (input, signature) = proof.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        format!("{input}.{first}{}", &signature[1..])
    };
    let (twice, joined) = (proof(), format!("{},{}", proof(), proof()));
    #[rustfmt::skip]
    let cases: [(&str, Vec<(&str, String)>, Option<&str>); 10] = [
        ("DPP-33 other letters",       vec![("authorization", "dPoP good".into()), ("dpop", proof())], None),
        ("DPP-02 none",                vec![("authorization", "DPoP good".into())], Some("invalid_dpop_proof")),
        ("DPP-02 two lines",           vec![("authorization", "DPoP good".into()), ("dpop", twice.clone()), ("dpop", twice)], Some("invalid_dpop_proof")),
        ("DPP-02 joined by a comma",   vec![("authorization", "DPoP good".into()), ("dpop", joined)], Some("invalid_dpop_proof")),
        ("DPP-03 no JWT",              vec![("authorization", "DPoP good".into()), ("dpop", "x".into())], Some("invalid_dpop_proof")),
        ("DPP-03 an encrypted one",    vec![("authorization", "DPoP good".into()), ("dpop", "a.b.c.d.e".into())], Some("invalid_dpop_proof")),
        ("DPP-03 space in it",         vec![("authorization", "DPoP good".into()), ("dpop", proof().replace('.', ". "))], Some("invalid_dpop_proof")),
        ("DPP-07 a flipped byte",      vec![("authorization", "DPoP good".into()), ("dpop", flipped)], Some("invalid_dpop_proof")),
        ("nothing in it",              vec![("authorization", "DPoP good".into()), ("dpop", String::new())], Some("invalid_dpop_proof")),
        ("DPP-32 of a proxy",          vec![("proxy-authorization", "DPoP good".into()), ("dpop", proof())], Some("unauthorized")),
    ];
    for (name, fields, want) in cases {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let outcome = world.request(&fields);
        assert_eq!(world.error(&outcome).as_deref(), want, "{name}: {:?}", outcome.decision);
    }
}

#[test]
fn where_nothing_else_is_shared_proofs_are_checked_all_the_same() {
    // DPP-27
    let world = World::new(&json!({"cache": {"shared": false}}));
    let proof = world.proof(&json!({}));
    let request = |proof: &str| world.request(&[("authorization", "DPoP good"), ("dpop", proof)]);
    assert_eq!(world.error(&request(&proof)), None);
    for proof in [proof.as_str(), "x"] {
        assert_eq!(world.error(&request(proof)).as_deref(), Some("invalid_dpop_proof"), "{proof}");
    }
}

#[test]
fn where_the_target_is_unknown_no_proof_is_for_it() {
    // DPP-10
    let mut world = World::new(&json!({}));
    for (authority, want) in
        [("h", None), ("u@h", Some("invalid_dpop_proof")), ("", Some("invalid_dpop_proof"))]
    {
        world.authority = authority;
        for htu in
            [URI, "https://u@h/r", "https:///r", "x"].into_iter().take(if want.is_none() { 1 } else { 4 })
        {
            let proof = world.proof(&json!({"claims": {"htu": htu}}));
            let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &proof)]);
            assert_eq!(world.error(&outcome).as_deref(), want, "{authority} {htu}: {:?}", outcome.decision);
        }
    }
}

#[test]
fn a_token_and_a_proof_belong_together() {
    // DPP-15, DPP-17, DPP-18, DPP-30, DPP-34, ATK-91
    let jkt = |of: &str| Client::new(of).thumbprint();
    #[rustfmt::skip]
    let cases = [
        // name, sender_constraint, the reply's members, scheme, with a proof, error
        ("bound, with its proof",                   "if_bound", json!({"cnf": {"jkt": jkt("client")}}),                          "DPoP",   true,  None),
        ("DPP-30 the reply says Bearer",            "if_bound", json!({"cnf": {"jkt": jkt("client")}, "token_type": "Bearer"}),  "DPoP",   true,  None),
        ("DPP-30 and as Bearer it stays bound",     "if_bound", json!({"cnf": {"jkt": jkt("client")}, "token_type": "Bearer"}),  "Bearer", false, Some("invalid_token")),
        ("DPP-18 ATK-91 as Bearer",                 "if_bound", json!({"cnf": {"jkt": jkt("client")}}),                          "Bearer", false, Some("invalid_token")),
        ("DPP-18 ATK-91 as Bearer with a proof",    "if_bound", json!({"cnf": {"jkt": jkt("client")}}),                          "Bearer", true,  Some("invalid_token")),
        ("DPP-15 of another key",                   "if_bound", json!({"cnf": {"jkt": jkt("other")}}),                           "DPoP",   true,  Some("invalid_token")),
        ("DPP-17 not bound",                        "if_bound", json!({}),                                                       "DPoP",   true,  Some("invalid_token")),
        ("DPP-17 bound by token_type alone",        "if_bound", json!({"token_type": "DPoP"}),                                   "DPoP",   true,  Some("invalid_token")),
        ("bound to a certificate as well",          "if_bound", json!({"cnf": {"jkt": jkt("client"), "x5t#S256": "x"}}),         "DPoP",   true,  Some("invalid_token")),
        ("as Keycloak has it, with a hint",         "if_bound", json!({"cnf": {"jkt": jkt("client"), "kc-jkt-type": "dpop"}}),   "DPoP",   true,  None),
        ("a key in two forms",                      "if_bound", json!({"cnf": {"jkt": jkt("client"), "kid": "x"}}),              "DPoP",   true,  Some("invalid_token")),
        ("MTL-11 nothing that we know",             "if_bound", json!({"cnf": {"x": 1}}),                                        "DPoP",   true,  Some("invalid_token")),
        ("bound to something unknown",              "if_bound", json!({"cnf": "x"}),                                             "Bearer", false, Some("invalid_token")),
        ("not bound at all",                        "if_bound", json!({}),                                                       "Bearer", false, None),
        ("ignored",                                 "ignore",   json!({"cnf": {"jkt": jkt("client")}}),                          "Bearer", false, None),
        ("ignored, but a proof must be good",       "ignore",   json!({"cnf": {"jkt": jkt("client")}}),                          "DPoP",   false, Some("invalid_dpop_proof")),
        ("DPP-34 demanded and there",               "dpop",     json!({"cnf": {"jkt": jkt("client")}}),                          "DPoP",   true,  None),
        ("DPP-34 demanded, and a plain token",      "dpop",     json!({}),                                                       "Bearer", false, Some("unauthorized")),
        ("DPP-34 demanded, and a bound one",        "dpop",     json!({"cnf": {"jkt": jkt("client")}}),                          "Bearer", true,  Some("unauthorized")),
    ];
    for (name, constraint, members, scheme, with_proof, want) in cases {
        let mut world = World::new(&json!({"requires": {"sender_constraint": constraint}}));
        world.reply = json!({"active": true, "exp": NOW + 600});
        world.reply.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let (proof, authorization) = (world.proof(&json!({})), format!("{scheme} good"));
        let mut fields = vec![("authorization", authorization.as_str())];
        if with_proof {
            fields.push(("dpop", proof.as_str()));
        }
        let outcome = world.request(&fields);
        assert_eq!(world.error(&outcome).as_deref(), want, "{name}: {:?}", outcome.decision);
    }
}

#[test]
fn each_scheme_has_its_challenge_and_the_error_is_with_the_one_that_was_used() {
    // DPP-19, DPP-20, DPP-21, DPP-22, HTT-06
    let algs = r#"algs="ES256 EdDSA""#;
    let world = World::new(&json!({}));
    let only = World::new(&json!({"requires": {"sender_constraint": "dpop"}}));
    let bare = [r#"Bearer realm="tollgate""#.to_owned(), format!(r#"DPoP realm="tollgate", {algs}"#)];
    #[rustfmt::skip]
    let cases: [(&str, &World, &[(&str, &str)], u16, [Option<&str>; 2]); 6] = [
        ("DPP-21 no token",            &world, &[],                                   401, [Some(""), Some("")]),
        ("DPP-22 a bad Bearer token",  &world, &[("authorization", "Bearer bad")],    401, [Some("invalid_token"), Some("")]),
        ("DPP-22 a bad proof",         &world, &[("authorization", "DPoP good"), ("dpop", "x")], 401, [Some(""), Some("invalid_dpop_proof")]),
        ("DPP-19 both schemes",        &world, &[("authorization", "Bearer good"), ("authorization", "DPoP good")], 400, [Some("invalid_request"), Some("invalid_request")]),
        ("DPP-34 nothing but DPoP",    &only,  &[],                                   401, [None, Some("")]),
        ("DPP-34 and not Bearer",      &only,  &[("authorization", "Bearer good")],   401, [None, Some("")]),
    ];
    for (name, world, fields, status, errors) in cases {
        let answer = world.answer(&world.request(fields));
        let challenges: Vec<&String> = answer
            .headers
            .iter()
            .filter(|(name, _)| *name == "www-authenticate")
            .map(|(_, value)| value)
            .collect();
        let want: Vec<(&String, &str)> =
            bare.iter().zip(errors).filter_map(|(bare, error)| Some((bare, error?))).collect();
        assert_eq!((answer.status, challenges.len()), (status, want.len()), "{name}: {challenges:?}");
        for (challenge, (bare, error)) in challenges.into_iter().zip(want) {
            if error.is_empty() {
                assert_eq!(challenge, bare, "{name}");
            } else {
                let scheme = bare.split(' ').next().unwrap();
                assert!(
                    challenge.starts_with(scheme) && challenge.contains(&format!("error=\"{error}\"")),
                    "{name}: {challenge}"
                );
                assert_eq!(challenge.contains(algs), scheme == "DPoP", "{name}: {challenge}");
            }
        }
    }
}

#[test]
fn a_step_up_is_told_in_the_scheme_that_was_used() {
    // STP-09
    let world = World::new(&json!({"requires": {"acr_values": ["gold"], "max_age": "5m"}}));
    let proof = world.proof(&json!({}));
    let answer = world.answer(&world.request(&[("authorization", "DPoP good"), ("dpop", &proof)]));
    let challenges: Vec<_> = answer.headers.iter().filter(|(name, _)| *name == "www-authenticate").collect();
    let [(_, bearer), (_, dpop)] = challenges.as_slice() else { panic!("{challenges:?}") };
    assert_eq!((answer.status, bearer.as_str()), (401, r#"Bearer realm="tollgate""#));
    for part in [r#"error="insufficient_user_authentication""#, r#"acr_values="gold""#, r#"max_age="300""#] {
        assert!(dpop.starts_with("DPoP ") && dpop.contains(part), "{part}: {dpop}");
    }
}

#[test]
fn a_proof_counts_once_and_only_if_it_is_good() {
    // DPP-27, DPP-29, DPP-36, ATK-93
    let mut world = World::new(&json!({}));
    let proof = world.proof(&json!({"claims": {"jti": "J"}}));
    let forged = Client::new("other").proof(
        "GET",
        URI,
        TOKEN,
        NOW,
        &json!({"claims": {"jti": "J"}, "header": {"jwk": world.client.jwk()}}),
    );
    let with = |proof: &str| {
        [("authorization".to_owned(), "DPoP good".to_owned()), ("dpop".to_owned(), proof.to_owned())]
    };
    let request = |world: &World, proof: &str| {
        let fields = with(proof);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        world.error(&world.request(&fields))
    };
    assert_eq!(request(&world, &forged).as_deref(), Some("invalid_dpop_proof"), "DPP-29 a forged one");
    assert_eq!(request(&world, &proof), None, "and then the good one");
    assert_eq!(request(&world, &proof).as_deref(), Some("invalid_dpop_proof"), "DPP-27 a second time");
    world.asked.set(0);
    let next = world.proof(&json!({}));
    assert_eq!(request(&world, &next), None, "another proof");
    let none = world.request(&[("authorization", "DPoP good")]);
    assert_eq!(world.error(&none).as_deref(), Some("invalid_dpop_proof"), "DPP-36 no proof");
    assert_eq!(world.asked.get(), 0, "DPP-36 the token is remembered, and nobody is asked");
    // A request that is refused for another reason leaves its proof unused.
    world.now += 600;
    world.reply["active"] = json!(false);
    world.reply["exp"] = json!(NOW + 1200);
    let refused = world.proof(&json!({}));
    assert_eq!(request(&world, &refused).as_deref(), Some("invalid_token"));
    world.reply["active"] = json!(true);
    world.now += 60;
    assert_eq!(request(&world, &refused), None);
}

#[test]
fn nonces_of_ours_are_demanded_given_and_renewed() {
    // DPP-23, DPP-24, DPP-25, DPP-26, ATK-98
    let mut world = World::new(&json!({"dpop": {"nonce": "required", "nonce_lifetime": "1m"}}));
    world.now = NOW / 60 * 60;
    let ask = |world: &World, nonce: &Value| {
        let proof = world.client.proof("GET", URI, TOKEN, world.now, &json!({"claims": {"nonce": nonce}}));
        let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &proof)]);
        let given = match &outcome.decision {
            Decision::Allow(_) => outcome.grant.dpop_nonce.clone(),
            Decision::Deny(_) | Decision::Describe(_) | Decision::Receive(_) => {
                field(&world.answer(&outcome), "dpop-nonce")
            }
        };
        (world.error(&outcome), given)
    };
    let (error, given) = ask(&world, &Value::Null);
    assert_eq!(error.as_deref(), Some("use_dpop_nonce"), "DPP-23 none");
    let nonce = json!(given.expect("a nonce to use"));
    assert_eq!(ask(&world, &nonce), (None, None), "DPP-23 the one that was given");
    #[rustfmt::skip]
    let others = [("DPP-25 a client's own", json!("eyJ7S_zG.eyJH0-Z.HX4w-7v")), ("ATK-98 a number", json!(7)), ("ATK-98 nothing", json!(""))];
    for (name, other) in others {
        assert_eq!(
            ask(&world, &other),
            (Some("use_dpop_nonce".to_owned()), nonce.as_str().map(str::to_owned)),
            "{name}"
        );
    }
    world.now += 60;
    let (error, next) = ask(&world, &nonce);
    assert!(error.is_none() && next.is_some(), "DPP-26 a new one before the old one ends");
    assert_ne!(next.as_deref(), nonce.as_str());
    world.now += 60;
    assert_eq!(ask(&world, &nonce).0.as_deref(), Some("use_dpop_nonce"), "ATK-98 an old one");
    // The signature comes first: nobody is given a nonce for nothing.
    let forged = Client::new("other").proof(
        "GET",
        URI,
        TOKEN,
        world.now,
        &json!({"header": {"jwk": world.client.jwk()}}),
    );
    let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &forged)]);
    assert_eq!(world.error(&outcome).as_deref(), Some("invalid_dpop_proof"));
}

#[test]
fn in_shadow_mode_neither_request_nor_response_change() {
    // DPP-26, DPP-35
    let changes = json!({"mode": "shadow", "token": {"forward": false}, "dpop": {"nonce": "required", "nonce_lifetime": "1m", "forward": false}});
    let mut world = World::new(&changes);
    world.now = NOW / 60 * 60;
    let ask = |world: &World, nonce: &Value| {
        let proof = world.client.proof("GET", URI, TOKEN, world.now, &json!({"claims": {"nonce": nonce}}));
        world.request(&[("authorization", "DPoP good"), ("dpop", &proof)])
    };
    let refused = ask(&world, &Value::Null);
    let Decision::Deny(Rejection::NonceWanted { nonce }) = &refused.decision else {
        panic!("{:?}", refused.decision)
    };
    assert_eq!(refused.grant, Grant::default());
    world.now += 60;
    let allowed = ask(&world, &json!(nonce));
    assert!(matches!(allowed.decision, Decision::Allow(_)), "{:?}", allowed.decision);
    assert_eq!(Grant { identity: None, ..allowed.grant }, Grant::default());
}

#[test]
fn what_the_upstream_sees_and_the_log() {
    // DPP-12, DPP-35
    #[rustfmt::skip]
    let cases = [
        ("DPP-35 as it is",               json!({}),                               false),
        ("DPP-35 not the proof",          json!({"dpop": {"forward": false}}),     true),
        ("DPP-35 neither",                json!({"token": {"forward": false}}),    true),
    ];
    for (name, changes, is_removed) in cases {
        let world = World::new(&changes);
        let proof = world.proof(&json!({}));
        let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &proof)]);
        assert_eq!(world.error(&outcome), None, "{name}");
        let Grant { remove, .. } = &outcome.grant;
        assert_eq!(remove.contains(&"dpop".to_owned()), is_removed, "{name}");
    }
    let world = World::new(&json!({"dpop": {"external_origin": "https://api.example.com"}}));
    let forwarded = ("x-forwarded-host", "evil.example");
    let of = |uri| world.client.proof("GET", uri, TOKEN, NOW, &json!({}));
    let (outer, inner, forged) = (of("https://api.example.com/r"), of(URI), of("https://evil.example/r"));
    for (proof, want) in
        [(outer, None), (inner, Some("invalid_dpop_proof")), (forged, Some("invalid_dpop_proof"))]
    {
        let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &proof), forwarded]);
        assert_eq!(world.error(&outcome).as_deref(), want, "DPP-12");
        if let Decision::Deny(rejection) = &outcome.decision {
            assert!(!rejection.to_string().contains(&proof[..20]), "DPP-35 {rejection}");
        }
    }
}

#[test]
fn the_scheme_is_the_connection_s() {
    // DPP-10: whatever `:scheme` says; here it is https
    for (is_tls, peer) in [(true, &Tls(true)), (false, &Tls(false))] {
        let world = World::with(&json!({}), Ports { peer, ..ports() });
        for (uri, passes) in [("https://h/r", is_tls), ("http://h/r", !is_tls), ("https://h:443/r", is_tls)] {
            let proof = world.client.proof("GET", uri, TOKEN, NOW, &json!({}));
            let forwarded = ("x-forwarded-proto", "https");
            let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &proof), forwarded]);
            assert_eq!(world.error(&outcome).is_none(), passes, "{uri}, TLS: {is_tls}");
        }
    }
}

#[test]
fn plugins_that_clients_call_by_one_origin_take_a_proof_once_together() {
    // DPP-27: as two listeners in one process
    let with = |owner: &[u8], origin: Option<&str>, store: &Together| {
        let dpop = origin.map_or(json!({}), |origin| json!({"external_origin": origin}));
        let store = Box::new(store.clone());
        World::with(&json!({"dpop": dpop}), Ports { owner: owner.to_vec(), store, ..ports() })
    };
    #[rustfmt::skip]
    let cases = [
        // what the other one has, and whether the proof has been used for it, too
        ("the same origin",              Some("https://h"),       "/r",   true),
        ("in another spelling",          Some("HTTPS://H:443/"),  "/r",   true),
        ("with a prefix",                Some("https://h/r"),     "/",    true),
        ("none, and the same authority", None,                    "/r",   false),
    ];
    for (name, origin, path, used) in cases {
        let store = Together::default();
        let (one, mut other) = (with(b"one", Some("https://h"), &store), with(b"other", origin, &store));
        other.path = path;
        let proof = one.proof(&json!({}));
        let fields = [("authorization", "DPoP good"), ("dpop", proof.as_str())];
        assert_eq!(one.error(&one.request(&fields)), None, "{name}");
        assert_eq!(other.error(&other.request(&fields)).is_some(), used, "{name}");
        let next = other.proof(&json!({}));
        let fields = [("authorization", "DPoP good"), ("dpop", next.as_str())];
        assert_eq!(other.error(&other.request(&fields)), None, "{name}, another proof");
    }
}

#[test]
fn an_origin_that_comes_or_goes_brings_back_no_proof() {
    // DPP-27: as over LDS
    for (before, after) in [
        (json!({}), json!({"external_origin": "https://h"})),
        (json!({"external_origin": "https://h"}), json!({})),
    ] {
        let store = Together::default();
        let [first, second] = [&before, &after].map(|dpop| {
            World::with(&json!({ "dpop": dpop }), Ports { store: Box::new(store.clone()), ..ports() })
        });
        let proof = first.proof(&json!({}));
        let fields = [("authorization", "DPoP good"), ("dpop", proof.as_str())];
        assert_eq!(first.error(&first.request(&fields)), None, "{before}");
        assert_eq!(second.error(&second.request(&fields)).as_deref(), Some("invalid_dpop_proof"), "{after}");
    }
}

#[test]
fn a_hop_may_take_off_a_prefix() {
    // DPP-12
    let world = World::new(&json!({"dpop": {"external_origin": "https://api.example.com/svc1/"}}));
    let of = |uri| world.client.proof("GET", uri, TOKEN, NOW, &json!({}));
    #[rustfmt::skip]
    let cases = [
        ("with the prefix",     "https://api.example.com/svc1/r",   None),
        ("in another spelling", "https://API.example.com:443/svc1/./r", None),
        ("without it",          "https://api.example.com/r",        Some("invalid_dpop_proof")),
        ("another one",         "https://api.example.com/svc2/r",   Some("invalid_dpop_proof")),
        ("as Envoy sees it",    URI,                                Some("invalid_dpop_proof")),
    ];
    for (name, uri, want) in cases {
        let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &of(uri))]);
        assert_eq!(world.error(&outcome).as_deref(), want, "{name}");
    }
}

#[test]
fn the_proof_that_the_standard_prints_is_good() {
    // TV-01, TV-02, TV-04: RFC 9449 §7.1
    const PROOF: &str = concat!(
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR",
        "nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtI",
        "joiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTN",
        "Fc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    );
    let mut world = World::new(&json!({"dpop": {"external_origin": "https://resource.example.org"}}));
    world.now = 1_562_262_618;
    world.path = "/protectedresource";
    world.reply = json!({"active": true, "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}});
    let token = "DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let outcome = world.request(&[("authorization", token), ("dpop", PROOF)]);
    assert_eq!(world.error(&outcome), None, "{:?}", outcome.decision);
}

/// Counts what it is asked.
#[derive(Debug)]
struct Counting(AtomicUsize);

impl Verifier for Counting {
    fn verify(&self, _: &Signed<'_>) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn verifies(&self, _: Algorithm) -> bool {
        true
    }
}

#[test]
fn whoever_proves_nothing_buys_no_signature() {
    // DPP-05, DPP-28
    static VERIFIER: Counting = Counting(AtomicUsize::new(0));
    let rsa = |bytes: usize, e: &str| {
        let n = URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        json!({"header": {"alg": "RS256", "jwk": {"kty": "RSA", "n": n, "e": e}}})
    };
    let all = json!(["ES256", "RS256"]);
    #[rustfmt::skip]
    let cases = [
        // name, dpop.algorithms, changes to the proof, fault, signatures
        ("RSA, which nobody allows by itself", Value::Null, rsa(256, "AQAB"),                     ProofFault::Algorithm,    0),
        ("RSA of 4096 bits",                   all.clone(), rsa(512, "AQAB"),                     ProofFault::Size,         0),
        ("RSA of 3080 bits",                   all.clone(), rsa(385, "AQAB"),                     ProofFault::Size,         0),
        ("a long exponent",                    all.clone(), rsa(256, "_____w"),                   ProofFault::Size,         0),
        ("a signature of another length",      all.clone(), rsa(384, "AQAB"),                     ProofFault::Signature,    0),
        ("too old",                            all.clone(), json!({"claims": {"iat": NOW - 100}}), ProofFault::Time,        0),
        ("for another token",                  all.clone(), json!({"claims": {"ath": "x"}}),      ProofFault::Token,        0),
        ("for another method",                 all.clone(), json!({"claims": {"htm": "PUT"}}),    ProofFault::Method,       0),
        ("for another URI",                    all.clone(), json!({"claims": {"htu": "https://i/"}}), ProofFault::Target,   0),
        ("no jti",                             all,         json!({"claims": {"jti": null}}),     ProofFault::Claim("jti"), 0),
    ];
    for (name, algorithms, changes, fault, signatures) in cases {
        let dpop = if algorithms.is_null() { json!({}) } else { json!({ "algorithms": algorithms }) };
        let world = World::with(&json!({ "dpop": dpop }), Ports { verifier: &VERIFIER, ..ports() });
        let proof = world.proof(&changes);
        let outcome = world.request(&[("authorization", "DPoP good"), ("dpop", &proof)]);
        assert_eq!(outcome.decision, Decision::Deny(Rejection::BadProof(fault)), "{name}");
        assert_eq!((VERIFIER.0.load(Ordering::Relaxed), world.asked.get()), (signatures, 0), "{name}");
    }
    // A token that is known to be none is not worth looking at a proof.
    let world = World::with(&json!({"cache": {"max_entries": 10}}), Ports { verifier: &VERIFIER, ..ports() });
    for attempt in 0..3 {
        let proof = world.client.proof("GET", URI, "bad", NOW, &json!({}));
        let outcome = world.request(&[("authorization", "DPoP bad"), ("dpop", &proof)]);
        assert_eq!(outcome.decision, Decision::Deny(Rejection::Inactive), "{attempt}");
        assert_eq!((VERIFIER.0.load(Ordering::Relaxed), world.asked.get()), (1, 1), "{attempt}");
    }
}
