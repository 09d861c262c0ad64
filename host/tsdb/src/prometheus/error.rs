//! What is wrong with a file, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::bytes::Bad;

/// Why a file of Prometheus could not be read or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file says something that it cannot mean, or of a kind that is not known.
    Format {
        /// The file.
        file: PathBuf,
        /// Bytes from its start.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The system failed.
    Io {
        /// The file or directory.
        file: PathBuf,
        /// Its answer.
        error: io::Error,
    },
}

impl Error {
    pub(crate) fn format(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Format { file: file.to_owned(), offset, what: what.into() }
    }

    /// What is wrong with bytes that begin at `offset` of the file.
    pub(crate) fn bad(file: &Path, offset: u64, bad: Bad) -> Self {
        Self::format(file, offset.saturating_add(bad.at as u64), bad.what)
    }

    pub(crate) fn io(file: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io { file: file.to_owned(), error }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { file, offset, what } => write!(f, "{}, byte {offset}: {what}", file.display()),
            Self::Io { file, error } => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl std::error::Error for Error {}
