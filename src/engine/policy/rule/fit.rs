//! Whether a request fits a condition, if that can be told.

use crate::decision::Doubt;

/// Whether a request matches. There are three results, because others may read the request differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fit {
    /// In every reading.
    Yes,
    /// In every reading.
    No,
    /// In one reading it does, in another it does not.
    Unclear(Doubt),
}

impl Fit {
    /// Of a condition that can be read in one way only.
    #[inline]
    pub(crate) fn of(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }

    /// The result for a condition that was checked in each reading.
    #[inline]
    pub(crate) fn of_readings(readings: impl Iterator<Item = bool>, doubt: Doubt) -> Self {
        let (mut some, mut all) = (false, true);
        for fits in readings {
            some |= fits;
            all &= fits;
        }
        match (some, all) {
            (true, true) => Self::Yes,
            (true, false) => Self::Unclear(doubt),
            (false, _) => Self::No,
        }
    }

    /// Of both conditions.
    #[inline]
    pub(crate) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            unclear @ Self::Unclear(_) => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Unclear(_) => unclear,
            },
        }
    }
}

impl Doubt {
    /// Whether the doubt is about this condition, and not about the whole request: a rule that grants access is
    /// then skipped.
    #[inline]
    pub(super) fn is_of_a_condition(self) -> bool {
        match self {
            Self::Spelling | Self::Method | Self::MethodOverride | Self::Host | Self::Field => true,
            Self::Parameters | Self::EscapedSlash | Self::LongPath | Self::Authority => false,
        }
    }
}
