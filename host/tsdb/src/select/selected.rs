//! Reading what was selected.

use std::ops::ControlFlow;
use std::sync::Arc;

use model::seams::{ColumnRef, ColumnSamples, GroupSamples, SelectError, SelectedGroup};
use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, LabelSet, STALE_BITS, StartTimestampMs, TimeRange, TimestampMs};

use super::worked;
use crate::block::{BlockDamage, Columns as BlockColumns, Reading};
use crate::head::read::{Columns, NotRead, Rows, View};
use crate::life::blocks::Loaded;
use crate::life::tombstones::SharedTombstones;
use crate::merge::{Cells, RowPlan, Times};
use crate::pace;

/// Ticks of decoding of a block at a time, about.
const TICKS_AT_ONCE: usize = 2 * pace::EVERY;

/// What finding the pages of columns of a block takes, however few they are.
const GROUP_TICKS: usize = 4 * pace::VALUE;

/// Columns of a block that are decoded before they are looked at.
const COLUMNS_AT_ONCE: usize = 512;

/// What decoding a column takes.
fn column_ticks(rows: usize) -> usize {
    pace::COLUMN + rows / 4
}

/// Series that are in the same places.
pub(super) struct Selected {
    pub(super) labels: Vec<LabelSet>,
    pub(super) parts: Vec<Part>,
    pub(super) range: TimeRange,
}

/// The columns of these series, in their order, in one place.
pub(super) enum Part {
    /// A group of a block.
    Block { loaded: Arc<Loaded>, group: u32, ids: Vec<u32>, tombstones: SharedTombstones },
    /// A group of the head.
    Head(View),
}

/// Samples of a part.
#[derive(Default)]
struct Read {
    times: Times,
    columns: Vec<Cells>,
    warnings: Vec<String>,
}

impl Part {
    fn samples_max(&self) -> usize {
        match self {
            // That rows are spread evenly is not known: this is the most there can be.
            Self::Block { loaded, group, ids, .. } => loaded.block.group(*group).map_or(0, |group| group.rows as usize) * ids.len(),
            Self::Head(view) => view.samples_max(),
        }
    }

    /// `exact`: another group of the head may have written a sample of the same time.
    fn read(&self, range: TimeRange, exact: bool) -> Result<Read, SelectError> {
        match self {
            Self::Head(view) => {
                let Columns { times, stamps, columns, histograms, joined } = view.read(exact).map_err(damaged)?;
                let columns = columns.into_iter().zip(histograms).zip(joined).enumerate();
                let cells = |(at, ((bits, histograms), joined))| Cells { bits, histograms, starts: view.starts_by_row(at, &times), joined };
                let columns = columns.map(cells).collect();
                Ok(Read { times: Times { times, rank: u64::MAX, stamps }, columns, warnings: Vec::new() })
            }
            Self::Block { loaded, group, ids, tombstones } => {
                let mut read = Read::default();
                let rows_max = loaded.block.group(*group).map_or(1, |group| group.rows as usize).max(1);
                for ids in ids.chunks((TICKS_AT_ONCE / column_ticks(rows_max)).max(1)) {
                    let mut some = read_block(loaded, *group, ids, range);
                    worked(GROUP_TICKS + ids.len() * column_ticks(some.times.times.len()))?;
                    // Of what is damaged there are no times, and no samples at any.
                    if read.times.times.len() < some.times.times.len() {
                        read.times = some.times;
                    }
                    read.columns.append(&mut some.columns);
                    some.warnings.retain(|told| !read.warnings.contains(told));
                    read.warnings.append(&mut some.warnings);
                }
                let rows = read.times.times.len();
                for cells in read.columns.iter_mut().filter(|cells| cells.bits.len() < rows) {
                    *cells = Cells::absent(rows);
                }
                if !tombstones.is_empty() {
                    for (id, cells) in ids.iter().zip(&mut read.columns) {
                        tombstones.apply(*id, &read.times.times, &mut cells.bits);
                        cells.tidy();
                    }
                }
                read.times.rank = loaded.rank();
                // Within a block a time of a series comes once, but for blocks from outside: there the first group counts.
                read.times.stamps = vec![i64::from(*group); read.times.times.len()];
                Ok(read)
            }
        }
    }
}

