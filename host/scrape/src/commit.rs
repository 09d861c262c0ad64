//! From a body to rows in storage. The hot path of the whole program.
//!
//! A target's body has the same lines in the same order as the last one; only values differ. So [`Committer`] keeps the
//! layout of the last body, and for a line that begins as it did then, only the value is read. What differs is parsed,
//! relabelled and looked up.

mod custom;
mod natives;
mod protobuf;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exposition::{Format, Reader, Sample, Tail, read_tail};
use foldhash::quality::FixedState;
use model::seams::{Append, AppendError, AppendReport, ColumnError, ColumnId, GroupAppend, GroupRow, Row};
use model::{LabelSet, METRIC_NAME, TimestampMs, stale};

use crate::exemplars::Exemplars;
use crate::layout::{KeyHasher, Layout, Resync, Slot};
use crate::metadata::{Families, SharedMetadata};
use crate::refusal::{Exploding, RefusedSeries};
use crate::report::{REPORT_NAMES, Report, report_names};
use crate::sample_labels::{SampleRules, series_labels};
use crate::timed::{Taken, TimedGroups};

/// Scrapes after which series that storage refused are asked for again.
const REFUSED_RETRY_SCRAPES: u32 = 8;

/// How often, and after which wait, a group is asked for that somebody else writes.
const OPEN_TRIES_MAX: u32 = 20;
const OPEN_WAIT: Duration = Duration::from_millis(10);

/// Writes the scrapes of one target.
pub(crate) struct Committer {
    append: Arc<dyn Append>,
    /// Names the target's group in storage.
    key: String,
    hasher: KeyHasher,
    rules: Arc<SampleRules>,
    main: Option<Box<dyn GroupAppend>>,
    /// Of the last body; empty after a failed scrape.
    layout: Layout,
    /// Columns of the samples in the last row, in the order of the layout, then those of the report.
    columns: Vec<ColumnId>,
    /// How many of them are samples.
    sample_columns: usize,
    /// Which entry of the report each of the others is.
    report_columns: Vec<(usize, ColumnId)>,
    values: Vec<f64>,
    /// Series that ended but whose stale marker could not be written.
    ended: Vec<ColumnId>,
    timed: TimedGroups,
    exemplars: Exemplars,
    natives: natives::Natives,
    starts: natives::Starts,
    shared_metadata: Arc<SharedMetadata>,
    /// What the last good body said of its families.
    metadata: Families,
    /// The hash of what stood behind its last sample.
    rest_hash: Option<u64>,
    duplicate_lines: u64,
    refused_lines: u64,
    refused_reason: String,
    /// What series that storage refuses have in common; there as long as it refuses some.
    exploding: Option<Box<Exploding>>,
    /// What was said of them last.
    refused_series: Option<Arc<RefusedSeries>>,
    scrapes_since_retry: u32,
    last_time: TimestampMs,
}

/// One scrape to be written.
pub(crate) struct Scrape<'a> {
    /// Of the samples.
    pub(crate) time: TimestampMs,
    /// When it began, for its duration.
    pub(crate) began: Instant,
    /// The text, or why there is none.
    pub(crate) body: Result<(&'a [u8], Format), String>,
    /// Milliseconds that it might take.
    pub(crate) timeout_ms: u64,
    /// Whether the report has its further entries.
    pub(crate) extra_metrics: bool,
    /// When the target's certificate ends, in Unix seconds. None without TLS, and without an answer: then the series ends.
    pub(crate) certificate_not_after: Option<f64>,
}

/// What became of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Committed {
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// What could not be stored though the scrape succeeded.
    pub(crate) warning: Option<String>,
    /// Lines with a value.
    pub(crate) lines: u64,
    /// Of these, kept by relabelling.
    pub(crate) kept: u64,
    /// Series that were not there in the last scrape.
    pub(crate) added: u64,
    /// Lines whose series stands further above.
    pub(crate) duplicates: u64,
    /// Lines whose series storage refused.
    pub(crate) refused: u64,
    /// Series that storage was asked for and refused.
    pub(crate) newly_refused: u64,
    /// What is known of those that a limit refuses.
    pub(crate) refused_series: Option<Arc<RefusedSeries>>,
    /// Samples that were lost because storage failed.
    pub(crate) lost: u64,
    /// What storage said of the rest.
    pub(crate) report: AppendReport,
    /// What the target says of its families, where a good body says something new.
    pub(crate) metadata: Option<Families>,
}

