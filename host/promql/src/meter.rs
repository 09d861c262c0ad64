//! What queries use, counted so that several threads may count and anyone may look.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a query, or all that share it, uses now and used at most. Clones of [`crate::Limits`] share one, so that several
/// evaluations for one request are counted together; whoever keeps the `Arc` can look while they run.
#[derive(Debug, Default)]
pub struct Meter {
    samples: Gauge,
    bytes: Gauge,
    read: AtomicUsize,
    looked_at: AtomicUsize,
    fresh: AtomicUsize,
    /// What it shares with others.
    pool: Option<Arc<Pool>>,
}

/// Memory that several queries share. Without room in it none of them gets more.
#[derive(Debug)]
pub struct Pool {
    bytes: Gauge,
    max: usize,
}

impl Pool {
    /// So many bytes.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { bytes: Gauge::default(), max })
    }

    /// How many there are.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.max
    }

    /// How many are held now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.held.load(Ordering::Relaxed)
    }

    /// Whether so many more would be too many.
    pub(crate) fn lacks(&self, more: usize) -> bool {
        self.bytes().saturating_add(more) > self.max
    }
}

/// What is held, and the most of it there was.
#[derive(Debug, Default)]
struct Gauge {
    held: AtomicUsize,
    peak: AtomicUsize,
}

impl Gauge {
    /// Fails, and changes nothing, if more than `max` would be held.
    fn add(&self, more: usize, max: usize) -> bool {
        if more == 0 {
            return true;
        }
        // Adding first would let a huge attempt wrap the counter; others may be adding meanwhile, hence in one step.
        let held = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| held.checked_add(more).filter(|held| *held <= max));
        let Ok(before) = held else { return false };
        if self.peak.load(Ordering::Relaxed) < before + more {
            self.peak.fetch_max(before + more, Ordering::Relaxed);
        }
        true
    }

    fn give_back(&self, less: usize) {
        if less > 0 {
            // Never more than was added, so it cannot wrap.
            self.held.fetch_sub(less, Ordering::Relaxed);
        }
    }
}

impl Meter {
    /// One whose bytes count in a pool, too.
    #[must_use]
    pub fn of(pool: Option<Arc<Pool>>) -> Arc<Self> {
        Arc::new(Self { pool, ..Self::default() })
    }

    /// What it shares with others.
    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.pool.as_deref()
    }

    /// Samples that are held now, as [`crate::Limits::samples_max`] counts them.
    pub fn samples(&self) -> usize {
        self.samples.held.load(Ordering::Relaxed)
    }

    /// Bytes that are held now.
    pub fn bytes(&self) -> usize {
        self.bytes.held.load(Ordering::Relaxed)
    }

    /// What was used so far.
    pub fn stats(&self) -> Stats {
        Stats {
            samples_read: self.read.load(Ordering::Relaxed),
            samples_looked_at: self.looked_at.load(Ordering::Relaxed),
            samples_fresh: self.fresh.load(Ordering::Relaxed),
            samples_peak: self.samples.peak.load(Ordering::Relaxed),
            bytes_peak: self.bytes.peak.load(Ordering::Relaxed),
        }
    }

    /// Forgets what was read, for an evaluation that was given up and begins anew. What is held and was held at most stays.
    pub fn begin_anew(&self) {
        self.read.store(0, Ordering::Relaxed);
        self.looked_at.store(0, Ordering::Relaxed);
        self.fresh.store(0, Ordering::Relaxed);
    }

    /// Counts bytes that outlive an evaluation, such as its answer until it is sent. They are counted until the hold is dropped,
    /// and refused by no limit: they are there already.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Hold {
        self.bytes.add(bytes, usize::MAX);
        if let Some(pool) = &self.pool {
            pool.bytes.add(bytes, usize::MAX);
        }
        Hold { meter: Arc::clone(self), bytes }
    }

    pub(crate) fn add_samples(&self, samples: usize, max: usize) -> bool {
        self.samples.add(samples, max)
    }

    pub(crate) fn add_bytes(&self, bytes: usize, max: usize) -> bool {
        if !self.bytes.add(bytes, max) {
            return false;
        }
        let shared = self.pool.as_ref().is_none_or(|pool| pool.bytes.add(bytes, pool.max));
        if !shared {
            self.bytes.give_back(bytes);
        }
        shared
    }

    pub(crate) fn give_back(&self, samples: usize, bytes: usize) {
        self.samples.give_back(samples);
        self.bytes.give_back(bytes);
        self.pool.iter().for_each(|pool| pool.bytes.give_back(bytes));
    }

    pub(crate) fn count_read(&self, samples: usize) {
        self.read.fetch_add(samples, Ordering::Relaxed);
    }

    pub(crate) fn count_looked_at(&self, samples: usize) {
        self.looked_at.fetch_add(samples, Ordering::Relaxed);
    }

    pub(crate) fn count_fresh(&self, samples: usize) {
        self.fresh.fetch_add(samples, Ordering::Relaxed);
    }
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub struct Hold {
    meter: Arc<Meter>,
    bytes: usize,
}

