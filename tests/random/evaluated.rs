//! Our answer without a server.

use promql::{QueryResult, Value};

use crate::answer::{Content, Labels};

/// Our answer.
pub(crate) fn of(result: QueryResult) -> Content {
    let labels = |set: &model::LabelSet| set.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Labels>();
    match result.value {
        Value::Scalar(point) => Content::new("scalar", vec![(Vec::new(), vec![(point.time, point.value)])]),
        Value::String(time, _) => Content::new("string", vec![(Vec::new(), vec![(time, 0.0)])]),
        Value::Vector(samples) => {
            // Only floats are compared: histograms of 2.42 are another world.
            Content::new("vector", samples.iter().map(|s| (labels(&s.labels), vec![(s.point.time, s.point.value)])).collect())
        }
        Value::Matrix(series) => {
            let points = |series: &promql::Series| series.points.iter().map(|p| (p.time, p.value)).collect();
            Content::new("matrix", series.iter().map(|s| (labels(&s.labels), points(s))).collect())
        }
    }
}
