//! The short block at start: what runs, from what, and where to look.

use std::collections::BTreeMap;
use std::fmt::Write;

use rules::RuleFile;
use tsdb::RecoveryReport;
use web::Access;

use crate::app::App;
use crate::config::Config;

/// Version, configuration, data directory, plugins by kind, jobs and targets, address.
pub(crate) fn text(app: &App, config: &Config, report: &RecoveryReport, listen: &[String], access: &Access) -> String {
    let mut text = format!("Skopos {} ({})\n", env!("CARGO_PKG_VERSION"), env!("SKOPOS_REVISION"));
    let file = app.source.file.as_ref().map_or("embedded default (config/skopos.yml)".to_owned(), |f| f.display().to_string());
    row(&mut text, "configuration", &file);
    let data = &app.flags.storage_path;
    let read = format!("{} ({} samples read from its log in {:.1} s)", data.display(), report.samples, report.duration_ms as f64 / 1000.0);
    row(&mut text, "data", &read);
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for plugin in app.host.status().into_iter().filter(|p| p.error.is_empty()) {
        for kind in plugin.kinds {
            kinds.entry(kind).or_default().push(plugin.name.clone());
        }
    }
    let plugins: Vec<String> = kinds.iter().map(|(kind, names)| format!("{kind}: {}", names.join(" "))).collect();
    row(&mut text, "plugins", &plugins.join("; "));
    let written: usize = config.scrape.jobs.iter().map(|job| job.static_groups.iter().map(|g| g.targets.len()).sum::<usize>()).sum();
    let discovering = config.scrape.jobs.iter().filter(|job| !job.discoveries.is_empty()).count();
    let targets = format!("{} jobs with {written} written targets, {discovering} of them discover more", config.scrape.jobs.len());
    row(&mut text, "scraping", &targets);
    let rules: usize = config.rules.iter().map(RuleFile::rule_count).sum();
    row(&mut text, "rules", &format!("{rules} in {} files; {} dashboards", config.rules.len(), config.dashboards.len()));
    let scheme = if access.has_tls() { "https" } else { "http" };
    let prefix = app.flags.prefix();
    let addresses: Vec<String> = listen.iter().map(|address| format!("{scheme}://{address}{prefix}")).collect();
    row(&mut text, "address", &addresses.join(" "));
    if access.is_read_only() {
        row(
            &mut text,
            "",
            "read-only: others can reach this address and there are no users; --web.config.file gives it some (config/README.md)",
        );
    }
    text.trim_end().to_owned()
}

fn row(text: &mut String, name: &str, value: &str) {
    // Writing into a String cannot fail.
    let _ = writeln!(text, "  {name:<14} {value}");
}
