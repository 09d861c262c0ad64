//! Reading a body against the layout of the last one.

use exposition::{Format, Reader, Tail, read_tail};
use model::TimestampMs;

use super::{Committer, Counts, REFUSED_RETRY_SCRAPES, Scan};
use crate::layout::{Layout, Resync, Slot};
use crate::timed::Taken;

impl Committer {
    /// Reads a body. The layout in the answer is there if it differs from the last one; its columns are checked by
    /// [`Committer::reconcile`].
    pub(super) fn read(&mut self, body: &[u8], format: Format, time: TimestampMs) -> Result<(Counts, Option<Layout>), (String, Counts)> {
        let mut known = std::mem::take(&mut self.layout);
        self.scrapes_since_retry += 1;
        if self.refused_lines + self.natives.refused() > 0 && self.scrapes_since_retry >= REFUSED_RETRY_SCRAPES {
            self.scrapes_since_retry = 0;
            self.natives.forget_refused();
            known = Layout::default();
        }
        let mut scan = Scan { body, format, time, at: 0, cursor: 0, converted: false, counts: Counts::default() };
        self.values.clear();
        self.exemplars.pending.clear();
        self.starts.pending.clear();
        self.natives.begin();
        self.begin_refusals();
        let result = self.read_samples(&mut scan, &known);
        let over = self.rules.limits.samples > 0 && scan.counts.kept > self.rules.limits.samples;
        match result {
            Err(error) => Err((error, scan.counts)),
            Ok(_) if over => Err((
                format!("sample limit exceeded: {} samples, sample_limit is {}", scan.counts.kept, self.rules.limits.samples),
                scan.counts,
            )),
            Ok(None) if self.values.len() == self.sample_columns => {
                self.layout = known;
                Ok((scan.counts, None))
            }
            // A body without samples after the layout was forgotten is not like the last one either.
            Ok(fresh) => Ok((scan.counts, Some(fresh.unwrap_or_default()))),
        }
    }

    pub(super) fn read_samples(&mut self, scan: &mut Scan<'_>, known: &Layout) -> Result<Option<Layout>, String> {
        match scan.format {
            Format::Protobuf => self.read_protobuf(scan, known),
            _ if self.rules.histograms.custom_buckets && !scan.converted => self.read_converted(scan, known),
            _ => self.read_lines(scan, known),
        }
    }

    pub(super) fn read_lines(&mut self, scan: &mut Scan<'_>, known: &Layout) -> Result<Option<Layout>, String> {
        let mut reader = Reader::new(scan.body, scan.format);
        let mut resync = Resync::new(known);
        let mut fresh: Option<Layout> = None;
        loop {
            let from = scan.cursor;
            self.read_known(scan, known)?;
            if let Some(fresh) = &mut fresh {
                fresh.extend_from(known, from..scan.cursor);
            }
            if scan.cursor > from {
                reader.seek(scan.at, known.kind(scan.cursor - 1));
            }
            let Some(sample) = reader.read_sample().map_err(|error| error.to_string())? else {
                scan.counts.rest_hash = self.hasher.hash(scan.body.get(scan.at..).unwrap_or_default());
                break;
            };
            if fresh.is_none() && self.duplicate_lines > 0 {
                // What is a duplicate may be none in the body at hand: look at all of it.
                return self.read_again(scan);
            }
            let fresh = fresh.get_or_insert_with(|| {
                let mut layout = Layout::with_capacity(known.len() + 16);
                layout.extend_from(known, 0..scan.cursor);
                layout
            });
            let key = self.hasher.key(&scan.body[scan.at..sample.value_at], sample.kind);
            let tail = Tail { value: sample.value, timestamp: sample.timestamp, exemplar_at: sample.exemplar_at, end: 0 };
            let found = resync.find(key, scan.cursor).filter(|at| self.take(known.slot(*at), tail, &mut scan.counts));
            let slot = match found {
                Some(at) => {
                    scan.cursor = at + 1;
                    known.slot(at)
                }
                None => self.resolve(&sample, &mut scan.counts)?,
            };
            scan.counts.lines += 1;
            if !fresh.push(key, slot) {
                return Err("storage gave a column whose number is beyond what a scrape can hold".to_owned());
            }
            scan.at = reader.offset();
            if tail.exemplar_at.is_some() {
                self.take_exemplar(scan, Tail { end: scan.at, ..tail }, slot)?;
            }
        }
        if fresh.is_none() && scan.cursor < known.len() {
            if self.duplicate_lines > 0 {
                return self.read_again(scan);
            }
            let mut layout = Layout::with_capacity(scan.cursor);
            layout.extend_from(known, 0..scan.cursor);
            fresh = Some(layout);
        }
        Ok(fresh)
    }

    /// Reads the body anew without what is known of the last one.
    pub(super) fn read_again(&mut self, scan: &mut Scan<'_>) -> Result<Option<Layout>, String> {
        self.duplicate_lines = 0;
        self.values.clear();
        self.exemplars.forget();
        self.starts.forget();
        self.natives.begin();
        self.timed.begin();
        (scan.at, scan.cursor, scan.counts) = (0, 0, Counts::default());
        let fresh = self.read_samples(scan, &Layout::default())?;
        Ok(Some(fresh.unwrap_or_default()))
    }

    /// Walks over lines that are as the known layout expects them.
    #[inline]
    pub(super) fn read_known(&mut self, scan: &mut Scan<'_>, known: &Layout) -> Result<(), String> {
        while let Some(value_at) = known.matches(scan.cursor, scan.body, scan.at, &self.hasher) {
            // What is wrong here may be right for a reader of the whole line, such as one more blank before the value.
            let Ok(tail) = read_tail(scan.body, value_at, scan.format) else { break };
            if !self.take(known.slot(scan.cursor), tail, &mut scan.counts) {
                break;
            }
            if tail.exemplar_at.is_some() {
                self.take_exemplar(scan, tail, known.slot(scan.cursor))?;
            }
            scan.counts.lines += 1;
            scan.cursor += 1;
            scan.at = tail.end;
        }
        Ok(())
    }

    #[cold]
    pub(super) fn take_exemplar(&mut self, scan: &Scan<'_>, tail: Tail, slot: Slot) -> Result<(), String> {
        let Some(at) = tail.exemplar_at else { return Ok(()) };
        let time = tail.timestamp.filter(|_| self.rules.honor_timestamps).unwrap_or(scan.time);
        let taken = self.exemplars.take(scan.body, (at, tail.end), slot, time, &self.hasher).map_err(|error| error.to_string())?;
        if let Some((number, exemplar)) = taken {
            self.timed.push_exemplar(number, exemplar);
        }
        Ok(())
    }

    /// Takes a value whose line is known. False if it comes with a time where it came without one, or the other way round,
    /// or if its time leads elsewhere.
    #[inline]
    pub(super) fn take(&mut self, slot: Slot, tail: Tail, counts: &mut Counts) -> bool {
        let time = tail.timestamp.filter(|_| self.rules.honor_timestamps);
        match (slot, time) {
            (Slot::Column(_), None) => self.values.push(tail.value),
            (Slot::Timed(number), Some(time)) => match self.timed.push(number, time, tail.value) {
                Taken::Yes => {}
                Taken::Duplicate => counts.duplicates += 1,
                Taken::Diverged => return false,
            },
            (Slot::Dropped, _) => return true,
            (Slot::Duplicate, None) => counts.duplicates += 1,
            (Slot::Refused, _) => counts.refused += 1,
            _ => return false,
        }
        counts.kept += 1;
        true
    }
}
