//! Taking the oldest rows out of a group, for a block.
//!
//! Two steps, because writing a block takes time and may fail: [`Group::cut`] says what is there and goes on being visible,
//! [`Group::drop_cut`] lets go of exactly that.

use std::collections::HashSet;
use std::sync::Arc;

use model::{ABSENT_BITS, Histogram, StartTimestampMs, TimestampMs};

use super::group::{Group, GroupHead};
use super::page::Page;
use super::read::PageDamaged;
use super::slots::NO_SERIES;

/// No slot.
const NO_SLOT: u32 = u32::MAX;

/// Rows of a group before a time, with those that came late. Nothing is decoded but the times.
pub(crate) struct GroupCut {
    /// The group's key.
    pub(crate) key: Arc<str>,
    times: Vec<TimestampMs>,
    series: Vec<u32>,
    pages: Vec<CutPage>,
    layouts: Vec<CutLayout>,
    /// Rows of the group below this number are in the cut.
    rows_end: u64,
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
    owners: Arc<[u32]>,
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
        drop(head);
        GroupCut::new(self.key.clone(), pages, end)
    }

    /// Drops the rows that the cut has, now that they are elsewhere.
    pub(crate) fn drop_cut(&self, cut: &GroupCut) -> Result<(), PageDamaged> {
        self.head().drop_rows_below(cut.rows_end)
    }
}

impl GroupHead {
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
    fn new(key: Arc<str>, pages: Vec<Arc<Page>>, end: TimestampMs) -> Result<Option<Self>, PageDamaged> {
        let mut cut =
            Self { key, times: Vec::new(), series: Vec::new(), pages: Vec::new(), layouts: Vec::new(), rows_end: 0 };
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
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(value: u64) -> u64 {
        (value as f64).to_bits()
    }

    /// Rows of two series at times 0, 10, 20…, the second from the fifth row on.
    fn group(rows: u64) -> Group {
        let group = Group::new(1, Arc::from("key"));
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
            assert!(head.commit_row(row as i64 * 10, row as i64, &values));
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
                    assert_eq!(column.bits, (0..expected).map(|row| if row < 5 { ABSENT_BITS } else { bits(1000 + row) }).collect::<Vec<_>>());
                }
                group.drop_cut(&cut).expect("whole");
                let left = group.cut(i64::MAX).expect("whole").map(|cut| cut.times().to_vec()).unwrap_or_default();
                assert_eq!(left, (expected..rows).map(|row| row as i64 * 10).collect::<Vec<_>>(), "{rows} rows before {end}");
            }
        }
    }
}
