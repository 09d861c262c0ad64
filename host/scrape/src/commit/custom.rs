//! `convert_classic_histograms_to_nhcb` for the text formats: classic histograms become native ones with custom buckets.
//!
//! A body is read once more before all else: lines of a family whose `# TYPE` is histogram, one below the other with the same labels
//! but `le`, are one histogram, as upstream has it. What they say goes into storage as a histogram; the body without them goes the way
//! of any other. Where buckets contradict each other, the lines are dropped, as upstream does.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use exposition::{Exemplar, Format, Line, Reader, parse_float, protobuf};
use model::{FamilyKind, Histogram, TimestampMs};

use super::natives::{BUCKETS_MAX, Found};
use super::{Committer, Scan};
use crate::layout::{Layout, Slot};
use crate::native::{in_order, with_custom_buckets};
use crate::sample_labels::labels_of;

/// Exemplars of one histogram that are looked at. A line has one at most.
const EXEMPLARS_MAX: usize = 64;

/// What a body holds.
#[derive(Debug, Default)]
struct Converted {
    histograms: Vec<Custom>,
    /// Lines that became histograms, in order.
    lines: Vec<Range<usize>>,
}

/// A histogram that was made of lines.
#[derive(Debug)]
struct Custom {
    name: String,
    /// By name, without `le`.
    labels: Vec<(String, String)>,
    timestamp: Option<TimestampMs>,
    histogram: Histogram,
    /// Where they begin and where their lines end.
    exemplars: Vec<(usize, usize)>,
}

/// Lines that may become one.
#[derive(Debug, Default)]
struct Collected {
    name: String,
    labels: Vec<(String, String)>,
    timestamp: Option<TimestampMs>,
    /// Bounds and cumulative counts as they come.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    lines: Vec<Range<usize>>,
    exemplars: Vec<(usize, usize)>,
}

/// What a line says of a histogram.
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl Converted {
    fn read(body: &[u8], format: Format) -> Result<Self, String> {
        let mut reader = Reader::new(body, format);
        let (mut converted, mut family, mut open) = (Self::default(), None::<String>, None::<Collected>);
        loop {
            let line = reader.read_line().map_err(|error| error.to_string())?;
            let part = match &line {
                None => break,
                Some(Line::Type(name, kind)) => {
                    family = (*kind == FamilyKind::Histogram).then(|| name.clone().into_owned());
                    None
                }
                Some(Line::Sample(sample)) => family.as_deref().and_then(|family| {
                    let mut labels: Vec<(String, String)> =
                        sample.labels().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
                    let part = part(family, &sample.name(), &mut labels)?;
                    labels.sort_unstable();
                    Some((part, labels, sample.value, sample.timestamp, sample.exemplar_at))
                }),
                Some(_) => None,
            };
            drop(line);
            let Some((part, labels, value, timestamp, exemplar_at)) = part else {
                converted.close(open.take());
                continue;
            };
            let name = family.as_deref().unwrap_or_default();
            if open.as_ref().is_some_and(|open| open.name != name || open.labels != labels || open.timestamp != timestamp) {
                converted.close(open.take());
            }
            let open = open.get_or_insert_with(|| Collected { name: name.to_owned(), labels, timestamp, ..Collected::default() });
            let line = reader.line_offset()..reader.offset();
            if let Some(at) = exemplar_at.filter(|_| open.exemplars.len() < EXEMPLARS_MAX) {
                open.exemplars.push((at, line.end));
            }
            open.lines.push(line);
            match part {
                Part::Bucket(bound) => open.buckets.push((bound, value)),
                Part::Count => open.count = Some(value),
                Part::Sum => open.sum = value,
            }
        }
        converted.close(open);
        Ok(converted)
    }

    /// What was collected becomes a histogram, if it makes one.
    fn close(&mut self, collected: Option<Collected>) {
        let Some(collected) = collected else { return };
        let Collected { name, labels, timestamp, buckets, count, sum, lines, exemplars } = collected;
        let (buckets, count) = in_order(buckets, count);
        if buckets.len() > protobuf::BUCKETS_MAX {
            return;
        }
        // As upstream, lines that contradict each other are dropped: they are neither kind of histogram.
        self.lines.extend(lines);
        if let Some(histogram) = with_custom_buckets(&buckets, count, sum, false) {
            self.histograms.push(Custom { name, labels, timestamp, histogram, exemplars });
        }
    }

    /// The body without the lines that became histograms.
    fn rest(&self, body: &[u8]) -> Vec<u8> {
        let mut rest = Vec::with_capacity(body.len());
        let mut at = 0;
        for line in &self.lines {
            rest.extend_from_slice(body.get(at..line.start).unwrap_or_default());
            at = line.end;
        }
        rest.extend_from_slice(body.get(at..).unwrap_or_default());
        rest
    }
}

