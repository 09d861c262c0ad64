use model::HistogramValue;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

fn only(families: &[MetricFamily], name: &str) -> FamilySamples {
    families.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("{name} is not among {families:?}")).samples.clone()
}

#[test]
fn counters_and_gauges_add_up() {
    let metrics = Metrics::new(100);
    assert_eq!(metrics.declare("calls_total", MetricKind::Counter, "Calls.", ""), None);
    assert_eq!(metrics.declare("calls_total", MetricKind::Counter, "Calls.", ""), None);
    assert_eq!(metrics.counter_add("calls_total", &labels(&[("code", "200")]), 1.0), None);
    assert_eq!(metrics.counter_add("calls_total", &labels(&[("code", "200")]), 2.5), None);
    assert_eq!(metrics.gauge_set("open", &[], 4.0), None);
    assert_eq!(metrics.gauge_add("open", &[], -1.0), None);
    let families = metrics.families("p_", 0);
    assert_eq!(only(&families, "p_calls_total"), FamilySamples::Counter(vec![(LabelSet::from_pairs([("code", "200")]), 3.5, None)]));
    assert_eq!(only(&families, "p_open"), FamilySamples::Gauge(vec![(LabelSet::empty(), 3.0, None)]));
    metrics.remove("calls_total", &labels(&[("code", "404")]));
    assert_eq!(metrics.counts(), (2, 0));
    metrics.remove("calls_total", &labels(&[("code", "200")]));
    assert_eq!(metrics.counts(), (1, 0));
}

#[test]
fn a_histogram_has_a_maximum_of_one_to_two_minutes() {
    let metrics = Metrics::new(100);
    assert_eq!(metrics.declare("took_seconds", MetricKind::Histogram(vec![0.1, 1.0]), "Time.", "seconds"), None);
    for (value, now) in [(0.1, 1_000), (5.0, 2_000), (0.5, 61_000)] {
        assert_eq!(metrics.observe("took_seconds", &[], value, now), None);
    }
    assert_eq!(metrics.observe_many("took_seconds", &[], &[2, 0, 0], 0.1, 0.06, 62_000), None);
    let value = HistogramValue { count: 5, sum: 5.7, buckets: vec![(0.1, 3), (1.0, 4), (f64::INFINITY, 5)] };
    let FamilySamples::Histogram(got) = only(&metrics.families("", 62_000), "took_seconds") else { panic!("a histogram") };
    assert_eq!((got[0].1.count, &got[0].1.buckets), (value.count, &value.buckets));
    assert!((got[0].1.sum - value.sum).abs() < 1e-9);
    let max = |now| metrics.families("", now).iter().find(|f| f.name == "took_seconds_max").map(|f| f.samples.clone());
    for (now, expected) in [(62_000, Some(5.0)), (119_999, Some(5.0)), (121_000, Some(0.5)), (180_000, None)] {
        assert_eq!(max(now), expected.map(|v| FamilySamples::Gauge(vec![(LabelSet::empty(), v, None)])), "{now}");
    }
}

#[test]
fn what_does_not_fit_is_dropped_and_said_once() {
    let metrics = Metrics::new(3);
    metrics.gauge_set("a_gauge", &[], 1.0);
    metrics.observe("h", &[], 1.0, 0);
    type Use<'a> = Box<dyn Fn() -> Option<String> + 'a>;
    let cases: Vec<(Use<'_>, &str)> = vec![
        (Box::new(|| metrics.counter_add("a_gauge", &[], 1.0)), "another kind"),
        (Box::new(|| metrics.counter_add("x", &[], 1.0)), "must end in _total"),
        (Box::new(|| metrics.counter_add("x_total", &[], -1.0)), "not a number from 0 on"),
        (Box::new(|| metrics.gauge_set("bad name", &[], 1.0)), "not a metric's name"),
        (Box::new(|| metrics.gauge_set("g", &labels(&[("bad label", "")]), 1.0)), "cannot be a label"),
        (Box::new(|| metrics.gauge_set("g", &labels(&[("__name__", "x")]), 1.0)), "cannot be a label"),
        (Box::new(|| metrics.gauge_set("g", &labels(&[("a", "1"), ("a", "2")]), 1.0)), "twice"),
        (Box::new(|| metrics.observe("h2", &labels(&[("le", "1")]), 1.0, 0)), "cannot be a label"),
        (Box::new(|| metrics.gauge_set("h_max", &[], 1.0)), "belongs to the histogram"),
        (Box::new(|| metrics.observe_many("h", &[], &[1, 2], 1.0, 1.0, 0)), "counts"),
        (Box::new(|| metrics.declare("d", MetricKind::Histogram(vec![2.0, 1.0]), "", "")), "ascending"),
        (Box::new(|| metrics.declare("a_gauge", MetricKind::Gauge, "", "seconds")), "not the end of its name"),
    ];
    for (n, (use_it, expected)) in cases.iter().enumerate() {
        assert!(use_it().is_some_and(|reason| reason.contains(expected)), "{expected}");
        assert_eq!(use_it(), None, "said once: {expected}");
        assert_eq!(metrics.counts().1, 2 * (n as u64 + 1));
    }
    assert_eq!(metrics.gauge_set("third", &[], 1.0), None);
    assert!(metrics.gauge_set("fourth", &[], 1.0).is_some_and(|reason| reason.contains("limit of 3")));
    assert_eq!(metrics.gauge_set("third", &[], 2.0), None, "known series go on");
}
