//! Fixed series that random expressions are asked of.
//!
//! No sample lies on a whole second, where evaluations and borders of windows lie: Prometheus 2 closes windows on the left,
//! Prometheus 3 opens them.

use test_support::Dataset;

/// When the samples begin, in Unix seconds: a full hour.
pub(crate) const BEGIN: i64 = 1_699_999_200;

/// How long they go on, in seconds. Below the range that a Prometheus writes a block after.
pub(crate) const SPAN: i64 = 5_400;

const STALE: u64 = 0x7ff0_0000_0000_0002;

fn times(step_ms: i64, shift_ms: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..SPAN * 1000 / step_ms).map(move |at| (at, BEGIN * 1000 + at * step_ms + shift_ms))
}

/// About seventy series: counters that are reset, that pause, end, begin late; gauges with what floats can be; histograms.
pub(crate) fn dataset() -> Dataset {
    let mut data = Dataset::default();
    let places = [("api", "a:80"), ("api", "b:80"), ("web", "c:443")];
    for (p, (job, instance)) in places.into_iter().enumerate() {
        let p = p as i64;
        let at = [("job", job), ("instance", instance)];
        for (c, code) in ["200", "404", "500"].into_iter().enumerate() {
            let c = c as i64;
            let jitter = |at: i64| if p == 1 { (at * 7919) % 400 - 200 } else { 0 };
            let counter =
                times(15_000, 503).filter(move |(at, _)| !(p == 2 && c == 1 && (140..180).contains(at))).map(move |(at, time)| {
                    let since = if c == 2 && at >= 200 { at - 200 } else { at };
                    (time + jitter(at), ((3 + p * 5 + c * 7) * since + (since * since * 31 + p) % 11) as f64)
                });
            // One begins late, one ends with a marker.
            let counter: Vec<_> = match (p, c) {
                (0, 1) => counter.skip(150).collect(),
                (1, 2) => counter.take(260).chain([(BEGIN * 1000 + 260 * 15_000 + 503, f64::from_bits(STALE))]).collect(),
                _ => counter.collect(),
            };
            let labels = [at[0], at[1], ("code", code), ("method", if c == 0 { "GET" } else { "POST" })];
            data.add("http_requests_total", &labels, counter);
        }
        for (r, room) in ["attic", "cellar"].into_iter().enumerate() {
            let r = r as i64;
            let gauge = times(15_000, 711).map(|(at, time)| {
                let swing = ((at * (13 + p * 3 + r)) % 97 - 40) as f64 * 0.25;
                let value = match (p, r, at % 60) {
                    (1, 1, 7) => f64::NAN,
                    (2, 1, 11) => f64::INFINITY,
                    (2, 1, 31) => f64::NEG_INFINITY,
                    (0, 1, 5) => 0.0,
                    (0, 1, 9) => -0.0,
                    _ => swing + 0.0625 * (p * 2 + r) as f64 + 0.03125,
                };
                (time, value)
            });
            data.add("temperature", &[at[0], at[1], ("room", room)], gauge);
        }
        data.add("size_bytes", &at, times(15_000, 503).map(|(_, time)| (time, (1_i64 << (30 + p)) as f64)));
        data.add("free_bytes", &at, times(15_000, 503).map(|(at, time)| (time, (1_000_000 * (p + 1) + (at * 77_777) % 900_001) as f64)));
        data.add("up", &at, times(15_000, 503).map(|(at, time)| (time, if at % 50 == 3 * p + 2 { 0.0 } else { 1.0 })));
        let version = ["1.0.0", "1.2.3", "2.0.0-rc.1"][p as usize];
        data.add("build_info", &[at[0], at[1], ("version", version)], times(60_000, 977).map(|(_, time)| (time, 1.0)));
        data.add("start_time_seconds", &at, times(60_000, 977).map(|(_, time)| (time, 1_577_836_800.5 + 40_000_000.0 * p as f64)));
        let mut below = 0;
        for (b, le) in ["0.1", "0.5", "1", "2.5", "+Inf"].into_iter().enumerate() {
            below += 2 + (b as i64 * 3 + p) % 5;
            let rate = below;
            data.add(
                "latency_seconds_bucket",
                &[at[0], at[1], ("le", le)],
                times(15_000, 503).map(|(at, time)| (time, (rate * at) as f64)),
            );
        }
        data.add("latency_seconds_count", &at, times(15_000, 503).map(|(at, time)| (time, (below * at) as f64)));
        data.add("latency_seconds_sum", &at, times(15_000, 503).map(|(at, time)| (time, at as f64 * (below as f64 * 0.375 + p as f64))));
    }
    // Here and there, ended by markers.
    let seldom = times(30_000, 250)
        .filter(|(at, _)| at % 40 < 12)
        .map(|(at, time)| (time, if at % 40 == 11 { f64::from_bits(STALE) } else { at as f64 }));
    data.add("intermittent", &[("job", "web"), ("instance", "c:443")], seldom);
    data.add("lonely", &[], times(15_000, 3).map(|(at, time)| (time, 1.5 * at as f64)));
    data
}