/// What a line of a family's name says of its histogram; `le` is taken out of the labels. None for a line that is none of its parts.
fn part(family: &str, name: &str, labels: &mut Vec<(String, String)>) -> Option<Part> {
    match name.strip_prefix(family)? {
        "_count" => Some(Part::Count),
        "_sum" => Some(Part::Sum),
        "_bucket" => {
            let at = labels.iter().position(|(name, _)| name == "le")?;
            let bound = parse_float(&labels.get(at)?.1).filter(|bound| !bound.is_nan())?;
            labels.remove(at);
            Some(Part::Bucket(bound))
        }
        _ => None,
    }
}

impl Committer {
    /// Like `read_lines`, of a body whose classic histograms are to be stored as native ones.
    pub(super) fn read_converted(&mut self, scan: &mut Scan<'_>, known: &Layout) -> Result<Option<Layout>, String> {
        let converted = Converted::read(scan.body, scan.format)?;
        let rest = if self.rules.histograms.classic_too { Cow::Borrowed(scan.body) } else { Cow::Owned(converted.rest(scan.body)) };
        let mut inner = Scan { body: &rest, converted: true, counts: std::mem::take(&mut scan.counts), ..*scan };
        let fresh = self.read_lines(&mut inner, known);
        scan.counts = inner.counts;
        let fresh = fresh?;
        for custom in &converted.histograms {
            self.read_custom(scan, custom)?;
        }
        Ok(fresh)
    }

    fn read_custom(&mut self, scan: &mut Scan<'_>, custom: &Custom) -> Result<(), String> {
        scan.counts.lines += 1;
        if !self.natives.fits(&custom.histogram) {
            return Err(format!("histograms of more than {BUCKETS_MAX} buckets in all"));
        }
        let limited = self.rules.histograms.limit(custom.histogram.clone());
        let histogram = limited.map_err(|error| format!("{error} (metric: {})", custom.name))?;
        let time = custom.timestamp.filter(|_| self.rules.honor_timestamps);
        let hash = |key, text: &str| self.hasher.pair(key, self.hasher.hash(text.as_bytes()));
        let key = custom.labels.iter().fold(hash(0, &custom.name), |key, (name, value)| hash(hash(key, name), value));
        let native = Arc::new(histogram);
        let slot = match self.natives.find(key) {
            Found::Again => {
                scan.counts.kept += 1;
                scan.counts.duplicates += 1;
                return Ok(());
            }
            Found::Slot(slot) if self.take_native(scan, time, slot, &native) => slot,
            found => {
                if let Found::Slot(slot) = found {
                    self.natives.leave(slot, &mut self.ended);
                }
                let labels = labels_of(&self.rules, &custom.name, &custom.labels)?;
                scan.counts.kept += u64::from(labels.is_some());
                // Beyond the limit the scrape has failed, and nothing is made in storage.
                let over = self.rules.limits.samples > 0 && scan.counts.kept > self.rules.limits.samples;
                let slot = match labels.filter(|_| !over) {
                    Some(labels) => {
                        let resolved = self.resolve_native(scan, time, &labels, &native);
                        self.slot_or_refused(resolved, &labels, &mut scan.counts)
                    }
                    None => Slot::Dropped,
                };
                self.natives.learn(key, slot);
                slot
            }
        };
        self.take_exemplars(scan, custom, slot, time.unwrap_or(scan.time))
    }

    /// Those without a time are left out, as upstream does for native histograms.
    fn take_exemplars(&mut self, scan: &Scan<'_>, custom: &Custom, slot: Slot, time: TimestampMs) -> Result<(), String> {
        let bytes = |(at, end): (usize, usize)| scan.body.get(at..end).unwrap_or_default();
        let hash = custom.exemplars.iter().fold(0, |hash, place| self.hasher.pair(hash, self.hasher.hash(bytes(*place))));
        if custom.exemplars.is_empty() || !self.exemplars.is_new(slot, hash) {
            return Ok(());
        }
        for (at, _) in &custom.exemplars {
            let read = Exemplar::read(scan.body, *at).map_err(|error| error.to_string())?;
            let Some(own) = read.timestamp else { continue };
            if let Some((number, exemplar)) = self.exemplars.keep(slot, read.labels().collect(), read.value, (Some(own), time)) {
                self.timed.push_exemplar(number, exemplar);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "custom_tests.rs"]
mod tests;
