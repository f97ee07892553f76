//! What a token is found by when something is revoked: hashes of its claims, under a key that only the workers have.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::base::table::Key;
use crate::revocation::subject::By;
use crate::token::access_token::AccessToken;

/// A hash of one value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark(pub u64);

/// The hashes of all values by which a token may be revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Marks([Mark; 6]);

/// Makes marks.
#[derive(Clone, Copy, Debug)]
pub struct Marker(pub [u64; 2]);

impl Key for Mark {
    fn spread(self) -> u32 {
        u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or_default()
    }
}

impl Mark {
    /// Of no value.
    pub const ABSENT: Self = Self(0);
}

impl Marks {
    /// Those that are there.
    pub fn iter(&self) -> impl Iterator<Item = Mark> {
        self.0.iter().copied().filter(|mark| *mark != Mark::ABSENT)
    }
}

impl Marker {
    /// The mark of what is to be found there.
    pub fn of(self, by: By, value: &str) -> Mark {
        self.hash(by as u8, value)
    }

    /// The mark of an event itself.
    pub fn of_event(self, id: &str) -> Mark {
        self.hash(u8::MAX, id)
    }

    /// The marks of a token, whose client is `client_id`.
    #[inline(never)]
    pub fn all(self, token: &AccessToken, client_id: Option<&str>) -> Marks {
        let claim = |name: &str| token.present(name).and_then(|value| value.as_str());
        let mark = |by, value: Option<&str>| value.map_or(Mark::ABSENT, |value| self.of(by, value));
        let (sid, sub, email) = (claim("sid"), claim("sub"), claim("email"));
        let (session, alone) = match sid {
            Some(_) => (mark(By::Session, sid), None),
            None => (mark(By::UserAlone, sub), email),
        };
        Marks([
            session,
            mark(By::EmailAlone, alone),
            mark(By::User, sub),
            mark(By::Client, client_id),
            mark(By::Token, claim("jti")),
            mark(By::Email, email),
        ])
    }

    fn hash(self, by: u8, value: &str) -> Mark {
        let Self([first, second]) = self;
        let mut hasher = SipHasher24::new_with_keys(first, second);
        hasher.write_u8(by);
        hasher.write(value.as_bytes());
        Mark(hasher.finish128().h1.max(1))
    }
}
