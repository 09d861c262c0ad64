//! Answers in gzip, for whoever accepts it.

use std::io::Write;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Shorter answers gain nothing.
const BYTES_MIN: u64 = 1024;
/// From here on compressing takes long enough to be kept off the threads that serve others.
const BYTES_INLINE: usize = 64 << 10;

/// Compresses JSON and text whose length is known, which is what handlers answer.
pub(crate) async fn compress(request: Request, next: Next) -> Response {
    let wanted = accepts_gzip(request.headers()) && request.method() != Method::HEAD;
    let response = next.run(request).await;
    if wanted && is_worth_it(&response) { encode(response).await } else { response }
}

/// Whether `Accept-Encoding` names gzip without refusing it.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| {
        let (name, parameters) = part.split_once(';').unwrap_or((part, ""));
        let weight = parameters.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
        matches!(name.trim().to_ascii_lowercase().as_str(), "gzip" | "*") && weight.is_none_or(|weight| weight > 0.0)
    })
}

fn is_worth_it(response: &Response) -> bool {
    let headers = response.headers();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = kind.starts_with("application/json") || kind.starts_with("text/") || kind.starts_with("application/openmetrics-text");
    let length = HttpBody::size_hint(response.body()).exact();
    text && !headers.contains_key(header::CONTENT_ENCODING) && length.is_some_and(|length| length >= BYTES_MIN)
}

async fn encode(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // The length is known and the body is in memory already, so no limit is needed.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let packed = if bytes.len() <= BYTES_INLINE {
        gzip(&bytes)
    } else {
        let copy = bytes.clone();
        tokio::task::spawn_blocking(move || gzip(&copy)).await.ok().flatten()
    };
    parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let Some(packed) = packed else { return Response::from_parts(parts, Body::from(bytes)) };
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}
