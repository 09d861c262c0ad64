//! `promtool push metrics`: samples in the text format go out by remote write.

mod message;

use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use model::Clock;

use crate::cli::name_and_value;
use crate::clock::SystemClock;
use crate::commands::client::Server;
use crate::out;

/// Largest file, as a scrape's default.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What is sent, and where.
#[derive(Debug, Args)]
pub(super) struct Metrics {
    /// A label of all samples. May come more than once.
    #[arg(long = "label", value_name = "NAME=VALUE", default_value = "job=promtool", value_parser = name_and_value)]
    labels: Vec<(String, String)>,
    /// How long it may take.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = model::parse_duration)]
    timeout: u64,
    /// A header of the request. May come more than once.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = name_and_value)]
    headers: Vec<(String, String)>,
    /// The message: prometheus.WriteRequest or io.prometheus.write.v2.Request.
    #[arg(long = "protobuf_message", value_name = "NAME", default_value = message::V1)]
    message: String,
    /// The path of remote write.
    #[arg(long = "remote-write.path", value_name = "PATH", default_value = "/api/v1/write")]
    path: String,
    /// The server.
    #[arg(value_name = "remote-write-url")]
    url: String,
    /// The files; standard input without any.
    #[arg(value_name = "metric-files")]
    pub(super) files: Vec<PathBuf>,
}

pub(super) fn run(what: &Metrics, http_config: Option<&Path>) -> ExitCode {
    let Some(written) = message::Written::named(&what.message) else {
        return failed(format_args!("invalid protobuf message {:?}, must be {} or {}", what.message, message::V1, message::V2));
    };
    let server = match Server::new(&what.url, http_config) {
        Ok(server) => server.with_headers(&what.headers),
        Err(error) => return failed(error),
    };
    let mut code = ExitCode::SUCCESS;
    if what.files.is_empty() {
        out::line("Parsing standard input");
        match read(stdin()).and_then(|body| push(&server, what, &written, &body)) {
            Ok(()) => out::line("  SUCCESS: metrics pushed to remote write."),
            Err(error) => code = failed(error),
        }
    }
    for file in &what.files {
        out::line(format_args!("Parsing metrics file {}", file.display()));
        let body = std::fs::File::open(file).map_err(|error| format!("open {}: {error}", file.display())).and_then(read);
        match body.and_then(|body| push(&server, what, &written, &body)) {
            Ok(()) => out::line(format_args!("  SUCCESS: metrics file {} pushed to remote write.", file.display())),
            Err(error) => code = failed(error),
        }
    }
    code
}

fn failed(error: impl std::fmt::Display) -> ExitCode {
    out::error(format_args!("  FAILED: {error}"));
    ExitCode::FAILURE
}

fn read(source: impl Read) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut body).map_err(|error| error.to_string())?;
    if body.len() as u64 > FILE_BYTES_MAX { Err(format!("more than {} MiB", FILE_BYTES_MAX >> 20)) } else { Ok(body) }
}

fn push(server: &Server, what: &Metrics, written: &message::Written, text: &[u8]) -> Result<(), String> {
    let message = (written.write)(&message::read(text, &what.labels, SystemClock.now())?);
    let body = snap::raw::Encoder::new().compress_vec(&message).map_err(|error| error.to_string())?;
    let headers = [
        ("content-encoding", "snappy"),
        ("content-type", written.content_type),
        ("x-prometheus-remote-write-version", written.version),
        ("user-agent", "promtool"),
    ];
    match server.post(&what.path, &headers, body, Duration::from_millis(what.timeout))? {
        (200..300, _) => Ok(()),
        (status, text) => Err(format!("{}{} answered {status}: {}", what.url, what.path, text.trim_end())),
    }
}
