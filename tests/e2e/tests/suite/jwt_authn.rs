//! What Envoy's own `jwt_authn` says of the same JWTs, with the same keys, issuer and audience. Tollgate accepts none that
//! `jwt_authn` rejects, but for those that are named here; and what it rejects besides is named, too.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tollgate_cases::token::Token;
use tollgate_e2e::client::Request;
use tollgate_e2e::envoy::Envoy;
use tollgate_e2e::message::Message;
use tollgate_e2e::stage::{Plugin, Stage};
use tollgate_e2e::upstream::Upstream;

/// An Envoy that asks both.
struct Both {
    envoy: Envoy,
    now: u64,
    _upstream: Upstream,
}

/// Whether ours and theirs let a request through.
type Verdicts = (bool, bool);

/// Cases of the vectors that `jwt_authn` lets through.
const REJECTED_HERE: [&str; 15] = [
    "a bound token without its proof",
    "a token in a token",
    "an extension that must be understood",
    "an unencoded payload",
    "aud is ours and a slash",
    "exp is 0",
    "exp is missing",
    "iat is far ahead",
    "no extension that must be understood",
    "typ is client-authentication+jwt",
    "typ is dpop+jwt",
    "typ is id+jwt",
    "typ is logout+jwt",
    "typ is secevent+jwt",
    "typ is token-introspection+jwt",
];
/// Cases that it rejects. It does not know that name of the algorithm (RFC 9864).
const ACCEPTED_HERE: [&str; 1] = ["a good token signed with Ed25519"];

#[test]
fn jwt_authn_lets_the_odd_tokens_of_the_vectors_through_that_are_named_here() {
    // JWT-07, JWT-39, JWT-46
    let file = tollgate_cases::load_all().into_iter().find(|file| file.name == "jwt").expect("the vectors");
    let both = Both::start();
    let mut alike = [0; 2];
    let (mut rejected, mut accepted) = (Vec::new(), Vec::new());
    for case in file.cases.iter().filter(|case| case.config == file.config) {
        let Some(token) = &case.request.token else { continue };
        match both.ask(&token.at(both.now)) {
            (false, true) => rejected.push(case.name.as_str()),
            (true, false) => accepted.push(case.name.as_str()),
            (ours, _) => alike[usize::from(ours)] += 1,
        }
    }
    rejected.sort_unstable();
    assert_eq!((rejected.as_slice(), accepted.as_slice()), (&REJECTED_HERE[..], &ACCEPTED_HERE[..]));
    assert!(alike[0] > 40 && alike[1] > 15, "{alike:?}");
}

#[test]
fn jwt_authn_reads_odd_claims_and_headers_as_we_do_but_for_those_that_are_named_here() {
    // JWT-39, ATJ-03
    let both = Both::start();
    let claims = CLAIMS.map(|name| (name, false));
    let mut alike = [0; 2];
    for (name, is_header) in claims.into_iter().chain(HEADER.map(|name| (name, true))) {
        for value in values() {
            let member = Map::from_iter([(name.to_owned(), value.clone())]);
            let token = if is_header {
                Token { header: member, ..Token::default() }
            } else {
                Token { claims: member, ..Token::default() }
            };
            let verdicts = both.ask(&token.at(both.now));
            let differ =
                (is_accepted_here(name, is_header, &value), is_rejected_here(name, is_header, &value));
            assert_eq!(
                (verdicts == (true, false), verdicts == (false, true)),
                differ,
                "{name}: {value}: {verdicts:?}"
            );
            if verdicts.0 == verdicts.1 {
                alike[usize::from(verdicts.0)] += 1;
            }
        }
    }
    assert!(alike.iter().all(|number| *number > 150), "{alike:?}");
}

/// Whether it is accepted here, where `typ` is any, and not there.
fn is_accepted_here(name: &str, is_header: bool, value: &Value) -> bool {
    // A text that is nothing but a time becomes a number in a claim.
    let is_text = value.as_str().is_some_and(|text| !text.starts_with("$now"));
    match name {
        _ if is_header => false,
        // Later than any calendar's end, and before its beginning.
        "exp" => value.as_f64().is_some_and(|time| time > 1e18),
        "nbf" | "iat" => value.is_null() || *value == json!(-1),
        "sub" | "jti" => !is_text,
        _ => false,
    }
}

/// Whether it is rejected here, and not there.
fn is_rejected_here(name: &str, is_header: bool, value: &Value) -> bool {
    let is_text = value.is_string();
    match (name, is_header) {
        ("aud", false) => *value == json!("https://api.example.com/"),
        ("exp", false) => *value == json!(0),
        ("iat", false) => [json!("$now+100"), json!("$now+3000"), json!(4_000_000_000.5)].contains(value),
        ("crit", true) => !value.is_null(),
        ("b64", true) => !value.is_null() && *value != json!(true),
        ("cty", true) => !value.is_null() && (!is_text || *value == json!("JWT")),
        ("kid", true) => *value == json!(""),
        ("typ", true) => !value.is_null() && ![json!("JWT"), json!("at+jwt")].contains(value),
        _ => false,
    }
}

