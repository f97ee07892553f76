//! Code in a shorter form.

mod same;

use super::{addresses, code, shorten};
use crate::module::{Module, Step};
use crate::read;
use crate::tests::wat;

#[test]
fn blocks_become_conditions() {
    check(&[
        (
            "a branch over the rest",
            "(block (br_if 0 (local.get 0)) (call $a)) (call $b)",
            "(if (i32.eqz (local.get 0)) (then (call $a))) (call $b)",
        ),
        (
            "the same with the opposite condition",
            "(block (br_if 0 (i32.eqz (local.get 0))) (call $a)) (call $b)",
            "(if (local.get 0) (then (call $a))) (call $b)",
        ),
        (
            "a comparison",
            "(block (br_if 0 (i32.lt_u (local.get 0) (i32.const 7))) (call $a)) (call $b)",
            "(if (i32.ge_u (local.get 0) (i32.const 7)) (then (call $a))) (call $b)",
        ),
        (
            "no comparison of numbers that may be none",
            "(block (br_if 0 (f64.lt (f64.load (local.get 0)) (f64.const 7))) (call $a)) (call $b)",
            "(if (i32.eqz (f64.lt (f64.load (local.get 0)) (f64.const 7))) (then (call $a))) (call $b)",
        ),
        (
            "what comes before the branch",
            "(block (call $a) (br_if 0 (local.get 0)) (br_if 0 (local.get 1)) (call $b)) (call $b)",
            "(call $a) (if (i32.eqz (local.get 0)) (then (br_if 0 (local.get 1)) (call $b))) (call $b)",
        ),
        (
            "two ways",
            "(block (block (br_if 0 (i32.eqz (local.get 0))) (call $a) (br 1)) (call $b)) (call $a)",
            "(if (local.get 0) (then (call $a)) (else (call $b))) (call $a)",
        ),
        (
            "two ways, the other way round",
            "(block (block (br_if 0 (local.get 0)) (call $a) (br 1)) (call $b)) (call $a)",
            "(if (local.get 0) (then (call $b)) (else (call $a))) (call $a)",
        ),
        (
            "three ways",
            "(block (block (block (br_if 0 (i32.eqz (local.get 0))) (call $a) (br 2))
                (br_if 0 (i32.eqz (local.get 1))) (call $b) (br 1)) (call $a)) (call $b)",
            "(if (local.get 0) (then (call $a))
                (else (if (local.get 1) (then (call $b)) (else (call $a))))) (call $b)",
        ),
        (
            "blocks that end at the same place",
            "(block (br_if 0 (local.get 0)) (call $a) (block (br_if 1 (local.get 1)) (br_if 0 (local.get 0)) (call $b))) (call $b)",
            "(if (i32.eqz (local.get 0)) (then (call $a) (br_if 0 (local.get 1)) (br_if 0 (local.get 0)) (call $b))) (call $b)",
        ),
        (
            "a block that nothing leaves",
            "(block (call $a) (block (call $b)) (call $a)) (call $b)",
            "(call $a) (call $b) (call $a) (call $b)",
        ),
    ]);
}

#[test]
fn traps_stand_where_they_happen() {
    check(&[
        (
            "a trap behind a block",
            "(block (block (br_if 1 (local.get 0)) (br_if 0 (local.get 1)) (call $a)) (call $b) (return)) unreachable",
            "(if (local.get 0) (then unreachable))
                (if (i32.eqz (local.get 1)) (then (call $a))) (call $b)",
        ),
        (
            "two branches to one trap",
            "(block (br_if 0 (local.get 0)) (call $a) (br_if 0 (local.get 1)) (call $b) (return)) unreachable",
            "(if (i32.eqz (local.get 0)) (then (call $a) (br_if 0 (local.get 1)) (call $b) (return))) unreachable",
        ),
        (
            "a way past the block",
            "(block (br_if 0 (local.get 0)) (call $a)) unreachable",
            "(if (i32.eqz (local.get 0)) (then (call $a))) unreachable",
        ),
    ]);
}

#[test]
fn what_would_change_something_stays() {
    let stays = [
        ("a value below the condition", "(block (local.get 0) (br_if 0 (local.get 1)) (call $c)) (call $b)"),
        (
            "a branch from within comes first",
            "(block (loop (call $a) (br_if 1 (local.get 0)) (br 0))) (call $b)",
        ),
        (
            "a block with a value",
            "(call $c (block (result i32) (br_if 0 (local.get 0) (local.get 1)) (drop) (i32.const 3)))",
        ),
        ("a table", "(block (block (br_table 0 1 0 (local.get 0))) (call $a)) (call $b)"),
        ("a loop", "(loop (call $a) (br_if 0 (local.get 0))) (call $b)"),
    ];
    check(&stays.map(|(name, code)| (name, code, code)));
}

