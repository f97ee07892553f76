//! What both ways end with comes once, behind them.

use wasmparser::{BlockType, Operator, ValType};

use crate::module::Module;
use crate::shorter::branches::negate;
use crate::shorter::code::{Block, Kind, Node};
use crate::shorter::stack::height;

/// A function's code, with what its ways have in common at their ends behind them. `locals` are the types of all locals.
pub(crate) fn shorten<'a>(nodes: Vec<Node<'a>>, locals: &[ValType], module: &Module<'_>) -> Vec<Node<'a>> {
    let mut joined = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Node::Block(mut block) = node else {
            joined.push(node);
            continue;
        };
        for arm in block.arms_mut() {
            *arm = shorten(std::mem::take(arm), locals, module);
        }
        let behind = join(&mut block, locals, module);
        if block.is(Kind::If)
            && block.body.is_empty()
            && let Some(otherwise) = block.otherwise.take()
        {
            negate(&mut joined);
            block.body = otherwise;
        }
        joined.push(Node::Block(block));
        joined.extend(behind);
    }
    joined
}

fn join<'a>(block: &mut Block<'a>, locals: &[ValType], module: &Module<'_>) -> Vec<Node<'a>> {
    let is_known = block.is(Kind::If) && block.uses(block.label) == 0;
    let Some(otherwise) = block.otherwise.as_mut().filter(|_| is_known) else { return Vec::new() };
    let ends = block.body.iter().rev().zip(otherwise.iter().rev());
    let same = ends.take_while(|(one, other)| one.is_same(other)).count();
    for length in (1..=same).rev() {
        let at = block.body.len().saturating_sub(length);
        let (before, behind) = block.body.split_at_checked(at).unwrap_or_default();
        let beside = otherwise.get(..otherwise.len().saturating_sub(length)).unwrap_or_default();
        let Some(ty) = value(before, behind, locals, module) else { continue };
        if height(beside, module).is_some() {
            otherwise.truncate(otherwise.len().saturating_sub(length));
            block.ty = ty;
            return block.body.split_off(at);
        }
    }
    Vec::new()
}

/// What the code before leaves for the code behind it, if that is known.
fn value(
    before: &[Node<'_>],
    behind: &[Node<'_>],
    locals: &[ValType],
    module: &Module<'_>,
) -> Option<BlockType> {
    match (height(before, module)?, behind.first()?.operator()?) {
        (0, _) => Some(BlockType::Empty),
        (1, Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) => {
            Some(BlockType::Type(*locals.get(*local_index as usize)?))
        }
        _ => None,
    }
}
