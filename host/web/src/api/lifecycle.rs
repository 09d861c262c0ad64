//! What changes the server: reload and quit.

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::router::App;

fn disabled() -> Response {
    (StatusCode::FORBIDDEN, "Lifecycle API is not enabled.").into_response()
}

/// GET of what only POST and PUT may do.
pub(crate) async fn wrong_method() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [("allow", "POST, PUT")], "Only POST or PUT requests allowed").into_response()
}

/// `/-/reload`
pub(crate) async fn reload(Shared(app): Shared<App>) -> Response {
    if !app.state.enable_lifecycle {
        return disabled();
    }
    // On a task of its own: a client that hangs up must not leave a reload half-way.
    match tokio::spawn((app.state.reload)()).await {
        Ok(Ok(())) => StatusCode::OK.into_response(),
        Ok(Err(reason)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {reason}\n")).into_response(),
        Err(error) => {
            tracing::error!(%error, "the reload broke");
            (StatusCode::INTERNAL_SERVER_ERROR, "failed to reload config: the reload broke; the log says where\n").into_response()
        }
    }
}

/// `/-/quit`
pub(crate) async fn quit(Shared(app): Shared<App>) -> Response {
    if !app.state.enable_lifecycle {
        return disabled();
    }
    (app.state.quit)();
    "Requesting termination... Goodbye!".into_response()
}
