//! Lets targets share wake-ups: ticks are multiples of a step that is as coarse as brings a few targets together.
//!
//! A scrape alone finds a processor that slept, the kernel's and our code cold, and pays a timer and a wake-up of its own: at
//! forty scrapes a second that is a third of its cost. Four at a time share them. Load still spreads, for what comes at one
//! time is a few targets and never a large part of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps in milliseconds. Each divides the one before, so that a finer step moves a tick by less than the coarser one; the
/// coarsest divides a second, so that intervals of whole seconds meet.
const STEPS_MS: [u64; 6] = [200, 100, 20, 10, 5, 1];

/// Scrapes that may come at one time, on average: a step is left for a finer one where there would be more than the second of
/// these, and for a coarser one only if there would be no more than the first, so that a target more or less changes nothing.
const TOGETHER: (u64, u64) = (6, 10);

/// A step is at most such a part of a target's interval.
const INTERVAL_PART_MIN: u64 = 5;

/// Scrapes a second are counted in millionths.
const MICRO: u64 = 1_000_000;

/// How ticks lie at present. All loops share one.
#[derive(Debug)]
pub(crate) struct Grid {
    /// Millionths of scrapes a second, of all targets.
    rate: AtomicU64,
    step_ms: AtomicU64,
}

impl Default for Grid {
    fn default() -> Self {
        Self { rate: AtomicU64::new(0), step_ms: AtomicU64::new(STEPS_MS[0]) }
    }
}

impl Grid {
    /// The offset of a target's ticks, moved to the grid.
    pub(crate) fn align(&self, offset_ms: u64, interval_ms: u64) -> u64 {
        let step = self.step_ms.load(Ordering::Relaxed);
        let step = STEPS_MS.into_iter().find(|other| *other <= step && *other * INTERVAL_PART_MIN <= interval_ms).unwrap_or(1);
        offset_ms / step * step
    }

    fn change(&self, add: u64, sub: u64) {
        // Wraps around at neither end: what is taken away was added before.
        let rate = self.rate.fetch_add(add.wrapping_sub(sub), Ordering::Relaxed).wrapping_add(add.wrapping_sub(sub));
        let step = self.step_ms.load(Ordering::Relaxed);
        // Of updates at the same time the last counts; the next change of a target mends what it got wrong.
        self.step_ms.store(next_step(step, rate), Ordering::Relaxed);
    }
}

/// The step for so many millionths of scrapes a second.
fn next_step(step_ms: u64, rate: u64) -> u64 {
    let fits = |step: u64, most: u64| rate.saturating_mul(step) <= most.saturating_mul(1000 * MICRO);
    let coarsest = |most: u64| STEPS_MS.into_iter().find(|step| fits(*step, most)).unwrap_or(1);
    // The one at hand lies between the two, or gives way to the nearer.
    step_ms.clamp(coarsest(TOGETHER.0), coarsest(TOGETHER.1))
}

/// A target's part in the rate, for as long as it is scraped.
pub(crate) struct OnGrid {
    grid: Arc<Grid>,
    rate: u64,
}

impl OnGrid {
    pub(crate) fn new(grid: Arc<Grid>) -> Self {
        Self { grid, rate: 0 }
    }

    /// The target is scraped at this interval.
    pub(crate) fn every(&mut self, interval_ms: u64) {
        let rate = 1000 * MICRO / interval_ms.max(1);
        if rate != self.rate {
            self.grid.change(rate, self.rate);
            self.rate = rate;
        }
    }
}

impl Drop for OnGrid {
    fn drop(&mut self) {
        self.grid.change(0, self.rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_targets_come_together_whatever_their_number() {
        for (targets, interval_ms, step) in [
            (1, 15_000, 200),
            (20, 1_000, 200),
            (200, 5_000, 100),
            (200, 1_000, 20),
            (1_000, 15_000, 20),
            (10_000, 15_000, 5),
            (10_000, 1_000, 1),
        ] {
            let grid = Arc::new(Grid::default());
            let mut on: Vec<OnGrid> = (0..targets).map(|_| OnGrid::new(Arc::clone(&grid))).collect();
            on.iter_mut().for_each(|on| on.every(interval_ms));
            let got = grid.step_ms.load(Ordering::Relaxed);
            assert!(targets * got / interval_ms <= TOGETHER.1 + 1, "{targets} / {interval_ms}: {got}");
            assert!(got >= step, "{targets} / {interval_ms}: {got}");
            drop(on);
            assert_eq!((grid.rate.load(Ordering::Relaxed), grid.step_ms.load(Ordering::Relaxed)), (0, STEPS_MS[0]));
        }
    }

    #[test]
    fn a_target_that_comes_and_goes_does_not_move_the_others() {
        let grid = Arc::new(Grid::default());
        let mut on: Vec<OnGrid> = Vec::new();
        let (mut changes, mut last) = (0, 200);
        for n in 0..2000 {
            let more = n % 3 != 2;
            if more {
                on.push(OnGrid::new(Arc::clone(&grid)));
                on.iter_mut().for_each(|on| on.every(1000));
            } else {
                on.pop();
            }
            let now = grid.step_ms.load(Ordering::Relaxed);
            changes += u32::from(now != last);
            last = now;
        }
        assert!(changes < 6, "{changes} changes");
    }

    #[test]
    fn short_intervals_keep_a_fine_grid() {
        let grid = Grid::default();
        for (offset, interval, expected) in [(4_999, 5_000, 4_800), (799, 1_000, 600), (99, 100, 80), (49, 50, 40), (7, 10, 7), (0, 0, 0)] {
            assert_eq!(grid.align(offset, interval), expected, "{offset} of {interval}");
        }
    }
}
