//! Notices changes of the files that a configuration is made from.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Args;
use crate::kit::failure::Failure;
use crate::kit::plan::Source;

/// The files, and how they were last seen.
#[derive(Debug)]
pub(super) struct Watch {
    /// The short file and the store.
    main: Vec<PathBuf>,
    /// The files that the short file names.
    named: Vec<PathBuf>,
    last: Vec<Sight>,
    /// A change that may still go on: an editor writes a file in several steps.
    pending: bool,
}

/// How a file looks from outside.
type Sight = Option<(SystemTime, u64, u64)>;

impl Watch {
    /// Watches the short file and the store.
    pub(super) fn new(args: &Args) -> Result<Self, Failure> {
        let short_file = args.short_file.file().map(Path::to_path_buf);
        let main: Vec<_> = short_file.into_iter().chain([args.store.file()?]).collect();
        let mut watch = Self { main, named: Vec::new(), last: Vec::new(), pending: false };
        watch.last = watch.look();
        Ok(watch)
    }

    /// Watches the files that the short file names.
    pub(super) fn of(&mut self, source: &Source) {
        let named = source.files();
        if named != self.named {
            self.named = named;
            self.last = self.look();
        }
    }

    /// Whether something has changed since the last time, and does not change any more.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = self.look();
        let is_settled = now == self.last;
        self.last = now;
        let has_changed = self.pending && is_settled;
        self.pending = !is_settled;
        has_changed
    }

    fn look(&self) -> Vec<Sight> {
        let sight = |file: &PathBuf| {
            let about = fs::metadata(file).ok()?;
            Some((about.modified().ok()?, about.len(), about.ino()))
        };
        self.main.iter().chain(&self.named).map(sight).collect()
    }
}
