//! Bodies in protobuf, against a storage that checks what the seam promises.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use exposition::Format;
use model::{Histogram, HistogramCounts, LabelSet};

use crate::commit::{Committed, Committer, Scrape};
use crate::config::Limits;
use crate::layout::KeyHasher;
use crate::native::HistogramRules;
use crate::sample_labels::SampleRules;
use crate::store::{Store, StoredRow};

#[path = "../../../exposition/tests/common/messages.rs"]
mod messages;
use messages::*;

pub(in crate::commit) const NATIVE: HistogramRules =
    HistogramRules { native: true, classic_too: false, custom_buckets: false, bucket_limit: 0, schema_max: None };

pub(in crate::commit) struct Bench {
    pub(in crate::commit) store: Store,
    committer: Committer,
    time: i64,
}

pub(in crate::commit) fn rules(histograms: HistogramRules) -> SampleRules {
    SampleRules {
        target_labels: LabelSet::from_pairs([("job", "j")]),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: true,
        legacy_names: false,
        limits: Limits::default(),
        histograms,
        metric_relabel: Arc::default(),
    }
}

impl Bench {
    pub(in crate::commit) fn new(rules: SampleRules) -> Self {
        let store = Store::default();
        let committer = Committer::new(store.shared(), Arc::default(), "g".to_owned(), KeyHasher::new(3), Arc::new(rules));
        Self { store, committer, time: 0 }
    }

    pub(in crate::commit) fn scrape(&mut self, body: Result<(&[u8], Format), &str>) -> Committed {
        self.time += 1000;
        self.committer.commit(&Scrape {
            time: self.time,
            began: Instant::now(),
            body: body.map_err(str::to_owned),
            timeout_ms: 1000,
            extra_metrics: false,
            certificate_not_after: None,
        })
    }

    #[track_caller]
    fn good(&mut self, body: &[u8]) -> Committed {
        let committed = self.scrape(Ok((body, Format::Protobuf)));
        assert_eq!((committed.error.as_ref(), committed.warning.as_ref()), (None, None));
        committed
    }

    pub(in crate::commit) fn row(&self) -> StoredRow {
        self.store.rows().into_iter().rfind(|row| row.group == "g").expect("a row")
    }

    /// The floats of the last row of the target's group, without those of the report: name with labels, and value.
    pub(in crate::commit) fn floats(&self) -> BTreeMap<String, f64> {
        let own = |labels: &LabelSet| labels.metric_name().is_some_and(|name| name == "up" || name.starts_with("scrape_"));
        let row = self.row();
        row.samples.iter().filter(|(labels, _)| !own(labels)).map(|(labels, value)| (labels.to_string(), *value)).collect()
    }

    pub(in crate::commit) fn histograms(&self) -> BTreeMap<String, Arc<Histogram>> {
        self.row().histograms.into_iter().map(|(labels, histogram)| (labels.to_string(), histogram)).collect()
    }
}

/// Integer buckets, classic ones beside them, an exemplar and a start.
fn both(count: u64) -> Message {
    let native = message().number(1, count).double(2, 4.5).signed(5, 1).double(6, 0.001).span(12, 1, 2).deltas(13, &[1, count as i64 - 2]);
    let classic = native.nested(3, &bucket(1, 1.0)).nested(3, &bucket(count, f64::INFINITY));
    classic.nested(15, &time(1_000_000)).nested(16, &exemplar("t1", 0.5, Some(77_000))).nested(16, &exemplar("t2", 0.5, None))
}

fn body(count: u64, value: f64) -> Vec<u8> {
    [
        family("g", "A gauge.", GAUGE, &[gauge(&[("x", "1")], value), gauge(&[("x", "2")], value + 1.0)]),
        family("h", "", HISTOGRAM, &[metric(&[("x", "1")], 7, &both(count))]),
        family(
            "c_total",
            "",
            COUNTER,
            &[metric(&[], 3, &message().double(1, value).nested(2, &exemplar("c", 1.0, None)).nested(3, &time(5_000)))],
        ),
    ]
    .concat()
}

/// The same data in text, for what text can say.
fn text(count: u64, value: f64) -> String {
    format!(
        "# HELP g A gauge.\n# TYPE g gauge\ng{{x=\"1\"}} {value}\ng{{x=\"2\"}} {}\n# TYPE h histogram\nh_count{{x=\"1\"}} {count}\nh_sum{{x=\"1\"}} 4.5\n\
         h_bucket{{x=\"1\",le=\"1\"}} 1\nh_bucket{{x=\"1\",le=\"+Inf\"}} {count}\n# TYPE c_total counter\nc_total {value}\n",
        value + 1.0
    )
}

