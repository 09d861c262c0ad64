//! Exemplars and start timestamps beside the samples of their series.

use model::seams::Exemplar;

use super::Commit;
use crate::cache::{LANE_ENDED, LANE_INVALID, LANE_REFUSED, LANE_STATES};
use crate::hash::Key;
use crate::sender::State;

/// Exemplars that wait for the next sample of their series.
const WAITING_MAX: usize = 1024;

/// An exemplar whose series had no sample in its request.
pub(crate) struct Waiting {
    entry: u32,
    key: Key,
    exemplar: Exemplar,
}

impl Commit<'_> {
    /// Puts exemplars beside the samples of their series; those without one wait for the next.
    pub(super) fn place_exemplars(&mut self) {
        let parsed = self.parsed;
        // Later samples of a series may have taken its starts along only by number.
        for (sample, start) in &parsed.starts {
            let sample = &parsed.samples[*sample as usize];
            let State { cache, rows, .. } = &mut *self.state;
            let entry = cache.entry(sample.entry);
            if let Some(row) = rows.find(entry.lane, sample.time) {
                rows.rows[row as usize].starts.push((entry.column, *start));
            }
        }
        for waiting in std::mem::take(&mut self.state.waiting) {
            if self.state.cache.entry(waiting.entry).key == waiting.key {
                self.place_exemplar(waiting.entry, waiting.exemplar);
            }
        }
        for sample in &parsed.exemplars {
            self.place_exemplar(sample.entry, sample.exemplar.clone());
        }
    }

    fn place_exemplar(&mut self, at: u32, exemplar: Exemplar) {
        let State { cache, rows, waiting, .. } = &mut *self.state;
        let entry = *cache.entry(at);
        if exemplar.time > self.context.time_max || matches!(entry.lane, LANE_INVALID | LANE_REFUSED | LANE_ENDED) {
            return;
        }
        match rows.find(entry.lane, entry.newest) {
            Some(row) => rows.rows[row as usize].exemplars.push((entry.column, exemplar)),
            None if entry.lane < LANE_STATES && waiting.len() < WAITING_MAX => {
                waiting.push(Waiting { entry: at, key: entry.key, exemplar })
            }
            None => {}
        }
    }
}
