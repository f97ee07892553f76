//! Places in a document, and the errors at them.

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::error::{ConfigError, Fault};
use crate::schema::names::{escaped, listed};

/// Where something is in the document. Orders as the reference does: known keys as they are listed
/// there, then the unknown ones, names and list entries as they come.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place(Rc<[Segment]>);

/// One step of the way to a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step<'a> {
    /// To what is under a key.
    Key(&'a str),
    /// To an entry of a list.
    Index(usize),
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Segment {
    Key(usize, String),
    Index(usize),
}

impl Place {
    /// The place of a key, which is the `rank`-th of its object.
    #[must_use]
    #[inline(never)]
    pub fn key(&self, rank: usize, name: &str) -> Self {
        self.then(Segment::Key(rank, name.to_owned()))
    }

    /// The place of a name in a map.
    #[must_use]
    pub fn name(&self, name: &str) -> Self {
        self.key(0, name)
    }

    /// The place of names below names.
    #[must_use]
    pub fn names(names: &[&str]) -> Self {
        names.iter().fold(Self::default(), |place, name| place.name(name))
    }

    /// The place of a list's entry.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Segment::Index(index))
    }

    /// The way down from the whole document.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        self.0.iter().map(|segment| match segment {
            Segment::Key(_, name) => Step::Key(name),
            Segment::Index(index) => Step::Index(*index),
        })
    }

    /// What is there.
    pub fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.steps().try_fold(document, |value, step| match step {
            Step::Key(name) => value.get(name),
            Step::Index(index) => value.get(index),
        })
    }

    /// The place that is to `place` what this one is to its own first `steps` steps.
    #[must_use]
    pub fn below(&self, place: &Self, steps: usize) -> Self {
        Self(place.0.iter().chain(self.0.iter().skip(steps)).cloned().collect())
    }

    /// Whether `inner` is this place or below it.
    pub fn holds(&self, inner: &Self) -> bool {
        inner.0.starts_with(&self.0)
    }

    #[inline(never)]
    fn then(&self, segment: Segment) -> Self {
        let mut segments = self.0.to_vec();
        segments.push(segment);
        Self(segments.into())
    }
}

/// `providers.okta.introspection.timeout`, `rules[2].match`; names that are no plain words stand in
/// brackets, escaped and cut after 64 characters.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("configuration");
        }
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(_, name) if !is_word(name) => {
                    let cut = if name.chars().nth(64).is_some() { "…" } else { "" };
                    write!(f, "[\"{}{cut}\"]", escaped(&name.chars().take(64).collect::<String>()))?;
                }
                Segment::Key(_, name) if i == 0 => f.write_str(name)?,
                Segment::Key(_, name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

fn is_word(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Errors, as they are found.
#[derive(Debug, Default)]
pub struct Faults(Vec<(Place, Fault)>);

impl Faults {
    /// One more.
    #[inline(never)]
    pub fn add(&mut self, at: &Place, fault: Fault) {
        self.0.push((at.clone(), fault));
    }

    /// Text that is not what it should be.
    #[inline(never)]
    pub(crate) fn expected(&mut self, at: &Place, what: &str) {
        self.add(at, Fault::Expected { what: what.to_owned() });
    }

    /// A number beyond its bounds.
    #[inline(never)]
    pub(crate) fn out_of_range(&mut self, at: &Place, [min, max, got]: [String; 3]) {
        self.add(at, Fault::OutOfRange { min, max, got });
    }

    /// A value of another type.
    #[inline(never)]
    pub(crate) fn wrong_type(&mut self, at: &Place, expected: String, found: &'static str) {
        self.add(at, Fault::WrongType { expected, found });
    }

    /// An empty list or object where one entry is needed.
    #[inline(never)]
    pub(crate) fn no_entries(&mut self, at: &Place) {
        self.add(at, Fault::NoEntries);
    }

    /// A name that is not known; these are.
    #[inline(never)]
    pub(crate) fn unknown_key(&mut self, at: &Place, nearest: Option<&str>, known: &[&str]) {
        self.add(at, Fault::UnknownKey { nearest: nearest.map(str::to_owned), known: listed(known, "and") });
    }

    /// Whether there are no errors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Joins in what `later` found, except where the shape is wrong already.
    pub fn join(&mut self, later: Self) {
        let covered = |at: &Place| {
            let covers = |(place, fault): &(Place, Fault)| {
                place == at || (matches!(fault, Fault::WrongType { .. }) && place.holds(at))
            };
            self.0.iter().any(covers)
        };
        let news: Vec<_> = later.0.into_iter().filter(|(at, _)| !covered(at)).collect();
        self.0.extend(news);
    }

    /// All of them, in the order of the reference.
    pub fn into_errors(self) -> Vec<ConfigError> {
        let mut errors: Vec<ConfigError> = Vec::new();
        for (at, fault) in self.0 {
            // Sorted as they come: any sort of the library is larger than all of this module.
            let before = errors.partition_point(|error| error.at <= at);
            errors.insert(before, ConfigError { at, fault });
        }
        errors
    }
}
