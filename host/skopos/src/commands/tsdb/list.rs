//! What blocks there are, and whether they are whole.

use std::path::Path;

use tsdb::Db;

use super::{Outcome, disk, open, text};
use crate::out;

/// `skopos tsdb list`
pub(super) fn list(data: &Path, human_readable: bool) -> Outcome {
    let (db, good) = open(data)?;
    let header = ["BLOCK", "MIN TIME", "MAX TIME", "DURATION", "NUM SAMPLES", "NUM GROUPS", "NUM SERIES", "SIZE", "LEVEL"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let time = |ms: i64| if human_readable { text::time(ms) } else { ms.to_string() };
    let size = |bytes: u64| if human_readable { text::bytes(bytes) } else { bytes.to_string() };
    for block in db.blocks() {
        // As upstream has it, all samples are older than the maximum.
        let end = block.time_max.saturating_add(1);
        rows.push(vec![
            name(&block.path),
            time(block.time_min),
            time(end),
            text::duration(end.saturating_sub(block.time_min)),
            block.samples.to_string(),
            block.groups.to_string(),
            block.series.to_string(),
            size(block.bytes),
            block.level.to_string(),
        ]);
    }
    let stats = db.stats();
    if let Some((from, to)) = stats.head_time {
        let end = to.saturating_add(1);
        rows.push(vec![
            "(log)".to_owned(),
            time(from),
            time(end),
            text::duration(end.saturating_sub(from)),
            stats.recovery_samples.to_string(),
            stats.groups.to_string(),
            stats.series.to_string(),
            size(stats.log_bytes),
            "0".to_owned(),
        ]);
    }
    out::line(text::table(&rows));
    Ok(good)
}

/// A block's name without its ending.
pub(super) fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// `skopos tsdb verify`
pub(super) fn verify(data: &Path) -> Outcome {
    let mut damaged = 0;
    let checks = Db::verify(data, &disk()).map_err(|error| error.to_string())?;
    for check in &checks {
        match &check.info {
            Some(info) if check.damage.is_empty() => {
                out::line(format_args!("{}: {} samples, {} are whole", check.path.display(), info.samples, text::bytes(info.bytes)));
            }
            _ => {
                damaged += check.damage.len();
                check.damage.iter().for_each(|damage| out::line(format_args!("DAMAGED: {damage}")));
            }
        }
    }
    let (_, report) = Db::open_read_only(data, disk()).map_err(|error| error.to_string())?;
    // Blocks that do not open are in both reports.
    let of_log: Vec<String> = report.damage.iter().map(ToString::to_string).filter(|text| !text.contains(".block")).collect();
    of_log.iter().for_each(|damage| out::line(format_args!("DAMAGED: {damage}")));
    if let Some(tail) = &report.torn_tail {
        out::line(format_args!("log: ends in the middle of a record, which was never acknowledged: {tail}"));
    }
    damaged += of_log.len();
    out::line(format_args!("{} blocks and the log: {damaged} damaged stretches", checks.len()));
    Ok(damaged == 0)
}

/// `skopos tsdb repair`
pub(super) fn repair(data: &Path) -> Outcome {
    let report = Db::repair(data, &disk()).map_err(|error| error.to_string())?;
    report.damage.iter().for_each(|damage| out::line(format_args!("lost: {damage}")));
    for (from, to) in &report.set_aside {
        out::line(format_args!("set aside: {} is {} now", from.display(), to.display()));
    }
    report.rewritten.iter().for_each(|path| out::line(format_args!("kept: what is readable of it is in {}", path.display())));
    out::line(format_args!("{} blocks are whole, {} were set aside", report.whole, report.set_aside.len()));
    Ok(report.damage.is_empty())
}