#[test]
fn without_the_switch_it_is_what_the_text_says() {
    let (mut ours, mut texts) = (Bench::new(rules(HistogramRules::default())), Bench::new(rules(HistogramRules::default())));
    for (count, value) in [(3, 1.0), (4, 2.5), (9, -1.0)] {
        let committed = ours.good(&body(count, value));
        let plain = texts.scrape(Ok((text(count, value).as_bytes(), Format::Text)));
        assert_eq!((committed.lines, committed.kept, committed.added), (plain.lines, plain.kept, plain.added));
        assert_eq!(ours.floats(), texts.floats());
        assert_eq!((ours.floats().len(), ours.histograms().len()), (7, 0));
    }
    assert!(ours.floats().contains_key("h_bucket{job=\"j\", le=\"1.0\", x=\"1\"}"), "{:?}", ours.floats());
    // From one format to the other the series stay.
    let calls = ours.store.rows().len();
    let switched = ours.scrape(Ok((text(9, 1.0).as_bytes(), Format::Text)));
    assert_eq!((switched.error, switched.added, ours.floats().len(), ours.store.rows().len()), (None, 0, 7, calls + 1));
    assert_eq!(ours.good(&body(9, 1.0)).added, 0);
}

#[test]
fn native_histograms_exemplars_and_starts() {
    let mut bench = Bench::new(rules(NATIVE));
    let first = bench.good(&body(3, 1.0));
    assert_eq!((first.lines, first.kept, first.added), (4, 4, 4));
    assert_eq!(bench.floats().keys().collect::<Vec<_>>(), ["c_total{job=\"j\"}", "g{job=\"j\", x=\"1\"}", "g{job=\"j\", x=\"2\"}"]);
    let found = bench.histograms();
    let histogram = found.get("h{job=\"j\", x=\"1\"}").expect("it is there");
    assert_eq!(histogram.counts, HistogramCounts::Integer { count: 3, zero: 0, positive: vec![1, 2], negative: Vec::new() });
    let row = bench.row();
    let exemplars: Vec<(String, i64)> =
        row.exemplars.iter().map(|(_, exemplar)| (exemplar.labels.get("trace_id").unwrap_or_default().to_owned(), exemplar.time)).collect();
    assert_eq!(exemplars, [("t1".to_owned(), 77_000), ("c".to_owned(), 1000)], "one without a time counts for a float alone");
    let starts: Vec<(String, i64)> = row.starts.iter().map(|(labels, start)| (labels.to_string(), *start)).collect();
    assert_eq!(starts, [("h{job=\"j\", x=\"1\"}".to_owned(), 1_000_000), ("c_total{job=\"j\"}".to_owned(), 5_000)]);
    // The next one asks storage for nothing, and repeats neither exemplars nor starts.
    let calls = bench.store.column_calls();
    let again = bench.good(&body(5, 2.0));
    assert_eq!((again.added, again.duplicates, bench.store.column_calls()), (0, 0, calls));
    let row = bench.row();
    assert_eq!((row.exemplars.len(), row.starts.len(), row.histograms.len()), (0, 0, 1));
    // A failed scrape ends it with a marker; then it comes again.
    bench.scrape(Err("refused"));
    let ended = bench.floats();
    assert_eq!((ended.len(), ended.values().all(|value| model::is_stale(*value)), bench.histograms().len()), (4, true, 0));
    assert_eq!(bench.good(&body(6, 2.0)).added, 4);
    assert_eq!(bench.row().starts.len(), 2);
    // One that is no longer there ends alone.
    bench.good(&family("g", "", GAUGE, &[gauge(&[("x", "1")], 1.0), gauge(&[("x", "2")], 1.0)]));
    let stale: Vec<String> = bench.floats().into_iter().filter(|(_, value)| model::is_stale(*value)).map(|(name, _)| name).collect();
    assert_eq!(stale, ["c_total{job=\"j\"}", "h{job=\"j\", x=\"1\"}"]);
    bench.committer.end(bench.time + 1);
    assert!(bench.row().samples.iter().all(|(_, value)| model::is_stale(*value)));
}

#[test]
fn a_row_that_was_lost_brings_exemplars_and_starts_again() {
    let mut bench = Bench::new(rules(NATIVE));
    bench.store.fails.store(true, Ordering::SeqCst);
    let lost = bench.scrape(Ok((&body(3, 1.0), Format::Protobuf)));
    assert_eq!((lost.error, lost.lost), (None, 4 + 5));
    bench.store.fails.store(false, Ordering::SeqCst);
    bench.good(&body(3, 1.0));
    let row = bench.row();
    assert_eq!((row.exemplars.len(), row.starts.len(), row.histograms.len()), (2, 2, 1));
}

