//! Receivers of notifications: which there are, and a message that tries one.

use std::time::Duration;

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use serde_json::{Value, json};

use crate::encode::success;
use crate::error::ApiError;
use crate::router::App;

/// Longest time that a message on trial may take, all integrations together.
const TEST_TIME: Duration = Duration::from_secs(60);

/// `GET /api/v1/receivers`
pub(crate) async fn list(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let receivers = (app.state.receivers)();
    let data: Vec<Value> = receivers.iter().map(|r| json!({"name": r.name, "integrations": r.integrations})).collect();
    success(&data)
}

/// `POST /api/v1/receivers/<name>/test`: sends a message and waits for what becomes of it. An integration that fails is a
/// result and not an error of the request.
pub(crate) async fn test(Shared(app): Shared<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    // One at a time: each goes out to somebody's phone.
    let Ok(_turn) = app.testing.try_lock() else {
        return Err(ApiError::unavailable("another message is on trial: ask again when it has been answered"));
    };
    let sent = tokio::time::timeout(TEST_TIME, (app.state.test_receiver)(&name)).await;
    let Ok(sent) = sent else {
        return Err(ApiError::timeout(format!("the message was not answered within {} s", TEST_TIME.as_secs())));
    };
    let results = sent.map_err(|error| match error {
        alerting::TestError::UnknownReceiver(text) => ApiError::not_found(text),
        starting @ alerting::TestError::Starting => ApiError::unavailable(starting.to_string()),
    })?;
    let results: Vec<Value> = results.iter().map(|r| json!({"integration": r.integration, "ok": r.ok, "error": r.error})).collect();
    success(&json!({"results": results}))
}
