//! What an operator has revoked (`tollgate revoke`): tokens, clients and subjects, each for a time. It comes with a
//! client list that is fetched (`revocation.lists`).

use std::collections::BTreeMap;

use crate::base::time::UnixTime;

/// What is revoked. The default is nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Revoked {
    /// The hashes of tokens: SHA-256 in lower-case hexadecimal digits.
    tokens: Terms,
    clients: Terms,
    subjects: Terms,
}

/// What is revoked, each until when.
type Terms = BTreeMap<String, Vec<Term>>;

/// For how long something is revoked, and whose it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Term {
    /// Only tokens of this issuer; `None`: of every one.
    pub issuer: Option<String>,
    /// Until then.
    pub until: UnixTime,
}

/// What can be revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

impl Revoked {
    /// Adds an entry.
    #[inline(never)]
    pub fn add(&mut self, what: What, value: String, term: Term) {
        let terms = match what {
            What::Token => &mut self.tokens,
            What::Client => &mut self.clients,
            What::Subject => &mut self.subjects,
        };
        terms.entry(value).or_default().push(term);
    }

    /// Whether a token has to be hashed to find out.
    pub fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether this is revoked now. `is_of` says whether the token is of an issuer.
    #[inline(never)]
    pub fn covers(&self, what: What, value: &str, is_of: &dyn Fn(&str) -> bool, now: UnixTime) -> bool {
        let terms = match what {
            What::Token => &self.tokens,
            What::Client => &self.clients,
            What::Subject => &self.subjects,
        };
        let terms = terms.get(value).map(Vec::as_slice).unwrap_or_default();
        terms.iter().any(|term| now < term.until && term.issuer.as_deref().is_none_or(is_of))
    }
}
