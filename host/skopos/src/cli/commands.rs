//! Subcommands: what Skopos does beside serving. Their code is in `commands/`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What Skopos does beside serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks files without starting anything.
    #[command(subcommand)]
    Check(Check),
    /// Tries out how notifications are sent.
    #[command(subcommand)]
    Notify(Notify),
    /// Runs tests of what you have written.
    #[command(subcommand)]
    Test(Test),
}

/// Which configuration a command reads. The names are the server's.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigFiles {
    /// The configuration. Without it the embedded default counts.
    #[arg(long = "config.file", value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// An alertmanager.yml, in place of the section `alertmanager`.
    #[arg(long = "alertmanager.config.file", value_name = "FILE")]
    pub(crate) alertmanager_config_file: Option<PathBuf>,
    /// The directory of plugins. [default: plugins beside the configuration file]
    #[arg(long = "plugins.dir", value_name = "DIR")]
    pub(crate) plugins_dir: Option<PathBuf>,
    /// Keys that no plugin serves are warnings.
    #[arg(long = "config.allow-missing-plugins")]
    pub(crate) allow_missing_plugins: bool,
}

/// What can be checked.
#[derive(Debug, Subcommand)]
pub(crate) enum Check {
    /// Any file of a configuration, with all files that it names. What it is, is seen by what it says.
    ///
    /// Known are prometheus.yml and Skopos' own superset of it, alertmanager.yml, rule files, dashboards (Grafana's JSON) and web
    /// configurations (TLS and users).
    #[command(after_help = "Examples:
  skopos check config prometheus.yml
  skopos check config --config.allow-missing-plugins prometheus.yml      a large file, before its plugins are there
  skopos check config --strict skopos.yml alertmanager.yml rules/*.yml boards/*.json
  skopos check config --kind=alertmanager am.yml

Errors and warnings begin with file:line:column. Secret files that are named need not be there. Ends with 0 if all files are good,
1 if one is not (with --strict also if there is a warning), 2 for a wrong call.")]
    Config(CheckConfig),
    /// Rule files, each with the number of its rules.
    #[command(after_help = "Examples:
  skopos check rules rules/*.yml")]
    Rules {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// What a target exposes: is it correct, and does it follow the naming conventions?
    #[command(after_help = "Examples:
  curl -s http://127.0.0.1:9100/metrics | skopos check metrics
  skopos check metrics page.txt

A text that ends in `# EOF` is read as OpenMetrics. Ends with 0 if it is good, 1 if it is wrong, 3 if only the conventions are broken.")]
    Metrics {
        /// The file; `-` or nothing: standard input.
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
        /// Read it as OpenMetrics, `# EOF` or not.
        #[arg(long)]
        openmetrics: bool,
        /// Do not look at naming conventions.
        #[arg(long = "no-lint")]
        no_lint: bool,
    },
    /// Files of --web.config.file: TLS, users, headers.
    #[command(name = "web-config", after_help = "Examples:
  skopos check web-config web.yml")]
    WebConfig {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// `skopos check config`
#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What the files are, where what they say does not tell.
    #[arg(long, value_enum)]
    pub(crate) kind: Option<FileKind>,
    /// Warnings count as errors.
    #[arg(long)]
    pub(crate) strict: bool,
    /// The directory of plugins. [default: plugins beside the file]
    #[arg(long = "plugins.dir", value_name = "DIR")]
    pub(crate) plugins_dir: Option<PathBuf>,
    /// Keys that no plugin serves are warnings.
    #[arg(long = "config.allow-missing-plugins")]
    pub(crate) allow_missing_plugins: bool,
}

/// The dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileKind {
    /// prometheus.yml, or Skopos' superset of it.
    Prometheus,
    /// alertmanager.yml.
    Alertmanager,
    /// Recording and alerting rules.
    Rules,
    /// A dashboard in Grafana's JSON, or the same as YAML.
    Dashboard,
    /// TLS and users.
    WebConfig,
}

/// What can be done with receivers.
#[derive(Debug, Subcommand)]
pub(crate) enum Notify {
    /// Sends a marked test message to every place of one receiver, now and once.
    ///
    /// The alert of the message is called SkoposTest. Routes, groups and silences do not hold it back, nothing of it is
    /// remembered, and no running Skopos is needed.
    #[command(after_help = "Examples:
  skopos notify test team --config.file=skopos.yml
  skopos notify test team --alertmanager.config.file=alertmanager.yml

Ends with 0 if every place took the message, 1 if one did not (its reason is told), 2 if there is no such receiver.")]
    Test {
        /// The receiver's name.
        #[arg(value_name = "RECEIVER")]
        receiver: String,
        #[command(flatten)]
        files: ConfigFiles,
        /// The address under which others reach this Skopos, for links in the message.
        #[arg(long = "web.external-url", value_name = "URL", default_value = "http://127.0.0.1:9090")]
        external_url: String,
    },
}

/// What can be tested.
#[derive(Debug, Subcommand)]
pub(crate) enum Test {
    /// Unit tests of rules, in the files that `promtool test rules` reads: series go in, alerts and results must come out.
    #[command(after_help = "Examples:
  skopos test rules cpu.test.yml
  skopos test rules --run '^disk' rules/*.test.yml

A test file names its rules in `rule_files`, relative to itself. Ends with 0 if all hold, 1 if one does not.")]
    Rules {
        /// The test files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Only tests whose name matches this regular expression. May come more than once.
        #[arg(long, value_name = "REGEX")]
        run: Vec<regex::Regex>,
    },
}
