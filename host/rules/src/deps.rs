//! What rules need from the rest of the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use model::seams::{AlertSink, Append, Select};
use model::{Clock, LabelSet, TimestampMs};

/// What rules need from the rest of the program.
#[derive(Clone)]
pub struct RulesDeps {
    /// Where expressions find their series.
    pub select: Arc<dyn Select>,
    /// Where recording rules write theirs.
    pub append: Arc<dyn Append>,
    /// Who is told of alerts.
    pub sink: Arc<dyn AlertSink>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The host's own web address, without a slash at its end.
    pub external_url: String,
    /// Added to each alert that does not have them.
    pub external_labels: LabelSet,
    /// What the query of a rule may use, and which parts of the language. Its deadline, its meter and whether it is to stop are
    /// each query's own.
    pub queries: promql::Limits,
    /// Where queries of rules are listed while they run; none if nobody looks.
    pub listed: Option<Arc<dyn QueryList>>,
}

/// The query of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'r> {
    /// The file of its group.
    pub file: &'r str,
    /// The group's name.
    pub group: &'r str,
    /// The expression.
    pub query: &'r str,
    /// When it is evaluated.
    pub at: TimestampMs,
}

/// Where queries are listed while they run.
pub trait QueryList: Send + Sync {
    /// One begins. It is gone from the list when what comes back is dropped.
    fn begins(&self, rule: Rule<'_>) -> Box<dyn ListedQuery>;
    /// Stops all that rules asked.
    fn stop_all(&self);
}

/// A query that is listed.
pub trait ListedQuery {
    /// Set from outside to stop it.
    fn cancel(&self) -> Arc<AtomicBool>;
    /// Counts what it uses.
    fn meter(&self) -> Arc<promql::Meter>;
    /// Says how long it took, and why it failed if it did.
    fn ended(&mut self, took: Duration, error: Option<&str>);
}

/// The same, as groups use it.
pub(crate) struct Context {
    pub(crate) select: Arc<dyn Select>,
    pub(crate) append: Arc<dyn Append>,
    pub(crate) sink: Arc<dyn AlertSink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) external_url: String,
    pub(crate) external_labels: LabelSet,
    pub(crate) queries: promql::Limits,
    pub(crate) listed: Option<Arc<dyn QueryList>>,
    /// Of one expression.
    pub(crate) query_timeout: Duration,
    /// Ends running expressions when the process ends.
    pub(crate) cancel: Arc<AtomicBool>,
    pub(crate) evaluation_interval: AtomicI64,
}

impl Context {
    pub(crate) fn new(deps: RulesDeps) -> Self {
        Self {
            select: deps.select,
            append: deps.append,
            sink: deps.sink,
            clock: deps.clock,
            external_url: deps.external_url,
            external_labels: deps.external_labels,
            queries: deps.queries,
            listed: deps.listed,
            query_timeout: Duration::from_secs(120),
            cancel: Arc::default(),
            evaluation_interval: AtomicI64::new(60_000),
        }
    }

    /// The global one.
    pub(crate) fn evaluation_interval_ms(&self) -> i64 {
        self.evaluation_interval.load(Ordering::Relaxed)
    }
}
