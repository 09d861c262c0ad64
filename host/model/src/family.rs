use crate::{LabelSet, TimestampMs};

/// The kind of a metric family, as exposition formats name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FamilyKind {
    /// Anything; `untyped` in the older text format.
    Unknown,
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
    /// Quantiles, a sum and a count.
    Summary,
    /// A histogram of what is there now.
    GaugeHistogram,
    /// Labels with the value 1.
    Info,
    /// A set of booleans.
    StateSet,
}

impl FamilyKind {
    /// As the text formats and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// Metrics of one name, as a plugin or the host itself gives them.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    /// Of a counter, with `_total`.
    pub name: String,
    /// One line for people.
    pub help: String,
    /// As in OpenMetrics, empty for none.
    pub unit: String,
    /// The samples, all of one kind.
    pub samples: FamilySamples,
}

/// Samples of a family: labels (without the name), value, and the time if it is not that of the scrape.
#[derive(Clone, Debug, PartialEq)]
pub enum FamilySamples {
    /// Of no known kind.
    Unknown(Vec<(LabelSet, f64, Option<TimestampMs>)>),
    /// Counters.
    Counter(Vec<(LabelSet, f64, Option<TimestampMs>)>),
    /// Gauges.
    Gauge(Vec<(LabelSet, f64, Option<TimestampMs>)>),
    /// Classic histograms.
    Histogram(Vec<(LabelSet, HistogramValue, Option<TimestampMs>)>),
    /// Summaries.
    Summary(Vec<(LabelSet, SummaryValue, Option<TimestampMs>)>),
}

/// A classic histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramValue {
    /// Observations in all.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Upper bound, inclusive, and the cumulative count; the last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

/// A summary.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryValue {
    /// Observations in all.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Quantile (0 to 1) and its value.
    pub quantiles: Vec<(f64, f64)>,
}
