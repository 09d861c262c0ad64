//! Sums and means of many histograms, each bucket with its error carried along.

use model::ResetHint;

use super::{FloatHistogram, Incompatible, Noted, Tally};
use crate::functions::sums::Sum;

/// Whether both kinds of hints came by.
#[derive(Clone, Copy, Debug, Default)]
struct Hints {
    reset: bool,
    no_reset: bool,
}

impl Hints {
    fn see(&mut self, histogram: &FloatHistogram) {
        self.reset |= histogram.reset_hint == ResetHint::Reset;
        self.no_reset |= histogram.reset_hint == ResetHint::NoReset;
    }

    fn conflict(self) -> bool {
        self.reset && self.no_reset
    }
}

/// A running sum.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramSum {
    sum: Option<Tally<Sum>>,
    hints: Hints,
    bounds_reconciled: bool,
}

impl HistogramSum {
    pub(crate) fn add(&mut self, histogram: &FloatHistogram) -> Result<(), Incompatible> {
        self.hints.see(histogram);
        match &mut self.sum {
            None => self.sum = Some(Tally::of(histogram)),
            Some(sum) => self.bounds_reconciled |= sum.add(histogram)?.bounds_reconciled,
        }
        Ok(())
    }

    /// What is worth telling of it.
    pub(crate) fn noted(&self) -> Noted {
        Noted { resets_conflict: self.hints.conflict(), bounds_reconciled: self.bounds_reconciled }
    }

    /// None if nothing was added.
    pub(crate) fn value(&self) -> Option<FloatHistogram> {
        self.sum.clone().map(Tally::finish)
    }
}

/// A running mean: of the sum as long as nothing in it overflows, then step by step.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramMean {
    sum: Option<Tally<Sum>>,
    count: f64,
    incremental: bool,
    hints: Hints,
    bounds_reconciled: bool,
}

impl HistogramMean {
    pub(crate) fn add(&mut self, histogram: &FloatHistogram) -> Result<(), Incompatible> {
        self.hints.see(histogram);
        self.count += 1.0;
        let Some(sum) = &mut self.sum else {
            self.sum = Some(Tally::of(histogram));
            return Ok(());
        };
        if !self.incremental {
            let mut next = sum.clone();
            self.bounds_reconciled |= next.add(histogram)?.bounds_reconciled;
            if !next.overflows() {
                *sum = next;
                return Ok(());
            }
            self.incremental = true;
            sum.divide(self.count - 1.0);
        }
        sum.scale((self.count - 1.0) / self.count);
        self.bounds_reconciled |= sum.add(&histogram.clone().divided(self.count))?.bounds_reconciled;
        Ok(())
    }

    /// What is worth telling of it.
    pub(crate) fn noted(&self) -> Noted {
        Noted { resets_conflict: self.hints.conflict(), bounds_reconciled: self.bounds_reconciled }
    }

    /// None if nothing was added.
    pub(crate) fn value(&self) -> Option<FloatHistogram> {
        let mut mean = self.sum.clone()?;
        if !self.incremental {
            mean.divide(self.count);
        }
        Some(mean.finish())
    }
}
