//! Taking the oldest rows out of a group, for a block.
//!
//! Two steps, because writing a block takes time and may fail: [`Group::cut`] says what is there and goes on being visible,
//! [`Group::drop_cut`] lets go of exactly that.

use std::collections::HashSet;
use std::sync::Arc;

use model::{ABSENT_BITS, Histogram, StartTimestampMs, TimeRange, TimestampMs};

use super::group::{Group, GroupHead};
use super::late::LateRow;
use super::page::Page;
use super::read::PageDamaged;
use super::slots::{Layout, NO_SERIES};

/// No slot.
const NO_SLOT: u32 = u32::MAX;

/// Rows of a group before a time, with those that came late. Nothing is decoded but the times.
pub(crate) struct GroupCut {
    times: Vec<TimestampMs>,
    series: Vec<u32>,
    pages: Vec<CutPage>,
    layouts: Vec<CutLayout>,
    /// Where the rows of all pages, one after the other, are among the times. Empty: at the same places.
    places: Vec<u32>,
    late: Vec<Arc<LateRow>>,
    /// Of each series, if the group has any.
    starts: Vec<Vec<(TimestampMs, StartTimestampMs)>>,
    /// Rows of the group below this number are in the cut.
    rows_end: u64,
    end: TimestampMs,
}

struct CutPage {
    page: Arc<Page>,
    /// How many of its rows are in the cut.
    rows: usize,
    /// Which of the layouts it has.
    layout: usize,
}

/// Where the cut's series are in pages of one layout.
struct CutLayout {
    owners: Layout,
    slots: Vec<u32>,
}

/// One column of a cut.
#[derive(Default)]
pub(crate) struct CutColumn {
    /// One per time of the cut.
    pub(crate) bits: Vec<u64>,
    /// Contents for `HISTOGRAM_BITS`, by row.
    pub(crate) histograms: Vec<(u32, Arc<Histogram>)>,
    /// From which row on which start timestamp holds.
    pub(crate) starts: Vec<(u32, StartTimestampMs)>,
}

impl Group {
    /// The rows before `end`, if there are any.
    pub(crate) fn cut(&self, end: TimestampMs) -> Result<Option<GroupCut>, PageDamaged> {
        let mut head = self.head();
        head.seal_before(end);
        let pages: Vec<Arc<Page>> = head.pages.iter().take_while(|page| page.time_min < end).cloned().collect();
        let before = TimeRange { start: TimestampMs::MIN, end: end.saturating_sub(1) };
        let late: Vec<Arc<LateRow>> = head.late.within(before).cloned().collect();
        drop(head);
        let Some(mut cut) = GroupCut::new(pages, late, end)? else {
            return Ok(None);
        };
        let head = self.head();
        if !head.starts.is_empty() {
            cut.starts = cut.series.iter().map(|series| head.starts_in(*series, before)).collect();
        }
        drop(head);
        Ok(Some(cut))
    }

    /// Drops the rows that the cut has, now that they are elsewhere.
    pub(crate) fn drop_cut(&self, cut: &GroupCut) -> Result<(), PageDamaged> {
        let mut head = self.head();
        head.late.remove(&cut.late);
        head.forget_starts_before(cut.end);
        head.drop_rows_below(cut.rows_end)
    }
}

impl GroupHead {
    /// Forgets start timestamps before a time, but for the one of each series that holds on.
    fn forget_starts_before(&mut self, end: TimestampMs) {
        let mut newest: Option<(u32, TimestampMs)> = None;
        let mut gone = Vec::new();
        for (series, time) in self.starts.keys().filter(|(_, time)| *time < end) {
            gone.extend(newest.replace((*series, *time)).filter(|(last, _)| last == series));
        }
        for key in &gone {
            self.starts.remove(key);
        }
    }

