//! Exemplars on their way from a body to storage.
//!
//! A target repeats an exemplar in each scrape until there is another. So a line's exemplar is compared with the one before
//! by a hash of its bytes, and read only where it differs. Lines without one cost nothing.

use std::collections::HashMap;

use exposition::ParseError;
use foldhash::quality::FixedState;
use model::seams::{ColumnId, Exemplar};
use model::{LabelSet, TimestampMs};

use crate::layout::{KeyHasher, Slot};

/// Most characters of names and values together, as OpenMetrics has it. A longer one is not kept, as upstream.
const CHARS_MAX: usize = 128;

/// Of one target.
#[derive(Default)]
pub(crate) struct Exemplars {
    /// The hash of the last one, by packed slot.
    seen: HashMap<u32, u64, FixedState>,
    /// Of samples of the target's own group that are to be written.
    pub(crate) pending: Vec<(ColumnId, Exemplar)>,
}

impl Exemplars {
    /// Takes the exemplar in `body` from `at` to `end`, the end of its line. It is returned if it belongs to a series with
    /// times of its own, for whoever keeps its rows.
    pub(crate) fn take(
        &mut self,
        body: &[u8],
        (at, end): (usize, usize),
        slot: Slot,
        time: TimestampMs,
        hasher: &KeyHasher,
    ) -> Result<Option<(u32, Exemplar)>, ParseError> {
        let hash = hasher.hash(body.get(at..end).unwrap_or_default());
        if !self.is_new(slot, hash) {
            return Ok(None);
        }
        let read = exposition::Exemplar::read(body, at)?;
        Ok(self.keep(slot, read.labels().collect(), read.value, (read.timestamp, time)))
    }

    /// Whether a series' exemplar differs from the one before. What has no series is new each time: it is read, and found bad if
    /// it is.
    pub(crate) fn is_new(&mut self, slot: Slot, hash: u64) -> bool {
        let key = slot.pack().filter(|_| matches!(slot, Slot::Column(_) | Slot::Timed(_)));
        key.is_none_or(|key| self.seen.insert(key, hash) != Some(hash))
    }

    /// Takes what was read of one, with its own time and that of its sample.
    pub(crate) fn keep<S: AsRef<str>>(
        &mut self,
        slot: Slot,
        labels: Vec<(S, S)>,
        value: f64,
        (own, time): (Option<TimestampMs>, TimestampMs),
    ) -> Option<(u32, Exemplar)> {
        let chars = |text: &S| text.as_ref().chars().count();
        if labels.iter().map(|(name, value)| chars(name) + chars(value)).sum::<usize>() > CHARS_MAX {
            return None;
        }
        let exemplar = Exemplar { labels: LabelSet::from_pairs(labels), value, time: own.unwrap_or(time), own_time: own.is_some() };
        match slot {
            Slot::Column(column) => self.pending.push((column, exemplar)),
            Slot::Timed(number) => return Some((number, exemplar)),
            _ => {}
        }
        None
    }

    /// A column belongs to nobody any more.
    pub(crate) fn ended(&mut self, columns: &[ColumnId]) {
        if !self.seen.is_empty() {
            columns.iter().filter_map(|column| Slot::Column(*column).pack()).for_each(|key| _ = self.seen.remove(&key));
        }
    }

    /// What is pending was not written: the next scrape brings it again.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
        self.seen.clear();
    }
}
