//! Samples of the same series from several places, brought together by time: for equal times the first written counts.

use std::sync::Arc;

use model::{ABSENT_BITS, Histogram, StartTimestampMs, TimestampMs};

use crate::block::BlockColumn;

/// The samples of a series, one entry per time of a table that is kept elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cells {
    /// Values, and the markers for absent, stale and histogram.
    pub(crate) bits: Vec<u64>,
    /// Of the rows whose bits say so, ascending by row.
    pub(crate) histograms: Vec<(u32, Arc<Histogram>)>,
    /// From which row on the series began to count when; ascending by row.
    pub(crate) starts: Vec<(u32, StartTimestampMs)>,
    /// Rows whose sample has another stamp than their row, with that; ascending by row.
    pub(crate) joined: Vec<(u32, i64)>,
}

impl Cells {
    pub(crate) fn of(column: BlockColumn) -> Self {
        Self { bits: column.bits, histograms: column.histograms, starts: column.starts, joined: Vec::new() }
    }

    /// The stamp of the sample in a row that has this one.
    fn stamp_at(&self, row: u32, stamp: i64) -> i64 {
        self.joined.binary_search_by_key(&row, |(row, _)| *row).map_or(stamp, |at| self.joined[at].1)
    }

    pub(crate) fn absent(rows: usize) -> Self {
        Self { bits: vec![ABSENT_BITS; rows], ..Self::default() }
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.bits.iter().all(|bits| *bits == ABSENT_BITS)
    }

    /// Takes out histograms whose rows are absent now.
    pub(crate) fn tidy(&mut self) {
        let bits = &self.bits;
        self.histograms.retain(|(row, _)| bits.get(*row as usize) == Some(&model::HISTOGRAM_BITS));
    }

    /// Takes over a sample of another table, of a later row than all before.
    fn put(&mut self, to: u32, of: &Self, row: u32) {
        let bits = of.bits[row as usize];
        self.bits[to as usize] = bits;
        if bits == model::HISTOGRAM_BITS
            && let Ok(at) = of.histograms.binary_search_by_key(&row, |(row, _)| *row)
        {
            self.histograms.push((to, of.histograms[at].1.clone()));
        }
        if let Some(start) = of.start_at(row)
            && self.starts.last().is_none_or(|(_, held)| *held != start)
        {
            self.starts.push((to, start));
        }
    }

    fn start_at(&self, row: u32) -> Option<StartTimestampMs> {
        let after = self.starts.partition_point(|(from, _)| *from <= row);
        Some(self.starts.get(after.checked_sub(1)?)?.1)
    }
}

/// The times of one place and how its samples rank among those of others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    /// Ascending, each once.
    pub(crate) times: Vec<TimestampMs>,
    /// Lower was written first.
    pub(crate) rank: u64,
    /// Within the rank, likewise: one per time, or none if that is all the same.
    pub(crate) stamps: Vec<i64>,
}

/// How tables of rows become one. Made once from their times, used for each series.
pub(crate) struct RowPlan {
    /// Ascending, each once.
    pub(crate) times: Vec<TimestampMs>,
    how: How,
}

enum How {
    /// One table after the other: which, and how many rows.
    Concat(Vec<(usize, usize)>),
    /// For each row of the result the first written first.
    Interleave(Vec<Step>),
}

/// A row of one table.
#[derive(Clone, Copy)]
struct Step {
    /// Row of the result.
    to: u32,
    table: u32,
    row: u32,
    rank: u64,
    stamp: i64,
}

impl RowPlan {
    pub(crate) fn new(tables: &[Times]) -> Self {
        let mut order: Vec<usize> = (0..tables.len()).filter(|at| !tables[*at].times.is_empty()).collect();
        order.sort_by_key(|at| tables[*at].times[0]);
        if order.windows(2).all(|two| tables[two[0]].times.last() < tables[two[1]].times.first()) {
            let mut times = Vec::with_capacity(order.iter().map(|at| tables[*at].times.len()).sum());
            order.iter().for_each(|at| times.extend_from_slice(&tables[*at].times));
            return Self { times, how: How::Concat(order.into_iter().map(|at| (at, tables[at].times.len())).collect()) };
        }
        let mut rows: Vec<(TimestampMs, u64, i64, u32, u32)> = Vec::new();
        for (at, table) in tables.iter().enumerate() {
            for (row, time) in table.times.iter().enumerate() {
                rows.push((*time, table.rank, table.stamps.get(row).copied().unwrap_or(0), at as u32, row as u32));
            }
        }
        rows.sort_unstable();
        let mut times: Vec<TimestampMs> = Vec::new();
        let mut steps = Vec::with_capacity(rows.len());
        for (time, rank, stamp, table, row) in rows {
            if times.last() != Some(&time) {
                times.push(time);
            }
            steps.push(Step { to: times.len() as u32 - 1, table, row, rank, stamp });
        }
        Self { times, how: How::Interleave(steps) }
    }

