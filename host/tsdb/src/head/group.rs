//! One group of series that share times.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{ABSENT_BITS, TimeRange, TimestampMs};

use super::page::Page;
use super::rows::OpenRows;
use super::slots::{NO_SERIES, Slots};

/// Rows that are sealed together: more compress better, fewer take less room while open.
pub(crate) const PAGE_ROWS: usize = 32;

/// A group. What queries and the writer share is behind one lock that is never held over I/O.
pub(crate) struct Group {
    pub(crate) id: u32,
    pub(crate) key: Arc<str>,
    has_writer: AtomicBool,
    /// Time of the newest row that is in the log without having been acknowledged: recovery may show it, so that no later writer
    /// may log a row before it or add to it.
    pub(crate) unacknowledged: AtomicI64,
    /// Memory of the writer, for figures.
    pub(crate) writer_bytes: AtomicUsize,
    head: Mutex<GroupHead>,
}

/// The samples of a group.
pub(crate) struct GroupHead {
    pub(crate) slots: Slots,
    pub(crate) pages: VecDeque<Arc<Page>>,
    pub(crate) open: OpenRows,
    /// Rows that were ever sealed: the number of the first open row.
    pub(crate) rows_sealed: u64,
    /// Time of the newest row, also when that has been dropped.
    pub(crate) newest: TimestampMs,
    pub(super) pages_bytes: usize,
}

impl Group {
    pub(crate) fn new(id: u32, key: Arc<str>) -> Self {
        let head = GroupHead {
            slots: Slots::default(),
            pages: VecDeque::new(),
            open: OpenRows::default(),
            rows_sealed: 0,
            newest: TimestampMs::MIN,
            pages_bytes: 0,
        };
        Self {
            id,
            key,
            has_writer: AtomicBool::new(false),
            unacknowledged: AtomicI64::new(TimestampMs::MIN),
            writer_bytes: AtomicUsize::new(0),
            head: Mutex::new(head),
        }
    }

