//! What queries see of a group.

use std::collections::HashMap;
use std::sync::Arc;

use model::{ABSENT_BITS, TimeRange, TimestampMs};

use super::group::{Group, GroupHead};
use super::page::Page;

/// A series in a group: its id and the slot it may have.
pub(crate) type Wanted = (u32, u32);

/// What a group held at one moment, for some series and a range.
pub(crate) struct View {
    group: Arc<Group>,
    wanted: Vec<Wanted>,
    range: TimeRange,
    /// Rows from this number on came later.
    rows_end: u64,
    rows_max: usize,
}

/// Decoded columns of a view.
pub(crate) struct Columns {
    pub(crate) times: Vec<TimestampMs>,
    /// Place of each row in the order of writing.
    pub(crate) stamps: Vec<i64>,
    /// Bits, in the order of the wanted series.
    pub(crate) columns: Vec<Vec<u64>>,
}

/// Memory does not hold what was put there.
#[derive(Debug)]
pub(crate) struct PageDamaged;

impl View {
    /// The group as it is now. Nothing is decoded or copied.
    pub(crate) fn new(group: &Arc<Group>, wanted: Vec<Wanted>, range: TimeRange) -> Self {
        let head = group.head();
        let rows_end = head.rows_sealed + head.open.len() as u64;
        let rows_max = head.pages_in(range).map(|page| page.rows).sum::<usize>()
            + head.open.times.iter().filter(|time| contains(range, **time)).count();
        drop(head);
        Self { group: group.clone(), wanted, range, rows_end, rows_max }
    }

    /// Samples at most.
    pub(crate) fn samples_max(&self) -> usize {
        self.rows_max * self.wanted.len()
    }

    /// Decodes. The group is locked only while open rows are copied.
    pub(crate) fn read(&self) -> Result<Columns, PageDamaged> {
        let mut open = Columns::with_room(self.wanted.len(), 0);
        let pages = {
            let head = self.group.head();
            self.copy_open(&head, &mut open);
            let pages: Vec<Arc<Page>> = head.pages_in(self.range).filter(|page| page.first_row < self.rows_end).cloned().collect();
            pages
        };
        let mut out = Columns::with_room(self.wanted.len(), self.rows_max);
        let mut finder = Finder::default();
        for page in &pages {
            self.read_page(page, &mut finder, &mut out).ok_or(PageDamaged)?;
        }
        out.append(open);
        Ok(out)
    }

    fn copy_open(&self, head: &GroupHead, out: &mut Columns) {
        let before = usize::try_from(self.rows_end.saturating_sub(head.rows_sealed)).unwrap_or(usize::MAX);
        let rows: Vec<usize> = (0..head.open.len().min(before)).filter(|row| contains(self.range, head.open.times[*row])).collect();
        let slots = find_slots(head.slots.owners(), &self.wanted);
        out.times.extend(rows.iter().map(|row| head.open.times[*row]));
        out.stamps.extend(rows.iter().map(|row| head.open.stamps[*row]));
        for (column, slot) in out.columns.iter_mut().zip(slots) {
            column.extend(rows.iter().map(|row| slot.map_or(ABSENT_BITS, |slot| head.open.get(*row, slot as usize))));
        }
    }

    fn read_page(&self, page: &Page, finder: &mut Finder, out: &mut Columns) -> Option<()> {
        let (mut times, mut stamps) = (Vec::with_capacity(page.rows), Vec::with_capacity(page.rows));
        page.times(&mut times, &mut stamps)?;
        let start = times.partition_point(|time| *time < self.range.start);
        let end = times.partition_point(|time| *time <= self.range.end);
        // A page that was sealed after the view was made may end with rows that came later.
        let end = end.min(usize::try_from(self.rows_end - page.first_row).unwrap_or(usize::MAX));
        let rows = start..end.max(start);
        out.times.extend_from_slice(&times[rows.clone()]);
        out.stamps.extend_from_slice(&stamps[rows.clone()]);
        for (column, slot) in out.columns.iter_mut().zip(finder.slots(&page.layout, &self.wanted)) {
            let from = column.len();
            match slot {
                Some(slot) => {
                    page.column(*slot as usize, column)?;
                    column.truncate(from + rows.end);
                    column.drain(from..from + rows.start);
                }
                None => column.resize(from + rows.len(), ABSENT_BITS),
            }
        }
        Some(())
    }
}

impl Columns {
    fn with_room(columns: usize, rows: usize) -> Self {
        Self {
            times: Vec::with_capacity(rows),
            stamps: Vec::with_capacity(rows),
            columns: (0..columns).map(|_| Vec::with_capacity(rows)).collect(),
        }
    }

    fn append(&mut self, mut other: Self) {
        self.times.append(&mut other.times);
        self.stamps.append(&mut other.stamps);
        for (column, mut more) in self.columns.iter_mut().zip(other.columns) {
            column.append(&mut more);
        }
    }
}

/// Which of the wanted series may have samples in the range: exactly for open rows, by pages for the rest.
pub(crate) fn present(group: &Group, wanted: &[Wanted], range: TimeRange) -> Vec<bool> {
    let mut found = vec![false; wanted.len()];
    let mut rest: Vec<usize> = (0..wanted.len()).collect();
    let pages: Vec<Arc<Page>> = {
        let head = group.head();
        let rows: Vec<&[u64]> =
            (0..head.open.len()).filter(|row| contains(range, head.open.times[*row])).map(|row| head.open.row(row)).collect();
        let slots = find_slots(head.slots.owners(), wanted);
        let there = |slot: u32| rows.iter().any(|row| row.get(slot as usize).is_some_and(|bits| *bits != ABSENT_BITS));
        rest.retain(|at| {
            found[*at] = slots[*at].is_some_and(there);
            !found[*at]
        });
        if rest.is_empty() {
            return found;
        }
        head.pages_in(range).rev().cloned().collect()
    };
    let mut finder = Finder::default();
    for page in pages {
        if rest.is_empty() {
            break;
        }
        let slots = finder.slots(&page.layout, wanted);
        rest.retain(|at| {
            found[*at] = slots[*at].is_some_and(|slot| page.uses(slot as usize));
            !found[*at]
        });
    }
    found
}

fn contains(range: TimeRange, time: TimestampMs) -> bool {
    range.start <= time && time <= range.end
}

/// Remembers the slots of the last layout: neighbouring pages mostly share it.
#[derive(Default)]
struct Finder {
    layout: Option<Arc<[u32]>>,
    slots: Vec<Option<u32>>,
}

impl Finder {
    fn slots(&mut self, layout: &Arc<[u32]>, wanted: &[Wanted]) -> &[Option<u32>] {
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
