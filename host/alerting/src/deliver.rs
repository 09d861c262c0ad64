//! Brings one message to one place, with as many attempts as fit before its group's next turn.

use std::sync::Arc;
use std::time::Duration;

use model::seams::Channel;
use model::{Clock, SendError, TimestampMs};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::core::{Event, Job};
use crate::expand::Templates;
use crate::group::FailedAttempt;

/// Longest single attempt. Channels have a deadline of their own below it; this holds if theirs does not.
const ATTEMPT_MAX: Duration = Duration::from_secs(300);
/// The longest wait that a remote side is granted.
const RETRY_AFTER_MAX_MS: u64 = 24 * 3_600_000;

/// What a delivery works with.
pub(crate) struct Delivery {
    pub(crate) job: Job,
    pub(crate) channel: Arc<dyn Channel>,
    pub(crate) templates: Arc<Templates>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The group has its next turn.
    pub(crate) hurry: Arc<Notify>,
    /// Bounds the calls to this place at a time.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

/// Milliseconds before the next attempt: half a second, half as much again each time, at most a minute, as upstream; a few
/// percent apart for different deliveries, so that those that failed together do not come back together.
pub(crate) fn backoff_ms(attempts: u32, delivery: u64) -> u64 {
    let base = 500.0 * 1.5_f64.powi(i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX).min(40));
    let spread = 0.9 + (delivery.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as f64 / 75.0;
    (base.min(60_000.0) * spread) as u64
}

/// How a wait ended.
enum Waited {
    Through,
    /// The group has its next turn, or the process ends.
    Cut,
}

impl Delivery {
    /// Ends with an [`Event::Done`], whatever happens.
    pub(crate) async fn run(mut self) {
        let delivery = self.job.delivery;
        let events = self.events.clone();
        let result = self.attempts().await;
        // The receiving side is gone only when the process ends.
        let _ = events.send(Event::Done { delivery, result });
    }

    async fn attempts(&mut self) -> Result<String, FailedAttempt> {
        let give_up = |error: &str, attempts, not_before| Err(FailedAttempt { error: error.to_owned(), attempts, not_before });
        let not_before = self.job.not_before;
        let early = u64::try_from(not_before - self.clock.now()).unwrap_or(0);
        if matches!(self.wait(early).await, Waited::Cut) {
            return give_up("the remote side asked to wait", 0, not_before);
        }
        let permits = Arc::clone(&self.permits);
        let (fields, notification) = {
            let Ok(_permit) = permits.acquire().await else { return give_up("deliveries are closed", 0, 0) };
            self.expanded().await
        };
        let mut attempts = 0;
        loop {
            attempts += 1;
            let outcome = {
                let Ok(_permit) = permits.acquire().await else { return give_up("deliveries are closed", attempts, 0) };
                timeout(ATTEMPT_MAX, self.channel.send(&notification, &fields)).await
            };
            let error = match outcome {
                Ok(Ok(receipt)) => return Ok(receipt.id),
                Ok(Err(error)) => error,
                Err(_) => {
                    SendError { message: format!("no answer within {} s", ATTEMPT_MAX.as_secs()), retryable: true, retry_after_ms: None }
                }
            };
            tracing::warn!(
                receiver = self.job.lane.receiver,
                channel = self.job.lane.entry,
                group = notification.group_key,
                attempts,
                retry = error.retryable,
                "notification did not arrive: {}",
                error.message
            );
            if !error.retryable {
                return give_up(&error.message, attempts, 0);
            }
            let asked = error.retry_after_ms.map(|ms| ms.min(RETRY_AFTER_MAX_MS));
            let wait = backoff_ms(attempts, self.job.delivery).max(asked.unwrap_or(0));
            let not_before = asked.map_or(0, |ms| self.clock.now().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
            let _ = self.events.send(Event::Attempt { delivery: self.job.delivery, attempts, error: error.message.clone() });
            if matches!(self.wait(wait).await, Waited::Cut) {
                return give_up(&error.message, attempts, not_before);
            }
        }
    }

    /// Templates cost computing time, so they do not run on the threads that serve everyone.
    async fn expanded(&self) -> (Vec<String>, model::Notification) {
        let (mut job, templates, fields, now) = (self.job.clone(), Arc::clone(&self.templates), self.channel.templates(), self.clock.now());
        let count = fields.len();
        let work = tokio::task::spawn_blocking(move || {
            let expanded = templates.expand_all(&mut job.notification, &job.route_labels, &fields, now);
            (expanded, job.notification)
        });
        match work.await {
            Ok((expanded, notification)) => {
                for error in &expanded.errors {
                    tracing::warn!(receiver = self.job.lane.receiver, channel = self.job.lane.entry, "template: {error}");
                }
                (expanded.fields, notification)
            }
            // The message goes out all the same.
            Err(error) => {
                let mut notification = self.job.notification.clone();
                notification.title = format!("<error expanding template: {error}>");
                (vec![String::new(); count], notification)
            }
        }
    }

    async fn wait(&mut self, ms: u64) -> Waited {
        if ms == 0 {
            return Waited::Through;
        }
        let end = Instant::now() + Duration::from_millis(ms);
        tokio::select! {
            () = sleep_until(end) => Waited::Through,
            () = self.hurry.notified() => Waited::Cut,
            _ = self.stop.wait_for(|stop| *stop) => Waited::Cut,
        }
    }
}

/// For the clock of a failure: when a wait that began now is over.
pub(crate) fn milliseconds_until(at: TimestampMs, now: TimestampMs) -> u64 {
    u64::try_from(at.saturating_sub(now)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        for delivery in [1, 2, 77] {
            let waits: Vec<u64> = (1..60).map(|attempts| backoff_ms(attempts, delivery)).collect();
            assert!((450..=560).contains(&waits[0]), "{waits:?}");
            assert!(waits.is_sorted() && waits.iter().all(|ms| *ms <= 66_000), "{waits:?}");
        }
    }
}
