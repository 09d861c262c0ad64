//! The counters of files as metrics.

use std::collections::BTreeMap;

use skopos_sdk::exporter::{Bucket, Histogram, HistogramSample, MetricFamily, Sample, Samples};
use skopos_sdk::types::Label;

use crate::counters::Durations;
use crate::follow::State;

/// One file's part of a scrape.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The label `file`.
    pub path: &'a str,
    /// The operator's own.
    pub labels: &'a BTreeMap<String, String>,
    /// What was read so far.
    pub state: &'a State,
    /// Whether the file could be read now.
    pub readable: bool,
}

impl Shown<'_> {
    fn labels(&self, more: &[(&str, &str)]) -> Vec<Label> {
        let own = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all = own.chain([("file", self.path)]).chain(more.iter().copied());
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn sample(&self, more: &[(&str, &str)], value: f64) -> Sample {
        Sample { labels: self.labels(more), value, timestamp: None }
    }
}

/// Everything, one family per metric.
#[must_use]
pub fn families(files: &[Shown<'_>]) -> Vec<MetricFamily> {
    let mut requests = Vec::new();
    let mut bytes = Vec::new();
    let mut durations = Vec::new();
    for file in files {
        let counters = &file.state.counters;
        for (key, count) in &counters.requests {
            let mut parts = key.splitn(3, ' ');
            let (method, status, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            requests.push(file.sample(&[("method", method), ("status", status), ("path", path)], *count as f64));
        }
        bytes.extend(counters.bytes.iter().map(|(path, bytes)| file.sample(&[("path", path)], *bytes as f64)));
        durations.extend(counters.durations.iter().map(|(path, durations)| HistogramSample {
            labels: file.labels(&[("path", path)]),
            value: histogram(durations),
            timestamp: None,
        }));
    }
    let counter = |of: fn(&State) -> u64| Samples::Counter(files.iter().map(|file| file.sample(&[], of(file.state) as f64)).collect());
    let gauge = |of: fn(&Shown<'_>) -> f64| Samples::Gauge(files.iter().map(|file| file.sample(&[], of(file))).collect());
    let mut families = vec![
        family(
            "access_log_requests_total",
            "Requests in the log, by method, class of the status and pattern of the path.",
            "",
            Samples::Counter(requests),
        ),
        family("access_log_response_bytes_total", "Bytes of answers in the log, by pattern of the path.", "", Samples::Counter(bytes)),
        family("access_log_lines_total", "Lines read that are not empty.", "", counter(|state| state.counters.lines)),
        family(
            "access_log_unmatched_lines_total",
            "Lines read that do not fit the format, or are too long.",
            "",
            counter(|state| state.counters.unmatched),
        ),
        family("access_log_read_bytes_total", "Bytes of the log that were read.", "", counter(|state| state.counters.read_bytes)),
        family("access_log_rotations_total", "Times the file was replaced or truncated.", "", counter(|state| state.counters.rotations)),
        family(
            "access_log_gaps_total",
            "Times the unread rest of a rotated file could not be found: lines may be missing.",
            "",
            counter(|state| state.counters.gaps),
        ),
        family("access_log_position_bytes", "Where reading stands in the file.", "bytes", gauge(|file| file.state.position() as f64)),
        family("access_log_lag_bytes", "What is still to be read, rotated files included.", "bytes", gauge(|file| file.state.lag() as f64)),
        family("access_log_file_readable", "Whether the file could be read, 1 or 0.", "", gauge(|file| f64::from(u8::from(file.readable)))),
    ];
    if !durations.is_empty() {
        families.push(family(
            "access_log_request_duration_seconds",
            "How long answers took, where the log says it, by pattern of the path.",
            "seconds",
            Samples::Histogram(durations),
        ));
    }
    families
}

fn family(name: &str, help: &str, unit: &str, samples: Samples) -> MetricFamily {
    MetricFamily { name: name.to_owned(), help: help.to_owned(), unit: unit.to_owned(), samples }
}

fn histogram(durations: &Durations) -> Histogram {
    let bounds = durations.bounds.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
    let mut count = 0;
    let buckets = bounds
        .zip(&durations.counts)
        .map(|(le, more)| {
            count += more;
            Bucket { le, count }
        })
        .collect();
    Histogram { count, sum: durations.sum as f64 / 1e6, buckets }
}