impl Hold {
    /// Gives so many of them back, at most all.
    pub fn release(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.meter.give_back(0, bytes);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.meter.give_back(0, self.bytes);
    }
}

/// What a query used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Samples that storage decoded for it.
    pub samples_read: usize,
    /// Samples that its selectors looked at, those of a range vector once for each step whose window they are in: upstream's
    /// `totalQueryableSamples`.
    pub samples_looked_at: usize,
    /// Of these, what was not looked at before: of each window what was not in the one of the step before; what stands at a fixed time
    /// once: upstream's `samplesRead`. Known at the end of the query. Unless [`crate::Limits::per_step`] is set, what a subquery looks
    /// at between two windows counts too.
    pub samples_fresh: usize,
    /// Most samples that were counted against [`crate::Limits::samples_max`] at once.
    pub samples_peak: usize,
    /// Most bytes that were counted against [`crate::Limits::bytes_max`] at once.
    pub bytes_peak: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_threads_count_together() {
        let meter = Arc::new(Meter::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        assert!(meter.add_bytes(3, 12));
                        meter.give_back(0, 3);
                    }
                });
            }
        });
        let peak = meter.stats().bytes_peak;
        assert!(meter.bytes() == 0 && (3..=12).contains(&peak), "{peak}");
        assert!(meter.add_bytes(5, 8) && !meter.add_bytes(4, 8) && !meter.add_bytes(usize::MAX, usize::MAX));
        assert_eq!((meter.bytes(), meter.stats().bytes_peak), (5, peak.max(5)));
    }

    #[test]
    fn what_several_share_is_given_to_one_at_a_time() {
        let pool = Pool::new(100);
        let (one, other) = (Meter::of(Some(Arc::clone(&pool))), Meter::of(Some(Arc::clone(&pool))));
        assert!(one.add_bytes(60, 80) && !other.add_bytes(60, 80) && other.add_bytes(40, 80));
        assert_eq!((pool.bytes(), one.bytes(), other.bytes()), (100, 60, 40));
        one.give_back(0, 60);
        assert!(!other.add_bytes(60, 80) && other.add_bytes(40, 80), "its own limit holds too");
        let hold = one.hold(50);
        assert_eq!(pool.bytes(), 130, "what is there already counts");
        drop(hold);
        other.give_back(0, 80);
        assert_eq!((pool.bytes(), one.bytes(), other.bytes()), (0, 0, 0));
    }

    #[test]
    fn what_is_held_is_given_back_in_parts() {
        let meter = Arc::new(Meter::default());
        let mut hold = meter.hold(10);
        hold.release(4);
        assert_eq!(meter.bytes(), 6);
        hold.release(100);
        assert_eq!(meter.bytes(), 0);
        drop(hold);
        assert_eq!((meter.bytes(), meter.stats().bytes_peak), (0, 10));
    }
}
