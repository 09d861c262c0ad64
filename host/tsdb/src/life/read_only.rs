//! Reading a data directory without changing it, beside a running server too.

use std::io;
use std::path::Path;
use std::sync::Arc;

use model::{Clock, TimestampMs};

use super::blocks::DIR;
use crate::db::Db;
use crate::disk::{Disk, DiskFile, DiskLock, LockError, Space};
use crate::error::{OpenError, RecoveryReport};
use crate::options::Options;

/// Tries to see blocks and log of one moment while a server changes them.
const TRIES: usize = 5;

impl Db {
    /// Opens the database in `dir` for reading only: nothing is locked, made, written or removed, and a server may have it open. What is
    /// damaged is in the report and in [`model::seams::Select::warnings`]; the rest is there. Appending to it fails.
    pub fn open_read_only(dir: &Path, disk: Arc<dyn Disk>) -> Result<(Self, RecoveryReport), OpenError> {
        let there = |name: &str| disk.list(&dir.join(name));
        if let (Err(error), Err(_)) = (there(DIR), there("wal")) {
            let action = format!("read {}, which has neither blocks nor a log: it is not a data directory", dir.display());
            return Err(OpenError::Io { action, error });
        }
        let disk: Arc<dyn Disk> = Arc::new(ReadOnly(disk));
        let blocks_dir = dir.join(DIR);
        let names = || {
            let mut names = disk.list(&blocks_dir).unwrap_or_default();
            names.sort();
            names
        };
        let mut options = Options::new(Arc::new(NoClock));
        options.retention_ms = 0;
        options.exemplars_max = usize::MAX;
        let mut tries = 0;
        loop {
            tries += 1;
            let before = names();
            let opened = Self::open_with(dir, options.clone(), Arc::clone(&disk), 0, &mut |_| {}, false)?;
            // Rows go from the log to blocks: what the log had lost when it was read is in a block that was not there before.
            if names() == before || tries == TRIES {
                return Ok(opened);
            }
        }
    }
}

/// Nothing depends on the time where nothing is appended.
struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> TimestampMs {
        0
    }
}

/// A disk that is not written to. What tidies up on the way is passed over; what would make something fails.
struct ReadOnly(Arc<dyn Disk>);

fn refused<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the data directory is open for reading only"))
}

impl Disk for ReadOnly {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        match self.0.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    fn create_new(&self, _: &Path) -> io::Result<Arc<dyn DiskFile>> {
        refused()
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ReadOnlyFile(self.0.open(path)?)))
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn hard_link(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn space(&self, dir: &Path) -> Option<Space> {
        self.0.space(dir)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path, _: &str) -> Result<Box<dyn DiskLock>, LockError> {
        Ok(Box::new(NoLock))
    }
}

struct NoLock;

impl DiskLock for NoLock {}

struct ReadOnlyFile(Arc<dyn DiskFile>);

impl DiskFile for ReadOnlyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        refused()
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
        self.0.map()
    }
}