#[test]
fn classic_beside_native_and_classic_as_native() {
    let mut bench = Bench::new(rules(HistogramRules { classic_too: true, ..NATIVE }));
    let committed = bench.good(&body(3, 1.0));
    assert_eq!((committed.lines, bench.floats().len(), bench.histograms().len()), (8, 7, 1));
    let custom = HistogramRules { native: false, custom_buckets: true, ..NATIVE };
    let mut bench = Bench::new(rules(custom));
    bench.good(&body(3, 1.0));
    let found = bench.histograms();
    let histogram = &found["h{job=\"j\", x=\"1\"}"];
    assert_eq!((histogram.schema, &histogram.custom_bounds[..], bench.floats().len()), (-53, &[1.0][..], 3));
    assert_eq!(histogram.counts, HistogramCounts::Integer { count: 3, zero: 0, positive: vec![1, 2], negative: Vec::new() });
    // Buckets that do not fit fail the scrape, as with upstream.
    let odd = message().number(1, 5).nested(3, &bucket(2, 1.0)).nested(3, &bucket(1, 2.0));
    let failed = bench.scrape(Ok((&family("o", "", HISTOGRAM, &[metric(&[], 7, &odd)]), Format::Protobuf)));
    assert!(failed.error.as_ref().is_some_and(|error| error.contains("contradict each other (metric: o)")), "{failed:?}");
}

#[test]
fn limits_fail_the_scrape() {
    let mut bench = Bench::new(rules(HistogramRules { bucket_limit: 1, ..NATIVE }));
    bench.good(&body(3, 1.0));
    assert_eq!(bench.histograms().values().map(|histogram| histogram.bucket_count()).collect::<Vec<_>>(), [1]);
    let apart = message().number(1, 2).span(12, -900_000, 1).span(12, 1_800_000, 1).deltas(13, &[1, 0]);
    let failed = bench.scrape(Ok((&family("far", "", HISTOGRAM, &[metric(&[], 7, &apart)]), Format::Protobuf)));
    assert!(failed.error.as_ref().is_some_and(|error| error.contains("native_histogram_bucket_limit is 1 (metric: far)")), "{failed:?}");
    let mut limited = rules(NATIVE);
    limited.limits.samples = 3;
    let mut bench = Bench::new(limited);
    let failed = bench.scrape(Ok((&body(3, 1.0), Format::Protobuf)));
    assert!(failed.error.is_some_and(|error| error.contains("4 samples, sample_limit is 3")));
    let cut = body(3, 1.0);
    let failed = bench.scrape(Ok((&cut[..cut.len() - 3], Format::Protobuf)));
    assert!(failed.error.is_some_and(|error| error.contains("protobuf, byte") && error.contains("cut short")));
    let twice = family("g", "", GAUGE, &[gauge(&[("a", "1"), ("a", "2")], 1.0)]);
    let failed = bench.scrape(Ok((&twice, Format::Protobuf)));
    assert!(failed.error.is_some_and(|error| error.contains("family \"g\": the label \"a\" comes twice")));
}

/// What a small body can make of memory is bounded.
#[test]
fn many_histograms_and_exemplars_are_bounded() {
    let mut bench = Bench::new(rules(NATIVE));
    let names: Vec<String> = (0..140_000).map(|n| n.to_string()).collect();
    let empty = message().span(12, 0, 0);
    let many: Vec<Message> = names.iter().map(|name| metric(&[("n", name)], 7, &empty)).collect();
    let failed = bench.scrape(Ok((&family("h", "", HISTOGRAM, &many), Format::Protobuf)));
    assert!(failed.error.is_some_and(|error| error.contains("native histograms of more than")));
    let one = (0..1000).fold(message().span(12, 0, 0), |one, n| one.nested(16, &exemplar("t", f64::from(n), Some(i64::from(n) + 1))));
    bench.good(&family("h", "", HISTOGRAM, &[metric(&[], 7, &one)]));
    assert_eq!(bench.row().exemplars.len(), 64);
    // Classic buckets that say nothing: all of one bound, of which one counts.
    let classic = (0..1000).fold(message(), |classic, _| classic.nested(3, &message()));
    let mut bench = Bench::new(rules(HistogramRules { native: false, custom_buckets: true, ..NATIVE }));
    let committed = bench.good(&family("c", "", HISTOGRAM, &[metric(&[], 7, &classic)]));
    assert_eq!((committed.lines, committed.duplicates, bench.histograms().len()), (1, 0, 1));
}

