//! Which locals may be read later.

use wasmparser::Operator;

use crate::shorter::code::{Block, Kind, Label, Node};

/// Goes through code from its end to its beginning.
#[derive(Debug)]
pub(crate) struct Live {
    /// Which locals may be read from here on before they are written.
    read: Vec<bool>,
    /// The same at the places that the open labels stand for.
    places: Vec<(Label, Vec<bool>)>,
    /// The same at the beginnings of loops, as far as it is known.
    beginnings: Vec<(Label, Vec<bool>)>,
    is_known: bool,
}

/// What is done with the code of a block.
pub(crate) type Visit<'v, 'a> = &'v mut dyn FnMut(&mut Live, &mut Vec<Node<'a>>);

impl Live {
    /// At the end of a function with so many locals.
    pub(crate) fn new(nodes: &mut Vec<Node<'_>>, locals: usize) -> Self {
        let mut live =
            Self { read: vec![false; locals], places: Vec::new(), beginnings: Vec::new(), is_known: false };
        while !live.is_known {
            live.is_known = true;
            live.read.fill(false);
            live.before_all(nodes);
        }
        live.read.fill(false);
        live
    }

    fn before_all(&mut self, nodes: &mut Vec<Node<'_>>) {
        for node in nodes.iter_mut().rev() {
            match node {
                Node::Block(block) => self.before_block(block, &mut |live, nodes| live.before_all(nodes)),
                node => self.before(node),
            }
        }
    }

    /// Goes over an instruction.
    pub(crate) fn before(&mut self, node: &Node<'_>) {
        match node {
            Node::Plain(step) => match step.operator {
                Operator::Return | Operator::Unreachable => self.read.fill(false),
                Operator::LocalGet { local_index } => self.set(local_index, true),
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    self.set(local_index, false);
                }
                _ => {}
            },
            Node::Branch(label) => {
                self.read.fill(false);
                self.goes_to(*label);
            }
            Node::BranchIf(label) => self.goes_to(*label),
            Node::BranchTable(_, labels) => {
                self.read.fill(false);
                for label in labels {
                    self.goes_to(*label);
                }
            }
            Node::Block(_) => {}
        }
    }

    /// Goes over a block. `visit` goes over the code in it.
    pub(crate) fn before_block<'a>(&mut self, block: &mut Block<'a>, visit: Visit<'_, 'a>) {
        let after = self.read.clone();
        let place = if block.kind == Kind::Loop { self.beginning(block.label) } else { after.clone() };
        self.places.push((block.label, place));
        visit(self, &mut block.body);
        if block.kind == Kind::If {
            let of_body = std::mem::replace(&mut self.read, after);
            block.otherwise.iter_mut().for_each(|otherwise| visit(self, otherwise));
            merge(&mut self.read, &of_body);
        }
        self.places.pop();
        if block.kind == Kind::Loop && !self.is_beginning(block.label) {
            self.is_known = false;
            let read = self.read.clone();
            self.beginnings.retain(|(label, _)| *label != block.label);
            self.beginnings.push((block.label, read));
        }
    }

    fn beginning(&self, label: Label) -> Vec<bool> {
        let known = self.beginnings.iter().find(|(there, _)| *there == label);
        known.map_or_else(|| vec![false; self.read.len()], |(_, read)| read.clone())
    }

    fn is_beginning(&self, label: Label) -> bool {
        let known = self.beginning(label);
        self.read.iter().zip(known).all(|(read, known)| known || !read)
    }

    fn goes_to(&mut self, label: Label) {
        // The end of the function is none of the places: nothing is read there.
        if let Some((_, place)) = self.places.iter().rev().find(|(there, _)| *there == label) {
            merge(&mut self.read, place);
        }
    }

    pub(crate) fn is_read(&self, local: u32) -> bool {
        self.read.get(local as usize).copied().unwrap_or(true)
    }

    fn set(&mut self, local: u32, is_read: bool) {
        if let Some(read) = self.read.get_mut(local as usize) {
            *read = is_read;
        }
    }
}

fn merge(read: &mut [bool], other: &[bool]) {
    for (read, other) in read.iter_mut().zip(other) {
        *read |= other;
    }
}
