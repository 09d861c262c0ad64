//! Samples that selectors looked at, as upstream counts them (`totalQueryableSamples`): a sample of an instant vector once for each step
//! at which it stands, one of a window once for each step whose window it is in; a histogram by its size. What is looked up once for all steps counts at each. What
//! a subquery looks at counts as the points in its windows, however many samples they were made of.
//!
//! And beside it what of that is new (`samplesRead`): of a window what was not in the one before, what is looked up once for all steps
//! at the first, what a subquery looks at when the first step comes that it is for.

use std::cell::{Cell, RefCell};

use super::windows::Windows;
use super::{Column, Query, Steps};

/// How what is looked at counts just now.
#[derive(Debug)]
pub(super) struct Counting {
    /// Not at all: within a subquery.
    muted: Cell<bool>,
    /// For so many steps at once.
    repeat: Cell<usize>,
    /// At the last step: within a subquery that is the answer itself.
    at_end: Cell<bool>,
    /// Whether the next range vector is the answer itself.
    answer: Cell<bool>,
    /// By step, if that is wanted.
    steps: RefCell<Vec<usize>>,
    /// What is new, of the steps that are worked out just now: those of a subquery within it.
    fresh: RefCell<Fresh>,
}

/// Samples that were not looked at before.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    total: usize,
    /// By step, if that is wanted.
    steps: Vec<usize>,
}

/// How steps of a subquery come into the windows of those around it.
pub(super) struct Within {
    pub(super) outer: Steps,
    pub(super) inner: Steps,
    /// From the end of a window to its step.
    pub(super) shift: i64,
    /// How long the windows are; none if all of its points are the answer.
    pub(super) length: Option<i64>,
}

impl Within {
    /// The first step whose window a point may be in; none if it falls between two windows.
    fn step_of(&self, at: usize) -> Option<usize> {
        let Steps { start, step, count } = self.outer;
        let time = self.inner.at(at).saturating_add(self.shift);
        let behind = time.saturating_sub(start).max(0);
        let number = usize::try_from(behind / step.max(1)).ok()? + usize::from(behind % step.max(1) > 0);
        let number = number.min(count.saturating_sub(1));
        let between = count > 1 && self.length.is_some_and(|length| time <= self.outer.at(number).saturating_sub(length));
        (!between).then_some(number)
    }

    /// Adds what a subquery looked at.
    fn add(&self, from: &Fresh, to: &mut Fresh) {
        if from.steps.is_empty() {
            to.total += from.total;
            return;
        }
        for (at, fresh) in from.steps.iter().enumerate().filter(|(_, fresh)| **fresh > 0) {
            let Some(step) = self.step_of(at) else { continue };
            to.total += fresh;
            to.steps.get_mut(step).into_iter().for_each(|sum| *sum += fresh);
        }
    }
}

impl Counting {
    pub(super) fn new(steps: usize) -> Self {
        let (muted, repeat, at_end, answer) = (Cell::new(false), Cell::new(1), Cell::new(false), Cell::new(false));
        let fresh = RefCell::new(Fresh { total: 0, steps: vec![0; steps] });
        Self { muted, repeat, at_end, answer, steps: RefCell::new(vec![0; steps]), fresh }
    }

    /// What is new in all.
    pub(super) fn fresh(&self) -> usize {
        self.fresh.borrow().total
    }

    /// What was looked at at each step, and what of it was new.
    pub(super) fn into_steps(self) -> Vec<(usize, usize)> {
        self.steps.into_inner().into_iter().zip(self.fresh.into_inner().steps).collect()
    }
}

/// What one selector looked at.
pub(super) struct Seen {
    total: usize,
    /// By step; empty if nobody wants to know.
    steps: Vec<usize>,
    /// What of it is new.
    fresh: Fresh,
}

impl Seen {
    /// No more is known than how many were looked at, and how many of these were new.
    pub(super) fn in_all(total: usize, fresh: usize) -> Self {
        Self { total, steps: Vec::new(), fresh: Fresh { total: fresh, steps: Vec::new() } }
    }

