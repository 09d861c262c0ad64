//! OTLP into a real database: every kind of metric, and B8.

use std::io::Write;

use model::seams::{ColumnSamples, Select, SelectRequest};
use model::{Histogram, HistogramCounts, MatchOp, Matcher, TimeRange, TimestampMs};
use remote::{OtlpAnswer, OtlpOptions, Request, Translation};

use crate::support::{NOW, Server, bytes, double, number, varint, zigzag};

const TYPE: &str = "application/x-protobuf";
const START: TimestampMs = NOW - 60_000;

fn fixed(out: &mut Vec<u8>, field: u32, value: u64) {
    double(out, field, f64::from_bits(value));
}

pub(crate) fn attribute(out: &mut Vec<u8>, field: u32, name: &str, value: &str) {
    let (mut pair, mut any) = (Vec::new(), Vec::new());
    bytes(&mut any, 1, value.as_bytes());
    bytes(&mut pair, 1, name.as_bytes());
    bytes(&mut pair, 2, &any);
    bytes(out, field, &pair);
}

/// Start and time, which all points have at the same numbers.
fn point(time: TimestampMs) -> Vec<u8> {
    let mut out = Vec::new();
    fixed(&mut out, 2, START as u64 * 1_000_000);
    fixed(&mut out, 3, time as u64 * 1_000_000);
    out
}

fn float(time: TimestampMs, value: f64, attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut out = point(time);
    double(&mut out, 4, value);
    attributes.iter().for_each(|(name, value)| attribute(&mut out, 7, name, value));
    out
}

/// A metric of points; `field` says of which kind.
fn metric(name: &str, unit: &str, field: u32, temporality: u64, points: &[Vec<u8>]) -> Vec<u8> {
    let (mut data, mut out) = (Vec::new(), Vec::new());
    points.iter().for_each(|point| bytes(&mut data, 1, point));
    if temporality > 0 {
        number(&mut data, 2, temporality);
    }
    if field == 7 {
        number(&mut data, 3, 1);
    }
    bytes(&mut out, 1, name.as_bytes());
    bytes(&mut out, 2, b"what it is");
    bytes(&mut out, 3, unit.as_bytes());
    bytes(&mut out, field, &data);
    out
}

pub(crate) fn gauge(name: &str, value: f64) -> Vec<u8> {
    metric(name, "", 5, 0, &[float(NOW, value, &[])])
}

