//! What the tests share: a database on a simulated disk, and words to feed and question it.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod keyed;
pub(crate) mod life;
pub(crate) mod naive;
pub(crate) mod scenario;
pub(crate) mod witness;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use model::seams::{
    Append, AppendError, AppendReport, ColumnId, ColumnSamples, GroupAppend, GroupSamples, Row, Select, SelectRequest, SelectedGroup,
};
use model::{Histogram, LabelSet, ManualClock, MatchOp, Matcher, TimeRange, TimestampMs, is_absent};
pub(crate) use test_support::Dice;
use tsdb::disk::{Disk, SimDisk};
use tsdb::{Db, OpenError, Options, RecoveryReport};

/// The time of most tests.
pub(crate) const NOW: TimestampMs = 1_800_000_000_000;
/// All times.
pub(crate) const ALWAYS: TimeRange = TimeRange { start: TimestampMs::MIN, end: TimestampMs::MAX };
/// Where the database lies on a simulated disk.
pub(crate) const DIR: &str = "/data";

/// Samples as bits, by series.
pub(crate) type Stored = BTreeMap<LabelSet, Vec<(TimestampMs, u64)>>;

pub(crate) fn options() -> Options {
    Options::new(Arc::new(ManualClock::at(NOW)))
}

pub(crate) fn try_open(disk: &SimDisk, options: Options) -> Result<(Db, RecoveryReport), OpenError> {
    Db::open(Path::new(DIR), options, Arc::new(disk.clone()) as Arc<dyn Disk>, NOW)
}

#[track_caller]
pub(crate) fn open(disk: &SimDisk) -> (Db, RecoveryReport) {
    try_open(disk, options()).expect("it opens")
}

/// Opens what a good shutdown or a kill left, where nothing may be missing.
#[track_caller]
pub(crate) fn reopen(disk: &SimDisk) -> Db {
    let (db, report) = open(disk);
    assert!(report.is_clean(), "{report:?}");
    db
}

pub(crate) fn labels(text: &str) -> LabelSet {
    LabelSet::from_pairs(text.split(',').filter_map(|pair| pair.split_once('=')))
}

/// A writer that asks for columns as it needs them, as scraping does.
pub(crate) struct Feeder {
    pub(crate) writer: Box<dyn GroupAppend>,
    columns: BTreeMap<LabelSet, ColumnId>,
}

impl Feeder {
    #[track_caller]
    pub(crate) fn open(db: &Db, key: &str) -> Self {
        Self { writer: db.open_group(key).expect("nobody else writes"), columns: BTreeMap::new() }
    }

    pub(crate) fn append(&mut self, time: TimestampMs, samples: &[(LabelSet, f64)]) -> Result<AppendReport, AppendError> {
        let mut columns = Vec::new();
        for (labels, _) in samples {
            let column = match self.columns.get(labels) {
                Some(column) => *column,
                None => self.writer.column(labels).expect("no limit"),
            };
            self.columns.insert(labels.clone(), column);
            columns.push(column);
        }
        let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
        let result = self.writer.append(Row::floats(time, &columns, &values));
        if result.is_ok() {
            self.columns.retain(|labels, _| !samples.iter().any(|(l, value)| l == labels && model::is_stale(*value)));
        }
        result
    }

    /// Asks anew for the columns of these series.
    pub(crate) fn forget<'a>(&mut self, series: impl Iterator<Item = &'a LabelSet>) {
        let gone: Vec<&LabelSet> = series.collect();
        self.columns.retain(|labels, _| !gone.contains(&labels));
    }

    /// Like [`Feeder::append`], with labels as text.
    #[track_caller]
    pub(crate) fn row(&mut self, time: TimestampMs, samples: &[(&str, f64)]) -> AppendReport {
        let samples: Vec<_> = samples.iter().map(|(text, value)| (labels(text), *value)).collect();
        self.append(time, &samples).expect("the disk is well")
    }
}

/// All samples that satisfy the matchers in a range.
#[track_caller]
pub(crate) fn read(db: &Db, matchers: &[Matcher], range: TimeRange) -> Stored {
    let mut stored = Stored::new();
    for group in db.select(&SelectRequest { matchers, range }).expect("it selects") {
        let samples = group.read().expect("it decodes");
        assert!(samples.times.is_sorted_by(|a, b| a < b), "ascending, each once");
        assert_eq!(group.labels().len(), samples.columns.len());
        assert!(samples.times.len() * samples.columns.len() <= group.samples_max());
        newest_agree(group.as_ref(), &samples, range);
        for (labels, column) in group.labels().iter().zip(samples.columns) {
            let ColumnSamples::Floats(values) = column else { panic!("only floats were written") };
            assert_eq!(values.len(), samples.times.len());
            let present = samples.times.iter().zip(&values).filter(|(_, value)| !is_absent(**value));
            let rows: Vec<_> = present
                .map(|(time, value)| (*time, value.to_bits()))
                .filter(|(time, _)| range.start <= *time && *time <= range.end)
                .collect();
            assert!(stored.insert(labels.clone(), rows).is_none(), "{labels} came twice");
        }
    }
    stored.retain(|_, rows| !rows.is_empty());
    stored
}

/// The newest samples, asked for alone, are the newest of all.
#[track_caller]
pub(crate) fn newest_agree(group: &dyn SelectedGroup, samples: &GroupSamples, range: TimeRange) {
    let newest = |times: &[TimestampMs], floats: &[f64], histograms: &[Option<Arc<Histogram>>]| {
        let there = |at: &usize| range.start <= times[*at] && times[*at] <= range.end;
        let samples = (0..times.len()).rev().filter(there);
        let mut samples = samples.map(|at| (times[at], floats[at].to_bits(), histograms.get(at).cloned().flatten()));
        samples.find(|(_, bits, histogram)| histogram.is_some() || !is_absent(f64::from_bits(*bits)))
    };
    let mut found = vec![None; samples.columns.len()];
    let mut last = None;
    let warnings = group.each_newest(&mut |column| {
        assert!(last < Some(column.series), "in their order, each once");
        last = Some(column.series);
        if !column.gaps {
            assert!(column.floats.iter().all(|value| !is_absent(*value) && !model::is_stale(*value)), "there are gaps");
        }
        found[column.series] = newest(column.times, column.floats, column.histograms);
        ControlFlow::Continue(())
    });
    assert_eq!(warnings.expect("it decodes"), samples.warnings);
    for (at, column) in samples.columns.iter().enumerate() {
        let histograms = if let ColumnSamples::Mixed { histograms, .. } = column { histograms.as_slice() } else { &[] };
        assert_eq!(found[at], newest(&samples.times, column.floats(), histograms), "{:?}", group.labels().get(at));
    }
}

#[track_caller]
pub(crate) fn read_all(db: &Db) -> Stored {
    read(db, &[], ALWAYS)
}

/// Expected samples of one series.
pub(crate) fn stored(expected: &[(&str, &[(TimestampMs, f64)])]) -> Stored {
    expected.iter().map(|(text, rows)| (labels(text), rows.iter().map(|(time, value)| (*time, value.to_bits())).collect())).collect()
}

pub(crate) fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).expect("a good pattern")
}

/// The seeds to run: `SKOPOS_SEED` alone, or `SKOPOS_SEEDS` of them, or so many.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    number("SKOPOS_SEED").map_or_else(|| (0..number("SKOPOS_SEEDS").unwrap_or(count)).collect(), |seed| vec![seed])
}

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"))
}

/// The bits of a value as storage keeps it.
pub(crate) fn storable(value: f64) -> u64 {
    if is_absent(value) { f64::NAN.to_bits() } else { value.to_bits() }
}
