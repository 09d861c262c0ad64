//! Tests of the commit path against a storage that checks what the seam promises.

mod refused;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use exposition::Format;
use model::LabelSet;
use test_support::Dice;

use super::{Committed, Committer, Scrape};
use crate::config::Limits;
use crate::layout::KeyHasher;
use crate::relabel::rules_from_node;
use crate::sample_labels::SampleRules;
use crate::store::Store;

fn rules() -> SampleRules {
    SampleRules {
        target_labels: LabelSet::from_pairs([("job", "j"), ("instance", "i")]),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        legacy_names: false,
        limits: Limits::default(),
        histograms: Default::default(),
        metric_relabel: Arc::default(),
    }
}

struct Bench {
    store: Store,
    committer: Committer,
    time: i64,
}

impl Bench {
    fn new(rules: SampleRules) -> Self {
        let store = Store::default();
        let committer = Committer::new(store.shared(), Arc::default(), "g".to_owned(), KeyHasher::new(3), Arc::new(rules));
        Self { store, committer, time: 0 }
    }

    fn scrape(&mut self, body: Result<&str, &str>) -> Committed {
        self.time += 1000;
        let body = body.map(|text| (text.as_bytes(), Format::Text)).map_err(str::to_owned);
        self.committer.commit(&Scrape {
            time: self.time,
            began: Instant::now(),
            body,
            timeout_ms: 1000,
            extra_metrics: false,
            certificate_not_after: None,
        })
    }

    /// A scrape in OpenMetrics. Returns the exemplars that storage got of it: metric name, trace and time.
    #[track_caller]
    fn exemplars(&mut self, body: &str) -> Vec<(String, String, i64)> {
        self.time += 1000;
        let before = self.store.rows().len();
        let body = Ok((body.as_bytes(), Format::OpenMetrics));
        let scrape =
            Scrape { time: self.time, began: Instant::now(), body, timeout_ms: 1000, extra_metrics: false, certificate_not_after: None };
        assert_eq!(self.committer.commit(&scrape).error, None);
        let of = |labels: &LabelSet, name: &str| labels.get(name).unwrap_or_default().to_owned();
        let rows = self.store.rows();
        let exemplars = rows[before..].iter().flat_map(|row| &row.exemplars);
        exemplars.map(|(series, exemplar)| (of(series, "__name__"), of(&exemplar.labels, "t"), exemplar.time)).collect()
    }

    #[track_caller]
    fn good(&mut self, body: &str) -> Committed {
        let committed = self.scrape(Ok(body));
        assert_eq!(committed.error, None, "{body:?}");
        committed
    }

    /// What was written last under the target's labels, without them: `a{x="1"}` and the value.
    fn last(&self, part: &str) -> BTreeMap<String, Option<f64>> {
        let strip = |text: String| text.replace("instance=\"i\", job=\"j\"", "").replace(", }", "}").replace("{}", "").replace("{, ", "{");
        self.store.last(part).into_iter().map(|(labels, value)| (strip(labels), value)).collect()
    }
}

fn map<const N: usize>(pairs: [(&str, Option<f64>); N]) -> BTreeMap<String, Option<f64>> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[test]
fn a_body_like_the_last_asks_storage_for_nothing() {
    let mut bench = Bench::new(rules());
    let body = |n: usize| {
        format!("# HELP a A.\n# TYPE a gauge\na{{x=\"1\"}} {n}\na{{x=\"2\"}} {}\n\n# TYPE b gauge\nb {}\n# the end\n", n + 1, n + 2)
    };
    let first = bench.good(&body(1));
    assert_eq!((first.lines, first.kept, first.added), (3, 3, 3));
    let calls = bench.store.column_calls();
    for n in 2..5 {
        let committed = bench.good(&body(n));
        assert_eq!((committed.lines, committed.added, committed.duplicates), (3, 0, 0));
    }
    assert_eq!(bench.store.column_calls(), calls);
    let rows = bench.store.rows();
    let columns = |at: usize| rows[at].samples.iter().map(|(labels, _)| labels.clone()).collect::<Vec<_>>();
    assert_eq!(columns(0), columns(3), "samples and report are in the same order in each row");
    assert_eq!(bench.last("a{"), map([("a{x=\"1\"}", Some(4.0)), ("a{x=\"2\"}", Some(5.0))]));
}

