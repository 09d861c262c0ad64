//! Which metric of OpenTelemetry a series belongs to: after translation two may be meant by the same labels.

use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
use model::TimestampMs;

use crate::hash::Key;

/// Most series whose metric is remembered. Beyond it two metrics are not told apart.
const CLAIMS_MAX: usize = 4 << 20;
/// How long a metric holds a series that it does not write, in milliseconds: then another may have it, such as one that was renamed.
const HELD_MS_MAX: i64 = 300_000;

/// Most names of metrics that are kept for texts.
const NAMES_MAX: usize = 10_000;
/// Of that many bytes at most.
const NAME_BYTES_MAX: usize = 256;

/// A series and the metric that writes it.
#[derive(Clone, Copy)]
struct Claim {
    key: Key,
    /// A hash of the metric's own name.
    metric: u64,
    seen: TimestampMs,
}

/// The series of a sender that came by OTLP.
#[derive(Default)]
pub(crate) struct Claims {
    table: HashTable<Claim>,
    names: HashMap<u64, Box<str>>,
}

impl Claims {
    /// Gives a series to a metric, if it was nobody's, or its own already, or its metric has not written it for long. The error is
    /// the hash of the metric that keeps it.
    pub(crate) fn claim(&mut self, key: Key, (metric, name): (u64, &str), now: TimestampMs) -> Result<(), u64> {
        let full = self.table.len() >= CLAIMS_MAX;
        match self.table.entry(key.hash, |claim| claim.key == key, |claim| claim.key.hash) {
            Entry::Occupied(mut held) => {
                let claim = held.get_mut();
                let free = claim.metric == metric || claim.seen < now.saturating_sub(HELD_MS_MAX);
                if !free {
                    return Err(claim.metric);
                }
                (claim.metric, claim.seen) = (metric, now);
            }
            Entry::Vacant(place) => {
                if !full {
                    place.insert(Claim { key, metric, seen: now });
                }
            }
        }
        if self.names.len() < NAMES_MAX && name.len() <= NAME_BYTES_MAX && !self.names.contains_key(&metric) {
            self.names.insert(metric, name.into());
        }
        Ok(())
    }

    /// The name of a metric that has claims, where it is kept.
    pub(crate) fn name(&self, metric: u64) -> Option<&str> {
        self.names.get(&metric).map(|name| &**name)
    }

    /// Forgets what is nobody's any more.
    pub(crate) fn tend(&mut self, now: TimestampMs) {
        self.table.retain(|claim| claim.seen >= now.saturating_sub(HELD_MS_MAX));
        let named: hashbrown::HashSet<u64> = self.table.iter().map(|claim| claim.metric).collect();
        self.names.retain(|metric, _| named.contains(metric));
        if self.table.len() < self.table.capacity() / 4 {
            self.table.shrink_to(self.table.len() * 2, |claim| claim.key.hash);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.table.allocation_size() + self.names.allocation_size() + self.names.values().map(|name| name.len()).sum::<usize>()
    }
}
