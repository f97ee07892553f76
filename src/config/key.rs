//! Keys of the configuration as types: a row of the tables in [`crate::keys`] declares a key once, and
//! code that reads the key gets the type that the row states.
//!
//! [`keys!`] turns one list into the [`Object`] that the schema, the reference and the protobuf reader use, and
//! into a constant for each key: `cache.get(Cache::TTL)` is a [`Duration`]. A key that no row declares does not
//! exist, a key of another object does not compile, and the compiler warns about a key that is never read.
//!
//! In the module a key is no more than its rank, which is a number in the code that reads it.

#![expect(clippy::inline_always, reason = "a key has to vanish in what reads it")]

mod read;

use std::marker::PhantomData;
use std::time::Duration;

use serde_json::Value;

use crate::error::Needed;
pub(crate) use crate::key::read::{Form, Read, Whole, word_at};
use crate::schema::{Absent, Kind, Names, Object, Row, Text, When};
use tollgate_engine::base::named::Named;

/// An object whose keys are declared with `keys!`.
pub trait Keyed {
    /// Its rows.
    const OBJECT: &'static Object;
}

/// A key of the object `O`, and the type of what it holds.
#[derive(Debug)]
pub(crate) struct Key<O, T> {
    /// Its place among the rows.
    rank: usize,
    of: PhantomData<fn(O) -> T>,
}

/// A key of the object `O`, whatever it holds.
#[derive(Debug)]
pub(crate) struct AnyKey<O> {
    /// Its place among the rows.
    rank: usize,
    of: PhantomData<fn(O)>,
}

/// What a key may hold, and the type that it is read as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<T> {
    pub(crate) kind: Kind,
    of: PhantomData<fn() -> T>,
}

/// A row whose key is read as a `T`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared<T> {
    pub(crate) row: Row,
    of: PhantomData<fn() -> T>,
}

/// A list of `T`, or an object `O`.
#[derive(Debug)]
pub(crate) struct Either<T, O>(PhantomData<(T, O)>);

/// A `T` for each of some names.
#[derive(Debug)]
pub(crate) struct Map<T>(PhantomData<T>);

/// Something that later versions know.
#[derive(Debug)]
pub(crate) enum Later {}

