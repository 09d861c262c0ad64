//! Native histograms, exemplars and start times.

use std::sync::Arc;

use model::seams::{ColumnSamples, Select, SelectRequest, SeriesExemplars};
use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, Histogram, HistogramCounts, MatchOp, Matcher, ResetHint, TimeRange, TimestampMs, stale};

use crate::support::{NOW, Server, V2Writer, bytes, double, labels_v1, number, set, varint, zigzag};

const A: &str = "latency{instance=a:1,job=node}";
const ALWAYS: TimeRange = TimeRange { start: TimestampMs::MIN, end: TimestampMs::MAX };

fn name(text: &str) -> Matcher {
    Matcher::new("__name__", MatchOp::Equal, text).expect("a good matcher")
}

/// An integer histogram of two neighbouring buckets.
pub(crate) fn integer(scale: u64) -> Histogram {
    Histogram {
        schema: 3,
        zero_threshold: 0.001,
        sum: 12.5,
        counts: HistogramCounts::Integer { count: 7 * scale, zero: scale, positive: vec![2 * scale, 4 * scale], negative: vec![] },
        positive_spans: vec![BucketSpan { offset: -2, length: 2 }],
        negative_spans: vec![],
        custom_bounds: vec![],
        reset_hint: ResetHint::Unknown,
    }
}

pub(crate) fn float() -> Histogram {
    Histogram {
        schema: -1,
        counts: HistogramCounts::Float { count: 6.5, zero: 0.5, positive: vec![1.5, 2.5], negative: vec![2.0] },
        positive_spans: vec![BucketSpan { offset: 0, length: 1 }, BucketSpan { offset: 3, length: 1 }],
        negative_spans: vec![BucketSpan { offset: 1, length: 1 }],
        reset_hint: ResetHint::Gauge,
        ..integer(1)
    }
}

pub(crate) fn custom() -> Histogram {
    Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        zero_threshold: 0.0,
        counts: HistogramCounts::Integer { count: 6, zero: 0, positive: vec![1, 2, 3], negative: vec![] },
        positive_spans: vec![BucketSpan { offset: 0, length: 3 }],
        custom_bounds: vec![0.1, 1.0],
        ..integer(1)
    }
}

/// Writes the message as its definition says.
pub(crate) fn encode(histogram: &Histogram, time: TimestampMs) -> Vec<u8> {
    let mut out = Vec::new();
    let spans = |out: &mut Vec<u8>, field: u32, spans: &[BucketSpan]| {
        for span in spans {
            let mut one = Vec::new();
            number(&mut one, 1, zigzag(i64::from(span.offset)));
            number(&mut one, 2, u64::from(span.length));
            bytes(out, field, &one);
        }
    };
    match &histogram.counts {
        HistogramCounts::Integer { count, zero, positive, negative } => {
            number(&mut out, 1, *count);
            number(&mut out, 6, *zero);
            for (field, side) in [(9, negative), (12, positive)] {
                let (mut packed, mut last) = (Vec::new(), 0);
                for count in side {
                    varint(&mut packed, zigzag(*count as i64 - last));
                    last = *count as i64;
                }
                bytes(&mut out, field, &packed);
            }
        }
        HistogramCounts::Float { count, zero, positive, negative } => {
            double(&mut out, 2, *count);
            double(&mut out, 7, *zero);
            for (field, side) in [(10, negative), (13, positive)] {
                let packed: Vec<u8> = side.iter().flat_map(|count| count.to_le_bytes()).collect();
                bytes(&mut out, field, &packed);
            }
        }
    }
    double(&mut out, 3, histogram.sum);
    number(&mut out, 4, zigzag(i64::from(histogram.schema)));
    double(&mut out, 5, histogram.zero_threshold);
    spans(&mut out, 8, &histogram.negative_spans);
    spans(&mut out, 11, &histogram.positive_spans);
    let hint =
        [ResetHint::Unknown, ResetHint::Reset, ResetHint::NoReset, ResetHint::Gauge].iter().position(|hint| *hint == histogram.reset_hint);
    number(&mut out, 14, hint.expect("one of four") as u64);
    number(&mut out, 15, time as u64);
    let bounds: Vec<u8> = histogram.custom_bounds.iter().flat_map(|bound| bound.to_le_bytes()).collect();
    bytes(&mut out, 16, &bounds);
    out
}

