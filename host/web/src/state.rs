use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dashboards::Dashboard;
use model::seams::{BoxFuture, PanelRender, PluginError, Select};
use model::{Clock, LabelSet, Matcher, TimeRange, TimestampMs};

use crate::access::Access;
use crate::plugins::MountedHandler;
use crate::queries::Queries;

/// What a reload answers: an error is a text for people.
pub type ReloadFuture = BoxFuture<'static, Result<(), String>>;

/// What a test message answers: one result for each place of the receiver.
pub type TestFuture = BoxFuture<'static, Result<Vec<alerting::TestResult>, alerting::TestError>>;

type Ask<T> = Arc<dyn Fn() -> T + Send + Sync>;
type AskByName<T> = Arc<dyn Fn(&str) -> T + Send + Sync>;

/// Everything the handlers ask. Closures are called for each request, must not block for long, and see what is current.
#[derive(Clone)]
pub struct State {
    /// Storage.
    pub select: Arc<dyn Select>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// All scrape pools.
    pub targets: Ask<scrape::snapshot::TargetsSnapshot>,
    /// What all targets say of their metrics.
    pub metadata: Ask<Vec<scrape::snapshot::TargetMetadata>>,
    /// All rule groups.
    pub rules: Ask<Vec<rules::snapshot::GroupSnapshot>>,
    /// All groups of alerts with their last delivery.
    pub deliveries: Ask<Vec<alerting::snapshot::AlertGroupSnapshot>>,
    /// The receivers of notifications, by name, for `GET /api/v1/receivers`.
    pub receivers: Ask<Vec<alerting::ReceiverSnapshot>>,
    /// Sends a test message to a receiver, for `POST /api/v1/receivers/<name>/test`. Takes as long as the places take, half a
    /// minute at most.
    pub test_receiver: AskByName<TestFuture>,
    /// `data` of `GET /api/v1/plugins`.
    pub plugins: Ask<serde_json::Value>,
    /// What draws panels of a type.
    pub panels: AskByName<Result<Arc<dyn PanelRender>, PluginError>>,
    /// All dashboards, the home dashboard first.
    pub dashboards: Ask<Arc<Vec<Arc<Dashboard>>>>,
    /// Plugins that the operator lets serve HTTP on this address.
    pub handlers: Ask<Arc<Vec<MountedHandler>>>,
    /// The text of `/metrics`.
    pub metrics: Ask<String>,
    /// A plugin's own metrics; None for a plugin without any.
    pub plugin_metrics: AskByName<Option<String>>,
    /// Reads the configuration anew.
    pub reload: Arc<dyn Fn() -> ReloadFuture + Send + Sync>,
    /// Asks the process to end.
    pub quit: Arc<dyn Fn() + Send + Sync>,
    /// Whether storage answers yet.
    pub ready: Ask<bool>,
    /// The configuration as YAML, secrets shown as `<secret>`.
    pub config_yaml: Ask<String>,
    /// What changes while running, for `/api/v1/status/runtimeinfo`.
    pub runtime: Ask<RuntimeInfo>,
    /// Figures of the head for `/api/v1/status/tsdb`, in upstream's shape; the argument limits its lists. None: not served.
    pub tsdb_status: Option<Arc<dyn Fn(usize) -> serde_json::Value + Send + Sync>>,
    /// `data` of `GET /api/v1/status/tsdb/blocks`, in upstream's shape.
    pub tsdb_blocks: Ask<serde_json::Value>,
    /// What changes storage by request; none without `--web.enable-admin-api`.
    pub admin: Option<Admin>,
    /// Command-line flags by name, without dashes.
    pub flags: BTreeMap<String, String>,
    /// This program.
    pub build: BuildInfo,
    /// `--web.enable-lifecycle`
    pub enable_lifecycle: bool,
    /// The relabelling rules of a scrape pool's targets; None if there is no such pool.
    pub relabel_rules: AskByName<Option<Vec<scrape::relabel::Rule>>>,
    /// The configuration of a scrape pool as YAML, secrets shown as `<secret>`; None if there is no such pool.
    pub pool_config: AskByName<Option<String>>,
    /// Makes chunks for remote read.
    pub chunker: Arc<remote::read::Chunker>,
    /// Takes samples from other servers; none without `--web.enable-remote-write-receiver`.
    pub remote_write: Ask<Option<Arc<remote::Receiver>>>,
    /// Takes OTLP; none without `--web.enable-otlp-receiver`.
    pub otlp: Ask<Option<Arc<remote::Receiver>>>,
    /// Who may come in and who may change something.
    pub access: Arc<Access>,
    /// Where others reach this server, as `https://monitor.example/skopos`; empty if it was not told.
    pub external_url: String,
    /// What all paths begin with, as `/skopos`; empty for none.
    pub route_prefix: String,
    /// `host:port` of each listener, as written in the flags or as bound.
    pub listen: Vec<String>,
    /// Pages of which other sites may read answers (`--web.cors.origin`); none without.
    pub cors_origin: Option<model::Pattern>,
    /// Labels that `/federate` and remote read add.
    pub external_labels: LabelSet,
    /// For `$__rate_interval`: how often targets are scraped unless told otherwise, in milliseconds.
    pub scrape_interval_ms: Ask<u64>,
    /// What one request may use.
    pub limits: Limits,
    /// The queries that run.
    pub queries: Arc<Queries>,
}

