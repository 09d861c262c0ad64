//! Instant vector selectors: for each step the newest sample that is not too old and not a stale marker.

use std::ops::ControlFlow;
use std::sync::Arc;

use model::seams::{ColumnRef, KeyedGroups, SelectError, SelectRequest, SelectedGroup};
use model::{Histogram, LabelSet, TimeRange, is_absent, is_stale};

use super::sight::Sight;
use super::totals::Decoder;
use super::{Column, Columns, Histograms, Query, Steps, Values};
use crate::ast::{Edges, Selector};
use crate::error::EvalError;
use crate::histogram::FloatHistogram;
use crate::limits::{Budget, Charge};
use crate::position::Span;

/// What a selector is to tell of its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Values,
    /// Their times, in seconds.
    Times,
    /// The same of info metrics, which have no histograms.
    InfoTimes,
    /// When they began to count, in seconds; 0 where that is not known.
    Starts,
}

impl Query<'_> {
    /// The values at each step, or what else is wanted of the samples.
    pub(crate) fn instant_selector(&self, selector: &Selector, span: Span, steps: Steps, want: Want) -> Result<Columns<'_>, EvalError> {
        let sight = self.sight(&selector.shift, span, steps, want)?;
        let times = want != Want::Values;
        let lookback = self.limits.lookback_ms;
        let smoothed = selector.edges == Some(Edges::Smoothed) && !times;
        let mut range = sight.range(lookback);
        if smoothed {
            range.end = range.end.saturating_add(lookback);
        }
        let totals_only = self.wants_totals_only(span);
        let mut columns = Columns { series: Vec::new(), charge: self.budget.charge(0)? };
        let mut at_steps = vec![model::absent(); steps.count];
        let of_labels = self.select(selector, range)?.each(|group| {
            let mut newest: Option<Newest> = None;
            let mut seen = self.seen(steps);
            let starts = if want == Want::Starts { self.budget.ask(|| group.starts())? } else { Vec::new() };
            let mut add = |series: usize, values: Values, histograms| {
                let column = Column { labels: group.labels()[series].clone(), drop_name: false, values, histograms };
                seen.column(&column);
                self.budget.add_column(&mut columns.charge, steps.count)?;
                self.budget.add_histograms(&mut columns.charge, &column)?;
                columns.series.push(column);
                Ok::<(), EvalError>(())
            };
            let single = steps.count == 1 && !smoothed && want != Want::Starts;
            let by = if single { decode_newest } else { decode };
            let decoded = by(&self.budget, group, &mut |column| {
                self.budget.work(steps.count)?;
                if single {
                    // Times may be others for each.
                    newest = None;
                }
                let plain = !times && !smoothed && column.histograms.is_empty();
                if single && plain {
                    let value = newest_at(&column, sight.until[0], sight.now[0].saturating_sub(lookback));
                    if !is_absent(value) {
                        add(column.series, self.values(std::iter::once(value)), None)?;
                    }
                    return Ok(true);
                }
                let newest = newest.get_or_insert_with(|| Newest::new(column.times, &sight, lookback));
                let bound = |at: usize| sight.now[at];
                let picked = if smoothed && !column.histograms.is_empty() {
                    let held = (column.times, column.floats, column.histograms);
                    self.between_mixed(held, &group.labels()[column.series], span, &sight.now, totals_only)
                } else if smoothed {
                    between(column.times, column.floats, &newest.ends, lookback, bound).map(|v| (v.into(), None))
                } else if !column.histograms.is_empty() {
                    let pick = |times| pick_mixed(column.times, column.floats, column.histograms, &newest.ends, lookback, bound, times);
                    if want == Want::InfoTimes && pick(false).has_histograms() {
                        let series = crate::text::all_labels(&group.labels()[column.series]);
                        return Err(EvalError::Execution(format!("this should be an info metric, with float samples: {series}")));
                    }
                    let mixed = pick(times);
                    mixed.has_any().then(|| {
                        let histograms = mixed.histograms(column.histograms, totals_only);
                        (mixed.values.into(), histograms)
                    })
                } else if times {
                    pick(column.times, column.floats, &newest.ends, lookback, bound, true).map(|v| (v.into(), None))
                } else {
                    let found = newest.pick(&column, &mut at_steps) > 0;
                    found.then(|| (self.values(at_steps.iter().copied()), None))
                };
                if let Some((mut values, histograms)) = picked {
                    if want == Want::Starts {
                        starts_of(&mut values, starts.get(column.series).map_or(&[], Vec::as_slice));
                    }
                    add(column.series, values, histograms)?;
                }
                Ok(true)
            })?;
            self.note_read(decoded);
            self.count_seen(&seen);
            Ok(())
        })?;
        columns.charge.join(of_labels);
        Ok(columns)
    }

    /// The groups of a selector, with what their labels take.
    pub(crate) fn select(&self, selector: &Selector, range: TimeRange) -> Result<Selection<'_>, EvalError> {
        self.budget.check()?;
        let matchers = selector.all_matchers();
        self.select.warnings(range).iter().for_each(|warning| self.notes.storage(warning));
        let ask = || {
            let groups = self.budget.ask(|| self.select.select(&SelectRequest { matchers: &matchers, range }))?;
            Ok(KeyedGroups { groups, ..KeyedGroups::default() })
        };
        let (KeyedGroups { groups, .. }, mut of_groups, freed) = self.shared(&matchers, range, None, ask)?;
        let mut charge = self.budget.charge(0)?;
        for group in &groups {
            self.budget.add_bytes(&mut of_groups, group.labels().len().saturating_mul(SERIES_BYTES))?;
            self.budget.add_bytes(&mut charge, group.labels().iter().map(LabelSet::bytes).sum())?;
        }
        Ok(Selection { groups, charge, of_groups, freed })
    }

    /// Decodes a group column by column, as long as `visit` wants more; its samples count until then.
    pub(crate) fn columns(
        &self,
        group: &dyn SelectedGroup,
        visit: &mut dyn FnMut(ColumnRef<'_>) -> Result<bool, EvalError>,
    ) -> Result<(), EvalError> {
        let decoded = decode(&self.budget, group, visit)?;
        self.note_read(decoded);
        Ok(())
    }

    fn note_read(&self, (read, warnings): (usize, Vec<String>)) {
        warnings.iter().for_each(|warning| self.notes.storage(warning));
        self.budget.count_read(read);
    }
}

