//! Skopos under the name of `promtool`: its arguments, what it prints and its exit codes (0 good, 1 bad or called wrongly, 3 only lint), so
//! that pipelines and scripts that call it go on. Facts: promtool's documentation, and what Debian's does.

mod analyze;
mod check;
mod debug;
mod promql;
mod push;
mod server;
mod tests;
mod wrong;

use std::path::PathBuf;
use std::process::ExitCode;

use ::promql::Features;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::app::COMPATIBLE_VERSION;
use crate::cli::{Output, Query, Tsdb};
use crate::{commands, out};

/// Features that promtool knows.
const KNOWN: [&str; 5] = [
    "promql-experimental-functions",
    "promql-delayed-name-removal",
    "promql-duration-expr",
    "promql-extended-range-selectors",
    "promql-binop-fill-modifiers",
];

/// What only lint finds, where that is fatal.
const LINT: u8 = 3;

#[derive(Debug, Parser)]
#[command(name = "promtool", about = "Tooling for the Prometheus monitoring system, by Skopos.", disable_version_flag = true)]
struct Promtool {
    /// Names of features, separated by commas.
    #[arg(long = "enable-feature", value_delimiter = ',', global = true)]
    features: Vec<String>,
    /// Switches on what promtool calls experimental.
    #[arg(long, global = true)]
    experimental: bool,
    /// Says which version this is.
    #[arg(long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Tool>,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Checks files and servers.
    Check {
        /// How far a server looks back, for lint of intervals.
        #[arg(
            long = "query.lookback-delta",
            value_name = "DURATION",
            default_value = "5m",
            value_parser = model::parse_duration,
            global = true
        )]
        lookback: u64,
        #[command(subcommand)]
        what: Check,
    },
    /// Asks a server.
    Query {
        /// How the answer is written.
        #[arg(short = 'o', long = "format", value_enum)]
        format: Option<Output>,
        /// A file with the HTTP client block.
        #[arg(long = "http.config.file", value_name = "FILE")]
        http_config_file: Option<PathBuf>,
        #[command(subcommand)]
        what: Asking,
    },
    /// Sends samples to a server.
    Push {
        /// A file with the HTTP client block.
        #[arg(long = "http.config.file", value_name = "FILE", global = true)]
        http_config_file: Option<PathBuf>,
        #[command(subcommand)]
        what: Push,
    },
    /// Fetches what tells how a server is doing.
    #[command(subcommand)]
    Debug(Debug),
    /// Runs unit tests.
    Test {
        /// Writes the results as JUnit's XML.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        #[command(subcommand)]
        what: Test,
    },
    /// Looks into stored data.
    #[command(subcommand)]
    Tsdb(Tsdb),
    /// Rewrites expressions.
    #[command(subcommand)]
    Promql(promql::Promql),
}

/// What a server can be asked.
#[derive(Debug, Subcommand)]
enum Asking {
    #[command(flatten)]
    Query(Query),
    /// How many buckets histograms fill.
    Analyze(analyze::Analyze),
}

#[derive(Debug, Subcommand)]
enum Push {
    /// Samples in the text format, by remote write.
    Metrics(push::Metrics),
}

#[derive(Debug, Subcommand)]
enum Debug {
    /// Profiles of a Go program, which Skopos is none.
    Pprof {
        /// The server.
        server: String,
    },
    /// The server's own metrics, in debug.tar.gz.
    Metrics {
        /// The server.
        server: String,
    },
    /// All there is, in debug.tar.gz.
    All {
        /// The server.
        server: String,
    },
}

