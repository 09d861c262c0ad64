//! Native histograms and start timestamps of a target, on their way from a body to storage.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::quality::FixedState;
use model::seams::ColumnId;
use model::{Histogram, StartTimestampMs};

use crate::layout::Slot;

/// Buckets of all native histograms of a scrape, which wait until the row is written. Each histogram counts as some more, for what it
/// takes without any.
pub(super) const BUCKETS_MAX: usize = 4 << 20;

const HISTOGRAM_AS_BUCKETS: usize = 32;

/// The series of a target that are native histograms. There are few of them, each in the place of many: so they are found by a
/// hash, not by their place in the body.
#[derive(Default)]
pub(crate) struct Natives {
    /// By the key of what names the metric.
    known: HashMap<u64, Known, FixedState>,
    /// Columns of the target's group that these lead to.
    columns: HashSet<ColumnId, FixedState>,
    /// Counts scrapes.
    scrape: u32,
    /// To be written with the next row.
    pub(super) pending: Vec<(ColumnId, Arc<Histogram>)>,
    buckets: usize,
    /// Of those that came in this scrape, the ones that storage refused.
    refused: u64,
    /// Whether one was looked up in this scrape.
    new: bool,
}

#[derive(Clone, Copy)]
struct Known {
    slot: Slot,
    seen: u32,
}

/// What is known of a metric.
pub(super) enum Found {
    /// It is to be looked up.
    New,
    /// It came in this body before.
    Again,
    /// Where it leads.
    Slot(Slot),
}

impl Natives {
    /// Begins a body.
    pub(super) fn begin(&mut self) {
        self.scrape = self.scrape.wrapping_add(1);
        self.pending.clear();
        self.buckets = 0;
        self.refused = 0;
        self.new = false;
    }

    /// What was refused, or dropped by rules that no longer hold, is asked for again.
    pub(super) fn forget_refused(&mut self) {
        self.known.retain(|_, known| !matches!(known.slot, Slot::Refused | Slot::Dropped));
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn find(&mut self, key: u64) -> Found {
        match self.known.get_mut(&key) {
            None => Found::New,
            Some(known) if known.seen == self.scrape => Found::Again,
            Some(known) => {
                known.seen = self.scrape;
                self.refused += u64::from(known.slot == Slot::Refused);
                Found::Slot(known.slot)
            }
        }
    }

    pub(super) fn learn(&mut self, key: u64, slot: Slot) {
        if let Slot::Column(column) = slot {
            self.columns.insert(column);
        }
        self.refused += u64::from(slot == Slot::Refused);
        self.new = true;
        self.known.insert(key, Known { slot, seen: self.scrape });
    }

    /// Whether the row has room for its buckets.
    #[must_use]
    pub(super) fn fits(&mut self, histogram: &Histogram) -> bool {
        self.buckets += HISTOGRAM_AS_BUCKETS + histogram.bucket_count() + histogram.custom_bounds.len();
        self.buckets <= BUCKETS_MAX
    }

    /// Whether a column of the target's group is one of a histogram.
    pub(super) fn has(&self, column: ColumnId) -> bool {
        self.columns.contains(&column)
    }

    /// A metric no longer leads there: it came without a time and has one now.
    pub(super) fn leave(&mut self, slot: Slot, ended: &mut Vec<ColumnId>) {
        if let Slot::Column(column) = slot
            && self.columns.remove(&column)
        {
            ended.push(column);
        }
    }

    /// Takes out what has one of these columns too: a target that writes floats and a histogram under the same labels. Returns how
    /// many there were. Such a histogram is looked up again in the next scrape.
    pub(super) fn give_way(&mut self, columns: &[ColumnId]) -> u64 {
        if !self.new || self.pending.is_empty() {
            return 0;
        }
        let columns: HashSet<ColumnId, FixedState> = columns.iter().copied().collect();
        self.known.retain(|_, known| !matches!(known.slot, Slot::Column(column) if columns.contains(&column)));
        self.columns.retain(|column| !columns.contains(column));
        let before = self.pending.len();
        self.pending.retain(|(column, _)| !columns.contains(column));
        (before - self.pending.len()) as u64
    }

    /// The columns of series that did not come in this scrape, or of all: they end.
    pub(super) fn end(&mut self, all: bool, ended: &mut Vec<ColumnId>) {
        let (scrape, columns, before) = (self.scrape, &mut self.columns, ended.len());
        self.known.retain(|_, known| {
            let stays = known.seen == scrape && !all;
            if let (Slot::Column(column), false) = (known.slot, stays)
                && columns.remove(&column)
            {
                ended.push(column);
            }
            stays
        });
        if ended.len() > before {
            // What had the labels of one that ended may have them alone now.
            self.known.retain(|_, known| known.slot != Slot::Duplicate);
        }
        if self.new {
            // What ended before and could not be told of came again.
            ended.retain(|column| !columns.contains(column));
        }
        if all {
            self.pending.clear();
        }
    }
}

/// Start timestamps. A target repeats them in each scrape; storage is told of those that are new.
#[derive(Default)]
pub(crate) struct Starts {
    /// The last one, by packed slot.
    seen: HashMap<u32, StartTimestampMs, FixedState>,
    pub(super) pending: Vec<(ColumnId, StartTimestampMs)>,
}

impl Starts {
    /// Takes one. It is returned if it belongs to a series with times of its own.
    pub(super) fn take(&mut self, slot: Slot, start: StartTimestampMs) -> Option<u32> {
        let key = slot.pack().filter(|_| matches!(slot, Slot::Column(_) | Slot::Timed(_)))?;
        if self.seen.insert(key, start) == Some(start) {
            return None;
        }
        match slot {
            Slot::Timed(number) => Some(number),
            Slot::Column(column) => {
                self.pending.push((column, start));
                None
            }
            _ => None,
        }
    }

    /// A column belongs to nobody any more.
    pub(super) fn ended(&mut self, columns: &[ColumnId]) {
        if !self.seen.is_empty() {
            columns.iter().filter_map(|column| Slot::Column(*column).pack()).for_each(|key| _ = self.seen.remove(&key));
        }
    }

    /// What is pending was not written: the next scrape brings it again.
    pub(super) fn forget(&mut self) {
        self.pending.clear();
        self.seen.clear();
    }
}
