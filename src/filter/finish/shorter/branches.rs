//! Blocks and branches in their shortest form.
//!
//! LLVM divides the way by `block` and `br_if` alone. In most places `if` and `else` say the same in half the bytes. Only
//! how the code is written changes: what is computed stays, in its order.

use wasmparser::{BlockType, Operator};

use crate::module::{Module, Step};
use crate::shorter::code::{Block, Kind, Label, NOBODY, Node, uses};
use crate::shorter::stack::{diverges, height};

/// The same code with shorter branches.
pub(crate) fn shorten<'a>(nodes: Vec<Node<'a>>, module: &Module<'_>) -> Vec<Node<'a>> {
    let mut shorter = Vec::with_capacity(nodes.len());
    let mut nodes = nodes.into_iter().peekable();
    while let Some(node) = nodes.next() {
        match node {
            Node::Block(mut block) => {
                if let Some(Node::Plain(trap)) = nodes.peek()
                    && traps_once(&block, trap)
                {
                    trap_inside(&mut block.body, block.label, trap);
                    nodes.next();
                }
                for arm in block.arms_mut() {
                    *arm = shorten(std::mem::take(arm), module);
                }
                shorter.extend(shorten_block(block, module));
            }
            other => shorter.push(other),
        }
    }
    shorter
}

/// Whether a block only serves one branch to the trap behind it.
fn traps_once(block: &Block<'_>, behind: &Step<'_>) -> bool {
    matches!(behind.operator, Operator::Unreachable)
        && block.is(Kind::Block)
        && block.uses(block.label) == 1
        && !is_in_table(&block.body, block.label)
        && diverges(&block.body)
}

fn is_in_table(nodes: &[Node<'_>], label: Label) -> bool {
    nodes.iter().any(|node| match node {
        Node::BranchTable(_, labels) => labels.contains(&label),
        Node::Block(block) => block.arms().any(|arm| is_in_table(arm, label)),
        _ => false,
    })
}

/// `block … br_if 0 … end unreachable` is `… if unreachable end …`.
fn trap_inside<'a>(nodes: &mut [Node<'a>], label: Label, trap: &Step<'a>) {
    for node in nodes {
        match node {
            Node::Branch(there) if *there == label => *node = Node::Plain(trap.clone()),
            Node::BranchIf(there) if *there == label => {
                *node = Node::Block(condition(NOBODY, vec![Node::Plain(trap.clone())], None));
            }
            Node::Block(block) => {
                for arm in block.arms_mut() {
                    trap_inside(arm, label, trap);
                }
            }
            _ => {}
        }
    }
}

fn condition<'a>(label: Label, body: Vec<Node<'a>>, otherwise: Option<Vec<Node<'a>>>) -> Block<'a> {
    Block { kind: Kind::If, ty: BlockType::Empty, label, body, otherwise }
}

fn shorten_block<'a>(mut block: Block<'a>, module: &Module<'_>) -> Vec<Node<'a>> {
    drop_last_branches(&mut block, module);
    if block.is(Kind::Block) {
        merge_last(&mut block);
        if block.uses(block.label) == 0 {
            return block.body;
        }
        block = match conditional(block, module) {
            Ok(nodes) => return nodes,
            Err(block) => block,
        };
    }
    vec![Node::Block(block)]
}

/// A branch to what comes next anyway.
fn drop_last_branches(block: &mut Block<'_>, module: &Module<'_>) {
    if block.ty != BlockType::Empty || block.kind == Kind::Loop {
        return;
    }
    let label = block.label;
    for arm in block.arms_mut() {
        if matches!(arm.last(), Some(Node::Branch(there)) if *there == label) {
            drop_branch(arm, module);
        }
    }
    block.otherwise.take_if(|otherwise| otherwise.is_empty());
}

/// Drops the branch at the end of code that leaves nothing on the stack in any case.
pub(crate) fn drop_branch(nodes: &mut Vec<Node<'_>>, module: &Module<'_>) {
    let before = nodes.split_last().map(|(_, before)| before);
    if before.and_then(|before| height(before, module)) == Some(0) {
        nodes.pop();
    }
}

/// A block at the end of another one ends where that does.
fn merge_last(block: &mut Block<'_>) {
    while let Some(Node::Block(last)) =
        block.body.pop_if(|node| matches!(node, Node::Block(last) if last.is(Kind::Block)))
    {
        let mut body = last.body;
        rename(&mut body, last.label, block.label);
        block.body.extend(body);
    }
}

