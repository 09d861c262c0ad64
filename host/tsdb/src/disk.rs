//! The only way to files. The real disk, and a simulated one ([`SimDisk`]) that can lose power, run full and fail to sync.

mod real;
mod sim;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;
pub use sim::{Call, Failure, Fault, SimDisk};

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
    /// Gives a file another name, in the place of a file that has it. Names last through a power cut after
    /// [`Disk::sync_dir`] of both directories.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a further name, for snapshots.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Bytes that are free to us on the disk of a directory, and bytes that it has. None where the system does not say.
    fn space(&self, dir: &Path) -> Option<Space>;
    /// Makes names that were created or removed in the directory last through a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock of the file, which is made if it is not there, and writes `holder` into it. The lock ends with the
    /// value or the process.
    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn DiskLock>, LockError>;
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// That can still be written.
    pub free: u64,
    /// In all.
    pub total: u64,
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
    /// The file's content as memory, as long as it is now. Only for files that nobody writes any more.
    fn map(&self) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>>;
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
