//! A function that has its own part of the stack keeps where the stack was before, and need not compute it at its end.

use wasmparser::{Operator, ValType};

use crate::shorter::code::Node;
use crate::shorter::locals::writes;

/// The same code, perhaps with one local more.
pub(crate) fn shorten<'a>(mut nodes: Vec<Node<'a>>, locals: &mut Vec<ValType>) -> Vec<Node<'a>> {
    // Everything behind its beginning is reached through it.
    let begins = (0..nodes.len()).find_map(|at| Some((at, begin(nodes.get(at..)?)?)));
    let (Some((at, (frame, _))), Ok(before)) = (begins, u32::try_from(locals.len())) else { return nodes };
    if writes(&nodes, frame.local) > 1 {
        return nodes;
    }
    let mut behind = nodes.split_off(at.saturating_add(1));
    // Each end saves three bytes or more, and the beginning takes two.
    if restore(&mut behind, frame, before) {
        locals.push(ValType::I32);
        nodes.push(Operator::LocalTee { local_index: before }.into());
    }
    nodes.extend(behind);
    nodes
}

/// The local that has its address, and its size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) local: u32,
    size: i32,
}

/// `global.get 0 i32.const SIZE i32.sub local.tee LOCAL global.set 0`, perhaps with another `local.tee` after the first.
/// And how many instructions that is.
pub(crate) fn begin(nodes: &[Node<'_>]) -> Option<(Frame, usize)> {
    let (stack, mut rest) = nodes.split_first()?;
    if let Some((Operator::LocalTee { .. }, behind)) =
        rest.split_first().and_then(|(tee, behind)| Some((tee.operator()?, behind)))
    {
        rest = behind;
    }
    let [size, sub, tee, set, behind @ ..] = rest else { return None };
    match (stack.operator()?, size.operator()?, sub.operator()?, tee.operator()?, set.operator()?) {
        (
            Operator::GlobalGet { global_index: STACK },
            Operator::I32Const { value },
            Operator::I32Sub,
            Operator::LocalTee { local_index },
            Operator::GlobalSet { global_index: STACK },
        ) => {
            let frame = Frame { local: *local_index, size: *value };
            Some((frame, nodes.len().saturating_sub(behind.len())))
        }
        _ => None,
    }
}

/// `local.get LOCAL i32.const SIZE i32.add global.set 0`
fn end(nodes: &[Node<'_>]) -> Option<Frame> {
    let [local, size, add, set, ..] = nodes else { return None };
    match (local.operator()?, size.operator()?, add.operator()?, set.operator()?) {
        (
            Operator::LocalGet { local_index },
            Operator::I32Const { value },
            Operator::I32Add,
            Operator::GlobalSet { global_index: STACK },
        ) => Some(Frame { local: *local_index, size: *value }),
        _ => None,
    }
}

/// The global that says where the stack ends: the linker's first.
const STACK: u32 = 0;

/// Whether there is an end of the frame, at which the stack is now as it was before.
fn restore(nodes: &mut Vec<Node<'_>>, frame: Frame, before: u32) -> bool {
    let mut is_found = false;
    let mut at = 0;
    while at < nodes.len() {
        if end(nodes.get(at..).unwrap_or_default()) == Some(frame) {
            nodes.splice(at..at.saturating_add(3), [Operator::LocalGet { local_index: before }.into()]);
            is_found = true;
        } else if let Some(Node::Block(block)) = nodes.get_mut(at) {
            for arm in block.arms_mut() {
                is_found |= restore(arm, frame, before);
            }
        }
        at = at.saturating_add(1);
    }
    is_found
}