pub(crate) fn rename(nodes: &mut [Node<'_>], from: Label, to: Label) {
    for node in nodes {
        match node {
            Node::Branch(label) | Node::BranchIf(label) if *label == from => *label = to,
            Node::BranchTable(_, labels) => {
                labels.iter_mut().filter(|label| **label == from).for_each(|label| *label = to);
            }
            Node::Block(block) => block.arms_mut().for_each(|arm| rename(arm, from, to)),
            _ => {}
        }
    }
}

/// What a block is with `if` in its place, if its first branch out allows that.
fn conditional<'a>(mut block: Block<'a>, module: &Module<'_>) -> Result<Vec<Node<'a>>, Block<'a>> {
    let label = block.label;
    let Some(first) = block.body.iter().position(|node| node.uses(label) > 0) else { return Err(block) };
    if height(block.body.get(..first).unwrap_or_default(), module) != Some(1) {
        return Err(block);
    }
    match block.body.get(first) {
        Some(Node::BranchIf(_)) => {
            let rest = block.body.split_off(first.saturating_add(1));
            block.body.pop();
            negate(&mut block.body);
            block.body.push(Node::Block(condition(label, rest, None)));
        }
        Some(Node::Block(inner)) if is_else(inner, label) => {
            let rest = block.body.split_off(first.saturating_add(1));
            let Some(Node::Block(mut inner)) = block.body.pop() else { return Err(block) };
            drop_branch(&mut inner.body, module);
            let either = either(label, inner.body, rest, &mut block.body);
            block.body.push(either);
        }
        Some(Node::Block(inner)) if inner.is(Kind::If) && block.body.len() == first.saturating_add(1) => {
            let Some(Node::Block(mut inner)) = block.body.pop() else { return Err(block) };
            let own = std::mem::replace(&mut inner.label, label);
            inner.arms_mut().for_each(|arm| rename(arm, own, label));
            block.body.push(Node::Block(inner));
        }
        _ => return Err(block),
    }
    Ok(block.body)
}

/// Goes one of two ways after the condition at the end of the code.
pub(crate) fn either<'a>(
    label: Label,
    first: Vec<Node<'a>>,
    second: Vec<Node<'a>>,
    code: &mut Vec<Node<'a>>,
) -> Node<'a> {
    let (first, second) = if is_negated(code) && !second.is_empty() {
        code.pop();
        (second, first)
    } else {
        (first, second)
    };
    Node::Block(condition(label, first, Some(second).filter(|second| !second.is_empty())))
}

/// Whether it ends by skipping the rest of the block around it.
fn is_else(inner: &Block<'_>, around: Label) -> bool {
    inner.is(Kind::If)
        && inner.otherwise.is_none()
        && uses(&inner.body, inner.label) == 0
        && matches!(inner.body.last(), Some(Node::Branch(label)) if *label == around)
}

fn is_negated(nodes: &[Node<'_>]) -> bool {
    matches!(nodes.last().and_then(Node::operator), Some(Operator::I32Eqz))
}

/// Makes the condition at the end of the code its opposite.
pub(crate) fn negate(nodes: &mut Vec<Node<'_>>) {
    if is_negated(nodes) {
        nodes.pop();
    } else if let Some(opposite) = nodes.last().and_then(Node::operator).and_then(opposite) {
        nodes.pop();
        nodes.push(opposite.into());
    } else {
        nodes.push(Operator::I32Eqz.into());
    }
}

/// Whether the opposite of the condition at the end of the code takes no more bytes.
pub(crate) fn has_opposite(nodes: &[Node<'_>]) -> bool {
    is_negated(nodes) || nodes.last().and_then(Node::operator).and_then(opposite).is_some()
}

fn opposite(comparison: &Operator<'_>) -> Option<Operator<'static>> {
    Some(match comparison {
        Operator::I32Eq => Operator::I32Ne,
        Operator::I32Ne => Operator::I32Eq,
        Operator::I32LtS => Operator::I32GeS,
        Operator::I32LtU => Operator::I32GeU,
        Operator::I32GtS => Operator::I32LeS,
        Operator::I32GtU => Operator::I32LeU,
        Operator::I32LeS => Operator::I32GtS,
        Operator::I32LeU => Operator::I32GtU,
        Operator::I32GeS => Operator::I32LtS,
        Operator::I32GeU => Operator::I32LtU,
        Operator::I64Eq => Operator::I64Ne,
        Operator::I64Ne => Operator::I64Eq,
        Operator::I64LtS => Operator::I64GeS,
        Operator::I64LtU => Operator::I64GeU,
        Operator::I64GtS => Operator::I64LeS,
        Operator::I64GtU => Operator::I64LeU,
        Operator::I64LeS => Operator::I64GtS,
        Operator::I64LeU => Operator::I64GtU,
        Operator::I64GeS => Operator::I64LtS,
        Operator::I64GeU => Operator::I64LtU,
        _ => return None,
    })
}
