//! `promtool push metrics`: samples in the text format go out by remote write 1.0.

use std::collections::BTreeMap;
use std::io::{Read, stdin};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use exposition::{Format, Line, Reader};
use model::{Clock, FamilyKind};
use remote::put::{put_double, put_message, put_number};

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
    /// The message: prometheus.WriteRequest.
    #[arg(long = "protobuf_message", value_name = "NAME", default_value = V1)]
    message: String,
    /// The path of remote write.
    #[arg(long = "remote-write.path", value_name = "PATH", default_value = "/api/v1/write")]
    path: String,
    /// A file with the HTTP client block.
    #[arg(long = "http.config.file", value_name = "FILE")]
    http_config_file: Option<PathBuf>,
    /// The server.
    #[arg(value_name = "remote-write-url")]
    url: String,
    /// The files; standard input without any.
    #[arg(value_name = "metric-files")]
    files: Vec<PathBuf>,
}

const V1: &str = "prometheus.WriteRequest";

pub(super) fn run(what: &Metrics) -> ExitCode {
    if what.message != V1 {
        return failed(format_args!("invalid protobuf message {:?}, must be {V1}: that is what is spoken here", what.message));
    }
    let server = match Server::new(&what.url, what.http_config_file.as_deref()) {
        Ok(server) => server.with_headers(&what.headers),
        Err(error) => return failed(error),
    };
    let mut code = ExitCode::SUCCESS;
    if what.files.is_empty() {
        out::line("Parsing standard input");
        match read(stdin()).and_then(|body| push(&server, what, &body)) {
            Ok(()) => out::line("  SUCCESS: metrics pushed to remote write."),
            Err(error) => code = failed(error),
        }
    }
    for file in &what.files {
        out::line(format_args!("Parsing metrics file {}", file.display()));
        let body = std::fs::File::open(file).map_err(|error| format!("open {}: {error}", file.display())).and_then(read);
        match body.and_then(|body| push(&server, what, &body)) {
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

fn push(server: &Server, what: &Metrics, text: &[u8]) -> Result<(), String> {
    let message = write_request(text, &what.labels, SystemClock.now())?;
    let body = snap::raw::Encoder::new().compress_vec(&message).map_err(|error| error.to_string())?;
    let headers = [
        ("content-encoding", "snappy"),
        ("content-type", "application/x-protobuf"),
        ("x-prometheus-remote-write-version", "0.1.0"),
        ("user-agent", "promtool"),
    ];
    match server.post(&what.path, &headers, body, Duration::from_millis(what.timeout))? {
        (200..300, _) => Ok(()),
        (status, text) => Err(format!("{}{} answered {status}: {}", what.url, what.path, text.trim_end())),
    }
}

/// The text as `prometheus.WriteRequest` (its fields: prometheus/prompb/remote.proto). Samples without a time have that of `now`.
fn write_request(text: &[u8], extra: &[(String, String)], now: i64) -> Result<Vec<u8>, String> {
    let format = Format::of_body(text);
    let mut message = Vec::new();
    let mut families: BTreeMap<String, (FamilyKind, String)> = BTreeMap::new();
    let mut reader = Reader::new(text, format);
    loop {
        let line = reader.read_line().map_err(|error| format!("text format parsing error in line {}: {}", error.line, error.message))?;
        match line {
            None => break,
            Some(Line::Type(name, kind)) => families.entry(name.into_owned()).or_insert((kind, String::new())).0 = kind,
            Some(Line::Help(name, help)) => {
                families.entry(name.into_owned()).or_insert((FamilyKind::Unknown, String::new())).1 = help.into_owned();
            }
            Some(Line::Unit(..)) => {}
            Some(Line::Sample(sample)) => {
                let mut labels: BTreeMap<String, String> = extra.iter().cloned().collect();
                labels.insert("__name__".to_owned(), sample.name().into_owned());
                for (name, value) in sample.labels() {
                    // Whose job it is says who sends.
                    let name = if name == "job" { "exported_job".to_owned() } else { name.into_owned() };
                    labels.insert(name, value.into_owned());
                }
                let mut series = Vec::new();
                for (name, value) in labels {
                    let mut label = Vec::new();
                    put_message(&mut label, 1, name.as_bytes());
                    put_message(&mut label, 2, value.as_bytes());
                    put_message(&mut series, 1, &label);
                }
                let mut point = Vec::new();
                put_double(&mut point, 1, sample.value);
                put_number(&mut point, 2, sample.timestamp.unwrap_or(now).cast_unsigned());
                put_message(&mut series, 2, &point);
                put_message(&mut message, 1, &series);
            }
        }
    }
    for (name, (kind, help)) in families {
        let mut metadata = Vec::new();
        put_number(&mut metadata, 1, kind_number(kind));
        put_message(&mut metadata, 2, name.as_bytes());
        put_message(&mut metadata, 4, help.as_bytes());
        put_message(&mut message, 3, &metadata);
    }
    Ok(message)
}

fn kind_number(kind: FamilyKind) -> u64 {
    match kind {
        FamilyKind::Counter => 1,
        FamilyKind::Gauge => 2,
        FamilyKind::Histogram => 3,
        FamilyKind::GaugeHistogram => 4,
        FamilyKind::Summary => 5,
        FamilyKind::Info => 6,
        FamilyKind::StateSet => 7,
        FamilyKind::Unknown => 0,
    }
}
