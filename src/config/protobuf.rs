//! `google.protobuf.Struct`, as Envoy hands it to a module: serialized.
//!
//! Stricter than protobuf: no unknown fields, no repeated members, no value of two kinds, no numbers
//! that JSON does not have, and at most [`MAX_DEPTH`] levels.

use tollgate_engine::base::json::{MAX_DEPTH, Map, Number, Value, whole};

/// Why bytes were rejected, with the place, but never with their content.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a google.protobuf.Struct: {what} at byte {at}")]
pub struct StructError {
    what: &'static str,
    at: usize,
}

/// Reads one serialized `google.protobuf.Struct`. Doubles without a fraction become integers.
pub fn parse(bytes: &[u8]) -> Result<Value, StructError> {
    structure(Reader { rest: bytes, at: 0 }, 0)
}

/// `message Struct { map<string, Value> fields = 1; }`
fn structure(mut reader: Reader<'_>, depth: usize) -> Result<Value, StructError> {
    let depth = reader.deeper(depth)?;
    let mut members = Map::new();
    while let Some(field) = reader.field()? {
        let Field { number: 1, payload: Payload::Bytes(entry), at } = field else {
            return Err(field.unexpected());
        };
        let (name, value) = member(entry, depth, at)?;
        if members.insert(name, value).is_some() {
            return Err(StructError { what: "duplicate member name", at });
        }
    }
    Ok(Value::Object(members))
}

/// `message FieldsEntry { string key = 1; Value value = 2; }`
fn member(mut reader: Reader<'_>, depth: usize, start: usize) -> Result<(String, Value), StructError> {
    let (mut name, mut content) = (None, None);
    while let Some(field) = reader.field()? {
        match field {
            Field { number: 1, payload: Payload::Bytes(bytes), .. } if name.is_none() => {
                name = Some(bytes.text()?);
            }
            Field { number: 2, payload: Payload::Bytes(bytes), at } if content.is_none() => {
                content = Some(value(bytes, depth, at)?);
            }
            other => return Err(other.unexpected()),
        }
    }
    let content = content.ok_or(StructError { what: "member without a value", at: start })?;
    Ok((name.unwrap_or_default(), content))
}

/// `message Value { oneof kind { null_value = 1; number_value = 2; string_value = 3; bool_value = 4;
/// struct_value = 5; list_value = 6; } }`
fn value(mut reader: Reader<'_>, depth: usize, start: usize) -> Result<Value, StructError> {
    let mut found = None;
    while let Some(field) = reader.field()? {
        if found.is_some() {
            return Err(StructError { what: "value of two kinds", at: field.at });
        }
        found = Some(match field {
            Field { number: 1, payload: Payload::Varint(0), .. } => Value::Null,
            Field { number: 2, payload: Payload::Fixed64(bits), at } => number(f64::from_bits(bits), at)?,
            Field { number: 3, payload: Payload::Bytes(bytes), .. } => Value::String(bytes.text()?),
            Field { number: 4, payload: Payload::Varint(bit @ 0..=1), .. } => Value::Bool(bit == 1),
            Field { number: 5, payload: Payload::Bytes(bytes), .. } => structure(bytes, depth)?,
            Field { number: 6, payload: Payload::Bytes(bytes), .. } => list(bytes, depth)?,
            other => return Err(other.unexpected()),
        });
    }
    found.ok_or(StructError { what: "value without a kind", at: start })
}

/// `message ListValue { repeated Value values = 1; }`
fn list(mut reader: Reader<'_>, depth: usize) -> Result<Value, StructError> {
    let depth = reader.deeper(depth)?;
    let mut items = Vec::new();
    while let Some(field) = reader.field()? {
        let Field { number: 1, payload: Payload::Bytes(item), at } = field else {
            return Err(field.unexpected());
        };
        items.push(value(item, depth, at)?);
    }
    Ok(Value::Array(items))
}

fn number(double: f64, at: usize) -> Result<Value, StructError> {
    if let Some(whole) = whole(double) {
        return Ok(whole.into());
    }
    Number::from_f64(double).map(Value::Number).ok_or(StructError { what: "number that is not finite", at })
}

struct Field<'a> {
    number: u64,
    payload: Payload<'a>,
    at: usize,
}

enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(Reader<'a>),
}

