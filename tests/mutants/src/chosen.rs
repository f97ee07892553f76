//! Which mutant runs: `TOLLGATE_MUTANT` has its number. With `TOLLGATE_REACHED` the numbers of those that could have run
//! are written into that file.

#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, OnceLock};

enum Chosen {
    None,
    One(u32),
    All(Mutex<(HashSet<u32>, File)>),
}

static CHOSEN: OnceLock<Chosen> = OnceLock::new();

pub fn on(mutant: u32) -> bool {
    match CHOSEN.get_or_init(chosen) {
        Chosen::None => false,
        Chosen::One(one) => *one == mutant,
        Chosen::All(reached) => {
            let mut reached = reached.lock().unwrap();
            if reached.0.insert(mutant) {
                writeln!(reached.1, "{mutant}").unwrap();
            }
            false
        }
    }
}

fn chosen() -> Chosen {
    if let Some(path) = std::env::var_os("TOLLGATE_REACHED") {
        let file = File::options().create(true).append(true).open(path).unwrap();
        return Chosen::All(Mutex::new((HashSet::new(), file)));
    }
    let Ok(number) = std::env::var("TOLLGATE_MUTANT") else { return Chosen::None };
    // The first test that fails is enough.
    std::panic::set_hook(Box::new(|_| std::process::exit(101)));
    Chosen::One(number.parse().unwrap())
}

pub fn less<A: PartialOrd<B> + ?Sized, B: ?Sized>(on: bool, a: &A, b: &B) -> bool {
    if on { a <= b } else { a < b }
}

pub fn at_most<A: PartialOrd<B> + ?Sized, B: ?Sized>(on: bool, a: &A, b: &B) -> bool {
    if on { a < b } else { a <= b }
}

pub fn more<A: PartialOrd<B> + ?Sized, B: ?Sized>(on: bool, a: &A, b: &B) -> bool {
    if on { a >= b } else { a > b }
}

pub fn at_least<A: PartialOrd<B> + ?Sized, B: ?Sized>(on: bool, a: &A, b: &B) -> bool {
    if on { a > b } else { a >= b }
}

pub fn min<T: Ord>(on: bool, a: T, b: T) -> T {
    if on { a.max(b) } else { a.min(b) }
}

pub fn max<T: Ord>(on: bool, a: T, b: T) -> T {
    if on { a.min(b) } else { a.max(b) }
}

pub fn is_some_and<T>(on: bool, a: Option<T>, is: impl FnOnce(T) -> bool) -> bool {
    match a {
        Some(a) => is(a),
        None => on,
    }
}

pub fn is_none_or<T>(on: bool, a: Option<T>, is: impl FnOnce(T) -> bool) -> bool {
    match a {
        Some(a) => is(a),
        None => !on,
    }
}