    pub(super) fn column(&mut self, column: &Column) {
        let samples = column.samples();
        self.total += samples;
        self.fresh.total += samples;
        let size = |at| column.histogram(at).map_or_else(|| usize::from(column.has(at)), |histogram| histogram.samples());
        self.steps.iter_mut().enumerate().for_each(|(at, seen)| *seen += size(at));
        self.fresh.steps.iter_mut().enumerate().for_each(|(at, fresh)| *fresh += size(at));
    }

    pub(super) fn windows(&mut self, windows: &Windows<'_>) {
        self.points(windows);
        self.fresh.total += windows.fresh();
        self.fresh.steps.iter_mut().enumerate().for_each(|(at, fresh)| *fresh += windows.fresh_at(at));
    }

    /// Windows over what a subquery made: nothing in them is new.
    pub(super) fn points(&mut self, windows: &Windows<'_>) {
        self.total += windows.looked_at();
        for (at, seen) in self.steps.iter_mut().enumerate() {
            let window = windows.at(at);
            *seen += window.values.len() + window.histograms.iter().map(|point| point.histogram.samples()).sum::<usize>();
        }
    }
}

impl Query<'_> {
    /// To be filled by a selector over these steps.
    pub(super) fn seen(&self, steps: Steps) -> Seen {
        let none = |wanted: bool| if wanted { vec![0; steps.count] } else { Vec::new() };
        let fresh = Fresh { total: 0, steps: none(self.limits.per_step) };
        Seen { total: 0, steps: none(self.limits.per_step && !self.counting.muted.get()), fresh }
    }

    pub(super) fn count_seen(&self, seen: &Seen) {
        let mut fresh = self.counting.fresh.borrow_mut();
        fresh.total += seen.fresh.total;
        fresh.steps.iter_mut().zip(&seen.fresh.steps).for_each(|(sum, fresh)| *sum += fresh);
        drop(fresh);
        if self.counting.muted.get() {
            return;
        }
        let repeat = self.counting.repeat.get();
        self.budget.count_looked_at(seen.total.saturating_mul(repeat));
        let mut steps = self.counting.steps.borrow_mut();
        if self.counting.at_end.get() {
            steps.last_mut().into_iter().for_each(|last| *last += seen.total.saturating_mul(repeat));
        } else if repeat > 1 {
            steps.iter_mut().for_each(|step| *step += seen.total);
        } else {
            steps.iter_mut().zip(&seen.steps).for_each(|(step, seen)| *step += seen);
        }
    }

    /// What is looked at meanwhile counts for so many steps.
    pub(super) fn counted_for<T>(&self, steps: usize, evaluate: impl FnOnce() -> T) -> T {
        let outer = (self.counting.repeat.replace(steps), self.begin_fresh(1));
        let result = evaluate();
        self.counting.repeat.set(outer.0);
        let once = self.counting.fresh.replace(outer.1);
        let mut fresh = self.counting.fresh.borrow_mut();
        fresh.total += once.total;
        fresh.steps.first_mut().into_iter().for_each(|first| *first += once.total);
        result
    }

    /// Other steps are worked out now. Returns what is known of those before.
    fn begin_fresh(&self, steps: usize) -> Fresh {
        let steps = if self.limits.per_step { vec![0; steps] } else { Vec::new() };
        self.counting.fresh.replace(Fresh { total: 0, steps })
    }

    /// What is in a subquery is looked at meanwhile; its points are the answer if they come into no windows.
    pub(super) fn counted_within<T>(&self, within: &Within, evaluate: impl FnOnce() -> T) -> T {
        let answer = within.length.is_none();
        let outer = (self.counting.muted.get(), self.counting.at_end.get());
        let fresh = self.begin_fresh(within.inner.count);
        self.counting.muted.set(outer.0 || !answer);
        self.counting.at_end.set(outer.1 || answer);
        let result = evaluate();
        self.counting.muted.set(outer.0);
        self.counting.at_end.set(outer.1);
        let inner = self.counting.fresh.replace(fresh);
        within.add(&inner, &mut self.counting.fresh.borrow_mut());
        result
    }

    /// The next range vector is the answer.
    pub(super) fn answers(&self) {
        self.counting.answer.set(true);
    }

    /// Whether this one is.
    pub(super) fn is_answer(&self) -> bool {
        self.counting.answer.take()
    }
}
