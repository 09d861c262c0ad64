//! The calls.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::super::{Disk, DiskFile, DiskLock, LockError, Space};
use super::content::Content;
use super::names::{Change, File, Node};
use super::{Call, Failure, SimDisk, lock};

impl SimDisk {
    fn open_file(&self, path: &Path, content: File) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), path: path.to_owned(), content })
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> = dir.ancestors().collect();
        missing.reverse();
        for dir in missing {
            if self.state().names.is_dir(dir) {
                continue;
            }
            self.enter_whole(Call::MakeDir, dir)?;
            let mut state = self.state();
            if state.names.file(dir).is_some() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            state.change(Change::Make(dir.to_owned(), Node::Dir));
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.enter_whole(Call::List, dir)?;
        let state = self.state();
        if !state.names.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = state.names.live.keys().filter(|name| name.parent() == Some(dir));
        Ok(names.filter_map(|name| Some(name.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.enter_whole(Call::Create, path)?;
        let mut state = self.state();
        if state.names.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|parent| state.names.is_dir(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if state.space == Some(0) {
            return Err(Failure::NoSpace.error());
        }
        let content = Arc::new(Mutex::new(Content::default()));
        state.change(Change::Make(path.to_owned(), Node::File(content.clone())));
        drop(state);
        Ok(self.open_file(path, content))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.enter_whole(Call::Open, path)?;
        let content = self.state().names.file(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.open_file(path, content))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.enter_whole(Call::Remove, path)?;
        let mut state = self.state();
        let file = state.names.file(path).ok_or(io::ErrorKind::NotFound)?;
        state.change(Change::Remove(path.to_owned()));
        state.free(&file);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter_whole(Call::Rename, from)?;
        let mut state = self.state();
        let file = state.names.file(from).ok_or(io::ErrorKind::NotFound)?;
        if !to.parent().is_some_and(|parent| state.names.is_dir(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let replaced = state.names.file(to).filter(|other| !Arc::ptr_eq(other, &file));
        state.change(Change::Rename(from.to_owned(), to.to_owned()));
        if let Some(replaced) = replaced {
            state.free(&replaced);
        }
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter_whole(Call::Link, to)?;
        let mut state = self.state();
        if state.names.live.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.names.file(from).is_none() || !to.parent().is_some_and(|parent| state.names.is_dir(parent)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Change::Link(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn space(&self, _: &Path) -> Option<Space> {
        self.state().space.map(|free| Space { free, total: free.max(1 << 40) })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.enter_whole(Call::SyncDir, dir)?;
        let mut state = self.state();
        if state.syncs_fail {
            return Err(Failure::Io.error());
        }
        if !state.names.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.names.sync_dir(dir);
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
    /// As it was opened, for faults.
    path: PathBuf,
    content: File,
}

impl SimFile {
    /// As much as there is space for; returns how much that was.
    fn write_part(&self, bytes: &[u8], offset: usize) -> usize {
        let mut state = self.disk.state();
        let mut content = lock(&self.content);
        // What is there already takes no more space.
        let new = (offset + bytes.len()).saturating_sub(content.written.len()).min(bytes.len()) as u64;
        let fits = match &mut state.space {
            Some(space) if *space < new => {
                let fits = bytes.len() - (new - *space) as usize;
                *space = 0;
                fits
            }
            Some(space) => {
                *space -= new;
                bytes.len()
            }
            None => bytes.len(),
        };
        if fits > 0 {
            content.write(&bytes[..fits], offset);
        }
        if state.dice.below(16) == 0 {
            content.write_some_back(&mut state.dice);
        }
        fits
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let failure = self.disk.enter(Call::Read, &self.path);
        let content = lock(&self.content);
        let from = (offset as usize).min(content.written.len());
        let mut len = buffer.len().min(content.written.len() - from);
        match failure {
            Some(Failure::Short) => len /= 2,
            Some(failure) => return Err(failure.error()),
            None => {}
        }
        buffer[..len].copy_from_slice(&content.written[from..from + len]);
        Ok(len)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let hooked = self.disk.tell(Call::Write, &self.path);
        let (failure, mut first) = {
            let mut state = self.disk.state();
            let failure = state.faults.judge(Call::Write, &self.path);
            (failure, if bytes.is_empty() || !(hooked || failure.is_some()) { bytes.len() } else { state.dice.below(bytes.len()) })
        };
        if failure == Some(Failure::ReadOnly) {
            first = 0;
        }
        let fits = self.write_part(&bytes[..first], offset as usize);
        if let Some(failure) = failure {
            return Err(failure.error());
        }
        if fits < first {
            return Err(Failure::NoSpace.error());
        }
        if first == bytes.len() {
            return Ok(());
        }
        self.disk.tell(Call::WriteMiddle, &self.path);
        let rest = &bytes[first..];
        if self.write_part(rest, offset as usize + first) < rest.len() { Err(Failure::NoSpace.error()) } else { Ok(()) }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.disk.enter_whole(Call::SetLen, &self.path)?;
        let mut state = self.disk.state();
        if state.truncation_fails {
            return Err(Failure::Io.error());
        }
        let mut content = lock(&self.content);
        if let Some(space) = &mut state.space {
            *space += (content.written.len() as u64).saturating_sub(bytes);
        }
        content.set_len(bytes as usize);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.content).written.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        let failure = self.disk.enter(Call::Sync, &self.path);
        let mut state = self.disk.state();
        if state.syncs_fail || failure.is_some() {
            lock(&self.content).fail_sync(&mut state.dice);
            return Err(failure.unwrap_or(Failure::Io).error());
        }
        lock(&self.content).sync();
        Ok(())
    }

    fn map(&self) -> io::Result<Box<dyn AsRef<[u8]> + Send + Sync>> {
        self.disk.enter_whole(Call::Map, &self.path)?;
        Ok(Box::new(lock(&self.content).written.clone()))
    }
}
