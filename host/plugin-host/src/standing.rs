//! What a name keeps while files come and go behind it: counts, the store, the limit on calls at one time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::kv::{Kv, KvError};
use crate::ledger::Ledger;
use crate::limits::{CONCURRENCY_MAX, KV_BYTES_MAX, LimitsConfig};

/// Of one plugin's name.
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) ledger: Ledger,
    /// What an operation on files holds until it has ended, also after its call gave it up.
    pub(crate) files: Arc<Semaphore>,
    kv_path: PathBuf,
    kv: Mutex<KvSlot>,
    calls: Mutex<(u32, Arc<Semaphore>)>,
}

struct KvSlot {
    open: Option<Kv>,
    quota_bytes: u64,
    dirty: bool,
}

impl Standing {
    pub(crate) fn new(name: &str, kv_dir: &std::path::Path) -> Self {
        Self {
            name: name.to_owned(),
            ledger: Ledger::default(),
            files: Arc::new(Semaphore::new(crate::files::AT_ONCE_MAX)),
            kv_path: kv_dir.join(format!("{name}.kv")),
            kv: Mutex::new(KvSlot { open: None, quota_bytes: KV_BYTES_MAX, dirty: false }),
            calls: Mutex::new((CONCURRENCY_MAX, Arc::new(Semaphore::new(CONCURRENCY_MAX as usize)))),
        }
    }

    /// Takes over limits that are not of a single call.
    pub(crate) fn apply(&self, limits: &LimitsConfig) {
        let most = limits.concurrency.unwrap_or(CONCURRENCY_MAX).min(1000);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.0 != most {
            *calls = (most, Arc::new(Semaphore::new(most as usize)));
        }
        drop(calls);
        let mut kv = self.kv.lock().unwrap_or_else(PoisonError::into_inner);
        let quota_bytes = limits.kv_bytes.unwrap_or(KV_BYTES_MAX);
        if kv.quota_bytes != quota_bytes {
            kv.quota_bytes = quota_bytes;
            kv.open = None;
        }
    }

    /// What a call holds while it runs.
    pub(crate) fn calls(&self) -> Arc<Semaphore> {
        Arc::clone(&self.calls.lock().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// Works on the store, which is opened at the first use. Short: the longest write is a value's megabyte.
    pub(crate) fn with_kv<T>(&self, work: impl FnOnce(&mut Kv) -> Result<T, KvError>) -> Result<T, KvError> {
        let mut slot = self.kv.lock().unwrap_or_else(PoisonError::into_inner);
        let kv = match slot.open.take() {
            Some(kv) => kv,
            None => Kv::open(&self.kv_path, slot.quota_bytes)?,
        };
        slot.dirty = true;
        work(slot.open.insert(kv))
    }

    /// Brings the store to the disk if something was written since.
    pub(crate) fn sync(&self) {
        let mut slot = self.kv.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut slot.dirty)
            && let Some(Err(KvError::Quota(error) | KvError::Failed(error))) = slot.open.as_ref().map(Kv::sync)
        {
            tracing::error!(plugin = self.name, "{error}");
        }
    }

    /// Counts a refusal of what no line would grant.
    pub(crate) fn refuse_for_good(&self, what: &str, why: &str) {
        if self.ledger.refused(what, "") {
            tracing::warn!(plugin = self.name, "refused {what}: it is {why}, which no grant opens");
        }
    }

    /// Counts a refusal; the first of its kind is logged with the line that would grant it.
    pub(crate) fn refuse(&self, what: &str, line: &str) {
        if self.ledger.refused(what, line) {
            tracing::warn!(plugin = self.name, "refused {what}: to grant it, write under plugins: {}: grants: the line {line}", self.name);
        }
    }
}
