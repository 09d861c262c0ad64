use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use model::seams::SelectError;
use model::stop::Stop;

use crate::error::EvalError;
use crate::eval::Column;
use crate::features::Features;
use crate::histogram::FloatHistogram;
use crate::meter::{Meter, Stats};

/// What a query may use. Each limit has an error of its own.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Samples that may be in memory at once: those read from storage and one for each series and step of every
    /// intermediate result; a histogram by its size. Upstream's `--query.max-samples`.
    pub samples_max: usize,
    /// Bytes that may be in memory at once: samples, labels, what a function works with, the answer.
    pub bytes_max: usize,
    /// When to give up; None is never. By the monotonic clock.
    pub deadline: Option<Instant>,
    /// How much is worked on between two looks at deadline and cancel, in samples.
    pub check_every: usize,
    /// Set to true from outside to stop the query; it does within some milliseconds.
    pub cancel: Arc<AtomicBool>,
    /// What is used is counted here.
    pub meter: Arc<Meter>,
    /// Threads that a query may use where it has much to do; 0: as many as there are processors.
    pub threads: usize,
    /// How much is much, in samples and values of series at steps.
    pub share_from: usize,
    /// How deep an expression may nest.
    pub depth: usize,
    /// How long a sample stands for its series, in milliseconds.
    pub lookback_ms: i64,
    /// Step of subqueries that name none, in milliseconds: upstream takes the global evaluation interval.
    pub subquery_step_ms: i64,
    /// Whether names of metrics are dropped at the end of a query rather than in each function, as upstream does with
    /// `promql-delayed-name-removal`.
    pub delayed_name_removal: bool,
    /// What is allowed of the language's experimental parts.
    pub features: Features,
    /// Whether functions of counters look at start timestamps: upstream's `use-start-timestamps`.
    pub start_timestamps: bool,
    /// Whether the answer says how many samples were looked at for each step.
    pub per_step: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            samples_max: 50_000_000,
            bytes_max: 1 << 30,
            deadline: None,
            check_every: WORK_BETWEEN_CHECKS,
            cancel: Arc::default(),
            meter: Arc::default(),
            threads: 0,
            share_from: SHARE_FROM,
            depth: crate::parse::DEPTH_MAX,
            lookback_ms: 5 * 60_000,
            subquery_step_ms: 60_000,
            delayed_name_removal: false,
            features: Features::default(),
            start_timestamps: false,
            per_step: false,
        }
    }
}

impl Limits {
    /// Whether the query is to stop: nobody waits any more, or its time is over. For storage and for whoever writes the answer.
    ///
    /// # Errors
    /// [`EvalError::Canceled`] or [`EvalError::Timeout`].
    pub fn check(&self) -> Result<(), EvalError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(EvalError::Canceled);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(EvalError::Timeout);
        }
        Ok(())
    }
}

/// How often, in samples worked on, the clock is asked. At some nanoseconds a sample that is well below a millisecond.
const WORK_BETWEEN_CHECKS: usize = 1 << 14;

/// What making a label set, or finding one in a table, takes beside a sample.
pub(crate) const LABELS_WORK: usize = 64;

/// Some 25 ms. Several threads take 1.5 ms more of processor time together than one, for caches and for what is handed on.
const SHARE_FROM: usize = 1 << 23;

thread_local! {
    /// Work of this thread since the clock was last asked. It belongs to no query: what one leaves makes the next look earlier.
    static WORK: Cell<usize> = const { Cell::new(0) };
}

/// What a column costs beside its values: itself, in a list that grows by doubling.
pub(crate) const COLUMN_BYTES: usize = size_of::<Column>() * 5 / 4;

