use model::{BucketSpan, HistogramCounts, ResetHint};

use super::*;

#[path = "../../tests/common/messages.rs"]
mod messages;
use messages::*;

/// All float samples as the text formats would have them: name, labels, value.
fn floats(body: &[u8]) -> Result<Vec<(String, f64)>, Error> {
    let (mut reader, mut found, mut labels) = (Reader::new(body), Vec::new(), Vec::new());
    while let Some(family) = reader.next_family()? {
        let mut metrics = family.metrics();
        while let Some(metric) = metrics.next_metric()? {
            metric.read_labels(&mut labels)?;
            metric.value()?.floats::<Error>(|float| {
                let own = labels.iter().map(|(name, value)| format!("{name}={value}"));
                let all: Vec<String> = own.chain(float.part.label().map(|(name, value)| format!("{name}={value}"))).collect();
                found.push((format!("{}{}{{{}}}", family.name, float.part.suffix(), all.join(",")), float.value));
                Ok(())
            })?;
        }
    }
    Ok(found)
}

fn native(value: &Message, kind: u64) -> Result<model::Histogram, Error> {
    let body = family("h", "", kind, &[metric(&[], 7, value)]);
    let family = Reader::new(&body).next_family()?.expect("a family");
    let metric = family.metrics().next_metric()?.expect("a metric");
    let Value::Histogram(histogram) = metric.value()? else { panic!("a histogram") };
    assert!(histogram.is_native());
    histogram.native()
}

#[track_caller]
fn refused(body: &[u8], part: &str) -> Error {
    let error = floats(body).expect_err("it is refused");
    assert!(error.message.contains(part), "{error}");
    assert!(error.offset <= body.len());
    error
}

#[test]
fn each_kind_has_the_samples_of_the_text_formats() {
    let summary = message().number(1, 3).double(2, 1.5).nested(3, &message().double(1, 0.5).double(2, 7.0));
    let classic = message().number(1, 5).double(2, 9.5).nested(3, &bucket(2, 1.0)).nested(3, &bucket(4, 2.5));
    let with_end = classic.clone().nested(3, &bucket(5, f64::INFINITY));
    let body = [
        family("c_total", "A counter.", COUNTER, &[metric(&[("a", "1")], 3, &message().double(1, 4.0))]),
        family("g", "", GAUGE, &[gauge(&[], -1.0), gauge(&[("ü", "\"\n")], f64::NEG_INFINITY)]),
        family("u", "", UNTYPED, &[metric(&[], 5, &message())]),
        family("s", "", SUMMARY, &[metric(&[("x", "y")], 4, &summary)]),
        family("h", "", HISTOGRAM, &[metric(&[], 7, &classic)]),
        family("i", "", GAUGE_HISTOGRAM, &[metric(&[], 7, &with_end)]),
    ]
    .concat();
    let wanted = [
        ("c_total{a=1}", 4.0),
        ("g{}", -1.0),
        ("g{ü=\"\n}", f64::NEG_INFINITY),
        ("u{}", 0.0),
        ("s_count{x=y}", 3.0),
        ("s_sum{x=y}", 1.5),
        ("s{x=y,quantile=0.5}", 7.0),
        ("h_count{}", 5.0),
        ("h_sum{}", 9.5),
        ("h_bucket{le=1.0}", 2.0),
        ("h_bucket{le=2.5}", 4.0),
        ("h_bucket{le=+Inf}", 5.0),
        ("i_count{}", 5.0),
        ("i_sum{}", 9.5),
        ("i_bucket{le=1.0}", 2.0),
        ("i_bucket{le=2.5}", 4.0),
        ("i_bucket{le=+Inf}", 5.0),
    ];
    assert_eq!(floats(&body), Ok(wanted.map(|(name, value)| (name.to_owned(), value)).to_vec()));
}

#[test]
fn times_exemplars_and_names_by_which_a_metric_is_known() {
    let counter = message().double(1, 4.0).nested(2, &exemplar("abc", 0.25, Some(1_700_000_000_123))).nested(3, &time(1_600_000_000_500));
    let first = metric(&[("a", "1"), ("b", "2")], 3, &counter).number(6, 1234);
    let scattered = message().nested(3, &message().double(1, 1.0)).labels(&[("a", "1")]);
    let body = family("c", "", COUNTER, &[first, scattered]);
    let family = Reader::new(&body).next_family().expect("good").expect("one");
    let mut metrics = family.metrics();
    let metric = metrics.next_metric().expect("good").expect("one");
    assert_eq!((metric.timestamp, metric.named_by().map(<[u8]>::len)), (Some(1234), Some(16)));
    let value = metric.value().expect("good");
    assert_eq!(value.start(), Some(1_600_000_000_500));
    let Value::Number(number) = value else { panic!("a number") };
    let content = number.exemplar.expect("one").read().expect("good");
    assert_eq!(content, ExemplarContent { labels: vec![("trace_id", "abc")], value: 0.25, timestamp: Some(1_700_000_000_123) });
    let scattered = metrics.next_metric().expect("good").expect("one");
    let mut labels = Vec::new();
    scattered.read_labels(&mut labels).expect("good");
    assert_eq!((scattered.named_by(), labels), (None, vec![("a", "1")]));
}

