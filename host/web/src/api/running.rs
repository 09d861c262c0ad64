//! `queries/running`, `queries/<id>/cancel`: the queries that wait, run or are being sent, and how to stop one.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::encode::success;
use crate::error::ApiError;
use crate::queries::{Phase, Running};
use crate::router::App;

/// One query as a page shows it.
#[derive(Serialize)]
struct Shown {
    id: u64,
    query: String,
    /// Unix seconds, as in the question.
    start: f64,
    end: f64,
    /// Seconds; zero for one time.
    step: f64,
    phase: Phase,
    /// Unix milliseconds.
    asked: i64,
    /// Since it was asked.
    seconds: f64,
    samples_read: usize,
    samples: usize,
    samples_peak: usize,
    bytes: usize,
    bytes_peak: usize,
    client: String,
    user: Option<String>,
    path: String,
}

impl Shown {
    fn of(running: &Arc<Running>) -> Self {
        let (question, asker, stats) = (&running.question, &running.asker, running.meter.stats());
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of any time that is shown")]
        let seconds = |ms: i64| ms as f64 / 1000.0;
        Self {
            id: running.id,
            query: question.text.clone(),
            start: seconds(question.start),
            end: seconds(question.end),
            step: seconds(question.step),
            phase: running.phase(),
            asked: running.asked,
            seconds: running.since.elapsed().as_secs_f64(),
            samples_read: stats.samples_read,
            samples: running.meter.samples(),
            samples_peak: stats.samples_peak,
            bytes: running.meter.bytes(),
            bytes_peak: stats.bytes_peak,
            client: asker.address.map(|address| address.to_string()).unwrap_or_default(),
            user: asker.user.clone(),
            path: asker.path.clone(),
        }
    }
}

/// `GET /api/v1/queries/running`
pub(crate) async fn list(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let queries: Vec<Shown> = app.state.queries.all().iter().map(Shown::of).collect();
    success(&json!({"concurrent_max": app.state.limits.queries, "queries": queries}))
}

/// `POST /api/v1/queries/<id>/cancel`, `DELETE /api/v1/queries/<id>`
pub(crate) async fn cancel(Shared(app): Shared<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    if id.parse().is_ok_and(|id| app.state.queries.stop(id)) {
        tracing::info!(id, "a query was canceled by request");
        return success(&json!({}));
    }
    Err(ApiError::not_found(format!("no query {id:?} is running: it may have ended")))
}