#[test]
fn branches_to_where_the_code_goes_anyway_are_left_out() {
    check(&[
        (
            "at the end of a block",
            "(block (br_if 0 (local.get 0)) (call $a) (br 0)) (call $b)",
            "(if (i32.eqz (local.get 0)) (then (call $a))) (call $b)",
        ),
        (
            "what comes last, if it comes",
            "(block (loop (call $a) (br_if 1 (local.get 1)) (br_if 0 (local.get 0)) (if (i32.eqz (local.get 0)) (then (call $b))))) (call $a)",
            "(block (loop (call $a) (br_if 1 (local.get 1)) (br_if 0 (local.get 0)) (br_if 1 (local.get 0)) (call $b))) (call $a)",
        ),
        (
            "to the end of the function",
            "(if (local.get 0) (then (call $a) (return)) (else (br 1)))",
            "(if (local.get 0) (then (call $a)))",
        ),
        (
            "a branch to the end is a return",
            "(block (loop (call $a) (br_if 0 (local.get 0)) (br_if 1 (local.get 1)) (br 0)))",
            "(block (loop (call $a) (br_if 0 (local.get 0)) (br_if 1 (local.get 1)) (br 0)))",
        ),
    ]);
}

#[test]
fn locals_that_nobody_reads_are_not_written() {
    check(&[
        (
            "a value on its way",
            "(local.set 2 (i32.load (local.get 0))) (call $c (local.get 2))",
            "(call $c (i32.load (local.get 0)))",
        ),
        (
            "one that is read again",
            "(local.set 2 (i32.load (local.get 0))) (call $c (local.get 2)) (call $c (local.get 2))",
            "(call $c (local.tee 2 (i32.load (local.get 0)))) (call $c (local.get 2))",
        ),
        (
            "one that is read in the next round",
            "(loop (call $c (local.get 2)) (local.set 2 (i32.load (local.get 0))) (br_if 0 (local.get 1))) (call $b)",
            "(loop (call $c (local.get 2)) (local.set 2 (i32.load (local.get 0))) (br_if 0 (local.get 1))) (call $b)",
        ),
        (
            "one that is read on one way",
            "(local.set 2 (i32.load (local.get 0))) (if (local.get 1) (then (call $c (local.get 2)))) (call $b)",
            "(local.set 2 (i32.load (local.get 0))) (if (local.get 1) (then (call $c (local.get 2)))) (call $b)",
        ),
        (
            "one that is written again",
            "(local.set 2 (i32.const 1)) (local.set 2 (i32.load (local.get 0))) (if (local.get 1) (then (call $c (local.get 2)))) (call $b)",
            "(local.set 2 (i32.load (local.get 0))) (if (local.get 1) (then (call $c (local.get 2)))) (call $b)",
        ),
        (
            "a value that waits on the stack",
            "(local.set 2 (i32.load (local.get 0))) (call $a) (if (local.get 1) (then (call $b))) (call $c (local.get 2))",
            "(i32.load (local.get 0)) call $a (if (local.get 1) (then (call $b))) call $c",
        ),
        (
            "two of them",
            "(local.set 2 (i32.load (local.get 0))) (local.set 3 (i32.load (local.get 1))) (call $a)
                (call $c (i32.add (local.get 2) (local.get 3)))",
            "(i32.load (local.get 0)) (i32.load (local.get 1)) call $a i32.add call $c",
        ),
        (
            "two in the other order",
            "(local.set 2 (i32.load (local.get 0))) (local.set 3 (i32.load (local.get 1))) (call $a)
                (call $c (i32.sub (local.get 3) (local.get 2)))",
            "(local.set 2 (i32.load (local.get 0))) (i32.load (local.get 1)) call $a local.get 2 i32.sub call $c",
        ),
        (
            "one that is read elsewhere, too",
            "(block (loop (local.set 2 (i32.load (local.get 0))) (br_if 1 (local.get 1)) (call $c (local.get 2)) (br 0))) (call $c (local.get 2))",
            "(block (loop (local.tee 2 (i32.load (local.get 0))) (br_if 1 (local.get 1)) call $c (br 0))) (call $c (local.get 2))",
        ),
        (
            "one that is not read",
            "(local.set 2 (i32.load (local.get 0))) (call $a)",
            "(drop (i32.load (local.get 0))) (call $a)",
        ),
    ]);
}

