//! `docs/conformance.md` and the tests say the same: an ID that the table calls tested is quoted by a
//! test, and an ID that is quoted is in the table.

#![expect(clippy::expect_used, reason = "what cannot be read must stop the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The sections of the table, by the letters of their IDs.
const SECTIONS: [&str; 32] = [
    "OAU", "BRR", "INT", "EVT", "STR", "TSL", "JIR", "JWT", "ATJ", "DSC", "DCR", "CAS", "MTL", "DPP", "STP",
    "PRM", "MCP", "RSI", "RAR", "ACT", "HTT", "PRB", "UIN", "FAP", "BCP", "COR", "GRP", "PTH", "HDR", "PWX",
    "MUL", "ATK",
];

/// What a row says about where its requirement is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Shown {
    ByTest,
    NotHere,
}

#[test]
fn the_table_and_the_tests_agree() {
    let (table, mut faults) = table();
    let tests = quoted(tests_of);
    for (id, shown) in &table {
        match (shown, tests.get(id)) {
            (Shown::ByTest, None) => {
                faults.push(format!("{id} is \"test\" in the table, and no test quotes it"));
            }
            (Shown::NotHere, Some(files)) => {
                faults.push(format!("{id} is \"not here\" in the table, and {} quotes it", files.join(", ")));
            }
            (Shown::ByTest, Some(_)) | (Shown::NotHere, None) => {}
        }
    }
    for (id, files) in &quoted(|_, text| text) {
        if !table.contains_key(id) {
            faults.push(format!("{id} is quoted by {}, and has no row", files.join(", ")));
        }
    }
    assert!(faults.is_empty(), "docs/conformance.md and the tests disagree:\n  {}", faults.join("\n  "));
}

#[test]
fn every_section_has_a_row() {
    let (table, _) = table();
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

#[test]
fn only_tests_show_anything() {
    let source = "//! BRR-04\nfn f() {} // BRR-05\n#[cfg(test)]\nmod tests {\n    // BRR-06\n}\n";
    let cases =
        [("code", "src/a.rs", vec!["BRR-06"]), ("a test", "tests/a.rs", vec!["BRR-04", "BRR-05", "BRR-06"])];
    for (name, file, want) in cases {
        assert_eq!(ids(tests_of(file, source)).into_iter().collect::<Vec<_>>(), want, "{name}");
    }
    assert_eq!(tests_of("src/a.rs", "// BRR-04"), "", "code without tests");
}

#[test]
fn bad_rows_are_all_named() {
    let text = "| ID | what | where |\n| --- | --- | --- |\n| BRR-01 | a | test |\n| BRR-01 | b | test |\n| BRR-2 | c | test |\n\
                | BRR-03 |  | test |\n| BRR-04 | d | not here: |\n| BRR-05 | e |\n| JWT | f | test |\n| JWT | f | not here: g |\n";
    let (rows, faults) = rows(text);
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["BRR-01", "JWT"]);
    assert_eq!(faults.len(), 6, "{faults:#?}");
}

/// The rows of the page, and what is wrong with it.
fn table() -> (BTreeMap<String, Shown>, Vec<String>) {
    rows(&fs::read_to_string(root().join("docs/conformance.md")).expect("docs/conformance.md"))
}

/// The rows: `| ID | what | where |`. A bare section stands for all of it and is never tested.
fn rows(text: &str) -> (BTreeMap<String, Shown>, Vec<String>) {
    let (mut rows, mut faults) = (BTreeMap::new(), Vec::new());
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        match row(line) {
            Ok(None) => {}
            Ok(Some((id, shown))) if !rows.contains_key(id) => drop(rows.insert(id.to_owned(), shown)),
            Ok(Some((id, _))) => faults.push(format!("{id} has two rows")),
            Err(fault) => faults.push(format!("{fault}: {line}")),
        }
    }
    (rows, faults)
}

fn row(line: &str) -> Result<Option<(&str, Shown)>, &'static str> {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [id, what, place] = cells[..] else { return Err("not three cells") };
    if id == "ID" || id == "---" {
        return Ok(None);
    }
    let is_section = SECTIONS.contains(&id);
    if !is_section && !ids(id).contains(id) {
        return Err("no ID");
    }
    if what.is_empty() {
        return Err("says nothing");
    }
    match place.strip_prefix("not here:") {
        Some(reason) if !reason.trim().is_empty() => Ok(Some((id, Shown::NotHere))),
        None if place == "test" && !is_section => Ok(Some((id, Shown::ByTest))),
        _ => Err("neither \"test\" nor \"not here: reason\""),
    }
}

/// What of a file is tests: all that is below `tests/`, and the test module at the end of a source file.
/// An ID in the documentation of code shows nothing.
fn tests_of<'a>(file: &str, text: &'a str) -> &'a str {
    if file.starts_with("src") {
        text.split_once("\nmod tests {").map_or("", |(_, tests)| tests)
    } else {
        text
    }
}

/// Every ID that is quoted in a part of a file, and the files that quote it.
fn quoted(part: impl for<'a> Fn(&str, &'a str) -> &'a str) -> BTreeMap<String, Vec<String>> {
    let mut quoted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for directory in ["src", "tests"] {
        for file in files_below(&root().join(directory)) {
            let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
            // These words are about IDs.
            if name == file!() {
                continue;
            }
            for id in ids(part(&name, &fs::read_to_string(&file).expect("text"))) {
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
    Path::new(crate::ROOT)
}
