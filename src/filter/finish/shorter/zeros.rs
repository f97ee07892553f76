//! A local that has not been written yet is zero.

use wasmparser::Operator;

use crate::shorter::code::{Kind, Node};
use crate::shorter::locals::number;

/// The same code without the zeros that are written first. It has so many parameters.
pub(crate) fn shorten(nodes: Vec<Node<'_>>, parameters: usize) -> Vec<Node<'_>> {
    let mut search = Search { written: vec![true; parameters], is_in_loop: false };
    search.nodes(nodes)
}

struct Search {
    /// Whether each local may have been written.
    written: Vec<bool>,
    is_in_loop: bool,
}

impl Search {
    fn nodes<'a>(&mut self, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
        let mut left: Vec<Node<'a>> = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            if let Node::Block(block) = &mut node {
                let is_in_loop = self.is_in_loop;
                self.is_in_loop |= block.kind == Kind::Loop;
                for arm in block.arms_mut() {
                    *arm = self.nodes(std::mem::take(arm));
                }
                self.is_in_loop = is_in_loop;
            } else if let Some(Operator::LocalSet { .. } | Operator::LocalTee { .. }) = node.operator()
                && let Some(local) = node.operator().and_then(number)
            {
                let was_written = self.write(local) || self.is_in_loop;
                let sets = matches!(node.operator(), Some(Operator::LocalSet { .. }));
                if !was_written && sets && left.pop_if(|value| is_zero(value)).is_some() {
                    continue;
                }
            }
            left.push(node);
        }
        left
    }

    /// Whether it may have been written before.
    fn write(&mut self, local: u32) -> bool {
        let local = local as usize;
        if self.written.len() <= local {
            self.written.resize(local.saturating_add(1), false);
        }
        self.written.get_mut(local).is_none_or(|written| std::mem::replace(written, true))
    }
}

fn is_zero(node: &Node<'_>) -> bool {
    matches!(node.operator(), Some(Operator::I32Const { value: 0 } | Operator::I64Const { value: 0 }))
}