#[test]
fn native_histograms() {
    let integer = message().number(1, 17).double(2, 18.5).signed(5, 3).double(6, 1e-3).number(7, 2);
    let integer = integer.span(12, -2, 2).span(12, 1, 1).deltas(13, &[4, 1, -3]).span(9, 0, 1).signed(10, 4);
    let read = native(&integer, HISTOGRAM).expect("good");
    assert_eq!(read.counts, HistogramCounts::Integer { count: 17, zero: 2, positive: vec![4, 5, 2], negative: vec![4] });
    assert_eq!((read.schema, read.sum, read.zero_threshold, read.reset_hint), (3, 18.5, 1e-3, ResetHint::Unknown));
    assert_eq!(read.positive_spans, [BucketSpan { offset: -2, length: 2 }, BucketSpan { offset: 1, length: 1 }]);
    let float = message().double(4, 3.5).double(2, 1.0).signed(5, -4).double(8, 1.0).span(12, 0, 2).doubles(14, &[2.0]).double(14, 0.5);
    let read = native(&float, GAUGE_HISTOGRAM).expect("good");
    assert_eq!(read.counts, HistogramCounts::Float { count: 3.5, zero: 1.0, positive: vec![2.0, 0.5], negative: Vec::new() });
    assert_eq!(read.reset_hint, ResetHint::Gauge);
    // No observation yet.
    assert_eq!(native(&message().span(12, 0, 0), HISTOGRAM).map(|read| read.bucket_count()), Ok(0));
    // Finer than what is kept.
    let fine = message().number(1, 6).signed(5, 10).span(12, 1, 4).deltas(13, &[1, 0, 0, 0]).span(12, 0, 1).deltas(13, &[1]);
    let read = native(&fine, HISTOGRAM).expect("good");
    assert_eq!((read.schema, read.bucket_count()), (8, 2));
    assert_eq!(read.counts, HistogramCounts::Integer { count: 6, zero: 0, positive: vec![4, 2], negative: Vec::new() });
}

#[test]
fn native_histograms_that_do_not_fit_are_refused() {
    let nan = |bits: u64| message().number(1, 2).double(2, f64::from_bits(bits)).span(12, 0, 1).deltas(13, &[1]);
    let read = native(&nan(model::STALE_BITS), HISTOGRAM).expect("a NaN is in no bucket");
    assert!(read.sum.is_nan() && !read.is_stale(), "a target cannot write a stale marker");
    for (value, part) in [
        (message().number(1, 2).span(12, 0, 1).deltas(13, &[1]), "1 observations in its buckets, and a count of 2"),
        (message().number(1, 2).span(12, 0, 2).deltas(13, &[2]), "name 2 buckets, and there are 1"),
        (message().number(1, 2).span(12, 0, 2).deltas(13, &[2, -3]), "below zero"),
        (message().number(1, 2).span(12, 0, 2).deltas(13, &[i64::MAX, i64::MAX]), "below zero"),
        (message().number(1, 2).span(12, 0, 2).deltas(13, &[i64::MAX, 0]).number(7, 5), "too many"),
        (message().span(12, 0, 0).signed(5, -5), "schema -5"),
        (message().span(12, 0, 0).signed(5, -53), "schema -53"),
        (message().span(12, 0, 0).signed(5, i64::MIN), "is no schema"),
        (message().span(12, 0, 0).double(6, f64::NAN), "NaN wide"),
        (message().span(12, 0, 0).span(12, -1, 0), "negative offset"),
        (message().span(12, i64::from(i32::MAX), 1).deltas(13, &[0]), "beyond 32 bits"),
        (message().span(12, i64::MAX, 1), "beyond 32 bits"),
        (message().double(4, 1.0).span(12, 0, 1).doubles(14, &[-1.0]), "a count of -1"),
        (message().double(4, 1.0).span(12, 0, 1).doubles(14, &[f64::NAN]), "a count of NaN"),
        (message().double(4, 1.0).span(12, 0, 1).bytes(14, &[0; 7]), "ends in a number"),
        (message().span(12, 0, 1).deltas(13, &vec![0; BUCKETS_MAX + 1]), "more than 65536 buckets"),
    ] {
        let error = native(&value, HISTOGRAM).expect_err("it is refused");
        assert!(error.message.contains(part) && error.family == "h", "{error}");
    }
}

