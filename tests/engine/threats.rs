//! `docs/threat-model.md` and the tests say the same: a row that says what is stopped names the tests that
//! show it, and each of them exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::ROOT;

/// The header of the column with the pointers.
const SHOWN_BY: &str = "Shown by";

/// The tables that say nothing of what is stopped, by the header of their first column. (`switches.rs` holds
/// those of the switches to the table of keys.)
const OF_NOTHING_STOPPED: [&str; 4] = ["Asset", "Attacker", "Not stopped", "Switch"];

#[test]
fn every_row_names_a_test_that_exists() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/threat-model.md")).unwrap();
    let found = Found::in_page(&text, &Tests::of_the_repository());
    assert!(found.errors.is_empty(), "docs/threat-model.md:\n  {}", found.errors.join("\n  "));
    assert!(found.pointers > 100, "only {} pointers", found.pointers);
}

#[test]
fn what_is_planted_is_found() {
    let tests = Tests {
        vectors: BTreeMap::from([(
            "paths".to_owned(),
            BTreeSet::from(["PTH-01".to_owned(), "PTH-02".to_owned()]),
        )]),
    };
    let here = "`tests/engine/threats.rs::what_is_planted_is_found`";
    #[rustfmt::skip]
    let cases = [
        ("a test",                       here.to_owned(),                                  ""),
        ("vectors",                      "`paths.json` PTH-01, PTH-02".to_owned(),         ""),
        ("both",                         format!("`paths.json` PTH-02; {here}"),           ""),
        ("a test in Python",             "`tests/release/test_dist.py::test_every_file_has_its_checksum`".to_owned(), ""),
        ("nothing",                      String::new(),                                    "names no test"),
        ("words",                        "the tests".to_owned(),                           "\"the\" is not a pointer"),
        ("no such file",                 "`tests/engine/none.rs::a`".to_owned(),           "there is no file tests/engine/none.rs"),
        ("no such test",                 "`tests/engine/threats.rs::nothing`".to_owned(),  "has no test nothing"),
        ("a function that is not one",   "`tests/engine/threats.rs::words`".to_owned(),    "has no test words"),
        ("a file of code",               "`src/engine/lib.rs`".to_owned(),                 "is not a pointer"),
        ("no such vectors",              "`none.json` PTH-01".to_owned(),                  "there is no tests/vectors/none.json"),
        ("vectors without an ID",        "`paths.json`".to_owned(),                        "paths.json without an ID"),
        ("an ID that is elsewhere",      "`paths.json` PTH-03".to_owned(),                 "no case of paths.json has PTH-03"),
        ("an ID without vectors",        "PTH-01".to_owned(),                              "PTH-01 is not behind a file"),
        ("an ID behind a test",          format!("`paths.json` PTH-01, {here}, PTH-02"),   "PTH-02 is not behind a file"),
    ];
    for (name, cell, want) in cases {
        let page = format!("| A client tries | Shown by |\n| --- | --- |\n| x | {cell} |\n");
        let errors = Found::in_page(&page, &tests).errors;
        match want {
            "" => assert!(errors.is_empty(), "{name}: {errors:?}"),
            want => assert!(errors.len() == 1 && errors[0].contains(want), "{name}: {errors:?}"),
        }
    }
    #[rustfmt::skip]
    let tables = [
        ("a table without the column", "| A client tries | What happens |\n| --- | --- |\n| x | y |\n", 1),
        ("a row with a cell too few",  "| A | B | Shown by |\n| --- | --- | --- |\n| x | `paths.json` PTH-01 |\n", 1),
        ("a table of switches",        "| Switch | What it costs |\n| --- | --- |\n| `a` | b |\n", 0),
        ("no table",                   "x\n\ny\n", 0),
    ];
    for (name, page, want) in tables {
        assert_eq!(Found::in_page(page, &tests).errors.len(), want, "{name}");
    }
}

/// What a page points to, and what is wrong with it.
#[derive(Debug, Default)]
struct Found {
    pointers: usize,
    errors: Vec<String>,
}

