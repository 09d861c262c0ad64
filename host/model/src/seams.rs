//! The traits the rooms meet at: storage ([`Append`], [`Select`], [`Tail`]), plugins ([`Plugins`] and what it hands out)
//! and alerts ([`AlertSink`]). What crosses them is plain data.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::{ConfigError, Node};
use crate::view::{PanelRequest, Rendering};
use crate::{
    Alert, Histogram, LabelSet, METRIC_NAME, Matcher, MetricFamily, Notification, Receipt, SendError, StartTimestampMs, TargetGroup,
    TimeRange, TimestampMs,
};

/// A future that can be moved between threads, boxed so that traits stay object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

// --- Storage: writing -------------------------------------------------------------------------------------------------

/// Takes samples. Implemented by `tsdb`, and by a store in memory for tests.
///
/// Samples are written in groups: a group is a set of series whose samples come with the same times (one target's
/// scrapes, one rule group's evaluations). All calls block; callers on the async side use a blocking thread.
pub trait Append: Send + Sync {
    /// Opens a group for writing, making it if it is not there. The same key leads to the same group after a restart.
    /// One writer at a time.
    fn open_group(&self, key: &str) -> Result<Box<dyn GroupAppend>, AppendError>;

    /// Samples before this are refused as too old, so that nobody need ask for a column for them.
    fn time_min(&self) -> TimestampMs {
        TimestampMs::MIN
    }

    /// Appends rows of several groups of this storage, each as [`GroupAppend::append`] would; storage may write all of them to its
    /// log at once. Each row has its result afterwards, and is visible as a whole or not at all.
    fn append_many(&self, rows: &mut [GroupRow<'_>]) {
        for row in rows {
            row.result = Some(row.writer.append(row.row));
        }
    }
}

/// A row with the writer of its group.
pub struct GroupRow<'a> {
    /// The group's.
    pub writer: &'a mut (dyn GroupAppend + 'static),
    /// What is appended.
    pub row: Row<'a>,
    /// What became of it, once [`Append::append_many`] has seen it.
    pub result: Option<Result<AppendReport, AppendError>>,
}

/// The writer of one group. Dropping it closes the group for writing.
pub trait GroupAppend: Any + Send {
    /// The column of a series in this group, making it if it is not there.
    ///
    /// The id is valid until the writer is dropped, or until a stale marker has been appended to it: that releases it, and
    /// the series must ask again before its next sample.
    fn column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError>;

    /// Like [`GroupAppend::column`], for the few series that say how a target does (`up` and its like): limits on new series do not
    /// hold for them, because they are what tells of the refusal.
    fn report_column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError> {
        self.column(labels)
    }

    /// Appends one row: the values of some of the group's columns at one time. The stale marker is a value like others.
    ///
    /// When this returns, the accepted samples are acknowledged: their record is in the log file, and queries see all of
    /// them or, before, none.
    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError>;
}

/// A column of a group: a small number that means something to its group's writer alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// Samples of one group at one time. `columns` and `values` have the same length; no column comes twice.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row<'a> {
    /// The time of all of them.
    pub time: TimestampMs,
    /// Which series. In the steady state the same slice each time, which storage may rely on for speed alone.
    pub columns: &'a [ColumnId],
    /// Their values.
    pub values: &'a [f64],
    /// Exemplars of some of them. Storage takes those that it does not have yet, as far as its ring reaches.
    pub exemplars: &'a [(ColumnId, Exemplar)],
    /// Native histograms of columns that are not among `columns`.
    pub histograms: &'a [(ColumnId, Arc<Histogram>)],
    /// When some of the row's series began to count, where their source says so.
    pub starts: &'a [(ColumnId, StartTimestampMs)],
}

/// One observation that stands for others, with labels that lead to more about it, such as a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Not those of its series.
    pub labels: LabelSet,
    /// The observed value.
    pub value: f64,
    /// When it was observed: what the target says, or else the time of the sample that it came with.
    pub time: TimestampMs,
    /// Whether the target said so. Where it does not, the same labels with the same value are the same exemplar.
    pub own_time: bool,
}

impl Exemplar {
    /// Whether both are one observation, seen twice.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let timed = self.own_time || other.own_time;
        self.value.to_bits() == other.value.to_bits() && (!timed || self.time == other.time) && self.labels == other.labels
    }
}

/// The exemplars of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// The series' labels.
    pub labels: LabelSet,
    /// In the order of time.
    pub exemplars: Vec<Exemplar>,
}

