//! Tells the binary which revision it was built from.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=../../.git/HEAD");
    let revision = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok().filter(|o| o.status.success());
    let revision = revision.and_then(|o| String::from_utf8(o.stdout).ok()).unwrap_or_default();
    let revision = revision.trim();
    println!("cargo::rustc-env=SKOPOS_REVISION={}", if revision.is_empty() { "unknown" } else { revision });
}
