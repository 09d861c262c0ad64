//! The binary. Not wired yet.
fn main() {}
