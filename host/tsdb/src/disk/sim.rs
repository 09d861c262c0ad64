use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, DiskLock, LockError, Space};

/// What a disk writes as a whole; a power cut tears between them.
const SECTOR_BYTES: usize = 512;

/// A disk in memory, for tests, with the habits of a bad one: [`SimDisk::power_cut`] loses and tears what was not synced,
/// and space and syncs can be made to fail.
///
/// Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Arc<Mutex<SimContent>>>,
    /// Names as they would be found after a power cut.
    durable_names: BTreeMap<PathBuf, Arc<Mutex<SimContent>>>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeMap<PathBuf, String>,
    faults: Faults,
}

#[derive(Clone, Copy, Default)]
struct Faults {
    /// Bytes that may still be written; none: no limit.
    space: Option<u64>,
    syncs_fail: bool,
    truncation_fails: bool,
}

#[derive(Clone, Default)]
struct SimContent {
    written: Vec<u8>,
    durable: Vec<u8>,
    unsynced_sectors: BTreeSet<usize>,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on only so many bytes can be written before the disk is full; none lifts the limit. A write that does not
    /// fit is carried out in part, as the system does.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.state().faults.space = bytes;
    }

    /// Whether syncs fail, having synced nothing and, as on Linux, forgetting that there was something to sync.
    pub fn set_syncs_fail(&self, fail: bool) {
        self.state().faults.syncs_fail = fail;
    }

    /// Whether cutting files fails.
    pub fn set_truncation_fails(&self, fail: bool) {
        self.state().faults.truncation_fails = fail;
    }

    /// What the machine finds after the power came back: a new disk. Of what was not synced, each sector is there or not by
    /// the dice of `seed`, in any order; a file may be longer than its content; names may be lost or come back.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let state = self.state();
        let mut after = State { dirs: state.dirs.clone(), ..State::default() };
        let names: BTreeSet<&PathBuf> = state.files.keys().chain(state.durable_names.keys()).collect();
        for name in names {
            let source = if dice.coin() { &state.files } else { &state.durable_names };
            let certain = state.files.contains_key(name) && state.durable_names.contains_key(name);
            let Some(content) = source.get(name).or_else(|| certain.then(|| &state.files[name])) else {
                continue;
            };
            let found = lock(content).after_power_cut(&mut dice);
            let found = Arc::new(Mutex::new(SimContent { written: found.clone(), durable: found, ..SimContent::default() }));
            after.files.insert(name.clone(), found.clone());
            after.durable_names.insert(name.clone(), found);
        }
        drop(state);
        Self(Arc::new(Mutex::new(after)))
    }

    /// The disk as a new process finds it after this one was killed: all that was written, no locks. Changes to the copy
    /// do not touch this disk.
    #[must_use]
    pub fn process_kill(&self) -> Self {
        let state = self.state();
        let mut after = State { dirs: state.dirs.clone(), ..State::default() };
        for (name, content) in &state.files {
            let copy = Arc::new(Mutex::new(lock(content).clone()));
            after.files.insert(name.clone(), copy.clone());
            if state.durable_names.contains_key(name) {
                after.durable_names.insert(name.clone(), copy);
            }
        }
        drop(state);
        Self(Arc::new(Mutex::new(after)))
    }

    /// Names and content of all files.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.state().files.iter().map(|(name, content)| (name.clone(), lock(content).written.clone())).collect()
    }

    /// Puts a file there, synced, or replaces it.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let content = Arc::new(Mutex::new(SimContent { durable: bytes.clone(), written: bytes, ..SimContent::default() }));
        let mut state = self.state();
        state.files.insert(path.to_owned(), content.clone());
        state.durable_names.insert(path.to_owned(), content);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    fn file(&self, content: Arc<Mutex<SimContent>>) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), content })
    }
}

/// A panic elsewhere leaves a disk that is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimContent {
    fn after_power_cut(&self, dice: &mut Dice) -> Vec<u8> {
        let mut found = self.durable.clone();
        let (short, long) = (self.durable.len().min(self.written.len()), self.durable.len().max(self.written.len()));
        found.resize(short + dice.below(long - short + 1), 0);
        for &sector in &self.unsynced_sectors {
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(self.written.len()).min(found.len());
            if start < end && dice.coin() {
                found[start..end].copy_from_slice(&self.written[start..end]);
            }
        }
        found
    }

    fn sync(&mut self) {
        self.durable.resize(self.written.len(), 0);
        for sector in std::mem::take(&mut self.unsynced_sectors) {
            let start = sector * SECTOR_BYTES;
            let end = (start + SECTOR_BYTES).min(self.written.len());
            if start < end {
                self.durable[start..end].copy_from_slice(&self.written[start..end]);
            }
        }
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.state().dirs.insert(dir.to_owned());
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let names = state.files.keys().filter(|name| name.parent() == Some(dir));
        Ok(names.filter_map(|name| Some(name.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        if state.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.faults.space == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = Arc::new(Mutex::new(SimContent::default()));
        state.files.insert(path.to_owned(), content.clone());
        drop(state);
        Ok(self.file(content))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let content = self.state().files.get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(content))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state().files.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let content = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.files.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = state.files.get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn space(&self, _: &Path) -> Option<Space> {
        self.state().faults.space.map(|free| Space { free, total: free.max(1 << 40) })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.faults.syncs_fail {
            return Err(io::Error::other("simulated sync failure"));
        }
        let here: Vec<_> = state.files.iter().filter(|(name, _)| name.parent() == Some(dir)).map(|(n, c)| (n.clone(), c.clone())).collect();
        state.durable_names.retain(|name, _| name.parent() != Some(dir));
        state.durable_names.extend(here);
        Ok(())
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn DiskLock>, LockError> {
        let mut state = self.state();
        if let Some(other) = state.locks.get(path) {
            return Err(LockError::Held(other.clone()));
        }
        state.locks.insert(path.to_owned(), holder.to_owned());
        Ok(Box::new(SimLock { disk: self.clone(), path: path.to_owned() }))
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

struct SimFile {
    disk: SimDisk,
    content: Arc<Mutex<SimContent>>,
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = lock(&self.content);
        let from = (offset as usize).min(content.written.len());
        let len = buffer.len().min(content.written.len() - from);
        buffer[..len].copy_from_slice(&content.written[from..from + len]);
        Ok(len)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fits = match &mut self.disk.state().faults.space {
            Some(space) => {
                let fits = bytes.len().min(*space as usize);
                *space -= fits as u64;
                fits
            }
            None => bytes.len(),
        };
        let mut content = lock(&self.content);
        let (start, end) = (offset as usize, offset as usize + fits);
        if content.written.len() < end {
            content.written.resize(end, 0);
        }
        content.written[start..end].copy_from_slice(&bytes[..fits]);
        content.unsynced_sectors.extend(start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
        if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        if self.disk.state().faults.truncation_fails {
            return Err(io::Error::other("simulated truncation failure"));
        }
        let mut content = lock(&self.content);
        let sector = bytes as usize / SECTOR_BYTES;
        content.written.resize(bytes as usize, 0);
        content.unsynced_sectors.insert(sector);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.content).written.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.disk.state().faults.syncs_fail {
            // Linux marks the pages clean after a failed write-back, so that the next sync succeeds without them.
            lock(&self.content).unsynced_sectors.clear();
            return Err(io::Error::other("simulated sync failure"));
        }
        lock(&self.content).sync();
        Ok(())
    }

    fn map(&self) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
        Ok(Box::new(lock(&self.content).written.clone()))
    }
}

/// Small, seeded and good enough: splitmix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}