/// A request of one resource.
pub(crate) fn request(attributes: &[(&str, &str)], metrics: &[Vec<u8>]) -> Vec<u8> {
    let (mut resource, mut scope, mut all, mut out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    attributes.iter().for_each(|(name, value)| attribute(&mut resource, 1, name, value));
    let mut library = Vec::new();
    bytes(&mut library, 1, b"lib");
    bytes(&mut scope, 1, &library);
    metrics.iter().for_each(|metric| bytes(&mut scope, 2, metric));
    bytes(&mut all, 1, &resource);
    bytes(&mut all, 2, &scope);
    bytes(&mut out, 1, &all);
    out
}

const SERVICE: [(&str, &str); 4] =
    [("service.name", "shop"), ("service.namespace", "eu"), ("service.instance.id", "i-1"), ("host.name", "h1")];

/// A histogram, an exponential one with an exemplar, and a summary.
fn distributions() -> [Vec<u8>; 3] {
    let mut classic = point(NOW);
    fixed(&mut classic, 4, 6);
    double(&mut classic, 5, 7.5);
    let (mut counts, mut bounds) = (Vec::new(), Vec::new());
    [1_u64, 2, 3].iter().for_each(|count| counts.extend_from_slice(&count.to_le_bytes()));
    [0.5_f64, 10.0].iter().for_each(|bound| bounds.extend_from_slice(&bound.to_le_bytes()));
    bytes(&mut classic, 6, &counts);
    bytes(&mut classic, 7, &bounds);
    let mut exemplar = Vec::new();
    fixed(&mut exemplar, 2, NOW as u64 * 1_000_000);
    double(&mut exemplar, 3, 4.0);
    bytes(&mut exemplar, 5, &[0xAB; 16]);
    bytes(&mut classic, 8, &exemplar);

    let mut exponential = point(NOW);
    fixed(&mut exponential, 4, 10);
    double(&mut exponential, 5, 12.5);
    number(&mut exponential, 6, zigzag(9));
    fixed(&mut exponential, 7, 3);
    let (mut side, mut packed) = (Vec::new(), Vec::new());
    number(&mut side, 1, zigzag(2));
    [3_u64, 4].iter().for_each(|count| varint(&mut packed, *count));
    bytes(&mut side, 2, &packed);
    bytes(&mut exponential, 8, &side);

    let mut summary = point(NOW);
    fixed(&mut summary, 4, 9);
    double(&mut summary, 5, 3.5);
    let mut quantile = Vec::new();
    double(&mut quantile, 1, 0.5);
    double(&mut quantile, 2, 0.25);
    bytes(&mut summary, 6, &quantile);
    [
        metric("rpc.duration", "ms", 9, 2, &[classic]),
        metric("queue.size", "", 10, 2, &[exponential]),
        metric("gc.pause", "s", 11, 0, &[summary]),
    ]
}

pub(crate) fn seed() -> Vec<u8> {
    let [classic, exponential, summary] = distributions();
    let counter = metric("http.requests", "{request}", 7, 2, &[float(NOW, 5.0, &[("http.method", "GET")])]);
    request(&SERVICE, &[gauge("cpu.load", 0.5), counter, classic, exponential, summary])
}

fn send(server: &Server, encoding: Option<&str>, body: &[u8]) -> OtlpAnswer {
    let request = Request { content_type: Some(TYPE), content_encoding: encoding, user: None, address: "192.0.2.7" };
    server.receiver.write_otlp(&request, body)
}

fn taken() -> OtlpAnswer {
    OtlpAnswer { status: 200, rejected: 0, text: String::new(), retry_after_s: None }
}

/// Series with the one value that each has.
fn floats(server: &Server) -> Vec<(String, f64)> {
    let stored = server.stored().into_iter();
    stored
        .map(|(labels, samples)| {
            assert_eq!((samples.len(), samples[0].0), (1, NOW), "{labels}");
            (labels, samples[0].1)
        })
        .collect()
}

fn histograms(server: &Server) -> Vec<(String, Histogram)> {
    let all = Matcher::new("__name__", MatchOp::NotEqual, "").expect("a good matcher");
    let range = TimeRange { start: TimestampMs::MIN, end: TimestampMs::MAX };
    let mut found = Vec::new();
    for group in server.db.select(&SelectRequest { matchers: &[all], range }).expect("it reads") {
        let samples = group.read().expect("it decodes");
        for (labels, column) in group.labels().iter().zip(&samples.columns) {
            if let ColumnSamples::Mixed { histograms, .. } = column {
                found.extend(histograms.iter().flatten().map(|histogram| (labels.to_string(), (**histogram).clone())));
            }
        }
    }
    found
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(message).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn every_kind_of_metric_is_read_back() {
    let server = Server::new();
    assert_eq!(send(&server, None, &seed()), taken());
    assert!(taken().body().is_empty());
    // Again, because the answer was lost, and compressed.
    assert_eq!(send(&server, Some("gzip"), &gzip(&seed())), taken());
    let target = r#"instance="i-1", job="eu/shop""#;
    let wanted = [
        (format!("cpu_load{{{target}}}"), 0.5),
        (format!("gc_pause_seconds_count{{{target}}}"), 9.0),
        (format!("gc_pause_seconds_sum{{{target}}}"), 3.5),
        (format!("gc_pause_seconds{{{target}, quantile=\"0.5\"}}"), 0.25),
        (format!("http_requests_total{{http_method=\"GET\", {target}}}"), 5.0),
        (format!("rpc_duration_milliseconds_bucket{{{target}, le=\"+Inf\"}}"), 6.0),
        (format!("rpc_duration_milliseconds_bucket{{{target}, le=\"0.5\"}}"), 1.0),
        (format!("rpc_duration_milliseconds_bucket{{{target}, le=\"10\"}}"), 3.0),
        (format!("rpc_duration_milliseconds_count{{{target}}}"), 6.0),
        (format!("rpc_duration_milliseconds_sum{{{target}}}"), 7.5),
        (format!("target_info{{host_name=\"h1\", {target}}}"), 1.0),
    ];
    let (mut found, mut wanted) = (floats(&server), wanted.to_vec());
    found.sort_by(|a, b| a.0.cmp(&b.0));
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, wanted);
    let [(labels, histogram)] = &histograms(&server)[..] else { panic!("one native histogram") };
    assert_eq!(labels, &format!("queue_size{{{target}}}"));
    // Buckets 2 and 3 of scale 9 are bucket 1 of scale 8, which is 2 here.
    assert_eq!((histogram.schema, histogram.sum, histogram.positive_spans[0].offset), (8, 12.5, 2));
    let counts = HistogramCounts::Integer { count: 10, zero: 3, positive: vec![7], negative: vec![] };
    assert_eq!(histogram.counts, counts);
    let stats = server.receiver.stats();
    assert!(stats.senders[0].exemplars > 0, "{stats:?}");
    assert!(server.receiver.metadata().iter().any(|family| &*family.name == "rpc_duration_milliseconds" && &*family.help == "what it is"));
    assert_eq!(server.receiver.otlp_stats().points, 10);
}

/// What fuzzing begins with; `SKOPOS_SEEDS=tests/fuzz/corpus` writes it anew.
#[test]
fn the_seed_of_fuzzing_is_a_good_message() {
    let file = "otlp/seed-all";
    if let Ok(corpus) = std::env::var("SKOPOS_SEEDS") {
        std::fs::create_dir_all(format!("{corpus}/otlp")).expect("a folder");
        std::fs::write(format!("{corpus}/{file}"), seed()).expect("a file");
    }
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/otlp/seed-all");
    assert_eq!(std::fs::read(kept).expect("it is there"), seed());
}

#[test]
fn starts_are_kept() {
    let server = Server::new();
    send(&server, None, &seed());
    let total = Matcher::new("__name__", MatchOp::Equal, "http_requests_total").expect("a good matcher");
    let range = TimeRange { start: TimestampMs::MIN, end: TimestampMs::MAX };
    let groups = server.db.select(&SelectRequest { matchers: &[total], range }).expect("it reads");
    let starts: Vec<_> = groups.iter().flat_map(|group| group.starts().expect("it decodes")).collect();
    assert!(format!("{starts:?}").contains(&START.to_string()), "{starts:?}");
}

#[test]
fn options_of_the_block_count() {
    let server = Server::new();
    server.receiver.set_otlp(OtlpOptions {
        strategy: Translation::NoTranslation,
        promoted: vec!["host.name".to_owned()],
        keep_identifying: true,
        custom_buckets: true,
        promote_scope: true,
        ..OtlpOptions::default()
    });
    assert_eq!(send(&server, None, &seed()), taken());
    let stored = server.stored();
    let named: Vec<&String> = stored.keys().filter(|labels| labels.contains("http.requests")).collect();
    assert!(named.len() == 1 && ["host.name", "http.method", "otel_scope_name"].iter().all(|label| named[0].contains(label)), "{stored:?}");
    assert!(stored.keys().any(|labels| labels.contains("target_info") && labels.contains("service.namespace")), "{stored:?}");
    assert_eq!(histograms(&server).iter().filter(|(_, histogram)| histogram.custom_bounds == [0.5, 10.0]).count(), 1);
}

#[test]
fn delta_is_refused_and_named_and_the_rest_stored() {
    let server = Server::new();
    let delta = metric("jobs.done", "", 7, 1, &[float(NOW, 1.0, &[]), float(NOW + 1, 1.0, &[])]);
    let answer = send(&server, None, &request(&SERVICE, &[delta, gauge("g", 1.0)]));
    assert_eq!((answer.status, answer.rejected), (200, 2));
    assert!(answer.text.contains("jobs.done") && answer.text.contains("delta") && answer.text.contains("2 data points"), "{answer:?}");
    // partial_success { rejected_data_points, error_message }
    let body = answer.body();
    assert_eq!((body[0], body[2], body[3], body[4]), (0x0A, 0x08, 2, 0x12));
    assert!(server.stored().keys().any(|labels| labels.starts_with("g{")));
    assert!(!server.stored().keys().any(|labels| labels.contains("jobs")));
    assert_eq!(server.receiver.otlp_stats().rejected.get("delta"), Some(&2));
    let ahead = metric("late", "", 5, 0, &[float(NOW + 3_600_000, 1.0, &[])]);
    let answer = send(&server, None, &request(&[], &[ahead]));
    assert!(answer.status == 200 && answer.rejected == 1 && answer.text.contains("ahead"), "{answer:?}");
}

#[test]
fn what_is_not_protobuf_is_told_so() {
    let server = Server::new();
    let of = |kind: &str, encoding: &str, body: &[u8]| {
        let request = Request { content_type: Some(kind), content_encoding: Some(encoding), user: None, address: "" };
        server.receiver.write_otlp(&request, body)
    };
    assert!(of("application/json", "", b"{}").text.contains("application/x-protobuf"));
    assert_eq!(of("application/json", "", b"{}").status, 415);
    assert_eq!(of(TYPE, "zstd", b"").status, 415);
    assert_eq!(of(TYPE, "gzip", b"no gzip").status, 400);
    assert_eq!(of(TYPE, "", &[0x0A, 5, 1]).status, 400);
    assert_eq!(of(TYPE, "", b""), taken());
    let whole = gzip(&seed());
    assert_eq!(of(TYPE, "gzip", &whole[..whole.len() - 9]).status, 400, "cut off");
    assert!(server.stored().is_empty());
}

#[test]
fn b8_otlp_gzip_bomb_is_inflated_to_the_limit_and_no_further() {
    const LIMIT: u64 = 32 << 20;
    const STEP: u64 = 256 << 10;
    // 1 GiB of zeros is about 1 MiB.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&zeros).expect("memory");
    }
    let bomb = encoder.finish().expect("memory");
    assert!(bomb.len() < 2 << 20, "{} bytes", bomb.len());
    let server = Server::new();
    let answer = send(&server, Some("gzip"), &bomb);
    let inflated = server.receiver.otlp_stats().inflated_bytes;
    println!("{} bytes; {inflated} were inflated", bomb.len());
    assert!(answer.status == 413 && answer.text.contains(&LIMIT.to_string()), "{answer:?}");
    assert!((LIMIT..=LIMIT + STEP).contains(&inflated), "{inflated}");
    // Many small members are no way around.
    let many: Vec<u8> = gzip(&zeros).repeat(100);
    assert_eq!(send(&server, Some("gzip"), &many).status, 413);
    assert!(server.receiver.otlp_stats().inflated_bytes <= 2 * (LIMIT + STEP));
    // It goes on.
    assert_eq!(send(&server, Some("gzip"), &gzip(&seed())), taken());
}