#[test]
fn bodies_that_are_none_are_refused_with_their_place() {
    let good = family("g", "", GAUGE, &[gauge(&[], 1.0)]);
    for cut in 1..good.len() {
        refused(&good[..cut], "");
    }
    let error = refused(&[good.clone(), vec![5, 0]].concat(), "a family of 5 bytes, and 1 are left");
    assert_eq!(error.offset, good.len());
    let bad = family("bad", "", GAUGE, &[gauge(&[("a", "1"), ("a", "2")], 1.0)]);
    let error = refused(&[good, bad].concat(), "the label \"a\" comes twice");
    assert!(error.to_string().starts_with("protobuf, byte "), "{error}");
    assert_eq!(error.family, "bad");
    let pairs: Vec<(String, String)> = (0..1025).map(|n| (format!("l{n}"), String::new())).collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (metric, part) in [
        (gauge(&[("", "1")], 1.0), "an empty label name"),
        (gauge(&[("__name__", "1")], 1.0), "the name is the family's"),
        (gauge(&pairs, 1.0), "more than 1024 labels"),
        (gauge(&[pairs[..20].to_vec(), vec![("l7", "again")]].concat(), 1.0), "\"l7\" comes twice"),
        (message().nested(1, &message().bytes(1, b"a\xFF")).nested(2, &message()), "a label name that is not valid UTF-8"),
        (message().nested(1, &message().text(1, "a").bytes(2, b"\xFF")).nested(2, &message()), "a label value that is not valid UTF-8"),
        (message().nested(3, &message().double(1, 1.0)), "holds no gauge"),
        (message().nested(2, &message().number(1, 1)), "field 1 is not of its type"),
        (message().number(2, 1), "field 2 is not of its type"),
        (message().bytes(2, &[0x0B]), "a group"),
    ] {
        refused(&family("g", "", GAUGE, &[metric]), part);
    }
    refused(&delimited(&message().number(3, 1)), "without a name");
    refused(&delimited(&message().bytes(1, b"\xFF")), "not valid UTF-8");
    refused(&family("g", "", 6, &[]), "6 is no type");
    refused(&delimited(&message().text(1, "a_seconds").number(3, 1).text(5, "bytes")), "the unit \"bytes\" is not at the end");
    assert_eq!(floats(&delimited(&message().text(1, "a_seconds_total").text(5, "seconds"))), Ok(Vec::new()));
}

/// Bytes of good bodies, changed here and there, and cut.
#[test]
fn nothing_that_was_changed_makes_it_panic() {
    let seed = std::env::var("SKOPOS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5eed_u64);
    let integer = message().number(1, 7).double(2, 18.5).signed(5, 3).double(6, 1e-3).number(7, 2).span(12, -2, 2).deltas(13, &[4, -3]);
    let both = integer.nested(3, &bucket(2, 1.0).nested(3, &exemplar("x", 1.0, Some(1)))).nested(16, &exemplar("y", 2.0, None));
    let float = message().double(4, 3.5).double(8, 1.0).span(9, 0, 2).doubles(11, &[2.0, 0.5]).nested(15, &time(5));
    let body = [
        family("h", "help", HISTOGRAM, &[metric(&[("a", "1")], 7, &both), metric(&[("a", "2")], 7, &float).number(6, 77)]),
        family("g", "", GAUGE, &[gauge(&[("ä", "ö")], 1.0)]),
        family("s", "", SUMMARY, &[metric(&[], 4, &message().nested(3, &message().double(1, 0.5)))]),
    ]
    .concat();
    assert_eq!(crate::fuzzing::protobuf(&body), Ok((11, 2)));
    let mut state = seed;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut refused = 0;
    for _ in 0..50_000 {
        let mut changed = body.clone();
        for _ in 0..=random(3) {
            let at = random(changed.len());
            changed[at] = random(256) as u8;
        }
        changed.truncate(changed.len() - random(changed.len()).saturating_sub(body.len() / 2));
        refused += usize::from(crate::fuzzing::protobuf(&changed).is_err());
    }
    assert!(refused > 10_000, "{refused} of 50000 were refused, with the seed {seed}");
}
