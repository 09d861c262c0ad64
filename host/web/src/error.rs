use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use promql::EvalError;

/// An error of the API: `errorType` decides the status code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// As upstream names it.
    pub kind: &'static str,
    /// The code of the answer.
    pub status: u16,
    /// For people.
    pub message: String,
}

impl ApiError {
    fn new(kind: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { kind, status, message: message.into() }
    }

    /// The request is wrong.
    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new("bad_data", 400, message)
    }

    /// A parameter is wrong, in upstream's words.
    pub(crate) fn parameter(name: &str, reason: impl fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {reason}"))
    }

    pub(crate) fn execution(message: impl Into<String>) -> Self {
        Self::new("execution", 422, message)
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new("timeout", 503, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new("internal", 500, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("not_found", 404, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new("unavailable", 503, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new("forbidden", 403, message)
    }

    pub(crate) fn method(message: impl Into<String>) -> Self {
        Self::new("bad_data", 405, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new("bad_data", 413, message)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl From<EvalError> for ApiError {
    fn from(error: EvalError) -> Self {
        let message = error.to_string();
        match error {
            EvalError::BadQuery(_) => Self::parameter("query", message),
            EvalError::Timeout => Self::timeout(message),
            EvalError::Canceled => Self::new("canceled", 503, message),
            EvalError::Storage(_) => Self::internal(message),
            _ => Self::execution(message),
        }
    }
}

impl From<model::seams::SelectError> for ApiError {
    fn from(error: model::seams::SelectError) -> Self {
        Self::internal(error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        // In upstream's order, for whoever looks at the beginning of the text.
        let message = serde_json::Value::from(self.message);
        let body = format!(r#"{{"status":"error","errorType":"{}","error":{message}}}"#, self.kind);
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
    }
}
