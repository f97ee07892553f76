//! Locals: a value that is wanted where it would be on the stack anyway stays there, nothing is written that nobody reads,
//! and the locals that are left are numbered so that they take few bytes.

use std::cmp::Reverse;

use wasmparser::{Operator, ValType};

use crate::module::{Function, Module, Step};
use crate::shorter::code::Node;
use crate::shorter::live::Live;
use crate::shorter::stack::effect;

/// How many nodes back the writing of a local is looked for.
const FAR: usize = 200;

/// A function's code with fewer locals, of which it has `count`.
pub(crate) fn shorten<'a>(mut nodes: Vec<Node<'a>>, count: usize, module: &Module<'_>) -> Vec<Node<'a>> {
    loop {
        // What stays on the stack makes way for what is below it.
        let mut live = Live::new(&mut nodes, count);
        let mut search = Search { module, is_shorter: false };
        search.nodes(&mut live, &mut nodes);
        if !search.is_shorter {
            return nodes;
        }
    }
}

/// Goes through the code from its end to its beginning.
struct Search<'m> {
    module: &'m Module<'m>,
    is_shorter: bool,
}

impl Search<'_> {
    fn nodes(&mut self, live: &mut Live, nodes: &mut Vec<Node<'_>>) {
        let mut reversed = Vec::with_capacity(nodes.len());
        while let Some(mut node) = nodes.pop() {
            if let Node::Block(block) = &mut node {
                live.before_block(block, &mut |live, nodes| self.nodes(live, nodes));
            } else if self.is_needed(live, &mut node, nodes) {
                live.before(&node);
            } else {
                self.is_shorter = true;
                continue;
            }
            reversed.push(node);
        }
        reversed.reverse();
        *nodes = reversed;
    }

    /// Whether an instruction is needed after those before it.
    fn is_needed<'a>(&self, live: &Live, node: &mut Node<'a>, before: &mut Vec<Node<'a>>) -> bool {
        match node.operator() {
            Some(Operator::LocalGet { local_index }) => {
                let local_index = *local_index;
                let Some(written) = self.written(local_index, before) else { return true };
                *written = Operator::LocalTee { local_index }.into();
                false
            }
            Some(Operator::LocalTee { local_index }) => live.is_read(*local_index),
            Some(Operator::LocalSet { local_index }) if !live.is_read(*local_index) => {
                *node = Operator::Drop.into();
                before.pop_if(|value| is_free(value)).is_none()
            }
            _ => true,
        }
    }

    /// Where a local has been written, if its value would be on top of the stack now had it stayed there.
    fn written<'n, 'a>(&self, local: u32, before: &'n mut [Node<'a>]) -> Option<&'n mut Node<'a>> {
        // What is on the stack now beyond what was there then.
        let mut height = 0_u32;
        for node in before.iter_mut().rev().take(FAR) {
            match node.operator() {
                Some(Operator::LocalSet { local_index }) if *local_index == local => {
                    return (height == 0).then_some(node);
                }
                _ if names(node, local) => return None,
                _ => {}
            }
            let (takes, leaves) = effect(node, self.module)?;
            height = height.checked_sub(leaves)?.checked_add(takes)?;
        }
        None
    }
}

/// Whether nothing happens if a value is not computed.
fn is_free(node: &Node<'_>) -> bool {
    matches!(
        node.operator(),
        Some(Operator::LocalGet { .. } | Operator::I32Const { .. } | Operator::I64Const { .. })
    )
}

/// Whether a node is about a local.
fn names(node: &Node<'_>, local: u32) -> bool {
    match node {
        Node::Block(block) => block.arms().flatten().any(|node| names(node, local)),
        node => node.operator().and_then(number) == Some(local),
    }
}

/// Leaves out the locals that the code does not name. What it names most gets the smallest number of its type.
pub(crate) fn renumber(function: &mut Function<'_>, parameters: usize) {
    let mut uses = vec![0_usize; parameters.saturating_add(function.locals.len())];
    for number in function.steps.iter_mut().filter_map(local) {
        if let Some(count) = uses.get_mut(*number as usize) {
            *count = count.saturating_add(1);
        }
    }
    let of_type = |ty: ValType| -> usize {
        let own = function.locals.iter().zip(uses.iter().skip(parameters)).filter(|(other, _)| **other == ty);
        own.map(|(_, count)| count).sum()
    };
    let mut order: Vec<_> = function
        .locals
        .iter()
        .zip(uses.iter().zip(0_u32..).skip(parameters))
        .filter(|(_, (count, _))| **count > 0)
        .map(|(ty, (count, number))| (Reverse(of_type(*ty)), *ty, Reverse(*count), number))
        .collect();
    order.sort_by_key(|(of_type, ty, count, number)| (*of_type, ty.to_string(), *count, *number));
    let first = u32::try_from(parameters).unwrap_or(u32::MAX);
    let mut numbers: Vec<u32> = (0..first).collect();
    numbers.resize(uses.len(), u32::MAX);
    for ((.., number), new) in order.iter().zip(first..) {
        if let Some(slot) = numbers.get_mut(*number as usize) {
            *slot = new;
        }
    }
    function.locals = order.into_iter().map(|(_, ty, ..)| ty).collect();
    for number in function.steps.iter_mut().filter_map(local) {
        *number = numbers.get(*number as usize).copied().unwrap_or(u32::MAX);
    }
}

/// The local that an instruction is about.
pub(crate) fn number(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::LocalGet { local_index }
        | Operator::LocalSet { local_index }
        | Operator::LocalTee { local_index } => Some(*local_index),
        _ => None,
    }
}

/// The same, to be changed.
fn local<'a>(step: &'a mut Step<'_>) -> Option<&'a mut u32> {
    match &mut step.operator {
        Operator::LocalGet { local_index }
        | Operator::LocalSet { local_index }
        | Operator::LocalTee { local_index } => Some(local_index),
        _ => None,
    }
}

/// How often code writes a local.
pub(crate) fn writes(nodes: &[Node<'_>], local: u32) -> usize {
    let of_node = |node: &Node<'_>| match node {
        Node::Block(block) => block.arms().map(|arm| writes(arm, local)).sum(),
        node => match node.operator() {
            Some(Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) => {
                usize::from(*local_index == local)
            }
            _ => 0,
        },
    };
    nodes.iter().map(of_node).sum()
}