#[test]
fn a_changed_token_that_passes_here_passes_there() {
    // JWT-39
    let both = Both::start();
    let good = ALGORITHMS.map(|alg| Token { alg: Some(alg.to_owned()), ..Token::default() }.at(both.now));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut rejected_here = 0;
    for n in 0..1500 {
        let changed = random.change(&good[n % good.len()], &good);
        let (ours, theirs) = both.ask(&changed);
        // Only if the change has changed nothing: in a place, the letter that is there.
        assert_eq!(ours, good.contains(&changed), "{changed}");
        assert!(theirs || !ours, "{changed}");
        rejected_here += usize::from(theirs && !ours);
    }
    // What comes behind the signature is not looked at there, and neither are the last bits of its last letter.
    assert!(rejected_here > 0);
}

/// Algorithms that both know.
const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
const CLAIMS: [&str; 9] = ["iss", "aud", "exp", "nbf", "iat", "sub", "jti", "client_id", "scope"];
const HEADER: [&str; 9] = ["alg", "typ", "kid", "crit", "b64", "jwk", "x5c", "zip", "cty"];

/// What somebody may put into a token: letters of every sort, and what ends it for some readers.
const MARKS: &[u8] = b"AZaz09-_.=+/~%, \"";

/// Values that somebody may give a claim, or a member of the header.
fn values() -> Vec<Value> {
    let texts = [
        "x",
        "",
        "none",
        "ES256",
        "es256",
        "at+jwt",
        "JWT",
        "p256",
        "$now",
        "$now+100",
        "$now-30",
        "$now-3000",
        "$now+30",
        "$now+3000",
    ];
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend([
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(4_000_000_000.5),
        json!(1e300),
        json!(u64::MAX),
        json!("4000000000"),
        json!({}),
        json!([]),
        json!(["https://api.example.com"]),
        json!(["x", "https://api.example.com"]),
        json!([["https://api.example.com"]]),
        json!(["https://api.example.com", 1]),
        json!("https://api.example.com/"),
        json!("https://as.example.com/"),
        json!("HTTPS://AS.example.com"),
        json!(["https://as.example.com"]),
        json!(["exp"]),
    ]);
    values
}

impl Both {
    fn start() -> Self {
        let upstream = Upstream::start();
        let files = tollgate_cases::load_all();
        let config = files.iter().find(|file| file.name == "jwt").and_then(|file| file.config.clone());
        let mut ours = config.expect("a configuration");
        ours.as_object_mut().expect("an object").remove("requires");
        let provider = &mut ours["providers"]["main"];
        // What `jwt_authn` allows.
        provider["clock_skew"] = json!("60s");
        provider["typ"] = json!("any");
        let keys = provider["jwks"]["inline"].to_string();
        let mut anonymous = ours.clone();
        anonymous["rules"] = json!([{"match": {"prefix": "/"}, "access": "anonymous"}]);
        let jwt_authn = json!({
            "name": "jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"as": {
                    "issuer": "https://as.example.com", "audiences": ["https://api.example.com"],
                    "local_jwks": {"inline_string": keys}, "forward": true,
                }},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "as"}}],
            },
        });
        let stage = Stage::new().cluster("upstream", upstream.port());
        let stage = stage.listener("ours", Plugin::new(ours));
        let theirs = Plugin { earlier: vec![jwt_authn], ..Plugin::new(anonymous) };
        let envoy = stage.listener("theirs", theirs).start();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let both = Self { envoy, now, _upstream: upstream };
        for alg in ALGORITHMS {
            let token = Token { alg: Some(alg.to_owned()), ..Token::default() }.at(now);
            assert_eq!(both.ask(&token), (true, true), "{alg}");
        }
        both
    }

    fn ask(&self, token: &str) -> Verdicts {
        let passes = |message: Message| match message.status() {
            200 => true,
            400 | 401 | 403 | 404 | 431 => false,
            other => panic!("{other}: {token}"),
        };
        let ports = ["ours", "theirs"].map(|name| self.envoy.port(name));
        let [ours, theirs] = ports.map(|port| passes(Request::get("/orders").bearer(token).send(port)));
        (ours, theirs)
    }
}

/// Always the same numbers (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).expect("less than a length")
    }

    /// A token with one change that anybody can make who has it.
    fn change(&mut self, token: &str, all: &[String]) -> String {
        let other = &all[self.below(all.len())];
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let which = self.below(3);
        let at = self.below(parts[which].len() + 1);
        let mark = char::from(MARKS[self.below(MARKS.len())]).to_string();
        let end = (at + 1).min(parts[which].len());
        match self.below(8) {
            0 => parts[which].insert_str(at, &mark),
            1 | 2 => parts[which].replace_range(at..end, &mark),
            3 => parts[which].replace_range(at..end, ""),
            4 => parts[which].truncate(at),
            5 => parts[which] = other.split('.').nth(which).unwrap_or_default().into(),
            6 => {
                // The last letter, which has bits that some readers leave out.
                let last = parts[which].len() - 1;
                parts[which].replace_range(last.., &mark);
            }
            _ => parts.push(mark),
        }
        parts.join(".")
    }
}
