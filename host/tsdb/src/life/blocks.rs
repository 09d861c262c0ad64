//! The blocks that are open, and those that are not usable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use model::seams::TailPosition;
use model::{TimeRange, TimestampMs};

use super::covered::{self, Covered};
use super::files::{self, TMP, with_suffix};
use super::horizon;
use super::tombstones::{SUFFIX, SharedTombstones, Tombstones};
use crate::block::{self, Block, BlockError, BlockMeta};
use crate::disk::Disk;
use crate::error::{Damage, OpenError};

/// Name of the directory of blocks in the data directory.
pub(crate) const DIR: &str = "blocks";

/// A block with what was deleted of it. Queries hold it for as long as they read; its file may be gone meanwhile.
pub(crate) struct Loaded {
    pub(crate) block: Block,
    pub(crate) path: PathBuf,
    tombstones: RwLock<SharedTombstones>,
}

impl Loaded {
    pub(crate) fn new(block: Block, path: PathBuf, tombstones: Tombstones) -> Self {
        Self { block, path, tombstones: RwLock::new(Arc::new(tombstones)) }
    }

    pub(crate) fn meta(&self) -> &BlockMeta {
        self.block.meta()
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.meta().source.sequence
    }

    /// Where its samples stand in the order of writing, among blocks that overlap: a merged block stands where its first source
    /// stood, because merging takes all blocks between them along.
    pub(crate) fn rank(&self) -> u64 {
        self.meta().source.sources.iter().copied().min().unwrap_or_else(|| self.sequence())
    }

    pub(crate) fn range(&self) -> TimeRange {
        TimeRange { start: self.meta().time_min, end: self.meta().time_max }
    }

    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        self.meta().time_min <= range.end && range.start <= self.meta().time_max
    }

    pub(crate) fn tombstones(&self) -> SharedTombstones {
        self.tombstones.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_tombstones(&self, tombstones: Tombstones) {
        *self.tombstones.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tombstones);
    }
}

/// A block's name with that of its directory, as damage names it.
pub(crate) fn shown(path: &Path) -> String {
    format!("{DIR}/{}", path.file_name().unwrap_or_default().to_string_lossy())
}

/// A block as `skopos tsdb list` and `/api/v1/status/tsdb/blocks` show it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockInfo {
    /// Its file.
    pub path: PathBuf,
    /// Number in the order of making.
    pub sequence: u64,
    /// 1: from the head or from outside; each merge adds one.
    pub level: u32,
    /// Numbers of the blocks of level 1 that it was merged from, or its own.
    pub sources: Vec<u64>,
    /// Time of the first sample, in Unix milliseconds.
    pub time_min: TimestampMs,
    /// Time of the last.
    pub time_max: TimestampMs,
    /// Samples, deleted ones included.
    pub samples: u64,
    /// Series.
    pub series: u64,
    /// Groups of series that share times.
    pub groups: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Columns that something was deleted of.
    pub columns_deleted: u64,
}

impl BlockInfo {
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let meta = loaded.meta();
        Self {
            path: loaded.path.clone(),
            sequence: meta.source.sequence,
            level: meta.source.level,
            sources: meta.source.sources.clone(),
            time_min: meta.time_min,
            time_max: meta.time_max,
            samples: meta.samples,
            series: meta.series,
            groups: meta.groups,
            bytes: meta.file_bytes,
            columns_deleted: loaded.tombstones().columns(),
        }
    }
}

/// A file that is not served.
#[derive(Clone)]
pub(crate) struct Unusable {
    pub(crate) damage: Damage,
    /// Of its samples, if so much of it can be read.
    pub(crate) range: Option<TimeRange>,
}

impl From<Damage> for Unusable {
    fn from(damage: Damage) -> Self {
        Self { damage, range: None }
    }
}

/// All blocks, in the order in which their samples were written.
pub(crate) struct Blocks {
    pub(crate) dir: PathBuf,
    list: RwLock<Arc<Vec<Arc<Loaded>>>>,
    /// Blocks that do not open; a query whose answer may lack them says so.
    unusable: RwLock<Vec<Unusable>>,
    next_sequence: AtomicU64,
}

