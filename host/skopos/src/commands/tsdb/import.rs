//! Another database's directory becomes part of ours.

use std::path::Path;

use model::Clock;
use tsdb::backfill::BackfillReport;
use tsdb::prometheus::{Contents, Directory};

use super::{Outcome, backfill, brought, text};
use crate::clock::SystemClock;
use crate::out;

/// The server's retention where nobody says another one.
const RETENTION_MS: i64 = 15 * 86_400_000;

/// `skopos tsdb import --format=prometheus`
pub(super) fn prometheus(from: &Path, data: &Path) -> Outcome {
    let contents = Contents::of(from);
    if let (None, Some(ours)) = (&contents.of_prometheus, &contents.of_skopos) {
        return Err(format!(
            "{0}: this is a data directory of Skopos ({ours}), not of Prometheus: use it as --storage.tsdb.path, or bring it into another one by \
             `skopos tsdb export --format=prometheus {0} OUT` and `skopos tsdb import --format=prometheus OUT DATA`",
            from.display()
        ));
    }
    let directory = Directory::open(from).map_err(|error| error.to_string())?;
    if directory.blocks().next().is_none() && !directory.has_head() {
        return Err(format!("{}: there are neither blocks nor a log of Prometheus", from.display()));
    }
    if let Some(holder) = directory.holder() {
        return Err(format!("{}: {holder} has it; stop Prometheus, or import a snapshot of it", from.display()));
    }
    let mut backfill = backfill(data)?;
    let mut all = BackfillReport::default();
    let mut good = true;
    for (path, meta) in directory.blocks() {
        let block = Directory::block(path).map_err(|error| error.to_string())?;
        let report = backfill.write(&block).map_err(|error| stopped(&error, &all))?;
        out::line(format_args!(
            "block {} ({} to {}): {} samples",
            meta.ulid,
            text::time(meta.time_min),
            text::time(meta.time_max),
            report.samples
        ));
        all.add(&report);
    }
    if directory.has_head() {
        let (head, report) = directory.head().map_err(|error| error.to_string())?;
        let written = backfill.write(&head).map_err(|error| stopped(&error, &all))?;
        out::line(format_args!("log: {} samples of {} series that no block has", written.samples, head.len()));
        all.add(&written);
        if let Some(tail) = &report.torn_tail {
            out::line(format_args!("log: its end was not written whole, as when a process is killed: {tail}"));
        }
        for unread in &report.unread {
            out::error(format_args!("warning: the rest of a file was not read: {unread}"));
        }
        if report.nameless > 0 {
            out::error(format_args!(
                "warning: {} samples of the log belong to series that it does not name, and are left out",
                report.nameless
            ));
        }
        good = report.unread.is_empty() && report.nameless == 0;
    }
    out::line(brought(&all));
    let oldest = directory.blocks().map(|(_, meta)| meta.time_min).min();
    if let Some(oldest) = oldest.filter(|oldest| *oldest < SystemClock.now() - RETENTION_MS) {
        out::line(format_args!(
            "the oldest are of {}: start the server with a --storage.tsdb.retention.time that reaches there, or it drops what is older",
            text::time(oldest)
        ));
    }
    Ok(good)
}

fn stopped(error: &dyn std::fmt::Display, before: &BackfillReport) -> String {
    if before.blocks == 0 {
        error.to_string()
    } else {
        format!("{error}. {} samples were brought in before; doing it again is fine", before.samples)
    }
}
