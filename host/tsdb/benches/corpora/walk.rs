//! How a real exposition goes on.

use std::collections::HashMap;

use model::{ABSENT_BITS, LabelSet, METRIC_NAME, STALE_BITS};
use test_support::Dice;

use super::{Group, START, parse_line};

const ROWS: i64 = 1440;
const INTERVAL_MS: i64 = 60_000;

/// What a series does.
enum Course {
    Constant,
    /// Grows by `rate` a minute, times 0.4 to 1.6, and stands still in `still` of all scrapes.
    Counter {
        rate: f64,
        still: f64,
    },
    /// Wanders by up to `step`, and stands still in `still` of all scrapes.
    Gauge {
        step: f64,
        still: f64,
    },
    /// Part of what its histogram counts.
    Share {
        histogram: usize,
        share: f64,
    },
    Sum {
        histogram: usize,
        mean: f64,
    },
}

struct Series {
    labels: LabelSet,
    value: f64,
    places: usize,
    course: Course,
}

/// A target over a day. A value that is 0 or 1 or belongs to an `_info` never changes, and neither does one gauge or counter in three.
/// Of the others counters grow, by what would have made their value in some days; buckets, count and sum of a histogram by what was
/// observed in a minute, bucket by bucket in the shares they have; gauges wander by up to a hundredth of their value. All keep the number
/// of decimals they show.
pub(super) fn evolve(key: &str, text: &str, seed: u64, disturbed: bool) -> Group {
    let mut dice = Dice(seed);
    let (mut series, mut rates) = read(key, text, &mut dice);
    let mut group = Group { key: key.to_owned(), times: Vec::new(), columns: Vec::new() };
    group.columns.extend(series.iter().map(|one| (one.labels.clone(), Vec::with_capacity(ROWS as usize))));
    let lives: Vec<(i64, i64)> = series
        .iter()
        .map(|_| match dice.next() % 20 {
            0 if disturbed => (0, (dice.next() % ROWS as u64) as i64),
            1 if disturbed => ((dice.next() % ROWS as u64) as i64, ROWS),
            _ => (0, ROWS),
        })
        .collect();
    for row in 0..ROWS {
        let jitter = if disturbed { (dice.next() % 81) as i64 - 40 } else { 0 };
        group.times.push(START + row * INTERVAL_MS + jitter);
        let lost = disturbed && dice.next().is_multiple_of(50);
        for rate in &mut rates {
            rate.1 = rate.0 * (0.5 + dice.unit());
            rate.2 += rate.1;
        }
        for ((one, (_, bits)), life) in series.iter_mut().zip(&mut group.columns).zip(&lives) {
            step(one, &rates, &mut dice);
            let shown = format!("{:.*}", one.places, one.value).parse::<f64>().unwrap_or(one.value);
            bits.push(match row {
                row if row < life.0 || row > life.1 => ABSENT_BITS,
                row if row == life.1 && row < ROWS => STALE_BITS,
                _ if lost => STALE_BITS,
                _ => shown.to_bits(),
            });
        }
    }
    group
}

fn step(one: &mut Series, rates: &[(f64, f64, f64)], dice: &mut Dice) {
    match &one.course {
        Course::Constant => {}
        Course::Counter { rate, still } => {
            if dice.unit() >= *still {
                one.value += rate * (0.4 + 1.2 * dice.unit());
            }
        }
        Course::Gauge { step, still } => {
            if dice.unit() >= *still {
                one.value += step * (2.0 * dice.unit() - 1.0);
            }
        }
        // Counts are whole: what is observed falls into the buckets as it may.
        Course::Share { histogram, share } => one.value = one.value.max((rates[*histogram].2 * share).floor()),
        Course::Sum { histogram, mean } => one.value += rates[*histogram].1 * mean * (0.9 + 0.2 * dice.unit()),
    }
}

/// The series as they are, and the histograms: observations a minute, in the last minute, in all.
fn read(key: &str, text: &str, dice: &mut Dice) -> (Vec<Series>, Vec<(f64, f64, f64)>) {
    let mut kinds: HashMap<&str, &str> = HashMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        if let Some((name, kind)) = line.split_once(' ') {
            kinds.insert(name, kind.trim());
        }
    }
    let mut series: Vec<Series> = Vec::new();
    let mut rates = Vec::new();
    let mut histograms: HashMap<LabelSet, (usize, f64)> = HashMap::new();
    // Counts first: buckets and sums refer to them.
    let lines = || text.lines().filter_map(|line| parse_line(line, "walk", key));
    for (labels, value) in lines() {
        let name = labels.metric_name().unwrap_or_default();
        if let (Some(base), Ok(count)) = (name.strip_suffix("_count"), value.parse::<f64>())
            && kinds.get(base) == Some(&"histogram")
        {
            let rate = count / (1440.0 * (1.0 + 9.0 * dice.unit()));
            histograms.insert(labels.with(METRIC_NAME, base), (rates.len(), count));
            rates.push((rate, 0.0, count));
        }
    }
    for (labels, value) in lines() {
        let Ok(number) = value.parse::<f64>() else {
            continue;
        };
        let name = labels.metric_name().unwrap_or_default().to_owned();
        let places = if value.contains(['e', 'E']) { 0 } else { value.split_once('.').map_or(0, |(_, places)| places.len()) };
        let course = course(&labels, &name, number, &kinds, &histograms, dice);
        series.push(Series { labels, value: number, places, course });
    }
    (series, rates)
}

fn course(
    labels: &LabelSet,
    name: &str,
    value: f64,
    kinds: &HashMap<&str, &str>,
    histograms: &HashMap<LabelSet, (usize, f64)>,
    dice: &mut Dice,
) -> Course {
    for part in ["_bucket", "_count", "_sum"] {
        if let Some(base) = name.strip_suffix(part)
            && let Some((histogram, count)) = histograms.get(&labels.with(METRIC_NAME, base).without("le"))
        {
            let share = if *count > 0.0 { value / count } else { 0.0 };
            return match part {
                "_sum" => Course::Sum { histogram: *histogram, mean: share },
                _ => Course::Share { histogram: *histogram, share },
            };
        }
    }
    let counter = kinds.get(name) == Some(&"counter") || name.ends_with("_total") || name.ends_with("_count") || name.ends_with("_sum");
    let fixed = value == 0.0 || value == 1.0 || !value.is_finite() || name.ends_with("_info") || dice.next().is_multiple_of(3);
    let still = if dice.next().is_multiple_of(2) { 0.0 } else { dice.unit() };
    match (fixed, counter) {
        (true, _) => Course::Constant,
        (_, true) => Course::Counter { rate: value / (1440.0 * (1.0 + 29.0 * dice.unit())), still },
        _ => Course::Gauge { step: value * 0.01, still },
    }
}
