//! `skopos test rules`: unit tests of rules, as `promtool test rules` runs and prints them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regex::Regex;
use rules::RuleFile;
use rules::unit_test::{Options, Outcome, TestFile, run};

use crate::files::Files;
use crate::out;

/// A test file, and what came of its tests; else what kept them from being run.
pub(crate) type Tested = (PathBuf, Result<Vec<Outcome>, Vec<String>>);

/// Runs the tests of each file whose names match one of the patterns (all without patterns), and fails if any fails.
pub(crate) fn test_rules(files: &[PathBuf], wanted: &[Regex]) -> ExitCode {
    run_and_tell(files, wanted, Options::default()).0
}

/// The same, and what came of each file.
pub(crate) fn run_and_tell(files: &[PathBuf], wanted: &[Regex], options: Options) -> (ExitCode, Vec<Tested>) {
    let (mut good, mut all) = (true, Vec::new());
    for file in files {
        out::line(format_args!("Unit Testing:  {}", file.display()));
        let tested = test_file(file, wanted, options);
        // What goes where, and the empty lines, are promtool's.
        let failures: Vec<&String> = match &tested {
            Ok(outcomes) => outcomes.iter().flat_map(|outcome| &outcome.failures).collect(),
            Err(errors) => errors.iter().collect(),
        };
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
        all.push((file.clone(), tested));
    }
    (if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }, all)
}

fn test_file(file: &Path, wanted: &[Regex], options: Options) -> Result<Vec<Outcome>, Vec<String>> {
    let tests = read(file, |node| TestFile::from_node(node).map_err(|error| vec![error.to_string()]))?;
    let mut rules = Vec::new();
    for pattern in &tests.rule_files {
        // What a test file names is relative to it.
        let pattern = file.parent().unwrap_or(Path::new("")).join(pattern);
        let found = Files::Disk.glob(&pattern).map_err(|error| vec![format!("{}: {error}", pattern.display())])?;
        if found.is_empty() {
            out::error(format_args!("  WARNING: no file match pattern {}", pattern.display()));
        }
        for path in found {
            rules.push(read(&path, |node| {
                let known = options.ignore_unknown_fields.then(|| rules::known_keys(node));
                let examined = RuleFile::examine(known.as_ref().unwrap_or(node), &path.display().to_string(), options.features);
                examined.map_err(|problems| problems.iter().map(|problem| problem.error.to_string()).collect())
            })?);
        }
    }
    let debug = |text: &str| out::error(format_args!("DEBUG: {text}"));
    run(&tests, &rules, |name| wanted.is_empty() || wanted.iter().any(|pattern| pattern.is_match(name)), options, &debug)
}

fn read<T>(path: &Path, from_node: impl FnOnce(&model::config::Node) -> Result<T, Vec<String>>) -> Result<T, Vec<String>> {
    let text = Files::Disk.read(path).map_err(|error| vec![format!("{}: {error}", path.display())])?;
    let node = yaml::parse(&text).map_err(|error| vec![format!("{}:{error}", path.display())])?;
    from_node(&node).map_err(|errors| errors.iter().map(|error| format!("{}:{error}", path.display())).collect())
}
