//! Modules with the linker's sections.

use wasm_encoder::{CustomSection, DataSymbolDefinition, Encode, LinkingSection, Section, SymbolTable};
use wasmparser::{DataKind, Operator, Parser, Payload};

use super::{contains, functions, read, wat};
use crate::layout::parts;
use crate::{explain, finish};

#[test]
fn data_that_nothing_refers_to_is_removed_and_the_rest_moves_up() {
    let compiled = linked();
    assert!(contains(&compiled, b"unused") && contains(&compiled, b"lib.rs"));
    let finished = finish(&compiled).unwrap().module;
    for gone in ["unused", "lib.rs"] {
        assert!(!contains(&finished, gone.as_bytes()), "{gone}");
    }
    // "used", at the end of what needs no alignment; before that, the object that refers to it and to a function.
    let (address, bytes) = data(&finished);
    assert_eq!(address, 1024);
    assert_eq!(bytes, [&1032_u32.to_le_bytes()[..], &1_u32.to_le_bytes(), b"used"].concat());
}

#[test]
fn constants_follow_what_they_refer_to() {
    let finished = finish(&linked()).unwrap().module;
    let mut constants = Vec::new();
    for payload in Parser::new(0).parse_all(&finished) {
        let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
        for operator in body.get_operators_reader().unwrap() {
            match operator.unwrap() {
                Operator::I32Const { value } => constants.push(value),
                Operator::I32Load { memarg } => constants.push(i32::try_from(memarg.offset).unwrap()),
                _ => {}
            }
        }
    }
    // An address in "used", that of the other object, one that is no address, and one beyond the file's data.
    for wanted in [1034, 1028, 5, 4096] {
        assert!(constants.contains(&wanted), "{wanted} in {constants:?}");
    }
}

#[test]
fn functions_that_no_call_can_reach_are_removed() {
    // By its number, only $method can be called: the type of $other is no call's, and nothing holds the number of $lost.
    let finished = finish(&linked()).unwrap().module;
    assert_eq!(functions(&finished), 5);
    assert_eq!(read(&finished).unwrap().table.len(), 1);
}

#[test]
fn a_trap_is_explained() {
    let finished = finish(&linked()).unwrap();
    let trap = finished.places.lines().find(|line| line.contains(" trap ")).unwrap();
    let (offset, _) = trap.split_once(' ').unwrap();
    assert_eq!(trap, format!("{offset} trap lib.rs:12:34 core::panicking::panic_fmt"));
    let at = usize::from_str_radix(offset.trim_start_matches("0x"), 16).unwrap();
    assert_eq!(finished.module.get(at), Some(&0), "the offset is that of `unreachable`");
    let log = format!("[error] Function: proxy_on_tick failed\n  0: {offset} - unknown\n  1: 0x1 - ?\n");
    let explained = explain(&log, &finished.places);
    let wanted = format!(
        "[error] Function: proxy_on_tick failed\n  0: {offset} - unknown tollgate_on_tick: lib.rs:12:34 core::panicking::panic_fmt\n  1: 0x1 - ?\n"
    );
    assert_eq!(explained, wanted);
}

#[test]
fn a_function_outside_of_the_table_may_stand_for_one_in_it() {
    let module = MODULE.replace("(func $method", "(func $same (type $called) (local.get 0)) (func $method");
    let finished =
        finish(&compiled(&module, &FUNCTIONS.map(|(number, name)| (0, number + 1, name)), &[])).unwrap();
    assert!(finished.is_linked);
    assert_eq!(functions(&finished.module), 5);
    assert_eq!(read(&finished.module).unwrap().table.len(), 1);
    let (_, bytes) = data(&finished.module);
    assert_eq!(bytes.get(4..8).unwrap(), 1_u32.to_le_bytes(), "the slot of the one that is left");
}

