//! What queries see of a group.

use std::collections::HashMap;
use std::sync::Arc;

use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, StartTimestampMs, TimeRange, TimestampMs};

use super::group::{Group, PAGE_ROWS};
use super::late::LateRow;
use super::page::Page;
use super::records::Snapshot;
use super::slots::Layout;
use crate::column::bits::get;
use crate::wal::sections::read_histograms;

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
    late: Vec<Arc<LateRow>>,
    starts: Vec<Vec<(TimestampMs, StartTimestampMs)>>,
    rows_max: usize,
}

/// Decoded columns of a view.
#[derive(Default)]
pub(crate) struct Columns {
    pub(crate) times: Vec<TimestampMs>,
    /// Place of each row in the order of writing.
    pub(crate) stamps: Vec<i64>,
    /// Bits, in the order of the wanted series.
    pub(crate) columns: Vec<Vec<u64>>,
    /// Of each wanted series: row and content, where the bits say [`HISTOGRAM_BITS`].
    pub(crate) histograms: Vec<Vec<(u32, Arc<Histogram>)>>,
}

/// Memory does not hold what was put there.
#[derive(Debug)]
pub(crate) struct PageDamaged;

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
        let late: Vec<Arc<LateRow>> = head.late.within(range).cloned().collect();
        let starts =
            if head.starts.is_empty() { Vec::new() } else { wanted.iter().map(|(series, _)| head.starts_in(*series, range)).collect() };
        let layout = head.slots.layout();
        drop(head);
        let rows_max = pages.iter().map(|page| page.rows).sum::<usize>() + open.rows + late.len();
        Self { wanted, range, pages, open, layout, late, starts, rows_max }
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

    /// Decodes. Locks nothing.
    pub(crate) fn read(&self) -> Result<Columns, PageDamaged> {
        let mut out = Columns::with_room(self.wanted.len(), self.rows_max);
        let mut finder = Finder::default();
        for page in &self.pages {
            self.read_page(page, &mut finder, &mut out).ok_or(PageDamaged)?;
        }
        self.read_open(&mut out).ok_or(PageDamaged)?;
        Ok(if self.late.is_empty() { out } else { self.with_late(out) })
    }

    fn read_page(&self, page: &Page, finder: &mut Finder, out: &mut Columns) -> Option<()> {
        let (mut times, mut stamps) = (Vec::with_capacity(page.rows), Vec::with_capacity(page.rows));
        page.times(&mut times, &mut stamps)?;
        let start = times.partition_point(|time| *time < self.range.start);
        let end = times.partition_point(|time| *time <= self.range.end);
        let rows = start..end.max(start);
        if rows.is_empty() {
            return Some(());
        }
        let first = out.times.len();
        out.times.extend_from_slice(&times[rows.clone()]);
        out.stamps.extend_from_slice(&stamps[rows.clone()]);
        for (at, slot) in finder.slots(&page.layout, &self.wanted).iter().enumerate() {
            let column = &mut out.columns[at];
            let from = column.len();
            let Some(slot) = slot.map(|slot| slot as usize) else {
                column.resize(from + rows.len(), ABSENT_BITS);
                continue;
            };
            page.column(slot, column)?;
            column.truncate(from + rows.end);
            column.drain(from..from + rows.start);
            let within = page.histograms(slot)?.into_iter().filter(|(row, _)| rows.contains(&(*row as usize)));
            out.histograms[at].extend(within.map(|(row, histogram)| ((first + row as usize - rows.start) as u32, histogram)));
        }
        Some(())
    }

    fn read_open(&self, out: &mut Columns) -> Option<()> {
        if self.open.rows == 0 {
            return Some(());
        }
        let slots = find_slots(&self.layout, &self.wanted);
        let mut state = self.open.base()?;
        let (mut row, mut newest) = (Vec::new(), None);
        for record in self.open.records() {
            let record = record?;
            let (width, _) = record.decode(&mut state)?;
            if !contains(self.range, record.time) {
                continue;
            }
            row.clear();
            state.copy_to(width, &mut row);
            let histograms = read_histograms(record.histograms)?;
            let again = newest == Some(record.time);
            newest = Some(record.time);
            if !again {
                out.times.push(record.time);
                out.stamps.push(record.stamp);
            }
            let at_row = out.times.len().checked_sub(1)? as u32;
            let get = |slot: &Option<u32>| slot.and_then(|slot| row.get(slot as usize).copied()).unwrap_or(ABSENT_BITS);
            for (at, slot) in slots.iter().enumerate() {
                let (bits, column) = (get(slot), &mut out.columns[at]);
                if !again {
                    column.push(bits);
                } else if let Some(held) = column.last_mut().filter(|held| **held == ABSENT_BITS) {
                    *held = bits;
                } else {
                    continue;
                }
                if bits == HISTOGRAM_BITS {
                    let found = slot.and_then(|slot| histograms.binary_search_by_key(&slot, |(slot, _)| *slot).ok());
                    out.histograms[at].extend(found.map(|found| (at_row, histograms[found].1.clone())));
                }
            }
        }
        Some(())
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
            out.times.push(time);
            out.stamps.push(if mine { rows.stamps[at] } else { late.peek().map_or(0, |late| late.stamp) });
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
                        out.histograms[n].extend(late.histogram(*series).map(|histogram| (row, histogram.clone())));
                    }
                }
            }
        }
        for (mine, held) in out.histograms.iter_mut().zip(rows.histograms) {
            mine.extend(held.into_iter().map(|(row, histogram)| (places[row as usize], histogram)));
            mine.sort_unstable_by_key(|(row, _)| *row);
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
        }
    }
}

