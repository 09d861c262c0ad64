//! Range vectors, one series at a time: its samples, and for each step which of them are in the window.

use std::ops::Range;
use std::sync::Arc;

use model::seams::ColumnRef;
use model::{LabelSet, ResetHint, TimeRange, is_absent, is_stale};

use super::seen::Within;
use super::selector::ends;
use super::slopes::Slopes;
use super::totals::Decoder;
use super::{Column, Query, Steps, refuse};
use crate::ast::{Edges, Expr, ExprKind, RangeSelector};
use crate::error::EvalError;
use crate::functions::rate;
use crate::histogram::{FloatHistogram, HistogramPoint};
use crate::limits::Charge;
use crate::position::Span;
use crate::value::{Point, Series};

/// The samples of one series in one window: times are after `start` and not after `end`, unless `edges` says otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    /// Samples that are histograms; empty as nearly always.
    pub(crate) histograms: &'a [HistogramPoint],
    /// When each float began to count, 0 where that is not known; empty if it is of none, as nearly always.
    pub(crate) starts: &'a [i64],
    /// Likewise of histograms.
    pub(crate) histogram_starts: &'a [i64],
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// When the evaluation takes place; apart from `end` where there is an offset or a fixed time.
    pub(crate) now: i64,
    /// If set, samples reach beyond the window.
    pub(crate) edges: Option<Edges>,
}

/// All windows of a range vector's series.
pub(crate) struct Windows<'a> {
    times: &'a [i64],
    values: &'a [f64],
    frame: &'a Frame,
    borders: &'a [(usize, usize)],
    /// Floats between all borders together, and those of them that were not between the ones before.
    floats: (usize, usize),
    histograms: &'a [HistogramPoint],
    /// Of `histograms`; empty if there is none.
    histogram_borders: &'a [(usize, usize)],
    /// Of floats and histograms; empty if none is known.
    starts: (&'a [i64], &'a [i64]),
    /// Of the borders, where several series share them.
    slopes: Option<&'a Slopes>,
}

/// What all series of a range vector share.
pub(crate) struct Frame {
    steps: Steps,
    /// The end of the window at each step.
    ends: Vec<i64>,
    range: i64,
    edges: Option<Edges>,
    /// How far samples beyond the ends are looked for.
    lookback: i64,
}

impl<'a> Windows<'a> {
    /// Samples in all windows together, each as often as it comes into one; a histogram counts by its size.
    pub(super) fn looked_at(&self) -> usize {
        let floats = self.floats.0;
        if self.histograms.is_empty() {
            return floats;
        }
        let mut before = Vec::with_capacity(self.histograms.len() + 1);
        before.push(0);
        for point in self.histograms {
            before.push(before[before.len() - 1] + point.histogram.samples());
        }
        let histograms = self.histogram_borders.iter().map(|(from, to)| before[*to].saturating_sub(before[*from]));
        floats + histograms.sum::<usize>()
    }

    /// Samples of a window that were not in the one before; a histogram counts by its size.
    pub(super) fn fresh_at(&self, step: usize) -> usize {
        let histograms = self.histograms.get(new_at(self.histogram_borders, step)).unwrap_or_default();
        new_at(self.borders, step).len() + histograms.iter().map(|point| point.histogram.samples()).sum::<usize>()
    }

    /// The same of all windows.
    pub(super) fn fresh(&self) -> usize {
        if self.histograms.is_empty() {
            return self.floats.1;
        }
        (0..self.borders.len()).map(|step| self.fresh_at(step)).sum()
    }

    /// Whether there are only floats of which nobody knows when they began to count, and nothing beyond the windows.
    pub(super) fn is_plain(&self) -> bool {
        self.histograms.is_empty() && self.starts.0.is_empty() && self.frame.edges.is_none()
    }