/// Keeps count of what a query uses. Any number of threads may share it.
pub(crate) struct Budget<'a> {
    limits: &'a Limits,
    meter: &'a Meter,
    /// What the meter had read before this evaluation.
    before: Stats,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        let meter = &*limits.meter;
        Self { limits, meter, before: meter.stats() }
    }

    /// Says that memory for so many floats is about to be used. It counts until the charge is dropped.
    pub(crate) fn charge(&self, samples: usize) -> Result<Charge<'a>, EvalError> {
        let mut charge = Charge { meter: self.meter, samples: Amount::default(), bytes: Amount::default() };
        self.add(&mut charge, samples)?;
        Ok(charge)
    }

    /// Whether so many samples, and bytes beside them, could be held now without coming near the limits.
    pub(crate) fn has_room(&self, samples: usize, bytes: usize) -> bool {
        let free = |limit: usize, held: usize| limit.saturating_sub(held) / 2;
        samples <= free(self.limits.samples_max, self.meter.samples()) && bytes <= free(self.limits.bytes_max, self.meter.bytes())
    }

    /// For what is needed at each step besides series: borders of windows, who is present, running sums.
    pub(crate) fn charge_steps(&self, count: usize) -> Result<Charge<'_>, EvalError> {
        self.charge(count.saturating_mul(4))
    }

    /// Adds floats, 8 bytes each, to a charge.
    pub(crate) fn add(&self, charge: &mut Charge<'_>, samples: usize) -> Result<(), EvalError> {
        self.add_sized(charge, samples, samples.saturating_mul(8))
    }

    /// Adds a column of so many steps to a charge. Its labels are counted where they are made.
    pub(crate) fn add_column(&self, charge: &mut Charge<'_>, steps: usize) -> Result<(), EvalError> {
        self.add_sized(charge, steps, steps.saturating_mul(8).saturating_add(COLUMN_BYTES))
    }

    /// Adds what is no sample to a charge, such as labels.
    pub(crate) fn add_bytes(&self, charge: &mut Charge<'_>, bytes: usize) -> Result<(), EvalError> {
        self.add_sized(charge, 0, bytes)
    }

    /// Adds samples that need so many bytes together. What is refused is not counted.
    pub(crate) fn add_sized(&self, charge: &mut Charge<'_>, samples: usize, bytes: usize) -> Result<(), EvalError> {
        if !charge.samples.take(samples, |more| self.meter.add_samples(more, self.limits.samples_max)) {
            // Upstream's words.
            let text = "query processing would load too many samples into memory in query execution";
            return Err(EvalError::TooLarge(text.to_owned()));
        }
        if !charge.bytes.take(bytes, |more| self.meter.add_bytes(more, self.limits.bytes_max)) {
            return Err(self.too_many_bytes(bytes));
        }
        Ok(())
    }

    /// Which of both limits it was that had no room for so many more.
    fn too_many_bytes(&self, more: usize) -> EvalError {
        let own = self.meter.bytes().saturating_add(more) > self.limits.bytes_max;
        if let Some(pool) = self.meter.pool().filter(|pool| !own && pool.lacks(more)) {
            return EvalError::TooLarge(format!(
                "all queries together would use more than {} of memory: ask again when others have ended, or for less",
                size_text(pool.bytes_max())
            ));
        }
        EvalError::TooLarge(format!(
            "query processing would use more than {} of memory: ask for fewer series, a shorter range or a larger step",
            size_text(self.limits.bytes_max)
        ))
    }

    /// Says that so many samples are about to be worked on. Fails once the deadline is past or the caller gave up.
    pub(crate) fn work(&self, samples: usize) -> Result<(), EvalError> {
        let due = WORK.with(|work| {
            let sum = work.get().saturating_add(samples.max(1));
            let due = sum >= self.limits.check_every;
            work.set(if due { 0 } else { sum });
            due
        });
        if due { self.check() } else { Ok(()) }
    }

    /// Asks the clock and the caller now.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        self.limits.check()
    }

    /// Asks storage for something; it stops when the query does.
    pub(crate) fn ask<T>(&self, question: impl FnOnce() -> Result<T, SelectError>) -> Result<T, EvalError> {
        let shared = self.meter.pool().map_or(usize::MAX, |pool| pool.bytes_max().saturating_sub(pool.bytes()));
        let bytes_max = self.limits.bytes_max.saturating_sub(self.meter.bytes()).min(shared);
        let stop = Stop { cancel: Arc::clone(&self.limits.cancel), deadline: self.limits.deadline, bytes_max };
        match model::stop::within(&stop, question) {
            // Which of the three it was.
            Err(SelectError::Stopped) => Err(self.check().err().unwrap_or_else(|| self.too_many_bytes(0))),
            answer => Ok(answer?),
        }
    }

    /// Adds a histogram to a charge where a sample was added for it already: it counts by its size, as upstream.
    pub(crate) fn add_histogram(&self, charge: &mut Charge<'_>, histogram: &FloatHistogram) -> Result<(), EvalError> {
        self.add_sized(charge, histogram.samples().saturating_sub(1), histogram.bytes())
    }

    /// Adds those of a column that was added already, as far as it has any.
    pub(crate) fn add_histograms(&self, charge: &mut Charge<'_>, column: &Column) -> Result<(), EvalError> {
        let Some(slots) = &column.histograms else { return Ok(()) };
        self.add_bytes(charge, slots.len().saturating_mul(8))?;
        slots.iter().flatten().try_for_each(|histogram| self.add_histogram(charge, histogram))
    }

    /// Says that storage decoded so many samples.
    pub(crate) fn count_read(&self, samples: usize) {
        self.meter.count_read(samples);
    }

    /// Says that a selector looked at so many samples, each as often as it came into a window. To be called once per group or
    /// series, not per step.
    pub(crate) fn count_looked_at(&self, samples: usize) {
        self.meter.count_looked_at(samples);
    }

    /// Says how many of them were new.
    pub(crate) fn count_fresh(&self, samples: usize) {
        self.meter.count_fresh(samples);
    }

    pub(crate) fn stats(&self) -> Stats {
        let now = self.meter.stats();
        Stats {
            samples_read: now.samples_read.saturating_sub(self.before.samples_read),
            samples_looked_at: now.samples_looked_at.saturating_sub(self.before.samples_looked_at),
            samples_fresh: now.samples_fresh.saturating_sub(self.before.samples_fresh),
            ..now
        }
    }
}

