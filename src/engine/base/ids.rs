//! The numbers by which the parts of a policy know each other.

use crate::base::table::Key;

/// A provider's place in [`Policy::providers`](crate::policy::Policy::providers).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProviderId(pub usize);

/// A protected resource's place in [`Resources::all`](crate::policy::resource::Resources::all).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResourceId(pub usize);

/// A fetched list's place in [`crate::policy::Policy::lists`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListId(pub usize);

/// A status list's place among those of its provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StatusId {
    /// Whose tokens it is about.
    pub provider: ProviderId,
    /// Which of its lists; below `status_list.max_lists`.
    pub at: usize,
}

/// A stream of the host: one request and its response.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct StreamId(pub u32);

impl Key for StreamId {
    #[inline]
    fn spread(self) -> u32 {
        self.0.spread()
    }
}
