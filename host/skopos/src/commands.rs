//! Subcommands: they call what the server calls.

mod check;

pub(crate) use check::check_config;