#[test]
fn b8_otlp_message_that_makes_more_than_it_is_is_refused() {
    let server = Server::new();
    // 30 MB of the emptiest metrics, resources, exemplars, and of one long attribute with a great many buckets.
    let empty: Vec<u8> = [0x12, 0].repeat(15 << 20);
    let (mut scope, mut message) = (Vec::new(), Vec::new());
    bytes(&mut scope, 2, &empty);
    bytes(&mut message, 1, &scope);
    assert_eq!(send(&server, None, &message).status, 400);
    assert_eq!(send(&server, None, &[0x0A, 0].repeat(15 << 20)).status, 400);
    let mut histogram = point(NOW);
    attribute(&mut histogram, 9, "long", &"x".repeat(60_000));
    let bounds: Vec<u8> = (0..100_000).flat_map(|bound| f64::from(bound).to_le_bytes()).collect();
    bytes(&mut histogram, 6, &vec![0; 800_008]);
    bytes(&mut histogram, 7, &bounds);
    let answer = send(&server, None, &request(&[], &[metric("h", "", 9, 2, &[histogram])]));
    assert!(answer.status == 400 && answer.text.contains("bytes of labels"), "{answer:?}");
    assert!(server.stored().is_empty());
}

#[test]
fn b8_otlp_collide_in_a_request_the_first_name_is_stored() {
    for metrics in [[gauge("a_b", 2.0), gauge("a.b", 1.0)], [gauge("a.b", 1.0), gauge("a_b", 2.0)]] {
        let server = Server::new();
        let answer = send(&server, None, &request(&[("service.name", "x")], &metrics));
        assert_eq!((answer.status, answer.rejected), (200, 1));
        assert!(answer.text.contains("a_b"), "{answer:?}");
        assert_eq!(floats(&server), [("a_b{job=\"x\"}".to_owned(), 1.0)]);
        let stats = server.receiver.otlp_stats();
        assert_eq!((stats.collisions, stats.rejected.get("collision")), (1, Some(&1)));
    }
}

