//! The sections `global` and `scrape_configs`.

mod global;
mod job;
mod limits;

use std::path::Path;

use model::config::{ConfigError, Node};
use model::seams::Plugins;

pub use global::GlobalConfig;
pub use job::{Discovery, Exporter, JobConfig};
pub use limits::Limits;

/// What is scraped, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    /// The defaults of jobs, and what other rooms need of the section.
    pub global: GlobalConfig,
    /// In the order of the files; names are unique.
    pub jobs: Vec<JobConfig>,
    /// What is accepted but has no effect yet, one line each, for the log.
    pub warnings: Vec<String>,
}

impl ScrapeConfig {
    /// Reads the sections. `lists` are the values of `scrape_configs`: the main file's, and those of further files. Paths
    /// are relative to `base_dir`. Plugins are asked whether they serve what the jobs name.
    pub fn from_nodes(global: Option<&Node>, lists: &[&Node], base_dir: &Path, plugins: &dyn Plugins) -> Result<Self, ConfigError> {
        let mut warnings = Vec::new();
        let global = GlobalConfig::from_node(global, &mut warnings)?;
        let mut jobs: Vec<JobConfig> = Vec::new();
        for list in lists {
            for node in list.as_sequence()? {
                if node.is_null() {
                    return Err(node.error("empty or null scrape config section"));
                }
                let job = JobConfig::from_node(node, &global, base_dir, plugins, &mut warnings)?;
                if jobs.iter().any(|other| other.name == job.name) {
                    let at = node.get("job_name").unwrap_or(node);
                    return Err(at.error(format!("found multiple scrape configs with job name {:?}", job.name)));
                }
                jobs.push(job);
            }
        }
        Ok(Self { global, jobs, warnings })
    }
}
