//! `skopos check config`: the real loader, without starting anything.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use plugin_host::PluginHost;
use rules::RuleFile;

use crate::clock::SystemClock;
use crate::config::{Config, ConfigSource};
use crate::files::Files;
use crate::out;
use crate::start::{plugin_options, resolver};
use crate::watch::WatchedFiles;

/// Checks each file, says what is in it or what is wrong, and fails if any is wrong.
pub(crate) fn check_config(files: &[PathBuf], plugins_dir: Option<&Path>) -> ExitCode {
    let mut good = true;
    for file in files {
        match read(file, plugins_dir) {
            Ok(config) => {
                for warning in &config.warnings {
                    out::error(format_args!("{}: warning: {warning}", file.display()));
                }
                for error in &config.dashboard_errors {
                    good = false;
                    out::error(error);
                }
                let rules: usize = config.rules.iter().map(RuleFile::rule_count).sum();
                out::line(format_args!(
                    "{}: {} jobs, {} rules in {} files, {} dashboards",
                    file.display(),
                    config.scrape.jobs.len(),
                    rules,
                    config.rules.len(),
                    config.dashboards.len()
                ));
            }
            Err(error) => {
                good = false;
                out::error(error);
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(file: &Path, plugins_dir: Option<&Path>) -> Result<Config, String> {
    let source = ConfigSource { file: Some(file.to_owned()), alertmanager_file: None, dashboard_folders: Vec::new(), files: Files::Disk };
    let mut watched = WatchedFiles::default();
    let main = source.read_main(&mut watched).map_err(|e| e.to_string())?;
    let resolver = resolver(&main.resolver)?;
    // Compiled components are not kept: a check leaves nothing behind.
    let options = plugin_options(&main, plugins_dir, None, &std::env::temp_dir(), &resolver, &(Arc::new(SystemClock) as _));
    let host = PluginHost::new(options).map_err(|e| e.to_string())?;
    source.read(main, &host, &mut watched).map_err(|e| e.to_string())
}
