//! The exit status of a command.

/// The exit status of a command that could run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// Success.
    Good,
    /// Errors were found, or the request would be rejected.
    Faults,
}