/// Reads columns of a block. What is damaged is absent and told.
fn read_block(loaded: &Loaded, group: u32, ids: &[u32], range: TimeRange) -> Read {
    let block = &loaded.block;
    let of = |times: Vec<TimestampMs>| Times { times, ..Times::default() };
    match block.read(group, ids, range) {
        Ok(rows) => {
            return Read { times: of(rows.times), columns: rows.columns.into_iter().map(Cells::of).collect(), warnings: Vec::new() };
        }
        Err(damage) if ids.len() == 1 => {
            return Read { columns: vec![Cells::default()], warnings: vec![told(loaded, &damage)], ..Read::default() };
        }
        Err(_) => {}
    }
    // One at a time: what is readable is served.
    let mut read = Read::default();
    let mut warnings: Vec<String> = Vec::new();
    let mut columns: Vec<Option<Cells>> = Vec::with_capacity(ids.len());
    for id in ids {
        match block.read(group, &[*id], range) {
            Ok(mut rows) => {
                columns.push(rows.columns.pop().map(Cells::of));
                read.times = of(rows.times);
            }
            Err(damage) => {
                let told = told(loaded, &damage);
                if !warnings.contains(&told) {
                    warnings.push(told);
                }
                columns.push(None);
            }
        }
    }
    let rows = read.times.times.len();
    read.columns = columns.into_iter().map(|cells| cells.unwrap_or_else(|| Cells::absent(rows))).collect();
    read.warnings = warnings;
    read
}

fn told(loaded: &Loaded, damage: &BlockDamage) -> String {
    let range = loaded.range();
    format!("samples between {} and {} are missing: {damage}", crate::life::time::utc(range.start), crate::life::time::utc(range.end))
}

/// Times, columns with an entry for each, and what is missing.
type MergedRows = (Vec<TimestampMs>, Vec<Cells>, Vec<String>);

impl Selected {
    fn merged(&self) -> Result<MergedRows, SelectError> {
        let mut warnings = Vec::new();
        let mut reads = Vec::with_capacity(self.parts.len());
        let exact = self.parts.iter().filter(|part| matches!(part, Part::Head(_))).count() > 1;
        for part in &self.parts {
            let mut read = part.read(self.range, exact)?;
            warnings.append(&mut read.warnings);
            reads.push(read);
        }
        if let [_] = reads.as_slice() {
            let Some(Read { times, columns, .. }) = reads.pop() else { return Ok(Default::default()) };
            return Ok((times.times, columns, warnings));
        }
        let mut tables = Vec::with_capacity(reads.len());
        let mut columns: Vec<Vec<Option<Cells>>> = Vec::with_capacity(reads.len());
        for read in reads {
            tables.push(read.times);
            columns.push(read.columns.into_iter().map(Some).collect());
        }
        let plan = RowPlan::new(&tables);
        let merged = (0..columns.iter().map(Vec::len).max().unwrap_or(0)).map(|at| {
            worked(column_ticks(plan.times.len()))?;
            // Taken, so that memory is held once.
            let of_parts: Vec<Option<Cells>> = columns.iter_mut().map(|part| part.get_mut(at).and_then(Option::take)).collect();
            Ok(plan.apply(&of_parts.iter().map(Option::as_ref).collect::<Vec<_>>()))
        });
        let merged = merged.collect::<Result<Vec<_>, SelectError>>()?;
        Ok((plan.times, merged, warnings))
    }
}

/// Columns of a view without late rows, one after the other.
struct ByColumn<'a> {
    rows: Rows<'a>,
    next: usize,
    bits: Vec<u64>,
    floats: Vec<f64>,
}

impl<'a> ByColumn<'a> {
    fn new(view: &'a View) -> Result<Self, SelectError> {
        let rows = view.rows().map_err(damaged)?;
        Ok(Self { bits: Vec::with_capacity(rows.times.len()), floats: Vec::new(), next: 0, rows })
    }

