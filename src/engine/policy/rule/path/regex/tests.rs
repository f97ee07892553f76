use super::Regex;
use super::RegexFault::{self, NotAscii, Syntax, TooLarge, Verbose};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn what_matches() {
    #[rustfmt::skip]
    let cases = [
        // name, expression, texts that match, texts that do not
        ("nothing",              "",                      vec![""],                      vec!["a"]),
        ("characters",           "/a",                    vec!["/a"],                    vec!["/", "/ab", "x/a", "/A"]),
        ("any character",        "a.c",                   vec!["abc", "a\u{e9}c"],       vec!["ac", "a\nc"]),
        ("any character at all", "(?s)a.c",               vec!["a\nc"],                  vec![]),
        ("alternatives",         "a|bc|",                 vec!["a", "bc", ""],           vec!["ab", "b"]),
        ("of a group",           "x(a|b)*y",              vec!["xy", "xaby"],            vec!["xaxby", "x"]),
        ("once or not",          "ab?",                   vec!["a", "ab"],               vec!["abb", "b"]),
        ("often",                "ab+",                   vec!["ab", "abb"],             vec!["a"]),
        ("so often",             "a{2}",                  vec!["aa"],                    vec!["a", "aaa"]),
        ("at least so often",    "a{2,}",                 vec!["aa", "aaaa"],            vec!["a"]),
        ("at most so often",     "(ab){0,2}",             vec!["", "ab", "abab"],        vec!["aba", "ababab"]),
        ("between",              "a{2,3}",                vec!["aa", "aaa"],             vec!["a", "aaaa"]),
        ("never",                "xa{0}",                 vec!["x"],                     vec!["xa"]),
        ("nothing, often",       "(|a)*b",                vec!["b", "aab"],              vec!["", "a"]),
        ("lazily",               "(?U)a*?b+?",            vec!["b", "aab"],              vec!["a"]),
        ("a repetition again",   "(a+)*",                 vec!["", "aa"],                vec!["b"]),
        ("a class",              "[a-c_]+",               vec!["abc_"],                  vec!["", "d", "-"]),
        ("all others",           "[^/]+",                 vec!["a-\u{e9}"],             vec!["", "a/b"]),
        ("brackets and hyphens", "[]a-][-x]",             vec!["]-", "-x", "a-"],        vec!["^-"]),
        ("a hyphen alone",       "[-]a]",                 vec!["-a]"],                   vec!["a", "]"]),
        ("classes in a class",   r"[\d[:upper:]]",        vec!["1", "A"],                vec!["a", ":"]),
        ("their others",         r"[\D]",                 vec!["a", "\u{e9}"],          vec!["1"]),
        ("others between two",   r"\W",                   vec!["`", "@", "\x7f"],        vec!["_", "a", "Z"]),
        ("the others of others", r"[^\W]",                vec!["a", "_"],                vec!["-", "\u{e9}"]),
        ("named classes",        "[[:^alpha:]]",          vec!["1", "\u{e9}", "["],     vec!["a", "Z"]),
        ("escapes",              r"\/\.\x41\x{61}",       vec!["/.Aa"],                  vec![]),
        ("anchors",              r"^\A/a\z$",             vec!["/a"],                    vec!["/a\n"]),
        ("anchors inside",       "a(^|b)c$|d^",           vec!["abc"],                   vec!["ac", "d"]),
        ("anchors of lines",     "(?m)a$\n^b",            vec!["a\nb"],                  vec!["ab"]),
        ("the start of a line",  "a\n^b",                 vec![],                        vec!["a\nb"]),
        ("the end of a line",    "a$\nb",                 vec![],                        vec!["a\nb"]),
        ("borders of words",     r"\ba\b-\Bb*\B",         vec!["a-"],                    vec!["ab", "a-b"]),
        ("none at an underscore", r"a\B_",                vec!["a_"],                    vec![]),
        ("one at a hyphen",      r"a\b_|b\b-",            vec!["b-"],                    vec!["a_"]),
        ("any case",             "(?i)aB[c-d](?-i)e",     vec!["AbCe"],                  vec!["abcE"]),
        ("of a group alone",     "(?i:a)b",               vec!["Ab"],                    vec!["AB"]),
        ("a named group",        "(?P<n>a)(?<m_1>b)",     vec!["ab"],                    vec![]),
    ];
    for (name, expression, matches, others) in cases {
        let regex = Regex::parse(expression).expect(name);
        for (text, want) in
            matches.iter().map(|text| (text, true)).chain(others.iter().map(|text| (text, false)))
        {
            assert_eq!(regex.is_match(text, false), want, "{name}: {text:?}");
        }
    }
}

