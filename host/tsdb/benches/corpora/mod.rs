//! Samples to measure compression with.
//!
//! - [`bench_set`]: what `shared/bench` pushes: its own load generator is run and scraped (`SKOPOS_LOADGEN`, the binary; 24 targets,
//!   or `SKOPOS_BENCH_TARGETS`, of 1,000 series, 480 scrapes 15 s apart).
//! - [`expositions`]: the real expositions of `shared/conformance` (`SKOPOS_EXPOSITIONS`, the directory), each a target that is scraped
//!   each minute for a day; from the values that it shows a random walk goes on, see [`walk`].
//! - the same with jitter and missing scrapes: times off by up to 40 ms, one scrape in fifty lost, which leaves a row of stale markers,
//!   and one series in ten that comes or goes during the day.

mod loadgen;
mod walk;

use std::path::PathBuf;

use model::{LabelSet, METRIC_NAME};

pub(crate) use loadgen::bench_set;

/// Rows of one target.
pub(crate) struct Group {
    pub(crate) key: String,
    pub(crate) times: Vec<i64>,
    pub(crate) columns: Vec<(LabelSet, Vec<u64>)>,
}

pub(crate) const START: i64 = 1_800_000_000_000;

fn env_or(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// The expositions over a day, one target after the other to `each`. False: there are none on this machine.
pub(crate) fn expositions(disturbed: bool, mut each: impl FnMut(Group)) -> bool {
    let dir = PathBuf::from(env_or("SKOPOS_EXPOSITIONS", "/work/shared/conformance/exposition/samples"));
    let Ok(entries) = std::fs::read_dir(&dir) else {
        return false;
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    for (seed, file) in (1..).zip(&files) {
        if let Ok(text) = std::fs::read_to_string(file) {
            let key = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            each(walk::evolve(&key, &text, seed, disturbed));
        }
    }
    !files.is_empty()
}

/// A line's labels with `job` and `instance`, and the text of its value. None: no sample. Good enough for the files at hand.
pub(crate) fn parse_line<'a>(line: &'a str, job: &str, instance: &str) -> Option<(LabelSet, &'a str)> {
    if line.starts_with('#') || line.is_empty() {
        return None;
    }
    let (head, tail) = match line.rfind('}') {
        Some(end) => line.split_at(end + 1),
        None => line.split_at(line.find(' ')?),
    };
    let value = tail.split_ascii_whitespace().next()?;
    let mut pairs = vec![("job".to_owned(), job.to_owned()), ("instance".to_owned(), instance.to_owned())];
    let (name, mut rest) = head.split_once('{').map_or((head, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
    pairs.push((METRIC_NAME.to_owned(), name.to_owned()));
    while let Some((label, after)) = rest.trim_start_matches([',', ' ']).split_once("=\"") {
        let mut end = 0;
        while let Some(at) = after[end..].find(['"', '\\']) {
            end += at;
            if after.as_bytes()[end] == b'"' {
                break;
            }
            end += 2;
        }
        pairs.push((label.to_owned(), after.get(..end)?.to_owned()));
        rest = after.get(end + 1..)?;
    }
    Some((LabelSet::from_pairs(pairs), value))
}
