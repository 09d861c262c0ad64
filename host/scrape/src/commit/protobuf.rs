//! Bodies in protobuf. The same idea as for text: what names a series is hashed, compared with what came at the same place in the
//! last body, and read only where it differs.

use std::sync::Arc;

use exposition::Tail;
use exposition::protobuf::{self, Metric, Part, Value};
use model::seams::ColumnError;
use model::{FamilyKind, Histogram, LabelSet, TimestampMs};

use super::natives::{BUCKETS_MAX, Found};
use super::{Committer, Scan};
use crate::layout::{Layout, Resync, Slot};
use crate::native::{Unconverted, from_classic};
use crate::sample_labels::labels_of;
use crate::timed::Taken;

/// Exemplars of one native histogram that are looked at. Prometheus' libraries keep ten.
const NATIVE_EXEMPLARS_MAX: usize = 64;

/// Walks over a body beside the layout of the last one.
struct Walk<'k> {
    known: &'k Layout,
    resync: Resync<'k>,
    /// There if the body differs.
    fresh: Option<Layout>,
    /// Whether the body has to be read anew, without what is known.
    again: bool,
}

/// One metric, and what its series have in common.
struct Named<'a, 'b> {
    metric: &'b Metric<'a>,
    key: u64,
    /// When it began to count.
    start: Option<i64>,
    /// Its own, where it counts.
    time: Option<TimestampMs>,
}

impl Committer {
    /// Like `read_lines`.
    pub(super) fn read_protobuf(&mut self, scan: &mut Scan<'_>, known: &Layout) -> Result<Option<Layout>, String> {
        let mut walk = Walk { known, resync: Resync::new(known), fresh: None, again: false };
        let mut families = protobuf::Reader::new(scan.body);
        let mut rest_hash = 0_u64;
        while let Some(family) = families.next_family()? {
            let family_key = self.hasher.pair(self.hasher.hash(family.name.as_bytes()), family.kind as u64);
            let said = self.hasher.pair(self.hasher.hash(family.help.as_bytes()), self.hasher.hash(family.unit.as_bytes()));
            rest_hash = self.hasher.pair(rest_hash, self.hasher.pair(family_key, said));
            let mut metrics = family.metrics();
            while let Some(metric) = metrics.next_metric()? {
                self.read_metric(scan, &mut walk, family_key, &metric)?;
                if walk.again {
                    return self.read_again(scan);
                }
            }
        }
        scan.counts.rest_hash = rest_hash;
        if walk.fresh.is_none() && scan.cursor < known.len() {
            if self.duplicate_lines > 0 {
                return self.read_again(scan);
            }
            let mut layout = Layout::with_capacity(scan.cursor);
            layout.extend_from(known, 0..scan.cursor);
            walk.fresh = Some(layout);
        }
        Ok(walk.fresh)
    }

    fn read_metric(&mut self, scan: &mut Scan<'_>, walk: &mut Walk<'_>, family_key: u64, metric: &Metric<'_>) -> Result<(), String> {
        let value = metric.value()?;
        let key = match metric.named_by() {
            Some(bytes) => self.hasher.pair(family_key, self.hasher.hash(bytes)),
            None => {
                let mut labels = Vec::new();
                metric.read_labels(&mut labels)?;
                let hash = |key, text: &str| self.hasher.pair(key, self.hasher.hash(text.as_bytes()));
                labels.iter().fold(!family_key, |key, (name, value)| hash(hash(key, name), value))
            }
        };
        let time = metric.timestamp.filter(|_| self.rules.honor_timestamps);
        let named = Named { metric, key, start: value.start(), time };
        if let Value::Histogram(histogram) = &value {
            let rules = self.rules.histograms;
            let native = if rules.native && histogram.is_native() {
                Some(rules.limit(histogram.native()?).map_err(|error| format!("{error} (metric: {})", metric.family.name))?)
            } else if rules.custom_buckets && histogram.has_classic_buckets() {
                match from_classic(&value, metric.family.kind == FamilyKind::GaugeHistogram)? {
                    Ok(custom) => Some(rules.limit(custom).map_err(|error| format!("{error} (metric: {})", metric.family.name))?),
                    Err(Unconverted::Large) => None,
                    // As upstream, which drops the lines where it is text, and fails here.
                    Err(Unconverted::Contradicting) => {
                        return Err(format!("the buckets of a histogram contradict each other (metric: {})", metric.family.name));
                    }
                }
            } else {
                None
            };
            if let Some(native) = native {
                self.read_native(scan, &named, histogram, native)?;
                if !(rules.classic_too && histogram.has_classic_buckets()) {
                    return Ok(());
                }
            }
        }
        value.floats(|float| self.read_float(scan, walk, &named, &float))
    }

