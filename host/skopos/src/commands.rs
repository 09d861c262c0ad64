//! Subcommands: they call what the server calls. Exit codes are 0 for good, 1 for bad, 2 for a wrong call.

mod check;
mod check_metrics;
mod loaded;
mod notify;
mod test_rules;

use std::process::ExitCode;

use crate::cli::{Check, Command, Notify, Test};
use crate::out;

/// The exit code of a command that was called wrongly, as clap has it.
const USAGE: u8 = 2;

/// Does what was asked for.
pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::Check(Check::Config(options)) => check::config(&options),
        Command::Check(Check::Rules { files }) => check::rules(&files),
        Command::Check(Check::Metrics { file, openmetrics, no_lint }) => check_metrics::run(&file, openmetrics, !no_lint),
        Command::Check(Check::WebConfig { files }) => check::web_config(&files),
        Command::Test(Test::Rules { files, run }) => test_rules::test_rules(&files, &run),
        Command::Notify(Notify::Test { receiver, files, external_url }) => notify::test(&receiver, &files, &external_url),
    }
}

/// Tells why a command did not do what it should.
fn failed(error: impl std::fmt::Display) -> ExitCode {
    out::error(error);
    ExitCode::FAILURE
}
