//! Rows of a view, column by column.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use model::{ABSENT_BITS, Histogram, TimestampMs};

use super::super::joined::{self, Joined};
use super::super::open::OpenTable;
use super::super::page::Page;
use super::super::slots::Layout;
use super::{NotRead, PageDamaged, View, Wanted};
use crate::pace;

/// Rows of a view by time.
pub(crate) struct Rows<'a> {
    pub(crate) times: Vec<TimestampMs>,
    /// Place of each in the order of writing.
    pub(crate) stamps: Vec<i64>,
    pages: Vec<PageRows<'a>>,
    /// Slots of the wanted series in each layout that pages have.
    slots: Vec<Vec<Option<u32>>>,
    open: OpenTable,
}

/// Rows of a page, the number of the first among all, and which of the lists of slots is its.
struct PageRows<'a> {
    page: &'a Page,
    rows: Range<usize>,
    first: usize,
    slots: usize,
    /// Samples that joined their row later, if that was asked for.
    joined: Vec<Joined>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(view: &'a View, exact: bool) -> Result<Self, NotRead> {
        let (mut times, mut stamps) = (Vec::with_capacity(view.rows_max), Vec::with_capacity(view.rows_max));
        let (mut pages, mut slots): (Vec<PageRows<'_>>, Vec<Vec<Option<u32>>>) = (Vec::new(), Vec::new());
        let mut layout: Option<&Layout> = None;
        for page in &view.pages {
            let first = times.len();
            page.times(&mut times, &mut stamps).ok_or(PageDamaged)?;
            let of_page = times.get(first..).ok_or(PageDamaged)?;
            let start = of_page.partition_point(|time| *time < view.range.start);
            let end = of_page.partition_point(|time| *time <= view.range.end).max(start);
            for list in [&mut times, &mut stamps] {
                list.truncate(first + end);
                list.drain(first..first + start);
            }
            if start == end {
                continue;
            }
            // Neighbouring pages mostly share it.
            if layout.is_none_or(|last| !Arc::ptr_eq(last, &page.layout)) {
                if pace::over(view.wanted.len()) {
                    return Err(NotRead::Stopped);
                }
                slots.push(find_slots(&page.layout, &view.wanted));
                layout = Some(&page.layout);
            }
            let joined = if exact { page.joined().ok_or(PageDamaged)? } else { Vec::new() };
            pages.push(PageRows { page, rows: start..end, first, slots: slots.len() - 1, joined });
        }
        let open = OpenTable::read(&view.open, &view.slots, view.range, exact).ok_or(PageDamaged)?;
        if open.stopped {
            return Err(NotRead::Stopped);
        }
        times.extend_from_slice(&open.times);
        stamps.extend_from_slice(&open.stamps);
        Ok(Self { times, stamps, pages, slots, open })
    }

    /// Appends the bits of a wanted series, one for each time. Returns whether some of them may be absent, stale or histograms.
    pub(crate) fn column(&self, at: usize, out: &mut Vec<u64>) -> Result<bool, PageDamaged> {
        let mut gaps = false;
        for PageRows { page, rows, slots, .. } in &self.pages {
            let from = out.len();
            let Some(slot) = self.slots[*slots].get(at).copied().flatten() else {
                out.resize(from + rows.len(), ABSENT_BITS);
                gaps = true;
                continue;
            };
            gaps |= page.has_gaps(slot as usize);
            page.column(slot as usize, out).ok_or(PageDamaged)?;
            out.truncate(from + rows.end);
            if rows.start > 0 {
                out.drain(from..from + rows.start);
            }
        }
        Ok(self.open.column(at, out) | gaps)
    }

    /// The histograms of a wanted series: row and content, where the bits say [`model::HISTOGRAM_BITS`].
    pub(crate) fn histograms(&self, at: usize) -> Result<Vec<(u32, Arc<Histogram>)>, PageDamaged> {
        let mut found = Vec::new();
        for PageRows { page, rows, first, slots, .. } in &self.pages {
            let Some(slot) = self.slots[*slots].get(at).copied().flatten() else { continue };
            let of_page = page.histograms(slot as usize).ok_or(PageDamaged)?;
            let within = of_page.into_iter().filter(|(row, _)| rows.contains(&(*row as usize)));
            found.extend(within.map(|(row, histogram)| ((first + row as usize - rows.start) as u32, histogram)));
        }
        let first = (self.times.len() - self.open.times.len()) as u32;
        found.extend(self.open.histograms(at).map(|(row, histogram)| (first + row, histogram)));
        Ok(found)
    }

    /// Samples of a wanted series that joined a row later: row and stamp, by row.
    pub(super) fn joined(&self, at: usize) -> Vec<(u32, i64)> {
        let mut found = Vec::new();
        for PageRows { rows, first, slots, joined, .. } in &self.pages {
            let Some(slot) = self.slots[*slots].get(at).copied().flatten() else { continue };
            let within = joined::of_slot(joined, slot).filter(|(row, _)| rows.contains(&(*row as usize)));
            found.extend(within.map(|(row, stamp)| ((first + row as usize - rows.start) as u32, stamp)));
        }
        let first = (self.times.len() - self.open.times.len()) as u32;
        found.extend(self.open.joined(at).map(|(row, stamp)| (first + row, stamp)));
        found
    }
}

/// The slots of series in a layout. The hints are nearly always right; without them it is a search.
pub(super) fn find_slots(layout: &[u32], wanted: &[Wanted]) -> Vec<Option<u32>> {
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
