//! What lies far behind an address is reached from a second address.
//!
//! An offset of 128 or more takes two bytes, and a constant of 64 or more that is added does, too. A function with a large
//! part of the stack, or with a large structure, names many of them.

use wasmparser::{Operator, ValType};

use crate::module::{Module, Step};
use crate::shorter::addresses::argument;
use crate::shorter::code::Node;
use crate::shorter::frames::begin;
use crate::shorter::locals::writes;
use crate::shorter::stack::effect;

/// The same code, perhaps with more locals.
pub(crate) fn shorten<'a>(
    mut nodes: Vec<Node<'a>>,
    locals: &mut Vec<ValType>,
    parameters: usize,
    module: &Module<'_>,
) -> Vec<Node<'a>> {
    let unwritten = (0_u32..).zip(locals.iter()).take(parameters).filter(|(_, ty)| **ty == ValType::I32);
    let mut addresses: Vec<(u32, usize)> = unwritten.map(|(local, _)| (local, 0)).collect();
    addresses.retain(|(local, _)| writes(&nodes, *local) == 0);
    let frame = (0..nodes.len()).find_map(|at| {
        let (frame, length) = begin(nodes.get(at..)?)?;
        Some((frame, at.saturating_add(length)))
    });
    // Everything behind its beginning is reached through it.
    let frame = frame.filter(|(frame, _)| writes(&nodes, frame.local) == 1);
    addresses.extend(frame.map(|(frame, at)| (frame.local, at)));
    // The last place first: those before it stay where they are.
    for (local, at) in addresses.into_iter().rev() {
        for _ in 0..MOST {
            let Some(base) = best(&mut nodes, local, module) else { break };
            let Ok(local_index) = u32::try_from(locals.len()) else { break };
            let mut behind = nodes.split_off(at);
            Search { local, found: &mut |found| found.move_to(base, local_index) }.nodes(&mut behind, module);
            nodes.extend([
                Operator::LocalGet { local_index: local }.into(),
                Operator::I32Const { value: base }.into(),
                Operator::I32Add.into(),
                Operator::LocalSet { local_index }.into(),
            ]);
            nodes.extend(behind);
            locals.push(ValType::I32);
        }
    }
    nodes
}

/// How many second addresses there may be for one.
const MOST: usize = 4;

/// How many bytes it takes to compute one.
const COST: usize = 8;

/// Where a second address saves most, if it saves enough.
fn best(nodes: &mut Vec<Node<'_>>, local: u32, module: &Module<'_>) -> Option<i32> {
    let mut all = Vec::new();
    let mut found = |found: Found<'_, '_>| all.push((found.distance, found.is_sum()));
    Search { local, found: &mut found }.nodes(nodes, module);
    let mut bases: Vec<_> = all.iter().map(|(distance, _)| *distance).filter(|base| *base >= NEAR).collect();
    bases.sort_unstable();
    bases.dedup();
    let saves = |base: i32| all.iter().filter(|(distance, is_sum)| saves(*distance, *is_sum, base)).count();
    let best = bases.into_iter().max_by_key(|base| saves(*base))?;
    (saves(best) > COST).then_some(best)
}

/// The shortest offsets are below this.
const NEAR: i32 = 128;

/// Whether a second address in this distance makes the offset a byte shorter.
fn saves(distance: i32, is_sum: bool, base: i32) -> bool {
    let rest = distance.saturating_sub(base);
    if is_sum {
        distance >= 64 && (-64..64).contains(&rest)
    } else {
        distance >= NEAR && (0..NEAR).contains(&rest)
    }
}

/// Finds what is reached from a local.
struct Search<'s> {
    local: u32,
    found: &'s mut dyn FnMut(Found<'_, '_>),
}

/// A place that is reached from an address.
struct Found<'f, 'a> {
    /// `local.get`.
    address: &'f mut Node<'a>,
    /// The instruction that has the distance.
    step: &'f mut Step<'a>,
    distance: i32,
}

impl Found<'_, '_> {
    fn is_sum(&self) -> bool {
        matches!(self.step.operator, Operator::I32Const { .. })
    }

    /// Reaches it from another local, which is so far away from this one.
    fn move_to(self, base: i32, local_index: u32) {
        if !saves(self.distance, self.is_sum(), base) {
            return;
        }
        let rest = self.distance.saturating_sub(base);
        *self.address = Operator::LocalGet { local_index }.into();
        match &mut self.step.operator {
            Operator::I32Const { value } => *value = rest,
            operator => {
                if let (Some((argument, _)), Ok(rest)) = (argument(operator), u64::try_from(rest)) {
                    argument.offset = rest;
                }
            }
        }
    }
}

impl Search<'_> {
    fn nodes(&mut self, nodes: &mut Vec<Node<'_>>, module: &Module<'_>) {
        // For each value on the stack: which node has put it there.
        let mut stack: Vec<Option<usize>> = Vec::new();
        for at in 0..nodes.len() {
            let (before, rest) = nodes.split_at_mut_checked(at).unwrap_or_default();
            let Some((node, behind)) = rest.split_first_mut() else { return };
            match node {
                Node::Block(block) => block.arms_mut().for_each(|arm| self.nodes(arm, module)),
                Node::Plain(step) => {
                    self.access(step, before, &stack);
                    self.sum(step, before, behind.first());
                }
                _ => {}
            }
            match effect(node, module) {
                Some((takes, leaves)) => {
                    stack.truncate(stack.len().saturating_sub(takes as usize));
                    stack.extend((0..leaves).map(|_| Some(at)));
                }
                None => stack.clear(),
            }
        }
    }

    fn access<'a>(&mut self, step: &mut Step<'a>, before: &mut [Node<'a>], stack: &[Option<usize>]) {
        let Some((argument, depth)) = argument(&mut step.operator).filter(|_| step.target.is_none()) else {
            return;
        };
        let Ok(distance) = i32::try_from(argument.offset) else { return };
        let address = stack.len().checked_sub(depth).and_then(|place| stack.get(place)).copied().flatten();
        if let Some(address) = address.and_then(|at| before.get_mut(at)) {
            self.take(address, step, distance);
        }
    }

    /// `local.get i32.const i32.add`
    fn sum<'a>(&mut self, step: &mut Step<'a>, before: &mut [Node<'a>], next: Option<&Node<'_>>) {
        if let (Operator::I32Const { value }, None, Some(address)) =
            (&step.operator, step.target, before.last_mut())
            && matches!(next.and_then(Node::operator), Some(Operator::I32Add))
        {
            let value = *value;
            self.take(address, step, value);
        }
    }

    fn take<'a>(&mut self, address: &mut Node<'a>, step: &mut Step<'a>, distance: i32) {
        if matches!(address.operator(), Some(Operator::LocalGet { local_index }) if *local_index == self.local)
        {
            (self.found)(Found { address, step, distance });
        }
    }
}
