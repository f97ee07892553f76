//! A `Struct` instead of JSON.

use serde_json::{Map, Value, json};

use super::everything::everything;
use super::{env, faults, messages, parse, with};

#[test]
fn a_struct_is_read_like_json() {
    // Whatever the length of the first entry, which is the second byte: 0x7b is `{`.
    for length in 0..300 {
        let mut document = everything();
        document["responses"]["realm"] = json!("r".repeat(length + 1));
        let from_struct = tollgate_config::policy(&structure(document.as_object().unwrap()), &env).unwrap();
        assert_eq!(format!("{from_struct:?}"), format!("{:?}", parse(&document).unwrap()), "{length}");
        let alone = json!({"mode": "m".repeat(length)});
        assert_eq!(
            messages(tollgate_config::policy(&structure(alone.as_object().unwrap()), &env)),
            faults(&alone),
            "{length}"
        );
    }
    let mistaken = with(&[("@.timeout", json!(300)), ("mod", json!(null)), ("rules", json!([[1.5]]))]);
    assert_eq!(
        messages(tollgate_config::policy(&structure(mistaken.as_object().unwrap()), &env)),
        faults(&mistaken)
    );
}

/// A serialized `google.protobuf.Struct`.
pub(super) fn structure(members: &Map<String, Value>) -> Vec<u8> {
    members
        .iter()
        .flat_map(|(name, value)| {
            let entry = [delimited(1, name.as_bytes()), delimited(2, &encoded(value))].concat();
            delimited(1, &entry)
        })
        .collect()
}

fn encoded(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![8, 0],
        Value::Number(number) => [&[2 << 3 | 1], &number.as_f64().unwrap().to_le_bytes()[..]].concat(),
        Value::String(text) => delimited(3, text.as_bytes()),
        Value::Bool(bit) => vec![4 << 3, u8::from(*bit)],
        Value::Object(members) => delimited(5, &structure(members)),
        Value::Array(items) => {
            let items: Vec<u8> = items.iter().flat_map(|item| delimited(1, &encoded(item))).collect();
            delimited(6, &items)
        }
    }
}

fn delimited(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut length = content.len();
    while length > 127 {
        bytes.push(u8::try_from(length & 127).unwrap() | 128);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend(content);
    bytes
}
