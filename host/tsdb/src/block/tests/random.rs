//! Blocks of random content against what was put in.

use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, HISTOGRAM_BITS, Histogram, HistogramCounts, MatchOp, ResetHint};
use proptest::prelude::*;

use super::*;

pub(super) fn any_bits() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => any::<u64>(),
        2 => Just(ABSENT_BITS),
        1 => Just(STALE_BITS),
        1 => Just(HISTOGRAM_BITS),
        1 => Just(f64::NAN.to_bits()),
        1 => Just((-0.0_f64).to_bits()),
        1 => Just(f64::INFINITY.to_bits()),
        4 => (-1000..1000_i64).prop_map(|n| (n as f64).to_bits()),
        2 => (-1_000_000..1_000_000_i64).prop_map(|n| (n as f64 / 1000.0).to_bits()),
    ]
}

fn any_float() -> impl Strategy<Value = f64> {
    any_bits().prop_map(f64::from_bits)
}

fn spans_of(buckets: usize) -> Vec<BucketSpan> {
    match buckets {
        0 => Vec::new(),
        1 => vec![BucketSpan { offset: -7, length: 1 }],
        _ => vec![BucketSpan { offset: 3, length: 1 }, BucketSpan { offset: 2, length: buckets as u32 - 1 }],
    }
}

pub(super) fn any_histogram() -> impl Strategy<Value = Histogram> {
    let hint = prop::sample::select(vec![ResetHint::Unknown, ResetHint::Reset, ResetHint::NoReset, ResetHint::Gauge]);
    let side = || prop::collection::vec(any::<u64>(), 0..4);
    (any::<bool>(), any::<bool>(), -4..=8_i32, any_float(), side(), side(), any::<(u64, u64)>(), hint).prop_map(
        |(float, custom, schema, sum, positive, negative, (count, zero), reset_hint)| {
            let negative = if custom { Vec::new() } else { negative };
            let floats = |side: &[u64]| side.iter().map(|n| f64::from_bits(*n)).collect::<Vec<f64>>();
            Histogram {
                schema: if custom { CUSTOM_BUCKETS_SCHEMA } else { schema },
                zero_threshold: if custom { 0.0 } else { 1e-128 },
                sum,
                positive_spans: spans_of(positive.len()),
                negative_spans: spans_of(negative.len()),
                custom_bounds: if custom { vec![0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0] } else { Vec::new() },
                counts: if float {
                    let (count, zero) = (f64::from_bits(count), f64::from_bits(zero));
                    HistogramCounts::Float { count, zero, positive: floats(&positive), negative: floats(&negative) }
                } else {
                    HistogramCounts::Integer { count, zero, positive, negative }
                },
                reset_hint,
            }
        },
    )
}

/// Bits and all, which `==` does not see in NaN.
pub(super) fn same(a: &Histogram, b: &Histogram) -> bool {
    let floats = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let counts = |h: &Histogram| match &h.counts {
        HistogramCounts::Integer { count, zero, positive, negative } => (false, vec![*count, *zero], positive.clone(), negative.clone()),
        HistogramCounts::Float { count, zero, positive, negative } => (true, floats(&[*count, *zero]), floats(positive), floats(negative)),
    };
    (a.schema, a.sum.to_bits(), a.zero_threshold.to_bits(), a.reset_hint)
        == (b.schema, b.sum.to_bits(), b.zero_threshold.to_bits(), b.reset_hint)
        && (&a.positive_spans, &a.negative_spans, &a.custom_bounds) == (&b.positive_spans, &b.negative_spans, &b.custom_bounds)
        && counts(a) == counts(b)
}

#[derive(Clone, Debug)]
pub(super) struct Content {
    labels: LabelSet,
    bits: Vec<u64>,
    histograms: Vec<(u32, Arc<Histogram>)>,
    starts: Vec<(u32, i64)>,
}

fn any_labels() -> impl Strategy<Value = LabelSet> {
    let pair = (
        prop::sample::select(vec!["__name__", "a", "b", "c", "with\u{0}nul", "é"]),
        prop::sample::select(vec!["", "x", "y", "xy", "가", "\u{0}"]),
    );
    prop::collection::vec(pair, 0..5).prop_map(LabelSet::from_pairs)
}

fn any_content(rows: usize) -> impl Strategy<Value = Content> {
    let row = prop_oneof![Just(None), any::<i64>().prop_map(Some), Just(Some(7))];
    (any_labels(), shaped(rows), prop::collection::vec(any_histogram(), rows), prop::collection::vec(row, rows), any::<bool>()).prop_map(
        |(labels, bits, histograms, starts, with_starts)| {
            let marked = bits.iter().zip(0..).filter(|(bits, _)| **bits == HISTOGRAM_BITS).map(|(_, row)| row);
            let histograms = marked.zip(histograms.into_iter().map(Arc::new)).collect();
            let starts = starts.into_iter().zip(0..).filter_map(|(start, row)| start.map(|start| (row, start)));
            Content { labels, bits, histograms, starts: if with_starts { starts.collect() } else { Vec::new() } }
        },
    )
}

