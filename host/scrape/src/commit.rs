//! From a body to rows in storage. The hot path of the whole program.
//!
//! A target's body has the same lines in the same order as the last one; only values differ. So [`Committer`] keeps the
//! layout of the last body, and for a line that begins as it did then, only the value is read. What differs is parsed,
//! relabelled and looked up.

mod custom;
mod ends;
mod natives;
mod protobuf;
mod read;
mod resolve;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use exposition::Format;
use model::seams::{Append, AppendError, AppendReport, ColumnId, GroupAppend, Row};
use model::{METRIC_NAME, TimestampMs, stale};

use crate::exemplars::Exemplars;
use crate::layout::{KeyHasher, Layout};
use crate::metadata::{Families, SharedMetadata};
use crate::refusal::{Exploding, RefusedSeries};
use crate::report::{Report, report_names};
use crate::sample_labels::SampleRules;
use crate::timed::TimedGroups;

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
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod random_tests;
