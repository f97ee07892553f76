//! The words that users read: documents, help texts, keys, messages. A list of phrases that are not plain
//! English, each with a better one; a page or a string that has one of them fails with its line.

#![expect(clippy::expect_used, reason = "what cannot be read must stop the test")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::ROOT;

/// A phrase, in lower case, and what to write instead.
const PHRASES: [(&str, &str); 28] = [
    ("is none", "say what is missing, or \"is rejected\""),
    ("are none", "say what is missing, or \"are rejected\""),
    ("so long may", "\"may … for up to this long\""),
    ("nobody whom", "name who is rejected, and with which status"),
    ("of this world", "leave it out"),
    ("is informative", "\"is not used\""),
    ("who tells", "\"where … comes from\""),
    ("whom to ask", "\"where tokens are introspected\""),
    ("is no good", "\"is not valid\""),
    ("fault(s)", "\"error(s)\""),
    ("lets nobody pass", "\"rejects every request\""),
    ("gave no answer", "\"is unavailable\", or \"did not respond\""),
    (" fault", "\"error\""),
    ("is demanded", "\"is required\""),
    ("nobody can tell", "say what is unknown"),
    ("not yours to set", "\"cannot be set here\""),
    ("whoever", "name them, or \"anyone who\""),
    ("will do", "\"is enough\", or \"is accepted\""),
    ("all the same", "\"anyway\", or \"still\""),
    ("refuses us", "name what is rejected"),
    ("throttles us", "\"limits the rate of calls\""),
    ("answers 200", "\"responds with 200\""),
    ("is unwell", "say what failed"),
    (" on the way", "\"on the network path\", or \"in transit\""),
    ("is no url", "\"is not a URL\""),
    ("is no text", "\"is not text\""),
    ("is no number", "\"is not a number\""),
    ("is no file", "\"is not a file\""),
];

/// More of them, for documents: code may have a type or a verdict of this name.
const IN_DOCUMENTS: [(&str, &str); 6] = [
    ("fault", "\"error\""),
    ("answer", "\"response\""),
    ("looked at", "\"checked\" or \"read\""),
    ("remembered", "\"cached\" or \"stored\""),
    ("asked about", "\"introspected\""),
    ("is refused", "\"is rejected\""),
];

/// And for comments.
const IN_COMMENTS: [(&str, &str); 7] = [
    ("answer", "\"response\""),
    ("fault", "\"error\""),
    ("looked at", "\"checked\" or \"read\""),
    ("remembered", "\"cached\" or \"stored\""),
    ("is asked", "\"is called\""),
    ("somebody", "name them"),
    ("in vain", "say what failed"),
];

/// Words of the interface that contain a phrase.
const NAMES: [&str; 3] = ["bad_answer", "no_answer", "default"];

