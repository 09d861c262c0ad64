use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::seams::{Append, AppendError, ColumnError, GroupAppend, GroupRow, TailPosition};
use model::{LabelSet, TimestampMs};

use crate::disk::{Disk, DiskLock, LockError};
use crate::error::{OpenError, RecoveryProgress, RecoveryReport};
use crate::exemplars::Exemplars;
use crate::head::group::Group;
use crate::head::writer::{GroupWriter, Scratch};
use crate::index::{Index, PairCache, Place};
use crate::life::blocks::{BlockInfo, Blocks};
use crate::life::flush::{Flush, Pins};
use crate::life::horizon;
use crate::life::retention::Believed;
use crate::life::{self, Limits, files};
use crate::maintain::MaintainState;
use crate::options::Options;
use crate::recovery::{self, Flushed};
use crate::stats::{Counters, Stats};
use crate::tail::Cursor;
use crate::wal::log::Log;

/// A database in a directory. Clones are the same database; it closes with the last one and the last group's writer.
#[derive(Clone)]
pub struct Db(pub(crate) Arc<Inner>);

/// Locks are taken in this order where two are held: appending, gate, groups, group, index, exemplars, log. No lock but the log's own is held over
/// I/O.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) log: Log,
    groups: RwLock<Groups>,
    index: RwLock<Index>,
    /// Held for reading while series that nothing holds yet are on their way to a slot, for writing while unused series are
    /// removed.
    gate: RwLock<()>,
    /// Held for reading from before a row is logged until it is visible, so that holding it for writing tells a place in the log
    /// before which all rows are visible.
    appending: RwLock<()>,
    pub(crate) counters: Counters,
    pub(crate) recovery: RecoveryReport,
    pub(crate) maintenance: Mutex<MaintainState>,
    pub(crate) cursors: Mutex<Vec<Cursor>>,
    /// As many as there were appends at once.
    pub(crate) scratch: Mutex<Vec<Scratch>>,
    exemplars: Mutex<Exemplars>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) blocks: Blocks,
    /// Before `flush` where both are held, and both before all others.
    pub(crate) rewriting: Mutex<life::State>,
    pub(crate) flush: Mutex<Flush>,
    pub(crate) pins: Pins,
    pub(crate) limits: Limits,
    pub(crate) believed: Mutex<Believed>,
    _lock: Box<dyn DiskLock>,
}

/// The groups by number and key.
#[derive(Default)]
pub(crate) struct Groups {
    by_id: HashMap<u32, Arc<Group>>,
    by_key: HashMap<Arc<str>, u32>,
    next_id: u32,
}

impl Groups {
    /// The group of this key, made if it is not there.
    pub(crate) fn find_or_insert(&mut self, key: &str) -> Arc<Group> {
        if let Some(group) = self.by_key.get(key).and_then(|id| self.by_id.get(id)) {
            return group.clone();
        }
        let (id, key) = (self.next_id, Arc::<str>::from(key));
        self.next_id += 1;
        let group = Arc::new(Group::new(id, key.clone()));
        self.by_key.insert(key, id);
        self.by_id.insert(id, group.clone());
        group
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.by_id.values()
    }

    /// The group of this number.
    pub(crate) fn get(&self, id: u32) -> Option<&Arc<Group>> {
        self.by_id.get(&id)
    }

    pub(crate) fn remove(&mut self, group: &Group) {
        self.by_id.remove(&group.id);
        self.by_key.remove(&group.key);
    }
}

impl Db {
    /// Opens the database in `dir`, which is made if it is not there, and reads its log. `now` is for what is too old.
    pub fn open(dir: &Path, options: Options, disk: Arc<dyn Disk>, now: TimestampMs) -> Result<(Self, RecoveryReport), OpenError> {
        Self::open_with_progress(dir, options, disk, now, &mut |_| {})
    }

    /// Like [`Db::open`], telling `progress` now and then how far it is.
    pub fn open_with_progress(
        dir: &Path,
        options: Options,
        disk: Arc<dyn Disk>,
        now: TimestampMs,
        progress: &mut dyn FnMut(RecoveryProgress),
    ) -> Result<(Self, RecoveryReport), OpenError> {
        Self::open_with(dir, options, disk, now, progress, true)
    }

