//! What aggregations ask for, beside what others do: the same groups, keys, and bits.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use model::seams::{ColumnSamples, KeyedGroups, LabelKey, Select, SelectRequest};
use model::{MatchOp, Matcher, TimeRange};
use tsdb::Db;

use super::{ALWAYS, Dice, matcher};

/// Series that were compared.
pub(crate) static COMPARED: AtomicU64 = AtomicU64::new(0);

/// Asks one random question both ways, and reads columns both ways. `around` is a time of samples.
#[track_caller]
pub(crate) fn same_keyed(db: &Db, seed: u64, around: i64, what: &str) {
    let mut dice = Dice(seed);
    let names: Vec<String> =
        ["s", "t", "n", "__name__", "none"].iter().filter(|_| dice.below(3) == 0).map(|&name| name.to_owned()).collect();
    let key = LabelKey { names: &names, without: dice.below(2) == 0 };
    let matchers: Vec<Matcher> = match dice.below(4) {
        0 => vec![matcher(["s", "n"][dice.below(2) as usize], MatchOp::Matches, "[1-5]?.?")],
        1 => vec![matcher("t", MatchOp::NotEqual, "1")],
        _ => Vec::new(),
    };
    let range = match dice.below(3) {
        0 => {
            let start = around - dice.below(400_000) as i64;
            TimeRange { start, end: start + dice.below(300_000) as i64 }
        }
        _ => ALWAYS,
    };
    let what = format!("{what}: {matchers:?} {range:?} {key:?}");
    let request = SelectRequest { matchers: &matchers, range };
    let plain = KeyedGroups::of(db.select(&request).expect("it selects"), key);
    let keyed = db.select_keyed(&request, key).expect("it selects");
    assert_eq!(plain.keys, keyed.keys, "{what}");
    assert_eq!(plain.of, keyed.of, "{what}");
    assert!(!plain.typed || keyed.typed, "{what}");
    assert_eq!(plain.groups.len(), keyed.groups.len(), "{what}");
    for ((plain, keyed), of) in plain.groups.iter().zip(&keyed.groups).zip(&plain.of) {
        let (a, b) = (plain.read().expect("it decodes"), keyed.read().expect("it decodes"));
        assert_eq!((&a.times, &a.warnings, a.columns.len()), (&b.times, &b.warnings, b.columns.len()), "{what}");
        assert_eq!((plain.samples_max(), a.columns.len()), (keyed.samples_max(), of.len()), "{what}");
        let bits = |floats: &[f64]| floats.iter().map(|float| float.to_bits()).collect::<Vec<_>>();
        let mut next = 0;
        let mut visit = |column: model::seams::ColumnRef<'_>| {
            assert_eq!(column.series, next, "{what}");
            next += 1;
            let expected = &a.columns[column.series];
            assert_eq!(bits(expected.floats()), bits(b.columns[column.series].floats()), "{what}");
            assert_eq!(column.times, a.times, "{what}");
            assert_eq!(bits(column.floats), bits(expected.floats()), "{what}");
            let histograms = if let ColumnSamples::Mixed { histograms, .. } = expected { histograms.as_slice() } else { &[] };
            assert_eq!(column.histograms, histograms, "{what}");
            let gap = |float: &f64| model::is_absent(*float) || model::is_stale(*float);
            assert!(column.gaps || !column.floats.iter().any(gap), "{what}");
            ControlFlow::Continue(())
        };
        let warnings = keyed.each_column(&mut visit).expect("it decodes");
        assert_eq!((next, warnings), (of.len(), a.warnings.clone()), "{what}");
        COMPARED.fetch_add(of.len() as u64, Ordering::Relaxed);
    }
    // As many as one wants.
    for group in &keyed.groups {
        let mut seen = 0;
        let mut visit = |_: model::seams::ColumnRef<'_>| {
            seen += 1;
            ControlFlow::Break(())
        };
        group.each_column(&mut visit).expect("it decodes");
        assert_eq!(seen, 1, "{what}");
    }
}
