//! Answers as bytes, written directly, in the forms of Go's encoder that clients of Prometheus know.

use std::io;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use model::TimestampMs;
use promql::FloatHistogram;
pub(crate) use promql::json::{exponent, write_float, write_seconds};
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
}

/// Unix seconds with milliseconds behind the point where there are any: `1700000000.123`.
pub(crate) fn seconds(time: TimestampMs) -> String {
    let mut out = Vec::with_capacity(16);
    write_seconds(&mut out, time);
    ascii(out)
}

fn ascii(bytes: Vec<u8>) -> String {
    // What was written is digits, signs and letters.
    String::from_utf8(bytes).unwrap_or_default()
}

/// The same without zeros at the end, as upstream writes the time of a scalar or a string.
pub(crate) fn seconds_short(time: TimestampMs) -> String {
    let text = seconds(time);
    if text.contains('.') { text.trim_end_matches('0').to_owned() } else { text }
}

/// A histogram with its time; its buckets are `[boundaries, lower, upper, count]`, numbers in texts, as upstream.
pub(crate) fn write_histogram(out: &mut Vec<u8>, time: TimestampMs, histogram: &FloatHistogram) {
    out.push(b'[');
    write_seconds(out, time);
    out.extend_from_slice(br#",{"count":""#);
    write_float(out, histogram.count);
    out.extend_from_slice(br#"","sum":""#);
    write_float(out, histogram.sum);
    out.push(b'"');
    let mut before: &[u8] = br#","buckets":["#;
    for bucket in histogram.buckets() {
        out.extend_from_slice(before);
        out.push(b'[');
        out.extend_from_slice(itoa::Buffer::new().format(bucket.boundaries()).as_bytes());
        for number in [bucket.lower, bucket.upper, bucket.count] {
            out.extend_from_slice(b",\"");
            write_float(out, number);
            out.push(b'"');
        }
        out.push(b']');
        before = b",";
    }
    out.extend_from_slice(if before == b"," { b"]}]" } else { b"}]" });
}

/// Never with an exponent, as upstream writes a scalar.
pub(crate) fn float_plain(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { float(value) }
}

/// The shortest text that reads back as the value: decimal, but with an exponent below 1e-6 and from 1e21 on, as upstream's
/// API writes samples.
pub(crate) fn float(value: f64) -> String {
    let mut out = Vec::with_capacity(24);
    write_float(&mut out, value);
    ascii(out)
}

/// RFC 3339 in UTC with as many decimals as it takes; Go's zero time for none.
pub(crate) fn rfc3339(time: Option<TimestampMs>) -> String {
    time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_back_and_are_as_short_as_can_be() {
        let mut state = 88_172_645_463_325_252_u64;
        for at in 0..200_000_u32 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = match at % 4 {
                0 => f64::from_bits(state),
                1 => (state >> 40) as f64 / 1000.0,
                2 => (state >> 20) as f64 - 1e12,
                _ => 10_f64.powi(i32::try_from(state % 30).unwrap_or(0) - 7) * ((state >> 33) as f64),
            };
            if value.is_finite() {
                let text = float(value);
                assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()), "{text}");
                if !text.contains('e') {
                    assert_eq!(text.len(), value.to_string().len(), "{text} {value}");
                }
            }
        }
        // Of two that are as short and as near the even one counts, as in Go; the standard library takes the other.
        assert_eq!(float(-1_808_339_332_967_052.5 / 2.0), "-904169666483526.2");
    }

    #[test]
    fn floats() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1.234e17, "123400000000000000"),
            (-1.25e-6, "-0.00000125"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
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
