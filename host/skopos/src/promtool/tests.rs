//! `promtool test rules`

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use model::Clock;
use regex::Regex;
use rules::unit_test::Options;

use crate::clock::SystemClock;
use crate::commands::test_rules::{Tested, run_and_tell};
use crate::out;

/// Runs the tests as `skopos test rules`, and writes what came of them for whoever reads JUnit's XML.
pub(super) fn run(files: &[PathBuf], wanted: &[Regex], junit: Option<&Path>, options: Options) -> ExitCode {
    let (code, tested) = run_and_tell(files, wanted, options);
    let Some(path) = junit else { return code };
    if let Err(error) = std::fs::write(path, xml(&tested)) {
        // As with promtool, the tests decide how it ends.
        out::error(format_args!("failed to write JUnit XML: {error}"));
    }
    code
}

/// A suite for each file, a case for each test, in promtool's form.
fn xml(tested: &[Tested]) -> String {
    let mut timestamp = crate::commands::tsdb::time(SystemClock.now()).replacen(' ', "T", 1);
    timestamp.truncate("2006-01-02T15:04:05".len());
    let mut xml = String::from("<testsuites>");
    for (file, outcome) in tested {
        let cases = outcome.as_deref().unwrap_or_default();
        let failures: usize = cases.iter().map(|case| case.failures.len()).sum();
        let errors = usize::from(outcome.is_err());
        // Writing into a string cannot fail.
        let _ = write!(
            xml,
            "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" timestamp=\"{}\">",
            escape(&file.display().to_string()),
            cases.len() + errors,
            if errors > 0 { "" } else { timestamp.as_str() },
        );
        if let Err(errors) = outcome {
            let _ = write!(xml, "<testcase name=\"unknown\"><error>{}</error></testcase>", escape(&errors.join("\n")));
        }
        for case in cases {
            let _ = write!(xml, "<testcase name=\"{}\">", escape(&case.name));
            for failure in &case.failures {
                let _ = write!(xml, "<failure>{}</failure>", escape(failure));
            }
            xml.push_str("</testcase>");
        }
        xml.push_str("</testsuite>");
    }
    xml + "</testsuites>"
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            // No other may stand in XML 1.0.
            c if c < ' ' => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}
