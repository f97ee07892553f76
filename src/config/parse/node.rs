//! A part of the document, where it is, and what the tables say about it.

#![expect(clippy::inline_always, reason = "types have to vanish: the module has to stay small")]

use std::marker::PhantomData;
use std::ops::Deref;
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
/// small.
#[derive(Clone)]
pub(super) struct Part<'a> {
    pub(super) place: Place,
    kind: &'static Kind,
    value: Option<&'a Value>,
}

impl<'a, O: Keyed> Node<'a, O> {
    /// The whole document, as `kind` has it.
    pub(super) fn whole(kind: &'static Kind, value: &'a Value) -> Self {
        Self::of(Part { place: Place::default(), kind, value: Some(value) })
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
        self.part.value.is_some_and(Value::is_array).then(|| Node::of(self.part.clone()))
    }

    /// The object, if it is set and no list.
    #[inline(always)]
    pub(super) fn object(&self) -> Option<Node<'a, O>> {
        self.part.value.is_some_and(|value| !value.is_array()).then(|| Node::of(self.part.clone()))
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
        Self::of(self.part.clone())
    }
}

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

    /// The texts in a list, and where they are.
    #[inline(never)]
    pub(super) fn texts(&self) -> IntoIter<(String, Place)> {
        self.items().map(|item| (item.text().to_owned(), item.place)).collect::<Vec<_>>().into_iter()
    }

    #[inline(never)]
    fn at(&self, rank: usize) -> Self {
        let (name, kind) = self.row(rank).map_or(("", &Kind::Later), |row| (row.name, &row.kind));
        Self { place: self.place.key(rank, name), kind, value: self.value_at(rank) }
    }

    #[inline(never)]
    fn value_at(&self, rank: usize) -> Option<&'a Value> {
        self.value?.as_object()?.get(self.row(rank)?.name)
    }

    fn row(&self, rank: usize) -> Option<&'static Row> {
        self.kind.object()?.keys.get(rank)
    }

    #[inline(never)]
    fn text(&self) -> &'a str {
        self.value.and_then(Value::as_str).unwrap_or_default()
    }

    #[inline(never)]
    fn items(&self) -> IntoIter<Self> {
        let items = self.value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let (kind, place) = (self.kind.entries().unwrap_or(&Kind::Later), self.place.clone());
        let part = move |(i, value)| Self { place: place.index(i), kind, value: Some(value) };
        items.iter().enumerate().map(part).collect::<Vec<_>>().into_iter()
    }

    #[inline(never)]
    fn members(&self) -> IntoIter<(&'a str, Self)> {
        let (kind, place) = (self.kind.entries().unwrap_or(&Kind::Later), self.place.clone());
        let part = move |(name, value): (&'a String, _)| {
            (name.as_str(), Self { place: place.name(name), kind, value: Some(value) })
        };
        self.value.and_then(Value::as_object).into_iter().flatten().map(part).collect::<Vec<_>>().into_iter()
    }
}
