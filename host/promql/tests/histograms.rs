//! What must hold for any native histograms, in any order, among floats. The seed is printed; `SKOPOS_SEED` repeats it,
//! `SKOPOS_CASES` sets how many rounds there are.

use std::sync::Arc;

use model::{BucketSpan, Histogram, HistogramCounts, LabelSet, METRIC_NAME, ResetHint};
use promql::{FloatHistogram, Limits, Memory, StepSamples, Value, instant, parse, range};
use test_support::Dice;

const STEP: i64 = 15_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn dice(test: &str) -> (Dice, u64) {
    let seed = test_support::seed(test);
    (Dice(seed), number("SKOPOS_CASES").unwrap_or(150))
}

/// Spans and counts of some buckets.
fn side(dice: &mut Dice, custom: bool) -> (Vec<BucketSpan>, Vec<f64>) {
    let (mut spans, mut counts) = (Vec::new(), Vec::new());
    for at in 0..dice.below(4) {
        let offset = if at == 0 && !custom { dice.below(12) - 6 } else { dice.below(2) };
        let length = 1 + dice.below(3) as u32;
        if custom && spans.iter().map(|s: &BucketSpan| s.offset + s.length as i32).sum::<i32>() + offset + length as i32 > 5 {
            break;
        }
        spans.push(BucketSpan { offset, length });
        counts.extend((0..length).map(|_| dice.below(20) as f64));
    }
    (spans, counts)
}

fn histogram(dice: &mut Dice, custom: bool, thresholds: &[f64]) -> Histogram {
    let (positive_spans, positive) = side(dice, custom);
    let (negative_spans, negative) = if custom { Default::default() } else { side(dice, false) };
    let zero = if custom { 0.0 } else { dice.below(5) as f64 };
    let all: f64 = positive.iter().chain(&negative).sum();
    Histogram {
        schema: if custom { model::CUSTOM_BUCKETS_SCHEMA } else { dice.pick(&[-1, 0, 1, 3]) },
        zero_threshold: if custom { 0.0 } else { dice.pick(thresholds) },
        sum: dice.below(1000) as f64 / 4.0,
        counts: HistogramCounts::Float { count: zero + all, zero, positive, negative },
        positive_spans,
        negative_spans,
        custom_bounds: if custom { dice.pick(&[&[1.0, 2.0, 5.0, 8.0][..], &[-1.0, 1.0, 5.0, 9.0]]).to_vec() } else { Vec::new() },
        reset_hint: dice.pick(&[ResetHint::Unknown, ResetHint::Unknown, ResetHint::Gauge, ResetHint::NoReset]),
    }
}

/// Some series of floats, histograms, gaps and ends.
fn store(dice: &mut Dice, custom: bool) -> Memory {
    let memory = Memory::new();
    for at in 0..4 {
        let labels = LabelSet::from_pairs([(METRIC_NAME, "h"), ("at", ["a", "b", "c", "d"][at]), ("half", ["x", "y"][at % 2])]);
        for row in 0..40 {
            let time = row * STEP;
            match dice.below(12) {
                0 => memory.add(&labels, time, dice.below(50) as f64),
                1 => {}
                2 => memory.add(&labels, time, model::stale()),
                _ => memory.load_histograms(&labels, [(time, Arc::new(histogram(dice, custom, &[0.0, 0.001, 0.5, 3.0])))]),
            }
        }
    }
    memory
}

const QUERIES: [&str; 42] = [
    "h",
    "-h",
    "h * 2",
    "h / 0",
    "2 * h",
    "h + h",
    "h - on(at) h offset 30s",
    "h == h",
    "h != bool h",
    "h + on(half) group_left sum by (half) (h)",
    "h and on(at) h offset 1m",
    "h unless h offset 2m",
    "h or h * 3",
    "h </ 1.5",
    "h >/ 0.3",
    "sum(h)",
    "avg by (half) (h)",
    "count(h)",
    "min(h)",
    "topk(2, h)",
    "limitk(2, h)",
    "limit_ratio(0.5, h)",
    "count_values(\"v\", h)",
    "rate(h[1m])",
    "increase(h[2m] anchored)",
    "delta(h[2m] smoothed)",
    "irate(h[1m])",
    "idelta(h[1m])",
    "resets(h[2m])",
    "changes(h[2m] anchored)",
    "sum_over_time(h[1m])",
    "avg_over_time(h[45s])",
    "last_over_time(h[1m])",
    "first_over_time(h[1m])",
    "max_over_time(h[1m])",
    "sum_over_time(rate(h[1m])[2m:30s])",
    "h smoothed",
    "histogram_quantile(0.3, h)",
    "histogram_fraction(0, 2, h)",
    "histogram_count(rate(h[1m]))",
    "histogram_stddev(h)",
    "label_replace(timestamp(h), \"l\", \"$1\", \"at\", \"(.*)\")",
];

