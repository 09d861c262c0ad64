//! One scrape: every file of the section, each with its value of the store.

use skopos_sdk::exporter::Exposition;
use skopos_sdk::files::{self, Error as FileError, Kind};
use skopos_sdk::types::Error;
use skopos_sdk::{kv, log};

use crate::export::{Shown, families};
use crate::follow::{Budget, State, follow, names};
use crate::paths::glob;
use crate::section::{self, Followed};
use crate::store::StoreError;

/// Files that one pattern follows.
const MATCHES_MAX: usize = 64;
/// Another call may write in between; then what it wrote counts.
const TRIES: usize = 3;

/// Follows the files of a section, and shows what was counted of them.
///
/// # Errors
/// A section that does not fit; a store that does not work; not one file that can be read.
pub fn collect(config: &str, target: &str) -> Result<Exposition, Error> {
    collect_within(config, target, &mut Budget::default())
}

/// As [`collect`], within a budget of the caller's.
///
/// # Errors
/// As there.
pub fn collect_within(config: &str, target: &str, budget: &mut Budget) -> Result<Exposition, Error> {
    let section = section::parse(config)?;
    let mut files: Vec<(&Followed, String, State, bool)> = Vec::new();
    let mut failed = Vec::new();
    for followed in &section {
        let paths = match paths(&followed.path) {
            Ok(paths) => paths,
            Err(error) => {
                failed.push(format!("{}: {}", followed.path, words(&error)));
                continue;
            }
        };
        for path in paths {
            let (state, error) = one(&path, target, followed, budget)?;
            if let Some(error) = &error {
                failed.push(format!("{path}: {}", words(error)));
            }
            files.push((followed, path, state, error.is_none()));
        }
    }
    for reason in &failed {
        log::warn("a log is not read", &[("reason", reason)]);
    }
    if !failed.is_empty() && files.iter().all(|(_, _, state, _)| state.is_new()) {
        return Err(Error::Unavailable(failed.join("; ")));
    }
    let shown: Vec<Shown<'_>> = files
        .iter()
        .map(|(followed, path, state, readable)| Shown { path, labels: &followed.labels, state, readable: *readable })
        .collect();
    Ok(Exposition::Families(families(&shown)))
}

/// Reads one file on, and keeps what was read.
fn one(path: &str, target: &str, followed: &Followed, budget: &mut Budget) -> Result<(State, Option<FileError>), Error> {
    let key = key(path, target, &followed.name);
    let store = |error: StoreError| Error::Internal(format!("{path}: {error}"));
    for _ in 0..TRIES {
        let before = kv::get(&key).map_err(|error| store(error.into()))?;
        let mut state: State = match &before {
            None => State::default(),
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| store(StoreError::Damaged(error.to_string())))?,
        };
        let (rotations, gaps) = (state.counters.rotations, state.counters.gaps);
        let done = follow(path, followed, &mut state, budget);
        if state.is_new() {
            return Ok((state, done.err()));
        }
        let bytes = serde_json::to_vec(&state).map_err(|error| store(StoreError::Damaged(error.to_string())))?;
        let written =
            before.as_ref() == Some(&bytes) || kv::compare_and_set(&key, before.as_deref(), &bytes).map_err(|error| store(error.into()))?;
        if !written {
            continue;
        }
        if state.counters.rotations > rotations {
            log::info("a log was rotated", &[("file", path)]);
        }
        if state.counters.gaps > gaps {
            log::warn("the unread rest of a rotated log is not to be found: lines may be missing", &[("file", path)]);
        }
        return Ok((state, done.err()));
    }
    Err(store(StoreError::Busy))
}

/// The key of a file's value: another target, another name, another count.
fn key(path: &str, target: &str, name: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in [path, target, name] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("file/{hash}")
}

/// The files that a path names: itself, or those in use that its pattern matches, by name.
fn paths(path: &str) -> Result<Vec<String>, FileError> {
    let (folder, pattern) = path.rsplit_once('/').unwrap_or_default();
    if !pattern.contains('*') {
        return Ok(vec![path.to_owned()]);
    }
    let entries = files::list(if folder.is_empty() { "/" } else { folder })?;
    let fits = |name: &str| glob(pattern.as_bytes(), name.as_bytes()) && names::is_live(name);
    let found = entries.iter().filter(|entry| matches!(entry.kind, Kind::File | Kind::Link) && fits(&entry.name));
    let found: Vec<String> = found.take(MATCHES_MAX + 1).map(|entry| format!("{folder}/{}", entry.name)).collect();
    match found.len() {
        0 => Err(FileError::NotFound),
        1..=MATCHES_MAX => Ok(found),
        _ => Err(FileError::Failed(format!("more than {MATCHES_MAX} files fit: name them in several jobs"))),
    }
}

fn words(error: &FileError) -> String {
    match error {
        FileError::Denied(grant) => format!("not granted; to allow it, grant {grant}"),
        FileError::NotFound => "there is no such file".to_owned(),
        FileError::TooLarge => "the call has read all it may".to_owned(),
        FileError::Failed(reason) => reason.clone(),
    }
}