/// Which of the wanted series may have samples in the range: exactly for open and late rows, by pages for the rest.
pub(crate) fn present(group: &Group, wanted: &[Wanted], range: TimeRange) -> Vec<bool> {
    let view = View::new(group, Vec::new(), range);
    let used = view.slots_in_open(range);
    let slots = find_slots(&view.layout, wanted);
    let late = |series: u32| view.late.iter().any(|row| row.get(series).is_some());
    let mut found: Vec<bool> = slots.iter().map(|slot| slot.is_some_and(|slot| get(&used, slot as usize))).collect();
    let mut rest: Vec<usize> = (0..wanted.len()).filter(|at| !found[*at]).collect();
    let mut finder = Finder::default();
    for page in view.pages.iter().rev() {
        if rest.is_empty() {
            break;
        }
        let slots = finder.slots(&page.layout, wanted);
        rest.retain(|at| {
            found[*at] = slots[*at].is_some_and(|slot| page.uses(slot as usize));
            !found[*at]
        });
    }
    if !view.late.is_empty() {
        rest.into_iter().for_each(|at| found[at] = late(wanted[at].0));
    }
    found
}

impl View {
    /// Bitmap of the slots that open rows in the range have.
    fn slots_in_open(&self, range: TimeRange) -> Vec<u8> {
        let mut used: Vec<u8> = Vec::new();
        let Some(mut present) = self.open.base().map(|base| base.last_row().0.to_vec()) else {
            return used;
        };
        let mut fresh = true;
        for record in self.open.records().flatten() {
            if let Some(bitmap) = record.presence() {
                present = bitmap.to_vec();
                fresh = true;
            }
            if !contains(range, record.time) || !std::mem::take(&mut fresh) {
                continue;
            }
            used.resize(used.len().max(present.len()), 0);
            used.iter_mut().zip(&present).for_each(|(used, present)| *used |= present);
        }
        used
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

/// The slots of series in a layout. The hints are nearly always right; without them it is a search.
fn find_slots(layout: &[u32], wanted: &[Wanted]) -> Vec<Option<u32>> {
    let hinted = |(series, hint): &Wanted| (layout.get(*hint as usize) == Some(series)).then_some(*hint);
    let mut slots: Vec<Option<u32>> = wanted.iter().map(hinted).collect();
    let missing = slots.iter().filter(|slot| slot.is_none()).count();
    if missing > 0 {
        // A few are found faster by looking along the layout than by a table.
        let table: HashMap<u32, u32> =
            if missing > 8 { layout.iter().zip(0..).map(|(series, slot)| (*series, slot)).collect() } else { HashMap::new() };
        for (slot, (series, _)) in slots.iter_mut().zip(wanted).filter(|(slot, _)| slot.is_none()) {
            *slot = if missing > 8 {
                table.get(series).copied()
            } else {
                layout.iter().position(|owner| owner == series).map(|slot| slot as u32)
            };
        }
    }
    slots
}
