//! What lies in a place: records, one after the other.

use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::json;
use crate::base::moment::Moment;
use crate::base::time::UnixTime;
use crate::decision::{BadAnswer, NoAnswer, Rejection};
use crate::provider::introspection::reply::Introspection;
use crate::token::access_token::AccessToken;
use crate::token::key::TokenDigest;

/// The length of a record without its body.
pub(super) const HEAD: usize = 1 + 32 + 8 + 8 + 4;

/// A record: a kind, the digest, the moment of the call, the length of what belongs to the kind, and that itself.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) digest: &'a [u8; 32],
    pub(super) asked: Moment,
    pub(super) body: &'a [u8],
    /// All of it, as it lies there.
    pub(super) whole: &'a [u8],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Inactive = 0,
    Active = 1,
    Asking = 2,
    Failed = 3,
    NotShared = 4,
}

impl Kind {
    pub(super) fn is_mark(self) -> bool {
        match self {
            Self::Inactive | Self::Active => false,
            Self::Asking | Self::Failed | Self::NotShared => true,
        }
    }
}

/// The records of a place. They end where something is not ours.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (record, after) = Record::read(rest)?;
        rest = after;
        Some(record)
    })
}

/// Adds a record.
pub(super) fn write(bytes: &mut Vec<u8>, kind: Kind, digest: &TokenDigest, asked: Moment, body: &[u8]) {
    bytes.push(kind as u8);
    bytes.extend_from_slice(digest.as_bytes());
    bytes.extend_from_slice(&asked.wall.as_millis().to_le_bytes());
    bytes.extend_from_slice(&u64::try_from(asked.steady.as_micros()).unwrap_or(u64::MAX).to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(body);
}

impl<'a> Record<'a> {
    /// The first one, and what comes after it. `None` where there is nothing, and for data that is not ours.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (kind, rest) = bytes.split_first()?;
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        let (wall, rest) = rest.split_first_chunk::<8>()?;
        let (steady, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (body, rest) = rest.split_at_checked(length)?;
        let (whole, _) = bytes.split_at_checked(HEAD.saturating_add(length))?;
        let kind = match kind {
            0 => Kind::Inactive,
            1 => Kind::Active,
            2 => Kind::Asking,
            3 => Kind::Failed,
            4 => Kind::NotShared,
            _ => return None,
        };
        let asked = Moment {
            wall: UnixTime::from_millis(u64::from_le_bytes(*wall)),
            steady: Duration::from_micros(u64::from_le_bytes(*steady)),
        };
        Some((Self { kind, digest, asked, body, whole }, rest))
    }

    /// When the call was made, by the wall clock as it stands now. The clock may have been set since: the
    /// longer of both ages counts, and `None` if the call lies in the future.
    pub(super) fn asked(&self, now: Moment) -> Option<UnixTime> {
        let passed = now.steady.checked_sub(self.asked.steady)?;
        if self.asked.wall > now.wall {
            return None;
        }
        Some(now.wall.minus(passed.max(self.asked.wall.until(now.wall))))
    }

    pub(super) fn said(&self, provider: ProviderId) -> Option<Introspection> {
        match self.kind {
            Kind::Inactive => Some(Introspection::Inactive),
            Kind::Active => match json::parse(self.body).ok()? {
                json::Value::Object(claims) => {
                    AccessToken::new(provider, claims).ok().map(Introspection::Active)
                }
                _ => None,
            },
            Kind::Asking | Kind::Failed | Kind::NotShared => None,
        }
    }

    pub(super) fn failure(&self) -> Rejection {
        match self.body {
            [1] => Rejection::BadAnswer { cause: BadAnswer::Elsewhere },
            _ => Rejection::NoAnswer { cause: NoAnswer::Failed, retry_after: None },
        }
    }
}
