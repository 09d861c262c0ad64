//! `io.prometheus.client.MetricFamily`, one after the other, each with its length before it
//! (fields: <https://github.com/prometheus/client_model>, `io/prometheus/client/metrics.proto`).

use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, Histogram, HistogramCounts, LabelSet, TimestampMs};
use remote::put::{put_double, put_message, put_number, put_varint, zigzag};

use super::{Family, Newest, cumulative, pairs, positive};
use crate::error::ApiError;
use crate::stream::Sink;

pub(super) const CONTENT_TYPE: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// Bytes of one family at most: a reader needs it as a whole.
const FAMILY_BYTES_MAX: usize = 64 << 20;

const GAUGE_HISTOGRAM: u64 = 5;
const HISTOGRAM: u64 = 4;
const UNTYPED: u64 = 3;

/// Whether `Accept` wants this rather than text: the first of what is known, by `q`.
pub(super) fn is_preferred<'h>(accept: impl Iterator<Item = &'h str>) -> bool {
    let mut best: Option<(f64, bool)> = None;
    for entry in accept.flat_map(|header| header.split(',')) {
        let mut parts = entry.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<(String, &str)> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"')))
            .collect();
        let of = |name: &str| parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
        let protobuf = kind == "application/vnd.google.protobuf"
            && of("proto") == "io.prometheus.client.MetricFamily"
            && of("encoding") == "delimited";
        let text = kind == "text/plain" && matches!(of("version"), "" | "0.0.4" | "1.0.0");
        let weight = if of("q").is_empty() { 1.0 } else { of("q").parse::<f64>().unwrap_or(0.0) };
        if (protobuf || text) && best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, protobuf));
        }
    }
    best.is_some_and(|(_, protobuf)| protobuf)
}

pub(super) fn write(
    family: &mut Family,
    begins: bool,
    (labels, external): (&LabelSet, &LabelSet),
    time: TimestampMs,
    newest: &Newest,
    sink: &mut Sink,
) -> Result<(), ApiError> {
    if begins {
        finish(family, sink);
        put_message(&mut family.message, 1, family.name.as_bytes());
        let kind = match family.histogram {
            None => UNTYPED,
            Some(false) => HISTOGRAM,
            Some(true) => GAUGE_HISTOGRAM,
        };
        put_number(&mut family.message, 3, kind);
    }
    let mut metric = Vec::new();
    for (name, value) in pairs(labels, external) {
        let mut label = Vec::new();
        put_message(&mut label, 1, name.as_bytes());
        put_message(&mut label, 2, value.as_bytes());
        put_message(&mut metric, 1, &label);
    }
    let mut value = Vec::new();
    let field = match newest {
        Newest::Float(number) => {
            put_double(&mut value, 1, *number);
            5
        }
        Newest::Histogram(histogram) => {
            put_histogram(&mut value, histogram);
            7
        }
    };
    put_message(&mut metric, field, &value);
    put_number(&mut metric, 6, time.cast_unsigned());
    put_message(&mut family.message, 4, &metric);
    if family.message.len() > FAMILY_BYTES_MAX {
        let name = &family.name;
        return Err(ApiError::execution(format!("{name} takes more than {} MiB: ask for fewer series of it", FAMILY_BYTES_MAX >> 20)));
    }
    Ok(())
}

/// Sends what was written of a family.
pub(super) fn finish(family: &mut Family, sink: &mut Sink) {
    if family.message.is_empty() {
        return;
    }
    let mut length = Vec::new();
    put_varint(&mut length, family.message.len() as u64);
    sink.bytes_of(&length);
    sink.bytes_of(&family.message);
    family.message.clear();
}

fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    let (count, zero, negative) = match &histogram.counts {
        HistogramCounts::Integer { count, zero, negative, .. } => {
            (*count as f64, *zero as f64, negative.iter().map(|count| *count as f64).collect())
        }
        HistogramCounts::Float { count, zero, negative, .. } => (*count, *zero, negative.clone()),
    };
    put_double(out, 2, histogram.sum);
    put_double(out, 4, count);
    if histogram.schema == CUSTOM_BUCKETS_SCHEMA {
        // Custom buckets are classic ones there.
        for (bound, count) in cumulative(histogram) {
            let mut bucket = Vec::new();
            put_double(&mut bucket, 2, bound);
            put_double(&mut bucket, 4, count);
            put_message(out, 3, &bucket);
        }
        return;
    }
    // Zero is written too: the schema is what says that it is a native one.
    put_varint(out, 5 << 3);
    put_varint(out, zigzag(i64::from(histogram.schema)));
    put_double(out, 6, histogram.zero_threshold);
    put_double(out, 8, zero);
    put_spans(out, 9, &histogram.negative_spans);
    negative.iter().for_each(|count: &f64| put_double(out, 11, *count));
    put_spans(out, 12, &histogram.positive_spans);
    positive(histogram).iter().for_each(|count| put_double(out, 14, *count));
}

fn put_spans(out: &mut Vec<u8>, field: u32, spans: &[BucketSpan]) {
    for span in spans {
        let mut message = Vec::new();
        put_number(&mut message, 1, zigzag(i64::from(span.offset)));
        put_number(&mut message, 2, u64::from(span.length));
        put_message(out, field, &message);
    }
}

#[cfg(test)]
mod tests {
    use super::is_preferred;

    #[test]
    fn whoever_prefers_protobuf_gets_it() {
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        for (accept, wanted) in [
            ("", false),
            ("*/*", false),
            ("text/plain;version=0.0.4;q=0.3,*/*;q=0.2", false),
            (protobuf, true),
            (&format!("{protobuf};q=0.6,text/plain;version=0.0.4;q=0.3"), true),
            (&format!("{protobuf};q=0.2,text/plain;version=0.0.4;q=0.3"), false),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", false),
        ] {
            assert_eq!(is_preferred([accept].into_iter()), wanted, "{accept}");
        }
    }
}