#[test]
fn documents_are_in_plain_english() {
    let mut found = Vec::new();
    for page in documents() {
        let name = relative(&page);
        for (number, line) in (1..).zip(fs::read_to_string(&page).expect("text").lines()) {
            let line = without_tests(line);
            found.extend(offences(&line, PHRASES.iter().chain(&IN_DOCUMENTS), &format!("{name}:{number}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn messages_are_in_plain_english_and_comments_say_something() {
    let mut found = Vec::new();
    for file in sources(&Path::new(ROOT).join("src")) {
        let text = fs::read_to_string(&file).expect("text");
        for (number, line) in (1..).zip(shipped(&text).lines()) {
            let place = format!("{}:{number}", relative(&file));
            if is_filler(line) {
                found.push(format!("{place}: a comment that says nothing: {}", line.trim()));
            }
            let is_comment = line.trim_start().starts_with("//");
            if is_comment {
                found.extend(offences(&said(line), PHRASES.iter().chain(&IN_COMMENTS), &place));
            } else {
                found.extend(offences(&quoted(line), PHRASES.iter(), &place));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_lint_finds_what_is_planted() {
    let all = || PHRASES.iter().chain(&IN_DOCUMENTS);
    assert_eq!(offences("An expired answer is none.", all(), "a.md:1").len(), 2);
    assert_eq!(offences("So long may it pass.", all(), "a.md:1").len(), 1);
    assert_eq!(without_tests("An `answer` of `a.rs::no_answer`."), "An  answer  of  .");
    assert_eq!(offences("`bad_answer` is the default.", all(), "a.md:1"), Vec::<String>::new());
    assert!(is_filler("    /// Where.") && is_filler("/// How many."));
    assert!(!is_filler("    /// Where the key is, from the top."));
    assert_eq!(said("    /// An answer of [`Fault`]."), "An answer of [ ].");
    assert_eq!(said("    let x = 1; // an answer"), "");
    assert_eq!(quoted(r#"log("a b", x, "c")"#), "a b c");
    assert_eq!(quoted(r#"json!({"faults": n, "at": "a"})"#), "a");
    assert_eq!(offences("4 faults; any of these will do.", all(), "a.rs:1").len(), 3);
    assert_eq!(shipped("fn a() {}\nmod tests {\n x"), "fn a() {}");
}

/// What is wrong with a line.
fn offences<'a>(
    line: &str,
    phrases: impl Iterator<Item = &'a (&'a str, &'a str)>,
    place: &str,
) -> Vec<String> {
    let mut text = line.to_lowercase();
    for name in NAMES {
        text = text.replace(name, "");
    }
    let words = |(phrase, better): &(&str, &str)| {
        let ends =
            |rest: &str| !rest.starts_with(|c: char| c.is_ascii_lowercase()) || !phrase.ends_with("none");
        let is_there = text
            .match_indices(phrase)
            .any(|(at, _)| ends(text.get(at.saturating_add(phrase.len())..).unwrap_or("")));
        is_there.then(|| format!("{place}: \"{phrase}\"; better: {better}"))
    };
    phrases.filter_map(words).collect()
}

/// A line without the names of tests: `` `tests/engine/model.rs::a_test` ``; and without code, where that is a column.
fn without_tests(line: &str) -> String {
    let has_code = line.starts_with("| `") && line.contains(".rs`: `");
    let pieces = line.split('`').enumerate();
    let said = pieces.filter(|(at, piece)| at % 2 == 0 || !has_code && !piece.contains(".rs::"));
    said.map(|(_, piece)| piece).collect::<Vec<_>>().join(" ")
}

/// A doc comment of one question word, or two.
fn is_filler(line: &str) -> bool {
    const EMPTY: [&str; 10] =
        ["Where", "What", "Who", "Which", "When", "Why", "How many", "How much", "The least", "The most"];
    let text = line.trim().strip_prefix("/// ");
    text.is_some_and(|text| EMPTY.contains(&text.trim_end_matches('.')))
}

/// What is between quotation marks on a line, except for the keys of JSON.
fn quoted(line: &str) -> String {
    let pieces: Vec<_> = line.split('"').skip(1).collect();
    let is_key = |after: Option<&&str>| after.is_some_and(|after| after.starts_with(':'));
    let texts = pieces.chunks(2).filter(|pair| !is_key(pair.get(1)));
    texts.filter_map(|pair| pair.first().copied()).collect::<Vec<_>>().join(" ")
}

/// What a doc comment says in its own words: without code, without drawings, and without the names of what it links to.
fn said(line: &str) -> String {
    let line = line.trim_start();
    let words = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! ")).unwrap_or_default();
    if words.starts_with(' ') {
        return String::new();
    }
    words.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// A source file without its tests.
fn shipped(text: &str) -> &str {
    text.split_once("\nmod tests {").map_or(text, |(code, _)| code)
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut pages: Vec<_> =
        ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "envoy/README.md", "tests/README.md"]
            .map(|name| root.join(name))
            .into();
    pages.extend(tollgate_cases::page::of_the_book().iter().map(|page| root.join(&page.name)));
    for directory in ["envoy", "envoy/demo", "envoy/istio"] {
        for entry in fs::read_dir(root.join(directory)).expect("a directory of this repository") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|kind| kind == "md" || kind == "yaml") {
                pages.push(path);
            }
        }
    }
    pages
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory of this repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files
}

fn relative(path: &Path) -> String {
    path.strip_prefix(ROOT).unwrap_or(path).display().to_string()
}
