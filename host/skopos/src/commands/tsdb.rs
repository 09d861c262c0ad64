//! `skopos tsdb …`: stored data without a server.

mod analyze;
mod create;
mod dump;
mod export;
mod import;
mod list;
mod recorded;
mod text;
mod walk;

pub(crate) use text::time;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use model::{Matcher, TimeRange};
use tsdb::Db;
use tsdb::backfill::{Backfill, BackfillReport};
use tsdb::disk::{Disk, RealDisk};

use crate::cli::{CreateBlocksFrom, DataFormat, SelectArgs, Tsdb};
use crate::out;

pub(crate) fn run(what: &Tsdb) -> ExitCode {
    let result = match what {
        Tsdb::List { human_readable, data } => list::list(data, *human_readable),
        Tsdb::Analyze { limit, matches, data, block } => analyze::analyze(data, block.as_deref(), matches.as_deref(), *limit),
        Tsdb::Dump { select, data } => dump::dump(data, select),
        Tsdb::DumpOpenmetrics { select, data } => dump::dump_openmetrics(data, select),
        Tsdb::Verify { data } => list::verify(data),
        Tsdb::Repair { data } => list::repair(data),
        Tsdb::Import { format: DataFormat::Prometheus, from, data } => import::prometheus(from, data),
        Tsdb::Export { format: DataFormat::Prometheus, select, data, out } => export::prometheus(data, out, select),
        Tsdb::CreateBlocksFrom(CreateBlocksFrom::Openmetrics { file, data }) => create::openmetrics(file, data),
        Tsdb::CreateBlocksFrom(rules @ CreateBlocksFrom::Rules { .. }) => recorded::rules(rules),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => super::failed(error),
    }
}

/// Whether all is good, or why nothing could be done.
type Outcome = Result<bool, String>;

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

/// Opens a data directory for reading alone, and says on standard error what is damaged. True if nothing is.
fn open(data: &Path) -> Result<(Db, bool), String> {
    let (db, report) = Db::open_read_only(data, disk()).map_err(|error| error.to_string())?;
    for damage in &report.damage {
        out::error(format_args!("warning: damaged, and left out: {damage}"));
    }
    Ok((db, report.damage.is_empty()))
}

/// The time of all samples; none if there is none.
fn time_range(db: &Db) -> Option<TimeRange> {
    let stats = db.stats();
    let blocks = db.blocks();
    let starts = blocks.iter().map(|block| block.time_min).chain(stats.time_min).chain(stats.head_time.map(|(from, _)| from));
    let ends = blocks.iter().map(|block| block.time_max).chain(stats.head_time.map(|(_, to)| to));
    Some(TimeRange { start: starts.min()?, end: ends.max()? }).filter(|range| range.start <= range.end)
}

impl SelectArgs {
    fn range(&self) -> TimeRange {
        TimeRange { start: self.min_time, end: self.max_time }
    }

    fn matchers(&self) -> Result<Vec<Matcher>, String> {
        self.matches.as_deref().map_or_else(|| Ok(Vec::new()), selector)
    }
}

/// The matchers of a plain selector.
fn selector(text: &str) -> Result<Vec<Matcher>, String> {
    let expr = promql::parse(text).map_err(|error| format!("--match={text}: {error}"))?;
    match &expr.kind {
        promql::ast::ExprKind::Selector(selector)
            if selector.shift.at.is_none() && selector.shift.offset.is_none() && selector.edges.is_none() =>
        {
            Ok(selector.all_matchers())
        }
        _ => Err(format!("--match={text}: this is not a selector such as up{{job=\"node\"}}")),
    }
}

fn backfill(data: &Path) -> Result<Backfill, String> {
    Backfill::open(data, disk()).map_err(|error| format!("{}: {error}", data.display()))
}

/// What was brought in, in one line.
fn brought(report: &BackfillReport) -> String {
    format!(
        "{} ({}) in {} of {} together: {:.2} bytes a sample",
        text::count(report.samples, "sample"),
        text::count(report.histograms, "native histogram"),
        text::count(report.blocks, "block"),
        text::bytes(report.bytes),
        report.bytes as f64 / report.samples.max(1) as f64
    )
}
