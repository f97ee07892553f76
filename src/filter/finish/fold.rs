//! Functions that do the same become one.
//!
//! The compiler makes a copy of generic code for each type. Many of these copies differ only in what they panic with, so
//! that they are the same once the panics are cut. Nobody compares the addresses of functions.

use std::collections::BTreeMap;
use std::fmt::Write;

use wasmparser::Operator;

use crate::linking::Target;
use crate::module::{Function, Module, Step};

/// Lets everything refer to the first one of functions that are the same, until there are no others.
pub(crate) fn fold(module: &mut Module<'_>) {
    loop {
        let replaced = replacements(module);
        if replaced.is_empty() {
            return;
        }
        for (function, same) in &replaced {
            keep_causes(*function, *same, module);
        }
        for step in module.functions.iter_mut().flat_map(|function| &mut function.steps) {
            replace(step, &replaced);
        }
        if let Some(linking) = &mut module.linking {
            linking.replace_functions(&replaced);
        }
        module.replaced.extend(replaced);
    }
}

/// Which function can stand for which.
fn replacements(module: &Module<'_>) -> BTreeMap<u32, u32> {
    let mut first = BTreeMap::new();
    let mut replaced = BTreeMap::new();
    for (function, number) in module.functions.iter().zip(0_u32..) {
        let number = number.saturating_add(u32::try_from(module.imported).unwrap_or(u32::MAX));
        if module.replaced.contains_key(&number) {
            continue;
        }
        let ty = module.types.get(number as usize);
        let same = first.entry((ty, what_it_does(function))).or_insert(number);
        if *same != number {
            replaced.insert(number, *same);
        }
    }
    replaced
}

/// A trap of the one that is left may be that of the other.
fn keep_causes(function: u32, same: u32, module: &mut Module<'_>) {
    let Some(function) = module.function(function) else { return };
    let causes: Vec<_> = function.steps.iter().map(|step| step.cause.clone()).collect();
    let Some(kept) = module.function_mut(same) else { return };
    for (step, cause) in kept.steps.iter_mut().zip(causes) {
        if let (Some(here), Some(there)) = (&mut step.cause, cause)
            && !here.split(" or ").any(|cause| cause == there)
        {
            here.push_str(" or ");
            here.push_str(&there);
        }
    }
}

/// Everything that tells functions apart, besides their types.
fn what_it_does(function: &Function<'_>) -> String {
    let mut text = String::new();
    let _ = write!(text, "{:?};", function.locals);
    for step in &function.steps {
        let _ = match step.operator {
            Operator::BrTable { .. } => write!(text, "BrTable {:?};", step.depths),
            ref operator => write!(text, "{operator:?} {:?};", step.target),
        };
    }
    text
}

fn replace(step: &mut Step<'_>, replaced: &BTreeMap<u32, u32>) {
    if let Operator::Call { function_index } | Operator::RefFunc { function_index } = &mut step.operator {
        replace_number(function_index, replaced);
    }
    if let Some(target) = &mut step.target {
        replace_target(target, replaced);
    }
}

pub(crate) fn replace_target(target: &mut Target, replaced: &BTreeMap<u32, u32>) {
    if let Target::Slot(number) = target {
        replace_number(number, replaced);
    }
}

fn replace_number(number: &mut u32, replaced: &BTreeMap<u32, u32>) {
    *number = replaced.get(number).copied().unwrap_or(*number);
}
