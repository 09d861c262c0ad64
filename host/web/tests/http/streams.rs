//! Long answers about targets and their samples: they go out while they are written. And what becomes of histograms there.

use std::sync::Arc;

use crate::support::{Seen, ask_of, open, state, through};
use exposition::protobuf::Value;
use http_body_util::BodyExt;
use model::LabelSet;
use web::State;

/// What is told of 100,000 targets, metrics or series goes out in pieces while it is written, in JSON or text that is whole; what is
/// too much is an error if nothing has gone out.
#[tokio::test]
async fn c10_targets_metadata_and_federation_are_streamed() {
    const MANY: usize = 100_000;
    let memory = promql::Memory::new();
    for n in 0..MANY {
        memory.load_text(&format!("m{{n=\"{n}\"}}"), "_x39 1", 15_000).expect("a good series");
    }
    let targets = || {
        let target = |n: usize| scrape::snapshot::DroppedTarget {
            discovered_labels: LabelSet::from_pairs([("__address__", format!("10.0.0.1:{n}"))]),
            pool: "many".into(),
        };
        scrape::snapshot::TargetsSnapshot { dropped: (0..MANY).map(target).collect(), ..Default::default() }
    };
    let family = |n: usize| {
        let (name, kind) = (format!("m_{n:06}").into(), model::FamilyKind::Gauge);
        Arc::new(scrape::FamilyMetadata { name, kind, help: "h".into(), unit: "".into() })
    };
    let families: Arc<[_]> = (0..MANY).map(family).collect();
    let metadata = move || vec![scrape::snapshot::TargetMetadata { labels: LabelSet::empty(), families: Arc::clone(&families) }];
    let many = State { select: Arc::new(memory), targets: Arc::new(targets), metadata: Arc::new(metadata), ..state(&Seen::default()) };
    for (path, entry) in [
        ("api/v1/targets", "\"scrapePool\""),
        ("api/v1/metadata", "\"help\""),
        ("api/v1/targets/metadata", "\"help\""),
        ("federate?match[]=m", "\nm{"),
    ] {
        let request = format!("GET /{path}");
        let mut body = open(many.clone(), &request).await.into_body();
        let (mut whole, mut pieces, mut longest) = (Vec::new(), 0, 0);
        while let Some(frame) = body.frame().await {
            let data = frame.expect("a piece").into_data().expect("data");
            (pieces, longest) = (pieces + 1, longest.max(data.len()));
            whole.extend_from_slice(&data);
        }
        println!("{path}: {} bytes in {pieces} pieces, the longest {longest}", whole.len());
        let text = String::from_utf8(whole).expect("text");
        assert_eq!(text.matches(entry).count(), MANY, "{path}");
        assert!(pieces > 20 && longest < 256 << 10, "{path}: {pieces} pieces, the longest {longest}");
        assert!(path.starts_with("federate") || serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{path}");
        let capped = State { limits: web::Limits { answer_bytes: 1 << 10, ..web::Limits::default() }, ..many.clone() };
        let answer = ask_of(capped, &request, &[], "").await;
        assert!(answer.status == 422 && answer.body.contains("is larger than 0 MiB"), "{path}: {} {}", answer.status, answer.body);
    }
}

/// Histograms go to other servers as upstream sends them: native ones by protobuf alone, those with custom buckets as classic ones.
#[tokio::test]
async fn histograms_are_federated() {
    let memory = promql::Memory::new();
    let native = "_x39 {{schema:1 count:9 sum:7.5 z_bucket:2 z_bucket_w:0.5 buckets:[3 0 1] n_buckets:[3]}}";
    let custom = "_x39 {{schema:-53 count:6 sum:4 custom_values:[1 2.5] buckets:[1 2 3]}}";
    for (series, points) in [("h{a=\"n\"}", native), ("h{a=\"c\"}", custom), ("x", "_x39 5")] {
        memory.load_text(series, points, 15_000).expect("a good series");
    }
    let with = State { select: Arc::new(memory), ..state(&Seen::default()) };
    let request = "GET /federate?match[]=h&match[]=x";
    let text = ask_of(with.clone(), request, &[], "").await;
    let labels = "a=\"c\",instance=\"\",site=\"lab\"";
    let expected = [
        "# TYPE h histogram".to_owned(),
        format!("h_bucket{{{labels},le=\"1\"}} 1 585000"),
        format!("h_bucket{{{labels},le=\"2.5\"}} 3 585000"),
        format!("h_bucket{{{labels},le=\"+Inf\"}} 6 585000"),
        format!("h_sum{{{labels}}} 4 585000"),
        format!("h_count{{{labels}}} 6 585000"),
        "# TYPE x untyped".to_owned(),
        "x{instance=\"\",site=\"lab\"} 5 585000".to_owned(),
    ];
    assert_eq!((text.status, text.body.lines().collect::<Vec<_>>()), (200, expected.iter().map(String::as_str).collect()));
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;q=0.3";
    let response = through(web::router(with), request, &[("accept", accept)], "").await;
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(kind.starts_with("application/vnd.google.protobuf"), "{kind}");
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    let mut reader = exposition::protobuf::Reader::new(&bytes);
    let (mut seen, mut histograms) = (Vec::new(), 0);
    while let Some(family) = reader.next_family().expect("good protobuf") {
        seen.push((family.name.to_owned(), family.kind));
        let mut metrics = family.metrics();
        while let Some(metric) = metrics.next_metric().expect("good protobuf") {
            let Value::Histogram(histogram) = metric.value().expect("a value") else { continue };
            assert_ne!(histogram.is_native(), histogram.has_classic_buckets());
            if histogram.is_native() {
                let native = histogram.native().expect("a good histogram");
                let counts = model::HistogramCounts::Float { count: 9.0, zero: 2.0, positive: vec![3.0, 1.0], negative: vec![3.0] };
                assert_eq!((native.schema, native.zero_threshold, native.sum, native.counts), (1, 0.5, 7.5, counts));
            }
            histograms += 1;
        }
    }
    assert_eq!(histograms, 2);
    assert_eq!(seen, [("h".to_owned(), model::FamilyKind::Histogram), ("x".to_owned(), model::FamilyKind::Unknown)]);
}
