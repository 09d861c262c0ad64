//! A job's `exporter_config`: which files to follow, and how to read them.

use std::collections::BTreeMap;

use serde::Deserialize;
use skopos_sdk::config;
use skopos_sdk::types::Error;

use crate::format::{Format, compile};
use crate::paths::Patterns;

/// Upper bounds in seconds where none are written: those of Prometheus' clients.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of a histogram.
const BUCKETS_MAX: usize = 40;
/// Files of one section, patterns counted once.
const FILES_MAX: usize = 32;
/// Label names that the metrics have themselves.
const TAKEN: [&str; 6] = ["file", "method", "status", "path", "le", "reason"];

/// What the operator wrote.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    files: Vec<WrittenFile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenFile {
    path: String,
    rotated: String,
    format: String,
    paths: Vec<String>,
    labels: BTreeMap<String, String>,
    buckets: Vec<f64>,
    start: String,
    name: String,
}

/// A file, or the files of a pattern.
#[derive(Clone, Debug)]
pub struct Followed {
    /// Absolute; its last part may hold `*`.
    pub path: String,
    /// Where the file is after it was rotated; empty for its own name with `.` or `-` and more.
    pub rotated: String,
    /// The first that fits a line counts.
    pub formats: Vec<Format>,
    /// Of the paths of requests.
    pub patterns: Patterns,
    /// On every metric.
    pub labels: BTreeMap<String, String>,
    /// Upper bounds in microseconds.
    pub bounds: Vec<u64>,
    /// Whether a file seen for the first time is skipped up to its end.
    pub from_end: bool,
    /// Tells this entry from another one that follows the same file.
    pub name: String,
}

/// Reads a section.
///
/// # Errors
/// [`Error::Config`] with what to change.
pub fn parse(text: &str) -> Result<Vec<Followed>, Error> {
    let written: Written = config::parse(text)?;
    if written.files.is_empty() {
        return Err(Error::Config("files is empty: name at least one, as in files: [{path: /var/log/nginx/access.log}]".to_owned()));
    }
    if written.files.len() > FILES_MAX {
        return Err(Error::Config(format!(
            "files: {} are more than the limit of {FILES_MAX}: use a pattern, or several jobs",
            written.files.len()
        )));
    }
    let files: Vec<Followed> = written.files.into_iter().map(followed).collect::<Result<_, String>>().map_err(Error::Config)?;
    for (at, file) in files.iter().enumerate() {
        if files[..at].iter().any(|other| other.path == file.path && other.name == file.name) {
            return Err(Error::Config(format!("{} is named twice: give one of the two a name of its own", file.path)));
        }
    }
    Ok(files)
}

fn followed(file: WrittenFile) -> Result<Followed, String> {
    let wrong = |what: String| format!("{}: {what}", file.path);
    if !file.path.starts_with('/') {
        return Err(wrong("a path begins with /".to_owned()));
    }
    let (folder, name) = file.path.rsplit_once('/').unwrap_or_default();
    if name.is_empty() || folder.contains(['*', '?', '[']) || name.contains(['?', '[']) {
        return Err(wrong("only the last part of a path may be a pattern, and only with *".to_owned()));
    }
    if let Some((folder, name)) = file.rotated.rsplit_once('/')
        && (!file.rotated.starts_with('/') || name.is_empty() || folder.contains(['*', '?', '[']) || name.contains(['?', '[']))
    {
        return Err(wrong("rotated is a path whose last part may hold *, as in /var/log/old/access.log.*".to_owned()));
    }
    if !file.rotated.is_empty() && name.contains('*') {
        return Err(wrong(
            "rotated goes with one file only: files of a pattern are looked for under their own names with . or - after them".to_owned(),
        ));
    }
    let from_end = match file.start.as_str() {
        "" | "beginning" => false,
        "end" => true,
        other => return Err(wrong(format!("start is {other:?}: write beginning or end"))),
    };
    for label in file.labels.keys() {
        let valid =
            label.bytes().enumerate().all(|(at, byte)| byte.is_ascii_alphabetic() || byte == b'_' || (at > 0 && byte.is_ascii_digit()));
        if !valid || label.is_empty() || label.starts_with("__") || TAKEN.contains(&label.as_str()) {
            return Err(wrong(format!("labels: {label:?} is no label name of one's own")));
        }
    }
    Ok(Followed {
        formats: compile(&file.format).map_err(|error| wrong(error.to_string()))?,
        patterns: Patterns::parse(&file.paths).map_err(wrong)?,
        bounds: bounds(&file.buckets).map_err(wrong)?,
        from_end,
        rotated: file.rotated,
        labels: file.labels,
        name: file.name,
        path: file.path,
    })
}

fn bounds(written: &[f64]) -> Result<Vec<u64>, String> {
    let seconds = if written.is_empty() { &BUCKETS[..] } else { written };
    if seconds.len() > BUCKETS_MAX {
        return Err(format!("buckets: {} are more than the limit of {BUCKETS_MAX}", seconds.len()));
    }
    let micros: Vec<u64> = seconds.iter().map(|bound| (bound * 1e6).round() as u64).collect();
    let fine = seconds.iter().all(|bound| *bound > 0.0 && *bound < 1e9) && micros.windows(2).all(|pair| pair[0] < pair[1]);
    if fine { Ok(micros) } else { Err("buckets are seconds above 0 in ascending order, a microsecond apart at least".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_refusals() {
        let files =
            parse(r#"{"files":[{"path":"/var/log/nginx/access.log"},{"path":"/l/*.log","start":"end","format":"common"}]}"#).unwrap();
        assert_eq!((files[0].formats.len(), files[0].from_end, files[0].bounds.len()), (2, false, 11));
        assert_eq!((files[1].formats.len(), files[1].from_end), (1, true));
        for (text, part) in [
            ("{}", "files is empty"),
            (r#"{"files":[{"path":"a.log"}]}"#, "begins with /"),
            (r#"{"files":[{"path":"/*/a.log"}]}"#, "only the last part"),
            (r#"{"files":[{"path":"/a/"}]}"#, "only the last part"),
            (r#"{"files":[{"path":"/a"},{"path":"/a"}]}"#, "named twice"),
            (r#"{"files":[{"path":"/a","start":"middle"}]}"#, "beginning or end"),
            (r#"{"files":[{"path":"/a","format":"x"}]}"#, "is no format"),
            (r#"{"files":[{"path":"/a","labels":{"path":"x"}}]}"#, "no label name"),
            (r#"{"files":[{"path":"/a","buckets":[2,1]}]}"#, "ascending"),
            (r#"{"files":[{"path":"/a","rotated":"old/*"}]}"#, "rotated is a path"),
            (r#"{"files":[{"path":"/a*","rotated":"/old/*"}]}"#, "one file only"),
            (r#"{"files":[{"path":"/a","colour":1}]}"#, "colour"),
        ] {
            let Err(Error::Config(error)) = parse(text) else { panic!("{text} is taken") };
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parse(r#"{"files":[{"path":"/a"},{"path":"/a","name":"b"}]}"#).is_ok());
    }
}
