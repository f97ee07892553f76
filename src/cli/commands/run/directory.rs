//! The directory of Envoy's files.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::delivery::BOOTSTRAP;
use crate::kit::failure::{Failure, reason};
use crate::kit::files::absolute;

/// The directory, until it is dropped.
#[derive(Debug)]
pub(super) enum Directory {
    /// Removed at the end.
    Temporary(tempfile::TempDir),
    /// Locked meanwhile.
    Kept { path: PathBuf, _lock: File },
}

impl Directory {
    /// The named directory, or a temporary one.
    pub(super) fn new(named: Option<&Path>) -> Result<Self, Failure> {
        let Some(named) = named else {
            let made = tempfile::Builder::new().prefix("tollgate-run-").tempdir();
            return made.map(Self::Temporary).map_err(|error| {
                Failure::new(format_args!("cannot make a temporary directory: {}", reason(&error)))
                    .help("Name a directory with --out DIR.")
            });
        };
        let path = absolute(named)?;
        let is_others = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some())
            && !path.join(BOOTSTRAP).exists();
        if is_others {
            return Err(Failure::new(format_args!("{} has other files", path.display()))
                .help("Name a new or an empty directory, or one that tollgate run has written."));
        }
        fs::create_dir_all(&path).map_err(|error| Failure::file("make the directory", &path, &error))?;
        let lock = locked(&path)?;
        Ok(Self::Kept { path, _lock: lock })
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Kept { path, .. } => path,
        }
    }
}

/// Two runs would replace each other's files. The lock ends with the process, however that ends.
fn locked(directory: &Path) -> Result<File, Failure> {
    let file = File::open(directory).map_err(|error| Failure::file("open", directory, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(format_args!("another tollgate run uses {}", directory.display()))
                .help("Name another directory with --out DIR."))
        }
        Err(TryLockError::Error(error)) => Err(Failure::file("lock", directory, &error)),
    }
}
