//! A part of the document, where it is, and what the tables say about it.

#![expect(clippy::inline_always, reason = "types have to vanish: the module has to stay small")]

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::vec::IntoIter;

use serde_json::Value;

use crate::key::{AnyKey, Either, Form, Key, Keyed, Map, Read, word_at};
use crate::schema::{Kind, Place, Row};
use tollgate_engine::base::named::Named;

/// A part of the document that has the form `T`, with its defaults. What is absent or of the wrong type reads
/// as empty: a document of the wrong shape is rejected anyway.
pub(super) struct Node<'a, T> {
    part: Part<'a>,
    of: PhantomData<fn() -> T>,
}

/// A part of the document, in any form. All the work is done here, once for all forms, to keep the module
/// small. A part does not have its place with it: only an error needs one, which looks for it then.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    kind: &'static Kind,
    value: Option<&'a Value>,
    /// The object, map or list that it is in.
    whole: Option<&'a Value>,
    /// Which of the keys, members or entries of that it is.
    rank: usize,
}

impl<'a, O: Keyed> Node<'a, O> {
    /// The whole document, as `kind` has it.
    pub(super) fn whole(kind: &'static Kind, value: &'a Value) -> Self {
        Self::of(Part { kind, value: Some(value), whole: None, rank: 0 })
    }

    /// What a key says.
    #[inline(always)]
    pub(super) fn get<T: Read>(&self, key: Key<O, T>) -> T {
        T::read(self.part.value_at(key.any().rank()))
    }

    /// What is under a key, and where that is.
    #[inline(always)]
    pub(super) fn at<T: Form>(&self, key: Key<O, T>) -> Node<'a, T::At> {
        Node::of(self.part.at(key.any().rank()))
    }

    /// The same for any key.
    #[inline(always)]
    pub(super) fn part(&self, key: AnyKey<O>) -> Part<'a> {
        self.part.at(key.rank())
    }
}

impl<T: Read> Node<'_, T> {
    /// What it says.
    #[inline(always)]
    pub(super) fn read(&self) -> T {
        T::read(self.part.value)
    }

    /// What it says, if there is anything.
    #[inline(always)]
    pub(super) fn some(&self) -> Option<T> {
        Option::read(self.part.value)
    }
}

impl<T: Named> Node<'_, T> {
    /// The word, if it is a known one.
    #[inline(always)]
    pub(super) fn known(&self) -> Option<T> {
        word_at(self.part.value, T::NAMES).and_then(|at| T::ALL.get(at).copied())
    }
}

impl<'a> Node<'a, String> {
    /// The text, or an empty one.
    pub(super) fn text(&self) -> &'a str {
        self.part.text()
    }
}

impl<'a, T: Form> Node<'a, Vec<T>> {
    /// The entries of a list.
    #[inline(always)]
    pub(super) fn items(&self) -> impl Iterator<Item = Node<'a, T::At>> + use<'a, T> {
        self.part.items().map(Node::of)
    }
}

impl<'a, T: Form> Node<'a, Map<T>> {
    /// The entries of a map, by name.
    #[inline(always)]
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, Node<'a, T::At>)> + use<'a, T> {
        self.part.members().map(|(name, part)| (name, Node::of(part)))
    }
}

impl<'a, T, O> Node<'a, Either<T, O>> {
    /// The list, if it is one.
    #[inline(always)]
    pub(super) fn list(&self) -> Option<Node<'a, Vec<T>>> {
        self.part.value.is_some_and(Value::is_array).then(|| Node::of(self.part))
    }

    /// The object, if it is set and no list.
    #[inline(always)]
    pub(super) fn object(&self) -> Option<Node<'a, O>> {
        self.part.value.is_some_and(|value| !value.is_array()).then(|| Node::of(self.part))
    }
}

impl<'a, T> Node<'a, T> {
    #[inline(always)]
    fn of(part: Part<'a>) -> Self {
        Self { part, of: PhantomData }
    }
}

impl<T> Clone for Node<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Node<'_, T> {}

