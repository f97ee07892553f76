//! Status lists: as a server sends them, as an issuer may have signed them, and their data.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde_json::{Value, json};
use tollgate_cases::driver::lines;
use tollgate_cases::status_list::{MEDIA_TYPE, lst, status_list as list_token, with_status, zlib};
use tollgate_engine::base::inflate;
use tollgate_engine::decision::Decision;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;

use crate::exchange::NOW;
use crate::world::{driver, good_keys, of_jwts, request};

const URI: &str = "https://as.example.com/statuslists/1";
/// The longest list, in bytes.
const MAX: usize = 65_536;
/// The entries that are looked at.
const ENTRIES: [u64; 6] = [0, 1, 2, 7, 63, 100_000];

/// What fuzzing begins with: one of each kind.
pub(crate) fn good_lists() -> [Vec<u8>; 4] {
    let member = json!({"bits": 2, "lst": lst(&[0xc9, 0x44, 0xf9])});
    let of = |kind: &[u8], data: &[u8]| [kind, data].concat();
    [
        of(b"t", good_list().as_bytes()),
        of(b"m", member.to_string().as_bytes()),
        of(b"z", &zlib(b"abcabcabc")),
        of(b"z", &URL_SAFE_NO_PAD.decode("eNo76fITAAPfAgc").unwrap_or_default()),
    ]
}

/// The list of the issuer: the first entry is revoked.
fn good_list() -> &'static str {
    static LIST: LazyLock<String> = LazyLock::new(|| list_token(URI, 1, &[1], &json!({})).at(NOW));
    &LIST
}

/// A status list. After a "t", all of the response; after an "m", the member `status_list` of a token that the issuer has
/// signed; otherwise zlib data.
pub fn status_list(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind {
        b't' => {
            let is_good = rest.trim_ascii_end() == good_list().as_bytes();
            for index in ENTRIES {
                let passes = passes(rest, index);
                assert!(!passes || is_good && (1..8).contains(&index), "{index}");
            }
        }
        b'm' => {
            let Ok(member) = serde_json::from_slice::<Value>(rest) else { return };
            let token = list_token(URI, 1, &[], &json!({ "status_list": member })).at(NOW);
            for index in ENTRIES {
                let passes = passes(token.as_bytes(), index);
                assert!(!passes || status(&member, index) == Some(0), "{index} of {member}");
            }
        }
        _ => {
            let ours = inflate::zlib(&URL_SAFE_NO_PAD.encode(rest), MAX);
            let theirs = decompress_to_vec_zlib_with_limit(rest, MAX);
            // What is behind the data is nothing to the other one.
            if let Ok(bytes) = &ours {
                assert!(bytes.len() <= MAX);
                assert_eq!(theirs.as_ref().ok(), Some(bytes));
            }
        }
    }
}

/// Whether a token with that entry is let in, if this is the response to the call for the list.
fn passes(body: &[u8], index: u64) -> bool {
    let mut config = of_jwts(json!({"inline": good_keys()}));
    config["providers"]["main"]["status_list"] =
        json!({"uris": [URI], "cluster": "lists", "max_list_bytes": MAX});
    let mut driver = driver(&config);
    let token = with_status(URI, index).at(NOW);
    let stream = driver.request(request(&[("authorization", &format!("Bearer {token}"))]), None);
    let head = lines(&[(":status", "200"), ("content-type", MEDIA_TYPE)]);
    while let Some((call, made)) = driver.next_call() {
        assert_eq!(made.cluster(), "lists");
        driver.respond(call, CallOutcome::Response { head: RequestHead::new(&head), body });
    }
    let end = driver.end(stream).expect("it waits for ever");
    matches!(end.outcome.decision, Decision::Allow(_))
}

/// The entry, by another reader.
fn status(member: &Value, index: u64) -> Option<u8> {
    let bits = member.get("bits")?.as_u64().filter(|bits| [1, 2, 4, 8].contains(bits))?;
    let data = URL_SAFE_NO_PAD.decode(member.get("lst")?.as_str()?).ok()?;
    let bytes = decompress_to_vec_zlib_with_limit(&data, MAX).ok()?;
    let all: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).map(move |at| byte >> at & 1)).collect();
    let entry = all.chunks(usize::try_from(bits).ok()?).nth(usize::try_from(index).ok()?)?;
    Some(entry.iter().rev().fold(0, |value, bit| value << 1 | bit))
}
