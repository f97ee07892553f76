//! From the text of an expression to its operations.

use std::rc::Rc;

use super::class::{Range, Set, named};
use super::{Assertion, Operation, RegexFault};
use crate::base::text;

/// Reads an expression from its start to its end, and writes operations.
pub(super) struct Parser<'a> {
    rest: &'a str,
    flags: Flags,
    /// How many groups are open.
    depth: usize,
    operations: Vec<Operation>,
    /// Of all operations.
    weight: usize,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    any_case: Option<bool>,
    is_multi_line: bool,
    has_dot_all: bool,
}

/// What a part of an expression stands for, outside of classes and in them.
enum Item {
    Char(char),
    Ranges(Vec<Range>),
    At(Assertion),
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, flags: Flags::default(), depth: 0, operations: Vec::new(), weight: 0 }
    }

    /// The operations of the whole text.
    pub(super) fn whole(mut self) -> Result<Vec<Operation>, RegexFault> {
        self.alternatives()?;
        // What is left begins with a parenthesis that closes no group.
        if self.rest.is_empty() { Ok(self.operations) } else { Err(RegexFault::Syntax) }
    }

    /// Up to the end of the group: `a|b|c`. Returns how often the most repeated part in it is there.
    fn alternatives(&mut self) -> Result<u32, RegexFault> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(RegexFault::TooLarge);
        }
        let mut start = self.operations.len();
        let mut ends = Vec::new();
        // Where the part begins that a repetition repeats, and how often its most repeated part is there.
        let mut last: Option<(usize, u32)> = None;
        let mut repeats = 1;
        while !self.rest.is_empty() && !self.rest.starts_with(')') {
            if self.eat("|") {
                let length = self.operations.len().saturating_sub(start);
                self.spend(1)?;
                self.operations.insert(start, Operation::Split(distance(length.saturating_add(2))));
                ends.push(self.operations.len());
                self.push(Operation::Jump(0))?;
                (start, last) = (self.operations.len(), None);
            } else if let Some((least, most)) = self.repetition()? {
                // A repetition of a repetition needs a group.
                let (start, inner) = last.take().ok_or(RegexFault::Syntax)?;
                repeats = inner.saturating_mul(most.unwrap_or(least).max(1)).max(repeats);
                if repeats > MAX_REPEATS {
                    return Err(RegexFault::TooLarge);
                }
                self.repeat(start, least, most)?;
            } else {
                let start = self.operations.len();
                last = self.part()?.map(|inner| (start, inner));
                repeats = last.map_or(1, |(_, inner)| inner).max(repeats);
            }
        }
        let length = self.operations.len();
        for end in ends {
            if let Some(jump) = self.operations.get_mut(end) {
                *jump = Operation::Jump(distance(length.saturating_sub(end)));
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(repeats)
    }

    /// How often the part before is there: least, most. Whether it takes few or many makes no difference to whether
    /// all of a text matches.
    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>, RegexFault> {
        let times = if self.eat("?") {
            (0, Some(1))
        } else if self.eat("*") {
            (0, None)
        } else if self.eat("+") {
            (1, None)
        } else if self.eat("{") {
            self.times()?
        } else {
            return Ok(None);
        };
        self.eat("?");
        Ok(Some(times))
    }

    /// `2}`, `2,}` or `2,3}`.
    fn times(&mut self) -> Result<(u32, Option<u32>), RegexFault> {
        let least = self.number()?;
        let most = match self.eat(",") {
            true if self.rest.starts_with('}') => None,
            true => Some(self.number()?),
            false => Some(least),
        };
        let fits = self.eat("}") && most.is_none_or(|most| least <= most);
        if fits { Ok((least, most)) } else { Err(RegexFault::Syntax) }
    }

    fn number(&mut self) -> Result<u32, RegexFault> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let digits = self.take(end)?;
        // To RE2, a{02} is no repetition.
        let is_padded = digits.len() > 1 && digits.starts_with('0');
        digits.parse().ok().filter(|_| !is_padded).ok_or(RegexFault::Syntax)
    }

    /// Repeats what is written from `start` on.
    fn repeat(&mut self, start: usize, least: u32, most: Option<u32>) -> Result<(), RegexFault> {
        let part = self.operations.split_off(start);
        let length = part.len();
        self.weight = self.weight.saturating_sub(part.iter().map(Operation::weight).sum());
        for _ in 0..least {
            self.copy(&part)?;
        }
        match most {
            None if least > 0 => self.push(Operation::Split(distance(length).saturating_neg())),
            None => {
                self.push(Operation::Split(distance(length.saturating_add(2))))?;
                self.copy(&part)?;
                self.push(Operation::Jump(distance(length.saturating_add(1)).saturating_neg()))
            }
            Some(most) => {
                for left in (least..most).rev() {
                    // From here to the end of the last copy.
                    let copies =
                        usize::try_from(left.saturating_sub(least)).unwrap_or(usize::MAX).saturating_add(1);
                    let end = length.saturating_add(1).saturating_mul(copies);
                    self.push(Operation::Split(distance(end)))?;
                    self.copy(&part)?;
                }
                Ok(())
            }
        }
    }

    fn copy(&mut self, part: &[Operation]) -> Result<(), RegexFault> {
        // Nothing many times takes time, too.
        if part.is_empty() {
            return self.spend(1);
        }
        part.iter().try_for_each(|operation| self.push(operation.clone()))
    }

    /// One part of a sequence. Returns how often the most repeated part in it is there; `None`: it only set flags.
    fn part(&mut self) -> Result<Option<u32>, RegexFault> {
        let flags = self.flags;
        let item = match self.next()? {
            '(' => return self.group(),
            '[' => {
                let set = self.class()?;
                self.push(Operation::One(Rc::new(set)))?;
                return Ok(Some(1));
            }
            '.' if flags.has_dot_all => Item::Ranges(vec![('\0', char::MAX)]),
            '.' => Item::Ranges(vec![('\0', '\x09'), ('\x0b', char::MAX)]),
            '^' => Item::At(if flags.is_multi_line { Assertion::LineStart } else { Assertion::Start }),
            '$' => Item::At(if flags.is_multi_line { Assertion::LineEnd } else { Assertion::End }),
            '\\' => self.escape()?,
            c => Item::Char(c),
        };
        let one =
            |ranges| Operation::One(Rc::new(Set { ranges, is_negated: false, any_case: flags.any_case }));
        self.push(match item {
            Item::Char(c) => one(vec![(c, c)]),
            Item::Ranges(ranges) => one(ranges),
            Item::At(assertion) => Operation::At(assertion),
        })?;
        Ok(Some(1))
    }

    /// A group behind its parenthesis. Returns what [`Self::part`] does.
    fn group(&mut self) -> Result<Option<u32>, RegexFault> {
        let outer = self.flags;
        if self.eat("?P<") || !self.rest.starts_with("?<=") && !self.rest.starts_with("?<!") && self.eat("?<")
        {
            let name = self.take(self.rest.find('>').ok_or(RegexFault::Syntax)?)?;
            let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let is_name = name.bytes().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit());
            if !is_name || name.is_empty() || !self.eat(">") {
                return Err(RegexFault::Syntax);
            }
        } else if self.eat("?") {
            self.set_flags()?;
            if self.eat(")") {
                return Ok(None);
            }
            self.eat(":");
        }
        let repeats = self.alternatives()?;
        self.flags = outer;
        if self.eat(")") { Ok(Some(repeats)) } else { Err(RegexFault::Syntax) }
    }

    /// `i`, `-i` and so on, before `:` or `)`.
    fn set_flags(&mut self) -> Result<(), RegexFault> {
        let names = self.take(self.rest.find([':', ')']).ok_or(RegexFault::Syntax)?)?;
        if names.ends_with('-') || names.is_empty() && self.rest.starts_with(')') {
            return Err(RegexFault::Syntax);
        }
        let mut on = true;
        for (at, name) in names.char_indices() {
            let is_first = names.find(name) == Some(at);
            match name {
                _ if !is_first => return Err(RegexFault::Syntax),
                '-' => on = false,
                'i' => self.flags.any_case = Some(on),
                'm' => self.flags.is_multi_line = on,
                's' => self.flags.has_dot_all = on,
                // Laziness.
                'U' => {}
                'x' => return Err(RegexFault::Verbose),
                _ => return Err(RegexFault::Syntax),
            }
        }
        Ok(())
    }

    /// A class behind its bracket.
    fn class(&mut self) -> Result<Set, RegexFault> {
        let is_negated = self.eat("^");
        let mut ranges = Vec::new();
        for first in ["-", "]"] {
            if ranges.is_empty() && self.eat(first) {
                ranges.extend(first.chars().map(|c| (c, c)));
                // To RE2 a range, which Envoy has compiled: [--/] has a full stop, []-a] an underscore.
                if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                    return Err(RegexFault::Syntax);
                }
            }
        }
        while !self.eat("]") {
            // Some take these for operations on classes.
            if ["&&", "--", "~~"].iter().any(|operator| self.rest.starts_with(operator)) {
                return Err(RegexFault::Syntax);
            }
            let first = if self.eat("[") { self.posix_class()? } else { self.class_item()? };
            let is_range = ["-]", "--"].iter().all(|end| !self.rest.starts_with(end)) && self.eat("-");
            match (first, is_range) {
                (Item::Char(c), false) => ranges.push((c, c)),
                (Item::Ranges(class), false) => ranges.extend(class),
                (Item::Char(from), true) => match self.class_item()? {
                    Item::Char(to) if from <= to => ranges.push((from, to)),
                    _ => return Err(RegexFault::Syntax),
                },
                _ => return Err(RegexFault::Syntax),
            }
        }
        Ok(Set { ranges, is_negated, any_case: self.flags.any_case })
    }

    /// `:alpha:]` or `:^alpha:]`.
    fn posix_class(&mut self) -> Result<Item, RegexFault> {
        let is_class = self.eat(":");
        let is_negated = self.eat("^");
        let name = self.take(text::find(self.rest, ":]").filter(|_| is_class).ok_or(RegexFault::Syntax)?)?;
        if is_negated && self.flags.any_case == Some(true) {
            // RE2 takes the other case before the complement, others after it.
            return Err(RegexFault::Syntax);
        }
        let class = named(name, is_negated).ok_or(RegexFault::Syntax)?;
        self.eat(":]");
        Ok(Item::Ranges(class))
    }

    fn class_item(&mut self) -> Result<Item, RegexFault> {
        match self.next()? {
            '\\' => self.escape(),
            c => Ok(Item::Char(c)),
        }
    }

    /// What is behind a backslash.
    fn escape(&mut self) -> Result<Item, RegexFault> {
        let class = |name, is_negated| named(name, is_negated).map(Item::Ranges).ok_or(RegexFault::Syntax);
        Ok(match self.next()? {
            'd' => class("digit", false)?,
            'D' => class("digit", true)?,
            's' => class("space", false)?,
            'S' => class("space", true)?,
            'w' => class("word", false)?,
            'W' => class("word", true)?,
            'x' => self.hexadecimal()?,
            'a' => Item::Char('\x07'),
            'f' => Item::Char('\x0c'),
            'n' => Item::Char('\n'),
            'r' => Item::Char('\r'),
            't' => Item::Char('\t'),
            'v' => Item::Char('\x0b'),
            'A' => Item::At(Assertion::Start),
            'z' => Item::At(Assertion::End),
            'b' => Item::At(Assertion::WordBoundary),
            'B' => Item::At(Assertion::NoWordBoundary),
            // Letters and digits may have another meaning elsewhere, and so may these two.
            c if c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '<' | '>') => Item::Char(c),
            _ => return Err(RegexFault::Syntax),
        })
    }

    /// A character by its number: two digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Result<Item, RegexFault> {
        let digits = if self.eat("{") {
            let digits = self.take(self.rest.find('}').ok_or(RegexFault::Syntax)?)?;
            self.eat("}");
            digits
        } else {
            self.take(2)?
        };
        let is_number = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_number);
        number.and_then(char::from_u32).filter(char::is_ascii).map(Item::Char).ok_or(RegexFault::Syntax)
    }

    fn push(&mut self, operation: Operation) -> Result<(), RegexFault> {
        self.spend(operation.weight())?;
        self.operations.push(operation);
        Ok(())
    }

    fn spend(&mut self, weight: usize) -> Result<(), RegexFault> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > MAX_WEIGHT { Err(RegexFault::TooLarge) } else { Ok(()) }
    }

    fn next(&mut self) -> Result<char, RegexFault> {
        let mut chars = self.rest.chars();
        let next = chars.next().ok_or(RegexFault::Syntax)?;
        self.rest = chars.as_str();
        Ok(next)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take(&mut self, length: usize) -> Result<&'a str, RegexFault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(RegexFault::Syntax)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn distance(operations: usize) -> isize {
    isize::try_from(operations).unwrap_or(isize::MAX)
}

/// How deeply groups may be nested: each is a call in here.
const MAX_DEPTH: usize = 50;

/// How often one part may be there: RE2 allows no more, and counts repetitions in repetitions as we do.
const MAX_REPEATS: u32 = 1000;

/// The largest weight of all operations. Matching takes the product of this and the path's length, some nanoseconds for each.
const MAX_WEIGHT: usize = 2048;
