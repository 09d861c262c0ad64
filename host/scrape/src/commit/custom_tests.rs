//! Classic histograms of text as native ones.

use exposition::Format;
use model::{HistogramCounts, LabelSet};

use crate::commit::Committed;
use crate::commit::protobuf::tests::{Bench, NATIVE, rules};
use crate::native::HistogramRules;

const CUSTOM: HistogramRules = HistogramRules { custom_buckets: true, ..NATIVE };

#[track_caller]
fn good(bench: &mut Bench, body: &str, format: Format) -> Committed {
    let committed = bench.scrape(Ok((body.as_bytes(), format)));
    assert_eq!((committed.error.as_ref(), committed.warning.as_ref()), (None, None), "{body}");
    committed
}

fn body(count: u64) -> String {
    format!(
        "# HELP g A gauge.\n# TYPE g gauge\ng {count}\n# TYPE h histogram\nh_bucket{{le=\"1\",x=\"1\"}} 2\nh_bucket{{x=\"1\",le=\"2.5\"}} 3\n\
         h_bucket{{x=\"1\",le=\"+Inf\"}} {count}\nh_sum{{x=\"1\"}} 4.5\nh_count{{x=\"1\"}} {count}\nh_bucket{{x=\"2\",le=\"1\"}} 0.5\nh_count{{x=\"2\"}} 1\n\
         h_created{{x=\"1\"}} 5\n# TYPE after counter\nafter 1\n"
    )
}

#[test]
fn lines_become_one_histogram_for_each_label_set() {
    let mut bench = Bench::new(rules(CUSTOM));
    for count in [7, 9] {
        let committed = good(&mut bench, &body(count), Format::Text);
        assert_eq!((committed.lines, committed.kept, committed.duplicates), (5, 5, 0));
        assert_eq!(committed.added, if count == 7 { 5 } else { 0 });
        let names: Vec<String> = bench.floats().into_keys().collect();
        assert_eq!(names, ["after{job=\"j\"}", "g{job=\"j\"}", "h_created{job=\"j\", x=\"1\"}"]);
        let histograms = bench.histograms();
        let (whole, fractions) = (&histograms["h{job=\"j\", x=\"1\"}"], &histograms["h{job=\"j\", x=\"2\"}"]);
        assert_eq!((whole.schema, whole.sum, whole.custom_bounds.as_slice()), (-53, 4.5, &[1.0, 2.5][..]));
        assert_eq!(whole.counts, HistogramCounts::Integer { count, zero: 0, positive: vec![2, 1, count - 3], negative: vec![] });
        // Without the last bucket and the sum, and with counts that are no whole numbers.
        assert_eq!(fractions.counts, HistogramCounts::Float { count: 1.0, zero: 0.0, positive: vec![0.5, 0.5], negative: vec![] });
    }
    // One of them goes, the other is the same as protobuf brings.
    let without = body(9).replace("h_bucket{x=\"2\",le=\"1\"} 0.5\nh_count{x=\"2\"} 1\n", "");
    good(&mut bench, &without, Format::Text);
    let stale = bench.floats().into_iter().filter(|(_, value)| model::is_stale(*value)).map(|(name, _)| name);
    assert_eq!(stale.collect::<Vec<_>>(), ["h{job=\"j\", x=\"2\"}"]);
}

#[test]
fn classic_lines_stay_where_they_are_wanted_too() {
    let mut bench = Bench::new(rules(HistogramRules { classic_too: true, ..CUSTOM }));
    for _ in 0..2 {
        good(&mut bench, &body(7), Format::Text);
        assert_eq!((bench.floats().len(), bench.histograms().len()), (10, 2));
    }
    let mut bench = Bench::new(rules(NATIVE));
    good(&mut bench, &body(7), Format::Text);
    assert_eq!((bench.floats().len(), bench.histograms().len()), (10, 0), "without the option nothing is converted");
}

