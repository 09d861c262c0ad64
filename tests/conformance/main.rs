//! Queries against the peers' own test data: Prometheus' test scripts, its cases for parser and printer, the compliance suite's
//! templates, and expressions of dashboards and rules that people use. One line per suite says `NAME: N passed, N failed`; what
//! failed stands above it with file and line.
//!
//! `cargo test -p promql --test conformance -- --show-output`. `SKOPOS_CONFORMANCE` names the folder of the data.

mod data;
mod expressions;
mod parser;
mod promqltest;
mod slots;
mod templates;

/// Prints what became of a suite, and fails if anything of it failed.
#[expect(clippy::print_stdout, reason = "CI shows the counts")]
fn tell(suite: &str, passed: usize, failed: &[String], more: &str) {
    for line in failed {
        println!("  {line}");
    }
    println!("{suite}: {passed} passed, {} failed{}{more}", failed.len(), if more.is_empty() { "" } else { "; " });
    assert!(failed.is_empty(), "{suite}: {} failed:\n{}", failed.len(), failed.join("\n"));
}
