//! Code in a shorter form, function by function. What is computed stays the same, in its order.
//!
//! LLVM writes WebAssembly from a form that has registers and jumps, and leaves bytes behind: `block` and `br_if` where
//! `if` would do, locals for what could stay on the stack, sums that an instruction could make itself. The code of a
//! function is read into a tree (`code`), and each of the others makes one thing shorter.

mod addresses;
mod bases;
mod branches;
mod code;
mod frames;
mod joins;
mod live;
mod locals;
mod repeats;
mod results;
mod stack;
mod tails;
mod zeros;

use std::mem::take;

use wasmparser::FuncType;

use crate::module::{Function, Module};

/// Writes the code of each function in a shorter form.
pub(crate) fn shorten(module: &mut Module<'_>) {
    let mut functions = take(&mut module.functions);
    for (function, ty) in functions.iter_mut().zip(module.types.iter().skip(module.imported)) {
        if let Some(signature) = module.signature(*ty) {
            shorten_function(function, signature, module);
        }
    }
    module.functions = functions;
}

fn shorten_function(function: &mut Function<'_>, signature: &FuncType, module: &Module<'_>) {
    let Some(mut nodes) = code::read(&function.steps) else { return };
    let parameters = signature.params().len();
    let mut locals = [signature.params(), &function.locals].concat();
    if addresses::are_unused(module) {
        nodes = addresses::shorten(nodes, module);
    }
    nodes = branches::shorten(nodes, module);
    nodes = tails::shorten(nodes, !signature.results().is_empty(), module);
    nodes = joins::shorten(nodes, &locals, module);
    nodes = results::shorten(nodes, &locals);
    nodes = frames::shorten(nodes, &mut locals);
    nodes = bases::shorten(nodes, &mut locals, parameters, module);
    nodes = zeros::shorten(nodes, locals.len(), parameters);
    nodes = repeats::shorten(nodes, &mut locals);
    nodes = locals::shorten(nodes, locals.len(), module);
    function.locals = locals.split_off(parameters);
    function.steps = code::write(nodes);
    locals::renumber(function, parameters);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]
mod tests;
