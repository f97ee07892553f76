//! The machinery behind [`crate::keys`]: what a key may hold, and the walk that finds every error of
//! shape at once.
//!
//! One table drives three things: [`check`] finds the errors, [`complete`] fills in the defaults, and
//! `docs/configuration.md` is written from it. So a key is described once.

mod duration;
mod lowers;
mod names;
mod place;

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::error::Fault;
pub use crate::schema::duration::{duration, written};
pub use crate::schema::lowers::{Lowers, When};
pub use crate::schema::names::{escaped, listed, nearest, quoted};
pub use crate::schema::place::{Faults, Place, Step};
use tollgate_engine::base::json::{self, whole};

/// One key of an object: its row in the tables. What the reference and the command say about a key is not in the module:
/// nothing there would say it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What holds if it is not there.
    pub absent: Absent,
    /// What it is for, in a sentence.
    #[cfg(not(target_os = "wasi"))]
    pub doc: &'static str,
    /// Whether it can lower security, with which values, and what that costs.
    #[cfg(not(target_os = "wasi"))]
    pub lowers: Option<Lowers>,
}

#[cfg_attr(target_os = "wasi", expect(unused_variables, reason = "the module says nothing about a key"))]
impl Row {
    /// A key that does not lower security.
    pub const fn new(name: &'static str, kind: Kind, absent: Absent, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            absent,
            #[cfg(not(target_os = "wasi"))]
            doc,
            #[cfg(not(target_os = "wasi"))]
            lowers: None,
        }
    }

    /// The same key, which lowers security; `tollgate check` warns of it if `is_warned_of`.
    pub(crate) const fn lowering(self, when: When, cost: &'static str, is_warned_of: bool) -> Self {
        Self {
            #[cfg(not(target_os = "wasi"))]
            lowers: Some(Lowers { when, cost, is_warned_of }),
            ..self
        }
    }
}

/// These run in the compiler, and stop it where there is no such row. A constant has the name of its key in upper
/// case.
#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "no code of this is left")]
impl Row {
    pub(crate) const fn rank(rows: &[Self], name: &str) -> usize {
        let mut rank = 0;
        while !rows[rank].name.eq_ignore_ascii_case(name) {
            rank += 1;
        }
        rank
    }

    pub(crate) const fn of(rows: &[Self], name: &str) -> Self {
        rows[Self::rank(rows, name)]
    }
}

/// What holds if a key is not there.
#[derive(Clone, Copy, Debug)]
pub enum Absent {
    /// It must be there.
    Fault,
    /// This, as text: the word, the duration or the text itself; JSON for everything else.
    Default(&'static str),
    /// Nothing is set.
    Nothing,
}

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// Text of some form.
    Text(&'static Text),
    /// Text that must never be shown.
    Secret,
    /// A whole number.
    Integer {
        /// The smallest value that is allowed.
        min: u64,
        /// The largest value that is allowed.
        max: u64,
    },
    /// `250ms`, `2s`, `5m`, `1h30m`.
    Duration {
        /// The smallest value that is allowed, in milliseconds.
        min: u64,
        /// The largest value that is allowed, in milliseconds.
        max: u64,
    },
    /// One of some words.
    Word {
        /// Those that mean something now.
        known: &'static [&'static str],
        /// Those that later versions know.
        later: &'static [&'static str],
    },
    /// Text, a number or a boolean.
    Scalar,
    /// An object in a format that is defined elsewhere.
    Json,
    /// A list.
    List {
        /// What is in it.
        of: &'static Kind,
        /// Whether it may have no entries.
        empty: bool,
    },
    /// An object whose keys are names.
    Map {
        /// What the names are.
        names: Names,
        /// What is under each name.
        of: &'static Kind,
        /// Whether it may have no entries.
        empty: bool,
    },
    /// An object whose keys are known.
    Object(&'static Object),
    /// A list for the usual case, an object for the rest.
    Either {
        /// The list.
        list: &'static Kind,
        /// The object.
        object: &'static Object,
    },
    /// Something that later versions know.
    Later,
}

/// A form of text.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// What it is, to follow "expected".
    pub what: &'static str,
    /// Whether text has the form.
    pub fits: fn(&str) -> bool,
}

/// What the names in a map are.
#[derive(Clone, Copy, Debug)]
pub enum Names {
    /// Text of some form; the reference calls it this.
    Text(&'static str, &'static Text),
    /// These words; the reference calls them this.
    Words(&'static str, &'static [&'static str]),
}

/// An object whose keys are known.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// The keys, in the order of the reference and of the errors.
    pub keys: &'static [Row],
    /// Keys that depend on one another.
    pub choices: &'static [Choice],
}

/// How many of some keys there must be.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// How many of the keys must be set.
    pub quantity: Quantity,
    /// The keys.
    pub keys: &'static [&'static str],
}