#[test]
fn what_vanishes_gets_a_stale_marker_once() {
    let mut bench = Bench::new(rules());
    bench.good("a 1\nb 2\nc 3\n");
    assert_eq!(bench.good("a 1\nc 3\n").added, 0);
    assert_eq!(bench.last("b{"), map([("b", None)]));
    bench.good("a 1\nc 3\n");
    assert_eq!(bench.store.series("b{").values().map(Vec::len).collect::<Vec<_>>(), [2]);
    assert_eq!(bench.good("a 1\nb 5\nc 3\n").added, 1);
    assert_eq!(bench.last("b{"), map([("b", Some(5.0))]));
    bench.good("a 1\n");
    assert_eq!((bench.last("b{"), bench.last("c{")), (map([("b", None)]), map([("c", None)])));
}

#[test]
fn a_failed_scrape_ends_everything_and_says_so() {
    for failure in [Err("connection refused"), Ok("a 1\nb oops\n")] {
        let mut bench = Bench::new(rules());
        bench.good("a 1\nb 2\n");
        let failed = bench.scrape(failure);
        assert!(failed.error.is_some());
        assert_eq!(bench.last("a{"), map([("a", None)]));
        assert_eq!(bench.last("b{"), map([("b", None)]));
        assert_eq!(bench.last("up{"), map([("up", Some(0.0))]));
        bench.scrape(Err("again"));
        assert_eq!(bench.store.series("a{").values().map(Vec::len).sum::<usize>(), 2, "one marker is enough");
        assert_eq!(bench.good("a 1\nb 2\n").added, 2);
        assert_eq!(bench.last("up{"), map([("up", Some(1.0))]));
    }
}

#[test]
fn a_bad_line_is_named() {
    let mut bench = Bench::new(rules());
    bench.good("a 1\nb 2\n");
    let error = bench.scrape(Ok("a 1\nb 2x\n")).error.expect("it fails");
    assert!(error.starts_with("line 2, column 3: expected a value, found \"2x\""), "{error}");
}

#[test]
fn the_report_tells_how_it_went() {
    let mut bench =
        Bench::new(SampleRules { metric_relabel: Arc::new(relabel("[{source_labels: [__name__], regex: b, action: drop}]")), ..rules() });
    bench.good("a 1\nb 2\nc 3\n");
    bench.good("a 1\nb 2\nd 3\n");
    assert_eq!(bench.last("b{"), map([]));
    for (name, value) in
        [("up", 1.0), ("scrape_samples_scraped", 3.0), ("scrape_samples_post_metric_relabeling", 2.0), ("scrape_series_added", 1.0)]
    {
        assert_eq!(bench.last(&format!("{name}{{")), map([(name, Some(value))]));
    }
    assert!(bench.last("scrape_duration_seconds{").values().all(|seconds| seconds.is_some_and(|s| s >= 0.0)));
}

fn relabel(text: &str) -> Vec<crate::relabel::Rule> {
    rules_from_node(Some(&yaml::parse(text).expect("good YAML")), "rule", false).expect("good rules")
}

