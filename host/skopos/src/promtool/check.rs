//! `promtool check …`

use std::collections::BTreeMap;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use model::LabelSet;
use model::config::{ConfigError, Node, NodeValue};
use model::seams::Plugins;
use promql::Features;
use rules::{Problem, RuleFile};
use serde_json::{Map, Value};

use super::{LINT, Lint};
use crate::cli::ConfigFiles;
use crate::commands::loaded::Loaded;
use crate::config::parse_file;
use crate::files::Files;
use crate::{out, web_config};

/// Longest rule file on standard input.
const STDIN_BYTES_MAX: u64 = 64 << 20;

/// How it went with all files; the worst counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Good,
    Lint,
    Bad,
}

impl Outcome {
    fn code(self, lint_fatal: bool) -> ExitCode {
        match self {
            Self::Bad => ExitCode::FAILURE,
            Self::Lint if lint_fatal => ExitCode::from(LINT),
            Self::Lint | Self::Good => ExitCode::SUCCESS,
        }
    }
}

pub(super) fn rules(files: &[PathBuf], lint: &Lint, features: Features) -> ExitCode {
    let mut worst = Outcome::Good;
    if files.is_empty() {
        let mut text = String::new();
        out::line("Checking standard input");
        let checked = match stdin().take(STDIN_BYTES_MAX).read_to_string(&mut text) {
            Ok(_) => yaml::parse(&text).map_err(|error| vec![error.to_string()]).and_then(|node| rule_node(&node, "", lint, features)),
            Err(error) => Err(vec![error.to_string()]),
        };
        worst = tell(checked, "");
        out::line("");
    }
    for file in files {
        worst = worst.max(rule_file(file, lint, features, ""));
    }
    worst.code(lint.lint_fatal)
}

fn rule_file(file: &Path, lint: &Lint, features: Features, indent: &str) -> Outcome {
    let name = file.display().to_string();
    out::line(format_args!("Checking {name}"));
    let node = parse_file(&Files::Disk, file, &name).map_err(|error| vec![error.to_string()]);
    let outcome = tell(node.and_then(|node| rule_node(&node, &name, lint, features)), indent);
    out::line("");
    outcome
}

/// What a rule file holds and what lint says of it.
struct Rules {
    count: usize,
    lint: Option<String>,
}

fn tell(checked: Result<Rules, Vec<String>>, indent: &str) -> Outcome {
    match checked {
        Ok(Rules { lint: Some(lint), .. }) => {
            out::error(format_args!("  FAILED:\n{indent}lint error {lint}"));
            Outcome::Lint
        }
        Ok(Rules { count, .. }) => {
            out::line(format_args!("  SUCCESS: {count} rules found"));
            Outcome::Good
        }
        Err(errors) => {
            out::error("  FAILED:");
            errors.iter().for_each(|error| out::error(format_args!("{indent}{error}")));
            Outcome::Bad
        }
    }
}

/// A problem in promtool's words.
fn worded(problem: &Problem, file: &str) -> String {
    let file = if file.is_empty() { String::new() } else { format!("{file}: ") };
    let ConfigError { position, message, .. } = &problem.error;
    let place = format!("{}:{}", position.line, position.column);
    match &problem.rule {
        Some((group, at, name)) => format!("{file}{place}: group {group:?}, rule {at}, {name:?}: {message}"),
        None => format!("{file}{place}: {message}"),
    }
}

fn rule_node(node: &Node, name: &str, lint: &Lint, features: Features) -> Result<Rules, Vec<String>> {
    let empty = Node { value: NodeValue::Mapping(Vec::new()), ..node.clone() };
    let node = if node.is_null() { &empty } else { node };
    let known = lint.ignore_unknown_fields.then(|| rules::known_keys(node));
    let rules = RuleFile::examine(known.as_ref().unwrap_or(node), name, features)
        .map_err(|problems| problems.iter().map(|problem| worded(problem, name)).collect::<Vec<_>>())?;
    let lint = if lint.has("duplicate-rules") { duplicates(node) } else { None };
    Ok(Rules { count: rules.rule_count(), lint })
}

/// Rules of one name with the same labels, in promtool's words.
fn duplicates(root: &Node) -> Option<String> {
    let list = |node: Option<&Node>| node.and_then(|node| node.as_sequence().ok()).unwrap_or_default().to_vec();
    let text = |node: &Node| node.as_str().unwrap_or_default().to_owned();
    let mut seen: BTreeMap<(String, Vec<(String, String)>), usize> = BTreeMap::new();
    let labels = |node: &Node| -> BTreeMap<String, String> {
        let labels = node.get("labels").and_then(|labels| labels.as_mapping().ok()).unwrap_or_default();
        labels.iter().map(|(name, _, value)| (name.clone(), text(value))).collect()
    };
    for group in list(root.get("groups")) {
        for rule in list(group.get("rules")) {
            let name = rule.get("record").or_else(|| rule.get("alert")).map(text).unwrap_or_default();
            // A rule's own label replaces its group's.
            let mut all = labels(&group);
            all.extend(labels(&rule));
            *seen.entry((name, all.into_iter().collect())).or_default() += 1;
        }
    }
    let twice: Vec<_> = seen.into_iter().filter(|(_, count)| *count > 1).map(|(rule, _)| rule).collect();
    if twice.is_empty() {
        return None;
    }
    let mut out = format!("{} duplicate rule(s) found.\n", twice.len());
    for (name, labels) in twice {
        out.push_str(&format!("Metric: {name}\nLabel(s):\n"));
        labels.iter().for_each(|(name, value)| out.push_str(&format!("\t{name}: {value}\n")));
    }
    out.push_str("Might cause inconsistency while recording expressions");
    Some(out)
}