/// How many of several keys must be set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quantity {
    /// One.
    ExactlyOne,
    /// One or more.
    AtLeastOne,
    /// None or one.
    AtMostOne,
}

impl Object {
    /// The key of that name and its place in the order.
    pub fn key(&self, name: &str) -> Option<(usize, &'static Row)> {
        self.keys.iter().enumerate().find(|(_, key)| key.name == name)
    }

    /// What the key of that name may hold, for tables that share the key with this one. If it is not here, they do not
    /// compile.
    pub const fn kind_of(&self, name: &str) -> Kind {
        Row::of(self.keys, name).kind
    }
}

impl Kind {
    /// The known keys below, if there are any.
    pub fn object(&self) -> Option<&'static Object> {
        match self {
            Self::Object(object) | Self::Either { object, .. } => Some(object),
            _ => None,
        }
    }

    /// The kind of the entries, if there are any.
    pub fn entries(&self) -> Option<&'static Self> {
        match self {
            Self::List { of, .. }
            | Self::Map { of, .. }
            | Self::Either { list: Self::List { of, .. }, .. } => Some(of),
            _ => None,
        }
    }
}

/// What is wanted, to follow "expected".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Text(text) => f.write_str(text.what),
            Self::Secret => f.write_str("text"),
            Self::Integer { .. } => f.write_str("a whole number"),
            Self::Duration { .. } => f.write_str(DURATION),
            Self::Word { known, .. } => f.write_str(&listed(known, "or")),
            Self::Scalar => f.write_str("text, a number or a boolean"),
            Self::List { .. } => f.write_str("a list"),
            Self::Map { .. } | Self::Object(_) | Self::Json => f.write_str("an object"),
            Self::Either { .. } => f.write_str("a list or an object"),
            Self::Later => f.write_str("nothing"),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Quantity {
    fn words(self) -> &'static str {
        match self {
            Self::ExactlyOne => "exactly one",
            Self::AtLeastOne => "at least one",
            Self::AtMostOne => "at most one",
        }
    }

    fn allows(self, found: usize) -> bool {
        match self {
            Self::ExactlyOne => found == 1,
            Self::AtLeastOne => found >= 1,
            Self::AtMostOne => found <= 1,
        }
    }
}

const DURATION: &str = "a duration, such as 250ms, 2s, 5m or 1h30m";

/// Finds every error of shape in `value`, which is at `at`.
pub fn check(kind: &Kind, value: &Value, at: &Place, faults: &mut Faults) {
    match (kind, value) {
        (Kind::Later, _) => faults.add(at, Fault::NotSupported { word: None }),
        (Kind::Bool, Value::Bool(_))
        | (Kind::Secret, Value::String(_))
        | (Kind::Json, Value::Object(_))
        | (Kind::Scalar, Value::String(_) | Value::Bool(_)) => {}
        (Kind::Scalar, Value::Number(number)) => {
            if !json::is_exact(number) {
                faults.expected(at, INEXACT);
            }
        }
        (Kind::Text(text), Value::String(found)) => {
            if !(text.fits)(found) {
                faults.expected(at, text.what);
            }
        }
        (Kind::Integer { min, max }, Value::Number(_)) => check_integer(value, *min, *max, at, faults),
        (Kind::Duration { min, max }, Value::String(text)) => {
            check_duration(text, [*min, *max].map(Duration::from_millis), at, faults);
        }
        (Kind::Word { known, later }, Value::String(word)) => check_word(word, known, later, at, faults),
        (
            Kind::List { of, empty } | Kind::Either { list: Kind::List { of, empty }, .. },
            Value::Array(items),
        ) => {
            if items.is_empty() && !empty {
                faults.no_entries(at);
            }
            for (i, item) in items.iter().enumerate() {
                check(of, item, &at.index(i), faults);
            }
        }
        (Kind::Map { names, of, empty }, Value::Object(members)) => {
            if members.is_empty() && !empty {
                faults.no_entries(at);
            }
            for (name, member) in members {
                let at = at.name(name);
                check_name(names, name, &at, faults);
                check(of, member, &at, faults);
            }
        }
        (Kind::Object(object) | Kind::Either { object, .. }, Value::Object(members)) => {
            check_object(object, members, at, faults);
        }
        _ => faults.wrong_type(at, kind.to_string(), type_of(value)),
    }
}