/// Rows at random, or of some shape that codecs look for.
fn shaped(rows: usize) -> impl Strategy<Value = Vec<u64>> {
    let gauge = (any::<u32>(), 1..200_u32, 0..6_i32).prop_map(move |(seed, range, places)| {
        let mut state = u64::from(seed) | 1;
        let mut level = 0_i64;
        (0..rows)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let dice = state >> 33;
                if !dice.is_multiple_of(3) {
                    level += (dice % u64::from(range)) as i64 - i64::from(range / 4);
                }
                (level as f64 / 10_f64.powi(places)).to_bits()
            })
            .collect()
    });
    prop_oneof![
        prop::collection::vec(any_bits(), rows),
        any_bits().prop_map(move |bits| vec![bits; rows]),
        gauge,
        (any_bits(), any_bits(), 0..rows).prop_map(move |(a, b, at)| (0..rows).map(|row| if row < at { a } else { b }).collect()),
    ]
}

fn any_groups() -> impl Strategy<Value = Vec<(Vec<i64>, Vec<Content>)>> {
    let group = (1..40_usize, any::<i32>(), prop::collection::vec(1..100_000_i64, 40)).prop_flat_map(|(rows, first, steps)| {
        let times: Vec<i64> =
            steps.iter().take(rows).scan(i64::from(first), |time, step| Some(std::mem::replace(time, *time + step))).collect();
        (Just(times), prop::collection::vec(any_content(rows), 0..6))
    });
    prop::collection::vec(group, 0..4)
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let op = prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual), Just(MatchOp::Matches), Just(MatchOp::NotMatches)];
    let value = prop::sample::select(vec!["", "x", "y", "x|y", "x|", ".*", ".+", "x.*", "z", "|", "[xy]", "가", "가|x", "\u{0}"]);
    (prop::sample::select(vec!["__name__", "a", "b", "missing", "é"]), op, value)
        .prop_map(|(name, op, value)| Matcher::new(name, op, value).expect("good patterns"))
}

fn check(groups: &[(Vec<i64>, Vec<Content>)], matchers: &[Matcher], from: i64, len: i64) -> Result<(), TestCaseError> {
    let (disk, _) = disk();
    let mut writer = writer(&disk, 1);
    for (at, (times, columns)) in groups.iter().enumerate() {
        writer.begin_group(&at.to_string(), times).expect("a group");
        for Content { labels, bits, histograms, starts } in columns {
            writer.column(&Column { labels, bits, histograms, starts, exemplars: &[] }).expect("a column");
        }
        writer.end_group().expect("the end of a group");
    }
    writer.finish().expect("a block");
    let block = Block::open(&*disk, &path(1)).expect("opens");
    prop_assert_eq!(block.verify(), vec![]);
    let all: Vec<&Content> = groups.iter().flat_map(|(_, columns)| columns).collect();
    let expected: Vec<u32> =
        all.iter().zip(0..).filter(|(c, _)| matchers.iter().all(|m| m.matches_labels(&c.labels))).map(|(_, id)| id).collect();
    prop_assert_eq!(block.matching(matchers).expect("an index").iter().collect::<Vec<_>>(), expected);
    let labels = block.labels_of(0..block.columns()).expect("labels");
    prop_assert!(labels.iter().eq(all.iter().map(|c| &c.labels)));
    let range = TimeRange { start: from, end: from + len };
    for (g, (times, columns)) in (0..).zip(groups) {
        let ids: Vec<u32> = block.group(g).expect("a group").columns.rev().collect();
        for range in [ALL, range] {
            let rows = block.read(g, &ids, range).expect("samples");
            let inside = times.partition_point(|t| *t < range.start)..times.partition_point(|t| *t <= range.end);
            prop_assert_eq!(&rows.times, &times[inside.clone()]);
            for (found, content) in rows.columns.iter().zip(columns.iter().rev()) {
                let start = inside.start as u32;
                let bits = if inside.is_empty() { &[][..] } else { &content.bits[inside.clone()] };
                prop_assert_eq!(&found.bits, bits);
                let starts: Vec<(u32, i64)> =
                    content.starts.iter().filter(|(row, _)| inside.contains(&(*row as usize))).map(|(row, s)| (row - start, *s)).collect();
                prop_assert_eq!(&found.starts, &starts);
                let histograms: Vec<_> = content.histograms.iter().filter(|(row, _)| inside.contains(&(*row as usize))).collect();
                prop_assert_eq!(found.histograms.len(), histograms.len());
                for ((row, found), (expected_row, expected)) in found.histograms.iter().zip(histograms) {
                    prop_assert!(*row == expected_row - start && same(found, expected), "{:?} {:?}", found, expected);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn anything_comes_back(
        groups in any_groups(),
        matchers in prop::collection::vec(any_matcher(), 0..4),
        from in any::<i32>(),
        len in 0..3_000_000_i64,
    ) {
        check(&groups, &matchers, from.into(), len)?;
    }
}

/// Some values of a strategy, the same each time.
pub(super) fn sampled<T>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}