    /// Drops the rows below a number.
    fn drop_rows_below(&mut self, rows_end: u64) -> Result<(), PageDamaged> {
        while let Some(page) = self.pages.front().filter(|page| page.first_row < rows_end).cloned() {
            let dropped = usize::try_from(rows_end - page.first_row).unwrap_or(usize::MAX);
            // What stays of a page is compressed anew, so that series that ended are not held by it.
            let rest = if dropped < page.rows { Some(page.without_first(dropped).ok_or(PageDamaged)?) } else { None };
            self.pages.pop_front();
            self.pages_bytes -= page.heap_bytes();
            if let Some(rest) = rest {
                self.pages_bytes += rest.heap_bytes();
                self.pages.push_front(Arc::new(rest));
                break;
            }
        }
        Ok(())
    }
}

impl GroupCut {
    fn new(pages: Vec<Arc<Page>>, late: Vec<Arc<LateRow>>, end: TimestampMs) -> Result<Option<Self>, PageDamaged> {
        let (times, series, layouts, places, starts) = Default::default();
        let mut cut = Self { times, series, pages: Vec::new(), layouts, places, late, starts, rows_end: 0, end };
        let mut stamps = Vec::new();
        for page in pages {
            let before = cut.times.len();
            page.times(&mut cut.times, &mut stamps).ok_or(PageDamaged)?;
            let rows = cut.times[before..].partition_point(|time| *time < end);
            cut.times.truncate(before + rows);
            cut.rows_end = page.first_row + rows as u64;
            let layout = cut.layouts.iter().position(|layout| Arc::ptr_eq(&layout.owners, &page.layout)).unwrap_or_else(|| {
                cut.layouts.push(CutLayout { owners: page.layout.clone(), slots: Vec::new() });
                cut.layouts.len() - 1
            });
            cut.pages.push(CutPage { page, rows, layout });
        }
        cut.find_series();
        cut.place_late();
        Ok((!cut.times.is_empty()).then_some(cut))
    }

    /// Notes which series have samples, and where each layout has them.
    fn find_series(&mut self) {
        let mut known: HashSet<u32> = HashSet::new();
        for (number, layout) in self.layouts.iter().enumerate() {
            let pages: Vec<&Page> = self.pages.iter().filter(|page| page.layout == number).map(|page| page.page.as_ref()).collect();
            for (slot, series) in layout.owners.iter().enumerate() {
                if *series != NO_SERIES && pages.iter().any(|page| page.uses(slot)) && known.insert(*series) {
                    self.series.push(*series);
                }
            }
        }
        for series in self.late.iter().flat_map(|row| row.series()) {
            if known.insert(series) {
                self.series.push(series);
            }
        }
        let place_of: std::collections::HashMap<u32, usize> = self.series.iter().enumerate().map(|(at, series)| (*series, at)).collect();
        for layout in &mut self.layouts {
            layout.slots = vec![NO_SLOT; self.series.len()];
            for (slot, series) in layout.owners.iter().enumerate() {
                if let Some(at) = place_of.get(series) {
                    layout.slots[*at] = slot as u32;
                }
            }
        }
    }