/// Most that a charge takes ahead.
const AHEAD_MAX: usize = 64 << 10;

/// Samples and bytes that are held; dropping it gives them back.
pub(crate) struct Charge<'a> {
    meter: &'a Meter,
    samples: Amount,
    bytes: Amount,
}

/// So much was taken from a meter, of which some was not asked for yet: a sixteenth is taken ahead, so that many small
/// additions by several threads do not meet at each of them.
#[derive(Default)]
struct Amount {
    taken: usize,
    spare: usize,
}

impl Amount {
    /// Whether the meter, asked by `add`, has so much more.
    fn take(&mut self, amount: usize, add: impl Fn(usize) -> bool) -> bool {
        if amount <= self.spare {
            self.spare -= amount;
            return true;
        }
        let (missing, ahead) = (amount - self.spare, (self.taken / 16).min(AHEAD_MAX));
        let Some(ahead) = [ahead, 0].into_iter().find(|ahead| add(missing.saturating_add(*ahead))) else { return false };
        self.taken += missing + ahead;
        self.spare = ahead;
        true
    }

    fn join(&mut self, other: Self) {
        self.taken += other.taken;
        self.spare += other.spare;
    }
}

impl<'a> Charge<'a> {
    /// Gives bytes back before the rest, as when a column has become a part of the answer.
    pub(crate) fn release(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes.taken - self.bytes.spare);
        self.bytes.taken -= bytes;
        self.meter.give_back(0, bytes);
    }

    /// Takes over what another holds, as when what several threads made becomes one.
    pub(crate) fn join(&mut self, mut other: Charge<'a>) {
        self.samples.join(std::mem::take(&mut other.samples));
        self.bytes.join(std::mem::take(&mut other.bytes));
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.meter.give_back(self.samples.taken, self.bytes.taken);
    }
}

/// A limit for people: whole units where it is some.
fn size_text(bytes: usize) -> String {
    match bytes {
        n if n >= 1 << 30 && n % (1 << 30) == 0 => format!("{} GiB", n >> 30),
        n if n >= 1 << 20 => format!("{} MiB", n >> 20),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_count_samples_and_bytes_and_give_them_back() {
        let limits = Limits { samples_max: 1000, bytes_max: 10_000, ..Limits::default() };
        let budget = Budget::new(&limits);
        let mut first = budget.charge(100).expect("room");
        budget.add_bytes(&mut first, 200).expect("room");
        // A sixteenth is taken ahead.
        assert_eq!((limits.meter.samples(), limits.meter.bytes()), (100, 1000 + 800 / 16));
        let second = budget.charge(50).expect("room");
        first.join(second);
        assert_eq!((limits.meter.samples(), limits.meter.bytes()), (150, 1450));
        assert!(budget.charge(851).is_err(), "too many samples");
        assert!(budget.add_bytes(&mut first, 9000).is_err(), "too many bytes");
        drop(first);
        assert_eq!((limits.meter.samples(), limits.meter.bytes()), (0, 0));
        assert_eq!((budget.stats().samples_peak, budget.stats().bytes_peak), (150, 1450));
    }

    #[test]
    fn threads_that_charge_in_small_parts_stay_within_the_limit_and_use_it() {
        let limits = Limits { samples_max: 100_000, bytes_max: 800_000, ..Limits::default() };
        let budget = Budget::new(&limits);
        let got: usize = std::thread::scope(|scope| {
            let fill = || {
                let mut charge = budget.charge(0).expect("nothing");
                let got = (0..100_000).take_while(|_| budget.add(&mut charge, 1).is_ok()).count();
                // Held until all have run into the limit.
                std::thread::sleep(std::time::Duration::from_millis(50));
                (got, charge)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(fill)).collect();
            let all: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
            all.iter().map(|(got, _)| got).sum()
        });
        println!("{got} of 100000 were given");
        // What one took ahead another misses, a sixteenth at most.
        assert!((90_000..=100_000).contains(&got), "{got}");
        assert_eq!((limits.meter.samples(), limits.meter.bytes()), (0, 0));
    }
}
