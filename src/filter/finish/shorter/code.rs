//! A function's code as a tree: a branch names the block that it leads to, wherever the two are moved.

use std::mem::take;

use wasmparser::{BlockType, Operator};

use crate::module::Step;

/// What a branch can lead to: the end of a block, or the beginning of a loop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Label(usize);

/// The label of the function itself: a branch to it returns.
pub(crate) const FUNCTION: Label = Label(0);

/// For a block that nothing branches to.
pub(crate) const NOBODY: Label = Label(usize::MAX);

/// Part of a function.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    /// What neither is a block nor branches.
    Plain(Step<'a>),
    Block(Block<'a>),
    Branch(Label),
    BranchIf(Label),
    /// The default is the last.
    BranchTable(Step<'a>, Vec<Label>),
}

#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) kind: Kind,
    pub(crate) ty: BlockType,
    pub(crate) label: Label,
    pub(crate) body: Vec<Node<'a>>,
    /// After `else`.
    pub(crate) otherwise: Option<Vec<Node<'a>>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Block,
    Loop,
    If,
}

/// Code as a tree; nothing, if it has branches of a kind that is not known here.
pub(crate) fn read<'a>(steps: &[Step<'a>]) -> Option<Vec<Node<'a>>> {
    let mut reader = Reader { open: Vec::new(), labels: 0, function: None };
    reader.begin(Kind::Block, BlockType::Empty);
    for step in steps {
        reader.take(step.clone())?;
    }
    reader.function
}

/// The same as a list.
pub(crate) fn write(nodes: Vec<Node<'_>>) -> Vec<Step<'_>> {
    let mut writer = Writer { steps: Vec::new(), open: vec![FUNCTION] };
    writer.nodes(nodes);
    writer.steps.push(Operator::End.into());
    writer.steps
}

impl<'a> Node<'a> {
    /// How often it branches there.
    pub(crate) fn uses(&self, label: Label) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Branch(there) | Self::BranchIf(there) => usize::from(*there == label),
            Self::BranchTable(_, labels) => labels.iter().filter(|there| **there == label).count(),
            Self::Block(block) => block.uses(label),
        }
    }

    /// Whether both do the same, and neither is a block.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => {
                one.operator == other.operator && one.target == other.target && one.cause == other.cause
            }
            _ => false,
        }
    }

    pub(crate) fn operator(&self) -> Option<&Operator<'a>> {
        match self {
            Self::Plain(step) => Some(&step.operator),
            _ => None,
        }
    }
}

impl<'a> Block<'a> {
    /// A block that has no value.
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.kind == kind && self.ty == BlockType::Empty
    }

    pub(crate) fn uses(&self, label: Label) -> usize {
        self.arms().map(|arm| uses(arm, label)).sum()
    }

    /// Its body, and what comes after `else`.
    pub(crate) fn arms(&self) -> impl Iterator<Item = &Vec<Node<'a>>> {
        [&self.body].into_iter().chain(&self.otherwise)
    }

    /// The same, to be changed.
    pub(crate) fn arms_mut(&mut self) -> impl Iterator<Item = &mut Vec<Node<'a>>> {
        [&mut self.body].into_iter().chain(&mut self.otherwise)
    }
}

impl<'a> From<Operator<'a>> for Node<'a> {
    fn from(operator: Operator<'a>) -> Self {
        Self::Plain(operator.into())
    }
}

/// How often code branches to a label.
pub(crate) fn uses(nodes: &[Node<'_>], label: Label) -> usize {
    nodes.iter().map(|node| node.uses(label)).sum()
}

struct Reader<'a> {
    open: Vec<Block<'a>>,
    labels: usize,
    /// All of it, once its end has been read.
    function: Option<Vec<Node<'a>>>,
}

impl<'a> Reader<'a> {
    fn begin(&mut self, kind: Kind, ty: BlockType) {
        let label = Label(self.labels);
        self.labels = self.labels.saturating_add(1);
        self.open.push(Block { kind, ty, label, body: Vec::new(), otherwise: None });
    }

    fn take(&mut self, step: Step<'a>) -> Option<()> {
        let node = match step.operator {
            Operator::Block { blockty } => {
                self.begin(Kind::Block, blockty);
                return Some(());
            }
            Operator::Loop { blockty } => {
                self.begin(Kind::Loop, blockty);
                return Some(());
            }
            Operator::If { blockty } => {
                self.begin(Kind::If, blockty);
                return Some(());
            }
            Operator::Else => {
                self.open.last_mut()?.otherwise = Some(Vec::new());
                return Some(());
            }
            Operator::End => {
                let block = self.open.pop()?;
                if self.open.is_empty() {
                    self.function = Some(block.body);
                    return Some(());
                }
                Node::Block(block)
            }
            Operator::Br { relative_depth } => Node::Branch(self.label(relative_depth)?),
            Operator::BrIf { relative_depth } => Node::BranchIf(self.label(relative_depth)?),
            Operator::BrTable { .. } => {
                let labels: Option<_> = step.depths.iter().map(|depth| self.label(*depth)).collect();
                Node::BranchTable(step, labels?)
            }
            Operator::BrOnNull { .. } | Operator::BrOnNonNull { .. } | Operator::TryTable { .. } => {
                return None;
            }
            _ => Node::Plain(step),
        };
        let block = self.open.last_mut()?;
        block.otherwise.as_mut().unwrap_or(&mut block.body).push(node);
        Some(())
    }

    fn label(&self, depth: u32) -> Option<Label> {
        self.open.iter().rev().nth(depth as usize).map(|block| block.label)
    }
}

struct Writer<'a> {
    steps: Vec<Step<'a>>,
    open: Vec<Label>,
}

impl<'a> Writer<'a> {
    fn nodes(&mut self, nodes: Vec<Node<'a>>) {
        for node in nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: Node<'a>) {
        match node {
            Node::Plain(step) => self.steps.push(step),
            Node::Branch(label) => {
                let relative_depth = self.depth(label);
                self.steps.push(Operator::Br { relative_depth }.into());
            }
            Node::BranchIf(label) => {
                let relative_depth = self.depth(label);
                self.steps.push(Operator::BrIf { relative_depth }.into());
            }
            Node::BranchTable(step, labels) => {
                let depths = labels.into_iter().map(|label| self.depth(label)).collect();
                self.steps.push(Step { depths, ..step });
            }
            Node::Block(block) => self.block(block),
        }
    }

    fn block(&mut self, mut block: Block<'a>) {
        let blockty = block.ty;
        let begin = match block.kind {
            Kind::Block => Operator::Block { blockty },
            Kind::Loop => Operator::Loop { blockty },
            Kind::If => Operator::If { blockty },
        };
        self.steps.push(begin.into());
        self.open.push(block.label);
        self.nodes(take(&mut block.body));
        if let Some(otherwise) = block.otherwise.filter(|otherwise| !otherwise.is_empty()) {
            self.steps.push(Operator::Else.into());
            self.nodes(otherwise);
        }
        self.open.pop();
        self.steps.push(Operator::End.into());
    }

    fn depth(&self, label: Label) -> u32 {
        // A branch out of its block would not be valid, and writing the module says so.
        let depth = self.open.iter().rev().position(|open| *open == label);
        depth.and_then(|depth| u32::try_from(depth).ok()).unwrap_or(u32::MAX)
    }
}