/// Declares the keys of an object: each of them once.
///
/// `NAME: Type = row;`, where the row has the same name in lower case. What follows `choices` are keys that depend
/// on one another.
macro_rules! keys {
    (
        $(#[$about:meta])*
        $object:ident {
            $($(#[$note:meta])* $key:ident: $form:ty = $row:expr;)+
        }
        $(choices { $($quantity:ident: $($chosen:ident),+;)+ })?
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub enum $object {}

        const _: () = {
            use $crate::{key, schema};

            const ROWS: &[schema::Row] = &[$({
                const DECLARED: key::Declared<$form> = $row;
                DECLARED.row
            }),+];
            static OBJECT: schema::Object = schema::Object {
                keys: ROWS,
                choices: &[$($(schema::Choice {
                    quantity: schema::Quantity::$quantity,
                    keys: &[$(schema::Row::of(ROWS, stringify!($chosen)).name),+],
                }),+)?],
            };

            impl $object {
                $(
                    $(#[$note])*
                    pub(crate) const $key: key::Key<Self, $form> =
                        key::Key::of_rank(schema::Row::rank(ROWS, stringify!($key)));
                )+
            }

            impl key::Keyed for $object {
                const OBJECT: &'static schema::Object = &OBJECT;
            }

            impl key::Form for $object {
                type At = Self;
            }
        };
    };
}

pub(crate) use keys;

impl<O, T> Key<O, T> {
    /// The key with the `rank`-th row of its object.
    pub(crate) const fn of_rank(rank: usize) -> Self {
        Self { rank, of: PhantomData }
    }

    /// The same, without what it holds.
    #[inline(always)]
    pub(crate) const fn any(self) -> AnyKey<O> {
        AnyKey { rank: self.rank, of: PhantomData }
    }
}

impl<O: Keyed, T> Key<O, T> {
    /// How it is written.
    #[inline(always)]
    pub(crate) fn name(self) -> &'static str {
        self.any().name()
    }

    /// What needs this key to be set.
    #[inline(always)]
    pub(crate) fn needed(self) -> Needed {
        Needed::Key(self.name())
    }
}

impl<O: Keyed> Key<O, bool> {
    /// What needs this key to be `true`.
    #[inline(always)]
    pub(crate) fn needed_on(self) -> Needed {
        Needed::Value(self.name(), "true")
    }
}

impl<O: Keyed, T: Named> Key<O, T> {
    /// What needs this key to have a value.
    #[inline(always)]
    pub(crate) fn needed_as(self, value: T) -> Needed {
        Needed::Value(self.name(), value.word())
    }
}

impl<O> AnyKey<O> {
    /// Its place among the rows.
    #[inline(always)]
    pub(super) const fn rank(self) -> usize {
        self.rank
    }
}

impl<O: Keyed> AnyKey<O> {
    /// How it is written.
    #[inline(always)]
    pub(crate) fn name(self) -> &'static str {
        O::OBJECT.keys.get(self.rank).map_or("", |row| row.name)
    }

    /// What needs this key to be set.
    #[inline(always)]
    pub(crate) fn needed(self) -> Needed {
        Needed::Key(self.name())
    }
}

impl<O> Clone for AnyKey<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for AnyKey<O> {}

impl<O, T> Clone for Key<O, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O, T> Copy for Key<O, T> {}

impl<T> Declared<T> {
    const fn new(name: &'static str, shape: Shape<()>, absent: Absent, doc: &'static str) -> Self {
        Self { row: Row::new(name, shape.kind, absent, doc), of: PhantomData }
    }

    /// The same key, which lowers security; `tollgate check` warns of it.
    pub(crate) const fn lowers(self, when: When, cost: &'static str) -> Self {
        Self { row: self.row.lowering(when, cost, true), of: PhantomData }
    }

    /// The same key, which lowers security as most who set it mean it to.
    pub(crate) const fn lowers_as_meant(self, when: When, cost: &'static str) -> Self {
        Self { row: self.row.lowering(when, cost, false), of: PhantomData }
    }
}

/// A key that must be there.
pub(crate) const fn required<T>(name: &'static str, shape: Shape<T>, doc: &'static str) -> Declared<T> {
    Declared::new(name, shape.untyped(), Absent::Fault, doc)
}

/// A key for which `value` holds if it is not there.
pub(crate) const fn default<T>(
    name: &'static str,
    shape: Shape<T>,
    value: &'static str,
    doc: &'static str,
) -> Declared<T> {
    Declared::new(name, shape.untyped(), Absent::Default(value), doc)
}

/// A key that may be absent.
pub(crate) const fn optional<T>(
    name: &'static str,
    shape: Shape<T>,
    doc: &'static str,
) -> Declared<Option<T>> {
    Declared::new(name, shape.untyped(), Absent::Nothing, doc)
}

/// A key of a later version.
pub(crate) const fn later(name: &'static str, doc: &'static str) -> Declared<Later> {
    Declared::new(name, shape(Kind::Later), Absent::Nothing, doc)
}

impl<T> Shape<T> {
    const fn untyped(self) -> Shape<()> {
        shape(self.kind)
    }
}

const fn shape<T>(kind: Kind) -> Shape<T> {
    Shape { kind, of: PhantomData }
}

/// `true` or `false`.
pub(crate) const fn flag() -> Shape<bool> {
    shape(Kind::Bool)
}

/// Text of some form.
pub(crate) const fn text(form: &'static Text) -> Shape<String> {
    shape(Kind::Text(form))
}

/// Text that must never be shown.
pub(crate) const fn secret() -> Shape<String> {
    shape(Kind::Secret)
}

/// A whole number.
pub(crate) const fn integer<T: Whole>(min: u64, max: u64) -> Shape<T> {
    shape(Kind::Integer { min, max })
}

/// A duration, with its bounds in milliseconds.
pub(crate) const fn duration(min_millis: u64, max_millis: u64) -> Shape<Duration> {
    shape(Kind::Duration { min: min_millis, max: max_millis })
}

/// The name of a variant.
pub(crate) const fn word<T: Named>() -> Shape<T> {
    word_of(T::NAMES, &[])
}

/// The name of one of some variants; later versions know more of them.
pub(crate) const fn word_of<T: Named>(
    known: &'static [&'static str],
    later: &'static [&'static str],
) -> Shape<T> {
    shape(Kind::Word { known, later })
}

/// Text, a number or a boolean.
pub(crate) const fn scalar() -> Shape<Value> {
    shape(Kind::Scalar)
}

/// An object in a format that is defined elsewhere.
pub(crate) const fn json() -> Shape<Value> {
    shape(Kind::Json)
}

/// A list that is not empty.
pub(crate) const fn list<T>(of: &'static Shape<T>) -> Shape<Vec<T>> {
    shape(Kind::List { of: &of.kind, empty: false })
}

/// A list that may be empty.
pub(crate) const fn list_or_none<T>(of: &'static Shape<T>) -> Shape<Vec<T>> {
    shape(Kind::List { of: &of.kind, empty: true })
}

/// An object whose keys are names, and that is not empty.
pub(crate) const fn map<T>(names: Names, of: &'static Shape<T>) -> Shape<Map<T>> {
    shape(Kind::Map { names, of: &of.kind, empty: false })
}

/// An object whose keys are names; it may be empty.
pub(crate) const fn map_or_none<T>(names: Names, of: &'static Shape<T>) -> Shape<Map<T>> {
    shape(Kind::Map { names, of: &of.kind, empty: true })
}

/// An object whose keys are known.
pub(crate) const fn object<O: Keyed>() -> Shape<O> {
    shape(Kind::Object(O::OBJECT))
}

/// A list, or an object.
pub(crate) const fn either<T, O: Keyed>(list: &'static Shape<Vec<T>>) -> Shape<Either<T, O>> {
    shape(Kind::Either { list: &list.kind, object: O::OBJECT })
}
