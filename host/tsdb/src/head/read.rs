//! What queries see of a group.

mod rows;

use std::cell::OnceCell;
use std::sync::Arc;

use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, StartTimestampMs, TimeRange, TimestampMs};

pub(crate) use self::rows::Rows;
use self::rows::find_slots;
use super::group::{Group, PAGE_ROWS};
use super::late::LateRow;
use super::page::Page;
use super::records::Snapshot;
use super::slots::Layout;
use crate::column::bits::get;
use crate::pace;
use crate::wal::row::Packed;

/// A series in a group: its id and the slot it may have.
pub(crate) type Wanted = (u32, u32);

/// What a group held at one moment, for some series and a range. What is dropped from the group later stays here.
pub(crate) struct View {
    wanted: Vec<Wanted>,
    range: TimeRange,
    pages: Vec<Arc<Page>>,
    open: Snapshot,
    /// Of the open rows.
    layout: Layout,
    /// The slots of the wanted series in that.
    slots: Vec<Option<u32>>,
    newest: Option<Newest>,
    late: Vec<Arc<LateRow>>,
    starts: Vec<Vec<(TimestampMs, StartTimestampMs)>>,
    rows_max: usize,
}

/// Time and bits by slot of a group's newest row, past whose end there is nothing.
type Newest = (TimestampMs, Arc<Vec<u64>>);

/// Decoded columns of a view.
#[derive(Default)]
pub(crate) struct Columns {
    pub(crate) times: Vec<TimestampMs>,
    /// Place of each row in the order of writing.
    pub(crate) stamps: Vec<i64>,
    /// Bits, in the order of the wanted series.
    pub(crate) columns: Vec<Vec<u64>>,
    /// Of each wanted series: row and content, where the bits say [`model::HISTOGRAM_BITS`].
    pub(crate) histograms: Vec<Vec<(u32, Arc<Histogram>)>>,
    /// Of each wanted series, where exactly that was asked for: row and stamp of samples whose place in the order of writing is not
    /// their row's, by row.
    pub(crate) joined: Vec<Vec<(u32, i64)>>,
}

/// Memory does not hold what was put there.
#[derive(Debug)]
pub(crate) struct PageDamaged;

/// Why there are no samples.
#[derive(Debug)]
pub(crate) enum NotRead {
    Damaged,
    /// Nobody waits for them any more.
    Stopped,
}

impl From<PageDamaged> for NotRead {
    fn from(_: PageDamaged) -> Self {
        Self::Damaged
    }
}

impl View {
    /// The group as it is now. Nothing is decoded or copied.
    pub(crate) fn new(group: &Group, wanted: Vec<Wanted>, range: TimeRange) -> Self {
        let mut head = group.head();
        if head.open.len() >= 2 * PAGE_ROWS {
            // After recovery all rows are open.
            head.seal_overflow();
        }
        let pages: Vec<Arc<Page>> = head.pages_in(range).cloned().collect();
        let open = if head.open.first_time().is_some_and(|time| time <= range.end) && head.newest >= range.start {
            head.open.snapshot()
        } else {
            Snapshot::default()
        };
        let newest = if open.rows > 0 { head.open.newest().filter(|(time, _)| contains(range, *time)) } else { None };
        let late: Vec<Arc<LateRow>> = head.late.within(range).cloned().collect();
        let starts =
            if head.starts.is_empty() { Vec::new() } else { wanted.iter().map(|(series, _)| head.starts_in(*series, range)).collect() };
        let layout = head.slots.layout();
        drop(head);
        let slots = find_slots(&layout, &wanted);
        let rows_max = pages.iter().map(|page| page.rows).sum::<usize>() + open.rows + late.len();
        Self { wanted, range, pages, open, layout, slots, newest, late, starts, rows_max }
    }

    /// Samples at most.
    pub(crate) fn samples_max(&self) -> usize {
        self.rows_max * self.wanted.len()
    }

    /// Start timestamps of a wanted series, each with the row of [`View::read`] from which on it holds.
    pub(crate) fn starts_by_row(&self, at: usize, times: &[TimestampMs]) -> Vec<(u32, StartTimestampMs)> {
        let mut rows: Vec<(u32, StartTimestampMs)> = Vec::new();
        for (time, start) in self.starts.get(at).into_iter().flatten() {
            // What began to hold earlier holds from the first row on.
            let row = times.partition_point(|held| held < time);
            match rows.last_mut().filter(|(last, _)| *last as usize == row) {
                Some(held) => held.1 = *start,
                None if row < times.len() => rows.push((row as u32, *start)),
                None => {}
            }
        }
        rows
    }

