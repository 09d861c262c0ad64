//! Subcommands: they call what the server calls. Exit codes are 0 for good, 1 for bad, 2 for a wrong call.

pub(crate) mod check;
pub(crate) mod check_metrics;
pub(crate) mod client;
pub(crate) mod loaded;
mod notify;
mod plugin;
pub(crate) mod query;
pub(crate) mod shape;
mod test_promql;
pub(crate) mod test_rules;
pub(crate) mod tsdb;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Check, Cli, Command, Notify, Plugin, Test};
use crate::out;

/// The exit code of a command that was called wrongly, as clap has it.
const USAGE: u8 = 2;

/// Does what was asked for.
pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::Check(Check::Config(options)) => check::config(&options),
        Command::Check(Check::Rules { files, features }) => check::rules(&files, &features),
        Command::Check(Check::Metrics { file, openmetrics, no_lint }) => check_metrics::run(&file, openmetrics, !no_lint),
        Command::Check(Check::WebConfig { files }) => check::web_config(&files),
        Command::Test(Test::Rules { files, run }) => test_rules::test_rules(&files, &run),
        Command::Test(Test::Promql { files }) => test_promql::test_promql(&files),
        Command::Query(what) => query::run(&what, USAGE),
        Command::Plugin(Plugin::List { files, url, http_config_file, output }) => {
            plugin::list(&files, url.as_deref(), http_config_file.as_deref(), output)
        }
        Command::Plugin(Plugin::Check { file }) => plugin::check(&file),
        Command::Tsdb(what) => tsdb::run(&what),
        Command::Completions { shell } => completions(shell),
        Command::Notify(Notify::Test { receiver, files, external_url }) => notify::test(&receiver, &files, &external_url),
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "skopos", &mut script);
    out::line(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

/// Tells why a command did not do what it should.
fn failed(error: impl std::fmt::Display) -> ExitCode {
    out::error(error);
    ExitCode::FAILURE
}