pub(super) fn config(files: &[PathBuf], lint: &Lint, features: Features, syntax_only: bool, lookback_ms: u64) -> ExitCode {
    let mut worst = Outcome::Good;
    for file in files {
        let name = file.display().to_string();
        out::line(format_args!("Checking {name}"));
        let rule_files = match rule_files(file) {
            Ok(found) => found,
            Err(error) => {
                out::error(format_args!("  FAILED: {error}"));
                out::line("");
                worst = Outcome::Bad;
                continue;
            }
        };
        let mut intervals = Vec::new();
        match Loaded::read(&named(file), features) {
            Ok(loaded) => {
                loaded.config.warnings.iter().for_each(|warning| out::error(format_args!("  warning: {warning}")));
                intervals.extend(loaded.config.scrape.jobs.iter().map(|job| (job.name.clone(), job.interval_ms)));
            }
            // What is wrong in a rule file is told of that one.
            Err(error) if rule_files.iter().any(|file| error.starts_with(&format!("{}:", file.display()))) => {}
            Err(error) => {
                out::error(format_args!("  FAILED: {error}"));
                out::line("");
                worst = Outcome::Bad;
                continue;
            }
        }
        if !syntax_only && !rule_files.is_empty() {
            out::line(format_args!("  SUCCESS: {} rule files found", rule_files.len()));
        }
        out::line(format_args!(" SUCCESS: {name} is valid prometheus config file syntax\n"));
        if !syntax_only {
            // The first one alone, as promtool.
            let too_long = |(_, interval): &&(String, u64)| lint.has("too-long-scrape-interval") && *interval >= lookback_ms;
            if let Some((job, interval)) = intervals.iter().find(too_long) {
                out::error(format_args!(
                    "  FAILED: too long scrape interval found, data point will be marked as stale - job: {job}, interval: {}",
                    model::format_duration(*interval)
                ));
                worst = worst.max(Outcome::Lint);
            }
            for rules in rule_files {
                worst = worst.max(rule_file(&rules, lint, features, "     "));
            }
        }
    }
    worst.code(lint.lint_fatal)
}

/// A configuration with all that it names. Plugins that are not here are none of promtool's business.
fn named(file: &Path) -> ConfigFiles {
    ConfigFiles { config_file: Some(file.to_owned()), alertmanager_config_file: None, plugins_dir: None, allow_missing_plugins: true }
}

/// The rule files that a configuration names.
fn rule_files(file: &Path) -> Result<Vec<PathBuf>, String> {
    let root = parse_file(&Files::Disk, file, &file.display().to_string()).map_err(|error| error.to_string())?;
    let Some(patterns) = root.get("rule_files") else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for pattern in patterns.as_strings().map_err(|error| format!("{}:{error}", file.display()))? {
        let path = file.parent().unwrap_or(Path::new("")).join(&pattern);
        let files = Files::Disk.glob(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if files.is_empty() && !pattern.contains(['*', '?', '[']) {
            return Err(format!("\"{}\" does not point to an existing file", path.display()));
        }
        found.extend(files);
    }
    Ok(found)
}

pub(super) fn web_config(files: &[PathBuf]) -> ExitCode {
    let mut worst = Outcome::Good;
    for file in files {
        let name = file.display().to_string();
        let node = parse_file(&Files::Disk, file, &name).map_err(|error| error.to_string());
        match node.and_then(|node| web_config::of_node(&node, file)) {
            Ok(_) => out::error(format_args!("{name} SUCCESS")),
            Err(error) => {
                out::error(format_args!("{name} FAILED: {error}"));
                worst = Outcome::Bad;
            }
        }
    }
    worst.code(false)
}

pub(super) fn discovery(file: &Path, name: &str, timeout_ms: u64) -> ExitCode {
    let loaded = match Loaded::read(&named(file), Features::ALL) {
        Ok(loaded) => loaded,
        Err(error) => {
            out::error(format_args!("Cannot load config {error}"));
            return ExitCode::FAILURE;
        }
    };
    let Some(job) = loaded.config.scrape.jobs.iter().find(|job| job.name == name) else {
        out::error(format_args!("Job {name} not found. Select one of:"));
        loaded.config.scrape.jobs.iter().for_each(|job| out::error(format_args!("\t{}", job.name)));
        return ExitCode::FAILURE;
    };
    let mut groups = job.static_groups.clone();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            for discovery in &job.discoveries {
                let found = loaded.host.target_source(&discovery.plugin, &discovery.section).map_err(|error| error.to_string());
                let asked = found.and_then(|source| {
                    let asked = async { tokio::time::timeout(Duration::from_millis(timeout_ms), source.refresh()).await };
                    runtime.block_on(asked).map_err(|_| "it took too long".to_owned())?.map_err(|error| error.to_string())
                });
                match asked {
                    Ok(found) => groups.extend(found),
                    Err(error) => out::error(format_args!("{}: {error}", discovery.plugin)),
                }
            }
        }
        Err(error) => out::error(format_args!("failed to start: {error}")),
    }
    let labels =
        |labels: &LabelSet| -> Value { labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>().into() };
    let results: Vec<Value> = scrape::examine(job, &groups)
        .iter()
        .map(|examined| {
            let mut result = Map::new();
            result.insert("discoveredLabels".into(), labels(&examined.discovered));
            result.insert("labels".into(), examined.labels.as_ref().map_or_else(|| Value::Object(Map::new()), labels));
            if let Some(error) = &examined.error {
                result.insert("error".into(), error.as_str().into());
            }
            result.into()
        })
        .collect();
    match serde_json::to_string_pretty(&results) {
        Ok(text) => out::line(text),
        Err(error) => out::error(error),
    }
    ExitCode::SUCCESS
}