    /// All floats, and for each step where its window begins and ends among them.
    pub(super) fn values(&self) -> &'a [f64] {
        self.values
    }

    pub(super) fn borders(&self) -> &'a [(usize, usize)] {
        self.borders
    }

    pub(super) fn shared_slopes(&self) -> Option<&'a Slopes> {
        self.slopes.filter(|_| self.is_plain())
    }

    /// The window at each step.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Window<'a>> + '_ {
        (0..self.borders.len()).map(|step| self.at(step))
    }

    /// The window at a step.
    pub(super) fn at(&self, step: usize) -> Window<'a> {
        let (from, to) = self.borders[step];
        let end = self.frame.ends[step];
        Window {
            times: &self.times[from..to],
            values: &self.values[from..to],
            histograms: self.histogram_borders.get(step).map_or(&[], |(from, to)| &self.histograms[*from..*to]),
            starts: self.starts.0.get(from..to).unwrap_or_default(),
            histogram_starts: self.histogram_borders.get(step).map_or(&[], |(from, to)| self.starts.1.get(*from..*to).unwrap_or_default()),
            start: end.saturating_sub(self.frame.range),
            end,
            now: self.frame.steps.at(step),
            edges: self.frame.edges,
        }
    }
}

/// What is between the borders of a step and was not between those of the one before.
fn new_at(borders: &[(usize, usize)], step: usize) -> Range<usize> {
    let before = step.checked_sub(1).and_then(|step| borders.get(step)).map_or(0, |(_, to)| *to);
    borders.get(step).map_or(0..0, |(from, to)| before.max(*from)..*to)
}

/// What is between all borders together, and what is new of it.
fn counted(borders: &[(usize, usize)]) -> (usize, usize) {
    let sizes = borders.iter().enumerate().map(|(step, (from, to))| (to.saturating_sub(*from), new_at(borders, step).len()));
    sizes.fold((0, 0), |sums, size| (sums.0 + size.0, sums.1 + size.1))
}

impl Frame {
    fn beyond(&self) -> (i64, i64) {
        match self.edges {
            None => (0, 0),
            Some(Edges::Anchored) => (self.lookback, 0),
            Some(Edges::Smoothed) => (self.lookback, self.lookback),
        }
    }

    /// For each step the first sample in the window and the one behind the last.
    fn borders(&self, times: &[i64]) -> Vec<(usize, usize)> {
        let (before, after) = self.beyond();
        let from = ends(times, self.ends.iter().map(|end| end.saturating_sub(self.range).saturating_sub(before)));
        let to = ends(times, self.ends.iter().map(|end| end.saturating_add(after)));
        from.into_iter().zip(to).collect()
    }
}

/// Takes one series of a range vector. The flag says that its name is to be dropped at the end of the query.
pub(crate) type Visit<'v> = dyn FnMut(&LabelSet, bool, &Windows<'_>) -> Result<(), EvalError> + 'v;

