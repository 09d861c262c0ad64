//! Work that blocks: on threads of its own, so many at once, and stopped when nobody waits for it any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use model::stop::Stop;
use promql::{Meter, Pool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::queries::{Ticket, Timings};
use crate::state::Limits;

/// What is expected to take longer is not done on a thread that serves connections.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(1);
/// So long it may take all the same, if the expectation was wrong.
pub(crate) const AT_ONCE_MAX: Duration = Duration::from_millis(4);
/// Samples between two looks at whether that time is over.
const CHECK_EVERY: usize = 1 << 10;

/// Runs queries, so many at once.
#[derive(Clone)]
pub(crate) struct Runner {
    permits: Arc<Semaphore>,
    /// What all share.
    memory: Option<Arc<Pool>>,
}

/// Tells a query to stop when the request that waits for it is gone.
struct CancelOnDrop(Option<Arc<AtomicBool>>);

impl CancelOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancel) = &self.0 {
            cancel.store(true, Ordering::Relaxed);
        }
    }
}

impl Runner {
    pub(crate) fn new(queries: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(queries.max(1))), memory: None }
    }

    /// The same, whose work shares this memory with others.
    pub(crate) fn sharing(self, memory: Option<Arc<Pool>>) -> Self {
        Self { memory, ..self }
    }

    /// Waits for its turn, then runs `work` on a thread for work that blocks. Waiting counts towards the time.
    ///
    /// The turn is given back when the work has ended, not when the caller is gone: that is what bounds how much runs.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        allowed: &Limits,
        timeout: Duration,
        work: impl FnOnce(promql::Limits) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let deadline = Instant::now().checked_add(timeout);
        let permit = self.turn(timeout).await?;
        let limits = limits(allowed, deadline, Arc::default(), Meter::of(self.memory.clone()));
        blocking(permit, limits, work).await
    }

    /// The same for a query that is listed and can be stopped. The work is given the ticket: to say what came of it, and to keep
    /// it while the answer is sent.
    pub(crate) async fn run_query<T: Send + 'static>(
        &self,
        allowed: &Limits,
        timeout: Duration,
        mut ticket: Ticket,
        work: impl FnOnce(promql::Limits, Ticket, Duration) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (asked, running) = (Instant::now(), Arc::clone(&ticket.running));
        let permit = tokio::select! {
            permit = self.turn(timeout) => permit,
            () = running.canceled.notified() => Err(promql::EvalError::Canceled.into()),
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(error) => {
                ticket.ended(&Timings { queued: asked.elapsed(), ..Timings::default() }, Some(&error.message));
                return Err(error);
            }
        };
        let limits = limits(allowed, asked.checked_add(timeout), Arc::clone(&running.cancel), Arc::clone(&running.meter));
        blocking(permit, limits, move |limits| {
            ticket.starts();
            work(limits, ticket, asked.elapsed())
        })
        .await
    }

    /// Does little work here and now, where it would take longer to hand it to another thread and back than to do it. None if
    /// others wait for their turn, or if it takes longer than [`AT_ONCE_MAX`] after all: then it is to be done the other way, from
    /// the start.
    pub(crate) fn at_once<T>(
        &self,
        allowed: &Limits,
        (cancel, meter): (Arc<AtomicBool>, Arc<Meter>),
        work: impl FnOnce(promql::Limits) -> Result<T, ApiError>,
    ) -> Option<Result<T, ApiError>> {
        let _turn = self.permits.try_acquire().ok()?;
        let deadline = Instant::now() + AT_ONCE_MAX;
        let limits = promql::Limits { check_every: CHECK_EVERY, ..limits(allowed, Some(deadline), cancel, meter) };
        let stop = Stop { cancel: Arc::clone(&limits.cancel), deadline: limits.deadline, ..Stop::default() };
        // As on a thread of its own, what panics is one answer and no more: nothing that it touched is used again.
        let result = catch_unwind(AssertUnwindSafe(|| model::stop::within(&stop, || work(limits))));
        match result {
            Ok(Err(_)) if Instant::now() >= deadline => None,
            Ok(result) => Some(result),
            Err(_) => {
                tracing::error!("a query broke");
                Some(Err(broken()))
            }
        }
    }

    async fn turn(&self, timeout: Duration) -> Result<OwnedSemaphorePermit, ApiError> {
        let acquired = tokio::time::timeout(timeout, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(permit) = acquired else { return Err(ApiError::timeout("query timed out in query queue")) };
        permit.map_err(|_| ApiError::unavailable("the server is shutting down"))
    }
}

