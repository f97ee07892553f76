//! How a header field is matched.

use crate::decision::Doubt;
use crate::policy::rule::fit::Fit;
use crate::request::extract::trim_space;
use crate::request::head::{RequestHead, is_same_field};

/// A condition on a header field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderMatch {
    /// Its name, in lower case.
    pub name: String,
    /// What must hold.
    pub test: HeaderTest,
}

/// What must hold of a header field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HeaderTest {
    /// It is there once, with this value.
    Exact(String),
    /// Whether it is present, with any value.
    Present(bool),
}

impl HeaderMatch {
    /// Whether the request fits. Unclear: the value stands in one of several lines or members of a list,
    /// in other letters, or in a field whose name differs by an underscore.
    pub fn fits(&self, head: RequestHead<'_>) -> Fit {
        let (mut lines, mut others) = (0_usize, false);
        let (mut exact, mut somewhere) = (false, false);
        for (name, value) in head.fields().filter(|(name, _)| is_same_field(name, &self.name)) {
            if name.eq_ignore_ascii_case(self.name.as_bytes()) {
                lines = lines.saturating_add(1);
            } else {
                others = true;
            }
            if let HeaderTest::Exact(want) = &self.test {
                exact |= value == want.as_bytes();
                somewhere |= holds(value, want.as_bytes());
            }
        }
        match &self.test {
            HeaderTest::Exact(_) if exact && lines == 1 && !others => Fit::Yes,
            HeaderTest::Exact(_) if somewhere => Fit::Unclear(Doubt::Field),
            HeaderTest::Exact(_) => Fit::No,
            HeaderTest::Present(_) if lines == 0 && others => Fit::Unclear(Doubt::Field),
            HeaderTest::Present(wanted) => Fit::of(*wanted == (lines > 0)),
        }
    }
}

/// Whether some reader may find the value here: hosts join the lines of a field by commas, and some
/// readers take the first, others the last.
fn holds(value: &[u8], want: &[u8]) -> bool {
    let is_it = |value: &[u8]| trim_space(value).eq_ignore_ascii_case(want);
    // Each rule would take its time for it, and the request has shown no token yet.
    value.len() > MAX_LIST || is_it(value) || value.split(|byte| *byte == b',').any(is_it)
}

/// The longest value that is searched, in bytes.
const MAX_LIST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::{HeaderMatch, HeaderTest};
    use crate::decision::Doubt;
    use crate::policy::rule::fit::Fit;
    use crate::request::head::RequestHead;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn which_fields_fit() {
        // PTH-07
        let unclear = Fit::Unclear(Doubt::Field);
        #[rustfmt::skip]
        let cases: &[(&str, &[(&str, &str)], Fit, Fit)] = &[
            // name, lines, whether x-tier is "gold", whether it is there
            ("once",                     &[("x-tier", "gold")],                     Fit::Yes, Fit::Yes),
            ("in any letters",           &[("X-Tier", "gold")],                     Fit::Yes, Fit::Yes),
            ("not there",                &[("x-tiers", "gold"), ("tier", "gold")],  Fit::No,  Fit::No),
            ("another value",            &[("x-tier", "silver")],                   Fit::No,  Fit::Yes),
            ("a longer value",           &[("x-tier", "golden")],                   Fit::No,  Fit::Yes),
            ("no value",                 &[("x-tier", "")],                         Fit::No,  Fit::Yes),
            ("twice",                    &[("x-tier", "gold"), ("x-tier", "gold")], unclear,  Fit::Yes),
            ("first of two",             &[("x-tier", "gold"), ("x-tier", "a")],    unclear,  Fit::Yes),
            ("last of two",              &[("x-tier", "a"), ("x-tier", "gold")],    unclear,  Fit::Yes),
            ("neither of two",           &[("x-tier", "a"), ("x-tier", "b")],       Fit::No,  Fit::Yes),
            ("joined",                   &[("x-tier", "a,gold")],                   unclear,  Fit::Yes),
            ("joined with space",        &[("x-tier", "gold , a")],                 unclear,  Fit::Yes),
            ("beside nothing",           &[("x-tier", "gold,")],                    unclear,  Fit::Yes),
            ("with space",               &[("x-tier", "\tgold ")],                  unclear,  Fit::Yes),
            ("in capitals",              &[("x-tier", "GOLD")],                     unclear,  Fit::Yes),
            ("by another name",          &[("x_tier", "gold")],                     unclear,  unclear),
            ("with a dot",               &[("x.tier", "gold")],                     unclear,  unclear),
            ("by both names",            &[("x-tier", "gold"), ("x_tier", "a")],    unclear,  Fit::Yes),
            ("another by another name",  &[("x_tier", "a")],                        Fit::No,  unclear),
        ];
        let long = ",".repeat(4097);
        let cases = cases.iter().map(|(name, lines, exact, there)| (*name, *lines, *exact, *there));
        let too_long = [("x-tier", long.as_str())];
        for (name, lines, exact, there) in cases.chain([("too long", &too_long[..], unclear, Fit::Yes)]) {
            let fields: Vec<_> =
                lines.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
            let fits = |test| HeaderMatch { name: "x-tier".to_owned(), test }.fits(RequestHead::new(&fields));
            assert_eq!(fits(HeaderTest::Exact("gold".to_owned())), exact, "{name}");
            assert_eq!(fits(HeaderTest::Present(true)), there, "{name}");
            let absent = match there {
                Fit::Yes => Fit::No,
                Fit::No => Fit::Yes,
                Fit::Unclear(_) => unclear,
            };
            assert_eq!(fits(HeaderTest::Present(false)), absent, "{name}");
        }
    }

    #[test]
    fn a_text_with_a_comma_may_be_found_in_another_spelling() {
        // PTH-07
        let test = HeaderTest::Exact("a, b".to_owned());
        let matcher = HeaderMatch { name: "x-roles".to_owned(), test };
        for (value, want) in [
            ("a, b", Fit::Yes),
            ("A, B", Fit::Unclear(Doubt::Field)),
            (" a, b", Fit::Unclear(Doubt::Field)),
            ("a", Fit::No),
        ] {
            let fields = [(b"x-roles".to_vec(), value.as_bytes().to_vec())];
            assert_eq!(matcher.fits(RequestHead::new(&fields)), want, "{value}");
        }
    }
}
