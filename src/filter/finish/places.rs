//! Which place in the source each offset of a module stands for. A host logs such offsets when the module traps.
//!
//! The list has a line for each function and for each trap: the offset, `function` or `trap`, and what is there.

use std::fmt::Write;

use wasmparser::{BinaryReaderError, Operator, Parser, Payload};

use crate::cut::name;
use crate::module::Module;

/// The list for a module that has been written with these functions.
pub(crate) fn list(
    written: &[u8],
    functions: &[u32],
    module: &Module<'_>,
) -> Result<String, BinaryReaderError> {
    let mut list = String::new();
    let mut functions = functions.iter();
    for payload in Parser::new(0).parse_all(written) {
        let Payload::CodeSectionEntry(body) = payload? else { continue };
        let Some(number) = functions.next() else { break };
        let called = name(*number, module).unwrap_or_default();
        let _ = writeln!(list, "{:#x} function {called}", body.range().start);
        let steps = module.function(*number).into_iter().flat_map(|function| &function.steps);
        let mut causes = steps.filter_map(|step| step.cause.as_deref());
        for operator in body.get_operators_reader()?.into_iter_with_offsets() {
            if let (Operator::Unreachable, at) = operator? {
                let _ = writeln!(list, "{at:#x} trap {}", causes.next().unwrap_or_default());
            }
        }
    }
    Ok(list)
}

/// A host's log, in which every line of an "in-VM backtrace" (`0: 0x12345 - ?`) says which place that is.
pub fn explain(log: &str, list: &str) -> String {
    let places: Vec<_> = list.lines().filter_map(Place::read).collect();
    let mut explained = String::new();
    for line in log.lines() {
        let found = frame(line).and_then(|offset| Place::at(&places, offset));
        let _ = writeln!(explained, "{line}{}", found.map(|place| format!(" {place}")).unwrap_or_default());
    }
    explained
}

struct Place<'a> {
    offset: usize,
    is_trap: bool,
    text: &'a str,
}

impl<'a> Place<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (offset, rest) = line.split_once(' ')?;
        let (kind, text) = rest.split_once(' ')?;
        Some(Self { offset: number(offset)?, is_trap: kind == "trap", text })
    }

    /// The function that this offset is in, and the trap that is there.
    fn at(places: &[Self], offset: usize) -> Option<String> {
        let before = || places.iter().take_while(|place| place.offset <= offset);
        let function = before().filter(|place| !place.is_trap).last()?;
        let trap = before().find(|place| place.is_trap && place.offset == offset);
        Some([function.text].into_iter().chain(trap.map(|trap| trap.text)).collect::<Vec<_>>().join(": "))
    }
}

/// The offset in a line of a backtrace.
fn frame(line: &str) -> Option<usize> {
    let (number_of_frame, rest) = line.trim_start().split_once(": ")?;
    number_of_frame.parse::<u32>().ok()?;
    number(rest.trim_start().split(' ').next()?)
}

fn number(hexadecimal: &str) -> Option<usize> {
    usize::from_str_radix(hexadecimal.strip_prefix("0x")?, 16).ok()
}
