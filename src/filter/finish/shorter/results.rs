//! What every way out of a block writes to the same local is the block's result.

use wasmparser::{BlockType, Operator, ValType};

use crate::shorter::code::{Block, Kind, Label, Node};
use crate::shorter::stack::diverges;

/// The same code, in which `locals` are the types of all locals.
pub(crate) fn shorten<'a>(nodes: Vec<Node<'a>>, locals: &[ValType]) -> Vec<Node<'a>> {
    let mut shorter = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Node::Block(mut block) = node else {
            shorter.push(node);
            continue;
        };
        for arm in block.arms_mut() {
            *arm = shorten(std::mem::take(arm), locals);
        }
        let result = result(&block).and_then(|local| Some((local, *locals.get(local as usize)?)));
        if let Some((local_index, ty)) = result {
            let label = block.label;
            for arm in block.arms_mut() {
                leave_values(arm, label);
                drop_last_set(arm);
            }
            block.ty = BlockType::Type(ty);
            shorter.push(Node::Block(block));
            shorter.push(Operator::LocalSet { local_index }.into());
        } else {
            shorter.push(Node::Block(block));
        }
    }
    shorter
}

/// The local that every way out of the block writes last, if there are two or more.
fn result(block: &Block<'_>) -> Option<u32> {
    if block.ty != BlockType::Empty
        || block.kind == Kind::Loop
        || (block.is(Kind::If) && block.otherwise.is_none())
    {
        return None;
    }
    let mut found = Vec::new();
    for arm in block.arms() {
        exits(arm, block.label, &mut found)?;
        if !diverges(arm) {
            found.push(written(arm.last())?);
        }
    }
    let (first, rest) = found.split_first()?;
    (!rest.is_empty() && rest.iter().all(|local| local == first)).then_some(*first)
}

/// Finds what is written before each branch there. Nothing, if one has another form.
fn exits(nodes: &[Node<'_>], label: Label, found: &mut Vec<u32>) -> Option<()> {
    let mut before = None;
    for node in nodes {
        match node {
            Node::Branch(there) if *there == label => found.push(written(before)?),
            Node::Block(block) => {
                for arm in block.arms() {
                    exits(arm, label, found)?;
                }
            }
            node if node.uses(label) > 0 => return None,
            _ => {}
        }
        before = Some(node);
    }
    Some(())
}

fn written(node: Option<&Node<'_>>) -> Option<u32> {
    match node?.operator()? {
        Operator::LocalSet { local_index } => Some(*local_index),
        _ => None,
    }
}

/// Leaves on the stack what is written before each branch there.
fn leave_values(nodes: &mut Vec<Node<'_>>, label: Label) {
    let mut left: Vec<Node<'_>> = Vec::with_capacity(nodes.len());
    for mut node in std::mem::take(nodes) {
        match &mut node {
            Node::Branch(there) if *there == label => drop_last_set(&mut left),
            Node::Block(block) => block.arms_mut().for_each(|arm| leave_values(arm, label)),
            _ => {}
        }
        left.push(node);
    }
    *nodes = left;
}

fn drop_last_set(nodes: &mut Vec<Node<'_>>) {
    nodes.pop_if(|node| matches!(node.operator(), Some(Operator::LocalSet { .. })));
}
