//! `status/*`, plugins, and what says that the server lives.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::encode::{rfc3339, success};
use crate::error::ApiError;
use crate::router::App;

/// `/api/v1/status/config`
pub(crate) async fn config(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    success(&json!({"yaml": (app.state.config_yaml)()}))
}

/// `/api/v1/status/flags`
pub(crate) async fn flags(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    success(&app.state.flags)
}

/// `/api/v1/status/runtimeinfo`. Fields of Go's runtime have the nearest meaning there is.
pub(crate) async fn runtime(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let runtime = (app.state.runtime)();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    success(&json!({
        "startTime": rfc3339(Some(runtime.started)), "CWD": runtime.cwd, "hostname": runtime.hostname,
        "serverTime": rfc3339(Some(app.state.clock.now())), "reloadConfigSuccess": runtime.reload_ok,
        "lastConfigTime": rfc3339(Some(runtime.config_read)), "corruptionCount": runtime.corruptions, "goroutineCount": 0,
        "GOMAXPROCS": threads, "GOMEMLIMIT": 0, "GOGC": "", "GODEBUG": "", "storageRetention": runtime.retention,
    }))
}

/// `/api/v1/status/buildinfo`. Grafana chooses features by `version`, so that is the Prometheus whose API this is; our own
/// stands beside it.
pub(crate) async fn build(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let build = &app.state.build;
    success(&json!({
        "version": build.compatible_version, "revision": build.revision, "branch": "", "buildUser": "", "buildDate": build.date,
        "goVersion": build.compiler, "application": "skopos", "applicationVersion": build.version,
    }))
}

/// `/version`
pub(crate) async fn version(Shared(app): Shared<App>) -> Response {
    let build = &app.state.build;
    let text = json!({"version": build.compatible_version, "revision": build.revision, "branch": "", "buildUser": "", "buildDate": build.date, "goVersion": build.compiler});
    crate::encode::json(text.to_string().into_bytes())
}

/// `/api/v1/status/walreplay`: whether the log has been read. Its segments are not counted.
pub(crate) async fn wal_replay(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let state = if (app.state.ready)() { "done" } else { "in progress" };
    success(&json!({"min": 0, "max": 0, "current": 0, "state": state}))
}

/// `/api/v1/plugins`
pub(crate) async fn plugins(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    success(&(app.state.plugins)())
}

/// `/-/healthy`: whoever can ask gets this.
pub(crate) async fn healthy() -> &'static str {
    "Prometheus Server is Healthy.\n"
}

/// `/-/ready`
pub(crate) async fn ready(Shared(app): Shared<App>) -> Response {
    if (app.state.ready)() {
        "Prometheus Server is Ready.\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable").into_response()
    }
}

/// Endpoints of upstream that are not served yet.
pub(crate) async fn not_yet() -> ApiError {
    ApiError::not_found("this part of the API is not served yet")
}