    /// Without `tidy` nothing that a crash left over is removed; the disk is one that is not written to.
    pub(crate) fn open_with(
        dir: &Path,
        options: Options,
        disk: Arc<dyn Disk>,
        now: TimestampMs,
        progress: &mut dyn FnMut(RecoveryProgress),
        tidy: bool,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let (wal_dir, blocks_dir) = (dir.join("wal"), dir.join(life::blocks::DIR));
        for dir in [&wal_dir, &blocks_dir] {
            disk.create_dir_all(dir).map_err(|error| OpenError::Io { action: format!("make the directory {}", dir.display()), error })?;
        }
        let lock = lock_dir(disk.as_ref(), dir)?;
        // The directories must outlast a power cut as their files do.
        disk.sync_dir(dir).map_err(|error| OpenError::Io { action: format!("sync the directory {}", dir.display()), error })?;
        if let Some(parent) = dir.parent() {
            // It may belong to somebody else, and has most likely been there for long.
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            if let Err(error) = disk.sync_dir(parent) {
                tracing::debug!(dir = %parent.display(), %error, "cannot sync the parent of the data directory");
            }
        }
        let (blocks, found) = Blocks::open(&disk, blocks_dir, tidy)?;
        let flushed: Vec<Flushed> =
            found.covered.pairs().iter().map(|(time_end, position)| Flushed { time_end: *time_end, position: *position }).collect();
        let mut recovered = recovery::recover(disk.as_ref(), &wal_dir, &flushed, options.exemplars_max, progress)?;
        recovered.report.foreign_files.extend(found.foreign);
        recovered.report.damage.extend(blocks.unusable().into_iter().map(|one| one.damage));
        // A segment never has a number again that something is known of.
        let last_number = flushed.iter().map(|flushed| flushed.position.segment).max().unwrap_or(0).max(recovered.last_number);
        let report = recovered.report.clone();
        let log = Log::new(Arc::clone(&disk), wal_dir, options.segment_bytes, recovered.segments, last_number);
        let limits = Limits::new(&options);
        let newest_of_groups = recovered.groups.all().map(|group| group.head().newest).filter(|newest| *newest > TimestampMs::MIN);
        let newest = blocks.all().iter().map(|one| one.meta().time_max).chain(newest_of_groups).max();
        let written = files::read(disk.as_ref(), &blocks.dir.join(horizon::FILE)).ok().flatten();
        let believed = Believed::new(written.and_then(|bytes| horizon::Horizon::decode(&bytes)), newest, now);
        let inner = Inner {
            options,
            log,
            groups: RwLock::new(recovered.groups),
            index: RwLock::new(recovered.index),
            gate: RwLock::default(),
            appending: RwLock::default(),
            counters: Counters::default(),
            recovery: recovered.report,
            maintenance: Mutex::default(),
            cursors: Mutex::default(),
            scratch: Mutex::default(),
            exemplars: Mutex::new(recovered.exemplars),
            disk,
            dir: dir.to_owned(),
            blocks,
            rewriting: Mutex::default(),
            flush: Mutex::new(Flush::new(found.covered, found.covered_dirty, recovered.unread)),
            pins: Pins::default(),
            limits,
            believed: Mutex::new(believed),
            _lock: lock,
        };
        let db = Self(Arc::new(inner));
        if tidy {
            db.0.keep_believed(now);
        }
        db.0.drop_old(now);
        Ok((db, report))
    }

    /// Makes all that was acknowledged before the call last through a power cut. Blocks for the disk; appends go on.
    pub fn sync(&self) -> Result<(), String> {
        self.0.log.sync()
    }

    /// The blocks there are now, in the order of their times.
    #[must_use]
    pub fn blocks(&self) -> Vec<BlockInfo> {
        let mut blocks: Vec<BlockInfo> = self.0.blocks.all().iter().map(|one| BlockInfo::of(one)).collect();
        blocks.sort_by_key(|one| (one.time_min, one.sequence));
        blocks
    }

    /// Figures as they are now. Walks over the groups: for once in some seconds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("wal", &self.0.log.dir).finish_non_exhaustive()
    }
}