#[test]
fn what_makes_no_histogram_stays_what_it_is() {
    let mut bench = Bench::new(rules(CUSTOM));
    // Counts that fall, that contradict the count, that are no numbers: dropped, as upstream does.
    for lines in [
        "# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 3\nh_count 5\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"+Inf\"} 6\nh_count 7\n",
        "# TYPE h histogram\nh_bucket{le=\"+Inf\"} NaN\nh_count NaN\n",
    ] {
        let committed = good(&mut bench, &format!("{lines}# TYPE x gauge\nx 1\n"), Format::Text);
        assert_eq!((committed.lines, bench.histograms().len(), bench.floats().len()), (1, 0, 1), "{lines}");
    }
    for lines in [
        // Of another kind, of another name, without a bound.
        "# TYPE h summary\nh_sum 4\nh_count 5\n",
        "# TYPE other histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"+Inf\"} 6\nh_count 6\n",
        "# TYPE h histogram\nh_bucket{x=\"1\"} 5\nh{le=\"1\"} 1\n",
        "h_bucket{le=\"1\"} 5\nh_count 5\n",
    ] {
        let committed = good(&mut bench, lines, Format::Text);
        assert_eq!(committed.lines, lines.lines().filter(|line| !line.starts_with('#')).count() as u64, "{lines}");
        assert!(bench.histograms().is_empty(), "{lines}");
    }
    let error = bench.scrape(Ok((b"# TYPE h histogram\nh_count 1\nh_sum\n", Format::Text))).error.expect("a bad line");
    assert!(error.starts_with("line 3, column 6: "), "the place is that in the body: {error}");
}

/// A limit on buckets holds for custom ones, too; they have no coarser schema.
#[test]
fn too_many_custom_buckets_fail_the_scrape() {
    let lines = "# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"2\"} 6\nh_bucket{le=\"+Inf\"} 7\nh_count 7\nh_sum 9\n";
    for (bucket_limit, fails) in [(0, false), (3, false), (2, true)] {
        let mut bench = Bench::new(rules(HistogramRules { bucket_limit, ..CUSTOM }));
        let error = bench.scrape(Ok((lines.as_bytes(), Format::Text))).error;
        let text = "a native histogram has 3 buckets, native_histogram_bucket_limit is 2 (metric: h)";
        assert_eq!(error.as_deref(), fails.then_some(text), "{bucket_limit}");
    }
}

#[test]
fn bounds_in_any_order_and_exemplars_and_times() {
    let mut bench = Bench::new(rules(CUSTOM));
    let body = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 6 # {a=\"1\"} 3 7.5\nh_bucket{le=\"1\"} 5 # {a=\"2\"} 0.5\nh_bucket{le=\"1\"} 4\nh_count 6\nh_sum 9\n\
                # TYPE t histogram\nt_bucket{le=\"1\"} 1 5\nt_count 2 5\n# EOF\n";
    let committed = good(&mut bench, body, Format::OpenMetrics);
    assert_eq!((committed.lines, committed.kept), (2, 2));
    let histograms = bench.histograms();
    assert_eq!(histograms.len(), 1, "the other has a time of its own");
    assert_eq!(histograms["h{job=\"j\"}"].counts, HistogramCounts::Integer { count: 6, zero: 0, positive: vec![5, 1], negative: vec![] });
    let exemplars = bench.row().exemplars;
    assert_eq!(exemplars.len(), 1, "the one with a time: {exemplars:?}");
    assert_eq!((exemplars[0].0.clone(), exemplars[0].1.time), (LabelSet::from_pairs([("__name__", "h"), ("job", "j")]), 7500));
    let timed = bench.store.rows().into_iter().find(|row| row.time == 5000).expect("a row of its own");
    assert_eq!((timed.samples.len(), timed.histograms.len()), (0, 1));
}

/// The histograms of upstream's page of all types.
#[test]
fn the_peers_page() {
    let default = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let file = std::env::var_os("SKOPOS_CONFORMANCE").map_or(default, Into::into).join("exposition/textparse/1histogram.om.txt");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there (set SKOPOS_CONFORMANCE)", file.display());
        return;
    };
    let mut bench = Bench::new(rules(CUSTOM));
    let committed = good(&mut bench, &text, Format::OpenMetrics);
    let histograms = bench.histograms();
    println!("1histogram.om.txt: {} samples, {} of them histograms", committed.lines, histograms.len());
    assert!(!histograms.is_empty() && bench.floats().keys().all(|name| !name.contains("_bucket")), "{:?}", bench.floats());
}
