//! `promtool debug …`: what a server tells about itself, in debug.tar.gz.

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::commands::client::Server;
use crate::out;

const ARCHIVE: &str = "debug.tar.gz";

/// Most bytes of one page.
const PAGE_BYTES_MAX: u64 = 256 << 20;

/// Pages and the names of the files that they become.
const METRICS: [(&str, &str); 1] = [("/metrics", "metrics.txt")];

/// What Skopos has in the place of profiles: what is stored, what runs, what was configured.
const STATUS: [(&str, &str); 7] = [
    ("/api/v1/status/runtimeinfo", "runtimeinfo.json"),
    ("/api/v1/status/buildinfo", "buildinfo.json"),
    ("/api/v1/status/flags", "flags.json"),
    ("/api/v1/status/tsdb", "tsdb.json"),
    ("/api/v1/targets", "targets.json"),
    ("/api/v1/rules", "rules.json"),
    ("/api/v1/queries/running", "queries.json"),
];

pub(super) fn pprof(server: &str) -> ExitCode {
    out::error(format_args!(
        "error completing debug command: {server}: Skopos is no Go program and has no /debug/pprof. `promtool debug all` fetches its \
         metrics and status; for where time goes, run `perf record -g -p PID` beside it"
    ));
    ExitCode::FAILURE
}

pub(super) fn metrics(server: &str) -> ExitCode {
    told(write(server, &METRICS))
}

pub(super) fn all(server: &str) -> ExitCode {
    told(write(server, &[&METRICS[..], &STATUS[..]].concat()))
}

fn told(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => {
            out::line(format_args!("Compiling debug information complete, all files written in {ARCHIVE:?}."));
            ExitCode::SUCCESS
        }
        Err(error) => {
            out::error(format_args!("error completing debug command: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn write(server: &str, pages: &[(&str, &str)]) -> Result<(), String> {
    let asked = Server::new(server, None)?;
    let failed = |error: std::io::Error| format!("error writing into the archive: {error}");
    let file = File::create(ARCHIVE).map_err(|error| format!("error creating a new archiver: {ARCHIVE}: {error}"))?;
    let mut archive = GzEncoder::new(file, Compression::default());
    for (path, name) in pages {
        out::line(format_args!("collecting: {server}{path}"));
        let (status, body) = asked.page(path, PAGE_BYTES_MAX).map_err(|error| format!("error executing HTTP request: {error}"))?;
        if status != 200 {
            return Err(format!("{server}{path} answered {status}"));
        }
        archive.write_all(&header(name, body.len())).map_err(failed)?;
        archive.write_all(&body).map_err(failed)?;
        // Files begin at multiples of a block.
        archive.write_all(&vec![0; body.len().next_multiple_of(BLOCK) - body.len()]).map_err(failed)?;
    }
    archive.write_all(&[0; 2 * BLOCK]).map_err(failed)?;
    archive.finish().and_then(|file| file.sync_all()).map_err(failed)
}

const BLOCK: usize = 512;

/// The header of a file in POSIX' ustar format (IEEE Std 1003.1, pax). Names are ours and short.
fn header(name: &str, bytes: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000666\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{bytes:011o}\0"));
    put(136, "00000000000\0");
    // The sum is made with spaces in its own place.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
