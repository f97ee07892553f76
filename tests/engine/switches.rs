//! Every switch that lowers security: the table of keys says which values do, and the threat model what
//! they cost. The two agree.

use std::collections::BTreeMap;

use serde_json::Value;
use tollgate_config::keys::CONFIGURATION;
use tollgate_config::schema::{Kind, Lowers, When};

/// What lowers security, by path: `providers.*.introspection.token_in`, `rules.access`.
type Switches = BTreeMap<String, Option<Lowers>>;

#[test]
fn every_row_of_the_threat_model_is_a_key_that_lowers_security() {
    let keys = keys();
    for Row { cell, spans } in rows() {
        let found = resolve(&spans, &keys);
        assert!(!found.is_empty(), "{cell}: no such key");
        for (path, lowers) in &found {
            let lowers = lowers
                .unwrap_or_else(|| panic!("{cell}: the key {path} does not say that it lowers security"));
            match lowers.when {
                When::Words(words) => {
                    let named = |word: &&str| spans.iter().any(|span| span.ends_with(*word));
                    assert!(words.iter().all(named), "{cell}: expected {words:?}");
                }
                When::Above(_) => {
                    let is_said = cell.contains("raised") || cell.contains("or more");
                    assert!(is_said, "{cell}: {path} lowers security when it is raised");
                }
                When::Below(_) => assert!(cell.contains("too small"), "{cell}: {path} does when it is small"),
                When::Set | When::Off => {}
            }
        }
        let (_, value) = spans[0].split_once(": ").unwrap_or_default();
        if let (false, Some((path, Some(lowers)))) = (value.is_empty(), found.first()) {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            assert!(lowers.when.holds(&value), "{cell}: {path} does not lower security with {value}");
        }
    }
}

#[test]
fn every_key_that_lowers_security_has_a_row_in_the_threat_model() {
    let keys = keys();
    let known: Vec<String> =
        rows().iter().flat_map(|row| resolve(&row.spans, &keys)).map(|(path, _)| path).collect();
    for (path, lowers) in &keys {
        assert!(lowers.is_none() || known.contains(path), "docs/threat-model.md has no row for {path}");
    }
    assert!(keys.values().flatten().count() > 20);
}

#[test]
fn what_lowers_security_is_said_in_one_place() {
    fn walk(kind: &Kind) {
        for key in kind.object().into_iter().flat_map(|object| object.keys) {
            assert!(!key.doc.contains("owers security"), "{}: use Declared::lowers", key.name);
            walk(&key.kind);
        }
        kind.entries().into_iter().for_each(walk);
    }
    walk(&CONFIGURATION);
}

/// A row of the table of switches.
struct Row {
    /// Its first cell.
    cell: String,
    /// What stands in backticks there.
    spans: Vec<String>,
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(format!("{}/docs/threat-model.md", crate::ROOT)).unwrap();
    let (_, table) = text.split_once("## Every switch that lowers security").unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = cells.map(|line| format!("`{}", line.split(" | ").next().unwrap()));
    let rows: Vec<_> = cells
        .map(|cell| {
            let spans = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            Row { cell, spans }
        })
        .collect();
    assert!(rows.len() > 20);
    rows
}

/// The keys that a row is about: its first span is one, or the end of one; another span is one beside the
/// first, or the end of one, or else a value.
fn resolve(spans: &[String], keys: &Switches) -> Vec<(String, Option<Lowers>)> {
    let mut found: Vec<(String, Option<Lowers>)> = Vec::new();
    for (i, span) in spans.iter().enumerate() {
        let name = span.split(": ").next().unwrap().replace("[]", "");
        let beside = found.first().and_then(|(first, _)| first.rsplit_once('.'));
        let beside =
            beside.map(|(parent, _)| format!("{parent}.{name}")).filter(|path| keys.contains_key(path));
        let is_it = |path: &str| match &beside {
            Some(beside) => path == beside,
            None => path == name || path.ends_with(&format!(".{name}")),
        };
        let these = keys.iter().filter(|(path, lowers)| is_it(path) && (i == 0 || lowers.is_some()));
        // A single word behind the first is as likely a value.
        found.extend(these.map(|(path, lowers)| (path.clone(), *lowers)));
    }
    found
}

fn keys() -> Switches {
    let mut keys = Switches::new();
    walk("", &CONFIGURATION, &mut keys);
    keys
}

fn walk(path: &str, kind: &Kind, keys: &mut Switches) {
    for key in kind.object().into_iter().flat_map(|object| object.keys) {
        let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        keys.insert(path.clone(), key.lowers);
        walk(&path, &key.kind, keys);
    }
    if let Some(of) = kind.entries() {
        let path = if matches!(kind, Kind::Map { .. }) { format!("{path}.*") } else { path.to_owned() };
        walk(&path, of, keys);
    }
}