fn broken() -> ApiError {
    ApiError::internal("the query broke; the log says where")
}

fn limits(allowed: &Limits, deadline: Option<Instant>, cancel: Arc<AtomicBool>, meter: Arc<Meter>) -> promql::Limits {
    promql::Limits {
        samples_max: allowed.samples_max,
        bytes_max: allowed.query_bytes,
        lookback_ms: allowed.lookback_ms,
        subquery_step_ms: allowed.subquery_step_ms,
        features: allowed.features,
        delayed_name_removal: allowed.delayed_name_removal,
        start_timestamps: allowed.start_timestamps,
        per_step: allowed.per_step_stats,
        deadline,
        cancel,
        meter,
        ..promql::Limits::default()
    }
}

async fn blocking<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    limits: promql::Limits,
    work: impl FnOnce(promql::Limits) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let guard = CancelOnDrop(Some(Arc::clone(&limits.cancel)));
    let task = tokio::task::spawn_blocking(move || {
        let _turn = permit;
        work(limits)
    });
    let result = task.await.map_err(|error| {
        tracing::error!(%error, "a query broke");
        broken()
    });
    guard.disarm();
    result?
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(flavor = "multi_thread")]
    async fn work_stops_when_nobody_waits() {
        let runner = Runner::new(1);
        let (started, is_started) = mpsc::channel();
        let (stopped, is_stopped) = mpsc::channel();
        let waiting = tokio::spawn(async move {
            let work = move |limits: promql::Limits| {
                started.send(()).expect("the test waits");
                while !limits.cancel.load(Ordering::Relaxed) && limits.deadline.is_some_and(|deadline| Instant::now() < deadline) {
                    std::thread::yield_now();
                }
                stopped.send(limits.cancel.load(Ordering::Relaxed)).expect("the test waits");
                Ok(())
            };
            runner.run(&Limits::default(), LONG, work).await
        });
        let received = |channel: mpsc::Receiver<bool>| tokio::task::spawn_blocking(move || channel.recv_timeout(LONG));
        tokio::task::spawn_blocking(move || is_started.recv_timeout(LONG)).await.expect("it ran").expect("the work began");
        waiting.abort();
        assert_eq!(received(is_stopped).await.expect("it ran"), Ok(true));
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_is_a_timeout() {
        let runner = Runner::new(1);
        let held = Arc::clone(&runner.permits).acquire_owned().await.expect("it is open");
        let error = runner.run(&Limits::default(), Duration::from_millis(1), |_| Ok(())).await.expect_err("nobody gives the turn back");
        assert_eq!((error.kind, error.message.as_str()), ("timeout", "query timed out in query queue"));
        drop(held);
        assert!(runner.run(&Limits::default(), LONG, |_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn little_work_is_done_at_once() {
        let runner = Runner::new(1);
        let here = std::thread::current().id();
        let at_once = |work: &dyn Fn(promql::Limits) -> Result<std::thread::ThreadId, ApiError>| {
            runner.at_once(&Limits::default(), Default::default(), work)
        };
        assert_eq!(at_once(&|_| Ok(std::thread::current().id())), Some(Ok(here)));
        let error = at_once(&|_| Err(ApiError::bad_data("no"))).expect("it is done").expect_err("as told");
        assert_eq!(error.kind, "bad_data");
        let broken = at_once(&|_| panic!("on purpose")).expect("it is done");
        assert_eq!(broken.expect_err("it broke").kind, "internal");
        // Too much after all.
        let much = at_once(&|limits| {
            while limits.check().is_ok() {
                std::thread::yield_now();
            }
            Err(promql::EvalError::Timeout.into())
        });
        assert_eq!(much, None);
        let held = Arc::clone(&runner.permits).acquire_owned().await.expect("it is open");
        assert_eq!(at_once(&|_| Ok(std::thread::current().id())), None, "others wait");
        drop(held);
    }

    #[tokio::test]
    async fn a_query_that_breaks_is_an_error() {
        let broken = Runner::new(1).run::<()>(&Limits::default(), LONG, |_| panic!("on purpose")).await;
        assert_eq!(broken.expect_err("it broke").kind, "internal");
    }
}