impl Query<'_> {
    /// Gives each series of a range vector with its windows to `visit`. Returns the charge of their labels, for whoever keeps clones.
    pub(crate) fn each_series(&self, expr: &Expr, steps: Steps, visit: &mut Visit<'_>) -> Result<Charge<'_>, EvalError> {
        let is_answer = self.is_answer();
        match &expr.unwrap_parens().kind {
            ExprKind::Range(range) => {
                let (frame, span) = self.frame(range, expr.span, steps)?;
                let totals_only = self.wants_totals_only(expr.unwrap_parens().span);
                self.select(&range.selector, span)?.each(|group| {
                    let mut walk = Walk::new(&frame);
                    let mut seen = self.seen(steps);
                    let starts = if self.limits.start_timestamps { group.starts()? } else { Vec::new() };
                    self.columns(group, &mut |column| {
                        let starts = starts.get(column.series).map_or(&[][..], Vec::as_slice);
                        self.budget.work(column.floats.len())?;
                        let histograms = stored_histograms(&column, totals_only);
                        let mut charge = self.budget.charge(0)?;
                        for point in &histograms {
                            self.budget.add_histogram(&mut charge, &point.histogram)?;
                        }
                        walk.series(column.times, column.floats, column.gaps, &histograms, starts, |windows| {
                            seen.windows(windows);
                            visit(&group.labels()[column.series], false, windows)
                        })?;
                        Ok(true)
                    })?;
                    self.count_seen(&seen);
                    Ok(())
                })
            }
            ExprKind::Subquery(subquery) => self.each_subquery_series(subquery, expr.span, steps, is_answer, visit),
            _ => Err(refuse(expr.span, "a range vector was expected")),
        }
    }

    /// The windows of a range selector, and the times of the samples that they need.
    pub(super) fn frame(&self, range: &RangeSelector, span: Span, steps: Steps) -> Result<(Frame, TimeRange), EvalError> {
        let look = self.look(&range.selector.shift, span)?;
        let length = self.positive(&range.range, span)?;
        let ends = (0..steps.count).map(|at| look.from(steps.at(at))).collect();
        let frame = Frame { steps, ends, range: length, edges: range.selector.edges, lookback: self.limits.lookback_ms };
        let (before, after) = frame.beyond();
        let (first, last) = (look.from(steps.start), look.from(steps.end()));
        let start = first.saturating_sub(length).saturating_sub(before).saturating_add(1);
        Ok((frame, TimeRange { start, end: last.saturating_add(after) }))
    }

    fn each_subquery_series(
        &self,
        subquery: &crate::ast::Subquery,
        span: Span,
        steps: Steps,
        is_answer: bool,
        visit: &mut Visit<'_>,
    ) -> Result<Charge<'_>, EvalError> {
        let look = self.look(&subquery.shift, span)?;
        let length = self.positive(&subquery.range, span)?;
        let ends = (0..steps.count).map(|at| look.from(steps.at(at))).collect();
        let frame = Frame { steps, ends, range: length, edges: None, lookback: 0 };
        let Some(inner) = self.inner_steps(subquery, span, look.from(steps.start), look.from(steps.end()), length)? else {
            return self.budget.charge(0);
        };
        // Refused before anything is evaluated: each step costs memory.
        let _scratch = self.budget.charge_steps(inner.count)?;
        let shift = steps.start.saturating_sub(look.from(steps.start));
        let within = Within { outer: steps, inner, shift, length: (!is_answer).then_some(length) };
        let columns = self.counted_within(&within, || self.eval_vector(&subquery.expr, inner))?;
        let mut seen = self.seen(steps);
        let times: Vec<i64> = (0..inner.count).map(|at| inner.at(at)).collect();
        let mut walk = Walk::new(&frame);
        for column in &columns.series {
            self.budget.work(column.values.len())?;
            let histograms = column_histograms(&times, column);
            walk.series(&times, &column.values, true, &histograms, &[], |windows| {
                seen.points(windows);
                visit(&column.labels, column.drop_name, windows)
            })?;
        }
        if !is_answer {
            self.count_seen(&seen);
        }
        // The columns go; whoever keeps clones of their labels keeps these.
        let bytes = columns.series.iter().map(|column| column.labels.bytes()).sum();
        drop(columns);
        let mut labels = self.budget.charge(0)?;
        self.budget.add_bytes(&mut labels, bytes)?;
        Ok(labels)
    }

    /// The samples of a range vector at one time, as an instant query answers them.
    pub(crate) fn raw(&self, expr: &Expr) -> Result<Vec<Series>, EvalError> {
        let mut all: Vec<Series> = Vec::new();
        self.answers();
        let mut charge = self.budget.charge(0)?;
        let of_labels = self.each_series(expr, self.steps, &mut |labels, drop_name, windows| {
            for window in windows.iter().filter(|w| !w.times.is_empty() || !w.histograms.is_empty()) {
                let bytes = window.histograms.len().saturating_mul(size_of::<HistogramPoint>());
                let points = window.times.len().saturating_mul(size_of::<Point>());
                let bytes = bytes.saturating_add(points).saturating_add(2 * size_of::<Series>());
                self.budget.add_sized(&mut charge, window.times.len().saturating_add(window.histograms.len()), bytes)?;
                for point in window.histograms {
                    self.budget.add_histogram(&mut charge, &point.histogram)?;
                }
                let extended = window.edges.map(|_| rate::extend(&window));
                let (times, values) = extended.as_ref().map_or((window.times, window.values), |(times, values)| (times, values));
                if times.is_empty() && window.histograms.is_empty() {
                    continue;
                }
                let points = times.iter().zip(values).map(|(time, value)| Point { time: *time, value: *value }).collect();
                let labels = if drop_name { super::without_metadata(labels) } else { labels.clone() };
                all.push(Series { labels, points, histograms: window.histograms.to_vec() });
            }
            Ok(())
        })?;
        charge.join(of_labels);
        let all = self.sorted(all, |a, b| a.labels.cmp(&b.labels))?;
        if all.windows(2).any(|pair| pair[0].labels == pair[1].labels) {
            return Err(super::same_labels());
        }
        Ok(all)
    }
}

