use std::sync::Arc;

use model::{LabelSet, TimestampMs};

use crate::histogram::{FloatHistogram, HistogramPoint};
use crate::meter::Stats;

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryResult {
    /// The answer itself.
    pub value: Value,
    /// What may be wrong with it, each once, with the position in the query.
    pub warnings: Vec<String>,
    /// What is worth knowing about it, likewise.
    pub infos: Vec<String>,
    /// What it cost.
    pub stats: Stats,
    /// Samples that were looked at at each step; empty unless [`crate::Limits::per_step`] asked for them.
    pub samples_per_step: Vec<StepSamples>,
}

/// Samples of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepSamples {
    /// The time of the step, Unix milliseconds.
    pub time: TimestampMs,
    /// See [`Stats::samples_looked_at`].
    pub looked_at: usize,
    /// See [`Stats::samples_fresh`].
    pub fresh: usize,
}

/// An answer by type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of an instant query of a scalar.
    Scalar(Point),
    /// Of an instant query of a string, and its time.
    String(TimestampMs, String),
    /// Of an instant query of an instant vector. In the order that `sort` or `topk` made, else in no particular one.
    Vector(Vec<Sample>),
    /// Of a range query, or of an instant query of a range vector. Sorted by labels.
    Matrix(Vec<Series>),
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Unix milliseconds.
    pub time: TimestampMs,
    /// The value.
    pub value: f64,
}

/// A series with one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series.
    pub labels: LabelSet,
    /// Its value at the time of evaluation; NaN where it is a histogram.
    pub point: Point,
    /// The value, if it is a histogram.
    pub histogram: Option<Arc<FloatHistogram>>,
}

/// A series with several values.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The series.
    pub labels: LabelSet,
    /// Its floats by time.
    pub points: Vec<Point>,
    /// Its histograms by time. A series is never without both, and no time is in both.
    pub histograms: Vec<HistogramPoint>,
}