pub(crate) fn lock_dir(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn DiskLock>, OpenError> {
    let path = dir.join("lock");
    disk.lock(&path, &std::process::id().to_string()).map_err(|error| match error {
        LockError::Held(holder) => OpenError::InUse { dir: dir.to_owned(), holder },
        LockError::Failed(error) => OpenError::Io { action: format!("lock {}", path.display()), error },
    })
}

impl Append for Db {
    fn open_group(&self, key: &str) -> Result<Box<dyn GroupAppend>, AppendError> {
        // The lock on the groups keeps an unused group from being removed between finding it and writing to it.
        let mut groups = self.0.groups.write().unwrap_or_else(PoisonError::into_inner);
        let group = groups.find_or_insert(key);
        if !group.begin_writing() {
            return Err(AppendError::GroupInUse(key.to_owned()));
        }
        drop(groups);
        Ok(Box::new(GroupWriter::new(self.0.clone(), group)))
    }

    fn time_min(&self) -> TimestampMs {
        let retention_ms = self.0.retention_ms();
        if retention_ms > 0 { self.0.options.clock.now().saturating_sub(retention_ms) } else { TimestampMs::MIN }
    }

    fn append_many(&self, writers: &mut [&mut (dyn GroupAppend + 'static)], rows: &mut [GroupRow<'_>]) {
        self.0.append_many(writers, rows);
    }
}

impl Inner {
    // A panic under one of these locks is a fault of this crate; what they guard is changed in steps that each leave it usable.

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, if nobody changes it or removes series now.
    pub(crate) fn index_without_waiting(&self) -> Option<RwLockReadGuard<'_, Index>> {
        drop(self.gate.try_read().ok()?);
        self.index.try_read().ok()
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn exemplars(&self) -> MutexGuard<'_, Exemplars> {
        self.exemplars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps series from being removed.
    pub(crate) fn new_columns(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no series is on its way to a slot.
    pub(crate) fn no_new_columns(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held from before a row is logged until it is visible.
    pub(crate) fn appending(&self) -> RwLockReadGuard<'_, ()> {
        self.appending.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the log such that every row before it is visible. Waits for the appends that are under way.
    pub(crate) fn visible_end(&self) -> TailPosition {
        let _appending = self.appending.write().unwrap_or_else(PoisonError::into_inner);
        self.log.written()
    }

    /// The groups there are now, by number.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        let mut groups: Vec<_> = self.groups.read().unwrap_or_else(PoisonError::into_inner).all().cloned().collect();
        groups.sort_unstable_by_key(|group| group.id);
        groups
    }

    /// The group of this number, unless it was removed.
    pub(crate) fn group(&self, id: u32) -> Option<Arc<Group>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(crate) fn groups_mut(&self) -> RwLockWriteGuard<'_, Groups> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the groups of a series that others have it too: from before a second one writes its first sample of it, their pages keep
    /// which samples joined a row later.
    pub(crate) fn mark_shared(&self, series: u32) {
        let places: Vec<Place> = self.index().places(series).collect();
        for Place { group, slot } in places {
            if let Some(group) = self.group(group) {
                group.head().slots.share(slot, series);
            }
        }
    }

    /// The id of a series, made if it is not there, within the limits or (`limited: false`) past them.
    /// The caller keeps series from being removed.
    pub(crate) fn series_of(&self, labels: &LabelSet, cache: &mut PairCache, limited: bool) -> Result<u32, ColumnError> {
        if let Some(id) = self.index().find_cached(labels, cache) {
            return Ok(id);
        }
        let max = if limited { self.options.series_max } else { 0 };
        let mut index = self.index_mut();
        if max > 0 && index.len() >= max && index.find(labels).is_none() {
            drop(index);
            self.counters.series_refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Err(ColumnError::Refused(format!("storage holds {max} series, its limit (series_max)")));
        }
        if limited
            && let Some(reason) = self.no_room(index.len())
            && index.find(labels).is_none()
        {
            drop(index);
            self.counters.series_refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Err(ColumnError::Refused(reason));
        }
        if index.is_full() {
            drop(index);
            self.counters.series_refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Err(ColumnError::Refused(
                "four thousand million series have come and gone since the start: restart to go on".to_owned(),
            ));
        }
        Ok(index.insert_cached(labels, cache))
    }
}
