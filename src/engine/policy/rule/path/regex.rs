//! Regular expressions in the syntax of [RE2], which Envoy's `safe_regex` has, too; for ASCII, as paths are. They are
//! asked one question only: whether they match all of a text. So captures and laziness are read and forgotten.
//!
//! An expression becomes operations, which all run at once over the text (Thompson's construction). Each looks at each
//! character at most once: the time is bounded by the product of both numbers.
//!
//! [RE2]: https://github.com/google/re2/wiki/Syntax

mod class;
mod parse;

use std::rc::Rc;

use self::class::Set;
use self::parse::Parser;

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Regex(Vec<Operation>);

/// Why text is no expression for us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RegexFault {
    /// It is not in the syntax.
    Syntax,
    /// It has a flag that changes how expressions are read.
    Verbose,
    /// It has a character that no path has.
    NotAscii,
    /// It would take too long to match.
    TooLarge,
}

/// One operation. Those that succeed go on with the next one; behind the last one is the end of a match. Distances
/// count from the operation itself.
#[derive(Clone, Debug)]
enum Operation {
    /// A character of a set.
    One(Rc<Set>),
    /// A place between two characters.
    At(Assertion),
    /// Goes on with the next operation, and also that far away.
    Split(isize),
    /// Goes on that far away.
    Jump(isize),
}

/// What is true of a place between two characters.
#[derive(Clone, Copy, Debug)]
enum Assertion {
    Start,
    End,
    LineStart,
    LineEnd,
    WordBoundary,
    NoWordBoundary,
}

impl Regex {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, RegexFault> {
        if text.is_ascii() { Parser::new(text).whole().map(Self) } else { Err(RegexFault::NotAscii) }
    }

    /// Whether all of `text` matches; `any_case`: in any case of ASCII letters, unless the expression decides that.
    pub(super) fn is_match(&self, text: &str, any_case: bool) -> bool {
        // At which place an operation was reached last.
        let mut reached: Vec<Option<usize>> = vec![None; self.0.len().saturating_add(1)];
        let (mut ready, mut next) = (vec![0], Vec::new());
        let mut before = None;
        for (place, after) in text.chars().map(Some).chain([None]).enumerate() {
            while let Some(at) = ready.pop() {
                match reached.get_mut(at) {
                    Some(last) if *last != Some(place) => *last = Some(place),
                    _ => continue,
                }
                match self.0.get(at) {
                    None if after.is_none() => return true,
                    Some(Operation::One(set)) if after.is_some_and(|c| set.has(c, any_case)) => {
                        next.push(at.saturating_add(1));
                    }
                    Some(Operation::At(assertion)) if assertion.holds(before, after) => {
                        ready.push(at.saturating_add(1));
                    }
                    None | Some(Operation::One(_) | Operation::At(_)) => {}
                    Some(Operation::Split(distance)) => {
                        ready.extend([at.saturating_add(1), at.saturating_add_signed(*distance)]);
                    }
                    Some(Operation::Jump(distance)) => ready.push(at.saturating_add_signed(*distance)),
                }
            }
            std::mem::swap(&mut ready, &mut next);
            before = after;
        }
        false
    }
}

impl Operation {
    /// What it costs at each character.
    fn weight(&self) -> usize {
        match self {
            Self::One(set) => set.weight(),
            Self::At(_) | Self::Split(_) | Self::Jump(_) => 1,
        }
    }
}

impl Assertion {
    fn holds(self, before: Option<char>, after: Option<char>) -> bool {
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_at_boundary = is_word(before) != is_word(after);
        match self {
            Self::Start => before.is_none(),
            Self::End => after.is_none(),
            Self::LineStart => matches!(before, None | Some('\n')),
            Self::LineEnd => matches!(after, None | Some('\n')),
            Self::WordBoundary => is_at_boundary,
            Self::NoWordBoundary => !is_at_boundary,
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod laws;

#[cfg(test)]
mod tests;
