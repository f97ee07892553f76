//! What the instrumenter makes of a file: `example/before.rs` becomes `example/after.txt` (`TOLLGATE_BLESS=1` writes it).

use tollgate_mutants::instrument::instrument;

#[test]
fn all_mutants_are_in_the_text() {
    let (after, mutants) = instrument("before.rs", include_str!("example/before.rs"), 100).unwrap();
    let list: String = (100..)
        .zip(&mutants)
        .map(|(n, one)| format!("// {n} {} {} [{}] {}\n", one.line, one.function, one.change, one.code))
        .collect();
    let found = after + "\n" + &list;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/after.txt");
    if std::env::var_os("TOLLGATE_BLESS").is_some() {
        std::fs::write(file, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(file).unwrap());
}

#[test]
fn what_the_instrumenter_writes_is_rust() {
    let (after, _) = instrument("before.rs", include_str!("example/before.rs"), 0).unwrap();
    let (again, mutants) = instrument("after.rs", &after, 0).unwrap();
    assert!(again.len() > after.len() && mutants.len() > 10);
}
