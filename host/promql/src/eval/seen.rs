//! Samples that selectors looked at, as upstream counts them (`totalQueryableSamples`): a sample of an instant vector once for each step
//! at which it stands, one of a window once for each step whose window it is in; a histogram by its size. What is looked up once for all steps counts at each. What
//! a subquery looks at counts as the points in its windows, however many samples they were made of.

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
}

impl Counting {
    pub(super) fn new(steps: usize) -> Self {
        let (muted, repeat, at_end, answer) = (Cell::new(false), Cell::new(1), Cell::new(false), Cell::new(false));
        Self { muted, repeat, at_end, answer, steps: RefCell::new(vec![0; steps]) }
    }

    pub(super) fn into_steps(self) -> Vec<usize> {
        self.steps.into_inner()
    }
}

/// What one selector looked at.
pub(super) struct Seen {
    total: usize,
    /// By step; empty if nobody wants to know.
    steps: Vec<usize>,
}

impl Seen {
    pub(super) fn column(&mut self, column: &Column) {
        self.total += column.samples();
        for (at, seen) in self.steps.iter_mut().enumerate() {
            *seen += column.histogram(at).map_or_else(|| usize::from(column.has(at)), |histogram| histogram.samples());
        }
    }

    pub(super) fn windows(&mut self, windows: &Windows<'_>) {
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
        let wanted = self.limits.per_step && !self.counting.muted.get();
        Seen { total: 0, steps: if wanted { vec![0; steps.count] } else { Vec::new() } }
    }

    pub(super) fn count_seen(&self, seen: &Seen) {
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

    /// The same of a number.
    pub(super) fn count_looked_at(&self, total: usize) {
        self.count_seen(&Seen { total, steps: Vec::new() });
    }

    /// What is looked at meanwhile counts for so many steps.
    pub(super) fn counted_for<T>(&self, steps: usize, evaluate: impl FnOnce() -> T) -> T {
        let outer = self.counting.repeat.replace(steps);
        let result = evaluate();
        self.counting.repeat.set(outer);
        result
    }

    /// What is in a subquery is looked at meanwhile; `answer` if its points are the answer.
    pub(super) fn counted_within<T>(&self, answer: bool, evaluate: impl FnOnce() -> T) -> T {
        let outer = (self.counting.muted.get(), self.counting.at_end.get());
        self.counting.muted.set(outer.0 || !answer);
        self.counting.at_end.set(outer.1 || answer);
        let result = evaluate();
        self.counting.muted.set(outer.0);
        self.counting.at_end.set(outer.1);
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