    /// Takes the right to write. No if somebody has it.
    pub(crate) fn begin_writing(&self) -> bool {
        !self.has_writer.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn end_writing(&self) {
        let mut head = self.head();
        head.slots.release_all();
        let GroupHead { slots, open, .. } = &mut *head;
        slots.free_unused(|slot| open.uses(slot));
        drop(head);
        self.writer_bytes.store(0, Ordering::Relaxed);
        self.has_writer.store(false, Ordering::Release);
    }

    /// Whether nobody writes and nothing is there. The caller keeps writers from coming.
    pub(crate) fn is_unused(&self) -> bool {
        let head = self.head();
        !self.has_writer.load(Ordering::Acquire) && head.pages.is_empty() && head.open.is_empty()
    }

    pub(crate) fn head(&self) -> MutexGuard<'_, GroupHead> {
        // A panic while it was held left whole rows: a row is added by one call.
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupHead {
    /// Makes a row visible. Its time is not before the newest; if it is the same, samples are added where there are none.
    /// Also used by recovery, which may bring rows that are older: they are not taken.
    pub(crate) fn commit_row(&mut self, time: TimestampMs, stamp: i64, row: &[u64]) -> bool {
        if time < self.newest || (time == self.newest && self.open.is_empty()) {
            return false;
        }
        if time == self.newest {
            self.open.merge_into_last(row);
            return true;
        }
        if self.open.len() >= PAGE_ROWS {
            self.seal(false);
        }
        self.open.push(time, stamp, row);
        self.newest = time;
        true
    }

    /// Compresses the open rows, all or all but the newest, which may still get samples.
    pub(crate) fn seal(&mut self, keep_last: bool) {
        self.seal_first(self.open.len().saturating_sub(usize::from(keep_last)));
    }

    /// Compresses the open rows before a time.
    pub(super) fn seal_before(&mut self, time: TimestampMs) {
        self.seal_first(self.open.times.partition_point(|open| *open < time));
    }

    fn seal_first(&mut self, rows: usize) {
        if rows > 0 {
            let page = Page::seal(&self.open, rows, self.rows_sealed, self.slots.layout());
            self.pages_bytes += page.heap_bytes();
            self.pages.push_back(Arc::new(page));
            self.rows_sealed += rows as u64;
            self.open.drop_first(rows);
        }
        let open = &self.open;
        self.slots.free_unused(|slot| open.uses(slot));
    }

    /// Recovery: from now on the slot has this series, which had `before`.
    pub(crate) fn assign(&mut self, slot: u32, series: u32, before: Option<u32>) {
        let before = before.filter(|old| *old != slot && self.slots.owners().get(*old as usize) == Some(&series));
        let owner = self.slots.owners().get(slot as usize).copied().unwrap_or(NO_SERIES);
        let changed = [(owner != series).then_some(slot), before];
        let in_way = |used: &dyn Fn(usize) -> bool| changed.iter().flatten().any(|slot| used(*slot as usize));
        if in_way(&|slot| self.open.uses(slot)) {
            // The newest row stays open if it can, because more samples may follow for it.
            let last = self.open.len() - 1;
            let keep_last = !in_way(&|slot| self.open.get(last, slot) != ABSENT_BITS);
            self.seal(keep_last);
        }
        if let Some(old) = before {
            self.slots.vacate(old);
        }
        self.slots.assign(slot, series);
    }

    /// Time of the oldest row.
    pub(crate) fn time_min(&self) -> Option<TimestampMs> {
        self.pages.front().map(|page| page.time_min).or_else(|| self.open.times.first().copied())
    }

    /// The pages that overlap with a range.
    pub(crate) fn pages_in(&self, range: TimeRange) -> impl DoubleEndedIterator<Item = &Arc<Page>> {
        let start = self.pages.partition_point(|page| page.time_max < range.start);
        let end = self.pages.partition_point(|page| page.time_min <= range.end);
        self.pages.range(start..end.max(start))
    }

    /// Drops rows before `time`: whole pages, and open rows if all are.
    pub(crate) fn drop_before(&mut self, time: TimestampMs) -> u64 {
        let mut rows = 0;
        while let Some(page) = self.pages.front().filter(|page| page.time_max < time) {
            self.pages_bytes -= page.heap_bytes();
            rows += page.rows as u64;
            self.pages.pop_front();
        }
        if !self.open.is_empty() && self.newest < time {
            rows += self.open.len() as u64;
            self.rows_sealed += self.open.len() as u64;
            self.open.drop_first(self.open.len());
            let open = &self.open;
            self.slots.free_unused(|slot| open.uses(slot));
        }
        rows
    }

    /// Adds the series that have samples here or are being written.
    pub(crate) fn collect_live(&self, live: &mut HashSet<u32>) {
        live.extend(self.slots.claimed().map(|(_, series)| series));
        for (slot, &series) in self.slots.owners().iter().enumerate() {
            if series != NO_SERIES && !live.contains(&series) && self.open.uses(slot) {
                live.insert(series);
            }
        }
        // Pages mostly share their layout, and nearly all of its series turn up in the newest.
        let mut layout: Option<&Arc<[u32]>> = None;
        let mut missing: Vec<usize> = Vec::new();
        for page in self.pages.iter().rev() {
            if layout.is_none_or(|layout| !Arc::ptr_eq(layout, &page.layout)) {
                layout = Some(&page.layout);
                let unknown = |series: &u32| *series != NO_SERIES && !live.contains(series);
                missing = page.layout.iter().enumerate().filter(|(_, series)| unknown(series)).map(|(slot, _)| slot).collect();
            }
            missing.retain(|slot| {
                let there = page.uses(*slot);
                if there {
                    live.insert(page.layout[*slot]);
                }
                !there
            });
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.pages_bytes + self.pages.capacity() * 8 + self.open.heap_bytes() + self.slots.heap_bytes()
    }
}