/// The same, for any thread: returns how many samples were read, and what could not be.
pub(super) fn decode(
    budget: &Budget<'_>,
    group: &dyn SelectedGroup,
    visit: &mut dyn FnMut(ColumnRef<'_>) -> Result<bool, EvalError>,
) -> Result<(usize, Vec<String>), EvalError> {
    decode_by(budget, group, |each| group.each_column(each), visit)
}

/// The same, of each series perhaps no more than its newest sample.
pub(super) fn decode_newest(
    budget: &Budget<'_>,
    group: &dyn SelectedGroup,
    visit: &mut dyn FnMut(ColumnRef<'_>) -> Result<bool, EvalError>,
) -> Result<(usize, Vec<String>), EvalError> {
    decode_by(budget, group, |each| group.each_newest(each), visit)
}

type Each<'v> = dyn FnMut(ColumnRef<'_>) -> ControlFlow<()> + 'v;

fn decode_by(
    budget: &Budget<'_>,
    group: &dyn SelectedGroup,
    by: impl FnOnce(&mut Each<'_>) -> Result<Vec<String>, SelectError>,
    visit: &mut dyn FnMut(ColumnRef<'_>) -> Result<bool, EvalError>,
) -> Result<(usize, Vec<String>), EvalError> {
    let count = group.samples_max();
    let mut charge = budget.charge(0)?;
    budget.add_sized(&mut charge, count, group.column_bytes())?;
    budget.check()?;
    let mut failed = None;
    let mut each = |column: ColumnRef<'_>| match visit(column) {
        Ok(true) => ControlFlow::Continue(()),
        Ok(false) => ControlFlow::Break(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    };
    let warnings = budget.ask(|| by(&mut each))?;
    failed.map_or(Ok((count, warnings)), Err)
}

/// What storage found.
pub(crate) struct Selection<'a> {
    groups: Vec<Box<dyn SelectedGroup>>,
    /// For the labels; to be kept as long as a clone of any is.
    charge: Charge<'a>,
    /// For what goes with the groups.
    of_groups: Charge<'a>,
    /// How much of that goes with each group.
    freed: Vec<usize>,
}

impl<'a> Selection<'a> {
    /// Hands out each group, which is dropped then. Returns the charge for their labels.
    pub(crate) fn each(self, mut work: impl FnMut(&dyn SelectedGroup) -> Result<(), EvalError>) -> Result<Charge<'a>, EvalError> {
        let Self { groups, charge, mut of_groups, freed } = self;
        for (at, group) in groups.into_iter().enumerate() {
            work(group.as_ref())?;
            drop(group);
            of_groups.release(freed.get(at).copied().unwrap_or(0));
        }
        Ok(charge)
    }
}

/// What a selected series takes beside its labels: their place in a list, and where its samples are.
const SERIES_BYTES: usize = 40;

/// The newest value up to a time and after another, or absence.
pub(super) fn newest_at(column: &ColumnRef<'_>, until: i64, oldest: i64) -> f64 {
    let samples = column.times.iter().zip(column.floats).rev();
    let mut seen = samples.skip_while(|(time, _)| **time > until).take_while(|(time, _)| **time > oldest).map(|(_, value)| *value);
    match seen.find(|value| !is_absent(*value)) {
        Some(value) if !is_stale(value) => super::clean(value),
        _ => model::absent(),
    }
}

/// Which sample of a group is the newest at each step, as far as times tell.
pub(super) struct Newest {
    /// For each step how many samples are not after it.
    ends: Vec<usize>,
    bounds: Vec<i64>,
    lookback: i64,
    /// The last of them, if it is not too old.
    rows: Vec<Option<usize>>,
}

impl Newest {
    pub(super) fn new(times: &[i64], sight: &Sight, lookback: i64) -> Self {
        let (ends, bounds) = (ends(times, sight.until.iter().copied()), sight.now.clone());
        let row = |(end, bound): (&usize, &i64)| end.checked_sub(1).filter(|row| times[*row] > bound.saturating_sub(lookback));
        let rows = ends.iter().zip(&bounds).map(row).collect();
        Self { ends, bounds, lookback, rows }
    }

    /// Fills in the value at each step, or absence. Returns how many there are.
    pub(super) fn pick(&self, column: &ColumnRef<'_>, out: &mut [f64]) -> usize {
        let mut found = 0;
        if !column.gaps {
            for (row, slot) in self.rows.iter().zip(out) {
                found += usize::from(row.is_some());
                *slot = row.map_or_else(model::absent, |row| super::clean(column.floats[row]));
            }
            return found;
        }
        for ((end, bound), slot) in self.ends.iter().zip(&self.bounds).zip(out) {
            let oldest = bound.saturating_sub(self.lookback);
            let newest = (0..*end).rev().take_while(|at| column.times[*at] > oldest).map(|at| column.floats[at]).find(|v| !is_absent(*v));
            *slot = match newest {
                Some(value) if !is_stale(value) => {
                    found += 1;
                    super::clean(value)
                }
                _ => model::absent(),
            };
        }
        found
    }
}

/// Puts start timestamps in the place of times. `starts` says from which time on each holds.
fn starts_of(seconds: &mut [f64], starts: &[(i64, i64)]) {
    for value in seconds.iter_mut().filter(|v| !is_absent(**v)) {
        let at = starts.partition_point(|(from, _)| *from as f64 / 1000.0 <= *value).checked_sub(1);
        *value = at.map_or(0.0, |at| starts[at].1 as f64 / 1000.0);
    }
}

/// For each of the ascending `bounds`, how many of the ascending `times` are not after it.
pub(crate) fn ends(times: &[i64], bounds: impl Iterator<Item = i64>) -> Vec<usize> {
    let mut end = 0;
    let ends = bounds.map(|bound| {
        while times.get(end).is_some_and(|time| *time <= bound) {
            end += 1;
        }
        end
    });
    ends.collect()
}

/// None if the series has no value at any step.
fn pick(times: &[i64], values: &[f64], ends: &[usize], lookback: i64, bound: impl Fn(usize) -> i64, want_times: bool) -> Option<Vec<f64>> {
    let mut any = false;
    let picked = ends.iter().enumerate().map(|(step, end)| {
        let oldest = bound(step).saturating_sub(lookback);
        let newest = (0..*end).rev().take_while(|at| times[*at] > oldest).find(|at| !is_absent(values[*at]));
        match newest {
            Some(at) if !is_stale(values[at]) => {
                any = true;
                if want_times { times[at] as f64 / 1000.0 } else { super::clean(values[at]) }
            }
            _ => model::absent(),
        }
    });
    let picked = picked.collect();
    any.then_some(picked)
}

/// What a series with histograms, perhaps among floats, has at each step.
struct Mixed {
    values: Vec<f64>,
    /// Which histogram stands at a step.
    places: Vec<Option<usize>>,
}

impl Mixed {
    fn has_any(&self) -> bool {
        self.has_histograms() || self.values.iter().any(|v| !is_absent(*v))
    }

    fn has_histograms(&self) -> bool {
        self.places.iter().any(Option::is_some)
    }

    /// The histograms as the evaluator works with them. One that stands at several steps is decoded once; those that stand
    /// at none only if what is known of the others depends on them.
    fn histograms(&self, stored: &[Option<Arc<Histogram>>], totals_only: bool) -> Option<Histograms> {
        if !self.has_histograms() {
            return None;
        }
        let mut decoder = Decoder::new(totals_only);
        if totals_only {
            let decoded: Histograms = stored.iter().map(|h| h.as_ref().map(|h| decoder.decode(h))).collect();
            return Some(self.places.iter().map(|place| decoded[(*place)?].clone()).collect());
        }
        let mut last: Option<(usize, Arc<FloatHistogram>)> = None;
        let picked = self.places.iter().map(|place| {
            let at = (*place)?;
            let known = last.take().filter(|(known, _)| *known == at).map(|(_, known)| known);
            let known = known.or_else(|| stored[at].as_ref().map(|h| decoder.decode(h)))?;
            last = Some((at, Arc::clone(&known)));
            Some(known)
        });
        Some(picked.collect())
    }
}

/// With `want_times` the times of samples stand in the place of values, those of histograms too.
fn pick_mixed(
    times: &[i64],
    floats: &[f64],
    histograms: &[Option<Arc<Histogram>>],
    ends: &[usize],
    lookback: i64,
    bound: impl Fn(usize) -> i64,
    want_times: bool,
) -> Mixed {
    let mut mixed = Mixed { values: vec![model::absent(); ends.len()], places: vec![None; ends.len()] };
    for (step, end) in ends.iter().enumerate() {
        let oldest = bound(step).saturating_sub(lookback);
        let there = |at: &usize| !is_absent(floats[*at]) || histograms[*at].is_some();
        let Some(at) = (0..*end).rev().take_while(|at| times[*at] > oldest).find(there) else { continue };
        match &histograms[at] {
            Some(histogram) if histogram.is_stale() => {}
            None if is_stale(floats[at]) => {}
            _ if want_times => mixed.values[step] = times[at] as f64 / 1000.0,
            None => mixed.values[step] = super::clean(floats[at]),
            Some(_) => mixed.places[step] = Some(at),
        }
    }
    mixed
}

/// The value between the samples before and after each time, by a straight line; where there is none after it, the last.
fn between(times: &[i64], values: &[f64], ends: &[usize], lookback: i64, bound: impl Fn(usize) -> i64) -> Option<Vec<f64>> {
    let there = |at: &usize| !is_absent(values[*at]) && !is_stale(values[*at]);
    let mut any = false;
    let between = ends.iter().enumerate().map(|(step, end)| {
        let time = bound(step);
        let (oldest, newest) = (time.saturating_sub(lookback), time.saturating_add(lookback));
        let before = (0..*end).rev().take_while(|at| times[*at] > oldest).find(there);
        let after = (*end..times.len()).take_while(|at| times[*at] <= newest).find(there);
        any |= before.is_some();
        match (before, after) {
            (None, _) => model::absent(),
            (Some(before), Some(after)) if times[before] < time => {
                let share = (time as f64 - times[before] as f64) / (times[after] as f64 - times[before] as f64);
                super::clean(values[before] + (values[after] - values[before]) * share)
            }
            (Some(before), _) => super::clean(values[before]),
        }
    });
    let between = between.collect();
    any.then_some(between)
}