    /// Decodes. Locks nothing. `exact`: with the place of each sample in the order of writing, for series that other groups have too.
    pub(crate) fn read(&self, exact: bool) -> Result<Columns, NotRead> {
        let rows = Rows::new(self, exact)?;
        let mut out = Columns { times: rows.times.clone(), stamps: rows.stamps.clone(), ..Columns::default() };
        for at in 0..self.wanted.len() {
            if pace::over(pace::COLUMN + rows.times.len() / 4) {
                return Err(NotRead::Stopped);
            }
            let mut column = Vec::with_capacity(rows.times.len());
            rows.column(at, &mut column)?;
            out.columns.push(column);
            out.histograms.push(rows.histograms(at)?);
            out.joined.push(if exact { rows.joined(at) } else { Vec::new() });
        }
        Ok(if self.late.is_empty() { out } else { self.with_late(out) })
    }

    /// Bytes that [`View::rows`] and a column take, about: times, stamps, bits and floats, and open rows of all wanted series.
    pub(crate) fn column_bytes(&self) -> usize {
        self.rows_max * 32 + (self.open.rows + 16) * self.wanted.len() * 8
    }

    /// Whether there are rows that [`View::rows`] does not have.
    pub(crate) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// The rows by time, but for late ones; columns are decoded when they are asked for.
    pub(crate) fn rows(&self) -> Result<Rows<'_>, NotRead> {
        Rows::new(self, false)
    }

    /// The columns with late samples in their places, where there are none.
    fn with_late(&self, rows: Columns) -> Columns {
        let mut out = Columns::with_room(self.wanted.len(), rows.times.len() + self.late.len());
        let mut late = self.late.iter().peekable();
        let mut places = Vec::with_capacity(rows.times.len());
        let mut at = 0;
        while at < rows.times.len() || late.peek().is_some() {
            let time = match (rows.times.get(at), late.peek()) {
                (Some(time), Some(late)) => late.time.min(*time),
                (Some(time), None) => *time,
                (None, Some(late)) => late.time,
                (None, None) => break,
            };
            let mine = rows.times.get(at) == Some(&time);
            let row = out.times.len() as u32;
            let stamp = if mine { rows.stamps[at] } else { late.peek().map_or(0, |late| late.stamp) };
            out.times.push(time);
            out.stamps.push(stamp);
            for (column, held) in out.columns.iter_mut().zip(&rows.columns) {
                column.push(if mine { held[at] } else { ABSENT_BITS });
            }
            if mine {
                places.push(row);
                at += 1;
            }
            while let Some(late) = late.next_if(|late| late.time == time) {
                for (n, (series, _)) in self.wanted.iter().enumerate() {
                    let held = out.columns[n].last_mut().filter(|held| **held == ABSENT_BITS);
                    if let (Some(held), Some(bits)) = (held, late.get(*series)) {
                        *held = bits;
                        if late.stamp != stamp {
                            out.joined[n].push((row, late.stamp));
                        }
                        out.histograms[n].extend(late.histogram(*series).map(|histogram| (row, histogram.clone())));
                    }
                }
            }
        }
        for (mine, held) in out.histograms.iter_mut().zip(rows.histograms) {
            mine.extend(held.into_iter().map(|(row, histogram)| (places[row as usize], histogram)));
            mine.sort_unstable_by_key(|(row, _)| *row);
        }
        for (mine, held) in out.joined.iter_mut().zip(rows.joined) {
            mine.extend(held.into_iter().map(|(row, stamp)| (places[row as usize], stamp)));
            mine.sort_unstable();
        }
        out
    }
}

impl Columns {
    fn with_room(columns: usize, rows: usize) -> Self {
        Self {
            times: Vec::with_capacity(rows),
            stamps: Vec::with_capacity(rows),
            columns: (0..columns).map(|_| Vec::with_capacity(rows)).collect(),
            histograms: vec![Vec::new(); columns],
            joined: vec![Vec::new(); columns],
        }
    }
}

impl View {
    /// Which of the wanted series may have samples in the range: exactly for open and late rows, by pages for the rest. Fewer if it is
    /// time to stop.
    fn present(&self) -> Vec<bool> {
        let wanted = &self.wanted;
        let mut found: Vec<bool> = self.slots.iter().map(|slot| self.newest_of(*slot).is_some()).collect();
        let mut rest: Vec<usize> = (0..wanted.len()).filter(|at| !found[*at]).collect();
        if rest.is_empty() {
            return found;
        }
        let used = self.slots_in_open(self.range);
        rest.retain(|at| {
            found[*at] = self.slots[*at].is_some_and(|slot| get(&used, slot as usize));
            !found[*at]
        });
        let mut finder = Finder::default();
        for page in self.pages.iter().rev() {
            if rest.is_empty() {
                break;
            }
            let slots = finder.slots(&page.layout, wanted);
            let mut over = false;
            rest.retain(|at| {
                over = over || pace::over(1);
                if over {
                    return false;
                }
                found[*at] = slots[*at].is_some_and(|slot| page.uses(slot as usize));
                !found[*at]
            });
        }
        if !self.late.is_empty() {
            let looks = rest.into_iter().take_while(|_| !pace::over(self.late.len()));
            looks.for_each(|at| found[at] = self.late.iter().any(|row| row.get(wanted[at].0).is_some()));
        }
        found
    }

