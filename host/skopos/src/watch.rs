//! Notices that a file of the configuration has changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a file looked like. Files that tools replace get another inode or time; a text that only changed back reloads once
/// more, which does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// The files of a configuration as they were when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WatchedFiles(BTreeMap<PathBuf, Option<Look>>);

impl WatchedFiles {
    /// Looks at a path now, before it is read, so that a change in between is noticed. One that is not there is watched too:
    /// it may come. Of a folder its own time counts, which changes when an entry comes or goes.
    pub(crate) fn add(&mut self, path: &Path) {
        self.0.insert(path.to_owned(), look(path));
    }

    /// Whether a path looks otherwise now.
    pub(crate) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, before)| look(path) != *before)
    }
}

fn look(path: &Path) -> Option<Look> {
    let metadata = fs::metadata(path).ok()?;
    Some(Look { modified: metadata.modified().ok(), bytes: metadata.len(), inode: metadata.ino() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coming_changing_and_going_are_noticed() {
        let folder = test_support::TempFolder::new("watch");
        let path = folder.path().join("a.yml");
        let mut watched = WatchedFiles::default();
        watched.add(&path);
        assert!(!watched.have_changed());
        folder.write("a.yml", "a");
        assert!(watched.have_changed());
        watched.add(&path);
        assert!(!watched.have_changed());
        folder.write("a.yml", "longer");
        assert!(watched.have_changed());
    }
}