/// The histograms of a stored series, without those that say that it ended.
fn stored_histograms(column: &ColumnRef<'_>, totals_only: bool) -> Vec<HistogramPoint> {
    let mut decoder = Decoder::new(totals_only);
    let present = column.times.iter().zip(column.histograms).filter_map(|(time, h)| Some((*time, h.as_ref().filter(|h| !h.is_stale())?)));
    present.map(|(time, h)| HistogramPoint { time, histogram: decoder.decode(h) }).collect()
}

/// The same of an evaluated one. What is known of resets is known between stored samples, not between steps.
fn column_histograms(times: &[i64], column: &Column) -> Vec<HistogramPoint> {
    let slots = times.iter().zip(column.histograms.iter().flatten());
    let points = slots.filter_map(|(time, h)| Some((*time, h.as_ref()?)));
    points
        .map(|(time, h)| {
            let histogram = match h.reset_hint {
                ResetHint::Unknown | ResetHint::Gauge => Arc::clone(h),
                ResetHint::Reset | ResetHint::NoReset => Arc::new(FloatHistogram { reset_hint: ResetHint::Unknown, ..h.as_ref().clone() }),
            };
            HistogramPoint { time, histogram }
        })
        .collect()
}

/// Where windows begin and end in samples that several series share, how many floats are between, and what is known of the slopes.
struct Borders {
    all: Vec<(usize, usize)>,
    floats: (usize, usize),
    slopes: Slopes,
}

impl Borders {
    fn of(all: Vec<(usize, usize)>) -> Self {
        Self { floats: counted(&all), all, slopes: Slopes::new() }
    }
}

/// Series of one group. Those that have a sample in each row share times and borders; the others get their own.
pub(super) struct Walk<'f> {
    frame: &'f Frame,
    shared: Option<Borders>,
    times: Vec<i64>,
    values: Vec<f64>,
}

impl<'f> Walk<'f> {
    pub(super) fn new(frame: &'f Frame) -> Self {
        Self { frame, shared: None, times: Vec::new(), values: Vec::new() }
    }

    /// `gaps` is false if it is known that all values are there and none is stale.
    pub(super) fn series(
        &mut self,
        times: &[i64],
        values: &[f64],
        gaps: bool,
        histograms: &[HistogramPoint],
        starts: &[(i64, i64)],
        visit: impl FnOnce(&Windows<'_>) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        let frame = self.frame;
        let histogram_borders =
            if histograms.is_empty() { Vec::new() } else { frame.borders(&histograms.iter().map(|p| p.time).collect::<Vec<_>>()) };
        let histogram_borders = histogram_borders.as_slice();
        let at = |time: i64| starts.partition_point(|(from, _)| *from <= time).checked_sub(1).map_or(0, |at| starts[at].1);
        let started = |times: &[i64]| if starts.is_empty() { Vec::new() } else { times.iter().map(|time| at(*time)).collect() };
        let histogram_starts = started(&histograms.iter().map(|p| p.time).collect::<Vec<_>>());
        if gaps && values.iter().any(|v| is_absent(*v) || is_stale(*v)) {
            self.times.clear();
            self.values.clear();
            for (time, value) in times.iter().zip(values).filter(|(_, v)| !is_absent(**v) && !is_stale(**v)) {
                self.times.push(*time);
                self.values.push(*value);
            }
            if self.times.is_empty() && histograms.is_empty() {
                return Ok(());
            }
            let borders = frame.borders(&self.times);
            let starts = started(&self.times);
            let starts = (starts.as_slice(), histogram_starts.as_slice());
            return visit(&Windows {
                times: &self.times,
                values: &self.values,
                frame,
                borders: &borders,
                floats: counted(&borders),
                histograms,
                histogram_borders,
                starts,
                slopes: None,
            });
        }
        let Borders { all: borders, floats, slopes } = self.shared.get_or_insert_with(|| Borders::of(frame.borders(times)));
        let (floats, slopes) = (*floats, Some(&*slopes));
        let starts = started(times);
        let starts = (starts.as_slice(), histogram_starts.as_slice());
        visit(&Windows { times, values, frame, borders, floats, histograms, histogram_borders, starts, slopes })
    }
}
