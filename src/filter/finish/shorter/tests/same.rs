//! Code in a shorter form does the same: random programs, run before and after.

use std::fmt::Write;

use wasmi::{Caller, Engine, Linker, Module, Store, TypedFunc};

use crate::read;
use crate::rewrite::rewrite;
use crate::shorter::shorten;
use crate::tests::wat;

#[test]
fn random_programs_do_the_same_in_a_shorter_form() {
    let mut shorter = 0;
    for seed in 1..2000 {
        let text = Program::new(seed).text();
        let before = wat(&text);
        let mut module = read(&before).unwrap();
        shorten(&mut module);
        let after = rewrite(&module, |name| Some(name.to_owned())).unwrap().bytes;
        // Both end with one section of names or with none.
        shorter += usize::from(after.len() < before.len());
        for argument in [0, 1, 2, 7] {
            assert_eq!(run(&before, argument), run(&after, argument), "{seed} {argument} {text}");
        }
    }
    assert!(shorter > 1500, "{shorter}");
}

/// What a program logs, and what becomes of it.
fn run(program: &[u8], argument: i32) -> (Vec<i32>, Option<i32>) {
    let engine = Engine::default();
    let module = Module::new(&engine, program).unwrap();
    let mut store = Store::new(&engine, Vec::new());
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("env", "log", |mut caller: Caller<'_, Vec<i32>>, number: i32| {
            caller.data_mut().push(number);
        })
        .unwrap();
    let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
    let function: TypedFunc<(i32, i32), i32> = instance.get_typed_func(&store, "run").unwrap();
    let result = function.call(&mut store, (argument, 3)).ok();
    (store.into_data(), result)
}

/// A program as LLVM might write it, and a bit stranger.
struct Program {
    random: u64,
    text: String,
    /// Whether each open block, from the outermost on, is a loop.
    open: Vec<bool>,
}

impl Program {
    fn new(seed: u64) -> Self {
        Self { random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), text: String::new(), open: Vec::new() }
    }

    fn text(mut self) -> String {
        self.statements(4);
        format!(
            r#"(import "env" "log" (func $log (param i32)))
            (global $left (mut i32) (i32.const 60))
            (func (export "run") (param i32 i32) (result i32) (local i32 i32 i32)
                (call $void (local.get 0) (local.get 1)) {code} (i32.const 5))
            (func $void (param i32 i32) (local i32 i32 i32) {void})"#,
            void = self.text,
            code = self.text,
        )
    }

    fn next(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn statements(&mut self, depth: u64) {
        for _ in 0..=self.next(4) {
            self.statement(depth);
        }
    }

    fn statement(&mut self, depth: u64) {
        match self.next(if depth == 0 { 8 } else { 16 }) {
            0 | 1 => self.put("(call $log", 2),
            2 | 3 => {
                let local = self.next(5);
                self.put(&format!("(local.set {local}"), 2);
            }
            4 | 5 => self.branch_if(),
            6 => self.leave(),
            7 => {
                let local = self.next(5);
                self.say(&format!("(local.set {local} (i32.const 0))"));
            }
            8 => self.block("block", false, depth),
            9 => {
                self.text.push_str(
                    "(loop (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                    (if (i32.lt_s (global.get $left) (i32.const 0)) (then unreachable))",
                );
                self.open.push(true);
                self.statements(depth - 1);
                self.open.pop();
                self.text.push(')');
            }
            10 | 11 => {
                // A block with a trap behind it, which LLVM makes of a check.
                self.block("block", true, depth);
                self.text.push_str("unreachable ");
            }
            12 => self.choice(depth),
            13 => self.two_ways(depth),
            14 => self.value_of_both(depth),
            _ => self.table(depth),
        }
    }

    fn branch_if(&mut self) {
        if !self.open.is_empty() {
            let label = self.label();
            self.put(&format!("(br_if {label}"), 2);
        }
    }

    /// Goes elsewhere, now and then.
    fn leave(&mut self) {
        if self.open.is_empty() || self.next(3) > 0 {
            return self.put("(call $log", 1);
        }
        let label = self.label();
        let _ = write!(self.text, "(br {label})");
    }

    fn block(&mut self, kind: &str, leaves: bool, depth: u64) {
        let _ = write!(self.text, "({kind} ");
        self.open.push(false);
        self.statements(depth - 1);
        if leaves {
            self.put("(call $log", 1);
            self.text.push_str("(return (i32.const 9))");
        }
        self.open.pop();
        self.text.push(')');
    }

    fn choice(&mut self, depth: u64) {
        self.put("(if", 1);
        self.text.pop();
        for arm in ["then", "else"] {
            self.block(arm, false, depth);
        }
        self.text.push(')');
    }

    /// `if` and `else` as LLVM writes them.
    fn two_ways(&mut self, depth: u64) {
        self.text.push_str("(block (block ");
        self.open.extend([false; 2]);
        self.put("(br_if 0", 2);
        self.statements(depth - 1);
        self.text.push_str("(br 1))");
        self.open.pop();
        self.statements(depth - 1);
        self.text.push(')');
        self.open.pop();
    }

    /// Either way writes the same local.
    fn value_of_both(&mut self, depth: u64) {
        let local = self.next(5);
        self.text.push_str("(block (block ");
        self.open.extend([false; 2]);
        self.put("(br_if 0", 2);
        self.statements(depth - 1);
        self.put(&format!("(local.set {local}"), 1);
        self.text.push_str("(br 1))");
        self.open.pop();
        self.statements(depth - 1);
        self.put(&format!("(local.set {local}"), 1);
        self.text.push(')');
        self.open.pop();
    }

    fn table(&mut self, depth: u64) {
        self.text.push_str("(block (block (br_table 0 1 0 ");
        self.open.extend([false; 2]);
        self.value(1);
        self.text.push_str("))");
        self.open.pop();
        self.statements(depth - 1);
        self.text.push(')');
        self.open.pop();
    }

    /// The depth of a block that is open. Loops are left more often than repeated.
    fn label(&mut self) -> usize {
        let depth = usize::try_from(self.next(self.open.len() as u64)).unwrap();
        let is_loop = self.open.iter().rev().nth(depth).copied().unwrap();
        if is_loop && self.next(2) == 0 { 0 } else { depth }
    }

    fn say(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn put(&mut self, begin: &str, depth: u64) {
        self.text.push_str(begin);
        self.text.push(' ');
        self.value(depth);
        self.text.push(')');
    }

    fn value(&mut self, depth: u64) {
        let local = self.next(5);
        match self.next(if depth == 0 { 4 } else { 9 }) {
            0 | 1 => self.say(&format!("(local.get {local})")),
            2 => {
                let number = [0, 1, 3, 100_000][usize::try_from(self.next(4)).unwrap()];
                self.say(&format!("(i32.const {number})"));
            }
            // Often the same.
            3 => self.say(&format!("(i32.add (local.get {}) (i32.const 70))", local % 2)),
            4 => self.put("(i32.eqz", depth - 1),
            5 => self.put(&format!("(local.tee {local}"), depth - 1),
            kind => {
                let name = ["lt_u", "add", "eq"].into_iter().nth(usize::try_from(kind).unwrap() - 6).unwrap();
                self.put(&format!("(i32.{name} (local.get {local})"), depth - 1);
            }
        }
    }
}
