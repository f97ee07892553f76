//! A part of the document, where it is, and what the tables say about it.

#![expect(clippy::inline_always, reason = "types have to vanish: the module has to stay small")]

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;

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
        T::ALL.get(word_at(self.part.value, T::NAMES)).copied()
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
        if ptr::eq(self.value?, whole) {
            return Some(self.step(rank));
        }
        let mut at = 0_usize;
        while let Some((_, part)) = self.entry(at) {
            if let Some(way) = part.way_to(whole, rank) {
                return Some(way.below(&self.step(at), 0));
            }
            at = at.saturating_add(1);
        }
        None
    }

    /// The step to what has the `rank` in this.
    #[inline(never)]
    fn step(&self, rank: usize) -> Place {
        let name = self.entry(rank).map_or("", |(name, _)| name);
        match (self.value, self.kind.object()) {
            (Some(Value::Array(_)), _) => Place::default().index(rank),
            (_, Some(_)) => Place::default().key(rank, name),
            (_, None) => Place::default().name(name),
        }
    }

    /// What has the `rank` in this, and its name if it has one.
    #[inline(never)]
    fn entry(&self, rank: usize) -> Option<(&'a str, Self)> {
        let (name, value) = match (self.value?, self.kind.object()) {
            (Value::Array(items), _) => ("", items.get(rank)?),
            (_, Some(object)) => return Some((object.keys.get(rank)?.name, self.at(rank))),
            (value, None) => {
                value.as_object()?.iter().nth(rank).map(|(name, value)| (name.as_str(), value))?
            }
        };
        let kind = self.kind.entries().unwrap_or(&Kind::Later);
        Some((name, Self { kind, value: Some(value), whole: self.value, rank }))
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
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        self.entries(Value::is_array).map(|(_, part)| part)
    }

    /// The entries of a map, by name.
    fn members(&self) -> Entries<'a> {
        self.entries(Value::is_object)
    }

    #[inline(never)]
    fn entries(&self, fits: fn(&Value) -> bool) -> Entries<'a> {
        Entries { whole: Self { value: self.value.filter(|value| fits(value)), ..*self }, next: 0 }
    }
}

/// The entries of a list or a map, one after the other.
pub(super) struct Entries<'a> {
    whole: Part<'a>,
    next: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a str, Part<'a>);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let rank = self.next;
        self.next = rank.saturating_add(1);
        self.whole.entry(rank)
    }
}