/// What opening the blocks found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) covered: Covered,
    /// Whether the file of what is covered lacks something.
    pub(crate) covered_dirty: bool,
    pub(crate) foreign: Vec<String>,
}

impl Found {
    /// The file is not there, or of no use: the next flush writes it before any block can name the database.
    fn begin_covered(&mut self) {
        (self.covered, self.covered_dirty) = (Covered::of_new_database(), true);
    }
}

impl Blocks {
    /// Opens all blocks below `dir`. With `tidy`, removes what a crash left over: unfinished files and blocks that were merged into
    /// another. Damaged blocks stay as they are.
    pub(crate) fn open(disk: &Arc<dyn Disk>, dir: PathBuf, tidy: bool) -> Result<(Self, Found), OpenError> {
        let mut found = Found::default();
        let mut loaded: Vec<Arc<Loaded>> = Vec::new();
        let mut unusable = Vec::new();
        let mut highest = 0;
        let names = match disk.list(&dir) {
            Ok(names) => names,
            Err(error) if !tidy && error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(OpenError::Io { action: format!("list {}", dir.display()), error }),
        };
        let there: BTreeSet<String> = names.into_iter().collect();
        for name in &there {
            let path = dir.join(name);
            if let Some(sequence) = block::sequence_of(name) {
                highest = highest.max(sequence);
                match open_block(disk, path.clone()) {
                    Ok(block) => loaded.push(Arc::new(block)),
                    Err(BlockError::Version { file, version }) => return Err(OpenError::Version { file, version }),
                    Err(BlockError::Io { error, .. }) if out_of_files(&error) => {
                        return Err(OpenError::Io {
                            action: format!(
                                "open {}: the limit on open files is too low for {} blocks (raise it with ulimit -n)",
                                dir.join(name).display(),
                                there.len()
                            ),
                            error,
                        });
                    }
                    Err(BlockError::Io { error, .. }) if !tidy && error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(BlockError::Io { error, .. }) => unusable.push(whole_file(name, &format!("cannot be read: {error}")).into()),
                    Err(BlockError::Damaged(damage)) => unusable.push(Unusable { damage, range: Block::range_of(disk.as_ref(), &path) }),
                }
            } else if block::is_unfinished(name) || name.ends_with(TMP) {
                let digits = name.split('.').next().unwrap_or_default();
                highest = highest.max(digits.parse().unwrap_or(0));
                if tidy {
                    remove(disk.as_ref(), &path);
                }
            } else if let Some(of) = name.strip_suffix(SUFFIX) {
                // Nor is this number used again: what is left here would count for another block.
                highest = highest.max(block::sequence_of(of).unwrap_or(0));
                // The block's removal first outlasts a power cut: it must not come back without this.
                if !there.contains(of) && tidy && disk.sync_dir(&dir).is_ok() {
                    remove(disk.as_ref(), &path);
                }
            } else if let Some(of) = name.strip_suffix(DAMAGED) {
                // Its number is not used again: what was merged into others names it.
                highest = highest.max(block::sequence_of(of).unwrap_or(0));
            } else if name != covered::FILE && name != horizon::FILE {
                found.foreign.push(format!("{DIR}/{name}"));
            }
        }
        let superseded: Vec<Arc<Loaded>> = loaded.iter().filter(|one| loaded.iter().any(|other| supersedes(other, one))).cloned().collect();
        loaded.retain(|one| !superseded.iter().any(|gone| Arc::ptr_eq(gone, one)));
        for gone in superseded.iter().filter(|_| tidy) {
            // What was deleted of it goes at the next start.
            remove(disk.as_ref(), &gone.path);
        }
        match files::read(disk.as_ref(), &dir.join(covered::FILE)) {
            Ok(None) => found.begin_covered(),
            Ok(Some(bytes)) => match Covered::decode(&bytes) {
                Some(covered) => found.covered = covered,
                None => {
                    found.begin_covered();
                    let what = "is damaged: what was deleted since the last flush may come back from the log";
                    unusable.push(whole_file(covered::FILE, what).into());
                }
            },
            Err(error) => {
                found.begin_covered();
                unusable.push(whole_file(covered::FILE, &format!("cannot be read: {error}")).into());
            }
        }
        for one in &loaded {
            // A block that was copied here speaks of another log.
            if one.meta().source.database == found.covered.database()
                && let Some((end, position)) = one.meta().source.flushed
            {
                found.covered_dirty |= found.covered.add(end, position_of(position));
            }
        }
        loaded.sort_by_key(|one| one.rank());
        let blocks =
            Self { dir, list: RwLock::new(Arc::new(loaded)), unusable: RwLock::new(unusable), next_sequence: AtomicU64::new(highest + 1) };
        Ok((blocks, found))
    }

