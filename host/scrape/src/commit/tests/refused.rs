//! What is not stored: limits of the job, the budget for series, a storage that fails.

use super::*;

#[test]
fn any_limit_fails_the_whole_scrape() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    for (limits, part) in [
        (limits(|l| l.samples = 2), "sample limit exceeded: 3 samples, sample_limit is 2"),
        (limits(|l| l.labels = 3), "label_limit exceeded (metric: c, number of labels: 4, limit: 3)"),
        (limits(|l| l.label_name_bytes = 8), "label_name_length_limit exceeded (metric: c, label name: long_name, length: 9, limit: 8)"),
        (limits(|l| l.label_value_bytes = 4), "label_value_length_limit exceeded (metric: c, label name: long_name, length: 5, limit: 4)"),
    ] {
        let mut bench = Bench::new(SampleRules { limits, ..rules() });
        bench.good("a 1\nb 2\n");
        let error = bench.scrape(Ok("a 1\nb 2\nc{long_name=\"value\"} 3\n")).error.expect("the limit fails it");
        assert_eq!(error, part);
        assert_eq!(bench.last("a{"), map([("a", None)]));
        assert_eq!(bench.last("c{"), map([]));
        assert_eq!(bench.last("up{"), map([("up", Some(0.0))]));
    }
}

#[test]
fn a6_series_beyond_the_budget_are_refused_and_known_ones_go_on() {
    let mut bench = Bench::new(rules());
    bench.store.series_max.store(7, Ordering::SeqCst);
    for _ in 0..20 {
        let committed = bench.good("a 1\nb 2\nc 3\nd 4\n");
        assert_eq!((committed.refused, committed.kept), (2, 4));
        let told = committed.refused_series.expect("it is told");
        assert_eq!((told.series, told.reason.as_str(), committed.warning), (2, "the memory budget for series is reached", None));
    }
    assert_eq!((bench.last("b{"), bench.last("c{")), (map([("b", Some(2.0))]), map([])));
    assert!(bench.store.column_calls() < 60, "refused series are not asked for at each scrape");
    bench.store.series_max.store(0, Ordering::SeqCst);
    (0..10).for_each(|_| _ = bench.good("a 1\nb 2\nc 3\nd 4\n"));
    assert_eq!(bench.last("c{"), map([("c", Some(3.0))]));
    assert_eq!(bench.good("a 1\nb 2\nc 3\nd 4\n").refused_series, None);
}

/// A label whose value changes with each scrape: point 6 of issue 4.
#[test]
fn a6_the_label_that_explodes_is_named_with_a_rule_and_the_rule_helps() {
    let body = |n: usize| format!("up_time 1\nreq_total{{code=\"200\",user_id=\"u{n}\"}} {n}\n");
    let mut bench = Bench::new(rules());
    bench.store.series_max.store(6, Ordering::SeqCst);
    let mut told = None;
    for n in 0..40 {
        let committed = bench.good(&body(n));
        assert_eq!((committed.lines, bench.last("up_time")), (2, map([("up_time", Some(1.0))])), "what is known goes on");
        told = committed.refused_series.or(told);
    }
    let told = told.expect("some were refused");
    assert_eq!(
        (told.label.as_str(), told.rule.as_str()),
        ("user_id", "metric_relabel_configs:\n  - {action: labeldrop, regex: user_id}\n")
    );
    let node = yaml::parse(&told.rule).expect("it is YAML");
    let list = rules_from_node(node.get("metric_relabel_configs"), "rule", false).expect("it is a list of rules");
    bench.committer.set_rules(Arc::new(SampleRules { metric_relabel: Arc::new(list), ..rules() }));
    bench.store.series_max.store(0, Ordering::SeqCst);
    for n in 40..44 {
        assert_eq!(bench.good(&body(n)).refused, 0);
    }
    assert_eq!(bench.last("req_total{"), map([("req_total{code=\"200\"}", Some(43.0))]));
}

#[test]
fn a_full_storage_has_no_room_for_up_either_and_that_is_told() {
    let mut bench = Bench::new(rules());
    bench.store.series_max.store(3, Ordering::SeqCst);
    let warning = bench.good("").warning.expect("it is told");
    assert!(warning.starts_with("up and the scrape's other own series were not stored: new series refused"), "{warning}");
    bench.store.series_max.store(0, Ordering::SeqCst);
    assert_eq!(bench.good("").warning, None);
    assert_eq!(bench.last("scrape_series_added{"), map([("scrape_series_added", Some(0.0))]));
}

#[test]
fn what_storage_loses_is_counted_and_markers_are_written_later() {
    let mut bench = Bench::new(rules());
    bench.good("a 1\nb 2\n");
    bench.store.fails.store(true, Ordering::SeqCst);
    let lost = bench.good("a 1\n");
    assert_eq!((lost.lost, lost.warning.as_deref()), (7, Some("storage: no space left on device")));
    bench.store.fails.store(false, Ordering::SeqCst);
    assert_eq!(bench.last("b{"), map([("b", Some(2.0))]));
    bench.good("a 1\n");
    assert_eq!(bench.last("b{"), map([("b", None)]));
}
