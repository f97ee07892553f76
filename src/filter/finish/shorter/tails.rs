//! Branches to where the code goes anyway.

use std::mem::take;

use wasmparser::{BlockType, Operator};

use crate::module::Module;
use crate::shorter::branches::{drop_branch, either, has_opposite, negate, rename};
use crate::shorter::code::{Block, FUNCTION, Kind, Label, Node, uses};
use crate::shorter::stack::height;

/// A function's code, with fewer branches at the ends of its blocks.
pub(crate) fn shorten<'a>(mut nodes: Vec<Node<'a>>, has_results: bool, module: &Module<'_>) -> Vec<Node<'a>> {
    let ends = if has_results { Vec::new() } else { vec![FUNCTION] };
    let mut tails = Tails { module, exits: ends.clone() };
    tails.nodes(&mut nodes, &ends);
    nodes
}

struct Tails<'m> {
    module: &'m Module<'m>,
    /// Labels whose place is the end of the function.
    exits: Vec<Label>,
}

impl Tails<'_> {
    /// Code after which the places of these labels are.
    fn nodes(&mut self, nodes: &mut Vec<Node<'_>>, ends: &[Label]) {
        if is_branch_to(nodes.last(), ends) {
            drop_branch(nodes, self.module);
        }
        self.divide(nodes, ends);
        while skip_last(nodes, ends) {}
        let last = nodes.len().saturating_sub(1);
        for (number, node) in nodes.iter_mut().enumerate() {
            match node {
                Node::Branch(label) if self.exits.contains(label) => *node = Operator::Return.into(),
                Node::Block(block) => self.block(block, if number == last { ends } else { &[] }),
                _ => {}
            }
        }
    }

    fn block(&mut self, block: &mut Block<'_>, ends: &[Label]) {
        let mut inner = Vec::new();
        if block.ty == BlockType::Empty {
            inner.extend(ends);
            if block.kind != Kind::Loop {
                inner.push(block.label);
                self.exits.extend(inner.contains(&FUNCTION).then_some(block.label));
            }
        }
        for arm in block.arms_mut() {
            self.nodes(arm, &inner);
        }
        block.otherwise.take_if(|otherwise| otherwise.is_empty());
    }

    /// `if … br end … ` is `if … else …`.
    fn divide(&self, nodes: &mut Vec<Node<'_>>, ends: &[Label]) {
        let is_first = |node: &Node<'_>| matches!(node, Node::Block(block) if skips(block, ends));
        let Some(at) = nodes.iter().position(is_first) else { return };
        if height(nodes.get(..at).unwrap_or_default(), self.module) != Some(1) {
            return;
        }
        let rest = nodes.split_off(at.saturating_add(1));
        let Some(Node::Block(mut block)) = nodes.pop() else { return };
        let mut body = take(&mut block.body);
        drop_branch(&mut body, self.module);
        let either = either(block.label, body, rest, nodes);
        nodes.push(either);
    }
}

/// `if … end` at the end is a branch over the rest, where the opposite condition takes no more bytes.
fn skip_last(nodes: &mut Vec<Node<'_>>, ends: &[Label]) -> bool {
    let Some(end) = ends.last() else { return false };
    let Some((Node::Block(last), before)) = nodes.split_last() else { return false };
    if !last.is(Kind::If) || last.otherwise.is_some() || !has_opposite(before) {
        return false;
    }
    let Some(Node::Block(mut last)) = nodes.pop() else { return false };
    negate(nodes);
    nodes.push(Node::BranchIf(*end));
    rename(&mut last.body, last.label, *end);
    nodes.extend(last.body);
    true
}

fn skips(block: &Block<'_>, ends: &[Label]) -> bool {
    block.is(Kind::If)
        && block.otherwise.is_none()
        && is_branch_to(block.body.last(), ends)
        && uses(&block.body, block.label) == 0
}

fn is_branch_to(node: Option<&Node<'_>>, labels: &[Label]) -> bool {
    match node {
        Some(Node::Branch(label)) => labels.contains(label),
        Some(Node::Plain(step)) => matches!(step.operator, Operator::Return) && labels.contains(&FUNCTION),
        _ => false,
    }
}
