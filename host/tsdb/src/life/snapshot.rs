//! A copy of everything, taken while the database runs.

use std::io;
use std::path::{Path, PathBuf};

use model::seams::SelectError;

use super::blocks::DIR;
use super::files::with_suffix;
use super::time::compact_utc;
use super::tombstones::SUFFIX;
use crate::block::BlockSource;
use crate::db::{Db, Inner};

/// Name of the directory of snapshots in the data directory.
const SNAPSHOTS: &str = "snapshots";

impl Db {
    /// Makes `snapshots/<name>` in the data directory: all blocks under further names (hard links), and, without `skip_head`, a block
    /// of what the head has. It opens as a data directory. Returns the name.
    pub fn snapshot(&self, skip_head: bool) -> Result<String, SelectError> {
        let inner = &self.0;
        let _rewriting = inner.rewriting();
        let sequence = inner.blocks.take_sequence();
        let name = format!("{}-{:016x}", compact_utc(inner.options.clock.now()), unique(sequence));
        let dir = inner.dir.join(SNAPSHOTS).join(&name);
        inner.snapshot_into(&dir, sequence, skip_head).map(|()| name).map_err(|error| {
            inner.remove_snapshot(&dir);
            SelectError::Failed(format!("cannot make the snapshot {}: {error}", dir.display()))
        })
    }
}

impl Inner {
    fn snapshot_into(&self, dir: &Path, sequence: u64, skip_head: bool) -> Result<(), String> {
        let disk = self.disk.as_ref();
        let text = |error: io::Error| error.to_string();
        let blocks_dir = dir.join(DIR);
        disk.create_dir_all(&blocks_dir).map_err(text)?;
        // No flush meanwhile: what is in the head is in none of the blocks, and the other way round.
        let flush = self.flush_state();
        for loaded in self.blocks.all().iter() {
            let to = blocks_dir.join(loaded.path.file_name().unwrap_or_default());
            disk.hard_link(&loaded.path, &to).map_err(text)?;
            if !loaded.tombstones().is_empty() {
                disk.hard_link(&with_suffix(&loaded.path, SUFFIX), &with_suffix(&to, SUFFIX)).map_err(text)?;
            }
        }
        if !skip_head {
            let source = BlockSource { sequence, level: 1, sources: vec![sequence], flushed: None, database: 0 };
            self.write_head(&blocks_dir, source, i64::MAX)?;
        }
        drop(flush);
        for dir in [&blocks_dir, dir, &self.dir.join(SNAPSHOTS), &self.dir] {
            disk.sync_dir(dir).map_err(text)?;
        }
        Ok(())
    }

    /// What a snapshot that failed left. Directories stay, empty.
    fn remove_snapshot(&self, dir: &Path) {
        let blocks_dir: PathBuf = dir.join(DIR);
        for name in self.disk.list(&blocks_dir).unwrap_or_default() {
            let _ = self.disk.remove(&blocks_dir.join(name));
        }
    }
}

/// Differs from snapshot to snapshot of a database, and mostly between databases.
fn unique(sequence: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(sequence)
}
