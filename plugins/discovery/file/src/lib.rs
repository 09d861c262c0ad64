//! Reads scrape targets from files: serves `file_sd_configs` as Prometheus has them.
//!
//! Start reading at `refresh`; [`glob`] finds files, [`list`] reads one. Paths arrive absolute: the host takes those of the configuration as
//! relative to its file.

pub mod glob;
pub mod list;

use std::collections::BTreeSet;

use serde::Deserialize;
use skopos_sdk::about::{self, Description};
use skopos_sdk::discovery::{self, TargetGroup};
use skopos_sdk::files::{self, Kind};
use skopos_sdk::types::Error;
use skopos_sdk::{config, targets};

/// JSON Schema of one entry of `file_sd_configs`.
pub const SCHEMA: &str = include_str!("schema.json");

/// The label that names the file.
const META_FILEPATH: &str = "__meta_filepath";

/// Most bytes of one file.
const FILE_BYTES_MAX: u32 = 64 << 20;

/// The plugin.
pub struct File;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    refresh_interval: Option<String>,
}

impl about::Guest for File {
    fn describe() -> Description {
        Description {
            summary: "Scrape targets from files, in JSON or YAML.".to_owned(),
            config_schema: SCHEMA.to_owned(),
            documentation_url: None,
        }
    }
}

impl discovery::Guest for File {
    fn refresh(config: String) -> Result<Vec<TargetGroup>, Error> {
        let section: Section = config::parse(&config)?;
        if let Some(interval) = &section.refresh_interval {
            config::duration_ms(interval).map_err(|error| Error::Config(format!("refresh_interval: {error}")))?;
        }
        if section.files.is_empty() {
            return Err(Error::Config("files: at least one path is needed".to_owned()));
        }
        let (mut groups, mut failed) = (Vec::new(), Vec::new());
        let mut paths = BTreeSet::new();
        for pattern in &section.files {
            match matching(pattern) {
                Ok(found) => paths.extend(found),
                Err(error) => failed.push(format!("{pattern}: {error}")),
            }
        }
        for path in paths {
            match read(&path) {
                Ok(Some(entries)) => groups.extend(targets::groups(&path, META_FILEPATH, entries)),
                // Gone between the two looks: it has no targets, as with Prometheus.
                Ok(None) => {}
                Err(error) => failed.push(format!("{path}: {error}")),
            }
        }
        // The answer is the full list, so one file that cannot be read would lose its targets: the host keeps the last list.
        if failed.is_empty() { Ok(groups) } else { Err(Error::Unavailable(failed.join("; "))) }
    }
}

/// The files of a pattern. A folder that is not there has none.
fn matching(pattern: &str) -> Result<Vec<String>, String> {
    let (folder, last) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    if !glob::is_pattern(last) {
        return Ok(vec![pattern.to_owned()]);
    }
    let entries = match files::list(if folder.is_empty() { "/" } else { folder }) {
        Ok(entries) => entries,
        Err(files::Error::NotFound) => return Ok(Vec::new()),
        Err(error) => return Err(reason(&error)),
    };
    // Links too: how Kubernetes mounts what changes.
    let files = entries.into_iter().filter(|entry| matches!(entry.kind, Kind::File | Kind::Link) && glob::matches(last, &entry.name));
    Ok(files.map(|entry| format!("{folder}/{}", entry.name)).collect())
}

/// None for a file that is not there.
fn read(path: &str) -> Result<Option<Vec<targets::Entry>>, String> {
    match files::read(path, FILE_BYTES_MAX) {
        Ok(bytes) => list::parse(path, &bytes).map(Some),
        Err(files::Error::NotFound) => Ok(None),
        Err(error) => Err(reason(&error)),
    }
}

fn reason(error: &files::Error) -> String {
    match error {
        files::Error::Denied(grant) => format!("refused; to allow it, grant {grant}"),
        files::Error::NotFound => "not there".to_owned(),
        files::Error::TooLarge => "it is larger than what one call may read".to_owned(),
        files::Error::Failed(text) => text.clone(),
    }
}

about::export!(File);
discovery::export!(File);
