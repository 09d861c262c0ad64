//! `promtool test rules`

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use regex::Regex;

use crate::commands::test_rules::{test_file, test_rules};
use crate::out;

/// Runs the tests as `skopos test rules`, and writes what came of them for whoever reads JUnit's XML.
pub(super) fn run(files: &[PathBuf], wanted: &[Regex], junit: Option<&Path>) -> ExitCode {
    let code = test_rules(files, wanted);
    let Some(path) = junit else { return code };
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>");
    for file in files {
        // They are pure functions of the files, so that a second run says the same.
        let failures = test_file(file, wanted).unwrap_or_else(|error| vec![error]);
        let (name, failed) = (escape(&file.display().to_string()), failures.len());
        // Writing into a string cannot fail.
        let _ = write!(xml, "<testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\">", failed.max(1));
        if failures.is_empty() {
            let _ = write!(xml, "<testcase name=\"{name}\" time=\"0\"></testcase>");
        }
        for (at, failure) in failures.iter().enumerate() {
            let _ = write!(
                xml,
                "<testcase name=\"{name} {}\" time=\"0\"><failure type=\"\" message=\"\">{}</failure></testcase>",
                at + 1,
                escape(failure)
            );
        }
        xml.push_str("</testsuite>");
    }
    xml.push_str("</testsuites>\n");
    match std::fs::write(path, xml) {
        Ok(()) => code,
        Err(error) => {
            out::error(format_args!("failed to write JUnit XML to {}: {error}", path.display()));
            ExitCode::FAILURE
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").replace('\n', "&#xA;")
}
