//! `/api/v1/read`: remote read. Errors are plain text, as upstream.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use remote::read::{ReadError, ReadRequest};

use crate::error::ApiError;
use crate::params::body;
use crate::router::App;
use crate::stream;

const STREAMED: &str = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        if error.status == 400 { Self::bad_data(error.message) } else { Self::internal(error.message) }
    }
}

/// `/api/v1/read`
pub(crate) async fn read(Shared(app): Shared<App>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(response) => response,
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, format!("{}\n", error.message)).into_response()
        }
    }
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let state = &app.state;
    let body = body(request.into_body(), state.limits.body_bytes).await?;
    let (select, external, limits) = (Arc::clone(&state.select), state.external_labels.clone(), state.limits.clone());
    let request = ReadRequest::decode(&body, &external)?;
    if request.streamed {
        let chunker = Arc::clone(&state.chunker);
        return stream::answer(&app.runner, &limits, STREAMED, move |_, sink| {
            request.frames::<ApiError>(&*select, &external, &*chunker, |frame| {
                sink.bytes_of(&frame);
                sink.flush()
            })
        })
        .await;
    }
    let bytes_max = limits.answer_bytes;
    let work = app.runner.run(&limits, limits.query_timeout, move |_| Ok(request.samples(&*select, &external, bytes_max)?));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf")),
        (header::CONTENT_ENCODING, HeaderValue::from_static("snappy")),
    ];
    Ok((headers, work.await?).into_response())
}
