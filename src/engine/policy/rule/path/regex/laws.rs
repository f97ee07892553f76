//! Compared with the crate `regex-lite`: both accept the same expressions, and match the same texts.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;

use super::Regex;

proptest! {
    #[test]
    fn expressions_mean_what_they_mean_elsewhere(parts in proptest::collection::vec(PART, 0..10), text in TEXT, other in TEXT) {
        same(&parts.concat(), &[&text, &other, ""])?;
    }

    #[test]
    fn groups_mean_what_they_mean_elsewhere(
        a in PART, b in PART, c in PART, open in r"\(|\(\?:|\(\?i:|\(\?-i:|\(\?s-m:|\(\?P<n>|\(\?<n>", times in TIMES, more in TIMES, text in TEXT
    ) {
        same(&format!("/{open}{a}{b}|{c}){times}{more}{b}"), &[&text, "", "/", "/a", "/aa", "/A", "/ab"])?;
    }

    #[test]
    fn classes_mean_what_they_mean_elsewhere(class in r"[\[\]^a-cA\\dDwWsSxbn0-9.:&~ -]{0,6}|\^?(\[:\^?(alpha|digit|lower|punct|space|word|xdigit|cntrl|blank|upper|graph|print|ascii|alnum|x):\]|[a-c_]|\\[dDwWsS]){0,3}", text in r"[a-cA-C0-9_\[\]^.:&~ -]{0,3}|\PC") {
        same(&format!("[{class}]*"), &[&text])?;
        same(&format!("[{class}]"), &[&text])?;
    }

    #[test]
    fn the_same_texts_are_no_expressions(text in r"[\[\](){}^$a-c,0-3.*+?|\\dDwWbBAzpQnUuimsP<>:=!-]{0,8}") {
        same(&text, &["", "a", "ab", "/"])?;
    }
}

const PART: &str = r"[abA/_-]|\.|\\[.*dDwWsSbBAznt/]|\^|\$|\||\*|\+|\?|\*\?|\(\?i\)|\(\?-i\)|\(\?ms\)|\[ab\]|\[\^a\]|\[A-C/\]|\\x61|\\x\{2f\}|\\u0041|\{2\}|\{0,2\}|\{1,\}|\{0\}|\(|\)|\(a\|b\)|\(\?:/a\)|\(\)|\[\[:alpha:\]\]|\n|é";
const TIMES: &str = r"|\*|\+|\?|\+\?|\{0\}|\{1\}|\{2\}|\{0,1\}|\{0,3\}|\{2,3\}|\{1,\}|\{2,\}";
const TEXT: &str = r"[abA/_.-]{0,5}|(/[ab]{0,2}){0,3}|[a\nAé]{0,3}";

/// Whether both accept the expression, and match these texts alike. What `regex-lite` has and RE2 has not is left out;
/// so are escapes in classes, whose other case `regex-lite` does not read, and names of groups.
fn same(expression: &str, texts: &[&str]) -> Result<(), TestCaseError> {
    let ours = Regex::parse(expression);
    let theirs = |any_case| {
        regex_lite::RegexBuilder::new(&format!("^(?:{expression})$")).case_insensitive(any_case).build()
    };
    if let (Ok(_), Ok(exact), Ok(folded)) = (regex_lite::Regex::new(expression), theirs(false), theirs(true))
    {
        let is_left_out =
            [r"\<", r"\>", r"\b{", "(?R", "R)", "R:"].iter().any(|part| expression.contains(part));
        if is_left_out {
            return Ok(());
        }
        // What RE2 reads otherwise, or not at all, is refused.
        if ours.is_err() && is_read_otherwise(expression) {
            return Ok(());
        }
        prop_assert!(ours.is_ok(), "{:?}", expression);
        for text in texts {
            let is_match = |any_case| ours.as_ref().map(|ours| ours.is_match(text, any_case)).ok();
            prop_assert_eq!(is_match(false), Some(exact.is_match(text)), "{:?}", expression);
            // Of a complement, others take the other case before it or after it.
            if !has_wide_range(expression) && !expression.contains("[:^") {
                prop_assert_eq!(is_match(true), Some(folded.is_match(text)), "{:?}", expression);
            }
        }
    } else {
        let is_left_out =
            expression.contains('<') || expression.contains(r"\x") || expression.contains(r"\u");
        prop_assert!(is_left_out || ours.is_err(), "{:?}", expression);
    }
    Ok(())
}

/// Whether RE2 may refuse an expression that `regex-lite` accepts, or read it otherwise.
fn is_read_otherwise(expression: &str) -> bool {
    let parts = ["[-", "[^-", "[]", "[^]", "{0", ",0", "[:^", r"\u", r"\U", "<n>", "<m>"];
    let is_repetition = |byte: u8| matches!(byte, b'*' | b'+' | b'?' | b'{');
    let begins = |rest: &str| rest.bytes().next().is_some_and(is_repetition);
    let is_repeated =
        |(at, sign): (usize, &str)| begins(expression[at..].strip_prefix(sign).unwrap_or_default());
    let is_twice = ["*", "+", "?", "}"].iter().any(|sign| expression.match_indices(sign).any(is_repeated));
    let flags_before = |at: usize| expression[..at].rsplit_once("(?").map(|(_, flags)| flags);
    let is_flags = |flags: &str| flags.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    let mut ends = expression.match_indices(')');
    let is_behind_flags = ends.any(|end| is_repeated(end) && flags_before(end.0).is_some_and(is_flags));
    let mut groups = expression.split("(?").skip(1);
    let has_flag_u =
        groups.any(|flags| flags.split([':', ')']).next().is_some_and(|flags| flags.contains('u')));
    let has_part = parts.iter().any(|part| expression.contains(part));
    !expression.is_ascii() || is_twice || is_behind_flags || has_flag_u || has_part
}

/// Whether a range begins before the small letters and ends in them: of such a one, `regex-lite` adds only the capitals.
fn has_wide_range(expression: &str) -> bool {
    let chars: Vec<char> = expression.chars().collect();
    chars.windows(3).any(|three| matches!(three, ['\0'..='Z', '-', '\\' | 'a'..]))
}

#[test]
fn what_re2_reads_otherwise_is_refused() {
    // PTH-17: Envoy's own expressions are RE2's.
    for expression in ["[--/]", "[^--/]", "[--9]", "[]-a]", "[^]-a]", "a{02}", "a{0,02}", "(?i)[[:^lower:]]"]
    {
        assert!(Regex::parse(expression).is_err(), "{expression}");
    }
    for expression in ["[-a]", "[--]", "[]-]", "[]a]", "[a-]", "a{0}", "a{0,10}", "[[:^lower:]]"] {
        assert!(Regex::parse(expression).is_ok(), "{expression}");
    }
}