#[test]
fn what_is_not_known_for_certain_stays_as_it_is() {
    let absent = SymbolTable::WASM_SYM_UNDEFINED | SymbolTable::WASM_SYM_BINDING_WEAK;
    let [_, others @ ..] = FUNCTIONS.map(|(number, name)| (0, number, name));
    let weak = [&[(absent, 1, "absent")][..], &others].concat();
    let number = u32::try_from(OBJECTS.len() + FUNCTIONS.len()).unwrap();
    let functions = FUNCTIONS.map(|(number, name)| (0, number, name));
    // A global for the address of an object; an address by a symbol that is nowhere in the data.
    let of_object = entry(7, 1, 0, None);
    let of_unknown = entry(4, 1, number, Some(0));
    let of_heap = entry(4, 1, number + 1, Some(0));
    for (name, functions, more, wanted) in [
        ("nothing of the kind", &functions[..], &[][..], true),
        ("the end of the data", &functions, &[of_heap], true),
        ("a function that may be absent", &weak, &[], false),
        ("a global for an address", &functions, &[of_object], false),
        ("an address of unknown origin", &functions, &[of_unknown], false),
    ] {
        let finished = finish(&compiled(MODULE, functions, more)).unwrap();
        assert_eq!(finished.is_linked, wanted, "{name}");
        assert_eq!(contains(&finished.module, b"unused"), !wanted, "{name}");
    }
}

#[test]
fn long_zeros_are_not_written() {
    let zeros = [0; 20];
    let bytes = [&zeros[..], b"one\0two", &zeros[..8], b"three", &zeros, b"four", &zeros[..9]].concat();
    let wanted = [(1044, &b"one\0two\0\0\0\0\0\0\0\0three"[..]), (1084, b"four")];
    assert_eq!(parts(1024, &bytes), wanted);
    assert_eq!(parts(1024, &zeros), []);
}

/// A module as the linker leaves it with `--emit-relocs`.
fn linked() -> Vec<u8> {
    compiled(MODULE, &FUNCTIONS.map(|(number, name)| (0, number, name)), &[])
}

/// The same with other symbols of functions, and more relocations in the code.
fn compiled(module: &str, functions: &[(u32, u32, &str)], more: &[Vec<u8>]) -> Vec<u8> {
    let mut module = wat(module);
    let mut symbols = SymbolTable::new();
    for (name, offset, size) in OBJECTS {
        symbols.data(0, name, Some(DataSymbolDefinition { index: 0, offset, size }));
    }
    for (flags, number, name) in functions {
        let is_absent = flags & SymbolTable::WASM_SYM_UNDEFINED != 0;
        symbols.function(*flags, *number, Some(*name).filter(|_| !is_absent));
    }
    for name in ["__anything", "__heap_base"] {
        symbols.data(ABSOLUTE, name, Some(DataSymbolDefinition { index: 0, offset: 4096, size: 0 }));
    }
    let mut linking = LinkingSection::new();
    linking.symbol_table(&symbols);
    linking.append_to(&mut module);
    let of_code = [relocations_of_code(&module), more.to_vec()].concat();
    let relocations = [of_code, relocations_of_data(&module)];
    for (name, relocations) in ["reloc.CODE", "reloc.DATA"].into_iter().zip(relocations) {
        // The number of the section is of no interest: its name says which it is.
        let mut data = vec![0];
        relocations.len().encode(&mut data);
        data.extend(relocations.concat());
        CustomSection { name: name.into(), data: data.into() }.append_to(&mut module);
    }
    module
}

/// Every constant that is an address.
fn relocations_of_code(module: &[u8]) -> Vec<Vec<u8>> {
    let (mut start, mut found) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::CodeSectionStart { range, .. } => start = range.start,
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader().unwrap().into_iter_with_offsets() {
                    let (kind, address, at) = match operator.unwrap() {
                        (Operator::I32Const { value }, at) => (4, u32::try_from(value).unwrap(), at + 1),
                        (Operator::I32Load { memarg }, at) => {
                            (3, u32::try_from(memarg.offset).unwrap(), at + 2)
                        }
                        _ => continue,
                    };
                    found.extend(symbol(address).map(|(symbol, within)| {
                        entry(kind, u32::try_from(at - start).unwrap(), symbol, Some(within))
                    }));
                }
            }
            _ => {}
        }
    }
    found
}

