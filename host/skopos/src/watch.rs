//! Notices that a file of the configuration has changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

/// What a file looked like. Files that tools replace get another inode or time; a text that only changed back reloads once
/// more, which does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// The files of a configuration as they were when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WatchedFiles(BTreeMap<PathBuf, Option<Look>>);

impl WatchedFiles {
    /// Looks at each path now. One that is not there is watched too: it may come. Of a folder its own time counts, which
    /// changes when an entry comes or goes.
    pub(crate) fn look(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (look(&path), path)).map(|(l, p)| (p, l)).collect())
    }

    /// The first path that looks otherwise now.
    pub(crate) fn changed(&self) -> Option<&PathBuf> {
        self.0.iter().find(|(path, before)| look(path) != **before).map(|(path, _)| path)
    }
}

fn look(path: &PathBuf) -> Option<Look> {
    let metadata = fs::metadata(path).ok()?;
    Some(Look { modified: metadata.modified().ok(), bytes: metadata.len() })
}
