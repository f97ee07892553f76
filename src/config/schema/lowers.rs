//! Which keys lower security, with which values, and at what cost.

use std::fmt;

use serde_json::Value;

use crate::schema::{duration, integer};

/// That a key can lower security.
#[derive(Clone, Copy, Debug)]
pub struct Lowers {
    /// With which values.
    pub when: When,
    /// What it costs: sentences for operators.
    pub cost: &'static str,
    /// Whether `tollgate check` warns of it. It does not where the value is what most configurations mean,
    /// as an anonymous rule.
    pub is_warned_of: bool,
}

/// With which values a key lowers security.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Every value except `false`, `0s` and an empty one.
    Set,
    /// `false`.
    Off,
    /// These words, or a list with one of them.
    Words(&'static [&'static str]),
    /// More than this duration or number.
    Above(&'static str),
    /// Less than this number.
    Below(&'static str),
}

impl When {
    /// Whether a value of the key is one of those.
    pub fn holds(self, value: &Value) -> bool {
        match self {
            Self::Set => !is_nothing(value),
            Self::Off => *value == Value::Bool(false),
            Self::Words(words) => match value {
                Value::Array(items) => items.iter().any(|item| self.holds(item)),
                _ => value.as_str().is_some_and(|word| words.contains(&word)),
            },
            Self::Above(limit) => amount(value) > amount(&limit.into()),
            Self::Below(limit) => amount(value).is_some() && amount(value) < amount(&limit.into()),
        }
    }
}

/// To follow "lowers security": ` with "a"`, ` above 5m`, or nothing.
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set => Ok(()),
            Self::Off => f.write_str(" with `false`"),
            Self::Words(words) => {
                for (i, word) in words.iter().enumerate() {
                    write!(f, "{}`{word}`", if i == 0 { " with " } else { " or " })?;
                }
                Ok(())
            }
            Self::Above(limit) => write!(f, " above `{limit}`"),
            Self::Below(limit) => write!(f, " below `{limit}`"),
        }
    }
}

/// Milliseconds of a duration, or a number.
fn amount(value: &Value) -> Option<u128> {
    let text = value.as_str();
    let number = || text.map_or_else(|| integer(value), |text| text.parse().ok());
    text.and_then(duration).map(|duration| duration.as_millis()).or_else(|| number().map(u128::from))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty() || amount(value) == Some(0),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::When;
    use serde_json::json;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_values_that_lower_security() {
        #[rustfmt::skip]
        let cases = [
            (When::Words(&["ignore"]),   json!("ignore"), true),
            (When::Words(&["ignore"]),   json!("dpop"),   false),
            (When::Words(&["ignore"]),   json!(true),     false),
            (When::Words(&["RS256"]),    json!(["ES256", "RS256"]), true),
            (When::Words(&["RS256"]),    json!(["ES256"]), false),
            (When::Set,                  json!(true),     true),
            (When::Set,                  json!(false),    false),
            (When::Set,                  json!([]),       false),
            (When::Set,                  json!(["a"]),    true),
            (When::Set,                  json!({}),       false),
            (When::Set,                  json!("0s"),     false),
            (When::Set,                  json!("5s"),     true),
            (When::Set,                  json!("secret"), true),
            (When::Off,                  json!(false),    true),
            (When::Off,                  json!(true),     false),
            (When::Above("15m"),         json!("15m"),    false),
            (When::Above("15m"),         json!("901s"),   true),
            (When::Above("15m"),         json!("soon"),   false),
            (When::Above("65536"),       json!(65536),    false),
            (When::Above("65536"),       json!(65537.0),  true),
            (When::Below("10000"),       json!(9999),     true),
            (When::Below("10000"),       json!(10000),    false),
            (When::Below("10000"),       json!("many"),   false),
        ];
        for (when, value, want) in cases {
            assert_eq!(when.holds(&value), want, "{when:?} {value}");
        }
    }
}
