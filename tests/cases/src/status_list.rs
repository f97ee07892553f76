//! Status lists: their tokens, and the tokens that name an entry of one.

#![expect(clippy::arithmetic_side_effects, reason = "a test may fail loudly")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::token::Token;

/// The media type of a Status List Token.
pub const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// A Status List Token. It is good for an hour, and may be cached for five minutes, unless `changes` say otherwise;
/// `null` takes a claim away.
///
/// # Panics
///
/// If `changes` is no object.
pub fn status_list(uri: &str, bits: u8, bytes: &[u8], changes: &Value) -> Token {
    let mut claims = json!({
        "sub": uri, "iat": "$now", "exp": "$now+3600", "ttl": 300,
        "status_list": {"bits": bits, "lst": lst(bytes)},
    });
    let members = claims.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    members.retain(|_, value| !value.is_null());
    let header = Map::from_iter([("typ".to_owned(), json!("statuslist+jwt"))]);
    Token { header, payload: Some(claims.to_string()), ..Token::default() }
}

/// A token whose status is that entry of that list.
pub fn with_status(uri: &str, index: u64) -> Token {
    let status = json!({"status_list": {"idx": index, "uri": uri}});
    Token { claims: Map::from_iter([("status".to_owned(), status)]), ..Token::default() }
}

/// `lst` of these bytes: zlib data, and nothing in it is compressed.
pub fn lst(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(zlib(bytes))
}

/// Zlib data with blocks of bytes as they are (RFC 1951 §3.2.4).
///
/// # Panics
///
/// Never.
pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut data = vec![0x78, 0x01];
    let mut rest = bytes;
    loop {
        let (block, more) = rest.split_at(rest.len().min(0xffff));
        let len = u16::try_from(block.len()).expect("a short block");
        data.push(u8::from(more.is_empty()));
        data.extend(len.to_le_bytes());
        data.extend((!len).to_le_bytes());
        data.extend(block);
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    data.extend((b << 16 | a).to_be_bytes());
    data
}
