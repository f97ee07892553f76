//! What the module weighs, room by room, as it ships: `make size` runs this. The table is in `docs/performance.md`;
//! `TOLLGATE_BLESS=1 make size` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use tollgate_host::{built, places};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
const BEGIN: &str = "<!-- rooms:begin -->\n";
const END: &str = "<!-- rooms:end -->\n";

/// How far a room may be from what the page says, in bytes.
const TOLERANCE: usize = 1500;

/// V8 takes memory by the longest function that it compiles, on each of its threads.
const LONGEST: usize = 9000;

#[test]
#[ignore = "about the module as it ships: make size"]
fn the_rooms_weigh_what_the_page_says() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the table's begin");
    let (table, after) = rest.split_once(END).expect("the table's end");
    let rooms = rooms(&functions());
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        let page = [before, BEGIN, &written(&rooms), END, after].concat();
        return std::fs::write(PAGE, page).unwrap();
    }
    let told: BTreeMap<&str, usize> = table.lines().filter_map(row).collect();
    let weights = rooms.iter().map(|(room, weight)| (room.as_str(), weight.bytes));
    let wrong: Vec<_> = weights
        .chain(told.keys().map(|room| (*room, 0)).filter(|(room, _)| !rooms.contains_key(*room)))
        .filter(|(room, bytes)| told.get(room).copied().unwrap_or(0).abs_diff(*bytes) > TOLERANCE)
        .map(|(room, bytes)| format!("{room}: {bytes} bytes, not {}", told.get(room).unwrap_or(&0)))
        .collect();
    assert!(wrong.is_empty(), "{}\nIf that is meant: TOLLGATE_BLESS=1 make size", wrong.join("\n"));
}

#[test]
#[ignore = "about the module as it ships: make size"]
fn no_function_is_long() {
    let long: Vec<_> = functions().into_iter().filter(|(_, bytes)| *bytes > LONGEST).collect();
    assert!(long.is_empty(), "longer than {LONGEST} bytes: {long:?}");
}

#[test]
fn a_function_s_name_says_its_room() {
    #[rustfmt::skip]
    let cases = [
        ("tollgate_engine::worker::Worker<T>::handle",                                  "engine: worker"),
        ("tollgate_engine::worker::flights::<impl tollgate_engine::worker::Worker<T>>", "engine: worker"),
        ("<tollgate_engine::jose::key::Key as core::fmt::Display>::fmt",                "engine: jose"),
        ("<&tollgate_engine::base::x::Y as core::fmt::Display>::fmt",                   "engine: base"),
        ("tollgate_config::parse::policy",                                              "config"),
        ("tollgate_on_configure",                                                       "filter"),
        ("core::ptr::drop_in_place<tollgate_engine::policy::Policy>",                   "Rust's standard library"),
        ("<[u8]>::eq_ignore_ascii_case",                                                "Rust's standard library"),
        ("dlmalloc",                                                                    "C's standard library (memory)"),
        ("<sha2::Sha256 as digest::Update>::update",                                    "other crates"),
    ];
    for (function, room) in cases {
        assert_eq!(room_of(function), room, "{function}");
    }
}

#[derive(Default)]
struct Weight {
    functions: usize,
    bytes: usize,
}

/// The functions of the module, and how long each is.
fn functions() -> Vec<(String, usize)> {
    let places = places();
    let starts: Vec<(usize, &str)> = places
        .lines()
        .filter_map(|line| line.split_once(" function "))
        .map(|(at, name)| (usize::from_str_radix(at.trim_start_matches("0x"), 16).unwrap(), name))
        .collect();
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([section(&built(), 10).end]);
    starts.iter().zip(ends).map(|((at, name), end)| ((*name).to_owned(), end - at)).collect()
}

fn rooms(functions: &[(String, usize)]) -> BTreeMap<String, Weight> {
    let mut rooms: BTreeMap<String, Weight> = BTreeMap::new();
    for (name, bytes) in functions {
        let room = rooms.entry(room_of(name).to_owned()).or_default();
        room.functions += 1;
        room.bytes += bytes;
    }
    rooms.insert("data".to_owned(), Weight { functions: 0, bytes: section(&built(), 11).len() });
    let known: usize = rooms.values().map(|room| room.bytes).sum();
    rooms.insert("types, tables, exports".to_owned(), Weight { functions: 0, bytes: built().len() - known });
    rooms
}

fn room_of(function: &str) -> &str {
    let path = function
        .trim_start_matches(['<', '&', '[', '(', '*'])
        .trim_start_matches("mut ")
        .trim_start_matches("dyn ");
    let mut names = path.split("::");
    let first = names.next().unwrap_or_default();
    let is_word = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match first {
        "tollgate_engine" => ENGINE
            .iter()
            .copied()
            .find(|room| room.strip_prefix("engine: ") == names.clone().next())
            .unwrap_or("engine: other"),
        "tollgate_config" => "config",
        "tollgate_filter" => "filter",
        _ if first.starts_with("tollgate_") || first.starts_with("proxy_on") || first == "_initialize" => {
            "filter"
        }
        "core" | "alloc" | "std" | "hashbrown" | "__rustc" => "Rust's standard library",
        _ if !is_word(first) || path == first && ["u8]>", "str>", "u8>"].contains(&first) => {
            "Rust's standard library"
        }
        _ if path == first => "C's standard library (memory)",
        "char" | "str" | "u8" | "u64" | "i64" | "f64" | "T" => "Rust's standard library",
        _ => "other crates",
    }
}

const ENGINE: [&str; 14] = [
    "engine: base",
    "engine: cache",
    "engine: decision",
    "engine: enforcer",
    "engine: jose",
    "engine: policy",
    "engine: proof",
    "engine: provider",
    "engine: request",
    "engine: response",
    "engine: token",
    "engine: upstream",
    "engine: worker",
    "engine: other",
];

/// Where the content of a section is.
fn section(module: &[u8], wanted: u8) -> std::ops::Range<usize> {
    let mut at = 8;
    while at < module.len() {
        let (id, (length, start)) = (module[at], leb(module, at + 1));
        if id == wanted {
            return start..start + length;
        }
        at = start + length;
    }
    panic!("there is no section {wanted}")
}

/// An unsigned LEB128 number, and where it ends.
fn leb(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[at];
        at += 1;
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return (value, at);
        }
    }
}

fn written(rooms: &BTreeMap<String, Weight>) -> String {
    let mut heaviest: Vec<_> = rooms.iter().collect();
    heaviest.sort_by_key(|(_, weight)| std::cmp::Reverse(weight.bytes));
    let mut table = "| room | functions | bytes |\n| --- | ---: | ---: |\n".to_owned();
    for (room, Weight { functions, bytes }) in heaviest {
        let functions = if *functions > 0 { functions.to_string() } else { String::new() };
        let _ = writeln!(table, "| {room} | {functions} | {bytes} |");
    }
    let total: usize = rooms.values().map(|weight| weight.bytes).sum();
    let _ = writeln!(table, "| **together** | | {total} |");
    table
}

fn row(line: &str) -> Option<(&str, usize)> {
    let mut cells = line.strip_prefix("| ")?.split('|').map(str::trim);
    let (room, bytes) = (cells.next()?, cells.nth(1)?.parse().ok()?);
    (!room.starts_with('*')).then_some((room, bytes))
}

#[test]
fn the_weights_of_the_page_are_all_read() {
    let page = std::fs::read_to_string(Path::new(PAGE)).unwrap();
    let table = page.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).expect("the table").0;
    assert!(table.lines().filter_map(row).count() > 10, "{table}");
}
