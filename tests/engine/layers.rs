//! Imports run downwards: between the rooms of the engine, and in the command from commands to the kit.
//!
//! The floors are the table in `src/engine/lib.rs`. Tests inside of `src/` may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::ROOT;

/// What the engine has no use for: it performs no I/O and reads no clock. (Addresses are in `core::net`.)
const FORBIDDEN: [&str; 6] =
    ["proxy_wasm", "clap", "std::net", "std::fs", "std::time::SystemTime", "std::time::Instant"];

/// Sorts of the standard library: each is made for large data, and weighs up to 30 KB for every type in a module that
/// thousands of proxies compile. `BTreeMap::from` and `collect` into a `BTreeMap` sort, too; `insert` and `extend` do not.
const SORTS: [&str; 9] = [
    "sort",
    "sort_by",
    "sort_by_key",
    "sort_by_cached_key",
    "sort_unstable",
    "sort_unstable_by",
    "sort_unstable_by_key",
    "BTreeMap::from",
    "BTreeSet::from",
];

/// Commands that still import another one. The list only becomes shorter: what two commands share belongs in
/// `src/cli/kit`.
const COMMANDS_THAT_IMPORT: [(&str, &str); 0] = [];

#[test]
fn the_engine_imports_downwards() {
    let lib = std::fs::read_to_string(Path::new(ROOT).join("src/engine/lib.rs")).unwrap();
    let floors = floors(&lib);
    let rooms: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    for room in &rooms {
        assert!(
            floors.contains_key(*room),
            "{room} has no row in the table of src/engine/lib.rs: on which floor is it?"
        );
    }
    assert_eq!(
        floors.len(),
        rooms.len(),
        "a row of the table in src/engine/lib.rs names a room that is not there"
    );
    let wrong: Vec<String> = sources("src/engine")
        .iter()
        .flat_map(|source| uphill(source, &floors).into_iter().chain(forbidden(source)).collect::<Vec<_>>())
        .collect();
    assert!(wrong.is_empty(), "{}\n{ADVICE}", wrong.join("\n"));
}