#[inline(never)]
fn check_object(object: &Object, members: &Map<String, Value>, at: &Place, faults: &mut Faults) {
    // A misspelt key is not reported as a missing one too.
    let mut meant = Vec::new();
    for (name, member) in members {
        if let Some((rank, key)) = object.key(name) {
            check(&key.kind, member, &at.key(rank, name), faults);
            continue;
        }
        let keys = object.keys.iter().filter(|key| !matches!(key.kind, Kind::Later));
        let supported: Vec<_> = keys.map(|key| key.name).collect();
        let mut open = supported.clone();
        open.retain(|known| !members.contains_key(*known));
        let nearest = nearest(name, open.iter().copied());
        meant.extend(nearest);
        faults.unknown_key(&at.key(usize::MAX, name), nearest, &supported);
    }
    for (rank, key) in object.keys.iter().enumerate() {
        let required = matches!(key.absent, Absent::Fault);
        if required && !members.contains_key(key.name) && !meant.contains(&key.name) {
            faults.add(&at.key(rank, key.name), Fault::Missing);
        }
    }
    for Choice { quantity, keys } in object.choices {
        let found = keys.iter().filter(|key| members.contains_key(**key) || meant.contains(*key)).count();
        if !quantity.allows(found) {
            let quantity = quantity.words();
            faults.add(at, Fault::Choice { quantity, keys: listed(keys, "and"), found });
        }
    }
}

#[inline(never)]
fn check_name(names: &Names, name: &str, at: &Place, faults: &mut Faults) {
    match names {
        Names::Text(_, text) if !(text.fits)(name) => {
            faults.expected(at, &["its name to be ", text.what].concat());
        }
        Names::Words(_, words) if !words.contains(&name) => {
            faults.unknown_key(at, nearest(name, words.iter().copied()), words);
        }
        Names::Text(..) | Names::Words(..) => {}
    }
}

#[inline(never)]
fn check_word(word: &str, known: &[&str], later: &[&str], at: &Place, faults: &mut Faults) {
    if later.contains(&word) {
        faults.add(at, Fault::NotSupported { word: Some(word.to_owned()) });
    } else if !known.contains(&word) {
        let nearest = nearest(word, known.iter().copied()).map(str::to_owned);
        faults.add(at, Fault::UnknownWord { known: listed(known, "or"), nearest });
    }
}

/// A number that would be rounded before it is compared.
const INEXACT: &str = "a number that is exact: an integer of up to 64 bits, of up to 53 bits where the \
                       configuration is a protobuf Struct, or text";

#[inline(never)]
fn check_integer(value: &Value, min: u64, max: u64, at: &Place, faults: &mut Faults) {
    match integer(value) {
        Some(number) if (min..=max).contains(&number) => {}
        Some(number) => faults.out_of_range(at, [min, max, number].map(|number| number.to_string())),
        None if value.as_f64().is_some_and(|double| double.fract() != 0.0) => {
            faults.wrong_type(at, "a whole number".to_owned(), "a fraction");
        }
        None => faults.out_of_range(at, [min.to_string(), max.to_string(), value.to_string()]),
    }
}

#[inline(never)]
fn check_duration(text: &str, [min, max]: [Duration; 2], at: &Place, faults: &mut Faults) {
    match duration(text) {
        None => faults.expected(at, DURATION),
        Some(got) if !(min..=max).contains(&got) => {
            faults.out_of_range(at, [min, max, got].map(written));
        }
        Some(_) => {}
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The document with every default in its place; what is of the wrong shape stays as it is.
#[must_use]
pub fn complete(kind: &Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::Object(object) | Kind::Either { object, .. }, Value::Object(members)) => {
            let mut members = members.clone();
            for key in object.keys {
                let member = match (members.get(key.name), key.absent) {
                    (Some(member), _) => complete(&key.kind, member),
                    (None, Absent::Default(text)) => complete(&key.kind, &default(&key.kind, text)),
                    (None, Absent::Fault | Absent::Nothing) => continue,
                };
                members.insert(key.name.to_owned(), member);
            }
            Value::Object(members)
        }
        (Kind::List { of, .. } | Kind::Either { list: Kind::List { of, .. }, .. }, Value::Array(items)) => {
            items.iter().map(|item| complete(of, item)).collect()
        }
        (Kind::Map { of, .. }, Value::Object(members)) => {
            // One by one: to collect a map sorts first, and three kinds of sort were 30 KiB.
            let mut all = Map::new();
            all.extend(members.iter().map(|(name, member)| (name.clone(), complete(of, member))));
            Value::Object(all)
        }
        _ => value.clone(),
    }
}

/// A default of the tables as a value.
pub(crate) fn default(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Text(_) | Kind::Secret | Kind::Duration { .. } | Kind::Word { .. } => text.into(),
        _ => json::parse(text.as_bytes()).unwrap_or_default(),
    }
}

/// A number without a sign or a fraction, `300.0` included.
pub fn integer(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| u64::try_from(whole(value.as_f64()?)?).ok())
}