    /// Decodes the next column, which `visit` knows as that of `series`.
    fn next(&mut self, series: usize, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<ControlFlow<()>, SelectError> {
        let Self { rows, next, bits, floats } = self;
        worked(column_ticks(rows.times.len()))?;
        bits.clear();
        let gaps = rows.column(*next, bits).map_err(damaged)?;
        let histograms = if gaps && bits.contains(&HISTOGRAM_BITS) {
            let of = rows.histograms(*next).map_err(damaged)?;
            by_row(bits, of)
        } else {
            Vec::new()
        };
        *next += 1;
        floats.clear();
        floats.extend(bits.iter().copied().map(f64::from_bits));
        Ok(visit(ColumnRef { series, times: &rows.times, floats, histograms: &histograms, gaps }))
    }
}

impl SelectedGroup for Selected {
    fn labels(&self) -> &[LabelSet] {
        &self.labels
    }

    fn samples_max(&self) -> usize {
        self.parts.iter().map(Part::samples_max).sum()
    }

    fn read(&self) -> Result<GroupSamples, SelectError> {
        let (times, columns, warnings) = self.merged()?;
        Ok(GroupSamples { times, columns: columns.into_iter().map(samples).collect(), warnings })
    }

    fn column_bytes(&self) -> usize {
        match self.parts.as_slice() {
            [Part::Head(view)] if !view.has_late() => view.column_bytes(),
            _ => self.samples_max().saturating_mul(8),
        }
    }

