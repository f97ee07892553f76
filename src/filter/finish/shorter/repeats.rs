//! A constant or a sum that is needed again comes from a local, where that takes fewer bytes.
//!
//! V8 computes neither twice in any case.

use std::collections::VecDeque;
use std::mem::take;

use wasmparser::{Operator, ValType};

use crate::linking::Target;
use crate::module::Step;
use crate::shorter::code::{Block, Kind, Label, Node};
use crate::shorter::locals::number;

/// The same code with more locals, whose types are added.
pub(crate) fn shorten<'a>(nodes: Vec<Node<'a>>, locals: &mut Vec<ValType>) -> Vec<Node<'a>> {
    let mut search = Search::default();
    search.nodes(&nodes, None);
    for source in &mut search.sources {
        if source.local.is_none() && source.saves() {
            source.local = u32::try_from(locals.len()).ok();
            locals.push(source.ty);
        }
    }
    let mut rewrite = Rewrite { sites: search.sites.into(), sources: search.sources };
    rewrite.nodes(nodes)
}

/// What can be computed again.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Value {
    /// The local that the constant is added to.
    base: Option<u32>,
    constant: i64,
    is_long: bool,
    target: Option<Target>,
}

/// Where a value is computed for the first time.
#[derive(Debug)]
struct Source {
    /// The local that holds it from there on.
    local: Option<u32>,
    ty: ValType,
    /// How many bytes it takes.
    length: usize,
    /// How often it is needed again.
    repeats: usize,
}

impl Source {
    /// Whether it is shorter to write it to a local and read it from there.
    fn saves(&self) -> bool {
        self.length.saturating_sub(LOCAL).saturating_mul(self.repeats) > LOCAL
    }

    fn is_used(&self) -> bool {
        self.local.is_some() && self.repeats > 0 && self.length > LOCAL
    }
}

/// How many bytes an instruction about a local takes.
const LOCAL: usize = 2;

/// A place where a value is computed.
#[derive(Clone, Copy, Debug)]
struct Site {
    source: usize,
    is_first: bool,
}

/// Finds the places in the order of the code.
#[derive(Debug, Default)]
struct Search {
    /// The values that have been computed on every way to here, and whose parts are still the same.
    known: Vec<(Value, usize)>,
    sources: Vec<Source>,
    sites: Vec<Site>,
}

