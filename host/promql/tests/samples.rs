//! How many samples a query looks at, and how many of these are new (upstream's `samplesRead`), by hand from what upstream documents:
//! of a window what the one before does not hold, what stands at a fixed time once, a subquery's for the first step it is for.

use model::{LabelSet, METRIC_NAME};
use promql::{Limits, Memory, instant, parse, range};

/// A sample each ten seconds from 0 to 1000.
fn memory() -> Memory {
    let memory = Memory::new();
    let labels: LabelSet = [(METRIC_NAME, "m")].into_iter().collect();
    memory.load(&labels, (0..=100).map(|at| (at * 10_000, at as f64)));
    memory
}

/// A query, what its three steps look at, and what is new.
type Case = (&'static str, [usize; 3], [usize; 3]);

/// At 100, 130 and 160 seconds.
const CASES: [Case; 17] = [
    ("m", [1, 1, 1], [1, 1, 1]),
    ("m + m", [2, 2, 2], [2, 2, 2]),
    ("timestamp(m)", [1, 1, 1], [1, 1, 1]),
    ("sum_over_time(m[1m])", [6, 6, 6], [6, 3, 3]),
    ("sum(sum_over_time(m[1m]))", [6, 6, 6], [6, 3, 3]),
    ("sum_over_time(m[1m] offset 20s)", [6, 6, 6], [6, 3, 3]),
    // Windows that do not meet.
    ("sum_over_time(m[20s])", [2, 2, 2], [2, 2, 2]),
    ("m @ 50", [1, 1, 1], [1, 0, 0]),
    ("sum_over_time(m[1m] @ 100)", [6, 6, 6], [6, 0, 0]),
    ("predict_linear(m[1m] @ 100, time())", [6, 6, 6], [6, 0, 0]),
    // At 60, 80, 100; 120; 140 and 160.
    ("sum_over_time(m[1m:20s])", [3, 3, 3], [3, 1, 2]),
    // At 20, 40, 60; 80 and 100; 120.
    ("sum_over_time(m[1m:20s] offset 30s)", [3, 3, 3], [3, 2, 1]),
    // What is between two windows is not counted.
    ("sum_over_time(m[10s:5s])", [2, 2, 2], [2, 2, 2]),
    // Four samples at 60, two more at each of the others.
    ("sum_over_time(sum_over_time(m[40s])[1m:20s])", [3, 3, 3], [8, 2, 4]),
    ("sum_over_time(sum(sum_over_time(m[40s]))[1m:20s])", [3, 3, 3], [8, 2, 4]),
    ("sum_over_time((m @ 50)[1m:20s])", [3, 3, 3], [1, 0, 0]),
    ("sum_over_time(m[1m:20s] @ 100) + m", [4, 4, 4], [4, 1, 1]),
];

#[test]
fn samples_are_new_once() {
    let memory = memory();
    for (text, looked_at, fresh) in CASES {
        let expr = parse(text).unwrap();
        let detailed = range(&expr, 100_000, 160_000, 30_000, &memory, &Limits { per_step: true, ..Limits::default() }).unwrap();
        let steps = &detailed.samples_per_step;
        assert_eq!(steps.iter().map(|step| step.looked_at).collect::<Vec<_>>(), looked_at, "{text}");
        assert_eq!(steps.iter().map(|step| step.fresh).collect::<Vec<_>>(), fresh, "{text}");
        let sums = (looked_at.iter().sum::<usize>(), fresh.iter().sum::<usize>());
        assert_eq!((detailed.stats.samples_looked_at, detailed.stats.samples_fresh), sums, "{text}");
        // By the short ways too, but for what is between windows.
        let plain = range(&expr, 100_000, 160_000, 30_000, &memory, &Limits::default()).unwrap();
        let between = if text.contains("[10s:5s]") { 8 } else { 0 };
        assert_eq!((plain.stats.samples_looked_at, plain.stats.samples_fresh), (sums.0, sums.1 + between), "{text}");
    }
}

#[test]
fn all_samples_of_one_step_are_new() {
    let memory = memory();
    let limits = Limits::default();
    for (text, fresh) in
        [("m", 1), ("m[1m]", 6), ("m[1m:20s]", 3), ("sum_over_time(m[1m])", 6), ("sum_over_time(sum_over_time(m[40s])[1m:20s])", 8)]
    {
        let stats = instant(&parse(text).unwrap(), 100_000, &memory, &limits).unwrap().stats;
        assert_eq!(stats.samples_fresh, fresh, "{text}");
    }
}
