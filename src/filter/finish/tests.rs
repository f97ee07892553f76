mod linked;

use super::*;

#[test]
fn our_callbacks_take_the_places_of_the_sdks() {
    let finished = finished(&filter(""));
    let mut names: Vec<_> = read(&finished).unwrap().exports().map(str::to_owned).collect();
    names.sort();
    let wanted =
        ["_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate", "proxy_on_tick"];
    assert_eq!(names, wanted);
    // After that come the names: all that the text has, and one when it is finished.
    let sections = finished.strip_suffix(b"\0\x0b\x04name\x01\x04\x01\0\x01?").unwrap();
    assert!(wat(FINISHED).starts_with(sections));
}

#[test]
fn what_only_an_address_reaches_stays() {
    let finished = finished(&filter("(table 1 funcref) (elem (i32.const 0) $by_address)"));
    assert_eq!(functions(&finished), functions(&wat(FINISHED)) + 2, "by its address, and what it calls");
}

#[test]
fn what_starts_the_module_stays() {
    let finished = finished(&filter("(start $by_address)"));
    assert_eq!(functions(&finished), functions(&wat(FINISHED)) + 2);
}

#[test]
fn what_a_global_refers_to_stays() {
    let finished = finished(&filter("(global funcref (ref.func $by_address))"));
    assert_eq!(functions(&finished), functions(&wat(FINISHED)) + 2);
}

#[test]
fn names_are_left_out() {
    let named = wat(&format!("(module $a_name {FILTER})"));
    assert!(contains(&named, b"a_name"));
    assert!(!contains(&finished(&named), b"a_name"));
}

#[test]
fn the_same_module_comes_out_each_time() {
    assert_eq!(finish(&panics()), finish(&panics()));
}

#[test]
fn a_module_is_not_finished_twice() {
    let finished = finished(&filter(""));
    assert_eq!(finish(&finished), Err(Error::NoCallbacks));
}

