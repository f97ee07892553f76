//! Constants that are added to an address go into the instruction that reads or writes there.
//!
//! LLVM does so only where it knows that the sum does not wrap around. If a small constant makes it wrap around, the sum
//! is smaller than the constant, and down there ([`UNUSED`]) is nothing but the far end of the stack. So the only
//! difference is that a stack that has overflowed is a trap.

use std::mem::take;

use wasmparser::{MemArg, Operator};

use crate::module::{Module, Step};
use crate::shorter::code::Node;
use crate::shorter::stack::effect;

/// Up to there, nothing is read or written.
const UNUSED: u32 = 1024;

/// Whether the smallest addresses are those of the far end of a stack.
pub(crate) fn are_unused(module: &Module<'_>) -> bool {
    module.linking.as_ref().is_some_and(|linking| linking.start() > STACK)
}

/// How large a stack is at least.
const STACK: u32 = 64 * 1024;

/// The same code with fewer additions.
pub(crate) fn shorten<'a>(nodes: Vec<Node<'a>>, module: &Module<'_>) -> Vec<Node<'a>> {
    let mut search = Search { nodes: Vec::with_capacity(nodes.len()), stack: Vec::new() };
    for node in nodes {
        search.take(node, module);
    }
    search.nodes.into_iter().flatten().collect()
}

struct Search<'a> {
    /// What has been read so far, without what has gone into another instruction.
    nodes: Vec<Option<Node<'a>>>,
    /// For each value on the stack: which node has added a constant to it, if one has.
    stack: Vec<Option<usize>>,
}

impl<'a> Search<'a> {
    fn take(&mut self, mut node: Node<'a>, module: &Module<'_>) {
        match &mut node {
            Node::Plain(step) => self.access(step),
            Node::Block(block) => {
                for arm in block.arms_mut() {
                    *arm = shorten(take(arm), module);
                }
            }
            _ => {}
        }
        let adds =
            matches!(node.operator(), Some(Operator::I32Add)) && self.constant(self.nodes.len()).is_some();
        match effect(&node, module) {
            Some((takes, leaves)) => {
                let rest = self.stack.len().saturating_sub(takes as usize);
                self.stack.truncate(rest);
                self.stack.extend((0..leaves).map(|_| adds.then_some(self.nodes.len())));
            }
            None => self.stack.clear(),
        }
        self.nodes.push(Some(node));
    }

    /// An instruction that may read or write memory.
    fn access(&mut self, step: &mut Step<'a>) {
        if step.target.is_some() {
            return;
        }
        let Some((argument, depth)) = argument(&mut step.operator) else { return };
        let place = self.stack.len().checked_sub(depth).and_then(|place| self.stack.get(place));
        let Some(sum) = place.copied().flatten() else { return };
        let Some(offset) = self.constant(sum).and_then(|constant| argument.offset.checked_add(constant))
        else {
            return;
        };
        if offset < u64::from(UNUSED) {
            argument.offset = offset;
            for gone in self.nodes.iter_mut().skip(sum.saturating_sub(1)).take(2) {
                *gone = None;
            }
        }
    }

    /// The constant right before a node.
    fn constant(&self, node: usize) -> Option<u64> {
        match self.nodes.get(node.checked_sub(1)?)? {
            Some(Node::Plain(Step { operator: Operator::I32Const { value }, target: None, .. })) => {
                u64::try_from(*value).ok()
            }
            _ => None,
        }
    }
}

/// What an instruction says about the address, and how deep that is on the stack.
pub(crate) fn argument<'o>(operator: &'o mut Operator<'_>) -> Option<(&'o mut MemArg, usize)> {
    match operator {
        Operator::I32Load { memarg }
        | Operator::I64Load { memarg }
        | Operator::F32Load { memarg }
        | Operator::F64Load { memarg }
        | Operator::I32Load8S { memarg }
        | Operator::I32Load8U { memarg }
        | Operator::I32Load16S { memarg }
        | Operator::I32Load16U { memarg }
        | Operator::I64Load8S { memarg }
        | Operator::I64Load8U { memarg }
        | Operator::I64Load16S { memarg }
        | Operator::I64Load16U { memarg }
        | Operator::I64Load32S { memarg }
        | Operator::I64Load32U { memarg } => Some((memarg, 1)),
        Operator::I32Store { memarg }
        | Operator::I64Store { memarg }
        | Operator::F32Store { memarg }
        | Operator::F64Store { memarg }
        | Operator::I32Store8 { memarg }
        | Operator::I32Store16 { memarg }
        | Operator::I64Store8 { memarg }
        | Operator::I64Store16 { memarg }
        | Operator::I64Store32 { memarg } => Some((memarg, 2)),
        _ => None,
    }
}
