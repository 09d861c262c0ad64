//! Subcommands: what Skopos does beside serving. Their code is in `commands/`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
}

/// What can be checked.
#[derive(Debug, Subcommand)]
pub(crate) enum Check {
    /// A configuration with all files it names: rules, routing, dashboards, sections of plugins.
    Config {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The directory of plugins. [default: plugins beside the file]
        #[arg(long = "plugins.dir", value_name = "DIR")]
        plugins_dir: Option<PathBuf>,
    },
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