/// What an answer has at a time, as text, by series.
fn at_time(value: Value, time: i64) -> Vec<String> {
    let mut texts: Vec<String> = match value {
        Value::Vector(samples) => {
            let text = |s: promql::Sample| match s.histogram {
                Some(h) => format!("{} {h} {:?}", s.labels, h.reset_hint),
                None => format!("{} {}", s.labels, s.point.value),
            };
            samples.into_iter().map(text).collect()
        }
        Value::Matrix(series) => {
            let text = |s: promql::Series| {
                let histogram = s.histograms.iter().find(|p| p.time == time);
                let float = s.points.iter().find(|p| p.time == time);
                assert!(histogram.is_none() || float.is_none(), "{} has two values at {time}", s.labels);
                let histogram = histogram.map(|p| format!("{} {} {:?}", s.labels, p.histogram, p.histogram.reset_hint));
                histogram.or_else(|| Some(format!("{} {}", s.labels, float?.value)))
            };
            series.into_iter().filter_map(text).collect()
        }
        other => panic!("{other:?}"),
    };
    texts.sort();
    texts
}

#[test]
fn a_range_is_its_instants() {
    let (mut dice, cases) = dice("a_range_is_its_instants");
    let mut compared = 0;
    for case in 0..cases / 5 {
        let memory = store(&mut dice, case % 3 == 0);
        for text in QUERIES {
            let limits = Limits { features: promql::Features::ALL, delayed_name_removal: case % 2 == 0, ..Limits::default() };
            let expr = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let (start, step) = (dice.below(600_000) as i64, 1 + dice.below(70_000) as i64);
            let end = start + step * 5;
            let whole = range(&expr, start, end, step, &memory, &limits);
            for at in 0..=5 {
                let time = start + step * at;
                match (&whole, instant(&expr, time, &memory, &limits)) {
                    (Ok(whole), Ok(one)) => {
                        assert_eq!(at_time(whole.value.clone(), time), at_time(one.value, time), "case {case}: {text} at {time}");
                        compared += 1;
                    }
                    // One step that fails fails the range.
                    (Ok(_), Err(error)) => panic!("case {case}: {text} at {time}: {error}"),
                    (Err(_), _) => {}
                }
            }
        }
    }
    println!("{compared} steps are the same");
    assert!(compared > 1000);
}

#[test]
fn what_is_cut_is_what_was_there() {
    let (mut dice, cases) = dice("what_is_cut_is_what_was_there");
    for case in 0..cases {
        // Below all other buckets, as any client has it.
        let h = histogram(&mut dice, false, &[0.0, 1e-9]);
        let memory = Memory::new();
        let labels = LabelSet::from_pairs([(METRIC_NAME, "h")]);
        memory.load_histograms(&labels, [(0, Arc::new(h.clone()))]);
        let limits = Limits::default();
        let ask = |text: &str| match instant(&parse(text).expect("a query"), 0, &memory, &limits).expect("an answer").value {
            Value::Vector(samples) => samples[0].point.value,
            other => panic!("{other:?}"),
        };
        let all = ask("histogram_count(h)");
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
        let cut = dice.below(2000) as f64 / 100.0 - 10.0;
        let parts = ask(&format!("histogram_count(h </ {cut})")) + ask(&format!("histogram_count(h >/ {cut})"));
        assert!(close(parts, all), "case {case}: {parts} of {all} at {cut}: {h:?}");
        if all > 0.0 {
            assert!(close(ask("histogram_fraction(-Inf, Inf, h)"), 1.0), "case {case}: {h:?}");
            let quantiles: Vec<f64> = (0..=10).map(|q| ask(&format!("histogram_quantile({}, h)", f64::from(q) / 10.0))).collect();
            assert!(quantiles.windows(2).all(|pair| pair[0] <= pair[1] + 1e-9), "case {case}: {quantiles:?} of {h:?}");
        }
        assert_eq!(ask("histogram_sum(h + h)"), 2.0 * h.sum, "case {case}");
        assert_eq!(ask("histogram_count(h - h)"), 0.0, "case {case}");
        // Both forms say the same.
        let floats = FloatHistogram::from(&h);
        assert_eq!(FloatHistogram::from(&Histogram::from(&floats)), floats, "case {case}");
    }
}

