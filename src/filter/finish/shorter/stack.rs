//! How instructions change the stack.

use wasmparser::{BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

use crate::module::Module;
use crate::shorter::code::{Block, Kind, Node};

/// How many values code leaves on the stack, if it takes none from it; nothing where that is not known.
pub(crate) fn height(nodes: &[Node<'_>], module: &Module<'_>) -> Option<u32> {
    nodes.iter().try_fold(0_u32, |height, node| {
        let (takes, leaves) = effect(node, module)?;
        height.checked_sub(takes)?.checked_add(leaves)
    })
}

/// How many values a node takes from the stack, and how many it leaves there.
pub(crate) fn effect(node: &Node<'_>, module: &Module<'_>) -> Option<(u32, u32)> {
    match node {
        Node::Plain(step) if is_end(&step.operator) => None,
        Node::Plain(step) => step.operator.operator_arity(module),
        Node::BranchIf(_) => Some((1, 0)),
        Node::Block(block) => Some((u32::from(block.kind == Kind::If), results(block)?)),
        Node::Branch(_) | Node::BranchTable(..) => None,
    }
}

fn results(block: &Block<'_>) -> Option<u32> {
    match block.ty {
        BlockType::Empty => Some(0),
        BlockType::Type(_) => Some(1),
        BlockType::FuncType(_) => None,
    }
}

/// Whether the instruction after this one is never reached.
fn is_end(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Return | Operator::Unreachable)
}

/// Whether code ends by going elsewhere. Anything may be on the stack then.
pub(crate) fn diverges(nodes: &[Node<'_>]) -> bool {
    nodes.last().is_some_and(|node| match node {
        Node::Plain(step) => is_end(&step.operator),
        Node::Branch(_) | Node::BranchTable(..) => true,
        Node::BranchIf(_) | Node::Block(_) => false,
    })
}

impl ModuleArity for Module<'_> {
    fn sub_type_at(&self, number: u32) -> Option<&SubType> {
        self.signatures.get(number as usize)
    }

    fn type_index_of_function(&self, function: u32) -> Option<u32> {
        self.types.get(function as usize).copied()
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        0
    }

    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}
