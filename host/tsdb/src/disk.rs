//! The only way to files. The real disk, and a simulated one ([`SimDisk`]) that can lose power, run full and fail to sync.

mod real;
mod sim;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;
pub use sim::SimDisk;

/// What storage asks of a disk. Paths are those that [`crate::Db::open`] was given, with names below them.
pub trait Disk: Send + Sync {
    /// Makes the directory and its parents; fine if it is there.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// The names in a directory, in any order. Names that are not UTF-8 come with replacement characters.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a file for reading and writing; an error if it is there.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names that were created or removed in the directory last through a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock of the file, which is made if it is not there, and writes `holder` into it. The lock ends with the
    /// value or the process.
    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn DiskLock>, LockError>;
}

/// An open file. Offsets are bytes from the start.
pub trait DiskFile: Send + Sync {
    /// Reads up to the buffer's length and returns how much there was; less only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes. After an error any part of them may be in the file.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts or extends the file.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// The file's length.
    fn size(&self) -> io::Result<u64>;
    /// Returns when content and length would survive a power cut (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
}

/// A lock that is held. Dropping it lets go.
pub trait DiskLock: Send + Sync {}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody has it, and left this text in the file.
    Held(String),
    /// The file could not be opened, locked or written.
    Failed(io::Error),
}