/// What is counted while a body is read.
#[derive(Default)]
struct Counts {
    lines: u64,
    kept: u64,
    added: u64,
    duplicates: u64,
    refused: u64,
    newly_refused: u64,
    /// Of what stands behind the last sample.
    rest_hash: u64,
}

/// Where reading stands.
struct Scan<'a> {
    body: &'a [u8],
    format: Format,
    /// Of samples without one of their own.
    time: TimestampMs,
    /// Where the next line begins.
    at: usize,
    /// The entry of the known layout that is expected next.
    cursor: usize,
    /// Whether classic histograms were taken out already, where they are stored as native ones.
    converted: bool,
    counts: Counts,
}

impl Committer {
    /// Nothing is opened before the first scrape.
    pub(crate) fn new(
        append: Arc<dyn Append>,
        shared_metadata: Arc<SharedMetadata>,
        key: String,
        hasher: KeyHasher,
        rules: Arc<SampleRules>,
    ) -> Self {
        Self {
            append,
            shared_metadata,
            metadata: Families::default(),
            rest_hash: None,
            key,
            hasher,
            rules,
            main: None,
            layout: Layout::default(),
            columns: Vec::new(),
            sample_columns: 0,
            report_columns: Vec::new(),
            values: Vec::new(),
            ended: Vec::new(),
            timed: TimedGroups::default(),
            exemplars: Exemplars::default(),
            natives: natives::Natives::default(),
            starts: natives::Starts::default(),
            duplicate_lines: 0,
            refused_lines: 0,
            refused_reason: String::new(),
            exploding: None,
            refused_series: None,
            scrapes_since_retry: 0,
            last_time: TimestampMs::MIN,
        }
    }

    /// Changes what becomes of samples. What the last body looked like no longer says where its lines lead.
    pub(crate) fn set_rules(&mut self, rules: Arc<SampleRules>) {
        if Arc::ptr_eq(&self.rules, &rules) {
            return;
        }
        if *self.rules != *rules {
            self.layout = Layout::default();
            self.duplicate_lines = 0;
            // All of them end or come again under what the rules make of them.
            self.natives.end(true, &mut self.ended);
        }
        self.rules = rules;
    }

    /// Whether most of a body like the last one will be known.
    pub(crate) fn knows_layout(&self) -> bool {
        self.layout.len() > 0 && self.is_open()
    }

    /// As if there had been no body yet.
    #[cfg(test)]
    fn forget_layout(&mut self) {
        (self.layout, self.duplicate_lines) = (Layout::default(), 0);
    }

    /// Whether its group is open, so that nothing has to be waited for.
    pub(crate) fn is_open(&self) -> bool {
        self.main.is_some()
    }

    /// Writes a scrape. Blocks while storage writes.
    pub(crate) fn commit(&mut self, scrape: &Scrape<'_>) -> Committed {
        if let Err(error) = self.open() {
            let error = format!("storage: {error}");
            return Committed { error: scrape.body.as_ref().err().cloned(), warning: Some(error), lost: 1, ..Committed::default() };
        }
        self.timed.begin();
        self.open_report(scrape.extra_metrics, scrape.certificate_not_after.is_some());
        let read = match &scrape.body {
            Ok((body, format)) => self.read(body, *format, scrape.time),
            Err(error) => Err((error.clone(), Counts::default())),
        };
        let mut metadata = None;
        let (counts, error) = match read {
            Ok((counts, fresh)) => {
                metadata = self.read_metadata(scrape, counts.rest_hash, fresh.is_some());
                self.end_natives();
                let mut counts = match fresh {
                    Some(fresh) => self.reconcile(fresh, counts),
                    None => counts,
                };
                counts.duplicates += self.natives.give_way(&self.columns);
                (counts, None)
            }
            Err((error, counts)) => {
                self.end_all();
                (counts, Some(error))
            }
        };
        let body_bytes = scrape.body.as_ref().map_or(0, |(body, _)| body.len());
        let report = Report {
            up: error.is_none(),
            duration_seconds: scrape.began.elapsed().as_secs_f64(),
            lines: counts.lines,
            kept: if error.is_none() { counts.kept } else { 0 },
            added: if error.is_none() { counts.added } else { 0 },
            timeout_seconds: scrape.timeout_ms as f64 / 1000.0,
            sample_limit: self.rules.limits.samples,
            body_bytes: body_bytes as u64,
            certificate_not_after: scrape.certificate_not_after.unwrap_or_default(),
        };
        Committed { metadata, ..self.write(scrape.time, &report, counts, error) }
    }

