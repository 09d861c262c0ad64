//! Processor time of one thread: what work took, however many others wanted the processor meanwhile.

use std::path::PathBuf;
use std::time::Duration;

/// A thread whose processor time can be read, from other threads too, as long as it lives.
#[derive(Clone, Debug)]
pub struct ThreadCpu(PathBuf);

impl ThreadCpu {
    /// The calling thread's.
    #[must_use]
    pub fn current() -> Self {
        // A link to `<pid>/task/<tid>` (proc(5)).
        let thread = std::fs::read_link("/proc/thread-self").expect("Linux has it");
        Self(PathBuf::from("/proc").join(thread).join("schedstat"))
    }

    /// What it has spent so far, to within some milliseconds: the kernel counts when it looks.
    #[must_use]
    pub fn spent(&self) -> Duration {
        let text = std::fs::read_to_string(&self.0).expect("the thread lives");
        Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds come first"))
    }
}