#[test]
fn what_both_ways_write_is_their_result() {
    check(&[
        (
            "two ways",
            "(if (local.get 0) (then (call $a) (local.set 2 (i32.load (local.get 0)))) (else (local.set 2 (local.get 1))))
                (call $b) (call $c (local.get 2))",
            "(if (result i32) (local.get 0) (then (call $a) (i32.load (local.get 0))) (else (local.get 1)))
                call $b call $c",
        ),
        (
            "the same at both ends",
            "(if (local.get 0) (then (call $a) (call $b)) (else (call $b) (call $b))) (call $a)",
            "(if (local.get 0) (then (call $a)) (else (call $b))) (call $b) (call $a)",
        ),
        (
            "out of the middle of a block",
            "(block (block (br_if 0 (local.get 0)) (call $a) (br_if 0 (local.get 1)) (call $b)
                (local.set 2 (i32.const 7)) (br 1)) (local.set 2 (local.get 1))) (call $b) (call $c (local.get 2))",
            "(block (result i32) (if (i32.eqz (local.get 0)) (then (call $a) (br_if 0 (local.get 1)) (call $b)
                (br 1 (i32.const 7)))) (local.get 1)) call $b call $c",
        ),
        (
            "not where it may go on without a value",
            "(block (br_if 0 (local.get 0) ) (local.set 2 (i32.const 7)) (br 0)) (call $c (local.get 2))",
            "(if (i32.eqz (local.get 0)) (then (local.set 2 (i32.const 7)))) (call $c (local.get 2))",
        ),
    ]);
}

#[test]
fn zeros_are_there_from_the_beginning() {
    check(&[
        (
            "written first",
            "(local.set 2 (i32.const 0)) (if (local.get 0) (then (local.set 2 (i32.const 7)))) (call $c (local.get 2))",
            "(if (local.get 0) (then (local.set 2 (i32.const 7)))) (call $c (local.get 2))",
        ),
        (
            "written in each round",
            "(loop (local.set 2 (i32.const 0)) (if (local.get 0) (then (local.set 2 (i32.const 7)))) (call $c (local.get 2)) (br_if 0 (local.get 1)))",
            "(loop (local.set 2 (i32.const 0)) (if (local.get 0) (then (local.set 2 (i32.const 7)))) (call $c (local.get 2)) (br_if 0 (local.get 1)))",
        ),
        (
            "written on the other way only",
            "(if (local.get 0) (then (local.set 2 (i32.const 7)) (call $a)) (else (local.set 2 (i32.const 0)))) (call $c (local.get 2))",
            "(if (local.get 0) (then (local.set 2 (i32.const 7)) (call $a))) (call $c (local.get 2))",
        ),
        (
            "written before",
            "(local.set 2 (call $d)) (if (local.get 0) (then (call $c (local.get 2)))) (local.set 2 (i32.const 0))
                (if (local.get 0) (then (local.set 2 (i32.const 7)))) (call $c (local.get 2))",
            "(local.set 2 (call $d)) (if (local.get 0) (then (call $c (local.get 2)))) (local.set 2 (i32.const 0))
                (if (local.get 0) (then (local.set 2 (i32.const 7)))) (call $c (local.get 2))",
        ),
        (
            "a parameter",
            "(local.set 0 (i32.const 0)) (if (local.get 1) (then (local.set 0 (i32.const 7)))) (call $c (local.get 0))",
            "(local.set 0 (i32.const 0)) (if (local.get 1) (then (local.set 0 (i32.const 7)))) (call $c (local.get 0))",
        ),
    ]);
}