#[derive(Debug, Subcommand)]
enum Test {
    /// Unit tests of rules.
    Rules {
        /// Only tests whose name matches. May come more than once.
        #[arg(long, value_name = "REGEX")]
        run: Vec<regex::Regex>,
        /// What failed as differences between what was expected and what came.
        #[arg(long)]
        diff: bool,
        /// Says on the standard error when each test begins and how long it took, and shows all that was there at its end.
        #[arg(long)]
        debug: bool,
        /// Keys of rule files that are not known are no errors.
        #[arg(long = "ignore-unknown-fields")]
        ignore_unknown_fields: bool,
        /// The test files.
        #[arg(required = true, value_name = "test-rule-file")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Check {
    /// Configuration files.
    Config {
        #[command(flatten)]
        lint: Lint,
        /// Files that the configuration names are not looked at.
        #[arg(long = "syntax-only")]
        syntax_only: bool,
        /// Taken, and changes nothing.
        #[arg(long)]
        agent: bool,
        /// The files.
        #[arg(required = true, value_name = "config-files")]
        files: Vec<PathBuf>,
    },
    /// Rule files; standard input without any.
    Rules {
        #[command(flatten)]
        lint: Lint,
        /// The files.
        #[arg(value_name = "rule-files")]
        files: Vec<PathBuf>,
    },
    /// What a target exposes, on standard input.
    Metrics {
        /// A table of the names by their samples.
        #[arg(long)]
        extended: bool,
        /// `all` or `none`.
        #[arg(long, value_name = "WHAT", default_value = "all")]
        lint: String,
    },
    /// Web configurations.
    WebConfig {
        /// The files.
        #[arg(required = true, value_name = "web-config-files")]
        files: Vec<PathBuf>,
    },
    /// What discovery finds for a job, before and after relabelling.
    ServiceDiscovery {
        /// How long discovery may take.
        #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = model::parse_duration)]
        timeout: u64,
        /// The configuration.
        #[arg(value_name = "config-file")]
        config: PathBuf,
        /// The job.
        #[arg(value_name = "job")]
        job: String,
    },
    /// Whether a server lives.
    Healthy(Asked),
    /// Whether a server answers queries.
    Ready(Asked),
}

/// What is complained about beside what is wrong.
#[derive(Debug, Args)]
struct Lint {
    /// `all`, `duplicate-rules`, `too-long-scrape-interval`, `none`.
    #[arg(long, value_name = "WHAT", default_value = "duplicate-rules")]
    lint: String,
    /// Lint ends with 3.
    #[arg(long = "lint-fatal")]
    lint_fatal: bool,
    /// Keys of rule files that are not known are no errors.
    #[arg(long = "ignore-unknown-fields")]
    ignore_unknown_fields: bool,
}

impl Lint {
    fn has(&self, what: &str) -> bool {
        let mut names = self.lint.split(',');
        !self.lint.split(',').any(|name| name == "none") && names.any(|name| name == "all" || name == what)
    }

