//! What the command line says to people. The only place that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the one door through which the command line prints")]

use std::fmt::Display;

/// A line on standard output.
pub(crate) fn line(text: impl Display) {
    println!("{text}");
}

/// A line on standard error.
pub(crate) fn error(text: impl Display) {
    eprintln!("{text}");
}