#[test]
fn b8_otlp_collide_between_requests_the_one_that_was_there_stays() {
    let server = Server::new();
    let send_one = |name: &str, time: TimestampMs, value: f64| {
        server.clock.set(time);
        send(&server, None, &request(&[], &[metric(name, "", 5, 0, &[float(time, value, &[])])])).rejected
    };
    assert_eq!(send_one("a_b", NOW, 2.0), 0);
    assert_eq!(send_one("a.b", NOW + 1000, 1.0), 1);
    assert_eq!(send_one("a_b", NOW + 2000, 3.0), 0);
    assert_eq!(send_one("a.b", NOW + 3000, 1.0), 1);
    // With other labels it is another series.
    let other = metric("a.b", "", 5, 0, &[float(NOW + 3000, 1.0, &[("x", "y")])]);
    assert_eq!(send(&server, None, &request(&[], &[other])).rejected, 0);
    // One that was renamed comes through once the name of before has not come for long.
    assert_eq!(send_one("a.b", NOW + 303_000, 9.0), 0);
    assert_eq!(send_one("a_b", NOW + 304_000, 9.0), 1);
    server.receiver.tend();
    assert_eq!(server.receiver.otlp_stats().collisions, 3);
    assert_eq!(server.stored()["a_b"], [(NOW, 2.0), (NOW + 2000, 3.0), (NOW + 303_000, 9.0)]);
}
