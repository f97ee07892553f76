//! Numbers and encodings of the ABI.

use crate::Fields;

/// What a host call returns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(crate) enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    InvalidMemoryAccess = 6,
    CasMismatch = 8,
    InternalFailure = 10,
}

/// The header maps that the host has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Map {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
    CallHeaders,
    CallTrailers,
}

impl Map {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RequestHeaders,
            1 => Self::RequestTrailers,
            2 => Self::ResponseHeaders,
            3 => Self::ResponseTrailers,
            6 => Self::CallHeaders,
            7 => Self::CallTrailers,
            _ => return None,
        })
    }
}

/// The buffers that the host has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Buffer {
    RequestBody,
    ResponseBody,
    CallBody,
    VmConfiguration,
    PluginConfiguration,
}

impl Buffer {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RequestBody,
            1 => Self::ResponseBody,
            4 => Self::CallBody,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            _ => return None,
        })
    }
}

/// A map as the module reads it.
pub(crate) fn serialize(fields: &Fields) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = length(fields.len()).to_vec();
    for (name, value) in fields {
        bytes.extend(length(name.len()));
        bytes.extend(length(value.len()));
    }
    for (name, value) in fields {
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    bytes
}

/// A map as the module writes it; names become lower case, as in Envoy.
pub(crate) fn deserialize(bytes: &[u8]) -> Option<Fields> {
    let number = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    if bytes.is_empty() {
        return Some(Fields::new());
    }
    let count = number(0)?;
    let mut at = 4 + count * 8;
    let mut text = |length: usize| -> Option<Vec<u8>> {
        let text = bytes.get(at..at.checked_add(length)?)?.to_vec();
        at += length + 1;
        Some(text)
    };
    let mut fields = Fields::with_capacity(count);
    for n in 0..count {
        let name = text(number(4 + n * 8)?)?.to_ascii_lowercase();
        fields.push((name, text(number(8 + n * 8)?)?));
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::{deserialize, serialize};

    #[test]
    fn maps_survive_the_crossing() {
        let field = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        for fields in [vec![], vec![field(b"a", b"")], vec![field(b":path", b"/\xff\0"), field(b"b", b"c")]] {
            assert_eq!(deserialize(&serialize(&fields)), Some(fields));
        }
        assert_eq!(deserialize(b""), Some(vec![]));
        assert_eq!(deserialize(&[1, 0, 0, 0, 9, 0, 0, 0]), None);
    }
}