impl<'a> Row<'a> {
    /// A row of floats.
    #[must_use]
    pub fn floats(time: TimestampMs, columns: &'a [ColumnId], values: &'a [f64]) -> Self {
        debug_assert_eq!(columns.len(), values.len(), "one value for each column");
        Self { time, columns, values, exemplars: &[], histograms: &[], starts: &[] }
    }

    /// The row with native histograms of further columns.
    #[must_use]
    pub fn with_histograms(self, histograms: &'a [(ColumnId, Arc<Histogram>)]) -> Self {
        Self { histograms, ..self }
    }

    /// The row with start timestamps of some of its series.
    #[must_use]
    pub fn with_starts(self, starts: &'a [(ColumnId, StartTimestampMs)]) -> Self {
        Self { starts, ..self }
    }

    /// The row with exemplars of its samples.
    #[must_use]
    pub fn with_exemplars(self, exemplars: &'a [(ColumnId, Exemplar)]) -> Self {
        Self { exemplars, ..self }
    }
}

/// What became of each sample of a row, histograms included. The sum of all fields is the row's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendReport {
    /// Acknowledged. Same time and same value as a stored sample counts as accepted.
    pub accepted: u64,
    /// Older than the newest row of the group by more than storage's window for late samples.
    pub out_of_order: u64,
    /// Same time as a stored sample, different value: the first written counts.
    pub duplicate: u64,
    /// Before the oldest time that storage still takes.
    pub too_old: u64,
    /// Too far in the future.
    pub too_new: u64,
}