impl Field<'_> {
    fn unexpected(&self) -> StructError {
        StructError { what: "unexpected field", at: self.at }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn field(&mut self) -> Result<Option<Field<'a>>, StructError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.varint()?;
        let payload = match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Payload::Bytes(self.delimited()?),
            _ => return Err(StructError { what: "unexpected wire type", at }),
        };
        Ok(Some(Field { number: tag >> 3, payload, at }))
    }

    fn varint(&mut self) -> Result<u64, StructError> {
        let at = self.at;
        let mut result = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << shift;
            if shifted >> shift != bits {
                break;
            }
            result |= shifted;
            if byte & 0x80 == 0 {
                return Ok(result);
            }
        }
        Err(StructError { what: "overlong number", at })
    }

    fn delimited(&mut self) -> Result<Reader<'a>, StructError> {
        let at = self.at;
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let start = self.at;
        Ok(Reader { rest: self.take(length).ok_or(StructError { what: "truncated", at })?, at: start })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StructError> {
        let at = self.at;
        let taken = self.take(N).and_then(|bytes| bytes.try_into().ok());
        taken.ok_or(StructError { what: "truncated", at })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.at = self.at.saturating_add(length);
        Some(taken)
    }

    fn text(self) -> Result<String, StructError> {
        let text = std::str::from_utf8(self.rest);
        text.map(str::to_owned).map_err(|_| StructError { what: "text that is not UTF-8", at: self.at })
    }

    fn deeper(&self, depth: usize) -> Result<usize, StructError> {
        if depth >= MAX_DEPTH {
            return Err(StructError { what: "nested too deeply", at: self.at });
        }
        Ok(depth.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// A member of one kind of value: `n` in 0..128.
    fn member(name: &[u8], value: &[u8]) -> Vec<u8> {
        let mut entry = delimited(1, name);
        entry.extend(delimited(2, value));
        delimited(1, &entry)
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

    fn double(number: f64) -> Vec<u8> {
        let mut bytes = vec![2 << 3 | 1];
        bytes.extend(number.to_le_bytes());
        bytes
    }

    #[test]
    fn every_kind_of_value() {
        #[rustfmt::skip]
        let cases = [
            ("null",                 vec![8, 0],                          json!(null)),
            ("a whole number",       double(300.0),                       json!(300)),
            ("a negative one",       double(-1.0),                        json!(-1)),
            ("a minus zero",         double(-0.0),                        json!(0)),
            ("a fraction",           double(0.5),                         json!(0.5)),
            ("beyond 53 bits",       double(1e300),                       json!(1e300)),
            ("text",                 delimited(3, "é".as_bytes()),        json!("é")),
            ("true",                 vec![32, 1],                         json!(true)),
            ("false",                vec![32, 0],                         json!(false)),
            ("an empty struct",      delimited(5, b""),                   json!({})),
            ("a struct",             delimited(5, &member(b"b", &[32, 1])), json!({"b": true})),
            ("an empty list",        delimited(6, b""),                   json!([])),
            ("a list",               delimited(6, &delimited(1, &[8, 0])), json!([null])),
        ];
        for (name, value, want) in cases {
            assert_eq!(parse(&member(b"a", &value)), Ok(json!({"a": want})), "{name}");
        }
        assert_eq!(parse(b""), Ok(json!({})), "nothing at all");
    }

    #[test]
    fn what_is_refused() {
        let twice = [member(b"a", &[8, 0]), member(b"a", &[32, 1])].concat();
        #[rustfmt::skip]
        let cases = [
            ("not a number",         member(b"a", &double(f64::NAN)),      "number that is not finite at byte 7"),
            ("infinity",             member(b"a", &double(f64::INFINITY)), "number that is not finite at byte 7"),
            ("a member twice",       twice,                                "duplicate member name at byte 9"),
            ("no value",             delimited(1, &delimited(1, b"a")),    "member without a value at byte 0"),
            ("no kind",              member(b"a", b""),                    "value without a kind at byte 5"),
            ("two kinds",            member(b"a", &[8, 0, 32, 1]),         "value of two kinds at byte 9"),
            ("a boolean of 2",       member(b"a", &[32, 2]),               "unexpected field at byte 7"),
            ("an unknown field",     delimited(2, b""),                    "unexpected field at byte 0"),
            ("an old group",         vec![3 << 3 | 3],                     "unexpected wire type at byte 0"),
            ("not UTF-8",            member(b"\xff", &[8, 0]),             "text that is not UTF-8 at byte 4"),
            ("cut off",              vec![10, 5, 10],                      "truncated at byte 1"),
            ("a tag alone",          vec![10],                             "truncated at byte 1"),
            ("an overlong length",   [vec![10], vec![255; 10]].concat(),   "overlong number at byte 1"),
            ("a length of 2^64 - 1", [vec![10], vec![255; 9], vec![1]].concat(), "truncated at byte 1"),
        ];
        for (name, bytes, want) in cases {
            let got = parse(&bytes).map_err(|e| e.to_string());
            assert_eq!(got, Err(format!("not a google.protobuf.Struct: {want}")), "{name}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels| (1..levels).fold(vec![], |inner, _| member(b"", &delimited(5, &inner)));
        assert!(parse(&nested(tollgate_engine::base::json::MAX_DEPTH)).is_ok());
        assert!(parse(&nested(tollgate_engine::base::json::MAX_DEPTH + 1)).is_err());
        assert!(parse(&nested(1000)).is_err());
    }
}