fn relocations_of_data(module: &[u8]) -> Vec<Vec<u8>> {
    let section = Parser::new(0).parse_all(module).find_map(|payload| match payload.unwrap() {
        Payload::DataSection(section) => Some(section),
        _ => None,
    });
    let section = section.unwrap();
    let start = section.range().start;
    let datum = section.into_iter().next().unwrap().unwrap();
    let bytes = u32::try_from(datum.range.end - datum.data.len() - start).unwrap();
    let functions = u32::try_from(OBJECTS.len()).unwrap();
    vec![
        entry(5, bytes + 8, 0, Some(0)),
        entry(2, bytes + 12, functions, None),
        entry(5, bytes + 16, 0, Some(0)),
        entry(2, bytes + 20, functions + 1, None),
        entry(5, bytes + 30, 5, Some(0)),
    ]
}

/// Where the data begins, and its bytes.
fn data(module: &[u8]) -> (i32, Vec<u8>) {
    let mut data = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::DataSection(section) = payload.unwrap() else { continue };
        for datum in section {
            let datum = datum.unwrap();
            let DataKind::Active { offset_expr, .. } = datum.kind else { continue };
            let Operator::I32Const { value } = offset_expr.get_operators_reader().read().unwrap() else {
                continue;
            };
            data.push((value, datum.data.to_vec()));
        }
    }
    assert_eq!(data.len(), 1);
    data.remove(0)
}

/// The symbol that an address is in, and how far.
fn symbol(address: u32) -> Option<(u32, u32)> {
    let offset = address.checked_sub(1024)?;
    let (at, (_, start, _)) =
        OBJECTS.iter().enumerate().find(|(_, (_, start, size))| (*start..start + size).contains(&offset))?;
    Some((u32::try_from(at).unwrap(), offset - start))
}

fn entry(kind: u8, offset: u32, symbol: u32, addend: Option<u32>) -> Vec<u8> {
    let mut entry = vec![kind];
    offset.encode(&mut entry);
    symbol.encode(&mut entry);
    if let Some(addend) = addend {
        addend.encode(&mut entry);
    }
    entry
}

/// The data: name, offset and size.
const OBJECTS: [(&str, u32, u32); 6] =
    [("used", 0, 4), ("table", 8, 8), ("lost", 16, 8), ("unused", 24, 6), ("place", 30, 16), ("file", 46, 6)];

/// The flag of a symbol whose address is no place in the data.
const ABSOLUTE: u32 = 0x200;

/// Functions: their numbers and names.
const FUNCTIONS: [(u32, &str); 4] = [
    (1, "_ZN6method17h0123456789abcdefE"),
    (2, "other"),
    (4, "_ZN4core9panicking9panic_fmt17h0123456789abcdefE"),
    (8, "tollgate_on_tick"),
];

const MODULE: &str = r#"
    (type $called (func (param i32) (result i32)))
    (import "env" "proxy_log" (func $log (param i32)))
    (table 4 4 funcref)
    (elem (i32.const 1) $method $other $lost)
    (memory (export "memory") 1)
    (func $method (type $called) (local.get 0))
    (func $other (param i64))
    (func $lost (type $called) (local.get 0))
    (func $panic (param i32))
    (func (export "tollgate_initialize"))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (local.get 0))
    (func (export "tollgate_on_tick") (param i32)
        (block
            (br_if 0 (local.get 0))
            (call $panic (i32.const 1054))
            unreachable)
        (call $log (i32.const 1026))
        (call $log (i32.const 5))
        (call $log (i32.const 4096))
        (drop (call_indirect (type $called) (local.get 0) (i32.load offset=1036 (i32.const 0)))))
    (data (i32.const 1024)
        "used" "\00\00\00\00"
        "\00\04\00\00" "\01\00\00\00"
        "\00\04\00\00" "\02\00\00\00"
        "unused"
        "\2e\04\00\00" "\06\00\00\00" "\0c\00\00\00" "\22\00\00\00"
        "lib.rs")
"#;