    /// Says which names mean nothing.
    fn warn(&self, known: &[&str]) {
        for name in self.lint.split(',').filter(|name| !matches!(*name, "" | "all" | "none") && !known.contains(name)) {
            out::line(format_args!("WARNING: unknown lint option: {name:?}"));
        }
    }
}

#[derive(Debug, Args)]
struct Asked {
    /// The server.
    #[arg(long, value_name = "URL", default_value = "http://localhost:9090")]
    url: String,
    /// A file with the HTTP client block.
    #[arg(long = "http.config.file", value_name = "FILE")]
    http_config_file: Option<PathBuf>,
}

/// Whether this process was started as `promtool`.
pub(crate) fn is_called() -> bool {
    let name = std::env::args_os().next().map(PathBuf::from);
    name.as_ref().and_then(|path| path.file_stem()).is_some_and(|name| name == "promtool")
}

/// Does what the arguments say.
pub(crate) fn main() -> ExitCode {
    let called = match Promtool::try_parse() {
        Ok(called) => called,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) => {
            out::line(error.render());
            return ExitCode::SUCCESS;
        }
        Err(error) => return complain(&wrong::worded(&error)),
    };
    if called.version {
        out::line(format_args!(
            "promtool, version {COMPATIBLE_VERSION} (skopos: {}, revision: {})",
            env!("CARGO_PKG_VERSION"),
            env!("SKOPOS_REVISION")
        ));
        return ExitCode::SUCCESS;
    }
    let Some(command) = called.command else { return complain("a command is missing") };
    let features = Features::named(called.features.iter().map(String::as_str));
    for name in called.features.iter().filter(|name| !name.is_empty() && !KNOWN.contains(&name.as_str())) {
        out::line(format_args!("  WARNING: Unknown feature passed to --enable-feature: {name}"));
    }
    match command {
        Tool::Check { what, lookback } => run_check(what, lookback, features),
        Tool::Query { format, http_config_file, what: Asking::Query(what) } => {
            if let Some(argument) = wrong::lacks(&what) {
                return complain(&format!("required argument '{argument}' not provided"));
            }
            commands::query::run(&server::with_options(what, format, http_config_file.as_ref()), 1)
        }
        Tool::Query { http_config_file, what: Asking::Analyze(what), .. } => analyze::run(&what, http_config_file.as_deref()),
        Tool::Push { http_config_file, what: Push::Metrics(what) } => {
            missing(&what.files).unwrap_or_else(|| push::run(&what, http_config_file.as_deref()))
        }
        Tool::Debug(Debug::Pprof { server }) => debug::pprof(&server),
        Tool::Debug(Debug::Metrics { server }) => debug::metrics(&server),
        Tool::Debug(Debug::All { server }) => debug::all(&server),
        Tool::Test { junit, what: Test::Rules { run, files, diff, debug, ignore_unknown_fields } } => {
            let delayed_name_removal = called.features.iter().any(|name| name == "promql-delayed-name-removal");
            let options = rules::unit_test::Options { features, delayed_name_removal, diff, debug, ignore_unknown_fields };
            missing(&files).unwrap_or_else(|| tests::run(&files, &run, junit.as_deref(), options))
        }
        Tool::Tsdb(what) => commands::tsdb::run(&what),
        Tool::Promql(_) if !called.experimental => {
            out::error("This command is experimental and requires the --experimental flag to be set.");
            ExitCode::FAILURE
        }
        Tool::Promql(what) => promql::run(&what),
    }
}

fn run_check(what: Check, lookback: u64, features: Features) -> ExitCode {
    match what {
        Check::Config { lint, syntax_only, agent: _, files } => {
            lint.warn(&["duplicate-rules", "too-long-scrape-interval"]);
            missing(&files).unwrap_or_else(|| check::config(&files, &lint, features, syntax_only, lookback))
        }
        Check::Rules { lint, files } => {
            lint.warn(&["duplicate-rules"]);
            missing(&files).unwrap_or_else(|| check::rules(&files, &lint, features))
        }
        Check::Metrics { extended, lint } if !extended && lint == "none" => {
            out::error("error: at least one of --extended or linting must be enabled");
            out::error("Use --extended for cardinality analysis, or remove --lint=none to enable linting");
            ExitCode::FAILURE
        }
        Check::Metrics { extended, lint } => commands::check_metrics::as_promtool(extended, lint != "none"),
        Check::WebConfig { files } => missing(&files).unwrap_or_else(|| check::web_config(&files)),
        Check::ServiceDiscovery { timeout, config, job } => {
            missing(std::slice::from_ref(&config)).unwrap_or_else(|| check::discovery(&config, &job, timeout))
        }
        Check::Healthy(asked) => server::status(&asked.url, asked.http_config_file.as_deref(), "/-/healthy"),
        Check::Ready(asked) => server::status(&asked.url, asked.http_config_file.as_deref(), "/-/ready"),
    }
}

/// Files that are not there, and directories, end everything, as with promtool.
fn missing(files: &[PathBuf]) -> Option<ExitCode> {
    let file = files.iter().find(|file| !file.exists() || file.is_dir())?;
    let what = if file.exists() { "is a directory" } else { "does not exist" };
    let path = if file.exists() { "" } else { "path " };
    Some(complain(&format!("{path}'{}' {what}", file.display())))
}

/// It was called wrongly.
fn complain(what: &str) -> ExitCode {
    out::error(format_args!("promtool: error: {what}, try --help"));
    ExitCode::FAILURE
}
