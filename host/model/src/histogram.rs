use crate::TimestampMs;

/// The schema of histograms whose bounds are written out instead of computed; the number is Prometheus'.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// The finest and the coarsest exponential schema: a bucket's bound is the one before times 2^(2^-schema).
pub const EXPONENTIAL_SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// A native histogram: one sample that holds a whole distribution, in the terms of Prometheus' `Histogram` message.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// In [`EXPONENTIAL_SCHEMAS`], or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Half the width of the bucket around zero. 0 with custom buckets.
    pub zero_threshold: f64,
    /// Sum of the observations. The stale marker stands here: such a histogram says that the series ended.
    pub sum: f64,
    /// Observations, in all and by bucket.
    pub counts: HistogramCounts,
    /// Where the positive buckets lie.
    pub positive_spans: Vec<BucketSpan>,
    /// Where the negative ones do. Empty with custom buckets.
    pub negative_spans: Vec<BucketSpan>,
    /// Upper bounds, ascending, finite; empty unless the buckets are custom. The last bucket has none.
    pub custom_bounds: Vec<f64>,
    /// What is known of a reset before this sample.
    pub reset_hint: ResetHint,
}

/// Counts of a histogram: not cumulative, not differences.
#[derive(Clone, Debug, PartialEq)]
pub enum HistogramCounts {
    /// Of an integer histogram.
    Integer {
        /// All observations.
        count: u64,
        /// Those in the bucket around zero.
        zero: u64,
        /// Of each bucket that the spans name.
        positive: Vec<u64>,
        /// Likewise.
        negative: Vec<u64>,
    },
    /// Of a float histogram.
    Float {
        /// All observations.
        count: f64,
        /// Those in the bucket around zero.
        zero: f64,
        /// Of each bucket that the spans name.
        positive: Vec<f64>,
        /// Likewise.
        negative: Vec<f64>,
    },
}

/// Neighbouring buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketSpan {
    /// Of the first span, the index of its first bucket; else the buckets left out since the last span.
    pub offset: i32,
    /// Buckets.
    pub length: u32,
}

/// What is known of a counter reset between a histogram and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetHint {
    /// Nothing: compare.
    #[default]
    Unknown,
    /// There was one.
    Reset,
    /// There was none.
    NoReset,
    /// The histogram is a gauge; there is no such thing.
    Gauge,
}

impl Histogram {
    /// What ends a series of histograms.
    #[must_use]
    pub fn stale() -> Self {
        Self {
            schema: 0,
            zero_threshold: 0.0,
            sum: crate::stale(),
            counts: HistogramCounts::Integer { count: 0, zero: 0, positive: Vec::new(), negative: Vec::new() },
            positive_spans: Vec::new(),
            negative_spans: Vec::new(),
            custom_bounds: Vec::new(),
            reset_hint: ResetHint::Unknown,
        }
    }

    /// Whether it says that the series ended.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        crate::is_stale(self.sum)
    }

    /// Whether buckets, spans and bounds fit together: what storage takes. The error says what does not.
    pub fn check(&self) -> Result<(), String> {
        let custom = self.schema == CUSTOM_BUCKETS_SCHEMA;
        if !custom && !EXPONENTIAL_SCHEMAS.contains(&self.schema) {
            return Err(format!("histogram schema {} is not in -4 to 8 and not {CUSTOM_BUCKETS_SCHEMA}", self.schema));
        }
        if !custom && !self.custom_bounds.is_empty() {
            return Err("a histogram with an exponential schema has custom bounds".to_owned());
        }
        let (positive, negative) = match &self.counts {
            HistogramCounts::Integer { positive, negative, .. } => (positive.len(), negative.len()),
            HistogramCounts::Float { positive, negative, .. } => (positive.len(), negative.len()),
        };
        check_spans("positive", &self.positive_spans, positive)?;
        check_spans("negative", &self.negative_spans, negative)?;
        if custom {
            if !self.negative_spans.is_empty() || self.zero_threshold != 0.0 {
                return Err("a histogram with custom buckets has negative buckets or a bucket around zero".to_owned());
            }
            if self.custom_bounds.iter().any(|bound| !bound.is_finite()) || self.custom_bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err("the custom bounds of a histogram do not ascend".to_owned());
            }
            let buckets: i64 = self.positive_spans.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum();
            if buckets > self.custom_bounds.len() as i64 + 1 {
                return Err(format!("a histogram has {buckets} custom buckets but only {} bounds", self.custom_bounds.len()));
            }
        }
        Ok(())
    }
}

fn check_spans(side: &str, spans: &[BucketSpan], buckets: usize) -> Result<(), String> {
    if spans.iter().skip(1).any(|span| span.offset < 0) {
        return Err(format!("a {side} span of a histogram has a negative offset"));
    }
    let named: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if named != buckets as u64 {
        return Err(format!("the {side} spans of a histogram name {named} buckets, and there are {buckets}"));
    }
    Ok(())
}

/// When the series behind a sample began to count, as its source says: OpenMetrics' created time, remote write's start time.
pub type StartTimestampMs = TimestampMs;
