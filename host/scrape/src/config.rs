//! The sections `global` and `scrape_configs`.

mod global;
mod job;
mod limits;
mod names;
mod targets;

use std::path::Path;

use model::config::{ConfigError, Node};
use model::seams::Plugins;

pub use global::GlobalConfig;
pub use job::{Discovery, Exporter, JobConfig};
pub use limits::Limits;
pub use targets::{DiscoveryReader, static_groups};

/// What is scraped, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    /// The defaults of jobs, and what other rooms need of the section.
    pub global: GlobalConfig,
    /// In the order of the files; names are unique.
    pub jobs: Vec<JobConfig>,
}

impl ScrapeConfig {
    /// Reads the sections of one file. `lists` are values of `scrape_configs`. Paths are relative to `base_dir`. Plugins are
    /// asked whether they serve what the jobs name. Warnings are dropped: see [`JobReader`] for them and for several files.
    pub fn from_nodes(global: Option<&Node>, lists: &[&Node], base_dir: &Path, plugins: &dyn Plugins) -> Result<Self, ConfigError> {
        let mut reader = JobReader::new(global, base_dir, plugins, false)?;
        for list in lists {
            reader.add(list, base_dir)?;
        }
        Ok(reader.finish())
    }
}

/// Reads `global`, and then the jobs of one file after the other.
pub struct JobReader<'a> {
    plugins: &'a dyn Plugins,
    allow_missing: bool,
    global: GlobalConfig,
    jobs: Vec<JobConfig>,
    warnings: Vec<ConfigError>,
    missing: Vec<String>,
}

impl<'a> JobReader<'a> {
    /// Reads `global`. With `allow_missing` a discovery or exporter that no plugin serves becomes a warning and finds nothing.
    pub fn new(global: Option<&Node>, base_dir: &Path, plugins: &'a dyn Plugins, allow_missing: bool) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let global = GlobalConfig::from_node(global, base_dir, &mut warnings)?;
        Ok(Self { plugins, allow_missing, global, jobs: Vec::new(), warnings, missing: Vec::new() })
    }

    /// Reads one value of `scrape_configs`. Paths in it are relative to `base_dir`.
    pub fn add(&mut self, list: &Node, base_dir: &Path) -> Result<(), ConfigError> {
        for node in list.as_sequence()? {
            if node.is_null() {
                return Err(node.error("empty or null scrape config section"));
            }
            let mut found = DiscoveryReader::new(self.plugins, self.allow_missing);
            let job = JobConfig::from_node(node, &self.global, base_dir, &mut found)?;
            if self.jobs.iter().any(|other| other.name == job.name) {
                let at = node.get("job_name").unwrap_or(node);
                return Err(at.error(format!("found multiple scrape configs with job name {:?}", job.name)));
            }
            self.warnings.append(&mut found.warnings);
            self.missing.append(&mut found.missing);
            self.jobs.push(job);
        }
        Ok(())
    }

    /// What has been accepted and has no effect, or less than it says, since the last call. Places are in the file that was
    /// read last.
    pub fn take_warnings(&mut self) -> Vec<ConfigError> {
        std::mem::take(&mut self.warnings)
    }

    /// Plugins that were named and are not there, with `allow_missing`.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// All of it.
    #[must_use]
    pub fn finish(self) -> ScrapeConfig {
        ScrapeConfig { global: self.global, jobs: self.jobs }
    }
}