    /// What the body says of its families, if that is new. Comments belong to the lines that are compared, so there is
    /// nothing to look at in a body like the last one.
    fn read_metadata(&mut self, scrape: &Scrape<'_>, rest_hash: u64, changed: bool) -> Option<Families> {
        let (body, format) = scrape.body.as_ref().ok()?;
        if !changed && self.rest_hash == Some(rest_hash) {
            return None;
        }
        self.rest_hash = Some(rest_hash);
        let found = self.shared_metadata.read(body, *format, &self.metadata);
        let new = !Arc::ptr_eq(&found, &self.metadata);
        self.metadata = Arc::clone(&found);
        new.then_some(found)
    }

    /// Writes stale markers for everything, because the target is gone.
    pub(crate) fn end(&mut self, now: TimestampMs) {
        let time = now.max(self.last_time.saturating_add(1));
        if self.rules.track_timestamps_staleness {
            self.timed.write_stale(time, true);
        }
        self.end_all();
        self.ended.extend(self.report_columns.drain(..).map(|(_, column)| column));
        let values = vec![stale(); self.ended.len()];
        if let Some(main) = self.main.as_mut().filter(|_| !values.is_empty())
            && let Err(error) = main.append(Row::floats(time, &self.ended, &values))
        {
            tracing::error!(group = self.key, %error, "stale markers of a target that is gone were lost");
        }
        self.main = None;
    }

    fn open(&mut self) -> Result<(), AppendError> {
        let mut tries = 0;
        while self.main.is_none() {
            match self.append.open_group(&self.key) {
                Ok(main) => self.main = Some(main),
                // The loop of a target that went and came again may still be ending its series.
                Err(AppendError::GroupInUse(_)) if tries < OPEN_TRIES_MAX => std::thread::sleep(OPEN_WAIT),
                Err(error) => return Err(error),
            }
            tries += 1;
        }
        Ok(())
    }

    /// Asks for the columns of the report that are not there yet.
    fn open_report(&mut self, extra: bool, certificate: bool) {
        let Some(main) = self.main.as_mut() else { return };
        let wanted = |place: usize| report_names(extra, certificate).any(|(at, _)| at == place);
        if self.report_columns.iter().any(|(at, _)| !wanted(*at)) {
            // No longer wanted since a reload, or for want of a certificate.
            self.columns.truncate(self.sample_columns);
            self.ended.extend(self.report_columns.iter().filter(|(at, _)| !wanted(*at)).map(|(_, column)| *column));
            self.report_columns.retain(|(at, _)| wanted(*at));
        }
        for (at, name) in report_names(extra, certificate) {
            if self.report_columns.iter().any(|(known, _)| *known == at) {
                continue;
            }
            match main.report_column(&self.rules.target_labels.with(METRIC_NAME, name)) {
                Ok(column) => {
                    self.report_columns.push((at, column));
                    self.columns.truncate(self.sample_columns);
                }
                Err(error) => self.refused_reason = error.to_string(),
            }
        }
        if self.columns.len() == self.sample_columns {
            self.columns.extend(self.report_columns.iter().map(|(_, column)| *column));
        }
    }

