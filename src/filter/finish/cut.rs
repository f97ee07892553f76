//! Panics become traps.
//!
//! A panic ends the VM in any case, for the module cannot unwind: after its message it traps. The message costs a record
//! of its place, the text of a file's name, and the code that prepares both, thousands of times. The host, on the other
//! hand, says at which offset of the module it has trapped. So the module keeps only the trap, and finishing writes down
//! what each trap stands for.
//!
//! The compiler ends what never returns with `unreachable`. What comes before that, back to the last call or the last
//! place where the way divides, changes nothing that anybody would see afterwards.

use std::path::Path;

use wasmparser::Operator;

use crate::linking::Target;
use crate::module::{Function, Module, Step, called};

/// Cuts what would only prepare a panic, in all functions.
pub(crate) fn cut(module: &mut Module<'_>) {
    let mut functions = std::mem::take(&mut module.functions);
    for function in &mut functions {
        cut_function(function, module);
    }
    module.functions = functions;
}

fn cut_function(function: &mut Function<'_>, module: &Module<'_>) {
    let mut kept: Vec<Step<'_>> = Vec::with_capacity(function.steps.len());
    for mut step in std::mem::take(&mut function.steps) {
        if matches!(step.operator, Operator::Unreachable) {
            let end = kept.len();
            // A call right before it never returns.
            let straight = end.saturating_sub(usize::from(kept.last().is_some_and(is_call)));
            let start = kept.iter().take(straight).rposition(|step| is_call(step) || divides(step));
            let cut = kept.split_off(start.map_or(0, |last| last.saturating_add(1)));
            step.cause = Some(cause(&cut, module));
        }
        kept.push(step);
    }
    function.steps = kept;
}

fn is_call(step: &Step<'_>) -> bool {
    matches!(step.operator, Operator::Call { .. } | Operator::CallIndirect { .. })
}

/// Whether the instruction after this one can be reached in another way, or this one leads elsewhere.
fn divides(step: &Step<'_>) -> bool {
    matches!(
        step.operator,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
    )
}

/// What has been cut off: the place in the source, if it was handed over, and the function that would have panicked.
fn cause(cut: &[Step<'_>], module: &Module<'_>) -> String {
    let places = cut.iter().rev().filter_map(|step| place(step.target?, module));
    let callee = cut.last().and_then(|step| called(&step.operator)).and_then(|number| name(number, module));
    places.take(1).chain(callee).collect::<Vec<_>>().join(" ")
}

/// A function, as the compiler calls it.
pub(crate) fn name(number: u32, module: &Module<'_>) -> Option<String> {
    let name = module.linking.as_ref()?.name(number)?;
    Some(format!("{:#}", rustc_demangle::demangle(name)))
}

/// The place in the source that a `core::panic::Location` holds: the address and the length of the file's name, the line,
/// and the column.
fn place(target: Target, module: &Module<'_>) -> Option<String> {
    let Target::Object(object) = target else { return None };
    let linking = module.linking.as_ref()?;
    let location = linking.objects.get(object)?;
    let words: Vec<_> = module
        .bytes
        .get(location.range.clone())?
        .chunks_exact(4)
        .filter_map(|word| word.try_into().ok().map(u32::from_le_bytes))
        .collect();
    let [address, length, line, column] = words[..] else { return None };
    let (0, Target::Object(name)) = linking.targets(location).next()? else { return None };
    let name = linking.objects.get(name)?;
    let start = name.range.start.checked_add(address.checked_sub(name.address)? as usize)?;
    let name = module.bytes.get(start..start.checked_add(length as usize)?)?;
    let name = std::str::from_utf8(name).ok().filter(|name| Path::new(name).extension().is_some())?;
    Some(format!("{}:{line}:{column}", without_machine(name)))
}

/// A file's name from its crate on. The rest says where the crate was on the machine that has built the module.
fn without_machine(file: &str) -> &str {
    let of_crate = file.split_once("/registry/src/").and_then(|(_, file)| file.split_once('/'));
    let of_std = || file.strip_prefix("/rustc/").and_then(|file| file.split_once('/'));
    of_crate.or_else(of_std).map_or(file, |(_, file)| file)
}