#[test]
fn what_envoy_says() {
    // PTH-17: a real Envoy says the same of these (ring 4).
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../../../../../tests/regular-expressions.json")).unwrap();
    let texts = |case: &serde_json::Value, name: &str| case[name].as_array().cloned().unwrap_or_default();
    for case in &cases {
        let expression = case["expression"].as_str().unwrap();
        let regex = Regex::parse(expression);
        assert_eq!(regex.is_err(), case["is_refused_by"].is_string(), "{expression}");
        let Ok(regex) = regex else { continue };
        let is_match = |text: &serde_json::Value| regex.is_match(text.as_str().unwrap(), false);
        assert!(texts(case, "matches").iter().all(is_match), "{expression}");
        assert!(!texts(case, "others").iter().any(is_match), "{expression}");
    }
}

#[test]
fn in_any_case() {
    let is_match = |expression, text| Regex::parse(expression).unwrap().is_match(text, true);
    assert!(is_match("/a[b-c][^d]", "/AB\u{e9}") && is_match("(?i)a", "A"));
    assert!(!is_match("[^d]", "D") && !is_match("(?-i)a", "A") && is_match("(?-i:a)b", "aB"));
}

#[test]
fn what_is_no_expression() {
    let nested = |depth: usize| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
    let (deepest, deeper) = (nested(49), nested(50));
    #[rustfmt::skip]
    let cases: [(&str, RegexFault); 70] = [
        ("(", Syntax), (")", Syntax), ("a)(b", Syntax), ("(?", Syntax), ("(?)", Syntax), ("(?i", Syntax), ("(?-)", Syntax), ("(?ii)", Syntax), ("(?i-i)", Syntax),
        ("(?q)", Syntax), ("(?=a)", Syntax), ("(?!a)", Syntax), ("(?<=a)", Syntax), ("(?<!a)", Syntax), ("(?<>a)", Syntax), ("(?<1>a)", Syntax), ("(?P=n)", Syntax),
        ("*", Syntax), ("|+", Syntax), ("(?i)?", Syntax), ("{2}", Syntax), ("a{", Syntax), ("a{,2}", Syntax), ("a{2", Syntax), ("a{2,1}", Syntax), ("a{ 2 }", Syntax), ("a{x}", Syntax),
        ("[", Syntax), ("[]", Syntax), ("[a", Syntax), ("[^]", Syntax), ("[b-a]", Syntax), (r"[a-\d]", Syntax), (r"[\d-a]", Syntax), ("[[a]]", Syntax), ("[[:x:]]", Syntax), ("[a&&b]", Syntax), ("[a--b]", Syntax), ("[~~]", Syntax),
        (r"[\b]", Syntax), ("\\", Syntax), (r"\1", Syntax), (r"\pL", Syntax), (r"\Z", Syntax), (r"\Q", Syntax), (r"\<", Syntax), ("\\\u{e9}", NotAscii), (r"\x4", Syntax), (r"\x{}", Syntax), (r"\x{110000}", Syntax),
        ("a**", Syntax), ("a++", Syntax), ("a+*", Syntax), ("a{2}{3}", Syntax), ("a*{2}", Syntax), ("a??+", Syntax), ("a(?i)*", Syntax),
        ("(?u)a", Syntax), (r"\u0041", Syntax), (r"\U00000041", Syntax), (r"\x{e9}", Syntax), ("\u{e9}", NotAscii),
        ("a{1001}", TooLarge), ("a{1001,}", TooLarge), ("((a{2})*){501}", TooLarge),
        ("(?x)a", Verbose), (&deeper, TooLarge), ("a{5000}", TooLarge), ("(a{100}){100}", TooLarge), ("(){9999999}", TooLarge),
    ];
    for (expression, want) in cases {
        assert_eq!(Regex::parse(expression).err(), Some(want), "{expression}");
    }
    assert!(Regex::parse(&deepest).is_ok());
}

#[test]
fn how_large_an_expression_may_be() {
    // Weights of 2047 and 2048, of which the last is the largest.
    let (less, most) = ("a{1000}a{1000}a{47}", "a{1000}a{1000}a{48}");
    let (less, most) = (|more: &str| format!("{less}{more}"), |more: &str| format!("{most}{more}"));
    for expression in [most(""), less("b"), less("[b-d]"), less(r"\d"), less("^")] {
        assert!(Regex::parse(&expression).is_ok(), "{expression}");
    }
    #[rustfmt::skip]
    let too_large = [
        most("b"), most("[b]"), most("."), most(r"\d"), most("$"), most("|"), most("()*"),
        less("|"), less("bc"), less("b?"), less("b+"), less("b{2}"), less("[a-bd-e]"),
        "[acegikmoqsuwy]{293}".to_owned(), "(a{40}b){40}".to_owned(),
    ];
    for expression in too_large {
        assert_eq!(Regex::parse(&expression).err(), Some(TooLarge), "{expression}");
    }
}

#[test]
fn time_grows_with_the_text_alone() {
    // Each of these takes some engines exponential time.
    let text = "a".repeat(2000);
    for expression in ["(a*)*b", "(a|a)*b", "(a|aa)+b", "(.*){0,20}b", "((a?){20}){20}b", "a{0,600}a{0,300}b"]
    {
        assert!(!Regex::parse(expression).unwrap().is_match(&text, false), "{expression}");
    }
}