/// A request of one series, in both versions: `fields` are those of 1.0 with the numbers of 2.0 beside them.
pub(crate) fn request(version: u32, labels: &str, fields: &[(u32, u32, Vec<u8>)]) -> (&'static str, Vec<u8>) {
    if version == 1 {
        let mut series = Vec::new();
        labels_v1(&mut series, set(labels).iter());
        fields.iter().for_each(|(field, _, message)| bytes(&mut series, *field, message));
        let mut message = Vec::new();
        bytes(&mut message, 1, &series);
        return (crate::support::V1, message);
    }
    let mut writer = V2Writer::default();
    let mut rest = Vec::new();
    fields.iter().for_each(|(_, field, message)| bytes(&mut rest, *field, message));
    writer.series(labels, &[], &rest);
    (crate::support::V2, writer.message())
}

fn histograms(server: &Server) -> Vec<(TimestampMs, Arc<Histogram>)> {
    let groups = server.db.select(&SelectRequest { matchers: &[name("latency")], range: ALWAYS }).expect("it reads");
    let samples = groups.first().expect("a series").read().expect("it decodes");
    let ColumnSamples::Mixed { histograms, .. } = &samples.columns[0] else { panic!("no histograms: {samples:?}") };
    samples.times.iter().copied().zip(histograms).filter_map(|(time, histogram)| Some((time, histogram.clone()?))).collect()
}

#[test]
fn native_histograms_of_every_kind_come_back() {
    for version in [1, 2] {
        let server = Server::new();
        let sent = [integer(1), integer(1000), float(), custom(), Histogram { sum: stale(), ..integer(0) }];
        for (at, histogram) in sent.iter().enumerate() {
            let (content_type, message) = request(version, A, &[(4, 3, encode(histogram, NOW + at as i64))]);
            let answer = server.send(content_type, &message);
            assert_eq!((answer.status, answer.samples, answer.histograms), (204, 0, 1), "{version}.0, {at}: {}", answer.text);
        }
        let stored = histograms(&server);
        let wanted: Vec<(TimestampMs, &Histogram)> = sent[..4].iter().zip(NOW..).map(|(histogram, time)| (time, histogram)).collect();
        for ((time, histogram), (wanted_time, wanted)) in stored.iter().zip(&wanted) {
            assert_eq!((time, &**histogram), (wanted_time, *wanted), "{version}.0");
        }
        assert_eq!(server.receiver.stats().senders[0].series, 0, "the stale one ended the series");
        // The same again, and then another of the same time.
        let (content_type, message) = request(version, A, &[(4, 3, encode(&integer(5), NOW + 10)), (4, 3, encode(&integer(5), NOW + 10))]);
        assert_eq!(server.send(content_type, &message).histograms, 2);
        let (content_type, message) = request(version, A, &[(4, 3, encode(&integer(6), NOW + 10))]);
        let answer = server.send(content_type, &message);
        assert_eq!((answer.status, answer.histograms), (400, 0), "{}", answer.text);
    }
}

#[test]
fn histograms_that_contradict_themselves_are_refused() {
    let server = Server::new();
    let wrong_count =
        Histogram { counts: HistogramCounts::Integer { count: 9, zero: 0, positive: vec![1, 2], negative: vec![] }, ..integer(1) };
    let wrong_spans = Histogram { positive_spans: vec![BucketSpan { offset: 0, length: 3 }], ..integer(1) };
    for (histogram, text) in
        [(wrong_count, "Count field is 9"), (wrong_spans, "name 3 buckets"), (Histogram { schema: 9, ..integer(1) }, "schema 9")]
    {
        let (content_type, message) = request(1, A, &[(4, 3, encode(&histogram, NOW)), (4, 3, encode(&integer(1), NOW + 1))]);
        let answer = server.send(content_type, &message);
        assert!(answer.status == 400 && answer.text.contains(text), "{answer:?}");
    }
    assert_eq!(histograms(&server).len(), 1, "the good one of each request, which is the same");
}