impl Found {
    fn in_page(text: &str, tests: &Tests) -> Self {
        let mut found = Self::default();
        let mut header: Option<Vec<&str>> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let Some(row) = line.strip_prefix("| ") else {
                header = None;
                continue;
            };
            let cells: Vec<_> = row.trim_end().trim_end_matches('|').split('|').map(str::trim).collect();
            match &header {
                None => {
                    found.header(number, &cells);
                    header = Some(cells);
                }
                Some(header) if header.last() == Some(&SHOWN_BY) && !cells[0].starts_with("---") => {
                    found.row(number, header.len(), &cells, tests);
                }
                Some(_) => {}
            }
        }
        found
    }

    fn header(&mut self, number: usize, cells: &[&str]) {
        if cells.last() != Some(&SHOWN_BY) && !OF_NOTHING_STOPPED.contains(&cells[0]) {
            self.errors
                .push(format!("line {number}: the table of {:?} has no column {SHOWN_BY:?}", cells[0]));
        }
    }

    fn row(&mut self, number: usize, columns: usize, cells: &[&str], tests: &Tests) {
        if cells.len() != columns {
            self.errors.push(format!("line {number}: {} cells, expected {columns}", cells.len()));
            return;
        }
        match tests.count(cells[columns - 1]) {
            Ok(0) => self.errors.push(format!("line {number}: the row {:?} names no test", cells[0])),
            Ok(pointers) => self.pointers += pointers,
            Err(error) => self.errors.push(format!("line {number}: {error}")),
        }
    }
}

/// What can be pointed to.
struct Tests {
    /// The IDs of the cases, by the file of `tests/vectors`.
    vectors: BTreeMap<String, BTreeSet<String>>,
}

impl Tests {
    fn of_the_repository() -> Self {
        let files = tollgate_cases::load_all().into_iter();
        let ids = |file: tollgate_cases::File| {
            (file.name, file.cases.into_iter().flat_map(|case| case.ids).collect())
        };
        Self { vectors: files.map(ids).collect() }
    }

    /// How many pointers a cell has: `` `paths.json` PTH-01, PTH-02; `tests/engine/model.rs::a_test` ``.
    fn count(&self, cell: &str) -> Result<usize, String> {
        let (mut count, mut file) = (0, None);
        let mut without_id = None;
        for word in words(cell) {
            let span = word.strip_prefix('`').and_then(|word| word.strip_suffix('`'));
            let vectors = span.and_then(|span| span.strip_suffix(".json"));
            if let (Some(name), Some(_)) = (without_id, span) {
                return Err(format!("{name}.json without an ID"));
            }
            match (span, vectors) {
                (_, Some(name)) => {
                    let ids = self.vectors.get(name);
                    file = Some((name, ids.ok_or_else(|| format!("there is no tests/vectors/{name}.json"))?));
                    without_id = Some(name);
                }
                (Some(span), None) => {
                    exists(span)?;
                    (count, file) = (count + 1, None);
                }
                (None, None) => {
                    has_case(word, file)?;
                    (count, without_id) = (count + 1, None);
                }
            }
        }
        without_id.map_or(Ok(count), |name| Err(format!("{name}.json without an ID")))
    }
}

/// Whether an ID is one of those of a file of vectors.
fn has_case(id: &str, file: Option<(&str, &BTreeSet<String>)>) -> Result<(), String> {
    let is_id = id.split_once('-').is_some_and(|(section, number)| {
        section.len() == 3 && number.bytes().all(|digit| digit.is_ascii_digit())
    });
    match file {
        _ if !is_id => Err(format!("{id:?} is not a pointer")),
        None => Err(format!("{id} is not behind a file of tests/vectors")),
        Some((name, ids)) if !ids.contains(id) => Err(format!("no case of {name}.json has {id}")),
        Some(_) => Ok(()),
    }
}

/// The words of a cell, without what separates them.
fn words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([' ', ',', ';']).filter(|word| !word.is_empty())
}

/// Whether `path::name` is a test, in Rust or in Python.
fn exists(pointer: &str) -> Result<(), String> {
    let (path, name) = pointer.split_once("::").ok_or_else(|| format!("`{pointer}` is not a pointer"))?;
    let text =
        fs::read_to_string(Path::new(ROOT).join(path)).map_err(|_| format!("there is no file {path}"))?;
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_test = if Path::new(path).extension().is_some_and(|kind| kind == "py") {
        name.starts_with("test_") && lines.contains(&format!("def {name}(self):").as_str())
    } else {
        let start = format!("fn {name}(");
        let attributes = |at: usize| lines[..at].iter().rev().take_while(|line| line.starts_with(['#', '/']));
        (0..lines.len())
            .any(|at| lines[at].starts_with(&start) && attributes(at).any(|line| *line == "#[test]"))
    };
    if is_test { Ok(()) } else { Err(format!("{path} has no test {name}")) }
}
