//! Looking at every byte of the blocks, and setting aside what is damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blocks::{BlockInfo, Blocks, DAMAGED, DIR, Loaded, open_block, shown};
use super::files::with_suffix;
use super::merge_blocks::{Merge, MergeError, merge_blocks};
use super::tombstones::SUFFIX;
use crate::block::{self, BlockError, BlockSource};
use crate::db::{Db, lock_dir};
use crate::disk::Disk;
use crate::error::{Damage, OpenError};

/// What a look at a block found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockCheck {
    /// Its file.
    pub path: PathBuf,
    /// What it says about itself, if it opens.
    pub info: Option<BlockInfo>,
    /// What cannot be read. Empty: it is whole.
    pub damage: Vec<Damage>,
}

/// What [`Db::repair`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Blocks that are whole.
    pub whole: u64,
    /// Damaged ones with the names under which they are kept now.
    pub set_aside: Vec<(PathBuf, PathBuf)>,
    /// The new blocks of what was readable of them.
    pub rewritten: Vec<PathBuf>,
    /// Every damaged stretch.
    pub damage: Vec<Damage>,
}

impl Db {
    /// Reads every byte of every block in `dir`. Changes nothing; a server may run beside it.
    pub fn verify(dir: &Path, disk: &Arc<dyn Disk>) -> Result<Vec<BlockCheck>, OpenError> {
        let blocks_dir = dir.join(DIR);
        let mut names =
            disk.list(&blocks_dir).map_err(|error| OpenError::Io { action: format!("list {}", blocks_dir.display()), error })?;
        names.sort();
        let mut checks = Vec::new();
        for path in names.iter().filter(|name| block::sequence_of(name).is_some()).map(|name| blocks_dir.join(name)) {
            match open_block(disk, path.clone()) {
                Ok(loaded) => checks.push(BlockCheck { path, info: Some(BlockInfo::of(&loaded)), damage: loaded.block.verify() }),
                // Merged into another, or too old, since we listed.
                Err(BlockError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => checks.push(BlockCheck { damage: vec![damage_of(&path, error)], path, info: None }),
            }
        }
        Ok(checks)
    }

    /// Sets damaged blocks in `dir` aside, by a name that ends with `.damaged`, after writing what is readable of them as new blocks.
    /// The directory must not be in use.
    pub fn repair(dir: &Path, disk: &Arc<dyn Disk>) -> Result<RepairReport, OpenError> {
        let _lock = lock_dir(disk.as_ref(), dir)?;
        let (blocks, _) = Blocks::open(disk, dir.join(DIR), true)?;
        let mut report = RepairReport::default();
        for check in Self::verify(dir, disk)? {
            if check.damage.is_empty() {
                report.whole += 1;
                continue;
            }
            report.damage.extend(check.damage);
            // By its name: the block itself may not say.
            if let Some(loaded) = blocks.all().iter().find(|one| one.path == check.path)
                && let Some(path) = rewrite(disk, &blocks, loaded, &mut report.damage)?
            {
                report.rewritten.push(path);
            }
            for suffix in ["", SUFFIX] {
                let from = with_suffix(&check.path, suffix);
                let to = with_suffix(&from, DAMAGED);
                match disk.rename(&from, &to) {
                    Ok(()) => report.set_aside.push((from, to)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(OpenError::Io { action: format!("rename {}", from.display()), error }),
                }
            }
        }
        disk.sync_dir(&blocks.dir).map_err(|error| OpenError::Io { action: format!("sync {}", blocks.dir.display()), error })?;
        Ok(report)
    }
}

/// Writes what is readable of a block as a new one. None: nothing is.
fn rewrite(disk: &Arc<dyn Disk>, blocks: &Blocks, loaded: &Arc<Loaded>, damage: &mut Vec<Damage>) -> Result<Option<PathBuf>, OpenError> {
    let meta = loaded.meta();
    let source = BlockSource { sequence: blocks.take_sequence(), ..meta.source.clone() };
    let path = blocks.dir.join(block::file_name(source.sequence));
    let mut left_out = Vec::new();
    let merge = Merge { inputs: std::slice::from_ref(loaded), go_on: &mut || true, left_out: Some(&mut left_out) };
    let result = merge_blocks(disk, &blocks.dir, source, merge);
    left_out.retain(|one| !damage.contains(one));
    damage.append(&mut left_out);
    match result {
        Ok(meta) => Ok(meta.map(|_| path)),
        Err(MergeError::Damaged(..) | MergeError::Stopped) => Ok(None),
        Err(MergeError::Write(error)) => {
            Err(OpenError::Io { action: format!("repair {}", loaded.path.display()), error: std::io::Error::other(error) })
        }
    }
}

fn damage_of(path: &Path, error: BlockError) -> Damage {
    match error {
        BlockError::Damaged(damage) => damage,
        other => Damage { file: shown(path), start: 0, end: 0, what: other.to_string() },
    }
}
