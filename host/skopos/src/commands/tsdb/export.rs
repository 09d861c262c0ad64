//! Our samples as blocks of another database.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;

use model::seams::{Select, SelectRequest};
use model::{Clock, Matcher, TimeRange};
use tsdb::Db;
use tsdb::backfill::block_range;
use tsdb::prometheus::BlockExport;

use super::walk::{bits_of, histogram_of, warn};
use super::{Outcome, open, text, time_range};
use crate::cli::SelectArgs;
use crate::clock::SystemClock;
use crate::out;

/// Most samples of one group that are unpacked at once: 256 MB. Of a larger one shorter times are.
const SAMPLES_MAX: usize = 16 << 20;

/// `skopos tsdb export --format=prometheus`
pub(super) fn prometheus(data: &Path, to: &Path, select: &SelectArgs) -> Outcome {
    let matchers = select.matchers()?;
    let (db, good) = open(data)?;
    let Some(all) = time_range(&db) else {
        return Err(format!("{}: there are no samples", data.display()));
    };
    let all = TimeRange { start: all.start.max(select.min_time), end: all.end.min(select.max_time) };
    // promtool opens no directory without one.
    let wal = to.join("wal");
    std::fs::create_dir_all(&wal).map_err(|error| format!("{}: {error}", wal.display()))?;
    let range_ms = block_range(all.end.saturating_sub(all.start).saturating_add(1));
    let (mut samples, mut blocks, mut starts) = (0, 0, 0);
    for unit in units(&db, all, range_ms) {
        let start = unit.saturating_mul(range_ms);
        let range = TimeRange { start: start.max(all.start), end: start.saturating_add(range_ms - 1).min(all.end) };
        let chance = (u128::from(RandomState::new().hash_one(start)) << 64) | u128::from(RandomState::new().hash_one(to));
        let mut block = BlockExport::create(to, SystemClock.now(), chance).map_err(|error| error.to_string())?;
        starts += fill(&db, &matchers, range, &mut block)?;
        if let Some(done) = block.finish().map_err(|error| error.to_string())? {
            out::line(format_args!(
                "block {} ({} to {}): {} samples of {} series",
                done.meta.ulid,
                text::time(done.meta.time_min),
                text::time(done.meta.time_max),
                done.meta.samples,
                done.meta.series
            ));
            samples += done.meta.samples;
            blocks += 1;
        }
    }
    out::line(format_args!("{} in {}", text::count(samples, "sample"), text::count(blocks, "block")));
    let exemplars = db.exemplars(std::slice::from_ref(&matchers), all).map_err(|error| error.to_string())?;
    let exemplars = exemplars.iter().map(|series| series.exemplars.len() as u64).sum();
    for (count, what) in [(exemplars, "exemplar"), (starts, "start timestamp")] {
        if count > 0 {
            out::line(format_args!("left out: {}, for which blocks of Prometheus have no place", text::count(count, what)));
        }
    }
    Ok(good)
}

/// The multiples of a range in which there may be samples, ascending.
fn units(db: &Db, all: TimeRange, range_ms: i64) -> Vec<i64> {
    let head = db.stats().head_time;
    let times = db.blocks().into_iter().map(|block| (block.time_min, block.time_max)).chain(head);
    let mut units: Vec<i64> = times
        .map(|(from, to)| (from.max(all.start), to.min(all.end)))
        .filter(|(from, to)| from <= to)
        .flat_map(|(from, to)| from.div_euclid(range_ms)..=to.div_euclid(range_ms))
        .collect();
    units.sort_unstable();
    units.dedup();
    units
}

/// Returns how many start timestamps were left out.
fn fill(db: &Db, matchers: &[Matcher], range: TimeRange, block: &mut BlockExport) -> Result<u64, String> {
    let groups = db.select(&SelectRequest { matchers, range }).map_err(|error| error.to_string())?;
    let largest = groups.iter().map(|group| group.samples_max()).max().unwrap_or(0);
    if largest > SAMPLES_MAX && range.end > range.start {
        drop(groups);
        let half = range.start + (range.end - range.start) / 2;
        let first = fill(db, matchers, TimeRange { start: range.start, end: half }, block)?;
        return Ok(first + fill(db, matchers, TimeRange { start: half + 1, end: range.end }, block)?);
    }
    let mut starts = 0;
    for group in groups {
        starts += group.starts().map_err(|error| error.to_string())?.iter().map(|of| of.len() as u64).sum::<u64>();
        let samples = group.read().map_err(|error| error.to_string())?;
        warn(&samples);
        for (labels, column) in group.labels().iter().zip(&samples.columns) {
            let bits = bits_of(column, &samples.times, range);
            block.add(labels, &samples.times, &bits, &|row| histogram_of(column, row).cloned()).map_err(|error| error.to_string())?;
        }
    }
    Ok(starts)
}
