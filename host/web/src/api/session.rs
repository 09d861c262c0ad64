//! `GET /api/v1/session`: what a page must know of whoever looks at it.

use axum::extract::State as Shared;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::{Extension, extract::Request};
use serde_json::json;

use crate::access::{Connection, User};
use crate::encode::success;
use crate::error::ApiError;
use crate::router::App;

/// The token that changes need, and whether there may be any.
pub(crate) async fn session(Shared(app): Shared<App>, user: Option<Extension<User>>, request: Request) -> Result<Response, ApiError> {
    let access = &app.state.access;
    let user = user.as_ref().map(|Extension(User(name))| name.as_str());
    let connection = request.extensions().get::<Connection>().copied().unwrap_or_default();
    let mut response = success(&json!({
        "token": access.token(user),
        "read_only": access.is_read_only(),
        "reason": if access.is_read_only() { "no_users" } else { "none" },
        "loopback": access.is_loopback(),
        "tls": connection.tls,
        "users": access.has_users(),
        "user": user,
    }))?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