    /// Reads a body. The layout in the answer is there if it differs from the last one; its columns are checked by
    /// [`Committer::reconcile`].
    fn read(&mut self, body: &[u8], format: Format, time: TimestampMs) -> Result<(Counts, Option<Layout>), (String, Counts)> {
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

    fn read_samples(&mut self, scan: &mut Scan<'_>, known: &Layout) -> Result<Option<Layout>, String> {
        match scan.format {
            Format::Protobuf => self.read_protobuf(scan, known),
            _ if self.rules.histograms.custom_buckets && !scan.converted => self.read_converted(scan, known),
            _ => self.read_lines(scan, known),
        }
    }

    fn read_lines(&mut self, scan: &mut Scan<'_>, known: &Layout) -> Result<Option<Layout>, String> {
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
    fn read_again(&mut self, scan: &mut Scan<'_>) -> Result<Option<Layout>, String> {
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
    fn read_known(&mut self, scan: &mut Scan<'_>, known: &Layout) -> Result<(), String> {
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
    fn take_exemplar(&mut self, scan: &Scan<'_>, tail: Tail, slot: Slot) -> Result<(), String> {
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
    fn take(&mut self, slot: Slot, tail: Tail, counts: &mut Counts) -> bool {
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

    /// Finds out where a line leads that is not known.
    fn resolve(&mut self, sample: &Sample<'_>, counts: &mut Counts) -> Result<Slot, String> {
        let Some(labels) = series_labels(&self.rules, sample)? else { return Ok(Slot::Dropped) };
        counts.kept += 1;
        if self.rules.limits.samples > 0 && counts.kept > self.rules.limits.samples {
            // The scrape has failed. It is read to its end to tell by how much, but nothing is made in storage.
            return Ok(Slot::Dropped);
        }
        let resolved = match sample.timestamp.filter(|_| self.rules.honor_timestamps) {
            Some(time) => self.resolve_timed(&labels, time, sample.value, counts),
            None => self.resolve_column(&labels, sample.value),
        };
        Ok(self.slot_or_refused(resolved, &labels, counts))
    }

    /// What storage refuses is counted, with its reason.
    fn slot_or_refused(&mut self, resolved: Result<Slot, ColumnError>, labels: &LabelSet, counts: &mut Counts) -> Slot {
        let error = match resolved {
            Ok(slot) => return slot,
            Err(error) => error,
        };
        counts.refused += 1;
        counts.newly_refused += 1;
        self.refused_reason = match error {
            ColumnError::Refused(reason) => {
                self.exploding.get_or_insert_with(|| Box::new(Exploding::new(self.hasher.clone()))).take(labels);
                reason
            }
            other => other.to_string(),
        };
        Slot::Refused
    }

    fn begin_refusals(&mut self) {
        if let Some(exploding) = &mut self.exploding {
            exploding.begin();
        }
    }

    /// What is to be told of series that a limit refused. It is made anew where more came, or fewer.
    fn tell_refusals(&mut self, committed: &mut Committed) {
        let Some(exploding) = self.exploding.as_ref().filter(|_| committed.refused > 0) else {
            (self.exploding, self.refused_series) = (None, None);
            return;
        };
        let same = self.refused_series.as_ref().is_some_and(|last| last.series == committed.refused && last.reason == self.refused_reason);
        if !same || committed.newly_refused > 0 {
            self.refused_series = Some(Arc::new(exploding.conclude(committed.refused, &self.refused_reason)));
        }
        committed.refused_series = self.refused_series.clone();
    }

    fn resolve_column(&mut self, labels: &LabelSet, value: f64) -> Result<Slot, ColumnError> {
        let main = self.main.as_mut().ok_or_else(|| ColumnError::Failed("the group is closed".to_owned()))?;
        let column = main.column(labels)?;
        self.values.push(value);
        Ok(Slot::Column(column))
    }

    fn resolve_timed(&mut self, labels: &LabelSet, time: TimestampMs, value: f64, counts: &mut Counts) -> Result<Slot, ColumnError> {
        let (number, taken, new) = self.timed.resolve(labels, (time, value), &self.append, &self.key)?;
        counts.added += u64::from(new);
        counts.duplicates += u64::from(taken == Taken::Duplicate);
        Ok(Slot::Timed(number))
    }

    /// Takes over a layout that differs: finds duplicates, series that are new, and series that ended.
    fn reconcile(&mut self, mut fresh: Layout, mut counts: Counts) -> Counts {
        type Columns = HashSet<ColumnId, FixedState>;
        let set = |columns: &[ColumnId]| columns.iter().copied().collect::<Columns>();
        let before = set(&self.columns[..self.sample_columns]);
        let mut seen: Columns = self.report_columns.iter().map(|(_, column)| *column).collect();
        seen.extend(self.natives.pending.iter().map(|(column, _)| *column));
        let (mut columns, mut values) =
            (Vec::with_capacity(self.values.len() + self.report_columns.len()), Vec::with_capacity(self.values.len() + 8));
        let mut read = self.values.iter();
        for at in 0..fresh.len() {
            let Slot::Column(column) = fresh.slot(at) else { continue };
            let value = read.next().copied().unwrap_or_else(stale);
            if seen.insert(column) {
                counts.added += u64::from(!before.contains(&column));
                columns.push(column);
                values.push(value);
            } else {
                fresh.set_slot(at, Slot::Duplicate);
                counts.duplicates += 1;
            }
        }
        let gone = self.columns[..self.sample_columns].iter().chain(&self.ended);
        let ended: Columns = gone.copied().filter(|column| !seen.contains(column)).collect();
        self.ended = ended.into_iter().collect();
        self.ended.sort_unstable();
        self.exemplars.ended(&self.ended);
        self.starts.ended(&self.ended);
        self.sample_columns = columns.len();
        columns.extend(self.report_columns.iter().map(|(_, column)| *column));
        self.duplicate_lines = fresh.slots().filter(|slot| *slot == Slot::Duplicate).count() as u64;
        self.refused_lines = fresh.slots().filter(|slot| *slot == Slot::Refused).count() as u64;
        fresh.shrink();
        (self.columns, self.values, self.layout) = (columns, values, fresh);
        counts
    }

    /// Histograms that did not come end.
    fn end_natives(&mut self) {
        let before = self.ended.len();
        self.natives.end(false, &mut self.ended);
        let ended = &self.ended[before..];
        self.exemplars.ended(ended);
        self.starts.ended(ended);
    }

    /// All series of the last scrape end.
    fn end_all(&mut self) {
        self.natives.end(true, &mut self.ended);
        self.ended.extend(self.columns.drain(..).take(self.sample_columns));
        self.ended.sort_unstable();
        self.ended.dedup();
        self.sample_columns = 0;
        self.columns.extend(self.report_columns.iter().map(|(_, column)| *column));
        self.values.clear();
        self.exemplars.forget();
        self.starts.forget();
        self.layout = Layout::default();
        (self.duplicate_lines, self.refused_lines) = (0, 0);
    }

    fn write(&mut self, time: TimestampMs, report: &Report, counts: Counts, error: Option<String>) -> Committed {
        let mut committed = Committed {
            lines: counts.lines,
            kept: counts.kept,
            added: counts.added,
            duplicates: counts.duplicates,
            refused: counts.refused,
            newly_refused: counts.newly_refused,
            ..Committed::default()
        };
        if error.is_some() {
            // What was taken before the body turned out to be bad.
            self.timed.begin_rows();
        }
        self.write_rows(time, report, &mut committed);
        if self.rules.track_timestamps_staleness {
            self.timed.write_stale(time, error.is_some());
        }
        if error.is_none() {
            self.tell_refusals(&mut committed);
        }
        if committed.refused > 0 && committed.refused_series.is_none() && committed.warning.is_none() {
            committed.warning = Some(format!("{} series were not stored: {}", committed.refused, self.refused_reason));
        }
        if self.report_columns.len() < REPORT_NAMES.len() && committed.warning.is_none() {
            committed.warning = Some(format!("up and the scrape's other own series were not stored: {}", self.refused_reason));
        }
        committed.error = error;
        committed
    }

    /// Writes what has times of its own, and the row of the target's own group: samples, stale markers, report.
    fn write_rows(&mut self, time: TimestampMs, report: &Report, committed: &mut Committed) {
        let mut with_ended = Vec::new();
        if !self.ended.is_empty() {
            with_ended.reserve(self.columns.len() + self.ended.len());
            with_ended.extend_from_slice(&self.columns[..self.sample_columns]);
            with_ended.extend_from_slice(&self.ended);
            with_ended.extend_from_slice(&self.columns[self.sample_columns..]);
            self.values.resize(self.sample_columns + self.ended.len(), stale());
        }
        self.values.extend(self.report_columns.iter().map(|(at, _)| report.value(*at)));
        let columns = if with_ended.is_empty() { &self.columns } else { &with_ended };
        let Some(main) = self.main.as_mut() else { return };
        let row = Row::floats(time, columns, &self.values).with_exemplars(&self.exemplars.pending);
        let row = row.with_histograms(&self.natives.pending).with_starts(&self.starts.pending);
        let mut failure = None;
        let main = GroupRow { writer: main.as_mut(), row, result: None };
        let done = self.timed.write(self.append.as_ref(), main, &mut |report| add(&mut committed.report, report), &mut failure);
        if let Some((error, lost)) = failure {
            committed.lost += lost;
            committed.warning = Some(format!("storage: {error}"));
        }
        match done {
            Ok(done) => {
                self.exemplars.pending.clear();
                self.starts.pending.clear();
                self.natives.pending.clear();
                add(&mut committed.report, done);
                self.ended.clear();
                self.last_time = self.last_time.max(time);
            }
            Err(error) => {
                self.exemplars.forget();
                self.starts.forget();
                committed.lost += (self.values.len() + self.natives.pending.len()) as u64;
                committed.warning = Some(format!("storage: {error}"));
            }
        }
    }
}

fn add(total: &mut AppendReport, report: AppendReport) {
    total.accepted += report.accepted;
    total.out_of_order += report.out_of_order;
    total.duplicate += report.duplicate;
    total.too_old += report.too_old;
    total.too_new += report.too_new;
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "commit_random_tests.rs"]
mod random_tests;