/// Why a column was not made. The series' samples are not stored; those of known series are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnError {
    /// A limit on new series is reached; the text names it.
    Refused(String),
    /// Storage failed.
    Failed(String),
}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(limit) => write!(f, "new series refused: {limit}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ColumnError {}

/// Why nothing of a row was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// Someone else writes this group.
    GroupInUse(String),
    /// The log could not be written; the text says what and where. Nothing was acknowledged.
    Failed(String),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GroupInUse(key) => write!(f, "the group {key} has another writer"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for AppendError {}

/// The label that holds a metric's type, where that is kept as one.
pub const TYPE_LABEL: &str = "__type__";
/// The label that holds a metric's unit, likewise.
pub const UNIT_LABEL: &str = "__unit__";

// --- Storage: reading -------------------------------------------------------------------------------------------------

/// Finds and reads samples. Implemented by `tsdb`, and by a store in memory for tests.
pub trait Select: Send + Sync {
    /// The groups that hold series which satisfy all matchers and may have samples in the range. Nothing is decoded yet.
    ///
    /// A label set comes once in the answer: a series with columns in several groups comes in a group of its own, merged
    /// by time; for equal times the first written counts.
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError>;

    /// Like [`Select::select`], for whoever needs to know of each series only some of its labels, as an aggregation does: the others
    /// need not be looked up, and [`SelectedGroup::labels`] of these groups need not say anything.
    fn select_keyed(&self, request: &SelectRequest<'_>, key: LabelKey<'_>) -> Result<KeyedGroups, SelectError> {
        Ok(KeyedGroups::of(self.select(request)?, key))
    }

    /// The names of labels of the series that satisfy all matchers of any of the sets (all series if there is no set),
    /// sorted, at most `limit` (0: all).
    fn label_names(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError>;

    /// The values of a label, likewise.
    fn label_values(&self, name: &str, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError>;

    /// The label sets of series that satisfy all matchers of any of the sets, sorted, each once, at most `limit` (0: all).
    fn series(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError>;

    /// What this storage cannot answer for in the range, in sentences that name file and range: damaged or missing parts. Queries
    /// pass them on as warnings; what [`GroupSamples::warnings`] says is not among them.
    fn warnings(&self, range: TimeRange) -> Vec<String> {
        let _ = range;
        Vec::new()
    }

    /// The exemplars in the range of the series that satisfy all matchers of any of the sets, by series, sorted by its
    /// labels. A storage that keeps none has none.
    fn exemplars(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Result<Vec<SeriesExemplars>, SelectError> {
        let _ = (matcher_sets, range);
        Ok(Vec::new())
    }
}

/// What a query asks of storage.
#[derive(Clone, Copy, Debug)]
pub struct SelectRequest<'a> {
    /// All must hold.
    pub matchers: &'a [Matcher],
    /// Samples outside may be left out; those inside may not.
    pub range: TimeRange,
}

/// Which labels of a series count: those with these names, or all but these and the metric's name.
#[derive(Clone, Copy, Debug)]
pub struct LabelKey<'a> {
    /// The names.
    pub names: &'a [String],
    /// Whether they are those that do not count.
    pub without: bool,
}

impl LabelKey<'_> {
    /// Whether a label with this name counts.
    #[must_use]
    pub fn counts(&self, name: &str) -> bool {
        let named = self.names.iter().any(|label| label == name);
        if self.without { name != METRIC_NAME && !named } else { named }
    }

    /// The labels that count.
    #[must_use]
    pub fn of(&self, labels: &LabelSet) -> LabelSet {
        labels.filter(|name| self.counts(name))
    }
}

/// Groups of a selection, with the labels of each series that count.
#[derive(Default)]
pub struct KeyedGroups {
    /// The groups.
    pub groups: Vec<Box<dyn SelectedGroup>>,
    /// Label sets, each once.
    pub keys: Vec<LabelSet>,
    /// Of each group the key of each series, in the order of its columns.
    pub of: Vec<Vec<u32>>,
    /// Whether some series may have a label [`TYPE_LABEL`] or [`UNIT_LABEL`].
    pub typed: bool,
}

impl KeyedGroups {
    /// Of groups whose labels are known.
    #[must_use]
    pub fn of(groups: Vec<Box<dyn SelectedGroup>>, key: LabelKey<'_>) -> Self {
        let mut keyed = Self::default();
        let mut places: HashMap<LabelSet, u32> = HashMap::new();
        for group in &groups {
            let mut of_group = Vec::with_capacity(group.labels().len());
            for labels in group.labels() {
                keyed.typed |= labels.iter().any(|(name, _)| matches!(name, TYPE_LABEL | UNIT_LABEL));
                of_group.push(*places.entry(key.of(labels)).or_insert_with_key(|labels| {
                    keyed.keys.push(labels.clone());
                    keyed.keys.len() as u32 - 1
                }));
            }
            keyed.of.push(of_group);
        }
        Self { groups, ..keyed }
    }
}

/// One group of a selection, not decoded yet, so that a caller can plan by labels and work through groups one at a time
/// or in parallel.
pub trait SelectedGroup: Send + Sync {
    /// The series, in the order of the columns that [`SelectedGroup::read`] gives.
    fn labels(&self) -> &[LabelSet];

    /// How many samples `read` yields at most. For limits, before anything is decoded.
    fn samples_max(&self) -> usize;

    /// Decodes the samples.
    fn read(&self) -> Result<GroupSamples, SelectError>;

    /// Decodes column after column and hands each to `visit` while it is in the cache, in the order of [`SelectedGroup::labels`], as
    /// long as that wants more. Returns what could not be read, as [`GroupSamples::warnings`].
    fn each_column(&self, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<Vec<String>, SelectError> {
        let samples = self.read()?;
        for (series, column) in samples.columns.iter().enumerate() {
            let histograms = if let ColumnSamples::Mixed { histograms, .. } = column { histograms.as_slice() } else { &[] };
            let column = ColumnRef { series, times: &samples.times, floats: column.floats(), histograms, gaps: true };
            if visit(column).is_break() {
                break;
            }
        }
        Ok(samples.warnings)
    }

    /// How many bytes [`SelectedGroup::each_column`] holds at once, about. For limits.
    fn column_bytes(&self) -> usize {
        self.samples_max().saturating_mul(8)
    }

    /// Start timestamps, by series in the order of [`SelectedGroup::labels`]: the time of the first sample from which on each
    /// holds, ascending. A storage that keeps none has none.
    fn starts(&self) -> Result<Vec<Vec<(TimestampMs, StartTimestampMs)>>, SelectError> {
        Ok(vec![Vec::new(); self.labels().len()])
    }
}

/// The samples of one series of a group.
#[derive(Clone, Copy, Debug)]
pub struct ColumnRef<'a> {
    /// Its place in [`SelectedGroup::labels`].
    pub series: usize,
    /// The same for all series of the group: ascending, each once.
    pub times: &'a [TimestampMs],
    /// One for each time; [`crate::is_absent`] where the series has no float, [`crate::is_stale`] where it ended.
    pub floats: &'a [f64],
    /// One for each time, or nothing if the series has no histogram.
    pub histograms: &'a [Option<Arc<Histogram>>],
    /// False if it is known that each time has a float that is not the stale marker.
    pub gaps: bool,
}

/// Decoded samples of series that share times.
#[derive(Clone, Debug, Default)]
pub struct GroupSamples {
    /// Ascending, each once.
    pub times: Vec<TimestampMs>,
    /// One per series, in the order of [`SelectedGroup::labels`].
    pub columns: Vec<ColumnSamples>,
    /// What could not be read of these series, in sentences that name file and range. The rest is there.
    pub warnings: Vec<String>,
}

/// The samples of one series, one entry per time of its group.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ColumnSamples {
    /// Floats; [`crate::is_absent`] where the series has no sample, [`crate::is_stale`] where it ended.
    Floats(Vec<f64>),
    /// Histograms, and floats where there were some too.
    Mixed {
        /// As above; absent where there is a histogram.
        floats: Vec<f64>,
        /// One entry per time.
        histograms: Vec<Option<Arc<Histogram>>>,
    },
}

impl ColumnSamples {
    /// The floats, one per time; absent where there is none.
    #[must_use]
    pub fn floats(&self) -> &[f64] {
        match self {
            Self::Floats(floats) | Self::Mixed { floats, .. } => floats,
        }
    }
}

/// Why storage could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectError {
    /// A file is damaged or could not be read; the text says which.
    Failed(String),
    /// It was told to stop: [`crate::stop`].
    Stopped,
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Stopped => f.write_str("nobody waits for the answer any more, or it took too long"),
        }
    }
}

