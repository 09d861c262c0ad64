//! How much memory an answer takes.

use crate::histogram::HistogramPoint;
use crate::value::{Point, Sample, Series, Value};

impl Value {
    /// Bytes of memory, labels included, as an allocator is asked for them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Scalar(_) => 0,
            Self::String(_, text) => text.capacity(),
            Self::Vector(samples) => {
                let rest: usize = samples.iter().map(Sample::bytes).sum();
                rest + samples.capacity() * size_of::<Sample>()
            }
            Self::Matrix(series) => series.iter().map(Series::bytes).sum::<usize>() + series.capacity() * size_of::<Series>(),
        }
    }
}

impl Sample {
    /// Bytes that its labels and its histogram take, beside itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.labels.bytes() + self.histogram.as_ref().map_or(0, |histogram| histogram.bytes())
    }
}

impl Series {
    /// Bytes that its labels and points take, beside itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let histograms: usize = self.histograms.iter().map(|point| point.histogram.bytes()).sum();
        self.labels.bytes()
            + self.points.capacity() * size_of::<Point>()
            + self.histograms.capacity() * size_of::<HistogramPoint>()
            + histograms
    }
}