    /// A series' samples, given those of each table; none where a table does not have the series.
    pub(crate) fn apply(&self, tables: &[Option<&Cells>]) -> Cells {
        match &self.how {
            How::Concat(parts) => {
                let mut out = Cells { bits: Vec::with_capacity(self.times.len()), ..Cells::default() };
                for (table, rows) in parts {
                    let from = out.bits.len() as u32;
                    match tables[*table] {
                        Some(cells) => {
                            out.bits.extend_from_slice(&cells.bits);
                            out.histograms.extend(cells.histograms.iter().map(|(row, histogram)| (row + from, histogram.clone())));
                            for (row, start) in &cells.starts {
                                if out.starts.last().is_none_or(|(_, held)| held != start) {
                                    out.starts.push((row + from, *start));
                                }
                            }
                        }
                        None => out.bits.resize(out.bits.len() + rows, ABSENT_BITS),
                    }
                }
                out
            }
            How::Interleave(steps) => {
                let mut out = Cells::absent(self.times.len());
                let present = |step: &Step| {
                    let cells = tables[step.table as usize]?;
                    (cells.bits[step.row as usize] != ABSENT_BITS).then_some(cells)
                };
                let exact = tables.iter().flatten().any(|cells| !cells.joined.is_empty());
                for same in steps.chunk_by(|a, b| a.to == b.to) {
                    let mut there = same.iter().filter_map(|step| Some((step, present(step)?)));
                    let first = if exact {
                        there.min_by_key(|(step, cells)| (step.rank, cells.stamp_at(step.row, step.stamp), step.table))
                    } else {
                        there.next()
                    };
                    if let Some((step, cells)) = first {
                        out.put(step.to, cells, step.row);
                    }
                }
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(values: &[Option<u64>]) -> Cells {
        Cells { bits: values.iter().map(|value| value.unwrap_or(ABSENT_BITS)).collect(), ..Cells::default() }
    }

    fn times(times: &[i64], rank: u64) -> Times {
        Times { times: times.to_vec(), rank, stamps: Vec::new() }
    }

    #[test]
    fn tables_one_after_the_other_are_concatenated() {
        let plan = RowPlan::new(&[times(&[30, 40], 9), times(&[], 1), times(&[10, 20], 5)]);
        assert_eq!(plan.times, [10, 20, 30, 40]);
        let (later, empty, earlier) = (cells(&[Some(3), None]), cells(&[]), cells(&[None, Some(2)]));
        assert_eq!(plan.apply(&[Some(&later), Some(&empty), Some(&earlier)]).bits, [ABSENT_BITS, 2, 3, ABSENT_BITS]);
        assert_eq!(plan.apply(&[Some(&later), None, None]).bits, [ABSENT_BITS, ABSENT_BITS, 3, ABSENT_BITS]);
    }

    #[test]
    fn for_equal_times_the_first_written_counts() {
        let mut head = times(&[10, 20, 30], u64::MAX);
        head.stamps = vec![7, 8, 9];
        let mut other = times(&[10, 30], u64::MAX);
        other.stamps = vec![6, 10];
        let plan = RowPlan::new(&[head, times(&[20, 25], 2), times(&[20], 1), other]);
        assert_eq!(plan.times, [10, 20, 25, 30]);
        let (a, b, c, d) = (cells(&[Some(1), Some(2), Some(3)]), cells(&[Some(4), Some(5)]), cells(&[None]), cells(&[Some(6), Some(7)]));
        assert_eq!(plan.apply(&[Some(&a), Some(&b), Some(&c), Some(&d)]).bits, [6, 4, 5, 3]);
        assert_eq!(plan.apply(&[Some(&a), None, None, None]).bits, [1, 2, ABSENT_BITS, 3]);
    }

    #[test]
    fn starts_hold_until_another() {
        let with = |bits: &[u64], starts: &[(u32, i64)]| Cells { bits: bits.to_vec(), starts: starts.to_vec(), ..Cells::default() };
        let (a, b) = (with(&[1, 2], &[(0, 5)]), with(&[3, 4], &[(0, 5), (1, 7)]));
        let concat = RowPlan::new(&[times(&[10, 20], 1), times(&[30, 40], 2)]).apply(&[Some(&a), Some(&b)]);
        assert_eq!(concat.starts, [(0, 5), (3, 7)]);
        let mixed = RowPlan::new(&[times(&[10, 30], 1), times(&[20, 25], 2)]).apply(&[Some(&a), Some(&b)]);
        assert_eq!((mixed.bits, mixed.starts), (vec![1, 3, 4, 2], vec![(0, 5), (2, 7), (3, 5)]));
    }
}
