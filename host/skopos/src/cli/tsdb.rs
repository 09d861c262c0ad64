//! `skopos tsdb …`: what can be done with stored data. Names and arguments are promtool's where it has the same.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `skopos tsdb …`
#[derive(Debug, Subcommand)]
pub(crate) enum Tsdb {
    /// The blocks, with times, numbers and bytes.
    #[command(after_help = "Examples:
  skopos tsdb list
  skopos tsdb list -r /var/lib/skopos        times and sizes for people

Nothing is changed; a server may run beside it. Ends with 1 if a block does not open.")]
    List {
        /// Times and sizes for people.
        #[arg(short = 'r', long = "human-readable")]
        human_readable: bool,
        /// The data directory.
        #[arg(value_name = "DATA", default_value = "data/")]
        data: PathBuf,
    },
    /// What the newest samples are made of: cardinality, churn, bytes per sample.
    #[command(after_help = "Examples:
  skopos tsdb analyze
  skopos tsdb analyze --limit=5 --match='{job=\"node\"}' data/
  skopos tsdb analyze data/ 0000000012       the time of one block

Without a block the newest two hours count. Nothing is changed; a server may run beside it.")]
    Analyze {
        /// How many entries each list has.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Only series that the selector fits.
        #[arg(long = "match", value_name = "SELECTOR")]
        matches: Option<String>,
        /// The data directory.
        #[arg(value_name = "DATA", default_value = "data/")]
        data: PathBuf,
        /// A block, as `list` names it.
        #[arg(value_name = "BLOCK")]
        block: Option<String>,
    },
    /// All samples as text, a line each: labels, value, time in milliseconds.
    #[command(after_help = "Examples:
  skopos tsdb dump --match='up{job=\"node\"}'
  skopos tsdb dump --min-time=1700000000000 --max-time=1700003600000 data/ | gzip > dump.gz

Lines are promtool's, sorted by labels and time. Nothing is changed; a server may run beside it.")]
    Dump {
        #[command(flatten)]
        select: SelectArgs,
        /// The data directory.
        #[arg(value_name = "DATA", default_value = "data/")]
        data: PathBuf,
    },
    /// All samples as OpenMetrics, which `create-blocks-from openmetrics` reads.
    #[command(after_help = "Examples:
  skopos tsdb dump-openmetrics --match='{job=\"node\"}' data/ > node.om

What the text has no form for is left out and counted on standard error: native histograms, and the markers that a series ended.")]
    DumpOpenmetrics {
        #[command(flatten)]
        select: SelectArgs,
        /// The data directory.
        #[arg(value_name = "DATA", default_value = "data/")]
        data: PathBuf,
    },
    /// Reads every byte of every block and of the log, and compares every checksum.
    #[command(after_help = "Examples:
  skopos tsdb verify /var/lib/skopos

Each damage is named with file and byte range. Nothing is changed; a server may run beside it. Ends with 1 if there is damage.")]
    Verify {
        /// The data directory.
        #[arg(value_name = "DATA", default_value = "data/")]
        data: PathBuf,
    },
    /// Sets damaged blocks aside and keeps what is readable of them. The server must be stopped.
    #[command(after_help = "Examples:
  skopos tsdb repair /var/lib/skopos

A server serves what is readable anyway and needs no repair to start: this gives the damaged stretches a name and takes them out of the way.
Nothing is deleted; damaged files keep lying beside the others. Ends with 1 if something is lost.")]
    Repair {
        /// The data directory.
        #[arg(value_name = "DATA", default_value = "data/")]
        data: PathBuf,
    },
    /// Brings another database's directory in: all its samples, its log included. Both servers must be stopped.
    #[command(after_help = "Examples:
  skopos tsdb import --format=prometheus /var/lib/prometheus/metrics2 data/

Every sample of blocks and log becomes part of DATA, where a sample that is there already for the same series and time stays. FROM is only
read. Mind the retention: samples older than it are dropped when the server starts (--storage.tsdb.retention.time).")]
    Import {
        /// What FROM is.
        #[arg(long, value_enum)]
        format: DataFormat,
        /// The directory of the other database.
        #[arg(value_name = "FROM")]
        from: PathBuf,
        /// The data directory; made if it is not there.
        #[arg(value_name = "DATA")]
        data: PathBuf,
    },
    /// Writes the samples as blocks of another database.
    #[command(after_help = "Examples:
  skopos tsdb export --format=prometheus data/ /var/lib/prometheus/metrics2
  skopos tsdb export --format=prometheus --match='{job=\"node\"}' --min-time=1700000000000 data/ out/

OUT can be a Prometheus' data directory while that is stopped, or an empty one. Nothing of DATA is changed; a server may run beside it.
Exemplars and start timestamps have no place in such blocks.")]
    Export {
        /// What OUT becomes.
        #[arg(long, value_enum)]
        format: DataFormat,
        #[command(flatten)]
        select: SelectArgs,
        /// The data directory.
        #[arg(value_name = "DATA")]
        data: PathBuf,
        /// Where the blocks go; made if it is not there.
        #[arg(value_name = "OUT")]
        out: PathBuf,
    },
    /// Makes blocks of samples that come from elsewhere. The server must be stopped.
    #[command(subcommand)]
    CreateBlocksFrom(CreateBlocksFrom),
}

