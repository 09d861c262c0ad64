//! Some slots of a group's open rows, without decoding the others.
//!
//! A record says which slots changed (a bitmap), how each did (a nibble) and then the bytes of each. To find those of one slot it is
//! enough to count bits and add up nibbles, sixteen at a time; no other slot's value is worked out.

mod codes;
mod pick;
mod walk;

use std::sync::Arc;

use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, TimeRange, TimestampMs};

use self::pick::Picked;
use self::walk::Walk;
use super::records::{Snapshot, Stored};
use crate::pace;
use crate::wal::sections::read_histograms;

/// Samples of the wanted slots in open rows.
#[derive(Default)]
pub(super) struct OpenTable {
    pub(super) times: Vec<TimestampMs>,
    pub(super) stamps: Vec<i64>,
    /// The place of each wanted series among the picked slots.
    places: Vec<Option<u32>>,
    width: usize,
    /// Row after row, as wide as there are picked slots.
    rows: Vec<u64>,
    /// Of each picked slot, whether some of its samples are absent, stale or histograms.
    gaps: Vec<bool>,
    /// Place, row and content, by both.
    histograms: Vec<(u32, u32, Arc<Histogram>)>,
    /// Place, row and stamp of samples that joined a row after its first record, by both; if that was asked for.
    joined: Vec<(u32, u32, i64)>,
    /// Nobody waits for the rows any more, and they are not all.
    pub(super) stopped: bool,
}

/// Bytes of rows that are passed over in a tick ([`pace`]).
const BYTES_PER_TICK: usize = 4;

impl OpenTable {
    /// The rows in a range. `slots` are those of the wanted series. `exact`: also which samples joined rows later. None if the
    /// memory is damaged.
    pub(super) fn read(open: &Snapshot, slots: &[Option<u32>], range: TimeRange, exact: bool) -> Option<Self> {
        if open.rows == 0 {
            return Some(Self { places: vec![None; slots.len()], ..Self::default() });
        }
        let mut order: Vec<(u32, usize)> = slots.iter().zip(0..).filter_map(|(slot, at)| Some(((*slot)?, at))).collect();
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let mut places = vec![None; slots.len()];
        let mut distinct = Vec::with_capacity(order.len());
        for (slot, at) in order {
            if distinct.last() != Some(&(slot as usize)) {
                distinct.push(slot as usize);
            }
            places[at] = Some(distinct.len() as u32 - 1);
        }
        let picked = Picked::new(distinct.into_iter());
        let width = picked.len;
        let mut table = Self { places, width, gaps: vec![false; width], ..Self::default() };
        // Likewise what the first of them builds on.
        if pace::over(pace::COLUMN + open.packed_base().len() / BYTES_PER_TICK) {
            return Some(Self { stopped: true, ..table });
        }
        let mut walk = Walk::new(open, picked)?;
        for record in open.records() {
            let record = record?;
            if record.time > range.end {
                break;
            }
            // However few are wanted, the row is walked over from its beginning.
            if pace::over(pace::COLUMN + width + record.values().len() / BYTES_PER_TICK) {
                table.stopped = true;
                break;
            }
            walk.record(&record)?;
            walk.marked |= !record.histograms.is_empty();
            if range.start <= record.time {
                walk.show();
                table.row(&walk, &record, exact)?;
            }
        }
        table.histograms.sort_by_key(|(place, row, _)| (*place, *row));
        table.joined.sort_unstable();
        Some(table)
    }

    fn row(&mut self, walk: &Walk<'_>, record: &Stored<'_>, exact: bool) -> Option<()> {
        let from = self.rows.len();
        let again = self.times.last() == Some(&record.time);
        walk.put_row(&mut self.rows, &mut self.gaps);
        if again {
            // Samples where the row has none yet.
            let (held, new) = self.rows[from - self.width..].split_at_mut(self.width);
            for (at, (held, bits)) in held.iter_mut().zip(new).enumerate() {
                if *held == ABSENT_BITS {
                    *held = *bits;
                    if exact && *bits != ABSENT_BITS {
                        self.joined.push((at as u32, self.times.len() as u32 - 1, record.stamp));
                    }
                } else {
                    *bits = ABSENT_BITS;
                }
                self.gaps[at] |= *held == ABSENT_BITS;
            }
        } else {
            self.times.push(record.time);
            self.stamps.push(record.stamp);
        }
        if !record.histograms.is_empty() {
            let row = self.times.len() as u32 - 1;
            for (slot, histogram) in read_histograms(record.histograms)? {
                if let Some(place) = walk.picked.find(slot as usize).filter(|place| self.rows[from + place] == HISTOGRAM_BITS) {
                    self.histograms.push((place as u32, row, histogram));
                }
            }
        }
        if again {
            self.rows.truncate(from);
        }
        Some(())
    }

    /// Appends the column of a wanted series. Whether there may be absent, stale or histogram samples.
    pub(super) fn column(&self, at: usize, out: &mut Vec<u64>) -> bool {
        match self.places.get(at).copied().flatten() {
            Some(place) => {
                let place = place as usize;
                out.extend(self.rows.iter().skip(place).step_by(self.width).copied());
                self.gaps[place]
            }
            None => {
                out.resize(out.len() + self.times.len(), ABSENT_BITS);
                !self.times.is_empty()
            }
        }
    }

    /// The histograms of a wanted series, by row.
    pub(super) fn histograms(&self, at: usize) -> impl Iterator<Item = (u32, Arc<Histogram>)> {
        let place = self.places.get(at).copied().flatten();
        let from = self.histograms.partition_point(|(held, ..)| Some(*held) < place);
        let mine = self.histograms[from..].iter().take_while(move |(held, ..)| Some(*held) == place);
        mine.map(|(_, row, histogram)| (*row, Arc::clone(histogram)))
    }

    /// Samples of a wanted series that joined a row later: row and stamp, by row.
    pub(super) fn joined(&self, at: usize) -> impl Iterator<Item = (u32, i64)> {
        let place = self.places.get(at).copied().flatten();
        let from = self.joined.partition_point(|(held, ..)| Some(*held) < place);
        self.joined[from..].iter().take_while(move |(held, ..)| Some(*held) == place).map(|(_, row, stamp)| (*row, *stamp))
    }
}
