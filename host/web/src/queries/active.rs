//! Which queries run, in a file, so that the start after a crash can say which they were: upstream's `queries.active`. Its form
//! is upstream's too: `[`, then a place of a thousand bytes for each query that may run at once, with an object and a comma or
//! zeros. Written without a sync: it is for processes that are killed, not for power cuts.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use model::TimestampMs;
use serde_json::json;

/// Bytes of a place.
const ENTRY: usize = 1000;
/// Most bytes that are read of a file of the last run.
const FILE_MAX: u64 = 4 << 20;

pub(crate) struct Active {
    file: File,
    free: Mutex<Vec<usize>>,
}

impl Active {
    /// Logs what the file holds and begins anew.
    pub(crate) fn open(path: &Path, places: usize) -> io::Result<Self> {
        let last = unfinished(path);
        if !last.is_empty() {
            let queries = serde_json::Value::from(last).to_string();
            tracing::warn!(%queries, "these queries were running when the last run ended without warning");
        }
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
        file.set_len((1 + places * ENTRY) as u64)?;
        file.write_all_at(b"[", 0)?;
        Ok(Self { file, free: Mutex::new((0..places).rev().collect()) })
    }

    /// Notes a query down and says where. None if there is no place, or the disk is full: the query is more important.
    pub(crate) fn insert(&self, query: &str, asked: TimestampMs) -> Option<usize> {
        let slot = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let written = self.file.write_all_at(&entry(query, asked), offset(slot));
        if written.is_err() {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        }
        written.is_ok().then_some(slot)
    }

    pub(crate) fn remove(&self, slot: usize) {
        // If this fails, the next start names a query too many.
        let _ = self.file.write_all_at(&[0; ENTRY], offset(slot));
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
    }
}

fn offset(slot: usize) -> u64 {
    (1 + slot * ENTRY) as u64
}

/// An object, a comma, zeros. The query is cut so that it fits, escapes included.
fn entry(query: &str, asked: TimestampMs) -> [u8; ENTRY] {
    let mut text = query;
    let line = loop {
        let line = format!("{},", json!({"query": text, "timestamp_sec": asked.div_euclid(1000)}));
        if line.len() <= ENTRY {
            break line;
        }
        // Escapes make up to six bytes of one.
        let less = ((line.len() - ENTRY) / 6).max(1);
        text = &text[..text.floor_char_boundary(text.len().saturating_sub(less))];
    };
    let mut bytes = [0; ENTRY];
    bytes[..line.len()].copy_from_slice(line.as_bytes());
    bytes
}

/// What was running. What cannot be read is nothing.
fn unfinished(path: &Path) -> Vec<serde_json::Value> {
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.len() <= FILE_MAX);
    let Some(bytes) = small.then(|| std::fs::read(path).ok()).flatten() else { return Vec::new() };
    let entries = bytes.get(1..).unwrap_or_default().chunks(ENTRY);
    let read = entries.filter_map(|entry| {
        let end = entry.iter().rposition(|byte| *byte != 0)?;
        serde_json::from_slice(entry.get(..=end)?.strip_suffix(b",")?).ok()
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_is_found_after_a_crash() {
        let path = std::env::temp_dir().join(format!("skopos-active-{}", std::process::id()));
        let active = Active::open(&path, 2).expect("a file");
        let first = active.insert("up", 1_000).expect("a place");
        active.insert(&"\u{1}한".repeat(2000), 2_500).expect("a place");
        assert_eq!(active.insert("no room", 0), None);
        active.remove(first);
        active.insert("rate(x[5m])", 3_000).expect("a place");
        // No end of the process is told to the file.
        let found = unfinished(&path);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], json!({"query": "rate(x[5m])", "timestamp_sec": 3}));
        assert!(found[1]["query"].as_str().is_some_and(|text| text.len() > 300 && text.starts_with("\u{1}한")), "{found:?}");
        assert_eq!(std::fs::read(&path).expect("there").first(), Some(&b'['));
        drop(Active::open(&path, 2).expect("a file"));
        assert!(unfinished(&path).is_empty());
        std::fs::write(&path, b"[no json,").expect("written");
        assert!(unfinished(&path).is_empty());
        std::fs::remove_file(&path).expect("removed");
    }
}