/// Deletes the series that satisfy all matchers of any of the sets, in a range.
type DeleteSeries = dyn Fn(&[Vec<Matcher>], TimeRange) -> Result<(), String> + Send + Sync;

/// What changes storage by request. These wait for the disk; an error is a text for people.
#[derive(Clone)]
pub struct Admin {
    /// Deletes samples in a range of the series that satisfy all matchers of any of the sets.
    pub delete: Arc<DeleteSeries>,
    /// Gives back the room of what was deleted.
    pub clean: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Makes a snapshot, without what is only in memory and log if told so, and answers its name.
    pub snapshot: Arc<dyn Fn(bool) -> Result<String, String> + Send + Sync>,
}

/// What one request may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Queries that run at once; others wait.
    pub queries: usize,
    /// Longest time of a query. `timeout` of a request can only shorten it.
    pub query_timeout: Duration,
    /// Samples that a query may hold.
    pub samples_max: usize,
    /// Bytes that a query may hold, its answer included.
    pub query_bytes: usize,
    /// An answer of which a client takes less than 64 KiB in this time is cut.
    pub answer_stall: Duration,
    /// How long a sample stands for its series, in milliseconds.
    pub lookback_ms: i64,
    /// Step of subqueries that name none, in milliseconds.
    pub subquery_step_ms: i64,
    /// What is allowed of PromQL's experimental parts (`--enable-feature`).
    pub features: promql::Features,
    /// Whether names of metrics are dropped at the end of a query (`--enable-feature=promql-delayed-name-removal`).
    pub delayed_name_removal: bool,
    /// Whether functions of counters look at start timestamps (`--enable-feature=use-start-timestamps`).
    pub start_timestamps: bool,
    /// Whether `stats=all` brings statistics of each step (`--enable-feature=promql-per-step-stats`).
    pub per_step_stats: bool,
    /// Longest body of a request, in bytes.
    pub body_bytes: usize,
    /// Longest answer, in bytes.
    pub answer_bytes: usize,
    /// Longest time a panel may take to draw.
    pub panel_timeout: Duration,
}

impl Default for Limits {
    /// Upstream's, where it has them.
    fn default() -> Self {
        Self {
            queries: 20,
            query_timeout: Duration::from_secs(120),
            samples_max: 50_000_000,
            query_bytes: 1 << 30,
            answer_stall: Duration::from_secs(30),
            lookback_ms: 300_000,
            subquery_step_ms: 60_000,
            features: promql::Features::default(),
            delayed_name_removal: false,
            start_timestamps: false,
            per_step_stats: false,
            body_bytes: 4 << 20,
            answer_bytes: 256 << 20,
            panel_timeout: Duration::from_secs(30),
        }
    }
}

/// What `/api/v1/status/buildinfo` says.
#[derive(Clone, Debug, Default)]
pub struct BuildInfo {
    /// The Prometheus whose API this is: Grafana chooses features by it.
    pub compatible_version: String,
    /// Our own version.
    pub version: String,
    /// The commit.
    pub revision: String,
    /// When it was built.
    pub date: String,
    /// The compiler.
    pub compiler: String,
}

/// What `/api/v1/status/runtimeinfo` says.
#[derive(Clone, Debug, Default)]
pub struct RuntimeInfo {
    /// When the process started.
    pub started: TimestampMs,
    /// Whether the last reload succeeded.
    pub reload_ok: bool,
    /// When the configuration in use was read.
    pub config_read: TimestampMs,
    /// Damaged places of the log found at start.
    pub corruptions: u64,
    /// When the last reload failed, if it did.
    pub reload_failed: Option<TimestampMs>,
    /// How long samples are kept, as `15d`.
    pub retention: String,
    /// The working directory.
    pub cwd: String,
    /// The machine's name.
    pub hostname: String,
}
