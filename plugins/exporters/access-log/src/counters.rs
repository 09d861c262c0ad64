//! What is counted of a file's lines: in arrays while reading, in one value of the store between scrapes. Numbers only grow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::line::Entry;
use crate::paths::Patterns;

/// Methods with a series of their own: those of RFC 9110 and PATCH. Visitors invent others.
pub const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
/// Classes of status codes.
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// What has no series of its own.
pub const OTHER: &str = "(other)";

/// As it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Lines that are not empty.
    pub lines: u64,
    /// Of those, lines that do not fit the format, or are too long.
    pub unmatched: u64,
    /// Bytes of the log.
    pub read_bytes: u64,
    /// Times the file was replaced or truncated.
    pub rotations: u64,
    /// Times the unread rest of a file could not be found any more.
    pub gaps: u64,
    /// By method, class of status and pattern, with a blank between.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of answers, by pattern.
    pub bytes: BTreeMap<String, u64>,
    /// By pattern.
    pub durations: BTreeMap<String, Durations>,
}

/// A histogram. The sum is in whole microseconds, so that adding never loses anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    /// Upper bounds in microseconds.
    pub bounds: Vec<u64>,
    /// One for each bound, not cumulative, and one for what is above.
    pub counts: Vec<u64>,
    /// In microseconds.
    pub sum: u64,
}

/// Counts lines between two writes to the store.
#[derive(Debug)]
pub struct Tally {
    lines: u64,
    unmatched: u64,
    requests: Vec<u64>,
    /// Seen at all, and how much.
    bytes: Vec<Option<u64>>,
    durations: Vec<Option<(Vec<u64>, u64)>>,
    bounds: Vec<u64>,
    paths: usize,
}

impl Tally {
    /// For this many patterns, and for bounds in microseconds.
    #[must_use]
    pub fn new(patterns: usize, bounds: &[u64]) -> Self {
        let paths = patterns + 1;
        Self {
            lines: 0,
            unmatched: 0,
            requests: vec![0; (METHODS.len() + 1) * (CLASSES.len() + 1) * paths],
            bytes: vec![None; paths],
            durations: vec![None; paths],
            bounds: bounds.to_vec(),
            paths,
        }
    }

    /// A line that fits no format.
    pub fn unmatched(&mut self) {
        self.lines += 1;
        self.unmatched += 1;
    }

    /// A line.
    pub fn add(&mut self, entry: &Entry<'_>, patterns: &Patterns) {
        self.lines += 1;
        let method = METHODS.iter().position(|known| entry.method == Some(known.as_bytes())).unwrap_or(METHODS.len());
        let class = usize::from(entry.status / 100).checked_sub(1).filter(|class| *class < CLASSES.len()).unwrap_or(CLASSES.len());
        let path = entry.uri.and_then(|uri| patterns.find(uri)).unwrap_or(self.paths - 1);
        self.requests[(method * (CLASSES.len() + 1) + class) * self.paths + path] += 1;
        let bytes = self.bytes[path].get_or_insert(0);
        *bytes = bytes.saturating_add(entry.bytes.unwrap_or(0));
        if let Some(micros) = entry.micros {
            let (counts, sum) = self.durations[path].get_or_insert_with(|| (vec![0; self.bounds.len() + 1], 0));
            counts[self.bounds.partition_point(|bound| *bound < micros)] += 1;
            *sum = sum.saturating_add(micros);
        }
    }

    /// Adds everything to what is stored.
    pub fn merge(self, patterns: &Patterns, into: &mut Counters) {
        let path_of = |at: usize| patterns.text(at).unwrap_or(OTHER);
        into.lines += self.lines;
        into.unmatched += self.unmatched;
        for (at, count) in self.requests.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (kind, path) = (at / self.paths, at % self.paths);
            let method = METHODS.get(kind / (CLASSES.len() + 1)).unwrap_or(&OTHER);
            let class = CLASSES.get(kind % (CLASSES.len() + 1)).unwrap_or(&OTHER);
            *into.requests.entry(format!("{method} {class} {}", path_of(path))).or_default() += count;
        }
        for (at, bytes) in self.bytes.iter().enumerate() {
            if let Some(bytes) = bytes {
                let stored = into.bytes.entry(path_of(at).to_owned()).or_default();
                *stored = stored.saturating_add(*bytes);
            }
        }
        for (at, durations) in self.durations.into_iter().enumerate() {
            let Some((counts, sum)) = durations else { continue };
            let stored = into.durations.entry(path_of(at).to_owned()).or_default();
            if stored.bounds != self.bounds || stored.counts.len() != counts.len() {
                // The operator has chosen other buckets: what was counted cannot be told by them.
                *stored = Durations { bounds: self.bounds.clone(), counts: vec![0; counts.len()], sum: 0 };
            }
            stored.counts.iter_mut().zip(&counts).for_each(|(stored, count)| *stored += count);
            stored.sum = stored.sum.saturating_add(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_what_is_bounded() {
        let patterns = Patterns::parse(&["/users/:id".to_owned()]).unwrap();
        let mut counters = Counters::default();
        for _ in 0..2 {
            let mut tally = Tally::new(patterns.len(), &[1000, 10_000]);
            for (method, uri, status, bytes, micros) in [
                ("GET", "/users/1", 200, Some(10), Some(1000)),
                ("GET", "/users/2", 204, None, Some(1001)),
                ("PROPFIND", "/users/2", 207, Some(1), None),
                ("GET", "/wp-login.php", 404, Some(5), Some(u64::MAX)),
                ("POST", "/", 999, Some(5), None),
                ("get", "/", 0, Some(5), None),
            ] {
                let entry = Entry { method: Some(method.as_bytes()), uri: Some(uri.as_bytes()), status, bytes, micros, ..Entry::default() };
                tally.add(&entry, &patterns);
            }
            tally.add(&Entry { status: 408, ..Entry::default() }, &patterns);
            tally.unmatched();
            tally.merge(&patterns, &mut counters);
        }
        assert_eq!((counters.lines, counters.unmatched), (16, 2));
        let requests: Vec<(&str, u64)> = counters.requests.iter().map(|(key, count)| (key.as_str(), *count)).collect();
        assert_eq!(
            requests,
            [
                ("(other) (other) (other)", 2),
                ("(other) 2xx /users/:id", 2),
                ("(other) 4xx (other)", 2),
                ("GET 2xx /users/:id", 4),
                ("GET 4xx (other)", 2),
                ("POST (other) (other)", 2),
            ]
        );
        assert_eq!(counters.bytes, BTreeMap::from([("(other)".to_owned(), 30), ("/users/:id".to_owned(), 22)]));
        let durations = &counters.durations["/users/:id"];
        assert_eq!((durations.counts.as_slice(), durations.sum), (&[2, 2, 0][..], 4002));
        assert_eq!(counters.durations["(other)"].sum, u64::MAX);
    }
}
