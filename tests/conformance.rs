//! `docs/conformance.md` and the tests say the same: an ID that the table calls tested is quoted by a
//! test, and an ID that is quoted is in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The sections of the table, by the letters of their IDs.
const SECTIONS: [&str; 29] = [
    "OAU", "BRR", "INT", "JIR", "JWT", "ATJ", "DSC", "DCR", "CAS", "MTL", "DPP", "STP", "PRM", "MCP", "RSI",
    "RAR", "ACT", "HTT", "PRB", "UIN", "FAP", "BCP", "COR", "GRP", "PTH", "HDR", "PWX", "MUL", "ATK",
];

/// What a row says about where its requirement is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Shown {
    ByTest,
    NotHere,
}

#[test]
fn the_table_and_the_tests_agree() {
    let table = table();
    let quoted = quoted();
    let mut faults = Vec::new();
    for (id, shown) in &table {
        if *shown == Shown::ByTest && !quoted.contains_key(id) {
            faults.push(format!("{id} is \"test\" in the table, and no test quotes it"));
        }
        if *shown == Shown::NotHere && quoted.contains_key(id) {
            faults
                .push(format!("{id} is \"not here\" in the table, and {} quotes it", quoted[id].join(", ")));
        }
    }
    for (id, files) in &quoted {
        if !table.contains_key(id) {
            faults.push(format!("{id} is quoted by {}, and has no row", files.join(", ")));
        }
    }
    assert!(faults.is_empty(), "docs/conformance.md and the tests disagree:\n  {}", faults.join("\n  "));
}

#[test]
fn every_section_has_a_row() {
    let table = table();
    let missing: Vec<_> =
        SECTIONS.iter().filter(|section| !table.keys().any(|id| id.starts_with(**section))).collect();
    assert!(missing.is_empty(), "docs/conformance.md has no row for {missing:?}");
}

#[test]
fn ids_are_found_where_they_stand() {
    #[rustfmt::skip]
    let cases = [
        ("a comment",             "// BRR-04, ATK-104",         vec!["ATK-104", "BRR-04"]),
        ("a vector",              r#""ids": ["INT-01"],"#,      vec!["INT-01"]),
        ("the start of a name",   "(\"HTT-04 quotes\", x)",     vec!["HTT-04"]),
        ("a range counts twice",  "BRR-01..BRR-03",             vec!["BRR-01", "BRR-03"]),
        ("another word",          "UTF-16, SHA-256, XBRR-04",   vec![]),
        ("too many digits",       "BRR-0412 and INT-4",         vec![]),
    ];
    for (name, text, want) in cases {
        assert_eq!(ids(text).into_iter().collect::<Vec<_>>(), want, "{name}");
    }
}

/// The rows: `| ID | what | where |`. A bare section stands for all of it and is never tested.
fn table() -> BTreeMap<String, Shown> {
    let text = fs::read_to_string(root().join("docs/conformance.md")).expect("docs/conformance.md");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, what, place] = cells[..] else { panic!("not three cells: {line}") };
        if id == "ID" || id == "---" {
            continue;
        }
        let is_section = SECTIONS.contains(&id);
        assert!(is_section || ids(id).contains(id), "no ID: {line}");
        assert!(!what.is_empty(), "says nothing: {line}");
        let shown = match place.strip_prefix("not here:") {
            Some(reason) if !reason.trim().is_empty() => Shown::NotHere,
            None if place == "test" && !is_section => Shown::ByTest,
            _ => panic!("neither \"test\" nor \"not here: reason\": {line}"),
        };
        assert_eq!(rows.insert(id.to_owned(), shown), None, "{id} has two rows");
    }
    rows
}

/// Every ID that is quoted, and the files that quote it.
fn quoted() -> BTreeMap<String, Vec<String>> {
    let mut quoted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for directory in ["src", "tests"] {
        for file in files_below(&root().join(directory)) {
            let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
            // These words are about IDs.
            if name == file!() {
                continue;
            }
            for id in ids(&fs::read_to_string(&file).expect("text")) {
                quoted.entry(id).or_default().push(name.clone());
            }
        }
    }
    quoted
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    const KINDS: [&str; 5] = ["rs", "json", "py", "js", "mjs"];
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory of this repository") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && name != "node_modules" && name != "target" {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|kind| KINDS.iter().any(|known| kind == *known)) {
            files.push(path);
        }
    }
    files
}

/// The IDs in a text: the letters of a section, a hyphen, two or three digits, as a word of their own.
fn ids(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = text.split(|c: char| !is_word(c));
    let is_id = |word: &&str| {
        word.split_once('-').is_some_and(|(section, number)| {
            SECTIONS.contains(&section)
                && matches!(number.len(), 2..=3)
                && number.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    words.filter(is_id).map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
