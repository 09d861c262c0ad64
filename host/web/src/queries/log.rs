//! Writes queries down: all of them to `query_log_file` with upstream's keys, slow ones to this server's log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::TimestampMs;
use promql::Stats;
use serde_json::json;

use super::{Running, Timings};

/// A file that is given a line of JSON for each query.
#[derive(Debug)]
pub struct QueryLog {
    path: PathBuf,
    file: File,
}

impl QueryLog {
    /// Opens the file, or makes it; what is there stays.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self { path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(
        &mut self,
        now: TimestampMs,
        running: &Running,
        timings: &Timings,
        stats: Stats,
        error: Option<&str>,
    ) -> io::Result<()> {
        let line = line(now, running, timings, stats, error);
        self.file.write_all(format!("{line}\n").as_bytes())
    }
}

fn line(now: TimestampMs, running: &Running, timings: &Timings, stats: Stats, error: Option<&str>) -> serde_json::Value {
    let question = &running.question;
    let mut line = json!({
        "time": utc(now),
        "level": "INFO",
        "msg": "promql query logged",
        "params": {"query": question.text, "start": utc(question.start), "end": utc(question.end), "step": question.step / 1000},
        "stats": {"timings": timings.json(), "samples": samples(stats)},
        "spanID": "0000000000000000",
    });
    // Where it came from, as upstream: a rule, or a request.
    let (key, origin) = match &running.asker.rule_group {
        Some((file, name)) => ("ruleGroup", json!({"file": file, "name": name})),
        None => {
            let address = running.asker.address.map(|address| address.to_string()).unwrap_or_default();
            ("httpRequest", json!({"clientIP": address, "method": running.asker.method, "path": running.asker.path}))
        }
    };
    line[key] = origin;
    if let Some(error) = error {
        line["error"] = error.into();
    }
    line
}

/// What a query looked at and held, under upstream's names and, for bytes, ours.
pub(crate) fn samples(stats: Stats) -> serde_json::Value {
    json!({
        "totalQueryableSamples": stats.samples_looked_at, "peakSamples": stats.samples_peak, "samplesRead": stats.samples_fresh,
        "peakBytes": stats.bytes_peak,
    })
}

/// A warning of this server's log, with the expression, what it cost and who asked.
pub(crate) fn slow(running: &Running, timings: &Timings, stats: Stats, error: Option<&str>) {
    let question = &running.question;
    tracing::warn!(
        query = %question.text,
        start = %utc(question.start),
        end = %utc(question.end),
        step_seconds = question.step as f64 / 1000.0,
        seconds = timings.total().as_secs_f64(),
        queued_seconds = timings.queued.as_secs_f64(),
        samples_read = stats.samples_read,
        samples_peak = stats.samples_peak,
        bytes_peak = stats.bytes_peak,
        client = %running.asker.address.map(|address| address.to_string()).unwrap_or_default(),
        user = running.asker.user.as_deref().unwrap_or_default(),
        path = %running.asker.path,
        error = error.unwrap_or_default(),
        "a slow query"
    );
}

/// `2026-08-01T12:00:00.123Z`
fn utc(time: TimestampMs) -> String {
    jiff::Timestamp::from_millisecond(time).map_or_else(|_| time.to_string(), |time| format!("{time:.3}"))
}