#[test]
fn labels_of_line_and_target() {
    for (honor, line, expected) in [
        (false, "a{x=\"1\"} 1", r#"a{instance="i", job="j", x="1"}"#),
        (false, "a{job=\"mine\"} 1", r#"a{exported_job="mine", instance="i", job="j"}"#),
        (false, "a{job=\"m\",exported_job=\"n\"} 1", r#"a{exported_exported_job="m", exported_job="n", instance="i", job="j"}"#),
        (false, "a{job=\"\"} 1", r#"a{instance="i", job="j"}"#),
        (true, "a{job=\"mine\"} 1", r#"a{instance="i", job="mine"}"#),
        (true, "a{job=\"\"} 1", r#"a{instance="i"}"#),
        (true, "a{exported_job=\"n\"} 1", r#"a{exported_job="n", instance="i", job="j"}"#),
    ] {
        let mut bench = Bench::new(SampleRules { honor_labels: honor, ..rules() });
        bench.good(line);
        assert_eq!(bench.store.series("a{").into_keys().collect::<Vec<_>>(), [expected], "{line}");
    }
}

#[test]
fn duplicates_count_and_the_first_wins() {
    let mut bench = Bench::new(rules());
    for _ in 0..3 {
        assert_eq!(bench.good("a 1\nb 2\na 3\nup 7\n").duplicates, 2, "the target's own up is not its to tell");
        assert_eq!(bench.last("a{"), map([("a", Some(1.0))]));
        assert_eq!(bench.last("up{"), map([("up", Some(1.0))]));
    }
    assert_eq!(bench.good("b 2\na 3\n").duplicates, 0);
    assert_eq!(bench.last("a{"), map([("a", Some(3.0))]));
}

#[test]
fn samples_that_share_a_time_share_a_group() {
    let mut bench = Bench::new(rules());
    let body =
        |one: i64, two: i64| format!("x{{c=\"1\"}} 1 {one}\nx{{c=\"2\"}} 2 {two}\nplain 5\ny{{c=\"1\"}} 3 {one}\ny{{c=\"2\"}} 4 {two}\n");
    bench.good(&body(100, 100));
    let timed = |bench: &Bench| {
        bench
            .store
            .rows()
            .into_iter()
            .filter(|row| row.group.contains('#'))
            .map(|row| (row.group, row.time, row.samples.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(timed(&bench).iter().map(|(_, time, count)| (*time, *count)).collect::<Vec<_>>(), [(100, 4)]);
    bench.good(&body(200, 250));
    let calls = bench.store.column_calls();
    bench.good(&body(300, 350));
    bench.good(&body(401, 399));
    assert_eq!(bench.store.column_calls(), calls, "once they are told apart nothing is looked up");
    let rows = timed(&bench);
    assert_eq!(
        rows.iter().map(|(_, time, count)| (*time, *count)).collect::<Vec<_>>(),
        [(100, 4), (200, 2), (250, 2), (300, 2), (350, 2), (399, 2), (401, 2)]
    );
    assert_eq!(rows[3].0, rows[6].0, "a container keeps its group");
    assert_eq!(bench.last("plain{"), map([("plain", Some(5.0))]));
    bench.good("plain 5\n");
    assert_eq!(bench.last("x{c=\"1\""), map([("x{c=\"1\"}", Some(1.0))]), "samples with times of their own get no stale markers");
}

#[test]
fn times_may_be_ignored_or_tracked() {
    let mut bench = Bench::new(SampleRules { honor_timestamps: false, ..rules() });
    bench.good("a 1 5\n");
    bench.good("a 2 5\n");
    assert_eq!(bench.store.series("a{").into_values().collect::<Vec<_>>(), [[(1000, 1.0), (2000, 2.0)]]);
    let mut bench = Bench::new(SampleRules { track_timestamps_staleness: true, ..rules() });
    bench.good("a 1 5\nb 1 5\n");
    bench.good("a 1 6\n");
    assert_eq!((bench.last("a{"), bench.last("b{")), (map([("a", Some(1.0))]), map([("b", None)])));
    bench.scrape(Err("gone"));
    assert_eq!(bench.last("a{"), map([("a", None)]));
    bench.good("a 3 4000\n");
    assert_eq!(bench.last("a{"), map([("a", Some(3.0))]));
}

#[test]
fn one_series_with_several_times_in_a_body() {
    let mut bench = Bench::new(rules());
    for scrape in 0..3 {
        let base = scrape * 100;
        let committed = bench.good(&format!("a 1 {}\na 2 {}\na 9 {}\n", base + 1, base + 2, base + 2));
        assert_eq!(committed.duplicates, 1);
    }
    assert_eq!(bench.store.series("a{").into_values().next().expect("it is there").len(), 6);
}

#[test]
fn a_target_that_is_gone_ends_its_series_and_reports() {
    let mut bench = Bench::new(rules());
    bench.good("a 1\n");
    bench.committer.end(500);
    assert_eq!((bench.last("a{"), bench.last("up{")), (map([("a", None)]), map([("up", None)])));
    assert_eq!(bench.store.rows().last().map(|row| row.time), Some(1001), "after the last row, whatever the clock says");
    assert_eq!(bench.store.open_groups(), 0);
}

#[test]
fn new_rules_take_effect_on_known_lines() {
    let mut bench = Bench::new(rules());
    bench.good("a 1\nb 2\n");
    let renamed = relabel("[{source_labels: [__name__], regex: a, target_label: __name__, replacement: z}]");
    bench.committer.set_rules(Arc::new(SampleRules { metric_relabel: Arc::new(renamed), ..rules() }));
    assert_eq!(bench.good("a 1\nb 2\n").added, 1);
    assert_eq!((bench.last("a{"), bench.last("z{")), (map([("a", None)]), map([("z", Some(1.0))])));
}

#[test]
fn a_body_without_samples_ends_them_even_if_the_layout_is_forgotten() {
    let mut bench = Bench::new(rules());
    bench.good("a 1\nb 2\n");
    bench.committer.set_rules(Arc::new(SampleRules { honor_labels: true, ..rules() }));
    bench.good("");
    assert_eq!((bench.last("a{"), bench.last("up{")), (map([("a", None)]), map([("up", Some(1.0))])));
}

/// Real scrapes: all of their samples are kept, and coming again they ask storage for nothing.
#[test]
fn real_bodies_come_again() {
    let default = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let samples = std::env::var_os("SKOPOS_CONFORMANCE").map_or(default, std::path::PathBuf::from).join("exposition/samples");
    let Ok(entries) = std::fs::read_dir(&samples) else {
        println!("skipped: {} is not there (set SKOPOS_CONFORMANCE)", samples.display());
        return;
    };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let body = std::fs::read_to_string(&path).expect("the file can be read");
        let lines = body.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).count() as u64;
        let mut bench = Bench::new(rules());
        let first = bench.good(&body);
        assert_eq!((first.lines, first.kept), (lines, lines), "{}", path.display());
        let (calls, groups) = (bench.store.column_calls(), bench.store.open_groups());
        let second = bench.good(&body);
        assert_eq!((second.lines, second.added, second.duplicates), (lines, 0, first.duplicates), "{}", path.display());
        assert_eq!((bench.store.column_calls(), bench.store.open_groups()), (calls, groups), "{}", path.display());
        assert_eq!(second.report.accepted, first.report.accepted, "{}", path.display());
    }
}

/// Bodies that change in every way must lead to what a reader without memory would write.
#[test]
fn whatever_changes_the_outcome_is_that_of_reading_everything() {
    for seed in 1..=200_u64 {
        let mut dice = Dice(seed);
        let mut bench = Bench::new(SampleRules { track_timestamps_staleness: true, ..rules() });
        let mut lines: Vec<u64> = (0..dice.below(40)).collect();
        let mut expected: BTreeMap<String, Option<f64>> = BTreeMap::new();
        for round in 0..12 {
            for _ in 0..dice.below(6) {
                let at = dice.below(lines.len() as u64 + 1) as usize;
                match dice.below(4) {
                    0 => lines.insert(at, 100 + dice.below(60)),
                    1 if at < lines.len() => _ = lines.remove(at),
                    2 if at < lines.len() => lines.swap(at, 0),
                    3 => lines.truncate(lines.len() - lines.len().min(dice.below(8) as usize)),
                    _ => {}
                }
            }
            let (mut body, mut now) = (String::new(), BTreeMap::new());
            for line in &lines {
                let value = dice.below(1000) as f64;
                if dice.below(3) == 0 {
                    let _ = writeln!(body, "# TYPE m gauge");
                }
                let time =
                    if line % 5 == 0 { format!(" {}", round * 1000 + 500 + i64::try_from(line % 3).unwrap_or(0)) } else { String::new() };
                let _ = writeln!(body, "m{{n=\"{line}\"}} {value}{time}");
                now.entry(format!("m{{n=\"{line}\"}}")).or_insert(Some(value));
            }
            if dice.below(15) == 0 {
                bench.scrape(Err("failed"));
                now.clear();
            } else {
                bench.good(&body);
            }
            for (name, value) in &mut expected {
                *value = now.get(name).copied().flatten();
            }
            expected.extend(now);
            assert_eq!(bench.last("m{"), expected, "seed {seed}, round {round}");
        }
    }
}

#[test]
fn an_exemplar_is_handed_over_once_until_it_changes() {
    let mut bench = Bench::new(rules());
    let body = |value: usize, trace: &str, time: &str| {
        format!(
            "# TYPE a counter\na_total{{x=\"1\"}} {value} # {{t=\"{trace}\"}} 1{time}\na_total{{x=\"2\"}} 1\nb 1 5 # {{t=\"{trace}\"}} 1\n# EOF\n"
        )
    };
    let row = |name: &str, trace: &str, time: i64| (name.to_owned(), trace.to_owned(), time);
    assert_eq!(bench.exemplars(&body(1, "x", "")), [row("b", "x", 5000), row("a_total", "x", 1000)]);
    assert_eq!(bench.exemplars(&body(2, "x", "")), []);
    assert_eq!(bench.exemplars(&body(3, "y", "")), [row("b", "y", 5000), row("a_total", "y", 3000)]);
    assert_eq!(bench.exemplars(&body(3, "y", " 2.5")), [row("a_total", "y", 2500)]);
    // A body that differs elsewhere brings nothing again; one that failed does, because it was not written.
    assert_eq!(bench.exemplars(&body(3, "y", " 2.5").replace("a_total{x=\"2\"}", "a_total{x=\"3\"}")), []);
    bench.store.fails.store(true, Ordering::SeqCst);
    assert_eq!(bench.exemplars(&body(3, "z", "")), []);
    bench.store.fails.store(false, Ordering::SeqCst);
    assert_eq!(bench.exemplars(&body(3, "z", "")), [row("b", "z", 5000), row("a_total", "z", 7000)]);
    let too_long = body(3, &"l".repeat(128), "");
    assert_eq!(bench.exemplars(&too_long), [], "not kept, and no failure");
    let committed = bench.scrape(Ok("a_total 1 # {t=\"x\"} 1\n"));
    assert!(committed.error.is_some_and(|error| error.contains("expected a time or the end of the line")), "the older format has none");
}

#[test]
fn a_bad_exemplar_of_a_known_line_fails_the_scrape() {
    let mut bench = Bench::new(rules());
    let mut scrape = |body: &str| {
        bench.time += 1000;
        let body = Ok((body.as_bytes(), Format::OpenMetrics));
        let scrape =
            Scrape { time: bench.time, began: Instant::now(), body, timeout_ms: 1000, extra_metrics: false, certificate_not_after: None };
        bench.committer.commit(&scrape).error
    };
    assert_eq!(scrape("a 1 # {t=\"x\"} 1\nb 1\n# EOF\n"), None);
    for bad in ["a 1 # {t=\"x\"} b\nb 1\n# EOF\n", "a 1 # {t=\"x\nb 1\n# EOF\n", "a 1 #\nb 1\n# EOF\n"] {
        assert!(scrape(bad).is_some_and(|error| error.starts_with("line 1, column ")), "{bad:?}");
        assert_eq!(scrape("a 1 # {t=\"x\"} 1\nb 1\n# EOF\n"), None);
    }
}

#[test]
fn metadata_is_told_when_it_is_new() {
    let mut bench = Bench::new(rules());
    let names = |committed: &Committed| {
        committed.metadata.as_ref().map(|families| families.iter().map(|f| format!("{}: {}", f.name, f.help)).collect::<Vec<_>>())
    };
    let first = bench.good("# HELP a A.\na 1\n# HELP c C.\n");
    assert_eq!(names(&first), Some(vec!["a: A.".to_owned(), "c: C.".to_owned()]));
    assert_eq!(names(&bench.good("# HELP a A.\na 2\n# HELP c C.\n")), None);
    assert_eq!(names(&bench.good("# HELP a A.\na 2\n# HELP c D.\n")), Some(vec!["a: A.".to_owned(), "c: D.".to_owned()]));
    assert_eq!(names(&bench.good("# HELP a B.\na 2\n# HELP c D.\n")), Some(vec!["a: B.".to_owned(), "c: D.".to_owned()]));
    assert_eq!(names(&bench.good("# HELP a B.\nnew 1\na 2\n# HELP c D.\n")), None, "another series, the same words");
    assert_eq!(names(&bench.scrape(Err("down"))), None);
    assert_eq!(names(&bench.good("# HELP a B.\na 2\n")), Some(vec!["a: B.".to_owned()]));
    assert_eq!(names(&bench.good("")), Some(Vec::new()));
}
