//! The binary: flags, configuration, wiring, reload, shutdown. The only place that knows every room.
//!
//! Start at [`start::run`]; `config.rs` reads the configuration, `reload.rs` takes a changed one up, `app.rs` is what runs.
//! What Skopos does beside serving is in `commands/`.

mod app;
mod banner;
mod cli;
mod clock;
mod commands;
mod config;
mod files;
mod listeners;
mod log;
mod out;
mod process;
mod promtool;
mod reload;
mod self_metrics;
mod shown;
mod start;
mod storage;
mod watch;
mod web_config;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    // Linked under the name of a peer's tool, its arguments count.
    if promtool::is_called() {
        return promtool::main();
    }
    let cli = Cli::parse();
    match cli.command {
        None => start::run(cli.server),
        Some(command) => commands::run(command),
    }
}