#[test]
fn the_stack_is_what_it_was_before_a_frame() {
    let begin = "(global.set 0 (local.tee 2 (i32.sub (global.get 0) (i32.const 208))))";
    let end = "(global.set 0 (i32.add (local.get 2) (i32.const 208)))";
    let shorter = "(global.set 0 (local.tee 2 (i32.sub (local.tee 3 (global.get 0)) (i32.const 208))))";
    let both = "(call $c (local.get 2)) (call $c (local.get 2))";
    check(&[
        (
            "one end",
            &format!("{begin} {both} {end}"),
            &format!("{shorter} {both} (global.set 0 (local.get 3))"),
        ),
        (
            "two ends",
            &format!("{begin} {both} (if (local.get 0) (then {end} (return))) {both} {end}"),
            &format!(
                "{shorter} {both} (if (i32.eqz (local.get 0)) (then {both})) (global.set 0 (local.get 3))"
            ),
        ),
    ]);
    for (name, code) in [
        ("no end", format!("{begin} {both}")),
        (
            "another address",
            format!("{begin} {both} (local.set 2 (call $d)) (if (local.get 0) (then {both})) {end}"),
        ),
        ("another size", format!("{begin} {both} (global.set 0 (i32.add (local.get 2) (i32.const 16)))")),
        ("not always", format!("(if (local.get 0) (then {begin} {both} (call $a))) {end}")),
    ] {
        check(&[(name, &code, &code)]);
    }
}

#[test]
fn what_lies_far_behind_an_address_is_reached_from_a_second_one() {
    let stores = |local: u32, offset: u32, count: u32| -> String {
        let store =
            |at: u32| format!("(i32.store offset={} (local.get {local}) (local.get 1))", offset + 4 * at);
        (0..count).map(store).collect()
    };
    let second = "(local.tee 2 (i32.add (local.get 0) (i32.const 160)))";
    check(&[
        (
            "many",
            &format!(
                "{} (call $c (i32.add (local.get 0) (i32.const 200))) {}",
                stores(0, 160, 9),
                stores(0, 400, 1)
            ),
            &format!(
                "{} (call $c (i32.add (local.get 2) (i32.const 40))) {}",
                stores(2, 0, 9).replacen("offset=0 (local.get 2)", second, 1),
                stores(0, 400, 1)
            ),
        ),
        ("few", &stores(0, 160, 8), &stores(0, 160, 8)),
        ("near ones", &stores(0, 0, 30), &stores(0, 0, 30)),
    ]);
    let written = format!(
        "{} (local.set 0 (call $d)) (if (local.get 1) (then {}))",
        stores(0, 160, 9),
        stores(0, 160, 9)
    );
    check(&[("an address that changes", &written, &written)]);
    check(&[(
        "a frame",
        &format!(
            "(global.set 0 (local.tee 2 (i32.sub (global.get 0) (i32.const 208)))) (call $c (local.get 2)) {}",
            stores(2, 160, 9)
        ),
        &format!(
            "(global.set 0 (local.tee 3 (i32.sub (global.get 0) (i32.const 208))))
                (local.tee 2 (i32.add (local.get 3) (i32.const 160))) (call $c (local.get 3))
                local.get 1 i32.store {}",
            stores(2, 4, 8)
        ),
    )]);
}

#[test]
fn what_is_needed_again_is_kept() {
    let sum = "(call $c (i32.add (local.get 0) (i32.const 100)))";
    let constant = "(call $c (i32.const 100000))";
    check(&[
        (
            "a sum",
            &format!("{sum} (call $a) {sum}"),
            "(call $c (local.tee 2 (i32.add (local.get 0) (i32.const 100)))) (call $a) (call $c (local.get 2))",
        ),
        (
            "a constant",
            &format!("{constant} (if (local.get 0) (then {constant})) {constant}"),
            "(call $c (local.tee 2 (i32.const 100000))) (if (local.get 0) (then (call $c (local.get 2)))) (call $c (local.get 2))",
        ),
        (
            "before the first way out of a block",
            &format!("(block {sum} (br_if 0 (call $d)) (call $a) (br_if 0 (call $d)) (call $b)) {sum}"),
            "(call $c (local.tee 2 (i32.add (local.get 0) (i32.const 100)))) (if (i32.eqz (call $d)) (then (call $a)
                (br_if 0 (call $d)) (call $b))) (call $c (local.get 2))",
        ),
        (
            "what is in a local anyway",
            &format!("(local.set 3 (i32.add (local.get 0) (i32.const 100))) {sum} (call $c (local.get 3))"),
            "(call $c (local.tee 2 (i32.add (local.get 0) (i32.const 100)))) (call $c (local.get 2))",
        ),
    ]);
    for (name, code) in [
        ("another summand", format!("{sum} (local.set 0 (call $d)) (if (local.get 1) (then {sum}))")),
        ("another one in the loop", format!("{sum} (loop {sum} (br_if 0 (local.tee 0 (call $d))))")),
        ("only on one way", format!("(if (local.get 0) (then {sum})) {sum}")),
        ("short ones", "(call $c (i32.const 1)) (call $c (i32.const 1))".to_owned()),
    ] {
        check(&[(name, &code, &code)]);
    }
}

