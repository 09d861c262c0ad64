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
        let key = if matches!(slot, Slot::Column(_) | Slot::Timed(_)) { slot.pack() } else { None };
        if key.is_some_and(|key| self.seen.get(&key) == Some(&hash)) {
            return Ok(None);
        }
        let read = exposition::Exemplar::read(body, at)?;
        let Some(key) = key else { return Ok(None) };
        self.seen.insert(key, hash);
        let labels: Vec<_> = read.labels().collect();
        if labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum::<usize>() > CHARS_MAX {
            return Ok(None);
        }
        let (labels, own_time) = (LabelSet::from_pairs(labels), read.timestamp.is_some());
        let exemplar = Exemplar { labels, value: read.value, time: read.timestamp.unwrap_or(time), own_time };
        match slot {
            Slot::Column(column) => self.pending.push((column, exemplar)),
            Slot::Timed(number) => return Ok(Some((number, exemplar))),
            _ => {}
        }
        Ok(None)
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