    /// Takes the late rows' times in.
    fn place_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let rows = std::mem::take(&mut self.times);
        self.times = rows.iter().copied().chain(self.late.iter().map(|row| row.time)).collect();
        self.times.sort_unstable();
        self.times.dedup();
        self.places = rows.iter().map(|time| self.row_of(*time)).collect();
    }

    fn row_of(&self, time: TimestampMs) -> u32 {
        self.times.partition_point(|held| *held < time) as u32
    }

    /// Ascending, each once.
    pub(crate) fn times(&self) -> &[TimestampMs] {
        &self.times
    }

    /// The series, one per column: their ids in the index. A column may turn out to have no sample before the cut's end.
    pub(crate) fn series(&self) -> &[u32] {
        &self.series
    }

    /// Decodes a column.
    pub(crate) fn column(&self, at: usize, out: &mut CutColumn) -> Result<(), PageDamaged> {
        out.bits.clear();
        out.histograms.clear();
        out.starts.clear();
        for CutPage { page, rows, layout } in &self.pages {
            let before = out.bits.len();
            match self.layouts[*layout].slots[at] {
                NO_SLOT => out.bits.resize(before + rows, ABSENT_BITS),
                slot => {
                    page.column(slot as usize, &mut out.bits).ok_or(PageDamaged)?;
                    out.bits.truncate(before + rows);
                    let within = page.histograms(slot as usize).ok_or(PageDamaged)?.into_iter().filter(|(row, _)| (*row as usize) < *rows);
                    out.histograms.extend(within.map(|(row, histogram)| (before as u32 + row, histogram)));
                }
            }
        }
        if !self.late.is_empty() {
            self.add_late(self.series[at], out);
        }
        for (time, start) in self.starts.get(at).into_iter().flatten() {
            // What began to hold earlier holds from the first row on.
            let row = self.row_of(*time);
            match out.starts.last_mut().filter(|(last, _)| *last == row) {
                Some(held) => held.1 = *start,
                None => out.starts.push((row, *start)),
            }
        }
        Ok(())
    }

    fn add_late(&self, series: u32, out: &mut CutColumn) {
        let rows = std::mem::replace(&mut out.bits, vec![ABSENT_BITS; self.times.len()]);
        for (bits, place) in rows.into_iter().zip(&self.places) {
            out.bits[*place as usize] = bits;
        }
        out.histograms.iter_mut().for_each(|(row, _)| *row = self.places[*row as usize]);
        for late in &self.late {
            let row = self.row_of(late.time);
            if let (ABSENT_BITS, Some(bits)) = (out.bits[row as usize], late.get(series)) {
                out.bits[row as usize] = bits;
                out.histograms.extend(late.histogram(series).map(|histogram| (row, histogram.clone())));
            }
        }
        out.histograms.sort_unstable_by_key(|(row, _)| *row);
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::Rows;
    use super::*;

    fn bits(value: u64) -> u64 {
        (value as f64).to_bits()
    }

    /// Rows of two series at times 0, 10, 20…, the second from the fifth row on.
    fn group(rows: u64) -> Group {
        let group = Group::new(1, Arc::from("key"));
        let mut state = Rows::default();
        for row in 0..rows {
            let mut head = group.head();
            if row == 0 {
                head.slots.claim(100, None);
            }
            let mut values = vec![bits(row)];
            if row >= 5 {
                if row == 5 {
                    head.slots.claim(101, None);
                }
                values.push(bits(1000 + row));
            }
            let encoded = state.encode_row(&values);
            assert!(head.commit_row(encoded.record(row as i64 * 10, row as i64)));
        }
        group
    }

    #[test]
    fn a_cut_has_the_rows_before_its_end_and_dropping_it_leaves_the_others() {
        for rows in [1, 7, 40, 100] {
            for end in [0, 1, 55, 320, 333, 640, 2000] {
                let group = group(rows);
                let expected = rows.min((end as u64).div_ceil(10));
                let Some(cut) = group.cut(end).expect("whole") else {
                    assert_eq!(expected, 0);
                    continue;
                };
                assert_eq!(cut.times(), (0..expected).map(|row| row as i64 * 10).collect::<Vec<_>>());
                if expected > 5 {
                    assert_eq!(cut.series(), [100, 101]);
                }
                let mut column = CutColumn::default();
                cut.column(0, &mut column).expect("whole");
                assert_eq!(column.bits, (0..expected).map(bits).collect::<Vec<_>>());
                if expected > 5 {
                    cut.column(1, &mut column).expect("whole");
                    assert_eq!(
                        column.bits,
                        (0..expected).map(|row| if row < 5 { ABSENT_BITS } else { bits(1000 + row) }).collect::<Vec<_>>()
                    );
                }
                group.drop_cut(&cut).expect("whole");
                let left = group.cut(i64::MAX).expect("whole").map(|cut| cut.times().to_vec()).unwrap_or_default();
                assert_eq!(left, (expected..rows).map(|row| row as i64 * 10).collect::<Vec<_>>(), "{rows} rows before {end}");
            }
        }
    }
}
