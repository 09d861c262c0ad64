//! `skopos notify test`: one message through the real channel, without a server.

use std::process::ExitCode;

use alerting::{TestResult, Trial};

use super::loaded::Loaded;
use super::{USAGE, failed};
use crate::cli::{ConfigFiles, LogFormat, LogLevel};
use crate::{log, out};

/// Sends the message and prints a line for each place.
pub(crate) fn test(receiver: &str, files: &ConfigFiles, external_url: &str) -> ExitCode {
    log::init(LogLevel::Error, LogFormat::Logfmt);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(format_args!("failed to start: {error}")),
    };
    // Plugins want a runtime from the beginning.
    let _inside = runtime.enter();
    let loaded = match Loaded::read(files, promql::Features::ALL) {
        Ok(loaded) => loaded,
        Err(error) => return failed(error),
    };
    let trial = match Trial::new(loaded.config.alerting, &loaded.host, loaded.clock, external_url.trim_end_matches('/')) {
        Ok(trial) => trial,
        Err(error) => return failed(error),
    };
    match runtime.block_on(trial.send(receiver)) {
        Ok(results) => report(receiver, &results),
        Err(error) => {
            out::error(error);
            ExitCode::from(USAGE)
        }
    }
}

fn report(receiver: &str, results: &[TestResult]) -> ExitCode {
    if results.is_empty() {
        return failed(format_args!("{receiver}: this receiver sends to nobody: give it slack_configs, webhook_configs or the like"));
    }
    for result in results {
        let name = &result.integration;
        match (result.ok, result.error.as_str()) {
            (true, "") => out::line(format_args!("{receiver}: {name}: sent")),
            (true, warning) => out::line(format_args!("{receiver}: {name}: sent; {warning}")),
            (false, error) => out::line(format_args!("{receiver}: {name}: FAILED: {error}")),
        }
    }
    if results.iter().all(|result| result.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