impl Search {
    /// Code that may end before its last instruction by a branch to this label. What is known afterwards is known wherever
    /// it ends.
    fn nodes(&mut self, nodes: &[Node<'_>], end: Option<Label>) {
        let mut at_first_end = None;
        let mut rest = nodes;
        while let Some(node) = rest.first() {
            if at_first_end.is_none() && end.is_some_and(|label| node.uses(label) > 0) {
                at_first_end = Some(self.known.clone());
            }
            let length = match value(rest) {
                Some((value, length)) => self.site(value, length, rest),
                None => self.node(node),
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        if let Some(before) = at_first_end {
            self.known.retain(|known| before.contains(known));
        }
    }

    /// How many instructions have been taken.
    fn site(&mut self, value: Value, length: usize, rest: &[Node<'_>]) -> usize {
        if let Some((_, source)) = self.known.iter().find(|(known, _)| *known == value) {
            self.sites.push(Site { source: *source, is_first: false });
            if let Some(source) = self.sources.get_mut(*source) {
                source.repeats = source.repeats.saturating_add(1);
            }
            return length;
        }
        let local = match rest.get(length).and_then(Node::operator) {
            Some(Operator::LocalSet { local_index } | Operator::LocalTee { local_index })
                if value.base != Some(*local_index) =>
            {
                self.forget(*local_index);
                Some(*local_index)
            }
            _ => None,
        };
        let source = self.sources.len();
        let bytes = rest.get(..length).unwrap_or_default().iter().map(bytes).sum();
        let ty = if value.is_long { ValType::I64 } else { ValType::I32 };
        self.sources.push(Source { local, ty, length: bytes, repeats: 0 });
        self.sites.push(Site { source, is_first: true });
        self.known.push((value, source));
        length.saturating_add(usize::from(local.is_some()))
    }

    fn node(&mut self, node: &Node<'_>) -> usize {
        match node {
            Node::Block(block) => self.block(block),
            node => {
                if let Some(Operator::LocalSet { local_index } | Operator::LocalTee { local_index }) =
                    node.operator()
                {
                    self.forget(*local_index);
                }
            }
        }
        1
    }

    fn block(&mut self, block: &Block<'_>) {
        match block.kind {
            Kind::Block => self.nodes(&block.body, Some(block.label)),
            Kind::Loop => {
                self.forget_written(&block.body);
                self.nodes(&block.body, None);
            }
            Kind::If => {
                let before = self.known.clone();
                for arm in block.arms() {
                    self.known.clone_from(&before);
                    self.nodes(arm, None);
                }
                self.known = before;
                block.arms().for_each(|arm| self.forget_written(arm));
            }
        }
    }

    /// A local gets another value.
    fn forget(&mut self, local: u32) {
        let Self { known, sources, .. } = self;
        known.retain(|(value, source)| {
            let holder = sources.get(*source).and_then(|source| source.local);
            value.base != Some(local) && holder != Some(local)
        });
    }

    fn forget_written(&mut self, nodes: &[Node<'_>]) {
        for node in nodes {
            match node {
                Node::Block(block) => block.arms().for_each(|arm| self.forget_written(arm)),
                node => {
                    self.node(node);
                }
            }
        }
    }
}

/// The value that code begins with, and how many instructions compute it.
fn value(nodes: &[Node<'_>]) -> Option<(Value, usize)> {
    match nodes {
        [Node::Plain(Step { operator: Operator::LocalGet { local_index }, .. }), constant, sum, ..]
            if matches!(sum.operator(), Some(Operator::I32Add)) =>
        {
            let value = Value { base: Some(*local_index), ..self::constant(constant)? };
            (!value.is_long).then_some((value, 3))
        }
        [constant, ..] => Some((self::constant(constant)?, 1)),
        [] => None,
    }
}

fn constant(node: &Node<'_>) -> Option<Value> {
    let Node::Plain(step) = node else { return None };
    let (constant, is_long) = match step.operator {
        Operator::I32Const { value } => (value.into(), false),
        Operator::I64Const { value } => (value, true),
        _ => return None,
    };
    Some(Value { base: None, constant, is_long, target: step.target })
}

fn bytes(node: &Node<'_>) -> usize {
    match node.operator() {
        Some(Operator::LocalGet { .. }) => LOCAL,
        Some(Operator::I32Const { value }) => of_constant((*value).into()),
        Some(Operator::I64Const { value }) => of_constant(*value),
        _ => 1,
    }
}

/// How many bytes an instruction with this constant takes: seven bits of it are in each, and one is the sign.
fn of_constant(value: i64) -> usize {
    let bits = if value < 0 { value.leading_ones() } else { value.leading_zeros() };
    let bits = i64::BITS.saturating_sub(bits).saturating_add(1);
    bits.div_ceil(7).saturating_add(1) as usize
}

struct Rewrite {
    sites: VecDeque<Site>,
    sources: Vec<Source>,
}

impl Rewrite {
    fn nodes<'a>(&mut self, nodes: Vec<Node<'a>>) -> Vec<Node<'a>> {
        let mut rewritten = Vec::with_capacity(nodes.len());
        let mut nodes = VecDeque::from(nodes);
        loop {
            let found = value(nodes.make_contiguous());
            let Some((_, length)) = found else {
                match nodes.pop_front() {
                    Some(Node::Block(mut block)) => {
                        for arm in block.arms_mut() {
                            *arm = self.nodes(take(arm));
                        }
                        rewritten.push(Node::Block(block));
                    }
                    Some(node) => rewritten.push(node),
                    None => return rewritten,
                }
                continue;
            };
            let site = self.sites.pop_front();
            let source =
                site.and_then(|site| self.sources.get(site.source)).filter(|source| source.is_used());
            let local_index = source.and_then(|source| source.local);
            let is_first = site.is_none_or(|site| site.is_first);
            let computed: Vec<_> = nodes.drain(..length).collect();
            match local_index {
                Some(local_index) if !is_first => rewritten.push(Operator::LocalGet { local_index }.into()),
                Some(local_index) => {
                    rewritten.extend(computed);
                    let next = nodes.front().and_then(Node::operator).and_then(number);
                    if next != Some(local_index) {
                        rewritten.push(Operator::LocalTee { local_index }.into());
                    }
                }
                None => rewritten.extend(computed),
            }
        }
    }
}
