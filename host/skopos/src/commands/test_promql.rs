//! `skopos test promql`: scripts in the language that Prometheus tests its own queries with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::files::Files;
use crate::out;

/// Runs each script, and fails if anything in one fails. What failed stands with file and line; the last line counts.
pub(crate) fn test_promql(given: &[PathBuf]) -> ExitCode {
    let (mut passed, mut failed, mut good) = (0, 0, true);
    for path in given {
        for file in scripts(path) {
            match Files::Disk.read(&file) {
                Ok(text) => {
                    let report = promql::script::run_script(&text);
                    passed += report.passed;
                    failed += report.failed.len() + report.skipped.len();
                    let mut lines: Vec<_> = report.failed.into_iter().collect();
                    // What was not run did not pass.
                    lines.extend(report.skipped.into_iter().map(|(line, why)| (line, format!("not run: {why}"))));
                    lines.sort();
                    for (line, why) in lines {
                        out::error(format_args!("{}:{line}: {why}", file.display()));
                    }
                }
                Err(error) => {
                    good = false;
                    out::error(format_args!("{}: {error}", file.display()));
                }
            }
        }
    }
    out::line(format_args!("promqltest: {passed} passed, {failed} failed"));
    if good && failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The scripts of a folder, `*.test`, or the file itself.
fn scripts(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let mut found = Files::Disk.list(path).unwrap_or_default();
    found.retain(|file| file.extension().is_some_and(|extension| extension == "test"));
    // A folder without any is reported as what it is: not a file.
    if found.is_empty() { vec![path.to_owned()] } else { found }
}
