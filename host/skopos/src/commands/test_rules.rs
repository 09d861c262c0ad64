//! `skopos test rules`: unit tests of rules, as `promtool test rules` runs and prints them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regex::Regex;
use rules::RuleFile;
use rules::unit_test::{TestFile, run};

use crate::files::Files;
use crate::out;

/// Runs the tests of each file whose names match one of the patterns (all without patterns), and fails if any fails.
pub(crate) fn test_rules(files: &[PathBuf], wanted: &[Regex]) -> ExitCode {
    let mut good = true;
    for file in files {
        out::line(format_args!("Unit Testing:  {}", file.display()));
        // What goes where, and the empty lines, are promtool's.
        let failures = test_file(file, wanted).unwrap_or_else(|error| vec![error]);
        if failures.is_empty() {
            out::line("  SUCCESS");
        } else {
            good = false;
            out::error("  FAILED:");
            for failure in failures {
                out::error(failure);
                out::line("");
            }
        }
        out::line("");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All that failed; an error if the tests could not be run.
pub(crate) fn test_file(file: &Path, wanted: &[Regex]) -> Result<Vec<String>, String> {
    let tests = read(file, TestFile::from_node)?;
    let mut rules = Vec::new();
    for pattern in &tests.rule_files {
        // What a test file names is relative to it.
        let pattern = file.parent().unwrap_or(Path::new("")).join(pattern);
        let found = Files::Disk.glob(&pattern).map_err(|error| format!("{}: {error}", pattern.display()))?;
        if found.is_empty() {
            out::error(format_args!("  WARNING: no file match pattern {}", pattern.display()));
        }
        for path in found {
            rules.push(read(&path, |node| RuleFile::from_node(node, &path.display().to_string()))?);
        }
    }
    let (_, failures) = run(&tests, &rules, |name| wanted.is_empty() || wanted.iter().any(|pattern| pattern.is_match(name)));
    Ok(failures.into_iter().map(|failure| failure.0).collect())
}

fn read<T>(path: &Path, from_node: impl FnOnce(&model::config::Node) -> Result<T, model::config::ConfigError>) -> Result<T, String> {
    let text = Files::Disk.read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    yaml::parse(&text).and_then(|node| from_node(&node)).map_err(|error| format!("{}:{error}", path.display()))
}
