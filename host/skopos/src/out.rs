//! What the command line says to people. The only place that prints.

use std::fmt::Display;
use std::io::{BufWriter, Write, stderr, stdout};

/// A line on standard output.
pub(crate) fn line(text: impl Display) {
    // Whoever reads may have seen enough (`| head`).
    let _ = writeln!(stdout().lock(), "{text}");
}

/// A line on standard error.
pub(crate) fn error(text: impl Display) {
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Standard output for many lines; what goes wrong with it is up to the caller.
pub(crate) fn many() -> impl Write {
    BufWriter::with_capacity(1 << 16, stdout().lock())
}