impl std::error::Error for SelectError {}

/// Follows what is appended, in the order of the log. For remote write: a sender keeps its position and goes on from
/// there after a restart.
pub trait Tail: Send + Sync {
    /// The position after everything that is acknowledged now.
    fn end(&self) -> TailPosition;

    /// Rows after `from`, at most about `samples_max` samples. A position that is gone (truncated) goes on from the oldest
    /// that is there, and says so.
    fn read(&self, from: TailPosition, samples_max: usize) -> Result<TailBatch, SelectError>;
}

/// A place in the log. Ordered; to be stored by whoever follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TailPosition {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes into it.
    pub offset: u64,
}

/// What was appended since a position.
#[derive(Clone, Debug, Default)]
pub struct TailBatch {
    /// In the order of the log.
    pub rows: Vec<TailRow>,
    /// Where to go on.
    pub next: TailPosition,
    /// Whether the position asked for was gone, so that samples between may be missing.
    pub gap: bool,
}

/// Samples of one time.
#[derive(Clone, Debug)]
pub struct TailRow {
    /// Of all of them.
    pub time: TimestampMs,
    /// Series and value; the stale marker is a value like others.
    pub samples: Vec<(LabelSet, f64)>,
    /// Series and native histogram.
    pub histograms: Vec<(LabelSet, Arc<Histogram>)>,
}

// --- Plugins ----------------------------------------------------------------------------------------------------------

/// The kinds of plugins, by the interface a component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginKind {
    /// Finds targets: `<name>_sd_configs`.
    Discovery,
    /// Produces metrics: `exporter: <name>`.
    Exporter,
    /// Serves HTTP: `serve:`.
    HttpHandler,
    /// Delivers notifications: `<name>_configs`.
    Channel,
    /// Draws panels: `type: <name>`.
    Panel,
    /// Answers queries of panels.
    DataSource,
}

impl PluginKind {
    /// As the API and the pages write it, which is the interface's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Exporter => "exporter",
            Self::HttpHandler => "http-handler",
            Self::Channel => "channel",
            Self::Panel => "panel",
            Self::DataSource => "datasource",
        }
    }
}

