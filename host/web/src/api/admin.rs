//! `admin/tsdb/*`: deletion and snapshots. POST and PUT only: a GET form could be sent by any page that a browser shows.

use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::TimeRange;
use serde_json::json;

use crate::encode::success;
use crate::error::ApiError;
use crate::params::{Params, TIME_MS_MAX};
use crate::router::App;
use crate::state::Admin;

/// What may be done, if the operator allows it.
fn allowed(app: &App) -> Result<Admin, ApiError> {
    app.state.admin.clone().ok_or_else(|| ApiError::unavailable("admin APIs disabled"))
}

/// Runs what waits for the disk.
async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(ApiError::internal),
        Err(error) => Err(ApiError::internal(format!("the request broke: {error}"))),
    }
}

/// `/api/v1/admin/tsdb/delete_series`
pub(crate) async fn delete(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let admin = allowed(&app)?;
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    let sets = params.matchers().map_err(|error| ApiError::parameter("match[]", error))?;
    if sets.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let range = TimeRange { start: params.time_or("start", -TIME_MS_MAX)?, end: params.time_or("end", TIME_MS_MAX)? };
    if range.end < range.start {
        return Err(ApiError::bad_data("end timestamp must not be before start time"));
    }
    run(move || (admin.delete)(&sets, range)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `/api/v1/admin/tsdb/clean_tombstones`
pub(crate) async fn clean(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let admin = allowed(&app)?;
    run(move || (admin.clean)()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `/api/v1/admin/tsdb/snapshot`
pub(crate) async fn snapshot(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let admin = allowed(&app)?;
    let params = Params::read(request, app.state.limits.body_bytes).await?;
    let skip_head = match params.first("skip_head") {
        "" => false,
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        other => {
            return Err(ApiError::parameter(
                "skip_head",
                format!("unable to parse boolean: strconv.ParseBool: parsing {other:?}: invalid syntax"),
            ));
        }
    };
    let name = run(move || (admin.snapshot)(skip_head)).await?;
    success(&json!({"name": name}))
}
