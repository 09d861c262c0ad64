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
    /// Asks a running Skopos or Prometheus.
    #[command(subcommand)]
    Query(Query),
    /// Looks at plugins.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Completions for a shell, on standard output.
    #[command(after_help = "Examples:
  skopos completions bash > /etc/bash_completion.d/skopos
  skopos completions zsh  > ~/.zfunc/_skopos
  skopos completions fish > ~/.config/fish/completions/skopos.fish")]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Runs tests of what you have written.
    #[command(subcommand)]
    Test(Test),
    /// Looks into, checks, brings in and takes out what is stored. Most of it works beside a running server.
    #[command(subcommand)]
    Tsdb(super::Tsdb),
}

/// `skopos query …`: arguments are promtool's, with `--url` in place of its first one.
#[derive(Debug, Subcommand)]
pub(crate) enum Query {
    /// An expression at one time.
    #[command(after_help = "Examples:
  skopos query instant up
  skopos query instant 'sum by (job) (rate(http_requests_total[5m]))' --time=2026-08-01T12:00:00Z
  skopos query instant -o json up | jq -r '.[].metric.instance'")]
    Instant {
        #[command(flatten)]
        server: ServerArgs,
        /// The expression, after the server's address if one is given.
        #[arg(required = true, num_args = 1..=2, value_names = ["SERVER", "EXPR"])]
        expr: Vec<String>,
        /// When: RFC 3339 or Unix seconds. [default: now]
        #[arg(long, value_name = "TIME")]
        time: Option<String>,
    },
    /// An expression over a range of time.
    #[command(after_help = "Examples:
  skopos query range 'rate(http_requests_total[5m])' --start=2026-08-01T00:00:00Z --end=2026-08-01T06:00:00Z --step=1m
  skopos query range up                                 the last five minutes")]
    Range {
        #[command(flatten)]
        server: ServerArgs,
        /// The expression, after the server's address if one is given.
        #[arg(required = true, num_args = 1..=2, value_names = ["SERVER", "EXPR"])]
        expr: Vec<String>,
        #[command(flatten)]
        times: TimeArgs,
        /// Between points, such as 30s. [default: 250 points, a second at least]
        #[arg(long, value_name = "DURATION")]
        step: Option<String>,
    },
    /// Series by their labels.
    #[command(after_help = "Examples:
  skopos query series --match=up
  skopos query series --match='{job=\"node\"}' --match='up{job=\"web\"}' --start=2026-08-01T00:00:00Z")]
    Series {
        #[command(flatten)]
        server: ServerArgs,
        /// The server's address, as promtool takes it.
        #[arg(value_name = "SERVER")]
        address: Option<String>,
        /// A selector. May come more than once.
        #[arg(long = "match", value_name = "SELECTOR", required = true)]
        matches: Vec<String>,
        #[command(flatten)]
        times: TimeArgs,
    },
    /// Values of a label, or all names of labels.
    #[command(after_help = "Examples:
  skopos query labels job
  skopos query labels                                   names of labels
  skopos query labels instance --match='up{job=\"node\"}'")]
    Labels {
        #[command(flatten)]
        server: ServerArgs,
        /// The label, after the server's address if one is given.
        #[arg(num_args = 0..=2, value_names = ["SERVER", "LABEL"])]
        label: Vec<String>,
        /// Only of series that a selector fits. May come more than once.
        #[arg(long = "match", value_name = "SELECTOR")]
        matches: Vec<String>,
        #[command(flatten)]
        times: TimeArgs,
    },
}

/// Which server is asked, and how the answer is written.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// The address of the server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    pub(crate) url: String,
    /// A file with the HTTP client block of the configuration: basic_auth, authorization, tls_config and so on.
    #[arg(long = "http.config.file", value_name = "FILE")]
    pub(crate) http_config_file: Option<PathBuf>,
    /// How the answer is written.
    #[arg(short = 'o', long, alias = "format", value_enum, default_value_t = Output::Promql)]
    pub(crate) output: Output,
    /// A header of the requests. May come more than once.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) headers: Vec<(String, String)>,
}

/// `name=value`
pub(crate) fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("expected KEY=VALUE got '{text}'"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A range of time.
#[derive(Clone, Debug, Args)]
pub(crate) struct TimeArgs {
    /// From: RFC 3339 or Unix seconds.
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<String>,
    /// To: RFC 3339 or Unix seconds.
    #[arg(long, value_name = "TIME")]
    pub(crate) end: Option<String>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// As PromQL writes series and samples.
    Promql,
    /// As the API writes them.
    Json,
}

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// The plugins that are embedded and in the directory, or that a running server has.
    #[command(after_help = "Examples:
  skopos plugin list
  skopos plugin list --plugins.dir=/etc/skopos/plugins
  skopos plugin list --url=http://127.0.0.1:9090        what the running server has, with grants and refusals")]
    List {
        #[command(flatten)]
        files: ConfigFiles,
        /// Ask the server at this address.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// A file with the HTTP client block, for a server with users.
        #[arg(long = "http.config.file", value_name = "FILE")]
        http_config_file: Option<PathBuf>,
        /// How the list is written.
        #[arg(short = 'o', long, value_enum, default_value_t = ListOutput::Table)]
        output: ListOutput,
    },
    /// What a component is, what it asks for, and whether this Skopos would load it.
    #[command(after_help = "Examples:
  skopos plugin check target/wasm32-wasip2/release/consul.wasm

Ends with 0 if it would load, 1 if not.")]
    Check {
        /// The component.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListOutput {
    /// For people.
    Table,
    /// As the API writes it.
    Json,
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
  skopos check rules rules/*.yml
  skopos check rules --enable-feature=promql-experimental-functions rules/*.yml")]
    Rules {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Experimental parts of PromQL that rules may use, as the server's flag of this name.
        #[arg(long = "enable-feature", value_name = "NAME", value_delimiter = ',')]
        features: Vec<String>,
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
    #[command(
        name = "web-config",
        after_help = "Examples:
  skopos check web-config web.yml"
    )]
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
    /// Experimental parts of PromQL that rules may use, as the server's flag of this name.
    #[arg(long = "enable-feature", value_name = "NAME", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
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
    /// Scripts in the language that Prometheus tests its own queries with: `load` puts series in, `eval` says what must come out.
    #[command(after_help = "Examples:
  skopos test promql operators.test
  skopos test promql ../shared/conformance/promql/promqltest

Of a folder all *.test are run. What fails is told with file and line; the last line counts. Functions that are experimental are on.
Ends with 0 if all hold, 1 if one does not.")]
    Promql {
        /// The scripts, or folders of them.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}
