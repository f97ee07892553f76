//! Sets of characters.

/// From, to.
pub(super) type Range = (char, char);

/// A set of characters.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) ranges: Vec<Range>,
    /// The set of all others.
    pub(super) is_negated: bool,
    /// Whether it is in any case of ASCII letters, if the expression decides that.
    pub(super) any_case: Option<bool>,
}

impl Set {
    /// Whether the character is in the set.
    pub(super) fn has(&self, c: char, any_case: bool) -> bool {
        let is_in = |c: char| self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
        let in_other_case = || is_in(c.to_ascii_lowercase()) || is_in(c.to_ascii_uppercase());
        (is_in(c) || self.any_case.unwrap_or(any_case) && in_other_case()) != self.is_negated
    }

    /// What a look at it costs.
    pub(super) fn weight(&self) -> usize {
        self.ranges.len().div_euclid(2).saturating_add(1)
    }
}

/// The class of that name ([POSIX §9.3.5]), or of all others.
///
/// [POSIX §9.3.5]: https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap09.html#tag_09_03_05
pub(super) fn named(name: &str, is_negated: bool) -> Option<Vec<Range>> {
    let (_, ranges) = CLASSES.iter().find(|(known, _)| *known == name)?;
    if !is_negated {
        return Some(ranges.iter().map(|(from, to)| (char::from(*from), char::from(*to))).collect());
    }
    let mut others = Vec::new();
    let mut next = 0_u8;
    for (from, to) in *ranges {
        if let Some(last) = from.checked_sub(1).filter(|last| *last >= next) {
            others.push((char::from(next), char::from(last)));
        }
        next = to.saturating_add(1);
    }
    others.push((char::from(next), char::MAX));
    Some(others)
}

/// Their ranges, in order.
const CLASSES: [(&str, &[(u8, u8)]); 14] = [
    ("alnum", &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]),
    ("alpha", &[(b'A', b'Z'), (b'a', b'z')]),
    ("ascii", &[(0, 0x7f)]),
    ("blank", &[(b'\t', b'\t'), (b' ', b' ')]),
    ("cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
    ("digit", &[(b'0', b'9')]),
    ("graph", &[(b'!', b'~')]),
    ("lower", &[(b'a', b'z')]),
    ("print", &[(b' ', b'~')]),
    ("punct", &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')]),
    ("space", &[(b'\t', b'\r'), (b' ', b' ')]),
    ("upper", &[(b'A', b'Z')]),
    ("word", &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')]),
    ("xdigit", &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]),
];
