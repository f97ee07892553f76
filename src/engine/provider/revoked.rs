//! What an operator has revoked (`tollgate revoke`): tokens, clients and subjects, each for a time. It comes with a
//! client list that is fetched (`revocation.lists`).

use std::collections::BinaryHeap;

use crate::base::time::UnixTime;

/// What is revoked, in order. The default is nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Revoked(Vec<Entry>);

/// One thing that is revoked.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entry {
    /// What it is.
    pub what: What,
    /// The SHA-256 of a token, in lower-case hexadecimal digits; a client's id, or a `sub`.
    pub value: String,
    /// Whose it is, and until when.
    pub term: Term,
}

/// For how long something is revoked, and whose it is.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Term {
    /// Only tokens of this issuer; `None`: of every one.
    pub issuer: Option<String>,
    /// Until then.
    pub until: UnixTime,
}

/// What can be revoked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum What {
    /// A token, by its hash.
    Token,
    /// All tokens of a client.
    Client,
    /// All tokens of a subject (`sub`).
    Subject,
}

impl What {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Token => "the token",
            Self::Client => "its client",
            Self::Subject => "its subject",
        }
    }
}

impl Entry {
    fn name(&self) -> (What, &str) {
        (self.what, &self.value)
    }
}

impl Revoked {
    /// All of this.
    #[inline(never)]
    pub fn new(entries: Vec<Entry>) -> Self {
        Self(BinaryHeap::from(entries).into_sorted_vec())
    }

    /// Whether a token has to be hashed to find out.
    pub fn has_tokens(&self) -> bool {
        self.0.first().is_some_and(|first| first.what == What::Token)
    }

    /// Whether this is revoked now. `is_of` says whether the token is of an issuer.
    #[inline(never)]
    pub fn covers(&self, what: What, value: &str, is_of: &dyn Fn(&str) -> bool, now: UnixTime) -> bool {
        let first = self.0.partition_point(|entry| entry.name() < (what, value));
        let terms = self.0.iter().skip(first).take_while(|entry| entry.name() == (what, value));
        terms
            .map(|entry| &entry.term)
            .any(|term| now < term.until && term.issuer.as_deref().is_none_or(is_of))
    }
}
