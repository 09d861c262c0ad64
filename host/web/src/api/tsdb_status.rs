//! `status/tsdb` and `status/tsdb/blocks`: what storage has.

use axum::extract::{RawQuery, State as Shared};
use axum::response::Response;

use crate::encode::success;
use crate::error::ApiError;
use crate::params::Params;
use crate::router::App;

/// Entries of the lists, if the request does not say, and at most.
const LIMIT: usize = 10;
const LIMIT_MAX: usize = 10_000;

/// `/api/v1/status/tsdb`
pub(crate) async fn head(Shared(app): Shared<App>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let params = Params::of_query(query.as_deref());
    let limit = params.count("limit")?.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(ApiError::bad_data("limit must be between 1 and 10000"));
    }
    let Some(status) = app.state.tsdb_status.clone() else { return Err(ApiError::not_found("figures of the head are not served")) };
    // It looks at all labels.
    let value = tokio::task::spawn_blocking(move || status(limit)).await.map_err(|error| ApiError::internal(error.to_string()))?;
    success(&value)
}

/// `/api/v1/status/tsdb/blocks`
pub(crate) async fn blocks(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    success(&(app.state.tsdb_blocks)())
}