/// Why a plugin's call failed. The text names the plugin, the call and the last lines it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginError {
    /// No plugin of that name and kind is loaded.
    Missing(String),
    /// The configuration does not fit. Retrying will not help.
    Config(String),
    /// A remote party did not answer. Worth retrying.
    Unavailable(String),
    /// The plugin's own failure: a trap, a passed deadline, a limit.
    Failed(String),
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(text) | Self::Config(text) | Self::Unavailable(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for PluginError {}

/// Hands out what plugins do. Implemented by `plugin-host`. What it hands out looks the plugin up at each call, so that a
/// replaced file takes effect.
///
/// `section` is the plugin's section of the configuration as JSON; grants that stand in it hold for these calls alone.
pub trait Plugins: Send + Sync {
    /// Whether a plugin of that name and kind is loaded now.
    fn serves(&self, name: &str, kind: PluginKind) -> bool;
    /// A source of targets for one entry of `<name>_sd_configs`.
    fn target_source(&self, name: &str, section: &str) -> Result<Arc<dyn TargetSource>, PluginError>;
    /// A source of metrics for a job with `exporter: <name>`; `section` is its `exporter_config`.
    fn metric_source(&self, name: &str, section: &str) -> Result<Arc<dyn MetricSource>, PluginError>;
    /// A channel for one entry of `<name>_configs`.
    fn channel(&self, name: &str, section: &str) -> Result<Arc<dyn Channel>, PluginError>;
    /// A section as the JSON text that the methods above take, checked against what the plugin says of it: the error carries
    /// the place in the file. The default knows no plugin and checks nothing.
    fn section(&self, name: &str, kind: PluginKind, node: &Node) -> Result<String, ConfigError> {
        let _ = (name, kind);
        Ok(node.to_json().to_string())
    }
    /// What draws panels of `type: <name>`.
    fn panel(&self, name: &str) -> Result<Arc<dyn PanelRender>, PluginError>;
}

/// Draws panels.
pub trait PanelRender: Send + Sync {
    /// One picture of the request's frames. A pure function of the request: the answer may be kept.
    fn render(&self, request: PanelRequest) -> BoxFuture<'_, Result<Rendering, PluginError>>;
}

/// Finds targets.
pub trait TargetSource: Send + Sync {
    /// The full list of groups now. On an error the caller keeps the last list.
    fn refresh(&self) -> BoxFuture<'_, Result<Vec<TargetGroup>, PluginError>>;
}

/// Produces metrics in place of an HTTP fetch.
pub trait MetricSource: Send + Sync {
    /// One scrape of `target` (empty: this host). `written` says that the operator wrote the target, which grants it for
    /// this call; one that discovery found needs a grant. `timeout_ms` is the scrape's.
    fn collect<'a>(&'a self, target: &'a str, written: bool, timeout_ms: u64) -> BoxFuture<'a, Result<Exposition, PluginError>>;
}

/// What an exporter answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Exposition {
    /// OpenMetrics if it ends in `# EOF`, else the Prometheus text format; parsed like a scraped body.
    Text(String),
    /// Typed families.
    Families(Vec<MetricFamily>),
}

/// Delivers notifications.
pub trait Channel: Send + Sync {
    /// Template fields of the section, by JSON Pointer, with the text the operator wrote or the schema's default. The caller
    /// expands them for each notification and passes the results to [`Channel::send`].
    fn templates(&self) -> Vec<TemplateField>;

    /// Sends one message. `expanded` holds the results for [`Channel::templates`], in their order. Called again with the
    /// same notification after a retryable error: at least once.
    fn send<'a>(&'a self, notification: &'a Notification, expanded: &'a [String]) -> BoxFuture<'a, Result<Receipt, SendError>>;
}

/// A field that the host expands for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateField {
    /// Where it stands in the section, as `/text` or `/fields/0/title`.
    pub pointer: String,
    /// The Go template.
    pub text: String,
    /// Whether values are escaped for HTML.
    pub html: bool,
}

/// A request to a plugin that serves HTTP. Fields as in the contract's `http-handler`.
#[derive(Clone, Debug, Default)]
pub struct HandlerRequest {
    /// In upper case.
    pub method: String,
    /// Where the plugin is mounted, empty on a route or address of its own.
    pub mount: String,
    /// What follows it, beginning with `/`.
    pub path: String,
    /// Without the question mark.
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most the plugin's limit.
    pub body: Vec<u8>,
    /// `ip:port` of the client.
    pub remote: String,
    /// Who is signed in.
    pub user: Option<String>,
}

/// What it answers.
#[derive(Clone, Debug, Default)]
pub struct HandlerResponse {
    /// The status code.
    pub status: u16,
    /// As the plugin gave them, less those the contract drops.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Serves HTTP.
pub trait HttpHandler: Send + Sync {
    /// One request. A failure is an answer too: 502 for a trap, 504 for a passed deadline, 503 for too many at once.
    fn handle(&self, request: HandlerRequest) -> BoxFuture<'_, HandlerResponse>;
}

// --- Alerts -----------------------------------------------------------------------------------------------------------

/// Where rules hand their alerts over. Implemented by `alerting`, and by a sender to outside Alertmanagers.
pub trait AlertSink: Send + Sync {
    /// Takes alerts that fire or are resolved. The same alert comes again while it lasts; the last one counts. Must not
    /// block.
    fn submit(&self, alerts: Vec<Alert>);
}