#[test]
fn what_the_host_needs_must_be_there() {
    for name in KEPT.into_iter().chain([INITIALIZE]) {
        let without = FILTER.replace(&format!(r#"(export "{name}")"#), "");
        assert_eq!(finish(&wat(&without)), Err(Error::Missing(name.to_owned())));
    }
}

#[test]
fn what_envoy_cannot_load_is_not_finished() {
    assert_eq!(finish(b"#!/bin/sh\n"), Err(Error::NotWebAssembly));
    let half = filter("");
    let half = half.get(..half.len() / 2).unwrap();
    let newer = filter("(func (result v128) v128.const i64x2 0 0)");
    for bytes in [half, &newer] {
        let error = finish(bytes).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[test]
fn other_modules_keep_the_callbacks_that_they_name() {
    let kept = keep(&filter(""), &["on_done"]).unwrap();
    let mut names: Vec<_> = read(&kept).unwrap().exports().map(str::to_owned).collect();
    names.sort();
    assert_eq!(
        names,
        ["_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_done", "proxy_on_memory_allocate"]
    );
    assert_eq!(keep(&filter(""), &["on_log"]), Err(Error::Missing("proxy_on_log".to_owned())));
}

#[test]
fn a_panic_is_cut_down_to_its_trap() {
    let calls = "(local.get 0) (i32.const 7) (call $panic) unreachable";
    let cases = [
        ("a call that never returns", calls, "unreachable"),
        (
            "with what it is told",
            "(i32.store (i32.const 8) (i32.const 9)) (call $panic) unreachable",
            "unreachable",
        ),
        (
            "after a call",
            "(call $log (i32.const 1)) (i32.const 7) (call $panic) unreachable",
            "(call $log (i32.const 1)) unreachable",
        ),
        (
            "on one of two ways",
            "(block (br_if 0 (local.get 0)) (i32.const 7) (call $panic) unreachable) (call $ours)",
            "(block (br_if 0 (local.get 0)) unreachable) (call $ours)",
        ),
        (
            "what returns stays",
            "(call $ours) (call $log (i32.const 1))",
            "(call $ours) (call $log (i32.const 1))",
        ),
    ];
    for (name, before, after) in cases {
        let [before, after] = [before, after].map(|code| {
            wat(&format!(
                r#"{FILTER} (func $panic (local i64))
                (func (export "tollgate_on_done") (param i32) (local i32) {code})"#
            ))
        });
        let after = read(&after).unwrap();
        let (_, number) = after.exported_functions().find(|(name, _)| *name == "tollgate_on_done").unwrap();
        let mut cut_down = read(&before).unwrap();
        cut::cut(&mut cut_down);
        assert_eq!(operators(&cut_down, number), operators(&after, number), "{name}");
    }
}

#[test]
fn functions_that_do_the_same_become_one() {
    let more = r#"
        (func $a (param i32) (call $log (local.get 0)) (i64.const 1) (call $panic) unreachable)
        (func $b (param i32) (call $log (local.get 0)) (i64.const 2) (call $other_panic) unreachable)
        (func $c (param i32) (call $log (i32.const 3)))
        (func $calls_a (param i32) (call $a (i32.const 4)))
        (func $calls_b (param i32) (call $b (i32.const 4)))
        (func $panic (param i64)) (func $other_panic (param i64))
        (func (export "tollgate_on_done") (param i32) (call $calls_a (i32.const 5)) (call $c (i32.const 5)))
        (func (export "tollgate_on_log") (param i32) (call $calls_b (i32.const 5)))
    "#;
    let count = functions(&finished(&filter(more)));
    // The two callbacks, $c, and one function for each of the two pairs.
    assert_eq!(count, functions(&wat(FINISHED)) + 5);
}

fn operators(module: &Module<'_>, number: u32) -> Vec<String> {
    module.function(number).unwrap().steps.iter().map(|step| format!("{:?}", step.operator)).collect()
}

fn panics() -> Vec<u8> {
    filter(r#"(func (export "tollgate_on_done") (param i32) (call $sdk) unreachable)"#)
}

fn filter(more: &str) -> Vec<u8> {
    wat(&format!("{FILTER} {more}"))
}

fn finished(compiled: &[u8]) -> Vec<u8> {
    finish(compiled).unwrap().module
}

pub(crate) fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// How many functions a module defines.
fn functions(bytes: &[u8]) -> usize {
    let module = read(bytes).unwrap();
    module.functions.len()
}

/// As the compiler writes it: with the SDK's callbacks and our own.
const FILTER: &str = r#"
    (import "env" "proxy_unused" (func $unused (param i32)))
    (import "env" "proxy_log" (func $log (param i32)))
    (memory (export "memory") 1)
    (func (export "_initialize") (call $sdk))
    (func (export "tollgate_initialize"))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (local.get 0))
    (func (export "proxy_on_tick") (param i32) (call $sdk))
    (func (export "proxy_on_done") (param i32) (call $sdk))
    (func $sdk (call $unused (i32.const 0)))
    (func $ours (call $log (i32.const 1)))
    (func $by_address (call $reached))
    (func $reached (call $log (i32.const 3)))
    (func (export "tollgate_on_tick") (param i32) (call $ours) (call $ours) (call $log (i32.const 2)))
"#;

/// The same, finished. What is called most has the smallest number.
const FINISHED: &str = r#"
    (type (func (param i32)))
    (type (func))
    (type (func (param i32) (result i32)))
    (import "env" "proxy_log" (func $log (param i32)))
    (func $ours (call $log (i32.const 1)))
    (func $initialize)
    (func $version)
    (func $allocate (param i32) (result i32) (local.get 0))
    (func $tick (param i32) (call $ours) (call $ours) (call $log (i32.const 2)))
    (memory 1)
    (export "memory" (memory 0))
    (export "_initialize" (func $initialize))
    (export "proxy_abi_version_0_2_1" (func $version))
    (export "proxy_on_memory_allocate" (func $allocate))
    (export "proxy_on_tick" (func $tick))
"#;