/// The configuration is a package; its floor is the cache's.
#[test]
fn the_configuration_stands_on_the_floors_below_it() {
    let floors = floors(&std::fs::read_to_string(Path::new(ROOT).join("src/engine/lib.rs")).unwrap());
    let own = floors["cache"];
    let mut seen = 0;
    let mut wrong = Vec::new();
    for source in &sources("src/config") {
        wrong.extend(forbidden(source));
        for (number, line) in &source.lines {
            for path in words(line).filter_map(|word| word.strip_prefix("tollgate_engine::")) {
                seen += 1;
                let room = path.split("::").next().unwrap_or_default();
                if floors.get(room).is_none_or(|floor| *floor >= own) {
                    wrong.push(format!(
                        "{}:{number}: the configuration imports {room}, which is not below it",
                        source.file
                    ));
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} imports of the engine");
    assert!(wrong.is_empty(), "{}\n{ADVICE}", wrong.join("\n"));
}

const ADVICE: &str = "Move what is shared to the lower room (or below both), or hand it down as a parameter. \
                      The floors are in the table of src/engine/lib.rs.";

#[test]
fn commands_import_the_kit_and_no_other_command() {
    let all = sources("src/cli");
    let commands: BTreeSet<&str> = all
        .iter()
        .filter(|one| one.module[0] == "commands")
        .filter_map(|one| Some(one.module.get(1)?.as_str()))
        .collect();
    let mut wrong = Vec::new();
    let mut still = BTreeSet::new();
    for source in &all {
        for (line, path) in source.imports() {
            let Some(command) =
                path.get(1).filter(|name| path[0] == "commands" && commands.contains(name.as_str()))
            else {
                continue;
            };
            let at = format!("{}:{line}", source.file);
            match source.module.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["kit", ..] => wrong.push(format!("{at}: the kit imports the command {command}")),
                ["commands", own, ..] if own != command => {
                    match COMMANDS_THAT_IMPORT.iter().find(|known| **known == (*own, command.as_str())) {
                        Some(known) => drop(still.insert(*known)),
                        None => wrong.push(format!("{at}: the command {own} imports the command {command}")),
                    }
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nMove what is shared to src/cli/kit.", wrong.join("\n"));
    let gone: Vec<_> = COMMANDS_THAT_IMPORT.iter().filter(|known| !still.contains(*known)).collect();
    assert!(gone.is_empty(), "these are exceptions no more, take them out of COMMANDS_THAT_IMPORT: {gone:?}");
}

#[test]
fn an_import_that_runs_up_is_found() {
    let floors = floors("//! | 2 | [`policy`] | x |\n//! | 2 | [`cache`] | x |\n//! | 1 | [`base`] | x |\n");
    let of = |room: &str, text: &str| {
        let source =
            Source::new(format!("src/engine/{room}.rs"), room.split('/').map(str::to_owned).collect(), text);
        uphill(&source, &floors).into_iter().chain(forbidden(&source)).collect::<Vec<_>>()
    };
    #[rustfmt::skip]
    let cases = [
        ("down",                  "policy/rule", "use crate::base::json;\n",                                    None),
        ("in the room",           "policy/rule", "use crate::policy::Policy;\n",                                None),
        ("up",                    "base/json",   "//! x\n\nuse crate::policy::Policy;\n",                       Some("src/engine/base/json.rs:3: base imports policy, which is not below it")),
        ("beside",                "policy",      "use crate::cache::Cache;\n",                                  Some("src/engine/policy.rs:1: policy imports cache, which is not below it")),
        ("in the middle",         "base",        "fn f() {\n    crate::cache::f();\n}\n",                       Some("src/engine/base.rs:2: base imports cache, which is not below it")),
        ("by super",              "base/json",   "use super::super::cache::Cache;\n",                           Some("src/engine/base/json.rs:1: base imports cache, which is not below it")),
        ("in braces",             "base",        "use crate::{\n    cache::Cache,\n};\n",                       Some("src/engine/base.rs:1: write an import for each room, not crate::{…}")),
        ("in a comment",          "base",        "// use crate::cache::Cache;\n/// [`crate::cache`]\nfn f() {}\n", None),
        ("in a test",             "base",        "#[cfg(test)]\nmod tests {\n    use crate::cache::Cache;\n}\n",  None),
        ("behind a test",         "base",        "#[cfg(all(test, not(target_family = \"wasm\")))]\nmod tests {\n}\nuse crate::cache::Cache;\n", Some("src/engine/base.rs:4: base imports cache, which is not below it")),
        ("where not a test",      "base",        "#[cfg(not(target_family = \"wasm\"))]\nuse crate::cache::Cache;\n", Some("src/engine/base.rs:2: base imports cache, which is not below it")),
        ("a clock",               "base",        "use std::time::SystemTime;\n",                                Some("src/engine/base.rs:1: the engine knows no std::time::SystemTime")),
        ("a sort",                "base",        "v.sort_unstable();\n",                                       Some("src/engine/base.rs:1: sort_unstable is large; see SORTS")),
        ("a sort in a test",      "base",        "#[cfg(test)]\nmod tests {\n    v.sort();\n}\n",                None),
        ("a socket",              "base",        "use std::net::TcpStream;\n",                                  Some("src/engine/base.rs:1: the engine knows no std::net")),
    ];
    for (name, room, text, want) in cases {
        assert_eq!(of(room, text), Vec::from_iter(want.map(str::to_owned)), "{name}");
    }
}

/// The floor of each room, from a table with rows like "| 4 | [`token`] | what it holds |".
fn floors(lib: &str) -> BTreeMap<String, u32> {
    lib.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("//! |")?.split('|').map(str::trim);
            let floor = cells.next()?.parse().ok()?;
            let room = cells.next()?.strip_prefix("[`")?.strip_suffix("`]")?;
            Some((room.to_owned(), floor))
        })
        .collect()
}

/// Imports of rooms that are not below.
fn uphill(source: &Source, floors: &BTreeMap<String, u32>) -> Vec<String> {
    let own = &source.module[0];
    let mut wrong = Vec::new();
    for (line, path) in source.imports() {
        let at = format!("{}:{line}", source.file);
        match path.first() {
            None => wrong.push(format!("{at}: write an import for each room, not crate::{{…}}")),
            Some(room) if room == own => {}
            Some(room) => {
                if let (Some(from), Some(to)) = (floors.get(own), floors.get(room))
                    && to >= from
                {
                    wrong.push(format!("{at}: {own} imports {room}, which is not below it"));
                }
            }
        }
    }
    wrong
}

/// Names that the engine must not know.
fn forbidden(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in &source.lines {
        for name in FORBIDDEN.iter().filter(|name| words(line).any(|word| is_below(word, name))) {
            wrong.push(format!("{}:{number}: the engine knows no {name}", source.file));
        }
        for name in SORTS.iter().filter(|name| words(line).any(|word| word == **name)) {
            wrong.push(format!("{}:{number}: {name} is large; see SORTS", source.file));
        }
    }
    wrong
}

/// The paths of a line, as `crate::base::json`.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).filter(|word| !word.is_empty())
}

fn is_below(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A file: its code, without comments and tests.
struct Source {
    /// Its path from the top of the repository.
    file: String,
    /// Its path as a module: `["policy", "rule"]`; of the crate's own file, `["lib"]` or `["main"]`.
    module: Vec<String>,
    /// Its lines, with their numbers.
    lines: Vec<(usize, String)>,
    /// Modules below it that are compiled for tests only.
    test_modules: Vec<String>,
}

impl Source {
    fn new(file: String, module: Vec<String>, text: &str) -> Self {
        let mut source = Self { file, module, lines: Vec::new(), test_modules: Vec::new() };
        let mut rest = text.lines().zip(1..);
        while let Some((line, number)) = rest.next() {
            if is_for_tests(line) {
                source.skip_item(line, &mut rest);
            } else if !line.trim_start().starts_with("//") {
                let code = line.split(" // ").next().unwrap_or_default();
                source.lines.push((number, code.to_owned()));
            }
        }
        source
    }

    /// Leaves out the item behind an attribute; rustfmt ends it where the attribute begins.
    fn skip_item<'a>(&mut self, attribute: &str, rest: &mut impl Iterator<Item = (&'a str, usize)>) {
        let indent = attribute.len() - attribute.trim_start().len();
        let end =
            |line: &str| line.trim_start().starts_with('}') && line.len() - line.trim_start().len() == indent;
        let mut is_first = true;
        for (line, _) in rest.by_ref() {
            if is_first && line.trim_start().starts_with("#[") {
                continue;
            }
            if let Some(name) = line.trim().strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                self.test_modules.push(name.to_owned());
            }
            if is_first && line.trim_end().ends_with([';', '}']) || end(line) {
                return;
            }
            is_first = false;
        }
    }

    /// What it imports from its own crate, by line; of `crate::{…}`, an empty path.
    fn imports(&self) -> Vec<(usize, Vec<String>)> {
        let mut found = Vec::new();
        for (number, line) in &self.lines {
            for word in words(line) {
                let mut names = word.split("::").filter(|name| !name.is_empty()).peekable();
                let mut path = match names.peek() {
                    Some(&"crate") => Vec::new(),
                    Some(&"super") => self.module.clone(),
                    _ => continue,
                };
                for name in names {
                    match name {
                        "super" => drop(path.pop()),
                        "crate" => {}
                        name => path.push(name.to_owned()),
                    }
                }
                let is_path = word != "crate" && word != "crate::" || line.contains("crate::{");
                if is_path && (word.starts_with("crate") || !path.is_empty()) {
                    found.push((*number, path));
                }
            }
        }
        found
    }
}

/// Whether an attribute leaves an item out of everything but tests.
fn is_for_tests(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test,")
}

/// Every file of a package that is compiled into it.
fn sources(package: &str) -> Vec<Source> {
    let top = Path::new(ROOT).join(package);
    let mut files = Vec::new();
    walk(&top, &mut files);
    files.sort();
    let all: Vec<Source> = files
        .iter()
        .map(|file| {
            let below = file.strip_prefix(&top).unwrap().with_extension("");
            let module = below.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
            let name = format!("{package}/{}", file.strip_prefix(&top).unwrap().display());
            Source::new(name, module, &std::fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(all.len() > 20, "{package}: only {} files", all.len());
    let for_tests: Vec<Vec<String>> = all
        .iter()
        .flat_map(|one| one.test_modules.iter().map(|name| [one.module.clone(), vec![name.clone()]].concat()))
        .collect();
    all.into_iter().filter(|one| !for_tests.iter().any(|start| one.module.starts_with(start))).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