    /// Takes one sample that is a float.
    fn read_float(
        &mut self,
        scan: &mut Scan<'_>,
        walk: &mut Walk<'_>,
        named: &Named<'_, '_>,
        float: &protobuf::Float<'_>,
    ) -> Result<(), String> {
        if walk.again {
            return Ok(());
        }
        let key = self.part_key(named.key, float.part);
        let tail = Tail { value: float.value, timestamp: named.metric.timestamp, exemplar_at: None, end: 0 };
        let expected = walk.known.key(scan.cursor) == Some(key) && self.take(walk.known.slot(scan.cursor), tail, &mut scan.counts);
        let slot = if expected {
            let at = scan.cursor;
            scan.cursor += 1;
            if let Some(fresh) = &mut walk.fresh {
                fresh.extend_from(walk.known, at..at + 1);
            }
            walk.known.slot(at)
        } else {
            if walk.fresh.is_none() && self.duplicate_lines > 0 {
                // What is a duplicate may be none in the body at hand: look at all of it.
                walk.again = true;
                return Ok(());
            }
            let found = walk.resync.find(key, scan.cursor).filter(|at| self.take(walk.known.slot(*at), tail, &mut scan.counts));
            let slot = match found {
                Some(at) => walk.known.slot(at),
                None => self.resolve_float(scan, named, float)?,
            };
            let fresh = walk.fresh.get_or_insert_with(|| {
                let mut layout = Layout::with_capacity(walk.known.len() + 16);
                layout.extend_from(walk.known, 0..scan.cursor);
                layout
            });
            if !fresh.push(key, slot) {
                return Err("storage gave a column whose number is beyond what a scrape can hold".to_owned());
            }
            scan.cursor = found.map_or(scan.cursor, |at| at + 1);
            slot
        };
        scan.counts.lines += 1;
        self.take_start(named, slot);
        match &float.exemplar {
            Some(exemplar) => self.take_messages(scan.time, named, slot, &[*exemplar], false),
            None => Ok(()),
        }
    }

    #[cold]
    fn resolve_float(&mut self, scan: &mut Scan<'_>, named: &Named<'_, '_>, float: &protobuf::Float<'_>) -> Result<Slot, String> {
        let name = format!("{}{}", named.metric.family.name, float.part.suffix());
        let bound = float.part.label();
        let bound = bound.as_ref().map(|(name, value)| (*name, value.as_str()));
        let Some(labels) = self.labels(scan, named, &name, bound)? else { return Ok(Slot::Dropped) };
        let resolved = match named.time {
            Some(time) => self.resolve_timed(&labels, time, float.value, &mut scan.counts),
            None => self.resolve_column(&labels, float.value),
        };
        Ok(self.slot_or_refused(resolved, &labels, &mut scan.counts))
    }

    /// The labels of a series, after relabelling. None if it is not to be stored.
    fn labels(
        &self,
        scan: &mut Scan<'_>,
        named: &Named<'_, '_>,
        name: &str,
        more: Option<(&str, &str)>,
    ) -> Result<Option<LabelSet>, String> {
        let mut own = Vec::new();
        named.metric.read_labels(&mut own)?;
        if let Some((label, value)) = more {
            if own.iter().any(|(known, _)| *known == label) {
                return Err(format!("protobuf, family {:?}: the label {label:?}, which tells its samples apart", named.metric.family.name));
            }
            own.push((label, value));
        }
        let Some(labels) = labels_of(&self.rules, name, &own)? else { return Ok(None) };
        scan.counts.kept += 1;
        // Beyond the limit the scrape has failed. It is read to its end to tell by how much, but nothing is made in storage.
        let over = self.rules.limits.samples > 0 && scan.counts.kept > self.rules.limits.samples;
        Ok(Some(labels).filter(|_| !over))
    }

