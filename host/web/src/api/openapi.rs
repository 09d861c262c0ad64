//! `/api/v1/openapi.yaml`: what this API is, for programs.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

const TEXT: &str = include_str!("openapi.yaml");

pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml; charset=utf-8"))], TEXT).into_response()
}
