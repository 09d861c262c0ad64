//! Why storage does not open, and what it reports when it does.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a data directory could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// The holder's process id, as far as it left it.
        holder: String,
    },
    /// A file is of a format that this program does not read.
    Version {
        /// The file.
        file: PathBuf,
        /// The version in its header.
        version: u32,
    },
    /// The disk failed.
    Io {
        /// What was being done.
        action: String,
        /// The system's answer.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { dir, holder } if holder.is_empty() => {
                write!(f, "the data directory {} is in use by another process; stop it or use another directory", dir.display())
            }
            Self::InUse { dir, holder } => {
                write!(f, "the data directory {} is in use by process {holder}; stop it or use another directory", dir.display())
            }
            Self::Version { file, version } => write!(
                f,
                "{} has format version {version}, and this program reads versions up to 1; start the program that wrote it, or use another data directory",
                file.display()
            ),
            Self::Io { action, error } => write!(f, "cannot {action}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// A stretch of a file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Below the data directory.
    pub file: String,
    /// First byte.
    pub start: u64,
    /// First byte after it.
    pub end: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes {}..{}: {}", self.file, self.start, self.end, self.what)
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Segments that were read.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Rows that were taken over.
    pub rows: u64,
    /// Their samples.
    pub samples: u64,
    /// Rows that could not be read because earlier ones of their group are lost.
    pub rows_unreadable: u64,
    /// The torn end of the newest segment, which was cut off: what was being written when power or process ended.
    pub torn_tail: Option<Damage>,
    /// Damage elsewhere. The files were left as they are.
    pub damage: Vec<Damage>,
    /// Names in the log's directory that are not ours. They were left alone.
    pub foreign_files: Vec<String>,
    /// How long it took.
    pub duration_ms: u64,
}

impl RecoveryReport {
    /// Whether everything that had been written was there.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.torn_tail.is_none() && self.damage.is_empty() && self.rows_unreadable == 0
    }
}

/// How far opening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Bytes of the log that were read.
    pub bytes_read: u64,
    /// Bytes it has.
    pub bytes_total: u64,
}