#[test]
fn series_that_come_and_go_and_come_twice() {
    let mut bench = Bench::new(rules(NATIVE));
    let gauges = |names: &[&str]| {
        let metrics: Vec<Message> = names.iter().map(|name| gauge(&[("n", name)], 1.0)).collect();
        family("g", "", GAUGE, &metrics)
    };
    bench.good(&gauges(&["a", "b", "c", "d"]));
    let changed = bench.good(&gauges(&["a", "c", "e", "d"]));
    assert_eq!(changed.added, 1);
    let ended: Vec<String> = bench.floats().into_iter().filter(|(_, value)| model::is_stale(*value)).map(|(name, _)| name).collect();
    assert_eq!(ended, ["g{job=\"j\", n=\"b\"}"]);
    let twice = bench.good(&gauges(&["a", "c", "a", "d"]));
    assert_eq!((twice.duplicates, twice.added), (1, 0));
    assert_eq!(bench.good(&gauges(&["c", "a", "d"])).duplicates, 0);
    // A histogram twice, and one under the labels of a gauge.
    let histograms = family("h", "", HISTOGRAM, &[metric(&[], 7, &both(3)), metric(&[], 7, &both(4))]);
    assert_eq!(bench.good(&histograms).duplicates, 1);
    let clash = [family("h", "", GAUGE, &[gauge(&[], 1.0)]), family("h", "", HISTOGRAM, &[metric(&[], 7, &both(3))])].concat();
    for _ in 0..3 {
        assert_eq!(bench.good(&clash).duplicates, 1);
    }
    bench.good(&family("h", "", GAUGE, &[gauge(&[], 1.0)]));
    assert_eq!(bench.good(&clash).duplicates, 1);
    // Labels behind the value: read each time, and the same series.
    let behind = message().nested(2, &message().double(1, 3.0)).labels(&[("n", "a")]);
    bench.good(&gauges(&["a"]));
    assert_eq!(bench.good(&family("g", "", GAUGE, &[behind])).added, 0);
}

#[test]
fn times_of_their_own() {
    let mut bench = Bench::new(rules(NATIVE));
    let timed = |ms: u64| {
        [
            family("g", "", GAUGE, &[gauge(&[("x", "1")], 1.0).number(6, ms)]),
            family("h", "", HISTOGRAM, &[metric(&[], 7, &both(3)).number(6, ms)]),
        ]
        .concat()
    };
    for ms in [500, 700] {
        bench.good(&timed(ms));
        let rows = bench.store.rows();
        let row = rows.iter().rfind(|row| row.group != "g").expect("a group of its own");
        assert_eq!((row.time, row.samples.len(), row.histograms.len()), (ms as i64, 1, 1));
        assert_eq!((row.exemplars.len(), row.starts.len()), if ms == 500 { (1, 1) } else { (0, 0) });
    }
    bench.good(&[]);
    let rows = bench.store.rows();
    let row = rows.iter().rfind(|row| row.group != "g").expect("a group of its own");
    assert_eq!(row.samples.iter().filter(|(_, value)| model::is_stale(*value)).count(), 2, "both end");
}

#[test]
fn what_storage_refuses_is_told_and_asked_for_again() {
    let mut bench = Bench::new(rules(NATIVE));
    bench.store.series_max.store(6, Ordering::SeqCst);
    let committed = bench.scrape(Ok((&body(3, 1.0), Format::Protobuf)));
    assert_eq!((committed.error.clone(), committed.refused), (None, 3), "{committed:?}");
    bench.store.series_max.store(0, Ordering::SeqCst);
    let mut scrapes = 0;
    while bench.scrape(Ok((&body(3, 1.0), Format::Protobuf))).refused > 0 {
        scrapes += 1;
        assert!(scrapes < 20);
    }
    assert_eq!((bench.floats().len(), bench.histograms().len()), (3, 1));
}

#[test]
fn what_it_says_of_its_families() {
    let mut bench = Bench::new(rules(NATIVE));
    let told = bench.good(&body(3, 1.0)).metadata.expect("something new");
    let found: Vec<(&str, &str, &str)> = told.iter().map(|entry| (&*entry.name, entry.kind.as_str(), &*entry.help)).collect();
    assert_eq!(found, [("c_total", "counter", ""), ("g", "gauge", "A gauge."), ("h", "histogram", "")]);
    assert_eq!(bench.good(&body(4, 2.0)).metadata, None);
    let other = [family("g", "Other.", GAUGE, &[])].concat();
    assert!(bench.good(&other).metadata.is_some());
}
