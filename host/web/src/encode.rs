//! Answers as bytes, written directly, in the forms of Go's encoder that clients of Prometheus know.

use std::io;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use model::{LabelSet, TimestampMs};
use promql::{FloatHistogram, Point, Value};
use serde::Serialize;

use crate::error::ApiError;

/// A successful answer: `data` as JSON.
pub(crate) fn success(data: &impl Serialize) -> Result<Response, ApiError> {
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(br#"{"status":"success","data":"#);
    serde_json::to_writer(&mut body, data).map_err(|error| ApiError::internal(format!("the answer could not be written: {error}")))?;
    body.push(b'}');
    Ok(json(body))
}

/// The bytes of a successful answer, at most so many: `data` as JSON. What is too much is not held first.
pub(crate) fn success_within(data: &impl Serialize, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Bounded { out: br#"{"status":"success","data":"#.to_vec(), limit };
    serde_json::to_writer(&mut body, data).map_err(|error| match error.is_io() {
        true => ApiError::execution(format!("the answer is larger than {} MiB: set limit, or ask for one metric", limit >> 20)),
        false => ApiError::internal(format!("the answer could not be written: {error}")),
    })?;
    body.out.push(b'}');
    Ok(body.out)
}

/// Takes so many bytes and fails then.
struct Bounded {
    out: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.len() + bytes.len() > self.limit {
            return Err(io::Error::other("too large"));
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that are JSON.
pub(crate) fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// Writes JSON and knows how much there may be of it.
pub(crate) struct Writer {
    out: Vec<u8>,
    limit: usize,
}

impl Writer {
    pub(crate) fn new(limit: usize) -> Self {
        Self { out: Vec::with_capacity(1024), limit }
    }

    pub(crate) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Fails once the answer is too large; to be asked between parts that are small themselves.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.out.len() <= self.limit {
            return Ok(());
        }
        Err(ApiError::execution(format!(
            "the answer is larger than {} MiB: ask for fewer series, a larger step, or set limit",
            self.limit >> 20
        )))
    }

    pub(crate) fn value(&mut self, value: &impl Serialize) -> Result<(), ApiError> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| ApiError::internal(format!("the answer could not be written: {error}")))
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn labels(&mut self, labels: &LabelSet) -> Result<(), ApiError> {
        self.value(labels)
    }

    fn point(&mut self, time: TimestampMs, value: f64) {
        self.raw("[");
        self.raw(&seconds(time));
        self.raw(",\"");
        self.raw(&float(value));
        self.raw("\"]");
    }

    /// A histogram with its time; its buckets are `[boundaries, lower, upper, count]`, numbers in texts, as upstream.
    fn histogram(&mut self, time: TimestampMs, histogram: &FloatHistogram) {
        self.raw(&format!(r#"[{},{{"count":"{}","sum":"{}""#, seconds(time), float(histogram.count), float(histogram.sum)));
        let mut before = r#","buckets":["#;
        for bucket in histogram.buckets() {
            let (lower, upper) = (float(bucket.lower), float(bucket.upper));
            self.raw(&format!(r#"{before}[{},"{lower}","{upper}","{}"]"#, bucket.boundaries(), float(bucket.count)));
            before = ",";
        }
        self.raw(if before == "," { "]}]" } else { "}]" });
    }

    /// `"resultType":…,"result":…` of a query.
    pub(crate) fn result(&mut self, value: &Value) -> Result<(), ApiError> {
        match value {
            Value::Scalar(Point { time, value }) => {
                self.raw(r#""resultType":"scalar","result":["#);
                self.raw(&seconds_short(*time));
                self.raw(",\"");
                self.raw(&float_plain(*value));
                self.raw("\"]");
            }
            Value::String(time, text) => {
                self.raw(r#""resultType":"string","result":["#);
                self.raw(&seconds_short(*time));
                self.raw(",");
                self.value(text)?;
                self.raw("]");
            }
            Value::Vector(samples) => {
                self.raw(r#""resultType":"vector","result":["#);
                for (at, sample) in samples.iter().enumerate() {
                    self.raw(if at == 0 { r#"{"metric":"# } else { r#",{"metric":"# });
                    self.labels(&sample.labels)?;
                    match &sample.histogram {
                        None => {
                            self.raw(r#","value":"#);
                            self.point(sample.point.time, sample.point.value);
                        }
                        Some(histogram) => {
                            self.raw(r#","histogram":"#);
                            self.histogram(sample.point.time, histogram);
                        }
                    }
                    self.raw("}");
                    self.check()?;
                }
                self.raw("]");
            }
            Value::Matrix(series) => {
                self.raw(r#""resultType":"matrix","result":["#);
                for (at, series) in series.iter().enumerate() {
                    self.raw(if at == 0 { r#"{"metric":"# } else { r#",{"metric":"# });
                    self.labels(&series.labels)?;
                    if !series.points.is_empty() {
                        self.raw(r#","values":["#);
                        for (at, point) in series.points.iter().enumerate() {
                            if at > 0 {
                                self.raw(",");
                            }
                            self.point(point.time, point.value);
                        }
                        self.raw("]");
                    }
                    if !series.histograms.is_empty() {
                        self.raw(r#","histograms":["#);
                        for (at, point) in series.histograms.iter().enumerate() {
                            if at > 0 {
                                self.raw(",");
                            }
                            self.histogram(point.time, &point.histogram);
                        }
                        self.raw("]");
                    }
                    self.raw("}");
                    self.check()?;
                }
                self.raw("]");
            }
        }
        Ok(())
    }
}

/// Unix seconds with milliseconds behind the point where there are any: `1700000000.123`.
pub(crate) fn seconds(time: TimestampMs) -> String {
    let (sign, ms) = (if time < 0 { "-" } else { "" }, time.unsigned_abs());
    match ms % 1000 {
        0 => format!("{sign}{}", ms / 1000),
        fraction => format!("{sign}{}.{fraction:03}", ms / 1000),
    }
}

/// The same without zeros at the end, as upstream writes the time of a scalar or a string.
fn seconds_short(time: TimestampMs) -> String {
    let text = seconds(time);
    if text.contains('.') { text.trim_end_matches('0').to_owned() } else { text }
}

/// Never with an exponent, as upstream writes a scalar.
fn float_plain(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { float(value) }
}

/// The shortest text that reads back as the value: decimal, but with an exponent below 1e-6 and from 1e21 on, as upstream's
/// API writes samples.
pub(crate) fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) { exponent(value) } else { value.to_string() }
}

/// Go's `e` form: the exponent has a sign and at least two digits.
pub(crate) fn exponent(value: f64) -> String {
    if !value.is_finite() {
        return float(value);
    }
    let text = format!("{value:e}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}e{sign}{power:0>2}")
}

/// RFC 3339 in UTC with as many decimals as it takes; Go's zero time for none.
pub(crate) fn rfc3339(time: Option<TimestampMs>) -> String {
    time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-07"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (123_456_789.012_345_67, "123456789.01234567"),
        ] {
            assert_eq!(float(value), text);
        }
        for (value, text) in
            [(1e-7, "0.0000001"), (1e21, "1000000000000000000000"), (-0.0, "-0"), (f64::NEG_INFINITY, "-Inf"), (f64::NAN, "NaN")]
        {
            assert_eq!(float_plain(value), text);
        }
        assert_eq!((exponent(1.0), exponent(0.0), exponent(-25.0)), ("1e+00".into(), "0e+00".into(), "-2.5e+01".into()));
    }

    #[test]
    fn times() {
        for (ms, text) in [
            (0, "0"),
            (1_700_000_000_000, "1700000000"),
            (1_700_000_000_123, "1700000000.123"),
            (1_007, "1.007"),
            (100, "0.100"),
            (-1_500, "-1.500"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            assert_eq!(seconds(ms), text);
        }
        for (ms, text) in [(0, "0"), (1_500, "1.5"), (100, "0.1"), (10_000, "10"), (-20, "-0.02"), (1_001, "1.001")] {
            assert_eq!(seconds_short(ms), text);
        }
        assert_eq!(rfc3339(Some(1_700_000_000_120)), "2023-11-14T22:13:20.12Z");
        assert_eq!(rfc3339(None), "0001-01-01T00:00:00Z");
    }
}
