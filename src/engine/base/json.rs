//! JSON as peers may send it and no other way ([RFC 8259], with the strictness of [RFC 7493]).
//!
//! One complete document of UTF-8, no byte order mark, nothing behind it, no duplicate member names
//! at any depth, and at most [`MAX_DEPTH`] levels.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259
//! [RFC 7493]: https://www.rfc-editor.org/rfc/rfc7493#section-2.3

mod read;
#[cfg(all(test, not(target_family = "wasm")))]
mod second;
mod write;

pub use self::write::{object as object_text, value as text};
pub use serde_json::{Map, Number, Value};

/// How many arrays and objects may be inside one another.
pub const MAX_DEPTH: usize = 32;

/// Why a document was rejected, with the place, but never with its content.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{problem} at line {line} column {column}")]
pub struct JsonError {
    problem: Problem,
    line: usize,
    /// In bytes.
    column: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Problem {
    #[error("not UTF-8")]
    NotUtf8,
    #[error("not valid JSON")]
    Invalid,
    #[error("ends too early")]
    EndsEarly,
    // The member's name is ours to show in a configuration, but not in a reply: it is left out here.
    #[error("duplicate member name")]
    Duplicate,
    #[error("nested too deeply")]
    TooDeep,
}

/// Reads one document.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read::document(text),
        Err(error) => Err(JsonError::new(Problem::NotUtf8, bytes, error.valid_up_to())),
    }
}

impl JsonError {
    /// A problem with the byte `at`, or with the end.
    #[cold]
    fn new(problem: Problem, bytes: &[u8], at: usize) -> Self {
        let mut lines = bytes.get(..at).unwrap_or_default().split(|byte| *byte == b'\n');
        let last = lines.next_back().map_or(0, <[u8]>::len);
        let column = if at < bytes.len() { last.saturating_add(1) } else { last };
        Self { problem, line: lines.count().saturating_add(1), column }
    }
}

/// The members that are not left out. Nothing is removed in place: that would be more code than all of this file.
#[inline(never)]
pub fn without(
    members: Map<String, Value>,
    is_left_out: &dyn Fn(&str, &Value) -> bool,
) -> Map<String, Value> {
    let mut left = Map::new();
    for (name, value) in members {
        if !is_left_out(&name, &value) {
            left.insert(name, value);
        }
    }
    left
}

/// Adds the members of `more` whose names are not there yet.
#[inline(never)]
pub fn add(members: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        if !members.contains_key(&name) {
            members.insert(name, value);
        }
    }
}

/// Whether two values are the same. Numbers are by what they are, `300` and `300.0` alike (a protobuf
/// `Struct` has doubles only); one that is not known exactly is the same as none.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => a == b,
            (None, None) => is_exact(a) && a.as_f64() == b.as_f64(),
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Whether a number is known as it was written: an integer of up to 64 bits, or a double so small that
/// no two integers share it.
pub fn is_exact(number: &Number) -> bool {
    integer(number).is_some() || number.as_f64().is_some_and(|double| double.abs() < READ)
}

/// The integer that a double stands for, as long as no two integers share that double.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole, and within 53 bits")]
pub fn whole(double: f64) -> Option<i64> {
    (double.fract() == 0.0 && double.abs() < SHARED).then_some(double as i64)
}

/// 2^53: from here on, integers share doubles.
const SHARED: f64 = 9_007_199_254_740_992.0;
/// 2^51: from here on, the reader of JSON may take one integer that is written with a fraction or an
/// exponent for another.
const READ: f64 = 2_251_799_813_685_248.0;

