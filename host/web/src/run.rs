//! Work that blocks: on threads of its own, so many at once, and stopped when nobody waits for it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::error::ApiError;
use crate::state::State;

/// Runs queries, so many at once.
#[derive(Clone)]
pub(crate) struct Runner {
    permits: Arc<Semaphore>,
}

/// Tells a query to stop when the request that waits for it is gone.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Runner {
    pub(crate) fn new(queries: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(queries.max(1))) }
    }

    /// Waits for its turn, then runs `work` on a thread for work that blocks. Waiting counts towards the time.
    ///
    /// The turn is given back when the work has ended, not when the caller is gone: that is what bounds how much runs.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        state: &State,
        timeout: Duration,
        work: impl FnOnce(promql::Limits) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let deadline = Instant::now().checked_add(timeout);
        let acquired = tokio::time::timeout(timeout, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(permit) = acquired else { return Err(ApiError::timeout("query timed out in query queue")) };
        let permit = permit.map_err(|_| ApiError::unavailable("the server is shutting down"))?;
        let cancel = Arc::new(AtomicBool::new(false));
        let guard = CancelOnDrop(Arc::clone(&cancel));
        let mut limits = promql::Limits::default();
        limits.samples_max = state.limits.samples_max;
        limits.lookback_ms = state.limits.lookback_ms;
        limits.subquery_step_ms = state.limits.subquery_step_ms;
        limits.deadline = deadline;
        limits.cancel = cancel;
        let task = tokio::task::spawn_blocking(move || {
            let _turn = permit;
            work(limits)
        });
        let result = task.await.map_err(|error| {
            tracing::error!(%error, "a query broke");
            ApiError::internal("the query broke; the log says where")
        })?;
        drop(guard);
        result
    }
}
