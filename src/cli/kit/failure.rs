//! Why a command could not run.

use std::fmt;
use std::io;
use std::path::Path;

use crate::kit::printable::printable;

/// Why a command could not run; exit status 2.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What is wrong, and optionally what to do about it.
    Told {
        /// What is wrong; no full stop.
        what: String,
        /// What to do about it.
        help: Option<String>,
        /// Whether the command itself refused, which says nothing about a peer.
        is_own: bool,
    },
    /// The reader of the output is gone.
    Gone,
}

impl Failure {
    /// What is wrong, in a sentence without a full stop. Text of peers is made [`printable`].
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self::Told { what: printable(&what.to_string()), help: None, is_own: false }
    }

    /// Adds what to do about it.
    pub(crate) fn help(self, help: impl fmt::Display) -> Self {
        match self {
            Self::Told { what, is_own, .. } => {
                Self::Told { what, help: Some(printable(&help.to_string())), is_own }
            }
            Self::Gone => Self::Gone,
        }
    }

    /// What is wrong.
    pub(crate) fn what(&self) -> &str {
        match self {
            Self::Told { what, .. } => what,
            Self::Gone => "the output is closed",
        }
    }

    /// What to do about it. Empty if there is nothing to do.
    pub(crate) fn advice(&self) -> &str {
        match self {
            Self::Told { help, .. } => help.as_deref().unwrap_or_default(),
            Self::Gone => "",
        }
    }

    /// Says that the command itself refused.
    pub(crate) fn own(self) -> Self {
        match self {
            Self::Told { what, help, .. } => Self::Told { what, help, is_own: true },
            Self::Gone => Self::Gone,
        }
    }

    /// Whether the command itself refused: the filter might well have got a response.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Told { is_own: true, .. })
    }

    /// A file that cannot be read or written; `doing` as in "read".
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(format_args!("cannot {doing} {}: {}", path.display(), reason(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told { what, help: None, .. } => f.write_str(what),
            Self::Told { what, help: Some(help), .. } => write!(f, "{what}\n  {help}"),
            Self::Gone => f.write_str("the output is closed"),
        }
    }
}

/// An operating system's error in its own words, without the number.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a directory".to_owned(),
        io::ErrorKind::InvalidData => "it is not text in UTF-8".to_owned(),
        io::ErrorKind::AlreadyExists => "it exists already".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::ConnectionRefused => "the connection is refused; nothing listens there".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "the connection was reset before the response".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "the connection ended before the response did".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "there is no route to it".to_owned()
        }
        _ => error.to_string(),
    }
}
