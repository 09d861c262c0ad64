//! One group of series that share times.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{Histogram, StartTimestampMs, TimeRange, TimestampMs};

use super::late::LateRows;
use super::page::Page;
use super::rows::{OpenRows, Record};
use super::slots::{Layout, NO_SERIES, Slots};
use crate::column::bytes::Reader;
use crate::wal::payload::Numbered;
use crate::wal::row::RowState;
use crate::wal::sections::read_histograms;

/// Rows that are sealed together: more compress better, fewer take less room while open.
pub(crate) const PAGE_ROWS: usize = 64;
/// Of a group this wide on, fewer: while a page is made its values take eight bytes each.
const PAGE_VALUES_MAX: usize = 2 << 20;
const PAGE_ROWS_MIN: usize = 8;

const ALL: TimeRange = TimeRange { start: TimestampMs::MIN, end: TimestampMs::MAX };

/// Rows of a page in a group of so many slots.
fn page_rows(width: usize) -> usize {
    (PAGE_VALUES_MAX / width.max(1)).clamp(PAGE_ROWS_MIN, PAGE_ROWS)
}

/// A group. What queries and the writer share is behind one lock that is never held over I/O.
pub(crate) struct Group {
    pub(crate) id: u32,
    pub(crate) key: Arc<str>,
    has_writer: AtomicBool,
    /// Time of the newest row that is in the log without having been acknowledged: recovery may show it, so that no later writer
    /// may log a row before it or add to it.
    pub(crate) unacknowledged: AtomicI64,
    /// How far the last writer's frames were numbered.
    pub(crate) numbered: Mutex<Option<Numbered>>,
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
    /// Time of the newest row, also when that has been dropped; of one that is known, after a restart.
    pub(crate) newest: TimestampMs,
    pub(crate) late: LateRows,
    /// Start timestamps by series and the time from which on they hold.
    pub(crate) starts: BTreeMap<(u32, TimestampMs), StartTimestampMs>,
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
            late: LateRows::default(),
            starts: BTreeMap::new(),
            pages_bytes: 0,
        };
        Self {
            id,
            key,
            has_writer: AtomicBool::new(false),
            unacknowledged: AtomicI64::new(TimestampMs::MIN),
            numbered: Mutex::new(None),
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
        !self.has_writer.load(Ordering::Acquire) && head.pages.is_empty() && head.open.is_empty() && head.late.is_empty()
    }

    pub(crate) fn head(&self) -> MutexGuard<'_, GroupHead> {
        // A panic while it was held left whole rows: a row is added by one call.
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupHead {
    /// Makes a row visible. Its time is not before the newest; if it is the same, samples are added where there are none.
    /// Also used by recovery, which may bring rows that are older: they are not taken.
    pub(crate) fn commit_row(&mut self, record: Record<'_>) -> bool {
        let time = record.time;
        if time < self.newest {
            return false;
        }
        if time == self.newest && self.open.is_empty() {
            return self.join_sealed(&record);
        }
        if time > self.newest {
            self.seal_overflow();
        }
        self.open.push(record);
        self.newest = time;
        true
    }

    /// A record whose row became a page, or left for a block, while it was on its way to the log: its samples come late, and rows that
    /// follow build on it. Recovery finds the same in the log.
    fn join_sealed(&mut self, record: &Record<'_>) -> bool {
        let base = if record.full { Some(RowState::default()) } else { self.open.snapshot().base() };
        let Some((mut state, histograms)) = base.zip(read_histograms(record.histograms)) else { return false };
        record.unset.iter().for_each(|slot| state.unset(*slot as usize));
        let Some((width, _)) = state.decode(&mut Reader::new(record.values), record.full, record.presence) else { return false };
        let mut row = Vec::new();
        state.copy_to(width, &mut row);
        self.commit_late(record.time, record.stamp, &row, &histograms);
        self.open = OpenRows::on(&state);
        true
    }

    /// Recovery: the next row builds on one that is left out. Rows that are there are sealed.
    pub(crate) fn build_on(&mut self, state: &RowState) {
        self.seal(false);
        self.open = OpenRows::on(state);
    }

    /// Makes a late row visible: samples of slots. They are not there yet.
    pub(crate) fn commit_late(&mut self, time: TimestampMs, stamp: i64, row: &[u64], histograms: &[(u32, Arc<Histogram>)]) {
        let owners = self.slots.owners();
        let samples = owners.iter().copied().zip(row.iter().copied()).filter(|(series, _)| *series != NO_SERIES).collect();
        let of = |slot: &u32| owners.get(*slot as usize).copied().filter(|series| *series != NO_SERIES);
        let histograms = histograms.iter().filter_map(|(slot, histogram)| Some((of(slot)?, histogram.clone()))).collect();
        self.late.push(time, stamp, samples, histograms);
        // After a restart the newer rows that it was late for may be in blocks, and their segment gone.
        self.newest = self.newest.max(time);
    }

    /// Notes from when on the series began to count.
    pub(crate) fn set_start(&mut self, series: u32, time: TimestampMs, start: StartTimestampMs) {
        let before = self.starts.range((series, TimestampMs::MIN)..=(series, time)).next_back();
        if before.is_none_or(|(_, held)| *held != start) {
            self.starts.insert((series, time), start);
        }
    }

    /// The start timestamps of a series that hold in a range, the first from before it.
    pub(crate) fn starts_in(&self, series: u32, range: TimeRange) -> Vec<(TimestampMs, StartTimestampMs)> {
        let before = self.starts.range((series, TimestampMs::MIN)..(series, range.start)).next_back();
        let within = (range.start <= range.end).then(|| self.starts.range((series, range.start)..=(series, range.end)));
        before.into_iter().chain(within.into_iter().flatten()).map(|((_, time), start)| (*time, *start)).collect()
    }

    /// Compresses the open rows, all or all but the newest, which may still get samples.
    pub(crate) fn seal(&mut self, keep_last: bool) {
        self.seal_first(self.open.len().saturating_sub(usize::from(keep_last)), TimestampMs::MAX);
    }

    /// Compresses the open rows before a time.
    pub(super) fn seal_before(&mut self, time: TimestampMs) {
        self.seal_first(usize::MAX, time);
    }

    /// Compresses open rows where they are many: before a further one comes, and after recovery, which leaves all open.
    pub(crate) fn seal_overflow(&mut self) {
        let page = page_rows(self.slots.owners().len());
        if self.open.len() >= page {
            self.seal_first(self.open.len() / page * page, TimestampMs::MAX);
        }
    }

    fn seal_first(&mut self, mut rows: usize, end: TimestampMs) {
        let page_rows = page_rows(self.slots.owners().len());
        while rows > 0 && self.open.first_time().is_some_and(|time| time < end) {
            let before = self.open.len();
            match self.open.take_first(rows.min(page_rows), end, self.slots.shared()) {
                Some(raw) if raw.len() > 0 => {
                    self.slots.shrink();
                    let page = Page::seal(&raw, self.rows_sealed, self.slots.layout());
                    self.pages_bytes += page.heap_bytes();
                    self.pages.push_back(Arc::new(page));
                    self.rows_sealed += raw.len() as u64;
                    rows -= raw.len();
                }
                Some(_) => break,
                None => {
                    tracing::error!(
                        rows = before,
                        "rows in memory do not decode and are dropped; the log has them. The machine's memory may be faulty"
                    );
                    self.rows_sealed += before as u64;
                }
            }
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
            let keep_last = !in_way(&|slot| self.open.last_uses(slot));
            self.seal(keep_last);
        }
        if let Some(old) = before {
            self.slots.vacate(old);
        }
        self.slots.assign(slot, series);
    }

    /// Time of the oldest row.
    pub(crate) fn time_min(&self) -> Option<TimestampMs> {
        let rows = self.pages.front().map(|page| page.time_min).or_else(|| self.open.first_time());
        rows.into_iter().chain(self.late.within(ALL).next().map(|row| row.time)).min()
    }

    /// The time of the first row from `time` on. Of pages only their bounds are looked at: it may be too early, but never before `time`.
    pub(crate) fn first_from(&self, time: TimestampMs) -> Option<TimestampMs> {
        let range = TimeRange { start: time, end: TimestampMs::MAX };
        let page = self.pages_in(range).next().map(|page| page.time_min.max(time));
        let open = self.open.first_time().filter(|_| time <= self.newest).map(|first| first.max(time));
        page.into_iter().chain(open).chain(self.late.within(range).next().map(|row| row.time)).min()
    }

    /// Samples before a time, at most: of pages and open rows only their bounds and widths are looked at.
    pub(crate) fn cells_before(&self, time: TimestampMs) -> usize {
        let before = TimeRange { start: TimestampMs::MIN, end: time.saturating_sub(1) };
        let pages: usize = self.pages_in(before).map(|page| page.rows * page.layout.len()).sum();
        let open = if self.open.first_time().is_some_and(|first| first < time) { self.open.len() * self.slots.owners().len() } else { 0 };
        pages + open + self.late.within(before).map(|row| row.series().count()).sum::<usize>()
    }

    /// The pages that overlap with a range.
    pub(crate) fn pages_in(&self, range: TimeRange) -> impl DoubleEndedIterator<Item = &Arc<Page>> {
        let start = self.pages.partition_point(|page| page.time_max < range.start);
        let end = self.pages.partition_point(|page| page.time_min <= range.end);
        self.pages.range(start..end.max(start))
    }

    /// Drops rows before `time`: whole pages, and open rows if all are.
    pub(crate) fn drop_before(&mut self, time: TimestampMs) -> u64 {
        let mut rows = self.late.drop_before(time);
        while let Some(page) = self.pages.front().filter(|page| page.time_max < time) {
            self.pages_bytes -= page.heap_bytes();
            rows += page.rows as u64;
            self.pages.pop_front();
        }
        if !self.open.is_empty() && self.newest < time {
            rows += self.open.len() as u64;
            self.rows_sealed += self.open.len() as u64;
            self.open = OpenRows::default();
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
        self.late.within(ALL).for_each(|row| live.extend(row.series()));
        // Pages mostly share their layout, and nearly all of its series turn up in the newest.
        let mut layout: Option<&Layout> = None;
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
        self.pages_bytes
            + self.pages.capacity() * 8
            + self.open.heap_bytes()
            + self.slots.heap_bytes()
            + self.late.heap_bytes()
            + self.starts.len() * 32
            + size_of::<Group>()
    }

    /// Forgets what is known of series that are gone.
    pub(crate) fn vacate_where(&mut self, gone: impl Fn(u32) -> bool) {
        self.starts.retain(|(series, _), _| !gone(*series));
        self.slots.vacate_where(gone);
    }
}

#[cfg(test)]
mod tests {
    use model::ABSENT_BITS;

    use super::super::read::View;
    use super::super::rows::tests::Rows;
    use super::*;

    fn bits(value: f64) -> u64 {
        value.to_bits()
    }

    /// A flush, a snapshot or a query may seal the newest row between the look at whether it is open and the record's way to it.
    #[test]
    fn a_record_whose_row_is_sealed_meanwhile_joins_it_and_the_next_row_builds_on_it() {
        for flushed in [false, true] {
            let group = Group::new(1, Arc::from("key"));
            let mut rows = Rows::default();
            let mut head = group.head();
            head.slots.claim(100, None);
            head.slots.claim(101, None);
            assert!(head.commit_row(rows.encode_row(&[bits(1.0)]).record(10, 1)));
            assert!(head.commit_row(rows.encode_row(&[bits(2.0)]).record(20, 2)));
            if flushed {
                drop(head);
                let cut = group.cut(21).expect("whole").expect("rows");
                group.drop_cut(&cut).expect("whole");
                head = group.head();
            } else {
                head.seal(false);
            }
            assert!(head.commit_row(rows.encode_row(&[ABSENT_BITS, bits(3.0)]).record(20, 3)));
            assert!(head.commit_row(rows.encode_row(&[bits(2.5), bits(3.5)]).record(30, 4)));
            drop(head);
            let read = View::new(&group, vec![(100, 0), (101, 1)], ALL).read(true).expect("whole");
            let (first, second) = (&read.columns[0], &read.columns[1]);
            if flushed {
                assert_eq!((read.times, first, second), (vec![20, 30], &vec![ABSENT_BITS, bits(2.5)], &vec![bits(3.0), bits(3.5)]));
            } else {
                assert_eq!(read.times, [10, 20, 30]);
                assert_eq!(first, &[bits(1.0), bits(2.0), bits(2.5)]);
                assert_eq!(second, &[ABSENT_BITS, bits(3.0), bits(3.5)]);
                assert_eq!(read.joined[1], [(1, 3)]);
            }
        }
    }
}