fn exemplar_v1(trace: &str, value: f64, time: TimestampMs) -> Vec<u8> {
    let mut message = Vec::new();
    labels_v1(&mut message, [("trace_id", trace)]);
    double(&mut message, 2, value);
    number(&mut message, 3, time as u64);
    message
}

fn sample(time: TimestampMs) -> Vec<u8> {
    let mut message = Vec::new();
    double(&mut message, 1, 1.0);
    number(&mut message, 2, time as u64);
    message
}

fn traces(server: &Server) -> Vec<(String, TimestampMs)> {
    let found: Vec<SeriesExemplars> = server.db.exemplars(&[vec![name("latency")]], ALWAYS).expect("it reads");
    let all = found.iter().flat_map(|series| &series.exemplars);
    all.map(|exemplar| (exemplar.labels.get("trace_id").unwrap_or_default().to_owned(), exemplar.time)).collect()
}

#[test]
fn exemplars_come_beside_a_sample_apart_from_it_or_after_it() {
    let server = Server::new();
    // Beside it; in a series of its own, as Prometheus sends them; and before the next sample.
    let (content_type, message) = request(1, A, &[(2, 2, sample(NOW)), (3, 4, exemplar_v1("one", 0.5, NOW - 5))]);
    let answer = server.send(content_type, &message);
    assert_eq!((answer.status, answer.samples, answer.exemplars), (204, 1, 1));
    let mut message = request(1, A, &[(2, 2, sample(NOW + 1))]).1;
    message.extend(request(1, A, &[(3, 4, exemplar_v1("two", 0.5, NOW))]).1);
    assert_eq!(server.v1(&message).exemplars, 1);
    let answer = server.v1(&request(1, A, &[(3, 4, exemplar_v1("three", 0.5, NOW + 1))]).1);
    assert_eq!((answer.status, answer.exemplars), (204, 0));
    assert_eq!(server.v1(&request(1, A, &[(2, 2, sample(NOW + 2))]).1).exemplars, 1);
    // 2.0 has its labels as symbols.
    let mut writer = V2Writer::default();
    let refs = writer.refs(&model::LabelSet::from_pairs([("trace_id", "four")]));
    let (mut exemplar, mut rest) = (Vec::new(), Vec::new());
    bytes(&mut exemplar, 1, &refs);
    double(&mut exemplar, 2, 0.5);
    number(&mut exemplar, 3, (NOW + 3) as u64);
    bytes(&mut rest, 4, &exemplar);
    writer.series(A, &[(NOW + 3, 1.0)], &rest);
    assert_eq!(server.v2(&writer.message()).exemplars, 1);
    let wanted = [("one", NOW - 5), ("two", NOW), ("three", NOW + 1), ("four", NOW + 3)];
    assert_eq!(traces(&server), wanted.map(|(trace, time)| (trace.to_owned(), time)));
}

#[test]
fn start_times_of_samples_and_of_series() {
    let server = Server::new();
    let mut writer = V2Writer::default();
    let mut of_sample = sample(NOW);
    number(&mut of_sample, 3, (NOW - 60_000) as u64);
    let mut rest = Vec::new();
    bytes(&mut rest, 2, &of_sample);
    writer.series(A, &[], &rest);
    assert_eq!(server.v2(&writer.message()).samples, 1);
    // As the drafts of 2.0 had it.
    let mut writer = V2Writer::default();
    let mut rest = Vec::new();
    number(&mut rest, 6, (NOW - 30_000) as u64);
    writer.series(A, &[(NOW + 1, 2.0)], &rest);
    assert_eq!(server.v2(&writer.message()).samples, 1);
    let groups = server.db.select(&SelectRequest { matchers: &[name("latency")], range: ALWAYS }).expect("it reads");
    assert_eq!(groups[0].starts().expect("it reads"), [vec![(NOW, NOW - 60_000), (NOW + 1, NOW - 30_000)]]);
}
