//! IP addresses as text, in less code than the standard library's.

use std::fmt::Write as _;

/// The four numbers of an IPv4 address, each without leading zeros ([RFC 3986 §3.2.2]).
///
/// [RFC 3986 §3.2.2]: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2
pub fn v4(text: &str) -> Option<[u8; 4]> {
    let mut numbers = text.split('.').map(decimal);
    let mut next = || numbers.next().flatten();
    let address = [next()?, next()?, next()?, next()?];
    numbers.next().is_none().then_some(address)
}

/// The eight groups of an IPv6 address ([RFC 4291 §2.2]).
///
/// [RFC 4291 §2.2]: https://www.rfc-editor.org/rfc/rfc4291#section-2.2
pub fn v6(text: &str) -> Option<[u16; 8]> {
    let (mut groups, mut gap) = (Vec::with_capacity(8), None);
    let mut rest = text;
    if let Some(after) = rest.strip_prefix("::") {
        (gap, rest) = (Some(0), after);
    }
    while !rest.is_empty() && groups.len() < 8 {
        let (piece, after) = rest.split_at_checked(rest.find(':').unwrap_or(rest.len()))?;
        match v4(piece) {
            Some([a, b, c, d]) if after.is_empty() => {
                groups.extend([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
            }
            _ => groups.push(hexadecimal(piece)?),
        }
        rest = match (after.strip_prefix("::"), gap) {
            (Some(after), None) => {
                gap = Some(groups.len());
                after
            }
            (Some(_), Some(_)) => return None,
            (None, _) => match after.strip_prefix(':') {
                Some("") => return None,
                after => after.unwrap_or_default(),
            },
        };
    }
    if !rest.is_empty() {
        return None;
    }
    if let Some(gap) = gap.filter(|_| groups.len() < 8) {
        let zeros = 8_usize.saturating_sub(groups.len());
        groups.splice(gap..gap, std::iter::repeat_n(0, zeros));
    } else if gap.is_some() {
        return None;
    }
    groups.try_into().ok()
}

/// An IPv6 address as it should be written ([RFC 5952 §4], [§5]): the longest run of zeros is left out, and the
/// last half of one that stands for an IPv4 address is written as that.
///
/// [RFC 5952 §4]: https://www.rfc-editor.org/rfc/rfc5952#section-4
/// [§5]: https://www.rfc-editor.org/rfc/rfc5952#section-5
pub fn shortest_v6(groups: [u16; 8]) -> String {
    if let [0, 0, 0, 0, 0, 0xffff, high, low] = groups {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        return format!("::ffff:{a}.{b}.{c}.{d}");
    }
    let (start, length) = longest_zeros(groups);
    let mut text = String::new();
    for (at, group) in groups.into_iter().enumerate() {
        if length > 1 && at >= start && at.saturating_sub(start) < length {
            if at == start {
                text.push_str("::");
            }
            continue;
        }
        if !text.is_empty() && !text.ends_with(':') {
            text.push(':');
        }
        let _ = write!(text, "{group:x}");
    }
    text
}

/// Where the first of the longest runs of zeros starts, and its length.
fn longest_zeros(groups: [u16; 8]) -> (usize, usize) {
    let (mut longest, mut length) = ((0, 0), 0_usize);
    for (at, group) in groups.into_iter().enumerate() {
        length = if group == 0 { length.saturating_add(1) } else { 0 };
        if length > longest.1 {
            longest = (at.saturating_add(1).saturating_sub(length), length);
        }
    }
    longest
}

fn decimal(text: &str) -> Option<u8> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_number)
}

fn hexadecimal(text: &str) -> Option<u16> {
    let is_group = text.len() <= 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
    u16::from_str_radix(text, 16).ok().filter(|_| is_group)
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::{shortest_v6, v4, v6};
    use core::net::{Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;

    fn is_as_in_std(text: &str) {
        assert_eq!(v4(text), text.parse::<Ipv4Addr>().ok().map(|address| address.octets()), "{text}");
        let theirs = text.parse::<Ipv6Addr>().ok();
        assert_eq!(v6(text), theirs.map(|address| address.segments()), "{text}");
        assert_eq!(v6(text).map(shortest_v6), theirs.map(|address| address.to_string()), "{text}");
    }

    #[test]
    fn the_forms_of_addresses() {
        for text in [
            "",
            ":",
            "::",
            ":::",
            "::1",
            "1::",
            "1::2",
            ":1",
            "1:",
            "1:2",
            "1::2::3",
            "::1:",
            "1:::2",
            "12345::",
            "+1::",
            "::+1",
            "g::",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8:",
            "::ffff:1.2.3.4",
            "::1.2.3.4",
            "1.2.3.4::",
            "1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1:2:3:4:5:1.2.3.4",
            "1:2:3:4:5:6::1.2.3.4",
            "1:2:3:4:5::1.2.3.4",
            "::1.2.3",
            "::1.2.3.4.5",
            "::1.2.3.4:5",
            "::01.2.3.4",
            "0.0.0.0",
            "00.0.0.0",
            "1.2.3.256",
            "1.2.3.+4",
            "1.2.3.",
            ".1.2.3",
            "1.2.3.4.",
            "0::0:0:1",
            "0:0:1::",
            "1:0:0:2:0:0:0:3",
            "1:0:0:2:0:0:3:4",
            "A::aB",
            "::ffff:0:0",
            "1:0:2:3:4:5:6:7",
            "fe80::1%eth0",
            "::1 ",
        ] {
            is_as_in_std(text);
        }
    }

    proptest! {
        #[test]
        fn any_text(text in "[0-9a-f:.]{0,24}") {
            is_as_in_std(&text);
        }

        #[test]
        fn any_groups(
            pieces in prop::collection::vec(prop_oneof![Just("0"), Just(""), Just("1"), Just("ffff"), Just("1.2.3.4")], 1..10),
        ) {
            is_as_in_std(&pieces.join(":"));
        }

        #[test]
        fn any_address(groups: [u16; 8], zeros: u8) {
            let groups = std::array::from_fn(|at| if zeros >> at & 1 == 1 { 0 } else { groups[at] });
            is_as_in_std(&Ipv6Addr::from(groups).to_string());
        }
    }
}
