//! What a local holds already is not written again, if that is zero: each local begins with it.

use std::mem::take;

use wasmparser::Operator;

use crate::shorter::code::{Block, Kind, Label, Node};

/// The same code without the zeros that change nothing. Of its `locals`, the first are the parameters.
pub(crate) fn shorten(nodes: Vec<Node<'_>>, locals: usize, parameters: usize) -> Vec<Node<'_>> {
    let mut filled = vec![true; parameters];
    filled.resize(locals, false);
    let mut search = Search { filled, places: Vec::new() };
    search.nodes(nodes)
}

struct Search {
    /// Which locals may hold something else than zero.
    filled: Vec<bool>,
    /// The same at the ends of the blocks that are open, as far as branches lead there.
    places: Vec<(Label, Vec<bool>)>,
}

impl Search {
    fn nodes<'a>(&mut self, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
        let mut left: Vec<Node<'a>> = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            if let Some(Operator::LocalSet { local_index }) = node.operator()
                && left.last().is_some_and(is_zero)
            {
                if !self.fill(*local_index, false) {
                    left.pop();
                    continue;
                }
            } else {
                self.node(&mut node);
            }
            left.push(node);
        }
        left
    }

    fn node(&mut self, node: &mut Node<'_>) {
        match node {
            Node::Plain(step) => match step.operator {
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    self.fill(local_index, true);
                }
                Operator::Return | Operator::Unreachable => self.filled.fill(false),
                _ => {}
            },
            Node::Block(block) => self.block(block),
            Node::BranchIf(label) => self.goes_to(*label),
            Node::Branch(label) => {
                self.goes_to(*label);
                self.filled.fill(false);
            }
            Node::BranchTable(_, labels) => {
                for label in labels {
                    self.goes_to(*label);
                }
                self.filled.fill(false);
            }
        }
    }

    fn block(&mut self, block: &mut Block<'_>) {
        if block.kind == Kind::Loop {
            // In the next round, all that it writes may hold something.
            self.fill_written(&block.body);
            block.body = self.nodes(take(&mut block.body));
            return;
        }
        let before = self.filled.clone();
        self.places.push((block.label, vec![false; before.len()]));
        block.body = self.nodes(take(&mut block.body));
        if block.kind == Kind::If {
            let of_body = std::mem::replace(&mut self.filled, before);
            block.otherwise = block.otherwise.take().map(|otherwise| self.nodes(otherwise));
            merge(&mut self.filled, &of_body);
        }
        if let Some((_, place)) = self.places.pop() {
            merge(&mut self.filled, &place);
        }
    }

    fn goes_to(&mut self, label: Label) {
        if let Some((_, place)) = self.places.iter_mut().rev().find(|(there, _)| *there == label) {
            merge(place, &self.filled);
        }
    }

    /// Whether the local may have held something.
    fn fill(&mut self, local: u32, is_filled: bool) -> bool {
        self.filled.get_mut(local as usize).is_none_or(|filled| std::mem::replace(filled, is_filled))
    }

    fn fill_written(&mut self, nodes: &[Node<'_>]) {
        for node in nodes {
            if let Node::Block(block) = node {
                block.arms().for_each(|arm| self.fill_written(arm));
            } else if let Some(Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) =
                node.operator()
            {
                self.fill(*local_index, true);
            }
        }
    }
}

fn merge(filled: &mut [bool], other: &[bool]) {
    for (filled, other) in filled.iter_mut().zip(other) {
        *filled |= other;
    }
}

fn is_zero(node: &Node<'_>) -> bool {
    matches!(node.operator(), Some(Operator::I32Const { value: 0 } | Operator::I64Const { value: 0 }))
}