#[test]
fn small_constants_are_added_where_the_memory_is_read_or_written() {
    for (name, before, after) in [
        ("a load", "(i32.load (i32.add (local.get 0) (i32.const 8)))", "(i32.load offset=8 (local.get 0))"),
        (
            "an offset",
            "(i32.load offset=4 (i32.add (local.get 0) (i32.const 8)))",
            "(i32.load offset=12 (local.get 0))",
        ),
        (
            "too far",
            "(i32.load offset=4 (i32.add (local.get 0) (i32.const 1020)))",
            "(i32.load offset=4 (i32.add (local.get 0) (i32.const 1020)))",
        ),
        (
            "downwards",
            "(i32.load offset=4 (i32.add (local.get 0) (i32.const -4)))",
            "(i32.load offset=4 (i32.add (local.get 0) (i32.const -4)))",
        ),
        (
            "another sum",
            "(i32.load (i32.add (i32.const 8) (local.get 0)))",
            "(i32.load (i32.add (i32.const 8) (local.get 0)))",
        ),
        (
            "a store, whose address comes first",
            "(i32.store offset=1 (i32.add (local.get 0) (i32.const 8)) (i32.add (local.get 1) (i32.const 2))) (i32.const 0)",
            "(i32.store offset=9 (local.get 0) (i32.add (local.get 1) (i32.const 2))) (i32.const 0)",
        ),
        (
            "a value of a store",
            "(i32.store (local.get 0) (i32.add (local.get 1) (i32.const 2))) (i32.const 0)",
            "(i32.store (local.get 0) (i32.add (local.get 1) (i32.const 2))) (i32.const 0)",
        ),
        (
            "a sum that is kept",
            "(i32.load (local.tee 1 (i32.add (local.get 0) (i32.const 8))))",
            "(i32.load (local.tee 1 (i32.add (local.get 0) (i32.const 8))))",
        ),
    ] {
        let [before, after] = [before, after]
            .map(|code| wat(&format!("(memory 1) (func (param i32 i32) (result i32) {code})")));
        let module = read(&before).unwrap();
        let nodes = code::read(&module.functions.first().unwrap().steps).unwrap();
        let shorter = code::write(addresses::shorten(nodes, &module));
        assert_eq!(listed(&shorter), of(&read(&after).unwrap()), "{name}");
    }
}

#[test]
fn locals_of_a_type_are_together() {
    let compiled = wat("(func (param i32) (local i64 i32 i64 i32)
        (if (local.get 0) (then (local.set 4 (i32.const 4)) (local.set 3 (i64.const 5)) (call 0 (local.get 0))))
        (call 0 (i32.wrap_i64 (local.get 3))) (call 0 (local.get 4)) (call 0 (local.get 4)))");
    let mut module = read(&compiled).unwrap();
    shorten(&mut module);
    let function = module.functions.first().unwrap();
    assert_eq!(format!("{:?}", function.locals), "[I32, I64]");
    let wanted = wat("(func (param i32) (local i32 i64)
        (if (local.get 0) (then (local.set 1 (i32.const 4)) (local.set 2 (i64.const 5)) (call 0 (local.get 0))))
        (call 0 (i32.wrap_i64 (local.get 2))) (call 0 (local.get 1)) (call 0 (local.get 1)))");
    assert_eq!(of(&module), of(&read(&wanted).unwrap()));
}

fn check(cases: &[(&str, &str, &str)]) {
    for (name, before, after) in cases {
        let [before, after] = [before, after].map(|code| {
            wat(&format!(
                "(import \"env\" \"a\" (func $a)) (import \"env\" \"b\" (func $b)) (import \"env\" \"c\" (func $c (param i32)))
                (import \"env\" \"d\" (func $d (result i32))) (global (mut i32) (i32.const 0))
                (memory 1) (func (param i32 i32) (local i32 i32) {code})"
            ))
        });
        let mut shorter = read(&before).unwrap();
        shorten(&mut shorter);
        assert_eq!(of(&shorter), of(&read(&after).unwrap()), "{name}");
    }
}

fn of(module: &Module<'_>) -> Vec<String> {
    listed(&module.functions.first().unwrap().steps)
}

fn listed(steps: &[Step<'_>]) -> Vec<String> {
    steps.iter().map(|step| format!("{:?}{:?}", step.operator, step.depths)).collect()
}
