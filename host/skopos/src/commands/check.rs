//! `skopos check …`: the real readers, without starting anything.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use model::config::{Node, NodeValue};
use plugin_host::PluginHost;
use promql::Features;
use rules::RuleFile;

use super::loaded::{Loaded, plugins_of};
use crate::cli::{CheckConfig, ConfigFiles, FileKind};
use crate::config::{ConfigSource, alerting_alone, parse_file, read_dashboard};
use crate::files::Files;
use crate::{out, web_config};

/// What is said of a good file, and of what should be known about it.
struct Good {
    summary: String,
    warnings: Vec<String>,
}

/// Checks each file, says what is in it or what is wrong, and fails if any is wrong.
pub(crate) fn config(options: &CheckConfig) -> ExitCode {
    report(&options.files, options.strict, |file| check_file(file, options))
}

pub(crate) fn rules(files: &[PathBuf], features: &[String]) -> ExitCode {
    let features = named(features);
    report(files, false, |file| rule_file(&parse(file)?, file, features))
}

pub(crate) fn web_config(files: &[PathBuf]) -> ExitCode {
    report(files, false, |file| web_file(&parse(file)?, file))
}

fn report(files: &[PathBuf], strict: bool, check: impl Fn(&Path) -> Result<Good, Vec<String>>) -> ExitCode {
    let mut all_good = true;
    for file in files {
        match check(file) {
            Ok(good) => {
                all_good &= !strict || good.warnings.is_empty();
                for warning in &good.warnings {
                    out::error(format_args!("warning: {warning}"));
                }
                out::line(format_args!("{}: {}", file.display(), good.summary));
            }
            Err(errors) => {
                all_good = false;
                errors.iter().for_each(out::error);
            }
        }
    }
    if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check_file(file: &Path, options: &CheckConfig) -> Result<Good, Vec<String>> {
    // A dashboard may be larger than any configuration, and has a reader of its own.
    let may_be_one = options.kind.is_none() && file.extension().is_some_and(|e| e == "json");
    if (may_be_one || options.kind == Some(FileKind::Dashboard))
        && let Some(good) = dashboard(file, options.kind.is_some())?
    {
        return Ok(good);
    }
    let root = parse(file)?;
    if options.kind.is_none() && root.get("tests").is_some() {
        return Err(vec![format!("{}: these are tests of rules: run them with skopos test rules {}", file.display(), file.display())]);
    }
    match options.kind.unwrap_or_else(|| recognise(&root)) {
        FileKind::Prometheus => main_file(file, options),
        FileKind::Alertmanager => alertmanager_file(&root, file, options),
        FileKind::Rules => rule_file(&root, file, named(&options.features)),
        FileKind::WebConfig => web_file(&root, file),
        FileKind::Dashboard => dashboard(file, true)?.ok_or_else(|| vec![format!("{}: it is no dashboard", file.display())]),
    }
}

/// The features of the language among names of `--enable-feature`.
fn named(features: &[String]) -> Features {
    Features::named(features.iter().map(String::as_str))
}

/// What a tree is, by keys that one dialect alone has at its top.
fn recognise(root: &Node) -> FileKind {
    let has = |keys: &[&str]| keys.iter().any(|key| root.get(key).is_some());
    let main = ["scrape_configs", "scrape_config_files", "rule_files", "alerting", "alertmanager", "remote_write", "plugins", "dashboards"];
    if has(&main) {
        FileKind::Prometheus
    } else if has(&["route", "receivers", "inhibit_rules", "time_intervals", "mute_time_intervals"]) {
        FileKind::Alertmanager
    } else if has(&["tls_server_config", "http_server_config", "basic_auth_users"]) {
        FileKind::WebConfig
    } else if has(&["groups"]) {
        FileKind::Rules
    } else if has(&["panels", "rows", "schemaVersion", "templating"]) {
        FileKind::Dashboard
    } else {
        FileKind::Prometheus
    }
}

fn main_file(file: &Path, options: &CheckConfig) -> Result<Good, Vec<String>> {
    let files = ConfigFiles {
        config_file: Some(file.to_owned()),
        alertmanager_config_file: None,
        plugins_dir: options.plugins_dir.clone(),
        allow_missing_plugins: options.allow_missing_plugins,
    };
    let config = Loaded::read(&files, named(&options.features)).map_err(|e| vec![e])?.config;
    if !config.dashboard_errors.is_empty() {
        return Err(config.dashboard_errors);
    }
    let rules: usize = config.rules.iter().map(RuleFile::rule_count).sum();
    let (jobs, files, boards) = (config.scrape.jobs.len(), config.rules.len(), config.dashboards.len());
    let summary = format!("a good configuration with {jobs} jobs, {rules} rules in {files} files, {boards} dashboards");
    Ok(Good { summary, warnings: config.warnings })
}

fn alertmanager_file(root: &Node, file: &Path, options: &CheckConfig) -> Result<Good, Vec<String>> {
    let source = ConfigSource {
        file: Some(file.to_owned()),
        alertmanager_file: None,
        dashboard_folders: Vec::new(),
        files: Files::Disk,
        allow_missing_plugins: options.allow_missing_plugins,
        features: named(&options.features),
    };
    let host: PluginHost = plugins_of(file, options.plugins_dir.as_deref()).map_err(|e| vec![e])?;
    let (config, warnings) = alerting_alone(root, file, &source, &host).map_err(|e| vec![e.to_string()])?;
    let receivers = config.receiver_snapshots();
    let places: usize = receivers.iter().map(|receiver| receiver.integrations.len()).sum();
    Ok(Good { summary: format!("a good Alertmanager configuration with {} receivers of {places} places", receivers.len()), warnings })
}

fn rule_file(root: &Node, file: &Path, features: Features) -> Result<Good, Vec<String>> {
    let name = file.display().to_string();
    let rules = RuleFile::from_node(root, &name, features).map_err(|error| vec![format!("{name}:{error}")])?;
    let groups = root.get("groups").map_or(0, |groups| groups.as_sequence().map_or(0, <[Node]>::len));
    let warnings = if rules.rule_count() == 0 { vec![format!("{name}: it holds no rules")] } else { Vec::new() };
    Ok(Good { summary: format!("a good rule file with {} rules in {groups} groups", rules.rule_count()), warnings })
}

fn web_file(root: &Node, file: &Path) -> Result<Good, Vec<String>> {
    let config = web_config::of_node(root, file).map_err(|error| vec![error])?;
    let tls = if config.has_tls() { "with TLS" } else { "without TLS" };
    let summary = format!("a good web configuration {tls} and with {} users", config.user_count());
    Ok(Good { summary, warnings: config.warnings().to_vec() })
}

/// None for JSON that is no dashboard, unless it must be one.
fn dashboard(file: &Path, must: bool) -> Result<Option<Good>, Vec<String>> {
    let looks_like_one = || {
        let text = Files::Disk.read(file).ok()?;
        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
        let root = value.get("dashboard").unwrap_or(&value).as_object()?;
        ["panels", "rows", "schemaVersion", "templating", "spec"].iter().any(|key| root.contains_key(*key)).then_some(())
    };
    if !must && looks_like_one().is_none() {
        return Ok(None);
    }
    match read_dashboard(&Files::Disk, file) {
        Ok(Some(board)) => {
            let summary = format!("a good dashboard {:?} with {} panels", board.title, board.panels.len());
            Ok(Some(Good { summary, warnings: Vec::new() }))
        }
        Ok(None) => Err(vec![format!("{}: a dashboard's name ends in .json, .yml or .yaml", file.display())]),
        Err(error) => Err(vec![format!("{}: {error}", file.display())]),
    }
}

/// The tree of a file; an empty one is a mapping without keys.
fn parse(file: &Path) -> Result<Node, Vec<String>> {
    let root = parse_file(&Files::Disk, file, &file.display().to_string()).map_err(|e| vec![e.to_string()])?;
    Ok(if root.is_null() { Node { value: NodeValue::Mapping(Vec::new()), ..root } } else { root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_recognised() {
        for (text, kind) in [
            ("scrape_configs: []", FileKind::Prometheus),
            ("global: {resolve_timeout: 5m}\nroute: {receiver: a}\nreceivers: [{name: a}]", FileKind::Alertmanager),
            ("alertmanager: {route: {receiver: a}}", FileKind::Prometheus),
            ("groups: []", FileKind::Rules),
            ("basic_auth_users: {a: b}", FileKind::WebConfig),
            ("panels: []", FileKind::Dashboard),
            ("{}", FileKind::Prometheus),
        ] {
            assert_eq!(recognise(&yaml::parse(text).expect("YAML")), kind, "{text}");
        }
    }
}
