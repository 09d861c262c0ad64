//! Reading files of the machine for components: what a path pattern means, and how a path is opened without a moment between
//! check and use.
//!
//! Start at `walk.rs`, which says why it is right; `read.rs` is what is done with what was opened; `pattern.rs` knows no disk.

pub(crate) mod pattern;
#[cfg(target_os = "linux")]
mod read;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(target_os = "linux")]
mod walk;

use std::path::PathBuf;
use std::time::Duration;

#[cfg(target_os = "linux")]
pub(crate) use read::{list, read, read_at, read_link, stat};

use crate::grants::Grants;

/// How long one operation may take: a server that does not answer holds up one thread, not the call.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(2);

/// Operations of one plugin at one time. Those that hang count, so that threads are bounded.
pub(crate) const AT_ONCE_MAX: usize = 8;

/// Entries of a directory that are looked at.
pub(crate) const ENTRIES_MAX: usize = 200_000;

/// Bytes of a path.
pub(crate) const PATH_BYTES_MAX: usize = 4096;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileError {
    /// Not granted. The path to grant.
    Denied(String),
    /// Never granted. The path, and what it is.
    Never(String, &'static str),
    NotFound,
    TooLarge,
    Failed(String),
}

/// Under what an operation opens things.
pub(crate) struct Rules<'a> {
    pub(crate) grants: &'a Grants,
    /// The host's own directories, which are granted to nobody.
    pub(crate) own_dirs: &'a [PathBuf],
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    Other,
}

/// Of what a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    /// Unix milliseconds.
    pub(crate) modified: i64,
    pub(crate) inode: u64,
    pub(crate) device: u64,
}

/// Bytes of a file, and of which file they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) data: Vec<u8>,
    pub(crate) facts: Facts,
}

/// Other systems than Linux have neither the calls that make it safe nor `/proc`.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Facts, FileError, Kind, Part, Rules};

    fn not_here<T>() -> Result<T, FileError> {
        Err(FileError::Failed("this host reads files for plugins on Linux only".to_owned()))
    }

    pub(crate) fn read(_: &Rules<'_>, _: &str, _: u64) -> Result<Vec<u8>, FileError> {
        not_here()
    }

    pub(crate) fn read_at(_: &Rules<'_>, _: &str, _: u64, _: u64) -> Result<Part, FileError> {
        not_here()
    }

    pub(crate) fn read_link(_: &Rules<'_>, _: &str) -> Result<String, FileError> {
        not_here()
    }

    pub(crate) fn list(_: &Rules<'_>, _: &str) -> Result<Vec<(String, Kind)>, FileError> {
        not_here()
    }

    pub(crate) fn stat(_: &Rules<'_>, _: &str) -> Result<Facts, FileError> {
        not_here()
    }
}
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{list, read, read_at, read_link, stat};