/// Where samples come from.
#[derive(Debug, Subcommand)]
pub(crate) enum CreateBlocksFrom {
    /// A file in OpenMetrics, each sample with its time.
    #[command(after_help = "Examples:
  skopos tsdb create-blocks-from openmetrics old.om data/

The file ends in `# EOF`. Errors name the line. A sample that is in DATA already for the same series and time stays.")]
    Openmetrics {
        /// The file; `-`: standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The data directory; made if it is not there.
        #[arg(value_name = "DATA", default_value = "data/")]
        data: PathBuf,
    },
    /// Recording rules, evaluated over the past.
    #[command(after_help = "Examples:
  skopos tsdb create-blocks-from rules --start=2026-08-01T00:00:00Z --data=data/ rules/*.yml
  skopos tsdb create-blocks-from rules --start=1785542400 --end=1785628800 --url=http://127.0.0.1:9090 --output-dir=data/ r.yml

Each rule sees what is stored, not what other rules record in this run: run it once more for rules that build on rules. Alerting rules
are passed over.")]
    Rules {
        /// From: RFC 3339 or Unix seconds.
        #[arg(long, value_name = "TIME")]
        start: String,
        /// To: RFC 3339 or Unix seconds. [default: three hours ago]
        #[arg(long, value_name = "TIME")]
        end: Option<String>,
        /// Ask the server at this address for the data. [default: read --data]
        #[arg(long, value_name = "URL", conflicts_with = "data")]
        url: Option<String>,
        /// A file with the HTTP client block, for a server with users.
        #[arg(long = "http.config.file", value_name = "FILE", requires = "url")]
        http_config_file: Option<PathBuf>,
        /// Read this data directory. [default: that of --output-dir]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The data directory that gets the blocks; made if it is not there.
        #[arg(long = "output-dir", value_name = "DATA", default_value = "data/")]
        output_dir: PathBuf,
        /// Between evaluations of groups that say no interval.
        #[arg(long = "eval-interval", value_name = "DURATION", default_value = "60s", value_parser = model::parse_duration)]
        eval_interval_ms: u64,
        /// The rule files.
        #[arg(required = true, value_name = "RULES")]
        rules: Vec<PathBuf>,
    },
}

/// Which samples.
#[derive(Clone, Debug, Args)]
pub(crate) struct SelectArgs {
    /// Only series that the selector fits.
    #[arg(long = "match", value_name = "SELECTOR")]
    pub(crate) matches: Option<String>,
    /// No older samples: Unix milliseconds.
    #[arg(long = "min-time", value_name = "MS", default_value_t = i64::MIN, hide_default_value = true, allow_negative_numbers = true)]
    pub(crate) min_time: i64,
    /// No newer samples: Unix milliseconds.
    #[arg(long = "max-time", value_name = "MS", default_value_t = i64::MAX, hide_default_value = true, allow_negative_numbers = true)]
    pub(crate) max_time: i64,
}

/// Databases whose files are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// A data directory of Prometheus: blocks, and for import the log.
    Prometheus,
}
