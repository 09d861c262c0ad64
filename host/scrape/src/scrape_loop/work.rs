//! What is done with a body, and where: on the thread that fetched it, as long as storage is quick, else on one that may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use model::TimestampMs;

use super::{Context, Settings};
use crate::commit::{Committed, Committer, Scrape};
use crate::failure_log;
use crate::fetch::Fetched;

/// How long storage takes at present.
#[derive(Default)]
pub(crate) struct Storage {
    /// Commits that are still handed to blocking threads, because one was slow.
    apart: AtomicU32,
}

/// A body as large as this is handed to a blocking thread, and so is one of which nothing is known: what they take is not
/// known beforehand.
const HERE_BYTES_MAX: usize = 2 << 20;

/// A commit that took longer than this is slow: storage waits for a disk, or for a sync that an acknowledgement stands for.
const SLOW: Duration = Duration::from_millis(10);

/// Commits that are handed to blocking threads after a slow one.
const APART: u32 = 64;

impl Storage {
    /// Whether a commit will hardly hold up others on this thread. It takes a tenth of a millisecond in a thousand, and to
    /// hand it to another thread costs half as much again.
    pub(super) fn may_commit_here(&self, work: &Work) -> bool {
        let known = work.committer.knows_layout() || (work.fetched.is_err() && work.committer.is_open());
        self.apart.load(Ordering::Relaxed) == 0 && known && work.body.len() <= HERE_BYTES_MAX
    }

    fn took(&self, time: Duration) {
        if time > SLOW {
            self.apart.store(APART, Ordering::Relaxed);
        } else {
            // Lost updates do no harm.
            let apart = self.apart.load(Ordering::Relaxed);
            if apart > 0 {
                self.apart.store(apart - 1, Ordering::Relaxed);
            }
        }
    }
}

/// What is done with a body.
pub(super) struct Work {
    pub(super) context: Arc<Context>,
    pub(super) committer: Committer,
    pub(super) settings: Arc<Settings>,
    pub(super) body: Vec<u8>,
    pub(super) fetched: Result<Fetched, String>,
    pub(super) time: TimestampMs,
    pub(super) began: Instant,
}

impl Work {
    /// Reads the body and writes what it says; the committer and the body's memory come back for the next one.
    pub(super) fn commit(mut self) -> (Committer, Vec<u8>, Committed) {
        self.committer.set_rules(Arc::clone(&self.settings.rules));
        let not_after = self.fetched.as_ref().ok().and_then(|fetched| fetched.certificate_not_after);
        let scrape = Scrape {
            time: self.time,
            began: self.began,
            body: self.fetched.map(|fetched| (self.body.as_slice(), fetched.format)),
            timeout_ms: self.settings.target.timeout_ms,
            extra_metrics: self.settings.job.switches.extra_scrape_metrics,
            certificate_not_after: not_after.map(|seconds| seconds as f64),
        };
        let begun = Instant::now();
        let mut committed = self.committer.commit(&scrape);
        self.context.storage.took(begun.elapsed());
        // The text may quote the answer, and the answer what was asked with.
        committed.error = committed.error.map(|error| self.settings.source.redact(error));
        committed.warning = committed.warning.map(|warning| self.settings.source.redact(warning));
        if let (Some(error), Some(path)) = (&committed.error, &self.settings.job.failure_log) {
            failure_log::write(path, self.time, &self.settings.job.name, &self.settings.target.url, error);
        }
        (self.committer, self.body, committed)
    }
}