impl<'a, T> Deref for Node<'a, T> {
    type Target = Part<'a>;

    #[inline(always)]
    fn deref(&self) -> &Part<'a> {
        &self.part
    }
}

impl<'a> Part<'a> {
    /// Whether there is anything, of any shape.
    pub(super) fn is_set(&self) -> bool {
        self.value.is_some()
    }

    /// Whether it is a list without entries.
    pub(super) fn is_empty_list(&self) -> bool {
        self.value.and_then(Value::as_array).is_some_and(Vec::is_empty)
    }

    /// Its place in a document.
    #[inline(never)]
    pub(super) fn place_in(&self, document: &Part<'_>) -> Place {
        self.whole.and_then(|whole| document.way_to(whole, self.rank)).unwrap_or_default()
    }

    /// The way to what has the `rank` in `whole`.
    #[inline(never)]
    fn way_to(&self, whole: &Value, rank: usize) -> Option<Place> {
        let value = self.value?;
        if ptr::eq(value, whole) {
            return Some(self.step(rank));
        }
        let inner: Vec<_> = match (value, self.kind.object()) {
            (Value::Object(_), Some(object)) => (0..object.keys.len()).map(|rank| self.at(rank)).collect(),
            (Value::Object(_), None) => self.members().map(|(_, part)| part).collect(),
            _ => self.items().collect(),
        };
        let mut ways =
            inner.iter().filter_map(|part| Some(part.way_to(whole, rank)?.below(&self.step(part.rank), 0)));
        ways.next()
    }

    /// The step to what has the `rank` in this.
    #[inline(never)]
    fn step(&self, rank: usize) -> Place {
        let here = Place::default();
        match (self.value, self.row(rank)) {
            (Some(Value::Array(_)), _) => here.index(rank),
            (_, Some(row)) => here.key(rank, row.name),
            (value, None) => {
                let names = value.and_then(Value::as_object).into_iter().flat_map(serde_json::Map::keys);
                here.name(names.skip(rank).next().map_or("", String::as_str))
            }
        }
    }

    /// What is under a key. What would be below something that is not there counts as being there.
    #[inline(never)]
    fn at(&self, rank: usize) -> Self {
        let kind = self.row(rank).map_or(&Kind::Later, |row| &row.kind);
        let above = if self.value.is_some() { (self.value, rank) } else { (self.whole, self.rank) };
        Self { kind, value: self.value_at(rank), whole: above.0, rank: above.1 }
    }

    #[inline(never)]
    fn value_at(&self, rank: usize) -> Option<&'a Value> {
        self.value?.as_object()?.get(self.row(rank)?.name)
    }

    fn row(&self, rank: usize) -> Option<&'static Row> {
        self.kind.object()?.keys.get(rank)
    }

    #[inline(never)]
    pub(super) fn text(&self) -> &'a str {
        self.value.and_then(Value::as_str).unwrap_or_default()
    }

    /// The entries of a list.
    pub(super) fn items(&self) -> Items<'a> {
        Items { list: *self, next: 0 }
    }

    #[inline(never)]
    fn members(&self) -> IntoIter<(&'a str, Self)> {
        let part = |(rank, (name, value)): (usize, (&'a String, _))| {
            let kind = self.kind.entries().unwrap_or(&Kind::Later);
            (name.as_str(), Self { kind, value: Some(value), whole: self.value, rank })
        };
        let members = self.value.and_then(Value::as_object).into_iter().flatten();
        members.enumerate().map(part).collect::<Vec<_>>().into_iter()
    }
}

/// The entries of a list, one after the other.
pub(super) struct Items<'a> {
    list: Part<'a>,
    next: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Part<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<Part<'a>> {
        let value = self.list.value?.as_array()?.get(self.next)?;
        let rank = self.next;
        self.next = rank.saturating_add(1);
        let kind = self.list.kind.entries().unwrap_or(&Kind::Later);
        Some(Part { kind, value: Some(value), whole: self.list.value, rank })
    }
}
