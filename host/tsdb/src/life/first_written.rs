//! Which of several groups of the head wrote a series' sample of a time first.

use std::collections::{BTreeMap, HashMap};

use model::{ABSENT_BITS, TimeRange, TimestampMs};

use super::flush::{FlushError, page_damaged};
use crate::db::Inner;
use crate::head::cut::CutColumn;
use crate::head::read::{View, Wanted};
use crate::index::Place;

/// For some series that several groups have, the group that wrote first at each time.
#[derive(Default)]
pub(super) struct FirstWritten(HashMap<u32, HashMap<TimestampMs, (i64, u32)>>);

impl FirstWritten {
    /// Of these series, between the first and the last of the times. A group at a time is read: it has many of them, mostly.
    pub(super) fn of(inner: &Inner, series: &[u32], times: &[TimestampMs]) -> Result<Self, FlushError> {
        let mut firsts = Self::default();
        let (Some(start), Some(end), false) = (times.first(), times.last(), series.is_empty()) else { return Ok(firsts) };
        let range = TimeRange { start: *start, end: *end };
        let mut by_group: BTreeMap<u32, Vec<Wanted>> = BTreeMap::new();
        {
            let index = inner.index();
            for id in series {
                index.places(*id).for_each(|Place { group, slot }| by_group.entry(group).or_default().push((*id, slot)));
            }
        }
        for (number, wanted) in by_group {
            let Some(group) = inner.group(number) else { continue };
            let mut view = View::new(&group, wanted, range);
            view.keep_present();
            let columns = view.read(true).map_err(|_| page_damaged(&group))?;
            let each = view.wanted().iter().zip(&columns.columns).zip(&columns.joined);
            for (((series, _), bits), joined) in each {
                let first = firsts.0.entry(*series).or_default();
                let mut joined = joined.iter().peekable();
                for (row, (time, bits)) in columns.times.iter().zip(bits).enumerate() {
                    let stamp = joined.next_if(|(at, _)| *at as usize == row).map_or(columns.stamps[row], |(_, stamp)| *stamp);
                    if *bits != ABSENT_BITS {
                        let held = first.entry(*time).or_insert((stamp, number));
                        *held = (*held).min((stamp, number));
                    }
                }
            }
        }
        Ok(firsts)
    }

    /// Takes out of a group's column the samples whose times another group wrote before: within a block a time of a series comes once.
    pub(super) fn keep(&self, group: u32, series: u32, times: &[TimestampMs], column: &mut CutColumn) {
        let Some(first) = self.0.get(&series) else { return };
        for (time, bits) in times.iter().zip(&mut column.bits) {
            if first.get(time).is_some_and(|(_, first)| *first != group) {
                *bits = ABSENT_BITS;
            }
        }
        let bits = &column.bits;
        column.histograms.retain(|(row, _)| bits.get(*row as usize) == Some(&model::HISTOGRAM_BITS));
    }
}
