//! What tests of the whole binary share: a Skopos on free ports, servers that answer what a test wants, a name server, and
//! waiting for a condition with a limit.
//!
//! Start at [`Skopos::start`]. Nothing here knows a crate of the host: it speaks HTTP to the binary.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "what a test skips and measures belongs into its output")]

mod beside;
mod chance;
mod corpus;
mod cpu;
mod dataset;
mod dice;
mod folder;
mod guest;
mod memory;
mod net;
mod peers;
mod raw;
mod server;
mod skopos;

pub use beside::Beside;
pub use chance::seed;
pub use corpus::replay;
pub use cpu::ThreadCpu;
pub use dataset::{Dataset, KeepAlive, Labels};
pub use dice::{Dice, Whole};
pub use folder::{TempFolder, conformance, workspace_root};
pub use guest::{guest, guests_built};
pub use memory::{Counting, Measured};
pub use net::{HttpAnswer, free_port, get, post, post_text, request};
pub use peers::{Dnsmasq, NodeExporter, Prometheus, find_program};
pub use raw::{RawServer, Wire};
pub use server::{Answer, Asked, Server};
pub use skopos::{Setup, Skopos};

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer. Panics after `limit` with what was waited for: a guard against hanging,
/// not a statement about speed.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