    fn each_newest(&self, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<Vec<String>, SelectError> {
        let [Part::Head(view)] = self.parts.as_slice() else { return self.each_column(visit) };
        let Some((time, newest)) = view.newest() else { return self.each_column(visit) };
        let newest: Vec<Option<u64>> = newest.collect();
        let others: Vec<usize> = (0..newest.len()).filter(|series| newest[*series].is_none()).collect();
        if !others.is_empty() && (view.has_late() || others.len() > newest.len() / 2) {
            return self.each_column(visit);
        }
        let others = if others.is_empty() { None } else { Some(view.subset(&others)) };
        let mut others = others.as_ref().map(ByColumn::new).transpose()?;
        for (series, bits) in newest.into_iter().enumerate() {
            let flow = match (bits, &mut others) {
                (Some(bits), _) => {
                    worked(pace::SERIES)?;
                    let (floats, gaps) = ([f64::from_bits(bits)], bits == STALE_BITS);
                    visit(ColumnRef { series, times: &[time], floats: &floats, histograms: &[], gaps })
                }
                (None, Some(others)) => others.next(series, visit)?,
                (None, None) => ControlFlow::Continue(()),
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(Vec::new())
    }

    fn each_column(&self, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<Vec<String>, SelectError> {
        if let [Part::Head(view)] = self.parts.as_slice()
            && !view.has_late()
        {
            let mut columns = ByColumn::new(view)?;
            for series in 0..view.wanted().len() {
                if columns.next(series, visit)?.is_break() {
                    break;
                }
            }
            return Ok(Vec::new());
        }
        if let [Part::Block { loaded, group, ids, tombstones }] = self.parts.as_slice()
            && let Ok(reading) = loaded.block.reading(*group, self.range)
        {
            return each_of_block((loaded, *group, self.range), reading, ids, tombstones, visit);
        }
        let mut floats = Vec::new();
        let (times, columns, warnings) = self.merged()?;
        for (series, mut cells) in columns.into_iter().enumerate() {
            let histograms = if cells.bits.contains(&HISTOGRAM_BITS) { by_row(&mut cells.bits, cells.histograms) } else { Vec::new() };
            floats.clear();
            floats.extend(cells.bits.iter().copied().map(f64::from_bits));
            if visit(ColumnRef { series, times: &times, floats: &floats, histograms: &histograms, gaps: true }).is_break() {
                break;
            }
        }
        Ok(warnings)
    }

    fn starts(&self) -> Result<Vec<Vec<(TimestampMs, StartTimestampMs)>>, SelectError> {
        let (times, columns, _) = self.merged()?;
        let of = |cells: Cells| cells.starts.iter().filter_map(|(row, start)| Some((*times.get(*row as usize)?, *start))).collect();
        Ok(columns.into_iter().map(of).collect())
    }
}

/// As [`SelectedGroup::each_column`], of columns of a block: so many at a time that they stay in the cache.
fn each_of_block(
    (loaded, group, range): (&Loaded, u32, TimeRange),
    reading: Reading<'_>,
    ids: &[u32],
    tombstones: &SharedTombstones,
    visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>,
) -> Result<Vec<String>, SelectError> {
    let ticks = column_ticks(reading.rows_decoded());
    let (mut columns, mut warnings, mut bits, mut floats) = (BlockColumns::default(), Vec::new(), Vec::new(), Vec::new());
    let times = &reading.times;
    let at_once = (TICKS_AT_ONCE / ticks).clamp(1, COLUMNS_AT_ONCE);
    for (some, first) in ids.chunks(at_once).zip((0..).step_by(at_once)) {
        let damaged = reading.columns(some, &mut columns).is_err();
        // One at a time: what is readable is served.
        let mut apart = if damaged { read_block(loaded, group, some, range) } else { Read::default() };
        worked(GROUP_TICKS + some.len() * ticks)?;
        for told in std::mem::take(&mut apart.warnings) {
            if !warnings.contains(&told) {
                warnings.push(told);
            }
        }
        for (at, id) in some.iter().enumerate() {
            let (mut found, mut gaps) = (Vec::new(), true);
            bits.clear();
            match apart.columns.get_mut(at) {
                Some(cells) if cells.bits.len() == times.len() => {
                    bits.append(&mut cells.bits);
                    found = std::mem::take(&mut cells.histograms);
                }
                Some(_) => bits.resize(times.len(), ABSENT_BITS),
                None => {
                    let (of, extras, any) = columns.get(at);
                    gaps = any || !tombstones.is_empty();
                    bits.extend_from_slice(of);
                    found.extend_from_slice(&extras.histograms);
                }
            }
            if !tombstones.is_empty() {
                tombstones.apply(*id, times, &mut bits);
                found.retain(|(row, _)| bits.get(*row as usize) == Some(&HISTOGRAM_BITS));
            }
            let histograms = if gaps && bits.contains(&HISTOGRAM_BITS) { by_row(&mut bits, found) } else { Vec::new() };
            floats.clear();
            floats.extend(bits.iter().copied().map(f64::from_bits));
            if visit(ColumnRef { series: first + at, times, floats: &floats, histograms: &histograms, gaps }).is_break() {
                return Ok(warnings);
            }
        }
    }
    Ok(warnings)
}

/// Takes the marks of histograms out of a column. A mark without its histogram would be taken for a number.
fn by_row(bits: &mut [u64], found: Vec<(u32, Arc<Histogram>)>) -> Vec<Option<Arc<Histogram>>> {
    for bits in bits.iter_mut().filter(|bits| **bits == HISTOGRAM_BITS) {
        *bits = ABSENT_BITS;
    }
    if found.is_empty() {
        return Vec::new();
    }
    let mut histograms = vec![None; bits.len()];
    for (row, histogram) in found {
        if let Some(held) = histograms.get_mut(row as usize) {
            *held = Some(histogram);
        }
    }
    histograms
}

fn samples(cells: Cells) -> ColumnSamples {
    let mut bits = cells.bits;
    let histograms = if bits.contains(&HISTOGRAM_BITS) { by_row(&mut bits, cells.histograms) } else { Vec::new() };
    let floats = bits.into_iter().map(f64::from_bits).collect();
    if histograms.is_empty() { ColumnSamples::Floats(floats) } else { ColumnSamples::Mixed { floats, histograms } }
}

fn damaged(why: impl Into<NotRead>) -> SelectError {
    match why.into() {
        NotRead::Stopped => SelectError::Stopped,
        NotRead::Damaged => {
            SelectError::Failed("a page of samples in memory does not decode; the machine's memory may be faulty".to_owned())
        }
    }
}
