//! Notices changes of the files that a configuration is made from.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The files, and how they were last seen.
#[derive(Debug)]
pub(super) struct Watch {
    /// The short file and the store.
    main: Vec<(PathBuf, Sight)>,
    /// The files that the short file names.
    named: Vec<(PathBuf, Sight)>,
    /// A change that may still go on: an editor writes a file in several steps.
    pending: bool,
}

/// How a file looks from outside.
type Sight = Option<(SystemTime, u64, u64)>;

impl Watch {
    /// Watches the short file and the store.
    pub(super) fn new(main: Vec<PathBuf>) -> Self {
        Self { main: main.into_iter().map(seen).collect(), named: Vec::new(), pending: false }
    }

    /// Watches the files that the short file names. The state of a new one is noted now; a change of the others
    /// that has not been noticed yet still counts.
    pub(super) fn follow(&mut self, named: Vec<PathBuf>) {
        let known = std::mem::take(&mut self.named);
        let file =
            |path: PathBuf| known.iter().find(|(old, _)| *old == path).cloned().unwrap_or_else(|| seen(path));
        self.named = named.into_iter().map(file).collect();
    }

    /// Whether something has changed since the last time, and does not change any more.
    pub(super) fn has_changed(&mut self) -> bool {
        let mut is_settled = true;
        for (path, last) in self.main.iter_mut().chain(&mut self.named) {
            let now = sight(path);
            is_settled &= now == *last;
            *last = now;
        }
        let has_changed = self.pending && is_settled;
        self.pending = !is_settled;
        has_changed
    }
}

fn seen(path: PathBuf) -> (PathBuf, Sight) {
    let sight = sight(&path);
    (path, sight)
}

fn sight(file: &Path) -> Sight {
    let about = fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len(), about.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_while_the_short_file_is_read_is_noticed() {
        let at = tempfile::tempdir().expect("a directory");
        let (short, old, new) = (at.path().join("short"), at.path().join("old"), at.path().join("new"));
        for file in [&short, &old, &new] {
            fs::write(file, "1").expect("a file");
        }
        let mut watch = Watch::new(vec![short.clone()]);
        watch.follow(vec![old.clone()]);
        assert!(!watch.has_changed() && !watch.has_changed());
        for changed in [&short, &old] {
            // It changes after it was read, and the short file names another file since.
            fs::write(changed, "12").expect("a file");
            watch.follow(vec![old.clone(), new.clone()]);
            assert!(!watch.has_changed(), "it may still change");
            assert!(watch.has_changed(), "{}", changed.display());
            assert!(!watch.has_changed());
            fs::write(changed, "1").expect("a file");
            watch.follow(vec![old.clone()]);
            assert!(!watch.has_changed() && watch.has_changed());
        }
        // A file that is named for the first time was not missed before.
        watch.follow(vec![new]);
        assert!(!watch.has_changed() && !watch.has_changed());
    }
}
