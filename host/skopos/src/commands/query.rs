//! `skopos query …`, with promtool's arguments and forms.

use std::process::ExitCode;

use model::Clock;
use serde_json::Value;

use super::client::{Server, encode};
use super::failed;
use super::shape;
use crate::cli::{Output, Query, ServerArgs, TimeArgs};
use crate::clock::SystemClock;
use crate::out;

/// Range of a query that names none, as promtool's, in seconds.
const RANGE_SECONDS: f64 = 300.0;

/// `usage` is the exit code of a call that makes no sense.
pub(crate) fn run(what: &Query, usage: u8) -> ExitCode {
    match what {
        Query::Instant { server, expr, time } => {
            let (server, [expr]) = addressed(server, expr);
            let mut parameters = vec![("query", expr)];
            parameters.extend(time.clone().map(|time| ("time", time)));
            ask(&server, "/api/v1/query", &parameters, shape::result)
        }
        Query::Range { server, expr, times, step } => {
            let (server, [expr]) = addressed(server, expr);
            match range(times, step.as_deref()) {
                Ok(range) => ask(&server, "/api/v1/query_range", &[vec![("query", expr)], range].concat(), shape::result),
                Err(error) => {
                    out::error(error);
                    ExitCode::from(usage)
                }
            }
        }
        Query::Series { server, address, matches, times } => {
            let mut server = server.clone();
            address.iter().for_each(|address| server.url.clone_from(address));
            ask(&server, "/api/v1/series", &selection(matches, times), shape::series)
        }
        Query::Labels { server, label, matches, times } => {
            let (server, [label]) = addressed(server, label);
            let path = if label.is_empty() { "/api/v1/labels".to_owned() } else { format!("/api/v1/label/{}/values", encode(&label)) };
            ask(&server, &path, &selection(matches, times), shape::texts)
        }
    }
}

/// One argument, or the server's address and one: promtool wants both.
fn addressed(server: &ServerArgs, arguments: &[String]) -> (ServerArgs, [String; 1]) {
    let mut server = server.clone();
    let (address, argument) = match arguments {
        [address, argument] => (Some(address), argument.clone()),
        // An address alone asks for everything there.
        [address] if address.starts_with("http://") || address.starts_with("https://") => (Some(address), String::new()),
        others => (None, others.last().cloned().unwrap_or_default()),
    };
    address.into_iter().for_each(|address| server.url.clone_from(address));
    (server, [argument])
}

fn selection<'a>(matches: &[String], times: &TimeArgs) -> Vec<(&'a str, String)> {
    let mut parameters: Vec<(&str, String)> = matches.iter().map(|selector| ("match[]", selector.clone())).collect();
    parameters.extend(times.start.clone().map(|time| ("start", time)));
    parameters.extend(times.end.clone().map(|time| ("end", time)));
    parameters
}

/// Start, end and step, with promtool's defaults.
fn range(times: &TimeArgs, step: Option<&str>) -> Result<Vec<(&'static str, String)>, String> {
    let seconds = |name: &str, text: &str| {
        let unix = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
        let parsed = unix.or_else(|| shape::rfc3339_seconds(text));
        parsed.ok_or_else(|| format!("--{name}={text}: write a time as 2026-08-01T12:00:00Z or as Unix seconds"))
    };
    let end = times.end.as_deref().map_or(Ok(SystemClock.now() as f64 / 1000.0), |text| seconds("end", text))?;
    let start = times.start.as_deref().map_or(Ok(end - RANGE_SECONDS), |text| seconds("start", text))?;
    if start > end {
        return Err("--start is after --end".to_owned());
    }
    let step = step.map_or_else(|| ((end - start) / 250.0).floor().max(1.0).to_string(), str::to_owned);
    Ok(vec![("start", start.to_string()), ("end", end.to_string()), ("step", step)])
}

fn ask(server: &ServerArgs, path: &str, parameters: &[(&str, String)], write: impl Fn(&Value) -> String) -> ExitCode {
    let answer =
        Server::new(&server.url, server.http_config_file.as_deref()).and_then(|s| s.with_headers(&server.headers).ask(path, parameters));
    let (data, notes) = match answer {
        Ok(answer) => answer,
        Err(error) => return failed(error),
    };
    notes.iter().for_each(|note| out::error(format_args!("warning: {note}")));
    match server.output {
        // The value alone, as promtool writes it.
        Output::Json => out::line(data.get("result").unwrap_or(&data)),
        Output::Promql => {
            let text = write(&data);
            if !text.is_empty() {
                out::line(text);
            }
        }
    }
    ExitCode::SUCCESS
}