    /// The blocks there are now.
    pub(crate) fn all(&self) -> Arc<Vec<Arc<Loaded>>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that overlap with a range.
    pub(crate) fn within(&self, range: TimeRange) -> Vec<Arc<Loaded>> {
        self.all().iter().filter(|one| one.overlaps(range)).cloned().collect()
    }

    /// A number that no block had.
    pub(crate) fn take_sequence(&self) -> u64 {
        self.next_sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// In one step, blocks come and others go.
    pub(crate) fn replace(&self, gone: &[Arc<Loaded>], come: Vec<Arc<Loaded>>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let stay = list.iter().filter(|one| !gone.iter().any(|gone| Arc::ptr_eq(gone, one))).cloned();
        let mut new: Vec<Arc<Loaded>> = stay.chain(come).collect();
        new.sort_by_key(|one| one.rank());
        *list = Arc::new(new);
    }

    pub(crate) fn unusable(&self) -> Vec<Unusable> {
        self.unusable.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of all blocks, as far as they are usable.
    pub(crate) fn bytes(&self) -> u64 {
        self.all().iter().map(|one| one.meta().file_bytes).sum()
    }
}

/// The end of the name of a block that was set aside.
pub(crate) const DAMAGED: &str = ".damaged";

/// What is said where the file is damaged that tells what was deleted.
const NOT_KNOWN: &str = "what was deleted of the block is not known, so that nothing of it is served; `skopos tsdb repair` sets it aside; \
                         who removes this file has the block back, with everything that was deleted of it";

/// Opens a block with what was deleted of it.
pub(crate) fn open_block(disk: &Arc<dyn Disk>, path: PathBuf) -> Result<Loaded, BlockError> {
    let block = Block::open(disk.as_ref(), &path)?;
    let deleted = with_suffix(&path, SUFFIX);
    let damaged = |what: &str| Damage { file: shown(&deleted), start: 0, end: 0, what: what.to_owned() };
    let tombstones = match files::read(disk.as_ref(), &deleted) {
        Ok(None) => Tombstones::default(),
        // To serve what was deleted would be worse than to serve nothing.
        Ok(Some(bytes)) => Tombstones::decode(&bytes).ok_or_else(|| damaged(NOT_KNOWN))?,
        Err(error) => return Err(damaged(&format!("what was deleted of the block cannot be read: {error}")).into()),
    };
    Ok(Loaded::new(block, path, tombstones))
}

/// The place in the log that a block's meta has as one number.
pub(crate) fn position_of(number: u64) -> TailPosition {
    TailPosition { segment: number >> 36, offset: number & ((1 << 36) - 1) }
}

/// Whether all samples of `other` are in `one`, which was made from it.
fn supersedes(one: &Loaded, other: &Loaded) -> bool {
    let (new, old) = (&one.meta().source, &other.meta().source);
    new.sequence > old.sequence && !old.sources.is_empty() && old.sources.iter().all(|source| new.sources.contains(source))
}

/// Removes a file. Returns whether it is gone.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> bool {
    match disk.remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(file = %path.display(), %error, "cannot remove a file that is of no use any more; the next start tries again");
            false
        }
        _ => true,
    }
}

fn whole_file(name: &str, what: &str) -> Damage {
    Damage { file: format!("{DIR}/{name}"), start: 0, end: 0, what: what.to_owned() }
}

/// EMFILE or ENFILE.
fn out_of_files(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}
