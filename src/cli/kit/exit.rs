//! How a command ends.

/// How a command that could run has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// All is well.
    Good,
    /// Faults were found, or the answer is no.
    Faults,
}