    /// Leaves out the wanted series that have no samples in the range for certain.
    pub(crate) fn keep_present(&mut self) {
        let present = self.present();
        if present.iter().all(|there| *there) {
            return;
        }
        let keep = |at: &mut usize| {
            *at += 1;
            present[*at - 1]
        };
        let mut at = 0;
        self.wanted.retain(|_| keep(&mut at));
        let mut at = 0;
        self.slots.retain(|_| keep(&mut at));
        let mut at = 0;
        if !self.starts.is_empty() {
            self.starts.retain(|_| keep(&mut at));
        }
    }

    /// The same moment for some of the wanted series, by their places.
    pub(crate) fn subset(&self, places: &[usize]) -> Self {
        Self {
            wanted: places.iter().map(|at| self.wanted[*at]).collect(),
            range: self.range,
            pages: self.pages.clone(),
            open: self.open.clone(),
            layout: self.layout.clone(),
            slots: places.iter().map(|at| self.slots[*at]).collect(),
            newest: self.newest.clone(),
            late: self.late.clone(),
            starts: if self.starts.is_empty() { Vec::new() } else { places.iter().map(|at| self.starts[*at].clone()).collect() },
            rows_max: self.rows_max,
        }
    }

    /// The series, and where each was last in the group.
    pub(crate) fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// What a slot has in the newest row, if that is in the range.
    fn newest_of(&self, slot: Option<u32>) -> Option<u64> {
        let (_, row) = self.newest.as_ref()?;
        row.get(slot? as usize).copied().filter(|bits| *bits != ABSENT_BITS)
    }

    /// Time and bits of the newest sample in the range of each wanted series, in their order, as far as that can be told without
    /// decoding anything; histograms cannot. None if it cannot be told of any.
    pub(crate) fn newest(&self) -> Option<(TimestampMs, impl Iterator<Item = Option<u64>>)> {
        let (time, _) = self.newest.as_ref()?;
        // After a restart there may be late rows that are newer.
        let last = self.late.last().is_none_or(|late| late.time < *time);
        let of = |slot: &Option<u32>| self.newest_of(*slot).filter(|bits| *bits != HISTOGRAM_BITS);
        last.then_some((*time, self.slots.iter().map(of)))
    }

    /// Bitmap of the slots that open rows in the range have.
    fn slots_in_open(&self, range: TimeRange) -> Vec<u8> {
        let mut used: Vec<u8> = Vec::new();
        let Some(mut present) = Packed::new(self.open.packed_base()).map(|base| base.present()) else {
            return used;
        };
        let mut fresh = true;
        for record in self.open.records().flatten() {
            if let Some(bitmap) = record.presence() {
                present = bitmap;
                fresh = true;
            }
            if !contains(range, record.time) || !std::mem::take(&mut fresh) {
                continue;
            }
            used.resize(used.len().max(present.len()), 0);
            used.iter_mut().zip(present).for_each(|(used, present)| *used |= present);
        }
        used
    }
}

/// Which series of a group may have samples in a range, for those who ask of few.
pub(crate) struct Presence {
    view: View,
    used: OnceCell<Vec<u8>>,
}

impl Presence {
    pub(crate) fn new(group: &Group, range: TimeRange) -> Self {
        Self { view: View::new(group, Vec::new(), range), used: OnceCell::new() }
    }

    /// As [`View::keep_present`].
    pub(crate) fn has(&self, wanted: Wanted) -> bool {
        let slot = |layout: &Layout| find_slots(layout, &[wanted])[0].map(|slot| slot as usize);
        let open = slot(&self.view.layout);
        let used = || self.used.get_or_init(|| self.view.slots_in_open(self.view.range));
        self.view.newest_of(open.map(|slot| slot as u32)).is_some()
            || open.is_some_and(|slot| get(used(), slot))
            || self.view.pages.iter().rev().any(|page| slot(&page.layout).is_some_and(|slot| page.uses(slot)))
            || self.view.late.iter().any(|row| row.get(wanted.0).is_some())
    }
}

fn contains(range: TimeRange, time: TimestampMs) -> bool {
    range.start <= time && time <= range.end
}

/// Remembers the slots of the last layout: neighbouring pages mostly share it.
#[derive(Default)]
struct Finder {
    layout: Option<Layout>,
    slots: Vec<Option<u32>>,
}

impl Finder {
    fn slots(&mut self, layout: &Layout, wanted: &[Wanted]) -> &[Option<u32>] {
        if self.layout.as_ref().is_none_or(|last| !Arc::ptr_eq(last, layout)) {
            self.slots = find_slots(layout, wanted);
            self.layout = Some(layout.clone());
        }
        &self.slots
    }
}
