use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::EvalError;

/// What a query may use. Each limit has an error of its own.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Samples that may be in memory at once: those read from storage and one for each series and step of every
    /// intermediate result, so about 8 bytes each. Upstream's `--query.max-samples`.
    pub samples_max: usize,
    /// When to give up; None is never. By the monotonic clock.
    pub deadline: Option<Instant>,
    /// Set to true from outside to stop the query; it does within some milliseconds.
    pub cancel: Arc<AtomicBool>,
    /// How deep an expression may nest.
    pub depth: usize,
    /// How long a sample stands for its series, in milliseconds.
    pub lookback_ms: i64,
    /// Step of subqueries that name none, in milliseconds: upstream takes the global evaluation interval.
    pub subquery_step_ms: i64,
    /// Whether names of metrics are dropped at the end of a query rather than in each function, as upstream does with
    /// `promql-delayed-name-removal`.
    pub delayed_name_removal: bool,
    /// Whether what upstream keeps behind the flags `promql-experimental-functions`, `promql-extended-range-selectors` and
    /// `promql-binop-fill-modifiers` is allowed.
    pub experimental: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            samples_max: 50_000_000,
            deadline: None,
            cancel: Arc::default(),
            depth: crate::parse::DEPTH_MAX,
            lookback_ms: 5 * 60_000,
            subquery_step_ms: 60_000,
            delayed_name_removal: false,
            experimental: false,
        }
    }
}

/// How often, in samples worked on, the clock is asked. At some nanoseconds a sample that is well below a millisecond.
const WORK_BETWEEN_CHECKS: usize = 1 << 16;

/// Keeps count of what a query uses.
pub(crate) struct Budget<'a> {
    limits: &'a Limits,
    held: Cell<usize>,
    peak: Cell<usize>,
    work: Cell<usize>,
    read: Cell<usize>,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, held: Cell::new(0), peak: Cell::new(0), work: Cell::new(0), read: Cell::new(0) }
    }

    /// Says that memory for so many samples is about to be used. It counts until the charge is dropped.
    pub(crate) fn charge(&self, samples: usize) -> Result<Charge<'_>, EvalError> {
        let mut charge = Charge { held: &self.held, samples: 0 };
        self.add(&mut charge, samples)?;
        Ok(charge)
    }

    /// For what is needed at each step besides series: borders of windows, who is present, running sums.
    pub(crate) fn charge_steps(&self, count: usize) -> Result<Charge<'_>, EvalError> {
        self.charge(count.saturating_mul(4))
    }

    /// Adds to a charge.
    pub(crate) fn add(&self, charge: &mut Charge<'_>, samples: usize) -> Result<(), EvalError> {
        let held = self.held.get().saturating_add(samples);
        if held > self.limits.samples_max {
            let limit = self.limits.samples_max;
            return Err(EvalError::TooLarge(format!(
                "query processing would load too many samples into memory in query execution: the limit is {limit}"
            )));
        }
        self.held.set(held);
        self.peak.set(self.peak.get().max(held));
        charge.samples += samples;
        Ok(())
    }

    /// Says that so many samples are about to be worked on. Fails once the deadline is past or the caller gave up.
    pub(crate) fn work(&self, samples: usize) -> Result<(), EvalError> {
        let work = self.work.get().saturating_add(samples.max(1));
        if work < WORK_BETWEEN_CHECKS {
            self.work.set(work);
            return Ok(());
        }
        self.check()
    }

    /// Asks the clock and the caller now.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        self.work.set(0);
        if self.limits.cancel.load(Ordering::Relaxed) {
            return Err(EvalError::Canceled);
        }
        if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(EvalError::Timeout);
        }
        Ok(())
    }

    pub(crate) fn count_read(&self, samples: usize) {
        self.read.set(self.read.get().saturating_add(samples));
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats { samples_read: self.read.get(), samples_peak: self.peak.get() }
    }
}

/// Samples that are held; dropping it gives them back.
pub(crate) struct Charge<'a> {
    held: &'a Cell<usize>,
    samples: usize,
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.held.set(self.held.get().saturating_sub(self.samples));
    }
}

/// What a query used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples that storage decoded for it.
    pub samples_read: usize,
    /// Most samples that were counted against [`Limits::samples_max`] at once.
    pub samples_peak: usize,
}
