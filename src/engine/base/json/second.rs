//! Compared with `serde_json`, which reads and writes the same language.

use super::{MAX_DEPTH, Map, Value, parse, text};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::{collection, sample};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self { depth: self.depth.saturating_add(1) })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member name"));
            }
        }
        Ok(Value::Object(members))
    }
}

fn reference(text: &str) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| value)
}

/// Doubles differ in their last bits: nothing that we decide depends on those.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let [one, other] = [a, b].map(|number| number.as_f64().unwrap_or(f64::NAN));
            let near = (one - other).abs() <= one.abs() * 1e-13 || one.abs() < 1e-290;
            a == b || a.is_f64() && b.is_f64() && near && one.is_sign_negative() == other.is_sign_negative()
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && alike(a.1, b.1))
        }
        _ => a == b,
    }
}

fn compare(text: &str) -> Result<(), String> {
    match (parse(text.as_bytes()), reference(text)) {
        (Ok(ours), Some(theirs)) if alike(&ours, &theirs) => Ok(()),
        (Err(_), None) => Ok(()),
        (ours, theirs) => Err(format!("{text:?}: {ours:?}, but {theirs:?}")),
    }
}

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\":", "\\", "\\u", "\\ud83d", "\\ude00", "\\u0000", "\\n", "\\x", "00e9", "true", "false", "null", "tru", "-", "0", "1",
    "12", ".", "e", "E+", "e-", "400", "99999999999999999999", " ", "\n", "\t", "\u{b}", "\u{7f}", "\u{e9}", "\u{1f600}", "\u{2028}", "//", "'", "NaN", "\0",
];

fn number() -> impl Strategy<Value = String> {
    let integer = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "-?[0-9]{1,30}"
    ];
    let fraction = prop_oneof![Just(String::new()), "\\.[0-9]{0,30}"];
    let exponent = prop_oneof![Just(String::new()), "[eE][+-]?[0-9]{0,5}"];
    (integer, fraction, exponent).prop_map(|(integer, fraction, exponent)| integer + &fraction + &exponent)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::String),
        "[\\x00-\\x20\"/\\\\]{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    // INT-41
    #[test]
    fn both_read_the_same_documents(pieces in collection::vec(sample::select(PIECES), 0..12)) {
        prop_assert_eq!(compare(&pieces.concat()), Ok(()));
        prop_assert_eq!(compare(&format!("\"{}\"", pieces.concat())), Ok(()));
        prop_assert_eq!(compare(&format!("[{}]", pieces.concat())), Ok(()));
    }

    #[test]
    fn both_read_the_same_numbers(number in number()) {
        prop_assert_eq!(compare(&number), Ok(()));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in collection::vec(any::<u8>(), 0..40)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn what_is_written_is_read_and_both_write_it_alike(value in json()) {
        prop_assert_eq!(text(&value), value.to_string());
        prop_assert_eq!(parse(text(&value).as_bytes()), Ok(value));
    }

    #[test]
    fn whatever_is_cut_or_broken_both_say_so(value in json(), at in any::<sample::Index>(), other in any::<char>()) {
        let whole: Vec<char> = value.to_string().chars().collect();
        let at = at.index(whole.len());
        let cut: String = whole.iter().take(at).collect();
        prop_assert_eq!(compare(&cut), Ok(()));
        let broken: String = whole.iter().enumerate().map(|(i, c)| if i == at { other } else { *c }).collect();
        prop_assert_eq!(compare(&broken), Ok(()));
        let longer = broken + &other.to_string();
        prop_assert_eq!(compare(&longer), Ok(()));
    }
}
