//! The nouns every room of Skopos shares, and the traits the rooms meet at.
//!
//! Start at [`LabelSet`] and [`seams`]. Everything here is plain data or a narrow trait.
//!
//! This crate does not know files, sockets, tasks, YAML or WebAssembly: a type that needs one of them belongs elsewhere.

mod alert;
mod compiled;
pub mod config;
mod family;
mod histogram;
mod labels;
mod matcher;
mod re2;
mod resolution;
mod sample;
pub mod seams;
mod shape;
pub mod stop;
mod target;
mod time;
pub mod view;

pub use alert::{Alert, AlertStatus, Link, Notification, Reason, Receipt, SendError};
pub use family::{FamilyKind, FamilySamples, HistogramValue, MetricFamily, SummaryValue};
pub use histogram::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMAS, Histogram, HistogramCounts, ResetHint, StartTimestampMs};
pub use labels::{
    LABEL_NAME_BYTES_MAX, LabelSet, LabelSetBuilder, LabelSetPacker, METRIC_NAME, PackedLabelSets, is_classic_label_name,
    is_classic_metric_name,
};
pub use matcher::{MatchOp, Matcher, MatcherError, Pattern};
pub use sample::{ABSENT_BITS, HISTOGRAM_BITS, STALE_BITS, absent, is_absent, is_stale, stale};
pub use target::TargetGroup;
pub use time::{Clock, ManualClock, TimeRange, TimestampMs, format_duration, parse_duration};
