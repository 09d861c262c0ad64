//! The binary: flags, configuration, wiring, reload, shutdown. The only place that knows every room.
//!
//! Start at [`start::run`]; `config.rs` reads the configuration, `reload.rs` takes a changed one up, `app.rs` is what runs.

mod cli;
mod config;
mod start;
mod app;
mod reload;
mod storage;
mod listeners;
mod files;
mod watch;
mod shown;
mod banner;
mod self_metrics;
mod process;
mod clock;
mod commands;
mod log;
mod out;

use std::process::ExitCode;

use clap::Parser;

use cli::{Check, Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => start::run(cli.server),
        Some(Command::Check { what: Check::Config { files, plugins_dir } }) => commands::check_config(&files, plugins_dir.as_deref()),
    }
}