    /// Takes one native histogram.
    fn read_native(
        &mut self,
        scan: &mut Scan<'_>,
        named: &Named<'_, '_>,
        read: &protobuf::Histogram<'_>,
        native: Histogram,
    ) -> Result<(), String> {
        scan.counts.lines += 1;
        if !self.natives.fits(&native) {
            return Err(format!("native histograms of more than {BUCKETS_MAX} buckets in all"));
        }
        // Told apart from the samples of classic buckets, whose keys are made from the same.
        let key = !self.part_key(named.key, Part::Value);
        let native = Arc::new(native);
        let slot = match self.natives.find(key) {
            Found::Again => {
                scan.counts.kept += 1;
                scan.counts.duplicates += 1;
                return Ok(());
            }
            Found::Slot(slot) if self.take_native(scan, named.time, slot, &native) => slot,
            found => {
                if let Found::Slot(slot) = found {
                    self.natives.leave(slot, &mut self.ended);
                }
                let slot = match self.labels(scan, named, named.metric.family.name, None)? {
                    Some(labels) => {
                        let resolved = self.resolve_native(scan, named.time, &labels, &native);
                        self.slot_or_refused(resolved, &labels, &mut scan.counts)
                    }
                    None => Slot::Dropped,
                };
                self.natives.learn(key, slot);
                slot
            }
        };
        self.take_start(named, slot);
        let mut exemplars = Vec::new();
        read.exemplars::<protobuf::Error>(|exemplar| {
            if exemplars.len() < NATIVE_EXEMPLARS_MAX {
                exemplars.push(exemplar);
            }
            Ok(())
        })?;
        if exemplars.is_empty() { Ok(()) } else { self.take_messages(scan.time, named, slot, &exemplars, true) }
    }

    /// Like `take`, of a histogram.
    pub(super) fn take_native(&mut self, scan: &mut Scan<'_>, time: Option<TimestampMs>, slot: Slot, native: &Arc<Histogram>) -> bool {
        match (slot, time) {
            (Slot::Column(column), None) => self.natives.pending.push((column, Arc::clone(native))),
            (Slot::Timed(number), Some(time)) => match self.timed.push_histogram(number, time, native) {
                Taken::Yes => {}
                Taken::Duplicate => scan.counts.duplicates += 1,
                Taken::Diverged => return false,
            },
            (Slot::Dropped, _) => return true,
            (Slot::Duplicate, None) => scan.counts.duplicates += 1,
            (Slot::Refused, _) => scan.counts.refused += 1,
            _ => return false,
        }
        scan.counts.kept += 1;
        true
    }

    pub(super) fn resolve_native(
        &mut self,
        scan: &mut Scan<'_>,
        time: Option<TimestampMs>,
        labels: &LabelSet,
        native: &Arc<Histogram>,
    ) -> Result<Slot, ColumnError> {
        if let Some(time) = time {
            let (number, taken, new) = self.timed.resolve_histogram(labels, (time, native), &self.append, &self.key)?;
            scan.counts.added += u64::from(new);
            scan.counts.duplicates += u64::from(taken == Taken::Duplicate);
            return Ok(Slot::Timed(number));
        }
        let main = self.main.as_mut().ok_or_else(|| ColumnError::Failed("the group is closed".to_owned()))?;
        let column = main.column(labels)?;
        if self.natives.has(column) {
            scan.counts.duplicates += 1;
            return Ok(Slot::Duplicate);
        }
        scan.counts.added += 1;
        self.natives.pending.push((column, Arc::clone(native)));
        Ok(Slot::Column(column))
    }

    fn take_start(&mut self, named: &Named<'_, '_>, slot: Slot) {
        if let Some(start) = named.start
            && let Some(number) = self.starts.take(slot, start)
        {
            self.timed.push_start(number, start);
        }
    }

    /// Takes exemplars of one series. `timed` leaves out those without a time, as upstream does for native histograms.
    #[cold]
    fn take_messages(
        &mut self,
        time: TimestampMs,
        named: &Named<'_, '_>,
        slot: Slot,
        all: &[protobuf::Exemplar<'_>],
        timed: bool,
    ) -> Result<(), String> {
        let hash = all.iter().fold(0, |hash, exemplar| self.hasher.pair(hash, self.hasher.hash(exemplar.bytes())));
        if !self.exemplars.is_new(slot, hash) {
            return Ok(());
        }
        let time = named.time.unwrap_or(time);
        for exemplar in all {
            let read = exemplar.read()?;
            if timed && read.timestamp.is_none() {
                continue;
            }
            if let Some((number, exemplar)) = self.exemplars.keep(slot, read.labels, read.value, (read.timestamp, time)) {
                self.timed.push_exemplar(number, exemplar);
            }
        }
        Ok(())
    }

    fn part_key(&self, key: u64, part: Part) -> u64 {
        let (tag, bits) = match part {
            Part::Value => (1, 0),
            Part::Count => (2, 0),
            Part::Sum => (3, 0),
            Part::Quantile(value) => (4, value.to_bits()),
            Part::Bucket(bound) => (5, bound.to_bits()),
        };
        // Never the key that stands for none.
        self.hasher.pair(key ^ tag, bits) & !1
    }
}

#[cfg(test)]
#[path = "protobuf_tests.rs"]
pub(super) mod tests;