fn integer(number: &Number) -> Option<i128> {
    let double = || number.as_f64().filter(|double| double.abs() < READ).and_then(whole).map(i128::from);
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)).or_else(double)
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, Value, is_exact, parse, same};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_not_one_strict_document_is_refused() {
        // INT-41, ATK-85
        #[rustfmt::skip]
        let cases: &[(&str, &[u8], &str)] = &[
            ("trailing text",       br#"{"active":true}x"#,                  "not valid JSON"),
            ("two documents",       br#"{"a":1}{"a":1}"#,                    "not valid JSON"),
            ("duplicate",           br#"{"a":1,"a":2}"#,                     "duplicate member name"),
            ("duplicate by escape", br#"{"active":false,"\u0061ctive":true}"#, "duplicate member name"),
            ("nested duplicate",    br#"{"x":[{"a":1,"a":2}]}"#,             "duplicate member name"),
            ("byte order mark",     b"\xef\xbb\xbf{}",                       "not valid JSON"),
            ("not UTF-8",           b"{\"a\":\"\xff\"}",                     "not UTF-8"),
            ("empty",               b"",                                     "ends too early"),
            ("a comment",           b"{} // x",                              "not valid JSON"),
            ("NaN",                 br#"{"a":NaN}"#,                         "not valid JSON"),
            ("single quotes",       b"{'a':1}",                              "not valid JSON"),
        ];
        for (name, bytes, want) in cases {
            let error = parse(bytes).expect_err(name).to_string();
            assert_eq!(error.split(" at line").next(), Some(*want), "{name}");
        }
    }

    #[test]
    fn numbers_are_the_same_if_they_are_one_number() {
        #[rustfmt::skip]
        let cases = [
            ("300",                  "300.0",                 true),
            ("1e3",                  "1000",                  true),
            ("1.0",                  "1",                     true),
            ("-0",                   "0",                     true),
            ("-0.0",                 "0",                     true),
            ("0.5",                  "5e-1",                  true),
            ("0.5",                  "0.25",                  false),
            ("0.5",                  "1",                     false),
            ("1234567890123456789",  "1234567890123456789",   true),
            ("1234567890123456789",  "1234567890123456700",   false),
            ("9007199254740993",     "9007199254740992",      false),
            ("9007199254740993",     "9007199254740993.0",    false),
            ("900719925474099",      "900719925474099.0",     true),
            ("9007199254740991",     "9007199254740991.0",    false),
            ("-9007199254740993",    "-9007199254740992",     false),
            ("18446744073709551615", "18446744073709551615",  true),
            ("18446744073709551615", "18446744073709551614",  false),
            ("18446744073709551615", "-1",                    false),
            ("18446744073709551616", "18446744073709551616",  false),
            ("18446744073709551616", "18446744073709551617",  false),
            ("-9223372036854775808", "-9223372036854775808",  true),
            ("-9223372036854775809", "-9223372036854775810",  false),
            ("1e30",                 "1e30",                  false),
            ("1e300",                "1e300",                 false),
            ("1e-300",               "2e-300",                false),
            ("1",                    "\"1\"",                 false),
            ("1",                    "true",                  false),
            ("[1, [300]]",           "[1.0, [3e2]]",          true),
            ("[1]",                  "[1, 1]",                false),
            ("[1e30]",               "[1e30]",                false),
            (r#"{"a":1,"b":{}}"#,    r#"{"b":{},"a":1.0}"#,   true),
            (r#"{"a":1}"#,           r#"{"b":1}"#,            false),
            (r#"{"a":1e30}"#,        r#"{"a":1e30}"#,         false),
        ];
        for (a, b, want) in cases {
            let [one, other] = [a, b].map(|text| parse(text.as_bytes()).unwrap());
            assert_eq!(same(&one, &other), want, "{a} {b}");
            assert_eq!(same(&other, &one), want, "{b} {a}");
        }
        assert!(parse(b"1e400").is_err(), "what is no number at all");
        let exact = |text: &str| matches!(parse(text.as_bytes()), Ok(Value::Number(one)) if is_exact(&one));
        assert!(["1", "0.1", "18446744073709551615", "2251799813685247.0"].into_iter().all(exact));
        assert!(!["18446744073709551616", "9007199254740992.0", "1e30"].into_iter().any(exact));
    }

    #[test]
    fn depth_is_bounded() {
        // INT-40, ATK-84
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(parse(nested(10_000).as_bytes()).is_err());
    }
}