#[test]
fn no_histogram_brings_it_down() {
    let odd = |schema: i32, threshold: f64, offset: i32, count: f64| Histogram {
        schema,
        zero_threshold: threshold,
        sum: count,
        counts: HistogramCounts::Float { count, zero: count, positive: vec![count, 1.0], negative: vec![count] },
        positive_spans: vec![BucketSpan { offset, length: 2 }],
        negative_spans: vec![BucketSpan { offset, length: 1 }],
        custom_bounds: Vec::new(),
        reset_hint: ResetHint::Unknown,
    };
    let mut all = Vec::new();
    for schema in [-4, 0, 8] {
        for threshold in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
            for offset in [i32::MIN, -1, 0, i32::MAX - 2] {
                for count in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e308] {
                    all.push(odd(schema, threshold, offset, count));
                }
            }
        }
    }
    // Spans that promise more than there is, a custom bucket beyond all bounds.
    all.push(Histogram { positive_spans: vec![BucketSpan { offset: i32::MAX, length: u32::MAX }], ..odd(0, 0.0, 0, 1.0) });
    all.push(Histogram { schema: model::CUSTOM_BUCKETS_SCHEMA, custom_bounds: vec![f64::NAN, 1.0], ..odd(0, 0.0, 1_000_000, 1.0) });
    let memory = Memory::new();
    for (at, name) in (0..).zip(["a", "b", "c", "d"]) {
        let labels = LabelSet::from_pairs([(METRIC_NAME, "h"), ("at", name), ("half", if at % 2 == 0 { "x" } else { "y" })]);
        let samples = all.iter().cycle().skip(at * 7).take(all.len()).enumerate();
        memory.load_histograms(&labels, samples.map(|(row, h)| (row as i64 * STEP, Arc::new(h.clone()))));
    }
    let limits = Limits { features: promql::Features::ALL, ..Limits::default() };
    for text in QUERIES {
        let end = all.len() as i64 * STEP;
        // An error is an answer too; to come back is what counts.
        let _ = range(&parse(text).expect("a query"), 0, end, STEP, &memory, &limits);
    }
}

/// A histogram counts by its size: 168 bytes, 8 for each span, bucket and bound, 8 for the time; by 16. Worked out from what upstream's
/// source says.
#[test]
fn histograms_that_are_looked_at_count_by_their_size() {
    let memory = Memory::new();
    let native = "{{schema:1 count:9 sum:7.5 z_bucket:2 z_bucket_w:0.5 buckets:[3 0 1] n_buckets:[3]}}x3";
    memory.load_text("h", native, 15_000).expect("good");
    memory.load_text("c", "{{schema:-53 count:6 sum:4 custom_values:[1 2.5] buckets:[1 2 3]}}x3", 15_000).expect("good");
    memory.load_text("x", "1x3", 15_000).expect("good");
    for (text, expected) in [
        ("h", 14),
        ("c", (176 + 8 * (1 + 3 + 2)) / 16),
        ("x", 1),
        ("sum_over_time(h[1m])", 4 * 14),
        ("sum_over_time(x[1m])", 4),
        // Without buckets.
        ("histogram_count(h)", 11),
        ("timestamp(h)", 1),
    ] {
        let expr = parse(text).expect("good");
        let limits = Limits { per_step: true, ..Limits::default() };
        let result = instant(&expr, 45_000, &memory, &limits).expect("it evaluates");
        assert_eq!(
            (result.stats.samples_looked_at, result.samples_per_step),
            (expected, vec![StepSamples { time: 45_000, looked_at: expected, fresh: expected }]),
            "{text}"
        );
    }
    // And so they count in what is held at once, here where floats count as one.
    let peak =
        |text: &str| instant(&parse(text).expect("good"), 45_000, &memory, &Limits::default()).expect("it evaluates").stats.samples_peak;
    assert_eq!(peak("h"), peak("x") + 13);
    assert!(peak("h[40s]") >= peak("x[40s]") + 3 * 13 && peak("sum_over_time(h[1m])") >= peak("sum_over_time(x[1m])") + 4 * 13);
    let few = Limits { samples_max: peak("h") - 1, ..Limits::default() };
    assert!(instant(&parse("h").expect("good"), 45_000, &memory, &few).is_err());
}

#[test]
fn what_an_aggregation_looks_at_counts_once_where_it_meets_histograms_late() {
    let memory = Memory::new();
    // Each name is a group of its own.
    for series in ["m1", "m2"] {
        memory.load_text(series, "1 2 3", 15_000).expect("good");
    }
    memory.load_text("m3", "{{schema:0 sum:5 count:4 buckets:[1 2 1]}}x2", 15_000).expect("good");
    let looked_at = |text: &str| {
        let result = promql::instant(&parse(text).expect("good"), 30_000, &memory, &Limits::default()).expect("it evaluates");
        (result.stats.samples_looked_at, result.stats.samples_fresh)
    };
    assert_eq!(looked_at(r#"sum({__name__=~"m."})"#), looked_at(r#"{__name__=~"m."}"#));
}
