//! A part of the document, where it is, and what the tables say of it.

use std::time::Duration;
use std::vec::IntoIter;

use serde_json::Value;

use crate::config::schema::{self, Kind, Place};

/// A part of the document, with its defaults. What is absent or of the wrong type reads as empty: a
/// document of the wrong shape is refused anyway.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) place: Place,
    kind: &'static Kind,
    value: Option<&'a Value>,
}

impl<'a> Node<'a> {
    /// The whole document.
    pub(super) fn new(kind: &'static Kind, value: &'a Value) -> Self {
        Self { place: Place::default(), kind, value: Some(value) }
    }

    /// What is under a key of the tables.
    #[inline(never)]
    pub(super) fn key(&self, name: &'static str) -> Self {
        let found = self.kind.object().and_then(|object| object.key(name));
        debug_assert!(found.is_some(), "{} has no key {name}", self.place);
        let (rank, kind) = found.map_or((usize::MAX, &Kind::Later), |(rank, key)| (rank, &key.kind));
        let value = self.value.and_then(|value| value.as_object()?.get(name));
        Self { place: self.place.key(rank, name), kind, value }
    }

    /// The entries of a list.
    #[inline(never)]
    pub(super) fn items(&self) -> IntoIter<Self> {
        let items = self.value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let (kind, place) = (self.kind.entries().unwrap_or(&Kind::Later), self.place.clone());
        let node = move |(i, value)| Self { place: place.index(i), kind, value: Some(value) };
        items.iter().enumerate().map(node).collect::<Vec<_>>().into_iter()
    }

    /// The entries of a map, by name.
    #[inline(never)]
    pub(super) fn members(&self) -> IntoIter<(&'a str, Self)> {
        let (kind, place) = (self.kind.entries().unwrap_or(&Kind::Later), self.place.clone());
        let node = move |(name, value): (&'a String, _)| {
            (name.as_str(), Self { place: place.name(name), kind, value: Some(value) })
        };
        self.value.and_then(Value::as_object).into_iter().flatten().map(node).collect::<Vec<_>>().into_iter()
    }

    /// Whether there is anything, of whatever shape.
    pub(super) fn is_set(&self) -> bool {
        self.value.is_some()
    }

    /// Whether this is a list; that is how the shorthands are told apart.
    pub(super) fn is_list(&self) -> bool {
        self.value.is_some_and(Value::is_array)
    }

    /// The value as it is.
    #[inline(never)]
    pub(super) fn value(&self) -> Value {
        self.value.cloned().unwrap_or_default()
    }

    /// The text, or none.
    #[inline(never)]
    pub(super) fn text(&self) -> &'a str {
        self.value.and_then(Value::as_str).unwrap_or_default()
    }

    /// The text if there is any.
    #[inline(never)]
    pub(super) fn some_text(&self) -> Option<String> {
        self.value.and_then(Value::as_str).map(str::to_owned)
    }

    /// The texts of a list.
    #[inline(never)]
    pub(super) fn texts(&self) -> Vec<String> {
        self.items().filter_map(|item| item.some_text()).collect()
    }

    /// Whether it says `true`.
    pub(super) fn bool(&self) -> bool {
        self.value.and_then(Value::as_bool).unwrap_or_default()
    }

    /// The number.
    #[inline(never)]
    pub(super) fn integer(&self) -> usize {
        let number = self.value.and_then(schema::integer).unwrap_or_default();
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// The duration.
    #[inline(never)]
    pub(super) fn duration(&self) -> Duration {
        schema::duration(self.text()).unwrap_or_default()
    }
}
